//! For tests: capture files built byte by byte as the formats say, and a reader that hands them out in small pieces.

use super::order::{ByteOrder, padded};
use super::{CaptureFile, CaptureNotes, More, ReadError};
use crate::packet::LinkType;
use crate::time::Timestamp;
use std::io::{self, Read};

/// Seconds of the first packet in most tests: 2023-11-14.
pub(super) const START: u32 = 1_700_000_000;

/// A packet as the reader gave it out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) original: u32,
    pub(super) link: LinkType,
    pub(super) bytes: Vec<u8>,
}

/// Everything in a capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Whole {
    pub(super) packets: Vec<Seen>,
    pub(super) notes: CaptureNotes,
}

impl Whole {
    /// First byte of each packet, by which tests tell packets apart.
    pub(super) fn marks(&self) -> Vec<u8> {
        self.packets.iter().map(|packet| packet.bytes[0]).collect()
    }

    /// Where the first damage is and where reading went on, as offsets in the file, and the last packet before it.
    pub(super) fn damage(&self) -> Option<(u64, Option<u64>, u64)> {
        self.notes.damage.as_ref().map(|damage| (damage.position, damage.resumed, damage.packet))
    }
}

/// Reads a capture to its end, the input coming in pieces of the given sizes, over and over.
pub(super) fn read_in_pieces(bytes: &[u8], pieces: &[usize]) -> Result<Whole, ReadError> {
    read_from(Box::new(Pieces { bytes: bytes.to_vec(), at: 0, pieces: pieces.to_vec(), turn: 0 }))
}

/// Reads a capture to its end, the input coming in one piece.
pub(super) fn read(bytes: &[u8]) -> Whole {
    read_in_pieces(bytes, &[usize::MAX]).expect("the test built a readable file")
}

pub(super) fn read_from(input: Box<dyn Read + Send>) -> Result<Whole, ReadError> {
    let mut file = CaptureFile::from_reader(input, "test", 3)?;
    let (mut block, mut packets) = (Vec::new(), Vec::new());
    loop {
        let more = file.scan(&mut block, &mut |block, record| {
            let packet = record.packet(block);
            assert_eq!(packet.capture, 3);
            let (number, at, original, link) = (packet.number, packet.at, packet.original, packet.link);
            packets.push(Seen { number, at, original, link, bytes: packet.bytes.to_vec() });
        })?;
        if more == More::No {
            return Ok(Whole { packets, notes: file.notes().clone() });
        }
    }
}

struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    pieces: Vec<usize>,
    turn: usize,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let piece = self.pieces[self.turn % self.pieces.len()];
        self.turn += 1;
        let count = piece.min(into.len()).min(self.bytes.len() - self.at);
        into[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Bytes of a file in one byte order.
#[derive(Clone)]
pub(super) struct Bytes {
    order: ByteOrder,
    pub(super) bytes: Vec<u8>,
}

impl Bytes {
    pub(super) fn new(order: ByteOrder) -> Bytes {
        Bytes { order, bytes: Vec::new() }
    }

    pub(super) fn u16(mut self, number: u16) -> Bytes {
        self.bytes.extend(self.order.both(number.to_le_bytes()));
        self
    }

    pub(super) fn u32(mut self, number: u32) -> Bytes {
        self.bytes.extend(self.order.both(number.to_le_bytes()));
        self
    }

    pub(super) fn u64(mut self, number: u64) -> Bytes {
        self.bytes.extend(self.order.both(number.to_le_bytes()));
        self
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Bytes {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn pad(mut self) -> Bytes {
        self.bytes.resize(padded(self.bytes.len()), 0);
        self
    }

    /// A pcapng option.
    pub(super) fn option(self, code: u16, value: &[u8]) -> Bytes {
        self.u16(code).u16(value.len() as u16).raw(value).pad()
    }

    /// A pcapng block around a body.
    pub(super) fn block(self, kind: u32, body: Bytes) -> Bytes {
        let body = body.pad();
        let total = body.bytes.len() as u32 + 12;
        self.u32(kind).u32(total).raw(&body.bytes).u32(total)
    }

    fn body(&self) -> Bytes {
        Bytes::new(self.order)
    }

    pub(super) fn section(self) -> Bytes {
        let body = self.body().u32(0x1A2B_3C4D).u16(1).u16(0).u64(u64::MAX);
        self.block(0x0A0D_0D0A, body)
    }

    pub(super) fn interface(self, link: u16, snaplen: u32, options: impl FnOnce(Bytes) -> Bytes) -> Bytes {
        let body = options(self.body().u16(link).u16(0).u32(snaplen));
        self.block(1, body)
    }

    /// An enhanced packet block with everything said.
    pub(super) fn enhanced(
        self,
        interface: u32,
        ticks: u64,
        original: u32,
        data: &[u8],
        options: impl FnOnce(Bytes) -> Bytes,
    ) -> Bytes {
        let head = self.body().u32(interface).u32((ticks >> 32) as u32).u32(ticks as u32);
        let body = options(head.u32(data.len() as u32).u32(original).raw(data).pad());
        self.block(6, body)
    }

    /// A packet of interface 0, microseconds after the start, whole.
    pub(super) fn packet(self, microseconds: u64, data: &[u8]) -> Bytes {
        self.enhanced(0, u64::from(START) * 1_000_000 + microseconds, data.len() as u32, data, |none| none)
    }

    pub(super) fn statistics(self, interface: u32, options: impl FnOnce(Bytes) -> Bytes) -> Bytes {
        let body = options(self.body().u32(interface).u32(0).u32(0));
        self.block(5, body)
    }

    /// The header of a pcap file.
    pub(super) fn pcap(self, magic: u32, snaplen: u32, link: u32) -> Bytes {
        self.u32(magic).u16(2).u16(4).u32(0).u32(0).u32(snaplen).u32(link)
    }

    /// A record of a pcap file.
    pub(super) fn record(self, seconds: u32, fraction: u32, original: u32, data: &[u8]) -> Bytes {
        self.u32(seconds).u32(fraction).u32(data.len() as u32).u32(original).raw(data)
    }
}

impl ByteOrder {
    fn both<const N: usize>(self, mut little: [u8; N]) -> [u8; N] {
        if self == ByteOrder::Big {
            little.reverse();
        }
        little
    }
}

/// Both byte orders, for tests that must hold in each.
pub(super) const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];
