//! A flow while it lives: what one more packet changes. Hot are the counters and the TCP state; what only some packets
//! need (opening bytes, evidence, errors) lies apart.

mod asking;
mod half;
mod hearing;
mod mtu;
mod packed;
mod sizes;
mod standing;

use self::asking::Asking;
use self::half::{Half, Step};
use self::hearing::{Listening, Openings};
use self::mtu::Watch;
use self::packed::Packed;
use self::sizes::Sizes;
use super::{
    Death, DirectionBasis, EVIDENCE_LIMIT, End, Endpoint, Extras, FIRM, FlowKey, FlowRecord, GRACE, Heard, Hints,
    IcmpError, Marks, Note, PacketRef, Sender, Side, TCP_TRIES, TcpState, UDP_TRIES, Who,
};
use crate::packet::{Packet, RawPacket, Tcp, TcpFlags, TransportHeader, Vlans, protocol};
use crate::signature::ALERT_LENGTH;
use crate::time::{Span, Timestamp};
use std::num::NonZeroU32;

/// One conversation while it lives: four lines of the cache, of which most packets need two. In the first stands what
/// every packet needs, in the next two one direction each, in the last what only a handshake writes.
#[repr(C, align(64))]
pub(super) struct Flow {
    pub key: FlowKey,
    pub last: Timestamp,
    cold: Option<Box<Cold>>,
    pub marks: Marks,
    /// Which side of the key is the client.
    pub client: Side,
    listening: Listening,
    spoke: Spoke,
    tcp: TcpState,
    /// TCP: SYNs that have had no SYN-ACK of their own yet. UDP: tries before the first answer. At most 255.
    unanswered: u8,
    /// Client first, server second.
    halves: [Half; 2],
    first: Timestamp,
    opener: Packed,
    /// The first packets that were noted after the opener; the others lie apart.
    evidence: [Packed; NOTED_HERE],
    /// The last SYN; from then on the server's first payload.
    syn_at: Since,
    syns: u32,
    /// The first answer: of TCP the first SYN-ACK, else the server's first packet. Of a SYN that a reset answered, how long that took.
    answered_at: Since,
    syn_acks: u32,
    /// The end of the handshake.
    established_at: Since,
    handshake_rtt: Option<Rtt>,
    basis: DirectionBasis,
    /// Who sent the first answer. Until there is one, who sent the server's first reset, and until then the client's last SYN: a
    /// refused flow needs no more room for it.
    server: Sender,
}

/// The round trip of the handshake in microseconds and one, so that nothing takes no more room than something.
#[derive(Clone, Copy)]
struct Rtt(NonZeroU32);

impl Rtt {
    /// None where it is longer than 71 minutes.
    fn new(span: Span) -> Option<Rtt> {
        u32::try_from(span.as_micros()).ok()?.checked_add(1).and_then(NonZeroU32::new).map(Rtt)
    }

    fn span(self) -> Span {
        Span::micros(i64::from(self.0.get() - 1))
    }
}

/// Which sides have sent a packet: one bit each, so that nobody has to look at both halves. And what is awaited of them.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Spoke(u8);

impl Spoke {
    /// Both sides.
    const SIDES: u8 = 3;
    /// TCP: the client said something last, once, and waits for an answer.
    const AWAITS: u8 = 4;
    /// UDP: each datagram of the client asks for an answer.
    const ASKS: u8 = 8;
    /// UDP: it is looked whether large datagrams are sent in vain.
    const SIZES: u8 = 16;

    #[inline]
    fn is_both(self) -> bool {
        self.0 & Spoke::SIDES == Spoke::SIDES
    }

    #[inline]
    fn is_none(self) -> bool {
        self.0 & Spoke::SIDES == 0
    }

    #[inline]
    fn has(self, who: Who) -> bool {
        self.0 & 1 << who as u8 != 0
    }

    #[inline]
    fn set(&mut self, who: Who) {
        self.0 |= 1 << who as u8;
    }
}

/// Microseconds since the first packet of the flow; half the size of a moment. What comes later than 71 minutes is not
/// known.
#[derive(Clone, Copy, Default)]
struct Since(u32);

impl Since {
    const TOO_LATE: u32 = u32::MAX;
    const NEVER: Since = Since(Since::TOO_LATE);

    fn new(first: Timestamp, at: Timestamp) -> Since {
        Since(u32::try_from((at - first).as_micros()).unwrap_or(Since::TOO_LATE))
    }

    fn after(self, first: Timestamp) -> Option<Timestamp> {
        self.span().map(|span| first + span)
    }

    fn span(self) -> Option<Span> {
        (self.0 != Since::TOO_LATE).then(|| Span::micros(i64::from(self.0)))
    }
}

