//! Several inputs as one audit: captures that overlap in time, directories, links, and inputs that keep a person waiting.

mod skip;
mod support;

use cap_audit::audit::{Audit, Flows};
use cap_audit::flow::Limits;
use cap_audit::packet::{LinkType, RawPacket, decode};
use cap_audit::portmap::PortMap;
use cap_audit::source::{CaptureFile, Fractions, More, PcapWriter};
use cap_audit::time::{Span, Timestamp};
use serde_json::Value;
use skip::skipped;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Captured, START, Talk, client, merge, server, write_pcap};
use tempfile::TempDir;

// Captures that overlap in time.

#[test]
fn two_directions_in_two_files_are_the_whole() {
    let case = Case::new();
    for fixture in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).expect("there are fixtures") {
        let whole = fixture.expect("it can be listed").path().join("capture.pcap");
        if !whole.exists() {
            continue;
        }
        let expected = outline(&report(&[&whole]));
        let [up, down] = case.by_direction(&read(&whole));
        for order in [[&up, &down], [&down, &up]] {
            let report = report(&order);
            assert_eq!(outline(&report), expected, "{}", whole.display());
            assert!(!report["quality"]["remarks"].to_string().contains("overlap"), "{report}");
        }
    }
}

#[test]
fn a_mix_in_two_files_has_the_totals_of_the_whole() {
    let case = Case::new();
    let whole = case.path("whole.pcap");
    let arguments = ["bench", "--packets", "20000", "--flows", "600", "--seed", "3", "--write", text(&whole)];
    assert_eq!(cap_audit(&arguments).code, Some(0));
    let one = report(&[&whole]);
    let [up, down] = case.by_direction(&read(&whole));
    let two = report(&[&down, &up]);
    assert_eq!(two["totals"], one["totals"]);
    assert_eq!(two["services"], one["services"]);
    assert_eq!(outline(&two), outline(&one));
}

/// A session, a port that a firewall silences and one that the server refuses, seen for long enough.
fn story() -> Vec<Captured> {
    let step = Span::millis(30);
    let session = Talk::between(client("10.0.0.14", 50_001), server("10.0.0.22", 1494));
    let session = session.syn().wait(step).syn_ack().wait(step).ack().wait(step).answers(b"\x7f\x7fICA\0").wait(step);
    let session = session.says(b"\x7f\x7fICA\0").wait(Span::seconds(20)).answers(b"on").wait(step).ack().closed();
    let silent = Talk::between(client("10.0.0.15", 50_002), server("10.0.0.22", 2598)).syn().wait(Span::seconds(3));
    let silent = silent.syn_again().wait(Span::seconds(6)).syn_again();
    let refused = Talk::between(client("10.0.0.16", 50_003), server("10.0.0.23", 1494)).syn().wait(step).refused();
    let name =
        Talk::udp(client("10.0.0.14", 50_004), server("10.0.0.2", 53)).says(&[7; 30]).wait(step).answers(&[7; 60]);
    merge([
        session.packets(),
        silent.packets(),
        refused.packets(),
        name.packets(),
        support::meanwhile(START + Span::seconds(180)),
    ])
}

/// No two packets at the same moment.
fn apart(packets: Vec<Captured>) -> Vec<Captured> {
    let moved = packets
        .into_iter()
        .zip(0..)
        .map(|((at, link, original, bytes), place)| (at + Span::micros(place), link, original, bytes));
    moved.collect()
}

#[test]
fn a_small_offset_between_the_clocks_of_two_files_changes_no_finding() {
    let case = Case::new();
    let packets = story();
    let whole = report(&[&case.capture("whole.pcap", &packets)]);
    let expected = codes(&whole);
    assert_eq!(expected, ["blocked.refused", "blocked.silent", "encryption.plain-ica"]);
    let [up, down] = directions(&packets);
    for offset in [-900, -100, -29, -5, -1, 1, 5, 31, 100, 900] {
        let up = case.capture("up.pcap", &up);
        let down = case.capture("down.pcap", &support::scene::later(&down, Span::millis(offset)));
        let report = report(&[&up, &down]);
        let told = codes(&report);
        if offset >= -29 {
            assert_eq!(told, expected, "{offset} ms");
        }
        // Where answers come before what they answer, less may be known, but nothing wrong is said.
        assert!(told.iter().all(|code| expected.contains(code)), "{offset} ms: {told:?}");
        let flows = report["flows"].as_array().expect("a list").iter();
        let session = flows.filter(|flow| flow["client"]["address"] == "10.0.0.14" && flow["server"]["port"] == 1494);
        let outcomes: Vec<&Value> = session.map(|flow| &flow["outcome"]).collect();
        assert_eq!(outcomes, ["established"], "{offset} ms");
    }
}

