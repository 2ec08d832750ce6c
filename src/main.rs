//! Arguments in, exit code out.

use cap_audit::cli::Cli;
use cap_audit::run::{Exit, run};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let exit = run(&Cli::parse()).unwrap_or_else(|error| {
        eprintln!("cap-audit: {error}");
        Exit::Unreadable
    });
    ExitCode::from(exit as u8)
}
