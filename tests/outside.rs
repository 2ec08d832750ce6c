//! Texts from outside in every place where they come in, through every writer: what is shown drives no terminal, forges no line and is
//! no formula. The names here are those that attackers use; a property adds any others.

use cap_audit::case::Case;
use cap_audit::outside::{is_unseen, printable};
use cap_audit::pipeline::{self, Options};
use cap_audit::portmap::PortMap;
use cap_audit::report::{self, By, Look, Report};
use cap_audit::source::{CaptureFile, Comment, Damage, DamageKind};
use cap_audit::words::Words;
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};

const HOSTILE: &str =
    "a\x1b[2J\x1b]0;owned\x07\r\n2 ERROR  forged\u{2028}\u{202E}gpj\u{200B}\u{9b}31m=cmd|' /C calc'!A0\t;";
const LOOK: Look = Look { width: 80, color: false, flows: true, verbose: true };

/// The case of a capture with healthy and blocked flows, and another with a port map that calls everything by this text.
static OFFICE: LazyLock<Case> = LazyLock::new(|| office(PortMap::citrix()));

fn office(map: PortMap) -> Case {
    let map = Arc::new(map);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/office/capture.pcap");
    let mut file = CaptureFile::open(&path, 0).expect("a fixture can be read");
    let options = Options { flows: cap_audit::audit::Flows::Kept, ..Options::default() };
    let harvest = pipeline::run(std::slice::from_mut(&mut file), &map, options).expect("it can be read to its end");
    Case::of(harvest, vec![file.notes().clone()], map)
}

/// The same case with this text wherever a stranger can write one.
fn with(text: &str) -> Case {
    let mut case = OFFICE.clone();
    let capture = &mut case.captures[0];
    capture.name = text.into();
    capture.comments = vec![Comment { packet: Some(1), text: text.into() }];
    let kind = DamageKind::Broken;
    capture.damage = Some(Damage { position: 9, packet: 1, kind, what: text.into(), resumed: None });
    for flow in &mut case.flows {
        if let Some(heard) = &mut flow.heard {
            heard.details.get_or_insert_default().server_name = Some(text.into());
        }
    }
    case
}

/// Text, JSON, NDJSON and CSV of a case.
fn written(case: &Case) -> [String; 4] {
    let conclusion = case.conclude();
    let report = Report::new(&conclusion);
    let words = Words::default();
    let mut out: [Vec<u8>; 4] = Default::default();
    let [text, json, ndjson, csv] = &mut out;
    report::write_text(text, &report, &words, LOOK).expect("memory takes everything");
    report::write_json(json, &report, &words).expect("memory takes everything");
    report::write_ndjson(ndjson, &report, &words).expect("memory takes everything");
    report::write_csv(csv, &report).expect("memory takes everything");
    out.map(|bytes| String::from_utf8(bytes).expect("reports are text"))
}

/// The first screen, narrow and wide, each problem, and each table.
fn pages(case: &Case) -> Vec<String> {
    let conclusion = case.conclude();
    let report = Report::new(&conclusion);
    let words = Words::default();
    let mut pages: Vec<Vec<u8>> = Vec::new();
    let mut page = |write: &dyn Fn(&mut Vec<u8>, Look) -> std::io::Result<()>| {
        for width in [60, 120] {
            let mut out = Vec::new();
            write(&mut out, Look { width, verbose: false, flows: false, ..LOOK }).expect("memory takes everything");
            pages.push(out);
        }
    };
    page(&|out, look| report::write_text(out, &report, &words, look));
    for place in 0..report.problems.len() {
        page(&|out, look| report::write_problem(out, place, &report, &words, look));
    }
    for by in [By::Client, By::Server, By::Service] {
        page(&|out, look| report::write_by(out, by, &report, &words, look));
    }
    pages.into_iter().map(|bytes| String::from_utf8(bytes).expect("pages are text")).collect()
}

fn unseen(text: &str) -> Option<char> {
    text.chars().find(|&c| c != '\n' && is_unseen(c))
}

