//! A small writer of classic pcap files, for tests, benches and generated traffic.

use crate::packet::LinkType;
use crate::time::{SECOND, Timestamp};
use std::io::{self, BufWriter, Write};

/// Writes packets as a little-endian pcap file (draft-ietf-opsawg-pcap). What is written is complete after
/// [`PcapWriter::finish`].
#[derive(Debug)]
pub struct PcapWriter<W: Write> {
    out: BufWriter<W>,
    /// Nanoseconds in one fraction: 1, or 1000.
    fraction: i64,
}

/// In what a pcap file counts the fraction of a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fractions {
    /// In microseconds, as most files do.
    Microseconds,
    /// In nanoseconds.
    Nanoseconds,
}

impl<W: Write> PcapWriter<W> {
    /// Begins a file of one link type.
    ///
    /// # Errors
    /// What `out` says.
    pub fn new(out: W, link: LinkType, fractions: Fractions) -> io::Result<PcapWriter<W>> {
        let mut out = BufWriter::new(out);
        let (magic, fraction): (u32, i64) = match fractions {
            Fractions::Nanoseconds => (0xA1B2_3C4D, 1),
            Fractions::Microseconds => (0xA1B2_C3D4, 1_000),
        };
        out.write_all(&magic.to_le_bytes())?;
        out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        out.write_all(&SNAPLEN.to_le_bytes())?;
        out.write_all(&u32::from(link.0).to_le_bytes())?;
        Ok(PcapWriter { out, fraction })
    }

    /// Appends a packet: its time, its length on the wire in bytes, and what was captured of it. A time before 1970 or
    /// after 2106 and a packet of more than 256 KiB do not fit into the format and are refused.
    pub fn write(&mut self, at: Timestamp, original: u32, bytes: &[u8]) -> io::Result<()> {
        let seconds = u32::try_from(at.0.div_euclid(SECOND)).map_err(|_| refused("the time does not fit into pcap"))?;
        let fraction = (at.0.rem_euclid(SECOND) / self.fraction) as u32;
        let captured = u32::try_from(bytes.len()).ok().filter(|&length| length <= SNAPLEN);
        let captured = captured.ok_or_else(|| refused("the packet is too large for pcap"))?;
        for field in [seconds, fraction, captured, original] {
            self.out.write_all(&field.to_le_bytes())?;
        }
        self.out.write_all(bytes)
    }

    /// Writes out what is still held back, and gives the output back.
    pub fn finish(self) -> io::Result<W> {
        self.out.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// Largest packet, in bytes; the usual value of tcpdump.
const SNAPLEN: u32 = 262_144;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_byte_for_byte_as_the_format_says() -> io::Result<()> {
        let mut writer = PcapWriter::new(Vec::new(), LinkType::RAW, Fractions::Microseconds)?;
        writer.write(Timestamp::new(1, 2_000), 60, &[0xAA, 0xBB])?;
        let expected = [
            0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0, // file header
            1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 60, 0, 0, 0, 0xAA, 0xBB, // one record
        ];
        assert_eq!(writer.finish()?, expected);
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_refused() -> io::Result<()> {
        let mut writer = PcapWriter::new(Vec::new(), LinkType::ETHERNET, Fractions::Nanoseconds)?;
        assert!(writer.write(Timestamp(-1), 0, &[]).is_err());
        assert!(writer.write(Timestamp::new(1 << 32, 0), 0, &[]).is_err());
        assert!(writer.write(Timestamp(0), 0, &vec![0; 262_145]).is_err());
        assert_eq!(writer.finish()?.len(), 24);
        Ok(())
    }
}
