//! SIP: requests and answers. Some methods are also those of HTTP, so what is asked for must be an address of SIP.

use super::bytes::{Parsed, Reader};
use super::voice::Reading;
use super::{BOTH, Opening, Signature, Strength};

pub(super) const SIGNATURE: Signature = Signature {
    name: "sip",
    transports: BOTH,
    source: "facts SIP-01; RFC 3261 7.1, 7.2, 19.1",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| {
        let answer = voice.reading(Reader::new(voice.bytes).want(b"SIP/2.0 "), Strength::Strong);
        answer.or(voice.reading(request(voice.bytes), Strength::Strong))
    })
}

const METHODS: [&[u8]; 14] = [
    b"REGISTER ",
    b"INVITE ",
    b"OPTIONS ",
    b"ACK ",
    b"BYE ",
    b"CANCEL ",
    b"SUBSCRIBE ",
    b"NOTIFY ",
    b"MESSAGE ",
    b"INFO ",
    b"PRACK ",
    b"UPDATE ",
    b"REFER ",
    b"PUBLISH ",
];

fn request(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    reader.want_any(&METHODS)?;
    reader.want_any(&[b"sip:", b"sips:"]).map(|_| ())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Sip;
    use super::super::Strength::Strong;
    use super::super::said::{Said, tcp, udp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            udp(5060).client("REGISTER sip:example.com SIP/2.0\r\n").server("SIP/2.0 100 Trying\r\n"),
            tcp(5060).client("OPTIONS sips:user@example.com SIP/2.0\r\n").server("SIP/2.0 200 OK\r\n"),
        ]
    }

    #[test]
    fn requests_and_answers_are_strong_over_both_transports() {
        assert_eq!(udp(16_500).client("INVITE sip:a@example.com SIP/2.0\r\n").told(), Some((Sip, Strong)));
        assert_eq!(tcp(5060).client("OPTIONS sip:a@example.com SIP/2.0\r\n").told(), Some((Sip, Strong)));
        assert_eq!(udp(5060).server("SIP/2.0 401 Unauthorized\r\n").told(), Some((Sip, Strong)));
    }

    #[test]
    fn a_method_alone_is_not_enough() {
        assert!(udp(5060).client("NOTIFY * HTTP/1.1\r\n").tells_nothing());
        assert!(udp(5060).client("OPTIONS ").tells_nothing());
        assert!(tcp(5060).client("OPTIONS si").wants_more());
    }
}
