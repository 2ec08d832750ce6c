//! The front door of the core: raw packets in, a `Ledger` and finished flows out. It knows no thread, no file and no clock.

use crate::flow::{Census, Depth, Doubt, FlowRecord, FlowTable, KnowsPort, Limits, PortUse, Showing, showing};
use crate::ledger::Ledger;
use crate::matching::Matching;
use crate::packet::{Lane, RawPacket, Secret, decode, protocol};
use crate::portmap::PortMap;
use crate::time::Timestamp;
use crate::transport::Transport;
use std::hash::{DefaultHasher, Hash, Hasher};
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
    /// They are counted, and at most this number of them is kept: the first by the time of their first packet.
    First(usize),
    /// They are counted, and kept until somebody takes them, at most this number at a time.
    KeptUntilTaken(usize),
}

impl Flows {
    /// Maximum number that is kept.
    pub fn limit(self) -> usize {
        match self {
            Flows::Counted => 0,
            Flows::Kept | Flows::KeptUntilTaken(_) => usize::MAX,
            Flows::First(limit) => limit,
        }
    }
}

/// Flows up to a limit: the first by the time of their first packet, whoever brings them and in whatever order. It holds a quarter more
/// than the limit while it collects.
#[derive(Default, Debug)]
pub struct FirstFlows {
    flows: Vec<FlowRecord>,
    limit: usize,
}

impl FirstFlows {
    /// None yet, and at most this number.
    pub fn new(limit: usize) -> FirstFlows {
        FirstFlows { flows: Vec::new(), limit }
    }

    /// Adds one, and from time to time leaves out those beyond the limit.
    pub fn push(&mut self, record: FlowRecord) {
        self.flows.push(record);
        if self.flows.len() > self.limit.saturating_add(self.limit / 4).max(1) {
            self.cut();
        }
    }

    /// How many are held now.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// The flows until now, in no particular order; the next begin a new list.
    pub fn take(&mut self) -> Vec<FlowRecord> {
        self.cut();
        std::mem::take(&mut self.flows)
    }

    /// Those that are kept, in the order of their first packets in the captures.
    pub fn sorted(mut self) -> Vec<FlowRecord> {
        self.cut();
        self.flows.sort_by_key(|flow| flow.opener);
        self.flows
    }

    fn cut(&mut self) {
        if self.flows.len() > self.limit {
            self.flows.select_nth_unstable_by_key(self.limit, |flow| (flow.first, flow.opener));
            self.flows.truncate(self.limit);
        }
    }
}

impl Extend<FlowRecord> for FirstFlows {
    fn extend<T: IntoIterator<Item = FlowRecord>>(&mut self, flows: T) {
        flows.into_iter().for_each(|flow| self.push(flow));
    }
}

/// How things stand in an audit that goes on.
#[derive(Default, Debug)]
pub struct Standing {
    /// What came since the last question, flows that are alive included, each as soon as something can be said of it: of a flow that
    /// has been shown nothing comes any more until it shows something else. Packets are counted from the beginning.
    pub news: Ledger,
    /// Everything that was seen, all flows that are alive included, where that was asked for.
    pub whole: Option<Ledger>,
}

/// Finished flows that were kept.
#[derive(Default, Debug)]
pub struct Finished {
    /// The flows, in no particular order.
    pub flows: Vec<FlowRecord>,
    /// How many more there were, for which there was no room.
    pub left_out: u64,
}

/// Where finished flows are entered.
struct Books {
    map: Arc<PortMap>,
    ledger: Ledger,
    /// How flows are kept.
    kept: Keeping,
    open: Option<Box<Open>>,
}

/// Flows that are kept.
enum Keeping {
    /// None.
    Nothing,
    /// The first of all.
    First(FirstFlows),
    /// At most this number until they are taken.
    UntilTaken(usize, Finished),
}

impl Keeping {
    fn push(&mut self, record: FlowRecord) {
        match self {
            Keeping::Nothing => {}
            Keeping::First(flows) => flows.push(record),
            Keeping::UntilTaken(most, kept) if kept.flows.len() < *most => kept.flows.push(record),
            Keeping::UntilTaken(_, kept) => kept.left_out += 1,
        }
    }

    fn take(&mut self) -> Finished {
        match self {
            Keeping::Nothing => Finished::default(),
            Keeping::First(flows) => Finished { flows: flows.take(), left_out: 0 },
            Keeping::UntilTaken(_, kept) => std::mem::take(kept),
        }
    }
}

/// Books of an audit that is asked while it goes on.
#[derive(Default)]
struct Open {
    /// Flows that ended since the last question, those left out that were told before.
    ended: Ledger,
    /// Flows that ended as they were shown before.
    shown_and_ended: Ledger,
}

