//! The thread that writes while a live audit goes on. Whoever reads may stop, and a terminal may be held (Ctrl-S): then this thread
//! waits, and nobody else does. What waits to be written is bounded; what has no room is counted, and the count is written as soon
//! as output moves again.

use super::super::console::{Meter, Metered, Quiet, tell};
use super::super::progress::Status;
use crate::report::{self, count};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// What the other threads hand over to be written. None of its calls but [`Outlet::finish`] waits for output.
pub(super) struct Outlet {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Lines that were not written because there was no room for them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct LeftOut {
    pub findings: u64,
    pub flows: u64,
}

/// In which form a count of what was left out is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// A line among the others.
    Lines,
    /// A remark on standard error.
    Remarks,
}

struct Shared {
    waiting: Mutex<Waiting>,
    came: Condvar,
    meter: Arc<Meter>,
    counts: Counts,
}

/// What waits to be written.
#[derive(Default)]
struct Waiting {
    remarks: VecDeque<String>,
    findings: VecDeque<Vec<u8>>,
    /// The newest report; an older one that was not written is of no use any more.
    report: Option<Vec<u8>>,
    status: Option<String>,
    flows: Vec<u8>,
    left_out: LeftOut,
    ended: bool,
    /// Nobody reads any more.
    closed: bool,
    error: Option<io::Error>,
}

/// What is written at one time.
enum Piece {
    LeftOut(LeftOut),
    Remark(String),
    /// For standard output.
    Bytes(Vec<u8>),
    Status(String),
}

/// Most findings that wait; beyond it the oldest are left out.
const FINDINGS: usize = 1_000;
/// Most remarks that wait; beyond it the oldest are left out.
const REMARKS: usize = 100;
/// Bytes of flow lines from which on further ones are left out.
const FLOW_BYTES: usize = 4 * 1024 * 1024;

impl Outlet {
    pub fn new(quiet: Quiet, meter: Arc<Meter>, counts: Counts) -> Outlet {
        let shared = Arc::new(Shared { waiting: Mutex::default(), came: Condvar::new(), meter, counts });
        let writer = Arc::clone(&shared);
        let thread = thread::spawn(move || writer.write(&Status::new(quiet)));
        Outlet { shared, thread: Some(thread) }
    }

    /// A sentence for standard error.
    pub fn remark(&self, sentence: String) {
        self.hand_over(|waiting| {
            waiting.remarks.push_back(sentence);
            if waiting.remarks.len() > REMARKS {
                waiting.remarks.pop_front();
            }
        });
    }

    /// The line that says how things stand.
    pub fn status(&self, line: String) {
        self.hand_over(|waiting| waiting.status = Some(line));
    }

    /// A finding, as it is to stand on standard output.
    pub fn finding(&self, text: Vec<u8>) {
        self.hand_over(|waiting| {
            waiting.findings.push_back(text);
            if waiting.findings.len() > FINDINGS {
                waiting.findings.pop_front();
                waiting.left_out.findings += 1;
            }
        });
    }

    /// A report in between. One that still waits is replaced.
    pub fn report(&self, text: Vec<u8>) {
        self.hand_over(|waiting| waiting.report = Some(text));
    }

    /// Whether there is room for lines of flows. Whoever asks before he puts them into words saves the work.
    pub fn has_room(&self) -> bool {
        let waiting = self.shared.waiting();
        !waiting.closed && waiting.flows.len() < FLOW_BYTES
    }

    /// Lines of flows.
    pub fn flows(&self, lines: &[u8]) {
        self.hand_over(|waiting| waiting.flows.extend_from_slice(lines));
    }

    /// Flows of which there will be no line.
    pub fn flows_left_out(&self, flows: u64) {
        if flows > 0 {
            self.hand_over(|waiting| waiting.left_out.flows += flows);
        }
    }

    fn hand_over(&self, put: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.shared.waiting();
        if !waiting.closed {
            put(&mut waiting);
            self.shared.came.notify_one();
        }
    }

    /// What went wrong when something was written; told once.
    pub fn error(&self) -> Option<io::Error> {
        self.shared.waiting().error.take()
    }

