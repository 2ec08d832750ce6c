//! Traffic made up for measurements: a mix of conversations like that of a Citrix site, the same for the same seed, and
//! what an audit must find in it. Packets are made one by one, so the mix may be larger than the memory.

use crate::flow::Who;
use crate::packet::{LinkType, TcpFlags, protocol};
use crate::source::{Fractions, PcapWriter};
use crate::time::{SECOND, Timestamp};
use std::fmt;
use std::io::{self, Write};

/// What traffic to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mix {
    /// Packets in all.
    pub packets: u64,
    /// Conversations in all. At half time all of them have begun and none has ended.
    pub flows: u32,
    /// Another seed, another mix.
    pub seed: u64,
    /// How large the packets of sessions are.
    pub sizes: Sizes,
    /// Weight of each service, in the order of [`SERVICES`].
    pub shares: [u32; SERVICES.len()],
}

/// Weights of the sizes among the packets of a session, handshake and greeting left out, are of which size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// Bare acknowledgements, and datagrams as short: 60 bytes on Ethernet.
    pub empty: u32,
    /// 40 to 540 bytes of payload, evenly.
    pub small: u32,
    /// As much as an Ethernet frame holds: 1,514 bytes.
    pub full: u32,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes { empty: 40, small: 30, full: 30 }
    }
}

impl Default for Mix {
    fn default() -> Mix {
        let shares = SERVICES.map(|service| service.share);
        Mix { packets: 4_000_000, flows: 60_000, seed: 1, sizes: Sizes::default(), shares }
    }
}

/// A kind of conversation.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its weight unless another one is asked for; all of them together are 100.
    pub share: u32,
    /// The port of its servers.
    pub port: u16,
    /// What becomes of it.
    pub conduct: Conduct,
    client_says: fn() -> Vec<u8>,
    server_says: fn() -> Vec<u8>,
}

/// What becomes of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conduct {
    /// TCP: opened, greeted, used; three in four are closed.
    Session {
        /// The server greets first.
        server_first: bool,
    },
    /// UDP: greeted and used.
    Datagrams,
    /// UDP: one question and one answer.
    Question,
    /// TCP: four SYNs within seven seconds, and nothing comes back.
    Silent,
    /// TCP: a reset answers the SYN.
    Refused,
}

/// The kinds of conversations. What real EDT, audio, Provisioning and licensing say is not public: EDT opens like UDT
/// (facts EDT-06), the others say bytes that mean nothing.
pub const SERVICES: [Service; 11] = [
    Service {
        name: "cgp",
        share: 30,
        port: 2598,
        conduct: Conduct::Session { server_first: false },
        client_says: cgp_client,
        server_says: cgp_server,
    },
    Service {
        name: "ica",
        share: 10,
        port: 1494,
        conduct: Conduct::Session { server_first: true },
        client_says: ica_greeting,
        server_says: ica_greeting,
    },
    Service {
        name: "edt",
        share: 15,
        port: 2598,
        conduct: Conduct::Datagrams,
        client_says: udt_handshake,
        server_says: udt_handshake,
    },
    Service {
        name: "https",
        share: 15,
        port: 443,
        conduct: Conduct::Session { server_first: false },
        client_says: tls_client_hello,
        server_says: tls_server_hello,
    },
    Service {
        name: "dns",
        share: 12,
        port: 53,
        conduct: Conduct::Question,
        client_says: dns_query,
        server_says: dns_answer,
    },
    Service {
        name: "audio",
        share: 4,
        port: 16500,
        conduct: Conduct::Datagrams,
        client_says: unknown,
        server_says: unknown,
    },
    Service {
        name: "pvs",
        share: 3,
        port: 6911,
        conduct: Conduct::Datagrams,
        client_says: unknown,
        server_says: unknown,
    },
    Service {
        name: "licensing",
        share: 3,
        port: 27000,
        conduct: Conduct::Session { server_first: false },
        client_says: unknown,
        server_says: unknown,
    },
    Service {
        name: "sta",
        share: 3,
        port: 80,
        conduct: Conduct::Session { server_first: false },
        client_says: sta_request,
        server_says: http_answer,
    },
    Service {
        name: "silent",
        share: 3,
        port: 2598,
        conduct: Conduct::Silent,
        client_says: Vec::new,
        server_says: Vec::new,
    },
    Service {
        name: "refused",
        share: 2,
        port: 1494,
        conduct: Conduct::Refused,
        client_says: Vec::new,
        server_says: Vec::new,
    },
];

