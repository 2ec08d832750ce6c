//! What the program does: one file a command, and what they share (console, progress, the way to a report and an exit code).

mod bench;
mod console;
mod diff;
mod draft;
mod explain;
mod file;
mod identity;
mod inputs;
mod line;
#[cfg(feature = "live")]
mod live;
mod meant;
mod patience;
mod ports;
mod progress;
mod telling;

pub use console::tell;
pub use meant::meant;

use crate::cli::{Cli, Command};
use crate::error::Error;
#[cfg(feature = "live")]
use crate::source::LiveError;
use crate::time::Zone;

/// How a command ended; the numbers are the exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Nothing at or above `--fail-on`.
    Clean = 0,
    /// Something at or above it; of a search, nothing.
    Found = 1,
    /// What was typed cannot be done.
    Wrong = 2,
    /// An input could not be read at all.
    Unreadable = 3,
    /// Nothing could be judged.
    NothingJudged = 4,
}

impl Exit {
    /// How a command ends that this stopped.
    pub fn after(error: &Error) -> Exit {
        match error {
            // It can be read, and says what is not allowed: a mistake of whoever wrote it, like one on the command line.
            Error::PortMap { .. } => Exit::Wrong,
            // What was typed names nothing that can be explained.
            Error::NoFlow { .. } | Error::ReadOnce { .. } => Exit::Wrong,
            // What was found decides what can be asked for.
            Error::NoProblem { .. } => Exit::Wrong,
            #[cfg(feature = "live")]
            Error::Live(LiveError::Filter { .. }) => Exit::Wrong,
            #[cfg(not(feature = "live"))]
            Error::NoFilters => Exit::Wrong,
            _ => Exit::Unreadable,
        }
    }
}

/// Carries out what was typed.
///
/// # Errors
/// What stopped it, in one sentence. Inputs that could not be read are told on standard error, and the others audited.
pub fn run(cli: &Cli) -> Result<Exit, Error> {
    // A live audit may open no file later on.
    Zone::of_the_system();
    match &cli.command {
        Command::File(args) => file::audit_files(args),
        Command::Explain(args) => explain::explain(args),
        #[cfg(feature = "live")]
        Command::Live(args) => live::watch(args),
        Command::Ports(args) => ports::list_ports(args),
        Command::Bench(args) => bench::bench(args),
        Command::Diff(args) => diff::compare(args),
    }
}
