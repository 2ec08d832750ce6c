//! A flow while it lives: what one more packet changes. Hot are the counters and the TCP state; what only some packets need
//! (opening bytes, evidence, errors) lies apart.

use super::{
    Counts, DirectionBasis, EVIDENCE_LIMIT, Endpoint, Evidence, FlowKey, FlowRecord, Heard, IcmpError, Marks, Note,
    PacketRef, Side, TcpState,
};
use crate::packet::{Packet, RawPacket, Tcp, Transport, Vlans, protocol};
use crate::signature::{self, Answer, OPENING_LIMIT, Opening};
use crate::time::{Span, Timestamp};

/// One conversation while it lives.
pub(super) struct Flow {
    pub key: FlowKey,
    /// Which side of the key is the client.
    pub client: Side,
    basis: DirectionBasis,
    pub marks: Marks,
    listening: Listening,
    tcp: TcpState,
    first: Timestamp,
    pub last: Timestamp,
    opener: Packed,
    /// Client first, server second.
    halves: [Half; 2],
    syn_at: Since,
    syn_ack_at: Since,
    established_at: Since,
    syns: u32,
    syn_acks: u32,
    cold: Option<Box<Cold>>,
}

/// Microseconds since the first packet of the flow, up to 71 minutes; half the size of a moment.
#[derive(Clone, Copy, Default)]
struct Since(u32);

impl Since {
    fn new(first: Timestamp, at: Timestamp) -> Since {
        Since(u32::try_from((at - first).as_micros()).unwrap_or(u32::MAX))
    }

    fn after(self, first: Timestamp) -> Timestamp {
        first + Span::micros(i64::from(self.0))
    }
}

/// A packet and what it shows in eight bytes: capture, note, and 40 bits of packet number. Numbers begin at 1, so 0 is no
/// packet.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Packed(u64);

/// One direction of a flow.
#[derive(Clone, Copy, Default)]
struct Half {
    packets: u32,
    retransmissions: u32,
    duplicates: u32,
    /// Sequence number of the first payload byte; valid once `started`.
    start: u32,
    /// The sequence number expected next; valid once `started`.
    next: u32,
    started: bool,
    ip_bytes: u64,
    payload_bytes: u64,
    /// When it last sent, in microseconds that wrap around: only short distances are asked for.
    last: u32,
    /// Fingerprints of the last packets, to know a mirrored duplicate from a retransmission.
    recent: [u32; 3],
}

/// What only some packets need.
#[derive(Default)]
struct Cold {
    /// The first bytes of both sides, until the protocol is told.
    openings: Option<Box<[Vec<u8>; 2]>>,
    heard: Option<Heard>,
    /// Microseconds.
    handshake_rtt: Option<u32>,
    vlans: Vlans,
    evidence: [Packed; EVIDENCE_LIMIT - 1],
    rare: Option<Box<Rare>>,
}

/// What hardly any flow needs.
#[derive(Default)]
struct Rare {
    reset_after: Option<Span>,
    icmp: Option<IcmpError>,
}

/// What is still waited for to tell the protocol.
#[derive(Clone, Copy, Default)]
struct Listening(u8);

impl Listening {
    /// The client's first payload was heard; the server's is the next bit.
    const CLIENT: u8 = 1;
    const SERVER: u8 = 2;
    /// The signature asked for more bytes.
    const MORE: u8 = 4;
    /// Payload was missing from the capture.
    const CUT: u8 = 8;
}

/// Copies of one packet lie this near to each other when the IP identification proves that they are copies (a mirror of
/// both ends of a path; facts on capture formats, section 7) ...
const COPY_WINDOW: Span = Span::millis(50);
/// ... and this near when there is no identification to prove it: a capture at several places of one machine. Two real
/// SYN-ACKs, one of the timer and one for a repeated SYN, were seen 69 microseconds apart.
const COPY_WINDOW_WITHOUT_ID: Span = Span::micros(50);

/// How long a flow may be idle before it is given up. What follows is a new flow.
const IDLE_OPENING: Span = Span::seconds(180);
const IDLE_ESTABLISHED: Span = Span::seconds(3_600);
const IDLE_OVER: Span = Span::seconds(120);
const IDLE_UDP: Span = Span::seconds(180);
const IDLE_ICMP: Span = Span::seconds(60);

