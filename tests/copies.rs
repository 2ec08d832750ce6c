//! One packet captured twice, packets that overtake each other, and packets that were sent again: only the last are
//! retransmissions. And what bounds memory: fragments and openings.

mod support;

use cap_audit::flow::{FlowRecord, Limits};
use cap_audit::judge::Outcome;
use cap_audit::packet::Skip;
use cap_audit::pipeline::{Options, Sweep};
use cap_audit::time::Span;
use support::*;

const CGP: u16 = 2598;

/// A talk over IPv4 with identifications, one without, and one over IPv6, which has none.
fn three_kinds() -> [Talk; 3] {
    let v4 = || Talk::between(client("10.0.0.14", 40_001), server("10.0.0.22", CGP));
    [v4(), v4().without_ids(), Talk::between(client("fd00::14", 40_001), server("fd00::22", CGP))]
}

fn record(packets: Vec<Captured>) -> FlowRecord {
    flow_to(&audit(packets), CGP).record.clone()
}

fn retransmissions(record: &FlowRecord) -> (u32, u32) {
    (record.from_client.retransmissions, record.from_server.retransmissions)
}

fn micros(micros: i64) -> Span {
    Span::micros(micros)
}

/// A session with bursts of ten segments, as a server sends them.
fn session(talk: Talk) -> Vec<Captured> {
    let step = micros(10);
    let talk = talk.syn().wait(micros(300)).syn_ack().wait(micros(200)).ack().wait(step).says(b"ask");
    let bursts = (0..5).fold(talk, |talk, _| {
        let burst = (0..10).fold(talk.wait(Span::millis(100)), |talk, _| talk.wait(step).answers(&[7; 1_400]));
        burst.wait(Span::millis(1)).ack()
    });
    bursts.wait(step).closed().packets()
}

/// What a second place of the path captures, later by this time.
fn and_again(packets: &[Captured], delay: Span) -> Vec<Captured> {
    merge([packets.to_vec(), scene::later(packets, delay)])
}

// Copies.

#[test]
fn copies_of_a_burst_are_no_retransmissions() {
    for talk in three_kinds() {
        let once = session(talk);
        for delay in [0, 5, 60, 400, 600, 2_000].map(micros) {
            let twice = record(and_again(&once, delay));
            assert_eq!(retransmissions(&twice), (0, 0), "{delay:?} later");
            assert_eq!((twice.syns, twice.syn_acks), (1, 1), "{delay:?} later");
            assert_eq!(twice.handshake_rtt, Some(micros(500)), "{delay:?} later");
        }
    }
}

#[test]
fn five_places_of_one_host_are_no_retransmissions() {
    for talk in three_kinds() {
        let once = session(talk);
        let five = merge((0..5).map(|place| scene::later(&once, micros(place * 40))));
        let record = record(five);
        assert_eq!(retransmissions(&record), (0, 0));
        assert_eq!(record.handshake_rtt, Some(micros(500)));
    }
}

#[test]
fn the_identification_tells_late_copies() {
    // Two interfaces whose packets were written in blocks of a fifth of a second.
    let [talk, ..] = three_kinds();
    let late = record(and_again(&session(talk), Span::millis(200)));
    assert_eq!(retransmissions(&late), (0, 0));
}

#[test]
fn a_copied_syn_ack_hides_no_round_trip() {
    for talk in three_kinds() {
        let copied = talk.syn().wait(micros(300)).syn_ack().wait(micros(200)).mirrored().wait(micros(500)).ack();
        let record = record(copied.packets());
        assert_eq!((record.syn_acks, record.from_server.duplicates), (1, 1));
        assert_eq!(record.handshake_rtt, Some(Span::millis(1)));
    }
}

#[test]
fn copies_without_identification_are_counted_where_they_prove_it() {
    let [_, bare, six] = three_kinds();
    for talk in [bare, six] {
        let talk = talk.opened().wait(Span::millis(10)).says(b"ask").wait(micros(400)).mirrored();
        let record = record(talk.wait(Span::millis(10)).ack().mirrored().packets());
        assert_eq!(record.from_client.duplicates, 1, "two equal acknowledgements may be two packets");
    }
}

// Disorder.

#[test]
fn packets_that_overtake_each_other_are_no_retransmissions() {
    for talk in three_kinds() {
        let mut packets = talk.opened().wait(Span::millis(10)).says(b"ask").packets();
        let mut pairs = {
            let answers = three_kinds().map(|talk| talk.opened());
            let talk = answers.into_iter().find(|talk| same_ends(talk, &packets)).expect("it is one of the three");
            let talk = (0..20).fold(talk.wait(Span::millis(11)), |talk, _| talk.wait(micros(500)).answers(&[7; 1_000]));
            talk.packets().split_off(3)
        };
        for pair in pairs.chunks_mut(2) {
            let [one, other] = pair else { panic!("twenty answers are ten pairs") };
            std::mem::swap(&mut one.3, &mut other.3);
        }
        packets.append(&mut pairs);
        assert_eq!(retransmissions(&record(packets)), (0, 0));
    }
}