fn check(hostile: &str) {
    let [text, json, ndjson, csv] = written(&with(hostile));
    let [_, _, ndjson_before, csv_before] = written(&OFFICE);
    for shown in [&text, &json, &ndjson, &csv] {
        assert_eq!(unseen(shown), None, "{hostile:?}");
    }
    // Comments may have lines; they stand indented.
    let forged = text.lines().filter(|line| line.starts_with("2 ")).count();
    assert_eq!(forged, 1, "{hostile:?}: {text}");
    for page in pages(&with(hostile)) {
        assert_eq!(unseen(&page), None, "{hostile:?}");
        let forged = page.lines().filter(|line| line.starts_with("2 ERROR  forged")).count();
        assert_eq!(forged, 0, "{hostile:?}: {page}");
    }
    assert_eq!(ndjson.lines().count(), ndjson_before.lines().count(), "{hostile:?}");
    assert_eq!(csv.lines().count(), csv_before.lines().count(), "{hostile:?}");
    let told: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(told["captures"][0]["name"], hostile, "a program reads the true name");
    assert_eq!(told["captures"][0]["comments"][0]["text"], hostile);
    if hostile.lines().count() < 2 {
        assert_eq!(text, written(&with(&printable(hostile)))[0], "{hostile:?} does what its picture does not");
    }
}

#[test]
fn hostile_names_reach_no_terminal_through_any_writer() {
    check(HOSTILE);
    check("\n2 ERROR  forged\n");
    check("\u{2066}\u{85}\u{E0041}");
}

#[test]
fn hostile_texts_of_a_port_map_reach_no_terminal() {
    let escaped: String = HOSTILE.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
    let citrix = include_str!("../src/portmap/citrix.toml");
    let hostile = citrix.replace("Virtual Delivery Agent", &format!("Virtual Delivery Agent{escaped}"));
    let hostile = hostile.replace("Citrix License Server", &format!("Citrix License Server{escaped}"));
    let Ok(map) = PortMap::parse(&hostile) else { return };
    let rules = map.select(&Default::default());
    let mut shown: [Vec<u8>; 3] = Default::default();
    let [text, csv, json] = &mut shown;
    report::ports::write_text(text, &map, &rules, 80).expect("memory takes everything");
    report::ports::write_csv(csv, &map, &rules).expect("memory takes everything");
    report::ports::write_json(json, &map, &rules).expect("memory takes everything");
    for shown in shown.into_iter().map(|bytes| String::from_utf8(bytes).expect("text")).chain(written(&office(map))) {
        assert_eq!(unseen(&shown), None);
        assert!(!shown.lines().any(|line| line.starts_with("2 ERROR  forged")));
    }
}

#[cfg(unix)]
#[test]
fn hostile_file_names_reach_no_terminal_through_messages() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let name = "a\x1b[2J\x1b]0;x\x07\ncap-audit: all is well\u{202E};`id`.etl";
    let path = directory.path().join(name);
    fs::write(&path, b"GMBU no capture that is read here").expect("it can be written");
    let missing = directory.path().join("b\x1b[2J\n");
    let run = |arguments: &[&std::ffi::OsStr]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cap-audit"));
        let output = command.args(arguments).output().expect("the program runs");
        String::from_utf8(output.stderr).expect("messages are text")
    };
    let file = "file".as_ref();
    let told = [
        run(&[file, path.as_os_str()]),
        run(&[file, missing.as_os_str()]),
        run(&[file, "--port-map".as_ref(), missing.as_os_str(), path.as_os_str()]),
        run(&[file, "--workers".as_ref(), "4\x1b[2J\n\u{202E}".as_ref(), path.as_os_str()]),
        run(&["fi\x1b[2J\nle".as_ref()]),
        run(&[file, "--fl\x1b]0;x\x07ows\n".as_ref()]),
    ];
    assert!(
        told[0].contains("`editcap -F pcapng FILE FILE.pcapng`"),
        "it cannot be pasted as it is shown: {}",
        told[0]
    );
    for told in told {
        assert!(!told.is_empty());
        assert_eq!(unseen(&told), None, "{told:?}");
        assert!(!told.contains("\ncap-audit: all is well"), "{told:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_name_is_shown_safely(text in any::<String>()) {
        check(&text);
    }
}
