//! Many hosts that show the same: kept together, because a scan or a flood is one thing to tell.

use super::Few;
use super::path::Path;
use super::sighting::{Seen, Sighting};
use crate::flow::Showing;
use crate::matching::Matching;
use crate::packet::Address;
use std::collections::BTreeSet;
use std::ops::AddAssign;

/// A port of a server, and what flows to it show.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Target {
    /// What the packets show.
    pub showing: Showing,
    /// Where it stands in the map.
    pub matching: Matching,
    /// IP protocol number.
    pub protocol: u8,
    /// The server's port.
    pub port: u16,
    /// The server.
    pub server: Address,
}

/// Many hosts on one side: more than are kept one by one.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Crowd {
    /// All their flows together; `None` before the first.
    seen: Option<Seen>,
    /// The hosts, the lowest [`HOSTS_NAMED`].
    hosts: BTreeSet<Address>,
    /// The servers' ports with their protocols, the lowest [`PORTS_NAMED`].
    ports: Few<(u8, u16)>,
}

/// Maximum number of hosts of a crowd that are named.
pub const HOSTS_NAMED: usize = 1_000;
/// Maximum number of ports of a crowd that are named.
pub const PORTS_NAMED: usize = 100;

impl Target {
    /// The target of a sighting.
    pub fn of(sighting: &Sighting) -> Target {
        let Sighting { showing, matching, path } = *sighting;
        Target { showing, matching, protocol: path.protocol, port: path.port, server: path.server }
    }

    /// What one of the clients shows.
    pub fn sighting(&self, client: Address) -> Sighting {
        let Target { showing, matching, protocol, port, server } = *self;
        Sighting { showing, matching, path: Path { protocol, port, server, client } }
    }
}

impl Crowd {
    /// A crowd as it was written down.
    pub(super) fn new(seen: Seen, hosts: BTreeSet<Address>, ports: Few<(u8, u16)>) -> Crowd {
        Crowd { seen: Some(seen), hosts, ports }
    }

    /// Adds what one host shows at a port.
    pub(super) fn add(&mut self, host: Address, port: (u8, u16), seen: &Seen) {
        self.count(seen);
        self.name(host);
        self.ports.join(&[port], PORTS_NAMED);
    }

    /// All flows together.
    pub fn seen(&self) -> Option<&Seen> {
        self.seen.as_ref()
    }

    /// How many flows.
    pub fn flows(&self) -> u64 {
        self.seen.as_ref().map_or(0, |seen| seen.flows)
    }

    /// The hosts, the lowest [`HOSTS_NAMED`].
    pub fn hosts(&self) -> &BTreeSet<Address> {
        &self.hosts
    }

    /// The servers' ports with their protocols, the lowest [`PORTS_NAMED`].
    pub fn ports(&self) -> &[(u8, u16)] {
        &self.ports
    }

    fn count(&mut self, seen: &Seen) {
        match &mut self.seen {
            Some(known) => *known += seen,
            None => self.seen = Some(seen.clone()),
        }
    }

    fn name(&mut self, host: Address) {
        let full = self.hosts.len() >= HOSTS_NAMED;
        if full && self.hosts.last().is_some_and(|&last| host >= last) {
            return;
        }
        if self.hosts.insert(host) && full {
            self.hosts.pop_last();
        }
    }
}

impl AddAssign<&Crowd> for Crowd {
    fn add_assign(&mut self, other: &Crowd) {
        if let Some(seen) = &other.seen {
            self.count(seen);
        }
        other.hosts.iter().for_each(|&host| self.name(host));
        self.ports.join(&other.ports, PORTS_NAMED);
    }
}
