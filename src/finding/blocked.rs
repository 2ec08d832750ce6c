//! Conversations that did not come about: silence, refusal, prohibition, half a handshake, an early reset.

use super::{Check, Confidence, Finding, Group, Scene, Severity, count, list, names};
use crate::judge::{Outcome, Sign};
use crate::ledger::Networks;
use crate::packet::Address;
use crate::source::CaptureNotes;
use std::collections::BTreeSet;

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "blocked.silent",
        raised: "the client tried often and long enough and nothing came back",
        source: "CTX220732, CTX128115, CTX233032",
        look: |check, scene, found| look(check, scene, found, Outcome::Silent),
    },
    Check {
        code: "blocked.refused",
        raised: "a reset answered the first SYN",
        source: "CTX220732; RFC 9293, 3.10.7",
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
        let doubts = Doubts::of(scene, &group, outcome);
        let severity = if group.generic || doubts.any() { Severity::Warning } else { Severity::Error };
        let mut finding = group.finding(check, scene, severity, confidence(&group, outcome, &doubts));
        finding.title = format!(
            "{}, {}, to {}: {}",
            group.port_name(),
            scene.service_title(group.transport, group.port),
            group.server,
            what(&group, outcome)
        );
        finding.meaning = meaning(&group, outcome, finding.service.as_deref(), &doubts);
        finding.remedy = if doubts.worked > 0 { unsteady(&group) } else { remedy(&group, outcome) };
        found.push(finding);
    }
}

/// What speaks against a rule in a firewall.
struct Doubts {
    /// The capture holds one direction only between these hosts, so the answer may be something else than silence.
    one_direction: bool,
    /// What nobody saw may have been lost by the capture.
    lossy: bool,
    /// Flows of the same clients that worked on this very path later on.
    worked: u64,
}

impl Doubts {
    fn of(scene: &Scene<'_>, group: &Group<'_>, outcome: Outcome) -> Doubts {
        let absence = matches!(outcome, Outcome::Silent | Outcome::HalfOpen);
        let one_direction =
            |&client: &Address| scene.ledger.visibility.is_one_direction(Some(Networks::of(client, group.server)));
        let lost = |notes: &CaptureNotes| notes.may_have_lost(group.seen.first, group.seen.last);
        let worked = |&client: &Address| scene.works(client, group).map_or(0, |working| working.flows);
        let all_work_again = group.clients.keys().all(|&client| scene.works_again(client, group));
        Doubts {
            one_direction: outcome == Outcome::Silent && group.clients.keys().all(one_direction),
            lossy: absence && scene.captures.iter().any(lost),
            worked: if all_work_again { group.clients.keys().map(worked).sum() } else { 0 },
        }
    }

    fn any(&self) -> bool {
        self.one_direction || self.lossy || self.worked > 0
    }
}

fn confidence(group: &Group<'_>, outcome: Outcome, doubts: &Doubts) -> Confidence {
    match outcome {
        _ if doubts.one_direction || doubts.lossy => Confidence::Low,
        Outcome::Refused => Confidence::High,
        Outcome::Prohibited if cause(group) != Cause::Unreachable => Confidence::High,
        Outcome::Silent | Outcome::HalfOpen if group.seen.is_firm() => Confidence::High,
        _ => Confidence::Medium,
    }
}

fn what(group: &Group<'_>, outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Refused => "refused",
        Outcome::Prohibited => match cause(group) {
            Cause::Closed => "nothing listens there",
            Cause::Unreachable => "the host cannot be reached",
            Cause::Policy if by_host(group) => "prohibited by the server itself",
            Cause::Policy => "prohibited by a device on the way",
        },
        Outcome::HalfOpen => "the answer does not reach the client",
        Outcome::ResetEarly => "cut right after the handshake",
        _ => "no answer",
    }
}

/// What the ICMP errors about a group mean together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// "Port unreachable" of the server itself: no program, rather than a rule against it.
    Closed,
    /// No way to the host, or it does not answer on its network: a route, or the host is down.
    Unreachable,
    /// A rule forbids it.
    Policy,
}

fn cause(group: &Group<'_>) -> Cause {
    let errors = &group.seen.errors;
    let closed =
        |&(v6, _, code, sender): &(bool, u8, u8, Address)| sender == group.server && code == if v6 { 4 } else { 3 };
    // RFC 792 and RFC 1812: network, host and protocol unreachable, unknown or isolated; RFC 4443: no route, address.
    let no_way = |&(v6, _, code, _): &(bool, u8, u8, Address)| {
        if v6 { matches!(code, 0 | 2 | 3) } else { matches!(code, 0..=2 | 5..=8 | 11 | 12) }
    };
    match () {
        () if errors.iter().all(closed) => Cause::Closed,
        () if errors.iter().all(no_way) => Cause::Unreachable,
        () => Cause::Policy,
    }
}

/// Every error came from the server's own address.
fn by_host(group: &Group<'_>) -> bool {
    group.seen.errors.iter().all(|&(.., sender)| sender == group.server)
}

fn meaning(group: &Group<'_>, outcome: Outcome, service: Option<&str>, doubts: &Doubts) -> String {
    let clients = names(&group.clients);
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
    let mut parts = vec![seen];
    if group.generic {
        parts.push("Many programs use this port, so it may have nothing to do with Citrix.".into());
    } else if doubts.worked == 0 {
        parts.push(consequence(service.unwrap_or_default()).into());
    }
    if doubts.worked > 0 {
        let worked = count(doubts.worked, "flow");
        parts.push(format!("The port is open: {worked} between the same hosts worked, the last of them later."));
    }
    if doubts.one_direction {
        parts.push("The capture holds one direction only here, so the answer may also have been a refusal.".into());
    }
    if doubts.lossy {
        parts.push("The capture lost packets in that time, so an answer may have been lost as well.".into());
    }
    parts.join(" ")
}

/// What to do where the path works at other times.
fn unsteady(group: &Group<'_>) -> String {
    format!(
        "No firewall rule is missing. Look at {} at that time: was it restarted, overloaded, or at a limit of connections?",
        group.server
    )
}

fn prohibition(group: &Group<'_>, clients: &str) -> String {
    let senders: BTreeSet<Address> = group.seen.errors.iter().map(|&(.., sender)| sender).collect();
    let senders = list(&senders);
    let words: BTreeSet<String> =
        group.seen.errors.iter().map(|&(v6, kind, code, _)| icmp_words(v6, kind, code)).collect();
    let words = words.into_iter().collect::<Vec<_>>().join(", ");
    let meaning = match cause(group) {
        Cause::Closed => "The host is reachable, but no program listens on this port",
        Cause::Unreachable => "The packets do not get to the host: it is down, or there is no route to it",
        Cause::Policy => "A firewall or router rejects the packets openly",
    };
    format!("{senders} told {clients}: {words}. {meaning}")
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

fn remedy(group: &Group<'_>, outcome: Outcome) -> String {
    let (port, clients, server) = (group.port_name(), names(&group.clients), group.server);
    let netstat = format!("on Windows, `netstat -ano | findstr :{}` shows it", group.port);
    match outcome {
        Outcome::Refused => format!(
            "Check that the service runs and listens on {port} of {server}: {netstat}. If it does, look for a firewall on the way that answers with resets."
        ),
        Outcome::Prohibited if cause(group) == Cause::Closed => {
            format!("Check that the service runs and listens on {port} of {server}: {netstat}.")
        }
        Outcome::Prohibited if cause(group) == Cause::Unreachable => {
            format!("Check that {server} is up and has this address, then the routes from {clients} to it.")
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