/// What an audit of the whole mix must find.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Promise {
    /// Packets.
    pub packets: u64,
    /// Conversations of each service, in the order of [`SERVICES`].
    pub flows: [u64; SERVICES.len()],
}

impl Promise {
    /// Conversations of services that end like this.
    pub fn flows_that(&self, ends: impl Fn(Conduct) -> bool) -> u64 {
        SERVICES.iter().zip(self.flows).filter(|(service, _)| ends(service.conduct)).map(|(_, flows)| flows).sum()
    }
}

/// Why a mix cannot be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MixError {
    /// No flow, every service with weight 0, or every size.
    Nothing,
    /// There are fewer packets than it takes to open and close the flows.
    TooFewPackets {
        /// How many.
        needed: u64,
    },
    /// Packets are left over, and no service could carry them.
    NobodyTalks,
}

impl fmt::Display for MixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MixError::Nothing => f.write_str("there must be a flow, a service and a size"),
            MixError::TooFewPackets { needed } => {
                write!(f, "to open and close these flows takes {needed} packets; ask for more packets or fewer flows")
            }
            MixError::NobodyTalks => f.write_str(
                "no flow can carry that number of packets; ask for more flows, or give another service a share",
            ),
        }
    }
}

impl std::error::Error for MixError {}

/// The packets of a mix, one after the other.
pub struct Traffic {
    promise: Promise,
    sizes: Sizes,
    dice: Dice,
    noise: Vec<u8>,
    flows: Vec<Flow>,
    /// Flows that are in use.
    talking: Vec<u32>,
    events: std::iter::Peekable<std::vec::IntoIter<Event>>,
    /// Packets of sessions, those that were made, and when the first may be.
    data: u64,
    data_made: u64,
    data_from: i64,
    frame: Vec<u8>,
}

/// A packet that opens or closes a flow. The order is that of the capture.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    /// Microseconds from the start.
    at: u32,
    flow: u32,
    step: u8,
}

#[derive(Clone, Copy)]
struct Flow {
    service: u8,
    server: u8,
    /// Its place among those in use.
    place: u32,
    /// Client first, server second: the next sequence number and the next IP identification.
    next: [u32; 2],
    ids: [u16; 2],
}

impl Mix {
    /// Makes ready to make the packets.
    ///
    /// # Errors
    /// There are too few packets for the flows, or nothing could carry them.
    pub fn traffic(&self) -> Result<Traffic, MixError> {
        let weights: u64 = self.shares.iter().map(|&share| u64::from(share)).sum();
        if self.flows == 0 || weights == 0 || u64::from(self.sizes.empty) + self.sizes.rest() == 0 {
            return Err(MixError::Nothing);
        }
        let mut dice = Dice(self.seed);
        let counts = self.counts(weights);
        let flows = deal(&counts, &mut dice);
        let mut events = Vec::new();
        for (number, flow) in flows.iter().enumerate() {
            schedule(number as u32, SERVICES[usize::from(flow.service)].conduct, &mut dice, &mut events);
        }
        events.sort_unstable();
        let needed = events.len() as u64;
        let data = self.packets.checked_sub(needed).ok_or(MixError::TooFewPackets { needed })?;
        let first = SERVICES[usize::from(flows[0].service)].conduct;
        if data > 0 && !first.talks() {
            return Err(MixError::NobodyTalks);
        }
        let data_from =
            events.iter().filter(|event| event.flow == 0).map(|event| i64::from(event.at)).max().unwrap_or(0);
        Ok(Traffic {
            promise: Promise { packets: self.packets, flows: counts },
            sizes: self.sizes,
            noise: (0..NOISE).map(|_| dice.below(256) as u8).collect(),
            dice,
            flows,
            talking: Vec::new(),
            events: events.into_iter().peekable(),
            data,
            data_made: 0,
            data_from: (data_from + 1) * 1_000,
            frame: Vec::with_capacity(FULL_FRAME),
        })
    }

