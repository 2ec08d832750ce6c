//! What took the place of what, and launches that failed: told where the times and both sides show it, and silent where they do not.
//! The times are documented: EDT has half a second before TCP, and is tried again every five minutes (facts ADP-04 and ADP-06).

mod support;

use cap_audit::finding::{Confidence, Finding, Severity, Value};
use cap_audit::time::{Span, Timestamp};
use support::{Audited, Captured, Talk, audit, broken_findings, client, meanwhile, merge, server};

const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000_000);
const CLIENT: &str = "10.0.0.14";
const VDA: &str = "10.0.0.22";
const GATEWAY: &str = "10.0.0.30";
const CGP: u16 = 2598;
const ICA: u16 = 1494;
const ICA_GREETING: &[u8] = b"\x7f\x7fICA\0";
const CGP_GREETING: &[u8] = b"\x1aCGP/01\x00\x16Citrix.TcpProxyService";

fn at(millis: i64) -> Timestamp {
    BEGIN + Span::millis(millis)
}

fn tcp(from: (&str, u16), to: (&str, u16)) -> Talk {
    Talk::between(client(from.0, from.1), server(to.0, to.1)).at(BEGIN)
}

fn udp(from: (&str, u16), to: (&str, u16)) -> Talk {
    Talk::udp(client(from.0, from.1), server(to.0, to.1)).at(BEGIN)
}

/// A session over CGP or ICA, from this moment on, for this number of seconds.
fn session(from: (&str, u16), to: (&str, u16), since: i64, seconds: i64) -> Talk {
    let greeting = if to.1 == ICA { ICA_GREETING } else { CGP_GREETING };
    let mut talk = tcp(from, to).at(at(since)).opened().says(greeting).answers(greeting);
    let end = at(since + seconds * 1_000);
    while talk.now() < end {
        let step = Span::seconds(20).min(end - talk.now());
        talk = talk.wait(step).says(b"keys").answers(b"screen");
    }
    talk
}

/// Handshakes of EDT every quarter of a second, without an answer.
fn edt_tries(from: (&str, u16), since: i64, tries: usize) -> Talk {
    let step = |talk: Talk, _| talk.says(&udt_handshake()).wait(Span::millis(250));
    (0..tries).fold(udp(from, (VDA, CGP)).at(at(since)), step)
}

/// SYNs without an answer, as a client sends them in seven seconds.
fn dropped(from: (&str, u16), to: (&str, u16), since: i64) -> Vec<Captured> {
    let again = |talk: Talk, wait| talk.wait(Span::seconds(wait)).syn_again();
    [1, 2, 4].into_iter().fold(tcp(from, to).at(at(since)).syn(), again).packets()
}

/// The capture goes on until this number of seconds after its beginning.
fn found(talks: impl IntoIterator<Item = Vec<Captured>>, until: i64) -> Vec<Finding> {
    broken_findings(&audited(talks, until))
}

fn audited(talks: impl IntoIterator<Item = Vec<Captured>>, until: i64) -> Audited {
    let end = at(until * 1_000);
    // `meanwhile` begins earlier than these talks, and keeps the capture running.
    let running = meanwhile(end).into_iter().filter(|packet| packet.0 >= BEGIN).collect();
    audit(merge(talks.into_iter().chain([running])))
}

fn codes(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.code).collect()
}

fn one<'a>(findings: &'a [Finding], code: &str) -> &'a Finding {
    let mut of = findings.iter().filter(|finding| finding.code == code);
    let only = of.next().unwrap_or_else(|| panic!("no {code}: {:?}", codes(findings)));
    assert!(of.next().is_none(), "{code} twice");
    only
}

fn number(finding: &Finding, name: &str) -> u64 {
    match finding.params.get(name) {
        Some(&Value::Number(number)) => number,
        other => panic!("{name}: {other:?}"),
    }
}

fn word(finding: &Finding, name: &str) -> &'static str {
    match finding.params.get(name) {
        Some(&Value::Word(word)) => word,
        other => panic!("{name}: {other:?}"),
    }
}

