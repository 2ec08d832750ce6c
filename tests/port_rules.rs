//! Every rule of the port map is driven: a conversation on its ports names it, and a dropped one is reported as blocked. Then
//! the guards against a false "blocked" (facts GRACE-01, ONEWAY-01): patience, refusals, prohibitions, half a handshake, early resets.

mod support;

use cap_audit::finding::{Finding, Severity};
use cap_audit::flow::{Doubt, Marks};
use cap_audit::judge::{Judge, Outcome, Sign};
use cap_audit::packet::LinkType;
use cap_audit::portmap::{Layer, PortRule, RuleId};
use cap_audit::report::ports::write_csv;
use cap_audit::time::Span;
use cap_audit::transport::Transport;
use support::*;

const CLIENT: &str = "10.0.0.14";
const SERVER: &str = "10.0.0.22";
/// A client's port that no rule names.
const CLIENT_PORT: u16 = 40_001;
/// A device on the way.
const ROUTER: &str = "10.0.0.1";
/// The port of the patience tests.
const CGP: u16 = 2598;

fn tcp_to(port: u16) -> Talk {
    Talk::between(client(CLIENT, CLIENT_PORT), server(SERVER, port))
}

fn udp_to(port: u16) -> Talk {
    Talk::udp(client(CLIENT, CLIENT_PORT), server(SERVER, port))
}

fn seconds(seconds: i64) -> Span {
    Span::seconds(seconds)
}

/// The talk, in a capture that lasts `long` from its beginning.
fn watched(talk: Talk, long: Span) -> Audited {
    audit(merge([talk.packets(), meanwhile(START + long)]))
}

/// Longer than any flow without an answer is waited for.
const THREE_MINUTES: Span = Span::seconds(190);

fn judged(talk: Talk, long: Span, port: u16) -> (Outcome, Option<Doubt>) {
    let harvest = watched(talk, long);
    let judgement = flow_to(&harvest, port).judgement;
    assert_eq!(harvest.tally().blocked, u64::from(judgement.outcome.is_blocked()));
    let judge = Judge::new(map(), &harvest.ledger);
    let signs = harvest.ledger.sightings.iter().flat_map(|(sighting, _)| judge.signs(sighting)).flatten();
    let blocked = signs.into_iter().any(|sign| matches!(sign, Sign::Blocked(_)));
    assert_eq!(blocked, judgement.outcome.is_blocked(), "a sighting of every block, and of nothing else");
    (judgement.outcome, judgement.doubt)
}

// The map.

