//! What must hold for every capture (the laws of the design): nothing panics, counts add up, and neither the number of workers,
//! nor the size of batches, nor the moment of sweeping, nor the date changes the result.

mod support;

use cap_audit::audit::{Audit, Flows};
use cap_audit::case::Case;
use cap_audit::clock::Clock;
use cap_audit::finding::Finding;
use cap_audit::flow::{
    Counts, DirectionBasis, Endpoint, Evidence, FlowKey, FlowRecord, Heard, Limits, Marks, Note, PacketRef, Sender,
    TcpState, showing,
};
use cap_audit::judge::{Judge, Judgement, Outcome, Sign, Verdict};
use cap_audit::ledger::written::{CaptureNames, ReadError};
use cap_audit::ledger::{
    Few, HOSTS_NAMED, Ledger, OTHER_STEP_LIMIT, PAIR_LIMIT, PATH_LIMIT, Path, SIGHTING_LIMIT, STEP_LIMIT, Seen,
    Sighting,
};
use cap_audit::matching::Matching;
use cap_audit::packet::{Address, PacketBatch, RawPacket, Vlans, decode, general, protocol};
use cap_audit::pipeline::{Options, Sweep};
use cap_audit::problem::{Problem, Works};
use cap_audit::report::{Remark, Report};
use cap_audit::signature::{Protocol, Strength};
use cap_audit::time::{Span, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use support::scene::{Scene, later, link, moment, scene};
use support::*;

/// Number of scenes a law. Together the laws take one to three minutes without optimisation.
const SCENES: u32 = 1_000;

/// Batches small enough that every scene has several.
const BATCH: usize = 7;

const YEAR: Span = Span::seconds(365 * 24 * 3_600);

fn with(workers: usize, sweep: Sweep) -> Options {
    Options { workers, sweep, ..keeping() }
}

/// What a law compares: what was seen, every flow, and how time ran.
fn told(audited: Audited) -> (Ledger, Vec<JudgedFlow>, Clock) {
    (audited.ledger, audited.flows, audited.clock)
}

fn raw(captured: &Captured, number: u64) -> RawPacket<'_> {
    let (at, link, original, bytes) = captured;
    RawPacket { at: *at, number, capture: 0, link: *link, original: (*original).max(bytes.len() as u32), bytes }
}

