//! What should not be there: foreign protocols on Citrix ports, Citrix elsewhere, the wrong transport, the internet.

use super::scene::Scene;
use super::{Check, Confidence, Finding, Params, Severity, Value};
use crate::judge::Sign;
use crate::transport::Transport;

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "unexpected.foreign-protocol",
        raised: "the payload on a Citrix port is that of another protocol",
        source: "the first bytes of the payload, in the packets named",
        params: &["heard", "service_title"],
        look: foreign_protocol,
    },
    Check {
        code: "unexpected.citrix-on-other-port",
        raised: "ICA or CGP is spoken on a port that the map does not give it",
        source: "Citrix policies ICA listener port number and Multi-Port",
        params: &["heard"],
        look: citrix_on_other_port,
    },
    Check {
        code: "unexpected.transport",
        raised: "a port that Citrix uses over UDP only answers over TCP, or the reverse",
        source: "the port map, which names the port for the other transport only",
        params: &["known_transport", "service_title"],
        look: other_transport,
    },
    Check {
        code: "unexpected.internet-exposed",
        raised: "TCP or UDP 1494 or 2598 answers to a public address",
        source: "CTX113250: sessions from outside belong behind a Gateway on 443",
        params: &["server_range"],
        look: internet_exposed,
    },
];

fn foreign_protocol(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    for (sign, group) in scene.groups(|sign| matches!(sign, Sign::Foreign(_))) {
        let Sign::Foreign(protocol) = sign else { continue };
        let mut finding = group.finding(check, scene, Severity::Error, Confidence::High);
        finding.params = Params::from([
            ("heard", Value::Protocol(protocol)),
            ("service_title", Value::Service(scene.service_title(group.place))),
        ]);
        found.push(finding);
    }
}

fn citrix_on_other_port(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    for (sign, group) in scene.groups(|sign| matches!(sign, Sign::CitrixElsewhere(_))) {
        let Sign::CitrixElsewhere(protocol) = sign else { continue };
        let mut finding = group.finding(check, scene, Severity::Warning, Confidence::High);
        finding.params = Params::from([("heard", Value::Protocol(protocol))]);
        found.push(finding);
    }
}

fn other_transport(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    for (_, group) in scene.groups(|sign| sign == Sign::OtherTransport) {
        let known = match group.transport {
            Transport::Tcp => Transport::Udp,
            Transport::Udp | Transport::Icmp => Transport::Tcp,
        };
        // BitTorrent, Steam and others use these numbers as well: where nothing else ties the hosts to Citrix it is worth a remark.
        let tied = scene.is_tied(&group);
        let (severity, confidence) =
            if tied { (Severity::Warning, Confidence::Medium) } else { (Severity::Info, Confidence::Low) };
        let mut finding = group.finding(check, scene, severity, confidence);
        // It rests on what the map says of the other transport.
        let place = scene.map.place(known, group.port);
        let rules = place.map_or(&[][..], |place| &scene.map.at(place).rules);
        finding.rules = rules.iter().map(|&rule| scene.map.rule(rule).id.clone()).collect();
        finding.products = scene.products(rules).into_iter().map(String::from).collect();
        finding.params = Params::from([
            ("known_transport", Value::Transport(known)),
            ("service_title", Value::Service(scene.service_title(place))),
        ]);
        found.push(finding);
    }
}

fn internet_exposed(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    for (_, group) in scene.groups(|sign| sign == Sign::Exposed) {
        // Two public addresses may as well be one site that uses them inside.
        let (severity, confidence, range) = if group.server.is_public() {
            (Severity::Warning, Confidence::Medium, "public")
        } else {
            (Severity::Error, Confidence::High, "private")
        };
        let finding = group.finding(check, scene, severity, confidence);
        found.push(Finding { params: Params::from([("server_range", Value::Word(range))]), ..finding });
    }
}
