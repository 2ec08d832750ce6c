//! What deserves attention in sessions as a whole: a long search for a way, and a device that forgets them.

use super::scene::{Group, Scene};
use super::{Check, Confidence, Finding, Params, Severity, Value};
use crate::flow::{Evidence, Note};
use crate::ledger::{Few, LATEST_LIMIT, NAMED_LIMIT, PORT_LIMIT, Seen};
use crate::packet::Address;
use crate::session::Part;
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "launch.slow",
        raised: "before a session came about, five seconds or more went by with ways that were blocked",
        source: "CTX104147, CTX230011",
        params: &["blocked_port", "blocked_transport", "longest", "sessions", "typical"],
        look: look_for_searches,
    },
    Check {
        code: "path.idle-timeout",
        raised: "three sessions or more on one port broke after the same time without traffic",
        source: "RFC 5382, 5; CTX200478",
        params: &["idle", "idle_longest", "others", "sessions", "spread"],
        look: look_for_timers,
    },
];

/// Minimum time that a search for a way takes to be told. A healthy client has EDT half a second ahead of TCP (facts ADP-04), and one
/// that tries EDT first gives up after two to five seconds (facts ADP-08): who blocks UDP is told that by a finding of its own.
const SLOW: Span = Span::seconds(5);
/// Minimum number of sessions that broke after the same time: two may be chance.
const ALIKE: usize = 3;

fn look_for_searches(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let mut groups = BTreeMap::<_, (Group<'_>, Vec<Span>)>::new();
    for session in scene.sessions.iter().filter(|session| session.alone) {
        let (Some(carrier), Some(failed)) = (session.carriers().next(), session.failed_first()) else { continue };
        let Some(searching) = session.searching().filter(|&searching| searching >= SLOW) else { continue };
        // Who tries the same way again looks for no other.
        if failed.port() == carrier.port() || is_lossy(scene, session.first(), carrier.step.first) {
            continue;
        }
        let key = (carrier.step.path.server, carrier.port(), failed.port());
        let mut seen = seen_of(carrier);
        seen.first = session.first().min(seen.first);
        seen.evidence.join(&[shown(failed)], NAMED_LIMIT);
        match groups.entry(key) {
            Entry::Occupied(mut entry) => {
                let (group, times) = entry.get_mut();
                group.add(carrier.step.path.client, &seen);
                times.push(searching);
            }
            Entry::Vacant(entry) => {
                entry.insert((scene.group_of(carrier.port().0, &carrier.step.path, seen), vec![searching]));
            }
        }
    }
    for ((_, _, (transport, port)), (group, mut times)) in groups {
        times.sort_unstable();
        let (typical, longest) = (times[times.len() / 2], times[times.len() - 1]);
        let params = Params::from([
            ("blocked_transport", Value::Transport(transport)),
            ("blocked_port", Value::Number(port.into())),
            ("sessions", Value::Number(times.len() as u64)),
            ("typical", Value::Duration(typical)),
            ("longest", Value::Duration(longest)),
        ]);
        let finding = group.finding(check, scene, Severity::Warning, Confidence::Medium);
        found.push(Finding { params, ..finding });
    }
}

/// Sessions on one port that broke after the same time without traffic.
pub(super) struct Timer<'a> {
    /// Transport and server's port.
    pub port: (Transport, u16),
    /// The shortest of these times, and the longest.
    pub idle: (Span, Span),
    /// The flows that carried them, the shortest time first.
    pub broken: Vec<&'a Part<'a>>,
    /// Others that broke after another time without traffic.
    others: usize,
}

/// For each port the idle time after which most sessions broke, if that is one time and enough sessions.
pub(super) fn timers<'a>(scene: &Scene<'a>) -> Vec<Timer<'a>> {
    let mut ports = BTreeMap::<(Transport, u16), Vec<(Span, &Part<'a>)>>::new();
    for session in scene.sessions {
        for part in session.carriers().filter(|part| part.step.ended.is_broken()) {
            let Some(idle) = part.step.idle() else { continue };
            if !is_lossy(scene, part.step.first, part.step.last) {
                ports.entry(part.port()).or_default().push((idle, part));
            }
        }
    }
    let timer = |(port, mut parts): (_, Vec<(Span, &'a Part<'a>)>)| {
        parts.sort_by_key(|(idle, part)| (*idle, part.opener));
        let windows = (0..parts.len()).map(|from| {
            let limit = Span(parts[from].0.0 + tolerance(parts[from].0).0);
            (from, parts.partition_point(|(idle, _)| *idle <= limit))
        });
        // The largest; of several the one with the shortest time.
        let (from, to) = windows.max_by_key(|&(from, to)| (to - from, Reverse(from)))?;
        if to - from < ALIKE {
            return None;
        }
        Some(Timer {
            port,
            idle: (parts[from].0, parts[to - 1].0),
            others: parts.len() - (to - from),
            broken: parts[from..to].iter().map(|&(_, part)| part).collect(),
        })
    };
    ports.into_iter().filter_map(timer).collect()
}

