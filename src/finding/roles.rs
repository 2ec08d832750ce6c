//! What the captures show of hosts: which services they answer for, which answered them, and by which names they are asked. So a port of
//! many programs may be known for what it is between these hosts.

use super::scene::Scene;
use crate::ledger::{Path, What};
use crate::matching::{Fit, Matching, ServiceRef};
use crate::packet::Address;
use crate::portmap::{Opener, Phase, PortMap, ServiceId, Story};
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// What hosts are known to be; looked up when it is first asked for.
pub(super) struct Roles<'s, 'a> {
    scene: &'s Scene<'a>,
    known: OnceCell<Known>,
}

#[derive(Default)]
struct Known {
    /// Hosts that answered for a service.
    serve: BTreeSet<(Address, ServiceId)>,
    /// Hosts that were answered.
    use_it: BTreeSet<(Address, ServiceId)>,
    /// The names by which servers are asked for a service.
    names: BTreeSet<(ServiceId, Box<str>)>,
    /// Who asked for a service by its path, with the first and the last time.
    asked_for: BTreeMap<(Address, ServiceId), Vec<(Timestamp, Timestamp)>>,
    /// Who asked for a path.
    asked: BTreeMap<Box<str>, BTreeSet<Address>>,
}

/// Maximum number of hosts of a site that ask for what only a few ask for: Gateways and StoreFront servers. Where more do, it tells nothing.
const FEW: usize = 16;

/// Within this time after a request its server calls back.
const CALLED_BACK: Span = Span::seconds(30);

/// Who asked whom by a path for a service that calls back.
#[derive(Default)]
struct Asked {
    /// Services that call back, and what those serve whom they call.
    services: BTreeMap<ServiceId, Vec<ServiceId>>,
    /// When a client asked a server first.
    first: BTreeMap<(ServiceId, Address, Address), Timestamp>,
    /// How many clients asked a server.
    clients: BTreeMap<(ServiceId, Address), usize>,
}

impl Asked {
    fn of(scene: &Scene<'_>) -> Asked {
        let mut asked = Asked::default();
        for story in scene.map.stories() {
            for phase in story.phases.iter().filter(|phase| phase.opener == Opener::Server) {
                phase.service.map(|service| asked.services.insert(service, story.subject_serves.clone()));
            }
        }
        for (incident, known) in scene.ledger.incidents.iter() {
            if let (What::AskedByPath, Some(ServiceRef::One(service))) = (incident.what, incident.matching.service) {
                let Path { client, server, .. } = incident.path;
                let first = asked.first.entry((service, client, server)).or_insert(known.seen.first);
                *first = known.seen.first.min(*first);
            }
        }
        asked.first.keys().for_each(|&(service, _, server)| *asked.clients.entry((service, server)).or_default() += 1);
        asked
    }

    /// A controller that calls back uses paths of its service as well, and whom it calls serves nobody. Who is asked first, or by more hosts,
    /// is the controller; who serves sessions is none.
    fn is_back(&self, known: &Known, service: ServiceId, path: &Path) -> bool {
        let Some(subject_serves) = self.services.get(&service) else { return false };
        let Path { client, server, .. } = *path;
        let first = |client, server| self.first.get(&(service, client, server));
        let clients = |host| self.clients.get(&(service, host)).copied().unwrap_or(0);
        match (first(client, server), first(server, client)) {
            (Some(this), Some(other)) => other < this,
            _ => {
                clients(client) > clients(server)
                    || subject_serves.iter().any(|session| known.serve.contains(&(server, *session)))
            }
        }
    }
}

impl<'s, 'a> Roles<'s, 'a> {
    pub fn new(scene: &'s Scene<'a>) -> Roles<'s, 'a> {
        Roles { scene, known: OnceCell::new() }
    }

    fn known(&self) -> &Known {
        self.known.get_or_init(|| {
            let (mut known, map) = (Known::default(), self.scene.map);
            let paths = &self.scene.ledger.paths;
            let asked_about = asked_about(map.stories());
            // There may be very many paths, and those of one port stand together.
            let (mut port, mut told) = (None, Vec::new());
            for path in paths.iter().map(|(path, _)| path).chain(paths.generic().map(|(path, _)| path)) {
                if port.replace((path.protocol, path.port)) != Some((path.protocol, path.port)) {
                    told = tells(map, path).iter().copied().filter(|it| asked_about.contains(it)).collect();
                }
                known.serve.extend(told.iter().map(|&service| (path.server, service)));
                known.use_it.extend(told.iter().map(|&service| (path.client, service)));
            }
            let by_path = Asked::of(self.scene);
            for (incident, asked) in self.scene.ledger.incidents.iter() {
                if let (What::AskedByPath, Some(ServiceRef::One(service))) = (incident.what, incident.matching.service)
                {
                    if by_path.is_back(&known, service, &incident.path) {
                        continue;
                    }
                    let times = (asked.seen.first, asked.seen.last);
                    known.asked_for.entry((incident.path.client, service)).or_default().push(times);
                    known.serve.insert((incident.path.server, service));
                    known.use_it.insert((incident.path.client, service));
                    for name in &asked.names {
                        if name.starts_with('/') {
                            known.asked.entry(name.clone()).or_default().insert(incident.path.client);
                        } else {
                            known.names.insert((service, name.clone()));
                        }
                    }
                }
            }
            known
        })
    }

