//! Flows of one client and one server that belong to one launch are one session: what was tried in which order, what carries it, how
//! long that took, and how it broke. Where the evidence does not say which flows belong together, they stay apart.

mod gateway;
mod launch;

use crate::flow::PacketRef;
use crate::judge::{Judge, Outcome, is_light};
use crate::ledger::{AUDIO_PORTS, Ended, Step, WEB_PORT, WEBSOCKET_PORT};
use crate::matching::ServiceRef;
use crate::packet::{Address, protocol};
use crate::portmap::{PortMap, ServiceId};
use crate::signature::Protocol;
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet};

/// A session, or a launch that came to nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session<'l> {
    /// The same for the same session in every run: who, whom, and the ports of its first flow.
    pub id: String,
    /// The user's host, as far as the legs of the session are known.
    pub client: Address,
    /// The host that runs the session.
    pub server: Address,
    /// The Gateway between them, where a leg on each side of it was tied to the other.
    pub gateway: Option<Gateway>,
    /// Its flows in the order of their first packets. Not empty.
    pub parts: Vec<Part<'l>>,
    /// No other launch of the same client at the same server was under way at the same time: what was tried was tried for this one.
    pub alone: bool,
    /// Whether it survives a broken line; none where that cannot be told.
    pub reliability: Option<bool>,
}

/// The Gateway that stands between client and server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gateway {
    /// The address that the client speaks to.
    pub address: Address,
    /// The address that it speaks to the server from.
    pub inside: Address,
    /// What ties the two legs.
    pub tied: Tie,
}

/// What ties the two legs of a session through a Gateway.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Tie {
    /// One address of the Gateway is in both, and of all flows only these begin and end together.
    Address,
    /// Of all flows in the captures only these begin and end together, and one carries as much as the other.
    Time,
}

/// One flow of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part<'l> {
    /// Its first packet.
    pub opener: PacketRef,
    /// What is known of it.
    pub step: &'l Step,
    /// The way that it takes.
    pub what: Way,
    /// What became of it.
    pub outcome: Outcome,
    /// What it is to the session.
    pub role: Role,
}

/// A way that a session takes through the network. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Way {
    /// EDT over UDP, straight to the server.
    Edt,
    /// CGP over TCP: with session reliability.
    Cgp,
    /// ICA over TCP: without.
    Ica,
    /// The WebSocket of the HTML5 client.
    WebSocket,
    /// Inside TLS.
    Tls,
    /// EDT inside DTLS.
    Dtls,
    /// Real-time audio beside the session.
    Audio,
}

/// What a flow is to its session. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// An attempt that came to nothing.
    Tried,
    /// Opened or tried beside EDT and dropped, because EDT was first (facts ADP-09).
    Raced,
    /// It carries the session.
    Carried,
    /// It carries the session after it broke (facts CGP-10).
    Resumed,
    /// It carries the session since EDT answered after all (facts ADP-06).
    Moved,
    /// Sound beside it.
    Audio,
    /// The client's leg to the Gateway.
    Gateway,
}

/// A session that broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Break<'l> {
    /// When.
    pub at: Timestamp,
    /// The flow that carried it.
    pub step: &'l Step,
    /// How long nothing was said before, where that was a minute or longer.
    pub idle: Option<Span>,
}

impl Tie {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Tie::Address => "address",
            Tie::Time => "time",
        }
    }
}

impl Way {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Way::Edt => "edt",
            Way::Cgp => "cgp",
            Way::Ica => "ica",
            Way::WebSocket => "websocket",
            Way::Tls => "tls",
            Way::Dtls => "dtls",
            Way::Audio => "audio",
        }
    }
}

impl Role {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Role::Tried => "tried",
            Role::Raced => "raced",
            Role::Carried => "carried",
            Role::Resumed => "resumed",
            Role::Moved => "moved",
            Role::Audio => "audio",
            Role::Gateway => "gateway",
        }
    }
}

impl<'l> Part<'l> {
    /// Transport and server's port.
    pub fn port(&self) -> (Transport, u16) {
        let transport = if self.step.path.protocol == protocol::UDP { Transport::Udp } else { Transport::Tcp };
        (transport, self.step.path.port)
    }

