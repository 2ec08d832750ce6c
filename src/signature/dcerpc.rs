//! DCE/RPC over TCP (Windows remote procedure calls): the bind of a client and its acknowledgement.

use super::bytes::{Parsed, Reader, sure};
use super::voice::Reading;
use super::{Opening, Signature, Strength, TCP};

pub(super) const SIGNATURE: Signature = Signature {
    name: "dcerpc",
    transports: TCP,
    source: "facts RPC-01, DIR-01, FAS-01; C706 chapter 12.6",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| voice.reading(bind(voice.bytes), Strength::Strong))
}

const BIND: u8 = 0x0B;
const BIND_ACKNOWLEDGED: u8 = 0x0C;

/// Both the first and the last fragment.
const WHOLE: u8 = 0x03;

/// An acknowledgement has at least the common header and its own fixed fields.
const SHORTEST: u16 = 24;

fn bind(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    reader.want(&[5])?;
    reader.within(0..=1)?; // The minor version.
    reader.within(BIND..=BIND_ACKNOWLEDGED)?;
    sure(reader.byte()? & WHOLE == WHOLE)?;
    reader.want(&[0x10, 0, 0, 0])?; // Little-endian, ASCII, IEEE: what Windows speaks.
    sure(reader.le16()? >= SHORTEST)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::DceRpc;
    use super::super::Strength::Strong;
    use super::super::said::{Said, tcp};
    use super::*;

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![tcp(135).client(head(BIND, 72)).client([0; 62]).server(head(BIND_ACKNOWLEDGED, 60)).server([0; 50])]
    }

    fn head(kind: u8, length: u8) -> [u8; 10] {
        [5, 0, kind, 3, 0x10, 0, 0, 0, length, 0]
    }

    #[test]
    fn bind_and_acknowledgement_are_strong_on_any_port() {
        assert_eq!(tcp(135).client(head(BIND, 72)).told(), Some((DceRpc, Strong)));
        assert_eq!(tcp(49_700).server(head(BIND_ACKNOWLEDGED, 60)).told(), Some((DceRpc, Strong)));
    }

    #[test]
    fn its_first_three_bytes_are_not_enough() {
        assert!(tcp(135).client(&head(BIND, 72)[..3]).wants_more());
        assert!(tcp(1080).client([5, 0, BIND]).ended().tells_nothing());
        assert!(tcp(135).client(head(BIND, 8)).ended().tells_nothing());
        assert!(tcp(1080).client([5, 1, 0]).tells_nothing(), "SOCKS5");
    }

    #[test]
    fn every_fixed_byte_matters() {
        tcp(135).client(head(BIND, 72)).hangs_on(0..8);
    }
}
