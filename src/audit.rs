//! The front door of the core: raw packets in, a `Ledger` and finished flows out. It knows no thread, no file and no clock.

use crate::flow::{Depth, FlowRecord, FlowTable, Limits};
use crate::ledger::Ledger;
use crate::packet::{Lane, RawPacket, decode};
use crate::portmap::PortMap;
use crate::time::Timestamp;
use crate::transport::Transport;
use std::sync::Arc;

/// An audit of one lane of packets, in the order of the capture.
pub struct Audit {
    table: FlowTable,
    books: Books,
}

/// What becomes of finished flows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flows {
    /// They are counted, and forgotten.
    Counted,
    /// They are counted, and kept for a report that lists them.
    Kept,
}

/// Where finished flows are entered.
struct Books {
    map: Arc<PortMap>,
    ledger: Ledger,
    /// The flows themselves, where the report lists them.
    flows: Option<Vec<FlowRecord>>,
    /// What live flows have shown that is not looked at again while they live.
    shown: Ledger,
}

impl Audit {
    /// An audit against a port map.
    pub fn new(map: Arc<PortMap>, limits: Limits, flows: Flows) -> Audit {
        let known = Arc::clone(&map);
        let knows_port = move |protocol: u8, port: u16| {
            let candidates = Transport::of_protocol(protocol).and_then(|transport| known.lookup(transport, port));
            // The range that Windows hands out to clients stands in two rules and says nothing about who is the server.
            candidates.is_some_and(|candidates| !(candidates.generic && port >= DYNAMIC_PORTS))
        };
        let flows = (flows == Flows::Kept).then(Vec::new);
        Audit {
            table: FlowTable::new(limits, Box::new(knows_port)),
            books: Books { map, ledger: Ledger::default(), flows, shown: Ledger::default() },
        }
    }

    /// Enters one packet. Times must not run backwards from one packet to the next.
    #[inline]
    pub fn observe(&mut self, raw: &RawPacket<'_>) {
        let Audit { table, books } = self;
        let result = decode(raw).and_then(|packet| table.observe(&packet, raw, &mut |record| books.enter(record)));
        match result {
            Ok(()) => books.ledger.decoded += 1,
            Err(skip) => books.ledger.pass_over(raw, skip),
        }
    }

    /// Enters decoded packets one after the other, as [`Audit::observe`] does, but in small groups: the flows of a group are
    /// fetched into the cache before the first packet of it is entered.
    pub fn observe_all(&mut self, lane: Lane<'_>) {
        let Audit { table, books } = self;
        let mut probes = [None; GROUP];
        let mut slots = [None; GROUP];
        for group in lane.groups(GROUP) {
            std::hint::black_box(group.touch());
            for (probe, packet) in probes.iter_mut().zip(group.packets()) {
                *probe = packet.as_ref().ok().and_then(|packet| table.probe(packet));
            }
            for (slot, probe) in slots.iter_mut().zip(&probes[..group.len()]) {
                *slot = probe.as_ref().and_then(|probe| table.locate(probe));
            }
            let touched = slots.iter().flatten().fold(0, |sum: u64, &slot| sum.wrapping_add(table.touch(slot)));
            std::hint::black_box(touched);
            for ((raw, packet), (probe, slot)) in group.raw_and_decoded().zip(probes.iter().zip(&slots)) {
                let result = match packet {
                    Ok(packet) => {
                        table.observe_probed(packet, &raw, probe.as_ref(), *slot, &mut |record| books.enter(record))
                    }
                    Err(skip) => Err(*skip),
                };
                match result {
                    Ok(()) => books.ledger.decoded += 1,
                    Err(skip) => books.ledger.pass_over(&raw, skip),
                }
            }
        }
    }

    /// Gives up flows that have been idle too long at this moment, looking at no more than `budget` places. When it is
    /// called changes nothing in the result; it only frees memory.
    pub fn sweep(&mut self, now: Timestamp, budget: usize) {
        let Audit { table, books } = self;
        table.sweep(now, budget, &mut |record| books.enter(record));
    }

    /// Nothing was captured from `at` until the next packet: what was still waiting for an answer then has been watched no
    /// longer. Flows of which both sides have spoken go on.
    pub fn gap(&mut self, at: Timestamp) {
        let Audit { table, books } = self;
        table.stop_waiting(at, &mut |record| books.enter(record));
    }

    /// What was seen until now, live flows included, while they go on.
    pub fn interim(&mut self, now: Timestamp, depth: Depth) -> Ledger {
        let Audit { table, books } = self;
        let map = Arc::clone(&books.map);
        let mut ledger = books.ledger.clone();
        if depth == Depth::Questions {
            ledger += &books.shown;
        }
        table.glance(now, depth, &mut |record, last_word| {
            ledger.enter(&record, &map);
            if last_word {
                books.shown.enter(&record, &map);
            }
        });
        ledger
    }

    /// Finished flows since the last time this was asked, where flows are kept.
    pub fn take_finished(&mut self) -> Vec<FlowRecord> {
        self.books.flows.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Flows that are alive.
    pub fn live_flows(&self) -> usize {
        self.table.len()
    }

    /// The capture ended at `end`: what was seen, and the flows if they were kept, in no particular order.
    pub fn finish(mut self, end: Timestamp) -> (Ledger, Vec<FlowRecord>) {
        let Audit { table, books } = &mut self;
        table.finish(end, &mut |record| books.enter(record));
        (self.books.ledger, self.books.flows.unwrap_or_default())
    }
}

/// Packets whose flows are fetched together: about as many as a processor core fetches at the same time.
const GROUP: usize = 32;

/// The first port that Windows hands out to clients.
const DYNAMIC_PORTS: u16 = 49_152;

impl Books {
    fn enter(&mut self, record: FlowRecord) {
        self.ledger.enter(&record, &self.map);
        if let Some(flows) = &mut self.flows {
            flows.push(record);
        }
    }
}
