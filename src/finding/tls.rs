//! What TLS and DTLS say in the clear: alerts, hellos without an answer, plain text where TLS is due.

use super::scene::{Group, Scene, Tie};
use super::{Check, Confidence, Finding, Params, Severity, Value};
use crate::ledger::{Incident, Known, Naming, Pair, Path, What};
use crate::matching::Fit;
use crate::packet::{Address, protocol};
use crate::signature::{Protocol, alert_name, version_name};
use crate::time::Span;
use crate::transport::Transport;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "tls.alert",
        raised: "a fatal alert of TLS or DTLS in the clear ended the handshake",
        source: "RFC 8446, 6; RFC 5246, 7.2",
        params: &[
            "after",
            "after_ms",
            "again",
            "by",
            "citrix",
            "issuer",
            "name",
            "named",
            "number",
            "protocol",
            "server_name",
            "service_title",
            "stage",
            "subject",
            "timing",
            "version",
            "version_known",
        ],
        look: alerts,
    },
    Check {
        code: "tls.unanswered",
        raised: "the connection stands, and the server says nothing to a TLS hello or closes",
        source: "RFC 8446, 4.1.2",
        params: &["again", "citrix", "how", "named", "seen", "server_name", "service_title"],
        look: unanswered,
    },
    Check {
        code: "tls.mismatch",
        raised: "TLS is spoken to a server of plain text, or plain text to a server of TLS",
        source: "RFC 8446, 5.1; RFC 9112, 2.1",
        params: &["again", "citrix", "heard", "plain", "service_title", "spoken"],
        look: mismatches,
    },
];

/// Minimum number of servers of which the same is told in one line.
const MANY: usize = 4;

/// Incidents of one sort at one port of a server.
struct Case<'a> {
    group: Group<'a>,
    known: Known,
    /// The flows themselves belong to a service of Citrix, by their port or by what they say.
    citrix: bool,
}

/// How bad it is, how sure, and what is to be said beside it.
struct Weight {
    severity: Severity,
    confidence: Confidence,
    /// Clients that got further later.
    again: u64,
    /// What ties it to Citrix: these flows, other flows of the same hosts, or nothing.
    citrix: &'static str,
}

fn alerts(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let mut own = Vec::new();
    for (what, case) in cases(scene, |what| matches!(what, What::ClientAlert(_) | What::ServerAlert(_))) {
        let (by, number) = match what {
            What::ClientAlert(number) => ("client", number),
            What::ServerAlert(number) => ("server", number),
            _ => continue,
        };
        let Some(weight) = case.weight(scene) else { continue };
        let (group, known) = (&case.group, &case.known);
        let protocol = if group.transport == Transport::Udp { Protocol::Dtls } else { Protocol::Tls };
        let first = |naming| known.named(naming).next().unwrap_or_default();
        let stage = match by {
            "client" if !first(Naming::Issuer).is_empty() && !first(Naming::Subject).is_empty() => "certificate",
            "client" if !first(Naming::Subject).is_empty() => "subject",
            "client" => "answer",
            _ if known.of == 0 => "hello",
            _ => "client",
        };
        let after = known.spans.map(|(_, longest)| longest);
        let timing = match after {
            None => "unknown",
            Some(after) if after < Span::millis(1) => "at-once",
            Some(after) if after < Span::seconds(1) => "fast",
            Some(_) => "slow",
        };
        let after_ms = after.unwrap_or_default().0.div_euclid(Span::millis(1).0).unsigned_abs();
        let version = known.numbers.and_then(|(version, _)| version_name(u16::try_from(version).ok()?));
        let mut finding = group.finding(check, scene, weight.severity, weight.confidence);
        finding.params = Params::from([
            ("after", Value::Duration(after.unwrap_or_default())),
            ("after_ms", Value::Number(after_ms)),
            ("by", Value::Word(by)),
            ("issuer", Value::Text(first(Naming::Issuer).into())),
            ("name", Value::Text(alert_name(number).unwrap_or_default().into())),
            ("named", named(known)),
            ("number", Value::Number(number.into())),
            ("protocol", Value::Protocol(protocol)),
            ("server_name", Value::Text(first(Naming::Server).into())),
            ("stage", Value::Word(stage)),
            ("subject", Value::Text(first(Naming::Subject).into())),
            ("timing", Value::Word(timing)),
            ("version", Value::Text(version.unwrap_or_default().into())),
            ("version_known", Value::Word(if version.is_some() { "yes" } else { "no" })),
        ]);
        own.push(weight.told(finding, scene, group));
    }
    found.extend(together(own));
}

