//! What makes a finding the same finding in the next run: its code, its port and its server, and never its numbers. More evidence
//! and more clients leave the id as it is.

use super::{Confidence, Finding, Value};
use crate::packet::Address;
use crate::transport::Transport;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Gives each finding its id, and those that rest on others the ids of these. Findings come in their final order.
pub(super) fn name(findings: &mut [Finding]) {
    let mut known: BTreeMap<String, u32> = BTreeMap::new();
    for finding in findings.iter_mut() {
        let mut id = id(finding);
        let twins = known.entry(id.clone()).or_default();
        *twins += 1;
        // No check raises two findings that nothing but their clients distinguish; if one does they are numbered.
        if *twins > 1 {
            let _ = write!(id, "~{twins}");
        }
        finding.id = id;
    }
    let rests_on: Vec<Vec<String>> = findings.iter().map(|finding| rests_on(finding, findings)).collect();
    let sure: BTreeMap<String, Confidence> =
        findings.iter().map(|finding| (finding.id.clone(), finding.confidence)).collect();
    for (finding, ids) in findings.iter_mut().zip(rests_on) {
        // Nothing is surer than what it rests on.
        let ground = ids.iter().filter_map(|id| sure.get(id)).max();
        finding.confidence = ground.map_or(finding.confidence, |&ground| ground.min(finding.confidence));
        finding.rests_on = ids;
    }
}

/// `f-blocked.silent-tcp-2598-10.0.0.22`: code, port, what else tells findings of one code and port apart, and the server. What has no
/// single server, or no port, is known by its single client as well: a scan by who scans. Launches are told by the server alone.
fn id(finding: &Finding) -> String {
    let mut id = format!("f-{}", finding.code);
    let mut add = |part: &dyn std::fmt::Display| _ = write!(id, "-{part}");

    // Whoever goes through it, and at whichever servers, a story stops in one place.
    if let (Some(Value::Named(story)), Some(Value::Named(phase))) =
        (finding.params.get("story"), finding.params.get("phase"))
    {
        add(&format_args!("{}-{}", story.name, phase.name));
        match (finding.params.get("word"), finding.params.get("how")) {
            (Some(Value::Text(word)), _) if word != "none" => add(word),
            (_, Some(Value::Word(how))) => add(how),
            _ => {}
        }
        return id;
    }
    if finding.code.starts_with("encryption.") {
        // About all servers of a service, however many.
        finding.service.iter().for_each(|service| add(service));
        return id;
    }
    if let Some((transport, port)) = finding.port {
        add(&format_args!("{}-{port}", transport.name()));
    }
    if let Some(Value::Protocol(heard)) = finding.params.get("heard") {
        add(&heard.name());
    }
    if let ("path.mtu" | "path.loss", Some(Value::Word(sender))) = (finding.code, finding.params.get("sender")) {
        add(sender);
    }
    if let Some((transport, port)) = blocked_place(finding) {
        add(&format_args!("for-{}-{port}", transport.name()));
    }
    if let (Some(Value::Word(by)), Some(Value::Number(alert)), "tls.alert") =
        (finding.params.get("by"), finding.params.get("number"), finding.code)
    {
        add(&format_args!("{alert}-{by}"));
    }
    let server = match finding.servers[..] {
        [server] => Some(server),
        _ => None,
    };
    if let Some(server) = server {
        add(&server);
    }
    let by_client = server.is_none() || finding.port.is_none() && !finding.code.starts_with("launch.");
    if let ([client], true) = (&finding.clients[..], by_client) {
        add(&format_args!("by-{client}"));
    }
    id
}

/// The transport and port that a session fell back from.
fn blocked_place(finding: &Finding) -> Option<(Transport, u64)> {
    match (finding.params.get("blocked_transport"), finding.params.get("blocked_port")) {
        (Some(&Value::Transport(transport)), Some(&Value::Number(port))) => Some((transport, port)),
        _ => None,
    }
}

