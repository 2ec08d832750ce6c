//! Packets that lie in memory: for tests and measurements.

use super::{More, ReadError, Source};
use crate::packet::{Filling, LinkType, RawPacket};
use crate::time::Timestamp;
use std::io::{self, Read};
use std::sync::Arc;

/// A capture file that lies in memory, read as one on a disk is: what is asked for is copied, and nothing else.
#[derive(Clone)]
pub struct MemoryFile {
    bytes: Arc<Vec<u8>>,
    read: usize,
}

impl MemoryFile {
    /// A file with these bytes.
    pub fn new(bytes: Arc<Vec<u8>>) -> MemoryFile {
        MemoryFile { bytes, read: 0 }
    }
}

impl Read for MemoryFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = (&self.bytes[self.read..]).read(into)?;
        self.read += count;
        Ok(count)
    }
}

/// Packets in memory, handed out in batches of a chosen size.
pub struct MemorySource {
    packets: Vec<(Timestamp, LinkType, u32, Vec<u8>)>,
    next: usize,
    batch_size: usize,
    capture: u32,
}

impl MemorySource {
    /// Packets as (time, link type, length on the wire, bytes), in batches of at most `batch_size`.
    pub fn new(packets: Vec<(Timestamp, LinkType, u32, Vec<u8>)>, batch_size: usize) -> MemorySource {
        MemorySource { packets, next: 0, batch_size: batch_size.max(1), capture: 0 }
    }
}

impl Source for MemorySource {
    fn fill(&mut self, filling: &mut Filling<'_>) -> Result<More, ReadError> {
        filling.block.clear();
        let end = self.packets.len().min(self.next + self.batch_size);
        for (index, (at, link, original, bytes)) in self.packets[self.next..end].iter().enumerate() {
            filling.copy(&RawPacket {
                at: *at,
                number: (self.next + index + 1) as u64,
                capture: self.capture,
                link: *link,
                original: (*original).max(bytes.len() as u32),
                bytes,
            });
        }
        self.next = end;
        Ok(if end < self.packets.len() { More::Maybe } else { More::No })
    }

    fn first(&self) -> Option<Timestamp> {
        self.packets.first().map(|(at, ..)| *at)
    }
}
