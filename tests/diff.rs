//! `cap-audit diff`: what is new, worse, better, gone or the same, and when nothing can be said.

mod support;

use cap_audit::time::{Span, Timestamp};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Captured, START, Talk, client, meanwhile, merge, server, write_pcap};

const CGP: u16 = 2598;
const ICA: u16 = 1494;
const CGP_GREETING: &[u8] = b"\x1aCGP/01\x00\x16Citrix.TcpProxyService";
const ICA_GREETING: &[u8] = b"\x7f\x7fICA\0";

struct Ended {
    code: i32,
    out: String,
    err: String,
}

fn run(arguments: &[&str], input: Option<&[u8]>) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cap-audit"));
    let command = command.env("TZ", "UTC").env("COLUMNS", "80").args(arguments);
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child =
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), input) {
        // Whoever has seen enough may close it.
        let _ = pipe.write_all(bytes);
    }
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    Ended { code: output.status.code().expect("it exits"), out: text(output.stdout), err: text(output.stderr) }
}

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().expect("a temporary directory can be made"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A capture of these talks that goes on for a minute behind the last.
    fn capture(&self, name: &str, talks: impl IntoIterator<Item = Talk>) -> String {
        let talks: Vec<Vec<Captured>> = talks.into_iter().map(Talk::packets).collect();
        let end = talks.iter().flatten().map(|packet| packet.0).max().unwrap_or(START);
        self.write(name, merge(talks.into_iter().chain([meanwhile(end + Span::seconds(60))])))
    }

    fn write(&self, name: &str, packets: Vec<Captured>) -> String {
        let path = self.path(name);
        write_pcap(fs::File::create(&path).expect("it can be made"), &packets).expect("it can be written");
        text(&path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), bytes).expect("it can be written");
        text(&self.path(name))
    }

    /// The report of a capture.
    fn report(&self, capture: &str, format: &str) -> String {
        let path = format!("{capture}.{format}");
        let arguments = ["file", "-q", "--fail-on", "never", "--format", format, "-o", &path, capture];
        let ended = run(&arguments, None);
        assert!(matches!(ended.code, 0 | 4), "{}", ended.err);
        path
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("the path is text").to_string()
}

fn diff(before: &str, after: &str) -> (i32, Value) {
    let ended = run(&["diff", "-q", "--format", "json", before, after], None);
    let told = serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {} {}", ended.out, ended.err));
    (ended.code, told)
}

/// State and basis of every finding.
fn findings(told: &Value) -> Vec<(String, String, String)> {
    let word = |value: &Value| value.as_str().expect("it is a word").to_string();
    let list = told["findings"].as_array().expect("findings are a list");
    list.iter().map(|entry| (word(&entry["what"]), word(&entry["state"]), word(&entry["basis"]))).collect()
}

fn only(told: &Value) -> (String, String) {
    let list = findings(told);
    let [(_, state, basis)] = &list[..] else { panic!("one finding is expected: {list:?}") };
    (state.clone(), basis.clone())
}

fn states(told: &Value) -> Vec<String> {
    findings(told).into_iter().map(|(_, state, _)| state).collect()
}

fn pair(state: &str, basis: &str) -> (String, String) {
    (state.into(), basis.into())
}

fn at(seconds: i64) -> Timestamp {
    START + Span::seconds(seconds)
}

fn talk(host: u8, port: u16) -> Talk {
    Talk::between(client(&format!("10.0.0.{host}"), 50_000 + u16::from(host)), server("10.0.1.22", port))
        .at(at(host.into()))
}

fn silent(host: u8, port: u16) -> Talk {
    talk(host, port).syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again()
}

fn session(host: u8, port: u16, greeting: &[u8]) -> Talk {
    talk(host, port).opened().answers(greeting).says(greeting).answers(b"data").says(b"data")
}

fn works(host: u8) -> Talk {
    session(host, CGP, CGP_GREETING)
}

// What became of it.

#[test]
fn every_fixture_is_the_same_as_itself_in_every_form() {
    let desk = Desk::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut compared = 0;
    for entry in fs::read_dir(root).expect("fixtures/ is part of the repository") {
        let folder = entry.expect("it can be listed").path();
        let Some(capture) =
            ["capture.pcap", "capture.pcapng"].map(|name| folder.join(name)).into_iter().find(|path| path.exists())
        else {
            continue;
        };
        let name = folder.file_name().expect("it has a name").to_string_lossy().into_owned();
        let forms = ["json", "ndjson"].map(|format| {
            let path = text(&desk.path(&format!("{name}.{format}")));
            run(&["file", "-q", "--fail-on", "never", "--format", format, "-o", &path, &text(&capture)], None);
            path
        });
        let capture = text(&capture);
        for [before, after] in
            [[&forms[0], &forms[0]], [&forms[0], &capture], [&forms[1], &capture], [&capture, &forms[1]]]
        {
            let (code, told) = diff(before, after);
            assert_eq!((code, told["captures"].as_str()), (0, Some("same")), "{before} {after}: {told:#}");
            let known: Value =
                serde_json::from_slice(&fs::read(&forms[0]).expect("it was written")).expect("it is JSON");
            let comparable = known["findings"].as_array().expect("a list").iter();
            // What is not encrypted is no trouble that comes or goes.
            let not_compared = |it: &&Value| {
                let code = it["code"].as_str().unwrap_or_default();
                ["quality.", "encryption."].iter().any(|theme| code.starts_with(theme))
            };
            let comparable = comparable.filter(|it| !not_compared(it)).count();
            assert_eq!(states(&told), vec!["same"; comparable], "{name}");
            let problems = told["problems"].as_array().expect("problems are told").iter();
            assert!(problems.clone().all(|entry| entry["state"] == "same"), "{name}: {told:#}");
            let all = known["problems"].as_array().expect("a list").iter();
            assert_eq!(problems.count(), all.filter(|it| it["cause"] != "encryption").count(), "{name}");
            for entry in told["findings"].as_array().expect("a list") {
                assert_eq!(entry["before"], entry["after"], "{name}");
                assert_eq!(entry["changes"], json!([]), "{name}");
            }
            compared += 1;
        }
    }
    assert!(compared >= 4 * 28, "fixtures are missing: {compared}");
}

