//! What a path does to packets: those that are too large vanish, some are lost on the way, addresses are changed. Each is told where it
//! is certain, and nothing is told of what only looks like it.

mod support;

use cap_audit::finding::{Confidence, Finding, Severity, Value};
use cap_audit::flow::Vanished;
use cap_audit::judge::Outcome;
use cap_audit::ledger::Ledger;
use cap_audit::ledger::written::CaptureNames;
use cap_audit::packet::TcpFlags;
use cap_audit::problem::Cause;
use cap_audit::time::Span;
use cap_audit::words::Words;
use support::{
    CLIENT_ISN, Captured, SERVER_ISN, START, Talk, Who, audit, broken_findings, broken_problems, citrix, client,
    findings_in, flow_to, meanwhile, merge, server,
};

const CLIENT: &str = "10.0.0.14";
const SERVER: &str = "10.0.1.22";
const CGP: u16 = 2598;
/// The payload of a full segment without options: 1,500 bytes of IP.
const FULL: [u8; 1_460] = [0x55; 1_460];
const PUSH: u8 = TcpFlags::PSH | TcpFlags::ACK;

fn pause(milliseconds: i64) -> Span {
    Span::millis(milliseconds)
}

/// A session whose client and server have said hello.
fn session(client_ip: &str, number: u16) -> Talk {
    let talk = Talk::between(client(client_ip, number), server(SERVER, CGP)).opened().wait(pause(5));
    talk.says(b"\x1aCGP/01").wait(pause(5)).answers(b"\x1aCGP/01").wait(pause(5)).ack()
}

/// The last packet of a side is sent again as Linux does it: each time after twice the time of the one before.
fn again_and_again(talk: Talk, who: Who, times: u32) -> Talk {
    (0..times).fold(talk, |talk, time| talk.wait(pause(200 << time)).repeats(who))
}

/// What both sides have said in [`session`].
const HELLO: u32 = 7;

/// Nobody has got anything after the hello.
fn as_after_hello(talk: Talk) -> Talk {
    talk.numbers(CLIENT_ISN.wrapping_add(1 + HELLO), SERVER_ISN.wrapping_add(1 + HELLO))
}

fn other(who: Who) -> Who {
    if who == Who::Client { Who::Server } else { Who::Client }
}

/// A segment of a side is sent again and again in vain, while the other side is heard; then that gives up.
fn vanishes(client_ip: &str, number: u16, who: Who, payload: &[u8], times: u32) -> Talk {
    let talk = again_and_again(session(client_ip, number).segment(who, PUSH, payload), who, times);
    let talk = as_after_hello(talk).wait(pause(100)).segment(other(who), TcpFlags::ACK, b"");
    talk.wait(pause(1_000)).segment(other(who), TcpFlags::FIN | TcpFlags::ACK, b"")
}

fn found(talks: impl IntoIterator<Item = Talk>) -> Vec<Finding> {
    broken_findings(&audit(captured(talks)))
}

/// The capture goes on for ten minutes.
fn captured(talks: impl IntoIterator<Item = Talk>) -> Vec<Captured> {
    merge(talks.into_iter().map(Talk::packets).chain([meanwhile(START + Span::seconds(600))]))
}

fn codes(findings: &[Finding]) -> Vec<(&'static str, Severity)> {
    findings.iter().map(|finding| (finding.code, finding.severity)).collect()
}

fn vanished(talk: Talk) -> Option<Vanished> {
    flow_to(&audit(talk.packets()), CGP).record.extras.as_ref()?.vanished
}

// Packets that are too large.

#[test]
fn full_segments_that_vanish_while_the_other_side_is_heard_are_too_large() {
    for (who, word) in [(Who::Server, "server"), (Who::Client, "client")] {
        let talks = || [(CLIENT, 50_001), ("10.0.0.15", 50_002)].map(|(ip, port)| vanishes(ip, port, who, &FULL, 5));
        let findings = found(talks());
        assert_eq!(codes(&findings), [("path.mtu", Severity::Error)]);
        let params = &findings[0].params;
        let shown = ["sender", "size", "icmp", "outcome"].map(|name| params.get(name).cloned());
        let wanted = [Value::Word(word), Value::Number(1_500), Value::Word("none"), Value::Word("stuck")];
        assert_eq!(shown, wanted.map(Some));
        assert_eq!((findings[0].flow_count, findings[0].confidence), (2, Confidence::Medium));
        let [problem] = &broken_problems(&audit(captured(talks())))[..] else { panic!("one problem") };
        assert_eq!((problem.cause, problem.clients.count(), problem.severity), (Cause::Mtu, 2, Severity::Error));
    }
}

