//! One thing that makes many attempts: a scan of many ports or hosts, a flood of single tries, the internet that knocks. Each is told
//! once, and its attempts are not told as blocks.

use super::scene::Scene;
use super::{Check, Confidence, Finding, Params, Severity, Value};
use crate::flow::Showing;
use crate::judge::{is_flood, is_light};
use crate::ledger::{Crowd, HOSTS_NAMED, Ledger, PORTS_NAMED, Path, Seen, Sighting, Target};
use crate::packet::{Address, protocol};
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet, HashSet};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "unexpected.scan",
        raised: "one client tries many ports of a host, or one port of many hosts, and gets through to none of them",
        source: "the attempts in the capture",
        params: &["count", "hosts", "port_list", "ports", "seen", "through"],
        look: scan,
    },
    Check {
        code: "unexpected.flood",
        raised: "a port gets many single tries, from sources that look forged or from one source in quick succession",
        source: "the attempts in the capture; RFC 4987",
        params: &["count", "origin", "sources"],
        look: flood,
    },
    Check {
        code: "unexpected.from-internet",
        raised: "a public address tries TCP or UDP 1494 or 2598 of a private host, and gets no session",
        source: "CTX113250: sessions from outside belong behind a Gateway on 443",
        params: &[],
        look: from_internet,
    },
];

/// Minimum number of ports of one host that make a scan, all of them without success. A domain member uses about ten of a
/// controller.
const SCAN_PORTS: usize = 20;
/// Minimum number of hosts that make a scan of one port, with no more than a try or two each.
const SCAN_HOSTS: usize = 30;
/// Minimum number of sources whose single tries make a flood, where the sources lie far apart.
const FLOOD_SOURCES: usize = 200;
/// The same where the server answers and none of them reacts: each real host would repeat its SYN.
const SILENT_SOURCES: usize = 20;

/// Scans and floods.
#[derive(Default)]
pub(super) struct Scans<'a> {
    /// By the client that scans.
    scanners: BTreeMap<Address, Scanner>,
    /// By the port that is flooded: protocol, port, server.
    floods: BTreeMap<(u8, u16, Address), Flood>,
    /// Clients at more places than are kept one by one.
    crowds: Vec<(Address, &'a Crowd)>,
    /// Clients that were answered somewhere, where there are floods.
    real: HashSet<Address>,
}

/// Whether an attempt belongs to a scan or a flood.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Absorbed {
    Yes,
    No,
}

/// One client that scans, and where.
#[derive(Default)]
struct Scanner {
    /// Hosts of which it tries many ports, and whether it does so with more than a try or two each.
    hosts: BTreeMap<Address, bool>,
    /// Protocols and ports that it tries on many hosts.
    ports: BTreeSet<(u8, u16)>,
    /// All that belongs to it.
    reach: Reach,
}

/// What attempts come to together.
#[derive(Default)]
struct Reach {
    seen: Option<Seen>,
    hosts: BTreeSet<Address>,
    ports: BTreeSet<(u8, u16)>,
}

/// What was tried, and what is known of it.
type Attempt<'a> = (&'a Sighting, &'a Seen);

/// Single tries at one port.
#[derive(Default)]
struct Flood {
    seen: Option<Seen>,
    sources: BTreeSet<Address>,
    /// There are more sources than are named.
    more: bool,
    /// From sources that look forged.
    forged: bool,
}

impl Reach {
    fn add(&mut self, path: &Path, seen: &Seen) {
        add(&mut self.seen, seen);
        self.hosts.insert(path.server);
        self.ports.insert((path.protocol, path.port));
    }
}