/// First, middle and last port of every range.
fn probes(rule: &PortRule) -> Vec<u16> {
    let mut ports: Vec<u16> = rule
        .ports
        .iter()
        .flat_map(|range| [*range.start(), range.start() + (range.end() - range.start()) / 2, *range.end()])
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Three SYNs on the schedule of a Windows client, and nothing comes back.
fn dropped_tcp(port: u16) -> Talk {
    tcp_to(port).syn().wait(seconds(3)).syn_again().wait(seconds(6)).syn_again()
}

/// A datagram and its repetition, and nothing comes back.
fn dropped_udp(port: u16) -> Talk {
    udp_to(port).says(b"hello?").wait(seconds(3)).says(b"hello?")
}

/// The finding "no answer" about the server's port; exactly one.
fn silence(findings: &[Finding], over: Transport, port: u16) -> &Finding {
    let mut silent = findings.iter().filter(|finding| finding.code == "blocked.silent");
    let finding = silent.next().unwrap_or_else(|| panic!("no blocked.silent for {over} {port}"));
    assert!(silent.next().is_none(), "{over} {port}");
    assert_eq!(finding.port, Some((over, port)));
    finding
}

#[test]
fn every_rule_with_a_port_is_driven_by_a_flow() {
    let map = citrix();
    let (mut driven, mut listed, mut corrections, mut flows) = (0, Vec::new(), 0, 0);
    for rule in map.rules() {
        let cases: Vec<(Transport, u16)> = rule.transports.iter().flat_map(|&over| cases(rule, over)).collect();
        for &(over, port) in &cases {
            assert!(names(rule, over, port), "{} on {over} {port}", rule.id);
            flows += 1;
        }
        match &rule.layer {
            Layer::Correction { .. } => corrections += 1,
            Layer::Document if cases.is_empty() => listed.push(rule.id.as_str()),
            Layer::Document => driven += 1,
            other => panic!("a layer that is not driven: {other:?}"),
        }
    }
    println!(
        "{driven} documented rules driven by {flows} flows, {corrections} corrections as well; listed only: {listed:?}"
    );
    assert_eq!(driven + listed.len(), 309);
    // Two rules say "any port" (WANOP transparent traffic, StoreFront peer resolution).
    assert_eq!(listed.len(), 2);
    assert_eq!(corrections, map.rules().len() - 309);
}

/// The SHA-1 of all documented rules as `cap-audit ports --format csv` prints them, without their notes. When it was taken,
/// every cell of these 309 lines was compared with the table of the five documents, which lacks only the column `service`. So a
/// rule that changes by accident is noticed here.
///
/// To change a documented rule on purpose: read the document again, look at the difference of the export before and after,
/// and put the digest here that the failed test prints.
#[test]
fn the_documented_rules_are_those_of_the_documents() {
    let map = citrix();
    let documented: Vec<RuleId> = map.rule_ids().filter(|&id| map.rule(id).layer == Layer::Document).collect();
    assert_eq!(documented.len(), 309);
    let mut csv = Vec::new();
    write_csv(&mut csv, &map, &documented).expect("memory takes everything");
    assert_eq!(sha1_smol::Sha1::from(&csv).digest().to_string(), "9b5da8a050376f8be3ee339ce2645d52e4312210");
}

/// What is sent to drive a rule over one transport: every probe port, for ICMP a ping.
fn cases(rule: &PortRule, over: Transport) -> Vec<(Transport, u16)> {
    match over {
        Transport::Tcp | Transport::Udp => probes(rule).into_iter().map(|port| (over, port)).collect(),
        Transport::Icmp => vec![(over, 0)],
    }
}

/// Whether an answered conversation on this port names the rule among its candidates.
fn names(rule: &PortRule, over: Transport, port: u16) -> bool {
    let talk = match over {
        Transport::Tcp => tcp_to(port).opened().says(b"ask").answers(b"answer").closed(),
        Transport::Udp => udp_to(port).says(b"ask").answers(b"answer"),
        Transport::Icmp => Talk::ping(client(CLIENT, 7), server(SERVER, 7)).asks().replies(),
    };
    let harvest = audit(talk.packets());
    let [flow] = harvest.flows.as_slice() else { panic!("{} flows on {over} {port}", harvest.flows.len()) };
    assert_eq!(Transport::of_protocol(flow.record.protocol), Some(over));
    assert_eq!(flow.record.server.address, address(SERVER), "{over} {port}");
    assert!(!flow.judgement.outcome.is_blocked());
    flow.judgement.rules.iter().any(|&id| map().rule(id).id == rule.id)
}

#[test]
fn a_dropped_tcp_connection_of_every_rule_is_reported_as_blocked() {
    let map = citrix();
    let mut wrong = Vec::new();
    for rule in map.rules().iter().filter(|rule| rule.transports.contains(&Transport::Tcp)) {
        for port in probes(rule) {
            let harvest = watched(dropped_tcp(port), THREE_MINUTES);
            let flow = flow_to(&harvest, port);
            assert_eq!(flow.judgement.outcome, Outcome::Silent, "{} on tcp {port}", rule.id);
            assert!(flow.judgement.outcome.is_blocked());
            let generic = map.lookup(Transport::Tcp, port).expect("a rule names it").generic;
            let findings = findings_of(&harvest);
            wrong.extend(what_is_wrong(silence(&findings, Transport::Tcp, port), rule, generic));
        }
    }
    assert!(wrong.is_empty(), "{} wrong, among them {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
}

fn what_is_wrong(finding: &Finding, rule: &PortRule, generic: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let expected = if generic { Severity::Warning } else { Severity::Error };
    if finding.severity != expected {
        wrong.push(format!("{}: severity {:?}", rule.id, finding.severity));
    }
    if !finding.rules.contains(&rule.id) {
        wrong.push(format!("{}: not among the rules of {:?}", rule.id, finding.port));
    }
    if !finding.products.contains(&rule.product) {
        wrong.push(format!("{}: '{}' is not named among {:?}", rule.id, rule.product, finding.products));
    }
    wrong
}

#[test]
fn a_dropped_datagram_of_every_rule_is_silent_where_a_reply_is_due() {
    let map = citrix();
    let mut wrong = Vec::new();
    for rule in map.rules().iter().filter(|rule| rule.transports.contains(&Transport::Udp)) {
        for port in probes(rule) {
            let harvest = watched(dropped_udp(port), THREE_MINUTES);
            let outcome = flow_to(&harvest, port).judgement.outcome;
            let found = map.lookup(Transport::Udp, port).expect("a rule names it");
            let findings = findings_of(&harvest);
            // On 443 most of what is said is HTTP/3, which owes nobody an answer; only EDT does.
            if !found.reply_due || port == 443 {
                assert_eq!(outcome, Outcome::Unanswered, "{} on udp {port}", rule.id);
                assert!(
                    !findings.iter().any(|finding| finding.code.starts_with("blocked.")),
                    "{} on udp {port}",
                    rule.id
                );
                continue;
            }
            assert_eq!(outcome, Outcome::Silent, "{} on udp {port}", rule.id);
            wrong.extend(what_is_wrong(silence(&findings, Transport::Udp, port), rule, found.generic));
        }
    }
    assert!(wrong.is_empty(), "{} wrong, among them {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
}

#[test]
fn a_reply_is_due_where_the_service_always_answers() {
    let map = citrix();
    let due =
        |port: u16| map.lookup(Transport::Udp, port).unwrap_or_else(|| panic!("no rule names udp {port}")).reply_due;
    let edt = [1494, 2598, 443];
    let provisioning = 6910..=6930;
    let dns_radius_kerberos_tftp = [53, 1812, 88, 69];
    for port in edt.into_iter().chain(provisioning).chain(dns_radius_kerberos_tftp) {
        assert!(due(port), "udp {port}");
    }
    let syslog_traps_appflow_heartbeats_wake = [514, 162, 4739, 3003, 7000, 9];
    let audio = 16_500..=16_509;
    for port in syslog_traps_appflow_heartbeats_wake.into_iter().chain(audio) {
        assert!(!due(port), "udp {port}");
    }
}

#[test]
fn the_clients_port_of_these_tests_is_in_no_rule() {
    for over in [Transport::Tcp, Transport::Udp] {
        assert!(citrix().lookup(over, CLIENT_PORT).is_none());
    }
}

// Patience.

#[test]
fn silence_needs_three_tries_and_four_seconds() {
    let two = || tcp_to(CGP).syn().wait(seconds(3)).syn_again();
    assert_eq!(judged(two(), THREE_MINUTES, CGP), (Outcome::Undecided, Some(Doubt::TooFewTries)));
    let three = || tcp_to(CGP).syn().wait(seconds(1)).syn_again().wait(seconds(2)).syn_again();
    assert_eq!(judged(three(), Span::millis(3_900), CGP), (Outcome::Undecided, Some(Doubt::CaptureTooShort)));
    assert_eq!(judged(three(), Span::millis(4_000), CGP), (Outcome::Silent, None));
}

#[test]
fn a_capture_that_ends_early_tells_nothing() {
    assert_eq!(judged(tcp_to(CGP).syn(), Span::millis(500), CGP), (Outcome::Undecided, Some(Doubt::CaptureTooShort)));
    assert_eq!(judged(two_datagrams(), Span::millis(3_900), CGP), (Outcome::Unanswered, Some(Doubt::CaptureTooShort)));
    assert_eq!(judged(two_datagrams(), seconds(4), CGP), (Outcome::Silent, None));
}

fn two_datagrams() -> Talk {
    udp_to(CGP).says(b"one").wait(seconds(1)).says(b"two")
}

#[test]
fn one_datagram_is_no_proof() {
    let once = udp_to(CGP).says(b"one");
    assert_eq!(judged(once, THREE_MINUTES, CGP), (Outcome::Unanswered, Some(Doubt::TooFewTries)));
}

#[test]
fn an_acknowledgement_of_the_client_proves_an_unseen_answer() {
    let one_way = dropped_tcp(CGP).syn_ack().unseen().ack();
    assert_eq!(judged(one_way, THREE_MINUTES, CGP), (Outcome::OneWay, Some(Doubt::OneDirection)));
    let data = dropped_tcp(CGP).syn_ack().unseen().says(b"hello");
    assert_eq!(judged(data, THREE_MINUTES, CGP), (Outcome::OneWay, Some(Doubt::OneDirection)));
}

#[test]
fn a_late_answer_is_an_answer() {
    let late = dropped_tcp(CGP).wait(seconds(5)).syn_ack().ack().says(b"hello").answers(b"hello");
    assert_eq!(judged(late, THREE_MINUTES, CGP), (Outcome::Established, None));
    let late = two_datagrams().wait(seconds(60)).answers(b"yes");
    assert_eq!(judged(late, THREE_MINUTES, CGP), (Outcome::Answered, None));
}

#[test]
fn tftp_is_answered_from_another_port() {
    let request = b"\x00\x01ARDBP32.BIN\x00octet\x00";
    let talk = udp_to(69)
        .says(request)
        .wait(seconds(1))
        .says(request)
        .answers_from(50_001, b"\x00\x03\x00\x01data")
        .says_to(50_001, b"\x00\x04\x00\x01");
    let harvest = watched(talk, THREE_MINUTES);
    assert_eq!(flow_to(&harvest, 69).judgement.outcome, Outcome::Answered);
    let data = flow_to(&harvest, 50_001);
    assert_eq!((data.judgement.outcome, data.record.client.port), (Outcome::Answered, CLIENT_PORT));
    assert_eq!(harvest.tally().blocked, 0);
}

#[test]
fn a_datagram_to_many_expects_no_answer() {
    for (from, to) in [(CLIENT, "239.255.255.250"), (CLIENT, "255.255.255.255"), ("fd00::14", "ff02::1:2")] {
        let wide = Talk::udp(client(from, CLIENT_PORT), server(to, CGP)).says(b"one").wait(seconds(1)).says(b"two");
        assert_eq!(judged(wide, THREE_MINUTES, CGP), (Outcome::Unanswered, Some(Doubt::SentToMany)), "{to}");
    }
}

#[test]
fn the_link_knows_a_broadcast() {
    let to = |to: &str| Talk::udp(client(CLIENT, CLIENT_PORT), server(to, CGP));
    let many = |talk: Talk| {
        let harvest = audit(talk.says(b"one").wait(seconds(1)).says(b"two").packets());
        flow_to(&harvest, CGP).record.marks.has(Marks::SENT_TO_MANY)
    };
    // The broadcast address of 10.0.0.0/26, and a host of 10.0.0.0/23.
    let (broadcast, host) = ("10.0.0.63", "10.0.0.255");
    for link in [LinkType::ETHERNET, LinkType::LINUX_SLL, LinkType::LINUX_SLL2] {
        assert!(many(to(broadcast).link(link).broadcast()), "{link:?}");
        assert!(many(to(broadcast).link(link).vlans(&[7]).broadcast()), "{link:?}");
        assert!(!many(to(host).link(link)), "{link:?}");
    }
    // Where the link cannot tell, the usual size of a network must do.
    assert!(many(to(host).link(LinkType::RAW)) && !many(to(broadcast).link(LinkType::RAW)));
    // What the server sends to all says nothing about the client's question.
    let answer = audit(to(host).says(b"who?").broadcast().answers(b"I").packets());
    assert!(!flow_to(&answer, CGP).record.marks.has(Marks::SENT_TO_MANY));
}

// Refusals.

#[test]
fn a_reset_that_acknowledges_the_syn_refuses_it() {
    assert_eq!(judged(tcp_to(CGP).syn().wait(Span::millis(1)).refused(), THREE_MINUTES, CGP), (Outcome::Refused, None));
}

#[test]
fn a_reset_that_acknowledges_something_else_refuses_nothing() {
    for wrong in [CLIENT_ISN, CLIENT_ISN + 2, 0, CLIENT_ISN.wrapping_sub(1)] {
        let (outcome, _) = judged(tcp_to(CGP).syn().refused_with(wrong), THREE_MINUTES, CGP);
        assert!(!outcome.is_blocked(), "{outcome:?} by a reset for {wrong:#x}");
    }
}

#[test]
fn a_windows_client_that_repeats_its_syn_after_a_reset_is_one_refusal() {
    // A few quick pairs of SYN and RST (facts REFUSED-01).
    let talk = tcp_to(CGP)
        .syn()
        .refused()
        .wait(Span::millis(500))
        .syn_again()
        .refused()
        .wait(Span::millis(500))
        .syn_again()
        .refused();
    let harvest = watched(talk, THREE_MINUTES);
    let flow = flow_to(&harvest, CGP);
    assert_eq!(flow.judgement.outcome, Outcome::Refused);
    assert_eq!(flow.record.syns, 3);
    let findings = findings_of(&harvest);
    let refused: Vec<&Finding> = findings.iter().filter(|finding| finding.code == "blocked.refused").collect();
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].flow_count, refused[0].severity), (1, Severity::Error));
}

