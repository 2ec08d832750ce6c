//! What became of a flow, which service it is, and whether that is as the map wants it: concluded once, when the sum of what was seen
//! is complete, from facts alone. Later the site and the roles that the whole capture shows stand here beside the map.

mod outcome;
mod tally;

pub use outcome::Outcome;
pub use tally::{ServiceTally, Tally};

use crate::flow::{Doubt, FlowRecord, GRACE, Showing, TCP_TRIES, showing};
use crate::ledger::{Kind, LATEST_LIMIT, Ledger, Pair, Path, Seen, Sighting, Step};
use crate::matching::{Basis, Fit, Matching, ServiceRef};
use crate::packet::protocol;
use crate::portmap::{Place, PortMap, RuleId};
use crate::signature::Protocol;

/// Judges flows by a map and by all that was seen.
///
/// It borrows the complete sum: whoever judges before all workers have brought home what they have judges by less.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'m, 'l> {
    /// The map.
    pub map: &'m PortMap,
    /// All that was seen.
    pub ledger: &'l Ledger,
}

/// What is held of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judgement<'m> {
    /// What became of it.
    pub outcome: Outcome,
    /// Why that is not more certain.
    pub doubt: Option<Doubt>,
    /// Whether the map explains it.
    pub verdict: Verdict,
    /// Why the verdict is not `expected`, or not more certain.
    pub reason: Option<Reason>,
    /// What ties it to its service.
    pub basis: Basis,
    /// The service.
    pub service: Option<ServiceRef>,
    /// The port proves nothing by itself.
    pub generic: bool,
    /// Where its port stands in the map.
    pub place: Option<Place>,
    /// The rules that it rests on: those that name its port, most specific first.
    pub rules: &'m [RuleId],
}

/// Whether the port map explains a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// A rule explains it.
    Expected,
    /// It concerns Citrix and no rule allows it, or the payload contradicts the rule.
    Unexpected,
    /// Nothing to do with Citrix as far as can be told.
    Unmapped,
    /// The capture does not show enough.
    NotEvaluable,
}

/// Why a verdict is what it is. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The port stands in many rules and proves nothing.
    GenericPort,
    /// No rule names the port.
    UnknownPort,
    /// The payload is that of another protocol than the one the port belongs to.
    ForeignProtocol,
    /// A Citrix protocol on a port that is not its own.
    CitrixOnOtherPort,
    /// The port belongs to a Citrix service of the other transport.
    OtherTransport,
    /// The capture does not show enough.
    Doubt(Doubt),
}

/// What a sighting is a sign of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Sign {
    /// A blocked flow.
    Blocked(Outcome),
    /// A payload of another protocol than the port's.
    Foreign(Protocol),
    /// A Citrix protocol on another port than its own.
    CitrixElsewhere(Protocol),
    /// A Citrix port over the other transport.
    OtherTransport,
    /// A session port that answers to the internet.
    Exposed,
    /// A flow on a Citrix port that cannot be judged, and why.
    Doubtful(Doubt),
    /// A flow on a Citrix port whose start was not captured.
    Midstream,
}

impl Verdict {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Expected => "expected",
            Verdict::Unexpected => "unexpected",
            Verdict::Unmapped => "unmapped",
            Verdict::NotEvaluable => "not_evaluable",
        }
    }
}

impl Reason {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Reason::GenericPort => "generic-port",
            Reason::UnknownPort => "unknown-port",
            Reason::ForeignProtocol => "foreign-protocol",
            Reason::CitrixOnOtherPort => "citrix-on-other-port",
            Reason::OtherTransport => "other-transport",
            Reason::Doubt(doubt) => doubt.name(),
        }
    }
}

impl<'m, 'l> Judge<'m, 'l> {
    /// A judge who knows all that was seen.
    pub fn new(map: &'m PortMap, ledger: &'l Ledger) -> Judge<'m, 'l> {
        Judge { map, ledger }
    }