fn unanswered(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let mut own = Vec::new();
    for (what, case) in cases(scene, |what| matches!(what, What::HelloUnanswered | What::HelloClosed)) {
        let Some(mut weight) = case.weight(scene) else { continue };
        let Case { group, known, .. } = &case;
        let lacks = |&client: &Address| {
            scene.may_lack_packets(Pair::of(client, group.server), (group.seen.first, group.seen.last))
        };
        let unsure = scene.may_have_lost(group.seen.first, group.seen.last) || group.clients.keys().all(lacks);
        if unsure {
            weight.severity = weight.severity.min(Severity::Warning);
            weight.confidence = Confidence::Low;
        }
        let mut finding = group.finding(check, scene, weight.severity, weight.confidence);
        finding.params = Params::from([
            ("how", Value::Word(if what == What::HelloClosed { "closed" } else { "silent" })),
            ("named", named(known)),
            ("seen", Value::Word(if unsure { "in-part" } else { "whole" })),
            ("server_name", Value::Text(known.named(Naming::Server).next().unwrap_or_default().into())),
        ]);
        own.push(weight.told(finding, scene, group));
    }
    found.extend(together(own));
}

fn mismatches(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let mut own = Vec::new();
    for (what, case) in cases(scene, |what| matches!(what, What::TlsToPlain | What::PlainToTls)) {
        let Some(mut weight) = case.weight(scene) else { continue };
        let Case { group, known, .. } = &case;
        let spoken = known.named(Naming::Spoken).next().unwrap_or_default();
        let protocol = Protocol::all().iter().copied().find(|protocol| protocol.name() == spoken);
        let heard = protocol.unwrap_or(Protocol::Text);
        // It said nothing: the port alone tells what it wants.
        if what == What::PlainToTls && protocol.is_none() {
            let lacks = |&client: &Address| {
                scene.may_lack_packets(Pair::of(client, group.server), (group.seen.first, group.seen.last))
            };
            if group.clients.keys().all(lacks) {
                continue;
            }
            weight.severity = weight.severity.min(Severity::Warning);
            weight.confidence = weight.confidence.min(Confidence::Medium);
        }
        let mut finding = group.finding(check, scene, weight.severity, weight.confidence);
        finding.params = Params::from([
            ("heard", Value::Protocol(heard)),
            ("plain", Value::Word(if heard == Protocol::Text { "text" } else { "known" })),
            ("spoken", Value::Word(if what == What::TlsToPlain { "tls" } else { "plain" })),
        ]);
        own.push(weight.told(finding, scene, group));
    }
    found.extend(together(own));
}

/// The same on one port of many servers is told once, about all of them, where none is certainly of Citrix.
fn together(own: Vec<Finding>) -> Vec<Finding> {
    let mut told: BTreeMap<_, Vec<Finding>> = BTreeMap::new();
    for (place, finding) in own.into_iter().enumerate() {
        let params = |name| finding.params.get(name);
        let what = ["by", "number", "how", "spoken", "heard"].map(|name| format!("{:?}", params(name)));
        let certain = params("citrix") == Some(&Value::Word("certain"));
        told.entry((finding.port, finding.severity, what, certain.then_some(place))).or_default().push(finding);
    }
    told.into_values()
        .flat_map(|same| if same.len() < MANY { same } else { joined(same).into_iter().collect() })
        .collect()
}

/// The first with the servers, clients and flows of all, and nothing that is known of one alone.
fn joined(same: Vec<Finding>) -> Option<Finding> {
    let again = same.iter().filter_map(|finding| match finding.params.get("again") {
        Some(Value::Number(again)) => Some(*again),
        _ => None,
    });
    let again = again.sum();
    let mut same = same.into_iter();
    let mut all = same.next()?;
    let mut seen = all.seen.take()?;
    let mut filters = vec![format!("({})", all.wireshark_filter)];
    for other in same {
        *seen += other.seen.as_deref()?;
        filters.push(format!("({})", other.wireshark_filter));
        all.servers.extend(other.servers);
        all.clients.extend(other.clients);
        all.more_clients |= other.more_clients;
        all.filter_is_exact &= other.filter_is_exact;
        all.confidence = all.confidence.min(other.confidence);
    }
    all.clients.sort_unstable();
    all.clients.dedup();
    all.wireshark_filter = filters.join(" || ");
    let mut params = all.params.clone().with("again", Value::Number(again));
    for name in ["issuer", "server_name", "subject"].into_iter().filter(|name| all.params.get(name).is_some()) {
        params = params.with(name, Value::Text(String::new()));
    }
    for (name, word) in [("named", "no"), ("stage", "answer"), ("timing", "unknown")] {
        if all.params.get(name).is_some() {
            params = params.with(name, Value::Word(word));
        }
    }
    all.params = params;
    Some(all.showing(&seen))
}

