//! How long does one packet take, and how many packets a second does a capture file give?
//!
//! The workload is many TCP flows, interleaved, all of them open. `cargo bench` writes one capture of 1 GB to the system's temporary
//! directory, reads it from the page cache, and removes it.

#[path = "../tests/support/batches.rs"]
mod batches;
#[path = "../tests/support/mod.rs"]
mod support;

use batches::Batches;
use cap_audit::audit::{Audit, Flows};
use cap_audit::flow::Limits;
use cap_audit::packet::{LinkType, RawPacket, decode};
use cap_audit::pipeline::{Options, run};
use cap_audit::source::{CaptureFile, Fractions, PcapWriter};
use cap_audit::time::{Span, Timestamp};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::fs::File;
use std::hint::black_box;
use std::io::BufWriter;
use std::path::Path;
use support::{Captured, Talk, citrix, client, server};

/// Flows on five ports, opened, then `rounds` data segments of each, the flows taking turns.
fn open_flows(flows: u32, rounds: usize, payload: usize) -> (Vec<Captured>, Vec<Captured>) {
    let (mut opening, mut data) = (Vec::new(), vec![Vec::new(); rounds]);
    for flow in 0..flows {
        let port = [2598, 1494, 443, 27000, 80][flow as usize % 5];
        let from = client(&format!("10.1.{}.{}", flow / 250 % 250, flow % 250 + 1), 40_000 + (flow / 62_500) as u16);
        let to = server(&format!("10.2.{}.{}", flow % 7, flow % 200 + 1), port);
        let mut talk = Talk::between(from, to).at(Timestamp::new(1_700_000_000, 0)).opened();
        for round in 0..rounds {
            let bytes = vec![0x55; payload];
            talk = if round % 2 == 0 { talk.answers(&bytes) } else { talk.says(&bytes) };
        }
        let mut packets = talk.packets();
        for (round, packet) in packets.split_off(3).into_iter().enumerate() {
            data[round].push(packet);
        }
        opening.extend(packets);
    }
    (opening, data.into_iter().flatten().collect())
}

fn raw(index: usize, (at, link, original, bytes): &Captured) -> RawPacket<'_> {
    RawPacket { at: *at, number: index as u64 + 1, capture: 0, link: *link, original: *original, bytes }
}

fn one_packet(criterion: &mut Criterion) {
    let (_, data) = open_flows(1_000, 4, 200);
    let packets: Vec<RawPacket<'_>> = data.iter().enumerate().map(|(index, packet)| raw(index, packet)).collect();
    let mut group = criterion.benchmark_group("how long does one packet take");
    group.throughput(Throughput::Elements(packets.len() as u64));
    group.bench_function("to decode", |bencher| {
        bencher.iter(|| {
            for packet in &packets {
                let _ = black_box(decode(black_box(packet)));
            }
        });
    });
    for flows in [1_000, 60_000] {
        let (opening, data) = open_flows(flows, 4, 200);
        let mut audit = Audit::new(citrix(), Limits::default(), Flows::Counted);
        Batches::new(opening.iter().enumerate().map(|(index, packet)| raw(index, packet))).enter(&mut audit);
        let mut packets = Batches::new(data.iter().enumerate().map(|(index, packet)| raw(index, packet)));
        packets.enter(&mut audit);
        group.throughput(Throughput::Elements(data.len() as u64));
        group.bench_function(format!("to decode and track, one of {flows} known flows"), |bencher| {
            bencher.iter(|| black_box(&mut packets).enter(&mut audit));
        });
    }
    group.finish();
}

fn one_file(criterion: &mut Criterion) {
    const PACKETS: u64 = 2_000_000;
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("bench.pcap");
    write_capture(&path, PACKETS);
    let mut group = criterion.benchmark_group("how many packets a second from a file of 1 GB in the page cache");
    group.throughput(Throughput::Elements(PACKETS)).sample_size(10);
    for workers in [1, 2] {
        group.bench_function(format!("500-byte packets, {workers} worker beside the reader"), |bencher| {
            bencher.iter(|| {
                let file = CaptureFile::open(&path, 0).expect("the file was just written");
                run(&mut [file], &citrix(), Options { workers, ..Options::default() })
                    .expect("the file was just written")
            });
        });
    }
    group.finish();
}

fn write_capture(path: &Path, packets: u64) {
    let file = File::create(path).expect("a file can be made in a temporary directory");
    let mut writer =
        PcapWriter::new(BufWriter::new(file), LinkType::ETHERNET, Fractions::Nanoseconds).expect("it can be written");
    let (opening, data) = open_flows(60_000, 4, 446);
    let mut at = Timestamp::new(1_700_000_000, 0);
    for (_, _, original, bytes) in opening.iter().chain(data.iter().cycle()).take(packets as usize) {
        writer.write(at, *original, bytes).expect("it can be written");
        at = at + Span::micros(5);
    }
    writer.finish().expect("it can be written");
}

criterion_group!(benches, one_packet, one_file);
criterion_main!(benches);
