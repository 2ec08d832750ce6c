//! What became of a flow, which service it is, and whether that is as the map wants it: concluded once, when the sum of what was seen
//! is complete, from facts alone. Later the site and the roles that the whole capture shows stand here beside the map.

mod outcome;
mod tally;
mod what_if;

pub use outcome::Outcome;
pub use tally::{ServiceTally, Tally};
pub use what_if::{Change, WhatIf};

use crate::flow::{self, Asked, Doubt, FlowRecord, GRACE, Nobody, Showing, TCP_TRIES, Witness, showing, showing_told};
use crate::ledger::{Kind, LATEST_LIMIT, Ledger, Pair, Path, Reply, Seen, Sighting, Step};
use crate::matching::{self, Basis, Fit, Matching, ServiceRef};
use crate::packet::protocol;
use crate::portmap::{Place, PortMap, RuleId};
use crate::signature::Protocol;
use crate::time::{Span, Timestamp};

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

/// A question that decides what a flow comes to, with the facts that it is asked of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Question {
    /// Over UDP: the service always answers, and it was spoken to in its own language.
    ReplyDue,
    /// The capture holds one direction only between these hosts.
    OneDirection,
    /// All tries of this client on this path, each too few by itself, are enough together.
    TriesAddUp(Together),
    /// The client spoke another protocol than the port is for, and was shown the door.
    WrongLanguage,
    /// The flow concerns Citrix as far as port and payload tell.
    ConcernsCitrix(Fit),
    /// The capture shows enough to judge what became of it.
    Evaluable(Outcome),
}

/// All tries of a client on one path that each are too few by themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Together {
    /// SYNs, or datagrams.
    pub tries: u64,
    /// Client's ports that they came from: ports tell attempts apart.
    pub ports: usize,
    /// From the first of them to the last.
    pub over: Span,
    /// When the path was last answered, if it was since the first of them.
    pub answered: Option<Timestamp>,
    /// Some of these tries were told no.
    pub told_no: bool,
    /// They are a flood, which waits for no answer.
    pub flood: bool,
    /// More paths were answered than are kept.
    pub answers_unknown: bool,
    /// What came back.
    pub met: Met,
}

/// What came back to tries, none of which was taken up: of the first of them, as far as they are named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Met {
    /// Nothing.
    Nothing,
    /// A SYN-ACK to each, which was not acknowledged.
    SynAck,
    /// Nothing to some, and a SYN-ACK to others.
    Both,
}

impl Met {
    fn of(seen: &Seen) -> Met {
        match seen.signs.iter().filter(|sign| sign.what == Reply::Greeting).count() {
            0 => Met::Nothing,
            greeted if greeted >= seen.openers.len() => Met::SynAck,
            _ => Met::Both,
        }
    }
}

