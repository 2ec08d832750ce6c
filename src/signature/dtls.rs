//! DTLS: client hello with the server name, hello verify request, server hello and alerts. What is inside (EDT or
//! anything else) cannot be told (facts MIX-06).

use super::bytes::{Miss, Parsed, Reader, sure};
use super::voice::{Reading, Voice};
use super::{OPENING_LIMIT, Opening, Signature, Strength, Tls, UDP, tls};
use std::borrow::Cow;

pub(super) const SIGNATURE: Signature = Signature {
    name: "dtls",
    transports: UDP,
    source: "facts DTLS-01, MIX-01, MIX-06, MIX-07; RFC 6347 4.1, 4.2.2; RFC 6066 3",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| match hello(voice.bytes) {
        Ok(CLIENT_HELLO) => client_hello(voice),
        Ok(_) => server_flight(voice),
        Err(_) => voice.reading(alert(voice.bytes), Strength::Strong),
    })
}

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;
const DTLS_1_2: u16 = 0xFEFD;

/// A handshake record of epoch 0 that begins with a hello of some kind, and which.
fn hello(bytes: &[u8]) -> Parsed<u8> {
    let mut reader = Reader::new(bytes);
    record_head(&mut reader, 0x16)?;
    reader.be16()?; // The length of the record.
    reader.within(CLIENT_HELLO..=HELLO_VERIFY_REQUEST)
}

/// DTLS 1.3 keeps the version of 1.2 here.
fn record_head(reader: &mut Reader<'_>, content: u8) -> Parsed<()> {
    reader.want(&[content, 0xFE])?;
    let version = reader.byte()?;
    sure(matches!(version, 0xFF | 0xFD))?;
    reader.want(&[0, 0])?; // The epoch.
    reader.take(6).map(|_| ()) // The sequence number, not always 0 after a retry.
}

/// The name is read if the hello is in one piece.
fn client_hello(voice: &Voice<'_>) -> Reading {
    tls::told(voice, whole_message(voice.bytes).and_then(|body| tls::client_hello_body(body, true)).ok())
}

/// What the server says, datagram after datagram: it may ask for a cookie, then it chooses a version and sends its certificate, each
/// message in as many fragments as it likes (RFC 6347, 4.2.3). Where one is missing, no more is read.
fn server_flight(voice: &Voice<'_>) -> Reading {
    let mut content = Tls::default();
    let mut reader = Reader::new(voice.bytes);
    let unfinished = loop {
        match next_message(&mut reader) {
            Ok(message) if message.kind == HELLO_VERIFY_REQUEST => {}
            Ok(message) if message.kind == SERVER_HELLO && message.is_whole && content.chosen.is_none() => {
                content.chosen = tls::chosen(&message.body).ok();
                // From 1.3 on nothing else can be read.
                if content.chosen.is_none_or(|version| version < DTLS_1_2) {
                    break false;
                }
            }
            Ok(message) if message.kind == tls::CERTIFICATE => {
                let goes_on = reader.rest().is_empty();
                let unfinished;
                (content.certificate, unfinished) = tls::certificate_of(&message, goes_on);
                break unfinished;
            }
            Ok(message) => break !message.is_whole && reader.rest().is_empty(),
            Err(miss) => break miss == Miss::Short,
        }
    };
    let Voice { opening, bytes, .. } = voice;
    tls::flight(voice, content, unfinished && !opening.cut && !opening.ended && bytes.len() < OPENING_LIMIT)
}

/// The next message, joined from its fragments as far as they are there and in order.
fn next_message<'a>(reader: &mut Reader<'a>) -> Parsed<tls::Message<'a>> {
    let Fragment { kind, whole, offset, bytes } = fragment(reader)?;
    sure(offset == 0)?;
    let mut body = Cow::Borrowed(bytes);
    while body.len() < whole {
        let mut ahead = reader.clone();
        let next = match fragment(&mut ahead) {
            Ok(next) => next,
            Err(Miss::Short) => break,
            Err(Miss::Wrong) => return Err(Miss::Wrong),
        };
        sure((next.kind, next.whole) == (kind, whole) && next.offset == body.len() && !next.bytes.is_empty())?;
        body.to_mut().extend_from_slice(next.bytes);
        *reader = ahead;
    }
    let is_whole = body.len() == whole;
    Ok(tls::Message { kind, body, is_whole })
}

