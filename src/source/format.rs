//! Telling capture formats apart by their first bytes, never by the name (facts FORMAT-01, FORMAT-02), and
//! naming what is not read here together with what to do about it.

use super::order::ByteOrder;
use super::pcap::{HeaderError, PcapHeader};
use crate::outside::is_unseen;
use crate::shell;
use std::path::Path;

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Format {
    /// A pcap file of any variant.
    Pcap,
    /// A pcapng file.
    Pcapng,
    /// Something that is not read here.
    Foreign(Foreign),
}

/// What a file is that cannot be read here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Foreign {
    /// Compressed or an archive: what it is, and the command that unpacks it.
    Packed(&'static str, &'static str),
    /// A capture in another format, which Wireshark's `editcap` converts.
    Capture(&'static str),
    /// A Windows event trace (ETL), which may hold packets.
    EventTrace,
    /// A pcapng file whose line ends were changed on the way.
    TextModeTransfer,
    /// Plain text.
    Text,
    /// Nothing known.
    Unknown,
}

impl Format {
    /// What begins with these bytes, of which [`Format::HEAD`] are enough. The name is asked only for an event trace
    /// that is not told by its bytes.
    pub fn tell(head: &[u8], name: &str) -> Format {
        if let Some(format) = Format::tell_at_once(head) {
            return format;
        }
        if let Some(known) = CATALOGUE.iter().find(|known| known.begins(head)) {
            return Format::Foreign(known.what);
        }
        let what = if is_mangled_pcapng(head) {
            Foreign::TextModeTransfer
        } else if is_event_trace(head) {
            Foreign::EventTrace
        } else if is_text(head) {
            Foreign::Text
        } else if Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("etl")) {
            Foreign::EventTrace
        } else {
            Foreign::Unknown
        };
        Format::Foreign(what)
    }

    /// What is told by so few bytes that a live pipe need not be waited for: the formats that are read here.
    pub(super) fn tell_at_once(head: &[u8]) -> Option<Format> {
        if head.starts_with(&PCAPNG_MAGIC) {
            return Some(Format::Pcapng);
        }
        let mut header = [0; PcapHeader::LENGTH];
        header[..4].copy_from_slice(head.first_chunk::<4>()?);
        (PcapHeader::parse(&header) != Err(HeaderError::NotPcap)).then_some(Format::Pcap)
    }

    /// As many bytes as [`Format::tell`] looks at.
    pub const HEAD: usize = 512;
}

impl Foreign {
    /// What a file of this name is and what to do about it, as the end of a sentence.
    pub(super) fn advice(self, name: &str) -> String {
        match self {
            Foreign::Packed(what, command) => format!("it is {what}; unpack it first, for example with `{command}`"),
            Foreign::Capture(what) => format!(
                "it is {what}, which cap-audit does not read yet; convert it with `{}`",
                on_a_file(name, |file, pcapng| shell::command(["editcap", "-F", "pcapng", file, pcapng]))
            ),
            Foreign::EventTrace => format!(
                "it is a Windows event trace, not a capture; convert it with `{}` or `{}`",
                on_a_file(name, |file, pcapng| shell::command(["pktmon", "etl2pcap", file, "--out", pcapng])),
                on_a_file(name, |file, pcapng| shell::command(["etl2pcapng", file, pcapng]))
            ),
            Foreign::TextModeTransfer => {
                "it is a pcapng file damaged by a transfer in text mode; copy it again in binary mode".to_string()
            }
            Foreign::Text => "it is a text file, not a capture; give it a pcap or pcapng file".to_string(),
            Foreign::Unknown => {
                "it is not a capture in a format that cap-audit knows; give it a pcap or pcapng file".to_string()
            }
        }
    }
}

/// A command that reads a file of this name and writes one that ends with `.pcapng`. Where the name cannot be pasted, FILE
/// stands for it.
fn on_a_file(name: &str, command: impl Fn(&str, &str) -> Option<String>) -> String {
    // A name that begins with a hyphen would be an option.
    let name = if name.starts_with('-') { format!("./{name}") } else { name.to_string() };
    let pcapng = Path::new(&name).with_extension("pcapng").display().to_string();
    let shown = name != STANDARD_INPUT && !name.contains(is_unseen);
    let told = if shown { command(&name, &pcapng) } else { None };
    told.or_else(|| command("FILE", "FILE.pcapng")).unwrap_or_default()
}

struct Known {
    offset: usize,
    bytes: &'static [u8],
    what: Foreign,
}

impl Known {
    fn begins(&self, head: &[u8]) -> bool {
        head.get(self.offset..).is_some_and(|rest| rest.starts_with(self.bytes))
    }
}

