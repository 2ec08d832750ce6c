//! The words in which tests and benches tell a conversation: `Talk::between(client(..), server(..)).syn().syn_ack().ack()`
//! makes the packets; [`merge`] puts several talks on one wire; [`audit`] runs them through the pipeline.
//!
//! Time stands still until [`Talk::wait`]. Each side counts its IP identifications, as real hosts do.

#![allow(dead_code, reason = "each test binary uses its own part of the vocabulary")]

pub mod scene;

use cap_audit::audit::Flows;
use cap_audit::case::Case;
use cap_audit::clock::Clock;
use cap_audit::finding::Finding;
use cap_audit::flow::FlowRecord;
use cap_audit::judge::{Judge, Judgement, ServiceTally, Tally};
use cap_audit::ledger::Ledger;
use cap_audit::matching::ServiceRef;
use cap_audit::packet::{Address, LinkType, TcpFlags, protocol};
use cap_audit::pipeline::{Harvest, Options, run};
use cap_audit::portmap::PortMap;
use cap_audit::problem::{Cause, Problem};
use cap_audit::source::{Fractions, MemorySource, PcapWriter};
use cap_audit::time::{Span, Timestamp};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// A captured packet as [`MemorySource`] wants it: time, link type, length on the wire, captured bytes.
pub type Captured = (Timestamp, LinkType, u32, Vec<u8>);

/// When a talk begins unless it is told otherwise.
pub const START: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// The client's first sequence number, and the server's.
pub const CLIENT_ISN: u32 = 0x1000_0000;
/// Near the end of the numbers, so that every longer talk runs over it.
pub const SERVER_ISN: u32 = 0xffff_fff0;

/// One end of a talk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The address.
    pub ip: IpAddr,
    /// The port; of a ping the identifier.
    pub port: u16,
}

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// The one who opens.
    Client,
    /// The one who is asked.
    Server,
}

/// The client of a talk.
pub fn client(ip: &str, port: u16) -> Place {
    Place { ip: ip.parse().expect("an address written in a test"), port }
}

/// The server of a talk.
pub fn server(ip: &str, port: u16) -> Place {
    client(ip, port)
}

/// The address in the form of the library.
pub fn address(ip: &str) -> Address {
    ip.parse::<IpAddr>().expect("an address written in a test").into()
}

/// A conversation that is being written. Every word sends a packet or changes how the next ones are sent.
#[derive(Clone, Debug)]
pub struct Talk {
    protocol: u8,
    ends: [Place; 2],
    now: Timestamp,
    wire: Wire,
    next: [u32; 2],
    ids: Option<[u16; 2]>,
    ip_options: usize,
    mtu: usize,
    /// The last IP packet of each side, as an ICMP error quotes it.
    last: [Vec<u8>; 2],
    frames: Vec<Captured>,
}

/// What lies around an IP packet, and how much of it is captured.
#[derive(Clone, Debug)]
struct Wire {
    link: LinkType,
    tags: Vec<u16>,
    snap: usize,
    padded: bool,
    trailer: usize,
    to_all: bool,
}

impl Talk {
    /// A TCP conversation.
    pub fn between(client: Place, server: Place) -> Talk {
        Talk::new(protocol::TCP, client, server)
    }

    /// Datagrams.
    pub fn udp(client: Place, server: Place) -> Talk {
        Talk::new(protocol::UDP, client, server)
    }

    /// Echo messages; the client's port is their identifier.
    pub fn ping(client: Place, server: Place) -> Talk {
        let number = if client.ip.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
        Talk::new(number, client, server)
    }

    fn new(protocol: u8, client: Place, server: Place) -> Talk {
        assert_eq!(client.ip.is_ipv4(), server.ip.is_ipv4(), "both ends speak one version of IP");
        let wire = Wire {
            link: LinkType::ETHERNET,
            tags: Vec::new(),
            snap: usize::MAX,
            padded: false,
            trailer: 0,
            to_all: false,
        };
        Talk {
            protocol,
            ends: [client, server],
            now: START,
            wire,
            next: [CLIENT_ISN, SERVER_ISN],
            ids: Some([0x4000, 0x8000]),
            ip_options: 0,
            mtu: usize::MAX,
            last: [Vec::new(), Vec::new()],
            frames: Vec::new(),
        }
    }

    // How the next packets are sent.

