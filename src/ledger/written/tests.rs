//! The form of a written ledger, byte by byte, and everything that a reader refuses.

use super::*;
use crate::flow::{CAPTURE_LIMIT, Evidence, Note, PacketRef, Sender, Showing};
use crate::ledger::{
    Answers, Carried, CitrixName, Directions, Drawn, Ended, Few, Habits, Kind, Micros, NAMED_LIMIT, Opening,
    PAIR_LIMIT, PORT_LIMIT, Pair, Path, Rate, Reply, Sighting, Signed, Speaker, Voice, Working,
};
use crate::matching::{Basis, Fit, Matching, PortNature, ServiceRef};
use crate::packet::{Address, Skip, Vlans};
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::borrow::Cow;
use std::error::Error as _;
use std::io;
use std::net::IpAddr;

/// The example in the documentation.
const SAMPLE: &str = include_str!("sample.jsonl");

/// The map that the example was made with.
const MAP: &str = r#"
name = "sample"
version = "7"
[[service]]
name = "web"
title = "Web"
[[service]]
name = "cgp"
title = "CGP"
session = true
[[service]]
name = "files"
title = "Files"
[[rule]]
id = "web"
product = "P"
source = ["S"]
destination = ["D"]
protocol = ["tcp"]
ports = [80]
direction = "one-way"
service = "web"
detail = "pages"
[[rule]]
id = "files"
product = "P"
source = ["S"]
destination = ["D"]
protocol = ["tcp"]
ports = [80]
direction = "one-way"
service = "files"
detail = "files"
[[rule]]
id = "cgp"
product = "P"
source = ["S"]
destination = ["D"]
protocol = ["tcp"]
ports = ["2598-2599"]
direction = "one-way"
service = "cgp"
detail = "sessions"
"#;

fn map() -> PortMap {
    PortMap::parse(MAP).expect("a map")
}

fn host(network: u8, host: u8) -> Address {
    Address::v4([10, 0, network, host])
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_700_000_000 + seconds, 0)
}

fn read(text: &str) -> Result<Ledger, ReadError> {
    Ledger::read(&mut text.as_bytes(), &map(), &mut CaptureNames::default())
}

fn written(ledger: &Ledger, captures: &[&str]) -> String {
    let mut out = Vec::new();
    ledger.write(&map(), captures, &mut out).expect("memory takes everything");
    String::from_utf8(out).expect("JSON is text")
}

/// The example with one part of it replaced.
fn changed(from: &str, to: &str) -> String {
    assert!(SAMPLE.contains(from), "the sample lacks {from}");
    SAMPLE.replacen(from, to, 1)
}

/// What is wrong with the example when one part of it is replaced, and in which line.
fn fault(from: &str, to: &str) -> (u64, String) {
    match read(&changed(from, to)) {
        Err(ReadError::Line { line, fault }) => (line, fault.to_string()),
        other => panic!("{from} -> {to}: {other:?}"),
    }
}

