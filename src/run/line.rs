//! Several captures as one line of time. A capture that begins where the one before ends is read on its own, straight into the
//! batch; captures whose time overlaps are merged, packet by packet, in the order of their times.
//!
//! Which packet comes first never depends on the order of the command line: at the same moment the capture that began first goes
//! first, then the one whose path sorts first.

use super::inputs::Waiting;
use crate::packet::{Filling, Record};
use crate::source::{CaptureFile, CaptureNotes, More, ReadError, Source};
use crate::time::{Span, Timestamp};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Captures on their way through an audit.
pub(super) struct Line {
    /// In the order of their first packets, then of their paths.
    waiting: VecDeque<Waiting>,
    /// What could not be merged for want of memory. It is read afterwards, on a line of time of its own.
    later: Vec<Waiting>,
    /// The capture that is read on its own. Invariant: none while others are merged.
    alone: Option<Reading>,
    merged: Vec<Option<Reading>>,
    /// Places in `merged` that are free.
    free: Vec<usize>,
    /// The next packet of each capture that is merged.
    heads: BinaryHeap<Reverse<Head>>,
    /// Memory that captures which are merged may still take, in bytes.
    room: u64,
    /// How many captures were opened.
    opened: usize,
    bytes_read: u64,
    packets_read: u64,
    /// What could not be read.
    pub failed: Vec<ReadError>,
    /// What was read, by the number of the capture.
    pub done: Vec<(u32, CaptureNotes)>,
}

/// The next packet of a capture. What is smaller goes first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    at: Timestamp,
    /// Its place among those that were opened.
    rank: usize,
    slot: usize,
}

/// A capture that is being read.
struct Reading {
    file: CaptureFile,
    capture: u32,
    /// When it begins, where that is known.
    first: Option<Timestamp>,
    rank: usize,
    /// Memory that it was allowed when it was merged, in bytes.
    takes: u64,
    /// Bytes and packets of it that were counted as read.
    counted: (u64, u64),
    block: Vec<u8>,
    /// Packets in the block; those from `next` on have not been handed on.
    records: Vec<Record>,
    next: usize,
}

impl Reading {
    /// When its next packet has its turn. A clock that was wrong for one packet does not hold up those after it.
    fn turn(&self) -> Timestamp {
        let at = self.records[self.next].at;
        match self.records.get(self.next + 1) {
            Some(after) if at - after.at > GLITCH => after.at,
            _ => at,
        }
    }

    /// Hands on the packets of the next block up to a moment, and keeps the others.
    fn read_until(&mut self, until: Timestamp, filling: &mut Filling<'_>) -> Result<More, ReadError> {
        let Filling { block, way_in } = filling;
        let Reading { file, block: own, records, .. } = self;
        file.scan(block, &mut |block, record| {
            if record.at < until && records.is_empty() {
                return way_in.enter(block, record);
            }
            if records.is_empty() {
                own.clear();
                own.extend_from_slice(block);
            }
            records.push(record);
        })
    }

    /// Reads on until there is a packet; says whether there is one.
    fn refill(&mut self) -> Result<bool, ReadError> {
        self.records.clear();
        self.next = 0;
        loop {
            let Reading { file, block, records, .. } = self;
            let more = file.scan(block, &mut |_, record| records.push(record))?;
            if !self.records.is_empty() || more == More::No {
                return Ok(!self.records.is_empty());
            }
        }
    }
}