/// A part of a message, in a record of its own.
struct Fragment<'a> {
    kind: u8,
    /// Length of the whole message.
    whole: usize,
    offset: usize,
    bytes: &'a [u8],
}

/// The next record, if it holds one fragment of the handshake.
fn fragment<'a>(reader: &mut Reader<'a>) -> Parsed<Fragment<'a>> {
    let size = |length: u32| usize::try_from(length).unwrap_or(usize::MAX);
    record_head(reader, 0x16)?;
    let length = usize::from(reader.be16()?);
    let mut record = Reader::new(reader.take(length)?);
    let (kind, whole) = (record.byte()?, size(record.be24()?));
    record.be16()?; // The number of the message.
    let (offset, length) = (size(record.be24()?), size(record.be24()?));
    Ok(Fragment { kind, whole, offset, bytes: record.take(length).map_err(|_| Miss::Wrong)? })
}

/// What follows the handshake header, unless the message is fragmented (RFC 6347, 4.2.2).
fn whole_message(bytes: &[u8]) -> Parsed<Reader<'_>> {
    let mut reader = Reader::new(bytes);
    reader.take(13)?; // The record header.
    reader.byte()?; // Client hello.
    let length = reader.be24()?;
    reader.be16()?; // The number of the message.
    sure(reader.be24()? == 0)?; // The fragment begins at the start,
    sure(reader.be24()? == length)?; // and is all.
    Ok(reader)
}

/// An alert in clear text.
fn alert(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    record_head(&mut reader, 0x15)?;
    reader.want(&[0x00, 0x02])?;
    reader.within(1..=2)?; // Warning or fatal.
    reader.byte().map(|_| ())
}

/// A record that a client sends only after an answer (RFC 6347, 4.2.4): a hello with the cookie of the server, another message of
/// the handshake, or what is protected with keys that both agreed on.
pub(super) fn follows_answer(bytes: &[u8]) -> bool {
    const CHANGE_CIPHER_SPEC: u8 = 0x14;
    const HANDSHAKE: u8 = 0x16;
    const APPLICATION_DATA: u8 = 0x17;
    let [content @ CHANGE_CIPHER_SPEC..=APPLICATION_DATA, 0xFE, 0xFF | 0xFD, epoch @ ..] = bytes else { return false };
    match epoch {
        [0, 0, ..] => match *content {
            HANDSHAKE => bytes.get(RECORD_HEAD).is_some_and(|&kind| kind != CLIENT_HELLO) || cookie(bytes) == Ok(true),
            CHANGE_CIPHER_SPEC | APPLICATION_DATA => true,
            _ => false, // A client that gives up sends an alert.
        },
        [_, _, ..] => true,
        _ => false,
    }
}

/// A record of DTLS 1.3 in its short form (RFC 9147, 4), not of early data, which needs no answer.
pub(super) fn is_protected(bytes: &[u8]) -> bool {
    const EARLY_DATA: u8 = 1;
    bytes.len() > SHORTEST_PROTECTED && bytes[0] & 0xE0 == 0x20 && bytes[0] & 3 != EARLY_DATA
}

/// Bytes of a record before its content.
const RECORD_HEAD: usize = 13;
/// One byte of head, one of number, and the sample that its number is hidden with (RFC 9147, 4.2.3).
const SHORTEST_PROTECTED: usize = 18;

