//! The short decoder is held against the general one, its oracle, on every packet; and against what the bytes were made of.

mod support;

use cap_audit::clock::Clock;
use cap_audit::packet::{
    Deal, Fragment, LinkType, Packet, PacketBatch, Quoted, RawPacket, Skip, TransportHeader, decode, general, protocol,
};
use etherparse::{LaxSlicedPacket, TransportSlice};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::IpAddr;
use support::scene::{LINKS, scene};
use support::*;

const CLIENT: &str = "10.0.0.14";
const SERVER: &str = "10.0.0.22";

fn raw(link: LinkType, original: u32, bytes: &[u8]) -> RawPacket<'_> {
    RawPacket { at: START, number: 1, capture: 0, link, original: original.max(bytes.len() as u32), bytes }
}

/// Both decoders say the same of a packet.
fn agree(link: LinkType, original: u32, bytes: &[u8]) -> Result<(), TestCaseError> {
    let raw = raw(link, original, bytes);
    prop_assert_eq!(
        decode(&raw),
        general::decode(&raw),
        "link type {:?}, {} of {}: {:02x?}",
        link,
        bytes.len(),
        original,
        bytes
    );
    on_its_way_in(&raw)
}

/// Workers, each with a lane of its own.
const LANES: usize = 7;

/// The capture thread reads the same, and picks the lane by the hosts of the packet, or of the one that it quotes.
fn on_its_way_in(raw: &RawPacket<'_>) -> Result<(), TestCaseError> {
    let batch = PacketBatch::of([*raw]);
    prop_assert_eq!(batch.lane(0).packets().collect::<Vec<_>>(), [&general::decode(raw)]);
    let pair = general::decode(raw).ok().map(|packet| match packet.quoted(raw.bytes) {
        Some(quoted) => (quoted.source, quoted.destination),
        None => (packet.source, packet.destination),
    });
    let deal = Deal::new(LANES, u64::MAX);
    let mut batch = PacketBatch::dealt(deal);
    batch.fill(&mut Clock::default()).copy(raw);
    let expected = pair.map_or(0, |(one, other)| deal.lane(one, other));
    let holders: Vec<usize> = (0..LANES).filter(|&lane| !batch.lane(lane).is_empty()).collect();
    prop_assert_eq!(holders, [expected]);
    prop_assert_eq!(batch.lane(expected).packets().collect::<Vec<_>>(), [&general::decode(raw)]);
    Ok(())
}

// Strategies.

