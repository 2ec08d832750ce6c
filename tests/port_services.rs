//! What the documents behind the port map state of single services, shown on packets where no other file shows it; `port_facts.rs`
//! has the whole list. Expected values are those of the documents.

mod support;

use cap_audit::case::Case;
use cap_audit::finding::{Finding, Severity};
use cap_audit::judge::{Judge, Outcome, Verdict};
use cap_audit::portmap::{Candidates, Direction, PortMap, PortRule};
use cap_audit::problem::Cause;
use cap_audit::session::{Way, sessions};
use cap_audit::time::{Span, Timestamp};
use cap_audit::transport::Transport;
use support::*;

const CLIENT: &str = "10.0.0.14";
const VDA: &str = "10.0.0.22";
const CGP_GREETING: &[u8] = b"\x1aCGP/01\x00\x16Citrix.TcpProxyService";
const ICA_GREETING: &[u8] = b"\x7f\x7fICA\0";

fn at(seconds: i64) -> Timestamp {
    START + Span::seconds(seconds)
}

fn tcp_to(port: u16) -> Talk {
    Talk::between(client(CLIENT, 50_001), server(VDA, port))
}

fn udp_to(port: u16) -> Talk {
    Talk::udp(client(CLIENT, 50_001), server(VDA, port))
}

/// A session that says something each ten seconds, for a minute.
fn session(talk: Talk, greeting: &[u8]) -> Talk {
    let talk = talk.opened().says(greeting).wait(Span::millis(10)).answers(greeting);
    (0..6).fold(talk, |talk, _| talk.wait(Span::seconds(10)).says(b"keys").answers(b"screen"))
}

/// SYNs on the schedule of Windows without an answer (facts GRACE-02).
fn dropped(talk: Talk) -> Talk {
    [1, 2, 4, 8].into_iter().fold(talk.syn(), |talk, wait| talk.wait(Span::seconds(wait)).syn_again())
}

/// A request of UDT version 4.
fn udt_handshake() -> Vec<u8> {
    let words: [u32; 16] = [0x8000_0000, 0, 0, 0, 4, 2, 7, 1_500, 8_192, 1, 99, 0, 0x0a40_0001, 0, 0, 0];
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// The talks, in a capture that goes on for three minutes.
fn watched(talks: impl IntoIterator<Item = Talk>) -> Audited {
    audit(merge(talks.into_iter().map(Talk::packets).chain([meanwhile(at(180))])))
}

/// Codes, but for what can be read on the way, and for stories, which have tests of their own.
fn codes(findings: &[Finding]) -> Vec<&str> {
    let of_others = |code: &&str| code.starts_with("encryption.") || code.starts_with("service.");
    findings.iter().map(|finding| finding.code).filter(|code| !of_others(code)).collect()
}

/// What the map says of a port.
fn about(over: Transport, port: u16) -> &'static Candidates {
    map().lookup(over, port).unwrap_or_else(|| panic!("no rule names {over} {port}"))
}

/// The services of a port, by name, and whether the port proves nothing.
fn services(over: Transport, port: u16) -> (Vec<&'static str>, bool) {
    let about = about(over, port);
    (about.services.iter().map(|&service| map().service_name(service)).collect(), about.generic)
}

/// The names that rules of a port may have in a report, and the sources and destinations of one of them.
fn rule(id: &str) -> &'static PortRule {
    map().rules().iter().find(|rule| rule.id == id).unwrap_or_else(|| panic!("no rule {id}"))
}

/// How severe it is that nothing answers on this port, and as what it is told.
fn where_blocked(port: u16) -> (Severity, Option<String>) {
    let findings = findings_of(&watched([dropped(tcp_to(port))]));
    assert_eq!(codes(&findings), ["blocked.silent"], "tcp {port}");
    (findings[0].severity, findings[0].service.clone())
}

// Sessions.