#[test]
fn what_vanishes_is_measured() {
    let Vanished { by, smallest, times, recovered, first_large, heard, arrived } =
        vanished(vanishes(CLIENT, 50_001, Who::Server, &FULL, 5)).expect("it vanished");
    assert_eq!((by, smallest, times), (cap_audit::flow::Who::Server, 1_500, 5));
    assert_eq!((recovered, first_large, heard, arrived), (false, true, 2, 0));
}

#[test]
fn small_segments_few_repetitions_and_a_silent_host_are_no_matter_of_size() {
    let codes_of = |talks: Vec<Talk>| found(talks).iter().map(|finding| finding.code).collect::<Vec<_>>();
    let two = |payload: &[u8], times| {
        [50_001, 50_002].map(|port| vanishes(CLIENT, port, Who::Server, payload, times)).to_vec()
    };
    assert_eq!(codes_of(two(&FULL, 3)), ["path.mtu"]);
    assert_eq!(codes_of(two(&FULL[..1_100], 6)), [""; 0], "a small one");
    assert_eq!(codes_of(two(&FULL, 2)), [""; 0], "too few");
    assert_eq!(codes_of(vec![vanishes(CLIENT, 50_001, Who::Server, &FULL, 4)]), [""; 0], "once, and not often");
    assert_eq!(codes_of(vec![vanishes(CLIENT, 50_001, Who::Server, &FULL, 5)]), ["path.mtu"]);
    let silent = |port| again_and_again(session(CLIENT, port).answers(&FULL), Who::Server, 6);
    assert_eq!(codes_of(vec![silent(50_001), silent(50_002)]), ["path.died"], "nobody is there any more");
}

#[test]
fn where_both_sides_repeat_in_vain_all_is_lost_whatever_its_size() {
    let dead = |port| {
        let talk = session(CLIENT, port).says(b"a small one").answers(&FULL);
        let talk = (0..6).fold(talk, |talk, time| {
            let talk = talk.wait(pause(200 << time)).repeats(Who::Server);
            as_after_hello(talk.wait(pause(30))).says(b"a small one")
        });
        as_after_hello(talk).segment(Who::Client, TcpFlags::FIN | TcpFlags::ACK, b"")
    };
    assert_eq!(vanished(dead(50_001)), None);
    assert!(found([dead(50_001), dead(50_002)]).iter().all(|finding| finding.code != "path.mtu"));
}

#[test]
fn what_arrives_in_the_end_was_only_lost() {
    let late = |port| {
        let talk = again_and_again(session(CLIENT, port).answers(&FULL), Who::Server, 6);
        talk.wait(pause(20)).ack().says(b"more").answers(b"more").closed()
    };
    assert_eq!(codes(&found([late(50_001), late(50_002)])), []);
    assert_eq!(vanished(late(50_001)), None);
}

#[test]
fn large_packets_that_arrived_before_are_not_too_large() {
    let busy = |port| {
        let talk = (0..30).fold(session(CLIENT, port), |talk, _| talk.answers(&FULL).wait(pause(10)).ack());
        let talk = again_and_again(talk.answers(&FULL), Who::Server, 6).wait(pause(50));
        // The client has got thirty of the thirty-one.
        let got = SERVER_ISN.wrapping_add(1 + HELLO + 30 * FULL.len() as u32);
        talk.numbers(CLIENT_ISN.wrapping_add(1 + HELLO), got).segment(Who::Client, TcpFlags::ACK, b"").fin()
    };
    assert_eq!(codes(&found([busy(50_001), busy(50_002)])), []);
}

