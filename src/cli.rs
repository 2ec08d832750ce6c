//! What was typed. Makes values and opens nothing.

use crate::bench::{SERVICES, Sizes};
use crate::finding::Severity;
use crate::outside::printable;
use crate::transport::Transport;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Judges Citrix traffic against the Citrix port map: what is blocked, what fell back, what should not be there, and what
/// could not be judged. It sends nothing.
#[derive(Parser, Debug)]
#[command(name = "cap-audit", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What was typed. Help, the version and mistakes end the program here.
    pub fn typed() -> Cli {
        Cli::try_parse().unwrap_or_else(|error| exit(error))
    }
}

/// Says what is wrong with the words that were typed, and ends the program. They are typed again by a name that a terminal shows as
/// it is: a script may have put anything into them.
fn exit(error: clap::Error) -> ! {
    let words = std::env::args_os().map(|word| printable(&word.to_string_lossy()).into_owned());
    match Cli::try_parse_from(words) {
        Err(shown) if shown.kind() == error.kind() => shown.exit(),
        _ => error.exit(),
    }
}

const EXAMPLES: &str = "\
Examples:
  cap-audit file case.pcapng                     what is wrong in this capture?
  cap-audit file --format json -o case.json dir  every capture in a directory, as JSON
  cap-audit ports 2598                           which rules concern port 2598?

Help on a command: cap-audit file --help";

const EXIT_CODES: &str = "\
Exit codes:
  0  no finding as severe as --fail-on
  1  a finding at least as severe as --fail-on
  2  the command line is wrong
  3  an input could not be read (the others are reported), or the report could not be written
  4  nothing could be judged";

const PORTS_EXAMPLES: &str = "\
Examples:
  cap-audit ports 2598                           rules in which 2598 stands anywhere
  cap-audit ports --port 443 --role storefront   rules that name port 443 and concern StoreFront
  cap-audit ports --format csv -o ports.csv      all rules, for a spreadsheet";

const BENCH_EXAMPLES: &str = "\
Examples:
  cap-audit bench                                   how many packets a second does this machine classify?
  cap-audit bench --sizes 1,0,0 --packets 10000000  the smallest packets
  cap-audit bench --share silent=50 --flows 200000  half of the flows are blocked
  cap-audit bench --pcap case.pcap                  the traffic of a real capture
  cap-audit bench --write mix.pcap                  a capture of 4 million packets, for other programs";

/// What to do.
#[derive(Subcommand, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Analyse capture files (pcap, pcapng), directories of them, or - for standard input
    #[command(after_help = EXIT_CODES)]
    File(FileArgs),
    /// Watch interfaces until Ctrl-C, --duration or --packets
    #[cfg(feature = "live")]
    #[command(after_help = LIVE_EXAMPLES)]
    Live(LiveArgs),
    /// Search and export the port map
    #[command(after_help = PORTS_EXAMPLES)]
    Ports(PortsArgs),
    /// Measure how many packets a second this machine classifies
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(BenchArgs),
}

#[cfg(feature = "live")]
const LIVE_EXAMPLES: &str = "\
Examples:
  sudo cap-audit live eth0                          until Ctrl-C, then a full report
  sudo cap-audit live eth0 eth1 --duration 60       two interfaces for a minute
  sudo cap-audit live any --filter 'host 10.0.0.22' one server, on every interface
  sudo cap-audit live eth0 --format ndjson          findings and flows as they come, one a line
  cap-audit live --list                             which interfaces are there?

Exit codes are those of cap-audit file.";

