//! What became of a flow, which service it is, and whether that is as the map wants it: concluded once, when the sum of what was seen
//! is complete, from facts alone. Later the site and the roles that the whole capture shows stand here beside the map.

mod outcome;
mod tally;

pub use outcome::Outcome;
pub use tally::{ServiceTally, Tally};

use crate::flow::{Doubt, FlowRecord, Showing, showing};
use crate::ledger::{Kind, Ledger, Networks, Sighting};
use crate::matching::{Basis, Fit, Matching, ServiceRef};
use crate::portmap::{PortMap, RuleId};
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
        self.kind(&Kind::of(record, showing, Matching::of(record, showing, self.map)))
    }

    /// Judges all flows of a kind.
    pub fn kind(&self, kind: &Kind) -> Judgement<'m> {
        let Kind { networks, showing, matching } = *kind;
        let (outcome, doubt) = self.outcome(showing, &matching, networks);
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
            rules: matching.place.map_or(&[], |place| &self.map.at(place).rules),
        }
    }

    /// Judges the flows of a sighting.
    pub fn sighting(&self, sighting: &Sighting) -> Judgement<'m> {
        let Sighting { showing, matching, path } = *sighting;
        let networks = Some(Networks::of(path.client, path.server));
        self.kind(&Kind { networks, showing, matching })
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
    fn outcome(&self, showing: Showing, matching: &Matching, networks: Option<Networks>) -> (Outcome, Option<Doubt>) {
        match showing {
            Showing::Silence => (Outcome::Silent, None),
            Showing::NoReply(_) if !matching.is_reply_due() => (Outcome::Unanswered, None),
            Showing::NoReply(Some(doubt @ Doubt::NoClearAnswer)) => (Outcome::Undecided, Some(doubt)),
            Showing::NoReply(Some(doubt)) => (Outcome::Unanswered, Some(doubt)),
            Showing::NoReply(None) if self.ledger.visibility.is_one_direction(networks) => {
                (Outcome::OneWay, Some(Doubt::OneDirection))
            }
            Showing::NoReply(None) => (Outcome::Silent, None),
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
}