fn same_ends(talk: &Talk, packets: &[Captured]) -> bool {
    talk.clone().packets()[0].3 == packets[0].3
}

// What was sent again.

#[test]
fn what_is_sent_again_is_counted() {
    for talk in three_kinds() {
        // By the timer, by a probe for the tail, and after a round trip of five milliseconds.
        let talk = [300, 40, 5].into_iter().fold(talk.opened(), |talk, wait| {
            talk.wait(Span::millis(100)).answers(&[7; 1_000]).wait(Span::millis(wait)).repeats(Who::Server).ack()
        });
        let talk = talk.wait(Span::millis(9)).fin().wait(Span::millis(250)).repeats(Who::Client);
        assert_eq!(retransmissions(&record(talk.packets())), (1, 3));
    }
}

#[test]
fn what_is_sent_again_in_the_middle_of_a_stream_is_counted() {
    for talk in three_kinds() {
        let mut talk = talk.opened().wait(Span::millis(20)).answers(&[7; 1_000]);
        let lost = talk.clone().packets().pop().expect("the answer");
        for _ in 0..20 {
            talk = talk.wait(micros(500)).answers(&[7; 1_000]);
        }
        // One packet after a round trip of ten milliseconds, and its number is the newest.
        let mut again = lost;
        again.0 = talk.now();
        if again.3[12] == 8 {
            again.3[18..20].copy_from_slice(&[0x80, 0x60]);
        }
        let rest = talk.clone().wait(micros(500)).answers(&[7; 1_000]).packets().pop().expect("the last answer");
        let mut packets = talk.packets();
        packets.extend([again, rest]);
        assert_eq!(retransmissions(&record(packets)), (0, 1));
    }
}

#[test]
fn every_repeated_syn_ack_is_counted() {
    for talk in three_kinds() {
        // The timer repeats it, and 60 microseconds later a repeated SYN brings another one.
        let pair = talk.clone().syn().wait(micros(15)).syn_ack().wait(Span::seconds(1)).syn_ack_again();
        let record_of_pair = record(pair.wait(micros(50)).syn_again().wait(micros(10)).syn_ack_again().packets());
        assert_eq!((record_of_pair.syn_acks, retransmissions(&record_of_pair)), (3, (1, 2)));
        assert_eq!(record_of_pair.handshake_rtt, None);
        // Two SYNs waited for the address of the server to be found: each of them is answered.
        let two = talk.syn().wait(Span::seconds(1)).syn_again().wait(micros(100)).syn_ack().wait(micros(40));
        let record_of_two = record(two.syn_ack_again().wait(micros(30)).ack().packets());
        assert_eq!((record_of_two.syns, record_of_two.syn_acks), (2, 2));
        assert_eq!(retransmissions(&record_of_two), (1, 1));
    }
}

#[test]
fn a_keepalive_is_no_retransmission_and_keeps_the_flow() {
    for talk in three_kinds() {
        let talk = talk.opened().says(b"ask").answers(b"answer");
        let number = CLIENT_ISN + 3;
        let probed = (0..3).fold(talk, |talk, _| {
            let probe = talk.wait(Span::seconds(7_200)).numbers(number, SERVER_ISN.wrapping_add(7));
            probe.segment(Who::Client, cap_audit::packet::TcpFlags::ACK, &[0]).server_ack()
        });
        let harvest = audit(probed.packets());
        let flow = flow_to(&harvest, CGP);
        assert_eq!(retransmissions(&flow.record), (0, 0));
        assert_eq!(flow.record.packets(), 11);
    }
}

// One flow or two.

#[test]
fn a_client_that_frees_its_ports_by_a_reset_goes_on_with_its_number_and_begins_anew_with_another() {
    // The server still holds an older connection: it acknowledges that one, and the client resets it and tries again (RFC
    // 9293, 3.5.1).
    for (number, told) in [(CLIENT_ISN, ["SF"].as_slice()), (0x7000_0000, &["RSTOS0", "SF"])] {
        let [talk, ..] = three_kinds();
        let freed = talk.syn().server_ack().reset().wait(Span::seconds(1));
        let session = freed.numbers(number, SERVER_ISN).opened().says(b"ask").answers(b"answer").closed();
        let mut flows = audit(session.packets()).flows;
        flows.sort_by_key(|flow| flow.record.first);
        let states: Vec<&str> = flows.iter().map(|flow| flow.record.state()).collect();
        assert_eq!(states, told, "{flows:#?}");
        let last = flows.last().expect("there is one");
        assert_eq!(last.judgement.outcome, Outcome::Established);
        assert_eq!(retransmissions(&last.record), (u32::from(told.len() == 1), 0), "the SYN again");
    }
}

#[test]
fn what_comes_too_late_to_be_timed_is_not_guessed() {
    // SYNs for 80 minutes, then an answer: longer than the moment of a SYN-ACK can be kept.
    let [talk, ..] = three_kinds();
    let tries = (0..32).fold(talk.syn(), |talk, _| talk.wait(Span::seconds(150)).syn_again());
    let record = record(tries.syn_ack().wait(Span::seconds(1)).syn_ack_again().packets());
    assert_eq!((record.syn_acks, record.answered_at), (2, None));
}

