//! Services that are slow and not down: the connection stands, the network is fast, and the answer comes late or never; or requests
//! have to be sent again.

use super::scene::{Group, Scene};
use super::{Check, Confidence, Finding, Params, Severity, Value};
use crate::ledger::{Incident, Known, Pair, Path, Seen, What};
use crate::matching::{Basis, Matching, ServiceRef};
use crate::packet::{Address, protocol};
use crate::portmap::ServiceId;
use crate::time::Span;
use crate::transport::Transport;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "service.slow",
        raised: "a server let clients wait longer for an answer than its service should, though the round trip is short",
        source: "RFC 9293, 3.8.6",
        params: &["fast_servers", "how", "longest", "network", "of", "rtt", "service_title", "times"],
        look: look_for_waits,
    },
    Check {
        code: "service.repeats",
        raised: "of the requests to a server, one in a hundred or more was sent again, while others were answered",
        source: "CTX117374",
        params: &["of", "other_clients", "other_repeated", "other_sent", "repeated", "service_title", "share", "who"],
        look: look_for_repeats,
    },
];

/// A wait of this number of round trips has another reason than the network: one answer takes one.
const ROUND_TRIPS: i64 = 5;
/// An answer to the hello of TLS that takes longer is late, whatever the service.
const HELLO: Span = Span::seconds(2);
/// Minimum time after which a client that closes without an answer has given up.
const GIVEN_UP: Span = Span::seconds(5);

/// How a server was slow. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Late,
    Hello,
    Never,
}

/// What is told of one service of a server.
struct Slow<'a> {
    group: Group<'a>,
    matching: Matching,
    times: u64,
    longest: Span,
    /// The shortest round trip that was seen: what the way takes where nothing is in it.
    round_trip: Option<Span>,
    /// Told by its port alone, which many programs use.
    generic: bool,
}

/// One service of one server: that is told once.
type Key = (ServiceId, How, u8, u16, Address);

impl How {
    fn name(self) -> &'static str {
        match self {
            How::Late => "late",
            How::Hello => "hello",
            How::Never => "never",
        }
    }
}

fn look_for_waits(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let mut slow: BTreeMap<Key, Slow<'_>> = BTreeMap::new();
    for (incident, known) in scene.ledger.incidents.iter() {
        let (Some((how, service)), Some((_, longest))) = (too_long(scene, incident, known), known.spans) else {
            continue;
        };
        let Incident { matching, path, .. } = *incident;
        // The name that the server was called by, or its other ports: clients of Citrix ask strangers as well.
        let is_tied = || match how {
            How::Hello => scene.tie(path.server).is_some(),
            _ => scene.is_tied(&group_of(scene, incident, known.seen.clone())),
        };
        let generic = matching.service.is_none();
        let round_trips = round_trips(scene, incident, known);
        let network = round_trips.is_some_and(|(_, slowest)| slowest.0 >= longest.0 / ROUND_TRIPS);
        if network || is_doubtful(scene, &path, &known.seen) || generic && !is_tied() {
            continue;
        }
        let new = || Slow {
            group: group_of(scene, incident, known.seen.clone()),
            matching,
            times: 0,
            longest: Span::default(),
            round_trip: None,
            generic,
        };
        let entry = match slow.entry((service, how, path.protocol, path.port, path.server)) {
            Entry::Occupied(entry) => {
                let entry = entry.into_mut();
                entry.group.add(path.client, &known.seen);
                entry
            }
            Entry::Vacant(entry) => entry.insert(new()),
        };
        entry.times += known.times;
        entry.longest = entry.longest.max(longest);
        let fastest = round_trips.map(|(fastest, _)| fastest);
        entry.round_trip = entry.round_trip.into_iter().chain(fastest).min();
        entry.generic &= generic;
    }
    let servers: BTreeSet<(ServiceId, Address)> = slow.keys().map(|&(service, .., server)| (service, server)).collect();
    for ((service, how, ..), slow) in slow {
        let (fast_servers, of) = beside(scene, service, &slow.group, &servers);
        let confidence = match slow.matching.basis {
            _ if slow.generic || slow.round_trip.is_none() => Confidence::Low,
            Basis::Signature => Confidence::High,
            _ => Confidence::Medium,
        };
        // A hello says nothing of the service: of all that may be on the port none is told.
        let title = match slow.generic && how == How::Hello {
            true => scene.service_title(slow.group.place),
            false => Some(scene.map.service(service).title.clone()),
        };
        let finding = slow.group.finding(check, scene, Severity::Warning, confidence);
        let params = Params::from([
            ("fast_servers", Value::Number(fast_servers)),
            ("how", Value::Word(how.name())),
            ("longest", Value::Duration(slow.longest)),
            ("network", Value::Word(if slow.round_trip.is_some() { "fast" } else { "unknown" })),
            ("of", Value::Number(of)),
            ("rtt", Value::Duration(slow.round_trip.unwrap_or_default())),
            ("service_title", Value::Service(title)),
            ("times", Value::Number(slow.times)),
        ]);
        found.push(Finding { params, ..finding });
    }
}

