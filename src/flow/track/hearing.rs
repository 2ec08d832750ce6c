//! What a flow hears: the first bytes of both sides, kept until the protocol is told.

use super::packed::Packed;
use super::{Flow, Since};
use crate::flow::{Alert, Details, Heard, Marks, Note, Who};
use crate::packet::{Packet, RawPacket, protocol};
use crate::signature::{self, Answer, Content, KEPT_OPENING, OPENING_LIMIT, Opening, Protocol, Strength, Tls};
use crate::time::Timestamp;
use crate::transport::Transport;

/// What is still waited for to tell the protocol.
#[derive(Clone, Copy, Default)]
pub(super) struct Listening(pub(super) u8);

impl Listening {
    /// The client's first payload was heard; the server's is the next bit.
    pub(super) const CLIENT: u8 = 1;
    pub(super) const SERVER: u8 = 2;
    /// The signature asked for more bytes.
    pub(super) const MORE: u8 = 4;
    /// Payload was missing from the capture.
    pub(super) const CUT: u8 = 8;
    /// TCP: data was repeated, and it is looked whether it is acknowledged. UDP: a large datagram was sent, and it is looked whether it
    /// is sent again.
    pub(super) const WATCHED: u8 = 0x80;
    /// It is told, and it is still of interest when each side said something: up to TLS 1.2 an alert may follow in the clear.
    pub(super) const TIMES: u8 = 16;
    /// It is DHCP, of which every message may be about another client.
    pub(super) const DHCP: u8 = 32;
}

/// What both sides said first.
pub(super) struct Openings {
    /// The bytes, until the protocol is told.
    pub(super) said: [Vec<u8>; 2],
    /// When each side said something last, while it is listened to.
    pub(super) at: [Since; 2],
    /// Only the beginning of what this side said was kept.
    pub(super) shortened: [bool; 2],
}

impl Default for Openings {
    fn default() -> Openings {
        Openings { said: Default::default(), at: [Since::NEVER; 2], shortened: [false; 2] }
    }
}

impl Flow {
    /// Bytes of its openings that it holds because more are awaited.
    #[inline]
    pub fn bytes_held(&self) -> u64 {
        if self.listening.0 & Listening::MORE == 0 {
            return 0;
        }
        let openings = self.cold.as_deref().and_then(|cold| cold.openings.as_deref());
        openings.map_or(0, |openings| openings.said.iter().map(|opening| opening.len() as u64).sum())
    }

    /// Tells the protocol by what was heard until now, and lets go of it.
    pub fn hears_no_more(&mut self) {
        self.tell(None, true);
    }

    /// This flow is TFTP data that answers a request seen on port 69. It begins with this packet.
    pub fn is_tftp_data(&mut self, packet: &Packet, raw: &RawPacket<'_>) {
        self.listening.0 = Listening::CLIENT | Listening::SERVER;
        let content = signature::tftp_failure(packet.payload(raw.bytes));
        self.cold().heard = Some(Heard {
            protocol: signature::Protocol::Tftp,
            strength: signature::Strength::Strong,
            by_server: true,
            citrix_hint: false,
            details: content.map(|content| Box::new(Details { content: Some(content), ..Details::default() })),
        });
    }

    /// Keeps the first bytes of each side until the protocol is told.
    #[inline]
    pub(super) fn listen(&mut self, packet: &Packet, raw: &RawPacket<'_>, who: Who, sequence: Option<u32>) {
        let spoke = Listening::CLIENT << who as u8;
        if self.listening.0 & spoke != 0 && self.listening.0 & (Listening::MORE | Listening::TIMES) == 0 {
            if self.listening.0 & Listening::DHCP != 0 {
                self.hear_of_another(packet, raw);
            }
            return;
        }
        self.listen_closely(packet, raw, who, sequence);
    }

    /// A later message of DHCP.
    #[cold]
    fn hear_of_another(&mut self, packet: &Packet, raw: &RawPacket<'_>) {
        let Some(heard) = self.cold.as_deref_mut().and_then(|cold| cold.heard.as_mut()) else { return };
        let content = signature::more_of_dhcp(packet.payload(raw.bytes));
        let Some(new) = content.map(|content| Details { content: Some(content), ..Details::default() }) else { return };
        heard.details = joined(heard.details.take(), Some(Box::new(new)));
    }

