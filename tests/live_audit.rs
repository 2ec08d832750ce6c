//! `cap-audit live` from end to end: the program watches one end of a pair of interfaces while real sockets talk, packet filters
//! drop what they say, and a recording runs beside it. Needs root; elsewhere each test says that it was skipped.

#![cfg(all(feature = "live", target_os = "linux"))]

mod netns;
mod skip;

use netns::{Host, Net};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use skip::skipped;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

// What is told while it happens.

#[test]
fn a_drop_is_told_when_its_silence_is_certain() {
    let Some(net) = Net::new() else { return };
    let Some(firewall) = Firewall::new(&net) else { return };
    let mut watch = Watch::new(&net, &["one", "--format", "ndjson"]);
    session(&net, 2598);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(watch.of_type("finding"), Vec::<Value>::new(), "nothing is wrong yet");

    firewall.rule("tcp dport 2598 drop");
    let begun = Instant::now();
    // The client gives up before the finding is due: from then on there is nothing on the wire but silence.
    give_up(&net, 2598, Duration::from_millis(3_500));
    let (told, finding) = watch.next_of_type("finding", begun + Duration::from_secs(10));
    let after = told - begun;
    assert!(after >= Duration::from_secs(4) && after <= Duration::from_secs(8), "told after {after:?}");
    assert_eq!((&finding["code"], &finding["severity"]), (&"blocked.silent".into(), &"error".into()), "{finding}");
    assert_eq!(finding["clients"], Value::from(["10.1.0.1"].as_slice()));
    assert_eq!(finding["servers"], Value::from(["10.1.0.2"].as_slice()));
    assert_eq!((&finding["protocol"], &finding["port"]), (&"tcp".into(), &2598.into()));
    assert_eq!(finding["flow_count"], 1, "the flow that worked is not accused: {finding}");

    watch.signal(Signal::INT);
    let ended = watch.end();
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let lines = ended.objects();
    let last = lines.last().expect("there is a summary");
    assert_eq!((&last["type"], &last["totals"]["blocked"]), (&"summary".into(), &1.into()), "{last}");
    let accused: Vec<&Value> = of_type(&lines, "finding").filter(|finding| finding["severity"] != "info").collect();
    assert_eq!(accused.len(), 1, "told once: {accused:?}");
    let mut outcomes: Vec<_> = of_type(&lines, "flow")
        .map(|flow| [&flow["outcome"], &flow["state"], &flow["heard"]].map(|value| value.as_str().unwrap_or("-")))
        .collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, [["established", "SF", "cgp"], ["silent", "S0", "-"]]);
}

#[test]
fn what_turns_out_to_be_less_is_told_again() {
    let Some(net) = Net::new() else { return };
    let Some(firewall) = Firewall::new(&net) else { return };
    let mut watch = Watch::new(&net, &["one", "--format", "ndjson"]);
    firewall.rule("tcp dport 2598 drop");
    give_up(&net, 2598, Duration::from_millis(3_500));
    let until = Instant::now() + Duration::from_secs(10);
    let (_, first) = watch.next_of_type("finding", until);
    assert_eq!((&first["code"], &first["severity"]), (&"blocked.silent".into(), &"error".into()), "{first}");

    firewall.open();
    session(&net, 2598);
    let (_, finding) = watch.next_of_type("finding", Instant::now() + Duration::from_secs(10));
    assert_eq!((&finding["code"], &finding["severity"]), (&"blocked.silent".into(), &"warning".into()), "{finding}");
    assert_eq!(finding["servers"], Value::from(["10.1.0.2"].as_slice()));
    assert_eq!((&finding["id"], &first["id"]), (&first["id"], &"f-blocked.silent-tcp-2598-10.1.0.2".into()));
    let revised = &finding["revised"];
    assert_eq!((&revised["severity"], &revised["because"]), (&"error".into(), &"answered-later".into()), "{finding}");
    let change = revised["change"].as_str().unwrap_or_default();
    assert!(change.starts_with("was error, now warning"), "{change}");
    assert!(change.ends_with(": the port answered later"), "{change}");
    assert!(first["revised"].is_null(), "{first}");

    watch.signal(Signal::INT);
    let ended = watch.end();
    assert_eq!(ended.code, Some(0), "the path is open after all: {}", ended.err);
    let found = ended.objects();
    let blocks = of_type(&found, "finding").filter(|told| !told["code"].to_string().contains("encryption."));
    let severities: Vec<Value> = blocks.map(|told| told["severity"].clone()).collect();
    assert_eq!(severities, ["error", "warning"], "once each");
}

#[test]
fn an_interface_that_is_deleted_ends_the_audit_with_a_report() {
    let Some(net) = Net::new() else { return };
    let mut watch = Watch::new(&net, &["one", "--format", "json"]);
    session(&net, 2598);
    thread::sleep(Duration::from_millis(500));
    net.ip(Host::Near, "link del one");
    let ended = watch.end();
    assert!(ended.err.lines().any(|line| line.contains("one is gone")), "{}", ended.err);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let report = ended.object();
    assert_eq!(report["totals"]["flows"], 1, "{report}");
    assert_eq!(report["flows"][0]["outcome"], "established");
}