#[test]
fn a_blocked_2598_costs_session_reliability_and_no_launch() {
    let talks = [
        dropped(tcp_to(2598)),
        session(Talk::between(client(CLIENT, 50_002), server(VDA, 1494)).at(at(18)), ICA_GREETING),
    ];
    let audited = watched(talks);
    assert_eq!(flow_to(&audited, 2598).judgement.outcome, Outcome::Silent);
    assert_eq!(flow_to(&audited, 1494).judgement.outcome, Outcome::Established);
    let found = findings_of(&audited);
    assert!(codes(&found).contains(&"blocked.silent") && codes(&found).contains(&"fallback.cgp-to-ica"), "{found:#?}");
    assert!(!codes(&found).contains(&"launch.failed"));
    let all = sessions(&Judge::new(map(), &audited.ledger));
    assert_eq!(
        all.iter().map(|it| (it.transport(), it.reliability)).collect::<Vec<_>>(),
        [(Some(Way::Ica), Some(false))]
    );
    let problems = problems_of(&audited).into_iter().filter(|problem| problem.cause != Cause::Encryption);
    assert_eq!(problems.count(), 1, "the fallback is part of the block");
}

#[test]
fn tcp_alone_is_healthy_and_no_fallback() {
    let audited = watched([session(tcp_to(2598), CGP_GREETING).closed()]);
    assert_eq!(codes(&findings_of(&audited)), [""; 0], "three hundred rules that nobody needed are not missed");
    let all = sessions(&Judge::new(map(), &audited.ledger));
    let [only] = &all[..] else { panic!("one session: {all:#?}") };
    assert_eq!((only.transport(), only.reliability, only.gateway), (Some(Way::Cgp), Some(true), None));
    assert_eq!(only.parts.len(), 1, "no UDP was tried before it");
}

#[test]
fn edt_needs_both_ports_of_udp_besides_tcp() {
    for port in [1494, 2598] {
        let edt = (0..12).fold(udp_to(port), |talk, _| talk.says(&udt_handshake()).wait(Span::millis(250)));
        let beside = Talk::between(client(CLIENT, 50_002), server(VDA, 2598)).at(START + Span::millis(500));
        let found = findings_of(&watched([edt, session(beside, CGP_GREETING)]));
        assert_eq!(codes(&found), ["blocked.silent", "fallback.edt-to-tcp"], "udp {port}");
        assert_eq!((found[0].severity, found[0].port), (Severity::Error, Some((Transport::Udp, port))));
        assert_eq!(found[0].service.as_deref(), Some("edt"));
    }
}

/// A client hello of TLS 1.3 with this server name (RFC 8446, 4.1.2; RFC 6066, 3).
fn tls_hello(name: &str) -> Vec<u8> {
    let counted = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let listed = counted(&[&[0][..], &counted(name.as_bytes())].concat());
    let extensions = counted(&[&[0, 0][..], &counted(&listed)].concat());
    let body = [&[3, 3][..], &[0x5a; 32], &[0], &counted(&[0x13, 1]), &[1, 0], &extensions].concat();
    let message = [&[1, 0][..], &counted(&body)].concat();
    [&[0x16, 3, 1][..], &counted(&message)].concat()
}

#[test]
fn rendezvous_is_443_over_tcp_and_with_edt_over_udp() {
    let named = |name: &str| {
        let audited = audit(tcp_to(443).opened().says(&tls_hello(name)).packets());
        flow_to(&audited, 443).judgement.verdict
    };
    for name in ["acme.g.nssvc.net", "acme.c.nssvc.net", "nssvc.net"] {
        assert_eq!(named(name), Verdict::Expected, "{name}");
    }
    for name in ["nssvc.net.example", "xnssvc.net", "www.example.net"] {
        assert_eq!(named(name), Verdict::Unmapped, "{name}");
    }
    assert_eq!(rule("daas.vda.gateway-service.rendezvous").transports, [Transport::Tcp]);
    assert_eq!(rule("gateway-service.vda.gateway-service.edt").transports, [Transport::Udp]);
    // Of what is silent on UDP 443 only EDT is owed an answer.
    let silent = |bytes: &[u8]| {
        let audited = watched([(0..12).fold(udp_to(443), |talk, _| talk.says(bytes).wait(Span::millis(500)))]);
        flow_to(&audited, 443).judgement.outcome
    };
    assert_eq!(silent(&udt_handshake()), Outcome::Silent);
    assert_eq!(
        silent(&[&[0xc3, 0, 0, 0, 1, 8][..], &[7; 8], &[0, 0, 0x44, 0xb8], &[0x5a; 1_180]].concat()),
        Outcome::Unanswered
    );
}

