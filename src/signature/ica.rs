//! ICA on TCP 1494: the greeting that both sides send, the client's module packets, and the records after the
//! handshake. The magic of the oldest clients (facts REC-07) is not used.

use super::bytes::{Parsed, Reader, sure};
use super::voice::{Reading, Speaker};
use super::{Opening, Signature, Strength, TCP};

pub(super) const SIGNATURE: Signature = Signature {
    name: "ica",
    transports: TCP,
    source: "facts ICA-01, ICA-02, ICA-03, MOD-01, MOD-07, REC-01 to REC-03, PROOF-01",
    only_citrix: true,
    read,
};

/// Proof is the greeting in both directions or a module packet; one greeting is strong, because a probe hears no more
/// than that (facts ICA-03); so are records on the port of ICA when the greeting was missed.
fn read(opening: &Opening<'_>) -> Reading {
    let both_greet = opening.client.starts_with(&GREETING) && opening.server.starts_with(&GREETING);
    if both_greet || has_module_packet(opening.client) || has_module_packet(opening.server) {
        return Reading::heard(Strength::Proof, Speaker::Server);
    }
    opening.each_side(|voice| {
        let greeting = voice.reading(Reader::new(voice.bytes).want(&GREETING), Strength::Strong);
        let records = sure(opening.server_port == PORT && has_records(voice.bytes));
        greeting.or(voice.reading(records, Strength::Strong))
    })
}

/// Two 0x7F, "ICA" and a NUL (facts ICA-01).
const GREETING: [u8; 6] = [0x7F, 0x7F, 0x49, 0x43, 0x41, 0x00];

const PORT: u16 = 1494;

/// This many records in a row are no accident (facts REC-02).
const RECORDS: usize = 4;

/// Whether the client announces its drivers (facts MOD-01), perhaps after a greeting or two.
fn has_module_packet(bytes: &[u8]) -> bool {
    module_packet(bytes).is_ok()
}

/// The head of the first module packet.
fn module_packet(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    while reader.rest().starts_with(&GREETING) {
        reader.take(GREETING.len())?;
    }
    reader.want(&[0x01])?;
    let length = reader.le16()?;
    sure(reader.le16()? == length)?;
    reader.byte()?; // An index that counts down to 0.
    reader.within(0..=9)?; // The class of the module.
    reader.take(2)?; // Its version.
    sure(usize::from(length) >= 2 + 4 + MODULE_NAME)?; // It counts its second copy too.
    sure(is_module_name(reader.take(MODULE_NAME)?))
}

/// Room for a file name in 8.3 form and a NUL.
const MODULE_NAME: usize = 13;

