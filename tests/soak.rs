//! Twenty million short flows, with one worker and with two: nothing is lost or counted twice, and memory stays where it is.
//!
//! `cargo test --release --test soak -- --ignored --nocapture` takes two to three minutes and prints the memory as it goes.

#![cfg(target_os = "linux")]

mod support;

use cap_audit::judge::{Judge, ServiceTally};
use cap_audit::ledger::{Carried, Latency, PATH_LIMIT, SIGHTING_LIMIT};
use cap_audit::matching::ServiceRef;
use cap_audit::packet::{Filling, LinkType, Record, Skip};
use cap_audit::pipeline::{Options, run};
use cap_audit::source::{More, ReadError, Source};
use cap_audit::time::Span;
use std::collections::BTreeMap;
use std::fs;
use std::ops::AddAssign;
use std::process::Command;
use std::time::{Duration, Instant};
use support::{START, Talk, citrix, client, map, server};

/// Flows of one run ...
const FLOWS: u64 = 20_000_000;
/// ... which begins no more of them after this time.
const PATIENCE: Duration = Duration::from_secs(90);
/// So much of a run passes before memory is held to what it is then: by that time the flows that the table gives up are as
/// many as those that begin, and whatever is kept within a limit has reached it.
const WARM_UP: u64 = FLOWS * 15 / 100;
/// How often memory is measured.
const MEASURE_EVERY: u64 = FLOWS / 20;
/// Memory may grow by a tenth, and by so much where that is more.
const ALLOWANCE_KIB: u64 = 16 * 1024;

/// In the steady state this many flows begin in a second of the capture, and a quarter of a million are remembered.
const TICKS_A_SECOND: u64 = 2_000;
const TICK: Span = Span::micros(500);

/// Which run a process is for: every one has its own, so that it does not use again what another has freed.
const WORKERS: &str = "CAP_AUDIT_SOAK_WORKERS";

#[test]
#[ignore = "takes two to three minutes: cargo test --release --test soak -- --ignored --nocapture"]
fn neither_counts_nor_memory_drift_in_millions_of_flows() {
    if let Some(workers) = std::env::var(WORKERS).ok().and_then(|workers| workers.parse().ok()) {
        return soak(workers);
    }
    for workers in ["1", "2"] {
        let program = std::env::current_exe().expect("a test knows its program");
        let mut command = Command::new(program);
        command.args(["--ignored", "--nocapture", "--exact", "neither_counts_nor_memory_drift_in_millions_of_flows"]);
        let status = command.env(WORKERS, workers).status().expect("the program runs");
        assert!(status.success(), "with {workers} workers: see above");
    }
}

fn soak(workers: usize) {
    let begun = Instant::now();
    println!("{workers} workers:");
    let mut traffic = Traffic::new();
    let options = Options { workers, ..Options::default() };
    let harvest = run(&mut [&mut traffic], &citrix(), options).expect("memory can be read");
    let ledger = harvest.ledger;
    let judge = Judge::new(map(), &ledger);
    println!(
        "  {} flows, {} packets, {:.1} hours of capture in {:.0} s; {} sightings, {} paths",
        traffic.begun,
        traffic.sent,
        (harvest.clock.now() - START).as_seconds() / 3_600.0,
        begun.elapsed().as_secs_f64(),
        ledger.sightings.len(),
        ledger.paths.counts()[0],
    );

    traffic.memory.assert_flat();

    let made = traffic.made();
    let sum = |of: fn(&Expected) -> u64| made.values().map(of).sum::<u64>();
    assert_eq!(sum(|made| made.flows), traffic.begun);
    assert_eq!((ledger.received(), ledger.skipped(Skip::NotIp)), (traffic.sent, traffic.not_ip));
    assert_eq!(ledger.decoded, traffic.sent - traffic.not_ip, "all of them were understood");
    assert_eq!((sum(|made| made.packets), ledger.flow_packets), (ledger.decoded, ledger.decoded));
    assert_eq!((ledger.duplicates, harvest.clock.steps_back, harvest.clock.held), (0, 0, 0));
    let tally = judge.tally();
    assert_eq!((tally.flows, tally.evaluable, tally.blocked), (traffic.begun, traffic.begun, sum(|made| made.blocked)));
    assert_eq!((tally.unexpected, tally.not_evaluable), (0, 0));
    assert_eq!(tally.unmapped, made[UNMAPPED].flows);
    assert_eq!(tally.expected + tally.unmapped, tally.flows);

    let mut lines: BTreeMap<&str, Expected> = BTreeMap::new();
    for (service, line) in &judge.services() {
        let name = service.map_or(UNMAPPED, |service: ServiceRef| service.name(map()));
        *lines.entry(name).or_default() += line.into();
    }
    assert_eq!(lines, made, "each service has what was made of it");

    // The limits were reached, or this test would say nothing about them.
    assert_eq!((ledger.sightings.len(), ledger.paths.counts()[0]), (SIGHTING_LIMIT, PATH_LIMIT));
    assert!(ledger.paths.incomplete);
    let listed: u64 = ledger.sightings.iter().map(|(_, seen)| seen.flows).sum();
    assert_eq!(listed + ledger.sightings.unlisted, tally.blocked, "a blocked flow is listed or counted as unlisted");
}

