//! What was answered, and what works, from whom to which port of whom: what a blocked transport may have fallen back to, and whether
//! what was blocked once was answered at other times.

use crate::flow::{Endpoint, Evidence, FlowRecord, Marks, Showing};
use crate::matching::{Fit, Matching};
use crate::packet::{Address, Vlans, protocol};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// From whom to which port of whom.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Path {
    /// IP protocol number.
    pub protocol: u8,
    /// The server's port.
    pub port: u16,
    /// The server.
    pub server: Address,
    /// The client.
    pub client: Address,
}

/// What is known of the flows that were answered on a path. Small, because there may be very many paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered {
    /// Flows that were answered: over TCP the handshake was completed, over UDP the server replied. None where the captures
    /// begin after it.
    pub answers: Option<Answers>,
    /// Flows that carried something both ways.
    pub working: Option<Working>,
    /// The smallest time to live of the server's first packets, and the largest: what comes with another one may come from
    /// somebody else.
    pub ttl: (u8, u8),
    /// VLAN ids; of several the lowest.
    pub vlans: Vlans,
}

/// Flows that were seen to be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answers {
    /// How many.
    pub flows: u64,
    /// When the first was answered.
    pub first: Timestamp,
    /// When the last was answered.
    pub last: Timestamp,
}

/// Flows that carried something both ways and were not torn down by the server. A connection that is opened and closed is a
/// monitor's, not a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Working {
    /// How many.
    pub flows: u64,
    /// When the first began.
    pub first: Timestamp,
    /// When the last began.
    pub began: Timestamp,
    /// When the last ended.
    pub last: Timestamp,
    /// The first packet of the first flow in the order of the captures.
    pub opener: Evidence,
    /// The client's port of that flow.
    pub client_port: u16,
}

/// Answered paths. Those on which something works are kept apart from those that were only answered, so that connections that are
/// opened and closed cannot push out a session; so are the ports that many programs use, of which only the answers are kept.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Paths {
    /// Flows that carried something both ways, by path.
    working: BTreeMap<Path, Answered>,
    /// Flows that were answered and carried nothing both ways, by path.
    answered: BTreeMap<Path, Answered>,
    /// Flows that were answered on a port that many programs use, by path.
    generic: BTreeMap<Path, Answers>,
    /// Paths on which something works were left out because there were too many.
    pub incomplete: bool,
    /// Paths that were only answered were left out because there were too many.
    pub answers_incomplete: bool,
    /// Paths on ports that many programs use were left out because there were too many.
    pub generic_incomplete: bool,
}

/// Maximum number of paths that are remembered because something works there; as many again because they were answered, and as
/// many on ports that many programs use.
pub const PATH_LIMIT: usize = 50_000;

impl Path {
    /// The path of a flow.
    pub fn of(flow: &FlowRecord) -> Path {
        Path {
            protocol: flow.protocol,
            port: flow.server.port,
            server: flow.server.address,
            client: flow.client.address,
        }
    }

    /// The client has a public address and lies in another network than the server, and over IPv6 at another site: all addresses of a
    /// site may be public.
    pub fn comes_from_outside(&self) -> bool {
        let elsewhere = self.client.network() != self.server.network() && !self.client.is_of_site(self.server);
        self.client.is_public() && elsewhere
    }
}

impl Paths {
    /// Enters a flow, if it was answered on a port of the map.
    pub fn enter(&mut self, flow: &FlowRecord, showing: Showing, matching: &Matching) {
        let answered_at = match flow.protocol {
            // A monitor wants no more than the answer to its SYN.
            protocol::TCP => flow.established_at.or(flow.answered_at.filter(|_| showing == Showing::Handshake)),
            // TFTP answers from another port, soon.
            protocol::UDP => flow.answered_at.or(flow.marks.has(Marks::ANSWERED_ELSEWHERE).then_some(flow.last)),
            _ => return,
        };
        let answers = answered_at.map(|at| Answers { flows: 1, first: at, last: at });
        if matching.port.generic {
            if let Some(answers) = answers {
                self.add_generic(Path::of(flow), answers);
                self.keep();
            }
            return;
        }
        if matching.fit != Fit::Fits {
            return;
        }
        let working = working(flow, showing);
        if answers.is_none() && working.is_none() {
            return;
        }
        let ttl = flow.from_server.ttl;
        self.add(Path::of(flow), Answered { answers, working, ttl: (ttl, ttl), vlans: flow.vlans });
        self.keep();
    }

