//! Hosts that wait for a server which does not answer, before they ask the next one: it works, and takes long.

use super::roles::Roles;
use super::scene::{Attempts, Group, Scene};
use super::{Check, Confidence, Finding, Name, Severity, Value};
use crate::judge::{Outcome, Sign};
use crate::ledger::{Answers, Path};
use crate::packet::Address;
use crate::portmap::{Opener, Phase, Story};
use crate::time::Span;
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[Check {
    code: "service.detour",
    raised: "hosts waited for a server that did not answer, and the next one answered",
    source: "CTX117248; RFC 9293, 3.8.3",
    params: &[
        "exact",
        "instead",
        "phase",
        "service_title",
        "subject",
        "subject_count",
        "subjects",
        "tcp_ports",
        "udp_ports",
        "waited",
    ],
    look,
}];

/// Within this time after the last try the next server is asked: the longest schedule of a client is 131 seconds (facts GRACE-02).
const NEXT: Span = Span::seconds(131);

fn look(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let phases: Vec<(&Story, &Phase)> = scene
        .map
        .stories()
        .iter()
        .flat_map(|story| story.phases.iter().map(move |phase| (story, phase)))
        .filter(|(_, phase)| phase.next_server && phase.opener == Opener::Subject)
        .collect();
    let told: BTreeSet<_> = found.iter().filter(|it| it.code == "blocked.silent").filter_map(place_of).collect();
    if told.is_empty() {
        return;
    }
    let roles = Roles::new(scene);
    let mut answers: Option<Asked> = None;
    for (_, group) in scene.groups(|sign| sign == Sign::Blocked(Outcome::Silent)) {
        if !told.contains(&(group.server, (group.transport, group.port))) {
            continue;
        }
        for &(story, phase) in phases.iter().filter(|(_, phase)| phase.is_at(group.transport, group.port)) {
            let known = (group.service, !group.generic);
            let is_meant =
                |&(&client, _): &(&Address, &Attempts)| roles.hold_of((story, phase), (client, group.server), known);
            let hosts: Vec<(&Address, &Attempts)> = group.clients.iter().filter(is_meant).collect();
            if hosts.is_empty() {
                continue;
            }
            let answers = answers.get_or_insert_with(|| Asked::of(scene));
            let detour = Detour::of(&group, phase, &hosts, answers, &roles);
            found.extend(detour.map(|detour| detour.finding(check, scene, story, phase, &group)));
        }
    }
}

/// Each of the clients asked the next server after this one, which does not answer, and went on there.
pub(super) fn is_replaced(scene: &Scene<'_>, group: &Group<'_>) -> bool {
    let phases = scene.map.stories().iter().flat_map(|story| &story.phases);
    let mut phases = phases.filter(|phase| phase.next_server && phase.opener == Opener::Subject);
    if group.generic || group.more_clients || !phases.any(|phase| phase.is_at(group.transport, group.port)) {
        return false;
    }
    let paths = &scene.ledger.paths;
    group.clients.iter().all(|(&client, tries)| {
        let Some(Path { protocol, port, .. }) = group.path(client) else { return false };
        paths
            .answers_at(protocol, port)
            .any(|(path, answers)| path.client == client && path.server != group.server && is_next(tries, &answers))
    })
}

/// Another server answered after the first try, and soon.
fn is_next(tries: &Attempts, answers: &Answers) -> bool {
    answers.last >= tries.first && answers.first <= tries.last + NEXT
}

fn place_of(finding: &Finding) -> Option<(Address, (Transport, u16))> {
    match (&finding.servers[..], finding.port) {
        ([server], Some(port)) => Some((*server, port)),
        _ => None,
    }
}

/// What was answered to each host, by server and port.
struct Asked(BTreeMap<Address, Vec<(Path, Answers)>>);

impl Asked {
    fn of(scene: &Scene<'_>) -> Asked {
        let mut asked: BTreeMap<Address, Vec<(Path, Answers)>> = BTreeMap::new();
        let paths = &scene.ledger.paths;
        let specific = paths.iter().filter_map(|(path, known)| Some((*path, known.answers?)));
        for (path, answers) in specific.chain(paths.generic().map(|(path, answers)| (*path, *answers))) {
            asked.entry(path.client).or_default().push((path, answers));
        }
        Asked(asked)
    }
}

/// Hosts that waited for one server, and who answered them instead.
struct Detour {
    hosts: BTreeSet<Address>,
    instead: BTreeSet<Address>,
    /// The longest time from the first try to the answer of another server, where one answered for the first time then.
    waited: Option<Span>,
    /// The longest time from the first to the last SYN of one try.
    tried: Span,
}

impl Detour {
    fn of(
        group: &Group<'_>,
        phase: &Phase,
        hosts: &[(&Address, &Attempts)],
        asked: &Asked,
        roles: &Roles<'_, '_>,
    ) -> Option<Detour> {
        let mut detour =
            Detour { hosts: BTreeSet::new(), instead: BTreeSet::new(), waited: None, tried: Span::default() };
        for (host, tries) in hosts {
            for (path, answers) in asked.0.get(host).into_iter().flatten() {
                let Some(transport) = Transport::of_protocol(path.protocol) else { continue };
                let is_other = path.server != group.server
                    && phase.is_at(transport, path.port)
                    && (transport, path.port) == (group.transport, group.port);
                if !is_other || !is_next(tries, answers) || !roles.is_server(phase, path.server, None) {
                    continue;
                }
                detour.hosts.insert(**host);
                detour.tried = detour.tried.max(tries.last - tries.began);
                detour.instead.insert(path.server);
                if answers.first > tries.first {
                    detour.waited = detour.waited.max(Some(answers.first - tries.first));
                }
            }
        }
        (!detour.hosts.is_empty()).then_some(detour)
    }

    fn finding(self, check: &Check, scene: &Scene<'_>, story: &Story, phase: &Phase, group: &Group<'_>) -> Finding {
        let mut finding = group.finding(check, scene, Severity::Warning, Confidence::Medium);
        let (waited, exact) = match self.waited {
            Some(waited) => (waited, "answered"),
            None => (self.tried, "at-least"),
        };
        let ports = match group.transport {
            Transport::Udp => "udp_ports",
            Transport::Tcp | Transport::Icmp => "tcp_ports",
        };
        finding.params = finding
            .params
            .with("waited", Value::Duration(waited))
            .with("exact", Value::Word(exact))
            .with("instead", Value::Addresses(self.instead.into_iter().collect()))
            .with("phase", Value::Named(Name { name: phase.name.clone(), title: phase.title.clone() }))
            .with("service_title", Value::Service(scene.service_title(group.place)))
            .with("subject", Value::Sentence(story.subject.clone()))
            .with("subject_count", Value::Number(self.hosts.len() as u64))
            .with("subjects", Value::Sentence(story.subjects.clone()))
            .with(ports, Value::Ports(vec![group.port]));
        Finding { clients: self.hosts.into_iter().collect(), filter_is_exact: false, ..finding }
    }
}
