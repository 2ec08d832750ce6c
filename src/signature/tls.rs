//! TLS: client hello with the server name, server hello, alerts, and records of a connection whose start was missed.

use super::bytes::{Miss, Parsed, Reader, sure};
use super::name;
use super::voice::{Clue, Reading, Voice};
use super::{Certificate, Content, Opening, Signature, Strength, TCP, Tls, certificate};
use crate::transport::Transport;
use std::borrow::Cow;

pub(super) const SIGNATURE: Signature = Signature {
    name: "tls",
    transports: TCP,
    source: "facts TLS-01, RDV-05; RFC 8446 4.1.2, 5.1, 6; RFC 6066 3",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| match hello(voice.bytes) {
        Ok(CLIENT_HELLO) => client_hello(voice),
        Ok(_) => server_hello(voice),
        Err(miss) => alert_or_data(voice, miss),
    })
}

/// What a hello of a client says.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Hello {
    /// The name in the server name extension.
    pub(super) name: Option<Box<str>>,
    /// The highest version that is offered, where that is certain.
    pub(super) offered: Option<u16>,
}

/// Reads a hello of a client, given what follows the handshake header (RFC 8446, 4.1.2). Short if the message breaks off before the name
/// or before the end of the extensions.
pub(super) fn client_hello_body(mut body: Reader<'_>, is_datagram: bool) -> Parsed<Hello> {
    let version = body.be16()?; // Of TLS 1.3 that of 1.2.
    body.take(32)?; // Random.
    let session = body.byte()?;
    body.take(usize::from(session))?;
    if is_datagram {
        let cookie = body.byte()?;
        body.take(usize::from(cookie))?;
    }
    let suites = body.be16()?;
    body.take(usize::from(suites))?;
    let compressions = body.byte()?;
    body.take(usize::from(compressions))?;
    if body.rest().is_empty() && !is_datagram && version < TLS_1_2 {
        return Ok(Hello { name: None, offered: Some(version) }); // Very old: no extensions.
    }
    let mut hello = Hello::default();
    match extensions(&mut body, &mut hello) {
        Ok(()) => hello.offered = hello.offered.or(Some(version)),
        // The rest may bring a higher version.
        Err(Miss::Short) if hello.name.is_some() => {}
        Err(miss) => return Err(miss),
    }
    Ok(hello)
}

fn extensions(body: &mut Reader<'_>, hello: &mut Hello) -> Parsed<()> {
    let mut left = usize::from(body.be16()?);
    while left >= 4 {
        let kind = body.be16()?;
        let length = usize::from(body.be16()?);
        let content = body.take(length)?;
        match kind {
            SERVER_NAME => hello.name = host_name(content)?,
            SUPPORTED_VERSIONS => hello.offered = highest(content),
            _ => {}
        }
        left = left.saturating_sub(4 + length);
    }
    Ok(())
}

/// The highest of the versions that a client offers. Those of drafts, and those that say nothing (RFC 8701), are passed over.
fn highest(extension: &[u8]) -> Option<u16> {
    let versions = extension.get(1..)?.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    // Those of DTLS count down.
    let known = versions.filter(|version| matches!(version, 0x0300..=0x0304 | 0xFEFC | 0xFEFD | 0xFEFF));
    known.max_by_key(|&version| if version >= 0xFE00 { !version } else { version })
}

/// The version that a server chose, given what follows the handshake header of its hello (RFC 8446, 4.1.3).
pub(super) fn chosen(body: &[u8]) -> Parsed<u16> {
    let mut body = Reader::new(body);
    let version = body.be16()?;
    body.take(32)?;
    let session = body.byte()?;
    body.take(usize::from(session))?;
    body.take(2 + 1)?; // Suite and compression.
    if body.rest().is_empty() {
        return Ok(version);
    }
    let mut left = usize::from(body.be16()?);
    while left >= 4 {
        let kind = body.be16()?;
        let length = usize::from(body.be16()?);
        let content = body.take(length)?;
        if kind == SUPPORTED_VERSIONS {
            return Reader::new(content).be16();
        }
        left = left.saturating_sub(4 + length);
    }
    Ok(version)
}

