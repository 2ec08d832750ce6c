//! TLS and DTLS as far as the wire shows: versions, certificates, alerts and who sent them, hellos without an answer. The hello and the
//! answer to it in `tests/tls/` were recorded between OpenSSL's `s_client` and `s_server` 3.0, which spoke TLS 1.2 with a certificate of
//! "vda01.example" (also "vda01") that "Example CA" of "Example Ltd" had issued.

mod skip;
mod support;

use cap_audit::finding::{Finding, Severity};
use cap_audit::flow::{Alert, FlowRecord, Note, Who};
use cap_audit::ledger::written::CaptureNames;
use cap_audit::ledger::{Ledger, Naming, What};
use cap_audit::signature::{Certificate, Protocol};
use cap_audit::time::Span;
use cap_audit::words::Words;
use proptest::prelude::*;
use std::process::Command;
use support::{
    Audited, CLIENT_ISN, Captured, SERVER_ISN, START, Talk, audit, client, findings_of, flow_to, meanwhile, merge,
    server, write_pcap,
};

const HELLO: &[u8] = include_bytes!("tls/client_hello.bin");
const FLIGHT: &[u8] = include_bytes!("tls/server_flight.bin");
/// Unknown certification authority (48), and handshake failure (40), both fatal (RFC 8446, 6).
const UNKNOWN_CA: &[u8] = &[0x15, 3, 3, 0, 2, 2, 48];
const HANDSHAKE_FAILURE: &[u8] = &[0x15, 3, 3, 0, 2, 2, 40];
/// A change of the cipher, and what is protected by it.
const GOES_ON: &[u8] = &[0x14, 3, 3, 0, 1, 1, 0x16, 3, 3, 0, 4, 9, 9, 9, 9];

/// A private server of which nothing says that it is Citrix's, and one with such a name.
const PLAIN: &str = "10.1.1.5";
const PUBLIC: &str = "93.184.216.34";

fn talk(port: u16, to: &str) -> Talk {
    Talk::between(client("10.1.2.9", port), server(to, 443)).opened()
}

/// The same hello for a name of the Gateway Service, which is as long.
fn citrix_hello() -> Vec<u8> {
    let at = HELLO.windows(13).position(|part| part == b"vda01.example").expect("the name is in the hello");
    [&HELLO[..at], b"a12.nssvc.net", &HELLO[at + 13..]].concat()
}

fn only(packets: Vec<Captured>) -> FlowRecord {
    flow_to(&audit(packets), 443).record.clone()
}

fn certificate(record: &FlowRecord) -> Option<&Certificate> {
    record.tls()?.certificate.as_deref()
}

fn names(certificate: &Certificate) -> (Option<&str>, Option<&str>, Vec<&str>) {
    let Certificate { subject, issuer, hosts } = certificate;
    (subject.as_deref(), issuer.as_deref(), hosts.iter().map(|host| &**host).collect())
}

fn alert(record: &FlowRecord) -> Option<(Who, u8, Option<Span>)> {
    record.alert().map(|&Alert { by, number, after, .. }| (by, number, after))
}

fn found(audited: &Audited) -> Vec<Finding> {
    findings_of(audited).into_iter().filter(|finding| finding.code.starts_with("tls.")).collect()
}

fn codes(packets: Vec<Captured>) -> Vec<(&'static str, Severity)> {
    found(&audit(packets)).iter().map(|finding| (finding.code, finding.severity)).collect()
}

fn titles(packets: Vec<Captured>) -> Vec<String> {
    found(&audit(packets)).iter().map(|finding| Words::default().finding(finding).title).collect()
}

/// The client does not trust the certificate, three milliseconds after it.
fn distrusts(talk: Talk, hello: &[u8]) -> Vec<Captured> {
    let talk = talk.says(hello).server_ack().wait(Span::millis(1)).answers(FLIGHT).ack().wait(Span::millis(3));
    talk.says(UNKNOWN_CA).closed().packets()
}

#[test]
fn versions_and_the_certificate_are_read() {
    let record =
        only(talk(50_001, PLAIN).says(HELLO).answers(FLIGHT).says(GOES_ON).answers(GOES_ON).closed().packets());
    let tls = record.tls().expect("it is TLS");
    assert_eq!((tls.offered, tls.chosen), (Some(0x0303), Some(0x0303)));
    let certificate = certificate(&record).expect("TLS 1.2 shows it");
    assert_eq!(names(certificate), (Some("vda01.example"), Some("Example CA"), vec!["vda01.example", "vda01"]));
    assert_eq!(alert(&record), None);
}

