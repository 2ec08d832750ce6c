//! Services that are slow and not down: told where the network is fast and the server is not, and silent wherever anything else may
//! be behind it. How long everything takes is how the packets were made.

mod support;

use cap_audit::finding::{Confidence, Finding, Severity, Value};
use cap_audit::pipeline::Options;
use cap_audit::problem::Cause;
use cap_audit::time::{Span, Timestamp};
use support::{Captured, Talk, Who, audit, client, findings_of, meanwhile, merge, server};

const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000_000);
const CLIENT: &str = "10.0.0.14";
const LICENSE: &str = "10.0.1.27";
/// HTTP answers each request in turn. The licence server speaks it as well.
const REQUEST: &[u8] = b"POST /request HTTP/1.1\r\nHost: license\r\nContent-Length: 0\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const PVS: &str = "10.0.1.69";

fn millis(millis: i64) -> Span {
    Span::millis(millis)
}

/// A connection to a server on TCP 27000, where a round trip takes so many milliseconds, seen beside the client.
fn licensing(from: &str, to: &str, round_trip: i64) -> Talk {
    let talk = Talk::between(client(from, 50_001), server(to, 27_000)).at(BEGIN);
    talk.syn().wait(millis(round_trip)).syn_ack().ack()
}

/// A request that is acknowledged after the round trip, and answered after so many milliseconds more.
fn asked(talk: Talk, round_trip: i64, after: i64) -> Talk {
    let talk = talk.says(REQUEST).wait(millis(round_trip)).server_ack();
    talk.wait(millis(after)).answers(ANSWER).ack()
}

fn captured(talks: impl IntoIterator<Item = Talk>) -> Vec<Captured> {
    let end = BEGIN + Span::seconds(600);
    merge(talks.into_iter().map(Talk::packets).chain([meanwhile(end)]))
}

fn found(packets: &[Captured], code: &str) -> Vec<Finding> {
    let mut all = findings_of(&audit(packets.to_vec()));
    all.retain(|finding| finding.code == code);
    all
}

fn slow(talks: impl IntoIterator<Item = Talk>) -> Vec<Finding> {
    found(&captured(talks), "service.slow")
}

fn number(finding: &Finding, name: &str) -> u64 {
    match finding.params.get(name) {
        Some(Value::Number(number)) => *number,
        other => panic!("{name} is {other:?}"),
    }
}

/// In milliseconds, rounded: the client's last packet is known to 3 ms.
fn duration(finding: &Finding, name: &str) -> i64 {
    match finding.params.get(name) {
        Some(Value::Duration(span)) => (span.as_seconds() * 100.0).round() as i64 * 10,
        other => panic!("{name} is {other:?}"),
    }
}