impl<'a> Scans<'a> {
    /// Looks for scans and floods in what was seen.
    pub fn of(ledger: &'a Ledger) -> Scans<'a> {
        let mut scans = Scans { crowds: ledger.sightings.crowds_of_targets().collect(), ..Scans::default() };
        let attempts = || ledger.sightings.iter().filter(|(sighting, _)| sighting.is_attempt());
        scans.find_scanners(ledger, attempts());
        scans.find_floods(ledger, attempts());
        for (target, crowd) in ledger.sightings.crowds_of_clients() {
            scans.add_crowd(target, crowd);
        }
        for (sighting, seen) in attempts() {
            let Path { client, .. } = sighting.path;
            if let Some(scanner) = scans.scanners.get_mut(&client).filter(|scanner| scanner.covers(sighting, seen)) {
                scanner.reach.add(&sighting.path, seen);
            }
        }
        scans
    }

    fn find_scanners(&mut self, ledger: &Ledger, attempts: impl Iterator<Item = (&'a Sighting, &'a Seen)>) {
        let mut by_client: BTreeMap<Address, Vec<Attempt<'_>>> = BTreeMap::new();
        // Dead servers of strangers on ports that everybody uses are daily life.
        let elsewhere = |sighting: &Sighting| sighting.matching.port.generic && sighting.path.server.is_public();
        for (sighting, seen) in attempts.filter(|(sighting, _)| !elsewhere(sighting)) {
            by_client.entry(sighting.path.client).or_default().push((sighting, seen));
        }
        by_client.retain(|_, attempts| attempts.len() >= SCAN_PORTS.min(SCAN_HOSTS));
        if by_client.is_empty() {
            return;
        }
        // A client that has a session on this port somewhere, or with this host, is no scanner there.
        let mut works: BTreeSet<(Address, u8, u16)> = BTreeSet::new();
        let mut partners: BTreeSet<(Address, Address)> = BTreeSet::new();
        let working = ledger.paths.iter().filter(|(_, answered)| answered.working.is_some()).map(|(path, _)| path);
        for path in working.chain(ledger.paths.generic().map(|(path, _)| path)) {
            works.insert((path.client, path.protocol, path.port));
            partners.insert((path.client, path.server));
        }
        for (client, attempts) in by_client {
            let mut hosts: BTreeMap<(u8, u16), BTreeSet<Address>> = BTreeMap::new();
            let mut ports: BTreeMap<Address, [BTreeSet<(u8, u16)>; 2]> = BTreeMap::new();
            for (sighting, seen) in attempts {
                let Path { protocol, port, server, .. } = sighting.path;
                let light = is_light(sighting.showing, seen.flows, seen.tries);
                ports.entry(server).or_default()[usize::from(light)].insert((protocol, port));
                if light {
                    hosts.entry((protocol, port)).or_default().insert(server);
                }
            }
            ports.retain(|&host, [heavy, light]| {
                heavy.union(light).count() >= SCAN_PORTS && !partners.contains(&(client, host))
            });
            hosts.retain(|&(protocol, port), hosts| {
                hosts.len() >= SCAN_HOSTS && !works.contains(&(client, protocol, port))
            });
            if !ports.is_empty() || !hosts.is_empty() {
                let hosts_scanned = ports.into_iter().map(|(host, [heavy, _])| (host, heavy.len() >= SCAN_PORTS));
                let (hosts, ports) = (hosts_scanned.collect(), hosts.into_keys().collect());
                self.scanners.insert(client, Scanner { hosts, ports, reach: Reach::default() });
            }
        }
    }

    fn find_floods(&mut self, ledger: &Ledger, attempts: impl Iterator<Item = (&'a Sighting, &'a Seen)>) {
        let mut by_port: BTreeMap<(u8, u16, Address), Vec<Attempt<'_>>> = BTreeMap::new();
        for (sighting, seen) in attempts.filter(|(sighting, seen)| is_single(seen) || is_flood_of(sighting, seen)) {
            let Path { protocol, port, server, .. } = sighting.path;
            by_port.entry((protocol, port, server)).or_default().push((sighting, seen));
        }
        by_port
            .retain(|_, attempts| attempts.len() >= SILENT_SOURCES || attempts.iter().any(|(_, seen)| is_flood(seen)));
        if by_port.is_empty() {
            return;
        }
        // A client that gets answers elsewhere exists, and its address is its own.
        let paths = ledger.paths.iter().map(|(path, _)| path).chain(ledger.paths.generic().map(|(path, _)| path));
        self.real = paths.map(|path| path.client).collect();
        for (place, attempts) in by_port {
            let sources: BTreeSet<Address> = attempts.iter().map(|(sighting, _)| sighting.path.client).collect();
            let without_reaction = attempts.iter().filter(|(sighting, _)| sighting.showing == Showing::Unacknowledged);
            let forged = look_forged(&sources) || without_reaction.count() >= SILENT_SOURCES;
            let mut flood = Flood { forged, ..Flood::default() };
            for (sighting, seen) in attempts {
                let made_up = forged && !self.real.contains(&sighting.path.client);
                if made_up || is_flood_of(sighting, seen) {
                    add(&mut flood.seen, seen);
                    flood.sources.insert(sighting.path.client);
                }
            }
            if flood.seen.is_some() {
                self.floods.insert(place, flood);
            }
        }
    }

    /// More clients than are kept one by one: a flood where each of them tried once only.
    fn add_crowd(&mut self, target: &Target, crowd: &Crowd) {
        let Some(seen) = crowd.seen() else { return };
        let without_reaction = target.showing == Showing::Unacknowledged;
        if !target.showing.is_attempt() || !is_single_each(seen) || !(look_forged(crowd.hosts()) || without_reaction) {
            return;
        }
        let flood = self.floods.entry((target.protocol, target.port, target.server)).or_default();
        (flood.forged, flood.more) = (true, true);
        add(&mut flood.seen, seen);
        flood.sources.extend(crowd.hosts());
    }

    /// Whether an attempt belongs to one of them.
    pub fn absorb(&self, sighting: &Sighting, seen: &Seen) -> Absorbed {
        let Path { protocol, port, server, client } = sighting.path;
        let scanned = self.scanners.get(&client).is_some_and(|scanner| scanner.covers(sighting, seen));
        let flooded = self.floods.get(&(protocol, port, server));
        let flooded = flooded.is_some_and(|flood| {
            let made_up = flood.forged && is_single(seen) && !self.real.contains(&client);
            made_up || is_flood_of(sighting, seen)
        });
        if sighting.showing.is_attempt() && (scanned || flooded) { Absorbed::Yes } else { Absorbed::No }
    }

    /// Whether what many clients show is one of them.
    pub fn absorb_crowd(&self, target: &Target, crowd: &Crowd) -> Absorbed {
        let flood = self.floods.get(&(target.protocol, target.port, target.server));
        let single = crowd.seen().is_some_and(is_single_each);
        let absorbed = target.showing.is_attempt() && single && flood.is_some_and(|flood| flood.more);
        if absorbed { Absorbed::Yes } else { Absorbed::No }
    }
}

impl Scanner {
    /// Whether an attempt is part of the scan. One that was tried for longer is not, unless the scan is made of such.
    fn covers(&self, sighting: &Sighting, seen: &Seen) -> bool {
        let Path { protocol, port, server, .. } = sighting.path;
        let light = is_light(sighting.showing, seen.flows, seen.tries);
        let at_host = self.hosts.get(&server).is_some_and(|&whatever| whatever || light);
        at_host || light && self.ports.contains(&(protocol, port))
    }
}

fn add(sum: &mut Option<Seen>, seen: &Seen) {
    match sum {
        Some(sum) => *sum += seen,
        None => *sum = Some(seen.clone()),
    }
}

/// Tries without an answer, more than a program makes that waits for one. Refusals are answers: they are one finding already.
fn is_flood_of(sighting: &Sighting, seen: &Seen) -> bool {
    let answered = matches!(sighting.showing, Showing::Refusal | Showing::Unreachable);
    sighting.path.protocol == protocol::TCP && !answered && is_flood(seen)
}

/// One try, never repeated.
fn is_single(seen: &Seen) -> bool {
    seen.flows <= 2 && is_single_each(seen)
}

fn is_single_each(seen: &Seen) -> bool {
    seen.tries <= seen.flows
}

/// Real clients live next to each other; addresses made up at random lie each in a network of its own.
fn look_forged(sources: &BTreeSet<Address>) -> bool {
    let networks: BTreeSet<Address> = sources.iter().map(|source| source.network()).collect();
    sources.len() >= FLOOD_SOURCES && networks.len() * 2 >= sources.len()
}

fn scan(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    for (&client, scanner) in &scene.scans.scanners {
        let Reach { seen, hosts, ports } = &scanner.reach;
        if let Some(seen) = seen {
            found.push(scan_finding(check, scene, client, seen, Extent { hosts, ports, count: "all", through: false }));
        }
    }
    for &(client, crowd) in &scene.scans.crowds {
        let ports: BTreeSet<(u8, u16)> = crowd.ports().iter().copied().collect();
        let works = |path: &Path| path.client == client && ports.contains(&(path.protocol, path.port));
        let through = scene.ledger.paths.iter().any(|(path, answered)| answered.working.is_some() && works(path));
        if let Some(seen) = crowd.seen() {
            let whole = crowd.hosts().len() < HOSTS_NAMED && crowd.ports().len() < PORTS_NAMED;
            let count = if whole { "all" } else { "at-least" };
            let extent = Extent { hosts: crowd.hosts(), ports: &ports, count, through };
            found.push(scan_finding(check, scene, client, seen, extent));
        }
    }
}

/// How far a scan goes, and whether that is all of it.
struct Extent<'a> {
    hosts: &'a BTreeSet<Address>,
    ports: &'a BTreeSet<(u8, u16)>,
    count: &'static str,
    /// Elsewhere it has sessions on these ports: no scanner, but a host whose ways to many others are blocked.
    through: bool,
}