#[test]
fn smaller_packets_that_arrive_instead_prove_it() {
    let shrinks = |port| {
        let talk = again_and_again(session(CLIENT, port).answers(&FULL), Who::Server, 4).wait(pause(3_200));
        // The same data in smaller packets, as Linux sends them when it probes (tcp_mtu_probing).
        let talk = as_after_hello(talk).answers(&FULL[..1_024]).wait(pause(20)).ack();
        let talk = talk.answers(&FULL[1_024..]).wait(pause(20)).ack();
        talk.says(b"more").answers(b"more").closed()
    };
    let findings = found([shrinks(50_001)]);
    assert_eq!(codes(&findings), [("path.mtu", Severity::Warning)]);
    assert_eq!(findings[0].confidence, Confidence::High);
    let shown = ["size", "arrived", "outcome"].map(|name| findings[0].params.get(name).cloned());
    assert_eq!(shown, [Value::Number(1_500), Value::Number(1_064), Value::Word("smaller")].map(Some));
    let meaning = Words::default().finding(&findings[0]).meaning;
    assert!(meaning.contains("those arrived (1064 bytes)"), "{meaning}");
}

#[test]
fn a_device_that_says_so_is_named() {
    let stuck = |port| {
        let talk = session(CLIENT, port).answers(&FULL).error_about(Who::Server, "10.0.1.1", 3, 4).with_mtu(1_400);
        again_and_again(talk, Who::Server, 5)
    };
    let findings = found([stuck(50_001), stuck(50_002)]);
    let mtu: Vec<&Finding> = findings.iter().filter(|finding| finding.code == "path.mtu").collect();
    let [finding] = mtu[..] else { panic!("{findings:?}") };
    let shown = ["icmp", "icmp_from", "mtu"].map(|name| finding.params.get(name).cloned());
    assert_eq!(shown, [Value::Word("named"), Value::Text("10.0.1.1".into()), Value::Number(1_400)].map(Some));
    assert_eq!(finding.confidence, Confidence::High);
    let problems = broken_problems(&audit(captured([stuck(50_001), stuck(50_002)])));
    assert_eq!(problems.iter().map(|problem| problem.cause).collect::<Vec<_>>(), [Cause::Mtu], "one line");
}

#[test]
fn a_host_that_obeys_the_message_does_what_it_should() {
    let obeys = |port| {
        let talk = session(CLIENT, port).answers(&FULL).wait(pause(5));
        let talk = talk.error_about(Who::Server, "10.0.1.1", 3, 4).with_mtu(1_400).wait(pause(5));
        let talk = as_after_hello(talk).answers(&FULL[..1_360]).answers(&FULL[1_360..]).wait(pause(20)).ack();
        talk.says(b"more").answers(b"more").closed()
    };
    assert_eq!(codes(&found([obeys(50_001), obeys(50_002), obeys(50_003)])), []);
}

#[test]
fn a_message_about_size_never_blocks() {
    for (who, sender, kind, code) in [(Who::Client, "10.0.0.1", 3, 4), (Who::Server, "10.0.1.1", 3, 4)] {
        let talk = session(CLIENT, 50_001).says(&FULL).error_about(who, sender, kind, code).with_mtu(1_400);
        let audited = audit(captured([talk.wait(pause(5)).says(b"data").answers(b"data").closed()]));
        let flow = flow_to(&audited, CGP);
        assert_eq!(flow.judgement.outcome, Outcome::Established);
        let told = flow.record.extras.as_ref().and_then(|extras| extras.too_big).expect("it is kept");
        assert_eq!((told.mtu, told.times, told.about_client), (1_400, 1, who == Who::Client));
    }
    let (one, other) = ("fd00::14", "fd00:0:0:1::22");
    let talk = Talk::between(client(one, 50_001), server(other, CGP)).opened().says(b"\x1aCGP/01");
    let talk = talk.answers(&FULL).error_about(Who::Server, "fd00::1", 2, 0).with_mtu(1_280).wait(pause(5));
    let told = flow_to(&audit(talk.packets()), CGP).record.extras.as_ref().and_then(|extras| extras.too_big);
    assert_eq!(told.map(|told| (told.mtu, told.about_client)), Some((1_280, false)));
}

// Datagrams that are too large.

/// The header of a UDT data packet: its number, that of its message, when it was sent, the socket (facts EDT-05).
fn data(number: u32, stamp: u32, length: usize) -> Vec<u8> {
    let words = [number, 0xe000_0000 | number, stamp, 0x2a01];
    let header = words.into_iter().flat_map(u32::to_be_bytes);
    header.chain((0..length).map(|place| (number as usize * 31 + place * 7) as u8)).collect()
}

