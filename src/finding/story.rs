//! Where the story of a host stops: which phase of a service was not answered, or did not follow. What the stories are stands in the
//! port map; what failed, in the findings before; what worked, in the ledger.

mod missing;

use super::roles::{Roles, is_tied, said};
use super::scene::{Group, Scene, address, any};
use super::{Check, Confidence, Finding, Name, Params, Severity, Value};
use crate::judge::{Outcome, Sign};
use crate::ledger::{Incident, Known, Path, Seen, What};
use crate::matching::Matching;
use crate::packet::{Address, protocol};
use crate::portmap::{Family, Opener, Phase, Story};
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[Check {
    code: "service.stopped",
    raised: "hosts got through the phases of a service up to one that was not answered, or did not follow",
    source: "the stories of the port map",
    params: &[
        "asked",
        "done",
        "done_count",
        "how",
        "opener",
        "phase",
        "ports",
        "remarks",
        "remedy",
        "stopped",
        "story",
        "subject",
        "subject_count",
        "subjects",
        "watched",
        "word",
    ],
    look,
}];

fn look(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let stories = scene.map.stories();
    let roles = Roles::new(scene);
    let failures = Failures::of(scene, found, &roles);
    let mut stops: BTreeMap<(usize, usize, How), Stop> = BTreeMap::new();
    if !failures.of_story.is_empty() {
        let answered = Answered::of(scene, &failures, &roles);
        for (&number, failed) in &failures.of_story {
            for (&subject, failed) in failed {
                let worked = answered.of_subject(number, subject);
                if let Some((phase, how)) = stops_at(&stories[number], failed, worked) {
                    let stop = stops.entry((number, phase, how)).or_default();
                    let alike = |it: &&Failure<'_>| it.how == how || !stories[number].phases[phase].each_server;
                    let mut failed = in_vain(&stories[number], phase, failed, worked);
                    failed.retain(alike);
                    let works =
                        |it: &Worked| it.phase == phase && failed.iter().all(|failure| it.server != failure.server);
                    let elsewhere = matches!(how, How::Error(Family::Http, _)) && worked.iter().any(works);
                    stop.elsewhere = Some(stop.elsewhere.unwrap_or(true) && elsewhere);
                    stop.add(subject, &failed, worked);
                }
            }
        }
    }
    for (number, story) in stories.iter().enumerate() {
        for phase in 0..story.phases.len() {
            missing::look(scene, story, phase, |subject| {
                failures.of_story.get(&number).is_some_and(|failed| failed.contains_key(&subject))
            })
            .into_iter()
            .for_each(|(next, stop)| _ = stops.insert((number, next, How::Missing), stop));
        }
    }
    let told: Vec<Finding> = stops
        .iter()
        .filter_map(|(&(number, phase, how), stop)| stop.finding(check, scene, &stories[number], (phase, how), found))
        .collect();
    found.extend(told);
}

/// Not every site needs what is blocked here, nobody gets through there, and the phase before works.
pub(super) fn is_unneeded(scene: &Scene<'_>, group: &Group<'_>) -> bool {
    let protocol = match group.transport {
        Transport::Tcp => protocol::TCP,
        Transport::Udp => protocol::UDP,
        Transport::Icmp => return false,
    };
    let paths = &scene.ledger.paths;
    let is_lesser = |(_, story, phase, part): (usize, &Story, usize, &Phase)| {
        let before = phase.checked_sub(1).and_then(|before| story.phases.get(before));
        let works = |before: &Phase| {
            let mut ports = before.ports.iter().cloned().flatten();
            let over = |port| before.transports.iter().map(move |&over| (number_of(over), port));
            ports.any(|port| over(port).any(|(over, port)| paths.is_answered_by(over, port, group.server)))
        };
        part.only_where_used && before.is_some_and(works) && !paths.is_answered(protocol, group.port)
    };
    parts(scene.map.stories(), (group.transport, group.port)).any(is_lesser)
}

