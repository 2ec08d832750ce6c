//! What the map says about one port: the slow way over all rules, and the tables that are made with it once.

use super::rule::{PortRule, RuleId, Service, ServiceId, small};
use crate::transport::Transport;
use std::ops::RangeInclusive;

/// What the map says about one destination port of one transport.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidates {
    /// Rules that name the port, most specific first: a single number before a range, a narrow range before a wide one,
    /// then in the order of the map. Never empty.
    pub rules: Vec<RuleId>,
    /// The number of `rules`, from the front, that are equally and most specific. At least 1.
    pub most_specific: usize,
    /// The services of the most specific rules, each once, in the order of those rules. Never empty.
    pub services: Vec<ServiceId>,
    /// The number proves nothing: unrelated programs use it as well. Always true for ICMP: any host pings.
    pub generic: bool,
    /// Over UDP: the service always answers, so silence means trouble. Always false for TCP, where the handshake shows it,
    /// and for ICMP.
    pub reply_due: bool,
    /// A session port: not generic, and one of `services` is a session.
    pub session: bool,
    /// Not generic, and something is used in place of every one of `services` that is blocked.
    pub replaced: bool,
    /// Over UDP, and not generic: each datagram to one of these ports asks for an answer.
    pub requests: bool,
    /// The name of the traffic as long as only the port is known: what a generic port usually carries, where the map says
    /// so; else the names of `services` joined with `/`, at most three.
    pub service: String,
}

/// Ports of one transport of which a map says the same. It is named by the lowest of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    pub(super) transport: Transport,
    pub(super) port: u16,
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

/// Ports that prove nothing, with the service that they usually carry.
pub(super) struct Generic {
    /// What they usually carry.
    pub service: Option<ServiceId>,
    /// Over TCP.
    pub tcp: Vec<RangeInclusive<u16>>,
    /// Over UDP.
    pub udp: Vec<RangeInclusive<u16>>,
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
pub(super) struct PortTable {
    /// For each port the place of its candidates in `entries`, or `NO_RULE`.
    places: Box<[u16]>,
    /// Each different answer once, shared by all ports that have it.
    entries: Vec<Candidates>,
    /// The lowest port of each answer.
    firsts: Vec<u16>,
}

impl PortTable {
    pub fn new(transport: Transport, rules: &[PortRule], services: &[Service], generic: &[Generic]) -> PortTable {
        let places = vec![NO_RULE; PORTS].into_boxed_slice();
        let mut table = PortTable { places, entries: Vec::new(), firsts: Vec::new() };
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

    /// The lowest port about which the map says the same as about this one.
    pub fn first(&self, port: u16) -> Option<u16> {
        self.firsts.get(usize::from(self.places[usize::from(port)])).copied()
    }

    /// What the map says about a port.
    pub fn at(&self, port: u16) -> Option<&Candidates> {
        self.entries.get(usize::from(self.places[usize::from(port)]))
    }
}

/// The ports at which the answer can change, rising: the first of every range and the one after its last.
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
pub(super) fn candidates(
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
        replaced: !generic && spoken.iter().all(|service| services[usize::from(service.0)].instead.is_some()),
        session: !generic && spoken.iter().any(|service| services[usize::from(service.0)].session),
        requests: transport == Transport::Udp
            && !generic
            && spoken.iter().all(|service| services[usize::from(service.0)].requests),
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

/// Number of values that a port can have.
const PORTS: usize = 1 << 16;

/// Stands for a port that no rule names. Never a place: port 0 has no rule, so there are at most 65535 answers.
const NO_RULE: u16 = u16::MAX;

/// Maximum number of services in a joined name.
const SERVICES_NAMED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portmap::PortMap;
    use std::collections::BTreeSet;

    fn at(map: &PortMap, transport: Transport, port: u16) -> &Candidates {
        map.lookup(transport, port).unwrap_or_else(|| panic!("no rule names {transport} {port}"))
    }

    fn ids<'a>(map: &'a PortMap, rules: &[RuleId]) -> Vec<&'a str> {
        rules.iter().map(|&rule| map.rule(rule).id.as_str()).collect()
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
    fn silence_means_trouble_only_where_an_answer_always_comes() {
        let map = PortMap::citrix();
        let single = [53, 69, 88, 123, 389, 443, 464, 1494, 1645, 1812, 1813, 2071, 2598, 4011, 6969];
        let due: BTreeSet<u16> = single.into_iter().chain(6910..=6930).collect();
        for port in 0..=u16::MAX {
            let found = map.lookup(Transport::Udp, port).is_some_and(|candidates| candidates.reply_due);
            assert_eq!(found, due.contains(&port), "udp {port}");
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
