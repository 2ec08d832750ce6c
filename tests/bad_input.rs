//! Any input gets an answer: one clear sentence, or a report up to the damage. Never a panic, an endless loop or unbounded
//! memory. Inputs are made here byte by byte, so what must be told of them is known from how they were made.

mod skip;
mod support;

use cap_audit::packet::LinkType;
use cap_audit::source::{Fractions, PcapWriter};
use cap_audit::time::{SECOND, Span, Timestamp};
use serde_json::Value;
use skip::skipped;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;
use support::{Captured, START, Talk, client, merge, server, write_pcap};
use tempfile::TempDir;

// What is no capture.

#[test]
fn what_is_no_capture_is_told_in_one_sentence() {
    let case = Case::new();
    let good = pcap_of(&session());
    let mut version = good.clone();
    version[4] = 9;
    let cases: &[(&str, &[u8], &str)] = &[
        ("empty.pcap", b"", "it is empty"),
        ("notes.txt", b"the user cannot log on\r\n", "it is a text file, not a capture"),
        ("flows.pcap", b"No.,Time,Source\n1,0.0,10.0.0.1\n", "it is a text file, not a capture"),
        ("trace.bin", &event_trace(), "it is a Windows event trace, not a capture"),
        ("NetTrace.ETL", &[0; 4096], "it is a Windows event trace, not a capture"),
        ("a.pcap.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "it is compressed with gzip; unpack it first"),
        ("a.zip", b"PK\x03\x04\x14\0\0\0", "it is a zip archive; unpack it first"),
        ("a.cap", b"GMBU\0\x02\x01\0", "it is a NetMon 2 capture"),
        ("short.pcap", &good[..20], "it has only 20 bytes"),
        ("random.pcap", &noise(1, 5_000), "it is not a capture in a format that cap-audit knows"),
        ("new.pcap", &version, "it is a pcap file of version 9.4"),
        ("mangled.pcapng", b"\n\r\n\x1c\0\0\0M<+\x1a\x01\0\0\0", "damaged by a transfer in text mode"),
    ];
    for (name, bytes, words) in cases {
        let path = case.file(name, bytes);
        let told = cap_audit([path.as_os_str()]);
        assert_eq!((told.code, told.out.as_str()), (Some(3), ""), "{name}: {}", told.err);
        told.is_one_sentence_about(&path);
        assert!(told.err.contains(words), "{name}: {}", told.err);
    }
}

#[test]
fn an_event_trace_comes_with_commands_that_can_be_pasted() {
    let case = Case::new();
    let path = case.file("case 7.etl", &event_trace());
    let (etl, pcapng) = (path.display().to_string(), path.with_extension("pcapng").display().to_string());
    let told = cap_audit([path.as_os_str()]).err;
    assert!(told.contains(&format!("`pktmon etl2pcap '{etl}' --out '{pcapng}'`")), "{told}");
    assert!(told.contains(&format!("`etl2pcapng '{etl}' '{pcapng}'`")), "{told}");
}

#[test]
fn what_is_not_there_is_told() {
    let case = Case::new();
    let missing = case.path("missing.pcap");
    let told = cap_audit([missing.as_os_str()]);
    assert_eq!(told.code, Some(3));
    told.is_one_sentence_about(&missing);
    assert!(told.err.contains("there is no such file"), "{}", told.err);
}

#[cfg(unix)]
#[test]
fn a_file_without_permission_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::new();
    let path = case.file("secret.pcap", &pcap_of(&session()));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("the owner may do so");
    fs::set_permissions(case.0.path(), fs::Permissions::from_mode(0o755)).expect("the owner may do so");
    let told = if File::open(&path).is_err() {
        cap_audit([path.as_os_str()])
    } else {
        // Root reads everything, so somebody else must try. The program may lie where only root can run it.
        let program = case.path("cap-audit");
        fs::copy(PROGRAM, &program).expect("the program can be copied");
        let mut nobody = assert_cmd::Command::new("setpriv");
        nobody.args(["--reuid", "65534", "--clear-groups", "--"]).arg(&program).arg("file").arg(&path);
        match nobody.timeout(PATIENCE).output() {
            Ok(output) => Told::from(output),
            Err(error) => return skipped(format_args!("this is root, and setpriv cannot be run: {error}")),
        }
    };
    if told.err.contains("setpriv") {
        return skipped(format_args!("this is root, and {}", told.err));
    }
    assert_eq!(told.code, Some(3), "{}", told.err);
    told.is_one_sentence_about(&path);
    assert!(told.err.contains("permission denied"), "{}", told.err);
}

// Damage.