/// What only some packets need.
#[derive(Default)]
struct Cold {
    /// The first bytes of both sides, until the protocol is told.
    openings: Option<Box<Openings>>,
    heard: Option<Heard>,
    vlans: Vlans,
    evidence: [Packed; EVIDENCE_LIMIT - 1 - NOTED_HERE],
    /// Of TCP: when the client first said something while [`Marks::AWAITS_ACK`] is set, and how long it took until that was
    /// acknowledged from then on.
    data: Since,
    rare: Option<Box<Rare>>,
}

/// What hardly any flow needs.
#[derive(Default)]
struct Rare {
    reset_after: Option<Span>,
    /// Who sent the server's first reset, where there was an answer as well, after how long, and its sequence number.
    reset: Option<Sender>,
    reset_delay: Option<Span>,
    reset_sequence: u32,
    icmp: Option<IcmpError>,
    /// The last long pause: from when until when.
    pause: Option<(Timestamp, Timestamp)>,
    /// How long nothing was said before the first FIN or reset.
    idle_before_end: Option<Span>,
    calls: Option<Calls>,
    /// Where each datagram of the client asks for an answer.
    asking: Asking,
    watch: Option<Watch>,
    sizes: Option<Box<Sizes>>,
    extras: Option<Box<Extras>>,
}

/// Data that one side repeats while nothing of the other is seen.
#[derive(Clone, Copy)]
struct Calls {
    who: Who,
    /// When it was repeated first, as far as that was looked at.
    since: Timestamp,
    /// How often since.
    times: u32,
    /// Packets of the other side at that time.
    heard: u32,
    /// The pause before.
    idle: Option<Span>,
}

/// Longest time that a flow of which only one side has spoken may be idle before it is given up. What follows is a new
/// flow.
const IDLE_OPENING: Span = Span::seconds(180);
/// The same for a TCP flow of both sides: a little longer than the keepalives of operating systems wait (RFC 9293,
/// 3.8.4: two hours).
const IDLE_ESTABLISHED: Span = Span::seconds(8_100);
/// The same for a TCP flow that has ended.
const IDLE_OVER: Span = Span::seconds(120);
/// The same for UDP.
const IDLE_UDP: Span = Span::seconds(180);
/// The same for ICMP echo.
const IDLE_ICMP: Span = Span::seconds(60);
/// The shortest of them: no flow is given up before.
const IDLE_SHORTEST: Span = IDLE_ICMP;

impl Flow {
    pub fn new(key: FlowKey, client: Side, basis: DirectionBasis, raw: &RawPacket<'_>) -> Flow {
        Flow {
            key,
            client,
            basis,
            server: Sender::default(),
            last: raw.at,
            cold: None,
            marks: Marks::default(),
            listening: Listening::default(),
            spoke: Spoke::default(),
            tcp: TcpState::default(),
            halves: [Half::default(); 2],
            first: raw.at,
            opener: Packed::new(Note::First, raw),
            evidence: [Packed::default(); NOTED_HERE],
            syn_at: Since::default(),
            syns: 0,
            answered_at: Since::default(),
            syn_acks: 0,
            established_at: Since::default(),
            handshake_rtt: None,
            unanswered: 0,
        }
    }

    /// Reads a little of each part that every packet needs; the sum means nothing.
    #[inline]
    pub fn touch(&self) -> u64 {
        (self.last.0 as u64)
            .wrapping_add(u64::from(self.halves[0].packets))
            .wrapping_add(u64::from(self.halves[1].packets))
    }

    /// Whether it has been idle too long by then.
    #[inline]
    pub fn is_given_up(&self, at: Timestamp) -> bool {
        let idle = at - self.last;
        idle > IDLE_SHORTEST && idle > self.patience()
    }

    /// How long it may be idle, by what it has shown so far.
    pub fn patience(&self) -> Span {
        match self.key.protocol() {
            protocol::TCP if self.tcp.is_over() => IDLE_OVER,
            protocol::TCP if !self.spoke.is_both() => IDLE_OPENING,
            protocol::TCP => IDLE_ESTABLISHED,
            protocol::UDP => IDLE_UDP,
            _ => IDLE_ICMP,
        }
    }

    /// Whether this packet belongs to it, and not to another one on the same ports.
    #[inline]
    pub fn goes_on(&self, packet: &Packet, raw: &RawPacket<'_>, side: Side) -> bool {
        let another = match &packet.transport {
            TransportHeader::Tcp(tcp) if tcp.flags.syn() => self.is_another(tcp, side),
            TransportHeader::Tcp(_)
            | TransportHeader::Udp
            | TransportHeader::Icmp(_)
            | TransportHeader::Fragment(_) => false,
        };
        !another && !self.is_given_up(raw.at)
    }

