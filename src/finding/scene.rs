//! What checks look at: the scene, and the groups of flows in it that one finding is made of.

use super::{Check, Confidence, Finding, Params, Severity};
use crate::judge::{Judge, Judgement, Sign};
use crate::ledger::{Ledger, Path, Seen, Working};
use crate::matching::{ServiceRef, service_of};
use crate::packet::{Address, protocol};
use crate::portmap::{Place, PortMap, RuleId};
use crate::source::CaptureNotes;
use crate::transport::Transport;
use std::borrow::Cow;
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
    /// What the sightings are signs of, by path.
    signs: BTreeMap<(Sign, Path), Sighted<'a>>,
}

/// What is known of a sign on a path, and what is held of the flows that show it.
struct Sighted<'a> {
    seen: Cow<'a, Seen>,
    place: Option<Place>,
    judgement: Judgement<'a>,
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

    /// Every flow has a port of its own here.
    fn all_known(&self) -> bool {
        self.flows as usize <= self.ports.len()
    }
}

impl<'a> Scene<'a> {
    /// What a judge knows, and the captures that it was seen in.
    pub fn new(judge: Judge<'a, 'a>, captures: &'a [CaptureNotes]) -> Scene<'a> {
        let mut signs: BTreeMap<(Sign, Path), Sighted<'a>> = BTreeMap::new();
        for (sighting, seen) in judge.ledger.sightings.iter() {
            for sign in judge.signs(sighting).into_iter().flatten() {
                let judgement = judge.sighting(sighting);
                match signs.entry((sign, sighting.path)) {
                    Entry::Occupied(mut entry) => entry.get_mut().add(seen, &judgement),
                    Entry::Vacant(entry) => {
                        entry.insert(Sighted { seen: Cow::Borrowed(seen), place: sighting.matching.place, judgement });
                    }
                }
            }
        }
        Scene { ledger: judge.ledger, map: judge.map, captures, signs }
    }

    /// What was sighted of the wanted signs, in order.
    pub(super) fn sighted(&self, wanted: impl Fn(Sign) -> bool) -> impl Iterator<Item = &Seen> {
        self.signs.iter().filter(move |((sign, _), _)| wanted(*sign)).map(|(_, sighted)| &*sighted.seen)
    }

    /// The wanted signs, grouped by server and port, in order.
    pub(super) fn groups(&self, wanted: impl Fn(Sign) -> bool) -> Vec<(Sign, Group<'a>)> {
        let mut groups: BTreeMap<(Sign, Address, u8, u16), Group<'a>> = BTreeMap::new();
        for (&(sign, path), sighted) in self.signs.iter().filter(|((sign, _), _)| wanted(*sign)) {
            let Some(transport) = Transport::of_protocol(path.protocol) else { continue };
            let Sighted { seen, place, judgement } = sighted;
            let Judgement { generic, service, rules, .. } = *judgement;
            let Path { protocol, port, server, client } = path;
            let group = Group {
                server,
                transport,
                port,
                clients: BTreeMap::from([(client, Ports::of(seen))]),
                seen: Seen::clone(seen),
                place: *place,
                generic,
                service,
                rules,
            };
            add(&mut groups, (sign, server, protocol, port), group);
        }
        groups.into_iter().map(|((sign, ..), group)| (sign, group)).collect()
    }

    /// The flows that worked on the path from a client to a server's port, as a group.
    pub(super) fn group_of(&self, client: Address, server: Address, port: u16, working: &Working) -> Group<'a> {
        let place = self.map.place(Transport::Tcp, port);
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
            vlans: BTreeSet::new(),
        };
        Group {
            server,
            transport: Transport::Tcp,
            port,
            clients: BTreeMap::from([(client, Ports::of(&seen))]),
            seen,
            place,
            generic: false,
            service: place.and_then(|place| service_of(place, self.map.at(place))),
            rules: place.map_or(&[], |place| &self.map.at(place).rules),
        }
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

    /// What works over TCP from a client to a server's port.
    pub(super) fn works_on(&self, client: Address, server: Address, port: u16) -> Option<&'a Working> {
        self.ledger.paths.working(&Path { protocol: protocol::TCP, port, server, client })
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

impl Sighted<'_> {
    fn add(&mut self, seen: &Seen, judgement: &Judgement<'_>) {
        *self.seen.to_mut() += seen;
        self.judgement.generic &= judgement.generic;
        self.judgement.service = self.judgement.service.min(judgement.service);
    }
}

/// Adds a group to those of its kind.
pub(super) fn add<'a, K: Ord>(groups: &mut BTreeMap<K, Group<'a>>, key: K, group: Group<'a>) {
    match groups.entry(key) {
        Entry::Vacant(entry) => _ = entry.insert(group),
        Entry::Occupied(mut entry) => {
            let known = entry.get_mut();
            known.clients.extend(group.clients);
            known.seen += &group.seen;
            known.generic &= group.generic;
            known.service = known.service.min(group.service);
        }
    }
}

impl Group<'_> {
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
