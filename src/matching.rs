//! In which line of the port map a flow stands: what its port and its payload say, whatever became of it. Pure.

use crate::flow::{CLIENT_PORTS, DirectionBasis, FlowRecord, Heard, Marks, Nobody, Showing, Witness};
use crate::portmap::{Candidates, Place, PortMap, ServiceId};
use crate::signature::{Content, Http, Protocol, Strength};
use crate::transport::Transport;

/// Where a flow stands in the port map.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Matching {
    /// How port and payload agree with the map.
    pub fit: Fit,
    /// What ties the flow to its service.
    pub basis: Basis,
    /// The service.
    pub service: Option<ServiceRef>,
    /// The ports of which the map says the same as of this one; none where no rule names it.
    pub place: Option<Place>,
    /// What the map says of the port alone. Follows from `place`.
    pub port: PortNature,
    /// Only the client spoke, and not what the port is for. On a port that many programs use and EDT as well: not EDT.
    pub foreign_attempt: bool,
}

/// How port and payload agree with the map.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Fit {
    /// A rule explains them.
    Fits,
    /// The payload is that of another protocol than the one the port belongs to.
    Foreign(Protocol),
    /// A Citrix protocol on a port that is not its own.
    CitrixElsewhere(Protocol),
    /// The port belongs to a Citrix service of the other transport, and something answered.
    OtherTransport,
    /// The port stands in many rules and proves nothing.
    GenericPort,
    /// No rule names the port.
    UnknownPort,
}

/// A question that decides where a flow stands in the map, with the facts that it is asked of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Question {
    /// It is ICMP, which any host uses.
    AnyHostPings,
    /// The payload tells a protocol so surely that it may overrule a port.
    PayloadTells(Option<Protocol>),
    /// Only Citrix speaks this protocol, and a service is known by it.
    OnlyCitrixSpeaks(Protocol),
    /// It is a session port: both session protocols are at home there.
    SessionPort,
    /// A service of this port is built on this protocol.
    BuiltOn(Protocol),
    /// The server spoke this protocol, not only the client.
    SpokenByServer(Protocol),
    /// The port is the own port of the service that is known by this protocol.
    OwnPort(Protocol),
    /// The path that was asked for tells the service, and the port may carry it.
    AskedBy,
    /// The name or the path that was asked for belongs to Citrix, and a rule names the port.
    CitrixName,
    /// The server speaks another protocol than the service of the port does.
    Contradicts(Protocol),
    /// A rule names the port.
    PortKnown,
    /// Many programs use the port.
    GenericPort,
    /// The server has a public address.
    PublicServer,
    /// It was seen to be opened and answered, on a port that is not handed out to clients.
    OpenedAndAnswered,
    /// The port belongs to a service of the other transport.
    KnownOfOther(Transport),
}

/// What the map says of a port alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PortNature {
    /// The number proves nothing by itself.
    pub generic: bool,
    /// Over UDP: the service always answers.
    pub reply_due: bool,
    /// A session port: nobody but Citrix is at home there.
    pub session: bool,
    /// Something else is used while the service is blocked.
    pub replaced: bool,
}

/// What ties a flow to its service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Basis {
    /// The payload.
    Signature,
    /// The port alone.
    Port,
    /// Nothing.
    None,
}

impl Basis {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Basis::Signature => "signature",
            Basis::Port => "port",
            Basis::None => "none",
        }
    }
}

/// A service of the map, or the several services that share a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ServiceRef {
    /// One service.
    One(ServiceId),
    /// The services that share these ports.
    Shared(Place),
}

impl ServiceRef {
    /// The name in the report; several names are joined with a slash.
    pub fn name(self, map: &PortMap) -> &str {
        match self {
            ServiceRef::One(service) => &map.service(service).name,
            ServiceRef::Shared(place) => &map.at(place).service,
        }
    }

    /// The name for people; of several services their joined names.
    pub fn title(self, map: &PortMap) -> &str {
        match self {
            ServiceRef::One(service) => &map.service(service).title,
            ServiceRef::Shared(place) => &map.at(place).service,
        }
    }
}

/// What the map says of the server's port of a flow, and where.
struct Known<'m> {
    place: Place,
    candidates: &'m Candidates,
}

impl Known<'_> {
    fn service(&self) -> Option<ServiceRef> {
        service_of(self.place, self.candidates)
    }

    /// The port is specific, and a service of it is built on this protocol.
    fn carries(&self, protocol: Protocol, map: &PortMap) -> bool {
        let mut services = self.candidates.services.iter();
        !self.candidates.generic && services.any(|&service| map.service(service).carries.contains(&protocol))
    }
}

/// The service of a port, or those that share it.
pub fn service_of(place: Place, candidates: &Candidates) -> Option<ServiceRef> {
    match candidates.services.as_slice() {
        [] => None,
        [one] => Some(ServiceRef::One(*one)),
        _ => Some(ServiceRef::Shared(place)),
    }
}

impl Matching {
    /// Finds a flow's place in the map.
    pub fn of(flow: &FlowRecord, showing: Showing, map: &PortMap) -> Matching {
        Matching::told(flow, showing, map, &mut Nobody)
    }

