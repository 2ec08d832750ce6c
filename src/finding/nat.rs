//! Connections that were captured twice: before and behind a device that changes addresses.

use super::scene::{Group, Scene};
use super::{Check, Finding, Params, Severity, Value};
use crate::flow::{Evidence, Note};
use crate::ledger::{Opening, Path, TWINS_OF_ONE, Working};
use crate::packet::{Address, protocol};
use crate::time::Span;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[Check {
    code: "path.nat",
    raised: "a connection to a session port was captured twice with other addresses, before and behind a device that changes them",
    source: "RFC 3022, 2; RFC 6528",
    params: &["as", "broken", "fate", "kind", "service_title"],
    look,
}];

/// Maximum time between the two captured packets of one SYN: a device passes it on at once.
const AT_ONCE: Span = Span::millis(50);
/// Maximum number of routers between the two places of the capture.
const HOPS: u8 = 8;

/// Who appears as whom.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Translation {
    port: u16,
    /// The address that clients call the server by, and the server's own.
    server: (Address, Address),
    /// The address that the server knows its clients by; none where these keep theirs.
    client: Option<Address>,
}

/// What was seen of connections whose addresses were changed in the same way.
#[derive(Default)]
struct Seen<'a> {
    groups: BTreeMap<(Address, u16), Group<'a>>,
    /// Answered before the device and not behind it, and the other way round.
    only_before: u64,
    only_behind: u64,
    flows: u64,
}

fn look(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let mut translations = BTreeMap::<Translation, Seen<'_>>::new();
    for (drawn, openings) in scene.ledger.twins.iter() {
        let pairs = openings.windows(2).filter(|_| openings.len() < TWINS_OF_ONE);
        for (before, behind) in pairs.filter_map(|pair| changed(&pair[0], &pair[1])) {
            let client = Some(behind.client).filter(|client| *client != before.client);
            let server = (before.server, behind.server);
            let seen = translations.entry(Translation { port: drawn.port, server, client }).or_default();
            let path = Path { protocol: protocol::TCP, port: drawn.port, server: before.server, client: before.client };
            scene.add_working(&mut seen.groups, path, &working(before));
            seen.flows += 1;
            seen.only_before += u64::from(before.answered && !behind.answered);
            seen.only_behind += u64::from(!before.answered && behind.answered);
        }
    }
    found.extend(translations.into_iter().filter_map(|(translation, seen)| told(check, scene, translation, seen)));
}

/// Two openings with the same number are one connection where the second one comes at once, with other addresses, and has passed routers.
fn changed<'o>(before: &'o Opening, behind: &'o Opening) -> Option<(&'o Opening, &'o Opening)> {
    let other = (before.client, before.server) != (behind.client, behind.server);
    let hops = before.ttl.checked_sub(behind.ttl)?;
    (other && (1..=HOPS).contains(&hops) && behind.first - before.first <= AT_ONCE).then_some((before, behind))
}

/// The flow before the device, as much as is known of it.
fn working(opening: &Opening) -> Working {
    let &Opening { first, opener, client_port, .. } = opening;
    Working {
        flows: 1,
        first,
        began: first,
        last: first,
        opener: Evidence { at: opener, note: Note::Syn(1) },
        client_port,
    }
}

fn told(check: &Check, scene: &Scene<'_>, translation: Translation, seen: Seen<'_>) -> Option<Finding> {
    let Translation { server: (called, own), client, .. } = translation;
    let Seen { groups, only_before, only_behind, flows } = seen;
    let kind = match (client, called == own) {
        (Some(_), true) => "source",
        (Some(_), false) => "both",
        (None, _) => "destination",
    };
    let shown_as: BTreeSet<Address> = client.into_iter().chain(Some(own).filter(|own| *own != called)).collect();
    let (fate, broken) = match (only_before, only_behind) {
        (0, 0) => ("same", 0),
        (before, 0) => ("only-before", before),
        (0, behind) => ("only-behind", behind),
        (before, behind) => ("different", before + behind),
    };
    let title = groups.values().next().and_then(|group| scene.service_title(group.place));
    let finding = super::session::one_of(check, scene, groups)?;
    let params = Params::from([
        ("as", Value::Addresses(shown_as.into_iter().collect())),
        ("broken", Value::Number(broken)),
        ("fate", Value::Word(fate)),
        ("kind", Value::Word(kind)),
        ("service_title", Value::Service(title)),
    ]);
    Some(Finding { params, severity: Severity::Info, flow_count: flows, ..finding })
}