/// What rests on blocks names them all.
fn assert_rests_on(finding: &Finding, findings: &[Finding], codes_and_ports: &[(&str, u16)]) {
    let mut expected: Vec<&str> = findings
        .iter()
        .filter(|other| codes_and_ports.iter().any(|&(code, port)| other.code == code && other.port.unwrap().1 == port))
        .map(|other| other.id.as_str())
        .collect();
    expected.sort_unstable();
    let mut rests_on: Vec<&str> = finding.rests_on.iter().map(String::as_str).collect();
    rests_on.sort_unstable();
    assert_eq!(rests_on, expected);
    assert_eq!(expected.len(), codes_and_ports.len());
}

// EDT to TCP.

#[test]
fn tcp_half_a_second_beside_an_edt_that_answers_is_healthy() {
    let edt = udp((CLIENT, 50_001), (VDA, CGP)).says(&udt_handshake()).wait(Span::millis(20)).answers(&udt_handshake());
    let edt = edt.wait(Span::seconds(40)).says(b"data").answers(b"data").packets();
    let loser = tcp((CLIENT, 50_002), (VDA, CGP)).at(at(500)).opened().closed().packets();
    assert_eq!(codes(&found([edt, loser], 60)), [""; 0]);
}

#[test]
fn an_edt_that_answers_after_three_seconds_blocks_nothing() {
    let edt = edt_tries((CLIENT, 50_001), 0, 12).answers(&udt_handshake()).packets();
    let carries = session((CLIENT, 50_002), (VDA, CGP), 500, 60).packets();
    assert_eq!(codes(&found([edt, carries], 90)), [""; 0]);
}

#[test]
fn one_short_burst_that_the_capture_hardly_watched_is_no_block() {
    let burst = edt_tries((CLIENT, 50_001), 0, 4).packets();
    let carries = session((CLIENT, 50_002), (VDA, CGP), 500, 1).packets();
    let found = found([burst, carries], 2);
    assert!(found.iter().all(|finding| finding.severity == Severity::Info), "{:?}", codes(&found));
    assert!(!codes(&found).iter().any(|code| code.starts_with("blocked.") || code.starts_with("fallback.")));
}

#[test]
fn retries_every_five_minutes_are_one_block_and_one_fallback() {
    let bursts = (0..4).map(|retry| edt_tries((CLIENT, 50_001 + retry), i64::from(retry) * 300_000, 12).packets());
    let carries = session((CLIENT, 50_100), (VDA, CGP), 500, 1_000).packets();
    let findings = found(bursts.chain([carries]), 1_010);
    assert_eq!(codes(&findings), ["blocked.silent", "fallback.edt-to-tcp"]);
    let fallback = one(&findings, "fallback.edt-to-tcp");
    assert_eq!(number(fallback, "retries"), 3);
    assert_eq!(fallback.params.get("retry_interval"), Some(&Value::Duration(Span::seconds(300))));
    assert_eq!((fallback.severity, fallback.confidence), (Severity::Warning, Confidence::High));
    assert_rests_on(fallback, &findings, &[("blocked.silent", CGP)]);
    assert_eq!(one(&findings, "blocked.silent").flow_count, 4);
}

#[test]
fn more_retries_than_are_remembered_one_by_one_are_counted() {
    let bursts = (0..10).map(|retry| edt_tries((CLIENT, 50_001 + retry), i64::from(retry) * 301_000, 12).packets());
    let carries = session((CLIENT, 50_100), (VDA, CGP), 500, 2_800).packets();
    let findings = found(bursts.chain([carries]), 2_820);
    let fallback = one(&findings, "fallback.edt-to-tcp");
    assert_eq!(number(fallback, "retries"), 9);
    assert_eq!(fallback.params.get("retry_interval"), Some(&Value::Duration(Span::seconds(301))));
}

#[test]
fn launches_at_other_times_are_no_retries() {
    let bursts = [0, 40_000, 1_900_000].map(|since| edt_tries((CLIENT, 50_001), since, 12).packets());
    let carries = session((CLIENT, 50_100), (VDA, CGP), 500, 2_000).packets();
    let findings = found(bursts.into_iter().chain([carries]), 2_010);
    assert_eq!(number(one(&findings, "fallback.edt-to-tcp"), "retries"), 0);
}

