//! When things happened, as people read it: in their zone, with the date where it matters, with VLANs where flows are tagged.

#[path = "support/mod.rs"]
mod support;

use cap_audit::time::{SECOND, Span, Timestamp, Zone};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Captured, Talk, client, merge, server};

/// 2025-07-14 08:00:03 UTC (`date -ud @1752480003`).
const MORNING: Timestamp = Timestamp(1_752_480_003 * SECOND);

/// Three tries at 2598 without an answer, in a VLAN, and other traffic for half a minute.
fn silent(at: Timestamp) -> Vec<Captured> {
    let talk = Talk::between(client("10.0.0.14", 50_123), server("10.0.0.22", 2598)).vlans(&[100, 20]).at(at);
    let talk = talk.syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again();
    let running = Talk::between(client("10.9.9.1", 40_000), server("10.9.9.2", 12_345)).at(at);
    let running =
        running.opened().says(b"tick").answers(b"tock").wait(Span::seconds(30)).says(b"tick").answers(b"tock");
    merge([talk.packets(), running.packets()])
}

fn capture(directory: &Path, packets: &[Captured]) -> PathBuf {
    let path = directory.join("case.pcap");
    support::write_pcap(fs::File::create(&path).expect("it can be made"), packets).expect("it can be written");
    path
}

fn told(zone: &str, arguments: &[&str], capture: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cap-audit"));
    let output = command.env("TZ", zone).arg("file").args(arguments).arg(capture).output().expect("the program runs");
    String::from_utf8(output.stdout).expect("the report is text")
}

#[test]
fn each_finding_says_when_and_how_often_in_the_zone_of_the_user() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = capture(directory.path(), &silent(MORNING));
    let screen = told("UTC", &[], &path);
    assert!(screen.contains("30 s from 2025-07-14 08:00:03 UTC\n") && screen.contains("08:00:03-08:00:12"), "{screen}");
    let utc = told("UTC", &["-v"], &path);
    assert!(utc.contains("30 s from 2025-07-14 08:00:03"), "{utc}");
    assert!(utc.contains("\nTimes are in UTC.\n"), "{utc}");
    assert!(utc.contains("   When:      3 tries from 08:00:03 to 08:00:12\n"), "{utc}");
    assert!(utc.contains("   VLAN:      100.20\n"), "{utc}");
    // POSIX zones need no database: two hours east of Greenwich.
    let east = told("XST-2", &["-v"], &path);
    assert!(east.contains("\nTimes are in UTC+02:00.\n"), "{east}");
    assert!(east.contains("3 tries from 10:00:03 to 10:00:12\n"), "{east}");
    assert!(told("XST-2", &[], &path).contains("30 s from 2025-07-14 10:00:03 UTC+02:00\n"));
    assert_eq!(told("XST-2", &["--utc", "-v"], &path), utc);
    assert_eq!(told("XST-2", &["--utc"], &path), screen);
    if Zone::named("Europe/Paris").is_some() {
        let paris = told("Europe/Paris", &["-v"], &path);
        assert!(paris.contains("\nTimes are in Europe/Paris (UTC+02:00).\n"), "{paris}");
        assert!(paris.contains("3 tries from 10:00:03 to 10:00:12\n"), "{paris}");
    }
    for format in ["json", "ndjson", "csv"] {
        let reports = ["UTC", "XST-2"].map(|zone| told(zone, &["--format", format], &path));
        assert_eq!(reports[0], reports[1], "programs read UTC");
        assert!(reports[0].contains("2025-07-14T08:00:03.000000000Z"), "{}", reports[0]);
    }
    let json: serde_json::Value = serde_json::from_str(&told("UTC", &["--format", "json"], &path)).expect("JSON");
    assert_eq!(json["findings"][0]["vlans"], serde_json::json!([[100, 20]]));
}

#[test]
fn the_date_stands_there_where_a_report_is_about_several_days() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    // Midnight of Greenwich passes between the second and the third try: 23:59:55.
    let path = capture(directory.path(), &silent(Timestamp(1_752_537_595 * SECOND)));
    let screen = told("UTC", &[], &path);
    assert!(screen.contains("2025-07-14 23:59:55 - 2025-07-15 00:00:04"), "{screen}");
    let utc = told("UTC", &["-v"], &path);
    assert!(utc.contains("3 tries from 2025-07-14 23:59:55 to 2025-07-15 00:00:04\n"), "{utc}");
    let east = told("XST-2", &["-v"], &path);
    assert!(east.contains("3 tries from 01:59:55 to 02:00:04\n"), "it is one day there: {east}");
}

#[test]
fn flows_name_their_vlans() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = capture(directory.path(), &silent(MORNING));
    let flows = told("UTC", &["--flows"], &path);
    assert!(flows.contains("vlan 100.20"), "{flows}");
    assert_eq!(flows.matches("vlan ").count(), 1, "the other flow has no tag: {flows}");
}

#[test]
fn a_clock_in_the_future_is_told() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let ahead = |hours: i64| {
        let at = Timestamp::of_this_computer() + Span::seconds(hours * 3_600);
        let path = capture(directory.path(), &silent(at));
        told("UTC", &["-v"], &path).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let told = ahead(72);
    let expected = "case.pcap: its last packet has a time 3 days after the clock of this computer; one of the two clocks is wrong.";
    assert!(told.contains(expected), "{told}");
    assert!(!ahead(23).contains("clock"), "a day may be a mistake about the zone");
}
