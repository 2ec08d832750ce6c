//! What checks look at: the scene, and the groups of flows in it that one finding is made of.

use super::{Check, Confidence, Finding, Params, Severity};
use crate::judge::{Judge, Judgement, Sign};
use crate::ledger::{Died, Ledger, PORT_LIMIT, Path, Seen, Sighting, Working};
use crate::matching::{ServiceRef, service_of};
use crate::packet::{Address, protocol};
use crate::portmap::{Place, PortMap, RuleId};
use crate::source::CaptureNotes;
use crate::transport::Transport;
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
    /// Who judges.
    judge: Judge<'a, 'a>,
    /// What the sightings are signs of.
    signs: Vec<(Sign, &'a Sighting, &'a Seen)>,
}

/// Flows of one kind towards one server and port: what one finding tells.
pub(super) struct Group<'a> {
    pub server: Address,
    pub transport: Transport,
    pub port: u16,
    pub clients: BTreeMap<Address, Ports>,
    pub seen: Seen,
    /// Where the port stands in the map.
    pub place: Option<Place>,
    /// The port proves nothing by itself.
    pub generic: bool,
    pub service: Option<ServiceRef>,
    /// The rules that it rests on.
    pub rules: &'a [RuleId],
}

/// The ports that a client used, and for how many flows.
#[derive(Clone, Default)]
pub(super) struct Ports {
    ports: BTreeSet<u16>,
    flows: u64,
}

impl Ports {
    fn of(seen: &Seen) -> Ports {
        Ports { ports: seen.client_ports.clone(), flows: seen.flows }
    }

