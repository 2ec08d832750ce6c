//! Where the story of a host stops: each phase of each story, what is said when it stops there, and that nothing is said of what goes on.
//! Expected values come from how the traffic was made.

mod support;

use cap_audit::finding::{Confidence, Finding, Severity, Value};
use cap_audit::problem::{Cause, Problem};
use cap_audit::time::{Span, Timestamp};
use cap_audit::words::{Texts, Words};
use support::*;

const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000_000);
const TARGET: &str = "10.5.1.7";
const SERVERS: [&str; 3] = ["10.5.0.21", "10.5.0.22", "10.5.0.23"];

fn at(seconds: i64) -> Timestamp {
    BEGIN + Span::seconds(seconds)
}

fn asks(from: &str, port: u16, to: &str, seconds: i64) -> Talk {
    Talk::udp(client(from, 6901 + port % 50), server(to, port)).at(at(seconds))
}

/// A request that is repeated every two seconds, and no answer.
fn unanswered(talk: Talk) -> Vec<Captured> {
    let mut talk = talk.says(b"request");
    for _ in 0..4 {
        talk = talk.wait(Span::seconds(2)).says(b"request");
    }
    talk.packets()
}

fn answered(talk: Talk) -> Vec<Captured> {
    talk.says(b"request").answers(b"answer").packets()
}

fn opened(from: &str, port: u16, to: &str, seconds: i64) -> Vec<Captured> {
    let talk = Talk::between(client(from, 50_000 + port % 1_000), server(to, port)).at(at(seconds));
    talk.opened().says(b"question").answers(b"answer").closed().packets()
}

fn silent(from: &str, port: u16, to: &str, seconds: i64) -> Vec<Captured> {
    let talk = Talk::between(client(from, 51_000 + port % 1_000), server(to, port)).at(at(seconds));
    talk.syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again().packets()
}

fn refused(from: &str, port: u16, to: &str, seconds: i64) -> Vec<Captured> {
    Talk::between(client(from, 52_000 + port % 1_000), server(to, port)).at(at(seconds)).syn().refused().packets()
}

/// What is found in these talks, in a capture that goes on long enough to show that nothing comes.
fn found(mut talks: Vec<Vec<Captured>>) -> (Vec<Finding>, Vec<Problem>) {
    talks.push(meanwhile(at(120)));
    let audited = audit(merge(talks));
    (findings_of(&audited), problems_of(&audited))
}

fn stories(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.code == "service.stopped").collect()
}

/// The one story that stops, and the one problem that it is.
fn stopped(talks: Vec<Vec<Captured>>) -> (Finding, Problem, Texts) {
    let (findings, problems) = found(talks);
    let told = stories(&findings);
    let [story] = told[..] else { panic!("{findings:#?}") };
    let [problem] = &problems[..] else { panic!("{problems:#?}") };
    let texts = Words::default().problem(problem, findings.iter());
    (story.clone(), problem.clone(), texts)
}

fn names(finding: &Finding, name: &str) -> Vec<String> {
    match finding.params.get(name) {
        Some(Value::Several(names)) => names.iter().map(|name| name.name.clone()).collect(),
        Some(Value::Named(name)) => vec![name.name.clone()],
        other => panic!("{name}: {other:?}"),
    }
}

fn word(finding: &Finding) -> &str {
    match finding.params.get("how") {
        Some(Value::Word(word)) => word,
        other => panic!("{other:?}"),
    }
}

#[test]
fn three_servers_are_asked_for_the_login_and_none_answers() {
    let mut talks = vec![answered(asks(TARGET, 4011, "10.5.0.20", 0))];
    talks.extend((0..).zip(SERVERS).map(|(number, to)| unanswered(asks(TARGET, 6910, to, 2 + 10 * number))));
    let (story, problem, texts) = stopped(talks);
    assert_eq!((names(&story, "story"), names(&story, "phase")), (vec!["pvs-boot".into()], vec!["login".into()]));
    assert_eq!((names(&story, "done"), word(&story)), (vec!["pxe".to_string()], "silent"));
    assert_eq!(story.params.get("asked"), Some(&Value::Number(3)));
    assert_eq!((story.severity, story.confidence), (Severity::Error, Confidence::High));
    assert_eq!(story.clients, [address(TARGET)]);
    assert_eq!(story.servers, SERVERS.map(address));
    assert_eq!(story.id, "f-service.stopped-pvs-boot-login-silent");
    assert_eq!((problem.cause, problem.findings.len()), (Cause::Stopped, 4), "the blocked flows are part of it");
    assert_eq!(
        texts.title,
        "Target device 10.5.1.7 got through PXE, asked 3 servers for login on UDP 6910, and none answered"
    );
    assert!(texts.meaning.contains("Target devices do not start."), "{}", texts.meaning);
}