#[test]
fn a_cut_pcap_file_is_reported_up_to_the_last_whole_packet() {
    let case = Case::new();
    let packets = session();
    let whole = pcap_of(&packets);
    // Where each record begins: behind the file header of 24 bytes, each with 16 bytes of its own header.
    let mut starts = vec![24];
    for (.., bytes) in &packets {
        starts.push(starts.last().copied().unwrap_or_default() + 16 + bytes.len());
    }
    assert_eq!(starts.last(), Some(&whole.len()));
    for length in (24..whole.len()).step_by(41).chain([whole.len() - 1]) {
        let path = case.file("cut.pcap", &whole[..length]);
        let report = report_of(&path, &[0, 4]);
        let complete = starts.iter().filter(|&&start| start <= length).count() - 1;
        let capture = &report["captures"][0];
        assert_eq!(capture["packets"], complete, "cut to {length} bytes");
        if starts.contains(&length) {
            assert_eq!(capture["damage"], Value::Null, "cut to {length} bytes");
        } else {
            assert_eq!(capture["damage"]["position"], starts[complete], "cut to {length} bytes");
            assert_eq!(capture["damage"]["packet"], complete, "cut to {length} bytes");
        }
    }
}

#[test]
fn a_cut_is_told_as_what_it_is() {
    let case = Case::new();
    let whole = pcap_of(&session());
    let path = case.file("cut.pcap", &whole[..whole.len() - 1]);
    let text = flat(&cap_audit([path.as_os_str()]).out);
    let last = session().len();
    let expected = format!("after packet {}: the file ends in the middle of packet {last}.", last - 1);
    assert!(text.contains(&expected), "{expected}: {text}");
}

#[test]
fn a_cut_pcapng_file_is_reported_up_to_the_last_whole_block() {
    let case = Case::new();
    let packets = session();
    let blocks: Vec<Vec<u8>> = [section(), interface(1, 0)].into_iter().chain(packets.iter().map(enhanced)).collect();
    let whole = blocks.concat();
    let mut starts = vec![0];
    for block in &blocks {
        starts.push(starts.last().copied().unwrap_or_default() + block.len());
    }
    for length in (28..whole.len()).step_by(41) {
        let path = case.file("cut.pcapng", &whole[..length]);
        let report = report_of(&path, &[0, 4]);
        let complete = starts.iter().filter(|&&start| start <= length).count() - 1;
        let capture = &report["captures"][0];
        assert_eq!(capture["packets"], complete.saturating_sub(2), "cut to {length} bytes");
        if !starts.contains(&length) {
            assert_eq!(capture["damage"]["position"], starts[complete], "cut to {length} bytes");
        }
    }
}

#[test]
fn noise_behind_a_good_header_ends_well() {
    let case = Case::new();
    for seed in 0..12 {
        let noise = noise(seed, 150_000);
        for (name, header) in [
            ("noise.pcap", pcap_header(1, 262_144)),
            ("huge.pcap", pcap_header(1, u32::MAX)),
            ("noise.pcapng", [section(), interface(1, 0)].concat()),
        ] {
            let path = case.file(name, &[header, noise.clone()].concat());
            let report = report_of(&path, &[0, 1, 4]);
            assert_ne!(report["captures"][0]["damage"], Value::Null, "{name} with noise {seed}");
        }
    }
}

#[test]
fn noise_within_packets_ends_well() {
    let case = Case::new();
    for link in [0, 1, 101, 113, 276] {
        let records = (0..300u32).map(|number| {
            let bytes = noise(u64::from(number), number as usize % 120);
            record(1_700_000_000 + number, bytes.len() as u32, bytes.len() as u32, &bytes)
        });
        let bytes: Vec<u8> = std::iter::once(pcap_header(link, 262_144)).chain(records).flatten().collect();
        let report = report_of(&case.file("noise.pcap", &bytes), &[0, 1, 4]);
        assert_eq!((&report["captures"][0]["packets"], &report["captures"][0]["damage"]), (&300.into(), &Value::Null));
    }
}