/// `cap-audit live`. Some of what every audit knows is told in other words.
#[cfg(feature = "live")]
#[derive(Args, Debug)]
#[command(
    mut_arg("format", |arg| arg.help("How the report is written; ndjson tells findings and flows as they come")),
    mut_arg("workers", |arg| arg.help(
        "Threads that judge, beside the one that reads [default: one less than the machine has cores]"
    )),
    mut_arg("fail_on", |arg| arg.value_name("FAIL_ON").help("Exit with 1 when a finding is at least this severe")),
    mut_arg("color", |arg| arg.value_name("COLOR").help("Colours in the text report")),
    mut_arg("quiet", |arg| arg.help("No status line and no remarks on standard error; errors are still told")),
    mut_arg("verbose", |arg| arg.help("Name all rules of each finding, and tell what is being done")),
)]
pub struct LiveArgs {
    /// Interfaces to watch, or any for all of them
    #[arg(required_unless_present = "list", value_name = "INTERFACE")]
    pub interfaces: Vec<String>,
    /// Show the interfaces with their addresses and state, and exit
    #[arg(long)]
    pub list: bool,
    /// Watch only what this filter lets through, in the language of pcap-filter(7)
    #[arg(long, value_name = "BPF")]
    pub filter: Option<String>,
    /// Bytes to keep of each packet; 0 is all
    #[arg(long, value_name = "BYTES", default_value_t = 262_144, value_parser = clap::value_parser!(u32).range(..=262_144))]
    pub snaplen: u32,
    /// Memory in which the kernel may hold packets for each interface, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub buffer_size: u32,
    /// Also watch packets that are addressed to other machines
    #[arg(long)]
    pub promiscuous: bool,
    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub duration: Option<u64>,
    /// Stop after this many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub packets: Option<u64>,
    /// Print how things stand at this interval, in seconds (text only)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub interval: Option<u64>,
    /// Wait for interfaces that are not there or are down, and for those that go down to come back
    #[arg(long)]
    pub wait: bool,
    /// Whom root becomes once the interfaces are open: a user's name or number [default: who called sudo, else nobody]
    #[arg(long, value_name = "USER", conflicts_with = "no_sandbox")]
    pub user: Option<String>,
    /// Stay root, and keep every system call and file within reach
    #[arg(long)]
    pub no_sandbox: bool,
    /// The rest.
    #[command(flatten)]
    pub audit: AuditArgs,
}

/// `cap-audit file`.
#[derive(Args, Debug)]
pub struct FileArgs {
    /// Capture files, directories (all captures right in them), or - for standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// The rest.
    #[command(flatten)]
    pub audit: AuditArgs,
}

/// What every audit can be told, wherever its packets come from.
#[derive(Args, Debug)]
pub struct AuditArgs {
    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Write the report to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Judge by another port map: a TOML file written like the built-in one
    #[arg(long, value_name = "FILE")]
    pub port_map: Option<PathBuf>,
    /// Threads that judge, beside the one that reads; changes nothing in the report [default: one less than the machine has cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Exit with code 1 when there is a finding at least this severe
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = FailOn::Error)]
    pub fail_on: FailOn,
    /// List every flow in the text report
    #[arg(long)]
    pub flows: bool,
    /// When the text report has colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// No progress and no remarks on standard error; errors are still told
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Name all rules, products and sources of each finding, not only the first, and tell what is being done
    #[arg(short, long)]
    pub verbose: bool,
}

/// How a report is written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Format {
    /// For people
    Text,
    /// One JSON document with everything
    Json,
    /// The same objects, one a line
    Ndjson,
    /// The flows only, one a line, for a spreadsheet
    Csv,
}

impl Format {
    /// The report lists every flow, so flows must be kept until it is written.
    pub fn lists_flows(self) -> bool {
        match self {
            Format::Text => false,
            Format::Json | Format::Ndjson | Format::Csv => true,
        }
    }

    /// A live audit writes what is new as it comes, one object a line.
    pub fn streams(self) -> bool {
        match self {
            Format::Ndjson => true,
            Format::Text | Format::Json | Format::Csv => false,
        }
    }

    /// A live audit may print a whole report now and then: nobody reads it as one document.
    pub fn repeats(self) -> bool {
        match self {
            Format::Text => true,
            Format::Json | Format::Ndjson | Format::Csv => false,
        }
    }
}

/// From which severity on the exit code is 1.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailOn {
    /// For errors
    Error,
    /// For errors and warnings
    Warning,
    /// Whatever was found
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
    /// Also in a pipe or a file
    Always,
    /// Not even on a terminal
    Never,
}