fn word(finding: &Finding, name: &str) -> &'static str {
    match finding.params.get(name) {
        Some(Value::Word(word)) => word,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn a_fast_network_and_a_late_answer_are_a_slow_server() {
    let talk = asked(asked(licensing(CLIENT, LICENSE, 4), 4, 9_800), 4, 20);
    let [finding] = &slow([talk])[..] else { panic!("it is told once") };
    assert_eq!((finding.severity, finding.confidence), (Severity::Warning, Confidence::Medium));
    assert_eq!((word(finding, "how"), word(finding, "network")), ("late", "fast"));
    assert_eq!((duration(finding, "longest"), number(finding, "times")), (9_800, 1));
    let Some(Value::Duration(rtt)) = finding.params.get("rtt") else { panic!("the round trip is known") };
    assert_eq!(*rtt, millis(4));
    assert_eq!(finding.service.as_deref(), Some("licensing"));
    assert_eq!(finding.evidence.len(), 1, "the late answer is the evidence");
}

#[test]
fn the_wait_runs_from_what_the_client_said_and_not_from_the_acknowledgement() {
    // A delayed acknowledgement comes 200 ms after the request, a keepalive of the server in between.
    let talk = licensing(CLIENT, LICENSE, 4).says(REQUEST).wait(millis(200)).server_ack();
    let talk = talk.wait(millis(4_800)).answers(ANSWER);
    let [finding] = &slow([talk])[..] else { panic!("it is told once") };
    assert_eq!(duration(finding, "longest"), 5_000);
}

#[test]
fn a_slow_network_is_no_slow_server() {
    assert_eq!(slow([asked(licensing(CLIENT, LICENSE, 900), 900, 3_000)]), []);
    let [finding] = &slow([asked(licensing(CLIENT, LICENSE, 400), 400, 3_000)])[..] else { panic!("a share of it") };
    assert_eq!(word(finding, "network"), "fast");
}

#[test]
fn what_is_repeated_may_be_lost_and_makes_no_slow_server() {
    let lost = licensing(CLIENT, LICENSE, 4).says(REQUEST).wait(millis(300)).repeats(Who::Client);
    assert_eq!(slow([lost.wait(millis(9_800)).answers(ANSWER)]), []);
    // The next request of the same connection is another matter.
    let lost = licensing(CLIENT, LICENSE, 4).says(REQUEST).wait(millis(300)).repeats(Who::Client);
    let again = asked(lost.wait(millis(9_800)).answers(ANSWER).wait(millis(50)), 4, 7_000);
    let [finding] = &slow([again])[..] else { panic!("it is told once") };
    assert_eq!((duration(finding, "longest"), number(finding, "times")), (7_000, 1));
}

#[test]
fn what_the_server_says_again_is_no_answer() {
    let talk = licensing(CLIENT, LICENSE, 4).says(REQUEST).wait(millis(20)).answers(ANSWER).wait(millis(20));
    let talk = talk.says(REQUEST).wait(millis(5_000)).repeats(Who::Server);
    assert_eq!(slow([talk.wait(millis(10)).answers(ANSWER)]), []);
}

#[test]
fn what_the_server_says_unasked_is_no_answer() {
    let talk = licensing(CLIENT, LICENSE, 4).says(REQUEST).wait(millis(20)).answers(ANSWER);
    assert_eq!(slow([talk.wait(millis(9_000)).answers(b"more").wait(millis(9_000)).answers(b"and more")]), []);
    // What comes after more than two minutes was not waited for.
    assert_eq!(slow([asked(licensing(CLIENT, LICENSE, 4), 4, 130_000)]), []);
}

#[test]
fn an_answer_of_which_the_beginning_is_missing_is_not_late() {
    let talk = licensing(CLIENT, LICENSE, 4).says(REQUEST).wait(millis(50)).answers(ANSWER).unseen();
    assert_eq!(slow([talk.wait(millis(9_000)).answers(b"the rest of it").ack()]), []);
}

/// Nobody knows whether what is not public answers in turn: the first words do.
#[test]
fn of_other_protocols_the_first_answer_alone_can_be_late() {
    let talk = |first| {
        let talk = licensing(CLIENT, LICENSE, 4).says(b"\x01hello").wait(millis(first)).answers(b"\x02hello");
        talk.wait(millis(20)).says(b"\x03beat").wait(millis(9_800)).answers(b"\x04beat")
    };
    assert_eq!(slow([talk(20)]), []);
    let [finding] = &slow([talk(7_000)])[..] else { panic!("it is told once") };
    assert_eq!((duration(finding, "longest"), number(finding, "times")), (7_000, 1));
}

/// The record of a hello of TLS 1.2 (RFC 5246, 7.4.1.2) with a server's name (RFC 6066, 3).
fn client_hello(name: &str) -> Vec<u8> {
    let length = name.len() as u16;
    let entry = [&[0][..], &length.to_be_bytes(), name.as_bytes()].concat();
    let list = [&(length + 3).to_be_bytes()[..], &entry].concat();
    let extension = [&[0, 0][..], &(length + 5).to_be_bytes(), &list].concat();
    let head = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0xc0, 0x2f], &[1, 0]].concat();
    let body = [&head[..], &(extension.len() as u16).to_be_bytes(), &extension].concat();
    hello(1, &body)
}

fn hello(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u16;
    [&[22, 3, 1][..], &(length + 4).to_be_bytes(), &[kind, 0], &length.to_be_bytes(), body].concat()
}

