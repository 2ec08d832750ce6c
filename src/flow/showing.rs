//! What the packets of a flow show by themselves: answered, refused, silent for long enough, or not to be told. What that means is
//! concluded later, by the judge, who also knows the port map and what the whole capture shows. Why it waits that long:
//! facts GRACE-01.

use super::{DirectionBasis, FlowRecord, Heard, Hints, IcmpError, Marks, Nobody, Witness};
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

/// A question that decides what the packets of a flow show, with the facts that it is asked of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Question {
    /// Packets of the client were seen: this number.
    ClientSeen(u64),
    /// Packets of the server were seen: this number.
    ServerSeen(u64),
    /// The client acknowledged or sent something, though no answer was seen.
    ClientWentOnAlone,
    /// Over UDP: the client sent what it sends only after an answer, though none was seen.
    ClientFollowedUp,
    /// The client reset after its SYN, though no answer was seen.
    ClientResetAlone,
    /// An ICMP error says that the client's packets do not arrive. Without one: none quotes the flow.
    Unreachable(Option<IcmpError>),
    /// An ICMP error quotes a packet of the server.
    AnswerQuoted,
    /// SYNs were seen: this number.
    SynSeen(u32),
    /// There were enough tries.
    Tries {
        /// SYNs.
        seen: u32,
        /// The least that are enough.
        needed: u32,
    },
    /// It was watched for long enough since its first packet.
    Watched {
        /// How long.
        seen: Span,
        /// The least that is enough.
        needed: Span,
    },
    /// The capture ended, or nobody looked any longer, while another try was still to be expected.
    CutOff {
        /// How long it was watched.
        seen: Span,
        /// After this time no further try comes.
        firm: Span,
    },
    /// It was given up before its time, because there were too many flows.
    LetGo,
    /// SYN-ACKs were seen: this number.
    SynAckSeen(u32),
    /// The server sent something else than SYN-ACKs and resets.
    ServerWentOn,
    /// The client acknowledged or sent something after its SYN.
    ClientWentOn,
    /// A reset of the server answered a SYN.
    Refused,
    /// Whether a reset answered the same SYN before the SYN-ACK did.
    ResetBesideAnswer,
    /// The client reset, once the port had answered.
    ClientReset,
    /// The SYN-ACK was repeated, or the SYN after it. This number of SYN-ACKs.
    AnswerRepeated(u32),
    /// It was watched for long enough since the first SYN-ACK.
    WatchedSinceAnswer {
        /// How long.
        seen: Span,
        /// The least that is enough.
        needed: Span,
    },
    /// The server reset soon after the handshake.
    ResetSoon {
        /// How long after it; none without such a reset.
        after: Option<Span>,
        /// Up to here it is soon.
        limit: Span,
    },
    /// The server said something: this number of bytes.
    ServerSaid(u64),
    /// The client closed or reset before the server did.
    ClientEndedFirst,
    /// The answer came from another port of the server, as TFTP does it.
    AnsweredElsewhere,
    /// It was sent to a broadcast or multicast address.
    SentToMany,
    /// There are too many datagrams for tries: they are session data.
    Stream(u64),
    /// Datagrams were tried again.
    TriedAgain {
        /// Tries.
        seen: u64,
        /// The least that are enough.
        needed: u64,
        /// From the first datagram to the last.
        over: Span,
        /// The least that is enough.
        least: Span,
    },
}

/// Reads in the record of a flow what its packets show.
pub fn showing(flow: &FlowRecord) -> Showing {
    showing_told(flow, &mut Nobody)
}

/// The same, and tells on which questions it turns.
pub fn showing_told(flow: &FlowRecord, why: &mut impl Witness<Question>) -> Showing {
    match flow.protocol {
        protocol::TCP => tcp(flow, why),
        protocol::UDP => udp(flow, why),
        _ => icmp(flow, why),
    }
}

/// Of whom packets were seen: of the client, and of the server.
fn seen(flow: &FlowRecord, why: &mut impl Witness<Question>) -> (bool, bool) {
    let [client, server] = [flow.from_client.packets, flow.from_server.packets];
    let client = why.asks(client > 0, || Question::ClientSeen(client));
    (client, why.asks(server > 0, || Question::ServerSeen(server)))
}

fn tcp(flow: &FlowRecord, why: &mut impl Witness<Question>) -> Showing {
    match seen(flow, why) {
        (false, false) => Showing::Unclear(Doubt::QuotedOnly),
        (true, false) => client_alone(flow, why),
        (false, true) => server_alone(flow, why),
        (true, true) => both_sides(flow, why),
    }
}

/// An ICMP error said that packets of the client do not arrive. Only one about packets that were seen counts: see
/// [`IcmpError`].
fn unreachable(flow: &FlowRecord, why: &mut impl Witness<Question>) -> bool {
    let says_so = flow.icmp.is_some_and(|icmp| {
        let unreachable = if icmp.v6 { icmp.kind == 1 } else { icmp.kind == 3 && icmp.code != 4 };
        let closed = icmp.sender == flow.server.address && is_back_to_front(flow);
        icmp.about_client && unreachable && !closed
    });
    why.asks(says_so, || Question::Unreachable(flow.icmp))
}

