//! Where the story of a host stops: each phase of each story, what is said when it stops there, and that nothing is said of what goes on.
//! Expected values come from how the traffic was made.

mod support;

use cap_audit::case::Case;
use cap_audit::finding::{Confidence, Finding, Severity, Value};
use cap_audit::portmap::PortMap;
use cap_audit::problem::{Cause, Problem};
use cap_audit::source::CaptureNotes;
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
    Talk::udp(client(from, 6901), server(to, port)).at(at(seconds))
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
fn found(talks: Vec<Vec<Captured>>) -> (Vec<Finding>, Vec<Problem>) {
    found_in(case_until(at(120), talks))
}

fn found_in(case: Case) -> (Vec<Finding>, Vec<Problem>) {
    let conclusion = case.conclude();
    let about_capture = |finding: &Finding| finding.code.starts_with("quality.");
    (conclusion.findings.into_iter().filter(|it| !about_capture(it)).collect(), conclusion.problems)
}

/// A capture of these talks that goes on until then.
fn case_until(end: Timestamp, mut talks: Vec<Vec<Captured>>) -> Case {
    talks.push(meanwhile(end));
    let packets = merge(talks);
    let mut notes = CaptureNotes::new("case.pcap", "pcap");
    notes.packets = packets.len() as u64;
    notes.first = packets.first().map(|(at, ..)| *at);
    notes.last = packets.last().map(|(at, ..)| *at);
    let audited = audit(packets);
    Case { ledger: audited.ledger, clock: audited.clock, captures: vec![notes], ..Case::new(citrix()) }
}

fn stories(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.code == "service.stopped").collect()
}

/// The one story that stops, and the one problem that it is, beside what anybody can read on the way.
fn stopped(talks: Vec<Vec<Captured>>) -> (Finding, Problem, Texts) {
    stopped_in(case_until(at(120), talks))
}

