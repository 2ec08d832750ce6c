//! How fast the server of a flow is: answers that a client waits for, and requests that it sends again.

use super::half::Step;
use super::{Flow, Spoke};
use crate::flow::{Marks, PacketRef, Requests, Wait, Who};
use crate::packet::{Packet, RawPacket, Tcp};
use crate::signature;
use crate::time::{Span, Timestamp};

/// Requests over UDP that were sent lately.
#[derive(Default)]
pub(super) struct Asking {
    /// By their fingerprints.
    asked: Vec<Asked>,
    /// Packets of the server at the last request.
    heard: u32,
    /// Repetitions since then: they count where it goes on, for else it is down.
    unanswered: u32,
}

/// A request over UDP.
#[derive(Clone, Copy, Default)]
struct Asked {
    /// Of its length and its first bytes; never 0, the value of an unused place.
    print: u32,
    /// In microseconds that wrap around.
    at: u32,
    identification: u16,
}

impl Flow {
    /// From now on the client's datagrams are looked at: each asks for an answer.
    pub fn asks_by_datagrams(&mut self) {
        self.spoke.0 |= Spoke::ASKS;
    }

    /// A side says something over TCP. What it says again is no request and no answer.
    #[inline]
    pub(super) fn takes_turn(
        &mut self,
        tcp: &Tcp,
        packet: &Packet,
        raw: &RawPacket<'_>,
        (who, step): (Who, Step),
        before: Timestamp,
    ) {
        // A keepalive may have one byte.
        if packet.payload_bytes <= 1 {
            return;
        }
        match who {
            Who::Client => self.spoke.0 |= Spoke::AWAITS,
            Who::Server if self.spoke.0 & Spoke::AWAITS != 0 && !step.is_repetition() => {
                self.spoke.0 &= !Spoke::AWAITS;
                if raw.at - before >= LONG {
                    self.answers_late(tcp, packet, raw, before);
                }
            }
            Who::Server => {}
        }
    }

    /// The client says again what it has said: what is late may be lost.
    pub(super) fn waits_no_more(&mut self) {
        self.spoke.0 &= !Spoke::AWAITS;
    }

    /// The first packet of an answer, after nothing was said for a second or longer. It counts where the server had the whole request
    /// and nothing is missing before its answer, and where what comes later than its first words begins as an answer does.
    #[cold]
    fn answers_late(&mut self, tcp: &Tcp, packet: &Packet, raw: &RawPacket<'_>, before: Timestamp) {
        let [client, server] = &self.halves;
        let whole = tcp.flags.ack() && tcp.acknowledgement == client.next && server.continues_with(tcp.sequence);
        let wait = Span((raw.at - before).0 + client.quiet_until(before).0);
        if !whole || wait > LONGEST {
            return;
        }
        let first = (!self.server_spoke()).then_some(wait);
        let heard = self.cold.as_deref().and_then(|cold| cold.heard.as_ref()).map(|heard| heard.protocol);
        if first.is_none() && !signature::begins_answer(heard, packet.payload(raw.bytes)) {
            return;
        }
        let new =
            Wait { times: 1, longest: wait, first, packet: PacketRef { capture: raw.capture, packet: raw.number } };
        let known = &mut self.extras().wait;
        *known = Some(match *known {
            None => new,
            Some(Wait { times, first, longest, .. }) if wait > longest => Wait { times: times + 1, first, ..new },
            Some(known) => Wait { times: known.times + 1, ..known },
        });
    }

    /// The client closes or resets, and nothing was said for a second or longer: where it waits for the first words of the server, it
    /// gives up. `quiet` is for how many microseconds it said nothing.
    #[cold]
    pub(super) fn gives_up(&mut self, raw: &RawPacket<'_>, quiet: u32) {
        let wait = Span::micros(i64::from(quiet));
        if self.server_spoke() || wait > LONGEST || self.marks.has(Marks::AWAITS_ACK) {
            return;
        }
        let in_vain = Wait {
            times: 1,
            longest: wait,
            first: Some(wait),
            packet: PacketRef { capture: raw.capture, packet: raw.number },
        };
        self.extras().in_vain.get_or_insert(in_vain);
    }

