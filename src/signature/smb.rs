//! SMB over TCP: the first message after its transport header, and the session request of NetBIOS on port 139.

use super::bytes::{Parsed, Reader, sure};
use super::voice::Reading;
use super::{Opening, Signature, Strength, TCP};

pub(super) const SIGNATURE: Signature = Signature {
    name: "smb",
    transports: TCP,
    source: "facts SMB-01; MS-SMB2 2.1, 2.2.1; RFC 1002 4.3.2",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| {
        let message = voice.reading(message(voice.bytes), Strength::Strong);
        if opening.server_port != NETBIOS_SESSION {
            return message;
        }
        message.or(voice.reading(session_request(voice.bytes), Strength::Soft))
    })
}

const NETBIOS_SESSION: u16 = 139;

/// No SMB header is shorter, of any version.
const HEADER_LENGTH: u32 = 32;

/// A zero, a length of three bytes, and the magic of version 1 (FF) or of 2 and 3 (FE).
fn message(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    reader.want(&[0])?;
    sure(reader.be24()? >= HEADER_LENGTH)?;
    reader.within(0xFE..=0xFF)?;
    reader.want(b"SMB")
}

/// The name of the called host and that of the caller, 34 bytes each.
fn session_request(bytes: &[u8]) -> Parsed<()> {
    Reader::new(bytes).want(&[0x81, 0x00, 0x00, 0x44, 0x20])
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Smb;
    use super::super::Strength::{Soft, Strong};
    use super::super::said::{Said, tcp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            tcp(445)
                .client([0, 0, 0, 0x44])
                .client(b"\xFFSMBr")
                .client([0; 63])
                .server([0, 0, 0, 0x80])
                .server(b"\xFESMB@"),
            tcp(139).client([0x81, 0, 0, 0x44, 0x20]).client([b'C'; 67]),
        ]
    }

    #[test]
    fn both_magics_are_strong_on_any_port() {
        assert_eq!(tcp(445).client(b"\0\0\0\x44\xFFSMB").told(), Some((Smb, Strong)));
        assert_eq!(tcp(1494).server(b"\0\0\0\x80\xFESMB").told(), Some((Smb, Strong)));
    }

    #[test]
    fn a_zero_alone_is_waited_for_and_no_more() {
        assert!(tcp(445).client([0]).wants_more());
        assert!(tcp(445).client([0]).ended().tells_nothing());
        assert!(tcp(445).client(b"\0\0\0\x44\xFDSMB").ended().tells_nothing());
        assert!(tcp(445).client(b"\0\0\0\x04\xFFSMB").ended().tells_nothing(), "shorter than its header");
    }

    #[test]
    fn a_session_request_is_soft_on_its_port() {
        let request = [0x81, 0, 0, 0x44, 0x20];
        assert_eq!(tcp(139).client(request).told(), Some((Smb, Soft)));
        assert!(tcp(1494).client(request).ended().tells_nothing());
    }

    #[test]
    fn every_fixed_byte_matters() {
        tcp(445).client(b"\0\0\0\x44\xFFSMB").hangs_on([0, 4, 5, 6, 7]);
        tcp(139).client([0x81, 0, 0, 0x44, 0x20]).hangs_on(0..5);
    }
}
