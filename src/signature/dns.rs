//! DNS: a header with one question and a valid name in it. The header alone fits much else, QUIC among it, and off port
//! 53 even the whole is no more than soft.

use super::bytes::{Parsed, Reader, sure};
use super::voice::{Reading, Voice};
use super::{BOTH, Content, Dns, Opening, Signature, Transport};

pub(super) const SIGNATURE: Signature = Signature {
    name: "dns",
    transports: BOTH,
    source: "facts DNS-01; RFC 1035 4.1, 4.2.2; RFC 6895 2, 3",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| voice.saying(message(voice), voice.strong_on(&[PORT])))
}

const PORT: u16 = 53;

const IS_ANSWER: u16 = 0x8000;
const OPERATION: u16 = 0x7800;
const RESERVED: u16 = 0x0040;
/// The response code in the lower byte of the flags.
const CODE: u8 = 0x0F;

/// Names are no longer than this, lengths and end included (RFC 1035, 3.1).
const LONGEST_NAME: usize = 255;

fn message(voice: &Voice<'_>) -> Parsed<Option<Content>> {
    let mut reader = Reader::new(voice.bytes);
    if voice.opening.transport == Transport::Tcp {
        sure(reader.be16()? >= SHORTEST)?;
    }
    let failure = header(&mut reader)?;
    let question = reader.clone();
    let is_root = name(&mut reader)?;
    sure(!is_root || voice.opening.server_port == PORT)?;
    sure(reader.be16()? != 0)?; // The type.
    let class = reader.be16()?;
    sure(matches!(class, INTERNET | CHAOS | HESIOD | ANY))?;
    Ok(failure.map(|failure| Content::Dns(Dns { failure: Some(failure), name: in_words(question) })))
}

/// A header, the root as a name, type and class.
const SHORTEST: u16 = 12 + 1 + 4;

const INTERNET: u16 = 1;
const CHAOS: u16 = 3;
const HESIOD: u16 = 4;
const ANY: u16 = 255;

/// A standard query or its answer, with one question. A query has no answers; it may have an additional record or two. Gives the
/// response code of an answer that tells of no success.
fn header(reader: &mut Reader<'_>) -> Parsed<Option<u8>> {
    reader.be16()?; // The number of the query.
    let flags = reader.be16()?;
    sure(flags & (OPERATION | RESERVED) == 0)?;
    sure(reader.be16()? == 1)?;
    let (answers, authorities, additional) = (reader.be16()?, reader.be16()?, reader.be16()?);
    let is_answer = flags & IS_ANSWER != 0;
    sure(is_answer || (answers == 0 && authorities <= 1 && additional <= 2))?;
    let code = flags.to_be_bytes()[1] & CODE;
    Ok(Some(code).filter(|&code| is_answer && code != 0))
}

/// A name of labels with the characters that names of hosts and services have, and whether it is the root.
fn name(reader: &mut Reader<'_>) -> Parsed<bool> {
    let mut length = 0;
    loop {
        let label = reader.within(0..=63)?;
        length += 1 + usize::from(label);
        sure(length <= LONGEST_NAME)?;
        if label == 0 {
            return Ok(length == 1);
        }
        sure(reader.take(usize::from(label))?.iter().all(is_name_character))?;
    }
}

/// A name that was read already, its labels with dots between them, in lower case; none for the root.
fn in_words(mut reader: Reader<'_>) -> Option<Box<str>> {
    let mut words = String::new();
    while let Ok(length @ 1..) = reader.byte() {
        let label = reader.take(usize::from(length)).ok()?;
        if !words.is_empty() {
            words.push('.');
        }
        words.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
    }
    (!words.is_empty()).then(|| words.into_boxed_str())
}

fn is_name_character(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*' | b'/')
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Dns;
    use super::super::Strength::{Soft, Strong};
    use super::super::said::{Said, tcp, udp};

    pub(in super::super) fn samples() -> Vec<Said> {
        let query = query(&["ddc1", "corp", "example"]);
        let mut answer = query.clone();
        (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
        vec![
            udp(53)
                .client(&query)
                .server([&answer[..], &[0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 7]].concat()),
            tcp(53).client(counted(&query)).server(counted(&answer)),
        ]
    }

    fn query(labels: &[&str]) -> Vec<u8> {
        let mut query = vec![0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in labels {
            query.push(u8::try_from(label.len()).expect("a short label"));
            query.extend(label.bytes());
        }
        query.extend([0, 0, 1, 0, 1]);
        query
    }

    fn counted(message: &[u8]) -> Vec<u8> {
        let length = u16::try_from(message.len()).expect("a short message");
        [&length.to_be_bytes(), message].concat()
    }

    #[test]
    fn it_is_strong_on_53_and_soft_elsewhere() {
        let query = query(&["_ldap", "_tcp", "corp", "example"]);
        assert_eq!(udp(53).client(&query).told(), Some((Dns, Strong)));
        assert_eq!(tcp(53).client(counted(&query)).told(), Some((Dns, Strong)));
        assert_eq!(udp(443).client(&query).told(), Some((Dns, Soft)));
    }

    #[test]
    fn a_header_without_a_valid_name_is_nothing() {
        let header = [0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
        for name in [
            &[][..],
            &[0xC0, 0x0C, 0, 1, 0, 1],
            &[3, 0xFF, 0x80, 0x01, 0, 0, 1, 0, 1],
            &[40, b'a'],
            &[1, b'a', 0, 0, 1, 9, 9],
        ] {
            assert!(udp(443).client([&header[..], name].concat()).tells_nothing(), "{name:?}");
            assert!(udp(53).client([&header[..], name].concat()).tells_nothing(), "{name:?}");
        }
    }

    #[test]
    fn the_header_must_be_a_query_with_one_question() {
        for (at, wrong) in [(2, 0x28), (3, 0x40), (5, 2), (7, 1), (11, 9)] {
            let mut other = query(&["example"]);
            other[at] = wrong;
            assert!(udp(53).client(other).tells_nothing(), "byte {at} is {wrong:#x}");
        }
    }

    #[test]
    fn the_root_counts_on_53_only() {
        assert_eq!(udp(53).client(query(&[])).told(), Some((Dns, Strong)));
        assert!(udp(443).client(query(&[])).tells_nothing());
    }

    #[test]
    fn over_tcp_the_length_may_come_alone() {
        let query = counted(&query(&["example"]));
        assert!(tcp(53).client(&query[..2]).wants_more());
        assert!(tcp(80).client(&query[..10]).ended().tells_nothing());
    }

    #[test]
    fn every_fixed_byte_matters() {
        let query = query(&["example"]);
        let class = query.len() - 2;
        udp(53).client(&query).hangs_on((2..21).chain(class..query.len()));
    }

    #[test]
    fn labels_and_names_have_a_longest_length() {
        let label = "a".repeat(63);
        assert_eq!(udp(53).client(query(&[&label, &label, &label, &label[..61]])).told(), Some((Dns, Strong)), "255");
        assert!(udp(53).client(query(&[&label, &label, &label, &label[..62]])).tells_nothing(), "256");
        assert!(udp(53).client(query(&[&"a".repeat(64)])).tells_nothing());
    }
}
