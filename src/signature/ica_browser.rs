//! The legacy ICA browser on UDP 1604, which lists servers and applications.

use super::bytes::{Parsed, Reader};
use super::voice::Reading;
use super::{Opening, Signature, Strength, UDP};

pub(super) const SIGNATURE: Signature =
    Signature { name: "ica-browser", transports: UDP, source: "facts IBR-01", only_citrix: true, read };

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| voice.reading(message(voice.bytes), Strength::Strong))
}

/// A length that only requests are known to keep, two bytes of kind, and the magic.
fn message(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    reader.le16()?;
    reader.within(1..=2)?;
    reader.within(0x30..=0x32)?;
    reader.want(&[0x02, 0xFD, 0xA8, 0xE3])
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::IcaBrowser;
    use super::super::Strength::Strong;
    use super::super::said::{Said, udp};

    const REQUEST: [u8; 8] = [0x1E, 0x00, 0x01, 0x30, 0x02, 0xFD, 0xA8, 0xE3];
    const REPLY: [u8; 12] = [0x30, 0x00, 0x02, 0x31, 0x02, 0xFD, 0xA8, 0xE3, 0x02, 0x00, 0x06, 0x44];

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![udp(1604).client(REQUEST).client([0; 22]).server(REPLY).server([0; 36])]
    }

    #[test]
    fn request_and_reply_are_told_by_their_magic() {
        assert_eq!(udp(1604).client(REQUEST).client([0; 22]).told(), Some((IcaBrowser, Strong)));
        assert_eq!(udp(1604).server(REPLY).told(), Some((IcaBrowser, Strong)));
    }

    #[test]
    fn another_magic_is_something_else() {
        let mut other = REQUEST;
        other[7] = 0xE4;
        assert!(udp(1604).client(other).tells_nothing());
        assert!(udp(1604).client(&REQUEST[..7]).tells_nothing());
    }

    #[test]
    fn every_fixed_byte_matters() {
        udp(1604).client(REQUEST).hangs_on(2..8);
    }
}
