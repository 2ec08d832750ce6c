//! What the recorded scenes of whole sites prove beyond the patterns in `fixtures/`: of whom nothing may be said, what works beside what
//! does not, and who cannot be to blame.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn capture(name: &str) -> PathBuf {
    let plain = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).join("capture.pcap");
    if plain.exists() { plain } else { plain.with_extension("pcapng") }
}

/// What is broken: without the remarks on what is not encrypted, which every scene with a session has.
fn report(names: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_cap-audit"))
        .args(["file", "--format", "json"])
        .args(names.iter().map(|name| capture(name)))
        .output()
        .expect("the program runs");
    let mut told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{names:?}: {error}"));
    for (key, name) in [("findings", "code"), ("problems", "cause")] {
        let list = told[key].as_array_mut().expect("a report has both lists");
        list.retain(|entry| !entry[name].as_str().is_some_and(|name| name.starts_with("encryption")));
    }
    told
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().map_or(&[], Vec::as_slice)
}

/// The only problem of a scene.
fn problem(name: &str) -> Value {
    let told = report(&[name]);
    let [problem] = list(&told, "problems") else { panic!("{name}: {:#}", told["problems"]) };
    problem.clone()
}

/// What works beside the only problem of a scene, in this way: clients and servers, as ranges.
fn works(name: &str, contrast: &str) -> (Vec<String>, Vec<String>) {
    let problem = problem(name);
    let entry = list(&problem, "works").iter().find(|entry| entry["contrast"] == contrast);
    let entry = entry.unwrap_or_else(|| panic!("{name}: {:#}", problem["works"]));
    let ranges = |key: &str| list(entry, key).iter().map(|range| range.as_str().expect("a text").to_string()).collect();
    (ranges("clients"), ranges("servers"))
}

#[test]
fn of_forty_servers_one_is_named() {
    for (name, server) in [
        ("one-host-down", "10.78.101.25"),
        ("one-host-unreachable", "10.78.102.25"),
        ("one-service-down", "10.78.103.25"),
        ("one-service-silent", "10.78.104.25"),
    ] {
        let told = report(&[name]);
        let findings = list(&told, "findings");
        assert!(!findings.is_empty(), "{name}");
        for finding in findings {
            assert_eq!(finding["servers"], serde_json::json!([server]), "{name}: {}", finding["code"]);
        }
        for problem in list(&told, "problems") {
            assert_eq!(problem["servers"]["ranges"], serde_json::json!([server]), "{name}");
        }
    }
}

#[test]
fn the_others_of_forty_work_for_the_same_clients() {
    for name in ["one-host-down", "one-service-down", "one-service-silent"] {
        let (clients, servers) = works(name, "other-servers");
        let network = clients[0].split('.').nth(2).map(ToString::to_string);
        assert_eq!(clients, [format!("10.78.{0}.11-10.78.{0}.13", network.expect("an address"))], "{name}");
        assert!(servers.iter().all(|range| !range.contains(".25")), "{name}: {servers:?}");
    }
}

#[test]
fn what_works_is_named_from_the_right_side() {
    let (clients, servers) = works("subnet-against-port", "other-clients");
    assert!(clients.iter().all(|range| range.starts_with("10.78.5.")), "{clients:?}");
    assert_eq!(servers, ["10.78.105.21-10.78.105.24"]);
    let (clients, servers) = works("double-hop-blocked", "other-clients");
    assert_eq!((clients, servers), (vec!["10.78.15.13".to_string()], vec!["10.78.15.22".to_string()]));
    let (clients, _) = works("gateway-backend-blocked", "other-servers");
    assert_eq!(clients, ["10.78.19.11"], "the Gateway's subnet address, not its clients");
    let (clients, servers) = works("reset-by-device", "other-port");
    assert_eq!((clients, servers), (vec!["10.78.7.11-10.78.7.12".to_string()], vec!["10.78.107.21".to_string()]));
}

