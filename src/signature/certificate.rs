//! The names in a certificate (X.509, DER). Nothing is verified: they are what a server says of itself. A certificate that breaks
//! off tells what is there.

use super::Certificate;
use super::bytes::{Miss, Parsed, Reader, sure};
use crate::outside::{beginning, printable};

/// Maximum length of a name, in bytes.
const LONGEST_NAME: usize = 255;
/// Names of hosts that are kept, the first ones.
const HOSTS: usize = 4;
/// Parts of a name, and extensions, that are looked at.
const PARTS: usize = 64;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
/// A name of DNS among the alternative ones (RFC 5280, 4.2.1.6).
const DNS_NAME: u8 = 0x82;

/// 2.5.4.3 and 2.5.4.10 (RFC 5280, A.1), 2.5.29.17.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANISATION: &[u8] = &[0x55, 0x04, 0x0A];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1D, 0x11];

/// What a certificate says, as far as it is there (RFC 5280, 4.1); none where nothing of it can be read.
pub(super) fn read(der: &[u8]) -> Option<Certificate> {
    let mut certificate = Certificate::default();
    // What was read before something did not fit stands.
    let _ = fill(Reader::new(der), &mut certificate);
    (certificate != Certificate::default()).then_some(certificate)
}

fn fill(mut reader: Reader<'_>, certificate: &mut Certificate) -> Parsed<()> {
    enter(&mut reader, SEQUENCE)?; // The certificate,
    enter(&mut reader, SEQUENCE)?; // and what is signed in it.
    if reader.rest().first() == Some(&VERSION) {
        element(&mut reader, VERSION)?;
    }
    element(&mut reader, INTEGER)?; // The serial number.
    element(&mut reader, SEQUENCE)?; // The algorithm.
    let issuer = element(&mut reader, SEQUENCE)?;
    certificate.issuer = name(issuer, COMMON_NAME).or_else(|| name(issuer, ORGANISATION));
    element(&mut reader, SEQUENCE)?; // From when until when.
    certificate.subject = name(element(&mut reader, SEQUENCE)?, COMMON_NAME);
    element(&mut reader, SEQUENCE)?; // The key.
    for _ in 0..PARTS {
        let tag = reader.byte()?;
        let length = reader.ber_length()?;
        if tag == EXTENSIONS {
            break;
        }
        reader.take(length)?; // Unique identifiers, which nobody uses.
    }
    enter(&mut reader, SEQUENCE)?;
    for _ in 0..PARTS {
        let mut extension = Reader::new(element(&mut reader, SEQUENCE)?);
        if element(&mut extension, OBJECT)? == ALTERNATIVE_NAMES {
            let (tag, mut value) = next(&mut extension)?;
            if tag != OCTET_STRING {
                value = element(&mut extension, OCTET_STRING)?; // It is critical.
            }
            return hosts(value, certificate);
        }
    }
    Ok(())
}

fn hosts(value: &[u8], certificate: &mut Certificate) -> Parsed<()> {
    let mut names = Reader::new(value);
    enter(&mut names, SEQUENCE)?;
    for _ in 0..PARTS {
        let (tag, value) = next(&mut names)?;
        if tag == DNS_NAME {
            certificate.hosts.extend(text(&String::from_utf8_lossy(value)));
        }
        if certificate.hosts.len() == HOSTS {
            break;
        }
    }
    Ok(())
}

/// The last attribute of this kind in a name, which is the closest to what it names.
fn name(sets: &[u8], wanted: &[u8]) -> Option<Box<str>> {
    let mut reader = Reader::new(sets);
    let mut found = None;
    for _ in 0..PARTS {
        let Ok(set) = element(&mut reader, SET) else { break };
        let mut set = Reader::new(set);
        for _ in 0..PARTS {
            let Ok(attribute) = element(&mut set, SEQUENCE) else { break };
            let mut attribute = Reader::new(attribute);
            if element(&mut attribute, OBJECT) == Ok(wanted)
                && let Ok((tag, value)) = next(&mut attribute)
            {
                found = string(tag, value).or(found);
            }
        }
    }
    found
}

/// A string of a name by its type (RFC 5280, 4.1.2.4).
fn string(tag: u8, value: &[u8]) -> Option<Box<str>> {
    const UTF8: u8 = 0x0C;
    const PRINTABLE: u8 = 0x13;
    const TELETEX: u8 = 0x14;
    const IA5: u8 = 0x16;
    const BMP: u8 = 0x1E;
    match tag {
        UTF8 | PRINTABLE | IA5 => text(&String::from_utf8_lossy(value)),
        TELETEX => text(&value.iter().map(|&byte| char::from(byte)).collect::<String>()),
        BMP => {
            let units = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            let decoded = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
            text(&decoded.collect::<String>())
        }
        _ => None,
    }
}

/// One line that can be shown, as long as a name may be.
fn text(text: &str) -> Option<Box<str>> {
    let shown = printable(text);
    Some(beginning(&shown, LONGEST_NAME).trim()).filter(|text| !text.is_empty()).map(Box::from)
}

/// Goes into an element that may break off.
fn enter(reader: &mut Reader<'_>, tag: u8) -> Parsed<()> {
    sure(reader.byte()? == tag)?;
    reader.ber_length().map(|_| ())
}

