//! What became of a flow: answered, blocked in one of five ways, or not to be told. Grace periods are those of facts
//! 8.5.

use super::{FlowRecord, Marks};
use crate::packet::protocol;
use crate::time::Span;

/// What became of a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// TCP handshake completed, or data answered data.
    Established,
    /// UDP or ICMP: both sides spoke.
    Answered,
    /// The opener tried, nothing came back, and the grace period was watched to its end.
    Silent,
    /// A reset answered the first SYN.
    Refused,
    /// An ICMP unreachable quotes the flow.
    Prohibited,
    /// The SYN-ACK never reached the client, or its ACK never came back.
    HalfOpen,
    /// Reset after the handshake before the server said anything.
    ResetEarly,
    /// UDP or ICMP without a reply where none is required, or not yet certain.
    Unanswered,
    /// The start was not captured; both sides speak.
    Midstream,
    /// Only one direction was captured although the other plainly exists.
    OneWay,
    /// The capture ended or lost packets before the question could be answered.
    Undecided,
}

impl Outcome {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Established => "established",
            Outcome::Answered => "answered",
            Outcome::Silent => "silent",
            Outcome::Refused => "refused",
            Outcome::Prohibited => "prohibited",
            Outcome::HalfOpen => "half_open",
            Outcome::ResetEarly => "reset_early",
            Outcome::Unanswered => "unanswered",
            Outcome::Midstream => "midstream",
            Outcome::OneWay => "one_way",
            Outcome::Undecided => "undecided",
        }
    }

    /// Whether it counts as blocked.
    pub fn is_blocked(self) -> bool {
        match self {
            Outcome::Silent | Outcome::Refused | Outcome::Prohibited | Outcome::HalfOpen | Outcome::ResetEarly => true,
            Outcome::Established
            | Outcome::Answered
            | Outcome::Unanswered
            | Outcome::Midstream
            | Outcome::OneWay
            | Outcome::Undecided => false,
        }
    }

    /// Whether the capture showed enough to judge the flow.
    pub fn is_evaluable(self) -> bool {
        !matches!(self, Outcome::OneWay | Outcome::Undecided)
    }
}

/// Why an outcome is not more certain. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Doubt {
    /// The capture ended within the grace period.
    CaptureTooShort,
    /// The opener gave up before it had tried often enough.
    TooFewTries,
    /// One direction is missing from the capture.
    OneDirection,
    /// Sent to a broadcast or multicast address: nobody answers from there.
    SentToMany,
    /// Nothing but a reset, or the client reset its own attempt.
    ResetOnly,
    /// The flow is known only from an ICMP error.
    QuotedOnly,
    /// Neither an answer nor a clear sign that there was none.
    NoClearAnswer,
}

impl Doubt {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Doubt::CaptureTooShort => "capture-too-short",
            Doubt::TooFewTries => "too-few-tries",
            Doubt::OneDirection => "one-direction",
            Doubt::SentToMany => "sent-to-many",
            Doubt::ResetOnly => "reset-only",
            Doubt::QuotedOnly => "quoted-only",
            Doubt::NoClearAnswer => "no-clear-answer",
        }
    }
}

/// Least number of tries of TCP before a flow is "blocked" ...
pub const TCP_TRIES: u32 = 3;
/// ... and of UDP: one repetition ...
pub const UDP_TRIES: u64 = 2;
/// ... that comes after this time at least: datagrams at one moment are one try, or one packet captured twice ...
pub const REPETITION: Span = Span::seconds(1);
/// ... and least time since the first (facts 8.5).
pub const GRACE: Span = Span::seconds(4);
/// Time since the first try from which silence is certain: the shortest schedule of a Windows client has ended (facts
/// 8.5).
pub const FIRM: Span = Span::seconds(21);
/// Longest time after the handshake for which a reset is early, where the client has said something ...
pub const EARLY: Span = Span::seconds(10);
/// ... and where it has not.
const AT_ONCE: Span = Span::seconds(1);

/// Decides what became of a flow. `reply_due` says that the service of this UDP port always answers.
pub fn outcome(flow: &FlowRecord, reply_due: bool) -> (Outcome, Option<Doubt>) {
    match flow.protocol {
        protocol::TCP => tcp(flow),
        protocol::UDP => udp(flow, reply_due),
        _ => icmp(flow),
    }
}

fn tcp(flow: &FlowRecord) -> (Outcome, Option<Doubt>) {
    match (flow.from_client.packets > 0, flow.from_server.packets > 0) {
        (false, false) => quoted_only(flow),
        (true, false) => client_alone(flow),
        (false, true) => server_alone(flow),
        (true, true) => both_sides(flow),
    }
}

/// Known only from an ICMP error. Which way the quoted packet went is told by the port map or not at all.
fn quoted_only(flow: &FlowRecord) -> (Outcome, Option<Doubt>) {
    let certain = flow.basis == super::DirectionBasis::PortMap;
    if certain && unreachable(flow) {
        return (Outcome::Prohibited, None);
    }
    (Outcome::Undecided, Some(Doubt::QuotedOnly))
}

fn unreachable(flow: &FlowRecord) -> bool {
    flow.icmp.is_some_and(|icmp| {
        icmp.about_client && if icmp.v6 { icmp.kind == 1 } else { icmp.kind == 3 && icmp.code != 4 }
    })
}

/// An ICMP error quotes a packet of the server: it did answer, though the capture does not hold it.
fn answer_quoted(flow: &FlowRecord) -> bool {
    flow.icmp.is_some_and(|icmp| !icmp.about_client)
}

