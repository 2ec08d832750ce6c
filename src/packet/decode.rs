//! From bytes to a `Packet`: a short decoder for the common headers (Ethernet with VLAN tags, cooked and raw links, IPv4,
//! IPv6, TCP, UDP, ICMP). What it does not know it hands to the general decoder, which is also its oracle in the tests.

use super::{Address, LinkType, RawPacket, general};
use crate::transport::protocol;

/// What the headers of one packet say, and where its payload lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Sender.
    pub source: Address,
    /// Receiver.
    pub destination: Address,
    /// Sender's port; 0 for ICMP and for later fragments.
    pub source_port: u16,
    /// Receiver's port; 0 for ICMP and for later fragments.
    pub destination_port: u16,
    /// IPv4 total length, or IPv6 payload length and header, in bytes, as the header says it. Where segmentation
    /// offload left 0 in the header: what the frame had on the wire behind the link header.
    pub ip_bytes: u32,
    /// Bytes of payload behind the transport header, counted from the IP length, captured or not.
    pub payload_bytes: u32,
    /// Where that payload begins in the captured bytes.
    pub payload_at: u32,
    /// Bytes of it that were captured.
    pub payload_captured: u32,
    /// IPv4 identification, or that of an IPv6 fragment header; 0 where there is none.
    pub identification: u32,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Whether it is a fragment.
    pub fragment: Fragment,
    /// VLAN ids, outermost first.
    pub vlans: Vlans,
    /// The link carried it to a broadcast or multicast address. Where the link cannot tell: its IPv4 destination ends in
    /// 255. (A cluster of hosts may share a multicast address of the link for what IP calls one host.)
    pub to_many: bool,
    /// What stands above IP.
    pub transport: TransportHeader,
}

impl Packet {
    /// The captured part of the payload, out of the captured bytes of this packet.
    #[inline]
    pub fn payload<'a>(&self, captured: &'a [u8]) -> &'a [u8] {
        let start = self.payload_at as usize;
        captured.get(start..start + self.payload_captured as usize).unwrap_or_default()
    }

    /// The packet that an ICMP error message quotes, out of the captured bytes of the message.
    pub fn quoted(&self, captured: &[u8]) -> Option<Quoted> {
        match self.transport {
            TransportHeader::Icmp(icmp) if icmp.is_error() => quoted(self.payload(captured)),
            _ => None,
        }
    }

    /// The two addresses whose conversation it belongs to: its own, or those of the packet that it quotes.
    #[inline]
    pub fn host_pair(&self, captured: &[u8]) -> (Address, Address) {
        match self.quoted(captured) {
            Some(quoted) => (quoted.source, quoted.destination),
            None => (self.source, self.destination),
        }
    }
}

/// VLAN ids of one packet, outermost first; 0 means that there is none at that place. A third tag is passed over.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Vlans(pub [u16; 2]);

impl Vlans {
    /// The ids that are there.
    pub fn ids(self) -> impl Iterator<Item = u16> {
        self.0.into_iter().filter(|&id| id != 0)
    }

    fn push(&mut self, id: u16) {
        if let Some(free) = self.0.iter_mut().find(|id| **id == 0) {
            *free = id;
        }
    }
}

/// Whether an IP packet is whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fragment {
    /// Not fragmented.
    Whole,
    /// The first of several: it carries the transport header.
    First,
    /// A later one: no ports in it.
    Later,
}

/// What stands above IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransportHeader {
    /// A TCP segment.
    Tcp(Tcp),
    /// A UDP datagram.
    Udp,
    /// An ICMP or ICMPv6 message.
    Icmp(Icmp),
    /// A later fragment of this IP protocol.
    Fragment(u8),
}

/// The part of a TCP header that the audit reads (RFC 9293, 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tcp {
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number, valid with the ACK flag.
    pub acknowledgement: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// Receive window as the header has it, not scaled; 0 where the capture cut it off.
    pub window: u16,
}

