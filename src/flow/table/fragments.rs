//! First fragments, for the later ones: they carry no ports.

use crate::flow::FlowKey;
use crate::packet::{Address, Packet};
use crate::time::{Span, Timestamp};
use std::collections::HashMap;

/// What the fragments of a packet have in common.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct FragmentKey {
    source: Address,
    destination: Address,
    identification: u32,
    protocol: u8,
}

impl FragmentKey {
    pub(super) fn of(protocol: u8, packet: &Packet) -> FragmentKey {
        FragmentKey {
            source: packet.source,
            destination: packet.destination,
            identification: packet.identification,
            protocol,
        }
    }
}

/// First fragments in two generations, so that the oldest can be forgotten without looking at each.
#[derive(Default)]
pub(super) struct Fragments {
    young: HashMap<FragmentKey, (FlowKey, Timestamp)>,
    old: HashMap<FragmentKey, (FlowKey, Timestamp)>,
}

/// Longest time after which a fragment may follow its first one (the reassembly time of Linux).
const FRAGMENT_LIFE: Span = Span::seconds(30);

impl Fragments {
    pub(super) fn remember(&mut self, fragment: FragmentKey, flow: FlowKey, at: Timestamp) {
        self.young.insert(fragment, (flow, at));
    }

    pub(super) fn flow_of(&self, fragment: &FragmentKey, at: Timestamp) -> Option<FlowKey> {
        let &(flow, then) = self.young.get(fragment).or_else(|| self.old.get(fragment))?;
        (at - then <= FRAGMENT_LIFE).then_some(flow)
    }

    /// How many of the younger generation.
    pub(super) fn young(&self) -> u64 {
        self.young.len() as u64
    }

    /// Forgets the older generation.
    pub(super) fn grow_old(&mut self) {
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
    }
}