    /// Whether this segment begins another flow on the same ports.
    fn is_another(&self, tcp: &Tcp, side: Side) -> bool {
        if !tcp.flags.syn() || tcp.flags.ack() {
            return false;
        }
        if !self.marks.has(Marks::SYN_SEEN) {
            // Two queues may deliver a SYN after the SYN-ACK that answers it.
            let answered =
                side == self.client && self.syn_acks > 0 && tcp.sequence.wrapping_add(1) == self.halves[0].start;
            // What was known from an ICMP error alone may have taken the server for the client.
            return !answered && (!self.spoke.is_none() || side != self.client);
        }
        if side != self.client {
            return self.tcp.is_over();
        }
        // What comes with the same number is the same attempt: Windows repeats a refused one (facts REFUSED-01), and a client
        // that has just reset an older connection of these ports, which the server still held, goes on (RFC 9293, 3.5.1).
        let freed = self.marks.has(Marks::CLIENT_RESET) && !self.marks.has(Marks::CLIENT_SPOKE) && self.syn_acks == 0;
        let repeated = tcp.sequence.wrapping_add(1) == self.halves[0].start;
        !repeated && (freed || self.tcp.is_over() || self.marks.has(Marks::CLIENT_WENT_ON))
    }

    #[inline]
    fn who(&self, side: Side) -> Who {
        if side == self.client { Who::Client } else { Who::Server }
    }

    /// Enters one packet of this flow.
    #[inline]
    pub fn observe(&mut self, packet: &Packet, raw: &RawPacket<'_>, side: Side) {
        let who = self.who(side);
        let before = self.last;
        self.last = raw.at;
        if !self.spoke.has(who) {
            self.speaks_first(packet, raw, who);
        }
        if packet.to_many && who == Who::Client {
            self.marks.set(Marks::SENT_TO_MANY);
        }
        let half = &mut self.halves[who as usize];
        half.packets += 1;
        half.ip_bytes += u64::from(packet.ip_bytes);
        half.payload_bytes += u64::from(packet.payload_bytes);
        let quiet = half.time_passes(raw.at);
        if half.is_copy(packet, quiet, self.unanswered) {
            half.duplicates += 1;
            return;
        }
        match packet.transport {
            TransportHeader::Tcp(tcp) => self.segment(&tcp, packet, raw, who, quiet, before),
            TransportHeader::Udp => self.datagram(packet, raw, who, quiet, before),
            TransportHeader::Icmp(_) | TransportHeader::Fragment(_) => {}
        }
    }

    /// Enters a later fragment: it has no ports and no payload to listen to.
    pub fn observe_fragment(&mut self, packet: &Packet, raw: &RawPacket<'_>, side: Side) {
        self.last = raw.at;
        let who = self.who(side);
        if !self.spoke.has(who) {
            self.speaks_first(packet, raw, who);
        }
        let half = &mut self.halves[who as usize];
        half.packets += 1;
        half.ip_bytes += u64::from(packet.ip_bytes);
        half.payload_bytes += u64::from(packet.payload_bytes);
    }

    /// Keeps what the first packet of a side shows.
    #[inline(never)]
    fn speaks_first(&mut self, packet: &Packet, raw: &RawPacket<'_>, who: Who) {
        if packet.vlans != Vlans::default() && self.spoke.is_none() {
            self.cold().vlans = packet.vlans;
        }
        self.spoke.set(who);
        self.halves[who as usize].ttl = packet.ttl;
        if who == Who::Server && self.key.protocol() != protocol::TCP {
            self.answered_at = Since::new(self.first, raw.at);
            self.server = Sender::of(packet);
        }
    }

    /// Enters an ICMP error that quotes a packet of this flow.
    pub fn quoted(&mut self, error: IcmpError, mtu: u16, raw: &RawPacket<'_>) {
        if error.about_client && !self.spoke.has(Who::Client) {
            // Anybody can quote a packet that nobody has seen.
            return self.note(Note::IcmpError, raw);
        }
        let quotes = if error.about_client { Who::Client } else { Who::Server };
        if error.is_too_big() && self.spoke.has(quotes) {
            self.is_too_big(&error, mtu);
            if self.key.protocol() == protocol::UDP {
                self.says_too_big(quotes, mtu, raw);
            }
        }
        let icmp = &mut self.rare().icmp;
        let better = icmp.is_none_or(|known| error.about_client && (!known.about_client || known.is_too_big()));
        if better {
            *icmp = Some(error);
            self.note(Note::IcmpError, raw);
        }
    }

    /// Packets of both sides have been seen, and of TCP more than a handshake that hangs.
    pub fn is_answered(&self) -> bool {
        let both = self.spoke.is_both();
        let went_on = self.marks.has(Marks::CLIENT_WENT_ON | Marks::SERVER_WENT_ON);
        both && (self.key.protocol() != protocol::TCP || went_on)
    }

    /// When it began.
    pub fn began(&self) -> Timestamp {
        self.first
    }

    /// Nobody but the client has spoken, and it has not yet been watched for long enough for that to mean something.
    pub fn means_nothing_yet(&self, now: Timestamp) -> bool {
        let tries = self.halves[0].packets - self.halves[0].duplicates;
        let few = u64::from(tries) < if self.key.protocol() == protocol::UDP { UDP_TRIES } else { TCP_TRIES.into() };
        let alone = !self.spoke.has(Who::Server) && !self.marks.has(Marks::CLIENT_SPOKE | Marks::QUOTED_ONLY);
        let quoted = self.cold.as_ref().is_some_and(|cold| cold.rare.as_ref().is_some_and(|rare| rare.icmp.is_some()));
        alone && !quoted && now < self.first + if few { FIRM } else { GRACE }
    }