impl Flow {
    pub fn new(key: FlowKey, client: Side, basis: DirectionBasis, raw: &RawPacket<'_>) -> Flow {
        Flow {
            key,
            client,
            basis,
            marks: Marks::default(),
            listening: Listening::default(),
            tcp: TcpState::default(),
            first: raw.at,
            last: raw.at,
            opener: Packed::new(Note::First, raw),
            halves: [Half::default(); 2],
            syn_at: Since::default(),
            syn_ack_at: Since::default(),
            established_at: Since::default(),
            syns: 0,
            syn_acks: 0,
            cold: None,
        }
    }

    /// Reads a little of each part; the sum means nothing.
    #[inline]
    pub fn touch(&self) -> u64 {
        (self.last.0 as u64)
            .wrapping_add(u64::from(self.syns))
            .wrapping_add(u64::from(self.halves[0].packets))
            .wrapping_add(u64::from(self.halves[1].recent[0]))
            .wrapping_add(u64::from(self.key.protocol()))
    }

    /// How long it may be idle, by what it has shown so far.
    pub fn patience(&self) -> Span {
        match self.key.protocol() {
            protocol::TCP if self.tcp.is_over() => IDLE_OVER,
            protocol::TCP if self.halves[0].packets == 0 || self.halves[1].packets == 0 => IDLE_OPENING,
            protocol::TCP => IDLE_ESTABLISHED,
            protocol::UDP => IDLE_UDP,
            _ => IDLE_ICMP,
        }
    }

    /// Whether this segment begins another flow on the same ports.
    #[inline]
    pub fn is_another(&self, tcp: &Tcp, side: Side) -> bool {
        if !tcp.flags.syn() || tcp.flags.ack() {
            return false;
        }
        if !self.marks.has(Marks::SYN_SEEN) {
            // Two queues may deliver a SYN behind the SYN-ACK that answers it.
            let answered =
                side == self.client && self.syn_acks > 0 && tcp.sequence.wrapping_add(1) == self.halves[0].start;
            return !answered && self.halves.iter().any(|half| half.packets > 0);
        }
        if side != self.client {
            return self.tcp.is_over();
        }
        let repeated = tcp.sequence.wrapping_add(1) == self.halves[0].start;
        !repeated && (self.tcp.is_over() || self.marks.has(Marks::CLIENT_WENT_ON))
    }

    /// Enters one packet of this flow.
    #[inline]
    pub fn observe(&mut self, packet: &Packet<'_>, raw: &RawPacket<'_>, side: Side) {
        let who = usize::from(side != self.client);
        self.last = raw.at;
        if packet.vlans != Vlans::default() && self.halves[0].packets + self.halves[1].packets == 0 {
            self.cold().vlans = packet.vlans;
        }
        let half = &mut self.halves[who];
        half.packets += 1;
        half.ip_bytes += u64::from(packet.ip_bytes);
        half.payload_bytes += u64::from(packet.payload_bytes);
        if half.is_copy(packet, raw.at) {
            half.duplicates += 1;
            return;
        }
        match packet.transport {
            Transport::Tcp(tcp) => self.segment(&tcp, packet, raw, who),
            Transport::Udp => self.datagram(packet, raw, who),
            Transport::Icmp(_) | Transport::Fragment(_) => {}
        }
    }

    /// Enters a later fragment: it has no ports and no payload to listen to.
    pub fn observe_fragment(&mut self, packet: &Packet<'_>, raw: &RawPacket<'_>, side: Side) {
        self.last = raw.at;
        let half = &mut self.halves[usize::from(side != self.client)];
        half.packets += 1;
        half.ip_bytes += u64::from(packet.ip_bytes);
        half.payload_bytes += u64::from(packet.payload_bytes);
    }

    /// Enters an ICMP error that quotes a packet of this flow.
    pub fn quoted(&mut self, error: IcmpError, raw: &RawPacket<'_>) {
        let icmp = &mut self.rare().icmp;
        let better = icmp.is_none_or(|known| !known.about_client && error.about_client);
        if better {
            *icmp = Some(error);
            self.note(Note::IcmpError, raw);
        }
    }

    /// Packets of both sides have been seen, and of TCP more than a handshake that hangs.
    pub fn is_answered(&self) -> bool {
        let both = self.halves.iter().all(|half| half.packets > 0);
        let went_on = self.marks.has(Marks::CLIENT_WENT_ON | Marks::SERVER_WENT_ON);
        both && (self.key.protocol() != protocol::TCP || went_on)
    }

