//! Sessions as the formats for programs have them.

use super::{flow_id, plain};
use crate::flow::FlowRecord;
use crate::judge::{Judge, Outcome};
use crate::ledger::Ended;
use crate::packet::Address;
use crate::session::{Break, Gateway, Part, Role, Session, Tie, Way, sessions};
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use serde::{Serialize, Serializer};

/// Every session, put together only when they are written out.
pub struct SessionList<'a> {
    /// The flows by which they are made, where flows were kept.
    pub flows: &'a [FlowRecord],
    /// Who knows the sessions.
    pub judge: Judge<'a, 'a>,
}

/// One session.
#[derive(Serialize)]
pub struct SessionLine {
    /// Stands for the same session in every run.
    pub id: String,
    /// The user's host.
    #[serde(serialize_with = "plain::shown")]
    pub client: Address,
    /// The host that runs the session.
    #[serde(serialize_with = "plain::shown")]
    pub server: Address,
    /// The Gateway between them, where both legs are known.
    pub gateway: Option<GatewayLine>,
    /// The way that it takes in the end; `null` for a launch that came to nothing.
    #[serde(serialize_with = "plain::some_name")]
    pub transport: Option<Way>,
    /// Whether it survives a broken line; `null` where that cannot be told.
    pub reliability: Option<bool>,
    /// When it began, as far as the captures show.
    #[serde(serialize_with = "plain::shown")]
    pub first: Timestamp,
    /// When it ended, as far as the captures show.
    #[serde(serialize_with = "plain::shown")]
    pub last: Timestamp,
    /// From the first attempt to what the server said first on the flow that carries it.
    #[serde(rename = "setup_us", serialize_with = "plain::some_micros")]
    pub setup: Option<Span>,
    /// From the first attempt to the beginning of that flow, where something else was tried before.
    #[serde(rename = "searching_us", serialize_with = "plain::some_micros")]
    pub searching: Option<Span>,
    /// What was blocked first.
    pub failed_first: Option<FailedLine>,
    /// No other launch between these hosts was under way: the attempts are certainly this one's.
    pub alone: bool,
    /// Round trip of the handshake.
    #[serde(rename = "handshake_rtt_us", serialize_with = "plain::some_micros")]
    pub handshake_rtt: Option<Span>,
    /// Round trip of the first payload, as seen from the place of the capture.
    #[serde(rename = "data_rtt_us", serialize_with = "plain::some_micros")]
    pub data_rtt: Option<Span>,
    /// How often it was resumed.
    pub resumes: usize,
    /// When it broke.
    pub drops: Vec<DropLine>,
    /// How it ended.
    #[serde(serialize_with = "plain::some_name")]
    pub ended: Option<Ended>,
    /// Ids of its flows; those that were not kept have none.
    pub flows: Vec<u64>,
    /// Its flows, in order.
    pub steps: Vec<StepLine>,
}

/// The Gateway between client and server.
#[derive(Serialize)]
pub struct GatewayLine {
    /// The address that the client speaks to.
    #[serde(serialize_with = "plain::shown")]
    pub address: Address,
    /// The address that it speaks to the server from.
    #[serde(serialize_with = "plain::shown")]
    pub inside: Address,
    /// What ties the two legs.
    #[serde(serialize_with = "plain::name")]
    pub tied: Tie,
    /// The way of the leg to the server.
    #[serde(serialize_with = "plain::some_name")]
    pub transport: Option<Way>,
}

/// An attempt that was blocked.
#[derive(Serialize)]
pub struct FailedLine {
    /// The way.
    #[serde(serialize_with = "plain::name")]
    pub what: Way,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// The server's port.
    pub port: u16,
    /// What became of it.
    #[serde(serialize_with = "plain::name")]
    pub outcome: Outcome,
}

/// A session that broke.
#[derive(Serialize)]
pub struct DropLine {
    /// When.
    #[serde(serialize_with = "plain::shown")]
    pub at: Timestamp,
    /// Who did it, or was not heard of again.
    #[serde(serialize_with = "plain::name")]
    pub how: Ended,
    /// How long nothing was said before, where that was a minute or longer.
    #[serde(rename = "idle_us", serialize_with = "plain::some_micros")]
    pub idle: Option<Span>,
}

/// One flow of a session.
#[derive(Serialize)]
pub struct StepLine {
    /// When it began.
    #[serde(serialize_with = "plain::shown")]
    pub at: Timestamp,
    /// The way that it takes.
    #[serde(serialize_with = "plain::name")]
    pub what: Way,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// The server's port.
    pub port: u16,
    /// The client's port.
    pub client_port: u16,
    /// What became of it.
    #[serde(serialize_with = "plain::name")]
    pub outcome: Outcome,
    /// What it is to the session.
    #[serde(serialize_with = "plain::name")]
    pub part: Role,
    /// Its id, where flows were kept.
    pub flow: Option<u64>,
}

impl SessionList<'_> {
    /// The sessions as they are told, in the order of time.
    pub fn lines(&self) -> impl Iterator<Item = SessionLine> {
        sessions(&self.judge).into_iter().map(|session| session_line(session, self.flows))
    }
}

impl Serialize for SessionList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.lines())
    }
}

fn session_line(session: Session<'_>, flows: &[FlowRecord]) -> SessionLine {
    let steps: Vec<StepLine> = session.parts.iter().map(|part| step_line(part, flows)).collect();
    let failed = |part: &Part<'_>| {
        let (protocol, port) = named_port(part);
        FailedLine { what: part.what, protocol, port, outcome: part.outcome }
    };
    let gateway = |Gateway { address, inside, tied }| {
        let transport = session.carriers().last().map(|part| part.what);
        GatewayLine { address, inside, tied, transport }
    };
    SessionLine {
        client: session.client,
        server: session.server,
        gateway: session.gateway.map(gateway),
        transport: session.transport(),
        reliability: session.reliability,
        first: session.first(),
        last: session.last(),
        setup: session.setup(),
        searching: session.searching(),
        failed_first: session.failed_first().map(failed),
        alone: session.alone,
        handshake_rtt: session.handshake_rtt(),
        data_rtt: session.data_rtt(),
        resumes: session.resumes(),
        drops: session.breaks().map(|Break { at, step, idle }| DropLine { at, how: step.ended, idle }).collect(),
        ended: session.ended(),
        flows: steps.iter().filter_map(|step| step.flow).collect(),
        steps,
        id: session.id,
    }
}

fn step_line(part: &Part<'_>, flows: &[FlowRecord]) -> StepLine {
    let (protocol, port) = named_port(part);
    StepLine {
        at: part.step.first,
        what: part.what,
        protocol,
        port,
        client_port: part.step.client_port,
        outcome: part.outcome,
        part: part.role,
        flow: flow_id(part.opener, flows),
    }
}

fn named_port(part: &Part<'_>) -> (&'static str, u16) {
    let (transport, port): (Transport, u16) = part.port();
    (transport.name(), port)
}
