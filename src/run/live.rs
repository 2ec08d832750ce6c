//! `cap-audit live`: watches interfaces, tells findings as they become certain, and ends with a full report.
//!
//! One thread captures and never waits for output; the workers judge; this one writes. What the capture thread and the workers have to say
//! comes over channels that do not block them.

use super::{Audited, Exit, Target, Telling, conclude, port_map, remark, tell};
use crate::cli::{AuditArgs, Format, LiveArgs};
use crate::error::Error;
use crate::finding::{Finding, Scene, Severity, findings};
use crate::ledger::{self, Ledger};
use crate::packet::{Address, PacketBatch, Record};
use crate::pipeline::{Ask, Beat, Feed, Interim, run_live};
use crate::portmap::PortMap;
use crate::report::{self, Report};
use crate::sandbox::{Confinement, confine};
use crate::source::{CaptureNotes, LiveOptions, LiveSource, Loss, list};
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use crate::words::Words;
use indicatif::ProgressBar;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

pub(super) fn watch(args: &LiveArgs) -> Result<Exit, Error> {
    if args.list {
        return show_interfaces();
    }
    let audit = &args.audit;
    let map = Arc::new(port_map(audit.port_map.as_deref())?);
    let options = LiveOptions {
        filter: args.filter.clone(),
        snaplen: args.snaplen,
        buffer_bytes: args.buffer_size as usize * 1024 * 1024,
        promiscuous: args.promiscuous,
        wait: args.wait,
    };
    let stop = stop_on_signals().map_err(Error::Signals)?;
    let source = LiveSource::open(&args.interfaces, options, 0)?;
    let output = match &audit.output {
        Some(path) => {
            Some(File::create(path).map_err(|error| Error::Write { target: path.display().to_string(), error })?)
        }
        None => None,
    };
    confine_unless_told_not_to(args, &source)?;
    let pipeline = super::options(audit);
    remark(audit.quiet, &format!("watching {}; Ctrl-C ends with a report", args.interfaces.join(", ")));
    let (news, hear) = mpsc::channel();
    let mut feed = LiveFeed::new(source, args, stop, news);
    let (answers, interims) = mpsc::channel();
    let mut desk = Desk::new(audit, &map, pipeline.workers);
    let harvest = thread::scope(|scope| {
        let capture = scope.spawn(|| run_live(&map, pipeline, &mut feed, &answers));
        while !capture.is_finished() {
            desk.attend(&hear, &interims)?;
        }
        desk.attend(&hear, &interims)?;
        Ok::<_, Error>(capture.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    desk.close();
    let mut audited = Audited {
        ledger: harvest.ledger,
        flows: std::mem::take(&mut desk.finished),
        captures: feed.notes(),
        read: 1,
        failed: Vec::new(),
        clock: harvest.clock,
        overlapping: 0,
    };
    audited.flows.extend(harvest.flows);
    audited.settle();
    let target = match (&output, &audit.output) {
        (Some(file), Some(path)) => Target::Open(file, path),
        _ => Target::Standard,
    };
    let telling = Telling::of(audit, target);
    if audit.format == Format::Ndjson && audit.output.is_none() {
        return desk.end(&audited, &telling);
    }
    conclude(&audited, &map, &telling)
}

/// Gives up what is not needed any more: root, capabilities, files, most system calls.
fn confine_unless_told_not_to(args: &LiveArgs, source: &LiveSource) -> Result<(), Error> {
    if args.no_sandbox {
        return Ok(());
    }
    #[cfg(unix)]
    let read_only = source.descriptors();
    #[cfg(not(unix))]
    let read_only = Vec::new();
    let applied =
        confine(&Confinement { user: args.user.clone(), read_only, reopen: args.wait }).map_err(Error::Sandbox)?;
    if args.audit.verbose {
        applied.done.iter().for_each(|done| tell(&format!("confined: {done}")));
        applied.missing.iter().for_each(|missing| tell(&format!("not confined: {missing}")));
    }
    Ok(())
}

/// The first Ctrl-C or SIGTERM asks for the end, the second ends at once.
fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    const ENDED_BY_HAND: i32 = 130;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, ENDED_BY_HAND, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

fn show_interfaces() -> Result<Exit, Error> {
    let mut out = io::stdout().lock();
    for interface in list()? {
        let mut state = vec![if interface.up { "up" } else { "down" }];
        state.extend((interface.up && !interface.running).then_some("no carrier"));
        state.extend(interface.loopback.then_some("loopback"));
        state.extend(interface.wireless.then_some("wireless"));
        let addresses: Vec<String> = interface.addresses.iter().map(ToString::to_string).collect();
        let description = interface.description.map(|text| format!(" - {text}")).unwrap_or_default();
        let line = format!("{:<16} {:<20} {}{description}", interface.name, state.join(", "), addresses.join(", "));
        if writeln!(out, "{}", report::printable(line.trim_end())).is_err() {
            break;
        }
    }
    Ok(Exit::Clean)
}

/// What the capture thread tells once a second.
struct News {
    at: Timestamp,
    packets: u64,
    bytes: u64,
    losses: Vec<Loss>,
    notes: Vec<CaptureNotes>,
    /// Interfaces that ended or came back, in a sentence each.
    remarks: Vec<String>,
}

/// The capture thread's side: interfaces, limits, and the second that goes by.
struct LiveFeed {
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
    news: mpsc::Sender<News>,
}

/// So long at most is one wait for packets.
const WAIT: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
/// So many lossy seconds are remembered for each interface.
const LOSSY_LIMIT: usize = 100_000;

impl LiveFeed {
    fn new(source: LiveSource, args: &LiveArgs, stop: Arc<AtomicBool>, news: mpsc::Sender<News>) -> LiveFeed {
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
            news,
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
        let mut remarks: Vec<String> = self.source.ended().into_iter().map(|(_, why)| why).collect();
        if self.wait {
            remarks.extend(self.source.reopen().into_iter().map(|(name, outcome)| match outcome {
                Ok(()) => format!("{name} is watched again"),
                Err(error) => error.to_string(),
            }));
        }
        let notes = self.notes();
        let sum = |of: fn(&CaptureNotes) -> u64| notes.iter().map(of).sum();
        let (packets, bytes) = (sum(|notes| notes.packets), sum(|notes| notes.bytes));
        // Nobody listens any more once writing has failed.
        let _ = self.news.send(News { at, packets, bytes, losses, notes, remarks });
    }

    fn notes(&self) -> Vec<CaptureNotes> {
        let mut notes: Vec<CaptureNotes> = self.source.notes().cloned().collect();
        for (notes, seconds) in notes.iter_mut().zip(&self.lossy_seconds) {
            notes.lossy_seconds.clone_from(seconds);
        }
        notes
    }
}

impl Feed for LiveFeed {
    fn fill(&mut self, batch: &mut PacketBatch, place: &mut impl FnMut(&[u8], &mut Record) -> usize) -> Beat {
        let most = self.packets_left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        if self.is_over() {
            let tick = self.source.finish(batch, place, most);
            let ended = self.count(tick.packets) || !tick.full;
            if ended {
                self.second_passes(tick.settled);
            }
            return Beat { now: tick.settled, ask: Ask::Nothing, ended };
        }
        let tick = self.source.fill(batch, place, most, WAIT);
        let enough = self.count(tick.packets);
        let now = Instant::now();
        let mut ask = if now >= self.second { Ask::Questions } else { Ask::Nothing };
        if let Some((every, due)) = &mut self.interval
            && now >= *due
        {
            *due = now + *every;
            ask = Ask::All;
        }
        if ask != Ask::Nothing {
            self.second = now + SECOND;
            self.second_passes(tick.settled);
        }
        let ended = enough || (tick.open == 0 && !self.wait);
        if ended {
            self.second_passes(tick.settled);
        }
        Beat { now: tick.settled, ask, ended }
    }
}

/// What tells one finding from another for as long as the audit runs: its code, its port, the servers, and its severity, so
/// that what turned out to be less or more than was told is told again.
type Told = (&'static str, Option<(Transport, u16)>, Vec<Address>, Severity);

/// The writing side: collects the workers' answers and tells what is new in them.
struct Desk<'a> {
    args: &'a AuditArgs,
    map: &'a PortMap,
    workers: usize,
    /// Answers to the question that is being put together.
    answers: Vec<Interim>,
    told: BTreeSet<Told>,
    notes: Vec<CaptureNotes>,
    status: ProgressBar,
    before: Option<(Timestamp, u64, u64)>,
    /// Flows that have ended, where the report at the end lists them.
    finished: Vec<crate::audit::JudgedFlow>,
    lines: u64,
    live_flows: usize,
    line: String,
    words: Words,
}

impl<'a> Desk<'a> {
    fn new(args: &'a AuditArgs, map: &'a PortMap, workers: usize) -> Desk<'a> {
        let silent = args.quiet || !io::stderr().is_terminal();
        Desk {
            args,
            map,
            workers,
            answers: Vec::new(),
            told: BTreeSet::new(),
            notes: Vec::new(),
            status: if silent { ProgressBar::hidden() } else { ProgressBar::new_spinner() },
            before: None,
            finished: Vec::new(),
            lines: 0,
            live_flows: 0,
            line: String::new(),
            words: Words::default(),
        }
    }

    /// Takes what has come and waits a little for more.
    fn attend(&mut self, news: &mpsc::Receiver<News>, interims: &mpsc::Receiver<Interim>) -> Result<(), Error> {
        news.try_iter().for_each(|news| self.hear(news));
        let mut next = interims.recv_timeout(WAIT).ok();
        while let Some(interim) = next {
            // What the capture thread said before it asked belongs to the answers.
            news.try_iter().for_each(|news| self.hear(news));
            self.answers.push(interim);
            self.put_together()?;
            next = interims.try_recv().ok();
        }
        Ok(())
    }

    fn hear(&mut self, news: News) {
        for sentence in &news.remarks {
            self.status.suspend(|| tell(sentence));
        }
        if let Some((at, packets, bytes)) = self.before {
            let seconds = (news.at - at).as_seconds().max(0.001);
            let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
            let lost = |of: fn(&Loss) -> Option<u64>| news.losses.iter().filter_map(of).sum::<u64>();
            self.line = format!(
                "{:.0} packets/s, {:.1} Mbit/s, {} flows, {} findings, {} lost",
                rate(news.packets, packets),
                rate(news.bytes, bytes) * 8.0 / 1e6,
                self.live_flows,
                self.told.len(),
                lost(|loss| loss.kernel) + lost(|loss| loss.card),
            );
            self.status.set_message(self.line.clone());
            self.status.tick();
        }
        self.before = Some((news.at, news.packets, news.bytes));
        self.notes = news.notes;
    }

    /// Once every worker has answered a question: the sum, and what is new in it.
    fn put_together(&mut self) -> Result<(), Error> {
        let Some(serial) = self.answers.iter().map(|answer| answer.serial).min() else { return Ok(()) };
        if self.answers.iter().filter(|answer| answer.serial == serial).count() < self.workers {
            return Ok(());
        }
        let (complete, rest): (Vec<Interim>, Vec<Interim>) =
            std::mem::take(&mut self.answers).into_iter().partition(|answer| answer.serial == serial);
        self.answers = rest;
        let mut ledger = Ledger::default();
        let mut all = false;
        self.live_flows = complete.iter().map(|answer| answer.live).sum();
        let mut ended = Vec::new();
        let mut at = Timestamp::default();
        for answer in complete {
            ledger += &answer.ledger;
            all |= answer.all;
            at = at.max(answer.at);
            ended.extend(answer.finished);
        }
        self.flows_ended(ended, &ledger)?;
        ledger.settle();
        let found = findings(&Scene { ledger: &ledger, map: self.map, captures: &self.notes });
        for finding in &found {
            self.tell_finding(finding, at)?;
        }
        if all && self.args.format == Format::Text {
            self.interim_report(ledger, &found)?;
        }
        Ok(())
    }

    fn flows_ended(&mut self, mut ended: Vec<crate::audit::JudgedFlow>, ledger: &Ledger) -> Result<(), Error> {
        if self.args.format != Format::Ndjson || self.args.output.is_some() {
            self.finished.extend(ended);
            return Ok(());
        }
        ended.sort_by_key(|flow| flow.record.opener);
        for flow in &mut ended {
            ledger::settle(ledger, &flow.record, &mut flow.judgement);
            self.lines += 1;
            let line = report::flow_line(self.lines, flow, self.map);
            write(|out| report::write_flow(out, &line))?;
        }
        Ok(())
    }

    /// Each finding once, as soon as it is certain. What concerns the capture as a whole is told at the end.
    fn tell_finding(&mut self, finding: &Finding, at: Timestamp) -> Result<(), Error> {
        if finding.severity == Severity::Info || !self.told.insert(told(finding)) {
            return Ok(());
        }
        match self.args.format {
            Format::Ndjson if self.args.output.is_none() => {
                write(|out| report::write_finding(out, &report::finding_line(finding, &[]), &self.words))
            }
            // A report that goes to a program must stay one document.
            Format::Json | Format::Csv | Format::Ndjson => Ok(()),
            Format::Text => self.status.suspend(|| write(|out| report::write_news(out, at, finding, &self.words))),
        }
    }

    fn interim_report(&mut self, ledger: Ledger, found: &[Finding]) -> Result<(), Error> {
        let audited = self.audited(ledger);
        let report = Report::new(&audited.material(found, self.map));
        let telling = self.telling();
        let look = telling.look(io::stdout().is_terminal());
        self.status.suspend(|| write(|out| report::write_text(out, &report, &self.words, look)))
    }

    fn audited(&self, ledger: Ledger) -> Audited {
        Audited {
            ledger,
            flows: Vec::new(),
            captures: self.notes.clone(),
            read: 1,
            failed: Vec::new(),
            clock: crate::pipeline::Clock::default(),
            overlapping: 0,
        }
    }

    fn telling(&self) -> Telling<'a> {
        Telling { flows: false, ..Telling::of(self.args, Target::Standard) }
    }

    fn close(&self) {
        self.status.finish_and_clear();
    }

    /// The end of a stream of lines: what has not been told yet, and the sums.
    fn end(&mut self, audited: &Audited, telling: &Telling<'_>) -> Result<Exit, Error> {
        let found = findings(&Scene { ledger: &audited.ledger, map: self.map, captures: &audited.captures });
        let new: Vec<Finding> = found.iter().filter(|finding| !self.told.contains(&told(finding))).cloned().collect();
        for flow in &audited.flows {
            self.lines += 1;
            let line = report::flow_line(self.lines, flow, self.map);
            write(|out| report::write_flow(out, &line))?;
        }
        let rest = Audited { flows: Vec::new(), ..self.audited(audited.ledger.clone()) };
        let rest = Audited { captures: audited.captures.clone(), clock: audited.clock, ..rest };
        let report = Report::new(&rest.material(&new, self.map));
        write(|out| report::write_ndjson(out, &report, &self.words))?;
        Ok(match () {
            () if audited.ledger.tally.evaluable == 0 => Exit::NothingJudged,
            () if telling.fail_on.fails(report::worst(&found)) => Exit::Found,
            () => Exit::Clean,
        })
    }
}

fn told(finding: &Finding) -> Told {
    (finding.code, finding.port, finding.servers.clone(), finding.severity)
}

/// Writes to standard output at once. Whoever has stopped reading misses the rest.
fn write(write: impl FnOnce(&mut io::BufWriter<io::StdoutLock<'static>>) -> io::Result<()>) -> Result<(), Error> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| Error::Write { target: "standard output".into(), error }),
    }
}