    /// The next packet is sent at this moment.
    pub fn at(mut self, at: Timestamp) -> Talk {
        self.now = at;
        self
    }

    /// So much time passes. It may be negative: a clock that is set back.
    pub fn wait(mut self, span: Span) -> Talk {
        self.now = self.now + span;
        self
    }

    /// Captured on a link of this type; see [`frame`].
    pub fn link(mut self, link: LinkType) -> Talk {
        self.wire.link = link;
        self
    }

    /// Tagged with these VLAN ids, outermost first.
    pub fn vlans(mut self, tags: &[u16]) -> Talk {
        self.wire.tags = tags.to_vec();
        self
    }

    /// At most this number of bytes of each packet is captured.
    pub fn snap(mut self, bytes: usize) -> Talk {
        self.wire.snap = bytes;
        self
    }

    /// Short Ethernet frames are filled up to sixty bytes.
    pub fn padded(mut self) -> Talk {
        self.wire.padded = true;
        self
    }

    /// Frames end with a check sequence of four bytes, as some capture devices leave it.
    pub fn with_check_sequence(mut self) -> Talk {
        self.wire.trailer = 4;
        self
    }

    /// To the broadcast address of the link, where it has one.
    pub fn broadcast(mut self) -> Talk {
        self.wire.to_all = true;
        self
    }

    /// IP identifications stay 0, as Linux sends them with "don't fragment".
    pub fn without_ids(mut self) -> Talk {
        self.ids = None;
        self
    }

    /// So many words of four bytes of IPv4 options (no-operation).
    pub fn ip_options(mut self, words: usize) -> Talk {
        self.ip_options = words;
        self
    }

    /// IP packets longer than this are sent in fragments.
    pub fn mtu(mut self, bytes: usize) -> Talk {
        self.mtu = bytes;
        self
    }

    /// The client begins anew with this sequence number, and the server with another one.
    pub fn numbers(mut self, client: u32, server: u32) -> Talk {
        self.next = [client, server];
        self
    }

    // TCP.

    /// SYN of the client.
    pub fn syn(self) -> Talk {
        self.segment(Who::Client, TcpFlags::SYN, b"")
    }

    /// The SYN again, with the same sequence number. Right behind a SYN only.
    pub fn syn_again(mut self) -> Talk {
        self.next[0] = self.next[0].wrapping_sub(1);
        self.syn()
    }

    /// SYN-ACK of the server.
    pub fn syn_ack(self) -> Talk {
        self.segment(Who::Server, TcpFlags::SYN | TcpFlags::ACK, b"")
    }

    /// The SYN-ACK again, with the same sequence number.
    pub fn syn_ack_again(mut self) -> Talk {
        self.next[1] = self.next[1].wrapping_sub(1);
        self.syn_ack()
    }

    /// Bare ACK of the client.
    pub fn ack(self) -> Talk {
        self.segment(Who::Client, TcpFlags::ACK, b"")
    }

    /// Bare ACK of the server.
    pub fn server_ack(self) -> Talk {
        self.segment(Who::Server, TcpFlags::ACK, b"")
    }

    /// The whole handshake, at one moment.
    pub fn opened(self) -> Talk {
        self.syn().syn_ack().ack()
    }

    /// Payload of the client, over TCP or UDP.
    pub fn says(self, bytes: &[u8]) -> Talk {
        self.payload(Who::Client, bytes)
    }

    /// Payload of the server.
    pub fn answers(self, bytes: &[u8]) -> Talk {
        self.payload(Who::Server, bytes)
    }

    /// FIN of the client.
    pub fn fin(self) -> Talk {
        self.segment(Who::Client, TcpFlags::FIN | TcpFlags::ACK, b"")
    }

    /// FIN of the server.
    pub fn server_fin(self) -> Talk {
        self.segment(Who::Server, TcpFlags::FIN | TcpFlags::ACK, b"")
    }

    /// Both close, the client first.
    pub fn closed(self) -> Talk {
        self.fin().server_fin().ack()
    }

    /// Reset of the client.
    pub fn reset(self) -> Talk {
        self.segment(Who::Client, TcpFlags::RST, b"")
    }

    /// Reset of the server, in the middle of a conversation.
    pub fn server_reset(self) -> Talk {
        self.segment(Who::Server, TcpFlags::RST | TcpFlags::ACK, b"")
    }

