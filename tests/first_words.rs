//! What first words say beside their protocol, read from whole conversations: paths, errors, names and addresses, and the incidents that
//! come of them. The bytes are written after the RFCs, and tshark reads the same in them.

mod skip;
mod support;

use cap_audit::flow::Heard;
use cap_audit::ledger::{Incident, Path, What};
use cap_audit::matching::{Basis, ServiceRef};
use cap_audit::packet::protocol;
use cap_audit::signature::{Content, Dhcp, Dns, Http, Kerberos, Ldap, Lease, PATH_LIMIT, Protocol, Tftp, Ticket};
use cap_audit::time::Span;
use std::process::Command;
use support::{Audited, Captured, Talk, address, audit, client, flow_to, merge, server, write_pcap};

const CLIENT: &str = "10.0.0.14";
const SERVER: &str = "10.0.0.22";

/// A conversation over TCP: a question and its answer.
fn tcp(port: u16, question: &[u8], answer: &[u8]) -> Talk {
    Talk::between(client(CLIENT, 50_001), server(SERVER, port)).opened().says(question).answers(answer)
}

fn udp(port: u16, question: &[u8], answer: &[u8]) -> Talk {
    Talk::udp(client(CLIENT, 50_001), server(SERVER, port)).says(question).answers(answer)
}

fn content_of(audited: &Audited, port: u16) -> Option<Content> {
    flow_to(audited, port).record.heard.as_ref().and_then(Heard::content).cloned()
}

/// What the only flow to this port says.
fn content(talk: Talk, port: u16) -> Option<Content> {
    content_of(&audit(talk.packets()), port)
}

/// What was entered, with its path, how many flows, and its names.
fn incidents(packets: Vec<Captured>) -> Vec<(What, Path, u64, Vec<String>)> {
    let audited = audit(packets);
    let row = |(incident, known): (&Incident, &cap_audit::ledger::Known)| {
        let names = known.names.iter().map(|name| name.to_string()).collect();
        (incident.what, incident.path, known.seen.flows, names)
    };
    audited.ledger.incidents.iter().map(row).collect()
}

fn path(protocol: u8, port: u16, client: &str, server: &str) -> Path {
    Path { protocol, port, server: address(server), client: address(client) }
}

// HTTP.

fn request(path: &str, more: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: ddc1.corp.example\r\n{more}Content-Length: 0\r\n\r\n").into_bytes()
}