/// An event trace has no magic number. Its first buffer has a header of 72 bytes with its own size in front, then the
/// first event: a system event of 32 bytes of header and the log file header, which tells the buffer size again.
/// Sources: `TRACE_LOGFILE_HEADER` in Microsoft's documentation of ETW, `_WMI_BUFFER_HEADER` in Windows symbols.
fn is_event_trace(head: &[u8]) -> bool {
    let Some(head) = head.first_chunk::<108>() else { return false };
    let size = ByteOrder::Little.u32(head, 0);
    let size_again = ByteOrder::Little.u32(head, 72 + 32);
    let likely_size = size.is_multiple_of(1024) && (1024..=16 * 1024 * 1024).contains(&size);
    // A system event of 32 or 64 bit Windows; its flags say "trace header, event trace".
    let system_event = matches!(head[74], 1 | 2) && head[75] == 0xC0;
    likely_size && size == size_again && system_event
}

/// Text-mode transfers change 0A and 0D in the section header type; what follows soon tells that it was one.
fn is_mangled_pcapng(head: &[u8]) -> bool {
    let head = &head[..head.len().min(20)];
    let line_ends = head.iter().take_while(|byte| matches!(byte, 0x0A | 0x0D)).count();
    let magic_follows = |magic: [u8; 4]| head.windows(4).any(|four| four == magic);
    line_ends >= 2 && (magic_follows([0x4D, 0x3C, 0x2B, 0x1A]) || magic_follows([0x1A, 0x2B, 0x3C, 0x4D]))
}

fn is_text(head: &[u8]) -> bool {
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return head.len() > 2;
    }
    let text = match str::from_utf8(head) {
        Ok(text) => text,
        // A character may be cut in two at the end.
        Err(error) if error.error_len().is_none() => str::from_utf8(&head[..error.valid_up_to()]).unwrap_or(""),
        Err(_) => return false,
    };
    !text.is_empty() && text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\x0C' | '\x1B'))
}

/// The name of a capture that has no path.
pub const STANDARD_INPUT: &str = "standard input";

const PCAPNG_MAGIC: [u8; 4] = [0x0A, 0x0D, 0x0D, 0x0A];

const fn packed(offset: usize, bytes: &'static [u8], what: &'static str, command: &'static str) -> Known {
    Known { offset, bytes, what: Foreign::Packed(what, command) }
}

const fn capture(offset: usize, bytes: &'static [u8], what: &'static str) -> Known {
    Known { offset, bytes, what: Foreign::Capture(what) }
}