    /// The reset that refuses a SYN: sequence number 0, and it acknowledges the SYN (RFC 9293, 3.10.7.1).
    pub fn refused(self) -> Talk {
        let number = self.next[0];
        self.refused_with(number)
    }

    /// A reset with sequence number 0 that acknowledges some number.
    pub fn refused_with(mut self, acknowledgement: u32) -> Talk {
        let body = self.tcp(Who::Server, 0, acknowledgement, TcpFlags::RST | TcpFlags::ACK, b"");
        self.send(Who::Server, body);
        self
    }

    /// A segment with any flags; sequence numbers go on as RFC 9293 has it.
    pub fn segment(mut self, who: Who, flags: u8, payload: &[u8]) -> Talk {
        let (mine, peer) = (self.next[who as usize], self.next[1 - who as usize]);
        let acknowledgement = if flags & TcpFlags::ACK != 0 { peer } else { 0 };
        let body = self.tcp(who, mine, acknowledgement, flags, payload);
        let length =
            payload.len() as u32 + u32::from(flags & TcpFlags::SYN != 0) + u32::from(flags & TcpFlags::FIN != 0);
        self.next[who as usize] = mine.wrapping_add(length);
        self.send(who, body);
        self
    }

    // UDP, and TCP that goes on.

    fn payload(mut self, who: Who, bytes: &[u8]) -> Talk {
        match self.protocol {
            protocol::TCP => self.segment(who, TcpFlags::PSH | TcpFlags::ACK, bytes),
            protocol::UDP => {
                let (from, to) = self.way(who);
                self.send(who, udp(from, to, bytes));
                self
            }
            other => panic!("no payload over IP protocol {other}"),
        }
    }

    /// A datagram of the server from another port than the one that was asked, as TFTP answers.
    pub fn answers_from(mut self, port: u16, bytes: &[u8]) -> Talk {
        let (from, to) = self.way(Who::Server);
        self.send(Who::Server, udp(Place { port, ..from }, to, bytes));
        self
    }

    /// A datagram of the client to another port of the server.
    pub fn says_to(mut self, port: u16, bytes: &[u8]) -> Talk {
        let (from, to) = self.way(Who::Client);
        self.send(Who::Client, udp(from, Place { port, ..to }, bytes));
        self
    }

    // ICMP.

    /// Echo request.
    pub fn asks(self) -> Talk {
        let kind = if self.is_v4() { 8 } else { 128 };
        self.echo(Who::Client, kind)
    }

    /// Echo reply.
    pub fn replies(self) -> Talk {
        let kind = if self.is_v4() { 0 } else { 129 };
        self.echo(Who::Server, kind)
    }

    fn echo(mut self, who: Who, kind: u8) -> Talk {
        let mut body = vec![kind, 0, 0, 0];
        body.extend(self.ends[0].port.to_be_bytes());
        body.extend([0, 1]);
        body.extend(b"abcdefgh");
        self.send(who, body);
        self
    }

    /// An ICMP or ICMPv6 error from `sender` that quotes the client's last packet.
    pub fn error(self, sender: &str, kind: u8, code: u8) -> Talk {
        self.error_about(Who::Client, sender, kind, code)
    }

    /// An ICMP or ICMPv6 error that quotes the last packet of one side: its IP header and eight bytes (RFC 792), over IPv6
    /// all of it (RFC 4443).
    pub fn error_about(mut self, who: Who, sender: &str, kind: u8, code: u8) -> Talk {
        let packet = &self.last[who as usize];
        assert!(!packet.is_empty(), "nothing was sent that could be quoted");
        let quoted = if self.is_v4() { &packet[..packet.len().min(20 + self.ip_options * 4 + 8)] } else { &packet[..] };
        let mut body = vec![kind, code, 0, 0, 0, 0, 0, 0];
        body.extend(quoted);
        let number = if self.is_v4() { protocol::ICMP } else { protocol::ICMPV6 };
        let sender: IpAddr = sender.parse().expect("an address written in a test");
        let receiver = self.ends[who as usize].ip;
        seal(number, sender, receiver, &mut body);
        let packet = ip(sender, receiver, number, 0x7000, 0, &body);
        self.put(packet);
        self
    }

