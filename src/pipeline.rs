//! Threads and channels: one capture thread, some workers, batches between them.
//!
//! A batch goes to every worker at once; each reads its own lane and sends the batch back. The last one to do so makes
//! it free again, so the steady state allocates nothing. When no batch is free the capture thread waits: nothing is
//! lost here. Now and then the workers meet, at the same packet for all of them, to keep the limits that they share.

use crate::audit::{Audit, Finished, FirstFlows, Flows, Standing};
use crate::clock::Clock;
use crate::flow::{Census, Depth, FlowRecord, Limits};
use crate::ledger::{Latency, Ledger};
use crate::packet::{Deal, Filling, PacketBatch, Secret};
use crate::portmap::PortMap;
use crate::source::{More, ReadError, Source};
use crate::time::Timestamp;
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded, unbounded};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How an audit is carried out. None of it changes the result.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Worker threads beside the capture thread, at least 1.
    pub workers: usize,
    /// Limits of memory.
    pub limits: Limits,
    /// What becomes of finished flows.
    pub flows: Flows,
    /// When idle flows are given up.
    pub sweep: Sweep,
}

/// When idle flows are given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sweep {
    /// A share of the table after every batch.
    EveryBatch,
    /// The whole table after every packet.
    EveryPacket,
    /// Only at the end.
    Never,
}

impl Default for Options {
    fn default() -> Options {
        Options { workers: 1, limits: Limits::default(), flows: Flows::Counted, sweep: Sweep::EveryBatch }
    }
}

/// What an audit brought home.
#[derive(Debug)]
pub struct Harvest {
    /// What was seen.
    pub ledger: Ledger,
    /// The flows, in the order of their first packets, where they were kept.
    pub flows: Vec<FlowRecord>,
    /// How many more flows there were, for which there was no room.
    pub flows_left_out: u64,
    /// How time ran.
    pub clock: Clock,
    /// Sources that could not be read.
    pub failed: Vec<ReadError>,
    /// From handing a batch over until a worker was done with its lane of it, by the clock on the wall.
    pub batches: Latency,
}

/// Audits sources one after the other, on one line of time.
///
/// # Errors
/// A source cannot be read and not one packet of it was.
pub fn run<S: Source>(sources: &mut [S], map: &Arc<PortMap>, options: Options) -> Result<Harvest, ReadError> {
    let mut waiting = sources.iter_mut();
    let (harvest, _) = run_all(map, options, |_| Ok(waiting.next()), |_| {});
    match harvest.failed {
        mut failed if !failed.is_empty() => Err(failed.remove(0)),
        _ => Ok(harvest),
    }
}

/// Audits what `next` hands out, one source after the other, on one line of time, until it hands out nothing; it is
/// asked with the latest moment so far. `progress` is called after every batch. A source that cannot be read is left
/// out and stands in [`Harvest::failed`]. The sources come back as well.
pub fn run_all<S: Source>(
    map: &Arc<PortMap>,
    options: Options,
    next: impl FnMut(Option<Timestamp>) -> Result<Option<S>, ReadError>,
    progress: impl FnMut(&S),
) -> (Harvest, Vec<S>) {
    with_workers(map, options, None, |hall, clock| capture(next, hall, clock, progress))
}

/// Where a live audit gets its packets from, and when it wants to know how things stand.
pub trait Feed {
    /// Enters what has come since. Comes back after a short time even when nothing came.
    fn fill(&mut self, filling: &mut Filling<'_>) -> Beat;
}

/// What a [`Feed`] says after each batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Beat {
    /// The time of day; silence passes by it.
    pub now: Timestamp,
    /// What the workers shall tell now.
    pub ask: Ask,
    /// Nothing more will come.
    pub ended: bool,
}

/// What the workers shall tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Nothing.
    Nothing,
    /// How things stand, this deep.
    Standing(Depth),
}

/// How things stand in one worker.
#[derive(Debug)]
pub struct Interim {
    /// Counts the questions from 0; every worker answers each once.
    pub serial: u64,
    /// When it was asked.
    pub at: Timestamp,
    /// What was asked for.
    pub depth: Depth,
    /// What was seen.
    pub standing: Standing,
    /// Flows that have ended since the last answer, where flows are kept.
    pub finished: Finished,
    /// Flows that are alive.
    pub live: usize,
    /// How long it took to find that out.
    pub took: Duration,
}

