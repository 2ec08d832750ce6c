//! RADIUS on its own ports: a known code, the length of the datagram, and attributes that fill it. Off those ports the
//! same bytes were other protocols, so it is not told there.

use super::bytes::{Parsed, Reader, sure};
use super::voice::{Reading, Voice};
use super::{Opening, Signature, Strength, UDP};

pub(super) const SIGNATURE: Signature = Signature {
    name: "radius",
    transports: UDP,
    source: "facts RADIUS-01, NS-05; RFC 2865 3, 5; RFC 2866 3",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    if !PORTS.contains(&opening.server_port) {
        return Reading::Foreign;
    }
    opening.each_side(|voice| voice.reading(packet(voice), Strength::Strong))
}

/// Authentication and accounting, new and old.
const PORTS: [u16; 4] = [1812, 1813, 1645, 1646];

/// Code, number, length and authenticator.
const HEADER_LENGTH: usize = 20;

fn packet(voice: &Voice<'_>) -> Parsed<()> {
    let mut reader = Reader::new(voice.bytes);
    let code = reader.byte()?;
    sure(matches!(code, 1..=5 | 11))?;
    reader.byte()?;
    let length = usize::from(reader.be16()?);
    sure(length >= HEADER_LENGTH && voice.is_long(length))?;
    reader.take(16)?;
    attributes(voice, reader)
}

/// Type, length of the whole attribute, value; the last ends with the datagram, unless that was cut.
fn attributes(voice: &Voice<'_>, mut reader: Reader<'_>) -> Parsed<()> {
    while !reader.rest().is_empty() {
        match attribute(&mut reader) {
            Err(_) if voice.opening.cut => return Ok(()),
            parsed => parsed?,
        }
    }
    Ok(())
}

fn attribute(reader: &mut Reader<'_>) -> Parsed<()> {
    reader.byte()?;
    let length = reader.within(2..=255)?;
    reader.take(usize::from(length) - 2).map(|_| ())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Radius;
    use super::super::Strength::Strong;
    use super::super::said::{Said, udp};
    use super::*;

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![udp(1812).client(packet_of(1)).server(packet_of(2)), udp(1813).client(packet_of(4)).server(packet_of(5))]
    }

    /// A packet with a user name and a port number.
    fn packet_of(code: u8) -> Vec<u8> {
        let attributes = b"\x01\x07alice\x05\x06\x00\x00\x00\x07";
        let length = u8::try_from(HEADER_LENGTH + attributes.len()).expect("a short packet");
        [&[code, 42, 0, length][..], &[0x5A; 16], attributes].concat()
    }

    #[test]
    fn it_is_strong_on_its_ports_and_not_told_elsewhere() {
        for port in PORTS {
            assert_eq!(udp(port).client(packet_of(1)).told(), Some((Radius, Strong)));
        }
        assert_eq!(udp(1812).server(packet_of(11)).told(), Some((Radius, Strong)));
        assert!(udp(427).client(packet_of(1)).tells_nothing(), "service location and PTP look like that");
    }

    #[test]
    fn code_length_and_attributes_must_be_right() {
        assert!(udp(1812).client(packet_of(6)).tells_nothing());
        assert!(udp(1812).client(packet_of(1)).client([0]).tells_nothing());
        assert!(udp(1812).client(packet_of(1)).client([26, 6, 0, 0, 0, 9]).tells_nothing(), "longer than it says");
        let bare = [&[1, 42, 0, 20][..], &[0x5A; 16]].concat();
        assert_eq!(udp(1812).client(&bare).told(), Some((Radius, Strong)));
        assert!(udp(1812).client(&bare[..19]).tells_nothing());
        let mut other = packet_of(1);
        other[21] = 8;
        assert!(udp(1812).client(other).tells_nothing());
        assert_eq!(udp(1812).client(&packet_of(1)[..23]).cut().told(), Some((Radius, Strong)));
    }
}
