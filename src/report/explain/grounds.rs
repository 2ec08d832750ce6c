//! What speaks for what is held of a flow, and against: facts of the whole capture about its hosts, its port and itself.

use crate::case::Conclusion;
use crate::finding::{Params, Value};
use crate::flow::{DirectionBasis, FIRM, FlowRecord, GRACE, Marks, Showing, showing};
use crate::judge::{Explained, Outcome};
use crate::ledger::{Answers, Pair, Path, Sighting};
use crate::packet::protocol;
use crate::problem::Told;
use std::collections::BTreeSet;

/// Something that speaks for what is held of a flow, or against it, or is good to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ground {
    pub weight: Weight,
    pub told: Told,
}

/// Which way something speaks. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Weight {
    For,
    Against,
    Neither,
}

impl Weight {
    pub fn name(self) -> &'static str {
        match self {
            Weight::For => "for",
            Weight::Against => "against",
            Weight::Neither => "neither",
        }
    }

    /// The sign before it in a text.
    pub fn mark(self) -> &'static str {
        match self {
            Weight::For => "+ ",
            Weight::Against => "- ",
            Weight::Neither => "  ",
        }
    }
}

struct Grounds<'a> {
    record: &'a FlowRecord,
    conclusion: &'a Conclusion<'a>,
    path: Path,
    /// It rests on something that was not seen.
    absence: bool,
    blocked: bool,
    /// It is itself among the attempts that the ledger keeps.
    own: bool,
    all: Vec<Ground>,
}

/// The signs of who is behind these problems.
fn of_problems<'a>(conclusion: &'a Conclusion<'_>, problems: &'a [usize]) -> impl Iterator<Item = &'a Told> {
    let culprits = problems.iter().filter_map(|&place| conclusion.problems[place].culprit.as_ref());
    culprits.flat_map(|culprit| &culprit.signs)
}

/// All of them, what speaks for it first. `problems` are those that the flow is part of.
pub(super) fn grounds(
    record: &FlowRecord,
    explained: &Explained<'_>,
    conclusion: &Conclusion<'_>,
    problems: &[usize],
) -> Vec<Ground> {
    let outcome = explained.judgement.outcome;
    let absence = match outcome {
        Outcome::Silent | Outcome::HalfOpen | Outcome::Unanswered | Outcome::Undecided | Outcome::OneWay => true,
        Outcome::Established
        | Outcome::Answered
        | Outcome::Refused
        | Outcome::Prohibited
        | Outcome::ResetEarly
        | Outcome::Midstream => false,
    };
    let path = Path::of(record);
    let Explained { showing, matching, .. } = *explained;
    let sightings = &conclusion.judge.ledger.sightings;
    let own = showing.is_attempt() && sightings.get(&Sighting { showing, matching, path }).is_some();
    let mut grounds =
        Grounds { record, conclusion, path, absence, blocked: outcome.is_blocked(), own, all: Vec::new() };
    grounds.basis();
    grounds.watch(outcome);
    grounds.directions(outcome);
    grounds.loss();
    grounds.answers(explained.matching.port.generic);
    grounds.others();
    let culprits: Vec<&Told> = of_problems(conclusion, problems).collect();
    match culprits[..] {
        [] => grounds.senders(),
        _ => grounds.all.extend(culprits.into_iter().cloned().map(|told| Ground { weight: Weight::Neither, told })),
    }
    grounds.neighbour();
    grounds.itself();
    let order = |weight: Weight| [Weight::For, Weight::Against, Weight::Neither].iter().position(|one| *one == weight);
    grounds.all.sort_by_key(|ground| order(ground.weight));
    grounds.all
}

