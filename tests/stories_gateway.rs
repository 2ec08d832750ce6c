//! Stories of registration, of requests to the XML service and the ticket authority, of launches through a Gateway, and of logons: what is
//! said where they stop, and nothing where something shows that it is none of that. Expected values come from how the traffic was made.

mod support;

use cap_audit::finding::{Finding, Severity, Value};
use cap_audit::ledger::{Incident, What};
use cap_audit::problem::{Cause, Problem};
use cap_audit::time::{Span, Timestamp};
use cap_audit::words::{Texts, Words};
use support::*;

const USER: &str = "10.1.9.14";
const VDA: &str = "10.1.2.21";
const OTHER_VDA: &str = "10.1.2.22";
const DDC: &str = "10.1.1.5";
const OTHER_DDC: &str = "10.1.1.6";
const STOREFRONT: &str = "10.1.1.7";
const SNIP: &str = "10.1.3.4";
const DNS: &str = "10.1.1.2";
const DC: &str = "10.1.1.9";
const OTHER_DC: &str = "10.1.1.10";
const REGISTRAR: &str = "/Citrix/CdsController/IRegistrar";
const STA: &str = "/scripts/ctxsta.dll";
const XML: &str = "/scripts/wpnbr.dll";
const CGP_GREETING: &[u8] = b"\x1aCGP/01\x00\x16Citrix.TcpProxyService";

fn at(seconds: i64) -> Timestamp {
    START + Span::seconds(seconds)
}

fn tcp(from: &str, to: &str, port: u16, seconds: i64) -> Talk {
    // Each second has its own port.
    Talk::between(client(from, 50_000 + seconds as u16), server(to, port)).at(at(seconds))
}

fn udp(from: &str, to: &str, port: u16, seconds: i64) -> Talk {
    Talk::udp(client(from, 50_000 + seconds as u16), server(to, port)).at(at(seconds))
}

/// A request for a path, and its answer.
fn request(from: &str, to: &str, path: &str, status: u16, seconds: i64) -> Vec<Captured> {
    let asks = format!("POST {path} HTTP/1.1\r\nHost: ddc1.corp.example\r\nContent-Length: 0\r\n\r\n");
    let says = format!("HTTP/1.1 {status} Status\r\nContent-Length: 0\r\n\r\n");
    let talk =
        tcp(from, to, 80, seconds).opened().says(asks.as_bytes()).wait(Span::millis(20)).answers(says.as_bytes());
    talk.closed().packets()
}

/// A session of a user, which shows that the server is a VDA.
fn session(to: &str, seconds: i64) -> Vec<Captured> {
    let talk = tcp(USER, to, 2598, seconds).opened().says(CGP_GREETING).answers(CGP_GREETING);
    talk.wait(Span::seconds(10)).says(b"keys").answers(b"screen").closed().packets()
}

/// SYNs on the schedule of Windows, which gives up after 21 seconds (facts GRACE-02).
fn dropped(from: &str, to: &str, port: u16, seconds: i64) -> Vec<Captured> {
    let again = |talk: Talk, wait| talk.wait(Span::seconds(wait)).syn_again();
    [1, 2, 4, 8].into_iter().fold(tcp(from, to, port, seconds).syn(), again).packets()
}

fn opened(from: &str, to: &str, port: u16, seconds: i64) -> Vec<Captured> {
    tcp(from, to, port, seconds).opened().says(b"question").answers(b"answer").closed().packets()
}

/// A question of DNS for the address of a host, and that there is no such name (RFC 1035, 4.1.1).
fn no_such_name(from: &str, name: &str, seconds: i64) -> Vec<Captured> {
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend(label.bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let mut answer = question.clone();
    (answer[2], answer[3]) = (0x81, 0x83);
    udp(from, DNS, 53, seconds).says(&question).wait(Span::millis(5)).answers(&answer).packets()
}

/// A tag, a length of at most 127 bytes, and what belongs to it.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 128);
    [&[tag, content.len() as u8][..], content].concat()
}

/// A request for a ticket, as far as it is looked at (RFC 4120, 5.4.1).
fn ticket_request() -> Vec<u8> {
    tagged(0x6c, &tagged(0x30, &[&[0xa1, 3, 2, 1, 5][..], &[0xa2, 3, 2, 1, 12]].concat()))
}

