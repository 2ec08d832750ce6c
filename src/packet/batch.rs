//! Many packets on their way from the capture thread to a worker: one block of bytes, where the packets lie in it, and
//! what their headers say.

use super::decode::{decode_any, decode_most};
use super::{Address, Deal, LinkType, Packet, Skip, decode};
use crate::clock::Clock;
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

/// Where one packet lies in a block of bytes, and what its capture record says of it. What a format tells of a packet
/// beyond its bytes stands here (of a NetScaler trace that will be the leg), and which of several captures of a source
/// it belongs to.
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

/// A block of bytes and the packets in it, sorted into lanes, one lane a worker. It is filled, worked on and used
/// again, so that the steady state allocates nothing for a packet. Packets enter it by [`WayIn::enter`] alone, record
/// and decoded form together.
#[derive(Debug)]
pub struct PacketBatch {
    /// Captured bytes and whatever lies between packets in the file.
    block: Vec<u8>,
    /// Invariant: as many as the deal has.
    lanes: Vec<Entered>,
    deal: Deal,
    /// The moments of the points at which the workers meet.
    points: Vec<Timestamp>,
}

/// The packets of one lane in the order of the capture. Invariant: as many records as decoded packets.
#[derive(Default, Debug)]
struct Entered {
    records: Vec<Record>,
    packets: Vec<Result<Packet, Skip>>,
    /// How many of them were entered before each point at which the workers meet.
    before: Vec<usize>,
}

impl Entered {
    #[inline]
    fn push(&mut self, record: Record, packet: Result<Packet, Skip>) {
        self.packets.push(packet);
        self.records.push(record);
    }

    fn clear(&mut self) {
        self.records.clear();
        self.packets.clear();
        self.before.clear();
    }
}

/// A batch that is being filled. It is lent for one call, and whoever lent it sends it on whatever comes of the call.
#[derive(Debug)]
pub struct Filling<'a> {
    /// The batch's own memory, as the filling before left it. A source reads straight into it and may make it longer.
    pub block: &'a mut Vec<u8>,
    /// How packets enter the batch, apart from the block, so that a source can look for them there meanwhile.
    pub way_in: WayIn<'a>,
}

impl Filling<'_> {
    /// Enters the packet of a record that points into the block.
    #[inline]
    pub fn enter(&mut self, record: Record) {
        self.way_in.enter(self.block, record);
    }

    /// Copies a packet to the end of the block and enters it.
    #[inline]
    pub fn copy(&mut self, packet: &RawPacket<'_>) {
        let RawPacket { at, number, capture, link, original, bytes } = *packet;
        let (offset, captured) = (self.block.len() as u32, bytes.len() as u32);
        self.block.extend_from_slice(bytes);
        self.enter(Record { at, number, offset, captured, original, link, capture });
    }

    /// Time has passed up to `at`, whether or not a packet came.
    pub fn time_passes(&mut self, at: Timestamp) {
        self.way_in.clock.advance(at);
    }
}

/// The one way of packets into a batch: makes time run forward, decodes where the bytes have just come in (they are in
/// the cache there), and picks the lane by the two hosts, so that each flow, its errors and its fragments are whole in
/// one worker. (A packet in a tunnel will have its lane by the hosts inside; [`Packet::host_pair`] tells them, and
/// nothing else has to change.)
#[derive(Debug)]
pub struct WayIn<'a> {
    clock: &'a mut Clock,
    lanes: &'a mut [Entered],
    deal: &'a mut Deal,
    points: &'a mut Vec<Timestamp>,
}

