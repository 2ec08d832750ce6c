//! What checks look at: the scene, and the groups of flows in it that one finding is made of.

use super::scan::{Absorbed, Scans};
use super::{Check, Confidence, Finding, Severity};
use crate::clock::Leap;
use crate::judge::{Judge, Judgement, Outcome, Sign};
use crate::ledger::{
    Crowd, Died, Few, LATEST_LIMIT, Ledger, NAMED_LIMIT, PORT_LIMIT, Pair, Path, Seen, Sighting, Target, Working,
};
use crate::matching::{Matching, ServiceRef, service_of};
use crate::packet::{Address, protocol};
use crate::portmap::{Place, PortMap, RuleId};
use crate::session::Session;
use crate::source::CaptureNotes;
use crate::time::Timestamp;
use crate::transport::Transport;
use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// What a check may look at.
pub struct Scene<'a> {
    /// What was seen, complete.
    pub ledger: &'a Ledger,
    /// The map it was judged by.
    pub map: &'a PortMap,
    /// The captures it was seen in.
    pub captures: &'a [CaptureNotes],
    /// Times in which nothing came although much did before and after.
    leaps: Vec<Leap>,
    /// Flows that belong together, in the order of time.
    pub sessions: &'a [Session<'a>],
    /// Who judges.
    judge: Judge<'a, 'a>,
    /// What the sightings are signs of.
    signs: Vec<(Sign, &'a Sighting, &'a Seen)>,
    /// What places are a sign of at which more clients show the same than are kept one by one.
    crowds: Vec<(Sign, &'a Target, &'a Crowd)>,
    /// Scans and floods, each of which is told once. What belongs to them is not among the signs.
    pub(super) scans: Scans<'a>,
    /// Attempts of public addresses at session ports of private ones that came to nothing: a firewall does its job. Not among
    /// the signs.
    pub(super) from_outside: Vec<(&'a Sighting, &'a Seen)>,
    /// The same of more addresses than are kept one by one.
    pub(super) knocking: Vec<(Sign, &'a Target, &'a Crowd)>,
    /// Hosts that are tied to Citrix by flows that were answered on its ports.
    tied: BTreeSet<Address>,
    /// Hosts that answered on its ports.
    serving: BTreeSet<Address>,
}

/// Flows of one kind towards one server and port: what one finding tells.
pub(super) struct Group<'a> {
    pub server: Address,
    pub transport: Transport,
    pub port: u16,
    /// Further ports, where one finding tells several.
    pub more_ports: BTreeSet<u16>,
    pub clients: BTreeMap<Address, Attempts>,
    /// There are more clients than are named.
    pub more_clients: bool,
    pub seen: Seen,
    /// Where the port stands in the map.
    pub place: Option<Place>,
    /// The port proves nothing by itself.
    pub generic: bool,
    pub service: Option<ServiceRef>,
    /// The rules that it rests on.
    pub rules: &'a [RuleId],
}

/// What ties a server to Citrix.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tie {
    /// A name that clients call it by.
    Name,
    /// It answered on a port of Citrix.
    Ports,
}

/// The flows of one client in a group.
#[derive(Clone)]
pub(super) struct Attempts {
    /// The ports it used, the lowest.
    ports: BTreeSet<u16>,
    pub flows: u64,
    /// When the first began, when the last began, and when the last ended.
    pub first: Timestamp,
    pub began: Timestamp,
    pub last: Timestamp,
    /// When the last few began, the last first.
    pub latest: Few<Reverse<Timestamp>>,
}

impl Attempts {
    fn of(seen: &Seen) -> Attempts {
        let &Seen { flows, first, last, .. } = seen;
        let (began, latest) = (seen.began(), seen.latest.clone());
        Attempts { ports: seen.client_ports.iter().copied().collect(), flows, first, began, last, latest }
    }

    /// Adds further flows, and keeps the lowest ports.
    fn add(&mut self, seen: &Seen) {
        self.flows += seen.flows;
        self.first = self.first.min(seen.first);
        self.began = self.began.max(seen.began());
        self.last = self.last.max(seen.last);
        self.latest.join(&seen.latest, LATEST_LIMIT);
        self.ports.extend(&seen.client_ports);
        while self.ports.len() > PORT_LIMIT {
            self.ports.pop_last();
        }
    }

    /// Every flow has a port of its own here.
    fn all_known(&self) -> bool {
        self.flows as usize <= self.ports.len()
    }
}