/// The first answer to a hello is the server's alone to give; what is said inside TLS may be anything.
#[test]
fn inside_tls_the_hello_alone_can_be_answered_late() {
    let server_hello = hello(2, &[&[3, 3][..], &[9; 32], &[0], &[0xc0, 0x2f], &[0]].concat());
    let talk = |name: &str, first, second| {
        let talk = Talk::between(client(CLIENT, 50_001), server("10.0.1.44", 443)).at(BEGIN);
        let talk = talk.syn().wait(millis(4)).syn_ack().ack().says(&client_hello(name));
        let talk = talk.wait(millis(first)).answers(&server_hello).wait(millis(4));
        talk.says(&[23, 3, 3, 0, 2, 1, 1]).wait(millis(second)).answers(&[23, 3, 3, 0, 2, 1, 1]).ack()
    };
    assert_eq!(slow([talk("customer.cloud.com", 20, 30_000)]), []);
    assert_eq!(slow([talk("www.example.com", 5_000, 20)]), []);
    let [finding] = &slow([talk("customer.cloud.com", 5_000, 30_000)])[..] else { panic!("it is told once") };
    assert_eq!((word(finding, "how"), duration(finding, "longest")), ("hello", 5_000));
}

/// The client's session ties the client alone; a session at the server itself ties the server.
#[test]
fn a_late_hello_on_a_port_of_many_programs_is_told_of_servers_that_are_tied() {
    let server_hello = hello(2, &[&[3, 3][..], &[9; 32], &[0], &[0xc0, 0x2f], &[0]].concat());
    let talk = |to: &str| {
        let talk = Talk::between(client(CLIENT, 50_001), server(to, 443)).at(BEGIN);
        let talk = talk.syn().wait(millis(4)).syn_ack().ack().says(&client_hello("store.example"));
        talk.wait(millis(6_500)).answers(&server_hello).wait(millis(4)).says(&[23, 3, 3, 0, 2, 1, 1]).ack()
    };
    assert_eq!(slow([session(), talk("10.0.1.44")]), []);
    let [finding] = &slow([session(), talk("10.0.1.22")])[..] else { panic!("it is told once") };
    assert_eq!((finding.severity, finding.confidence), (Severity::Warning, Confidence::Low));
    assert_eq!((word(finding, "how"), duration(finding, "longest")), ("hello", 6_500));
}

#[test]
fn a_request_that_is_acknowledged_and_never_answered_is_told_where_the_client_gives_up() {
    let asked = || licensing(CLIENT, LICENSE, 4).says(REQUEST).wait(millis(4)).server_ack().wait(millis(20_000));
    for talk in [asked().fin(), asked().reset()] {
        let [finding] = &slow([talk])[..] else { panic!("it is told once") };
        assert_eq!((word(finding, "how"), duration(finding, "longest")), ("never", 20_000));
    }
    // It answers after all.
    assert_eq!(slow([asked().fin().wait(millis(100)).answers(ANSWER)]), []);
    // The capture ends before it is known.
    assert_eq!(slow([asked()]), []);
    // Nobody knows whether this asked for an answer.
    let talk = licensing(CLIENT, LICENSE, 4).says(b"\x01beat").wait(millis(4)).server_ack().wait(millis(20_000));
    assert_eq!(slow([talk.fin()]), []);
    // It is not acknowledged: the network may have lost it.
    assert_eq!(slow([licensing(CLIENT, LICENSE, 4).says(REQUEST).wait(millis(20_000)).reset()]), []);
}

#[test]
fn a_login_that_is_answered_late_is_slow_with_low_confidence() {
    let login = |after| {
        let talk = Talk::udp(client("10.0.0.7", 6901), server(PVS, 6910)).at(BEGIN).says(b"login");
        talk.wait(millis(after)).answers(b"stream from there")
    };
    assert_eq!(slow([login(900)]), []);
    let [finding] = &slow([login(4_000)])[..] else { panic!("it is told once") };
    assert_eq!((finding.confidence, word(finding, "network")), (Confidence::Low, "unknown"));
    assert_eq!(duration(finding, "longest"), 4_000);
}