#[test]
fn a_rule_that_was_added_shows_in_old_sessions() {
    let told = report(&["rule-added"]);
    let remarks = &told["findings"][0]["parameters"]["remarks"];
    assert!(remarks.as_array().is_some_and(|remarks| remarks.iter().any(|one| one == "old-session")), "{remarks}");
    let old = list(&told, "flows").iter().filter(|flow| flow["outcome"] == "established").count();
    assert_eq!(old, 5, "four sessions that go on and one that was over before");
}

#[test]
fn nobody_is_blamed_who_can_be_seen_to_be_innocent() {
    let blamed = |name: &str| problem(name)["culprit"]["kind"].as_str().map(ToString::to_string);
    // The server answers others, or the same clients, on that very port.
    for name in ["subnet-against-port", "double-hop-blocked", "rule-added"] {
        assert_ne!(blamed(name).as_deref(), Some("server"), "{name}");
    }
    // Nothing but one switch between client and server.
    for name in ["refused", "prohibited", "vlan", "qinq", "reset-early"] {
        let kind = report(&[name])["problems"][0]["culprit"]["kind"].as_str().map(ToString::to_string);
        assert_ne!(kind.as_deref(), Some("middlebox"), "{name}");
    }
    // Silence alone names nobody for sure.
    for name in ["nat-blocked", "duplicated", "gateway-backend-blocked", "one-host-down", "one-service-silent"] {
        let problem = problem(name);
        assert_ne!(problem["culprit"]["confidence"], "high", "{name}: {:#}", problem["culprit"]);
    }
}

#[test]
fn a_filter_on_the_server_is_not_blamed_on_the_way() {
    // The branch reaches three other servers of the same network on the same port.
    for problem in list(&report(&["host-hidden-from-branch"]), "problems") {
        assert_ne!(problem["culprit"]["kind"], "middlebox", "{:#}", problem["culprit"]);
    }
    let problem = problem("host-hidden-from-branch");
    assert_eq!(problem["culprit"]["kind"], "host_firewall");
    let not_excluded = list(&problem["culprit"], "not_excluded");
    assert!(not_excluded.iter().any(|suspect| suspect == "middlebox"), "a rule may name one server: {not_excluded:?}");
    let texts = format!("{} {}", problem["meaning"], problem["remedy"]);
    assert!(!texts.contains("need no change") && texts.contains("in the firewall on 10.78.122.24 itself"), "{texts}");
    // A whole network on the way, and the neighbours are hit as well: nothing clears the servers either.
    let remedy = subnet_remedy();
    assert!(!remedy.contains("need no change") && remedy.contains("in the firewalls between them"), "{remedy}");
}

fn subnet_remedy() -> String {
    problem("subnet-against-port")["remedy"].as_str().expect("a remedy is a text").into()
}

#[test]
fn one_handshake_proves_no_fast_reset() {
    let culprit = &problem("qinq")["culprit"];
    assert!(list(culprit, "sign_codes").iter().all(|code| code != "sign-reset-fast"), "{culprit:#}");
}

#[test]
fn what_was_answered_before_a_rule_is_told() {
    let problem = problem("rule-added");
    let [earlier] = list(&problem, "works") else { panic!("{:#}", problem["works"]) };
    assert_eq!((&earlier["contrast"], &earlier["flows"]), (&"earlier".into(), &5.into()));
    // The last handshake before the rule, as tshark shows it.
    assert!(earlier["until"].as_str().is_some_and(|until| until.starts_with("2026-11-30T18:54:36.8")), "{earlier}");
    let codes = list(&problem["culprit"], "sign_codes");
    assert!(codes.iter().any(|code| code == "sign-old-sessions"), "{codes:?}");
    let not_excluded = list(&problem["culprit"], "not_excluded");
    assert!(not_excluded.iter().all(|suspect| suspect != "network_path"), "{not_excluded:?}");
    assert!(!problem["meaning"].to_string().contains("nothing listens"), "{}", problem["meaning"]);
}

#[test]
fn a_server_that_was_heard_is_not_said_to_be_down() {
    for name in ["duplicated", "both-dropped", "dns-dropped", "launch-failed", "rule-added", "scan"] {
        for problem in list(&report(&[name]), "problems") {
            let texts = format!("{} {}", problem["meaning"], problem["remedy"]);
            assert!(!texts.contains("is down") && !texts.contains("server is up."), "{name}: {texts}");
        }
    }
}