/// What is held of a flow, and why: the questions that it turned on, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explained<'m> {
    /// What is held of it.
    pub judgement: Judgement<'m>,
    /// What its packets show.
    pub showing: Showing,
    /// Where it stands in the map.
    pub matching: Matching,
    /// What was asked of its packets.
    pub of_packets: Vec<Asked<flow::Question>>,
    /// What was asked of the map.
    pub of_map: Vec<Asked<matching::Question>>,
    /// What was asked of all that the capture shows.
    pub of_all: Vec<Asked<Question>>,
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
    /// No reply, where none need come, from a service that has a substitute.
    Unanswered,
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
        self.judge(Kind { showing, matching }, Some(Path::of(record)), &mut Nobody)
    }

    /// Judges one flow, and tells why.
    pub fn explain(&self, record: &FlowRecord) -> Explained<'m> {
        let (mut of_packets, mut of_map, mut of_all) = (Vec::new(), Vec::new(), Vec::new());
        let showing = showing_told(record, &mut of_packets);
        let matching = Matching::told(record, showing, self.map, &mut of_map);
        let judgement = self.judge(Kind { showing, matching }, Some(Path::of(record)), &mut of_all);
        Explained { judgement, showing, matching, of_packets, of_map, of_all }
    }

    /// Judges all flows of a kind, without knowing who they were.
    pub fn kind(&self, kind: &Kind) -> Judgement<'m> {
        self.judge(*kind, None, &mut Nobody)
    }

    /// Judges the flows of a sighting.
    pub fn sighting(&self, sighting: &Sighting) -> Judgement<'m> {
        let Sighting { showing, matching, path } = *sighting;
        self.judge(Kind { showing, matching }, Some(path), &mut Nobody)
    }

    /// Judges a flow of a session.
    pub fn step(&self, step: &Step) -> Judgement<'m> {
        let Step { showing, matching, path, .. } = *step;
        self.judge(Kind { showing, matching }, Some(path), &mut Nobody)
    }

    fn judge(&self, kind: Kind, path: Option<Path>, why: &mut impl Witness<Question>) -> Judgement<'m> {
        let Kind { showing, matching } = kind;
        let (outcome, doubt) = self.outcome(showing, &matching, path, why);
        let (verdict, reason) = match matching.fit {
            Fit::Fits => (Verdict::Expected, None),
            Fit::Foreign(_) => (Verdict::Unexpected, Some(Reason::ForeignProtocol)),
            Fit::CitrixElsewhere(_) => (Verdict::Unexpected, Some(Reason::CitrixOnOtherPort)),
            Fit::OtherTransport => (Verdict::Unexpected, Some(Reason::OtherTransport)),
            Fit::GenericPort => (Verdict::Unmapped, Some(Reason::GenericPort)),
            Fit::UnknownPort => (Verdict::Unmapped, Some(Reason::UnknownPort)),
        };
        let (verdict, reason) = match verdict {
            _ if !why.asks(verdict != Verdict::Unmapped, || Question::ConcernsCitrix(matching.fit)) => {
                (verdict, reason)
            }
            _ if !why.asks(outcome.is_evaluable(), || Question::Evaluable(outcome)) => {
                (Verdict::NotEvaluable, doubt.map(Reason::Doubt))
            }
            Verdict::Expected => (verdict, doubt.map(Reason::Doubt)),
            Verdict::Unexpected | Verdict::Unmapped | Verdict::NotEvaluable => (verdict, reason),
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
            _ if sighting.is_in_vain() => Some(Sign::Unanswered),
            _ => None,
        };
        let opened = matches!(judgement.outcome, Outcome::Established | Outcome::Answered);
        let expected = judgement.verdict == Verdict::Expected;
        let exposed = matching.port.session && opened && expected && path.comes_from_outside();
        [trouble, exposed.then_some(Sign::Exposed)]
    }

    /// What became of flows that show this. Where TCP shows that the capture holds one direction only, a UDP flow without a
    /// reply is no sign of a block: the reply may have passed unseen (facts ONEWAY-02).
    fn outcome(
        &self,
        showing: Showing,
        matching: &Matching,
        path: Option<Path>,
        why: &mut impl Witness<Question>,
    ) -> (Outcome, Option<Doubt>) {
        match showing {
            Showing::Silence => (Outcome::Silent, None),
            Showing::NoReply(doubt) => self.without_reply(doubt, matching, path, why),
            Showing::Unclear(doubt) => match self.tries_add_up(doubt, matching, path, Showing::Unclear, why) {
                Some(Met::Nothing) => (Outcome::Silent, None),
                Some(Met::SynAck) => (Outcome::HalfOpen, None),
                Some(Met::Both) | None => (Outcome::Undecided, Some(doubt)),
            },
            Showing::Refusal => (Outcome::Refused, None),
            Showing::Unreachable => (Outcome::Prohibited, None),
            Showing::Unacknowledged => (Outcome::HalfOpen, None),
            // A scanner that speaks the wrong language is shown the door; nothing is blocked.
            Showing::EarlyReset if why.asks(matching.foreign_attempt, || Question::WrongLanguage) => {
                (Outcome::Established, None)
            }
            Showing::EarlyReset => (Outcome::ResetEarly, None),
            Showing::Handshake => (Outcome::Established, None),
            Showing::Exchange => (Outcome::Answered, None),
            Showing::Midstream => (Outcome::Midstream, None),
            Showing::SentToMany => (Outcome::Unanswered, Some(Doubt::SentToMany)),
            Showing::OneDirection => (Outcome::OneWay, Some(Doubt::OneDirection)),
        }
    }

    /// UDP or ICMP without a reply.
    fn without_reply(
        &self,
        doubt: Option<Doubt>,
        matching: &Matching,
        path: Option<Path>,
        why: &mut impl Witness<Question>,
    ) -> (Outcome, Option<Doubt>) {
        if !why.asks(matching.is_reply_due(), || Question::ReplyDue) {
            return (Outcome::Unanswered, None);
        }
        match doubt {
            Some(Doubt::NoClearAnswer) => return (Outcome::Undecided, doubt),
            Some(few) if self.tries_add_up(few, matching, path, Showing::short_of_replies, why).is_none() => {
                return (Outcome::Unanswered, doubt);
            }
            _ => {}
        }
        let hosts = path.map(|path| Pair::of(path.client, path.server));
        if why.asks(self.ledger.visibility.is_one_direction(hosts), || Question::OneDirection) {
            return (Outcome::OneWay, Some(Doubt::OneDirection));
        }
        (Outcome::Silent, None)
    }

    /// A client that tries again and again from new ports, too few times from each, has tried often enough when all its tries
    /// are counted together: for as long as one flow is watched, and with no answer since the first of them (facts GRACE-01). What they
    /// met then; none where they are too few.
    fn tries_add_up(
        &self,
        doubt: Doubt,
        matching: &Matching,
        path: Option<Path>,
        shows: fn(Doubt) -> Showing,
        why: &mut impl Witness<Question>,
    ) -> Option<Met> {
        let path = path.filter(|_| doubt.is_patience())?;
        let sightings = [Doubt::TooFewTries, Doubt::CaptureTooShort]
            .map(shows)
            .map(|showing| self.ledger.sightings.get(&Sighting { showing, matching: *matching, path }));
        let mut seen = sightings.into_iter().flatten();
        let mut all = seen.next().cloned()?;
        seen.for_each(|more| all += more);
        let paths = &self.ledger.paths;
        let told_no = [Showing::Refusal, Showing::Unreachable].into_iter().any(|showing| {
            let refused = self.ledger.sightings.get(&Sighting { showing, matching: *matching, path });
            refused.is_some_and(|refused| refused.last >= all.first)
        });
        let flood = path.protocol == protocol::TCP && is_flood(&all);
        let answers_unknown = paths.may_lack_answers(matching.port.generic);
        // A flow may have been entered more than once while an audit goes on: ports tell attempts apart.
        let enough = all.client_ports.len() >= TCP_TRIES as usize && all.tries >= u64::from(TCP_TRIES);
        let answers = paths.answers(&path).filter(|answers| answers.last >= all.first);
        let long = match answers {
            None => all.last - all.first >= GRACE,
            // Answered in between: only what began since counts, and it takes more of it.
            Some(answers) => {
                let since = all.latest.iter().filter(|began| began.0 > answers.last);
                let earliest = since.clone().next_back().map_or(all.last, |began| began.0);
                since.count() >= LATEST_LIMIT && all.last - earliest >= GRACE
            }
        };
        let met = Met::of(&all);
        let add_up = !flood && !told_no && !answers_unknown && enough && long && met != Met::Both;
        let add_up = why.asks(add_up, || {
            Question::TriesAddUp(Together {
                tries: all.tries,
                ports: all.client_ports.len(),
                over: all.last - all.first,
                answered: answers.map(|answers| answers.last),
                told_no,
                flood,
                answers_unknown,
                met,
            })
        });
        add_up.then_some(met)
    }
}

/// A try or two, as a scanner makes them. Systems repeat a refused one by themselves.
pub fn is_light(showing: Showing, flows: u64, tries: u64) -> bool {
    flows <= 2 && (showing == Showing::Refusal || tries <= 2 * flows)
}

/// More single tries between two hosts than a program makes that waits for an answer.
pub fn is_flood(seen: &Seen) -> bool {
    const FLOWS: u64 = 200;
    const A_SECOND: u64 = 10;
    let seconds = ((seen.last - seen.first).as_seconds() as u64).max(1);
    seen.flows >= FLOWS && seen.tries <= 2 * seen.flows && seen.flows / seconds >= A_SECOND
}
