//! What was typed. Makes values and opens nothing.

mod flow_name;

pub use flow_name::{End, FlowName};

use crate::bench::{SERVICES, Sizes};
use crate::finding::Severity;
use crate::outside::printable;
#[cfg(feature = "live")]
use crate::source::ANY;
#[cfg(feature = "live")]
use crate::time::{SECOND, Span};
use crate::transport::Transport;
#[cfg(feature = "live")]
use clap::builder::NonEmptyStringValueParser;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
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
    /// What was typed. Help and the version end the program here.
    ///
    /// # Errors
    /// It cannot be understood.
    pub fn typed() -> Result<Cli, Mistyped> {
        Cli::read(std::env::args_os().collect())
    }

    /// Whether words can be typed, the name of the program first.
    pub fn understands(words: &[String]) -> bool {
        Cli::try_parse_from(words).is_ok()
    }

    fn read(words: Vec<OsString>) -> Result<Cli, Mistyped> {
        let cli = Cli::try_parse_from(&words).and_then(|cli| {
            cli.fits_together()?;
            Ok(cli)
        });
        let words = || words.into_iter().map(|word| word.into_string().ok()).collect::<Option<_>>().unwrap_or_default();
        cli.map_err(|error| if error.use_stderr() { Mistyped { words: words(), error } } else { error.exit() })
    }

    /// What each option cannot know of the others.
    fn fits_together(&self) -> Result<(), clap::Error> {
        let (name, fits) = match &self.command {
            Command::File(args) => ("file", args.fits_together()),
            #[cfg(feature = "live")]
            Command::Live(args) => ("live", args.fits_together()),
            Command::Diff(args) => ("diff", args.fits_together()),
            Command::Explain(_) | Command::Ports(_) | Command::Bench(_) => return Ok(()),
        };
        fits.map_err(|why| {
            let mut command = Cli::command();
            command.build();
            let command = command.find_subcommand_mut(name).expect("it is one of the commands");
            command.error(ErrorKind::ArgumentConflict, why)
        })
    }
}

/// What was typed and cannot be understood.
#[derive(Debug)]
pub struct Mistyped {
    /// Empty where not all of it is text.
    words: Vec<String>,
    error: clap::Error,
}