// Prohibitions.

#[test]
fn icmp_unreachables_prohibit() {
    for (kind, code) in [(3, 13), (3, 3), (3, 0), (3, 1), (3, 9), (3, 10)] {
        assert_eq!(
            judged(tcp_to(CGP).syn().error(ROUTER, kind, code), THREE_MINUTES, CGP),
            (Outcome::Prohibited, None)
        );
        assert_eq!(
            judged(udp_to(CGP).says(b"one").error(ROUTER, kind, code), THREE_MINUTES, CGP),
            (Outcome::Prohibited, None)
        );
    }
}

#[test]
fn icmpv6_unreachables_prohibit() {
    let six = || (client("fd00::14", CLIENT_PORT), server("fd00::22", CGP));
    for code in [1, 4, 5, 6] {
        let (from, to) = six();
        let tcp = Talk::between(from, to).syn().error("fd00::1", 1, code);
        assert_eq!(judged(tcp, THREE_MINUTES, CGP), (Outcome::Prohibited, None), "code {code}");
        let udp = Talk::udp(from, to).says(b"one").error("fd00::22", 1, code);
        assert_eq!(judged(udp, THREE_MINUTES, CGP), (Outcome::Prohibited, None), "code {code}");
    }
    let (from, to) = six();
    let too_big = Talk::between(from, to).opened().says(&[7; 1_400]).error("fd00::1", 2, 0).answers(b"ok");
    assert_eq!(judged(too_big, THREE_MINUTES, CGP), (Outcome::Established, None), "packet too big");
}