#[test]
fn lengths_that_lie_cost_neither_time_nor_memory() {
    const HUGE: u32 = u32::MAX;
    let case = Case::new();
    let packets = session();
    let good = pcap_of(&packets);
    let good_ng =
        [section(), interface(1, 0)].into_iter().chain(packets.iter().map(enhanced)).collect::<Vec<_>>().concat();
    let count = packets.len() as u64;
    let lie = |at: &[u8], rest: &[u8]| [at, rest].concat();
    let empty_records: Vec<u8> = (0..1_000).flat_map(|_| record(1_700_000_000, 0, 0, b"")).collect();
    let block =
        |kind: u32, length: u32| [kind.to_le_bytes(), length.to_le_bytes(), [0; 4], length.to_le_bytes()].concat();
    let filler = vec![0x55; 3_000_000];
    // Name, bytes, packets that must be found, where the damage is.
    let cases: Vec<(&str, Vec<u8>, u64, Option<u64>)> = vec![
        ("records of no bytes", lie(&pcap_header(1, 65_535), &empty_records), 1_000, None),
        ("only zeros", lie(&pcap_header(1, 65_535), &[0; 50_000]), 0, Some(24)),
        ("first record of 4 GB", lie(&pcap_header(1, 65_535), &record(1_700_000_000, HUGE, HUGE, b"x")), 0, Some(24)),
        ("the same, announced", lie(&pcap_header(1, HUGE), &record(1_700_000_000, HUGE, HUGE, b"x")), 0, Some(24)),
        (
            "a record of 4 GB behind good ones",
            lie(&good, &record(1_700_000_100, HUGE, HUGE, b"x")),
            count,
            Some(good.len() as u64),
        ),
        (
            "a record of 60 MB that is not there",
            lie(&lie(&pcap_header(1, HUGE), &good[24..]), &record(1_700_000_100, 60_000_000, 60_000_000, b"x")),
            count,
            Some(good.len() as u64),
        ),
        (
            "a record of 4 GB with 3 MB behind it",
            lie(&pcap_header(1, HUGE), &record(1_700_000_000, HUGE, HUGE, &filler)),
            0,
            Some(24),
        ),
        (
            "a record of 60 MB of which there are 3",
            lie(&pcap_header(1, HUGE), &record(1_700_000_000, 60_000_000, 60_000_000, &filler)),
            0,
            Some(24),
        ),
        (
            "a packet block of 60 MB of which there are 3",
            lie(&good_ng, &lie(&block(6, 60_000_000), &filler)),
            count,
            Some(good_ng.len() as u64),
        ),
        ("a huge snap length", lie(&pcap_header(1, HUGE), &good[24..]), count, None),
        ("a block of no bytes", lie(&good_ng, &block(6, 0)), count, Some(good_ng.len() as u64)),
        ("a block of 8 bytes", lie(&good_ng, &block(6, 8)), count, Some(good_ng.len() as u64)),
        ("a packet block of 4 GB", lie(&good_ng, &block(6, HUGE - 3)), count, Some(good_ng.len() as u64)),
        ("an unknown block of 4 GB", lie(&good_ng, &block(0x77, HUGE - 3)), count, Some(good_ng.len() as u64)),
        ("a packet of 4 GB in a small block", lie(&good_ng, &packet_block(0, 0, HUGE, HUGE, b"1234")), count + 1, None),
    ];
    for (name, bytes, packets, damage) in cases {
        let path = case.file(name, &bytes);
        let report = report_of(&path, &[0, 4]);
        let capture = &report["captures"][0];
        assert_eq!(
            (capture["packets"].as_u64(), capture["damage"]["position"].as_u64()),
            (Some(packets), damage),
            "{name}"
        );
        assert_eq!(report["totals"]["packets"], packets, "{name}");
    }
}

#[test]
fn behind_damage_reading_goes_on_where_packets_can_be_told() {
    let case = Case::new();
    let good = pcap_of(&session());
    let bytes = [&good[..24], &record(1_700_000_000, u32::MAX, 60, &[0x55; 60]), &good[24..]].concat();
    let report = report_of(&case.file("scratched.pcap", &bytes), &[0]);
    let damage = &report["captures"][0]["damage"];
    // The file header has 24 bytes, the broken record 76.
    assert_eq!((damage["position"].as_u64(), damage["resumed"].as_u64()), (Some(24), Some(100)));
    assert_eq!(report["totals"]["flows"], 1);
    let remark = report["quality"]["remarks"][0].as_str().unwrap_or_default();
    assert!(
        remark.contains("is damaged at byte 24, before the first packet") && remark.contains("went on at byte 100"),
        "{remark}"
    );
}

#[test]
fn packets_of_unknown_links_and_interfaces_are_counted_and_told() {
    let case = Case::new();
    let unknown_link = [pcap_header(147, 0), record(1_700_000_000, 4, 4, b"1234")].concat();
    let unknown_interface =
        [section(), interface(1, 0), packet_block(7, 1_700_000_000_000_000, 4, 4, b"1234")].concat();
    for (name, bytes, words) in [
        ("link.pcap", unknown_link, "link-type-147"),
        ("interface.pcapng", unknown_interface, "1 packet came over an interface that the capture does not describe"),
    ] {
        let path = case.file(name, &bytes);
        let report = report_of(&path, &[4]);
        assert_eq!(report["captures"][0]["skipped"]["unknown_link"], 1, "{name}");
        assert_eq!(report["quality"]["verdict"], "poor", "{name}");
        let text = cap_audit([path.as_os_str()]).out;
        let flat = flat(&text);
        assert!(flat.contains("Nothing could be judged") && flat.contains(words), "{text}");
    }
}

#[test]
fn a_capture_without_packets_is_no_error_but_nothing_can_be_judged() {
    let case = Case::new();
    let files = [
        ("none.pcap", pcap_header(1, 0)),
        ("none.pcapng", section()),
        ("idle.pcapng", [section(), interface(1, 0)].concat()),
    ];
    for (name, bytes) in files {
        let path = case.file(name, &bytes);
        let report = report_of(&path, &[4]);
        assert_eq!(report["captures"][0]["first"], Value::Null, "{name}");
        assert_eq!(report["findings"][0]["code"], "quality.no-packets", "{name}");
        let told = cap_audit([path.as_os_str()]);
        assert!(flat(&told.out).contains("Nothing could be judged"), "{}", told.out);
        assert_eq!(told.err, "");
    }
}