/// How a phase fails. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum How {
    Silent,
    Refused,
    Prohibited,
    HalfOpen,
    Cut,
    Error(Family, u16),
    /// What came before was answered, and this was not even tried.
    Missing,
}

impl How {
    fn of(outcome: Outcome) -> Option<How> {
        match outcome {
            Outcome::Silent => Some(How::Silent),
            Outcome::Refused => Some(How::Refused),
            Outcome::Prohibited => Some(How::Prohibited),
            Outcome::HalfOpen => Some(How::HalfOpen),
            Outcome::ResetEarly => Some(How::Cut),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            How::Silent => "silent",
            How::Refused => "refused",
            How::Prohibited => "prohibited",
            How::HalfOpen => "half-open",
            How::Cut => "cut",
            How::Error(..) => "error",
            How::Missing => "missing",
        }
    }

    /// The code of the findings about such flows.
    fn code(self) -> &'static str {
        match self {
            How::Silent => "blocked.silent",
            How::Refused => "blocked.refused",
            How::Prohibited => "blocked.prohibited",
            How::HalfOpen => "blocked.half-open",
            How::Cut => "blocked.reset-early",
            How::Error(..) | How::Missing => "",
        }
    }
}

/// What a host tried in vain for one phase at one server.
#[derive(Clone, Copy)]
struct Failure<'a> {
    phase: usize,
    how: How,
    server: Address,
    port: (Transport, u16),
    first: Timestamp,
    last: Timestamp,
    /// What was said, or what else the server does, proves that it is about Citrix, although many programs use the port.
    proven: bool,
    /// The finding about it, by its place; none where it is an error.
    place: Option<usize>,
    /// The error, and what is known of it.
    error: Option<&'a Known>,
}

/// What failed, by the place of the story, and by the host whose story it is.
struct Failures<'a> {
    of_story: BTreeMap<usize, BTreeMap<Address, Vec<Failure<'a>>>>,
}