/// Audits what `feed` hands out until it ends. Answers to its questions go to `interims`, one of each worker; if nobody
/// takes them they wait. Flows told there are not told again in the harvest.
pub fn run_live(
    map: &Arc<PortMap>,
    options: Options,
    feed: &mut impl Feed,
    interims: &mpsc::Sender<Interim>,
) -> Harvest {
    let (harvest, _) = with_workers(map, options, Some(interims), |hall, clock| {
        let mut serial = 0;
        loop {
            let beat = hall.fill(clock, |filling| {
                let beat = feed.fill(filling);
                filling.time_passes(beat.now);
                beat
            });
            if let Ask::Standing(depth) = beat.ask {
                hall.ask(serial, clock.now(), depth);
                serial += 1;
            }
            if beat.ended {
                return (Vec::<()>::new(), Vec::new());
            }
        }
    });
    harvest
}

/// Starts the workers, lets `capture` fill them, and brings home what they have.
fn with_workers<S>(
    map: &Arc<PortMap>,
    options: Options,
    interims: Option<&mpsc::Sender<Interim>>,
    capture: impl FnOnce(&mut Hall, &mut Clock) -> (Vec<S>, Vec<ReadError>),
) -> (Harvest, Vec<S>) {
    let workers = options.workers.max(1);
    thread::scope(|scope| {
        let (give_back, recycled) = unbounded();
        let deal = Deal::new(workers, options.limits.between_meetings());
        let mut lanes = Vec::with_capacity(workers);
        let mut results = Vec::with_capacity(workers);
        for (lane, circle) in Circle::of(workers).into_iter().enumerate() {
            let (sender, receiver) = bounded(BATCHES);
            let mut audit = Audit::new(Arc::clone(map), options.limits, options.flows);
            if interims.is_some() {
                audit.answers_questions();
            }
            let (give_back, interims) = (give_back.clone(), interims.cloned());
            results.push(scope.spawn(move || {
                let batches = Latency::default();
                let (sweep, secret) = (options.sweep, deal.secret());
                let mut worker = Worker { lane, audit, sweep, circle, secret, give_back, interims, batches };
                let end = worker.work(&receiver);
                (worker.audit.close(end), worker.batches)
            }));
            lanes.push(sender);
        }
        drop(give_back);
        let mut hall = Hall { lanes, recycled, waiting: Vec::new(), made: 0, deal };
        let mut clock = Clock::default();
        let (sources, failed) = capture(&mut hall, &mut clock);
        hall.close(clock.now());
        let batches = Latency::default();
        let mut flows = FirstFlows::new(options.flows.limit());
        let ledger = Ledger::default();
        let mut harvest = Harvest { ledger, flows: Vec::new(), flows_left_out: 0, clock, failed, batches };
        for (worker, result) in results.into_iter().enumerate() {
            let joined = result.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let ((ledger, Finished { flows: kept, left_out }), batches) = joined;
            flows.extend(kept);
            harvest.batches += &batches;
            harvest.flows_left_out += left_out;
            if worker == 0 {
                harvest.ledger = ledger;
            } else {
                harvest.ledger += &ledger;
            }
        }
        harvest.flows = flows.sorted();
        (harvest, sources)
    })
}

/// Maximum number of batches on their way at the same time; the one that came back last is used first, so few are in
/// use where the workers keep up. A channel has room for all of them: the capture thread waits in one place only, for a
/// batch that is free.
const BATCHES: usize = 24;

/// What a worker is sent.
enum Task {
    Batch(Arc<PacketBatch>, Timestamp, Instant),
    Ask {
        serial: u64,
        at: Timestamp,
        depth: Depth,
    },
    /// Nothing was captured from this moment until the next packet.
    Gap(Timestamp),
    Finish(Timestamp),
}

/// The capture thread's side of the channels.
struct Hall {
    lanes: Vec<Sender<Task>>,
    recycled: Receiver<Arc<PacketBatch>>,
    waiting: Vec<Arc<PacketBatch>>,
    made: usize,
    /// How the packets after those of the last batch are dealt.
    deal: Deal,
}