/// A packet put together from headers that may contradict each other.
fn built() -> impl Strategy<Value = (LinkType, u32, Vec<u8>)> {
    let around = (select(LINKS), vec(any::<u16>(), 0..4), vec(any::<u8>(), 0..12), any::<bool>());
    let body = prop_oneof![segment(), datagram(), message(), vec(any::<u8>(), 0..60)];
    let chosen = select(&[protocol::TCP, protocol::TCP, protocol::UDP, protocol::ICMP, protocol::ICMPV6, 51, 47][..]);
    let ip = (any::<bool>(), chosen, 0..11usize, length(), fragment_word(), chain());
    (around, ip, body, any::<prop::sample::Index>(), 0..3u32).prop_map(
        |((link, tags, trailer, whole), (v4, number, words, length, fragment, chain), body, cut, more)| {
            let packet =
                if v4 { ipv4(number, words, length, fragment, &body) } else { ipv6(number, length, &chain, &body) };
            let mut bytes = frame(link, &tags, &packet);
            bytes.extend(trailer);
            let original = bytes.len() as u32;
            if !whole {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            (link, original + more * 10, bytes)
        },
    )
}

/// What the length field says: the truth, nothing, too little, too much.
#[derive(Clone, Copy, Debug)]
enum Length {
    True,
    Zero,
    Off(i16),
}

fn length() -> impl Strategy<Value = Length> {
    prop_oneof![5 => Just(Length::True), 1 => Just(Length::Zero), 2 => (-30..30i16).prop_map(Length::Off)]
}

impl Length {
    fn of(self, truth: usize) -> [u8; 2] {
        match self {
            Length::True => truth as u16,
            Length::Zero => 0,
            Length::Off(by) => (truth as u16).saturating_add_signed(by),
        }
        .to_be_bytes()
    }
}

fn fragment_word() -> impl Strategy<Value = u16> {
    prop_oneof![5 => Just(0u16), 2 => Just(0x4000u16), 1 => Just(0x2000u16), 1 => any::<u16>()]
}

fn ipv4(number: u8, words: usize, length: Length, fragment: u16, body: &[u8]) -> Vec<u8> {
    let (from, to): (IpAddr, IpAddr) = ([10, 0, 0, 14].into(), [10, 0, 0, 22].into());
    let mut packet = ip(from, to, number, 7, words, body);
    let whole = packet.len();
    packet[2..4].copy_from_slice(&length.of(whole));
    packet[6..8].copy_from_slice(&fragment.to_be_bytes());
    packet
}

/// Extension headers of IPv6: number, the length field, and how many bytes there are beyond the first eight.
fn chain() -> impl Strategy<Value = Vec<(u8, u8, usize)>> {
    let numbers = select(&[0u8, 43, 44, 51, 60, 60, 135, 139, 140][..]);
    prop_oneof![2 => Just(Vec::new()), 3 => vec((numbers, 0..3u8, 0..20usize), 1..4)]
}

fn ipv6(number: u8, length: Length, chain: &[(u8, u8, usize)], body: &[u8]) -> Vec<u8> {
    let mut inner = Vec::new();
    for (place, (_, units, more)) in chain.iter().enumerate() {
        let next = chain.get(place + 1).map_or(number, |(next, ..)| *next);
        // Half of them are as long as they say.
        let more = if more % 2 == 0 { usize::from(*units) * 8 } else { *more };
        inner.extend([next, *units, 0, 0, 0, 0, 0, 9]);
        inner.resize(inner.len() + more, 0);
    }
    inner.extend(body);
    let first = chain.first().map_or(number, |(first, ..)| *first);
    let (from, to): (IpAddr, IpAddr) = ([0xfd00, 0, 0, 0, 0, 0, 0, 1].into(), [0xfd00, 0, 0, 0, 0, 0, 0, 2].into());
    let mut packet = ip(from, to, first, 0, 0, &inner);
    packet[4..6].copy_from_slice(&length.of(inner.len()));
    packet
}

/// A TCP segment with any data offset, options and flags.
fn segment() -> impl Strategy<Value = Vec<u8>> {
    (any::<[u8; 16]>(), prop_oneof![3 => Just(5u8), 2 => 0..16u8], vec(any::<u8>(), 0..60)).prop_map(
        |(head, offset, rest)| {
            let mut bytes = head.to_vec();
            bytes[12] = offset << 4;
            bytes.extend([0, 0, 0, 0]);
            bytes.extend(rest);
            bytes
        },
    )
}

fn datagram() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

/// An ICMP or ICMPv6 message that quotes something like a packet.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let kind = select(&[0u8, 1, 3, 4, 5, 8, 11, 128, 129][..]);
    let quoted =
        (any::<bool>(), select(&[1u8, 6, 17, 58, 47][..]), 0..11usize, fragment_word(), vec(any::<u8>(), 0..12));
    (kind, any::<[u8; 7]>(), quoted).prop_map(|(kind, rest, (v4, number, words, fragment, body))| {
        let quoted = if v4 {
            ipv4(number, words, Length::True, fragment, &body)
        } else {
            ipv6(number, Length::True, &[], &body)
        };
        [&[kind], &rest[..], &quoted].concat()
    })
}