// Ports that prove nothing.

#[test]
fn controller_or_connector_and_vda_call_each_other_on_80() {
    let both = [
        "cvad.delivery-controller.vda.http",
        "cvad.vda.delivery-controller.http",
        "daas.cloud-connector.vda.controller-proxy",
    ];
    for (from, to) in [(CLIENT, VDA), (VDA, CLIENT)] {
        let talk = Talk::between(client(from, 50_001), server(to, 80)).opened();
        let talk = talk
            .says(b"POST /Citrix/CdsController/IRegistrar HTTP/1.1\r\nHost: ddc\r\n\r\n")
            .answers(b"HTTP/1.1 200 OK\r\n\r\n");
        let audited = audit(talk.packets());
        let judgement = &flow_to(&audited, 80).judgement;
        assert_eq!(judgement.verdict, Verdict::Expected, "{from} asks for the registrar");
        for id in both {
            assert_eq!(rule(id).direction, Direction::Both);
            assert!(judgement.rules.iter().any(|&rule| map().rule(rule).id == id), "{id}");
        }
    }
    // Who is what is not in a SYN, so the silence of port 80 alone is no error.
    assert_eq!(where_blocked(80).0, Severity::Warning);
}

#[test]
fn a_dynamic_port_is_never_more_than_warned_of() {
    let found = findings_of(&watched([dropped(tcp_to(50_123))]));
    assert_eq!(codes(&found), ["blocked.silent"]);
    assert_eq!(found[0].severity, Severity::Warning);
    assert!(found[0].rules.iter().any(|rule| rule == "cvad.admin-workstation.vda.remote-assistance-dynamic"));
    assert_eq!(where_blocked(135).0, Severity::Warning);
    assert_eq!(where_blocked(3389).0, Severity::Warning);
}

#[test]
fn nine_thousand_and_one_on_the_network_is_somebody_elses() {
    let talk =
        tcp_to(9001).opened().says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").answers(b"HTTP/1.1 200 OK\r\n\r\n").closed();
    let audited = watched([talk]);
    assert_eq!(flow_to(&audited, 9001).judgement.verdict, Verdict::Unmapped);
    assert_eq!(codes(&findings_of(&audited)), [""; 0]);
    assert_eq!(where_blocked(9001).0, Severity::Warning);
}

#[test]
fn ports_of_any_network_prove_nothing() {
    for port in [80, 443, 22] {
        let found = findings_of(&watched([tcp_to(port).opened().says(&[0x16; 5]).answers(&[0x16; 5]).closed()]));
        assert_eq!(codes(&found), [""; 0], "tcp {port}");
        assert_eq!(where_blocked(port).0, Severity::Warning, "tcp {port}");
    }
}

#[test]
fn a_port_808_that_is_closed_is_no_error() {
    let found = findings_of(&watched([tcp_to(808).syn().refused()]));
    assert!(found.iter().all(|finding| finding.severity < Severity::Error), "{found:#?}");
    assert_eq!(where_blocked(808).0, Severity::Warning);
    assert_eq!(services(Transport::Tcp, 808), (vec!["storefront"], true));
}

#[test]
fn push_services_are_warned_of_at_most() {
    for port in [2197, 5223] {
        let talk = Talk::between(client(CLIENT, 50_001), server("17.57.144.10", port));
        let found = findings_of(&watched([dropped(talk)]));
        assert_eq!(codes(&found), ["blocked.silent"], "tcp {port}");
        assert!(found[0].severity < Severity::Error, "a public address on a port that proves nothing");
        assert_eq!(services(Transport::Tcp, port), (vec!["app-store"], true));
    }
}

// Addresses of an ADC.

