//! Flows of one client and one server that belong to one launch are one session.

mod support;

use cap_audit::case::Case;
use cap_audit::finding::{Finding, Value};
use cap_audit::judge::{Judge, Outcome};
use cap_audit::ledger::{Ended, Ledger, OTHER_STEP_LIMIT};
use cap_audit::pipeline::Options;
use cap_audit::report::SessionList;
use cap_audit::session::{Role, Session, Tie, Way, sessions, striking_sessions};
use cap_audit::time::{Span, Timestamp};
use support::*;

const CLIENT: &str = "10.0.0.14";
const VDA: &str = "10.0.1.22";
/// 64 bytes that open EDT (facts EDT-06), as far as they are looked at.
fn edt_hello() -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[0] = 0x80;
    bytes[19] = 4;
    bytes[23] = 1;
    bytes[39] = 1;
    bytes
}

/// What a session is, in words that a test can compare.
#[derive(PartialEq, Debug)]
struct Told {
    transport: Option<Way>,
    reliability: Option<bool>,
    steps: Vec<(Way, Role, Outcome)>,
}

fn at(millis: i64) -> Timestamp {
    START + Span::millis(millis)
}

fn tcp(port: u16, client_port: u16, millis: i64) -> Talk {
    Talk::between(client(CLIENT, client_port), server(VDA, port)).at(at(millis))
}

fn udp_to(port: u16, client_port: u16, millis: i64) -> Talk {
    Talk::udp(client(CLIENT, client_port), server(VDA, port)).at(at(millis))
}

/// A session on this flow that says something each ten seconds for this time.
fn running(talk: Talk, hello: &[u8], seconds: i64) -> Talk {
    let mut talk = talk.says(hello).wait(Span::millis(20)).answers(hello).wait(Span::millis(20));
    for _ in 0..seconds / 10 {
        talk = talk.wait(Span::seconds(10)).says(b"keys and clicks").wait(Span::millis(20)).answers(&[7; 900]);
    }
    talk
}

/// CGP with its handshake, in which each way takes 10 ms.
fn cgp_session(client_port: u16, millis: i64, seconds: i64) -> Talk {
    running(opened(tcp(2598, client_port, millis)), b"\x1aCGP/01 hello", seconds)
}

fn opened(talk: Talk) -> Talk {
    let half = Span::millis(10);
    talk.syn().wait(half).syn_ack().wait(half).ack()
}

fn edt_session(client_port: u16, millis: i64, seconds: i64) -> Talk {
    running(udp_to(2598, client_port, millis), &edt_hello(), seconds)
}

/// EDT that gets no answer, each quarter of a second (facts EDT-09).
fn edt_in_vain(client_port: u16, millis: i64, tries: i64) -> Talk {
    (0..tries).fold(udp_to(2598, client_port, millis), |talk, _| talk.says(&edt_hello()).wait(Span::millis(250)))
}

/// A SYN that gets no answer, as Windows repeats it: after 3 and 9 seconds; after 21 it gives up (facts GRACE-02).
fn in_vain(talk: Talk) -> Talk {
    talk.syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again()
}

fn ledger_of(talks: impl IntoIterator<Item = Talk>, until: i64) -> Ledger {
    let mut packets: Vec<_> = talks.into_iter().map(Talk::packets).collect();
    packets.push(meanwhile(START + Span::seconds(until)));
    audit(merge(packets)).ledger
}

