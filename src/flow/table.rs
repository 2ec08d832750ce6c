//! All flows of one worker: finds the flow of a packet, opens new ones, gives up idle ones.

mod census;
mod fragments;
mod limit;

pub use self::census::Census;

use self::fragments::{FragmentKey, Fragments};
use super::questions::Questions;
use super::track::Flow;
use super::{DirectionBasis, Endpoint, FlowKey, FlowRecord, IcmpError, Marks, Sender, Side};
use crate::packet::{Fragment, Icmp, Packet, Quoted, RawPacket, Skip, TransportHeader, protocol};
use crate::time::Timestamp;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// What the port map knows of a port. Asked with the IP protocol number and the port, once for a flow over UDP or one
/// whose start was not seen.
pub type KnowsPort = Box<dyn Fn(u8, u16) -> PortUse + Send>;

/// What the port map knows of a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortUse {
    /// Nothing.
    Unknown,
    /// It is a server's.
    Server,
    /// It is a server's, and over UDP each datagram to it asks for an answer.
    Requests,
    /// It is a server's, and over UDP there are sessions on it.
    Sessions,
}

/// Limits of memory, over all workers. They are kept at the points at which the workers meet ([`FlowTable::meet`]), so
/// that for a short time there may be a sixteenth more.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum number of flows that are followed at the same time. Beyond it those are given up that say least.
    pub flows: usize,
    /// Maximum number of bytes of openings that flows hold because more are awaited. Beyond it a protocol is told by what has been
    /// heard.
    pub openings: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { flows: 8_000_000, openings: 128 << 20 }
    }
}

/// How much is asked for of an audit that goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// What has come since the last question, at the cost of the flows that began or changed lately.
    Questions,
    /// Every count, at the cost of all flows that are alive.
    Everything,
}

/// The flows of one worker.
pub struct FlowTable {
    index: HashTable<Entry>,
    hasher: RandomState,
    flows: Slab,
    limits: Limits,
    /// Bytes of openings that are held because more are awaited.
    held: u64,
    knows_port: KnowsPort,
    fragments: Fragments,
    hand: u32,
    since_gap: SinceGap,
    /// Of an audit that is asked while it goes on.
    questions: Option<Box<Questions>>,
}

/// Places of flows that the next gap between captures may end or mark: those that were opened since the last gap, or were marked
/// by it and went on. All others know of it already, so that a gap costs what came since the last one, and no walk over the
/// table. Where more were opened than a share of the table, a walk costs no more.
#[derive(Default)]
struct SinceGap {
    slots: Vec<u32>,
    too_many: bool,
}

impl SinceGap {
    fn add(&mut self, slot: u32, places: u32) {
        if self.too_many {
            return;
        }
        self.slots.push(slot);
        if self.slots.len() > 1_024 && self.slots.len() > places as usize / 8 {
            *self = SinceGap { slots: Vec::new(), too_many: true };
        }
    }
}

/// The key of a packet and its hash: what finding its flow needs.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    key: FlowKey,
    side: Side,
    hash: u32,
}

/// A place in the slab and enough of the hash to pass over most others without looking at them.
#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    slot: u32,
}

impl FlowTable {
    /// An empty table.
    pub fn new(limits: Limits, knows_port: KnowsPort) -> FlowTable {
        FlowTable {
            index: HashTable::new(),
            hasher: RandomState::default(),
            flows: Slab::default(),
            limits,
            held: 0,
            knows_port,
            fragments: Fragments::default(),
            hand: 0,
            since_gap: SinceGap::default(),
            questions: None,
        }
    }

    /// Live flows.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True where no flow is alive.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// What finding the flow of a packet needs. `None` for what is no flow by itself.
    #[inline]
    pub fn probe(&self, packet: &Packet) -> Option<Probe> {
        let (key, side) = FlowKey::of(packet)?;
        Some(Probe { key, side, hash: self.hash(&key) })
    }

    /// Looks for the place of a flow without touching the flow itself.
    #[inline]
    pub fn locate(&self, probe: &Probe) -> Option<u32> {
        self.index.find(spread(probe.hash), |entry| entry.hash == probe.hash).map(|entry| entry.slot)
    }

    /// Reads a little of each part of a flow, so that the processor fetches it while others are being fetched as well.
    /// The table is much larger than the caches, and waiting for one flow after the other took two thirds of the time.
    #[inline]
    pub fn touch(&self, slot: u32) -> u64 {
        self.flows.get(slot).map_or(0, Flow::touch)
    }

