//! The port map: what Citrix says about ports and services, and the questions that are asked of it: which rules name this
//! destination port, what is known about this service, which rules fit these words? It knows no flow.
//!
//! The map itself is `citrix.toml`; `blocks.rs` reads its form, `load.rs` its meaning into the types of `rule.rs`. `lookup.rs`
//! answers for a port, `query.rs` for a user, whose words `terms.rs` reads.

mod blocks;
mod load;
mod lookup;
mod query;
mod rule;
mod story;
mod terms;

pub use load::{MapError, MapFault};
pub use lookup::{Candidates, Place};
pub use query::{Found, Listed, Listing, Query, Understood};
pub use rule::{
    Direction, Document, Exposed, Fallback, Instead, Layer, Plain, PortRule, RuleId, RuleSet, Service, ServiceId,
    ports_text,
};

pub use story::{Family, Opener, Phase, Refusal, Story};

use crate::signature::Protocol;
use crate::transport::Transport;
use load::Parts;
use lookup::PortTable;
use rule::small;
use std::collections::BTreeSet;
use terms::Synonym;

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
    synonyms: Vec<Synonym>,
    stories: Vec<Story>,
}

impl PortMap {
    /// The embedded map: the 309 rules of five Citrix documents and the corrections to them.
    pub fn citrix() -> PortMap {
        PortMap::parse(include_str!("citrix.toml")).expect("a test reads the embedded map")
    }

