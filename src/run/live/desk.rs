//! The writing side of a live audit: collects the workers' answers and tells what is new in them.

use super::super::Exit;
use super::super::console::{Paper, Quiet, Target, tell};
use super::super::progress::Status;
use super::super::telling::{Telling, words};
use super::feed::{News, WAIT};
use crate::audit::FirstFlows;
use crate::case::{Case, Conclusion};
use crate::cli::{AuditArgs, Format};
use crate::error::Error;
use crate::finding::{Finding, Severity};
use crate::flow::{Depth, FlowRecord};
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

/// What tells one finding from another for as long as the audit runs: its code, its port, the servers, and its severity, so
/// that what turned out to be less or more than was told is told again.
type Identity = (&'static str, Option<(Transport, u16)>, Vec<Address>, Severity);

/// The writing side: collects the workers' answers and tells what is new in them.
pub(super) struct Desk<'a> {
    args: &'a AuditArgs,
    map: &'a Arc<PortMap>,
    words: Words,
    workers: usize,
    /// Answers to the question that is being put together.
    answers: Vec<Interim>,
    told: BTreeSet<Identity>,
    notes: Vec<CaptureNotes>,
    status: Status,
    before: Option<(Timestamp, u64, u64)>,
    /// Flows that have ended, where the report at the end lists them.
    finished: FirstFlows,
    lines: u64,
    live_flows: usize,
}

impl<'a> Desk<'a> {
    pub fn new(args: &'a AuditArgs, map: &'a Arc<PortMap>, workers: usize) -> Desk<'a> {
        Desk {
            args,
            map,
            words: words(args.utc),
            workers,
            answers: Vec::new(),
            told: BTreeSet::new(),
            notes: Vec::new(),
            status: Status::new(Quiet::of(args.quiet)),
            before: None,
            finished: FirstFlows::new(args.max_flows as usize),
            lines: 0,
            live_flows: 0,
        }
    }

    /// Takes what has come and waits a little for more.
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
        Ok(())
    }

    fn hear(&mut self, news: News) {
        for sentence in &news.remarks {
            self.status.aside(|| tell(sentence));
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
            self.status.show(line);
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
        let mut depth = Depth::Questions;
        self.live_flows = complete.iter().map(|answer| answer.live).sum();
        let mut ended = Vec::new();
        let mut at = Timestamp::default();
        for answer in complete {
            ledger += &answer.ledger;
            depth = answer.depth;
            at = at.max(answer.at);
            ended.extend(answer.finished);
        }
        self.flows_ended(ended, &ledger)?;
        let case = Case { ledger, captures: self.notes.clone(), ..Case::new(Arc::clone(self.map)) };
        let conclusion = case.conclude();
        for finding in &conclusion.findings {
            self.tell_finding(finding, at)?;
        }
        if depth == Depth::Everything && self.args.format.repeats() {
            self.interim_report(&conclusion)?;
        }
        Ok(())
    }

    fn flows_ended(&mut self, mut ended: Vec<FlowRecord>, ledger: &Ledger) -> Result<(), Error> {
        if !self.args.format.streams() || self.args.output.is_some() {
            self.finished.extend(ended);
            return Ok(());
        }
        ended.sort_by_key(|flow| flow.opener);
        let judge = Judge::new(self.map, ledger);
        for record in ended {
            self.flow(&record, judge.flow(&record))?;
        }
        Ok(())
    }

    /// Writes the next flow as a line.
    fn flow(&mut self, record: &FlowRecord, judgement: Judgement<'_>) -> Result<(), Error> {
        if self.lines == 0 {
            write(|out| report::write_rule_sets(out, self.map))?;
        }
        self.lines += 1;
        let line = report::flow_line(self.lines, record, judgement, self.map);
        write(|out| report::write_flow(out, &line))
    }

    /// Each finding once, as soon as it is certain. What concerns the capture as a whole is told at the end.
    fn tell_finding(&mut self, finding: &Finding, at: Timestamp) -> Result<(), Error> {
        if finding.severity == Severity::Info || !self.told.insert(identity(finding)) {
            return Ok(());
        }
        match self.args.format {
            Format::Ndjson if self.args.output.is_none() => {
                write(|out| report::write_finding(out, &report::finding_line(finding, &[]), &self.words))
            }
            // A report that goes to a program must stay one document.
            Format::Json | Format::Csv | Format::Ndjson => Ok(()),
            Format::Text => self.status.aside(|| write(|out| report::write_news(out, at, finding, &self.words))),
        }
    }

    fn interim_report(&mut self, conclusion: &Conclusion<'_>) -> Result<(), Error> {
        let report = Report::new(conclusion);
        let telling = Telling { flows: false, ..Telling::of(self.args, Target::Standard) };
        let look = telling.look(Paper::of_standard_output());
        self.status.aside(|| write(|out| report::write_text(out, &report, &self.words, look)))
    }

    pub fn close(&self) {
        self.status.close();
    }

    /// The flows that have ended, where the report at the end lists them.
    pub fn take_finished(&mut self) -> Vec<FlowRecord> {
        self.finished.take()
    }

    /// The end of a stream of lines: what has not been told yet, and the sums.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn end(&mut self, case: &Case, telling: &Telling<'_>) -> Result<Exit, Error> {
        let mut conclusion = case.conclude();
        for record in &case.flows {
            self.flow(record, conclusion.judge.flow(record))?;
        }
        let exit = telling.exit(&conclusion);
        conclusion.findings.retain(|finding| !self.told.contains(&identity(finding)));
        let report = Report::new(&conclusion);
        write(|out| report::write_ndjson_without_flows(out, &report, &self.words))?;
        Ok(exit)
    }
}

fn identity(finding: &Finding) -> Identity {
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