fn capture<S: Source>(
    mut next: impl FnMut(Option<Timestamp>) -> Result<Option<S>, ReadError>,
    hall: &mut Hall,
    clock: &mut Clock,
    mut progress: impl FnMut(&S),
) -> (Vec<S>, Vec<ReadError>) {
    let (mut sources, mut failed) = (Vec::new(), Vec::new());
    loop {
        match next(clock.latest()) {
            Ok(Some(mut source)) => {
                if let Some(from) = clock.gap_before(source.first()) {
                    hall.gap(from);
                    clock.resume(source.first());
                }
                if let Err(error) = drain(&mut source, hall, clock, &mut progress) {
                    failed.push(error);
                }
                sources.push(source);
            }
            Ok(None) => return (sources, failed),
            Err(error) => failed.push(error),
        }
    }
}

/// Reads a source to its end.
fn drain<S: Source>(
    source: &mut S,
    hall: &mut Hall,
    clock: &mut Clock,
    progress: &mut impl FnMut(&S),
) -> Result<(), ReadError> {
    loop {
        let more = hall.fill(clock, |filling| source.fill(filling))?;
        progress(source);
        if more == More::No {
            return Ok(());
        }
    }
}

impl Hall {
    /// Lends a free batch to be filled, and hands it to the workers whatever came of that: no batch is ever lost.
    fn fill<R>(&mut self, clock: &mut Clock, fill: impl FnOnce(&mut Filling<'_>) -> R) -> R {
        let mut shared = self.batch();
        let batch = Arc::get_mut(&mut shared).expect("a batch from the hall is nobody else's");
        *batch.deal() = self.deal;
        let outcome = fill(&mut batch.fill(clock));
        self.deal = *batch.deal();
        self.send(shared, clock.now());
        outcome
    }

    /// A batch that nobody reads any more, or a new one while there are few.
    fn batch(&mut self) -> Arc<PacketBatch> {
        while let Ok(batch) = self.recycled.try_recv() {
            self.take_back(batch);
        }
        loop {
            if let Some(free) = self.waiting.pop() {
                return free;
            }
            if self.made < BATCHES {
                self.made += 1;
                return Arc::new(PacketBatch::dealt(self.deal));
            }
            match next(&self.recycled) {
                Some(batch) => self.take_back(batch),
                // Every worker has died; joining them tells why.
                None => return Arc::new(PacketBatch::dealt(self.deal)),
            }
        }
    }

    /// Each worker sends a batch back. Only the last of them was its last reader.
    fn take_back(&mut self, mut batch: Arc<PacketBatch>) {
        if Arc::get_mut(&mut batch).is_some() {
            self.waiting.push(batch);
        }
    }

    fn send(&self, batch: Arc<PacketBatch>, now: Timestamp) {
        let handed_over = Instant::now();
        for lane in &self.lanes {
            // A worker that has died is told by joining it.
            let _ = lane.send(Task::Batch(Arc::clone(&batch), now, handed_over));
        }
        drop(batch);
    }

    fn ask(&self, serial: u64, at: Timestamp, depth: Depth) {
        for lane in &self.lanes {
            let _ = lane.send(Task::Ask { serial, at, depth });
        }
    }

    fn gap(&self, from: Timestamp) {
        for lane in &self.lanes {
            let _ = lane.send(Task::Gap(from));
        }
    }

    fn close(self, end: Timestamp) {
        for lane in &self.lanes {
            let _ = lane.send(Task::Finish(end));
        }
    }
}

/// The next message; none when nobody is left to send one. To wake a thread that sleeps takes about as long as to work
/// on a batch, so it stays awake for a while.
fn next<T>(messages: &Receiver<T>) -> Option<T> {
    for _ in 0..AWAKE {
        match messages.try_recv() {
            Ok(message) => return Some(message),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => std::hint::spin_loop(),
        }
    }
    messages.recv().ok()
}

/// Looks at an empty channel before a thread goes to sleep: some hundredths of a millisecond.
const AWAKE: u32 = 500;

/// The channels by which each worker tells all the others what it holds.
struct Circle {
    to: Vec<Sender<Arc<Census>>>,
    from: Vec<Receiver<Arc<Census>>>,
}

impl Circle {
    /// One for each worker.
    fn of(workers: usize) -> Vec<Circle> {
        let mut circles: Vec<Circle> =
            Vec::from_iter((0..workers).map(|_| Circle { to: Vec::new(), from: Vec::new() }));
        for one in 0..workers {
            for other in (0..workers).filter(|&other| other != one) {
                let (sender, receiver) = unbounded();
                circles[one].to.push(sender);
                circles[other].from.push(receiver);
            }
        }
        circles
    }