/// How long it took for a service of the map, where that is too long for it.
fn too_long(scene: &Scene<'_>, incident: &Incident, known: &Known) -> Option<(How, ServiceId)> {
    let how = match incident.what {
        What::Wait => How::Late,
        What::LateHello => How::Hello,
        What::WaitInVain => How::Never,
        _ => return None,
    };
    let (_, longest) = known.spans?;
    let service = service_of(scene, &incident.matching, how)?;
    let within = scene.map.service(service).answers_within.map(|millis| Span::millis(i64::from(millis)));
    let limit = match how {
        How::Late => within?,
        How::Hello => HELLO,
        How::Never => within?.max(GIVEN_UP),
    };
    (longest >= limit).then_some((how, service))
}

/// The one service that a flow is told to be of, or that is at home on its port. Of a hello any of them will do.
fn service_of(scene: &Scene<'_>, matching: &Matching, how: How) -> Option<ServiceId> {
    let at_home = |place| match scene.map.at(place).services[..] {
        [service] => Some(service),
        [first, ..] if how == How::Hello => Some(first),
        _ => None,
    };
    match matching.service {
        Some(ServiceRef::One(service)) => Some(service),
        Some(ServiceRef::Shared(place)) => at_home(place),
        None => at_home(matching.place?),
    }
}

/// The shortest round trip that was seen of these flows, and the longest; or else what half of all handshakes of the same service did
/// not exceed.
fn round_trips(scene: &Scene<'_>, incident: &Incident, known: &Known) -> Option<(Span, Span)> {
    let span = |micros: u64| Span::micros(i64::try_from(micros).unwrap_or(i64::MAX / 1_000));
    if let Some((shortest, longest)) = known.numbers {
        return Some((span(shortest), span(longest)));
    }
    let service = incident.matching.service?;
    let others = scene.ledger.round_trips.get(&Some(service)).filter(|_| incident.path.protocol == protocol::TCP)?;
    let typical = span(others.quantile(0.5));
    (others.count() > 0).then_some((typical, typical))
}

/// The answer may have come earlier: packets are missing, one direction is, or the clock leapt.
fn is_doubtful(scene: &Scene<'_>, path: &Path, seen: &Seen) -> bool {
    let times = (seen.first, seen.last);
    scene.ledger.holes.are_many()
        || scene.may_lack_packets(Pair::of(path.client, path.server), times)
        || scene.leaps(seen.first, seen.last)
}

/// The group of an incident; a service that was told by words is named by that, not by all that may be on the port.
fn group_of<'a>(scene: &Scene<'a>, incident: &Incident, seen: Seen) -> Group<'a> {
    let Incident { matching, path, .. } = incident;
    let transport = Transport::of_protocol(path.protocol).unwrap_or(Transport::Tcp);
    let mut group = scene.group_of(transport, path, seen);
    group.service = matching.service.or(group.service);
    group
}

/// How many other servers of the service answer on that port and are not slow, and how many flows worked at this one: where the port
/// is that of the service alone, or its flows are told by their words.
fn beside(
    scene: &Scene<'_>,
    service: ServiceId,
    group: &Group<'_>,
    slow: &BTreeSet<(ServiceId, Address)>,
) -> (u64, u64) {
    let (mut fast, mut flows) = (BTreeSet::new(), 0);
    let number = if group.transport == Transport::Udp { protocol::UDP } else { protocol::TCP };
    let by_port = scene.ledger.paths.iter().filter_map(|(path, answered)| Some((path, answered.working?.flows)));
    let by_words = scene.ledger.incidents.iter().filter(|(incident, _)| {
        let Incident { what, matching, .. } = incident;
        *what == What::Plain && matching.service == Some(ServiceRef::One(service)) && matching.port.generic
    });
    let by_words = by_words.map(|(incident, known)| (&incident.path, known.seen.flows));
    for (path, more) in by_port.chain(by_words).filter(|(path, _)| (path.protocol, path.port) == (number, group.port)) {
        if path.server == group.server {
            flows += more;
        } else if !slow.contains(&(service, path.server)) {
            fast.insert(path.server);
        }
    }
    (fast.len() as u64, flows)
}