impl Mistyped {
    /// Everything that was typed after the name of the program.
    pub fn words(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The words of which one stands where a command should: that one alone where it is known, and none where a command
    /// was named.
    pub fn instead_of_a_command(&self) -> &[String] {
        let is_command = |word: &String| Cli::command().find_subcommand(word).is_some();
        match (self.error.kind(), self.error.get(ContextKind::InvalidSubcommand)) {
            (ErrorKind::InvalidSubcommand, Some(ContextValue::String(wrong))) => {
                self.words().iter().find(|word| *word == wrong).map_or(&[], std::slice::from_ref)
            }
            (ErrorKind::UnknownArgument, _) if !self.words().iter().any(is_command) => self.words(),
            _ => &[],
        }
    }

    /// Says what is wrong and ends the program with code 2. The words are typed again by a name that a terminal shows as it is: a
    /// script may have put anything into them.
    pub fn exit(self) -> ! {
        let words = std::env::args_os().map(|word| printable(&word.to_string_lossy()).into_owned());
        match Cli::try_parse_from(words) {
            Err(shown) if shown.kind() == self.error.kind() => shown.exit(),
            _ => self.error.exit(),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  cap-audit file case.pcapng                     what is wrong in this capture?
  cap-audit file --problem 1 case.pcapng         everything about the worst of it
  cap-audit file --format json -o case.json dir  every capture in a directory, as JSON
  cap-audit diff before.pcap after.pcap          did the change help?
  cap-audit ports 2598                           which rules concern port 2598?

Help on a command: cap-audit file --help";

const EXIT_CODES: &str = "\
Exit codes:
  0  no finding as severe as --fail-on
  1  a finding at least as severe as --fail-on
  2  the command line is wrong
  3  an input could not be read (the others are reported), or the report could not be written
  4  nothing could be judged

A filter (--filter) is written in the language of pcap-filter(7), as for tcpdump; it is no Wireshark display filter:
  --filter 'host 10.0.0.22 and tcp'
  --filter 'port 2598 or (vlan and port 2598)'   without vlan, no packet with a VLAN tag passes
What it leaves out is counted in the report and not looked into. len, less and greater see the captured length.";

const PORTS_EXAMPLES: &str = "\
Examples:
  cap-audit ports tcp/2598                       rules that name TCP 2598
  cap-audit ports 1494,2598 vda                  rules that name one of these ports, and a VDA
  cap-audit ports --port 443 --role storefront   rules that name port 443 and concern StoreFront
  cap-audit ports --list roles                   the names of all roles, and what else is understood for them
  cap-audit ports --format csv -o ports.csv      all rules, for a spreadsheet

Exit codes:
  0  there are such rules
  1  no rule fits
  2  the command line is wrong, or there are errors in the port map given with --port-map
  3  that port map could not be read, or the rules could not be written";

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
    /// Explain one flow of a capture: its packets, the rules, and why it is judged as it is
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
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
    /// Compare two reports or captures: what is new, worse, better, gone or the same
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(DiffArgs),
}

const DIFF_EXAMPLES: &str = "\
Examples:
  cap-audit diff before.json after.json          two reports of cap-audit file --format json
  cap-audit diff before.pcap after.pcap          two captures, audited both
  cap-audit diff monday/ after.pcap              a directory of captures, and a capture
  tcpdump -w - ... | cap-audit diff old.json -   a report, and a capture from standard input

Something is worse if it is more severe, or if somebody is hit who was not: a client, a server, a port, or a path that worked before,
whatever is repaired for others; more tries alone are not. It is better if nobody is hit who was not, and it is less severe and no less
sure, or those who are not hit any more get an answer now. It is gone only if the later report shows that it was tried again and worked;
otherwise it is told as not seen again. Where not all who are hit are named, it is told as not comparable.

Exit codes:
  0  nothing is new or worse that is as severe as --fail-on
  1  something at least as severe as --fail-on is new or worse
  2  the command line is wrong
  3  a report or a capture could not be read, or the comparison could not be written
  4  there is nothing to compare: no server stands in both";

/// `cap-audit diff`.
#[derive(Args, Debug)]
pub struct DiffArgs {
    /// How it was: a report (JSON), a capture, a directory of captures, or - for standard input
    #[arg(value_name = "BEFORE")]
    pub before: PathBuf,
    /// How it is now, likewise
    #[arg(value_name = "AFTER")]
    pub after: PathBuf,
    /// How the comparison is written
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub format: DiffFormat,
    /// Write it to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Judge captures by another port map: a TOML file written like the built-in one
    #[arg(long, value_name = "FILE")]
    pub port_map: Option<PathBuf>,
    /// Threads that judge captures [default: one less than the machine has cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Exit with code 1 when something at least this severe is new or worse
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = FailOn::Warning)]
    pub fail_on: FailOn,
    /// When the text has colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// No progress and no remarks on standard error; errors are still told
    #[arg(short, long)]
    pub quiet: bool,
}

/// How a comparison is written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiffFormat {
    /// For people
    Text,
    /// One JSON document
    Json,
}

#[cfg(feature = "live")]
const LIVE_EXAMPLES: &str = "\
Examples:
  sudo cap-audit live eth0                          until Ctrl-C, then a full report
  sudo cap-audit live eth0,eth1 --duration 5m       two interfaces for five minutes
  sudo cap-audit live any --filter 'host 10.0.0.22' one server, on every interface
  sudo cap-audit live eth0 --format ndjson          findings and flows as they come, one a line
  cap-audit live --list                             which interfaces are there?

Exit codes are those of cap-audit file.";