#[test]
fn with_wait_an_interface_that_comes_back_is_watched_again() {
    let Some(net) = Net::new() else { return };
    let Some(firewall) = Firewall::new(&net) else { return };
    let mut watch = Watch::new(&net, &["one", "two", "--wait", "--format", "ndjson"]);
    session(&net, 2598);
    net.ip(Host::Near, "link del one");
    assert!(watch.wait_for_remark("one is gone").is_some(), "{}", watch.end().err);
    session_to(&net, "10.2.0.2", 1494);
    net.connect("one", 1);
    assert!(watch.wait_for_remark("one is watched again").is_some(), "{}", watch.end().err);
    firewall.rule("tcp dport 2598 drop");
    give_up(&net, 2598, Duration::from_millis(3_500));
    let (_, finding) = watch.next_of_type("finding", Instant::now() + Duration::from_secs(10));
    assert_eq!((&finding["code"], &finding["port"]), (&"blocked.silent".into(), &2598.into()), "{finding}");

    watch.signal(Signal::INT);
    let ended = watch.end();
    let lines = ended.objects();
    let mut told: Vec<_> = of_type(&lines, "flow")
        .map(|flow| (flow["server"]["address"].clone(), flow["server"]["port"].clone(), flow["outcome"].clone()))
        .map(|(ip, port, outcome)| format!("{ip} {port} {outcome}").replace('"', ""))
        .collect();
    told.sort();
    assert_eq!(told, ["10.1.0.2 2598 established", "10.1.0.2 2598 silent", "10.2.0.2 1494 established"]);
    let captures: Vec<&Value> = of_type(&lines, "capture").map(|capture| &capture["name"]).collect();
    assert_eq!(captures, ["one", "two"], "what came back is the same capture");
}

#[test]
fn a_drop_over_ipv6_is_told() {
    let Some(net) = Net::new() else { return };
    let Some(firewall) = Firewall::new(&net) else { return };
    let Some(()) = net.connect_v6("one", 1) else { return };
    let mut watch = Watch::new(&net, &["one", "--format", "ndjson"]);
    session_to(&net, "fd00:1::2", 2598);
    firewall.rule("tcp dport 2598 drop");
    give_up_to(&net, "fd00:1::2", 2598, Duration::from_millis(3_500));
    let (_, finding) = watch.next_of_type("finding", Instant::now() + Duration::from_secs(10));
    assert_eq!((&finding["code"], &finding["flow_count"]), (&"blocked.silent".into(), &1.into()), "{finding}");
    assert_eq!(finding["clients"], Value::from(["fd00:1::1"].as_slice()));
    assert_eq!(finding["servers"], Value::from(["fd00:1::2"].as_slice()));
    watch.signal(Signal::INT);
    let ended = watch.end();
    let lines = ended.objects();
    let mut outcomes: Vec<&Value> = of_type(&lines, "flow").map(|flow| &flow["outcome"]).collect();
    outcomes.sort_by_key(|outcome| outcome.to_string());
    assert_eq!(outcomes, ["established", "silent"], "{}", ended.out);
}

#[test]
fn a_flow_that_has_ended_is_a_line_at_once_and_only_once() {
    let Some(net) = Net::new() else { return };
    let mut watch = Watch::new(&net, &["one", "--format", "ndjson", "--workers", "2"]);
    // Nobody listens. Whoever uses his port again has ended the flow before.
    for _ in 0..3 {
        be_refused(&net, 40_000, 27_000);
    }
    let until = Instant::now() + Duration::from_secs(10);
    for _ in 0..2 {
        let (_, flow) = watch.next_of_type("flow", until);
        assert_eq!((&flow["client"]["port"], &flow["outcome"]), (&40_000.into(), &"refused".into()), "{flow}");
    }
    thread::sleep(Duration::from_millis(1_500));
    assert_eq!(watch.of_type("flow").len(), 2, "the third may go on");
    // And the story that stops there.
    let found: Vec<Value> = watch.of_type("finding").iter().map(|found| found["code"].clone()).collect();
    assert_eq!(found, ["blocked.refused", "service.stopped"]);
    assert_eq!(watch.of_type("summary").len(), 0, "it has not ended");

    watch.signal(Signal::TERM);
    let ended = watch.end();
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let lines = ended.objects();
    let mut tries: Vec<_> = of_type(&lines, "flow").map(|flow| flow["first"].to_string()).collect();
    tries.sort();
    tries.dedup();
    assert_eq!((tries.len(), of_type(&lines, "flow").count()), (3, 3), "{}", ended.out);
    let numbers: Vec<&Value> = of_type(&lines, "flow").map(|flow| &flow["id"]).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let last = lines.last().expect("there is a summary");
    assert_eq!((&last["type"], &last["totals"]["flows"]), (&"summary".into(), &3.into()), "{last}");
    assert_eq!(of_type(&lines, "summary").count(), 1);
}

#[test]
fn reports_in_between_come_at_intervals_and_the_last_is_complete() {
    let Some(net) = Net::new() else { return };
    let mut watch = Watch::new(&net, &["one", "--interval", "1", "-v"]);
    session(&net, 2598);
    let until = Instant::now() + PATIENCE;
    for report in 1..=3 {
        let told = watch.out.wait_for(until, |line| line.starts_with("Report of "));
        let (_, line) = told.unwrap_or_else(|| panic!("report {report} did not come: {:?}", watch.out.seen));
        // "Report of 2026-11-24 20:36:40 UTC, after 3 s"
        let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        assert!(line.contains(&today) && line.contains(" UTC, after ") && line.ends_with(" s"), "{line}");
        let counts = watch.out.wait_for(until, |line| line.contains("flow"));
        let counts = counts.map(|(_, line)| line).unwrap_or_default();
        // The first second may have ended within the session.
        if report > 1 {
            assert!(counts.contains("1 flow (+0), 0 blocked (+0)"), "{counts}");
            let nothing = watch.out.wait_for(until, |line| line.starts_with("No finding is new, changed or gone"));
            assert!(nothing.is_some(), "{:?}", watch.out.seen);
        }
    }
    be_refused(&net, 40_000, 27_000);
    let told = watch.out.wait_for(until, |line| line.starts_with("- ERROR blocked.refused TCP 27000"));
    assert!(told.is_some(), "what is new stands in the next report: {:?}", watch.out.seen);
    session(&net, 2598);
    session(&net, 2598);
    watch.signal(Signal::INT);
    let ended = watch.end();
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let (between, last) = ended.out.split_once("cap-audit 0").expect("the last is a whole report");
    assert!(!last.contains("cap-audit 0") && !between.contains("Services"), "the others are short: {}", ended.out);
    assert!(between.lines().count() < 16 * between.matches("Report of ").count(), "{between}");
    let services = last.lines().find(|line| line.starts_with("cgp ")).unwrap_or_default();
    assert_eq!(services.split_whitespace().take(3).collect::<Vec<_>>(), ["cgp", "3", "0"], "{last}");
}