    /// It waits for an answer, and nothing has been said for a second or longer.
    #[inline]
    pub(super) fn is_waiting(&self, at: Timestamp, before: Timestamp) -> bool {
        self.spoke.0 & Spoke::AWAITS != 0 && at - before >= LONG
    }

    /// A datagram that asks for an answer: whether it was sent before.
    #[inline(never)]
    pub(super) fn asks(&mut self, packet: &Packet, raw: &RawPacket<'_>) {
        let now = Asked {
            print: print_of(packet.payload_bytes, packet.payload(raw.bytes)),
            at: (raw.at.0 / 1_000) as u32,
            identification: packet.identification as u16,
        };
        let answers = self.halves[Who::Server as usize].packets;
        let client = &self.halves[Who::Client as usize];
        let before = client.packets.saturating_sub(client.duplicates + 1);
        if before < BEGINNING {
            return;
        }
        let rare = self.rare();
        let Asking { asked, heard, unanswered } = &mut rare.asking;
        let begun = Requests { sent: before, repeated: 0 };
        let requests = rare.extras.get_or_insert_default().requests.get_or_insert(begun);
        if *heard != answers {
            *heard = answers;
            requests.repeated = requests.repeated.saturating_add(std::mem::take(unanswered));
        }
        make_room(asked, requests.sent);
        let place = place_of(now.print, asked.len());
        let known = std::mem::replace(&mut asked[place], now);
        let since = now.at.wrapping_sub(known.at);
        // The same packet captured at several places comes sooner, or has the same number (facts COPY-01).
        let numbered = now.identification != 0 && now.identification != known.identification;
        let again = since >= if numbered { SENT_AGAIN } else { SURELY_AGAIN };
        if known.print != now.print || again && since > STILL_ASKED {
            requests.sent = requests.sent.saturating_add(1);
        } else if again {
            *unanswered = unanswered.saturating_add(1);
        }
    }
}

/// What is kept may not be more than what was sent.
fn make_room(asked: &mut Vec<Asked>, sent: u32) {
    let places = match asked.len() {
        0 => FEW_KEPT,
        FEW_KEPT if sent >= MANY => MANY_KEPT,
        _ => return,
    };
    for one in std::mem::replace(asked, vec![Asked::default(); places]) {
        let place = place_of(one.print, places);
        asked[place] = one;
    }
}

/// The lowest bit of a fingerprint is always set.
fn place_of(print: u32, places: usize) -> usize {
    (print >> 1) as usize % places
}

/// FNV-1a over the first bytes and the length of a datagram.
fn print_of(length: u32, payload: &[u8]) -> u32 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut print = 0xcbf2_9ce4_8422_2325 ^ u64::from(length);
    for bytes in payload[..payload.len().min(LOOKED_AT)].chunks(8) {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        print = (print ^ u64::from_le_bytes(word)).wrapping_mul(PRIME);
        print ^= print >> 29;
    }
    (print >> 16) as u32 | 1
}

/// Minimum time without any packet that makes an answer late.
const LONG: Span = Span::seconds(1);
/// Maximum time that somebody waits for an answer: what is said later was not asked for. Clients of the services that this is told of
/// give up earlier, or soon after.
const LONGEST: Span = Span::seconds(120);

/// Bytes of a request that are looked at.
const LOOKED_AT: usize = 64;
/// Requests of a flow that are only counted: most flows have no more of them, and need no room for what was asked.
const BEGINNING: u32 = 8;
/// Requests that are kept of a flow, at first, and after `MANY` of them.
const FEW_KEPT: usize = 16;
const MANY_KEPT: usize = 256;
const MANY: u32 = 64;
/// Minimum time in microseconds until a request with a number of its own is sent again.
const SENT_AGAIN: u32 = 3_000;
/// The same where the number of the IP packet proves nothing: longer than copies of one packet are apart (facts COPY-01).
const SURELY_AGAIN: u32 = 100_000;
/// Maximum time in microseconds until a request is sent again: later it may be another one.
const STILL_ASKED: u32 = 15_000_000;