/// `cap-audit live`.
#[cfg(feature = "live")]
#[derive(Args, Debug)]
#[command(mut_arg("format", |arg| arg.help("How the report is written; ndjson tells findings and flows as they come")))]
pub struct LiveArgs {
    /// Interfaces to watch, also joined with commas, or any for all of them; without one they are listed
    #[arg(value_name = "INTERFACE", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub interfaces: Vec<String>,
    /// Show the interfaces with their addresses and state, and exit
    #[arg(long)]
    pub list: bool,
    /// Watch only what this filter lets through, in the language of pcap-filter(7); tagged packets need "vlan and ..."
    #[arg(long, value_name = "BPF")]
    pub filter: Option<String>,
    /// Bytes to keep of each packet, at least 78; 0 is all
    #[arg(long, value_name = "BYTES", default_value_t = 262_144, value_parser = snaplen)]
    pub snaplen: u32,
    /// Memory in which the kernel may hold packets for each interface, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub buffer_size: u32,
    /// Also watch packets that are addressed to other machines
    #[arg(long)]
    pub promiscuous: bool,
    /// Stop after this time, such as 40s, 5m or 1h30m; a plain number is seconds
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub duration: Option<u64>,
    /// Stop after this many packets, such as 5000, 10k or 1M
    #[arg(long, value_name = "N", value_parser = number)]
    pub packets: Option<u64>,
    /// Print how things stand at this interval, such as 30s or 10m (text only)
    #[arg(long, value_name = "TIME", value_parser = seconds)]
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
    /// Not for a live audit: which number a problem has is known when it is over. Here to say so.
    #[arg(long, value_name = "N", hide = true)]
    pub problem: Option<String>,
    /// Not for a live audit. Here to say so.
    #[arg(long, value_name = "WHAT", hide = true)]
    pub by: Option<String>,
    /// The rest.
    #[command(flatten)]
    pub audit: AuditArgs,
}

#[cfg(feature = "live")]
impl LiveArgs {
    /// Why these cannot be typed together.
    fn fits_together(&self) -> Result<(), String> {
        let is_any = |name: &String| name == ANY;
        if let Some(other) = self.interfaces.iter().find(|name| !is_any(name))
            && self.interfaces.iter().any(is_any)
        {
            return Err(format!(
                "'{ANY}' watches every interface already, so each packet of '{}' would be counted twice; name '{ANY}' alone, or only \
                 the interfaces that you want",
                printable(other)
            ));
        }
        for (option, typed) in [("--problem", &self.problem), ("--by", &self.by)] {
            if typed.is_some() {
                return Err(format!(
                    "'{option}' looks into a finished capture, and a live audit has none; use '-v' to have everything told at the end, or \
                     capture to a file with tcpdump and use 'cap-audit file {option} ...'"
                ));
            }
        }
        if self.interval.is_some() && !self.audit.format.repeats() {
            let format = self.audit.format.name();
            let why = if self.audit.format.streams() {
                "tells findings and flows as they come"
            } else {
                "is one document, which is written at the end"
            };
            return Err(format!(
                "'--interval' cannot be used with '--format {format}', which {why}; leave '--interval' out, or use '--format text'"
            ));
        }
        Ok(())
    }
}

/// `cap-audit file`.
#[derive(Args, Debug)]
pub struct FileArgs {
    /// Capture files, directories (all captures in them and below), or - for standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// How deep directories are walked; 1 is only the files right in them [default: all the way]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_depth: Option<u16>,
    /// Audit only what this filter lets through, in the language of pcap-filter(7); tagged packets need "vlan and ..."
    #[arg(long, value_name = "BPF")]
    pub filter: Option<String>,
    /// Show everything of one problem, by its number or its id: hosts, packets, filter, rules, sources
    #[arg(long, value_name = "N", conflicts_with_all = ["by", "flows"])]
    pub problem: Option<String>,
    /// Show a table of all clients, servers or services, the worst first
    #[arg(long, value_name = "WHAT", value_enum, conflicts_with = "flows")]
    pub by: Option<By>,
    /// The rest.
    #[command(flatten)]
    pub audit: AuditArgs,
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  cap-audit explain case.pcap 17         the flow with this id in the reports of `cap-audit file`
  cap-audit explain case.pcap p1         the first flow of the first problem
  cap-audit explain case.pcap 10.0.0.1:50123-10.0.0.2:2598
  cap-audit explain case.pcap 'tcp/[fd00::1]:50123-[fd00::2]:2598'
  cap-audit explain case.pcap 1:LQU9qZlK+B5F3KDmev6m5PMibrg=
  cap-audit explain ring_1.pcap ring_2.pcap 17

A flow is named by its id, by its ends in either order (a port may be left out), by its Community
ID as Zeek and Suricata write it, or by what it is part of: a problem by its number (p1) or id
(p-...), a finding by its id (f-...). The captures are read twice, so none can be standard input.

Exit codes:
  0  explained
  2  FLOW is not in the captures, or the command line is wrong
  3  an input could not be read";

/// `cap-audit explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// Capture files, or directories (all captures in them and below)
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// Which flow: its id, its Community ID, client:port-server:port, or a problem such as p1
    #[arg(required = true, value_name = "FLOW", value_parser = FlowName::typed)]
    pub flow: FlowName,
    /// How deep directories are walked; 1 is only the files right in them [default: all the way]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_depth: Option<u16>,
    /// Read only what this filter lets through, as for `cap-audit file`; ids of flows are those of the same filter
    #[arg(long, value_name = "BPF")]
    pub filter: Option<String>,
    /// How the explanation is written
    #[arg(long, value_enum, default_value_t = ExplainFormat::Text)]
    pub format: ExplainFormat,
    /// Write the explanation to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Judge by another port map: a TOML file written like the built-in one
    #[arg(long, value_name = "FILE")]
    pub port_map: Option<PathBuf>,
    /// Flows that are kept at most, the first ones, as for `cap-audit file`; what comes after them cannot be explained
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_flows: u32,
    /// Tell times in UTC, not in the zone of this computer (TZ); JSON always does
    #[arg(long)]
    pub utc: bool,
    /// When the text has colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// No progress and no remarks on standard error; errors are still told
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show more packets, and every rule
    #[arg(short, long)]
    pub verbose: bool,
}

