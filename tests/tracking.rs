//! What flows are made of, told as stories: tries, errors of ICMP, refusals, resets, sessions that die, and what is no flow.

mod support;

use cap_audit::finding::{Finding, Severity, Value};
use cap_audit::judge::{Outcome, Verdict};
use cap_audit::packet::{LinkType, Stranger, TcpFlags};
use cap_audit::time::{Span, Timestamp};
use cap_audit::words::Words;
use support::{
    Audited, CLIENT_ISN, Captured, START, Talk, Who, audit, broken_findings, client, flow_to, meanwhile, merge, server,
};

const CGP: u16 = 2598;
const CLIENT: &str = "10.0.0.14";
const SERVER: &str = "10.0.0.22";

fn at(seconds: i64) -> Timestamp {
    START + Span::seconds(seconds)
}

fn tcp(port: u16) -> Talk {
    Talk::between(client(CLIENT, 50_001), server(SERVER, port))
}

fn udp(port: u16) -> Talk {
    Talk::udp(client(CLIENT, 50_001), server(SERVER, port))
}

/// The capture goes on for five minutes.
fn watched(talks: impl IntoIterator<Item = Vec<Captured>>) -> Audited {
    audit(merge(talks.into_iter().chain([meanwhile(at(300))])))
}

fn codes(findings: &[Finding]) -> Vec<(&'static str, Severity)> {
    findings.iter().map(|finding| (finding.code, finding.severity)).collect()
}