    /// The same, and tells on which questions it turns.
    pub fn told(flow: &FlowRecord, showing: Showing, map: &PortMap, why: &mut impl Witness<Question>) -> Matching {
        let transport = Transport::of_protocol(flow.protocol);
        let port = if transport == Some(Transport::Icmp) { 0 } else { flow.server.port };
        let known = transport.and_then(|transport| known(map, transport, port));
        let known = known.as_ref();
        let blank = Matching {
            fit: Fit::UnknownPort,
            basis: Basis::None,
            service: None,
            place: known.map(|known| known.place),
            port: PortNature::of(known.map(|known| known.candidates)),
            foreign_attempt: is_foreign_attempt(flow, known, map),
        };
        match transport {
            Some(transport @ (Transport::Tcp | Transport::Udp)) => by_payload(flow, map, transport, known, blank, why)
                .or_else(|| by_port(known, blank, why))
                .or_else(|| by_other_transport(flow, showing, map, transport, blank, why))
                .unwrap_or(blank),
            _ => {
                why.asks(true, || Question::AnyHostPings);
                Matching { fit: Fit::GenericPort, port: PortNature { generic: true, ..blank.port }, ..blank }
            }
        }
    }
}

impl Matching {
    /// It is Citrix: its port says so, or its payload.
    pub fn is_citrix(&self) -> bool {
        self.fit == Fit::Fits && (!self.port.generic || self.basis == Basis::Signature)
    }

    /// Over UDP: an answer must come to what was said on this port.
    pub fn is_reply_due(&self) -> bool {
        self.port.reply_due && !self.foreign_attempt
    }
}

impl PortNature {
    /// What the map says of a port; `None` where no rule names it.
    pub fn of(candidates: Option<&Candidates>) -> PortNature {
        PortNature {
            generic: candidates.is_some_and(|candidates| candidates.generic),
            reply_due: candidates.is_some_and(|candidates| candidates.reply_due),
            session: candidates.is_some_and(|candidates| candidates.session),
            replaced: candidates.is_some_and(|candidates| candidates.replaced),
        }
    }
}

fn known(map: &PortMap, transport: Transport, port: u16) -> Option<Known<'_>> {
    map.place(transport, port).map(|place| Known { place, candidates: map.at(place) })
}

/// A payload that proves its service, points to Citrix, or contradicts the port.
fn by_payload(
    flow: &FlowRecord,
    map: &PortMap,
    transport: Transport,
    known: Option<&Known<'_>>,
    blank: Matching,
    why: &mut impl Witness<Question>,
) -> Option<Matching> {
    let told = flow.heard.as_ref().map(|heard| heard.protocol);
    let strong = flow.heard.as_ref().filter(|heard| heard.strength >= Strength::Strong);
    why.asks(strong.is_some(), || Question::PayloadTells(told));
    let heard = strong?;
    let fits = Matching { fit: Fit::Fits, basis: Basis::Signature, ..blank };
    let here = || known.and_then(Known::service);
    let protocol = heard.protocol;
    let proved = map.service_proved_by(protocol);
    let service = proved.map(ServiceRef::One);
    let citrix = protocol.is_citrix() && proved.is_some() && transport == Transport::Tcp;
    if why.asks(citrix, || Question::OnlyCitrixSpeaks(protocol)) {
        // Both are at home on both session ports: which is spoken depends on session reliability.
        if why.asks(known.is_some_and(|known| known.candidates.session), || Question::SessionPort) {
            // ICA goes on inside of CGP: where the start is missing, the port tells which of them it was.
            let begun = flow.marks.has(Marks::SYN_SEEN) || flow.syn_acks > 0;
            let cgp = map.service_proved_by(Protocol::Cgp).filter(|_| !begun && protocol == Protocol::Ica);
            let of_port = cgp.filter(|cgp| known.is_some_and(|known| known.candidates.services.contains(cgp)));
            return Some(Matching { service: of_port.map(ServiceRef::One).or(service), ..fits });
        }
        // The print data stream is CGP and no session (facts UPS-01).
        if why.asks(known.is_some_and(|known| known.carries(protocol, map)), || Question::BuiltOn(protocol)) {
            return Some(Matching { service: here(), ..fits });
        }
        // The client's greeting alone may be a probe of anything.
        let spoken = why.asks(heard.by_server, || Question::SpokenByServer(protocol));
        return spoken.then_some(Matching { fit: Fit::CitrixElsewhere(protocol), service, ..fits });
    }
    // Other programs speak it as well, so it counts on its own port only (facts EDT-10).
    let own = !protocol.is_citrix() && proved.is_some_and(|proved| is_its_port(known, proved));
    if why.asks(own, || Question::OwnPort(protocol)) {
        return Some(Matching { service, ..fits });
    }
    if let Some(asked) = asked_for(heard, known, map) {
        why.asks(true, || Question::AskedBy);
        return Some(Matching { service: Some(ServiceRef::One(asked)), ..fits });
    }
    if why.asks(heard.citrix_hint && known.is_some(), || Question::CitrixName) {
        return Some(Matching { service: here(), ..fits });
    }
    let contradicted = heard.by_server && contradicts(flow, heard, known, map);
    let foreign = why.asks(contradicted, || Question::Contradicts(protocol));
    foreign.then_some(Matching { fit: Fit::Foreign(protocol), service: here(), ..fits })
}

