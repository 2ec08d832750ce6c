//! One direction of a flow: its counts, its sequence numbers, and which of its packets the capture holds twice.

use crate::flow::Counts;
use crate::packet::{Packet, Tcp, TransportHeader};
use crate::time::{Span, Timestamp};

/// What one more segment of a side is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing to remark.
    Plain,
    /// The first new data after a long pause of this side.
    AfterPause,
    /// Data that was sent before.
    Again,
    /// The same, from the first bytes of this side.
    AgainEarly,
    /// Data that was sent before, and not for the first time.
    OftenAgain,
}

impl Step {
    #[inline]
    pub(super) fn is_repetition(self) -> bool {
        matches!(self, Step::Again | Step::AgainEarly | Step::OftenAgain)
    }
}

/// One direction of a flow.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
pub(super) struct Half {
    pub(super) packets: u32,
    pub(super) retransmissions: u32,
    pub(super) duplicates: u32,
    /// Sequence number of the first payload byte; valid once `started`.
    pub(super) start: u32,
    /// The sequence number expected next; valid once `started`.
    pub(super) next: u32,
    /// What `next` was at `noted_at`.
    noted: u32,
    /// In microseconds that wrap around: only short distances are asked for. Invariant: it lies less than [`SOON`]
    /// before the last packet.
    noted_at: u32,
    /// `next` was at least this number [`SOON`] ago. What ends here or before cannot be the first of its kind that was
    /// overtaken, and no copy of one point of a path that was captured at another.
    settled: u32,
    /// IP identification of the segment that was sent last as far as is known.
    pub(super) newest: u16,
    pub(super) started: bool,
    /// Of the first packet.
    pub(super) ttl: u8,
    pub(super) ip_bytes: u64,
    pub(super) payload_bytes: u64,
    /// Fingerprints of the last packets, to know a copy.
    recent: [u32; 3],
}

impl Half {
    /// Time goes on to this packet. Returns for how many microseconds nothing of this side has been seen, or up to
    /// [`SOON`] more.
    #[inline]
    pub(super) fn time_passes(&mut self, at: Timestamp) -> u32 {
        let now = (at.0 / 1_000) as u32;
        let quiet = now.wrapping_sub(self.noted_at);
        if quiet >= SOON || self.packets == 1 {
            // After twice that time even what moved `next` last was sent long enough ago.
            self.settled = if quiet >= 2 * SOON { self.next } else { self.noted };
            self.noted = self.next;
            self.noted_at = now;
        }
        quiet
    }

    /// Follows the sequence numbers, and counts what was sent before. A segment before the others counts where it
    /// cannot have been overtaken on the way.
    #[inline]
    pub(super) fn sequence(&mut self, tcp: &Tcp, packet: &Packet, quiet: u32) -> Step {
        if tcp.flags.rst() {
            return Step::Plain;
        }
        let (payload, length) = (packet.payload_bytes, length(tcp, packet));
        let end = tcp.sequence.wrapping_add(length);
        if !self.started {
            self.started = true;
            self.start = end.wrapping_sub(payload).wrapping_sub(u32::from(tcp.flags.fin()));
            // Nothing is settled before the first packet.
            self.settled = end.wrapping_sub(1 << 30);
            self.noted = end;
            self.moves(end, packet, quiet);
        } else if length == 0 {
        } else if is_before(self.next, end) {
            self.moves(end, packet, quiet);
            if quiet >= PAUSE {
                return Step::AfterPause;
            }
        } else if tcp.flags.syn() {
            if !self.began_with(tcp) {
                // A SYN with another number: the attempt begins anew.
                self.start = tcp.sequence.wrapping_add(1);
                self.moves(end, packet, quiet);
            }
            self.repeats(packet);
        } else {
            let keepalive = payload <= 1 && length == payload && tcp.sequence.wrapping_add(1) == self.next;
            if !keepalive && !is_before(self.settled, end) && !self.was_sent_before(packet, quiet) {
                self.repeats(packet);
                return if self.retransmissions >= MANY {
                    Step::OftenAgain
                } else if tcp.sequence.wrapping_sub(self.start) < BEGINNING {
                    Step::AgainEarly
                } else {
                    Step::Again
                };
            }
        }
        Step::Plain
    }

    fn moves(&mut self, end: u32, packet: &Packet, quiet: u32) {
        self.next = end;
        if quiet >= SOON {
            self.noted = end;
        }
        self.newest = packet.identification as u16;
    }

    fn repeats(&mut self, packet: &Packet) {
        self.retransmissions += 1;
        self.newest = packet.identification as u16;
    }

    /// It has sent something twice.
    pub(super) fn has_repeated(&self) -> bool {
        self.retransmissions > 0
    }

    /// This number comes right after all that this side had sent before its packet. Only after a pause: it is taken for what was
    /// sent long enough before.
    pub(super) fn continues_with(&self, sequence: u32) -> bool {
        self.settled == sequence
    }

    /// How long, up to a moment after its last packet, nothing of this side has been seen, or up to [`SOON`] more.
    pub(super) fn quiet_until(&self, at: Timestamp) -> Span {
        Span::micros(i64::from(((at.0 / 1_000) as u32).wrapping_sub(self.noted_at)))
    }

    /// A SYN or SYN-ACK with the number of the one before.
    fn began_with(&self, tcp: &Tcp) -> bool {
        self.started && tcp.sequence.wrapping_add(1) == self.start
    }

