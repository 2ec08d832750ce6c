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
    opener: PacketRef,
    /// Client first, server second.
    halves: [Half; 2],
    syn_at: Timestamp,
    syn_ack_at: Timestamp,
    established_at: Timestamp,
    syns: u32,
    syn_acks: u32,
    cold: Option<Box<Cold>>,
}

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
    last: Timestamp,
    /// Fingerprints of the last packets, to know a mirrored duplicate from a retransmission.
    recent: [u32; 4],
}

/// What only some packets need.
#[derive(Default)]
struct Cold {
    openings: [Vec<u8>; 2],
    heard: Option<Heard>,
    handshake_rtt: Option<Span>,
    reset_after: Option<Span>,
    icmp: Option<IcmpError>,
    vlans: Vlans,
    evidence: Vec<Evidence>,
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
            opener: packet_ref(raw),
            halves: [Half::default(); 2],
            syn_at: Timestamp::default(),
            syn_ack_at: Timestamp::default(),
            established_at: Timestamp::default(),
            syns: 0,
            syn_acks: 0,
            cold: None,
        }
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
            return self.halves.iter().any(|half| half.packets > 0);
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
        let at = packet_ref(raw);
        let cold = self.cold();
        let better = cold.icmp.is_none_or(|known| !known.about_client && error.about_client);
        if better {
            cold.icmp = Some(error);
            self.note(Note::IcmpError, at);
        }
    }

    /// This flow is TFTP data that answers a request seen on port 69.
    pub fn is_tftp_data(&mut self) {
        self.listening.0 = Listening::CLIENT | Listening::SERVER;
        self.cold().heard = Some(Heard {
            protocol: signature::Protocol::Tftp,
            strength: signature::Strength::Strong,
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
        let flags = tcp.flags;
        if flags.rst() {
            self.marks.set(Marks::CLIENT_RESET);
            self.note(Note::Reset, packet_ref(raw));
        }
        if (flags.rst() || flags.fin()) && !self.marks.has(Marks::SERVER_RESET) {
            self.marks.set(Marks::CLIENT_ENDED_FIRST);
        }
        if flags.syn() && !flags.ack() {
            self.syns += 1;
            self.syn_at = raw.at;
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
        let first = !self.marks.has(Marks::CLIENT_SPOKE);
        self.marks.set(Marks::CLIENT_SPOKE);
        if !self.marks.has(Marks::SYN_SEEN) && self.syn_acks == 0 {
            return;
        }
        self.marks.set(Marks::CLIENT_WENT_ON);
        if first {
            self.established_at = raw.at;
            // With a repeated SYN or SYN-ACK nobody knows which one was answered.
            if self.syns == 1 && self.syn_acks == 1 && packet.payload_bytes == 0 {
                let rtt = raw.at - self.syn_at;
                self.cold().handshake_rtt = Some(rtt);
            }
        }
    }

    fn server_says(&mut self, tcp: &Tcp, packet: &Packet<'_>, raw: &RawPacket<'_>) {
        let flags = tcp.flags;
        if flags.rst() {
            return self.server_resets(tcp, packet, raw);
        }
        if flags.syn() {
            if self.syn_acks == 0 {
                self.syn_ack_at = raw.at;
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

    fn server_resets(&mut self, tcp: &Tcp, packet: &Packet<'_>, raw: &RawPacket<'_>) {
        if !self.marks.has(Marks::SERVER_RESET) {
            self.note(Note::Reset, packet_ref(raw));
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
            let after = raw.at - self.established_at;
            self.cold().reset_after.get_or_insert(after);
        }
        let _ = packet;
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
        let opening = &mut cold.openings[who];
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
            self.note(if who == 0 { Note::ClientPayload } else { Note::ServerPayload }, packet_ref(raw));
        }
        self.tell(full);
    }

    fn tell(&mut self, ended: bool) {
        let ports = [self.client, !self.client].map(|side| self.key.endpoint(side).port);
        let transport =
            if self.key.protocol() == protocol::TCP { signature::Transport::Tcp } else { signature::Transport::Udp };
        let cut = self.listening.0 & Listening::CUT != 0;
        let Some(cold) = self.cold.as_deref_mut() else { return };
        let opening = Opening {
            transport,
            client_port: ports[0],
            server_port: ports[1],
            client: &cold.openings[0],
            server: &cold.openings[1],
            cut,
            ended,
        };
        self.listening.0 &= !Listening::MORE;
        match signature::tell(&opening) {
            Answer::More => self.listening.0 |= Listening::MORE,
            Answer::Told(told) => cold.heard = Some(merge(cold.heard.take(), told)),
            Answer::Nothing => {}
        }
        let both = Listening::CLIENT | Listening::SERVER;
        if self.listening.0 & Listening::MORE != 0 {
            return;
        }
        if self.listening.0 & both == both {
            cold.openings = [Vec::new(), Vec::new()];
        } else {
            for opening in &mut cold.openings {
                opening.truncate(KEPT_OPENING);
                opening.shrink_to_fit();
            }
        }
    }

    fn cold(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }

    /// The first few tries are evidence. The very first packet is known without being noted.
    fn note_try(&mut self, note: fn(u8) -> Note, number: u32, raw: &RawPacket<'_>) {
        let at = packet_ref(raw);
        if number <= 3 && at != self.opener {
            self.note(note(number as u8), at);
        }
    }

    fn note(&mut self, note: Note, at: PacketRef) {
        let evidence = &mut self.cold().evidence;
        if evidence.len() < EVIDENCE_LIMIT - 1 {
            evidence.push(Evidence { at, note });
        }
    }

    /// What it leaves behind. `until` is how long it was watched, `cut_off` that the capture ended before it was given up.
    pub fn finish(mut self, until: Timestamp, cut_off: bool) -> FlowRecord {
        if self.listening.0 & Listening::MORE != 0 {
            self.tell(true);
        }
        let ends = [self.client, !self.client].map(|side| self.endpoint(side));
        let [from_client, from_server] = self.halves.map(Half::counts);
        let mut cold = self.cold.map(|cold| *cold).unwrap_or_default();
        let first = if self.syns > 0 && self.basis == DirectionBasis::Handshake && self.syn_at >= self.first {
            Note::Syn(1)
        } else {
            Note::First
        };
        let opener = Evidence { at: self.opener, note: first };
        if !cold.evidence.iter().any(|evidence| evidence.at == self.opener) {
            cold.evidence.insert(0, opener);
        }
        FlowRecord {
            protocol: self.key.protocol(),
            client: ends[0],
            server: ends[1],
            basis: self.basis,
            opener: self.opener,
            first: self.first,
            last: self.last,
            until,
            cut_off,
            from_client,
            from_server,
            tcp: self.tcp,
            syns: self.syns,
            syn_acks: self.syn_acks,
            syn_ack_at: (self.syn_acks > 0).then_some(self.syn_ack_at),
            handshake_rtt: cold.handshake_rtt,
            marks: self.marks,
            reset_after: cold.reset_after,
            vlans: cold.vlans,
            heard: cold.heard,
            icmp: cold.icmp,
            evidence: cold.evidence,
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

/// So many bytes of one side's opening are kept while the other side is waited for.
const KEPT_OPENING: usize = 64;

fn merge(known: Option<Heard>, told: signature::Told) -> Heard {
    let new = Heard {
        protocol: told.protocol,
        strength: told.strength,
        server_name: told.server_name,
        citrix_hint: told.citrix_hint,
    };
    match known {
        Some(known) if known.protocol == new.protocol => Heard {
            protocol: new.protocol,
            strength: known.strength.max(new.strength),
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
        let since = at - self.last;
        self.last = at;
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
            self.recent = [print, self.recent[0], self.recent[1], self.recent[2]];
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

fn packet_ref(raw: &RawPacket<'_>) -> PacketRef {
    PacketRef { capture: raw.capture, packet: raw.number }
}