/// An error about a service of a host (RFC 4120, 5.9.1).
fn ticket_error(code: u8, service: &str, host: &str) -> Vec<u8> {
    let parts = [tagged(0x1b, service.as_bytes()), tagged(0x1b, host.as_bytes())].concat();
    let name = [tagged(0xa0, &[2, 1, 2]), tagged(0xa1, &tagged(0x30, &parts))].concat();
    let fields = [
        vec![0xa0, 3, 2, 1, 5],
        vec![0xa1, 3, 2, 1, 30],
        tagged(0xa6, &[2, 1, code]),
        tagged(0xa9, &tagged(0x1b, b"CORP")),
        tagged(0xaa, &tagged(0x30, &name)),
    ];
    tagged(0x7e, &tagged(0x30, &fields.concat()))
}

fn kerberos(from: &str, to: &str, answer: &[u8], seconds: i64) -> Vec<Captured> {
    udp(from, to, 88, seconds).says(&ticket_request()).wait(Span::millis(3)).answers(answer).packets()
}

/// A ticket, as far as it is looked at.
fn ticket() -> Vec<u8> {
    tagged(0x6d, &tagged(0x30, &[&[0xa0, 3, 2, 1, 5][..], &[0xa1, 3, 2, 1, 13]].concat()))
}

fn audited(mut talks: Vec<Vec<Captured>>) -> Audited {
    talks.push(meanwhile(at(300)));
    audit(merge(talks))
}

/// What is found but for what can be read on the way, which is told of all that stands here.
fn found(talks: Vec<Vec<Captured>>) -> (Vec<Finding>, Vec<Problem>) {
    let audited = audited(talks);
    let (findings, problems) = (findings_of(&audited), problems_of(&audited));
    // They come last, so that places of findings stay.
    let readable = |finding: &&Finding| finding.code.starts_with("encryption.");
    let kept = findings.iter().take_while(|finding| !readable(finding)).count();
    assert!(findings.iter().skip(kept).all(|finding| readable(&finding)), "{findings:#?}");
    let problems = problems.into_iter().filter(|problem| problem.cause != Cause::Encryption).collect();
    (findings.into_iter().take(kept).collect(), problems)
}

fn codes(talks: Vec<Vec<Captured>>) -> Vec<&'static str> {
    found(talks).0.iter().map(|finding| finding.code).collect()
}

/// The finding with this code, and the one problem that it is.
fn told(code: &str, talks: Vec<Vec<Captured>>) -> (Finding, Problem, Texts) {
    let (findings, problems) = found(talks);
    let of: Vec<&Finding> = findings.iter().filter(|finding| finding.code == code).collect();
    let [only] = of[..] else { panic!("{code}: {findings:#?}") };
    let [problem] = &problems[..] else { panic!("{problems:#?}") };
    (only.clone(), problem.clone(), Words::default().problem(problem, findings.iter()))
}

fn stopped(talks: Vec<Vec<Captured>>) -> (Finding, Problem, Texts) {
    told("service.stopped", talks)
}

/// Story, phase, how, and the error.
fn place(finding: &Finding) -> [String; 4] {
    ["story", "phase", "how", "word"].map(|name| match finding.params.get(name) {
        Some(Value::Named(name)) => name.name.clone(),
        Some(Value::Word(word)) => word.to_string(),
        Some(Value::Text(text)) => text.clone(),
        other => panic!("{name}: {other:?}"),
    })
}

fn done(finding: &Finding) -> Vec<String> {
    match finding.params.get("done") {
        Some(Value::Several(names)) => names.iter().map(|name| name.name.clone()).collect(),
        other => panic!("{other:?}"),
    }
}

/// The other VDA registers, which shows who is a controller and by which name.
fn registered(seconds: i64) -> Vec<Captured> {
    request(OTHER_VDA, DDC, REGISTRAR, 200, seconds)
}

// Who is who.