/// `cap-audit ports`.
#[derive(Args, Debug)]
pub struct PortsArgs {
    /// Words that must all stand somewhere in a rule: a port, a product, a role, a part of the description
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
    /// Only rules of this product; a part of its name is enough
    #[arg(long, value_name = "NAME")]
    pub product: Option<String>,
    /// Only rules that name this port, alone or in a range
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Only rules over this protocol
    #[arg(long, value_parser = transport())]
    pub protocol: Option<Transport>,
    /// Only rules from or to this role, such as StoreFront; a part of its name is enough
    #[arg(long, value_name = "NAME")]
    pub role: Option<String>,
    /// How the rules are written
    #[arg(long, value_enum, default_value_t = PortsFormat::Text)]
    pub format: PortsFormat,
    /// Write the rules to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Search another port map: a TOML file written like the built-in one
    #[arg(long, value_name = "FILE")]
    pub port_map: Option<PathBuf>,
}

/// Reads a transport by its name.
fn transport() -> impl TypedValueParser<Value = Transport> {
    let names = Transport::ALL.map(|transport| PossibleValue::new(transport.name()));
    PossibleValuesParser::new(names).try_map(|name| Transport::named(&name).ok_or("tcp, udp or icmp"))
}

/// How rules are written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortsFormat {
    /// For people
    Text,
    /// One rule a line, for a spreadsheet
    Csv,
    /// One JSON array
    Json,
}

/// `cap-audit bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// Packets of the mix [default: 2 million in memory, 4 million with --write]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub packets: Option<u64>,
    /// Conversations of the mix [default: 60,000, or one in 30 packets where these are few]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub flows: Option<u32>,
    /// Another seed, another mix
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Weights of bare acknowledgements, small packets (40 to 540 bytes) and full ones
    #[arg(long, value_name = "E,S,F", default_value = "40,30,30", value_parser = sizes)]
    pub sizes: Sizes,
    /// Weight of a service among the conversations, such as ica=50 or silent=0; may be repeated
    #[arg(long = "share", value_name = "SERVICE=WEIGHT", value_delimiter = ',', value_parser = share)]
    pub shares: Vec<Share>,
    /// Write the mix as a capture file, and measure nothing
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Measure with this capture instead of a mix
    #[arg(long, value_name = "FILE", conflicts_with_all = ["packets", "flows", "seed", "sizes", "shares", "write"])]
    pub pcap: Option<PathBuf>,
    /// Most worker threads to try [default: as many as the machine has cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Rounds of which the median is told; fewer where they would take too long
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub rounds: u16,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = BenchFormat::Text)]
    pub format: BenchFormat,
}

/// The weight of one service of the mix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// Its place among the services.
    pub service: usize,
    /// Its weight.
    pub weight: u32,
}

/// How measurements are written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum BenchFormat {
    /// For people
    Text,
    /// One JSON document
    Json,
}

fn sizes(text: &str) -> Result<Sizes, String> {
    let weights: Vec<u32> = text.split(',').map_while(|weight| weight.parse().ok()).collect();
    match weights[..] {
        [empty, small, full] if weights.len() == text.split(',').count() => Ok(Sizes { empty, small, full }),
        _ => Err("three whole numbers are wanted, such as 40,30,30".into()),
    }
}

fn share(text: &str) -> Result<Share, String> {
    let named = |name: &str| SERVICES.iter().position(|service| service.name == name);
    let parts = text.split_once('=').and_then(|(name, weight)| Some((named(name)?, weight.parse().ok()?)));
    let (service, weight) = parts.ok_or_else(|| {
        let names = SERVICES.map(|service| service.name).join(", ");
        format!("a service and its weight are wanted, such as ica=50; the services are {names}")
    })?;
    Ok(Share { service, weight })
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
    fn sizes_and_shares_are_read() {
        assert_eq!(sizes("1,0,25"), Ok(Sizes { empty: 1, small: 0, full: 25 }));
        for wrong in ["", "1,2", "1,2,3,4", "1,2,x", "1,2,-3", "1;2;3"] {
            assert!(sizes(wrong).is_err(), "{wrong}");
        }
        assert_eq!(share("ica=7"), Ok(Share { service: 1, weight: 7 }));
        for wrong in ["ica", "ica=", "=7", "icq=7", "ica=x"] {
            assert!(share(wrong).is_err_and(|said| said.contains("cgp, ica, edt")), "{wrong}");
        }
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
