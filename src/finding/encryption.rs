//! What anybody on the way can read, and what is encrypted with a version of TLS that is no longer safe. Nothing here is broken, so all
//! of it is told last.

use super::scene::{Scene, address, any};
use super::{Check, Confidence, Finding, Params, Severity, Value};
use crate::ledger::{Incident, Known, NAMED_LIMIT, Seen, What};
use crate::matching::{Fit, ServiceRef};
use crate::packet::Address;
use crate::portmap::{Exposed, RuleId, Service, ServiceId};
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "encryption.plain-adc-sync",
        raised: "appliances synchronise without TLS",
        source: "facts F20",
        params: &["server_count", "service_title"],
        look: look_for_plain,
    },
    Check {
        code: "encryption.plain-ica",
        raised: "sessions run without TLS",
        source: "CTX230028; facts REC-04, CGP-16, HDX-03",
        params: &["server_count", "service_title"],
        look: look_for_plain,
    },
    Check {
        code: "encryption.plain-layering",
        raised: "App Layering is spoken to without TLS",
        source: "facts F86",
        params: &["server_count", "service_title"],
        look: look_for_plain,
    },
    Check {
        code: "encryption.plain-ldap",
        raised: "a name and a password are sent to LDAP without TLS",
        source: "RFC 4513, 6.3.3; facts F58",
        params: &["server_count", "service_title"],
        look: look_for_plain,
    },
    Check {
        code: "encryption.plain-recording",
        raised: "Session Recording is spoken to without TLS",
        source: "facts SREC-01, F51",
        params: &["server_count", "service_title"],
        look: look_for_plain,
    },
    Check {
        code: "encryption.plain-storefront",
        raised: "a store is asked for without TLS",
        source: "facts SF-01",
        params: &["server_count", "service_title"],
        look: look_for_plain,
    },
    Check {
        code: "encryption.plain-xml",
        raised: "the XML service or the ticket authority is asked without TLS",
        source: "facts F64",
        params: &["server_count", "service_title"],
        look: look_for_plain,
    },
    Check {
        code: "encryption.old-tls",
        raised: "a server chose TLS 1.1 or DTLS 1.0 or older",
        source: "RFC 8996; RFC 7568",
        params: &["server_count", "service_title", "version"],
        look: look_for_old_tls,
    },
];

/// Flows of one service, to whatever servers and ports.
struct Group {
    seen: Seen,
    servers: BTreeSet<Address>,
    ports: BTreeSet<(Transport, u16)>,
    confidence: Confidence,
}

impl Group {
    fn of(incident: &Incident, known: &Known, confidence: Confidence) -> Option<Group> {
        let transport = Transport::of_protocol(incident.path.protocol)?;
        Some(Group {
            seen: known.seen.clone(),
            servers: BTreeSet::from([incident.path.server]),
            ports: BTreeSet::from([(transport, incident.path.port)]),
            confidence,
        })
    }

    fn add(&mut self, other: Group) {
        self.seen += &other.seen;
        self.servers.extend(other.servers);
        self.ports.extend(other.ports);
        self.confidence = self.confidence.max(other.confidence);
    }

    /// One finding about all of them. Its port and its servers stand in no id: another capture may hold more of them.
    fn finding(self, check: &Check, scene: &Scene<'_>, service: Option<ServiceId>) -> Finding {
        let rules = service.map(|service| self.rules(scene, service)).unwrap_or_default();
        let sources = [check.source].into_iter().chain(scene.documents(&rules)).map(String::from).collect();
        let server_count = self.servers.len() as u64;
        let title = service.map(|service| scene.map.service(service).title.clone());
        let wireshark_filter = self.filter();
        Finding {
            sources,
            products: scene.products(&rules).into_iter().map(String::from).collect(),
            rules: rules.iter().map(|&rule| scene.map.rule(rule).id.clone()).collect(),
            servers: self.servers.into_iter().collect(),
            service: service.map(|service| scene.map.service(service).name.clone()),
            params: Params::from([
                ("server_count", Value::Number(server_count)),
                ("service_title", Value::Service(title)),
            ]),
            wireshark_filter,
            ..Finding::of(check, Severity::Info, self.confidence).showing(&self.seen)
        }
    }

    /// The rules that name these ports for this service.
    fn rules(&self, scene: &Scene<'_>, service: ServiceId) -> Vec<RuleId> {
        let at = |&(transport, port): &(Transport, u16)| {
            let place = scene.map.place(transport, port);
            let rules = place.map_or(&[][..], |place| &scene.map.at(place).rules);
            rules.iter().copied().filter(move |&rule| scene.map.rule(rule).service_over(transport) == service)
        };
        Vec::from_iter(self.ports.iter().flat_map(at).collect::<BTreeSet<RuleId>>())
    }

