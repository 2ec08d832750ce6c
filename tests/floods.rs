//! Floods at the limit of flows: whatever an attacker sends between hosts of his own, the findings about others stay.
//!
//! The limits are lowered, so that a flood of seconds meets them. Two million forged sources are ignored by default:
//! `cargo test --release --test floods -- --ignored`.

mod support;

use cap_audit::case::Case;
use cap_audit::finding::{Finding, Severity};
use cap_audit::flow::{Limits, Marks};
use cap_audit::ledger::Ledger;
use cap_audit::packet::Address;
use cap_audit::pipeline::Options;
use cap_audit::report::{Remark, Report};
use cap_audit::time::Span;
use support::*;

const CGP: u16 = 2598;
const ICA: u16 = 1494;
const GREETING: &[u8] = b"\x7f\x7fICA\0";

/// A client whose tries on 2598 are never answered, and another that is refused there and falls back to 1494.
fn case() -> Vec<Captured> {
    let talk = |from: &str, port, to: &str| Talk::between(client(from, 50_001), server(to, port));
    let silent = talk("10.0.0.14", CGP, "10.0.0.22").syn().wait(Span::seconds(3)).syn_again();
    let silent = silent.wait(Span::seconds(6)).syn_again().packets();
    let refused = talk("10.0.0.15", CGP, "10.0.0.23").at(START + Span::millis(100)).syn().refused().packets();
    let session = talk("10.0.0.15", ICA, "10.0.0.23").at(START + Span::millis(700)).opened();
    let session = session.answers(GREETING).says(GREETING).wait(Span::seconds(20)).says(b"on").answers(b"on").packets();
    merge([silent, refused, session])
}

/// SYNs that nothing follows, evenly over eight seconds: their number, and source and target of each.
#[derive(Clone, Copy)]
struct Flood {
    count: u32,
    ends: fn(u32) -> [([u8; 4], u16); 2],
}

impl Flood {
    fn packets(self) -> impl Iterator<Item = Captured> {
        let syn = Talk::between(client("10.9.9.1", 1), server("10.9.9.2", 1)).syn().packets().remove(0);
        (0..self.count).map(move |number| {
            let mut packet = syn.clone();
            packet.0 = START + Span::micros(i64::from(number) * 8_000_000 / i64::from(self.count));
            let [(from, from_port), (to, to_port)] = (self.ends)(number);
            // Addresses stand at the end of the IPv4 header of twenty bytes, and ports after it. Nobody looks at checksums.
            packet.3[26..30].copy_from_slice(&from);
            packet.3[30..34].copy_from_slice(&to);
            packet.3[34..36].copy_from_slice(&from_port.to_be_bytes());
            packet.3[36..38].copy_from_slice(&to_port.to_be_bytes());
            packet
        })
    }

    /// Together with the case, in the order of time.
    fn with_case(self) -> Vec<Captured> {
        let mut packets: Vec<Captured> = self.packets().chain(case()).collect();
        packets.sort_by_key(|packet| packet.0);
        packets
    }
}

fn audited(packets: Vec<Captured>, limit: usize, workers: usize, batch: usize) -> Audited {
    let limits = Limits { flows: limit, ..Limits::default() };
    audit_with(packets, Options { workers, limits, ..keeping() }, batch)
}

fn is_of_case(client: Address) -> bool {
    ["10.0.0.14", "10.0.0.15"].map(address).contains(&client)
}

/// The findings about the hosts of the case.
fn of_case(ledger: &Ledger) -> Vec<(&'static str, Severity)> {
    let case = Case { ledger: ledger.clone(), ..Case::new(citrix()) };
    let about = |finding: &Finding| finding.clients.iter().any(|&client| is_of_case(client));
    let mut codes: Vec<_> = case
        .conclude()
        .findings
        .iter()
        .filter(|finding| about(finding) && !finding.code.starts_with("quality."))
        .map(|finding| (finding.code, finding.severity))
        .collect();
    codes.sort_unstable();
    codes
}

