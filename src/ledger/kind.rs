//! Flows by what decides how they are judged, without who they were: few, however many flows there are.

use super::visibility::Networks;
use crate::flow::{FlowRecord, Showing};
use crate::matching::Matching;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// All that the judgement of a flow rests on. Flows of one kind are judged alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Kind {
    /// The networks of client and server, where their visibility matters: silence is one only where an answer would have
    /// been captured.
    pub networks: Option<Networks>,
    /// What the packets show.
    pub showing: Showing,
    /// Where it stands in the map.
    pub matching: Matching,
}

/// What flows of one kind carried.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Carried {
    /// Flows.
    pub flows: u64,
    /// Packets of both directions.
    pub packets: u64,
    /// IP bytes of both directions.
    pub bytes: u64,
}

/// Flows by kind. Bounded: by what stands in the map, and by [`KIND_LIMIT`] where networks are told apart.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Kinds {
    kinds: BTreeMap<Kind, Carried>,
    /// How many of them tell networks apart.
    with_networks: usize,
    /// Flows whose networks are not told apart because there were too many.
    pub without_networks: u64,
}

/// Maximum number of kinds that tell networks apart. The flows of all others count without their networks, for which the
/// capture as a whole speaks.
pub const KIND_LIMIT: usize = 50_000;

impl Kind {
    /// The kind of a flow.
    pub fn of(flow: &FlowRecord, showing: Showing, matching: Matching) -> Kind {
        let matters = showing == Showing::NoReply(None) && matching.is_reply_due();
        let networks = matters.then(|| Networks::of(flow.client.address, flow.server.address));
        Kind { networks, showing, matching }
    }
}

impl Kinds {
    /// Adds what flows of a kind carried.
    pub fn add(&mut self, kind: Kind, carried: Carried) {
        let mut new = false;
        let known = self.kinds.entry(kind).or_insert_with(|| {
            new = true;
            Carried::default()
        });
        *known += carried;
        if new && kind.networks.is_some() {
            self.with_networks += 1;
            self.keep();
        }
    }

    /// What flows of a kind carried.
    pub fn get(&self, kind: &Kind) -> Option<&Carried> {
        self.kinds.get(kind)
    }

    /// Every kind, in order, with what its flows carried.
    pub fn iter(&self) -> impl Iterator<Item = (&Kind, &Carried)> {
        self.kinds.iter()
    }

    /// Keeps the first in order that tell networks apart (those without stand before them), so that the order in which they
    /// came does not matter.
    fn keep(&mut self) {
        while self.with_networks > KIND_LIMIT {
            let Some((kind, carried)) = self.kinds.pop_last() else { return };
            self.with_networks -= 1;
            self.without_networks += carried.flows;
            *self.kinds.entry(Kind { networks: None, ..kind }).or_default() += carried;
        }
    }
}

impl AddAssign<&Kinds> for Kinds {
    fn add_assign(&mut self, other: &Kinds) {
        let Kinds { kinds, with_networks: _, without_networks } = other;
        self.without_networks += without_networks;
        kinds.iter().for_each(|(kind, carried)| self.add(*kind, *carried));
    }
}

impl AddAssign for Carried {
    fn add_assign(&mut self, other: Carried) {
        let Carried { flows, packets, bytes } = other;
        self.flows += flows;
        self.packets += packets;
        self.bytes += bytes;
    }
}
