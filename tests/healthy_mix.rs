//! Wrong is worse than silent: a day at a healthy site, with every rule of the port map in use and ordinary neighbours beside it,
//! holds nothing to warn of. What a flow says is what its service is known to say; where that is not public, bytes that mean
//! nothing, other ones in every flow.

mod support;

use cap_audit::finding::Severity;
use cap_audit::judge::Judge;
use cap_audit::pipeline::{Options, run};
use cap_audit::portmap::PortRule;
use cap_audit::source::MemorySource;
use cap_audit::time::Span;
use cap_audit::transport::Transport;
use std::collections::BTreeSet;
use support::*;

/// Small enough for every run; the whole mix is below.
#[test]
fn nothing_healthy_is_warned_of() {
    nothing_is_warned_of(4_000, 1);
}

/// 100,000 flows: `cargo test --test healthy_mix -- --ignored`.
#[test]
#[ignore = "half a minute of computing in a debug build"]
fn nothing_in_a_hundred_thousand_healthy_flows_is_warned_of() {
    nothing_is_warned_of(100_000, 2);
}

/// Makes at least this number of conversations, over every rule in turn, and audits them.
fn nothing_is_warned_of(conversations: usize, seed: u64) {
    let sites = sites();
    let mut dice = Dice(seed);
    let talks = (0..conversations).map(|number| match number % 8 {
        // As many as one in eight are neighbours.
        7 => neighbour(number, &mut dice),
        _ => conversation(&sites[(number - number / 8) % sites.len()], number, &mut dice),
    });
    let end = START + Span::seconds(LASTS + 400);
    let packets = merge(talks.chain([meanwhile(end)]));
    let mut source = [MemorySource::new(packets, 256)];
    let harvest =
        run(&mut source, &citrix(), Options { workers: 2, ..Options::default() }).expect("memory can be read");
    let judge = Judge::new(map(), &harvest.ledger);
    let tally = judge.tally();
    let found = findings_in(&harvest.ledger);
    let bad: Vec<_> = found.iter().filter(|finding| finding.severity >= Severity::Warning).collect();
    let told = |it: &&cap_audit::finding::Finding| {
        format!("{} {:?} {:?} {:?} {:?}: {}", it.code, it.port, it.clients, it.servers, it.params, it.wireshark_filter)
    };
    let first: Vec<String> = bad.iter().take(20).map(told).collect();
    assert!(bad.is_empty(), "{} findings, among them\n{}", bad.len(), first.join("\n"));
    assert_eq!(tally.blocked, 0);
    assert!(tally.flows >= conversations as u64, "{} flows of {conversations} conversations", tally.flows);
    let seen: BTreeSet<&str> = judge.services().into_keys().flatten().map(|service| service.name(map())).collect();
    let specific = sites.iter().filter_map(|site| map().lookup(site.over, site.port)).filter(|found| !found.generic);
    for found in specific {
        assert!(seen.contains(found.service.as_str()), "{} was not recognised", found.service);
    }
    println!("{} flows over {} rules and ports, nothing to warn of", tally.flows, sites.len());
}

/// A port that a rule names, over one transport.
struct Site {
    rule: &'static PortRule,
    /// Number of the role that is connected to, at most 250.
    role: usize,
    over: Transport,
    port: u16,
    /// The service that the port is for, as far as the port tells.
    service: &'static str,
    reply_due: bool,
}

/// Every rule: the first, middle and last port of each range, over each transport.
fn sites() -> Vec<Site> {
    let map = map();
    let mut sites = Vec::new();
    let roles: BTreeSet<&str> = map.rules().iter().map(|rule| rule.destinations[0].as_str()).collect();
    for rule in map.rules() {
        let role = 1 + roles.iter().position(|role| *role == rule.destinations[0]).expect("it was collected");
        assert!(role <= 250);
        for &over in &rule.transports {
            let service = map.service_name(rule.service_over(over));
            let mut ports: BTreeSet<u16> = rule
                .ports
                .iter()
                .flat_map(|range| [*range.start(), range.start() + (range.end() - range.start()) / 2, *range.end()])
                .collect();
            if ports.is_empty() {
                // Ping, and rules that may use any port.
                ports.insert(if over == Transport::Icmp { 0 } else { 30_500 });
            }
            sites.extend(ports.into_iter().map(|port| {
                let reply_due = map.lookup(over, port).is_some_and(|found| found.reply_due);
                Site { rule, role, over, port, service, reply_due }
            }));
        }
    }
    let rules: BTreeSet<&str> = sites.iter().map(|site| site.rule.id.as_str()).collect();
    assert_eq!(rules.len(), map.rules().len());
    sites
}