fn status(status: u16) -> Vec<u8> {
    format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

#[test]
fn a_path_of_citrix_is_kept_without_its_query_and_other_paths_are_not() {
    let said = |path: &str| content(tcp(80, &request(path, ""), &status(200)), 80);
    let http = |path: Option<&str>| {
        Some(Content::Http(Http { path: path.map(Box::from), websocket: false, status: Some(200) }))
    };
    assert_eq!(said("/Scripts/WPnBr.dll?user=anna"), http(Some("/scripts/wpnbr.dll")));
    assert_eq!(said("http://ddc1/Citrix/CdsController/IRegistrar"), http(Some("/citrix/cdscontroller/iregistrar")));
    assert_eq!(said("/Citrix/StoreWeb/#top"), http(Some("/citrix/storeweb/")));
    assert_eq!(said("/private/anna.html"), http(None));
    let long = format!("/Citrix/{}", "x".repeat(1_000));
    let Some(Content::Http(Http { path: Some(path), .. })) = said(&long) else { panic!("a path") };
    assert_eq!((path.len(), path.starts_with("/citrix/xxx")), (PATH_LIMIT, true));
}

#[test]
fn a_request_in_small_pieces_says_the_same() {
    let whole = b"GET /Citrix/Store/resources/v2?x=1 HTTP/1.1\r\nUpgrade: WebSocket\r\nHost: ddc1\r\n\r\n";
    let opened = Talk::between(client(CLIENT, 50_001), server(SERVER, 8008)).opened();
    let talk = whole.chunks(7).fold(opened, |talk, part| talk.says(part));
    let http = Http { path: Some("/citrix/store/resources/v2".into()), websocket: true, status: Some(101) };
    assert_eq!(content(talk.answers(&status(101)), 8008), Some(Content::Http(http)));
}

#[test]
fn the_path_tells_the_service_on_ports_of_many_programs() {
    let service = |port: u16, path: &str| {
        let audited = audit(tcp(port, &request(path, ""), &status(200)).packets());
        let judgement = &flow_to(&audited, port).judgement;
        let one = matches!(judgement.service, Some(ServiceRef::One(_)));
        judgement
            .service
            .filter(|_| one && judgement.basis == Basis::Signature)
            .map(|it| it.name(support::map()).to_string())
    };
    for (path, expected) in [
        ("/scripts/wpnbr.dll", "xml-sta"),
        ("/scripts/CtxSta.dll", "xml-sta"),
        ("/Citrix/CdsController/IRegistrar", "registration"),
        ("/Citrix/StoreWeb/", "storefront"),
        ("/Citrix/Store/PNAgent/config.xml", "storefront"),
        ("/SessionRecordingBroker/ActiveSession.aspx", "session-recording"),
        ("/vpn/index.html", "gateway"),
    ] {
        assert_eq!(service(80, path).as_deref(), Some(expected), "{path}");
        assert_eq!(service(8080, path).as_deref(), Some(expected), "{path}");
    }
    assert_eq!(
        service(80, "/Citrix/Monitor/OData/v4/Data"),
        None,
        "of Citrix, and not only one service has such a path"
    );
    assert_eq!(service(80, "/index.html"), None);
    assert_eq!(service(8888, "/scripts/wpnbr.dll"), None, "no rule names the port");
    // A port that belongs to another service alone: that it is asked so shows nothing of the port.
    assert_eq!(service(7279, "/scripts/wpnbr.dll").as_deref(), Some("licensing"));
}

#[test]
fn only_an_answer_that_helps_nobody_is_an_error() {
    let entered = |path: &str, code: u16| {
        let all = incidents(tcp(80, &request(path, ""), &status(code)).packets());
        all.into_iter().filter(|(what, ..)| matches!(what, What::HttpError(_))).collect::<Vec<_>>()
    };
    let names = vec!["/scripts/ctxsta.dll".to_string()];
    let expected = (What::HttpError(503), path(protocol::TCP, 80, CLIENT, SERVER), 1, names);
    assert_eq!(entered("/scripts/ctxsta.dll", 503), [expected]);
    for (path, code) in [("/scripts/ctxsta.dll", 200), ("/scripts/ctxsta.dll", 401), ("/index.html", 404)] {
        assert_eq!(entered(path, code), [], "{path} {code}");
    }
}

// Kerberos. RFC 4120, 5.4.1 and 5.9.1.

/// A value under a tag; all of them are short.
fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).expect("a short value");
    let long: &[u8] = if length > 0x7F { &[0x81] } else { &[] };
    [&[tag], long, &[length], value].concat()
}

fn number(tag: u8, value: u8) -> Vec<u8> {
    der(tag, &der(0x02, &[value]))
}

fn principal(tag: u8, kind: u8, parts: &[&str]) -> Vec<u8> {
    let strings: Vec<u8> = parts.iter().flat_map(|part| der(0x1B, part.as_bytes())).collect();
    der(tag, &der(0x30, &[number(0xA0, kind), der(0xA1, &der(0x30, &strings))].concat()))
}

/// A request for a ticket of this host: TGS-REQ (12), or AS-REQ (10) of somebody without one.
fn ticket_request(kind: u8) -> Vec<u8> {
    let body = [
        der(0xA0, &der(0x03, &[0, 0x40, 0x81, 0, 0])),
        der(0xA2, &der(0x1B, b"CORP.EXAMPLE")),
        principal(0xA3, 2, &["HTTP", "ddc1.corp.example"]),
        der(0xA5, &der(0x18, b"20370913024805Z")),
        number(0xA7, 7),
        der(0xA8, &der(0x30, &der(0x02, &[18]))),
    ];
    let message = [number(0xA1, 5), number(0xA2, kind), der(0xA4, &der(0x30, &body.concat()))].concat();
    der(0x60 | kind, &der(0x30, &message))
}

fn kerberos_error(code: u8) -> Vec<u8> {
    let message = [
        number(0xA0, 5),
        number(0xA1, 30),
        der(0xA4, &der(0x18, b"20261122024805Z")),
        number(0xA5, 17),
        number(0xA6, code),
        der(0xA9, &der(0x1B, b"CORP.EXAMPLE")),
        principal(0xAA, 2, &["HTTP", "DDC1.corp.example"]),
    ];
    der(0x7E, &der(0x30, &message.concat()))
}

fn counted(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message");
    [&length.to_be_bytes(), message].concat()
}