    /// The ICMP error that was sent last says that no more than so many bytes fit (RFC 1191, 4; RFC 4443, 3.2).
    pub fn with_mtu(mut self, bytes: u16) -> Talk {
        let header = if self.is_v4() { 20 } else { 40 };
        let (.., frame) = self.frames.last_mut().expect("nothing was sent that could be changed");
        frame[14 + header + 6..][..2].copy_from_slice(&bytes.to_be_bytes());
        self
    }

    /// All of it happens so much later.
    pub fn later(mut self, by: Span) -> Talk {
        self.frames.iter_mut().for_each(|(at, ..)| *at = *at + by);
        self.wait(by)
    }

    /// All packets, sent and to be sent, have this port of the client. Of TCP over IPv4 on untagged Ethernet.
    pub fn client_port(mut self, port: u16) -> Talk {
        let own = self.ends[0].port.to_be_bytes();
        for (.., frame) in &mut self.frames {
            let at = if frame[34..36] == own { 34 } else { 36 };
            frame[at..at + 2].copy_from_slice(&port.to_be_bytes());
        }
        self.ends[0].port = port;
        self
    }

    // What tells one sender from another. Over IPv4 on untagged Ethernet only.

    /// The last packet comes with this time to live.
    pub fn with_ttl(self, ttl: u8) -> Talk {
        self.changed(8, &[ttl])
    }

    /// The last packet comes with this IP identification.
    pub fn with_id(self, id: u16) -> Talk {
        self.changed(4, &id.to_be_bytes())
    }

    /// The last segment comes with this window.
    pub fn with_window(self, window: u16) -> Talk {
        self.changed(20 + 14, &window.to_be_bytes())
    }

    /// The last segment has four bytes of TCP options (no-operation).
    pub fn with_options(mut self) -> Talk {
        let (.., original, bytes) = self.frames.last_mut().expect("nothing was sent that could have options");
        assert_eq!(bytes.len(), 14 + 40, "a bare segment");
        bytes[14 + 2..14 + 4].copy_from_slice(&44u16.to_be_bytes());
        bytes[14 + 20 + 12] = 0x60;
        bytes.extend([1; 4]);
        *original += 4;
        seal_ipv4(&mut bytes[14..34]);
        self
    }

    fn changed(mut self, at: usize, to: &[u8]) -> Talk {
        assert!(
            self.wire.link == LinkType::ETHERNET && self.wire.tags.is_empty() && self.is_v4() && self.ip_options == 0
        );
        let (.., bytes) = self.frames.last_mut().expect("nothing was sent that could be changed");
        bytes[14 + at..14 + at + to.len()].copy_from_slice(to);
        seal_ipv4(&mut bytes[14..34]);
        self
    }

    // The capture.

    /// The last packet of this side again, as a host repeats it: all the same, but for a new IP identification.
    pub fn repeats(mut self, who: Who) -> Talk {
        let mut packet = self.last[who as usize].clone();
        assert!(!packet.is_empty(), "nothing was sent that could be repeated");
        if self.is_v4() {
            packet[4..6].copy_from_slice(&self.next_id(who).to_be_bytes());
            seal_ipv4(&mut packet);
        }
        self.put(packet);
        self
    }

    /// The last packet is captured a second time, byte by byte, as a mirror of both ends of a path does it.
    pub fn mirrored(mut self) -> Talk {
        let (_, link, original, bytes) = self.frames.last().expect("nothing was sent that could be mirrored").clone();
        self.frames.push((self.now, link, original, bytes));
        self
    }

    /// The last packet was not captured.
    pub fn unseen(mut self) -> Talk {
        self.frames.pop();
        self
    }

    /// What was captured of it.
    pub fn packets(self) -> Vec<Captured> {
        self.frames
    }