#[test]
fn who_asks_for_a_service_by_its_path_is_kept_with_the_name_of_the_server() {
    let audited = audited(vec![registered(0), registered(20), request(STOREFRONT, DDC, XML, 500, 40)]);
    let asked: Vec<(&Incident, u64, Vec<&str>)> = audited
        .ledger
        .incidents
        .iter()
        .filter(|(incident, _)| incident.what == What::AskedByPath)
        .map(|(incident, known)| (incident, known.seen.flows, known.names.iter().map(|name| &**name).collect()))
        .collect();
    let told: Vec<_> = asked
        .iter()
        .map(|(incident, flows, names)| {
            let service = incident.matching.service.map(|service| service.name(map()));
            (service, incident.path.client, incident.path.server, *flows, names.clone())
        })
        .collect();
    let names = |path| vec![path, "ddc1.corp.example"];
    let registrar = "/citrix/cdscontroller/iregistrar";
    let mut expected = vec![
        (Some("registration"), address(OTHER_VDA), address(DDC), 2, names(registrar)),
        (Some("xml-sta"), address(STOREFRONT), address(DDC), 1, names(XML)),
    ];
    expected.sort_by_key(|(service, ..)| *service != told[0].0);
    assert_eq!(told, expected);
    let ordinary = audited_flow("/index.html");
    assert_eq!(ordinary.ledger.incidents.iter().filter(|(it, _)| it.what == What::AskedByPath).count(), 0);
}

fn audited_flow(path: &str) -> Audited {
    audited(vec![request(USER, DDC, path, 200, 0)])
}

// Registration.

#[test]
fn a_vda_that_gets_no_answer_from_a_known_controller_is_not_registered() {
    let (story, problem, texts) = stopped(vec![session(VDA, 0), registered(20), dropped(VDA, DDC, 80, 40)]);
    assert_eq!(place(&story), ["vda-registration", "register", "silent", "none"]);
    assert_eq!(
        (story.severity, story.clients, story.servers),
        (Severity::Error, vec![address(VDA)], vec![address(DDC)])
    );
    assert_eq!((problem.cause, problem.severity), (Cause::Stopped, Severity::Error));
    assert_eq!(texts.title, "VDA 10.1.2.21 asked 10.1.1.5 for registration on TCP 80, and got no answer");
}

#[test]
fn port_80_of_any_host_is_no_registration() {
    // No controller is known, or no VDA.
    assert_eq!(codes(vec![session(VDA, 0), dropped(VDA, DDC, 80, 40)]), ["blocked.silent"]);
    assert_eq!(codes(vec![registered(20), dropped(USER, DDC, 80, 40)]), ["blocked.silent"]);
    // Another controller answers: it is registered.
    let other = request(VDA, OTHER_DDC, REGISTRAR, 200, 80);
    let (findings, problems) = found(vec![session(VDA, 0), registered(20), dropped(VDA, DDC, 80, 40), other]);
    assert!(findings.iter().all(|finding| finding.code != "service.stopped"), "{findings:#?}");
    assert_eq!(problems.len(), 1);
}

#[test]
fn another_web_server_that_answers_is_no_registration() {
    let web = request(VDA, "10.1.1.80", "/index.html", 200, 80);
    let (story, ..) = stopped(vec![session(VDA, 0), registered(20), dropped(VDA, DDC, 80, 40), web]);
    assert_eq!(place(&story)[1], "register");
}

#[test]
fn a_controller_that_says_no_is_told_with_its_status() {
    let tries = (0..3).map(|number| request(VDA, DDC, REGISTRAR, 503, 20 + 10 * number));
    let (story, problem, texts) = stopped(tries.chain([session(VDA, 0)]).collect());
    assert_eq!(place(&story), ["vda-registration", "register", "error", "http-503"]);
    assert_eq!((story.severity, problem.severity), (Severity::Error, Severity::Error));
    assert!(texts.title.starts_with("VDA 10.1.2.21 asked 10.1.1.5 for registration on TCP 80"), "{}", texts.title);
    // Afterwards it works.
    let tries = (0..3).map(|number| request(VDA, DDC, REGISTRAR, 503, 20 + 10 * number));
    let works = request(VDA, DDC, REGISTRAR, 200, 80);
    assert_eq!(codes(tries.chain([session(VDA, 0), works]).collect()), [""; 0]);
}

