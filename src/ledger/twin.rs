//! Openings on session ports by the number that the client drew, so that a connection is known again behind a device that changes
//! addresses.

use super::few::Few;
use crate::flow::{FlowRecord, Marks, PacketRef, Showing};
use crate::matching::Matching;
use crate::packet::{Address, protocol};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Openings, by the server's port and the first sequence number of the client.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Twins {
    openings: BTreeMap<Drawn, Few<Opening>>,
    /// Some were left out because there were too many.
    pub incomplete: bool,
}

/// The server's port, and the sequence number after the client's SYN: one of four thousand million that hosts draw (RFC 6528).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Drawn {
    /// The server's port.
    pub port: u16,
    /// The number.
    pub number: u32,
}

/// A connection that was opened, by when.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Opening {
    /// When the first packet was captured.
    pub first: Timestamp,
    /// That packet.
    pub opener: PacketRef,
    /// The server.
    pub server: Address,
    /// The client.
    pub client: Address,
    /// Its port.
    pub client_port: u16,
    /// Time to live of the client's first packet.
    pub ttl: u8,
    /// The handshake was completed.
    pub answered: bool,
}

/// Maximum number of numbers that are remembered.
pub const TWIN_LIMIT: usize = 20_000;
/// Maximum number of openings with one number that are kept, the first ones: where there are as many, it was not drawn.
pub const TWINS_OF_ONE: usize = 4;

impl Twins {
    /// Enters a flow, if it was opened on a session port.
    pub fn enter(&mut self, flow: &FlowRecord, showing: Showing, matching: &Matching) {
        let opened = flow.protocol == protocol::TCP && flow.marks.has(Marks::SYN_SEEN) && matching.port.session;
        let Some(number) = flow.first_number.filter(|_| opened) else { return };
        let opening = Opening {
            first: flow.first,
            opener: flow.opener,
            server: flow.server.address,
            client: flow.client.address,
            client_port: flow.client.port,
            ttl: flow.from_client.ttl,
            answered: showing == Showing::Handshake,
        };
        self.add(Drawn { port: flow.server.port, number }, opening);
        self.keep();
    }

    /// The openings with one number.
    pub fn get(&self, drawn: &Drawn) -> &[Opening] {
        self.openings.get(drawn).map_or(&[], |openings| openings)
    }

    /// Every number, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Drawn, &Few<Opening>)> {
        self.openings.iter()
    }

    /// How many numbers.
    pub fn len(&self) -> usize {
        self.openings.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.openings.is_empty()
    }

    pub(super) fn add(&mut self, drawn: Drawn, opening: Opening) {
        self.openings.entry(drawn).or_default().join(&[opening], TWINS_OF_ONE);
    }

    /// Keeps the first in order, so that the order in which they came does not matter.
    fn keep(&mut self) {
        while self.openings.len() > TWIN_LIMIT {
            self.openings.pop_last();
            self.incomplete = true;
        }
    }
}

impl AddAssign<&Twins> for Twins {
    fn add_assign(&mut self, other: &Twins) {
        let Twins { openings, incomplete } = other;
        for (drawn, openings) in openings {
            openings.iter().for_each(|opening| self.add(*drawn, *opening));
        }
        self.incomplete = self.incomplete || *incomplete;
        self.keep();
    }
}
