//! The pcapng format: sections of either byte order, interfaces with their own clocks, and packets in three kinds of
//! blocks. Bytes in, records out; whoever calls does the reading. Custom and journal blocks get no packet number here,
//! so that Wireshark's numbers run ahead of ours in files that have some.
//! Sources: draft-ietf-opsawg-pcapng; facts FORMAT-01, PCAPNG-01.

use super::notes::{CaptureNotes, DamageKind, InterfaceNote, OddityKind, plain_text};
use super::order::{ByteOrder, padded};
use super::{PACKET_LIMIT, RESYNC_WINDOW, Scanned, UNKNOWN_INTERFACE};
use crate::packet::{LinkType, Record};
use crate::time::{SECOND, Timestamp};

/// Finds the packets of a pcapng file, one block of bytes after another.
#[derive(Clone, Debug)]
pub struct PcapngScanner {
    /// Of the section at hand.
    order: ByteOrder,
    /// Of the section at hand; a new section forgets them.
    interfaces: Vec<Interface>,
    capture: u32,
    /// Offset in the file of the first byte of the next block of bytes.
    position: u64,
    /// Time of the packet before, for those that have none.
    last_time: Timestamp,
    /// Bytes still to be passed over of a pcapng block too large to keep, and where it began.
    passing: Option<(u64, u64)>,
    /// Sum of the drop counts of packet records, which count only where no statistics block tells.
    packet_drops: Option<u64>,
    has_statistics: bool,
    lost: bool,
    notes: CaptureNotes,
}

impl PcapngScanner {
    /// A scanner for a whole file, its first section header included.
    pub fn new(name: &str, capture: u32) -> PcapngScanner {
        PcapngScanner {
            order: ByteOrder::Little,
            interfaces: Vec::new(),
            capture,
            position: 0,
            last_time: Timestamp(0),
            passing: None,
            packet_drops: None,
            has_statistics: false,
            lost: false,
            notes: CaptureNotes::new(name, "pcapng"),
        }
    }