/// TCP control bits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// Acknowledgement field valid.
    pub const ACK: u8 = 0x10;

    /// FIN is set.
    #[inline]
    pub fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }
    /// SYN is set.
    #[inline]
    pub fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }
    /// RST is set.
    #[inline]
    pub fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }
    /// ACK is set.
    #[inline]
    pub fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }
}

impl std::fmt::Debug for TcpFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = ["FIN", "SYN", "RST", "PSH", "ACK"];
        let set: Vec<&str> =
            names.into_iter().enumerate().filter(|(bit, _)| self.0 & (1 << bit) != 0).map(|(_, n)| n).collect();
        write!(f, "[{}]", set.join(","))
    }
}

/// An ICMP (RFC 792) or ICMPv6 (RFC 4443) message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Icmp {
    /// True for ICMPv6.
    pub v6: bool,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Identifier of an echo message, else the first half of the second word.
    pub identifier: u16,
}

impl Icmp {
    /// An echo request.
    pub fn is_echo_request(self) -> bool {
        self.kind == if self.v6 { 128 } else { 8 }
    }

    /// An echo reply.
    pub fn is_echo_reply(self) -> bool {
        self.kind == if self.v6 { 129 } else { 0 }
    }

    /// An error message: it quotes the packet that it is about.
    pub fn is_error(self) -> bool {
        is_icmp_error(self.v6, self.kind)
    }

    /// Destination unreachable: the packet did not reach a program. "Fragmentation needed" is not of that kind.
    pub fn is_unreachable(self) -> bool {
        if self.v6 { self.kind == 1 } else { self.kind == 3 && self.code != 4 }
    }
}

/// The header of the packet that an ICMP error quotes: enough to find its flow (RFC 792: IP header and eight bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quoted {
    /// Who sent the quoted packet.
    pub source: Address,
    /// To whom.
    pub destination: Address,
    /// Its IP protocol number.
    pub protocol: u8,
    /// Source port; for an echo message its identifier.
    pub source_port: u16,
    /// Destination port; for an echo message its identifier.
    pub destination_port: u16,
}

/// Why a packet did not become a `Packet`. It is counted under this name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Skip {
    /// The link type is not one that is read here, or the interface was never described.
    UnknownLink,
    /// ARP, spanning tree, LLDP and whatever else is not IP.
    NotIp,
    /// IP, but neither TCP, UDP nor ICMP.
    OtherProtocol,
    /// The capture kept too few bytes to read the headers.
    CutHeaders,
    /// The headers contradict themselves.
    Malformed,
    /// A later fragment whose first fragment was not captured.
    FragmentWithoutStart,
    /// ICMP that is neither an echo nor an error about a known kind of packet: router and neighbour messages and the like.
    IcmpOther,
    /// A flow that was not followed because the limit of flows was reached.
    FlowLimit,
}

impl Skip {
    /// Every reason, in the order of `index`.
    pub const ALL: [Skip; 8] = [
        Skip::UnknownLink,
        Skip::NotIp,
        Skip::OtherProtocol,
        Skip::CutHeaders,
        Skip::Malformed,
        Skip::FragmentWithoutStart,
        Skip::IcmpOther,
        Skip::FlowLimit,
    ];

    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Skip::UnknownLink => "unknown_link",
            Skip::NotIp => "not_ip",
            Skip::OtherProtocol => "other_protocol",
            Skip::CutHeaders => "cut_headers",
            Skip::Malformed => "malformed",
            Skip::FragmentWithoutStart => "fragment_without_start",
            Skip::IcmpOther => "icmp_other",
            Skip::FlowLimit => "flow_limit",
        }
    }

    /// Its place in `ALL`.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Reads the headers of one packet.
#[inline]
pub fn decode(raw: &RawPacket<'_>) -> Result<Packet, Skip> {
    match decode_most(raw) {
        Some(packet) => Ok(packet),
        None => decode_any(raw),
    }
}