/// As many cases as PROPTEST_CASES says, else this.
fn config() -> ProptestConfig {
    let chosen = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { chosen.cases } else { 4_000 };
    ProptestConfig { cases, failure_persistence: None, ..chosen }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn both_decoders_agree_on_any_bytes(link in select(LINKS), more in 0..100u32, bytes in vec(any::<u8>(), 0..150)) {
        agree(link, bytes.len() as u32 + more, &bytes)?;
    }

    #[test]
    fn both_decoders_agree_on_headers_that_contradict_each_other((link, original, bytes) in built()) {
        agree(link, original, &bytes)?;
    }

    #[test]
    fn both_decoders_agree_on_captures(scene in scene()) {
        for (_, link, original, bytes) in scene.packets() {
            agree(link, original, &bytes)?;
        }
    }

    #[test]
    fn both_decoders_agree_on_every_link_with_any_tags(
        link in select(LINKS),
        tags in vec(any::<u16>(), 0..4),
        order in any::<bool>(),
        mask in any::<u8>(),
        place in 0..24usize,
    ) {
        let packet = udp_packet();
        let mut bytes = frame(link, &tags, &packet);
        if order && matches!(link, LinkType::NULL | LinkType::LOOP) {
            bytes[..4].reverse();
        }
        agree(link, bytes.len() as u32, &bytes)?;
        bytes[place] ^= mask;
        agree(link, bytes.len() as u32, &bytes)?;
    }
}

proptest! {
    #![proptest_config(config())]

    /// What stands above IP is read by one function for both decoders, so it is held against the library alone.
    #[test]
    fn transport_headers_are_those_of_the_library(
        body in prop_oneof![segment(), datagram()],
        tcp in any::<bool>(),
        words in 0..11usize,
    ) {
        let number = if tcp { protocol::TCP } else { protocol::UDP };
        let packet = ipv4(number, words, Length::True, 0, &body);
        let theirs = LaxSlicedPacket::from_ip(&packet).ok().and_then(|sliced| sliced.transport);
        let ours = decode(&raw(LinkType::RAW, packet.len() as u32, &packet));
        match theirs {
            Some(TransportSlice::Tcp(theirs)) => {
                let ours = ours.map_err(|skip| TestCaseError::fail(format!("{skip:?}")))?;
                let TransportHeader::Tcp(tcp) = ours.transport else { return Err(TestCaseError::fail("not TCP")) };
                prop_assert_eq!((ours.source_port, ours.destination_port), (theirs.source_port(), theirs.destination_port()));
                prop_assert_eq!((tcp.sequence, tcp.acknowledgement), (theirs.sequence_number(), theirs.acknowledgment_number()));
                prop_assert_eq!(tcp.window, theirs.window_size());
                prop_assert_eq!((tcp.flags.fin(), tcp.flags.syn(), tcp.flags.rst(), tcp.flags.ack()), (theirs.fin(), theirs.syn(), theirs.rst(), theirs.ack()));
                prop_assert_eq!(ours.payload(&packet), theirs.payload());
                prop_assert_eq!(ours.payload_bytes as usize, theirs.payload().len());
            }
            Some(TransportSlice::Udp(theirs)) => {
                let ours = ours.map_err(|skip| TestCaseError::fail(format!("{skip:?}")))?;
                prop_assert_eq!((ours.source_port, ours.destination_port), (theirs.source_port(), theirs.destination_port()));
                prop_assert_eq!(ours.transport, TransportHeader::Udp);
                // The IP length counts, not that of UDP, which is as likely to be wrong (facts LENGTH-01).
                prop_assert_eq!(ours.payload(&packet), &body[8..]);
            }
            _ => prop_assert!(ours.is_err(), "{:?}", ours),
        }
    }
}

fn udp_packet() -> Vec<u8> {
    let talk = Talk::udp(client(CLIENT, 40_000), server(SERVER, 1494)).link(LinkType::RAW).says(b"sixteen bytes !!");
    talk.packets().remove(0).3
}

// Cut packets.