    /// Its beginning is in the capture.
    pub fn is_begun(&self) -> bool {
        self.outcome != Outcome::Midstream
    }

    fn carries(&self) -> bool {
        matches!(self.role, Role::Carried | Role::Resumed | Role::Moved)
    }
}

impl<'l> Session<'l> {
    /// The flows that carry it at its server, the first first; after a resume or a move there is one more.
    pub fn carriers(&self) -> impl Iterator<Item = &Part<'l>> {
        self.parts.iter().filter(|part| part.carries())
    }

    /// The way that it takes in the end: through a Gateway the client's; none for a launch that came to nothing.
    pub fn transport(&self) -> Option<Way> {
        let leg = self.parts.iter().rfind(|part| part.role == Role::Gateway);
        leg.or(self.carriers().last()).map(|part| part.what)
    }

    /// When it began, as far as the captures show.
    pub fn first(&self) -> Timestamp {
        self.parts.iter().map(|part| part.step.first).min().unwrap_or_default()
    }

    /// When it ended, as far as the captures show.
    pub fn last(&self) -> Timestamp {
        self.parts.iter().map(|part| part.step.last).max().unwrap_or_default()
    }

    /// From the first attempt to the first thing that the server said on the flow that carries it. None where the beginning is not in
    /// the captures.
    pub fn setup(&self) -> Option<Span> {
        let carrier = self.carriers().next().filter(|part| part.is_begun())?;
        Some(carrier.step.first + carrier.step.spoke.span()? - self.first())
    }

    /// From the first attempt to the beginning of the flow that carries it: how long a way was looked for. None where none was tried
    /// before.
    pub fn searching(&self) -> Option<Span> {
        let carrier = self.carriers().next()?;
        let first = self.tried_before(carrier).map(|part| part.step.first).min()?;
        Some(carrier.step.first - first)
    }

    /// The first attempt that was blocked, before anything carried the session.
    pub fn failed_first(&self) -> Option<&Part<'l>> {
        match self.carriers().next() {
            Some(carrier) => self.tried_before(carrier).find(|part| part.outcome.is_blocked()),
            None => self.parts.iter().find(|part| part.outcome.is_blocked()),
        }
    }

    /// Attempts on the same leg before what carries it began.
    fn tried_before<'s>(&'s self, carrier: &'s Part<'l>) -> impl Iterator<Item = &'s Part<'l>> {
        let same_leg = |part: &&Part<'l>| part.step.path.client == carrier.step.path.client;
        let before = |part: &&Part<'l>| part.role == Role::Tried && part.step.first <= carrier.step.first;
        self.parts.iter().filter(same_leg).filter(before)
    }

    /// How often it was resumed within the time that the server keeps it.
    pub fn resumes(&self) -> usize {
        self.parts.iter().filter(|part| part.role == Role::Resumed).count()
    }

    /// When and after which silence what carried it broke.
    pub fn breaks(&self) -> impl Iterator<Item = Break<'l>> {
        let broken = self.carriers().filter(|part| part.step.ended.is_broken());
        broken.map(|part| Break { at: part.step.broke, step: part.step, idle: part.step.idle() })
    }

    /// Round trip of the handshake of the flow that carries it at the server; over UDP there is none.
    pub fn handshake_rtt(&self) -> Option<Span> {
        self.carriers().find_map(|part| part.step.handshake_rtt.span())
    }

    /// Round trip of the first payload of that flow, as seen from the place of the capture.
    pub fn data_rtt(&self) -> Option<Span> {
        self.carriers().find_map(|part| part.step.data_rtt.span())
    }

    /// How it ended.
    pub fn ended(&self) -> Option<Ended> {
        self.carriers().last().map(|part| part.step.ended)
    }

    /// It has several ways, and one of them was tried for longer than a scanner does.
    fn is_whole(&self) -> bool {
        let ways: BTreeSet<_> = self.parts.iter().map(Part::port).collect();
        ways.len() > 1 && self.parts.iter().any(|part| !is_light(part.step.showing, 1, part.step.tries.into()))
    }

    fn is_alive_at(&self, at: Timestamp) -> bool {
        self.carriers().any(|part| part.step.first <= at && (at <= part.step.last || part.step.ended == Ended::Open))
    }
}