    #[inline(never)]
    fn listen_closely(&mut self, packet: &Packet, raw: &RawPacket<'_>, who: Who, sequence: Option<u32>) {
        let spoke = Listening::CLIENT << who as u8;
        let start = self.halves[who as usize].start;
        let payload = packet.payload(raw.bytes);
        if self.listening.0 & spoke != 0 && self.is_told() && self.says_more(payload, raw, who) {
            return;
        }
        let cut = (payload.len() as u64) < u64::from(packet.payload_bytes);
        let openings = self.cold.as_deref().and_then(|cold| cold.openings.as_deref());
        let held = openings.map_or(0, |openings| openings.said[who as usize].len());
        // Only bytes without a gap, and none after an opening that was shortened since.
        let shortened = openings.is_some_and(|openings| openings.shortened[who as usize]);
        let gap = sequence.is_some_and(|sequence| sequence != start.wrapping_add(held as u32));
        if gap || shortened || (held == 0 && payload.is_empty() && !cut) {
            return;
        }
        let room = OPENING_LIMIT - held.min(OPENING_LIMIT);
        let first = self.listening.0 & spoke == 0;
        self.listening.0 |= spoke;
        if cut {
            self.listening.0 |= Listening::CUT;
            self.marks.set(Marks::CUT);
        }
        let full = room <= payload.len();
        if first {
            let note = match who {
                Who::Client => Note::ClientPayload,
                Who::Server => Note::ServerPayload,
            };
            self.note_at_least(note, raw);
            if sequence.is_some() {
                self.says_first(who, raw);
            }
        }
        if sequence.is_some()
            && let Some(alert) = signature::alert_behind(payload)
        {
            self.alert(alert, raw, who, raw.at);
        }
        let now = Since::new(self.first, raw.at);
        self.cold().openings.get_or_insert_default().at[who as usize] = now;
        self.tell(Some((who, &payload[..payload.len().min(room)])), full);
    }

    /// It was told that this is TLS or DTLS, and more of it may be worth knowing.
    fn is_told(&self) -> bool {
        let heard = self.cold.as_deref().and_then(|cold| cold.heard.as_ref());
        heard.is_some_and(|heard| matches!(heard.protocol, Protocol::Tls | Protocol::Dtls))
    }

    /// A side of TLS or DTLS says more. True where that was all that is of interest.
    fn says_more(&mut self, payload: &[u8], raw: &RawPacket<'_>, who: Who) -> bool {
        let now = Since::new(self.first, raw.at);
        let answered = self.server_spoke();
        let Some(cold) = self.cold.as_deref_mut() else { return false };
        let Some(openings) = cold.openings.as_deref_mut() else { return false };
        let before = std::mem::replace(&mut openings.at[who as usize], now);
        let waits = self.listening.0 & Listening::MORE != 0;
        match who {
            Who::Client if !answered => {
                if !waits
                    && signature::follows_hello(payload)
                    && let Some(tls) = unanswered(&mut cold.heard)
                {
                    tls.went_on = true;
                }
            }
            // What it answers was sent, seen or not.
            Who::Client if waits && openings.shortened[0] && !signature::is_client_hello(payload) => {
                self.tell(None, true);
                return true;
            }
            Who::Client => {}
            Who::Server if !waits && openings.at[0].0 > before.0 => {
                cold.openings = None;
                self.listening.0 &= !Listening::TIMES;
            }
            Who::Server => {}
        }
        !waits
    }

