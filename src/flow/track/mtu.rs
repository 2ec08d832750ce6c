//! Packets that are too large for their path: data that a side repeats in vain, and what arrived of it.

use super::half::{Half, is_before};
use super::hearing::Listening;
use super::{Flow, Rare};
use crate::flow::{Extras, IcmpError, TooBig, Vanished, Who};
use crate::packet::{Packet, Tcp};

/// Data that one side repeats, and what comes of it.
#[derive(Clone, Copy)]
pub(super) struct Watch {
    who: Who,
    /// Sequence number of the first byte that is repeated: everything before it was acknowledged.
    from: u32,
    /// IP length of the largest packet that was repeated from there, in bytes.
    size: u16,
    /// How often.
    times: u32,
    /// IP length of the largest smaller packet from there, and where it ends.
    smaller: Option<(u16, u32)>,
    /// Packets of the other side meanwhile, none of which acknowledged it.
    heard: u32,
    /// How often the other side repeated data of its own.
    against: u32,
    /// The side cannot have sent a packet of that size before, and most likely did not.
    first_large: bool,
    small_before: bool,
}

/// Minimum IP length in bytes of a packet that may be too large: below the least that IPv6 carries everywhere (RFC 8200, 5: 1,280)
/// less what a tunnel adds.
pub(super) const LARGE: u16 = 1_200;
/// Maximum IP length in bytes of a packet whose size is that on the wire: a host that captures its own packets may see several in one.
pub(super) const ON_THE_WIRE: u32 = 1_514;
/// Maximum number of bytes from the start of a side to data that vanishes, where large packets may have passed before.
const EARLY: u32 = 65_536;
/// Maximum mean IP length in bytes of what a side sent before, where most of it was small.
const SMALL: u64 = 500;
/// Minimum number of repetitions in vain.
const IN_VAIN: u32 = 3;

impl Flow {
    /// A side repeats data: from now on its flow is watched.
    #[cold]
    pub(super) fn watch_repeated(&mut self, tcp: &Tcp, packet: &Packet, who: Who) {
        if packet.payload_bytes <= 1 || packet.ip_bytes > ON_THE_WIRE || tcp.flags.syn() {
            return;
        }
        let size = packet.ip_bytes as u16;
        let half = &self.halves[who as usize];
        let before = tcp.sequence.wrapping_sub(half.start);
        let first_large = before < packet.payload_bytes;
        let small_before = first_large || half.was_small(before, packet);
        self.listening.0 |= Listening::WATCHED;
        let end = tcp.sequence.wrapping_add(packet.payload_bytes);
        match &mut self.rare().watch {
            // Behind what is repeated already: the end of a flight, sent again to provoke an answer (RFC 8985, 7).
            Some(watch) if watch.who == who && is_before(watch.from, tcp.sequence) => {}
            Some(watch) if watch.who == who && watch.from == tcp.sequence => match size < watch.size {
                true => watch.smaller = watch.smaller.max(Some((size, end))),
                false => {
                    watch.times += 1;
                    watch.size = size;
                }
            },
            // The other side repeats as well: what answers it does not arrive either, whatever its size.
            Some(watch) if watch.who != who && watch.times >= IN_VAIN => {
                watch.against = watch.against.saturating_add(1)
            }
            watch => {
                // Where the side goes back to what lies before, what was heard since acknowledged that neither.
                let (heard, against) = match watch {
                    Some(watch) if watch.who == who => (watch.heard, watch.against),
                    Some(watch) => (0, watch.times),
                    None => (0, 0),
                };
                let (from, smaller) = (tcp.sequence, None);
                *watch = Some(Watch { who, from, size, times: 1, smaller, heard, against, first_large, small_before });
            }
        }
    }

    /// A segment of a flow in which data was repeated.
    #[cold]
    pub(super) fn watch_answer(&mut self, tcp: &Tcp, who: Who) {
        let rare = self.rare();
        let Some(watch) = rare.watch.as_mut().filter(|watch| watch.who != who) else { return };
        if tcp.flags.rst() || !tcp.flags.ack() {
            return;
        }
        if !is_before(watch.from, tcp.acknowledgement) {
            watch.heard += 1;
            return;
        }
        // It arrived: in smaller packets, where that was tried, and else as it was.
        let in_pieces = watch.smaller.filter(|&(_, end)| !is_before(end, tcp.acknowledgement));
        if let Some((size, _)) = in_pieces
            && let Some(vanished) = watch.vanished()
        {
            rare.extras.get_or_insert_default().vanished =
                Some(Vanished { arrived: size, recovered: true, ..vanished });
        }
        rare.watch = None;
        self.listening.0 &= !Listening::WATCHED;
    }

    /// An ICMP error that says that a packet of this flow is too big.
    #[cold]
    pub(super) fn is_too_big(&mut self, error: &IcmpError, mtu: u16) {
        let IcmpError { sender, about_client, .. } = *error;
        let known = &mut self.extras().too_big;
        match known {
            Some(known) => known.times += 1,
            None => *known = Some(TooBig { sender, mtu, about_client, times: 1 }),
        }
    }

    /// One more packet in fragments.
    #[cold]
    pub fn fragmented(&mut self) {
        self.extras().fragments += 1;
    }
}

impl Watch {
    /// What was repeated in vain until now, if it was often enough.
    fn vanished(&self) -> Option<Vanished> {
        let Watch { who, size, times, heard, first_large, .. } = *self;
        let vanished = Vanished { by: who, smallest: size, arrived: 0, times, recovered: false, heard, first_large };
        (times >= IN_VAIN && self.against < IN_VAIN && size >= LARGE && self.small_before).then_some(vanished)
    }
}

impl Rare {
    /// What hardly any flow shows, with what is repeated in vain until now.
    pub(super) fn extras(&self) -> Option<Box<Extras>> {
        match self.watch.and_then(|watch| watch.vanished()).or_else(|| self.vanished_datagrams()) {
            Some(vanished) => {
                let extras = self.extras.as_deref().cloned().unwrap_or_default();
                Some(Box::new(Extras { vanished: Some(vanished), ..extras }))
            }
            None => self.extras.clone(),
        }
    }
}

impl Half {
    /// What this side sent before a segment, which begins `before` bytes from its start, was so little and in such small packets that
    /// hardly any can have been as large.
    fn was_small(&self, before: u32, packet: &Packet) -> bool {
        let flight = self.next.wrapping_sub(self.start.wrapping_add(before)).div_ceil(packet.payload_bytes);
        let sent = u64::from(self.packets).saturating_sub(u64::from(self.retransmissions) + u64::from(flight));
        before <= EARLY && u64::from(before) <= SMALL * sent
    }
}
