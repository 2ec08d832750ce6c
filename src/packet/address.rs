//! Addresses: IPv4 and IPv6 in one form of sixteen bytes, so that a flow key has one shape.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IP address. IPv4 is held as an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Address(pub [u8; 16]);

const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

impl Address {
    /// From the four bytes of an IPv4 header.
    #[inline]
    pub fn v4(bytes: [u8; 4]) -> Address {
        let mut all = [0; 16];
        all[10] = 0xff;
        all[11] = 0xff;
        all[12..].copy_from_slice(&bytes);
        Address(all)
    }

    /// True for an IPv4 address.
    pub fn is_v4(self) -> bool {
        self.0[..12] == MAPPED
    }

    /// The standard library's form.
    pub fn ip(self) -> IpAddr {
        if self.is_v4() {
            IpAddr::V4(Ipv4Addr::new(self.0[12], self.0[13], self.0[14], self.0[15]))
        } else {
            IpAddr::V6(Ipv6Addr::from(self.0))
        }
    }

    /// The bytes as they stand in an IP header: four or sixteen.
    pub fn wire_bytes(&self) -> &[u8] {
        if self.is_v4() { &self.0[12..] } else { &self.0 }
    }

    /// The network the address lies in, /24 for IPv4 and /64 for IPv6: near enough for "the same network" when no
    /// routing table is known.
    pub fn network(self) -> Address {
        let mut all = self.0;
        let host = if self.is_v4() { 15 } else { 8 };
        all[host..].fill(0);
        Address(all)
    }

    /// Two IPv6 addresses share their first 48 bits: no more than one site has a prefix of that length (RFC 3177, 3; RFC 6177, 2).
    pub fn is_of_site(self, other: Address) -> bool {
        !self.is_v4() && !other.is_v4() && self.0[..6] == other.0[..6]
    }

    /// True for a multicast address and for 255.255.255.255: nobody answers from there. Whether another address is the
    /// broadcast address of its network, only the link can tell (`Packet::to_many`).
    pub fn is_to_many(self) -> bool {
        match self.ip() {
            IpAddr::V4(ip) => ip.is_broadcast() || ip.is_multicast(),
            IpAddr::V6(ip) => ip.is_multicast(),
        }
    }

    /// True for an address of the internet: not private (RFC 1918), not shared (RFC 6598), not loopback, link-local,
    /// unique-local, multicast, benchmark or unspecified. Documentation addresses count as public: nothing else uses
    /// them.
    pub fn is_public(self) -> bool {
        match self.ip() {
            IpAddr::V4(ip) => {
                let [a, b, ..] = ip.octets();
                let shared = a == 100 && (64..128).contains(&b);
                let benchmark = a == 198 && (b == 18 || b == 19);
                !(ip.is_private()
                    || ip.is_loopback()
                    || ip.is_link_local()
                    || ip.is_multicast()
                    || ip.is_broadcast()
                    || shared
                    || benchmark
                    || a == 0
                    || a >= 240)
            }
            IpAddr::V6(ip) => ip.segments()[0] & 0xe000 == 0x2000,
        }
    }
}

impl Ord for Address {
    /// As numbers, which gives the order of the bytes and is much cheaper than to compare them one by one.
    #[inline]
    fn cmp(&self, other: &Address) -> Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for Address {
    #[inline]
    fn partial_cmp(&self, other: &Address) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Address {
        match ip {
            IpAddr::V4(ip) => Address::v4(ip.octets()),
            IpAddr::V6(ip) => Address(ip.octets()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse::<IpAddr>().expect("a literal of this test").into()
    }

    #[test]
    fn both_families_read_back() {
        for text in ["10.0.0.1", "255.255.255.255", "fd00::1", "2001:db8::5"] {
            assert_eq!(address(text).to_string(), text);
        }
        assert_eq!(address("10.1.2.3").wire_bytes(), [10, 1, 2, 3]);
        assert_eq!(address("fd00::1").wire_bytes().len(), 16);
    }

    #[test]
    fn public_is_what_is_left_when_the_special_ranges_are_taken_away() {
        for text in ["8.8.8.8", "203.0.113.9", "172.32.0.1", "2001:db8::1", "2a00::1"] {
            assert!(address(text).is_public(), "{text}");
        }
        for text in [
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "224.0.0.1",
            "fd00::1",
            "fe80::1",
            "::1",
            "ff02::1",
        ] {
            assert!(!address(text).is_public(), "{text}");
        }
    }

    #[test]
    fn only_groups_are_surely_many() {
        for text in ["224.0.0.251", "239.255.255.250", "255.255.255.255", "ff02::1:2"] {
            assert!(address(text).is_to_many(), "{text}");
        }
        // In a network of 23 bits a host may end in 255.
        for text in ["10.1.0.255", "10.1.1.63", "fd00::ff"] {
            assert!(!address(text).is_to_many(), "{text}");
        }
    }

    #[test]
    fn networks_are_24_and_64_bits() {
        assert_eq!(address("10.1.2.3").network(), address("10.1.2.0"));
        assert_eq!(address("fd00:1:2:3:4::5").network(), address("fd00:1:2:3::"));
    }
}