fn with_sessions<R>(ledger: &Ledger, look: impl FnOnce(&[Session<'_>]) -> R) -> R {
    look(&sessions(&Judge::new(map(), ledger)))
}

fn told(session: &Session<'_>) -> Told {
    let steps = session.parts.iter().map(|part| (part.what, part.role, part.outcome)).collect();
    Told { transport: session.transport(), reliability: session.reliability, steps }
}

fn told_of(talks: impl IntoIterator<Item = Talk>, until: i64) -> Vec<Told> {
    with_sessions(&ledger_of(talks, until), |sessions| sessions.iter().map(told).collect())
}

fn found(ledger: &Ledger, code: &str) -> Vec<Finding> {
    findings_in(ledger).into_iter().filter(|finding| finding.code == code).collect()
}

const CARRIED: Role = Role::Carried;
const ESTABLISHED: Outcome = Outcome::Established;

#[test]
fn edt_and_the_tcp_that_lost_against_it_are_one_healthy_session() {
    let loser = opened(tcp(2598, 40_002, 500)).says(b"\x1aCGP/01 hello").wait(Span::millis(100)).closed();
    let ledger = ledger_of([edt_session(40_001, 0, 60), loser], 120);
    with_sessions(&ledger, |sessions| {
        let [session] = sessions else { panic!("one session: {sessions:#?}") };
        let steps = vec![(Way::Edt, CARRIED, Outcome::Answered), (Way::Cgp, Role::Raced, ESTABLISHED)];
        assert_eq!(told(session), Told { transport: Some(Way::Edt), reliability: Some(true), steps });
        assert_eq!(session.setup(), Some(Span::millis(20)));
        assert_eq!((session.searching(), session.failed_first(), session.resumes()), (None, None, 0));
        assert_eq!(session.data_rtt(), Some(Span::millis(20)));
        assert_eq!(session.handshake_rtt(), None, "over UDP there is no handshake");
    });
    let broken = findings_in(&ledger).into_iter().filter(|finding| finding.code != "encryption.plain-ica");
    assert_eq!(broken.collect::<Vec<_>>(), []);
}

#[test]
fn a_blocked_tcp_beside_edt_is_no_launch_of_its_own() {
    let steps = vec![(Way::Edt, CARRIED, Outcome::Answered), (Way::Cgp, Role::Raced, Outcome::Silent)];
    let expected = Told { transport: Some(Way::Edt), reliability: Some(true), steps };
    assert_eq!(told_of([edt_session(40_001, 0, 60), in_vain(tcp(2598, 40_002, 500))], 120), [expected]);
}

#[test]
fn round_trips_and_setup_are_those_of_the_flow_that_carries() {
    let ledger = ledger_of([cgp_session(40_001, 0, 30).closed()], 60);
    with_sessions(&ledger, |sessions| {
        let [session] = sessions else { panic!("one session: {sessions:#?}") };
        // 20 ms of handshake, and 20 ms until the server says something.
        assert_eq!(session.setup(), Some(Span::millis(40)));
        assert_eq!(session.handshake_rtt(), Some(Span::millis(20)));
        assert_eq!(session.data_rtt(), Some(Span::millis(20)));
        assert_eq!(session.ended(), Some(Ended::ClientClosed));
        assert_eq!(session.breaks().count(), 0);
        assert_eq!(session.first(), START);
    });
}

#[test]
fn what_is_said_again_has_no_round_trip() {
    let talk = opened(tcp(2598, 40_001, 0)).says(b"\x1aCGP/01 hello").wait(Span::seconds(1)).repeats(Who::Client);
    let talk = talk.wait(Span::millis(20)).answers(b"\x1aCGP/01 hello").wait(Span::seconds(20)).closed();
    with_sessions(&ledger_of([talk], 60), |sessions| assert_eq!(sessions[0].data_rtt(), None));
}

#[test]
fn an_edt_that_is_blocked_is_the_first_step_of_a_session_over_tcp() {
    let ledger = ledger_of([edt_in_vain(40_001, 0, 12), cgp_session(40_002, 500, 60)], 120);
    with_sessions(&ledger, |sessions| {
        let [session] = sessions else { panic!("one session: {sessions:#?}") };
        let steps = vec![(Way::Edt, Role::Tried, Outcome::Silent), (Way::Cgp, CARRIED, ESTABLISHED)];
        assert_eq!(told(session), Told { transport: Some(Way::Cgp), reliability: Some(true), steps });
        assert_eq!(session.searching(), Some(Span::millis(500)));
        assert_eq!(session.setup(), Some(Span::millis(540)));
        assert_eq!(session.failed_first().map(|part| part.what), Some(Way::Edt));
    });
    assert_eq!(found(&ledger, "launch.slow"), [], "half a second is the head start that EDT has");
}

#[test]
fn a_sequential_client_tries_one_way_after_the_other() {
    let ledger = ledger_of([edt_in_vain(40_001, 0, 12), cgp_session(40_002, 3_500, 60)], 120);
    with_sessions(&ledger, |sessions| {
        let [session] = sessions else { panic!("one session: {sessions:#?}") };
        assert_eq!(session.searching(), Some(Span::millis(3_500)));
    });
    assert_eq!(found(&ledger, "launch.slow"), [], "the blocked EDT is told by a finding of its own");
}

fn ica_session(client_port: u16, millis: i64, seconds: i64) -> Talk {
    let hello = b"\x7f\x7fICA\x00";
    let talk = opened(tcp(1494, client_port, millis)).wait(Span::millis(10)).answers(hello).says(hello);
    let mut talk = talk.wait(Span::millis(20)).server_ack();
    for _ in 0..seconds / 10 {
        talk = talk.wait(Span::seconds(10)).says(b"keys and clicks").wait(Span::millis(20)).answers(&[7; 900]);
    }
    talk
}

#[test]
fn a_blocked_cgp_costs_time_and_reliability() {
    let ledger = ledger_of([in_vain(tcp(2598, 40_001, 0)), ica_session(40_002, 18_000, 60)], 120);
    with_sessions(&ledger, |sessions| {
        let [session] = sessions else { panic!("one session: {sessions:#?}") };
        let steps = vec![(Way::Cgp, Role::Tried, Outcome::Silent), (Way::Ica, CARRIED, ESTABLISHED)];
        assert_eq!(told(session), Told { transport: Some(Way::Ica), reliability: Some(false), steps });
        assert_eq!(session.searching(), Some(Span::seconds(18)));
        assert_eq!(session.setup(), Some(Span::millis(18_030)));
        assert!(session.alone);
    });
    let [slow] = &found(&ledger, "launch.slow")[..] else { panic!("it is told") };
    assert_eq!(slow.params.get("longest"), Some(&Value::Duration(Span::seconds(18))));
    assert_eq!(slow.params.get("blocked_port"), Some(&Value::Number(2598)));
    assert_eq!(slow.rests_on, [format!("f-blocked.silent-tcp-2598-{VDA}")]);
    let texts = cap_audit::words::Words::default().finding(slow);
    assert_eq!(texts.title, format!("A session to {VDA} spent 18 s finding a transport"));
}

#[test]
fn a_launch_of_which_nothing_came_is_a_session_without_a_transport() {
    let talks = [edt_in_vain(40_001, 0, 12), in_vain(tcp(2598, 40_002, 500)), in_vain(tcp(1494, 40_003, 21_500))];
    let steps = vec![
        (Way::Edt, Role::Tried, Outcome::Silent),
        (Way::Cgp, Role::Tried, Outcome::Silent),
        (Way::Ica, Role::Tried, Outcome::Silent),
    ];
    assert_eq!(told_of(talks, 120), [Told { transport: None, reliability: None, steps }]);
}

#[test]
fn two_launches_in_vain_are_two() {
    let launch =
        |port: u16, millis: i64| [in_vain(tcp(2598, port, millis)), in_vain(tcp(1494, port + 1, millis + 21_000))];
    let all = [launch(40_001, 0), launch(40_011, 50_000)].concat();
    let told = told_of(all, 200);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told.iter().all(|session| session.steps.len() == 2));
}

#[test]
fn monitors_that_open_and_close_are_no_sessions() {
    let probes = (0..20).map(|number| opened(tcp(2598, 40_000 + number, 5_000 * i64::from(number))).closed());
    assert_eq!(told_of(probes, 120), []);
}

#[test]
fn a_scan_is_no_list_of_launches() {
    let tries = (1..=40).map(|host| {
        let target = server(&format!("10.0.1.{host}"), 2598);
        in_vain(Talk::between(client(CLIENT, 40_000 + host), target).at(at(i64::from(host) * 100)))
    });
    assert_eq!(told_of(tries, 120), []);
}

#[test]
fn sound_joins_the_session_that_runs() {
    let sound = running(udp_to(16_500, 40_005, 5_000), &[0x80; 40], 30);
    let told = told_of([cgp_session(40_001, 0, 60), sound.clone()], 120);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].transport, Some(Way::Cgp));
    assert_eq!(told[0].steps[1], (Way::Audio, Role::Audio, Outcome::Answered));
    // Of two sessions at that time nobody knows whose it is.
    let told = told_of([cgp_session(40_001, 0, 60), cgp_session(40_002, 1_000, 60), sound], 120);
    assert!(told.len() == 2 && told.iter().all(|session| session.steps.len() == 1), "{told:#?}");
}