/// As many cases as PROPTEST_CASES says, else [`SCENES`].
fn config() -> ProptestConfig {
    let chosen = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { chosen.cases } else { SCENES };
    ProptestConfig { cases, failure_persistence: None, ..chosen }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_bytes_on_any_link_panic(packets in vec((moment(), link(), any::<u16>(), vec(any::<u8>(), 0..120)), 0..40)) {
        let packets: Vec<Captured> = packets.into_iter().map(|(at, link, more, bytes)| (at, link, u32::from(more), bytes)).collect();
        for packet in &packets {
            let raw = raw(packet, 1);
            let _ = (PacketBatch::of([raw]), general::decode(&raw), decode(&raw).map(|packet| packet.host_pair(raw.bytes)));
        }
        adds_up(packets)?;
    }

    #[test]
    fn no_bytes_behind_a_plausible_header_panic(
        packets in vec((moment(), vec(any::<u8>(), 0..120), 0..6usize), 0..40),
    ) {
        let first = [0x45, 0x4f, 0x60, 0x46, 0x65, 0x40];
        let plausible = packets.into_iter().map(|(at, mut bytes, kind)| {
            let link = if let Some(byte) = bytes.first_mut() { *byte = first[kind]; true } else { false };
            if link && bytes.len() > 9 {
                bytes[9] = [protocol::TCP, protocol::UDP, protocol::ICMP][kind % 3];
                bytes[6] = [protocol::TCP, 44, protocol::ICMPV6, 0, 60, 43][kind];
            }
            (at, cap_audit::packet::LinkType::RAW, 0, bytes)
        });
        adds_up(plausible.collect())?;
    }

    #[test]
    fn every_packet_is_decoded_or_skipped(scene in scene()) {
        adds_up(scene.packets())?;
    }

    #[test]
    fn both_directions_have_one_key(number in any::<u8>(), from in any::<([u8; 16], u16)>(), to in any::<([u8; 16], u16)>()) {
        let [from, to] = [from, to].map(|(address, port)| Endpoint { address: Address(address), port });
        let (there, side) = FlowKey::new(number, from, to);
        let (back, other) = FlowKey::new(number, to, from);
        prop_assert_eq!(there, back);
        prop_assert_eq!((there.endpoint(side), there.endpoint(!side)), (from, to));
        prop_assert_eq!((back.endpoint(other), back.endpoint(!other)), (to, from));
    }

    #[test]
    fn the_number_of_workers_changes_nothing(scene in scene()) {
        let packets = scene.packets();
        let one = told(audit_with(packets.clone(), with(1, Sweep::EveryBatch), BATCH));
        for workers in [2, 3, 7] {
            let many = told(audit_with(packets.clone(), with(workers, Sweep::EveryBatch), BATCH));
            prop_assert_eq!(&one, &many, "{} workers", workers);
        }
    }

    #[test]
    fn the_size_of_batches_changes_nothing(scene in scene()) {
        let packets = scene.packets();
        let one = told(audit_with(packets.clone(), with(2, Sweep::EveryBatch), 1));
        for size in [7, 256] {
            prop_assert_eq!(&one, &told(audit_with(packets.clone(), with(2, Sweep::EveryBatch), size)), "batches of {}", size);
        }
    }

    #[test]
    fn the_moment_of_sweeping_changes_nothing(scene in scene()) {
        let packets = scene.packets();
        let never = told(audit_with(packets.clone(), with(1, Sweep::Never), BATCH));
        for sweep in [Sweep::EveryBatch, Sweep::EveryPacket] {
            prop_assert_eq!(&never, &told(audit_with(packets.clone(), with(1, sweep), BATCH)), "{:?}", sweep);
        }
    }

    #[test]
    fn what_is_given_up_at_a_limit_depends_on_the_packets_alone(scene in scene()) {
        let packets = scene.packets();
        let told = |workers, sweep, batch| {
            let options = Options { limits: narrow(), ..with(workers, sweep) };
            told(audit_with(packets.clone(), options, batch))
        };
        let one = told(1, Sweep::Never, 256);
        prop_assert_eq!(one.0.received(), packets.len() as u64);
        for (workers, sweep, batch) in
            [(1, Sweep::EveryPacket, 1), (2, Sweep::EveryBatch, 7), (3, Sweep::Never, 1), (7, Sweep::EveryPacket, 256)]
        {
            prop_assert_eq!(&one, &told(workers, sweep, batch), "{} workers, {:?}, batches of {}", workers, sweep, batch);
        }
    }

    #[test]
    fn a_year_later_the_same_is_found(scene in scene()) {
        let packets = scene.packets();
        let now = audit_with(packets.clone(), with(1, Sweep::EveryBatch), BATCH);
        let then = audit_with(later(&packets, YEAR), with(1, Sweep::EveryBatch), BATCH);
        let earlier: Vec<Finding> = findings_of(&then).into_iter().map(a_year_earlier).collect();
        prop_assert_eq!(findings_of(&now), earlier);
        let earlier: Vec<Problem> = problems_of(&then).into_iter().map(|problem| Problem {
            first: problem.first.map(back),
            last: problem.last.map(back),
            works: problem.works.into_iter().map(|works| Works { until: works.until.map(back), ..works }).collect(),
            ..problem
        }).collect();
        prop_assert_eq!(problems_of(&now), earlier);
        prop_assert_eq!(now.tally(), then.tally());
        prop_assert_eq!(now.services(), then.services());
        let earlier: Vec<JudgedFlow> = then.flows.into_iter().map(a_year_younger).collect();
        prop_assert_eq!(now.flows, earlier);
    }

    #[test]
    fn every_finding_is_in_one_problem(scene in scene()) {
        let audited = audit(scene.packets());
        let (findings, problems) = (findings_of(&audited), problems_of(&audited));
        let mut told: Vec<usize> = problems.iter().flat_map(|problem| problem.findings.iter().copied()).collect();
        told.sort_unstable();
        let about = |place: &usize| !findings[*place].code.starts_with("quality.");
        prop_assert_eq!(told, (0..findings.len()).filter(about).collect::<Vec<_>>());
        let ids: BTreeSet<&String> = problems.iter().map(|problem| &problem.id).collect();
        prop_assert_eq!(ids.len(), problems.len());
    }

    #[test]
    fn sums_are_the_same_in_any_order_and_grouping(
        scenes in vec(scene(), 2..6),
        order in any::<[prop::sample::Index; 6]>(),
        split in any::<prop::sample::Index>(),
    ) {
        let parts: Vec<Ledger> = scenes.iter().map(|scene| audit(scene.packets()).ledger).collect();
        same_sum(&parts, &order, split)?;
    }

    #[test]
    fn what_is_written_down_reads_back_and_adds_up(
        scenes in vec(scene(), 1..4),
        order in any::<[prop::sample::Index; 6]>(),
        known in 0..3u32,
    ) {
        written_sum(&scenes.iter().map(Scene::packets).collect::<Vec<_>>(), &order, known)?;
    }

    #[test]
    fn a_damaged_ledger_is_refused_or_still_one(scene in scene(), harms in vec(harm(), 1..4)) {
        let mut text = written(&seen_in([0, 1], &scene.packets()), &["a.pcap", "b.pcap"]);
        harms.into_iter().for_each(|harm| damage(&mut text, harm));
        let mut captures = CaptureNames::default();
        if let Ok(ledger) = Ledger::read(&mut text.as_slice(), map(), &mut captures) {
            let names: Vec<&str> = captures.names().collect();
            prop_assert_eq!(&ledger, &read(&written(&ledger, &names), &mut captures.clone()));
            let mut double = ledger.clone();
            double += &ledger;
            let _ = (findings_in(&ledger), findings_in(&double));
        } else {
            prop_assert_eq!(captures.names().count(), 0, "an error leaves nothing behind");
        }
    }

    #[test]
    fn the_sums_and_the_flows_tell_one_story(scene in scene()) {
        let audited = audit(scene.packets());
        let tally = audited.tally();
        let count = |wanted: fn(&Judgement<'_>) -> bool| audited.flows.iter().filter(|flow| wanted(&flow.judgement)).count() as u64;
        prop_assert_eq!(tally.blocked, count(|judgement| judgement.outcome.is_blocked()));
        prop_assert_eq!(tally.expected, count(|judgement| judgement.verdict == Verdict::Expected));
        prop_assert_eq!(tally.unexpected, count(|judgement| judgement.verdict == Verdict::Unexpected));
        prop_assert_eq!(tally.unmapped, count(|judgement| judgement.verdict == Verdict::Unmapped));
        prop_assert_eq!(tally.not_evaluable, count(|judgement| judgement.verdict == Verdict::NotEvaluable));
        prop_assert_eq!(tally.evaluable, count(|judgement| judgement.outcome.is_evaluable()));
        prop_assert_eq!(tally.flows, audited.flows.len() as u64);
        let services = audited.services();
        prop_assert_eq!(services.values().map(|service| service.blocked).sum::<u64>(), tally.blocked);
        prop_assert_eq!(services.values().map(|service| service.carried.flows).sum::<u64>(), tally.flows);
        prop_assert_eq!(services.values().map(|service| service.carried.packets).sum::<u64>(), audited.ledger.flow_packets);
        for (service, told) in &services {
            let of_service = |flow: &&JudgedFlow| flow.judgement.service == *service;
            prop_assert_eq!(told.carried.flows, audited.flows.iter().filter(of_service).count() as u64);
        }
        // Every blocked flow that may concern Citrix is a sighting, and none other is a sign of a block.
        let judge = Judge::new(map(), &audited.ledger);
        let is_block = |sign: &Sign| matches!(sign, Sign::Blocked(_));
        let sighted: u64 = audited.ledger.sightings.iter()
            .filter(|(sighting, _)| judge.signs(sighting).iter().flatten().any(is_block))
            .map(|(_, seen)| seen.flows)
            .sum();
        let concerning = |judgement: &Judgement<'_>| {
            judgement.outcome.is_blocked() && (judgement.verdict != Verdict::Unmapped || judgement.generic)
        };
        prop_assert_eq!(sighted, count(concerning));
        // Whatever is a sign of something is sighted.
        for flow in &audited.flows {
            let showing = showing(&flow.record);
            let matching = Matching::of(&flow.record, showing, map());
            let sighting = Sighting { showing, matching, path: Path::of(&flow.record) };
            if judge.signs(&sighting).iter().any(Option::is_some) {
                prop_assert!(audited.ledger.sightings.get(&sighting).is_some(), "{:?} is not sighted", sighting);
            }
        }
    }
}

