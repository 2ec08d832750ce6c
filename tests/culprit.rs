//! Who is behind a problem: each sign, what several come to, and where nobody is named.

mod support;

use cap_audit::case::Case;
use cap_audit::finding::Confidence;
use cap_audit::ledger::Ledger;
use cap_audit::ledger::written::CaptureNames;
use cap_audit::packet::LinkType;
use cap_audit::problem::{Culprit, Problem, Suspect};
use cap_audit::time::Span;
use cap_audit::words::Words;
use support::{Captured, START, Talk, address, audit, citrix, client, meanwhile, merge, server};

const CLIENT: &str = "10.0.0.14";
const SERVER: &str = "10.1.0.22";
const ROUTER: &str = "10.0.9.1";
const CGP: u16 = 2598;
const HELLO: &[u8] = b"\x1aCGP/01\x00\x16Citrix.TcpProxyService";
/// A server that begins with 128 and lies behind three routers.
const TTL: u8 = 125;

fn problems(ledger: &Ledger) -> Vec<Problem> {
    Case { ledger: ledger.clone(), ..Case::new(citrix()) }.conclude().problems
}

/// Who is behind the only problem in these talks that is about something blocked.
fn culprit(talks: impl IntoIterator<Item = Vec<Captured>>) -> Culprit {
    let packets = merge(talks.into_iter().chain([meanwhile(START + Span::seconds(200))]));
    of(&audit(packets).ledger)
}

fn of(ledger: &Ledger) -> Culprit {
    let mut culprits: Vec<Culprit> = problems(ledger).into_iter().filter_map(|it| it.culprit).collect();
    assert_eq!(culprits.len(), 1, "{culprits:#?}");
    culprits.remove(0)
}

fn codes(culprit: &Culprit) -> Vec<&'static str> {
    culprit.signs.iter().map(|sign| sign.code).collect()
}

fn doubts(culprit: &Culprit) -> Vec<&'static str> {
    culprit.doubts.iter().map(|doubt| doubt.code).collect()
}

fn told(culprit: &Culprit) -> (Suspect, Confidence) {
    (culprit.kind, culprit.confidence)
}

fn at(seconds: i64) -> cap_audit::time::Timestamp {
    START + Span::seconds(seconds)
}

fn between(from: &str, client_port: u16, to: &str, port: u16) -> Talk {
    Talk::between(client(from, client_port), server(to, port))
}

fn talk(client_port: u16, port: u16) -> Talk {
    between(CLIENT, client_port, SERVER, port)
}

/// A flow that the server answers after 10 ms, from behind three routers.
fn answered(talk: Talk, ttl: u8) -> Vec<Captured> {
    let opened = talk.syn().wait(Span::millis(10)).syn_ack().with_ttl(ttl).ack();
    opened.says(b"GET").answers(b"200").closed().packets()
}

/// The server answers on another port before, meanwhile and after, and so shows how its packets look.
fn known(ttl: u8) -> Vec<Captured> {
    merge((0..3).map(|number| answered(talk(41_000 + number, 443).at(at(20 * i64::from(number))), ttl)))
}

/// SYNs that a reset answers, and after how many microseconds.
fn refused(micros: i64) -> Talk {
    talk(50_001, CGP).at(at(5)).syn().wait(Span::micros(micros)).refused().with_window(0)
}

/// Three SYNs within nine seconds and no answer.
fn tries(talk: Talk) -> Vec<Captured> {
    talk.syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again().packets()
}

// Resets that answer a SYN.

#[test]
fn a_reset_like_the_server_s_own_packets_is_the_server_s_or_of_a_firewall_on_it() {
    let culprit = culprit([known(TTL), refused(10_200).with_ttl(TTL).packets()]);
    assert_eq!(told(&culprit), (Suspect::Server, Confidence::Medium), "{culprit:#?}");
    assert_eq!(culprit.address, Some(address(SERVER)));
    let signs = ["sign-reset-ttl-same", "sign-reset-delay-same", "sign-reset-identification-same"];
    assert_eq!(codes(&culprit), signs);
    assert!(culprit.not_excluded.contains(&Suspect::HostFirewall) && doubts(&culprit).contains(&"doubt-same-reset"));
    let words = Words::default().culprit(&culprit);
    let line = "the server itself, 10.1.0.22 (medium confidence). The resets came with TTL 125, as the server's own packets do.";
    assert_eq!(words, line);
}