#[test]
fn on_a_terminal_findings_wrap_and_the_status_line_is_gone_before_the_report() {
    let Some(net) = Net::new() else { return };
    let (said, code) = on_a_terminal(&net, &["one"], || {
        be_refused(&net, 40_000, 27_000);
        thread::sleep(Duration::from_millis(2_500));
    });
    assert_eq!(code, Some(1), "{said}");
    let (before, report) = said.split_once("1 PROBLEM").unwrap_or_else(|| panic!("there is a report: {said}"));
    assert!(!report.contains("--problem"), "it is over, and cannot be asked again: {report}");
    // How long it has been going on, and how things stand.
    assert!(before.contains("0:00:02, ") && before.contains(", 2 findings, 0 lost"), "{before}");
    // The line is erased (CSI 2 K) before the report, and none is written after that.
    let last = before.rfind("0:00:0").expect("there was a line");
    assert!(before[last..].contains("\x1b[2K"), "{before:?}");
    assert!(!report.contains(" packets/s"), "{report}");
    // The finding has colours as in the report, and no line is longer than the terminal is wide.
    let told = before.find("ERROR").map(|at| &before[at..]).unwrap_or_else(|| panic!("nothing was told: {before}"));
    assert!(before.contains("\x1b[1m\x1b[31mERROR") && told.contains("blocked.refused"), "{before:?}");
    let wrapped: Vec<&str> = told.lines().skip(1).take_while(|line| line.starts_with("         ")).collect();
    assert!(wrapped.len() >= 3, "{told}");
    let plain = |line: &str| line.replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\x1b[2m", "");
    assert!(wrapped.iter().all(|line| plain(line).chars().count() <= 70), "{told:?}");
}

/// What the program says on a terminal of 70 columns that somebody ends with Ctrl-C after this was done.
fn on_a_terminal(net: &Net, arguments: &[&str], then: impl FnOnce()) -> (String, Option<i32>) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{Winsize, tcsetwinsize};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
    tcsetwinsize(&ours, Winsize { ws_row: 40, ws_col: 70, ws_xpixel: 0, ws_ypixel: 0 }).expect("it is ours");
    let name = ptsname(&ours, Vec::new()).expect("it has a name").into_string().expect("which is text");
    let theirs = fs::File::options().read(true).write(true).open(name).expect("it is there");
    let [out, err] = [(); 2].map(|()| theirs.try_clone().expect("there are descriptors"));
    let mut command = on(net, Host::Near, env!("CARGO_BIN_EXE_cap-audit"));
    command.arg("live").args(arguments).env("TERM", "xterm").env_remove("NO_COLOR");
    let mut child = command.stdin(theirs).stdout(out).stderr(err).spawn().expect("iproute2 is there");
    drop(command);
    let (say, hear) = channel();
    // Ends with an error once nobody has the other end open.
    let reader = thread::spawn(move || {
        let (mut terminal, mut said, mut piece) = (fs::File::from(ours), Vec::new(), [0; 1024]);
        while let Ok(bytes @ 1..) = terminal.read(&mut piece) {
            said.extend_from_slice(&piece[..bytes]);
            if String::from_utf8_lossy(&said).contains("watching ") {
                let _ = say.send(());
            }
        }
        String::from_utf8_lossy(&said).replace('\r', "\n").replace("\n\n", "\n")
    });
    let watches = hear.recv_timeout(PATIENCE).is_ok();
    if watches {
        then();
        kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    }
    let code = child.wait().expect("the child is ours").code();
    let said = reader.join().expect("no panic");
    assert!(watches, "it does not watch: {said}");
    (said, code)
}

#[test]
fn an_interface_that_went_down_stands_in_the_report_with_its_time() {
    let Some(net) = Net::new() else { return };
    let mut watch = Watch::new(&net, &["one", "two", "--wait", "--format", "json"]);
    session(&net, 2598);
    let begun = jiff::Timestamp::now();
    net.ip(Host::Near, "link set one down");
    assert!(watch.wait_for_remark("one went down").is_some(), "{}", watch.end().err);
    net.ip(Host::Near, "link set one up");
    assert!(watch.wait_for_remark("one is watched again").is_some(), "{}", watch.end().err);
    let ended = jiff::Timestamp::now();
    net.ip(Host::Near, "link del two");
    assert!(watch.wait_for_remark("two is gone").is_some(), "{}", watch.end().err);
    watch.signal(Signal::INT);
    let report = watch.end().object();
    let captures = report["captures"].as_array().expect("there are two");
    let [one, two] = [0, 1].map(|place| captures[place]["interruptions"][0].clone());
    let time = |value: &Value| value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    assert_eq!(one["what"], "one went down", "{captures:?}");
    assert!(time(&one["from"]) >= Some(begun) && time(&one["from"]) < time(&one["to"]), "{one}");
    assert!(time(&one["to"]) <= Some(ended), "{one}");
    assert_eq!((&two["what"], &two["to"]), (&"two is gone".into(), &Value::Null));
    let remarks = report["quality"]["remarks"].to_string();
    assert!(
        remarks.contains("one went down at ") && remarks.contains("nothing was captured there until "),
        "{remarks}"
    );
    assert!(
        remarks.contains("two is gone at ") && remarks.contains("nothing was captured there afterwards."),
        "{remarks}"
    );
    assert_eq!(report["quality"]["verdict"], "limited");
}