    /// Emits every whole packet in the bytes, with offsets relative to them. `end_of_input` tells that the file has no
    /// byte after these. Packets are numbered from 1. A packet of an interface that is not described has the link type
    /// [`UNKNOWN_INTERFACE`]. How the file is cut into blocks of bytes changes nothing.
    pub fn scan(&mut self, bytes: &[u8], end_of_input: bool, emit: &mut impl FnMut(Record)) -> Scanned {
        let scanned = self.scan_bytes(bytes, end_of_input, emit);
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

    fn scan_bytes(&mut self, bytes: &[u8], end_of_input: bool, emit: &mut impl FnMut(Record)) -> Scanned {
        let mut at = 0;
        while !self.lost {
            if self.passing.is_some() {
                at += self.pass(bytes.len() - at);
                if self.passing.is_some() {
                    return self.stopped_while_passing(at, end_of_input);
                }
            }
            let rest = &bytes[at..];
            match frame(rest, self.order) {
                Frame::Whole { kind, order, length, even } => {
                    if !even {
                        self.notes.odd(OddityKind::UnevenBlockLength, self.notes.packets);
                    }
                    self.order = order;
                    let body = Body { bytes: &rest[8..length - 4], offset: at + 8 };
                    self.block(kind, body, emit);
                    at += length;
                }
                Frame::Oversized { length } => {
                    self.notes.skipped_blocks += 1;
                    self.passing = Some((length, self.position + at as u64));
                }
                Frame::Short { need } if !end_of_input => return Scanned::more(at, need),
                Frame::Short { .. } if rest.is_empty() => break,
                Frame::Short { .. } => at += self.recover(at, rest, end_of_input, None),
                Frame::Broken(_) if !end_of_input && rest.len() <= RESYNC_WINDOW => {
                    return Scanned::more(at, RESYNC_WINDOW + 1);
                }
                Frame::Broken(what) => at += self.recover(at, rest, end_of_input, Some(what)),
            }
        }
        Scanned::end(bytes.len())
    }

    fn pass(&mut self, available: usize) -> usize {
        let Some((left, start)) = self.passing else { return 0 };
        let step = left.min(available as u64);
        self.passing = (left > step).then_some((left - step, start));
        step as usize
    }

    fn stopped_while_passing(&mut self, at: usize, end_of_input: bool) -> Scanned {
        let Some((_, start)) = self.passing.filter(|_| end_of_input) else { return Scanned::more(at, 1) };
        self.lost = true;
        let what = "the file ends in the middle of a block".to_string();
        self.notes.damaged(start, DamageKind::CutOff, what, None);
        Scanned::end(at)
    }

    #[inline]
    fn block(&mut self, kind: u32, body: Body<'_>, emit: &mut impl FnMut(Record)) {
        let read = match kind {
            ENHANCED_PACKET => self.enhanced_packet(body).map(emit),
            SIMPLE_PACKET => self.simple_packet(body).map(emit),
            OBSOLETE_PACKET => self.obsolete_packet(body).map(emit),
            SECTION_HEADER => self.section(body),
            INTERFACE => self.interface(body),
            STATISTICS => self.statistics(body),
            NAME_RESOLUTION => Some(()),
            _ => {
                self.notes.skipped_blocks += 1;
                Some(())
            }
        };
        if read.is_none() {
            self.notes.odd(OddityKind::ShortBlock, self.notes.packets);
        }
    }

    #[inline]
    fn enhanced_packet(&mut self, body: Body<'_>) -> Option<Record> {
        let head: &[u8; 20] = body.bytes.first_chunk()?;
        let interface = self.order.u32(head, 0) as usize;
        Some(self.timed_packet(interface, head, body, DROP_COUNT))
    }

    fn obsolete_packet(&mut self, body: Body<'_>) -> Option<Record> {
        let head: &[u8; 20] = body.bytes.first_chunk()?;
        let interface = usize::from(self.order.u16(head, 0));
        let drops = self.order.u16(head, 2);
        if drops != OBSOLETE_DROPS_UNKNOWN {
            self.dropped_before_packet(u64::from(drops));
        }
        Some(self.timed_packet(interface, head, body, NO_OPTION))
    }

    /// The part that enhanced and obsolete packet blocks have in common: time, lengths, data, options.
    #[inline]
    fn timed_packet(&mut self, interface: usize, head: &[u8; 20], body: Body<'_>, drop_option: u16) -> Record {
        let ticks = u64::from(self.order.u32(head, 4)) << 32 | u64::from(self.order.u32(head, 8));
        let claimed = self.order.u32(head, 12);
        let original = self.order.u32(head, 16);
        let captured = self.held_to_block(claimed, body.bytes.len() - head.len());
        let (link, at) = match self.interfaces.get(interface) {
            Some(described) => (described.link, described.timescale.time(ticks)),
            None => (self.unknown_interface(), Timescale::default().time(ticks)),
        };
        self.last_time = at;
        let options = head.len() + padded(captured as usize);
        let record = self.packet(at, body.offset + head.len(), captured, original, link);
        self.notes.count(&record);
        if options < body.bytes.len() {
            self.packet_options(&body.bytes[options..], record.number.into(), drop_option);
        }
        record
    }

    /// A packet without time and interface: it has the time of the one before it and the first interface.
    fn simple_packet(&mut self, body: Body<'_>) -> Option<Record> {
        let head: &[u8; 4] = body.bytes.first_chunk()?;
        let original = self.order.u32(head, 0);
        let room = body.bytes.len() - head.len();
        let (link, snaplen) = match self.interfaces.first() {
            Some(described) => (described.link, described.snaplen),
            None => (self.unknown_interface(), 0),
        };
        let cut = if snaplen == 0 { original } else { original.min(snaplen) };
        let captured = cut.min(room as u32);
        self.notes.packets_without_time += 1;
        let record = self.packet(self.last_time, body.offset + head.len(), captured, original, link);
        self.notes.count_untimed(&record);
        Some(record)
    }

    #[inline]
    fn packet(&mut self, at: Timestamp, offset: usize, captured: u32, original: u32, link: LinkType) -> Record {
        let number = self.notes.next_number();
        if captured > original {
            self.notes.odd(OddityKind::CapturedAboveOriginal, number);
        }
        let original = original.max(captured);
        Record { at, number: number.into(), offset: offset as u32, captured, original, link, capture: self.capture }
    }

    #[inline]
    fn held_to_block(&mut self, captured: u32, room: usize) -> u32 {
        if captured as usize <= room {
            return captured;
        }
        self.notes.odd(OddityKind::PacketPastBlock, self.notes.next_number());
        room as u32
    }

    #[cold]
    fn unknown_interface(&mut self) -> LinkType {
        self.notes.unknown_interface += 1;
        UNKNOWN_INTERFACE
    }

    fn packet_options(&mut self, bytes: &[u8], number: u64, drop_option: u16) {
        for (code, value) in options(bytes, self.order) {
            if code == COMMENT {
                self.notes.comment(Some(number), value);
            } else if code == drop_option
                && let Some(count) = self.counter(value)
            {
                self.dropped_before_packet(count);
            }
        }
    }

    fn section(&mut self, body: Body<'_>) -> Option<()> {
        let head: &[u8; 16] = body.bytes.first_chunk()?;
        if !matches!((self.order.u16(head, 4), self.order.u16(head, 6)), (1, 0 | 2)) {
            self.notes.odd(OddityKind::SectionVersion, self.notes.packets);
        }
        if self.notes.detail.is_empty() {
            self.notes.detail = self.order.name().to_string();
        }
        self.interfaces.clear();
        for (code, value) in options(&body.bytes[head.len()..], self.order) {
            if code == COMMENT {
                self.notes.comment(None, value);
            }
        }
        Some(())
    }

    fn interface(&mut self, body: Body<'_>) -> Option<()> {
        let head: &[u8; 8] = body.bytes.first_chunk()?;
        let link = LinkType(self.order.u16(head, 0));
        let snaplen = self.order.u32(head, 4);
        let (mut name, mut description, mut timescale) = (None, None, Timescale::default());
        for (code, value) in options(&body.bytes[head.len()..], self.order) {
            match (code, value) {
                (COMMENT, text) => self.notes.comment(None, text),
                (NAME, text) => name = Some(short_text(text)),
                (DESCRIPTION, text) => description = Some(short_text(text)),
                (TIME_RESOLUTION, &[resolution, ..]) => timescale.resolution = Resolution::from_option(resolution),
                (TIME_OFFSET, value) => timescale.offset = self.counter(value).unwrap_or(0) as i64,
                _ => {}
            }
        }
        if self.interfaces.len() >= INTERFACES_KEPT {
            self.notes.odd(OddityKind::TooManyInterfaces, self.notes.packets);
            return Some(());
        }
        self.notes.link_type(link);
        self.notes.interface(|| InterfaceNote { name, description, link, snaplen });
        self.interfaces.push(Interface { link, snaplen, timescale, kernel: None, dropped: None });
        Some(())
    }

    /// Takes over the loss counters; the last statistics of an interface count, summed over the interfaces.
    fn statistics(&mut self, body: Body<'_>) -> Option<()> {
        let head: &[u8; 12] = body.bytes.first_chunk()?;
        let number = self.order.u32(head, 0) as usize;
        for (code, value) in options(&body.bytes[head.len()..], self.order) {
            let Some(count) = self.counter(value).filter(|_| matches!(code, DROPPED_BY_KERNEL | DROPPED_BY_INTERFACE))
            else {
                continue;
            };
            let Some(interface) = self.interfaces.get_mut(number) else { continue };
            if !self.has_statistics {
                self.has_statistics = true;
                self.notes.dropped.kernel = None;
            }
            if code == DROPPED_BY_KERNEL {
                replace_in_sum(&mut self.notes.dropped.kernel, &mut interface.kernel, count);
            } else {
                replace_in_sum(&mut self.notes.dropped.interface, &mut interface.dropped, count);
            }
        }
        Some(())
    }

    fn dropped_before_packet(&mut self, count: u64) {
        self.packet_drops = Some(self.packet_drops.unwrap_or(0).saturating_add(count));
        if !self.has_statistics {
            self.notes.dropped.kernel = self.packet_drops;
        }
    }

    fn counter(&self, value: &[u8]) -> Option<u64> {
        value.first_chunk().map(|&eight| self.order.u64(eight))
    }

    /// Notes the damage at `rest` and looks for the next block. Returns how many bytes to leave out, or gives up.
    #[cold]
    fn recover(&mut self, at: usize, rest: &[u8], end_of_input: bool, broken: Option<&str>) -> usize {
        let window = &rest[..rest.len().min(RESYNC_WINDOW)];
        let to_the_end = end_of_input && window.len() == rest.len();
        let position = self.position + at as u64;
        let skip = (1..window.len()).find(|&start| self.plausible(&window[start..], to_the_end));
        self.lost = skip.is_none();
        let what = match broken {
            Some(what) => what.to_string(),
            None if !self.lost => "a block claims more bytes than the file has".to_string(),
            None if is_packet(rest, self.order) => {
                format!("the file ends in the middle of packet {}", self.notes.next_number())
            }
            None => "the file ends in the middle of a block".to_string(),
        };
        let kind = if broken.is_none() && self.lost { DamageKind::CutOff } else { DamageKind::Broken };
        self.notes.damaged(position, kind, what, skip.map(|skip| position + skip as u64));
        skip.unwrap_or(rest.len())
    }

    /// Whether a whole block of a known kind begins here, and after it another one or the end of the file.
    fn plausible(&self, rest: &[u8], to_the_end: bool) -> bool {
        let Frame::Whole { kind, order, length, even: true } = frame(rest, self.order) else { return false };
        let known = |kind| KNOWN_BLOCKS.contains(&kind);
        let after = &rest[length..];
        known(kind) && ((to_the_end && after.is_empty()) || kind_of(after, order).is_some_and(known))
    }
}

/// The version in the section header that a file begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SectionVersion {
    pub(super) major: u16,
    pub(super) minor: u16,
}