/// One packet of every shape that is read.
fn gallery() -> Vec<Captured> {
    let four = || Talk::between(client(CLIENT, 40_000), server(SERVER, 2598));
    let six = || Talk::between(client("fd00::14", 40_000), server("fd00::22", 2598));
    let large = [0x2a; 300];
    let mut all = Vec::new();
    for link in LINKS {
        for tags in [&[][..], &[7], &[7, 8], &[7, 8, 9]] {
            all.extend(four().link(*link).vlans(tags).syn().says(&large).packets());
            all.extend(six().link(*link).vlans(tags).syn().says(&large).packets());
        }
    }
    all.extend(four().ip_options(10).opened().says(&large).error("10.0.0.1", 3, 4).packets());
    all.extend(four().mtu(100).syn().says(&large).packets());
    all.extend(six().mtu(100).syn().says(&large).error("fd00::1", 1, 4).packets());
    all.extend(Talk::ping(client(CLIENT, 7), server(SERVER, 7)).asks().replies().error("10.0.0.1", 11, 0).packets());
    all.extend(
        Talk::ping(client("fd00::14", 7), server("fd00::22", 7)).asks().replies().error("fd00::1", 3, 0).packets(),
    );
    all.extend(
        Talk::udp(client(CLIENT, 40_000), server(SERVER, 1494))
            .says(&large)
            .answers(b"")
            .error("10.0.0.1", 3, 3)
            .packets(),
    );
    all
}

#[test]
fn both_decoders_agree_at_every_length() -> Result<(), TestCaseError> {
    for (_, link, original, bytes) in gallery() {
        for length in 0..=bytes.len() {
            agree(link, original, &bytes[..length])?;
            // Some captures do not know the length on the wire.
            agree(link, length as u32, &bytes[..length])?;
        }
    }
    Ok(())
}

#[test]
fn both_decoders_agree_where_the_length_is_left_to_the_hardware() -> Result<(), TestCaseError> {
    // Segmentation offload leaves 0 in the length field (facts LENGTH-02).
    for (_, link, original, mut bytes) in gallery() {
        let start = match link {
            LinkType::ETHERNET => 14,
            LinkType::RAW => 0,
            _ => continue,
        };
        let field = if bytes[start] >> 4 == 4 { start + 2 } else { start + 4 };
        bytes[field..field + 2].fill(0);
        for length in 0..=bytes.len() {
            agree(link, original, &bytes[..length])?;
        }
    }
    Ok(())
}

#[test]
fn a_packet_stays_small() {
    // Every packet crosses from one thread to another: a line of the cache and a half.
    assert_eq!(size_of::<Result<Packet, Skip>>(), 80);
}

fn decoded(packet: &Captured) -> Result<Packet, Skip> {
    let (_, link, original, bytes) = packet;
    decode(&raw(*link, *original, bytes))
}

fn read(packet: &Captured) -> Packet {
    decoded(packet).unwrap_or_else(|skip| panic!("{skip:?}: {:02x?}", packet.3))
}

#[test]
fn a_short_capture_keeps_the_byte_counts_of_the_headers() {
    let words = [0x2a; 500];
    // IPv4 header 20 and TCP header 20; with tags the headers end four bytes later.
    for snap in [54, 64, 68, 96, 128, 164] {
        let talk = Talk::between(client(CLIENT, 40_000), server(SERVER, 2598)).snap(snap);
        let packets = talk.syn().says(&words).packets();
        let [syn, data] = [read(&packets[0]), read(&packets[1])];
        assert_eq!((syn.ip_bytes, syn.payload_bytes), (40, 0));
        assert_eq!((data.ip_bytes, data.payload_bytes), (540, 500), "cut to {snap}");
        assert_eq!(data.payload_captured as usize, snap - 54);
        assert_eq!((data.source_port, data.destination_port), (40_000, 2598));
    }
    for snap in [64, 68, 96, 128, 164] {
        let talk = Talk::udp(client(CLIENT, 40_000), server(SERVER, 2598)).vlans(&[7]).snap(snap).says(&words);
        let packets = talk.packets();
        let data = read(&packets[0]);
        assert_eq!((data.ip_bytes, data.payload_bytes), (528, 500), "cut to {snap}");
        assert_eq!(data.payload_captured as usize, snap - 14 - 4 - 28);
    }
    for snap in [96, 128, 164] {
        let talk = Talk::between(client("fd00::14", 40_000), server("fd00::22", 2598)).snap(snap).says(&words);
        let packets = talk.packets();
        assert_eq!((read(&packets[0]).ip_bytes, read(&packets[0]).payload_bytes), (560, 500));
    }
}