// The same packets, live and from a file.

/// What must be the same of a flow.
const OF_FLOW: &[&str] = &[
    "protocol",
    "client",
    "server",
    "direction_basis",
    "packets",
    "ip_bytes",
    "payload_bytes",
    "retransmissions",
    "outcome",
    "blocked",
    "state",
    "verdict",
    "reason",
    "basis",
    "service",
    "rules",
    "heard",
];

/// What must be the same of a finding.
const OF_FINDING: &[&str] = &["code", "severity", "clients", "servers", "protocol", "port", "service", "flow_count"];

#[test]
fn live_and_from_a_file_the_same_packets_give_the_same_report() {
    let Some(net) = Net::new() else { return };
    let Some(firewall) = Firewall::new(&net) else { return };
    let place = tempfile::tempdir().expect("there is room for temporary files");
    // The program writes as another user than this test.
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).expect("the directory is ours");
    let path = |name: &str| place.path().join(name).to_str().expect("the path is text").to_string();
    let Some(mut recording) = record(&net, &path("case.pcap")) else { return };
    let live = |workers: &str| {
        Watch::new(
            &net,
            &["one", "--format", "json", "--workers", workers, "-o", &path(&format!("live-{workers}.json"))],
        )
    };
    let mut watches = [live("1"), live("2")];

    for rule in [
        "tcp dport 1494 drop",
        "udp dport 2598 drop",
        "tcp dport 27000 reject with tcp reset",
        "tcp dport 7279 reject with icmp type admin-prohibited",
    ] {
        firewall.rule(rule);
    }
    session(&net, 2598);
    give_up(&net, 27000, Duration::from_secs(1));
    give_up(&net, 7279, Duration::from_secs(1));
    thread::scope(|scope| {
        scope.spawn(|| give_up(&net, 1494, Duration::from_secs(6)));
        scope.spawn(|| datagrams(&net, 2598, 5));
    });
    // A file ends with its last packet: this one ends the grace period of all the others.
    session(&net, 2598);
    thread::sleep(Duration::from_secs(1));
    for watch in &mut watches {
        watch.signal(Signal::INT);
    }
    recording.signal(Signal::INT);
    for watch in &mut watches {
        let ended = watch.end();
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{}", ended.err);
    }
    let recorded = recording.end();
    assert!(recorded.err.contains("0 packets dropped by kernel"), "{}", recorded.err);

    let from_file = |workers: &str| {
        let done = program().args(["file", "--format", "json", "--workers", workers, &path("case.pcap")]).output();
        let done = done.expect("the program runs");
        assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).expect("the report is JSON")
    };
    let expected: Value = from_file("1");
    let outcomes = counted(&expected["flows"], "outcome");
    let must = [("established", 2), ("prohibited", 1), ("refused", 1), ("silent", 2)];
    assert_eq!(outcomes, BTreeMap::from(must.map(|(name, count)| (name.to_string(), count))), "{expected:#}");
    let read = |name: &str| {
        let text = fs::read_to_string(path(name)).expect("the report was written");
        serde_json::from_str::<Value>(&text).expect("the report is JSON")
    };
    let others = [
        ("file, 2 workers", from_file("2")),
        ("live, 1 worker", read("live-1.json")),
        ("live, 2 workers", read("live-2.json")),
    ];
    for (who, other) in &others {
        assert_eq!(rows(&other["flows"], OF_FLOW), rows(&expected["flows"], OF_FLOW), "{who}");
        assert_eq!(rows(&other["findings"], OF_FINDING), rows(&expected["findings"], OF_FINDING), "{who}");
        assert_eq!(other["totals"], expected["totals"], "{who}");
    }
}

#[test]
fn all_interfaces_at_once_tell_the_same_as_the_one() {
    let Some(net) = Net::new() else { return };
    let Some(firewall) = Firewall::new(&net) else { return };
    let watches = ["one", "any"].map(|name| Watch::new(&net, &[name, "--format", "json"]));
    firewall.rule("tcp dport 1494 drop");
    firewall.rule("tcp dport 7279 reject with icmp type admin-prohibited");
    session(&net, 2598);
    give_up(&net, 7279, Duration::from_secs(1));
    give_up(&net, 27000, Duration::from_secs(1));
    give_up(&net, 1494, Duration::from_secs(5));
    thread::sleep(Duration::from_millis(500));
    watches.iter().for_each(|watch| watch.signal(Signal::INT));
    let [one, any] = watches.map(|mut watch| {
        let ended = watch.end();
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        ended.object()
    });
    assert_eq!(counted(&one["flows"], "outcome").len(), 4, "{one:#}");
    assert_eq!(rows(&any["findings"], OF_FINDING), rows(&one["findings"], OF_FINDING));
    assert_eq!(rows(&any["flows"], OF_FLOW), rows(&one["flows"], OF_FLOW));
    assert_eq!(any["totals"]["packets"], one["totals"]["packets"]);
    let links = [&one, &any].map(|report| report["captures"][0]["link_types"].to_string());
    assert_ne!(links[0], links[1], "a cooked link was read as one");
}

/// So many rows have each value of a field.
fn counted(rows: &Value, field: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows.as_array().expect("rows are a list") {
        *counts.entry(row[field].as_str().unwrap_or("-").to_string()).or_default() += 1;
    }
    counts
}