impl<'a> Scene<'a> {
    /// What a judge knows, the captures that it was seen in, and the sessions that he saw.
    pub fn new(judge: Judge<'a, 'a>, captures: &'a [CaptureNotes], sessions: &'a [Session<'a>]) -> Scene<'a> {
        let ledger = judge.ledger;
        let scans = Scans::of(ledger);
        let (mut signs, mut from_outside) = (Vec::new(), Vec::new());
        let session_ports = judge.map.session_ports(Transport::Tcp);
        // Who had a session there is no stranger.
        let is_customer = |sighting: &Sighting| {
            let Path { server, client, .. } = sighting.path;
            let mut sessions = session_ports.iter().map(|&port| Path { protocol: protocol::TCP, port, server, client });
            sessions.any(|path| ledger.paths.working(&path).is_some())
        };
        for (sighting, seen) in ledger.sightings.iter() {
            let absorbed = scans.absorb(sighting, seen);
            for sign in judge.signs(sighting).into_iter().flatten() {
                match sign {
                    Sign::Blocked(_) | Sign::Doubtful(_) | Sign::Unanswered if absorbed == Absorbed::Yes => {}
                    Sign::Blocked(_) if is_from_outside(sighting) && !is_customer(sighting) => {
                        from_outside.push((sighting, seen))
                    }
                    _ => signs.push((sign, sighting, seen)),
                }
            }
        }
        let alone = |target, crowd| scans.absorb_crowd(target, crowd) == Absorbed::No;
        let crowds = ledger.sightings.crowds_of_clients().filter(|&(target, crowd)| alone(target, crowd));
        let crowds = crowds.flat_map(|(target, crowd)| {
            let client = crowd.hosts().first().copied();
            let signs = client.map(|client| judge.signs(&target.sighting(client))).into_iter().flatten().flatten();
            signs.map(move |sign| (sign, target, crowd))
        });
        let (knocking, crowds) = crowds.partition(|&(sign, target, crowd)| {
            let outside = |&client: &Address| is_from_outside(&target.sighting(client));
            matches!(sign, Sign::Blocked(_)) && crowd.hosts().iter().all(outside)
        });
        let tied = ledger.paths.iter().flat_map(|(path, _)| [path.client, path.server]).collect();
        let serving = ledger.paths.iter().map(|(path, _)| path.server).collect();
        Scene {
            ledger,
            map: judge.map,
            captures,
            sessions,
            leaps: Vec::new(),
            judge,
            signs,
            crowds,
            scans,
            from_outside,
            knocking,
            tied,
            serving,
        }
    }

    /// The same where nothing came at these times.
    #[must_use]
    pub fn with_leaps(self, leaps: Vec<Leap>) -> Scene<'a> {
        Scene { leaps, ..self }
    }

    /// Packets between these moments may have been lost.
    pub(super) fn may_have_lost(&self, from: Timestamp, to: Timestamp) -> bool {
        self.ledger.holes.are_many() || self.captures.iter().any(|notes| notes.may_have_lost(from, to))
    }

    /// The clock leapt, or the capture stood still, at some time from the one moment to the other.
    pub(super) fn leaps(&self, from: Timestamp, to: Timestamp) -> bool {
        self.leaps.iter().any(|leap| from <= leap.from && leap.from <= to)
    }

    /// What was sighted of the wanted signs.
    pub(super) fn sighted(&self, wanted: impl Fn(Sign) -> bool) -> impl Iterator<Item = &'a Seen> {
        let single = self.signs.iter().map(|&(sign, _, seen)| (sign, seen));
        let crowds = self.crowds.iter().filter_map(|&(sign, _, crowd)| Some((sign, crowd.seen()?)));
        single.chain(crowds).filter(move |(sign, _)| wanted(*sign)).map(|(_, seen)| seen)
    }

    /// What was sighted of the wanted signs, host by host, in order. What only a crowd shows is not among it.
    pub(super) fn host_by_host(
        &self,
        wanted: impl Fn(Sign) -> bool,
    ) -> impl Iterator<Item = (Sign, &'a Sighting, &'a Seen)> {
        self.signs.iter().copied().filter(move |(sign, ..)| wanted(*sign))
    }

    /// Crowds of clients of the wanted signs, in order: what is not among [`Scene::host_by_host`].
    pub(super) fn crowded(&self, wanted: impl Fn(Sign) -> bool) -> impl Iterator<Item = (Sign, &'a Target, &'a Crowd)> {
        self.crowds.iter().copied().filter(move |(sign, ..)| wanted(*sign))
    }