    /// Judges one flow.
    pub fn flow(&self, record: &FlowRecord) -> Judgement<'m> {
        let showing = showing(record);
        let matching = Matching::of(record, showing, self.map);
        self.judge(Kind { showing, matching }, Some(Path::of(record)))
    }

    /// Judges all flows of a kind, without knowing who they were.
    pub fn kind(&self, kind: &Kind) -> Judgement<'m> {
        self.judge(*kind, None)
    }

    /// Judges the flows of a sighting.
    pub fn sighting(&self, sighting: &Sighting) -> Judgement<'m> {
        let Sighting { showing, matching, path } = *sighting;
        self.judge(Kind { showing, matching }, Some(path))
    }

    /// Judges a flow of a session.
    pub fn step(&self, step: &Step) -> Judgement<'m> {
        let Step { showing, matching, path, .. } = *step;
        self.judge(Kind { showing, matching }, Some(path))
    }

    fn judge(&self, kind: Kind, path: Option<Path>) -> Judgement<'m> {
        let Kind { showing, matching } = kind;
        let (outcome, doubt) = self.outcome(showing, &matching, path);
        let (verdict, reason) = match matching.fit {
            Fit::Fits => (Verdict::Expected, None),
            Fit::Foreign(_) => (Verdict::Unexpected, Some(Reason::ForeignProtocol)),
            Fit::CitrixElsewhere(_) => (Verdict::Unexpected, Some(Reason::CitrixOnOtherPort)),
            Fit::OtherTransport => (Verdict::Unexpected, Some(Reason::OtherTransport)),
            Fit::GenericPort => (Verdict::Unmapped, Some(Reason::GenericPort)),
            Fit::UnknownPort => (Verdict::Unmapped, Some(Reason::UnknownPort)),
        };
        let (verdict, reason) = match verdict {
            Verdict::Unmapped => (verdict, reason),
            _ if !outcome.is_evaluable() => (Verdict::NotEvaluable, doubt.map(Reason::Doubt)),
            Verdict::Expected => (verdict, doubt.map(Reason::Doubt)),
            Verdict::Unexpected | Verdict::NotEvaluable => (verdict, reason),
        };
        Judgement {
            outcome,
            doubt,
            verdict,
            reason,
            basis: matching.basis,
            service: matching.service,
            generic: matching.port.generic,
            place: matching.place,
            rules: matching.place.map_or(&[], |place| &self.map.at(place).rules),
        }
    }

    /// What a sighting is a sign of: at most one trouble, and whether a session port is exposed.
    pub fn signs(&self, sighting: &Sighting) -> [Option<Sign>; 2] {
        let Sighting { matching, path, .. } = *sighting;
        let judgement = self.sighting(sighting);
        let concerns_citrix = judgement.verdict != Verdict::Unmapped;
        let trouble = match (judgement.verdict, judgement.reason, matching.fit) {
            _ if judgement.outcome.is_blocked() && (concerns_citrix || judgement.generic) => {
                Some(Sign::Blocked(judgement.outcome))
            }
            (Verdict::Unexpected, _, Fit::Foreign(protocol)) => Some(Sign::Foreign(protocol)),
            (Verdict::Unexpected, _, Fit::CitrixElsewhere(protocol)) => Some(Sign::CitrixElsewhere(protocol)),
            (Verdict::Unexpected, _, Fit::OtherTransport) => Some(Sign::OtherTransport),
            (Verdict::NotEvaluable, Some(Reason::Doubt(doubt)), _) => Some(Sign::Doubtful(doubt)),
            (Verdict::Expected, Some(Reason::Doubt(doubt @ (Doubt::CaptureTooShort | Doubt::TooFewTries))), _) => {
                Some(Sign::Doubtful(doubt))
            }
            (Verdict::Expected, _, _) if judgement.outcome == Outcome::Midstream => Some(Sign::Midstream),
            _ => None,
        };
        let opened = matches!(judgement.outcome, Outcome::Established | Outcome::Answered);
        let expected = judgement.verdict == Verdict::Expected;
        let exposed = matching.port.session && opened && expected && path.comes_from_outside();
        [trouble, exposed.then_some(Sign::Exposed)]
    }

    /// What became of flows that show this. Where TCP shows that the capture holds one direction only, a UDP flow without a
    /// reply is no sign of a block: the reply may have passed unseen (facts ONEWAY-02).
    fn outcome(&self, showing: Showing, matching: &Matching, path: Option<Path>) -> (Outcome, Option<Doubt>) {
        let half_seen = || self.ledger.visibility.is_one_direction(path.map(|path| Pair::of(path.client, path.server)));
        match showing {
            Showing::Silence => (Outcome::Silent, None),
            Showing::NoReply(_) if !matching.is_reply_due() => (Outcome::Unanswered, None),
            Showing::NoReply(Some(doubt @ Doubt::NoClearAnswer)) => (Outcome::Undecided, Some(doubt)),
            Showing::NoReply(Some(doubt)) if !self.tries_add_up(doubt, matching, path, Showing::short_of_replies) => {
                (Outcome::Unanswered, Some(doubt))
            }
            Showing::NoReply(_) if half_seen() => (Outcome::OneWay, Some(Doubt::OneDirection)),
            Showing::NoReply(_) => (Outcome::Silent, None),
            Showing::Unclear(doubt) if self.tries_add_up(doubt, matching, path, Showing::Unclear) => {
                (Outcome::Silent, None)
            }
            Showing::Refusal => (Outcome::Refused, None),
            Showing::Unreachable => (Outcome::Prohibited, None),
            Showing::Unacknowledged => (Outcome::HalfOpen, None),
            // A scanner that speaks the wrong language is shown the door; nothing is blocked.
            Showing::EarlyReset if matching.foreign_attempt => (Outcome::Established, None),
            Showing::EarlyReset => (Outcome::ResetEarly, None),
            Showing::Handshake => (Outcome::Established, None),
            Showing::Exchange => (Outcome::Answered, None),
            Showing::Midstream => (Outcome::Midstream, None),
            Showing::SentToMany => (Outcome::Unanswered, Some(Doubt::SentToMany)),
            Showing::OneDirection => (Outcome::OneWay, Some(Doubt::OneDirection)),
            Showing::Unclear(doubt) => (Outcome::Undecided, Some(doubt)),
        }
    }

    /// A client that tries again and again from new ports, too few times from each, has tried often enough when all its tries
    /// are counted together: for as long as one flow is watched, and with no answer since the first of them (facts GRACE-01).
    fn tries_add_up(&self, doubt: Doubt, matching: &Matching, path: Option<Path>, shows: fn(Doubt) -> Showing) -> bool {
        let Some(path) = path.filter(|_| doubt.is_patience()) else { return false };
        let sightings = [Doubt::TooFewTries, Doubt::CaptureTooShort]
            .map(shows)
            .map(|showing| self.ledger.sightings.get(&Sighting { showing, matching: *matching, path }));
        let mut seen = sightings.into_iter().flatten();
        let Some(mut all) = seen.next().cloned() else { return false };
        seen.for_each(|more| all += more);
        let paths = &self.ledger.paths;
        let told_no = [Showing::Refusal, Showing::Unreachable].into_iter().any(|showing| {
            let refused = self.ledger.sightings.get(&Sighting { showing, matching: *matching, path });
            refused.is_some_and(|refused| refused.last >= all.first)
        });
        let flood = path.protocol == protocol::TCP && is_flood(&all);
        if flood || told_no || paths.may_lack_answers(matching.port.generic) {
            return false;
        }
        // A flow may have been entered more than once while an audit goes on: ports tell attempts apart.
        let enough = all.client_ports.len() >= TCP_TRIES as usize && all.tries >= u64::from(TCP_TRIES);
        match paths.answers(&path).filter(|answers| answers.last >= all.first) {
            None => enough && all.last - all.first >= GRACE,
            // Answered in between: only what began since counts, and it takes more of it.
            Some(answers) => {
                let since = all.latest.iter().filter(|began| began.0 > answers.last);
                let earliest = since.clone().next_back().map_or(all.last, |began| began.0);
                enough && since.count() >= LATEST_LIMIT && all.last - earliest >= GRACE
            }
        }
    }
}

/// More single tries between two hosts than a program makes that waits for an answer.
pub fn is_flood(seen: &Seen) -> bool {
    const FLOWS: u64 = 200;
    const A_SECOND: u64 = 10;
    let seconds = ((seen.last - seen.first).as_seconds() as u64).max(1);
    seen.flows >= FLOWS && seen.tries <= 2 * seen.flows && seen.flows / seconds >= A_SECOND
}