#[test]
fn an_alert_says_who_sent_it_and_how_long_after_what() {
    let record = only(distrusts(talk(50_001, PLAIN), HELLO));
    assert_eq!(alert(&record), Some((Who::Client, 48, Some(Span::millis(3)))));
    let noted = record.evidence.iter().find(|evidence| evidence.note == Note::Alert).expect("it is evidence");
    assert_eq!(Some(noted.at), record.alert().map(|alert| alert.at));
    let by_server = talk(50_001, PLAIN).says(HELLO).wait(Span::millis(1)).server_ack().wait(Span::millis(2));
    let record = only(by_server.answers(HANDSHAKE_FAILURE).closed().packets());
    assert_eq!(alert(&record), Some((Who::Server, 40, Some(Span::millis(3)))));
    let late =
        talk(50_001, PLAIN).says(HELLO).answers(FLIGHT).wait(Span::millis(5)).says(GOES_ON).wait(Span::millis(7));
    let record = only(late.answers(HANDSHAKE_FAILURE).closed().packets());
    assert_eq!(alert(&record), Some((Who::Server, 40, Some(Span::millis(7)))), "after the client's last word");
    let behind = [FLIGHT, UNKNOWN_CA].concat();
    let record = only(talk(50_001, PLAIN).says(HELLO).wait(Span::millis(2)).answers(&behind).closed().packets());
    assert_eq!(alert(&record), Some((Who::Server, 48, Some(Span::millis(2)))), "behind other records");
}

