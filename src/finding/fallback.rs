//! Sessions that work, but not the way they should: the better transport was blocked and the next one taken. Which services have a
//! substitute, and which, stands in the port map.

use super::scene::{Group, Scene};
use super::{Check, Confidence, Finding, Params, Severity, Value};
use crate::judge::{Outcome, Sign};
use crate::ledger::{Path, Working};
use crate::packet::{Address, protocol};
use crate::portmap::{Fallback, ServiceId};
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::collections::BTreeMap;

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
        params: &["blocked_port", "blocked_transport"],
        look: |check, scene, found| look(check, scene, found, Fallback::EdtToTcp, Transport::Udp),
    },
];

/// Looks for sessions that run in place of a service that has this fallback and is blocked over this transport.
fn look(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>, fallback: Fallback, transport: Transport) {
    let mut blocked: BTreeMap<u16, Vec<(ServiceId, Outcome, Group<'_>)>> = BTreeMap::new();
    for (sign, group) in scene.groups(is_no_connection) {
        let Sign::Blocked(outcome) = sign else { continue };
        if let Some(service) = replaced(scene, &group, fallback, transport) {
            blocked.entry(group.port).or_default().push((service, outcome, group));
        }
    }
    for (port, groups) in blocked {
        let mut ways: BTreeMap<(Address, u16), Group<'_>> = BTreeMap::new();
        for (service, outcome, group) in &groups {
            let instead = ports_instead(scene, *service);
            let still = |client: &&Address| scene.answered_again(**client, group, *outcome).is_none();
            for &client in group.clients.keys().filter(still) {
                for &port in &instead {
                    let path = Path { protocol: protocol::TCP, port, server: group.server, client };
                    if let Some(working) = taken_instead(scene, path, group, fallback) {
                        scene.add_working(&mut ways, path, working);
                    }
                }
            }
        }
        let params = Params::from([
            ("blocked_transport", Value::Transport(transport)),
            ("blocked_port", Value::Number(u64::from(port))),
        ]);
        for group in ways.into_values() {
            let finding = group.finding(check, scene, Severity::Warning, Confidence::High);
            found.push(Finding { params: params.clone(), ..finding });
        }
    }
}

/// The service of the blocked port, if it alone is at home there and has this fallback.
fn replaced(scene: &Scene<'_>, group: &Group<'_>, fallback: Fallback, transport: Transport) -> Option<ServiceId> {
    let candidates = scene.map.at(group.place.filter(|place| place.transport() == transport)?);
    let [service] = candidates.services[..] else { return None };
    let instead = scene.map.service(service).instead.as_ref()?;
    (!candidates.generic && instead.fallback == fallback).then_some(service)
}

/// The TCP ports of the services that take its place.
fn ports_instead(scene: &Scene<'_>, service: ServiceId) -> Vec<u16> {
    let services = scene.map.service(service).instead.iter().flat_map(|instead| &instead.services);
    services.flat_map(|&service| scene.map.specific_ports(service, Transport::Tcp)).collect()
}

fn is_no_connection(sign: Sign) -> bool {
    matches!(sign, Sign::Blocked(Outcome::Silent | Outcome::Refused | Outcome::Prohibited | Outcome::HalfOpen))
}

/// A session on another path that took the place of the one that was blocked: it began with or after the first blocked try, and
/// within a minute of the last. A client whose session runs over TCP tries EDT again every five minutes, so there the blocked
/// try may come later (CTX220732).
fn taken_instead<'a>(scene: &Scene<'a>, path: Path, blocked: &Group<'_>, fallback: Fallback) -> Option<&'a Working> {
    let working = scene.ledger.paths.working(&path)?;
    let attempts = blocked.clients.get(&path.client)?;
    let soon = |began: Timestamp| began <= attempts.last + Span::seconds(60);
    let after = |began: Timestamp| began >= attempts.first;
    let in_time = match fallback {
        // Of several sessions the first or the last began in that time; of those in between it is not known.
        Fallback::CgpToIca => [working.first, working.began].into_iter().any(|began| after(began) && soon(began)),
        _ => soon(working.first) && attempts.first <= working.last,
    };
    in_time.then_some(working)
}