    /// Both sides speak, and all that can be heard was heard: only its end can still tell something new.
    pub fn is_settled(&self) -> bool {
        let spoken = Listening::CLIENT | Listening::SERVER;
        self.listening.0 & (spoken | Listening::MORE) == spoken
    }

    #[inline]
    fn segment(&mut self, tcp: &Tcp, packet: &Packet, raw: &RawPacket<'_>, who: Who, quiet: u32, before: Timestamp) {
        let until_now = self.tcp;
        self.tcp = self.tcp.next(tcp.flags, who, packet.payload_bytes == 0);
        let step = self.halves[who as usize].sequence(tcp, packet, quiet);
        self.takes_turn(tcp, packet, raw, (who, step), before);
        match step {
            Step::Plain => {}
            Step::AfterPause => self.wakes(before, raw.at),
            Step::Again => self.repeats(who, step, raw.at),
            Step::AgainEarly | Step::OftenAgain => {
                self.repeats(who, step, raw.at);
                self.watch_repeated(tcp, packet, who);
            }
        }
        if self.listening.0 & Listening::WATCHED != 0 {
            self.watch_answer(tcp, who);
        }
        const PLAIN: u8 = TcpFlags::ACK | TcpFlags::PSH;
        const ENDS: u8 = TcpFlags::FIN | TcpFlags::RST;
        let settled = Marks::CLIENT_WENT_ON | Marks::SERVER_WENT_ON | Marks::CLIENT_SPOKE;
        if tcp.flags.0 & !PLAIN != 0 || self.marks.0 & (settled | Marks::SERVER_RESET | Marks::AWAITS_ACK) != settled {
            if tcp.flags.0 & ENDS != 0 {
                self.ends(until_now, before, raw.at);
                if who == Who::Client && self.is_waiting(raw.at, before) {
                    self.gives_up(raw, quiet);
                }
            }
            match who {
                Who::Client => self.client_says(tcp, packet, raw),
                Who::Server => self.server_says(tcp, packet, raw, before),
            }
        }
        if packet.payload_bytes > 0 && !tcp.flags.rst() {
            if packet.payload_bytes == TCP_ALERT {
                self.may_be_alert(packet, raw, who, before);
            }
            self.listen(packet, raw, who, Some(tcp.sequence));
        }
    }

    /// Data after a pause.
    #[cold]
    fn wakes(&mut self, before: Timestamp, at: Timestamp) {
        if self.spoke.is_both() && at - before >= IDLE_SHORTEST {
            self.rare().pause = Some((before, at));
        }
    }

    /// A FIN or a reset. The first tells how long nothing was said before it, or before the data that it answers.
    #[inline]
    fn ends(&mut self, before_it: TcpState, before: Timestamp, at: Timestamp) {
        // Most flows are too short for that, and need not fetch what lies apart.
        if at - self.first >= IDLE_SHORTEST {
            self.ends_after_long(before_it, before, at);
        }
    }

    #[inline(never)]
    fn ends_after_long(&mut self, before_it: TcpState, before: Timestamp, at: Timestamp) {
        let has_ended = |end| matches!(end, End::Closed | End::Reset | End::ResetAfterClose);
        if !self.spoke.is_both() || has_ended(before_it.client) || has_ended(before_it.server) {
            return;
        }
        let rare = self.cold.as_deref().and_then(|cold| cold.rare.as_deref());
        let woke = rare.and_then(|rare| rare.pause).filter(|&(_, woke)| at - woke <= CALLED_SINCE);
        let idle = woke.map_or(at - before, |(from, woke)| woke - from);
        if idle >= IDLE_SHORTEST {
            self.rare().idle_before_end = Some(idle);
        }
    }

    /// A side repeats data.
    #[cold]
    fn repeats(&mut self, who: Who, step: Step, at: Timestamp) {
        if who == Who::Client {
            self.waits_no_more();
        }
        if !self.spoke.is_both() || step != Step::OftenAgain {
            return;
        }
        let heard = self.halves[1 - who as usize].packets;
        let rare = self.rare();
        match &mut rare.calls {
            Some(calls) if calls.who == who && calls.heard == heard => calls.times += 1,
            calls => {
                let pause = rare.pause.filter(|&(_, woke)| at - woke <= CALLED_SINCE);
                let idle = pause.map(|(from, woke)| woke - from);
                *calls = Some(Calls { who, since: at, times: 1, heard, idle });
            }
        }
    }

