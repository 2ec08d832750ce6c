//! `cap-audit explain`: every flow can be named in every way, is explained as it is judged, with the packets that tshark finds, and what
//! is said to have changed it would have.

mod skip;
mod support;

use cap_audit::case::Case;
use cap_audit::flow::{Asked, Question};
use cap_audit::pipeline::{self, Options};
use cap_audit::portmap::PortMap;
use cap_audit::source::CaptureFile;
use cap_audit::time::Span;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};
use support::{Captured, START, Talk, client, merge, server, write_pcap};

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let names = ["capture.pcap", "capture.pcapng"].map(|name| folder.join(name));
    names.into_iter().find(|path| path.exists()).expect("the fixture has a capture")
}

fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let entries = fs::read_dir(root).expect("fixtures/ is part of the repository");
    let folders = entries.map(|entry| entry.expect("it can be listed")).filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names.iter().map(|name| fixture(name)).collect()
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cap-audit"));
    command.env_remove("NO_COLOR").env_remove("COLUMNS").env("TZ", "UTC");
    command
}

fn run(arguments: &[&str], captures: &[&Path], flow: &str) -> Output {
    program().arg("explain").args(arguments).args(captures).arg(flow).output().expect("the program runs")
}

fn explained(captures: &[&Path], flow: &str) -> Value {
    let output = run(&["--format", "json"], captures, flow);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{captures:?} {flow}: {said}");
    serde_json::from_slice(&output.stdout).expect("an explanation is JSON")
}

fn report(captures: &[&Path]) -> Value {
    let output = program().args(["file", "--format", "json", "--fail-on", "never"]).args(captures).output();
    serde_json::from_slice(&output.expect("the program runs").stdout).expect("a report is JSON")
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Every fixture with its report and the explanations of all its flows, made once for all tests.
fn everything() -> &'static [(PathBuf, Value, Vec<Value>)] {
    static EVERYTHING: OnceLock<Vec<(PathBuf, Value, Vec<Value>)>> = OnceLock::new();
    EVERYTHING.get_or_init(|| {
        let one = |capture: PathBuf| {
            let report = report(&[&capture]);
            let flows = list(&report, "flows").iter();
            let explanations = flows.map(|flow| explained(&[&capture], &flow["id"].to_string())).collect();
            (capture, report, explanations)
        };
        fixtures().into_iter().map(one).collect()
    })
}

/// Both ends of a flow as they are typed.
fn ends(flow: &Value) -> [String; 2] {
    ["client", "server"].map(|side| {
        let (address, port) = (text(&flow[side], "address"), &flow[side]["port"]);
        if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
    })
}