/// Received is decoded and skipped, however many workers there are; and each flow's packets were among the decoded.
fn adds_up(packets: Vec<Captured>) -> Result<(), TestCaseError> {
    let given = packets.len() as u64;
    let expected = packets.iter().filter(|packet| decode(&raw(packet, 1)).is_ok()).count() as u64;
    for workers in [1, 3] {
        let harvest = audit_with(packets.clone(), with(workers, Sweep::EveryBatch), BATCH);
        prop_assert_eq!(harvest.ledger.received(), given);
        prop_assert_eq!(harvest.ledger.decoded + skipped(&harvest.ledger), given);
        prop_assert!(harvest.ledger.decoded <= expected);
        prop_assert!(harvest.ledger.flow_packets <= harvest.ledger.decoded);
        let of_flows: u64 = harvest.flows.iter().map(|flow| flow.record.packets()).sum();
        prop_assert_eq!(of_flows, harvest.ledger.flow_packets);
        let _ = findings_of(&harvest);
    }
    Ok(())
}

/// Packets that were not decoded, for whatever reason, in whatever capture.
fn skipped(ledger: &Ledger) -> u64 {
    ledger.skipped.values().flatten().sum()
}

/// The sum in this order and grouping is that from left to right, and zero changes nothing.
fn same_sum(
    parts: &[Ledger],
    order: &[prop::sample::Index; 6],
    split: prop::sample::Index,
) -> Result<(), TestCaseError> {
    let sum = |parts: &[&Ledger]| {
        parts.iter().fold(Ledger::default(), |mut sum, part| {
            sum += part;
            sum
        })
    };
    let straight = sum(&parts.iter().collect::<Vec<_>>());
    let mut shuffled: Vec<&Ledger> = parts.iter().collect();
    for place in (1..shuffled.len()).rev() {
        shuffled.swap(place, order[place % order.len()].index(place + 1));
    }
    let (left, right) = shuffled.split_at(split.index(shuffled.len() + 1));
    prop_assert_eq!(&straight, &sum(&[&sum(left), &sum(right)]));
    prop_assert_eq!(&straight, &sum(&[&straight, &Ledger::default()]));
    Ok(())
}

