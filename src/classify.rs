//! From a finished flow and the port map to a judgement: what became of it, which service it is, and whether that is as the
//! map wants it. Pure.

use crate::flow::{DirectionBasis, Doubt, FlowRecord, Heard, Outcome, outcome};
use crate::packet::protocol;
use crate::portmap::{Candidates, PortMap, ServiceId};
use crate::signature::{Protocol, Strength};
use crate::transport::Transport;

/// What is held of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// What became of it.
    pub outcome: Outcome,
    /// Why that is not more certain.
    pub doubt: Option<Doubt>,
    /// Whether the map explains it.
    pub verdict: Verdict,
    /// Why the verdict is not `expected`.
    pub reason: Option<Reason>,
    /// What ties it to its service.
    pub basis: Basis,
    /// The service.
    pub service: Option<ServiceRef>,
    /// The port proves nothing by itself.
    pub generic: bool,
}

/// Whether the port map explains a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// A rule explains it.
    Expected,
    /// It concerns Citrix and no rule allows it, or the payload contradicts the rule.
    Unexpected,
    /// Nothing to do with Citrix as far as can be told.
    Unmapped,
    /// The capture does not show enough.
    NotEvaluable,
}

impl Verdict {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Expected => "expected",
            Verdict::Unexpected => "unexpected",
            Verdict::Unmapped => "unmapped",
            Verdict::NotEvaluable => "not_evaluable",
        }
    }
}

/// Why a verdict is what it is. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// The port stands in many rules and proves nothing.
    GenericPort,
    /// No rule names the port.
    UnknownPort,
    /// The payload is that of another protocol than the one the port belongs to.
    ForeignProtocol,
    /// A Citrix protocol on a port that is not its own.
    CitrixOnOtherPort,
    /// The port belongs to a Citrix service of the other transport.
    OtherTransport,
    /// The capture does not show enough.
    Doubt(Doubt),
}

impl Reason {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Reason::GenericPort => "generic-port",
            Reason::UnknownPort => "unknown-port",
            Reason::ForeignProtocol => "foreign-protocol",
            Reason::CitrixOnOtherPort => "citrix-on-other-port",
            Reason::OtherTransport => "other-transport",
            Reason::Doubt(doubt) => doubt.name(),
        }
    }
}

/// What ties a flow to its service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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
    /// The services that share this port.
    Shared(Transport, u16),
}

impl ServiceRef {
    /// The name in the report; several names are joined with a slash.
    pub fn name(self, map: &PortMap) -> &str {
        match self {
            ServiceRef::One(service) => map.service_name(service),
            ServiceRef::Shared(transport, port) => {
                map.lookup(transport, port).map_or("unknown", |candidates| candidates.service.as_str())
            }
        }
    }
}

/// The rules that name the server's port of a flow.
pub fn candidates<'m>(flow: &FlowRecord, map: &'m PortMap) -> Option<&'m Candidates> {
    let transport = Transport::of_protocol(flow.protocol)?;
    map.lookup(transport, if transport == Transport::Icmp { 0 } else { flow.server.port })
}

/// Judges a flow.
pub fn classify(flow: &FlowRecord, map: &PortMap) -> Judgement {
    let candidates = candidates(flow, map);
    let reply_due = candidates.is_some_and(|candidates| candidates.reply_due);
    let (mut outcome, doubt) = outcome(flow, reply_due);
    if outcome == Outcome::ResetEarly && is_foreign_attempt(flow, candidates) {
        // A scanner that speaks the wrong language is shown the door; nothing is blocked.
        outcome = Outcome::Established;
    }
    let blank = Judgement {
        outcome,
        doubt,
        verdict: Verdict::Unmapped,
        reason: Some(Reason::UnknownPort),
        basis: Basis::None,
        service: None,
        generic: candidates.is_some_and(|candidates| candidates.generic),
    };
    let judged = match Transport::of_protocol(flow.protocol) {
        Some(transport @ (Transport::Tcp | Transport::Udp)) => by_payload(flow, map, transport, candidates, blank)
            .or_else(|| by_port(flow, transport, candidates, blank))
            .or_else(|| by_other_transport(flow, map, transport, blank))
            .unwrap_or(blank),
        _ => Judgement { reason: Some(Reason::GenericPort), generic: true, ..blank },
    };
    if judged.verdict != Verdict::Unmapped && !outcome.is_evaluable() {
        return Judgement { verdict: Verdict::NotEvaluable, reason: doubt.map(Reason::Doubt), ..judged };
    }
    if judged.verdict == Verdict::Expected && judged.reason.is_none() {
        return Judgement { reason: doubt.map(Reason::Doubt), ..judged };
    }
    judged
}

/// A payload that proves its service, points to Citrix, or contradicts the port.
fn by_payload(
    flow: &FlowRecord,
    map: &PortMap,
    transport: Transport,
    candidates: Option<&Candidates>,
    blank: Judgement,
) -> Option<Judgement> {
    let heard = flow.heard.as_ref().filter(|heard| heard.strength >= Strength::Strong)?;
    let by_name = |name: &str| map.service_named(name).map(ServiceRef::One);
    let proved = Judgement { verdict: Verdict::Expected, reason: None, basis: Basis::Signature, ..blank };
    match heard.protocol {
        Protocol::Ica | Protocol::Cgp if transport == Transport::Tcp => {
            let service = by_name(heard.protocol.name());
            if is_session_port(map, candidates) {
                return Some(Judgement { service, ..proved });
            }
            // The client's greeting alone may be a probe of anything.
            if !heard.by_server {
                return None;
            }
            let reason = Some(Reason::CitrixOnOtherPort);
            Some(Judgement { service, verdict: Verdict::Unexpected, reason, ..proved })
        }
        Protocol::Edt if candidates.is_some_and(|c| !c.generic && c.service == "edt") => {
            Some(Judgement { service: by_name("edt"), ..proved })
        }
        _ if heard.citrix_hint && candidates.is_some() => {
            Some(Judgement { service: candidates.and_then(|c| service_of(c, transport, flow.server.port)), ..proved })
        }
        _ if heard.by_server && contradicts(flow, heard, candidates) => Some(Judgement {
            verdict: Verdict::Unexpected,
            reason: Some(Reason::ForeignProtocol),
            basis: Basis::Signature,
            service: candidates.and_then(|c| service_of(c, transport, flow.server.port)),
            ..blank
        }),
        _ => None,
    }
}