#[test]
fn the_same_packets_in_both_files_are_copies() {
    let case = Case::new();
    let packets = story();
    let whole = case.capture("whole.pcap", &packets);
    let one = report(&[&whole]);
    for offset in [0, 300, 2_000].map(Span::micros) {
        let again = case.capture("again.pcap", &support::scene::later(&packets, offset));
        let two = report(&[&whole, &again]);
        assert_eq!(codes(&two), codes(&one), "{offset:?}");
        assert_eq!(two["totals"]["flows"], one["totals"]["flows"], "{offset:?}");
        for flow in two["flows"].as_array().expect("a list") {
            assert_eq!(flow["retransmissions"], serde_json::json!(retransmissions(flow, &one)), "{offset:?}: {flow}");
        }
    }
    for offset in [10, 100, 900, 2_000, 30_000, 300_000].map(Span::millis) {
        let again = case.capture("again.pcap", &support::scene::later(&packets, offset));
        let two = report(&[&whole, &again]);
        assert_eq!(codes(&two), codes(&one), "{offset:?}");
    }
}

/// What the flow of the same ends shows in another report.
fn retransmissions(flow: &Value, report: &Value) -> Value {
    let same = |other: &&Value| (&other["client"], &other["server"]) == (&flow["client"], &flow["server"]);
    let other = report["flows"].as_array().into_iter().flatten().find(same).expect("the flow is in both");
    other["retransmissions"].clone()
}

#[test]
fn many_captures_that_overlap_are_merged_with_few_files_open() {
    let case = Case::new();
    // Each packet of the story goes to another one of sixty files, so that all overlap.
    let mut packets = (0..12).flat_map(|_| story()).collect::<Vec<_>>();
    packets.sort_by_key(|packet| packet.0);
    let packets = apart(packets);
    let whole = case.capture("whole.pcap", &packets);
    let files: Vec<PathBuf> = (0..60)
        .map(|file| {
            let own: Vec<Captured> = packets.iter().skip(file).step_by(60).cloned().collect();
            case.capture(&format!("part-{file:02}.pcap"), &own)
        })
        .collect();
    let (mut command, limit) = (Command::new("sh"), "ulimit -n 32; exec \"$0\" file --format json \"$@\"");
    let output = command.args(["-c", limit, PROGRAM]).args(files.iter().rev()).output().expect("there is a shell");
    let err = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {err}"));
    let one = self::report(&[&whole]);
    assert_eq!(report["totals"], one["totals"]);
    assert_eq!(codes(&report), codes(&one));
    // Evidence names the file and the packet in it.
    let evidence = &report["findings"][0]["evidence"][0];
    let (capture, packet) = (evidence["capture"].as_u64(), evidence["packet"].as_u64());
    let name = report["captures"][capture.expect("a number") as usize]["name"].as_str().expect("a name");
    let at = read(Path::new(name))[packet.expect("a number") as usize - 1].0;
    let first = report["findings"][0]["first"].as_str().expect("a time");
    let stamp = format!("{}.", cap_audit::time::Zone::utc().date_and_time(at).replace(' ', "T"));
    assert!(first.starts_with(stamp.trim_end_matches('.')), "{first} {stamp}");
}

#[test]
fn the_order_is_that_of_mergecap() {
    if Command::new("mergecap").arg("--version").output().is_err() {
        return skipped(format_args!("mergecap is not installed"));
    }
    let case = Case::new();
    let packets = apart(story());
    // The ends of a session apart from each other, and files that begin and end at other times.
    let files: Vec<PathBuf> = [(0, 3), (1, 3), (2, 3)]
        .iter()
        .map(|&(skip, step)| {
            let own: Vec<Captured> = packets.iter().skip(skip * 4).step_by(step).cloned().collect();
            case.capture(&format!("part-{skip}.pcap"), &own)
        })
        .collect();
    let merged = case.path("merged.pcap");
    let made = Command::new("mergecap").args(["-F", "nsecpcap", "-w"]).arg(&merged).args(&files).status();
    assert!(made.expect("mergecap runs").success());
    let (ours, theirs) = (report(&files.iter().collect::<Vec<_>>()), report(&[&merged]));
    assert_eq!(outline(&ours), outline(&theirs));
    assert_eq!(ours["totals"], theirs["totals"]);
}

