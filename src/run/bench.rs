//! `cap-audit bench`: how many packets a second this machine classifies, and what each step of the way costs.

use super::Exit;
use super::console::{Target, tell, write_to};
use crate::audit::{Audit, Flows};
use crate::cli::{BenchArgs, BenchFormat};
use crate::clock::Clock;
use crate::error::Error;
use crate::flow::Limits;
use crate::ledger::Latency;
use crate::mix::{Mix, Promise, SERVICES, Sizes, Traffic};
use crate::packet::PacketBatch;
use crate::pipeline::{Options, run};
use crate::portmap::PortMap;
use crate::report::{self, count};
use crate::source::{CaptureFile, CaptureNotes, MemoryFile, More, Source};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Measures, or writes the mix that it would measure with.
pub(super) fn bench(args: &BenchArgs) -> Result<Exit, Error> {
    if let Some(path) = &args.pcap {
        let capture = Capture { holds: Holds::File(path.clone()), mix: None };
        return measure(args, &capture);
    }
    let mix = mix(args);
    let traffic = match mix.traffic() {
        Ok(traffic) => traffic,
        Err(error) => {
            tell(&format!("cannot make such a mix: {error}"));
            return Ok(Exit::Wrong);
        }
    };
    let line = MixLine::new(&mix, traffic.promise());
    if let Some(path) = &args.write {
        write_capture(path, traffic)?;
        print(args.format, &Written { schema: "cap-audit/mix/1", file: path.display().to_string(), mix: line })?;
        return Ok(Exit::Clean);
    }
    let room = usize::try_from(traffic.estimated_bytes()).unwrap_or(0);
    let bytes = traffic.write(Vec::with_capacity(room)).expect("memory takes what is written to it");
    measure(args, &Capture { holds: Holds::Bytes(Arc::new(bytes)), mix: Some(line) })
}

/// The mix that was asked for.
fn mix(args: &BenchArgs) -> Mix {
    let packets = args.packets.unwrap_or(if args.write.is_some() { WRITTEN } else { IN_MEMORY });
    let few = u32::try_from(packets / PACKETS_A_FLOW).unwrap_or(u32::MAX).clamp(1, FLOWS);
    let mut mix =
        Mix { packets, flows: args.flows.unwrap_or(few), seed: args.seed, sizes: args.sizes, ..Mix::default() };
    for share in &args.shares {
        mix.shares[share.service] = share.weight;
    }
    mix
}

/// Packets of a mix that is measured with: about 1.1 GB.
const IN_MEMORY: u64 = 2_000_000;
/// Packets of a mix that is written: about 2.2 GB.
const WRITTEN: u64 = 4_000_000;
/// Conversations, and how many packets there are for each of them at least.
const FLOWS: u32 = 60_000;
const PACKETS_A_FLOW: u64 = 30;

fn write_capture(path: &Path, traffic: Traffic) -> Result<(), Error> {
    let wrong = |error: io::Error| Error::WriteCapture { path: path.into(), error };
    let file = File::create(path).map_err(wrong)?;
    let out = traffic.write(io::BufWriter::with_capacity(1 << 20, file)).map_err(wrong)?;
    out.into_inner().map_err(|error| wrong(error.into_error()))?;
    Ok(())
}

/// What is measured with.
struct Capture {
    holds: Holds,
    mix: Option<MixLine>,
}

enum Holds {
    Bytes(Arc<Vec<u8>>),
    File(PathBuf),
}

impl Capture {
    fn open(&self) -> Result<CaptureFile, Error> {
        Ok(match &self.holds {
            Holds::Bytes(bytes) => {
                CaptureFile::from_reader(Box::new(MemoryFile::new(Arc::clone(bytes))), "the mix", 0)?
            }
            Holds::File(path) => CaptureFile::open(path, 0)?,
        })
    }

    /// Bytes of memory that it takes by itself.
    fn in_memory(&self) -> u64 {
        match &self.holds {
            Holds::Bytes(bytes) => bytes.len() as u64,
            Holds::File(_) => 0,
        }
    }
}

fn measure(args: &BenchArgs, capture: &Capture) -> Result<Exit, Error> {
    let map = Arc::new(PortMap::citrix());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = worker_counts(args.workers.map_or(cores, usize::from));
    // The first reading brings a file into the cache and is not counted.
    let (_, notes) = step(Step::Read, capture, &map)?;
    if notes.packets == 0 {
        tell("there is no packet to measure with");
        return Ok(Exit::NothingJudged);
    }
    let started = Instant::now();
    let mut rounds = Vec::new();
    let mut longest = Duration::ZERO;
    while rounds.len() < usize::from(args.rounds) && (rounds.is_empty() || started.elapsed() + longest < TIME_LIMIT) {
        let begun = Instant::now();
        rounds.push(Round::run(capture, &map, &workers)?);
        longest = longest.max(begun.elapsed());
    }
    print(args.format, &Measured::new(capture, &notes, &workers, &rounds))?;
    Ok(Exit::Clean)
}