    /// How many flows of each service: by weight, with no luck in it.
    fn counts(&self, weights: u64) -> [u64; SERVICES.len()] {
        let mut passed = 0;
        let until = |weight: u64| u64::from(self.flows) * weight / weights;
        self.shares.map(|share| {
            let before = until(passed);
            passed += u64::from(share);
            until(passed) - before
        })
    }
}

impl Sizes {
    fn rest(self) -> u64 {
        u64::from(self.small) + u64::from(self.full)
    }
}

impl Conduct {
    /// Whether it goes on after its opening.
    fn talks(self) -> bool {
        match self {
            Conduct::Session { .. } | Conduct::Datagrams => true,
            Conduct::Question | Conduct::Silent | Conduct::Refused => false,
        }
    }
}

/// The flows in their order: shuffled, but for the first, which carries what comes before all others have opened.
fn deal(counts: &[u64; SERVICES.len()], dice: &mut Dice) -> Vec<Flow> {
    let mut flows = Vec::new();
    for (service, &count) in counts.iter().enumerate() {
        for _ in 0..count {
            let next = [dice.below(1 << 32) as u32, dice.below(1 << 32) as u32];
            let ids = next.map(|number| (number >> 7) as u16);
            let server = dice.below(SERVERS) as u8;
            flows.push(Flow { service: service as u8, server, place: u32::MAX, next, ids });
        }
    }
    for last in (1..flows.len()).rev() {
        flows.swap(last, dice.below(last as u64 + 1) as usize);
    }
    if let Some(talker) = flows.iter().position(|flow| SERVICES[usize::from(flow.service)].conduct.talks()) {
        flows.swap(0, talker);
    }
    flows
}

/// When a flow opens, within the first half, and when it closes, within the second. The first opens at once, and one in
/// four stays open.
fn schedule(flow: u32, conduct: Conduct, dice: &mut Dice, events: &mut Vec<Event>) {
    let start = if flow == 0 { 0 } else { dice.below(OPEN_WITHIN) as u32 };
    let mut step = 0;
    let mut add = |at: u32| {
        events.push(Event { at, flow, step });
        step += 1;
    };
    // A round trip of 0.2 to 40 milliseconds.
    let way = 100 + dice.below(20_000) as u32;
    match conduct {
        Conduct::Session { .. } => {
            [0, way, 2 * way, 2 * way + 50, 3 * way + 100].into_iter().for_each(|after| add(start + after));
            if !flow.is_multiple_of(4) {
                let end = CLOSE_FROM + dice.below(CLOSE_WITHIN) as u32;
                [0, way, 2 * way].into_iter().for_each(|after| add(end + after));
            }
        }
        Conduct::Datagrams | Conduct::Question | Conduct::Refused => {
            [0, way].into_iter().for_each(|after| add(start + after));
        }
        Conduct::Silent => [0, 1_000_000, 3_000_000, 7_000_000].into_iter().for_each(|after| add(start + after)),
    }
}

impl Traffic {
    /// What an audit of the whole mix must find.
    pub fn promise(&self) -> &Promise {
        &self.promise
    }

    /// Makes the next packet: when it was sent, and the Ethernet frame. Times never run backwards.
    pub fn packet(&mut self) -> Option<(Timestamp, &[u8])> {
        let due = (self.data_made < self.data).then(|| self.data_time());
        let at = match (self.events.peek(), due) {
            (Some(event), Some(due)) if i64::from(event.at) * 1_000 > due => self.data(due),
            (Some(_), _) => self.event()?,
            (None, Some(due)) => self.data(due),
            (None, None) => return None,
        };
        Some((Timestamp(START.0 + at), &self.frame))
    }