impl SectionVersion {
    /// As many bytes as are looked at.
    pub(super) const BYTES: usize = 16;

    /// Checks the start of a file, or says what is wrong with it.
    pub(super) fn parse(head: &[u8]) -> Result<SectionVersion, &'static str> {
        let head: &[u8; Self::BYTES] = head.first_chunk().ok_or("it is too short")?;
        let order = section_order(head)?;
        if order.u32(head, 4) < SECTION_HEADER_LENGTH {
            return Err("the section header claims to be too short");
        }
        Ok(SectionVersion { major: order.u16(head, 12), minor: order.u16(head, 14) })
    }
}

/// What begins at some place: a block, or the reason why not.
enum Frame {
    /// A block of `length` bytes that are all there.
    Whole { kind: u32, order: ByteOrder, length: usize, even: bool },
    /// A block without packets that is too large to keep.
    Oversized { length: u64 },
    /// Too few bytes to tell, or for the whole block.
    Short { need: usize },
    /// No block.
    Broken(&'static str),
}

#[inline]
fn frame(rest: &[u8], order: ByteOrder) -> Frame {
    let Some(head) = rest.first_chunk::<12>() else { return Frame::Short { need: 12 } };
    let kind = order.u32(head, 0);
    let order = match kind {
        SECTION_HEADER => match section_order(head) {
            Ok(order) => order,
            Err(what) => return Frame::Broken(what),
        },
        _ => order,
    };
    let total = order.u32(head, 4);
    if total < 12 {
        return Frame::Broken("a block claims to be shorter than 12 bytes");
    }
    if total > BLOCK_LIMIT {
        let length = (u64::from(total) + 3) & !3;
        let large = "a block claims more than 64 MiB";
        return if HELD_NEVER.contains(&kind) { Frame::Oversized { length } } else { Frame::Broken(large) };
    }
    let length = padded(total as usize);
    let Some(block) = rest.get(..length) else { return Frame::Short { need: length } };
    let again = block.last_chunk::<4>().map(|four| order.u32(four, 0));
    if again != Some(total) && again != Some(length as u32) {
        return Frame::Broken("the two lengths of a block differ");
    }
    Frame::Whole { kind, order, length, even: length == total as usize }
}

fn section_order<const N: usize>(head: &[u8; N]) -> Result<ByteOrder, &'static str> {
    [ByteOrder::Little, ByteOrder::Big]
        .into_iter()
        .find(|order| order.u32(head, 8) == BYTE_ORDER_MAGIC)
        .ok_or("a section header does not tell its byte order")
}