fn is_module_name(field: &[u8]) -> bool {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    let (name, padding) = field.split_at(end);
    let mut parts = name.split(|&byte| byte == b'.');
    let fits = |part: Option<&[u8]>, longest| {
        part.is_none_or(|part| {
            (1..=longest).contains(&part.len()) && part.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
    };
    !padding.is_empty()
        && padding.iter().all(|&byte| byte == 0)
        && fits(parts.next(), 8)
        && fits(parts.next(), 3)
        && parts.next().is_none()
}

/// Records that follow each other without a gap: a little-endian length of what comes after it, then 01.
fn has_records(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes);
    (0..RECORDS).all(|_| record(&mut reader).is_ok())
}

fn record(reader: &mut Reader<'_>) -> Parsed<()> {
    let length = reader.le16()?;
    reader.want(&[0x01])?;
    sure(length > 1)?;
    reader.take(usize::from(length) - 1).map(|_| ())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Ica;
    use super::super::Strength::{Proof, Strong};
    use super::super::said::{Said, tcp};
    use super::*;

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            tcp(1494).server(GREETING).client(GREETING),
            tcp(1494).server(GREETING).client(GREETING).client(module("WFICA32.EXE", 0x15, 0)),
            tcp(1494).server(record_of(13)).server(record_of(90)).server(record_of(11)).server(record_of(200)),
        ]
    }

    /// A module packet (facts MOD-01).
    fn module(name: &str, index: u8, class: u8) -> Vec<u8> {
        let mut body = vec![index, class, 0x01, 0x00];
        body.extend(name.bytes());
        body.resize(4 + 13, 0);
        body.extend(*b"WFICA\0\0\0\0");
        body.extend([0; 6]);
        // Bytes 1 and 2 hold the payload length less three; bytes 3 and 4 hold it again, and count to it.
        let length = u16::try_from(body.len() + 2).expect("a short packet").to_le_bytes();
        [&[0x01][..], &length, &length, &body].concat()
    }

    /// A record whose payload has this many bytes (facts REC-01).
    fn record_of(payload: u16) -> Vec<u8> {
        let mut record = (payload - 2).to_le_bytes().to_vec();
        record.push(0x01);
        record.resize(usize::from(payload), 0x5A);
        record
    }

    #[test]
    fn the_module_packet_is_built_as_the_facts_say() {
        let packet = module("WDICA30N.DLL", 16, 2);
        let length = u16::try_from(packet.len() - 3).unwrap().to_le_bytes();
        assert_eq!((&packet[1..3], &packet[3..5]), (&length[..], &length[..]));
    }

    #[test]
    fn one_greeting_is_strong_and_two_are_proof() {
        assert_eq!(tcp(1494).server(GREETING).told(), Some((Ica, Strong)));
        assert_eq!(
            tcp(1494).server(GREETING).server(GREETING).told(),
            Some((Ica, Strong)),
            "repeated to a silent client"
        );
        assert_eq!(tcp(80).client(GREETING).told(), Some((Ica, Strong)), "on any port");
        assert_eq!(tcp(1494).server(GREETING).server(GREETING).client(GREETING).told(), Some((Ica, Proof)));
    }

    #[test]
    fn a_module_packet_is_proof_from_one_side_alone() {
        let packet = module("TDWSTCPN.DLL", 20, 5);
        assert_eq!(tcp(1494).client(GREETING).client(&packet).told(), Some((Ica, Proof)));
        assert_eq!(tcp(2222).client(&packet).told(), Some((Ica, Proof)), "the greeting was missed");
        assert_eq!(
            tcp(1494).client(module("wfica", 3, 0)).told(),
            Some((Ica, Proof)),
            "an older client (facts MOD-05)"
        );
    }

    #[test]
    fn a_module_packet_must_be_right_in_every_part() {
        let good = module("VDCDM30N.DLL", 12, 3);
        for (at, wrong) in [(0, 0x02), (3, 0xEE), (6, 10), (9, 0xFF), (9, 0), (9 + 12, b'X')] {
            let mut bad = good.clone();
            bad[at] = wrong;
            assert!(tcp(1494).client(bad).ended().tells_nothing(), "byte {at} is {wrong:#x}");
        }
    }

    #[test]
    fn a_part_of_the_greeting_is_waited_for_and_never_enough() {
        for length in 1..GREETING.len() {
            let part = &GREETING[..length];
            assert!(tcp(1494).server(part).wants_more());
            assert!(
                tcp(1494).server(part).ended().tells_nothing(),
                "7F 7F alone matched other protocols (facts ICA-08)"
            );
            assert!(tcp(1494).server(part).cut().tells_nothing());
        }
        assert!(tcp(1494).server([0x7F, 0x7F, 0x00]).tells_nothing());
        assert!(tcp(1494).server([0x07, 0x07, 0x49, 0x43, 0x41, 0x00]).ended().tells_nothing(), "facts ICA-06");
        assert!(tcp(1494).client([0x32, 0x26, 0x85, 0x92, 0x58]).ended().tells_nothing(), "facts REC-07");
    }

    #[test]
    fn records_count_on_the_port_of_ica_and_only_four_in_a_row() {
        let four = [record_of(15), record_of(15), record_of(17), record_of(537)].concat();
        assert_eq!(tcp(1494).client(&four).told(), Some((Ica, Strong)));
        assert!(tcp(8194).client(&four).ended().tells_nothing());
        assert!(tcp(1494).client(&four[..four.len() - 1]).ended().tells_nothing());
        let mut other = four.clone();
        other[2] = 0x02;
        assert!(tcp(1494).client(other).ended().tells_nothing(), "without the 01 games fit too (facts REC-02)");
    }

    #[test]
    fn ica_is_not_told_over_udp() {
        assert!(super::super::said::udp(1494).server(GREETING).tells_nothing());
    }

    #[test]
    fn a_module_packet_has_room_for_its_name() {
        let mut short = module("WFICA32.EXE", 0, 0);
        short.truncate(9 + 13);
        (short[1], short[3]) = (19, 19);
        assert_eq!(tcp(1494).client(&short).told(), Some((Ica, Proof)), "19 bytes and the first three");
        (short[1], short[3]) = (18, 18);
        assert!(tcp(1494).client(&short).ended().tells_nothing());
    }

    #[test]
    fn module_names_have_the_form_8_3() {
        for name in ["A", "ADPCM.DLL", "WDICA30N.DLL", "PD_CRYPT.D"] {
            assert!(is_module_name(&module(name, 0, 0)[9..22]), "{name}");
        }
        for name in ["", ".DLL", "A.", "A.B.C", "A.DLLX", "NINELONGS", "A B", "WDICA30N.DLLX"] {
            assert!(!is_module_name(&module(name, 0, 0)[9..22]), "{name}");
        }
        assert!(!is_module_name(b"WFICA32.EXE\0X"));
    }

    #[test]
    fn an_empty_record_is_none() {
        for length in [0, 1] {
            let record = [length, 0, 0x01];
            assert!(tcp(1494).client(record.repeat(6)).ended().tells_nothing());
        }
    }
}
