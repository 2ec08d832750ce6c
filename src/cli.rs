//! What was typed. Makes values and opens nothing.

use crate::finding::Severity;
use crate::portmap::Transport;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Judges Citrix traffic against the Citrix port map: what is blocked, what fell back, what should not be there, and what
/// could not be judged. It sends nothing.
#[derive(Parser, Debug)]
#[command(name = "cap-audit", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 nothing at or above --fail-on, 1 something at or above it, 2 wrong command line, \
                          3 an input could not be read, 4 nothing could be judged.";

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Analyse capture files (pcap, pcapng), directories of them, or - for standard input
    #[command(after_help = EXIT_CODES)]
    File(FileArgs),
    /// Search and export the port map
    Ports(PortsArgs),
}

/// `cap-audit file`.
#[derive(Args, Debug)]
pub struct FileArgs {
    /// Capture files, directories of capture files, or - for standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Write the report to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Judge by another port map, written like the built-in one
    #[arg(long, value_name = "FILE")]
    pub port_map: Option<PathBuf>,
    /// Worker threads beside the one that reads [default: one less than the machine has cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Exit with 1 when a finding is at least this severe
    #[arg(long, value_enum, default_value_t = FailOn::Error)]
    pub fail_on: FailOn,
    /// List every flow in the text report
    #[arg(long)]
    pub flows: bool,
    /// Colours in the text report
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// No progress and no remarks on standard error; errors are still told
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Name the rules behind each finding, and tell what is being done
    #[arg(short, long)]
    pub verbose: bool,
}

/// How a report is written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// To be read
    Text,
    /// One document
    Json,
    /// One object a line
    Ndjson,
    /// The flows, one a line
    Csv,
}

/// From which severity on the exit code is 1.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailOn {
    /// Errors
    Error,
    /// Errors and warnings
    Warning,
    /// Nothing
    Never,
}

impl FailOn {
    /// Whether a report with this worst finding fails.
    pub fn fails(self, worst: Option<Severity>) -> bool {
        match self {
            FailOn::Error => worst >= Some(Severity::Error),
            FailOn::Warning => worst >= Some(Severity::Warning),
            FailOn::Never => false,
        }
    }
}

/// When the text report has colours.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Yes
    Always,
    /// No
    Never,
}

/// `cap-audit ports`.
#[derive(Args, Debug)]
pub struct PortsArgs {
    /// Words that must all stand somewhere in the rule
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
    /// Rules of this product (part of its name)
    #[arg(long, value_name = "NAME")]
    pub product: Option<String>,
    /// Rules that name this port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Rules over this transport
    #[arg(long, value_enum)]
    pub protocol: Option<TransportName>,
    /// Rules from or to this role (part of its name)
    #[arg(long, value_name = "NAME")]
    pub role: Option<String>,
    /// How the rules are written
    #[arg(long, value_enum, default_value_t = PortsFormat::Text)]
    pub format: PortsFormat,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Another port map, written like the built-in one
    #[arg(long, value_name = "FILE")]
    pub port_map: Option<PathBuf>,
}

/// A transport by its name.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransportName {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// ICMP
    Icmp,
}

impl From<TransportName> for Transport {
    fn from(name: TransportName) -> Transport {
        match name {
            TransportName::Tcp => Transport::Tcp,
            TransportName::Udp => Transport::Udp,
            TransportName::Icmp => Transport::Icmp,
        }
    }
}

/// How rules are written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortsFormat {
    /// To be read
    Text,
    /// One line a rule
    Csv,
    /// One document
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn fail_on_is_a_threshold() {
        assert!(FailOn::Error.fails(Some(Severity::Error)));
        assert!(!FailOn::Error.fails(Some(Severity::Warning)));
        assert!(FailOn::Warning.fails(Some(Severity::Warning)));
        assert!(!FailOn::Warning.fails(Some(Severity::Info)));
        assert!(!FailOn::Never.fails(Some(Severity::Error)));
        assert!(!FailOn::Error.fails(None));
    }
}
