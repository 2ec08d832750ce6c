//! What the packets of a flow show by themselves: answered, refused, silent for long enough, or not to be told. What that means is
//! concluded later, by the judge, who also knows the port map and what the whole capture shows. Why it waits that long:
//! facts GRACE-01.

use super::{DirectionBasis, FlowRecord, Heard, Hints, Marks};
use crate::packet::protocol;
use crate::signature::Protocol;
use crate::time::Span;

/// What the packets of a flow show.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Showing {
    /// TCP: at least [`TCP_TRIES`] SYNs, watched for at least [`GRACE`], and nothing came back.
    Silence,
    /// UDP or ICMP: no reply. Without a doubt: it was asked often and long enough for one. Whether a reply is due, and
    /// whether the capture would hold it, is not known here.
    NoReply(Option<Doubt>),
    /// TCP: a reset answered the first SYN.
    Refusal,
    /// An ICMP error said that the client's packets do not arrive.
    Unreachable,
    /// TCP: SYN-ACKs, and no sign that the client got one.
    Unacknowledged,
    /// TCP: the server's side reset right after the handshake, before the server said anything.
    EarlyReset,
    /// TCP: the handshake was completed, or the client wanted no more than the answer to its SYN.
    Handshake,
    /// UDP or ICMP: both sides spoke.
    Exchange,
    /// Both sides speak; the start was not captured.
    Midstream,
    /// Sent to a broadcast or multicast address: nobody answers from there.
    SentToMany,
    /// One direction is missing from the capture, although it plainly exists.
    OneDirection,
    /// The capture ended, or shows too little, before the question could be answered.
    Unclear(Doubt),
}

/// Why something is not more certain. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
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
    /// Given up before its time: there were more flows than the limit allows.
    FlowLimit,
}

impl Doubt {
    /// Every doubt, in order.
    pub const ALL: [Doubt; 8] = [
        Doubt::CaptureTooShort,
        Doubt::TooFewTries,
        Doubt::OneDirection,
        Doubt::SentToMany,
        Doubt::ResetOnly,
        Doubt::QuotedOnly,
        Doubt::NoClearAnswer,
        Doubt::FlowLimit,
    ];

    /// Nothing but more tries, or a longer watch, is missing.
    pub fn is_patience(self) -> bool {
        matches!(self, Doubt::CaptureTooShort | Doubt::TooFewTries)
    }

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
            Doubt::FlowLimit => "flow-limit",
        }
    }
}

impl Showing {
    /// The server was seen to answer: a handshake, or both sides spoke.
    pub fn is_answered(self) -> bool {
        matches!(self, Showing::Handshake | Showing::Exchange)
    }

    /// An attempt that came to nothing, certain or not.
    pub fn is_attempt(self) -> bool {
        match self {
            Showing::Silence
            | Showing::NoReply(_)
            | Showing::Refusal
            | Showing::Unreachable
            | Showing::Unacknowledged => true,
            Showing::Unclear(doubt) => doubt.is_patience(),
            _ => false,
        }
    }

    /// No reply, and why that says little.
    pub fn short_of_replies(doubt: Doubt) -> Showing {
        Showing::NoReply(Some(doubt))
    }
}

/// The first port that systems hand out to clients (Linux; Windows begins at 49152).
pub const CLIENT_PORTS: u16 = 32_768;
/// Minimum number of SYNs before silence is certain enough to be called so.
pub const TCP_TRIES: u32 = 3;
/// Minimum number of tries with datagrams: one repetition.
pub const UDP_TRIES: u64 = 2;
/// Number of datagrams that are a stream, as far as they are not known to open a session: no client tries as often.
const STREAM: u64 = 100;
/// Minimum number of datagrams that are a stream where most follow each other at once ...
const SHORT_STREAM: u64 = 20;
/// ... which they do where there are more than this number for each try.
const BURST: u64 = 4;
/// Minimum time between the first datagram and the last: datagrams at one moment are one try, or one packet captured twice.
pub const REPETITION: Span = Span::seconds(1);
/// Minimum time watched since the first packet (facts GRACE-01).
pub const GRACE: Span = Span::seconds(4);
/// From here on silence is certain: the shortest schedule of a Windows client has ended (facts GRACE-02).
pub const FIRM: Span = Span::seconds(21);
/// Maximum time between the handshake and an early reset, where the client has said something.
pub const EARLY: Span = Span::seconds(10);
/// The same where the client has said nothing; up to here it is "right after" the handshake.
pub const AT_ONCE: Span = Span::seconds(1);