#[test]
fn what_worked_and_fails_now_is_new_and_ends_with_1() {
    let desk = Desk::new();
    let before = desk.capture("before.pcap", [works(1)]);
    let after = desk.capture("after.pcap", [silent(1, CGP)]);
    let (code, told) = diff(&before, &after);
    assert_eq!((code, only(&told)), (1, pair("new", "worked-before")));
    assert_eq!(told["captures"], "different");
    let entry = &told["findings"][0];
    assert_eq!((&entry["before"], &entry["after"]["severity"]), (&Value::Null, &json!("error")));
    let never = desk.capture("never.pcap", [session(2, CGP, CGP_GREETING)]);
    assert_eq!(only(&diff(&never, &after).1), pair("new", "not-tried-before"), "another client worked");
    let calm = run(&["diff", "--fail-on", "never", &before, &after], None);
    assert_eq!(calm.code, 0);
    assert!(calm.err.contains("tell of different captures, so numbers may differ"), "{}", calm.err);
    assert_eq!(run(&["diff", "-q", &before, &after], None).err, "");
}

#[test]
fn gone_is_only_what_was_tried_again_and_worked() {
    let desk = Desk::new();
    let before = desk.capture("before.pcap", [silent(1, CGP), silent(2, CGP)]);
    let against = |name: &str, talks: Vec<Talk>| {
        let (code, told) = diff(&before, &desk.capture(name, talks));
        assert_eq!(code, 0, "{name}: nothing got worse");
        only(&told)
    };
    assert_eq!(against("fixed.pcap", vec![works(1), works(2)]), pair("gone", "works-now"));
    assert_eq!(against("one.pcap", vec![works(2)]), pair("gone", "works-now"));
    assert_eq!(against("others.pcap", vec![works(3)]), pair("not_evaluable", "others-only"));
    // The same server, another port: nobody tried.
    let elsewhere = session(1, ICA, ICA_GREETING);
    assert_eq!(against("elsewhere.pcap", vec![elsewhere]), pair("not_evaluable", "not-tried"));
    // Two tries are too few to be called blocked, and no all-clear either.
    let few = talk(1, CGP).syn().wait(Span::seconds(1)).syn_again();
    assert_eq!(against("few.pcap", vec![few]), pair("not_evaluable", "not-decided"));
    // A session that was running before says nothing of a new one.
    let old = talk(1, CGP).says(b"data").answers(b"data").says(b"data").answers(b"data");
    assert_eq!(against("old.pcap", vec![old]), pair("not_evaluable", "not-decided"));
}

#[test]
fn what_is_repaired_for_some_servers_is_not_gone() {
    let desk = Desk::new();
    let to = |host: u8, last: u8, port| {
        Talk::between(client(&format!("10.0.0.{host}"), 50_001), server(&format!("10.0.1.{last}"), port)).at(at(1))
    };
    let tries = |last| to(1, last, CGP).syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again();
    let greets = |last| to(1, last, CGP).opened().answers(CGP_GREETING).says(CGP_GREETING).answers(b"x");
    let before = desk.capture("before.pcap", [tries(1), tries(2)]);
    let (code, told) = diff(&before, &desk.capture("after.pcap", [greets(1)]));
    assert_eq!(code, 0);
    let mut states = states(&told);
    states.sort();
    assert_eq!(states, ["gone", "not_evaluable"], "each server for itself");
}

#[test]
fn a_client_speaks_for_its_network_only() {
    let desk = Desk::new();
    let from = |host: &str| Talk::between(client(host, 50_001), server("10.0.1.22", CGP)).at(at(1));
    let tries = |host| from(host).syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again();
    let greets = |host| from(host).opened().answers(CGP_GREETING).says(CGP_GREETING).answers(b"x");
    let before = desk.capture("before.pcap", [tries("10.0.0.1"), tries("10.0.0.2"), tries("10.7.0.1")]);
    let one = desk.capture("one.pcap", [greets("10.0.0.1")]);
    assert_eq!(only(&diff(&before, &one).1), pair("not_evaluable", "part-only"));
    let each = desk.capture("each.pcap", [greets("10.0.0.1"), greets("10.7.0.1")]);
    assert_eq!(only(&diff(&before, &each).1), pair("gone", "works-now"));
}

