//! Kerberos on port 88: the messages that open and answer, each with its version. On another port it is not told.

use super::bytes::{sure, Parsed, Reader};
use super::voice::Reading;
use super::{Opening, Signature, Strength, Transport, BOTH};

pub(super) const SIGNATURE: Signature = Signature {
    name: "kerberos",
    transports: BOTH,
    source: "facts KRB-01; RFC 4120 5.4, 5.9.1, 7.2",
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
        voice.reading(parsed, Strength::Strong)
    })
}

const PORT: u16 = 88;

/// Over TCP a length stands before the message; its highest bit is reserved (RFC 4120, 7.2.2).
fn counted_message(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    sure((1..1 << 24).contains(&reader.be32()?))?;
    message(reader)
}

/// Requests and answers of both services, and errors: an application tag, a sequence, and in it the version 5.
fn message(mut reader: Reader<'_>) -> Parsed<()> {
    let version_tag = match reader.byte()? {
        0x6A | 0x6C => 0xA1,
        0x6B | 0x6D | 0x7E => 0xA0,
        _ => return sure(false),
    };
    reader.ber_length()?;
    reader.want(&[0x30])?;
    reader.ber_length()?;
    reader.want(&[version_tag, 0x03, 0x02, 0x01, 0x05])
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::said::{tcp, udp, Said};
    use super::super::Protocol::Kerberos;
    use super::super::Strength::Strong;

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
