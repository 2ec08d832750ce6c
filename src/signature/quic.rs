//! QUIC: long headers of versions 1 and 2, and a version negotiation that answers what the client said.

use super::bytes::{Parsed, Reader, sure};
use super::voice::{Reading, Speaker};
use super::{Opening, Signature, Strength, UDP};

pub(super) const SIGNATURE: Signature = Signature {
    name: "quic",
    transports: UDP,
    source: "facts QUIC-01, MIX-03, MIX-07; RFC 8999 5.1, 6; RFC 9000 17.2; RFC 9369 3.1",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    if is_negotiation(opening.client, opening.server).is_ok() {
        return Reading::heard(Strength::Strong, Speaker::Server);
    }
    opening.each_side(|voice| voice.reading(known_version(voice.bytes), Strength::Strong))
}

/// What every version of QUIC puts at the start of a long header.
struct LongHeader<'a> {
    first: u8,
    version: u32,
    destination: &'a [u8],
    source: &'a [u8],
    rest: &'a [u8],
}

const VERSION_1: u32 = 0x0000_0001;
const VERSION_2: u32 = 0x6B33_43CF;

/// The version of a version negotiation.
const NEGOTIATION: u32 = 0;

/// Versions 1 and 2 allow no longer connection id.
const LONGEST_ID: usize = 20;

/// The shortest first connection id of a client, in bytes (RFC 9000, 7.2), so to echo it by chance is hardly
/// possible.
const SHORTEST_FIRST_ID: usize = 8;

fn long_header(bytes: &[u8]) -> Parsed<LongHeader<'_>> {
    let mut reader = Reader::new(bytes);
    let first = reader.within(0x80..=0xFF)?;
    let version = reader.be32()?;
    let length = usize::from(reader.byte()?);
    let destination = reader.take(length)?;
    let length = usize::from(reader.byte()?);
    let source = reader.take(length)?;
    Ok(LongHeader { first, version, destination, source, rest: reader.rest() })
}

fn known_version(bytes: &[u8]) -> Parsed<()> {
    let header = long_header(bytes)?;
    sure(header.first & 0x40 != 0)?; // The fixed bit.
    sure(matches!(header.version, VERSION_1 | VERSION_2))?;
    sure(header.destination.len() <= LONGEST_ID && header.source.len() <= LONGEST_ID)
}

/// What a client sends only after an answer: a packet of the handshake, or one with a short header, which are protected with keys
/// that both agreed on (RFC 9000, 17.2.4 and 17.3.1; RFC 9369, 3.2). Initial packets and early data need none.
pub(super) fn follows_answer(bytes: &[u8]) -> bool {
    if let [0x40..=0x7F, ..] = bytes {
        return bytes.len() >= SHORTEST_PROTECTED;
    }
    known_version(bytes).is_ok()
        && long_header(bytes).is_ok_and(|LongHeader { first, version, .. }| {
            let handshake = if version == VERSION_2 { 0x30 } else { 0x20 };
            first & 0x30 == handshake
        })
}

/// The shortest packet with a short header, in bytes (RFC 9000, 10.3).
const SHORTEST_PROTECTED: usize = 21;

