//! What is told must be true of the whole capture: no all-clear because of a session that stood before, no block where half of the
//! traffic was not captured, one finding for a scan, and tries that add up.

mod support;

use cap_audit::finding::{Finding, Severity, Value};
use cap_audit::judge::Outcome;
use cap_audit::packet::TcpFlags;
use cap_audit::time::{Span, Timestamp};
use cap_audit::words::Words;
use support::{
    Audited, Captured, Talk, Who, audit, broken_findings, client, findings_of, flow_to, meanwhile, merge, server,
};

const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000_000);
const CGP: u16 = 2598;
const ICA: u16 = 1494;
const ICA_GREETING: &[u8] = b"\x7f\x7fICA\0";
const CGP_GREETING: &[u8] = b"\x1aCGP/01\x00\x16Citrix.TcpProxyService";

fn at(seconds: i64) -> Timestamp {
    BEGIN + Span::seconds(seconds)
}

fn between(from: &str, client_port: u16, to: &str, port: u16) -> Talk {
    Talk::between(client(from, client_port), server(to, port)).at(BEGIN)
}

fn talk(client_port: u16, port: u16) -> Talk {
    between("10.0.0.14", client_port, "10.0.0.22", port)
}

/// Three SYNs within nine seconds and no answer.
fn tries(talk: Talk) -> Vec<Captured> {
    talk.syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again().packets()
}

/// A session that is opened at one moment and still carries something at another.
fn session(talk: Talk, greeting: &[u8], lasting: Span) -> Vec<Captured> {
    talk.opened().answers(greeting).says(greeting).wait(lasting).says(b"key").answers(b"picture").packets()
}

/// An audit of these talks, the capture going on until a minute after `end`.
fn audited(talks: impl IntoIterator<Item = Vec<Captured>>, end: i64) -> Audited {
    audit(merge(talks.into_iter().chain([meanwhile(at(end + 60))])))
}

fn codes(audited: &Audited) -> Vec<(&'static str, Severity)> {
    broken_findings(audited).iter().map(|finding| (finding.code, finding.severity)).collect()
}

fn only(audited: &Audited, code: &str) -> Finding {
    let mut found = broken_findings(audited);
    found.retain(|finding| finding.code == code);
    assert_eq!(found.len(), 1, "{code}: {found:#?}");
    found.remove(0)
}

/// Everything that a user reads of a finding.
fn read(finding: &Finding) -> String {
    let texts = Words::default().finding(finding);
    [texts.title, texts.meaning, texts.remedy].join("\n")
}

#[test]
fn a_session_that_stood_before_gives_no_all_clear() {
    // A stateful firewall learns a rule against new connections; the session of the minute before lives on.
    let old = session(talk(50_001, CGP).at(at(-60)), CGP_GREETING, Span::seconds(120));
    let audited = audited([old, tries(talk(50_002, CGP))], 70);
    assert_eq!(codes(&audited), [("blocked.silent", Severity::Error)]);
    let told = read(&only(&audited, "blocked.silent"));
    assert!(!told.contains("The port is open") && !told.contains("No firewall rule is missing"), "{told}");
    assert!(told.contains("A session that was opened before goes on") && told.contains("Allow TCP 2598"), "{told}");
}

#[test]
fn a_handshake_after_the_last_try_shows_that_the_port_is_open() {
    let blocked = || tries(talk(50_002, CGP));
    let open = audited([blocked(), talk(50_003, CGP).at(at(40)).opened().closed().packets()], 41);
    assert_eq!(codes(&open), [("blocked.silent", Severity::Warning)], "a handshake is enough");
    assert!(read(&only(&open, "blocked.silent")).contains("The port is open now"));
    // Tried again after that handshake, and blocked again: it is the last try that counts.
    let again = tries(talk(50_004, CGP).at(at(60)));
    let blocked_again = audited([blocked(), talk(50_003, CGP).at(at(40)).opened().closed().packets(), again], 70);
    assert_eq!(codes(&blocked_again), [("blocked.silent", Severity::Error)]);
}

