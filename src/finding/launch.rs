//! Launches that failed: every way to a session that a client tried was blocked, and the user was told so (facts F9).

use super::scene::{Scene, address, any};
use super::{Check, Confidence, Finding, Params, Severity, Value};
use crate::flow::Doubt;
use crate::judge::{Outcome, Sign};
use crate::ledger::{Pair, Path, Seen, Sighting};
use crate::packet::{Address, protocol};
use crate::portmap::RuleId;
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[Check {
    code: "launch.failed",
    raised: "a client tried a server over two or more ways of a session, TCP among them, and every one of them was blocked",
    source: "the article of a Citrix support engineer on the ports of VDI; CTX104147",
    params: &["later", "over", "tcp_ports", "tried", "udp_ports"],
    look,
}];

/// Maximum time between the end of one try and the beginning of the next in the same launch.
const SAME_LAUNCH: Span = Span::seconds(60);
/// A session that begins so soon after the last try belongs to the same launch, which came through in the end.
const AT_LAST: Span = Span::seconds(5);
/// Minimum number of tries that can show that a machine makes them, at equal times.
const REGULAR: usize = 5;

/// What one client tried with one server: its ways with what was seen of each.
#[derive(Default)]
struct Launch<'a> {
    blocked: BTreeMap<(u8, u16), Way<'a>>,
    /// It cannot be told what became of these.
    unclear: BTreeSet<(u8, u16)>,
}

/// One way that was blocked.
struct Way<'a> {
    seen: Seen,
    /// Nothing speaks against it.
    certain: bool,
    /// Shown by the packets named, or watched for long.
    firm: bool,
    /// The handshake came about, and was reset.
    reset: bool,
    rules: &'a [RuleId],
}

/// Launches that failed at one server.
struct Failed<'a> {
    seen: Seen,
    ways: BTreeMap<(u8, u16), &'a [RuleId]>,
    /// Whether they came through later.
    clients: BTreeMap<Address, bool>,
    /// How long the most patient one tried.
    tried: Span,
    firm: bool,
}

fn look(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let on_session_port = |sighting: &Sighting| sighting.matching.port.session;
    let hosts = |sighting: &Sighting| (sighting.path.server, sighting.path.client);
    let way = |sighting: &Sighting| (sighting.path.protocol, sighting.path.port);
    let signs = scene.host_by_host(|_| true).filter(|(_, sighting, _)| on_session_port(sighting));
    let mut signs: Vec<(Sign, &Sighting, &Seen)> = signs.collect();
    signs.sort_by_key(|(_, sighting, _)| hosts(sighting));
    let mut launches: BTreeMap<(Address, Address), Launch<'_>> = BTreeMap::new();
    for signs in signs.chunk_by(|(_, one, _), (_, other, _)| hosts(one) == hosts(other)) {
        let blocked = || signs.iter().filter(|(sign, ..)| matches!(sign, Sign::Blocked(_)));
        // Most have one way only, and need no further look.
        if blocked().all(|(_, sighting, _)| blocked().next().is_some_and(|(_, first, _)| way(first) == way(sighting))) {
            continue;
        }
        let mut launch = Launch::default();
        for &(sign, sighting, seen) in signs {
            match sign {
                Sign::Blocked(outcome) => launch.add(scene, sighting, seen, outcome),
                // Given up before it could be told, and no session all the same.
                Sign::Doubtful(Doubt::TooFewTries) => {}
                Sign::Doubtful(_) => _ = launch.unclear.insert(way(sighting)),
                _ => {}
            }
        }
        launches.insert(hosts(signs[0].1), launch);
    }
    launches.retain(|_, launch| launch.looks_failed());
    if launches.is_empty() {
        return;
    }
    let (places, monitors) = (places(scene), monitors(scene));
    launches.retain(|(_, client), _| !monitors.contains(client));
    let mut failed: BTreeMap<Address, Failed<'_>> = BTreeMap::new();
    for ((server, client), launch) in launches {
        let Some((later, tried)) = launch.failed(scene, &places, server, client) else { continue };
        for (way, Way { seen, firm, rules, .. }) in launch.blocked {
            let fresh = || Failed { seen: seen.clone(), ways: BTreeMap::new(), clients: BTreeMap::new(), tried, firm };
            let known = failed.contains_key(&server);
            let all = failed.entry(server).or_insert_with(fresh);
            if known {
                all.seen += &seen;
            }
            all.ways.insert(way, rules);
            all.clients.insert(client, later);
            all.tried = all.tried.max(tried);
            all.firm &= firm;
        }
    }
    found.extend(failed.into_iter().map(|(server, failed)| failed.finding(check, scene, server)));
}

