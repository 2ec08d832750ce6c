//! The record that a flow leaves when it ends: plain facts, from which the outcome, the verdict and the findings are
//! drawn.

use super::{Alert, Endpoint, Extras, TcpState};
use crate::packet::{Address, Packet, TransportHeader, Vlans};
use crate::signature::{Content, Protocol, Strength, Tls};
use crate::time::{Span, Timestamp};

/// Maximum number of captures of one audit.
pub const CAPTURE_LIMIT: u32 = 1 << 20;

/// One packet of one capture: the capture counted from 0, the packet from 1, as Wireshark numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PacketRef {
    /// Which capture of the audit; below [`CAPTURE_LIMIT`].
    pub capture: u32,
    /// Which packet of it.
    pub packet: u64,
}

/// How it was decided who is the client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum DirectionBasis {
    /// A SYN or a SYN-ACK.
    Handshake,
    /// The port map knows one of the two ports.
    PortMap,
    /// The first payload, or an ICMP request.
    Payload,
    /// The lower port is the server's.
    PortOrder,
    /// Nothing better than who was seen first.
    FirstPacket,
}

impl DirectionBasis {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            DirectionBasis::Handshake => "handshake",
            DirectionBasis::PortMap => "port_map",
            DirectionBasis::Payload => "payload",
            DirectionBasis::PortOrder => "port_order",
            DirectionBasis::FirstPacket => "first_packet",
        }
    }
}

/// What a packet shows when it is named as evidence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Note {
    /// The first packet of the flow, whatever it is.
    First,
    /// A SYN of the client, by its number from 1.
    Syn(u8),
    /// A SYN-ACK of the server, by its number from 1.
    SynAck(u8),
    /// A datagram of the client, by its number from 1.
    Datagram(u8),
    /// The first reset.
    Reset,
    /// An ICMP or ICMPv6 error that quotes the flow.
    IcmpError,
    /// The first payload of the client.
    ClientPayload,
    /// The first payload of the server.
    ServerPayload,
    /// What the server said after the client had waited long for it.
    LateAnswer,
    /// An alert of TLS or DTLS.
    Alert,
}

/// A packet and what it shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Evidence {
    /// Where it is.
    pub at: PacketRef,
    /// What it shows.
    pub note: Note,
}

/// Counts of one direction.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Packets, later fragments and mirrored duplicates among them.
    pub packets: u64,
    /// IP total lengths, in bytes.
    pub ip_bytes: u64,
    /// Payload after the transport header, in bytes, captured or not.
    pub payload_bytes: u64,
    /// TCP segments that repeat sequence numbers already sent, SYNs included. What comes within 3 ms of them may have
    /// been overtaken, or be a copy, and is not counted.
    pub retransmissions: u32,
    /// Packets that the capture holds twice, as far as that can be proved.
    pub duplicates: u32,
    /// Time to live or hop limit of the first packet; 0 where there was none.
    pub ttl: u8,
    /// TCP: bytes of payload that were sent, as the sequence numbers show, and that the capture lacks; at least as many, and no more
    /// than it has.
    pub missing_bytes: u64,
}

/// Headers of one packet, by which one sender is told from another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Sender {
    /// Time to live or hop limit.
    pub ttl: u8,
    /// IPv4 identification, or the lower half of that of an IPv6 fragment header; 0 where there is none.
    pub identification: u16,
    /// TCP receive window, not scaled; 0 without TCP, and where the capture cut it off.
    pub window: u16,
    /// What else tells one sender from another.
    pub hints: Hints,
}

/// What tells who sent a packet beside its numbers, each a bit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Hints(pub u8);

impl Hints {
    /// It has TCP options.
    pub const OPTIONS: u8 = 1;
    /// A reset that answers a SYN with another sequence number than 0 (RFC 9293, 3.10.7.1).
    pub const ODD_NUMBERS: u8 = 1 << 1;
    /// A reset with the IP identification of the client's last packet.
    pub const COPIED_IDENTIFICATION: u8 = 1 << 2;
    /// A reset of an attempt with the window of the client's SYN.
    pub const COPIED_WINDOW: u8 = 1 << 3;
    /// A reset before the server had sent any payload.
    pub const BEFORE_PAYLOAD: u8 = 1 << 4;
    /// A reset after which the server went on as if it had not sent it: with payload behind it, or with a SYN-ACK for the one SYN.
    pub const WENT_ON: u8 = 1 << 5;
    /// Every hint.
    pub const ALL: u8 = (1 << 6) - 1;

