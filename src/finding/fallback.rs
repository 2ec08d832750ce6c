//! Sessions that work, but not the way they should: the better transport was blocked and the next one taken.

use super::scene::{Group, Ports, Scene};
use super::{Check, Confidence, Finding, Params, Severity, Value};
use crate::classify::ServiceRef;
use crate::flow::Outcome;
use crate::ledger::{Carried, Path, Seen, Sign};
use crate::packet::{Address, protocol};
use crate::time::Span;
use crate::transport::Transport;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "fallback.cgp-to-ica",
        raised: "TCP 2598 is blocked between two hosts and a session runs on TCP 1494",
        source: "CTX104147",
        params: &["blocked_port", "blocked_transport"],
        look: |check, scene, found| look(check, scene, found, (Transport::Tcp, 2598), &[1494]),
    },
    Check {
        code: "fallback.edt-to-tcp",
        raised: "UDP 2598 or 1494 is blocked between two hosts and a session runs over TCP",
        source: "CTX220732, CTX220730, CTX230011",
        params: &["blocked_port", "blocked_transport"],
        look: |check, scene, found| {
            for port in [1494, 2598] {
                look(check, scene, found, (Transport::Udp, port), &[2598, 1494]);
            }
        },
    },
];

fn look(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>, blocked: (Transport, u16), instead: &[u16]) {
    let groups = scene.groups(is_no_connection);
    let mut ways: BTreeMap<(Address, u16), Group> = BTreeMap::new();
    for (_, group) in groups.iter().filter(|(_, group)| (group.transport, group.port) == blocked) {
        for &client in group.clients.keys() {
            if scene.works_again(client, group) {
                continue;
            }
            for &port in instead {
                if let Some(carried) = taken_instead(scene, client, group, port) {
                    add(scene, &mut ways, client, group.server, port, carried);
                }
            }
        }
    }
    let params = Params::from([
        ("blocked_transport", Value::Transport(blocked.0)),
        ("blocked_port", Value::Number(u64::from(blocked.1))),
    ]);
    for group in ways.into_values() {
        let finding = group.finding(check, scene, Severity::Warning, Confidence::High);
        found.push(Finding { params: params.clone(), ..finding });
    }
}

fn is_no_connection(sign: Sign) -> bool {
    matches!(sign, Sign::Blocked(Outcome::Silent | Outcome::Refused | Outcome::Prohibited | Outcome::HalfOpen))
}

/// A session on another port that ran when the blocked one was tried, or began within a minute.
fn taken_instead<'a>(scene: &'a Scene<'_>, client: Address, blocked: &Group, port: u16) -> Option<&'a Carried> {
    let path = Path { protocol: protocol::TCP, port, server: blocked.server, client };
    let carried = scene.ledger.working.get(&path)?;
    let in_time = carried.first <= blocked.seen.last + Span::seconds(60) && blocked.seen.first <= carried.last;
    in_time.then_some(carried)
}

fn add(
    scene: &Scene<'_>,
    ways: &mut BTreeMap<(Address, u16), Group>,
    client: Address,
    server: Address,
    port: u16,
    carried: &Carried,
) {
    let seen = seen(scene, port, carried);
    match ways.entry((server, port)) {
        Entry::Occupied(mut entry) => {
            let group = entry.get_mut();
            group.clients.insert(client, Ports::of(&seen));
            group.seen += &seen;
        }
        Entry::Vacant(entry) => {
            let clients = BTreeMap::from([(client, Ports::of(&seen))]);
            entry.insert(Group { server, transport: Transport::Tcp, port, clients, seen });
        }
    }
}

fn seen(scene: &Scene<'_>, port: u16, carried: &Carried) -> Seen {
    let service = scene.map.lookup(Transport::Tcp, port).and_then(|candidates| candidates.services.first());
    Seen {
        flows: carried.flows,
        first: carried.first,
        last: carried.last,
        generic: false,
        service: service.map(|&service| ServiceRef::One(service)),
        lines: BTreeMap::new(),
        expected: carried.flows,
        watched: carried.last - carried.first,
        evidence: BTreeSet::from([carried.opener]),
        openers: BTreeSet::from([carried.opener.at]),
        client_ports: BTreeSet::from([carried.client_port]),
        tries: 1,
        errors: BTreeSet::new(),
    }
}