impl<'a> Launch<'a> {
    fn add(&mut self, scene: &Scene<'a>, sighting: &Sighting, seen: &Seen, outcome: Outcome) {
        let Path { protocol, port, server, client } = sighting.path;
        let absent = matches!(outcome, Outcome::Silent | Outcome::HalfOpen);
        let pair = Pair::of(client, server);
        let doubtful = absent
            && (scene.ledger.paths.may_lack_answers(false) || scene.may_lack_packets(pair, (seen.first, seen.last)));
        let elsewhere = server.is_public() && sighting.path.comes_from_outside();
        let certain = !doubtful && !elsewhere;
        let firm = !absent || seen.is_firm();
        let rules = sighting.matching.place.map_or(&[][..], |place| &scene.map.at(place).rules);
        let reset = outcome == Outcome::ResetEarly;
        let fresh = || Way { seen: seen.clone(), certain, firm, reset, rules };
        let known = self.blocked.contains_key(&(protocol, port));
        let way = self.blocked.entry((protocol, port)).or_insert_with(fresh);
        if known {
            way.seen += seen;
            way.certain &= certain;
            way.firm |= firm;
            way.reset |= reset;
        }
    }

    /// Two ways or more were tried, TCP among them, each was blocked beyond doubt, and it does not look like a machine.
    fn looks_failed(&self) -> bool {
        let over_tcp = self.blocked.keys().any(|(protocol, _)| *protocol == protocol::TCP);
        let all_blocked = self.unclear.iter().all(|way| self.blocked.contains_key(way));
        let certain = self.blocked.values().all(|way| way.certain);
        let by_machine = self.blocked.values().any(|way| is_regular(&way.seen));
        self.blocked.len() >= 2 && over_tcp && all_blocked && certain && !by_machine
    }

    /// Whether a session came about later, and how long the client tried; nothing where it came through, or was no launch.
    fn failed(
        &self,
        scene: &Scene<'_>,
        places: &[SessionPlace],
        server: Address,
        client: Address,
    ) -> Option<(bool, Span)> {
        let first = self.blocked.values().map(|way| way.seen.first).min()?;
        let last = self.blocked.values().map(|way| way.seen.last).max()?;
        let later = self.came_about(scene, places, (server, client), (first, last)).ok()?;
        self.tried().map(|tried| (later, tried))
    }

    /// How long the client tried in the longest launch in which it tried two ways.
    fn tried(&self) -> Option<Span> {
        let tries = |(&way, it): (&(u8, u16), &Way<'_>)| {
            let seen = &it.seen;
            let mut begins: BTreeSet<Timestamp> = seen.latest.iter().map(|began| began.0).collect();
            begins.insert(seen.first);
            // Of the last one it is known when it ended.
            let end = |began: Timestamp| if began == seen.began() { seen.last } else { began };
            begins.into_iter().map(|began| (began, end(began), way)).collect::<Vec<_>>()
        };
        let mut tries: Vec<(Timestamp, Timestamp, (u8, u16))> = self.blocked.iter().flat_map(tries).collect();
        tries.sort_unstable();
        let mut longest = None;
        let &(mut since, mut until, _) = tries.first()?;
        let mut ways = BTreeSet::new();
        for (began, end, way) in tries {
            if began > until + SAME_LAUNCH {
                (since, until) = (began, end);
                ways.clear();
            }
            until = until.max(end);
            ways.insert(way);
            longest = longest.max((ways.len() >= 2).then(|| until - since));
        }
        longest
    }

    /// Whether a session between these two came about after these tries; `Err` where one was there meanwhile, or where nothing but
    /// connections without a word were, as a monitor makes them, or the side of a start that lost the race (facts ADP-09). An answer on a port that sessions share with others counts as one.
    fn came_about(
        &self,
        scene: &Scene<'_>,
        places: &[SessionPlace],
        (server, client): (Address, Address),
        (first, last): (Timestamp, Timestamp),
    ) -> Result<bool, ()> {
        let (mut later, mut only_answered) = (false, false);
        for &SessionPlace { protocol, port, generic } in places {
            let path = Path { protocol, port, server, client };
            let answers = scene.ledger.paths.answers(&path).filter(|answers| answers.last >= first);
            let working = scene.ledger.paths.working(&path);
            // The first that began, the last that began, and when the last ended.
            let session = match generic {
                true => answers.map(|answers| (answers.first, answers.last, answers.last)),
                false => working.map(|working| (working.first, working.began, working.last)),
            };
            match session {
                Some((earliest, _, latest)) if earliest <= last + AT_LAST && latest >= first => return Err(()),
                Some((_, began, _)) if began > last => later = true,
                _ => {
                    let reset = self.blocked.get(&(protocol, port)).is_some_and(|way| way.reset);
                    only_answered |= !generic && !reset && answers.is_some();
                }
            }
        }
        if only_answered && !later { Err(()) } else { Ok(later) }
    }
}

