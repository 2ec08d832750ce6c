//! All flows of one worker: finds the flow of a packet, opens new ones, gives up idle ones.

use super::track::Flow;
use super::{DirectionBasis, Endpoint, FlowKey, FlowRecord, IcmpError, Marks, Sender, Side};
use crate::packet::{
    Address, Fragment, Icmp, Packet, Quoted, RawPacket, SHARDS, Skip, TransportHeader, protocol, shard,
};
use crate::time::{Span, Timestamp};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// Whether the port map knows a port as a server's. Asked with the IP protocol number and the port, once for a flow
/// whose start was not seen.
pub type KnowsPort = Box<dyn Fn(u8, u16) -> bool + Send>;

/// Limits of memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum number of flows that are followed at the same time, over all workers.
    pub flows: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { flows: 8_000_000 }
    }
}

/// How much is asked for of an audit that goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// What findings are made of, at the cost of the flows that are still open questions.
    Questions,
    /// Every count, at the cost of all flows that are alive.
    Everything,
}

/// The flows of one worker.
pub struct FlowTable {
    index: HashTable<Entry>,
    hasher: RandomState,
    flows: Slab,
    rooms: Box<[Room; SHARDS]>,
    shard_limit: u32,
    /// The epoch in which the whole table was last walked for want of room.
    walked: i64,
    knows_port: KnowsPort,
    fragments: Box<[Fragments; SHARDS]>,
    hand: u32,
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

#[derive(PartialEq, Eq, Hash)]
struct FragmentKey {
    source: Address,
    destination: Address,
    identification: u32,
    protocol: u8,
}

/// First fragments of one shard, for the later ones: they carry no ports. Two generations, so that the oldest can be
/// forgotten without looking at each. Invariant: neither holds more than [`FRAGMENT_LIMIT`].
#[derive(Default)]
struct Fragments {
    young: HashMap<FragmentKey, (FlowKey, Timestamp)>,
    old: HashMap<FragmentKey, (FlowKey, Timestamp)>,
}

impl Fragments {
    fn remember(&mut self, fragment: FragmentKey, flow: FlowKey, at: Timestamp) {
        if self.young.len() >= FRAGMENT_LIMIT {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(fragment, (flow, at));
    }

    fn flow_of(&self, fragment: &FragmentKey, at: Timestamp) -> Option<FlowKey> {
        let &(flow, then) = self.young.get(fragment).or_else(|| self.old.get(fragment))?;
        (at - then <= FRAGMENT_LIFE).then_some(flow)
    }
}

/// How much of its share a shard has taken. A flow that went idle gives its place back only in the epoch after, swept
/// or not, so that it does not matter when somebody sweeps.
#[derive(Clone, Copy, Default)]
struct Room {
    taken: Share,
    /// What comes back in the epoch after this one.
    returning: Share,
    epoch: i64,
}

/// Flows, and bytes that they hold because more are awaited.
#[derive(Clone, Copy, Default)]
struct Share {
    flows: u32,
    bytes: u64,
}

impl Room {
    fn turn(&mut self, epoch: i64) {
        if epoch > self.epoch {
            self.gives_back_at_once(self.returning);
            self.returning = Share::default();
            self.epoch = epoch;
        }
    }

    fn gives_back_at_once(&mut self, share: Share) {
        self.taken.flows -= share.flows;
        self.taken.bytes -= share.bytes;
    }