fn kind_of(rest: &[u8], order: ByteOrder) -> Option<u32> {
    rest.first_chunk::<4>().map(|four| order.u32(four, 0))
}

fn is_packet(rest: &[u8], order: ByteOrder) -> bool {
    matches!(kind_of(rest, order), Some(ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET))
}

/// Code and value of every option; stops at the end mark, and at an option that claims to go on past the block.
fn options(mut rest: &[u8], order: ByteOrder) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let head: &[u8; 4] = rest.first_chunk()?;
        let (code, length) = (order.u16(head, 0), usize::from(order.u16(head, 2)));
        let value = rest.get(4..4 + length).filter(|_| code != END_OF_OPTIONS)?;
        rest = rest.get(4 + padded(length)..).unwrap_or(&[]);
        Some((code, value))
    })
}

fn short_text(bytes: &[u8]) -> String {
    plain_text(&bytes[..bytes.len().min(NAME_BYTES_KEPT)])
}

fn replace_in_sum(sum: &mut Option<u64>, part: &mut Option<u64>, new: u64) {
    let others = sum.unwrap_or(0).saturating_sub(part.unwrap_or(0));
    *sum = Some(others.saturating_add(new));
    *part = Some(new);
}

/// What stands between the two lengths of a block.
#[derive(Clone, Copy)]
struct Body<'a> {
    bytes: &'a [u8],
    /// Of the first of them, in the bytes at hand.
    offset: usize,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    snaplen: u32,
    timescale: Timescale,
    /// Losses as the last statistics block told them.
    kernel: Option<u64>,
    dropped: Option<u64>,
}

/// How the ticks of an interface become moments.
#[derive(Clone, Copy, Default, Debug)]
struct Timescale {
    resolution: Resolution,
    /// Seconds to add.
    offset: i64,
}

