//! The general decoder, on `etherparse`: slower, and it knows every IPv6 extension header. The short decoder hands it
//! what it does not know itself, and the tests hold the two against each other.

use super::envelope::{Body, Envelope, Outside, fragment};
use super::{Address, Fragment, Packet, RawPacket, Skip};
use etherparse::{LaxIpSlice, LaxIpv6Slice};

/// Reads an IP packet from its first byte on; `on_wire` is its length in bytes after the link header.
pub(super) fn decode_ip(ip: &[u8], on_wire: u32, outside: Outside) -> Result<Packet, Skip> {
    let (slice, stopped) = LaxIpSlice::from_slice(ip).map_err(|problem| header_problem(&problem))?;
    let number = slice.payload_ip_number().0;
    let body = slice.payload().payload;
    let (envelope, headers) = match &slice {
        LaxIpSlice::Ipv4(v4) => {
            let header = v4.header();
            let ip_bytes = match u32::from(header.total_len()) {
                0 => on_wire,
                total => total,
            };
            let identification = u32::from(header.identification());
            let fragment = fragment(header.fragments_offset().value(), header.more_fragments());
            let headers = header.slice().len() + v4.extensions().auth.map_or(0, |auth| auth.slice().len());
            let [source, destination] = [header.source(), header.destination()].map(Address::v4);
            (Envelope { source, destination, ip_bytes, identification, ttl: header.ttl(), fragment, outside }, headers)
        }
        LaxIpSlice::Ipv6(v6) => {
            let header = v6.header();
            let ip_bytes = match u32::from(header.payload_length()) {
                0 => on_wire.max(40),
                payload => payload + 40,
            };
            // The iterator used for this trusts that the chain of headers is whole: on a broken one it reads outside of
            // the packet.
            let (identification, fragment) = if stopped.is_none() { ipv6_fragment(v6) } else { (0, Fragment::Whole) };
            let [source, destination] = [Address(header.source()), Address(header.destination())];
            let headers = 40 + v6.extensions().slice().len();
            (
                Envelope { source, destination, ip_bytes, identification, ttl: header.hop_limit(), fragment, outside },
                headers,
            )
        }
    };
    if stopped.is_some() {
        // An extension header that is cut or contradicts itself: what stands above it cannot be found.
        return Err(if (ip.len() as u32) < envelope.ip_bytes { Skip::CutHeaders } else { Skip::Malformed });
    }
    let Some(body_bytes) = envelope.ip_bytes.checked_sub(headers as u32) else { return Err(Skip::Malformed) };
    let captured = &body[..body.len().min(body_bytes as usize)];
    envelope.transport(number, Body { captured, headers: headers as u32 })
}

/// Reads a packet with this decoder alone: the slow way, and the oracle of the short one.
pub fn decode(raw: &RawPacket<'_>) -> Result<Packet, Skip> {
    let (offset, outside) = oracle::link_header(raw)?;
    let ip = raw.bytes.get(offset..).filter(|ip| !ip.is_empty()).ok_or(Skip::CutHeaders)?;
    decode_ip(ip, raw.original.saturating_sub(offset as u32), outside)
}

fn header_problem(problem: &etherparse::err::ip::LaxHeaderSliceError) -> Skip {
    use etherparse::err::ip::LaxHeaderSliceError;
    match problem {
        LaxHeaderSliceError::Len(_) => Skip::CutHeaders,
        LaxHeaderSliceError::Content(_) => Skip::Malformed,
    }
}

fn ipv6_fragment(v6: &LaxIpv6Slice<'_>) -> (u32, Fragment) {
    for extension in v6.extensions().clone() {
        if let etherparse::Ipv6ExtensionSlice::Fragment(header) = extension {
            return (header.identification(), fragment(header.fragment_offset().value(), header.more_fragments()));
        }
    }
    (0, Fragment::Whole)
}

/// Link headers by way of `etherparse`, independent of the short decoder.
mod oracle {
    use super::{Outside, RawPacket, Skip};
    use crate::packet::envelope::{Delivery, cooked, ethertype_of_family, ethertype_of_version, is_vlan};
    use crate::packet::{LinkType, Vlans};
    use etherparse::{Ethernet2HeaderSlice, LinuxSllHeaderSlice, SingleVlanHeaderSlice};

    pub fn link_header(raw: &RawPacket<'_>) -> Result<(usize, Outside), Skip> {
        let bytes = raw.bytes;
        let (ethertype, offset, delivery) = match raw.link {
            LinkType::ETHERNET => {
                let header = Ethernet2HeaderSlice::from_slice(bytes).map_err(|_| Skip::CutHeaders)?;
                let group = header.destination()[0] % 2 == 1;
                (header.ether_type().0, 14, if group { Delivery::ToMany } else { Delivery::ToOne })
            }
            LinkType::LINUX_SLL => match LinuxSllHeaderSlice::from_slice(bytes) {
                Ok(header) => {
                    let delivery = cooked(header.packet_type().into());
                    (u16::from_be_bytes([header.slice()[14], header.slice()[15]]), 16, delivery)
                }
                Err(etherparse::err::linux_sll::HeaderSliceError::Len(_)) => return Err(Skip::CutHeaders),
                // Packet types and hardware types that etherparse does not know do not matter here.
                Err(_) => {
                    let delivery = cooked(u16::from_be_bytes([bytes[0], bytes[1]]));
                    (u16::from_be_bytes([bytes[14], bytes[15]]), 16, delivery)
                }
            },
            LinkType::LINUX_SLL2 if bytes.len() < 20 => return Err(Skip::CutHeaders),
            LinkType::LINUX_SLL2 => (u16::from_be_bytes([bytes[0], bytes[1]]), 20, cooked(bytes[10].into())),
            LinkType::RAW | LinkType::RAW_OLD | LinkType::RAW_OPENBSD | LinkType::IPV4 | LinkType::IPV6 => {
                (ethertype_of_version(bytes.first().ok_or(Skip::CutHeaders)? >> 4), 0, Delivery::Untold)
            }
            LinkType::NULL | LinkType::LOOP => {
                let family = bytes.first_chunk::<4>().ok_or(Skip::CutHeaders)?;
                (ethertype_of_family(*family), 4, Delivery::Untold)
            }
            _ => return Err(Skip::UnknownLink),
        };
        let (offset, vlans) = vlan_tags(bytes, ethertype, offset)?;
        Ok((offset, Outside { vlans, delivery, length: offset as u32 }))
    }

    fn vlan_tags(bytes: &[u8], mut ethertype: u16, mut offset: usize) -> Result<(usize, Vlans), Skip> {
        let mut ids = Vec::new();
        while is_vlan(ethertype) {
            let tag = SingleVlanHeaderSlice::from_slice(&bytes[offset..]).map_err(|_| Skip::CutHeaders)?;
            ids.push(tag.vlan_identifier().value());
            ethertype = tag.ether_type().0;
            offset += 4;
        }
        ids.retain(|&id| id != 0);
        ids.resize(2, 0);
        let version = bytes.get(offset).ok_or(Skip::CutHeaders);
        match ethertype {
            0x0800 if version? >> 4 == 4 => {}
            0x86dd if version? >> 4 == 6 => {}
            0x0800 | 0x86dd => return Err(Skip::Malformed),
            _ => return Err(if offset < bytes.len() { Skip::NotIp } else { Skip::CutHeaders }),
        }
        Ok((offset, Vlans([ids[0], ids[1]])))
    }
}
