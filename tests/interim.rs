//! An audit that is asked how things stand while it goes on: each flow is told once, as soon as something can be said of it, and in the
//! end the sum is the same as if nobody had asked.

mod support;

use cap_audit::audit::{Audit, Flows};
use cap_audit::flow::{Depth, Limits};
use cap_audit::ledger::Ledger;
use cap_audit::packet::RawPacket;
use cap_audit::time::Span;
use support::*;

/// One of each: silent, refused, established, rejected on the way, without a reply, and with a handshake that hangs.
fn case(number: u16) -> Vec<Captured> {
    let (from, to) = (|index| client("10.1.0.7", 40_000 + 10 * number + index), |port| server("10.1.0.8", port));
    let silent =
        Talk::between(from(0), to(2598)).syn().wait(Span::seconds(1)).syn_again().wait(Span::seconds(2)).syn_again();
    let hangs = Talk::between(from(3), to(1494)).syn().syn_ack().wait(Span::seconds(1)).syn_ack_again();
    let unheard = Talk::udp(from(4), to(2598)).says(b"who").wait(Span::seconds(2)).says(b"is there");
    merge([
        silent.packets(),
        Talk::between(from(1), to(27_000)).syn().refused().packets(),
        Talk::between(from(2), to(1494)).opened().says(b"\x7f\x7fICA\0").answers(b"\x7f\x7fICA\0").closed().packets(),
        hangs.packets(),
        unheard.packets(),
        Talk::between(from(5), to(7279)).syn().error("10.1.0.1", 3, 13).packets(),
    ])
}

const FLOWS_OF_A_CASE: u64 = 6;

/// Enters packets and asks at every full second of the capture, and for some seconds after its end. Gives what was told each time, and
/// the sum in the end.
fn asked(packets: &[Captured], seconds_after: i64, sweep: bool) -> (Vec<Ledger>, Ledger) {
    let mut audit = Audit::new(citrix(), Limits::default(), Flows::Counted);
    audit.answers_questions();
    let (mut news, mut now) = (Vec::new(), START + Span::seconds(1));
    let mut ask = |audit: &mut Audit, now| {
        if sweep {
            audit.sweep(now, usize::MAX);
        }
        news.push(audit.interim(now, Depth::Questions).news);
    };
    for (raw, at) in raw(packets) {
        while now <= at {
            ask(&mut audit, now);
            now = now + Span::seconds(1);
        }
        audit.observe(&raw);
    }
    for _ in 0..seconds_after {
        ask(&mut audit, now);
        now = now + Span::seconds(1);
    }
    let (ledger, _) = audit.finish(now);
    (news, ledger)
}

fn not_asked(packets: &[Captured], seconds_after: i64) -> Ledger {
    let mut audit = Audit::new(citrix(), Limits::default(), Flows::Counted);
    let mut end = START + Span::seconds(1);
    for (raw, at) in raw(packets) {
        audit.observe(&raw);
        while end <= at {
            end = end + Span::seconds(1);
        }
    }
    audit.finish(end + Span::seconds(seconds_after)).0
}

fn raw(packets: &[Captured]) -> impl Iterator<Item = (RawPacket<'_>, cap_audit::time::Timestamp)> {
    packets.iter().zip(1..).map(|((at, link, original, bytes), number)| {
        (RawPacket { at: *at, number, capture: 0, link: *link, original: *original, bytes }, *at)
    })
}

fn flows(ledger: &Ledger) -> u64 {
    ledger.kinds.iter().map(|(_, carried)| carried.flows).sum()
}

#[test]
fn asking_changes_nothing_in_the_end() {
    let packets = merge((0..20).map(case));
    for seconds_after in [0, 3, 30, 400] {
        let expected = not_asked(&packets, seconds_after);
        for sweep in [false, true] {
            assert_eq!(asked(&packets, seconds_after, sweep).1, expected, "{seconds_after} s, sweep: {sweep}");
        }
    }
}

#[test]
fn each_flow_is_told_once_whether_it_goes_on_or_has_ended() {
    let packets = merge((0..20).map(case));
    for sweep in [false, true] {
        let (news, _) = asked(&packets, 400, sweep);
        assert_eq!(news.iter().map(flows).sum::<u64>(), 20 * FLOWS_OF_A_CASE, "sweep: {sweep}");
        let told: Vec<u64> = news.iter().map(flows).collect();
        assert_eq!(&told[..2], [60, 0], "what is refused, rejected or established at once");
        let by_then: u64 = told[..6].iter().sum();
        assert_eq!(by_then, 20 * FLOWS_OF_A_CASE, "silence when it has lasted four seconds: {told:?}");
    }
}

#[test]
fn what_turns_out_otherwise_is_told_again() {
    let silent = Talk::between(client("10.1.0.7", 40_000), server("10.1.0.8", 2598));
    let silent = silent
        .syn()
        .wait(Span::seconds(1))
        .syn_again()
        .wait(Span::seconds(2))
        .syn_again()
        .wait(Span::seconds(4))
        .syn_again();
    let late = silent.syn_ack().ack().says(b"\x1ACGP/01").answers(b"\x1ACGP/01");
    let (news, ledger) = asked(&late.packets(), 10, false);
    let told: Vec<u64> = news.iter().map(flows).collect();
    assert_eq!(told.iter().sum::<u64>(), 2, "silent, then answered: {told:?}");
    assert_eq!(flows(&ledger), 1);
}

#[test]
fn where_nothing_changes_nothing_is_handed_over() {
    let silent = |number: u16| {
        let talk = Talk::between(client("10.1.0.7", 10_000 + number), server("10.1.0.8", 2598));
        talk.syn().wait(Span::seconds(1)).syn_again().wait(Span::seconds(2)).syn_again().packets()
    };
    let (news, _) = asked(&merge((0..3_000).map(silent)), 100, false);
    let told: Vec<u64> = news.iter().map(flows).filter(|&flows| flows > 0).collect();
    assert_eq!(told, [3_000], "once, however often it is asked");
}