fn scan_finding(check: &Check, scene: &Scene<'_>, client: Address, seen: &Seen, extent: Extent<'_>) -> Finding {
    let Extent { hosts, ports, count, through } = extent;
    let transport = |protocol| Transport::of_protocol(protocol);
    let one_port = ports.first().filter(|_| ports.len() == 1);
    let port = one_port.and_then(|&(protocol, port)| Some((transport(protocol)?, port)));
    let params = Params::from([
        ("count", Value::Word(count)),
        ("hosts", Value::Number(hosts.len() as u64)),
        ("ports", Value::Number(ports.len() as u64)),
        ("through", Value::Word(if through { "elsewhere" } else { "nowhere" })),
        ("port_list", Value::Ports(ports.iter().map(|&(_, port)| port).collect())),
    ]);
    let about = About { clients: vec![client], servers: hosts.iter().copied().collect(), port };
    // That nobody answered may be what the capture lacks.
    let in_part = scene.may_have_lost(seen.first, seen.last) || scene.ledger.visibility.is_one_direction(None);
    let params = params.with("seen", Value::Word(if in_part { "in-part" } else { "whole" }));
    let severity = if through && !in_part { Severity::Error } else { Severity::Warning };
    let finding = many(check, severity, seen, about);
    let confidence = if in_part { Confidence::Low } else { finding.confidence };
    Finding { params, confidence, ..finding }
}