    /// Enters one packet. A flow that ends because of it goes to `ended`.
    #[inline]
    pub fn observe(
        &mut self,
        packet: &Packet,
        raw: &RawPacket<'_>,
        ended: &mut impl FnMut(FlowRecord),
    ) -> Result<(), Skip> {
        let probe = self.probe(packet);
        self.observe_probed(packet, raw, probe.as_ref(), None, ended)
    }

    /// Enters one packet of which the probe is known, and perhaps where [`FlowTable::locate`] found its flow; that may
    /// have become the place of another one since.
    #[inline]
    pub fn observe_probed(
        &mut self,
        packet: &Packet,
        raw: &RawPacket<'_>,
        probe: Option<&Probe>,
        located: Option<u32>,
        ended: &mut impl FnMut(FlowRecord),
    ) -> Result<(), Skip> {
        let Some(probe) = probe else { return self.observe_other(packet, raw, ended) };
        let Probe { key, side, .. } = *probe;
        let known = located.and_then(|slot| Some((slot, self.flows.get_mut(slot)?)));
        let slot = match known {
            Some((slot, flow)) if flow.key == key && flow.goes_on(packet, raw, side) => slot,
            _ => self.place(probe, packet, raw, ended),
        };
        let flow = self.flows.at(slot);
        if flow.marks.has(Marks::UNWATCHED) {
            self.since_gap.add(slot, self.flows.places);
        }
        let flow = self.flows.at(slot);
        let held = flow.bytes_held();
        flow.observe(packet, raw, side);
        let held_now = flow.bytes_held();
        if held_now != held {
            self.held = self.held - held + held_now;
        }
        if packet.fragment == Fragment::First {
            if key.protocol() == protocol::UDP {
                flow.fragmented();
            }
            self.fragments.remember(FragmentKey::of(key.protocol(), packet), key, raw.at);
        }
        Ok(())
    }

    /// The place of the flow that a packet belongs to; opens one where there is none, or where the old one was idle too
    /// long or its ports are used again.
    #[inline(never)]
    fn place(
        &mut self,
        probe: &Probe,
        packet: &Packet,
        raw: &RawPacket<'_>,
        ended: &mut impl FnMut(FlowRecord),
    ) -> u32 {
        let Some(slot) = self.find(probe.hash, &probe.key) else { return self.open(probe, packet, raw) };
        let flow = self.flows.at(slot);
        if flow.goes_on(packet, raw, probe.side) {
            return slot;
        }
        let given_up = flow.is_given_up(raw.at);
        ended(if given_up { self.give_up(slot) } else { self.close(slot, raw.at, false) });
        self.open(probe, packet, raw)
    }

    /// Gives up flows that have been idle too long, looking at no more than `budget` places. When it happens changes
    /// nothing: a packet of such a flow would have begun a new one anyway.
    pub fn sweep(&mut self, now: Timestamp, budget: usize, ended: &mut impl FnMut(FlowRecord)) {
        for _ in 0..budget.min(self.flows.places as usize) {
            self.hand = if self.hand + 1 >= self.flows.places { 0 } else { self.hand + 1 };
            let slot = self.hand;
            if let Some(flow) = self.flows.get(slot)
                && flow.is_given_up(now)
            {
                ended(self.give_up(slot));
            }
        }
    }

    /// From now on the table remembers which of its flows are open questions, for [`FlowTable::glance`].
    pub fn answers_questions(&mut self) {
        self.questions.get_or_insert_default();
    }

    /// Shows flows that are alive as they would be told if they ended at `now`, while they go on: all of them, or those of which a
    /// look may show something new. `show` is given what it last said to have shown of a flow (0: nothing), and says what it has
    /// shown now.
    pub fn glance(&mut self, now: Timestamp, depth: Depth, show: &mut impl FnMut(FlowRecord, u16) -> u16) {
        match depth {
            Depth::Questions => self.look_at_questions(now, show),
            Depth::Everything => {
                for flow in (0..self.flows.places).filter_map(|slot| self.flows.get(slot)) {
                    show(as_if_ended(flow, now), 0);
                }
            }
        }
    }

    /// The flow of a key as it would be told if it ended at `now`, while it goes on.
    pub fn look(&self, key: &FlowKey, now: Timestamp) -> Option<FlowRecord> {
        let flow = self.flows.get(self.find(self.hash(key), key)?)?;
        Some(as_if_ended(flow, now))
    }

    fn look_at_questions(&mut self, now: Timestamp, show: &mut impl FnMut(FlowRecord, u16) -> u16) {
        let Some(questions) = &mut self.questions else { return };
        for question in questions.due(now) {
            let Some(flow) = self.flows.get(question.slot).filter(|flow| flow.began() == question.first) else {
                continue;
            };
            if question.is_worth_it(flow.last, now) && !flow.means_nothing_yet(now) {
                let shown = show(as_if_ended(flow, now), questions.shown(question.slot));
                questions.show(question.slot, shown);
            }
            if !flow.is_settled() {
                questions.ask_again(question, now);
            }
        }
    }