#[test]
fn which_address_of_an_adc_sends_changes_nothing() {
    let from = |address: &str| {
        let to = |port| Talk::udp(client(address, 50_001), server("10.0.2.9", port));
        let syslog = to(514).says(b"<134> 2026/11/30 ns 0-PPE-0 : default TCP CONN_DELINK 7 0 :").packets();
        let metrics = Talk::between(client(address, 50_002), server("10.0.2.9", 5563))
            .opened()
            .says(b"x")
            .answers(b"y")
            .packets();
        let audited = audit(merge([syslog, metrics, meanwhile(at(180))]));
        let told = [514, 5563].map(|port| {
            let judgement = flow_to(&audited, port).judgement;
            (judgement.verdict, judgement.outcome, judgement.rules.to_vec())
        });
        assert_eq!(codes(&findings_of(&audited)), [""; 0], "{address}");
        told
    };
    let nsip = from("10.0.2.1");
    assert_eq!(nsip, from("10.0.2.2"), "from the SNIP as from the NSIP");
    assert_eq!(nsip[1].0, Verdict::Expected);
}

#[test]
fn peers_of_an_adc_have_a_secured_and_a_plain_port_each() {
    let names = |port| services(Transport::Tcp, port);
    assert_eq!((names(3008), names(3010)), ((vec!["adc-ha"], false), (vec!["adc-ha"], false)));
    assert_eq!(names(3011), (vec!["adc-mep"], false));
    // 3009 is the Provisioning connector of App Layering as well.
    assert_eq!(names(3009), (vec!["adc-mep", "app-layering-connector"], false));
    for (port, secured) in [(3008, true), (3009, true), (3010, false), (3011, false)] {
        let id = format!(
            "adc.nsip.ha-peer.{}{}",
            if port % 2 == 0 { "config-sync" } else { "mep" },
            if secured { "-secure" } else { "" }
        );
        assert!(rule(&id).names(Transport::Tcp, port), "{id}");
        assert_eq!(where_blocked(port).0, Severity::Error);
    }
}

// Services and their ports.

#[test]
fn licences_and_their_console_are_two_services() {
    for port in [27_000, 7279] {
        assert_eq!(services(Transport::Tcp, port), (vec!["licensing"], false));
        assert_eq!(where_blocked(port), (Severity::Error, Some("licensing".into())));
        let adm = rule(&format!("adm.adc-cpx.adm-license.{}", if port == 7279 { "vendor-daemon" } else { "license" }));
        assert!(adm.names(Transport::Tcp, port), "ADM serves licences as well");
    }
    for port in [8082, 8083] {
        assert_eq!(services(Transport::Tcp, port), (vec!["license-console"], true));
        assert_eq!(where_blocked(port).0, Severity::Warning);
    }
}

#[test]
fn ports_of_provisioning_are_told_apart() {
    let names = |port| services(Transport::Udp, port);
    assert_eq!(names(6910), (vec!["pvs-login"], false));
    for port in [6911, 6920, 6930] {
        assert_eq!(names(port), (vec!["pvs-stream"], false), "udp {port}");
    }
    for port in [6901, 6902, 6905] {
        assert!(names(port).0.contains(&"pvs-target") && !names(port).1, "udp {port}: {:?}", names(port));
    }
    assert_eq!(names(2071), (vec!["pvs-boot"], false));
    assert_eq!(names(6969), (vec!["pvs-boot"], true), "a tracker of BitTorrent as well");
    assert!(map().lookup(Transport::Udp, 6931).is_none());
}

#[test]
fn options_of_dhcp_are_no_ports_that_answer() {
    for port in [66, 67] {
        let talk =
            udp_to(port).says(b"hello?").wait(Span::seconds(3)).says(b"hello?").wait(Span::seconds(3)).says(b"hello?");
        let audited = watched([talk]);
        assert_eq!(flow_to(&audited, port).judgement.outcome, Outcome::Unanswered, "udp {port}");
        assert_eq!(codes(&findings_of(&audited)), [""; 0], "udp {port}");
    }
}