impl Timescale {
    /// Values that do not fit are held at the end of the range.
    #[inline]
    fn time(self, ticks: u64) -> Timestamp {
        let nanoseconds = match self.resolution {
            Resolution::Times(factor) => i128::from(ticks) * i128::from(factor),
            Resolution::Over(divisor) => (u128::from(ticks) / divisor) as i128,
            Resolution::Binary(shift) => (i128::from(ticks) * i128::from(SECOND)) >> shift,
        };
        let since_epoch = nanoseconds + i128::from(self.offset) * i128::from(SECOND);
        Timestamp(since_epoch.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }
}

/// From ticks of a clock to nanoseconds.
#[derive(Clone, Copy, Debug)]
enum Resolution {
    /// Ticks of one nanosecond or more.
    Times(u64),
    /// Ticks finer than a nanosecond.
    Over(u128),
    /// Ticks of a second over a power of two.
    Binary(u32),
}

impl Default for Resolution {
    fn default() -> Resolution {
        Resolution::Times(1_000)
    }
}

impl Resolution {
    /// The top bit tells the base, two or ten; the others are the negative exponent.
    fn from_option(value: u8) -> Resolution {
        let exponent = u32::from(value & 0x7F);
        if value & 0x80 != 0 {
            return Resolution::Binary(exponent);
        }
        match exponent {
            0..=9 => Resolution::Times(10_u64.pow(9 - exponent)),
            // Where the power does not fit, 64 bits of ticks are less than a nanosecond either way.
            _ => Resolution::Over(10_u128.checked_pow(exponent - 9).unwrap_or(u128::MAX)),
        }
    }
}

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const SECTION_HEADER_LENGTH: u32 = 28;
const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAME_RESOLUTION: u32 = 4;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const JOURNAL: u32 = 9;
const SECRETS: u32 = 10;
const CUSTOM: u32 = 0xBAD;
const CUSTOM_NOT_COPIED: u32 = 0x4000_0BAD;

/// Kinds that make a block likely when looking for one after damage.
const KNOWN_BLOCKS: [u32; 11] = [
    SECTION_HEADER,
    INTERFACE,
    OBSOLETE_PACKET,
    SIMPLE_PACKET,
    NAME_RESOLUTION,
    STATISTICS,
    ENHANCED_PACKET,
    JOURNAL,
    SECRETS,
    CUSTOM,
    CUSTOM_NOT_COPIED,
];

/// Kinds that may be of any size, since nothing of them is kept.
const HELD_NEVER: [u32; 5] = [NAME_RESOLUTION, JOURNAL, SECRETS, CUSTOM, CUSTOM_NOT_COPIED];

const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
/// In an interface description.
const NAME: u16 = 2;
const DESCRIPTION: u16 = 3;
const TIME_RESOLUTION: u16 = 9;
const TIME_OFFSET: u16 = 14;
/// In an enhanced packet block.
const DROP_COUNT: u16 = 4;
/// In a statistics block.
const DROPPED_BY_INTERFACE: u16 = 5;
const DROPPED_BY_KERNEL: u16 = 7;
/// Never met: the iterator stops at it.
const NO_OPTION: u16 = END_OF_OPTIONS;

const OBSOLETE_DROPS_UNKNOWN: u16 = 0xFFFF;

/// Largest block that is held in memory, in bytes: the largest packet and its options.
const BLOCK_LIMIT: u32 = PACKET_LIMIT;

/// Interfaces kept of one section.
const INTERFACES_KEPT: usize = 65_536;

/// Bytes kept of the name or the description of an interface.
const NAME_BYTES_KEPT: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::notes::{Comment, Dropped};
    use super::super::sample::{Bytes, ORDERS, START, Whole, read, read_from, read_in_pieces};
    use super::*;
    use std::io::Read;

    /// A section with one Ethernet interface in microseconds: 28 + 20 = 48 bytes.
    fn file() -> Bytes {
        Bytes::new(ByteOrder::Little).section().interface(1, 0, |none| none)
    }

    /// Twenty packets of 50 bytes, marked 1 to 20: each block is 84 bytes long, the first at 48.
    fn twenty() -> Vec<u8> {
        (1..=20).fold(file(), |file, mark| file.packet(u64::from(mark), &[mark; 50])).bytes
    }

    fn start(nanoseconds: i64) -> Timestamp {
        Timestamp::new(i64::from(START), nanoseconds)
    }

    #[test]
    fn sections_have_their_own_byte_order_and_interfaces() {
        let mut bytes = Vec::new();
        for order in ORDERS {
            let section = Bytes::new(order).section().interface(1, 96, |none| none).interface(101, 0, |none| none);
            let ticks = u64::from(START) * 1_000_000 + 5;
            bytes.extend(section.enhanced(1, ticks, 1_500, b"abcde", |none| none).bytes);
        }
        bytes.extend(Bytes::new(ByteOrder::Big).section().interface(113, 0, |none| none).packet(6, b"f").bytes);
        let Whole { packets, notes } = read(&bytes);
        let links: Vec<_> = packets.iter().map(|packet| packet.link).collect();
        assert_eq!(links, [LinkType::RAW, LinkType::RAW, LinkType::LINUX_SLL]);
        assert_eq!(packets[0].bytes, b"abcde");
        assert_eq!((packets[1].at, packets[1].original, packets[1].number), (start(5_000), 1_500, 2));
        assert_eq!(notes.link_types, [LinkType::ETHERNET, LinkType::RAW, LinkType::LINUX_SLL]);
        assert_eq!((notes.interfaces.len(), notes.truncated_packets, notes.damage), (5, 2, None));
        assert_eq!((notes.first, notes.last), (Some(start(5_000)), Some(start(6_000))));
    }