    /// Tells the protocol by what both sides have said until now, and by what one of them says next.
    pub(super) fn tell(&mut self, next: Option<(Who, &[u8])>, ended: bool) {
        let server_port = self.key.endpoint(!self.client).port;
        let transport = if self.key.protocol() == protocol::TCP { Transport::Tcp } else { Transport::Udp };
        let cut = self.listening.0 & Listening::CUT != 0;
        let Some(cold) = self.cold.as_deref_mut() else { return };
        let Some(openings) = cold.openings.as_deref_mut() else { return };
        // What a side says first is read where it lies. Most protocols are told by it, and then little of it is kept.
        let first = next.filter(|&(who, _)| openings.said[who as usize].is_empty());
        if let (Some((who, bytes)), None) = (next, first) {
            openings.said[who as usize].extend_from_slice(bytes);
        }
        let mut said = [&openings.said[0][..], &openings.said[1][..]];
        if let Some((who, bytes)) = first {
            said[who as usize] = bytes;
        }
        let [client, server] = said;
        let opening = Opening { transport, server_port, client, server, cut, ended };
        self.listening.0 &= !(Listening::MORE | Listening::TIMES);
        match signature::tell(&opening) {
            Answer::More => self.listening.0 |= Listening::MORE,
            Answer::Told(told) => {
                self.listening.0 |= if told.unfinished { Listening::MORE } else { 0 };
                let answered_in_text = signature::is_text(server);
                cold.heard = Some(merge(cold.heard.take(), told));
                if answered_in_text {
                    in_text(&mut cold.heard);
                }
                self.listening.0 |= if alerts_may_follow(&cold.heard) { Listening::TIMES } else { 0 };
            }
            Answer::Nothing => {}
        }
        if cold.heard.as_ref().is_some_and(|heard| heard.protocol == signature::Protocol::Dhcp) {
            self.listening.0 |= Listening::DHCP;
        }
        let more = self.listening.0 & Listening::MORE != 0;
        let both = Listening::CLIENT | Listening::SERVER;
        if !more && self.listening.0 & both == both {
            if self.listening.0 & Listening::TIMES == 0 {
                cold.openings = None;
            } else {
                openings.said = Default::default();
            }
            return;
        }
        if !more {
            for (said, shortened) in openings.said.iter_mut().zip(&mut openings.shortened) {
                *shortened |= shorten(said);
            }
        }
        if let Some((who, bytes)) = first {
            let kept = signature::kept_opening(cold.heard.as_ref().map(|heard| heard.protocol));
            openings.said[who as usize].extend_from_slice(if more { bytes } else { &bytes[..bytes.len().min(kept)] });
            openings.shortened[who as usize] |= !more && bytes.len() > kept;
        }
    }

    /// The server closes, and has said nothing.
    #[cold]
    pub(super) fn closes_unheard(&mut self) {
        let Some(heard) = self.cold.as_deref_mut().map(|cold| &mut cold.heard) else { return };
        if let Some(tls) = unanswered(heard) {
            tls.closed = true;
        } else if let Some(heard) = heard.as_mut().filter(|heard| heard.protocol == Protocol::Http && !heard.by_server)
        {
            heard.details.get_or_insert_default().asked = Some(Protocol::Http);
        }
    }

    /// A payload that is as long as an alert in the clear.
    #[cold]
    pub(super) fn may_be_alert(&mut self, packet: &Packet, raw: &RawPacket<'_>, who: Who, before: Timestamp) {
        let transport = if self.key.protocol() == protocol::TCP { Transport::Tcp } else { Transport::Udp };
        if let Some(alert) = signature::alert(transport, packet.payload(raw.bytes)) {
            self.alert(alert, raw, who, before);
        }
    }

    /// An alert in the clear. The first that ends the connection is kept. `before` is when the last packet of the flow came.
    #[cold]
    fn alert(&mut self, (level, number): (u8, u8), raw: &RawPacket<'_>, who: Who, before: Timestamp) {
        const FATAL: u8 = 2;
        /// RFC 8446, 6.1.
        const CLOSE_NOTIFY: u8 = 0;
        const USER_CANCELED: u8 = 90;
        if level != FATAL || matches!(number, CLOSE_NOTIFY | USER_CANCELED) {
            return;
        }
        let other = 1 - who as usize;
        let after = if self.key.protocol() == protocol::TCP {
            let openings = self.cold.as_deref().and_then(|cold| cold.openings.as_deref());
            openings.and_then(|openings| openings.at[other].after(self.first))
        } else {
            Some(before).filter(|_| self.spoke.is_both())
        };
        let at = Packed::new(Note::Alert, raw).evidence().at;
        let extras = self.rare().extras.get_or_insert_default();
        if extras.alert.is_none() {
            let after = after.map(|said| raw.at - said);
            extras.alert = Some(Alert { by: who, level, number, after, at });
            self.note_better(Note::Alert, raw);
        }
    }

