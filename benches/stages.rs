//! What does each stage of the way of a packet cost, with the traffic of `cap-audit bench`?
//!
//! One mix, held in memory, is read, tracked and classified. It is smaller than that of `cap-audit bench`, so that all questions
//! are answered in a few minutes: `cargo bench --bench stages -- table` asks only some of them.

#[path = "../tests/support/batches.rs"]
mod batches;

use batches::Batches;
use cap_audit::audit::{Audit, Flows};
use cap_audit::bench::{Mix, MixError, SERVICES, Sizes};
use cap_audit::flow::{FlowRecord, Limits};
use cap_audit::ledger::Ledger;
use cap_audit::packet::{LinkType, RawPacket, TcpFlags};
use cap_audit::pipeline::{Options, run};
use cap_audit::portmap::PortMap;
use cap_audit::source::{CaptureFile, MemoryFile, More};
use cap_audit::time::{SECOND, Timestamp};
use cap_audit::transport::Transport;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;

fn table(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("how long does a packet take in a table of flows");
    group.sample_size(10);
    for flows in [1_000, 60_000, 1_000_000] {
        let frames = Frames::of_open_flows(flows);
        let (opening, data) = frames.packets.split_at(frames.opening);
        let (mut fresh, mut steady) = (Batches::new(frames.raw(opening)), Batches::new(frames.raw(data)));
        group.throughput(Throughput::Elements(opening.len() as u64));
        group.bench_function(format!("{flows} flows, fresh: handshakes and greetings"), |bencher| {
            bencher.iter_batched_ref(
                || Audit::new(citrix(), Limits::default(), Flows::Counted),
                |audit| fresh.enter(audit),
                BatchSize::PerIteration,
            );
        });
        let mut audit = Audit::new(citrix(), Limits::default(), Flows::Counted);
        fresh.enter(&mut audit);
        group.throughput(Throughput::Elements(data.len() as u64));
        group.bench_function(format!("{flows} flows, steady: packets of known flows in random order"), |bencher| {
            bencher.iter(|| black_box(&mut steady).enter(&mut audit));
        });
    }
    group.finish();
}

fn finished_flow(criterion: &mut Criterion) {
    let map = citrix();
    let records = records();
    let mut group = criterion.benchmark_group("how long does it take to enter a finished flow");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("all services of the mix", |bencher| {
        let mut ledger = Ledger::default();
        bencher.iter(|| {
            for record in black_box(&records) {
                ledger.enter(record, &map);
            }
        });
    });
    group.finish();
}

fn port_map(criterion: &mut Criterion) {
    let map = citrix();
    let mut group = criterion.benchmark_group("how long does it take to look up a port");
    let known: Vec<u16> = SERVICES.iter().map(|service| service.port).collect();
    let unknown: Vec<u16> = (0..11).map(|number| 20_001 + 997 * number).collect();
    for (name, ports) in [("in the map", known), ("not in the map", unknown)] {
        group.throughput(Throughput::Elements(ports.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for &port in black_box(&ports) {
                    black_box(map.lookup(Transport::Tcp, port));
                }
            });
        });
    }
    group.bench_function("to load the map", |bencher| bencher.iter(PortMap::citrix));
    group.finish();
}

fn reader(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("how many packets a second are found in a file in memory");
    group.sample_size(20);
    for (name, bytes) in [("pcap", pcap_of(&mix())), ("pcapng", pcapng_of(&mix()))] {
        group.throughput(Throughput::Elements(mix().packets));
        group.bench_function(name, |bencher| {
            let (mut block, mut records) = (Vec::new(), Vec::new());
            bencher.iter(|| {
                let mut file = open(&bytes);
                let mut next = || {
                    records.clear();
                    file.scan(&mut block, &mut |_, record| records.push(record)).expect("memory can be read")
                };
                while next() == More::Maybe {}
                black_box(&records);
                assert_eq!(file.notes().packets, mix().packets);
            });
        });
    }
    group.finish();
}

fn pipeline(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("how many packets a second from a file in memory to the ledger");
    group.sample_size(10).throughput(Throughput::Elements(mix().packets));
    let bytes = pcap_of(&mix());
    let map = citrix();
    for workers in [1, 2, 4] {
        group.bench_function(format!("a reader and {workers} workers"), |bencher| {
            bencher.iter(|| {
                let options = Options { workers, ..Options::default() };
                run(&mut [open(&bytes)], &map, options).expect("memory can be read")
            });
        });
    }
    group.finish();
}

fn mix() -> Mix {
    Mix { packets: 1_000_000, flows: 20_000, ..Mix::default() }
}

fn citrix() -> Arc<PortMap> {
    Arc::new(PortMap::citrix())
}