#[test]
fn what_ends_nothing_and_what_is_protected_is_no_alert() {
    let close: &[u8] = &[0x15, 3, 3, 0, 2, 1, 0];
    let warning: &[u8] = &[0x15, 3, 3, 0, 2, 1, 112];
    let cancelled: &[u8] = &[0x15, 3, 3, 0, 2, 2, 90];
    let protected: &[u8] =
        &[0x15, 3, 3, 0, 26, 2, 48, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for last in [close, warning, cancelled, protected] {
        let packets = talk(50_001, PLAIN).says(HELLO).answers(FLIGHT).says(last).closed().packets();
        assert_eq!(alert(&only(packets)), None, "{last:?}");
    }
}

#[test]
fn the_title_is_what_an_expert_would_write() {
    let titles = titles(distrusts(talk(50_001, PLAIN), &citrix_hello()));
    let wanted = "TLS to 10.1.1.5, TCP 443: 'unknown CA' from the client, 3 ms after the certificate of vda01.example (issuer Example CA)";
    assert_eq!(titles, [wanted]);
}

#[test]
fn how_bad_it_is_depends_on_what_ties_it_to_citrix() {
    let told = |to: &str, hello: &[u8]| codes(distrusts(talk(50_001, to), hello));
    assert_eq!(told(PLAIN, &citrix_hello()), [("tls.alert", Severity::Error)]);
    assert_eq!(told(PLAIN, HELLO), [("tls.alert", Severity::Info)]);
    assert_eq!(told(PUBLIC, HELLO), [], "web traffic");
    let session = Talk::between(client("10.1.2.9", 51_000), server("10.1.1.77", 1494)).opened();
    let session = session.answers(b"\x7f\x7fICA\0").says(b"\x7f\x7fICA\0").closed().packets();
    assert_eq!(codes(merge([session, distrusts(talk(50_001, PLAIN), HELLO)])), [("tls.alert", Severity::Warning)]);
    let several = |to: &str| {
        let of = |host: u8| {
            let from = client(&format!("10.1.2.{host}"), 50_001);
            distrusts(Talk::between(from, server(to, 443)).opened(), HELLO)
        };
        codes(merge((1..=3).map(of)))
    };
    assert_eq!(several(PLAIN), [("tls.alert", Severity::Warning)]);
    assert_eq!(several(PUBLIC), []);
}

#[test]
fn the_same_at_many_servers_is_one_line() {
    let several = |servers: u8, hello: &[u8]| {
        let of = |host: u8| distrusts(talk(50_000 + u16::from(host), &format!("10.1.1.{host}")), hello);
        let session = Talk::between(client("10.1.2.9", 51_000), server("10.1.1.77", 1494)).opened();
        let session = session.answers(b"\x7f\x7fICA\0").says(b"\x7f\x7fICA\0").closed().packets();
        found(&audit(merge((1..=servers).map(of).chain([session]))))
    };
    assert_eq!(several(3, HELLO).len(), 3);
    let [all] = &several(9, HELLO)[..] else { panic!("they are told together") };
    assert_eq!((all.servers.len(), all.clients.len(), all.flow_count), (9, 1, 9));
    assert_eq!((all.code, all.severity), ("tls.alert", Severity::Warning));
    let title = Words::default().finding(all).title;
    assert!(title.ends_with("TCP 443: 'unknown CA' from the client"), "{title}");
    assert_eq!(several(9, &citrix_hello()).len(), 9, "each of them is a server of Citrix");
}

#[test]
fn who_has_a_session_browses_the_internet_as_well() {
    let session = |to: &str| {
        let talk = Talk::between(client("10.1.2.9", 51_000), server(to, 1494)).opened();
        talk.answers(b"\x7f\x7fICA\0").says(b"\x7f\x7fICA\0").closed().packets()
    };
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let fails = |to: &str| {
        let mismatch = talk(50_002, to).says(HELLO).answers(http).closed().packets();
        let closed = talk(50_003, to).says(HELLO).server_ack().server_fin().ack().fin().packets();
        merge([distrusts(talk(50_001, to), HELLO), mismatch, closed])
    };
    assert_eq!(codes(merge([session("10.1.1.77"), fails(PUBLIC)])), []);
    // Another server, on the same site, or one that answers on a port of Citrix itself.
    let warned = ["tls.alert", "tls.unanswered", "tls.mismatch"].map(|code| (code, Severity::Warning));
    let mut told = codes(merge([session("10.1.1.77"), fails(PLAIN)]));
    told.sort_unstable();
    let mut wanted = warned;
    wanted.sort_unstable();
    assert_eq!(told, wanted);
    let mut told = codes(merge([session(PUBLIC), fails(PUBLIC)]));
    told.sort_unstable();
    assert_eq!(told, wanted);
}

#[test]
fn a_client_that_got_through_later_is_told_mildly() {
    let later = || {
        let talk = talk(50_002, PLAIN).at(START + Span::seconds(9));
        let talk = Talk::between(client("10.1.2.9", 50_002), server(PLAIN, 443)).at(talk.now()).opened();
        talk.says(HELLO).answers(FLIGHT).says(GOES_ON).answers(GOES_ON).closed().packets()
    };
    let codes = |hello: &[u8]| codes(merge([distrusts(talk(50_001, PLAIN), hello), later()]));
    assert_eq!(codes(&citrix_hello()), [("tls.alert", Severity::Info)]);
    assert_eq!(codes(HELLO), []);
}

#[test]
fn a_hello_without_an_answer_is_found_when_it_was_watched_long_enough() {
    let hello = citrix_hello();
    let silent = |seconds: i64| {
        let end = START + Span::seconds(seconds);
        merge([talk(50_001, PLAIN).says(&hello).server_ack().packets(), meanwhile(end)])
    };
    assert_eq!(codes(silent(30)), [("tls.unanswered", Severity::Error)]);
    assert_eq!(codes(silent(15)), [], "the capture ended too early");
    let given_up =
        |wait: i64| talk(50_001, PLAIN).says(&hello).server_ack().wait(Span::seconds(wait)).closed().packets();
    assert_eq!(codes(given_up(6)), [("tls.unanswered", Severity::Error)]);
    assert_eq!(codes(given_up(1)), [], "the client did not wait");
    let repeated = talk(50_001, PLAIN).says(&hello).wait(Span::seconds(1)).repeats(support::Who::Client);
    let repeated =
        repeated.wait(Span::seconds(2)).repeats(support::Who::Client).wait(Span::seconds(4)).reset().packets();
    assert_eq!(codes(repeated), [("tls.unanswered", Severity::Error)]);
    let closed = talk(50_001, PLAIN).says(&hello).server_ack().server_fin().ack().fin().packets();
    assert_eq!(titles(closed), ["TLS to 10.1.1.5, TCP 443: closed by the server right after the hello"]);
    // It closes because it never got the hello.
    let lost = (0..5).fold(talk(50_001, PLAIN).says(&hello), |talk, time| {
        talk.wait(Span::seconds(1 << time)).repeats(support::Who::Client)
    });
    let lost = lost.numbers(CLIENT_ISN.wrapping_add(1), SERVER_ISN.wrapping_add(1)).server_fin().packets();
    assert_eq!(titles(lost), ["TLS to 10.1.1.5, TCP 443: no answer to the hello"]);
}

#[test]
fn an_answer_that_is_not_in_the_capture_is_no_silence() {
    let end = START + Span::seconds(40);
    let hello = citrix_hello();
    let answered = talk(50_001, PLAIN).says(&hello).answers(FLIGHT).unseen().says(GOES_ON).packets();
    assert_eq!(codes(merge([answered, meanwhile(end)])), []);
    let closed = talk(50_001, PLAIN).says(&hello).answers(FLIGHT).unseen().server_fin().ack().fin().packets();
    assert_eq!(codes(closed), []);
    let cut = talk(50_001, PLAIN).snap(64).says(&hello).server_ack().packets();
    assert_eq!(codes(merge([cut, meanwhile(end)])), []);
}

#[test]
fn plain_text_and_tls_that_meet_are_told() {
    let hello = citrix_hello();
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let to_plain = |answer: &[u8]| talk(50_001, PLAIN).says(&hello).answers(answer).closed().packets();
    assert_eq!(titles(to_plain(http)), ["TLS to 10.1.1.5, TCP 443: the server answers in plain HTTP"]);
    assert_eq!(
        titles(to_plain(b"<!DOCTYPE HTML>\n<html>")),
        ["TLS to 10.1.1.5, TCP 443: the server answers in plain text"]
    );
    let get = b"GET / HTTP/1.1\r\nHost: a12.nssvc.net\r\n\r\n";
    let to_tls = |answer: &[u8]| talk(50_001, PLAIN).says(get).answers(answer).closed().packets();
    let told = ["Plain HTTP to 10.1.1.5, TCP 443: the server wants TLS there"];
    assert_eq!(titles(to_tls(&[0x15, 3, 1, 0, 2, 2, 70])), told);
    assert_eq!(titles(to_tls(b"HTTP/1.1 200 OK\r\n\r\n")), Vec::<String>::new());
}

/// The server says nothing at all: the port tells that it wants TLS, and the reset is no cut.
#[test]
fn plain_text_that_is_turned_away_without_a_word_is_told_on_ports_of_tls() {
    let post = b"POST /scripts/ctxsta.dll HTTP/1.1\r\nHost: ddc1\r\nContent-Length: 0\r\n\r\n";
    let asks = |port: u16, to: &str, number: u16| {
        Talk::between(client("10.1.2.9", 50_000 + number), server(to, port)).opened().says(post).server_ack()
    };
    let closed = |port, to| asks(port, to, 1).server_fin().ack().fin().packets();
    let told = ["Plain HTTP to 10.1.1.5, TCP 443: closed without a word, as where TLS is wanted"];
    assert_eq!(titles(closed(443, PLAIN)), told);
    assert_eq!(codes(closed(443, PLAIN)), [("tls.mismatch", Severity::Warning)]);
    assert_eq!(codes(closed(80, PLAIN)), [], "no port of TLS");
    let client_ends = asks(443, PLAIN, 1).fin().server_fin().ack().packets();
    assert_eq!(codes(client_ends), [], "the client did not wait");
    let unseen = asks(443, PLAIN, 1).answers(b"HTTP/1.1 200 OK\r\n\r\n").unseen().server_fin().ack().fin().packets();
    assert_eq!(codes(unseen), [], "the answer is missing");
    let resets = (1..=5).map(|number| asks(443, PLAIN, number).server_reset().packets());
    let all = findings_of(&audit(merge(resets)));
    let by = |code: &str| all.iter().find(|finding| finding.code == code);
    let (mismatch, cut) = (by("tls.mismatch").expect("it is told"), by("blocked.reset-early").expect("and the reset"));
    assert_eq!(cut.rests_on, [mismatch.id.as_str()]);
}

#[test]
fn an_old_version_is_an_incident_and_a_new_one_is_none() {
    let with = |version: u8| {
        let mut flight = FLIGHT.to_vec();
        flight[10] = version; // In the hello of the server.
        audit(talk(50_001, PLAIN).says(HELLO).answers(&flight).says(GOES_ON).closed().packets())
    };
    let old = |audited: &Audited| {
        audited.ledger.incidents.iter().map(|(incident, known)| (incident.what, known.times)).collect::<Vec<_>>()
    };
    assert_eq!(old(&with(1)), [(What::OldTls(0x0301), 1)]);
    assert_eq!(old(&with(2)), [(What::OldTls(0x0302), 1)]);
    assert_eq!(old(&with(3)), []);
}

#[test]
fn a_written_ledger_keeps_alerts_and_names() {
    let ledger = audit(distrusts(talk(50_001, PLAIN), &citrix_hello())).ledger;
    let mut out = Vec::new();
    ledger.write(support::map(), &["case.pcap"], &mut out).expect("memory takes everything");
    let read = Ledger::read(&mut &out[..], support::map(), &mut CaptureNames::default()).expect("it was written whole");
    assert_eq!(read.incidents, ledger.incidents);
    let [(incident, known)] = read.incidents.iter().collect::<Vec<_>>()[..] else { panic!("one incident: {read:#?}") };
    assert_eq!((incident.what, known.times), (What::ClientAlert(48), 1));
    assert_eq!(known.spans, Some((Span::millis(3), Span::millis(3))));
    let named = |naming| known.named(naming).collect::<Vec<_>>();
    assert_eq!(
        [Naming::Subject, Naming::Issuer, Naming::Server].map(named),
        [["vda01.example"], ["Example CA"], ["a12.nssvc.net"]]
    );
}

#[test]
fn the_certificate_is_the_same_wherever_the_answer_is_cut() {
    let whole = only(talk(50_001, PLAIN).says(HELLO).answers(FLIGHT).says(UNKNOWN_CA).closed().packets());
    for cut in 1..FLIGHT.len() {
        let talk = talk(50_001, PLAIN).says(HELLO).answers(&FLIGHT[..cut]).answers(&FLIGHT[cut..]);
        let record = only(talk.wait(Span::millis(3)).says(UNKNOWN_CA).closed().packets());
        assert_eq!(record.tls(), whole.tls(), "cut at {cut}");
        assert_eq!(alert(&record), Some((Who::Client, 48, Some(Span::millis(3)))), "cut at {cut}");
    }
}

/// Handshake messages of the recorded answer in DTLS, in fragments of this size, each in a datagram of its own. A cookie is asked for first.
fn dtls_flight(size: usize) -> Vec<Vec<u8>> {
    let record = |number: u8, bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).expect("a short record").to_be_bytes();
        [&[0x16, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, number][..], &length, bytes].concat()
    };
    let mut datagrams = vec![record(0, &[3, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 3, 0xFE, 0xFF, 0])];
    let mut rest = FLIGHT;
    let mut number = 1;
    while let [0x16, 3, 3, high, low, records @ ..] = rest {
        let (record_body, behind) = records.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        rest = behind;
        let (head, body) = record_body.split_at(4);
        let mut body = body.to_vec();
        if head[0] == 2 {
            body[..2].copy_from_slice(&[0xFE, 0xFD]);
        }
        for (place, part) in body.chunks(size).enumerate() {
            let three = |number: usize| u32::try_from(number).expect("short").to_be_bytes()[1..].to_vec();
            let fragment = [head, &[0, number], &three(place * size), &three(part.len()), part].concat();
            datagrams.push(record(number, &fragment));
        }
        number += 1;
    }
    datagrams
}