/// The side that was seen first sends from the lower port to one that systems hand out to clients: a late answer to a client
/// that may have closed its socket.
fn is_back_to_front(flow: &FlowRecord) -> bool {
    let to_client = flow.client.port < flow.server.port && flow.server.port >= CLIENT_PORTS;
    flow.protocol == protocol::UDP && flow.basis == DirectionBasis::Payload && to_client
}

/// An ICMP error quotes a packet of the server: it did answer, though the capture does not hold it.
fn answer_quoted(flow: &FlowRecord, why: &mut impl Witness<Question>) -> bool {
    flow.icmp.is_some_and(|icmp| why.asks(!icmp.about_client, || Question::AnswerQuoted))
}

fn client_alone(flow: &FlowRecord, why: &mut impl Witness<Question>) -> Showing {
    // An ACK or data of the client proves an answer that the capture does not hold, and so does its reset after a SYN (facts
    // ONEWAY-01).
    if why.asks(flow.marks.has(Marks::CLIENT_SPOKE), || Question::ClientWentOnAlone)
        || why.asks(flow.syns > 0 && flow.marks.has(Marks::CLIENT_RESET), || Question::ClientResetAlone)
    {
        return Showing::OneDirection;
    }
    if unreachable(flow, why) {
        return Showing::Unreachable;
    }
    if answer_quoted(flow, why) {
        return Showing::OneDirection;
    }
    if !why.asks(flow.syns > 0, || Question::SynSeen(flow.syns)) {
        return Showing::Unclear(Doubt::ResetOnly);
    }
    let tried = why.asks(flow.syns >= TCP_TRIES, || Question::Tries { seen: flow.syns, needed: TCP_TRIES });
    let watched = watched(flow, why);
    if tried && watched {
        return Showing::Silence;
    }
    Showing::Unclear(patience(flow, why))
}

/// It was watched for long enough since its first packet.
fn watched(flow: &FlowRecord, why: &mut impl Witness<Question>) -> bool {
    let (seen, needed) = (flow.watched(), grace(flow));
    why.asks(seen >= needed, || Question::Watched { seen, needed })
}

/// How long silence must have been watched. Of a flow that was given up before its time the next packet may have been an
/// answer: only what is certain counts.
fn grace(flow: &FlowRecord) -> Span {
    if flow.marks.has(Marks::LET_GO) { FIRM } else { GRACE }
}

/// Why there was no further try: the capture ended, nobody looked any longer, or the opener gave up.
fn patience(flow: &FlowRecord, why: &mut impl Witness<Question>) -> Doubt {
    let seen = flow.watched();
    if !why.asks(flow.cut_off && seen < FIRM, || Question::CutOff { seen, firm: FIRM }) {
        return Doubt::TooFewTries;
    }
    too_early(flow, why)
}

/// Who ended the watch too early.
fn too_early(flow: &FlowRecord, why: &mut impl Witness<Question>) -> Doubt {
    if why.asks(flow.marks.has(Marks::LET_GO), || Question::LetGo) { Doubt::FlowLimit } else { Doubt::CaptureTooShort }
}

fn server_alone(flow: &FlowRecord, why: &mut impl Witness<Question>) -> Showing {
    if !why.asks(flow.syn_acks > 0, || Question::SynAckSeen(flow.syn_acks))
        && !why.asks(flow.marks.has(Marks::SERVER_WENT_ON), || Question::ServerWentOn)
    {
        return Showing::Unclear(Doubt::ResetOnly);
    }
    Showing::OneDirection
}

fn both_sides(flow: &FlowRecord, why: &mut impl Witness<Question>) -> Showing {
    let syn = why.asks(flow.marks.has(Marks::SYN_SEEN), || Question::SynSeen(flow.syns));
    let syn_ack = why.asks(flow.syn_acks > 0, || Question::SynAckSeen(flow.syn_acks));
    let server = why.asks(flow.marks.has(Marks::SERVER_WENT_ON), || Question::ServerWentOn);
    if syn && !syn_ack && !server {
        return unanswered_syn(flow, why);
    }
    if syn_ack && !server && !why.asks(flow.marks.has(Marks::CLIENT_WENT_ON), || Question::ClientWentOn) {
        return unacknowledged(flow, why);
    }
    if is_reset_early(flow, why) {
        return Showing::EarlyReset;
    }
    if syn || syn_ack { Showing::Handshake } else { Showing::Midstream }
}

/// The server's side cut what the client had begun to say, or cut at once. A server that closes a connection on which
/// nobody spoke for a while only tidies up.
fn is_reset_early(flow: &FlowRecord, why: &mut impl Witness<Question>) -> bool {
    let limit = if flow.from_client.payload_bytes > 0 { EARLY } else { AT_ONCE };
    let (after, said) = (flow.reset_after, flow.from_server.payload_bytes);
    // Where the server goes on after a reset, somebody else sent that one.
    let went_on = Hints::BEFORE_PAYLOAD | Hints::WENT_ON;
    let reset_first = said == 0 || flow.reset.is_some_and(|reset| reset.hints.has(went_on));
    why.asks(after.is_some_and(|after| after <= limit), || Question::ResetSoon { after, limit })
        && !why.asks(!reset_first, || Question::ServerSaid(said))
        && !why.asks(flow.marks.has(Marks::CLIENT_ENDED_FIRST), || Question::ClientEndedFirst)
}