/// Several machines write down what they saw, each with captures 0 and 1. A process that knows some captures already reads it in
/// some order: the sum is that of one machine which numbered all captures in this way.
fn written_sum(machines: &[Vec<Captured>], order: &[prop::sample::Index; 6], known: u32) -> Result<(), TestCaseError> {
    let name = |machine: usize, capture: u32| format!("machine-{machine}/{capture}.pcap");
    let mut captures = CaptureNames::default();
    (0..known).for_each(|number| assert_eq!(captures.number(&format!("known-{number}.pcap")), Some(number)));
    let mut turns: Vec<usize> = (0..machines.len()).collect();
    for place in (1..turns.len()).rev() {
        turns.swap(place, order[place % order.len()].index(place + 1));
    }
    let (mut sum, mut live) = (Ledger::default(), Ledger::default());
    for machine in turns {
        let names = [0, 1].map(|capture| name(machine, capture));
        let [first, second] = [&*names[0], &*names[1]];
        let ledger = seen_in([0, 1], &machines[machine]);
        let text = written(&ledger, &[first, second]);
        prop_assert_eq!(&ledger, &read(&text, &mut CaptureNames::default()));
        // There and back by way of a process that numbers the two the other way round.
        let mut swapped = CaptureNames::default();
        assert_eq!([second, first].map(|name| swapped.number(name)), [Some(0), Some(1)]);
        let by_way = read(&text, &mut swapped);
        let mut straight = CaptureNames::default();
        assert_eq!([first, second].map(|name| straight.number(name)), [Some(0), Some(1)]);
        prop_assert_eq!(&ledger, &read(&written(&by_way, &[second, first]), &mut straight));
        sum += &read(&text, &mut captures);
    }
    for (machine, packets) in machines.iter().enumerate() {
        let numbers = [0, 1].map(|capture| captures.number(&name(machine, capture)).expect("it was read"));
        live += &seen_in(numbers, packets);
    }
    prop_assert_eq!(sum, live);
    Ok(())
}

/// What an audit sees of packets that lie in two captures of these numbers by turns.
fn seen_in(captures: [u32; 2], packets: &[Captured]) -> Ledger {
    let mut audit = Audit::new(citrix(), Limits::default(), Flows::Counted);
    let mut now = Timestamp(i64::MIN);
    for (place, captured) in packets.iter().enumerate() {
        // Time runs forward, as the way into a batch makes it.
        now = now.max(captured.0);
        let raw = RawPacket { at: now, capture: captures[place % 2], ..raw(captured, place as u64 / 2 + 1) };
        audit.observe(&raw);
    }
    audit.finish(now).0
}

fn written(ledger: &Ledger, captures: &[&str]) -> Vec<u8> {
    let mut text = Vec::new();
    ledger.write(map(), captures, &mut text).expect("every capture has a name");
    text
}

fn read(text: &[u8], captures: &mut CaptureNames) -> Ledger {
    let mut rest = text;
    let ledger = Ledger::read(&mut rest, map(), captures).unwrap_or_else(|error: ReadError| panic!("{error}"));
    assert!(rest.is_empty(), "the last line ends the ledger");
    ledger
}