/// All rounds together take no longer than this, unless one of them does.
const TIME_LIMIT: Duration = Duration::from_secs(14);

/// 1, 2, 4 and so on, and the most that is allowed.
fn worker_counts(most: usize) -> Vec<usize> {
    let mut counts: Vec<usize> =
        std::iter::successors(Some(1), |&count| Some(count * 2)).take_while(|&count| count < most).collect();
    counts.push(most);
    counts
}

/// How far packets are taken in one thread. Each step includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Step {
    Read,
    Decode,
    Track,
    Classify,
}

impl Step {
    const ALL: [Step; 4] = [Step::Read, Step::Decode, Step::Track, Step::Classify];

    fn name(self) -> &'static str {
        match self {
            Step::Read => "read",
            Step::Decode => "decode",
            Step::Track => "track",
            Step::Classify => "classify",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Step::Read => "find the packets",
            Step::Decode => "and decode them",
            Step::Track => "and follow their flows",
            Step::Classify => "and classify these",
        }
    }
}

/// Takes all packets so far, in this thread.
fn step(step: Step, capture: &Capture, map: &Arc<PortMap>) -> Result<(Duration, CaptureNotes), Error> {
    let mut file = capture.open()?;
    let mut batch = PacketBatch::new(1);
    let mut clock = Clock::default();
    let mut audit = Audit::new(Arc::clone(map), Limits::default(), Flows::Counted);
    let (mut block, mut records) = (Vec::new(), Vec::new());
    let started = Instant::now();
    loop {
        let more = if step == Step::Read {
            records.clear();
            file.scan(&mut block, &mut |_, record| records.push(record))?
        } else {
            file.fill(&mut batch.fill(&mut clock))?
        };
        match step {
            Step::Read => _ = black_box(&records),
            Step::Decode => _ = black_box(&batch),
            // A flow is classified when it ends, and most end when they are given up or with the capture.
            Step::Track => audit.observe_all(batch.lane(0)),
            Step::Classify => {
                audit.observe_all(batch.lane(0));
                audit.sweep(clock.now(), batch.lane(0).len() / 2);
            }
        }
        if more == More::No {
            break;
        }
    }
    if step == Step::Classify {
        black_box(audit.finish(clock.now()));
    }
    Ok((started.elapsed(), file.notes().clone()))
}

/// Each thing measured once.
struct Round {
    steps: [Duration; Step::ALL.len()],
    /// For each number of workers.
    pipelines: Vec<(Duration, Latency)>,
}

impl Round {
    fn run(capture: &Capture, map: &Arc<PortMap>, workers: &[usize]) -> Result<Round, Error> {
        let mut steps = [Duration::ZERO; Step::ALL.len()];
        for (taken, one) in steps.iter_mut().zip(Step::ALL) {
            (*taken, _) = step(one, capture, map)?;
        }
        let pipelines = workers.iter().map(|&workers| pipeline(capture, map, workers)).collect::<Result<_, _>>()?;
        Ok(Round { steps, pipelines })
    }
}

/// The whole way, as `cap-audit file` goes it, up to the report.
fn pipeline(capture: &Capture, map: &Arc<PortMap>, workers: usize) -> Result<(Duration, Latency), Error> {
    let mut file = capture.open()?;
    let started = Instant::now();
    let harvest = run(std::slice::from_mut(&mut file), map, Options { workers, ..Options::default() })?;
    Ok((started.elapsed(), harvest.batches))
}

/// What was measured. The names of the fields are fixed; more may be added.
#[derive(Serialize)]
struct Measured {
    schema: &'static str,
    program: Program,
    machine: Machine,
    traffic: TrafficLine,
    rounds: usize,
    /// One thread; each step includes those before it.
    steps: Vec<StepLine>,
    pipelines: Vec<PipelineLine>,
    /// Bytes; null where the system does not tell.
    peak_memory: Option<u64>,
    /// Bytes of it that the capture itself takes.
    peak_memory_capture: u64,
}