#[test]
fn a_reset_that_differs_in_several_respects_comes_from_a_device() {
    // 128 - 125 is three routers away, 64 - 62 two.
    let culprit = culprit([known(TTL), refused(300).with_ttl(62).with_id(0).packets()]);
    assert_eq!(told(&culprit), (Suspect::Middlebox, Confidence::High), "{culprit:#?}");
    assert_eq!(codes(&culprit), ["sign-reset-ttl", "sign-reset-fast", "sign-reset-identification"]);
    assert_eq!((culprit.address, culprit.not_excluded.len()), (None, 0), "nobody knows where it is");
    let words = Words::default();
    let signs: Vec<String> = culprit.signs.iter().map(|sign| words.say(sign.code, &sign.params)).collect();
    assert_eq!(signs[0], "The resets came with TTL 62; the server's own packets come with TTL 125.");
    assert_eq!(
        signs[1],
        "The resets came 0.30 ms after what they answer; the server's own answers take 10.00 ms at least."
    );
}

#[test]
fn one_handshake_does_not_show_that_resets_come_too_fast() {
    let answers = |number: u16| (0..number).map(|it| answered(talk(41_000 + it, 443).at(at(20 * i64::from(it))), TTL));
    let fast = |number, micros| {
        let culprit = culprit(answers(number).chain([refused(micros).with_ttl(TTL).packets()]));
        codes(&culprit).contains(&"sign-reset-fast")
    };
    assert!(!fast(1, 300) && !fast(2, 300), "the first answer may take longer");
    assert!(fast(3, 300) && !fast(3, 4_000), "4 ms of 10 is no clear difference");
}

#[test]
fn one_sign_alone_is_never_more_than_a_guess() {
    let ttl = culprit([known(TTL), refused(10_000).with_ttl(62).packets()]);
    assert_eq!(ttl.confidence, Confidence::Low, "{ttl:#?}");
    let delay = culprit([known(TTL), refused(300).with_ttl(TTL).packets()]);
    assert_eq!(
        told(&delay),
        (Suspect::Unknown, Confidence::Low),
        "as far as the server, and faster than it: {delay:#?}"
    );
    assert!(doubts(&delay).contains(&"doubt-contradiction"));
}

#[test]
fn routes_and_start_values_alone_accuse_nobody() {
    let route = culprit([known(TTL), refused(10_000).with_ttl(TTL - 1).packets()]);
    assert_eq!(route.kind, Suspect::Unknown, "{route:#?}");
    assert!(codes(&route).contains(&"sign-reset-ttl-near"));
    // 255 - 252 are three routers as well: some systems send resets with another start value.
    let start = culprit([known(TTL), refused(10_000).with_ttl(252).packets()]);
    assert_eq!(start.kind, Suspect::Unknown, "{start:#?}");
    assert!(codes(&start).contains(&"sign-reset-ttl-start"));
}

#[test]
fn a_reset_sent_on_the_captured_link_is_not_of_a_server_behind_a_router() {
    let culprit = culprit([known(63), refused(300).with_ttl(64).packets()]);
    assert_eq!(told(&culprit), (Suspect::Middlebox, Confidence::Medium), "{culprit:#?}");
    assert!(codes(&culprit).starts_with(&["sign-reset-ttl-local", "sign-reset-fast"]));
}

#[test]
fn a_reset_that_copies_the_client_is_a_device_s() {
    let syn = talk(50_001, CGP).at(at(5)).syn();
    // A talk counts the client's identifications up from 0x4000, and has one window.
    let culprit = culprit([syn.refused().with_id(0x4001).packets()]);
    assert_eq!(told(&culprit), (Suspect::Middlebox, Confidence::Medium), "{culprit:#?}");
    assert_eq!(codes(&culprit), ["sign-reset-copies-identification", "sign-reset-copies-window"]);
    assert!(doubts(&culprit).contains(&"doubt-no-comparison"));
}

