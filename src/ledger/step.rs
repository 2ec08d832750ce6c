//! Flows that sessions are made of, one by one: what a client tried at a server, what carried its session, and how that ended.

use super::path::Path;
use crate::flow::{End, FlowRecord, Marks, PacketRef, Showing};
use crate::matching::{Fit, Matching};
use crate::packet::protocol;
use crate::signature::Protocol;
use crate::time::{Span, Timestamp};
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// One flow that may belong to a session.
///
/// While an audit goes on, a flow may be entered more than once; what is known later is in the order of steps larger, and stays.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Step {
    /// When the last packet was captured.
    pub last: Timestamp,
    /// How it ended. It may be open first and ended later, never the other way round.
    pub ended: Ended,
    /// When the first packet was captured.
    pub first: Timestamp,
    /// When it broke: when a side that died was first called in vain; else the last packet.
    pub broke: Timestamp,
    /// How long nothing was said before it ended or died, where that was a minute or longer; else 0.
    pub idle: Span,
    /// Payload of the client and of the server, in bytes.
    pub payload: [u64; 2],
    /// From whom to which port of whom.
    pub path: Path,
    /// What the packets show.
    pub showing: Showing,
    /// Where it stands in the map.
    pub matching: Matching,
    /// The client's port.
    pub client_port: u16,
    /// How often the client tried to open it, up to 255.
    pub tries: u8,
    /// From the first packet to the first thing that the server said.
    pub spoke: Micros,
    /// The round trip of the handshake.
    pub handshake_rtt: Micros,
    /// The round trip of the client's first payload, as [`FlowRecord::data_rtt`] has it.
    pub data_rtt: Micros,
}

// There may be many.
const _: () = assert!(size_of::<Step>() <= 120);

/// A length of time in microseconds, up to 71 minutes, or none: half the size of an optional one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Micros(u32);

/// How a flow ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Ended {
    /// It was open when the capture ended.
    Open,
    /// Nothing was said for so long that it was given up.
    Idle,
    /// The client closed it.
    ClientClosed,
    /// The server closed it.
    ServerClosed,
    /// The client reset it.
    ClientReset,
    /// The server reset it, or somebody for the server.
    ServerReset,
    /// The client was not heard of again.
    ClientGone,
    /// The server was not heard of again.
    ServerGone,
}

impl Ended {
    fn of(flow: &FlowRecord) -> Ended {
        if let Some(death) = flow.death {
            return if death.client_is_gone { Ended::ClientGone } else { Ended::ServerGone };
        }
        if flow.protocol == protocol::TCP {
            let closed = |end| matches!(end, End::Closed | End::ResetAfterClose);
            let client_first = flow.marks.has(Marks::CLIENT_ENDED_FIRST);
            match (flow.tcp.client, flow.tcp.server) {
                (client, server) if closed(client) || closed(server) => {
                    let by_client = closed(client) && (client_first || !closed(server));
                    return if by_client { Ended::ClientClosed } else { Ended::ServerClosed };
                }
                (End::Reset, server) if client_first || server != End::Reset => return Ended::ClientReset,
                (_, End::Reset) => return Ended::ServerReset,
                _ => {}
            }
        }
        if flow.cut_off { Ended::Open } else { Ended::Idle }
    }

    /// It ended in another way than by being closed.
    pub fn is_broken(self) -> bool {
        match self {
            Ended::ClientReset | Ended::ServerReset | Ended::ClientGone | Ended::ServerGone => true,
            Ended::Open | Ended::Idle | Ended::ClientClosed | Ended::ServerClosed => false,
        }
    }

    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Ended::Open => "open",
            Ended::Idle => "idle",
            Ended::ClientClosed => "client_closed",
            Ended::ServerClosed => "server_closed",
            Ended::ClientReset => "client_reset",
            Ended::ServerReset => "server_reset",
            Ended::ClientGone => "client_gone",
            Ended::ServerGone => "server_gone",
        }
    }

    /// Every way to end.
    pub const ALL: [Ended; 8] = [
        Ended::Open,
        Ended::Idle,
        Ended::ClientClosed,
        Ended::ServerClosed,
        Ended::ClientReset,
        Ended::ServerReset,
        Ended::ClientGone,
        Ended::ServerGone,
    ];
}