/// Only the client spoke, and not what the port is for.
fn is_foreign_attempt(flow: &FlowRecord, candidates: Option<&Candidates>) -> bool {
    let heard = flow.heard.as_ref().filter(|heard| heard.strength >= Strength::Strong && !heard.by_server);
    heard.is_some_and(|heard| contradicts(flow, heard, candidates))
}

/// ICA and CGP are at home on both session ports: which of the two is spoken depends on session reliability.
fn is_session_port(map: &PortMap, candidates: Option<&Candidates>) -> bool {
    let session = ["ica", "cgp"].map(|name| map.service_named(name));
    candidates.is_some_and(|c| c.services.iter().any(|service| session.contains(&Some(*service))))
}

/// What may be heard, beside what cannot be told, on the ports of services whose protocol is known. Another protocol there
/// contradicts the rule. Services that do not stand here are not known well enough to be contradicted.
const AT_HOME: [(&str, &[Protocol]); 8] = [
    ("ica", &[Protocol::Ica, Protocol::Cgp]),
    // TLS on 2598 is unusual, not impossible (facts CGP-17).
    ("cgp", &[Protocol::Cgp, Protocol::Ica, Protocol::Tls]),
    ("edt", &[Protocol::Edt, Protocol::Dtls]),
    ("audio", &[Protocol::Dtls, Protocol::Stun]),
    ("pvs-login", &[Protocol::Pvs]),
    ("pvs-stream", &[Protocol::Pvs]),
    // The console and the simple licence service speak HTTP and TLS on their own ports.
    ("licensing", &[Protocol::Http, Protocol::Tls]),
    ("pvs-interserver", &[Protocol::Pvs]),
];

fn contradicts(flow: &FlowRecord, heard: &Heard, candidates: Option<&Candidates>) -> bool {
    let Some(candidates) = candidates.filter(|candidates| !candidates.generic) else { return false };
    // Only an opening tells: bytes from the middle of a conversation may look like anything, and a port that only the map
    // made the server's may be the client's. Nobody but Citrix is at home on the two session ports.
    let opening = match flow.basis {
        DirectionBasis::Handshake | DirectionBasis::Payload => true,
        DirectionBasis::PortMap => matches!((flow.protocol, flow.server.port), (protocol::UDP, 1494 | 2598)),
        DirectionBasis::PortOrder | DirectionBasis::FirstPacket => false,
    };
    if !opening {
        return false;
    }
    let home = AT_HOME.iter().find(|(service, _)| *service == candidates.service);
    home.is_some_and(|(_, protocols)| !protocols.contains(&heard.protocol))
}

fn by_port(
    flow: &FlowRecord,
    transport: Transport,
    candidates: Option<&Candidates>,
    blank: Judgement,
) -> Option<Judgement> {
    let candidates = candidates?;
    if candidates.generic {
        return Some(Judgement { reason: Some(Reason::GenericPort), ..blank });
    }
    let service = service_of(candidates, transport, flow.server.port);
    Some(Judgement { verdict: Verdict::Expected, reason: None, basis: Basis::Port, service, ..blank })
}

/// A port that belongs to a Citrix service of the other transport only, and on which something answered. Ports that
/// systems hand out to clients are left out.
fn by_other_transport(flow: &FlowRecord, map: &PortMap, transport: Transport, blank: Judgement) -> Option<Judgement> {
    let other = match transport {
        Transport::Tcp => Transport::Udp,
        Transport::Udp => Transport::Tcp,
        Transport::Icmp => return None,
    };
    let seen_to_open = match transport {
        Transport::Tcp => flow.basis == DirectionBasis::Handshake,
        Transport::Udp | Transport::Icmp => flow.basis == DirectionBasis::Payload && flow.client.port >= CLIENT_PORTS,
    };
    let answered = matches!(blank.outcome, Outcome::Established | Outcome::Answered);
    // Servers on the internet use every port for something.
    if flow.server.address.is_public() {
        return None;
    }
    if !seen_to_open || !answered || flow.server.port >= CLIENT_PORTS {
        return None;
    }
    let candidates = map.lookup(other, flow.server.port).filter(|candidates| !candidates.generic)?;
    Some(Judgement {
        verdict: Verdict::Unexpected,
        reason: Some(Reason::OtherTransport),
        basis: Basis::Port,
        service: service_of(candidates, other, flow.server.port),
        ..blank
    })
}

/// From here on systems hand out ports to clients (Linux; Windows begins at 49152).
const CLIENT_PORTS: u16 = 32_768;

fn service_of(candidates: &Candidates, transport: Transport, port: u16) -> Option<ServiceRef> {
    match candidates.services.as_slice() {
        [] => None,
        [one] => Some(ServiceRef::One(*one)),
        _ => Some(ServiceRef::Shared(transport, port)),
    }
}
