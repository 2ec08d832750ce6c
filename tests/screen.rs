//! What a person reads first: one screen that hides no error, everything of one problem, and tables whose rows add up.

mod skip;
#[path = "support/mod.rs"]
mod support;

use cap_audit::time::Span;
use serde_json::Value;
use skip::skipped;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Captured, START, Talk, client, merge, server};
use tempfile::TempDir;

/// Lines of a screen, and of one with fewer than 80 columns.
const LINES: usize = 24;
const LINES_WHERE_NARROW: usize = 30;

// The first screen.

#[test]
fn every_fixture_is_one_screen_that_counts_every_problem() {
    for folder in fixtures() {
        let capture = capture_of(&folder);
        let report = json(&[&capture]);
        for width in [60, 80, 120, 200] {
            check_screen_of(&report, width, &[capture.as_os_str()]);
        }
    }
}

#[test]
fn a_directory_of_cases_is_one_screen_and_says_which() {
    let all = root().join("fixtures");
    for width in [60, 80, 120] {
        let screen = check_screen(width, &[all.as_os_str()]);
        assert!(screen.starts_with(&format!("{} captures in ", fixtures().len())), "{screen}");
    }
    let screen = shown(80, &["office", "refused"].map(|name| capture_of(&all.join(name))));
    assert!(screen.starts_with("2 captures"), "{screen}");
    assert!(screen.contains("office/capture.pcap, refused/capture.pcap"), "{screen}");
    assert!(screen.contains("in office/capture.pcap"), "a problem says where it is: {screen}");
}