/// The first of many that are repeated is no wait of its own: one of them may have been lost.
#[test]
fn a_login_that_was_sent_again_is_not_answered_late() {
    let talk = Talk::udp(client("10.0.0.7", 6901), server(PVS, 6910)).at(BEGIN).says(b"login");
    let again = talk.wait(millis(2_000)).says(b"login").wait(millis(2_000)).answers(b"stream from there");
    assert_eq!(slow([again]), []);
}

/// A message of LDAP (RFC 4511, 4.1.1) with this number and operation.
fn ldap(number: u8, operation: &[u8]) -> Vec<u8> {
    let length = u8::try_from(operation.len() + 3).expect("a short message");
    [&[0x30, length, 2, 1, number][..], operation].concat()
}

/// What ties the client to Citrix.
fn session() -> Talk {
    let talk = Talk::between(client(CLIENT, 51_000), server("10.0.1.22", 1494)).at(BEGIN).opened();
    talk.says(b"\x7f\x7fICA\0").answers(b"\x7f\x7fICA\0").ack()
}

/// A bind without a name and its answer (RFC 4511, 4.2), and a search that is held open until something changes.
#[test]
fn of_ldap_the_bind_alone_can_be_answered_late() {
    let talk = |bound: i64, found: i64| {
        let talk = Talk::between(client(CLIENT, 50_001), server("10.0.1.5", 389)).at(BEGIN);
        let talk = talk.syn().wait(millis(4)).syn_ack().ack().says(&ldap(1, &[0x60, 7, 2, 1, 3, 4, 0, 0x80, 0]));
        let talk = talk.wait(millis(bound)).answers(&ldap(1, &[0x61, 7, 10, 1, 0, 4, 0, 4, 0])).wait(millis(50));
        let search = [0x63, 3, 4, 1, b'x'];
        talk.says(&ldap(2, &search)).wait(millis(found)).answers(&ldap(2, &[0x65, 7, 10, 1, 0, 4, 0, 4, 0])).ack()
    };
    assert_eq!(slow([session(), talk(20, 60_000)]), []);
    let [finding] = &slow([session(), talk(9_000, 60_000)])[..] else { panic!("it is told once") };
    assert_eq!((duration(finding, "longest"), number(finding, "times")), (9_000, 1));
    assert_eq!((finding.service.as_deref(), finding.confidence), (Some("ldap"), Confidence::Low));
}

/// A server that asks others waits for them, and a person who confirms a logon takes a while.
#[test]
fn names_that_are_forwarded_and_people_make_no_slow_server() {
    let query =
        |id: u8| [&[0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3][..], b"www", &[7], b"example\0\0\x01\0\x01"].concat();
    let reply = |id: u8| [&[0, id, 0x81, 0x80][..], &query(id)[4..]].concat();
    let name = Talk::udp(client(CLIENT, 53_001), server("10.0.1.5", 53)).at(BEGIN).says(&query(7));
    let name = name.wait(millis(3_200)).answers(&reply(7));
    let asked = |path: &str| {
        let talk = Talk::between(client(CLIENT, 50_001), server("10.0.1.21", 80)).at(BEGIN);
        let request = format!("POST {path} HTTP/1.1\r\nHost: store\r\nContent-Length: 0\r\n\r\n");
        let talk = talk.syn().wait(millis(4)).syn_ack().ack().says(request.as_bytes());
        talk.wait(millis(25_000)).answers(ANSWER).ack()
    };
    assert_eq!(slow([session(), name, asked("/Citrix/StoreWeb/ExplicitAuth/LoginAttempt")]), []);
    assert_eq!(slow([asked("/scripts/wpnbr.dll")]).len(), 1, "the XML service waits for nobody");
}

