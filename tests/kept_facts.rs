//! What a ledger keeps for conclusions that are drawn later: when a path was answered, and by what those who answered, refused or
//! rejected for a server can be told apart.

mod support;

use cap_audit::flow::{Hints, Sender};
use cap_audit::ledger::{
    Answered, CitrixName, Ended, Habits, Ledger, Moments, Path, Reply, Seen, Signed, Speaker, Step, Voice,
};
use cap_audit::packet::{Vlans, protocol};
use cap_audit::time::Span;
use support::*;

const CLIENT: &str = "10.0.0.14";
const SERVER: &str = "10.0.0.22";
const ROUTER: &str = "10.0.0.1";
const CGP: u16 = 2598;
/// What [`Talk`] writes into every packet: a time to live, and a window.
const TTL: u8 = 64;
const WINDOW: u16 = 0xfaf0;

fn to_cgp(client_port: u16) -> Talk {
    Talk::between(client(CLIENT, client_port), server(SERVER, CGP))
}

fn answered(ledger: &Ledger) -> Answered {
    let path = Path { protocol: protocol::TCP, port: CGP, server: address(SERVER), client: address(CLIENT) };
    ledger.paths.get(&path).expect("the path was answered")
}

fn seen(ledger: &Ledger) -> &Seen {
    let [(_, seen)] = ledger.sightings.iter().collect::<Vec<_>>()[..] else { panic!("one sighting: {ledger:#?}") };
    seen
}

#[test]
fn a_path_keeps_how_many_were_answered_and_when() {
    let opened = |port, at| to_cgp(port).at(START + Span::seconds(at)).syn().wait(Span::millis(20)).syn_ack().ack();
    let session = opened(40_001, 10).says(b"hello").answers(b"you").wait(Span::seconds(100)).closed();
    let monitor = opened(40_002, 30).closed();
    let later = opened(40_003, 50).closed();
    let audited = audit(merge([session.packets(), monitor.packets(), later.packets()]));
    let path = answered(&audited.ledger);
    let answers = path.answers.expect("three were answered");
    let at = |seconds| START + Span::seconds(seconds) + Span::millis(20);
    assert_eq!((answers.flows, answers.first, answers.last), (3, at(10), at(50)));
    assert_eq!(audited.ledger.paths.counts(), [1, 1, 0], "what carried something is kept apart");
    // Only one of them carried something, and that went on longest.
    let working = path.working.expect("one worked");
    assert_eq!((working.flows, working.first), (1, START + Span::seconds(10)));
    assert!(working.last > answers.last);
    assert_eq!((path.ttl, path.vlans), ((TTL, TTL), Vlans::default()));
    assert!(audited.ledger.sightings.is_empty(), "nothing of it is worth a finding");
}

#[test]
fn a_refusal_keeps_the_headers_of_the_reset() {
    let audited = audit(to_cgp(40_001).vlans(&[7]).syn().wait(Span::micros(1_500)).refused().packets());
    let seen = seen(&audited.ledger);
    let [reset] = seen.signs.iter().collect::<Vec<_>>()[..] else { panic!("one sign: {seen:#?}") };
    // A talk counts the server's identifications up from 0x8000, and this is the first.
    let hints = Hints(Hints::COPIED_WINDOW | Hints::BEFORE_PAYLOAD);
    let headers = Sender { ttl: TTL, identification: 0x8001, window: WINDOW, hints };
    let opener = *seen.openers.first().expect("a flow has a first packet");
    assert_eq!(*reset, Signed { opener, what: Reply::Reset, from: address(SERVER), headers, delay: Some(1_500) });
    assert_eq!(&*seen.vlans, [Vlans([7, 0])]);
    assert_eq!(audited.ledger.paths.counts(), [0, 0, 0], "a reset is no answer of a service");
}

#[test]
fn a_rejection_keeps_who_sent_it_and_its_headers() {
    let talk = to_cgp(40_001).syn().error_about(Who::Client, ROUTER, 3, 13);
    let audited = audit(merge([talk.packets(), meanwhile(START + Span::seconds(60))]));
    let sighting = audited.ledger.sightings.iter().find(|(sighting, _)| sighting.path.port == CGP);
    let (_, seen) = sighting.expect("it is worth a finding");
    let signs: Vec<(Reply, _, u8)> = seen.signs.iter().map(|sign| (sign.what, sign.from, sign.headers.ttl)).collect();
    assert_eq!(signs, [(Reply::IcmpError, address(ROUTER), TTL)]);
}

#[test]
fn a_device_that_resets_for_a_server_can_be_told_from_it() {
    // The server greets, and a device with another time to live resets in its place.
    let mut packets = to_cgp(40_001).opened().says(b"hello").server_reset().packets();
    let last = packets.last_mut().expect("the reset");
    let ttl_at = 14 + 8;
    assert_eq!(last.3[ttl_at], TTL);
    last.3[ttl_at] = 251;
    let audited = audit(packets);
    let seen = seen(&audited.ledger);
    let signs: Vec<(Reply, u8)> = seen.signs.iter().map(|sign| (sign.what, sign.headers.ttl)).collect();
    assert_eq!(signs, [(Reply::Greeting, TTL), (Reply::Reset, 251)]);
}