// What passes.

/// What a service must have in the end.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Expected {
    flows: u64,
    packets: u64,
    bytes: u64,
    blocked: u64,
    round_trips: u64,
}

impl AddAssign for Expected {
    fn add_assign(&mut self, other: Expected) {
        let Expected { flows, packets, bytes, blocked, round_trips } = other;
        self.flows += flows;
        self.packets += packets;
        self.bytes += bytes;
        self.blocked += blocked;
        self.round_trips += round_trips;
    }
}

impl From<&ServiceTally<'_>> for Expected {
    fn from(service: &ServiceTally<'_>) -> Expected {
        let ServiceTally { carried: Carried { flows, packets, bytes }, blocked, round_trips, .. } = service;
        let [flows, packets, bytes, blocked] = [flows, packets, bytes, blocked].map(|count| *count);
        Expected { flows, packets, bytes, blocked, round_trips: round_trips.map_or(0, Latency::count) }
    }
}

/// One kind of conversation. All of a kind are alike but for the client.
struct Kind {
    /// The service in the report.
    service: &'static str,
    /// So many clients have such conversations, in turn.
    clients: u64,
    blocked: bool,
    packets: Vec<Template>,
}

/// A packet in which the client's address and port are still to be written.
struct Template {
    /// When it is sent, in ticks after the first.
    after: u64,
    of_client: bool,
    frame: Vec<u8>,
}

/// The numbers of clients have no common divisor with that of the turns, so that every client has every turn. Those of
/// blocked ones are more than the sightings that are kept, and those of ICA more than the paths.
fn kinds() -> [Kind; 7] {
    let from = client(PLACEHOLDER, 1);
    // Each kind has a server of its own, so that no two flows at one time have the same ends.
    let to = |kind: u8, port| server(&format!("10.200.0.{kind}"), port);
    let session = |to, greeting: &[u8]| Talk::between(from, to).opened().says(greeting).answers(greeting).closed();
    let silent = Talk::between(from, to(4, 1494)).syn().syn_again().syn_again();
    let unheard = Talk::udp(from, to(5, 2598)).says(&[7; 100]).says(&[8; 100]).says(&[9; 100]);
    let tries = [0, TICKS_A_SECOND, 3 * TICKS_A_SECOND];
    let at_once = [0, 1, 2, 3, 4, 5, 6, 7];
    [
        Kind::new("cgp", 60_013, session(to(1, 2598), CGP), &at_once),
        Kind::new("ica", 60_013, session(to(2, 1494), ICA), &at_once),
        Kind::new("licensing", 10_007, Talk::between(from, to(3, 27000)).syn().refused(), &at_once).blocked(),
        Kind::new("ica", 10_007, silent, &tries).blocked(),
        Kind::new("edt", 4_001, unheard, &tries).blocked(),
        Kind::new("edt", 20_011, Talk::udp(from, to(6, 1494)).says(&[7; 100]).answers(&[8; 100]), &at_once),
        Kind::new(UNMAPPED, 60_013, session(to(7, 12_345), b"neither of them"), &at_once),
    ]
}

