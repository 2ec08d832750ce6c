//! Arguments in, exit code out.

use cap_audit::cli::Cli;
use cap_audit::run::{Exit, run, tell};
use std::process::ExitCode;

fn main() -> ExitCode {
    let exit = run(&Cli::typed()).unwrap_or_else(|error| {
        tell(&error.to_string());
        Exit::after(&error)
    });
    ExitCode::from(exit as u8)
}