/// The data of a datagram of 1,500 bytes of IP, without the headers of IP, UDP and UDT.
const SCREEN: usize = 1_500 - 20 - 8 - 16;

/// A session over EDT on a port, whose handshake and first words are done.
fn over_edt(number: u16, port: u16) -> Talk {
    let talk = Talk::udp(client(CLIENT, number), server(SERVER, port)).says(&edt_handshake()).wait(pause(5));
    talk.answers(&edt_handshake()).wait(pause(5)).says(&data(1, 0, 40)).wait(pause(5)).answers(&data(1, 0, 200))
}

fn says_as(talk: Talk, who: Who, bytes: &[u8]) -> Talk {
    if who == Who::Client { talk.says(bytes) } else { talk.answers(bytes) }
}

/// A side sends so many screens at once, and each again so many times, later and later; the other side goes on with small datagrams.
fn screens_in_vain(talk: Talk, who: Who, screens: u32, times: u32, length: usize) -> Talk {
    (0..=times).fold(talk, |talk, time| {
        let all = |talk, number| says_as(talk, who, &data(0x2000 + number, time, length)).wait(Span::micros(200));
        let talk = (0..screens).fold(talk, all).wait(pause(50));
        says_as(talk, other(who), &data(0x100 + time, time, 40)).wait(pause(300 * i64::from(time + 1)))
    })
}

#[test]
fn datagrams_that_vanish_while_small_ones_pass_are_too_large() {
    for (who, word) in [(Who::Server, "server"), (Who::Client, "client")] {
        for screens in [1, 16] {
            let talk = || screens_in_vain(over_edt(50_001, CGP), who, screens, 5, SCREEN);
            let findings = found([talk()]);
            assert_eq!(codes(&findings), [("path.mtu", Severity::Warning)], "{word} {screens}");
            assert_eq!(findings[0].confidence, Confidence::Medium);
            let shown = ["sender", "size", "icmp", "outcome", "over", "times"];
            let shown = shown.map(|name| findings[0].params.get(name).cloned());
            let wanted = [Value::Word(word), Value::Number(1_500), Value::Word("none"), Value::Word("stuck")];
            let wanted = wanted.into_iter().chain([Value::Word("udp"), Value::Number(u64::from(screens) * 5)]);
            assert_eq!(shown.to_vec(), wanted.map(Some).collect::<Vec<_>>());
            let problems = broken_problems(&audit(captured([talk()])));
            assert_eq!(problems.iter().map(|problem| problem.cause).collect::<Vec<_>>(), [Cause::Mtu], "one line");
            let told = Words::default().finding(&findings[0]);
            assert!(!told.meaning.contains("acknowledged") && told.remedy.contains("EDT MSS"), "{told:?}");
        }
    }
}

#[test]
fn datagrams_that_may_have_arrived_are_not_too_large() {
    let vain = |screens, times, length| screens_in_vain(over_edt(50_001, CGP), Who::Server, screens, times, length);
    let next = |talk: Talk, from: u32, screens: u32, length| {
        (from..from + screens).fold(talk, |talk, number| talk.answers(&data(number, 9, length)).wait(pause(3)))
    };
    let silent: Vec<(&str, Talk)> = vec![
        ("three times again", vain(1, 3, SCREEN)),
        ("small ones", vain(1, 6, 900)),
        ("smaller ones follow", next(vain(1, 6, SCREEN), 0x3000, 2, 1_340)),
        ("smaller ones follow", next(vain(1, 6, SCREEN), 0x3000, 2, 700)),
        ("a larger one follows", next(vain(1, 6, SCREEN - 100), 0x3000, 1, SCREEN)),
        ("it goes on", next(vain(1, 6, SCREEN), 0x3000, 40, SCREEN)),
        ("most were sent once", next(vain(1, 6, SCREEN), 0x3000, 3, SCREEN)),
        ("no sessions there", screens_in_vain(over_edt(50_001, 5_353), Who::Server, 1, 6, SCREEN)),
        ("only headers were captured", screens_in_vain(over_edt(50_001, CGP).snap(60), Who::Server, 1, 6, SCREEN)),
    ];
    for (why, talk) in silent {
        assert!(found([talk]).iter().all(|finding| finding.code != "path.mtu"), "{why}");
    }
}