/// Which kind the flows are of, in turn. A quarter is blocked.
const TURNS: [usize; 20] = [0, 1, 0, 2, 3, 0, 1, 0, 4, 0, 5, 1, 0, 2, 3, 0, 1, 0, 6, 0];

/// The service that is none.
const UNMAPPED: &str = "-";

/// Both sides of CGP and of ICA greet with these (facts CGP-01, ICA-01).
const CGP: &[u8] = b"\x1ACGP/01";
const ICA: &[u8] = b"\x7f\x7fICA\x00";

/// The client in templates, and how long the header of Ethernet before it is.
const PLACEHOLDER: &str = "10.0.0.1";
const ETHERNET: usize = 14;

impl Kind {
    fn new(service: &'static str, clients: u64, talk: Talk, after: &[u64]) -> Kind {
        let placeholder = [10, 0, 0, 1];
        let frames = talk.packets().into_iter().map(|(.., frame)| frame);
        let template = |(frame, &after): (Vec<u8>, &u64)| {
            let of_client = frame[ETHERNET + 12..ETHERNET + 16] == placeholder;
            Template { after, of_client, frame }
        };
        Kind { service, clients, blocked: false, packets: frames.zip(after).map(template).collect() }
    }

    fn blocked(self) -> Kind {
        Kind { blocked: true, ..self }
    }

    /// So many of them all together.
    fn expect(&self, flows: u64) -> Expected {
        let bytes: usize = self.packets.iter().map(|packet| packet.frame.len() - ETHERNET).sum();
        // A handshake and a conversation are eight packets.
        let handshake = self.packets.len() == 8;
        Expected {
            flows,
            packets: flows * self.packets.len() as u64,
            bytes: flows * bytes as u64,
            blocked: if self.blocked { flows } else { 0 },
            round_trips: if handshake { flows } else { 0 },
        }
    }
}

/// Conversations of which one begins at each tick. Nothing is stored: what is sent at a tick follows from its number.
struct Traffic {
    kinds: [Kind; 7],
    /// For each delay at which a flow may have a packet: the packet of each kind that has one.
    schedule: Vec<(u64, [Option<usize>; 7])>,
    started: Instant,
    tick: u64,
    /// Flows that are to be made, and that were begun.
    flows: u64,
    begun: u64,
    sent: u64,
    not_ip: u64,
    memory: Memory,
}

/// Number of ticks from one ARP packet to the next.
const ARP_EVERY: u64 = 1_000;

/// So long after the last flow the capture goes on: longer than any grace period.
const AFTER_THE_LAST: u64 = 60 * TICKS_A_SECOND;

/// So many ports a client uses in turn. When it comes to the first again, the flow that had it is long over.
const PORTS: u64 = 200;

/// About half a megabyte.
const BATCH: u64 = 4_096;

impl Traffic {
    fn new() -> Traffic {
        let kinds = kinds();
        let mut delays: Vec<u64> = kinds.iter().flat_map(|kind| &kind.packets).map(|packet| packet.after).collect();
        delays.sort_unstable();
        delays.dedup();
        let sent_then =
            |delay| std::array::from_fn(|kind| kinds[kind].packets.iter().position(|packet| packet.after == delay));
        let schedule = delays.into_iter().map(|delay| (delay, sent_then(delay))).collect();
        Traffic {
            kinds,
            schedule,
            started: Instant::now(),
            tick: 0,
            flows: FLOWS,
            begun: 0,
            sent: 0,
            not_ip: 0,
            memory: Memory::default(),
        }
    }