impl WayIn<'_> {
    /// Enters the packet of a record that points into `block`, the block of the same filling.
    #[inline]
    pub fn enter(&mut self, block: &[u8], mut record: Record) {
        record.at = self.clock.tick(record.at);
        let raw = record.packet(block);
        // Not one call of `decode`: what has only one origin is written straight to its place. On its way over the
        // stack it would have to wait until all that was written before has arrived.
        match decode_most(&raw) {
            Some(packet) => self.lane(packet.source, packet.destination).push(record, Ok(packet)),
            None => self.enter_any(&raw, record),
        }
        if self.deal.is_point(record.captured) {
            self.meet();
        }
    }

    /// The workers meet after the packets that have been entered until now.
    #[cold]
    fn meet(&mut self) {
        self.points.push(self.clock.now());
        self.lanes.iter_mut().for_each(|lane| lane.before.push(lane.records.len()));
    }

    #[inline(never)]
    fn enter_any(&mut self, raw: &RawPacket<'_>, record: Record) {
        let packet = decode_any(raw);
        let lane = match &packet {
            Ok(packet) => {
                let (one, other) = packet.host_pair(raw.bytes);
                self.lane(one, other)
            }
            Err(_) => &mut self.lanes[0],
        };
        lane.push(record, packet);
    }

    #[inline]
    fn lane(&mut self, one: Address, other: Address) -> &mut Entered {
        &mut self.lanes[self.deal.lane(one, other)]
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
    /// The same packets in groups of `size`; the last one may be smaller.
    pub fn groups(self, size: usize) -> impl Iterator<Item = Lane<'a>> {
        let records = self.records.chunks(size);
        records.zip(self.packets.chunks(size)).map(move |(records, packets)| Lane { records, packets, ..self })
    }

    /// Reads a little of each line of the cache, so that the processor fetches all of them from the other core at the
    /// same time.
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
    /// An empty batch for this number of workers, at least 1, who never meet.
    pub fn new(workers: usize) -> PacketBatch {
        PacketBatch::dealt(Deal::new(workers, u64::MAX))
    }

    /// An empty batch whose packets are dealt in this way.
    pub fn dealt(deal: Deal) -> PacketBatch {
        let lanes = std::iter::repeat_with(Entered::default).take(deal.lanes()).collect();
        PacketBatch { block: Vec::new(), lanes, deal, points: Vec::new() }
    }

    /// How packets are dealt after those of this batch. Another batch of the same audit goes on from there.
    pub fn deal(&mut self) -> &mut Deal {
        &mut self.deal
    }

    /// A batch of one lane with copies of these packets. Their times stay what they are.
    pub fn of<'a>(packets: impl IntoIterator<Item = RawPacket<'a>>) -> PacketBatch {
        let mut batch = PacketBatch::new(1);
        for raw in packets {
            let RawPacket { at, number, capture, link, original, bytes } = raw;
            let (offset, captured) = (batch.block.len() as u32, bytes.len() as u32);
            batch.block.extend_from_slice(bytes);
            batch.lanes[0].push(Record { at, number, offset, captured, original, link, capture }, decode(&raw));
        }
        batch
    }

    /// Lends it to be filled anew. The packets that were in it are forgotten, their memory is kept.
    pub fn fill<'a>(&'a mut self, clock: &'a mut Clock) -> Filling<'a> {
        self.lanes.iter_mut().for_each(Entered::clear);
        self.points.clear();
        let PacketBatch { block, lanes, deal, points } = self;
        Filling { block, way_in: WayIn { clock, lanes, deal, points } }
    }

    /// The packets of one lane with what their headers say.
    pub fn lane(&self, lane: usize) -> Lane<'_> {
        let Entered { records, packets, .. } = &self.lanes[lane];
        Lane { block: &self.block, records, packets }
    }

    /// The packets of one lane, cut where the workers meet, with the moment of the point that follows; none follows the last
    /// piece.
    pub fn pieces(&self, lane: usize) -> impl Iterator<Item = (Lane<'_>, Option<Timestamp>)> {
        let whole = self.lane(lane);
        let ends = self.lanes[lane].before.iter().copied().chain([whole.records.len()]);
        let points = self.points.iter().copied().map(Some).chain([None]);
        let mut start = 0;
        ends.zip(points).map(move |(end, point)| {
            let piece = std::mem::replace(&mut start, end)..end;
            (Lane { records: &whole.records[piece.clone()], packets: &whole.packets[piece], ..whole }, point)
        })
    }

    /// The packets of one lane, in the order of the capture.
    pub fn packets(&self, lane: usize) -> impl Iterator<Item = RawPacket<'_>> {
        self.lanes[lane].records.iter().map(|record| record.packet(&self.block))
    }
}

impl Record {
    /// The packet itself, out of the block that this record points into.
    #[inline]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    /// An Ethernet frame with an IPv4 header and a UDP header, of which the last byte of the sender's address is
    /// chosen.
    fn frame(host: u8) -> Vec<u8> {
        let ip = [0x45, 0, 0, 28, 0, 7, 0, 0, 64, 17, 0, 0, 10, 0, 0, host, 10, 0, 1, 1];
        [&[0; 12][..], &[0x08, 0x00], &ip, &[0x9c, 0x40, 0x05, 0xd6, 0, 8, 0, 0]].concat()
    }