#[test]
fn flows_that_a_report_leaves_out_are_no_all_clear() {
    let desk = Desk::new();
    let before = desk.capture("before.pcap", [silent(1, CGP)]);
    // The one flow that is listed is another one.
    let after = desk.capture("after.pcap", [session(0, ICA, ICA_GREETING), works(1)]);
    let cut = text(&desk.path("cut.json"));
    run(&["file", "-q", "--format", "json", "--max-flows", "1", "-o", &cut, &after], None);
    assert_eq!(only(&diff(&before, &cut).1), pair("not_evaluable", "flows-left-out"));
    assert_eq!(only(&diff(&before, &after).1), pair("gone", "works-now"));
}

#[test]
fn more_clients_are_worse_and_more_tries_are_not() {
    let desk = Desk::new();
    let one = desk.capture("one.pcap", [silent(1, CGP)]);
    let again = silent(1, CGP).wait(Span::seconds(60)).numbers(77, 88).syn().wait(Span::seconds(3)).syn_again();
    let longer = desk.capture("longer.pcap", [again.wait(Span::seconds(6)).syn_again()]);
    let three = desk.capture("three.pcap", [silent(1, CGP), silent(2, CGP), silent(3, CGP)]);
    let (code, told) = diff(&one, &longer);
    assert_eq!((code, only(&told)), (0, pair("same", "in-both")));
    let (code, told) = diff(&one, &three);
    assert_eq!((code, only(&told)), (1, pair("worse", "in-both")));
    assert_eq!(told["findings"][0]["changes"], json!(["clients-added"]));
    let text = told["findings"][0]["explanation"].as_str().expect("it is text");
    assert!(text.contains("Nobody of these tried it"), "they may have been hit before: {text}");
    // Fewer are better only where one of the others gets an answer now.
    let (code, told) = diff(&three, &one);
    assert_eq!((code, only(&told)), (0, pair("same", "in-both")), "the two others did not try");
    let answered = desk.capture("answered.pcap", [silent(1, CGP), works(2)]);
    let (code, told) = diff(&three, &answered);
    assert_eq!((code, only(&told)), (0, pair("better", "in-both")));
    assert_eq!(told["findings"][0]["paths_working"], 1);
}

#[test]
fn less_severe_because_less_is_known_is_not_better() {
    let desk = Desk::new();
    let told = |severity: &str, confidence: &str| {
        desk.file(&format!("{severity}-{confidence}.json"), made_up(severity, confidence).to_string())
    };
    let (error, warning) = (told("error", "high"), told("warning", "high"));
    let unsure = told("warning", "low");
    let states = |before: &str, after: &str| (diff(before, after).0, states(&diff(before, after).1));
    assert_eq!(states(&error, &warning), (0, vec!["better".into()]));
    assert_eq!(states(&error, &unsure), (0, vec!["same".into()]));
    assert_eq!(states(&warning, &error), (1, vec!["worse".into()]));
    assert_eq!(states(&warning, &unsure), (0, vec!["same".into()]));
}

#[test]
fn what_should_not_be_there_is_gone_when_something_else_is_heard() {
    let desk = Desk::new();
    let ssh = |greeting: &[u8]| talk(1, ICA).opened().answers(greeting).says(greeting).answers(b"x");
    let before = desk.capture("before.pcap", [ssh(b"SSH-2.0-OpenSSH_9.6\r\n")]);
    let code = |told: &Value| findings(told)[0].0.clone();
    let against = |name: &str, talk: Talk| diff(&before, &desk.capture(name, [talk])).1;
    let gone = against("ica.pcap", session(1, ICA, ICA_GREETING));
    assert_eq!((code(&gone), only(&gone)), ("unexpected.foreign-protocol".into(), pair("gone", "not-there-now")));
    let mute = talk(1, ICA).opened().closed();
    assert_eq!(only(&against("mute.pcap", mute)), pair("not_evaluable", "not-decided"));
    assert_eq!(only(&against("unused.pcap", works(1))), pair("not_evaluable", "not-tried"));
}

#[test]
fn a_fallback_is_gone_when_what_it_replaced_works() {
    let desk = Desk::new();
    let both = [talk(1, CGP).syn().refused(), session(1, ICA, ICA_GREETING).wait(Span::seconds(1))];
    let before = desk.capture("before.pcap", both);
    let state = |told: &Value, wanted: &str| {
        let list = findings(told);
        let found = list.iter().find(|(what, ..)| what == wanted).unwrap_or_else(|| panic!("no {wanted} in {list:?}"));
        (found.1.clone(), found.2.clone())
    };
    let (_, told) = diff(&before, &desk.capture("fixed.pcap", [works(1)]));
    assert_eq!(state(&told, "fallback.cgp-to-ica"), pair("gone", "works-now"));
    // Only the substitute is used: whether the better way works is not known.
    let (_, told) = diff(&before, &desk.capture("ica.pcap", [session(1, ICA, ICA_GREETING)]));
    assert_eq!(state(&told, "fallback.cgp-to-ica"), pair("not_evaluable", "not-tried"));
}

