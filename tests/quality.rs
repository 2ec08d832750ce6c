//! What a capture is good for: each kind of damage is found, told in one line, and accuses nobody. The same healthy traffic is damaged in
//! each way; then the same silence.

mod support;

use cap_audit::ledger::Holes;
use cap_audit::time::{Span, Timestamp};
use serde_json::Value;
use std::fs;
use std::process::Command;
use support::{Captured, SERVER_ISN, START, Talk, Who, audit, client, merge, server, write_pcap};

const CGP: u16 = 2598;
const GREETING: &[u8] = b"\x1aCGP/01\x00\x16Citrix.TcpProxyService";

fn at(millis: i64) -> Timestamp {
    START + Span::millis(millis)
}

/// Six sessions of forty seconds, each of which says something ten times a second.
fn healthy() -> Vec<Captured> {
    merge((1..=6u8).map(|host| {
        let ends = (client(&format!("10.0.0.{host}"), 50_000 + u16::from(host)), server("10.0.1.22", CGP));
        let talk = Talk::between(ends.0, ends.1).at(at(i64::from(host) * 7)).opened().answers(GREETING).says(GREETING);
        let talk = (0..400).fold(talk, |talk, _| talk.wait(Span::millis(100)).says(&[7; 120]).answers(&[8; 700]));
        talk.wait(Span::millis(50)).closed().packets()
    }))
}

/// A client whose three SYNs get no answer: after 0, 1 and 3 s.
fn silence(begins: i64) -> Vec<Captured> {
    let talk = Talk::between(client("10.0.0.99", 50_099), server("10.0.1.22", CGP)).at(at(begins));
    talk.syn().wait(Span::seconds(1)).syn_again().wait(Span::seconds(2)).syn_again().packets()
}

fn report(packets: &[Captured]) -> Value {
    report_of(&write_pcap(Vec::new(), packets).expect("memory takes everything"))
}

fn report_of(file: &[u8]) -> Value {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("case.pcap");
    fs::write(&path, file).expect("it can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cap-audit"));
    let output = command.args(["file", "-q", "--format", "json"]).arg(&path).output().expect("the program runs");
    serde_json::from_slice(&output.stdout).expect("the report is JSON")
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|word| word.as_str().expect("a word")).collect()
}

/// The verdict, the flaws and the line.
fn quality(report: &Value) -> (&str, Vec<&str>, &str) {
    let quality = &report["quality"];
    let text = |name: &str| quality[name].as_str().expect("it is text");
    (text("verdict"), words(&quality["flaws"]), text("line"))
}

fn accuses_nobody(report: &Value) {
    let findings = report["findings"].as_array().expect("a list").iter();
    let accusing: Vec<_> =
        findings.filter(|finding| finding["severity"] != "info").map(|finding| &finding["id"]).collect();
    assert!(accusing.is_empty(), "{accusing:?}");
}

/// Severity, confidence and meaning of the silence.
fn silent(report: &Value) -> Option<(&str, &str, &str)> {
    let mut findings = report["findings"].as_array().expect("a list").iter();
    let found = findings.find(|finding| finding["code"] == "blocked.silent")?;
    let text = |name: &str| found[name].as_str().expect("it is text");
    Some((text("severity"), text("confidence"), text("meaning")))
}

fn from_server(packet: &Captured) -> bool {
    // Ethernet, then the source address of IPv4.
    packet.3[14 + 12..14 + 16] == [10, 0, 1, 22]
}

#[test]
fn what_is_whole_is_good() {
    let report = report(&healthy());
    let line = "Capture good: nothing cut, and no sign of loss.";
    assert_eq!(quality(&report), ("good", vec![], line));
    accuses_nobody(&report);
}

#[test]
fn silence_in_what_is_whole_is_an_error() {
    let report = report(&merge([healthy(), silence(5_000)]));
    let (severity, confidence, _) = silent(&report).expect("it is found");
    assert_eq!((severity, confidence), ("error", "high"));
}

#[test]
fn one_direction() {
    let half: Vec<Captured> = healthy().into_iter().filter(|packet| !from_server(packet)).collect();
    let half = report(&half);
    let line = "Capture poor: one direction only of 100 % of the connections.";
    assert_eq!(quality(&half), ("poor", vec!["one-direction"], line));
    accuses_nobody(&half);
    let with = merge([healthy().into_iter().filter(|packet| !from_server(packet)).collect(), silence(5_000)]);
    let told = report(&with);
    let (severity, confidence, meaning) = silent(&told).expect("it is told");
    assert_eq!((severity, confidence), ("warning", "low"));
    assert!(meaning.contains("one direction only"), "{meaning}");
}