#[test]
fn a_session_that_began_long_before_the_capture_has_fallen_back_too() {
    // No handshake: the session already ran.
    let old = tcp((CLIENT, 50_100), (VDA, CGP)).at(BEGIN);
    let old = (0..40).fold(old, |talk, _| talk.says(b"keys").answers(b"screen").wait(Span::seconds(10))).packets();
    let retry = edt_tries((CLIENT, 50_001), 100_000, 12).packets();
    let findings = found([old, retry], 410);
    let fallback = one(&findings, "fallback.edt-to-tcp");
    assert_rests_on(fallback, &findings, &[("blocked.silent", CGP)]);
}

#[test]
fn an_edt_that_comes_back_is_no_fallback_any_more() {
    let tries = edt_tries((CLIENT, 50_001), 0, 12).packets();
    let carries = session((CLIENT, 50_100), (VDA, CGP), 500, 305).packets();
    let again = udp((CLIENT, 50_002), (VDA, CGP)).at(at(300_000)).says(&udt_handshake()).answers(&udt_handshake());
    let findings = found([tries, carries, again.packets()], 400);
    assert_eq!(codes(&findings), ["blocked.silent"]);
    assert_eq!(findings[0].severity, Severity::Warning, "it is open now");
}

#[test]
fn another_client_that_gets_edt_has_not_fallen_back() {
    let tries = edt_tries((CLIENT, 50_001), 0, 12).packets();
    let carries = session((CLIENT, 50_100), (VDA, CGP), 500, 60).packets();
    let other = udp(("10.0.0.15", 50_001), (VDA, CGP)).says(&udt_handshake()).answers(&udt_handshake());
    let other_tcp = session(("10.0.0.15", 50_002), (VDA, CGP), 500, 60).packets();
    let findings = found([tries, carries, other.packets(), other_tcp], 90);
    assert_eq!(one(&findings, "fallback.edt-to-tcp").clients, [support::address(CLIENT)]);
}

#[test]
fn edt_on_the_other_port_of_its_own_is_no_fallback() {
    let tries =
        (0..12).fold(udp((CLIENT, 50_001), (VDA, ICA)), |talk, _| talk.says(&udt_handshake()).wait(Span::millis(250)));
    let edt = udp((CLIENT, 50_002), (VDA, CGP)).says(&udt_handshake()).answers(&udt_handshake());
    let edt = (0..6).fold(edt, |talk, _| talk.wait(Span::seconds(10)).says(b"data").answers(b"data"));
    let beside = session((CLIENT, 50_100), (VDA, CGP), 500, 60).packets();
    assert_eq!(codes(&found([tries.packets(), edt.packets(), beside], 90)), ["blocked.silent"]);
}

// Sound.

/// Datagrams of sound every 700 milliseconds.
fn sound(from: (&str, u16), to: (&str, u16), datagrams: usize) -> Talk {
    (0..datagrams).fold(udp(from, to).at(at(1_000)), |talk, _| talk.says(&[0x80; 172]).wait(Span::millis(700)))
}

#[test]
fn sound_without_a_reply_beside_a_session_stays_in_it() {
    let talks = || {
        [session((CLIENT, 50_100), (VDA, ICA), 0, 60).packets(), sound((CLIENT, 50_001), (VDA, 16_500), 4).packets()]
    };
    let findings = found(talks().into_iter().chain([sound((CLIENT, 50_002), (VDA, 16_501), 4).packets()]), 90);
    assert_eq!(codes(&findings), ["fallback.audio-to-tcp"], "one finding for both ports");
    let fallback = &findings[0];
    assert_eq!(fallback.params.get("audio_ports"), Some(&Value::Ports(vec![16_500, 16_501])));
    assert_eq!((word(fallback, "sender"), fallback.flow_count), ("client", 2));
    assert_eq!((fallback.severity, fallback.confidence), (Severity::Warning, Confidence::Medium));
    assert!(fallback.rests_on.is_empty(), "silence of audio alone is no block");
}

#[test]
fn the_vda_may_be_the_one_whose_sound_gets_no_reply() {
    let carries = session((CLIENT, 50_100), (VDA, ICA), 0, 60).packets();
    let findings = found([carries, sound((VDA, 50_001), (CLIENT, 16_500), 4).packets()], 90);
    let fallback = one(&findings, "fallback.audio-to-tcp");
    assert_eq!(word(fallback, "sender"), "server");
    assert_eq!(
        (&fallback.clients[..], &fallback.servers[..]),
        (&[support::address(CLIENT)][..], &[support::address(VDA)][..])
    );
}

