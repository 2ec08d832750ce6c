//! The writing side of a live audit: collects the workers' answers and tells what is new in them.

use super::super::Exit;
use super::super::console::{Meter, Metered, Paper, Quiet, Target};
use super::super::telling::Telling;
use super::feed::{News, Pace, WAIT};
use super::outlet::{Counts, Outlet};
use crate::audit::Standing;
use crate::case::{Case, Conclusion};
use crate::cli::{AuditArgs, Format};
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::flow::FlowRecord;
use crate::judge::{Judge, Judgement};
use crate::ledger::Ledger;
use crate::packet::Address;
use crate::pipeline::Interim;
use crate::portmap::PortMap;
use crate::report::{self, Report};
use crate::source::{CaptureNotes, Loss};
use crate::time::Timestamp;
use crate::transport::Transport;
use crate::words::Words;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// What tells one finding from another for as long as the audit runs: its code, its port, the servers, and its severity, so
/// that what turned out to be less or more than was told is told again.
type Identity = (&'static str, Option<(Transport, u16)>, Vec<Address>, Severity);

/// The writing side: collects the workers' answers and tells what is new in them.
pub(super) struct Desk<'a> {
    args: &'a AuditArgs,
    map: &'a Arc<PortMap>,
    words: Words,
    workers: usize,
    pace: Arc<Pace>,
    /// Answers to the question that is being put together.
    answers: Vec<Interim>,
    /// What was told until now, added up.
    ledger: Ledger,
    told: BTreeSet<Identity>,
    notes: Vec<CaptureNotes>,
    outlet: Outlet,
    meter: Arc<Meter>,
    before: Option<(Timestamp, u64, u64)>,
    /// Flows that have ended, where the report at the end lists them.
    finished: Vec<FlowRecord>,
    lines: u64,
    live_flows: usize,
}