#[test]
fn a_search_for_a_way_is_no_failed_launch() {
    for name in ["office", "fallback-cgp-to-ica"] {
        let told = report(&[name]);
        let blocked = list(&told, "problems").iter().find(|problem| problem["cause"] == "no-answer");
        let meaning = blocked.expect("TCP 2598 is blocked")["meaning"].as_str().expect("a text");
        assert!(
            meaning.ends_with("1 session runs on TCP 1494 instead. Launches take 8.5 s longer."),
            "{name}: {meaning}"
        );
    }
}

#[test]
fn dtls_is_told_as_what_it_is() {
    let problem = problem("dtls-blocked");
    assert_eq!(problem["title"], "UDP 443 (EDT over DTLS): no answer");
    let meaning = problem["meaning"].as_str().expect("a text");
    assert!(meaning.contains("Over TCP 443 the same server answers") && !meaning.contains("  "), "{meaning}");
}

#[test]
fn whoever_sent_something_was_not_unheard() {
    // Resets to a scanner, answers to ARP.
    for name in ["scan", "both-dropped", "dns-dropped", "launch-failed"] {
        for problem in list(&report(&[name]), "problems") {
            for sign in list(&problem["culprit"], "signs") {
                assert!(!sign.to_string().contains("sent was seen at all"), "{name}: {sign}");
            }
            let codes = list(&problem["culprit"], "sign_codes");
            assert!(codes.iter().all(|code| code != "sign-never-heard"), "{name}: {codes:?}");
        }
    }
}

#[test]
fn a_server_that_answers_arp_is_not_down() {
    for name in ["both-dropped", "dns-dropped", "duplicated", "fallback-cgp-to-ica"] {
        for problem in list(&report(&[name]), "problems") {
            assert_ne!(problem["cause"], "host-down", "{name}");
        }
    }
}

#[test]
fn a_server_that_answers_others_is_not_down() {
    for name in
        ["host-hidden-from-branch", "double-hop-blocked", "subnet-against-port", "port-closed-to-all", "rule-added"]
    {
        for problem in list(&report(&[name]), "problems") {
            let cause = problem["cause"].as_str().expect("a problem has a cause");
            assert!(!["host-down", "service-down"].contains(&cause), "{name}: {cause}");
        }
    }
}

#[test]
fn six_silent_servers_of_one_network_are_not_six_problems() {
    let told = report(&["farm-unreachable"]);
    let problems = list(&told, "problems");
    assert!((1..=2).contains(&problems.len()), "{}", problems.len());
    assert!(problems.iter().all(|problem| problem["servers"]["count"] == 6 && problem["clients"]["count"] == 3));
}

#[test]
fn one_address_that_tries_often_is_no_scan_and_no_flood() {
    let told = report(&["nat-blocked"]);
    let codes: Vec<&Value> = list(&told, "findings").iter().map(|finding| &finding["code"]).collect();
    assert_eq!(codes, ["blocked.silent"]);
    assert_eq!(problem("nat-blocked")["attempts"], 40);
    assert!(list(&report(&["nat"]), "findings").is_empty());
}

#[test]
fn an_error_ranks_before_the_scan_beside_it() {
    let told = report(&["scan"]);
    let severities: Vec<&Value> = list(&told, "problems").iter().map(|problem| &problem["severity"]).collect();
    assert_eq!(severities, ["error", "warning"]);
}

#[test]
fn captures_that_are_read_together_keep_their_problems() {
    let names = ["one-host-down", "one-service-down", "subnet-against-port", "reset-by-device", "nat", "double-hop"];
    let causes = |told: &Value| -> Vec<String> {
        let mut causes: Vec<String> =
            list(told, "problems").iter().map(|problem| problem["cause"].to_string()).collect();
        causes.sort();
        causes
    };
    let mut alone: Vec<String> = names.iter().flat_map(|name| causes(&report(&[name]))).collect();
    alone.sort();
    assert_eq!(alone.len(), 4, "{alone:?}");
    assert_eq!(causes(&report(&names)), alone);
}