#[test]
fn where_nothing_is_judged_the_reason_is_told() {
    let case = Case::new();
    let arp = [[0xff; 12].as_slice(), &[0x08, 0x06], &[0; 46]].concat();
    let bytes = [pcap_header(1, 0), record(1_700_000_000, 60, 60, &arp), record(1_700_000_001, 60, 60, &arp)].concat();
    let path = case.file("arp.pcap", &bytes);
    let report = report_of(&path, &[4]);
    assert_eq!(report["captures"][0]["skipped"]["not_ip"], 2);
    assert_eq!(report["totals"]["evaluable"], 0);
    assert!(flat(&cap_audit([path.as_os_str()]).out).contains("2 ARP"));
}

// Time.

#[test]
fn a_clock_that_steps_back_is_told_and_durations_stay_true() {
    let case = Case::new();
    let mut packets = session();
    let half = packets.len() / 2;
    packets[half..].iter_mut().for_each(|packet| packet.0 = packet.0 + Span::seconds(-600));
    let path = case.file("stepping.pcap", &pcap_of(&packets));
    let report = report_of(&path, &[0]);
    assert_eq!(report["totals"]["flows"], 1, "one conversation, whatever its clock does");
    assert_eq!(report["flows"][0]["outcome"], "established");
    let duration = report["flows"][0]["duration_s"].as_f64().unwrap_or(f64::MAX);
    assert!((0.0..5.0).contains(&duration), "{duration}");
    assert!(flat(&cap_audit([path.as_os_str()]).out).contains("steps back 1 time, by up to 10 min"));
}

#[test]
fn impossible_years_are_reported_as_they_stand() {
    let case = Case::new();
    for (seconds, year) in [(0, "1970-"), (400_000_000, "1982-"), (4_200_000_000, "2103-")] {
        let shift = Span(seconds * SECOND - START.0);
        let packets: Vec<Captured> =
            session().into_iter().map(|(at, link, original, bytes)| (at + shift, link, original, bytes)).collect();
        let path = case.file("year.pcap", &pcap_of(&packets));
        let report = report_of(&path, &[0]);
        assert!(report["captures"][0]["first"].as_str().is_some_and(|first| first.starts_with(year)), "{year}");
        assert_eq!(report["flows"][0]["outcome"], "established", "{year}");
        assert!(flat(&cap_audit([path.as_os_str()]).out).contains("the clock that wrote them was wrong"), "{year}");
    }
}

#[test]
fn times_beyond_every_calendar_do_no_harm() {
    let case = Case::new();
    // Option 9: 2^-0 and 10^-0 seconds a tick, so that 64 bits of ticks are far beyond the sun's life.
    for resolution in [0, 0x80, 0x7f, 0xff] {
        let option = [9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0];
        let described = ng_block(1, &[[1, 0, 0, 0, 0, 0, 0, 0].as_slice(), &option].concat());
        let packets = session();
        let ends = [u64::MAX, 0, u64::MAX / 2];
        let blocks = ends
            .iter()
            .zip(&packets)
            .map(|(&ticks, (.., bytes))| packet_block(0, ticks, bytes.len() as u32, bytes.len() as u32, bytes));
        let bytes: Vec<u8> = [section(), described].into_iter().chain(blocks).flatten().collect();
        let path = case.file("far.pcapng", &bytes);
        let report = report_of(&path, &[0, 1, 4]);
        assert_eq!(report["captures"][0]["packets"], 3, "resolution {resolution:#x}");
        assert_eq!(cap_audit([OsStr::new("--flows"), path.as_os_str()]).err, "");
    }
}

// Several inputs.

#[test]
fn one_bad_capture_does_not_hinder_the_others() {
    let case = Case::new();
    let good = case.file("good.pcap", &pcap_of(&session()));
    let [missing, text, empty] = [case.path("missing.pcap"), case.file("notes.txt", b"hello\n"), case.path("nothing")];
    fs::create_dir(&empty).expect("the directory is new");
    let alone = json(&cap_audit(with_json(&[&good])));
    for bad in [&missing, &text, &empty] {
        for order in [[&good, bad], [bad, &good]] {
            let told = cap_audit(with_json(&order));
            assert_eq!(told.code, Some(3), "{}", told.err);
            told.is_one_sentence_about(bad);
            assert_eq!(json(&told), alone, "{}", bad.display());
        }
    }
    let told = cap_audit([&missing, &text, &empty, &good]);
    assert_eq!((told.code, told.err.lines().count()), (Some(3), 3), "{}", told.err);
}