#[test]
fn an_error_of_kerberos_says_what_is_wrong_and_with_whom() {
    let expected = |asks_for, error, server: Option<&str>| {
        Some(Content::Kerberos(Kerberos {
            asks_for: Some(asks_for),
            error: Some(error),
            server: server.map(Box::from),
        }))
    };
    let spn = Some("http/ddc1.corp.example");
    for (kind, ticket) in [(10, Ticket::Initial), (12, Ticket::Service)] {
        for (code, server) in [(7, spn), (37, spn), (6, spn), (25, None), (52, None)] {
            let (question, answer) = (ticket_request(kind), kerberos_error(code));
            assert_eq!(content(udp(88, &question, &answer), 88), expected(ticket, code.into(), server), "{code}");
            let over_tcp = tcp(88, &counted(&question), &counted(&answer));
            assert_eq!(content(over_tcp, 88), expected(ticket, code.into(), server), "{code} over TCP");
        }
    }
    // As much as was captured.
    let asked = Talk::udp(client(CLIENT, 50_001), server(SERVER, 88)).snap(14 + 20 + 8 + 60).says(&ticket_request(12));
    assert_eq!(content(asked.answers(&kerberos_error(7)), 88), expected(Ticket::Service, 7, None));
}

#[test]
fn errors_of_every_day_are_no_incident() {
    let entered = |code| incidents(udp(88, &ticket_request(10), &kerberos_error(code)).packets());
    for code in [25, 52] {
        assert_eq!(entered(code), [], "{code}");
    }
    let name = vec!["http/ddc1.corp.example".to_string()];
    assert_eq!(entered(37), [(What::KerberosError(37), path(protocol::UDP, 88, CLIENT, SERVER), 1, name)]);
}

// DNS. RFC 1035, 4.1.

fn dns(flags: u16, name: &str) -> Vec<u8> {
    let mut message = vec![0x12, 0x34];
    message.extend(flags.to_be_bytes());
    message.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).expect("a short label"));
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

#[test]
fn a_name_that_is_not_told_is_kept_and_one_that_is_told_is_not() {
    let answered = |flags, name: &str| udp(53, &dns(0x0100, name), &dns(flags, name));
    let unknown = answered(0x8183, "DDC9.corp.example");
    let expected = Dns { failure: Some(3), name: Some("ddc9.corp.example".into()) };
    assert_eq!(content(unknown.clone(), 53), Some(Content::Dns(expected)));
    assert_eq!(content(answered(0x8180, "ddc1.corp.example"), 53), None);
    let names = vec!["ddc9.corp.example".to_string()];
    let incident = (What::NameError(3), path(protocol::UDP, 53, CLIENT, SERVER), 1, names);
    assert_eq!(incidents(unknown.packets()), [incident]);
    // On one port, one after the other: the first answer counts.
    let again = answered(0x8183, "a.example")
        .wait(Span::millis(5))
        .says(&dns(0x0100, "b.example"))
        .answers(&dns(0x8182, "b.example"));
    let expected = Dns { failure: Some(3), name: Some("a.example".into()) };
    assert_eq!(content(again, 53), Some(Content::Dns(expected)));
    // The longest name that there is.
    let longest = [["a".repeat(63), "b".repeat(63), "c".repeat(63)].join("."), "d".repeat(61)].join(".");
    let Some(Content::Dns(Dns { name: Some(name), .. })) = content(answered(0x8185, &longest), 53) else { panic!() };
    assert_eq!(*name, *longest);
}

// DHCP. RFC 2131, 2 and RFC 2132.

/// A message: 1 is a request, 2 a reply; the address given, the file, and options.
fn dhcp(operation: u8, given: [u8; 4], file: &[u8], options: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 236];
    message[..4].copy_from_slice(&[operation, 1, 6, 0]);
    message[4..8].copy_from_slice(&[0x12, 0x34, 0x56, given[3]]);
    message[10] = 0x80;
    message[16..20].copy_from_slice(&given);
    message[28..34].copy_from_slice(&[2, 0, 0, 0, 0, given[3]]);
    message[108..108 + file.len()].copy_from_slice(file);
    [&message, &[0x63, 0x82, 0x53, 0x63][..], options, &[255]].concat()
}

const PXE: &[u8] = b"\x35\x01\x01\x3c\x20PXEClient:Arch:00007:UNDI:003016";
const OFFER: &[u8] = &[53, 1, 2, 54, 4, 10, 0, 0, 5];
const ACKNOWLEDGEMENT: &[u8] = &[53, 1, 5, 54, 4, 10, 0, 0, 5];
const NO_ADDRESS: [u8; 4] = [0; 4];

