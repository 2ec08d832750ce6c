//! The port map: what Citrix says about ports, one `PortRule` a line, and the question the audit asks of it:
//! which rules name this destination port? The map itself is `citrix.toml`; `load.rs` reads it. It knows no flow.

mod load;

use crate::signature::Protocol;
use crate::transport::Transport;
use std::ops::AddAssign;
use std::ops::RangeInclusive;

pub use load::MapError;

/// A rule of one map, by its place in [`PortMap::rules`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleId(pub u16);

/// Some rules of one map.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RuleSet {
    /// A bit for each rule, the lowest first. Invariant: the last word is not 0.
    words: Vec<u64>,
}

impl RuleSet {
    /// Adds rules.
    pub fn extend(&mut self, rules: &[RuleId]) {
        for &RuleId(rule) in rules {
            let (word, bit) = (usize::from(rule / 64), rule % 64);
            if word >= self.words.len() {
                self.words.resize(word + 1, 0);
            }
            self.words[word] |= 1 << bit;
        }
    }

    /// The rules in the order of the map.
    pub fn iter(&self) -> impl Iterator<Item = RuleId> {
        let bits = |(place, word): (usize, &u64)| {
            let word = *word;
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| RuleId(place as u16 * 64 + bit))
        };
        self.words.iter().enumerate().flat_map(bits)
    }
}

impl AddAssign<&RuleSet> for RuleSet {
    fn add_assign(&mut self, other: &RuleSet) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
    }
}

/// A service of one map, by its place in [`PortMap::services`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServiceId(pub u16);

/// Who may open the connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// The source role opens it. The documents do not deny the reverse.
    OneWay,
    /// Either role may open it to that port of the other.
    Both,
}

/// Where a rule stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Layer {
    /// In the documents that the map was made from.
    Document,
    /// Not in the documents: added because another source states it.
    Correction {
        /// What the documents lack.
        why: String,
        /// Who states it instead.
        cited: String,
    },
}

/// One rule of the port map: these roles, over these transports, to these destination ports.
/// Every source goes with every destination, and every transport with every port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortRule {
    /// Unique in the map, for example `cvad.workspace-app.vda.ica`.
    pub id: String,
    /// The product in whose section the rule stands.
    pub product: String,
    /// Roles that open the connection.
    pub sources: Vec<String>,
    /// Roles that are connected to.
    pub destinations: Vec<String>,
    /// In the order TCP, UDP, ICMP; never empty.
    pub transports: Vec<Transport>,
    /// Destination ports in the order of the document. Empty for ICMP and for rules that may use any port.
    pub ports: Vec<RangeInclusive<u16>>,
    /// Who may open the connection.
    pub direction: Direction,
    /// What speaks there; over UDP only if `udp_service` is `None`.
    pub service: ServiceId,
    /// What speaks there over UDP, where that is something else.
    pub udp_service: Option<ServiceId>,
    /// UDP ports of this rule on which the service always answers. Empty: silence proves nothing.
    pub reply: Vec<RangeInclusive<u16>>,
    /// What the traffic is for, in one phrase.
    pub detail: String,
    /// Keys of the documents that state the rule. Empty for a correction.
    pub documents: Vec<String>,
    /// Remarks on the reading of the documents, behind tags such as `[suspect]`.
    pub note: Option<String>,
    /// Documented, or a correction.
    pub layer: Layer,
}

/// A service: what a user reads instead of a port number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// The name in the report, for example `cgp`.
    pub name: String,
    /// The name for people, for example "CGP (session with session reliability)".
    pub title: String,
    /// The protocol whose first bytes prove this service. No other service of the map has it.
    pub proved_by: Option<Protocol>,
    /// The protocols that may be heard on its ports; another one there contradicts the rule. `None`: the service is not
    /// known well enough to be contradicted.
    pub speaks: Option<Vec<Protocol>>,
    /// Its ports are session ports: ICA and CGP are both at home there, nothing but Citrix is, and the internet must not
    /// reach them.
    pub session: bool,
    /// What it means for people when it is blocked, in one or two sentences.
    pub blocked: Option<String>,
    /// What is used while it is blocked.
    pub instead: Option<Instead>,
}

/// What is used while a service is blocked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instead {
    /// Other services of the same map, in order of preference. Never empty.
    pub services: Vec<ServiceId>,
    /// Which kind of fallback that is.
    pub fallback: Fallback,
}

/// A way from a better service to the next one. The names are parts of the codes of findings: `fallback.cgp-to-ica`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Fallback {
    /// From a session with session reliability to one without.
    CgpToIca,
    /// From a session over UDP to one over TCP.
    EdtToTcp,
}

