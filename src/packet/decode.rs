//! From bytes to a `Packet`: the short decoder for the common headers (Ethernet with VLAN tags, cooked and raw links,
//! IPv4, IPv6, TCP, UDP, ICMP). What it does not know it hands to the general decoder, which is also its oracle in the
//! tests.

use super::bytes::{be, be32, four, sixteen};
use super::envelope::{
    Body, Delivery, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Envelope, Outside, cooked, ethertype_of_family,
    ethertype_of_version, fragment, is_vlan,
};
use super::{Address, Fragment, LinkType, Packet, RawPacket, Skip, Tcp, TcpFlags, TransportHeader, Vlans, general};
use crate::transport::protocol;

/// Reads the headers of one packet.
#[inline]
pub fn decode(raw: &RawPacket<'_>) -> Result<Packet, Skip> {
    match decode_most(raw) {
        Some(packet) => Ok(packet),
        None => decode_any(raw),
    }
}

/// Most packets of most captures: whole TCP segments and UDP datagrams over IPv4 without options, on Ethernet without
/// tags. Leaves everything else, and whatever contradicts itself, to [`decode_any`]. As a call of its own it would
/// return the packet by way of the stack.
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
    let outside = Outside { vlans, delivery: delivery(raw), length: offset as u32 };
    let on_wire = raw.original.saturating_sub(offset as u32);
    match ethertype {
        ETHERTYPE_IPV4 => ipv4(ip, on_wire, outside),
        ETHERTYPE_IPV6 => ipv6(ip, on_wire, outside),
        _ => Err(Skip::NotIp),
    }
}

/// The EtherType, where IP begins, and the VLAN ids on the way.
#[inline]
pub(super) fn link_header(raw: &RawPacket<'_>) -> Result<(u16, usize, Vlans), Skip> {
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

/// By the group bit of the destination (IEEE 802, first bit on the wire), or the packet type of a cooked link, which is
/// untold for packets on their way out. The link header is known to be there.
#[inline]
fn delivery(raw: &RawPacket<'_>) -> Delivery {
    let bytes = raw.bytes;
    match raw.link {
        LinkType::ETHERNET if bytes[0] & 1 == 0 => Delivery::ToOne,
        LinkType::ETHERNET => Delivery::ToMany,
        LinkType::LINUX_SLL => cooked(be(bytes, 0)),
        LinkType::LINUX_SLL2 => cooked(u16::from(bytes[10])),
        _ => Delivery::Untold,
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

const AUTHENTICATION_HEADER: u8 = 51;

/// Hop-by-hop, routing, fragment, authentication, destination options, mobility, host identity and shim6 headers.
fn is_extension(next_header: u8) -> bool {
    matches!(next_header, 0 | 43 | 44 | AUTHENTICATION_HEADER | 60 | 135 | 139 | 140)
}

#[inline]
fn be16(bytes: &[u8], at: usize) -> Result<u16, Skip> {
    if bytes.len() < at + 2 {
        return Err(Skip::CutHeaders);
    }
    Ok(be(bytes, at))
}