impl Line {
    /// A line of captures in the order of their first packets.
    pub fn new(waiting: Vec<Waiting>) -> Line {
        Line {
            waiting: waiting.into(),
            later: Vec::new(),
            alone: None,
            merged: Vec::new(),
            free: Vec::new(),
            heads: BinaryHeap::new(),
            room: MERGED_MEMORY,
            opened: 0,
            bytes_read: 0,
            packets_read: 0,
            failed: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Begins another line with what could not be merged, and says how many captures that are.
    pub fn turn(&mut self) -> usize {
        self.waiting.extend(self.later.drain(..));
        self.waiting.len()
    }

    /// Opens the next capture. What can be read no more is left out.
    fn open(&mut self) -> Option<Reading> {
        loop {
            let waiting = self.waiting.pop_front()?;
            let (capture, first) = (waiting.capture(), waiting.first());
            match waiting.open() {
                Ok(file) => {
                    self.opened += 1;
                    let (rank, block, records) = (self.opened, Vec::new(), Vec::new());
                    return Some(Reading {
                        file,
                        capture,
                        first,
                        rank,
                        takes: 0,
                        counted: (0, 0),
                        block,
                        records,
                        next: 0,
                    });
                }
                Err(error) => self.failed.push(error),
            }
        }
    }

    /// When the next capture begins.
    fn next_first(&self) -> Option<Timestamp> {
        self.waiting.front().and_then(Waiting::first)
    }

    fn fill(&mut self, filling: &mut Filling<'_>) -> More {
        match self.alone.take() {
            Some(reading) => self.fill_alone(reading, filling),
            None => self.fill_merged(filling),
        }
    }

    /// Reads the only capture, up to the moment at which the next one begins.
    fn fill_alone(&mut self, mut reading: Reading, filling: &mut Filling<'_>) -> More {
        let more = match self.next_first() {
            None => reading.file.fill(filling),
            Some(until) => reading.read_until(until, filling),
        };
        self.count(&mut reading);
        if !reading.records.is_empty() {
            // Whether it has ended shows when these packets are out.
            self.merge(reading);
            return More::Maybe;
        }
        if let Ok(More::Maybe) = more {
            self.alone = Some(reading);
            return More::Maybe;
        }
        self.end(reading, more.err());
        More::No
    }

    /// Merges until the batch is full, or one capture is left alone.
    fn fill_merged(&mut self, filling: &mut Filling<'_>) -> More {
        filling.block.clear();
        let mut packets = 0;
        while filling.block.len() < BATCH_BYTES && packets < BATCH_PACKETS {
            self.join_what_begins();
            let Some(Reverse(head)) = self.heads.pop() else {
                self.merged.clear();
                return More::No;
            };
            let rival = self.heads.peek().map(|Reverse(rival)| (rival.at, rival.rank));
            let begins = self.next_first();
            let reading = self.merged[head.slot].as_mut().expect("a head stands for a capture that is merged");
            let goes_on = loop {
                filling.copy(&reading.records[reading.next].packet(&reading.block));
                packets += 1;
                reading.next += 1;
                if reading.next == reading.records.len() {
                    break None;
                }
                let turn = (reading.turn(), reading.rank);
                let first = rival.is_none_or(|rival| turn < rival) && begins.is_none_or(|begins| turn.0 < begins);
                if !first || filling.block.len() >= BATCH_BYTES || packets >= BATCH_PACKETS {
                    break Some(turn.0);
                }
            };
            match goes_on {
                Some(at) => self.heads.push(Reverse(Head { at, ..head })),
                None if self.read_on(head) => return More::Maybe,
                None => {}
            }
        }
        More::Maybe
    }

    /// Reads on in a capture of which all packets are out; true when it is the only one left and goes on alone.
    fn read_on(&mut self, head: Head) -> bool {
        let Some(mut reading) = self.merged[head.slot].take() else { return false };
        if self.heads.is_empty() {
            self.room += std::mem::take(&mut reading.takes);
            (reading.records, reading.block, reading.next) = (Vec::new(), Vec::new(), 0);
            reading.file.use_blocks_of(WHOLE_BLOCK);
            self.merged.clear();
            self.alone = Some(reading);
            return true;
        }
        self.refill(reading, head.slot);
        false
    }

    /// Opens every capture that begins before the next packet, or with it.
    fn join_what_begins(&mut self) {
        while let Some((first, Reverse(head))) = self.next_first().zip(self.heads.peek()) {
            if head.at < first {
                return;
            }
            let readers = self.heads.len();
            let block = if readers < MANY { WHOLE_BLOCK } else { SMALL_BLOCK };
            let size = self.waiting.front().and_then(Waiting::size).unwrap_or(u64::MAX);
            let takes = size.clamp(LEAST_BLOCK, block as u64);
            if takes > self.room {
                self.later.extend(self.waiting.pop_front());
                continue;
            }
            let Some(mut reading) = self.open() else { return };
            reading.file.use_blocks_of(takes as usize);
            if readers >= OPEN_AT_ONCE {
                reading.file.rest();
            }
            reading.takes = takes;
            self.room -= takes;
            let slot = self.free.pop().unwrap_or(self.merged.len());
            if slot == self.merged.len() {
                self.merged.push(None);
            }
            self.refill(reading, slot);
        }
    }

    /// Reads on in a capture that is merged, until it ends.
    fn refill(&mut self, mut reading: Reading, slot: usize) {
        let more = reading.refill();
        self.count(&mut reading);
        match more {
            Ok(true) => {
                self.heads.push(Reverse(Head { at: reading.turn(), rank: reading.rank, slot }));
                self.merged[slot] = Some(reading);
            }
            Ok(false) => {
                self.free.push(slot);
                self.end(reading, None);
            }
            Err(error) => {
                self.free.push(slot);
                self.end(reading, Some(error));
            }
        }
    }

    /// The first capture to be merged, with packets that were read of it.
    fn merge(&mut self, mut reading: Reading) {
        reading.takes = (WHOLE_BLOCK as u64).min(self.room);
        self.room -= reading.takes;
        self.merged.clear();
        self.free.clear();
        self.heads.push(Reverse(Head { at: reading.turn(), rank: reading.rank, slot: 0 }));
        self.merged.push(Some(reading));
    }

    fn end(&mut self, reading: Reading, failure: Option<ReadError>) {
        self.room += reading.takes;
        match failure {
            Some(error) => self.failed.push(error),
            None => self.done.push((reading.capture, reading.file.notes().clone())),
        }
    }

    fn count(&mut self, reading: &mut Reading) {
        let (bytes, packets) = (reading.file.bytes_read(), reading.file.notes().packets);
        self.bytes_read += bytes - reading.counted.0;
        self.packets_read += packets - reading.counted.1;
        reading.counted = (bytes, packets);
    }
}

/// A stretch of the line in which some capture is read all the time: where it ends and the next begins later, nobody watched.
pub(super) struct Stretch<'l> {
    line: &'l RefCell<Line>,
    first: Option<Timestamp>,
}

impl<'l> Stretch<'l> {
    /// The next one, if there is any.
    pub fn next(line: &'l RefCell<Line>) -> Option<Stretch<'l>> {
        let mut this = line.borrow_mut();
        let reading = this.open()?;
        let first = reading.first;
        this.alone = Some(reading);
        Some(Stretch { line, first })
    }

    /// Bytes and packets read so far, of all captures.
    pub fn read(&self) -> (u64, u64) {
        let line = self.line.borrow();
        (line.bytes_read, line.packets_read)
    }
}

impl Source for Stretch<'_> {
    /// A capture that cannot be read stands in [`Line::failed`], and the others go on.
    fn fill(&mut self, filling: &mut Filling<'_>) -> Result<More, ReadError> {
        Ok(self.line.borrow_mut().fill(filling))
    }

    fn first(&self) -> Option<Timestamp> {
        self.first
    }
}

/// Bytes of a block of a capture, as a rule and where many are merged; no more than a small file has.
const WHOLE_BLOCK: usize = 256 * 1024;
const SMALL_BLOCK: usize = 16 * 1024;
const LEAST_BLOCK: u64 = 1024;
/// Number of captures being merged from which on the blocks are small.
const MANY: usize = 256;
/// Memory that all captures being merged take, in bytes. What begins when it is used up is read afterwards.
const MERGED_MEMORY: u64 = 256 * 1024 * 1024;
/// Files that stay open while they are merged. Further ones are opened for each block.
const OPEN_AT_ONCE: usize = 16;
/// Largest step back from one packet to the next that is disorder. Before a larger one the clock was wrong.
const GLITCH: Span = Span::seconds(1);
/// Bytes and packets of a batch of merged packets.
const BATCH_BYTES: usize = 256 * 1024;
const BATCH_PACKETS: usize = 4_096;
