//! Conversations that did not come about: silence, refusal, prohibition, half a handshake, an early reset.

use super::{Check, Confidence, Finding, Group, Scene, Severity, count, list};
use crate::flow::Outcome;
use crate::ledger::Sign;
use crate::packet::Address;
use std::collections::BTreeSet;

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "blocked.silent",
        raised: "the client tried often and long enough and nothing came back",
        source: "CTX220732, CTX128115, CTX233032; PortQry calls it FILTERED",
        look: |check, scene, found| look(check, scene, found, Outcome::Silent),
    },
    Check {
        code: "blocked.refused",
        raised: "a reset answered the first SYN",
        source: "CTX220732; RFC 9293, 3.10.7; PortQry calls it NOT LISTENING",
        look: |check, scene, found| look(check, scene, found, Outcome::Refused),
    },
    Check {
        code: "blocked.prohibited",
        raised: "an ICMP or ICMPv6 unreachable quotes the flow",
        source: "RFC 792, RFC 1812 5.2.7.1, RFC 4443 3.1",
        look: |check, scene, found| look(check, scene, found, Outcome::Prohibited),
    },
    Check {
        code: "blocked.half-open",
        raised: "the server answers the SYN again and again and the client's ACK never comes",
        source: "RFC 9293, 3.5",
        look: |check, scene, found| look(check, scene, found, Outcome::HalfOpen),
    },
    Check {
        code: "blocked.reset-early",
        raised: "the server's side resets right behind the handshake, before the server said anything",
        source: "CTX696422",
        look: |check, scene, found| look(check, scene, found, Outcome::ResetEarly),
    },
];

fn look(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>, outcome: Outcome) {
    for (_, group) in scene.groups(|sign| sign == Sign::Blocked(outcome)) {
        let one_direction = group.clients.iter().all(|&client| scene.ledger.is_one_direction(client, group.server));
        // What nobody saw may have been lost by the capture.
        let absence = matches!(outcome, Outcome::Silent | Outcome::HalfOpen);
        let lossy =
            absence && scene.captures.iter().any(|notes| notes.may_have_lost(group.seen.first, group.seen.last));
        let demoted = group.seen.generic || lossy || (one_direction && outcome == Outcome::Silent);
        let severity = if demoted { Severity::Warning } else { Severity::Error };
        let confidence = confidence(&group, outcome, one_direction || lossy);
        let mut finding = group.finding(check, scene, severity, confidence);
        let what = what(&group, outcome);
        finding.title = format!(
            "{}, {}, to {}: {what}",
            group.port_name(),
            scene.service_title(group.transport, group.port),
            group.server
        );
        finding.meaning = meaning(&group, outcome, finding.service.as_deref());
        if one_direction && outcome == Outcome::Silent {
            finding
                .meaning
                .push_str(" The capture holds one direction only here, so the answer may also have been a refusal.");
        }
        if lossy {
            finding
                .meaning
                .push_str(" The capture lost packets in that time, so an answer may have been lost as well.");
        }
        finding.remedy = remedy(&group, outcome);
        found.push(finding);
    }
}

fn confidence(group: &Group, outcome: Outcome, doubtful: bool) -> Confidence {
    match outcome {
        _ if doubtful => Confidence::Low,
        Outcome::Refused | Outcome::Prohibited => Confidence::High,
        Outcome::Silent | Outcome::HalfOpen if group.seen.is_firm() => Confidence::High,
        _ => Confidence::Medium,
    }
}

fn what(group: &Group, outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Refused => "refused",
        Outcome::Prohibited if closed_by_host(group) => "nothing listens there",
        Outcome::Prohibited if by_host(group) => "prohibited by the server itself",
        Outcome::Prohibited => "prohibited by a device on the way",
        Outcome::HalfOpen => "the answer does not reach the client",
        Outcome::ResetEarly => "cut right after the handshake",
        _ => "no answer",
    }
}

/// Every error came from the server's own address.
fn by_host(group: &Group) -> bool {
    group.seen.errors.iter().all(|&(.., sender)| sender == group.server)
}

/// Every error is "port unreachable", and the server itself sent it: no program, rather than a rule against it.
fn closed_by_host(group: &Group) -> bool {
    let port = |&(v6, kind, code, sender): &(bool, u8, u8, Address)| {
        sender == group.server && if v6 { (kind, code) == (1, 4) } else { (kind, code) == (3, 3) }
    };
    !group.seen.errors.is_empty() && group.seen.errors.iter().all(port)
}