/// Most packets of most captures: whole TCP segments and UDP datagrams over IPv4 without options, on Ethernet without tags.
/// Leaves everything else, and whatever contradicts itself, to [`decode_any`]. As a call of its own it would return the packet by
/// way of the stack.
#[inline(always)]
pub(super) fn decode_most(raw: &RawPacket<'_>) -> Option<Packet> {
    let (head, body) = raw.bytes.split_first_chunk::<34>()?;
    let plain = raw.link == LinkType::ETHERNET && head[12..15] == [0x08, 0x00, 0x45] && be(head, 20) & 0x3fff == 0;
    let total = u32::from(be(head, 16));
    let on_wire = total.checked_sub(20).filter(|_| plain)?;
    let captured = &body[..body.len().min(on_wire as usize)];
    let (transport, ports, header) = match head[23] {
        protocol::TCP => {
            let start: &[u8; 16] = captured.first_chunk()?;
            let (sequence, acknowledgement) = (be32(start, 4), be32(start, 8));
            let tcp = Tcp { sequence, acknowledgement, flags: TcpFlags(start[13]), window: be(start, 14) };
            (TransportHeader::Tcp(tcp), [be(start, 0), be(start, 2)], u32::from(start[12] >> 4) * 4)
        }
        protocol::UDP => {
            let start: &[u8; 8] = captured.first_chunk()?;
            (TransportHeader::Udp, [be(start, 0), be(start, 2)], 8)
        }
        _ => return None,
    };
    let least = if head[23] == protocol::TCP { 20 } else { 8 };
    if header < least || header > on_wire {
        return None;
    }
    Some(Packet {
        source: Address::v4(four(head, 26)),
        destination: Address::v4(four(head, 30)),
        source_port: ports[0],
        destination_port: ports[1],
        ip_bytes: total,
        payload_bytes: on_wire - header,
        payload_at: 34 + header,
        payload_captured: (captured.len() as u32).saturating_sub(header),
        identification: u32::from(be(head, 18)),
        ttl: head[22],
        fragment: Fragment::Whole,
        vlans: Vlans::default(),
        to_many: head[0] & 1 != 0,
        transport,
    })
}

/// Any packet that is read at all, the common ones included.
#[inline(never)]
pub(super) fn decode_any(raw: &RawPacket<'_>) -> Result<Packet, Skip> {
    let (ethertype, offset, vlans) = link_header(raw)?;
    let Some(ip) = raw.bytes.get(offset..).filter(|ip| !ip.is_empty()) else { return Err(Skip::CutHeaders) };
    let outside = Outside { vlans, carried: carried(raw), length: offset as u32 };
    let on_wire = raw.original.saturating_sub(offset as u32);
    match ethertype {
        ETHERTYPE_IPV4 => ipv4(ip, on_wire, outside),
        ETHERTYPE_IPV6 => ipv6(ip, on_wire, outside),
        _ => Err(Skip::NotIp),
    }
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// The EtherType, where IP begins, and the VLAN ids on the way.
#[inline]
fn link_header(raw: &RawPacket<'_>) -> Result<(u16, usize, Vlans), Skip> {
    let bytes = raw.bytes;
    match raw.link {
        LinkType::ETHERNET => ethernet(bytes, 12),
        LinkType::LINUX_SLL => ethernet(bytes, 14),
        LinkType::LINUX_SLL2 => tagged(be16(bytes, 0)?, bytes, 20),
        LinkType::RAW | LinkType::RAW_OLD | LinkType::RAW_OPENBSD | LinkType::IPV4 | LinkType::IPV6 => {
            let version = bytes.first().ok_or(Skip::CutHeaders)? >> 4;
            Ok((ethertype_of_version(version), 0, Vlans::default()))
        }
        LinkType::NULL | LinkType::LOOP => {
            let family: [u8; 4] = bytes.get(..4).and_then(|b| b.try_into().ok()).ok_or(Skip::CutHeaders)?;
            Ok((ethertype_of_family(family), 4, Vlans::default()))
        }
        _ => Err(Skip::UnknownLink),
    }
}

/// What stands around the IP packet and is kept of it.
#[derive(Clone, Copy)]
pub(super) struct Outside {
    pub vlans: Vlans,
    pub carried: Carried,
    /// Bytes in front of it.
    pub length: u32,
}

/// Whom the link carried a packet to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Carried {
    ToOne,
    ToMany,
    /// The link has no such address.
    Untold,
}

