//! Flows by what decides how they are judged, without who they were: few, however many flows there are.

use crate::flow::Showing;
use crate::matching::Matching;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// What the judgement of a flow rests on, whoever the hosts are. Where who they are makes a difference, a sighting names
/// them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Kind {
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

/// Flows by kind. Bounded by what stands in the map.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Kinds {
    kinds: BTreeMap<Kind, Carried>,
}

impl Kinds {
    /// Adds what flows of a kind carried.
    pub fn add(&mut self, kind: Kind, carried: Carried) {
        *self.kinds.entry(kind).or_default() += carried;
    }

    /// What flows of a kind carried.
    pub fn get(&self, kind: &Kind) -> Option<&Carried> {
        self.kinds.get(kind)
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Every kind, in order, with what its flows carried.
    pub fn iter(&self) -> impl Iterator<Item = (&Kind, &Carried)> {
        self.kinds.iter()
    }
}

impl AddAssign<&Kinds> for Kinds {
    fn add_assign(&mut self, other: &Kinds) {
        other.kinds.iter().for_each(|(kind, carried)| self.add(*kind, *carried));
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
