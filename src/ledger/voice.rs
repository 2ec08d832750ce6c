//! How the packets of a server look where they were captured: by this a packet that comes in its name is told from one of its own.

use crate::flow::{FlowRecord, Hints, Marks, PacketRef, Showing};
use crate::packet::{Address, protocol};
use crate::time::{Span, Timestamp};
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Who was heard, by whom, and where.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Speaker {
    /// The server.
    pub server: Address,
    /// The network of the clients ([`Address::network`]).
    pub clients: Address,
    /// The capture: another one may have been taken at another place.
    pub capture: u32,
}

/// What is known of the answers of a server: SYN-ACKs and first datagrams, on whatever port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Voice {
    /// Flows that it answered.
    pub flows: u64,
    /// When it first answered.
    pub first: Timestamp,
    /// When it last answered.
    pub last: Timestamp,
    /// Some moments at which it answered.
    pub moments: Moments,
    /// The smallest time to live of its first packets, and the largest.
    pub ttl: (u8, u8),
    /// The same of the clients' first packets.
    pub client_ttl: (u8, u8),
    /// The shortest time from a SYN to its SYN-ACK in microseconds.
    pub delay: Option<u32>,
    /// The lowest and the highest port that answered, each with its IP protocol number.
    pub ports: ((u8, u16), (u8, u16)),
    /// What was seen of it at least once.
    pub habits: Habits,
}

/// A few of many moments, drawn by lot so that each of the many is as likely: the same few however they were dealt to workers, and whenever
/// they were.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Moments([Option<(u32, Timestamp)>; MOMENTS]);

/// Maximum number of moments that are drawn.
pub const MOMENTS: usize = 4;

impl Moments {
    /// The moment of the flow that begins with this packet. The packet draws the lot.
    pub fn of(opener: PacketRef, at: Timestamp) -> Moments {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        // Not the capture, whose number is another one where a written ledger is read: each voice is of one.
        let lot = opener.packet.wrapping_mul(ODD);
        let mut moments = Moments::default();
        moments.add((lot >> 32) as u32, at);
        moments
    }

    /// Lots and moments, the lowest lot first.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Timestamp)> {
        self.0.iter().flatten().copied()
    }

    /// Keeps the lowest lots.
    pub(super) fn add(&mut self, lot: u32, at: Timestamp) {
        let mut new = (lot, at);
        for place in &mut self.0 {
            match place {
                Some(known) if *known == new => return,
                Some(known) if *known < new => {}
                Some(known) => std::mem::swap(known, &mut new),
                None => {
                    *place = Some(new);
                    return;
                }
            }
        }
    }
}

/// What a server was seen to do, each a bit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Habits(pub u8);

impl Habits {
    /// A SYN-ACK with the IP identification 0.
    pub const NO_IDENTIFICATION: u8 = 1;
    /// A SYN-ACK with another one.
    pub const IDENTIFICATION: u8 = 1 << 1;
    /// A reset without TCP options, in a flow in which it had sent payload.
    pub const BARE_RESET: u8 = 1 << 2;
    /// Such a reset with TCP options.
    pub const RESET_WITH_OPTIONS: u8 = 1 << 3;
    /// Every habit.
    pub const ALL: u8 = (1 << 4) - 1;

    /// True where it was seen.
    pub fn has(self, habit: u8) -> bool {
        self.0 & habit != 0
    }
}

/// Voices by who was heard, the first [`VOICE_LIMIT`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Voices {
    voices: BTreeMap<Speaker, Voice>,
    /// Some were left out because there were too many.
    pub incomplete: bool,
}

/// Maximum number of voices that are remembered.
pub const VOICE_LIMIT: usize = 16_384;

impl Voices {
    /// Enters a flow, if its server was seen to answer. What only comes back to an attempt that a reset had ended before is not
    /// counted: one of the two was not the server's.
    pub fn enter(&mut self, flow: &FlowRecord, showing: Showing) {
        let Some(greeting) = flow.greeting.filter(|_| showing != Showing::Refusal) else { return };
        let Some(at) = flow.answered_at else { return };
        let tcp = flow.protocol == protocol::TCP;
        if !(tcp || flow.protocol == protocol::UDP) || flow.from_client.packets == 0 {
            return;
        }
        let mut habits = 0;
        if tcp {
            let none = greeting.identification == 0;
            habits |= if none { Habits::NO_IDENTIFICATION } else { Habits::IDENTIFICATION };
        }
        if let Some(reset) = flow.reset.filter(|reset| !reset.hints.has(Hints::BEFORE_PAYLOAD)) {
            let options = reset.hints.has(Hints::OPTIONS);
            habits |= if options { Habits::RESET_WITH_OPTIONS } else { Habits::BARE_RESET };
        }
        let delay = flow.greeting_delay().filter(|_| tcp && !flow.marks.has(Marks::LET_GO));
        let port = (flow.protocol, flow.server.port);
        let speaker = Speaker {
            server: flow.server.address,
            clients: flow.client.address.network(),
            capture: flow.opener.capture,
        };
        let voice = Voice {
            flows: 1,
            first: at,
            last: at,
            moments: Moments::of(flow.opener, at),
            ttl: (greeting.ttl, greeting.ttl),
            client_ttl: (flow.from_client.ttl, flow.from_client.ttl),
            delay: delay.and_then(|delay| u32::try_from(delay.as_micros()).ok()),
            ports: (port, port),
            habits: Habits(habits),
        };
        self.add(speaker, voice);
    }

    /// What is known of a server where clients of this network asked it, in one capture.
    pub fn get(&self, speaker: &Speaker) -> Option<&Voice> {
        self.voices.get(speaker)
    }