/// Changes, removes or repeats a little of a line; most often a digit, so that it stays a ledger in form.
fn damage(text: &mut Vec<u8>, Harm { line, place, what, byte }: Harm) {
    let lines = text.iter().filter(|byte| **byte == b'\n').count();
    let mut ends = text.split_inclusive(|byte| *byte == b'\n').scan(0, |end, line| {
        *end += line.len();
        Some(*end - line.len()..*end)
    });
    let Some(line) = ends.nth(line.index(lines.max(1))) else { return };
    let at = line.start + place.index(line.len());
    let digit = text[at..line.end].iter().position(u8::is_ascii_digit).map_or(at, |digit| at + digit);
    match what % 12 {
        0 => text[at] = byte,
        1 => drop(text.remove(at)),
        2 => drop(text.drain(line)),
        3 => drop(text.splice(at..at, text[line].to_vec())),
        4..8 => text[digit] = b'0' + byte % 10,
        _ => text.insert(digit, b'0' + byte % 10),
    }
}

/// A little damage, and where.
#[derive(Debug)]
struct Harm {
    line: prop::sample::Index,
    place: prop::sample::Index,
    what: u8,
    byte: u8,
}

fn harm() -> impl Strategy<Value = Harm> {
    any::<(prop::sample::Index, prop::sample::Index, u8, u8)>().prop_map(|(line, place, what, byte)| Harm {
        line,
        place,
        what,
        byte,
    })
}

fn back(at: Timestamp) -> Timestamp {
    at + Span(-YEAR.0)
}

fn a_year_earlier(finding: Finding) -> Finding {
    let seen = finding.seen.map(|seen| {
        let begun = seen.begun - i128::from(YEAR.0) * i128::from(seen.flows);
        let latest = Few::of(seen.latest.iter().map(|began| Reverse(back(began.0))), seen.latest.len());
        Box::new(Seen { first: back(seen.first), latest, begun, last: back(seen.last), ..*seen })
    });
    Finding { first: finding.first.map(back), last: finding.last.map(back), seen, ..finding }
}

fn a_year_younger(flow: JudgedFlow) -> JudgedFlow {
    let record = flow.record;
    let (first, last, until) = (back(record.first), back(record.last), back(record.until));
    let [answered_at, established_at, spoke_at] =
        [record.answered_at, record.established_at, record.spoke_at].map(|at| at.map(back));
    JudgedFlow { record: FlowRecord { first, last, until, answered_at, established_at, spoke_at, ..record }, ..flow }
}

// Beyond the limits.

/// A silent TCP flow from one of very many clients.
fn silent(number: u32) -> FlowRecord {
    let [_, a, b, c] = number.to_be_bytes();
    let end = |octets: [u8; 4], port| Endpoint { address: Address::v4(octets), port };
    let opener = PacketRef { capture: 0, packet: u64::from(number) + 1 };
    let at = START + Span::millis(i64::from(number));
    FlowRecord {
        protocol: protocol::TCP,
        client: end([10, a, b, c], 40_000),
        server: end([11, a, b, c], 2598),
        basis: DirectionBasis::Handshake,
        opener,
        first: at,
        last: at + Span::seconds(9),
        until: at + Span::seconds(189),
        cut_off: false,
        from_client: Counts { packets: 3, ip_bytes: 120, ..Counts::default() },
        from_server: Counts::default(),
        tcp: TcpState::default(),
        syns: 3,
        udp_tries: 0,
        syn_acks: 0,
        first_number: None,
        answered_at: None,
        established_at: None,
        handshake_rtt: None,
        spoke_at: None,
        data_rtt: None,
        idle_before_end: None,
        marks: Marks(Marks::SYN_SEEN),
        reset_after: None,
        greeting: None,
        reset: None,
        reset_delay: None,
        vlans: Vlans::default(),
        heard: None,
        icmp: None,
        death: None,
        extras: None,
        evidence: vec![Evidence { at: opener, note: Note::Syn(1) }],
        shown: 0,
    }
}

/// The other direction of such a flow is missing: it makes the network pair known, and nothing else.
fn unseen(number: u32) -> FlowRecord {
    let flow = silent(number);
    let elsewhere = Endpoint { port: 12_345, ..flow.server };
    FlowRecord { server: elsewhere, marks: Marks(Marks::SYN_SEEN | Marks::CLIENT_SPOKE), ..flow }
}

