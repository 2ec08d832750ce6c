//! How much memory do a million open flows take, in the text report?
//!
//! Writes a capture of a million flows, all of them open to the end and with payload of both sides, to the system's temporary
//! directory, audits it with the program itself, and prints the largest resident set that Linux counted for it.

#[path = "../tests/support/mod.rs"]
mod support;

use cap_audit::packet::LinkType;
use cap_audit::source::{Fractions, PcapWriter};
use cap_audit::time::{Span, Timestamp};
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{Talk, client, server};

const FLOWS: u32 = 1_000_000;

fn main() {
    if !Path::new("/proc/self/status").exists() {
        println!("skipped: there is no /proc here to read the memory from");
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("million.pcap");
    let packets = write_capture(&path);
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_cap-audit"))
        .arg("file")
        .arg(&path)
        .stdout(Stdio::null())
        .spawn()
        .expect("the program runs");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("a child can be waited for").is_none() {
        peak = peak.max(peak_kib(&status));
        std::thread::sleep(Duration::from_millis(5));
    }
    println!(
        "{FLOWS} flows, {packets} packets: {} MB at most, {:.1} s",
        peak * 1024 / 1_000_000,
        started.elapsed().as_secs_f64()
    );
}

fn peak_kib(status: &str) -> u64 {
    let text = fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn write_capture(path: &Path) -> u64 {
    let file = File::create(path).expect("a file can be made in a temporary directory");
    let mut writer =
        PcapWriter::new(BufWriter::new(file), LinkType::ETHERNET, Fractions::Nanoseconds).expect("it can be written");
    let mut at = Timestamp::new(1_700_000_000, 0);
    let mut packets = 0;
    for flow in 0..FLOWS {
        let port = [2598, 1494, 443, 27000, 80][flow as usize % 5];
        let from = client(
            &format!("10.{}.{}.{}", flow / 62_500 + 1, flow / 250 % 250, flow % 250 + 1),
            40_000 + (flow % 20_000) as u16,
        );
        let talk = Talk::between(from, server(&format!("10.200.0.{}", flow % 200 + 1), port)).opened();
        for (_, _, original, bytes) in talk.says(&[0x55; 40]).answers(&[0xaa; 40]).packets() {
            writer.write(at, original, &bytes).expect("it can be written");
            at = at + Span::micros(20);
            packets += 1;
        }
    }
    writer.finish().expect("it can be written");
    packets
}
