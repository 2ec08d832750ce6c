//! What the program does: one file a command, and what they share (console, progress, the way to a report and an exit code).

mod bench;
mod console;
mod draft;
mod file;
mod identity;
mod inputs;
#[cfg(feature = "live")]
mod live;
mod ports;
mod progress;
mod telling;

pub use console::tell;

use crate::cli::{Cli, Command};
use crate::error::Error;

/// How a command ended; the numbers are the exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Nothing at or above `--fail-on`.
    Clean = 0,
    /// Something at or above it.
    Found = 1,
    /// What was typed cannot be done.
    Wrong = 2,
    /// An input could not be read at all.
    Unreadable = 3,
    /// Nothing could be judged.
    NothingJudged = 4,
}

/// Carries out what was typed.
///
/// # Errors
/// What stopped it, in one sentence. Inputs that could not be read are told on standard error, and the others audited.
pub fn run(cli: &Cli) -> Result<Exit, Error> {
    match &cli.command {
        Command::File(args) => file::audit_files(args),
        #[cfg(feature = "live")]
        Command::Live(args) => live::watch(args),
        Command::Ports(args) => ports::list_ports(args),
        Command::Bench(args) => bench::bench(args),
    }
}