#[test]
fn without_packets_of_the_server_nothing_is_compared() {
    let alone = culprit([refused(300).with_ttl(62).packets()]);
    assert_eq!(told(&alone), (Suspect::Unknown, Confidence::Low), "{alone:#?}");
    assert!(codes(&alone).is_empty() && doubts(&alone).contains(&"doubt-no-comparison"));
    let all = [Suspect::Server, Suspect::HostFirewall, Suspect::Middlebox];
    assert_eq!(alone.not_excluded, all);
}

#[test]
fn packets_of_another_capture_are_not_compared() {
    let mut captures = CaptureNames::default();
    let mut sum = Ledger::default();
    for (name, packets) in [("there", known(TTL)), ("here", refused(300).with_ttl(62).packets())] {
        let mut written = Vec::new();
        audit(packets).ledger.write(&citrix(), &[name], &mut written).expect("memory takes everything");
        sum += &Ledger::read(&mut &written[..], &citrix(), &mut captures).expect("as it was written");
    }
    let apart = of(&sum);
    assert_eq!(told(&apart), (Suspect::Unknown, Confidence::Low), "{apart:#?}");
    assert!(doubts(&apart).contains(&"doubt-no-comparison"));
}

#[test]
fn a_server_that_answers_although_it_was_said_to_refuse_did_not_refuse() {
    let forged = refused(300).with_ttl(62).wait(Span::millis(10)).syn_ack().with_ttl(TTL).reset();
    let culprit = culprit([known(TTL), forged.packets()]);
    assert_eq!(told(&culprit), (Suspect::Middlebox, Confidence::High), "{culprit:#?}");
    assert_eq!(codes(&culprit)[0], "sign-server-went-on");
    assert_eq!(culprit.not_excluded, []);
}

#[test]
fn a_port_that_answers_others_at_that_time_is_not_closed() {
    let again = talk(50_002, CGP).at(at(40)).syn().wait(Span::millis(10)).refused().with_window(0).with_ttl(TTL);
    let other = answered(between("10.0.0.15", 40_001, SERVER, CGP).at(at(20)), TTL);
    let first = || refused(10_200).with_ttl(TTL).packets();
    let some = culprit([known(TTL), first(), other, again.packets()]);
    assert_eq!(told(&some), (Suspect::Unknown, Confidence::Low), "{some:#?}");
    assert!(codes(&some).contains(&"sign-answers-others"));
    assert_eq!(some.not_excluded, [Suspect::HostFirewall, Suspect::Middlebox]);
    // Answered before, refused since: it went down.
    let before = answered(between("10.0.0.15", 40_001, SERVER, CGP).at(at(1)), TTL);
    let down = culprit([known(TTL), first(), before]);
    assert_eq!(down.kind, Suspect::Server, "{down:#?}");
    assert!(!codes(&down).contains(&"sign-answers-others"));
}

#[test]
fn a_server_that_refuses_now_and_then_is_not_filtered() {
    let refuse = |from: &str, port: u16, second: i64| {
        let syn = between(from, port, SERVER, CGP).at(at(second)).syn().wait(Span::millis(10));
        syn.refused().with_window(0).with_ttl(TTL).packets()
    };
    let answer = |from: &str, port: u16, second: i64| answered(between(from, port, SERVER, CGP).at(at(second)), TTL);
    // The same clients are answered in between, and one other.
    let clients = ["10.0.0.14", "10.0.0.15"];
    let same =
        |port: u16, first: i64| clients.map(|it| merge([refuse(it, port, first), answer(it, port + 1, first + 5)]));
    let busy = culprit(same(50_001, 5).into_iter().chain(same(50_003, 20)).chain([answer("10.0.0.16", 50_001, 12)]));
    assert_eq!(told(&busy), (Suspect::Server, Confidence::High), "{busy:#?}");
    let signs = codes(&busy);
    assert!(signs.contains(&"sign-answers-these") && !signs.contains(&"sign-answers-others"), "{signs:?}");
    // Some clients here and there, each once, and their neighbours are answered.
    let some = ["10.0.0.14", "10.0.0.15", "10.0.0.16"].map(|it| refuse(it, 50_001, 10));
    let more = ["10.0.0.14", "10.0.0.15", "10.0.0.16"].map(|it| refuse(it, 50_002, 30));
    let busy = culprit(some.into_iter().chain(more).chain([answer("10.0.0.17", 50_001, 20), known(TTL)]));
    assert_eq!(told(&busy), (Suspect::Server, Confidence::Medium), "{busy:#?}");
}