#[test]
fn a_wrong_clock_of_one_packet_does_not_hold_up_the_others() {
    let case = Case::new();
    let mut packets = story();
    let glitch = packets.iter().position(|packet| packet.0 > START + Span::seconds(4)).expect("it goes on");
    packets[glitch].0 = packets[glitch].0 + Span::seconds(1_000_000);
    let whole = report(&[&case.capture("whole.pcap", &packets)]);
    let [up, down] = case.by_direction(&packets);
    let two = report(&[&up, &down]);
    assert_eq!(codes(&two), codes(&whole));
    assert_eq!(two["totals"]["packets"], whole["totals"]["packets"]);
}

#[test]
fn a_gap_costs_what_came_since_the_last_one() {
    const FLOWS: u32 = 60_000;
    let mut audit = Audit::new(Arc::new(PortMap::citrix()), Limits::default(), Flows::Counted);
    let observe = |audit: &mut Audit, number: u32, at: Timestamp| {
        let [_, high, middle, low] = number.to_be_bytes();
        let talk =
            Talk::between(client(&format!("10.{high}.{middle}.{low}"), 50_000), server("10.255.0.1", 2598)).at(at);
        for (at, link, original, bytes) in talk.syn().packets() {
            audit.observe(&RawPacket { at, number: 1, capture: 0, link, original, bytes: &bytes });
        }
    };
    (0..FLOWS).for_each(|number| observe(&mut audit, number, START));
    let begun = Instant::now();
    audit.gap(START);
    let once = begun.elapsed();
    let begun = Instant::now();
    for number in 0..2_500 {
        let at = START + Span::millis(10 * i64::from(number));
        observe(&mut audit, FLOWS + number, at);
        audit.gap(at);
    }
    assert!(
        begun.elapsed() < 100 * once + Duration::from_secs(1),
        "a walk over all takes {once:?}; {:?}",
        begun.elapsed()
    );
    assert_eq!(
        audit.finish(START).0.kinds.iter().map(|(_, carried)| carried.flows).sum::<u64>(),
        u64::from(FLOWS) + 2_500
    );
}

// Directories, links and patterns.

