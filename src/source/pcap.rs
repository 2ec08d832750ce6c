//! The pcap format, every variant that real files have: both byte orders, micro- and nanoseconds, and the "modified"
//! layout with longer record headers. Bytes in, records out; whoever calls does the reading.
//! Sources: draft-ietf-opsawg-pcap; facts FORMAT-01, PCAP-01, PCAP-02.

use super::notes::{CaptureNotes, DamageKind, OddityKind};
use super::order::ByteOrder;
use super::{PACKET_BOUND, PACKET_LIMIT, RESYNC_WINDOW, Scanned};
use crate::packet::{LinkType, Record};
use crate::time::Timestamp;

/// What the 24 bytes at the start of a pcap file say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PcapHeader {
    order: ByteOrder,
    /// Fractions of a second in one second.
    unit: u32,
    /// Bytes before the data of a record: 16, or 24 in the modified layout.
    record_header: usize,
    /// No record captures more bytes than this.
    bound: u32,
    link: LinkType,
}

/// Why bytes are not a pcap header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderError {
    /// Fewer than 24 bytes.
    TooShort,
    /// The first four bytes are not those of pcap.
    NotPcap,
    /// A version that is not 2 of something: major and minor number.
    Version(u16, u16),
}

/// Finds the packets of a pcap file, one block of bytes after another.
#[derive(Clone, Debug)]
pub struct PcapScanner {
    header: PcapHeader,
    capture: u32,
    /// Offset in the file of the first byte of the next block.
    position: u64,
    /// Seconds of the first and of the last record, which tell a likely time after damage.
    seconds: Option<(u32, u32)>,
    lost: bool,
    notes: CaptureNotes,
}

impl PcapHeader {
    /// Length of the header in bytes.
    pub const LENGTH: usize = 24;

    /// Reads the header. Any minor version is accepted; of the link field only the low 16 bits count, since the
    /// others tell about a frame check sequence.
    pub fn parse(bytes: &[u8]) -> Result<PcapHeader, HeaderError> {
        let head: &[u8; Self::LENGTH] = bytes.first_chunk().ok_or(HeaderError::TooShort)?;
        let (order, unit, record_header) = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
            0xD4C3_B2A1 => (ByteOrder::Little, MICROSECONDS, RECORD_HEADER),
            0xA1B2_C3D4 => (ByteOrder::Big, MICROSECONDS, RECORD_HEADER),
            0x4D3C_B2A1 => (ByteOrder::Little, NANOSECONDS, RECORD_HEADER),
            0xA1B2_3C4D => (ByteOrder::Big, NANOSECONDS, RECORD_HEADER),
            0x34CD_B2A1 => (ByteOrder::Little, MICROSECONDS, MODIFIED_RECORD_HEADER),
            0xA1B2_CD34 => (ByteOrder::Big, MICROSECONDS, MODIFIED_RECORD_HEADER),
            _ => return Err(HeaderError::NotPcap),
        };
        let (major, minor) = (order.u16(head, 4), order.u16(head, 6));
        if major != 2 {
            return Err(HeaderError::Version(major, minor));
        }
        let bound = order.u32(head, 16).clamp(PACKET_BOUND, PACKET_LIMIT);
        let link = LinkType((order.u32(head, 20) & 0xFFFF) as u16);
        Ok(PcapHeader { order, unit, record_header, bound, link })
    }

    /// What the first byte of every packet is.
    pub fn link(&self) -> LinkType {
        self.link
    }

    fn detail(&self) -> String {
        let unit = if self.unit == NANOSECONDS { "nanoseconds" } else { "microseconds" };
        let layout = if self.record_header == RECORD_HEADER { "" } else { ", modified record headers" };
        format!("{}, {unit}{layout}", self.order.name())
    }

    #[inline]
    fn record(&self, rest: &[u8]) -> Option<RecordHeader> {
        let head: &[u8; RECORD_HEADER] = rest.first_chunk()?;
        Some(RecordHeader {
            seconds: self.order.u32(head, 0),
            fraction: self.order.u32(head, 4),
            captured: self.order.u32(head, 8),
            original: self.order.u32(head, 12),
        })
    }

    /// Bytes of a record with its data.
    #[inline]
    fn length(&self, head: &RecordHeader) -> usize {
        self.record_header + head.captured as usize
    }

    /// Whether these bytes look like a record, judged more strictly than in reading: after damage nothing else
    /// confirms it. Empty records do not count, or a run of zeros would do.
    fn plausible(&self, rest: &[u8], near: impl Fn(u32) -> bool) -> Option<RecordHeader> {
        let head = self.record(rest)?;
        let lengths = 1 <= head.captured && head.captured <= self.bound && head.captured <= head.original;
        let fits = lengths && head.original <= PLAUSIBLE_ORIGINAL && head.fraction < self.unit && near(head.seconds);
        fits.then_some(head)
    }
}

