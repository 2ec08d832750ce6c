//! LDAP, and CLDAP over UDP: the first operation of a client and its answer. No magic word, so it is soft off its own
//! ports.

use super::bytes::{Miss, Parsed, Reader, sure};
use super::voice::{Reading, Voice};
use super::{BOTH, Content, Ldap, Opening, Signature};

pub(super) const SIGNATURE: Signature = Signature {
    name: "ldap",
    transports: BOTH,
    source: "facts LDAP-01, NS-05; RFC 4511 4.1.1, 4.2, 4.2.1, 4.5.1, 4.12, 4.14",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| voice.saying(message(voice), voice.strong_on(&PORTS)))
}

/// LDAP and the global catalogue; 636 and 3269 speak TLS first.
const PORTS: [u16; 2] = [389, 3268];

/// A sequence, the number of the message, and an operation.
fn message(voice: &Voice<'_>) -> Parsed<Option<Content>> {
    let mut reader = Reader::new(voice.bytes);
    reader.want(&[0x30])?;
    reader.ber_length()?;
    reader.want(&[0x02])?;
    let digits = reader.within(1..=4)?;
    reader.take(usize::from(digits))?;
    let operation = reader.byte()?;
    reader.ber_length()?;
    match operation {
        0x60 => bind(reader),
        0x63 => search(reader).map(|()| None),
        0x77 => start_tls(reader),
        // Answers to bind, search and extended requests have nothing to check and count on the own ports only.
        0x61 | 0x64 | 0x65 | 0x78 => sure(PORTS.contains(&voice.opening.server_port)).map(|()| None),
        _ => Err(Miss::Wrong),
    }
}

/// The version comes first. Who binds and how may not be there yet, and then nothing is said of it.
fn bind(mut reader: Reader<'_>) -> Parsed<Option<Content>> {
    reader.want(&[0x02, 0x01])?;
    reader.within(2..=3)?;
    Ok(authentication(reader).ok().filter(|known| *known != Ldap::default()).map(Content::Ldap))
}

/// A name, then a password or what goes without one. Who gives no name or no password is nobody (RFC 4513, 5.1).
fn authentication(mut reader: Reader<'_>) -> Parsed<Ldap> {
    reader.want(&[0x04])?;
    let name = reader.ber_length()?;
    reader.take(name)?;
    let choice = reader.byte()?;
    let is_empty = reader.ber_length()? == 0;
    Ok(Ldap { simple_bind: choice == SIMPLE && name > 0 && !is_empty, sasl_bind: choice == SASL, ..Ldap::default() })
}

/// Tags of the ways to say who one is (RFC 4511, 4.2).
const SIMPLE: u8 = 0x80;
const SASL: u8 = 0xA3;

/// The name from which to search, then the scope.
fn search(mut reader: Reader<'_>) -> Parsed<()> {
    reader.want(&[0x04])?;
    let length = reader.ber_length()?;
    reader.take(length)?;
    reader.want(&[0x0A, 0x01])?;
    reader.within(0..=3).map(|_| ())
}

/// The wish to speak TLS (RFC 4511, 4.14.1).
fn start_tls(mut reader: Reader<'_>) -> Parsed<Option<Content>> {
    reader.want(&[0x80])?;
    reader.ber_length()?;
    reader.want(b"1.3.6.1.4.1.1466.20037")?;
    Ok(Some(Content::Ldap(Ldap { start_tls: true, ..Ldap::default() })))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Ldap;
    use super::super::Strength::{Soft, Strong};
    use super::super::said::{Said, tcp, udp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            tcp(389).client(BIND).server([0x30, 0x0C, 2, 1, 1, 0x61, 7, 0x0A, 1, 0, 4, 0, 4, 0]),
            tcp(3268).client(long(&SEARCH[2..])),
            tcp(389).client(START_TLS),
            udp(389).client(SEARCH),
        ]
    }

    /// An anonymous simple bind.
    const BIND: [u8; 14] = [0x30, 0x0C, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0];

    /// What a CLDAP ping looks like: the root, base object, everything about limits zero, and a filter.
    const SEARCH: &[u8] =
        b"\x30\x25\x02\x01\x01\x63\x20\x04\x00\x0A\x01\x00\x0A\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\
          \x87\x0BobjectClass\x30\x00";

    const START_TLS: &[u8] = b"\x30\x1D\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

    /// The same with the long lengths that Windows writes.
    fn long(body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("a short message");
        [&[0x30, 0x84][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn it_is_strong_on_its_ports_and_soft_elsewhere() {
        for request in [&BIND[..], SEARCH, START_TLS] {
            assert_eq!(tcp(389).client(request).told(), Some((Ldap, Strong)));
            assert_eq!(tcp(3268).client(long(&request[2..])).told(), Some((Ldap, Strong)));
            assert_eq!(tcp(7777).client(request).told(), Some((Ldap, Soft)));
        }
    }

    #[test]
    fn a_cldap_search_is_ldap_and_not_snmp() {
        assert_eq!(udp(389).client(SEARCH).told(), Some((Ldap, Strong)));
        assert_eq!(
            udp(161).client(SEARCH).told(),
            Some((Ldap, Soft)),
            "a loose rule for SNMP would fit too (facts LDAP-01)"
        );
    }

    #[test]
    fn answers_count_on_the_own_ports_only() {
        let answer = [0x30, 0x0C, 2, 1, 1, 0x61, 7, 0x0A, 1, 0];
        assert_eq!(tcp(389).server(answer).told(), Some((Ldap, Strong)));
        assert!(tcp(7777).server(answer).ended().tells_nothing());
    }

    #[test]
    fn operation_and_version_must_be_known() {
        let mut other = BIND;
        other[9] = 4;
        assert!(tcp(389).client(other).ended().tells_nothing());
        other[5] = 0x6F;
        assert!(tcp(389).client(other).ended().tells_nothing());
        assert!(tcp(389).client(&BIND[..6]).wants_more());
        assert!(tcp(7777).client(&BIND[..6]).tells_nothing(), "not worth waiting for off the port");
    }

    #[test]
    fn every_fixed_byte_matters() {
        tcp(389).client(BIND).hangs_on([0, 2, 3, 5, 7, 8, 9]);
        tcp(389).client(SEARCH).hangs_on([0, 2, 3, 5, 7, 9, 10, 11]);
        tcp(389).client(START_TLS).hangs_on([0, 2, 3, 5, 7].into_iter().chain(9..31));
    }

    #[test]
    fn the_number_of_a_message_has_one_to_four_bytes() {
        let bind = |number: &[u8], digits| [&[0x30, 0x10, 2, digits][..], number, &BIND[5..]].concat();
        assert_eq!(tcp(389).client(bind(&[1, 2, 3, 4], 4)).told(), Some((Ldap, Strong)));
        assert!(tcp(389).client(bind(&[1, 2, 3, 4, 5], 5)).ended().tells_nothing());
    }
}