    /// A display filter: by the ports, and by the servers where there are few.
    fn filter(&self) -> String {
        let ports = self.ports.iter().map(|(transport, port)| format!("{}.port=={port}", transport.name())).collect();
        match self.servers.len() {
            1..=NAMED_LIMIT => format!("{} && {}", any(self.servers.iter().map(address).collect()), any(ports)),
            _ => any(ports),
        }
    }
}

/// One finding for each service of which this can be read.
fn look_for_plain(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let wanted = |exposed: &&Exposed| check.code.strip_prefix("encryption.plain-") == Some(exposed.name());
    let Some(&exposed) = Exposed::all().iter().find(wanted) else { return };
    let mut groups: BTreeMap<ServiceId, Group> = BTreeMap::new();
    for (incident, known) in scene.ledger.incidents.iter().filter(|(incident, _)| incident.what == What::Plain) {
        let Some((service, confidence)) = read_of(exposed, incident, known, scene) else { continue };
        let Some(group) = Group::of(incident, known, confidence) else { continue };
        match groups.get_mut(&service) {
            Some(known) => known.add(group),
            None => _ = groups.insert(service, group),
        }
    }
    found.extend(groups.into_iter().map(|(service, group)| group.finding(check, scene, Some(service))));
}

/// The service of which this could be read in these flows, and how sure that is.
fn read_of(exposed: Exposed, incident: &Incident, known: &Known, scene: &Scene<'_>) -> Option<(ServiceId, Confidence)> {
    let heard = if known.of > 0 { Confidence::High } else { Confidence::Medium };
    let is_exposed = |service: &Service| service.plain.as_ref().is_some_and(|plain| plain.exposed == exposed);
    if incident.path.client != Address::default() {
        // A name and a password were sent to a directory. Many programs do that; a host that is tied to Citrix speaks for it.
        let service = scene.map.service_exposed(Exposed::Ldap).filter(|_| exposed == Exposed::Ldap)?;
        let tied = scene.is_host_tied(incident.path.client) || scene.is_host_tied(incident.path.server);
        let sure = if tied { Confidence::High } else { Confidence::Low };
        return Some((service, sure));
    }
    let services = match incident.matching.service? {
        ServiceRef::One(service) => vec![service],
        ServiceRef::Shared(place) => scene.map.at(place).services.clone(),
    };
    // Of those that share the port, the one that is there for that.
    let here = |service: &&ServiceId| {
        let service = scene.map.service(**service);
        let plain = service.plain.as_ref().filter(|_| is_exposed(service));
        plain.is_some_and(|plain| {
            plain.ports.is_empty() || plain.ports.iter().any(|ports| ports.contains(&incident.path.port))
        })
    };
    services.iter().find(here).map(|&service| (service, heard))
}

/// One finding for each service, and one for flows that belong to none.
fn look_for_old_tls(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let mut groups: BTreeMap<Option<ServiceId>, (Group, u16)> = BTreeMap::new();
    for (incident, known) in scene.ledger.incidents.iter() {
        let What::OldTls(version) = incident.what else { continue };
        let matching = &incident.matching;
        // Any site of the internet may be old.
        let proved = matching.fit == Fit::Fits && matching.service.is_some();
        if !proved && scene.tie(incident.path.server).is_none() {
            continue;
        }
        let service = match matching.service {
            Some(ServiceRef::One(service)) => Some(service),
            Some(ServiceRef::Shared(_)) | None => None,
        };
        let Some(group) = Group::of(incident, known, Confidence::High) else { continue };
        match groups.get_mut(&service) {
            Some((known, oldest)) => {
                known.add(group);
                *oldest = older(*oldest, version);
            }
            None => _ = groups.insert(service, (group, version)),
        }
    }
    for (service, (group, version)) in groups {
        let mut finding = group.finding(check, scene, service);
        finding.params = finding.params.with("version", Value::Word(version_name(version)));
        found.push(finding);
    }
}

/// Versions of DTLS count down.
fn older(one: u16, other: u16) -> u16 {
    let age = |version: u16| if version >= DTLS_LEAST { (1, u16::MAX - version) } else { (0, version) };
    if age(other) < age(one) { other } else { one }
}

const DTLS_LEAST: u16 = 0xFE00;

fn version_name(version: u16) -> &'static str {
    match version {
        0x0302 => "tls-1-1",
        0x0301 => "tls-1-0",
        DTLS_LEAST.. => "dtls-1-0",
        _ => "ssl-3",
    }
}