    /// Adds those of further flows, and keeps the lowest.
    fn add(&mut self, seen: &Seen) {
        self.flows += seen.flows;
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
    /// What a judge knows, and the captures that it was seen in.
    pub fn new(judge: Judge<'a, 'a>, captures: &'a [CaptureNotes]) -> Scene<'a> {
        let of_each =
            |(sighting, seen)| judge.signs(sighting).into_iter().flatten().map(move |sign| (sign, sighting, seen));
        let signs = judge.ledger.sightings.iter().flat_map(of_each).collect();
        Scene { ledger: judge.ledger, map: judge.map, captures, judge, signs }
    }

    /// What was sighted of the wanted signs.
    pub(super) fn sighted(&self, wanted: impl Fn(Sign) -> bool) -> impl Iterator<Item = &'a Seen> {
        self.signs.iter().filter(move |(sign, ..)| wanted(*sign)).map(|&(.., seen)| seen)
    }

    /// The wanted signs, grouped by server and port, in order.
    pub(super) fn groups(&self, wanted: impl Fn(Sign) -> bool) -> Vec<(Sign, Group<'a>)> {
        let mut groups: BTreeMap<(Sign, Address, u8, u16), Group<'a>> = BTreeMap::new();
        for &(sign, sighting, seen) in self.signs.iter().filter(|(sign, ..)| wanted(*sign)) {
            let Path { protocol, port, server, client } = sighting.path;
            let Some(transport) = Transport::of_protocol(protocol) else { continue };
            let Judgement { generic, service, rules, .. } = self.judge.sighting(sighting);
            match groups.entry((sign, server, protocol, port)) {
                Entry::Occupied(mut entry) => {
                    let group = entry.get_mut();
                    group.add(client, seen);
                    group.generic &= generic;
                    group.service = group.service.min(service);
                }
                Entry::Vacant(entry) => {
                    let clients = BTreeMap::from([(client, Ports::of(seen))]);
                    let (place, seen) = (sighting.matching.place, seen.clone());
                    entry.insert(Group { server, transport, port, clients, seen, place, generic, service, rules });
                }
            }
        }
        groups.into_iter().map(|((sign, ..), group)| (sign, group)).collect()
    }

    /// Adds the flows that worked over TCP from a client to a server's port to the groups of such flows.
    pub(super) fn add_working(&self, groups: &mut BTreeMap<(Address, u16), Group<'a>>, path: Path, working: &Working) {
        let Path { port, server, client, .. } = path;
        let seen = Seen {
            flows: working.flows,
            first: working.first,
            last: working.last,
            watched: working.last - working.first,
            evidence: BTreeSet::from([working.opener]),
            openers: BTreeSet::from([working.opener.at]),
            client_ports: BTreeSet::from([working.client_port]),
            tries: 1,
            errors: BTreeSet::new(),
            signs: BTreeSet::new(),
            reset_after: None,
            vlans: BTreeSet::new(),
        };
        match groups.entry((server, port)) {
            Entry::Occupied(mut entry) => entry.get_mut().add(client, &seen),
            Entry::Vacant(entry) => {
                let clients = BTreeMap::from([(client, Ports::of(&seen))]);
                let place = self.map.place(Transport::Tcp, port);
                let service = place.and_then(|place| service_of(place, self.map.at(place)));
                let rules = place.map_or(&[][..], |place| &self.map.at(place).rules);
                let transport = Transport::Tcp;
                entry.insert(Group { server, transport, port, clients, seen, place, generic: false, service, rules });
            }
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
                    let clients = BTreeMap::from([(client, Ports::of(&died.seen))]);
                    let place = self.map.place(Transport::Tcp, port);
                    let service = place.and_then(|place| service_of(place, self.map.at(place)));
                    let rules = place.map_or(&[][..], |place| &self.map.at(place).rules);
                    let (transport, seen) = (Transport::Tcp, died.seen.clone());
                    let group = Group { server, transport, port, clients, seen, place, generic: false, service, rules };
                    entry.insert((group, died.clone()));
                }
            }
        }
        groups.into_values().collect()
    }

    /// What worked on the same path as a blocked flow of this client, at whatever time.
    pub(super) fn works(&self, client: Address, group: &Group<'_>) -> Option<&'a Working> {
        let protocol = match group.transport {
            Transport::Tcp => protocol::TCP,
            Transport::Udp => protocol::UDP,
            Transport::Icmp => return None,
        };
        self.ledger.paths.working(&Path { protocol, port: group.port, server: group.server, client })
    }

    /// True where the blocked path worked later on.
    pub(super) fn works_again(&self, client: Address, group: &Group<'_>) -> bool {
        self.works(client, group).is_some_and(|working| working.last > group.seen.first)
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

impl Group<'_> {
    /// Adds further flows of a client.
    fn add(&mut self, client: Address, seen: &Seen) {
        self.clients.entry(client).or_default().add(seen);
        self.seen += seen;
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
            code: check.code,
            severity,
            confidence,
            params: Params::default(),
            sources: [check.source].into_iter().chain(scene.documents(rules)).map(String::from).collect(),
            products: scene.products(rules).into_iter().map(String::from).collect(),
            clients: self.clients.keys().copied().collect(),
            servers: vec![self.server],
            port: Some((self.transport, self.port)),
            service: self.service.map(|service| service.name(scene.map).to_string()),
            rules: rules.iter().map(|&rule| scene.map.rule(rule).id.clone()).collect(),
            openers: self.seen.openers.iter().copied().collect(),
            flow_count: self.seen.flows,
            first: Some(self.seen.first),
            last: Some(self.seen.last),
            evidence: self.seen.evidence.iter().copied().collect(),
            wireshark_filter,
            filter_is_exact,
        }
    }

    /// Wireshark's display filter, and whether it selects these flows and no others: it does where the port of every flow is
    /// known.
    fn filter(&self) -> (String, bool) {
        let port = |number: u16| format!("{}.port=={number}", self.transport.name());
        let client = |(client, ports): (&Address, &Ports)| {
            let mut parts = vec![address(client)];
            if ports.all_known() {
                parts.push(any(ports.ports.iter().map(|&number| port(number)).collect()));
            }
            parts
        };
        let head = [address(&self.server), port(self.port)];
        let exact = self.clients.values().all(Ports::all_known);
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

fn address(address: &Address) -> String {
    format!("{}=={address}", if address.is_v4() { "ip.addr" } else { "ipv6.addr" })
}

fn any(mut terms: Vec<String>) -> String {
    if terms.len() == 1 { terms.remove(0) } else { format!("({})", terms.join(" || ")) }
}