    /// Adds what a client shows to the group of a server, whatever the port. `server` and `client` may stand the other way round
    /// than in the sighting.
    pub(super) fn add_to_server(
        &self,
        groups: &mut BTreeMap<Address, Group<'a>>,
        (server, client): (Address, Address),
        sighting: &Sighting,
        seen: &Seen,
    ) {
        let Path { protocol, port, .. } = sighting.path;
        let Some(transport) = Transport::of_protocol(protocol) else { return };
        let Judgement { generic, service, rules, .. } = self.judge.sighting(sighting);
        match groups.entry(server) {
            Entry::Occupied(mut entry) => {
                let group = entry.get_mut();
                group.add(client, seen);
                group.more_ports.extend([port, group.port]);
                group.port = group.port.min(port);
                group.more_ports.remove(&group.port);
            }
            Entry::Vacant(entry) => {
                let clients = BTreeMap::from([(client, Attempts::of(seen))]);
                let (more_ports, more_clients, seen) = (BTreeSet::new(), false, seen.clone());
                let place = sighting.matching.place;
                entry.insert(Group {
                    server,
                    transport,
                    port,
                    more_ports,
                    clients,
                    more_clients,
                    seen,
                    place,
                    generic,
                    service,
                    rules,
                });
            }
        }
    }

    /// The wanted signs, grouped by server and port, in order.
    pub(super) fn groups(&self, wanted: impl Fn(Sign) -> bool) -> Vec<(Sign, Group<'a>)> {
        let mut groups = BTreeMap::new();
        for &(sign, sighting, seen) in self.signs.iter().filter(|(sign, ..)| wanted(*sign)) {
            self.add_to_groups(&mut groups, sign, sighting, seen);
        }
        for &(sign, target, crowd) in self.crowds.iter().filter(|(sign, ..)| wanted(*sign)) {
            let Some(seen) = crowd.seen() else { continue };
            // All of them together count once; each client is named.
            for (place, &client) in crowd.hosts().iter().enumerate() {
                let share =
                    if place == 0 { seen.clone() } else { Seen { flows: 0, tries: 0, begun: 0, ..seen.clone() } };
                self.add_to_groups(&mut groups, sign, &target.sighting(client), &share);
            }
            if let Some(group) = groups.get_mut(&(sign, target.server, target.protocol, target.port)) {
                group.more_clients = true;
            }
        }
        groups.into_iter().map(|((sign, ..), group)| (sign, group)).collect()
    }

    fn add_to_groups(
        &self,
        groups: &mut BTreeMap<(Sign, Address, u8, u16), Group<'a>>,
        sign: Sign,
        sighting: &Sighting,
        seen: &Seen,
    ) {
        let Path { protocol, port, server, client } = sighting.path;
        let Some(transport) = Transport::of_protocol(protocol) else { return };
        let Judgement { generic, service, rules, .. } = self.judge.sighting(sighting);
        match groups.entry((sign, server, protocol, port)) {
            Entry::Occupied(mut entry) => {
                let group = entry.get_mut();
                group.add(client, seen);
                group.generic &= generic;
                group.service = group.service.min(service);
            }
            Entry::Vacant(entry) => {
                let clients = BTreeMap::from([(client, Attempts::of(seen))]);
                let Matching { place, .. } = sighting.matching;
                let seen = seen.clone();
                let more_clients = false;
                entry.insert(Group {
                    server,
                    transport,
                    port,
                    more_ports: BTreeSet::new(),
                    clients,
                    more_clients,
                    seen,
                    place,
                    generic,
                    service,
                    rules,
                });
            }
        }
    }

    /// Adds the flows that worked from a client to a server's port to the groups of such flows, or flows of which as much is known.
    pub(super) fn add_working(&self, groups: &mut BTreeMap<(Address, u16), Group<'a>>, path: Path, working: &Working) {
        let Path { port, server, client, .. } = path;
        let seen = seen_of(working);
        match groups.entry((server, port)) {
            Entry::Occupied(mut entry) => entry.get_mut().add(client, &seen),
            Entry::Vacant(entry) => _ = entry.insert(self.first_of_path(&path, seen)),
        }
    }