/// By the group bit of the destination (IEEE 802, first bit on the wire), or the packet type of a cooked link, which is
/// untold for packets on their way out. The link header is known to be there.
#[inline]
fn carried(raw: &RawPacket<'_>) -> Carried {
    let bytes = raw.bytes;
    match raw.link {
        LinkType::ETHERNET if bytes[0] & 1 == 0 => Carried::ToOne,
        LinkType::ETHERNET => Carried::ToMany,
        LinkType::LINUX_SLL => cooked(be(bytes, 0)),
        LinkType::LINUX_SLL2 => cooked(u16::from(bytes[10])),
        _ => Carried::Untold,
    }
}

/// Packet types of Linux: to this host, broadcast, multicast, to another host, outgoing.
pub(super) fn cooked(packet_type: u16) -> Carried {
    match packet_type {
        0 | 3 => Carried::ToOne,
        1 | 2 => Carried::ToMany,
        _ => Carried::Untold,
    }
}

/// From the place of an EtherType over any VLAN tags to where IP begins.
#[inline]
fn ethernet(bytes: &[u8], at: usize) -> Result<(u16, usize, Vlans), Skip> {
    let ethertype = be16(bytes, at)?;
    if ethertype == ETHERTYPE_IPV4 || ethertype == ETHERTYPE_IPV6 {
        return Ok((ethertype, at + 2, Vlans::default()));
    }
    tagged(ethertype, bytes, at + 2)
}

fn tagged(mut ethertype: u16, bytes: &[u8], mut at: usize) -> Result<(u16, usize, Vlans), Skip> {
    let mut vlans = Vlans::default();
    while is_vlan(ethertype) {
        vlans.push(be16(bytes, at)? & 0x0fff);
        ethertype = be16(bytes, at + 2)?;
        at += 4;
    }
    Ok((ethertype, at, vlans))
}

/// The tag protocol identifiers of 802.1Q, 802.1ad and two older ones in use for stacked tags.
pub(super) fn is_vlan(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100 | 0x9200)
}

pub(super) fn ethertype_of_version(version: u8) -> u16 {
    match version {
        4 => ETHERTYPE_IPV4,
        6 => ETHERTYPE_IPV6,
        _ => 0,
    }
}

/// The address family of a loopback capture, in whichever byte order the capturing host wrote it: AF_INET is 2
/// everywhere, AF_INET6 is 10, 23, 24, 28 or 30.
pub(super) fn ethertype_of_family(family: [u8; 4]) -> u16 {
    let value = match family {
        [value, 0, 0, 0] | [0, 0, 0, value] => value,
        _ => 0,
    };
    match value {
        2 => ETHERTYPE_IPV4,
        10 | 23 | 24 | 28 | 30 => ETHERTYPE_IPV6,
        _ => 0,
    }
}

#[inline]
fn ipv4(ip: &[u8], on_wire: u32, outside: Outside) -> Result<Packet, Skip> {
    if ip[0] >> 4 != 4 {
        return Err(Skip::Malformed);
    }
    let header = usize::from(ip[0] & 0x0f) * 4;
    if header < 20 {
        return Err(Skip::Malformed);
    }
    if ip.len() < header {
        return Err(Skip::CutHeaders);
    }
    let ip_bytes = match u32::from(be(ip, 2)) {
        0 => on_wire,
        total => total,
    };
    if (ip_bytes as usize) < header {
        return Err(Skip::Malformed);
    }
    let fragment_word = be(ip, 6);
    let envelope = Envelope {
        source: Address::v4(four(ip, 12)),
        destination: Address::v4(four(ip, 16)),
        ip_bytes,
        identification: u32::from(be(ip, 4)),
        ttl: ip[8],
        fragment: fragment(fragment_word & 0x1fff, fragment_word & 0x2000 != 0),
        outside,
    };
    if ip[9] == AUTHENTICATION_HEADER {
        return general::decode_ip(ip, on_wire, outside);
    }
    let body = Body { captured: &ip[header..ip.len().min(ip_bytes as usize)], headers: header as u32 };
    envelope.transport(ip[9], body)
}