#[test]
fn dhcp_says_who_gets_which_address_and_whether_it_may_boot() {
    let said = |message: Vec<u8>| content(udp(67, &dhcp(1, NO_ADDRESS, b"", PXE), &message), 67);
    let lease = |boot_file| Lease { address: [10, 0, 0, 77], server: Some([10, 0, 0, 5]), boot_file };
    let expected =
        |message, boot_file, leases| Some(Content::Dhcp(Dhcp { message: Some(message), pxe: true, boot_file, leases }));
    let given = [10, 0, 0, 77];
    assert_eq!(said(dhcp(2, given, b"", OFFER)), expected(2, false, vec![lease(false)]));
    assert_eq!(said(dhcp(2, given, b"ardbp32.bin", OFFER)), expected(2, true, vec![lease(true)]));
    let named = [ACKNOWLEDGEMENT, &[66, 4], b"pvs1", &[67, 4], b"boot"].concat();
    assert_eq!(said(dhcp(2, given, b"", &named)), expected(5, true, vec![lease(true)]));
    // The field of the file holds options (RFC 2132, 9.3): no file there, and then one.
    let overloaded = [OFFER, &[52, 1, 1]].concat();
    assert_eq!(said(dhcp(2, given, &[0, 12, 2, b'h', b'i', 255], &overloaded)), expected(2, false, vec![lease(false)]));
    assert_eq!(said(dhcp(2, given, &[67, 2, b'h', b'i', 255], &overloaded)), expected(2, true, vec![lease(true)]));
    // The PXE service names a file and gives no address; a refusal gives none either.
    assert_eq!(said(dhcp(2, NO_ADDRESS, b"pvsnbpx64.efi", OFFER)), expected(2, true, vec![]));
    assert_eq!(said(dhcp(2, given, b"", &[53, 1, 6])), expected(6, false, vec![]));
    // Options that end in the middle.
    assert_eq!(
        said(dhcp(2, given, b"", &[53, 1, 2, 54, 9])),
        expected(2, false, vec![Lease { server: None, ..lease(false) }])
    );
}

#[test]
fn every_client_that_gets_an_address_is_known() {
    let given = |last| [10, 0, 0, last];
    // Each client asks everybody, and the server answers everybody: two flows for all of them.
    let asked = Talk::udp(client("0.0.0.0", 68), server("255.255.255.255", 67));
    let answered = Talk::udp(client("10.0.0.5", 67), server("255.255.255.255", 68)).wait(Span::millis(3));
    let (asked, answered) = (1..=40).fold((asked, answered), |(asked, answered), last| {
        let (offer, file) = (dhcp(2, given(last), b"", OFFER), if last % 2 == 0 { &b"ardbp32.bin"[..] } else { b"" });
        let acknowledged = dhcp(2, given(last), file, ACKNOWLEDGEMENT);
        let asked = asked.says(&dhcp(1, NO_ADDRESS, b"", PXE)).wait(Span::millis(7));
        (asked, answered.says(&offer).wait(Span::millis(3)).says(&acknowledged).wait(Span::millis(4)))
    });
    let entered = incidents(merge([asked.packets(), answered.packets()]));
    for last in 1..=40u8 {
        let what = if last % 2 == 0 { What::LeaseWithBootFile } else { What::Lease };
        let path = path(protocol::UDP, 67, &format!("10.0.0.{last}"), "10.0.0.5");
        let found: Vec<_> = entered.iter().filter(|(_, other, ..)| *other == path).collect();
        assert_eq!(found, [&(what, path, 1, vec![])], "10.0.0.{last}");
    }
    assert_eq!(entered.len(), 40);
}

// LDAP. RFC 4511, 4.2 and 4.14.

fn bind(name: &str, authentication: &[u8]) -> Vec<u8> {
    let request = [&[0x02, 0x01, 3], &der(0x04, name.as_bytes())[..], authentication].concat();
    der(0x30, &[&[0x02, 0x01, 1], &der(0x60, &request)[..]].concat())
}

const START_TLS: &[u8] = b"\x30\x1D\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const SUCCESS: &[u8] = &[0x30, 0x0C, 2, 1, 1, 0x61, 7, 0x0A, 1, 0, 4, 0, 4, 0];

#[test]
fn a_bind_says_whether_it_sends_a_password() {
    let said = |request: &[u8]| content(tcp(389, request, SUCCESS), 389);
    let ldap = |known: Ldap| Some(Content::Ldap(known));
    let name = "cn=svc_ldap,ou=service accounts,dc=corp,dc=example";
    assert_eq!(said(&bind(name, &der(0x80, b"secret"))), ldap(Ldap { simple_bind: true, ..Ldap::default() }));
    let sasl = der(0xA3, &[&der(0x04, b"GSS-SPNEGO")[..], &der(0x04, b"token")].concat());
    assert_eq!(said(&bind("", &sasl)), ldap(Ldap { sasl_bind: true, ..Ldap::default() }));
    assert_eq!(said(START_TLS), ldap(Ldap { start_tls: true, ..Ldap::default() }));
    assert_eq!(said(&bind("", &der(0x80, b""))), None, "nobody");
    assert_eq!(said(&bind(name, &der(0x80, b""))), None, "a name without a password is nobody (RFC 4513, 5.1.2)");
}

