//! Sums over all flows, by what is held of them and by service.

use super::{Judge, Judgement, Reason, Verdict};
use crate::flow::Doubt;
use crate::ledger::{Carried, Kind, Latency, Sighting};
use crate::matching::{Basis, ServiceRef};
use crate::portmap::RuleSet;
use serde::Serialize;
use std::collections::BTreeMap;

/// Flows by what is held of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Tally {
    /// All.
    pub flows: u64,
    /// A rule explains them.
    pub expected: u64,
    /// They concern Citrix and no rule allows them.
    pub unexpected: u64,
    /// Nothing to do with Citrix as far as can be told.
    pub unmapped: u64,
    /// The capture does not show enough.
    pub not_evaluable: u64,
    /// Blocked, whatever the verdict.
    pub blocked: u64,
    /// The capture shows what became of them; without any the exit code is 4.
    pub evaluable: u64,
}

/// What was seen of one service.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct ServiceTally<'l> {
    /// Flows, packets and bytes.
    pub carried: Carried,
    /// Blocked flows.
    pub blocked: u64,
    /// Flows of which the capture does not show enough.
    pub unclear: u64,
    /// Rules that name the ports.
    pub rules: RuleSet,
    /// Handshake round trips, if there were any.
    pub round_trips: Option<&'l Latency>,
}

impl<'l> Judge<'_, 'l> {
    /// Counts all flows by what is held of them.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (kind, carried) in self.ledger.kinds.iter() {
            tally.add(&self.kind(kind), carried.flows);
        }
        for (by_kind, by_hosts, flows) in self.moved() {
            tally.remove(&by_kind, flows);
            tally.add(&by_hosts, flows);
        }
        tally
    }

    /// Flows that are judged otherwise because of who they are than all others of their kind: by kind, by hosts, how many.
    fn moved(&self) -> impl Iterator<Item = (Judgement<'_>, Judgement<'_>, u64)> {
        self.ledger.sightings.iter().filter_map(|(sighting, seen)| {
            let Sighting { showing, matching, .. } = *sighting;
            let (by_kind, by_hosts) = (self.kind(&Kind { showing, matching }), self.sighting(sighting));
            (by_kind != by_hosts).then_some((by_kind, by_hosts, seen.flows))
        })
    }

    /// Why flows could not be judged, and how many.
    pub fn doubts(&self) -> BTreeMap<Doubt, u64> {
        let mut doubts: BTreeMap<Doubt, u64> = BTreeMap::new();
        let doubt = |judgement: &Judgement<'_>| match judgement.reason {
            Some(Reason::Doubt(doubt)) if judgement.verdict == Verdict::NotEvaluable => Some(doubt),
            _ => None,
        };
        for (kind, carried) in self.ledger.kinds.iter() {
            if let Some(doubt) = doubt(&self.kind(kind)) {
                *doubts.entry(doubt).or_default() += carried.flows;
            }
        }
        for (by_kind, by_hosts, flows) in self.moved() {
            if let Some(known) = doubt(&by_kind).and_then(|doubt| doubts.get_mut(&doubt)) {
                *known = known.saturating_sub(flows);
            }
            if let Some(doubt) = doubt(&by_hosts) {
                *doubts.entry(doubt).or_default() += flows;
            }
        }
        doubts.retain(|_, flows| *flows > 0);
        doubts
    }

    /// Adds up what was seen of each service; `None` is everything that belongs to none.
    pub fn services(&self) -> BTreeMap<Option<ServiceRef>, ServiceTally<'l>> {
        let mut services: BTreeMap<Option<ServiceRef>, ServiceTally<'l>> = BTreeMap::new();
        for (kind, carried) in self.ledger.kinds.iter() {
            let judgement = self.kind(kind);
            services.entry(judgement.service).or_default().add(&judgement, *carried);
        }
        for (by_kind, by_hosts, flows) in self.moved() {
            // The service is that of the port and the payload, whoever the hosts are.
            let Some(service) = services.get_mut(&by_kind.service) else { continue };
            if by_kind.outcome.is_blocked() {
                service.blocked = service.blocked.saturating_sub(flows);
            }
            if by_hosts.outcome.is_blocked() {
                service.blocked += flows;
            }
            if by_kind.verdict == Verdict::NotEvaluable {
                service.unclear = service.unclear.saturating_sub(flows);
            }
            if by_hosts.verdict == Verdict::NotEvaluable {
                service.unclear += flows;
            }
        }
        for (service, latency) in &self.ledger.round_trips {
            services.entry(*service).or_default().round_trips = Some(latency);
        }
        services
    }
}

impl Tally {
    fn add(&mut self, judgement: &Judgement<'_>, flows: u64) {
        self.counts(judgement).into_iter().flatten().for_each(|count| *count += flows);
    }

    fn remove(&mut self, judgement: &Judgement<'_>, flows: u64) {
        self.counts(judgement).into_iter().flatten().for_each(|count| *count = count.saturating_sub(flows));
    }

    /// Where flows of which this is held are counted.
    fn counts(&mut self, judgement: &Judgement<'_>) -> [Option<&mut u64>; 4] {
        let Tally { flows, expected, unexpected, unmapped, not_evaluable, blocked, evaluable } = self;
        let verdict = match judgement.verdict {
            Verdict::Expected => expected,
            Verdict::Unexpected => unexpected,
            Verdict::Unmapped => unmapped,
            Verdict::NotEvaluable => not_evaluable,
        };
        let blocked = judgement.outcome.is_blocked().then_some(blocked);
        let evaluable = judgement.outcome.is_evaluable().then_some(evaluable);
        [Some(flows), Some(verdict), blocked, evaluable]
    }
}

impl ServiceTally<'_> {
    fn add(&mut self, judgement: &Judgement<'_>, carried: Carried) {
        self.carried += carried;
        if judgement.outcome.is_blocked() {
            self.blocked += carried.flows;
        }
        if judgement.verdict == Verdict::NotEvaluable {
            self.unclear += carried.flows;
        }
        if judgement.basis != Basis::None {
            self.rules.extend(judgement.rules);
        }
    }
}
