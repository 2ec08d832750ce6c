//! Wrong is worse than silent: healthy or misread traffic must not be accused.

mod support;

use cap_audit::finding::{Finding, Severity, Value};
use cap_audit::judge::Outcome;
use cap_audit::matching::ServiceRef;
use cap_audit::packet::TcpFlags;
use cap_audit::pipeline::run;
use cap_audit::source::MemorySource;
use cap_audit::time::{Span, Timestamp};
use cap_audit::transport::Transport;
use cap_audit::words::Words;
use std::collections::BTreeSet;
use support::{
    Audited, Captured, Place, Talk, Who, audit, broken_findings, citrix, client, findings_of, keeping, meanwhile,
    merge, server,
};

const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000_000);
const CGP: u16 = 2598;
const ICA: u16 = 1494;
const ICA_GREETING: &[u8] = b"\x7f\x7fICA\0";
const CGP_GREETING: &[u8] = b"\x1aCGP/01\x00\x16Citrix.TcpProxyService";

fn at(seconds: i64) -> Timestamp {
    BEGIN + Span::seconds(seconds)
}

fn talk(client_port: u16, port: u16) -> Talk {
    Talk::between(client("10.0.0.14", client_port), server("10.0.0.22", port)).at(BEGIN)
}

/// Everything found in these talks, the capture going on for a minute behind `end`.
fn found(talks: impl IntoIterator<Item = Vec<Captured>>, end: i64) -> Vec<Finding> {
    let all = talks.into_iter().chain([meanwhile(at(end + 60))]);
    broken_findings(&audit(merge(all)))
}

fn codes(findings: &[Finding]) -> Vec<(&'static str, Severity)> {
    findings.iter().map(|finding| (finding.code, finding.severity)).collect()
}

fn blocked(port: u16) -> Talk {
    talk(50_001, port).syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again()
}

fn session(client_port: u16, port: u16, greeting: &[u8]) -> Talk {
    talk(client_port, port).opened().answers(greeting).says(greeting).answers(b"data").says(b"data")
}

#[test]
fn nobody_watches_between_two_files() {
    let tries = talk(50_001, CGP).syn().wait(Span::seconds(1)).syn_again().wait(Span::seconds(1)).syn_again().packets();
    let next_day = meanwhile(at(86_400));
    let next_day: Vec<Captured> = next_day.into_iter().filter(|packet| packet.0 >= at(86_000)).collect();
    assert!(!next_day.is_empty());
    let mut files = [MemorySource::new(tries, 100), MemorySource::new(next_day, 100)];
    let harvest = Audited::of(run(&mut files, &citrix(), keeping()).expect("memory can be read"));
    let flow = support::flow_to(&harvest, CGP);
    assert_eq!(flow.judgement.outcome, Outcome::Undecided);
    assert_eq!(codes(&findings_of(&harvest)), [("quality.ends-early", Severity::Info)]);
}

#[test]
fn a_syn_repeated_in_the_next_file_proves_that_none_answered() {
    let tries = blocked(CGP).packets();
    let mut files = tries.chunks(2).map(|file| MemorySource::new(file.to_vec(), 100)).collect::<Vec<_>>();
    let harvest = Audited::of(run(&mut files, &citrix(), keeping()).expect("memory can be read"));
    assert_eq!(support::flow_to(&harvest, CGP).judgement.outcome, Outcome::Silent);
}

fn exposed(from: &str, to: &str) -> Vec<(&'static str, Severity)> {
    let talk = Talk::between(client(from, 50_001), server(to, ICA)).at(BEGIN).opened();
    codes(&found([talk.answers(ICA_GREETING).says(ICA_GREETING).packets()], 1))
}

#[test]
fn the_internet_is_not_the_own_network() {
    let code = "unexpected.internet-exposed";
    assert_eq!(exposed("203.0.113.9", "10.0.0.22"), [(code, Severity::Error)]);
    assert_eq!(exposed("203.0.113.9", "198.51.100.22"), [(code, Severity::Warning)], "a campus with public addresses?");
    assert_eq!(exposed("203.0.113.9", "203.0.113.22"), [], "one network");
    assert_eq!(exposed("2001:db8:1:2::9", "2001:db8:1:2::22"), [], "one IPv6 network");
    assert_eq!(exposed("2001:db8:1:2::9", "2001:db8:1:3::22"), [], "one site has 48 bits (RFC 6177)");
    assert_eq!(exposed("2001:db8:2:2::9", "2001:db8:1:2::22"), [(code, Severity::Warning)], "two sites");
    assert_eq!(exposed("10.0.0.9", "10.0.0.22"), []);
}

