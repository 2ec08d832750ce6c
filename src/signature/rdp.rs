//! RDP: the connection request and confirm of ISO transport. Siemens S7 and others begin in the same way, so off port
//! 3389 the cookie with the user's name must be there too.

use super::bytes::{Parsed, Reader, sure};
use super::voice::{Reading, Voice};
use super::{BOTH, Opening, Signature, Strength, Transport};

pub(super) const SIGNATURE: Signature = Signature {
    name: "rdp",
    transports: BOTH,
    source: "facts RDP-01, RDP-02, DIR-01; MS-RDPBCGR 2.2.1.1, 2.2.1.2; RFC 1006 6; RFC 905 13.3",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    let is_own_port = opening.server_port == PORT;
    opening.each_side(|voice| match (opening.transport, is_own_port) {
        (Transport::Tcp, true) => voice.reading(transport_head(voice.bytes).map(|_| ()), Strength::Strong),
        (Transport::Tcp, false) => voice.reading(cookie(voice.bytes), Strength::Strong),
        (Transport::Udp, true) => voice.reading(datagram(voice), Strength::Soft),
        (Transport::Udp, false) | (Transport::Icmp, _) => Reading::Foreign,
    })
}

const PORT: u16 = 3389;

const CONNECTION_REQUEST: u8 = 0xE0;
const CONNECTION_CONFIRM: u8 = 0xD0;

/// The packet header of RFC 1006, four bytes, and the fixed part of a request or confirm, seven.
const HEAD_LENGTH: u16 = 11;

/// Reads up to the type, which is a request or a confirm.
fn transport_head(bytes: &[u8]) -> Parsed<(u8, Reader<'_>)> {
    let mut reader = Reader::new(bytes);
    reader.want(&[3, 0])?;
    sure(reader.be16()? >= HEAD_LENGTH)?;
    sure(u16::from(reader.byte()?) + 5 >= HEAD_LENGTH)?; // The length after itself.
    let kind = reader.byte()?;
    sure(matches!(kind, CONNECTION_REQUEST | CONNECTION_CONFIRM))?;
    Ok((kind, reader))
}

fn cookie(bytes: &[u8]) -> Parsed<()> {
    let (kind, mut reader) = transport_head(bytes)?;
    sure(kind == CONNECTION_REQUEST)?;
    reader.take(5)?; // References and class.
    reader.want(b"Cookie: mstshash=")
}

/// The first datagram of RDP over UDP. Medium at best, and without a magic word.
fn datagram(voice: &Voice<'_>) -> Parsed<()> {
    Reader::new(voice.bytes).want(&[0xFF; 4])?;
    sure(voice.opening.cut || (1132..=1232).contains(&voice.bytes.len()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Rdp;
    use super::super::Strength::{Soft, Strong};
    use super::super::said::{Said, tcp, udp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            tcp(3389).client(NEGOTIATION).server([3, 0, 0, 19, 14, 0xD0, 0, 0, 0x34, 0x12, 0, 2, 0, 8, 0, 0, 0, 0, 0]),
            tcp(33_890).client(with_cookie()),
            udp(3389).client([0xFF; 4]).client([0; 1228]),
        ]
    }

    /// A request with nothing but the wish for TLS.
    const NEGOTIATION: [u8; 19] = [3, 0, 0, 19, 14, 0xE0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 1, 0, 0, 0];

    fn with_cookie() -> Vec<u8> {
        let cookie = b"Cookie: mstshash=user1\r\n";
        let length = u8::try_from(cookie.len() + 11).expect("a short packet");
        [&[3, 0, 0, length, length - 5, 0xE0, 0, 0, 0, 0, 0][..], cookie].concat()
    }

    #[test]
    fn request_and_confirm_are_strong_on_3389() {
        assert_eq!(tcp(3389).client(NEGOTIATION).told(), Some((Rdp, Strong)));
        assert_eq!(tcp(3389).server([3, 0, 0, 11, 6, 0xD0]).told(), Some((Rdp, Strong)));
    }

    #[test]
    fn every_fixed_byte_matters() {
        tcp(3389).client(NEGOTIATION).hangs_on([0, 1, 5]);
        tcp(1494).client(with_cookie()).hangs_on([0, 1, 5].into_iter().chain(11..28));
        udp(3389).client([0xFF; 4]).client([0; 1228]).hangs_on(0..4);
        assert!(tcp(3389).client([3, 0, 0, 10, 6, 0xE0]).ended().tells_nothing(), "too short for a request");
        assert!(tcp(3389).client([3, 0, 0, 11, 5, 0xE0]).ended().tells_nothing(), "too short for a request");
    }

    #[test]
    fn on_another_port_the_cookie_must_be_there() {
        assert_eq!(tcp(1494).client(with_cookie()).told(), Some((Rdp, Strong)));
        assert!(tcp(102).client(NEGOTIATION).tells_nothing(), "Siemens S7 begins like that");
        let s7 = [3, 0, 0, 22, 17, 0xE0, 0, 0, 0, 1, 0, 0xC1, 2, 1, 0, 0xC2, 2, 1, 2, 0xC0, 1, 10];
        assert!(tcp(102).client(s7).tells_nothing());
        assert!(tcp(102).server([3, 0, 0, 11, 6, 0xD0, 0, 0, 0, 0, 0]).tells_nothing());
    }

    #[test]
    fn a_part_of_the_cookie_is_waited_for() {
        let request = with_cookie();
        assert!(tcp(1494).client(&request[..20]).wants_more());
        assert!(tcp(1494).client(&request[..20]).ended().tells_nothing());
    }

    #[test]
    fn over_udp_it_is_soft_on_3389_and_has_its_length() {
        assert_eq!(udp(3389).client([0xFF; 4]).client([0; 1128]).told(), Some((Rdp, Soft)));
        assert!(udp(3389).client([0xFF; 4]).client([0; 100]).tells_nothing());
        assert!(udp(16_500).client([0xFF; 4]).client([0; 1128]).tells_nothing());
    }
}