#[test]
fn a_directory_is_audited_whatever_else_lies_in_it() {
    let case = Case::new();
    let directory = case.path("case");
    fs::create_dir_all(directory.join("below")).expect("the directory is new");
    let write =
        |name: &str, bytes: &[u8]| fs::write(directory.join(name), bytes).expect("the directory can be written to");
    write("b.pcap", &pcap_of(&session()));
    write("a.pcapng", &[section(), interface(1, 0)].concat());
    write("notes.txt", b"hello\n");
    write("empty.pcap", b"");
    write("trace.etl", &event_trace());
    write("below/c.pcap", &pcap_of(&session()));
    let told = cap_audit(with_json(&[&directory]));
    assert_eq!(told.code, Some(0), "{}", told.err);
    let report = json(&told);
    let names: Vec<&str> =
        report["captures"].as_array().into_iter().flatten().filter_map(|capture| capture["name"].as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names[0].ends_with("a.pcapng") && names[1].ends_with("b.pcap"), "{names:?}");
    assert!(names[2].ends_with("below/c.pcap"), "{names:?}");
    assert_eq!(report["totals"]["flows"], 1, "one session, captured twice");
    // What was left out is told: the trace with its conversion, the others in one line.
    assert_eq!(told.err.lines().count(), 2, "{}", told.err);
    assert!(told.err.contains("etl2pcapng") && told.err.contains("it is left out"), "{}", told.err);
    assert!(told.err.contains("not a capture: ") && told.err.contains("notes.txt"), "{}", told.err);
}

#[test]
fn a_directory_without_captures_is_told() {
    let case = Case::new();
    let directory = case.path("case");
    fs::create_dir(&directory).expect("the directory is new");
    let empty = cap_audit([OsStr::new("-q"), directory.as_os_str()]);
    assert_eq!(empty.code, Some(3));
    empty.is_one_sentence_about(&directory);
    assert!(empty.err.contains("there is no file in it"), "{}", empty.err);
    fs::write(directory.join("notes.txt"), b"hello\n").expect("the directory can be written to");
    let told = cap_audit([OsStr::new("-q"), directory.as_os_str()]);
    assert_eq!((told.code, told.out.as_str()), (Some(3), ""));
    told.is_one_sentence_about(&directory);
}