/// A document that the map was made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// The name in the map and in the report, for example `ports-paper-ja`.
    pub key: String,
    /// What the notes of the rules call it, for example `001`.
    pub number: String,
    /// Publisher and title in English, as findings cite it.
    pub title: String,
    /// What the document calls itself, where that is something else.
    pub original: Option<String>,
    /// Language code, for example `ja`.
    pub language: String,
    /// Who published it.
    pub origin: String,
}

/// What the map says about one destination port of one transport.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidates {
    /// Rules that name the port, most specific first: a single number before a range, a narrow range before a wide one,
    /// then in the order of the map. Never empty.
    pub rules: Vec<RuleId>,
    /// How many of `rules`, from the front, are equally and most specific. At least 1.
    pub most_specific: usize,
    /// The services of the most specific rules, each once, in the order of those rules. Never empty.
    pub services: Vec<ServiceId>,
    /// The number proves nothing: unrelated programs use it as well. Always true for ICMP: any host pings.
    pub generic: bool,
    /// Over UDP: the service always answers, so silence means trouble. Always false for TCP, where the handshake tells,
    /// and for ICMP.
    pub reply_due: bool,
    /// A session port: not generic, and one of `services` is a session.
    pub session: bool,
    /// The name of the traffic as long as only the port is known: what a generic port usually carries, where the map says
    /// so; else the names of `services` joined with `/`, at most three.
    pub service: String,
}

/// Ports of one transport of which a map says the same. It is named by the lowest of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    transport: Transport,
    port: u16,
}

impl Place {
    /// The transport.
    pub fn transport(self) -> Transport {
        self.transport
    }

    /// The lowest of the ports; 0 for ICMP.
    pub fn port(self) -> u16 {
        self.port
    }
}

/// The port map. Made from TOML once, then only read.
#[derive(Clone, Debug)]
pub struct PortMap {
    name: String,
    version: String,
    documents: Vec<Document>,
    services: Vec<Service>,
    rules: Vec<PortRule>,
    tcp: PortTable,
    udp: PortTable,
    icmp: Option<Candidates>,
}

impl Direction {
    /// The name in the map and in the report: `one-way` or `both`.
    pub fn name(self) -> &'static str {
        match self {
            Direction::OneWay => "one-way",
            Direction::Both => "both",
        }
    }
}

impl Layer {
    /// The name in the report: `document` or `correction`.
    pub fn name(&self) -> &'static str {
        match self {
            Layer::Document => "document",
            Layer::Correction { .. } => "correction",
        }
    }
}

impl Fallback {
    /// Every fallback, in the order of the type.
    pub const fn all() -> &'static [Fallback] {
        &[Fallback::CgpToIca, Fallback::EdtToTcp]
    }

    /// The name in the map and in the report: `cgp-to-ica` or `edt-to-tcp`.
    pub const fn name(self) -> &'static str {
        match self {
            Fallback::CgpToIca => "cgp-to-ica",
            Fallback::EdtToTcp => "edt-to-tcp",
        }
    }

    /// The fallback of that name.
    pub fn named(name: &str) -> Option<Fallback> {
        Fallback::all().iter().copied().find(|fallback| fallback.name() == name)
    }
}

impl PortRule {
    /// What speaks on the ports of this rule over that transport.
    pub fn service_over(&self, transport: Transport) -> ServiceId {
        match transport {
            Transport::Udp => self.udp_service.unwrap_or(self.service),
            Transport::Tcp | Transport::Icmp => self.service,
        }
    }

    /// Does the rule name this destination port over this transport? Without ports it names none, over ICMP it names 0.
    pub fn names(&self, transport: Transport, port: u16) -> bool {
        self.narrowest(transport, port).is_some()
    }

    /// How many ports the narrowest range of this rule around `port` holds: 1 is a single number.
    fn narrowest(&self, transport: Transport, port: u16) -> Option<usize> {
        if !self.transports.contains(&transport) {
            return None;
        }
        if transport == Transport::Icmp {
            return (port == 0).then_some(1);
        }
        self.ports.iter().filter(|range| range.contains(&port)).map(|range| range.len()).min()
    }

    fn answers_on(&self, port: u16) -> bool {
        self.reply.iter().any(|range| range.contains(&port))
    }
}

impl PortMap {
    /// The embedded map: the 309 rules of five Citrix documents and the corrections to them.
    pub fn citrix() -> PortMap {
        PortMap::parse(include_str!("citrix.toml")).expect("a test reads the embedded map")
    }