#[test]
fn a_side_that_is_not_heard_or_repeats_as_well_shows_nothing_about_sizes() {
    let with = |small: fn(u32) -> Option<u32>| {
        (0..8).fold(over_edt(50_001, CGP), |talk, time| {
            let talk = talk.answers(&data(0x2000, time, SCREEN)).wait(pause(200));
            match small(time) {
                Some(number) => talk.says(&data(number, time, 40)).wait(pause(200)),
                None => talk.wait(pause(200)),
            }
        })
    };
    assert!(vanished(with(Some)).is_some());
    assert_eq!(vanished(with(|_| None)), None, "nobody is heard");
    assert_eq!(vanished(with(|_| Some(7))), None, "the same each time");
    assert_eq!(vanished(with(|time| Some(time % 3))), None, "the same three each time");
}

#[test]
fn screens_that_arrive_are_not_looked_at_for_long() {
    // Thirty bursts of a hundred screens; one in fifty is lost and sent again.
    let busy = (0..30).fold(over_edt(50_001, CGP), |talk, burst| {
        let talk = (0..100).fold(talk, |talk, number| {
            let number = 0x2000 + burst * 100 + number;
            let talk = talk.answers(&data(number, number, SCREEN)).wait(Span::micros(300));
            if number % 50 != 0 { talk } else { talk.wait(pause(120)).answers(&data(number, number + 1, SCREEN)) }
        });
        talk.wait(pause(200)).says(&data(0x100 + burst, burst, 40))
    });
    assert_eq!(codes(&found([busy.clone()])), []);
    // What vanishes after them is nothing that the size explains.
    assert_eq!(codes(&found([screens_in_vain(busy, Who::Server, 1, 8, SCREEN)])), []);
    // A slow screen: one datagram of the same size twice a second, and a third of them is lost.
    let slow = (0..60).fold(over_edt(50_002, CGP), |talk, number| {
        let talk = talk.answers(&data(0x2000 + number, number, SCREEN)).wait(pause(250));
        let talk = if number % 3 > 0 { talk } else { talk.answers(&data(0x2000 + number, 0, SCREEN)) };
        talk.wait(pause(100)).says(&data(0x100 + number, 0, 40)).wait(pause(150))
    });
    let few = |talk: Talk, packets| talk.packets().into_iter().take(packets).collect::<Vec<_>>();
    for packets in [20, 40, 80, 120, 160] {
        let findings = broken_findings(&audit(few(slow.clone(), packets)));
        assert!(findings.iter().all(|finding| finding.code != "path.mtu"), "{packets}");
    }
}

#[test]
fn a_side_that_does_not_heed_the_message_is_told_whatever_it_says() {
    // As DTLS: no two datagrams have the same content.
    let told = |times: u32, size: usize, mtu| {
        (0..times).fold(over_edt(50_001, CGP), |talk, time| {
            let talk = talk.answers(&data(0x2000 + time, time, size)).wait(pause(1));
            let talk = talk.error_about(Who::Server, "10.0.1.1", 3, 4).with_mtu(mtu);
            talk.wait(pause(400)).says(&data(0x100 + time, time, 40))
        })
    };
    let findings = found([told(6, SCREEN, 1_400)]);
    assert_eq!(codes(&findings), [("path.mtu", Severity::Error)]);
    assert_eq!(findings[0].confidence, Confidence::High);
    let shown = ["icmp", "icmp_from", "mtu", "size", "times"].map(|name| findings[0].params.get(name).cloned());
    let named = [Value::Word("named"), Value::Text("10.0.1.1".into()), Value::Number(1_400)];
    let wanted = named.into_iter().chain([Value::Number(1_500), Value::Number(6)]);
    assert_eq!(shown.to_vec(), wanted.map(Some).collect::<Vec<_>>());
    assert_eq!(codes(&found([told(4, SCREEN, 1_400)])), [], "too few");
    assert_eq!(codes(&found([told(6, SCREEN - 120, 1_400)])), [], "it fits");
    let heeds = |after: u32| {
        (0..20).fold(told(after, SCREEN, 1_400), |talk, time| {
            talk.answers(&data(0x3000 + time, time, SCREEN - 100)).wait(pause(50)).says(&data(0x200 + time, time, 40))
        })
    };
    for after in [1, 2, 6] {
        assert_eq!(codes(&found([heeds(after)])), [], "it goes on with what fits");
    }
    // The path becomes narrow while the session is at work.
    let work =
        |talk: Talk| (0..100).fold(talk, |talk, number| talk.answers(&data(0x4000 + number, 0, SCREEN)).wait(pause(2)));
    let later = (0..6).fold(work(over_edt(50_001, CGP)), |talk, time| {
        let talk = talk.answers(&data(0x5000 + time, time, SCREEN)).wait(pause(1));
        let talk = talk.error_about(Who::Server, "10.0.1.1", 3, 4).with_mtu(1_400);
        talk.wait(pause(400)).says(&data(0x100 + time, time, 40))
    });
    assert_eq!(codes(&found([later])), [("path.mtu", Severity::Error)]);
}

