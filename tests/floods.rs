//! Floods at the limit of flows: whatever an attacker sends between hosts of his own, the findings about others stay.
//!
//! The limits are lowered, so that a flood of seconds meets them. Two million forged sources are ignored by default:
//! `cargo test --release --test floods -- --ignored`.

mod support;

use cap_audit::case::Case;
use cap_audit::finding::{Finding, Severity};
use cap_audit::flow::{Limits, Marks};
use cap_audit::ledger::Ledger;
use cap_audit::packet::{Filling, RawPacket};
use cap_audit::pipeline::{Options, Sweep, run};
use cap_audit::report::{Remark, Report};
use cap_audit::source::{More, ReadError, Source};
use cap_audit::time::{Span, Timestamp};
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

/// SYNs with nothing behind them, evenly over the first eight seconds, from a source of this number to a target of this number.
#[derive(Clone, Copy)]
struct Flood {
    count: u32,
    ends: fn(u32) -> (Place, Place),
}

impl Flood {
    fn syn(self, number: u32) -> Captured {
        let (from, to) = (self.ends)(number);
        let mut packets = Talk::between(from, to).syn().packets();
        let mut packet = packets.remove(0);
        packet.0 = START + Span::micros(i64::from(number) * 8_000_000 / i64::from(self.count));
        packet
    }
}

/// The packets of a case among those of a flood, made as they are asked for.
struct Attack {
    flood: Flood,
    sent: u32,
    case: std::vec::IntoIter<Captured>,
    number: u64,
    batch: usize,
}

impl Attack {
    fn new(flood: Flood, batch: usize) -> Attack {
        Attack { flood, sent: 0, case: case().into_iter(), number: 0, batch }
    }

    fn next(&mut self) -> Option<Captured> {
        let flood = (self.sent < self.flood.count).then(|| self.flood.syn(self.sent));
        let of_case = self.case.as_slice().first().map(|packet| packet.0);
        match (flood, of_case) {
            (Some(flood), at) if at.is_none_or(|at| flood.0 < at) => {
                self.sent += 1;
                Some(flood)
            }
            _ => self.case.next(),
        }
    }
}

impl Source for Attack {
    fn fill(&mut self, filling: &mut Filling<'_>) -> Result<More, ReadError> {
        filling.block.clear();
        for _ in 0..self.batch {
            let Some((at, link, original, bytes)) = self.next() else { return Ok(More::No) };
            self.number += 1;
            let original = original.max(bytes.len() as u32);
            filling.copy(&RawPacket { at, number: self.number, capture: 0, link, original, bytes: &bytes });
        }
        Ok(More::Maybe)
    }

    fn first(&self) -> Option<Timestamp> {
        Some(START)
    }
}

fn audited(flood: Flood, limit: usize, workers: usize, batch: usize) -> Audited {
    let limits = Limits { flows: limit, ..Limits::default() };
    let options = Options { workers, limits, sweep: Sweep::EveryBatch, ..keeping() };
    Audited::of(run(&mut [Attack::new(flood, batch)], &citrix(), options).expect("it is made here"))
}

/// The findings about the hosts of the case.
fn of_case(ledger: &Ledger) -> Vec<(&'static str, Severity)> {
    let case = Case { ledger: ledger.clone(), ..Case::new(citrix()) };
    let about = |finding: &Finding| finding.clients.iter().any(|client| client.to_string().starts_with("10.0.0.1"));
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
    let alone =
        Audited::of(run(&mut [Attack::new(Flood { count: 0, ..flood }, 256)], &citrix(), keeping()).expect("memory"));
    let expected = of_case(&alone.ledger);
    let codes: Vec<&str> = expected.iter().map(|(code, _)| *code).collect();
    assert!(codes.contains(&"blocked.silent") && codes.contains(&"fallback.cgp-to-ica"), "{codes:?}");
    let flooded = audited(flood, limit, 2, 256);
    assert_eq!(of_case(&flooded.ledger), expected);
    let given_up = flooded.ledger.flows_given_up;
    let room = limit as u64 + limit as u64 / 16 + 1;
    assert!(given_up + room >= u64::from(flood.count), "{given_up}: all but what there is room for");
    assert_eq!(flooded.ledger.received(), u64::from(flood.count) + case().len() as u64);
    let of_others = |flow: &&JudgedFlow| !flow.record.client.address.to_string().starts_with("10.0.0.1");
    let let_go = flooded.flows.iter().filter(|flow| flow.record.marks.has(Marks::LET_GO));
    assert!(let_go.clone().all(|flow| of_others(&flow)), "of the case nothing is given up");
    assert_eq!(
        let_go.clone().filter(|flow| flow.judgement.outcome.is_blocked()).count(),
        0,
        "nobody knows what came next"
    );
    let told = Case { ledger: flooded.ledger.clone(), ..Case::new(citrix()) };
    let remarks = Report::new(&told.conclude()).quality.remarks;
    assert!(remarks.iter().any(|remark| matches!(remark, Remark::Fact { key: "about-flow-limit", .. })));
    for (workers, batch) in [(1, 256), (3, 999)] {
        assert!(flooded == audited(flood, limit, workers, batch), "{workers} workers");
    }
}

/// Ports of one host, and of another.
fn of_two_hosts(number: u32) -> (Place, Place) {
    let (port, to) = (1_024 + (number % 60_000) as u16, 5_000 + (number / 60_000) as u16);
    (client("192.168.7.7", port), server("192.168.8.8", to))
}

fn forged(number: u32) -> String {
    let [_, a, b, c] = number.to_be_bytes();
    format!("172.{a}.{b}.{c}")
}

#[test]
fn a_flood_between_two_hosts_removes_nothing_of_others() {
    stands(Flood { count: 126_000, ends: of_two_hosts }, 20_000);
}

#[test]
fn a_flood_of_a_port_of_the_map_removes_nothing_of_others() {
    let ends = |number| {
        (
            client("192.168.7.7", 1_024 + (number % 60_000) as u16),
            server("192.168.8.8", [CGP, ICA][number as usize / 60_000]),
        )
    };
    stands(Flood { count: 60_000, ends }, 5_000);
}

#[test]
fn forged_sources_remove_nothing_of_others() {
    let ends = |number| (client(&forged(number), 40_000), server("10.0.9.9", CGP));
    stands(Flood { count: 60_000, ends }, 5_000);
}

#[test]
fn a_scan_of_many_hosts_removes_nothing_of_others() {
    let ends = |number| (client("192.168.7.7", 40_000), server(&forged(number), CGP));
    stands(Flood { count: 60_000, ends }, 5_000);
}

#[test]
#[ignore = "takes a minute: cargo test --release --test floods -- --ignored"]
fn two_million_forged_sources_remove_nothing_of_others() {
    let ends = |number| (client(&forged(number), 40_000), server("10.0.9.9", CGP));
    stands(Flood { count: 2_000_000, ends }, 100_000);
}