    /// Reads a map from TOML, in the form of the embedded one.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line: not TOML, an unknown key, a bad range, a duplicate id, or the name of a
    /// service, document or protocol that does not exist.
    pub fn parse(text: &str) -> Result<PortMap, MapError> {
        load::parse(text)
    }

    fn assemble(parts: Parts) -> PortMap {
        let Parts { name, version, documents, services, rules, generic } = parts;
        let tcp = PortTable::new(Transport::Tcp, &rules, &services, &generic);
        let udp = PortTable::new(Transport::Udp, &rules, &services, &generic);
        let icmp = candidates(Transport::Icmp, 0, &rules, &services, &[]);
        PortMap { name, version, documents, services, rules, tcp, udp, icmp }
    }

    /// The name of the map, `citrix` for the embedded one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of the map.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The documents that the map was made from.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The document of that key.
    pub fn document(&self, key: &str) -> Option<&Document> {
        self.documents.iter().find(|document| document.key == key)
    }

    /// All services.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// A service of this map. An id of another map may panic.
    pub fn service(&self, service: ServiceId) -> &Service {
        &self.services[usize::from(service.0)]
    }

    /// The name of a service of this map. An id of another map may panic.
    pub fn service_name(&self, service: ServiceId) -> &str {
        &self.service(service).name
    }

    /// The service of that name.
    pub fn service_named(&self, name: &str) -> Option<ServiceId> {
        self.services.iter().position(|service| service.name == name).map(|place| ServiceId(small(place)))
    }

    /// The service that this protocol proves, if the map has one.
    pub fn service_proved_by(&self, protocol: Protocol) -> Option<ServiceId> {
        self.services
            .iter()
            .position(|service| service.proved_by == Some(protocol))
            .map(|place| ServiceId(small(place)))
    }

    /// The ports that belong to a service over a transport, rising: those that are not generic and have the service among
    /// their [`Candidates::services`]. Walks over all ports: ask once, not for every flow.
    pub fn specific_ports(&self, service: ServiceId, transport: Transport) -> Vec<u16> {
        let belongs = |found: &Candidates| !found.generic && found.services.contains(&service);
        (0..=u16::MAX).filter(|&port| self.lookup(transport, port).is_some_and(belongs)).collect()
    }

    /// All rules: those of the documents in their order, then the corrections.
    pub fn rules(&self) -> &[PortRule] {
        &self.rules
    }

    /// The ids of all rules, in order.
    pub fn rule_ids(&self) -> impl Iterator<Item = RuleId> + use<> {
        (0..small(self.rules.len())).map(RuleId)
    }

    /// A rule of this map. An id of another map may panic.
    pub fn rule(&self, rule: RuleId) -> &PortRule {
        &self.rules[usize::from(rule.0)]
    }

    /// How many rules stand in the documents; the others are corrections.
    pub fn documented(&self) -> usize {
        self.rules.iter().filter(|rule| rule.layer == Layer::Document).count()
    }

    /// The ports of which the map says the same as of this one; `None` when no rule names it.
    pub fn place(&self, transport: Transport, port: u16) -> Option<Place> {
        let port = match transport {
            Transport::Tcp => self.tcp.first(port),
            Transport::Udp => self.udp.first(port),
            Transport::Icmp => (port == 0 && self.icmp.is_some()).then_some(0),
        };
        port.map(|port| Place { transport, port })
    }

    /// What the map says about the ports of a place of this map. A place of another map may panic.
    pub fn at(&self, place: Place) -> &Candidates {
        self.lookup(place.transport, place.port).expect("a place is made where a rule names the port")
    }

    /// What the map says about a destination port; `None` when no rule names it. Takes the same short time for every port.
    ///
    /// ICMP has no ports: its rules are found at port 0. A rule that may use any port is never found here.
    pub fn lookup(&self, transport: Transport, port: u16) -> Option<&Candidates> {
        match transport {
            Transport::Tcp => self.tcp.at(port),
            Transport::Udp => self.udp.at(port),
            Transport::Icmp => self.icmp.as_ref().filter(|_| port == 0),
        }
    }
}

/// What `load.rs` reads from a file: everything but the tables.
struct Parts {
    name: String,
    version: String,
    documents: Vec<Document>,
    services: Vec<Service>,
    rules: Vec<PortRule>,
    generic: Vec<Generic>,
}

/// Ports that prove nothing, with the service that they usually carry.
struct Generic {
    service: Option<ServiceId>,
    tcp: Vec<RangeInclusive<u16>>,
    udp: Vec<RangeInclusive<u16>>,
}

impl Generic {
    fn over(&self, transport: Transport) -> &[RangeInclusive<u16>] {
        match transport {
            Transport::Tcp => &self.tcp,
            Transport::Udp => &self.udp,
            Transport::Icmp => &[],
        }
    }