/// The recorded hello as one of DTLS.
fn dtls_hello(cookie: &[u8]) -> Vec<u8> {
    let body = &HELLO[9..];
    let (head, rest) = body.split_at(2 + 32 + 1 + usize::from(body[34]));
    let length = u8::try_from(cookie.len()).expect("a short cookie");
    let body = [&[0xFE, 0xFD], &head[2..], &[length], cookie, rest].concat();
    let whole = u16::try_from(body.len()).expect("a short hello").to_be_bytes();
    let message = [&[1, 0], &whole[..], &[0, 0, 0, 0, 0, 0], &whole, &body].concat();
    let length = u16::try_from(message.len()).expect("a short hello").to_be_bytes();
    [&[0x16, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0][..], &length, &message].concat()
}

#[test]
fn dtls_is_heard_datagram_after_datagram() {
    let alert_of = |by: u8| vec![0x15, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, by];
    for size in [40, 300, 1_200] {
        let mut datagrams = dtls_flight(size).into_iter();
        let ask = datagrams.next().expect("the first asks for a cookie");
        let talk = Talk::udp(client("10.1.2.9", 50_001), server(PLAIN, 443)).says(&dtls_hello(b"")).answers(&ask);
        let talk = talk.says(&dtls_hello(b"cookie"));
        let talk = datagrams.fold(talk, |talk, datagram| talk.answers(&datagram)).wait(Span::millis(4));
        let record = only(talk.says(&alert_of(48)).packets());
        assert_eq!(record.heard.as_ref().map(|heard| heard.protocol), Some(Protocol::Dtls));
        let tls = record.tls().expect("it is DTLS");
        assert_eq!((tls.offered, tls.chosen), (Some(0xFEFD), Some(0xFEFD)), "fragments of {size}");
        let certificate = certificate(&record).expect("DTLS 1.2 shows it");
        assert_eq!(names(certificate), (Some("vda01.example"), Some("Example CA"), vec!["vda01.example", "vda01"]));
        assert_eq!(alert(&record), Some((Who::Client, 48, Some(Span::millis(4)))));
    }
}