#[test]
fn a_session_that_broke_is_resumed_within_three_minutes() {
    let broken = || cgp_session(40_001, 0, 60).server_reset();
    let resumed = |after: i64| {
        let start = (broken().now() - START).0 / 1_000_000 + after;
        told_of([broken(), cgp_session(40_002, start, 30).closed()], 600)
    };
    let told = resumed(170_000);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].steps[1], (Way::Cgp, Role::Resumed, ESTABLISHED));
    assert_eq!(resumed(190_000).len(), 2, "the server has given it up");
    let closed = told_of([cgp_session(40_001, 0, 60).closed(), cgp_session(40_002, 90_000, 30).closed()], 600);
    assert_eq!(closed.len(), 2, "what was closed is not resumed");
}

#[test]
fn attempts_during_an_outage_belong_to_the_session_that_broke() {
    let talks = [
        cgp_session(40_001, 0, 60).server_reset(),
        in_vain(tcp(2598, 40_002, 70_000)),
        cgp_session(40_003, 95_000, 30),
    ];
    let ledger = ledger_of(talks, 300);
    with_sessions(&ledger, |sessions| {
        let [session] = sessions else { panic!("one session: {sessions:#?}") };
        let roles: Vec<Role> = session.parts.iter().map(|part| part.role).collect();
        assert_eq!(roles, [CARRIED, Role::Tried, Role::Resumed]);
        assert_eq!((session.resumes(), session.breaks().count()), (1, 1));
        assert_eq!(session.searching(), None, "what was tried later was no search");
    });
}

#[test]
fn what_runs_without_session_reliability_is_not_resumed() {
    let start = ica_session(40_001, 0, 60).now() - START;
    let again = ica_session(40_002, start.0 / 1_000_000 + 20_000, 30);
    assert_eq!(told_of([ica_session(40_001, 0, 60).server_reset(), again], 300).len(), 2);
}

/// Sessions that break after these seconds without a packet.
fn that_break(idle: &[i64]) -> Ledger {
    let talks = idle.iter().zip(0u16..).map(|(&seconds, number)| {
        let start = i64::from(number) * 7_000;
        let talk = Talk::between(client(&format!("10.0.0.{}", number + 1), 40_000), server(VDA, 2598)).at(at(start));
        running(opened(talk), b"\x1aCGP/01 hello", 30).ack().wait(Span::seconds(seconds)).server_reset()
    });
    ledger_of(talks.collect::<Vec<_>>(), idle.iter().max().unwrap_or(&0) + 300)
}

#[test]
fn equal_silence_before_three_breaks_is_a_timer() {
    let ledger = that_break(&[3_600, 3_601, 3_604, 900]);
    let [timer] = &found(&ledger, "path.idle-timeout")[..] else { panic!("it is told") };
    assert_eq!(timer.params.get("sessions"), Some(&Value::Number(3)));
    assert_eq!(timer.params.get("idle"), Some(&Value::Duration(Span::seconds(3_600))));
    assert_eq!(timer.params.get("idle_longest"), Some(&Value::Duration(Span::seconds(3_604))));
    assert_eq!(timer.params.get("others"), Some(&Value::Number(1)));
    assert_eq!(timer.clients.len(), 3);
    let texts = cap_audit::words::Words::default().finding(timer);
    assert!(texts.title.starts_with("3 sessions on TCP 2598 dropped after 60 min without traffic"), "{}", texts.title);
    with_sessions(&ledger, |sessions| {
        let idle: Vec<Option<Span>> = sessions.iter().flat_map(Session::breaks).map(|broke| broke.idle).collect();
        assert_eq!(idle.len(), 4);
        assert_eq!(idle[3], Some(Span::seconds(900)));
    });
}

#[test]
fn different_silence_or_two_breaks_only_are_no_timer() {
    assert_eq!(found(&that_break(&[3_600, 1_800, 900]), "path.idle-timeout"), []);
    assert_eq!(found(&that_break(&[3_600, 3_600]), "path.idle-timeout"), []);
    assert_eq!(found(&that_break(&[30, 30, 30]), "path.idle-timeout"), [], "half a minute is no idle time");
}