    /// Nobody watches for answers from `at` on, until the next packet. A SYN that is repeated later proves that none
    /// came in between; every other flow of which only one side has been seen ends here.
    pub fn stop_waiting(&mut self, at: Timestamp, ended: &mut impl FnMut(FlowRecord)) {
        let SinceGap { slots, too_many } = std::mem::take(&mut self.since_gap);
        let all = if too_many { 0..self.flows.places } else { 0..0 };
        for slot in all.chain(slots) {
            let Some(flow) = self.flows.get(slot) else { continue };
            if flow.is_answered() {
                continue;
            }
            // Idle for too long already: it has ended before, whether or not anybody swept.
            if at >= flow.last + flow.patience() {
                ended(self.give_up(slot));
            } else if flow.marks.has(Marks::SYN_SEEN) {
                self.flows.at(slot).marks.set(Marks::UNWATCHED);
            } else {
                ended(self.close(slot, at, true));
            }
        }
    }

    /// Ends every flow: the capture ended at `end`.
    pub fn finish(&mut self, end: Timestamp, ended: &mut impl FnMut(FlowRecord)) {
        for slot in 0..self.flows.places {
            let Some(flow) = self.flows.get_mut(slot) else { continue };
            let given_up = flow.last + flow.patience();
            ended(flow.finish(end.min(given_up), end < given_up));
        }
        self.index.clear();
        self.flows = Slab::default();
        self.since_gap = SinceGap::default();
        self.held = 0;
    }

    #[inline]
    fn hash(&self, key: &FlowKey) -> u32 {
        (self.hasher.hash_one(key) >> 32) as u32
    }

    #[inline]
    fn find(&self, hash: u32, key: &FlowKey) -> Option<u32> {
        let same =
            |entry: &Entry| entry.hash == hash && self.flows.get(entry.slot).is_some_and(|flow| flow.key == *key);
        self.index.find(spread(hash), same).map(|entry| entry.slot)
    }

    #[inline(never)]
    fn open(&mut self, &Probe { key, side, hash }: &Probe, packet: &Packet, raw: &RawPacket<'_>) -> u32 {
        let tftp = matches!(packet.transport, TransportHeader::Udp) && self.answers_tftp(&key, side, raw.at);
        let (client, basis) = match packet.transport {
            _ if tftp => (!side, DirectionBasis::Payload),
            _ => self.direction(&key, side, packet),
        };
        let slot = self.insert(hash, Flow::new(key, client, basis, raw));
        if tftp {
            self.flows.at(slot).is_tftp_data(packet, raw);
        } else if matches!(packet.transport, TransportHeader::Udp) {
            let port = key.endpoint(!client).port;
            match (self.knows_port)(key.protocol(), port) {
                PortUse::Requests => self.flows.at(slot).asks_by_datagrams(),
                PortUse::Sessions => self.flows.at(slot).watches_sizes(),
                PortUse::Server | PortUse::Unknown => {}
            }
        }
        slot
    }

    fn insert(&mut self, hash: u32, flow: Flow) -> u32 {
        let first = flow.began();
        let slot = self.flows.insert(flow);
        self.since_gap.add(slot, self.flows.places);
        if let Some(questions) = &mut self.questions {
            questions.opened(slot, first);
        }
        self.index.insert_unique(spread(hash), Entry { hash, slot }, |entry| spread(entry.hash));
        slot
    }

    /// Closes a flow that has been idle too long.
    fn give_up(&mut self, slot: u32) -> FlowRecord {
        let flow = self.flows.at(slot);
        let until = flow.last + flow.patience();
        self.close(slot, until, false)
    }

    fn close(&mut self, slot: u32, until: Timestamp, cut_off: bool) -> FlowRecord {
        let mut flow = self.flows.remove(slot);
        self.held -= flow.bytes_held();
        let hash = self.hash(&flow.key);
        if let Ok(entry) = self.index.find_entry(spread(hash), |entry| entry.slot == slot) {
            entry.remove();
        }
        let shown = self.questions.as_mut().map_or(0, |questions| questions.closed(slot));
        FlowRecord { shown, ..flow.finish(until, cut_off) }
    }

