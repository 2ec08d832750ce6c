//! Measuring: how long each step of the way takes in one thread, and the whole way with some workers.

use super::mix::{Mix, Promise, SERVICES, Sizes};
use crate::audit::{Audit, Flows};
use crate::clock::Clock;
use crate::flow::Limits;
use crate::ledger::Latency;
use crate::packet::PacketBatch;
use crate::pipeline::{Options, run};
use crate::portmap::PortMap;
use crate::source::{CaptureFile, CaptureNotes, MemoryFile, More, ReadError, Source};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is measured with.
pub(crate) struct Capture {
    pub(crate) holds: Holds,
    pub(crate) mix: Option<MixLine>,
}

pub(crate) enum Holds {
    Bytes(Arc<Vec<u8>>),
    File(PathBuf),
}

impl Capture {
    fn open(&self) -> Result<CaptureFile, ReadError> {
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

/// Measures for a number of rounds, with 1, 2, 4 and so on up to `most` workers. Nothing where there is no packet to
/// measure with.
///
/// # Errors
/// The capture cannot be read.
pub(crate) fn measure(capture: &Capture, most: usize, wanted: usize) -> Result<Option<Measured>, ReadError> {
    let map = Arc::new(PortMap::citrix());
    let workers = worker_counts(most);
    // The first reading brings a file into the cache and is not counted.
    let (_, notes) = step(Step::Read, capture, &map)?;
    if notes.packets == 0 {
        return Ok(None);
    }
    let started = Instant::now();
    let mut rounds = Vec::new();
    let mut longest = Duration::ZERO;
    while rounds.len() < wanted && (rounds.is_empty() || started.elapsed() + longest < TIME_LIMIT) {
        let begun = Instant::now();
        rounds.push(Round::run(capture, &map, &workers)?);
        longest = longest.max(begun.elapsed());
    }
    Ok(Some(Measured::new(capture, &notes, &workers, &rounds)))
}

/// Longest time for all rounds together, unless one of them takes longer.
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
pub(super) enum Step {
    Read,
    Decode,
    Track,
    Classify,
}

impl Step {
    pub(super) const ALL: [Step; 4] = [Step::Read, Step::Decode, Step::Track, Step::Classify];

    fn name(self) -> &'static str {
        match self {
            Step::Read => "read",
            Step::Decode => "decode",
            Step::Track => "track",
            Step::Classify => "classify",
        }
    }

    pub(super) fn meaning(self) -> &'static str {
        match self {
            Step::Read => "find the packets",
            Step::Decode => "and decode them",
            Step::Track => "and follow their flows",
            Step::Classify => "and classify these",
        }
    }
}

/// Takes all packets so far, in this thread.
fn step(step: Step, capture: &Capture, map: &Arc<PortMap>) -> Result<(Duration, CaptureNotes), ReadError> {
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
    fn run(capture: &Capture, map: &Arc<PortMap>, workers: &[usize]) -> Result<Round, ReadError> {
        let mut steps = [Duration::ZERO; Step::ALL.len()];
        for (taken, one) in steps.iter_mut().zip(Step::ALL) {
            (*taken, _) = step(one, capture, map)?;
        }
        let pipelines = workers.iter().map(|&workers| pipeline(capture, map, workers)).collect::<Result<_, _>>()?;
        Ok(Round { steps, pipelines })
    }
}

/// The whole way, as `cap-audit file` goes it, up to the report.
fn pipeline(capture: &Capture, map: &Arc<PortMap>, workers: usize) -> Result<(Duration, Latency), ReadError> {
    let mut file = capture.open()?;
    let started = Instant::now();
    let harvest = run(std::slice::from_mut(&mut file), map, Options { workers, ..Options::default() })?;
    Ok((started.elapsed(), harvest.batches))
}

/// What was measured. The names of the fields are fixed; more may be added.
#[derive(Serialize)]
pub(crate) struct Measured {
    pub(super) schema: &'static str,
    pub(super) program: Program,
    pub(super) machine: Machine,
    pub(super) traffic: TrafficLine,
    pub(super) rounds: usize,
    /// One thread; each step includes those before it.
    pub(super) steps: Vec<StepLine>,
    pub(super) pipelines: Vec<PipelineLine>,
    /// Bytes; null where the system does not tell.
    pub(super) peak_memory: Option<u64>,
    /// Bytes of it that the capture itself takes.
    pub(super) peak_memory_capture: u64,
}

#[derive(Serialize)]
pub(crate) struct Program {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
}

#[derive(Serialize)]
pub(crate) struct Machine {
    pub(super) cores: usize,
    pub(super) model: Option<String>,
    pub(super) system: String,
}

#[derive(Serialize)]
pub(crate) struct TrafficLine {
    pub(super) name: String,
    pub(super) packets: u64,
    /// Bytes on the wire.
    pub(super) bytes: u64,
    pub(super) mix: Option<MixLine>,
}

#[derive(Clone, Serialize)]
pub(crate) struct MixLine {
    pub(super) packets: u64,
    pub(super) flows: u64,
    pub(super) seed: u64,
    pub(super) sizes: SizesLine,
    /// Flows of each service.
    pub(super) services: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Serialize)]
pub(crate) struct SizesLine {
    pub(super) empty: u32,
    pub(super) small: u32,
    pub(super) full: u32,
}

#[derive(Serialize)]
pub(crate) struct StepLine {
    pub(super) step: &'static str,
    #[serde(flatten)]
    pub(super) speed: Speed,
}

#[derive(Serialize)]
pub(crate) struct PipelineLine {
    pub(super) workers: usize,
    #[serde(flatten)]
    pub(super) speed: Speed,
    pub(super) batch_us: BatchLine,
}

#[derive(Serialize)]
pub(crate) struct Speed {
    pub(super) seconds: f64,
    pub(super) packets_per_s: f64,
    pub(super) gbit_per_s: f64,
    pub(super) ns_per_packet: f64,
}

/// From handing over a block of the capture until a worker was done with it, in microseconds.
#[derive(Serialize)]
pub(crate) struct BatchLine {
    pub(super) count: u64,
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) max: u64,
}

/// A mix that was written.
#[derive(Serialize)]
pub(crate) struct Written {
    pub(super) schema: &'static str,
    pub(super) file: String,
    pub(super) mix: MixLine,
}

impl Written {
    pub(crate) fn new(file: String, mix: MixLine) -> Written {
        Written { schema: "cap-audit/mix/1", file, mix }
    }
}

impl MixLine {
    pub(crate) fn new(mix: &Mix, promise: &Promise) -> MixLine {
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

#[cfg(test)]
mod tests {
    use super::*;

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
