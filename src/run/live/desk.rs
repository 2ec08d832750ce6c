//! The writing side of a live audit: collects the workers' answers and tells what is new in them.

use super::super::Exit;
use super::super::console::{Meter, Metered, Paper, Quiet, Target};
use super::super::telling::{Telling, words};
use super::feed::{News, Pace, WAIT};
use super::outlet::{Counts, Outlet};
use super::told::Told;
use crate::audit::{self, FirstFlows};
use crate::case::{Case, Conclusion};
use crate::cli::{AuditArgs, Format};
use crate::error::Error;
use crate::finding::Finding;
use crate::flow::FlowRecord;
use crate::judge::{Judge, Judgement};
use crate::ledger::Ledger;
use crate::pipeline::Interim;
use crate::portmap::PortMap;
use crate::report::{self, Change, InBetween, Look, Notice, Report, Standing};
use crate::source::{CaptureNotes, Loss};
use crate::time::Timestamp;
use crate::words::Words;
use std::io::{self, Write};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

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
    told: Told,
    notes: Vec<CaptureNotes>,
    outlet: Outlet,
    meter: Arc<Meter>,
    before: Option<(Timestamp, u64, u64)>,
    /// Flows that have ended, where the report at the end lists them.
    finished: FirstFlows,
    lines: u64,
    live_flows: usize,
    begun: Instant,
    /// When the workers were asked last.
    asked: Timestamp,
    between: Between,
}