#[test]
fn a_cut_flow_has_the_counts_of_a_whole_one() {
    let talk = |snap: usize| {
        let talk = Talk::between(client(CLIENT, 40_000), server(SERVER, 2598)).snap(snap);
        talk.opened().says(&[0x2a; 500]).answers(&[0x2a; 900]).closed().packets()
    };
    let whole = audit(talk(usize::MAX));
    for snap in [54, 64, 68, 96, 128, 164] {
        let cut = audit(talk(snap));
        let [whole, cut] = [&whole, &cut].map(|harvest| &flow_to(harvest, 2598).record);
        assert_eq!((whole.from_client, whole.from_server), (cut.from_client, cut.from_server), "cut to {snap}");
        assert_eq!((cut.from_client.payload_bytes, cut.from_server.payload_bytes), (500, 900));
        assert_eq!(whole.state(), cut.state());
    }
}

#[test]
fn padding_and_check_sequence_are_no_payload() {
    let talk = || Talk::between(client(CLIENT, 40_000), server(SERVER, 2598));
    for talk in [talk().padded(), talk().with_check_sequence(), talk().padded().with_check_sequence()] {
        let packets = talk.opened().says(b"x").packets();
        for (packet, payload) in packets.iter().zip([0, 0, 0, 1]) {
            let read = read(packet);
            assert_eq!((read.ip_bytes, read.payload_bytes), (40 + payload, payload));
            assert_eq!(read.payload_captured, payload);
        }
    }
}

#[test]
fn a_tcp_header_cut_within_its_options_is_read() {
    let mut body = tcp(client(CLIENT, 40_000), server(SERVER, 2598), 1, 0, 0x02, b"");
    body[12] = 0xa0;
    body.extend([1; 20]);
    let packet = ip([10, 0, 0, 14].into(), [10, 0, 0, 22].into(), protocol::TCP, 7, 0, &body);
    let bytes = frame(LinkType::ETHERNET, &[], &packet);
    assert_eq!(bytes.len(), 14 + 20 + 40);
    // Up to the flags is enough (fourteen bytes of the header).
    for length in 14 + 20 + 14..=bytes.len() {
        let raw = raw(LinkType::ETHERNET, bytes.len() as u32, &bytes[..length]);
        let read = decode(&raw).unwrap_or_else(|skip| panic!("{skip:?} at {length}"));
        assert_eq!((read.payload_bytes, read.payload_captured, read.ip_bytes), (0, 0, 60));
        let TransportHeader::Tcp(tcp) = read.transport else { panic!("not TCP") };
        assert!(tcp.flags.syn());
        assert_eq!(tcp.window, if length < 14 + 20 + 16 { 0 } else { 0xfaf0 }, "at {length}");
    }
    for length in 34..14 + 20 + 14 {
        assert_eq!(
            decode(&raw(LinkType::ETHERNET, bytes.len() as u32, &bytes[..length])),
            Err(Skip::CutHeaders),
            "at {length}"
        );
    }
}

#[test]
fn a_packet_without_room_for_its_header_is_malformed_and_not_cut() {
    for (number, room) in [(protocol::TCP, 19), (protocol::UDP, 7), (protocol::ICMP, 7)] {
        let packet = ip([10, 0, 0, 14].into(), [10, 0, 0, 22].into(), number, 7, 0, &vec![0x50; room]);
        let bytes = frame(LinkType::ETHERNET, &[], &packet);
        assert_eq!(
            decode(&raw(LinkType::ETHERNET, bytes.len() as u32, &bytes)),
            Err(Skip::Malformed),
            "protocol {number}"
        );
    }
}

#[test]
fn a_length_that_offload_left_at_0_is_that_of_the_frame() {
    let packets = Talk::between(client(CLIENT, 40_000), server(SERVER, 2598)).says(&[0x2a; 2_000]).packets();
    let (_, link, original, mut bytes) = packets[0].clone();
    bytes[16..18].fill(0);
    bytes.truncate(128);
    let raw = raw(link, original, &bytes);
    let read = decode(&raw).expect("a packet whose length field is 0");
    assert_eq!((read.ip_bytes, read.payload_bytes, read.payload_captured), (2_040, 2_000, 128 - 54));
}

// ICMP.

