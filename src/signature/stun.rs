//! STUN, and TURN requests, which look alike: known by the magic cookie. Channel data of TURN is not told, because its
//! first bytes fit other traffic.

use super::bytes::{Parsed, Reader, sure};
use super::voice::{Reading, Voice};
use super::{BOTH, Opening, Signature, Strength, Transport};

pub(super) const SIGNATURE: Signature = Signature {
    name: "stun",
    transports: BOTH,
    source: "facts STUN-01, STUN-02, HDX-02, MIX-02; RFC 8489 5",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| voice.reading(message(voice), Strength::Strong))
}

const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

const HEADER_LENGTH: usize = 20;

fn message(voice: &Voice<'_>) -> Parsed<()> {
    let mut reader = Reader::new(voice.bytes);
    reader.within(0..=1)?; // Requests, indications and answers of the methods in use.
    reader.byte()?;
    let length = usize::from(reader.be16()?);
    sure(length.is_multiple_of(4))?;
    reader.want(&COOKIE)?;
    sure(voice.opening.transport == Transport::Tcp || voice.is_long(HEADER_LENGTH + length))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Stun;
    use super::super::Strength::Strong;
    use super::super::said::{Said, tcp, udp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            udp(3478).client(message(0x0001, 0)).server(message(0x0101, 12)),
            tcp(3478).client(message(0x0003, 8)).server(message(0x0113, 20)),
        ]
    }

    fn message(kind: u16, length: u8) -> Vec<u8> {
        let mut message = kind.to_be_bytes().to_vec();
        message.extend([0, length, 0x21, 0x12, 0xA4, 0x42]);
        message.extend([0x77; 12]);
        message.resize(20 + usize::from(length), 0);
        message
    }

    #[test]
    fn the_cookie_is_strong_on_any_port() {
        assert_eq!(udp(443).client(message(0x0001, 0)).told(), Some((Stun, Strong)));
        assert_eq!(udp(19_302).server(message(0x0101, 12)).told(), Some((Stun, Strong)));
        assert_eq!(udp(443).client(&message(0x0001, 12)[..24]).cut().told(), Some((Stun, Strong)));
    }

    #[test]
    fn cookie_and_length_must_be_right() {
        let mut other = message(0x0001, 0);
        other[5] = 0;
        assert!(udp(3478).client(other).tells_nothing(), "RFC 3489 had no cookie");
        assert!(udp(3478).client(message(0x0001, 6)).tells_nothing());
        assert!(udp(3478).client(message(0x0001, 8)).client([0]).tells_nothing());
    }

    #[test]
    fn channel_data_is_not_told() {
        assert!(udp(3478).client([0x40, 0x01, 0x00, 0x04, 1, 2, 3, 4]).tells_nothing());
    }
}