impl<'a> Desk<'a> {
    pub fn new(
        args: &'a AuditArgs,
        map: &'a Arc<PortMap>,
        workers: usize,
        pace: Arc<Pace>,
        meter: Arc<Meter>,
    ) -> Desk<'a> {
        let counts = if args.format.streams() && args.output.is_none() { Counts::Lines } else { Counts::Remarks };
        Desk {
            args,
            map,
            words: Words::default(),
            workers,
            pace,
            answers: Vec::new(),
            ledger: Ledger::default(),
            told: BTreeSet::new(),
            notes: Vec::new(),
            outlet: Outlet::new(Quiet::of(args.quiet), Arc::clone(&meter), counts),
            meter,
            before: None,
            finished: Vec::new(),
            lines: 0,
            live_flows: 0,
        }
    }

    /// Takes what has come and waits a little for more. It never waits for output.
    pub fn attend(&mut self, news: &mpsc::Receiver<News>, interims: &mpsc::Receiver<Interim>) -> Result<(), Error> {
        news.try_iter().for_each(|news| self.hear(news));
        let mut next = interims.recv_timeout(WAIT).ok();
        while let Some(interim) = next {
            // What the capture thread said before it asked belongs to the answers.
            news.try_iter().for_each(|news| self.hear(news));
            self.answers.push(interim);
            self.put_together()?;
            next = interims.try_recv().ok();
        }
        self.outlet.error().map_or(Ok(()), |error| Err(wrong(error)))
    }

    fn hear(&mut self, news: News) {
        for sentence in news.remarks {
            self.outlet.remark(sentence);
        }
        if let Some((at, packets, bytes)) = self.before {
            let seconds = (news.at - at).as_seconds().max(0.001);
            let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
            let lost = |of: fn(&Loss) -> Option<u64>| news.losses.iter().filter_map(of).sum::<u64>();
            let line = format!(
                "{:.0} packets/s, {:.1} Mbit/s, {} flows, {} findings, {} lost",
                rate(news.packets, packets),
                rate(news.bytes, bytes) * 8.0 / 1e6,
                self.live_flows,
                self.told.len(),
                lost(|loss| loss.kernel) + lost(|loss| loss.card),
            );
            self.outlet.status(line);
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
        let begun = Instant::now();
        let took = complete.iter().map(|answer| answer.took).max().unwrap_or_default();
        self.answered(complete)?;
        self.pace.answered(took.max(begun.elapsed()));
        Ok(())
    }

    /// Adds what is new, and tells what it means.
    fn answered(&mut self, answers: Vec<Interim>) -> Result<(), Error> {
        self.live_flows = answers.iter().map(|answer| answer.live).sum();
        let at = answers.iter().map(|answer| answer.at).max().unwrap_or_default();
        let nothing_new = answers.iter().all(|answer| answer.standing.news.kinds.is_empty());
        let mut ledger = std::mem::take(&mut self.ledger);
        // Packets are counted from the beginning.
        (ledger.decoded, ledger.skipped, ledger.openings_given_up) = Default::default();
        let mut whole: Option<Ledger> = None;
        let (mut ended, mut left_out) = (Vec::new(), 0);
        for Interim { standing: Standing { news, whole: all }, finished, .. } in answers {
            ledger += &news;
            if let Some(all) = all {
                *whole.get_or_insert_default() += &all;
            }
            ended.extend(finished.flows);
            left_out += finished.left_out;
        }
        self.flows_ended(ended, left_out, &ledger)?;
        if whole.is_none() && nothing_new {
            self.ledger = ledger;
            return Ok(());
        }
        let report_due = whole.is_some() && self.args.format.repeats();
        let case = Case { ledger, captures: self.notes.clone(), ..Case::new(Arc::clone(self.map)) };
        for finding in &case.conclude().findings {
            self.tell_finding(finding, at)?;
        }
        if let Some(whole) = whole.filter(|_| report_due) {
            let case = Case { ledger: whole, captures: self.notes.clone(), ..Case::new(Arc::clone(self.map)) };
            self.interim_report(&case.conclude())?;
        }
        self.ledger = case.ledger;
        Ok(())
    }

    fn flows_ended(&mut self, mut ended: Vec<FlowRecord>, left_out: u64, ledger: &Ledger) -> Result<(), Error> {
        if !self.args.format.streams() || self.args.output.is_some() {
            self.finished.extend(ended);
            return Ok(());
        }
        ended.sort_by_key(|flow| flow.opener);
        let judge = Judge::new(self.map, ledger);
        let (begun, mut lines, mut left_out) = (Instant::now(), Vec::new(), left_out);
        for record in ended {
            self.lines += 1;
            if begun.elapsed() >= FLOW_TIME || !self.outlet.has_room() {
                left_out += 1;
                continue;
            }
            write_flow(&mut lines, self.lines, &record, judge.flow(&record), self.map).map_err(wrong)?;
            if lines.len() >= FLOW_PIECE {
                self.outlet.flows(&lines);
                lines.clear();
            }
        }
        self.outlet.flows(&lines);
        self.outlet.flows_left_out(left_out);
        Ok(())
    }

    /// Each finding once, as soon as it is certain. What concerns the capture as a whole is told at the end.
    fn tell_finding(&mut self, finding: &Finding, at: Timestamp) -> Result<(), Error> {
        if finding.severity == Severity::Info || !self.told.insert(identity(finding)) {
            return Ok(());
        }
        match self.args.format {
            Format::Ndjson if self.args.output.is_none() => {
                self.hand_over(|words, out| report::write_finding(out, &report::finding_line(finding, &[]), words))
            }
            // A report that goes to a program must stay one document.
            Format::Json | Format::Csv | Format::Ndjson => Ok(()),
            Format::Text => self.hand_over(|words, out| report::write_news(out, at, finding, words)),
        }
    }

    /// Puts a finding into words and hands it over to be written.
    fn hand_over(&self, write: impl FnOnce(&Words, &mut Vec<u8>) -> io::Result<()>) -> Result<(), Error> {
        let mut text = Vec::new();
        write(&self.words, &mut text).map_err(wrong)?;
        self.outlet.finding(text);
        Ok(())
    }

    fn interim_report(&mut self, conclusion: &Conclusion<'_>) -> Result<(), Error> {
        let report = Report::new(conclusion);
        let telling = Telling { flows: false, ..Telling::of(self.args, Target::Standard) };
        let look = telling.look(Paper::of_standard_output());
        let mut text = Vec::new();
        report::write_text(&mut text, &report, &self.words, look).map_err(wrong)?;
        self.outlet.report(text);
        Ok(())
    }

    /// Waits until everything is written that was handed over, and takes the status line away.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn close(&mut self) -> Result<(), Error> {
        self.outlet.finish().map_err(wrong)
    }

    /// The flows that have ended, where the report at the end lists them.
    pub fn take_finished(&mut self) -> Vec<FlowRecord> {
        std::mem::take(&mut self.finished)
    }

    /// The end of a stream of lines: what has not been told yet, and the sums.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn end(&mut self, case: &Case, left_out: u64, telling: &Telling<'_>) -> Result<Exit, Error> {
        let mut conclusion = case.conclude();
        let exit = telling.exit(&conclusion);
        let begun = Instant::now();
        let mut out = io::BufWriter::with_capacity(1 << 16, Metered::new(io::stdout(), &self.meter));
        let mut write = |out: &mut io::BufWriter<_>| {
            let mut flows = case.flows.iter();
            for record in flows.by_ref() {
                self.lines += 1;
                write_flow(out, self.lines, record, conclusion.judge.flow(record), self.map)?;
                if begun.elapsed() >= FLOW_TIME_AT_THE_END {
                    break;
                }
            }
            let left_out = left_out + flows.len() as u64;
            if left_out > 0 {
                report::write_left_out(out, 0, left_out)?;
            }
            conclusion.findings.retain(|finding| !self.told.contains(&identity(finding)));
            let report = Report::new(&conclusion);
            report::write_ndjson_without_flows(out, &report, &self.words)?;
            out.flush()
        };
        match write(&mut out) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(wrong(error)),
            _ => Ok(exit),
        }
    }
}

fn identity(finding: &Finding) -> Identity {
    (finding.code, finding.port, finding.servers.clone(), finding.severity)
}

/// Writes a flow as a line.
fn write_flow(
    out: &mut impl Write,
    number: u64,
    record: &FlowRecord,
    judgement: Judgement<'_>,
    map: &PortMap,
) -> io::Result<()> {
    report::write_flow(out, &report::flow_line(number, record, judgement, map))
}

fn wrong(error: io::Error) -> Error {
    Error::Write { target: "standard output".into(), error }
}

/// Longest time that is spent on the lines of flows that have ended since the last answer; the others are left out.
const FLOW_TIME: Duration = Duration::from_millis(500);
/// The same for those that are still alive at the end.
const FLOW_TIME_AT_THE_END: Duration = Duration::from_millis(500);
/// Bytes of lines that are handed over at once.
const FLOW_PIECE: usize = 64 * 1024;