/// SYNs, and of the server nothing but resets.
fn unanswered_syn(flow: &FlowRecord, why: &mut impl Witness<Question>) -> Showing {
    let refused = why.asks(flow.marks.has(Marks::REFUSED), || Question::Refused);
    if refused { Showing::Refusal } else { Showing::Unclear(Doubt::NoClearAnswer) }
}

/// SYN-ACKs, and no sign that the client got one.
fn unacknowledged(flow: &FlowRecord, why: &mut impl Witness<Question>) -> Showing {
    // A reset and a SYN-ACK answered one SYN, the reset first: that is what the client goes by.
    let reset_first = flow.reset.is_some_and(|reset| reset.hints.has(Hints::WENT_ON));
    if why.asks(reset_first, || Question::ResetBesideAnswer) {
        return Showing::Refusal;
    }
    if why.asks(flow.marks.has(Marks::CLIENT_RESET), || Question::ClientReset) {
        // A monitor or a scanner: the port answers, and that was all it wanted to know.
        return Showing::Handshake;
    }
    let repeated = flow.syn_acks >= 2 || flow.marks.has(Marks::SYN_AFTER_SYN_ACK);
    let repeated = why.asks(repeated, || Question::AnswerRepeated(flow.syn_acks));
    let watched = flow.answered_at.is_some_and(|at| {
        let (seen, needed) = (flow.until - at, grace(flow));
        why.asks(seen >= needed, || Question::WatchedSinceAnswer { seen, needed })
    });
    if repeated && watched {
        return Showing::Unacknowledged;
    }
    let (seen, cut_off) = (flow.watched(), flow.cut_off);
    Showing::Unclear(match why.asks(cut_off, || Question::CutOff { seen, firm: FIRM }) {
        true => too_early(flow, why),
        false => Doubt::NoClearAnswer,
    })
}

fn udp(flow: &FlowRecord, why: &mut impl Witness<Question>) -> Showing {
    match seen(flow, why) {
        (true, true) => return Showing::Exchange,
        (false, true) => return Showing::OneDirection,
        (false, false) => return Showing::Unclear(Doubt::QuotedOnly),
        (true, false) => {}
    }
    if why.asks(flow.marks.has(Marks::ANSWERED_ELSEWHERE), || Question::AnsweredElsewhere) {
        return Showing::Exchange;
    }
    let to_many = flow.marks.has(Marks::SENT_TO_MANY) || flow.server.address.is_to_many();
    if why.asks(to_many, || Question::SentToMany) {
        return Showing::SentToMany;
    }
    // As an ACK does over TCP (facts ONEWAY-03).
    if why.asks(flow.marks.has(Marks::CLIENT_SPOKE), || Question::ClientFollowedUp) {
        return Showing::OneDirection;
    }
    if unreachable(flow, why) {
        return Showing::Unreachable;
    }
    if answer_quoted(flow, why) {
        return Showing::OneDirection;
    }
    if why.asks(is_stream(flow), || Question::Stream(flow.client_packets())) {
        return Showing::NoReply(Some(Doubt::NoClearAnswer));
    }
    let (seen, over) = (flow.tries(), flow.last - flow.first);
    let tried_again = || Question::TriedAgain { seen, needed: UDP_TRIES, over, least: REPETITION };
    let repeated = why.asks(seen >= UDP_TRIES && over >= REPETITION, tried_again);
    let watched = watched(flow, why);
    Showing::NoReply(if repeated && watched { None } else { Some(patience(flow, why)) })
}

/// Session data rather than tries: nobody sends it before an answer came, so the capture may lack one direction.
fn is_stream(flow: &FlowRecord) -> bool {
    let datagrams = flow.client_packets();
    let greeting = |heard: &Heard| matches!(heard.protocol, Protocol::Edt | Protocol::Dtls);
    let endless = datagrams >= 2 * STREAM;
    let many = endless || datagrams >= STREAM && !flow.heard.as_ref().is_some_and(greeting);
    many || datagrams >= SHORT_STREAM && datagrams > BURST * flow.tries()
}

fn icmp(flow: &FlowRecord, why: &mut impl Witness<Question>) -> Showing {
    match seen(flow, why) {
        (true, true) => Showing::Exchange,
        (true, false) if unreachable(flow, why) => Showing::Unreachable,
        (true, false) if why.asks(flow.marks.has(Marks::LET_GO), || Question::LetGo) => {
            Showing::NoReply(Some(Doubt::FlowLimit))
        }
        (true, false) => Showing::NoReply(None),
        (false, _) => Showing::OneDirection,
    }
}