/// A version negotiation is known by nothing but the connection ids that it sends back (RFC 8999, 6). Its first bytes
/// alone would also fit a UDT handshake.
fn is_negotiation(client: &[u8], server: &[u8]) -> Parsed<()> {
    let asked = long_header(client)?;
    let answer = long_header(server)?;
    sure(asked.version != NEGOTIATION && answer.version == NEGOTIATION)?;
    sure(asked.destination.len() >= SHORTEST_FIRST_ID)?;
    sure(answer.destination == asked.source && answer.source == asked.destination)?;
    sure(!answer.rest.is_empty() && answer.rest.len() % 4 == 0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Quic;
    use super::super::Strength::Strong;
    use super::super::said::{Said, udp};
    use super::*;

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            udp(443).client(header(0xC3, VERSION_1, &[7; 8], &[])).client([0; 1185]).server(header(
                0xC1,
                VERSION_1,
                &[],
                &[9; 4],
            )),
            udp(443).client(header(0xD3, VERSION_2, &[7; 8], &[1; 5])).client([0; 1180]),
            udp(443).client(header(0xC3, 0xFACE_B00C, &[7; 8], &[1; 3])).server(negotiation(&[1; 3], &[7; 8])),
        ]
    }

    fn header(first: u8, version: u32, destination: &[u8], source: &[u8]) -> Vec<u8> {
        let length = |id: &[u8]| u8::try_from(id.len()).expect("a short id");
        let mut header = vec![first];
        header.extend(version.to_be_bytes());
        header.push(length(destination));
        header.extend(destination);
        header.push(length(source));
        header.extend(source);
        header
    }

    fn negotiation(destination: &[u8], source: &[u8]) -> Vec<u8> {
        let mut packet = header(0x80, NEGOTIATION, destination, source);
        packet.extend(VERSION_1.to_be_bytes());
        packet
    }

    #[test]
    fn both_versions_are_strong() {
        assert_eq!(udp(443).client(header(0xC0, VERSION_1, &[7; 8], &[])).told(), Some((Quic, Strong)));
        assert_eq!(udp(443).client(header(0xDF, VERSION_2, &[7; 20], &[8; 20])).told(), Some((Quic, Strong)));
        assert_eq!(udp(443).server(header(0xE0, VERSION_1, &[], &[8; 20])).told(), Some((Quic, Strong)));
    }

    #[test]
    fn version_ids_and_the_fixed_bit_must_be_right() {
        assert!(udp(443).client(header(0x83, VERSION_1, &[7; 8], &[])).tells_nothing());
        assert!(udp(443).client(header(0xC3, 3, &[7; 8], &[])).tells_nothing());
        assert!(udp(443).client(header(0xC3, VERSION_1, &[7; 21], &[])).tells_nothing());
        assert!(udp(443).client(header(0x43, VERSION_1, &[7; 8], &[])).tells_nothing(), "a short header");
        assert!(udp(443).client([0xC3, 0, 0, 0, 1]).tells_nothing());
    }

    #[test]
    fn a_version_negotiation_is_told_only_as_the_answer_to_its_question() {
        let question = header(0xC3, 0xFACE_B00C, &[7; 8], &[1; 3]);
        assert_eq!(udp(443).client(&question).server(negotiation(&[1; 3], &[7; 8])).told(), Some((Quic, Strong)));
        assert!(udp(443).client(&question).server(negotiation(&[2; 3], &[7; 8])).tells_nothing());
        assert!(udp(443).client(&question).server(negotiation(&[1; 3], &[8; 8])).tells_nothing());
        assert!(udp(443).server(negotiation(&[1; 3], &[7; 8])).tells_nothing());
    }

    #[test]
    fn a_version_negotiation_lists_versions_and_has_version_zero() {
        let question = header(0xC3, 0xFACE_B00C, &[7; 8], &[1; 3]);
        let said = udp(443).client(&question);
        assert!(said.clone().server(header(0x80, 0, &[1; 3], &[7; 8])).tells_nothing(), "no versions");
        assert!(said.clone().server(negotiation(&[1; 3], &[7; 8])).server([0]).tells_nothing(), "a part of one");
        assert!(said.server(header(0x80, 9, &[1; 3], &[7; 8])).server([0; 4]).tells_nothing(), "not version 0");
        let short = header(0xC3, 0xFACE_B00C, &[7; 7], &[1; 3]);
        assert!(udp(443).client(short).server(negotiation(&[1; 3], &[7; 7])).tells_nothing(), "RFC 9000, 7.2");
        let zero = header(0xC3, 0, &[7; 8], &[1; 3]);
        assert!(
            udp(443).client(zero).server(negotiation(&[1; 3], &[7; 8])).tells_nothing(),
            "nobody asks with version 0"
        );
    }

    #[test]
    fn what_needs_an_answer_follows_one() {
        let long = |first, version| follows_answer(&header(first, version, &[7; 8], &[1; 3]));
        assert!(!long(0xC3, VERSION_1) && !long(0xD3, VERSION_1) && long(0xE3, VERSION_1) && !long(0xF3, VERSION_1));
        assert!(!long(0xC3, VERSION_2) && !long(0xD3, VERSION_2) && !long(0xE3, VERSION_2) && long(0xF3, VERSION_2));
        assert!(!long(0xE3, 9), "an unknown version");
        assert!(follows_answer(&[0x43; 30]) && !follows_answer(&[0x43; 20]), "a short header");
        assert!(!follows_answer(&[0x03; 30]) && !follows_answer(&[]), "without the fixed bit");
    }
}
