//! Remarks on what is not encrypted, or not safely any more: each is made of one line, whoever and however many are concerned, and none of
//! it is an error. What runs inside TLS, or asks for it first, says nothing.

mod support;

use cap_audit::finding::{Confidence, Finding, Severity};
use cap_audit::problem::Cause;
use support::{Captured, Talk, audit, client, findings_of, merge, problems_of, server};

const CLIENT: &str = "10.0.0.14";
const SERVER: &str = "10.0.0.22";

const ICA_GREETING: &[u8] = b"\x7f\x7fICA\0";
const CGP_GREETING: &[u8] = b"\x1aCGP/01\x00\x16Citrix.TcpProxyService";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
/// What begins a session of TLS 1.2, and what a server says to it; nothing in it is read but the versions.
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03\
    0123456789abcdef0123456789abcdef\x00\x00\x02\xc0\x2f\x01\x00";
const SIMPLE_BIND: &[u8] = b"\x30\x18\x02\x01\x01\x60\x13\x02\x01\x03\x04\x06cn=svc\x80\x06secret";
const SASL_BIND: &[u8] = b"\x30\x1a\x02\x01\x01\x60\x15\x02\x01\x03\x04\x00\xa3\x0e\x04\x0aGSS-SPNEGO\x04\x00";
const START_TLS: &[u8] = b"\x30\x1D\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const BOUND: &[u8] = &[0x30, 0x0C, 2, 1, 1, 0x61, 7, 0x0A, 1, 0, 4, 0, 4, 0];

fn server_hello(version: [u8; 2]) -> Vec<u8> {
    let [high, low] = version;
    let head = [0x16, high, low, 0, 0x2a, 2, 0, 0, 0x26, high, low];
    [&head, &[7; 32][..], &[0, 0xc0, 0x2f, 0]].concat()
}

fn tcp(port: u16, question: &[u8], answer: &[u8]) -> Talk {
    from(CLIENT, SERVER, port, question, answer)
}

fn from(ip: &str, to: &str, port: u16, question: &[u8], answer: &[u8]) -> Talk {
    Talk::between(client(ip, 50_001), server(to, port)).opened().says(question).answers(answer)
}