fn client_alone(flow: &FlowRecord) -> (Outcome, Option<Doubt>) {
    if flow.marks.has(Marks::CLIENT_SPOKE) {
        // An ACK or data of the client proves an answer that the capture does not hold (facts 8.4).
        return (Outcome::OneWay, Some(Doubt::OneDirection));
    }
    if unreachable(flow) {
        return (Outcome::Prohibited, None);
    }
    if answer_quoted(flow) {
        return (Outcome::OneWay, Some(Doubt::OneDirection));
    }
    if flow.syns == 0 {
        return (Outcome::Undecided, Some(Doubt::ResetOnly));
    }
    if flow.syns >= TCP_TRIES && flow.watched() >= GRACE {
        return (Outcome::Silent, None);
    }
    (Outcome::Undecided, Some(patience(flow)))
}

/// Why there was no third try: the capture ended, or the opener gave up.
fn patience(flow: &FlowRecord) -> Doubt {
    if flow.cut_off && flow.watched() < FIRM { Doubt::CaptureTooShort } else { Doubt::TooFewTries }
}

fn server_alone(flow: &FlowRecord) -> (Outcome, Option<Doubt>) {
    if flow.syn_acks == 0 && !flow.marks.has(Marks::SERVER_WENT_ON) {
        return (Outcome::Undecided, Some(Doubt::ResetOnly));
    }
    (Outcome::OneWay, Some(Doubt::OneDirection))
}

fn both_sides(flow: &FlowRecord) -> (Outcome, Option<Doubt>) {
    let syn = flow.marks.has(Marks::SYN_SEEN);
    if syn && flow.syn_acks == 0 && !flow.marks.has(Marks::SERVER_WENT_ON) {
        return unanswered_syn(flow);
    }
    if flow.syn_acks > 0 && !flow.marks.has(Marks::SERVER_WENT_ON) && !flow.marks.has(Marks::CLIENT_WENT_ON) {
        return unacknowledged(flow);
    }
    if is_reset_early(flow) {
        return (Outcome::ResetEarly, None);
    }
    if syn || flow.syn_acks > 0 { (Outcome::Established, None) } else { (Outcome::Midstream, None) }
}

/// The server's side cut what the client had begun to say, or cut at once. A server that closes a connection on which
/// nobody spoke for a while only tidies up.
fn is_reset_early(flow: &FlowRecord) -> bool {
    let limit = if flow.from_client.payload_bytes > 0 { EARLY } else { AT_ONCE };
    flow.reset_after.is_some_and(|after| after <= limit)
        && flow.from_server.payload_bytes == 0
        && !flow.marks.has(Marks::CLIENT_ENDED_FIRST)
}

/// SYNs, and of the server nothing but resets.
fn unanswered_syn(flow: &FlowRecord) -> (Outcome, Option<Doubt>) {
    if flow.marks.has(Marks::REFUSED) {
        return (Outcome::Refused, None);
    }
    (Outcome::Undecided, Some(Doubt::NoClearAnswer))
}

/// SYN-ACKs, and no sign that the client got one.
fn unacknowledged(flow: &FlowRecord) -> (Outcome, Option<Doubt>) {
    if flow.marks.has(Marks::CLIENT_RESET) {
        // A monitor or a scanner: the port answers, and that was all it wanted to know.
        return (Outcome::Established, None);
    }
    let repeated = flow.syn_acks >= 2 || flow.marks.has(Marks::SYN_AFTER_SYN_ACK);
    let watched = flow.answered_at.is_some_and(|at| flow.until - at >= GRACE);
    if repeated && watched {
        return (Outcome::HalfOpen, None);
    }
    (Outcome::Undecided, Some(if flow.cut_off { Doubt::CaptureTooShort } else { Doubt::NoClearAnswer }))
}

fn udp(flow: &FlowRecord, reply_due: bool) -> (Outcome, Option<Doubt>) {
    match (flow.from_client.packets > 0, flow.from_server.packets > 0) {
        (true, true) => return (Outcome::Answered, None),
        (false, true) => return (Outcome::OneWay, Some(Doubt::OneDirection)),
        (false, false) => return quoted_only(flow),
        (true, false) => {}
    }
    if flow.marks.has(Marks::ANSWERED_ELSEWHERE) {
        return (Outcome::Answered, None);
    }
    if flow.marks.has(Marks::SENT_TO_MANY) || flow.server.address.is_to_many() {
        return (Outcome::Unanswered, Some(Doubt::SentToMany));
    }
    if unreachable(flow) {
        return (Outcome::Prohibited, None);
    }
    if answer_quoted(flow) {
        return (Outcome::OneWay, Some(Doubt::OneDirection));
    }
    if !reply_due {
        return (Outcome::Unanswered, None);
    }
    let tries = flow.from_client.packets - u64::from(flow.from_client.duplicates);
    let repeated = tries >= UDP_TRIES && flow.last - flow.first >= REPETITION;
    if repeated && flow.watched() >= GRACE {
        return (Outcome::Silent, None);
    }
    (Outcome::Unanswered, Some(patience(flow)))
}

fn icmp(flow: &FlowRecord) -> (Outcome, Option<Doubt>) {
    match (flow.from_client.packets > 0, flow.from_server.packets > 0) {
        (true, true) => (Outcome::Answered, None),
        (true, false) if unreachable(flow) => (Outcome::Prohibited, None),
        (true, false) => (Outcome::Unanswered, None),
        (false, _) => (Outcome::OneWay, Some(Doubt::OneDirection)),
    }
}