#[test]
fn what_is_too_large_is_not_prohibited() {
    let (outcome, _) = judged(tcp_to(CGP).syn().error(ROUTER, 3, 4), THREE_MINUTES, CGP);
    assert!(!outcome.is_blocked(), "{outcome:?}");
    let (outcome, _) = judged(tcp_to(CGP).syn().error(ROUTER, 11, 0), THREE_MINUTES, CGP);
    assert!(!outcome.is_blocked(), "time exceeded: {outcome:?}");
    let large = tcp_to(CGP).opened().says(&[7; 1_400]).error(ROUTER, 3, 4).says(&[7; 1_000]).answers(b"ok");
    assert_eq!(judged(large, THREE_MINUTES, CGP), (Outcome::Established, None));
}

#[test]
fn an_error_about_the_servers_late_answer_prohibits_nothing() {
    // The client has closed its port and says so to the server: the server did answer.
    let late = || udp_to(53).says(b"ask").wait(seconds(5)).says(b"ask again").wait(seconds(1)).answers(b"late");
    let seen = late().error_about(Who::Server, CLIENT, 3, 3);
    assert_eq!(judged(seen, THREE_MINUTES, 53), (Outcome::Answered, None));
    let quoted_only = late().unseen().error_about(Who::Server, CLIENT, 3, 3);
    assert_eq!(judged(quoted_only, THREE_MINUTES, 53), (Outcome::OneWay, Some(Doubt::OneDirection)));
}

