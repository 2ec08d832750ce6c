//! A packet that is evidence, and what it shows, in as little room as possible.

use crate::flow::{Evidence, Note, PacketRef};
use crate::packet::RawPacket;

/// A packet and what it shows in eight bytes: 20 bits of capture, 6 of note, and 38 of packet number. Numbers begin at 1, so 0
/// is no packet.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Packed(u64);

impl Packed {
    const NUMBER_BITS: u32 = 38;
    const CAPTURE_SHIFT: u32 = 44;
    const NOTE: u64 = 0x3f << Packed::NUMBER_BITS;

    pub(super) fn new(note: Note, raw: &RawPacket<'_>) -> Packed {
        let note = match note {
            Note::First => 0,
            Note::Reset => 1,
            Note::IcmpError => 2,
            Note::ClientPayload => 3,
            Note::ServerPayload => 4,
            Note::LateAnswer => 5,
            Note::Alert => 6,
            Note::Syn(number) => 0x10 | number,
            Note::SynAck(number) => 0x20 | number,
            Note::Datagram(number) => 0x30 | number,
        };
        let number = raw.number & ((1 << Packed::NUMBER_BITS) - 1);
        Packed(u64::from(raw.capture) << Packed::CAPTURE_SHIFT | u64::from(note) << Packed::NUMBER_BITS | number)
    }

    pub(super) fn note(self) -> Note {
        let note = ((self.0 & Packed::NOTE) >> Packed::NUMBER_BITS) as u8;
        match (note & 0xf0, note & 0x0f) {
            (0x10, number) => Note::Syn(number),
            (0x20, number) => Note::SynAck(number),
            (0x30, number) => Note::Datagram(number),
            (_, 1) => Note::Reset,
            (_, 2) => Note::IcmpError,
            (_, 3) => Note::ClientPayload,
            (_, 4) => Note::ServerPayload,
            (_, 5) => Note::LateAnswer,
            (_, 6) => Note::Alert,
            _ => Note::First,
        }
    }

    pub(super) fn is_same_packet(self, other: Packed) -> bool {
        (self.0 ^ other.0) & !Packed::NOTE == 0
    }

    pub(super) fn evidence(self) -> Evidence {
        let packet = self.0 & ((1 << Packed::NUMBER_BITS) - 1);
        let at = PacketRef { capture: (self.0 >> Packed::CAPTURE_SHIFT) as u32, packet };
        Evidence { at, note: self.note() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::CAPTURE_LIMIT;
    use crate::packet::LinkType;
    use crate::time::Timestamp;

    #[test]
    fn evidence_survives_packing() {
        let notes = [
            Note::First,
            Note::Reset,
            Note::IcmpError,
            Note::ClientPayload,
            Note::ServerPayload,
            Note::LateAnswer,
            Note::Alert,
            Note::Syn(3),
            Note::SynAck(1),
            Note::Datagram(2),
        ];
        for note in notes {
            let raw = RawPacket {
                at: Timestamp(0),
                number: 200_000_000_000,
                capture: CAPTURE_LIMIT - 1,
                link: LinkType::ETHERNET,
                original: 0,
                bytes: &[],
            };
            let at = PacketRef { capture: raw.capture, packet: raw.number };
            assert_eq!(Packed::new(note, &raw).evidence(), Evidence { at, note });
        }
    }
}
