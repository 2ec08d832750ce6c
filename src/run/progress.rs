//! What is shown on the last line of a terminal while an audit goes on: how far it has come, or how things stand. The only file that
//! names `indicatif`.

use super::console::{Quiet, is_dumb};
use super::inputs::Input;
#[cfg(feature = "live")]
use crate::outside::printable;
use crate::report::{bytes, count};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// What is shown on standard error by audits that take longer than a second: a bar, or where nobody knows how much will come, as
/// from a pipe, how much has come.
pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
    /// Bytes of all inputs; none where one of them has no end that is known.
    total: Option<u64>,
}

impl Progress {
    pub fn new(paths: &[Input], quiet: Quiet) -> Progress {
        let length =
            |input: &Input| fs::metadata(&input.path).ok().filter(fs::Metadata::is_file).map(|file| file.len());
        let total = paths.iter().map(length).sum();
        let bar = if is_shown(quiet) { ProgressBar::no_length() } else { ProgressBar::hidden() };
        Progress { bar, started: Instant::now(), total }
    }

    /// Shows how much was read of all inputs, in bytes and in packets.
    pub fn show(&mut self, read: u64, packets: u64) {
        if self.bar.is_hidden() || self.started.elapsed() < Duration::from_secs(1) {
            return;
        }
        if let Some(total) = self.total.filter(|_| self.bar.length().is_none()) {
            self.bar.set_length(total);
            let style = ProgressStyle::with_template("{bar:20} {msg}, {eta} left");
            self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        } else if self.total.is_none() {
            let style = ProgressStyle::with_template("{msg}");
            self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        }
        self.bar.set_position(read);
        self.bar.set_message(told(read, packets, self.total, self.started.elapsed()));
    }

    pub fn done(&self) {
        self.bar.finish_and_clear();
    }
}

/// How far an audit has come, in the units of the report.
fn told(read: u64, packets: u64, total: Option<u64>, elapsed: Duration) -> String {
    let rate = bytes((read as f64 / elapsed.as_secs_f64().max(0.001)) as u64);
    match total {
        Some(total) => format!("{} of {}, {rate}/s", bytes(read), bytes(total)),
        None => format!("{} read, {}, {rate}/s", bytes(read), count(packets, "packet")),
    }
}

/// A line on standard error that says how a live audit stands.
#[cfg(feature = "live")]
pub(super) struct Status(ProgressBar);

#[cfg(feature = "live")]
impl Status {
    pub fn new(quiet: Quiet) -> Status {
        if !is_shown(quiet) {
            return Status(ProgressBar::hidden());
        }
        // Cut off at the width of the terminal: what is longer would leave lines behind when it is taken away.
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        Status(ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner())))
    }

    /// Shows another line.
    pub fn show(&self, line: String) {
        self.0.set_message(printable(&line).into_owned());
        self.0.tick();
    }

    /// Takes the line away while something else is written.
    pub fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        self.0.suspend(write)
    }

    /// Takes the line away for good.
    pub fn close(&self) {
        self.0.finish_and_clear();
    }
}

/// Whether a line may be written over and over: on a terminal that can.
fn is_shown(quiet: Quiet) -> bool {
    quiet == Quiet::No && io::stderr().is_terminal() && !is_dumb()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_the_units_of_the_report() {
        let second = Duration::from_secs(1);
        assert_eq!(told(1_500_000, 3_000, Some(3_000_000), second), "1.5 MB of 3.0 MB, 1.5 MB/s");
        assert_eq!(told(61_234, 1, None, 2 * second), "61.2 kB read, 1 packet, 30.6 kB/s");
    }
}