    /// A group of what one client had on a path.
    fn first_of_path(&self, path: &Path, seen: Seen) -> Group<'a> {
        let transport = if path.protocol == protocol::UDP { Transport::Udp } else { Transport::Tcp };
        self.group_of(transport, path, seen)
    }

    /// A group of what one client had over this transport on a port that means Citrix.
    pub(super) fn group_of(&self, transport: Transport, path: &Path, seen: Seen) -> Group<'a> {
        let Path { port, server, client, .. } = *path;
        let place = self.map.place(transport, port);
        Group {
            server,
            transport,
            port,
            more_ports: BTreeSet::new(),
            clients: BTreeMap::from([(client, Attempts::of(&seen))]),
            more_clients: false,
            seen,
            place,
            generic: place.is_some_and(|place| self.map.at(place).generic),
            service: place.and_then(|place| service_of(place, self.map.at(place))),
            rules: place.map_or(&[][..], |place| &self.map.at(place).rules),
        }
    }

    /// Sessions that died, by server and port, in order.
    pub(super) fn deaths(&self) -> Vec<(Group<'a>, Died)> {
        let mut groups: BTreeMap<(Address, u16), (Group<'a>, Died)> = BTreeMap::new();
        for (path, died) in self.ledger.deaths.iter() {
            let Path { port, server, client, .. } = *path;
            match groups.entry((server, port)) {
                Entry::Occupied(mut entry) => {
                    let (group, sum) = entry.get_mut();
                    group.add(client, &died.seen);
                    *sum += died;
                }
                Entry::Vacant(entry) => {
                    let group = self.first_of_path(path, died.seen.clone());
                    entry.insert((group, died.clone()));
                }
            }
        }
        groups.into_values().collect()
    }

    /// What works on the path from a client to the port of a group, at whatever time.
    pub(super) fn works(&self, client: Address, group: &Group<'_>) -> Option<&'a Working> {
        self.ledger.paths.working(&group.path(client)?)
    }

    /// How many flows on the path of a blocked flow of this client were answered, if one was after its last try began: only a
    /// handshake (over UDP a first reply) that comes later tells that the port is open. A session that stood before tells nothing: a
    /// firewall that learns a new rule may let it live. Where the handshake is not what failed, a session has to work.
    pub(super) fn answered_again(&self, client: Address, group: &Group<'_>, outcome: Outcome) -> Option<u64> {
        let began = group.clients.get(&client)?.began;
        let path = group.path(client)?;
        if outcome == Outcome::ResetEarly {
            let working = self.ledger.paths.working(&path)?;
            return (working.began > began).then_some(working.flows);
        }
        let answers = self.ledger.paths.answers(&path)?;
        (answers.last > began).then_some(answers.flows)
    }

    /// The group is about a session port: nobody but Citrix is at home there.
    pub(super) fn is_session_port(&self, group: &Group<'_>) -> bool {
        group.place.is_some_and(|place| self.map.at(place).session)
    }

    /// Something other than what is asked about ties one of these hosts to Citrix: a flow that was answered on one of its ports.
    pub(super) fn is_tied(&self, group: &Group<'_>) -> bool {
        self.tied.contains(&group.server) || group.clients.keys().any(|client| self.tied.contains(client))
    }

    /// A flow that was answered on a port of Citrix ties this host to it.
    pub(super) fn is_host_tied(&self, host: Address) -> bool {
        self.tied.contains(&host)
    }

    /// What ties a server to Citrix: a name that it was called by, or an answer on one of the ports.
    pub(super) fn tie(&self, server: Address) -> Option<Tie> {
        let name = self.ledger.hellos.name(server).map(|_| Tie::Name);
        name.or_else(|| self.serving.contains(&server).then_some(Tie::Ports))
    }

    /// The capture may lack answers between these two about that time: it holds one direction only, or lost packets.
    pub(super) fn may_lack_packets(&self, pair: Pair, (first, last): (Timestamp, Timestamp)) -> bool {
        let lost = |notes: &CaptureNotes| notes.may_have_lost(first, last);
        self.ledger.visibility.is_one_direction(Some(pair)) || self.captures.iter().any(lost)
    }

    /// "CGP (session with session reliability)", or the joined names of several services; none where the map knows none.
    pub(super) fn service_title(&self, place: Option<Place>) -> Option<String> {
        let place = place?;
        service_of(place, self.map.at(place)).map(|service| service.title(self.map).to_string())
    }

    /// The products of rules, each once, in the order of the rules.
    pub(super) fn products(&self, rules: &[RuleId]) -> Vec<&str> {
        once(rules.iter().map(|&rule| self.map.rule(rule).product.as_str()))
    }

    /// The documents that rules come from, each once.
    pub(super) fn documents(&self, rules: &[RuleId]) -> Vec<&str> {
        let keys = rules.iter().flat_map(|&rule| &self.map.rule(rule).documents);
        once(keys.filter_map(|key| self.map.document(key)).map(|document| document.title.as_str()))
    }
}

/// What is known of flows that worked, as of what was sighted.
pub(super) fn seen_of(working: &Working) -> Seen {
    Seen {
        flows: working.flows,
        first: working.first,
        latest: Few::of([Reverse(working.began)], 1),
        // When those between the first and the last began is not kept.
        begun: i128::from(working.first.0) * i128::from(working.flows),
        last: working.last,
        watched: working.last - working.first,
        evidence: Few::of([working.opener], NAMED_LIMIT),
        openers: Few::of([working.opener.at], NAMED_LIMIT),
        client_ports: Few::of([working.client_port], PORT_LIMIT),
        tries: 1,
        errors: Few::default(),
        signs: Few::default(),
        reset_after: None,
        vlans: Few::default(),
    }
}

/// A public address that tried a session port of a private one: no service that anyone should open to it (CTX113250).
fn is_from_outside(sighting: &Sighting) -> bool {
    let Sighting { matching, path, .. } = sighting;
    matching.port.session && path.comes_from_outside() && !path.server.is_public()
}

impl Group<'_> {
    /// Adds further flows of a client.
    pub(super) fn add(&mut self, client: Address, seen: &Seen) {
        self.clients.entry(client).and_modify(|attempts| attempts.add(seen)).or_insert_with(|| Attempts::of(seen));
        self.seen += seen;
    }

    /// The path from a client to the port of the group; none for ICMP.
    pub(super) fn path(&self, client: Address) -> Option<Path> {
        let protocol = match self.transport {
            Transport::Tcp => protocol::TCP,
            Transport::Udp => protocol::UDP,
            Transport::Icmp => return None,
        };
        Some(Path { protocol, port: self.port, server: self.server, client })
    }

    /// A finding about this group; the caller adds its parameters.
    pub(super) fn finding(
        &self,
        check: &Check,
        scene: &Scene<'_>,
        severity: Severity,
        confidence: Confidence,
    ) -> Finding {
        let rules = self.rules;
        let (wireshark_filter, filter_is_exact) = self.filter();
        Finding {
            more_clients: self.more_clients,
            sources: [check.source].into_iter().chain(scene.documents(rules)).map(String::from).collect(),
            products: scene.products(rules).into_iter().map(String::from).collect(),
            clients: self.clients.keys().copied().collect(),
            servers: vec![self.server],
            port: Some((self.transport, self.port)),
            service: self.service.map(|service| service.name(scene.map).to_string()),
            rules: rules.iter().map(|&rule| scene.map.rule(rule).id.clone()).collect(),
            wireshark_filter,
            filter_is_exact,
            ..Finding::of(check, severity, confidence).showing(&self.seen)
        }
    }

    /// Wireshark's display filter, and whether it selects these flows and no others: it does where the port of every flow is
    /// known.
    fn filter(&self) -> (String, bool) {
        let port = |number: u16| format!("{}.port=={number}", self.transport.name());
        let client = |(client, attempts): (&Address, &Attempts)| {
            let mut parts = vec![address(client)];
            if attempts.all_known() {
                parts.push(any(attempts.ports.iter().map(|&number| port(number)).collect()));
            }
            parts
        };
        let ports = [self.port].iter().chain(&self.more_ports).map(|&number| port(number)).collect();
        let head = [address(&self.server), any(ports)];
        let exact = !self.more_clients && self.clients.values().all(Attempts::all_known);
        let mut clients: Vec<Vec<String>> = self.clients.iter().map(client).collect();
        let filter = if clients.len() == 1 {
            let one = clients.remove(0);
            [one[..1].to_vec(), head.to_vec(), one[1..].to_vec()].concat().join(" && ")
        } else {
            let each = clients.into_iter().map(|parts| format!("({})", parts.join(" && "))).collect();
            format!("{} && {}", head.join(" && "), any(each))
        };
        (filter, exact)
    }
}

fn once<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut list: Vec<&str> = Vec::new();
    for text in texts {
        if !list.contains(&text) {
            list.push(text);
        }
    }
    list
}

pub(super) fn address(address: &Address) -> String {
    format!("{}=={address}", if address.is_v4() { "ip.addr" } else { "ipv6.addr" })
}

pub(super) fn any(mut terms: Vec<String>) -> String {
    if terms.len() == 1 { terms.remove(0) } else { format!("({})", terms.join(" || ")) }
}