#[derive(Serialize)]
struct Program {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Machine {
    cores: usize,
    model: Option<String>,
    system: String,
}

#[derive(Serialize)]
struct TrafficLine {
    name: String,
    packets: u64,
    /// Bytes on the wire.
    bytes: u64,
    mix: Option<MixLine>,
}

#[derive(Clone, Serialize)]
struct MixLine {
    packets: u64,
    flows: u64,
    seed: u64,
    sizes: SizesLine,
    /// Flows of each service.
    services: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Serialize)]
struct SizesLine {
    empty: u32,
    small: u32,
    full: u32,
}

#[derive(Serialize)]
struct StepLine {
    step: &'static str,
    #[serde(flatten)]
    speed: Speed,
}

#[derive(Serialize)]
struct PipelineLine {
    workers: usize,
    #[serde(flatten)]
    speed: Speed,
    batch_us: BatchLine,
}

#[derive(Serialize)]
struct Speed {
    seconds: f64,
    packets_per_s: f64,
    gbit_per_s: f64,
    ns_per_packet: f64,
}

/// From handing over a block of the capture until a worker was done with it, in microseconds.
#[derive(Serialize)]
struct BatchLine {
    count: u64,
    p50: u64,
    p99: u64,
    p999: u64,
    max: u64,
}

/// A mix that was written.
#[derive(Serialize)]
struct Written {
    schema: &'static str,
    file: String,
    mix: MixLine,
}

impl MixLine {
    fn new(mix: &Mix, promise: &Promise) -> MixLine {
        let Sizes { empty, small, full } = mix.sizes;
        MixLine {
            packets: promise.packets,
            flows: promise.flows_that(|_| true),
            seed: mix.seed,
            sizes: SizesLine { empty, small, full },
            services: SERVICES.iter().zip(promise.flows).map(|(service, flows)| (service.name, flows)).collect(),
        }
    }
}

impl Measured {
    fn new(capture: &Capture, notes: &CaptureNotes, workers: &[usize], rounds: &[Round]) -> Measured {
        let speed = |seconds: f64| Speed {
            seconds,
            packets_per_s: notes.packets as f64 / seconds,
            gbit_per_s: notes.bytes as f64 * 8.0 / seconds / 1e9,
            ns_per_packet: seconds * 1e9 / notes.packets as f64,
        };
        let steps = Step::ALL.iter().enumerate().map(|(place, step)| StepLine {
            step: step.name(),
            speed: speed(median(rounds.iter().map(|round| round.steps[place]))),
        });
        let pipelines = workers.iter().enumerate().map(|(place, &workers)| {
            let mut batches = Latency::default();
            rounds.iter().for_each(|round| batches += &round.pipelines[place].1);
            PipelineLine {
                workers,
                speed: speed(median(rounds.iter().map(|round| round.pipelines[place].0))),
                batch_us: BatchLine {
                    count: batches.count(),
                    p50: batches.quantile(0.5),
                    p99: batches.quantile(0.99),
                    p999: batches.quantile(0.999),
                    max: batches.max(),
                },
            }
        });
        Measured {
            schema: "cap-audit/bench/1",
            program: Program { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
            machine: Machine::this(),
            traffic: TrafficLine {
                name: notes.name.clone(),
                packets: notes.packets,
                bytes: notes.bytes,
                mix: capture.mix.clone(),
            },
            rounds: rounds.len(),
            steps: steps.collect(),
            pipelines: pipelines.collect(),
            peak_memory: peak_memory(),
            peak_memory_capture: capture.in_memory(),
        }
    }
}

impl Machine {
    fn this() -> Machine {
        let line = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_string());
        let model = line("/proc/cpuinfo").and_then(|text| {
            let named = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
            named.map(|(_, model)| model.trim().to_string())
        });
        let os = std::env::consts::OS;
        let system = line("/proc/sys/kernel/osrelease").map_or(os.to_string(), |release| format!("{os} {release}"));
        Machine { cores: std::thread::available_parallelism().map_or(1, usize::from), model, system }
    }
}

/// The largest resident set of this process so far, in bytes, where Linux tells it.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix(" kB")?.parse().ok().map(|kibibytes: u64| kibibytes * 1024)
}

/// In seconds.
fn median(durations: impl Iterator<Item = Duration>) -> f64 {
    let mut seconds: Vec<f64> = durations.map(|duration| duration.as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    let middle = seconds.len() / 2;
    match seconds.len() {
        0 => 0.0,
        length if length.is_multiple_of(2) => f64::midpoint(seconds[middle - 1], seconds[middle]),
        _ => seconds[middle],
    }
}

/// What can be told for people and for programs.
trait Tell: Serialize {
    fn text(&self, out: &mut dyn Write) -> io::Result<()>;
}

fn print(format: BenchFormat, what: &impl Tell) -> Result<(), Error> {
    write_to(Target::Standard, |out, _| match format {
        BenchFormat::Text => what.text(out),
        BenchFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, what)?;
            writeln!(out)
        }
    })
}