#[inline]
fn ipv6(ip: &[u8], on_wire: u32, outside: Outside) -> Result<Packet, Skip> {
    if ip[0] >> 4 != 6 {
        return Err(Skip::Malformed);
    }
    if ip.len() < 40 {
        return Err(Skip::CutHeaders);
    }
    if is_extension(ip[6]) {
        return general::decode_ip(ip, on_wire, outside);
    }
    let ip_bytes = match u32::from(be(ip, 4)) {
        0 => on_wire.max(40),
        payload => payload + 40,
    };
    let envelope = Envelope {
        source: Address(sixteen(ip, 8)),
        destination: Address(sixteen(ip, 24)),
        ip_bytes,
        identification: 0,
        ttl: ip[7],
        fragment: Fragment::Whole,
        outside,
    };
    let body = Body { captured: &ip[40..ip.len().min(ip_bytes as usize)], headers: 40 };
    envelope.transport(ip[6], body)
}

pub(super) fn fragment(offset: u16, more: bool) -> Fragment {
    match (offset, more) {
        (0, false) => Fragment::Whole,
        (0, true) => Fragment::First,
        _ => Fragment::Later,
    }
}

const AUTHENTICATION_HEADER: u8 = 51;

/// Hop-by-hop, routing, fragment, authentication, destination options, mobility, host identity and shim6 headers.
fn is_extension(next_header: u8) -> bool {
    matches!(next_header, 0 | 43 | 44 | AUTHENTICATION_HEADER | 60 | 135 | 139 | 140)
}

/// The IP part of a packet, ready for what stands above it. Both decoders end here.
pub(super) struct Envelope {
    pub source: Address,
    pub destination: Address,
    pub ip_bytes: u32,
    pub identification: u32,
    pub ttl: u8,
    pub fragment: Fragment,
    pub outside: Outside,
}

/// What stands behind the IP headers.
pub(super) struct Body<'a> {
    /// The captured part of it.
    pub captured: &'a [u8],
    /// Bytes of the IP headers; no more than the packet has.
    pub headers: u32,
}

impl Envelope {
    /// Reads the transport header.
    #[inline]
    pub fn transport(self, number: u8, body: Body<'_>) -> Result<Packet, Skip> {
        if self.fragment == Fragment::Later {
            return Ok(self.packet(TransportHeader::Fragment(number), [0, 0], 0, &body));
        }
        match number {
            protocol::TCP => self.tcp(&body),
            protocol::UDP => self.udp(&body),
            protocol::ICMP => self.icmp(false, &body),
            protocol::ICMPV6 => self.icmp(true, &body),
            _ => Err(Skip::OtherProtocol),
        }
    }

    #[inline]
    fn tcp(self, body: &Body<'_>) -> Result<Packet, Skip> {
        let (bytes, on_wire) = (body.captured, self.ip_bytes - body.headers);
        // Fourteen bytes reach to the flags; what follows may be cut.
        if bytes.len() < 14 {
            return Err(too_short(on_wire, 20));
        }
        let header = usize::from(bytes[12] >> 4) * 4;
        if header < 20 || (header as u32 > on_wire && self.fragment == Fragment::Whole) {
            return Err(Skip::Malformed);
        }
        let window = if bytes.len() < 16 { 0 } else { be(bytes, 14) };
        let tcp = Tcp { sequence: be32(bytes, 4), acknowledgement: be32(bytes, 8), flags: TcpFlags(bytes[13]), window };
        Ok(self.packet(TransportHeader::Tcp(tcp), [be(bytes, 0), be(bytes, 2)], header, body))
    }