    /// One side repeated data, and the other was never heard of again.
    fn death(&self, until: Timestamp) -> Option<Death> {
        let rare = self.cold.as_deref().and_then(|cold| cold.rare.as_deref())?;
        let Calls { who, since, times, heard, idle } = rare.calls?;
        let (reset, other) = match who {
            Who::Client => (Marks::CLIENT_RESET, self.tcp.server),
            Who::Server => (Marks::SERVER_RESET, self.tcp.client),
        };
        let silent = self.halves[1 - who as usize].packets == heard;
        let ended = matches!(other, End::Closed | End::Reset | End::ResetAfterClose);
        let given_up = self.marks.has(reset) || until - since >= GIVEN_UP;
        let died = silent && !ended && given_up && times >= 2;
        died.then_some(Death { client_is_gone: who == Who::Server, since, idle })
    }

    fn client_says(&mut self, tcp: &Tcp, packet: &Packet, raw: &RawPacket<'_>) {
        self.marks.clear(Marks::UNWATCHED);
        let flags = tcp.flags;
        if flags.rst() {
            self.marks.set(Marks::CLIENT_RESET);
            self.note(Note::Reset, raw);
        }
        if (flags.rst() || flags.fin()) && !self.is_cut() {
            self.marks.set(Marks::CLIENT_ENDED_FIRST);
        }
        if flags.syn() && !flags.ack() {
            self.syns += 1;
            if !self.server_spoke() {
                self.syn_at = Since::new(self.first, raw.at);
            }
            self.marks.set(Marks::SYN_SEEN);
            if self.syn_acks == 0 {
                // What it reset was an older connection.
                self.marks.clear(Marks::CLIENT_RESET | Marks::CLIENT_ENDED_FIRST);
                if !self.marks.has(Marks::SERVER_RESET) {
                    self.server = Sender::of(packet);
                }
            }
            self.unanswered = self.unanswered.saturating_add(1);
            if self.syn_acks > 0 {
                self.marks.set(Marks::SYN_AFTER_SYN_ACK);
            }
            self.note_try(Note::Syn, self.syns, raw);
        } else if !flags.rst() {
            if self.marks.has(Marks::AWAITS_ACK) && packet.payload_bytes > 0 && tcp.sequence == self.halves[0].start {
                // It is said again, and nobody will know which one was acknowledged.
                self.marks.clear(Marks::AWAITS_ACK);
                self.cold().data = Since::NEVER;
            }
            self.client_goes_on(packet, raw);
        }
    }

    /// A side says something for the first time, as far as nothing before it is missing. (TCP)
    fn says_first(&mut self, who: Who, raw: &RawPacket<'_>) {
        let at = Since::new(self.first, raw.at);
        match who {
            Who::Client => {
                self.marks.set(Marks::AWAITS_ACK);
                self.cold().data = at;
            }
            Who::Server => {
                self.syn_at = at;
            }
        }
    }

    fn server_spoke(&self) -> bool {
        self.listening.0 & Listening::SERVER != 0
    }

    /// How long it took until the client's first payload was acknowledged.
    fn data_rtt(&self) -> Option<Span> {
        if self.key.protocol() == protocol::UDP {
            let answered = self.answered_at.after(self.first).filter(|_| self.spoke.is_both())?;
            return Some(answered - self.first).filter(|span| self.unanswered == 1 && *span > Span::default());
        }
        let known = self.listening.0 & Listening::CLIENT != 0 && !self.marks.has(Marks::AWAITS_ACK);
        let data = self.cold.as_deref()?.data;
        (known && data.0 != Since::TOO_LATE).then(|| Span::micros(i64::from(data.0)))
    }

    /// The server has reset: after a handshake, that handshake's connection.
    fn is_cut(&self) -> bool {
        let rare = self.cold.as_deref().and_then(|cold| cold.rare.as_deref());
        let after_handshake = self.syn_acks == 0 || rare.is_some_and(|rare| rare.reset_after.is_some());
        self.marks.has(Marks::SERVER_RESET) && after_handshake
    }

    fn client_goes_on(&mut self, packet: &Packet, raw: &RawPacket<'_>) {
        self.marks.set(Marks::CLIENT_SPOKE);
        let handshake = self.marks.has(Marks::SYN_SEEN) || self.syn_acks > 0;
        if !handshake || self.marks.has(Marks::CLIENT_WENT_ON) {
            return;
        }
        self.marks.set(Marks::CLIENT_WENT_ON);
        // With a repeated SYN or SYN-ACK nobody knows which one was answered.
        let plain = self.syns == 1 && self.syn_acks == 1 && packet.payload_bytes == 0;
        let asked = self.syn_at.after(self.first).filter(|_| plain && !self.server_spoke());
        self.established_at = Since::new(self.first, raw.at);
        self.handshake_rtt = asked.and_then(|asked| Rtt::new(raw.at - asked));
    }