// Bounds.

#[test]
fn the_newest_first_fragments_are_remembered() {
    // More datagrams than are remembered, all within a second; the rest of each follows a hundred datagrams later.
    let talk = Talk::udp(client("10.0.0.14", 40_001), server("10.0.0.22", CGP)).mtu(576);
    let talk = (0..10_000).fold(talk, |talk, _| talk.wait(micros(100)).says(&[7; 700]));
    let (firsts, rests): (Vec<_>, Vec<_>) =
        talk.packets().chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).unzip();
    let harvest = audit(merge([firsts, scene::later(&rests, Span::millis(10))]));
    let skipped: u64 = harvest.ledger.skipped.values().map(|kinds| kinds[Skip::FragmentWithoutStart.index()]).sum();
    assert_eq!(skipped, 0);
    assert_eq!(flow_to(&harvest, CGP).record.from_client.packets, 20_000);
}

#[test]
fn a_fragment_that_comes_too_late_has_no_start() {
    let talk = || Talk::udp(client("10.0.0.14", 40_001), server("10.0.0.22", CGP)).mtu(576).says(&[7; 700]);
    for (late, skipped) in [(Span::seconds(30), 0), (Span::millis(30_001), 1)] {
        let mut packets = talk().packets();
        packets[1].0 = packets[1].0 + late;
        let harvest = audit(packets);
        let without: u64 = harvest.ledger.skipped.values().map(|kinds| kinds[Skip::FragmentWithoutStart.index()]).sum();
        assert_eq!(without, skipped, "{late:?}");
    }
}

/// Clients of one host each begin a long line of HTTP and do not end it.
fn unfinished(count: u16) -> Vec<Captured> {
    let line = [b"GET /".as_slice(), &[b'a'; 3_800]].concat();
    let talks = (0..count).map(|number| {
        let talk = Talk::between(client("10.0.0.14", 20_000 + number), server("10.0.0.22", 80)).opened().says(&line);
        let begun = scene::later(&talk.clone().packets(), Span::millis(i64::from(number)));
        let end = talk.wait(Span::seconds(60)).says(b"/Citrix/ HTTP/1.1\r\nHost: www.example.com\r\n\r\n").packets();
        let end = scene::later(&end[end.len() - 1..], Span::millis(i64::from(number)));
        [begun, end].concat()
    });
    merge(talks)
}

fn named(harvest: &Audited) -> usize {
    let has_name = |flow: &&JudgedFlow| flow.record.heard.as_ref().is_some_and(|heard| heard.server_name().is_some());
    harvest.flows.iter().filter(has_name).count()
}

#[test]
fn beyond_the_limit_of_openings_a_protocol_is_told_by_what_was_heard() {
    let few = audit(unfinished(500));
    assert_eq!((named(&few), few.ledger.openings_given_up), (500, 0));
    // The limit is 68 lines of 3805 bytes, and is kept after each fifty of them: between 40 and 118 stay, those that have waited least.
    let limits = Limits { openings: 256 << 10, ..Limits::default() };
    let packets = unfinished(700);
    let told =
        |workers: usize, sweep: Sweep| audit_with(packets.clone(), Options { workers, sweep, limits, ..keeping() }, 7);
    let one = told(1, Sweep::Never);
    let given_up = one.ledger.openings_given_up;
    assert_eq!((named(&one) as u64 + given_up, one.flows.len(), one.ledger.flows_given_up), (700, 700, 0));
    assert!((582..=660).contains(&given_up), "{given_up}");
    for (workers, sweep) in [(1, Sweep::EveryPacket), (3, Sweep::EveryBatch), (7, Sweep::Never)] {
        let other = told(workers, sweep);
        assert!(one.ledger == other.ledger && one.flows == other.flows, "{workers} workers, {sweep:?}");
    }
}

#[test]
fn openings_that_nobody_ends_give_their_room_back() {
    // Two rounds of clients that say the beginning of a line and nothing more, three hours apart.
    let begun = |count: u16, first: u16| {
        let line = [b"GET /".as_slice(), &[b'a'; 3_800]].concat();
        merge((0..count).map(|number| {
            let talk = Talk::between(client("10.0.0.14", first + number), server("10.0.0.22", 80)).opened().says(&line);
            scene::later(&talk.packets(), Span::millis(i64::from(number)))
        }))
    };
    let later = scene::later(&unfinished(500), Span::seconds(10_800));
    let packets = [begun(540, 50_000), later].concat();
    let limits = Limits { openings: 2 << 20, ..Limits::default() };
    for sweep in [Sweep::Never, Sweep::EveryPacket] {
        let options = Options { workers: 1, sweep, limits, ..keeping() };
        let told = audit_with(packets.clone(), options, 7);
        assert_eq!((named(&told), told.ledger.openings_given_up), (500, 0), "{sweep:?}");
    }
}