/// Minimum number of repeated requests, and minimum share of all, one in this number: a few are lost in any network.
const REPEATED: u64 = 10;
const ONE_IN: u64 = 100;

/// The requests of one client to a service of a server.
#[derive(Clone, Copy, Default)]
struct Sent {
    sent: u64,
    repeated: u64,
}

impl Sent {
    fn is_bad(self) -> bool {
        self.repeated >= REPEATED && self.repeated * ONE_IN >= self.sent
    }

    fn with(self, other: Sent) -> Sent {
        Sent { sent: self.sent + other.sent, repeated: self.repeated + other.repeated }
    }
}

fn look_for_repeats(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    type Requests<'a> = BTreeMap<Address, (Sent, Vec<(&'a Incident, &'a Known)>)>;
    let mut servers: BTreeMap<(ServiceId, Address), Requests<'_>> = BTreeMap::new();
    for (incident, known) in scene.ledger.incidents.iter().filter(|(incident, _)| incident.what == What::Repeats) {
        let Some(service) = service_of(scene, &incident.matching, How::Late) else { continue };
        let clients = servers.entry((service, incident.path.server)).or_default();
        let (sent, incidents) = clients.entry(incident.path.client).or_default();
        *sent = sent.with(Sent { sent: known.of, repeated: known.times });
        incidents.push((incident, known));
    }
    for ((service, _), clients) in servers {
        let all = clients.values().fold(Sent::default(), |sum, (sent, _)| sum.with(*sent));
        let is_hit = |sent: Sent| sent.is_bad() || all.is_bad() && sent.repeated * ONE_IN >= sent.sent.max(1);
        let (hit, others): (Vec<_>, Vec<_>) = clients.into_values().partition(|(sent, _)| is_hit(*sent));
        let sum = |of: &[(Sent, Vec<_>)]| of.iter().fold(Sent::default(), |sum, (sent, _)| sum.with(*sent));
        let (of_hit, of_others) = (sum(&hit), sum(&others));
        if !of_hit.is_bad() {
            continue;
        }
        let who = match (hit.len(), others.len()) {
            (1, 0) => "only-client",
            (_, 0) => "all-clients",
            _ => "some-clients",
        };
        let mut groups: BTreeMap<Address, Group<'_>> = BTreeMap::new();
        for (incident, known) in hit.into_iter().flat_map(|(_, incidents)| incidents) {
            add_to_server(scene, &mut groups, incident, known);
        }
        let title = scene.map.service(service).title.clone();
        for group in groups.into_values() {
            let finding = group.finding(check, scene, Severity::Warning, Confidence::Medium);
            let params = Params::from([
                ("of", Value::Number(of_hit.sent)),
                ("other_clients", Value::Number(others.len() as u64)),
                ("other_repeated", Value::Number(of_others.repeated)),
                ("other_sent", Value::Number(of_others.sent)),
                ("repeated", Value::Number(of_hit.repeated)),
                ("service_title", Value::Service(Some(title.clone()))),
                ("share", Value::Share { part: of_hit.repeated, whole: of_hit.sent.max(1) }),
                ("who", Value::Word(who)),
            ]);
            found.push(Finding { params, ..finding });
        }
    }
}

/// One finding tells all ports of a service of a server.
fn add_to_server<'a>(scene: &Scene<'a>, groups: &mut BTreeMap<Address, Group<'a>>, incident: &Incident, known: &Known) {
    let Path { server, client, port, .. } = incident.path;
    match groups.entry(server) {
        Entry::Occupied(mut entry) => {
            let group = entry.get_mut();
            group.add(client, &known.seen);
            group.more_ports.extend([port, group.port]);
            group.port = group.port.min(port);
            group.more_ports.remove(&group.port);
        }
        Entry::Vacant(entry) => _ = entry.insert(group_of(scene, incident, known.seen.clone())),
    }
}