/// The fields of all rows as text, in an order that does not depend on when a row was written.
fn rows(rows: &Value, fields: &[&str]) -> Vec<String> {
    let row = |row: &Value| fields.iter().map(|field| format!("{field}={} ", row[*field])).collect::<String>();
    let mut rows: Vec<String> = rows.as_array().expect("rows are a list").iter().map(row).collect();
    rows.sort();
    rows
}

// How it ends, and what it says when it cannot begin.

#[test]
fn it_ends_by_itself_after_a_time_or_a_number_of_packets() {
    let Some(net) = Net::new() else { return };
    let begun = Instant::now();
    let ended = Watch::new(&net, &["one", "--duration", "2", "--format", "json"]).end();
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(6), "{took:?}");
    assert_eq!(ended.code, Some(4), "nothing was sent: {}", ended.err);
    assert_eq!(ended.object()["totals"]["packets"], 0);

    // A session has more than a dozen packets, and all of them are there before the first are read.
    for interfaces in [&["one"][..], &["one", "two"]] {
        let mut watch = Watch::new(&net, &[interfaces, &["--packets", "5", "--format", "json"]].concat());
        session(&net, 2598);
        let ended = watch.end();
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let report = ended.object();
        assert_eq!(report["totals"]["packets"], 5, "{interfaces:?}: {report:#}");
        let packets = &report["flows"][0]["packets"];
        let of_side = |side: &str| packets[side].as_u64().unwrap_or_default();
        assert_eq!(of_side("client") + of_side("server"), 5, "{packets}");
        let captures = report["captures"].as_array().expect("there is one of each interface");
        let counted: Vec<u64> = captures.iter().filter_map(|capture| capture["packets"].as_u64()).collect();
        assert_eq!((counted.len(), counted.iter().sum()), (interfaces.len(), 5), "{captures:?}");
    }
}

#[test]
fn the_second_ctrl_c_ends_at_once() {
    let Some(net) = Net::new() else { return };
    // The end takes a moment, in which what was captured is read; a busy machine may miss it.
    for _ in 0..10 {
        let mut watch = Watch::new(&net, &["one", "--format", "json"]);
        session(&net, 2598);
        watch.signal(Signal::INT);
        thread::sleep(Duration::from_millis(20));
        watch.signal(Signal::INT);
        let ended = watch.end();
        if ended.code == Some(130) {
            assert_eq!(ended.out, "", "there was no time for a report");
            return;
        }
        assert_eq!((ended.code, &ended.object()["totals"]["flows"]), (Some(0), &1.into()), "{}", ended.err);
    }
    panic!("it never ended at once");
}

#[test]
fn what_cannot_be_watched_is_told_in_a_sentence() {
    let Some(net) = Net::new() else { return };
    let told = live(&net, &["eth77"]);
    assert_eq!((told.code, told.out.as_str()), (Some(3), ""));
    assert!(told.err.contains("cannot watch eth77: there is no such interface; name one of"), "{}", told.err);
    let existing = told.err.rsplit(": ").next().unwrap_or_default();
    for name in ["one", "two", "lo"] {
        assert!(existing.split(", ").any(|other| other.trim() == name), "{name}: {}", told.err);
    }

    let told = live(&net, &["one", "--filter", "port port"]);
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""), "another command line helps");
    assert!(told.err.contains("cannot use the filter `port port`: "), "{}", told.err);
    // libpcap 1.10 says "can't parse filter expression: syntax error", older ones "syntax error" alone.
    assert!(told.err.contains("syntax error"), "{}", told.err);

    let told = live(&net, &["one", "--user", "nobody-of-this-name"]);
    assert_eq!((told.code, told.out.as_str()), (Some(3), ""));
    assert!(told.err.contains("nobody-of-this-name"), "{}", told.err);
}

