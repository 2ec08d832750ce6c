//! `cap-audit bench` as a user and as a script meet it: what it measures, what it writes, and that an audit of what it writes
//! finds what the generator says is in it.

use cap_audit::bench::{Conduct, Mix, SERVICES};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const TINY: [&str; 6] = ["--packets", "3000", "--flows", "100", "--rounds", "1"];

#[test]
fn it_tells_the_speed_of_every_step_as_json() {
    let told = bench(&[&TINY[..], &["--workers", "3", "--format", "json"]].concat());
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let result: Value = serde_json::from_str(&told.out).expect("it is one JSON document");
    assert_eq!(result["schema"], "cap-audit/bench/1");
    assert_eq!(result["program"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(result["machine"]["cores"].as_u64() >= Some(1));
    assert_eq!((&result["rounds"], &result["traffic"]["packets"]), (&1.into(), &3_000.into()));
    assert_eq!(result["traffic"]["mix"]["flows"], 100);
    let steps: Vec<&str> = list(&result["steps"]).iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(steps, ["read", "decode", "track", "classify"]);
    let workers: Vec<u64> = list(&result["pipelines"]).iter().filter_map(|line| line["workers"].as_u64()).collect();
    assert_eq!(workers, [1, 2, 3]);
    let bytes = result["traffic"]["bytes"].as_f64().expect("a number");
    for line in list(&result["steps"]).iter().chain(list(&result["pipelines"])) {
        let number = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("{name} in {line}"));
        let seconds = number("seconds");
        assert!(seconds > 0.0);
        let near = |one: f64, other: f64| (one - other).abs() <= 1e-6 * other;
        assert!(near(number("packets_per_s"), 3_000.0 / seconds), "{line}");
        assert!(near(number("ns_per_packet"), seconds * 1e9 / 3_000.0), "{line}");
        assert!(near(number("gbit_per_s"), bytes * 8.0 / seconds / 1e9), "{line}");
    }
    for line in list(&result["pipelines"]) {
        let batch = &line["batch_us"];
        // One block holds so short a mix, and each worker is done with its lane of it once.
        assert!(batch["count"].as_u64() >= line["workers"].as_u64(), "{line}");
        let order = ["p50", "p99", "p999", "max"].map(|name| batch[name].as_u64());
        assert!(order.is_sorted() && order[0].is_some(), "{line}");
    }
    if cfg!(target_os = "linux") {
        assert!(result["peak_memory"].as_u64() > Some(1_000_000));
    }
}

#[test]
fn it_tells_the_same_to_people() {
    let told = bench(&TINY);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    for words in [
        "3,000 packets in 100 flows",
        "packets/s",
        "Gbit/s",
        "ns a packet",
        "p99.9",
        "find the packets",
        "1 worker",
        "peak memory",
    ] {
        assert!(told.out.contains(words), "{words} is missing in\n{}", told.out);
    }
    assert!(told.out.lines().all(|line| line.chars().count() <= 120), "{}", told.out);
}

#[test]
fn a_real_capture_can_be_measured_with() {
    let office = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/office/capture.pcap");
    let office = office.to_str().expect("the path is text");
    let told = bench(&["--pcap", office, "--rounds", "1", "--format", "json"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let result: Value = serde_json::from_str(&told.out).expect("it is one JSON document");
    assert_eq!((&result["traffic"]["name"], &result["traffic"]["mix"]), (&office.into(), &Value::Null));
    let report: Value = serde_json::from_str(&cap_audit(&["file", "--format", "json", office]).out).expect("a report");
    assert_eq!(result["traffic"]["packets"], report["totals"]["packets"]);
    assert_eq!(result["peak_memory_capture"], 0);
}

#[test]
fn an_audit_of_what_it_writes_finds_what_it_promises() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("mix.pcap");
    let path = path.to_str().expect("the path is text");
    let told = bench(&["--packets", "30000", "--flows", "900", "--seed", "7", "--format", "json", "--write", path]);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let written: Value = serde_json::from_str(&told.out).expect("it is one JSON document");
    let mix = Mix { packets: 30_000, flows: 900, seed: 7, ..Mix::default() };
    let promise = mix.traffic().expect("the mix is possible").promise().clone();
    let report = cap_audit(&["file", "--format", "json", path]);
    assert_eq!(report.code, 1, "blocked flows are errors: {}", report.err);
    let report: Value = serde_json::from_str(&report.out).expect("a report");

    let silent = promise.flows_that(|conduct| conduct == Conduct::Silent);
    let refused = promise.flows_that(|conduct| conduct == Conduct::Refused);
    assert_eq!((silent, refused), (27, 18), "three and two in a hundred");
    let totals = &report["totals"];
    assert_eq!((&totals["packets"], &totals["flows"]), (&30_000.into(), &900.into()));
    assert_eq!(totals["blocked"], silent + refused);
    assert_eq!((&totals["unexpected"], &totals["not_evaluable"]), (&0.into(), &0.into()));
    assert_eq!(report["captures"][0]["packets"], 30_000);
    assert_eq!(report["captures"][0]["damage"], Value::Null);

    let flows = list(&report["flows"]);
    // Network 10.1.N.0 holds the servers of service N.
    for (place, service) in SERVICES.iter().enumerate() {
        let network = format!("10.1.{place}.");
        let mine: Vec<&Value> = flows
            .iter()
            .filter(|flow| flow["server"]["address"].as_str().is_some_and(|address| address.starts_with(&network)))
            .collect();
        assert_eq!(mine.len() as u64, promise.flows[place], "{}", service.name);
        assert_eq!(written["mix"]["services"][service.name], promise.flows[place], "{}", service.name);
        let (outcome, heard, verdict, basis) = expected(service.name);
        for flow in mine {
            let told = [&flow["outcome"], &flow["heard"], &flow["verdict"], &flow["basis"]];
            assert_eq!(
                told.map(|value| value.as_str().unwrap_or("")),
                [outcome, heard, verdict, basis],
                "{}",
                service.name
            );
        }
    }

    let findings = list(&report["findings"]);
    let flows_of = |code: &str| -> u64 {
        findings
            .iter()
            .filter(|finding| finding["code"] == code)
            .filter_map(|finding| finding["flow_count"].as_u64())
            .sum()
    };
    assert_eq!((flows_of("blocked.silent"), flows_of("blocked.refused")), (silent, refused));
    let others: Vec<&Value> = findings
        .iter()
        .map(|finding| &finding["code"])
        .filter(|code| !["blocked.silent", "blocked.refused"].contains(&code.as_str().unwrap_or("")))
        // What anybody can read is a remark.
        .filter(|code| !code.as_str().is_some_and(|code| code.starts_with("encryption.")))
        .collect();
    assert!(others.is_empty(), "nothing else is wrong: {others:?}");
}

/// Outcome, protocol heard, verdict and basis of each service.
fn expected(service: &str) -> (&'static str, &'static str, &'static str, &'static str) {
    match service {
        "cgp" => ("established", "cgp", "expected", "signature"),
        "ica" => ("established", "ica", "expected", "signature"),
        "edt" => ("answered", "edt", "expected", "signature"),
        "https" => ("established", "tls", "unmapped", "none"),
        "dns" => ("answered", "dns", "unmapped", "none"),
        "audio" | "pvs" => ("answered", "", "expected", "port"),
        "licensing" => ("established", "", "expected", "port"),
        "sta" => ("established", "http", "expected", "signature"),
        "silent" => ("silent", "", "expected", "port"),
        "refused" => ("refused", "", "expected", "port"),
        other => panic!("what becomes of {other}?"),
    }
}

#[test]
fn a_seed_repeats_exactly() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let write = |name: &str, seed: &str| {
        let path = directory.path().join(name);
        let text = path.to_str().expect("the path is text");
        let told = bench(&["--packets", "5000", "--seed", seed, "--write", text]);
        assert_eq!(told.code, 0, "{}", told.err);
        fs::read(path).expect("it was just written")
    };
    let (first, again, other) = (write("a.pcap", "1"), write("b.pcap", "1"), write("c.pcap", "2"));
    assert!(first == again, "the same seed gives the same bytes");
    assert!(first != other, "another seed gives other bytes");
}

#[test]
fn shares_and_sizes_shape_the_mix() {
    let told = bench(&[
        "--packets",
        "4000",
        "--flows",
        "50",
        "--sizes",
        "1,0,0",
        "--share",
        "silent=0,refused=0",
        "--rounds",
        "1",
        "--format",
        "json",
    ]);
    let result: Value = serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {}", told.err));
    let services = &result["traffic"]["mix"]["services"];
    assert_eq!((&services["silent"], &services["refused"]), (&0.into(), &0.into()));
    // All but the greetings are 60 bytes on the wire.
    let bytes = result["traffic"]["bytes"].as_u64().expect("a number");
    assert!((4_000 * 60..4_000 * 64).contains(&bytes), "{bytes} bytes");
}

#[test]
fn what_cannot_be_done_is_said() {
    let cases: [(&[&str], i32, &str); 8] = [
        (&["--packets", "10", "--flows", "100"], 2, "ask for more packets or fewer flows"),
        (&["--share", "ica"], 2, "cgp, ica, edt"),
        (&["--sizes", "1,2"], 2, "40,30,30"),
        (&["--sizes", "0,0,0"], 2, "a size"),
        (&["--pcap", "a.pcap", "--seed", "3"], 2, "cannot be used with"),
        (&["--rounds", "0"], 2, "--rounds"),
        (&["--pcap", "no such file.pcap"], 3, "no such file.pcap"),
        (&["--packets", "3000", "--write", "/no such directory/mix.pcap"], 3, "cannot write the capture"),
    ];
    for (arguments, code, words) in cases {
        let told = bench(arguments);
        assert_eq!((told.code, told.out.as_str()), (code, ""), "{arguments:?}: {}", told.err);
        assert!(told.err.contains(words), "{arguments:?}: {}", told.err);
    }
}

#[test]
fn help_fits_the_terminal() {
    let told = bench(&["--help"]);
    for option in [
        "--packets",
        "--flows",
        "--seed",
        "--sizes",
        "--share",
        "--write",
        "--pcap",
        "--workers",
        "--rounds",
        "--format",
    ] {
        assert!(told.out.contains(option), "{option}");
    }
    let longest = told.out.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(100), "{longest:?}\n{}", told.out);
}

struct Told {
    code: i32,
    out: String,
    err: String,
}

fn bench(arguments: &[&str]) -> Told {
    cap_audit(&[&["bench"], arguments].concat())
}

fn cap_audit(arguments: &[&str]) -> Told {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_cap-audit")).args(arguments).output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("everything that is told is text");
    Told { code: status.code().expect("nothing kills the program"), out: text(stdout), err: text(stderr) }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("a list is wanted: {value}"))
}