/// The first certificate in a message that carries some (RFC 5246, 7.4.2), as far as it is there, and whether it is whole.
pub(super) fn first_certificate(body: &[u8]) -> Parsed<(&[u8], bool)> {
    let mut body = Reader::new(body);
    body.be24()?; // The length of the list.
    let length = usize::try_from(body.be24()?).unwrap_or(usize::MAX);
    let rest = body.rest();
    Ok((&rest[..rest.len().min(length)], rest.len() >= length))
}

/// A hello of a client with what it says; none where that cannot be read.
pub(super) fn told(voice: &Voice<'_>, hello: Option<Hello>) -> Reading {
    let Hello { name, offered } = hello.unwrap_or_default();
    let citrix_hint = name.as_deref().is_some_and(name::is_citrix_host);
    let content = offered.map(|_| Content::Tls(Tls { offered, ..Tls::default() }));
    Reading::Heard(Clue { server_name: name, citrix_hint, content, ..Clue::new(Strength::Strong, voice.speaker) })
}

/// A hello of a server with what follows it. More of it is worth waiting for while `unfinished`.
pub(super) fn flight(voice: &Voice<'_>, content: Tls, unfinished: bool) -> Reading {
    let content = (content != Tls::default()).then_some(Content::Tls(content));
    Reading::Heard(Clue { content, unfinished, ..Clue::new(Strength::Strong, voice.speaker) })
}

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
pub(super) const CERTIFICATE: u8 = 11;

pub(super) const TLS_1_2: u16 = 0x0303;

/// The number of the extension that names versions (RFC 8446, 4.2.1).
const SUPPORTED_VERSIONS: u16 = 43;

/// The number of the server name extension (RFC 6066, 3).
const SERVER_NAME: u16 = 0;

/// The longest plain text in one record (RFC 8446, 5.1).
const LONGEST_PLAIN: u16 = 1 << 14;

/// The longest protected record: TLS 1.2 lets one grow by 2,048 bytes (RFC 5246, 6.2.3).
const LONGEST_PROTECTED: u16 = LONGEST_PLAIN + 2048;

/// A handshake record that begins with a hello, and which.
fn hello(bytes: &[u8]) -> Parsed<u8> {
    let mut reader = Reader::new(bytes);
    reader.want(&[0x16, 0x03])?;
    reader.within(0..=4)?;
    sure((1..=LONGEST_PLAIN).contains(&reader.be16()?))?;
    reader.within(CLIENT_HELLO..=SERVER_HELLO)
}

/// Waits for the name while it can still come; without it the hello is told all the same.
fn client_hello(voice: &Voice<'_>) -> Reading {
    let (stream, _) = joined(voice.bytes);
    let Some(Message { body, is_whole, .. }) = Messages(&stream).next() else {
        return if voice.opening.awaits(voice.bytes) { Reading::Begun } else { told(voice, None) };
    };
    match client_hello_body(Reader::new(&body), false) {
        Ok(hello) => told(voice, Some(hello)),
        Err(Miss::Short) if !is_whole && voice.opening.awaits(voice.bytes) => Reading::Begun,
        Err(Miss::Short | Miss::Wrong) => told(voice, None),
    }
}

/// Waits for the version, and up to TLS 1.2 for the certificate.
fn server_hello(voice: &Voice<'_>) -> Reading {
    let (stream, goes_on) = joined(voice.bytes);
    let mut messages = Messages(&stream);
    let (mut content, mut unfinished) = (Tls::default(), goes_on);
    if let Some(hello) = messages.next().filter(|hello| hello.is_whole) {
        content.chosen = chosen(&hello.body).ok();
        // From TLS 1.3 on nothing else can be read.
        if content.chosen.is_none_or(|version| version > TLS_1_2) {
            unfinished = false;
        } else if let Some(next) = messages.next() {
            (content.certificate, unfinished) = certificate_of(&next, goes_on);
        }
    }
    flight(voice, content, unfinished && voice.opening.awaits(voice.bytes))
}

/// The certificate in a message, if it is one that carries some, and whether more of it may come.
pub(super) fn certificate_of(message: &Message<'_>, goes_on: bool) -> (Option<Box<Certificate>>, bool) {
    if message.kind != CERTIFICATE {
        return (None, false);
    }
    let (der, whole) = first_certificate(&message.body).unwrap_or_default();
    (certificate::read(der).map(Box::new), goes_on && !whole && !message.is_whole)
}

/// A message of the handshake, as far as it is there.
pub(super) struct Message<'a> {
    pub(super) kind: u8,
    pub(super) body: Cow<'a, [u8]>,
    pub(super) is_whole: bool,
}