    /// One of the first datagrams of a client that nobody has answered yet: whether it shows that somebody did.
    #[cold]
    pub(super) fn goes_on_alone(&mut self, packet: &Packet, raw: &RawPacket<'_>) {
        let server_port = self.key.endpoint(!self.client).port;
        let Some(cold) = self.cold.as_deref() else { return };
        let heard = cold.heard.as_ref().map(|heard| heard.protocol);
        let first = cold.openings.as_deref().map_or(&[][..], |openings| &openings.said[Who::Client as usize]);
        if signature::follows_answer(heard, server_port, first, packet.payload(raw.bytes)) {
            self.marks.set(Marks::CLIENT_SPOKE);
        }
    }
}

/// Keeps the beginning. True where there was more.
fn shorten(opening: &mut Vec<u8>) -> bool {
    let long = opening.len() > KEPT_OPENING;
    opening.truncate(KEPT_OPENING);
    opening.shrink_to_fit();
    long
}

/// What was told is TLS over TCP, as far as alerts can be read in it: up to TLS 1.2, or the server has not answered yet.
fn alerts_may_follow(heard: &Option<Heard>) -> bool {
    const TLS_1_2: u16 = 0x0303;
    let Some(heard) = heard.as_ref().filter(|heard| heard.protocol == Protocol::Tls) else { return false };
    match heard.content() {
        Some(Content::Tls(Tls { chosen: Some(chosen), .. })) => *chosen <= TLS_1_2,
        _ => !heard.by_server,
    }
}

/// What is known of the hello of a client that nobody has answered; none where it was none.
fn unanswered(heard: &mut Option<Heard>) -> Option<&mut Tls> {
    let heard = heard.as_mut().filter(|heard| heard.protocol == Protocol::Tls && !heard.by_server)?;
    match heard.details.get_or_insert_default().content.get_or_insert(Content::Tls(Tls::default())) {
        Content::Tls(tls) => Some(tls),
        _ => None,
    }
}

/// A hello of TLS was answered with text of no protocol that is known.
fn in_text(heard: &mut Option<Heard>) {
    if let Some(heard) = heard.as_mut().filter(|heard| heard.protocol == Protocol::Tls && !heard.by_server) {
        heard.details.get_or_insert_default().asked = Some(Protocol::Tls);
    }
}

fn merge(known: Option<Heard>, told: signature::Told) -> Heard {
    let signature::Told { protocol, strength, by_server, server_name, citrix_hint, content, unfinished: _ } = told;
    // Where the server answered in another language, what the client spoke says what it wanted.
    let asked = known.as_ref().filter(|known| by_server && !known.by_server && known.protocol != protocol);
    let asked = asked.filter(|known| known.strength >= Strength::Strong).map(|known| known.protocol);
    let new = Details { server_name, content, asked };
    let details = (new != Details::default()).then(|| Box::new(new));
    let new = Heard { protocol, strength, by_server, citrix_hint, details };
    match known {
        Some(known) if known.protocol == new.protocol => Heard {
            protocol: new.protocol,
            strength: known.strength.max(new.strength),
            by_server: known.by_server || new.by_server,
            citrix_hint: known.citrix_hint || new.citrix_hint,
            details: joined(known.details, new.details),
        },
        Some(known) if known.strength > new.strength => known,
        Some(known) => Heard {
            citrix_hint: known.citrix_hint || new.citrix_hint,
            details: joined(known.details, new.details),
            ..new
        },
        None => new,
    }
}

/// What is told later stands where both tell the same.
fn joined(known: Option<Box<Details>>, new: Option<Box<Details>>) -> Option<Box<Details>> {
    match (known, new) {
        (Some(mut known), Some(new)) => {
            let Details { server_name, content, asked } = *new;
            known.asked = asked.or(known.asked);
            known.server_name = server_name.or(known.server_name);
            known.content = match (known.content.take(), content) {
                (Some(one), Some(two)) => Some(one.join(two)),
                (one, two) => two.or(one),
            };
            Some(known)
        }
        (known, new) => new.or(known),
    }
}
