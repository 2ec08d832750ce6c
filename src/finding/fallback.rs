//! What works, but not the way it should: the better way was blocked and the next one taken. Which services have a substitute, and
//! which, stands in the port map; what is a fallback, and what only looks like one, is told by the times.

use super::scene::{Attempts, Group, Scene, Tie};
use super::{Check, Confidence, Finding, Params, Severity, Value};
use crate::judge::{Outcome, Sign};
use crate::ledger::{Answers, CitrixName, Pair, Path, Sighting, Working};
use crate::packet::{Address, protocol};
use crate::portmap::{Fallback, Place, ServiceId};
use crate::signature::Protocol;
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "fallback.cgp-to-ica",
        raised: "TCP 2598 is blocked between two hosts and a session runs on TCP 1494",
        source: "CTX104147",
        params: &["blocked_port", "blocked_transport"],
        look: |check, scene, found| look(check, scene, found, Fallback::CgpToIca, Transport::Tcp),
    },
    Check {
        code: "fallback.edt-to-tcp",
        raised: "UDP 2598 or 1494 is blocked between two hosts and a session runs over TCP",
        source: "CTX220732, CTX220730, CTX230011",
        params: &["blocked_port", "blocked_transport", "retries", "retry_interval"],
        look: |check, scene, found| look(check, scene, found, Fallback::EdtToTcp, Transport::Udp),
    },
    Check {
        code: "fallback.audio-to-tcp",
        raised: "datagrams to UDP 16500 to 16509 get no reply between two hosts whose session over TCP works",
        source: "CTX133024",
        params: &["audio_ports", "sender"],
        look: audio,
    },
    Check {
        code: "fallback.dtls-to-tls",
        raised: "DTLS to UDP 443 gets no answer from a server that answers the same client on TCP 443",
        source: "CTX220732, CTX230011",
        params: &["heard", "retries", "retry_interval", "tie"],
        look: dtls,
    },
    Check {
        code: "fallback.quic-to-tls",
        raised: "QUIC to UDP 443 gets no answer from a server of Citrix that answers the same client on TCP 443",
        source: "RFC 9308, 2",
        params: &["heard", "tie"],
        look: quic,
    },
    Check {
        code: "fallback.rendezvous",
        raised: "a VDA fails on TCP 443 of the Gateway Service, and then another host opens a session port of it",
        source: "CTX319067, CTX270584",
        params: &["gateway_port", "gateways"],
        look: rendezvous,
    },
];

/// Maximum time from the last blocked try to the session that took its place.
const SOON: Span = Span::seconds(60);
/// Attempts that begin within this time of each other are one.
const ONE_ATTEMPT: Span = Span::seconds(60);
/// A client on TCP tries EDT again every five minutes (facts ADP-06); this is how far a retry may be from the one before.
const FIVE_MINUTES: std::ops::RangeInclusive<Span> = Span::seconds(240)..=Span::seconds(360);