#[test]
fn an_error_about_an_unseen_syn_ack_prohibits_nothing() {
    let talk = dropped_tcp(CGP).syn_ack().unseen().error_about(Who::Server, ROUTER, 3, 13);
    assert_eq!(judged(talk, THREE_MINUTES, CGP), (Outcome::OneWay, Some(Doubt::OneDirection)));
}

#[test]
fn an_error_on_a_conversation_that_works_prohibits_nothing() {
    let talk = tcp_to(CGP)
        .opened()
        .says(b"ask")
        .answers(b"answer")
        .wait(seconds(1))
        .says(b"more")
        .error(ROUTER, 3, 1)
        .answers(b"more");
    assert_eq!(judged(talk, THREE_MINUTES, CGP), (Outcome::Established, None));
}

// Half a handshake.

#[test]
fn a_repeated_syn_ack_without_ack_is_half_open() {
    let talk = || tcp_to(CGP).syn().syn_ack().wait(seconds(1)).syn_ack_again().wait(seconds(2)).syn_ack_again();
    assert_eq!(judged(talk(), seconds(10), CGP), (Outcome::HalfOpen, None));
    let (outcome, doubt) = judged(talk(), Span::millis(3_900), CGP);
    assert_eq!((outcome, doubt), (Outcome::Undecided, Some(Doubt::CaptureTooShort)));
}

#[test]
fn a_syn_repeated_after_the_syn_ack_is_half_open() {
    let mut talk = tcp_to(CGP).syn().syn_ack();
    for _ in 0..2 {
        talk = talk.wait(seconds(1)).syn_again();
    }
    assert_eq!(judged(talk, seconds(10), CGP), (Outcome::HalfOpen, None));
}