// TFTP. RFC 1350.

const READ: &[u8] = b"\0\x01ARDBP32.BIN\0octet\0";
const NOT_FOUND: &[u8] = b"\0\x05\0\x01File not found\0";

#[test]
fn a_boot_file_that_is_not_there_is_an_error_from_whatever_port() {
    let asked = Talk::udp(client(CLIENT, 2_070), server(SERVER, 69)).says(READ);
    let tftp =
        |boot_file: Option<&str>, error| Some(Content::Tftp(Tftp { boot_file: boot_file.map(Box::from), error }));
    for from in [69, 50_069] {
        let packets = asked.clone().answers_from(from, NOT_FOUND).packets();
        let audited = audit(packets.clone());
        let file = Some("ARDBP32.BIN");
        assert_eq!(content_of(&audited, 69), tftp(file, (from == 69).then_some(1)), "{from}");
        let found: Vec<_> = incidents(packets).into_iter().map(|(what, path, ..)| (what, path)).collect();
        assert_eq!(found, [(What::TftpError(1), path(protocol::UDP, from, CLIENT, SERVER))], "{from}");
        if from != 69 {
            let heard = flow_to(&audited, from).record.heard.clone().expect("it is told by the request");
            assert_eq!((heard.protocol, heard.content().cloned()), (Protocol::Tftp, tftp(None, Some(1))));
        }
    }
    let data = asked.answers_from(50_069, b"\0\x03\0\x01bytes").packets();
    assert_eq!(incidents(data), []);
}

/// Wireshark reads in these bytes what is expected of them here.
#[test]
fn tshark_reads_the_same() {
    if !Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return skip::skipped("tshark is not installed");
    }
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let read = |talk: Talk, fields: &[&str]| {
        let path = directory.path().join("talk.pcap");
        let file = std::fs::File::create(&path).expect("a file can be made");
        write_pcap(file, &talk.packets()).expect("it can be written");
        let mut command = Command::new("tshark");
        command.arg("-r").arg(&path).args(["-T", "fields"]);
        fields.iter().for_each(|field| _ = command.args(["-e", field]));
        let told = String::from_utf8(command.output().expect("tshark runs").stdout).expect("it writes text");
        told.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect::<Vec<_>>()
    };
    let asked = read(udp(88, &ticket_request(10), &kerberos_error(37)), &["kerberos.msg_type", "kerberos.error_code"]);
    assert_eq!(asked, ["10", "30\t37"]);
    let names = read(tcp(88, &counted(&ticket_request(12)), &counted(&kerberos_error(7))), &["kerberos.SNameString"]);
    assert_eq!(names, ["HTTP,ddc1.corp.example", "HTTP,DDC1.corp.example"]);
    let dns = udp(53, &dns(0x0100, "ddc9.corp.example"), &dns(0x8183, "ddc9.corp.example"));
    assert_eq!(read(dns, &["dns.qry.name", "dns.flags.rcode"]), ["ddc9.corp.example", "ddc9.corp.example\t3"]);
    let offer = dhcp(2, [10, 0, 0, 77], b"ardbp32.bin", OFFER);
    let leased = Talk::udp(client("0.0.0.0", 68), server("255.255.255.255", 67))
        .says(&dhcp(1, NO_ADDRESS, b"", PXE))
        .answers(&offer);
    let fields = ["dhcp.option.dhcp", "dhcp.ip.your", "dhcp.file", "dhcp.option.dhcp_server_id"];
    assert_eq!(read(leased, &fields), ["1\t0.0.0.0", "2\t10.0.0.77\tardbp32.bin\t10.0.0.5"]);
    let simple = tcp(389, &bind("cn=svc", &der(0x80, b"secret")), SUCCESS);
    assert_eq!(read(simple, &["ldap.name", "ldap.authentication", "ldap.resultCode"]), ["cn=svc\t0", "0"]);
    let tftp = Talk::udp(client(CLIENT, 2_070), server(SERVER, 69)).says(READ).answers(NOT_FOUND);
    assert_eq!(read(tftp, &["tftp.source_file", "tftp.error.code"]), ["ARDBP32.BIN", "1"]);
    let http = tcp(80, &request("/scripts/wpnbr.dll?x", ""), &status(503));
    assert_eq!(read(http, &["http.request.uri", "http.response.code"]), ["/scripts/wpnbr.dll?x", "503"]);
}