#[test]
fn over_udp_a_first_reply_after_the_last_try_shows_it() {
    let edt = |port| Talk::udp(client("10.0.0.14", port), server("10.0.0.22", CGP));
    let hello = support_handshake();
    let blocked = edt(50_002).at(BEGIN).says(&hello).wait(Span::seconds(2)).says(&hello).packets();
    let old = || edt(50_001).at(at(-60)).says(&hello).answers(&hello).wait(Span::seconds(100)).answers(b"x").packets();
    let beside = || talk(50_009, CGP).at(at(-100)).opened().closed().packets();
    let stands = audited([old(), blocked.clone(), beside()], 60);
    assert_eq!(codes(&stands), [("blocked.silent", Severity::Error)], "the stream of before tells nothing");
    let later = edt(50_003).at(at(50)).says(&hello).answers(&hello).packets();
    assert_eq!(codes(&audited([old(), blocked, beside(), later], 60)), [("blocked.silent", Severity::Warning)]);
}

/// The first datagram of EDT: a handshake of UDT (facts EDT-06).
fn support_handshake() -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[0] = 0x80;
    bytes[19] = 4;
    bytes[23] = 1;
    bytes
}

#[test]
fn a_fallback_is_told_although_an_old_session_lives_on() {
    let old = session(talk(50_001, CGP).at(at(-60)), CGP_GREETING, Span::seconds(120));
    let ica = session(talk(50_003, ICA).at(at(12)), ICA_GREETING, Span::seconds(30));
    let audited = audited([old, tries(talk(50_002, CGP)), ica], 70);
    let told = [("fallback.cgp-to-ica", Severity::Warning), ("launch.slow", Severity::Warning)];
    assert_eq!(codes(&audited), [&[("blocked.silent", Severity::Error)][..], &told].concat());
}

#[test]
fn the_cause_comes_before_the_effect() {
    let ica = |begin, lasting| session(talk(50_003, ICA).at(at(begin)), ICA_GREETING, Span::seconds(lasting));
    let before = audited([ica(-300, 400), tries(talk(50_002, CGP))], 110);
    assert_eq!(codes(&before), [("blocked.silent", Severity::Error)], "that session was there already");
    let of_many = audited(
        [
            ica(-300, 400),
            tries(talk(50_002, CGP)),
            session(talk(50_004, ICA).at(at(20)), ICA_GREETING, Span::seconds(9)),
        ],
        110,
    );
    let fallback = ("fallback.cgp-to-ica", Severity::Warning);
    let slow = ("launch.slow", Severity::Warning);
    assert_eq!(codes(&of_many), [("blocked.silent", Severity::Error), fallback, slow], "the second of them came of it");
}

/// One side of a TCP session.
fn half_seen(from: &str, to: &str, port: u16) -> Vec<Captured> {
    let ack = |talk: Talk| talk.segment(Who::Client, TcpFlags::ACK, b"data").wait(Span::seconds(1));
    ack(ack(between(from, port, to, 443).syn().wait(Span::millis(20)))).packets()
}

/// EDT without an answer.
fn silent_edt(from: &str, to: &str) -> Vec<Captured> {
    let hello = support_handshake();
    let talk = Talk::udp(client(from, 50_100), server(to, CGP)).at(BEGIN);
    talk.says(&hello).wait(Span::seconds(2)).says(&hello).wait(Span::seconds(4)).says(&hello).packets()
}

fn whole(from: &str, to: &str, port: u16) -> Vec<Captured> {
    between(from, port, to, 443).opened().says(b"data").answers(b"data").closed().packets()
}

#[test]
fn a_healthy_neighbour_does_not_cancel_what_is_known_of_these_hosts() {
    let neighbour = || whole("10.0.1.9", "10.0.2.9", 50_009);
    let udp = || silent_edt("10.0.1.14", "10.0.2.22");
    let half = audited([half_seen("10.0.1.14", "10.0.2.22", 50_001), neighbour(), udp()], 10);
    let outcome = flow_to(&half, CGP).judgement.outcome;
    assert_eq!((outcome, half.tally().blocked), (Outcome::OneWay, 0), "the reply may have passed unseen");
    assert!(codes(&half).iter().all(|(code, _)| !code.starts_with("blocked")), "{:?}", codes(&half));
    let seen = audited([whole("10.0.1.14", "10.0.2.22", 50_001), neighbour(), udp()], 10);
    assert_eq!((flow_to(&seen, CGP).judgement.outcome, seen.tally().blocked), (Outcome::Silent, 1));
}