impl Audit {
    /// An audit against a port map.
    pub fn new(map: Arc<PortMap>, limits: Limits, flows: Flows) -> Audit {
        let kept = match flows {
            Flows::Counted => Keeping::Nothing,
            Flows::Kept | Flows::First(_) => Keeping::First(FirstFlows::new(flows.limit())),
            Flows::KeptUntilTaken(most) => Keeping::UntilTaken(most, Finished::default()),
        };
        Audit {
            table: FlowTable::new(limits, knows_port(&map)),
            books: Books { map, ledger: Ledger::default(), kept, open: None },
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

    /// Takes part in a meeting at `at` of all audits that share the packets of a capture: they find out whether they are within
    /// their limits, and give up what says least where they are not. `together` hands in what this audit holds and brings back the
    /// sum over all of them; for an audit that has every packet it gives back what it gets. All must meet after the same packet,
    /// and before long: [`Limits::between_meetings`]. Who never meets has no limit.
    pub fn meet(&mut self, at: Timestamp, secret: Secret, mut together: impl FnMut(Census) -> Census) {
        let Audit { table, books } = self;
        let forgotten = table.meet(at, secret, &mut together, &mut |record| books.enter(record));
        books.ledger.openings_given_up += forgotten;
    }

    /// Nothing was captured from `at` until the next packet: what was still waiting for an answer then has been watched no
    /// longer. Flows of which both sides have spoken go on.
    pub fn gap(&mut self, at: Timestamp) {
        let Audit { table, books } = self;
        table.stop_waiting(at, &mut |record| books.enter(record));
    }

    /// The audit will be asked how things stand while it goes on.
    pub fn answers_questions(&mut self) {
        self.table.answers_questions();
        self.books.open.get_or_insert_default();
    }

    /// How things stand, while they go on. Only after [`Audit::answers_questions`].
    pub fn interim(&mut self, now: Timestamp, depth: Depth) -> Standing {
        let Audit { table, books: Books { map, ledger, open, .. } } = self;
        let Some(open) = open else { return Standing::default() };
        // What was shown before it ended is not counted again.
        let mut news = std::mem::take(&mut open.ended);
        *ledger += &news;
        table.glance(now, Depth::Questions, &mut |record, shown| match tell(&record, map) {
            (_, Some(Doubt::CaptureTooShort)) => shown,
            (said, _) if said == shown => shown,
            (said, _) => {
                news.enter(&record, map);
                said
            }
        });
        (news.decoded, news.skipped) = (ledger.decoded, ledger.skipped.clone());
        (news.strangers, news.neighbours) = (ledger.strangers.clone(), ledger.neighbours.clone());
        news.openings_given_up = ledger.openings_given_up;
        let whole = (depth == Depth::Everything).then(|| {
            let mut whole = ledger.clone();
            whole += &open.shown_and_ended;
            table.glance(now, Depth::Everything, &mut |record, _| {
                whole.enter(&record, map);
                0
            });
            whole
        });
        Standing { news, whole }
    }

    /// Finished flows since the last time this was asked, where flows are kept.
    pub fn take_finished(&mut self) -> Finished {
        self.books.kept.take()
    }

    /// Flows that are alive.
    pub fn live_flows(&self) -> usize {
        self.table.len()
    }

    /// The capture ended at `end`: what was seen, and the flows if they were kept, in no particular order.
    pub fn finish(self, end: Timestamp) -> (Ledger, Vec<FlowRecord>) {
        let (ledger, kept) = self.close(end);
        (ledger, kept.flows)
    }

    /// The same; also says for how many flows there was no room.
    pub fn close(mut self, end: Timestamp) -> (Ledger, Finished) {
        let Audit { table, books } = &mut self;
        table.finish(end, &mut |record| books.enter(record));
        let Books { mut ledger, mut kept, open, .. } = self.books;
        if let Some(open) = open {
            ledger += &open.ended;
            ledger += &open.shown_and_ended;
        }
        (ledger, kept.take())
    }
}

/// Asks this map whether a port is a server's.
pub fn knows_port(map: &Arc<PortMap>) -> KnowsPort {
    let known = Arc::clone(map);
    Box::new(move |number: u8, port: u16| {
        let candidates = Transport::of_protocol(number).and_then(|transport| known.lookup(transport, port));
        // The range that Windows hands out to clients stands in two rules and says nothing about who is the server.
        match candidates.filter(|candidates| !(candidates.generic && port >= DYNAMIC_PORTS)) {
            None => PortUse::Unknown,
            Some(candidates) if candidates.requests && number == protocol::UDP => PortUse::Requests,
            Some(candidates) if candidates.session && number == protocol::UDP => PortUse::Sessions,
            Some(_) => PortUse::Server,
        }
    })
}

/// Packets whose flows are fetched together: about as many as a processor core fetches at the same time.
const GROUP: usize = 32;

/// The first port that Windows hands out to clients.
const DYNAMIC_PORTS: u16 = 49_152;

impl Books {
    fn enter(&mut self, record: FlowRecord) {
        let Books { map, ledger, open, kept } = self;
        let ledger = match open {
            None => ledger,
            Some(open) if record.shown != 0 && tell(&record, map).0 == record.shown => &mut open.shown_and_ended,
            Some(open) => &mut open.ended,
        };
        ledger.enter(&record, map);
        kept.push(record);
    }
}

/// What is to be said of a flow, as a number that is not 0 and the same whenever the same is to be said; and why no more can be said.
fn tell(record: &FlowRecord, map: &PortMap) -> (u16, Option<Doubt>) {
    let showing = showing(record);
    let matching = Matching::of(record, showing, map);
    let both_ways = record.from_client.payload_bytes > 0 && record.from_server.payload_bytes > 0;
    let mut hasher = DefaultHasher::new();
    (showing, matching, both_ways, record.death.is_some(), record.idle_before_end.is_some()).hash(&mut hasher);
    let doubt = match showing {
        Showing::NoReply(doubt) => doubt,
        Showing::Unclear(doubt) => Some(doubt),
        _ => None,
    };
    (hasher.finish() as u16 | 1, doubt)
}
