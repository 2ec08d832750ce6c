//! Every folder in `fixtures/` is a capture and what must be told of it. `expected.json` is a pattern that was written from how the
//! traffic was made and from what tshark reads in it; see `fixtures/README.md`.

use cap_audit::finding::CHECKS;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut folders: Vec<PathBuf> = fs::read_dir(root)
        .expect("fixtures/ is part of the repository")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(folders.len() >= 58, "fixtures are missing: {}", folders.len());
    folders
}

fn capture(folder: &Path) -> PathBuf {
    ["capture.pcap", "capture.pcapng"]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{} holds no capture", folder.display()))
}

fn cap_audit(arguments: &[&str], capture: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cap-audit"))
        .env("TZ", "UTC")
        .arg("file")
        .args(arguments)
        .arg(capture)
        .output()
        .expect("the program runs")
}

fn report(arguments: &[&str], capture: &Path) -> Value {
    let output = cap_audit(arguments, capture);
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{}: {error}; {said}", capture.display()))
}

/// Findings in the order that the patterns have: code, protocol, port, first client.
fn sort_findings(report: &mut Value) {
    let key = |finding: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        (text(&finding["code"]), text(&finding["protocol"]), finding["port"].as_u64(), text(&finding["clients"][0]))
    };
    if let Some(findings) = report["findings"].as_array_mut() {
        findings.sort_by_key(key);
    }
}

/// Problems in the order that the patterns have: cause, protocol, port. How they rank is for other tests.
fn sort_problems(report: &mut Value) {
    let key = |problem: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        (text(&problem["cause"]), text(&problem["protocol"]), problem["port"].as_u64())
    };
    if let Some(problems) = report.get_mut("problems").and_then(Value::as_array_mut) {
        problems.sort_by_key(key);
    }
}

/// Where the report differs from the pattern: every key of an object, every element of an array.
fn differences(place: &str, pattern: &Value, report: &Value, found: &mut Vec<String>) {
    match (pattern, report) {
        (Value::Object(pattern), Value::Object(report)) => {
            for (key, value) in pattern {
                let there = report.get(key).unwrap_or(&Value::Null);
                differences(&format!("{place}.{key}"), value, there, found);
            }
        }
        (Value::Array(pattern), Value::Array(report)) => {
            if pattern.len() != report.len() {
                let names: Vec<&Value> = report.iter().map(|one| one.get("title").unwrap_or(one)).collect();
                found.push(format!("{place}: {} expected, {} told: {names:#?}", pattern.len(), report.len()));
            }
            for (index, (value, there)) in pattern.iter().zip(report).enumerate() {
                differences(&format!("{place}[{index}]"), value, there, found);
            }
        }
        _ if pattern == report => {}
        _ => found.push(format!("{place}: {pattern} expected, {report} told")),
    }
}

