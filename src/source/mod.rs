//! Where packets come from: capture files, read in large blocks straight into the batch's own memory.
//! One scanner a format, which knows bytes only; `CaptureFile` reads, and `format` tells formats apart; `filter` leaves packets out. A further
//! format is one file with a scanner, its line in `format`, and its arm in `file`.

mod error;
mod file;
#[cfg_attr(not(feature = "live"), path = "no_filter.rs")]
mod filter;
mod format;
#[cfg(feature = "live")]
mod live;
mod memory;
mod notes;
mod order;
mod pcap;
mod pcapng;
#[cfg(test)]
mod sample;
mod write;

pub use error::ReadError;
pub use file::{CaptureFile, More};
pub use format::{Foreign, Format, STANDARD_INPUT};
#[cfg(feature = "live")]
pub use live::{ANY, BpfFilter, Interface, LiveError, LiveOptions, LiveSource, Loss, Tick, list};
pub use memory::{MemoryFile, MemorySource};
pub use notes::{
    CaptureNotes, Comment, Damage, DamageKind, Dropped, FilterNote, INTERRUPTION_LIMIT, InterfaceNote, Interruption,
    Oddity, OddityKind,
};
pub use pcap::{HeaderError, PcapHeader, PcapScanner};
pub use pcapng::PcapngScanner;
pub use write::{Fractions, PcapWriter};

use crate::packet::{Filling, LinkType};
use crate::time::Timestamp;

/// Where packets come from, block by block.
pub trait Source {
    /// Reads the next block into the batch's own memory and enters its packets. The batch may stay empty when this says
    /// [`More::No`]. A source that holds several captures (an archive) gives each record the number of its own, and
    /// notes it where one of them breaks off.
    ///
    /// # Errors
    /// The input cannot be read and not one packet was.
    fn fill(&mut self, filling: &mut Filling<'_>) -> Result<More, ReadError>;

    /// The time of its first packet, where that is known before it is read.
    fn first(&self) -> Option<Timestamp> {
        None
    }
}

impl<S: Source> Source for &mut S {
    fn fill(&mut self, filling: &mut Filling<'_>) -> Result<More, ReadError> {
        (**self).fill(filling)
    }

    fn first(&self) -> Option<Timestamp> {
        (**self).first()
    }
}

impl Source for CaptureFile {
    fn fill(&mut self, filling: &mut Filling<'_>) -> Result<More, ReadError> {
        let Filling { block, way_in } = filling;
        self.scan(block, &mut |block, record| way_in.enter(block, record))
    }
}

/// How far a scanner came in the bytes it was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scanned {
    /// Bytes it is done with. The next call must begin with the byte after them.
    pub consumed: usize,
    /// Bytes it must see, counted from the first one not consumed, before it can go on; 0 when it has ended.
    pub need: usize,
    /// Nothing more will come of this capture, whatever follows in the file.
    pub ended: bool,
}

impl Scanned {
    fn more(consumed: usize, need: usize) -> Scanned {
        Scanned { consumed, need, ended: false }
    }

    fn end(consumed: usize) -> Scanned {
        Scanned { consumed, need: 0, ended: true }
    }
}

/// The link type of a packet whose interface the capture does not describe. No decoder knows it, so that such a packet
/// is counted as one of an unknown link.
pub const UNKNOWN_INTERFACE: LinkType = LinkType(u16::MAX);

/// Largest captured length of one packet unless the capture announces larger ones, in bytes (facts PCAP-02).
const PACKET_BOUND: u32 = 256 * 1024;

/// Largest captured length of one packet whatever the capture announces, in bytes.
const PACKET_LIMIT: u32 = 64 * 1024 * 1024;

/// Bytes after damage in which a scanner looks for the next whole record.
const RESYNC_WINDOW: usize = 1024 * 1024;