    /// Writes all packets as a pcap file.
    ///
    /// # Errors
    /// The output takes no more.
    pub fn write<W: Write>(mut self, out: W) -> io::Result<W> {
        let mut writer = PcapWriter::new(out, LinkType::ETHERNET, Fractions::Nanoseconds)?;
        while let Some((at, bytes)) = self.packet() {
            writer.write(at, bytes.len() as u32, bytes)?;
        }
        writer.finish()
    }

    /// About how many bytes the pcap file of all packets has; never less than it has, so far as the dice are fair.
    pub fn estimated_bytes(&self) -> u64 {
        let Sizes { empty, small, full } = self.sizes;
        let [empty, small, full] = [(empty, 60), (small, 54 + 290), (full, FULL_FRAME as u64)]
            .map(|(weight, bytes)| u64::from(weight) * bytes);
        let average = (empty + small + full) / (u64::from(self.sizes.empty) + self.sizes.rest());
        let events = self.promise.packets - self.data;
        (self.data * (average + 16) + events * 200) * 102 / 100 + (1 << 20)
    }

    /// Session packets are spread evenly over the time from the first opening to the end.
    fn data_time(&self) -> i64 {
        let window = (DURATION - self.data_from) as i128;
        self.data_from + (window * i128::from(self.data_made) / i128::from(self.data)) as i64
    }

    fn data(&mut self, at: i64) -> i64 {
        self.data_made += 1;
        let number = self.talking[self.dice.below(self.talking.len() as u64) as usize];
        let conduct = SERVICES[usize::from(self.flows[number as usize].service)].conduct;
        let datagram = conduct == Conduct::Datagrams;
        let Sizes { empty, small, .. } = self.sizes;
        let drawn = self.dice.below(u64::from(empty) + self.sizes.rest());
        // Full packets come from the server and bare acknowledgements from the client, but for one in eight.
        let odd = self.dice.below(8) == 0;
        let (who, length) = if drawn < u64::from(empty) {
            (if odd { Who::Server } else { Who::Client }, if datagram { SHORT_DATAGRAM } else { 0 })
        } else if drawn < u64::from(empty) + u64::from(small) {
            let who = if self.dice.below(2) == 0 { Who::Client } else { Who::Server };
            (who, 40 + self.dice.below(501) as usize)
        } else {
            let headers = if datagram { UDP_HEADERS } else { TCP_HEADERS };
            (if odd { Who::Client } else { Who::Server }, FULL_FRAME - headers)
        };
        let from = self.dice.below((NOISE - FULL_FRAME) as u64) as usize;
        let payload = &self.noise[from..from + length];
        let flags = if length > 0 { TcpFlags::PSH | TcpFlags::ACK } else { TcpFlags::ACK };
        self.flows[number as usize].send(&mut self.frame, number, who, flags, payload);
        at
    }

    fn event(&mut self) -> Option<i64> {
        let Event { at, flow: number, step } = self.events.next()?;
        let flow = &mut self.flows[number as usize];
        let service = &SERVICES[usize::from(flow.service)];
        let (opened, closing) = match service.conduct {
            Conduct::Session { .. } => (step == 4, step == 5),
            Conduct::Datagrams => (step == 1, false),
            Conduct::Question | Conduct::Silent | Conduct::Refused => (false, false),
        };
        if step > 0 && service.conduct == Conduct::Silent {
            flow.next[0] = flow.next[0].wrapping_sub(1);
        }
        let (who, flags, payload) = service.step(step);
        flow.send(&mut self.frame, number, who, flags, &payload);
        if opened {
            flow.place = self.talking.len() as u32;
            self.talking.push(number);
        }
        if closing {
            let place = flow.place as usize;
            self.talking.swap_remove(place);
            if let Some(&moved) = self.talking.get(place) {
                self.flows[moved as usize].place = place as u32;
            }
        }
        Some(i64::from(at) * 1_000)
    }
}

