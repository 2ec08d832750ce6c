//! IPFIX (AppFlow): a version, the length of the datagram, and a first set that fits into it.

use super::bytes::{Parsed, Reader, sure};
use super::voice::{Reading, Voice};
use super::{Opening, Signature, UDP};

pub(super) const SIGNATURE: Signature = Signature {
    name: "ipfix",
    transports: UDP,
    source: "facts IPFIX-01, NS-04; RFC 7011 3.1, 3.3",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| voice.reading(message(voice), voice.strong_on(&[PORT])))
}

const PORT: u16 = 4739;

/// The version of NetFlow that became IPFIX.
const VERSION: [u8; 2] = [0x00, 0x0A];

/// The header of a message, and that of a set.
const HEADER_LENGTH: usize = 16;
const SET_HEADER_LENGTH: usize = 4;

fn message(voice: &Voice<'_>) -> Parsed<()> {
    let mut reader = Reader::new(voice.bytes);
    reader.want(&VERSION)?;
    let length = usize::from(reader.be16()?);
    sure(voice.is_long(length))?;
    reader.take(HEADER_LENGTH - 4)?; // Time, sequence number and domain.
    let set = reader.be16()?;
    sure(matches!(set, 2 | 3 | 256..))?; // Templates, option templates, or data.
    let set_length = usize::from(reader.be16()?);
    sure((SET_HEADER_LENGTH..=length - HEADER_LENGTH.min(length)).contains(&set_length))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Ipfix;
    use super::super::Strength::{Soft, Strong};
    use super::super::said::{Said, udp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![udp(4739).client(message(256, 8))]
    }

    fn message(set: u16, set_length: u8) -> Vec<u8> {
        let mut message = vec![0x00, 0x0A, 0, 24];
        message.resize(16, 0x33);
        message.extend(set.to_be_bytes());
        message.extend([0, set_length, 1, 2, 3, 4]);
        message
    }

    #[test]
    fn it_is_strong_on_4739_and_soft_elsewhere() {
        assert_eq!(udp(4739).client(message(2, 8)).told(), Some((Ipfix, Strong)));
        assert_eq!(udp(2055).client(message(300, 8)).told(), Some((Ipfix, Soft)));
    }

    #[test]
    fn lengths_and_set_must_be_right() {
        assert!(udp(4739).client(message(2, 8)).client([0]).tells_nothing());
        assert!(udp(4739).client(message(7, 8)).tells_nothing());
        assert!(udp(4739).client(message(2, 9)).tells_nothing());
        assert!(udp(4739).client(message(2, 3)).tells_nothing());
        assert!(udp(4739).client([0x00, 0x0A, 0, 4]).tells_nothing());
    }

    #[test]
    fn every_fixed_byte_matters() {
        udp(4739).client(message(2, 8)).hangs_on([0, 1, 2, 3, 18, 19]);
    }
}