fn quoted(packet: &Captured) -> Option<Quoted> {
    let read = read(packet);
    assert!(matches!(read.transport, TransportHeader::Icmp(_)), "not ICMP: {read:?}");
    read.quoted(&packet.3)
}

#[test]
fn an_icmp_error_quotes_its_packet() {
    let (from, to) = (client(CLIENT, 40_000), server(SERVER, 2598));
    let expected = |protocol: u8| {
        let (source, destination) = (address(CLIENT), address(SERVER));
        Some(Quoted { source, destination, protocol, source_port: 40_000, destination_port: 2598 })
    };
    for talk in [Talk::between(from, to), Talk::between(from, to).ip_options(10), Talk::between(from, to).vlans(&[7])] {
        assert_eq!(quoted(&talk.syn().error("10.0.0.1", 3, 13).packets()[1]), expected(protocol::TCP));
    }
    let datagram = Talk::udp(from, to).says(b"hello").error("10.0.0.1", 3, 3).packets();
    assert_eq!(quoted(&datagram[1]), expected(protocol::UDP));
    let icmp = read(&datagram[1]);
    assert_eq!((icmp.source, icmp.destination), (address("10.0.0.1"), address(CLIENT)));
    let ping = Talk::ping(client(CLIENT, 7), server(SERVER, 7)).asks().error("10.0.0.1", 11, 0).packets();
    let echo = quoted(&ping[1]).expect("a quoted echo request");
    assert_eq!((echo.protocol, echo.source_port, echo.destination_port), (protocol::ICMP, 7, 7));
}

#[test]
fn an_icmpv6_error_quotes_its_packet() {
    let (from, to) = (client("fd00::14", 40_000), server("fd00::22", 2598));
    let packets = Talk::between(from, to).syn().error("fd00::1", 1, 1).packets();
    let quoted = quoted(&packets[1]).expect("a quoted SYN");
    assert_eq!((quoted.source, quoted.destination), (address("fd00::14"), address("fd00::22")));
    assert_eq!((quoted.protocol, quoted.source_port, quoted.destination_port), (protocol::TCP, 40_000, 2598));
}

#[test]
fn an_icmp_error_about_a_later_fragment_quotes_no_ports() {
    let packets =
        Talk::udp(client(CLIENT, 40_000), server(SERVER, 2598)).link(LinkType::RAW).mtu(100).says(&[7; 200]).packets();
    let later = &packets[1].3;
    assert_eq!(read(&packets[1]).fragment, Fragment::Later);
    let body = [&[3, 13, 0, 0, 0, 0, 0, 0], &later[..28]].concat();
    let packet = ip([10, 0, 0, 1].into(), [10, 0, 0, 14].into(), protocol::ICMP, 7, 0, &body);
    assert_eq!(quoted(&(START, LinkType::RAW, packet.len() as u32, packet)), None);
}

// Links, tags and fragments.

#[test]
fn every_link_gives_the_same_packet() {
    let talk = |link| Talk::between(client(CLIENT, 40_000), server(SERVER, 2598)).link(link).syn().packets();
    // All but the length of the link header itself.
    let read = |packet: &Captured| Packet { payload_at: 0, ..read(packet) };
    let expected = talk(LinkType::ETHERNET);
    for link in LINKS.iter().copied().filter(|link| link.0 != 105 && link.0 != u16::MAX && *link != LinkType::IPV6) {
        assert_eq!(read(&talk(link)[0]), read(&expected[0]), "{link:?}");
    }
    assert_eq!(decoded(&talk(LinkType(105))[0]), Err(Skip::UnknownLink));
    for family in [[2, 0, 0, 0], [0, 0, 0, 2]] {
        for link in [LinkType::NULL, LinkType::LOOP] {
            let (at, _, original, mut bytes) = talk(LinkType::NULL).remove(0);
            bytes[..4].copy_from_slice(&family);
            assert_eq!(read(&(at, link, original, bytes)), read(&expected[0]));
        }
    }
}

