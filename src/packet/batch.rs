//! Many packets on their way from the capture thread to a worker: one block of bytes, and where the packets lie in it.

use super::LinkType;
use crate::time::Timestamp;

/// One packet as captured, lent for as long as one call.
#[derive(Clone, Copy, Debug)]
pub struct RawPacket<'a> {
    /// When it was captured, after time was made to run forward.
    pub at: Timestamp,
    /// Its place in its capture, counted from 1 as Wireshark does.
    pub number: u64,
    /// Which capture of the audit it belongs to, counted from 0.
    pub capture: u16,
    /// What the first byte is.
    pub link: LinkType,
    /// Its length on the wire, in bytes; never below the captured length.
    pub original: u32,
    /// The bytes that were captured.
    pub bytes: &'a [u8],
}

/// Where one packet lies in a block of bytes, and what its capture record says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// When it was captured.
    pub at: Timestamp,
    /// Its place in its capture, counted from 1.
    pub number: u64,
    /// Offset of its first byte in the block.
    pub offset: u32,
    /// Captured bytes.
    pub captured: u32,
    /// Bytes on the wire; never below `captured`.
    pub original: u32,
    /// What the first byte is.
    pub link: LinkType,
    /// Which capture of the audit it belongs to, counted from 0.
    pub capture: u16,
}

/// A block of bytes and the packets in it, sorted into lanes, one lane a worker. It is filled, worked on and used again,
/// so that the steady state allocates nothing for a packet.
#[derive(Default, Debug)]
pub struct PacketBatch {
    /// Captured bytes and whatever lies between packets in the file.
    pub bytes: Vec<u8>,
    /// Packets in the order of the capture, by lane.
    pub lanes: Vec<Vec<Record>>,
}

impl PacketBatch {
    /// An empty batch for so many workers.
    pub fn new(lanes: usize) -> PacketBatch {
        PacketBatch { bytes: Vec::new(), lanes: vec![Vec::new(); lanes] }
    }

    /// Forgets the packets and keeps the memory.
    pub fn clear(&mut self) {
        self.lanes.iter_mut().for_each(Vec::clear);
    }

    /// The packets of one lane, in the order of the capture.
    pub fn packets(&self, lane: usize) -> impl Iterator<Item = RawPacket<'_>> {
        self.lanes[lane].iter().map(|record| record.packet(&self.bytes))
    }
}

impl Record {
    /// The packet itself, out of the block that this record points into.
    pub fn packet<'a>(&self, block: &'a [u8]) -> RawPacket<'a> {
        let start = self.offset as usize;
        RawPacket {
            at: self.at,
            number: self.number,
            capture: self.capture,
            link: self.link,
            original: self.original,
            bytes: &block[start..start + self.captured as usize],
        }
    }
}
