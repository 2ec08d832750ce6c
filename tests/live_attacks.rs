//! What a live audit must stand: readers that stop, terminals that are held, signals at the wrong time, and floods. Needs root;
//! elsewhere each test says that it was skipped.

#![cfg(all(feature = "live", target_os = "linux"))]

mod netns;
mod skip;

use netns::{Host, Net};
use pcap::{Active, Capture};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

// A reader that stops.

#[test]
fn where_nobody_reads_memory_stays_and_the_first_ctrl_c_ends() {
    let Some(net) = Net::new() else { return };
    let mut watch = Watch::new(&net, &["one", "--format", "ndjson"]);
    refused_again_and_again(&net, 4_000);
    thread::sleep(Duration::from_millis(2_500));
    let before = watch.memory_kib();
    for _ in 0..3 {
        refused_again_and_again(&net, 4_000);
        thread::sleep(Duration::from_millis(500));
    }
    let grown = watch.memory_kib().saturating_sub(before);
    assert!(grown < 12 * 1024, "12,000 lines that nobody reads are more than {grown} KiB");

    let asked = Instant::now();
    watch.signal(Signal::INT);
    let code = watch.wait();
    let took = asked.elapsed();
    assert!(took >= Duration::from_millis(1_900) && took < Duration::from_secs(8), "{took:?}");
    let err = watch.err();
    assert_eq!(code, Some(3), "{err}");
    let told = "cap-audit: nobody reads the output, so the rest of the report is left out";
    assert_eq!(err.lines().last(), Some(told), "{err}");
}

#[test]
fn where_nobody_reads_the_second_signal_ends_at_once() {
    let Some(net) = Net::new() else { return };
    let mut watch = Watch::new(&net, &["one", "--format", "ndjson"]);
    refused_again_and_again(&net, 4_000);
    thread::sleep(Duration::from_millis(1_500));
    watch.signal(Signal::TERM);
    thread::sleep(Duration::from_millis(300));
    let asked = Instant::now();
    watch.signal(Signal::INT);
    assert_eq!(watch.wait(), Some(130));
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
}

#[test]
fn a_reader_that_was_away_reads_how_many_lines_were_left_out() {
    let Some(net) = Net::new() else { return };
    let mut watch = Watch::new(&net, &["one", "--format", "ndjson"]);
    for _ in 0..3 {
        refused_again_and_again(&net, 4_000);
        thread::sleep(Duration::from_millis(1_200));
    }
    let reader = watch.reads();
    thread::sleep(Duration::from_millis(500));
    watch.signal(Signal::INT);
    assert_eq!(watch.wait(), Some(1), "{}", watch.err());
    let lines = reader.join().expect("lines are text");
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect("lines are JSON")).collect();
    let of_type = |name: &str| lines.iter().filter(|line| line["type"] == name).count() as u64;
    let left_out: u64 =
        lines.iter().filter(|line| line["type"] == "left_out").filter_map(|line| line["flows"].as_u64()).sum();
    let last = lines.last().expect("there is a summary");
    assert_eq!((&last["type"], &last["totals"]["flows"]), (&"summary".into(), &12_000.into()), "{last}");
    assert!(left_out > 3_000, "{left_out}: more lines than a queue takes were to be written");
    assert_eq!(of_type("flow") + left_out, 12_000, "each flow is a line or counted as left out");
    let found: Vec<&Value> = lines.iter().filter(|line| line["type"] == "finding").map(|line| &line["code"]).collect();
    assert_eq!(found, ["blocked.refused", "service.stopped"], "what was found is told all the same");
}

#[test]
fn on_a_terminal_that_is_held_ctrl_c_is_heard() {
    let Some(net) = Net::new() else { return };
    let mut watch = Watch::on_a_terminal(&net, &["one"]);
    // The line that says how things stand fills what the terminal takes while nobody looks at it.
    refused_again_and_again(&net, 100);
    thread::sleep(Duration::from_millis(500));
    watch.hold();
    thread::sleep(Duration::from_millis(2_500));
    let asked = Instant::now();
    watch.signal(Signal::INT);
    let code = watch.wait();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(code, Some(3));
}

// Signals.

#[test]
fn a_terminal_that_is_closed_ends_with_the_report() {
    let Some(net) = Net::new() else { return };
    let mut watch = Watch::new(&net, &["one", "--format", "json"]);
    let reader = watch.reads();
    refused_again_and_again(&net, 10);
    thread::sleep(Duration::from_millis(500));
    watch.signal(Signal::HUP);
    assert_eq!(watch.wait(), Some(1), "{}", watch.err());
    let report = reader.join().expect("the report is text").concat();
    let report: Value = serde_json::from_str(&report).expect("the report is JSON");
    assert_eq!(report["totals"]["flows"], 10);
}