#[test]
fn one_member_of_a_port_channel_proves_no_silence() {
    let pairs = (1..=8_u8).map(|host| {
        let (from, to) = (format!("10.0.1.{host}"), format!("10.0.2.{host}"));
        if host <= 3 { half_seen(&from, &to, 50_001) } else { whole(&from, &to, 50_001) }
    });
    let udp = silent_edt("10.0.1.14", "10.0.2.22");
    let half = audited(pairs.chain([udp]), 10);
    assert_eq!(flow_to(&half, CGP).judgement.outcome, Outcome::OneWay);
    let one = (1..=30_u8).map(|host| {
        let (from, to) = (format!("10.0.1.{host}"), format!("10.0.2.{host}"));
        if host == 1 { half_seen(&from, &to, 50_001) } else { whole(&from, &to, 50_001) }
    });
    let edge = audited(one.chain([silent_edt("10.0.1.44", "10.0.2.22")]), 10);
    assert_eq!(flow_to(&edge, CGP).judgement.outcome, Outcome::Silent, "one of thirty is the edge of the capture");
}

#[test]
fn who_knocks_from_the_internet_is_no_customer() {
    let from = |address: &str, port| between(address, 50_001, "10.0.0.22", port);
    let knocks = [
        tries(from("203.0.113.9", ICA)),
        from("203.0.113.77", ICA).syn().refused().packets(),
        tries(from("198.51.100.4", CGP)),
    ];
    let audited = audited(knocks, 10);
    assert_eq!(codes(&audited), [("unexpected.from-internet", Severity::Info); 2]);
    for finding in findings_of(&audited) {
        let told = read(&finding);
        assert!(!told.contains("Allow") && told.contains("Nothing has to be opened"), "{told}");
    }
}

#[test]
fn between_public_addresses_the_advice_is_for_the_own_ones_only() {
    let blocked = tries(between("203.0.113.9", 50_001, "198.51.100.22", ICA));
    let audited = audited([blocked], 10);
    assert_eq!(codes(&audited), [("blocked.silent", Severity::Warning)]);
    let told = read(&only(&audited, "blocked.silent"));
    assert!(told.contains("are both yours"), "{told}");
}

/// Ports that the map gives to a service each.
const KNOWN: [u16; 24] = [
    80, 443, 1494, 2598, 8080, 27_000, 7_279, 8_082, 8_083, 135, 445, 389, 636, 3_268, 88, 1_433, 1_801, 54_321,
    54_322, 54_323, 7_229, 8_008, 16_500, 9_080,
];

#[test]
fn a_scan_of_many_ports_is_one_finding() {
    let probe = |&port: &u16| talk(40_000 + port % 1_000, port).syn().refused().packets();
    let real = tries(between("10.0.0.15", 50_001, "10.0.0.22", CGP));
    let audited = audited(KNOWN.iter().map(probe).chain([real]), 20);
    assert_eq!(codes(&audited), [("blocked.silent", Severity::Error), ("unexpected.scan", Severity::Warning)]);
    let scan = only(&audited, "unexpected.scan");
    assert_eq!(scan.clients, [support::address("10.0.0.14")]);
    assert!(scan.flow_count >= 20, "{}", scan.flow_count);
    assert!(read(&scan).contains("10.0.0.14 tried"), "{}", read(&scan));
}

#[test]
fn a_scan_of_one_port_of_many_hosts_is_one_finding() {
    let host = |number: u8| format!("10.0.3.{number}");
    let silent = (1..=40).map(|number| between("10.0.0.66", 40_001, &host(number), CGP).syn().packets());
    let refused = (41..=90).map(|number| between("10.0.0.66", 40_001, &host(number), CGP).syn().refused().packets());
    let scanned = audited(silent.chain(refused), 200);
    assert_eq!(codes(&scanned), [("unexpected.scan", Severity::Warning)]);
    let scan = only(&scanned, "unexpected.scan");
    assert_eq!((scan.flow_count, scan.servers.len()), (90, 90));
    assert_eq!(scan.params.get("hosts"), Some(&Value::Number(90)));
    // A gateway whose ways to forty hosts are blocked tries as long as its system does.
    let gateway = (1..=40).map(|number| tries(between("10.0.0.66", 40_001, &host(number), CGP)));
    let blocked = audited(gateway, 20);
    assert!(codes(&blocked).iter().all(|&told| told == ("blocked.silent", Severity::Error)), "{:?}", codes(&blocked));
    assert_eq!(codes(&blocked).len(), 40);
}