/// A session that carried something both ways.
fn session(number: u32) -> FlowRecord {
    let flow = silent(number);
    let said = Counts { packets: 3, ip_bytes: 220, payload_bytes: 100, ..Counts::default() };
    let marks = Marks(Marks::SYN_SEEN | Marks::CLIENT_WENT_ON | Marks::SERVER_WENT_ON | Marks::CLIENT_SPOKE);
    FlowRecord {
        from_client: said,
        from_server: said,
        syns: 1,
        syn_acks: 1,
        answered_at: Some(flow.first),
        established_at: Some(flow.first),
        greeting: Some(Sender { ttl: (number % 200) as u8, ..Sender::default() }),
        marks,
        ..flow
    }
}

/// One of very many clients at one port of one server.
fn at_one_port(number: u32) -> FlowRecord {
    let flow = silent(number);
    let address = Address::v4([11, 0, 0, 1]);
    FlowRecord { server: Endpoint { address, ..flow.server }, ..flow }
}

/// One client at one of very many servers.
fn by_one_client(number: u32) -> FlowRecord {
    let flow = silent(number);
    let address = Address::v4([10, 0, 0, 1]);
    FlowRecord { client: Endpoint { address, ..flow.client }, ..flow }
}

fn book(flows: impl IntoIterator<Item = FlowRecord>) -> Ledger {
    let mut ledger = Ledger::default();
    flows.into_iter().for_each(|flow| ledger.enter(&flow, map()));
    ledger
}

/// The sums of the same flows in one book, in reverse, and dealt to three in two ways.
fn books(count: u32, flow: fn(u32) -> FlowRecord) -> [Ledger; 4] {
    let straight = book((0..count).map(flow));
    let reverse = book((0..count).rev().map(flow));
    let dealt = |forward: bool| {
        let parts = [0, 1, 2].map(|lane| book((0..count).filter(|number| number % 3 == lane).map(flow)));
        let mut sum = Ledger::default();
        let order = if forward { [0, 1, 2] } else { [2, 1, 0] };
        order.into_iter().for_each(|lane| sum += &parts[lane]);
        sum
    };
    [straight, reverse, dealt(true), dealt(false)]
}

#[test]
fn beyond_the_limits_of_steps_the_sum_is_still_the_same() {
    let more = STEP_LIMIT as u32 + 500;
    for (flow, counts) in [(session as fn(u32) -> FlowRecord, [STEP_LIMIT, 0, 0]), (silent, [0, OTHER_STEP_LIMIT, 0])] {
        let [straight, others @ ..] = books(more, flow);
        assert_eq!((straight.steps.counts(), straight.steps.incomplete), (counts, true));
        others.iter().for_each(|other| assert!(straight.steps == other.steps));
    }
}

#[test]
fn beyond_the_limit_of_sightings_the_sum_is_still_the_same() {
    let more = SIGHTING_LIMIT as u32 + 5_000;
    let [straight, others @ ..] = books(more, silent);
    assert_eq!(straight.sightings.len(), SIGHTING_LIMIT);
    assert_eq!(straight.sightings.unlisted, 5_000);
    for other in others {
        assert_eq!(straight.sightings.unlisted, other.sightings.unlisted);
        assert!(straight == other);
    }
}

#[test]
fn beyond_the_limit_of_pairs_the_sum_is_still_the_same() {
    // Each flow lies between two networks of its own, in more networks than are kept.
    let [straight, others @ ..] = books(60_000, |number| unseen(number << 8));
    let seen = &straight.visibility;
    for pairs in [seen.hosts(), seen.networks()] {
        assert_eq!((pairs.len(), pairs.unlisted), (PAIR_LIMIT, 10_000));
    }
    let remarked = |ledger: &Ledger| {
        let case = Case { ledger: ledger.clone(), ..Case::new(citrix()) };
        let conclusion = case.conclude();
        let remarks = Report::new(&conclusion).quality.remarks;
        remarks.iter().any(|remark| matches!(remark, Remark::Fact { key: "about-many-pairs", .. }))
    };
    assert!(remarked(&straight), "the report says that a bound was met");
    assert!(!remarked(&book((0..100).map(|number| unseen(number << 8)))));
    for other in others {
        assert!(straight == other);
    }
}

#[test]
fn beyond_the_limit_of_paths_the_sum_is_still_the_same() {
    let [straight, others @ ..] = books(PATH_LIMIT as u32 + 3_000, session);
    assert_eq!((straight.paths.counts(), straight.paths.incomplete), ([PATH_LIMIT, 0, 0], true));
    for other in others {
        assert!(straight == other);
    }
}