    /// True where all of these hints are set.
    pub fn has(self, hints: u8) -> bool {
        self.0 & hints == hints
    }

    /// Sets a hint where it holds.
    pub(super) fn set_if(&mut self, holds: bool, hint: u8) {
        self.0 |= if holds { hint } else { 0 };
    }
}

impl Sender {
    /// What the headers of this packet show.
    pub fn of(packet: &Packet) -> Sender {
        let window = match packet.transport {
            TransportHeader::Tcp(tcp) => tcp.window,
            TransportHeader::Udp | TransportHeader::Icmp(_) | TransportHeader::Fragment(_) => 0,
        };
        let mut hints = Hints::default();
        hints.set_if(has_tcp_options(packet), Hints::OPTIONS);
        Sender { ttl: packet.ttl, identification: packet.identification as u16, window, hints }
    }
}

/// Headers of an unfragmented TCP packet that are longer than they have to be. IP options, which hardly anybody sends, count as such.
fn has_tcp_options(packet: &Packet) -> bool {
    let ip = if packet.source.is_v4() { 20 } else { 40 };
    let whole = matches!(packet.transport, TransportHeader::Tcp(_));
    whole && packet.ip_bytes.saturating_sub(packet.payload_bytes) > ip + 20
}

/// An ICMP or ICMPv6 error about a flow. It was delivered to the host that sent the quoted packet, and where it is about the
/// client, packets of the client were seen before; anybody can forge another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IcmpError {
    /// True for ICMPv6.
    pub v6: bool,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Who sent it.
    pub sender: Address,
    /// Time to live or hop limit of the message itself, not of what it quotes.
    pub ttl: u8,
    /// IPv4 identification of the message itself, or the lower half of that of an IPv6 fragment header; 0 where there
    /// is none.
    pub identification: u16,
    /// True where the quoted packet came from the client.
    pub about_client: bool,
}

impl IcmpError {
    /// It says that a packet is too big for the path (RFC 1191, 4; RFC 8201, 3).
    pub fn is_too_big(&self) -> bool {
        if self.v6 { self.kind == 2 } else { self.kind == 3 && self.code == 4 }
    }
}

/// A TCP session that died: one side repeated its data until it gave up, and the other was not heard of again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Death {
    /// The client was not heard of again; else the server.
    pub client_is_gone: bool,
    /// When data was repeated, at the third repetition of that side at the earliest.
    pub since: Timestamp,
    /// How long nothing was said before that data, where that was a minute or longer.
    pub idle: Option<Span>,
}

/// What the payload told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// The protocol.
    pub protocol: Protocol,
    /// How sure that is.
    pub strength: Strength,
    /// The server said it, or both did.
    pub by_server: bool,
    /// A name or a path that belongs to Citrix.
    pub citrix_hint: bool,
    /// What else was said.
    pub details: Option<Box<Details>>,
}

/// What the payload told beside the protocol.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Details {
    /// The server's name as TLS, DTLS, QUIC or HTTP gives it.
    pub server_name: Option<Box<str>>,
    /// What else the first words say.
    pub content: Option<Content>,
    /// What the client spoke first, where the server answered with another protocol, or in text of none that is known.
    pub asked: Option<Protocol>,
}

impl Heard {
    /// The server's name as TLS, DTLS, QUIC or HTTP gives it.
    pub fn server_name(&self) -> Option<&str> {
        self.details.as_ref()?.server_name.as_deref()
    }

    /// What else the first words say.
    pub fn content(&self) -> Option<&Content> {
        self.details.as_ref()?.content.as_ref()
    }
}