impl Micros {
    /// None.
    pub const NONE: Micros = Micros(u32::MAX);

    /// This length of time; what is longer than 71 minutes, or negative, is none.
    pub fn of(span: Option<Span>) -> Micros {
        Micros(span.and_then(|span| u32::try_from(span.as_micros()).ok()).unwrap_or(u32::MAX))
    }

    /// In microseconds, where there is one.
    pub fn micros(self) -> Option<u32> {
        (self != Micros::NONE).then_some(self.0)
    }

    /// The length of time.
    pub fn span(self) -> Option<Span> {
        self.micros().map(|micros| Span::micros(micros.into()))
    }
}

impl Step {
    fn of(flow: &FlowRecord, showing: Showing, matching: &Matching) -> Step {
        let death = flow.death;
        Step {
            last: flow.last,
            ended: Ended::of(flow),
            first: flow.first,
            broke: death.map_or(flow.last, |death| death.since),
            idle: death.map_or(flow.idle_before_end, |death| death.idle).unwrap_or_default(),
            payload: [flow.from_client.payload_bytes, flow.from_server.payload_bytes],
            path: Path::of(flow),
            showing,
            matching: *matching,
            client_port: flow.client.port,
            tries: u8::try_from(flow.tries()).unwrap_or(u8::MAX),
            spoke: Micros::of(flow.spoke_at.map(|at| at - flow.first)),
            handshake_rtt: Micros::of(flow.handshake_rtt),
            data_rtt: Micros::of(flow.data_rtt),
        }
    }

    /// Both sides said something.
    pub fn has_payload(&self) -> bool {
        self.payload.iter().all(|&bytes| bytes > 0)
    }

    /// The idle time before it ended, where it was a minute or longer.
    pub fn idle(&self) -> Option<Span> {
        Some(self.idle).filter(|idle| *idle > Span::default())
    }
}

/// Steps by their first packets. A tree of which each place is as large as a step would be half empty.
type Shelf = BTreeMap<PacketRef, Box<Step>>;

/// Where a step is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Carried,
    Tried,
    Web,
}

/// Flows that may belong to sessions, by their first packets. Those that carried something, those that did not, and those on the port
/// of the web are kept apart, so that neither floods nor web traffic push out sessions.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Steps {
    carried: Shelf,
    tried: Shelf,
    web: Shelf,
    /// Some were left out because there were too many.
    pub incomplete: bool,
}

/// Maximum number of steps that carried something: the first in the order of the captures are kept.
pub const STEP_LIMIT: usize = 50_000;
/// The same for those that did not, and for those on the port of the web.
pub const OTHER_STEP_LIMIT: usize = 10_000;

/// Ports of real-time audio (facts AUD-01).
pub const AUDIO_PORTS: std::ops::RangeInclusive<u16> = 16_500..=16_509;
/// The port of the HTML5 client (facts HDX-04).
pub const WEBSOCKET_PORT: u16 = 8_008;
/// The port of the web, and of sessions inside TLS and DTLS.
pub const WEB_PORT: u16 = 443;
/// Minimum length of a flow inside TLS that may carry a session: most of the web's are shorter.
const LONG: Span = Span::seconds(5);

impl Steps {
    /// Enters a flow, if it may belong to a session.
    pub fn enter(&mut self, flow: &FlowRecord, showing: Showing, matching: &Matching) {
        if !may_belong(flow, matching) {
            return;
        }
        self.add(flow.opener, Step::of(flow, showing, matching));
        self.keep();
    }