#[test]
fn other_servers_are_nothing_to_compare() {
    let desk = Desk::new();
    let alone = |name: &str, host: &str| {
        let talk = Talk::between(client("10.0.0.1", 50_001), server(host, CGP)).at(START);
        desk.write(name, talk.syn().refused().packets())
    };
    let (one, other) = (alone("one.pcap", "10.0.1.1"), alone("other.pcap", "10.0.1.2"));
    let ended = run(&["diff", "-q", &one, &other], None);
    assert_eq!(ended.code, 4, "{}", ended.out);
    assert!(ended.err.starts_with("cap-audit: there is nothing to compare: no server in "), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1);
    assert!(
        !ended.out.contains("Nothing got worse") && ended.out.contains("There is nothing to compare"),
        "{}",
        ended.out
    );
    assert_eq!(diff(&one, &other).1["captures"], "nothing-in-common");
}

#[test]
fn the_text_tells_the_worst_first_and_fits_the_screen() {
    let desk = Desk::new();
    let before = desk.capture("before.pcap", [silent(1, CGP), works(2), session(3, ICA, ICA_GREETING)]);
    let after = desk.capture("after.pcap", [works(1), silent(3, ICA), works(2)]);
    let ended = run(&["diff", &before, &after], None);
    assert_eq!(ended.code, 1);
    let place = |words: &str| ended.out.find(words).unwrap_or_else(|| panic!("{words} is missing: {}", ended.out));
    assert!(place("Something got worse: 1 new, 1 gone.") < place("NEW ERROR"));
    assert!(place("NEW ERROR") < place("GONE ERROR"));
    place("It worked before: 1 of 1 path got an answer in the earlier capture.");
    place("It was tried again and works: 1 of 1 path get an answer now.");
    assert!(ended.out.lines().all(|line| line.chars().count() <= 80), "{}", ended.out);
    let same = run(&["diff", &before, &before], None);
    assert_eq!(same.code, 0);
    assert!(same.err.contains("tell of the same capture"), "{}", same.err);
    assert!(same.out.contains("Nothing got worse: 1 the same."), "{}", same.out);
}

#[test]
fn the_document_has_its_names() {
    let desk = Desk::new();
    let before = desk.capture("before.pcap", [silent(1, CGP)]);
    let (_, told) = diff(&before, &before);
    assert_eq!(told["schema"], "cap-audit/diff/1");
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let names = ["after", "before", "captures", "compared", "findings", "problems", "program", "schema", "totals"]
        .map(String::from);
    let mut told_names = keys(&told);
    told_names.sort();
    assert_eq!(told_names, names);
    assert_eq!(told["compared"], "problems");
    let mut totals = keys(&told["totals"]);
    totals.sort();
    assert_eq!(totals, ["better", "gone", "new", "not_comparable", "not_evaluable", "same", "worse"]);
    let entry = &told["problems"][0];
    for name in ["id", "what", "state", "basis", "changes", "paths", "paths_working", "before", "after", "explanation"]
    {
        assert!(entry.get(name).is_some(), "{name}: {entry}");
    }
    assert_eq!(entry["before"]["clients"], json!({"count": 1, "complete": true}));
}

#[test]
fn a_directory_and_standard_input_do_as_well() {
    let desk = Desk::new();
    let directory = desk.path("monday");
    fs::create_dir(&directory).expect("it can be made");
    let inside = desk.capture("monday/one.pcap", [silent(1, CGP)]);
    let report = desk.report(&inside, "json");
    fs::rename(&report, desk.path("one.json")).expect("it can be moved");
    let report = text(&desk.path("one.json"));
    let after = desk.capture("after.pcap", [works(1)]);
    assert_eq!(diff(&text(&directory), &after), diff_named(&inside, &after, &text(&directory)));
    for input in [&inside, &report] {
        let bytes = fs::read(input).expect("it is there");
        let ended = run(&["diff", "-q", "--format", "json", "-", &after], Some(&bytes));
        let told: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}", ended.err));
        assert_eq!(only(&told), pair("gone", "works-now"));
    }
}

/// The comparison, as if its first side had another name.
fn diff_named(before: &str, after: &str, name: &str) -> (i32, Value) {
    let (code, mut told) = diff(before, after);
    told["before"]["name"] = json!(name);
    (code, told)
}

// Who is hit, not how many.

/// Four clients of each network to each of these servers; what comes of it, the network and the server say.
fn farm(networks: &[u8], servers: &[u8], works: impl Fn(u8, u8) -> bool) -> Vec<Talk> {
    let mut talks = Vec::new();
    for &network in networks {
        for host in 10..14 {
            for &last in servers {
                let from = client(&format!("10.1.{network}.{host}"), 50_000 + u16::from(last));
                let talk = Talk::between(from, server(&format!("10.9.0.{last}"), CGP)).at(at(host.into()));
                talks.push(if works(network, last) {
                    talk.opened().answers(CGP_GREETING).says(CGP_GREETING).answers(b"data").says(b"data")
                } else {
                    talk.syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again()
                });
            }
        }
    }
    talks
}