/// Seconds within which conversations begin.
const LASTS: i64 = 900;
/// Client hosts, and servers of one role.
const CLIENTS: u64 = 60;
const SERVERS: u64 = 3;

/// One conversation at a site: sometimes IPv6, sometimes tagged, with one of several servers.
fn conversation(site: &Site, number: usize, dice: &mut Dice) -> Vec<Captured> {
    let v6 = dice.one_in(5);
    let outside = |roles: &[String]| roles.iter().any(|role| is_outside(role));
    // The hosts of a role serve all that the rules say of it, so one client uses several services of one host.
    let role = site.role;
    let far = outside(&site.rule.destinations);
    let from_far = outside(&site.rule.sources) && !far;
    let (host, client_host) = (1 + dice.below(SERVERS), 1 + dice.below(CLIENTS));
    let to = match (v6, far) {
        (false, false) => format!("10.30.{role}.{host}"),
        (false, true) => format!("198.51.100.{role}"),
        (true, false) => format!("fd00:30:{role:x}::{host:x}"),
        (true, true) => format!("2001:db8:30:{role:x}::{host:x}"),
    };
    let from = match (v6, from_far) {
        (false, false) => format!("10.20.{}.{client_host}", client_host % 4),
        (false, true) => format!("203.0.113.{client_host}"),
        (true, false) => format!("fd00:20::{client_host:x}"),
        (true, true) => format!("2001:db8:20::{client_host:x}"),
    };
    // Ports as Windows and Linux hand them out, one after the other.
    let port = if client_host.is_multiple_of(3) { 32_768 + number % 16_000 } else { 49_152 + number % 16_000 } as u16;
    let at = START + Span::millis(dice.below(LASTS as u64 * 1_000) as i64);
    let ends = (client(&from, port), server(&to, site.port));
    let talk = match site.over {
        Transport::Tcp => Talk::between(ends.0, ends.1),
        Transport::Udp => Talk::udp(ends.0, ends.1),
        Transport::Icmp => Talk::ping(ends.0, ends.1),
    };
    let talk = if client_host.is_multiple_of(7) { talk.vlans(&[100 + (client_host % 4) as u16]) } else { talk };
    let talk = talk.at(at).numbers(dice.below(1 << 32) as u32, dice.below(1 << 32) as u32);
    match site.over {
        Transport::Tcp => session(talk, spoken_over_tcp(site, dice), dice),
        Transport::Udp => datagrams(talk, site, dice),
        Transport::Icmp => talk.asks().wait(dice.way()).replies().packets(),
    }
}

/// A host of somebody else.
fn is_outside(role: &str) -> bool {
    let parts =
        ["Internet", "Citrix Cloud", "Gateway Service", "Microsoft Azure", "Google Cloud", "APNs", "Nexmo", "URL"];
    (role.contains('.') && !role.contains("Hdx")) || parts.iter().any(|part| role.contains(part))
}

/// First bytes of a conversation.
struct Spoken {
    server_first: bool,
    client: Vec<u8>,
    server: Vec<u8>,
}

fn spoken(client: impl Into<Vec<u8>>, server: impl Into<Vec<u8>>) -> Spoken {
    Spoken { server_first: false, client: client.into(), server: server.into() }
}

fn server_first(server: impl Into<Vec<u8>>, client: impl Into<Vec<u8>>) -> Spoken {
    Spoken { server_first: true, ..spoken(client, server) }
}

