//! TFTP: requests, which name their mode, and transfers, which are loose: data comes from a new port of the server and
//! two small numbers are all that marks it.

use super::bytes::{Parsed, Reader, sure};
use super::name;
use super::voice::{Clue, Reading, Speaker, Voice};
use super::{Content, Opening, PATH_LIMIT, Signature, Strength, Tftp, UDP};

pub(super) const SIGNATURE: Signature = Signature {
    name: "tftp",
    transports: UDP,
    source: "facts TFTP-01, TFTP-02, PVS-04, PVS-05, PVS-06, PVS-10; RFC 1350 5; RFC 2347",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(asked).or(transfer(opening))
}

const PORT: u16 = 69;

const DATA: u8 = 3;
const ACKNOWLEDGED: u8 = 4;
const ERROR: u8 = 5;
const OPTIONS_ACKNOWLEDGED: u8 = 6;

/// The first number of a transfer.
const FIRST_BLOCK: u16 = 1;

/// A block, and what stands before it, without a negotiated size.
const LONGEST_DATA: usize = 516;

/// A boot file of Citrix Provisioning is a hint: the best proof of it in clear text (facts PVS-10).
fn asked(voice: &Voice<'_>) -> Reading {
    match request(voice.bytes) {
        Ok(file) => {
            let citrix_hint = name::is_citrix_boot_file(file);
            // Plain, or it would be no request.
            let kept = || file[..file.len().min(PATH_LIMIT)].iter().map(|&byte| char::from(byte)).collect::<String>();
            let boot_file = citrix_hint.then(|| kept().into_boxed_str());
            let content = boot_file.is_some().then_some(Content::Tftp(Tftp { boot_file, error: None }));
            Reading::Heard(Clue { citrix_hint, content, ..Clue::new(Strength::Strong, voice.speaker) })
        }
        Err(_) => Reading::Foreign,
    }
}

/// The file that is to be read or written.
fn request(bytes: &[u8]) -> Parsed<&[u8]> {
    let mut reader = Reader::new(bytes);
    reader.want(&[0])?;
    reader.within(1..=2)?;
    let file = reader.until(0)?;
    sure(!file.is_empty() && super::bytes::is_plain(file))?;
    let mode = reader.until(0)?;
    sure(mode.eq_ignore_ascii_case(b"octet") || mode.eq_ignore_ascii_case(b"netascii"))?;
    Ok(file)
}

/// Soft: the first data or the accepted options of one side with the fitting acknowledgement of the other, or anything
/// that an asked server may answer from the port of TFTP itself.
fn transfer(opening: &Opening<'_>) -> Reading {
    let (client, server) = (opening.client, opening.server);
    let is_transfer = is_exchange(client, server) || is_exchange(server, client);
    if is_transfer || (opening.server_port == PORT && is_answer(server)) {
        let content = failure(server);
        return Reading::Heard(Clue { content, ..Clue::new(Strength::Soft, Speaker::Server) });
    }
    Reading::Foreign
}

/// What an answer says, if it is an error. It may come from any port of a server that was asked.
pub(super) fn failure(answer: &[u8]) -> Option<Content> {
    match answer {
        [0, ERROR, high, low, ..] => {
            Some(Content::Tftp(Tftp { error: Some(u16::from_be_bytes([*high, *low])), boot_file: None }))
        }
        _ => None,
    }
}

fn is_exchange(sent: &[u8], reply: &[u8]) -> bool {
    let acknowledged = match sent {
        [0, OPTIONS_ACKNOWLEDGED, ..] => 0,
        [0, DATA, high, low, ..] if is_first_data(sent) => u16::from_be_bytes([*high, *low]),
        _ => return false,
    };
    let [high, low] = acknowledged.to_be_bytes();
    reply == [0, ACKNOWLEDGED, high, low]
}