fn request(path: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: ddc1.corp.example\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// The remarks on encryption, in order.
fn remarks(packets: Vec<Captured>) -> Vec<Finding> {
    let found = findings_of(&audit(packets));
    found.into_iter().filter(|finding| finding.code.starts_with("encryption.")).collect()
}

fn ids(packets: Vec<Captured>) -> Vec<String> {
    remarks(packets).into_iter().map(|finding| finding.id).collect()
}

fn edt() -> Vec<Captured> {
    let handshake = |kind: i32, cookie: u32| {
        let words = [0x8000_0000, 0, 0, 0, 4, 1, 7, 1_500, 8_192, kind as u32, 9, cookie, 0, 0, 0, 0];
        words.into_iter().flat_map(u32::to_be_bytes).collect::<Vec<u8>>()
    };
    let talk = Talk::udp(client(CLIENT, 50_001), server(SERVER, 2598));
    talk.says(&handshake(1, 0)).answers(&handshake(1, 5)).says(&handshake(-1, 5)).answers(&handshake(-1, 5)).packets()
}

#[test]
fn what_is_plain_is_remarked_once_for_each_service() {
    for (port, question, answer, id) in [
        (1494, ICA_GREETING, ICA_GREETING, "plain-ica-ica"),
        (2598, CGP_GREETING, CGP_GREETING, "plain-ica-cgp"),
        (80, &request("/scripts/ctxsta.dll"), OK, "plain-xml-xml-sta"),
        (8080, &request("/scripts/WPnBr.dll"), OK, "plain-xml-xml-sta"),
        (80, &request("/Citrix/StoreWeb/"), OK, "plain-storefront-storefront"),
        (80, &request("/SessionRecordingBroker/x.aspx"), OK, "plain-recording-session-recording"),
        (3010, b"sync", b"done", "plain-adc-sync-adc-ha"),
        (3011, b"\x10\0\0\0\xa5\xa5\0\0", b"\x10\0\0\0\xa5\xa5\0\0", "plain-adc-sync-adc-mep"),
        (3012, &request("/"), OK, "plain-layering-app-layering-connector"),
        (3009, &request("/"), OK, "plain-layering-app-layering-connector"),
        (389, SIMPLE_BIND, BOUND, "plain-ldap-ldap"),
        (3268, SIMPLE_BIND, BOUND, "plain-ldap-ldap"),
    ] {
        assert_eq!(ids(tcp(port, question, answer).packets()), [format!("f-encryption.{id}")], "TCP {port}");
    }
    assert_eq!(ids(edt()), ["f-encryption.plain-ica-edt"]);
}

#[test]
fn what_is_encrypted_or_proves_nothing_is_not_remarked() {
    let new = server_hello([3, 3]);
    for port in [443, 1494, 2598, 3008, 3009, 3010, 3011, 3509, 3512, 636, 8443] {
        assert_eq!(ids(tcp(port, CLIENT_HELLO, &new).packets()), [] as [&str; 0], "TLS on TCP {port}");
    }
    for (port, question, answer) in [
        // Whoever asks may ask for anything: a server has to speak.
        (1494, ICA_GREETING, &b""[..]),
        (2598, CGP_GREETING, b""),
        (80, &request("/scripts/ctxsta.dll"), b""),
        (3010, b"sync", b""),
        // Web servers of others, and paths of Citrix that say more than one thing.
        (80, &request("/"), OK),
        (8080, &request("/Citrix/Monitor/OData"), OK),
        // Registration protects its messages by itself.
        (80, &request("/Citrix/CdsController/IRegistrar"), OK),
        (389, SASL_BIND, BOUND),
        (389, START_TLS, BOUND),
        // A print data stream is CGP and no session.
        (7229, CGP_GREETING, CGP_GREETING),
        (3009, b"mep", b"mep"),
    ] {
        assert_eq!(ids(tcp(port, question, answer).packets()), [] as [&str; 0], "TCP {port}");
    }
}

#[test]
fn an_old_version_is_remarked_where_citrix_is_concerned() {
    let dtls = |version: [u8; 2]| {
        let record = |body: &[u8]| [&[0x16][..], &version, &[0; 9], &[body.len() as u8], body].concat();
        let hello =
            [&[1, 0, 0, 0x2c, 0, 0, 0, 0, 0, 0, 0, 0x2c][..], &version, &[7; 32], &[0, 0, 0, 2, 0xc0, 0x2f, 1, 0]]
                .concat();
        let answer =
            [&[2, 0, 0, 0x26, 0, 1, 0, 0, 0, 0, 0, 0x26][..], &version, &[7; 32], &[0, 0xc0, 0x2f, 0]].concat();
        Talk::udp(client(CLIENT, 50_001), server(SERVER, 2598))
            .says(&record(&hello))
            .answers(&record(&answer))
            .packets()
    };
    // A session beside it ties the server to Citrix.
    let session = || tcp(2598, CGP_GREETING, CGP_GREETING).packets();
    let old = |version| tcp(443, CLIENT_HELLO, &server_hello(version)).packets();
    let versions = |packets| {
        let found = remarks(packets).into_iter().filter(|it| it.code == "encryption.old-tls");
        found.map(|it| (it.service, it.params.get("version").cloned())).collect::<Vec<_>>()
    };
    let word =
        |service: Option<&str>, name| vec![(service.map(String::from), Some(cap_audit::finding::Value::Word(name)))];
    assert_eq!(versions(merge([session(), old([3, 1])])), word(None, "tls-1-0"));
    assert_eq!(versions(merge([session(), old([3, 2])])), word(None, "tls-1-1"));
    assert_eq!(versions(merge([session(), old([3, 3])])), []);
    assert_eq!(versions(old([3, 1])), [], "any site of the internet");
    assert_eq!(versions(dtls([0xfe, 0xff])), word(Some("edt"), "dtls-1-0"));
    assert_eq!(versions(dtls([0xfe, 0xfd])), []);
}

#[test]
fn many_servers_and_clients_are_one_line_and_nothing_is_broken() {
    let session = |number: u16| {
        let (ip, to) = (format!("10.1.{}.7", number % 50), format!("10.2.0.{}", number % 40));
        from(&ip, &to, if number.is_multiple_of(3) { 1494 } else { 2598 }, CGP_GREETING, CGP_GREETING).packets()
    };
    let xml = tcp(80, &request("/scripts/wpnbr.dll"), OK).packets();
    let audited = audit(merge((0..200).map(session).chain([xml])));
    let (found, problems) = (findings_of(&audited), problems_of(&audited));
    let plain: Vec<&Finding> = found.iter().filter(|it| it.code.starts_with("encryption.")).collect();
    let told: Vec<_> = plain.iter().map(|it| (it.id.as_str(), it.servers.len(), it.clients.len())).collect();
    assert_eq!(told, [("f-encryption.plain-ica-cgp", 40, 0), ("f-encryption.plain-xml-xml-sta", 1, 0)]);
    assert!(plain.iter().all(|it| it.severity == Severity::Info && it.confidence == Confidence::High));
    assert_eq!(plain.iter().map(|it| it.flow_count).sum::<u64>(), audited.flows.len() as u64);
    let [problem] = &problems[..] else { panic!("{problems:#?}") };
    assert_eq!(
        (problem.id.as_str(), problem.cause, problem.severity),
        ("p-encryption-plain", Cause::Encryption, Severity::Info)
    );
    assert_eq!((problem.servers.count(), problem.attempts), (41, audited.flows.len() as u64));
}

#[test]
fn what_is_broken_is_told_first() {
    let refused = Talk::between(client("10.0.0.15", 50_002), server("10.0.0.9", 27_000)).syn().refused().packets();
    let exposed = tcp(1494, ICA_GREETING, ICA_GREETING).packets();
    let problems = problems_of(&audit(merge([exposed, refused])));
    let causes: Vec<Cause> = problems.iter().map(|problem| problem.cause).collect();
    // The licence server that refuses is told as the story that stops there.
    assert_eq!(causes, [Cause::Stopped, Cause::Encryption]);
}

#[test]
fn a_password_counts_for_more_where_a_host_is_tied_to_citrix() {
    let sure = |packets| remarks(packets).into_iter().map(|it| it.confidence).collect::<Vec<_>>();
    let bind = || tcp(389, SIMPLE_BIND, BOUND).packets();
    assert_eq!(sure(bind()), [Confidence::Low]);
    // The same client has asked a licence server, as an appliance does.
    let licence = from(CLIENT, "10.0.0.9", 27_000, b"57", b"57").packets();
    assert_eq!(sure(merge([bind(), licence])), [Confidence::High]);
}