impl PcapScanner {
    /// A scanner for what follows the header of a file.
    pub fn new(header: PcapHeader, name: &str, capture: u32) -> PcapScanner {
        let mut notes = CaptureNotes::new(name, "pcap");
        notes.detail = header.detail();
        notes.link_type(header.link);
        PcapScanner { header, capture, position: PcapHeader::LENGTH as u64, seconds: None, lost: false, notes }
    }

    /// Emits every whole packet in the bytes, with offsets relative to them. `end_of_input` tells that the file has no
    /// byte after these. Packets are numbered from 1 as Wireshark does. How the file is cut into blocks changes
    /// nothing.
    pub fn scan(&mut self, bytes: &[u8], end_of_input: bool, emit: &mut impl FnMut(Record)) -> Scanned {
        let scanned = self.scan_block(bytes, end_of_input, emit);
        self.position += scanned.consumed as u64;
        scanned
    }

    /// What was found so far.
    pub fn notes(&self) -> &CaptureNotes {
        &self.notes
    }

    pub(super) fn notes_mut(&mut self) -> &mut CaptureNotes {
        &mut self.notes
    }

    fn scan_block(&mut self, bytes: &[u8], end_of_input: bool, emit: &mut impl FnMut(Record)) -> Scanned {
        let mut at = 0;
        while !self.lost {
            let rest = &bytes[at..];
            if starts_like_magic(rest) {
                if rest.len() < PcapHeader::LENGTH && !end_of_input {
                    return Scanned::more(at, PcapHeader::LENGTH);
                }
                if let Ok(header) = PcapHeader::parse(rest) {
                    self.join(header);
                    at += PcapHeader::LENGTH;
                    continue;
                }
            }
            let Some(head) = self.header.record(rest) else {
                if !end_of_input {
                    return Scanned::more(at, self.header.record_header);
                }
                if !rest.is_empty() {
                    let what = cut_off(self.notes.next_number());
                    self.notes.damaged(self.position + at as u64, DamageKind::CutOff, what, None);
                }
                break;
            };
            let length = self.header.length(&head);
            let broken = self.broken(&head);
            if broken.is_none() && length <= rest.len() {
                let record = self.take(&head, at + self.header.record_header);
                emit(record);
                at += length;
                continue;
            }
            if !end_of_input && broken.is_none() {
                return Scanned::more(at, length);
            }
            if !end_of_input && rest.len() <= RESYNC_WINDOW {
                return Scanned::more(at, RESYNC_WINDOW + 1);
            }
            at += self.recover(at, rest, end_of_input, broken);
        }
        Scanned::end(bytes.len())
    }

    /// Why a record header cannot be one, if so. A header of zeros is what a crash leaves at the end of a file.
    #[inline]
    fn broken(&self, head: &RecordHeader) -> Option<Broken> {
        if head.captured > self.header.bound {
            return Some(Broken::Length(head.captured));
        }
        let RecordHeader { seconds, fraction, captured, original } = *head;
        (captured == 0 && seconds | fraction | original == 0).then_some(Broken::Zeros)
    }