    /// Flows like these between these hosts belong to the phase. On a port that many programs use something has to show it: what was said,
    /// or what the hosts are.
    pub fn hold(&self, part: (&Story, &Phase), hosts: (Address, Address), matching: &Matching) -> bool {
        let is_told = !matching.port.generic || said(matching);
        self.hold_of(part, hosts, (matching.service, is_told))
            && (said(matching) || self.serves_one(hosts.1, &part.1.fails_at))
    }

    /// The host answers for one of these services, or any may be meant.
    fn serves_one(&self, host: Address, services: &[ServiceId]) -> bool {
        services.is_empty() || services.iter().any(|service| self.known().serve.contains(&(host, *service)))
    }

    /// The host was answered by one of these services.
    pub fn uses_one(&self, host: Address, services: &[ServiceId]) -> bool {
        services.iter().any(|service| self.known().use_it.contains(&(host, *service)))
    }

    /// The same of flows that tell this service; or the port or their payload do, or nothing does.
    pub fn hold_of(
        &self,
        (story, phase): (&Story, &Phase),
        (subject, server): (Address, Address),
        (told, is_told): (Option<ServiceRef>, bool),
    ) -> bool {
        (is_told || is_tied(story, phase))
            && self.is_server(phase, server, told)
            && self.is_subject(story, subject)
            && phase.asked_before.as_deref().is_none_or(|path| self.asked(subject, path))
    }

    /// The host asked for this path, as few hosts did.
    fn asked(&self, host: Address, path: &str) -> bool {
        self.known().asked.get(path).is_some_and(|hosts| hosts.len() <= FEW && hosts.contains(&host))
    }

    /// Who is called back in this phase asked for its service shortly before. What names no service is called whenever it is.
    pub fn asked_shortly(&self, phase: &Phase, host: Address, (first, last): (Timestamp, Timestamp)) -> bool {
        phase.service.is_none_or(|service| {
            let asked = self.known().asked_for.get(&(host, service));
            asked.into_iter().flatten().any(|(began, ended)| *began <= last && *ended + CALLED_BACK >= first)
        })
    }

    /// The host is known to be what the story is about. One of its signs is enough.
    fn is_subject(&self, story: &Story, host: Address) -> bool {
        let Story { subject_serves, subject_uses, .. } = story;
        let serves = |service: &ServiceId| self.known().serve.contains(&(host, *service));
        let uses = |service: &ServiceId| self.known().use_it.contains(&(host, *service));
        subject_serves.is_empty() && subject_uses.is_empty()
            || subject_serves.iter().any(serves)
            || subject_uses.iter().any(uses)
    }

    /// The host serves what this phase asks for: the flows say so, or where they say nothing, others were answered.
    pub fn is_server(&self, phase: &Phase, host: Address, told: Option<ServiceRef>) -> bool {
        let serves = |service: &ServiceId| self.known().serve.contains(&(host, *service));
        match (phase.service, told) {
            (Some(service), Some(told)) => told == ServiceRef::One(service),
            (Some(service), None) => serves(&service) || phase.server_serves.iter().any(serves),
            (None, _) => self.serves_one(host, &phase.server_serves),
        }
    }

    /// One of the names in an error is that of a server of this service. Kerberos writes what is asked for before it: `host/ddc1.example`.
    pub fn name_server_of(&self, service: ServiceId, names: &BTreeSet<Box<str>>) -> bool {
        let host = |name: &str| Box::from(name.split_once('/').map_or(name, |(_, host)| host));
        names.iter().any(|name| self.known().names.contains(&(service, host(name))))
    }
}

/// Services of which stories ask who serves them, or who uses them.
fn asked_about(stories: &[Story]) -> BTreeSet<ServiceId> {
    let of_phase = |phase: &Phase| {
        phase.service.iter().chain(&phase.server_serves).chain(&phase.fails_at).copied().collect::<Vec<_>>()
    };
    let of_story = |story: &Story| {
        let subject = story.subject_serves.iter().chain(&story.subject_uses).copied();
        subject.chain(story.phases.iter().flat_map(of_phase)).collect::<Vec<_>>()
    };
    stories.iter().flat_map(of_story).collect()
}

/// The services of the port of a path. Where several share a port of many programs, it tells nothing.
fn tells<'m>(map: &'m PortMap, path: &Path) -> &'m [ServiceId] {
    let place = Transport::of_protocol(path.protocol).and_then(|transport| map.place(transport, path.port));
    let there = place.map(|place| map.at(place)).filter(|there| !there.generic || there.services.len() == 1);
    there.map_or(&[], |there| &there.services)
}

/// First words prove what a port of many programs does not.
pub(super) fn said(matching: &Matching) -> bool {
    matching.port.generic && matching.fit == Fit::Fits
}

/// Something other than the port ties a phase to its story.
pub(super) fn is_tied(story: &Story, phase: &Phase) -> bool {
    phase.service.is_some()
        || !(story.subject_serves.is_empty()
            && story.subject_uses.is_empty()
            && phase.server_serves.is_empty()
            && phase.fails_at.is_empty())
}
