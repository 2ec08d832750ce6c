//! What it means: each finding is one `Check` in the table of its theme. A new one is a line there and a function beside it.

mod blocked;
mod fallback;
mod quality;
mod unexpected;

use crate::flow::{Evidence, PacketRef};
use crate::judge::{Judge, Judgement, Sign};
use crate::ledger::{Ledger, Path, Seen, Working};
use crate::matching::ServiceRef;
use crate::packet::{Address, protocol};
use crate::portmap::{PortMap, RuleId};
use crate::source::CaptureNotes;
use crate::time::Timestamp;
use crate::transport::Transport;
use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Good to know; nothing to repair.
    Info,
    /// Something works less well than it should, or may not concern Citrix.
    Warning,
    /// Something that Citrix needs does not work, or should not be there.
    Error,
}

impl Severity {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// How sure it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Confidence {
    /// One sign, or a capture that shows only part.
    Low,
    /// Likely.
    Medium,
    /// Shown by the packets named.
    High,
}

impl Confidence {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }
}

/// Something that a person should know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// `theme.name`; keeps its meaning for ever.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// One line.
    pub title: String,
    /// What it means for the user.
    pub meaning: String,
    /// What to do.
    pub remedy: String,
    /// Where that is documented.
    pub sources: Vec<String>,
    /// Who is concerned. Empty for findings about the capture.
    pub clients: Vec<Address>,
    /// On which servers.
    pub servers: Vec<Address>,
    /// Transport and server's port.
    pub port: Option<(Transport, u16)>,
    /// The service.
    pub service: Option<String>,
    /// Rules of the map that name the port.
    pub rules: Vec<String>,
    /// The products of those rules.
    pub products: Vec<String>,
    /// First packets of the flows, the earliest few.
    pub openers: Vec<PacketRef>,
    /// How many flows.
    pub flow_count: u64,
    /// When the first of them began; none for findings about the capture.
    pub first: Option<Timestamp>,
    /// When the last of them ended.
    pub last: Option<Timestamp>,
    /// Packets that show it, the earliest few.
    pub evidence: Vec<Evidence>,
    /// A display filter that selects these flows.
    pub wireshark_filter: String,
    /// It selects no others.
    pub filter_is_exact: bool,
}

/// What a check may look at.
pub struct Scene<'a> {
    /// Who judges.
    pub judge: Judge<'a, 'a>,
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
    judgement: Judgement<'a>,
}

/// One kind of finding.
pub struct Check {
    /// `theme.name`.
    pub code: &'static str,
    /// One line on when it is raised.
    pub raised: &'static str,
    /// Where the rule behind it is documented.
    pub source: &'static str,
    /// Looks for it.
    pub look: fn(&Check, &Scene<'_>, &mut Vec<Finding>),
}

/// Every check, by theme.
pub const CHECKS: [&[Check]; 4] = [blocked::CHECKS, fallback::CHECKS, unexpected::CHECKS, quality::CHECKS];

/// Everything that the checks find, the worst first.
pub fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for check in CHECKS.into_iter().flatten() {
        (check.look)(check, scene, &mut found);
    }
    found.sort_by(|one, other| {
        let key = |f: &Finding| {
            (std::cmp::Reverse(f.severity), f.code, f.port, f.servers.first().copied(), f.clients.first().copied())
        };
        key(one).cmp(&key(other))
    });
    found
}

/// Flows of one kind towards one server and port: what one finding tells.
pub(super) struct Group<'a> {
    pub server: Address,
    pub transport: Transport,
    pub port: u16,
    pub clients: BTreeMap<Address, Ports>,
    pub seen: Seen,
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
    pub(super) fn of(seen: &Seen) -> Ports {
        Ports { ports: seen.client_ports.clone(), flows: seen.flows }
    }

    /// Every flow has a port of its own here.
    fn all_known(&self) -> bool {
        self.flows as usize <= self.ports.len()
    }
}

impl<'a> Scene<'a> {
    /// Everything that a judge knows, and the captures that it was seen in.
    pub fn new(judge: Judge<'a, 'a>, captures: &'a [CaptureNotes]) -> Scene<'a> {
        let mut signs: BTreeMap<(Sign, Path), Sighted<'a>> = BTreeMap::new();
        for (sighting, seen) in judge.ledger.sightings.iter() {
            for sign in judge.signs(sighting).into_iter().flatten() {
                let judgement = judge.sighting(sighting);
                match signs.entry((sign, sighting.path)) {
                    Entry::Occupied(mut entry) => entry.get_mut().add(seen, &judgement),
                    Entry::Vacant(entry) => _ = entry.insert(Sighted { seen: Cow::Borrowed(seen), judgement }),
                }
            }
        }
        Scene { judge, ledger: judge.ledger, map: judge.map, captures, signs }
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
            let Sighted { seen, judgement } = sighted;
            let Path { protocol, port, server, client } = path;
            match groups.entry((sign, server, protocol, port)) {
                Entry::Occupied(mut entry) => {
                    let group = entry.get_mut();
                    group.clients.insert(client, Ports::of(seen));
                    group.seen += seen;
                    group.generic &= judgement.generic;
                    group.service = group.service.min(judgement.service);
                }
                Entry::Vacant(entry) => {
                    let clients = BTreeMap::from([(client, Ports::of(seen))]);
                    let Judgement { generic, service, rules, .. } = *judgement;
                    let seen = Seen::clone(seen);
                    entry.insert(Group { server, transport, port, clients, seen, generic, service, rules });
                }
            }
        }
        groups.into_iter().map(|((sign, ..), group)| (sign, group)).collect()
    }