#[test]
fn a_flood_from_forged_sources_is_one_finding() {
    let source = |number: u32| {
        let [_, a, b, c] = (number * 2_654_435).to_be_bytes();
        format!("{}.{a}.{b}.{c}", 11 + number % 80)
    };
    // The server answers each, and answers again; nobody reacts.
    let half_open = |number: u32| {
        let talk = between(&source(number), 40_001, "10.0.0.22", CGP).syn().syn_ack();
        talk.wait(Span::seconds(1)).syn_ack_again().wait(Span::seconds(4)).syn_ack_again().packets()
    };
    let refused = |number: u32| between(&source(number), 40_001, "10.0.0.23", 80).syn().refused().packets();
    let real = tries(between("10.0.0.15", 50_001, "10.0.0.22", CGP));
    let flooded = audited((1..=250).map(half_open).chain((1..=250).map(refused)).chain([real]), 20);
    let told = codes(&flooded);
    let expected = ("unexpected.flood", Severity::Warning);
    assert_eq!(told, [("blocked.silent", Severity::Error), expected, expected]);
    let all = findings_of(&flooded);
    assert!(all[1..].iter().all(|flood| read(flood).contains("look forged")), "{}", read(&all[1]));
    assert!(all[1..].iter().all(|flood| flood.flow_count == 250));
}

#[test]
fn a_flood_between_two_hosts_is_no_block_and_hides_none() {
    // 3,000 SYNs in six seconds, each from a port of its own.
    let syn = |number: u16| {
        between("10.9.9.9", 1_024 + number, "10.8.8.8", CGP)
            .at(BEGIN + Span::millis(2 * i64::from(number)))
            .syn()
            .packets()
    };
    let real = tries(talk(50_001, CGP));
    let flooded = audited((0..3_000).map(syn).chain([real]), 200);
    assert_eq!(codes(&flooded), [("blocked.silent", Severity::Error), ("unexpected.flood", Severity::Warning)]);
    let told = read(&only(&flooded, "unexpected.flood"));
    assert!(told.contains("10.9.9.9 tried again and again"), "{told}");
}

#[test]
fn many_short_tries_are_a_block() {
    let monitor = |number: u16| talk(50_000 + number, CGP).at(at(30 * i64::from(number))).syn().packets();
    let silent = audited((0..5).map(monitor), 400);
    assert_eq!(codes(&silent), [("blocked.silent", Severity::Error)]);
    assert_eq!((silent.tally().blocked, silent.tally().expected), (5, 5));
    assert!(
        silent
            .flows
            .iter()
            .filter(|flow| flow.record.server.port == CGP)
            .all(|flow| flow.judgement.outcome == Outcome::Silent)
    );
    let found = only(&silent, "blocked.silent");
    assert_eq!(found.params.get("tries"), Some(&Value::Number(5)));
    assert_eq!(
        found.params.get("watched"),
        Some(&Value::Duration(Span::seconds(180))),
        "how long one of them was watched"
    );
    let told = read(&found);
    assert!(told.contains("tried 5 times"), "{told}");
    // One answer among them: the port is open, and packets get lost.
    let answered = talk(50_100, CGP).at(at(45)).opened().closed().packets();
    assert_eq!(codes(&audited((0..5).map(monitor).chain([answered]), 400)), []);
    assert_eq!(codes(&audited((0..2).map(monitor), 400)), [], "two tries are too few");
    let at_once = |number: u16| talk(50_000 + number, CGP).at(BEGIN + Span::millis(i64::from(number))).syn().packets();
    assert_eq!(codes(&audited((0..5).map(at_once), 400)), [], "within a moment they are one");
}

#[test]
fn a_dead_dns_server_is_told() {
    let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03ddc\x04corp\x00\x00\x01\x00\x01";
    let ask = |number: u16| {
        Talk::udp(client("10.0.0.14", 50_000 + number), server("10.0.0.53", 53)).at(at(5 * i64::from(number)))
    };
    let silent = |number| ask(number).says(query).packets();
    let beside = || talk(40_000, 443).opened().closed().packets();
    let dead = audited((0..6).map(silent).chain([beside()]), 300);
    assert_eq!(codes(&dead), [("blocked.silent", Severity::Warning)]);
    let answered = ask(3).says(query).answers(&[query, &b"\0"[..]].concat()).packets();
    assert_eq!(codes(&audited((0..6).map(silent).chain([answered, beside()]), 300)), [], "some get lost");
}