/// The messages in joined records, one after the other.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let mut reader = Reader::new(self.0);
        let (kind, length) = (reader.byte().ok()?, reader.be24().ok()?);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let rest = reader.rest();
        let (body, rest) = rest.split_at(rest.len().min(length));
        self.0 = rest;
        Some(Message { kind, body: Cow::Borrowed(body), is_whole: body.len() == length })
    }
}

/// What the records of the handshake at the beginning of a stream carry, and whether more of them may follow. Most have one record.
fn joined(stream: &[u8]) -> (Cow<'_, [u8]>, bool) {
    let mut reader = Reader::new(stream);
    let mut joined = Cow::Borrowed(&[][..]);
    loop {
        match handshake_fragment(&mut reader) {
            Ok(fragment) if joined.is_empty() => joined = Cow::Borrowed(fragment),
            Ok(fragment) => joined.to_mut().extend_from_slice(fragment),
            Err(miss) => return (joined, miss == Miss::Short),
        }
    }
}

/// What is there of the next record, if it belongs to the handshake.
fn handshake_fragment<'a>(reader: &mut Reader<'a>) -> Parsed<&'a [u8]> {
    reader.want(&[0x16, 0x03])?;
    reader.byte()?;
    let length = usize::from(reader.be16()?);
    reader.take(length.min(reader.rest().len()))
}

fn host_name(extension: &[u8]) -> Parsed<Option<Box<str>>> {
    let mut reader = Reader::new(extension);
    reader.be16()?; // The length of a list that has one entry.
    reader.want(&[0])?; // The entry is a host name.
    let length = usize::from(reader.be16()?);
    Ok(name::server_name(reader.take(length)?))
}

fn alert_or_data(voice: &Voice<'_>, hello_miss: Miss) -> Reading {
    voice
        .missed(hello_miss, Strength::Strong)
        .or(voice.reading(alert(voice.bytes), Strength::Strong))
        .or(voice.reading(application_data(voice.bytes), Strength::Soft))
}

/// An alert that follows records of the handshake at the end of one payload.
pub(super) fn alert_behind(payload: &[u8]) -> Option<(u8, u8)> {
    let mut reader = Reader::new(payload);
    loop {
        if let Some(alert) = super::alert(Transport::Tcp, reader.rest()) {
            return Some(alert);
        }
        reader.want(&[0x16, 0x03]).ok()?;
        reader.byte().ok()?;
        let length = reader.be16().ok()?;
        reader.take(usize::from(length)).ok()?;
    }
}

/// An alert in clear text. An encrypted one is longer.
fn alert(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    reader.want(&[0x15, 0x03])?;
    reader.within(0..=4)?;
    reader.want(&[0x00, 0x02])?;
    reader.within(1..=2)?; // Warning or fatal.
    reader.byte().map(|_| ())
}

/// Application data: a connection that was under way when the capture began. Loose, so the record that follows must be
/// one too, as far as it is there.
fn application_data(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    let length = application_record(&mut reader)?;
    match reader.take(usize::from(length)).and_then(|_| application_record(&mut reader)) {
        Ok(_) | Err(Miss::Short) => Ok(()),
        Err(Miss::Wrong) => Err(Miss::Wrong),
    }
}