#[test]
fn a_controller_that_cannot_call_back_drops_the_vda_again() {
    let registers = |number: i64| request(VDA, DDC, REGISTRAR, 200, 60 * number);
    let (story, problem, texts) = stopped(vec![registers(0), registers(2), dropped(DDC, VDA, 80, 5)]);
    assert_eq!(place(&story), ["vda-registration", "callback", "silent", "none"]);
    assert_eq!((story.severity, done(&story)), (Severity::Error, vec!["register".to_string()]));
    assert_eq!((problem.cause, problem.severity), (Cause::Stopped, Severity::Error));
    assert!(
        texts.title.contains("10.1.2.21 got through registration, and did not answer 10.1.1.5 on TCP 80"),
        "{}",
        texts.title
    );
    assert!(texts.remedy.contains("Allow TCP 80 to 10.1.2.21 from 10.1.1.5"), "{}", texts.remedy);
}

#[test]
fn a_registration_with_its_call_back_is_healthy() {
    let back = request(DDC, VDA, "/Citrix/VdaController/", 200, 5);
    assert_eq!(codes(vec![registered(0), request(VDA, DDC, REGISTRAR, 200, 1), back, session(VDA, 30)]), [""; 0]);
    // A web server that cannot be reached by somebody else is no call back.
    assert_eq!(codes(vec![request(VDA, DDC, REGISTRAR, 200, 1), dropped(USER, VDA, 80, 20)]), ["blocked.silent"]);
}

#[test]
fn a_controller_whose_name_is_not_known_is_never_asked() {
    let unknown =
        |name| vec![session(VDA, 0), registered(20), no_such_name(VDA, name, 40), no_such_name(VDA, name, 50)];
    let (story, problem, texts) = stopped(unknown("ddc1.corp.example"));
    assert_eq!(place(&story), ["vda-registration", "name", "error", "dns-3"]);
    assert_eq!((story.servers.clone(), problem.cause), (vec![address(DNS)], Cause::Stopped));
    assert!(texts.title.contains("asked 10.1.1.2 for the controller's name"), "{}", texts.title);
    assert!(texts.title.contains("no such name"), "{}", texts.title);
    assert_eq!(codes(unknown("wpad.corp.example")), [""; 0], "nobody registers with that host");
    let later = request(VDA, DDC, REGISTRAR, 200, 60);
    assert_eq!(codes(unknown("ddc1.corp.example").into_iter().chain([later]).collect()), [""; 0]);
}

#[test]
fn a_controller_without_a_principal_gives_no_ticket() {
    let error = |service: &str, host: &str| kerberos(VDA, DC, &ticket_error(7, service, host), 40);
    let with = |error| vec![session(VDA, 0), registered(20), kerberos(VDA, DC, &ticket(), 35), error];
    let (story, ..) = stopped(with(error("host", "ddc1.corp.example")));
    assert_eq!(place(&story), ["vda-registration", "ticket", "error", "kerberos-7"]);
    assert_eq!(codes(with(error("cifs", "files.corp.example"))), [""; 0], "an everyday error");
}

// XML and tickets.

#[test]
fn a_ticket_authority_that_fails_is_told_with_its_status() {
    let tries = (0..3).map(|number| request(SNIP, DDC, STA, 503, 10 * number));
    let (story, problem, texts) = stopped(tries.collect());
    assert_eq!(place(&story), ["xml", "ask", "error", "http-503"]);
    assert_eq!((story.severity, problem.severity), (Severity::Error, Severity::Error));
    assert!(texts.meaning.contains("do not start"), "{}", texts.meaning);
    assert!(texts.title.ends_with("and the answer was HTTP 503 (service unavailable)"), "{}", texts.title);
    let one = [request(SNIP, DDC, STA, 503, 0), request(SNIP, DDC, STA, 200, 10)];
    assert_eq!(codes(one.into()), [""; 0], "a hiccup");
    assert_eq!(codes(vec![request(USER, DDC, "/index.html", 503, 0)]), [""; 0], "any web server");
}

