//! Where both decoders end: the IP part of a packet with what stood around it, and from there over the transport header
//! to the whole packet. Also the few rules about link headers that both follow.

use super::bytes::{be, be32};
use super::{Address, Fragment, Icmp, Packet, Skip, Tcp, TcpFlags, TransportHeader, Vlans};
use crate::transport::protocol;

/// What stands around the IP packet and is kept of it.
#[derive(Clone, Copy)]
pub(super) struct Outside {
    pub vlans: Vlans,
    pub delivery: Delivery,
    /// Bytes in front of it.
    pub length: u32,
}

/// Whom the link carried a packet to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Delivery {
    ToOne,
    ToMany,
    /// The link has no such address.
    Untold,
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

/// What follows the IP headers.
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
        let to_many = match self.outside.delivery {
            Delivery::ToOne => false,
            Delivery::ToMany => true,
            Delivery::Untold => self.destination.is_v4() && self.destination.0[15] == 255,
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

/// A header that the packet itself has no room for is malformed; one that only the capture cut is not.
fn too_short(on_wire: u32, needed: u32) -> Skip {
    if on_wire < needed { Skip::Malformed } else { Skip::CutHeaders }
}

pub(super) fn fragment(offset: u16, more: bool) -> Fragment {
    match (offset, more) {
        (0, false) => Fragment::Whole,
        (0, true) => Fragment::First,
        _ => Fragment::Later,
    }
}

pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;

/// Packet types of Linux: to this host, broadcast, multicast, to another host, outgoing.
pub(super) fn cooked(packet_type: u16) -> Delivery {
    match packet_type {
        0 | 3 => Delivery::ToOne,
        1 | 2 => Delivery::ToMany,
        _ => Delivery::Untold,
    }
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