    /// When the next packet would be sent.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    fn is_v4(&self) -> bool {
        self.ends[0].ip.is_ipv4()
    }

    fn way(&self, who: Who) -> (Place, Place) {
        (self.ends[who as usize], self.ends[1 - who as usize])
    }

    fn next_id(&mut self, who: Who) -> u16 {
        let Some(ids) = &mut self.ids else { return 0 };
        ids[who as usize] = ids[who as usize].wrapping_add(1);
        ids[who as usize]
    }

    fn tcp(&self, who: Who, sequence: u32, acknowledgement: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
        let (from, to) = self.way(who);
        tcp(from, to, sequence, acknowledgement, flags, payload)
    }

    fn send(&mut self, who: Who, mut body: Vec<u8>) {
        let (from, to) = self.way(who);
        seal(self.protocol, from.ip, to.ip, &mut body);
        let id = self.next_id(who);
        let packet = ip(from.ip, to.ip, self.protocol, id, self.ip_options, &body);
        self.last[who as usize] = packet.clone();
        if packet.len() <= self.mtu {
            return self.put(packet);
        }
        for fragment in fragments(&packet, self.mtu, id) {
            self.put(fragment);
        }
    }

    fn put(&mut self, packet: Vec<u8>) {
        let mut bytes = frame(self.wire.link, &self.wire.tags, &packet);
        match self.wire.link {
            LinkType::ETHERNET if self.wire.to_all => bytes[..6].fill(0xff),
            LinkType::LINUX_SLL if self.wire.to_all => bytes[1] = PACKET_BROADCAST,
            LinkType::LINUX_SLL2 if self.wire.to_all => bytes[10] = PACKET_BROADCAST,
            _ => {}
        }
        if self.wire.padded && bytes.len() < 60 {
            bytes.resize(60, 0);
        }
        bytes.resize(bytes.len() + self.wire.trailer, 0xfc);
        let original = bytes.len() as u32;
        bytes.truncate(self.wire.snap);
        self.frames.push((self.now, self.wire.link, original, bytes));
    }
}

// Several talks, and what becomes of them.

/// Several talks on one wire, in the order of time; at one moment in the order of the list.
pub fn merge(talks: impl IntoIterator<Item = Vec<Captured>>) -> Vec<Captured> {
    let mut all: Vec<Captured> = talks.into_iter().flatten().collect();
    all.sort_by_key(|(at, ..)| *at);
    all
}

/// A conversation that has nothing to do with the others and goes on until `end`: it keeps the capture running. Its hosts
/// speak in both directions.
pub fn meanwhile(end: Timestamp) -> Vec<Captured> {
    let mut talk =
        Talk::between(client("10.9.9.1", 40_000), server("10.9.9.2", 12_345)).opened().says(b"tick").answers(b"tock");
    while talk.now() < end {
        let step = Span::seconds(10).min(end - talk.now());
        talk = talk.wait(step).says(b"tick").answers(b"tock");
    }
    talk.packets()
}

/// The embedded map, read once.
pub fn citrix() -> Arc<PortMap> {
    static MAP: OnceLock<Arc<PortMap>> = OnceLock::new();
    Arc::clone(MAP.get_or_init(|| Arc::new(PortMap::citrix())))
}

/// What an audit saw, and what is held of each flow.
#[derive(PartialEq, Debug)]
pub struct Audited {
    pub ledger: Ledger,
    pub flows: Vec<JudgedFlow>,
    pub clock: Clock,
}

/// A finished flow and what is held of it.
#[derive(Clone, PartialEq, Debug)]
pub struct JudgedFlow {
    pub record: FlowRecord,
    pub judgement: Judgement<'static>,
}

impl Audited {
    /// Judges each flow by all that was seen.
    pub fn of(harvest: Harvest) -> Audited {
        let Harvest { ledger, flows, clock, .. } = harvest;
        let judge = Judge::new(map(), &ledger);
        let judged = |record: FlowRecord| JudgedFlow { judgement: judge.flow(&record), record };
        let flows = flows.into_iter().map(judged).collect();
        Audited { ledger, flows, clock }
    }

    /// Flows by what is held of them.
    pub fn tally(&self) -> Tally {
        Judge::new(map(), &self.ledger).tally()
    }

    /// What was seen of each service.
    pub fn services(&self) -> BTreeMap<Option<ServiceRef>, ServiceTally<'_>> {
        Judge::new(map(), &self.ledger).services()
    }
}

/// The embedded map for as long as a test runs.
pub fn map() -> &'static PortMap {
    static MAP: OnceLock<Arc<PortMap>> = OnceLock::new();
    MAP.get_or_init(citrix)
}

/// Keeps every flow.
pub fn keeping() -> Options {
    Options { flows: Flows::Kept, ..Options::default() }
}

/// Runs packets through the pipeline and keeps every flow.
pub fn audit(packets: Vec<Captured>) -> Audited {
    audit_with(packets, keeping(), 256)
}

