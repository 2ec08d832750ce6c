//! What a ledger keeps for conclusions that are drawn later: when a path was answered, and by what those who answered, refused or
//! rejected for a server can be told apart.

mod support;

use cap_audit::flow::Sender;
use cap_audit::ledger::{Answered, Ended, Ledger, Path, Reply, Seen, Signed, Step};
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
    let audited = audit(to_cgp(40_001).vlans(&[7]).syn().refused().packets());
    let seen = seen(&audited.ledger);
    let [reset] = seen.signs.iter().collect::<Vec<_>>()[..] else { panic!("one sign: {seen:#?}") };
    // A talk counts the server's identifications up from 0x8000, and this is the first.
    let headers = Sender { ttl: TTL, identification: 0x8001, window: WINDOW };
    let opener = *seen.openers.first().expect("a flow has a first packet");
    assert_eq!(*reset, Signed { opener, what: Reply::Reset, from: address(SERVER), headers });
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
fn a_syn_ack_that_nobody_acknowledges_answers_no_path() {
    let again = |talk: Talk| talk.wait(Span::seconds(2)).syn_ack_again();
    let half_open = again(again(again(to_cgp(40_001).syn().syn_ack())));
    let audited = audit(merge([half_open.packets(), meanwhile(START + Span::seconds(60))]));
    assert_eq!(audited.ledger.paths.counts(), [0, 0, 0]);
    let greeting = seen(&audited.ledger).signs.iter().any(|sign| sign.what == Reply::Greeting);
    assert!(greeting, "who answered is kept all the same");
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
