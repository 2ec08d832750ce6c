//! Reports of very many flows stay in proportion: rules that many flows share stand once, and there is a maximum of listed flows that
//! is the same list whoever collects it.

#[path = "support/mod.rs"]
mod support;

use cap_audit::audit::{FirstFlows, Flows};
use cap_audit::case::Case;
use cap_audit::pipeline::{self, Options};
use cap_audit::report::{self, Report};
use cap_audit::source::MemorySource;
use cap_audit::time::{SECOND, Span, Timestamp};
use cap_audit::words::Words;
use serde_json::Value;
use std::fs;
use std::process::Command;
use support::{Captured, Talk, citrix, client, merge, server};

const START: Timestamp = Timestamp(1_700_000_000 * SECOND);

/// One SYN for each flow, to ports 443 and 1494 in turn, each a millisecond after the one before.
fn syns(number: u32) -> Vec<Captured> {
    let one = |flow: u32| {
        let [_, high, low, _] = flow.to_be_bytes().map(u32::from);
        let from = client(&format!("10.{high}.{low}.7"), 20_000 + (flow % 40_000) as u16);
        let to = server("10.9.9.9", if flow % 10 == 9 { 1494 } else { 443 });
        Talk::between(from, to).at(START + Span::millis(i64::from(flow))).syn().packets()
    };
    (0..number).flat_map(one).collect()
}

fn case(packets: Vec<Captured>, flows: Flows, workers: usize) -> Case {
    let options = Options { flows, workers, ..Options::default() };
    let mut source = [MemorySource::new(packets, 256)];
    let harvest = pipeline::run(&mut source, &citrix(), options).expect("memory can be read");
    let mut case = Case { max_flows: flows.limit(), ..Case::new(citrix()) };
    case.add(harvest);
    case
}

fn written(case: &Case) -> [Vec<u8>; 2] {
    let conclusion = case.conclude();
    let report = Report::new(&conclusion);
    let mut out: [Vec<u8>; 2] = Default::default();
    report::write_json(&mut out[0], &report, &Words::default()).expect("memory takes everything");
    report::write_ndjson(&mut out[1], &report, &Words::default()).expect("memory takes everything");
    out
}

/// Most bytes that a flow of this kind may take in JSON, which is indented, and on a line of NDJSON.
const BYTES_A_FLOW: [usize; 2] = [1_300, 850];

/// With the rules of port 443 in each of them a flow took 5 kB.
#[test]
fn flows_to_443_stay_small() {
    check_bytes_a_flow(2_000);
}

/// `cargo test --release --test many_flows -- --ignored`
#[test]
#[ignore = "takes minutes without optimization"]
fn a_hundred_thousand_flows_to_443_stay_small() {
    check_bytes_a_flow(100_000);
}

fn check_bytes_a_flow(flows: u32) {
    let [json, ndjson] = written(&case(syns(flows), Flows::Kept, 1));
    let [few_json, few_ndjson] = written(&case(syns(10), Flows::Kept, 1));
    let a_flow = |many: &[u8], few: &[u8]| (many.len() - few.len()) / (flows as usize - 10);
    let bytes = [a_flow(&json, &few_json), a_flow(&ndjson, &few_ndjson)];
    assert!(bytes.iter().zip(BYTES_A_FLOW).all(|(bytes, most)| *bytes <= most), "{bytes:?} bytes a flow");
    println!("{bytes:?} bytes a flow in JSON and NDJSON");
}

#[test]
fn shared_rules_stand_once_and_before_the_flows_that_name_them() {
    let [few_json, few_ndjson] = written(&case(syns(10), Flows::Kept, 1));
    let told: Value = serde_json::from_slice(&few_json).expect("it is JSON");
    let sets = told["rule_sets"].as_object().expect("shared rules stand in the document");
    assert_eq!(sets.keys().collect::<Vec<_>>(), ["tcp/443"], "only what is named");
    let rules: Vec<&str> = citrix()
        .lookup(cap_audit::transport::Transport::Tcp, 443)
        .map(|candidates| candidates.rules.iter().map(|&rule| citrix().rule(rule).id.clone()).collect::<Vec<_>>())
        .expect("the map knows 443")
        .leak()
        .iter()
        .map(String::as_str)
        .collect();
    assert_eq!(sets["tcp/443"], serde_json::json!(rules));
    let flows = told["flows"].as_array().expect("flows are a list");
    assert_eq!((&flows[0]["rule_set"], &flows[0]["rules"]), (&"tcp/443".into(), &serde_json::json!([])));
    assert!(flows[9]["rule_set"].is_null() && !flows[9]["rules"].as_array().expect("a list").is_empty());

    let lines: Vec<Value> = few_ndjson
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("each line is JSON"))
        .collect();
    let place = |wanted: &str| lines.iter().position(|line| line["type"] == wanted).expect("there is such a line");
    assert!(place("rule_set") < place("flow"));
    assert_eq!(lines.iter().filter(|line| line["type"] == "rule_set").count(), 1);
    assert_eq!(lines[place("rule_set")]["rules"], serde_json::json!(rules));
}

#[test]
fn the_first_flows_by_time_are_kept_whoever_collects_them() {
    // The last talk in the list begins first.
    let late = Talk::between(client("10.1.1.1", 50_000), server("10.1.1.2", 1494)).at(START + Span::seconds(9)).syn();
    let early = Talk::between(client("10.1.1.3", 50_001), server("10.1.1.2", 1494)).at(START + Span::seconds(-9)).syn();
    let packets = merge([syns(3_000), late.packets(), early.packets()]);
    let all = case(packets.clone(), Flows::Kept, 1);
    assert_eq!(all.flows.len(), 3_002);
    for workers in [1, 2, 3, 7] {
        let some = case(packets.clone(), Flows::First(1_000), workers);
        assert!(some.flows == all.flows[..1_000], "{workers} workers");
        let told: Value = serde_json::from_slice(&written(&some)[0]).expect("it is JSON");
        assert_eq!(told["totals"]["flows"], 3_002);
        assert_eq!(told["totals"]["flows_left_out"], 2_002);
    }
    let none = case(packets, Flows::First(0), 2);
    assert!(none.flows.is_empty());
}

#[test]
fn what_is_collected_stays_bounded() {
    let flows = case(syns(2_000), Flows::Kept, 1).flows;
    let mut first = FirstFlows::new(100);
    for flow in flows.iter().rev() {
        first.push(flow.clone());
        assert!(first.len() <= 125);
    }
    assert!(first.sorted() == flows[..100]);
}

#[test]
fn every_format_tells_of_flows_that_it_does_not_list() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("many.pcap");
    support::write_pcap(fs::File::create(&path).expect("it can be made"), &syns(30)).expect("it can be written");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cap-audit"));
        let output = command.arg("file").args(arguments).arg(&path).output().expect("the program runs");
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text"))
    };
    let [text, _] = run(&["--flows", "--max-flows", "10"]);
    assert!(text.contains("20 flows are counted, but not listed; --max-flows lists more."), "{text}");
    let [csv, told] = run(&["--format", "csv", "--max-flows", "10"]);
    assert_eq!(csv.lines().count(), 11);
    assert!(told.contains("20 flows are counted, but not listed"), "{told}");
    let [ndjson, _] = run(&["--format", "ndjson", "--max-flows", "10"]);
    assert!(ndjson.lines().last().expect("a summary").contains("\"flows_left_out\":20"), "{ndjson}");
    let [text, _] = run(&[]);
    assert!(!text.contains("not listed"), "nobody asked for flows: {text}");
}