    /// Ticks, the two options, and nanoseconds since 1970, from the formula of the specification.
    #[test]
    fn clocks_tick_as_their_interface_says() {
        let cases: [(u64, Option<u8>, Option<i64>, i64); 9] = [
            (1_000_001, None, None, 1_000_001_000),
            (1_000_001, Some(6), None, 1_000_001_000),
            (1_000_000_001, Some(9), None, 1_000_000_001),
            (3, Some(0), None, 3_000_000_000),
            (1_000_999_999_999_999, Some(12), None, 1_000_999_999_999),
            (3 << 19, Some(0x80 | 20), None, 1_500_000_000),
            (1_000_000, Some(6), Some(-3), -2_000_000_000),
            (u64::MAX, Some(0), None, i64::MAX),
            (u64::MAX, Some(127), Some(1), 1_000_000_000),
        ];
        for (ticks, resolution, offset, expected) in cases {
            let file = Bytes::new(ByteOrder::Big).section().interface(1, 0, |mut body| {
                if let Some(resolution) = resolution {
                    body = body.option(9, &[resolution]);
                }
                if let Some(offset) = offset {
                    body = body.option(14, &offset.to_be_bytes());
                }
                body.option(0, &[])
            });
            let whole = read(&file.enhanced(0, ticks, 1, b"x", |none| none).bytes);
            assert_eq!(whole.packets[0].at, Timestamp(expected), "{ticks} ticks, {resolution:?}, {offset:?}");
        }
    }

    #[test]
    fn no_clock_overflows() {
        for value in 0..=u8::MAX {
            for offset in [i64::MIN, 0, i64::MAX] {
                let timescale = Timescale { resolution: Resolution::from_option(value), offset };
                assert!(timescale.time(0) <= timescale.time(u64::MAX), "{value} {offset}");
            }
        }
    }

    #[test]
    fn simple_packets_take_the_time_before_and_the_shortest_length() {
        for order in ORDERS {
            let body = |original: u32, data: &[u8]| Bytes::new(order).u32(original).raw(data);
            let file = Bytes::new(order).section().interface(1, 6, |none| none).packet(9, b"a");
            let file = file.block(3, body(4, b"bbbb")).block(3, body(100, b"cccccc")).block(3, body(6, b"dddd"));
            let whole = read(&file.bytes);
            let lengths: Vec<_> = whole.packets.iter().map(|packet| (packet.bytes.len(), packet.original)).collect();
            assert_eq!(lengths, [(1, 1), (4, 4), (6, 100), (4, 6)]);
            assert!(whole.packets.iter().all(|packet| packet.at == start(9_000)));
            assert_eq!(whole.notes.packets_without_time, 3);
        }
    }

    #[test]
    fn obsolete_packets_are_read_with_their_drops() {
        for order in ORDERS {
            let ticks = u64::from(START) * 1_000_000;
            let block = |drops: u16| {
                let body = Bytes::new(order).u16(0).u16(drops).u32((ticks >> 32) as u32).u32(ticks as u32);
                body.u32(3).u32(60).raw(b"abc")
            };
            let file = Bytes::new(order).section().interface(1, 0, |none| none);
            let whole = read(&file.block(2, block(0xFFFF)).block(2, block(2)).block(2, block(3)).bytes);
            assert_eq!(whole.packets.len(), 3);
            assert_eq!((whole.packets[2].at, whole.packets[2].original), (start(0), 60));
            assert_eq!(whole.packets[2].bytes, b"abc");
            assert_eq!(whole.notes.dropped, Dropped { kernel: Some(5), interface: None });
        }
    }

    #[test]
    fn drops_are_those_of_the_last_statistics_of_each_interface() {
        let number = |count: u64| count.to_le_bytes();
        let section = |kernel| {
            file()
                .interface(1, 0, |none| none)
                .statistics(0, |body| body.option(5, &number(1)).option(7, &number(2)))
                .statistics(0, |body| body.option(5, &number(3)).option(7, &number(4)))
                .statistics(1, |body| body.option(4, &number(999)).option(7, &number(kernel)).option(0, &[]))
                .bytes
        };
        let dropped = read(&[section(50), section(60)].concat()).notes.dropped;
        assert_eq!(dropped, Dropped { kernel: Some(4 + 50 + 4 + 60), interface: Some(3 + 3) });
    }

    #[test]
    fn drop_counts_of_packets_step_back_after_statistics() {
        let lost = |file: Bytes| file.enhanced(0, 1, 1, b"x", |body| body.option(4, &6_u64.to_le_bytes()));
        assert_eq!(read(&file().packet(0, b"x").bytes).notes.dropped, Dropped::default());
        let packets = read(&lost(lost(file())).bytes).notes.dropped;
        assert_eq!(packets, Dropped { kernel: Some(12), interface: None });
        let both = lost(lost(file()).statistics(0, |body| body.option(5, &8_u64.to_le_bytes())));
        assert_eq!(read(&both.bytes).notes.dropped, Dropped { kernel: None, interface: Some(8) });
    }

