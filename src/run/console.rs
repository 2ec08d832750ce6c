//! Where output goes: the report to standard output or a file, everything else to standard error.

use super::draft::Draft;
use crate::error::{Error, Output};
use crate::report;
#[cfg(feature = "live")]
use crate::sandbox::ReportFile;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
#[cfg(feature = "live")]
use std::sync::{Mutex, PoisonError};
#[cfg(feature = "live")]
use std::time::{Duration, Instant};

/// Says a sentence on standard error. Whoever does not listen any more misses it.
pub fn tell(sentence: &str) {
    let _ = writeln!(io::stderr(), "cap-audit: {}", report::printable(sentence));
}

/// Whether everything but reports and errors is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Quiet {
    /// It is.
    Yes,
    /// Remarks and progress go to standard error.
    No,
}

impl Quiet {
    /// As the switch `--quiet` says.
    pub fn of(switch: bool) -> Quiet {
        if switch { Quiet::Yes } else { Quiet::No }
    }

    /// Says something that is no error, unless quiet was asked for.
    pub fn remark(self, sentence: &str) {
        if self == Quiet::No {
            tell(sentence);
        }
    }
}

/// Whether the terminal can neither move its cursor nor show colours.
pub(super) fn is_dumb() -> bool {
    std::env::var_os("TERM").map_or(cfg!(unix), |terminal| terminal.is_empty() || terminal == "dumb")
}

/// Where a report goes.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// Standard output.
    Standard,
    /// A file that takes its place when the report is complete.
    File(&'a Path),
    /// A file that was opened before, for a program that may not open any more, and its name.
    #[cfg(feature = "live")]
    Open(&'a ReportFile, &'a Path),
    /// Standard output, where somebody watches whether it moves.
    #[cfg(feature = "live")]
    Watched(&'a Meter),
}

/// Whether somebody waits in a call that writes, and since when.
#[cfg(feature = "live")]
#[derive(Default)]
pub(super) struct Meter(Mutex<Option<Instant>>);

#[cfg(feature = "live")]
impl Meter {
    /// Writes.
    pub fn during<R>(&self, write: impl FnOnce() -> R) -> R {
        self.set(Some(Instant::now()));
        let outcome = write();
        self.set(None);
        outcome
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// For how long the last call has been waiting; nothing where nobody waits.
    pub fn stands_still_for(&self) -> Duration {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// Writes in small pieces, so that a slow reader is told from one that has stopped.
#[cfg(feature = "live")]
pub(super) struct Metered<'a, W> {
    out: W,
    meter: &'a Meter,
}

#[cfg(feature = "live")]
impl<'a, W> Metered<'a, W> {
    pub fn new(out: W, meter: &'a Meter) -> Metered<'a, W> {
        Metered { out, meter }
    }
}

#[cfg(feature = "live")]
impl<W: Write> Write for Metered<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        /// What a pipe takes at once (`PIPE_BUF` of Linux).
        const PIECE: usize = 4_096;
        self.meter.during(|| self.out.write(&bytes[..bytes.len().min(PIECE)]))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.meter.during(|| self.out.flush())
    }
}

/// What a report is written on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Paper {
    /// A terminal that somebody looks at.
    Terminal,
    /// A pipe or a file.
    Other,
}

impl Paper {
    /// What standard output is.
    pub fn of_standard_output() -> Paper {
        if io::stdout().is_terminal() { Paper::Terminal } else { Paper::Other }
    }

    /// Columns, at most 120: as the variable `COLUMNS` says, else those of the terminal, 80 elsewhere.
    pub fn width(self) -> usize {
        const ELSEWHERE: usize = 80;
        const WIDEST: usize = 120;
        let said =
            std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|&columns| columns > 0);
        if let Some(columns) = said {
            return WIDEST.min(columns);
        }
        match self {
            Paper::Terminal => {
                let size = console::Term::stdout().size_checked();
                size.map_or(ELSEWHERE, |(_, columns)| usize::from(columns)).min(WIDEST)
            }
            Paper::Other => ELSEWHERE,
        }
    }
}

impl Target<'_> {
    fn name(self) -> String {
        match self {
            Target::Standard => "standard output".into(),
            #[cfg(feature = "live")]
            Target::Watched(_) => "standard output".into(),
            Target::File(path) => path.display().to_string(),
            #[cfg(feature = "live")]
            Target::Open(_, path) => path.display().to_string(),
        }
    }

    /// All of it was written.
    fn is_complete(self) -> io::Result<()> {
        match self {
            Target::Standard | Target::File(_) => Ok(()),
            #[cfg(feature = "live")]
            Target::Watched(_) => Ok(()),
            #[cfg(feature = "live")]
            Target::Open(output, _) => output.place(),
        }
    }
}

/// Writes to a target. Whoever has seen enough and closed the pipe, as `head` does, is no error.
///
/// # Errors
/// [`Error::Write`].
pub(super) fn write_to(
    target: Target<'_>,
    write: impl FnOnce(&mut BufWriter<Box<dyn Write + '_>>, Paper) -> io::Result<()>,
) -> Result<(), Error> {
    let wrong = |error: io::Error| Error::Write { target: target.name(), error };
    let draft = match target {
        Target::File(path) => Some(Draft::begin(path, Output::Report)?),
        Target::Standard => None,
        #[cfg(feature = "live")]
        Target::Open(..) | Target::Watched(_) => None,
    };
    let (out, paper): (Box<dyn Write + '_>, Paper) = match (target, &draft) {
        (_, Some(draft)) => (Box::new(draft.file()), Paper::Other),
        #[cfg(feature = "live")]
        (Target::Open(file, _), None) => (Box::new(file), Paper::Other),
        #[cfg(feature = "live")]
        (Target::Watched(meter), None) => (Box::new(Metered::new(io::stdout(), meter)), Paper::of_standard_output()),
        (Target::Standard | Target::File(_), None) => (Box::new(io::stdout()), Paper::of_standard_output()),
    };
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let written = write(&mut out, paper).and_then(|()| out.flush()).and_then(|()| target.is_complete());
    drop(out.into_parts());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        other => other.map_err(wrong)?,
    }
    draft.map_or(Ok(()), Draft::keep)
}