#[test]
fn one_direction_between_two_hosts_of_many() {
    let of = |packet: &Captured| packet.3[14 + 12..14 + 20].to_vec();
    let other = |last: u8| {
        let ends = (client("10.0.2.9", 50_000 + u16::from(last)), server("10.0.3.22", CGP));
        let talk = Talk::between(ends.0, ends.1).at(at(i64::from(last))).opened().answers(GREETING).says(GREETING);
        let talk = talk.answers(b"data").says(b"data").packets();
        talk.into_iter().filter(|packet| of(packet)[..4] == [10, 0, 2, 9]).collect::<Vec<_>>()
    };
    let many = (0..30u8).map(|host| {
        let ends = (client("10.0.0.1", 51_000 + u16::from(host)), server("10.0.1.22", CGP));
        Talk::between(ends.0, ends.1).at(at(100)).opened().answers(GREETING).says(GREETING).packets()
    });
    let report = report(&merge(many.chain([healthy(), other(1), other(2)])));
    let line = "Capture limited: one direction only of 5 % of the connections.";
    assert_eq!(quality(&report), ("limited", vec!["one-direction"], line));
    accuses_nobody(&report);
}

#[test]
fn cut() {
    let cut = |snap: usize| {
        let keep =
            |(at, link, original, bytes): Captured| (at, link, original, bytes[..bytes.len().min(snap)].to_vec());
        report(&healthy().into_iter().map(keep).collect::<Vec<_>>())
    };
    let report = cut(64);
    let (verdict, flaws, line) = quality(&report);
    assert_eq!((verdict, flaws), ("limited", vec!["cut"]));
    assert!(line.ends_with("% of the packets cut."), "{line}");
    accuses_nobody(&report);
}

#[test]
fn duplicated() {
    let twice = merge([
        healthy(),
        healthy().into_iter().map(|packet| (packet.0 + Span::micros(20), packet.1, packet.2, packet.3)).collect(),
    ]);
    let report = report(&twice);
    let (verdict, flaws, line) = quality(&report);
    assert_eq!((verdict, flaws), ("limited", vec!["duplicated"]));
    assert_eq!(line, "Capture limited: 50 % of the packets twice.");
    accuses_nobody(&report);
}

/// Without one packet in `n`, among them those of each kind and each session.
fn lacking(n: usize) -> Vec<Captured> {
    healthy().into_iter().enumerate().filter(|(place, _)| place % n != n / 2).map(|(_, packet)| packet).collect()
}

#[test]
fn lost() {
    for n in [7, 11, 20] {
        let report = report(&lacking(n));
        let (verdict, flaws, line) = quality(&report);
        assert_eq!((verdict, flaws), ("limited", vec!["lost"]), "one in {n}");
        assert!(line.ends_with("% of the packets lost."), "{line}");
        accuses_nobody(&report);
    }
    let told = report(&merge([lacking(20), silence(5_000)]));
    let (severity, confidence, meaning) = silent(&told).expect("it is told");
    assert_eq!((severity, confidence), ("warning", "low"));
    assert!(meaning.contains("lost packets"), "{meaning}");
    // One packet in a thousand is not worth a doubt.
    let few = report(&merge([lacking(2_000), silence(5_000)]));
    assert_eq!(silent(&few).map(|(severity, ..)| severity), Some("error"));
}

#[test]
fn damaged_in_the_middle() {
    // The header of the record at this moment claims more bytes than there are.
    let damage = |packets: &[Captured], moment: i64| {
        let mut file = write_pcap(Vec::new(), packets).expect("memory takes everything");
        let before: usize =
            packets.iter().filter(|packet| packet.0 < at(moment)).map(|packet| 16 + packet.3.len()).sum();
        file[24 + before + 8..24 + before + 16].fill(0xff);
        report_of(&file)
    };
    let report = damage(&healthy(), 20_000);
    let (verdict, flaws, line) = quality(&report);
    assert_eq!((verdict, flaws[0]), ("limited", "damaged"));
    assert!(line.starts_with("Capture limited: the file is damaged"), "{line}");
    accuses_nobody(&report);
    // Right behind the last try an answer may have stood there; later on it makes no difference.
    let tried = merge([healthy(), silence(5_000)]);
    let told = damage(&tried, 9_000);
    let (severity, confidence, meaning) = silent(&told).expect("it is told");
    assert_eq!((severity, confidence), ("warning", "low"));
    assert!(meaning.contains("lost packets"), "{meaning}");
    assert_eq!(silent(&damage(&tried, 30_000)).map(|(severity, ..)| severity), Some("error"));
}

#[test]
fn starts_in_the_middle() {
    let report = report(&healthy().into_iter().filter(|packet| packet.0 >= at(20_000)).collect::<Vec<_>>());
    let line = "Capture limited: starts in the middle.";
    assert_eq!(quality(&report), ("limited", vec!["starts-in-middle"], line));
    accuses_nobody(&report);
}