#[test]
fn how_a_server_answers_is_kept_whatever_the_port() {
    let opened = |talk: Talk, at, micros, ttl| {
        talk.at(START + Span::seconds(at)).syn().wait(Span::micros(micros)).syn_ack().with_ttl(ttl)
    };
    let to = |from: &str, port| Talk::between(client(from, 40_001), server(SERVER, port));
    let asks = Talk::udp(client("10.0.0.99", 40_002), server(SERVER, 53)).at(START + Span::seconds(9));
    let audited = audit(merge([
        opened(to(CLIENT, 8_080), 1, 900, 61).ack().closed().packets(),
        // Linux sends the SYN-ACK without an identification; the reset at the end carries options.
        opened(to("10.0.0.15", 443), 2, 700, 60)
            .with_id(0)
            .ack()
            .says(b"GET")
            .answers(b"200")
            .server_reset()
            .with_options()
            .packets(),
        asks.says(b"?").wait(Span::micros(5)).answers(b"!").with_ttl(59).packets(),
        // What is refused is no answer of the server's that one could compare with.
        to("10.0.0.16", CGP).syn().refused().packets(),
        opened(to("10.7.0.1", 443), 3, 100, 55).ack().closed().packets(),
    ]));
    let at = |seconds, micros| START + Span::seconds(seconds) + Span::micros(micros);
    let speaker = |network: &str| Speaker { server: address(SERVER), clients: address(network), capture: 0 };
    let voice = audited.ledger.voices.get(&speaker("10.0.0.0")).expect("it answered");
    let habits = Habits(Habits::IDENTIFICATION | Habits::NO_IDENTIFICATION | Habits::RESET_WITH_OPTIONS);
    let expected = Voice {
        flows: 3,
        first: at(1, 900),
        last: at(9, 5),
        moments: Moments::default(),
        ttl: (59, 61),
        client_ttl: (TTL, TTL),
        delay: Some(700),
        ports: ((protocol::TCP, 443), (protocol::UDP, 53)),
        habits,
    };
    let moments: Vec<_> = voice.moments.iter().map(|(_, at)| at).collect();
    assert!(
        moments.len() == 3 && [at(1, 900), at(2, 700), at(9, 5)].iter().all(|at| moments.contains(at)),
        "{moments:?}"
    );
    assert_eq!(*voice, Voice { moments: voice.moments, ..expected });
    let other = audited.ledger.voices.get(&speaker("10.7.0.0")).expect("another network of clients");
    assert_eq!((other.flows, other.ttl, other.delay), (1, (55, 55), Some(100)));
    assert_eq!(audited.ledger.voices.len(), 2);
}

#[test]
fn a_syn_ack_that_nobody_acknowledges_answers_no_path() {
    let again = |talk: Talk| talk.wait(Span::seconds(2)).syn_ack_again();
    let half_open = again(again(again(to_cgp(40_001).syn().syn_ack())));
    let audited = audit(merge([half_open.packets(), meanwhile(START + Span::seconds(60))]));
    assert_eq!(audited.ledger.paths.counts(), [0, 0, 0]);
    let greeting = seen(&audited.ledger).signs.iter().any(|sign| sign.what == Reply::Greeting);
    assert!(greeting, "who answered is kept all the same");
}

#[test]
fn a_sighting_keeps_the_mean_of_the_moments_at_which_its_flows_began() {
    let began = [0, 7, 8];
    let refused = |(number, &at): (usize, &i64)| to_cgp(40_001 + number as u16).at(START + Span::seconds(at)).syn();
    let parts: Vec<_> = began.iter().enumerate().map(|it| refused(it).refused().packets()).collect();
    let whole = audit(merge(parts.clone()));
    let seen_in_all = seen(&whole.ledger);
    assert_eq!((seen_in_all.flows, seen_in_all.first), (3, START));
    assert_eq!(seen_in_all.begun, i128::from(START.0) * 3 + 15_000_000_000);
    let mut sum = Ledger::default();
    parts.into_iter().rev().for_each(|part| sum += &audit(part).ledger);
    assert_eq!(seen(&sum).begun, seen_in_all.begun);
}

