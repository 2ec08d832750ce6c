//! The capture thread's side of a live audit: interfaces, limits, and the second that goes by.

use crate::cli::LiveArgs;
use crate::flow::Depth;
use crate::packet::Filling;
use crate::pipeline::{Ask, Beat, Feed};
use crate::source::{CaptureNotes, INTERRUPTION_LIMIT, Interruption, LiveSource, Loss};
use crate::time::{Span, Timestamp};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// What the capture thread tells once a second.
pub(super) struct News {
    pub at: Timestamp,
    pub packets: u64,
    pub bytes: u64,
    pub losses: Vec<Loss>,
    pub notes: Vec<CaptureNotes>,
    /// Interfaces that ended or came back, in a sentence each.
    pub remarks: Vec<String>,
}

/// How often is asked how things stand: once a second, and where answers take long so much less often that no more than a fifth of the
/// time of any thread goes into them.
pub(super) struct Pace(Mutex<Turn>);

/// Whose turn it is.
#[derive(Clone, Copy)]
enum Turn {
    /// The capture thread's, to ask, from this moment on.
    Ask(Instant),
    /// Everybody else's, to answer.
    Answer,
}

/// For that many times as long as an answer took nobody asks again.
const REST: u32 = 4;

impl Pace {
    pub fn new() -> Pace {
        Pace(Mutex::new(Turn::Ask(Instant::now())))
    }

    /// Whether it may be asked now; then it is.
    fn asks(&self, now: Instant) -> bool {
        let mut turn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let may = matches!(*turn, Turn::Ask(from) if now >= from);
        if may {
            *turn = Turn::Answer;
        }
        may
    }

    /// The last question has been answered, at this cost for the thread that was slowest.
    pub fn answered(&self, cost: Duration) {
        let mut turn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *turn = Turn::Ask(Instant::now() + cost * REST);
    }
}

/// The capture thread's side: interfaces, limits, and the second that goes by.
pub(super) struct LiveFeed {
    source: LiveSource,
    stop: Arc<AtomicBool>,
    until: Option<Instant>,
    packets_left: Option<u64>,
    second: Instant,
    interval: Option<(Duration, Instant)>,
    wait: bool,
    /// What was lost until the last second, by interface.
    lost: Vec<u64>,
    lossy_seconds: Vec<Vec<Timestamp>>,
    /// When an interface was not there, by interface, and how often.
    interruptions: Vec<(Vec<Interruption>, u64)>,
    news: mpsc::Sender<News>,
    pace: Arc<Pace>,
}

/// Maximum time of one wait for packets, or for news.
pub(super) const WAIT: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
/// Maximum number of lossy seconds that are remembered for each interface.
const LOSSY_LIMIT: usize = 100_000;

impl LiveFeed {
    pub fn new(
        source: LiveSource,
        args: &LiveArgs,
        stop: Arc<AtomicBool>,
        news: mpsc::Sender<News>,
        pace: Arc<Pace>,
    ) -> LiveFeed {
        let now = Instant::now();
        let interfaces = source.notes().count();
        LiveFeed {
            source,
            stop,
            until: args.duration.map(|seconds| now + Duration::from_secs(seconds)),
            packets_left: args.packets,
            second: now + SECOND,
            interval: args.interval.map(Duration::from_secs).map(|every| (every, now + every)),
            wait: args.wait,
            lost: vec![0; interfaces],
            lossy_seconds: vec![Vec::new(); interfaces],
            interruptions: vec![(Vec::new(), 0); interfaces],
            news,
            pace,
        }
    }