    fn raw(number: u64, at: Timestamp, bytes: &[u8]) -> RawPacket<'_> {
        RawPacket { at, number, capture: 3, link: LinkType::ETHERNET, original: 60, bytes }
    }

    #[test]
    fn each_packet_goes_to_the_lane_of_its_hosts_decoded_and_in_order() {
        let frames: Vec<Vec<u8>> = (1..=60).map(frame).collect();
        let deal = Deal::new(3, u64::MAX);
        let (mut batch, mut clock) = (PacketBatch::dealt(deal), Clock::default());
        for round in 0..2 {
            let mut filling = batch.fill(&mut clock);
            filling.block.clear();
            for (number, frame) in (1..).zip(&frames) {
                filling.copy(&raw(number, Timestamp(number as i64), frame));
            }
            // What is not read at all goes to the first lane.
            filling.copy(&raw(61, Timestamp(61), b"no frame"));
            for lane in 0..3 {
                let chosen = |host: u8| {
                    let hosts = [[10, 0, 0, host], [10, 0, 1, 1]].map(Address::v4);
                    deal.lane(hosts[0], hosts[1]) == lane
                };
                let mut expected: Vec<u64> = (1..=60).filter(|&host| chosen(host)).map(u64::from).collect();
                assert!(expected.len() > 5, "the test wants packets in every lane");
                expected.extend((lane == 0).then_some(61));
                let numbers: Vec<u64> = batch.packets(lane).map(|packet| packet.number).collect();
                assert_eq!(numbers, expected, "lane {lane}, round {round}");
                assert!(batch.lane(lane).raw_and_decoded().all(|(raw, decoded)| *decoded == decode(&raw)));
                assert_eq!(batch.lane(lane).len(), expected.len());
            }
        }
    }

    #[test]
    fn the_workers_meet_after_the_same_packets_whatever_the_size_of_batches() {
        let frames: Vec<Vec<u8>> = (1..=60).map(frame).collect();
        // Each packet may take 320 bytes and its own 42: the seventh of them fills 2500.
        let pieces = |size: usize| {
            let (mut deal, mut clock) = (Deal::new(2, 2_500), Clock::default());
            let mut seen = [Vec::new(), Vec::new()];
            for (batch_number, frames) in (0..).zip(frames.chunks(size)) {
                let mut batch = PacketBatch::dealt(deal);
                let mut filling = batch.fill(&mut clock);
                for (number, frame) in (1 + batch_number * size as u64..).zip(frames) {
                    filling.copy(&raw(number, Timestamp(number as i64), frame));
                }
                deal = *batch.deal();
                for (lane, seen) in seen.iter_mut().enumerate() {
                    for (piece, point) in batch.pieces(lane) {
                        seen.extend(piece.raw_and_decoded().map(|(raw, _)| raw.number));
                        // A point stands as a number that no packet has.
                        seen.extend(point.map(|at| 1_000 + at.0 as u64));
                    }
                }
            }
            // Which lane is a matter of the secret: only the order within both of them together is the same.
            let mut both: Vec<u64> = seen.into_iter().flatten().collect();
            both.sort_unstable();
            both
        };
        let expected: Vec<u64> = (1..=60).chain((1..=8).flat_map(|point| [1_000 + 7 * point; 2])).collect();
        for size in [1, 3, 7, 60] {
            assert_eq!(pieces(size), expected, "batches of {size}");
        }
    }

    #[test]
    fn time_runs_forward_on_the_way_in() {
        let (mut batch, mut clock) = (PacketBatch::new(1), Clock::default());
        let frame = frame(1);
        let second = |second| Timestamp::new(second, 0);
        let mut filling = batch.fill(&mut clock);
        filling.copy(&raw(1, second(10), &frame));
        filling.copy(&raw(2, second(10) + Span::millis(-5), &frame));
        filling.time_passes(second(12));
        filling.copy(&raw(3, second(11), &frame));
        let times: Vec<Timestamp> = batch.packets(0).map(|packet| packet.at).collect();
        assert_eq!(times, [second(10), second(10), second(12)]);
    }
}