#[test]
fn sessions_that_died_after_equal_silence_are_told_once() {
    let talks = (1..=3).map(|number| {
        let talk = Talk::between(client(&format!("10.0.0.{number}"), 40_000), server(VDA, 2598));
        let talk = running(opened(talk.at(at(number * 5_000))), b"\x1aCGP/01 hello", 30).ack();
        let talk = talk.wait(Span::seconds(1_800)).says(b"here again");
        (0..6).fold(talk, |talk, power| talk.wait(Span::seconds(1 << power)).repeats(Who::Client))
    });
    let ledger = ledger_of(talks.collect::<Vec<_>>(), 2_200);
    assert_eq!(found(&ledger, "path.idle-timeout").len(), 1);
    assert_eq!(found(&ledger, "path.died"), []);
}

#[test]
fn clients_behind_one_address_have_a_session_each() {
    let talks: Vec<Talk> = (0..40).map(|number| cgp_session(40_000 + number, i64::from(number) * 50, 30)).collect();
    let told = told_of(talks, 120);
    assert_eq!(told.len(), 40);
    assert!(told.iter().all(|session| session.steps.len() == 1));
    // The same where EDT is blocked: each has its own attempt.
    let talks = (0..40).flat_map(|number| {
        let start = i64::from(number) * 50;
        [edt_in_vain(50_000 + number, start, 12), cgp_session(40_000 + number, start + 500, 30)]
    });
    let ledger = ledger_of(talks.collect::<Vec<_>>(), 120);
    with_sessions(&ledger, |sessions| {
        assert_eq!(sessions.len(), 40);
        for session in sessions {
            assert_eq!(session.searching(), Some(Span::millis(500)), "{session:#?}");
        }
        assert!(sessions.iter().any(|session| !session.alone));
    });
}

#[test]
fn two_apps_at_once_stay_apart_and_are_not_blamed() {
    let launch =
        |port: u16, millis: i64| [in_vain(tcp(2598, port, millis)), ica_session(port + 1, millis + 18_000, 60)];
    let ledger = ledger_of([launch(40_001, 0), launch(40_011, 2_000)].concat(), 150);
    with_sessions(&ledger, |sessions| {
        assert_eq!(sessions.len(), 2);
        for session in sessions {
            assert_eq!(session.parts.len(), 2);
            assert!(!session.alone, "whose attempts are whose is not certain");
        }
    });
    assert_eq!(found(&ledger, "launch.slow"), []);
}

#[test]
fn edt_that_is_looked_for_again_belongs_to_the_session_over_tcp() {
    let again = [300_000, 600_000].map(|millis| edt_in_vain(41_000, millis, 4));
    let told = told_of([vec![cgp_session(40_001, 0, 700)], again.to_vec()].concat(), 800);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].steps.len(), 3);
}

#[test]
fn a_second_app_has_its_own_head_start() {
    let second = [edt_in_vain(41_001, 100_000, 12), cgp_session(41_002, 100_500, 60)];
    let talks = [edt_in_vain(40_001, 0, 12), cgp_session(40_002, 500, 300)].into_iter().chain(second);
    with_sessions(&ledger_of(talks, 400), |sessions| {
        let searching: Vec<Option<Span>> = sessions.iter().map(Session::searching).collect();
        assert_eq!(searching, [Some(Span::millis(500)); 2], "{sessions:#?}");
    });
}

#[test]
fn a_session_that_moves_to_edt_stays_one() {
    let over_tcp = edt_in_vain(40_001, 0, 12).packets();
    let over_tcp = [over_tcp, cgp_session(40_002, 500, 300).closed().packets()];
    let closed = over_tcp[1].last().map(|(at, ..)| (*at - START).0 / 1_000_000).expect("it has packets");
    let moves = |millis: i64| {
        let all = over_tcp.iter().cloned().chain([edt_session(40_003, closed + millis, 60).packets()]);
        let all = merge(all.chain([meanwhile(START + Span::seconds(600))]));
        with_sessions(&audit(all).ledger, |sessions| sessions.iter().map(told).collect::<Vec<_>>())
    };
    let together = moves(-2_000);
    assert_eq!(together.len(), 1, "{together:#?}");
    assert_eq!(together[0].transport, Some(Way::Edt));
    assert_eq!(together[0].steps[2], (Way::Edt, Role::Moved, Outcome::Answered));
    assert_eq!(moves(-60_000).len(), 2, "both went on beside each other");
    assert_eq!(moves(2_000).len(), 2, "one began after the other");
}

#[test]
fn forged_sources_are_no_launches() {
    let flood = (1..=9).map(|host| {
        let talk = Talk::between(client(&format!("10.9.0.{host}"), 40_000), server(VDA, 2598)).syn().syn_ack();
        talk.wait(Span::seconds(1)).syn_ack_again().wait(Span::seconds(2)).syn_ack_again()
    });
    assert_eq!(told_of(flood, 120), []);
    // A host that does not get the answer repeats its try.
    let host = tcp(2598, 40_001, 0).syn().syn_ack().wait(Span::seconds(1)).syn_again().syn_ack_again();
    let told = told_of([host.wait(Span::seconds(2)).syn_again().syn_ack_again()], 120);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].steps, [(Way::Cgp, Role::Tried, Outcome::HalfOpen)]);
}