    // Two callers: without this neither has it in line, and each packet pays for the call.
    #[inline(always)]
    fn take(&mut self, head: &RecordHeader, offset: usize) -> Record {
        let number = self.notes.next_number();
        if head.fraction >= self.header.unit {
            self.notes.odd(OddityKind::FractionBeyondSecond, number);
        }
        if head.captured > head.original {
            self.notes.odd(OddityKind::CapturedAboveOriginal, number);
        }
        let first = self.seconds.map_or(head.seconds, |(first, _)| first);
        self.seconds = Some((first, head.seconds));
        let nanoseconds = i64::from(head.fraction) * i64::from(NANOSECONDS / self.header.unit);
        let record = Record {
            at: Timestamp::new(i64::from(head.seconds), nanoseconds),
            number: number.into(),
            offset: offset as u32,
            captured: head.captured,
            original: head.original.max(head.captured),
            link: self.header.link,
            capture: self.capture,
        };
        self.notes.count(&record);
        record
    }

    fn join(&mut self, header: PcapHeader) {
        self.header = header;
        self.seconds = None;
        self.notes.link_type(header.link);
        self.notes.odd(OddityKind::HeaderInTheMiddle, self.notes.packets);
    }

    /// Notes the damage at `rest` and looks for the next record. Returns how many bytes to leave out, or gives up.
    #[cold]
    fn recover(&mut self, at: usize, rest: &[u8], end_of_input: bool, broken: Option<Broken>) -> usize {
        let window = &rest[..rest.len().min(RESYNC_WINDOW)];
        let to_the_end = end_of_input && window.len() == rest.len();
        let position = self.position + at as u64;
        let skip = self.next_record(window, to_the_end);
        self.lost = skip.is_none();
        let number = self.notes.next_number();
        let what = match broken {
            Some(Broken::Length(claimed)) => {
                format!("the record of packet {number} claims {claimed} captured bytes, more than a packet can have")
            }
            Some(Broken::Zeros) => "there are zeros where a record should be".to_string(),
            None if self.lost => cut_off(number),
            None => format!("the record of packet {number} claims more bytes than the file has"),
        };
        let kind = if broken.is_none() && self.lost { DamageKind::CutOff } else { DamageKind::Broken };
        self.notes.damaged(position, kind, what, skip.map(|skip| position + skip as u64));
        skip.unwrap_or(rest.len())
    }

