//! Datagrams that are too large for their path. Over UDP nothing that this program can read is acknowledged: what is seen is that a
//! side sends the same again and again, or that a device on the way says again and again that it does not fit.

use super::hearing::Listening;
use super::mtu::{LARGE, ON_THE_WIRE};
use super::{Flow, Rare, Spoke};
use crate::flow::{Vanished, Who};
use crate::packet::{Packet, RawPacket};
use std::cmp::Ordering;

/// The large datagrams of both sides, the client's first.
#[derive(Default)]
pub(super) struct Sizes([Large; 2]);

/// The large datagrams of one side.
#[derive(Default)]
struct Large {
    /// IP length of the first, in bytes; 0 before it.
    size: u16,
    /// Those of that length with a content of their own, in the order in which they came.
    sent: Vec<Sent>,
    /// How many smaller ones, which are not small, came since the last of that length.
    smaller: u32,
    /// Others came than one size again and again: what becomes of it cannot be told, and only errors say something.
    over: bool,
    /// How many that are not small came since that.
    after: u32,
    /// Datagrams of the other side since the first one, each with another content than those before ...
    heard: u32,
    /// ... and with the same: it sends again what was not answered.
    against: u32,
    /// The contents of the last ones: as many as a side of DTLS sends at once.
    last_heard: [u32; 4],
    errors: Errors,
}

/// A datagram of which the content was seen.
#[derive(Clone, Copy)]
struct Sent {
    print: u32,
    /// When it was sent last, in microseconds that wrap around.
    at: u32,
    /// How often it was sent again.
    again: u32,
}

/// What devices on the way said about the size of a side's datagrams.
#[derive(Default)]
struct Errors {
    /// How often, each [`SENT_AGAIN`] after the one before, and without smaller datagrams since.
    times: u32,
    /// When last, in microseconds that wrap around.
    at: u32,
    /// What would fit, in bytes; 0 where that is not said.
    mtu: u16,
}

/// Minimum IP length in bytes of a datagram that is not small: a side that sends several of these in place of large ones goes on.
const MIDDLE: u16 = 600;
/// So many of them.
const GOES_ON: u32 = 2;
/// Maximum number of large datagrams in vain, each of another content: more than the sixteen that UDT sends before one is acknowledged
/// (facts EDT-05). A side that sends more of them goes on.
const IN_FLIGHT: usize = 32;
/// Minimum time in microseconds until a datagram is sent again: longer than copies of it are apart (facts COPY-01), and than one that
/// was only lost waits where both sides are near. UDT waits 300 ms and longer (facts EDT-09).
const SENT_AGAIN: u32 = 100_000;
/// Maximum time in microseconds until the first of them is sent again, where it did not arrive: three times the shortest of UDT
/// (facts EDT-09).
const ARRIVED: u32 = 1_000_000;
/// Maximum time in microseconds: later it is another attempt.
const STILL_SENT: u32 = 60_000_000;
/// Minimum number of repetitions of one datagram ...
const IN_VAIN: u32 = 4;
/// ... of all of them for each ...
const IN_VAIN_EACH: u32 = 3;
/// ... and of errors about them.
const SAID: u32 = 5;
/// Minimum number of datagrams of the other side meanwhile.
const HEARD: u32 = 3;
/// Bytes of the content that are looked at. Of UDT they are the numbers of the datagram and its data (facts EDT-05). Whatever else is
/// spoken, what is the same in all of them was sent again.
const NUMBERED: std::ops::Range<usize> = 0..8;
const DATA: std::ops::Range<usize> = 16..64;

impl Flow {
    /// From now on it is looked whether large datagrams are sent in vain.
    pub fn watches_sizes(&mut self) {
        self.spoke.0 |= Spoke::SIZES;
    }

    /// A datagram of a flow whose large datagrams are looked at. Most of these flows have ended the watch soon: they carry screens.
    #[inline]
    pub(super) fn watch_size(&mut self, packet: &Packet, raw: &RawPacket<'_>, who: Who) {
        if packet.ip_bytes >= u32::from(LARGE) || self.listening.0 & Listening::WATCHED != 0 {
            self.watch_size_closely(packet, raw, who);
        }
    }

    #[cold]
    fn watch_size_closely(&mut self, packet: &Packet, raw: &RawPacket<'_>, who: Who) {
        self.listening.0 |= Listening::WATCHED;
        let Sizes(sides) = &mut **self.rare().sizes.get_or_insert_default();
        let other = 1 - who as usize;
        sides[other].hears(packet, raw);
        sides[who as usize].watch(packet, raw);
        if sides[who as usize].after >= GOES_ON && !sides[other].is_in_vain() {
            self.rare().sizes = None;
            self.spoke.0 &= !Spoke::SIZES;
            self.listening.0 &= !Listening::WATCHED;
        }
    }

    /// A device on the way says that a datagram of this side is too large.
    pub(super) fn says_too_big(&mut self, who: Who, mtu: u16, raw: &RawPacket<'_>) {
        self.spoke.0 |= Spoke::SIZES;
        self.listening.0 |= Listening::WATCHED;
        let Sizes(sides) = &mut **self.rare().sizes.get_or_insert_default();
        sides[who as usize].hears_of(mtu, micros(raw));
    }
}