#[test]
fn soap_of_provisioning_stands_out_of_the_dynamic_ports() {
    for port in 54_321..=54_323 {
        assert_eq!(where_blocked(port), (Severity::Error, Some("pvs-soap".into())), "tcp {port}");
    }
    assert_eq!(where_blocked(54_324).0, Severity::Warning);
}

#[test]
fn waking_a_remote_pc_expects_no_answer() {
    let magic = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 9].repeat(16)].concat();
    let wake = Talk::udp(client(CLIENT, 50_009), server("10.0.0.255", 9))
        .broadcast()
        .says(&magic)
        .wait(Span::seconds(1))
        .says(&magic);
    let single = udp_to(9).says(&magic).wait(Span::seconds(1)).says(&magic).wait(Span::seconds(1)).says(&magic);
    let session = session(Talk::between(client(CLIENT, 50_002), server(VDA, 2598)).at(at(30)), CGP_GREETING);
    assert_eq!(codes(&findings_of(&watched([wake, single, session.closed()]))), [""; 0]);
    assert_eq!(services(Transport::Udp, 9), (vec!["wake-on-lan"], true));
    assert!(rule("remote-pc.wol-proxy.vda.wake-up-proxy").names(Transport::Tcp, 135));
}

#[test]
fn a_port_that_storefront_servers_agreed_on_accuses_nobody() {
    let audited = watched([dropped(tcp_to(34_567))]);
    assert_eq!(flow_to(&audited, 34_567).judgement.verdict, Verdict::Unmapped);
    assert_eq!(codes(&findings_of(&audited)), [""; 0]);
    assert!(rule("storefront.storefront.storefront.peer").ports.is_empty());
}

/// The example of the document: the port of both services is pinned to 93.
#[test]
fn a_pinned_port_is_known_once_a_map_names_it() {
    let text = include_str!("../src/portmap/citrix.toml");
    let pinned = "\n[[rule]]\nid = \"own.storefront-peers\"\nproduct = \"StoreFront\"\nsource = [\"StoreFront\"]\n\
         destination = [\"StoreFront\"]\nprotocol = [\"tcp\"]\nports = [93]\ndirection = \"one-way\"\nservice = \"storefront\"\n\
         detail = \"Peers with a pinned port\"\ndocuments = [\"ports-paper-ja\"]\n";
    let own = PortMap::parse(&format!("{text}{pinned}")).expect("a good map");
    let audited = watched([dropped(tcp_to(93))]);
    assert_eq!(codes(&findings_of(&audited)), [""; 0], "unknown to the map that is built in");
    let found = in_map(own, &dropped(tcp_to(93)));
    assert_eq!(codes(&found), ["blocked.silent"]);
    assert_eq!((found[0].severity, found[0].service.as_deref()), (Severity::Error, Some("storefront")));
}

/// What is found where another map holds.
fn in_map(own: PortMap, talk: &Talk) -> Vec<Finding> {
    let own = std::sync::Arc::new(own);
    let packets = merge([talk.clone().packets(), meanwhile(at(180))]);
    let mut source = [cap_audit::source::MemorySource::new(packets, 256)];
    let harvest = cap_audit::pipeline::run(&mut source, &own, keeping()).expect("memory can be read");
    Case { ledger: harvest.ledger, ..Case::new(own) }.conclude().findings
}

#[test]
fn old_and_new_port_of_wem_are_one_service() {
    for port in [8285, 8288, 8286] {
        assert_eq!(where_blocked(port), (Severity::Error, Some("wem-agent".into())), "tcp {port}");
    }
    assert_eq!(services(Transport::Tcp, 8287), (vec!["wem-admin"], false));
}

#[test]
fn ldap_has_two_plain_and_two_secured_ports() {
    for port in [389, 3268, 636, 3269] {
        let (names, generic) = services(Transport::Tcp, port);
        assert!(generic && names == ["ldap"], "tcp {port}: {names:?}");
        let rules: Vec<&str> =
            about(Transport::Tcp, port).rules.iter().map(|&id| map().rule(id).detail.as_str()).collect();
        let secured = rules.iter().any(|detail| detail.contains("SSL") || detail.contains("Secured"));
        assert_eq!(secured, matches!(port, 636 | 3269), "tcp {port}: {rules:?}");
    }
}