impl Service {
    /// Who sends the packet that is this step of opening or closing, with which TCP flags and payload.
    fn step(&self, step: u8) -> (Who, u8, Vec<u8>) {
        const SYN_ACK: u8 = TcpFlags::SYN | TcpFlags::ACK;
        const FIN_ACK: u8 = TcpFlags::FIN | TcpFlags::ACK;
        let greeting = |who: Who| {
            let bytes = if who == Who::Client { (self.client_says)() } else { (self.server_says)() };
            (who, TcpFlags::PSH | TcpFlags::ACK, bytes)
        };
        match (self.conduct, step) {
            (Conduct::Session { .. } | Conduct::Refused, 0) | (Conduct::Silent, _) => {
                (Who::Client, TcpFlags::SYN, Vec::new())
            }
            (Conduct::Session { .. }, 1) => (Who::Server, SYN_ACK, Vec::new()),
            (Conduct::Session { .. }, 2 | 7) => (Who::Client, TcpFlags::ACK, Vec::new()),
            (Conduct::Session { server_first }, 3) => greeting(if server_first { Who::Server } else { Who::Client }),
            (Conduct::Session { server_first }, 4) => greeting(if server_first { Who::Client } else { Who::Server }),
            (Conduct::Session { .. }, 5) => (Who::Client, FIN_ACK, Vec::new()),
            (Conduct::Session { .. }, _) => (Who::Server, FIN_ACK, Vec::new()),
            (Conduct::Datagrams | Conduct::Question, 0) => greeting(Who::Client),
            (Conduct::Datagrams | Conduct::Question, _) => greeting(Who::Server),
            (Conduct::Refused, _) => (Who::Server, TcpFlags::RST | TcpFlags::ACK, Vec::new()),
        }
    }
}

impl Flow {
    /// Writes the frame of the next packet of one side.
    fn send(&mut self, frame: &mut Vec<u8>, number: u32, who: Who, flags: u8, payload: &[u8]) {
        let service = &SERVICES[usize::from(self.service)];
        let client_host = number % CLIENTS;
        let client = [10, 64, (client_host / 250) as u8, (client_host % 250 + 1) as u8];
        let server = [10, 1, self.service, self.server + 1];
        let client_port = (CLIENT_PORTS + number / CLIENTS % (65_536 - CLIENT_PORTS)) as u16;
        let (from, to) = match who {
            Who::Client => ((client, client_port), (server, service.port)),
            Who::Server => ((server, service.port), (client, client_port)),
        };
        let (me, peer) = (who as usize, 1 - who as usize);
        let udp = matches!(service.conduct, Conduct::Datagrams | Conduct::Question);
        let (transport, transport_header) = if udp { (protocol::UDP, 8) } else { (protocol::TCP, 20) };
        self.ids[me] = self.ids[me].wrapping_add(1);
        frame.clear();
        frame.extend_from_slice(&[2, 0, 0, 0, 0, 2 - me as u8, 2, 0, 0, 0, 0, 1 + me as u8, 0x08, 0x00]);
        frame.extend_from_slice(&[0x45, 0]);
        frame.extend_from_slice(&((20 + transport_header + payload.len()) as u16).to_be_bytes());
        frame.extend_from_slice(&self.ids[me].to_be_bytes());
        // Don't fragment; 128 hops, as Windows sends; the checksum comes later.
        frame.extend_from_slice(&[0x40, 0, 128, transport, 0, 0]);
        frame.extend_from_slice(&from.0);
        frame.extend_from_slice(&to.0);
        frame.extend_from_slice(&from.1.to_be_bytes());
        frame.extend_from_slice(&to.1.to_be_bytes());
        if udp {
            frame.extend_from_slice(&((8 + payload.len()) as u16).to_be_bytes());
            frame.extend_from_slice(&[0, 0]);
        } else {
            let reset = flags & TcpFlags::RST != 0;
            let sequence = if reset { 0 } else { self.next[me] };
            let acknowledgement = if flags & TcpFlags::ACK != 0 { self.next[peer] } else { 0 };
            frame.extend_from_slice(&sequence.to_be_bytes());
            frame.extend_from_slice(&acknowledgement.to_be_bytes());
            frame.extend_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
            let number = u32::from(flags & (TcpFlags::SYN | TcpFlags::FIN) != 0);
            self.next[me] = self.next[me].wrapping_add(payload.len() as u32 + number);
        }
        frame.extend_from_slice(payload);
        seal(frame);
        if frame.len() < SHORTEST_FRAME {
            frame.resize(SHORTEST_FRAME, 0);
        }
    }
}