#[test]
fn sound_that_is_rejected_rests_on_the_block() {
    let carries = session((CLIENT, 50_100), (VDA, ICA), 0, 60).packets();
    let rejected = sound((CLIENT, 50_001), (VDA, 16_500), 4).error("10.0.0.1", 3, 13).packets();
    let findings = found([carries, rejected], 90);
    assert_eq!(codes(&findings), ["blocked.prohibited", "fallback.audio-to-tcp"]);
    assert_rests_on(&findings[1], &findings, &[("blocked.prohibited", 16_500)]);
    // The other way round the server of the session is the one that is told no.
    let carries = session((CLIENT, 50_100), (VDA, ICA), 0, 60).packets();
    let rejected = sound((VDA, 50_001), (CLIENT, 16_500), 4).error("10.0.0.1", 3, 13).packets();
    let findings = found([carries, rejected], 90);
    assert_rests_on(one(&findings, "fallback.audio-to-tcp"), &findings, &[("blocked.prohibited", 16_500)]);
}

#[test]
fn sound_is_silent_where_it_works_or_no_session_is_there() {
    let in_vain = || sound((CLIENT, 50_001), (VDA, 16_500), 4).packets();
    assert_eq!(codes(&found([in_vain()], 90)), [""; 0], "no session");
    let elsewhere = session((CLIENT, 50_100), ("10.0.0.23", ICA), 0, 60).packets();
    assert_eq!(codes(&found([in_vain(), elsewhere], 90)), [""; 0], "a session with another server");
    let carries = || session((CLIENT, 50_100), (VDA, ICA), 0, 60).packets();
    let works = sound((CLIENT, 50_002), (VDA, 16_502), 4).answers(&[0x80; 172]).packets();
    assert_eq!(codes(&found([in_vain(), carries(), works], 90)), [""; 0], "another pair of ports works");
    let over = session((CLIENT, 50_100), (VDA, ICA), 600_000, 60).packets();
    assert_eq!(codes(&found([in_vain(), over], 700)), [""; 0], "ten minutes later");
    let old = tcp((CLIENT, 50_100), (VDA, ICA)).at(BEGIN);
    let old = (0..6).fold(old, |talk, _| talk.says(b"keys").answers(b"screen").wait(Span::seconds(10))).packets();
    assert_eq!(
        codes(&found([in_vain(), old], 90)),
        ["quality.starts-in-middle"],
        "UDP may have been tested before the capture began"
    );
    let once = sound((CLIENT, 50_001), (VDA, 16_500), 1).packets();
    assert_eq!(codes(&found([once, carries()], 90)), [""; 0], "one datagram");
}

// DTLS and QUIC beside TLS.

fn tls(from: (&str, u16), to: &str, since: i64, hello: &[u8]) -> Talk {
    let talk = tcp(from, (to, 443)).at(at(since)).opened().says(hello).answers(&tls_server_hello());
    (0..6).fold(talk, |talk, _| talk.wait(Span::seconds(10)).says(b"data").answers(b"data"))
}