    /// What each service must have.
    fn made(&self) -> BTreeMap<&'static str, Expected> {
        let mut made: BTreeMap<&'static str, Expected> = BTreeMap::new();
        for (turn, &kind) in TURNS.iter().enumerate() {
            let turns = TURNS.len() as u64;
            let flows = self.begun / turns + u64::from((turn as u64) < self.begun % turns);
            *made.entry(self.kinds[kind].service).or_default() += self.kinds[kind].expect(flows);
        }
        made
    }

    /// What is sent at this tick.
    fn pass(&mut self, filling: &mut Filling<'_>) {
        let Traffic { kinds, schedule, tick, sent, flows, .. } = self;
        for (delay, packets) in schedule {
            let Some(flow) = tick.checked_sub(*delay).filter(|flow| flow < flows) else { continue };
            let kind = TURNS[(flow % TURNS.len() as u64) as usize];
            let Some(packet) = packets[kind] else { continue };
            let Kind { clients, packets, .. } = &kinds[kind];
            let number = flow % clients;
            let [third, fourth] = [number / 250, number % 250 + 1].map(|byte| byte as u8);
            let port = 40_000 + (flow / clients % PORTS) as u16;
            *sent += 1;
            enter(filling, *tick, *sent, &packets[packet].frame, |frame| {
                let (ip, transport) = if packets[packet].of_client { (12, 20) } else { (16, 22) };
                frame[ETHERNET + ip..][..4].copy_from_slice(&[10, 1, third, fourth]);
                frame[ETHERNET + transport..][..2].copy_from_slice(&port.to_be_bytes());
            });
        }
    }

    fn arp(&mut self, filling: &mut Filling<'_>) {
        self.sent += 1;
        self.not_ip += 1;
        let mut frame = [0; 60];
        frame[12..14].copy_from_slice(&[0x08, 0x06]);
        enter(filling, self.tick, self.sent, &frame, |_| {});
    }
}

/// Enters a packet, after `write` has written into it.
fn enter(filling: &mut Filling<'_>, tick: u64, number: u64, frame: &[u8], write: impl FnOnce(&mut [u8])) {
    let (offset, length) = (filling.block.len(), frame.len() as u32);
    filling.block.extend_from_slice(frame);
    write(&mut filling.block[offset..]);
    filling.enter(Record {
        at: START + Span(TICK.0 * tick as i64),
        number: number.into(),
        offset: offset as u32,
        captured: length,
        original: length,
        link: LinkType::ETHERNET,
        capture: 0,
    });
}

impl Source for Traffic {
    fn fill(&mut self, filling: &mut Filling<'_>) -> Result<More, ReadError> {
        filling.block.clear();
        let full = self.sent + BATCH;
        while self.sent < full {
            if self.tick == self.flows + AFTER_THE_LAST {
                self.arp(filling);
                return Ok(More::No);
            }
            if self.tick.is_multiple_of(ARP_EVERY) {
                self.arp(filling);
            }
            self.begun = self.flows.min(self.tick + 1);
            self.pass(filling);
            self.tick += 1;
            if self.tick.is_multiple_of(MEASURE_EVERY) && self.tick <= self.flows {
                self.memory.measure(self.tick, self.started);
            }
        }
        // No more of them than there is time for, and none when it is plain that memory grows.
        if self.tick < self.flows && (self.started.elapsed() > PATIENCE || self.memory.grows()) {
            self.flows = self.tick;
        }
        Ok(More::Maybe)
    }
}

// Memory.

/// What this process had in memory, in KiB.
#[derive(Default)]
struct Memory {
    /// At the end of the warm-up.
    settled: Option<u64>,
    most: u64,
}

impl Memory {
    fn measure(&mut self, flows: u64, started: Instant) {
        let resident = resident_kib();
        println!("  {:>8} flows {:>7} KiB {:>4.0} s", flows, resident, started.elapsed().as_secs_f64());
        if flows >= WARM_UP {
            self.settled.get_or_insert(resident);
            self.most = self.most.max(resident);
        }
    }

    fn bound(&self) -> Option<u64> {
        self.settled.map(|settled| settled + ALLOWANCE_KIB.max(settled / 10))
    }

    fn grows(&self) -> bool {
        self.bound().is_some_and(|bound| self.most > bound)
    }

    fn assert_flat(&self) {
        let settled = self.settled.expect("the machine is too slow, or this is no release build");
        println!("  {settled} KiB after the warm-up, {} KiB at most", self.most);
        assert!(!self.grows(), "memory grows with what has passed");
    }
}

/// What stands in proc_pid_status(5) of the resident set.
fn resident_kib() -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).expect("it is a number of kB")
}