/// A port where a session may run.
struct SessionPlace {
    protocol: u8,
    port: u16,
    /// Many programs use it.
    generic: bool,
}

fn places(scene: &Scene<'_>) -> Vec<SessionPlace> {
    let over = |(transport, protocol)| {
        let place = move |port| {
            let generic = scene.map.place(transport, port).is_some_and(|place| scene.map.at(place).generic);
            SessionPlace { protocol, port, generic }
        };
        scene.map.ports_of_sessions(transport).into_iter().map(place)
    };
    [(Transport::Tcp, protocol::TCP), (Transport::Udp, protocol::UDP)].into_iter().flat_map(over).collect()
}

/// Clients that open session ports somewhere and close them without a word, and never have a session.
fn monitors(scene: &Scene<'_>) -> BTreeSet<Address> {
    let (mut knock, mut talk) = (BTreeSet::new(), BTreeSet::new());
    let ports = scene.map.session_ports(Transport::Tcp);
    let reset = scene.host_by_host(|sign| sign == Sign::Blocked(Outcome::ResetEarly));
    let reset: BTreeSet<Path> = reset.map(|(_, sighting, _)| sighting.path).collect();
    let over_tcp = |path: &Path| path.protocol == protocol::TCP && ports.contains(&path.port) && !reset.contains(path);
    for (path, answered) in scene.ledger.paths.iter().filter(|(path, _)| over_tcp(path)) {
        let known = if answered.working.is_some() { &mut talk } else { &mut knock };
        known.insert(path.client);
    }
    // EDT that won leaves a TCP connection without a word (facts ADP-09).
    let sessions = scene.map.session_ports(Transport::Udp);
    for (path, _) in scene.ledger.paths.iter().filter(|(path, _)| path.protocol == protocol::UDP) {
        if sessions.contains(&path.port) {
            talk.insert(path.client);
        }
    }
    knock.difference(&talk).copied().collect()
}

/// Tries at equal times are those of a machine: a monitor, or a program that connects again and again.
fn is_regular(seen: &Seen) -> bool {
    let begins: Vec<Timestamp> = seen.latest.iter().map(|began| began.0).collect();
    let times: Vec<i64> = begins.windows(2).map(|pair| (pair[0] - pair[1]).0).collect();
    let (Some(&shortest), Some(&longest)) = (times.iter().min(), times.iter().max()) else { return false };
    begins.len() >= REGULAR && longest - shortest <= longest / 10
}

impl Failed<'_> {
    fn finding(self, check: &Check, scene: &Scene<'_>, server: Address) -> Finding {
        let Failed { seen, ways, clients, tried, firm } = self;
        let later = clients.values().filter(|&&later| later).count();
        let severity = if later == clients.len() { Severity::Warning } else { Severity::Error };
        let confidence = if firm { Confidence::High } else { Confidence::Medium };
        let mut rules: Vec<RuleId> = Vec::new();
        for &rule in ways.values().copied().flatten() {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
        let ports = |over| ways.keys().filter(move |(protocol, _)| *protocol == over).map(|(_, port)| *port).collect();
        let (tcp, udp): (Vec<u16>, Vec<u16>) = (ports(protocol::TCP), ports(protocol::UDP));
        let term = |transport: Transport| move |port: &u16| format!("{}.port=={port}", transport.name());
        let terms = tcp.iter().map(term(Transport::Tcp)).chain(udp.iter().map(term(Transport::Udp))).collect();
        let hosts = any(clients.keys().map(address).collect());
        let params = Params::from([
            ("later", Value::Number(later as u64)),
            ("over", Value::Word(if udp.is_empty() { "tcp" } else { "both" })),
            ("tcp_ports", Value::Ports(tcp)),
            ("tried", Value::Duration(tried)),
            ("udp_ports", Value::Ports(udp)),
        ]);
        Finding {
            params,
            sources: [check.source].into_iter().chain(scene.documents(&rules)).map(String::from).collect(),
            products: scene.products(&rules).into_iter().map(String::from).collect(),
            clients: clients.into_keys().collect(),
            servers: vec![server],
            rules: rules.iter().map(|&rule| scene.map.rule(rule).id.clone()).collect(),
            wireshark_filter: format!("{} && {hosts} && {}", address(&server), any(terms)),
            ..Finding::of(check, severity, confidence).showing(&seen)
        }
    }
}