#[test]
fn a_controller_that_is_silent_makes_storefront_wait_for_the_next_one() {
    let talks = vec![
        request(OTHER_VDA, OTHER_DDC, REGISTRAR, 200, 0),
        dropped(STOREFRONT, OTHER_DDC, 80, 20),
        request(STOREFRONT, DDC, XML, 200, 41),
    ];
    let (detour, problem, texts) = told("service.detour", talks);
    assert_eq!((detour.severity, detour.clients), (Severity::Warning, vec![address(STOREFRONT)]));
    assert_eq!(detour.params.get("waited"), Some(&Value::Duration(Span::seconds(21))));
    assert_eq!(detour.params.get("instead"), Some(&Value::Addresses(vec![address(DDC)])));
    assert_eq!((problem.cause, problem.findings.len()), (Cause::Detour, 2));
    assert!(texts.title.contains("10.1.1.7 waits 21 s for 10.1.1.6"), "{}", texts.title);
}

#[test]
fn a_ticket_authority_that_nobody_answers_for_is_silent() {
    let talks = vec![request(SNIP, DDC, STA, 200, 0), dropped(SNIP, DDC, 80, 60)];
    let (story, ..) = stopped(talks);
    assert_eq!((place(&story), story.severity), (["xml", "ask", "silent", "none"].map(String::from), Severity::Error));
}

// Gateway back ends.

#[test]
fn behind_a_ticket_that_was_granted_the_way_to_one_vda_is_blocked() {
    let works = tcp(SNIP, OTHER_VDA, 2598, 5).opened().says(CGP_GREETING).answers(CGP_GREETING);
    let works = works.wait(Span::seconds(60)).says(b"keys").answers(b"screen").closed().packets();
    let talks =
        vec![request(SNIP, DDC, STA, 200, 0), works, request(SNIP, DDC, STA, 200, 30), dropped(SNIP, VDA, 2598, 31)];
    let (story, problem, texts) = stopped(talks);
    assert_eq!(place(&story), ["gateway-launch", "session", "silent", "none"]);
    assert_eq!((done(&story), story.servers), (vec!["ticket".to_string()], vec![address(VDA)]));
    assert_eq!((problem.cause, problem.severity), (Cause::Stopped, Severity::Error));
    assert!(texts.remedy.contains("subnet address"), "{}", texts.remedy);
    assert_eq!(
        texts.title,
        "Gateway 10.1.3.4 got through the ticket, asked 10.1.2.21 for the session on TCP 2598, and got no answer"
    );
}

#[test]
fn both_session_ports_are_named() {
    let both = [dropped(SNIP, VDA, 2598, 31), dropped(SNIP, VDA, 1494, 53)];
    let (story, problem, texts) = stopped([request(SNIP, DDC, STA, 200, 0)].into_iter().chain(both).collect());
    assert_eq!(story.params.get("ports"), Some(&Value::Ports(vec![2598, 1494])));
    // Two blocks, and the launch that failed.
    assert_eq!((problem.cause, problem.findings.len()), (Cause::Stopped, 4));
    assert!(texts.title.contains("for the session on TCP 2598, 1494, and got no answer"), "{}", texts.title);
}

#[test]
fn a_client_that_asks_nobody_for_tickets_is_no_gateway() {
    assert_eq!(codes(vec![request(STOREFRONT, DDC, STA, 200, 0), dropped(USER, VDA, 2598, 31)]), ["blocked.silent"]);
    // StoreFront asks for lists by another path.
    assert_eq!(codes(vec![request(SNIP, DDC, XML, 200, 0), dropped(SNIP, VDA, 2598, 31)]), ["blocked.silent"]);
    // Where everybody asks for tickets it is no sign of a Gateway.
    let everybody = (0..17).map(|host| request(&format!("10.1.8.{}", host + 1), DDC, STA, 200, host));
    let talks = everybody.chain([request(SNIP, DDC, STA, 200, 20), dropped(SNIP, VDA, 2598, 31)]);
    assert_eq!(codes(talks.collect()), ["blocked.silent"]);
    // The way opens later.
    let later = tcp(SNIP, VDA, 2598, 90).opened().says(CGP_GREETING).answers(CGP_GREETING).closed().packets();
    let talks = vec![request(SNIP, DDC, STA, 200, 0), dropped(SNIP, VDA, 2598, 31), later];
    assert_eq!(codes(talks), ["blocked.silent"]);
}