/// The service of the path that was asked for, on a port that it shares with others or that many programs use.
fn asked_for(heard: &Heard, known: Option<&Known<'_>>, map: &PortMap) -> Option<ServiceId> {
    let Some(Content::Http(Http { path: Some(path), .. })) = heard.content() else { return None };
    let candidates = known?.candidates;
    map.service_asked_by(path).filter(|service| candidates.generic || candidates.services.contains(service))
}

fn is_its_port(known: Option<&Known<'_>>, service: ServiceId) -> bool {
    known.is_some_and(|known| !known.candidates.generic && known.candidates.services == [service])
}

/// Only the client spoke, and not what the port is for.
fn is_foreign_attempt(flow: &FlowRecord, known: Option<&Known<'_>>, map: &PortMap) -> bool {
    let heard = flow.heard.as_ref().filter(|heard| heard.strength >= Strength::Strong && !heard.by_server);
    let text = |heard: &Heard| heard.protocol == Protocol::Text && !heard.by_server;
    heard.is_some_and(|heard| contradicts(flow, heard, known, map))
        || known.is_some() && flow.heard.as_ref().is_some_and(text)
        || is_another_than_edt(flow, known, map)
}

/// On a port over UDP that many programs use and sessions as well (443 of a Gateway), only EDT concerns Citrix; most of
/// what goes there is QUIC (facts MIX-07).
fn is_another_than_edt(flow: &FlowRecord, known: Option<&Known<'_>>, map: &PortMap) -> bool {
    let is_session = |service: &ServiceId| map.service(*service).session;
    let shared = known.map(|known| known.candidates).is_some_and(|candidates| {
        candidates.generic && candidates.reply_due && candidates.services.iter().any(is_session)
    });
    let edt = |heard: &Heard| matches!(heard.protocol, Protocol::Edt | Protocol::Dtls);
    shared && !flow.heard.as_ref().is_some_and(edt)
}

/// Another protocol than those that the service of the port speaks, as far as they are known.
fn contradicts(flow: &FlowRecord, heard: &Heard, known: Option<&Known<'_>>, map: &PortMap) -> bool {
    let Some(candidates) = known.map(|known| known.candidates).filter(|candidates| !candidates.generic) else {
        return false;
    };
    // Only an opening tells: bytes from the middle of a conversation may look like anything, and a port that only the map
    // made the server's may be the client's. Nobody but Citrix is at home on the session ports.
    let opening = match flow.basis {
        DirectionBasis::Handshake | DirectionBasis::Payload => true,
        DirectionBasis::PortMap => Transport::of_protocol(flow.protocol) == Some(Transport::Udp) && candidates.session,
        DirectionBasis::PortOrder | DirectionBasis::FirstPacket => false,
    };
    let [service] = candidates.services[..] else { return false };
    let speaks = map.service(service).speaks.as_deref();
    opening && speaks.is_some_and(|speaks| !speaks.contains(&heard.protocol))
}

fn by_port(known: Option<&Known<'_>>, blank: Matching, why: &mut impl Witness<Question>) -> Option<Matching> {
    why.asks(known.is_some(), || Question::PortKnown);
    let known = known?;
    if why.asks(known.candidates.generic, || Question::GenericPort) {
        return Some(Matching { fit: Fit::GenericPort, ..blank });
    }
    Some(Matching { fit: Fit::Fits, basis: Basis::Port, service: known.service(), ..blank })
}

/// A port that belongs to a Citrix service of the other transport only, and on which something answered. Ports that
/// systems hand out to clients are left out.
fn by_other_transport(
    flow: &FlowRecord,
    showing: Showing,
    map: &PortMap,
    transport: Transport,
    blank: Matching,
    why: &mut impl Witness<Question>,
) -> Option<Matching> {
    let (other, seen_to_open) = match transport {
        Transport::Tcp => (Transport::Udp, flow.basis == DirectionBasis::Handshake),
        Transport::Udp => {
            let opened = flow.basis == DirectionBasis::Payload && flow.client.port >= CLIENT_PORTS;
            (Transport::Tcp, opened)
        }
        Transport::Icmp => return None,
    };
    // Servers on the internet use every port for something.
    if why.asks(flow.server.address.is_public(), || Question::PublicServer) {
        return None;
    }
    let opened = seen_to_open && showing.is_answered() && flow.server.port < CLIENT_PORTS;
    if !why.asks(opened, || Question::OpenedAndAnswered) {
        return None;
    }
    let there = known(map, other, flow.server.port).filter(|there| !there.candidates.generic);
    why.asks(there.is_some(), || Question::KnownOfOther(other));
    let there = there?;
    Some(Matching { fit: Fit::OtherTransport, basis: Basis::Port, service: there.service(), ..blank })
}
