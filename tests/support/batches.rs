//! Packets in blocks as the capture thread reads them, to be decoded and audited again and again.

use cap_audit::audit::Audit;
use cap_audit::clock::Clock;
use cap_audit::packet::{PacketBatch, RawPacket, Record};
use std::mem::swap;

/// Blocks of packets. They are decoded into the same batch of one lane, as where batches are used again.
pub struct Batches {
    blocks: Vec<(Vec<u8>, Vec<Record>)>,
    batch: PacketBatch,
}

impl Batches {
    /// Copies the packets into blocks of about the size that a file is read in.
    pub fn new<'a>(packets: impl Iterator<Item = RawPacket<'a>>) -> Batches {
        let mut packets = packets.peekable();
        let mut blocks = Vec::new();
        while packets.peek().is_some() {
            let (mut block, mut records) = (Vec::new(), Vec::new());
            for RawPacket { at, number, capture, link, original, bytes } in packets.by_ref().take(500) {
                let (offset, captured) = (block.len() as u32, bytes.len() as u32);
                records.push(Record { at, number: number.into(), offset, captured, original, link, capture });
                block.extend_from_slice(bytes);
            }
            blocks.push((block, records));
        }
        Batches { blocks, batch: PacketBatch::new(1) }
    }

    /// Decodes all packets and enters them.
    pub fn enter(&mut self, audit: &mut Audit) {
        let mut clock = Clock::default();
        for (block, records) in &mut self.blocks {
            let mut filling = self.batch.fill(&mut clock);
            swap(filling.block, block);
            records.iter().for_each(|record| filling.enter(*record));
            audit.observe_all(self.batch.lane(0));
            swap(self.batch.fill(&mut clock).block, block);
        }
    }
}