    /// When flows were answered on a path, whatever the port means.
    pub fn answers(&self, path: &Path) -> Option<Answers> {
        let Paths { working, answered, generic, .. } = self;
        let of = |paths: &BTreeMap<Path, Answered>| paths.get(path).and_then(|answered| answered.answers);
        let known = both(of(working), of(answered), |mine, theirs| *mine += theirs);
        both(known, generic.get(path).copied(), |mine, theirs| *mine += theirs)
    }

    /// When flows were answered on this port by servers of a network ([`Address::network`]), by path: first where something works,
    /// then where it was only answered. A path may come more than once.
    pub fn answers_in(&self, protocol: u8, port: u16, network: Address) -> impl Iterator<Item = (&Path, Answers)> {
        let lowest = Path { protocol, port, server: network, client: Address::default() };
        let here = move |path: &Path| (path.protocol, path.port, path.server.network()) == (protocol, port, network);
        let Paths { working, answered, generic, .. } = self;
        let kept = working.range(lowest..).take_while(move |(path, _)| here(path));
        let kept = kept.chain(answered.range(lowest..).take_while(move |(path, _)| here(path)));
        let kept = kept.filter_map(|(path, answered)| Some((path, answered.answers?)));
        kept.chain(
            generic.range(lowest..).take_while(move |(path, _)| here(path)).map(|(path, answers)| (path, *answers)),
        )
    }

    /// When flows were answered on this port, by path. A path may come more than once.
    pub fn answers_at(&self, protocol: u8, port: u16) -> impl Iterator<Item = (&Path, Answers)> {
        let lowest = Path { protocol, port, server: Address::default(), client: Address::default() };
        let here = move |path: &Path| (path.protocol, path.port) == (protocol, port);
        let Paths { working, answered, generic, .. } = self;
        let kept = working.range(lowest..).take_while(move |(path, _)| here(path));
        let kept = kept.chain(answered.range(lowest..).take_while(move |(path, _)| here(path)));
        let kept = kept.filter_map(|(path, answered)| Some((path, answered.answers?)));
        kept.chain(
            generic.range(lowest..).take_while(move |(path, _)| here(path)).map(|(path, answers)| (path, *answers)),
        )
    }

    /// Somebody was answered on this port, by whomever.
    pub fn is_answered(&self, protocol: u8, port: u16) -> bool {
        let lowest = Path { protocol, port, server: Address::default(), client: Address::default() };
        let here = |path: &Path| (path.protocol, path.port) == (protocol, port);
        let Paths { working, answered, generic, .. } = self;
        let kept = [working, answered]
            .into_iter()
            .any(|paths| paths.range(lowest..).next().is_some_and(|(path, _)| here(path)));
        kept || generic.range(lowest..).next().is_some_and(|(path, _)| here(path))
    }

    /// A server answered somebody on this port.
    pub fn is_answered_by(&self, protocol: u8, port: u16, server: Address) -> bool {
        self.answers_in(protocol, port, server.network()).any(|(path, _)| path.server == server)
    }

    /// True where answers on ports of this sort were left out, so that none may be known although there was one.
    pub fn may_lack_answers(&self, generic: bool) -> bool {
        if generic { self.generic_incomplete } else { self.answers_incomplete || self.incomplete }
    }

    /// When flows were answered on ports that many programs use, by path, in order.
    pub fn generic(&self) -> impl Iterator<Item = (&Path, &Answers)> {
        self.generic.iter()
    }

    /// What was answered on a path, and what works there.
    pub fn get(&self, path: &Path) -> Option<Answered> {
        let (working, answered) = (self.working.get(path).copied(), self.answered.get(path).copied());
        both(working, answered, |working, answered| *working += answered)
    }

    /// What works on a path.
    pub fn working(&self, path: &Path) -> Option<&Working> {
        self.working.get(path)?.working.as_ref()
    }

    /// What works at a port of a server, by client, in order.
    pub fn working_at(&self, protocol: u8, port: u16, server: Address) -> impl Iterator<Item = (Address, &Working)> {
        let from = Path { protocol, port, server, client: Address::default() };
        let here = move |path: &Path| (path.protocol, path.port, path.server) == (protocol, port, server);
        let paths = self.working.range(from..).take_while(move |(path, _)| here(path));
        paths.filter_map(|(path, answered)| Some((path.client, answered.working.as_ref()?)))
    }