/// A finished flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowRecord {
    /// IP protocol number.
    pub protocol: u8,
    /// Who opened it. For ICMP echo the port is the message type, as Zeek has it.
    pub client: Endpoint,
    /// Who was asked. For ICMP echo the port is the code.
    pub server: Endpoint,
    /// How the two were told apart.
    pub basis: DirectionBasis,
    /// The first packet.
    pub opener: PacketRef,
    /// When it was captured.
    pub first: Timestamp,
    /// When the last packet was captured.
    pub last: Timestamp,
    /// Until when the flow was watched: the end of the capture, or the moment at which it was given up or its ports
    /// were used again.
    pub until: Timestamp,
    /// The capture ended while the flow was still being watched.
    pub cut_off: bool,
    /// Counts of the client's packets.
    pub from_client: Counts,
    /// Counts of the server's packets.
    pub from_server: Counts,
    /// The state of a TCP flow.
    pub tcp: TcpState,
    /// SYNs of the client, duplicates left out.
    pub syns: u32,
    /// UDP: datagrams of the client before the first answer, each after a pause: what is sent at one moment is one try. At
    /// most 255.
    pub udp_tries: u32,
    /// SYN-ACKs of the server, duplicates left out.
    pub syn_acks: u32,
    /// TCP: the sequence number after the client's SYN, or of its first payload; none where the client's numbers are not known.
    pub first_number: Option<u32>,
    /// When the server first answered: of TCP its first SYN-ACK, of UDP and ICMP its first packet. To the microsecond.
    /// `None` also where that was more than 71 minutes after the first packet of the flow.
    pub answered_at: Option<Timestamp>,
    /// When the client first went on after the SYN or the SYN-ACK that the capture holds: the end of the TCP handshake. Kept like
    /// `answered_at`.
    pub established_at: Option<Timestamp>,
    /// From the SYN to the client's ACK, if neither was repeated.
    pub handshake_rtt: Option<Span>,
    /// When the server first said something: of TCP its first payload, as far as nothing before it is missing, of UDP its first
    /// datagram. Kept like `answered_at`.
    pub spoke_at: Option<Timestamp>,
    /// As seen from the place of the capture: from the client's first payload to the server's acknowledgement of it; over UDP from
    /// the first datagram to the first answer. None where the client repeated it.
    pub data_rtt: Option<Span>,
    /// How long nothing was said before the first FIN or reset, or before the data that it answered, where that was a minute or
    /// longer.
    pub idle_before_end: Option<Span>,
    /// What else was seen.
    pub marks: Marks,
    /// From the end of the handshake to the server's reset.
    pub reset_after: Option<Span>,
    /// Who answered: the packet of `answered_at`.
    pub greeting: Option<Sender>,
    /// Who sent the first reset of the server's side.
    pub reset: Option<Sender>,
    /// From the client's packet to the server's first reset, where it is certain that this answers that. To the microsecond.
    pub reset_delay: Option<Span>,
    /// VLAN ids of the first packet.
    pub vlans: Vlans,
    /// What the payload told.
    pub heard: Option<Heard>,
    /// The first ICMP error about it.
    pub icmp: Option<IcmpError>,
    /// How it died, if it did.
    pub death: Option<Death>,
    /// What hardly any flow shows.
    pub extras: Option<Box<Extras>>,
    /// Packets that show what happened, at most [`EVIDENCE_LIMIT`].
    pub evidence: Vec<Evidence>,
    /// What [`FlowTable::glance`](super::FlowTable::glance) was last told to have been shown of it while it lived; 0 is nothing.
    pub shown: u16,
}

/// Maximum number of evidence packets that a flow keeps.
pub const EVIDENCE_LIMIT: usize = 6;

/// Things that happened in a flow, each a bit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Marks(pub u16);

impl Marks {
    /// The client acknowledged or sent data after its SYN: it was answered, seen or not.
    pub const CLIENT_WENT_ON: u16 = 1;
    /// The server sent something else than SYN-ACKs and resets.
    pub const SERVER_WENT_ON: u16 = 1 << 1;
    /// A reset of the server answered a SYN before any SYN-ACK.
    pub const REFUSED: u16 = 1 << 2;
    /// The client closed or reset before the server reset.
    pub const CLIENT_ENDED_FIRST: u16 = 1 << 3;
    /// The client sent a reset.
    pub const CLIENT_RESET: u16 = 1 << 4;
    /// The client repeated its SYN after the first SYN-ACK.
    pub const SYN_AFTER_SYN_ACK: u16 = 1 << 5;
    /// A SYN of the client was seen.
    pub const SYN_SEEN: u16 = 1 << 6;
    /// A TFTP answer came from another port of the server.
    pub const ANSWERED_ELSEWHERE: u16 = 1 << 7;
    /// Payload bytes were missing from the capture (snap length).
    pub const CUT: u16 = 1 << 8;
    /// The flow is known only from an ICMP error that quotes it.
    pub const QUOTED_ONLY: u16 = 1 << 9;
    /// The client sent something else than SYNs and resets; over UDP, what is sent only after an answer.
    pub const CLIENT_SPOKE: u16 = 1 << 10;
    /// The server sent a reset.
    pub const SERVER_RESET: u16 = 1 << 11;
    /// The client's first payload has not been acknowledged yet.
    pub const AWAITS_ACK: u16 = 1 << 12;