#[test]
fn an_edt_in_dtls_that_was_tried_at_the_gateway_first_is_a_step() {
    let hello = [&[0x16, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 1][..], &[7; 39]].concat();
    let dtls = (0..4).fold(Talk::udp(client(CLIENT, 41_000), server(GATEWAY, 443)).at(at(0)), |talk, _| {
        talk.says(&hello).wait(Span::seconds(1))
    });
    let ledger = ledger_of([dtls, tls_leg(CLIENT, 40_001, 500, 60), inner_leg(GATEWAY, 50_001, 1_400, 60)], 120);
    with_sessions(&ledger, |sessions| {
        let [session] = sessions else { panic!("one session: {sessions:#?}") };
        let ways: Vec<(Way, Role)> = session.parts.iter().map(|part| (part.what, part.role)).collect();
        assert_eq!(ways, [(Way::Dtls, Role::Tried), (Way::Tls, Role::Gateway), (Way::Cgp, Role::Carried)]);
        assert_eq!((session.transport(), session.reliability), (Some(Way::Tls), Some(true)));
    });
}

#[test]
fn what_is_left_out_is_the_last_in_the_captures_and_is_said() {
    let tries = |from: u32, count: u32| {
        let talks = (from..from + count).map(|number| {
            let [_, b, c, d] = number.to_be_bytes();
            Talk::between(client(&format!("10.{b}.{c}.{d}"), 40_000), server(VDA, 2598)).at(at(i64::from(number))).syn()
        });
        merge(talks.map(Talk::packets))
    };
    let most = OTHER_STEP_LIMIT as u32;
    let ledger = audit(tries(0, most)).ledger;
    assert_eq!((ledger.steps.counts(), ledger.steps.incomplete), ([0, OTHER_STEP_LIMIT, 0], false));
    let ledger = audit(tries(0, most + 7)).ledger;
    assert_eq!((ledger.steps.counts(), ledger.steps.incomplete), ([0, OTHER_STEP_LIMIT, 0], true));
    let last = ledger.steps.iter().map(|(opener, _)| opener.packet).max();
    assert_eq!(last, Some(u64::from(most)), "packets are counted from 1");
}

const GATEWAY: &str = "192.168.7.1";
const INSIDE: &str = "192.168.8.1";

/// A leg inside TLS to a Gateway that carries as much as a session of the same length, and an envelope.
fn tls_leg(from: &str, client_port: u16, millis: i64, seconds: i64) -> Talk {
    let hello = [&[0x16, 3, 1, 0, 60, 1, 0, 0, 56, 3, 3][..], &[7; 54]].concat();
    let answer = [&[0x16, 3, 3, 0, 60, 2, 0, 0, 56, 3, 3][..], &[7; 54]].concat();
    let talk = opened(Talk::between(client(from, client_port), server(GATEWAY, 443)).at(at(millis)));
    let mut talk = talk.says(&hello).wait(Span::millis(20)).answers(&answer).wait(Span::millis(20));
    for _ in 0..seconds / 10 {
        talk = talk.wait(Span::seconds(10)).says(&[9; 44]).wait(Span::millis(20)).answers(&[9; 929]);
    }
    talk.closed()
}

fn inner_leg(from: &str, client_port: u16, millis: i64, seconds: i64) -> Talk {
    let talk = opened(Talk::between(client(from, client_port), server(VDA, 2598)).at(at(millis)));
    running(talk, b"\x1aCGP/01 hello", seconds).closed()
}

#[test]
fn legs_with_an_address_of_the_gateway_are_one_session() {
    let ledger = ledger_of([tls_leg(CLIENT, 40_001, 0, 60), inner_leg(GATEWAY, 50_001, 900, 60)], 120);
    with_sessions(&ledger, |sessions| {
        let [session] = sessions else { panic!("one session: {sessions:#?}") };
        let gateway = session.gateway.expect("both legs are known");
        assert_eq!((session.client, session.server), (address(CLIENT), address(VDA)));
        assert_eq!((gateway.address, gateway.inside, gateway.tied), (address(GATEWAY), address(GATEWAY), Tie::Address));
        assert_eq!((session.transport(), session.reliability), (Some(Way::Tls), Some(true)));
        assert_eq!(session.setup(), Some(Span::millis(940)));
        assert_eq!(session.searching(), None);
    });
    let broken = findings_in(&ledger).into_iter().filter(|finding| finding.code != "encryption.plain-ica");
    assert_eq!(broken.collect::<Vec<_>>(), []);
}

#[test]
fn legs_that_begin_and_end_together_are_tied_where_nothing_else_does() {
    let both = [tls_leg(CLIENT, 40_001, 0, 60), inner_leg(INSIDE, 50_001, 100, 60)];
    let tied = |talks: Vec<Talk>| {
        with_sessions(&ledger_of(talks, 200), |sessions| {
            sessions.iter().map(|session| session.gateway.map(|gateway| gateway.tied)).collect::<Vec<_>>()
        })
    };
    assert_eq!(tied(both.to_vec()), [Some(Tie::Time)]);
    // A second leg that fits as well makes both uncertain.
    let second = tls_leg("10.0.0.15", 40_001, 30, 60);
    assert_eq!(tied([both.to_vec(), vec![second]].concat()), [None]);
    // So does a second session.
    let second = inner_leg(INSIDE, 50_002, 150, 60);
    assert_eq!(tied([both.to_vec(), vec![second]].concat()), [None, None]);
    // Legs that end apart, or are short, are not tied by time.
    assert_eq!(tied(vec![tls_leg(CLIENT, 40_001, 0, 60), inner_leg(INSIDE, 50_001, 100, 50)]), [None]);
    assert_eq!(tied(vec![tls_leg(CLIENT, 40_001, 0, 20), inner_leg(INSIDE, 50_001, 100, 20)]), [None]);
}