    /// Both sides speak, and all that can be heard was heard: only its end can still tell something new.
    pub fn is_settled(&self) -> bool {
        let spoken = Listening::CLIENT | Listening::SERVER;
        self.listening.0 & (spoken | Listening::MORE) == spoken
    }

    /// This flow is TFTP data that answers a request seen on port 69.
    pub fn is_tftp_data(&mut self) {
        self.listening.0 = Listening::CLIENT | Listening::SERVER;
        self.cold().heard = Some(Heard {
            protocol: signature::Protocol::Tftp,
            strength: signature::Strength::Strong,
            by_server: true,
            server_name: None,
            citrix_hint: false,
        });
    }

    fn segment(&mut self, tcp: &Tcp, packet: &Packet<'_>, raw: &RawPacket<'_>, who: usize) {
        let from_client = who == 0;
        self.tcp = self.tcp.next(tcp.flags, from_client, packet.payload_bytes == 0);
        self.halves[who].sequence(tcp, packet.payload_bytes);
        const PLAIN: u8 = crate::packet::TcpFlags::ACK | crate::packet::TcpFlags::PSH;
        let settled = Marks::CLIENT_WENT_ON | Marks::SERVER_WENT_ON | Marks::CLIENT_SPOKE;
        if tcp.flags.0 & !PLAIN != 0 || self.marks.0 & settled != settled {
            if from_client { self.client_says(tcp, packet, raw) } else { self.server_says(tcp, packet, raw) }
        }
        if packet.payload_bytes > 0 && !tcp.flags.rst() {
            self.listen(packet, raw, who, Some(tcp.sequence));
        }
    }

    fn client_says(&mut self, tcp: &Tcp, packet: &Packet<'_>, raw: &RawPacket<'_>) {
        self.marks.clear(Marks::UNWATCHED);
        let flags = tcp.flags;
        if flags.rst() {
            self.marks.set(Marks::CLIENT_RESET);
            self.note(Note::Reset, raw);
        }
        if (flags.rst() || flags.fin()) && !self.marks.has(Marks::SERVER_RESET) {
            self.marks.set(Marks::CLIENT_ENDED_FIRST);
        }
        if flags.syn() && !flags.ack() {
            self.syns += 1;
            self.syn_at = Since::new(self.first, raw.at);
            self.marks.set(Marks::SYN_SEEN);
            if self.syn_acks > 0 {
                self.marks.set(Marks::SYN_AFTER_SYN_ACK);
            }
            self.note_try(Note::Syn, self.syns, raw);
        } else if !flags.rst() {
            self.client_goes_on(packet, raw);
        }
    }

