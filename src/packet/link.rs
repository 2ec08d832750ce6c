//! Link types: what the first byte of a captured packet is. Numbers are those of pcap and pcapng files
//! (<https://www.tcpdump.org/linktypes.html>).

use std::borrow::Cow;

/// A link type by its number in a capture file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD and Npcap loopback: four bytes of address family in the byte order of the capturing host.
    pub const NULL: LinkType = LinkType(0);
    /// Ethernet.
    pub const ETHERNET: LinkType = LinkType(1);
    /// Raw IP, two old BSD numbers and the one in use.
    pub const RAW_OLD: LinkType = LinkType(12);
    /// Raw IP as OpenBSD numbered it.
    pub const RAW_OPENBSD: LinkType = LinkType(14);
    /// Raw IP: the version is in the first four bits.
    pub const RAW: LinkType = LinkType(101);
    /// OpenBSD loopback: four bytes of address family, big endian.
    pub const LOOP: LinkType = LinkType(108);
    /// Linux cooked capture, version 1.
    pub const LINUX_SLL: LinkType = LinkType(113);
    /// Raw IPv4.
    pub const IPV4: LinkType = LinkType(228);
    /// Raw IPv6.
    pub const IPV6: LinkType = LinkType(229);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: LinkType = LinkType(276);

    /// Whether packets of this link type are decoded.
    pub fn is_read(self) -> bool {
        matches!(
            self,
            LinkType::NULL
                | LinkType::ETHERNET
                | LinkType::RAW_OLD
                | LinkType::RAW_OPENBSD
                | LinkType::RAW
                | LinkType::LOOP
                | LinkType::LINUX_SLL
                | LinkType::IPV4
                | LinkType::IPV6
                | LinkType::LINUX_SLL2
        )
    }

    /// The name that the report uses; `link-type-N` for a number that has none here.
    pub fn name(self) -> Cow<'static, str> {
        let name = match self {
            LinkType::NULL => "null",
            LinkType::ETHERNET => "ethernet",
            LinkType::RAW | LinkType::RAW_OLD | LinkType::RAW_OPENBSD => "raw",
            LinkType::LOOP => "loop",
            LinkType::LINUX_SLL => "linux-sll",
            LinkType::LINUX_SLL2 => "linux-sll2",
            LinkType::IPV4 => "ipv4",
            LinkType::IPV6 => "ipv6",
            LinkType(9) => "ppp",
            LinkType(105) => "ieee802.11",
            LinkType(127) => "ieee802.11-radiotap",
            LinkType(189 | 220 | 249) => "usb",
            LinkType(239) => "nflog",
            LinkType(253) => "netlink",
            LinkType(271) => "vsock",
            LinkType(u16::MAX) => "unknown-interface",
            LinkType(other) => return Cow::Owned(format!("link-type-{other}")),
        };
        Cow::Borrowed(name)
    }
}