impl<'a> Failures<'a> {
    fn of(scene: &Scene<'a>, found: &[Finding], roles: &Roles<'_, 'a>) -> Failures<'a> {
        let stories = scene.map.stories();
        let mut failures = Failures { of_story: BTreeMap::new() };
        if stories.is_empty() {
            return failures;
        }
        let mut told = BTreeMap::new();
        for (place, finding) in found.iter().enumerate() {
            if let ([server], Some(port)) = (&finding.servers[..], finding.port) {
                told.insert((finding.code, port, *server), place);
            }
        }
        let mut tried = |outcome: Outcome, path: &Path, matching: &Matching, (first, last): (Timestamp, Timestamp)| {
            let (Some(how), Some(transport)) = (How::of(outcome), Transport::of_protocol(path.protocol)) else {
                return;
            };
            let Path { port, server, client, .. } = *path;
            let port = (transport, port);
            let told = told.get(&(how.code(), port, server)).copied();
            // Most likely another program's, where it is no more than good to know.
            let Some(place) = told.filter(|&place| found[place].severity > Severity::Info) else { return };
            for (number, story, phase, part) in parts(stories, port) {
                let (subject, server) = ends(part, server, client);
                // Where names matter, silence names none.
                let is_meant = part.names_of.is_none()
                    && !part.context
                    && (part.opener == Opener::Subject || roles.asked_shortly(part, subject, (first, last)));
                if is_meant && roles.hold((story, part), (subject, server), matching) {
                    let (proven, place, error) = (is_proven(part, matching), Some(place), None);
                    let failure = Failure { phase, how, server, port, first, last, proven, place, error };
                    failures.add(number, subject, failure);
                }
            }
        };
        for (sign, sighting, seen) in scene.host_by_host(is_blocked) {
            if let Sign::Blocked(outcome) = sign {
                tried(outcome, &sighting.path, &sighting.matching, (seen.first, seen.last));
            }
        }
        for (sign, target, crowd) in scene.crowded(is_blocked) {
            let (Sign::Blocked(outcome), Some(seen)) = (sign, crowd.seen()) else { continue };
            for &client in crowd.hosts() {
                let sighting = target.sighting(client);
                tried(outcome, &sighting.path, &sighting.matching, (seen.first, seen.last));
            }
        }
        failures.add_errors(scene, roles);
        failures
    }

    fn add(&mut self, story: usize, subject: Address, failure: Failure<'a>) {
        self.of_story.entry(story).or_default().entry(subject).or_default().push(failure);
    }

    /// Answers that stop a phase, where each flow that was answered there had one.
    fn add_errors(&mut self, scene: &Scene<'a>, roles: &Roles<'_, 'a>) {
        let stories = scene.map.stories();
        for (incident, known) in scene.ledger.incidents.iter() {
            let (Some((family, code)), Some(transport)) =
                (error_of(incident), Transport::of_protocol(incident.path.protocol))
            else {
                continue;
            };
            // TFTP was asked on its own port, wherever the answer came from (RFC 1350, 4).
            let of_tftp = matches!(family, Family::Tftp | Family::Stuck);
            let asked = Path { port: if of_tftp { 69 } else { incident.path.port }, ..incident.path };
            let Path { port, server, client, .. } = asked;
            let port = (transport, port);
            // Its answers come one by one from new ports; that it went on is told by what followed.
            let granted = !of_tftp && was_granted(scene, incident, family, known);
            for (number, story, phase, part) in parts(stories, port) {
                let (subject, server) = ends(part, server, client);
                let meant = part.errors.iter().any(|error| error.holds(family, code));
                let is_about_it = part.names_of.map_or(!granted, |service| roles.name_server_of(service, &known.names));
                // Phones and the like ask for files of their own.
                let is_about_it = is_about_it
                    && (family != Family::Tftp
                        || !known.names.is_empty()
                        || roles.uses_one(subject, &part.fails_at)
                        || scene.ledger.incidents.iter().any(|(lease, _)| is_boot_lease(lease, subject)));
                if meant && is_about_it && roles.hold((story, part), (subject, server), &incident.matching) {
                    let (first, last) = (known.seen.first, known.seen.last);
                    // It is read off the answer.
                    let (how, proven) =
                        (How::Error(family, code), is_proven(part, &incident.matching) || is_tied(story, part));
                    let (place, error) = (None, Some(known));
                    self.add(number, subject, Failure { phase, how, server, port, first, last, proven, place, error });
                }
            }
        }
    }
}

/// Something was answered there without this error, after it, or at least as often.
fn was_granted(scene: &Scene<'_>, incident: &Incident, family: Family, known: &Known) -> bool {
    // A path tells which requests are meant.
    let asked = scene.ledger.incidents.get(&Incident { what: What::AskedByPath, ..*incident });
    if let (What::HttpError(status), Some(asked)) = (incident.what, asked) {
        let (failed, answered) = (known.seen.flows, asked.seen.flows);
        return match status {
            // Whoever looks whether the service is there asks in a way that it does not take (RFC 9110, 15.5.6 and 15.5.7).
            405 | 406 => true,
            // The client asks for something else than others do.
            400..500 => failed < answered,
            _ => 2 * failed <= answered || asked.seen.began() > known.seen.began(),
        };
    }
    if let Some(asked) = asked {
        return asked.seen.began() > known.seen.began();
    }
    // Who asks Kerberos is told first to say who it is, in a conversation of its own (RFC 4120, 3.1.1).
    let each = if family == Family::Kerberos { 2 } else { 1 };
    let answers = scene.ledger.paths.answers(&incident.path);
    answers.is_some_and(|answers| answers.flows > each * known.seen.flows)
}

/// What was said, or what the server is known to have there, proves what the port does not.
fn is_proven(part: &Phase, matching: &Matching) -> bool {
    said(matching) || part.service.is_some() || !part.fails_at.is_empty()
}

fn is_blocked(sign: Sign) -> bool {
    matches!(sign, Sign::Blocked(_))
}

/// Phases at a port, with their places and with their stories.
fn parts(stories: &[Story], port: (Transport, u16)) -> impl Iterator<Item = (usize, &Story, usize, &Phase)> {
    stories.iter().enumerate().flat_map(move |(number, story)| {
        let here = story.phases.iter().enumerate().filter(move |(_, part)| part.is_at(port.0, port.1));
        here.map(move |(phase, part)| (number, story, phase, part))
    })
}

/// The host whose story it is, and its server.
fn ends(phase: &Phase, server: Address, client: Address) -> (Address, Address) {
    match phase.opener {
        Opener::Subject => (client, server),
        Opener::Server => (server, client),
    }
}

fn error_of(incident: &Incident) -> Option<(Family, u16)> {
    Some(match incident.what {
        What::HttpError(status) => (Family::Http, status),
        What::KerberosError(code) => (Family::Kerberos, code),
        What::NameError(code) => (Family::Dns, code.into()),
        What::TftpError(code) => (Family::Tftp, code),
        What::ClientAlert(number) | What::ServerAlert(number) => (Family::Alert, number.into()),
        What::HelloUnanswered | What::HelloClosed => (Family::NoHello, 0),
        What::TransferStuck => (Family::Stuck, 0),
        _ => return None,
    })
}

/// Addresses that were given: from the server of DHCP to whom the address belongs since.
fn leases<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (&'a Path, &'a Known)> {
    let is_lease = |(incident, _): &(&Incident, &Known)| matches!(incident.what, What::Lease | What::LeaseWithBootFile);
    scene.ledger.incidents.iter().filter(is_lease).map(|(incident, known)| (&incident.path, known))
}

/// The host was told by DHCP which file it boots.
fn is_boot_lease(incident: &Incident, host: Address) -> bool {
    incident.what == What::LeaseWithBootFile && incident.path.client == host
}

fn number_of(transport: Transport) -> u8 {
    if transport == Transport::Udp { protocol::UDP } else { protocol::TCP }
}

/// When a phase was answered.
#[derive(Clone, Copy)]
struct Worked {
    phase: usize,
    server: Address,
    first: Timestamp,
    last: Timestamp,
}

/// What worked for those for whom something failed, by story and host.
#[derive(Default)]
struct Answered(BTreeMap<(usize, Address), Vec<Worked>>);

impl Answered {
    fn of(scene: &Scene<'_>, failures: &Failures<'_>, roles: &Roles<'_, '_>) -> Answered {
        let stories = scene.map.stories();
        let mut answered = Answered::default();
        let mut enter = |path: &Path, first: Timestamp, last: Timestamp| {
            let Some(transport) = Transport::of_protocol(path.protocol) else { return };
            for (&story, failed) in &failures.of_story {
                for (phase, part) in
                    stories[story].phases.iter().enumerate().filter(|(_, it)| it.is_at(transport, path.port))
                {
                    let (subject, server) = ends(part, path.server, path.client);
                    // Who was told an error was answered, and did not get what it asked for.
                    let by_error = |it: &Failure<'_>| it.error.is_some() && it.phase == phase && it.server == server;
                    let is_none = failed.get(&subject).is_none_or(|failed| failed.iter().any(by_error));
                    if is_none || !roles.is_server(part, server, None) {
                        continue;
                    }
                    answered.0.entry((story, subject)).or_default().push(Worked { phase, server, first, last });
                }
            }
        };
        let paths = &scene.ledger.paths;
        for (path, known) in paths.iter() {
            let ended = known.working.map(|working| working.last);
            if let Some(answers) = known.answers {
                enter(path, answers.first, answers.last);
            } else if let Some((working, ended)) = known.working.zip(ended) {
                enter(path, working.first, ended);
            }
        }
        for (path, answers) in paths.generic() {
            enter(path, answers.first, answers.last);
        }
        leases(scene).for_each(|(path, known)| enter(path, known.seen.first, known.seen.last));
        answered
    }