#[test]
fn without_rights_interfaces_are_listed_and_both_ways_to_rights_are_told() {
    let Some(net) = Net::new() else { return };
    let place = tempfile::tempdir().expect("there is room for temporary files");
    let program = place.path().join("cap-audit");
    fs::copy(env!("CARGO_BIN_EXE_cap-audit"), &program).expect("the program can be copied");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("the directory is ours");
    let as_nobody = |arguments: &[&str]| {
        let mut command = on(&net, Host::Near, "setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
        Watch::start(command.arg(&program).args(arguments)).end()
    };
    let listed = as_nobody(&["live", "--list"]);
    if matches!(listed.code, Some(126 | 127 | 255)) {
        return skipped(format_args!("setpriv is missing or cannot run the program ({})", listed.err.trim()));
    }
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    for (name, address) in [("one", "10.1.0.1"), ("two", "10.2.0.1")] {
        let line = listed.out.lines().find(|line| line.split_whitespace().next() == Some(name));
        assert!(line.is_some_and(|line| line.contains(address) && line.contains("up")), "{}", listed.out);
    }
    assert_eq!(live(&net, &["--list"]).out, listed.out, "root sees the same");

    let refused = as_nobody(&["live", "one"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(3), ""));
    assert!(refused.err.contains("`sudo`"), "{}", refused.err);
    let setcap = format!("sudo setcap cap_net_raw,cap_net_admin+ep {}", program.display());
    assert!(refused.err.contains(&setcap), "{}", refused.err);
}

// Where the report goes.

/// A directory that everybody may write in, with a file in it that everybody may write, and one that only root may.
fn shared_place() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("there is room for temporary files");
    for (name, mode) in [("", 0o777), ("keep", 0o666), ("of-root", 0o600)] {
        let path = place.path().join(name);
        if !name.is_empty() {
            fs::write(&path, "older").expect("the directory is ours");
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the directory is ours");
    }
    place
}

#[test]
fn what_stood_in_the_output_stays_where_something_else_is_wrong() {
    let Some(net) = Net::new() else { return };
    let place = shared_place();
    let keep = place.path().join("keep");
    let keep = keep.to_str().expect("the path is text");
    for wrong in [
        &["one", "--user", "nobody-of-this-name"][..],
        &["one", "--user", "root"],
        &["one", "--filter", "port port"],
        &["one", "--port-map", "/no/such/map"],
        &["eth77"],
    ] {
        let told = live(&net, &[wrong, &["-o", keep]].concat());
        // A filter that is none is a mistake on the command line.
        let code = if wrong.contains(&"--filter") { 2 } else { 3 };
        assert_eq!((told.code, told.out.as_str()), (Some(code), ""), "{wrong:?}: {}", told.err);
        assert_eq!(fs::read_to_string(keep).ok().as_deref(), Some("older"), "{wrong:?}");
    }
    // What may be evidence is not overwritten.
    fs::copy("fixtures/office/capture.pcap", place.path().join("case")).expect("the directory is ours");
    let (case, map) = (place.path().join("case"), place.path().join("map"));
    let [case_path, map_path] = [&case, &map].map(|path| path.to_str().expect("the path is text"));
    fs::copy("src/portmap/citrix.toml", &map).expect("the directory is ours");
    let told = live(&net, &["one", "--duration", "1", "-o", case_path]);
    assert_eq!(told.code, Some(3), "{}", told.err);
    assert!(told.err.contains("there is a capture"), "{}", told.err);
    assert_eq!(fs::read(&case).ok(), fs::read("fixtures/office/capture.pcap").ok());
    let map_told = live(&net, &["one", "--duration", "1", "--port-map", map_path, "-o", map_path]);
    assert_eq!(map_told.code, Some(3), "{}", map_told.err);
    assert!(map_told.err.contains("it is the port map in use"), "{}", map_told.err);
    assert_eq!(fs::read(&map).ok(), fs::read("src/portmap/citrix.toml").ok());

    let mut watch = Watch::new(&net, &["one", "-o", keep, "--format", "json"]);
    assert_eq!(fs::read_to_string(keep).ok().as_deref(), Some("older"), "there is no report yet");
    session(&net, 2598);
    watch.signal(Signal::INT);
    let ended = watch.end();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(object(&fs::read_to_string(keep).expect("it is there"))["totals"]["flows"], 1);
}

#[test]
fn the_output_is_opened_as_the_user_that_the_program_becomes() {
    let Some(net) = Net::new() else { return };
    let place = shared_place();
    let path = |name: &str| place.path().join(name).to_str().expect("the path is text").to_string();
    std::os::unix::fs::symlink("of-root", path("link")).expect("the directory is ours");
    for name in ["of-root", "link"] {
        let told = live(&net, &["one", "--duration", "1", "-o", &path(name)]);
        assert_eq!((told.code, told.out.as_str()), (Some(3), ""), "{}", told.err);
        let sentence = format!("cannot write the report to {}: it is written as ", path(name));
        assert!(told.err.contains(&sentence) && told.err.contains("nobody"), "{}", told.err);
        assert!(told.err.contains("may not write there") && told.err.contains("--user"), "{}", told.err);
    }
    // Who stays root follows no link.
    let told = live(&net, &["one", "--no-sandbox", "--duration", "1", "-o", &path("link")]);
    assert_eq!((told.code, told.out.as_str()), (Some(3), ""), "{}", told.err);
    assert!(told.err.contains("it is a symbolic link, which root does not follow"), "{}", told.err);
    assert_eq!(fs::read_to_string(path("of-root")).ok().as_deref(), Some("older"));
    let told = live(&net, &["one", "--duration", "1", "--user", "4711:4712", "-o", &path("new")]);
    assert_eq!((told.code, told.out.as_str()), (Some(4), ""), "{}", told.err);
    let made = fs::metadata(path("new")).expect("it was made");
    assert_eq!((made.uid(), made.gid()), (4711, 4712));
}

#[test]
fn a_full_disk_does_not_cost_the_older_report() {
    let Some(net) = Net::new() else { return };
    let place = tempfile::tempdir().expect("there is room for temporary files");
    let path = |name: &str| place.path().join(name).to_str().expect("the path is text").to_string();
    // Mounted where nobody else sees it, and gone with the program. The older report takes a page; the new one takes more.
    let script = format!(
        "mount -t tmpfs -o size=64k,mode=777 none {0} && cd {0} && echo older > keep && chmod 666 keep && \
         {{ cat /dev/zero > fill; ip netns exec {1} {2} live one --duration 3 --format json -o keep; \
         echo \"code $?\"; cat keep; }}",
        place.path().display(),
        net.name(Host::Near),
        env!("CARGO_BIN_EXE_cap-audit")
    );
    let mut watch = Watch::start(Command::new("unshare").args(["-m", "sh", "-c", &script]));
    if watch.wait_for_remark("watching ").is_none() {
        return skipped(format_args!("nothing can be mounted here ({})", watch.end().err));
    }
    (0..8).for_each(|_| session(&net, 2598));
    let Ended { out, err, .. } = watch.end();
    assert_eq!(out, "code 3\nolder\n", "{err}");
    assert!(err.contains("the disk is full"), "{err}");
    assert!(!Path::new(&path("keep")).exists(), "it was mounted elsewhere");
}

// What the running program may still do.

#[test]
fn a_running_audit_keeps_only_what_it_reads_of_its_environment() {
    let Some(net) = Net::new() else { return };
    let mut command = on(&net, Host::Near, env!("CARGO_BIN_EXE_cap-audit"));
    command.args(["live", "one"]).env_clear().envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")]);
    command.envs([("AWS_SECRET_ACCESS_KEY", "secret"), ("TZ", "Asia/Tokyo"), ("SUDO_COMMAND", "secret")]);
    let mut watch = Watch::start(&mut command);
    assert!(watch.wait_for_remark("watching ").is_some(), "{}", watch.end().err);
    let environment = fs::read(format!("/proc/{}/environ", watch.child.id())).expect("it runs");
    assert_eq!(String::from_utf8_lossy(&environment), "TZ=Asia/Tokyo\0");
    watch.signal(Signal::INT);
    assert_eq!(watch.end().code, Some(4));
}

#[test]
fn a_running_audit_has_given_up_its_rights() {
    let Some(net) = Net::new() else { return };
    let confined = Watch::new(&net, &["one"]);
    let free = Watch::new(&net, &["one", "--no-sandbox"]);
    // Every thread has its own user, capabilities and filter.
    for status in confined.threads() {
        let field = |name| field(&status, name);
        let uids: Vec<u32> = field("Uid").iter().filter_map(|uid| uid.parse().ok()).collect();
        assert!(uids.len() == 4 && !uids.contains(&0), "{status}");
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            assert_eq!(field(set), ["0000000000000000"], "{set}: {status}");
        }
        assert_eq!((field("NoNewPrivs"), field("Seccomp")), (vec!["1"], vec!["2"]), "{status}");
    }
    for status in free.threads() {
        assert_eq!(field(&status, "Uid"), ["0"; 4], "{status}");
        assert_eq!((field(&status, "NoNewPrivs"), field(&status, "Seccomp")), (vec!["0"], vec!["0"]), "{status}");
    }
    for mut watch in [confined, free] {
        watch.signal(Signal::TERM);
        let ended = watch.end();
        assert_eq!(ended.code, Some(4), "SIGTERM ends with a report, which has nothing to judge: {}", ended.err);
    }
}