    fn server_says(&mut self, tcp: &Tcp, packet: &Packet, raw: &RawPacket<'_>, before: Timestamp) {
        self.marks.clear(Marks::UNWATCHED);
        let flags = tcp.flags;
        if flags.rst() {
            return self.server_resets(tcp, packet, raw, before);
        }
        if self.marks.has(Marks::SERVER_RESET) && packet.payload_bytes > 0 {
            self.server_goes_on(tcp.sequence.wrapping_add(packet.payload_bytes));
        }
        let acknowledged = tcp.acknowledgement.wrapping_sub(self.halves[0].start) as i32;
        if flags.fin() && acknowledged > 0 && self.halves[1].payload_bytes == 0 && self.tcp.client != End::Closed {
            // A number further on: the capture lacks what it said.
            if self.halves[1].started && tcp.sequence == self.halves[1].start {
                self.closes_unheard();
            }
        }
        if self.marks.has(Marks::AWAITS_ACK) && flags.ack() && acknowledged > 0 {
            self.marks.clear(Marks::AWAITS_ACK);
            let (now, cold) = (Since::new(self.first, raw.at), self.cold());
            cold.data = if now.0 == Since::TOO_LATE { now } else { Since(now.0.saturating_sub(cold.data.0)) };
        }
        if flags.syn() {
            if !self.halves[0].started {
                self.halves[0].start = tcp.acknowledgement;
            }
            self.unanswered = self.unanswered.saturating_sub(1);
            if self.syn_acks == 0 {
                self.server_answers(packet, raw);
            }
            self.syn_acks += 1;
            self.note_try(Note::SynAck, self.syn_acks, raw);
            return;
        }
        // Some hosts acknowledge a SYN before they answer it.
        let only_acknowledges = packet.payload_bytes == 0 && !flags.fin() && self.syn_acks == 0;
        if !(only_acknowledges && self.marks.has(Marks::SYN_SEEN)) {
            self.marks.set(Marks::SERVER_WENT_ON);
        }
    }

    /// The first SYN-ACK.
    fn server_answers(&mut self, packet: &Packet, raw: &RawPacket<'_>) {
        let delay = self.answered_at.span();
        self.answered_at = Since::new(self.first, raw.at);
        let mut before = std::mem::replace(&mut self.server, Sender::of(packet));
        if self.marks.has(Marks::SERVER_RESET) {
            // Where the SYN was repeated, the service may have come up.
            before.hints.set_if(self.marks.has(Marks::REFUSED) && self.syns == 1, Hints::WENT_ON);
            let rare = self.rare();
            (rare.reset, rare.reset_delay) = (Some(before), delay);
        }
    }

    /// Payload after the server's reset: what lies behind its sequence number no host sends that has reset.
    #[cold]
    fn server_goes_on(&mut self, end: u32) {
        let Some(rare) = self.cold.as_deref_mut().and_then(|cold| cold.rare.as_deref_mut()) else { return };
        if let Some(reset) = &mut rare.reset {
            let behind = end.wrapping_sub(rare.reset_sequence) as i32 > 0;
            reset.hints.set_if(behind, Hints::WENT_ON);
        }
    }

    /// The first reset of the server's side: who sent it, and how long after what it answers.
    #[cold]
    fn server_resets_first(&mut self, tcp: &Tcp, packet: &Packet, raw: &RawPacket<'_>, before: Timestamp) {
        self.note(Note::Reset, raw);
        let mut sender = Sender::of(packet);
        let attempt = self.syn_acks == 0 && self.marks.has(Marks::SYN_SEEN);
        let identification = if attempt { self.server.identification } else { self.halves[0].newest };
        let copied = identification != 0 && identification == sender.identification;
        sender.hints.set_if(copied, Hints::COPIED_IDENTIFICATION);
        let server_said = self.halves[1].payload_bytes > u64::from(packet.payload_bytes);
        sender.hints.set_if(!server_said, Hints::BEFORE_PAYLOAD);
        if self.syn_acks == 0 {
            sender.hints.set_if(attempt && tcp.sequence != 0, Hints::ODD_NUMBERS);
            sender.hints.set_if(
                attempt && self.server.window != 0 && self.server.window == sender.window,
                Hints::COPIED_WINDOW,
            );
            self.server = sender;
            let asked = self.syn_at.after(self.first).filter(|_| attempt && self.syns == 1);
            self.answered_at = asked.map_or(Since(Since::TOO_LATE), |asked| Since::new(asked, raw.at));
            return;
        }
        // It acknowledges what the client said last, and that was said once.
        let [client, _] = &self.halves;
        let answers = tcp.flags.ack() && tcp.acknowledgement == client.next && client.payload_bytes > 0;
        let last = answers && !client.has_repeated() && !self.marks.has(Marks::SERVER_WENT_ON);
        let rare = self.rare();
        rare.reset = Some(sender);
        rare.reset_delay = last.then_some(raw.at - before);
        rare.reset_sequence = tcp.sequence;
    }