// Resets in a connection.

fn cut(client_port: u16, second: i64, delay: Span) -> Talk {
    let opened = talk(client_port, CGP).at(at(second)).syn().wait(Span::millis(10)).syn_ack().with_ttl(TTL).ack();
    opened.says(HELLO).wait(delay).server_reset().with_window(0)
}

#[test]
fn a_reset_after_the_greeting_is_told_by_the_syn_ack_of_its_own_flow() {
    let one = culprit([cut(50_001, 1, Span::micros(400)).with_ttl(62).packets()]);
    assert_eq!(codes(&one), ["sign-reset-ttl", "sign-reset-after-greeting"], "one handshake shows no usual time");
    let several = (0..3).map(|it| cut(50_001 + it, 1 + i64::from(it), Span::micros(400)).with_ttl(62).packets());
    let device = culprit(several);
    assert_eq!(told(&device), (Suspect::Middlebox, Confidence::High), "{device:#?}");
    assert_eq!(codes(&device), ["sign-reset-ttl", "sign-reset-fast", "sign-reset-after-greeting"]);
    let server = culprit([cut(50_001, 1, Span::millis(12)).with_ttl(TTL).packets()]);
    assert_eq!(told(&server), (Suspect::Server, Confidence::Medium), "{server:#?}");
    assert!(server.not_excluded.contains(&Suspect::Middlebox), "a device that imitates it");
}

#[test]
fn a_server_that_speaks_on_after_the_reset_did_not_send_it() {
    let forged = cut(50_001, 1, Span::millis(2)).with_ttl(250).wait(Span::millis(8)).answers(HELLO).reset();
    let culprit = culprit([forged.packets()]);
    assert_eq!(told(&culprit), (Suspect::Middlebox, Confidence::High), "{culprit:#?}");
    assert_eq!(codes(&culprit)[0], "sign-server-went-on");
}

#[test]
fn resets_without_the_options_of_the_server_s_own_are_a_sign() {
    let session = talk(42_000, 443).at(at(2)).syn().wait(Span::millis(10)).syn_ack().with_ttl(TTL).ack();
    let session = session.says(b"GET").answers(b"200").server_reset().with_options().packets();
    let culprit = culprit([session, cut(50_001, 1, Span::millis(12)).with_ttl(250).packets()]);
    assert!(codes(&culprit).contains(&"sign-reset-options"), "{culprit:#?}");
    assert_eq!(culprit.kind, Suspect::Middlebox);
}

// ICMP errors.

fn rejected(kind: u8, code: u8, sender: &str, ttl: u8) -> Vec<Captured> {
    talk(50_001, CGP).at(at(5)).syn().wait(Span::millis(1)).error(sender, kind, code).with_ttl(ttl).packets()
}

#[test]
fn a_router_that_prohibits_is_named_with_its_address() {
    let culprit = culprit([known(TTL), rejected(3, 13, ROUTER, 63)]);
    assert_eq!(told(&culprit), (Suspect::Middlebox, Confidence::High), "{culprit:#?}");
    assert_eq!((culprit.address, culprit.not_excluded.len()), (Some(address(ROUTER)), 0));
    assert!(codes(&culprit).starts_with(&["sign-icmp-device", "sign-icmp-not-server", "sign-icmp-nearer"]));
    let told = Words::default().culprit(&culprit);
    assert!(
        told.starts_with("a device on the way, 10.0.9.1 (high confidence). 10.0.9.1 rejected the packets: "),
        "{told}"
    );
}

#[test]
fn the_same_without_anything_to_compare_with_is_less_sure() {
    let culprit = culprit([rejected(3, 13, ROUTER, 63)]);
    assert_eq!(told(&culprit), (Suspect::Middlebox, Confidence::Medium), "{culprit:#?}");
}