#[test]
fn half_a_handshake_that_completes_is_none() {
    let talk = tcp_to(CGP).syn().syn_ack().wait(seconds(1)).syn_ack_again().ack();
    assert_eq!(judged(talk, seconds(10), CGP), (Outcome::Established, None));
    let scan = tcp_to(CGP).syn().syn_ack().reset();
    let (outcome, _) = judged(scan, seconds(10), CGP);
    assert!(!outcome.is_blocked(), "a client that resets tests the port only: {outcome:?}");
}

// Early resets.

#[test]
fn a_reset_right_after_the_handshake_is_early() {
    assert_eq!(
        judged(tcp_to(CGP).opened().says(b"hello").server_reset(), seconds(60), CGP),
        (Outcome::ResetEarly, None)
    );
    assert_eq!(
        judged(tcp_to(CGP).opened().says(b"hello").wait(seconds(9)).server_reset(), seconds(60), CGP),
        (Outcome::ResetEarly, None)
    );
    assert_eq!(
        judged(tcp_to(CGP).opened().wait(Span::millis(500)).server_reset(), seconds(60), CGP),
        (Outcome::ResetEarly, None)
    );
}

#[test]
fn a_server_that_closes_what_nobody_uses_only_tidies_up() {
    let idle = tcp_to(CGP).opened().wait(seconds(8)).server_reset();
    assert_eq!(judged(idle, seconds(60), CGP), (Outcome::Established, None));
}

#[test]
fn a_monitor_that_resets_the_answer_has_seen_the_port_open() {
    let probe = tcp_to(CGP).syn().syn_ack().reset();
    assert_eq!(judged(probe, seconds(60), CGP), (Outcome::Established, None));
}

#[test]
fn early_counts_from_the_handshake_and_not_from_the_first_try() {
    let slow = tcp_to(CGP).syn().wait(seconds(6)).syn_ack().ack().says(b"hello").wait(seconds(9)).server_reset();
    assert_eq!(judged(slow, seconds(60), CGP), (Outcome::ResetEarly, None));
}

#[test]
fn a_reset_is_not_early_where_something_else_explains_it() {
    let client_ended = tcp_to(CGP).opened().says(b"hello").fin().server_reset();
    let client_reset = tcp_to(CGP).opened().says(b"hello").reset().server_reset();
    let server_spoke = tcp_to(CGP).opened().says(b"hello").answers(b"hello").server_reset();
    let late = tcp_to(CGP).opened().says(b"hello").wait(Span::millis(10_001)).server_reset();
    for (why, talk) in [("closed", client_ended), ("reset", client_reset), ("spoke", server_spoke), ("late", late)] {
        assert_eq!(judged(talk, seconds(60), CGP), (Outcome::Established, None), "{why}");
    }
}

#[test]
fn a_reset_is_early_although_the_client_was_heard_before_the_handshake() {
    // Found by the law of the year: the moment of the handshake was not kept when the client had been heard before.
    let disorder = tcp_to(CGP).syn().unseen().ack().syn_ack().says(b"hello").wait(seconds(1)).server_reset();
    assert_eq!(judged(disorder, seconds(60), CGP), (Outcome::ResetEarly, None));
}

// The vocabulary itself.

#[test]
fn a_talk_is_written_as_pcap() -> std::io::Result<()> {
    let packets = tcp_to(CGP).snap(60).opened().says(b"hello world").closed().packets();
    let file = write_pcap(Vec::new(), &packets)?;
    // RFC draft-ietf-opsawg-pcap: a header of 24 bytes, and 16 in front of each packet.
    assert_eq!(file.len(), 24 + packets.iter().map(|(.., bytes)| 16 + bytes.len()).sum::<usize>());
    assert_eq!(file[..4], 0xa1b2_3c4d_u32.to_le_bytes());
    Ok(())
}

// One flow, or two, or one packet twice.

#[test]
fn ports_used_again_after_the_end_are_a_new_flow() {
    let again = |ended: Talk| {
        let both =
            ended.wait(seconds(1)).numbers(0x7000_0000, 0x7100_0000).opened().says(b"two").answers(b"two").closed();
        let flows = audit(both.packets()).flows;
        assert_eq!(flows.len(), 2, "{flows:#?}");
        flows
    };
    let flows = again(tcp_to(CGP).opened().says(b"one").answers(b"one").closed());
    assert!(flows.iter().all(|flow| flow.judgement.outcome == Outcome::Established && flow.record.state() == "SF"));
    assert!(flows.iter().all(|flow| flow.record.from_client.retransmissions == 0));
    let flows = again(tcp_to(CGP).syn().refused());
    assert_eq!(
        flows.iter().map(|flow| flow.judgement.outcome).collect::<Vec<_>>(),
        [Outcome::Refused, Outcome::Established]
    );
}