/// Looks for sessions that run in place of a service that has this fallback and is blocked over this transport.
fn look(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>, fallback: Fallback, transport: Transport) {
    let mut blocked: BTreeMap<u16, Vec<(ServiceId, Outcome, Group<'_>)>> = BTreeMap::new();
    for (sign, group) in scene.groups(is_no_connection) {
        let Sign::Blocked(outcome) = sign else { continue };
        if let Some(service) = replaced(scene, group.place, fallback, transport) {
            blocked.entry(group.port).or_default().push((service, outcome, group));
        }
    }
    for (port, groups) in blocked {
        let mut ways: BTreeMap<(Address, u16), Group<'_>> = BTreeMap::new();
        let mut retries: BTreeMap<(Address, u16), Retries> = BTreeMap::new();
        for (service, outcome, group) in &groups {
            let (instead, itself) = (ports_instead(scene, *service), scene.map.specific_ports(*service, transport));
            for (&client, attempts) in &group.clients {
                let again = scene.answered_again(client, group, *outcome).is_some();
                let other = |port: &&u16| **port != group.port;
                let on_its_own =
                    || itself.iter().filter(other).any(|&port| works_beside(scene, client, port, group, attempts));
                if again || on_its_own() {
                    continue;
                }
                for &port in &instead {
                    let path = Path { protocol: protocol::TCP, port, server: group.server, client };
                    if let Some(working) = taken_instead(scene, path, attempts, fallback) {
                        scene.add_working(&mut ways, path, working);
                        *retries.entry((group.server, port)).or_default() += Retries::of(attempts);
                    }
                }
            }
        }
        let params = Params::from([
            ("blocked_transport", Value::Transport(transport)),
            ("blocked_port", Value::Number(u64::from(port))),
        ]);
        for (place, group) in ways {
            let finding = group.finding(check, scene, Severity::Warning, Confidence::High);
            let params = match fallback {
                Fallback::EdtToTcp => retries.get(&place).copied().unwrap_or_default().told(params.clone()),
                _ => params.clone(),
            };
            found.push(Finding { params, ..finding });
        }
    }
}

/// The service of a place over this transport, if it alone is at home there and has this fallback.
fn replaced(scene: &Scene<'_>, place: Option<Place>, fallback: Fallback, transport: Transport) -> Option<ServiceId> {
    let candidates = scene.map.at(place.filter(|place| place.transport() == transport)?);
    let [service] = candidates.services[..] else { return None };
    (!candidates.generic && has(scene, service, fallback)).then_some(service)
}

/// A service of a place that many programs use, where it has this fallback.
fn among_others(scene: &Scene<'_>, place: Option<Place>, fallback: Fallback) -> Option<ServiceId> {
    let candidates = scene.map.at(place?);
    let mut services = candidates.services.iter().copied().filter(|_| candidates.generic);
    services.find(|&service| has(scene, service, fallback))
}

fn has(scene: &Scene<'_>, service: ServiceId, fallback: Fallback) -> bool {
    scene.map.service(service).instead.as_ref().is_some_and(|instead| instead.fallback == fallback)
}

/// The TCP ports of the services that take its place.
fn ports_instead(scene: &Scene<'_>, service: ServiceId) -> Vec<u16> {
    let services = scene.map.service(service).instead.iter().flat_map(|instead| &instead.services);
    services.flat_map(|&service| scene.map.specific_ports(service, Transport::Tcp)).collect()
}

fn is_no_connection(sign: Sign) -> bool {
    matches!(sign, Sign::Blocked(Outcome::Silent | Outcome::Refused | Outcome::Prohibited | Outcome::HalfOpen))
}

/// The service itself works at that time on another of its ports, so nothing had to take its place.
fn works_beside(scene: &Scene<'_>, client: Address, port: u16, group: &Group<'_>, attempts: &Attempts) -> bool {
    let path = group.path(client).map(|path| Path { port, ..path });
    let working = path.and_then(|path| scene.ledger.paths.working(&path));
    working.is_some_and(|working| working.first <= attempts.last + SOON && attempts.first <= working.last)
}

/// A session on another path that took the place of the one that was blocked: it began with or after the first blocked try, and
/// within a minute of the last (a client waits half a second before it takes TCP beside EDT, or until EDT has failed, facts
/// ADP-04, ADP-05 and ADP-07). A client whose session runs over TCP tries EDT again every five minutes, so there the blocked try may come
/// later, and the session may be older than the capture (facts ADP-06).
fn taken_instead<'a>(scene: &Scene<'a>, path: Path, blocked: &Attempts, fallback: Fallback) -> Option<&'a Working> {
    let working = scene.ledger.paths.working(&path)?;
    let in_time = match fallback {
        Fallback::EdtToTcp => working.first <= blocked.last + SOON && blocked.first <= working.last,
        // Of several sessions the first or the last began in that time; of those in between it is not known.
        Fallback::CgpToIca | Fallback::AudioToTcp | Fallback::Rendezvous => began_after(working, blocked),
    };
    in_time.then_some(working)
}

/// The first session or the last one began with or after the first of these tries, and soon after the last of them.
fn began_after(working: &Working, tries: &Attempts) -> bool {
    [working.first, working.began].into_iter().any(|began| began >= tries.first && began <= tries.last + SOON)
}

