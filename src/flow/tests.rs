//! Facts that a record keeps of single packets, by packets made by hand.

use super::*;
use crate::packet::{Address, Fragment, Icmp, LinkType, Packet, RawPacket, Tcp, TcpFlags, TransportHeader, Vlans};
use crate::time::{Span, Timestamp};

const CLIENT: [u8; 4] = [10, 0, 0, 14];
const SERVER: [u8; 4] = [10, 0, 0, 22];
const START: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// One packet, and how many milliseconds after the start it was captured.
type Sent = (i64, Packet);

fn packet(from: Who, transport: TransportHeader, sender: Sender) -> Packet {
    let ends = [(CLIENT, 40_000), (SERVER, 2598)];
    let [source, destination] = if from == Who::Client { ends } else { [ends[1], ends[0]] };
    Packet {
        source: Address::v4(source.0),
        destination: Address::v4(destination.0),
        source_port: source.1,
        destination_port: destination.1,
        ip_bytes: 40,
        payload_bytes: 0,
        payload_at: 54,
        payload_captured: 0,
        identification: u32::from(sender.identification),
        ttl: sender.ttl,
        fragment: Fragment::Whole,
        vlans: Vlans::default(),
        to_many: false,
        transport,
    }
}

fn sender(ttl: u8, identification: u16, window: u16) -> Sender {
    Sender { ttl, identification, window, ..Sender::default() }
}

/// A reset with these hints.
fn reset(ttl: u8, identification: u16, window: u16, hints: u8) -> Option<Sender> {
    Some(Sender { hints: Hints(hints), ..sender(ttl, identification, window) })
}

/// With this sequence number.
fn numbered((after, mut packet): Sent, sequence: u32) -> Sent {
    if let TransportHeader::Tcp(tcp) = &mut packet.transport {
        tcp.sequence = sequence;
    }
    (after, packet)
}

/// With these numbers of bytes of payload and of TCP options.
fn carrying((after, mut packet): Sent, payload: u32, options: u32) -> Sent {
    packet.payload_bytes = payload;
    packet.ip_bytes = 40 + options + payload;
    (after, packet)
}

/// A segment of the client, whose numbers begin at 100, or of the server, whose numbers begin at 500.
fn segment(after: i64, from: Who, flags: u8, sender: Sender) -> Sent {
    let [mine, other] = if from == Who::Client { [100, 500] } else { [500, 100] };
    let sequence = mine + u32::from(flags & TcpFlags::SYN == 0);
    let flags = TcpFlags(flags);
    let tcp = Tcp { sequence, acknowledgement: other + 1, flags, window: sender.window };
    (after, packet(from, TransportHeader::Tcp(tcp), sender))
}

fn datagram(after: i64, from: Who, sender: Sender) -> Sent {
    (after, packet(from, TransportHeader::Udp, sender))
}

fn echo(after: i64, from: Who, sender: Sender) -> Sent {
    let icmp = Icmp { v6: false, kind: if from == Who::Client { 8 } else { 0 }, code: 0, identifier: 7 };
    (after, packet(from, TransportHeader::Icmp(icmp), sender))
}

/// The one flow of these packets.
fn record(packets: impl IntoIterator<Item = Sent>) -> FlowRecord {
    let mut table = FlowTable::new(
        Limits::default(),
        Box::new(|_, port| if port == 2598 { PortUse::Server } else { PortUse::Unknown }),
    );
    let mut records = Vec::new();
    let mut end = START;
    for (number, (after, packet)) in (1..).zip(packets) {
        end = START + Span::millis(after);
        let raw = RawPacket { at: end, number, capture: 0, link: LinkType::ETHERNET, original: 54, bytes: &[] };
        table.observe(&packet, &raw, &mut |record| records.push(record)).expect("these packets belong to flows");
    }
    table.finish(end, &mut |record| records.push(record));
    assert_eq!(records.len(), 1, "{records:#?}");
    records.remove(0)
}

fn after(millis: i64) -> Option<Timestamp> {
    Some(START + Span::millis(millis))
}

const SYN: u8 = TcpFlags::SYN;
const ACK: u8 = TcpFlags::ACK;
const RST: u8 = TcpFlags::RST;

#[test]
fn the_first_syn_ack_is_the_greeting_and_the_first_reset_is_kept_beside_it() {
    let kept = record([
        segment(0, Who::Client, SYN, sender(128, 1, 64_240)),
        segment(10, Who::Server, SYN | ACK, sender(61, 700, 8_192)),
        // Again after a second: not the first.
        segment(1_010, Who::Server, SYN | ACK, sender(61, 800, 8_192)),
        segment(1_011, Who::Client, ACK, sender(128, 2, 1_026)),
        segment(1_500, Who::Server, RST, sender(250, 9, 0)),
        segment(1_900, Who::Server, RST, sender(249, 12, 3)),
    ]);
    assert_eq!((kept.syn_acks, kept.answered_at, kept.established_at), (2, after(10), after(1_011)));
    assert_eq!(kept.greeting, Some(sender(61, 700, 8_192)));
    assert_eq!(kept.reset, reset(250, 9, 0, Hints::BEFORE_PAYLOAD));
    assert_eq!((kept.from_client.ttl, kept.from_server.ttl), (128, 61));
}

