//! Which directions of the traffic between two hosts the capture holds, as TCP shows it: only then does silence say something.

use crate::flow::{FlowRecord, Showing};
use crate::packet::{Address, protocol};
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::OnceLock;

/// Which directions were captured, by pair of hosts, by pair of networks and in all.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Visibility {
    hosts: Pairs,
    networks: Pairs,
    /// All TCP flows.
    pub all: Directions,
}

/// What is known of pairs, kept within a limit.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Pairs {
    pairs: BTreeMap<Pair, Directions>,
    ends: Ends,
    /// Flows of pairs that were left out because there were too many.
    pub unlisted: u64,
}

/// The same by each of the two: sums of the pairs that are kept, made when they are first asked for. No part of what is known.
#[derive(Clone, Default, Debug)]
struct Ends(OnceLock<BTreeMap<Address, Directions>>);

impl PartialEq for Ends {
    fn eq(&self, _: &Ends) -> bool {
        true
    }
}

impl Eq for Ends {}

/// Two hosts or two networks, the lower one first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pair(Address, Address);

/// TCP flows by the directions that were captured of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Directions {
    /// Flows with both.
    pub both: u64,
    /// Flows with one, although the other plainly exists.
    pub one: u64,
}

/// Maximum number of pairs of hosts that are told apart, and of pairs of networks.
pub const PAIR_LIMIT: usize = 50_000;

impl Pair {
    /// Two hosts.
    pub fn of(one: Address, other: Address) -> Pair {
        if one <= other { Pair(one, other) } else { Pair(other, one) }
    }

    /// The networks of two hosts.
    pub fn networks(self) -> Pair {
        Pair::of(self.0.network(), self.1.network())
    }

    /// Each of the two; one where a host speaks to itself, or a network within itself.
    fn ends(self) -> impl Iterator<Item = Address> {
        [Some(self.0), Some(self.1).filter(|&other| other != self.0)].into_iter().flatten()
    }

    /// The two, the lower one first.
    pub fn both(self) -> (Address, Address) {
        (self.0, self.1)
    }
}

impl Directions {
    /// The capture misses one direction of a part of the flows that is worth speaking of: one of two members of a port
    /// channel, or one way of an asymmetric route. A single flow among many is a packet that was lost, or the edge of the
    /// capture.
    pub fn is_half_seen(self) -> bool {
        let Directions { both, one } = self;
        one > 0 && (both == 0 || one > 1 && one * 10 >= one + both)
    }

    /// More than one flow of which one direction is missing.
    fn is_half_seen_twice(self) -> bool {
        self.one > 1
    }

    /// Nothing but halves, and more than one flow of them.
    fn is_never_whole(self) -> bool {
        self.both == 0 && self.is_half_seen_twice()
    }
}

impl Pairs {
    /// What is known of a pair.
    pub fn get(&self, pair: Pair) -> Option<Directions> {
        self.pairs.get(&pair).copied()
    }

    /// Every pair, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Pair, &Directions)> {
        self.pairs.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Adds flows of a pair.
    pub(super) fn add(&mut self, pair: Pair, directions: Directions) {
        *self.pairs.entry(pair).or_default() += directions;
        self.ends.0.take();
    }

    /// Whatever was seen of one of the two, with whomever, lacks one direction. Not asked where pairs were left out: their flows may
    /// have been whole.
    fn misses_an_end(&self, pair: Pair) -> bool {
        let never_whole = |end: Address| self.by_ends().get(&end).is_some_and(|directions| directions.is_never_whole());
        self.unlisted == 0 && pair.ends().any(never_whole)
    }

    fn by_ends(&self) -> &BTreeMap<Address, Directions> {
        self.ends.0.get_or_init(|| {
            let mut ends = BTreeMap::<Address, Directions>::new();
            for (pair, directions) in &self.pairs {
                pair.ends().for_each(|end| *ends.entry(end).or_default() += *directions);
            }
            ends
        })
    }

    /// Keeps the first in order, so that the order in which they came does not matter.
    pub(super) fn keep(&mut self) {
        while self.pairs.len() > PAIR_LIMIT {
            let Some((_, left_out)) = self.pairs.pop_last() else { return };
            self.unlisted += left_out.both + left_out.one;
            self.ends.0.take();
        }
    }
}

impl Visibility {
    /// Enters a flow.
    pub fn enter(&mut self, flow: &FlowRecord, showing: Showing) {
        if flow.protocol != protocol::TCP {
            return;
        }
        let both = flow.from_client.packets > 0 && flow.from_server.packets > 0;
        // A packet or two are the edge of the capture.
        let half = showing == Showing::OneDirection && flow.packets() > 2;
        let directions = Directions { both: u64::from(both), one: u64::from(half) };
        if directions == Directions::default() {
            return;
        }
        let hosts = Pair::of(flow.client.address, flow.server.address);
        self.all += directions;
        for (pairs, pair) in [(&mut self.hosts, hosts), (&mut self.networks, hosts.networks())] {
            pairs.add(pair, directions);
            pairs.keep();
        }
    }

    /// True where the capture misses one direction between these hosts, as far as TCP shows. What is known best decides: what
    /// TCP shows between the two hosts, then between their networks, then in the whole capture. So it does for `None`. But where
    /// TCP of one of the hosts, or of its network, is never whole, nothing speaks for the rest of its traffic.
    pub fn is_one_direction(&self, hosts: Option<Pair>) -> bool {
        let by_hosts = hosts.and_then(|hosts| self.hosts.get(hosts));
        let by_networks = || hosts.and_then(|hosts| self.networks.get(hosts.networks()));
        let misses_an_end =
            |hosts: Pair| self.hosts.misses_an_end(hosts) || self.networks.misses_an_end(hosts.networks());
        let may_miss_an_end = self.all.is_half_seen_twice();
        by_hosts.or_else(by_networks).unwrap_or(self.all).is_half_seen()
            || may_miss_an_end && hosts.is_some_and(misses_an_end)
    }

