//! What is shown on the last line of a terminal while an audit goes on: how far it has come, or how things stand. The only file that
//! names `indicatif`.

use super::console::Quiet;
use super::inputs::{Input, Opened};
#[cfg(feature = "live")]
use crate::outside::printable;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// A bar on standard error for audits that take longer than a second.
pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
    total: u64,
    done: u64,
    current: u16,
    current_bytes: u64,
}

impl Progress {
    pub fn new(paths: &[Input], quiet: Quiet) -> Progress {
        let total =
            paths.iter().filter_map(|input| fs::metadata(&input.path).ok()).map(|metadata| metadata.len()).sum();
        let bar = if is_shown(quiet) { ProgressBar::no_length() } else { ProgressBar::hidden() };
        Progress { bar, started: Instant::now(), total, done: 0, current: 0, current_bytes: 0 }
    }

    pub fn show(&mut self, opened: &Opened) {
        if self.bar.is_hidden() || self.started.elapsed() < Duration::from_secs(1) {
            return;
        }
        if opened.capture != self.current {
            self.done += self.current_bytes;
            self.current = opened.capture;
        }
        self.current_bytes = opened.file.bytes_read();
        if self.bar.length().is_none() && self.total > 0 {
            self.bar.set_length(self.total);
            let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
            self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
        self.bar.set_position(self.done + self.current_bytes);
    }

    pub fn done(&self) {
        self.bar.finish_and_clear();
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

fn is_shown(quiet: Quiet) -> bool {
    quiet == Quiet::No && io::stderr().is_terminal()
}
