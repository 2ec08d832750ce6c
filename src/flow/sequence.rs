//! The packets of a flow in their order, as many as somebody reads: the first, the last, those that tell something, and sums of what
//! lies between them.

use super::{Followed, PacketKind};
use crate::time::{Span, Timestamp};
use std::collections::VecDeque;

/// Packets of a flow within a limit.
#[derive(Clone, Debug)]
pub struct Sequence {
    room: Room,
    entries: Vec<Entry>,
    last: VecDeque<Followed>,
    telling: usize,
    /// All packets but ICMP errors.
    pub packets: u64,
    /// ICMP errors that quote the flow.
    pub errors: u64,
    /// When the last packet came.
    latest: Option<Timestamp>,
}

/// How many packets are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// The first packets.
    pub first: usize,
    /// Packets after them that tell something.
    pub telling: usize,
    /// The last packets.
    pub last: usize,
}

/// A packet, or several that are left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// A packet.
    Packet(Followed),
    /// Packets that are counted only.
    LeftOut(LeftOut),
}

/// Packets that are counted only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeftOut {
    /// Packets of the client and of the server; ICMP errors count for whose packet they quote.
    pub packets: [u64; 2],
    /// Their payload in bytes.
    pub payload_bytes: [u64; 2],
    /// When the first of them came.
    pub first: Timestamp,
    /// When the last of them came.
    pub last: Timestamp,
}

/// Minimum time without a packet that is told.
pub const QUIET: Span = Span::seconds(1);
/// Minimum time without a packet after which the next one tells something.
const PAUSE: Span = Span::seconds(10);

impl Sequence {
    /// None yet.
    pub fn new(room: Room) -> Sequence {
        Sequence { room, entries: Vec::new(), last: VecDeque::new(), telling: 0, packets: 0, errors: 0, latest: None }
    }

    /// Adds the next packet.
    pub fn push(&mut self, packet: Followed) {
        match packet.kind {
            PacketKind::Error { .. } => self.errors += 1,
            PacketKind::Segment(_) | PacketKind::Datagram | PacketKind::Echo | PacketKind::Fragment => {
                self.packets += 1
            }
        }
        if self.entries.len() < self.room.first {
            self.latest = Some(packet.time);
            return self.entries.push(Entry::Packet(packet));
        }
        self.last.push_back(packet);
        if self.last.len() > self.room.last
            && let Some(packet) = self.last.pop_front()
        {
            self.enter(packet);
        }
    }

    /// Those that are kept, in order.
    pub fn entries(mut self) -> Vec<Entry> {
        let last = std::mem::take(&mut self.last);
        self.entries.extend(last.into_iter().map(Entry::Packet));
        self.entries
    }

    fn enter(&mut self, packet: Followed) {
        let waited = self.latest.is_some_and(|latest| packet.time - latest >= PAUSE);
        self.latest = Some(packet.time);
        if self.telling < self.room.telling && (waited || tells(&packet)) {
            self.telling += 1;
            return self.entries.push(Entry::Packet(packet));
        }
        let Followed { from, payload_bytes, time, .. } = packet;
        let left_out = match self.entries.last_mut() {
            Some(Entry::LeftOut(left_out)) => left_out,
            _ => {
                let none = LeftOut { packets: [0; 2], payload_bytes: [0; 2], first: time, last: time };
                self.entries.push(Entry::LeftOut(none));
                let Some(Entry::LeftOut(left_out)) = self.entries.last_mut() else { return };
                left_out
            }
        };
        left_out.packets[from as usize] += 1;
        left_out.payload_bytes[from as usize] += u64::from(payload_bytes);
        left_out.last = time;
    }
}

/// More than that the conversation goes on.
fn tells(packet: &Followed) -> bool {
    let by_kind = match packet.kind {
        PacketKind::Segment(flags) => flags.syn() || flags.fin() || flags.rst(),
        PacketKind::Error { .. } => true,
        PacketKind::Datagram | PacketKind::Echo | PacketKind::Fragment => false,
    };
    by_kind || packet.first_payload || packet.heard.is_some() || packet.again
}
