//! Sessions that work, but not the way they should: the better transport was blocked and the next one taken.

use super::{Check, Confidence, Finding, Group, Ports, Scene, Severity, names};
use crate::judge::{Outcome, Sign};
use crate::ledger::{Path, Seen, Working};
use crate::matching::service_of;
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
        look: |check, scene, found| look(check, scene, found, (Transport::Tcp, 2598), &[1494], CGP_TO_ICA),
    },
    Check {
        code: "fallback.edt-to-tcp",
        raised: "UDP 2598 or 1494 is blocked between two hosts and a session runs over TCP",
        source: "CTX220732, CTX220730, CTX230011",
        look: |check, scene, found| {
            for port in [1494, 2598] {
                look(check, scene, found, (Transport::Udp, port), &[2598, 1494], EDT_TO_TCP);
            }
        },
    },
];

/// Title, meaning and remedy; `{clients}` and `{server}` stand for the hosts.
struct Words {
    title: &'static str,
    meaning: &'static str,
    remedy: &'static str,
}

const CGP_TO_ICA: Words = Words {
    title: "Sessions to {server} run on TCP 1494 because TCP 2598 is blocked",
    meaning: "{clients} could not reach TCP 2598 and took TCP 1494. The user sees nothing at first. Without session reliability \
              the window goes after about 30 seconds of a broken line, instead of waiting 180 seconds.",
    remedy: "Mend what blocks TCP 2598; it is told as a finding of its own.",
};

const EDT_TO_TCP: Words = Words {
    title: "Sessions to {server} run over TCP because EDT (UDP) is blocked",
    meaning: "{clients} tried EDT over UDP without success and took TCP. Sessions start later and feel slower on long or lossy \
              lines, and the client tries UDP again every five minutes.",
    remedy: "Mend what blocks UDP; it is told as a finding of its own. If UDP is not wanted, set the policy HDX adaptive \
             transport to Off.",
};

fn look(
    check: &Check,
    scene: &Scene<'_>,
    found: &mut Vec<Finding>,
    blocked: (Transport, u16),
    instead: &[u16],
    words: Words,
) {
    let groups = scene.groups(is_no_connection);
    let mut ways: BTreeMap<(Address, u16), Group<'_>> = BTreeMap::new();
    for (_, group) in groups.iter().filter(|(_, group)| (group.transport, group.port) == blocked) {
        for &client in group.clients.keys() {
            if scene.works_again(client, group) {
                continue;
            }
            for &port in instead {
                if let Some(working) = taken_instead(scene, client, group, port) {
                    add(scene, &mut ways, client, group.server, port, working);
                }
            }
        }
    }
    for ((server, _), group) in ways {
        let fill =
            |text: &str| text.replace("{clients}", &names(&group.clients)).replace("{server}", &server.to_string());
        let mut finding = group.finding(check, scene, Severity::Warning, Confidence::High);
        finding.title = fill(words.title);
        finding.meaning = fill(words.meaning);
        finding.remedy = fill(words.remedy);
        found.push(finding);
    }
}

fn is_no_connection(sign: Sign) -> bool {
    matches!(sign, Sign::Blocked(Outcome::Silent | Outcome::Refused | Outcome::Prohibited | Outcome::HalfOpen))
}

/// A session on another port that ran when the blocked one was tried, or began within a minute.
fn taken_instead<'a>(scene: &'a Scene<'_>, client: Address, blocked: &Group<'_>, port: u16) -> Option<&'a Working> {
    let path = Path { protocol: protocol::TCP, port, server: blocked.server, client };
    let working = scene.ledger.paths.working(&path)?;
    let in_time = working.first <= blocked.seen.last + Span::seconds(60) && blocked.seen.first <= working.last;
    in_time.then_some(working)
}

fn add<'a>(
    scene: &Scene<'a>,
    ways: &mut BTreeMap<(Address, u16), Group<'a>>,
    client: Address,
    server: Address,
    port: u16,
    working: &Working,
) {
    let seen = seen(working);
    match ways.entry((server, port)) {
        Entry::Occupied(mut entry) => {
            let group = entry.get_mut();
            group.clients.insert(client, Ports::of(&seen));
            group.seen += &seen;
        }
        Entry::Vacant(entry) => {
            let clients = BTreeMap::from([(client, Ports::of(&seen))]);
            let place = scene.map.place(Transport::Tcp, port);
            let service = place.and_then(|place| service_of(place, scene.map.at(place)));
            let rules = place.map_or(&[][..], |place| &scene.map.at(place).rules);
            let transport = Transport::Tcp;
            entry.insert(Group { server, transport, port, clients, seen, generic: false, service, rules });
        }
    }
}

fn seen(working: &Working) -> Seen {
    Seen {
        flows: working.flows,
        first: working.first,
        last: working.last,
        watched: working.last - working.first,
        evidence: BTreeSet::from([working.opener]),
        openers: BTreeSet::from([working.opener.at]),
        client_ports: BTreeSet::from([working.client_port]),
        tries: 1,
        errors: BTreeSet::new(),
        signs: BTreeSet::new(),
        vlans: BTreeSet::new(),
    }
}
