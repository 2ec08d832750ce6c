//! Where output goes: the report to standard output or a file, everything else to standard error.

use crate::error::Error;
use crate::report;
#[cfg(feature = "live")]
use crate::sandbox::Output;
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

/// Where a report goes.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// Standard output.
    Standard,
    /// A file that is made when the report is written.
    File(&'a Path),
    /// A file that was opened before, for a program that may not open any more, and its name.
    #[cfg(feature = "live")]
    Open(&'a Output, &'a Path),
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

    /// Columns of the terminal, at most 120; 80 elsewhere.
    pub fn width(self) -> usize {
        const ELSEWHERE: usize = 80;
        const WIDEST: usize = 120;
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

    /// All of it was written.
    fn is_complete(self) -> io::Result<()> {
        match self {
            Target::Standard | Target::File(_) => Ok(()),
            #[cfg(feature = "live")]
            Target::Open(output, _) => output.place(),
        }
    }
}

/// Writes to a target. Whoever has seen enough and closed the pipe, as `head` does, is no error.
///
/// # Errors
/// [`Error::Write`].
pub(super) fn write_to<'a>(
    target: Target<'a>,
    write: impl FnOnce(&mut BufWriter<Box<dyn Write + 'a>>, Paper) -> io::Result<()>,
) -> Result<(), Error> {
    let wrong = |error: io::Error| Error::Write { target: target.name(), error };
    let (out, paper): (Box<dyn Write + 'a>, Paper) = match target {
        Target::Standard => (Box::new(io::stdout()), Paper::of_standard_output()),
        Target::File(path) => (Box::new(fs::File::create(path).map_err(wrong)?), Paper::Other),
        #[cfg(feature = "live")]
        Target::Open(output, _) => (Box::new(output), Paper::Other),
    };
    let mut out = BufWriter::with_capacity(1 << 16, out);
    match write(&mut out, paper).and_then(|()| out.flush()).and_then(|()| target.is_complete()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(wrong),
    }
}
