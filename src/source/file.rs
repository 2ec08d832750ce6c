//! A capture file, read in large blocks into the memory of a batch. Only the bytes of a packet that a block cuts in two
//! are ever copied.

use super::Scanned;
use super::error::ReadError;
use super::filter::Sieve;
use super::format::{Foreign, Format};
use super::notes::CaptureNotes;
#[cfg(feature = "live")]
use super::notes::FilterNote;
use super::pcap::{HeaderError, PcapHeader, PcapScanner};
use super::pcapng::{PcapngScanner, SectionVersion};
use crate::packet::Record;
use crate::time::Timestamp;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// One capture being read, from a file, standard input or memory.
pub struct CaptureFile {
    input: Box<dyn Read + Send>,
    name: String,
    /// Where it lies; none for what cannot be opened again.
    path: Option<PathBuf>,
    size: Option<u64>,
    /// Bytes that are read in one go.
    block: usize,
    scanner: Scanner,
    filter: Option<Sieve>,
    /// Bytes that were read and belong to the next batch.
    carry: Vec<u8>,
    /// How many bytes the scanner must see before it is worth asking it again.
    need: usize,
    /// Bytes that came from the input so far.
    bytes_read: u64,
    /// Why the input broke off, until it is told.
    failure: Option<io::Error>,
    end_of_input: bool,
    ended: bool,
}

/// Whether a capture has more packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum More {
    /// There may be more.
    Maybe,
    /// That was the last batch; the notes are complete.
    No,
}

impl CaptureFile {
    /// Opens a file and reads its header. `capture` is its number in the audit and stands in every record.
    pub fn open(path: &Path, capture: u32) -> Result<CaptureFile, ReadError> {
        let name = path.display().to_string();
        let opened = File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        let (file, metadata) = match opened {
            Ok(opened) => opened,
            Err(error) => return Err(ReadError::Open { name, error }),
        };
        if metadata.is_dir() {
            return Err(ReadError::Directory { name });
        }
        let mut capture_file = CaptureFile::from_reader(Box::new(file), &name, capture)?;
        if metadata.is_file() {
            capture_file.size = Some(metadata.len());
            capture_file.path = Some(path.into());
        }
        Ok(capture_file)
    }

    /// Reads the header of a capture out of anything, such as standard input. From a pipe no more is waited for than
    /// the header needs.
    pub fn from_reader(input: Box<dyn Read + Send>, name: &str, capture: u32) -> Result<CaptureFile, ReadError> {
        let mut start = Start { input, head: Vec::with_capacity(Format::HEAD), name };
        let scanner = start.scanner(capture)?;
        let bytes_read = start.head.len() as u64;
        let mut carry = start.head;
        if matches!(scanner, Scanner::Pcap(_)) {
            carry.drain(..PcapHeader::LENGTH);
        }
        Ok(CaptureFile {
            input: start.input,
            name: name.to_string(),
            path: None,
            size: None,
            block: BLOCK,
            scanner,
            filter: None,
            carry,
            need: 0,
            bytes_read,
            failure: None,
            end_of_input: false,
            ended: false,
        })
    }

    /// From now on shows only what a filter in the language of pcap-filter(7) lets through; the notes count the rest.
    /// [`CaptureFile::peek_first`] looks at all packets.
    #[cfg(feature = "live")]
    pub fn filter_by(&mut self, program: &str) {
        self.filter = Some(Sieve::new(program));
        let filter = FilterNote { program: program.into(), left_out: Some(0), refused: None };
        self.scanner.notes_mut().filter = Some(filter);
    }

