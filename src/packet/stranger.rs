//! What is not read: packets by what they are, and who asks for whom on a link (ARP, RFC 826; neighbour discovery, RFC 4861).
//! Only packets that were passed over come here.

use super::bytes::{be, four, sixteen};
use super::decode::link_header;
use super::{Address, RawPacket, Skip, TransportHeader, decode};

/// A kind of packet that is not read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is named after its protocol")]
pub enum Stranger {
    Arp,
    Pppoe,
    Mpls,
    Macsec,
    Gre,
    Ipip,
    Ipsec,
    L2tp,
    Lldp,
    Stp,
    Cdp,
    Eapol,
    Ptp,
    Lacp,
    Cfm,
    Trill,
    Fcoe,
    Roce,
    Loopback,
    IsIs,
    Ipx,
    NetBios,
    Igmp,
    Ospf,
    Eigrp,
    Vrrp,
    Pim,
    Sctp,
    /// Another EtherType.
    OtherEthertype,
    /// IEEE 802.2 of another kind.
    OtherLlc,
    /// Another protocol on IP.
    OtherIp,
}

impl Stranger {
    /// Every kind, in order.
    pub const ALL: [Stranger; 31] = [
        Stranger::Arp,
        Stranger::Pppoe,
        Stranger::Mpls,
        Stranger::Macsec,
        Stranger::Gre,
        Stranger::Ipip,
        Stranger::Ipsec,
        Stranger::L2tp,
        Stranger::Lldp,
        Stranger::Stp,
        Stranger::Cdp,
        Stranger::Eapol,
        Stranger::Ptp,
        Stranger::Lacp,
        Stranger::Cfm,
        Stranger::Trill,
        Stranger::Fcoe,
        Stranger::Roce,
        Stranger::Loopback,
        Stranger::IsIs,
        Stranger::Ipx,
        Stranger::NetBios,
        Stranger::Igmp,
        Stranger::Ospf,
        Stranger::Eigrp,
        Stranger::Vrrp,
        Stranger::Pim,
        Stranger::Sctp,
        Stranger::OtherEthertype,
        Stranger::OtherLlc,
        Stranger::OtherIp,
    ];

    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Stranger::Arp => "arp",
            Stranger::Pppoe => "pppoe",
            Stranger::Mpls => "mpls",
            Stranger::Macsec => "macsec",
            Stranger::Gre => "gre",
            Stranger::Ipip => "ipip",
            Stranger::Ipsec => "ipsec",
            Stranger::L2tp => "l2tp",
            Stranger::Lldp => "lldp",
            Stranger::Stp => "stp",
            Stranger::Cdp => "cdp",
            Stranger::Eapol => "eapol",
            Stranger::Ptp => "ptp",
            Stranger::Lacp => "lacp",
            Stranger::Cfm => "cfm",
            Stranger::Trill => "trill",
            Stranger::Fcoe => "fcoe",
            Stranger::Roce => "roce",
            Stranger::Loopback => "loopback",
            Stranger::IsIs => "is-is",
            Stranger::Ipx => "ipx",
            Stranger::NetBios => "netbios",
            Stranger::Igmp => "igmp",
            Stranger::Ospf => "ospf",
            Stranger::Eigrp => "eigrp",
            Stranger::Vrrp => "vrrp",
            Stranger::Pim => "pim",
            Stranger::Sctp => "sctp",
            Stranger::OtherEthertype => "other-ethertype",
            Stranger::OtherLlc => "other-llc",
            Stranger::OtherIp => "other-ip",
        }
    }

    /// It carries packets of others, which are not read.
    pub fn is_tunnel(self) -> bool {
        matches!(
            self,
            Stranger::Pppoe
                | Stranger::Mpls
                | Stranger::Macsec
                | Stranger::Gre
                | Stranger::Ipip
                | Stranger::Ipsec
                | Stranger::L2tp
        )
    }

    /// What a packet is that was passed over for this reason.
    pub fn of(raw: &RawPacket<'_>, skip: Skip) -> Option<Stranger> {
        let (ethertype, offset, _) = link_header(raw).ok()?;
        let bytes = raw.bytes.get(offset..)?;
        match skip {
            Skip::NotIp if ethertype <= LONGEST_LLC => Some(Stranger::of_llc(bytes)),
            Skip::NotIp => Some(Stranger::of_ethertype(ethertype)),
            Skip::OtherProtocol => Some(Stranger::of_ip(bytes)),
            Skip::UnknownLink | Skip::CutHeaders | Skip::Malformed | Skip::FragmentWithoutStart | Skip::IcmpOther => {
                None
            }
        }
    }

    /// By the EtherType (IEEE registration authority).
    fn of_ethertype(ethertype: u16) -> Stranger {
        match ethertype {
            ETHERTYPE_ARP => Stranger::Arp,
            0x8863 | 0x8864 => Stranger::Pppoe,
            0x8847 | 0x8848 => Stranger::Mpls,
            0x88e5 => Stranger::Macsec,
            0x88cc => Stranger::Lldp,
            0x888e => Stranger::Eapol,
            0x88f7 => Stranger::Ptp,
            0x8809 => Stranger::Lacp,
            0x8902 => Stranger::Cfm,
            0x22f3 => Stranger::Trill,
            0x8906 | 0x8914 => Stranger::Fcoe,
            0x8915 => Stranger::Roce,
            0x9000 => Stranger::Loopback,
            0x8137 => Stranger::Ipx,
            _ => Stranger::OtherEthertype,
        }
    }

    /// By the service access points of IEEE 802.2, and below SNAP by vendor and protocol.
    fn of_llc(bytes: &[u8]) -> Stranger {
        match bytes {
            [0x42, 0x42, ..] => Stranger::Stp,
            [0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x20, 0x00, ..] => Stranger::Cdp,
            [0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x01, 0x0b, ..] => Stranger::Stp,
            [0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00, high, low, ..] => {
                Stranger::of_ethertype(u16::from_be_bytes([*high, *low]))
            }
            [0xfe, 0xfe, ..] => Stranger::IsIs,
            [0xe0, 0xe0, ..] | [0xff, 0xff, ..] => Stranger::Ipx,
            [0xf0, 0xf0 | 0xf1, ..] => Stranger::NetBios,
            _ => Stranger::OtherLlc,
        }
    }

    /// By the protocol number; of IPv6 that of the first header.
    fn of_ip(ip: &[u8]) -> Stranger {
        let place = if ip.first().is_some_and(|first| first >> 4 == 6) { 6 } else { 9 };
        match ip.get(place) {
            Some(47) => Stranger::Gre,
            Some(4 | 41) => Stranger::Ipip,
            Some(50 | 51) => Stranger::Ipsec,
            Some(115) => Stranger::L2tp,
            Some(2) => Stranger::Igmp,
            Some(89) => Stranger::Ospf,
            Some(88) => Stranger::Eigrp,
            Some(112) => Stranger::Vrrp,
            Some(103) => Stranger::Pim,
            Some(132) => Stranger::Sctp,
            _ => Stranger::OtherIp,
        }
    }
}

