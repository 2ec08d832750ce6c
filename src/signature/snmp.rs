//! SNMP: a version, then the community and an operation (versions 1 and 2c) or the global data (version 3). The version
//! alone would also fit CLDAP.

use super::bytes::{Parsed, Reader};
use super::voice::Reading;
use super::{Opening, Signature, UDP};

pub(super) const SIGNATURE: Signature = Signature {
    name: "snmp",
    transports: UDP,
    source: "facts SNMP-01; RFC 1157 4; RFC 3416 3; RFC 3412 6",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| voice.reading(message(voice.bytes), voice.strong_on(&PORTS)))
}

/// Questions and traps.
const PORTS: [u16; 2] = [161, 162];

const VERSION_1: u8 = 0;
const VERSION_2C: u8 = 1;
const VERSION_3: u8 = 3;

fn message(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    reader.want(&[0x30])?;
    reader.ber_length()?;
    reader.want(&[0x02, 0x01])?;
    match reader.byte()? {
        VERSION_1 | VERSION_2C => community(reader),
        VERSION_3 => global_data(reader),
        _ => super::bytes::sure(false),
    }
}

fn community(mut reader: Reader<'_>) -> Parsed<()> {
    reader.want(&[0x04])?;
    let length = reader.ber_length()?;
    reader.take(length)?;
    reader.within(0xA0..=0xA8).map(|_| ()) // From get request to report.
}

/// A sequence whose first member is the number of the message.
fn global_data(mut reader: Reader<'_>) -> Parsed<()> {
    reader.want(&[0x30])?;
    reader.ber_length()?;
    reader.want(&[0x02])?;
    reader.within(1..=4).map(|_| ())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Snmp;
    use super::super::Strength::{Soft, Strong};
    use super::super::said::{Said, udp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![udp(161).client(GET).server(GET), udp(162).client(VERSION_3_GET)]
    }

    /// A get request of version 2c with an empty list.
    const GET: &[u8] = b"\x30\x18\x02\x01\x01\x04\x06public\xA0\x0B\x02\x01\x07\x02\x01\x00\x02\x01\x00\x30\x00";

    /// The start of a message of version 3: number, largest size, flags and security model.
    const VERSION_3_GET: &[u8] =
        b"\x30\x3E\x02\x01\x03\x30\x11\x02\x04\x00\x11\x22\x33\x02\x03\x00\xFF\xE3\x04\x01\x04\x02\x01\x03\x04\x10";

    #[test]
    fn it_is_strong_on_its_ports_and_soft_elsewhere() {
        assert_eq!(udp(161).client(GET).told(), Some((Snmp, Strong)));
        assert_eq!(udp(162).client(VERSION_3_GET).told(), Some((Snmp, Strong)));
        assert_eq!(udp(10_161).client(GET).told(), Some((Snmp, Soft)));
    }

    #[test]
    fn a_version_alone_is_not_enough() {
        assert!(
            udp(161).client(b"\x30\x0C\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00").told() != Some((Snmp, Strong))
        );
        assert!(udp(161).client(b"\x30\x05\x02\x01\x01\x05\x00").tells_nothing());
        assert!(udp(161).client(b"\x30\x05\x02\x01\x02\x04\x00").tells_nothing());
        assert!(udp(161).client(&GET[..13]).tells_nothing(), "no operation");
    }

    #[test]
    fn every_fixed_byte_matters() {
        udp(161).client(GET).hangs_on([0, 2, 3, 4, 5, 13]);
        udp(161).client(VERSION_3_GET).hangs_on([0, 2, 3, 4, 5, 7, 8]);
    }
}