#[test]
fn a_server_that_prohibits_has_a_firewall_unless_its_messages_come_from_elsewhere() {
    let own = culprit([known(TTL), rejected(3, 10, SERVER, TTL)]);
    assert_eq!(told(&own), (Suspect::HostFirewall, Confidence::High), "{own:#?}");
    assert_eq!(own.address, Some(address(SERVER)));
    // Another start value for ICMP, and as far away.
    let icmp = culprit([known(TTL), rejected(3, 10, SERVER, 61)]);
    assert_eq!(icmp.kind, Suspect::HostFirewall, "{icmp:#?}");
    let forged = culprit([known(120), rejected(3, 10, SERVER, 63)]);
    assert_eq!(
        told(&forged),
        (Suspect::Middlebox, Confidence::Medium),
        "one hop away in the name of a server eight hops away: {forged:#?}"
    );
    assert!(codes(&forged).contains(&"sign-icmp-ttl"));
}

#[test]
fn a_tcp_port_that_answers_with_icmp_is_a_firewall_s() {
    let culprit = culprit([known(TTL), rejected(3, 3, SERVER, TTL)]);
    assert_eq!(told(&culprit), (Suspect::HostFirewall, Confidence::High), "{culprit:#?}");
    assert_eq!(codes(&culprit)[0], "sign-icmp-instead-of-reset");
}

#[test]
fn a_udp_port_that_is_said_to_be_closed_is_the_server_s() {
    let asks = Talk::udp(client(CLIENT, 50_001), server(SERVER, CGP)).at(at(5)).says(b"hello");
    let culprit = culprit([known(TTL), asks.wait(Span::millis(9)).error(SERVER, 3, 3).with_ttl(TTL).packets()]);
    assert_eq!(told(&culprit), (Suspect::Server, Confidence::Medium), "{culprit:#?}");
    assert!(doubts(&culprit).contains(&"doubt-same-rejection"), "a firewall says the same by default");
}

#[test]
fn a_router_that_finds_no_host_or_no_route_is_not_to_blame() {
    let host = culprit([rejected(3, 1, ROUTER, 63)]);
    assert_eq!(told(&host), (Suspect::Server, Confidence::Medium), "{host:#?}");
    assert_eq!(codes(&host), ["sign-icmp-no-host", "sign-never-heard"]);
    let route = culprit([rejected(3, 0, ROUTER, 63)]);
    assert_eq!(told(&route), (Suspect::NetworkPath, Confidence::Medium), "{route:#?}");
    // It answers others at that time, so it is not down.
    let alive = culprit([known(TTL), rejected(3, 1, ROUTER, 63), {
        talk(50_002, CGP).at(at(30)).syn().error(ROUTER, 3, 1).with_ttl(63).packets()
    }]);
    assert_eq!(told(&alive), (Suspect::NetworkPath, Confidence::Low), "{alive:#?}");
}

// Silence.

#[test]
fn silence_of_a_server_that_lives_is_a_filter_that_nobody_can_place() {
    let culprit = culprit([answered(talk(41_000, 443).at(at(20)), TTL), tries(talk(50_001, CGP).at(at(15)))]);
    assert_eq!(told(&culprit), (Suspect::Unknown, Confidence::Low), "{culprit:#?}");
    assert_eq!(codes(&culprit), ["sign-alive"]);
    let possible = [Suspect::Server, Suspect::HostFirewall, Suspect::Middlebox];
    assert_eq!(culprit.not_excluded, possible);
    assert_eq!(doubts(&culprit), ["doubt-stealth", "doubt-silence"]);
    let told = Words::default().culprit(&culprit);
    let line = "cannot be told; possible are the server itself, a firewall on the server, a device on the way. 10.1.0.22 answered \
                other flows of the same network in the meantime, such as on TCP 443.";
    assert_eq!(told, line);
}

#[test]
fn silence_of_a_server_that_answered_at_other_times_is_a_weaker_sign() {
    let around = [5, 60].map(|second| answered(talk(41_000 + second as u16, 443).at(at(second)), TTL));
    let culprit = culprit([merge(around), tries(talk(50_001, CGP).at(at(20)))]);
    assert_eq!(codes(&culprit), ["sign-alive-before-and-after"], "{culprit:#?}");
    assert_eq!(culprit.kind, Suspect::Unknown);
}