/// Whether the client called the server by a name.
fn named(known: &Known) -> Value {
    Value::Word(if known.named(Naming::Server).next().is_some() { "yes" } else { "no" })
}

/// Incidents of the wanted sorts, by server, port and sort, in order.
fn cases<'a>(scene: &Scene<'a>, wanted: impl Fn(What) -> bool) -> Vec<(What, Case<'a>)> {
    let mut cases: BTreeMap<(Address, u8, u16, What), Case<'a>> = BTreeMap::new();
    for (incident, known) in scene.ledger.incidents.iter().filter(|(incident, _)| wanted(incident.what)) {
        let Incident { what, matching, path } = *incident;
        let Path { protocol, port, server, client } = path;
        // Another protocol than that of the port is a finding of its own.
        if matches!(matching.fit, Fit::Foreign(_)) {
            continue;
        }
        let citrix = matching.fit == Fit::Fits;
        match cases.entry((server, protocol, port, what)) {
            Entry::Occupied(mut entry) => {
                let case = entry.get_mut();
                case.group.add(client, &known.seen);
                case.known += known;
                case.citrix |= citrix;
            }
            Entry::Vacant(entry) => {
                let transport = if protocol == protocol::UDP { Transport::Udp } else { Transport::Tcp };
                let group = scene.group_of(transport, &path, known.seen.clone());
                entry.insert(Case { group, known: known.clone(), citrix });
            }
        }
    }
    cases.into_iter().map(|((.., what), case)| (what, case)).collect()
}

impl Case<'_> {
    /// None where it is not worth a word: web traffic that nothing ties to Citrix.
    fn weight(&self, scene: &Scene<'_>) -> Option<Weight> {
        let Case { group, citrix, .. } = self;
        let certain = *citrix || scene.tie(group.server) == Some(Tie::Name);
        // Clients of Citrix browse the internet like all others.
        let public = group.server.is_public();
        let tied = certain || scene.tie(group.server).is_some() || !public && scene.is_tied(group);
        let clients = group.clients.len();
        let (severity, confidence) = match tied {
            _ if certain => (Severity::Error, Confidence::High),
            true => (Severity::Warning, Confidence::Medium),
            false if public => return None,
            false if clients < 2 => (Severity::Info, Confidence::Low),
            false => (Severity::Warning, Confidence::Low),
        };
        let again = self.got_through(scene);
        let over = again == clients as u64;
        if over && !tied {
            return None;
        }
        let severity = if over { Severity::Info } else { severity };
        let citrix = match tied {
            _ if certain => "certain",
            true => "likely",
            false => "unknown",
        };
        Some(Weight { severity, confidence, again, citrix })
    }

    /// Clients that opened another connection to this port after the last of these had ended, and which was not one of them.
    fn got_through(&self, scene: &Scene<'_>) -> u64 {
        let later = |client: &Address| {
            let answers = self.group.path(*client).and_then(|path| scene.ledger.paths.answers(&path));
            let last = self.group.clients.get(client).map(|attempts| attempts.last);
            answers.zip(last).is_some_and(|(answers, last)| answers.last > last)
        };
        self.group.clients.keys().filter(|client| later(client)).count() as u64
    }
}

impl Weight {
    /// The finding with what is to be said of every one of these.
    fn told(self, finding: Finding, scene: &Scene<'_>, group: &Group<'_>) -> Finding {
        let params = finding
            .params
            .clone()
            .with("again", Value::Number(self.again))
            .with("citrix", Value::Word(self.citrix))
            .with("service_title", Value::Service(scene.service_title(group.place)));
        Finding { params, ..finding }
    }
}
