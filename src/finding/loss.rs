//! Paths that lose packets: what had to be sent again, in which direction, and what the paths have in common.

use super::scene::{Group, Scene};
use super::{Check, Confidence, Finding, Params, Severity, Value};
use crate::flow::Who;
use crate::ledger::{Path, Rate};
use crate::packet::Address;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[Check {
    code: "path.loss",
    raised: "one packet in a hundred or more had to be sent again over TCP, of a thousand at least, and who has that in common",
    source: "RFC 9293, 3.8.1; RFC 3150, 2",
    params: &["good_paths", "good_share", "paths", "repeated", "sender", "share", "where"],
    look,
}];

/// One packet in this number is the minimum share that was sent again: TCP slows down, and a session stutters.
const ONE_IN: u64 = 100;
/// A path that sent again less than one packet in this number is a good one.
const GOOD: u64 = 500;
/// Minimum number of packets of one side on a path that has a rate at all: five in five hundred are no chance.
const MEASURED: u64 = 500;
/// Minimum number of packets of all paths that are told together, of flows, and of packets from which on one flow is enough.
const PACKETS: u64 = 1_000;
const FLOWS: u64 = 3;
const ONE_FLOW: u64 = 10_000;
/// Copies in a capture are no repetitions, but some may be taken for such: at most one packet in this number.
const COPIES: u64 = 50;

/// What a side sent to or from somebody, and how much of it again.
#[derive(Clone, Copy, Default)]
struct Sum {
    sent: u64,
    again: u64,
    flows: u64,
}

impl Sum {
    fn add(&mut self, rate: &Rate, sender: Who) {
        self.sent += rate.sent[sender as usize];
        self.again += rate.again[sender as usize];
        self.flows += rate.lossy[sender as usize];
    }

    /// It sent enough of it again, however little it sent.
    fn loses(&self) -> bool {
        self.again > 0 && self.again * ONE_IN >= self.sent
    }

    fn is_lossy(&self) -> bool {
        self.sent >= MEASURED && self.loses()
    }

    fn is_good(&self) -> bool {
        self.sent >= MEASURED && self.again * GOOD < self.sent
    }

    fn share(self) -> Value {
        Value::Share { part: self.again, whole: self.sent.max(1) }
    }

    fn is_told(self) -> bool {
        self.sent >= PACKETS && (self.flows >= FLOWS || self.sent >= ONE_FLOW)
    }
}

/// Two hosts, the server first.
type Hosts = (Address, Address);

fn look(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let ledger = scene.ledger;
    // What the capture holds twice, or lacks, makes a rate of the capture and not of the path.
    if ledger.duplicates * COPIES > ledger.flow_packets || ledger.holes.are_many() {
        return;
    }
    for sender in [Who::Server, Who::Client] {
        let mut pairs = BTreeMap::<Hosts, Sum>::new();
        for (path, rate) in ledger.losses.iter() {
            pairs.entry((path.server, path.client)).or_default().add(rate, sender);
        }
        let (lossy, good_ones) = sorted(&pairs);
        let places = places(&lossy, &good_ones);
        let good = good_ones.iter().filter_map(|hosts| pairs.get(hosts)).fold(Sum::default(), |all, sum| Sum {
            sent: all.sent + sum.sent,
            again: all.again + sum.again,
            flows: 0,
        });
        let good_paths = good_ones.len() as u64;
        for (place, hosts) in places {
            found.extend(told(check, scene, (sender, place), &hosts, (good_paths, good)));
        }
    }
}

/// The paths that lose packets, and the good ones. Where most paths of a network of clients lose packets, by what little each of them
/// sent, and hardly any is good, the network does, and all of them are its.
fn sorted(pairs: &BTreeMap<Hosts, Sum>) -> (BTreeSet<Hosts>, BTreeSet<Hosts>) {
    let of = |wanted: fn(&Sum) -> bool| pairs.iter().filter(move |(_, sum)| wanted(sum)).map(|(&hosts, _)| hosts);
    let (mut lossy, mut good): (BTreeSet<Hosts>, BTreeSet<Hosts>) =
        (of(Sum::is_lossy).collect(), of(Sum::is_good).collect());
    let mut networks = BTreeMap::<Address, Vec<(Hosts, &Sum)>>::new();
    for (&hosts, sum) in pairs {
        networks.entry(hosts.1.network()).or_default().push((hosts, sum));
    }
    for members in networks.into_values() {
        let number = |wanted: fn(&Sum) -> bool| members.iter().filter(|(_, sum)| wanted(sum)).count() as u64;
        let all = members.iter().fold(Sum::default(), |all, (_, sum)| Sum {
            sent: all.sent + sum.sent,
            again: all.again + sum.again,
            flows: 0,
        });
        let (count, losing, good_ones) = (members.len() as u64, number(Sum::loses), number(Sum::is_good));
        if all.is_lossy() && losing >= FLOWS && losing * 2 > count && good_ones * 4 <= count {
            members.iter().for_each(|(hosts, _)| _ = good.remove(hosts));
            lossy.extend(members.iter().map(|(hosts, _)| *hosts));
        }
    }
    (lossy, good)
}