/// Maximum difference of idle times that are called equal: a fiftieth, as a device looks at its timers from time to time, and no less
/// than five seconds and no more than a minute.
fn tolerance(idle: Span) -> Span {
    Span(idle.0 / 50).clamp(Span::seconds(5), Span::seconds(60))
}

fn look_for_timers(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    for Timer { port, idle, broken, others } in timers(scene) {
        let Some(mut finding) = together(check, scene, port, broken.iter().copied()) else { continue };
        finding.params = Params::from([
            ("sessions", Value::Number(broken.len() as u64)),
            ("idle", Value::Duration(idle.0)),
            ("idle_longest", Value::Duration(idle.1)),
            ("others", Value::Number(others as u64)),
            // A hundredth is not told in words.
            ("spread", Value::Word(if idle.1.0 - idle.0.0 > idle.0.0 / 100 { "some" } else { "none" })),
        ]);
        found.push(finding);
    }
}

/// One warning about flows of sessions on one port, of one server or several; none about none.
pub(super) fn together<'a>(
    check: &Check,
    scene: &Scene<'a>,
    (transport, port): (Transport, u16),
    parts: impl Iterator<Item = &'a Part<'a>>,
) -> Option<Finding> {
    let mut groups = BTreeMap::<Address, Group<'_>>::new();
    for part in parts {
        let (path, seen) = (&part.step.path, seen_of(part));
        match groups.entry(path.server) {
            Entry::Occupied(mut entry) => entry.get_mut().add(path.client, &seen),
            Entry::Vacant(entry) => {
                entry.insert(scene.group_of(transport, path, seen));
            }
        }
    }
    let groups = groups.into_iter().map(|(server, group)| ((server, port), group)).collect();
    let finding = one_of(check, scene, groups)?;
    Some(Finding { port: Some((transport, port)), ..finding })
}

/// One warning about groups of flows, by server and port; with a port where all have the same. None about none.
pub(super) fn one_of<'a>(
    check: &Check,
    scene: &Scene<'a>,
    groups: BTreeMap<(Address, u16), Group<'a>>,
) -> Option<Finding> {
    let findings = groups.into_values().map(|group| group.finding(check, scene, Severity::Warning, Confidence::Medium));
    findings.reduce(joined)
}

/// One finding about what two tell of different servers.
fn joined(one: Finding, other: Finding) -> Finding {
    let (Some(mut seen), Some(more)) = (one.seen.clone(), &other.seen) else { return one };
    *seen += more;
    let all = |one: &[Address], other: &[Address]| BTreeSet::from_iter(one.iter().chain(other).copied());
    Finding {
        clients: all(&one.clients, &other.clients).into_iter().collect(),
        servers: all(&one.servers, &other.servers).into_iter().collect(),
        port: one.port.filter(|port| other.port == Some(*port)),
        service: one.service.clone().filter(|service| other.service.as_ref() == Some(service)),
        wireshark_filter: format!("({}) || ({})", one.wireshark_filter, other.wireshark_filter),
        filter_is_exact: one.filter_is_exact && other.filter_is_exact,
        ..one.showing(&seen)
    }
}

pub(super) fn is_lossy(scene: &Scene<'_>, first: Timestamp, last: Timestamp) -> bool {
    scene.may_have_lost(first, last) || scene.leaps(first, last)
}

/// The first packet of a flow.
fn shown(part: &Part<'_>) -> Evidence {
    let note = match part.port().0 {
        Transport::Tcp if part.is_begun() => Note::Syn(1),
        Transport::Udp => Note::Datagram(1),
        Transport::Tcp | Transport::Icmp => Note::First,
    };
    Evidence { at: part.opener, note }
}

/// What is seen of one flow of a session.
fn seen_of(part: &Part<'_>) -> Seen {
    let step = part.step;
    Seen {
        flows: 1,
        first: step.first,
        latest: Few::of([Reverse(step.first)], LATEST_LIMIT),
        begun: i128::from(step.first.0),
        last: step.last,
        watched: step.last - step.first,
        evidence: Few::of([shown(part)], NAMED_LIMIT),
        openers: Few::of([part.opener], NAMED_LIMIT),
        client_ports: Few::of([step.client_port], PORT_LIMIT),
        tries: 1,
        errors: Few::default(),
        signs: Few::default(),
        reset_after: None,
        vlans: Few::default(),
    }
}