    /// The sum of what all workers hand in. Everyone sends before anyone waits, and who has died is not waited for.
    fn together(&self, mine: Census) -> Census {
        if self.from.is_empty() {
            return mine;
        }
        let mine = Arc::new(mine);
        for to in &self.to {
            let _ = to.send(Arc::clone(&mine));
        }
        let mut sum = Census::default();
        sum += &mine;
        self.from.iter().filter_map(next).for_each(|theirs| sum += &theirs);
        sum
    }
}

/// One worker thread.
struct Worker {
    lane: usize,
    audit: Audit,
    sweep: Sweep,
    circle: Circle,
    secret: Secret,
    give_back: Sender<Arc<PacketBatch>>,
    interims: Option<mpsc::Sender<Interim>>,
    batches: Latency,
}

impl Worker {
    /// Works until it is told that the capture has ended, and when that was.
    fn work(&mut self, tasks: &Receiver<Task>) -> Timestamp {
        let mut end = Timestamp::default();
        while let Some(task) = next(tasks) {
            match task {
                Task::Batch(batch, now, handed_over) => {
                    self.audit(&batch, now);
                    self.batches.record(handed_over.elapsed().into());
                    let _ = self.give_back.send(batch);
                }
                Task::Ask { serial, at, depth } => self.answer(serial, at, depth),
                Task::Gap(at) => self.audit.gap(at),
                Task::Finish(at) => end = at,
            }
        }
        end
    }

    fn audit(&mut self, batch: &PacketBatch, now: Timestamp) {
        for (piece, point) in batch.pieces(self.lane) {
            if self.sweep == Sweep::EveryPacket {
                for (packet, _) in piece.raw_and_decoded() {
                    self.audit.observe(&packet);
                    self.audit.sweep(packet.at, usize::MAX);
                }
            } else {
                self.audit.observe_all(piece);
            }
            if let Some(at) = point {
                self.audit.meet(at, self.secret, |mine| self.circle.together(mine));
            }
        }
        if self.sweep == Sweep::EveryBatch {
            self.audit.sweep(now, batch.lane(self.lane).len() / 2 + SWEEP_AT_LEAST);
        }
    }

    fn answer(&mut self, serial: u64, at: Timestamp, depth: Depth) {
        let Some(interims) = &self.interims else { return };
        let begun = Instant::now();
        let standing = self.audit.interim(at, depth);
        let finished = self.audit.take_finished();
        let live = self.audit.live_flows();
        let took = begun.elapsed();
        // Nobody listens any more when the audit is being ended.
        let _ = interims.send(Interim { serial, at, depth, standing, finished, live, took });
    }
}

/// Least number of places that are looked at after a batch. Beyond that half as many as it has packets: with fewer,
/// flows of some packets begin faster than they are swept. Where most have a single packet the table grows to its limit
/// all the same.
const SWEEP_AT_LEAST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that cannot be read.
    struct Broken;

    impl Source for Broken {
        fn fill(&mut self, _: &mut Filling<'_>) -> Result<More, ReadError> {
            Err(ReadError::Empty { name: "broken".to_string() })
        }
    }

    #[test]
    fn sources_that_cannot_be_read_use_no_batches_up() {
        const SOURCES: usize = BATCHES + 6;
        let (sender, receiver) = mpsc::channel();
        // In a thread of its own: where a batch is lost with each of them the audit waits for ever.
        thread::spawn(move || {
            let mut left = SOURCES;
            let next = |_| {
                left = left.checked_sub(1)?;
                Some(Broken)
            };
            let mut next = next;
            let (harvest, sources) =
                run_all(&Arc::new(PortMap::citrix()), Options::default(), |at| Ok(next(at)), |_| {});
            let _ = sender.send((harvest.failed.len(), sources.len()));
        });
        let told = receiver.recv_timeout(std::time::Duration::from_secs(30));
        assert_eq!(told, Ok((SOURCES, SOURCES)), "it waits for a batch that nobody brings back");
    }
}
