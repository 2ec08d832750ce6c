//! NTP: a first byte that says version and mode, and a fixed length. No magic word, so it is soft off port 123.

use super::bytes::{Parsed, Reader, sure};
use super::voice::{Reading, Voice};
use super::{Opening, Signature, Strength, UDP};

pub(super) const SIGNATURE: Signature =
    Signature { name: "ntp", transports: UDP, source: "facts NTP-01; RFC 5905 7.3", only_citrix: false, read };

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| {
        let strength = voice.strong_on(&[PORT]);
        let parsed = match strength {
            Strength::Soft => plain_packet(voice),
            Strength::Strong | Strength::Proof => packet(voice),
        };
        voice.reading(parsed, strength)
    })
}

const PORT: u16 = 123;

/// A packet without extensions and authentication.
const PLAIN_LENGTH: usize = 48;

const CLIENT: u8 = 3;
const SERVER: u8 = 4;

/// Any version up to 4 and any mode of time keeping, with or without more after it.
fn packet(voice: &Voice<'_>) -> Parsed<()> {
    let (version, mode) = version_and_mode(voice)?;
    sure((1..=4).contains(&version) && (1..=5).contains(&mode))?;
    sure(voice.opening.cut || voice.bytes.len() >= PLAIN_LENGTH)
}

/// Client or server, version 3 or 4, and nothing after it.
fn plain_packet(voice: &Voice<'_>) -> Parsed<()> {
    let (version, mode) = version_and_mode(voice)?;
    sure(matches!(version, 3 | 4) && matches!(mode, CLIENT | SERVER))?;
    sure(voice.bytes.len() == PLAIN_LENGTH)
}

fn version_and_mode(voice: &Voice<'_>) -> Parsed<(u8, u8)> {
    let first = Reader::new(voice.bytes).byte()?;
    Ok(((first >> 3) & 0x07, first & 0x07))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Ntp;
    use super::super::Strength::{Soft, Strong};
    use super::super::said::{Said, udp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![udp(123).client(packet_of(0x23, 48)).server(packet_of(0x24, 48)), udp(123).client(packet_of(0xDB, 68))]
    }

    fn packet_of(first: u8, length: usize) -> Vec<u8> {
        let mut packet = vec![first];
        packet.resize(length, 0);
        packet
    }

    #[test]
    fn it_is_strong_on_123_and_soft_elsewhere() {
        for first in [0x23, 0x1B, 0x24, 0x1C, 0xE3] {
            assert_eq!(udp(123).client(packet_of(first, 48)).told(), Some((Ntp, Strong)), "{first:#x}");
            assert_eq!(udp(1230).client(packet_of(first, 48)).told(), Some((Ntp, Soft)), "{first:#x}");
        }
        assert_eq!(udp(123).client(packet_of(0x19, 48)).told(), Some((Ntp, Strong)), "symmetric");
    }

    #[test]
    fn length_version_and_mode_must_be_right() {
        assert!(udp(1230).client(packet_of(0x23, 68)).tells_nothing());
        for loose in [0x13, 0x2B, 0x21, 0x25] {
            assert!(udp(1230).client(packet_of(loose, 48)).tells_nothing(), "{loose:#x}");
        }
        assert!(udp(123).client(packet_of(0x23, 47)).tells_nothing());
        assert_eq!(udp(123).client(packet_of(0x23, 20)).cut().told(), Some((Ntp, Strong)));
        assert!(udp(123).client(packet_of(0x2B, 48)).tells_nothing());
        assert!(udp(123).client(packet_of(0x20, 48)).tells_nothing());
    }
}