    fn of_subject(&self, story: usize, subject: Address) -> &[Worked] {
        self.0.get(&(story, subject)).map_or(&[], Vec::as_slice)
    }
}

/// Where a story stops, and how: at the first phase that failed, and neither it nor a later one was answered since. What is optional is
/// passed over where it goes on.
fn stops_at(story: &Story, failed: &[Failure<'_>], worked: &[Worked]) -> Option<(usize, How)> {
    story.phases.iter().enumerate().find_map(|(phase, part)| {
        let here = in_vain(story, phase, failed, worked);
        let first = here.iter().map(|it| it.first).min()?;
        // Who is first seen in the middle of it may be long past the beginning.
        let begins = story.phases[..phase].iter().all(|before| before.optional);
        if !begins && !worked.iter().any(|it| it.phase < phase) {
            return None;
        }
        let tried_on = part.optional && failed.iter().any(|it| it.phase > phase && it.last >= first);
        if tried_on {
            return None;
        }
        // In the way that most servers show, the first of equals.
        let mut ways: BTreeMap<How, usize> = BTreeMap::new();
        here.iter().for_each(|it| *ways.entry(it.how).or_default() += 1);
        let most = ways.values().max().copied()?;
        ways.into_iter().find(|(_, servers)| *servers == most).map(|(how, _)| (phase, how))
    })
}

/// What failed in a phase, where neither it nor a later one was answered since. Where each server counts by itself, another one is no
/// substitute; where only some names are meant, an answer of the same phase may be about others.
fn in_vain<'f, 'a>(story: &Story, phase: usize, failed: &'f [Failure<'a>], worked: &[Worked]) -> Vec<&'f Failure<'a>> {
    let Some(part) = story.phases.get(phase) else { return Vec::new() };
    let here = || failed.iter().filter(move |it| it.phase == phase);
    let Some(begun) = here().map(|it| it.first).min() else { return Vec::new() };
    let went_on = |failure: &Failure<'_>| {
        let since = if part.each_server { failure.first } else { begun };
        let later = |it: &&Worked| it.phase > phase || it.phase == phase && part.names_of.is_none();
        let mut since = worked.iter().filter(|it| it.last >= since).filter(later);
        // A server that says no over HTTP is told, although another one says yes.
        let is_own = |it: &Worked| it.phase == phase && matches!(failure.how, How::Error(Family::Http, _));
        since.any(|it| !(part.each_server || is_own(it)) || it.server == failure.server)
    };
    here().filter(|failure| !went_on(failure)).collect()
}