/// What tshark reads in the same packets.
#[test]
fn tshark_reads_the_same() {
    if !Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return skip::skipped("tshark is not installed");
    }
    let packets = distrusts(talk(50_001, PLAIN), HELLO);
    let file = tempfile::NamedTempFile::new().expect("there is room for a test");
    write_pcap(&file, &packets).expect("it can be written");
    let fields = ["tls.alert_message.desc", "x509sat.uTF8String", "x509ce.dNSName", "tls.handshake.version"];
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(file.path()).args(["-T", "fields", "-Y", "tls", "-E", "aggregator=,"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let output = command.output().expect("tshark runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let record = only(packets);
    let (_, number, _) = alert(&record).expect("there is one");
    let certificate = certificate(&record).expect("there is one");
    let (subject, issuer, hosts) = names(certificate);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let column = |place: usize| {
        lines.iter().filter_map(|line| line.get(place).filter(|cell| !cell.is_empty())).collect::<Vec<_>>()
    };
    assert_eq!(column(0), [&number.to_string().as_str()], "{text}");
    assert_eq!(column(2), [&hosts.join(",").as_str()], "{text}");
    let all: Vec<&str> = column(1).first().map(|names| names.split(',').collect()).unwrap_or_default();
    assert!(
        subject.is_some_and(|name| all.contains(&name)) && issuer.is_some_and(|name| all.contains(&name)),
        "{text}"
    );
    assert_eq!(column(3), [&"0x0303", &"0x0303"], "of both hellos: {text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cuts_give_the_same_certificate(mut cuts in proptest::collection::vec(1_usize..FLIGHT.len(), 0..9)) {
        cuts.extend([0, FLIGHT.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let talk = cuts.windows(2).fold(talk(50_001, PLAIN).says(HELLO), |talk, cut| talk.answers(&FLIGHT[cut[0]..cut[1]]));
        let record = only(talk.says(GOES_ON).closed().packets());
        let certificate = certificate(&record).expect("TLS 1.2 shows it");
        prop_assert_eq!(names(certificate), (Some("vda01.example"), Some("Example CA"), vec!["vda01.example", "vda01"]));
    }

    #[test]
    fn what_is_wrong_in_an_answer_does_no_harm(at in 0..FLIGHT.len(), value: u8, cut in 1..FLIGHT.len(), lost: bool) {
        let mut flight = FLIGHT.to_vec();
        flight[at] = value;
        let talk = talk(50_001, PLAIN).says(HELLO).answers(&flight[..cut]);
        let talk = if lost { talk.unseen() } else { talk };
        let audited = audit(talk.answers(&flight[cut..]).says(UNKNOWN_CA).closed().packets());
        let _ = findings_of(&audited);
    }

    #[test]
    fn any_datagrams_do_no_harm(datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..9)) {
        let talk = Talk::udp(client("10.1.2.9", 50_001), server(PLAIN, 443)).says(&dtls_hello(b""));
        let head = [0x16, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 1];
        let talk = datagrams.iter().fold(talk, |talk, bytes| talk.answers(&[&head[..], bytes].concat()));
        let _ = findings_of(&audit(talk.packets()));
    }
}