fn stopped_in(case: Case) -> (Finding, Problem, Texts) {
    let (findings, problems) = found_in(case);
    let told = stories(&findings);
    let [story] = told[..] else { panic!("{findings:#?}") };
    let problems: Vec<&Problem> = problems.iter().filter(|problem| problem.cause != Cause::Encryption).collect();
    let [problem] = problems[..] else { panic!("{problems:#?}") };
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
    let (findings, problems) = found(talks);
    assert!(stories(&findings).is_empty(), "{findings:#?}");
    let told: Vec<_> = findings.iter().map(|it| (it.code, it.severity, it.servers[0])).collect();
    let waits = |code| [0, 1].map(|number| (code, Severity::Warning, address(SERVERS[number])));
    assert_eq!(told, [waits("blocked.silent"), waits("service.detour")].concat(), "it waits, and nothing stops");
    assert!(problems.iter().all(|problem| problem.severity == Severity::Warning), "{problems:#?}");
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

/// Facts LIC-03: sites that use the License Activation Service need no vendor daemon.
#[test]
fn where_nobody_gets_through_the_vendor_daemon_it_is_a_warning() {
    let talks = || vec![opened("10.5.2.2", 27000, "10.5.0.9", 0), silent("10.5.2.2", 7279, "10.5.0.9", 1)];
    let (story, problem, _) = stopped(talks());
    assert_eq!((story.severity, problem.severity), (Severity::Warning, Severity::Warning));
    let mut used = talks();
    used.push(opened("10.5.2.3", 7279, "10.5.0.9", 5));
    let (story, problem, _) = stopped(used);
    assert_eq!((story.severity, problem.severity), (Severity::Error, Severity::Error));
    // Nothing answers at all: that is no question of licences of which kind.
    let (story, ..) = stopped(vec![silent("10.5.2.2", 27000, "10.5.0.9", 1)]);
    assert_eq!((story.severity, names(&story, "phase")), (Severity::Error, vec!["manager".to_string()]));
}

#[test]
fn what_has_to_follow_is_missing() {
    let talks = || vec![answered(asks(TARGET, 4011, "10.5.0.20", 0)), answered(asks(TARGET, 6910, SERVERS[0], 1))];
    let (story, problem, texts) = stopped(talks());
    assert_eq!((names(&story, "phase"), word(&story)), (vec!["stream".to_string()], "missing"));
    assert_eq!(
        (story.severity, story.confidence, problem.cause),
        (Severity::Warning, Confidence::Medium, Cause::Stopped)
    );
    assert_eq!(texts.title, "Target device 10.5.1.7 got through PXE and login, and never came to the disk");
    let says_nothing = |why: &str, case: Case| {
        let (findings, _) = found_in(case);
        assert!(stories(&findings).is_empty(), "{why}: {findings:#?}");
    };
    says_nothing("it ends too early", case_until(at(25), talks()));
    let mut lossy = case_until(at(120), talks());
    lossy.captures[0].dropped.kernel = Some(1);
    says_nothing("packets were lost", lossy);
    says_nothing(
        "nothing shows that the capture sees more than one server",
        case_until(at(120), talks()[1..].to_vec()),
    );
    let mut goes_on = talks();
    goes_on.push(answered(asks(TARGET, 6920, SERVERS[2], 3)));
    says_nothing("the disk comes from another server", case_until(at(120), goes_on));
    let long =
        asks(TARGET, 6910, SERVERS[0], 1).says(b"a").answers(b"b").wait(Span::seconds(9)).says(b"c").answers(b"d");
    let same = vec![talks()[0].clone(), long.packets()];
    says_nothing("the disk comes from the port of the login", case_until(at(120), same));
}

#[test]
fn a_lossy_capture_makes_it_less_certain() {
    let mut lossy = case_until(at(120), vec![unanswered(asks(TARGET, 6910, SERVERS[0], 0))]);
    lossy.captures[0].dropped.kernel = Some(1);
    let (story, problem, texts) = stopped_in(lossy);
    assert_eq!(
        (story.severity, story.confidence, problem.confidence),
        (Severity::Warning, Confidence::Low, Confidence::Low)
    );
    assert!(texts.meaning.contains("lost packets"), "{}", texts.meaning);
}

/// A larger cause leads, and says what comes of it.
#[test]
fn a_network_that_is_not_let_through_leads() {
    let blocked =
        (0..3).map(|number| unanswered(asks(&format!("10.5.1.{}", 7 + number), 6910, SERVERS[0], 3 * number)));
    let works = (0..3).map(|number| format!("10.6.1.{}", 7 + number));
    let works =
        works.flat_map(|from| [answered(asks(&from, 6910, SERVERS[0], 4)), answered(asks(&from, 6911, SERVERS[0], 5))]);
    let (findings, problems) = found(blocked.chain(works).collect());
    assert_eq!(stories(&findings).len(), 1);
    let [problem] = &problems[..] else { panic!("{problems:#?}") };
    assert_eq!((problem.cause, problem.findings.len()), (Cause::SubnetAgainstPort, 2));
    let texts = Words::default().problem(problem, findings.iter());
    assert!(texts.meaning.ends_with("Target devices do not start."), "{}", texts.meaning);
    let follows = Words::default().problem_follows(problem).unwrap_or_default();
    assert!(follows.ends_with("Target devices do not start."), "on the first screen as well: {follows}");
}

#[test]
fn a_browser_gets_no_session_of_a_vda() {
    let session = opened("10.5.3.4", 2598, "10.5.4.5", 0);
    let (story, problem, texts) = stopped(vec![session, refused("10.5.3.9", 8008, "10.5.4.5", 3)]);
    assert_eq!((names(&story, "story"), word(&story)), (vec!["html5".to_string()], "refused"));
    assert_eq!((problem.cause, problem.severity), (Cause::Stopped, Severity::Warning), "many programs use this port");
    assert!(
        texts.title.starts_with("HTML5 client 10.5.3.9 asked 10.5.4.5 for a session on TCP 8008"),
        "{}",
        texts.title
    );
    // Without a session nothing says that it is a VDA.
    let (findings, _) = found(vec![refused("10.5.3.9", 8008, "10.5.4.5", 3)]);
    assert!(stories(&findings).is_empty(), "{findings:#?}");
}

#[test]
fn recordings_do_not_reach_their_server() {
    let session = opened("10.5.3.4", 2598, "10.5.4.5", 0);
    let (story, problem, _) = stopped(vec![session, silent("10.5.4.5", 1801, "10.5.0.30", 3)]);
    assert_eq!(
        (names(&story, "story"), names(&story, "phase")),
        (vec!["session-recording".into()], vec!["queue".into()])
    );
    assert_eq!((problem.cause, problem.severity), (Cause::Stopped, Severity::Warning));
    let (findings, _) = found(vec![silent("10.5.4.5", 1801, "10.5.0.30", 3)]);
    assert!(stories(&findings).is_empty(), "any program may use Message Queuing: {findings:#?}");
}

#[test]
fn the_server_that_calls_back_gets_no_answer() {
    let story = OWN_STORY.replace("opener = \"subject\"", "opener = \"server\"");
    let map = [include_str!("../src/portmap/citrix.toml"), &story].concat();
    let talks = vec![opened("10.5.7.1", 3011, "10.5.0.40", 0), refused("10.5.0.40", 3010, "10.5.7.1", 3)];
    let case = Case { map: PortMap::parse(&map).expect("a good map").into(), ..case_until(at(120), talks) };
    let (story, problem, texts) = stopped_in(case);
    assert_eq!((story.clients, story.servers), (vec![address("10.5.7.1")], vec![address("10.5.0.40")]));
    assert_eq!((problem.cause, problem.findings.len()), (Cause::Stopped, 2));
    assert_eq!(
        texts.title,
        "Appliance 10.5.7.1 got through secret talks, and refused 10.5.0.40 on TCP 3010 (plain talks)"
    );
}

/// A read request (RFC 1350, 5) for the boot file of BIOS targets (facts PVS-04).
const BOOT_FILE: &[u8] = b"\x00\x01ARDBP32.BIN\x00octet\x00";

fn asks_for_boot_file(to: &str, seconds: i64) -> Talk {
    Talk::udp(client(TARGET, 2070), server(to, 69)).at(at(seconds))
}

fn repeated(talk: Talk, request: &[u8]) -> Vec<Captured> {
    let mut talk = talk.says(request);
    for _ in 0..4 {
        talk = talk.wait(Span::seconds(2)).says(request);
    }
    talk.packets()
}

#[test]
fn the_boot_file_does_not_come() {
    let (story, problem, texts) = stopped(vec![repeated(asks_for_boot_file("10.5.0.20", 0), BOOT_FILE)]);
    assert_eq!((names(&story, "phase"), word(&story)), (vec!["tftp".to_string()], "silent"));
    assert_eq!(
        (story.severity, problem.severity),
        (Severity::Error, Severity::Error),
        "the name of the file proves it"
    );
    assert!(
        texts.title.starts_with("Target device 10.5.1.7 asked 10.5.0.20 for the boot file on UDP 69"),
        "{}",
        texts.title
    );
    // Any other file may be anybody's.
    let (findings, _) = found(vec![repeated(asks_for_boot_file("10.5.0.20", 0), b"\x00\x01phone.cnf\x00octet\x00")]);
    assert!(stories(&findings).is_empty(), "{findings:#?}");
}

/// TFTP answers from a new port (RFC 1350, 4).
#[test]
fn the_boot_file_comes_from_another_port_before_the_login() {
    let boot = asks_for_boot_file("10.5.0.20", 0).says(BOOT_FILE).answers_from(50_123, b"\x00\x03\x00\x01data");
    let talks =
        vec![boot.says_to(50_123, b"\x00\x04\x00\x01").packets(), unanswered(asks(TARGET, 6910, SERVERS[0], 2))];
    let (story, ..) = stopped(talks);
    assert_eq!((names(&story, "phase"), names(&story, "done")), (vec!["login".into()], vec!["tftp".to_string()]));
}

#[test]
fn the_boot_file_is_sent_again_and_again() {
    let stuck = |port: u16, seconds: i64| {
        let talk = Talk::udp(client(TARGET, 2070 + port), server("10.5.0.20", 69)).at(at(seconds)).says(BOOT_FILE);
        let block = |talk: Talk| talk.wait(Span::seconds(2)).answers_from(50_123 + port, b"\x00\x03\x00\x01data");
        (0..4).fold(talk, |talk, _| block(talk)).packets()
    };
    let runs = || answered(asks("10.5.1.8", 6915, "10.5.0.20", 0));
    let (story, problem, texts) = stopped(vec![runs(), stuck(0, 1), stuck(1, 12)]);
    assert_eq!((names(&story, "phase"), word(&story)), (vec!["tftp".to_string()], "error"));
    assert_eq!((story.params.get("word"), problem.severity), (Some(&Value::Text("stuck".into())), Severity::Error));
    assert!(
        texts.title.ends_with(
            "and the answer was data that did not arrive: it was sent again and again, and never acknowledged"
        )
    );
    let (findings, _) = found(vec![stuck(0, 1), stuck(1, 12)]);
    assert!(stories(&findings).is_empty(), "nothing ties it to Provisioning: {findings:#?}");
    // A target that gets its file after all goes on.
    let boot = asks_for_boot_file("10.5.0.20", 30).says(BOOT_FILE).answers_from(50_200, b"\x00\x03\x00\x01data");
    let login = answered(asks(TARGET, 6910, "10.5.0.20", 31));
    let (findings, _) = found(vec![runs(), stuck(0, 1), boot.says_to(50_200, b"\x00\x04\x00\x01").packets(), login]);
    assert!(stories(&findings).is_empty(), "{findings:#?}");
}

#[test]
fn the_pxe_service_of_a_server_of_provisioning_is_silent() {
    let runs = || answered(asks("10.5.1.8", 6915, "10.5.0.20", 0));
    // From the port of DHCP clients (Preboot Execution Environment 2.1, 2.2.3).
    let pxe = || unanswered(Talk::udp(client(TARGET, 68), server("10.5.0.20", 4011)).at(at(1)));
    let (story, problem, _) = stopped(vec![runs(), pxe()]);
    assert_eq!((names(&story, "phase"), problem.severity), (vec!["pxe".to_string()], Severity::Error));
    let (findings, _) = found(vec![pxe()]);
    assert!(stories(&findings).is_empty(), "PXE boots other things as well: {findings:#?}");
}

#[test]
fn where_no_program_listens_icmp_says_so() {
    let told = |port| asks(TARGET, 6910, SERVERS[0], port).says(b"request").error(SERVERS[0], 3, 3).packets();
    let (story, problem, texts) = stopped(vec![told(0)]);
    assert_eq!((word(&story), problem.cause), ("prohibited", Cause::Stopped));
    assert!(texts.title.ends_with("on UDP 6910, where nothing listens"), "{}", texts.title);
}

/// A story that no program knows: a block of the map and words in it.
const OWN_STORY: &str = r#"
[[story]]
name = "appliances"
title = "Talks of appliances"
subject = "Appliance"
subjects = "appliances"
stopped = "They drift apart."

[[story.phase]]
name = "secret"
title = "secret talks"
protocol = "tcp"
ports = [3011]

[[story.phase]]
name = "plain"
title = "plain talks"
protocol = "tcp"
ports = [3010]
opener = "subject"
remedy = "Let them talk."
"#;

#[test]
fn a_new_story_is_a_block_of_the_map() {
    let map = [include_str!("../src/portmap/citrix.toml"), OWN_STORY].concat();
    let talks = vec![opened("10.5.7.1", 3011, "10.5.0.40", 0), refused("10.5.7.1", 3010, "10.5.0.40", 3)];
    let case = Case { map: PortMap::parse(&map).expect("a good map").into(), ..case_until(at(120), talks) };
    let (story, _, texts) = stopped_in(case);
    assert_eq!((names(&story, "story"), names(&story, "done")), (vec!["appliances".into()], vec!["secret".into()]));
    assert_eq!(
        texts.title,
        "Appliance 10.5.7.1 got through secret talks, asked 10.5.0.40 for plain talks on TCP 3010, and was refused"
    );
    assert!(texts.meaning.contains("They drift apart.") && texts.remedy.starts_with("Let them talk."), "{texts:?}");
}

#[test]
fn a_capture_that_ends_early_says_nothing() {
    let talk = asks(TARGET, 6910, SERVERS[0], 0).says(b"request").wait(Span::millis(900)).says(b"request");
    let audited = audit(merge([talk.packets(), meanwhile(at(2))]));
    assert!(stories(&findings_of(&audited)).is_empty());
}

#[test]
fn other_files_than_those_of_provisioning_are_not_about_it() {
    let asks = |name: &str| {
        let request = [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat();
        asks_for_boot_file("10.5.0.20", 3)
            .says(&request)
            .wait(Span::millis(2))
            .answers(b"\0\x05\0\x01not found\0")
            .packets()
    };
    let runs = || answered(self::asks("10.5.1.8", 6915, "10.5.0.20", 0));
    let (findings, _) = found(vec![runs(), asks("phone.cnf")]);
    assert!(stories(&findings).is_empty(), "{findings:#?}");
    let (story, ..) = stopped(vec![runs(), asks("ARDBP32.BIN")]);
    assert_eq!(names(&story, "phase"), ["tftp"]);
}

#[test]
fn several_were_refused_and_silence_looks_at_the_way_first() {
    let session = |from: &str| opened(from, 2598, "10.5.4.5", 0);
    let tries = |from: &str| refused(from, 8008, "10.5.4.5", 3);
    let (_, _, texts) = stopped(vec![session("10.5.3.9"), session("10.5.3.10"), tries("10.5.3.9"), tries("10.5.3.10")]);
    assert!(texts.title.ends_with("and were refused"), "{}", texts.title);
    let (_, _, texts) = stopped(vec![unanswered(asks(TARGET, 6910, SERVERS[0], 2))]);
    assert!(texts.remedy.starts_with("Allow UDP 6910 from 10.5.1.7"), "{}", texts.remedy);
}