#[test]
fn too_short() {
    let report = report(&healthy().into_iter().filter(|packet| packet.0 < at(3_000)).collect::<Vec<_>>());
    let line = "Capture limited: too short to call anything silent.";
    assert_eq!(quality(&report), ("limited", vec!["too-short"], line));
    accuses_nobody(&report);
    let whole = self::report(&healthy().into_iter().filter(|packet| packet.0 < at(5_000)).collect::<Vec<_>>());
    assert_eq!(quality(&whole).0, "good");
}

/// From this moment on every time is so much later, or earlier.
fn stepping(packets: Vec<Captured>, from: i64, step: Span) -> Vec<Captured> {
    let moved = |packet: Captured| {
        let now = if packet.0 >= at(from) { packet.0 + step } else { packet.0 };
        (now, packet.1, packet.2, packet.3)
    };
    packets.into_iter().map(moved).collect()
}

#[test]
fn the_clock_jumps() {
    for step in [-3_600, -30, 3_600, 90_000] {
        let report = report(&stepping(healthy(), 20_000, Span::seconds(step)));
        let (verdict, flaws, line) = quality(&report);
        assert_eq!(verdict, "limited", "{step} s");
        assert_eq!(flaws[0], "clock", "{step} s: {flaws:?}");
        assert!(line.starts_with("Capture limited: its clock is not even"), "{line}");
        accuses_nobody(&report);
    }
}

#[test]
fn silence_across_a_leap_of_the_clock_was_not_watched() {
    // The third SYN is followed by half a second of the capture, and then its clock is an hour on.
    let tries = merge([healthy(), silence(16_500)]);
    let cut: Vec<Captured> = tries.into_iter().filter(|packet| packet.0 < at(20_300)).collect();
    let leaping = report(&stepping(cut, 20_000, Span::seconds(3_600)));
    let (severity, confidence, meaning) = silent(&leaping).expect("it is told");
    assert_eq!((severity, confidence), ("warning", "low"));
    assert!(meaning.contains("the clock of the capture leapt"), "{meaning}");
    // Watched for long enough before it, it is as certain as ever.
    let before = merge([healthy(), silence(5_000)]);
    let before = report(&stepping(before, 20_000, Span::seconds(3_600)));
    assert_eq!(silent(&before).map(|(severity, ..)| severity), Some("error"));
}

#[test]
fn a_quiet_hour_is_no_leap() {
    // A filtered capture of one client who comes back after an hour.
    let visit = |host: u8, begins: i64| {
        let ends = (client("10.0.0.1", 50_000 + u16::from(host)), server("10.0.1.22", CGP));
        let talk = Talk::between(ends.0, ends.1).at(at(begins)).opened().answers(GREETING).says(GREETING);
        (0..20).fold(talk, |talk, _| talk.wait(Span::seconds(1)).says(b"tick").answers(b"tock")).closed().packets()
    };
    let report = report(&merge([visit(1, 0), visit(2, 3_600_000)]));
    assert_eq!(quality(&report).0, "good", "{}", report["quality"]);
}

// What is known of holes.

fn to_cgp(client_port: u16) -> Talk {
    Talk::between(client("10.0.0.14", client_port), server("10.0.0.22", CGP))
}

#[test]
fn payload_that_the_capture_lacks_is_kept() {
    let talk = |port: u16| to_cgp(port).opened().says(&[1; 100]).answers(&[2; 50]);
    let whole = talk(50_001).says(&[1; 200]).says(&[1; 100]).closed();
    let hole = talk(50_002).says(&[1; 200]).unseen().says(&[1; 100]).closed();
    // Sent again, it is in the capture after all.
    let filled = talk(50_003).says(&[1; 200]).repeats(Who::Client).unseen().says(&[1; 100]).closed();
    let cut = talk(50_004).says(&[1; 200]).says(&[1; 100]).snap(54).closed();
    let audited = audit(merge([whole, hole, filled, cut].map(Talk::packets)));
    // The number that a FIN would take is not counted, and a FIN was sent.
    let holes = Holes { flows: 1, carrying: 4, missing: 200, there: 3 * 450 + 250 };
    assert_eq!(audited.ledger.holes, holes);
    assert!(!holes.are_many(), "one flow of several may be odd");
}

#[test]
fn numbers_made_up_show_no_more_missing_than_there_is() {
    let far = to_cgp(50_001).opened().says(&[1; 100]).numbers(0x1fff_0000, SERVER_ISN.wrapping_add(1)).says(&[1; 100]);
    let audited = audit(far.packets());
    assert_eq!(audited.ledger.holes, Holes { flows: 1, carrying: 1, missing: 200, there: 200 });
}