#[test]
fn a_name_of_citrix_and_quic_in_vain_are_kept() {
    let hello = |name: &str| {
        let counted = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
        let listed = counted(&[&[0][..], &counted(name.as_bytes())].concat());
        let named = counted(&[&[0, 0][..], &counted(&listed)].concat());
        let body = [&[3, 3][..], &[0x5a; 32], &[0, 0, 2, 0x13, 1, 1, 0], &named].concat();
        let message = [&[1, 0][..], &counted(&body)].concat();
        [&[0x16, 3, 1][..], &counted(&message)].concat()
    };
    let tls = |to: &str, name: &str| {
        Talk::between(client(CLIENT, 40_001), server(to, 443)).opened().says(&hello(name)).answers(b"x").packets()
    };
    let initial = [&[0xc3, 0, 0, 0, 1, 8][..], &[7; 8], &[0, 0, 0x44, 0xb8], &[0x5a; 1_180]].concat();
    let quic = |to: &str| {
        let first = Talk::udp(client(CLIENT, 40_009), server(to, 443)).says(&initial).wait(Span::seconds(2));
        first.says(&initial)
    };
    let (cloud, gateway, web) = ("203.0.113.1", "203.0.113.2", "203.0.113.3");
    let audited = audit(merge([
        tls(cloud, "acme.cloud.com"),
        tls(gateway, "acme.cloud.com"),
        Talk::between(client(CLIENT, 40_002), server(gateway, 443)).opened().says(&hello("a.g.nssvc.net")).packets(),
        tls(web, "www.example.com"),
        quic(web).packets(),
        quic(cloud).answers(b"yes").packets(),
        meanwhile(START + Span::seconds(60)),
    ]));
    let hellos = &audited.ledger.hellos;
    let names: Vec<_> = hellos.names().collect();
    // Of two names of a host the one that says more.
    assert_eq!(names, [(address(cloud), CitrixName::Other), (address(gateway), CitrixName::GatewayService)]);
    let path = Path { protocol: protocol::UDP, port: 443, server: address(web), client: address(CLIENT) };
    let [(tried, seen)] = hellos.quic().collect::<Vec<_>>()[..] else { panic!("{hellos:?}") };
    assert_eq!((*tried, seen.flows, seen.first, seen.last), (path, 1, START, START + Span::seconds(2)));
    // A sum is the same in any order.
    let (mut twice, mut other) = (Ledger::default(), audited.ledger.clone());
    twice += &audited.ledger;
    twice += &audited.ledger;
    other += &audited.ledger;
    assert_eq!(twice.hellos, other.hellos);
    assert_eq!(twice.hellos.quic().next().expect("it is there").1.flows, 2);
}

fn steps(ledger: &Ledger) -> Vec<Step> {
    ledger.steps.iter().map(|(_, step)| *step).collect()
}

#[test]
fn a_flow_of_a_session_keeps_its_times_and_how_it_ended() {
    let wait = Span::millis(10);
    let talk = to_cgp(40_001).syn().wait(wait).syn_ack().wait(wait).ack().wait(wait).says(b"\x1aCGP/01");
    let talk = talk.wait(wait).server_ack().wait(wait).answers(b"\x1aCGP/01").wait(Span::seconds(90)).server_reset();
    let [step] = steps(&audit(talk.packets()).ledger)[..] else { panic!("one flow") };
    assert_eq!(step.handshake_rtt.span(), Some(Span::millis(20)));
    assert_eq!(step.data_rtt.span(), Some(wait), "until it was acknowledged, not until it was answered");
    assert_eq!(step.spoke.span(), Some(Span::millis(50)));
    assert_eq!((step.ended, step.idle(), step.payload), (Ended::ServerReset, Some(Span::seconds(90)), [7, 7]));
    assert_eq!((step.first, step.broke), (START, step.last));
}

#[test]
fn silence_counts_before_the_data_that_a_reset_answers() {
    let talk = to_cgp(40_001).opened().says(b"\x1aCGP/01").answers(b"\x1aCGP/01").ack();
    let woken = talk.clone().wait(Span::seconds(600)).says(b"here again").wait(Span::millis(20)).server_reset();
    assert_eq!(steps(&audit(woken.packets()).ledger)[0].idle(), Some(Span::seconds(600)));
    // What was said in between was answered: the reset has another reason.
    let later = talk.wait(Span::seconds(600)).says(b"here again").answers(b"welcome").wait(Span::seconds(30));
    assert_eq!(steps(&audit(later.server_reset().packets()).ledger)[0].idle(), None);
}

#[test]
fn a_flow_that_is_entered_again_is_kept_once_as_it_was_last() {
    let talk = to_cgp(40_001).opened().says(b"\x1aCGP/01").answers(b"\x1aCGP/01").wait(Span::seconds(9)).ack();
    let (before, after) =
        (audit(talk.clone().packets()).ledger, audit(talk.wait(Span::seconds(1)).closed().packets()).ledger);
    for [first, second] in [[&before, &after], [&after, &before]] {
        let mut sum = Ledger::default();
        sum += first;
        sum += second;
        assert_eq!(sum.steps, after.steps);
        assert_eq!(steps(&sum)[0].ended, Ended::ClientClosed);
    }
}