#[test]
fn silence_of_a_server_that_nobody_ever_heard_may_be_anything() {
    let culprit = culprit([tries(talk(50_001, CGP).at(at(15)))]);
    assert_eq!(told(&culprit), (Suspect::Unknown, Confidence::Low), "{culprit:#?}");
    assert_eq!(codes(&culprit), ["sign-never-heard"]);
    assert_eq!(culprit.not_excluded.len(), 4, "the path as well");
}

#[test]
fn what_was_answered_before_and_after_may_have_restarted() {
    let around = [2, 70].map(|second| answered(talk(41_000 + second as u16, CGP).at(at(second)), TTL));
    let beside = answered(between(CLIENT, 41_001, "10.1.0.23", CGP).at(at(30)), TTL);
    let restarted = culprit([merge(around), beside, tries(talk(50_001, CGP).at(at(20)))]);
    assert_ne!(restarted.kind, Suspect::HostFirewall, "{restarted:#?}");
    assert!(codes(&restarted).contains(&"sign-answers-these") && restarted.not_excluded.contains(&Suspect::Server));
}

#[test]
fn a_client_that_nobody_answers_is_suspected_itself() {
    let silent =
        || (21..=24).map(|server| tries(between("10.0.0.9", 50_001, &format!("10.1.0.{server}"), CGP).at(at(15))));
    let others = || {
        let to = (21..=24).flat_map(|server| [CGP, 443].map(|port| (format!("10.1.0.{server}"), port)));
        to.map(|(server, port)| answered(between(CLIENT, 40_000 + port, &server, port).at(at(20)), TTL))
    };
    let alone = culprit(silent().chain(others()));
    assert_eq!(told(&alone), (Suspect::ClientHost, Confidence::Low), "{alone:#?}");
    assert_eq!((codes(&alone), alone.address), (vec!["sign-client-unanswered"], Some(address("10.0.0.9"))));
    assert_eq!(alone.not_excluded, [Suspect::Middlebox, Suspect::NetworkPath]);
    // Whoever gets an answer elsewhere has a network.
    let elsewhere = answered(between("10.0.0.9", 40_001, "10.1.0.80", 443).at(at(20)), TTL);
    let filtered = culprit(silent().chain(others()).chain([elsewhere]));
    assert_ne!(filtered.kind, Suspect::ClientHost, "{filtered:#?}");
    // And so has whoever answers others.
    let serves = answered(between(CLIENT, 41_001, "10.0.0.9", 443).at(at(20)), TTL);
    let server = culprit(silent().chain(others()).chain([serves]));
    assert_ne!(server.kind, Suspect::ClientHost, "{server:#?}");
    assert!(!codes(&server).contains(&"sign-client-unanswered"), "{server:#?}");
}

#[test]
fn a_server_that_answers_its_own_network_only_may_lie_behind_a_device() {
    let silent = || tries(talk(50_001, CGP).at(at(15)));
    let port_of = |client: &str| answered(between(client, 41_001, SERVER, CGP).at(at(20)), TTL);
    let beside = culprit([silent(), port_of("10.1.0.77")]);
    assert_ne!(told(&beside), (Suspect::HostFirewall, Confidence::Medium), "{beside:#?}");
    assert!(beside.confidence == Confidence::Low && codes(&beside).contains(&"sign-answers-others"), "{beside:#?}");
}

/// The last answer of the link to who has this address.
fn answers_arp(host: [u8; 4], second: i64) -> Captured {
    let (at, link, length, mut frame) = asked_for([10, 1, 0, 1], second);
    // An answer (RFC 826): operation 2, from that host.
    frame[21] = 2;
    frame[28..32].copy_from_slice(&host);
    (at, link, length, frame)
}

#[test]
fn whoever_answered_anybody_was_heard() {
    let silent = || tries(talk(50_001, CGP).at(at(15)));
    let scanned = between("10.0.0.66", 40_000, SERVER, 5_999).at(at(16)).syn().refused().packets();
    let itself = between(SERVER, 40_000, "10.9.0.1", 5_999).at(at(16)).opened().packets();
    for life in [scanned, itself, vec![answers_arp([10, 1, 0, 22], 16)]] {
        let culprit = culprit([life, silent()]);
        assert!(!codes(&culprit).contains(&"sign-never-heard"), "{culprit:#?}");
    }
}