#[test]
fn sessions_and_other_ports_are_never_slow() {
    for (port, greeting) in [(1494, &b"\x7f\x7fICA\0"[..]), (2598, b"\x1aCGP/01\x00\x16Citrix.TcpProxyService")] {
        let talk = Talk::between(client(CLIENT, 50_001), server("10.0.1.22", port)).at(BEGIN).opened();
        let talk = talk.says(greeting).answers(greeting).wait(millis(40));
        assert_eq!(slow([asked(talk, 4, 9_800)]), [], "TCP {port}");
    }
    for port in [443, 80, 12_345] {
        let talk = Talk::between(client(CLIENT, 50_001), server("10.0.1.22", port)).at(BEGIN).opened();
        assert_eq!(slow([asked(talk, 4, 9_800)]), [], "TCP {port}");
    }
}

#[test]
fn one_direction_alone_shows_no_wait() {
    for who in [Who::Client, Who::Server] {
        let talk = asked(licensing(CLIENT, LICENSE, 4), 4, 9_800);
        let address = if who == Who::Client { [10, 0, 0, 14] } else { [10, 0, 1, 27] };
        let mut packets = talk.packets();
        packets.retain(|(.., bytes)| bytes[26..30] == address);
        assert_eq!(found(&packets, "service.slow"), [], "{who:?}");
    }
}

#[test]
fn a_mirror_that_captures_everything_twice_changes_nothing() {
    let talk = licensing(CLIENT, LICENSE, 4).says(REQUEST).mirrored().wait(millis(4)).server_ack().mirrored();
    let talk = talk.wait(millis(9_800)).answers(ANSWER).mirrored();
    let [finding] = &slow([talk])[..] else { panic!("it is told once") };
    assert_eq!((duration(finding, "longest"), number(finding, "times")), (9_800, 1));
}

#[test]
fn servers_that_are_slow_together_are_one_problem_and_others_are_the_contrast() {
    let slow_ones = ["10.0.1.27", "10.0.1.28"].map(|to| asked(licensing(CLIENT, to, 4), 4, 9_800));
    let fast = asked(licensing(CLIENT, "10.0.1.29", 4), 4, 30);
    let packets = captured(slow_ones.into_iter().chain([fast]));
    let found = found(&packets, "service.slow");
    assert_eq!(found.iter().map(|finding| number(finding, "fast_servers")).collect::<Vec<_>>(), [1, 1]);
    let problems = support::problems_of(&audit(packets));
    let slow: Vec<_> = problems.iter().filter(|problem| problem.cause == Cause::Slow).collect();
    assert_eq!(slow.len(), 1);
    assert_eq!(slow[0].servers.count(), 2);
}

// Requests over UDP.

/// A target device that asks for its disk on UDP 6911, `requests` times a tenth of a second apart. Of each thousand
/// `lost` from the hundredth on are lost and sent again after half a second.
fn streams(target: &str, to: &str, requests: u32, lost: u32) -> Talk {
    let mut talk = Talk::udp(client(target, 6901), server(to, 6911)).at(BEGIN);
    for number in 0..requests {
        let request = [&number.to_le_bytes()[..], b"a block of the disk"].concat();
        talk = talk.says(&request);
        if (100..100 + lost).contains(&(number % 1_000)) {
            talk = talk.wait(millis(500)).says(&request);
        }
        talk = talk.wait(millis(1)).answers(&[0; 1_000]).wait(millis(99));
    }
    talk
}

fn repeats(talks: impl IntoIterator<Item = Talk>) -> Vec<Finding> {
    found(&captured(talks), "service.repeats")
}

#[test]
fn requests_that_are_repeated_make_provisioning_slow_and_not_down() {
    let [finding] = &repeats([streams("10.0.0.7", PVS, 2_000, 30)])[..] else { panic!("it is told once") };
    assert_eq!((number(finding, "of"), number(finding, "repeated")), (2_000, 60));
    assert_eq!(finding.params.get("share"), Some(&Value::Share { part: 60, whole: 2_000 }));
    assert_eq!((finding.severity, word(finding, "who")), (Severity::Warning, "only-client"));
    assert_eq!(finding.service.as_deref(), Some("pvs-stream"));
    assert_eq!(finding.port.map(|(_, port)| port), Some(6911));
}

