//! Sums over all flows, by what is held of them and by service.

use super::{Judge, Judgement, Verdict};
use crate::ledger::{Carried, Latency};
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
        tally
    }

    /// Adds up what was seen of each service; `None` is everything that belongs to none.
    pub fn services(&self) -> BTreeMap<Option<ServiceRef>, ServiceTally<'l>> {
        let mut services: BTreeMap<Option<ServiceRef>, ServiceTally<'l>> = BTreeMap::new();
        for (kind, carried) in self.ledger.kinds.iter() {
            let judgement = self.kind(kind);
            services.entry(judgement.service).or_default().add(&judgement, *carried);
        }
        for (service, latency) in &self.ledger.round_trips {
            services.entry(*service).or_default().round_trips = Some(latency);
        }
        services
    }
}

impl Tally {
    fn add(&mut self, judgement: &Judgement<'_>, flows: u64) {
        self.flows += flows;
        match judgement.verdict {
            Verdict::Expected => self.expected += flows,
            Verdict::Unexpected => self.unexpected += flows,
            Verdict::Unmapped => self.unmapped += flows,
            Verdict::NotEvaluable => self.not_evaluable += flows,
        }
        if judgement.outcome.is_blocked() {
            self.blocked += flows;
        }
        if judgement.outcome.is_evaluable() {
            self.evaluable += flows;
        }
    }
}

impl ServiceTally<'_> {
    fn add(&mut self, judgement: &Judgement<'_>, carried: Carried) {
        self.carried += carried;
        if judgement.outcome.is_blocked() {
            self.blocked += carried.flows;
        }
        if judgement.basis != Basis::None {
            self.rules.extend(judgement.rules);
        }
    }
}