    fn holds(&self, transport: Transport, port: u16) -> bool {
        self.over(transport).iter().any(|range| range.contains(&port))
    }
}

/// Every port of one transport, and what the map says about it.
#[derive(Clone, Debug)]
struct PortTable {
    /// For each port the place of its candidates in `entries`, or `NO_RULE`.
    places: Box<[u16]>,
    /// Each different answer once, shared by all ports that have it.
    entries: Vec<Candidates>,
    /// The lowest port of each answer.
    firsts: Vec<u16>,
}

impl PortTable {
    fn new(transport: Transport, rules: &[PortRule], services: &[Service], generic: &[Generic]) -> PortTable {
        let mut table =
            PortTable { places: vec![NO_RULE; PORTS].into_boxed_slice(), entries: Vec::new(), firsts: Vec::new() };
        for stretch in edges(transport, rules, generic).windows(2) {
            let port = u16::try_from(stretch[0]).expect("the last edge, 65536, begins no stretch");
            let Some(found) = candidates(transport, port, rules, services, generic) else { continue };
            let place = table.place_of(found, port);
            table.places[stretch[0]..stretch[1]].fill(place);
        }
        table
    }

    fn place_of(&mut self, found: Candidates, port: u16) -> u16 {
        let place = self.entries.iter().position(|entry| *entry == found).unwrap_or_else(|| {
            self.entries.push(found);
            self.firsts.push(port);
            self.entries.len() - 1
        });
        small(place)
    }

    fn first(&self, port: u16) -> Option<u16> {
        self.firsts.get(usize::from(self.places[usize::from(port)])).copied()
    }

    fn at(&self, port: u16) -> Option<&Candidates> {
        self.entries.get(usize::from(self.places[usize::from(port)]))
    }
}