#[test]
fn a_few_repeated_requests_say_nothing() {
    let few = (0..10).map(|host| streams(&format!("10.0.0.{host}"), PVS, 1_000, 3));
    assert_eq!(repeats(few), [], "thirty of ten thousand");
    assert_eq!(repeats([streams("10.0.0.7", PVS, 200, 6)]), [], "six of two hundred");
}

#[test]
fn one_target_among_many_points_to_its_line_and_all_to_the_server() {
    let targets = |lost: [u32; 3]| (0..3).map(move |host| streams(&format!("10.0.0.{host}"), PVS, 1_000, lost[host]));
    let [finding] = &repeats(targets([0, 40, 0]))[..] else { panic!("it is told once") };
    assert_eq!((word(finding, "who"), number(finding, "other_clients")), ("some-clients", 2));
    assert_eq!((number(finding, "other_sent"), number(finding, "other_repeated")), (2_000, 0));
    assert_eq!(finding.clients, [support::address("10.0.0.1")]);
    let [finding] = &repeats(targets([30, 40, 30]))[..] else { panic!("it is told once") };
    assert_eq!((word(finding, "who"), finding.clients.len()), ("all-clients", 3));
}

#[test]
fn copies_are_no_repetitions() {
    let mut talk = Talk::udp(client("10.0.0.7", 6901), server(PVS, 6911)).at(BEGIN);
    for number in 0..1_000u32 {
        talk = talk.says(&number.to_le_bytes()).wait(millis(20)).mirrored();
        talk = talk.wait(millis(1)).answers(&[0; 1_000]).mirrored().wait(millis(99));
    }
    assert_eq!(repeats([talk]), []);
    // Without numbers of IP packets only the time tells a copy.
    let mut talk = Talk::udp(client("10.0.0.7", 6901), server(PVS, 6911)).at(BEGIN).without_ids();
    for number in 0..1_000u32 {
        talk = talk.says(&number.to_le_bytes()).wait(millis(20)).mirrored();
        talk = talk.wait(millis(1)).answers(&[0; 1_000]).mirrored().wait(millis(99));
    }
    assert_eq!(repeats([talk]), []);
}

#[test]
fn a_server_that_has_fallen_silent_is_down_and_not_slow() {
    let mut talk = streams("10.0.0.7", PVS, 100, 0);
    for _ in 0..60 {
        talk = talk.says(b"the same request").wait(millis(500));
    }
    assert_eq!(repeats([talk]), []);
}

#[test]
fn blocks_of_a_disk_that_are_alike_are_no_requests_whoever_speaks_first() {
    let mut packets = streams("10.0.0.7", PVS, 1_000, 0).packets();
    // The capture begins with an answer.
    packets.remove(0);
    assert_eq!(found(&merge([packets, meanwhile(BEGIN + Span::seconds(300))]), "service.repeats"), []);
    let mut packets = streams("10.0.0.7", PVS, 1_000, 30).packets();
    packets.drain(..2);
    let [finding] = &found(&merge([packets, meanwhile(BEGIN + Span::seconds(300))]), "service.repeats")[..] else {
        panic!("the target is the client all the same")
    };
    assert_eq!(finding.clients, [support::address("10.0.0.7")]);
}

/// A mix of all of them, dealt to workers in any way.
#[test]
fn the_number_of_workers_and_the_size_of_batches_change_nothing() {
    let slow = ["10.0.1.27", "10.0.1.28"].map(|to| asked(licensing(CLIENT, to, 4), 4, 9_800));
    let targets = (0..3).map(|host| streams(&format!("10.0.0.{host}"), PVS, 400, 15));
    let packets = captured(slow.into_iter().chain(targets));
    let one = audit(packets.clone());
    assert_eq!(findings_of(&one).iter().filter(|finding| finding.code.starts_with("service.")).count(), 3);
    for (workers, batch) in [(1, 1), (3, 7), (7, 256)] {
        let options = Options { workers, ..support::keeping() };
        let other = support::audit_with(packets.clone(), options, batch);
        assert_eq!(one.ledger, other.ledger, "{workers} workers");
        assert_eq!(findings_of(&one), findings_of(&other), "{workers} workers");
    }
}
