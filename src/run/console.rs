//! Where output goes: the report to standard output or a file, everything else to standard error.

use super::draft::Draft;
use crate::error::{Error, Output};
use crate::report;
#[cfg(feature = "live")]
use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

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
    /// A file that was made before, for a program that may not open any more, and its name.
    #[cfg(feature = "live")]
    Open(&'a fs::File, &'a Path),
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
            Target::File(path) => path.display().to_string(),
            #[cfg(feature = "live")]
            Target::Open(_, path) => path.display().to_string(),
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
        Target::Open(..) => None,
    };
    let (out, paper): (Box<dyn Write + '_>, Paper) = match (target, &draft) {
        (_, Some(draft)) => (Box::new(draft.file()), Paper::Other),
        #[cfg(feature = "live")]
        (Target::Open(file, _), None) => (Box::new(file), Paper::Other),
        (Target::Standard | Target::File(_), None) => (Box::new(io::stdout()), Paper::of_standard_output()),
    };
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let written = write(&mut out, paper).and_then(|()| out.flush());
    drop(out.into_parts());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        other => other.map_err(wrong)?,
    }
    draft.map_or(Ok(()), Draft::keep)
}