/// How often, and after what times, something blocked was tried again about every five minutes.
#[derive(Clone, Copy, Default)]
struct Retries {
    count: u64,
    /// All times in between.
    together: Span,
}

impl Retries {
    /// Those of one client. Of many flows the first and the last few are known, and how many there were: those in between count if
    /// they were five minutes apart on average.
    fn of(attempts: &Attempts) -> Retries {
        let mut times: Vec<Timestamp> = attempts.latest.iter().map(|began| began.0).collect();
        times.reverse();
        let between = attempts.flows.saturating_sub(times.len() as u64);
        let mut retries = Retries::default();
        let Some(&known_from) = times.first() else { return retries };
        let unknown = known_from - attempts.first;
        if between > 0 && FIVE_MINUTES.contains(&Span(unknown.0 / i64::try_from(between).unwrap_or(i64::MAX))) {
            retries = Retries { count: between, together: unknown };
        } else if between > 0 {
            times.insert(0, attempts.first);
        }
        let apart = |since: Timestamp, at: Timestamp| at - since > ONE_ATTEMPT;
        times.dedup_by(|at, since| !apart(*since, *at));
        for pair in times.windows(2) {
            let interval = pair[1] - pair[0];
            if FIVE_MINUTES.contains(&interval) {
                retries += Retries { count: 1, together: interval };
            }
        }
        retries
    }

    fn told(self, params: Params) -> Params {
        let mean = self.together.0 / i64::try_from(self.count).unwrap_or(i64::MAX).max(1);
        params.with("retries", Value::Number(self.count)).with("retry_interval", Value::Duration(Span(mean)))
    }
}

impl std::ops::AddAssign for Retries {
    fn add_assign(&mut self, other: Retries) {
        self.count += other.count;
        self.together = Span(self.together.0.saturating_add(other.together.0));
    }
}