/// How an explanation is written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExplainFormat {
    /// For people
    Text,
    /// One JSON document
    Json,
}

impl DiffArgs {
    /// Why these cannot be typed together.
    fn fits_together(&self) -> Result<(), String> {
        let is_input = |path: &PathBuf| path.as_os_str() == "-";
        if is_input(&self.before) && is_input(&self.after) {
            return Err("'-' is standard input, which can be read once; name a file for one of the two".into());
        }
        Ok(())
    }
}

impl FileArgs {
    /// Why these cannot be typed together.
    fn fits_together(&self) -> Result<(), String> {
        let option = [("--problem", self.problem.is_some()), ("--by", self.by.is_some())];
        let Some((option, _)) = option.into_iter().find(|(_, typed)| *typed) else { return Ok(()) };
        match self.audit.format {
            Format::Text => Ok(()),
            Format::Json | Format::Ndjson | Format::Csv => Err(format!(
                "'{option}' is a page for people, and '--format {}' writes everything for programs; leave one of the two out",
                self.audit.format.name()
            )),
        }
    }
}

/// What a table has a line for.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// Each host that asked
    Client,
    /// Each host that was asked
    Server,
    /// Each service
    Service,
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
    /// Flows to list at most, the first ones; the others are counted (live ndjson tells them as they end, without this maximum)
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_flows: u32,
    /// Tell times in UTC in the text report, not in the zone of this computer (TZ); the other formats always do
    #[arg(long)]
    pub utc: bool,
    /// When the text report has colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// No progress, no status line and no remarks on standard error; errors are still told
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell everything in the text report, not only its first screen, and what is being done
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
    /// As it is typed.
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().into())
    }

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
    /// On a terminal that shows them, unless NO_COLOR is set
    Auto,
    /// Also in a pipe or a file
    Always,
    /// Not even on a terminal
    Never,
}

/// `cap-audit ports`.
#[derive(Args, Debug)]
pub struct PortsArgs {
    /// Words that must all stand in a rule: a product, a role, the beginning of a word of its description; old names,
    /// abbreviations and small mistakes are understood. Of several ports (2598, tcp/2598, 1494,2598, 6910-6930) one is enough
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
    /// Only rules of this product; some words of its name are enough
    #[arg(long, value_name = "NAME")]
    pub product: Option<String>,
    /// Only rules that name this port, alone or in a range; several with commas: one of them
    #[arg(long = "port", value_name = "PORT", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub ports: Vec<u16>,
    /// Only rules over this protocol
    #[arg(long, value_parser = transport())]
    pub protocol: Option<Transport>,
    /// Only rules from or to this role, such as StoreFront; some words of its name are enough
    #[arg(long, value_name = "NAME")]
    pub role: Option<String>,
    /// Show the names in these rules instead of the rules themselves
    #[arg(long, value_name = "KIND", value_enum)]
    pub list: Option<ListKind>,
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

/// A kind of names in the port map.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListKind {
    /// Products
    Products,
    /// Roles: who connects, and to whom
    Roles,
    /// Services
    Services,
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
    /// Packets of the mix, such as 10k or 1M [default: 2M in memory, 4M with --write]
    #[arg(long, value_name = "N", value_parser = number)]
    pub packets: Option<u64>,
    /// Conversations of the mix [default: 60,000, or one in 30 packets where these are few]
    #[arg(long, value_name = "N", value_parser = flows)]
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

/// A number of packets or flows: `5000`, `10k`, `1M`.
fn number(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1_000),
        Some((at, 'm' | 'M')) => (&text[..at], 1_000_000),
        Some((at, 'g' | 'G')) => (&text[..at], 1_000_000_000),
        _ => (text, 1),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number.filter(|&number| number > 0).ok_or_else(|| "a number above zero is wanted, such as 5000, 10k or 1M".into())
}