/// Every session, in the order of time.
pub fn sessions<'l>(judge: &Judge<'_, 'l>) -> Vec<Session<'l>> {
    let guide = Guide::new(judge.map);
    let (mut sessions, audio) = launched(judge, &guide, |_| true);
    add_audio(&mut sessions, audio);
    let legs = gateway::legs(judge);
    gateway::to_the_server(&mut sessions, &legs, &guide);
    gateway::through_a_gateway(&mut sessions, &legs);
    leave_out_scanners(&mut sessions);
    sort(&mut sessions);
    name(&mut sessions);
    sessions
}

/// The sessions that a finding may be made of, in the order of time: all between hosts of which one was blocked at the other, or a
/// flow broke. There are few of them, and they are told by what was seen at the server alone: without
/// names, sound, and the legs before a Gateway. Launches that came to nothing are among them, those of scanners as well.
pub fn striking_sessions<'l>(judge: &Judge<'_, 'l>) -> Vec<Session<'l>> {
    let strikes =
        |step: &&Step| step.ended.is_broken() || !step.showing.is_answered() && judge.step(step).outcome.is_blocked();
    let steps = judge.ledger.steps.on_session_ports().map(|(_, step)| step);
    let pairs: BTreeSet<_> = steps.filter(strikes).map(|step| (step.path.client, step.path.server)).collect();
    if pairs.is_empty() {
        return Vec::new();
    }
    let guide = Guide::new(judge.map);
    let (mut sessions, _) = launched(judge, &guide, |step| pairs.contains(&(step.path.client, step.path.server)));
    gateway::to_the_server(&mut sessions, &gateway::legs(judge), &guide);
    sort(&mut sessions);
    sessions
}

/// What was launched by the steps that are wanted, and sound beside it.
fn launched<'l>(
    judge: &Judge<'_, 'l>,
    guide: &Guide,
    wanted: impl Fn(&Step) -> bool,
) -> (Vec<Session<'l>>, Vec<Part<'l>>) {
    let mut steps: Vec<Part<'l>> = Vec::new();
    for (&opener, step) in judge.ledger.steps.on_session_ports().filter(|(_, step)| wanted(step)) {
        let outcome = judge.step(step).outcome;
        // Of half a conversation it cannot be told what became of it.
        let told = guide.way(step).filter(|_| outcome != Outcome::OneWay);
        steps.extend(told.map(|what| Part { opener, step, what, outcome, role: Role::Tried }));
    }
    steps.sort_unstable_by_key(|part| (part.step.path.client, part.step.path.server, part.step.first, part.opener));
    let mut sessions = Vec::new();
    let mut audio = Vec::new();
    for pair in steps.chunk_by(|one, other| hosts(one) == hosts(other)) {
        let (sound, parts) = pair.iter().copied().partition::<Vec<_>, _>(|part| part.what == Way::Audio);
        audio.extend(sound);
        sessions.extend(launch::launches(&parts, guide));
    }
    (sessions, audio)
}