#[test]
fn under_nohup_a_terminal_that_is_closed_is_no_matter() {
    let Some(net) = Net::new() else { return };
    let mut watch = Watch::under_nohup(&net, &["one", "--format", "json"]);
    let reader = watch.reads();
    watch.signal(Signal::HUP);
    thread::sleep(Duration::from_millis(500));
    refused_again_and_again(&net, 10);
    thread::sleep(Duration::from_millis(500));
    watch.signal(Signal::TERM);
    assert_eq!(watch.wait(), Some(1), "{}", watch.err());
    let report = reader.join().expect("the report is text").concat();
    let report: Value = serde_json::from_str(&report).expect("the report is JSON");
    assert_eq!(report["totals"]["flows"], 10, "what came after the signal was seen");
}

// Floods.

/// What one flood must come to. Sender, kernel and program share the machine: the figures are meant for two cores that do nothing else.
struct Flood {
    /// New flows in a second.
    rate: u64,
    seconds: u64,
    /// How many of a hundred packets may be lost.
    may_lose: f64,
}

const FLOODS: [Flood; 2] =
    [Flood { rate: 100_000, seconds: 60, may_lose: 0.0 }, Flood { rate: 200_000, seconds: 60, may_lose: 10.0 }];
/// Shorter floods, to try something out.
const SECONDS: &str = "CAP_AUDIT_FLOOD_SECONDS";
const MOST_MEMORY_KIB: u64 = 800_000_000 / 1_024;
const SOONEST_REPORT: Duration = Duration::from_secs(3);