/// The ports at which the answer can change, rising: the first and the one behind the last of every range.
fn edges(transport: Transport, rules: &[PortRule], generic: &[Generic]) -> Vec<usize> {
    let rules = rules.iter().filter(|rule| rule.transports.contains(&transport));
    let ranges = rules.flat_map(|rule| rule.ports.iter().chain(&rule.reply));
    let ranges = ranges.chain(generic.iter().flat_map(|generic| generic.over(transport)));
    let mut edges: Vec<usize> =
        ranges.flat_map(|range| [usize::from(*range.start()), usize::from(*range.end()) + 1]).collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// The slow way to an answer: walk all rules. The tables are made with it, one port a stretch.
fn candidates(
    transport: Transport,
    port: u16,
    rules: &[PortRule],
    services: &[Service],
    generic: &[Generic],
) -> Option<Candidates> {
    let mut found: Vec<(usize, usize)> = rules
        .iter()
        .enumerate()
        .filter_map(|(place, rule)| rule.narrowest(transport, port).map(|width| (width, place)))
        .collect();
    found.sort_unstable();
    let &(narrowest, _) = found.first()?;
    let most_specific = found.partition_point(|&(width, _)| width == narrowest);
    let leading = || found[..most_specific].iter().map(|&(_, place)| &rules[place]);

    let mut spoken: Vec<ServiceId> = Vec::new();
    for service in leading().map(|rule| rule.service_over(transport)) {
        if !spoken.contains(&service) {
            spoken.push(service);
        }
    }
    let named = generic.iter().find(|generic| generic.holds(transport, port));
    let usual = named.and_then(|generic| generic.service).map(|service| vec![service]);
    let generic = named.is_some() || transport == Transport::Icmp;
    Some(Candidates {
        most_specific,
        generic,
        session: !generic && spoken.iter().any(|service| services[usize::from(service.0)].session),
        reply_due: transport == Transport::Udp && leading().all(|rule| rule.answers_on(port)),
        service: joined(usual.as_ref().unwrap_or(&spoken), services),
        services: spoken,
        rules: found.into_iter().map(|(_, place)| RuleId(small(place))).collect(),
    })
}

fn joined(spoken: &[ServiceId], services: &[Service]) -> String {
    let names: Vec<&str> =
        spoken.iter().take(SERVICES_NAMED).map(|service| services[usize::from(service.0)].name.as_str()).collect();
    names.join("/")
}

/// Places in the lists of a map fit 16 bits: `load.rs` refuses longer lists, and there are fewer answers than ports.
fn small(place: usize) -> u16 {
    u16::try_from(place).expect("a place in a list of a map")
}

/// How many numbers a port can be.
const PORTS: usize = 1 << 16;

/// Stands for a port that no rule names. Never a place: port 0 has no rule, so there are at most 65535 answers.
const NO_RULE: u16 = u16::MAX;

/// How many services a joined name holds at most.
const SERVICES_NAMED: usize = 3;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn documented(map: &PortMap) -> impl Iterator<Item = &PortRule> {
        map.rules().iter().filter(|rule| rule.layer == Layer::Document)
    }

    fn at(map: &PortMap, transport: Transport, port: u16) -> &Candidates {
        map.lookup(transport, port).unwrap_or_else(|| panic!("no rule names {transport} {port}"))
    }

    fn ids<'a>(map: &'a PortMap, rules: &[RuleId]) -> Vec<&'a str> {
        rules.iter().map(|&rule| map.rule(rule).id.as_str()).collect()
    }

    #[test]
    fn a_set_of_rules_gives_back_what_was_added_in_order_and_once() {
        let set = |rules: &[u16]| {
            let mut set = RuleSet::default();
            set.extend(&rules.iter().copied().map(RuleId).collect::<Vec<_>>());
            set
        };
        let mut sum = set(&[308, 64, 0, 64]);
        assert_eq!(sum.iter().collect::<Vec<_>>(), [0, 64, 308].map(RuleId));
        sum += &set(&[63, 308, 700]);
        assert_eq!(sum, set(&[700, 308, 64, 63, 0]), "in whatever order they were added");
        assert_eq!(sum.iter().last(), Some(RuleId(700)));
        assert_eq!(set(&[]).iter().count(), 0);
    }

    /// The counts of the five documents, taken by hand and by a script when they were read.
    #[test]
    fn the_embedded_map_is_complete() {
        let map = PortMap::citrix();
        assert_eq!(map.documented(), 309);
        let with = |transports: &[Transport]| documented(&map).filter(|rule| rule.transports == transports).count();
        assert_eq!(with(&[Transport::Tcp]), 230);
        assert_eq!(with(&[Transport::Udp]), 46);
        assert_eq!(with(&[Transport::Tcp, Transport::Udp]), 29);
        assert_eq!(with(&[Transport::Icmp]), 4);
        assert_eq!(documented(&map).filter(|rule| rule.direction == Direction::Both).count(), 3);
        assert_eq!(documented(&map).filter(|rule| rule.ports.is_empty()).count(), 6);
        let unique: BTreeSet<&str> = map.rules().iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(unique.len(), map.rules().len());
    }

    #[test]
    fn every_product_has_its_number_of_rules() {
        let expected = [
            ("Citrix SDX", 10),
            ("Citrix ADC", 27),
            ("Citrix ADM", 20),
            ("Citrix Cloud Connector Appliance", 5),
            ("Connector Appliance with Active Directory", 10),
            ("Cloud Connector", 5),
            ("Citrix DaaS", 12),
            ("Citrix Gateway Service", 1),
            ("Citrix Gateway", 17),
            ("Citrix Hypervisor", 16),
            ("Citrix License Server", 7),
            ("Citrix SD-WAN (Standard and Enterprise Edition)", 9),
            ("Citrix SD-WAN (SD-WAN Center)", 1),
            ("Citrix SD-WAN (WANOP Edition)", 8),
            ("Citrix SD-WAN (WANOP Edition with SSL acceleration)", 1),
            ("Citrix SD-WAN (Orchestrator on-premises)", 4),
            ("Citrix Virtual Apps and Desktops", 20),
            ("Citrix App Layering", 39),
            ("Federated Authentication Service", 3),
            ("Provisioning Services", 19),
            ("Universal Print Server", 2),
            ("Remote PC Access", 2),
            ("Session Recording", 3),
            ("StoreFront", 9),
            ("Workspace Environment Management", 9),
            ("XenMobile Server / Endpoint Management", 50),
        ];
        let map = PortMap::citrix();
        let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
        for rule in documented(&map) {
            *counted.entry(&rule.product).or_default() += 1;
        }
        assert_eq!(counted, BTreeMap::from(expected));
    }

    #[test]
    fn the_documents_name_138_protocol_and_port_pairs() {
        let map = PortMap::citrix();
        let mut pairs = BTreeSet::new();
        for rule in documented(&map) {
            for (&transport, range) in
                rule.transports.iter().flat_map(|it| rule.ports.iter().map(move |range| (it, range)))
            {
                pairs.insert((transport, *range.start(), *range.end()));
            }
        }
        let single = |over| pairs.iter().filter(|(transport, low, high)| *transport == over && low == high).count();
        assert_eq!((pairs.len(), single(Transport::Tcp), single(Transport::Udp)), (138, 87, 45));
    }

    #[test]
    fn every_document_is_cited_as_often_as_it_was_read() {
        let map = PortMap::citrix();
        let cited = |key: &str| documented(&map).filter(|rule| rule.documents.iter().any(|it| it == key)).count();
        let counted: Vec<(&str, usize)> =
            map.documents().iter().map(|document| (document.number.as_str(), cited(&document.key))).collect();
        assert_eq!(counted, [("000", 2), ("001", 220), ("002", 220), ("003", 50), ("004", 39)]);
        assert!(documented(&map).all(|rule| !rule.documents.is_empty()));
    }

    #[test]
    fn corrections_stand_apart() {
        let map = PortMap::citrix();
        let corrections: Vec<&PortRule> = map.rules().iter().skip(map.documented()).collect();
        assert_eq!(
            corrections.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>(),
            ["fix.cvad.workspace-app.vda.websocket", "fix.pvs.target-device.pxe.proxy-dhcp"]
        );
        assert!(corrections.iter().all(|rule| matches!(rule.layer, Layer::Correction { .. })));
        assert!(documented(&map).all(|rule| !rule.id.starts_with("fix.")));
        assert_eq!(ids(&map, &at(&map, Transport::Tcp, 8008).rules), ["fix.cvad.workspace-app.vda.websocket"]);
        assert_eq!(ids(&map, &at(&map, Transport::Udp, 4011).rules), ["fix.pvs.target-device.pxe.proxy-dhcp"]);
    }

    #[test]
    fn every_service_speaks_in_a_rule() {
        let map = PortMap::citrix();
        let spoken: BTreeSet<ServiceId> =
            map.rules().iter().flat_map(|rule| rule.transports.iter().map(|&over| rule.service_over(over))).collect();
        for (place, service) in map.services().iter().enumerate() {
            assert!(spoken.contains(&ServiceId(small(place))), "no rule has the service {}", service.name);
            let kebab = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(service.name.bytes().all(kebab), "{}", service.name);
        }
        let titles: BTreeSet<&str> = map.services().iter().map(|service| service.title.as_str()).collect();
        assert_eq!(titles.len(), map.services().len());
    }

    /// Exactly these ports belong to a session: who opens them to the internet is told so.
    #[test]
    fn the_ports_of_a_session_belong_to_its_services_alone() {
        let map = PortMap::citrix();
        let named = |name| map.service_named(name).expect("a service of the map");
        let expected: [(&str, &[u16], &[u16]); 3] =
            [("ica", &[1494], &[]), ("cgp", &[2598], &[]), ("edt", &[], &[1494, 2598])];
        for (name, tcp, udp) in expected {
            assert_eq!(map.specific_ports(named(name), Transport::Tcp), tcp, "{name}");
            assert_eq!(map.specific_ports(named(name), Transport::Udp), udp, "{name}");
        }
        assert_eq!(map.specific_ports(named("ping"), Transport::Icmp), [0u16; 0], "any host pings");
        for transport in [Transport::Tcp, Transport::Udp, Transport::Icmp] {
            for port in 0..=u16::MAX {
                let told = map.lookup(transport, port).is_some_and(|candidates| candidates.session);
                let expected = transport != Transport::Icmp && [1494, 2598].contains(&port);
                assert_eq!(told, expected, "{transport} {port}");
            }
        }
    }

    /// UDP 443 carries EDT through a Gateway, and much else.
    #[test]
    fn a_generic_port_is_no_session_port() {
        let map = PortMap::citrix();
        let edt = map.service_named("edt").expect("a service of the map");
        let gateway = at(&map, Transport::Udp, 443);
        assert!(gateway.services.contains(&edt) && map.service(edt).session);
        assert!(gateway.generic && !gateway.session);
    }

    #[test]
    fn a_protocol_proves_its_service() {
        let map = PortMap::citrix();
        for protocol in Protocol::all() {
            let expected = match protocol {
                Protocol::Ica | Protocol::Cgp | Protocol::Edt => map.service_named(protocol.name()),
                _ => None,
            };
            assert_eq!(map.service_proved_by(*protocol), expected, "{protocol}");
        }
        assert!(map.service_proved_by(Protocol::Cgp).is_some());
    }

    /// A port of several services is contradicted by nothing, so a service that can be contradicted has ports of its own.
    #[test]
    fn what_can_be_contradicted_or_replaced_has_ports_of_its_own() {
        let map = PortMap::citrix();
        for (place, service) in map.services().iter().enumerate() {
            let id = ServiceId(small(place));
            let ports = |transport| {
                let of = map.specific_ports(id, transport);
                of.into_iter().any(|port| at(&map, transport, port).services == [id])
            };
            let own = ports(Transport::Tcp) || ports(Transport::Udp);
            let known = service.speaks.is_some() || service.proved_by.is_some() || service.instead.is_some();
            assert!(own || !known, "{}", service.name);
        }
    }

    #[test]
    fn a_fallback_is_found_by_its_name() {
        for &fallback in Fallback::all() {
            assert_eq!(Fallback::named(fallback.name()), Some(fallback));
        }
        assert_eq!(Fallback::named("ica-to-cgp"), None);
    }

    #[test]
    fn ports_of_a_session_have_the_names_that_people_know() {
        let map = PortMap::citrix();
        let expected = [
            (Transport::Tcp, 1494, "ica"),
            (Transport::Tcp, 2598, "cgp"),
            (Transport::Udp, 1494, "edt"),
            (Transport::Udp, 2598, "edt"),
            (Transport::Udp, 16_500, "audio"),
            (Transport::Udp, 16_509, "audio"),
            (Transport::Tcp, 27_000, "licensing"),
            (Transport::Tcp, 7279, "licensing"),
            (Transport::Udp, 6910, "pvs-login"),
            (Transport::Udp, 6911, "pvs-stream"),
            (Transport::Udp, 6930, "pvs-stream"),
            (Transport::Udp, 6890, "pvs-interserver"),
            (Transport::Udp, 6901, "pvs-target"),
            (Transport::Tcp, 54_322, "pvs-soap"),
            (Transport::Tcp, 443, "https"),
            (Transport::Tcp, 80, "http"),
            (Transport::Tcp, 22, "ssh"),
            (Transport::Udp, 53, "dns"),
            (Transport::Tcp, 3009, "adc-mep/app-layering-connector"),
            (Transport::Udp, 443, "edt/storefront"),
            (Transport::Icmp, 0, "ping"),
        ];
        for (transport, port, service) in expected {
            assert_eq!(at(&map, transport, port).service, service, "{transport} {port}");
        }
    }

    #[test]
    fn specific_rules_come_first() {
        let map = PortMap::citrix();
        let login = at(&map, Transport::Udp, 6910);
        assert_eq!(ids(&map, &login.rules), ["pvs.target-device.tftp.logon", "pvs.target-device.server.streaming"]);
        assert_eq!(login.most_specific, 1);
        let fixed = at(&map, Transport::Udp, 6905);
        assert_eq!(
            ids(&map, &fixed.rules),
            ["pvs.server.target-device.fixed", "pvs.target-device.server.fixed", "pvs.server.server.interserver"]
        );
        assert_eq!(fixed.most_specific, 2);
        let soap = at(&map, Transport::Tcp, 54_321);
        assert_eq!(
            ids(&map, &soap.rules[..2]),
            ["pvs.target-device.server.soap", "pvs.admin-workstation.server.soap"],
            "three ports are narrower than the dynamic range"
        );
        assert_eq!((soap.most_specific, soap.rules.len(), soap.generic), (2, 4, false));
    }

    #[test]
    fn generic_ports_prove_nothing_and_specific_ones_do() {
        let map = PortMap::citrix();
        let generic = |transport, port| at(&map, transport, port).generic;
        for port in [21, 22, 25, 53, 80, 88, 123, 135, 139, 389, 443, 445, 636, 808, 1433, 3389, 5900, 8000, 8008, 8080]
        {
            assert!(generic(Transport::Tcp, port), "tcp {port}");
        }
        for port in [8082, 8083, 8100, 8443, 8787, 9001, 9080, 9440, 9443, 4001, 623, 49_152, 49_753, 54_320, 65_535] {
            assert!(generic(Transport::Tcp, port), "tcp {port}");
        }
        for port in
            [9, 53, 67, 69, 80, 123, 161, 162, 443, 514, 1812, 2055, 3003, 4011, 4739, 5005, 7000, 49_152, 65_535]
        {
            assert!(generic(Transport::Udp, port), "udp {port}");
        }
        for port in [1494, 2598, 27_000, 7279, 49_752, 54_321, 54_322, 54_323, 3010, 3011, 8286, 5563] {
            assert!(!generic(Transport::Tcp, port), "tcp {port}");
        }
        for port in [1494, 2598, 6890, 6901, 6910, 6911, 6930, 16_500, 16_509, 4980, 7229, 2071] {
            assert!(!generic(Transport::Udp, port), "udp {port}");
        }
        assert!(generic(Transport::Icmp, 0));
    }

    #[test]
    fn silence_means_trouble_only_where_an_answer_always_comes() {
        let map = PortMap::citrix();
        let single = [53, 69, 88, 123, 389, 443, 464, 1494, 1645, 1812, 1813, 2071, 2598, 6969];
        let due: BTreeSet<u16> = single.into_iter().chain(6910..=6930).collect();
        for port in 0..=u16::MAX {
            let told = map.lookup(Transport::Udp, port).is_some_and(|candidates| candidates.reply_due);
            assert_eq!(told, due.contains(&port), "udp {port}");
            assert!(!map.lookup(Transport::Tcp, port).is_some_and(|candidates| candidates.reply_due), "tcp {port}");
        }
    }

    #[test]
    fn rules_that_share_a_port_agree_whether_an_answer_comes() {
        let map = PortMap::citrix();
        for port in 1..=u16::MAX {
            let Some(candidates) = map.lookup(Transport::Udp, port) else { continue };
            for &rule in &candidates.rules[..candidates.most_specific] {
                assert_eq!(map.rule(rule).answers_on(port), candidates.reply_due, "{} on {port}", map.rule(rule).id);
            }
        }
    }

    #[test]
    fn the_tables_say_what_a_slow_walk_over_all_rules_says() {
        let map = PortMap::citrix();
        for transport in [Transport::Tcp, Transport::Udp] {
            // Port by port, every rule that names it, with the width of the range.
            let mut walked: Vec<Vec<(usize, RuleId)>> = vec![Vec::new(); PORTS];
            for id in map.rule_ids().filter(|&id| map.rule(id).transports.contains(&transport)) {
                for range in &map.rule(id).ports {
                    range.clone().for_each(|port| walked[usize::from(port)].push((range.len(), id)));
                }
            }
            for (port, mut rules) in (0..=u16::MAX).zip(walked) {
                rules.sort_unstable();
                let expected: Vec<RuleId> = rules.iter().map(|&(_, id)| id).collect();
                let Some(found) = map.lookup(transport, port) else {
                    assert!(expected.is_empty(), "{transport} {port}");
                    continue;
                };
                assert_eq!(found.rules, expected, "{transport} {port}");
                let narrowest = rules.iter().filter(|(width, _)| *width == rules[0].0).count();
                assert_eq!(found.most_specific, narrowest, "{transport} {port}");
                let services: Vec<ServiceId> =
                    expected[..narrowest].iter().map(|&id| map.rule(id).service_over(transport)).collect();
                assert!(services.iter().all(|service| found.services.contains(service)), "{transport} {port}");
                assert!(found.services.iter().all(|service| services.contains(service)), "{transport} {port}");
            }
        }
        assert_eq!(at(&map, Transport::Icmp, 0).rules.len(), 4);
        assert!((1..=u16::MAX).all(|port| map.lookup(Transport::Icmp, port).is_none()));
    }

    #[test]
    fn ports_with_the_same_answer_share_it() {
        let map = PortMap::citrix();
        assert!(std::ptr::eq(at(&map, Transport::Udp, 6911), at(&map, Transport::Udp, 6930)));
        assert!(std::ptr::eq(at(&map, Transport::Tcp, 49_152), at(&map, Transport::Tcp, 65_535)));
    }

    #[test]
    fn rules_without_a_port_are_listed_and_never_found() {
        let map = PortMap::citrix();
        for id in ["sdwan-wanop.wanop.wanop.transparent", "storefront.storefront.storefront.peer"] {
            let rule = map.rule_ids().find(|&rule| map.rule(rule).id == id).expect("the documents state it");
            let found = |port| map.lookup(Transport::Tcp, port).is_some_and(|it| it.rules.contains(&rule));
            assert!(!(0..=u16::MAX).any(found), "{id}");
        }
    }

    #[test]
    fn the_last_port_and_the_first_are_ports_too() {
        let map = PortMap::parse(
            r#"
            name = "edges"
            version = "1"
            [[service]]
            name = "a"
            title = "A"
            [[rule]]
            id = "all"
            product = "P"
            source = ["S"]
            destination = ["D"]
            protocol = ["udp"]
            ports = ["1-65535"]
            direction = "both"
            service = "a"
            reply = [65535]
            detail = "every port"
            "#,
        )
        .expect("a map");
        assert!(map.lookup(Transport::Udp, 0).is_none());
        assert!(!at(&map, Transport::Udp, 1).reply_due);
        assert!(!at(&map, Transport::Udp, 65_534).reply_due);
        assert!(at(&map, Transport::Udp, 65_535).reply_due);
        assert!(map.lookup(Transport::Tcp, 1).is_none());
        assert!(map.lookup(Transport::Icmp, 0).is_none());
        assert!(map.rule(RuleId(0)).names(Transport::Udp, 65_535));
        assert!(!map.rule(RuleId(0)).names(Transport::Tcp, 65_535));
    }
}