    #[test]
    fn comments_and_names_are_kept() {
        let interface = |body: Bytes| body.option(2, b"eth0").option(3, b"uplink\0").option(1, b"about it");
        let file = Bytes::new(ByteOrder::Big).section().interface(1, 128, interface).packet(0, b"a");
        let bytes = file.enhanced(0, 1, 1, b"b", |body| body.option(1, b"one").option(1, b"two").option(0, &[])).bytes;
        let notes = read(&bytes).notes;
        let comment = |packet, text: &str| Comment { packet, text: text.to_string() };
        let expected = [comment(None, "about it"), comment(Some(2), "one"), comment(Some(2), "two")];
        assert_eq!(notes.comments, expected);
        let named = (Some("eth0".to_string()), Some("uplink".to_string()));
        let interface = InterfaceNote { name: named.0, description: named.1, link: LinkType::ETHERNET, snaplen: 128 };
        assert_eq!(notes.interfaces, [interface]);
    }

    #[test]
    fn an_option_never_reaches_past_its_block() {
        let bytes = file().enhanced(0, 1, 1, b"a", |body| body.u16(1).u16(400).raw(b"no")).packet(2, b"b").bytes;
        let whole = read(&bytes);
        assert_eq!(whole.marks(), b"ab");
        assert_eq!(whole.notes.comments, []);
    }

    #[test]
    fn a_packet_of_an_unknown_interface_is_kept() {
        let file = file().enhanced(7, u64::from(START) * 1_000_000, 1, b"a", |none| none).packet(1, b"b");
        let whole = read(&file.bytes);
        assert_eq!(whole.packets[0].link, UNKNOWN_INTERFACE);
        assert_eq!((whole.packets[0].at, whole.packets[0].number), (start(0), 1));
        assert_eq!((whole.packets[1].link, whole.notes.unknown_interface), (LinkType::ETHERNET, 1));
    }

    #[test]
    fn a_packet_is_cut_where_its_block_ends() {
        let body = Bytes::new(ByteOrder::Little).u32(0).u32(0).u32(1).u32(1_000).u32(2_000).raw(b"abcd");
        let whole = read(&file().block(6, body).packet(1, b"e").bytes);
        assert_eq!(whole.packets[0].bytes, b"abcd");
        assert_eq!((whole.packets[0].original, whole.packets.len()), (2_000, 2));
        assert_eq!(whole.notes.oddities[0].kind, OddityKind::PacketPastBlock);
    }

    #[test]
    fn other_blocks_are_passed_over() {
        let body = || Bytes::new(ByteOrder::Little).raw(b"private!");
        let bytes = [0xBAD, 0x4000_0BAD, SECRETS, JOURNAL, 0x8000_0001, 77, NAME_RESOLUTION]
            .into_iter()
            .fold(file(), |file, kind| file.block(kind, body()))
            .packet(0, b"a")
            .bytes;
        let whole = read(&bytes);
        assert_eq!((whole.marks(), whole.packets[0].number), (b"a".to_vec(), 1));
        assert_eq!((whole.notes.skipped_blocks, whole.notes.damage), (6, None));
    }

    #[test]
    fn a_block_too_short_for_its_kind_is_left_out() {
        let bytes =
            [1, 2, 3, 5, 6].into_iter().fold(file(), |file, kind| file.block(kind, Bytes::new(ByteOrder::Little)));
        let whole = read(&bytes.packet(0, b"a").bytes);
        assert_eq!(whole.marks(), b"a");
        assert_eq!((whole.notes.oddities[0].kind, whole.notes.oddities[0].count), (OddityKind::ShortBlock, 5));
    }

    #[test]
    fn a_later_section_of_another_version_is_read_with_a_remark() {
        for (major, minor, odd) in [(1, 0, 0), (1, 2, 0), (1, 1, 1), (2, 0, 1)] {
            let body = Bytes::new(ByteOrder::Big).u32(BYTE_ORDER_MAGIC).u16(major).u16(minor).u64(u64::MAX);
            let section = Bytes::new(ByteOrder::Big).block(SECTION_HEADER, body).interface(1, 0, |none| none);
            let whole = read(&[twenty(), section.packet(0, b"z").bytes].concat());
            assert_eq!((whole.packets.len(), whole.notes.oddities.len()), (21, odd), "version {major}.{minor}");
        }
    }