    /// What is known of a server, by who asked it and where.
    pub fn of(&self, server: Address) -> impl Iterator<Item = (&Speaker, &Voice)> {
        let lowest = Speaker { server, clients: Address::default(), capture: 0 };
        self.voices.range(lowest..).take_while(move |(speaker, _)| speaker.server == server)
    }

    /// Every voice, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Speaker, &Voice)> {
        self.voices.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.voices.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.voices.is_empty()
    }

    /// Keeps the first in order, so that the order in which they came does not matter.
    pub(super) fn add(&mut self, speaker: Speaker, voice: Voice) {
        let full = self.voices.len() >= VOICE_LIMIT;
        if full && self.voices.last_key_value().is_some_and(|(last, _)| speaker > *last) {
            self.incomplete = true;
            return;
        }
        self.voices.entry(speaker).and_modify(|known| *known += voice).or_insert(voice);
        if self.voices.len() > VOICE_LIMIT {
            self.voices.pop_last();
            self.incomplete = true;
        }
    }
}

impl Voice {
    /// The shortest time from a SYN to its SYN-ACK.
    pub fn delay(&self) -> Option<Span> {
        self.delay.map(|micros| Span::micros(micros.into()))
    }

    /// It answered on a port other than this one.
    pub fn answered_beside(&self, port: (u8, u16)) -> Option<(u8, u16)> {
        let (lowest, highest) = self.ports;
        [lowest, highest].into_iter().find(|&other| other != port)
    }
}

impl AddAssign<&Voices> for Voices {
    fn add_assign(&mut self, other: &Voices) {
        let Voices { voices, incomplete } = other;
        voices.iter().for_each(|(speaker, voice)| self.add(*speaker, *voice));
        self.incomplete = self.incomplete || *incomplete;
    }
}

impl AddAssign for Voice {
    fn add_assign(&mut self, other: Voice) {
        let Voice { flows, first, last, moments, ttl, client_ttl, delay, ports, habits } = other;
        let wider = |mine: (u8, u8), theirs: (u8, u8)| (mine.0.min(theirs.0), mine.1.max(theirs.1));
        self.flows += flows;
        self.first = self.first.min(first);
        self.last = self.last.max(last);
        moments.iter().for_each(|(lot, at)| self.moments.add(lot, at));
        self.ttl = wider(self.ttl, ttl);
        self.client_ttl = wider(self.client_ttl, client_ttl);
        self.delay = self.delay.into_iter().chain(delay).min();
        self.ports = (self.ports.0.min(ports.0), self.ports.1.max(ports.1));
        self.habits.0 |= habits.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(ttl: u8, port: u16, delay: Option<u32>) -> Voice {
        let at = Timestamp(i64::from(port));
        let port = (6, port);
        let habits = Habits(Habits::IDENTIFICATION);
        let moments = Moments::of(PacketRef { capture: 0, packet: u64::from(ttl) }, at);
        Voice {
            flows: 1,
            first: at,
            last: at,
            moments,
            ttl: (ttl, ttl),
            client_ttl: (64, 64),
            delay,
            ports: (port, port),
            habits,
        }
    }

    #[test]
    fn the_limit_keeps_the_first_whatever_the_order() {
        let speaker = |number: usize| {
            let server = Address::v4([10, 1, (number / 256) as u8, (number % 256) as u8]);
            Speaker { server, clients: Address::v4([10, 2, 0, 0]), capture: 0 }
        };
        let all = VOICE_LIMIT + 7;
        let (mut forward, mut backward) = (Voices::default(), Voices::default());
        (0..all).for_each(|number| forward.add(speaker(number), voice(60, 80, None)));
        (0..all).rev().for_each(|number| backward.add(speaker(number), voice(60, 80, None)));
        assert_eq!(forward, backward);
        assert_eq!((forward.len(), forward.incomplete), (VOICE_LIMIT, true));
        assert!(forward.get(&speaker(0)).is_some() && forward.get(&speaker(all - 1)).is_none());
    }

    #[test]
    fn the_moments_that_are_drawn_do_not_depend_on_the_order_and_lie_everywhere() {
        let of = |number: u64| Moments::of(PacketRef { capture: 0, packet: number }, Timestamp(number as i64));
        let sum = |numbers: &mut dyn Iterator<Item = u64>| {
            numbers.fold(Moments::default(), |mut sum, number| {
                of(number).iter().for_each(|(lot, at)| sum.add(lot, at));
                sum
            })
        };
        let forward = sum(&mut (1..=1_000));
        assert_eq!(forward, sum(&mut (1..=1_000).rev()));
        let drawn: Vec<i64> = forward.iter().map(|(_, at)| at.0).collect();
        assert_eq!(drawn.len(), MOMENTS);
        let spread = drawn.iter().max().zip(drawn.iter().min()).map(|(last, first)| last - first);
        assert!(spread > Some(200), "{drawn:?}");
    }

    #[test]
    fn voices_add_up_in_any_order() {
        let voices = [voice(60, 443, Some(900)), voice(61, 22, None), voice(58, 80, Some(450))];
        let sum = |order: [usize; 3]| {
            let mut sum = voices[order[0]];
            order[1..].iter().for_each(|&next| sum += voices[next]);
            sum
        };
        let all = sum([0, 1, 2]);
        assert_eq!(all, sum([2, 0, 1]));
        let moments: std::collections::BTreeSet<Timestamp> = all.moments.iter().map(|(_, at)| at).collect();
        assert_eq!(moments, [22, 80, 443].map(Timestamp).into());
        assert_eq!((all.flows, all.ttl, all.delay), (3, (58, 61), Some(450)));
        assert_eq!(all.answered_beside((6, 22)), Some((6, 443)));
        assert_eq!(voice(60, 443, None).answered_beside((6, 443)), None);
    }
}