/// A field of proc_pid_status(5).
fn field<'a>(status: &'a str, name: &str) -> Vec<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().split_whitespace().collect()
}

// The program under test.

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cap-audit"));
    command.env_remove("SUDO_UID").env_remove("SUDO_GID");
    command
}

/// A program on a host.
fn on(net: &Net, host: Host, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", net.name(host), program]).env_remove("SUDO_UID").env_remove("SUDO_GID");
    command
}

/// Runs `cap-audit live` to its end.
fn live(net: &Net, arguments: &[&str]) -> Ended {
    Watch::start(on(net, Host::Near, env!("CARGO_BIN_EXE_cap-audit")).arg("live").args(arguments)).end()
}

/// Records what passes on the near end of `one`; none, and the test is skipped, where nothing can record.
fn record(net: &Net, path: &str) -> Option<Watch> {
    let mut command = on(net, Host::Near, "tcpdump");
    command.args(["-i", "one", "-n", "-U", "--immediate-mode", "-B", "16384", "-Z", "root", "-w", path]);
    let mut recording = Watch::start(&mut command);
    if recording.wait_for_remark("listening on").is_none() {
        skipped(format_args!("tcpdump does not record ({})", recording.end().err.trim()));
        return None;
    }
    Some(recording)
}

/// A program that runs, and what it has said so far. It does not outlive this value.
struct Watch {
    child: Child,
    out: Lines,
    err: Lines,
}

/// What a program said until its end.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Nothing here may take longer.
const PATIENCE: Duration = Duration::from_secs(15);

impl Watch {
    /// `cap-audit live` on the near host; returns once it watches.
    fn new(net: &Net, arguments: &[&str]) -> Watch {
        let mut command = on(net, Host::Near, env!("CARGO_BIN_EXE_cap-audit"));
        let mut watch = Watch::start(command.arg("live").args(arguments));
        let ready = watch.wait_for_remark("watching ");
        assert!(ready.is_some(), "it does not watch: {}", watch.end().err);
        watch
    }

    fn start(command: &mut Command) -> Watch {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("iproute2 is there, as the namespaces are");
        let out = Lines::of(child.stdout.take().expect("it was piped"));
        let err = Lines::of(child.stderr.take().expect("it was piped"));
        Watch { child, out, err }
    }

    /// Waits for a line on standard error; none if the program ended without it.
    fn wait_for_remark(&mut self, words: &str) -> Option<Instant> {
        self.err.wait_for(Instant::now() + PATIENCE, |line| line.contains(words)).map(|(at, _)| at)
    }

    /// The objects of a type that were told so far.
    fn of_type(&mut self, name: &str) -> Vec<Value> {
        self.out.take_what_came();
        let objects: Vec<Value> = self.out.seen.iter().map(|line| object(line)).collect();
        of_type(&objects, name).cloned().collect()
    }

    /// The next object of a type that is told, and when that was.
    fn next_of_type(&mut self, name: &str, until: Instant) -> (Instant, Value) {
        let told = self.out.wait_for(until, |line| object(line)["type"] == name);
        let (at, line) = told.unwrap_or_else(|| panic!("no {name} was told: {:?}", self.out.seen));
        (at, object(&line))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// `/proc/PID/task/*/status` of every thread. `ip netns exec` has become the program by now.
    fn threads(&self) -> Vec<String> {
        let process = format!("/proc/{}", self.child.id());
        let name = fs::read_to_string(Path::new(&process).join("comm")).expect("it runs");
        assert_eq!(name.trim(), "cap-audit");
        let tasks = fs::read_dir(Path::new(&process).join("task")).expect("it runs");
        let status = |task: io::Result<fs::DirEntry>| fs::read_to_string(task.ok()?.path().join("status")).ok();
        let threads: Vec<String> = tasks.filter_map(status).collect();
        assert!(!threads.is_empty());
        threads
    }

    /// Waits for the end.
    fn end(&mut self) -> Ended {
        let code = self.wait().code();
        Ended { code, out: self.out.rest(), err: self.err.rest() }
    }

    fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return status;
            }
            assert!(Instant::now() < until, "it does not end: {:?} {:?}", self.out.seen, self.err.seen);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The one document.
    fn object(&self) -> Value {
        object(&self.out)
    }