/// A UDT handshake request: 64 bytes (facts EDT-06).
fn edt_handshake() -> Vec<u8> {
    let words: [u32; 16] = [0x8000_0000, 0, 0, 0x77, 4, 1, 0x1234, 1500, 8192, 1, 0x55, 0, 0x0100_000a, 0, 0, 0];
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// The long header of a QUIC initial packet (facts QUIC-01), filled to 1,200 bytes.
fn quic_initial() -> Vec<u8> {
    let mut bytes = vec![0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0x44, 0x9e];
    bytes.resize(1_200, 0x5a);
    bytes
}

// Tries.

#[test]
fn datagrams_at_one_moment_are_one_try() {
    let bursts = |talk: Talk| (0..4).fold(talk, |talk, _| talk.says(b"a").says(b"b").says(b"c").wait(Span::seconds(2)));
    let audited = watched([bursts(udp(CGP)).packets()]);
    let flow = flow_to(&audited, CGP);
    assert_eq!((flow.record.from_client.packets, flow.record.tries()), (12, 4));
    assert_eq!(flow.judgement.outcome, Outcome::Silent);
    let findings = broken_findings(&audited);
    assert_eq!(codes(&findings), [("blocked.silent", Severity::Error)]);
    assert_eq!(findings[0].params.get("tries"), Some(&Value::Number(4)));
}

#[test]
fn what_follows_an_answer_is_no_try() {
    let talk = udp(CGP).says(b"a").wait(Span::seconds(1)).says(b"a").wait(Span::seconds(1)).answers(b"b");
    let talk = (0..20).fold(talk, |talk, _| talk.wait(Span::seconds(1)).says(b"data"));
    assert_eq!(flow_to(&watched([talk.packets()]), CGP).record.tries(), 2);
}

#[test]
fn a_one_way_stream_of_datagrams_is_no_block() {
    for pause in [Span::millis(20), Span::millis(110), Span::millis(400)] {
        let stream = (0..402).fold(udp(CGP), |talk, _| talk.says(b"\x01session data").wait(pause));
        let audited = watched([stream.packets()]);
        let judgement = flow_to(&audited, CGP).judgement;
        assert_eq!((judgement.outcome, judgement.verdict), (Outcome::Undecided, Verdict::NotEvaluable), "{pause:?}");
        assert_eq!(codes(&broken_findings(&audited)), [], "{pause:?}");
    }
    // A handshake that is repeated is tried as often as it is sent.
    let talk = (0..120).fold(udp(CGP), |talk, _| talk.says(&edt_handshake()).wait(Span::millis(250)));
    let audited = watched([talk.packets()]);
    assert_eq!(
        (flow_to(&audited, CGP).record.tries(), flow_to(&audited, CGP).judgement.outcome),
        (120, Outcome::Silent)
    );
}

#[test]
fn tries_of_tcp_are_syns() {
    let talk = tcp(CGP).syn().wait(Span::seconds(1)).syn_again().mirrored().wait(Span::seconds(2)).syn_again();
    assert_eq!(flow_to(&watched([talk.packets()]), CGP).record.tries(), 3);
}

// Errors of ICMP.

#[test]
fn an_error_to_somebody_else_blocks_nothing() {
    // It quotes a SYN of the client, and is delivered to another host.
    let mut packets = tcp(CGP).syn().error("10.0.0.1", 3, 13).packets();
    let error = &mut packets[1].3;
    assert_eq!(error[14 + 16..14 + 20], [10, 0, 0, 14], "the receiver of the error");
    error[14 + 19] = 15;
    let audited = watched([packets]);
    let flow = flow_to(&audited, CGP);
    assert_eq!((flow.judgement.outcome, flow.record.icmp), (Outcome::Undecided, None));
    assert_eq!(codes(&broken_findings(&audited)), []);
}

#[test]
fn an_error_about_a_packet_that_nobody_saw_blocks_nothing() {
    for port in [CGP, 12_346] {
        let unseen = tcp(port).syn().unseen().error("10.0.0.1", 3, 13).packets();
        let audited = watched([unseen.clone()]);
        assert_eq!(flow_to(&audited, port).judgement.outcome, Outcome::Undecided);
        assert_eq!(codes(&broken_findings(&audited)), []);
        // A session that comes later is the client's.
        let talk = tcp(port).at(at(2)).opened().answers(b"hello").says(b"hello").closed().packets();
        let audited = watched([unseen, talk]);
        let flow = flow_to(&audited, port);
        assert_eq!((flow.judgement.outcome, flow.record.client.port), (Outcome::Established, 50_001));
    }
}

#[test]
fn an_unreachable_before_the_answer_blocks_nothing() {
    let talk = tcp(CGP).syn().error("10.0.0.1", 3, 1).wait(Span::seconds(1)).syn_again().syn_ack().ack();
    let audited = watched([talk.answers(b"hello").says(b"hello").packets()]);
    assert_eq!(flow_to(&audited, CGP).judgement.outcome, Outcome::Established);
    assert_eq!(codes(&broken_findings(&audited)), []);
    let talk = udp(CGP).says(b"a").error(SERVER, 3, 3).wait(Span::seconds(1)).says(b"a").answers(b"b");
    let audited = watched([talk.packets()]);
    assert_eq!(flow_to(&audited, CGP).judgement.outcome, Outcome::Answered);
    assert_eq!(codes(&broken_findings(&audited)), []);
}

#[test]
fn a_client_that_closed_its_socket_blocks_nothing() {
    let late = |server_port: u16, question: bool| {
        let talk = udp(server_port).says(b"question");
        let talk = if question { talk } else { talk.unseen() };
        let talk = talk.wait(Span::seconds(2)).answers(b"late").error_about(Who::Server, CLIENT, 3, 3);
        let audited = watched([talk.wait(Span::seconds(2)).answers(b"late").packets()]);
        assert!(audited.flows.iter().all(|flow| !flow.judgement.outcome.is_blocked()), "{:#?}", audited.flows);
        assert_eq!(codes(&broken_findings(&audited)), []);
    };
    for port in [CGP, 53, 12_346] {
        late(port, true);
        late(port, false);
    }
}

// What is no attempt at a Citrix service.

#[test]
fn quic_without_an_answer_is_nobodys_business() {
    let tries = |bytes: &[u8]| (0..5).fold(udp(443), |talk, _| talk.says(bytes).wait(Span::seconds(3))).packets();
    for bytes in [quic_initial(), b"anything else".to_vec()] {
        let audited = watched([tries(&bytes)]);
        assert_eq!(flow_to(&audited, 443).judgement.outcome, Outcome::Unanswered);
        assert_eq!(codes(&broken_findings(&audited)), []);
    }
    let audited = watched([tries(&edt_handshake())]);
    assert_eq!(flow_to(&audited, 443).judgement.outcome, Outcome::Silent);
    assert_eq!(codes(&broken_findings(&audited)), [("blocked.silent", Severity::Warning)]);
}

// Refusals, and connections that begin anew.

#[test]
fn what_windows_repeats_is_one_refused_attempt() {
    let refused = |talk: Talk, times: u32| {
        (1..times).fold(talk.syn().refused(), |talk, _| talk.wait(Span::millis(500)).syn_again().refused())
    };
    let audited = watched([refused(tcp(CGP), 5).packets()]);
    let flow = flow_to(&audited, CGP);
    assert_eq!((flow.judgement.outcome, flow.record.syns, flow.record.state()), (Outcome::Refused, 5, "REJ"));
    let findings = broken_findings(&audited);
    assert_eq!(codes(&findings), [("blocked.refused", Severity::Error)]);
    assert_eq!(findings[0].flow_count, 1);
    // A new number is a new attempt.
    let talk = tcp(CGP).syn().refused().wait(Span::millis(500)).numbers(0x2000_0000, 0x77).syn().refused();
    assert_eq!(watched([talk.packets()]).flows.iter().filter(|flow| flow.record.server.port == CGP).count(), 2);
    // The service was started in between.
    let talk = refused(tcp(CGP), 3).wait(Span::millis(500)).syn_again().syn_ack().ack().answers(b"a").says(b"b");
    let audited = watched([talk.closed().packets()]);
    let flow = flow_to(&audited, CGP);
    assert_eq!((flow.judgement.outcome, flow.record.state()), (Outcome::Established, "SF"));
    assert_eq!(codes(&broken_findings(&audited)), []);
}

#[test]
fn a_half_open_connection_is_recovered_within_one() {
    // RFC 9293, figure 9: the server still holds an older connection of these ports.
    let stale = |talk: Talk| talk.segment(Who::Server, TcpFlags::ACK, b"").reset();
    let talk = stale(tcp(CGP).syn()).numbers(CLIENT_ISN, 0x5000_0000).wait(Span::seconds(1)).syn();
    let talk = talk.syn_ack().ack().answers(b"hello").says(b"hello").closed();
    let audited = watched([talk.packets()]);
    let flow = flow_to(&audited, CGP);
    assert_eq!((flow.judgement.outcome, flow.record.state()), (Outcome::Established, "SF"));
    assert_eq!(codes(&broken_findings(&audited)), []);
}

// Resets after the handshake.

/// What is found where the server resets after these times, each in a connection of its own.
fn reset_after(spans: &[Span], says: &[u8], port: u16) -> Vec<Finding> {
    let talks = spans.iter().zip(50_001..).map(|(span, number)| {
        let talk = Talk::between(client(CLIENT, number), server(SERVER, port)).opened();
        let talk = if says.is_empty() { talk } else { talk.says(says) };
        talk.wait(*span).server_reset().packets()
    });
    broken_findings(&watched(talks))
}

fn title(findings: &[Finding]) -> String {
    assert_eq!(codes(findings), [("blocked.reset-early", Severity::Error)]);
    Words::default().finding(&findings[0]).title
}

#[test]
fn a_reset_after_a_while_names_the_time() {
    let greeting = b"\x1aCGP/01\x00\x16Citrix.TcpProxyService";
    let told = |spans: &[Span]| title(&reset_after(spans, greeting, CGP));
    assert!(told(&[Span::millis(30)]).ends_with(": cut right after the handshake"));
    assert!(told(&[Span::seconds(4)]).ends_with(": cut 4 s after the handshake"));
    assert!(told(&[Span::seconds(2), Span::seconds(9)]).ends_with(": cut 2 s to 9 s after the handshake"));
    let findings = reset_after(&[Span::seconds(2), Span::seconds(9)], greeting, CGP);
    assert_eq!(findings[0].params.get("after"), Some(&Value::Word("between")));
    assert_eq!(findings[0].params.get("after_shortest"), Some(&Value::Duration(Span::seconds(2))));
    assert!(title(&reset_after(&[Span::millis(900)], b"", CGP)).ends_with("right after the handshake"));
}

#[test]
fn a_client_that_speaks_something_else_is_shown_the_door() {
    let mut tls = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03".to_vec();
    tls.extend([7; 32]);
    tls.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    let probes: [&[u8]; 6] = [b"GET / HTTP/1.0\r\n\r\n", b"\r\n\r\n", b"\r\n", b"HELP\r\n", b"SSH-2.0-x\r\n", &tls];
    for probe in probes {
        assert_eq!(codes(&reset_after(&[Span::seconds(3)], probe, 1494)), [], "{probe:?}");
    }
    for probe in [b"\r\n\r\n".as_slice(), b"HELP\r\n"] {
        for port in [CGP, 27_000, 443] {
            assert_eq!(codes(&reset_after(&[Span::seconds(3)], probe, port)), [], "{port} {probe:?}");
        }
    }
}

// What is not read.

fn on_link(at: Timestamp, ethertype: u16, body: &[u8]) -> Captured {
    let mut bytes = [[0xff; 6].as_slice(), &[2, 0, 0, 0, 0, 1], &ethertype.to_be_bytes(), body].concat();
    bytes.resize(bytes.len().max(60), 0);
    (at, LinkType::ETHERNET, bytes.len() as u32, bytes)
}

/// ARP (RFC 826): operation 1 asks, 2 answers.
fn arp(at: Timestamp, operation: u8, sender: [u8; 4], target: [u8; 4]) -> Captured {
    let hardware = [2, 0, 0, 0, 0, sender[3]];
    let head = [0, 1, 8, 0, 6, 4, 0, operation];
    on_link(at, 0x0806, &[&head[..], &hardware, &sender, &[0; 6], &target].concat())
}

#[test]
fn what_is_not_read_is_named() {
    let frames = [
        on_link(at(0), 0x8864, &[0x11, 0, 0, 1, 0, 40, 0, 0x21]),
        on_link(at(0), 0x8864, &[0x11, 0, 0, 1, 0, 40, 0, 0x21]),
        on_link(at(0), 0x8847, &[0, 1, 1, 64]),
        on_link(at(0), 0x88cc, &[2, 7, 4]),
        on_link(at(0), 38, &[0x42, 0x42, 3, 0, 0]),
        on_link(at(0), 46, &[0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0]),
        on_link(at(0), 0x1234, &[1]),
        arp(at(0), 1, [10, 99, 0, 1], [10, 99, 0, 77]),
        arp(at(1), 1, [10, 99, 0, 1], [10, 99, 0, 77]),
        arp(at(2), 1, [10, 99, 0, 1], [10, 99, 0, 77]),
        arp(at(2), 1, [10, 99, 0, 1], [10, 99, 0, 78]),
        arp(at(2), 2, [10, 99, 0, 78], [10, 99, 0, 1]),
    ];
    let case = {
        let ledger = audit(frames.to_vec()).ledger;
        assert_eq!(ledger.strangers.get(&Stranger::Pppoe), Some(&2));
        assert_eq!(ledger.strangers.get(&Stranger::Cdp), Some(&1));
        cap_audit::case::Case { ledger, ..cap_audit::case::Case::new(support::citrix()) }
    };
    let conclusion = case.conclude();
    let report = cap_audit::report::Report::new(&conclusion);
    let told: Vec<String> =
        report.quality.remarks.iter().map(|remark| remark.told(&report.findings, &Words::default())).collect();
    let told = told.join("\n");
    for part in [
        "2 PPPoE, 1 MPLS",
        "5 ARP",
        "1 LLDP, 1 spanning tree, 1 CDP",
        "1 of an unknown EtherType",
        "Packets inside of other packets are not read",
        "3 requests (ARP or neighbour discovery) for 10.99.0.77 had no answer",
    ] {
        assert!(told.contains(part), "{part} is missing: {told}");
    }
}

/// Four SYNs without an answer, and these packets.
fn silent_beside(frames: impl IntoIterator<Item = Captured>) -> Finding {
    let tries = tcp(CGP).syn().wait(Span::seconds(1)).syn_again().wait(Span::seconds(2)).syn_again();
    let mut findings =
        broken_findings(&watched([tries.wait(Span::seconds(4)).syn_again().packets(), frames.into_iter().collect()]));
    assert_eq!(codes(&findings), [("blocked.silent", Severity::Error)]);
    findings.remove(0)
}

#[test]
fn a_host_that_nobody_finds_on_the_link_is_down() {
    let (router, host) = ([10, 0, 0, 1], [10, 0, 0, 22]);
    let ask = |seconds| arp(at(seconds), 1, router, host);
    let told = |finding: &Finding| {
        let meaning = Words::default().finding(finding).meaning;
        let number = finding.params.get("unanswered_arp").cloned();
        (meaning.contains("Nobody answered when the link was asked for 10.0.0.22"), number)
    };
    assert_eq!(told(&silent_beside([ask(0), ask(1), ask(2)])), (true, Some(Value::Number(3))));
    // One request may have been answered where nothing is captured; so may some that are far apart.
    for asked in [vec![ask(0)], vec![ask(0), ask(20), ask(40)], vec![ask(200), ask(201), ask(202)]] {
        assert_eq!(told(&silent_beside(asked)), (false, Some(Value::Number(0))));
    }
    // It answers, or asks for others itself.
    for heard in [arp(at(2), 2, host, router), arp(at(100), 1, host, router)] {
        assert_eq!(told(&silent_beside([ask(0), ask(1), ask(2), heard])), (false, Some(Value::Number(0))));
    }
    // It announces itself: no request.
    let gratuitous = arp(at(2), 1, host, host);
    assert_eq!(told(&silent_beside([gratuitous.clone(), gratuitous])), (false, Some(Value::Number(0))));
}

#[test]
fn a_host_that_nobody_finds_by_neighbour_discovery_is_down() {
    let place = |text: &str| client(text, 0).ip;
    let solicitation = |seconds: i64| {
        let mut body = vec![135, 0, 0, 0, 0, 0, 0, 0];
        body.extend("fd00::22".parse::<std::net::Ipv6Addr>().expect("an address").octets());
        let packet = support::ip(place("fd00::1"), place("ff02::1:ff00:22"), 58, 0, 0, &body);
        let bytes = support::frame(LinkType::ETHERNET, &[], &packet);
        (at(seconds), LinkType::ETHERNET, bytes.len() as u32, bytes)
    };
    let tries = Talk::between(client("fd00:0:0:1::14", 50_001), server("fd00::22", CGP)).syn().wait(Span::seconds(1));
    let tries = tries.syn_again().wait(Span::seconds(2)).syn_again().wait(Span::seconds(4)).syn_again().packets();
    let findings = broken_findings(&watched([tries, (0..3).map(solicitation).collect()]));
    assert_eq!(codes(&findings), [("blocked.silent", Severity::Error)]);
    assert_eq!(findings[0].params.get("unanswered_arp"), Some(&Value::Number(3)));
}

// Sessions that die.

/// A session that works, says nothing for so long, and then says something more of which nothing is heard again.
fn dies(number: u16, idle: Span, who: Who) -> Talk {
    let talk = Talk::between(client(CLIENT, number), server(SERVER, CGP)).opened();
    let talk = talk.says(b"\x1aCGP/01").answers(b"\x1aCGP/01").says(b"data").answers(b"data").ack().wait(idle);
    let talk = talk.segment(who, TcpFlags::PSH | TcpFlags::ACK, b"anybody there?");
    // As Windows does it: five times, each after twice the time of the one before.
    [300, 600, 1_200, 2_400, 4_800].iter().fold(talk, |talk, &pause| talk.wait(Span::millis(pause)).repeats(who))
}

/// The capture goes on for two hours.
fn died(talks: impl IntoIterator<Item = Talk>) -> Vec<Finding> {
    let talks = talks.into_iter().map(Talk::packets);
    broken_findings(&audit(merge(talks.chain([meanwhile(at(7_200))]))))
}

#[test]
fn a_session_of_which_one_side_is_never_heard_again_died() {
    for (who, gone) in [(Who::Client, "server"), (Who::Server, "client")] {
        let findings = died([dies(50_001, Span::seconds(1), who)]);
        assert_eq!(codes(&findings), [("path.died", Severity::Warning)]);
        assert_eq!(findings[0].params.get("gone"), Some(&Value::Word(gone)));
        assert_eq!(findings[0].params.get("idle"), Some(&Value::Word("none")));
    }
}

#[test]
fn equal_idle_times_before_point_to_a_timer() {
    let found = |spans: [i64; 2]| {
        let findings =
            died(spans.iter().zip(50_001..).map(|(&span, number)| dies(number, Span::seconds(span), Who::Client)));
        assert_eq!(codes(&findings), [("path.died", Severity::Warning)]);
        (
            findings[0].flow_count,
            findings[0].params.get("idle").cloned(),
            Words::default().finding(&findings[0]).meaning,
        )
    };
    let (flows, idle, meaning) = found([1_800, 1_810]);
    assert_eq!((flows, idle), (2, Some(Value::Word("equal"))));
    assert!(meaning.contains("Each time nothing had been said for about 30 min before: a firewall"), "{meaning}");
    let (_, idle, meaning) = found([300, 3_000]);
    assert_eq!(idle, Some(Value::Word("different")));
    assert!(meaning.contains("5 min to 50 min") && !meaning.contains("firewall"), "{meaning}");
}

#[test]
fn what_goes_on_or_was_closed_did_not_die() {
    let goes_on = dies(50_001, Span::seconds(1), Who::Server).wait(Span::seconds(30)).ack().says(b"here again");
    assert_eq!(codes(&died([goes_on])), []);
    // The client had closed, and the server's last words go to nobody.
    let closed = Talk::between(client(CLIENT, 50_001), server(SERVER, CGP)).opened().says(b"a").answers(b"b").fin();
    let closed = closed.answers(b"bye");
    let closed = (0..6).fold(closed, |talk, _| talk.wait(Span::seconds(2)).repeats(Who::Server));
    assert_eq!(codes(&died([closed])), []);
    // The capture ends ten seconds after.
    let short = dies(50_001, Span::seconds(1), Who::Server).packets();
    assert_eq!(codes(&broken_findings(&audit(short))), []);
}
