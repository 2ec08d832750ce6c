//! DHCP and PXE: the magic cookie after the fixed fields of BOOTP.

use super::bytes::{Parsed, Reader};
use super::voice::Reading;
use super::{Opening, Signature, Strength, UDP};

pub(super) const SIGNATURE: Signature = Signature {
    name: "dhcp",
    transports: UDP,
    source: "facts DHCP-01, PVS-01; RFC 2131 2, 3",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| voice.reading(message(voice.bytes), Strength::Strong))
}

/// Where the options begin.
const COOKIE_AT: usize = 236;

fn message(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    reader.within(1..=2)?; // Request or reply.
    reader.take(COOKIE_AT - 1)?;
    reader.want(&[0x63, 0x82, 0x53, 0x63])
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::said::{udp, Said};
    use super::super::Protocol::Dhcp;
    use super::super::Strength::Strong;
    use super::*;

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![udp(67).client(message(1)).server(message(2)), udp(4011).client(message(1))]
    }

    fn message(operation: u8) -> Vec<u8> {
        let mut message = vec![operation, 1, 6, 0];
        message.resize(COOKIE_AT, 0);
        message.extend([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255]);
        message
    }

    #[test]
    fn the_cookie_is_strong_on_any_port() {
        assert_eq!(udp(67).client(message(1)).told(), Some((Dhcp, Strong)));
        assert_eq!(udp(4011).server(message(2)).told(), Some((Dhcp, Strong)));
    }

    #[test]
    fn operation_cookie_and_length_must_be_right() {
        assert!(udp(67).client(message(3)).tells_nothing());
        assert!(udp(67).client(&message(1)[..239]).tells_nothing());
        let mut other = message(1);
        other[COOKIE_AT] = 0;
        assert!(udp(67).client(other).tells_nothing());
    }
}