fn spoken_over_tcp(site: &Site, dice: &mut Dice) -> Spoken {
    match (site.port, site.service) {
        // Which of the two is spoken depends on session reliability, not on the port.
        (1494 | 2598, _) if dice.one_in(10) => spoken(CGP, &CGP[..22]),
        (1494, _) => server_first(ICA, ICA),
        (2598, _) if dice.one_in(10) => spoken(tls_hello(1), tls_hello(2)),
        (2598, _) => spoken(CGP, &CGP[..22]),
        (7229, _) => spoken(CGP, &CGP[..22]),
        (22, _) => server_first(&b"SSH-2.0-OpenSSH_9.6\r\n"[..], &b"SSH-2.0-PuTTY\r\n"[..]),
        (21, _) => server_first(&b"220 ready\r\n"[..], &b"USER support\r\n"[..]),
        (25, _) => server_first(&b"220 mail.example ESMTP\r\n"[..], &b"EHLO xms.example\r\n"[..]),
        (5900, _) => server_first(&b"RFB 003.008\n"[..], &b"RFB 003.008\n"[..]),
        (53, _) => spoken([&[0, 29][..], &dns(0x01, 0)].concat(), [&[0, 29][..], &dns(0x81, 1)].concat()),
        (88, _) => spoken(kerberos(0x6a, 0xa1, true), kerberos(0x6b, 0xa0, true)),
        (135, _) => spoken(
            [&[5, 0, 11, 3, 16, 0, 0, 0, 72, 0, 0, 0][..], &[0; 60]].concat(),
            b"\x05\0\x0c\x03\x10\0\0\0".to_vec(),
        ),
        (389 | 3268, _) => spoken(LDAP_BIND, LDAP_BOUND),
        (139 | 445, _) => spoken(smb(), smb()),
        (1433, _) => spoken(
            [&[0x12, 1, 0, 0x34, 0, 0, 0, 0][..], &[1; 44]].concat(),
            [&[4, 1, 0, 0x30, 0, 0, 1, 0][..], &[2; 40]].concat(),
        ),
        (3389, _) => spoken(
            b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0".to_vec(),
            b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x02\0\0\0".to_vec(),
        ),
        (443 | 636 | 3269 | 8443 | 4443 | 7443 | 9443 | 8083 | 2197 | 5223 | 3500..=3520, _) => {
            spoken(tls_hello(1), tls_hello(2))
        }
        (80 | 8080 | 8000 | 8008 | 8082 | 8100 | 89 | 9095 | 3000..=3007 | 3012..=3020 | 9080 | 8016, _) => {
            let path = ["/", "/scripts/ctxsta.dll", "/Citrix/CdsController/IRegistrar", "/Citrix/StoreWeb/"];
            let path = path[dice.below(4) as usize];
            spoken(
                format!("POST {path} HTTP/1.1\r\nHost: ddc1.example\r\n\r\n"),
                &b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"[..],
            )
        }
        // Who speaks first is not known of the others.
        _ if dice.one_in(2) => server_first(dice.bytes(80), dice.bytes(40)),
        _ => spoken(dice.bytes(40), dice.bytes(80)),
    }
}

/// Opened, used, and ended as programs do it.
fn session(talk: Talk, spoken: Spoken, dice: &mut Dice) -> Vec<Captured> {
    let way = dice.way();
    let talk = talk.syn().wait(way).syn_ack().wait(way).ack();
    let greets =
        |talk: Talk| if spoken.server_first { talk.answers(&spoken.server) } else { talk.says(&spoken.client) };
    let returns =
        |talk: Talk| if spoken.server_first { talk.says(&spoken.client) } else { talk.answers(&spoken.server) };
    let mut talk = returns(greets(talk).wait(way));
    for _ in 0..dice.below(4) {
        talk = talk
            .wait(Span::millis(dice.below(20_000) as i64))
            .says(&dice.bytes(30))
            .wait(way)
            .answers(&dice.bytes(300));
    }
    let talk = match dice.below(10) {
        // A packet was lost and sent again.
        0 => talk.says(&dice.bytes(50)).wait(Span::millis(300)).repeats(Who::Client).wait(way).server_ack(),
        _ => talk.wait(Span::millis(dice.below(3_000) as i64)),
    };
    match dice.below(20) {
        // Still open when the capture ends.
        0 => talk,
        // Programs that need no more close like this.
        1 => talk.server_ack().reset(),
        2 => talk.server_fin().wait(way).fin().wait(way).server_ack(),
        _ => talk.fin().wait(way).server_fin().wait(way).ack(),
    }
    .packets()
}

