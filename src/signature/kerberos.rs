//! Kerberos on port 88: the messages that open and answer, each with its version, and what an error says. On another port it is
//! not told.

use super::bytes::{Miss, Parsed, Reader, sure};
use super::voice::Reading;
use super::{BOTH, Content, Kerberos, Opening, Signature, Strength, Ticket, Transport};

pub(super) const SIGNATURE: Signature = Signature {
    name: "kerberos",
    transports: BOTH,
    source: "facts KRB-01; RFC 4120 5.2.2, 5.4, 5.9.1, 7.2",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    if opening.server_port != PORT {
        return Reading::Foreign;
    }
    opening.each_side(|voice| {
        let parsed = match opening.transport {
            Transport::Tcp => counted_message(voice.bytes),
            Transport::Udp | Transport::Icmp => message(Reader::new(voice.bytes)),
        };
        voice.saying(parsed, Strength::Strong)
    })
}

const PORT: u16 = 88;

/// Over TCP a length stands before the message; its highest bit is reserved (RFC 4120, 7.2.2).
fn counted_message(bytes: &[u8]) -> Parsed<Option<Content>> {
    let mut reader = Reader::new(bytes);
    sure((1..1 << 24).contains(&reader.be32()?))?;
    message(reader)
}

/// Requests and answers of both services, and errors: an application tag, a sequence, and in it the version 5.
fn message(mut reader: Reader<'_>) -> Parsed<Option<Content>> {
    let kind = reader.byte()?;
    let version_tag = match kind {
        0x6A | 0x6C => 0xA1,
        0x6B | 0x6D | 0x7E => 0xA0,
        _ => return Err(Miss::Wrong),
    };
    reader.ber_length()?;
    reader.want(&[0x30])?;
    reader.ber_length()?;
    reader.want(&[version_tag, 0x03, 0x02, 0x01, 0x05])?;
    let asks = |ticket| Some(Kerberos { asks_for: Some(ticket), ..Kerberos::default() });
    let said = match kind {
        0x6A => asks(Ticket::Initial),
        0x6C => asks(Ticket::Service),
        0x7E => Some(failure(reader)),
        _ => None,
    };
    Ok(said.map(Content::Kerberos))
}

/// The fields of an error after its version, as far as they are there.
fn failure(mut reader: Reader<'_>) -> Kerberos {
    let mut known = Kerberos::default();
    while let Ok((tag, field)) = field(&mut reader) {
        match tag {
            ERROR_CODE => known.error = number(field),
            SERVER if known.error.is_some_and(|error| !EVERY_DAY.contains(&error)) => known.server = principal(field),
            _ => {}
        }
    }
    known
}

/// Tags of the fields of an error (RFC 4120, 5.9.1).
const ERROR_CODE: u8 = 0xA6;
const SERVER: u8 = 0xAA;

/// Errors that are steps on the way: no error, say who you are, and ask over TCP.
const EVERY_DAY: [u16; 3] = [0, 25, 52];

/// A tag and what belongs to it.
fn field<'a>(reader: &mut Reader<'a>) -> Parsed<(u8, &'a [u8])> {
    let tag = reader.byte()?;
    let length = reader.ber_length()?;
    Ok((tag, reader.take(length)?))
}

/// A number that is not negative and has at most two bytes, as every error code does.
fn number(bytes: &[u8]) -> Option<u16> {
    match bytes {
        [0x02, 1, low @ 0..=0x7F] => Some(u16::from(*low)),
        [0x02, 2, high @ 0..=0x7F, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

/// The parts of a name with slashes between them, in lower case: `http/ddc1.corp.example` (RFC 4120, 5.2.2).
fn principal(bytes: &[u8]) -> Option<Box<str>> {
    let (_, kind_and_parts) = field(&mut Reader::new(bytes)).ok()?;
    let mut reader = Reader::new(kind_and_parts);
    field(&mut reader).ok()?;
    let (_, sequence) = field(&mut reader).ok()?;
    let (_, parts) = field(&mut Reader::new(sequence)).ok()?;
    let (mut reader, mut name) = (Reader::new(parts), String::new());
    while let Ok((GENERAL_STRING, part)) = field(&mut reader) {
        if name.len() + part.len() >= LONGEST_NAME || !part.iter().all(is_name_character) {
            return None;
        }
        if !name.is_empty() {
            name.push('/');
        }
        name.extend(part.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
    }
    (!name.is_empty()).then(|| name.into_boxed_str())
}

const GENERAL_STRING: u8 = 0x1B;

/// Maximum length of a name that is kept, in bytes.
const LONGEST_NAME: usize = 255;

fn is_name_character(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'$' | b'/' | b':')
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Kerberos;
    use super::super::Strength::Strong;
    use super::super::said::{Said, tcp, udp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            udp(88).client(message(0x6A, 0xA1)).server(message(0x7E, 0xA0)),
            tcp(88).client(counted(&message(0x6C, 0xA1))).server(counted(&message(0x6D, 0xA0))),
        ]
    }

    fn message(tag: u8, version_tag: u8) -> Vec<u8> {
        let mut message = vec![tag, 0x81, 0x83, 0x30, 0x81, 0x80, version_tag, 0x03, 0x02, 0x01, 0x05];
        message.resize(6 + 0x80, 0x11);
        message
    }

    fn counted(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).expect("a short message");
        [&length.to_be_bytes(), message].concat()
    }

    #[test]
    fn every_kind_of_message_is_strong_on_its_port() {
        for (tag, version_tag) in [(0x6A, 0xA1), (0x6B, 0xA0), (0x6C, 0xA1), (0x6D, 0xA0), (0x7E, 0xA0)] {
            assert_eq!(udp(88).client(message(tag, version_tag)).told(), Some((Kerberos, Strong)), "{tag:#x}");
            assert_eq!(
                tcp(88).client(counted(&message(tag, version_tag))).told(),
                Some((Kerberos, Strong)),
                "{tag:#x}"
            );
        }
    }

    #[test]
    fn on_another_port_it_is_not_told() {
        assert!(udp(464).client(message(0x6A, 0xA1)).tells_nothing());
        assert!(tcp(1494).client(counted(&message(0x6A, 0xA1))).ended().tells_nothing());
    }

    #[test]
    fn tag_and_version_must_be_right() {
        assert!(udp(88).client(message(0x6E, 0xA1)).tells_nothing());
        let mut other = message(0x6A, 0xA1);
        other[10] = 4;
        assert!(udp(88).client(other).tells_nothing());
        assert!(tcp(88).client(&counted(&message(0x6A, 0xA1))[..9]).wants_more());
    }

    #[test]
    fn every_fixed_byte_matters() {
        udp(88).client(message(0x6A, 0xA1)).hangs_on([0, 3, 6, 7, 8, 9, 10]);
    }
}