/// What lossy paths have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Everything that was measured.
    Everywhere,
    /// All clients of a server.
    Server(Address),
    /// All of a network of clients.
    Network(Address),
    /// All that a client does.
    Client(Address),
    /// Nothing but these two hosts.
    Pair(Hosts),
}

impl Place {
    fn word(self) -> &'static str {
        match self {
            Place::Everywhere => "everywhere",
            Place::Server(_) => "server",
            Place::Network(_) => "network",
            Place::Client(_) => "client",
            Place::Pair(_) => "pair",
        }
    }
}

/// The paths that lose packets, by the widest thing that they have in common and no good path shares.
fn places(lossy: &BTreeSet<Hosts>, good: &BTreeSet<Hosts>) -> BTreeMap<Place, BTreeSet<Hosts>> {
    let count = |all: &BTreeSet<Hosts>, part: &dyn Fn(&Hosts) -> Address| {
        all.iter().map(part).collect::<BTreeSet<Address>>().len()
    };
    let among = |wanted: &dyn Fn(&Hosts) -> bool| lossy.iter().copied().filter(|hosts| wanted(hosts)).collect();
    let none_good = |wanted: &dyn Fn(&Hosts) -> bool| !good.iter().any(wanted);
    let place = |&(server, client): &Hosts| {
        let network = client.network();
        let of_server: BTreeSet<Hosts> = among(&|hosts| hosts.0 == server);
        let of_network: BTreeSet<Hosts> = among(&|hosts| hosts.1.network() == network);
        let networks = |all: &BTreeSet<Hosts>| count(all, &|hosts| hosts.1.network());
        if good.is_empty() && count(lossy, &|hosts| hosts.0) > 1 && networks(lossy) > 1 {
            Place::Everywhere
        } else if networks(&of_server) > 1 && none_good(&|hosts| hosts.0 == server) {
            Place::Server(server)
        } else if count(&of_network, &|hosts| hosts.1) > 1 && none_good(&|hosts| hosts.1.network() == network) {
            Place::Network(network)
        } else if none_good(&|hosts| hosts.1 == client) {
            Place::Client(client)
        } else {
            Place::Pair((server, client))
        }
    };
    let mut places = BTreeMap::<Place, BTreeSet<Hosts>>::new();
    for hosts in lossy {
        places.entry(place(hosts)).or_default().insert(*hosts);
    }
    places
}

fn told(
    check: &Check,
    scene: &Scene<'_>,
    (sender, place): (Who, Place),
    hosts: &BTreeSet<Hosts>,
    (good_paths, good): (u64, Sum),
) -> Option<Finding> {
    let here = |path: &Path| hosts.contains(&(path.server, path.client));
    let mut sum = Sum::default();
    let mut groups = BTreeMap::<(Address, u16), Group<'_>>::new();
    for (path, rate) in scene.ledger.losses.iter().filter(|(path, _)| here(path)) {
        sum.add(rate, sender);
        scene.add_working(&mut groups, *path, &rate.flows);
    }
    if !sum.is_told() {
        return None;
    }
    let finding = super::session::one_of(check, scene, groups)?;
    let (first, last) = (finding.first?, finding.last?);
    if scene.may_have_lost(first, last) {
        return None;
    }
    let params = Params::from([
        ("good_paths", Value::Number(good_paths)),
        ("good_share", good.share()),
        ("paths", Value::Number(hosts.len() as u64)),
        ("repeated", Value::Number(sum.again)),
        ("sender", Value::Word(if sender == Who::Client { "client" } else { "server" })),
        ("share", sum.share()),
        ("where", Value::Word(place.word())),
    ]);
    let many = sum.flows >= 2 * FLOWS && good_paths > 0;
    let confidence = if many { Confidence::High } else { Confidence::Medium };
    Some(Finding { params, severity: Severity::Warning, confidence, ..finding })
}