/// Sorts sessions, and the flows of each, by time.
fn sort(sessions: &mut [Session<'_>]) {
    sessions.iter_mut().for_each(|session| session.parts.sort_by_key(|part| (part.step.first, part.opener)));
    sessions.sort_by_cached_key(|session| (session.first(), session.parts.first().map(|part| part.opener)));
}

fn hosts(part: &Part<'_>) -> (Address, Address) {
    (part.step.path.client, part.step.path.server)
}

/// What the map says that is asked for every flow.
struct Guide {
    ica: Option<ServiceId>,
    cgp: Option<ServiceId>,
    /// Ports of ICA over TCP: EDT on the same number carries ICA alone (facts MIX-05).
    ica_ports: Vec<u16>,
    /// Ports of CGP over TCP: EDT on the same number carries CGP.
    cgp_ports: Vec<u16>,
}

impl Guide {
    fn new(map: &PortMap) -> Guide {
        let [ica, cgp] = [Protocol::Ica, Protocol::Cgp].map(|protocol| map.service_proved_by(protocol));
        let ports = |service: Option<ServiceId>| {
            service.map(|service| map.specific_ports(service, Transport::Tcp)).unwrap_or_default()
        };
        Guide { ica, cgp, ica_ports: ports(ica), cgp_ports: ports(cgp) }
    }

    /// The way that a flow takes.
    fn way(&self, step: &Step) -> Option<Way> {
        let service = |service: Option<ServiceId>| {
            service.is_some_and(|service| step.matching.service == Some(ServiceRef::One(service)))
        };
        Some(match (step.path.protocol, step.path.port) {
            (protocol::TCP, WEB_PORT) => Way::Tls,
            (protocol::UDP, WEB_PORT) => Way::Dtls,
            (protocol::TCP, WEBSOCKET_PORT) => Way::WebSocket,
            (protocol::UDP, port) if AUDIO_PORTS.contains(&port) => Way::Audio,
            (protocol::UDP, _) => Way::Edt,
            _ if service(self.cgp) => Way::Cgp,
            _ if service(self.ica) => Way::Ica,
            _ => return None,
        })
    }

    /// Whether a session survives a broken line on this way (facts CGP-06, MIX-05, F7, F8).
    fn is_reliable(&self, what: Way, port: u16) -> Option<bool> {
        match what {
            Way::Cgp => Some(true),
            Way::Ica => Some(false),
            Way::Edt if self.cgp_ports.contains(&port) => Some(true),
            Way::Edt if self.ica_ports.contains(&port) => Some(false),
            Way::Edt | Way::WebSocket | Way::Tls | Way::Dtls | Way::Audio => None,
        }
    }
}

/// Sound that begins while there is one session between its hosts, and no other, belongs to that one.
fn add_audio<'l>(sessions: &mut [Session<'l>], audio: Vec<Part<'l>>) {
    let mut between = BTreeMap::<(Address, Address), Vec<usize>>::new();
    if !audio.is_empty() {
        for (place, session) in sessions.iter().enumerate() {
            between.entry((session.client, session.server)).or_default().push(place);
        }
    }
    for part in audio {
        let (client, server) = hosts(&part);
        let places = [(client, server), (server, client)].into_iter().filter_map(|pair| between.get(&pair)).flatten();
        let mut alive = places.filter(|&&place| sessions[place].is_alive_at(part.step.first));
        if let (Some(&place), None) = (alive.next(), alive.next()) {
            sessions[place].parts.push(Part { role: Role::Audio, ..part });
        }
    }
}

/// Who came to nothing at many servers, and has a session at none, is no user's client: a scanner or an inventory. Whole launches are
/// not made by these.
fn leave_out_scanners(sessions: &mut Vec<Session<'_>>) {
    const SERVERS: usize = 10;
    let mut in_vain = BTreeMap::<Address, BTreeSet<Address>>::new();
    for session in sessions.iter().filter(|session| session.carriers().next().is_none() && !session.is_whole()) {
        in_vain.entry(session.client).or_default().insert(session.server);
    }
    in_vain.retain(|_, servers| servers.len() > SERVERS);
    for session in sessions.iter().filter(|session| session.carriers().next().is_some()) {
        in_vain.remove(&session.client);
        session.gateway.iter().for_each(|gateway| _ = in_vain.remove(&gateway.inside));
    }
    let is_scan = |session: &Session<'_>| {
        session.carriers().next().is_none() && !session.is_whole() && in_vain.contains_key(&session.client)
    };
    sessions.retain(|session| !is_scan(session));
}

fn name(sessions: &mut [Session<'_>]) {
    let mut known = BTreeMap::<String, u32>::new();
    for session in sessions {
        let Some(first) = session.parts.first() else { continue };
        let (transport, port) = first.port();
        let (client, server, client_port) = (session.client, session.server, first.step.client_port);
        let id = format!("s-{}-{port}-{server}-{client}-{client_port}", transport.name());
        let twins = known.entry(id.clone()).or_default();
        *twins += 1;
        // A port may have been used again.
        session.id = if *twins > 1 { format!("{id}~{twins}") } else { id };
    }
}