    fn gives_back(&mut self, share: Share, idle_since: Timestamp, now: Timestamp) {
        self.turn(epoch(now));
        if epoch(idle_since) < epoch(now) {
            return self.gives_back_at_once(share);
        }
        self.returning.flows += share.flows;
        self.returning.bytes += share.bytes;
    }
}

/// Nanoseconds of capture time in one step by which room is counted.
const EPOCH: i64 = 10 * crate::time::SECOND;

fn epoch(at: Timestamp) -> i64 {
    at.0.div_euclid(EPOCH)
}

/// Longest time after which a fragment may follow its first one (the reassembly time of Linux).
const FRAGMENT_LIFE: Span = Span::seconds(30);
/// Least number of first fragments of one shard that are remembered; at most twice as many are. The later ones follow
/// at once.
const FRAGMENT_LIMIT: usize = 2_048;
/// Maximum number of bytes of openings that the flows of one shard may hold because more are awaited: 128 MiB in all.
/// Beyond that a protocol is told by what has been heard.
const BYTES_LIMIT: u64 = 2 << 20;

impl FlowTable {
    /// An empty table.
    pub fn new(limits: Limits, knows_port: KnowsPort) -> FlowTable {
        FlowTable {
            index: HashTable::new(),
            hasher: RandomState::default(),
            flows: Slab::default(),
            rooms: Box::new([Room::default(); SHARDS]),
            walked: i64::MIN,
            shard_limit: u32::try_from((limits.flows / SHARDS).max(1)).unwrap_or(u32::MAX),
            knows_port,
            fragments: Box::new(std::array::from_fn(|_| Fragments::default())),
            hand: 0,
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
            _ => self.place(probe, packet, raw, ended)?,
        };
        let flow = self.flows.at(slot);
        let held = flow.bytes_held();
        flow.observe(packet, raw, side);
        if flow.bytes_held() != held {
            self.hold(slot, held, raw.at, ended);
        }
        if packet.fragment == Fragment::First {
            self.fragments[shard_of(&key)].remember(fragment_key(key.protocol(), packet), key, raw.at);
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
    ) -> Result<u32, Skip> {
        let Some(slot) = self.find(probe.hash, &probe.key) else { return self.open(probe, packet, raw, ended) };
        let flow = self.flows.at(slot);
        if flow.goes_on(packet, raw, probe.side) {
            return Ok(slot);
        }
        let given_up = flow.is_given_up(raw.at);
        ended(if given_up { self.give_up(slot, raw.at) } else { self.end(slot, raw.at, false) });
        self.open(probe, packet, raw, ended)
    }

    /// Enters that a flow holds more bytes of its openings than before, or fewer. Where the share of its shard is used
    /// up it has to tell what it has heard.
    #[inline(never)]
    fn hold(&mut self, slot: u32, before: u64, now: Timestamp, ended: &mut impl FnMut(FlowRecord)) {
        let flow = self.flows.at(slot);
        let (shard, held) = (shard_of(&flow.key), flow.bytes_held());
        let room = &mut self.rooms[shard];
        room.turn(epoch(now));
        room.taken.bytes = room.taken.bytes - before + held;
        if held > before && room.taken.bytes > BYTES_LIMIT {
            self.make_room(now, ended);
        }
        if held > before && self.rooms[shard].taken.bytes > BYTES_LIMIT {
            self.flows.at(slot).hears_no_more();
            self.rooms[shard].taken.bytes -= held;
        }
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
                ended(self.give_up(slot, now));
            }
        }
    }

    /// Shows the flows that are alive as they would be told if they ended at `now`, while they go on: all of them, or
    /// only those of which the last word has not been shown yet.
    pub fn glance(&mut self, now: Timestamp, depth: Depth, show: &mut impl FnMut(FlowRecord, bool)) {
        for slot in 0..self.flows.places {
            let Some(flow) = self.flows.get_mut(slot) else { continue };
            let shown = flow.marks.has(Marks::SHOWN);
            if shown && depth == Depth::Questions {
                continue;
            }
            if flow.is_settled() {
                flow.marks.set(Marks::SHOWN);
            }
            let given_up = flow.last + flow.patience();
            let first_time = !shown && flow.is_settled();
            show(flow.record(now.min(given_up), now < given_up), first_time);
        }
    }