/// A folder that is removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("cap-audit-explain-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder for this test");
        Folder(path)
    }

    fn capture(&self, name: &str, packets: &[Captured]) -> PathBuf {
        let path = self.0.join(name);
        write_pcap(fs::File::create(&path).expect("a file for this test"), packets).expect("it can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_flow_is_explained_as_it_is_told() {
    let mut flows_seen = 0;
    for (capture, report, explanations) in everything() {
        for (flow, by_id) in list(report, "flows").iter().zip(explanations) {
            let id = &flow["id"];
            assert_eq!(by_id["flow"], *flow, "{} {id}", capture.display());
            assert_eq!(by_id["same_packets"], true, "{} {id}", capture.display());
            if let Some(last) = list(by_id, "steps").iter().find(|step| text(step, "code") == "evaluable") {
                assert_eq!(last["params"]["outcome"], flow["outcome"], "{} {id}", capture.display());
            }
            assert!(!list(by_id, "steps").is_empty() && !list(by_id, "packets").is_empty());
            let [client, server] = ends(flow);
            let protocol = text(flow, "protocol");
            let names = [
                text(flow, "community_id").to_string(),
                format!("{client}-{server}"),
                format!("{protocol}/{server}-{client}"),
            ];
            for name in names.iter().take(if flows_seen % 4 == 0 { 3 } else { 1 }) {
                let named = explained(&[capture], name);
                let chosen = list(&named["chosen"], "flows");
                assert!(
                    named["flow"]["id"] == flow["id"] || chosen.contains(&flow["id"]),
                    "{} {name}",
                    capture.display()
                );
            }
            flows_seen += 1;
        }
        for (number, problem) in (1..).zip(list(report, "problems")) {
            let of: BTreeSet<u64> = list(report, "findings")
                .iter()
                .filter(|finding| list(problem, "findings").contains(&finding["id"]))
                .flat_map(|finding| list(finding, "flows").iter().filter_map(Value::as_u64))
                .collect();
            if of.is_empty() {
                continue;
            }
            let named = explained(&[capture], &format!("p{number}"));
            assert_eq!(named["chosen"]["of"], problem["id"], "{}", capture.display());
            assert!(of.contains(&named["flow"]["id"].as_u64().expect("an id is a number")), "{}", capture.display());
            assert!(list(&named, "problems").contains(&problem["id"]), "{}", capture.display());
            assert_eq!(explained(&[capture], text(problem, "id")), named, "{}", capture.display());
        }
    }
    assert!(flows_seen > 100, "only {flows_seen} flows");
}

/// The frames of each conversation as tshark has it: the ends, lower first, and the numbers. An ICMP error is one of the
/// conversation that it quotes, because the last occurrence of a field counts.
fn conversations(capture: &Path) -> BTreeMap<[String; 2], BTreeSet<u64>> {
    let fields = [
        "frame.number",
        "ip.src",
        "ip.dst",
        "ipv6.src",
        "ipv6.dst",
        "tcp.srcport",
        "tcp.dstport",
        "udp.srcport",
        "udp.dstport",
        "ip.id",
        "ip.frag_offset",
    ];
    let output = Command::new("tshark")
        .args(["-r".as_ref(), capture.as_os_str()])
        .args(["-o", "ip.defragment:FALSE", "-T", "fields", "-E", "occurrence=l"])
        .args(fields.iter().flat_map(|field| ["-e", field]))
        .output()
        .expect("tshark runs");
    let mut found: BTreeMap<[String; 2], BTreeSet<u64>> = BTreeMap::new();
    // Only the first fragment of a datagram has ports; the others belong to the same conversation.
    let mut of_datagram: BTreeMap<[String; 3], [String; 2]> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let column = |number: usize| columns.get(number).copied().unwrap_or_default();
        let either = |one: usize, other: usize| if column(one).is_empty() { column(other) } else { column(one) };
        let end = |ip4, ip6, tcp, udp| {
            let (address, port) = (either(ip4, ip6), either(tcp, udp));
            if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
        };
        let mut ends = [end(1, 3, 5, 7), end(2, 4, 6, 8)];
        ends.sort();
        let protocol = if column(5).is_empty() { "udp" } else { "tcp" };
        ends[0].insert_str(0, protocol);
        let datagram = [1, 2, 9].map(|number| column(number).to_string());
        match column(10) {
            "" | "0" => _ = of_datagram.insert(datagram, ends.clone()),
            _ => ends = of_datagram.get(&datagram).cloned().unwrap_or(ends),
        }
        found.entry(ends).or_default().insert(column(0).parse().expect("a frame has a number"));
    }
    found
}

#[test]
fn the_packets_are_those_that_tshark_finds() {
    if !Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return skip::skipped("tshark is not installed");
    }
    let mut compared = 0;
    for (capture, _, explanations) in everything() {
        let conversations = conversations(capture);
        for told in explanations {
            let mut key = ends(&told["flow"]);
            key.sort();
            key[0].insert_str(0, text(&told["flow"], "protocol"));
            let packets: BTreeSet<u64> =
                list(told, "packets").iter().filter_map(|packet| packet["packet"].as_u64()).collect();
            if list(told, "packets").iter().any(|entry| entry["type"] == "left_out") {
                continue;
            }
            assert_eq!(Some(&packets), conversations.get(&key), "{} {key:?}", capture.display());
            compared += 1;
        }
    }
    assert!(compared > 80, "only {compared} flows");
}