#[test]
fn old_sessions_that_go_on_speak_for_a_filter_that_keeps_them() {
    let session = |last| {
        let opened = talk(41_000, CGP).at(at(0)).opened().says(HELLO).answers(HELLO);
        opened.wait(Span::seconds(last)).says(b"more").answers(b"more").packets()
    };
    let filter = culprit([session(60), tries(talk(50_001, CGP).at(at(15)))]);
    assert_eq!(codes(&filter), ["sign-old-sessions"], "{filter:#?}");
    assert_eq!(filter.not_excluded, [Suspect::Server, Suspect::HostFirewall, Suspect::Middlebox]);
    assert_eq!(doubts(&filter), ["doubt-full", "doubt-silence"]);
    let over = culprit([session(5), tries(talk(50_001, CGP).at(at(15)))]);
    assert!(!codes(&over).contains(&"sign-old-sessions"), "{over:#?}");
    assert!(over.not_excluded.contains(&Suspect::NetworkPath));
}

#[test]
fn a_network_that_reaches_the_neighbours_is_not_cut_off_on_the_way() {
    let hit = (1..=3).map(|it| tries(between(&format!("10.7.0.{it}"), 50_001, SERVER, CGP).at(at(15))));
    let others = answered(between("10.8.0.1", 50_001, SERVER, CGP).at(at(20)), TTL);
    let way = culprit(hit.clone().chain([others.clone()]));
    assert_eq!(way.kind, Suspect::Middlebox, "{way:#?}");
    let neighbour = answered(between("10.7.0.1", 50_002, "10.1.0.23", CGP).at(at(20)), TTL);
    let host = culprit(hit.chain([others, neighbour]));
    assert_eq!(told(&host), (Suspect::HostFirewall, Confidence::Medium), "{host:#?}");
    assert!(host.not_excluded.contains(&Suspect::Middlebox) && doubts(&host).contains(&"doubt-single-rule"));
}

/// A router on the server's link asks who has this address.
fn asked_for(host: [u8; 4], second: i64) -> Captured {
    let mut frame = [0xff; 6].to_vec();
    frame.extend([2, 0, 0, 0, 0, 1, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 1, 0, 1]);
    frame.extend([0; 6]);
    frame.extend(host);
    (at(second), LinkType::ETHERNET, frame.len() as u32, frame)
}

#[test]
fn a_server_for_which_its_own_link_asks_in_vain_is_down() {
    let requests = || (15..18).map(|second| asked_for([10, 1, 0, 22], second)).collect::<Vec<_>>();
    let down = culprit([requests(), tries(talk(50_001, CGP).at(at(15)))]);
    assert_eq!(told(&down), (Suspect::Server, Confidence::High), "{down:#?}");
    assert_eq!(codes(&down), ["sign-unanswered-requests", "sign-never-heard"]);
    assert_eq!((down.not_excluded.as_slice(), doubts(&down)), (&[Suspect::NetworkPath][..], vec!["doubt-address"]));
    // Asked for in vain, and answering all the same: the requests alone say nothing.
    let alive = culprit([requests(), known(TTL), tries(talk(50_001, CGP).at(at(15)))]);
    assert!(alive.kind == Suspect::Unknown || alive.confidence == Confidence::Low, "{alive:#?}");
}

fn farm(server: u8, port: u16, second: i64) -> Talk {
    between(CLIENT, 42_000 + u16::from(server), &format!("10.1.0.{server}"), port).at(at(second))
}

#[test]
fn many_servers_that_live_and_are_silent_on_one_port_stand_behind_a_device() {
    let silent = (1..=4).map(|server| tries(farm(server, CGP, 15)));
    let alive = (1..=4).map(|server| answered(farm(server, 443, 20), TTL));
    let culprit = culprit(silent.chain(alive));
    assert_eq!(told(&culprit), (Suspect::Middlebox, Confidence::Medium), "{culprit:#?}");
    assert_eq!(codes(&culprit), ["sign-many-servers", "sign-alive"]);
    assert!(culprit.not_excluded.contains(&Suspect::HostFirewall), "they may all be set up alike");
}