fn application_record(reader: &mut Reader<'_>) -> Parsed<u16> {
    reader.want(&[0x17, 0x03])?;
    reader.within(1..=3)?;
    let length = reader.be16()?;
    sure((1..=LONGEST_PROTECTED).contains(&length))?;
    Ok(length)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::OPENING_LIMIT;
    use super::super::Protocol::{Http, Tls};
    use super::super::Strength::{Soft, Strong};
    use super::super::said::{Said, tcp};
    use super::*;

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            tcp(443).client(client_hello_for(Some("store.example.com"))).server(record(&SERVER_HELLO_START)),
            tcp(443).client(client_hello_for(None)).server(ALERT),
            tcp(443).client(in_records_of(&handshake(CLIENT_HELLO, &hello_body(Some("a.nssvc.net"), None)), 50)),
        ]
    }

    /// Handshake failure (40), fatal.
    const ALERT: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28];

    const SERVER_HELLO_START: [u8; 8] = [2, 0, 0, 74, 3, 3, 0x11, 0x22];

    /// The body of a client hello: two suites, an empty extension, the name if there is one, and another extension.
    pub(in super::super) fn hello_body(name: Option<&str>, cookie: Option<&[u8]>) -> Vec<u8> {
        let mut extensions = vec![0x00, 0x17, 0x00, 0x00];
        if let Some(name) = name {
            let length = u8::try_from(name.len()).expect("a short name");
            extensions.extend([0x00, 0x00, 0x00, length + 5, 0x00, length + 3, 0x00, 0x00, length]);
            extensions.extend(name.bytes());
        }
        extensions.extend([0x00, 0x2B, 0x00, 0x03, 0x02, 0x03, 0x04]);
        let mut body = vec![0x03, 0x03];
        body.extend([0xAB; 32]);
        body.push(32);
        body.extend([0xCD; 32]);
        if let Some(cookie) = cookie {
            body.push(u8::try_from(cookie.len()).expect("a short cookie"));
            body.extend(cookie);
        }
        body.extend([0x00, 0x04, 0x13, 0x01, 0xC0, 0x2F, 0x01, 0x00]);
        body.extend(u16::try_from(extensions.len()).expect("few extensions").to_be_bytes());
        body.extend(extensions);
        body
    }

    fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).expect("a short message").to_be_bytes();
        [&[kind, 0][..], &length, body].concat()
    }

    fn record(fragment: &[u8]) -> Vec<u8> {
        let length = u16::try_from(fragment.len()).expect("a short record").to_be_bytes();
        [&[0x16, 0x03, 0x01][..], &length, fragment].concat()
    }

    fn in_records_of(message: &[u8], size: usize) -> Vec<u8> {
        message.chunks(size).flat_map(record).collect()
    }

    fn client_hello_for(name: Option<&str>) -> Vec<u8> {
        record(&handshake(CLIENT_HELLO, &hello_body(name, None)))
    }

    #[test]
    fn a_client_hello_is_told_with_its_server_name() {
        let hello = tcp(443).client(client_hello_for(Some("Store.Example.com")));
        assert_eq!(hello.told(), Some((Tls, Strong)));
        assert_eq!(hello.name().as_deref(), Some("store.example.com"));
        assert!(!hello.hints_at_citrix());
        let nameless = tcp(9999).client(client_hello_for(None));
        assert_eq!((nameless.told(), nameless.name()), (Some((Tls, Strong)), None));
    }

    #[test]
    fn a_citrix_server_name_is_a_hint() {
        for name in
            ["acme.cloud.com", "x.g.nssvc.net", "trust.citrixworkspacesapi.net", "a.xendesktop.net", "www.citrix.com"]
        {
            assert!(tcp(443).client(client_hello_for(Some(name))).hints_at_citrix(), "{name}");
        }
    }

    #[test]
    fn a_hello_in_several_records_is_joined() {
        let message = handshake(CLIENT_HELLO, &hello_body(Some("split.example"), None));
        for size in [1, 7, 60, 100] {
            let said = tcp(443).client(in_records_of(&message, size));
            assert_eq!(said.name().as_deref(), Some("split.example"), "records of {size} bytes");
        }
    }

    #[test]
    fn the_name_is_waited_for_until_no_more_can_come() {
        let hello = client_hello_for(Some("store.example.com"));
        let part = &hello[..100];
        assert!(tcp(443).client(part).wants_more());
        for last in [tcp(443).client(part).ended(), tcp(443).client(part).cut()] {
            assert_eq!((last.told(), last.name()), (Some((Tls, Strong)), None));
        }
    }

    #[test]
    fn a_name_before_the_end_of_the_hello_needs_no_waiting() {
        let hello = client_hello_for(Some("store.example.com"));
        assert_eq!(tcp(443).client(&hello[..hello.len() - 7]).name().as_deref(), Some("store.example.com"));
    }

    #[test]
    fn a_hello_beyond_the_limit_is_told_without_waiting() {
        let huge = record(&[&[1, 0, 0x20, 0, 3, 3][..], &[0; 32], &[0, 0x1F, 0], &[0; 5000]].concat());
        assert!(tcp(443).client(&huge[..OPENING_LIMIT - 1]).wants_more());
        assert_eq!(tcp(443).client(&huge[..OPENING_LIMIT]).told(), Some((Tls, Strong)));
        assert_eq!(tcp(443).client(&huge).told(), Some((Tls, Strong)), "more than the limit is no harm");
    }

    #[test]
    fn server_hello_and_alert_are_strong() {
        assert_eq!(tcp(443).server(record(&SERVER_HELLO_START)).told(), Some((Tls, Strong)));
        assert_eq!(tcp(443).server(ALERT).told(), Some((Tls, Strong)));
        assert!(
            tcp(443).server([0x15, 0x03, 0x03, 0x00, 0x1A, 1, 2]).tells_nothing(),
            "an encrypted alert is not readable"
        );
    }

    #[test]
    fn application_data_is_soft_and_must_chain() {
        let one = [0x17, 0x03, 0x03, 0x00, 0x02, 0xAA, 0xBB];
        assert_eq!(tcp(443).client(one).ended().told(), Some((Tls, Soft)));
        assert_eq!(tcp(443).client(one).client(one).ended().told(), Some((Tls, Soft)));
        assert!(tcp(443).client(one).client([0x99, 1, 2]).ended().tells_nothing());
        assert!(tcp(443).client([0x17, 0x03, 0x03, 0x00, 0x00]).ended().tells_nothing());
    }

    #[test]
    fn lengths_that_lie_do_no_harm() {
        let mut hello = client_hello_for(Some("store.example.com"));
        hello[43] = 0xFF; // The session id is said to reach beyond the suites.
        assert_eq!(tcp(443).client(&hello).told(), Some((Tls, Strong)));
        assert!(tcp(443).client([0x16, 0x03, 0x01, 0x00, 0x00, 0x01]).ended().tells_nothing());
        assert!(tcp(443).client([0x16, 0x03, 0x01, 0xFF, 0xFF, 0x01]).ended().tells_nothing());
        assert!(tcp(443).client([0x16, 0x03, 0x01, 0x02, 0x00, 0x0B]).ended().tells_nothing());
    }

    #[test]
    fn a_hello_answered_by_http_went_to_an_http_server_and_keeps_its_name() {
        let said = tcp(443).client(client_hello_for(Some("acme.cloud.com"))).server("HTTP/1.1 400 Bad Request\r\n\r\n");
        assert_eq!(said.told(), Some((Http, Strong)));
        assert_eq!(said.name().as_deref(), Some("acme.cloud.com"));
        assert!(said.hints_at_citrix());
    }

    #[test]
    fn an_http_request_answered_by_an_alert_went_to_a_tls_server() {
        let said = tcp(443).client("GET / HTTP/1.1\r\nHost: store.example.com\r\n\r\n").server(ALERT);
        assert_eq!(said.told(), Some((Tls, Strong)));
        assert_eq!(said.name().as_deref(), Some("store.example.com"));
    }

    #[test]
    fn every_fixed_byte_matters() {
        tcp(443).client(client_hello_for(None)).hangs_on([0, 1, 2, 3, 5]);
        tcp(443).client(ALERT).hangs_on(0..6);
        tcp(443).client([0x17, 0x03, 0x03, 0x00, 0x02, 0xAA, 0xBB]).hangs_on(0..4);
    }

    #[test]
    fn the_start_of_a_hello_or_an_alert_is_waited_for() {
        for start in [&[0x16][..], &[0x16, 0x03, 0x01, 0x02, 0x00], &[0x15, 0x03]] {
            assert!(tcp(443).client(start).wants_more(), "{start:?}");
            assert!(tcp(443).client(start).ended().tells_nothing(), "{start:?}");
        }
    }

    #[test]
    fn only_handshake_records_are_joined() {
        let message = handshake(CLIENT_HELLO, &hello_body(Some("split.example"), None));
        let (one, two) = (record(&message[..60]), record(&message[60..]));
        let mut other = two.clone();
        other[0] = 0x17;
        assert_eq!(tcp(443).client(&one).client(two).name().as_deref(), Some("split.example"));
        assert_eq!(tcp(443).client(&one).client(other).ended().name(), None);
    }

    #[test]
    fn an_entry_that_is_no_host_name_is_no_name() {
        let mut hello = client_hello_for(Some("store.example.com"));
        let name = hello.windows(5).position(|part| part == b"store").expect("the name is in the hello");
        hello[name - 3] = 1;
        assert_eq!((tcp(443).client(&hello).told(), tcp(443).client(&hello).name()), (Some((Tls, Strong)), None));
    }
}