fn flows(text: &str) -> Result<u32, String> {
    const MOST: u64 = 10_000_000;
    let flows = number(text)?;
    u32::try_from(flows).ok().filter(|_| flows <= MOST).ok_or_else(|| "at most 10M are made".into())
}

/// A time of at least a second, in seconds.
#[cfg(feature = "live")]
fn seconds(text: &str) -> Result<u64, String> {
    const LONGEST: Span = Span::seconds(10 * 366 * 24 * 3_600);
    let span = Span::typed(text)?;
    if span > LONGEST {
        return Err("at most ten years are waited".into());
    }
    let whole = span.0 % SECOND == 0 && span.0 >= SECOND;
    if whole {
        Ok(span.0.unsigned_abs() / SECOND.unsigned_abs())
    } else {
        Err("whole seconds are wanted, at least one".into())
    }
}

/// Smallest number of bytes in which all headers fit that a packet is judged by.
#[cfg(feature = "live")]
const HEADERS: u32 = 14 + 4 + 40 + 20;

#[cfg(feature = "live")]
fn snaplen(text: &str) -> Result<u32, String> {
    const MOST: u32 = 262_144;
    match text.parse() {
        Ok(bytes @ (0 | HEADERS..=MOST)) => Ok(bytes),
        Ok(1..HEADERS) => Err(format!(
            "at least {HEADERS} bytes are needed to judge a packet (Ethernet 14, VLAN tag 4, IPv6 40, TCP 20); 128 keep all usual headers"
        )),
        _ => Err(format!("0, or a number from {HEADERS} to {MOST}, is wanted")),
    }
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
    fn large_numbers_are_typed_short() {
        assert_eq!(
            ["5000", "10k", "10K", "1M", "2m", "3G"].map(number),
            [Ok(5_000), Ok(10_000), Ok(10_000), Ok(1_000_000), Ok(2_000_000), Ok(3_000_000_000)]
        );
        for wrong in
            ["", "k", "0", "0M", "-1", "1.5M", "1MB", "1e6", "99999999999999999999", "18446744073709551615k", "é"]
        {
            assert!(number(wrong).is_err_and(|said| said.contains("10k or 1M")), "{wrong}");
        }
        assert_eq!(flows("200k"), Ok(200_000));
        assert!(flows("11M").is_err() && flows("5G").is_err());
    }

    #[cfg(feature = "live")]
    #[test]
    fn times_are_typed_in_their_units() {
        assert_eq!(
            ["40", "40s", "5m", "1h30m", "2h", "90 seconds"].map(seconds),
            [Ok(40), Ok(40), Ok(300), Ok(5_400), Ok(7_200), Ok(90)]
        );
        for wrong in
            ["", "0", "0s", "-5s", "5m ago", "500ms", "soon", "5x", "99999999999999999999", "18446744073709551615"]
        {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[cfg(feature = "live")]
    #[test]
    fn packets_are_not_cut_within_their_headers() {
        assert_eq!(["0", "78", "128", "262144"].map(snaplen), [Ok(0), Ok(78), Ok(128), Ok(262_144)]);
        for small in ["1", "64", "77"] {
            assert!(snaplen(small).is_err_and(|said| said.contains("at least 78 bytes")), "{small}");
        }
        assert!(snaplen("262145").is_err() && snaplen("-1").is_err());
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