/// Sound that could not move to UDP and stayed inside the session (facts AUD-02). Whoever tries first, the port is that of the
/// audio range, so the one that is asked may be either end of the session. Where UDP was answered once it was tested and works, and
/// silence on it means nothing (facts AUD-01 and AUD-03). That test is in a capture that holds the beginning of the session.
fn audio(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let mut groups: [BTreeMap<Address, Group<'_>>; 2] = Default::default();
    let mut known: BTreeMap<ServiceId, (Vec<u16>, Vec<u16>)> = BTreeMap::new();
    let in_vain = |sign| sign == Sign::Unanswered || is_no_connection(sign);
    for (_, sighting, seen) in scene.host_by_host(in_vain) {
        let place = sighting.matching.place;
        let Some(service) = replaced(scene, place, Fallback::AudioToTcp, Transport::Udp) else { continue };
        let Path { server: asked, client: asks, .. } = sighting.path;
        let ports = || (scene.map.specific_ports(service, Transport::Udp), ports_instead(scene, service));
        let (ports, instead) = known.entry(service).or_insert_with(ports);
        let heard = |server, client| {
            ports.iter().any(|&port| {
                let path = Path { protocol: protocol::UDP, port, server, client };
                scene.ledger.paths.get(&path).is_some()
            })
        };
        let times = (seen.first, seen.last);
        if heard(asked, asks) || heard(asks, asked) || scene.may_lack_packets(Pair::of(asks, asked), times) {
            continue;
        }
        let session = |server, client| {
            instead.iter().any(|&port| {
                let path = Path { protocol: protocol::TCP, port, server, client };
                let began = scene.ledger.paths.answers(&path).is_some_and(|answers| answers.first <= seen.first);
                let working = scene.ledger.paths.working(&path);
                began && working.is_some_and(|working| working.first <= seen.last && seen.first <= working.last)
            })
        };
        let [to_server, to_client] = &mut groups;
        if session(asked, asks) {
            scene.add_to_server(to_server, (asked, asks), sighting, seen);
        } else if session(asks, asked) {
            scene.add_to_server(to_client, (asks, asked), sighting, seen);
        }
    }
    for (groups, sender) in groups.into_iter().zip(["client", "server"]) {
        for group in groups.into_values() {
            let ports = BTreeSet::from_iter(group.more_ports.iter().copied().chain([group.port]));
            let mut finding = group.finding(check, scene, Severity::Warning, Confidence::Medium);
            finding.params = Params::from([
                ("audio_ports", Value::Ports(ports.into_iter().collect())),
                ("sender", Value::Word(sender)),
            ]);
            found.push(finding);
        }
    }
}

/// EDT inside DTLS that got no answer from a server which the client reaches over TLS (facts ADP-02). Only a client hello counts: QUIC on the same
/// port looks different (facts MIX-07). What is inside DTLS cannot be told (facts MIX-06), and VPNs speak it there as well.
fn dtls(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let resets = resets(scene);
    let mut groups: BTreeMap<Address, Group<'_>> = BTreeMap::new();
    for (sign, sighting, seen) in scene.host_by_host(is_no_connection) {
        let Sighting { matching, path, .. } = *sighting;
        let is_udp = path.protocol == protocol::UDP && !matching.foreign_attempt;
        if !is_udp || among_others(scene, matching.place, Fallback::EdtToTcp).is_none() {
            continue;
        }
        let answered = scene.ledger.paths.answers(&path).is_some_and(|answers| answers.last >= seen.first);
        let times = (seen.first, seen.last);
        let doubtful = sign == Sign::Blocked(Outcome::Silent)
            && (scene.ledger.paths.may_lack_answers(true)
                || scene.may_lack_packets(Pair::of(path.client, path.server), times));
        if !answered && !doubtful && answers_beside(scene, &resets, path, times) {
            scene.add_to_server(&mut groups, (path.server, path.client), sighting, seen);
        }
    }
    for group in groups.into_values() {
        let tie = scene.tie(group.server);
        let (severity, confidence) = match tie {
            Some(_) => (Severity::Warning, Confidence::Medium),
            None => (Severity::Info, Confidence::Low),
        };
        let mut retries = Retries::default();
        group.clients.values().for_each(|attempts| retries += Retries::of(attempts));
        let mut finding = group.finding(check, scene, severity, confidence);
        finding.params = retries.told(tie_params(tie, Protocol::Dtls));
        found.push(finding);
    }
}

/// QUIC that got no answer. Browsers and clients take TLS by themselves, so it is told of servers of Citrix only, and never warned of.
fn quic(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let resets = resets(scene);
    let mut groups: BTreeMap<(Address, u16), Group<'_>> = BTreeMap::new();
    for (&path, tried) in scene.ledger.hellos.quic().filter(|(path, _)| scene.tie(path.server).is_some()) {
        let place = scene.map.place(Transport::Udp, path.port);
        let times = (tried.first, tried.last);
        if among_others(scene, place, Fallback::EdtToTcp).is_some()
            && scene.ledger.paths.answers(&path).is_none()
            && !scene.ledger.paths.may_lack_answers(true)
            && !scene.may_lack_packets(Pair::of(path.client, path.server), times)
            && answers_beside(scene, &resets, path, times)
        {
            scene.add_working(&mut groups, path, tried);
        }
    }
    for group in groups.into_values() {
        let finding = group.finding(check, scene, Severity::Info, Confidence::Medium);
        found.push(Finding { params: tie_params(scene.tie(group.server), Protocol::Quic), ..finding });
    }
}

fn tie_params(tie: Option<Tie>, heard: Protocol) -> Params {
    let tie = match tie {
        Some(Tie::Name) => "name",
        Some(Tie::Ports) => "ports",
        None => "none",
    };
    Params::from([("heard", Value::Protocol(heard)), ("tie", Value::Word(tie))])
}

/// Flows that were answered on ports that many programs use, and reset before the server said anything, by path.
fn resets(scene: &Scene<'_>) -> BTreeMap<Path, u64> {
    let mut resets = BTreeMap::new();
    let early = scene.host_by_host(|sign| sign == Sign::Blocked(Outcome::ResetEarly));
    for (_, sighting, seen) in early.filter(|(_, sighting, _)| sighting.matching.port.generic) {
        *resets.entry(sighting.path).or_default() += seen.flows;
    }
    resets
}

/// The same client is answered over TCP on the same port of the server about that time, and not cut off each time.
fn answers_beside(
    scene: &Scene<'_>,
    resets: &BTreeMap<Path, u64>,
    path: Path,
    (first, last): (Timestamp, Timestamp),
) -> bool {
    let path = Path { protocol: protocol::TCP, ..path };
    let cut = resets.get(&path).copied().unwrap_or_default();
    let in_time = |answers: &Answers| answers.last >= first && answers.first <= last + SOON;
    scene.ledger.paths.answers(&path).filter(in_time).is_some_and(|answers| answers.flows > cut)
}

/// A VDA that could not reach the Gateway Service, so that a Cloud Connector opened the session to it (facts RDV-01 and RDV-04).
fn rendezvous(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let mut taken: BTreeMap<Path, &Working> = BTreeMap::new();
    let mut gateways: BTreeMap<(Address, u16), (BTreeSet<Address>, u16)> = BTreeMap::new();
    for (sign, group) in scene.groups(|sign| matches!(sign, Sign::Blocked(_))) {
        let Sign::Blocked(outcome) = sign else { continue };
        if group.transport != Transport::Tcp
            || scene.ledger.hellos.name(group.server) != Some(CitrixName::GatewayService)
        {
            continue;
        }
        for (path, working) in taken_over(scene, &group, outcome) {
            taken.insert(path, working);
            let (known, _) = gateways.entry((path.server, path.port)).or_insert((BTreeSet::new(), group.port));
            known.insert(group.server);
        }
    }
    let mut ways: BTreeMap<(Address, u16), Group<'_>> = BTreeMap::new();
    taken.into_iter().for_each(|(path, working)| scene.add_working(&mut ways, path, working));
    for (place, group) in ways {
        let (gateways, port) = gateways.remove(&place).unwrap_or_default();
        let mut finding = group.finding(check, scene, Severity::Warning, Confidence::Medium);
        finding.params = Params::from([
            ("gateways", Value::Addresses(gateways.into_iter().collect())),
            ("gateway_port", Value::Number(port.into())),
        ]);
        found.push(finding);
    }
}

/// Sessions that other hosts of the site opened to a client of this group soon after it had failed there: to a VDA that wanted to
/// reach a cloud gateway. Nothing where the group is about anything else.
fn taken_over<'a>(scene: &Scene<'a>, group: &Group<'_>, outcome: Outcome) -> Vec<(Path, &'a Working)> {
    let Some(service) = among_others(scene, group.place, Fallback::Rendezvous) else { return Vec::new() };
    let ports = ports_instead(scene, service);
    let mut taken = Vec::new();
    for (&vda, attempts) in &group.clients {
        let absent = matches!(outcome, Outcome::Silent | Outcome::HalfOpen);
        let times = (attempts.first, attempts.last);
        let doubtful = absent
            && (scene.ledger.paths.may_lack_answers(true)
                || scene.may_lack_packets(Pair::of(vda, group.server), times));
        if doubtful || scene.answered_again(vda, group, outcome).is_some() {
            continue;
        }
        for &port in &ports {
            let sessions = scene.ledger.paths.working_at(protocol::TCP, port, vda);
            for (opener, working) in sessions.filter(|(opener, _)| !opener.is_public() && *opener != vda) {
                if began_after(working, attempts) {
                    taken.push((Path { protocol: protocol::TCP, port, server: vda, client: opener }, working));
                }
            }
        }
    }
    taken
}

/// The server of a blocked group may be the Gateway Service: it has a public address and no other name of Citrix, and what a VDA
/// does whose Rendezvous fails was seen.
pub(super) fn may_be_rendezvous(scene: &Scene<'_>, group: &Group<'_>, outcome: Outcome) -> bool {
    group.server.is_public()
        && group.transport == Transport::Tcp
        && scene.ledger.hellos.name(group.server).is_none()
        && !taken_over(scene, group, outcome).is_empty()
}
