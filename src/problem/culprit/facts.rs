//! What signs are looked for in: the findings of a problem that are sure, and what is known of their servers.

use super::{Form, told};
use crate::finding::{Finding, IcmpFamily, IcmpKind, Params, Scene, Value};
use crate::flow::{PacketRef, Sender};
use crate::ledger::{Answers, Reply, Seen, Speaker, Voice};
use crate::packet::{Address, protocol};
use crate::problem::replies::Replies;
use crate::problem::{Suspect, Told};
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of paths to one port in one network that are looked at; where there are more, nothing is told of them.
const PATHS_LOOKED_AT: usize = 10_000;
/// Maximum mean time between the answers of a server, beside the time of a problem, that tells something about it.
const NEAR: Span = Span::seconds(600);
/// How long before a problem and after it neighbours may have answered to be compared with it.
const ABOUT: Span = Span::seconds(60);

/// What signs are looked for in: the findings of one form, and what is known of their servers.
pub(super) struct Facts<'a> {
    pub(super) form: Form,
    pub(super) transport: Transport,
    pub(super) servers: Vec<Facet<'a>>,
    /// More servers answer than are remembered.
    pub(super) forgotten: bool,
    /// The only client, where it gets no answer from any server, whatever it tries.
    pub(super) unanswered: Option<Address>,
    /// There was too much to remember everybody who was heard.
    pub(super) unheard_unknown: bool,
}

/// One finding, and what is known of its server.
pub(super) struct Facet<'a> {
    pub(super) finding: &'a Finding,
    pub(super) seen: &'a Seen,
    pub(super) server: Address,
    pub(super) requests: u64,
    /// It sent something at any time, whatever it was.
    pub(super) heard: bool,
    /// It sent something in the meantime or right before.
    pub(super) up: bool,
    /// Sessions on this very port that began before and went on after.
    pub(super) old_sessions: u64,
    /// This very port answered somebody before.
    pub(super) listened: bool,
    /// It answered on another port: in the meantime, or before and after.
    pub(super) alive: Option<(Alive, (Transport, u16))>,
    /// Other clients that the port of the server answered in the meantime.
    pub(super) others: BTreeSet<Address>,
    /// Clients that fail at this port of the server and were answered there as well: in the meantime or afterwards.
    pub(super) these: usize,
    /// Networks of clients of which one was answered on this port at any time.
    pub(super) answered_networks: BTreeSet<Address>,
    /// Other servers of the same network that answered clients of the same networks on this port in the meantime.
    pub(super) neighbours: BTreeSet<Address>,
    /// There were more paths than are looked at.
    pub(super) cut: bool,
    pub(super) voices: Vec<(&'a Speaker, &'a Voice)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alive {
    BeforeAndAfter,
    Meanwhile,
}

impl<'a> Facts<'a> {
    pub(super) fn of(scene: &'a Scene<'_>, replies: &Replies, form: Form, findings: Vec<&'a Finding>) -> Facts<'a> {
        let transport = findings.first().and_then(|finding| finding.port);
        let servers: Vec<Facet<'_>> =
            findings.iter().filter_map(|finding| Facet::of(scene, replies, finding)).collect();
        let unanswered = the_unanswered(scene, replies, form, &findings);
        let transport = transport.map_or(Transport::Icmp, |(transport, _)| transport);
        let ledger = scene.ledger;
        let unheard_unknown = ledger.neighbours.incomplete || ledger.visibility.hosts().unlisted > 0;
        Facts { form, transport, servers, forgotten: ledger.voices.incomplete, unheard_unknown, unanswered }
    }

    /// Who can be behind it at all.
    pub(super) fn suspects(&self) -> &'static [Suspect] {
        use Suspect::{ClientHost, HostFirewall, Middlebox, NetworkPath, Server};
        match self.unanswered {
            Some(_) => &[Server, HostFirewall, Middlebox, NetworkPath, ClientHost],
            None => self.form.suspects(),
        }
    }

    /// Some of the servers answered on other ports in the meantime, or all of them were heard of.
    pub(super) fn is_alive(&self) -> bool {
        self.servers.iter().any(|it| it.alive.is_some()) || self.servers.iter().all(|it| it.up)
    }

    /// Each of the servers answered on a port before, on which it does not now.
    pub(super) fn listened(&self) -> bool {
        self.by_server().values().all(|all| all.iter().any(|it| it.listened || it.old_sessions > 0))
    }