    /// The identification says that it was sent before the newest segment, or that it is the newest.
    fn was_sent_before(&self, packet: &Packet, quiet: u32) -> bool {
        let identification = packet.identification as u16;
        let known = identification != 0 && self.newest != 0 && quiet <= BLOCK_WINDOW;
        known && self.newest.wrapping_sub(identification) < ID_WINDOW
    }

    /// True for a packet that the capture holds twice, because it was captured at several places: same headers, and too
    /// soon to have been sent again.
    #[inline]
    pub(super) fn is_copy(&mut self, packet: &Packet, quiet: u32, syns_waiting: u8) -> bool {
        let words = match packet.transport {
            TransportHeader::Tcp(tcp) => {
                (u64::from(tcp.sequence) << 32 | u64::from(tcp.acknowledgement)) ^ u64::from(tcp.flags.0) << 24
            }
            TransportHeader::Icmp(icmp) => u64::from(icmp.kind) << 16 | u64::from(icmp.identifier),
            TransportHeader::Udp | TransportHeader::Fragment(_) => u64::from(packet.source_port),
        };
        let print = fingerprint(words, packet.identification, packet.payload_bytes);
        let same = self.recent.contains(&print);
        let copy = match packet.transport {
            _ if same && packet.identification != 0 && quiet <= COPY_WINDOW => true,
            TransportHeader::Tcp(tcp) if tcp.flags.syn() => {
                self.began_with(&tcp) && self.greets_twice(&tcp, packet, quiet, syns_waiting)
            }
            // Without an identification two equal bare ACKs, or two equal datagrams, may well be two packets.
            TransportHeader::Tcp(tcp) if same && packet.identification == 0 => {
                let length = length(&tcp, packet);
                length > 0 && is_before(self.settled, tcp.sequence.wrapping_add(length))
            }
            TransportHeader::Tcp(_)
            | TransportHeader::Udp
            | TransportHeader::Icmp(_)
            | TransportHeader::Fragment(_) => false,
        };
        if !copy {
            self.recent = [print, self.recent[0], self.recent[1]];
        }
        copy
    }

    /// A SYN or SYN-ACK comes again too soon. A SYN that was repeated may bring its SYN-ACK at any time.
    fn greets_twice(&self, tcp: &Tcp, packet: &Packet, quiet: u32, syns_waiting: u8) -> bool {
        if packet.identification != 0 {
            return self.was_sent_before(packet, quiet);
        }
        quiet <= HANDSHAKE_PATIENCE && !(tcp.flags.ack() && syns_waiting > 0)
    }

    pub(super) fn counts(self) -> Counts {
        Counts {
            packets: u64::from(self.packets),
            ip_bytes: self.ip_bytes,
            payload_bytes: self.payload_bytes,
            retransmissions: self.retransmissions,
            duplicates: self.duplicates,
            ttl: self.ttl,
            missing_bytes: self.missing_bytes(),
        }
    }

    /// What the sequence numbers ran through and no packet brought. They wrap around, which hides some; a packet with a number made up,
    /// which would show too many, counts for no more than all the others.
    fn missing_bytes(self) -> u64 {
        // A FIN has a number as well.
        let sent = u64::from(if self.started { self.next.wrapping_sub(self.start) } else { 0 }).saturating_sub(1);
        if sent > u64::from(u32::MAX / 2) { 0 } else { sent.saturating_sub(self.payload_bytes).min(self.payload_bytes) }
    }
}

/// How far a segment moves the sequence numbers.
#[inline]
fn length(tcp: &Tcp, packet: &Packet) -> u32 {
    packet.payload_bytes.wrapping_add(u32::from(tcp.flags.syn())).wrapping_add(u32::from(tcp.flags.fin()))
}

/// Whether one sequence number comes before the other. They wrap around.
#[inline]
pub(super) fn is_before(one: u32, other: u32) -> bool {
    (other.wrapping_sub(one) as i32) > 0
}

/// Never 0, the value of an unused place.
#[inline]
fn fingerprint(words: u64, identification: u32, length: u32) -> u32 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = (words ^ (u64::from(identification) << 20) ^ (u64::from(length) << 40)).wrapping_mul(ODD);
    (mixed >> 32) as u32 | 1
}

/// Longest time in microseconds between copies of one packet when the IP identification proves that they are copies (a
/// mirror of both ends of a path; facts COPY-01).
const COPY_WINDOW: u32 = 50_000;
/// Time in microseconds within which a segment that comes too late may have been overtaken, or be one of many copies. A
/// repetition takes longer: a round trip or a timer. Wireshark takes the same 3 ms.
const SOON: u32 = 3_000;
/// Time in microseconds within which no SYN is repeated, and no SYN-ACK without a SYN (RFC 6298, 2.1: one second).
const HANDSHAKE_PATIENCE: u32 = 200_000;
/// Minimum time in microseconds without a packet of a side that is a pause: shorter than any timer of a firewall.
const PAUSE: u32 = 60_000_000;
/// Bytes from the start of a side up to which every repetition is looked at: few flows lose something there, and where large packets
/// vanish they often do so from the first flight on (ten segments; RFC 6928).
const BEGINNING: u32 = 16_384;
/// Number of retransmissions of a side from which on it is looked whether anybody answers it: most flows have fewer.
const MANY: u32 = 3;
/// Distance of IP identifications: hosts count them up, so a packet whose identification is less than this below the
/// newest was sent before it. A host that draws lots will be misunderstood once in 64 times ...
const ID_WINDOW: u16 = 1_024;
/// ... and never when its last packet was earlier than this time in microseconds. Two interfaces may be written to a
/// file in blocks a quarter of a second long.
const BLOCK_WINDOW: u32 = 500_000;