// Fragments.

#[test]
fn edt_in_fragments_is_told() {
    let fragmented = |port: u16, times| {
        let talk = Talk::udp(client(CLIENT, 50_001), server(SERVER, port)).mtu(1_400);
        let talk = talk.says(&edt_handshake()).answers(&edt_handshake());
        (0..times).fold(talk, |talk, _| talk.wait(pause(20)).answers(&FULL).wait(pause(20)).says(b"got it"))
    };
    let findings = found([fragmented(CGP, 4)]);
    assert_eq!(codes(&findings), [("path.fragments", Severity::Warning)]);
    assert_eq!(findings[0].params.get("fragmented"), Some(&Value::Number(4)));
    assert_eq!(codes(&found([fragmented(CGP, 2)])), [], "two may be chance");
    assert_eq!(codes(&found([fragmented(5_353, 9)])), [], "not Citrix");
}

/// A UDT handshake request: 64 bytes (facts EDT-06).
fn edt_handshake() -> Vec<u8> {
    let words: [u32; 16] = [0x8000_0000, 0, 0, 0x77, 4, 1, 0x1234, 1500, 8192, 1, 0x55, 0, 0x0100_000a, 0, 0, 0];
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

// Loss.

/// A session in which the server sends so many packets, and sends every so many again after it was lost.
fn loses(client_ip: &str, server_ip: &str, port: u16, packets: usize, every: usize) -> Talk {
    let talk = Talk::between(client(client_ip, port), server(server_ip, CGP)).opened().wait(pause(5));
    let talk = talk.says(b"\x1aCGP/01").wait(pause(5)).answers(b"\x1aCGP/01").wait(pause(5)).ack();
    let talk = (1..=packets).fold(talk, |talk, number| {
        let talk = talk.answers(&FULL[..400]).wait(pause(30));
        let lost = number % every == 0;
        (if lost { talk.wait(pause(220)).repeats(Who::Server).wait(pause(30)) } else { talk }).ack()
    });
    talk.closed()
}

fn word(finding: &Finding, name: &str) -> &'static str {
    let Some(Value::Word(word)) = finding.params.get(name) else { panic!("{name} of {finding:?}") };
    word
}

#[test]
fn loss_is_told_by_what_the_paths_have_in_common() {
    let with = |lossy: &[(&str, &str)], good: &[(&str, &str)]| {
        let talk = |every| {
            move |(number, &(client, server)): (u16, &(&str, &str))| loses(client, server, 50_000 + number, 600, every)
        };
        let lossy = (0..).zip(lossy).map(talk(40));
        found(lossy.chain((100..).zip(good).map(talk(10_000))))
    };
    let (one, two, near, far) = ("10.0.0.14", "10.0.0.15", "10.0.1.22", "10.0.1.23");
    let twice = |pairs: &[(&'static str, &'static str)]| [pairs, pairs].concat();

    let findings = with(&twice(&[(one, near), (one, far)]), &[("10.0.5.1", near)]);
    assert_eq!(codes(&findings), [("path.loss", Severity::Warning)]);
    assert_eq!((word(&findings[0], "where"), word(&findings[0], "sender")), ("client", "server"));
    // Fifteen in six hundred packets of each session: sixty, of four handshakes, four hellos and four ends as well.
    assert_eq!(findings[0].params.get("repeated"), Some(&Value::Number(60)));
    assert_eq!(findings[0].params.get("good_paths"), Some(&Value::Number(1)));
    let meaning = Words::default().finding(&findings[0]).meaning;
    assert!(meaning.contains("that access line") && meaning.contains("one path lost 0 %"), "{meaning}");

    let findings = with(&twice(&[(one, near), (two, near)]), &[("10.0.5.1", near)]);
    assert_eq!((findings.len(), word(&findings[0], "where")), (1, "network"));
    let findings = with(&twice(&[(one, near), ("10.0.5.1", near)]), &[(two, far)]);
    assert_eq!((findings.len(), word(&findings[0], "where")), (1, "server"));
    let findings = with(&twice(&[(one, near), ("10.0.5.1", far)]), &[]);
    assert_eq!((findings.len(), word(&findings[0], "where")), (1, "everywhere"));
    let findings = with(&[(one, near); 3], &[(one, far), (two, near)]);
    assert_eq!((findings.len(), word(&findings[0], "where")), (1, "pair"));
    let meaning = Words::default().finding(&findings[0]).meaning;
    assert!(meaning.contains("Beside it 2 paths lost 0 %"), "{meaning}");
}