// Logon.

#[test]
fn logons_wait_for_a_domain_controller_that_does_not_answer() {
    let talks = || vec![session(VDA, 0), dropped(VDA, DC, 88, 20), opened(VDA, OTHER_DC, 88, 41)];
    let (detour, problem, texts) = told("service.detour", talks());
    assert_eq!(detour.params.get("waited"), Some(&Value::Duration(Span::seconds(21))));
    assert_eq!((detour.clients, detour.servers), (vec![address(VDA)], vec![address(DC)]));
    assert_eq!(
        (detour.severity, problem.cause, problem.severity),
        (Severity::Warning, Cause::Detour, Severity::Warning)
    );
    assert_eq!(
        texts.title,
        "Citrix server 10.1.2.21 waits 21 s for 10.1.1.9, which does not answer on TCP 88 (a Kerberos ticket); 10.1.1.10 answers"
    );
    assert!(texts.meaning.contains("then 10.1.1.10 answered"), "{}", texts.meaning);
    // Of a host that nothing ties to Citrix it is not known what waits there.
    let anybody = vec![dropped(USER, DC, 88, 20), opened(USER, OTHER_DC, 88, 41)];
    assert_eq!(codes(anybody), ["blocked.silent"]);
}

#[test]
fn a_domain_controller_that_always_answered_leaves_the_time_open() {
    let before = opened(VDA, OTHER_DC, 389, 5);
    let talks = vec![session(VDA, 0), before, dropped(VDA, DC, 389, 20), opened(VDA, OTHER_DC, 389, 41)];
    let (detour, _, texts) = told("service.detour", talks);
    assert_eq!(
        detour.params.get("waited"),
        Some(&Value::Duration(Span::seconds(15))),
        "from the first SYN to the last"
    );
    assert!(texts.title.contains("waits at least 15 s"), "{}", texts.title);
}

#[test]
fn a_dead_domain_controller_is_one_problem_with_what_it_costs() {
    let silent = [dropped(VDA, DC, 88, 20), dropped(VDA, DC, 389, 22)];
    let instead = [opened(VDA, OTHER_DC, 88, 41), opened(VDA, OTHER_DC, 389, 43)];
    let (findings, problems) = found([session(VDA, 0)].into_iter().chain(silent).chain(instead).collect());
    let [problem] = &problems[..] else { panic!("{problems:#?}") };
    assert_eq!(problem.cause, Cause::HostDown);
    let texts = Words::default().problem(problem, findings.iter());
    assert!(texts.meaning.contains("Hosts wait 21 s for it before 10.1.1.10 answers."), "{}", texts.meaning);
}

#[test]
fn where_no_domain_controller_answers_logons_stop() {
    let talks = vec![session(VDA, 0), dropped(VDA, DC, 88, 20), dropped(VDA, OTHER_DC, 88, 41)];
    let (story, problem, texts) = stopped(talks);
    assert_eq!(
        (place(&story), story.severity),
        (["logon", "ticket", "silent", "none"].map(String::from), Severity::Warning)
    );
    assert_eq!(problem.cause, Cause::Stopped);
    assert_eq!(
        texts.title,
        "Citrix server 10.1.2.21 asked 2 servers for a Kerberos ticket on TCP 88, and neither answered"
    );
}

#[test]
fn clocks_that_differ_stop_logons() {
    // Who asks is told first to say who it is.
    let pair = |seconds| {
        [
            kerberos(VDA, DC, &ticket_error(25, "krbtgt", "CORP"), seconds),
            kerberos(VDA, DC, &ticket_error(37, "krbtgt", "CORP"), seconds + 1),
        ]
    };
    let all = |more: Vec<Vec<Captured>>| [vec![session(VDA, 0)], pair(20).into(), pair(40).into(), more].concat();
    let (story, _, texts) = stopped(all(Vec::new()));
    assert_eq!(
        (place(&story), story.severity),
        (["logon", "ticket", "error", "kerberos-37"].map(String::from), Severity::Error)
    );
    assert!(texts.title.contains("clocks differ too much") && texts.remedy.contains("five minutes"), "{texts:?}");
    // A client that sets its clock by the error gets its tickets.
    let granted = (0..4).map(|number| kerberos(VDA, DC, &ticket(), 50 + number)).collect();
    assert_eq!(codes(all(granted)), [""; 0]);
    let everyday = (0..9).map(|number| kerberos(VDA, DC, &ticket_error(25, "krbtgt", "CORP"), 20 + number));
    assert_eq!(codes(everyday.chain([session(VDA, 0)]).collect()), [""; 0]);
}