#[test]
fn the_example_means_what_its_names_say() {
    let map = map();
    let ledger = read(SAMPLE).expect("a ledger");
    assert_eq!((ledger.decoded, ledger.duplicates, ledger.flow_packets), (20, 1, 19));
    assert_eq!((ledger.skipped(Skip::NotIp), ledger.skipped(Skip::Malformed), ledger.received()), (2, 1, 23));
    assert_eq!(ledger.skipped.keys().collect::<Vec<_>>(), [&0], "nothing was skipped on Tuesday");
    assert_eq!(ledger.visibility.all, Directions { both: 3, one: 0 });
    let [client, server] =
        ["fd00::14", "fd00:0:0:1::22"].map(|text| text.parse::<IpAddr>().expect("an address").into());
    let pair = Pair::of(server, client);
    let seen = [ledger.visibility.hosts().get(pair), ledger.visibility.networks().get(pair.networks())];
    assert_eq!(seen, [Some(Directions { both: 1, one: 0 }); 2]);

    let place = |port| map.place(Transport::Tcp, port).expect("a rule names it");
    let web = Some(ServiceRef::Shared(place(80)));
    assert_eq!(ledger.round_trips.keys().collect::<Vec<_>>(), [&web]);
    assert_eq!((ledger.round_trips[&web].count(), ledger.round_trips[&web].max()), (1, 410));

    let cgp = Matching {
        fit: Fit::Fits,
        basis: Basis::Port,
        service: map.service_named("cgp").map(ServiceRef::One),
        place: Some(place(2598)),
        port: PortNature { generic: false, reply_due: false, session: true, replaced: false },
        foreign_attempt: false,
    };
    let kinds: Vec<(Showing, Matching, u64)> =
        ledger.kinds.iter().map(|(kind, carried)| (kind.showing, kind.matching, carried.bytes)).collect();
    let to_web = Matching { service: web, place: Some(place(80)), port: PortNature::of(None), ..cgp };
    let handshake = Showing::Handshake;
    assert_eq!(kinds, [(Showing::Silence, cgp, 156), (handshake, cgp, 264), (handshake, to_web, 4_000)]);

    let (sighting, seen) = ledger.sightings.iter().next().expect("there is one");
    let path = Path { protocol: 6, port: 2598, server: host(1, 22), client: host(0, 14) };
    assert_eq!((sighting.showing, sighting.matching, sighting.path), (Showing::Silence, cgp, path));
    assert_eq!((seen.flows, seen.first, seen.last, seen.tries), (1, at(0), at(9), 3));
    assert_eq!((seen.watched, &*seen.client_ports), (Span::seconds(189), &[50_123][..]));
    let packet = |capture, packet| PacketRef { capture, packet };
    let shown = [(0, 4, Note::Syn(1)), (0, 7, Note::Syn(2)), (1, 1, Note::Syn(3))];
    let shown = shown.map(|(capture, number, note)| Evidence { at: packet(capture, number), note });
    assert_eq!((&*seen.evidence, &*seen.openers), (&shown[..], &[packet(0, 4)][..]));
    let headers = Sender { ttl: 63, identification: 4_660, ..Sender::default() };
    let sign = Signed { opener: packet(0, 4), what: Reply::IcmpError, from: host(0, 1), headers, delay: None };
    assert_eq!((&*seen.signs, &*seen.vlans), (&[sign][..], &[Vlans([12, 0])][..]));
    assert_eq!(&*seen.errors, [(false, 11, 0, host(0, 1))]);

    let answered = ledger.paths.get(&Path { server: host(1, 23), ..path }).expect("it was answered");
    assert_eq!(answered.answers, Some(Answers { flows: 2, first: at(0), last: at(60) }));
    assert_eq!((answered.working, answered.ttl), (None, (127, 128)));
    let [(speaker, voice)] = ledger.voices.iter().collect::<Vec<_>>()[..] else { panic!("one voice") };
    assert_eq!(*speaker, Speaker { server: host(1, 23), clients: host(0, 0), capture: 0 });
    let (ttl, client_ttl, habits) = ((127, 128), (64, 64), Habits(Habits::IDENTIFICATION));
    let (delay, ports) = (Some(410), ((6, 2598), (6, 2598)));
    assert_eq!(voice.moments.iter().collect::<Vec<_>>(), [(7, at(60)), (9, at(0))]);
    let moments = voice.moments;
    assert_eq!(*voice, Voice { flows: 2, first: at(0), last: at(60), moments, ttl, client_ttl, delay, ports, habits });
    let opener = Evidence { at: packet(1, 11), note: Note::First };
    let works = Working { flows: 1, first: at(5), began: at(5), last: at(25), opener, client_port: 50_124 };
    assert_eq!(ledger.paths.working(&Path { port: 80, server, client, ..path }), Some(&works));

    let gateway = Address::v4([203, 0, 113, 5]);
    assert_eq!(ledger.hellos.name(gateway), Some(CitrixName::GatewayService));
    let opener = Evidence { at: packet(1, 21), note: Note::First };
    let tried = Working { flows: 2, first: at(0), began: at(300), last: at(302), opener, client_port: 50_126 };
    let quic = Path { protocol: 17, port: 443, server: gateway, ..path };
    assert_eq!(ledger.hellos.quic().collect::<Vec<_>>(), [(&quic, &tried)]);

    let opener = Evidence { at: packet(0, 9), note: Note::Syn(1) };
    let flows = Working { flows: 2, first: at(0), began: at(0), last: at(30), opener, client_port: 50_125 };
    let lossy = Path { server: host(1, 22), client: host(0, 15), ..path };
    let rate = Rate { flows, sent: [40, 120], again: [0, 3], lossy: [0, 2], large: [0, 1] };
    assert_eq!(ledger.losses.iter().collect::<Vec<_>>(), [(&lossy, &rate)]);
    let opening = Opening {
        first: at(0),
        opener: packet(0, 9),
        server: host(1, 22),
        client: host(0, 15),
        client_port: 50_125,
        ttl: 128,
        answered: true,
    };
    assert_eq!(ledger.twins.get(&Drawn { port: 2598, number: 0x1234_5679 }), [opening]);
}