fn case_of(capture: &Path) -> Case {
    let map = Arc::new(PortMap::citrix());
    let mut file = CaptureFile::open(capture, 0).expect("a fixture can be read");
    let options = Options { flows: cap_audit::audit::Flows::Kept, ..Options::default() };
    let harvest = pipeline::run(std::slice::from_mut(&mut file), &map, options).expect("a fixture can be audited");
    Case::of(harvest, vec![file.notes().clone()], map)
}

#[test]
fn what_is_explained_is_what_is_judged_and_what_ifs_hold() {
    let mut what_ifs = 0;
    for capture in fixtures() {
        let case = case_of(&capture);
        let conclusion = case.conclude();
        for record in &case.flows {
            let explained = conclusion.judge.explain(record);
            let held = conclusion.judge.flow(record);
            assert_eq!(explained.judgement, held, "{}: {record:?}", capture.display());
            for what_if in conclusion.judge.what_ifs(record) {
                let then = conclusion.judge.what_if(record, &what_if.changes);
                assert_eq!(then, what_if.judgement);
                assert_ne!((then.outcome, then.verdict), (held.outcome, held.verdict), "{:?}", what_if.changes);
                what_ifs += 1;
            }
        }
    }
    assert!(what_ifs > 100, "only {what_ifs}");
}

#[test]
fn silence_is_explained_by_its_tries_and_its_time() {
    // The scene: SYNs after 0, 1, 3 and 7 seconds, dropped by the server's firewall.
    let case = case_of(&fixture("office"));
    let conclusion = case.conclude();
    let silent = case.flows.iter().find(|flow| flow.server.port == 2598 && flow.from_server.packets == 0);
    let steps = conclusion.judge.explain(silent.expect("one is blocked")).of_packets;
    assert!(steps.contains(&Asked { question: Question::ServerSeen(0), answer: false }), "{steps:?}");
    assert!(steps.contains(&Asked { question: Question::Tries { seen: 4, needed: 3 }, answer: true }), "{steps:?}");
    let Some(Asked { question: Question::Watched { seen, needed }, answer: true }) = steps.last() else {
        panic!("the time decides at last: {steps:?}")
    };
    assert_eq!(*needed, Span::seconds(4));
    assert!(*seen > Span::seconds(21) && *seen < Span::seconds(40), "{seen:?}");
}

#[test]
fn tries_of_several_flows_add_up() {
    let folder = Folder::new("together");
    let knock = |number: u16| {
        let at = START + Span::seconds(3 * i64::from(number));
        Talk::between(client("10.0.0.1", 50_000 + number), server("10.0.0.2", 2598)).at(at).syn().packets()
    };
    // Another host, so that the capture goes on.
    let other = Talk::between(client("10.0.0.7", 50_000), server("10.0.0.8", 2598)).at(START + Span::seconds(60));
    let packets = merge([knock(1), knock(2), knock(3), knock(4), other.opened().packets()]);
    let told = explained(&[&folder.capture("together.pcap", &packets)], "2");
    assert_eq!(text(&told["flow"], "outcome"), "silent", "four tries in nine seconds: {}", told["steps"]);
    let step = list(&told, "steps").iter().find(|step| text(step, "code") == "tries-add-up").expect("they decide");
    assert_eq!(
        (&step["params"]["answer"], &step["params"]["number"]),
        (&Value::from("yes"), &Value::from(4)),
        "{step}"
    );
    assert_eq!((&step["params"]["ports"], &step["params"]["time"]), (&Value::from(4), &Value::from(9.0)), "{step}");
    assert!(list(&told, "signs").iter().any(|sign| text(sign, "code") == "sign-other-tries"), "{}", told["signs"]);
    // What decides the outcome is what the explanation ends with.
    let last = list(&told, "steps").iter().rfind(|step| text(step, "code") == "evaluable").expect("it is asked");
    assert_eq!(last["params"]["outcome"], told["flow"]["outcome"], "{last}");
}