/// What is kept for the next report in between.
#[derive(Default)]
struct Between {
    /// The counts of the last one.
    counts: Standing,
    /// The first findings that came, changed or went since then.
    changes: Vec<Change>,
    further_changes: u64,
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
            words: words(args.utc || args.format != Format::Text),
            workers,
            pace,
            answers: Vec::new(),
            ledger: Ledger::default(),
            told: Told::default(),
            notes: Vec::new(),
            outlet: Outlet::new(Quiet::of(args.quiet), Arc::clone(&meter), counts),
            meter,
            before: None,
            finished: FirstFlows::new(args.max_flows as usize),
            lines: 0,
            live_flows: 0,
            begun: Instant::now(),
            asked: Timestamp::default(),
            between: Between::default(),
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
                "{}, {:.0} packets/s, {:.1} Mbit/s, {}, {}, {} lost",
                elapsed(self.begun.elapsed()),
                rate(news.packets, packets),
                rate(news.bytes, bytes) * 8.0 / 1e6,
                report::count(self.live_flows as u64, "flow"),
                report::count(self.told.count() as u64, "finding"),
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
        self.asked = at;
        let nothing_new = answers.iter().all(|answer| answer.standing.news.kinds.is_empty());
        let mut ledger = std::mem::take(&mut self.ledger);
        // Packets are counted from the beginning.
        (ledger.decoded, ledger.skipped, ledger.openings_given_up) = Default::default();
        (ledger.strangers, ledger.neighbours) = Default::default();
        let mut whole: Option<Ledger> = None;
        let (mut ended, mut left_out) = (Vec::new(), 0);
        for Interim { standing: audit::Standing { news, whole: all }, finished, .. } in answers {
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
        let conclusion = case.conclude();
        for notice in self.told.notices(&conclusion) {
            self.tell(&notice, at)?;
        }
        if let Some(whole) = whole.filter(|_| report_due) {
            let case = Case { ledger: whole, captures: self.notes.clone(), ..Case::new(Arc::clone(self.map)) };
            self.interim_report(&case.conclude(), at)?;
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
        if self.lines == 0 && !ended.is_empty() {
            report::write_rule_sets(&mut lines, self.map).map_err(wrong)?;
        }
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

    /// What there is to tell of a finding, as soon as it is certain.
    fn tell(&mut self, notice: &Notice<'_>, at: Timestamp) -> Result<(), Error> {
        match self.args.format {
            Format::Ndjson if self.args.output.is_none() => self.hand_over(|words, out| write_line(out, notice, words)),
            // A report that goes to a program must stay one document.
            Format::Json | Format::Csv | Format::Ndjson => Ok(()),
            Format::Text => {
                self.between.note(notice, &self.words);
                let look = self.look();
                self.hand_over(|words, out| report::write_notice(out, at, notice, words, look))
            }
        }
    }

    /// How text looks on standard output; somebody may make the window wider.
    fn look(&self) -> Look {
        Telling { flows: false, ..Telling::of(self.args, Target::Standard) }.look(Paper::of_standard_output())
    }

    /// Puts a finding into words and hands it over to be written.
    fn hand_over(&self, write: impl FnOnce(&Words, &mut Vec<u8>) -> io::Result<()>) -> Result<(), Error> {
        let mut text = Vec::new();
        write(&self.words, &mut text).map_err(wrong)?;
        self.outlet.finding(text);
        Ok(())
    }

    /// What has changed since the last one.
    fn interim_report(&mut self, conclusion: &Conclusion<'_>, at: Timestamp) -> Result<(), Error> {
        let report = Report::new(conclusion);
        let now = Standing::of(&report);
        let Between { counts, changes, further_changes } = std::mem::take(&mut self.between);
        let watched = self.begun.elapsed().into();
        let between = InBetween { at, watched, before: counts, now, changes: &changes, further_changes };
        let mut text = Vec::new();
        report::write_in_between(&mut text, &between, &report, &self.words, self.look()).map_err(wrong)?;
        self.outlet.report(text);
        self.between.counts = now;
        Ok(())
    }

    /// What has become of findings that were told, by all that is known at the end. Then nothing is left to write but the report: the
    /// status line is taken away.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn amend(&mut self, conclusion: &Conclusion<'_>) -> Result<(), Error> {
        let at = conclusion.case.captures.iter().filter_map(|notes| notes.last).max().unwrap_or_default();
        for notice in self.told.amends(conclusion) {
            self.tell(&notice, at.max(self.asked))?;
        }
        self.outlet.finish().map_err(wrong)
    }

    /// The flows that have ended, where the report at the end lists them.
    pub fn take_finished(&mut self) -> Vec<FlowRecord> {
        self.finished.take()
    }

    /// The end of a stream of lines: what has not been told yet, and the sums.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn end(&mut self, conclusion: &Conclusion<'_>, left_out: u64, telling: &Telling<'_>) -> Result<Exit, Error> {
        let exit = telling.exit(conclusion);
        let begun = Instant::now();
        let mut out = io::BufWriter::with_capacity(1 << 16, Metered::new(io::stdout(), &self.meter));
        let mut write = |out: &mut io::BufWriter<_>| {
            if self.lines == 0 && !conclusion.case.flows.is_empty() {
                report::write_rule_sets(out, self.map)?;
            }
            let mut flows = conclusion.case.flows.iter();
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
            // Those that were told as they came count, and are not told again.
            let is_new = |finding: &Finding| !self.told.has(finding);
            report::write_ndjson_without_flows(out, &Report::new(conclusion), &self.words, is_new)?;
            out.flush()
        };
        match write(&mut out) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(wrong(error)),
            _ => Ok(exit),
        }
    }
}

impl Between {
    /// Remembers a notice for the next report; a person reads the first few.
    fn note(&mut self, notice: &Notice<'_>, words: &Words) {
        const LISTED: usize = 20;
        if self.changes.len() < LISTED {
            self.changes.push(Change::of(notice, words));
        } else {
            self.further_changes += 1;
        }
    }
}

/// Writes a notice as a line.
fn write_line(out: &mut Vec<u8>, notice: &Notice<'_>, words: &Words) -> io::Result<()> {
    match notice {
        Notice::New(finding) => report::write_finding(out, &report::finding_line(finding, &[]), words),
        Notice::Revised(finding, revision) => {
            report::write_revised(out, &report::finding_line(finding, &[]), revision, words)
        }
        Notice::Withdrawn(finding, because) => report::write_withdrawn(out, finding, because, words),
    }
}

/// Hours, minutes and seconds: `1:02:33`.
fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
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