/// Whether a client hello returns a cookie.
fn cookie(bytes: &[u8]) -> Parsed<bool> {
    let mut body = Reader::new(bytes);
    body.take(RECORD_HEAD)?;
    body.take(6)?; // Type, length and number of the message.
    sure(body.be24()? == 0)?; // The fragment begins at the start.
    body.take(3)?;
    body.take(2 + 32)?; // Version and random.
    let session = body.byte()?;
    body.take(usize::from(session))?;
    body.byte().map(|length| length > 0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Dtls;
    use super::super::Strength::Strong;
    use super::super::said::{Said, udp};
    use super::*;

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            udp(443)
                .client(client_hello_for("gw.example.com"))
                .server(record(0xFF, &[3, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3])),
            udp(443).client(client_hello_for("gw.example.com")).server(ALERT),
        ]
    }

    const ALERT: [u8; 15] = [0x15, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 1, 0x00, 0x02, 0x02, 0x46];

    fn record(version: u8, fragment: &[u8]) -> Vec<u8> {
        let length = u16::try_from(fragment.len()).expect("a short record").to_be_bytes();
        [&[0x16, 0xFE, version, 0, 0, 0, 0, 0, 0, 0, 0][..], &length, fragment].concat()
    }

    fn handshake(kind: u8, offset: u8, part: &[u8], whole: usize) -> Vec<u8> {
        let whole = u8::try_from(whole).expect("a short message");
        let length = u8::try_from(part.len()).expect("a short part");
        [&[kind, 0, 0, whole, 0, 0, 0, 0, offset, 0, 0, length], part].concat()
    }

    fn client_hello_for(name: &str) -> Vec<u8> {
        let body = tls::tests::hello_body(Some(name), Some(b"cookie"));
        record(0xFD, &handshake(1, 0, &body, body.len()))
    }

    #[test]
    fn a_client_hello_is_told_with_its_server_name() {
        let said = udp(443).client(client_hello_for("acme.g.nssvc.net"));
        assert_eq!(said.told(), Some((Dtls, Strong)));
        assert_eq!(said.name().as_deref(), Some("acme.g.nssvc.net"));
        assert!(said.hints_at_citrix());
    }

    #[test]
    fn a_fragmented_hello_is_told_without_a_name() {
        let body = tls::tests::hello_body(Some("gw.example.com"), Some(b""));
        let said = udp(443).client(record(0xFD, &handshake(1, 0, &body[..60], body.len())));
        assert_eq!((said.told(), said.name()), (Some((Dtls, Strong)), None));
        let cut = udp(443).client(&client_hello_for("gw.example.com")[..40]).cut();
        assert_eq!((cut.told(), cut.name()), (Some((Dtls, Strong)), None));
    }

    #[test]
    fn answers_of_the_server_are_strong() {
        for kind in [2, 3] {
            assert_eq!(udp(443).server(record(0xFF, &[kind, 0, 0, 1])).told(), Some((Dtls, Strong)));
        }
        assert_eq!(udp(443).server(ALERT).told(), Some((Dtls, Strong)));
    }

    #[test]
    fn another_epoch_version_or_message_is_not_an_opening() {
        let good = client_hello_for("gw.example.com");
        for (at, wrong) in [(1, 0x03), (2, 0xFE), (4, 1), (13, 11)] {
            let mut bad = good.clone();
            bad[at] = wrong;
            assert!(udp(443).client(bad).tells_nothing(), "byte {at} is {wrong:#x}");
        }
    }

    #[test]
    fn every_fixed_byte_matters() {
        udp(443).client(ALERT).hangs_on([0, 1, 2, 3, 4, 11, 12, 13]);
        udp(443).client(client_hello_for("gw.example.com")).hangs_on([0, 1, 2, 3, 4, 13]);
    }

    #[test]
    fn what_needs_an_answer_follows_one() {
        let hello = |cookie: &[u8]| {
            let body = tls::tests::hello_body(Some("gw.example.com"), Some(cookie));
            record(0xFD, &handshake(1, 0, &body, body.len()))
        };
        assert!(!follows_answer(&hello(b"")) && follows_answer(&hello(b"cookie")));
        assert!(!follows_answer(&hello(b"cookie")[..60]), "cut before the cookie");
        let body = tls::tests::hello_body(None, Some(b"cookie"));
        assert!(!follows_answer(&record(0xFD, &handshake(1, 9, &body[9..], body.len()))), "a later fragment");
        assert!(follows_answer(&record(0xFF, &handshake(16, 0, &[0; 40], 40))), "client key exchange");
        let plain = |content: u8, epoch: u8| [&[content, 0xFE, 0xFD, 0, epoch][..], &[0; 20]].concat();
        assert!(follows_answer(&plain(0x14, 0)) && follows_answer(&plain(0x17, 0)) && follows_answer(&plain(0x17, 1)));
        assert!(!follows_answer(&plain(0x15, 0)) && follows_answer(&plain(0x15, 1)), "an alert in clear text");
        assert!(
            !follows_answer(&[0x17, 3, 3, 0, 1]) && !follows_answer(&[0x17, 0xFE, 0xFD, 0]) && !follows_answer(&[])
        );
        let short = |head: u8| [&[head][..], &[7; 30]].concat();
        assert!(is_protected(&short(0x2E)) && is_protected(&short(0x2F)) && !is_protected(&short(0x2D)));
        assert!(!is_protected(&short(0x16)) && !is_protected(&[0x2E; 9]));
    }
}