    /// Who is the client, by the first packet of a flow.
    fn direction(&self, key: &FlowKey, sender: Side, packet: &Packet) -> (Side, DirectionBasis) {
        match packet.transport {
            TransportHeader::Tcp(tcp) if tcp.flags.syn() => {
                (if tcp.flags.ack() { !sender } else { sender }, DirectionBasis::Handshake)
            }
            TransportHeader::Icmp(icmp) => {
                (if icmp.is_echo_reply() { !sender } else { sender }, DirectionBasis::Payload)
            }
            TransportHeader::Udp => self.by_port(key, sender).unwrap_or((sender, DirectionBasis::Payload)),
            TransportHeader::Tcp(_) | TransportHeader::Fragment(_) => {
                self.by_port(key, sender).unwrap_or_else(|| by_order(key, sender))
            }
        }
    }

    /// By the port map: the known port is the server's. Where it knows both, a well-known one (below 1024) is; clients
    /// and address translators hand out any other number, those of Citrix among them. PXE asks from the port of DHCP clients.
    fn by_port(&self, key: &FlowKey, sender: Side) -> Option<(Side, DirectionBasis)> {
        const DHCP_CLIENT: u16 = 68;
        const PXE: u16 = 4011;
        let says = |side: Side| {
            let (port, other) = (key.endpoint(side).port, key.endpoint(!side).port);
            let is_pxe = (port, other) == (DHCP_CLIENT, PXE);
            let known = if is_pxe { PortUse::Unknown } else { (self.knows_port)(key.protocol(), port) };
            (known, known != PortUse::Unknown && port < 1024)
        };
        use PortUse::{Requests, Server, Sessions, Unknown};
        match (says(sender), says(!sender)) {
            ((Unknown, _), (Unknown, _)) => None,
            ((Unknown, _), _) | ((_, false), (_, true)) => Some((sender, DirectionBasis::PortMap)),
            (_, (Unknown, _)) | ((_, true), (_, false)) => Some((!sender, DirectionBasis::PortMap)),
            // Who is asked there answers from there.
            ((Requests, _), (Server | Sessions, _)) => Some((!sender, DirectionBasis::PortMap)),
            _ => None,
        }
    }

    /// True where the sender of this datagram was asked on port 69 by the receiver's port: TFTP answers from a new port
    /// (RFC 1350, section 4).
    fn answers_tftp(&mut self, key: &FlowKey, sender: Side, now: Timestamp) -> bool {
        const TFTP: u16 = 69;
        let server = key.endpoint(sender);
        let (request, asked) =
            FlowKey::new(protocol::UDP, key.endpoint(!sender), Endpoint { address: server.address, port: TFTP });
        if server.port == TFTP {
            return false;
        }
        let Some(slot) = self.find(self.hash(&request), &request) else { return false };
        let flow = self.flows.at(slot);
        if flow.client != asked || now - flow.last > flow.patience() {
            return false;
        }
        flow.marks.set(Marks::ANSWERED_ELSEWHERE);
        true
    }

    /// What is no flow by itself: later fragments and ICMP errors.
    #[inline(never)]
    fn observe_other(
        &mut self,
        packet: &Packet,
        raw: &RawPacket<'_>,
        ended: &mut impl FnMut(FlowRecord),
    ) -> Result<(), Skip> {
        match packet.transport {
            TransportHeader::Fragment(number) => self.observe_fragment(number, packet, raw),
            TransportHeader::Icmp(Icmp { v6, kind, code, .. }) => {
                let quoted = packet.quoted(raw.bytes).ok_or(Skip::IcmpOther)?;
                if packet.destination != quoted.source {
                    // An error goes to whoever sent what it quotes (RFC 792); this one is forged or broken.
                    return Err(Skip::IcmpOther);
                }
                let Sender { ttl, identification, .. } = Sender::of(packet);
                let error =
                    IcmpError { v6, kind, code, sender: packet.source, ttl, identification, about_client: true };
                let mtu = if error.is_too_big() { named_mtu(packet, raw.bytes) } else { 0 };
                self.observe_error((error, mtu), &quoted, raw, ended)
            }
            TransportHeader::Tcp(_) | TransportHeader::Udp => Err(Skip::IcmpOther),
        }
    }

    fn observe_fragment(&mut self, number: u8, packet: &Packet, raw: &RawPacket<'_>) -> Result<(), Skip> {
        let fragment = FragmentKey::of(number, packet);
        let key = self.fragments.flow_of(&fragment, raw.at).ok_or(Skip::FragmentWithoutStart)?;
        let slot = self.find(self.hash(&key), &key).ok_or(Skip::FragmentWithoutStart)?;
        let side = if key.endpoint(Side::Low).address == packet.source { Side::Low } else { Side::High };
        self.flows.at(slot).observe_fragment(packet, raw, side);
        Ok(())
    }