impl Large {
    /// This side sends a datagram.
    fn watch(&mut self, packet: &Packet, raw: &RawPacket<'_>) {
        let bytes = packet.ip_bytes.min(u32::from(u16::MAX)) as u16;
        if self.size == 0 && bytes >= LARGE && bytes > self.errors.mtu {
            self.size = bytes;
        }
        if self.size == 0 || bytes < MIDDLE {
            return;
        }
        match bytes.cmp(&self.size) {
            Ordering::Less if self.errors.times > 0 && self.errors.mtu > 0 && bytes > self.errors.mtu => {}
            Ordering::Less => {
                self.smaller += 1;
                if self.smaller >= GOES_ON {
                    self.over = true;
                    self.errors.times = 0;
                }
            }
            // It looks for the size that fits, or the first one arrived.
            Ordering::Greater => self.over = true,
            Ordering::Equal => {
                self.smaller = 0;
                if !self.over {
                    self.sends(packet, raw);
                }
            }
        }
        if self.over && self.errors.times == 0 {
            self.sent = Vec::new();
            self.after += 1;
        }
    }

    /// This side sends a datagram of the length that is looked at.
    fn sends(&mut self, packet: &Packet, raw: &RawPacket<'_>) {
        let now = micros(raw);
        let print = print_of(packet.payload(raw.bytes)).filter(|_| packet.ip_bytes <= ON_THE_WIRE);
        let Some(print) = print else {
            self.over = true;
            return;
        };
        // The first would have been sent again by now.
        let arrived = self.sent.first().is_some_and(|first| first.again == 0 && now.wrapping_sub(first.at) >= ARRIVED);
        let room = self.sent.len() < IN_FLIGHT && !arrived;
        match self.sent.iter_mut().find(|sent| sent.print == print) {
            Some(sent) => {
                let since = now.wrapping_sub(sent.at);
                if (SENT_AGAIN..=STILL_SENT).contains(&since) {
                    *sent = Sent { again: sent.again + 1, at: now, ..*sent };
                }
            }
            None if room => self.sent.push(Sent { print, at: now, again: 0 }),
            None => self.over = true,
        }
    }

    /// A device on the way says that a datagram of this side is too large.
    fn hears_of(&mut self, mtu: u16, now: u32) {
        if mtu > 0 && self.size <= mtu {
            // It means another one.
            *self = Large { errors: std::mem::take(&mut self.errors), ..Large::default() };
        }
        self.errors.add(mtu, now);
    }

    /// Something was sent again, or was said to be too large.
    fn is_in_vain(&self) -> bool {
        self.errors.times > 0 || self.sent.iter().any(|sent| sent.again > 0)
    }

    /// The other side sends a datagram.
    fn hears(&mut self, packet: &Packet, raw: &RawPacket<'_>) {
        if self.size == 0 {
            return;
        }
        // What is too short to have a content says nothing.
        let Some(print) = print_of(packet.payload(raw.bytes)) else { return };
        if self.last_heard.contains(&print) {
            self.against = self.against.saturating_add(1);
            return;
        }
        self.heard = self.heard.saturating_add(1);
        self.last_heard.rotate_right(1);
        self.last_heard[0] = print;
    }

    /// What was sent in vain until now, if it was often enough.
    fn vanished(&self, by: Who) -> Option<Vanished> {
        let Large { size, heard, against, .. } = *self;
        let all: u32 = self.sent.iter().map(|sent| sent.again).sum();
        let often = self.sent.iter().any(|sent| sent.again >= IN_VAIN) && all >= IN_VAIN_EACH * self.sent.len() as u32;
        let in_vain = !self.over && often && heard >= HEARD && against < heard;
        let said = self.errors.times >= SAID && size > self.errors.mtu;
        let times = if in_vain { all } else { self.errors.times };
        let vanished = Vanished { by, smallest: size, arrived: 0, times, recovered: false, heard, first_large: false };
        (size > 0 && (in_vain || said)).then_some(vanished)
    }
}

impl Errors {
    fn add(&mut self, mtu: u16, now: u32) {
        let since = now.wrapping_sub(self.at);
        if self.times == 0 || since > STILL_SENT {
            *self = Errors { times: 1, at: now, mtu };
        } else if since >= SENT_AGAIN {
            *self = Errors { times: self.times + 1, at: now, mtu: self.mtu.max(mtu) };
        }
    }
}

impl Rare {
    /// The datagrams of a side that are too large for its path. What came in fragments was cut to fit.
    pub(super) fn vanished_datagrams(&self) -> Option<Vanished> {
        let Sizes([client, server]) = self.sizes.as_deref()?;
        let cut = self.extras.as_deref().is_some_and(|extras| extras.fragments > 0);
        server.vanished(Who::Server).or_else(|| client.vanished(Who::Client)).filter(|_| !cut)
    }
}

fn micros(raw: &RawPacket<'_>) -> u32 {
    (raw.at.0 / 1_000) as u32
}

/// FNV-1a over what stays the same when a datagram is sent again. None where the capture holds too little of it.
fn print_of(payload: &[u8]) -> Option<u32> {
    const PRIME: u32 = 0x0100_0193;
    let data = payload.get(DATA.start..payload.len().min(DATA.end)).filter(|data| data.len() >= NUMBERED.len())?;
    let bytes = payload.get(NUMBERED)?.iter().chain(data);
    Some(bytes.fold(0x811c_9dc5, |print, &byte| (print ^ u32::from(byte)).wrapping_mul(PRIME)))
}