    /// Reads a map from TOML, in the form of the embedded one.
    ///
    /// # Errors
    /// Everything that is wrong, each with its line: not TOML, an unknown key, a bad range, a duplicate id, or the name of a
    /// service, document or protocol that does not exist. Where it is not TOML, what may only follow from that is left out.
    pub fn parse(text: &str) -> Result<PortMap, MapError> {
        let Parts { name, version, documents, services, rules, generic, synonyms, stories } = load::parse(text)?;
        let tcp = PortTable::new(Transport::Tcp, &rules, &services, &generic);
        let udp = PortTable::new(Transport::Udp, &rules, &services, &generic);
        let icmp = lookup::candidates(Transport::Icmp, 0, &rules, &services, &[]);
        Ok(PortMap { name, version, documents, services, rules, tcp, udp, icmp, synonyms, stories })
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

    /// What hosts go through until services work for them.
    pub fn stories(&self) -> &[Story] {
        &self.stories
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

    /// A service in few words: "session reliability".
    pub fn service_short(&self, service: ServiceId) -> &str {
        let Service { title, short, .. } = self.service(service);
        short.as_deref().unwrap_or_else(|| title.split_once(" (").map_or(title.as_str(), |(start, _)| start))
    }

    /// The service of that name.
    pub fn service_named(&self, name: &str) -> Option<ServiceId> {
        self.services.iter().position(|service| service.name == name).map(|place| ServiceId(small(place)))
    }

    /// Whether it says of any service what it speaks, what proves it, or what takes its place. Without, nothing can be found that
    /// rests on that.
    pub fn knows_its_services(&self) -> bool {
        let is_known = |service: &Service| {
            service.proved_by.is_some() || service.speaks.is_some() || service.session || service.instead.is_some()
        };
        self.services.iter().any(is_known)
    }

    /// The service that this protocol proves, if the map has one.
    pub fn service_proved_by(&self, protocol: Protocol) -> Option<ServiceId> {
        self.services
            .iter()
            .position(|service| service.proved_by == Some(protocol))
            .map(|place| ServiceId(small(place)))
    }

    /// The ports that belong to a service over a transport, rising: those that are not generic and have the service among
    /// their [`Candidates::services`]. Walks over all rules: ask once, not for every flow.
    pub fn specific_ports(&self, service: ServiceId, transport: Transport) -> Vec<u16> {
        let speaks = |rule: &&PortRule| rule.transports.contains(&transport) && rule.service_over(transport) == service;
        let named: BTreeSet<u16> =
            self.rules.iter().filter(speaks).flat_map(|rule| rule.ports.iter().cloned().flatten()).collect();
        let belongs = |found: &Candidates| !found.generic && found.services.contains(&service);
        named.into_iter().filter(|&port| self.lookup(transport, port).is_some_and(belongs)).collect()
    }

    /// The session ports over a transport. Walks over all rules, as [`PortMap::specific_ports`] does.
    pub fn session_ports(&self, transport: Transport) -> Vec<u16> {
        let services = (0..).map(ServiceId).zip(&self.services).filter(|(_, service)| service.session);
        services.flat_map(|(id, _)| self.specific_ports(id, transport)).collect()
    }

    /// The ports over a transport where a session may run, those included that many programs use. Walks over all rules, as
    /// [`PortMap::specific_ports`] does.
    pub fn ports_of_sessions(&self, transport: Transport) -> Vec<u16> {
        let may_be_a_session = |service: ServiceId| {
            let Service { session, instead, .. } = self.service(service);
            *session || instead.as_ref().is_some_and(|instead| instead.fallback == Fallback::Rendezvous)
        };
        let speaks =
            |rule: &&PortRule| rule.transports.contains(&transport) && may_be_a_session(rule.service_over(transport));
        let ports = self.rules.iter().filter(speaks).flat_map(|rule| rule.ports.iter().cloned().flatten());
        Vec::from_iter(ports.collect::<BTreeSet<u16>>())
    }

    /// The first service that exposes this where it is not encrypted.
    pub fn service_exposed(&self, exposed: Exposed) -> Option<ServiceId> {
        let exposes = |service: &Service| service.plain.as_ref().is_some_and(|plain| plain.exposed == exposed);
        self.services.iter().position(exposes).map(|place| ServiceId(small(place)))
    }

    /// The service that a request for this path concerns, whatever its port. The path is in lower case.
    pub fn service_asked_by(&self, path: &str) -> Option<ServiceId> {
        let begins = |(id, service): (ServiceId, &Service)| {
            let fitting = service.asked_by.iter().filter(|begin| path.starts_with(begin.as_str()));
            Some((fitting.map(String::len).max()?, id))
        };
        let ids = (0..small(self.services.len())).map(ServiceId);
        ids.zip(&self.services).filter_map(begins).max_by_key(|(length, _)| *length).map(|(_, id)| id)
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

    /// Number of rules that stand in the documents; the others are corrections.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
            map.documents().iter().map(|document| (document.key.as_str(), cited(&document.key))).collect();
        let expected = [
            ("support-blog", 2),
            ("ports-paper-ja", 220),
            ("ports-paper-fr", 220),
            ("xenmobile-ports", 50),
            ("app-layering-ports", 39),
        ];
        assert_eq!(counted, expected);
        assert!(documented(&map).all(|rule| !rule.documents.is_empty()));
    }

    /// A reader of a note sees which document it speaks of.
    #[test]
    fn notes_name_a_document_by_its_title() {
        let map = PortMap::citrix();
        let mut named = BTreeSet::new();
        for rule in map.rules() {
            for text in [Some(&rule.detail), rule.note.as_ref()].into_iter().flatten() {
                let titles: Vec<&str> =
                    text.split("document \"").skip(1).filter_map(|it| it.split('"').next()).collect();
                for title in &titles {
                    let is_known = map.documents().iter().any(|document| document.title.contains(title));
                    assert!(is_known, "{}: no document is called {title}", rule.id);
                }
                let versions = ["both versions", "Japanese version", "French version"];
                if versions.iter().any(|version| text.contains(version)) {
                    assert!(titles.contains(&"Communication ports"), "{}: versions of what?", rule.id);
                }
                assert!(!text.to_lowercase().contains("seed"), "{}", rule.id);
                named.extend(titles.into_iter().map(String::from));
            }
        }
        assert_eq!(named.len(), 4, "five documents, two of them with one title: {named:?}");
    }

    #[test]
    fn corrections_stand_apart() {
        let map = PortMap::citrix();
        let corrections: Vec<&PortRule> = map.rules().iter().skip(map.documented()).collect();
        assert_eq!(
            corrections.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>(),
            [
                "fix.cvad.workspace-app.vda.websocket",
                "fix.pvs.target-device.pxe.proxy-dhcp",
                "fix.ups.vda.print-server.cgp-tcp",
                "fix.session-recording.agent.server.queue"
            ]
        );
        assert!(corrections.iter().all(|rule| matches!(rule.layer, Layer::Correction { .. })));
        assert!(documented(&map).all(|rule| !rule.id.starts_with("fix.")));
        assert_eq!(ids(&map, &at(&map, Transport::Tcp, 8008).rules), ["fix.cvad.workspace-app.vda.websocket"]);
        assert_eq!(ids(&map, &at(&map, Transport::Udp, 4011).rules), ["fix.pvs.target-device.pxe.proxy-dhcp"]);
        assert_eq!(ids(&map, &at(&map, Transport::Tcp, 1801).rules), ["fix.session-recording.agent.server.queue"]);
        assert_eq!(ids(&map, &at(&map, Transport::Tcp, 7229).rules), ["fix.ups.vda.print-server.cgp-tcp"]);
        assert_eq!(ids(&map, &at(&map, Transport::Udp, 7229).rules), ["ups.vda.print-server.cgp"], "as documented");
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

    /// Exactly these ports belong to a session, so exactly these must not be open to the internet.
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
                let found = map.lookup(transport, port).is_some_and(|candidates| candidates.session);
                let expected = transport != Transport::Icmp && [1494, 2598].contains(&port);
                assert_eq!(found, expected, "{transport} {port}");
            }
        }
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

    /// A port of several services is contradicted by nothing, so a service that can be contradicted has ports of its own. Where a
    /// VDA reaches the cloud gateway everybody reaches everything: there the name of the server tells.
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
            let replaced = service.instead.as_ref().is_some_and(|instead| instead.fallback != Fallback::Rendezvous);
            let known = service.speaks.is_some() || service.proved_by.is_some() || replaced;
            assert!(own || !known, "{}", service.name);
        }
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
}