/// What is in the next element, which is of this type and whole.
fn element<'a>(reader: &mut Reader<'a>, tag: u8) -> Parsed<&'a [u8]> {
    let (found, value) = next(reader)?;
    if found == tag { Ok(value) } else { Err(Miss::Wrong) }
}

/// The next element: its type, and what is in it.
fn next<'a>(reader: &mut Reader<'a>) -> Parsed<(u8, &'a [u8])> {
    let tag = reader.byte()?;
    let length = reader.ber_length()?;
    Ok((tag, reader.take(length)?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let length = u16::try_from(body.len()).expect("a short part").to_be_bytes();
        let head = if body.len() < 128 { vec![tag, length[1]] } else { vec![tag, 0x82, length[0], length[1]] };
        [head, body].concat()
    }

    fn attribute(object: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        der(SET, &[&der(SEQUENCE, &[&der(OBJECT, &[object]), &der(tag, &[value])])])
    }

    /// A certificate with these names, as far as names are concerned.
    pub(in super::super) fn certificate(subject: &[u8], issuer: &[u8], hosts: &[&str]) -> Vec<u8> {
        let names: Vec<Vec<u8>> = hosts.iter().map(|host| der(DNS_NAME, &[host.as_bytes()])).collect();
        let names = der(SEQUENCE, &names.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let other = der(SEQUENCE, &[&der(OBJECT, &[&[0x55, 0x1D, 0x0E]]), &der(OCTET_STRING, &[&[7; 22]])]);
        let names = der(SEQUENCE, &[&der(OBJECT, &[ALTERNATIVE_NAMES]), &der(OCTET_STRING, &[&names])]);
        let signed = der(
            SEQUENCE,
            &[
                &der(VERSION, &[&der(INTEGER, &[&[2]])]),
                &der(INTEGER, &[&[9; 16]]),
                &der(SEQUENCE, &[&der(OBJECT, &[&[42, 3, 4]])]),
                &der(SEQUENCE, &[issuer]),
                &der(SEQUENCE, &[&der(0x17, &[b"260101000000Z"]), &der(0x17, &[b"280101000000Z"])]),
                &der(SEQUENCE, &[subject]),
                &der(SEQUENCE, &[&[5; 200]]),
                &der(EXTENSIONS, &[&der(SEQUENCE, &[&other, &names])]),
            ],
        );
        der(SEQUENCE, &[&signed, &der(SEQUENCE, &[]), &[3; 100]])
    }

    fn cn(text: &str) -> Vec<u8> {
        attribute(COMMON_NAME, 0x0C, text.as_bytes())
    }

    fn simple() -> Vec<u8> {
        certificate(&cn("vda01.example"), &cn("Example CA"), &["vda01.example", "vda01"])
    }

    #[test]
    fn subject_issuer_and_hosts_are_read() {
        let read = read(&simple()).expect("a certificate");
        assert_eq!((read.subject.as_deref(), read.issuer.as_deref()), (Some("vda01.example"), Some("Example CA")));
        assert_eq!(read.hosts.iter().map(|host| &**host).collect::<Vec<_>>(), ["vda01.example", "vda01"]);
    }

    #[test]
    fn an_issuer_without_a_common_name_is_an_organisation() {
        let organisation = attribute(ORGANISATION, 0x13, b"Example Ltd");
        let with_both = [organisation.clone(), attribute(COMMON_NAME, 0x1E, b"\0R\0\xF6")].concat();
        let issuer = |issuer: &[u8]| read(&certificate(&cn("a"), issuer, &[])).and_then(|read| read.issuer);
        assert_eq!(issuer(&organisation).as_deref(), Some("Example Ltd"));
        assert_eq!(issuer(&with_both).as_deref(), Some("Rö"));
        assert_eq!(issuer(&[]), None);
    }

    #[test]
    fn names_are_made_safe_and_short() {
        let long = "ä".repeat(300);
        let read =
            read(&certificate(&cn("a\x1b[2J\n"), &cn(&long), &["a", "b", "c", "d", "e"])).expect("a certificate");
        assert_eq!(read.subject.as_deref(), Some("a\u{FFFD}[2J\u{FFFD}"));
        assert_eq!((read.issuer.expect("an issuer").len(), read.hosts.len()), (254, HOSTS));
    }

    #[test]
    fn what_breaks_off_tells_what_is_there() {
        let whole = simple();
        let known = |end: usize| read(&whole[..end]).unwrap_or_default();
        let counts = |end: usize| {
            let Certificate { subject, issuer, hosts } = known(end);
            usize::from(issuer.is_some()) + usize::from(subject.is_some()) + hosts.len()
        };
        let told: Vec<usize> = (0..=whole.len()).map(counts).collect();
        assert!(told.is_sorted(), "{told:?}");
        assert_eq!((told[0], told[whole.len()]), (0, 4));
        assert!(told.contains(&1) && told.contains(&2));
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = read(&bytes);
        }

        #[test]
        fn a_byte_that_is_wrong_does_no_harm(at in 0_usize..600, value: u8) {
            let mut bytes = simple();
            let at = at % bytes.len();
            bytes[at] = value;
            if let Some(read) = read(&bytes) {
                let names = read.hosts.iter().chain(&read.subject).chain(&read.issuer);
                for name in names {
                    prop_assert!(name.len() <= LONGEST_NAME && !name.chars().any(char::is_control));
                }
            }
        }
    }
}