/// The mix of `bench` has two problems by how it is made: servers 10.1.9.x are silent on 2598, servers 10.1.10.x refuse 1494.
#[test]
fn the_mix_is_one_screen_with_both_problems_and_what_to_do() {
    let case = Case::new();
    let mix = case.mix();
    for width in [60, 80, 120] {
        check_screen(width, &[mix.as_os_str()]);
    }
    let screen = shown(80, &[&mix]);
    assert!(screen.contains("\n2 PROBLEMS"), "{screen}");
    for (mark, port, hosts) in [("1 ERROR", "TCP 2598", "10.1.9."), ("2 ERROR", "TCP 1494", "10.1.10.")] {
        let (_, problem) = screen.split_once(&format!("\n{mark}")).unwrap_or_else(|| panic!("{mark}: {screen}"));
        let head = problem.lines().next().unwrap_or_default();
        assert!(head.contains(port) && head.ends_with("attempts"), "{head}");
        for (label, words) in [("to", hosts), ("from", "10.64."), ("when", "08:00:"), ("DO", "")] {
            let row = problem.lines().find(|line| line.trim_start().starts_with(&format!("{label} ")));
            assert!(row.is_some_and(|row| row.contains(words)), "{mark} {label}: {screen}");
        }
    }
    let json = json(&[mix.as_os_str()]);
    let failed = format!("{} of {} connections failed", json["totals"]["blocked"], grouped(&json["totals"]["flows"]));
    assert!(screen.contains(&failed), "{failed}: {screen}");
    let clients: BTreeSet<&str> = json["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|finding| finding["clients"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    assert!(screen.contains(&format!("{} of ", clients.len())) && screen.contains("clients hit"), "{screen}");
}

#[test]
fn what_is_healthy_is_short_and_says_what_was_judged() {
    // The first is shorter than silence takes, and says so.
    let short = ["Nothing wrong in 1 Citrix flow.", "- The capture is 0.3 s long.", "OK      cgp 1"];
    let long = ["Nothing wrong in 2 Citrix flows.", "OK      cgp 1  edt 1", "Capture good"];
    for (name, lines) in [("cgp-healthy", short), ("edt-late", long)] {
        let screen = shown(80, &[capture_of(&root().join("fixtures").join(name))]);
        for line in lines {
            assert!(screen.lines().any(|told| told.starts_with(line)), "{line}: {screen}");
        }
        assert!(screen.lines().count() < 12, "{screen}");
        assert!(!screen.contains("PROBLEM"), "{screen}");
        // A remark has a number as well.
        assert!(screen.contains("also    1 remark (1): Not encrypted") && screen.contains("--problem 1"), "{screen}");
    }
    let empty = shown(80, &[capture_of(&root().join("fixtures/empty"))]);
    assert!(empty.contains("Nothing could be judged") && empty.contains("No packet was captured"), "{empty}");
    assert!(empty.contains("Next time: "), "{empty}");
}

/// As many problems as there are ports on which somebody gets no answer.
#[test]
fn many_problems_are_counted_and_the_first_says_what_to_do() {
    let case = Case::new();
    let ports = [1494, 2598, 7279, 27_000, 8_008, 6_910, 9_080, 2_512, 2_513, 16_500, 8_083, 8_100];
    let tries = |(number, port): (usize, u16)| {
        let talk =
            Talk::between(client("10.0.0.14", 50_100 + number as u16), server(&format!("10.0.1.{number}"), port));
        talk.syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again().packets()
    };
    let mut parts: Vec<Vec<Captured>> = (1..).zip(ports).map(tries).collect();
    parts.push(support::meanwhile(START + Span::seconds(60)));
    let capture = case.capture("many.pcap", &merge(parts));
    let problems = json(&[capture.as_os_str()])["problems"].as_array().map_or(0, Vec::len);
    assert!(problems >= 2, "the example has several");
    for width in [60, 80, 120] {
        let screen = check_screen(width, &[capture.as_os_str()]);
        let (_, first) = screen.split_once("\n1 ").expect("the first problem is told");
        assert!(first.lines().take(8).any(|line| line.trim_start().starts_with("DO ")), "{screen}");
    }
}

/// Ranges of addresses that fill a line, and a name that does not fit into one.
#[test]
fn long_addresses_and_long_names_break_no_line() {
    let case = Case::new();
    let long = |host: usize| format!("2001:db8:1234:5678:9abc:def0:1234:{:x}", 0x1000 + 3 * host);
    let tries = |number: usize| {
        let talk = Talk::between(client(&long(number), 50_100 + number as u16), server(&long(500 + number % 5), 2598));
        talk.syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again().packets()
    };
    let mut parts: Vec<Vec<Captured>> = (0..20).map(tries).collect();
    parts.push(support::meanwhile(START + Span::seconds(60)));
    let name = format!("{}.pcap", "a long name without any blank ".repeat(8).replace(' ', "_"));
    let capture = case.capture(&name, &merge(parts));
    for width in [60, 80, 120] {
        let screen = check_screen(width, &[capture.as_os_str()]);
        assert!(screen.contains("20 clients"), "{screen}");
        for page in [&["--problem", "1"][..], &["--by", "client"], &["--by", "server"], &["-v"]] {
            let told = run(width, page, &[capture.as_os_str()]).out;
            // What people search for or paste is not broken: the id of a rule, a name, a comparison in a filter.
            for line in told.lines().filter(|line| line.split_whitespace().count() > 1 && !line.contains("addr==")) {
                assert!(line.chars().count() <= width, "{page:?} at {width}: {line}");
            }
        }
    }
}

#[test]
fn what_could_not_be_judged_is_counted_with_its_reason() {
    for name in ["one-direction", "ends-early"] {
        let capture = capture_of(&root().join("fixtures").join(name));
        let unclear = json(&[capture.as_os_str()])["totals"]["not_evaluable"].clone();
        assert!(unclear.as_u64() > Some(0), "{name} shows too little");
        let screen = shown(80, &[&capture]);
        let line = screen.lines().find(|line| line.starts_with("UNCLEAR"));
        let told = line.is_some_and(|line| line.contains(&format!("{unclear} Citrix conn")) && line.contains("(-v): "));
        assert!(told, "{name}: {screen}");
    }
}

/// A capture that is not good says so before the first problem.
#[test]
fn what_the_capture_is_good_for_stands_before_the_problems() {
    let capture = capture_of(&root().join("fixtures/office"));
    let bytes = fs::read(capture).expect("a fixture can be read");
    let case = Case::new();
    let cut = case.path("cut.pcap");
    fs::write(&cut, &bytes[..bytes.len() - 7]).expect("there is room");
    let screen = shown(80, &[&cut]);
    let place = |text: &str| screen.find(text).unwrap_or_else(|| panic!("{text}: {screen}"));
    assert!(place("PROBLEM") < place("Capture limited: ") && place("Capture limited: ") < place("\n1 "), "{screen}");
    assert!(!screen.contains("Capture good"), "{screen}");
}

// One problem.

#[test]
fn a_problem_shows_everything_that_is_known_of_it() {
    for folder in fixtures() {
        let capture = capture_of(&folder);
        let report = json(&[capture.as_os_str()]);
        let all = report["problems"].as_array().expect("problems are a list");
        for (place, problem) in all.iter().enumerate() {
            let id = problem["id"].as_str().expect("a problem has an id");
            let [by_number, by_id] = [(place + 1).to_string(), id.to_string()]
                .map(|asked| run(80, &["--problem", &asked], &[capture.as_os_str()]));
            assert_eq!(by_number.out, by_id.out);
            let told = flat(&by_number.out);
            // Ids are broken where they are longer than a line.
            let packed = told.replace(' ', "");
            for text in ["title", "meaning", "remedy"] {
                let text = flat(problem[text].as_str().expect("a problem has texts"));
                assert!(packed.contains(&text.replace(' ', "")), "{}: {text}: {told}", folder.display());
            }
            for finding in problem["findings"].as_array().expect("a problem has findings") {
                let id = finding.as_str().expect("findings are named by their ids");
                assert!(packed.contains(id), "{}: {id}: {told}", folder.display());
                let of = report["findings"].as_array().into_iter().flatten().find(|of| &of["id"] == finding);
                let of = of.unwrap_or_else(|| panic!("{id} is a finding"));
                for packet in of["evidence"].as_array().into_iter().flatten() {
                    assert!(
                        told.contains(&format!("{} (", packet["packet"])),
                        "{}: {packet}: {told}",
                        folder.display()
                    );
                }
                let filter = of["wireshark_filter"].as_str().expect("a finding has a filter");
                assert!(packed.contains(&filter.replace(' ', "")), "{}: {filter}: {told}", folder.display());
                for rule in of["rules"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    assert!(packed.contains(rule), "{}: {rule}: {told}", folder.display());
                }
            }
            assert_eq!(by_number.code, code_of(&capture), "{}", folder.display());
        }
        let beyond = run(80, &["--problem", &(all.len() + 1).to_string()], &[capture.as_os_str()]);
        assert_eq!((beyond.code, beyond.out.as_str()), (2, ""), "{}", folder.display());
        assert_eq!(beyond.err.lines().count(), 1, "{}", beyond.err);
    }
}

/// Every client and server of every finding lies in a range that is told.
#[test]
fn a_problem_names_all_hosts() {
    let case = Case::new();
    let mix = case.mix();
    let report = json(&[mix.as_os_str()]);
    for (place, problem) in report["problems"].as_array().into_iter().flatten().enumerate() {
        let told = run(200, &["--problem", &(place + 1).to_string()], &[mix.as_os_str()]).out;
        for (label, of) in [("servers", "servers"), ("clients", "clients")] {
            if problem[of]["count"] == 0 {
                // A remark on what is not encrypted does not count who asks.
                assert!(!told.lines().any(|line| line.starts_with(label)), "{label}: {told}");
                continue;
            }
            let lines = told.lines().skip_while(|line| !line.starts_with(label));
            let list: Vec<&str> = lines
                .enumerate()
                .take_while(|(index, line)| *index == 0 || line.starts_with("   "))
                .map(|(_, line)| line)
                .collect();
            let list = flat(&list.join(" "));
            let (count, ranges) = list.split_once(": ").expect("hosts stand behind their number");
            let wanted = grouped(&problem[of]["count"]);
            assert!(count.contains(&wanted), "{wanted}: {count}");
            let hosts: u64 = ranges.split(", ").map(addresses).sum();
            assert_eq!(Some(hosts), problem[of]["count"].as_u64(), "{ranges}");
        }
    }
}

#[test]
fn a_report_in_a_file_is_not_touched_where_there_is_no_such_problem() {
    let case = Case::new();
    let output = case.path("report.txt");
    fs::write(&output, "of yesterday").expect("there is room");
    let name = output.to_str().expect("the path is text");
    let told = run(80, &["-o", name, "--problem", "99"], &[capture_of(&root().join("fixtures/office")).as_os_str()]);
    assert_eq!(told.code, 2, "{}", told.err);
    assert_eq!(fs::read_to_string(&output).expect("it is there"), "of yesterday");
}

/// tshark understands the filter of a problem, and it selects every packet that is named.
#[test]
fn wireshark_takes_the_filter_of_a_problem() {
    if Command::new("tshark").arg("--version").output().is_err() {
        return skipped("tshark is not installed");
    }
    let case = Case::new();
    let mix = case.mix();
    let told = run(4_000, &["--problem", "1"], &[mix.as_os_str()]).out;
    let filters: Vec<String> = told
        .split("\nWireshark  ")
        .skip(1)
        .map(|rest| {
            let lines = rest.lines().enumerate().take_while(|(index, line)| *index == 0 || line.starts_with("   "));
            flat(
                &lines
                    .map(|(_, line)| line)
                    .filter(|line| !line.trim().starts_with('(') || line.contains("=="))
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        })
        .collect();
    let filter = filters.first().expect("the problem has a filter").split(" (selects").next().unwrap_or_default();
    let packets: BTreeSet<u64> = json(&[mix.as_os_str()])["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|finding| finding["code"] == "blocked.silent")
        .flat_map(|finding| finding["evidence"].as_array().cloned().unwrap_or_default())
        .filter_map(|packet| packet["packet"].as_u64())
        .collect();
    let output = Command::new("tshark")
        .args(["-r", mix.to_str().expect("text"), "-Y", filter, "-T", "fields", "-e", "frame.number"])
        .output()
        .expect("tshark runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let selected: BTreeSet<u64> =
        String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.trim().parse().ok()).collect();
    assert!(!packets.is_empty() && packets.is_subset(&selected), "{filter}: {said}");
}

// Tables.

#[test]
fn the_rows_of_a_table_add_up_to_the_totals() {
    let case = Case::new();
    let mix = case.mix();
    let captures = fixtures().into_iter().map(|folder| capture_of(&folder)).chain([mix]);
    for capture in captures {
        let report = json(&[capture.as_os_str()]);
        let totals = &report["totals"];
        for by in ["client", "server", "service"] {
            let told = run(80, &["--by", by, "-v"], &[capture.as_os_str()]);
            assert_eq!(told.code, code_of(&capture), "{}", capture.display());
            let mut sums = [0; 2];
            let mut lines =
                told.out.lines().skip_while(|line| !line.starts_with(by) || !line.contains("connections")).skip(1);
            let mut rows = 0;
            for line in lines.by_ref().take_while(|line| !line.starts_with("All ") && !line.starts_with("Other ")) {
                let cells: Vec<&str> = line.split_whitespace().collect();
                for (sum, cell) in sums.iter_mut().zip(&cells[1..3]) {
                    *sum += cell.replace(',', "").parse::<u64>().unwrap_or_else(|error| panic!("{error}: {line}"));
                }
                rows += 1;
                if by == "service" {
                    continue;
                }
                let of = if by == "client" { "client" } else { "server" };
                let flows = report["flows"].as_array().into_iter().flatten();
                let its = flows.filter(|flow| flow[of]["address"] == cells[0]).count();
                assert_eq!(cells[1].replace(',', "").parse(), Ok(its), "{}: {line}", capture.display());
            }
            let rest = flat(&told.out);
            let others = rest.split_once("Other traffic, which nothing ties to Citrix: ").map(|(_, rest)| rest);
            if let Some(others) = others {
                let numbers: Vec<u64> =
                    others.split_whitespace().filter_map(|word| word.replace(',', "").parse().ok()).take(2).collect();
                sums = [sums[0] + numbers[0], sums[1] + numbers[1]];
            }
            let wanted = ["flows", "blocked"].map(|name| totals[name].as_u64().unwrap_or_default());
            assert_eq!(sums, wanted, "{} by {by}: {}", capture.display(), told.out);
            assert!(rest.contains(&format!("All {}", grouped(&Value::from(rows)))), "{}", told.out);
            // What is left out of a screen is counted.
            let short = run(80, &["--by", by], &[capture.as_os_str()]).out;
            assert!(short.lines().count() <= LINES, "{short}");
            if short.lines().count() < told.out.lines().count() {
                let short = flat(&short);
                assert!(short.contains("... and ") && short.contains("-v lists all"), "{short}");
            }
        }
    }
}

#[test]
fn a_table_names_the_problems_of_each_host() {
    let office = capture_of(&root().join("fixtures/office"));
    let report = json(&[office.as_os_str()]);
    for (by, of) in [("client", "clients"), ("server", "servers")] {
        let told = run(80, &["--by", by, "-v"], &[office.as_os_str()]).out;
        for (place, problem) in report["problems"].as_array().into_iter().flatten().enumerate() {
            let Some(host) = problem[of]["ranges"][0].as_str() else {
                assert_eq!((&problem["cause"], by), (&"encryption".into(), "client"), "it hits somebody");
                continue;
            };
            // The first of a range.
            let host = host.split('-').next().unwrap_or(host);
            let row = told.lines().find(|line| line.split_whitespace().next() == Some(host));
            let row = row.unwrap_or_else(|| panic!("{host}: {told}"));
            let numbers = row.replace(',', "");
            assert!(numbers.split_whitespace().skip(3).any(|cell| cell == (place + 1).to_string()), "{row}");
        }
    }
}

// Looks.

#[test]
fn colours_change_nothing_but_colours() {
    let office = capture_of(&root().join("fixtures/office"));
    for page in [&[][..], &["--problem", "1"], &["--by", "client"], &["-v"]] {
        let plain = run(80, page, &[office.as_os_str()]).out;
        let colored = run(80, &[page, &["--color", "always"]].concat(), &[office.as_os_str()]).out;
        assert!(!plain.contains('\x1b') && colored.contains('\x1b'), "{page:?}");
        assert_eq!(without_colors(&colored), plain, "{page:?}");
    }
}

/// What stands on the screen at this width, after everything that holds of every screen was looked at.
fn check_screen(width: usize, captures: &[&std::ffi::OsStr]) -> String {
    check_screen_of(&json(captures), width, captures)
}

fn check_screen_of(report: &Value, width: usize, captures: &[&std::ffi::OsStr]) -> String {
    let screen = run(width, &[], captures).out;
    let most = if width < 80 { LINES_WHERE_NARROW } else { LINES };
    assert!(screen.lines().count() <= most, "{} lines at {width}:\n{screen}", screen.lines().count());
    for line in screen.lines() {
        assert!(line.chars().count() <= width.max(60), "{width}: {line}\n{screen}");
        assert_eq!(line, line.trim_end(), "{screen}");
    }
    let problems: Vec<&Value> =
        report["problems"].as_array().into_iter().flatten().filter(|problem| problem["severity"] != "info").collect();
    let told = |place: usize| {
        let marks = ["ERROR", "WARNING"].map(|word| format!("{} {word} ", place + 1));
        screen.lines().any(|line| marks.iter().any(|mark| line.starts_with(mark)))
    };
    let named = (0..problems.len()).take_while(|&place| told(place)).count();
    assert!(named >= problems.len().min(1), "the first problem is told:\n{screen}");
    let left_out = problems.len() - named;
    let counted = screen.lines().find_map(|line| {
        line.split_once(" more").filter(|(_, rest)| rest.starts_with(", ") && rest.contains(" among them"))
    });
    let counted = counted.map_or(0, |(number, _)| number.replace(',', "").parse().expect("a number stands there"));
    assert_eq!(left_out, counted, "each problem has a line or is counted:\n{screen}");
    if !problems.is_empty() {
        assert!(screen.contains(&format!("{} PROBLEM", problems.len())), "{screen}");
    }
    let infos = report["problems"].as_array().map_or(0, Vec::len) - problems.len();
    if infos > 0 {
        let plural = if infos == 1 { "" } else { "s" };
        assert!(screen.contains(&format!("also    {infos} remark{plural} (")), "{screen}");
    }
    screen
}

/// How many addresses a range holds that is told in short.
fn addresses(range: &str) -> u64 {
    if let Some((_, prefix)) = range.split_once('/') {
        return 1 << (32 - prefix.parse::<u32>().expect("a prefix is a number"));
    }
    let last_byte = |address: &str| address.rsplit('.').next().and_then(|byte| byte.parse::<u64>().ok());
    match range.split_once('-') {
        None => 1,
        Some((first, last)) => {
            last_byte(last).zip(last_byte(first)).map(|(last, first)| last - first + 1).expect("bytes are numbers")
        }
    }
}

struct Case(TempDir);

impl Case {
    fn new() -> Case {
        Case(tempfile::tempdir().expect("a temporary directory can be made"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn capture(&self, name: &str, packets: &[Captured]) -> PathBuf {
        let path = self.path(name);
        support::write_pcap(File::create(&path).expect("there is room"), packets).expect("there is room");
        path
    }

    fn mix(&self) -> PathBuf {
        let path = self.path("mix.pcap");
        let status = program()
            .args(["bench", "--packets", "30000", "--flows", "1000", "--write"])
            .arg(&path)
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.expect("the program runs").success());
        path
    }
}

struct Told {
    code: i32,
    out: String,
    err: String,
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cap-audit"));
    command.env("TZ", "UTC").env_remove("NO_COLOR");
    command
}

fn run<A: AsRef<std::ffi::OsStr>>(width: usize, arguments: &[&str], captures: &[A]) -> Told {
    let mut command = program();
    let output = command.env("COLUMNS", width.to_string()).args(["file"]).args(arguments).args(captures).output();
    let output = output.expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    Told { code: output.status.code().expect("it ends"), out: text(output.stdout), err: text(output.stderr) }
}

fn shown<A: AsRef<std::ffi::OsStr>>(width: usize, captures: &[A]) -> String {
    run(width, &[], captures).out
}

fn json<A: AsRef<std::ffi::OsStr>>(captures: &[A]) -> Value {
    serde_json::from_str(&run(80, &["--format", "json"], captures).out).expect("the report is JSON")
}

fn code_of(capture: &Path) -> i32 {
    run(80, &["--format", "csv"], &[capture]).code
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn grouped(number: &Value) -> String {
    let digits = number.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).collect();
    groups.iter().rev().map(|group| String::from_utf8_lossy(group)).collect::<Vec<_>>().join(",")
}

fn without_colors(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixtures() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("fixtures")).expect("fixtures/ is part of the repository");
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.expect("it can be listed").path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn capture_of(folder: &Path) -> PathBuf {
    let path = folder.join("capture.pcap");
    if path.exists() { path } else { folder.join("capture.pcapng") }
}
