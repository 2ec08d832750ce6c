//! Packets of one interface that wait for those of other interfaces which may still come before them.

use crate::packet::Record;
use std::collections::VecDeque;

/// Packets in the order of their capture, with their bytes. Memory is used again; in the steady state nothing is
/// allocated.
#[derive(Default)]
pub(super) struct Backlog {
    /// Bytes that were handed out, then those of the packets that wait.
    bytes: Vec<u8>,
    handed_out: usize,
    /// Their offsets point into `bytes`.
    records: VecDeque<Record>,
}

impl Backlog {
    /// How many packets wait.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// How many bytes they have.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() - self.handed_out
    }

    /// Takes in a packet; its record's offset is set here.
    pub(super) fn push(&mut self, mut record: Record, data: &[u8]) {
        record.offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(data);
        self.records.push_back(record);
    }

    /// The packet that came first.
    pub(super) fn first(&self) -> Option<&Record> {
        self.records.front()
    }

    /// Hands out the packet that came first: its bytes go after those in `into`, and its record says where.
    pub(super) fn pop(&mut self, into: &mut Vec<u8>) -> Option<Record> {
        let mut record = self.records.pop_front()?;
        let start = record.offset as usize;
        let end = start + record.captured as usize;
        record.offset = into.len() as u32;
        into.extend_from_slice(&self.bytes[start..end]);
        self.handed_out = end;
        self.tidy();
        Some(record)
    }

    /// Moves what waits to the front, when that is less than what was handed out, so that a byte is moved once on
    /// average.
    fn tidy(&mut self) {
        if self.records.is_empty() {
            self.bytes.clear();
            self.handed_out = 0;
        } else if self.handed_out >= TIDY_AT_LEAST && self.handed_out >= self.bytes() {
            self.bytes.drain(..self.handed_out);
            for record in &mut self.records {
                record.offset -= self.handed_out as u32;
            }
            self.handed_out = 0;
        }
    }
}

/// Least number of bytes that it is worth while to move.
const TIDY_AT_LEAST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::LinkType;
    use crate::time::Timestamp;

    fn record(number: u64, captured: usize) -> Record {
        let captured = captured as u32;
        let at = Timestamp(number as i64);
        Record {
            at,
            number: number.into(),
            offset: 77,
            captured,
            original: captured,
            link: LinkType::ETHERNET,
            capture: 0,
        }
    }

    /// The packet of a number: its length and its bytes follow from it.
    fn packet(number: u64) -> Vec<u8> {
        vec![number as u8; (number * 37 % 1_500) as usize]
    }

    #[test]
    fn what_goes_in_comes_out_in_order_and_whole() {
        let (mut backlog, mut out) = (Backlog::default(), Vec::new());
        let (mut pushed, mut popped, mut waiting) = (0, 0, 0);
        // Grows to a few hundred packets and shrinks again, over and over.
        for step in 0..20_000_u64 {
            if step / 300 % 2 == 0 || step % 3 == 0 {
                backlog.push(record(pushed, packet(pushed).len()), &packet(pushed));
                waiting += packet(pushed).len();
                pushed += 1;
            } else if let Some(record) = backlog.pop(&mut out) {
                assert_eq!(u64::from(record.number), popped);
                assert_eq!(record.packet(&out).bytes, packet(popped));
                waiting -= packet(popped).len();
                popped += 1;
                out.clear();
            }
            assert_eq!((backlog.len() as u64, backlog.bytes()), (pushed - popped, waiting));
            assert_eq!(backlog.first().map(|record| u64::from(record.number)), (popped < pushed).then_some(popped));
        }
        assert!(popped > 5_000);
    }

    #[test]
    fn memory_does_not_grow_with_what_has_passed() {
        let (mut backlog, mut out) = (Backlog::default(), Vec::new());
        for number in 0..10 {
            backlog.push(record(number, 1_000), &[1; 1_000]);
        }
        for number in 10..100_000 {
            backlog.push(record(number, 1_000), &[1; 1_000]);
            backlog.pop(&mut out);
            out.clear();
        }
        assert!(backlog.bytes.capacity() < 8 * TIDY_AT_LEAST, "{}", backlog.bytes.capacity());
    }
}