    /// What is known of each server, on one port or on several.
    pub(super) fn by_server(&self) -> BTreeMap<Address, Vec<&Facet<'a>>> {
        let mut servers = BTreeMap::<_, Vec<_>>::new();
        self.servers.iter().for_each(|it| servers.entry(it.server).or_default().push(it));
        servers
    }

    /// Something holds of each server, on one port at least.
    pub(super) fn each_server(&self, holds: impl Fn(&Facet<'_>) -> bool) -> bool {
        !self.servers.is_empty() && self.by_server().values().all(|all| all.iter().any(|it| holds(it)))
    }

    /// The servers answered only those of their own network, whom no device on the way keeps from them, and failed others.
    pub(super) fn answers_beside_only(&self) -> bool {
        self.servers.iter().all(|it| {
            let beside = |client: &Address| client.network() == it.server.network();
            it.others.iter().all(beside) && !it.finding.clients.iter().any(beside)
        })
    }

    /// Resets, each with what its server sends there.
    pub(super) fn resets(&self) -> impl Iterator<Item = (&Facet<'a>, Reset)> {
        self.servers.iter().flat_map(|it| it.resets().map(move |reset| (it, reset)))
    }

    /// What holds of every reset that can be compared, where there is one.
    pub(super) fn every<T>(
        &self,
        compare: impl Fn(&Reset, &Voice) -> Option<bool>,
        show: impl FnOnce(&[Pairing]) -> T,
    ) -> Option<T> {
        let mut pairs = Vec::new();
        for (it, reset) in self.resets() {
            let Some(own) = it.own(reset.at.capture) else { continue };
            match compare(&reset, &own) {
                Some(true) => pairs.push((reset, own)),
                Some(false) => return None,
                None => {}
            }
        }
        (!pairs.is_empty()).then(|| show(&pairs))
    }

    /// What could not be looked into.
    pub(super) fn open(&self) -> Vec<Told> {
        let mut open = Vec::new();
        let resets = matches!(self.form, Form::Refused | Form::ResetEarly);
        let compared = self.resets().any(|(it, reset)| it.own(reset.at.capture).is_some());
        if resets && !compared {
            open.push(told("doubt-no-comparison"));
        }
        if self.forgotten {
            open.push(told("doubt-many-servers"));
        }
        open
    }

    /// The address of a suspect, where there is one.
    pub(super) fn address(&self, kind: Suspect) -> Option<Address> {
        let only = |addresses: BTreeSet<Address>| addresses.first().copied().filter(|_| addresses.len() == 1);
        match kind {
            Suspect::Server | Suspect::HostFirewall => only(self.servers.iter().map(|it| it.server).collect()),
            Suspect::Middlebox => only(self.senders(|it, error| error.sender != it.server)),
            Suspect::ClientHost => {
                only(self.servers.iter().flat_map(|it| it.finding.clients.iter().copied()).collect())
            }
            Suspect::NetworkPath | Suspect::Unknown => None,
        }
    }

    /// Who sent ICMP errors of a sort.
    pub(super) fn senders(&self, wanted: impl Fn(&Facet<'_>, &Rejection) -> bool) -> BTreeSet<Address> {
        let errors = self.servers.iter().flat_map(|it| it.errors().map(move |error| (it, error)));
        errors.filter(|(it, error)| wanted(it, error)).map(|(_, error)| error.sender).collect()
    }

    /// All ICMP errors, if every one is of a sort: who sent them and what they say.
    pub(super) fn errors(&self, wanted: impl Fn(&Facet<'_>, &Rejection) -> bool) -> Option<Params> {
        let all = || self.servers.iter().flat_map(|it| it.errors().map(move |error| (it, error)));
        if self.form != Form::Prohibited || !all().all(|(it, error)| wanted(it, &error)) || all().next().is_none() {
            return None;
        }
        let senders = self.senders(|_, _| true).into_iter().collect();
        let errors: BTreeSet<IcmpKind> = all().map(|(_, error)| error.kind).collect();
        Some(Params::from([
            ("senders", Value::Addresses(senders)),
            ("errors", Value::Errors(errors.into_iter().collect())),
        ]))
    }

    /// How many routers lie on the way of each ICMP error and of its server's own packets, where both are known.
    pub(super) fn distances(&self) -> Vec<(u8, u8)> {
        let distance = |it: &Facet<'_>| {
            let errors = it.seen.signs.iter().filter(|sign| sign.what == Reply::IcmpError);
            let own = |sign: &PacketRef| it.own(sign.capture).filter(|own| own.ttl.0 == own.ttl.1);
            let pairs = errors.filter_map(|sign| Some((hops(sign.headers.ttl), hops(own(&sign.opener)?.ttl.0))));
            pairs.collect::<Vec<_>>()
        };
        self.servers.iter().flat_map(distance).collect()
    }

    pub(super) fn clients_by_network(&self) -> BTreeMap<Address, BTreeSet<Address>> {
        let mut networks = BTreeMap::<_, BTreeSet<_>>::new();
        for client in self.servers.iter().flat_map(|it| &it.finding.clients) {
            networks.entry(client.network()).or_default().insert(*client);
        }
        networks
    }

    pub(super) fn named(&self, servers: impl IntoIterator<Item = Address>) -> Value {
        let servers: BTreeSet<Address> = servers.into_iter().collect();
        Value::Addresses(servers.into_iter().collect())
    }
}

/// A reset and how its server answers where it was captured.
pub(super) type Pairing = (Reset, Voice);

/// A reset that came in the name of a server.
#[derive(Clone, Copy)]
pub(super) struct Reset {
    pub(super) at: PacketRef,
    pub(super) headers: Sender,
    pub(super) delay: Option<u32>,
}

/// An ICMP error.
#[derive(Clone, Copy)]
pub(super) struct Rejection {
    pub(super) kind: IcmpKind,
    pub(super) sender: Address,
}

impl Rejection {
    pub(super) fn v6(self) -> bool {
        self.kind.family == IcmpFamily::Icmpv6
    }

    /// Nothing listens there (RFC 792, RFC 4443).
    pub(super) fn is_port(self) -> bool {
        self.kind.code == if self.v6() { 4 } else { 3 }
    }

    /// A rule forbids it (RFC 792, RFC 1812 5.2.7.1, RFC 4443 3.1).
    pub(super) fn is_policy(self) -> bool {
        if self.v6() { matches!(self.kind.code, 1 | 5 | 6) } else { matches!(self.kind.code, 9 | 10 | 13) }
    }

    /// The last router found nobody with that address.
    pub(super) fn is_no_host(self) -> bool {
        if self.v6() { self.kind.code == 3 } else { matches!(self.kind.code, 1 | 7) }
    }

    /// There is no way there.
    pub(super) fn is_no_route(self) -> bool {
        if self.v6() { matches!(self.kind.code, 0 | 2) } else { matches!(self.kind.code, 0 | 6) }
    }
}

impl<'a> Facet<'a> {
    pub(super) fn of(scene: &'a Scene<'_>, replies: &Replies, finding: &'a Finding) -> Option<Facet<'a>> {
        let seen = finding.seen.as_deref()?;
        let &server = finding.servers.first()?;
        let (transport, port) = finding.port?;
        let place = (protocol_of(transport)?, port);
        let ledger = scene.ledger;
        let clients: BTreeSet<Address> = finding.clients.iter().copied().collect();
        let networks: BTreeSet<Address> = clients.iter().map(|client| client.network()).collect();
        let window = (seen.first, seen.last);
        let about = (seen.first + Span(-ABOUT.0), seen.last + ABOUT);
        let voices: Vec<_> = ledger.voices.of(server).collect();
        let near = || voices.iter().filter(|(speaker, _)| networks.contains(&speaker.clients));
        let answered = near().filter_map(|(_, voice)| {
            let beside = voice.answered_beside(place)?;
            let transport = Transport::of_protocol(beside.0)?;
            Some((alive_at(voice, window)?, (transport, beside.1)))
        });
        let mut others = BTreeSet::new();
        let (mut answered_networks, mut neighbours) = (BTreeSet::new(), BTreeSet::new());
        let (mut listened, mut these) = (false, 0);
        let mut paths = ledger.paths.answers_in(place.0, port, server.network());
        for (path, answers) in paths.by_ref().take(PATHS_LOOKED_AT) {
            let meanwhile = has_moment_in(&answers, window);
            if path.server == server {
                listened |= answers.first < seen.first;
                answered_networks.insert(path.client.network());
                if clients.contains(&path.client) {
                    these += usize::from(answers.last >= window.0);
                } else if meanwhile {
                    others.insert(path.client);
                }
            } else if has_moment_in(&answers, about) && networks.contains(&path.client.network()) {
                neighbours.insert(path.server);
            }
        }
        let cut = paths.next().is_some();
        let old_sessions = ledger
            .paths
            .working_at(place.0, port, server)
            .filter(|(_, working)| working.began < seen.first && working.last > seen.last);
        Some(Facet {
            finding,
            seen,
            server,
            requests: ledger.neighbours.unanswered(server, seen.first, seen.last),
            heard: !voices.is_empty() || replies.heard(server).is_some() || replies.is_spoken_for(server),
            up: replies.is_up(server, seen.first),
            old_sessions: old_sessions.count() as u64,
            listened,
            alive: answered.max_by_key(|(alive, _)| *alive),
            others,
            these,
            answered_networks,
            neighbours,
            cut,
            voices,
        })
    }

    /// At least half of the clients that fail were answered there as well.
    pub(super) fn answers_these(&self) -> bool {
        self.these > 0 && self.these * 2 >= self.finding.clients.len()
    }

    /// How the server answers clients of the same networks in one capture.
    pub(super) fn own(&self, capture: u32) -> Option<Voice> {
        let networks: BTreeSet<Address> = self.finding.clients.iter().map(|client| client.network()).collect();
        let here = |speaker: &Speaker| speaker.capture == capture && networks.contains(&speaker.clients);
        let mut voices = self.voices.iter().filter(|(speaker, _)| here(speaker)).map(|(_, voice)| **voice);
        let first = voices.next()?;
        Some(voices.fold(first, |mut all, voice| {
            all += voice;
            all
        }))
    }

    pub(super) fn resets(&self) -> impl Iterator<Item = Reset> {
        let resets = self.seen.signs.iter().filter(|sign| sign.what == Reply::Reset);
        resets.map(|sign| Reset { at: sign.opener, headers: sign.headers, delay: sign.delay })
    }

    pub(super) fn errors(&self) -> impl Iterator<Item = Rejection> {
        self.seen.errors.iter().map(|&(v6, kind, code, sender)| {
            let family = if v6 { IcmpFamily::Icmpv6 } else { IcmpFamily::Icmp };
            Rejection { kind: IcmpKind { family, kind, code }, sender }
        })
    }
}

/// The client that gets no answer from two servers or more, nor from any other since it began, and gave none to others.
fn the_unanswered(scene: &Scene<'_>, replies: &Replies, form: Form, findings: &[&Finding]) -> Option<Address> {
    let &[client] = &findings.first()?.clients[..] else { return None };
    let its_own = |finding: &&Finding| finding.clients == [client] && !finding.more_clients;
    let servers: BTreeSet<&Address> = findings.iter().flat_map(|finding| &finding.servers).collect();
    let first = findings.iter().filter_map(|finding| finding.first).min()?;
    let unanswered = form == Form::Silent && servers.len() > 1 && findings.iter().all(its_own);
    let answers = || scene.ledger.voices.of(client).any(|(_, voice)| voice.last >= first);
    (unanswered && !replies.is_active(client, first) && !answers()).then_some(client)
}

pub(super) fn protocol_of(transport: Transport) -> Option<u8> {
    match transport {
        Transport::Tcp => Some(protocol::TCP),
        Transport::Udp => Some(protocol::UDP),
        Transport::Icmp => None,
    }
}

/// Whether a server answered between two moments for certain, or before and after them, not too long ago.
pub(super) fn alive_at(voice: &Voice, (from, to): (Timestamp, Timestamp)) -> Option<Alive> {
    let within = |at: Timestamp| from <= at && at <= to;
    let mut moments = voice.moments.iter().map(|(_, at)| at).chain([voice.first, voice.last]);
    if moments.any(within) {
        return Some(Alive::Meanwhile);
    }
    // Now and then is as good as shortly before and after.
    let flows = i64::try_from(voice.flows).unwrap_or(i64::MAX).max(1);
    let (whole, gap) = ((voice.last - voice.first).0, (to - from).0.saturating_add(NEAR.0));
    let around = voice.first < from && to < voice.last && whole / flows <= gap;
    around.then_some(Alive::BeforeAndAfter)
}

/// Of all answers the first and the last are known.
pub(super) fn has_moment_in(answers: &Answers, (from, to): (Timestamp, Timestamp)) -> bool {
    [answers.first, answers.last].into_iter().any(|at| from <= at && at <= to)
}

/// Routers on the way of a packet, by the usual start values of its time to live.
pub(super) fn hops(ttl: u8) -> u8 {
    [64, 128, 255].into_iter().find(|&start| ttl <= start).unwrap_or(255) - ttl
}

/// How far a time to live lies outside of a range.
pub(super) fn outside(ttl: u8, (lowest, highest): (u8, u8)) -> u8 {
    lowest.saturating_sub(ttl).max(ttl.saturating_sub(highest))
}

/// It came from as far as the server's own packets, with another start value.
pub(super) fn same_hops(ttl: u8, own: (u8, u8)) -> bool {
    hops(ttl) == hops(own.0) || hops(ttl) == hops(own.1)
}
