//! Packets that are too large for their path.

use super::scene::{Group, Scene};
use super::{Check, Confidence, Finding, Params, Severity, Value};
use crate::flow::Who;
use crate::ledger::{Incident, Known, Path, Rate, What};
use crate::packet::{Address, protocol};
use crate::transport::Transport;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "path.mtu",
        raised: "large packets of one side are sent again and again in vain over TCP or EDT, while the other side is heard and small ones arrive",
        source: "RFC 2923, 2.1; RFC 4821; CTX231821",
        params: &[
            "arrived",
            "icmp",
            "icmp_from",
            "mtu",
            "others",
            "outcome",
            "over",
            "sender",
            "service_title",
            "size",
            "times",
        ],
        look: look_for_holes,
    },
    Check {
        code: "path.fragments",
        raised: "EDT or Provisioning comes in fragments of IP",
        source: "RFC 8900, 3; CTX231821",
        params: &["fragmented", "packets", "service_title"],
        look: look_for_fragments,
    },
];

/// UDP ports of Provisioning, as installed.
const PROVISIONING: std::ops::RangeInclusive<u16> = 6_890..=6_969;
/// Minimum number of flows in which large packets vanish ...
const FLOWS: u64 = 2;
/// ... or of repetitions in vain in all.
const TIMES: u64 = 5;
/// Minimum number of packets in fragments that are told: one may be chance.
const FRAGMENTED: u64 = 3;

/// What is known of the large packets of one side, to one port of a server.
struct Hole<'a> {
    group: Group<'a>,
    transport: Transport,
    /// Of those that vanished, the smallest.
    size: u64,
    /// Of those that arrived in their place, the largest.
    arrived: u64,
    times: u64,
    /// Flows that went on with smaller packets.
    shrank: u64,
    /// Flows in which the other side was heard meanwhile.
    heard: u64,
    /// What devices on the way said, and how large a packet may be.
    told: BTreeSet<String>,
    mtu: u64,
}

fn look_for_holes(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let mut holes = BTreeMap::<(Address, Transport, u16, Who), Hole<'_>>::new();
    for (incident, known) in scene.ledger.incidents.iter() {
        let Some((sender, shrank)) = vanished(incident.what) else { continue };
        let Some((smallest, largest)) = known.numbers else { continue };
        // Larger ones arrived between the same two, on the same port: then it is not their size.
        let arrives = |rate: &Rate| rate.large[sender as usize] > 0;
        if !shrank && scene.ledger.losses.get(&incident.path).is_some_and(arrives) {
            continue;
        }
        let Some(transport) = Transport::of_protocol(incident.path.protocol) else { continue };
        let hole = holes.entry((incident.path.server, transport, incident.path.port, sender));
        let hole = match hole {
            Entry::Occupied(entry) => {
                let hole = entry.into_mut();
                hole.group.add(incident.path.client, &known.seen);
                hole
            }
            Entry::Vacant(entry) => entry.insert(Hole::new(scene, transport, incident, known)),
        };
        let flows = known.seen.flows;
        hole.times += known.times;
        match shrank {
            true => {
                hole.size = hole.size.min(largest);
                hole.arrived = hole.arrived.max(smallest);
                hole.shrank += flows;
            }
            false => {
                hole.size = hole.size.min(smallest);
                hole.heard += known.of.min(flows);
            }
        }
        hole.hear_of_errors(scene, incident);
    }
    found.extend(holes.into_iter().filter_map(|((.., sender), hole)| hole.finding(check, scene, sender)));
}

/// Whose large packets vanished, and whether smaller ones arrived in their place.
fn vanished(what: What) -> Option<(Who, bool)> {
    match what {
        What::ClientVanished => Some((Who::Client, false)),
        What::ServerVanished => Some((Who::Server, false)),
        What::ClientShrank => Some((Who::Client, true)),
        What::ServerShrank => Some((Who::Server, true)),
        _ => None,
    }
}

