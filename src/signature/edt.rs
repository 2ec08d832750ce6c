//! EDT on UDP 1494 and 2598, as far as it is known: the handshake of UDT version 4. That EDT still uses it is likely,
//! not shown (facts EDT-02), and other programs use UDT too (facts EDT-10), so off those ports it is soft.

use super::bytes::{Parsed, Reader, sure};
use super::voice::{Reading, Voice};
use super::{Opening, Signature, Strength, UDP};

pub(super) const SIGNATURE: Signature = Signature {
    name: "edt",
    transports: UDP,
    source: "facts EDT-03, EDT-04, EDT-06, EDT-07, EDT-08, EDT-10, MIX-03; draft-gg-udt-03",
    only_citrix: false, // Other programs use UDT as well (facts EDT-10), so it counts on its ports only.
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| {
        let strength = voice.strong_on(&PORTS);
        let parsed = match strength {
            Strength::Soft => handshake(voice.bytes).and_then(|()| is_complete(voice)),
            Strength::Strong | Strength::Proof => handshake(voice.bytes),
        };
        voice.reading(parsed, strength)
    })
}

/// EDT with ICA, and with CGP, inside (facts MIX-05).
const PORTS: [u16; 2] = [1494, 2598];

/// A handshake in all its fields.
const HANDSHAKE_LENGTH: usize = 64;

/// What other tools ask of a UDT handshake (facts EDT-08). The first word alone would also fit QUIC version negotiation
/// (facts MIX-03).
fn handshake(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    reader.want(&[0x80, 0, 0, 0])?; // A control packet of type 0.
    reader.take(12)?; // Additional information, time, destination socket.
    reader.want(&[0, 0, 0, 4])?; // The version.
    reader.want(&[0, 0, 0])?; // The socket type: 1 stream, 2 datagram.
    reader.within(1..=2).map(|_| ())
}

/// The client went on after an answer: it returned a response or the server's cookie (facts EDT-07), or it sent data or control
/// packets, which need a connection (facts EDT-03, EDT-04). `first` is what it began with.
pub(super) fn follows_answer(first: &[u8], next: &[u8]) -> bool {
    handshake(first).is_ok() && (returns_answer(first, next) || is_data(next) || is_connected(next))
}

/// A control packet that needs a connection, on a port of EDT.
pub(super) fn is_midstream(server_port: u16, bytes: &[u8]) -> bool {
    PORTS.contains(&server_port) && is_connected(bytes)
}

fn returns_answer(first: &[u8], next: &[u8]) -> bool {
    let (Ok((_, before)), Ok((request, cookie))) = (request(first), request(next)) else { return false };
    matches!(request, -2 | -1) || before == 0 && cookie != 0
}

/// The type of the request and the cookie of a handshake.
fn request(bytes: &[u8]) -> Parsed<(i32, u32)> {
    handshake(bytes)?;
    let mut reader = Reader::new(bytes);
    reader.take(36)?;
    let request = reader.be32()?.cast_signed();
    reader.take(4)?; // The socket.
    Ok((request, reader.be32()?))
}

/// A data packet: the first bit is not set. So it is in the hello of DTLS, which opens another session.
fn is_data(bytes: &[u8]) -> bool {
    bytes.len() > HEADER_LENGTH && bytes[0] & 0x80 == 0 && !matches!(bytes, [0x16, 0xFE, ..])
}

/// Keepalive, ACK, NAK, or ACK of an ACK. A shutdown also comes from a client that gave up.
fn is_connected(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER_LENGTH && matches!(bytes, [0x80, 1 | 2 | 3 | 6, 0, 0, ..])
}

const HEADER_LENGTH: usize = 16;

/// Bytes of a handshake up to the end of the cookie.
pub(super) const REQUEST_LENGTH: usize = 48;