#[test]
fn directories_are_walked() {
    let case = Case::new();
    let packets = story();
    for name in ["b.pcap", "a/a.pcap", "a/deep/er/c.pcap", ".hidden.pcap", ".git/d.pcap", "a/.DS_Store"] {
        fs::create_dir_all(case.path(name).parent().expect("it has one")).expect("it can be made");
        case.capture(name, &packets);
    }
    let names = |report: &Value| {
        let captures = report["captures"].as_array().expect("a list");
        let name = |capture: &Value| {
            capture["name"].as_str().expect("a name").replace(&format!("{}/", text(case.0.path())), "")
        };
        captures.iter().map(name).collect::<Vec<_>>()
    };
    let all = report(&[case.0.path()]);
    assert_eq!(names(&all), ["a/a.pcap", "a/deep/er/c.pcap", "b.pcap"]);
    for (depth, expected) in
        [("1", &["b.pcap"][..]), ("2", &["a/a.pcap", "b.pcap"]), ("4", &["a/a.pcap", "a/deep/er/c.pcap", "b.pcap"])]
    {
        let told = cap_audit(&["file", "--format", "json", "--max-depth", depth, text(case.0.path())]);
        assert_eq!(names(&json(&told)), expected, "{depth}");
    }
    assert_eq!(cap_audit(&["file", "--max-depth", "0", text(case.0.path())]).code, Some(2));
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_in_a_circle_ends() {
    use std::os::unix::fs::symlink;
    let case = Case::new();
    fs::create_dir_all(case.path("a/b")).expect("it can be made");
    fs::create_dir(case.path("other")).expect("it can be made");
    case.capture("other/x.pcap", &story());
    symlink(case.0.path(), case.path("a/b/top")).expect("it can be made");
    symlink("..", case.path("a/b/up")).expect("it can be made");
    symlink(case.path("nowhere"), case.path("a/broken.pcap")).expect("it can be made");
    for name in ["one", "two"] {
        symlink(case.path("other"), case.path(name)).expect("it can be made");
        symlink(case.path("a"), case.path("other").join(name)).expect("it can be made");
    }
    let told = cap_audit(&["file", "--format", "json", text(case.0.path())]);
    assert_eq!(json(&told)["captures"].as_array().map(Vec::len), Some(1), "{}", told.err);
    assert_eq!(told.err, "");
}

#[test]
fn what_is_no_capture_is_one_line_at_the_end() {
    let case = Case::new();
    case.capture("case.pcap", &story());
    for number in 0..300 {
        case.file(&format!("notes-{number:03}.txt"), b"the user cannot log on\n");
        case.file(&format!("trace-{number:03}.pcap.gz"), b"\x1f\x8b\x08\0\0\0\0\0\0\x03");
    }
    case.file("odd.bin", &[1, 2, 3]);
    let told = cap_audit(&["file", text(case.0.path())]);
    let lines: Vec<&str> = told.err.lines().collect();
    assert_eq!(lines.len(), 2, "{}", told.err);
    assert!(lines[0].contains("trace-000.pcap.gz: it is compressed with gzip; unpack it first"), "{}", told.err);
    assert!(lines[0].ends_with("it and 299 more like it are left out"), "{}", told.err);
    assert!(
        lines[1].contains("left out what is not a capture: ") && lines[1].ends_with(" and 296 more"),
        "{}",
        told.err
    );
    assert_eq!(cap_audit(&["file", "-q", text(case.0.path())]).err, "");
}

#[test]
fn a_pattern_that_nobody_expanded_is_told() {
    let case = Case::new();
    let told = cap_audit(&["file", text(&case.path("*.pcap"))]);
    assert_eq!(told.code, Some(3));
    assert!(told.err.contains("the shell has not replaced the pattern"), "{}", told.err);
    let told = cap_audit(&["file", text(&case.path("plain.pcap"))]);
    assert!(told.err.contains("there is no such file") && !told.err.contains("pattern"), "{}", told.err);
}

#[cfg(unix)]
#[test]
fn three_thousand_links_to_one_file_are_one_file() {
    let case = Case::new();
    let capture = case.capture("case.pcap", &story());
    fs::create_dir(case.path("links")).expect("it can be made");
    for number in 0..1_500 {
        fs::hard_link(&capture, case.path(&format!("links/hard-{number}.pcap"))).expect("it can be linked");
        std::os::unix::fs::symlink(&capture, case.path(&format!("links/soft-{number}.pcap")))
            .expect("it can be linked");
    }
    let told = cap_audit(&["file", "--format", "json", text(&capture), text(&case.path("links"))]);
    assert_eq!(json(&told)["captures"].as_array().map(Vec::len), Some(1));
    assert_eq!(told.err.lines().count(), 1, "{}", told.err);
    assert!(told.err.contains("case.pcap was named more than once and is read once"), "{}", told.err);
}

// Inputs that keep a person waiting.

#[cfg(unix)]
#[test]
fn a_pipe_that_nobody_writes_to_is_told_and_can_be_ended() {
    let case = Case::new();
    let pipe = case.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("there is a mkfifo").success());
    let begun = Instant::now();
    let mut child = Command::new(PROGRAM).arg("file").arg(&pipe).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut line = String::new();
    BufReader::new(child.stderr.take().expect("it was asked for")).read_line(&mut line).expect("it can be read");
    assert_eq!(line, format!("cap-audit: waiting for {} to be opened for writing; Ctrl-C ends\n", pipe.display()));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(
        Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().expect("there is a kill").success()
    );
    assert!(!child.wait().expect("it ends").success());
}