    fn server_resets(&mut self, tcp: &Tcp, packet: &Packet, raw: &RawPacket<'_>, before: Timestamp) {
        if !self.marks.has(Marks::SERVER_RESET) {
            self.server_resets_first(tcp, packet, raw, before);
        }
        self.marks.set(Marks::SERVER_RESET);
        let answers_syn = tcp.flags.ack() && self.halves[0].started && {
            let distance = tcp.acknowledgement.wrapping_sub(self.halves[0].start);
            distance <= self.halves[0].next.wrapping_sub(self.halves[0].start)
        };
        if self.syn_acks == 0 && !self.marks.has(Marks::SERVER_WENT_ON) && answers_syn {
            self.marks.set(Marks::REFUSED);
        }
        if self.marks.has(Marks::CLIENT_WENT_ON)
            && self.syn_acks > 0
            && let Some(established) = self.established_at.after(self.first)
        {
            self.rare().reset_after.get_or_insert(raw.at - established);
        }
    }

    fn datagram(&mut self, packet: &Packet, raw: &RawPacket<'_>, who: Who, quiet: u32, before: Timestamp) {
        let half = &self.halves[who as usize];
        let number = half.packets - half.duplicates;
        // Only what comes after a pause, and before an answer, is a try: the rest is session data.
        if who == Who::Client && !self.spoke.has(Who::Server) && (number == 1 || quiet >= TRY_PAUSE) {
            self.unanswered = self.unanswered.saturating_add(1);
        }
        if who == Who::Client && self.spoke.0 & Spoke::ASKS != 0 {
            self.asks(packet, raw);
        }
        if self.spoke.0 & Spoke::SIZES != 0 {
            self.watch_size(packet, raw, who);
        }
        let early = who == Who::Client && number <= LOOKED_AT;
        if early {
            self.note_try(Note::Datagram, number, raw);
        }
        if packet.payload_bytes == UDP_ALERT {
            self.may_be_alert(packet, raw, who, before);
        }
        self.listen(packet, raw, who, None);
        if early && !self.spoke.has(Who::Server) {
            self.goes_on_alone(packet, raw);
        }
    }

    fn cold(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }

    fn rare(&mut self) -> &mut Rare {
        self.cold().rare.get_or_insert_default()
    }

    fn extras(&mut self) -> &mut Extras {
        self.rare().extras.get_or_insert_default()
    }

    /// The first few tries are evidence.
    fn note_try(&mut self, note: fn(u8) -> Note, number: u32, raw: &RawPacket<'_>) {
        if number <= TRIES_NOTED {
            self.note(note(number as u8), raw);
        }
    }

    /// Remembers a packet as evidence. The very first one is known anyway and gets the better note.
    fn note(&mut self, note: Note, raw: &RawPacket<'_>) {
        let packed = Packed::new(note, raw);
        if self.opener.is_same_packet(packed) {
            if self.opener.note() == Note::First {
                self.opener = packed;
            }
            return;
        }
        let is_free = |place: &&mut Packed| **place == Packed::default();
        let free = match self.evidence.iter_mut().find(is_free) {
            Some(free) => Some(free),
            None => self.cold.get_or_insert_default().evidence.iter_mut().find(is_free),
        };
        if let Some(free) = free {
            *free = packed;
        }
    }

    /// The same, in place of what was noted of this packet before.
    #[cold]
    fn note_better(&mut self, note: Note, raw: &RawPacket<'_>) {
        let packed = Packed::new(note, raw);
        let found = self.noted().find(|noted| noted.is_same_packet(packed)).map(|noted| *noted = packed);
        if found.is_none() {
            self.note(note, raw);
        }
    }

    /// The same, unless the packet is known as an alert.
    fn note_at_least(&mut self, note: Note, raw: &RawPacket<'_>) {
        let packed = Packed::new(note, raw);
        if self.alert_at() == Some(packed.evidence().at) {
            return;
        }
        self.note(note, raw);
    }

    fn alert_at(&self) -> Option<PacketRef> {
        let rare = self.cold.as_deref()?.rare.as_deref()?;
        Some(rare.extras.as_deref()?.alert.as_ref()?.at)
    }

    fn noted(&mut self) -> impl Iterator<Item = &mut Packed> {
        let apart = self.cold.as_deref_mut().into_iter().flat_map(|cold| cold.evidence.iter_mut());
        [&mut self.opener].into_iter().chain(&mut self.evidence).chain(apart)
    }

    /// The record it leaves. `until` is how long it was watched, `cut_off` that the capture ended before it was given
    /// up.
    pub fn finish(&mut self, until: Timestamp, cut_off: bool) -> FlowRecord {
        if self.listening.0 & Listening::MORE != 0 {
            self.tell(None, true);
        }
        self.record(until, cut_off)
    }