#[test]
fn tickets_and_xml_are_one_service() {
    for path in ["/scripts/ctxsta.dll", "/scripts/wpnbr.dll"] {
        let request = format!("POST {path} HTTP/1.1\r\nHost: 10.0.0.22\r\nContent-Length: 0\r\n\r\n");
        let audited = audit(tcp_to(80).opened().says(request.as_bytes()).answers(b"HTTP/1.1 200 OK\r\n\r\n").packets());
        assert_eq!(flow_to(&audited, 80).judgement.verdict, Verdict::Expected, "{path}");
    }
    for id in ["gateway.snip.sta", "storefront.storefront.delivery-controller-xenmobile"] {
        assert_eq!(map().service_name(rule(id).service), "xml-sta", "{id}");
    }
}

#[test]
fn the_vpn_plug_in_has_its_ports_over_each_transport() {
    let vpn = (vec!["vpn-tunnel"], false);
    for port in [3108, 3168, 3188] {
        assert_eq!(services(Transport::Udp, port), vpn, "udp {port}");
        assert!(map().lookup(Transport::Tcp, port).is_none(), "tcp {port}");
    }
    for port in [3148, 3149, 3159] {
        assert_eq!(services(Transport::Udp, port), vpn, "udp {port}");
        assert_eq!(where_blocked(port), (Severity::Error, Some("vpn-tunnel".into())), "tcp {port}");
    }
}

#[test]
fn defaults_that_may_differ_are_known_by_their_service() {
    let expected =
        [(1433, "sql", true), (8081, "xenmobile", true), (27_000, "licensing", false), (7279, "licensing", false)];
    for (port, service, generic) in expected {
        assert_eq!(services(Transport::Tcp, port), (vec![service], generic), "tcp {port}");
    }
}

#[test]
fn a_cluster_of_xenmobile_has_a_port_of_its_own() {
    assert_eq!(where_blocked(45_000), (Severity::Error, Some("xenmobile-admin".into())));
    for port in [4443, 30_001] {
        assert_eq!(where_blocked(port).0, Severity::Warning, "tcp {port} is used by many programs");
        assert_eq!(services(Transport::Tcp, port).0, ["xenmobile-admin"]);
    }
}

#[test]
fn connectors_of_app_layering_have_pairs_of_ports() {
    for plain in [3000, 3009, 3012, 3015, 3016] {
        let rules = |port| -> Vec<&str> {
            let all = about(Transport::Tcp, port).rules.iter().map(|&id| map().rule(id).id.as_str());
            all.filter(|id| id.starts_with("applayering.")).collect()
        };
        assert_eq!(rules(plain), rules(plain + 500), "tcp {plain} and its secured neighbour");
        assert!(!rules(plain).is_empty() && services(Transport::Tcp, plain).0.contains(&"app-layering-connector"));
    }
}

#[test]
fn commands_to_agents_of_app_layering_are_an_error_where_blocked() {
    let audited = watched([dropped(tcp_to(8016))]);
    let found = findings_of(&audited);
    assert_eq!(codes(&found), ["blocked.silent"]);
    assert_eq!((found[0].severity, found[0].service.as_deref()), (Severity::Error, Some("app-layering-agent")));
    for to in ["agent.command", "pvs-agent.command", "hyperv-agent.command"] {
        assert!(found[0].rules.iter().any(|id| id.ends_with(&format!("appliance.{to}"))), "{to}: {:?}", found[0].rules);
    }
}

#[test]
fn upgrades_of_app_layering_are_known_by_their_name() {
    let from = |host: &str| {
        let request = format!("GET /unidesk/upgrade.zip HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let audited = audit(tcp_to(80).opened().says(request.as_bytes()).answers(b"HTTP/1.1 200 OK\r\n\r\n").packets());
        flow_to(&audited, 80).judgement.verdict
    };
    assert_eq!((from("alcdn.citrix.com"), from("alcdn.example.com")), (Verdict::Expected, Verdict::Unmapped));
    assert!(rule("applayering.external.appliance.cdn").names(Transport::Tcp, 80));
}