/// Runs packets through the pipeline in batches of this size.
pub fn audit_with(packets: Vec<Captured>, options: Options, batch: usize) -> Audited {
    Audited::of(run(&mut [MemorySource::new(packets, batch)], &citrix(), options).expect("memory can be read"))
}

/// The only flow to a server's port.
pub fn flow_to(audited: &Audited, port: u16) -> &JudgedFlow {
    let mut flows = audited.flows.iter().filter(|flow| flow.record.server.port == port);
    let flow = flows.next().unwrap_or_else(|| panic!("no flow to port {port}: {:#?}", audited.flows));
    assert!(flows.next().is_none(), "several flows to port {port}: {:#?}", audited.flows);
    flow
}

/// What the checks find in what an audit saw.
pub fn findings_of(audited: &Audited) -> Vec<Finding> {
    findings_in(&audited.ledger)
}

/// The problems behind what an audit saw.
pub fn problems_of(audited: &Audited) -> Vec<Problem> {
    let case = Case { ledger: audited.ledger.clone(), ..Case::new(citrix()) };
    case.conclude().problems
}

/// The findings, without remarks on what is not encrypted: the sessions of most tests are not, and nothing is broken by it.
pub fn broken_findings(audited: &Audited) -> Vec<Finding> {
    findings_of(audited).into_iter().filter(|finding| !finding.code.starts_with("encryption.")).collect()
}

/// The problems, without the one that these remarks are. The numbers of findings in a problem are those of [`findings_of`].
pub fn broken_problems(audited: &Audited) -> Vec<Problem> {
    problems_of(audited).into_iter().filter(|problem| problem.cause != Cause::Encryption).collect()
}

/// What the checks find in a ledger.
pub fn findings_in(ledger: &Ledger) -> Vec<Finding> {
    let case = Case { ledger: ledger.clone(), ..Case::new(citrix()) };
    case.conclude().findings
}

/// Writes packets as a pcap file with nanoseconds; all of them must be of one link type.
pub fn write_pcap<W: Write>(out: W, packets: &[Captured]) -> io::Result<W> {
    let link = packets.first().map_or(LinkType::ETHERNET, |(_, link, ..)| *link);
    let mut writer = PcapWriter::new(out, link, Fractions::Nanoseconds)?;
    for (at, its_link, original, bytes) in packets {
        assert_eq!(*its_link, link, "a pcap file has one link type");
        writer.write(*at, *original, bytes)?;
    }
    writer.finish()
}

// Bytes.