    fn client_goes_on(&mut self, packet: &Packet<'_>, raw: &RawPacket<'_>) {
        self.marks.set(Marks::CLIENT_SPOKE);
        let handshake = self.marks.has(Marks::SYN_SEEN) || self.syn_acks > 0;
        if !handshake || self.marks.has(Marks::CLIENT_WENT_ON) {
            return;
        }
        self.marks.set(Marks::CLIENT_WENT_ON);
        self.established_at = Since::new(self.first, raw.at);
        // With a repeated SYN or SYN-ACK nobody knows which one was answered.
        if self.syns == 1 && self.syn_acks == 1 && packet.payload_bytes == 0 {
            let rtt = raw.at - self.syn_at.after(self.first);
            self.cold().handshake_rtt = Some(u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX));
        }
    }

    fn server_says(&mut self, tcp: &Tcp, packet: &Packet<'_>, raw: &RawPacket<'_>) {
        self.marks.clear(Marks::UNWATCHED);
        let flags = tcp.flags;
        if flags.rst() {
            return self.server_resets(tcp, raw);
        }
        if flags.syn() {
            if !self.halves[0].started {
                self.halves[0].start = tcp.acknowledgement;
            }
            if self.syn_acks == 0 {
                self.syn_ack_at = Since::new(self.first, raw.at);
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

    fn server_resets(&mut self, tcp: &Tcp, raw: &RawPacket<'_>) {
        if !self.marks.has(Marks::SERVER_RESET) {
            self.note(Note::Reset, raw);
        }
        self.marks.set(Marks::SERVER_RESET);
        let answers_syn = tcp.flags.ack() && self.halves[0].started && {
            let behind = tcp.acknowledgement.wrapping_sub(self.halves[0].start);
            behind <= self.halves[0].next.wrapping_sub(self.halves[0].start)
        };
        if self.syn_acks == 0 && !self.marks.has(Marks::SERVER_WENT_ON) && answers_syn {
            self.marks.set(Marks::REFUSED);
        }
        if self.marks.has(Marks::CLIENT_WENT_ON) && self.syn_acks > 0 {
            let after = raw.at - self.established_at.after(self.first);
            self.rare().reset_after.get_or_insert(after);
        }
    }

    fn datagram(&mut self, packet: &Packet<'_>, raw: &RawPacket<'_>, who: usize) {
        let half = &self.halves[who];
        if who == 0 && half.packets - half.duplicates <= 3 {
            self.note_try(Note::Datagram, half.packets - half.duplicates, raw);
        }
        self.listen(packet, raw, who, None);
    }

    /// Keeps the first bytes of each side until the protocol is told.
    #[inline]
    fn listen(&mut self, packet: &Packet<'_>, raw: &RawPacket<'_>, who: usize, sequence: Option<u32>) {
        let spoke = Listening::CLIENT << who;
        if self.listening.0 & spoke != 0 && (self.listening.0 & Listening::MORE == 0 || sequence.is_none()) {
            return;
        }
        self.listen_closely(packet, raw, who, sequence);
    }

    #[inline(never)]
    fn listen_closely(&mut self, packet: &Packet<'_>, raw: &RawPacket<'_>, who: usize, sequence: Option<u32>) {
        let spoke = Listening::CLIENT << who;
        let start = self.halves[who].start;
        let cut = (packet.payload.len() as u64) < u64::from(packet.payload_bytes);
        let cold = self.cold.get_or_insert_default();
        let opening = &mut cold.openings.get_or_insert_default()[who];
        // Only bytes without a gap, and none behind an opening that was shortened since.
        let shortened = self.listening.0 & spoke != 0 && opening.len() == KEPT_OPENING;
        let gap = sequence.is_some_and(|sequence| sequence != start.wrapping_add(opening.len() as u32));
        if gap || shortened {
            return;
        }
        let room = OPENING_LIMIT - opening.len().min(OPENING_LIMIT);
        opening.extend_from_slice(&packet.payload[..packet.payload.len().min(room)]);
        if opening.is_empty() && !cut {
            return;
        }
        let first = self.listening.0 & spoke == 0;
        self.listening.0 |= spoke;
        if cut {
            self.listening.0 |= Listening::CUT;
            self.marks.set(Marks::CUT);
        }
        let full = room <= packet.payload.len();
        if first {
            self.note(if who == 0 { Note::ClientPayload } else { Note::ServerPayload }, raw);
        }
        self.tell(full);
    }

    fn tell(&mut self, ended: bool) {
        let ports = [self.client, !self.client].map(|side| self.key.endpoint(side).port);
        let transport =
            if self.key.protocol() == protocol::TCP { signature::Transport::Tcp } else { signature::Transport::Udp };
        let cut = self.listening.0 & Listening::CUT != 0;
        let Some(cold) = self.cold.as_deref_mut() else { return };
        let Some(openings) = cold.openings.as_deref_mut() else { return };
        let opening = Opening {
            transport,
            client_port: ports[0],
            server_port: ports[1],
            client: &openings[0],
            server: &openings[1],
            cut,
            ended,
        };
        self.listening.0 &= !Listening::MORE;
        let both = Listening::CLIENT | Listening::SERVER;
        let done = self.listening.0 & both == both;
        match signature::tell(&opening) {
            Answer::More => self.listening.0 |= Listening::MORE,
            Answer::Told(told) => {
                cold.heard = Some(merge(cold.heard.take(), told));
                openings.iter_mut().for_each(shorten);
            }
            Answer::Nothing => openings.iter_mut().for_each(shorten),
        }
        if done && self.listening.0 & Listening::MORE == 0 {
            cold.openings = None;
        }
    }

    fn cold(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }

    fn rare(&mut self) -> &mut Rare {
        self.cold().rare.get_or_insert_default()
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
        if let Some(free) = self.cold().evidence.iter_mut().find(|place| **place == Packed::default()) {
            *free = packed;
        }
    }

    /// What it leaves behind. `until` is how long it was watched, `cut_off` that the capture ended before it was given up.
    pub fn finish(mut self, until: Timestamp, cut_off: bool) -> FlowRecord {
        if self.listening.0 & Listening::MORE != 0 {
            self.tell(true);
        }
        self.record(until, cut_off)
    }

    /// What it would leave behind if it ended now.
    pub fn record(&self, until: Timestamp, cut_off: bool) -> FlowRecord {
        let unwatched = self.marks.has(Marks::UNWATCHED);
        let (until, cut_off) = if unwatched { (self.last, true) } else { (until, cut_off) };
        let ends = [self.client, !self.client].map(|side| self.endpoint(side));
        let [from_client, from_server] = self.halves.map(Half::counts);
        let cold = self.cold.as_deref();
        let rare = cold.and_then(|cold| cold.rare.as_deref());
        let noted = cold.into_iter().flat_map(|cold| cold.evidence).filter(|packed| *packed != Packed::default());
        let evidence = [self.opener].into_iter().chain(noted).map(Packed::evidence).collect();
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
            syn_ack_at: (self.syn_acks > 0).then(|| self.syn_ack_at.after(self.first)),
            handshake_rtt: cold.and_then(|cold| cold.handshake_rtt).map(|micros| Span::micros(i64::from(micros))),
            marks: self.marks,
            reset_after: rare.and_then(|rare| rare.reset_after),
            vlans: cold.map(|cold| cold.vlans).unwrap_or_default(),
            heard: cold.and_then(|cold| cold.heard.clone()),
            icmp: rare.and_then(|rare| rare.icmp),
            evidence,
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

/// So many tries are noted as evidence.
const TRIES_NOTED: u32 = 3;

/// So many bytes of one side's opening are kept while the other side is waited for.
const KEPT_OPENING: usize = 32;

fn shorten(opening: &mut Vec<u8>) {
    opening.truncate(KEPT_OPENING);
    opening.shrink_to_fit();
}

fn merge(known: Option<Heard>, told: signature::Told) -> Heard {
    let new = Heard {
        protocol: told.protocol,
        strength: told.strength,
        by_server: told.by_server,
        server_name: told.server_name,
        citrix_hint: told.citrix_hint,
    };
    match known {
        Some(known) if known.protocol == new.protocol => Heard {
            protocol: new.protocol,
            strength: known.strength.max(new.strength),
            by_server: known.by_server || new.by_server,
            server_name: new.server_name.or(known.server_name),
            citrix_hint: known.citrix_hint || new.citrix_hint,
        },
        Some(known) if known.strength > new.strength => known,
        Some(known) => Heard {
            server_name: new.server_name.or(known.server_name),
            citrix_hint: known.citrix_hint || new.citrix_hint,
            ..new
        },
        None => new,
    }
}

impl Half {
    /// Follows the sequence numbers, and counts what was sent before.
    #[inline]
    fn sequence(&mut self, tcp: &Tcp, payload_bytes: u32) {
        let syn = u32::from(tcp.flags.syn());
        let length = payload_bytes.wrapping_add(syn).wrapping_add(u32::from(tcp.flags.fin()));
        if tcp.flags.rst() {
            return;
        }
        let end = tcp.sequence.wrapping_add(length);
        if !self.started {
            self.started = true;
            self.start = tcp.sequence.wrapping_add(syn);
            self.next = end;
            return;
        }
        if length == 0 {
            return;
        }
        if (end.wrapping_sub(self.next) as i32) > 0 {
            self.next = end;
            return;
        }
        let keepalive = payload_bytes <= 1 && length == payload_bytes && tcp.sequence.wrapping_add(1) == self.next;
        if syn == 1 && tcp.sequence.wrapping_add(1) != self.start {
            // A SYN with another number: the attempt begins anew.
            self.start = tcp.sequence.wrapping_add(1);
            self.next = end;
        }
        self.retransmissions += u32::from(!keepalive);
    }

    /// True for a packet that the capture holds twice: same headers, same identification, at nearly the same time.
    #[inline]
    fn is_copy(&mut self, packet: &Packet<'_>, at: Timestamp) -> bool {
        let now = (at.0 / 1_000) as u32;
        let since = Span::micros(i64::from(now.wrapping_sub(self.last)));
        self.last = now;
        let (words, empty) = match packet.transport {
            Transport::Tcp(tcp) => {
                let plain = tcp.flags.0 & !crate::packet::TcpFlags::ACK == 0 && packet.payload_bytes == 0;
                ((u64::from(tcp.sequence) << 32 | u64::from(tcp.acknowledgement)) ^ u64::from(tcp.flags.0) << 24, plain)
            }
            Transport::Icmp(icmp) => (u64::from(icmp.kind) << 16 | u64::from(icmp.identifier), false),
            Transport::Udp | Transport::Fragment(_) => (u64::from(packet.source_port), false),
        };
        let identified = packet.identification != 0;
        // Nobody repeats a SYN as soon as this (RFC 6298, 2.1: one second). A SYN-ACK may be: one for the timer, one for a
        // SYN that was repeated.
        let opening = matches!(packet.transport, Transport::Tcp(tcp) if tcp.flags.syn() && !tcp.flags.ack());
        let window = if identified || opening { COPY_WINDOW } else { COPY_WINDOW_WITHOUT_ID };
        // Without an identification two equal bare ACKs, or two equal datagrams, may well be two packets.
        let comparable = identified || (!empty && matches!(packet.transport, Transport::Tcp(_)));
        let print = fingerprint(words, packet.identification, packet.payload_bytes);
        let known = comparable && since <= window && self.recent.contains(&print);
        if !known {
            self.recent = [print, self.recent[0], self.recent[1]];
        }
        known
    }

    fn counts(self) -> Counts {
        Counts {
            packets: u64::from(self.packets),
            ip_bytes: self.ip_bytes,
            payload_bytes: self.payload_bytes,
            retransmissions: self.retransmissions,
            duplicates: self.duplicates,
        }
    }
}

/// Never 0, the value of an unused place.
#[inline]
fn fingerprint(words: u64, identification: u32, length: u32) -> u32 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = (words ^ (u64::from(identification) << 20) ^ (u64::from(length) << 40)).wrapping_mul(ODD);
    (mixed >> 32) as u32 | 1
}

impl Packed {
    const NUMBER_BITS: u32 = 40;
    const CAPTURE_SHIFT: u32 = 48;
    const NOTE: u64 = 0xff << Packed::NUMBER_BITS;

    fn new(note: Note, raw: &RawPacket<'_>) -> Packed {
        let note = match note {
            Note::First => 0,
            Note::Reset => 1,
            Note::IcmpError => 2,
            Note::ClientPayload => 3,
            Note::ServerPayload => 4,
            Note::Syn(number) => 0x10 | number,
            Note::SynAck(number) => 0x20 | number,
            Note::Datagram(number) => 0x30 | number,
        };
        let number = raw.number & ((1 << Packed::NUMBER_BITS) - 1);
        Packed(u64::from(raw.capture) << Packed::CAPTURE_SHIFT | u64::from(note) << Packed::NUMBER_BITS | number)
    }

    fn note(self) -> Note {
        let note = ((self.0 & Packed::NOTE) >> Packed::NUMBER_BITS) as u8;
        match (note & 0xf0, note & 0x0f) {
            (0x10, number) => Note::Syn(number),
            (0x20, number) => Note::SynAck(number),
            (0x30, number) => Note::Datagram(number),
            (_, 1) => Note::Reset,
            (_, 2) => Note::IcmpError,
            (_, 3) => Note::ClientPayload,
            (_, 4) => Note::ServerPayload,
            _ => Note::First,
        }
    }

    fn is_same_packet(self, other: Packed) -> bool {
        (self.0 ^ other.0) & !Packed::NOTE == 0
    }

    fn evidence(self) -> Evidence {
        let packet = self.0 & ((1 << Packed::NUMBER_BITS) - 1);
        let at = PacketRef { capture: (self.0 >> Packed::CAPTURE_SHIFT) as u16, packet };
        Evidence { at, note: self.note() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::LinkType;

    #[test]
    fn evidence_survives_packing() {
        let notes = [
            Note::First,
            Note::Reset,
            Note::IcmpError,
            Note::ClientPayload,
            Note::ServerPayload,
            Note::Syn(3),
            Note::SynAck(1),
            Note::Datagram(2),
        ];
        for note in notes {
            let raw = RawPacket {
                at: Timestamp(0),
                number: 1_000_000_000_000,
                capture: u16::MAX,
                link: LinkType::ETHERNET,
                original: 0,
                bytes: &[],
            };
            let at = PacketRef { capture: raw.capture, packet: raw.number };
            assert_eq!(Packed::new(note, &raw).evidence(), Evidence { at, note });
        }
    }

    #[test]
    fn a_flow_stays_small() {
        // A million flows have to stay under 400 MB, opening bytes and evidence included.
        assert!(size_of::<Option<Flow>>() <= 216, "{}", size_of::<Option<Flow>>());
        assert!(size_of::<Cold>() <= 112, "{}", size_of::<Cold>());
    }
}