/// Lengths as two bytes before what they count.
fn counted(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

/// The body of a client hello with this server name, or with none (RFC 8446, 4.1.2; RFC 6066, 3).
fn hello_body(version: [u8; 2], cookie: &[u8], name: Option<&str>) -> Vec<u8> {
    let listed = |name: &str| counted(&[&[0][..], &counted(name.as_bytes())].concat());
    let named = name.map(|name| [&[0, 0][..], &counted(&listed(name))].concat()).unwrap_or_default();
    [&version[..], &[0x5a; 32], &[0], cookie, &counted(&[0x13, 1]), &[1, 0], &counted(&named)].concat()
}

fn tls_hello(name: Option<&str>) -> Vec<u8> {
    let message = [&[1, 0][..], &counted(&hello_body([3, 3], &[], name))].concat();
    [&[0x16, 3, 1][..], &counted(&message)].concat()
}

fn nameless_hello() -> Vec<u8> {
    tls_hello(None)
}

fn cloud_hello() -> Vec<u8> {
    tls_hello(Some("acme.g.nssvc.net"))
}

fn tls_server_hello() -> Vec<u8> {
    let body = [&[3, 3][..], &[0x5a; 32], &[0, 0x13, 1, 0]].concat();
    let message = [&[2, 0][..], &counted(&body)].concat();
    [&[0x16, 3, 3][..], &counted(&message)].concat()
}

/// Without a name (RFC 6347, 4.2.2).
fn dtls_hello() -> Vec<u8> {
    let body = hello_body([0xfe, 0xfd], &[0], None);
    let length = [&[0][..], &(body.len() as u16).to_be_bytes()].concat();
    let message = [&[1][..], &length, &[0, 0], &[0; 3], &length, &body].concat();
    [&[0x16, 0xfe, 0xfd][..], &[0; 8], &counted(&message)].concat()
}

/// An initial packet of version 1 (RFC 9000, 17.2.2).
fn quic_initial() -> Vec<u8> {
    [&[0xc3, 0, 0, 0, 1, 8][..], &[7; 8], &[0, 0, 0x44, 0xb8], &[0x5a; 1_180]].concat()
}

/// A request of UDT version 4.
fn udt_handshake() -> Vec<u8> {
    let words: [u32; 16] = [0x8000_0000, 0, 0, 0, 4, 2, 7, 1_500, 8_192, 1, 99, 0, 0x0a40_0001, 0, 0, 0];
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// First datagrams after 0, 1 and 3 seconds, as DTLS repeats its hello.
fn hellos(to: &str, hello: &[u8]) -> Talk {
    let talk = udp((CLIENT, 50_001), (to, 443)).says(hello).wait(Span::seconds(1)).says(hello);
    talk.wait(Span::seconds(2)).says(hello)
}

#[test]
fn dtls_in_vain_beside_tls_is_warned_of_where_a_name_ties_the_server_to_citrix() {
    let talks =
        [hellos(GATEWAY, &dtls_hello()).packets(), tls((CLIENT, 50_002), GATEWAY, 500, &cloud_hello()).packets()];
    let findings = found(talks, 90);
    assert_eq!(codes(&findings), ["blocked.silent", "fallback.dtls-to-tls"]);
    let fallback = &findings[1];
    assert_eq!((fallback.severity, word(fallback, "tie")), (Severity::Warning, "name"));
    assert_rests_on(fallback, &findings, &[("blocked.silent", 443)]);
}

#[test]
fn dtls_in_vain_to_a_host_that_serves_sessions_is_warned_of() {
    let talks = [hellos(VDA, &dtls_hello()).packets(), tls((CLIENT, 50_002), VDA, 500, &nameless_hello()).packets()];
    let findings = found(talks.into_iter().chain([session(("10.0.0.15", 50_003), (VDA, CGP), 0, 60).packets()]), 90);
    let fallback = one(&findings, "fallback.dtls-to-tls");
    assert_eq!((fallback.severity, word(fallback, "tie")), (Severity::Warning, "ports"));
}

#[test]
fn dtls_of_any_vpn_is_only_noted() {
    let talks =
        [hellos(GATEWAY, &dtls_hello()).packets(), tls((CLIENT, 50_002), GATEWAY, 500, &nameless_hello()).packets()];
    let findings = found(talks, 90);
    let fallback = one(&findings, "fallback.dtls-to-tls");
    assert_eq!(
        (fallback.severity, fallback.confidence, word(fallback, "tie")),
        (Severity::Info, Confidence::Low, "none")
    );
}

#[test]
fn dtls_is_no_fallback_without_tls_that_works_about_that_time() {
    let without = |tls: Option<Vec<Captured>>| {
        let findings = found([hellos(GATEWAY, &dtls_hello()).packets()].into_iter().chain(tls), 1_000);
        !codes(&findings).contains(&"fallback.dtls-to-tls")
    };
    assert!(without(None), "no TLS");
    assert!(
        without(Some(tls((CLIENT, 50_002), GATEWAY, 900_000, &cloud_hello()).packets())),
        "a quarter of an hour later"
    );
    assert!(without(Some(tls(("10.0.0.15", 50_002), GATEWAY, 500, &cloud_hello()).packets())), "of another client");
    let cut = tcp((CLIENT, 50_002), (GATEWAY, 443)).at(at(500)).opened().says(&cloud_hello()).server_reset();
    assert!(without(Some(cut.packets())), "it is cut as well");
    assert!(!without(Some(tls((CLIENT, 50_002), GATEWAY, 500, &cloud_hello()).packets())));
}

#[test]
fn quic_to_any_web_server_is_nobodys_business() {
    for web in ["10.0.0.80", "203.0.113.80"] {
        let talks =
            [hellos(web, &quic_initial()).packets(), tls((CLIENT, 50_002), web, 3_500, &nameless_hello()).packets()];
        // The client has a session elsewhere: that ties the client to Citrix, not the web server.
        let session = session((CLIENT, 50_003), (VDA, CGP), 0, 60).packets();
        assert_eq!(codes(&found(talks.into_iter().chain([session]), 90)), [""; 0], "{web}");
    }
}

#[test]
fn quic_to_a_server_of_citrix_is_never_more_than_noted() {
    let talks = || {
        [hellos(GATEWAY, &quic_initial()).packets(), tls((CLIENT, 50_002), GATEWAY, 3_500, &cloud_hello()).packets()]
    };
    let findings = found(talks(), 90);
    assert_eq!(codes(&findings), ["fallback.quic-to-tls"]);
    assert_eq!(findings[0].severity, Severity::Info);
    let answered = udp((CLIENT, 50_005), (GATEWAY, 443)).at(at(20_000)).says(&quic_initial()).answers(&quic_initial());
    assert_eq!(codes(&found(talks().into_iter().chain([answered.packets()]), 90)), [""; 0], "QUIC works");
}

// Rendezvous.

const CONNECTOR: &str = "10.0.0.41";

/// The VDA says the name of the Gateway Service, and is cut.
fn cut_by_name(to: &str) -> Vec<Captured> {
    tcp((VDA, 50_001), (to, 443)).opened().says(&cloud_hello()).server_reset().packets()
}

#[test]
fn a_connector_that_takes_over_from_a_failed_rendezvous_is_told() {
    let findings = found([cut_by_name(GATEWAY), session((CONNECTOR, 50_002), (VDA, CGP), 5_000, 60).packets()], 90);
    assert_eq!(codes(&findings), ["blocked.reset-early", "fallback.rendezvous"]);
    let fallback = &findings[1];
    assert_eq!(
        (&fallback.clients[..], &fallback.servers[..]),
        (&[support::address(CONNECTOR)][..], &[support::address(VDA)][..])
    );
    assert_eq!((fallback.severity, fallback.confidence), (Severity::Warning, Confidence::Medium));
    assert_rests_on(fallback, &findings, &[("blocked.reset-early", 443)]);
}

#[test]
fn the_name_may_come_from_somebody_else() {
    let other = tls(("10.0.0.23", 50_001), GATEWAY, 0, &cloud_hello()).packets();
    let silent = dropped((VDA, 50_001), (GATEWAY, 443), 0);
    let connector = || session((CONNECTOR, 50_002), (VDA, CGP), 9_000, 60).packets();
    let findings = found([other, silent.clone(), connector()], 90);
    let fallback = one(&findings, "fallback.rendezvous");
    assert_rests_on(fallback, &findings, &[("blocked.silent", 443)]);
    // Without any name it is one of many addresses.
    assert!(!codes(&found([silent, connector()], 90)).contains(&"fallback.rendezvous"));
}

#[test]
fn a_public_address_without_a_name_is_a_remark_and_no_more() {
    let remarks = |with_session: bool| {
        let silent = dropped((VDA, 50_001), ("203.0.113.30", 443), 0);
        let connector = with_session.then(|| session((CONNECTOR, 50_002), (VDA, CGP), 9_000, 60).packets());
        let findings = found([silent].into_iter().chain(connector), 90);
        assert_eq!(codes(&findings), ["blocked.silent"]);
        match findings[0].params.get("remarks") {
            Some(Value::Remarks(remarks)) => remarks.contains(&"maybe-rendezvous"),
            other => panic!("{other:?}"),
        }
    };
    assert!(remarks(true));
    assert!(!remarks(false));
}

#[test]
fn a_session_before_the_failure_or_long_after_it_is_no_rendezvous() {
    for since in [-60_000, 200_000] {
        let findings =
            found([cut_by_name(GATEWAY), session((CONNECTOR, 50_002), (VDA, CGP), since, 10).packets()], 300);
        assert_eq!(codes(&findings), ["blocked.reset-early"], "{since}");
    }
    let again = tls((VDA, 50_003), GATEWAY, 2_000, &cloud_hello()).packets();
    let findings = found(
        [
            dropped((VDA, 50_001), (GATEWAY, 443), 0),
            again,
            session((CONNECTOR, 50_002), (VDA, CGP), 9_000, 10).packets(),
        ],
        90,
    );
    assert_eq!(codes(&findings), ["blocked.silent"], "the VDA got through");
}

// Launches that failed.

#[test]
fn a_launch_failed_where_each_way_was_blocked() {
    let findings = found([dropped((CLIENT, 50_001), (VDA, CGP), 0), dropped((CLIENT, 50_002), (VDA, ICA), 8_000)], 90);
    assert_eq!(codes(&findings), ["blocked.silent", "blocked.silent", "launch.failed"]);
    let launch = &findings[2];
    assert_eq!((launch.severity, launch.confidence, launch.flow_count), (Severity::Error, Confidence::High, 2));
    assert_eq!(launch.params.get("tcp_ports"), Some(&Value::Ports(vec![ICA, CGP])));
    assert_eq!(launch.params.get("tried"), Some(&Value::Duration(Span::seconds(15))));
    assert_eq!((word(launch, "over"), number(launch, "later")), ("tcp", 0));
    assert_rests_on(launch, &findings, &[("blocked.silent", CGP), ("blocked.silent", ICA)]);
    assert_eq!(launch.id, "f-launch.failed-10.0.0.22");
}

#[test]
fn udp_and_one_way_over_tcp_make_a_launch() {
    let edt = edt_tries((CLIENT, 50_001), 0, 12).packets();
    let findings = found([edt.clone(), dropped((CLIENT, 50_002), (VDA, CGP), 500)], 90);
    let launch = one(&findings, "launch.failed");
    assert_eq!(word(launch, "over"), "both");
    assert_eq!(launch.rests_on, ["f-blocked.silent-tcp-2598-10.0.0.22", "f-blocked.silent-udp-2598-10.0.0.22"]);
    assert!(!codes(&found([edt], 90)).contains(&"launch.failed"), "UDP alone");
}

#[test]
fn one_way_alone_or_ways_of_different_servers_are_no_launch() {
    let alone = found([dropped((CLIENT, 50_001), (VDA, CGP), 0), dropped((CLIENT, 50_002), (VDA, CGP), 20_000)], 90);
    assert_eq!(codes(&alone), ["blocked.silent"]);
    let other = "10.0.0.23";
    let mixed = found([dropped((CLIENT, 50_001), (VDA, CGP), 0), dropped((CLIENT, 50_002), (other, ICA), 8_000)], 90);
    assert_eq!(codes(&mixed), ["blocked.silent", "blocked.silent"]);
    let apart = found([dropped((CLIENT, 50_001), (VDA, CGP), 0), dropped((CLIENT, 50_002), (VDA, ICA), 600_000)], 700);
    assert_eq!(codes(&apart), ["blocked.silent", "blocked.silent"], "ten minutes apart");
}

#[test]
fn a_launch_that_came_through_has_not_failed() {
    let both = || [dropped((CLIENT, 50_001), (VDA, CGP), 0), dropped((CLIENT, 50_002), (VDA, ICA), 8_000)];
    let with = |talk: Talk| codes(&found(both().into_iter().chain([talk.packets()]), 400)).contains(&"launch.failed");
    let edt = udp((CLIENT, 50_003), (VDA, CGP)).says(&udt_handshake()).answers(&udt_handshake());
    assert!(!with(edt.wait(Span::seconds(30)).says(b"data").answers(b"data")), "EDT carries it");
    assert!(!with(tls((CLIENT, 50_003), VDA, 2_000, &nameless_hello())), "it may run inside TLS");
    let old = tcp((CLIENT, 50_003), (VDA, CGP)).says(b"keys").answers(b"screen");
    assert!(!with(old.wait(Span::seconds(60)).says(b"keys").answers(b"screen")), "an old session lives");
    assert!(with(session(("10.0.0.15", 50_003), (VDA, CGP), 0, 60)), "another client has a session");
}

#[test]
fn a_launch_that_worked_at_the_second_try_is_less_severe() {
    let both = [dropped((CLIENT, 50_001), (VDA, CGP), 0), dropped((CLIENT, 50_002), (VDA, ICA), 8_000)];
    let second = session((CLIENT, 50_003), (VDA, CGP), 45_000, 60).packets();
    let findings = found(both.into_iter().chain([second]), 200);
    let launch = one(&findings, "launch.failed");
    assert_eq!((launch.severity, number(launch, "later")), (Severity::Warning, 1));
}

#[test]
fn a_monitor_launches_nothing() {
    // It worked for a monitor: opened and closed without a word.
    let both = || [dropped((CLIENT, 50_001), (VDA, CGP), 0), dropped((CLIENT, 50_002), (VDA, ICA), 8_000)];
    let knock = tcp((CLIENT, 50_003), (VDA, CGP)).at(at(60_000)).opened().closed().packets();
    assert!(!codes(&found(both().into_iter().chain([knock]), 200)).contains(&"launch.failed"));
    // It knocks at another server, which answers.
    let elsewhere = tcp((CLIENT, 50_003), ("10.0.0.23", CGP)).opened().closed().packets();
    assert!(!codes(&found(both().into_iter().chain([elsewhere]), 200)).contains(&"launch.failed"));
    // Every thirty seconds, to the second.
    let rounds = (0..8).flat_map(|round: u16| {
        let since = i64::from(round) * 30_000;
        [
            dropped((CLIENT, 50_001 + round), (VDA, CGP), since),
            dropped((CLIENT, 51_001 + round), (VDA, ICA), since + 8_000),
        ]
    });
    let findings = found(rounds, 400);
    assert_eq!(codes(&findings), ["blocked.silent", "blocked.silent"]);
}

#[test]
fn behind_one_address_a_session_of_somebody_else_speaks_against_a_failed_launch() {
    // Address translation: to the VDA all users are one client.
    let both = [dropped((CLIENT, 50_001), (VDA, CGP), 10_000), dropped((CLIENT, 50_002), (VDA, ICA), 18_000)];
    let other = session((CLIENT, 60_001), (VDA, CGP), 0, 120).packets();
    assert!(!codes(&found(both.into_iter().chain([other]), 200)).contains(&"launch.failed"));
}

#[test]
fn a_way_that_the_capture_did_not_watch_to_its_end_leaves_it_open() {
    let first = dropped((CLIENT, 50_001), (VDA, CGP), 0);
    let begun = tcp((CLIENT, 50_002), (VDA, ICA)).at(at(20_000)).syn().packets();
    let short = |talks: Vec<Vec<Captured>>, until| !codes(&found(talks, until)).contains(&"launch.failed");
    assert!(short(vec![first.clone(), begun.clone()], 21));
    let edt = edt_tries((CLIENT, 50_003), 0, 12).packets();
    assert!(short(vec![first.clone(), edt.clone(), begun.clone()], 21), "two ways are blocked, the third is open yet");
    assert!(!short(vec![first, edt], 21));
}

#[test]
fn silence_where_only_one_direction_was_captured_is_no_failed_launch() {
    let both = || [dropped((CLIENT, 50_001), (VDA, CGP), 0), dropped((CLIENT, 50_002), (VDA, ICA), 8_000)];
    let half = |port| tcp((CLIENT, port), (VDA, 445)).syn().wait(Span::millis(10)).syn_ack().unseen().ack().says(b"x");
    let halves = (0..4).map(|number| half(52_000 + number).packets());
    assert!(!codes(&found(both().into_iter().chain(halves), 90)).contains(&"launch.failed"));
}

#[test]
fn several_clients_of_one_server_are_one_finding() {
    let talks = ["10.0.0.14", "10.0.0.15", "10.0.0.16"]
        .into_iter()
        .flat_map(|from| [dropped((from, 50_001), (VDA, CGP), 0), dropped((from, 50_002), (VDA, ICA), 8_000)]);
    let findings = found(talks, 90);
    assert_eq!(one(&findings, "launch.failed").clients.len(), 3);
}

#[test]
fn resets_right_after_the_handshake_fail_a_launch_as_well() {
    let cut =
        |port, to, greeting: &[u8]| tcp((CLIENT, port), (VDA, to)).opened().says(greeting).server_reset().packets();
    let findings = found([cut(50_001, CGP, CGP_GREETING), cut(50_002, ICA, ICA_GREETING)], 60);
    let launch = one(&findings, "launch.failed");
    assert_rests_on(launch, &findings, &[("blocked.reset-early", CGP), ("blocked.reset-early", ICA)]);
}
