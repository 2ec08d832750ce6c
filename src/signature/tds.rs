//! SQL Server on 1433, and its browser service on UDP 1434. Off those ports the header is too loose to be told; the
//! login preamble and the browser are known from the specification only, so they are soft.

use super::bytes::{Miss, Parsed, Reader, sure};
use super::voice::{Reading, Speaker, Voice};
use super::{BOTH, Opening, Signature, Strength, Transport};

pub(super) const SIGNATURE: Signature = Signature {
    name: "tds",
    transports: BOTH,
    source: "facts TDS-01, SQL-01; MS-TDS 2.2.3.1; MS-SQLR 2.2",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| match (opening.transport, opening.server_port) {
        (Transport::Tcp, PORT | ADMIN_PORT) => stream(voice),
        (Transport::Udp, BROWSER_PORT) => voice.reading(browser(voice), Strength::Soft),
        _ => Reading::Foreign,
    })
}

const PORT: u16 = 1433;

/// The dedicated connection of administrators.
const ADMIN_PORT: u16 = 1434;

const BROWSER_PORT: u16 = 1434;

const BATCH: u8 = 0x01;
const CALL: u8 = 0x03;
const ANSWER: u8 = 0x04;
const LOGIN_PREAMBLE: u8 = 0x12;

const HEADER_LENGTH: u16 = 8;

/// The largest size that can be negotiated.
const LONGEST_PACKET: u16 = 32_767;

fn stream(voice: &Voice<'_>) -> Reading {
    let strength = match (voice.speaker, voice.bytes.first()) {
        (Speaker::Client, Some(&LOGIN_PREAMBLE)) => Strength::Soft,
        (Speaker::Client, Some(&(BATCH | CALL))) | (Speaker::Server, Some(&ANSWER)) => Strength::Strong,
        (Speaker::Client | Speaker::Server, _) => return Reading::Foreign,
    };
    voice.reading(packet(voice.bytes), strength)
}

/// Type, status, length, process, number, and a byte that is always zero. The status says that the message ends here,
/// and that of a call may also ask to reset the connection.
fn packet(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    let kind = reader.byte()?;
    let status = reader.byte()?;
    sure(status == 0x01 || (kind == CALL && status == 0x09))?;
    sure((HEADER_LENGTH + 1..=LONGEST_PACKET).contains(&reader.be16()?))?;
    reader.take(3)?;
    reader.want(&[0])
}

/// Who is there (02 and 03), where is this instance (04), and the list that answers both (05).
fn browser(voice: &Voice<'_>) -> Parsed<()> {
    match (voice.speaker, voice.bytes) {
        (Speaker::Client, [0x02 | 0x03]) => Ok(()),
        (Speaker::Client, [0x04, instance @ .., 0]) => sure(!instance.is_empty() && instance.len() <= 32),
        (Speaker::Server, [0x05, low, high, ..]) => {
            sure(voice.is_long(3 + usize::from(u16::from_le_bytes([*low, *high]))))
        }
        (Speaker::Client | Speaker::Server, _) => Err(Miss::Wrong),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Tds;
    use super::super::Strength::{Soft, Strong};
    use super::super::said::{Said, tcp, udp};
    use super::*;

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            tcp(1433).client(packet_of(LOGIN_PREAMBLE, 0x01)).server(packet_of(ANSWER, 0x01)),
            tcp(1433).client(packet_of(CALL, 0x09)),
            udp(1434).client(b"\x04CITRIX\0").server(b"\x05\x03\0abc"),
        ]
    }

    fn packet_of(kind: u8, status: u8) -> Vec<u8> {
        let mut packet = vec![kind, status, 0, 47, 0, 0, 1, 0];
        packet.resize(47, 0x20);
        packet
    }

    #[test]
    fn what_was_seen_is_strong_and_the_preamble_soft() {
        assert_eq!(tcp(1433).client(packet_of(BATCH, 0x01)).told(), Some((Tds, Strong)));
        assert_eq!(tcp(1433).client(packet_of(CALL, 0x09)).told(), Some((Tds, Strong)));
        assert_eq!(tcp(1433).client(packet_of(LOGIN_PREAMBLE, 0x01)).told(), Some((Tds, Soft)));
        let answered = tcp(1433).client(packet_of(LOGIN_PREAMBLE, 0x01)).server(packet_of(ANSWER, 0x01));
        assert_eq!(answered.told(), Some((Tds, Strong)));
    }

    #[test]
    fn on_another_port_it_is_not_told() {
        for kind in [BATCH, CALL, LOGIN_PREAMBLE] {
            assert!(tcp(6653).client(packet_of(kind, 0x01)).ended().tells_nothing());
        }
        assert!(
            tcp(1080).server(packet_of(ANSWER, 0x01)).ended().tells_nothing(),
            "SOCKS4 and OpenFlow begin like that"
        );
    }

    #[test]
    fn direction_status_and_length_must_be_right() {
        assert!(tcp(1433).client(packet_of(ANSWER, 0x01)).ended().tells_nothing());
        assert!(tcp(1433).client(packet_of(BATCH, 0x09)).ended().tells_nothing());
        assert!(tcp(1433).client([BATCH, 0x01, 0, 8, 0, 0, 1, 0]).ended().tells_nothing());
        assert!(tcp(1433).client([BATCH, 0x01]).wants_more());
    }

    #[test]
    fn the_browser_is_soft_on_its_port() {
        for question in [&[0x02][..], &[0x03], b"\x04CITRIX\0"] {
            assert_eq!(udp(1434).client(question).told(), Some((Tds, Soft)));
            assert!(udp(1435).client(question).tells_nothing());
        }
        assert!(udp(1434).client([0x04, 0]).tells_nothing(), "no name");
        assert!(udp(1434).client([&[0x04][..], &[b'A'; 33], &[0]].concat()).tells_nothing(), "too long a name");
        assert!(udp(1434).client([0x02, 0x00]).tells_nothing());
        assert_eq!(udp(1434).server(b"\x05\x03\0abc").told(), Some((Tds, Soft)));
        assert!(udp(1434).server(b"\x05\x04\0abc").tells_nothing());
    }

    #[test]
    fn every_fixed_byte_matters() {
        tcp(1433).client(packet_of(BATCH, 0x01)).hangs_on([0, 1, 2, 7]);
    }
}