#[test]
fn every_fixture_tells_what_was_made() {
    let mut wrong = Vec::new();
    for folder in folders() {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(folder.join("expected.json")).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut pattern: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let output = cap_audit(&["--format", "json"], &capture(&folder));
        let said = String::from_utf8_lossy(&output.stderr);
        let mut told: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{name}: {error}; {said}"));
        let exit_code = pattern.as_object_mut().and_then(|pattern| pattern.remove("exit_code"));
        if exit_code.as_ref().and_then(Value::as_i64) != output.status.code().map(i64::from) {
            wrong.push(format!("{name}: exit code {exit_code:?} expected, {:?} given", output.status.code()));
        }
        sort_findings(&mut pattern);
        sort_findings(&mut told);
        sort_problems(&mut pattern);
        sort_problems(&mut told);
        differences(&name, &pattern, &told, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn findings_carry_the_parameters_that_their_checks_declare() {
    let mut carried: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for folder in folders() {
        let told = report(&["--format", "json"], &capture(&folder));
        for finding in told["findings"].as_array().expect("findings are a list") {
            let code = finding["code"].as_str().expect("a finding has a code").to_string();
            let parameters = finding["parameters"].as_object().expect("a finding has parameters");
            carried.entry(code).or_default().extend(parameters.keys().cloned());
        }
    }
    for check in CHECKS.into_iter().flatten() {
        // What it means that a service is blocked, or that a story stops, are sentences of the map, for people only.
        let sentences = ["consequence", "remedy", "stopped", "subject", "subjects"];
        // Of an alert it is whose certificate was shown.
        let is_sentence = |name: &str| sentences.contains(&name) && (check.code, name) != ("tls.alert", "subject");
        let declared = check.params.iter().filter(|name| !is_sentence(name));
        let declared: BTreeSet<String> = declared.map(ToString::to_string).collect();
        assert_eq!(carried.get(check.code), Some(&declared), "{}", check.code);
    }
}

#[test]
fn the_text_names_the_same_findings() {
    for folder in folders() {
        let capture = capture(&folder);
        let told = report(&["--format", "json"], &capture);
        let output = cap_audit(&["-v"], &capture);
        let text = String::from_utf8(output.stdout).expect("the report is text");
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for finding in told["findings"].as_array().expect("findings are a list") {
            let title = finding["title"].as_str().expect("a finding has a title");
            assert!(
                flat.contains(&title.split_whitespace().collect::<Vec<_>>().join(" ")),
                "{}: {title}",
                folder.display()
            );
        }
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or_default();
        assert!(longest <= 80, "{}: {longest} columns", folder.display());
        assert!(!text.contains('\x1b'), "{}: colours in a pipe", folder.display());
    }
}

#[test]
fn the_number_of_workers_changes_nothing() {
    for folder in folders() {
        let capture = capture(&folder);
        let one = cap_audit(&["--format", "json", "--workers", "1"], &capture).stdout;
        for workers in ["2", "3", "7"] {
            let more = cap_audit(&["--format", "json", "--workers", workers], &capture).stdout;
            assert!(one == more, "{} with {workers} workers", folder.display());
        }
    }
}

#[test]
fn a_cut_to_164_bytes_changes_no_outcome() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    for folder in folders() {
        let whole = capture(&folder);
        let cut = directory.path().join("cut.pcap");
        cut_capture(&whole, &cut, 164);
        let flows = |path: &Path| -> Vec<[Value; 6]> {
            let told = report(&["--format", "json"], path);
            let list = told["flows"].as_array().expect("flows are a list").clone();
            list.iter()
                .map(|flow| {
                    ["client", "server", "outcome", "blocked", "state", "ip_bytes"].map(|key| flow[key].clone())
                })
                .collect()
        };
        assert_eq!(flows(&whole), flows(&cut), "{}", folder.display());
        // A server's name that lies behind the cut is not seen, and what it alone tied to Citrix is tied no more.
        let seen = |path: &Path| -> Vec<[Value; 2]> {
            let told = report(&["--format", "json"], path);
            let list = told["flows"].as_array().expect("flows are a list").clone();
            list.iter().map(|flow| ["server_name", "verdict"].map(|key| flow[key].clone())).collect()
        };
        for (whole, cut) in seen(&whole).into_iter().zip(seen(&cut)).filter(|(whole, cut)| whole[0] == cut[0]) {
            assert_eq!(whole, cut, "{}", folder.display());
        }
    }
}

/// Writes the capture again with at most `limit` bytes of each packet.
fn cut_capture(from: &Path, to: &Path, limit: u32) {
    use cap_audit::source::{CaptureFile, Fractions, More, PcapWriter};
    let mut source = CaptureFile::open(from, 0).expect("a fixture can be read");
    let mut block = Vec::new();
    let mut writer: Option<PcapWriter<fs::File>> = None;
    loop {
        let mut write = |block: &[u8], record: cap_audit::packet::Record| {
            let packet = record.packet(block);
            let writer = writer.get_or_insert_with(|| {
                PcapWriter::new(fs::File::create(to).expect("a file can be made"), packet.link, Fractions::Nanoseconds)
                    .expect("it can be written")
            });
            let kept = packet.bytes.len().min(limit as usize);
            writer.write(packet.at, packet.original, &packet.bytes[..kept]).expect("it can be written");
        };
        let more = source.scan(&mut block, &mut write).expect("a fixture can be read");
        if more == More::No {
            break;
        }
    }
    match writer {
        Some(writer) => drop(writer.finish().expect("it can be written")),
        None => drop(fs::copy(from, to).expect("an empty capture can be copied")),
    }
}

#[test]
fn a_finding_has_an_id_of_its_own_that_stays_when_captures_are_added() {
    let ids = |told: &Value| -> Vec<String> {
        let findings = told["findings"].as_array().expect("findings are a list");
        findings.iter().map(|finding| finding["id"].as_str().expect("a finding has an id").to_string()).collect()
    };
    for folder in folders() {
        let ids = ids(&report(&["--format", "json"], &capture(&folder)));
        assert!(ids.iter().all(|id| id.starts_with("f-") && !id.contains('~')), "{ids:?}");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{}: {ids:?}", folder.display());
    }
    let office = capture(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/office"));
    let alone = report(&["--format", "json"], &office);
    let other = capture(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/refused"));
    let both = report(&["--format", "json", &other.display().to_string()], &office);
    let expected = [
        "f-blocked.silent-tcp-2598-10.77.27.22",
        "f-unexpected.foreign-protocol-tcp-1494-ssh-10.77.27.23",
        "f-blocked.refused-tcp-7279-10.77.27.4",
        "f-fallback.cgp-to-ica-tcp-1494-for-tcp-2598-10.77.27.22",
        "f-launch.slow-tcp-1494-for-tcp-2598-10.77.27.22",
        "f-service.stopped-licensing-vendor-refused",
        "f-encryption.plain-ica-cgp",
        "f-encryption.plain-ica-edt",
        "f-encryption.plain-ica-ica",
    ];
    assert_eq!(ids(&alone), expected);
    assert!(ids(&both).len() > expected.len(), "the other capture adds findings");
    assert!(expected.iter().all(|id| ids(&both).iter().any(|told| told == id)), "{:?}", ids(&both));
    assert_eq!(alone["findings"][3]["rests_on"], serde_json::json!(["f-blocked.silent-tcp-2598-10.77.27.22"]));
}