fn meaning(group: &Group, outcome: Outcome, service: Option<&str>) -> String {
    let clients = list(&group.clients);
    let flows = count(group.seen.flows, "flow");
    let seen = match outcome {
        Outcome::Refused => format!(
            "The first SYN of {clients} was answered with a reset ({flows}). The host is reachable, but nothing listens on \
             this port, or a firewall answers in its place."
        ),
        Outcome::Prohibited => format!("{} ({flows}).", prohibition(group, &clients)),
        Outcome::HalfOpen => format!(
            "{} answered the SYN of {clients} and repeated its answer, but the handshake was never completed ({flows}). \
             The way back to the client is blocked or leads elsewhere.",
            group.server
        ),
        Outcome::ResetEarly => format!(
            "The connection of {clients} was reset right after the handshake, before the server said anything ({flows}). \
             A firewall that looks into the traffic, a TLS inspection, or the service itself ends it."
        ),
        _ => format!(
            "{clients} tried at least {}, and nothing came back in {:.0} s ({flows}). A firewall drops the packets, or the \
             host is down. A Windows firewall also answers with silence where nothing listens.",
            count(group.seen.tries, "time"),
            group.seen.watched.as_seconds(),
        ),
    };
    if group.seen.generic {
        return format!("{seen} Many programs use this port, so it may have nothing to do with Citrix.");
    }
    format!("{seen} {}", consequence(service.unwrap_or_default()))
}

fn prohibition(group: &Group, clients: &str) -> String {
    let senders: BTreeSet<Address> = group.seen.errors.iter().map(|&(.., sender)| sender).collect();
    let senders = list(&senders);
    let words: BTreeSet<String> =
        group.seen.errors.iter().map(|&(v6, kind, code, _)| icmp_words(v6, kind, code)).collect();
    let words = words.into_iter().collect::<Vec<_>>().join(", ");
    if closed_by_host(group) {
        return format!(
            "{senders} told {clients}: {words}. The host is reachable, but no program listens on this port"
        );
    }
    format!("{senders} told {clients}: {words}. A firewall or router rejects the packets openly")
}

/// The words of RFC 792, RFC 1812 and RFC 4443 for an unreachable message.
fn icmp_words(v6: bool, kind: u8, code: u8) -> String {
    let words = match (v6, kind, code) {
        (false, 3, 0) => "network unreachable",
        (false, 3, 1) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) => "port unreachable",
        (false, 3, 9) => "network administratively prohibited",
        (false, 3, 10) => "host administratively prohibited",
        (false, 3, 13) => "communication administratively prohibited",
        (true, 1, 0) => "no route",
        (true, 1, 1) => "administratively prohibited",
        (true, 1, 3) => "address unreachable",
        (true, 1, 4) => "port unreachable",
        (true, 1, 5) => "source address failed policy",
        (true, 1, 6) => "route rejected",
        _ => "unreachable",
    };
    let family = if v6 { "ICMPv6" } else { "ICMP" };
    format!("{words} ({family} type {kind} code {code})")
}

/// What a blocked service means for the people who use it (facts F1 to F9, ADP-04, AUD-02, LIC-02, PVS-12).
fn consequence(service: &str) -> &'static str {
    match service {
        "cgp" => "Sessions cannot use session reliability; they start on TCP 1494 if that is open, else not at all.",
        "ica" => "Sessions without session reliability, and the way back from a blocked TCP 2598, fail.",
        "edt" => "Sessions fall back to TCP, start later and are slower on long or lossy lines.",
        "audio" => "Sound stays inside the session connection or is missing.",
        "licensing" => "Licences cannot be checked out; TCP 27000 and TCP 7279 are both needed.",
        "pvs-login" | "pvs-stream" => "Target devices cannot boot or keep their disk.",
        "pvs-soap" => "Imaging and the Provisioning console cannot reach the server.",
        _ => "What needs this service does not work.",
    }
}

fn remedy(group: &Group, outcome: Outcome) -> String {
    let (port, clients, server) = (group.port_name(), list(&group.clients), group.server);
    let netstat = format!("`netstat -ano | findstr :{}` on the server shows it", group.port);
    match outcome {
        Outcome::Refused => format!(
            "Check that the service runs and listens on {port} of {server}: {netstat}. If it does, look for a firewall on the way that answers with resets."
        ),
        Outcome::Prohibited if closed_by_host(group) => {
            format!("Check that the service runs and listens on {port} of {server}: {netstat}.")
        }
        Outcome::Prohibited if by_host(group) => {
            format!("Allow {port} from {clients} in the firewall on {server} itself.")
        }
        Outcome::Prohibited => {
            let senders: BTreeSet<Address> = group.seen.errors.iter().map(|&(.., sender)| sender).collect();
            format!("Allow {port} from {clients} to {server} on {}, which sent the message.", list(&senders))
        }
        Outcome::HalfOpen => format!(
            "Check routes and firewalls from {server} back to {clients}: the answers of {port} leave the server and do not arrive."
        ),
        Outcome::ResetEarly => format!(
            "Exempt {port} between {clients} and {server} from content or TLS inspection, then look at the event log of the service."
        ),
        _ => format!(
            "Allow {port} from {clients} to {server} in every firewall on the way, the one on the server included. Then check that the service listens: {netstat}."
        ),
    }
}