#[test]
fn a_refused_attempt_has_a_reset_and_no_greeting() {
    let refusal = numbered(segment(1, Who::Server, RST | ACK, sender(64, 0, 0)), 0);
    let kept = record([segment(0, Who::Client, SYN, sender(128, 1, 64_240)), refusal]);
    assert!(kept.marks.has(Marks::REFUSED), "{kept:#?}");
    assert_eq!((kept.greeting, kept.reset), (None, reset(64, 0, 0, Hints::BEFORE_PAYLOAD)));
    assert_eq!((kept.reset_delay, kept.greeting_delay()), (Some(Span::millis(1)), None));
    assert_eq!((kept.answered_at, kept.established_at), (None, None));
    assert_eq!((kept.from_client.ttl, kept.from_server.ttl), (128, 64));
}

#[test]
fn a_reset_before_the_syn_ack_is_not_taken_for_the_greeting() {
    // A middlebox refuses, and the server answers all the same.
    let kept = record([
        segment(0, Who::Client, SYN, sender(128, 1, 64_240)),
        segment(1, Who::Server, RST, sender(254, 5, 16)),
        segment(9, Who::Server, SYN | ACK, sender(61, 700, 8_192)),
    ]);
    // The reset is no answer to the SYN, because it acknowledges nothing (RFC 9293, 3.10.7.3).
    let reset = reset(254, 5, 16, Hints::BEFORE_PAYLOAD | Hints::ODD_NUMBERS);
    assert_eq!((kept.greeting, kept.reset), (Some(sender(61, 700, 8_192)), reset));
    assert_eq!(kept.answered_at, after(9));
    assert_eq!((kept.reset_delay, kept.greeting_delay()), (Some(Span::millis(1)), Some(Span::millis(9))));
}

#[test]
fn a_reset_that_copies_the_syn_is_told_and_so_is_a_server_that_answers_all_the_same() {
    let kept = record([
        segment(0, Who::Client, SYN, sender(128, 77, 64_240)),
        numbered(segment(1, Who::Server, RST | ACK, sender(128, 77, 64_240)), 0),
        segment(9, Who::Server, SYN | ACK, sender(61, 700, 8_192)),
        segment(9, Who::Client, RST, sender(128, 0, 0)),
    ]);
    let copied = Hints::COPIED_IDENTIFICATION | Hints::COPIED_WINDOW;
    assert_eq!(kept.reset, reset(128, 77, 64_240, copied | Hints::BEFORE_PAYLOAD | Hints::WENT_ON));
    assert_eq!(showing(&kept), Showing::Refusal, "the client goes by the reset, which comes first");
}

#[test]
fn a_service_that_comes_up_between_two_syns_is_not_a_server_that_went_on() {
    let kept = record([
        segment(0, Who::Client, SYN, sender(128, 77, 64_240)),
        numbered(segment(1, Who::Server, RST | ACK, sender(61, 0, 0)), 0),
        segment(500, Who::Client, SYN, sender(128, 78, 64_240)),
        segment(501, Who::Server, SYN | ACK, sender(61, 700, 8_192)),
        segment(501, Who::Client, ACK, sender(128, 79, 1_026)),
    ]);
    assert_eq!(kept.reset, reset(61, 0, 0, Hints::BEFORE_PAYLOAD));
    assert_eq!((kept.reset_delay, kept.greeting_delay()), (Some(Span::millis(1)), None), "which SYN is not known");
    assert_eq!(showing(&kept), Showing::Handshake);
}