#[test]
fn the_flow_of_a_session_means_what_the_example_says() {
    let ledger = read(SAMPLE).expect("a ledger");
    let [(opener, step)] = ledger.steps.iter().collect::<Vec<_>>()[..] else { panic!("one flow: {:?}", ledger.steps) };
    assert_eq!(*opener, PacketRef { capture: 0, packet: 9 });
    assert_eq!((step.first, step.last, step.broke), (at(0), at(30), at(5)));
    assert_eq!((step.idle(), step.payload, step.client_port), (Some(Span::seconds(1_800)), [500, 4_000], 50_125));
    let times = [step.spoke, step.handshake_rtt, step.data_rtt].map(Micros::micros);
    assert_eq!((step.ended, times), (Ended::ClientGone, [Some(900), None, Some(350)]));
    assert_eq!(ledger.steps.counts(), [1, 0, 0]);
}

#[test]
fn the_example_is_written_as_it_was_read() {
    let ledger = read(SAMPLE).expect("a ledger");
    assert_eq!(written(&ledger, &["monday.pcap", "tuesday.pcap"]), SAMPLE);
}

/// Any host pings, so a ping proves nothing even where no rule says so.
#[test]
fn what_a_place_implies_is_found_again_without_one() {
    let port = PortNature { generic: true, reply_due: false, session: false, replaced: false };
    let (fit, basis) = (Fit::GenericPort, Basis::None);
    let matching = Matching { fit, basis, service: None, place: None, port, foreign_attempt: false };
    let mut ledger = Ledger::default();
    let kind = Kind { showing: Showing::Exchange, matching };
    ledger.kinds.add(kind, Carried { flows: 1, packets: 2, bytes: 168 });
    assert_eq!(read(&written(&ledger, &[])).expect("a ledger"), ledger);
}

/// A port of the other transport: no rule names the flow's own, and its place is that of the services.
#[test]
fn a_place_that_only_a_service_names_is_described() {
    let port = PortNature { generic: false, reply_due: false, session: false, replaced: false };
    let service = map().place(Transport::Tcp, 80).map(ServiceRef::Shared);
    let (fit, basis) = (Fit::OtherTransport, Basis::Port);
    let matching = Matching { fit, basis, service, place: None, port, foreign_attempt: false };
    let mut of_kinds = Ledger::default();
    let kind = Kind { showing: Showing::Exchange, matching };
    of_kinds.kinds.add(kind, Carried { flows: 1, packets: 2, bytes: 168 });
    let mut of_round_trips = Ledger::default();
    of_round_trips.round_trips.entry(service).or_default().record(Span::millis(2));
    for ledger in [of_kinds, of_round_trips] {
        assert_eq!(read(&written(&ledger, &[])).expect("a ledger"), ledger);
    }
}

#[test]
fn numbers_of_captures_are_those_of_the_reader() {
    let mut captures = CaptureNames::default();
    assert_eq!([captures.number("sunday.pcap"), captures.number("tuesday.pcap")], [Some(0), Some(1)]);
    let ledger = Ledger::read(&mut SAMPLE.as_bytes(), &map(), &mut captures).expect("a ledger");
    assert_eq!(captures.names().collect::<Vec<_>>(), ["sunday.pcap", "tuesday.pcap", "monday.pcap"]);
    let (_, seen) = ledger.sightings.iter().next().expect("there is one");
    assert_eq!(seen.evidence.iter().map(|shown| shown.at.capture).collect::<Vec<_>>(), [1, 2, 2]);
    assert_eq!(seen.signs.first().map(|sign| sign.opener.capture), Some(2));
    assert_eq!(ledger.skipped.keys().collect::<Vec<_>>(), [&2]);
}