#[test]
fn one_server_that_lives_and_is_silent_among_neighbours_that_answer_is_its_own_trouble() {
    let talks = [tries(farm(1, CGP, 15)), answered(farm(1, 443, 20), TTL), answered(farm(2, CGP, 20), TTL)];
    let culprit = culprit(talks);
    // A device on the way may have a rule for this one server.
    assert_eq!(told(&culprit), (Suspect::HostFirewall, Confidence::Low), "{culprit:#?}");
    assert!(culprit.not_excluded.contains(&Suspect::Middlebox));
    assert_eq!(codes(&culprit), ["sign-alive", "sign-neighbours-answer"]);
    assert!(culprit.not_excluded.contains(&Suspect::Server), "a Windows firewall is silent where nothing listens");
}

#[test]
fn a_whole_network_that_fails_where_others_pass_is_cut_off_on_the_way() {
    let failing = (1..=3).map(|host| tries(between(&format!("10.0.5.{host}"), 50_001, SERVER, CGP).at(at(15))));
    let passing = (1..=3).map(|host| answered(between(&format!("10.0.6.{host}"), 50_001, SERVER, CGP).at(at(20)), TTL));
    let cut_off = culprit(failing.clone().chain(passing.clone()));
    assert_eq!(told(&cut_off), (Suspect::Middlebox, Confidence::Medium), "{cut_off:#?}");
    assert_eq!(codes(&cut_off), ["sign-whole-networks", "sign-answers-others"]);
    assert!(cut_off.not_excluded.contains(&Suspect::HostFirewall), "its rules may name networks");
    // One of the network got through.
    let through = answered(between("10.0.5.9", 50_001, SERVER, CGP).at(at(20)), TTL);
    let some = culprit(failing.chain(passing).chain([through]));
    assert!(!codes(&some).contains(&"sign-whole-networks"), "{some:#?}");
}

// Half a handshake.

fn half_open(client_ttl: u8, server_ttl: u8) -> Culprit {
    let mut talk = talk(50_001, CGP).at(at(5)).syn().with_ttl(client_ttl).syn_ack().with_ttl(server_ttl);
    for _ in 0..3 {
        talk = talk.wait(Span::seconds(2)).syn_ack_again().with_ttl(server_ttl);
    }
    culprit([talk.packets()])
}

#[test]
fn an_answer_that_is_never_acknowledged_is_lost_behind_the_place_of_the_capture() {
    let at_client = half_open(64, 125);
    assert_eq!(told(&at_client), (Suspect::ClientHost, Confidence::Medium), "{at_client:#?}");
    assert_eq!(at_client.address, Some(address(CLIENT)));
    let at_server = half_open(61, 128);
    assert_eq!(told(&at_server), (Suspect::NetworkPath, Confidence::Medium), "{at_server:#?}");
    assert!(at_server.not_excluded.contains(&Suspect::ClientHost));
    let between = half_open(61, 125);
    assert_eq!(told(&between), (Suspect::Unknown, Confidence::Low), "{between:#?}");
    assert_eq!(codes(&between), ["sign-not-acknowledged"]);
}

// Where nothing is looked into.

#[test]
fn what_is_not_sure_itself_accuses_nobody() {
    // The server's side is missing: data and ACKs of the client show that it was answered.
    let one_side = |number: u16| {
        let talk = between(CLIENT, 43_000 + number, SERVER, 443).at(at(1)).syn().syn_ack().unseen().ack();
        talk.says(b"GET").answers(b"200").unseen().ack().says(b"GET").packets()
    };
    let half = merge((0..4).map(one_side));
    let culprit = culprit([half, tries(talk(50_001, CGP).at(at(15)))]);
    assert_eq!(told(&culprit), (Suspect::Unknown, Confidence::Low), "{culprit:#?}");
    assert!(codes(&culprit).is_empty());
    assert_eq!(doubts(&culprit), ["doubt-one-direction"]);
}