/// The same findings as without the flood, and the report says what was given up.
fn stands(flood: Flood, limit: usize) {
    let expected = of_case(&audit(case()).ledger);
    let codes: Vec<&str> = expected.iter().map(|(code, _)| *code).collect();
    assert!(codes.contains(&"blocked.silent") && codes.contains(&"fallback.cgp-to-ica"), "{codes:?}");
    let packets = flood.with_case();
    let (number, count) = (packets.len() as u64, u64::from(flood.count));
    let flooded = audited(packets.clone(), limit, 2, 256);
    assert_eq!(of_case(&flooded.ledger), expected);
    assert_eq!((flooded.ledger.received(), flooded.ledger.flow_packets), (number, number));
    let room = limit as u64 + limit as u64 / 16 + 1;
    let given_up = flooded.ledger.flows_given_up;
    assert!(given_up <= count && given_up + room >= count, "{given_up}: all but what there is room for");
    for flow in flooded.flows.iter().filter(|flow| flow.record.marks.has(Marks::LET_GO)) {
        assert!(!is_of_case(flow.record.client.address), "of the case nothing is given up: {flow:?}");
        assert!(flow.record.cut_off && !flow.judgement.outcome.is_blocked(), "nobody knows what came next: {flow:?}");
    }
    let told = Case { ledger: flooded.ledger.clone(), ..Case::new(citrix()) };
    let remarks = Report::new(&told.conclude()).quality.remarks;
    assert!(remarks.iter().any(|remark| matches!(remark, Remark::Fact { key: "about-flow-limit", .. })));
    assert!(flooded == audited(packets, limit, 3, 999), "the number of workers and the size of batches change nothing");
}

fn forged(number: u32) -> [u8; 4] {
    let [_, a, b, c] = number.to_be_bytes();
    [172, a, b, c]
}

const ATTACKER: [u8; 4] = [192, 168, 7, 7];
const TARGET: [u8; 4] = [192, 168, 8, 8];

#[test]
fn a_flood_between_two_hosts_removes_nothing_of_others() {
    let ends = |number| [(ATTACKER, 1_024 + (number % 60_000) as u16), (TARGET, 5_000 + (number / 60_000) as u16)];
    stands(Flood { count: 126_000, ends }, 20_000);
}

#[test]
fn a_flood_of_a_port_of_the_map_removes_nothing_of_others() {
    let ends = |number| [(ATTACKER, 1_024 + number as u16), (TARGET, CGP)];
    stands(Flood { count: 12_000, ends }, 1_500);
}

#[test]
fn forged_sources_remove_nothing_of_others() {
    stands(Flood { count: 12_000, ends: |number| [(forged(number), 40_000), (TARGET, CGP)] }, 1_500);
}

#[test]
fn a_scan_of_many_hosts_removes_nothing_of_others() {
    stands(Flood { count: 12_000, ends: |number| [(ATTACKER, 40_000), (forged(number), CGP)] }, 1_500);
}

#[test]
#[ignore = "takes a minute: cargo test --release --test floods -- --ignored"]
fn two_million_forged_sources_remove_nothing_of_others() {
    stands(Flood { count: 2_000_000, ends: |number| [(forged(number), 40_000), (TARGET, CGP)] }, 100_000);
}

#[test]
fn silences_from_the_lowest_addresses_push_out_no_real_one() {
    // More of them than are kept one by one, each with three tries, at a few servers.
    let forged = |number: u32| {
        let [_, a, b, c] = number.to_be_bytes();
        let talk =
            Talk::between(client(&format!("1.{a}.{b}.{c}"), 40_000), server(&format!("10.8.0.{}", number % 13), 2598));
        let talk = talk.at(START + Span::micros(i64::from(number))).syn().wait(Span::seconds(2)).syn_again();
        talk.wait(Span::seconds(4)).syn_again().packets()
    };
    let real = Talk::between(client("10.0.0.14", 50_001), server("10.0.0.22", 2598)).at(START);
    let real = real.syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again().packets();
    let count = cap_audit::ledger::SIGHTING_LIMIT as u32 + 1_000;
    let mut packets: Vec<Captured> = (0..count).flat_map(forged).chain(real).collect();
    packets.sort_by_key(|packet| packet.0);
    packets.extend(support::meanwhile(START + Span::seconds(60)));
    let audited = support::audit_with(packets, cap_audit::pipeline::Options::default(), 256);
    let server = support::address("10.0.0.22");
    let told = support::findings_of(&audited);
    assert!(
        told.iter().any(|finding| finding.code == "blocked.silent" && finding.servers == [server]),
        "the real one is told"
    );
}
