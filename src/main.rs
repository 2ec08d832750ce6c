//! Arguments in, exit code out.

use cap_audit::cli::Cli;
use cap_audit::run::{Exit, meant, run, tell};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::typed() {
        Ok(cli) => cli,
        Err(mistyped) => {
            let Some(sentence) = meant(&mistyped) else { mistyped.exit() };
            tell(&sentence);
            return ExitCode::from(Exit::Wrong as u8);
        }
    };
    let exit = run(&cli).unwrap_or_else(|error| {
        tell(&error.to_string());
        Exit::after(&error)
    });
    ExitCode::from(exit as u8)
}