/// The one problem that both tell, the exit code, and the text with its line ends taken out. Text and exit code say the same.
fn compared(before: &str, after: &str) -> (i32, Value, String) {
    let (code, told) = diff(before, after);
    let ended = run(&["diff", "-q", before, after], None);
    assert_eq!(ended.code, code);
    assert_eq!(code == 1, ended.out.contains("Something got worse"), "{}", ended.out);
    let list = told["problems"].as_array().expect("problems are told");
    let both: Vec<&Value> = list.iter().filter(|entry| entry["basis"] == "in-both").collect();
    let [entry] = both[..] else { panic!("one problem in both is expected: {told:#}") };
    (code, entry.clone(), ended.out.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn another_network_that_is_hit_is_worse_even_if_one_is_repaired() {
    let desk = Desk::new();
    let all = |name: &str, blocked: &[u8]| {
        desk.capture(name, farm(&[1, 2, 3], &[11, 12], |network, _| !blocked.contains(&network)))
    };
    let (one, two) = (all("one.pcap", &[1]), all("two.pcap", &[2]));
    let (code, entry, text) = compared(&one, &two);
    assert_eq!((code, &entry["state"]), (1, &json!("worse")), "{text}");
    let hosts = |network: u8| json!((10..14).map(|host| format!("10.1.{network}.{host}")).collect::<Vec<_>>());
    assert_eq!(entry["hit_now_not_before"]["clients"], hosts(2));
    assert_eq!(entry["hit_now_not_before"]["paths_worked_before"], 8);
    assert_eq!(entry["repaired"], json!({"clients": hosts(1), "servers": []}));
    assert!(text.contains("Hit now, not before: 10.1.2.0/24 (4 clients)."), "{text}");
    assert!(text.contains("Answered again: 10.1.1.0/24 (4 clients)."), "{text}");
    assert!(!text.contains("Nobody of these tried it"), "{text}");
    // Two are repaired and one is hit: fewer than before, and worse.
    let (code, entry, text) = compared(&all("both.pcap", &[1, 3]), &two);
    assert_eq!((code, &entry["state"]), (1, &json!("worse")), "{text}");
    assert!(text.contains("Hit now, not before: 10.1.2.0/24 (4 clients)."), "{text}");
    assert!(text.contains("Answered again: 10.1.1.0/24 (4 clients), 10.1.3.0/24 (4 clients)."), "{text}");
}

#[test]
fn in_part_the_same_clients_are_worse_by_those_who_are_new() {
    let desk = Desk::new();
    let some = |name: &str, tried: &[u8], blocked: &[u8]| {
        desk.capture(name, farm(tried, &[11, 12], |network, _| !blocked.contains(&network)))
    };
    // 1 is repaired, 2 is still hit, 3 is hit now.
    let before = some("before.pcap", &[1, 2, 3, 4], &[1, 2]);
    let (code, entry, text) = compared(&before, &some("overlap.pcap", &[1, 2, 3, 4], &[2, 3]));
    assert_eq!((code, &entry["state"]), (1, &json!("worse")), "{text}");
    assert!(text.contains("not before: 10.1.3.0/24 (4 clients).") && !text.contains("10.1.2.0/24"), "{text}");
    assert!(text.contains("Answered again: 10.1.1.0/24 (4 clients)."), "{text}");
    // It grows.
    let (code, entry, _) = compared(&before, &some("more.pcap", &[1, 2, 3, 4], &[1, 2, 3]));
    assert_eq!((code, &entry["state"]), (1, &json!("worse")));
    let changes = entry["changes"].as_array().expect("a list");
    assert!(changes.contains(&json!("clients-added")) && !changes.contains(&json!("clients-dropped")), "{entry}");
    // It shrinks, and those who are left out did or did not try again.
    let (code, entry, text) = compared(&before, &some("fewer.pcap", &[1, 2, 3, 4], &[2]));
    assert_eq!((code, &entry["state"]), (0, &json!("better")), "{text}");
    let (code, entry, text) = compared(&before, &some("silent.pcap", &[2, 3, 4], &[2]));
    assert_eq!((code, &entry["state"]), (0, &json!("same")), "{text}");
    assert!(text.contains("Not hit any more, and not shown to work everywhere: 10.1.1.0/24 (4 clients)."), "{text}");
    assert_eq!(entry["repaired"]["clients"], json!([]));
}

#[test]
fn another_server_that_is_down_is_worse_even_if_one_is_up_again() {
    let desk = Desk::new();
    let all =
        |name: &str, down: &[u8]| desk.capture(name, farm(&[1, 2], &[11, 12, 13], |_, server| !down.contains(&server)));
    // The problem of one server has another id, so that one is new and one is gone, or it is known again by its id; never the same.
    let state = |before: &str, after: &str| {
        let (code, told) = diff(before, after);
        let ended = run(&["diff", "-q", before, after], None);
        assert_eq!((ended.code, ended.out.contains("Something got worse")), (code, code == 1), "{}", ended.out);
        (code, told["totals"].clone(), ended.out.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let (code, totals, text) = state(&all("one.pcap", &[11]), &all("two.pcap", &[12]));
    assert_eq!((code, &totals["same"], &totals["better"]), (1, &json!(0), &json!(0)), "{text}");
    assert!(text.contains("Hit now, not before: server 10.9.0.12."), "{text}");
    assert!(text.contains("Answered again: server 10.9.0.11."), "{text}");
    let (code, totals, text) = state(&all("both.pcap", &[11, 12]), &all("third.pcap", &[13]));
    assert_eq!((code, &totals["same"], &totals["better"]), (1, &json!(0), &json!(0)), "{text}");
    assert!(text.contains("Hit now, not before: server 10.9.0.13."), "{text}");
    assert!(text.contains("Answered again: servers 10.9.0.11-12."), "{text}");
    let (code, _, text) = state(&all("a.pcap", &[11]), &all("ab.pcap", &[11, 12]));
    assert!(code == 1 && text.contains("Hit now, not before: server 10.9.0.12."), "{text}");
    let (code, totals, text) = state(&all("ab2.pcap", &[11, 12]), &all("a2.pcap", &[11]));
    assert_eq!((code, &totals["better"]), (0, &json!(1)), "{text}");
}

#[test]
fn a_server_that_answers_on_one_port_again_is_better_and_not_all_of_it_is_known() {
    let desk = Desk::new();
    let both_ports = |name: &str, down: &[u8]| {
        let mut talks = farm(&[1, 2], &[11, 12, 13], |_, server| !down.contains(&server));
        for (host, &last) in (10..14).flat_map(|host| down.iter().map(move |last| (host, last))) {
            let from = client(&format!("10.1.1.{host}"), 51_000 + u16::from(last));
            let talk = Talk::between(from, server(&format!("10.9.0.{last}"), ICA)).at(at(host.into()));
            talks.push(talk.syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again());
        }
        desk.capture(name, talks)
    };
    let (one, two, other) =
        (both_ports("one.pcap", &[11]), both_ports("two.pcap", &[11, 12]), both_ports("other.pcap", &[12]));
    let (code, entry, text) = compared(&two, &one);
    assert_eq!((code, &entry["state"]), (0, &json!("better")), "{text}");
    // Nobody needs the other port any more, so nobody tries it.
    assert_eq!(entry["not_shown_repaired"]["servers"], json!(["10.9.0.12"]));
    assert!(text.contains("and not shown to work everywhere: server 10.9.0.12"), "{text}");
    let (code, entry, text) = compared(&one, &other);
    assert_eq!((code, &entry["state"]), (1, &json!("worse")), "{text}");
    assert_eq!(entry["hit_now_not_before"]["servers"], json!(["10.9.0.12"]));
}

#[test]
fn networks_that_change_places_make_each_server_worse() {
    let desk = Desk::new();
    let cross = |name: &str, odd: bool| {
        desk.capture(name, farm(&[1, 2], &[11, 12], |network, server| (network + server).is_multiple_of(2) == odd))
    };
    let (code, told) = diff(&cross("one.pcap", true), &cross("two.pcap", false));
    assert_eq!(code, 1);
    let entries = told["problems"].as_array().expect("problems are told");
    assert_eq!(entries.len(), 2, "one for each server: {told:#}");
    for entry in entries {
        assert_eq!(entry["state"], "worse", "{entry:#}");
        assert_eq!(entry["hit_now_not_before"]["paths_worked_before"], 4);
        assert_eq!(entry["repaired"]["clients"].as_array().map(Vec::len), Some(4));
    }
}

#[test]
fn who_is_not_named_is_not_called_the_same() {
    let desk = Desk::new();
    let report = |name: &str, clients: &[&str], more: bool, packets: u64| {
        let mut report = made_up("error", "high");
        report["captures"][0]["packets"] = json!(packets);
        report["findings"][0]["clients"] = json!(clients);
        report["findings"][0]["clients_complete"] = json!(!more);
        report["problems"] = json!([{
            "id": "p-one", "cause": "no-answer", "severity": "error", "confidence": "high", "title": "t",
            "clients": {"count": clients.len(), "complete": !more, "ranges": ["10.0.0.0/16"], "exact": false},
            "servers": {"count": 1, "complete": true, "ranges": ["10.0.1.22"], "exact": true}, "attempts": 3,
            "findings": ["f-blocked.silent-tcp-2598-10.0.1.22"],
        }]);
        desk.file(name, report.to_string())
    };
    let (a, b) = (["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.5.2"]);
    let all_a = report("all-a.json", &a, false, 1);
    let part_a = report("part-a.json", &a, true, 2);
    let part_b = report("part-b.json", &b, true, 3);
    let state = |before: &str, after: &str| {
        let (code, entry, text) = compared(before, after);
        (code, entry["state"].as_str().expect("a word").to_string(), text)
    };
    let (code, is, text) = state(&part_a, &part_b);
    assert_eq!((code, is.as_str()), (0, "not_comparable"), "who is named second may have been hit before");
    assert!(!text.contains("Nothing got worse") && !text.contains("THE SAME"), "{text}");
    assert!(
        text.contains("Nothing is known to have got worse") && text.contains("cannot be compared exactly"),
        "{text}"
    );
    assert_eq!(state(&all_a, &part_a).1, "not_comparable", "there may be more now");
    assert_eq!(state(&all_a, &part_b).1, "worse", "who is named now was not hit");
    // All who are hit now are among those who were named.
    assert_eq!(state(&part_a, &all_a).1, "same");
    assert_eq!(state(&part_a, &part_a).1, "same", "one capture");
    // Inexact ranges alone do not matter: the findings name everybody.
    assert_eq!(state(&all_a, &report("all-a-again.json", &a, false, 4)).1, "same");
    assert_eq!(state(&all_a, &report("all-b.json", &b, false, 5)).1, "worse");
}

// Reports that are made up.

fn made_up(severity: &str, confidence: &str) -> Value {
    json!({
        "schema": "cap-audit/report/1",
        "what_is_not_known": [[[{"a": [1, 2.5, null]}]]],
        "port_map": {"name": "citrix", "version": "2026-11"},
        "captures": [{"name": format!("{severity}.pcap"), "packets": 9, "bytes": 900, "first": null, "last": null}],
        "quality": {"verdict": "good"},
        "totals": {"flows_left_out": 0},
        "findings": [{
            "id": "f-blocked.silent-tcp-2598-10.0.1.22", "code": "blocked.silent", "severity": severity,
            "confidence": confidence, "title": format!("{severity}, {confidence}"), "clients": ["10.0.0.1"], "servers": ["10.0.1.22"],
            "protocol": "tcp", "port": 2598, "flow_count": 1,
        }],
        "flows": [],
    })
}

#[test]
fn a_report_without_problems_is_compared_by_its_findings() {
    let desk = Desk::new();
    let old = desk.file("old.json", made_up("error", "high").to_string());
    let new = desk.capture("new.pcap", [silent(1, CGP)]);
    let ended = run(&["diff", &old, &new], None);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("old.json was written by a version that knew no problems"), "{}", ended.err);
    assert!(ended.out.contains("so findings are compared"), "{}", ended.out);
    let (_, told) = diff(&old, &new);
    assert_eq!((&told["compared"], &told["problems"]), (&json!("findings"), &Value::Null));
}

#[test]
fn a_problem_with_another_id_is_known_by_its_findings() {
    let desk = Desk::new();
    let with = |name: &str, problem: &str| {
        let mut report = made_up("error", "high");
        report["problems"] = json!([{
            "id": problem, "cause": "no-answer", "severity": "error", "confidence": "high", "title": "t",
            "clients": {"count": 1, "complete": true, "ranges": [], "exact": true}, "servers": {"count": 1, "ranges": []}, "attempts": 3,
            "findings": ["f-blocked.silent-tcp-2598-10.0.1.22"],
        }]);
        desk.file(name, report.to_string())
    };
    let (code, told) = diff(&with("one.json", "p-one"), &with("two.json", "p-two"));
    assert_eq!(code, 0);
    let problems = told["problems"].as_array().expect("a list");
    assert_eq!(problems.len(), 1, "{told:#}");
    assert_eq!((&problems[0]["state"], &problems[0]["before"]["id"]), (&json!("same"), &json!("p-one")));
    // That the cause is another one is told, although nobody new is hit.
    let mut other =
        serde_json::from_slice::<Value>(&fs::read(desk.path("two.json")).expect("it is there")).expect("JSON");
    other["problems"][0]["cause"] = json!("host-down");
    let other = desk.file("other.json", other.to_string());
    let ended = run(&["diff", "-q", &text(&desk.path("one.json")), &other], None);
    assert!(ended.code == 0 && ended.out.contains("Before it was told as t."), "{}", ended.out);
}

// Bad input.

/// As this program writes it.
fn schema_first(report: &Value) -> String {
    report.to_string().replacen('{', r#"{"schema":"cap-audit/report/1","#, 1)
}

#[test]
fn bad_input_is_one_sentence_and_exit_code_3() {
    let desk = Desk::new();
    let good = desk.file("good.json", made_up("error", "high").to_string());
    let whole = made_up("error", "high").to_string();
    let other = |schema: Value| {
        let mut report = made_up("error", "high");
        report["schema"] = schema;
        report.to_string()
    };
    let nested = format!(r#"{{"schema":"cap-audit/report/1","x":{}"#, "[".repeat(2_000_000));
    let mut wrong_type = made_up("error", "high");
    wrong_type["findings"][0]["severity"] = json!("catastrophic");
    let mut wrong_address = made_up("error", "high");
    wrong_address["findings"][0]["clients"] = json!(["10.0.0.999"]);
    let cases: [(&str, String, &str); 15] = [
        ("cut.json", whole[..whole.len() / 2].to_string(), "it ends in the middle"),
        ("two.json", format!("{whole}{whole}"), "it is no report that this program wrote"),
        ("broken.json", whole.replacen(':', "=", 3), "it is no report that this program wrote"),
        ("empty-object.json", "{}".into(), "it is JSON, but no report of cap-audit"),
        ("package.json", r#"{"name": "x", "version": "1"}"#.into(), "it is JSON, but no report of cap-audit"),
        ("list.json", "[1, 2]".into(), "text file, not a capture"),
        ("number-schema.json", other(json!(1)), "it is JSON, but no report of cap-audit"),
        ("newer.json", other(json!("cap-audit/report/2")), r#"it is a document "cap-audit/report/2", and only"#),
        ("diff.json", other(json!("cap-audit/diff/1")), r#"it is a document "cap-audit/diff/1", and only"#),
        ("evil.json", other(json!("\u{1b}[2J\u{202e}\n")), "it is a document \"\u{fffd}[2J\u{fffd}\u{fffd}\""),
        ("nested.json", nested, "it ends in the middle"),
        ("severity.json", schema_first(&wrong_type), "it is no report that this program wrote, from line 1"),
        ("address.json", schema_first(&wrong_address), "it is no report that this program wrote, from line 1"),
        ("text.txt", "no report, no capture\n".into(), "text file, not a capture"),
        ("nothing.json", String::new(), "it is empty"),
    ];
    for (name, bytes, words) in cases {
        let bad = desk.file(name, bytes);
        for [before, after] in [[&bad, &good], [&good, &bad]] {
            let ended = run(&["diff", before, after], None);
            assert_eq!((ended.code, ended.out.as_str()), (3, ""), "{name}: {}", ended.err);
            assert!(
                ended.err.starts_with("cap-audit: cannot read ") && ended.err.contains(words),
                "{name}: {}",
                ended.err
            );
            assert_eq!(ended.err.lines().count(), 1, "{name}: {}", ended.err);
            assert!(!ended.err.trim_end().contains(|c: char| c.is_control()), "{name}: {:?}", ended.err);
        }
    }
    let missing = run(&["diff", &good, "/nowhere/x.json"], None);
    assert_eq!(missing.code, 3);
    assert!(missing.err.contains("cannot read the report /nowhere/x.json: there is no such file"), "{}", missing.err);
    let both = run(&["diff", "/nowhere/x.json", "/nowhere/y.json"], None);
    assert_eq!((both.code, both.err.lines().count()), (3, 2), "both are named: {}", both.err);
    let empty = desk.path("empty");
    fs::create_dir(&empty).expect("it can be made");
    let ended = run(&["diff", &good, &text(&empty)], None);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("there is no file in it"), "{}", ended.err);
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let desk = Desk::new();
    let good = desk.file("good.json", made_up("error", "high").to_string());
    for (arguments, words) in [
        (vec!["diff"], "<BEFORE>"),
        (vec!["diff", &good], "<AFTER>"),
        (vec!["diff", &good, &good, &good], "unexpected argument"),
        (vec!["diff", "-", "-"], "'-' is standard input, which can be read once"),
        (vec!["diff", "--format", "csv", &good, &good], "text, json"),
    ] {
        let ended = run(&arguments, None);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ended.err.contains(words), "{arguments:?}: {}", ended.err);
    }
    let over = run(&["diff", "-o", &good, &good, &good], None);
    assert_eq!(over.code, 3);
    assert!(over.err.contains("it is one of the"), "{}", over.err);
}

#[test]
fn names_and_titles_cannot_drive_a_terminal() {
    let desk = Desk::new();
    let mut report = made_up("error", "high");
    report["captures"][0]["name"] = json!("a\u{1b}[2J\nb");
    report["findings"][0]["title"] = json!("title\u{1b}[31m\u{202e}\nforged line");
    report["quality"]["line"] = json!("good\u{7}\nforged");
    let one = desk.file("one.json", report.to_string());
    report["findings"] = json!([]);
    report["captures"][0]["packets"] = json!(10);
    let other = desk.file("other.json", report.to_string());
    let told = run(&["diff", &other, &one], None);
    let shown = format!("{}{}", told.out, told.err);
    assert!(!shown.replace('\n', "").contains(|c: char| c.is_control() || c == '\u{202e}'), "{shown:?}");
    assert!(!shown.contains("\nforged"), "{shown}");
}

#[test]
fn a_long_report_is_read_in_passing() {
    let desk = Desk::new();
    let path = desk.path("long.json");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).expect("it can be made"));
    let report = made_up("error", "high").to_string();
    let (head, tail) = report.split_once("\"flows\":[").expect("flows are listed");
    write!(file, "{head}\"flows\":[").expect("it can be written");
    for flow in 0..100_000u32 {
        let [.., a, b, c] = flow.to_be_bytes();
        let comma = if flow > 0 { "," } else { "" };
        write!(
            file,
            r#"{comma}{{"protocol":"tcp","client":{{"address":"10.{a}.{b}.{c}","port":50000}},"server":{{"address":"10.0.1.22","port":2598}},"outcome":"established","heard":"cgp","rules":["x"]}}"#
        )
        .expect("it can be written");
    }
    write!(file, "{tail}").expect("it can be written");
    file.flush().expect("it can be written");
    // 10.0.0.1 is among them.
    let mut before = made_up("error", "high");
    before["captures"][0]["packets"] = json!(1);
    let mut after: Value = serde_json::from_slice(&fs::read(&path).expect("it is there")).expect("it is JSON");
    after["findings"] = json!([]);
    let (before, after) = (desk.file("before.json", before.to_string()), desk.file("after.json", after.to_string()));
    assert_eq!(only(&diff(&before, &after).1), pair("gone", "works-now"));
}