impl Tell for Written {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {}", self.file, self.mix.in_words())?;
        writeln!(out, "flows: {}", self.mix.services_in_words())
    }
}

impl MixLine {
    fn in_words(&self) -> String {
        let SizesLine { empty, small, full } = self.sizes;
        let [packets, flows] =
            [(self.packets, "packet"), (self.flows, "flow")].map(|(number, what)| grouped(&count(number, what)));
        format!("{packets} in {flows}, seed {}, sizes {empty},{small},{full}", self.seed)
    }

    fn services_in_words(&self) -> String {
        let services: Vec<String> = self.services.iter().map(|(name, flows)| format!("{name} {flows}")).collect();
        services.join(", ")
    }
}

impl Tell for Measured {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Measured { program, machine, traffic, rounds, steps, pipelines, peak_memory, peak_memory_capture, .. } =
            self;
        let model = machine.model.as_deref().unwrap_or("processor unknown");
        writeln!(
            out,
            "{} {} on {}, {model}, {}",
            program.name,
            program.version,
            count(machine.cores as u64, "core"),
            machine.system
        )?;
        let bytes = report::bytes(traffic.bytes);
        match &traffic.mix {
            Some(mix) => writeln!(out, "made-up traffic: {}, {bytes}", mix.in_words())?,
            None => {
                let packets = grouped(&count(traffic.packets, "packet"));
                writeln!(out, "{}: {packets}, {bytes}", report::printable(&traffic.name))?;
            }
        }
        writeln!(out, "medians of {}\n", count(*rounds as u64, "round"))?;
        writeln!(out, "{:<24} {:>12} {:>8} {:>12}", "one thread", "packets/s", "Gbit/s", "ns a packet")?;
        for (line, step) in steps.iter().zip(Step::ALL) {
            writeln!(out, "  {:<22} {}", step.meaning(), line.speed)?;
        }
        writeln!(out)?;
        let heads = ["packets/s", "Gbit/s", "ns a packet", "batch p50", "p99", "p99.9"];
        let [one, two, three, four, five, six] = heads;
        writeln!(out, "{:<24} {one:>12} {two:>8} {three:>12} {four:>12} {five:>9} {six:>9}", "a reader and")?;
        for PipelineLine { workers, speed, batch_us } in pipelines {
            let [p50, p99, p999] =
                [batch_us.p50, batch_us.p99, batch_us.p999].map(|micros| format!("{:.2} ms", micros as f64 / 1e3));
            writeln!(out, "  {:<22} {speed} {p50:>12} {p99:>9} {p999:>9}", count(*workers as u64, "worker"))?;
        }
        let peak = peak_memory.map_or("unknown".into(), report::bytes);
        let beside = match peak_memory_capture {
            0 => String::new(),
            capture => format!(", of which {} are the traffic itself", report::bytes(*capture)),
        };
        writeln!(out, "\npeak memory: {peak}{beside}")
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packets = grouped(&format!("{:.0}", self.packets_per_s));
        write!(f, "{packets:>12} {:>8.2} {:>12.1}", self.gbit_per_s, self.ns_per_packet)
    }
}

/// The same text with commas between the thousands of the number that it begins with.
fn grouped(text: &str) -> String {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let comma = |place: usize| place > 0 && place < digits && (digits - place).is_multiple_of(3);
    text.char_indices().flat_map(|(place, c)| comma(place).then_some(',').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let cases = ["7", "999", "1,000", "60,000 flows", "12,345,678"];
        assert_eq!(cases.map(|text| grouped(&text.replace(',', ""))), cases);
    }

    #[test]
    fn the_median_is_the_middle() {
        let median = |seconds: &[u64]| super::median(seconds.iter().map(|&seconds| Duration::from_secs(seconds)));
        assert_eq!([median(&[9]), median(&[9, 1, 4]), median(&[1, 2, 100, 4])], [9.0, 4.0, 3.0]);
    }

    #[test]
    fn workers_double_up_to_the_most() {
        assert_eq!([worker_counts(1), worker_counts(2), worker_counts(6)], [vec![1], vec![1, 2], vec![1, 2, 4, 6]]);
    }
}