    /// The record it would leave if it ended now.
    pub fn record(&self, until: Timestamp, cut_off: bool) -> FlowRecord {
        let unwatched = self.marks.has(Marks::UNWATCHED);
        let (until, cut_off) = if unwatched { (self.last, true) } else { (until, cut_off) };
        let ends = [self.client, !self.client].map(|side| self.endpoint(side));
        let [from_client, from_server] = self.halves.map(Half::counts);
        let cold = self.cold.as_deref();
        let rare = cold.and_then(|cold| cold.rare.as_deref());
        let apart = cold.into_iter().flat_map(|cold| cold.evidence);
        let noted = self.evidence.into_iter().chain(apart).filter(|packed| *packed != Packed::default());
        let evidence = [self.opener].into_iter().chain(noted).map(Packed::evidence).collect();
        let answered = match self.key.protocol() {
            protocol::TCP => self.syn_acks > 0,
            _ => self.spoke.has(Who::Server),
        };
        let (reset, reset_delay) = match answered {
            true => (rare.and_then(|rare| rare.reset), rare.and_then(|rare| rare.reset_delay)),
            false => (Some(self.server), self.answered_at.span()),
        };
        let has_reset = self.marks.has(Marks::SERVER_RESET);
        FlowRecord {
            protocol: self.key.protocol(),
            client: ends[0],
            server: ends[1],
            basis: self.basis,
            opener: self.opener.evidence().at,
            first: self.first,
            last: self.last,
            until,
            cut_off,
            from_client,
            from_server,
            tcp: self.tcp,
            syns: self.syns,
            syn_acks: self.syn_acks,
            first_number: Some(self.halves[0]).filter(|half| half.started).map(|half| half.start),
            udp_tries: if self.key.protocol() == protocol::UDP { u32::from(self.unanswered) } else { 0 },
            answered_at: self.answered_at.after(self.first).filter(|_| answered),
            established_at: self.established_at.after(self.first).filter(|_| self.marks.has(Marks::CLIENT_WENT_ON)),
            handshake_rtt: self.handshake_rtt.map(Rtt::span),
            spoke_at: match self.key.protocol() {
                protocol::TCP => self.syn_at.after(self.first).filter(|_| self.server_spoke()),
                _ => self.answered_at.after(self.first).filter(|_| answered),
            },
            data_rtt: self.data_rtt(),
            idle_before_end: rare.and_then(|rare| rare.idle_before_end),
            marks: self.marks,
            reset_after: rare.and_then(|rare| rare.reset_after),
            greeting: Some(self.server).filter(|_| answered),
            reset: reset.filter(|_| has_reset),
            reset_delay: reset_delay.filter(|_| has_reset),
            vlans: cold.map(|cold| cold.vlans).unwrap_or_default(),
            heard: cold.and_then(|cold| cold.heard.clone()),
            icmp: rare.and_then(|rare| rare.icmp),
            death: self.death(until),
            extras: rare.and_then(Rare::extras),
            evidence,
            shown: 0,
        }
    }

    /// The endpoint as the record shows it: for ICMP echo the type and the code stand for the ports, as in Zeek.
    fn endpoint(&self, side: Side) -> Endpoint {
        let endpoint = self.key.endpoint(side);
        let request = match self.key.protocol() {
            protocol::ICMP => 8,
            protocol::ICMPV6 => 128,
            _ => return endpoint,
        };
        Endpoint { port: if side == self.client { request } else { 0 }, ..endpoint }
    }
}

/// Packets of evidence that fit into the flow's last line of the cache, beside the opener.
const NOTED_HERE: usize = 2;

/// Maximum time from the first data after a pause to the repetition of it that is looked at.
const CALLED_SINCE: Span = Span::seconds(15);
/// Minimum time without an answer to repeated data that is more than an outage: a Windows host has given up by then.
const GIVEN_UP: Span = Span::seconds(21);
/// Minimum time in microseconds between two datagrams that are tries of their own. What repeats an attempt waits longer
/// (UDT 250 ms; DTLS a second, RFC 9147, 5.8.2).
const TRY_PAUSE: u32 = 100_000;

/// Datagrams of a client, the first ones, that are looked at for signs of an answer that the capture does not hold: more than UDT,
/// which tries most often, sends in vain (facts EDT-09).
const LOOKED_AT: u32 = 16;

/// Lengths of alerts in the clear.
const TCP_ALERT: u32 = ALERT_LENGTH[0];
const UDP_ALERT: u32 = ALERT_LENGTH[1];

/// Tries of one kind that are noted as evidence.
const TRIES_NOTED: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flow_is_given_up_before_the_shortest_time() {
        let all = [IDLE_OPENING, IDLE_ESTABLISHED, IDLE_OVER, IDLE_UDP, IDLE_ICMP];
        assert_eq!(all.into_iter().min(), Some(IDLE_SHORTEST));
    }

    #[test]
    fn a_flow_stays_small() {
        // A million flows have to stay under 400 MB, opening bytes and evidence included.
        assert_eq!(size_of::<Option<Flow>>(), 256);
        assert!(size_of::<Cold>() <= 72, "{}", size_of::<Cold>());
    }

    #[test]
    fn a_packet_needs_two_lines_of_the_cache() {
        use std::mem::offset_of;
        assert!(offset_of!(Flow, unanswered) < 64);
        assert_eq!((offset_of!(Flow, halves), size_of::<Half>()), (64, 64));
    }
}
