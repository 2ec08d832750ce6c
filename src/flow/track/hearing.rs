//! What a flow hears: the first bytes of both sides, kept until the protocol is told.

use super::Flow;
use crate::flow::{Details, Heard, Marks, Note, Who};
use crate::packet::{Packet, RawPacket, protocol};
use crate::signature::{self, Answer, KEPT_OPENING, OPENING_LIMIT, Opening};
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
    /// It is DHCP, of which every message may be about another client.
    pub(super) const DHCP: u8 = 32;
}

impl Flow {
    /// Bytes of its openings that it holds because more are awaited.
    #[inline]
    pub fn bytes_held(&self) -> u64 {
        if self.listening.0 & Listening::MORE == 0 {
            return 0;
        }
        let openings = self.cold.as_deref().and_then(|cold| cold.openings.as_deref());
        openings.map_or(0, |openings| openings.iter().map(|opening| opening.len() as u64).sum())
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
        if self.listening.0 & spoke != 0 && (self.listening.0 & Listening::MORE == 0 || sequence.is_none()) {
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
        let cut = (payload.len() as u64) < u64::from(packet.payload_bytes);
        let openings = self.cold.as_deref().and_then(|cold| cold.openings.as_deref());
        let held = openings.map_or(0, |openings| openings[who as usize].len());
        // Only bytes without a gap, and none after an opening that was shortened since.
        let shortened = self.listening.0 & spoke != 0 && held == KEPT_OPENING;
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
            self.note(note, raw);
            if sequence.is_some() {
                self.says_first(who, raw);
            }
        }
        self.cold().openings.get_or_insert_default();
        self.tell(Some((who, &payload[..payload.len().min(room)])), full);
    }

    /// Tells the protocol by what both sides have said until now, and by what one of them says next.
    pub(super) fn tell(&mut self, next: Option<(Who, &[u8])>, ended: bool) {
        let server_port = self.key.endpoint(!self.client).port;
        let transport = if self.key.protocol() == protocol::TCP { Transport::Tcp } else { Transport::Udp };
        let cut = self.listening.0 & Listening::CUT != 0;
        let Some(cold) = self.cold.as_deref_mut() else { return };
        let Some(openings) = cold.openings.as_deref_mut() else { return };
        // What a side says first is read where it lies. Most protocols are told by it, and then little of it is kept.
        let first = next.filter(|&(who, _)| openings[who as usize].is_empty());
        if let (Some((who, bytes)), None) = (next, first) {
            openings[who as usize].extend_from_slice(bytes);
        }
        let mut said = [&openings[0][..], &openings[1][..]];
        if let Some((who, bytes)) = first {
            said[who as usize] = bytes;
        }
        let [client, server] = said;
        let opening = Opening { transport, server_port, client, server, cut, ended };
        self.listening.0 &= !Listening::MORE;
        match signature::tell(&opening) {
            Answer::More => self.listening.0 |= Listening::MORE,
            Answer::Told(told) => cold.heard = Some(merge(cold.heard.take(), told)),
            Answer::Nothing => {}
        }
        if cold.heard.as_ref().is_some_and(|heard| heard.protocol == signature::Protocol::Dhcp) {
            self.listening.0 |= Listening::DHCP;
        }
        let more = self.listening.0 & Listening::MORE != 0;
        let both = Listening::CLIENT | Listening::SERVER;
        if !more && self.listening.0 & both == both {
            cold.openings = None;
            return;
        }
        if !more {
            openings.iter_mut().for_each(shorten);
        }
        if let Some((who, bytes)) = first {
            let kept = signature::kept_opening(cold.heard.as_ref().map(|heard| heard.protocol));
            openings[who as usize].extend_from_slice(if more { bytes } else { &bytes[..bytes.len().min(kept)] });
        }
    }

    /// One of the first datagrams of a client that nobody has answered yet: whether it shows that somebody did.
    #[cold]
    pub(super) fn goes_on_alone(&mut self, packet: &Packet, raw: &RawPacket<'_>) {
        let server_port = self.key.endpoint(!self.client).port;
        let Some(cold) = self.cold.as_deref() else { return };
        let heard = cold.heard.as_ref().map(|heard| heard.protocol);
        let first = cold.openings.as_deref().map_or(&[][..], |openings| &openings[Who::Client as usize]);
        if signature::follows_answer(heard, server_port, first, packet.payload(raw.bytes)) {
            self.marks.set(Marks::CLIENT_SPOKE);
        }
    }
}

fn shorten(opening: &mut Vec<u8>) {
    opening.truncate(KEPT_OPENING);
    opening.shrink_to_fit();
}

fn merge(known: Option<Heard>, told: signature::Told) -> Heard {
    let signature::Told { protocol, strength, by_server, server_name, citrix_hint, content } = told;
    let new = Details { server_name, content };
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
            let Details { server_name, content } = *new;
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