    /// Reads the next block and shows its packets, each with the block that its record points into. `block` is the
    /// memory of the block before, which is used again. Returns as soon as there is a whole packet, so that a live pipe
    /// flows. There may be no packet when this says [`More::No`].
    ///
    /// # Errors
    /// The input cannot be read and not one packet was, or the filter has no meaning for any of them. A failure later on is
    /// noted as damage.
    #[inline]
    pub fn scan(&mut self, bytes: &mut Vec<u8>, found: &mut impl FnMut(&[u8], Record)) -> Result<More, ReadError> {
        if self.ended {
            return Ok(More::No);
        }
        let mut filled = self.begin(bytes);
        loop {
            while filled < self.need && !self.end_of_input {
                filled += self.read(bytes, filled, self.need);
            }
            let block = &bytes[..filled];
            let mut any = false;
            let scanned = self.scanner.scan(block, self.end_of_input, &mut |record: Record| {
                any = true;
                if let Some(filter) = &mut self.filter
                    && !filter.lets_through(record.link, record.packet(block).bytes)
                {
                    return;
                }
                found(block, record);
            });
            if any || scanned.ended {
                return self.settle(scanned, &bytes[scanned.consumed..filled]);
            }
            bytes.copy_within(scanned.consumed..filled, 0);
            filled -= scanned.consumed;
            self.need = scanned.need;
        }
    }

    /// The time of the first packet, which stays where it is; waits for it on a pipe. None where there is no packet
    /// within the first 4 MiB, or none that has a time.
    pub fn peek_first(&mut self) -> Option<Timestamp> {
        let mut need = self.need;
        loop {
            while self.carry.len() < need && !self.end_of_input {
                let mut carry = std::mem::take(&mut self.carry);
                let filled = carry.len();
                carry.resize(filled.max(PEEK_BLOCK), 0);
                let more = self.read(&mut carry, filled, need);
                carry.truncate(filled + more);
                self.carry = carry;
            }
            let mut scout = self.scanner.clone();
            let mut first = None;
            let scanned = scout.scan(&self.carry, self.end_of_input, &mut |record| {
                first.get_or_insert(record.at);
            });
            self.need = 0;
            if first.is_some() || scanned.ended || self.carry.len() > PEEK_LIMIT {
                // A packet without a time of its own comes before any time: then the earliest one known must do.
                return first.and_then(|at| scout.notes().first.map(|earliest| at.max(earliest)));
            }
            need = scanned.consumed + scanned.need;
        }
    }

    /// Closes the file between blocks, so that many can be read at the same time. A pipe stays open.
    pub fn rest(&mut self) {
        if let Some(path) = self.path.clone() {
            self.input = Box::new(Resting { path, position: self.bytes_read });
        }
    }

    /// Reads blocks of this many bytes from now on. A packet that is larger still comes whole.
    pub fn use_blocks_of(&mut self, bytes: usize) {
        self.block = bytes;
    }

    /// What was found so far.
    pub fn notes(&self) -> &CaptureNotes {
        self.scanner.notes()
    }