/// Reads in the record of a flow what its packets show.
pub fn showing(flow: &FlowRecord) -> Showing {
    match flow.protocol {
        protocol::TCP => tcp(flow),
        protocol::UDP => udp(flow),
        _ => icmp(flow),
    }
}

fn tcp(flow: &FlowRecord) -> Showing {
    match (flow.from_client.packets > 0, flow.from_server.packets > 0) {
        (false, false) => Showing::Unclear(Doubt::QuotedOnly),
        (true, false) => client_alone(flow),
        (false, true) => server_alone(flow),
        (true, true) => both_sides(flow),
    }
}

/// An ICMP error said that packets of the client do not arrive. Only one about packets that were seen counts: see
/// [`IcmpError`](super::IcmpError).
fn unreachable(flow: &FlowRecord) -> bool {
    flow.icmp.is_some_and(|icmp| {
        let unreachable = if icmp.v6 { icmp.kind == 1 } else { icmp.kind == 3 && icmp.code != 4 };
        let closed = icmp.sender == flow.server.address && is_back_to_front(flow);
        icmp.about_client && unreachable && !closed
    })
}

/// The side that was seen first sends from the lower port to one that systems hand out to clients: a late answer to a client
/// that may have closed its socket.
fn is_back_to_front(flow: &FlowRecord) -> bool {
    let to_client = flow.client.port < flow.server.port && flow.server.port >= CLIENT_PORTS;
    flow.protocol == protocol::UDP && flow.basis == DirectionBasis::Payload && to_client
}

/// An ICMP error quotes a packet of the server: it did answer, though the capture does not hold it.
fn answer_quoted(flow: &FlowRecord) -> bool {
    flow.icmp.is_some_and(|icmp| !icmp.about_client)
}

fn client_alone(flow: &FlowRecord) -> Showing {
    if flow.marks.has(Marks::CLIENT_SPOKE) || flow.syns > 0 && flow.marks.has(Marks::CLIENT_RESET) {
        // An ACK or data of the client proves an answer that the capture does not hold, and so does its reset after a SYN (facts
        // ONEWAY-01).
        return Showing::OneDirection;
    }
    if unreachable(flow) {
        return Showing::Unreachable;
    }
    if answer_quoted(flow) {
        return Showing::OneDirection;
    }
    if flow.syns == 0 {
        return Showing::Unclear(Doubt::ResetOnly);
    }
    if flow.syns >= TCP_TRIES && flow.watched() >= grace(flow) {
        return Showing::Silence;
    }
    Showing::Unclear(patience(flow))
}

/// How long silence must have been watched. Of a flow that was given up before its time the next packet may have been an
/// answer: only what is certain counts.
fn grace(flow: &FlowRecord) -> Span {
    if flow.marks.has(Marks::LET_GO) { FIRM } else { GRACE }
}

/// Why there was no further try: the capture ended, nobody looked any longer, or the opener gave up.
fn patience(flow: &FlowRecord) -> Doubt {
    match flow.cut_off && flow.watched() < FIRM {
        true if flow.marks.has(Marks::LET_GO) => Doubt::FlowLimit,
        true => Doubt::CaptureTooShort,
        false => Doubt::TooFewTries,
    }
}

fn server_alone(flow: &FlowRecord) -> Showing {
    if flow.syn_acks == 0 && !flow.marks.has(Marks::SERVER_WENT_ON) {
        return Showing::Unclear(Doubt::ResetOnly);
    }
    Showing::OneDirection
}

fn both_sides(flow: &FlowRecord) -> Showing {
    let syn = flow.marks.has(Marks::SYN_SEEN);
    if syn && flow.syn_acks == 0 && !flow.marks.has(Marks::SERVER_WENT_ON) {
        return unanswered_syn(flow);
    }
    if flow.syn_acks > 0 && !flow.marks.has(Marks::SERVER_WENT_ON) && !flow.marks.has(Marks::CLIENT_WENT_ON) {
        return unacknowledged(flow);
    }
    if is_reset_early(flow) {
        return Showing::EarlyReset;
    }
    if syn || flow.syn_acks > 0 { Showing::Handshake } else { Showing::Midstream }
}