/// Fills in the checksums of IP (RFC 791, 3.1) and of TCP or UDP (RFC 9293, 3.1; RFC 768).
fn seal(frame: &mut [u8]) {
    let udp = frame[23] == protocol::UDP;
    let ip = sum(&frame[14..34]);
    let header = !fold(ip);
    let pseudo = sum(&frame[26..34]) + u64::from(frame[23]) + (frame.len() - 34) as u64;
    let mut body = !fold(pseudo + sum(&frame[34..]));
    if udp && body == 0 {
        body = 0xffff;
    }
    frame[24..26].copy_from_slice(&header.to_be_bytes());
    let place = if udp { 40 } else { 50 };
    frame[place..place + 2].copy_from_slice(&body.to_be_bytes());
}

fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(2);
    let last = words.remainder().first().map_or(0, |&last| u64::from(last) << 8);
    last + words.map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum::<u64>()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct Dice(u64);

impl Dice {
    /// A number below a bound of at most 32 bits.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((mixed ^ (mixed >> 31)) >> 32) * bound) >> 32
    }
}

/// Both greetings of ICA (facts ICA-01).
fn ica_greeting() -> Vec<u8> {
    vec![0x7f, 0x7f, 0x49, 0x43, 0x41, 0x00]
}

/// The greeting of CGP and the name of its service (facts CGP-01, CGP-04).
fn cgp_client() -> Vec<u8> {
    [&b"\x1aCGP/01"[..], &[0; 8], b"\x00\x16Citrix.TcpProxyService"].concat()
}

/// The greeting of CGP (facts CGP-01).
fn cgp_server() -> Vec<u8> {
    [&b"\x1aCGP/01"[..], &[0; 16]].concat()
}

/// A handshake of UDT version 4 (facts EDT-06; draft-gg-udt-03, section 3.2).
fn udt_handshake() -> Vec<u8> {
    let words: [u32; 16] = [0x8000_0000, 0, 0, 0, 4, 2, 7, 1_500, 8_192, 1, 99, 0, 0x0a40_0001, 0, 0, 0];
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// A client hello that names its server (RFC 8446, 4.1.2; RFC 6066, 3).
fn tls_client_hello() -> Vec<u8> {
    const NAME: &[u8] = b"intranet.corp.example";
    let length = NAME.len() as u8;
    let extension = [&[0, 0, 0, length + 5, 0, length + 3, 0, 0, length], NAME].concat();
    let extensions = [&[0, extension.len() as u8], &extension[..]].concat();
    let body = [&[3, 3][..], &[0x5a; 32], &[0, 0, 2, 0x13, 0x01, 1, 0], &extensions].concat();
    tls_handshake(1, &body)
}

/// A server hello (RFC 8446, 4.1.3).
fn tls_server_hello() -> Vec<u8> {
    tls_handshake(2, &[&[3, 3][..], &[0xa5; 32], &[0, 0x13, 0x01, 0, 0, 0]].concat())
}

fn tls_handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u8;
    [&[0x16, 3, 3, 0, length + 4, kind, 0, 0, length], body].concat()
}