fn flood(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    for (&(protocol, port, server), flood) in &scene.scans.floods {
        let (Some(seen), Some(transport)) = (&flood.seen, Transport::of_protocol(protocol)) else { continue };
        let params = Params::from([
            ("count", Value::Word(if flood.more { "at-least" } else { "all" })),
            ("origin", Value::Word(if flood.forged { "forged" } else { "one" })),
            ("sources", Value::Number(flood.sources.len() as u64)),
        ]);
        let clients = flood.sources.iter().copied().collect();
        let about = About { clients, servers: vec![server], port: Some((transport, port)) };
        let more_clients = flood.more;
        found.push(Finding { params, more_clients, ..many(check, Severity::Warning, seen, about) });
    }
}

fn from_internet(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let mut by_port: BTreeMap<(u8, u16), (Reach, BTreeSet<Address>)> = BTreeMap::new();
    for (sighting, seen) in &scene.from_outside {
        let Path { protocol, port, client, .. } = sighting.path;
        let (reach, clients) = by_port.entry((protocol, port)).or_default();
        reach.add(&sighting.path, seen);
        clients.insert(client);
    }
    let mut more = BTreeSet::new();
    for (_, target, crowd) in &scene.knocking {
        let (Some(seen), Some(&client)) = (crowd.seen(), crowd.hosts().first()) else { continue };
        let (reach, clients) = by_port.entry((target.protocol, target.port)).or_default();
        reach.add(&target.sighting(client).path, seen);
        clients.extend(crowd.hosts());
        more.insert((target.protocol, target.port));
    }
    for ((protocol, port), (Reach { seen, hosts, .. }, clients)) in by_port {
        let (Some(seen), Some(transport)) = (seen, Transport::of_protocol(protocol)) else { continue };
        let (clients, servers) = (clients.into_iter().collect(), hosts.into_iter().collect());
        let about = About { clients, servers, port: Some((transport, port)) };
        let more_clients = more.contains(&(protocol, port));
        found.push(Finding { more_clients, ..many(check, Severity::Info, &seen, about) });
    }
}

/// Who and where.
struct About {
    clients: Vec<Address>,
    servers: Vec<Address>,
    port: Option<(Transport, u16)>,
}

/// A finding about many attempts together.
fn many(check: &Check, severity: Severity, seen: &Seen, about: About) -> Finding {
    let About { clients, servers, port } = about;
    // The side that is alone selects best.
    let one = if clients.len() == 1 { clients.first() } else { servers.first() };
    let host = one.map(|host| format!("{}=={host}", if host.is_v4() { "ip.addr" } else { "ipv6.addr" }));
    let number = port.map(|(transport, port)| format!("{}.port=={port}", transport.name()));
    let wireshark_filter = host.into_iter().chain(number).collect::<Vec<_>>().join(" && ");
    let finding = Finding::of(check, severity, Confidence::Medium).showing(seen);
    Finding { clients, servers, port, wireshark_filter, ..finding }
}