#[test]
fn the_web_is_no_session() {
    assert_eq!(told_of([tls_leg(CLIENT, 40_001, 0, 60), tls_leg(CLIENT, 40_002, 5_000, 60)], 120), []);
}

#[test]
fn a_session_that_ran_before_the_capture_has_no_beginning() {
    let mut packets = cgp_session(40_001, 0, 60).packets();
    packets.drain(..5);
    let audited = audit(packets);
    with_sessions(&audited.ledger, |sessions| {
        let [session] = sessions else { panic!("one session: {sessions:#?}") };
        assert_eq!(session.parts[0].outcome, Outcome::Midstream);
        assert_eq!((session.transport(), session.setup(), session.searching()), (Some(Way::Cgp), None, None));
    });
}

/// A capture with something of everything.
fn mixed() -> Vec<Captured> {
    merge(
        [
            edt_session(40_001, 0, 60),
            in_vain(tcp(2598, 41_001, 100_000)),
            ica_session(41_002, 118_000, 60),
            cgp_session(42_001, 200_000, 60).server_reset(),
            cgp_session(42_002, 300_000, 60).closed(),
            tls_leg("10.0.0.77", 43_001, 0, 60),
            inner_leg(GATEWAY, 43_002, 900, 60),
        ]
        .map(Talk::packets)
        .into_iter()
        .chain([meanwhile(START + Span::seconds(600))]),
    )
}

/// The sessions as programs read them.
fn as_json(ledger: &Ledger) -> serde_json::Value {
    let sessions = SessionList { judge: Judge::new(map(), ledger), flows: &[] };
    serde_json::to_value(sessions).expect("values are JSON")
}

#[test]
fn what_findings_look_at_is_all_that_may_show_something_and_as_it_is_told() {
    let carriers = |session: &Session<'_>| session.carriers().map(|part| part.opener).collect::<Vec<_>>();
    let at_the_server = |session: &Session<'_>| {
        let before = session.failed_first().map(|part| (part.opener, part.outcome));
        let breaks: Vec<_> = session.breaks().map(|broke| (broke.at, broke.idle)).collect();
        (carriers(session), session.alone, before, session.searching(), breaks)
    };
    let mut lengths = Vec::new();
    for ledger in [audit(mixed()).ledger, that_break(&[3_600, 3_602, 30])] {
        with_sessions(&ledger, |all| {
            let may_show = |session: &&Session<'_>| {
                let searched = session.failed_first().is_some() && session.carriers().next().is_some();
                searched || session.breaks().any(|broke| broke.idle.is_some())
            };
            let wanted: Vec<_> = all.iter().filter(may_show).map(at_the_server).collect();
            let judge = Judge::new(map(), &ledger);
            let striking: Vec<_> = striking_sessions(&judge).iter().map(at_the_server).collect();
            assert!(wanted.iter().all(|session| striking.contains(session)), "{wanted:#?} in {striking:#?}");
            lengths.push((wanted.len(), striking.len(), all.len()));
        });
    }
    assert!(lengths.iter().all(|&(wanted, _, _)| wanted > 0), "{lengths:?}");
    assert!(lengths.iter().any(|&(_, striking, all)| striking < all), "{lengths:?}");
}

#[test]
fn workers_batches_and_the_order_of_sums_change_nothing() {
    let one = as_json(&audit(mixed()).ledger);
    assert_eq!(one.as_array().map(Vec::len), Some(4));
    for (workers, batch) in [(2, 7), (3, 1), (7, 256)] {
        let options = Options { workers: workers.try_into().expect("not 0"), ..keeping() };
        assert_eq!(as_json(&audit_with(mixed(), options, batch).ledger), one, "{workers}");
    }
    let (mut sum, mut other_way) = (Ledger::default(), Ledger::default());
    let parts: Vec<Ledger> = (0..2)
        .map(|half| {
            let capture = mixed()
                .into_iter()
                .filter(|(_, _, _, bytes)| bytes[26..34].iter().map(|&b| u32::from(b)).sum::<u32>() % 2 == half);
            audit(capture.collect()).ledger
        })
        .collect();
    parts.iter().for_each(|part| sum += part);
    parts.iter().rev().for_each(|part| other_way += part);
    assert_eq!(sum.steps, other_way.steps);
}

#[test]
fn a_year_later_the_sessions_are_the_same() {
    const YEAR: Span = Span::seconds(31_536_000);
    let later = mixed().into_iter().map(|(at, link, length, bytes)| (at + YEAR, link, length, bytes)).collect();
    let lines = |ledger: &Ledger| {
        with_sessions(ledger, |sessions| {
            let facts = |session: &Session<'_>| {
                (session.id.clone(), told(session), session.setup(), session.searching(), session.first() - START)
            };
            sessions.iter().map(facts).collect::<Vec<_>>()
        })
    };
    let (now, then) = (lines(&audit(mixed()).ledger), lines(&audit(later).ledger));
    let moved: Vec<_> = then
        .into_iter()
        .map(|(id, told, setup, searching, first)| (id, told, setup, searching, Span(first.0 - YEAR.0)))
        .collect();
    assert_eq!(now, moved);
}