/// A question for an address (RFC 1035, 4.1).
fn dns_query() -> Vec<u8> {
    let mut query = vec![0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend_from_slice(b"\x06vda001\x04corp\x07example\x00\x00\x01\x00\x01");
    query
}

/// Its answer.
fn dns_answer() -> Vec<u8> {
    let mut answer = dns_query();
    answer[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
    answer.extend_from_slice(&[0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 1, 0, 1]);
    answer
}

/// A ticket is asked for (facts STA-01).
fn sta_request() -> Vec<u8> {
    b"POST /scripts/ctxsta.dll HTTP/1.1\r\nHost: ddc1.corp.example\r\nContent-Length: 0\r\n\r\n".to_vec()
}

fn http_answer() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()
}

/// Bytes that no signature knows.
fn unknown() -> Vec<u8> {
    vec![0xf1; 48]
}

/// When the mix begins: 2026-01-05 08:00 UTC, a Monday.
const START: Timestamp = Timestamp(1_767_600_000 * SECOND);

/// Nanoseconds that the mix lasts: long enough to call silence certain.
const DURATION: i64 = 60 * SECOND;

/// Microseconds from the start within which flows open ...
const OPEN_WITHIN: u64 = 28_000_000;
/// ... after which they begin to close ...
const CLOSE_FROM: u32 = 32_000_000;
/// ... and from then on within which they do.
const CLOSE_WITHIN: u64 = 27_000_000;

/// Number of client hosts, and of servers of each service.
const CLIENTS: u32 = 5_000;
const SERVERS: u64 = 40;

/// The first port that Windows hands out to clients.
const CLIENT_PORTS: u32 = 49_152;

/// Bytes of Ethernet frames without their check sequence, and of the headers in them.
const SHORTEST_FRAME: usize = 60;
const FULL_FRAME: usize = 1_514;
const TCP_HEADERS: usize = 54;
const UDP_HEADERS: usize = 42;

/// Bytes of payload of a datagram that stands for a bare acknowledgement.
const SHORT_DATAGRAM: usize = 18;

/// Random bytes that payload is cut out of.
const NOISE: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Audit, Flows};
    use crate::flow::Limits;
    use crate::judge::{Judge, Outcome};
    use crate::packet::RawPacket;
    use crate::portmap::PortMap;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    fn small() -> Mix {
        Mix { packets: 20_000, flows: 500, ..Mix::default() }
    }

    fn bytes_of(mix: &Mix) -> Vec<u8> {
        mix.traffic().expect("the mix is possible").write(Vec::new()).expect("memory takes all")
    }

    #[test]
    fn the_catalogue_is_sound() {
        let names: BTreeSet<&str> = SERVICES.iter().map(|service| service.name).collect();
        assert_eq!(names.len(), SERVICES.len(), "a name stands for one service");
        assert_eq!(SERVICES.iter().map(|service| service.share).sum::<u32>(), 100);
    }

    #[test]
    fn one_seed_is_one_mix() {
        assert!(bytes_of(&small()) == bytes_of(&small()), "the same seed, the same bytes");
        assert!(bytes_of(&small()) != bytes_of(&Mix { seed: 2, ..small() }), "another seed, other bytes");
    }

    #[test]
    fn time_runs_forward_and_the_sum_of_packets_is_kept() {
        let mut traffic = small().traffic().expect("the mix is possible");
        let (mut packets, mut last) = (0, Timestamp(0));
        while let Some((at, bytes)) = traffic.packet() {
            assert!(at >= last && at.0 < START.0 + DURATION + SECOND);
            assert!((SHORTEST_FRAME..=FULL_FRAME).contains(&bytes.len()));
            (packets, last) = (packets + 1, at);
        }
        assert_eq!(packets, 20_000);
    }

    #[test]
    fn an_audit_finds_what_is_promised() {
        let mut traffic = small().traffic().expect("the mix is possible");
        let map = Arc::new(PortMap::citrix());
        let mut audit = Audit::new(Arc::clone(&map), Limits::default(), Flows::Kept);
        let (mut number, mut end) = (0, Timestamp(0));
        while let Some((at, bytes)) = traffic.packet() {
            (number, end) = (number + 1, at);
            let original = bytes.len() as u32;
            audit.observe(&RawPacket { at, number, capture: 0, link: LinkType::ETHERNET, original, bytes });
        }
        let (ledger, flows) = audit.finish(end);
        assert_eq!((ledger.decoded, ledger.received(), ledger.duplicates), (20_000, 20_000, 0));
        let judge = Judge::new(&map, &ledger);
        let promise = traffic.promise();
        assert_eq!(flows.len() as u64, promise.flows_that(|_| true));
        assert_eq!(flows.len(), 500);
        let heard = ["cgp", "ica", "edt", "tls", "dns", "", "", "", "http", "", ""];
        for (place, service) in SERVICES.iter().enumerate() {
            let mine = flows.iter().filter(|flow| flow.server.address.wire_bytes()[2] == place as u8);
            let expected = match service.conduct {
                Conduct::Session { .. } => Outcome::Established,
                Conduct::Datagrams | Conduct::Question => Outcome::Answered,
                Conduct::Silent => Outcome::Silent,
                Conduct::Refused => Outcome::Refused,
            };
            let mut count = 0;
            for flow in mine {
                let protocol = flow.heard.as_ref().map_or("", |heard| heard.protocol.name());
                let (outcome, retransmissions) =
                    (judge.flow(flow).outcome, flow.from_client.retransmissions + flow.from_server.retransmissions);
                assert_eq!((outcome, protocol), (expected, heard[place]), "{}", service.name);
                assert_eq!(retransmissions, if service.conduct == Conduct::Silent { 3 } else { 0 }, "{}", service.name);
                assert_eq!(flow.server.port, service.port);
                count += 1;
            }
            assert_eq!(count, promise.flows[place], "{}", service.name);
        }
    }

    #[test]
    fn sizes_are_as_asked() {
        let only = |empty, small, full| Mix { sizes: Sizes { empty, small, full }, ..small_mix() };
        fn small_mix() -> Mix {
            Mix { packets: 10_000, flows: 10, ..Mix::default() }
        }
        let lengths = |mix: Mix| {
            let mut traffic = mix.traffic().expect("the mix is possible");
            let mut lengths = Vec::new();
            while let Some((_, bytes)) = traffic.packet() {
                lengths.push(bytes.len());
            }
            lengths
        };
        assert!(lengths(only(1, 0, 0)).iter().filter(|&&length| length == 60).count() > 9_900);
        assert!(lengths(only(0, 0, 1)).iter().filter(|&&length| length == 1_514).count() > 9_900);
        let mixed = lengths(small_mix());
        let full = mixed.iter().filter(|&&length| length == 1_514).count();
        assert!((2_700..3_300).contains(&full), "{full} of 10,000 are full, three in ten were asked for");
    }

    #[test]
    fn checksums_add_up() {
        let mut traffic = small().traffic().expect("the mix is possible");
        while let Some((_, bytes)) = traffic.packet() {
            let length = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
            assert_eq!(fold(sum(&bytes[14..34])), 0xffff);
            let pseudo = sum(&bytes[26..34]) + u64::from(bytes[23]) + (length - 20) as u64;
            assert_eq!(fold(pseudo + sum(&bytes[34..14 + length])), 0xffff);
        }
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let refused = |mix: Mix| mix.traffic().err();
        assert_eq!(refused(Mix { flows: 0, ..small() }), Some(MixError::Nothing));
        assert_eq!(refused(Mix { shares: [0; SERVICES.len()], ..small() }), Some(MixError::Nothing));
        let mut silent = [0; SERVICES.len()];
        silent[9] = 1;
        assert_eq!(refused(Mix { shares: silent, ..small() }), Some(MixError::NobodyTalks));
        let few = Mix { packets: 10, flows: 4, shares: silent, ..small() };
        assert_eq!(refused(few.clone()), Some(MixError::TooFewPackets { needed: 16 }));
        assert_eq!(refused(Mix { packets: 16, ..few }), None);
    }

    #[test]
    fn the_estimate_is_enough_and_not_much_too_much() {
        let mix = Mix { packets: 200_000, flows: 1_000, ..Mix::default() };
        let estimate = mix.traffic().expect("the mix is possible").estimated_bytes();
        let bytes = bytes_of(&mix).len() as u64;
        assert!(bytes <= estimate && estimate < bytes * 11 / 10 + (1 << 20), "{bytes} bytes, estimated {estimate}");
    }
}