    /// Every path on which something works, in order, then every path with flows that were only answered. A path may be in both.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Answered)> {
        self.working.iter().chain(&self.answered)
    }

    /// How many of each, as [`Paths::iter`] gives them, and then how many on ports that many programs use.
    pub fn counts(&self) -> [usize; 3] {
        [self.working.len(), self.answered.len(), self.generic.len()]
    }

    /// Where flows like these are kept.
    pub(super) fn kept(&self, answered: &Answered) -> &BTreeMap<Path, Answered> {
        if answered.working.is_some() { &self.working } else { &self.answered }
    }

    pub(super) fn add(&mut self, path: Path, answered: Answered) {
        let kept = if answered.working.is_some() { &mut self.working } else { &mut self.answered };
        kept.entry(path).and_modify(|known| *known += answered).or_insert(answered);
    }

    pub(super) fn add_generic(&mut self, path: Path, answers: Answers) {
        self.generic.entry(path).and_modify(|known| *known += answers).or_insert(answers);
    }

    /// Keeps the first in order, so that the order in which they came does not matter.
    pub(super) fn keep(&mut self) {
        let Paths { working, answered, generic, incomplete, answers_incomplete, generic_incomplete } = self;
        while generic.len() > PATH_LIMIT {
            generic.pop_last();
            *generic_incomplete = true;
        }
        for (paths, incomplete) in [(working, incomplete), (answered, answers_incomplete)] {
            while paths.len() > PATH_LIMIT {
                paths.pop_last();
                *incomplete = true;
            }
        }
    }
}

fn working(flow: &FlowRecord, showing: Showing) -> Option<Working> {
    let works = matches!(showing, Showing::Handshake | Showing::Exchange | Showing::Midstream);
    let both_ways = flow.from_client.payload_bytes > 0 && flow.from_server.payload_bytes > 0;
    if works && both_ways { Working::of(flow) } else { None }
}

impl Working {
    /// This flow alone, whatever it carried; none where no packet of it is known.
    pub(super) fn of(flow: &FlowRecord) -> Option<Working> {
        let &opener = flow.evidence.first()?;
        let Endpoint { port: client_port, .. } = flow.client;
        Some(Working { flows: 1, first: flow.first, began: flow.first, last: flow.last, opener, client_port })
    }
}

impl AddAssign<&Paths> for Paths {
    fn add_assign(&mut self, other: &Paths) {
        let Paths { working: _, answered: _, generic, incomplete, answers_incomplete, generic_incomplete } = other;
        other.iter().for_each(|(path, answered)| self.add(*path, *answered));
        generic.iter().for_each(|(path, answers)| self.add_generic(*path, *answers));
        self.generic_incomplete = self.generic_incomplete || *generic_incomplete;
        self.incomplete = self.incomplete || *incomplete;
        self.answers_incomplete = self.answers_incomplete || *answers_incomplete;
        self.keep();
    }
}

impl AddAssign for Answered {
    fn add_assign(&mut self, other: Answered) {
        let Answered { answers, working, ttl, vlans } = other;
        self.answers = both(self.answers, answers, |mine, theirs| *mine += theirs);
        self.working = both(self.working, working, |mine, theirs| *mine += theirs);
        self.ttl = (self.ttl.0.min(ttl.0), self.ttl.1.max(ttl.1));
        self.vlans = self.vlans.min(vlans);
    }
}

/// The sum of two that may be missing.
fn both<T>(one: Option<T>, other: Option<T>, add: impl FnOnce(&mut T, T)) -> Option<T> {
    match (one, other) {
        (Some(mut one), Some(other)) => {
            add(&mut one, other);
            Some(one)
        }
        (one, other) => one.or(other),
    }
}

impl AddAssign for Answers {
    fn add_assign(&mut self, other: Answers) {
        let Answers { flows, first, last } = other;
        self.flows += flows;
        self.first = self.first.min(first);
        self.last = self.last.max(last);
    }
}

impl AddAssign for Working {
    fn add_assign(&mut self, other: Working) {
        let Working { flows, first, began, last, opener, client_port } = other;
        self.flows += flows;
        self.first = self.first.min(first);
        self.began = self.began.max(began);
        self.last = self.last.max(last);
        // Whole pairs, so that the order of a sum does not matter where two ledgers name the same packet.
        if (opener, client_port) < (self.opener, self.client_port) {
            self.opener = opener;
            self.client_port = client_port;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Note, PacketRef};

    #[test]
    fn paths_that_name_the_same_packet_add_up_in_any_order() {
        let working = |client_port| Working {
            flows: 1,
            first: Timestamp::default(),
            began: Timestamp::default(),
            last: Timestamp::default(),
            opener: Evidence { at: PacketRef { capture: 0, packet: 1 }, note: Note::First },
            client_port,
        };
        let (mut one, mut other) = (working(6910), working(6911));
        one += working(6911);
        other += working(6910);
        assert_eq!(one, other);
    }
}