fn is_answer(server: &[u8]) -> bool {
    match server {
        [0, ERROR, 0, 0..=8, ..] => server.ends_with(&[0]),
        [0, OPTIONS_ACKNOWLEDGED, ..] => server.ends_with(&[0]),
        _ => is_first_data(server),
    }
}

fn is_first_data(bytes: &[u8]) -> bool {
    bytes.len() <= LONGEST_DATA
        && Reader::new(bytes).want(&[0, DATA]).is_ok()
        && bytes.get(2..4) == Some(&FIRST_BLOCK.to_be_bytes())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Tftp;
    use super::super::Strength::{Soft, Strong};
    use super::super::said::{Said, udp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            udp(69).client(b"\0\x01ARDBP32.BIN\0octet\0tsize\x000\0"),
            udp(69).client(b"\0\x02upload.bin\0netascii\0"),
            udp(51_000).client([0, 3, 0, 1]).client([7; 512]).server([0, 4, 0, 1]),
        ]
    }

    #[test]
    fn a_request_is_strong_on_any_port() {
        assert_eq!(udp(69).client(b"\0\x01pxelinux.0\0octet\0").told(), Some((Tftp, Strong)));
        assert_eq!(udp(6969).client(b"\0\x02x\0OCTET\0").told(), Some((Tftp, Strong)));
    }

    #[test]
    fn the_boot_files_of_provisioning_are_a_hint() {
        for file in ["ARDBP32.BIN", "pvsnbpx64.efi", "TSBBDM.BIN"] {
            let said = udp(69).client([0, 1]).client(file).client(b"\0octet\0");
            assert!(said.hints_at_citrix(), "{file}");
        }
        assert!(!udp(69).client(b"\0\x01pxelinux.0\0octet\0").hints_at_citrix());
    }

    #[test]
    fn a_request_needs_name_and_mode() {
        for request in [
            &b"\0\x01name\0mail\0"[..],
            b"\0\x01\0octet\0",
            b"\0\x01name\0octet",
            b"\0\x07name\0octet\0",
            b"\0\x01\x02\0octet\0",
        ] {
            assert!(udp(69).client(request).tells_nothing(), "{request:?}");
        }
    }

    #[test]
    fn data_needs_its_acknowledgement() {
        let data = udp(51_000).client([0, 3, 0, 1]).client([7; 512]);
        assert!(data.tells_nothing(), "00 03 alone is mostly STUN of another age");
        assert!(data.clone().server([0, 4, 0, 2]).tells_nothing());
        assert_eq!(data.server([0, 4, 0, 1]).told(), Some((Tftp, Soft)));
        assert_eq!(udp(51_000).client(b"\0\x06tsize\x0042\0").server([0, 4, 0, 0]).told(), Some((Tftp, Soft)));
        assert!(udp(3478).client([0, 3]).tells_nothing());
        assert!(udp(3478).client([0, 3, 0, 8]).client([0; 16]).tells_nothing());
    }

    #[test]
    fn on_its_own_port_an_answer_is_soft() {
        assert_eq!(udp(69).server(b"\0\x05\0\x01File not found\0").told(), Some((Tftp, Soft)));
        assert_eq!(udp(69).server([0, 3, 0, 1, 9, 9]).told(), Some((Tftp, Soft)));
        assert!(udp(69).server([0, 4, 0, 1]).tells_nothing(), "a server does not acknowledge to a reader");
        assert!(udp(70).server(b"\0\x05\0\x01File not found\0").tells_nothing());
    }

    #[test]
    fn every_fixed_byte_matters() {
        udp(69).client(b"\0\x01name\0octet\0").hangs_on([0, 1].into_iter().chain(7..12));
        udp(51_000).client([0, 3, 0, 1]).client([7; 512]).server([0, 4, 0, 1]).hangs_on(0..4);
        let large = udp(51_000).client([0, 3, 0, 1]).client([7; 513]).server([0, 4, 0, 1]);
        assert!(large.tells_nothing(), "more than a block");
    }
}