/// What blocks the ways that a finding says were blocked, for one of the same clients.
fn rests_on(finding: &Finding, findings: &[Finding]) -> Vec<String> {
    let large = if BREAKS.contains(&finding.code) { too_large(finding, findings) } else { Vec::new() };
    if !large.is_empty() {
        return large;
    }
    let ways = blocked_ways(finding);
    if ways.is_empty() {
        return Vec::new();
    }
    let Finding { servers, clients, .. } = finding;
    // Who failed at the gateways is the server of the session that came instead. Sound is tried from either end.
    let (asked, asks) = match finding.params.get("gateways") {
        Some(Value::Addresses(gateways)) => (gateways, servers),
        _ => (servers, clients),
    };
    let calls_back = finding.params.get("opener") == Some(&Value::Word("server"));
    let either_end = finding.params.get("sender").is_some() || calls_back;
    let one_of = |some: &[Address], all: &[Address]| some.iter().any(|host| all.contains(host));
    let blocks = |other: &&Finding| {
        let place = other.port.map(|(transport, port)| (transport, u64::from(port)));
        let between = |asked, asks| one_of(&other.servers, asked) && one_of(&other.clients, asks);
        other.code.starts_with("blocked.")
            && place.is_some_and(|place| ways.contains(&place))
            && (between(asked, asks) || either_end && between(asks, asked))
    };
    findings.iter().filter(blocks).map(|other| other.id.clone()).collect()
}

/// What looks like a host that fell silent where its large packets vanish.
const BREAKS: &[&str] = &["path.died", "path.loss", "service.stopped", "tls.unanswered"];

/// What says that packets between the same hosts, on the same port, are too large.
fn too_large(finding: &Finding, findings: &[Finding]) -> Vec<String> {
    let shared = |one: &[Address], other: &[Address]| one.iter().any(|host| other.contains(host));
    let same = |other: &&Finding| {
        let hosts = shared(&other.servers, &finding.servers) && shared(&other.clients, &finding.clients);
        other.code == "path.mtu" && other.port == finding.port && hosts
    };
    findings.iter().filter(same).map(|other| other.id.clone()).collect()
}