impl<'a> Hole<'a> {
    fn new(scene: &Scene<'a>, transport: Transport, incident: &Incident, known: &Known) -> Hole<'a> {
        let group = scene.group_of(transport, &incident.path, known.seen.clone());
        let (told, size) = (BTreeSet::new(), u64::MAX);
        Hole { group, transport, size, arrived: 0, times: 0, shrank: 0, heard: 0, told, mtu: 0 }
    }

    /// What ICMP said about these flows.
    fn hear_of_errors(&mut self, scene: &Scene<'_>, incident: &Incident) {
        let Some(said) = scene.ledger.incidents.get(&Incident { what: What::TooBig, ..*incident }) else { return };
        self.told.extend(said.names.iter().map(|name| name.to_string()));
        let named = said.numbers.map_or(0, |(smallest, _)| smallest);
        self.mtu = if self.mtu == 0 { named } else { self.mtu.min(named) };
    }

    fn finding(self, check: &Check, scene: &Scene<'_>, sender: Who) -> Option<Finding> {
        let Hole { group, transport, size, arrived, times, shrank, heard, told, mtu } = self;
        let flows = group.seen.flows;
        // Where nothing at all came back it may be a host that is gone.
        let shown = heard > 0 || shrank > 0 || !told.is_empty();
        if !shown || flows < FLOWS && times < TIMES && shrank == 0 {
            return None;
        }
        // The host that is told what would fit, and goes on with that, has done what it should.
        let stuck = flows - shrank.min(flows);
        // Over UDP nobody can see what was acknowledged: only who says so makes it certain.
        let proven = transport == Transport::Tcp || !told.is_empty();
        let severity = if stuck > 0 && proven { Severity::Error } else { Severity::Warning };
        let certain = shrank > 0 || mtu > 0 && mtu < size;
        let confidence = if certain { Confidence::High } else { Confidence::Medium };
        let others = others(scene, &group, sender);
        let params = Params::from([
            ("arrived", Value::Number(arrived)),
            (
                "icmp",
                Value::Word(if told.is_empty() {
                    "none"
                } else if mtu > 0 {
                    "named"
                } else {
                    "unnamed"
                }),
            ),
            ("icmp_from", Value::Text(told.into_iter().collect::<Vec<_>>().join(", "))),
            ("mtu", Value::Number(mtu)),
            ("others", Value::Number(others)),
            ("outcome", Value::Word(if stuck > 0 { "stuck" } else { "smaller" })),
            ("over", Value::Word(if transport == Transport::Udp { "udp" } else { "tcp" })),
            ("sender", Value::Word(if sender == Who::Client { "client" } else { "server" })),
            ("service_title", Value::Service(scene.service_title(group.place))),
            ("size", Value::Number(size)),
            ("times", Value::Number(times)),
        ]);
        Some(Finding { params, ..group.finding(check, scene, severity, confidence) })
    }
}

/// Other clients of the same server to or from which large packets of this side arrive.
fn others(scene: &Scene<'_>, group: &Group<'_>, sender: Who) -> u64 {
    let here = |path: &Path| path.server == group.server && !group.clients.contains_key(&path.client);
    let passes = scene.ledger.losses.iter().filter(|(path, rate)| here(path) && rate.large[sender as usize] > 0);
    passes.map(|(path, _)| path.client).collect::<BTreeSet<_>>().len() as u64
}

fn look_for_fragments(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let mut groups = BTreeMap::<(Address, u16), (Group<'_>, u64, u64)>::new();
    for (incident, known) in scene.ledger.incidents.iter().filter(|(incident, _)| incident.what == What::Fragments) {
        let path = &incident.path;
        if path.protocol != protocol::UDP || !is_hurt(path.port, scene) {
            continue;
        }
        match groups.entry((path.server, path.port)) {
            Entry::Occupied(mut entry) => {
                let (group, fragmented, packets) = entry.get_mut();
                group.add(path.client, &known.seen);
                *fragmented += known.times;
                *packets += known.of;
            }
            Entry::Vacant(entry) => {
                let group = scene.group_of(Transport::Udp, path, known.seen.clone());
                entry.insert((group, known.times, known.of));
            }
        }
    }
    for (group, fragmented, packets) in groups.into_values().filter(|(_, fragmented, _)| *fragmented >= FRAGMENTED) {
        let params = Params::from([
            ("fragmented", Value::Number(fragmented)),
            ("packets", Value::Number(packets)),
            ("service_title", Value::Service(scene.service_title(group.place))),
        ]);
        found.push(Finding { params, ..group.finding(check, scene, Severity::Warning, Confidence::High) });
    }
}

/// Fragments hurt: sessions over EDT, whose newer versions look for a size that fits (facts MTU-02, MTU-05), and Provisioning.
fn is_hurt(port: u16, scene: &Scene<'_>) -> bool {
    scene.map.session_ports(Transport::Udp).contains(&port) || port == 443 || PROVISIONING.contains(&port)
}