impl Grounds<'_> {
    fn add<const N: usize>(&mut self, weight: Weight, code: &'static str, params: [(&'static str, Value); N]) {
        self.all.push(Ground { weight, told: Told { code, params: Params::from(params) } });
    }

    /// How sure it is who opened it.
    fn basis(&mut self) {
        let weight = match self.record.basis {
            DirectionBasis::Handshake => Weight::For,
            DirectionBasis::PortMap | DirectionBasis::Payload => Weight::Neither,
            DirectionBasis::PortOrder | DirectionBasis::FirstPacket => Weight::Against,
        };
        self.add(weight, "explain-sign-basis", [("basis", Value::Word(self.record.basis.name()))]);
    }

    /// How long it was watched.
    fn watch(&mut self, outcome: Outcome) {
        let watched = Value::Duration(self.record.watched());
        if matches!(outcome, Outcome::Silent | Outcome::HalfOpen) {
            let firm = self.record.watched() >= FIRM;
            let weight = if firm { Weight::For } else { Weight::Neither };
            let (firm, needed) = (Value::Word(if firm { "yes" } else { "no" }), Value::Duration(FIRM));
            let grace = Value::Duration(GRACE);
            self.add(
                weight,
                "explain-sign-watched",
                [("answer", firm), ("time", watched), ("needed", needed), ("least", grace)],
            );
        }
        if self.record.marks.has(Marks::LET_GO) {
            self.add(Weight::Against, "explain-sign-let-go", []);
        }
    }

    /// Whether the capture holds both directions between these hosts.
    fn directions(&mut self, outcome: Outcome) {
        let visibility = &self.conclusion.judge.ledger.visibility;
        let pair = Pair::of(self.record.client.address, self.record.server.address);
        let half = visibility.is_one_direction(Some(pair));
        let seen = visibility.hosts().get(pair).unwrap_or_default();
        let weight = match () {
            () if !self.absence => Weight::Neither,
            () if half => {
                if outcome == Outcome::OneWay {
                    Weight::For
                } else {
                    Weight::Against
                }
            }
            () if seen.both == 0 => Weight::Neither,
            () => {
                if outcome == Outcome::OneWay {
                    Weight::Against
                } else {
                    Weight::For
                }
            }
        };
        let half = Value::Word(if half { "half" } else { "whole" });
        let counts = [("both", Value::Number(seen.both)), ("one", Value::Number(seen.one)), ("seen", half)];
        match seen.both + seen.one {
            0 if weight == Weight::Neither => {}
            _ => self.add(weight, "explain-sign-directions", counts),
        }
    }

    /// What the capture lost, left out, or holds only in part.
    fn loss(&mut self) {
        let (record, captures) = (self.record, &self.conclusion.case.captures);
        let lost = captures.iter().any(|notes| notes.may_have_lost(record.first, record.until));
        let known = captures.iter().all(|notes| notes.dropped.kernel.or(notes.dropped.interface).is_some());
        if lost {
            self.add(if self.absence { Weight::Against } else { Weight::Neither }, "explain-sign-lossy", []);
        } else if self.absence {
            let weight = if known { Weight::For } else { Weight::Neither };
            self.add(weight, "explain-sign-no-loss", [("known", Value::Word(if known { "yes" } else { "no" }))]);
        }
        if let Some(filter) = captures.iter().find_map(|notes| notes.filter.as_ref()) {
            let weight = if self.absence { Weight::Against } else { Weight::Neither };
            self.add(weight, "explain-sign-filter", [("filter", Value::Text(filter.program.clone()))]);
        }
        if self.conclusion.case.clock.steps_back > 0 {
            self.add(Weight::Against, "explain-sign-clock", []);
        }
    }

    /// Whether this path was answered at other times, and others on the same port.
    fn answers(&mut self, generic: bool) {
        let paths = &self.conclusion.judge.ledger.paths;
        match paths.answers(&self.path).filter(|answers| answers.flows > u64::from(self.is_answered())) {
            Some(Answers { flows, first, last }) => {
                let (when, weight) = match () {
                    () if last < self.record.first => ("before", Weight::Neither),
                    () if first > self.record.last => ("after", Weight::Against),
                    () => ("meanwhile", Weight::Against),
                };
                let weight = if self.absence || self.blocked { weight } else { Weight::For };
                let (first, last) = (Value::Moment(first), Value::Moment(last));
                let params =
                    [("number", Value::Number(flows)), ("first", first), ("last", last), ("when", Value::Word(when))];
                self.add(weight, "explain-sign-answered", params);
            }
            None if self.blocked => self.add(Weight::For, "explain-sign-never-answered", []),
            None => {}
        }
        let (server, port, protocol) = (self.path.server, self.path.port, self.path.protocol);
        let same = |path: &&Path| (path.server, path.port, path.protocol) == (server, port, protocol);
        let known = paths.iter().map(|(path, _)| path).chain(paths.generic().map(|(path, _)| path));
        let clients: BTreeSet<_> = known.filter(same).map(|path| path.client).collect();
        let others = clients.iter().filter(|client| **client != self.path.client).count() as u64;
        if self.blocked && self.path.protocol != protocol::ICMP {
            self.add(Weight::Neither, "explain-sign-other-clients", [("number", Value::Number(others))]);
        }
        if self.absence && paths.may_lack_answers(generic) {
            self.add(Weight::Against, "explain-sign-answers-unknown", []);
        }
    }

    /// Other flows of the same client to the same port that came to nothing.
    fn others(&mut self) {
        let sightings = self.conclusion.judge.ledger.sightings.iter();
        let mine = sightings.filter(|(sighting, _)| sighting.path == self.path && sighting.showing.is_attempt());
        let (flows, tries) = mine.fold((0, 0), |(flows, tries), (_, seen)| (flows + seen.flows, tries + seen.tries));
        let flows = flows - u64::from(flows > 0 && self.own);
        if flows > 0 {
            let weight = if self.blocked { Weight::For } else { Weight::Neither };
            self.add(
                weight,
                "explain-sign-other-tries",
                [("number", Value::Number(flows)), ("tries", Value::Number(tries))],
            );
        }
    }

    /// It is itself among the answered flows of its path.
    fn is_answered(&self) -> bool {
        let FlowRecord { established_at, answered_at, .. } = self.record;
        established_at.is_some()
            || answered_at.is_some()
                && (self.path.protocol == protocol::UDP || showing(self.record) == Showing::Handshake)
    }

    /// Who answered for the server, by the distance that its packets came from.
    fn senders(&mut self) {
        let server = self.record.server.address;
        let paths = self
            .conclusion
            .judge
            .ledger
            .paths
            .iter()
            .filter(|(path, _)| path.server == server && path.client == self.path.client);
        let usual =
            paths.map(|(_, answered)| answered.ttl).reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        let usual = usual.or(self.record.greeting.map(|greeting| (greeting.ttl, greeting.ttl)));
        let ttl = |ttl: u8| Value::Number(ttl.into());
        if let Some(reset) = self.record.reset {
            match usual {
                Some((low, high)) => {
                    let same = (low..=high).contains(&reset.ttl);
                    let same = Value::Word(if same { "yes" } else { "no" });
                    let usual = if low == high { low.to_string() } else { format!("{low} to {high}") };
                    let params = [("ttl", ttl(reset.ttl)), ("usual", Value::Text(usual)), ("answer", same)];
                    self.add(Weight::Neither, "explain-sign-reset", params);
                }
                None => self.add(Weight::Neither, "explain-sign-reset-alone", [("ttl", ttl(reset.ttl))]),
            }
        }
        if let Some(error) = self.record.icmp {
            let own = Value::Word(if error.sender == server { "yes" } else { "no" });
            let sender = Value::Text(error.sender.to_string());
            self.add(Weight::Neither, "explain-sign-error", [("answer", own), ("sender", sender)]);
        }
    }

    /// Whether the server was asked for on its link in vain.
    fn neighbour(&mut self) {
        let FlowRecord { first, last, server, .. } = *self.record;
        let requests = self.conclusion.judge.ledger.neighbours.unanswered(server.address, first, last);
        if requests > 0 {
            self.add(Weight::For, "explain-sign-host-down", [("number", Value::Number(requests))]);
        }
    }

    /// What the flow itself shows beyond its outcome.
    fn itself(&mut self) {
        let FlowRecord { from_client, from_server, marks, death, .. } = self.record;
        let again = [from_client, from_server].map(|counts| u64::from(counts.retransmissions));
        let copies = u64::from(from_client.duplicates) + u64::from(from_server.duplicates);
        let (cut, died) = (marks.has(Marks::CUT), death.is_some());
        if again[0] + again[1] > 0 && self.record.protocol == protocol::TCP {
            let numbers = [("client", Value::Number(again[0])), ("server", Value::Number(again[1]))];
            self.add(Weight::Neither, "explain-sign-again", numbers);
        }
        if copies > 0 {
            self.add(Weight::Neither, "explain-sign-copies", [("number", Value::Number(copies))]);
        }
        if cut {
            self.add(Weight::Against, "explain-sign-cut", []);
        }
        if died {
            self.add(Weight::Neither, "explain-sign-died", []);
        }
    }
}