#[test]
fn many_clients_that_each_send_little_are_added_up_to_their_network() {
    let branch = |clients: std::ops::Range<u16>, packets: usize, every: usize| {
        clients.map(move |host| loses(&format!("10.0.0.{host}"), SERVER, 50_000 + host, packets, every))
    };
    let findings = found(branch(1..9, 300, 40));
    assert_eq!(codes(&findings), [("path.loss", Severity::Warning)]);
    assert_eq!((word(&findings[0], "where"), findings[0].params.get("paths")), ("network", Some(&Value::Number(8))));
    // Seven of three hundred each.
    assert_eq!(findings[0].params.get("repeated"), Some(&Value::Number(56)));
    // One of eight that was lucky is of the network.
    let findings = found(branch(1..8, 600, 40).chain(branch(8..9, 600, 10_000)));
    assert_eq!((findings.len(), word(&findings[0], "where")), (1, "network"));
    // Few of many that lose are not the network.
    let findings = found(branch(1..3, 300, 10).chain(branch(3..9, 300, 10_000)));
    assert_eq!(codes(&findings), [], "two of eight");
}

#[test]
fn little_loss_and_copies_are_no_loss_of_a_path() {
    let lossy = |packets, every| (0..4).map(move |port| loses(CLIENT, SERVER, 50_000 + port, packets, every));
    assert_eq!(codes(&found(lossy(600, 40))), [("path.loss", Severity::Warning)]);
    assert_eq!(codes(&found(lossy(600, 150))), [], "less than one in a hundred");
    assert_eq!(codes(&found(lossy(100, 20))), [], "too few packets");
    let one_flow = loses(CLIENT, SERVER, 50_000, 1_200, 40);
    assert_eq!(codes(&found([one_flow])), [], "one flow");
    let copied = |port| {
        let talk = loses(CLIENT, SERVER, port, 600, 40);
        (0..100).fold(talk, |talk, _| talk.answers(b"more").mirrored().wait(pause(30)))
    };
    assert_eq!(codes(&found((50_000..50_004).map(copied))), [], "a mirror that copies");
}

// Addresses that are changed on the way.

/// A session as it is captured at one place; `hops` routers away from the client, which drew this number.
fn seen_at(client_ip: &str, server_ip: &str, number: u32, hops: u8, answered: bool) -> Talk {
    let talk = Talk::between(client(client_ip, 50_001), server(server_ip, CGP)).wait(pause(i64::from(hops)));
    let talk = talk.numbers(number, SERVER_ISN).syn().with_ttl(64 - hops);
    match answered {
        true => talk.syn_ack().ack().says(b"\x1aCGP/01").answers(b"\x1aCGP/01").wait(pause(200)).closed(),
        false => [1, 2, 4].iter().fold(talk, |talk, &wait| talk.wait(Span::seconds(wait)).repeats(Who::Client)),
    }
}