    fn is_over(&self) -> bool {
        let stopped = self.stop.load(Ordering::Relaxed);
        stopped || self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Counts what has come. Says whether that is enough.
    fn count(&mut self, packets: usize) -> bool {
        if let Some(left) = &mut self.packets_left {
            *left = left.saturating_sub(packets as u64);
        }
        self.packets_left == Some(0)
    }

    /// Once a second: what was lost, who is still there.
    fn second_passes(&mut self, at: Timestamp) {
        let losses = self.source.loss();
        for (index, loss) in losses.iter().enumerate() {
            let lost = loss.kernel.unwrap_or(0) + loss.card.unwrap_or(0);
            if lost > self.lost[index] && self.lossy_seconds[index].len() < LOSSY_LIMIT {
                self.lossy_seconds[index].push(at + Span::seconds(-1));
            }
            self.lost[index] = lost;
        }
        let mut remarks = Vec::new();
        for (name, why) in self.source.ended() {
            self.interrupted(&name, &why, at);
            remarks.push(why);
        }
        if self.wait {
            for (name, outcome) in self.source.reopen() {
                remarks.push(match outcome {
                    Ok(()) => {
                        self.resumed(&name, at);
                        format!("{name} is watched again")
                    }
                    Err(error) => error.to_string(),
                });
            }
        }
        let notes = self.notes();
        let sum = |of: fn(&CaptureNotes) -> u64| notes.iter().map(of).sum();
        let (packets, bytes) = (sum(|notes| notes.packets), sum(|notes| notes.bytes));
        // Nobody listens any more once writing has failed.
        let _ = self.news.send(News { at, packets, bytes, losses, notes, remarks });
    }

    /// The place of an interface among the others.
    fn place(&self, name: &str) -> Option<usize> {
        self.source.notes().position(|notes| notes.name == name)
    }

    fn interrupted(&mut self, name: &str, what: &str, from: Timestamp) {
        let Some(place) = self.place(name) else { return };
        let (list, times) = &mut self.interruptions[place];
        *times += 1;
        if list.len() < INTERRUPTION_LIMIT {
            list.push(Interruption { what: what.to_string(), from, to: None });
        }
    }

    fn resumed(&mut self, name: &str, at: Timestamp) {
        let Some(place) = self.place(name) else { return };
        let open = self.interruptions[place].0.last_mut().filter(|last| last.to.is_none());
        if let Some(last) = open {
            last.to = Some(at);
        }
    }

    pub fn notes(&self) -> Vec<CaptureNotes> {
        let mut notes: Vec<CaptureNotes> = self.source.notes().cloned().collect();
        for (notes, (list, times)) in notes.iter_mut().zip(&self.interruptions) {
            notes.interruptions.clone_from(list);
            notes.interrupted = *times;
        }
        for (notes, seconds) in notes.iter_mut().zip(&self.lossy_seconds) {
            notes.lossy_seconds.clone_from(seconds);
        }
        notes
    }
}

impl Feed for LiveFeed {
    fn fill(&mut self, filling: &mut Filling<'_>) -> Beat {
        let most = self.packets_left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        if self.is_over() {
            let tick = self.source.finish(filling, most);
            let ended = self.count(tick.packets) || !tick.full;
            if ended {
                self.second_passes(tick.settled);
            }
            return Beat { now: tick.settled, ask: Ask::Nothing, ended };
        }
        let tick = self.source.fill(filling, most, WAIT);
        let enough = self.count(tick.packets);
        let now = Instant::now();
        let report_due = self.interval.is_some_and(|(_, due)| now >= due);
        let mut ask = Ask::Nothing;
        if now >= self.second || report_due {
            let asks = self.pace.asks(now);
            if now >= self.second || asks {
                self.second = now + SECOND;
                self.second_passes(tick.settled);
            }
            if asks {
                ask = Ask::Standing(if report_due { Depth::Everything } else { Depth::Questions });
                if let Some((every, due)) = self.interval.as_mut().filter(|_| report_due) {
                    *due = now + *every;
                }
            }
        }
        let ended = enough || (tick.open == 0 && !self.wait);
        if ended {
            self.second_passes(tick.settled);
        }
        Beat { now: tick.settled, ask, ended }
    }
}