#[test]
fn programs_read_sessions_with_the_ids_of_their_flows() {
    let audited =
        cap_audit::pipeline::run(&mut [cap_audit::source::MemorySource::new(mixed(), 256)], &citrix(), keeping());
    let case = Case::of(audited.expect("memory can be read"), Vec::new(), citrix());
    let conclusion = case.conclude();
    let report = cap_audit::report::Report::new(&conclusion);
    let mut json = Vec::new();
    cap_audit::report::write_json(&mut json, &report, &Default::default()).expect("memory takes everything");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
    let session = json["sessions"].as_array().expect("a list").iter().find(|it| it["transport"] == "ica").expect("one");
    assert_eq!(session["reliability"], false);
    assert_eq!(session["searching_us"], 18_000_000);
    assert_eq!(session["setup_us"], 18_030_000);
    assert_eq!(session["failed_first"]["what"], "cgp");
    assert_eq!(session["steps"][0]["outcome"], "silent");
    let ids: Vec<usize> =
        session["flows"].as_array().expect("a list").iter().map(|id| id.as_u64().expect("an id") as usize).collect();
    let ports: Vec<u64> =
        ids.iter().map(|id| json["flows"][id - 1]["server"]["port"].as_u64().expect("a port")).collect();
    assert_eq!(ports, [2598, 1494]);
}

/// A session of this client with this server over CGP that talks each ten seconds until the server's side resets it, at this second.
fn reset_at(user: u8, vda: u8, port: u16, from: i64, until: i64) -> Talk {
    let talk = Talk::between(client(&format!("10.0.0.{user}"), port), server(&format!("10.0.1.{vda}"), 2598));
    let talk = running(opened(talk.at(at(from * 1_000))), b"\x1aCGP/01 hello", until - from - 5);
    let rest = at(until * 1_000) - talk.now();
    talk.wait(rest).server_reset()
}

/// The same, and the user is back after some seconds.
fn reset_and_back(user: u8, vda: u8, from: i64, until: i64, after: i64) -> [Talk; 2] {
    let back = Talk::between(client(&format!("10.0.0.{user}"), 50_000), server(&format!("10.0.1.{vda}"), 2598));
    let back = back.at(at((until + after) * 1_000));
    [reset_at(user, vda, 40_000, from, until), running(opened(back), b"\x1aCGP/01 hello", 40).closed()]
}

fn resets(talks: impl IntoIterator<Item = Talk>) -> Vec<Finding> {
    found(&ledger_of(talks, 6_000), "path.reset")
}

fn number(finding: &Finding, name: &str) -> Option<u64> {
    match finding.params.get(name) {
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    }
}

#[test]
fn sessions_of_several_users_that_are_reset_at_once_are_told() {
    let ledger = ledger_of((1..=8).map(|user| reset_at(user, 22, 40_000, i64::from(user), 600)), 900);
    let [reset] = &found(&ledger, "path.reset")[..] else { panic!("it is told once") };
    assert_eq!(reset.params.get("pattern"), Some(&Value::Word("at-once")));
    assert_eq!(reset.params.get("at"), Some(&Value::Moment(at(600_000))));
    let numbers = ["sessions", "together", "times", "back", "idle"].map(|name| number(reset, name));
    assert_eq!(numbers, [Some(8), Some(8), Some(1), Some(0), Some(0)]);
    assert_eq!((reset.clients.len(), reset.servers.len(), reset.flow_count), (8, 1, 8));
    let texts = cap_audit::words::Words::default().finding(reset);
    assert!(texts.title.starts_with("8 sessions on TCP 2598 were reset at once"), "{}", texts.title);
}

#[test]
fn sessions_on_several_servers_that_are_reset_at_once_are_told_together() {
    let [reset] = &resets((1..=6).map(|user| reset_at(user, 20 + user, 40_000, 0, 600)))[..] else { panic!("once") };
    assert_eq!((reset.servers.len(), number(reset, "together")), (6, Some(6)));
    // One of another server in the same second is chance.
    let by_chance = reset_at(9, 40, 40_000, 0, 600);
    let talks = (1..=6).map(|user| reset_at(user, 22, 40_000, 0, 600)).chain([by_chance]);
    let [reset] = &resets(talks)[..] else { panic!("once") };
    assert_eq!((reset.servers.len(), number(reset, "together")), (1, Some(6)));
}

#[test]
fn a_stray_reset_shortly_before_does_not_tear_the_others_apart() {
    let with_stray = |user: u8| {
        let until = if user == 1 { 599_100 } else { 600_000 + 60 * i64::from(user) };
        let talk = Talk::between(client(&format!("10.0.0.{user}"), 40_000), server(VDA, 2598)).at(at(0));
        let talk = running(opened(talk), b"\x1aCGP/01 hello", 590);
        let rest = at(until) - talk.now();
        talk.wait(rest).server_reset()
    };
    let [reset] = &resets((1..=7).map(with_stray))[..] else { panic!("once") };
    assert_eq!((number(reset, "together"), number(reset, "times")), (Some(6), Some(1)));
}

#[test]
fn ordinary_ends_by_a_reset_are_not_told() {
    let one_by_one = (1..=8).map(|user| reset_at(user, 22, 40_000, 0, 300 + 100 * i64::from(user)));
    assert_eq!(resets(one_by_one), [], "one by one, and nobody comes back");
    let closing_time = (1..=60).map(|user| reset_at(user, 22, 40_000, 0, 600 + i64::from(user) / 4));
    assert_eq!(resets(closing_time), [], "four a second for a quarter of a minute are people who go home");
    assert_eq!(resets((1..=2).map(|user| reset_at(user, 22, 40_000, 0, 600))), [], "two may be chance");
    let one_user = (0..4).map(|number| reset_at(1, 22, 40_000 + number, 0, 600));
    assert_eq!(resets(one_user), [], "what one user does is no outage");
    let short = (1..=8).map(|user| reset_at(user, 22, 40_000, 0, 20));
    assert_eq!(resets(short), [], "monitors are short");
}