/// The ways that were blocked, as far as a finding rests on that.
fn blocked_ways(finding: &Finding) -> Vec<(Transport, u64)> {
    let mut ways = Vec::from_iter(blocked_place(finding));
    for (name, transport) in
        [("tcp_ports", Transport::Tcp), ("udp_ports", Transport::Udp), ("audio_ports", Transport::Udp)]
    {
        if let Some(Value::Ports(ports)) = finding.params.get(name) {
            ways.extend(ports.iter().map(|&port| (transport, u64::from(port))));
        }
    }
    if let (Some(_), Some((transport, _)), Some(Value::Ports(ports))) =
        (finding.params.get("story"), finding.port, finding.params.get("ports"))
    {
        ways.extend(ports.iter().map(|&port| (transport, u64::from(port))));
    }
    if let Some(&Value::Number(port)) = finding.params.get("gateway_port") {
        ways.push((Transport::Tcp, port));
    }
    if finding.params.get("tie").is_some() {
        ways.extend(finding.port.map(|(transport, port)| (transport, u64::from(port))));
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Params, Severity};
    use crate::signature::Protocol;

    fn finding(code: &'static str, port: Option<(Transport, u16)>, servers: &[u8], clients: &[u8]) -> Finding {
        let hosts = |net: u8, lasts: &[u8]| lasts.iter().map(|&last| Address::v4([10, 0, net, last])).collect();
        Finding {
            clients: hosts(0, clients),
            servers: hosts(1, servers),
            port,
            flow_count: 1,
            ..Finding::named(code, Severity::Error, Confidence::High)
        }
    }

    fn heard(protocol: Protocol) -> Finding {
        let params = Params::from([("heard", Value::Protocol(protocol))]);
        Finding { params, ..finding("unexpected.foreign-protocol", Some((Transport::Tcp, 1494)), &[1], &[1]) }
    }

    fn fallback(port: u64, clients: &[u8]) -> Finding {
        let params = Params::from([
            ("blocked_transport", Value::Transport(Transport::Udp)),
            ("blocked_port", Value::Number(port)),
        ]);
        Finding { params, ..finding("fallback.edt-to-tcp", Some((Transport::Tcp, 2598)), &[1], clients) }
    }

    fn named(mut findings: Vec<Finding>) -> Vec<Finding> {
        name(&mut findings);
        findings
    }

    #[test]
    fn an_id_can_be_read_and_stays_when_clients_and_evidence_come() {
        let cgp = Some((Transport::Tcp, 2598));
        let few = finding("blocked.silent", cgp, &[22], &[1]);
        let more = Finding {
            flow_count: 40,
            severity: Severity::Warning,
            ..finding("blocked.silent", cgp, &[22], &[0, 1, 2])
        };
        for one in [few, more] {
            assert_eq!(named(vec![one])[0].id, "f-blocked.silent-tcp-2598-10.0.1.22");
        }
        assert_eq!(named(vec![finding("quality.ends-early", None, &[], &[])])[0].id, "f-quality.ends-early");
    }

    #[test]
    fn what_a_port_and_a_server_do_not_distinguish_is_in_the_id() {
        let cgp = Some((Transport::Tcp, 2598));
        let all = named(vec![
            heard(Protocol::Ssh),
            heard(Protocol::Rdp),
            fallback(1494, &[1]),
            fallback(2598, &[1]),
            // Scans: many servers at one port, many ports of one server, each by two scanners.
            finding("unexpected.scan", cgp, &[1, 2], &[8]),
            finding("unexpected.scan", cgp, &[1, 2], &[9]),
            finding("unexpected.scan", None, &[1], &[8]),
            finding("unexpected.scan", None, &[1], &[9]),
        ]);
        let ids: Vec<&str> = all.iter().map(|finding| finding.id.as_str()).collect();
        let expected = [
            "f-unexpected.foreign-protocol-tcp-1494-ssh-10.0.1.1",
            "f-unexpected.foreign-protocol-tcp-1494-rdp-10.0.1.1",
            "f-fallback.edt-to-tcp-tcp-2598-for-udp-1494-10.0.1.1",
            "f-fallback.edt-to-tcp-tcp-2598-for-udp-2598-10.0.1.1",
            "f-unexpected.scan-tcp-2598-by-10.0.0.8",
            "f-unexpected.scan-tcp-2598-by-10.0.0.9",
            "f-unexpected.scan-10.0.1.1-by-10.0.0.8",
            "f-unexpected.scan-10.0.1.1-by-10.0.0.9",
        ];
        assert_eq!(ids, expected);
    }

    #[test]
    fn nothing_is_surer_than_what_it_rests_on() {
        let udp = |port| Some((Transport::Udp, port));
        let mut unsure = finding("blocked.silent", udp(2598), &[1], &[1]);
        unsure.confidence = Confidence::Low;
        let sure = finding("blocked.refused", udp(2598), &[1], &[2]);
        let all = named(vec![unsure.clone(), sure.clone(), fallback(2598, &[1])]);
        assert_eq!(all[2].confidence, Confidence::Low);
        let all = named(vec![unsure, sure, fallback(2598, &[1, 2])]);
        assert_eq!(all[2].confidence, Confidence::High);
    }

    #[test]
    fn twins_are_numbered() {
        let twins =
            named(vec![finding("quality.ends-early", None, &[], &[]), finding("quality.ends-early", None, &[], &[])]);
        assert_eq!((twins[0].id.as_str(), twins[1].id.as_str()), ("f-quality.ends-early", "f-quality.ends-early~2"));
    }

    #[test]
    fn a_fallback_rests_on_what_is_blocked_for_its_clients() {
        let udp = |port| Some((Transport::Udp, port));
        let all = named(vec![
            finding("blocked.silent", udp(2598), &[1], &[1, 2]),
            finding("blocked.refused", udp(2598), &[1], &[3]),
            finding("blocked.silent", udp(2598), &[2], &[1]),
            finding("blocked.silent", udp(1494), &[1], &[1]),
            fallback(2598, &[2]),
        ]);
        assert_eq!(all[4].rests_on, ["f-blocked.silent-udp-2598-10.0.1.1"]);
        assert!(all[..4].iter().all(|finding| finding.rests_on.is_empty()));
    }
}