#[test]
fn a_mirrored_packet_is_neither_a_try_nor_a_retransmission() {
    let soon = Span::millis(1);
    let mirrored = tcp_to(CGP).syn().wait(soon).mirrored().wait(soon).mirrored();
    let harvest = watched(mirrored, THREE_MINUTES);
    let flow = flow_to(&harvest, CGP);
    assert_eq!((flow.record.syns, flow.record.from_client.packets), (1, 3));
    assert_eq!((flow.record.from_client.duplicates, flow.record.from_client.retransmissions), (2, 0));
    assert_eq!(flow.judgement.outcome, Outcome::Undecided);
    let twice = udp_to(CGP).says(b"one").wait(soon).mirrored();
    assert_eq!(judged(twice, THREE_MINUTES, CGP), (Outcome::Unanswered, Some(Doubt::TooFewTries)));
    let healthy = tcp_to(CGP)
        .syn()
        .mirrored()
        .syn_ack()
        .mirrored()
        .ack()
        .mirrored()
        .says(b"ask")
        .mirrored()
        .answers(b"answer")
        .mirrored();
    let harvest = audit(healthy.packets());
    let record = &flow_to(&harvest, CGP).record;
    assert_eq!((record.from_client.retransmissions, record.from_server.retransmissions), (0, 0));
    assert_eq!((record.syns, record.syn_acks), (1, 1));
    assert_eq!(harvest.ledger.duplicates, 5);
}

#[test]
fn a_mirrored_packet_without_identification_is_no_try_either() {
    // IPv6 has none, and Linux leaves it 0 on many packets that must not be fragmented.
    let (from, to) = (client("fd00::14", CLIENT_PORT), server("fd00::22", CGP));
    let delay = Span::millis(5);
    let mut syns = Talk::between(from, to).syn().wait(delay).mirrored().wait(delay).mirrored();
    assert_eq!(judged(syns.clone(), THREE_MINUTES, CGP), (Outcome::Undecided, Some(Doubt::TooFewTries)));
    syns = syns.wait(seconds(1)).syn_again().wait(delay).mirrored();
    assert_eq!(judged(syns, THREE_MINUTES, CGP), (Outcome::Undecided, Some(Doubt::TooFewTries)));
    let datagram = Talk::udp(from, to).says(b"one").wait(delay).mirrored();
    assert_eq!(judged(datagram, THREE_MINUTES, CGP), (Outcome::Unanswered, Some(Doubt::TooFewTries)));
    let datagram = udp_to(53).without_ids().says(b"one").wait(delay).mirrored();
    assert_eq!(judged(datagram, THREE_MINUTES, 53), (Outcome::Unanswered, Some(Doubt::TooFewTries)));
}

#[test]
fn two_questions_at_once_are_one_try() {
    let both = udp_to(53).says(b"address of version 4").says(b"address of version 6");
    assert_eq!(judged(both, THREE_MINUTES, 53), (Outcome::Unanswered, Some(Doubt::TooFewTries)));
}

#[test]
fn a_repeated_packet_is_a_retransmission() {
    let talk = tcp_to(CGP)
        .opened()
        .says(b"ask")
        .wait(Span::millis(300))
        .repeats(Who::Client)
        .answers(b"answer")
        .wait(Span::millis(5))
        .repeats(Who::Server);
    let harvest = audit(talk.packets());
    let record = &flow_to(&harvest, CGP).record;
    assert_eq!((record.from_client.retransmissions, record.from_server.retransmissions), (1, 1));
    assert_eq!(harvest.ledger.duplicates, 0);
}

// One direction.

