//! Who was asked for on the links that were captured, by ARP and neighbour discovery, and who answered: a host that nobody finds is
//! down, or not in that network.

use crate::packet::{Address, Neighbour};
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

/// Requests for hosts, by who was asked for and who asked.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Neighbours {
    called: BTreeMap<(Address, Address), Called>,
    /// Some were left out because there were too many.
    pub incomplete: bool,
}

/// What is known of one host's requests for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Called {
    /// Requests.
    pub requests: u64,
    /// Answers to them.
    pub answers: u64,
    /// The first of either.
    pub first: Timestamp,
    /// The last of either.
    pub last: Timestamp,
}

/// Maximum number of pairs of hosts that are remembered.
pub const NEIGHBOUR_LIMIT: usize = 20_000;
/// Maximum mean time between requests that repeat each other. Systems repeat one without an answer after a second, and ask again
/// for a host that answered after 15 seconds at the earliest; so the answer need not have been captured.
const REPEATED: Span = Span::seconds(5);
/// Maximum time between such requests and packets to that host.
const NEAR: Span = Span::seconds(60);

impl Neighbours {
    /// Enters a request or an answer.
    pub fn enter(&mut self, neighbour: Neighbour, at: Timestamp) {
        let Neighbour { asked, asker, answers } = neighbour;
        let called = Called { requests: u64::from(!answers), answers: u64::from(answers), first: at, last: at };
        self.add((asked, asker), called);
        self.keep();
    }

    /// What is known of the requests of one host for another.
    pub fn get(&self, asked: Address, asker: Address) -> Option<&Called> {
        self.called.get(&(asked, asker))
    }

    /// Every pair of who was asked for and who asked, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&(Address, Address), &Called)> {
        self.called.iter()
    }

    /// How many pairs.
    pub fn len(&self) -> usize {
        self.called.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.called.is_empty()
    }

    /// Requests for a host about this time that were repeated and that nobody answered. None where the host was heard of at any time.
    pub fn unanswered(&self, host: Address, first: Timestamp, last: Timestamp) -> u64 {
        let asks = || self.called.keys().any(|(_, asker)| *asker == host);
        self.missed(host, (first, last), asks)
    }

    fn missed(&self, host: Address, (first, last): (Timestamp, Timestamp), asks: impl FnOnce() -> bool) -> u64 {
        let lowest = Address::default();
        let calls = || self.called.range((host, lowest)..).take_while(move |((asked, _), _)| *asked == host);
        let near = |called: &Called| called.first <= last + NEAR && first <= called.last + NEAR;
        let missed: u64 =
            calls().filter(|(_, called)| called.is_repeated() && near(called)).map(|(_, called)| called.requests).sum();
        let heard = missed > 0 && (calls().any(|(_, called)| called.answers > 0) || asks());
        if heard { 0 } else { missed }
    }

    /// When a host that answered was last asked for or answered.
    pub fn last_answer(&self, host: Address) -> Option<Timestamp> {
        let calls = self.called.range((host, Address::default())..).take_while(|((asked, _), _)| *asked == host);
        calls.filter(|(_, called)| called.answers > 0).map(|(_, called)| called.last).max()
    }

    /// Hosts for which requests were repeated and never answered, with the number of those requests.
    pub fn all_unanswered(&self) -> BTreeMap<Address, u64> {
        let askers: BTreeSet<Address> = self.called.keys().map(|(_, asker)| *asker).collect();
        let hosts = self.called.iter().map(|((asked, _), called)| (*asked, (called.first, called.last)));
        let known = hosts.map(|(host, times)| (host, self.missed(host, times, || askers.contains(&host))));
        known.filter(|(_, requests)| *requests > 0).collect()
    }

    pub(super) fn add(&mut self, pair: (Address, Address), called: Called) {
        self.called.entry(pair).and_modify(|known| *known += called).or_insert(called);
    }

    /// Keeps the first in order, so that the order in which they came does not matter.
    fn keep(&mut self) {
        while self.called.len() > NEIGHBOUR_LIMIT {
            self.called.pop_last();
            self.incomplete = true;
        }
    }
}

impl Called {
    fn is_repeated(&self) -> bool {
        let between = i64::try_from(self.requests.saturating_sub(1)).unwrap_or(i64::MAX);
        // Closer together it is one that the capture holds twice.
        let length = self.last - self.first;
        self.requests >= 2 && length >= Span::millis(500) && length.0 / between <= REPEATED.0
    }
}

impl AddAssign<&Neighbours> for Neighbours {
    fn add_assign(&mut self, other: &Neighbours) {
        let Neighbours { called, incomplete } = other;
        called.iter().for_each(|(pair, called)| self.add(*pair, *called));
        self.incomplete = self.incomplete || *incomplete;
        self.keep();
    }
}

impl AddAssign for Called {
    fn add_assign(&mut self, other: Called) {
        let Called { requests, answers, first, last } = other;
        self.requests += requests;
        self.answers += answers;
        self.first = self.first.min(first);
        self.last = self.last.max(last);
    }
}