#[test]
fn more_than_is_kept_one_by_one_becomes_a_crowd_in_the_same_way() {
    for flow in [at_one_port as fn(u32) -> FlowRecord, by_one_client] {
        let count = SIGHTING_LIMIT as u32 + 700;
        let [straight, others @ ..] = books(count, flow);
        let sightings = &straight.sightings;
        let of_clients = sightings.crowds_of_clients().map(|(_, crowd)| crowd);
        let crowds: Vec<_> = of_clients.chain(sightings.crowds_of_targets().map(|(_, crowd)| crowd)).collect();
        assert_eq!(crowds.iter().map(|crowd| crowd.flows()).collect::<Vec<_>>(), [u64::from(count)]);
        assert_eq!((crowds[0].hosts().len(), crowds[0].ports()), (HOSTS_NAMED, &[(protocol::TCP, 2598)][..]));
        assert_eq!((sightings.len(), sightings.unlisted), (0, 0));
        for other in others {
            assert!(straight == other);
        }
    }
}

#[test]
fn at_its_limits_a_ledger_reads_back_and_adds_up() {
    type Making = fn(u32) -> FlowRecord;
    let beyond: [(usize, Making); 5] = [
        (SIGHTING_LIMIT, silent),
        (PAIR_LIMIT, |number| unseen(number << 8)),
        (SIGHTING_LIMIT, at_one_port),
        (SIGHTING_LIMIT, by_one_client),
        (PATH_LIMIT, session),
    ];
    for (limit, flow) in beyond {
        let count = limit as u32 + 1_000;
        let full = book((0..count).map(flow));
        let rest = book((count - 2_000..count + 1_000).map(flow));
        let [full_again, rest_again] =
            [&full, &rest].map(|ledger| read(&written(ledger, &["a.pcap"]), &mut CaptureNames::default()));
        assert!(full == full_again && rest == rest_again);
        let (mut live, mut again) = (rest, full_again);
        live += &full;
        again += &rest_again;
        assert!(live == again);
    }
}

/// A conversation that a client's own words show to be none of Citrix, cut off by the server of a session port.
fn scanner(number: u32) -> FlowRecord {
    let flow = session(number);
    let heard = Heard {
        protocol: Protocol::Http,
        strength: Strength::Strong,
        by_server: false,
        citrix_hint: false,
        details: None,
    };
    let [_, a, b, c] = number.to_be_bytes();
    let from_server = Counts { packets: 2, ip_bytes: 80, ..Counts::default() };
    let client = Endpoint { address: Address::v4([80, a, b, c]), ..flow.client };
    let (reset_after, heard) = (Some(Span::millis(5)), Some(heard));
    FlowRecord { client, from_server, reset_after, heard, ..flow }
}

/// A handshake that nothing follows, as a monitor makes it.
fn handshake(number: u32) -> FlowRecord {
    let flow = session(number);
    let empty = Counts { packets: 2, ip_bytes: 80, ..Counts::default() };
    FlowRecord { from_client: empty, from_server: empty, ..flow }
}

/// Too few tries to say anything.
fn doubtful(number: u32) -> FlowRecord {
    FlowRecord { syns: 1, ..silent(number) }
}

/// A flow whose client comes after all others in order.
fn last(flow: FlowRecord) -> FlowRecord {
    let address = Address::v4([223, 255, 255, 254]);
    FlowRecord { client: Endpoint { address, ..flow.client }, ..flow }
}

#[test]
fn a_flood_of_what_says_little_pushes_out_nothing_that_says_more() {
    let foreign = FlowRecord {
        heard: Some(Heard {
            protocol: Protocol::Ssh,
            strength: Strength::Strong,
            by_server: true,
            citrix_hint: false,
            details: None,
        }),
        ..session(1)
    };
    for flood in [doubtful, scanner] {
        let count = SIGHTING_LIMIT as u32 + 500;
        let ledger = book((1..=count).map(flood).chain([last(silent(1)), last(foreign.clone())]));
        assert_eq!((ledger.sightings.len(), ledger.sightings.unlisted), (SIGHTING_LIMIT, 502));
        let judge = Judge::new(map(), &ledger);
        let signs: Vec<Sign> =
            ledger.sightings.iter().flat_map(|(sighting, _)| judge.signs(sighting)).flatten().collect();
        assert!(signs.contains(&Sign::Blocked(Outcome::Silent)), "a block is kept");
        assert!(signs.contains(&Sign::Foreign(Protocol::Ssh)), "another protocol on a session port is kept");
    }
}