    /// Bytes read so far; with [`CaptureFile::size`] a measure of progress.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Length of the file in bytes when it was opened; none for a pipe.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Makes room for a block and puts what was carried over at its start. There is always room to read on by half a
    /// block or more, or a file that is damaged all over would be moved about for every few bytes of progress. Memory
    /// that one huge packet took is given back.
    fn begin(&mut self, bytes: &mut Vec<u8>) -> usize {
        let filled = self.carry.len();
        let length = if filled <= self.block / 2 { self.block } else { filled + self.block };
        if bytes.len() < length || bytes.len() > length.max(LARGE_BLOCK) {
            *bytes = vec![0; length];
        }
        bytes[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        filled
    }

    /// Reads once, after the bytes that are there already, and tells how many came. When these take all the room, it
    /// grows step by step, so that a length that is a lie costs no more memory than the file has bytes.
    fn read(&mut self, bytes: &mut Vec<u8>, filled: usize, need: usize) -> usize {
        if filled == bytes.len() {
            bytes.resize(need.min(2 * filled).max(filled + self.block), 0);
        }
        match read_once(&mut self.input, &mut bytes[filled..]) {
            Ok(0) => self.end_of_input = true,
            Ok(count) => {
                self.bytes_read += count as u64;
                return count;
            }
            Err(error) => {
                self.end_of_input = true;
                self.failure = Some(error);
            }
        }
        0
    }

    /// Notes what the filter left out. Where it has no meaning for any packet of the capture, that is an error.
    #[cfg(feature = "live")]
    fn settle_filter(&mut self) -> Result<(), ReadError> {
        let Some(filter) = &mut self.filter else { return Ok(()) };
        if self.ended
            && filter.fits_no_link()
            && let Some((link, why)) = filter.refused.take()
        {
            return Err(ReadError::Filter { name: self.name.clone(), link: link.name(), why });
        }
        if let Some(note) = &mut self.scanner.notes_mut().filter {
            note.left_out = Some(filter.left_out);
            note.refused.clone_from(&filter.refused);
        }
        Ok(())
    }

    /// Keeps what the next batch begins with, and tells a failure of the input once what came before it is out.
    fn settle(&mut self, scanned: Scanned, rest: &[u8]) -> Result<More, ReadError> {
        self.carry.extend_from_slice(rest);
        self.need = scanned.need;
        self.ended = scanned.ended;
        #[cfg(feature = "live")]
        self.settle_filter()?;
        if !self.ended {
            return Ok(More::Maybe);
        }
        if let Some(error) = self.failure.take() {
            if self.notes().packets == 0 {
                return Err(ReadError::Read { name: self.name.clone(), error });
            }
            self.scanner.notes_mut().broke_off(self.bytes_read, &error);
        }
        Ok(More::No)
    }
}

impl fmt::Debug for CaptureFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureFile")
            .field("name", &self.name)
            .field("bytes_read", &self.bytes_read)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum Scanner {
    Pcap(PcapScanner),
    Pcapng(PcapngScanner),
}

impl Scanner {
    fn scan(&mut self, bytes: &[u8], end_of_input: bool, emit: &mut impl FnMut(Record)) -> Scanned {
        match self {
            Scanner::Pcap(scanner) => scanner.scan(bytes, end_of_input, emit),
            Scanner::Pcapng(scanner) => scanner.scan(bytes, end_of_input, emit),
        }
    }

    fn notes(&self) -> &CaptureNotes {
        match self {
            Scanner::Pcap(scanner) => scanner.notes(),
            Scanner::Pcapng(scanner) => scanner.notes(),
        }
    }

    fn notes_mut(&mut self) -> &mut CaptureNotes {
        match self {
            Scanner::Pcap(scanner) => scanner.notes_mut(),
            Scanner::Pcapng(scanner) => scanner.notes_mut(),
        }
    }
}

/// An input of which the first bytes are being looked at.
struct Start<'a> {
    input: Box<dyn Read + Send>,
    head: Vec<u8>,
    name: &'a str,
}

impl Start<'_> {
    /// Tells the format and checks the file header.
    fn scanner(&mut self, capture: u32) -> Result<Scanner, ReadError> {
        self.read_until(|head| Format::tell_at_once(head).is_some() || head.len() >= Format::HEAD)?;
        if self.head.is_empty() {
            return Err(ReadError::Empty { name: self.name.to_string() });
        }
        match Format::tell(&self.head, self.name) {
            Format::Pcap => self.pcap(capture),
            Format::Pcapng => self.pcapng(capture),
            Format::Foreign(Foreign::Unknown) if self.head.len() < PcapHeader::LENGTH => Err(self.too_short()),
            Format::Foreign(what) => Err(ReadError::Foreign { name: self.name.to_string(), what }),
        }
    }

    fn pcap(&mut self, capture: u32) -> Result<Scanner, ReadError> {
        self.read_until(|head| head.len() >= PcapHeader::LENGTH)?;
        let name = self.name.to_string();
        match PcapHeader::parse(&self.head) {
            Ok(header) => Ok(Scanner::Pcap(PcapScanner::new(header, self.name, capture))),
            Err(HeaderError::TooShort) => Err(self.too_short()),
            Err(HeaderError::Version(major, minor)) => Err(ReadError::Version { name, format: "pcap", major, minor }),
            Err(HeaderError::NotPcap) => Err(ReadError::Foreign { name, what: Foreign::Unknown }),
        }
    }

    fn pcapng(&mut self, capture: u32) -> Result<Scanner, ReadError> {
        self.read_until(|head| head.len() >= SectionVersion::BYTES)?;
        let name = self.name.to_string();
        match SectionVersion::parse(&self.head) {
            Ok(SectionVersion { major: 1, .. }) => Ok(Scanner::Pcapng(PcapngScanner::new(self.name, capture))),
            Ok(SectionVersion { major, minor }) => Err(ReadError::Version { name, format: "pcapng", major, minor }),
            Err(_) if self.head.len() < SectionVersion::BYTES => Err(self.too_short()),
            Err(what) => Err(ReadError::Header { name, what }),
        }
    }

    fn too_short(&self) -> ReadError {
        ReadError::TooShort { name: self.name.to_string(), length: self.head.len() }
    }

    /// Reads on until that is enough, or the input ends.
    fn read_until(&mut self, enough: impl Fn(&[u8]) -> bool) -> Result<(), ReadError> {
        let mut more = [0; Format::HEAD];
        while !enough(&self.head) {
            let room = Format::HEAD - self.head.len();
            match read_once(&mut self.input, &mut more[..room]) {
                Ok(0) => break,
                Ok(count) => self.head.extend_from_slice(&more[..count]),
                Err(error) => return Err(ReadError::Read { name: self.name.to_string(), error }),
            }
        }
        Ok(())
    }
}