/// Hosts whose story stops at one phase, in one way.
#[derive(Default)]
struct Stop {
    subjects: BTreeSet<Address>,
    servers: BTreeSet<Address>,
    ports: BTreeSet<(Transport, u16)>,
    /// Findings about it, by their places.
    places: BTreeSet<usize>,
    /// All of it is proven to be about Citrix, although many programs use the port.
    proven: Option<bool>,
    /// Each of them got it from another server.
    elsewhere: Option<bool>,
    /// What shows it besides.
    shown: Vec<(Path, Seen)>,
    /// How long nothing more came at least, where what has to follow is missing.
    watched: Option<Span>,
    /// Phases that worked for each of them.
    done: Option<BTreeSet<usize>>,
}

impl Stop {
    fn add(&mut self, subject: Address, failed: &[&Failure<'_>], worked: &[Worked]) {
        let last = failed.iter().map(|it| it.last).max();
        for failure in failed {
            let Failure { server, port: (transport, port), .. } = **failure;
            self.servers.insert(server);
            self.ports.insert((transport, port));
            self.places.extend(failure.place);
            self.proven = Some(self.proven.unwrap_or(true) && failure.proven);
            let path = Path { protocol: number_of(transport), port, server, client: subject };
            self.shown.extend(failure.error.map(|known| (path, known.seen.clone())));
        }
        self.subjects.insert(subject);
        let done: BTreeSet<usize> =
            worked.iter().filter(|it| last.is_some_and(|last| it.first <= last)).map(|it| it.phase).collect();
        self.done = Some(self.done.take().map_or(done.clone(), |known| known.intersection(&done).copied().collect()));
    }

    fn finding(
        &self,
        check: &Check,
        scene: &Scene<'_>,
        story: &Story,
        (phase, how): (usize, How),
        found: &[Finding],
    ) -> Option<Finding> {
        let part = story.phases.get(phase)?;
        let (mut finding, seen) = self.grounds(check, scene, found)?;
        // What the check names is the map itself.
        finding.sources.splice(..1, story.source.clone());
        let done = self.done.iter().flatten().filter(|done| **done < phase);
        let done: Vec<Name> = done.filter_map(|&done| Some(name_of(story.phases.get(done)?))).collect();
        let sentence = |text: Option<&String>| Value::Sentence(text.cloned().unwrap_or_default());
        let icmp: BTreeSet<&str> =
            self.places.iter().filter_map(|&place| word_of(found.get(place)?, "cause")).collect();
        let word = match how {
            How::Prohibited if icmp.len() == 1 => icmp.into_iter().collect(),
            How::Error(family, _) if !family.has_numbers() => family.name().to_string(),
            How::Error(family, number) => format!("{}-{number}", family.name()),
            _ => "none".into(),
        };
        let ports = self.in_order(part);
        let mut doubts = remarks(self.places.iter().map(|&place| &found[place]), self.proven == Some(true));
        doubts.extend((self.elsewhere == Some(true)).then_some("next-server"));
        let opener = if part.opener == Opener::Server { "server" } else { "subject" };
        let params = Params::from([
            ("asked", Value::Number(self.servers.len() as u64)),
            ("done_count", Value::Number(done.len() as u64)),
            ("done", Value::Several(done)),
            ("how", Value::Word(how.name())),
            ("opener", Value::Word(opener)),
            ("phase", Value::Named(name_of(part))),
            ("ports", Value::Ports(ports.iter().map(|(_, port)| *port).collect())),
            ("remarks", Value::Remarks(doubts)),
            ("remedy", sentence(part.remedy.as_ref())),
            ("stopped", sentence(story.stopped.as_ref().filter(|_| self.elsewhere != Some(true)))),
            ("story", Value::Named(Name { name: story.name.clone(), title: story.title.clone() })),
            ("subject", Value::Sentence(story.subject.clone())),
            ("subject_count", Value::Number(self.subjects.len() as u64)),
            ("subjects", Value::Sentence(story.subjects.clone())),
            ("watched", Value::Duration(self.watched.unwrap_or(seen.watched))),
            ("word", Value::Text(word)),
        ]);
        Some(Finding {
            params,
            clients: self.subjects.iter().copied().collect(),
            servers: self.servers.iter().copied().collect(),
            port: ports.first().copied(),
            wireshark_filter: self.filter(),
            filter_is_exact: false,
            ..finding.showing(&seen)
        })
    }

    /// A finding with all that those say on which it rests, and what was seen of them.
    fn grounds(&self, check: &Check, scene: &Scene<'_>, found: &[Finding]) -> Option<(Finding, Seen)> {
        let grounds: Vec<&Finding> = self.places.iter().filter_map(|&place| found.get(place)).collect();
        let mut seen: Option<Seen> = None;
        let mut add = |more: &Seen| match &mut seen {
            Some(seen) => *seen += more,
            None => seen = Some(more.clone()),
        };
        grounds.iter().filter_map(|ground| ground.seen.as_deref()).for_each(&mut add);
        self.shown.iter().for_each(|(_, seen)| add(seen));
        if let Some(ground) = grounds.first() {
            let severity = grounds.iter().map(|it| it.severity).max().unwrap_or(Severity::Info);
            // Nothing but the port speaks against it, and what was said speaks for it.
            let is_sure = self.proven == Some(true) && grounds.iter().any(|it| by_port_alone(it));
            let severity = if is_sure { Severity::Error } else { severity };
            let confidence = grounds.iter().map(|it| it.confidence).max().unwrap_or(Confidence::Low);
            let mut finding = Finding::of(check, severity, confidence);
            finding.more_clients = grounds.iter().any(|it| it.more_clients);
            finding.service = ground.service.clone();
            finding.rules = ground.rules.clone();
            finding.products = ground.products.clone();
            finding.sources.extend(ground.sources.iter().skip(1).cloned());
            return Some((finding, seen?));
        }
        let (path, shown) = self.shown.first()?;
        let group = scene.group_of(Transport::of_protocol(path.protocol)?, path, shown.clone());
        let missing = self.watched.is_some();
        // A single answer may be chance.
        let is_single =
            path.protocol == protocol::TCP && self.shown.iter().map(|(_, seen)| seen.flows).sum::<u64>() == 1;
        let is_sure = !is_single && self.elsewhere != Some(true) && (!group.generic || self.proven == Some(true));
        let severity = if is_sure && !missing { Severity::Error } else { Severity::Warning };
        let confidence = if missing { Confidence::Medium } else { Confidence::High };
        Some((group.finding(check, scene, severity, confidence), seen?))
    }

    /// The ports, as the phase names them.
    fn in_order(&self, part: &Phase) -> Vec<(Transport, u16)> {
        let mut ports: Vec<(Transport, u16)> = self.ports.iter().copied().collect();
        ports.sort_by_key(|(_, port)| part.ports.iter().position(|range| range.contains(port)));
        ports
    }

    /// Wireshark's display filter for these hosts and ports.
    fn filter(&self) -> String {
        let hosts = |hosts: &BTreeSet<Address>| any(hosts.iter().map(address).collect());
        let port = |(transport, port): &(Transport, u16)| format!("{}.port=={port}", transport.name());
        let ports = any(self.ports.iter().map(port).collect());
        [hosts(&self.subjects), hosts(&self.servers), ports].join(" && ")
    }
}

fn word_of(finding: &Finding, name: &str) -> Option<&'static str> {
    match finding.params.get(name) {
        Some(Value::Word(word)) => Some(word),
        _ => None,
    }
}

