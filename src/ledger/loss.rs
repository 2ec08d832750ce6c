//! What had to be sent again over TCP, by client and port of a server: how much a path loses, and in which direction.

use super::path::{Path, Working};
use crate::flow::{Counts, FlowRecord};
use crate::matching::Matching;
use crate::packet::protocol;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// How much was sent again, by path.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Losses {
    rates: BTreeMap<Path, Rate>,
    /// Some were left out because there were too many.
    pub incomplete: bool,
}

/// What was sent on a path, and how much of it again. Client first, server second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// The flows.
    pub flows: Working,
    /// Packets that may have carried data, copies left out.
    pub sent: [u64; 2],
    /// Packets that repeated data: retransmissions without those of a SYN.
    pub again: [u64; 2],
    /// Flows in which a side repeated data.
    pub lossy: [u64; 2],
    /// Flows in which a side sent large packets, which arrived: [`LARGE`] bytes on average.
    pub large: [u64; 2],
}

/// Maximum number of paths that are remembered.
pub const LOSS_LIMIT: usize = 20_000;
/// Minimum number of packets of a flow that says something about loss.
const WORTH: u64 = 50;
/// Minimum mean IP length in bytes of what a side sent, from which on large packets were among it.
pub const LARGE: u64 = 1_000;

impl Losses {
    /// Enters a TCP flow of Citrix. One in which data was repeated in vain does not count: that is no loss of some packets.
    pub fn enter(&mut self, flow: &FlowRecord, matching: &Matching) {
        let vanished = flow.extras.as_deref().is_some_and(|extras| extras.vanished.is_some());
        let counts = [&flow.from_client, &flow.from_server];
        let both = counts.iter().all(|side| side.packets > 0);
        if flow.protocol != protocol::TCP || !matching.is_citrix() || flow.packets() < WORTH || !both {
            return;
        }
        let Some(flows) = Working::of(flow).filter(|_| flow.death.is_none() && !vanished) else { return };
        let openings = [flow.syns, flow.syn_acks].map(|openings| openings.saturating_sub(1));
        let again = [0, 1].map(|side| u64::from(counts[side].retransmissions.saturating_sub(openings[side])));
        let sent = counts.map(data_packets);
        let large = [0, 1].map(|side| {
            let Counts { packets, ip_bytes, .. } = *counts[side];
            // A side that repeats much may have repeated what is large in vain.
            u64::from(packets > 0 && ip_bytes / packets >= LARGE && again[side] * 5 < sent[side])
        });
        self.add(Path::of(flow), Rate { flows, sent, again, lossy: again.map(|again| u64::from(again > 0)), large });
        self.keep();
    }

    /// What is known of a path.
    pub fn get(&self, path: &Path) -> Option<&Rate> {
        self.rates.get(path)
    }

    /// Every path, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Rate)> {
        self.rates.iter()
    }

    /// How many paths.
    pub fn len(&self) -> usize {
        self.rates.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.rates.is_empty()
    }

    pub(super) fn add(&mut self, path: Path, rate: Rate) {
        self.rates.entry(path).and_modify(|known| *known += rate).or_insert(rate);
    }

    /// Keeps the first in order, so that the order in which they came does not matter.
    fn keep(&mut self) {
        while self.rates.len() > LOSS_LIMIT {
            self.rates.pop_last();
            self.incomplete = true;
        }
    }
}

/// Packets of a side that may have carried data: no more than bytes.
fn data_packets(side: &Counts) -> u64 {
    (side.packets - u64::from(side.duplicates)).min(side.payload_bytes)
}

impl AddAssign<&Losses> for Losses {
    fn add_assign(&mut self, other: &Losses) {
        let Losses { rates, incomplete } = other;
        rates.iter().for_each(|(path, rate)| self.add(*path, *rate));
        self.incomplete = self.incomplete || *incomplete;
        self.keep();
    }
}

impl AddAssign for Rate {
    fn add_assign(&mut self, other: Rate) {
        let Rate { flows, sent, again, lossy, large } = other;
        self.flows += flows;
        for side in [0, 1] {
            self.sent[side] += sent[side];
            self.again[side] += again[side];
            self.lossy[side] += lossy[side];
            self.large[side] += large[side];
        }
    }
}