/// A file that is open only while it is read.
struct Resting {
    path: PathBuf,
    position: u64,
}

impl Read for Resting {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.position))?;
        let count = file.read(into)?;
        self.position += count as u64;
        Ok(count)
    }
}

fn read_once(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Bytes of a block, read in one go.
const BLOCK: usize = 256 * 1024;

/// Bytes that are read at first to find the first packet.
const PEEK_BLOCK: usize = 16 * 1024;

/// Largest block, in bytes, that is kept from one batch to the next.
const LARGE_BLOCK: usize = 4 * BLOCK;

/// Bytes at the start of a capture in which its first packet is looked for ahead of time.
const PEEK_LIMIT: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::super::order::ByteOrder;
    use super::super::sample::{Bytes, START, Seen, read, read_from, read_in_pieces};
    use super::*;
    #[cfg(feature = "live")]
    use crate::packet::LinkType;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::io::Cursor;

    /// A pcap file of many shapes of packets, two files in one.
    fn pcap() -> Vec<u8> {
        let packets = |file: Bytes, count: u8| {
            (1..=count).fold(file, |file, mark| file.record(START + 10, 5, 90, &vec![mark; usize::from(mark) * 7 % 90]))
        };
        let first = packets(Bytes::new(ByteOrder::Little).pcap(0xA1B2_C3D4, 65_535, 1), 30).bytes;
        let second = packets(Bytes::new(ByteOrder::Big).pcap(0xA1B2_3C4D, 65_535, 101), 10).bytes;
        [first, second].concat()
    }

    /// A pcapng file with every kind of block in two sections.
    fn pcapng() -> Vec<u8> {
        let section = |order| {
            let number = |count: u8| [count; 8];
            let simple = Bytes::new(order).u32(5).raw(b"simple");
            let obsolete = Bytes::new(order).u16(1).u16(4).u32(0).u32(77).u32(3).u32(9).raw(b"old");
            let file = Bytes::new(order).section().interface(1, 0, |body| body.option(2, b"eth0").option(0, &[]));
            let file = file.interface(101, 64, |body| body.option(9, &[9]).option(14, &number(0)));
            let file =
                (1..=12).fold(file, |file, mark| file.packet(u64::from(mark), &vec![mark; usize::from(mark) * 5]));
            file.enhanced(1, 5, 9, b"noted", |body| body.option(1, b"a remark").option(4, &number(1)))
                .block(3, simple)
                .block(2, obsolete)
                .block(0xBAD, Bytes::new(order).raw(b"private"))
                .block(4, Bytes::new(order).raw(b"names"))
                .statistics(0, |body| body.option(5, &number(0)).option(7, &number(1)).option(0, &[]))
        };
        [section(ByteOrder::Big).bytes, section(ByteOrder::Little).bytes].concat()
    }

    /// What comes out and why it stopped, comparable.
    fn outcome(bytes: &[u8], pieces: &[usize]) -> Result<(Vec<Seen>, CaptureNotes), String> {
        let whole = read_in_pieces(bytes, pieces).map_err(|error| error.to_string())?;
        Ok((whole.packets, whole.notes))
    }

    #[test]
    fn the_size_of_the_pieces_changes_nothing() {
        for bytes in [pcap(), pcapng()] {
            let whole = outcome(&bytes, &[usize::MAX]);
            assert!(whole.as_ref().is_ok_and(|(packets, notes)| packets.len() >= 30 && notes.damage.is_none()));
            for piece in 1..=bytes.len() {
                assert!(outcome(&bytes, &[piece]) == whole, "pieces of {piece}");
            }
        }
    }

    /// What must hold of any input: numbers without gaps, notes that agree with the packets, and the same in pieces.
    fn check(bytes: &[u8], pieces: &[usize]) -> Result<(), TestCaseError> {
        let whole = outcome(bytes, &[usize::MAX]);
        prop_assert_eq!(&outcome(bytes, pieces), &whole);
        let Ok((packets, notes)) = whole else { return Ok(()) };
        prop_assert!(packets.iter().map(|packet| packet.number).eq(1..=notes.packets));
        prop_assert_eq!(packets.iter().map(|packet| packet.bytes.len() as u64).sum::<u64>(), notes.captured_bytes);
        prop_assert_eq!(packets.iter().map(|packet| u64::from(packet.original)).sum::<u64>(), notes.bytes);
        prop_assert!(packets.iter().all(|packet| packet.original as usize >= packet.bytes.len()));
        prop_assert_eq!(notes.damages > 0, notes.damage.is_some());
        Ok(())
    }

    fn good() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![Just(pcap()), Just(pcapng())]
    }

    fn pieces() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(prop_oneof![1..20_usize, 1..5_000_usize], 1..5)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn any_bytes_after_a_good_start_are_read_or_noted(
            start in good(), keep in 0..400_usize, noise in prop::collection::vec(any::<u8>(), 0..3_000), pieces in pieces()
        ) {
            check(&[&start[..keep], &noise].concat(), &pieces)?;
        }

        #[test]
        fn any_bytes_at_all_are_read_or_refused(noise in prop::collection::vec(any::<u8>(), 0..600), pieces in pieces()) {
            check(&noise, &pieces)?;
        }

        #[test]
        fn any_change_of_a_good_file_is_read_or_noted(
            mut bytes in good(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![Just(0), Just(0xFF), any::<u8>()]), 1..12),
            cut in prop::option::of((any::<prop::sample::Index>(), 1..300_usize)),
            pieces in pieces(),
        ) {
            for (index, value) in changes {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
            if let Some((index, length)) = cut {
                let at = index.index(bytes.len());
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            check(&bytes, &pieces)?;
        }
    }

    #[test]
    fn every_shorter_file_is_read_or_noted() {
        for bytes in [pcap(), pcapng()] {
            for length in 0..bytes.len() {
                assert!(check(&bytes[..length], &[13]).is_ok(), "cut to {length}");
            }
        }
    }

    /// An input that gives out its pieces one read at a time and then fails the test, or fails by itself.
    struct Script(VecDeque<io::Result<Vec<u8>>>);

    impl Script {
        fn reading(pieces: impl IntoIterator<Item = io::Result<Vec<u8>>>) -> Box<Script> {
            Box::new(Script(pieces.into_iter().collect()))
        }
    }

    impl Read for Script {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let piece = self.0.pop_front().expect("nothing more should be read")?;
            assert!(piece.len() <= into.len(), "the script's pieces are small");
            into[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn a_live_pipe_is_not_kept_waiting() -> Result<(), ReadError> {
        let header = Bytes::new(ByteOrder::Little).pcap(0xA1B2_C3D4, 0, 1).bytes;
        let record = |mark| Bytes::new(ByteOrder::Little).record(START, 0, 1, &[mark]).bytes;
        let half = |from, to| record(b'c')[from..to].to_vec();
        let pieces = [header, record(b'a'), record(b'b'), half(0, 9), half(9, 17)];
        let mut file = CaptureFile::from_reader(Script::reading(pieces.map(Ok)), "-", 0)?;
        let mut block = Vec::new();
        for mark in *b"abc" {
            let mut marks = Vec::new();
            let more = file.scan(&mut block, &mut |block, record| marks.push(record.packet(block).bytes[0]))?;
            assert_eq!((more, marks), (More::Maybe, vec![mark]));
        }
        Ok(())
    }

    #[test]
    fn a_failure_after_the_first_packet_is_damage() {
        let whole = pcap();
        let failing = || Err(io::Error::other("the cable is out"));
        let interrupted = Err(io::Error::from(io::ErrorKind::Interrupted));
        let pieces = [Ok(whole[..24].to_vec()), interrupted, Ok(whole[24..100].to_vec()), failing()];
        let read = read_from(Script::reading(pieces)).expect("two packets came");
        assert_eq!(read.packets.len(), 2);
        let damage = read.notes.damage.expect("the failure is noted");
        assert_eq!((damage.position, damage.packet), (100, 2));
        assert_eq!(damage.what, "reading broke off: the cable is out");

        let error =
            read_from(Script::reading([Ok(whole[..24].to_vec()), failing()])).map_err(|error| error.to_string());
        assert_eq!(error, Err("cannot read test: the cable is out".to_string()));
    }

    #[test]
    fn the_first_time_can_be_asked_without_losing_a_packet() -> Result<(), ReadError> {
        for bytes in [pcap(), pcapng()] {
            let expected = read(&bytes);
            let mut file = CaptureFile::from_reader(Box::new(Cursor::new(bytes)), "test", 3)?;
            assert_eq!(file.peek_first(), Some(expected.packets[0].at));
            assert_eq!(file.peek_first(), Some(expected.packets[0].at));
            assert_eq!(file.notes().packets, 0);
            while file.scan(&mut Vec::new(), &mut |_, _| {})? == More::Maybe {}
            assert_eq!(file.notes(), &expected.notes);
        }
        Ok(())
    }

    #[test]
    fn there_is_no_first_time_without_a_packet_or_without_times() -> Result<(), ReadError> {
        let empty = Bytes::new(ByteOrder::Little).pcap(0xA1B2_C3D4, 0, 1).bytes;
        let section = Bytes::new(ByteOrder::Little).section().interface(1, 0, |none| none);
        let timeless = section.block(3, Bytes::new(ByteOrder::Little).u32(1).raw(b"a")).bytes;
        let timed = Bytes::new(ByteOrder::Little).raw(&timeless).packet(5, b"b").bytes;
        let later = Some(Timestamp::new(i64::from(START), 5_000));
        for (bytes, expected) in [(empty, None), (timeless, None), (timed, later)] {
            assert_eq!(CaptureFile::from_reader(Box::new(Cursor::new(bytes)), "test", 0)?.peek_first(), expected);
        }
        Ok(())
    }

    #[test]
    fn a_block_is_used_again_as_it_is() -> Result<(), ReadError> {
        let data = [7; 1_000];
        let start = Bytes::new(ByteOrder::Little).pcap(0xA1B2_C3D4, 0, 1);
        let bytes = (0..5_000).fold(start, |file, second| file.record(START + second, 0, 1_000, &data)).bytes;
        let mut file = CaptureFile::from_reader(Box::new(Cursor::new(bytes)), "test", 0)?;
        let (mut block, mut packets, mut blocks) = (Vec::new(), 0, 0);
        loop {
            let more = file.scan(&mut block, &mut |block, record| {
                assert_eq!(record.packet(block).bytes, data);
                packets += 1;
            })?;
            if more == More::No {
                break;
            }
            assert_eq!((block.len(), block.capacity()), (BLOCK, BLOCK));
            blocks += 1;
        }
        assert_eq!(packets, 5_000);
        assert!(blocks >= 4, "the test wants several blocks, not {blocks}");
        Ok(())
    }

    #[test]
    fn what_cannot_be_read_is_told_in_one_sentence() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).expect("the temporary directory can be written to");
            path
        };
        let mut other_version = pcap();
        other_version[4] = 9;
        let mut no_order = pcapng();
        no_order[8] = 0;
        let cases = [
            (directory.path().to_path_buf(), "it is a directory"),
            (directory.path().join("none.pcap"), "there is no such file"),
            (path("empty", b""), "it is empty"),
            (path("short.pcap", &pcap()[..20]), "it has only 20 bytes"),
            (path("short.pcapng", &pcapng()[..12]), "it has only 12 bytes"),
            (path("tiny", &[1, 2]), "it has only 2 bytes"),
            (path("a.pcap.gz", &[0x1F, 0x8B, 8, 0]), "compressed with gzip"),
            (path("notes.txt", b"hello"), "it is a text file"),
            (path("version.pcap", &other_version), "version 9.4"),
            (path("order.pcapng", &no_order), "a section header does not tell its byte order"),
            (path("other.bin", &[0; 600]), "not a capture in a format that cap-audit knows"),
            (path("case.etl", &[0; 600]), "`etl2pcapng"),
        ];
        for (path, words) in cases {
            let error = CaptureFile::open(&path, 0).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(words), "{error:?} should say {words:?}");
            assert!(error.starts_with("cannot ") && error.contains(&path.display().to_string()), "{error}");
            assert!(!error.contains('\n') && !error.ends_with('.'), "{error}");
        }
    }

    #[test]
    fn a_file_knows_its_size_and_how_far_it_is() -> Result<(), ReadError> {
        let bytes = pcap();
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("a.pcap");
        std::fs::write(&path, &bytes).expect("the temporary directory can be written to");
        let mut file = CaptureFile::open(&path, 0)?;
        assert_eq!(file.size(), Some(bytes.len() as u64));
        while file.scan(&mut Vec::new(), &mut |_, _| {})? == More::Maybe {}
        assert_eq!(file.bytes_read(), bytes.len() as u64);
        Ok(())
    }

    #[cfg(feature = "live")]
    #[test]
    fn a_filter_is_compiled_for_the_link_type_of_each_interface() {
        let sections = |file: Bytes| file.section().interface(101, 0, |body| body).interface(1, 0, |body| body);
        let udp = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0, 53, 0, 8, 0, 0];
        let ethernet = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00][..], &udp].concat();
        let read = |filter: &str, order: [u32; 4]| {
            let file = order.into_iter().fold(sections(Bytes::new(ByteOrder::Little)), |file, interface| {
                let data = if interface == 0 { &udp[..] } else { &ethernet };
                file.enhanced(interface, 5, data.len() as u32, data, |body| body)
            });
            let mut file = CaptureFile::from_reader(Box::new(Cursor::new(file.bytes)), "test", 0)?;
            file.filter_by(filter);
            let mut passed = Vec::new();
            while file.scan(&mut Vec::new(), &mut |_, record| passed.push(record.link))? == More::Maybe {}
            Ok::<_, ReadError>((passed, file.notes().clone()))
        };
        let (passed, notes) = read("udp port 53", [0, 1, 0, 1]).expect("it has a meaning for both");
        let (raw, ethernet) = (LinkType::RAW, LinkType::ETHERNET);
        assert_eq!(passed, [raw, ethernet, raw, ethernet]);
        assert_eq!(notes.filter.and_then(|filter| filter.left_out), Some(0));
        let (passed, notes) = read("udp port 54", [0, 1, 0, 1]).expect("it has a meaning for both");
        assert_eq!((passed.len(), notes.filter.and_then(|filter| filter.left_out)), (0, Some(4)));

        let only_ethernet = "ether host 02:00:00:00:00:01";
        let (passed, notes) = read(only_ethernet, [1, 1, 0, 1]).expect("it has a meaning for some of it");
        assert_eq!(passed, [ethernet; 3]);
        let filter = notes.filter.expect("it is noted");
        assert_eq!((filter.left_out, filter.refused.map(|(link, _)| link)), (Some(1), Some(raw)));
        let error = read(only_ethernet, [0, 0, 0, 0]).expect_err("nothing of it can be filtered");
        assert!(error.to_string().contains("link type raw, for which the filter has no meaning"), "{error}");
    }
}