const CATALOGUE: &[Known] = &[
    packed(0, b"\x1F\x8B", "compressed with gzip", "gzip -d"),
    packed(0, b"\x28\xB5\x2F\xFD", "compressed with zstd", "zstd -d"),
    packed(0, b"\xFD7zXZ\0", "compressed with xz", "xz -d"),
    packed(0, b"BZh", "compressed with bzip2", "bzip2 -d"),
    packed(0, b"\x04\x22\x4D\x18", "compressed with lz4", "lz4 -d"),
    packed(0, b"\x02\x21\x4C\x18", "compressed with lz4", "lz4 -d"),
    packed(0, b"\x1F\x9D", "compressed with compress", "gzip -d"),
    packed(0, b"PK\x03\x04", "a zip archive", "unzip"),
    packed(0, b"PK\x05\x06", "an empty zip archive", "unzip"),
    packed(0, b"7z\xBC\xAF\x27\x1C", "a 7z archive", "7z x"),
    packed(0, b"Rar!", "a rar archive", "unrar x"),
    packed(0, b"MSCF", "a cab archive", "cabextract"),
    packed(257, b"ustar", "a tar archive", "tar xf"),
    capture(0, b"GMBU", "a NetMon 2 capture"),
    capture(0, b"RTSS", "a NetMon 1 capture"),
    capture(0, b"snoop\0\0\0", "a snoop capture"),
    capture(0, b"TRSNIFF data", "a Sniffer capture"),
    capture(0, b"XCP\0", "a NetXRay or Sniffer capture"),
    capture(3, b"NetScaler V20 Performance Data", "a NetScaler trace (nstrace)"),
    capture(3, b"Netscaler V30 Performance Data", "a NetScaler trace (nstrace)"),
    capture(3, b"Netscaler V35 Performance Data", "a NetScaler trace (nstrace)"),
    capture(8, b"NetScaler Performance Data", "a NetScaler trace (nstrace)"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(head: &[u8]) -> Format {
        Format::tell(head, "case.cap")
    }

    #[test]
    fn every_pcap_magic_is_told_by_four_bytes() {
        let magics: [[u8; 4]; 6] = [
            [0xD4, 0xC3, 0xB2, 0xA1],
            [0xA1, 0xB2, 0xC3, 0xD4],
            [0x4D, 0x3C, 0xB2, 0xA1],
            [0xA1, 0xB2, 0x3C, 0x4D],
            [0x34, 0xCD, 0xB2, 0xA1],
            [0xA1, 0xB2, 0xCD, 0x34],
        ];
        for magic in magics {
            assert_eq!(Format::tell_at_once(&magic), Some(Format::Pcap), "{magic:02x?}");
        }
        assert_eq!(Format::tell_at_once(&[0x0A, 0x0D, 0x0D, 0x0A]), Some(Format::Pcapng));
        assert_eq!(Format::tell_at_once(&[0xD4, 0xC3, 0xB2]), None);
    }

    #[test]
    fn every_entry_of_the_catalogue_is_found_by_its_own_bytes() {
        for known in CATALOGUE {
            let mut head = vec![0; known.offset];
            head.extend_from_slice(known.bytes);
            assert_eq!(tell(&head), Format::Foreign(known.what));
            assert!(known.bytes.len() >= 2, "{:?} would be found by chance", known.what);
        }
    }

    /// Builds the start of an event trace with buffers of this number of bytes.
    fn event_trace(buffer: u32) -> Vec<u8> {
        let mut head = vec![0; 512];
        head[..4].copy_from_slice(&buffer.to_le_bytes());
        head[72..80].copy_from_slice(&[2, 0, 2, 0xC0, 0x40, 1, 0, 0]);
        head[104..108].copy_from_slice(&buffer.to_le_bytes());
        head
    }

    #[test]
    fn an_event_trace_is_told_by_its_bytes() {
        assert_eq!(tell(&event_trace(65_536)), Format::Foreign(Foreign::EventTrace));
        assert_eq!(tell(&event_trace(65_537)), Format::Foreign(Foreign::Unknown));
        let mut other = event_trace(65_536);
        other[104] = 1;
        assert_eq!(tell(&other), Format::Foreign(Foreign::Unknown));
    }

    #[test]
    fn a_command_can_be_pasted_whatever_the_name() {
        let advice = |name: &str| Foreign::EventTrace.advice(name);
        assert!(advice("my case/a.etl").contains("`etl2pcapng 'my case/a.etl' 'my case/a.pcapng'`"));
        assert!(advice(STANDARD_INPUT).contains("`etl2pcapng FILE FILE.pcapng`"));
        // Pasted, none of these does anything but name a file.
        assert!(advice("a;reboot.etl").contains("`etl2pcapng 'a;reboot.etl' 'a;reboot.pcapng'`"));
        assert!(advice("$(id)`id`.etl").contains("`etl2pcapng '$(id)`id`.etl' '$(id)`id`.pcapng'`"));
        assert!(advice("-o.etl").contains("`etl2pcapng ./-o.etl ./-o.pcapng`"));
        assert!(advice("a\nrm.etl").contains("`etl2pcapng FILE FILE.pcapng`"), "it cannot be shown as it is typed");
        assert!(advice("a\u{202E}lte.etl").contains("`etl2pcapng FILE FILE.pcapng`"));
    }

    #[test]
    fn an_event_trace_is_told_by_its_name_when_nothing_else_is_known() {
        assert_eq!(Format::tell(&[0; 64], "Case.ETL"), Format::Foreign(Foreign::EventTrace));
        assert_eq!(Format::tell(b"hello", "case.etl"), Format::Foreign(Foreign::Text));
        assert_eq!(Format::tell(&[0xD4, 0xC3, 0xB2, 0xA1], "case.etl"), Format::Pcap);
    }

    #[test]
    fn text_is_told_from_other_bytes() {
        assert_eq!(tell("Frame 1: grüße\r\n".as_bytes()), Format::Foreign(Foreign::Text));
        assert_eq!(tell(&"ü".as_bytes()[..1]), Format::Foreign(Foreign::Unknown));
        assert_eq!(tell(&[b"abc", &"ü".as_bytes()[..1]].concat()), Format::Foreign(Foreign::Text));
        assert_eq!(tell(b"abc\0"), Format::Foreign(Foreign::Unknown));
        assert_eq!(tell(b"\xFF\xFEa\0b\0"), Format::Foreign(Foreign::Text));
    }

    #[test]
    fn a_text_mode_transfer_is_told() {
        let good = [0x0A, 0x0D, 0x0D, 0x0A, 0x1C, 0, 0, 0, 0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0];
        // CR LF to LF; LF to CR LF; all to LF; all to CR.
        let starts: [&[u8]; 4] = [b"\n\r\n", b"\r\n\r\r\r\n", b"\n\n\n\n", b"\r\r\r\r"];
        for start in starts {
            let mangled = [start, &good[4..]].concat();
            assert_eq!(tell(&mangled), Format::Foreign(Foreign::TextModeTransfer), "{start:02x?}");
        }
        assert_eq!(tell(&good), Format::Pcapng);
        assert_eq!(tell(b"\n\n\nhello"), Format::Foreign(Foreign::Text));
    }
}