/// A TCP segment with a header of twenty bytes, without its checksum.
pub fn tcp(from: Place, to: Place, sequence: u32, acknowledgement: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = ports(from, to);
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(acknowledgement.to_be_bytes());
    bytes.extend([0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

/// A UDP datagram, without its checksum.
pub fn udp(from: Place, to: Place, payload: &[u8]) -> Vec<u8> {
    let mut bytes = ports(from, to);
    bytes.extend((8 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

fn ports(from: Place, to: Place) -> Vec<u8> {
    [from.port.to_be_bytes(), to.port.to_be_bytes()].concat()
}

/// An IP packet. `id` and `option_words` (four bytes of no-operation each) are of IPv4 only.
pub fn ip(from: IpAddr, to: IpAddr, number: u8, id: u16, option_words: usize, body: &[u8]) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = 20 + option_words * 4;
            let mut bytes = vec![0x40 | (header / 4) as u8, 0];
            bytes.extend(((header + body.len()) as u16).to_be_bytes());
            bytes.extend(id.to_be_bytes());
            bytes.extend([if id == 0 { 0x40 } else { 0 }, 0, 64, number, 0, 0]);
            bytes.extend(from.octets());
            bytes.extend(to.octets());
            bytes.resize(header, 1);
            seal_ipv4(&mut bytes);
            bytes.extend(body);
            bytes
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut bytes = vec![0x60, 0, 0, 0];
            bytes.extend((body.len() as u16).to_be_bytes());
            bytes.extend([number, 64]);
            bytes.extend(from.octets());
            bytes.extend(to.octets());
            bytes.extend(body);
            bytes
        }
        _ => panic!("both ends speak one version of IP"),
    }
}

/// An IP packet cut into fragments of at most `mtu` bytes (RFC 791, 2.3; RFC 8200, 4.5).
pub fn fragments(packet: &[u8], mtu: usize, id: u16) -> Vec<Vec<u8>> {
    let v4 = packet[0] >> 4 == 4;
    let header = if v4 { usize::from(packet[0] & 0x0f) * 4 } else { 40 };
    let room = (mtu - header - if v4 { 0 } else { 8 }) / 8 * 8;
    assert!(room > 0, "a fragment holds at least eight bytes");
    let pieces = packet[header..].chunks(room);
    let last = pieces.len() - 1;
    pieces
        .enumerate()
        .map(|(place, piece)| {
            let units = (place * room / 8) as u16;
            let more = place != last;
            let mut bytes = packet[..header].to_vec();
            if v4 {
                bytes[2..4].copy_from_slice(&((header + piece.len()) as u16).to_be_bytes());
                bytes[6..8].copy_from_slice(&(units | u16::from(more) << 13).to_be_bytes());
                seal_ipv4(&mut bytes);
            } else {
                bytes[4..6].copy_from_slice(&((8 + piece.len()) as u16).to_be_bytes());
                bytes.extend([packet[6], 0]);
                bytes[6] = IPV6_FRAGMENT;
                bytes.extend((units << 3 | u16::from(more)).to_be_bytes());
                bytes.extend(u32::from(id).to_be_bytes());
            }
            bytes.extend(piece);
            bytes
        })
        .collect()
}

const IPV6_FRAGMENT: u8 = 44;
/// The packet type of a cooked link.
const PACKET_BROADCAST: u8 = 1;

/// An IP packet on a link of this type. Tags go where the link has a place for them (Ethernet and the cooked links).
pub fn frame(link: LinkType, tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let v4 = packet[0] >> 4 == 4;
    let ethertype: u16 = if v4 { 0x0800 } else { 0x86dd };
    // Stacked tags begin with that of a provider bridge (802.1ad).
    let kinds = tags.iter().enumerate().map(|(place, _)| if place + 1 < tags.len() { 0x88a8u16 } else { 0x8100 });
    let kinds: Vec<u16> = kinds.chain([ethertype]).collect();
    let mut bytes = match link {
        LinkType::ETHERNET => [[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1].as_slice(), &kinds[0].to_be_bytes()].concat(),
        LinkType::LINUX_SLL => {
            [[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0].as_slice(), &kinds[0].to_be_bytes()].concat()
        }
        LinkType::LINUX_SLL2 => {
            [&kinds[0].to_be_bytes(), [0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0].as_slice()].concat()
        }
        LinkType::NULL => vec![if v4 { 2 } else { 24 }, 0, 0, 0],
        LinkType::LOOP => vec![0, 0, 0, if v4 { 2 } else { 24 }],
        _ => Vec::new(),
    };
    if matches!(link, LinkType::ETHERNET | LinkType::LINUX_SLL | LinkType::LINUX_SLL2) {
        for (tag, next) in tags.iter().zip(&kinds[1..]) {
            bytes.extend(tag.to_be_bytes());
            bytes.extend(next.to_be_bytes());
        }
    }
    bytes.extend(packet);
    bytes
}

/// Writes the checksum of a TCP, UDP, ICMP or ICMPv6 message into it.
fn seal(number: u8, from: IpAddr, to: IpAddr, body: &mut [u8]) {
    let place = match number {
        protocol::TCP => 16,
        protocol::UDP => 6,
        _ => 2,
    };
    let mut covered: Vec<u8> = Vec::new();
    if number != protocol::ICMP {
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => covered.extend([from.octets(), to.octets()].concat()),
            (IpAddr::V6(from), IpAddr::V6(to)) => covered.extend([from.octets(), to.octets()].concat()),
            _ => panic!("both ends speak one version of IP"),
        }
        covered.extend([0, number]);
        covered.extend((body.len() as u16).to_be_bytes());
    }
    covered.extend_from_slice(body);
    let sum = match checksum(&covered) {
        // Over UDP 0 would say that there is none (RFC 768).
        0 if number == protocol::UDP => 0xffff,
        sum => sum,
    };
    body[place..place + 2].copy_from_slice(&sum.to_be_bytes());
}

fn seal_ipv4(header: &mut [u8]) {
    header[10..12].fill(0);
    let length = usize::from(header[0] & 0x0f) * 4;
    let sum = checksum(&header[..length]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// The checksum of the internet protocols (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u64 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