fn datagrams(talk: Talk, site: &Site, dice: &mut Dice) -> Vec<Captured> {
    let way = dice.way();
    let (asked, answer) = match (site.port, site.service) {
        (443, _) | (1494 | 2598, _) if dice.one_in(3) => (dtls_hello(), dtls_hello()),
        (1494 | 2598, _) => (udt(), udt()),
        (53, _) => (dns(0x01, 0), dns(0x81, 1)),
        (67 | 68 | 4011, _) => (dhcp(1), dhcp(2)),
        (69, _) => {
            let talk = talk.says(b"\x00\x01ARDBP32.BIN\x00octet\x00").wait(way);
            return talk
                .answers_from(50_001, b"\x00\x03\x00\x01data")
                .wait(way)
                .says_to(50_001, b"\x00\x04\x00\x01")
                .packets();
        }
        (88, _) => (kerberos(0x6a, 0xa1, false), kerberos(0x6b, 0xa0, false)),
        (123, _) => (ntp(0x23), ntp(0x24)),
        (389, _) => (LDAP_BIND.to_vec(), LDAP_BOUND.to_vec()),
        (161 | 162, _) => (SNMP.to_vec(), SNMP.to_vec()),
        (514, _) => (b"<134>Jan  5 08:00:00 ns event".to_vec(), Vec::new()),
        (1645 | 1812 | 1813, _) => (radius(1), radius(2)),
        (4739, _) => ([&[0, 10, 0, 48][..], &[1; 44]].concat(), Vec::new()),
        _ => (dice.bytes(60), dice.bytes(200)),
    };
    // Sound goes over UDP only after it was heard in both directions (facts AUD-02).
    let answered = site.reply_due || site.service == "audio" || (!answer.is_empty() && dice.one_in(2));
    let mut talk = talk;
    for turn in 0..1 + dice.below(4) {
        talk = talk.wait(Span::millis(dice.below(3_000) as i64));
        talk = if turn == 0 { talk.says(&asked) } else { talk.says(&dice.bytes(100)) };
        if answered {
            talk = talk.wait(way);
            talk = if turn == 0 { talk.answers(&answer) } else { talk.answers(&dice.bytes(400)) };
        }
    }
    talk.packets()
}

/// What else runs in an office: names, time, shares, browsers, announcements.
fn neighbour(number: usize, dice: &mut Dice) -> Vec<Captured> {
    let from = client(&format!("10.20.0.{}", 1 + dice.below(CLIENTS)), (49_152 + number % 16_000) as u16);
    let at = START + Span::millis(dice.below(LASTS as u64 * 1_000) as i64);
    let web = format!("198.51.100.{}", 1 + dice.below(200));
    let tcp = |to: &str, port| Talk::between(from, server(to, port)).at(at);
    let udp = |to: &str, port| Talk::udp(from, server(to, port)).at(at);
    let way = dice.way();
    match dice.below(10) {
        0 => udp("10.40.0.53", 53).says(&dns(0x01, 0)).wait(way).answers(&dns(0x81, 1)).packets(),
        1 => {
            let talk = udp(&web, 443).says(&quic(b"12345678", b"abcd")).wait(way).answers(&quic(b"abcd", b"12345678"));
            talk.says(&dice.bytes(60)).wait(way).answers(&dice.bytes(900)).packets()
        }
        2 => udp("10.40.0.123", 123).says(&ntp(0x23)).wait(way).answers(&ntp(0x24)).packets(),
        3 => session(tcp("10.40.0.45", 445), spoken(smb(), smb()), dice),
        4 => session(tcp(&web, 443), spoken(tls_hello(1), tls_hello(2)), dice),
        5 => session(
            tcp(&web, 80),
            spoken(&b"GET / HTTP/1.1\r\nHost: www.example\r\n\r\n"[..], &b"HTTP/1.1 200 OK\r\n\r\n"[..]),
            dice,
        ),
        6 => udp("239.255.255.250", 1900)
            .says(b"M-SEARCH * HTTP/1.1\r\n\r\n")
            .wait(Span::seconds(1))
            .says(b"M-SEARCH * HTTP/1.1\r\n\r\n")
            .packets(),
        7 => udp("224.0.0.251", 5353).says(&dns(0, 0)).packets(),
        8 => {
            // QUIC is not let out, so the browser takes TLS; some of the sites are Citrix's own pages.
            let first = quic(b"12345678", b"abcd");
            let vain = udp(&web, 443).says(&first).wait(Span::millis(300)).says(&first).wait(Span::millis(1_200));
            let name = if dice.one_in(20) { "www.citrix.com" } else { "www.example.com" };
            let other_port = client(&from.ip.to_string(), from.port ^ 1);
            let talk = Talk::between(other_port, server(&web, 443)).at(at + Span::millis(300));
            let tls = session(talk, spoken(tls_hello_for(name), tls_hello(2)), dice);
            merge([vain.says(&first).packets(), tls])
        }
        _ => session(tcp("10.40.0.99", 9100), spoken(&b"\x1b%-12345X@PJL\r\n"[..], &b"@PJL OK\r\n"[..]), dice),
    }
}