    /// Flows on ports of sessions, by the first packet of each, in no particular order.
    pub fn on_session_ports(&self) -> impl Iterator<Item = (&PacketRef, &Step)> {
        // A flow that carries something now may be known from before, when it did not.
        let tried = self.tried.iter().filter(|(opener, _)| !self.carried.contains_key(opener));
        self.carried.iter().chain(tried).map(whole)
    }

    /// Flows inside TLS or DTLS on the port of the web, in the order of the captures.
    pub fn on_web_port(&self) -> impl Iterator<Item = (&PacketRef, &Step)> {
        self.web.iter().map(whole)
    }

    /// Every step, as it is kept.
    pub fn iter(&self) -> impl Iterator<Item = (&PacketRef, &Step)> {
        self.carried.iter().chain(&self.tried).chain(&self.web).map(whole)
    }

    /// How many are kept of each sort: those that carried something, those that did not, those on the port of the web.
    pub fn counts(&self) -> [usize; 3] {
        [self.carried.len(), self.tried.len(), self.web.len()]
    }

    /// Where a step is kept, and how many of its sort are at most.
    pub(super) fn kept_with(&self, step: &Step) -> (&Shelf, usize) {
        match room(step) {
            Room::Carried => (&self.carried, STEP_LIMIT),
            Room::Tried => (&self.tried, OTHER_STEP_LIMIT),
            Room::Web => (&self.web, OTHER_STEP_LIMIT),
        }
    }

    pub(super) fn add(&mut self, opener: PacketRef, step: Step) {
        let (kept, limit) = match room(&step) {
            Room::Carried => (&mut self.carried, STEP_LIMIT),
            Room::Tried => (&mut self.tried, OTHER_STEP_LIMIT),
            Room::Web => (&mut self.web, OTHER_STEP_LIMIT),
        };
        if kept.len() >= limit && kept.last_key_value().is_some_and(|(last, _)| *last < opener) {
            self.incomplete = true;
            return;
        }
        kept.entry(opener).and_modify(|known| **known = step.max(**known)).or_insert_with(|| Box::new(step));
    }

    /// Keeps the first in order, so that the order in which they came does not matter.
    fn keep(&mut self) {
        let Steps { carried, tried, web, incomplete: _ } = self;
        for (kept, limit) in [(carried, STEP_LIMIT), (tried, OTHER_STEP_LIMIT), (web, OTHER_STEP_LIMIT)] {
            while kept.len() > limit {
                kept.pop_last();
                self.incomplete = true;
            }
        }
    }
}

impl AddAssign<&Steps> for Steps {
    fn add_assign(&mut self, other: &Steps) {
        other.iter().for_each(|(opener, step)| self.add(*opener, *step));
        self.incomplete = self.incomplete || other.incomplete;
        self.keep();
    }
}

#[allow(clippy::borrowed_box, reason = "that is what the trees hand out")]
fn whole<'a>((opener, step): (&'a PacketRef, &'a Box<Step>)) -> (&'a PacketRef, &'a Step) {
    (opener, step)
}

fn room(step: &Step) -> Room {
    match step.path.port {
        WEB_PORT => Room::Web,
        _ if step.has_payload() => Room::Carried,
        _ => Room::Tried,
    }
}

fn may_belong(flow: &FlowRecord, matching: &Matching) -> bool {
    let heard = |protocol| flow.heard.as_ref().is_some_and(|heard| heard.protocol == protocol);
    match (flow.protocol, flow.server.port) {
        (protocol::UDP, WEB_PORT) => heard(Protocol::Dtls),
        (protocol::TCP, WEB_PORT) => {
            let both = flow.from_client.payload_bytes > 0 && flow.from_server.payload_bytes > 0;
            both && flow.last - flow.first >= LONG && heard(Protocol::Tls)
        }
        _ if matching.fit != Fit::Fits => false,
        (protocol::TCP, WEBSOCKET_PORT) => true,
        (protocol::UDP, port) if AUDIO_PORTS.contains(&port) => true,
        (protocol::TCP | protocol::UDP, _) => matching.port.session,
        _ => false,
    }
}