#[test]
fn tries_of_several_flows_that_are_answered_and_never_acknowledged_are_half_open() {
    let folder = Folder::new("half");
    let knock = |number: u16| {
        let at = START + Span::seconds(3 * i64::from(number));
        Talk::between(client("10.0.0.1", 50_000 + number), server("10.0.0.2", 2598)).at(at).syn()
    };
    let other = || Talk::between(client("10.0.0.7", 50_000), server("10.0.0.8", 2598)).at(START + Span::seconds(60));
    let explained = |name: &str, silent: u16| {
        let answered = |number| if number > silent { knock(number).syn_ack() } else { knock(number) };
        let tries = (1..=4).map(|number| answered(number).packets());
        explained(&[&folder.capture(name, &merge(tries.chain([other().opened().packets()])))], "3")
    };
    let told = explained("half.pcap", 0);
    assert_eq!(text(&told["flow"], "outcome"), "half_open", "four SYN-ACKs: {}", told["steps"]);
    let step = list(&told, "steps").iter().find(|step| text(step, "code") == "tries-add-up").expect("they decide");
    assert_eq!((&step["params"]["answer"], &step["params"]["met"]), (&Value::from("yes"), &Value::from("syn-ack")));
    let told = explained("some.pcap", 2);
    assert_eq!(text(&told["flow"], "outcome"), "undecided", "two of four: {}", told["steps"]);
    let step = list(&told, "steps").iter().find(|step| text(step, "code") == "tries-add-up").expect("it is asked");
    assert_eq!((&step["params"]["answer"], &step["params"]["why"]), (&Value::from("no"), &Value::from("both")));
}

fn codes(explanation: &Value) -> BTreeSet<&str> {
    list(explanation, "steps").iter().map(|step| text(step, "code")).collect()
}

#[test]
fn what_would_have_changed_it_names_the_answer_that_did_not_come() {
    let would = |name: &str, flow: &str| {
        let told = explained(&[&fixture(name)], flow);
        let one = |what_if: &Value| {
            let changes: Vec<&str> = list(what_if, "changes").iter().map(|change| text(change, "code")).collect();
            (changes.join("+"), format!("{} {}", text(what_if, "outcome"), text(what_if, "verdict")))
        };
        list(&told, "what_if").iter().map(one).collect::<BTreeMap<String, String>>()
    };
    let silent = would("both-dropped", "1");
    assert_eq!(silent.get("if-answer").map(String::as_str), Some("established expected"), "{silent:?}");
    assert_eq!(silent.get("if-refusal").map(String::as_str), Some("refused expected"), "{silent:?}");
    let early = would("ends-early", "1");
    let (patience, then) = early.iter().find(|(changes, _)| changes.contains("more-t")).expect("it lacks patience");
    assert_eq!(then, "silent expected", "{patience}");
    let one_way = would("one-direction", "1");
    assert_eq!(one_way.get("if-other-direction").map(String::as_str), Some("established expected"), "{one_way:?}");
    let foreign = would("ssh-on-1494", "1");
    assert!(foreign.values().any(|then| then == "established expected"), "{foreign:?}");
    let half = would("half-open", "1");
    assert_eq!(half.get("if-acknowledgement").map(String::as_str), Some("established expected"), "{half:?}");
}