fn open(bytes: &Arc<Vec<u8>>) -> CaptureFile {
    CaptureFile::from_reader(Box::new(MemoryFile::new(Arc::clone(bytes))), "the mix", 0).expect("it was just written")
}

/// Frames of open TCP sessions in memory: first those that open them, then others in random order.
struct Frames {
    bytes: Vec<u8>,
    packets: Vec<Place>,
    opening: usize,
}

/// Where a frame lies: time, start and length.
type Place = (Timestamp, usize, usize);

impl Frames {
    /// Sessions that greet each other with CGP: five packets of each, then 400,000 data packets or more.
    fn of_open_flows(flows: u32) -> Frames {
        let shares = SERVICES.map(|service| u32::from(service.name == "cgp"));
        let mix = |packets: u64| Mix {
            packets,
            flows,
            sizes: Sizes { empty: 1, small: 1, full: 0 },
            shares,
            ..Mix::default()
        };
        let Err(MixError::TooFewPackets { needed }) = mix(0).traffic().map(|_| ()) else {
            panic!("without packets there is no mix");
        };
        let mut frames = Frames { bytes: Vec::new(), packets: Vec::new(), opening: 0 };
        // Flows open in the first half minute and close in the second.
        frames.add(&mix(needed), |second, _| second < 30);
        frames.opening = frames.packets.len();
        assert_eq!(frames.opening, flows as usize * 5, "each flow opens with five packets");
        frames.add(&mix(needed + 1_000_000), |second, fin| second >= 30 && !fin);
        frames
    }

    fn add(&mut self, mix: &Mix, wanted: impl Fn(i64, bool) -> bool) {
        let mut traffic = mix.traffic().expect("there are enough packets");
        let mut start = None;
        while let Some((at, bytes)) = traffic.packet() {
            let second = (at - *start.get_or_insert(at)).0 / SECOND;
            let fin = bytes[47] & TcpFlags::FIN != 0;
            if wanted(second, fin) {
                self.packets.push((at, self.bytes.len(), bytes.len()));
                self.bytes.extend_from_slice(bytes);
            }
        }
    }

    fn raw<'a>(&'a self, places: &'a [Place]) -> impl Iterator<Item = RawPacket<'a>> {
        places.iter().enumerate().map(|(number, &(at, start, length))| RawPacket {
            at,
            number: number as u64 + 1,
            capture: 0,
            link: LinkType::ETHERNET,
            original: length as u32,
            bytes: &self.bytes[start..start + length],
        })
    }
}

/// One finished flow of each conduct and service, many times.
fn records() -> Vec<FlowRecord> {
    let mix = Mix { packets: 30_000, flows: 1_000, ..Mix::default() };
    let mut traffic = mix.traffic().expect("there are enough packets");
    let mut audit = Audit::new(citrix(), Limits::default(), Flows::Kept);
    let (mut number, mut end) = (0, Timestamp::default());
    while let Some((at, bytes)) = traffic.packet() {
        (number, end) = (number + 1, at);
        let original = bytes.len() as u32;
        audit.observe(&RawPacket { at, number, capture: 0, link: LinkType::ETHERNET, original, bytes });
    }
    audit.finish(end).1
}

fn pcap_of(mix: &Mix) -> Arc<Vec<u8>> {
    let traffic = mix.traffic().expect("there are enough packets");
    Arc::new(traffic.write(Vec::new()).expect("memory takes all"))
}

/// The same packets as enhanced packet blocks with times in nanoseconds (draft-ietf-opsawg-pcapng).
fn pcapng_of(mix: &Mix) -> Arc<Vec<u8>> {
    let mut file = Vec::new();
    block(&mut file, 0x0A0D_0D0A, |body| {
        body.extend(0x1A2B_3C4D_u32.to_le_bytes());
        body.extend([1, 0, 0, 0]);
        body.extend([0xff; 8]);
    });
    // Ethernet, no limit to the length, and option 9: a billionth of a second.
    block(&mut file, 1, |body| body.extend([1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]));
    let mut traffic = mix.traffic().expect("there are enough packets");
    while let Some((at, bytes)) = traffic.packet() {
        block(&mut file, 6, |body| {
            let [high, low] = [(at.0 >> 32) as u32, at.0 as u32];
            for word in [0, high, low, bytes.len() as u32, bytes.len() as u32] {
                body.extend(word.to_le_bytes());
            }
            body.extend(bytes);
        });
    }
    Arc::new(file)
}

fn block(file: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = file.len();
    file.extend(kind.to_le_bytes());
    file.extend([0; 4]);
    body(file);
    file.resize(file.len().next_multiple_of(4), 0);
    let length = ((file.len() + 4 - start) as u32).to_le_bytes();
    file[start + 4..start + 8].copy_from_slice(&length);
    file.extend(length);
}

criterion_group!(benches, table, finished_flow, port_map, reader, pipeline);
criterion_main!(benches);