#[test]
fn everything_healthy_at_once_says_nothing() {
    let talks = vec![
        session(VDA, 100),
        session(OTHER_VDA, 101),
        registered(0),
        request(VDA, DDC, REGISTRAR, 200, 1),
        request(DDC, VDA, "/Citrix/VdaController/", 200, 2),
        request(STOREFRONT, DDC, XML, 200, 3),
        request(STOREFRONT, DDC, STA, 200, 4),
        request(SNIP, DDC, STA, 200, 5),
        opened(SNIP, VDA, 2598, 6),
        kerberos(VDA, DC, &ticket(), 7),
        opened(VDA, DC, 389, 8),
        no_such_name(VDA, "ddc1.corp.example.corp.example", 9),
    ];
    assert_eq!(found(talks), (Vec::new(), Vec::new()));
}

#[test]
fn a_call_back_counts_only_soon_after_a_request_for_registration() {
    let case = |called: i64| {
        let registers = request(VDA, DDC, REGISTRAR, 200, 1);
        vec![
            session(VDA, 0),
            registers,
            request(DDC, VDA, "/Citrix/CdsController/ICdsVDA", 200, 2),
            dropped(DDC, VDA, 80, called),
        ]
    };
    let (story, ..) = told("service.stopped", case(5));
    assert!(matches!(story.params.get("phase"), Some(Value::Named(phase)) if phase.name == "callback"));
    let late = codes(case(150));
    assert!(!late.contains(&"service.stopped"), "it may be switched off by then: {late:?}");
}

#[test]
fn a_controller_that_calls_back_is_no_vda() {
    let vdas = [VDA, OTHER_VDA];
    let mut talks = Vec::new();
    for (seconds, vda) in (0..).step_by(4).zip(vdas) {
        talks.push(request(vda, DDC, REGISTRAR, 200, seconds));
        talks.push(request(DDC, vda, REGISTRAR, 200, seconds + 1));
    }
    talks.push(dropped(DDC, VDA, 443, 20));
    let codes = codes(talks);
    assert!(!codes.contains(&"service.stopped"), "{codes:?}");
}

#[test]
fn who_asks_in_a_way_that_is_not_taken_looks_whether_the_service_is_there() {
    for status in [405, 406] {
        let asked = (0..20).map(|at| request(STOREFRONT, DDC, XML, status, at)).collect();
        assert!(codes(asked).is_empty(), "{status}");
    }
}

#[test]
fn one_error_among_many_answers_is_none() {
    let asked =
        |last: u16| (0..20).map(|at| request(STOREFRONT, DDC, XML, if at == 19 { last } else { 200 }, at)).collect();
    assert!(codes(asked(500)).is_empty());
    assert!(codes(asked(404)).is_empty());
    let (alone, ..) = told("service.stopped", vec![request(STOREFRONT, DDC, XML, 500, 1)]);
    assert_eq!(alone.severity, Severity::Warning, "a single answer");
    let (all, ..) = told("service.stopped", (0..3).map(|at| request(STOREFRONT, DDC, XML, 500, at)).collect());
    assert_eq!(all.severity, Severity::Error);
}

#[test]
fn one_of_two_controllers_that_says_no_is_a_warning() {
    let each = |at| [request(STOREFRONT, DDC, XML, 503, at), request(STOREFRONT, OTHER_DDC, XML, 200, at + 1)];
    let (story, problem, _) = told("service.stopped", (0..20).step_by(2).flat_map(each).collect());
    assert_eq!((story.severity, problem.severity), (Severity::Warning, Severity::Warning), "the other one answers");
    assert_eq!(story.servers, ["10.1.1.5".parse::<std::net::IpAddr>().expect("an address").into()]);
}