#[test]
fn ports_that_are_used_again_are_kept_apart() {
    let folder = Folder::new("reuse");
    let ends = (client("10.0.0.1", 50_123), server("10.0.0.2", 2598));
    // Packets 1 to 3, then 4 and 5: refused, and tried anew with another number 130 seconds later.
    let first = Talk::between(ends.0, ends.1).syn().wait(Span::millis(1)).refused().wait(Span::seconds(1));
    let second = Talk::between(ends.0, ends.1).at(first.now() + Span::seconds(130)).numbers(77, 99);
    let second = second.syn().wait(Span::millis(1)).syn_ack().wait(Span::millis(1)).ack();
    let packets = merge([first.packets(), second.packets()]);
    let path = folder.capture("reuse.pcap", &packets);
    let both = explained(&[&path], "10.0.0.1:50123-10.0.0.2:2598");
    assert_eq!(both["chosen"]["flows"], serde_json::json!([1, 2]));
    assert_eq!((&both["flow"]["id"], text(&both["flow"], "outcome")), (&Value::from(1), "refused"));
    let numbers =
        |told: &Value| -> Vec<u64> { list(told, "packets").iter().filter_map(|it| it["packet"].as_u64()).collect() };
    assert_eq!(numbers(&both), [1, 2]);
    let second = explained(&[&path], "2");
    assert_eq!(text(&second["flow"], "outcome"), "established");
    assert_eq!(numbers(&second), [3, 4, 5]);
    let said = run(&[], &[&path], "10.0.0.1:50123-10.0.0.2:2598").stdout;
    assert!(String::from_utf8_lossy(&said).contains("2 flows have these ends"), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn a_flow_goes_on_from_one_capture_to_the_next() {
    let folder = Folder::new("ring");
    let talk = Talk::between(client("10.0.0.1", 50_123), server("10.0.0.2", 2598));
    let step = Span::millis(100);
    let talk = talk.syn().wait(step).syn_ack().wait(step).ack().wait(step).says(b"hello").wait(step).closed();
    let packets = talk.packets();
    let (early, late) = packets.split_at(4);
    folder.capture("ring_1.pcap", early);
    folder.capture("ring_2.pcap", late);
    for captures in [vec![folder.0.clone()], vec![folder.0.join("ring_2.pcap"), folder.0.join("ring_1.pcap")]] {
        let paths: Vec<&Path> = captures.iter().map(PathBuf::as_path).collect();
        let told = explained(&paths, "1");
        let place = |packet: &Value| {
            let capture = packet["capture"].as_u64().expect("it is a number") as usize;
            let name = list(&told, "captures")[capture].as_str().unwrap_or_default().to_string();
            (name.rsplit('/').next().unwrap_or_default().to_string(), packet["packet"].as_u64().unwrap_or(0))
        };
        let places: Vec<(String, u64)> = list(&told, "packets").iter().map(place).collect();
        let expected: Vec<(String, u64)> = (1..=4)
            .map(|number| ("ring_1.pcap".to_string(), number))
            .chain((1..=3).map(|number| ("ring_2.pcap".to_string(), number)))
            .collect();
        assert_eq!(places, expected);
        assert_eq!(told["same_packets"], true);
        let output = run(&["--utc"], &paths, "1").stdout;
        let output = String::from_utf8_lossy(&output);
        assert!(output.contains("ring_1.pcap:") && output.contains("ring_2.pcap:"), "{output}");
    }
}

#[test]
fn errors_fragments_copies_and_repetitions_are_seen() {
    let folder = Folder::new("kinds");
    let wait = Span::seconds(1);
    let prohibited = Talk::between(client("10.0.0.1", 50_001), server("10.0.0.2", 2598));
    let prohibited = prohibited.syn().wait(Span::millis(5)).error("10.9.9.1", 3, 13);
    let copied = Talk::between(client("10.0.0.1", 50_002), server("10.0.0.2", 2598)).at(START + wait);
    let copied = copied.syn().mirrored().wait(wait).syn_again().wait(wait).syn_ack().ack();
    let large = vec![b'x'; 3_000];
    let fragments =
        Talk::udp(client("10.0.0.1", 50_003), server("10.0.0.2", 3224)).at(START + Span::seconds(9)).mtu(1_500);
    let fragments = fragments.says(&large).wait(wait).answers(b"yes");
    let path = folder.capture("kinds.pcap", &merge([prohibited.packets(), copied.packets(), fragments.packets()]));
    let texts = |flow: &str| -> Vec<String> {
        let told = explained(&[&path], flow);
        assert_eq!(told["same_packets"], true, "{flow}");
        list(&told, "packets").iter().map(|packet| text(packet, "text").to_string()).collect()
    };
    let prohibited = texts("1");
    assert_eq!(prohibited.len(), 2, "{prohibited:?}");
    assert!(prohibited[1].contains("10.9.9.1") && prohibited[1].contains("type 3 code 13"), "{prohibited:?}");
    let copied = texts("2");
    assert_eq!(copied.len(), 5, "{copied:?}");
    assert!(copied[1].contains("captured twice") && copied[2].contains("second time"), "{copied:?}");
    let fragments = texts("3");
    assert_eq!(fragments.iter().filter(|text| text.contains("fragment")).count(), 2, "{fragments:?}");
}

#[test]
fn pings_of_the_same_hosts_are_kept_apart_by_their_numbers() {
    let folder = Folder::new("pings");
    let ping = |number| Talk::ping(client("10.0.0.1", number), server("10.0.0.2", number));
    let wait = Span::millis(10);
    // Packets 1 and 3 are the first ping, 2 and 4 the second.
    let one = ping(7).asks().wait(wait).wait(wait).replies().packets();
    let other = ping(8).at(START + wait).asks().wait(wait).wait(wait).replies().packets();
    let path = folder.capture("pings.pcap", &merge([one, other]));
    for (flow, numbers) in [("1", [1, 3]), ("2", [2, 4])] {
        let told = explained(&[&path], flow);
        let packets: Vec<u64> = list(&told, "packets").iter().filter_map(|packet| packet["packet"].as_u64()).collect();
        assert_eq!(packets, numbers, "{flow}");
    }
    let chosen = &explained(&[&path], "icmp/10.0.0.1-10.0.0.2")["chosen"];
    assert_eq!(chosen["flows"], serde_json::json!([1, 2]), "nothing that can be typed tells them apart");
}

#[test]
fn ipv6_ends_stand_in_brackets() {
    let path = fixture("ipv6");
    let flow = &report(&[&path])["flows"][0];
    let [client, server] = ends(flow);
    assert!(client.starts_with('['), "{client}");
    for name in [format!("{client}-{server}"), format!("tcp/{server}-{client}"), format!("{server} -> {client}")] {
        assert_eq!(explained(&[&path], &name)["flow"], *flow, "{name}");
    }
}

#[test]
fn a_flow_that_is_not_there_is_said_in_a_sentence() {
    let path = fixture("office");
    for (flow, says) in [
        ("99", "cannot explain flow 99: the captures hold 11 flows"),
        ("p99", "problems, p1 to p"),
        ("p-nothing", "problem p-nothing"),
        ("f-nothing", "finding f-nothing"),
        ("1:LQU9qZlK+B5F3KDmev6m5PMibrg=", "no flow has it"),
        ("10.77.27.13:1-10.77.27.22:2", "between these hosts there are: 4 (tcp/10.77.27.13:49705-10.77.27.22:2598)"),
        ("udp/10.77.27.13:49705-10.77.27.22:2598", "over udp there is none"),
        ("10.77.27.13-10.77.27.22", "2 flows are between these"),
        ("10.9.9.9:1-10.77.27.22:2", "10.77.27.22 has: 4"),
        ("10.9.9.9:1-10.8.8.8:2", "neither host has a flow"),
    ] {
        let output = run(&[], &[&path], flow);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{flow}: {said}");
        assert!(output.stdout.is_empty() && said.lines().count() == 1 && said.contains(says), "{flow}: {said}");
    }
    for wrong in ["0", "case", "10.0.0.1:1", "sctp/10.0.0.1:1-10.0.0.2:2"] {
        let output = run(&[], &[&path], wrong);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{wrong}: {said}");
        assert!(said.contains("invalid value"), "{said}");
    }
    let empty = run(&[], &[&fixture("empty")], "1");
    assert!(String::from_utf8_lossy(&empty.stderr).contains("the captures hold no flow"), "{empty:?}");
}

#[test]
fn what_can_be_read_once_only_is_not_explained() {
    let standard = program().args(["explain", "-", "1"]).stdin(Stdio::null()).output().expect("the program runs");
    let said = String::from_utf8_lossy(&standard.stderr).into_owned();
    assert_eq!(standard.status.code(), Some(2), "{said}");
    assert!(said.contains("standard input") && said.lines().count() == 1, "{said}");
    let missing = run(&[], &[Path::new("/no/such/file.pcap")], "1");
    assert_eq!(missing.status.code(), Some(3), "{missing:?}");
    let text = run(&[], &[&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")], "1");
    assert_eq!(text.status.code(), Some(3), "{text:?}");
    let nothing = program().arg("explain").output().expect("the program runs");
    assert_eq!(nothing.status.code(), Some(2));
}

#[test]
fn text_stays_within_the_paper_and_shows_nothing_unseen() {
    for (capture, report, _) in everything() {
        for flow in list(report, "flows").iter().take(3) {
            let output = run(&["--utc"], &[capture], &flow["id"].to_string());
            let text = String::from_utf8(output.stdout).expect("it is text");
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{} {}: {line:?}", capture.display(), flow["id"]);
            }
            let sequence = text.split("\nPackets").nth(1).and_then(|rest| rest.split("\nWhere it stands").next());
            let lines = sequence.expect("packets come before rules").lines().filter(|line| !line.is_empty()).count();
            assert!(lines <= 45, "{}: {lines} lines are no small diagram", capture.display());
        }
    }
    let folder = Folder::new("unseen");
    let talk = Talk::between(client("10.0.0.1", 50_123), server("10.0.0.2", 2598)).opened().packets();
    let evil = folder.capture("evil\x1b[2J\u{202e}.pcap", &talk[..2]);
    let other = folder.capture("other.pcap", &talk[2..]);
    for arguments in [&["--color", "never"][..], &["--format", "json"], &["-v"]] {
        let output = run(arguments, &[&evil, &other], "1");
        let shown = String::from_utf8(output.stdout).expect("it is text");
        assert!(shown.contains("evil"), "{shown}");
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{shown:?}");
    }
}

#[test]
fn the_example_of_the_readme_is_true() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("it is there");
    let example = readme.split_once("<!-- explain -->").and_then(|(_, rest)| rest.split_once("<!-- end -->"));
    let example = example.expect("the README has an example").0;
    let lines = |text: &str| text.lines().filter(|line| !line.is_empty()).map(String::from).collect::<Vec<_>>();
    let output = run(&[], &[&fixture("office")], "10.77.27.13:49705-10.77.27.22:2598");
    let told = lines(&String::from_utf8(output.stdout).expect("it is text"));
    let shown = lines(example);
    let parts: Vec<&[String]> = shown.split(|line| line.starts_with("```") || line == "[...]").collect();
    assert!(parts.iter().map(|part| part.len()).sum::<usize>() > 30, "{shown:?}");
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        assert!(told.windows(part.len()).any(|window| window == part), "this is not told: {part:#?}");
    }
}

#[test]
fn a_rule_says_which_of_its_fields_matched() {
    let told = explained(&[&fixture("cgp-healthy")], "1");
    let rules = list(&told, "rules");
    // Five rules of the map name TCP 2598; `cap-audit ports tcp/2598` lists them.
    let listed = program().args(["ports", "--format", "json", "--port", "2598", "--protocol", "tcp"]).output();
    let listed: Value = serde_json::from_slice(&listed.expect("the program runs").stdout).expect("rules are JSON");
    let ids = |rules: &[Value]| rules.iter().map(|rule| text(rule, "id").to_string()).collect::<BTreeSet<_>>();
    assert_eq!(ids(rules), ids(listed.as_array().expect("a list")));
    for rule in rules {
        let matched = &rule["matched"];
        assert_eq!((&matched["transport"], &matched["ports"]), (&Value::from(true), &Value::from(1)), "{rule}");
        assert_eq!((text(matched, "payload"), text(matched, "roles")), ("agrees", "unknown"), "{rule}");
    }
    let foreign = explained(&[&fixture("ssh-on-1494")], "1");
    assert!(list(&foreign, "rules").iter().all(|rule| text(&rule["matched"], "payload") == "differs"));
    assert!(codes(&foreign).contains("contradicts"));
}