#[test]
fn neighbours_on_numbers_that_citrix_uses_are_worth_a_remark() {
    let torrent = |from, to| {
        between(from, 50_001, to, 6_895).opened().says(b"\x13BitTorrent protocol").answers(b"\x13BitTorrent protocol")
    };
    let alone = audited([torrent("10.0.0.14", "10.0.0.77").packets()], 5);
    assert_eq!(codes(&alone), [("unexpected.transport", Severity::Info)]);
    let cgp = session(between("10.0.0.14", 50_002, "10.0.0.77", CGP), CGP_GREETING, Span::seconds(1));
    let tied = audited([torrent("10.0.0.14", "10.0.0.77").packets(), cgp], 5);
    assert_eq!(codes(&tied), [("unexpected.transport", Severity::Warning)]);
    let hash_table = Talk::udp(client("10.0.0.14", 50_001), server("93.184.216.34", 6_895)).at(BEGIN);
    let hash_table = hash_table.says(b"d1:ad2:id20:x").wait(Span::seconds(3)).says(b"d1:ad2:id20:x").packets();
    let told = codes(&audited([hash_table], 10));
    assert!(told.iter().all(|(_, severity)| *severity == Severity::Info), "{told:?}");
}

#[test]
fn a_few_light_tries_hide_no_block() {
    // A monitor probes thirty hosts that are off, and its own user cannot reach one of them.
    let host = |number: u8| format!("10.0.3.{number}");
    let probes = (1..=40).map(|number| between("10.0.0.66", 40_001, &host(number), CGP).syn().packets());
    let real = tries(between("10.0.0.66", 50_001, "10.0.3.99", CGP));
    let audited = audited(probes.chain([real]), 200);
    assert_eq!(codes(&audited), [("blocked.silent", Severity::Error), ("unexpected.scan", Severity::Warning)]);
}

#[test]
fn a_half_open_monitor_that_is_answered_again_shows_that_the_port_is_open() {
    let probe = |number: u16| talk(50_000 + number, CGP).at(at(5 * i64::from(number)));
    let silent = (0..6).map(|number| probe(number).syn().packets());
    let answered = (6..40).map(|number| probe(number).syn().syn_ack().reset().packets());
    let told = codes(&audited(silent.chain(answered), 400));
    assert!(told.iter().all(|&(_, severity)| severity < Severity::Error), "{told:?}");
}

#[test]
fn an_answer_long_ago_does_not_stop_tries_from_adding_up() {
    let probe = |number: u16| talk(50_000 + number, CGP).at(at(30 * i64::from(number)));
    let lost = probe(0).syn().packets();
    let answered = (1..20).map(|number| probe(number).opened().closed().packets());
    let silent = (20..40).map(|number| probe(number).syn().packets());
    let audited = audited([lost].into_iter().chain(answered).chain(silent), 1_400);
    assert_eq!(codes(&audited), [("blocked.silent", Severity::Error)]);
}

#[test]
fn a_server_that_asks_dead_strangers_scans_nobody() {
    let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03ddc\x04corp\x00\x00\x01\x00\x01";
    let ask = |number: u8| Talk::udp(client("10.0.0.53", 50_000), server(&format!("93.184.{number}.7"), 53)).at(BEGIN);
    let dead = (1..=40).map(|number| ask(number).says(query).packets());
    let alive = (41..=60).map(|number| ask(number).says(query).answers(&[query, &b"\0"[..]].concat()).packets());
    assert_eq!(codes(&audited(dead.chain(alive), 300)), []);
}

#[test]
fn a_port_that_refuses_is_not_silent_because_a_few_packets_were_lost() {
    let probe = |number: u16| talk(50_000 + number, CGP).at(at(5 * i64::from(number)));
    let tries = (0..60).map(|number| {
        if number % 12 == 0 { probe(number).syn().packets() } else { probe(number).syn().refused().packets() }
    });
    assert_eq!(codes(&audited(tries, 500)), [("blocked.refused", Severity::Error)]);
}

#[test]
fn a_reset_of_the_client_after_its_syn_proves_an_answer() {
    let probe = |number: u16| talk(50_000 + number, CGP).at(at(5 * i64::from(number)));
    let half = (0..20).map(|number| probe(number).syn().wait(Span::millis(1)).reset().packets());
    let told = codes(&audited(half, 300));
    assert!(told.iter().all(|(code, _)| !code.starts_with("blocked")), "{told:?}");
}

/// A handshake of UDT that asks with this type and cookie (facts EDT-06).
fn edt_request(request: i32, cookie: u32) -> Vec<u8> {
    let mut bytes = support_handshake();
    bytes[36..40].copy_from_slice(&request.to_be_bytes());
    bytes[44..48].copy_from_slice(&cookie.to_be_bytes());
    bytes
}