    #[inline]
    fn udp(self, body: &Body<'_>) -> Result<Packet, Skip> {
        let bytes = body.captured;
        if bytes.len() < 8 {
            return Err(too_short(self.ip_bytes - body.headers, 8));
        }
        Ok(self.packet(TransportHeader::Udp, [be(bytes, 0), be(bytes, 2)], 8, body))
    }

    fn icmp(self, v6: bool, body: &Body<'_>) -> Result<Packet, Skip> {
        let bytes = body.captured;
        if bytes.len() < 8 {
            return Err(too_short(self.ip_bytes - body.headers, 8));
        }
        let icmp = Icmp { v6, kind: bytes[0], code: bytes[1], identifier: be(bytes, 4) };
        Ok(self.packet(TransportHeader::Icmp(icmp), [0, 0], 8, body))
    }

    #[inline]
    fn packet(self, transport: TransportHeader, ports: [u16; 2], header: usize, body: &Body<'_>) -> Packet {
        let to_many = match self.outside.carried {
            Carried::ToOne => false,
            Carried::ToMany => true,
            Carried::Untold => self.destination.is_v4() && self.destination.0[15] == 255,
        };
        Packet {
            source: self.source,
            destination: self.destination,
            source_port: ports[0],
            destination_port: ports[1],
            ip_bytes: self.ip_bytes,
            payload_bytes: (self.ip_bytes - body.headers).saturating_sub(header as u32),
            payload_at: self.outside.length + body.headers + header as u32,
            payload_captured: body.captured.len().saturating_sub(header) as u32,
            identification: self.identification,
            ttl: self.ttl,
            fragment: self.fragment,
            vlans: self.outside.vlans,
            to_many,
            transport,
        }
    }
}

fn is_icmp_error(v6: bool, kind: u8) -> bool {
    if v6 { (1..=4).contains(&kind) } else { matches!(kind, 3 | 4 | 5 | 11 | 12) }
}

/// A header that the packet itself has no room for is malformed; one that only the capture cut is not.
fn too_short(on_wire: u32, needed: u32) -> Skip {
    if on_wire < needed { Skip::Malformed } else { Skip::CutHeaders }
}

fn quoted(ip: &[u8]) -> Option<Quoted> {
    let (source, destination, protocol, body) = match ip.first()? >> 4 {
        4 => {
            let header = usize::from(ip[0] & 0x0f) * 4;
            if header < 20 || ip.len() < header || be(ip, 6) & 0x1fff != 0 {
                return None;
            }
            (Address::v4(four(ip, 12)), Address::v4(four(ip, 16)), ip[9], &ip[header..])
        }
        6 if ip.len() >= 40 => (Address(sixteen(ip, 8)), Address(sixteen(ip, 24)), ip[6], &ip[40..]),
        _ => return None,
    };
    let ports = match protocol {
        protocol::TCP | protocol::UDP if body.len() >= 4 => [be(body, 0), be(body, 2)],
        protocol::ICMP | protocol::ICMPV6 if body.len() >= 6 => [be(body, 4); 2],
        _ => return None,
    };
    Some(Quoted { source, destination, protocol, source_port: ports[0], destination_port: ports[1] })
}

#[inline]
fn be16(bytes: &[u8], at: usize) -> Result<u16, Skip> {
    if bytes.len() < at + 2 {
        return Err(Skip::CutHeaders);
    }
    Ok(be(bytes, at))
}

/// Big-endian 16 bits at a place that the caller has checked.
#[inline]
fn be(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(four(bytes, at))
}

#[inline]
fn four(bytes: &[u8], at: usize) -> [u8; 4] {
    [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
}

#[inline]
fn sixteen(bytes: &[u8], at: usize) -> [u8; 16] {
    let mut all = [0; 16];
    all.copy_from_slice(&bytes[at..at + 16]);
    all
}