#[test]
fn ica_in_a_session_whose_start_is_missing_is_what_its_port_is_for() {
    let service = |port, talk: fn(Talk) -> Talk| {
        let talk = talk(talk_to(port)).answers(ICA_GREETING).says(ICA_GREETING).packets();
        let audited = audit(talk);
        let Some(ServiceRef::One(service)) = support::flow_to(&audited, port).judgement.service else { panic!("one") };
        citrix().service(service).name.clone()
    };
    assert_eq!(service(CGP, |talk| talk), "cgp");
    assert_eq!(service(CGP, Talk::opened), "ica", "without session reliability");
    assert_eq!(service(ICA, |talk| talk), "ica");
}

fn talk_to(port: u16) -> Talk {
    talk(50_001, port)
}

#[test]
fn what_only_the_client_says_does_not_tell_what_listens() {
    let probe = |port, words: &[u8]| talk(50_001, port).opened().says(words).server_ack().server_fin().fin().packets();
    assert_eq!(codes(&found([probe(CGP, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")], 1)), []);
    assert_eq!(codes(&found([probe(8090, ICA_GREETING)], 1)), []);
    let shown_out = talk(50_001, ICA).opened().says(b"SSH-2.0-scanner\r\n").server_reset().packets();
    assert_eq!(codes(&found([shown_out], 1)), []);
    let answered = talk(50_001, ICA).opened().answers(b"SSH-2.0-OpenSSH_9\r\n").says(b"SSH-2.0-x\r\n").packets();
    assert_eq!(codes(&found([answered], 1)), [("unexpected.foreign-protocol", Severity::Error)]);
}

#[test]
fn a_fallback_needs_a_session_at_that_time() {
    let refused = || talk(50_001, CGP).syn().refused().packets();
    let fell_back = |findings: &[Finding]| findings.iter().any(|finding| finding.code == "fallback.cgp-to-ica");
    let monitor = talk(50_002, ICA).opened().closed().packets();
    assert!(!fell_back(&found([refused(), monitor], 1)), "opened and closed without a word");
    let later = talk(50_002, ICA).at(at(18_000)).opened().answers(ICA_GREETING).says(ICA_GREETING).packets();
    assert!(!fell_back(&found([refused(), later], 18_001)), "five hours later");
    let again = session(50_003, CGP, CGP_GREETING).at(at(5)).packets();
    let ica = session(50_002, ICA, ICA_GREETING).packets();
    let back = talk(50_003, CGP).at(at(5)).opened().says(CGP_GREETING).answers(CGP_GREETING).packets();
    assert!(!again.is_empty() && !fell_back(&found([refused(), ica, back], 6)), "2598 works again");
    let ica = session(50_002, ICA, ICA_GREETING).packets();
    assert!(fell_back(&found([refused(), ica], 2)));
}

#[test]
fn a_host_that_is_down_is_no_firewall() {
    let told = |kind, code| {
        let talk = talk(50_001, CGP).syn().error("10.0.0.1", kind, code).packets();
        let findings = found([talk], 1);
        assert_eq!(codes(&findings), [("blocked.prohibited", Severity::Error)]);
        let texts = Words::default().finding(&findings[0]);
        texts.title + &texts.remedy
    };
    assert!(told(3, 1).contains("the host cannot be reached") && !told(3, 1).contains("Allow"), "{}", told(3, 1));
    assert!(told(3, 13).contains("prohibited by a device on the way") && told(3, 13).contains("Allow TCP 2598"));
}

#[test]
fn a_port_that_works_again_misses_no_rule() {
    let first = blocked(CGP).packets();
    let later = talk(50_003, CGP).at(at(40)).opened().says(CGP_GREETING).answers(CGP_GREETING).packets();
    let findings = found([first, later], 41);
    assert_eq!(codes(&findings), [("blocked.silent", Severity::Warning)]);
    assert_eq!(findings[0].params.get("worked"), Some(&Value::Number(1)));
    let remedy = Words::default().finding(&findings[0]).remedy;
    assert!(remedy.contains("No firewall rule is missing"), "{remedy}");
    let earlier =
        talk(50_003, CGP).at(at(-40)).opened().says(CGP_GREETING).answers(CGP_GREETING).fin().server_fin().packets();
    assert_eq!(
        codes(&found([earlier, blocked(CGP).packets()], 10)),
        [("blocked.silent", Severity::Error)],
        "closed since"
    );
}

#[test]
fn the_last_datagrams_of_a_session_are_no_attempt() {
    let tail = Talk::udp(client("10.0.0.14", 50_001), server("10.0.0.22", CGP)).at(BEGIN);
    let tail = tail.says(b"x").wait(Span::millis(300)).says(b"y").packets();
    assert_eq!(codes(&found([tail], 1)), []);
}

#[test]
fn a_single_try_long_ago_was_given_up_and_not_cut_off() {
    let tries = talk(50_001, CGP).syn().packets();
    assert_eq!(codes(&found([tries], 1)), [], "watched for a minute behind it");
}

#[test]
fn two_clocks_in_turn_do_not_make_silence() {
    let fast =
        talk(50_001, CGP).syn().wait(Span::millis(900)).syn_again().wait(Span::millis(900)).syn_again().packets();
    let behind: Place = client("10.0.0.15", 50_001);
    let slow: Vec<Captured> = (0..20)
        .flat_map(|n| {
            let talk =
                Talk::between(behind, server("10.0.0.23", 9)).at(BEGIN + Span::millis(95 * n) + Span::seconds(-2));
            talk.segment(Who::Client, TcpFlags::ACK, b"").packets()
        })
        .collect();
    let mut all: Vec<Captured> = fast;
    all.extend(slow);
    all.sort_by_key(|packet| if packet.0 < BEGIN + Span::millis(-90) { packet.0 + Span::seconds(2) } else { packet.0 });
    let findings = findings_of(&audit(all));
    assert!(findings.iter().all(|finding| !finding.code.starts_with("blocked")), "{findings:?}");
}

/// First and last port of every range that a rule names over TCP and that no other program uses.
fn specific_tcp_ports() -> BTreeSet<u16> {
    let map = citrix();
    let named =
        map.rules().iter().filter(|rule| rule.transports.contains(&Transport::Tcp)).flat_map(|rule| &rule.ports);
    let ends: BTreeSet<u16> = named.flat_map(|range| [*range.start(), *range.end()]).collect();
    ends.into_iter().filter(|&port| map.lookup(Transport::Tcp, port).is_some_and(|found| !found.generic)).collect()
}

/// Load balancers and monitoring open every port every few seconds, say nothing, and leave in their own ways.
#[test]
fn a_monitor_of_every_service_accuses_nobody() {
    let ways: [fn(Talk) -> Talk; 5] = [
        |talk| talk.opened().closed(),
        |talk| talk.opened().reset(),
        |talk| talk.syn().syn_ack().reset(),
        |talk| talk.opened().wait(Span::seconds(2)).fin().server_ack().server_fin().ack(),
        |talk| talk.opened().server_fin().fin().server_ack(),
    ];
    let ports = specific_tcp_ports();
    assert!(ports.len() > 30 && ports.contains(&CGP) && ports.contains(&7229));
    for (number, way) in ways.into_iter().enumerate() {
        let monitors = ports.iter().enumerate().flat_map(|(place, &port)| {
            (0..4).map(move |turn| {
                let monitor = talk(50_000 + (place * 4 + turn) as u16, port);
                way(monitor.at(at(5 * turn as i64))).packets()
            })
        });
        assert_eq!(codes(&found(monitors, 25)), [], "way {number} of leaving");
    }
}

/// Headers alone are a usual capture, and a mirror of both ends of a path holds every packet twice.
#[test]
fn a_healthy_session_is_healthy_however_it_was_captured() {
    let greetings = [(CGP, CGP_GREETING), (ICA, ICA_GREETING), (7229, CGP_GREETING), (27_000, b"W\0-60\0".as_slice())];
    let captured: [fn(Talk) -> Talk; 4] =
        [|talk| talk, |talk| talk.snap(54), |talk| talk.snap(60), |talk| talk.vlans(&[7, 8])];
    for (port, greeting) in greetings {
        for (number, how) in captured.into_iter().enumerate() {
            let session = how(talk(50_001, port)).opened().answers(greeting).says(greeting).wait(Span::seconds(30));
            let packets = session.answers(b"data").says(b"data").closed().packets();
            let twice: Vec<Captured> = packets.iter().flat_map(|packet| [packet.clone(), packet.clone()]).collect();
            for packets in [packets, twice] {
                let found = found([packets], 31);
                let loud = found.iter().filter(|finding| finding.severity > Severity::Info);
                assert_eq!(loud.count(), 0, "TCP {port}, captured in way {number}: {found:?}");
            }
        }
    }
}