/// The length of the datagram and the type of the request (facts EDT-06).
fn is_complete(voice: &Voice<'_>) -> Parsed<()> {
    sure(voice.is_long(HANDSHAKE_LENGTH))?;
    let mut reader = Reader::new(voice.bytes);
    reader.take(36)?;
    let request = reader.be32()?.cast_signed();
    sure(matches!(request, 1 | 0 | -1 | -2 | 1002))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Edt;
    use super::super::Strength::{Soft, Strong};
    use super::super::said::{Said, udp};
    use super::{REQUEST_LENGTH, follows_answer, is_midstream};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            udp(2598).client(handshake_of(4, 2, 1)).server(handshake_of(4, 2, 1)),
            udp(9000).client(handshake_of(4, 1, 1)).server(handshake_of(4, 1, -1)),
        ]
    }

    /// A handshake with this version, socket type and request type (facts EDT-06).
    fn handshake_of(version: u32, socket: u32, request: i32) -> Vec<u8> {
        let request = u32::from_be_bytes(request.to_be_bytes());
        let words =
            [0x8000_0000, 0, 7, 0, version, socket, 0x1234_5678, 1500, 8192, request, 99, 0, 0x0A00_0001, 0, 0, 0];
        words.iter().flat_map(|word: &u32| word.to_be_bytes()).collect()
    }

    #[test]
    fn a_handshake_is_strong_on_the_ports_of_edt_and_soft_elsewhere() {
        for port in [1494, 2598] {
            assert_eq!(udp(port).client(handshake_of(4, 1, 1)).told(), Some((Edt, Strong)));
        }
        assert_eq!(udp(443).client(handshake_of(4, 1, 1)).told(), Some((Edt, Soft)));
        assert_eq!(udp(443).server(handshake_of(4, 2, -1)).told(), Some((Edt, Soft)));
    }

    #[test]
    fn a_handshake_of_another_length_counts_on_those_ports_only() {
        let long = [handshake_of(4, 2, 1), vec![0; 8]].concat();
        assert_eq!(udp(2598).client(&long).told(), Some((Edt, Strong)), "facts EDT-08 wants 24 bytes");
        assert!(udp(443).client(&long).tells_nothing());
        assert_eq!(udp(443).client(&handshake_of(4, 2, 1)[..48]).cut().told(), Some((Edt, Soft)));
    }

    #[test]
    fn version_socket_and_request_must_be_known() {
        assert!(udp(2598).client(handshake_of(5, 1, 1)).tells_nothing());
        assert!(udp(2598).client(handshake_of(4, 3, 1)).tells_nothing());
        assert!(udp(443).client(handshake_of(4, 1, 77)).tells_nothing());
    }

    #[test]
    fn quic_version_negotiation_is_not_edt() {
        // RFC 9000, 17.2.1: version 0, an eight byte connection id, none, and two versions.
        let negotiation =
            [&[0x80, 0, 0, 0, 0, 8][..], &[0; 8], &[0], &[0, 0, 0, 1], &[0x6B, 0x33, 0x43, 0xCF]].concat();
        for port in [443, 1494, 2598] {
            assert!(udp(port).server(&negotiation).tells_nothing());
        }
    }

    #[test]
    fn other_udt_packets_are_not_told() {
        let keepalive = [&[0x80, 0x01, 0, 0][..], &[0; 12]].concat();
        assert!(udp(2598).client(keepalive).tells_nothing());
        assert!(udp(2598).client(&handshake_of(4, 1, 1)[..23]).tells_nothing());
    }

    #[test]
    fn every_fixed_byte_matters() {
        udp(2598).client(handshake_of(4, 2, 1)).hangs_on((0..4).chain(16..24));
        udp(9000).client(handshake_of(4, 2, 1)).hangs_on((0..4).chain(16..24).chain(36..40));
    }

    #[test]
    fn what_needs_an_answer_follows_one() {
        let hello = |request: i32, cookie: u32| {
            let mut bytes = [0; 64];
            (bytes[0], bytes[19], bytes[23]) = (0x80, 4, 2);
            bytes[36..40].copy_from_slice(&request.to_be_bytes());
            bytes[44..48].copy_from_slice(&cookie.to_be_bytes());
            bytes
        };
        let packet = |head: [u8; 4]| [&head[..], &[0; 60]].concat();
        let first = hello(1, 0);
        let follows = |next: &[u8]| follows_answer(&first[..REQUEST_LENGTH], next);
        assert!(!follows(&first) && !follows(&hello(0, 0)) && !follows(&hello(1002, 0)), "it tries again");
        assert!(follows(&hello(-1, 0)) && follows(&hello(-2, 0)) && follows(&hello(1, 7)));
        assert!(!follows_answer(&hello(1, 7), &hello(1, 7)), "it began with a cookie");
        assert!(follows(&packet([0, 0, 0, 1])) && follows(&packet([0x7F, 0xFF, 0xFF, 0xFF])), "data");
        assert!(!follows(&packet([0x16, 0xFE, 0xFD, 0])) && !follows(&[0; 16]) && !follows(&[]));
        for (kind, connected) in [(1, true), (2, true), (3, true), (4, false), (5, false), (6, true)] {
            assert_eq!(follows(&packet([0x80, kind, 0, 0])), connected, "control packet {kind}");
        }
        assert!(!follows_answer(&[0; 64], &packet([0, 0, 0, 1])), "it began with something else");
        assert!(is_midstream(2598, &packet([0x80, 2, 0, 0])) && !is_midstream(5004, &packet([0x80, 2, 0, 0])));
    }
}
