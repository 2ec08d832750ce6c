//! Scenes for the laws: several talks between a few hosts, put together by proptest, with all that goes wrong on a wire
//! and in a capture. Plain data that shrinks; [`Scene::packets`] plays it.

use super::{CLIENT_ISN, Captured, Place, SERVER_ISN, START, Talk, Who, merge};
use cap_audit::packet::{LinkType, TcpFlags};
use cap_audit::time::{Span, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::IpAddr;

/// Several talks, what the capture did to their packets, and how its clock ran.
#[derive(Clone, Debug)]
pub struct Scene {
    talks: Vec<Plan>,
    harms: Vec<(u16, Harm)>,
    /// From this packet on the clock is off by so much more.
    steps: Vec<(u16, Span)>,
}

#[derive(Clone, Debug)]
struct Plan {
    kind: Kind,
    v6: bool,
    client: u8,
    server: u8,
    client_port: u16,
    server_port: u16,
    begins: Span,
    dress: Dress,
    acts: Vec<Act>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Tcp,
    Udp,
    Ping,
}

/// How the packets of a talk look.
#[derive(Clone, Debug)]
struct Dress {
    link: LinkType,
    tags: Vec<u16>,
    snap: usize,
    mtu: usize,
    ids: bool,
    to_all: bool,
    options: usize,
}

/// One thing that happens in a talk.
#[derive(Clone, Debug)]
enum Act {
    Open,
    Syn,
    SynAgain,
    SynAnew(u32),
    SynAck,
    SynAckAgain,
    Ack(Who),
    Says(Who, usize),
    Fin(Who),
    Reset(Who),
    Refuse(u32),
    Flags(Who, u8),
    Elsewhere(Who, u16, usize),
    Error(Who, u8, u8, u8),
    Repeat(Who),
    Mirror,
    Unseen,
    Wait(Span),
}

/// What happens to a packet of the capture.
#[derive(Clone, Debug)]
enum Harm {
    Flip(u16, u8),
    Cut(u16),
    Drop,
    Twice(Span),
    Swap,
    Link(LinkType),
}

impl Scene {
    /// The capture. `steps` of the clock are made last, so that they hit everything.
    pub fn packets(&self) -> Vec<Captured> {
        let mut all = merge(self.talks.iter().map(Plan::play));
        for (place, harm) in &self.harms {
            if !all.is_empty() {
                let place = usize::from(*place) % all.len();
                harm.strike(&mut all, place);
            }
        }
        for (place, step) in &self.steps {
            let from = usize::from(*place) % all.len().max(1);
            all.iter_mut().skip(from).for_each(|packet| packet.0 = packet.0 + *step);
        }
        all
    }
}

/// Every timestamp so much later.
pub fn later(packets: &[Captured], span: Span) -> Vec<Captured> {
    packets.iter().map(|(at, link, original, bytes)| (*at + span, *link, *original, bytes.clone())).collect()
}

impl Harm {
    fn strike(&self, all: &mut Vec<Captured>, place: usize) {
        match self {
            Harm::Flip(at, mask) => {
                let bytes = &mut all[place].3;
                let length = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(usize::from(*at) % length) {
                    *byte ^= mask;
                }
            }
            Harm::Cut(keep) => all[place].3.truncate(usize::from(*keep)),
            Harm::Drop => drop(all.remove(place)),
            Harm::Twice(behind) => {
                let mut copy = all[place].clone();
                copy.0 = copy.0 + *behind;
                all.insert(place + 1, copy);
            }
            Harm::Swap => {
                let other = (place + 1) % all.len();
                all.swap(place, other);
            }
            Harm::Link(link) => all[place].1 = *link,
        }
    }
}

impl Plan {
    fn play(&self) -> Vec<Captured> {
        let ends = [(self.client, self.client_port), (self.server, self.server_port)]
            .map(|(host, port)| self.place(host, port));
        let [client, server] = ends;
        let talk = match self.kind {
            Kind::Tcp => Talk::between(client, server),
            Kind::Udp => Talk::udp(client, server),
            Kind::Ping => Talk::ping(client, server),
        };
        let Dress { link, tags, snap, mtu, ids, to_all, options } = self.dress.clone();
        let talk = talk.at(START + self.begins).link(link).vlans(&tags).snap(snap).mtu(mtu).ip_options(options);
        let talk = if ids { talk } else { talk.without_ids() };
        let talk = if to_all { talk.broadcast() } else { talk };
        self.acts.iter().fold(talk, |talk, act| self.act(talk, act)).packets()
    }

    fn place(&self, host: u8, port: u16) -> Place {
        let ip: IpAddr = match (self.v6, host) {
            (false, 0..=3) => [10, 0, 0, 10 + host].into(),
            (false, _) => [203, 0, 113, host].into(),
            (true, _) => [0xfd00, 0, 0, 0, 0, 0, 0, 0x10 + u16::from(host)].into(),
        };
        Place { ip, port }
    }

    fn act(&self, talk: Talk, act: &Act) -> Talk {
        match act {
            Act::Wait(span) => return talk.wait(*span),
            Act::Mirror if !talk.frames.is_empty() => return talk.mirrored(),
            Act::Unseen => return talk.unseen(),
            Act::Repeat(who) if !talk.last[*who as usize].is_empty() => return talk.repeats(*who),
            Act::Error(who, sender, kind, code) => return self.error(talk, *who, *sender, *kind, *code),
            _ => {}
        }
        match self.kind {
            Kind::Tcp => tcp_act(talk, act),
            Kind::Udp => udp_act(talk, act),
            Kind::Ping => match act {
                Act::Says(Who::Client, _) | Act::Syn | Act::SynAgain | Act::Open => talk.asks(),
                Act::Says(Who::Server, _) | Act::SynAck => talk.replies(),
                _ => talk,
            },
        }
    }

    /// An error about a packet; where none was sent before, about one that was not captured.
    fn error(&self, talk: Talk, who: Who, sender: u8, kind: u8, code: u8) -> Talk {
        let talk = match (talk.last[who as usize].is_empty(), self.kind, who) {
            (false, _, _) => talk,
            (true, Kind::Tcp, Who::Client) => talk.syn().unseen(),
            (true, Kind::Tcp, Who::Server) => talk.syn_ack().unseen(),
            (true, Kind::Udp, Who::Client) => talk.says(b"unseen").unseen(),
            (true, Kind::Udp, Who::Server) => talk.answers(b"unseen").unseen(),
            (true, Kind::Ping, Who::Client) => talk.asks().unseen(),
            (true, Kind::Ping, Who::Server) => talk.replies().unseen(),
        };
        let sender = self.place(sender, 0).ip.to_string();
        talk.error_about(who, &sender, if self.v6 && kind == 3 { 1 } else { kind }, code)
    }
}

fn tcp_act(talk: Talk, act: &Act) -> Talk {
    match act {
        Act::Open => talk.opened(),
        Act::Syn => talk.syn(),
        Act::SynAgain => talk.syn_again(),
        Act::SynAnew(number) => talk.numbers(CLIENT_ISN.wrapping_add(*number), SERVER_ISN.wrapping_sub(*number)).syn(),
        Act::SynAck => talk.syn_ack(),
        Act::SynAckAgain => talk.syn_ack_again(),
        Act::Ack(Who::Client) => talk.ack(),
        Act::Ack(Who::Server) => talk.server_ack(),
        Act::Says(who, words) => talk.segment(*who, TcpFlags::PSH | TcpFlags::ACK, &speech(*words)),
        Act::Fin(Who::Client) => talk.fin(),
        Act::Fin(Who::Server) => talk.server_fin(),
        Act::Reset(Who::Client) => talk.reset(),
        Act::Reset(Who::Server) => talk.server_reset(),
        Act::Refuse(off) => {
            let number = talk.next[0].wrapping_add(*off);
            talk.refused_with(number)
        }
        Act::Flags(who, flags) => talk.segment(*who, *flags, b""),
        Act::Elsewhere(..) | Act::Error(..) | Act::Repeat(_) | Act::Mirror | Act::Unseen | Act::Wait(_) => talk,
    }
}

fn udp_act(talk: Talk, act: &Act) -> Talk {
    match act {
        Act::Open => talk.says(&speech(TFTP_REQUEST)),
        Act::Syn | Act::SynAgain => talk.says(b"again"),
        Act::SynAck => talk.answers(b"yes"),
        Act::Says(Who::Client, words) => talk.says(&speech(*words)),
        Act::Says(Who::Server, words) => talk.answers(&speech(*words)),
        Act::Elsewhere(Who::Server, port, words) => talk.answers_from(*port, &speech(*words)),
        Act::Elsewhere(Who::Client, port, words) => talk.says_to(*port, &speech(*words)),
        _ => talk,
    }
}

const TFTP_REQUEST: usize = 5;
const SPEECHES: usize = 12;

/// What hosts say: greetings of the protocols that the audit tells apart, and noise.
fn speech(number: usize) -> Vec<u8> {
    match number % SPEECHES {
        0 => b"\x7f\x7fICA\x00".to_vec(),
        1 => b"\x1aCGP/01\x00\x16Citrix.TcpProxyService".to_vec(),
        2 => vec![0x16, 3, 1, 0, 4, 1, 0, 0, 0],
        3 => b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
        4 => b"GET /Citrix/Store/ HTTP/1.1\r\nHost: store\r\n\r\n".to_vec(),
        TFTP_REQUEST => b"\x00\x01ardbp32.bin\x00octet\x00".to_vec(),
        6 => b"\x00\x03\x00\x01abcd".to_vec(),
        7 => [[0x80, 0, 0, 0].as_slice(), &[0; 60]].concat(),
        8 => vec![0],
        9 => vec![0x2a; 1_200],
        10 => vec![0xee; 3_000],
        _ => Vec::new(),
    }
}

// What may come.

/// Any scene, its clock stepping back now and then.
pub fn scene() -> impl Strategy<Value = Scene> {
    let steps = prop_oneof![
        3 => Just(Vec::new()),
        1 => vec((any::<u16>(), select(STEPS)), 1..4),
    ];
    (vec(plan(), 1..7), vec((any::<u16>(), harm()), 0..6), steps).prop_map(|(talks, harms, steps)| Scene {
        talks,
        harms,
        steps,
    })
}

/// Steps of the clock: disorder, set back, set forward, set back very far.
const STEPS: &[Span] = &[
    Span::millis(-3),
    Span::millis(-999),
    Span::seconds(-1),
    Span::seconds(-7),
    Span::seconds(-600),
    Span::seconds(-100_000),
    Span::seconds(9_000),
];

/// Waits that matter: shorter and longer than a mirror's delay, a retry, and every limit of idleness.
const WAITS: &[Span] = &[
    Span::millis(0),
    Span::millis(1),
    Span::millis(20),
    Span::millis(60),
    Span::seconds(1),
    Span::seconds(3),
    Span::seconds(6),
    Span::seconds(31),
    Span::seconds(59),
    Span::seconds(61),
    Span::seconds(120),
    Span::seconds(121),
    Span::seconds(180),
    Span::seconds(181),
    Span::seconds(8_100),
    Span::seconds(8_101),
];

const SERVER_PORTS: &[u16] =
    &[1494, 2598, 443, 80, 53, 69, 514, 6910, 6911, 16_500, 27_000, 8494, 3008, 50_001, 12_345];
const CLIENT_PORTS: &[u16] = &[40_000, 40_001, 50_000, 1494, 2071];

fn plan() -> impl Strategy<Value = Plan> {
    let kind = prop_oneof![6 => Just(Kind::Tcp), 4 => Just(Kind::Udp), 1 => Just(Kind::Ping)];
    let who = (prop::bool::weighted(0.25), 0..5u8, 0..4u8, select(CLIENT_PORTS), select(SERVER_PORTS));
    let begins = prop_oneof![Just(Span(0)), (0..20_000i64).prop_map(Span::millis)];
    (kind, who, begins, dress(), vec(act(), 1..14)).prop_map(
        |(kind, (v6, client, server, client_port, server_port), begins, dress, acts)| Plan {
            kind,
            v6,
            client,
            server,
            client_port,
            server_port,
            begins,
            dress,
            acts,
        },
    )
}

fn dress() -> impl Strategy<Value = Dress> {
    let link = prop_oneof![
        6 => Just(LinkType::ETHERNET),
        1 => select(&[LinkType::LINUX_SLL, LinkType::LINUX_SLL2, LinkType::RAW, LinkType::NULL, LinkType::LOOP][..]),
    ];
    let tags = prop_oneof![4 => Just(vec![]), 1 => vec(1..4000u16, 1..4)];
    let snap = prop_oneof![5 => Just(usize::MAX), 1 => select(&[54usize, 64, 68, 96, 128, 164][..])];
    let mtu = prop_oneof![3 => Just(usize::MAX), 2 => select(&[68usize, 576, 1_500][..])];
    let options = prop_oneof![5 => Just(0usize), 1 => 1..11usize];
    let to_all = prop::bool::weighted(0.1);
    (link, tags, snap, mtu, any::<bool>(), to_all, options).prop_map(|(link, tags, snap, mtu, ids, to_all, options)| {
        Dress { link, tags, snap, mtu: mtu.max(60 + 8), ids, to_all, options }
    })
}

fn act() -> impl Strategy<Value = Act> {
    let who = || select(&[Who::Client, Who::Server][..]);
    let talking = prop_oneof![
        4 => Just(Act::Open),
        2 => Just(Act::Syn),
        3 => Just(Act::SynAgain),
        1 => (0..5u32).prop_map(Act::SynAnew),
        2 => Just(Act::SynAck),
        1 => Just(Act::SynAckAgain),
        2 => who().prop_map(Act::Ack),
        6 => (who(), 0..SPEECHES).prop_map(|(who, words)| Act::Says(who, words)),
        2 => who().prop_map(Act::Fin),
        1 => who().prop_map(Act::Reset),
        1 => prop_oneof![3 => Just(0u32), 1 => any::<u32>()].prop_map(Act::Refuse),
        1 => (who(), any::<u8>()).prop_map(|(who, flags)| Act::Flags(who, flags)),
        2 => (who(), select(&[50_000u16, 50_001, 69, 7][..]), 0..SPEECHES).prop_map(|(who, port, words)| Act::Elsewhere(who, port, words)),
    ];
    let trouble = prop_oneof![
        2 => (who(), 0..5u8, select(&[3u8, 3, 3, 4, 11, 1, 2][..]), 0..14u8).prop_map(|(who, sender, kind, code)| Act::Error(who, sender, kind, code)),
        2 => who().prop_map(Act::Repeat),
        1 => Just(Act::Mirror),
        1 => Just(Act::Unseen),
    ];
    prop_oneof![5 => talking, 1 => trouble, 3 => select(WAITS).prop_map(Act::Wait)]
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        3 => (0..90u16, any::<u8>()).prop_map(|(at, mask)| Harm::Flip(at, mask)),
        1 => (0..80u16).prop_map(Harm::Cut),
        1 => Just(Harm::Drop),
        2 => select(COPIES).prop_map(Harm::Twice),
        2 => Just(Harm::Swap),
        1 => link().prop_map(Harm::Link),
    ]
}

/// How long behind a packet its copy is captured.
const COPIES: &[Span] = &[Span::millis(0), Span::millis(1), Span::millis(30), Span::millis(80)];

/// The link types that are read here, and some that are not.
pub fn link() -> impl Strategy<Value = LinkType> {
    select(LINKS)
}

/// Every link type that is read here, one in no catalogue, and one that is not read.
pub const LINKS: &[LinkType] = &[
    LinkType::ETHERNET,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::RAW,
    LinkType::RAW_OLD,
    LinkType::RAW_OPENBSD,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::NULL,
    LinkType::LOOP,
    LinkType(105),
    LinkType(u16::MAX),
];

/// Any moment, those at the ends of the range among them.
pub fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        4 => (0..100_000i64).prop_map(|ms| START + Span::millis(ms)),
        1 => any::<i64>().prop_map(Timestamp),
        1 => select(&[Timestamp(i64::MIN), Timestamp(0), Timestamp(i64::MAX)][..]),
    ]
}
