//! Sessions that work, but not the way they should: the better transport was blocked and the next one taken.

use super::{Check, Confidence, Finding, Scene, Severity, list};
use crate::classify::ServiceRef;
use crate::flow::Outcome;
use crate::ledger::{Carried, Seen, Session, SessionKind, Sign};
use crate::packet::Address;
use crate::portmap::Transport;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "fallback.cgp-to-ica",
        raised: "TCP 2598 is blocked between two hosts and a session runs on TCP 1494",
        source: "CTX104147",
        look: |check, scene, found| look(check, scene, found, (Transport::Tcp, 2598), &[SessionKind::Ica], CGP_TO_ICA),
    },
    Check {
        code: "fallback.edt-to-tcp",
        raised: "UDP 2598 or 1494 is blocked between two hosts and a session runs over TCP",
        source: "CTX220732, CTX220730, CTX230011",
        look: |check, scene, found| {
            for port in [1494, 2598] {
                look(check, scene, found, (Transport::Udp, port), &[SessionKind::Cgp, SessionKind::Ica], EDT_TO_TCP);
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
    instead: &[SessionKind],
    words: Words,
) {
    let mut pairs: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
    let groups = scene.groups(is_no_connection);
    for (_, group) in groups.iter().filter(|(_, group)| (group.transport, group.port) == blocked) {
        let fell_back =
            |client: &&Address| instead.iter().any(|&kind| session(scene, kind, **client, group.server).is_some());
        pairs.entry(group.server).or_default().extend(group.clients.iter().filter(fell_back));
    }
    pairs.retain(|_, clients| !clients.is_empty());
    for (server, clients) in pairs {
        let fill = |text: &str| text.replace("{clients}", &list(&clients)).replace("{server}", &server.to_string());
        let mut sessions = sessions(scene, &clients, server, instead).into_iter();
        let Some(mut finding) =
            sessions.next().map(|group| group.finding(check, scene, Severity::Warning, Confidence::High))
        else {
            continue;
        };
        for group in sessions {
            let more = group.finding(check, scene, Severity::Warning, Confidence::High);
            finding.flow_count += more.flow_count;
            finding.openers.extend(more.openers);
            finding.evidence.extend(more.evidence);
            finding.first = finding.first.min(more.first);
            finding.last = finding.last.max(more.last);
            finding.wireshark_filter = format!("({}) || ({})", finding.wireshark_filter, more.wireshark_filter);
        }
        finding.title = fill(words.title);
        finding.meaning = fill(words.meaning);
        finding.remedy = fill(words.remedy);
        found.push(finding);
    }
}

fn is_no_connection(sign: Sign) -> bool {
    matches!(sign, Sign::Blocked(Outcome::Silent | Outcome::Refused | Outcome::Prohibited | Outcome::HalfOpen))
}

fn session<'a>(scene: &'a Scene<'_>, kind: SessionKind, client: Address, server: Address) -> Option<&'a Carried> {
    scene.ledger.sessions.get(&Session { kind, client, server })
}

/// The sessions that were taken instead, towards this server and of these clients only, one group a port.
fn sessions(
    scene: &Scene<'_>,
    clients: &BTreeSet<Address>,
    server: Address,
    instead: &[SessionKind],
) -> Vec<super::Group> {
    let mut groups = Vec::new();
    for &kind in instead {
        let mut all: Option<Seen> = None;
        let mut who = BTreeSet::new();
        for &client in clients {
            let Some(carried) = session(scene, kind, client, server) else { continue };
            who.insert(client);
            let seen = seen(scene, kind, carried);
            match &mut all {
                Some(all) => *all += &seen,
                None => all = Some(seen),
            }
        }
        if let Some(seen) = all {
            groups.push(super::Group { server, transport: Transport::Tcp, port: kind.port(), clients: who, seen });
        }
    }
    groups
}

fn seen(scene: &Scene<'_>, kind: SessionKind, carried: &Carried) -> Seen {
    let service = scene.map.lookup(Transport::Tcp, kind.port()).and_then(|candidates| candidates.services.first());
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
