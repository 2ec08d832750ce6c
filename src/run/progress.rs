//! What is shown on the last line of a terminal while an audit goes on: how far it has come, or how things stand. The only file that
//! names `indicatif`.

use super::console::Quiet;
use super::inputs::Input;
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
}

impl Progress {
    pub fn new(paths: &[Input], quiet: Quiet) -> Progress {
        let total =
            paths.iter().filter_map(|input| fs::metadata(&input.path).ok()).map(|metadata| metadata.len()).sum();
        let bar = if is_shown(quiet) { ProgressBar::no_length() } else { ProgressBar::hidden() };
        Progress { bar, started: Instant::now(), total }
    }

    pub fn show(&mut self, bytes_read: u64) {
        if self.bar.is_hidden() || self.started.elapsed() < Duration::from_secs(1) {
            return;
        }
        if self.bar.length().is_none() && self.total > 0 {
            self.bar.set_length(self.total);
            let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
            self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
        self.bar.set_position(bytes_read);
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
        Status(if is_shown(quiet) { ProgressBar::new_spinner() } else { ProgressBar::hidden() })
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