/// One host asks a link for another, or is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbour {
    /// Who is asked for.
    pub asked: Address,
    /// Who asks.
    pub asker: Address,
    /// It is the answer.
    pub answers: bool,
}

impl Neighbour {
    /// Reads ARP and neighbour discovery in a packet that was passed over. Nothing where a host asks for itself, or tells of
    /// itself unasked.
    pub fn of(raw: &RawPacket<'_>, skip: Skip) -> Option<Neighbour> {
        let neighbour = match skip {
            Skip::NotIp => arp(raw)?,
            Skip::IcmpOther => neighbour_discovery(raw)?,
            Skip::UnknownLink
            | Skip::OtherProtocol
            | Skip::CutHeaders
            | Skip::Malformed
            | Skip::FragmentWithoutStart => return None,
        };
        let nobody = |address: Address| address.0[12..] == [0; 4] && (address.is_v4() || address.0 == [0; 16]);
        let plain = neighbour.asked != neighbour.asker && !nobody(neighbour.asked) && !nobody(neighbour.asker);
        plain.then_some(neighbour)
    }
}

/// ARP for IPv4 over any hardware with addresses of six bytes.
fn arp(raw: &RawPacket<'_>) -> Option<Neighbour> {
    let (ethertype, offset, _) = link_header(raw).ok()?;
    let arp = raw.bytes.get(offset..offset + 28).filter(|_| ethertype == ETHERTYPE_ARP)?;
    if arp[2..6] != [0x08, 0x00, 6, 4] {
        return None;
    }
    let [sender, target] = [Address::v4(four(arp, 14)), Address::v4(four(arp, 24))];
    match be(arp, 6) {
        1 => Some(Neighbour { asked: target, asker: sender, answers: false }),
        2 => Some(Neighbour { asked: sender, asker: target, answers: true }),
        _ => None,
    }
}

/// Neighbour solicitations and advertisements.
fn neighbour_discovery(raw: &RawPacket<'_>) -> Option<Neighbour> {
    let packet = decode(raw).ok()?;
    let TransportHeader::Icmp(icmp) = packet.transport else { return None };
    let target = packet.payload(raw.bytes).first_chunk::<16>().filter(|_| icmp.v6)?;
    let target = Address(sixteen(target, 0));
    match icmp.kind {
        135 => Some(Neighbour { asked: target, asker: packet.source, answers: false }),
        136 => Some(Neighbour { asked: target, asker: packet.destination, answers: true }),
        _ => None,
    }
}

/// Up to here an EtherType is a length, and IEEE 802.2 follows.
const LONGEST_LLC: u16 = 1_500;
const ETHERTYPE_ARP: u16 = 0x0806;
