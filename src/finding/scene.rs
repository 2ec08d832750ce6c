//! What checks look at: the scene, and the groups of flows in it that one finding is made of.

use super::{Check, Confidence, Finding, Params, Severity};
use crate::classify::ServiceRef;
use crate::ledger::{Carried, Ledger, Path, Seen, Sighting, Sign};
use crate::packet::{Address, protocol};
use crate::portmap::{PortMap, RuleId};
use crate::source::CaptureNotes;
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet};

/// What a check may look at.
pub struct Scene<'a> {
    /// What was seen, complete and settled.
    pub ledger: &'a Ledger,
    /// The map it was judged by.
    pub map: &'a PortMap,
    /// The captures it was seen in.
    pub captures: &'a [CaptureNotes],
}

/// Flows of one kind towards one server and port: what one finding tells.
pub(super) struct Group {
    pub server: Address,
    pub transport: Transport,
    pub port: u16,
    pub clients: BTreeMap<Address, Ports>,
    pub seen: Seen,
}

/// The ports that a client used, and for how many flows.
#[derive(Clone, Default)]
pub(super) struct Ports {
    ports: BTreeSet<u16>,
    flows: u64,
}

impl Ports {
    pub(super) fn of(seen: &Seen) -> Ports {
        Ports { ports: seen.client_ports.clone(), flows: seen.flows }
    }

    /// Every flow has a port of its own here.
    fn all_known(&self) -> bool {
        self.flows as usize <= self.ports.len()
    }
}

impl Scene<'_> {
    /// Sightings of the wanted signs, grouped by server and port, in order.
    pub(super) fn groups(&self, wanted: impl Fn(Sign) -> bool) -> Vec<(Sign, Group)> {
        let mut groups: BTreeMap<(Sign, Address, u8, u16), Group> = BTreeMap::new();
        for (key, seen) in self.ledger.sightings.iter().filter(|(key, _)| wanted(key.sign)) {
            let Some(transport) = Transport::of_protocol(key.protocol) else { continue };
            let Sighting { sign, client, server, protocol, port } = *key;
            match groups.entry((sign, server, protocol, port)) {
                std::collections::btree_map::Entry::Occupied(mut entry) => {
                    let group = entry.get_mut();
                    group.clients.insert(client, Ports::of(seen));
                    group.seen += seen;
                }
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let clients = BTreeMap::from([(client, Ports::of(seen))]);
                    entry.insert(Group { server, transport, port, clients, seen: seen.clone() });
                }
            }
        }
        groups.into_iter().map(|((sign, ..), group)| (sign, group)).collect()
    }

    /// What worked on the same path as a blocked flow of this client, at whatever time.
    pub(super) fn works(&self, client: Address, group: &Group) -> Option<&Carried> {
        let protocol = match group.transport {
            Transport::Tcp => protocol::TCP,
            Transport::Udp => protocol::UDP,
            Transport::Icmp => return None,
        };
        self.ledger.working.get(&Path { protocol, port: group.port, server: group.server, client })
    }

    /// True where the blocked path worked later on.
    pub(super) fn works_again(&self, client: Address, group: &Group) -> bool {
        self.works(client, group).is_some_and(|carried| carried.last > group.seen.first)
    }

    /// The name of a service for people, and in the report.
    pub(super) fn service(&self, service: Option<ServiceRef>) -> Option<&str> {
        service.map(|service| service.name(self.map))
    }

    /// The rules that name a port.
    pub(super) fn rules(&self, transport: Transport, port: u16) -> &[RuleId] {
        self.map.lookup(transport, port).map_or(&[], |candidates| &candidates.rules)
    }

    /// "CGP (session with session reliability)", or the joined names of several services; none where the map knows none.
    pub(super) fn service_title(&self, transport: Transport, port: u16) -> Option<String> {
        let candidates = self.map.lookup(transport, port)?;
        Some(match candidates.services.as_slice() {
            [one] => self.map.services()[one.0 as usize].title.clone(),
            _ => candidates.service.clone(),
        })
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

impl Group {
    /// A finding about this group; the caller adds its parameters.
    pub(super) fn finding(
        &self,
        check: &Check,
        scene: &Scene<'_>,
        severity: Severity,
        confidence: Confidence,
    ) -> Finding {
        let rules = scene.rules(self.transport, self.port);
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
            service: scene.service(self.seen.service).map(String::from),
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
