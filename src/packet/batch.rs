//! Many packets on their way from the capture thread to a worker: one block of bytes, where the packets lie in it, and what
//! their headers say.

use super::decode::{decode_any, decode_most};
use super::{Address, LinkType, Packet, Skip, decode};
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
    /// What their headers say, in the same order, where the packets were decoded on their way in.
    decoded: Decoded,
}

/// What the headers of the packets of a batch say, by lane.
#[derive(Default, Debug)]
pub struct Decoded(Vec<Vec<Result<Packet, Skip>>>);

impl Decoded {
    /// Room for the packets of so many lanes.
    pub fn of_lanes(lanes: usize) -> Decoded {
        Decoded(vec![Vec::new(); lanes])
    }

    /// Decodes the next packet and enters it in the lane that `pick` names for the two addresses whose conversation it belongs
    /// to; for none where it cannot be decoded. Says which lane that is.
    #[inline]
    pub fn enter(&mut self, raw: &RawPacket<'_>, pick: impl FnOnce(Option<(Address, Address)>) -> usize) -> usize {
        // Not one call of `decode`: what has only one origin is written straight to its place. On its way over the stack it would
        // have to wait until all that was written before has arrived.
        match decode_most(raw) {
            Some(packet) => {
                let lane = pick(Some((packet.source, packet.destination)));
                self.0[lane].push(Ok(packet));
                lane
            }
            None => self.enter_any(raw, pick),
        }
    }

    #[inline(never)]
    fn enter_any(&mut self, raw: &RawPacket<'_>, pick: impl FnOnce(Option<(Address, Address)>) -> usize) -> usize {
        let packet = decode_any(raw);
        let lane = pick(packet.as_ref().ok().map(|packet| packet.host_pair(raw.bytes)));
        self.0[lane].push(packet);
        lane
    }
}

/// The decoded packets of one lane, in the order of the capture.
#[derive(Clone, Copy, Debug)]
pub struct Lane<'a> {
    block: &'a [u8],
    records: &'a [Record],
    packets: &'a [Result<Packet, Skip>],
}

impl<'a> Lane<'a> {
    /// The same packets in groups of so many; the last one may be smaller.
    pub fn groups(self, size: usize) -> impl Iterator<Item = Lane<'a>> {
        let records = self.records.chunks(size);
        records.zip(self.packets.chunks(size)).map(move |(records, packets)| Lane { records, packets, ..self })
    }

    /// Reads a little of each line of the cache, so that the processor fetches all of them from the other core at the same time.
    #[inline]
    pub fn touch(self) -> u32 {
        let records = self.records.iter().fold(0, |sum: u32, record| sum.wrapping_add(record.captured));
        let packets = self.packets.iter().flatten();
        packets.fold(records, |sum, packet| sum.wrapping_add(packet.payload_bytes))
    }

    /// How many packets.
    #[inline]
    pub fn len(self) -> usize {
        self.records.len()
    }

    /// True without a packet.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.records.is_empty()
    }

    /// What the headers say.
    #[inline]
    pub fn packets(self) -> impl Iterator<Item = &'a Result<Packet, Skip>> {
        self.packets.iter()
    }

    /// Packets as captured, with what their headers say.
    #[inline]
    pub fn raw_and_decoded(self) -> impl Iterator<Item = (RawPacket<'a>, &'a Result<Packet, Skip>)> {
        self.records.iter().map(move |record| record.packet(self.block)).zip(self.packets)
    }
}

impl PacketBatch {
    /// An empty batch for so many workers.
    pub fn new(lanes: usize) -> PacketBatch {
        PacketBatch { bytes: Vec::new(), lanes: vec![Vec::new(); lanes], decoded: Decoded::of_lanes(lanes) }
    }

    /// A batch of one lane with copies of these packets, decoded.
    pub fn of<'a>(packets: impl IntoIterator<Item = RawPacket<'a>>) -> PacketBatch {
        let mut batch = PacketBatch::new(1);
        for RawPacket { at, number, capture, link, original, bytes } in packets {
            let (offset, captured) = (batch.bytes.len() as u32, bytes.len() as u32);
            batch.lanes[0].push(Record { at, number, offset, captured, original, link, capture });
            batch.bytes.extend_from_slice(bytes);
        }
        batch.decode();
        batch
    }

    /// Forgets the packets and keeps the memory.
    pub fn clear(&mut self) {
        self.lanes.iter_mut().for_each(Vec::clear);
        self.decoded.0.iter_mut().for_each(Vec::clear);
    }

    /// Lends what decoded packets are entered in while the batch is being filled; [`PacketBatch::give_decoded`] brings it
    /// back. Headers are read where the bytes have just come in, because they are in the cache there.
    pub fn take_decoded(&mut self) -> Decoded {
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.0.iter_mut().for_each(Vec::clear);
        decoded
    }

    /// Takes back what was lent, one entry for each packet of each lane.
    pub fn give_decoded(&mut self, decoded: Decoded) {
        self.decoded = decoded;
    }

    /// Decodes all packets that lie in it.
    pub fn decode(&mut self) {
        let PacketBatch { bytes, lanes, decoded } = self;
        decoded.0.resize_with(lanes.len(), Vec::new);
        for (records, decoded) in lanes.iter().zip(&mut decoded.0) {
            decoded.clear();
            decoded.extend(records.iter().map(|record| decode(&record.packet(bytes))));
        }
    }

    /// The packets of one lane with what their headers say.
    pub fn lane(&self, lane: usize) -> Lane<'_> {
        Lane { block: &self.bytes, records: &self.lanes[lane], packets: &self.decoded.0[lane] }
    }

    /// The packets of one lane, in the order of the capture.
    pub fn packets(&self, lane: usize) -> impl Iterator<Item = RawPacket<'_>> {
        self.lanes[lane].iter().map(|record| record.packet(&self.bytes))
    }
}

impl Record {
    /// The packet itself, out of the block that this record points into.
    #[inline]
    pub fn packet<'a>(&self, block: &'a [u8]) -> RawPacket<'a> {
        let start = self.offset as usize;
        self.with(&block[start..start + self.captured as usize])
    }

    /// The packet itself, of which these are the bytes.
    #[inline]
    pub fn with<'a>(&self, bytes: &'a [u8]) -> RawPacket<'a> {
        RawPacket {
            at: self.at,
            number: self.number,
            capture: self.capture,
            link: self.link,
            original: self.original,
            bytes,
        }
    }
}