#[test]
fn a_ledger_ends_with_its_last_line() {
    let two = format!("{SAMPLE}{SAMPLE}rest");
    let mut input = two.as_bytes();
    let mut captures = CaptureNames::default();
    for _ in 0..2 {
        assert_eq!(Ledger::read(&mut input, &map(), &mut captures).expect("a ledger").decoded, 20);
    }
    assert_eq!((input, captures.names().count()), (&b"rest"[..], 2));
}

#[test]
fn a_ledger_that_was_cut_off_is_refused_wherever_it_was() {
    for length in 0..SAMPLE.len() - 1 {
        let error = read(&SAMPLE[..length]).expect_err("its end is missing");
        let lines = SAMPLE[..length].matches('\n').count() as u64;
        match error {
            ReadError::Truncated { lines: told } => assert!(told == lines || told == lines + 1, "{length}: {told}"),
            // Half of a name or of a number may be one as well.
            ReadError::Line { line, fault: Fault::Form(_) | Fault::Contradiction { .. } } => {
                assert_eq!(line, lines + 1)
            }
            ReadError::NotALedger => assert_eq!(lines, 0),
            other => panic!("{length}: {other}"),
        }
    }
    assert!(read(SAMPLE.trim_end()).is_ok(), "the last line need not end");
    let lines: Vec<&str> = SAMPLE.split_inclusive('\n').collect();
    for missing in 0..lines.len() {
        let text: String = lines[..missing].iter().chain(&lines[missing + 1..]).copied().collect();
        assert!(read(&text).is_err(), "without line {}", missing + 1);
    }
}