fn name_of(phase: &Phase) -> Name {
    Name { name: phase.name.clone(), title: phase.title.clone() }
}

/// What makes a finding less certain.
fn doubts_of(finding: &Finding) -> Vec<&'static str> {
    match finding.params.get("remarks") {
        Some(Value::Remarks(codes)) => codes.iter().copied().filter(|code| DOUBTS.contains(code)).collect(),
        _ => Vec::new(),
    }
}

/// Nothing makes it less certain but that many programs use the port.
fn by_port_alone(finding: &Finding) -> bool {
    finding.severity == Severity::Warning && doubts_of(finding).iter().all(|doubt| *doubt == "generic-port")
}

/// Remarks that say why a finding is no error.
const DOUBTS: [&str; 10] = [
    "answers-unknown",
    "one-direction",
    "lossy",
    "clock-leaps",
    "generic-port",
    "both-public",
    "neighbour",
    "only-where-used",
    "next-server",
    "port-is-open",
];

/// What makes the findings on which it rests less certain, where it is true of each. Where it is proven what the port is used for, that
/// many programs use it is nothing.
fn remarks<'a>(grounds: impl Iterator<Item = &'a Finding> + Clone, proven: bool) -> Vec<&'static str> {
    const TOLD: [&str; 5] = ["answers-unknown", "one-direction", "lossy", "clock-leaps", "generic-port"];
    let all = |code: &&str| grounds.clone().next().is_some() && grounds.clone().all(|it| doubts_of(it).contains(code));
    TOLD.into_iter().filter(|code| !(proven && *code == "generic-port")).filter(all).collect()
}