    /// Nobody watched since its last packet.
    pub const UNWATCHED: u16 = 1 << 13;
    /// The client sent to a broadcast or multicast address of the link; where the link cannot tell, to an IPv4 address
    /// that ends in 255.
    pub const SENT_TO_MANY: u16 = 1 << 14;
    /// Given up before its time, because there were more flows than the limit allows.
    pub const LET_GO: u16 = 1 << 15;

    /// True where the mark is set.
    #[inline]
    pub fn has(self, mark: u16) -> bool {
        self.0 & mark != 0
    }

    /// Takes a mark away.
    #[inline]
    pub fn clear(&mut self, mark: u16) {
        self.0 &= !mark;
    }

    /// Sets a mark.
    #[inline]
    pub fn set(&mut self, mark: u16) {
        self.0 |= mark;
    }
}

impl FlowRecord {
    /// What TLS or DTLS said in the clear.
    pub fn tls(&self) -> Option<&Tls> {
        match self.heard.as_ref()?.content()? {
            Content::Tls(tls) => Some(tls),
            _ => None,
        }
    }

    /// The first alert of TLS or DTLS in the clear that ended something.
    pub fn alert(&self) -> Option<&Alert> {
        self.extras.as_ref()?.alert.as_ref()
    }

    /// Zeek's `conn_state`.
    pub fn state(&self) -> &'static str {
        use crate::packet::protocol::{TCP, UDP};
        match self.protocol {
            TCP => {
                let no_payload = self.from_client.payload_bytes == 0 && self.from_server.payload_bytes == 0;
                self.tcp.code(no_payload, self.marks.has(Marks::SYN_SEEN) && !self.marks.has(Marks::CLIENT_SPOKE))
            }
            UDP => match (self.from_client.packets, self.from_server.packets) {
                (0, 0) => "OTH",
                (0, _) => "SHR",
                (_, 0) => "S0",
                _ => "SF",
            },
            _ => "OTH",
        }
    }

    /// How often the client tried to open it: SYNs, or datagrams before the first answer, or pings. Never session data.
    pub fn tries(&self) -> u64 {
        use crate::packet::protocol::{TCP, UDP};
        match self.protocol {
            TCP => u64::from(self.syns),
            UDP => u64::from(self.udp_tries),
            _ => self.client_packets(),
        }
    }

    /// From the only SYN to the SYN-ACK that answers it; none where several SYNs leave open which one it answers.
    pub fn greeting_delay(&self) -> Option<Span> {
        let plain = self.marks.has(Marks::SYN_SEEN) && self.syns == 1;
        self.answered_at.filter(|_| plain).map(|at| at - self.first)
    }

    /// Packets of the client, duplicates left out.
    pub fn client_packets(&self) -> u64 {
        self.from_client.packets - u64::from(self.from_client.duplicates)
    }

    /// Packets of both directions.
    pub fn packets(&self) -> u64 {
        self.from_client.packets + self.from_server.packets
    }

    /// IP bytes of both directions.
    pub fn ip_bytes(&self) -> u64 {
        self.from_client.ip_bytes + self.from_server.ip_bytes
    }

    /// How long it was watched from its first packet on.
    pub fn watched(&self) -> Span {
        self.until - self.first
    }

    /// The Community ID of the flow.
    pub fn community_id(&self) -> String {
        super::community_id(
            self.protocol,
            (self.client.address, self.client.port),
            (self.server.address, self.server.port),
        )
    }
}
