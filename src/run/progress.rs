//! How far an audit of files has come.

use super::inputs::{Input, Opened};
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
    pub fn new(paths: &[Input], quiet: bool) -> Progress {
        let total =
            paths.iter().filter_map(|input| fs::metadata(&input.path).ok()).map(|metadata| metadata.len()).sum();
        let bar = if quiet || !io::stderr().is_terminal() { ProgressBar::hidden() } else { ProgressBar::no_length() };
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