#[test]
fn a_reset_in_a_connection_is_told_by_what_the_server_says_behind_it() {
    let opened = || {
        [
            segment(0, Who::Client, SYN, sender(128, 1, 64_240)),
            carrying(segment(10, Who::Server, SYN | ACK, sender(61, 0, 8_192)), 0, 12),
            segment(10, Who::Client, ACK, sender(128, 2, 1_026)),
            carrying(segment(11, Who::Client, ACK, sender(128, 3, 1_026)), 20, 0),
        ]
    };
    // Number 501 is the first byte of the server, 121 the next one of the client.
    let mut cut = segment(12, Who::Server, RST | ACK, sender(250, 3, 0));
    let TransportHeader::Tcp(tcp) = &mut cut.1.transport else { panic!("TCP") };
    tcp.acknowledgement = 121;
    let data = |after| carrying(segment(after, Who::Server, ACK, sender(61, 701, 64)), 100, 12);
    let hints = Hints::BEFORE_PAYLOAD | Hints::COPIED_IDENTIFICATION;

    let alone = record(opened().into_iter().chain([cut]));
    assert_eq!((alone.reset, alone.reset_delay), (reset(250, 3, 0, hints), Some(Span::millis(1))));
    assert!(alone.greeting.is_some_and(|greeting| greeting.hints == Hints(Hints::OPTIONS)), "{alone:#?}");
    assert_eq!(showing(&alone), Showing::EarlyReset);

    let went_on = record(opened().into_iter().chain([cut, data(30)]));
    assert_eq!(went_on.reset, reset(250, 3, 0, hints | Hints::WENT_ON));
    assert_eq!(showing(&went_on), Showing::EarlyReset, "whatever comes after the reset does not reach the client");

    // What the reset overtook lies before its number.
    let overtaken = record(opened().into_iter().chain([numbered(cut, 601), data(12)]));
    assert_eq!(overtaken.reset, reset(250, 3, 0, hints));
}

#[test]
fn an_attempt_without_an_answer_has_neither() {
    let kept =
        record([segment(0, Who::Client, SYN, sender(128, 1, 1)), segment(1_000, Who::Client, SYN, sender(128, 2, 1))]);
    assert_eq!((kept.greeting, kept.reset, kept.answered_at, kept.established_at), (None, None, None, None));
    assert_eq!((kept.from_client.ttl, kept.from_server.ttl), (128, 0));
}

#[test]
fn datagrams_and_echoes_are_answered_by_the_first_packet_of_the_server() {
    for made in [datagram, echo] {
        let asked = [made(0, Who::Client, sender(128, 1, 0)), made(400, Who::Client, sender(128, 2, 0))];
        let answers = [made(500, Who::Server, sender(61, 700, 0)), made(600, Who::Server, sender(60, 701, 0))];
        let kept = record(asked.into_iter().chain(answers));
        assert_eq!((kept.answered_at, kept.established_at), (after(500), None));
        assert_eq!((kept.greeting, kept.reset), (Some(sender(61, 700, 0)), None));
        assert_eq!((kept.from_client.ttl, kept.from_server.ttl), (128, 61));
        let silent = record(asked);
        assert_eq!((silent.answered_at, silent.greeting, silent.from_server.ttl), (None, None, 0));
    }
}

#[test]
fn an_answer_after_71_minutes_has_no_time_and_is_one() {
    let asks = (0..45).map(|ask| datagram(ask * 100_000, Who::Client, sender(128, ask as u16 + 1, 0)));
    let kept = record(asks.chain([datagram(4_400_001, Who::Server, sender(61, 700, 0))]));
    assert_eq!((kept.answered_at, kept.greeting), (None, Some(sender(61, 700, 0))));
}

#[test]
fn an_icmp_error_is_told_with_the_headers_of_its_own_packet() {
    // The quoted SYN: its header says TTL 3 and identification 0x1111, which are not those of the message.
    let quoted = [
        &[0x45, 0, 0, 40, 0x11, 0x11, 0, 0, 3, 6, 0, 0][..],
        &CLIENT,
        &SERVER,
        &40_000u16.to_be_bytes(),
        &2598u16.to_be_bytes(),
        &[0; 4],
    ]
    .concat();
    let mut table = FlowTable::new(Limits::default(), Box::new(|_, _| PortUse::Unknown));
    let mut records = Vec::new();
    let mut see = |number, packet: Packet, bytes: &[u8]| {
        let raw = RawPacket { at: START, number, capture: 0, link: LinkType::ETHERNET, original: 70, bytes };
        table.observe(&packet, &raw, &mut |record| records.push(record)).expect("it belongs to the flow");
    };
    see(1, segment(0, Who::Client, SYN, sender(128, 1, 64_240)).1, &[]);
    let icmp = TransportHeader::Icmp(Icmp { v6: false, kind: 3, code: 13, identifier: 0 });
    let length = quoted.len() as u32;
    let error = Packet { payload_at: 0, payload_captured: length, ..packet(Who::Server, icmp, sender(252, 0x2222, 0)) };
    see(2, Packet { source: Address::v4([10, 0, 0, 1]), ..error }, &quoted);
    table.finish(START, &mut |record| records.push(record));
    let error = records[0].icmp.expect("the error quotes the flow");
    assert_eq!((error.ttl, error.identification), (252, 0x2222));
    assert_eq!((error.sender, error.code, error.about_client), (Address::v4([10, 0, 0, 1]), 13, true));
    assert_eq!(records[0].from_server.ttl, 0, "the message is not a packet of the server");
}