#[test]
fn up_to_two_tags_are_told_and_all_are_passed_over() {
    let told = |tags: &[u16]| {
        let packets = Talk::between(client(CLIENT, 40_000), server(SERVER, 2598)).vlans(tags).syn().packets();
        let read = read(&packets[0]);
        assert_eq!(read.destination_port, 2598);
        read.vlans.ids().collect::<Vec<_>>()
    };
    assert!(told(&[]).is_empty());
    assert_eq!(told(&[77]), [77]);
    assert_eq!(told(&[77, 5]), [77, 5]);
    assert_eq!(told(&[77, 5, 9]), [77, 5]);
    // The upper four bits are priority; id 0 says that there is a priority only (802.1Q).
    assert_eq!(told(&[0xe000 | 77]), [77]);
    assert!(told(&[0xe000]).is_empty());
}

#[test]
fn fragments_are_told_apart() {
    for (from, to) in [(CLIENT, SERVER), ("fd00::14", "fd00::22")] {
        let packets = Talk::udp(client(from, 40_000), server(to, 2598)).mtu(600).says(&[7; 1_500]).packets();
        let kinds: Vec<Fragment> = packets.iter().map(|packet| read(packet).fragment).collect();
        assert_eq!(kinds, [Fragment::First, Fragment::Later, Fragment::Later]);
        assert_eq!(read(&packets[0]).destination_port, 2598);
        assert_eq!(read(&packets[1]).transport, TransportHeader::Fragment(protocol::UDP));
        let identifications: Vec<u32> = packets.iter().map(|packet| read(packet).identification).collect();
        assert!(identifications[0] != 0 && identifications.iter().all(|id| *id == identifications[0]));
        let payload: u32 = packets.iter().map(|packet| read(packet).payload_bytes).sum();
        assert_eq!(payload, 1_500);
    }
}

// IPv6 extension headers.

#[test]
fn ports_are_found_after_extension_headers() {
    let segment = tcp(client("fd00::1", 40_000), server("fd00::2", 2598), 1, 0, 0x02, b"");
    // Hop-by-hop, routing, destination options, an atomic fragment (RFC 6946), authentication.
    let chains: [&[(u8, u8, usize)]; 6] = [
        &[(0, 0, 0)],
        &[(43, 1, 8)],
        &[(60, 2, 16)],
        &[(44, 0, 0)],
        &[(51, 1, 4)],
        &[(0, 0, 0), (43, 0, 0), (60, 1, 8)],
    ];
    for chain in chains {
        let mut inner = Vec::new();
        for (place, (_, units, more)) in chain.iter().enumerate() {
            let next = chain.get(place + 1).map_or(protocol::TCP, |(next, ..)| *next);
            inner.extend([next, *units, 0, 0, 0, 0, 0, 9]);
            inner.resize(inner.len() + more, 0);
        }
        inner.extend(&segment);
        let packet =
            ip([0xfd00, 0, 0, 0, 0, 0, 0, 1].into(), [0xfd00, 0, 0, 0, 0, 0, 0, 2].into(), chain[0].0, 0, 0, &inner);
        let captured = (START, LinkType::RAW, packet.len() as u32, packet);
        let read = read(&captured);
        assert_eq!((read.source_port, read.destination_port), (40_000, 2598), "{chain:?}");
        assert_eq!((read.ip_bytes as usize, read.payload_bytes), (captured.3.len(), 0), "{chain:?}");
        assert_eq!(read.fragment, Fragment::Whole);
    }
}

#[test]
fn a_broken_chain_of_extension_headers_is_not_read_beyond() {
    // Found by the laws: a good header, then one that is cut. The library of the general decoder would have read on.
    let first = [51, 0, 0, 0, 0, 0, 0, 0];
    for rest in [&[][..], &[17, 200, 0, 0], &[17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let inner = [&first[..], rest].concat();
        let packet = ip([0xfd00, 0, 0, 0, 0, 0, 0, 1].into(), [0xfd00, 0, 0, 0, 0, 0, 0, 2].into(), 0, 0, 0, &inner);
        let raw = raw(LinkType::RAW, packet.len() as u32, &packet);
        assert_eq!(decode(&raw), Err(Skip::Malformed), "{rest:?}");
    }
}