#[test]
fn resets_and_ends_by_the_client_are_not_told() {
    let ends = |end: fn(Talk) -> Talk| {
        let talk = move |user: u8| {
            let talk = Talk::between(client(&format!("10.0.0.{user}"), 40_000), server(VDA, 2598)).at(at(0));
            end(running(opened(talk), b"\x1aCGP/01 hello", 60))
        };
        resets((1..=8).map(talk))
    };
    assert_eq!(ends(Talk::server_reset).len(), 1);
    assert_eq!(ends(Talk::reset), []);
    assert_eq!(ends(|talk| talk.fin().server_reset()), [], "the client had closed it");
    assert_eq!(ends(|talk| talk.server_fin().server_reset()), [], "the server had closed it");
}

#[test]
fn users_who_come_back_did_not_want_it_to_end() {
    let back = |after: i64| (1..=4).flat_map(move |user| reset_and_back(user, 22, 0, 300 * i64::from(user), after));
    let [reset] = &resets(back(12))[..] else { panic!("it is told once") };
    assert_eq!(reset.params.get("pattern"), Some(&Value::Word("came-back")));
    assert_eq!((number(reset, "sessions"), number(reset, "back"), number(reset, "times")), (Some(4), Some(4), Some(0)));
    assert_eq!(resets(back(190)), [], "the server has given the session up");
    let ended = (10..=18).map(|user| reset_at(user, 22, 40_000, 0, 250 * i64::from(user)));
    assert_eq!(resets(back(12).chain(ended)), [], "where resets are how sessions end, some log on again");
    let one = (0..4).flat_map(|number| {
        let (from, port) = (100 * number, 40_000 + number as u16);
        [reset_at(1, 22, port, from, from + 60)]
    });
    assert_eq!(resets(one), [], "a probe that logs on again and again");
    // Each on a server of its own.
    let each = (1..=4).flat_map(|user| reset_and_back(user, 20 + user, 0, 300 * i64::from(user), 12));
    let [reset] = &resets(each)[..] else { panic!("it is told once") };
    assert_eq!(reset.servers.len(), 4);
}

#[test]
fn who_came_back_behind_a_shared_address_is_not_known() {
    // Five at a time behind one address: as one ends another begins.
    let staggered = |user: u8| {
        (0..12).map(move |number| {
            let from = 20 * i64::from(number);
            reset_at(user, 22, 40_000 + number, from, from + 105)
        })
    };
    assert_eq!(resets(staggered(1).chain(staggered(2))), []);
}

#[test]
fn resets_after_equal_silence_are_told_as_a_timer_only() {
    let ledger = that_break(&[3_600, 3_601, 3_604]);
    assert_eq!(found(&ledger, "path.idle-timeout").len(), 1);
    assert_eq!(found(&ledger, "path.reset"), []);
    let simultaneous = (1..=3).map(|user| {
        let talk = Talk::between(client(&format!("10.0.0.{user}"), 40_000), server(VDA, 2598)).at(at(0));
        running(opened(talk), b"\x1aCGP/01 hello", 30).ack().wait(Span::seconds(1_800)).server_reset()
    });
    assert_eq!(resets(simultaneous), []);
}

#[test]
fn a_gateway_that_is_blocked_at_many_servers_is_no_scanner() {
    let launch = |vda: u8| {
        let target = |port: u16| server(&format!("10.0.1.{vda}"), port);
        let start = i64::from(vda) * 10_000;
        let tries = |port, client_port, millis| {
            in_vain(Talk::between(client(CLIENT, client_port), target(port)).at(at(millis)))
        };
        [tries(2598, 40_000 + u16::from(vda), start), tries(1494, 41_000 + u16::from(vda), start + 21_000)]
    };
    let told = told_of((1..=15).flat_map(launch), 600);
    assert_eq!(told.len(), 15);
    assert!(told.iter().all(|session| session.steps.len() == 2), "{told:#?}");
    // Ports are scanned with a try each, whichever they are.
    let scan = (1..=15).flat_map(|vda: u8| {
        let once = move |port, client_port: u16| {
            let target = server(&format!("10.0.1.{vda}"), port);
            Talk::between(client(CLIENT, client_port + u16::from(vda)), target).at(at(i64::from(vda) * 100)).syn()
        };
        [once(2598, 40_000), once(1494, 41_000)]
    });
    assert_eq!(told_of(scan, 600), []);
}

#[test]
fn a_new_try_after_a_pause_is_a_launch_of_its_own() {
    let failed = || [in_vain(tcp(2598, 40_001, 0)), in_vain(tcp(1494, 40_002, 21_000))];
    let after = |millis: i64| {
        let ledger = ledger_of(failed().into_iter().chain([cgp_session(40_003, millis, 60)]), 300);
        with_sessions(&ledger, |sessions| {
            sessions.iter().map(|session| (session.parts.len(), session.searching())).collect::<Vec<_>>()
        })
    };
    // The last packet of the launch that failed is that of 30 s.
    assert_eq!(after(84_000), [(2, None), (1, None)], "after 54 s");
    assert_eq!(after(42_000), [(3, Some(Span::seconds(42)))], "the client goes on");
    // A way that was not tried yet is the next one of a patient client.
    let next = [in_vain(tcp(2598, 40_001, 0)), ica_session(40_002, 9_000 + 55_000, 60)];
    assert_eq!(told_of(next, 300).len(), 1);
}
