//! Packets in batches as the capture thread makes them, to be decoded and audited again and again.

use cap_audit::audit::Audit;
use cap_audit::packet::{Decoded, PacketBatch, RawPacket};

/// Batches of one lane. What is decoded goes to the same memory for each of them, as it does where batches are used again.
pub struct Batches {
    batches: Vec<PacketBatch>,
    decoded: Decoded,
}

impl Batches {
    /// Copies the packets into batches of about the size that a file is read in.
    pub fn new<'a>(packets: impl Iterator<Item = RawPacket<'a>>) -> Batches {
        let mut packets = packets.peekable();
        let mut batches = Vec::new();
        while packets.peek().is_some() {
            batches.push(PacketBatch::of(packets.by_ref().take(500)));
        }
        let decoded = Decoded::default();
        Batches { batches, decoded }
    }

    /// Decodes all packets and enters them.
    pub fn enter(&mut self, audit: &mut Audit) {
        for batch in &mut self.batches {
            batch.give_decoded(std::mem::take(&mut self.decoded));
            batch.decode();
            audit.observe_all(batch.lane(0));
            self.decoded = batch.take_decoded();
        }
    }
}