    /// Where the next record begins: two likely ones in a row, or one that ends with the file, or a new file header.
    /// A time is likely within a day of the first or the last one before the damage.
    fn next_record(&self, window: &[u8], to_the_end: bool) -> Option<usize> {
        let known = self.seconds;
        let near_known =
            |seconds| known.is_none_or(|(first, last)| within_a_day(seconds, first) || within_a_day(seconds, last));
        (1..window.len()).find(|&start| {
            let rest = &window[start..];
            if starts_like_magic(rest) && PcapHeader::parse(rest).is_ok() {
                return true;
            }
            let Some(head) = self.header.plausible(rest, near_known) else { return false };
            let Some(after) = rest.get(self.header.length(&head)..) else { return false };
            (to_the_end && after.is_empty())
                || self.header.plausible(after, |seconds| within_a_day(seconds, head.seconds)).is_some()
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct RecordHeader {
    seconds: u32,
    fraction: u32,
    captured: u32,
    original: u32,
}

#[derive(Clone, Copy, Debug)]
enum Broken {
    Length(u32),
    Zeros,
}

/// All magic numbers have the bytes `A1 B2` at one end or `B2 A1` at the other; cheap enough to ask of every record.
#[inline]
fn starts_like_magic(bytes: &[u8]) -> bool {
    bytes.first_chunk().is_some_and(|&[a, b, c, d]: &[u8; 4]| (a, b) == (0xA1, 0xB2) || (c, d) == (0xB2, 0xA1))
}

fn cut_off(number: u64) -> String {
    format!("the file ends in the middle of packet {number}")
}

fn within_a_day(seconds: u32, other: u32) -> bool {
    seconds.abs_diff(other) <= 86_400
}

/// Bytes of a record header.
const RECORD_HEADER: usize = 16;

/// Bytes of a record header in the modified layout: after the usual 16 the interface, protocol and packet type of patched Linux
/// kernels.
const MODIFIED_RECORD_HEADER: usize = 24;

const MICROSECONDS: u32 = 1_000_000;
const NANOSECONDS: u32 = 1_000_000_000;

/// Largest original length, in bytes, that makes a record likely when looking for one after damage.
const PLAUSIBLE_ORIGINAL: u32 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::super::sample::{Bytes, ORDERS, START, Whole, read, read_in_pieces};
    use super::*;

    const MICRO: u32 = 0xA1B2_C3D4;
    const NANO: u32 = 0xA1B2_3C4D;
    const MODIFIED: u32 = 0xA1B2_CD34;

    fn file() -> Bytes {
        Bytes::new(ByteOrder::Little).pcap(MICRO, 65_535, 1)
    }

    /// Twenty packets of 50 bytes, marked 1 to 20, a second apart: each record is 66 bytes long, the first at 24.
    fn twenty() -> Vec<u8> {
        (1..=20).fold(file(), |file, mark| file.record(START + u32::from(mark), 7, 60, &[mark; 50])).bytes
    }

    #[test]
    fn every_byte_order_and_resolution_is_read() {
        for order in ORDERS {
            for (magic, nanoseconds) in [(MICRO, 123_456_000), (NANO, 123_456)] {
                let bytes = Bytes::new(order).pcap(magic, 0, 113).record(START, 123_456, 1_500, b"abc").bytes;
                let Whole { packets, notes } = read(&bytes);
                assert_eq!(packets.len(), 1);
                assert_eq!(packets[0].at, Timestamp::new(i64::from(START), nanoseconds));
                assert_eq!((packets[0].original, packets[0].bytes.as_slice()), (1_500, b"abc".as_slice()));
                assert_eq!((packets[0].number, packets[0].link), (1, LinkType::LINUX_SLL));
                assert_eq!(
                    (notes.packets, notes.captured_bytes, notes.bytes, notes.truncated_packets),
                    (1, 3, 1_500, 1)
                );
                assert_eq!((notes.link_types, notes.damage), (vec![LinkType::LINUX_SLL], None));
            }
        }
    }

    #[test]
    fn modified_records_have_eight_more_bytes() {
        for order in ORDERS {
            let record = |file: Bytes, data: &[u8]| {
                file.u32(START).u32(1).u32(data.len() as u32).u32(9).u64(0x0102_0304_0506_0708).raw(data)
            };
            let bytes = record(record(Bytes::new(order).pcap(MODIFIED, 96, 1), b"one"), b"three").bytes;
            let whole = read(&bytes);
            assert_eq!(whole.packets.iter().map(|packet| packet.bytes.len()).collect::<Vec<_>>(), [3, 5]);
            assert_eq!(whole.marks(), b"ot");
            assert!(whole.notes.detail.ends_with("modified record headers"), "{}", whole.notes.detail);
        }
    }

    #[test]
    fn seconds_are_unsigned() {
        let whole = read(&file().record(u32::MAX, 0, 1, b"x").bytes);
        assert_eq!(whole.packets[0].at, Timestamp::new(4_294_967_295, 0));
    }

    #[test]
    fn only_the_low_bits_of_the_link_field_are_the_link_type() {
        let header = PcapHeader::parse(&Bytes::new(ByteOrder::Big).pcap(MICRO, 0, 0x2400_0065).bytes);
        assert_eq!(header.map(|header| header.link()), Ok(LinkType::RAW));
    }

    #[test]
    fn a_header_of_another_version_is_refused() {
        let mut bytes = file().bytes;
        bytes[4] = 3;
        assert_eq!(PcapHeader::parse(&bytes), Err(HeaderError::Version(3, 4)));
        assert_eq!(PcapHeader::parse(&bytes[..23]), Err(HeaderError::TooShort));
        assert_eq!(PcapHeader::parse(&[0; 24]), Err(HeaderError::NotPcap));
    }

    #[test]
    fn oddities_are_told_and_put_right() {
        let whole = read(&file().record(START, 2_500_000, 1, b"xy").record(START, 0, 0, b"z").bytes);
        assert_eq!(whole.packets[0].at, Timestamp::new(i64::from(START) + 2, 500_000_000));
        assert_eq!(whole.packets.iter().map(|packet| packet.original).collect::<Vec<_>>(), [2, 1]);
        let odd: Vec<_> = whole.notes.oddities.iter().map(|odd| (odd.kind, odd.count, odd.packet)).collect();
        let expected = [(OddityKind::FractionBeyondSecond, 1, 1), (OddityKind::CapturedAboveOriginal, 2, 1)];
        assert_eq!(odd, expected);
    }

    #[test]
    fn an_empty_packet_counts() {
        let whole = read(&file().record(START, 0, 60, b"").record(START, 1, 60, b"a").bytes);
        assert_eq!(whole.packets.iter().map(|packet| packet.bytes.len()).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(whole.notes.damage, None);
    }

    #[test]
    fn a_file_cut_anywhere_keeps_what_is_whole() {
        let bytes = twenty();
        for length in PcapHeader::LENGTH..bytes.len() {
            let (records, left) = ((length - 24) / 66, (length - 24) % 66);
            let whole = read(&bytes[..length]);
            assert_eq!(whole.marks(), (1..=records as u8).collect::<Vec<_>>());
            let position = (length - left) as u64;
            assert_eq!(whole.damage(), (left > 0).then_some((position, None, records as u64)), "cut at {length}");
        }
        let cut = read(&bytes[..100]).notes.damage.map(|damage| (damage.kind, damage.what));
        assert_eq!(cut, Some((DamageKind::CutOff, "the file ends in the middle of packet 2".into())));
    }

    #[test]
    fn reading_goes_on_after_an_impossible_length() {
        let mut bytes = twenty();
        let broken = 24 + 4 * 66;
        bytes[broken + 8..broken + 12].copy_from_slice(&[0xFF; 4]);
        let whole = read(&bytes);
        assert_eq!(whole.damage(), Some((broken as u64, Some(broken as u64 + 66), 4)));
        assert_eq!(whole.marks(), (1..=20).filter(|&mark| mark != 5).collect::<Vec<_>>());
        assert_eq!(whole.packets[4].number, 5);
    }

    #[test]
    fn reading_goes_on_after_a_length_that_leaves_the_file() {
        let mut bytes = twenty();
        bytes[24 + 4 * 66 + 8..][..4].copy_from_slice(&200_000_u32.to_le_bytes());
        let whole = read(&bytes);
        assert_eq!(whole.damage(), Some((24 + 4 * 66, Some(24 + 5 * 66), 4)));
        assert_eq!(whole.marks().len(), 19);
    }

    #[test]
    fn reading_goes_on_after_lost_bytes() {
        let mut bytes = twenty();
        bytes.drain(24 + 4 * 66 - 10..24 + 6 * 66 - 30);
        let whole = read(&bytes);
        // Packet 4 takes ten bytes of what follows it; then comes the rest of packet 6, then packet 7.
        assert_eq!(whole.marks()[..5], [1, 2, 3, 4, 7]);
        assert_eq!(whole.notes.damages, 1);
    }

    #[test]
    fn a_last_record_alone_is_found_when_it_ends_with_the_file() {
        let mut bytes = twenty();
        let broken = 24 + 18 * 66;
        bytes[broken + 8..broken + 12].copy_from_slice(&[0xFF; 4]);
        assert_eq!(read(&bytes).damage(), Some((broken as u64, Some(broken as u64 + 66), 18)));
        bytes.pop();
        let given_up = read(&bytes);
        assert_eq!(given_up.damage(), Some((broken as u64, None, 18)));
        assert_eq!(given_up.notes.damage.map(|damage| damage.kind), Some(DamageKind::Broken));
    }

    #[test]
    fn zeros_at_the_end_are_no_packets() {
        let whole = read(&[twenty(), vec![0; 5_000]].concat());
        assert_eq!(whole.packets.len(), 20);
        assert_eq!(whole.damage(), Some((24 + 20 * 66, None, 20)));
    }

    #[test]
    fn records_of_another_time_are_not_taken_for_the_next() {
        let mut bytes = file().record(START, 0, 5, b"first").bytes;
        let broken = bytes.len() as u64;
        bytes.extend([0xFF; 40]);
        bytes.extend(Bytes::new(ByteOrder::Little).record(5, 0, 3, b"old").record(6, 0, 3, b"old").bytes);
        assert_eq!(read(&bytes).damage(), Some((broken, None, 1)));
    }

    #[test]
    fn damage_longer_than_the_window_ends_the_reading() {
        for (length, resumes) in [(RESYNC_WINDOW - 200, true), (RESYNC_WINDOW + 1, false)] {
            let garbage = vec![0xFF; length];
            let file = file().record(START, 0, 1, b"a").raw(&garbage);
            let bytes = (0..50_000).fold(file, |file, _| file.record(START, 1, 30, &[b'b'; 30])).bytes;
            let whole = read(&bytes);
            assert_eq!(whole.packets.len(), if resumes { 50_001 } else { 1 });
            assert_eq!(whole.damage(), Some((41, resumes.then_some(41 + length as u64), 1)));
            let pieces = read_in_pieces(&bytes, &[100_000, 7]).expect("the header is good");
            assert!(pieces == whole, "the same in pieces");
            assert!(scan_at_once(&bytes) == whole.notes, "the same in one go");
        }
    }

    /// As in one huge block, which no reader makes.
    fn scan_at_once(bytes: &[u8]) -> CaptureNotes {
        let header = PcapHeader::parse(bytes).expect("the header is good");
        let mut scanner = PcapScanner::new(header, "test", 0);
        let scanned = scanner.scan(&bytes[PcapHeader::LENGTH..], true, &mut |_| ());
        assert_eq!(scanned, Scanned::end(bytes.len() - PcapHeader::LENGTH));
        scanner.notes().clone()
    }

    #[test]
    fn files_joined_by_hand_are_both_read() {
        for (first, second) in [(ByteOrder::Little, ByteOrder::Big), (ByteOrder::Big, ByteOrder::Big)] {
            let one = Bytes::new(first).pcap(MICRO, 0, 1).record(START, 1, 1, b"a").bytes;
            let two = Bytes::new(second).pcap(NANO, 0, 101).record(START - 9_999_999, 1, 1, b"b").bytes;
            let whole = read(&[one, two].concat());
            assert_eq!(whole.marks(), b"ab");
            assert_eq!(whole.packets[1].at, Timestamp::new(i64::from(START) - 9_999_999, 1));
            assert_eq!(whole.notes.link_types, [LinkType::ETHERNET, LinkType::RAW]);
            assert_eq!(whole.notes.oddities.len(), 1);
            assert_eq!(whole.notes.damage, None);
        }
    }

    #[test]
    fn a_time_that_looks_like_a_magic_number_is_a_time() {
        let whole = read(&file().record(0xA1B2_C3D4, 262_147, 1, b"a").record(0xA1B2_C3D4, 0, 1, b"b").bytes);
        assert_eq!(whole.marks(), b"ab");
        assert_eq!(whole.notes.oddities, []);
    }

    #[test]
    fn a_huge_packet_is_read_when_the_header_announces_it() {
        let huge = vec![b'h'; 5 * 1024 * 1024];
        let body = |snaplen| {
            let file = Bytes::new(ByteOrder::Little).pcap(MICRO, snaplen, 1).record(START, 0, 1, b"a");
            file.record(START, 0, huge.len() as u32, &huge).record(START, 0, 1, b"z").bytes
        };
        let whole = read(&body(8 * 1024 * 1024));
        assert_eq!(whole.marks(), b"ahz");
        assert!(whole.packets[1].bytes == huge);
        assert_eq!(read(&body(65_535)).damage(), Some((41, None, 1)));
    }
}