    /// What worked on the same path as a blocked flow of this client, at whatever time.
    pub(super) fn works(&self, client: Address, group: &Group<'_>) -> Option<&Working> {
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

    /// The name of a service for people, and in the report.
    pub(super) fn service(&self, service: Option<ServiceRef>) -> Option<&str> {
        service.map(|service| service.name(self.map))
    }

    /// The rules that name a port.
    pub(super) fn rules(&self, transport: Transport, port: u16) -> &[RuleId] {
        self.map.lookup(transport, port).map_or(&[], |candidates| &candidates.rules)
    }

    /// "CGP (session with session reliability)", or the joined names of several services.
    pub(super) fn service_title(&self, transport: Transport, port: u16) -> String {
        let Some(candidates) = self.map.lookup(transport, port) else { return "no known service".into() };
        match candidates.services.as_slice() {
            [one] => self.map.services()[one.0 as usize].title.clone(),
            _ => candidates.service.clone(),
        }
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

impl Group<'_> {
    /// "TCP 2598".
    pub(super) fn port_name(&self) -> String {
        format!("{} {}", self.transport.name().to_uppercase(), self.port)
    }

    /// A finding about this group; the caller adds the words.
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
            title: String::new(),
            meaning: String::new(),
            remedy: String::new(),
            sources: [check.source].into_iter().chain(scene.documents(rules)).map(String::from).collect(),
            products: scene.products(rules).into_iter().map(String::from).collect(),
            clients: self.clients.keys().copied().collect(),
            servers: vec![self.server],
            port: Some((self.transport, self.port)),
            service: scene.service(self.service).map(String::from),
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

/// "10.0.0.1", "10.0.0.1 and 10.0.0.2", "10.0.0.1, 10.0.0.2 and 5 more".
pub(super) fn names(clients: &BTreeMap<Address, Ports>) -> String {
    list(&clients.keys().copied().collect())
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

/// "10.0.0.1", "10.0.0.1 and 10.0.0.2", "10.0.0.1, 10.0.0.2 and 5 more".
pub(super) fn list(addresses: &BTreeSet<Address>) -> String {
    let names: Vec<String> = addresses.iter().take(3).map(Address::to_string).collect();
    match (names.as_slice(), addresses.len()) {
        ([], _) => "nobody".into(),
        ([one], _) => one.clone(),
        ([one, two], _) => format!("{one} and {two}"),
        ([one, two, three], 3) => format!("{one}, {two} and {three}"),
        ([one, two, ..], count) => format!("{one}, {two} and {} more", count - 2),
    }
}

/// "1 flow", "3 flows".
pub fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The name of an IP protocol in the report.
pub fn protocol_name(number: u8) -> &'static str {
    match number {
        protocol::TCP => "tcp",
        protocol::UDP => "udp",
        protocol::ICMP => "icmp",
        protocol::ICMPV6 => "icmpv6",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_have_a_theme() {
        let codes: Vec<&str> = CHECKS.into_iter().flatten().map(|check| check.code).collect();
        let unique: BTreeSet<&str> = codes.iter().copied().collect();
        assert_eq!(codes.len(), unique.len());
        for check in CHECKS.into_iter().flatten() {
            let theme = check.code.split_once('.').map(|(theme, _)| theme);
            assert!(matches!(theme, Some("blocked" | "fallback" | "unexpected" | "quality")), "{}", check.code);
            assert!(!check.raised.is_empty() && !check.source.is_empty(), "{}", check.code);
        }
    }

    #[test]
    fn lists_are_short() {
        let address = |last| Address::v4([10, 0, 0, last]);
        assert_eq!(list(&[1].map(address).into()), "10.0.0.1");
        assert_eq!(list(&[1, 2].map(address).into()), "10.0.0.1 and 10.0.0.2");
        assert_eq!(list(&[1, 2, 3].map(address).into()), "10.0.0.1, 10.0.0.2 and 10.0.0.3");
        assert_eq!(list(&[1, 2, 3, 4].map(address).into()), "10.0.0.1, 10.0.0.2 and 2 more");
    }
}