/// Measured on two cores, the sender on the same two (alone it sends 530,000 packets a second), for 25 seconds: nothing was lost at either
/// rate; 578 MiB and 636 MiB as text, 607 MiB and 660 MiB as NDJSON; the report came after 1.2 to 1.8 seconds.
///
/// `cargo test --release --test live_attacks -- --ignored --nocapture` takes five minutes. A bound that another load on the machine
/// broke is no fault: run it on an idle one.
#[test]
#[ignore = "five minutes, on a machine that does nothing else: cargo test --release --test live_attacks -- --ignored --nocapture"]
fn a_flood_costs_no_packets_and_hides_nothing() {
    let Some(net) = Net::new() else { return };
    let alone = flood(&net, u64::MAX, Duration::from_secs(5));
    println!("the sender alone: {:.0} packets a second", alone as f64 / 5.0);
    let mut broken = Vec::new();
    for Flood { rate, seconds, may_lose } in FLOODS {
        let seconds = std::env::var(SECONDS).ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(seconds);
        for format in ["text", "ndjson"] {
            let mut watch = Watch::new(&net, &["one", "--format", format]);
            let reader = watch.reads();
            let sent = flood(&net, rate, Duration::from_secs(seconds));
            let asked = Instant::now();
            watch.signal(Signal::INT);
            let (code, most_kib) = watch.wait_and_measure();
            let took = asked.elapsed();
            let lines = reader.join().expect("it is text");
            let (seen, left_out) = match format {
                "text" => (packets_in_text(&lines), 0),
                _ => packets_in_lines(&lines),
            };
            let lost = 100.0 - seen as f64 * 100.0 / sent as f64;
            println!(
                "{rate} a second for {seconds} s, {format}: sent {sent}, lost {lost:.2} %, {} MiB, report after {:.1} s, {} lines, \
                 {left_out} left out",
                most_kib / 1024,
                took.as_secs_f64(),
                lines.len(),
            );
            let told = lines.iter().any(|line| line.contains("blocked.silent") && line.contains("10.1.0.20"))
                || format == "text" && lines.iter().any(|line| line.contains("10.1.0.20"));
            let bounds = [
                (lost <= may_lose, "packets are lost"),
                (most_kib <= MOST_MEMORY_KIB, "memory"),
                (took <= SOONEST_REPORT, "the report comes late"),
                (told && code == Some(1), "the case among it is not told"),
            ];
            broken.extend(bounds.iter().filter(|(held, _)| !held).map(|(_, what)| format!("{rate} {format}: {what}")));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// From "one (live, ethernet): 6,000,007 packets, ..." of the last report.
fn packets_in_text(lines: &[String]) -> u64 {
    let line =
        lines.iter().rev().find_map(|line| line.strip_prefix("one (live, ethernet): ")).expect("there is a report");
    line.split_whitespace().next().expect("with a number").replace(',', "").parse().expect("it is a number")
}

/// Packets of the summary, and flows without a line.
fn packets_in_lines(lines: &[String]) -> (u64, u64) {
    let objects = |kind: &str| {
        let start = format!("{{\"type\":\"{kind}\"");
        let of_kind = lines.iter().filter(move |line| line.starts_with(&start));
        of_kind.map(|line| serde_json::from_str::<Value>(line).expect("lines are JSON")).collect::<Vec<_>>()
    };
    let left_out: u64 = objects("left_out").iter().filter_map(|line| line["flows"].as_u64()).sum();
    let summary = objects("summary").pop().expect("there is a summary");
    let flows = lines.iter().filter(|line| line.starts_with("{\"type\":\"flow\"")).count() as u64;
    assert_eq!(flows + left_out, summary["totals"]["flows"].as_u64().expect("a number"), "lines and those left out");
    (summary["totals"]["packets"].as_u64().expect("a number"), left_out)
}

/// Single SYNs of forged clients to one port, and of one client to all ports; among them one client of Citrix that is not answered.
/// Gives how many packets were sent.
fn flood(net: &Net, rate: u64, time: Duration) -> u64 {
    from_far(net, |out| {
        let (begun, mut sent, mut tries) = (Instant::now(), 0_u64, [0, 1, 3, 7].iter().peekable());
        loop {
            let passed = begun.elapsed();
            if passed >= time {
                return sent;
            }
            if tries.next_if(|&&at| passed >= Duration::from_secs(1 + at)).is_some() {
                let syn = segment(([10, 1, 0, 7], 50_123), ([10, 1, 0, 20], 1494), 7, 0, SYN);
                out.sendpacket(syn).expect("it can be sent");
                sent += 1;
            }
            let due = (passed.as_secs_f64() * rate as f64) as u64;
            if sent >= due {
                thread::sleep(Duration::from_micros(200));
                continue;
            }
            for _ in 0..(due - sent).min(64) {
                // A permutation, so that no flow comes twice.
                let [a, b, c, d, ..] = (sent as u32).wrapping_mul(0x9e37_79b1).to_be_bytes();
                let port = u16::from_be_bytes([c, d]);
                let syn = match sent % 2 {
                    0 => {
                        segment(([172, 16 + a % 16, b, 1 + c % 250], port), ([10, 1, 0, 8], 2598), sent as u32, 0, SYN)
                    }
                    _ => segment(([10, 1, 0, 9], (sent >> 17) as u16 + 1_024), ([10, 1, a % 4, b], port), 1, 0, SYN),
                };
                // Where the queue is full it is not sent.
                sent += u64::from(out.sendpacket(syn).is_ok());
            }
        }
    })
}

// The program under test.

/// A program that runs. It does not outlive this value.
struct Watch {
    child: Child,
    out: Option<ChildStdout>,
    err: thread::JoinHandle<String>,
    /// Our side of its terminal.
    terminal: Option<File>,
}

/// Nothing here may take longer.
const PATIENCE: Duration = Duration::from_secs(40);

impl Watch {
    /// `cap-audit live` on the near host, of which nobody reads what it writes; returns once it watches.
    fn new(net: &Net, arguments: &[&str]) -> Watch {
        let mut command = on_near(net, env!("CARGO_BIN_EXE_cap-audit"));
        Watch::start(command.arg("live").args(arguments).stdout(Stdio::piped()))
    }

    fn under_nohup(net: &Net, arguments: &[&str]) -> Watch {
        let mut command = on_near(net, "nohup");
        Watch::start(command.arg(env!("CARGO_BIN_EXE_cap-audit")).arg("live").args(arguments).stdout(Stdio::piped()))
    }

    fn start(command: &mut Command) -> Watch {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("iproute2 is there");
        let mut lines = BufReader::new(child.stderr.take().expect("it was piped"));
        let mut said = String::new();
        while !said.contains("watching ") {
            assert!(lines.read_line(&mut said).is_ok_and(|bytes| bytes > 0), "it does not watch: {said}");
        }
        let err = thread::spawn(move || {
            let _ = lines.read_to_string(&mut said);
            said
        });
        Watch { out: child.stdout.take(), child, err, terminal: None }
    }

    /// On a terminal of its own, whose screen is read until it watches, and no further.
    fn on_a_terminal(net: &Net, arguments: &[&str]) -> Watch {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
        let name = ptsname(&ours, Vec::new()).expect("it has a name").into_string().expect("which is text");
        let theirs = File::options().read(true).write(true).open(name).expect("it is there");
        let mut terminal = File::from(ours);
        let [out, err] = [(); 2].map(|()| theirs.try_clone().expect("there are descriptors"));
        let mut command = on_near(net, env!("CARGO_BIN_EXE_cap-audit"));
        command.arg("live").args(arguments).stdin(theirs).stdout(out).stderr(err);
        let child = command.spawn().expect("iproute2 is there");
        drop(command);
        let (mut said, mut piece) = (String::new(), [0; 1024]);
        while !said.contains("watching ") {
            let bytes = terminal.read(&mut piece).expect("it does not watch");
            said += &String::from_utf8_lossy(&piece[..bytes]);
        }
        Watch { child, out: None, err: thread::spawn(String::new), terminal: Some(terminal) }
    }

    /// Ctrl-S.
    fn hold(&mut self) {
        let terminal = self.terminal.as_mut().expect("it has a terminal");
        terminal.write_all(b"\x13").expect("it takes keys");
    }

    /// Reads from now on.
    fn reads(&mut self) -> thread::JoinHandle<Vec<String>> {
        let out = self.out.take().expect("nobody has read yet");
        thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).collect())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// What proc_pid_status(5) says of its resident set. `ip netns exec` has become the program by now.
    fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells");
        line.trim().trim_end_matches(" kB").parse().expect("it is a number of kB")
    }

    /// Waits for the end, and gives the exit code.
    fn wait(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return status.code();
            }
            assert!(Instant::now() < until, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The same, and the most memory that it had, in KiB.
    fn wait_and_measure(&mut self) -> (Option<i32>, u64) {
        let mut most = 0;
        loop {
            let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            most = most.max(line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0));
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return (status.code(), most);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What it said on standard error until its end.
    fn err(&mut self) -> String {
        let err = std::mem::replace(&mut self.err, thread::spawn(String::new));
        err.join().expect("it is text")
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn on_near(net: &Net, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", net.name(Host::Near), program]).env_remove("SUDO_UID").env_remove("SUDO_GID");
    command
}

// What is sent.

/// Packets go to an address of no host here, so that nobody answers; whoever watches sees them all the same.
const NOBODY: [u8; 6] = [0x02, 0, 0, 0, 0x99, 0x99];
const SYN: u8 = 0x02;
const RST_ACK: u8 = 0x14;

/// A TCP segment without payload in its Ethernet frame.
fn segment(from: ([u8; 4], u16), to: ([u8; 4], u16), sequence: u32, acknowledgement: u32, flags: u8) -> [u8; 60] {
    let mut frame = [0; 60];
    frame[..6].copy_from_slice(&NOBODY);
    frame[6..12].copy_from_slice(&[0x02, 0, 0, 0, 0x99, 0x98]);
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame[14..24].copy_from_slice(&[0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6]);
    frame[26..30].copy_from_slice(&from.0);
    frame[30..34].copy_from_slice(&to.0);
    frame[34..36].copy_from_slice(&from.1.to_be_bytes());
    frame[36..38].copy_from_slice(&to.1.to_be_bytes());
    frame[38..42].copy_from_slice(&sequence.to_be_bytes());
    frame[42..46].copy_from_slice(&acknowledgement.to_be_bytes());
    frame[46..48].copy_from_slice(&[0x50, flags]);
    frame[48..50].copy_from_slice(&[0x20, 0]);
    frame
}

/// Does something on the far host that sends.
fn from_far<T: Send>(net: &Net, send: impl FnOnce(&mut Capture<Active>) -> T + Send) -> T {
    net.on(Host::Far, || {
        let capture = Capture::from_device("one").and_then(|capture| capture.snaplen(64).open());
        send(&mut capture.expect("root may send"))
    })
}

/// One client uses the same port again and again, and is refused: each try but the last is a flow that has ended.
fn refused_again_and_again(net: &Net, tries: u32) {
    let (client, server) = (([10, 1, 0, 7], 40_000), ([10, 1, 0, 8], 27_000));
    from_far(net, |out| {
        for number in 0..tries {
            let sequence = number.wrapping_mul(100_003);
            out.sendpacket(segment(client, server, sequence, 0, SYN)).expect("it can be sent");
            let reset = segment(server, client, 0, sequence.wrapping_add(1), RST_ACK);
            out.sendpacket(reset).expect("it can be sent");
        }
    });
}