    /// Nobody watches for answers from `at` on, until the next packet. A SYN that is repeated later proves that none
    /// came in between; every other flow of which only one side has been seen ends here.
    pub fn stop_waiting(&mut self, at: Timestamp, ended: &mut impl FnMut(FlowRecord)) {
        for slot in 0..self.flows.places {
            let Some(flow) = self.flows.get(slot) else { continue };
            if flow.is_answered() {
                continue;
            }
            if flow.marks.has(Marks::SYN_SEEN) {
                self.flows.at(slot).marks.set(Marks::UNWATCHED);
                continue;
            }
            let given_up = flow.last + flow.patience();
            ended(if at >= given_up { self.give_up(slot, at) } else { self.end(slot, at, true) });
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
    fn open(
        &mut self,
        &Probe { key, side, hash }: &Probe,
        packet: &Packet,
        raw: &RawPacket<'_>,
        ended: &mut impl FnMut(FlowRecord),
    ) -> Result<u32, Skip> {
        let tftp = matches!(packet.transport, TransportHeader::Udp) && self.answers_tftp(&key, side, raw.at);
        let (client, basis) = match packet.transport {
            _ if tftp => (!side, DirectionBasis::Payload),
            _ => self.direction(&key, side, packet),
        };
        let slot = self.insert(hash, Flow::new(key, client, basis, raw), ended)?;
        if tftp {
            self.flows.at(slot).is_tftp_data();
        }
        Ok(slot)
    }

    fn insert(&mut self, hash: u32, flow: Flow, ended: &mut impl FnMut(FlowRecord)) -> Result<u32, Skip> {
        let (shard, now) = (shard_of(&flow.key), flow.last);
        self.rooms[shard].turn(epoch(now));
        if self.rooms[shard].taken.flows >= self.shard_limit {
            self.make_room(now, ended);
        }
        if self.rooms[shard].taken.flows >= self.shard_limit {
            return Err(Skip::FlowLimit);
        }
        self.rooms[shard].taken.flows += 1;
        let slot = self.flows.insert(flow);
        self.index.insert_unique(spread(hash), Entry { hash, slot }, |entry| spread(entry.hash));
        Ok(slot)
    }

    /// Walks the whole table, at most once in an epoch, and gives up what has been idle too long.
    #[cold]
    fn make_room(&mut self, now: Timestamp, ended: &mut impl FnMut(FlowRecord)) {
        if self.walked < epoch(now) {
            self.walked = epoch(now);
            self.sweep(now, usize::MAX, ended);
        }
    }

    /// Closes a flow that has been idle too long.
    fn give_up(&mut self, slot: u32, now: Timestamp) -> FlowRecord {
        let flow = self.flows.at(slot);
        let until = flow.last + flow.patience();
        let (shard, share) = (shard_of(&flow.key), Share { flows: 1, bytes: flow.bytes_held() });
        self.rooms[shard].gives_back(share, until, now);
        self.close(slot, until, false)
    }

    /// Closes a flow because of what was seen.
    fn end(&mut self, slot: u32, now: Timestamp, cut_off: bool) -> FlowRecord {
        let flow = self.flows.at(slot);
        let (shard, share) = (shard_of(&flow.key), Share { flows: 1, bytes: flow.bytes_held() });
        self.rooms[shard].gives_back_at_once(share);
        self.close(slot, now, cut_off)
    }

    fn close(&mut self, slot: u32, until: Timestamp, cut_off: bool) -> FlowRecord {
        let mut flow = self.flows.remove(slot);
        let hash = self.hash(&flow.key);
        if let Ok(entry) = self.index.find_entry(spread(hash), |entry| entry.slot == slot) {
            entry.remove();
        }
        flow.finish(until, cut_off)
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
    /// and address translators hand out any other number, those of Citrix among them.
    fn by_port(&self, key: &FlowKey, sender: Side) -> Option<(Side, DirectionBasis)> {
        let says = |side: Side| {
            let port = key.endpoint(side).port;
            let known = (self.knows_port)(key.protocol(), port);
            (known, known && port < 1024)
        };
        match (says(sender), says(!sender)) {
            ((false, _), (true, _)) | ((true, false), (true, true)) => Some((sender, DirectionBasis::PortMap)),
            ((true, _), (false, _)) | ((true, true), (true, false)) => Some((!sender, DirectionBasis::PortMap)),
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
                self.observe_error(error, &quoted, raw, ended)
            }
            TransportHeader::Tcp(_) | TransportHeader::Udp => Err(Skip::IcmpOther),
        }
    }

    fn observe_fragment(&mut self, number: u8, packet: &Packet, raw: &RawPacket<'_>) -> Result<(), Skip> {
        let known = &self.fragments[shard(packet.source, packet.destination)];
        let key = known.flow_of(&fragment_key(number, packet), raw.at).ok_or(Skip::FragmentWithoutStart)?;
        let slot = self.find(self.hash(&key), &key).ok_or(Skip::FragmentWithoutStart)?;
        let side = if key.endpoint(Side::Low).address == packet.source { Side::Low } else { Side::High };
        self.flows.at(slot).observe_fragment(packet, raw, side);
        Ok(())
    }

    fn observe_error(
        &mut self,
        mut error: IcmpError,
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
                ended(self.give_up(slot, raw.at));
                self.open_quoted(hash, key, sender, raw, ended)?
            }
            None => self.open_quoted(hash, key, sender, raw, ended)?,
        };
        let flow = self.flows.at(slot);
        error.about_client = flow.client == sender;
        flow.quoted(error, raw);
        Ok(())
    }

    fn open_quoted(
        &mut self,
        hash: u32,
        key: FlowKey,
        sender: Side,
        raw: &RawPacket<'_>,
        ended: &mut impl FnMut(FlowRecord),
    ) -> Result<u32, Skip> {
        let (client, basis) = self.by_port(&key, sender).unwrap_or((sender, DirectionBasis::FirstPacket));
        let mut flow = Flow::new(key, client, basis, raw);
        flow.marks.set(Marks::QUOTED_ONLY);
        self.insert(hash, flow, ended)
    }
}

fn by_order(key: &FlowKey, sender: Side) -> (Side, DirectionBasis) {
    let [mine, other] = [sender, !sender].map(|side| key.endpoint(side).port);
    match mine.cmp(&other) {
        std::cmp::Ordering::Less => (!sender, DirectionBasis::PortOrder),
        std::cmp::Ordering::Greater => (sender, DirectionBasis::PortOrder),
        std::cmp::Ordering::Equal => (sender, DirectionBasis::FirstPacket),
    }
}

fn shard_of(key: &FlowKey) -> usize {
    shard(key.endpoint(Side::Low).address, key.endpoint(Side::High).address)
}

fn fragment_key(protocol: u8, packet: &Packet) -> FragmentKey {
    FragmentKey {
        source: packet.source,
        destination: packet.destination,
        identification: packet.identification,
        protocol,
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