/// What becomes of a client's datagrams over UDP that nobody is seen to answer: three times each, two seconds between them.
fn unanswered(port: u16, datagrams: &[&[u8]]) -> Outcome {
    let beside = session(talk(50_001, ICA), ICA_GREETING, Span::seconds(1));
    let talk = Talk::udp(client("10.0.0.14", 50_100), server("10.0.0.22", port)).at(BEGIN);
    let thrice = datagrams.iter().flat_map(|bytes| [bytes; 3]);
    let said = thrice.fold(talk, |talk, bytes| talk.says(bytes).wait(Span::seconds(2)));
    flow_to(&audited([said.packets(), beside], 60), port).judgement.outcome
}

#[test]
fn what_a_client_sends_only_after_an_answer_proves_that_there_was_one() {
    let ask = edt_request(1, 0);
    let data = [&[0, 0, 0, 1, 0xC0][..], &[0; 90]].concat();
    let keepalive = [&[0x80, 1, 0, 0][..], &[0; 12]].concat();
    assert_eq!(unanswered(CGP, &[&ask]), Outcome::Silent);
    for next in [&edt_request(-1, 0), &edt_request(1, 0x1234), &data, &keepalive] {
        assert_eq!(unanswered(CGP, &[&ask, next]), Outcome::OneWay, "{next:02x?}");
    }
    assert_eq!(unanswered(CGP, &[&keepalive]), Outcome::OneWay, "the capture began later");
    let record = |content: u8, epoch: u8, words: &[u8]| {
        let length = u16::try_from(words.len()).expect("a short record").to_be_bytes();
        [&[content, 0xFE, 0xFD, 0, epoch, 0, 0, 0, 0, 0, 0][..], &length, words].concat()
    };
    let hello = |cookie: &[u8]| {
        let body = [&[0xFE, 0xFD][..], &[7; 32], &[0, cookie.len() as u8], cookie, &[0, 2, 0xC0, 0x2F, 1, 0]].concat();
        let length = [0, 0, body.len() as u8];
        record(0x16, 0, &[&[1][..], &length, &[0; 5], &length, &body].concat())
    };
    assert_eq!(unanswered(443, &[&hello(b"")]), Outcome::Silent);
    for next in [hello(b"cookie"), record(0x14, 0, &[1]), record(0x17, 1, &[7; 60])] {
        assert_eq!(unanswered(443, &[&hello(b""), &next]), Outcome::OneWay, "{next:02x?}");
    }
}

#[test]
fn a_client_that_is_half_seen_everywhere_proves_no_silence() {
    // The port of the switch that leads to this client is mirrored in one direction only; its neighbours are whole.
    let neighbours = || (1..=30_u8).map(|host| whole(&format!("10.0.1.{host}"), &format!("10.0.2.{host}"), 50_001));
    let halves = || [1, 2].map(|port| half_seen("10.0.1.114", "10.0.3.5", 50_000 + port));
    let edt = |from| audited(neighbours().chain(halves()).chain([silent_edt(from, "10.0.2.22")]), 10);
    let of_client = edt("10.0.1.114");
    assert_eq!(flow_to(&of_client, CGP).judgement.outcome, Outcome::OneWay);
    assert!(codes(&of_client).iter().all(|(code, _)| !code.starts_with("blocked")), "{:?}", codes(&of_client));
    assert_eq!(flow_to(&edt("10.0.1.14"), CGP).judgement.outcome, Outcome::Silent, "its neighbour is whole");
    // The same of one server, asked by a client of whom nothing else is known.
    let to_server = [1, 2].map(|host| half_seen(&format!("10.0.4.{host}"), "10.0.2.122", 50_001));
    let server = audited(neighbours().chain(to_server).chain([silent_edt("10.0.1.14", "10.0.2.122")]), 10);
    assert_eq!(flow_to(&server, CGP).judgement.outcome, Outcome::OneWay);
    // A whole network, and another host of it.
    let network = [1, 2].map(|host| half_seen(&format!("10.0.4.{host}"), &format!("10.0.2.{host}"), 50_001));
    let network = audited(neighbours().chain(network).chain([silent_edt("10.0.4.9", "10.0.3.9")]), 10);
    assert_eq!(flow_to(&network, CGP).judgement.outcome, Outcome::OneWay);
}