    fn observe_error(
        &mut self,
        (mut error, mtu): (IcmpError, u16),
        quoted: &Quoted,
        raw: &RawPacket<'_>,
        ended: &mut impl FnMut(FlowRecord),
    ) -> Result<(), Skip> {
        let from = Endpoint { address: quoted.source, port: quoted.source_port };
        let to = Endpoint { address: quoted.destination, port: quoted.destination_port };
        let (key, sender) = FlowKey::new(quoted.protocol, from, to);
        let hash = self.hash(&key);
        let slot = match self.find(hash, &key) {
            Some(slot) if raw.at - self.flows.at(slot).last <= self.flows.at(slot).patience() => slot,
            Some(slot) => {
                ended(self.give_up(slot));
                self.open_quoted(hash, key, sender, raw)
            }
            None => self.open_quoted(hash, key, sender, raw),
        };
        let flow = self.flows.at(slot);
        error.about_client = flow.client == sender;
        flow.quoted(error, mtu, raw);
        Ok(())
    }

    fn open_quoted(&mut self, hash: u32, key: FlowKey, sender: Side, raw: &RawPacket<'_>) -> u32 {
        let (client, basis) = self.by_port(&key, sender).unwrap_or((sender, DirectionBasis::FirstPacket));
        let mut flow = Flow::new(key, client, basis, raw);
        flow.marks.set(Marks::QUOTED_ONLY);
        self.insert(hash, flow)
    }
}

/// The largest packet that fits, as an ICMP error in the second word of its header names it: over IPv4 in the lower half (RFC 1191, 4),
/// over IPv6 in all of it (RFC 4443, 3.2). 0 where it is not said.
fn named_mtu(packet: &Packet, captured: &[u8]) -> u16 {
    let end = packet.payload_at as usize;
    let word = end.checked_sub(4).and_then(|start| captured.get(start..end)).and_then(|word| word.try_into().ok());
    let word = u32::from_be_bytes(word.unwrap_or_default());
    let v6 = matches!(packet.transport, TransportHeader::Icmp(icmp) if icmp.v6);
    u16::try_from(if v6 { word } else { word & 0xffff }).unwrap_or(u16::MAX)
}

fn as_if_ended(flow: &Flow, now: Timestamp) -> FlowRecord {
    let given_up = flow.last + flow.patience();
    flow.record(now.min(given_up), now < given_up)
}

fn by_order(key: &FlowKey, sender: Side) -> (Side, DirectionBasis) {
    let [mine, other] = [sender, !sender].map(|side| key.endpoint(side).port);
    match mine.cmp(&other) {
        std::cmp::Ordering::Less => (!sender, DirectionBasis::PortOrder),
        std::cmp::Ordering::Greater => (sender, DirectionBasis::PortOrder),
        std::cmp::Ordering::Equal => (sender, DirectionBasis::FirstPacket),
    }
}

/// The table wants good bits at both ends of its 64.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Flows in chunks that never move, with the free places remembered.
#[derive(Default)]
struct Slab {
    chunks: Vec<Vec<Option<Flow>>>,
    free: Vec<u32>,
    places: u32,
}

/// Flows in one chunk.
const CHUNK: u32 = 1024;

impl Slab {
    #[inline]
    fn get(&self, slot: u32) -> Option<&Flow> {
        self.chunks[(slot / CHUNK) as usize][(slot % CHUNK) as usize].as_ref()
    }

    fn get_mut(&mut self, slot: u32) -> Option<&mut Flow> {
        self.chunks[(slot / CHUNK) as usize][(slot % CHUNK) as usize].as_mut()
    }

    /// A place that the index names. It is always taken: `insert` and `remove` keep index and slab together.
    #[inline]
    fn at(&mut self, slot: u32) -> &mut Flow {
        self.chunks[(slot / CHUNK) as usize][(slot % CHUNK) as usize]
            .as_mut()
            .expect("the index names only taken places")
    }

    fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.chunks.iter().flatten().flatten()
    }

    fn insert(&mut self, flow: Flow) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.chunks[(slot / CHUNK) as usize][(slot % CHUNK) as usize] = Some(flow);
            return slot;
        }
        if self.places.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK as usize));
        }
        let slot = self.places;
        self.chunks[(slot / CHUNK) as usize].push(Some(flow));
        self.places += 1;
        slot
    }

    fn remove(&mut self, slot: u32) -> Flow {
        self.free.push(slot);
        self.chunks[(slot / CHUNK) as usize][(slot % CHUNK) as usize].take().expect("only taken places are removed")
    }
}