#[cfg(unix)]
#[test]
fn a_pipe_that_stalls_says_so_once() {
    for quiet in [false, true] {
        let mut command = Command::new(PROGRAM);
        command.args(["file", "-"]).args(quiet.then_some("-q"));
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("it runs");
        let mut pipe = child.stdin.take().expect("it was asked for");
        let bytes = write_pcap(Vec::new(), &story()).expect("memory takes everything");
        pipe.write_all(&bytes[..200]).expect("it reads");
        let mut told = BufReader::new(child.stderr.take().expect("it was asked for"));
        let mut err = String::new();
        if !quiet {
            told.read_line(&mut err).expect("it can be read");
        }
        pipe.write_all(&bytes[200..]).expect("it reads");
        drop(pipe);
        told.read_to_string(&mut err).expect("it can be read");
        child.wait().expect("it ends");
        let told = "cap-audit: standard input has delivered nothing for 5 seconds; still waiting\n";
        assert_eq!(err, if quiet { "" } else { told });
    }
}

// The vocabulary.

const PROGRAM: &str = env!("CARGO_BIN_EXE_cap-audit");

struct Case(TempDir);

impl Case {
    fn new() -> Case {
        Case(tempfile::tempdir().expect("there is room for a test"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        File::create(&path).and_then(|mut file| file.write_all(bytes)).expect("it can be written");
        path
    }

    fn capture(&self, name: &str, packets: &[Captured]) -> PathBuf {
        self.file(name, &write(packets))
    }

    /// Two files, each with one direction between any two hosts.
    fn by_direction(&self, packets: &[Captured]) -> [PathBuf; 2] {
        let [up, down] = directions(packets);
        [self.capture("up.pcap", &up), self.capture("down.pcap", &down)]
    }
}

fn write(packets: &[Captured]) -> Vec<u8> {
    if packets.is_empty() {
        let empty = PcapWriter::new(Vec::new(), LinkType::ETHERNET, Fractions::Nanoseconds);
        return empty.and_then(PcapWriter::finish).expect("memory takes everything");
    }
    write_pcap(Vec::new(), packets).expect("memory takes everything")
}

fn read(path: &Path) -> Vec<Captured> {
    let mut file = CaptureFile::open(path, 0).expect("it is a capture");
    let (mut block, mut packets) = (Vec::new(), Vec::new());
    loop {
        let more = file.scan(&mut block, &mut |block, record| {
            let packet = record.packet(block);
            packets.push((packet.at, packet.link, packet.original, packet.bytes.to_vec()));
        });
        if more.expect("it can be read") == More::No {
            return packets;
        }
    }
}

/// Packets from the lower address, and all others.
fn directions(packets: &[Captured]) -> [Vec<Captured>; 2] {
    let up = |(at, link, original, bytes): &&Captured| {
        let raw = RawPacket { at: *at, number: 1, capture: 0, link: *link, original: *original, bytes };
        decode(&raw).is_ok_and(|packet| packet.source.ip() < packet.destination.ip())
    };
    let (up, down): (Vec<_>, Vec<_>) = packets.iter().partition(up);
    [up, down].map(|packets| packets.into_iter().cloned().collect())
}

fn report<P: AsRef<Path>>(files: &[P]) -> Value {
    let mut arguments = vec![OsStr::new("file"), OsStr::new("-q"), OsStr::new("--format"), OsStr::new("json")];
    arguments.extend(files.iter().map(|file| file.as_ref().as_os_str()));
    json(&cap_audit(&arguments))
}

/// What a report says, without where its packets lie: flows are numbered by their captures.
fn outline(report: &Value) -> Value {
    let without = |name: &str, fields: &[&str]| {
        let list = report[name].as_array().expect("a list").iter();
        let without = list.map(|entry| {
            let mut entry = entry.clone();
            fields.iter().for_each(|field| _ = entry.as_object_mut().expect("an object").remove(*field));
            entry
        });
        without.collect::<Vec<_>>()
    };
    // Packets and flows have the numbers of their own file.
    let mut flows = without("flows", &["id", "capture"]);
    flows.sort_by_key(Value::to_string);
    serde_json::json!({"findings": without("findings", &["evidence", "id", "flows"]), "totals": report["totals"], "flows": flows})
}

fn codes(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().expect("a list").iter();
    let about = findings.filter(|finding| !finding["code"].as_str().is_some_and(|code| code.starts_with("quality.")));
    let mut codes: Vec<&str> = about.map(|finding| finding["code"].as_str().expect("a code")).collect();
    codes.sort_unstable();
    codes
}

struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

fn cap_audit<S: AsRef<OsStr>>(arguments: &[S]) -> Told {
    let output = Command::new(PROGRAM).args(arguments).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Told { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

fn json(told: &Told) -> Value {
    serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {}", told.err))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}
