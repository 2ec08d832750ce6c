//! Keeping all workers together within the limits of memory.

use super::census::{AGES, Census, Crowd, Host, PLACES, Worth, age_place, first_kept, idle, most_after};
use super::{FlowTable, Limits};
use crate::flow::track::Flow;
use crate::flow::{FlowRecord, Marks, PortUse};
use crate::packet::{FLOW_BYTES, Secret};
use crate::time::Timestamp;
use std::collections::HashMap;

impl Limits {
    /// How many bytes of memory packets may take before the workers meet: a sixteenth of the flows, and no more than the
    /// openings may have.
    pub fn between_meetings(&self) -> u64 {
        (self.flows as u64 / 16).saturating_mul(FLOW_BYTES).min(self.openings).max(1)
    }

    fn hold(&self, census: &Census) -> bool {
        census.flows <= self.flows as u64 && census.held <= self.openings
    }

    /// No host of whom there are hundreds has as many flows.
    fn crowd(&self, secret: Secret) -> Crowd {
        Crowd { secret, most: (self.flows as u64 / 256).max(16), cells: (self.flows / 128).clamp(256, 65_536) }
    }
}

/// Maximum number of first fragments of one generation. The later ones follow at once.
const FRAGMENT_LIMIT: u64 = 131_072;

impl FlowTable {
    /// One worker's part of a meeting at `now`, at which all of them find out whether they are within the limits, and give up
    /// what says least where they are not. `together` adds up what all workers hand in. Returns how many openings were
    /// given up.
    ///
    /// What is given up depends on the packets until now alone: every step counts whole groups of the flows that are alive.
    /// Where all flows together are few no table is looked at.
    pub fn meet(
        &mut self,
        now: Timestamp,
        secret: Secret,
        together: &mut impl FnMut(Census) -> Census,
        ended: &mut impl FnMut(FlowRecord),
    ) -> u64 {
        let mine = Census {
            flows: self.len() as u64,
            held: self.held,
            fragments: self.fragments.young(),
            ..Census::default()
        };
        let all = together(mine);
        if all.fragments > FRAGMENT_LIMIT {
            self.fragments.grow_old();
        }
        if self.limits.hold(&all) {
            return 0;
        }
        // Without the idle ones, which are swept some time.
        let crowd = self.limits.crowd(secret);
        self.sweep(now, usize::MAX, ended);
        let mut mine = Census { flows: self.len() as u64, held: self.held, ..Census::default() };
        self.flows.iter().for_each(|flow| crowd.count(&mut mine.cells, flow));
        let all = together(mine);
        if self.limits.hold(&all) {
            return 0;
        }
        let mut crowds = HashMap::new();
        self.flows.iter().for_each(|flow| crowd.count_exactly(&all.cells, &mut crowds, flow));
        let mut crowds = together(Census { crowds, ..Census::default() }).crowds;
        crowds.retain(|_, flows| *flows > crowd.most);
        let (places, openings) = self.by_place(now, &crowds);
        let Census { places, openings, .. } = together(Census { places, openings, ..Census::default() });
        self.give_up_first(now, &crowds, first_place_kept(&places, self.limits.flows as u64), ended);
        self.forget_openings(now, first_place_kept(&openings, self.limits.openings))
    }

    /// The flows that are alive, and the bytes of their openings, by the order in which they are given up.
    fn by_place(&self, now: Timestamp, crowds: &HashMap<Host, u64>) -> (Vec<u64>, Vec<u64>) {
        let (mut places, mut openings) = (vec![0; PLACES], vec![0; AGES]);
        for flow in self.flows.iter() {
            places[self.place_of(flow, now, crowds)] += 1;
            openings[age_place(idle(flow, now))] += flow.bytes_held();
        }
        (places, openings)
    }

    fn place_of(&self, flow: &Flow, now: Timestamp, crowds: &HashMap<Host, u64>) -> usize {
        let crowded = !crowds.is_empty() && Host::of(flow).iter().any(|host| crowds.contains_key(host));
        let port = flow.key.endpoint(!flow.client).port;
        let known = (self.knows_port)(flow.key.protocol(), port) != PortUse::Unknown;
        Worth::of(flow, crowded, known).place(idle(flow, now))
    }

    /// Gives up the flows of the places before `first`. What has ended loses nothing by it; of all others nobody knows what would
    /// have come.
    fn give_up_first(
        &mut self,
        now: Timestamp,
        crowds: &HashMap<Host, u64>,
        first: usize,
        ended: &mut impl FnMut(FlowRecord),
    ) {
        for slot in 0..self.flows.places {
            let Some(flow) = self.flows.get(slot) else { continue };
            if self.place_of(flow, now, crowds) < first {
                let over = flow.is_over();
                if !over {
                    self.flows.at(slot).marks.set(Marks::LET_GO);
                }
                ended(self.close(slot, now, !over));
            }
        }
    }

    /// Flows that have been idle as long as the places before `first` tell what they have heard, and listen no more.
    fn forget_openings(&mut self, now: Timestamp, first: usize) -> u64 {
        let mut forgotten = 0;
        for slot in 0..self.flows.places {
            let Some(flow) = self.flows.get_mut(slot) else { continue };
            let held = flow.bytes_held();
            if held > 0 && age_place(idle(flow, now)) < first {
                flow.hears_no_more();
                self.held -= held;
                forgotten += 1;
            }
        }
        forgotten
    }
}

/// The first place that stays: all of them where the limit is kept.
fn first_place_kept(places: &[u64], limit: u64) -> usize {
    if places.iter().sum::<u64>() <= limit { 0 } else { first_kept(places, most_after(limit)) }
}