    #[test]
    fn interfaces_beyond_the_limit_are_unknown() {
        let file = (0..INTERFACES_KEPT).fold(file(), |file, _| file.interface(101, 0, |none| none));
        let last = INTERFACES_KEPT as u32 - 1;
        let file = file.enhanced(last, 0, 1, b"a", |none| none).enhanced(last + 1, 0, 1, b"b", |none| none);
        let Whole { packets, notes } = read(&file.bytes);
        assert_eq!((packets[0].link, packets[1].link), (LinkType::RAW, UNKNOWN_INTERFACE));
        assert_eq!((notes.oddities[0].kind, notes.interfaces.len()), (OddityKind::TooManyInterfaces, 1_000));
    }

    #[test]
    fn an_uneven_block_length_is_rounded_up() {
        let mut bytes = file().packet(0, b"a").bytes;
        let at = bytes.len();
        bytes.extend(file().packet(1, b"b").bytes.split_off(48));
        // 33 instead of 36: the writer left the padding of one byte of data out of its sum.
        bytes[at + 4] = 33;
        let last = bytes.len() - 4;
        bytes[last] = 33;
        let whole = read(&bytes);
        assert_eq!(whole.marks(), b"ab");
        assert_eq!((whole.notes.oddities[0].kind, whole.notes.damage), (OddityKind::UnevenBlockLength, None));
    }

    #[test]
    fn a_file_cut_anywhere_keeps_what_is_whole() {
        let bytes = twenty();
        for length in 48..bytes.len() {
            let (blocks, left) = ((length - 48) / 84, (length - 48) % 84);
            let whole = read(&bytes[..length]);
            assert_eq!(whole.marks(), (1..=blocks as u8).collect::<Vec<_>>());
            let position = (length - left) as u64;
            assert_eq!(whole.damage(), (left > 0).then_some((position, None, blocks as u64)), "cut at {length}");
        }
        let cut = read(&bytes[..140]).notes.damage.map(|damage| (damage.kind, damage.what));
        assert_eq!(cut, Some((DamageKind::CutOff, "the file ends in the middle of packet 2".into())));
    }

    #[test]
    fn reading_goes_on_after_a_broken_block() {
        let broken = 48 + 4 * 84;
        // Length at the front: too short, different from the one at the end, beyond the file, beyond reason.
        for length in [8_u32, 88, 9_000, u32::MAX] {
            let mut bytes = twenty();
            bytes[broken + 4..broken + 8].copy_from_slice(&length.to_le_bytes());
            let whole = read(&bytes);
            assert_eq!(whole.damage(), Some((broken as u64, Some(broken as u64 + 84), 4)), "length {length}");
            assert_eq!(whole.marks(), (1..=20).filter(|&mark| mark != 5).collect::<Vec<_>>());
            assert_eq!(whole.packets[4].number, 5);
        }
    }

    #[test]
    fn zeros_at_the_end_are_damage() {
        let whole = read(&[twenty(), vec![0; 5_000]].concat());
        assert_eq!((whole.packets.len(), whole.damage()), (20, Some((48 + 20 * 84, None, 20))));
    }

    #[test]
    fn damage_longer_than_the_window_ends_the_reading() {
        for (length, resumes) in [(RESYNC_WINDOW - 200, true), (RESYNC_WINDOW + 1, false)] {
            let file = file().packet(0, b"a").raw(&vec![0xFF; length]);
            let bytes = (0..20_000).fold(file, |file, _| file.packet(1, b"b")).bytes;
            let whole = read(&bytes);
            assert_eq!(whole.packets.len(), if resumes { 20_001 } else { 1 });
            assert_eq!(whole.damage(), Some((84, resumes.then_some(84 + length as u64), 1)));
            assert!(read_in_pieces(&bytes, &[100_000, 7]).expect("the header is good") == whole, "the same in pieces");
            let mut scanner = PcapngScanner::new("test", 0);
            assert_eq!(scanner.scan(&bytes, true, &mut |_| ()), Scanned::end(bytes.len()));
            assert!(*scanner.notes() == whole.notes, "the same in one go");
        }
    }

    #[test]
    fn a_giant_block_without_packets_is_passed_over_unread() {
        let length = BLOCK_LIMIT + 4;
        let input = |zeros: u32| {
            let head = Bytes::new(ByteOrder::Little).u32(CUSTOM).u32(length).bytes;
            let tail = Bytes::new(ByteOrder::Little).u32(length).packet(0, b"b").bytes;
            let start = std::io::Cursor::new([file().packet(0, b"a").bytes, head].concat());
            start.chain(std::io::repeat(0).take(u64::from(zeros))).chain(std::io::Cursor::new(tail))
        };
        let whole = read_from(Box::new(input(length - 12))).expect("the header is good");
        assert_eq!(whole.marks(), b"ab");
        assert_eq!((whole.notes.skipped_blocks, whole.notes.damage), (1, None));
        let cut = read_from(Box::new(input(9_999))).expect("the header is good");
        assert_eq!((cut.marks(), cut.damage()), (b"a".to_vec(), Some((84, None, 1))));
    }
}