/// The server's side cut what the client had begun to say, or cut at once. A server that closes a connection on which
/// nobody spoke for a while only tidies up.
fn is_reset_early(flow: &FlowRecord) -> bool {
    let limit = if flow.from_client.payload_bytes > 0 { EARLY } else { AT_ONCE };
    // Where the server goes on after a reset, somebody else sent that one.
    let went_on = Hints::BEFORE_PAYLOAD | Hints::WENT_ON;
    let reset_first = flow.from_server.payload_bytes == 0 || flow.reset.is_some_and(|reset| reset.hints.has(went_on));
    flow.reset_after.is_some_and(|after| after <= limit) && reset_first && !flow.marks.has(Marks::CLIENT_ENDED_FIRST)
}

/// SYNs, and of the server nothing but resets.
fn unanswered_syn(flow: &FlowRecord) -> Showing {
    if flow.marks.has(Marks::REFUSED) { Showing::Refusal } else { Showing::Unclear(Doubt::NoClearAnswer) }
}

/// SYN-ACKs, and no sign that the client got one.
fn unacknowledged(flow: &FlowRecord) -> Showing {
    if flow.reset.is_some_and(|reset| reset.hints.has(Hints::WENT_ON)) {
        // A reset and a SYN-ACK answered one SYN, the reset first: that is what the client goes by.
        return Showing::Refusal;
    }
    if flow.marks.has(Marks::CLIENT_RESET) {
        // A monitor or a scanner: the port answers, and that was all it wanted to know.
        return Showing::Handshake;
    }
    let repeated = flow.syn_acks >= 2 || flow.marks.has(Marks::SYN_AFTER_SYN_ACK);
    let watched = flow.answered_at.is_some_and(|at| flow.until - at >= grace(flow));
    if repeated && watched {
        return Showing::Unacknowledged;
    }
    Showing::Unclear(match flow.cut_off {
        true if flow.marks.has(Marks::LET_GO) => Doubt::FlowLimit,
        true => Doubt::CaptureTooShort,
        false => Doubt::NoClearAnswer,
    })
}

fn udp(flow: &FlowRecord) -> Showing {
    match (flow.from_client.packets > 0, flow.from_server.packets > 0) {
        (true, true) => return Showing::Exchange,
        (false, true) => return Showing::OneDirection,
        (false, false) => return Showing::Unclear(Doubt::QuotedOnly),
        (true, false) => {}
    }
    if flow.marks.has(Marks::ANSWERED_ELSEWHERE) {
        return Showing::Exchange;
    }
    if flow.marks.has(Marks::SENT_TO_MANY) || flow.server.address.is_to_many() {
        return Showing::SentToMany;
    }
    if unreachable(flow) {
        return Showing::Unreachable;
    }
    if answer_quoted(flow) {
        return Showing::OneDirection;
    }
    if is_stream(flow) {
        return Showing::NoReply(Some(Doubt::NoClearAnswer));
    }
    let repeated = flow.tries() >= UDP_TRIES && flow.last - flow.first >= REPETITION;
    let enough = repeated && flow.watched() >= grace(flow);
    Showing::NoReply((!enough).then(|| patience(flow)))
}

/// Session data rather than tries: nobody sends it before an answer came, so the capture may lack one direction.
fn is_stream(flow: &FlowRecord) -> bool {
    let datagrams = flow.client_packets();
    let greeting = |heard: &Heard| matches!(heard.protocol, Protocol::Edt | Protocol::Dtls);
    let endless = datagrams >= 2 * STREAM;
    let many = endless || datagrams >= STREAM && !flow.heard.as_ref().is_some_and(greeting);
    many || datagrams >= SHORT_STREAM && datagrams > BURST * flow.tries()
}

fn icmp(flow: &FlowRecord) -> Showing {
    match (flow.from_client.packets > 0, flow.from_server.packets > 0) {
        (true, true) => Showing::Exchange,
        (true, false) if unreachable(flow) => Showing::Unreachable,
        (true, false) if flow.marks.has(Marks::LET_GO) => Showing::NoReply(Some(Doubt::FlowLimit)),
        (true, false) => Showing::NoReply(None),
        (false, _) => Showing::OneDirection,
    }
}