// What is said, from the documents that the signatures cite.

const ICA: &[u8] = b"\x7f\x7fICA\0";
const CGP: &[u8] = b"\x1aCGP/01\0\0\0\0\0\0\0\0\x00\x16Citrix.TcpProxyService";
const LDAP_BIND: &[u8] = b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0";
const LDAP_BOUND: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0";
const SNMP: &[u8] = b"\x30\x19\x02\x01\x01\x04\x06public\xa0\x0c\x02\x01\x07\x02\x01\0\x02\x01\0\x30\0";

fn tls_hello(kind: u8) -> Vec<u8> {
    let body =
        [&[3, 3][..], &[0x5a; 32], if kind == 1 { &[0, 0, 2, 0x13, 1, 1, 0] } else { &[0, 0x13, 1, 0] }].concat();
    let length = body.len() as u8;
    [&[0x16, 3, 3, 0, length + 4, kind, 0, 0, length][..], &body].concat()
}

fn tls_hello_for(name: &str) -> Vec<u8> {
    let counted = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let listed = counted(&[&[0][..], &counted(name.as_bytes())].concat());
    let named = counted(&[&[0, 0][..], &counted(&listed)].concat());
    let body = [&[3, 3][..], &[0x5a; 32], &[0, 0, 2, 0x13, 1, 1, 0], &named].concat();
    let message = [&[1, 0][..], &counted(&body)].concat();
    [&[0x16, 3, 1][..], &counted(&message)].concat()
}

fn dtls_hello() -> Vec<u8> {
    let body = [&[0xfe, 0xfd][..], &[0x5a; 32], &[0, 0, 0, 2, 0x13, 1, 1, 0]].concat();
    let length = body.len() as u8;
    let head = [1, 0, 0, length, 0, 0, 0, 0, 0, 0, 0, length];
    [&[0x16, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, length + 12][..], &head, &body].concat()
}

fn udt() -> Vec<u8> {
    let words: [u32; 16] = [0x8000_0000, 0, 0, 0, 4, 2, 7, 1_500, 8_192, 1, 99, 0, 0x0a40_0001, 0, 0, 0];
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

fn dns(flags: u8, answers: u8) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, flags, 0x80, 0, 1, 0, answers, 0, 0, 0, 0];
    bytes.extend(b"\x05vda01\x07example\0\0\x01\0\x01");
    if answers > 0 {
        bytes.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 1, 0, 1]);
    }
    bytes
}

fn dhcp(operation: u8) -> Vec<u8> {
    [&[operation, 1, 6, 0][..], &[7; 232], &[0x63, 0x82, 0x53, 0x63, 53, 1, operation, 255]].concat()
}

fn kerberos(tag: u8, version: u8, counted: bool) -> Vec<u8> {
    let message = [&[tag, 0x20, 0x30, 0x1e, version, 3, 2, 1, 5][..], &[0; 25]].concat();
    if counted { [&[0, 0, 0, message.len() as u8][..], &message].concat() } else { message }
}

fn ntp(first: u8) -> Vec<u8> {
    [&[first][..], &[0; 47]].concat()
}

fn radius(code: u8) -> Vec<u8> {
    [&[code, 1, 0, 26][..], &[9; 16], b"\x01\x06user"].concat()
}

fn smb() -> Vec<u8> {
    [&[0, 0, 0, 0x44][..], b"\xfeSMB", &[0x40, 0], &[0; 62]].concat()
}

fn quic(to: &[u8], from: &[u8]) -> Vec<u8> {
    let ids = [&[to.len() as u8][..], to, &[from.len() as u8], from].concat();
    [&[0xc3, 0, 0, 0, 1][..], &ids, &[0, 0x44, 0x9e], &[0x5a; 1_182]].concat()
}

/// The same numbers for the same seed (Steele, Lea and Flood, SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit
    }

    fn one_in(&mut self, number: u64) -> bool {
        self.below(number) == 0
    }

    /// Any bytes, from one to `most`.
    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let length = 1 + self.below(most) as usize;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.below(u64::MAX).to_be_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// One way on the network: 0.1 to 40 milliseconds.
    fn way(&mut self) -> Span {
        Span::micros(100 + self.below(40_000) as i64)
    }
}