#[test]
fn a_connection_before_and_behind_a_translator_is_one() {
    let inside = ["10.1.1.7", "10.1.1.8", "10.1.1.9"];
    let both = |hops, step: u32| {
        let before = (1..).zip(inside).map(|(number, ip)| seen_at(ip, SERVER, 1_000 * number, 0, true));
        let behind = (1..).zip(inside).map(move |(number, _)| {
            let talk = seen_at("10.9.0.1", SERVER, 1_000 * number + step, hops, true);
            // A translator gives each a port of its own.
            talk.client_port(60_000 + number as u16)
        });
        found(before.chain(behind))
    };
    let findings = both(1, 0);
    assert_eq!(codes(&findings), [("path.nat", Severity::Info)]);
    let as_whom = Value::Addresses(vec![support::address("10.9.0.1")]);
    assert_eq!(findings[0].params.get("as"), Some(&as_whom));
    assert_eq!((word(&findings[0], "kind"), word(&findings[0], "fate")), ("source", "same"));
    assert_eq!((findings[0].flow_count, findings[0].clients.len()), (3, 3));
    assert_eq!(codes(&both(0, 0)), [], "no router between them");
    assert_eq!(codes(&both(1, 1)), [], "other numbers");
}

#[test]
fn what_differs_before_and_behind_a_translator_is_told() {
    let pair = |before, behind| {
        let findings =
            found([seen_at("10.1.1.7", "192.0.2.10", 77, 0, before), seen_at("10.1.1.7", "10.0.1.22", 77, 1, behind)]);
        let nat: Vec<Finding> = findings.into_iter().filter(|finding| finding.code == "path.nat").collect();
        assert_eq!(nat.len(), 1);
        let [nat] = &nat[..] else { panic!("one") };
        (word(nat, "kind"), word(nat, "fate"), Words::default().finding(nat).meaning)
    };
    let (kind, fate, meaning) = pair(true, false);
    assert_eq!((kind, fate), ("destination", "only-before"));
    assert!(meaning.contains("1 of them were answered before the device and not behind it"), "{meaning}");
    assert_eq!(pair(false, true).1, "only-behind");
    assert_eq!(pair(true, true).1, "same");
    assert_eq!(pair(false, false).1, "same");
}

#[test]
fn numbers_that_many_share_were_not_drawn() {
    let talks = (0..6u8).map(|place| seen_at(&format!("10.1.1.{}", place + 1), SERVER, 5, place, true));
    assert_eq!(codes(&found(talks)), []);
}

// A device that forgets.

#[test]
fn a_client_that_comes_back_after_silence_shows_that_its_connection_was_forgotten() {
    let hour = Span::seconds(3_600);
    let dies = |port| {
        let talk = session(CLIENT, port).wait(hour).says(b"anybody there?");
        again_and_again(talk, Who::Client, 6).wait(pause(20)).reset()
    };
    let back = || session(CLIENT, 50_099).says(b"again").answers(b"again").closed();
    let told = |talks: Vec<Talk>| {
        let end = START + Span::seconds(7_200);
        let packets = merge(talks.into_iter().map(Talk::packets).chain([meanwhile(end)]));
        let findings = broken_findings(&audit(packets));
        assert_eq!(codes(&findings), [("path.died", Severity::Warning)]);
        (findings[0].params.get("back").cloned(), Words::default().finding(&findings[0]).meaning)
    };
    let (back_again, meaning) = told(vec![dies(50_001)]);
    assert_eq!(back_again, Some(Value::Number(0)));
    assert!(meaning.contains("nothing had been said for 60 min: a stateful firewall"), "{meaning}");
    let later = back().later(Span::seconds(3_620));
    let (back_again, meaning) = told(vec![dies(50_001), later]);
    assert_eq!(back_again, Some(Value::Number(1)));
    assert!(meaning.contains("was answered on a new connection, so"), "{meaning}");
}

#[test]
fn a_written_ledger_tells_the_same() {
    let large = [50_001, 50_002].map(|port| vanishes(CLIENT, port, Who::Server, &FULL, 5));
    let lossy = (0..4).map(|port| loses("10.0.0.77", "10.0.1.77", 50_000 + port, 600, 40));
    let nat = [seen_at("10.1.1.7", SERVER, 99, 0, true), seen_at("10.9.0.1", SERVER, 99, 1, true)];
    let ledger = audit(captured(large.into_iter().chain(lossy).chain(nat))).ledger;
    let mut out = Vec::new();
    ledger.write(&citrix(), &["memory"], &mut out).expect("memory takes everything");
    let read = Ledger::read(&mut &out[..], &citrix(), &mut CaptureNames::default()).expect("it was just written");
    assert_eq!(read, ledger);
    let codes: Vec<&str> = findings_in(&read).iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["path.mtu", "path.loss", "encryption.plain-ica", "path.nat"]);
}