#[test]
fn a_flood_of_handshakes_pushes_out_no_session() {
    let works = last(session(1));
    let path = Path::of(&works);
    let ledger = book((1..=PATH_LIMIT as u32 + 500).map(handshake).chain([works]));
    assert!(ledger.paths.working(&path).is_some());
    assert_eq!(ledger.paths.counts(), [1, PATH_LIMIT, 0]);
    assert!(ledger.paths.answers_incomplete && !ledger.paths.incomplete);
}

#[test]
fn beyond_the_limit_of_sightings_the_number_of_workers_changes_nothing() {
    let count = SIGHTING_LIMIT as u32 + 1_000;
    let attempt = |number: u32| {
        let [_, a, b, c] = number.to_be_bytes();
        let talk = Talk::between(client(&format!("10.{a}.{b}.{c}"), 40_000), server(&format!("11.{a}.{b}.{c}"), 2598));
        let packets = talk.syn().packets();
        later(&packets, Span::millis(i64::from(number)))
    };
    let packets: Vec<Captured> = (0..count).flat_map(attempt).collect();
    let one = audit_with(packets.clone(), with(1, Sweep::EveryBatch), 256).ledger;
    let judge = Judge::new(map(), &one);
    let doubtful = |sign: &Sign| matches!(sign, Sign::Doubtful(_));
    assert!(one.sightings.iter().all(|(sighting, _)| judge.signs(sighting).iter().flatten().all(doubtful)));
    // The first 20 seconds and more of the attempts were watched long enough to tell that they were too few.
    assert_eq!((one.sightings.len(), one.sightings.unlisted), (SIGHTING_LIMIT, 1_000));
    let three = audit_with(packets, with(3, Sweep::EveryBatch), 64).ledger;
    assert!(one == three);
}

/// Limits that every scene meets.
fn narrow() -> Limits {
    Limits { flows: 3, openings: 100 }
}

#[test]
fn beyond_the_limit_of_flows_every_packet_is_still_followed() {
    // Two hundred conversations that are alive at once, where fifty are followed.
    let limits = Limits { flows: 50, ..Limits::default() };
    let attempt = |number: u8| {
        let talk = Talk::between(client(&format!("10.0.0.{number}"), 40_000), server("10.0.1.1", 2598));
        later(&talk.opened().says(b"hello").packets(), Span::millis(i64::from(number)))
    };
    let packets = merge((1..=200).map(attempt));
    let one = told(audit_with(packets.clone(), Options { limits, ..with(1, Sweep::EveryBatch) }, BATCH));
    assert_eq!((skipped(&one.0), one.0.flow_packets), (0, packets.len() as u64));
    assert!(one.0.flows_given_up >= 150, "{}", one.0.flows_given_up);
    let let_go = one.1.iter().filter(|flow| flow.record.marks.has(Marks::LET_GO) && flow.record.cut_off).count();
    assert_eq!(let_go as u64, one.0.flows_given_up);
    assert!(remarks(&one.0).contains(&"about-flow-limit"));
    for (workers, batch) in [(1, 1), (2, BATCH), (3, 256), (7, BATCH)] {
        let options = Options { limits, ..with(workers, Sweep::EveryBatch) };
        assert!(one == told(audit_with(packets.clone(), options, batch)), "{workers} workers, batches of {batch}");
    }
}

#[test]
fn beyond_the_limit_of_flows_idle_ones_count_for_nothing() {
    // One flow at a time is alive; the others have been idle too long, swept or not.
    let limits = Limits { flows: 2, ..Limits::default() };
    let attempt = |number: u32| {
        let talk = Talk::udp(client("10.0.0.14", 40_000 + number as u16), server("10.0.1.1", 514)).says(b"line");
        later(&talk.packets(), Span::seconds(200 * i64::from(number)))
    };
    let packets = merge((0..10).map(attempt));
    for (workers, sweep) in
        [(1, Sweep::Never), (1, Sweep::EveryBatch), (1, Sweep::EveryPacket), (3, Sweep::Never), (7, Sweep::EveryBatch)]
    {
        let other = told(audit_with(packets.clone(), Options { limits, ..with(workers, sweep) }, BATCH));
        assert_eq!((other.1.len(), other.0.flows_given_up), (10, 0), "{workers} workers, {sweep:?}");
    }
}

/// Keys of the remarks on what an audit could not do.
fn remarks(ledger: &Ledger) -> Vec<&'static str> {
    let case = Case { ledger: ledger.clone(), ..Case::new(citrix()) };
    let conclusion = case.conclude();
    let key = |remark: Remark| match remark {
        Remark::Fact { key, .. } => Some(key),
        Remark::Finding(_) => None,
    };
    Report::new(&conclusion).quality.remarks.into_iter().filter_map(key).collect()
}