    /// Waits until everything is written, and takes the status line away.
    ///
    /// # Errors
    /// What writing gave. That nobody reads any more is none.
    pub fn finish(&mut self) -> io::Result<()> {
        self.hand_over(|waiting| waiting.status = None);
        self.shared.waiting().ended = true;
        self.shared.came.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        self.error().map_or(Ok(()), Err)
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes until the end.
    fn write(&self, status: &Status) {
        while let Some(piece) = self.next() {
            if let Err(error) = self.write_piece(piece, status) {
                let mut waiting = self.waiting();
                let (ended, broken) = (waiting.ended, error.kind() == io::ErrorKind::BrokenPipe);
                *waiting = Waiting { ended, closed: true, error: (!broken).then_some(error), ..Waiting::default() };
            }
        }
        self.meter.during(|| status.close());
    }

    fn next(&self) -> Option<Piece> {
        let mut waiting = self.waiting();
        loop {
            if let Some(piece) = waiting.take() {
                return Some(piece);
            }
            if waiting.ended {
                return None;
            }
            waiting = self.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write_piece(&self, piece: Piece, status: &Status) -> io::Result<()> {
        let out = |bytes: &[u8]| {
            let mut out = Metered::new(io::stdout(), &self.meter);
            out.write_all(bytes).and_then(|()| out.flush())
        };
        match piece {
            Piece::Bytes(bytes) => status.aside(|| out(&bytes)),
            Piece::LeftOut(LeftOut { findings, flows }) if self.counts == Counts::Lines => {
                let mut line = Vec::new();
                report::write_left_out(&mut line, findings, flows)?;
                out(&line)
            }
            Piece::LeftOut(left_out) => {
                self.meter.during(|| status.aside(|| tell(&left_out.to_string())));
                Ok(())
            }
            Piece::Remark(sentence) => {
                self.meter.during(|| status.aside(|| tell(&sentence)));
                Ok(())
            }
            Piece::Status(line) => {
                self.meter.during(|| status.show(line));
                Ok(())
            }
        }
    }
}

impl Waiting {
    /// What is written next: what somebody waits for first.
    fn take(&mut self) -> Option<Piece> {
        if self.left_out != LeftOut::default() {
            return Some(Piece::LeftOut(std::mem::take(&mut self.left_out)));
        }
        if let Some(sentence) = self.remarks.pop_front() {
            return Some(Piece::Remark(sentence));
        }
        if let Some(text) = self.findings.pop_front().or_else(|| self.report.take()) {
            return Some(Piece::Bytes(text));
        }
        if let Some(line) = self.status.take() {
            return Some(Piece::Status(line));
        }
        (!self.flows.is_empty()).then(|| Piece::Bytes(std::mem::take(&mut self.flows)))
    }
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let LeftOut { findings, flows } = *self;
        let left_out: Vec<String> = [(findings, "finding"), (flows, "flow")]
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| count(number, what))
            .collect();
        write!(f, "output stood still, and {} could not be written", left_out.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_findings_the_newest_are_kept_and_the_others_counted() {
        let shared =
            Shared { waiting: Mutex::default(), came: Condvar::new(), meter: Arc::default(), counts: Counts::Lines };
        let outlet = Outlet { shared: Arc::new(shared), thread: None };
        for number in 0..FINDINGS + 7 {
            outlet.finding(number.to_string().into_bytes());
        }
        let mut waiting = outlet.shared.waiting();
        let Some(Piece::LeftOut(left_out)) = waiting.take() else { panic!("the count comes first") };
        assert_eq!(left_out, LeftOut { findings: 7, flows: 0 });
        let Some(Piece::Bytes(first)) = waiting.take() else { panic!("then the findings") };
        assert_eq!(first, b"7");
        assert_eq!(waiting.findings.back().map(Vec::as_slice), Some((FINDINGS + 6).to_string().as_bytes()));
    }

    #[test]
    fn flows_are_taken_until_there_is_no_room() {
        let shared =
            Shared { waiting: Mutex::default(), came: Condvar::new(), meter: Arc::default(), counts: Counts::Lines };
        let outlet = Outlet { shared: Arc::new(shared), thread: None };
        let (line, mut lines) = ([b'x'; 1024], 0);
        while outlet.has_room() {
            outlet.flows(&line);
            lines += 1;
        }
        assert_eq!(lines, FLOW_BYTES / 1024);
        outlet.flows_left_out(3);
        outlet.flows_left_out(4);
        assert_eq!(outlet.shared.waiting().left_out, LeftOut { findings: 0, flows: 7 });
    }
}