#[test]
fn files_of_a_ring_buffer_are_one_capture() {
    let case = Case::new();
    let packets = session();
    let whole = case.file("whole.pcap", &pcap_of(&packets));
    let one = report_of(&whole, &[0]);
    assert_eq!(one["flows"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["flows"][0]["state"], "SF");
    for cut in [1, 2, 3, 5] {
        let first = case.file("ring_00001.pcap", &pcap_of(&packets[..cut]));
        let second = case.file("ring_00002.pcap", &pcap_of(&packets[cut..]));
        for order in [[&first, &second], [&second, &first]] {
            let report = json(&cap_audit(with_json(&order)));
            // It began in the first file, wherever that stands on the command line.
            let mut flows = one["flows"].clone();
            flows[0]["capture"] = order.iter().position(|file| **file == first).into();
            assert_eq!(report["flows"], flows, "cut behind packet {cut}");
            assert_eq!(report["totals"], one["totals"], "cut behind packet {cut}");
            assert_eq!(report["captures"].as_array().map(Vec::len), Some(2));
            assert_eq!(
                report["captures"][0]["name"],
                order[0].display().to_string(),
                "in the order of the command line"
            );
        }
    }
}

#[test]
fn a_silence_that_goes_on_in_the_next_file_is_found() {
    let case = Case::new();
    let tries = Talk::between(client("10.0.0.14", 50_123), server("10.0.0.22", 2598))
        .syn()
        .wait(Span::seconds(3))
        .syn_again()
        .wait(Span::seconds(6))
        .syn_again()
        .packets();
    let rest = support::meanwhile(START + Span::seconds(180));
    let all = merge([tries, rest]);
    let cut = all.iter().position(|packet| packet.0 > START + Span::seconds(5)).expect("the capture goes on");
    let first = case.file("ring_00001.pcap", &pcap_of(&all[..cut]));
    let second = case.file("ring_00002.pcap", &pcap_of(&all[cut..]));
    let report = json(&cap_audit(with_json(&[&first, &second])));
    let finding = &report["findings"][0];
    assert_eq!((&finding["code"], &finding["flow_count"]), (&"blocked.silent".into(), &1.into()));
    let captures: Vec<u64> =
        finding["evidence"].as_array().into_iter().flatten().filter_map(|at| at["capture"].as_u64()).collect();
    assert!(captures.contains(&0) && captures.contains(&1), "the tries are in both files: {captures:?}");
    let problem = ["--problem", "1"].map(OsStr::new);
    let text = flat(&cap_audit(problem.into_iter().chain([first.as_os_str(), second.as_os_str()])).out);
    assert!(text.contains("ring_00001.pcap:1 (SYN, first try)"), "{text}");
}

#[test]
fn captures_that_overlap_are_seen_as_one() {
    let case = Case::new();
    let talk = |ip: &str| {
        Talk::between(client(ip, 50_123), server("10.0.0.22", 1494))
            .opened()
            .answers(b"\x7f\x7fICA\0")
            .wait(Span::seconds(20))
            .says(b"\x7f\x7fICA\0")
            .closed()
            .packets()
    };
    let one = case.file("client.pcap", &pcap_of(&talk("10.0.0.14")));
    let other = case.file("gateway.pcap", &pcap_of(&talk("10.0.0.15")));
    let report = json(&cap_audit(with_json(&[&one, &other])));
    assert_eq!(
        (&report["totals"]["flows"], &report["totals"]["packets"]),
        (&2.into(), &(2 * talk("10.0.0.14").len()).into())
    );
    let remarks = report["quality"]["remarks"].to_string();
    assert!(!remarks.contains("overlap"), "{remarks}");
    assert!(!remarks.contains("steps back"), "two clocks are not one that steps: {remarks}");
}

#[test]
fn what_is_named_twice_is_read_once() {
    let case = Case::new();
    let path = case.file("case.pcap", &pcap_of(&session()));
    let other = case.0.path().join(".").join("case.pcap");
    let alone = report_of(&path, &[0]);
    for again in [path.clone(), other, case.0.path().to_path_buf()] {
        let told = cap_audit(with_json(&[&path, &again]));
        assert_eq!(json(&told), alone, "{}", again.display());
        assert_eq!(told.err.lines().count(), 1, "{}", told.err);
        assert!(told.err.contains("named more than once"), "{}", told.err);
    }
}

// Pipes.

#[test]
fn standard_input_may_be_slow() {
    let case = Case::new();
    let packets = session();
    let ng = [section(), interface(1, 0)].into_iter().chain(packets.iter().map(enhanced)).collect::<Vec<_>>().concat();
    for (name, bytes) in [("a.pcap", pcap_of(&packets)), ("a.pcapng", ng)] {
        let mut expected = report_of(&case.file(name, &bytes), &[0]);
        expected["captures"][0]["name"] = "standard input".into();
        let mut child = program()
            .args(["file", "--format", "json", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut pipe = child.stdin.take().expect("it was asked for");
        let writer = thread::spawn(move || {
            for chunk in bytes.chunks(23) {
                pipe.write_all(chunk).expect("the program reads to the end");
                thread::sleep(Duration::from_millis(2));
            }
        });
        let output = child.wait_with_output().expect("the program ends");
        writer.join().expect("everything was written");
        let told = Told::from(output);
        assert_eq!(told.code, Some(0), "{}", told.err);
        assert_eq!(json(&told), expected, "{name}");
    }
}

#[test]
fn standard_input_can_be_bad_as_well() {
    let from = |bytes: &[u8]| {
        let mut command = assert_cmd::Command::new(PROGRAM);
        Told::from(command.args(["file", "-"]).write_stdin(bytes).timeout(PATIENCE).output().expect("the program runs"))
    };
    let event_trace = event_trace();
    let cases: [(&[u8], &str); 4] = [
        (b"", "it is empty"),
        (b"hello\n", "it is a text file"),
        (&event_trace, "`etl2pcapng FILE FILE.pcapng`"),
        (b"\xd4\xc3\xb2\xa1", "it has only 4 bytes"),
    ];
    for (bytes, words) in cases {
        let told = from(bytes);
        assert_eq!(told.code, Some(3));
        told.is_one_sentence_about(Path::new("standard input"));
        assert!(told.err.contains(words), "{}", told.err);
    }
    assert_eq!(from(&pcap_of(&session())).code, Some(0));
}

/// Bytes that were looked at in a pipe are gone: it must not be opened a second time.
#[cfg(unix)]
#[test]
fn named_pipes_are_read_once() {
    let case = Case::new();
    let packets = session();
    let later: Vec<Captured> = support::scene::later(&packets, Span::seconds(60));
    let pipes = [("one", pcap_of(&packets)), ("two", pcap_of(&later))].map(|(name, bytes)| (case.path(name), bytes));
    for (path, _) in &pipes {
        match Command::new("mkfifo").arg(path).status() {
            Ok(status) if status.success() => {}
            other => return skipped(format_args!("mkfifo cannot make a pipe: {other:?}")),
        }
    }
    let arguments = with_json(&[&pipes[0].0, &pipes[1].0]);
    let writers = pipes.map(|(path, bytes)| thread::spawn(move || fs::write(path, bytes)));
    let told = cap_audit(arguments);
    for writer in writers {
        writer.join().expect("the writer ends").expect("the program reads to the end");
    }
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(json(&told)["totals"]["packets"], 2 * packets.len());
}

#[test]
fn who_stops_reading_gets_no_complaint() {
    let case = Case::new();
    // Far more than a pipe holds: 3000 refused connections.
    let many = merge((0..3_000).map(|number| {
        let from = client("10.0.0.14", 20_000 + number);
        Talk::between(from, server("10.0.0.22", 1494))
            .at(START + Span::millis(i64::from(number)))
            .syn()
            .refused()
            .packets()
    }));
    let path = case.file("many.pcap", &pcap_of(&many));
    let path = path.to_str().expect("the name is text");
    let files = ["json", "ndjson", "csv"].map(|format| vec!["file", "--format", format, path]);
    let ports = ["json", "csv", "text"].map(|format| vec!["ports", "--format", format]);
    for arguments in files.into_iter().chain([vec!["file", "--flows", path]]).chain(ports) {
        let mut child =
            program().args(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let mut lines = BufReader::with_capacity(16, child.stdout.take().expect("it was asked for"));
        let mut first = String::new();
        lines.read_line(&mut first).expect("there is a first line");
        drop(lines);
        let told = Told::from(child.wait_with_output().expect("the program ends"));
        let code = if arguments[0] == "file" { Some(1) } else { Some(0) };
        assert_eq!((told.code, told.err.as_str()), (code, ""), "{arguments:?}");
        assert!(!first.is_empty(), "{arguments:?}");
    }
}

#[test]
fn nobody_needs_to_hear_the_errors() {
    let mut child = program()
        .args(["file", "/nowhere/a.pcap", "/nowhere/b.pcap"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("the program ends").code(), Some(3));
}

// Output.

#[test]
fn a_report_that_cannot_be_written_is_told() {
    let case = Case::new();
    let capture = case.file("case.pcap", &pcap_of(&session()));
    let mut places = vec![
        (case.path("missing").join("report.txt"), "there is no such"),
        (case.0.path().to_path_buf(), "it is a directory"),
        (capture.clone(), "it is one of the captures"),
    ];
    if Path::new("/dev/full").exists() {
        places.push((PathBuf::from("/dev/full"), "the disk is full"));
    }
    for (place, words) in places {
        let told = cap_audit([OsStr::new("-o"), place.as_os_str(), capture.as_os_str()]);
        assert_eq!((told.code, told.out.as_str()), (Some(3), ""), "{}", told.err);
        told.is_one_sentence_about(&place);
        assert!(told.err.contains("cannot write the report to") && told.err.contains(words), "{}", told.err);
    }
    assert_eq!(fs::read(&capture).expect("it is still there"), pcap_of(&session()));
    // A directory that is audited may hold the report of the last time, but no capture is overwritten.
    let told = cap_audit([OsStr::new("-o"), capture.as_os_str(), case.0.path().as_os_str()]);
    assert_eq!(told.code, Some(3), "{}", told.err);
    let report = case.file("report.txt", b"of yesterday");
    let told = cap_audit([OsStr::new("-o"), report.as_os_str(), case.0.path().as_os_str()]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(fs::read_to_string(&report).expect("it was written").contains("Nothing wrong in "));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_told() {
    let case = Case::new();
    let capture = case.file("case.pcap", &pcap_of(&session()));
    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    let output =
        program().arg("file").arg(&capture).stdout(full).stderr(Stdio::piped()).output().expect("the program runs");
    let told = Told::from(output);
    assert_eq!(told.code, Some(3));
    told.is_one_sentence_about(Path::new("standard output"));
}

#[cfg(unix)]
#[test]
fn names_cannot_drive_the_terminal() {
    use std::os::unix::ffi::OsStrExt;
    let case = Case::new();
    let hostile = case.path("a\x1b]0;owned\x07\nb.pcap");
    let missing = cap_audit([hostile.as_os_str()]);
    fs::write(&hostile, pcap_of(&session())).expect("the directory can be written to");
    let there = cap_audit([hostile.as_os_str()]);
    for told in [&missing, &there] {
        assert!(!told.out.contains(['\x1b', '\x07']) && !told.err.contains(['\x1b', '\x07']), "{told:?}");
    }
    let no_text = case.0.path().join(OsStr::from_bytes(b"\xff\xfe.pcap"));
    fs::write(&no_text, pcap_of(&session())).expect("the directory can be written to");
    assert_eq!(cap_audit([no_text.as_os_str()]).code, Some(0));
}

// Words of these tests.

const PROGRAM: &str = env!("CARGO_BIN_EXE_cap-audit");

/// No input of a few kilobytes may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What no input of these tests may need, in kilobytes of address space. Good captures need less than half.
#[cfg(target_os = "linux")]
const MEMORY_KB: u32 = 150_000;

/// Files of one test.
struct Case(TempDir);

impl Case {
    fn new() -> Case {
        Case(tempfile::tempdir().expect("a temporary directory can be made"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("the temporary directory can be written to");
        path
    }
}

/// What the program said.
#[derive(Debug)]
struct Told {
    /// None where it was killed: it ran too long.
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<std::process::Output> for Told {
    fn from(output: std::process::Output) -> Told {
        let text = |bytes| String::from_utf8(bytes).expect("everything that is told is text");
        let told = Told { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!told.err.contains("panicked") && told.code != Some(101), "{told:?}");
        told
    }
}

impl Told {
    /// "cap-audit: cannot ... PATH: why; what to do" on one line, told once.
    fn is_one_sentence_about(&self, path: &Path) {
        let err = self.err.strip_suffix('\n').unwrap_or(&self.err);
        assert!(err.starts_with("cap-audit: cannot "), "{err}");
        assert!(err.contains(&path.display().to_string()), "{err}");
        assert!(!err.contains('\n') && !err.ends_with('.'), "{err}");
        assert!(!err.contains("os error"), "not a word for people: {err}");
    }
}

fn program() -> Command {
    Command::new(PROGRAM)
}

/// `cap-audit file` with little memory and little time. One worker, because each takes address space for its stack.
fn cap_audit<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Told {
    #[cfg(target_os = "linux")]
    let mut command = {
        let mut shell = assert_cmd::Command::new("sh");
        // The arenas of glibc take address space at random.
        shell
            .env("MALLOC_ARENA_MAX", "1")
            .arg("-c")
            .arg(format!("ulimit -v {MEMORY_KB} && exec \"$0\" \"$@\""))
            .arg(PROGRAM);
        shell
    };
    #[cfg(not(target_os = "linux"))]
    let mut command = assert_cmd::Command::new(PROGRAM);
    let output =
        command.args(["file", "--workers", "1"]).args(arguments).timeout(PATIENCE).output().expect("the program runs");
    Told::from(output)
}

fn with_json(paths: &[&PathBuf]) -> Vec<std::ffi::OsString> {
    ["--format", "json"].into_iter().map(Into::into).chain(paths.iter().map(|path| path.as_os_str().into())).collect()
}

fn json(told: &Told) -> Value {
    serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:?}"))
}

/// The report of one capture, which must end with one of these exit codes and without a word on standard error.
fn report_of(path: &PathBuf, codes: &[i32]) -> Value {
    let told = cap_audit(with_json(&[path]));
    assert!(told.code.is_some_and(|code| codes.contains(&code)), "{told:?}");
    assert_eq!(told.err, "");
    json(&told)
}

/// On one line, however it was wrapped.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A whole CGP session over two seconds.
fn session() -> Vec<Captured> {
    Talk::between(client("10.0.0.14", 50_123), server("10.0.0.22", 2598))
        .syn()
        .wait(Span::millis(1))
        .syn_ack()
        .wait(Span::millis(1))
        .ack()
        .wait(Span::millis(500))
        .says(b"\x1aCGP/01\x00\x16Citrix.TcpProxyService")
        .wait(Span::millis(500))
        .answers(b"\x1aCGP/01")
        .wait(Span::seconds(1))
        .closed()
        .packets()
}

fn pcap_of(packets: &[Captured]) -> Vec<u8> {
    if packets.is_empty() {
        return PcapWriter::new(Vec::new(), LinkType::ETHERNET, Fractions::Nanoseconds)
            .and_then(PcapWriter::finish)
            .expect("memory takes everything");
    }
    write_pcap(Vec::new(), packets).expect("memory takes everything")
}

/// The header of a little-endian pcap file in microseconds (draft-ietf-opsawg-pcap, 4).
fn pcap_header(link: u32, snaplen: u32) -> Vec<u8> {
    let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(snaplen.to_le_bytes());
    bytes.extend(link.to_le_bytes());
    bytes
}

/// A record of a pcap file; its lengths may be lies (draft-ietf-opsawg-pcap, 5).
fn record(seconds: u32, captured: u32, original: u32, bytes: &[u8]) -> Vec<u8> {
    let fields = [seconds, 0, captured, original].map(u32::to_le_bytes);
    [fields.concat().as_slice(), bytes].concat()
}

/// A block of a pcapng file (draft-ietf-opsawg-pcapng, 3.1).
fn ng_block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
    let length = (12 + body.len() + padding.len()) as u32;
    [&kind.to_le_bytes(), length.to_le_bytes().as_slice(), body, &padding, &length.to_le_bytes()].concat()
}

/// A section header without options (4.1).
fn section() -> Vec<u8> {
    ng_block(0x0a0d_0d0a, &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255])
}

/// An interface without options, so its times are in microseconds (4.2).
fn interface(link: u16, snaplen: u32) -> Vec<u8> {
    ng_block(1, &[link.to_le_bytes().as_slice(), &[0, 0], &snaplen.to_le_bytes()].concat())
}

/// An enhanced packet block; its lengths may be lies (4.3).
fn packet_block(interface: u32, ticks: u64, captured: u32, original: u32, bytes: &[u8]) -> Vec<u8> {
    let fields = [interface, (ticks >> 32) as u32, ticks as u32, captured, original].map(u32::to_le_bytes);
    ng_block(6, &[fields.concat().as_slice(), bytes].concat())
}

fn enhanced((at, _, original, bytes): &Captured) -> Vec<u8> {
    let Timestamp(nanoseconds) = *at;
    packet_block(0, nanoseconds as u64 / 1_000, bytes.len() as u32, *original, bytes)
}

/// How an event trace begins: a buffer header of 72 bytes that tells the size of buffers, then the first event, which
/// tells it again (`TRACE_LOGFILE_HEADER`).
fn event_trace() -> Vec<u8> {
    let mut bytes = vec![0; 65_536];
    bytes[..4].copy_from_slice(&65_536u32.to_le_bytes());
    bytes[72..80].copy_from_slice(&[2, 0, 2, 0xc0, 0x40, 1, 0, 0]);
    bytes[104..108].copy_from_slice(&65_536u32.to_le_bytes());
    bytes
}

/// Bytes without any order, the same for the same seed (xorshift of Marsaglia).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}
