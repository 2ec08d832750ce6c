//! What the headers of one packet say, and why some say nothing. Both decoders make these types.

use super::Address;
use super::bytes::{be, four, sixteen};
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
    /// offload left 0 in the header: what the frame had on the wire after the link header.
    pub ip_bytes: u32,
    /// Bytes of payload after the transport header, counted from the IP length, captured or not.
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

    pub(super) fn push(&mut self, id: u16) {
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
    /// ICMP that is neither an echo nor an error about a known kind of packet: router and neighbour messages and the
    /// like.
    IcmpOther,
}

impl Skip {
    /// Every reason, in the order of `index`.
    pub const ALL: [Skip; 7] = [
        Skip::UnknownLink,
        Skip::NotIp,
        Skip::OtherProtocol,
        Skip::CutHeaders,
        Skip::Malformed,
        Skip::FragmentWithoutStart,
        Skip::IcmpOther,
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
        }
    }

    /// Its place in `ALL`.
    pub fn index(self) -> usize {
        self as usize
    }
}

fn is_icmp_error(v6: bool, kind: u8) -> bool {
    if v6 { (1..=4).contains(&kind) } else { matches!(kind, 3 | 4 | 5 | 11 | 12) }
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
