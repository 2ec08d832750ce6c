//! Citrix Provisioning on UDP 6890 to 6930: the code at the start of a StreamProcess datagram. It is known from one
//! port and not verified on the others (facts PVS-08), so it is always soft, and only within that range.

use super::bytes::{Parsed, Reader};
use super::voice::Reading;
use super::{Opening, Signature, Strength, UDP};

pub(super) const SIGNATURE: Signature =
    Signature { name: "pvs", transports: UDP, source: "facts PVS-01, PVS-08", only_citrix: false, read };

fn read(opening: &Opening<'_>) -> Reading {
    if !(FIRST_PORT..=LAST_PORT).contains(&opening.server_port) {
        return Reading::Foreign;
    }
    opening.each_side(|voice| voice.reading(code(voice.bytes), Strength::Soft))
}

/// Between servers from here, to the targets from 6910.
const FIRST_PORT: u16 = 6890;

/// The end of the streaming range.
const LAST_PORT: u16 = 6930;

/// A little-endian word of the form 0x400200xx.
fn code(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    reader.byte()?;
    reader.want(&[0x00, 0x02, 0x40])
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Pvs;
    use super::super::Strength::Soft;
    use super::super::said::{Said, udp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![udp(6910).client(0x4002_0004_u32.to_le_bytes()).client([0; 40])]
    }

    #[test]
    fn a_stream_process_code_is_soft_within_the_range() {
        for code in [0x4002_0000_u32, 0x4002_0004, 0x4002_0006, 0x4002_0010] {
            assert_eq!(udp(6905).client(code.to_le_bytes()).told(), Some((Pvs, Soft)), "{code:#x}");
        }
        assert_eq!(udp(6930).server(0x4002_0006_u32.to_le_bytes()).told(), Some((Pvs, Soft)));
    }

    #[test]
    fn outside_the_range_or_with_another_code_it_is_nothing() {
        assert!(udp(6931).client(0x4002_0004_u32.to_le_bytes()).tells_nothing());
        assert!(udp(6910).client(0x4003_0004_u32.to_le_bytes()).tells_nothing());
        assert!(udp(6910).client([0x04, 0x00, 0x02]).tells_nothing());
    }
}