#[test]
fn silent_datagrams_are_withheld_where_tcp_shows_one_direction_only() {
    let one_way = |net: &str| {
        let talk = Talk::between(client(&format!("{net}.14"), 40_002), server(&format!("{net}.22"), CGP));
        talk.syn().syn_ack().unseen().ack().says(b"hello").packets()
    };
    let silent = || dropped_udp(CGP).packets();

    let harvest = audit(merge([silent(), one_way("10.0.0"), meanwhile(START + seconds(60))]));
    let tally = harvest.tally();
    assert_eq!((tally.blocked, tally.not_evaluable, tally.expected), (0, 2, 0));
    assert!(!findings_of(&harvest).iter().any(|finding| finding.code == "blocked.silent"));
    let datagrams = harvest.flows.iter().find(|flow| flow.record.protocol == 17).expect("the datagrams");
    assert_eq!(datagrams.judgement.outcome, Outcome::OneWay);

    let elsewhere = audit(merge([silent(), one_way("10.7.7"), meanwhile(START + seconds(60))]));
    assert_eq!(findings_of(&elsewhere).iter().filter(|finding| finding.code == "blocked.silent").count(), 1);
}

#[test]
fn withheld_datagrams_leave_the_totals_right() {
    // On one generic port: a question for a boot file points to Citrix (facts PVS-04), another one to nothing.
    let to_53 = |port: u16| Talk::udp(client(CLIENT, port), server(SERVER, 53));
    let boot = b"\x00\x01ARDBP32.BIN\x00octet\x00";
    let hinted = to_53(40_003).says(boot).wait(seconds(3)).says(boot);
    let plain = to_53(40_004).says(b"?").wait(seconds(3)).says(b"?");
    let one_way =
        Talk::between(client(CLIENT, 40_002), server(SERVER, CGP)).syn().syn_ack().unseen().ack().says(b"hello");
    let both_ways = |talks: [Vec<Captured>; 3]| audit(merge(talks.into_iter().chain([meanwhile(START + seconds(60))])));
    let silent = [hinted.packets(), plain.packets(), dropped_udp(CGP).packets()];
    let seen = both_ways(silent.clone()).tally();
    assert_eq!((seen.flows, seen.blocked, seen.expected, seen.unmapped, seen.not_evaluable), (4, 3, 2, 2, 0));
    let half_seen = audit(merge(silent.into_iter().chain([one_way.packets(), meanwhile(START + seconds(60))])));
    let tally = half_seen.tally();
    assert_eq!((tally.flows, tally.blocked, tally.expected, tally.unmapped, tally.not_evaluable), (5, 0, 0, 2, 3));
    assert!(half_seen.services().values().all(|service| service.blocked == 0));
}

#[test]
fn silent_tcp_is_demoted_where_the_capture_shows_one_direction_only() {
    let one_way =
        Talk::between(client(CLIENT, 40_002), server(SERVER, 1494)).syn().syn_ack().unseen().ack().says(b"hello");
    let harvest = audit(merge([dropped_tcp(CGP).packets(), one_way.packets(), meanwhile(START + seconds(60))]));
    let findings = findings_of(&harvest);
    assert_eq!(silence(&findings, Transport::Tcp, CGP).severity, Severity::Warning);
}

// Where the documents name the wrong transport.

/// The documents list UDP 7229; the print data stream is CGP over TCP (facts UPS-01). Neither transport is held against anybody.
#[test]
fn the_print_server_may_be_asked_over_tcp_and_udp() {
    const PRINT: u16 = 7229;
    let greeting = b"\x1aCGP/01\x00\x16Citrix.TcpProxyService";
    let unknown = b"\x00\x01\x02\x03 no known protocol";
    let tls = b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00";
    for bytes in [&greeting[..], unknown, tls] {
        let harvest = watched(tcp_to(PRINT).opened().says(bytes).answers(bytes).closed(), THREE_MINUTES);
        assert_eq!(findings_of(&harvest), [], "{bytes:?}");
        let judgement = &flow_to(&harvest, PRINT).judgement;
        let service = judgement.service.map(|service| service.name(map()));
        assert_eq!(service, Some("universal-print"), "CGP here is no session: {bytes:?}");
        assert_eq!(map().rule(judgement.rules[0]).id, "fix.ups.vda.print-server.cgp-tcp");
    }
    let spoken = udp_to(PRINT).says(b"one").answers(b"two");
    assert_eq!(findings_of(&watched(spoken, THREE_MINUTES)), [], "as the documents have it");
    let silent = udp_to(PRINT).says(b"one").wait(seconds(1)).says(b"two");
    assert_eq!(findings_of(&watched(silent, THREE_MINUTES)), [], "no reply is due");
    // CGP on a port whose service is not built on it is still told.
    let elsewhere = watched(tcp_to(8286).opened().says(greeting).answers(greeting).closed(), THREE_MINUTES);
    assert!(findings_of(&elsewhere).iter().any(|finding| finding.code == "unexpected.citrix-on-other-port"));
}
