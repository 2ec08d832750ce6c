//! Which directions of the traffic between two networks the capture holds, as TCP shows it: only then does silence say something.

use crate::flow::{FlowRecord, Showing};
use crate::packet::{Address, protocol};
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Which directions were captured, by pair of networks and in all.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Visibility {
    /// By pair of networks. Bounded by [`NETWORK_LIMIT`].
    pub networks: BTreeMap<Networks, Directions>,
    /// All TCP flows.
    pub all: Directions,
}

/// Two networks, the lower one first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Networks(Address, Address);

/// TCP flows by the directions that were captured of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Directions {
    /// Flows with both.
    pub both: u64,
    /// Flows with one, although the other plainly exists.
    pub one: u64,
}

/// Maximum number of pairs of networks that are told apart.
pub const NETWORK_LIMIT: usize = 50_000;

impl Networks {
    /// The networks of two hosts.
    pub fn of(one: Address, other: Address) -> Networks {
        let (one, other) = (one.network(), other.network());
        if one <= other { Networks(one, other) } else { Networks(other, one) }
    }

    /// The two, the lower one first.
    pub fn pair(self) -> (Address, Address) {
        (self.0, self.1)
    }
}

impl Visibility {
    /// Enters a flow.
    pub fn enter(&mut self, flow: &FlowRecord, showing: Showing) {
        if flow.protocol != protocol::TCP {
            return;
        }
        let both = flow.from_client.packets > 0 && flow.from_server.packets > 0;
        let directions = Directions { both: u64::from(both), one: u64::from(showing == Showing::OneDirection) };
        if directions == Directions::default() {
            return;
        }
        self.all += directions;
        *self.networks.entry(Networks::of(flow.client.address, flow.server.address)).or_default() += directions;
        self.keep();
    }

    /// True where the capture holds only one direction between these networks, as far as TCP shows. Where TCP shows nothing
    /// between them, the capture as a whole decides; so it does for `None`.
    pub fn is_one_direction(&self, networks: Option<Networks>) -> bool {
        match networks.and_then(|networks| self.networks.get(&networks)) {
            Some(seen) => seen.both == 0 && seen.one > 0,
            None => self.all.both == 0 && self.all.one > 0,
        }
    }

    /// Keeps the first in order, so that the order in which they came does not matter.
    fn keep(&mut self) {
        while self.networks.len() > NETWORK_LIMIT {
            self.networks.pop_last();
        }
    }
}

impl AddAssign<&Visibility> for Visibility {
    fn add_assign(&mut self, other: &Visibility) {
        let Visibility { networks, all } = other;
        self.all += *all;
        for (networks, directions) in networks {
            *self.networks.entry(*networks).or_default() += *directions;
        }
        self.keep();
    }
}

impl AddAssign for Directions {
    fn add_assign(&mut self, other: Directions) {
        let Directions { both, one } = other;
        self.both += both;
        self.one += one;
    }
}
