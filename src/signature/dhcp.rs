//! DHCP and PXE: the magic cookie after the fixed fields of BOOTP, and what the options say about boot and address.

use super::bytes::{Miss, Parsed, Reader};
use super::voice::Reading;
use super::{Content, Dhcp, Lease, Opening, Signature, Strength, UDP};

pub(super) const SIGNATURE: Signature = Signature {
    name: "dhcp",
    transports: UDP,
    source: "facts DHCP-01, PVS-01; RFC 2131 2, 3; RFC 2132 9",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| voice.saying(message(voice.bytes), Strength::Strong))
}

/// Where the options begin.
const COOKIE_AT: usize = 236;
/// Where the address stands that is given to the client.
const ADDRESS_AT: usize = 16;
/// Where the name of the boot file begins, which ends where the options begin.
const FILE_AT: usize = 108;

/// What a message says.
pub(super) fn message(bytes: &[u8]) -> Parsed<Option<Content>> {
    let mut reader = Reader::new(bytes);
    let is_reply = reader.within(REQUEST..=REPLY)? == REPLY;
    let fields = &reader.take(COOKIE_AT - 1)?;
    reader.want(&[0x63, 0x82, 0x53, 0x63])?;
    let (mut known, mut server) = (Dhcp::default(), None);
    let overloaded = options(reader.rest(), is_reply, &mut known, &mut server);
    // Bytes of the whole message, of which the first was read apart.
    let (address, file) = (&fields[ADDRESS_AT - 1..][..4], &fields[FILE_AT - 1..]);
    if overloaded & FILE_HAS_OPTIONS != 0 {
        options(file, is_reply, &mut known, &mut server);
    } else if is_reply && file[0] != 0 {
        known.boot_file = true;
    }
    let gives = is_reply && matches!(known.message, Some(OFFER | ACKNOWLEDGEMENT));
    let given = address.first_chunk().copied().filter(|address| gives && *address != [0; 4]);
    known.leases.extend(given.map(|address| Lease { address, server, boot_file: known.boot_file }));
    Ok((known != Dhcp::default()).then_some(Content::Dhcp(known)))
}

const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// What an answer is (RFC 2132, 9.6).
const OFFER: u8 = 2;
const ACKNOWLEDGEMENT: u8 = 5;

/// The field of the boot file holds options instead (RFC 2132, 9.3).
const FILE_HAS_OPTIONS: u8 = 1;

/// Reads options up to their end, and gives which fields hold more of them.
fn options(bytes: &[u8], is_reply: bool, known: &mut Dhcp, server: &mut Option<[u8; 4]>) -> u8 {
    let (mut reader, mut overloaded) = (Reader::new(bytes), 0);
    while let Ok((option, value)) = option(&mut reader) {
        match (option, value) {
            (52, &[fields]) => overloaded = fields,
            (53, &[message]) => known.message = Some(message),
            (54, &[a, b, c, d]) => *server = Some([a, b, c, d]),
            (60, class) => known.pxe |= class.starts_with(b"PXEClient"),
            (67, [_, ..]) => known.boot_file |= is_reply,
            _ => {}
        }
    }
    overloaded
}

/// The next option; padding is passed over, and after the end there is none (RFC 2132, 3.1 and 3.2).
fn option<'a>(reader: &mut Reader<'a>) -> Parsed<(u8, &'a [u8])> {
    loop {
        match reader.byte()? {
            0 => {}
            255 => return Err(Miss::Wrong),
            option => {
                let length = reader.byte()?;
                return Ok((option, reader.take(usize::from(length))?));
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Dhcp;
    use super::super::Strength::Strong;
    use super::super::said::{Said, udp};
    use super::*;

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![udp(67).client(message(1)).server(message(2)), udp(4011).client(message(1))]
    }

    fn message(operation: u8) -> Vec<u8> {
        let mut message = vec![operation, 1, 6, 0];
        message.resize(COOKIE_AT, 0);
        message.extend([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255]);
        message
    }

    #[test]
    fn the_cookie_is_strong_on_any_port() {
        assert_eq!(udp(67).client(message(1)).told(), Some((Dhcp, Strong)));
        assert_eq!(udp(4011).server(message(2)).told(), Some((Dhcp, Strong)));
    }

    #[test]
    fn operation_cookie_and_length_must_be_right() {
        assert!(udp(67).client(message(3)).tells_nothing());
        assert!(udp(67).client(&message(1)[..239]).tells_nothing());
        let mut other = message(1);
        other[COOKIE_AT] = 0;
        assert!(udp(67).client(other).tells_nothing());
    }
}
