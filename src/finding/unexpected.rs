//! What should not be there: foreign protocols on Citrix ports, Citrix elsewhere, the wrong transport, the internet.

use super::{Check, Confidence, Finding, Scene, Severity, count, names};
use crate::judge::Sign;
use crate::signature::Protocol;
use crate::transport::Transport;

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "unexpected.foreign-protocol",
        raised: "the payload on a Citrix port is that of another protocol",
        source: "the first bytes of the payload, in the packets named",
        look: foreign_protocol,
    },
    Check {
        code: "unexpected.citrix-on-other-port",
        raised: "ICA or CGP is spoken on a port that the map does not give it",
        source: "Citrix policies ICA listener port number and Multi-Port",
        look: citrix_on_other_port,
    },
    Check {
        code: "unexpected.transport",
        raised: "a port that Citrix uses over UDP only answers over TCP, or the reverse",
        source: "the port map, which names the port for the other transport only",
        look: other_transport,
    },
    Check {
        code: "unexpected.internet-exposed",
        raised: "TCP or UDP 1494 or 2598 answers to a public address",
        source: "CTX113250: sessions from outside belong behind a Gateway on 443",
        look: internet_exposed,
    },
];

fn foreign_protocol(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    for (sign, group) in scene.groups(|sign| matches!(sign, Sign::Foreign(_))) {
        let Sign::Foreign(protocol) = sign else { continue };
        let name = display(protocol);
        let mut finding = group.finding(check, scene, Severity::Error, Confidence::High);
        let title = scene.service_title(group.transport, group.port);
        finding.title = format!("{name} is spoken on {} of {}, the port of {title}", group.port_name(), group.server);
        finding.meaning = format!(
            "{} and {} speak {name} there ({}). The Citrix service of that port cannot run beside it, and a firewall rule made \
             for Citrix lets something else through.",
            names(&group.clients),
            group.server,
            count(group.seen.flows, "flow"),
        );
        finding.remedy = format!(
            "Find the program with `netstat -ano | findstr :{}` on {}, and move or remove it. If nobody knows it, treat it as a \
             way around the firewall.",
            group.port, group.server
        );
        found.push(finding);
    }
}

fn citrix_on_other_port(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    for (sign, group) in scene.groups(|sign| matches!(sign, Sign::CitrixElsewhere(_))) {
        let Sign::CitrixElsewhere(protocol) = sign else { continue };
        let name = display(protocol);
        let mut finding = group.finding(check, scene, Severity::Warning, Confidence::High);
        finding.title = format!("{name} is spoken on {} of {}, which is not its port", group.port_name(), group.server);
        finding.meaning = format!(
            "{} reached a Citrix session on a port that the map does not know ({}). A changed listener port or the multi-port \
             policy may be the reason. Firewall rules and monitoring for TCP 1494 and 2598 do not cover it.",
            names(&group.clients),
            count(group.seen.flows, "flow"),
        );
        finding.remedy = format!(
            "Check the listener port and the Multi-Port policy on {}. If the port is wanted, document it and add it to a port map \
             of your own (--port-map); if not, go back to TCP 1494 and 2598.",
            group.server
        );
        found.push(finding);
    }
}

fn other_transport(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    for (_, group) in scene.groups(|sign| sign == Sign::OtherTransport) {
        let (known, name) = match group.transport {
            Transport::Tcp => (Transport::Udp, "UDP"),
            Transport::Udp | Transport::Icmp => (Transport::Tcp, "TCP"),
        };
        let mut finding = group.finding(check, scene, Severity::Warning, Confidence::Medium);
        let rules = scene.rules(known, group.port);
        finding.rules = rules.iter().map(|&rule| scene.map.rule(rule).id.clone()).collect();
        finding.products = scene.products(rules).into_iter().map(String::from).collect();
        let title = scene.service_title(known, group.port);
        finding.title = format!("{} of {} answers, but {title} uses {name} there", group.port_name(), group.server);
        finding.meaning = format!(
            "{} and {} talk over the wrong transport for this port ({}). It is another program, or a firewall rule that was \
             opened for the wrong protocol is being used.",
            names(&group.clients),
            group.server,
            count(group.seen.flows, "flow"),
        );
        finding.remedy = format!(
            "Find out what listens on {} of {}, and check that the firewall rule says {name} {}.",
            group.port_name(),
            group.server,
            group.port
        );
        found.push(finding);
    }
}

fn internet_exposed(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    for (_, group) in scene.groups(|sign| sign == Sign::Exposed) {
        // Two public addresses may as well be one site that uses them inside.
        let both_public = group.server.is_public();
        let (severity, confidence) =
            if both_public { (Severity::Warning, Confidence::Medium) } else { (Severity::Error, Confidence::High) };
        let mut finding = group.finding(check, scene, severity, confidence);
        finding.title = format!("{} of {} answers to the internet", group.port_name(), group.server);
        let inside = if both_public {
            "Server and client both have public addresses; if that is one network of your own, this is no finding. "
        } else {
            ""
        };
        finding.meaning = format!(
            "{inside}{} reached the session port from a public address ({}). Session traffic there is not protected by TLS \
             unless that was set up on the server, and anyone can try to log on.",
            names(&group.clients),
            count(group.seen.flows, "flow"),
        );
        finding.remedy = format!(
            "Close {} to the internet and let users in through Citrix Gateway on TCP and UDP 443.",
            group.port_name()
        );
        found.push(finding);
    }
}

/// A protocol as people write it.
fn display(protocol: Protocol) -> String {
    match protocol.name() {
        "kerberos" => "Kerberos".into(),
        "tds" => "SQL Server (TDS)".into(),
        "pvs" => "PVS".into(),
        name => name.to_uppercase(),
    }
}
