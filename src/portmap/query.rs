//! What a user asks of the map: the rules of a product, a port, a protocol or a role, or those that mention some words.

use super::rule::{PortRule, Service, ServiceId, ports_text};
use crate::transport::Transport;

/// Which rules to show. What is `None` excludes nothing; every other field must fit. Capital and small letters are equal.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Query {
    /// Part of the name of the product.
    pub product: Option<String>,
    /// A destination port that the rule names, singly or in a range.
    pub port: Option<u16>,
    /// A transport that the rule lists; with `port`, the one over which it names the port.
    pub protocol: Option<Transport>,
    /// Part of the name of a source or a destination.
    pub role: Option<String>,
    /// Words that all stand somewhere in the rule, be it in its id, its roles, its ports, its service or its remarks.
    pub text: Option<String>,
}

impl Query {
    /// Whether a rule fits; `services` are those of its map.
    pub(super) fn fits(&self, rule: &PortRule, services: &[Service]) -> bool {
        let transports = rule.transports.iter().filter(|&&transport| self.protocol.is_none_or(|it| it == transport));
        let mut transports = transports.filter(|&&transport| self.port.is_none_or(|port| rule.names(transport, port)));
        let roles = || rule.sources.iter().chain(&rule.destinations);
        transports.next().is_some()
            && self.product.as_ref().is_none_or(|part| holds(&rule.product, part))
            && self.role.as_ref().is_none_or(|part| roles().any(|role| holds(role, part)))
            && self.text.as_ref().is_none_or(|words| mentions(rule, services, words))
    }
}

fn holds(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

fn mentions(rule: &PortRule, services: &[Service], words: &str) -> bool {
    let service = |service: ServiceId| {
        let service = &services[usize::from(service.0)];
        format!("{} {}", service.name, service.title)
    };
    let transports: Vec<&str> = rule.transports.iter().map(|transport| transport.name()).collect();
    let ports: Vec<String> = rule.ports.iter().map(ports_text).collect();
    let everything = [
        rule.id.clone(),
        rule.product.clone(),
        rule.sources.join("\n"),
        rule.destinations.join("\n"),
        transports.join(" "),
        ports.join(" "),
        service(rule.service),
        rule.udp_service.map(service).unwrap_or_default(),
        rule.detail.clone(),
        rule.note.clone().unwrap_or_default(),
        rule.origin(),
    ]
    .join("\n");
    words.split_whitespace().all(|word| holds(&everything, word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portmap::PortMap;

    fn found<'a>(map: &'a PortMap, query: &Query) -> Vec<&'a str> {
        map.select(query).into_iter().map(|rule| map.rule(rule).id.as_str()).collect()
    }

    #[test]
    fn a_port_finds_the_rules_that_name_it_in_the_order_of_the_map() {
        let map = PortMap::citrix();
        let at = |port, protocol| found(&map, &Query { port: Some(port), protocol, ..Query::default() });
        assert_eq!(at(6910, None), ["pvs.target-device.tftp.logon", "pvs.target-device.server.streaming"]);
        assert_eq!(at(6910, Some(Transport::Tcp)), Vec::<&str>::new());
        assert_eq!(at(1494, Some(Transport::Tcp)).len(), 5);
        assert_eq!(at(1494, Some(Transport::Udp)).len(), 4);
        assert_eq!(at(0, Some(Transport::Icmp)).len(), 4);
        let over = |protocol| found(&map, &Query { protocol: Some(protocol), ..Query::default() }).len();
        // 230 rules are TCP alone, 46 UDP alone, 29 both; two corrections are TCP, one is UDP.
        assert_eq!((over(Transport::Tcp), over(Transport::Udp), over(Transport::Icmp)), (261, 76, 4));
    }

    #[test]
    fn products_roles_and_words_are_found_in_part_and_in_any_case() {
        let map = PortMap::citrix();
        let product = Query { product: Some("sd-wan".into()), ..Query::default() };
        assert_eq!(found(&map, &product).len(), 23);
        let role = |role: &str| found(&map, &Query { role: Some(role.into()), ..Query::default() });
        assert!(role("wol proxy").contains(&"remote-pc.wol-proxy.vda.wake-up-proxy"), "a source");
        assert!(role("PRINT SERVER").contains(&"ups.vda.print-server.cgp"), "a destination");
        assert_eq!(role("mainframe"), Vec::<&str>::new());
        let words = |words: &str| found(&map, &Query { text: Some(words.into()), ..Query::default() });
        assert_eq!(words("Citrix ADC cluster 7000"), ["adc.nsip.cluster-node.heartbeat"]);
        assert_eq!(words("lmadmin admin-workstation"), ["license.admin-workstation.license-server.console"]);
        assert_eq!(words("  ").len(), 312, "no word excludes nothing");
        let both = Query { role: Some("storefront".into()), port: Some(808), ..Query::default() };
        assert_eq!(found(&map, &both), ["storefront.storefront.storefront.subscription-replication"]);
    }
}