#[test]
fn another_schema_or_map_is_refused_by_name() {
    let schema = read(&changed("cap-audit/ledger/4", "cap-audit/ledger/9")).expect_err("not read here");
    let told = "cannot read the ledger: its form is 'cap-audit/ledger/9', and only 'cap-audit/ledger/4' is read here";
    assert_eq!(schema.to_string(), told);
    // Whatever else a later version has in its head.
    assert!(matches!(read("{\"schema\":\"cap-audit/ledger/9\",\"new\":[]}\n"), Err(ReadError::Schema { .. })));
    let version = read(&changed(r#""version":"7""#, r#""version":"8""#)).expect_err("another map");
    let told = "cannot read the ledger: it was made with version 8 of the port map sample, and this is version 7 of sample; \
                read it with the map that it was made with";
    assert_eq!(version.to_string(), told);
    assert!(matches!(read(&changed(r#""sample""#, r#""own""#)), Err(ReadError::OtherMap { .. })));
    for text in ["", "\n", "[]\n", "{}\n", "\u{feff}{}\n", "\0\n"] {
        let error = read(text).expect_err("no ledger");
        let expected = matches!(error, ReadError::NotALedger | ReadError::Truncated { lines: 0 });
        assert!(expected, "{text:?}: {error:?}");
    }
}

/// The same name and version, and other rules: a map of one's own that was edited.
#[test]
fn a_place_that_means_something_else_here_is_refused_by_name() {
    let read_with = |from: &str, to: &str| {
        assert!(MAP.contains(from));
        let map = PortMap::parse(&MAP.replace(from, to)).expect("a map");
        let mut captures = CaptureNames::default();
        match Ledger::read(&mut SAMPLE.as_bytes(), &map, &mut captures) {
            Err(ReadError::Line { line, fault }) => (line, fault.to_string()),
            other => panic!("{from} -> {to}: {other:?}"),
        }
    };
    let differs = |what: &str| {
        let port = if what == "session" { 2598 } else { 80 };
        format!("the port map says something else of tcp {port} than when the ledger was made: '{what}' differs")
    };
    assert_eq!(read_with("session = true", "session = false"), (3, differs("session")));
    assert_eq!(read_with("id = \"files\"", "id = \"shares\""), (2, differs("rules")));
    assert_eq!(read_with("service = \"files\"", "service = \"cgp\""), (2, differs("services")));
    let wider = read_with("\"2598-2599\"", "\"2597-2599\"");
    assert_eq!(wider, (3, "the port map groups no ports that begin at tcp 2598".to_string()));
    let gone = read_with("\"2598-2599\"", "1494");
    assert_eq!(gone, wider);
}

#[test]
fn what_a_ledger_cannot_hold_is_refused() {
    let form = [
        (r#""decoded":20"#, r#""decoded":-20"#, 1),
        (r#""decoded":20"#, r#""decoded":20.5"#, 1),
        (r#""decoded":20"#, r#""decoded":18446744073709551616"#, 1),
        (r#""decoded":20"#, r#""decoded":20,"more":1"#, 1),
        (r#""duplicates":1,"#, "", 1),
        (r#""most_specific":2"#, r#""most_specific":2,"more":1"#, 2),
        (r#"{"kinds""#, r#"{"types""#, 6),
        (r#""showing":"silence""#, r#""showing":"noise""#, 6),
        (r#"[1,3,156]"#, r#"[1,3,156,0]"#, 6),
        (r#""10.0.1.22","#, r#""10.0.1.256","#, 12),
        (r#"[50123]"#, r#"[65536]"#, 12),
        (r#""syn:1""#, r#""syn""#, 12),
    ];
    for (from, to, line) in form {
        let error = read(&changed(from, to)).expect_err("not in the form");
        let told = matches!(&error, ReadError::Line { line: told, fault: Fault::Form(_) } if *told == line);
        assert!(told, "{from} -> {to}: {error}");
        assert!(error.source().and_then(|fault| fault.source()).is_some(), "the cause is handed on");
    }
    let meaning = [
        (r#""service":"cgp""#, r#""service":"ica""#, 6, "the port map has no service 'ica'"),
        (r#""place":["tcp",2598]"#, r#""place":["tcp",2599]"#, 6, "no line before describes tcp 2599"),
        (r#"[["monday.pcap""#, r#"[["sunday.pcap""#, 12, "no line before names the capture 'sunday.pcap'"),
        (r#"[1,3,156]"#, r#"[0,3,156]"#, 6, "something is there 0 times"),
        (
            r#""showing":"handshake","matching":{"fit":"fits","basis":"port","service":"cgp""#,
            r#""showing":"silence","matching":{"fit":"fits","basis":"port","service":"cgp""#,
            7,
            "a kind of flows stands there for the second time",
        ),
        (r#"["malformed",1]"#, r#"["not_ip",1]"#, 4, "a reason to skip packets stands there for the second time"),
        (r#""tuesday.pcap","skipped""#, r#""monday.pcap","skipped""#, 5, "a capture stands there for the second time"),
        ("[410,1]", "[410,0]", 9, "something is there 0 times"),
        ("[410,1]", "[410,1],[410,1]", 9, "its durations are not the steps of a distribution, in order"),
        ("[410,1]", "[98765432,1]", 9, "its durations are not the steps of a distribution, in order"),
        (r#"["10.0.0.0","10.0.1.0"]"#, r#"["10.0.0.1","10.0.1.0"]"#, 11, "a pair is not two networks"),
        (r#"["10.0.0.0","10.0.1.0"]"#, r#"["10.0.1.0","10.0.0.0"]"#, 11, "a pair does not have the lower one first"),
        ("[[6,2598,", "[[6,80,", 12, "a sighting is on a port of another place"),
        (",189000000000,", ",9223372036854775808,", 12, "a time is too long"),
        (",9000000000,0]", ",9223372036854775807,0]", 12, "a time lies too far ahead"),
        (",9000000000,0]", ",9000000000,9000000001]", 12, "flows began after all had ended"),
        (r#"[7,"syn:2"]"#, r#"[4,"syn:1"]"#, 12, "packets that show a sighting stands there for the second time"),
        ("[127,128]", "[128,127]", 13, "a path was not answered, or in no capture, or at no distance"),
        (
            r#""capture":"tuesday.pcap""#,
            r#""capture":null"#,
            14,
            "a path was not answered, or in no capture, or at no distance",
        ),
        (r#"4660,0,0,null]"#, r#"4660,0,128,null]"#, 12, "a sign has hints that are not known"),
        ("[64,64]", "[65,64]", 20, "how a server answers is no range, or not known"),
        (r#""10.0.0.0",2,["#, r#""10.0.0.1",2,["#, 20, "how a server answers is no range, or not known"),
        ("[7,60000000000]", "[7,60000000001]", 20, "how a server answers is no range, or not known"),
        (",5000000000,1800000000000]", ",9223372036854775807,1]", 21, "a time lies too far ahead"),
        (
            "[6,2598,\"10.0.1.22\",\"10.0.0.15\"],50125,1,[17",
            "[6,80,\"10.0.1.22\",\"10.0.0.15\"],50125,1,[17",
            21,
            "a sighting is on a port of another place",
        ),
        ("[0,3],[0,2],[0,1]", "[0,3],[0,3],[0,1]", 23, "more flows lost something than there were"),
        (
            "[[6,2598,\"10.0.1.22\",\"10.0.0.15\"],305",
            "[[17,2598,\"10.0.1.22\",\"10.0.0.15\"],305",
            24,
            "a connection that was opened is not TCP",
        ),
        (r#"{"end":24}"#, r#"{"end":23}"#, 25, "lines are missing before it"),
    ];
    for (from, to, line, told) in meaning {
        assert_eq!(fault(from, to), (line, told.to_string()), "{from} -> {to}");
    }
}

#[test]
fn counts_that_add_up_to_too_much_are_refused() {
    let most = format!("\"decoded\":{}", COUNT_LIMIT - 10_000);
    assert!(read(&changed(r#""decoded":20"#, &most)).is_ok());
    let (line, told) = fault(r#""decoded":20"#, &format!("\"decoded\":{COUNT_LIMIT}"));
    assert_eq!((line, told.as_str()), (1, "its counts add up to more than a ledger may hold"));
    let most = u64::MAX;
    for (from, to, line) in [
        (",3,156]", format!(",3,{most}]"), 6),
        ("[410,1]", format!("[410,{most}]"), 9),
        (",[1,0]]", format!(",[1,{most}]]"), 10),
        (r#""10.0.0.14"],[1,"#, format!(r#""10.0.0.14"],[{most},"#), 12),
        ("[2,[17", format!("[{most},[17"), 13),
    ] {
        assert_eq!(fault(from, &to), (line, told.clone()), "{from} -> {to}");
    }
}

#[test]
fn no_list_grows_beyond_that_of_a_ledger() {
    let list = |count: usize, item: fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(",");
    let ports = |count| format!("[{}]", list(count, |port| (port + 1).to_string()));
    assert!(read(&changed("[50123]", &ports(PORT_LIMIT))).is_ok());
    let told = |what: &str, limit: usize| format!("there are more than {limit} {what}");
    assert_eq!(fault("[50123]", &ports(PORT_LIMIT + 1)), (12, told("client ports of a sighting", PORT_LIMIT)));
    let tags = |count| format!("[{}]", list(count, |id| format!("[{id},0]")));
    assert_eq!(fault("[[12,0]]", &tags(NAMED_LIMIT + 1)), (12, told("VLANs of a sighting", NAMED_LIMIT)));
    let openers = |count| format!("[{}],[[4,", list(count, |packet| packet.to_string()));
    assert_eq!(fault("[4],[[4,", &openers(NAMED_LIMIT + 1)), (12, told("first packets of a sighting", NAMED_LIMIT)));

    let row = |number: usize| format!("[[\"10.0.0.0\",\"11.{}.{}.0\"],[1,0]]", number / 256, number % 256);
    let networks = |count: usize| {
        let rows: Vec<String> = (0..count).map(row).collect();
        let lines: Vec<String> =
            rows.chunks(500).map(|rows| format!("{{\"networks\":[{}]}}\n", rows.join(","))).collect();
        let text = changed("{\"round_trips\"", &format!("{}{{\"round_trips\"", lines.concat()));
        read(&text.replace("{\"end\":24}", &format!("{{\"end\":{}}}", 24 + lines.len())))
    };
    // The example has two pairs of its own.
    assert_eq!(networks(PAIR_LIMIT - 2).expect("just enough").visibility.networks().len(), PAIR_LIMIT);
    let error = networks(PAIR_LIMIT - 1).expect_err("one too many").to_string();
    assert!(error.ends_with(&told("pairs of networks", PAIR_LIMIT)), "{error}");

    let name = "x".repeat(NAME_LIMIT);
    assert!(read(&SAMPLE.replace("monday.pcap", &name)).is_ok());
    let longer = SAMPLE.replace("monday.pcap", &format!("{name}y"));
    assert!(matches!(read(&longer), Err(ReadError::Line { line: 4, fault: Fault::LongName })));
}

/// Every packet of a sighting in another capture, each with the longest name in its longest form.
#[test]
fn no_line_is_too_long_to_be_read_back() {
    let names: Vec<String> =
        (0..3 * NAMED_LIMIT).map(|number| format!("{}{number:02}", "\u{1}".repeat(NAME_LIMIT - 2))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let packet = |capture: usize| PacketRef { capture: capture as u32, packet: u64::MAX };
    let few = 0..NAMED_LIMIT;
    let mut ledger = read(SAMPLE).expect("a ledger");
    let (sighting, seen) = ledger.sightings.iter().next().expect("there is one");
    let (sighting, mut seen) = (*sighting, seen.clone());
    seen.evidence = Few::of(few.clone().map(|at| Evidence { at: packet(at), note: Note::ClientPayload }), NAMED_LIMIT);
    seen.openers = Few::of(few.clone().map(|at| packet(NAMED_LIMIT + at)), NAMED_LIMIT);
    let sign = *seen.signs.first().expect("there is one");
    seen.signs = Few::of(few.map(|at| Signed { opener: packet(2 * NAMED_LIMIT + at), ..sign }), NAMED_LIMIT);
    for number in 0..3 {
        let path = Path { client: host(2, number), ..sighting.path };
        ledger.sightings.add(Sighting { path, ..sighting }, Cow::Borrowed(&seen));
    }
    assert_eq!(read(&written(&ledger, &names)).expect("a ledger"), ledger);
}

/// Without an end of the line, so that whoever waited for it would take all there is.
#[test]
fn a_line_without_an_end_is_not_read_to_its_end() {
    let mut endless = SAMPLE.split_inclusive('\n').take(5).collect::<String>();
    endless.push_str("{\"networks\":[");
    let given = endless.len() as u64;
    let mut input = io::BufReader::new(io::Read::chain(endless.as_bytes(), io::repeat(b' ')));
    let error = Ledger::read(&mut input, &map(), &mut CaptureNames::default()).expect_err("it never ends");
    assert!(matches!(error, ReadError::Line { line: 6, fault: Fault::TooLong }), "{error}, {given} bytes");
}

#[test]
fn captures_run_out_and_an_error_leaves_nothing_behind() {
    let mut captures = CaptureNames::default();
    for number in 0..10 {
        assert_eq!(captures.number(&number.to_string()), Some(number));
    }
    // The other names do not matter.
    captures.names.resize(CAPTURE_LIMIT as usize - 1, "other".into());
    assert_eq!(captures.number("the last"), Some(CAPTURE_LIMIT - 1));
    assert_eq!((captures.number("7"), captures.number("one more")), (Some(7), None));
    let before = captures.clone();
    let error = Ledger::read(&mut SAMPLE.as_bytes(), &map(), &mut captures).expect_err("there is no number left");
    assert!(matches!(error, ReadError::Line { line: 4, fault: Fault::TooManyCaptures }), "{error}");
    assert_eq!(captures, before);

    let mut captures = CaptureNames::default();
    captures.number("sunday.pcap");
    let before = captures.clone();
    assert!(Ledger::read(&mut changed("{\"end\":24}", "{}").as_bytes(), &map(), &mut captures).is_err());
    assert_eq!((&captures, captures.clone().number("monday.pcap")), (&before, Some(1)));
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let ledger = read(SAMPLE).expect("a ledger");
    let write = |ledger: &Ledger, map: &PortMap, captures: &[&str]| ledger.write(map, captures, &mut io::sink());
    let error = |captures: &[&str]| write(&ledger, &map(), captures).expect_err("not written").to_string();
    assert_eq!(error(&["monday.pcap"]), "cannot write the ledger: its capture 1 has no name");
    assert_eq!(error(&[]), "cannot write the ledger: its capture 0 has no name");
    let same = error(&["monday.pcap", "monday.pcap"]);
    assert_eq!(same, "cannot write the ledger: two of its captures are called monday.pcap; give them different names");
    assert!(error(&["monday.pcap", &"x".repeat(NAME_LIMIT + 1)]).contains("too long"));
    let other = PortMap::parse(&MAP.replace("2598-2599", "2599")).expect("a map");
    let error = write(&ledger, &other, &["monday.pcap", "tuesday.pcap"]).expect_err("a place of another map");
    assert!(matches!(error, WriteError::OtherMap), "{error}");

    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = ledger.write(&map(), &["monday.pcap", "tuesday.pcap"], &mut Full).expect_err("the disk is full");
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::StorageFull));
}