    /// By pair of hosts.
    pub fn hosts(&self) -> &Pairs {
        &self.hosts
    }

    /// By pair of networks.
    pub fn networks(&self) -> &Pairs {
        &self.networks
    }

    pub(super) fn pairs_mut(&mut self) -> [&mut Pairs; 2] {
        [&mut self.hosts, &mut self.networks]
    }
}

impl AddAssign<&Pairs> for Pairs {
    fn add_assign(&mut self, other: &Pairs) {
        let Pairs { pairs, ends: _, unlisted } = other;
        pairs.iter().for_each(|(pair, directions)| self.add(*pair, *directions));
        self.unlisted += unlisted;
        self.keep();
    }
}

impl AddAssign<&Visibility> for Visibility {
    fn add_assign(&mut self, other: &Visibility) {
        let Visibility { hosts, networks, all } = other;
        self.hosts += hosts;
        self.networks += networks;
        self.all += *all;
    }
}

impl AddAssign for Directions {
    fn add_assign(&mut self, other: Directions) {
        let Directions { both, one } = other;
        self.both += both;
        self.one += one;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_best_decides() {
        let host = |network, host| Address::v4([10, 0, network, host]);
        let mut seen = Visibility::default();
        let mut enter = |one, other, directions| {
            let hosts = Pair::of(one, other);
            seen.hosts.add(hosts, directions);
            seen.networks.add(hosts.networks(), directions);
            seen.all += directions;
        };
        enter(host(0, 1), host(1, 1), Directions { both: 0, one: 1 });
        enter(host(0, 2), host(1, 1), Directions { both: 50, one: 0 });
        enter(host(2, 1), host(3, 1), Directions { both: 3, one: 2 });
        let asked = |one, other| seen.is_one_direction(Some(Pair::of(one, other)));
        assert!(asked(host(0, 1), host(1, 1)), "a healthy neighbour changes nothing");
        assert!(!asked(host(0, 2), host(1, 1)), "nor does a neighbour that is half seen");
        assert!(!asked(host(0, 3), host(1, 1)), "one of 51 is an edge of the capture");
        assert!(asked(host(2, 9), host(3, 9)), "two of five between these networks");
        assert!(!asked(host(8, 1), host(9, 1)) && !seen.is_one_direction(None), "3 of 56 in all");
    }

    #[test]
    fn a_host_or_a_network_that_is_never_whole_is_not_known_elsewhere() {
        let host = |network, host| Address::v4([10, 0, network, host]);
        let seen = |flows: &[(Address, Address, u64, u64)]| {
            let mut seen = Visibility::default();
            for &(one, other, both, halves) in flows {
                let (hosts, directions) = (Pair::of(one, other), Directions { both, one: halves });
                seen.hosts.add(hosts, directions);
                seen.networks.add(hosts.networks(), directions);
                seen.all += directions;
            }
            seen
        };
        let healthy = (host(1, 9), host(2, 9), 90, 0);
        let asked = |seen: &Visibility, one, other| seen.is_one_direction(Some(Pair::of(one, other)));
        let client = seen(&[(host(1, 1), host(2, 1), 0, 1), (host(1, 1), host(3, 1), 0, 1), healthy]);
        assert!(asked(&client, host(1, 1), host(2, 9)), "the host with anybody");
        assert!(!asked(&client, host(1, 2), host(2, 9)), "its neighbour is as healthy as their networks");
        let once = seen(&[(host(1, 1), host(2, 1), 0, 1), healthy]);
        assert!(!asked(&once, host(1, 1), host(2, 9)), "one flow may be the edge of the capture");
        let mixed = seen(&[(host(1, 1), host(2, 1), 0, 2), (host(1, 1), host(3, 1), 1, 0), healthy]);
        assert!(!asked(&mixed, host(1, 1), host(2, 9)), "one that is whole");
        let network = seen(&[(host(4, 1), host(2, 1), 0, 1), (host(4, 2), host(2, 2), 0, 1), healthy]);
        assert!(asked(&network, host(4, 3), host(3, 1)), "the network with anybody");
        assert!(!asked(&network, host(1, 3), host(3, 1)), "not another one");
        let mut left_out = client.clone();
        left_out.hosts.unlisted = 1;
        assert!(!asked(&left_out, host(1, 1), host(2, 9)), "what was left out may have been whole");
    }

    #[test]
    fn sums_are_those_of_the_pairs_that_are_kept() {
        let host = |number: usize| Address::v4([10, (number >> 16) as u8, (number >> 8) as u8, number as u8]);
        let mut pairs = Pairs::default();
        for number in 1..=PAIR_LIMIT + 5 {
            pairs.add(Pair::of(host(0), host(number)), Directions { both: 1, one: 2 });
            pairs.keep();
        }
        let kept = PAIR_LIMIT as u64;
        assert_eq!(pairs.by_ends().get(&host(0)), Some(&Directions { both: kept, one: 2 * kept }));
        assert_eq!((pairs.by_ends().len(), pairs.unlisted), (PAIR_LIMIT + 1, 15));
    }
}