    /// One object a line.
    fn objects(&self) -> Vec<Value> {
        self.out.lines().map(object).collect()
    }
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn of_type<'a>(objects: &'a [Value], name: &str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["type"] == name)
}

/// Lines as they come, with the moment at which they came.
struct Lines {
    come: Receiver<(Instant, String)>,
    seen: Vec<String>,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Lines {
        let (say, come) = channel();
        // Ends with the pipe, which ends with the program.
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let _ = say.send((Instant::now(), line));
            }
        });
        Lines { come, seen: Vec::new() }
    }

    /// The next line that fits; none if there is none until then, or no more lines come.
    fn wait_for(&mut self, until: Instant, fits: impl Fn(&str) -> bool) -> Option<(Instant, String)> {
        loop {
            let (at, line) = self.come.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?;
            self.seen.push(line.clone());
            if fits(&line) {
                return Some((at, line));
            }
        }
    }

    fn take_what_came(&mut self) {
        self.seen.extend(self.come.try_iter().map(|(_, line)| line));
    }

    /// Everything, once the program has ended.
    fn rest(&mut self) -> String {
        self.seen.extend(self.come.iter().map(|(_, line)| line));
        self.seen.iter().map(|line| format!("{line}\n")).collect()
    }
}

// What is sent.

/// A packet filter on the far host, which goes with it.
struct Firewall<'a>(&'a Net);

impl<'a> Firewall<'a> {
    /// None, and the test is skipped, where there are no packet filters.
    fn new(net: &'a Net) -> Option<Firewall<'a>> {
        let firewall = Firewall(net);
        let chain = "add chain inet audit in { type filter hook input priority 0; }";
        for words in ["add table inet audit", chain] {
            if let Err(why) = firewall.nft(words) {
                skipped(format_args!("packet filters need nftables ({why})"));
                return None;
            }
        }
        Some(firewall)
    }

    fn rule(&self, rule: &str) {
        self.nft(&format!("add rule inet audit in {rule}")).unwrap_or_else(|why| panic!("{rule}: {why}"));
    }

    /// Takes all rules back.
    fn open(&self) {
        self.nft("flush chain inet audit in").unwrap_or_else(|why| panic!("{why}"));
    }

    fn nft(&self, words: &str) -> Result<(), String> {
        let done = on(self.0, Host::Far, "nft").arg(words).output().map_err(|error| error.to_string())?;
        if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).trim().to_string()) }
    }
}

/// Both sides of CGP greet with this (facts CGP-01); the client then names its service (facts CGP-04).
const GREETING: &[u8] = b"\x1ACGP/01";
const SERVICE: &[u8] = b"\x00\x16Citrix.TcpProxyService";

/// A session that works, from its handshake to the last FIN, with enough behind the greeting for several packets.
fn session(net: &Net, port: u16) {
    session_to(net, "10.1.0.2", port);
}

fn session_to(net: &Net, server: &str, port: u16) {
    let listener = net.on(Host::Far, || TcpListener::bind((server, port)).expect("the port is free"));
    let mut client = net.on(Host::Near, || TcpStream::connect((server, port)).expect("the server listens"));
    let (mut server, _) = listener.accept().expect("the client has connected");
    for end in [&client, &server] {
        end.set_read_timeout(Some(PATIENCE)).expect("the time is not zero");
    }
    client.write_all(&[GREETING, &[0; 12], SERVICE].concat()).expect("the server is there");
    server.read_exact(&mut [0; GREETING.len() + 12 + SERVICE.len()]).expect("the client greets");
    server.write_all(&[GREETING, &[7; 20_000]].concat()).expect("the client is there");
    client.read_exact(&mut [0; GREETING.len() + 20_000]).expect("the server answers");
    client.shutdown(Shutdown::Write).expect("the connection stands");
    server.read_to_end(&mut Vec::new()).expect("the client ends well");
    drop(server);
    client.read_to_end(&mut Vec::new()).expect("the server ends well");
}

/// Tries to connect, in vain, for so long.
fn give_up(net: &Net, port: u16, patience: Duration) {
    give_up_to(net, "10.1.0.2", port, patience);
}

fn give_up_to(net: &Net, server: &str, port: u16, patience: Duration) {
    let to = SocketAddr::new(server.parse().expect("this is an address"), port);
    let tried = net.on(Host::Near, || TcpStream::connect_timeout(&to, patience));
    assert!(tried.is_err(), "the way to port {port} is closed");
}

/// Tries to connect from this port, and is refused.
fn be_refused(net: &Net, from: u16, port: u16) {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let [from, to] = [([10, 1, 0, 1], from), ([10, 1, 0, 2], port)].map(SocketAddr::from);
    let tried = net.on(Host::Near, || {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("there is IP");
        bind(&socket, &from).expect("the port is free");
        connect(&socket, &to)
    });
    assert_eq!(tried, Err(rustix::io::Errno::CONNREFUSED));
}

/// So many datagrams to a port, one a second.
fn datagrams(net: &Net, port: u16, count: usize) {
    let socket = net.on(Host::Near, || UdpSocket::bind("10.1.0.1:0").expect("the address is there"));
    for _ in 0..count {
        socket.send_to(&[7; 100], ("10.1.0.2", port)).expect("there is a way to it");
        thread::sleep(Duration::from_secs(1));
    }
}