#[test]
fn who_is_answered_by_one_of_three_servers_goes_on() {
    let talks = vec![
        unanswered(asks(TARGET, 6910, SERVERS[0], 0)),
        unanswered(asks(TARGET, 6910, SERVERS[1], 10)),
        answered(asks(TARGET, 6910, SERVERS[2], 20)),
        answered(asks(TARGET, 6915, SERVERS[2], 21)),
    ];
    let (findings, _) = found(talks);
    assert!(stories(&findings).is_empty(), "{findings:#?}");
}

#[test]
fn a_healthy_boot_is_no_story() {
    let talks = vec![
        answered(asks(TARGET, 4011, "10.5.0.20", 0)),
        answered(asks(TARGET, 6910, SERVERS[0], 1)),
        answered(asks(TARGET, 6915, SERVERS[0], 2)),
    ];
    assert_eq!(found(talks), (Vec::new(), Vec::new()));
}

#[test]
fn the_disk_does_not_come_after_the_login() {
    let talks = vec![answered(asks(TARGET, 6910, SERVERS[0], 0)), unanswered(asks(TARGET, 6915, SERVERS[0], 2))];
    let (story, problem, texts) = stopped(talks);
    assert_eq!((names(&story, "phase"), names(&story, "done")), (vec!["stream".into()], vec!["login".to_string()]));
    assert_eq!(problem.cause, Cause::Stopped);
    assert_eq!(
        texts.title,
        "Target device 10.5.1.7 got through login, asked 10.5.0.21 for the disk on UDP 6915, and got no answer"
    );
    assert!(texts.remedy.contains("UDP 6910 to 6930"), "{}", texts.remedy);
}

#[test]
fn what_is_optional_is_passed_over_where_it_goes_on() {
    let pxe = || unanswered(asks(TARGET, 4011, "10.5.0.20", 0));
    let (findings, _) = found(vec![pxe(), unanswered(asks(TARGET, 6910, SERVERS[0], 20))]);
    let told = stories(&findings);
    assert_eq!(told.iter().map(|it| names(it, "phase")).collect::<Vec<_>>(), [["login"]]);
}

#[test]
fn forty_target_devices_are_one_problem() {
    let target = |number: i64| format!("10.5.1.{}", 10 + number);
    let talks = (0..40).map(|number| unanswered(asks(&target(number), 6910, SERVERS[0], number))).collect();
    let (story, problem, texts) = stopped(talks);
    assert_eq!((story.clients.len(), problem.clients.count(), problem.findings.len()), (40, 40, 2));
    assert!(texts.title.starts_with("40 target devices asked 10.5.0.21 for login on UDP 6910"), "{}", texts.title);
}

#[test]
fn the_licence_manager_answers_and_the_vendor_daemon_does_not() {
    for (talk, how) in
        [(silent("10.5.2.2", 7279, "10.5.0.9", 1), "silent"), (refused("10.5.2.2", 7279, "10.5.0.9", 1), "refused")]
    {
        let (story, problem, texts) = stopped(vec![opened("10.5.2.2", 27000, "10.5.0.9", 0), talk]);
        assert_eq!((names(&story, "story"), names(&story, "done")), (vec!["licensing".into()], vec!["manager".into()]));
        assert_eq!((word(&story), problem.cause), (how, Cause::Stopped));
        assert!(texts.remedy.contains("las.cloud.com"), "{}", texts.remedy);
    }
}

#[test]
fn a_capture_that_ends_early_says_nothing() {
    let talk = asks(TARGET, 6910, SERVERS[0], 0).says(b"request").wait(Span::millis(900)).says(b"request");
    let audited = audit(merge([talk.packets(), meanwhile(at(2))]));
    assert!(stories(&findings_of(&audited)).is_empty());
}
