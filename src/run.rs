//! One command from end to end: open, run the pipeline, write the report.

mod bench;
mod inputs;
#[cfg(feature = "live")]
mod live;

use self::inputs::{Input, Inputs, Opened, Queue, Waiting};
use crate::cli::{AuditArgs, Cli, Color, Command, FailOn, FileArgs, Format, PortsArgs, PortsFormat};
use crate::error::Error;
use crate::finding::{Finding, Scene, findings};
use crate::ledger::{self, Ledger};
use crate::pipeline::{Clock, Options, run_all};
use crate::portmap::PortMap;
use crate::report::{self, Look, Material, Report, count, ports};
use crate::source::CaptureNotes;
use crate::words::Words;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
        Command::File(args) => audit_files(args),
        #[cfg(feature = "live")]
        Command::Live(args) => live::watch(args),
        Command::Ports(args) => list_ports(args),
        Command::Bench(args) => bench::bench(args),
    }
}

fn audit_files(FileArgs { captures, audit: args }: &FileArgs) -> Result<Exit, Error> {
    let map = Arc::new(port_map(args.port_map.as_deref())?);
    let inputs = Inputs::named(captures, args.quiet);
    let options = options(args);
    let mut progress = Progress::new(&inputs.files, args.quiet);
    let queue = inputs.in_time_order(args.quiet);
    if let Some(output) = &args.output {
        check_output(output, &queue)?;
    }
    if args.verbose {
        let [captures, workers] = [(queue.waiting.len(), "capture"), (options.workers, "worker thread")]
            .map(|(number, what)| count(number as u64, what));
        tell(&format!("reading {captures} with {workers}"));
    }
    let audited = audit(queue, &map, options, &mut |opened| progress.show(opened));
    progress.done();
    for error in &audited.failed {
        tell(&error.to_string());
    }
    if audited.read == 0 {
        return Ok(Exit::Unreadable);
    }
    let telling = Telling::of(args, args.output.as_deref().map_or(Target::Standard, Target::File));
    let exit = conclude(&audited, &map, &telling)?;
    Ok(if audited.failed.is_empty() { exit } else { Exit::Unreadable })
}

/// How the end of an audit is told.
struct Telling<'a> {
    format: Format,
    output: Target<'a>,
    fail_on: FailOn,
    flows: bool,
    color: Color,
    verbose: bool,
}

impl<'a> Telling<'a> {
    fn of(args: &AuditArgs, output: Target<'a>) -> Telling<'a> {
        let AuditArgs { format, fail_on, flows, color, verbose, .. } = *args;
        Telling { format, output, fail_on, flows, color, verbose }
    }

    fn look(&self, terminal: bool) -> Look {
        let color = match self.color {
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            Color::Always => true,
            Color::Never => false,
        };
        Look { width: width(terminal), color, flows: self.flows, verbose: self.verbose }
    }
}

/// Writes the report, and says how the command ends.
fn conclude(audited: &Audited, map: &PortMap, telling: &Telling<'_>) -> Result<Exit, Error> {
    let findings = findings(&Scene { ledger: &audited.ledger, map, captures: &audited.captures });
    let report = Report::new(&audited.material(&findings, map));
    let words = Words::default();
    write_to(telling.output, |out, terminal| match telling.format {
        Format::Text => report::write_text(out, &report, &words, telling.look(terminal)),
        Format::Json => report::write_json(out, &report, &words),
        Format::Ndjson => report::write_ndjson(out, &report, &words),
        Format::Csv => report::write_csv(out, &report),
    })?;
    Ok(match () {
        () if audited.ledger.tally.evaluable == 0 => Exit::NothingJudged,
        () if telling.fail_on.fails(report::worst(&findings)) => Exit::Found,
        () => Exit::Clean,
    })
}

/// As many workers as were asked for, or one for every core but the one that reads; flows are kept where they are told.
fn options(args: &AuditArgs) -> Options {
    let spare = std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
    Options {
        workers: args.workers.map_or(spare, usize::from),
        keep_flows: args.flows || args.format != Format::Text,
        ..Options::default()
    }
}

fn list_ports(args: &PortsArgs) -> Result<Exit, Error> {
    let map = port_map(args.port_map.as_deref())?;
    let text = (!args.words.is_empty()).then(|| args.words.join(" "));
    let query = ports::Query {
        product: args.product.clone(),
        port: args.port,
        protocol: args.protocol,
        role: args.role.clone(),
        text,
    };
    let rules = ports::select(&map, &query);
    let target = args.output.as_deref().map_or(Target::Standard, Target::File);
    write_to(target, |out, terminal| match args.format {
        PortsFormat::Text => ports::write_text(out, &map, &rules, width(terminal)),
        PortsFormat::Csv => ports::write_csv(out, &map, &rules),
        PortsFormat::Json => ports::write_json(out, &map, &rules),
    })?;
    Ok(Exit::Clean)
}

fn port_map(path: Option<&Path>) -> Result<PortMap, Error> {
    let Some(path) = path else { return Ok(PortMap::citrix()) };
    let text = fs::read_to_string(path).map_err(|error| Error::OpenPortMap { path: path.into(), error })?;
    PortMap::parse(&text).map_err(|error| Error::PortMap { path: path.into(), error })
}

/// Columns of the terminal; 80 elsewhere.
fn width(terminal: bool) -> usize {
    const ELSEWHERE: usize = 80;
    const WIDEST: usize = 120;
    if !terminal {
        return ELSEWHERE;
    }
    textwrap_width().unwrap_or(ELSEWHERE).min(WIDEST)
}

fn textwrap_width() -> Option<usize> {
    console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns))
}

/// Finds out before a long audit what would only show behind it.
fn check_output(path: &Path, queue: &Queue) -> Result<(), Error> {
    if queue.holds(path) {
        return Err(Error::OutputIsInput { path: path.into() });
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let reason = match directory {
        _ if path.is_dir() => io::ErrorKind::IsADirectory,
        Some(directory) if !directory.is_dir() => io::ErrorKind::NotFound,
        _ => return Ok(()),
    };
    Err(Error::Write { target: path.display().to_string(), error: reason.into() })
}

/// Where a report goes.
#[derive(Clone, Copy)]
enum Target<'a> {
    /// Standard output.
    Standard,
    /// A file that is made when the report is written.
    File(&'a Path),
    /// A file that was made before, for a program that may not open any more, and its name.
    #[cfg(feature = "live")]
    Open(&'a fs::File, &'a Path),
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

fn write_to<'a>(
    target: Target<'a>,
    write: impl FnOnce(&mut BufWriter<Box<dyn Write + 'a>>, bool) -> io::Result<()>,
) -> Result<(), Error> {
    let wrong = |error: io::Error| Error::Write { target: target.name(), error };
    let (out, terminal): (Box<dyn Write + 'a>, bool) = match target {
        Target::Standard => (Box::new(io::stdout()), io::stdout().is_terminal()),
        Target::File(path) => (Box::new(fs::File::create(path).map_err(wrong)?), false),
        #[cfg(feature = "live")]
        Target::Open(file, _) => (Box::new(file), false),
    };
    let mut out = BufWriter::with_capacity(1 << 16, out);
    match write(&mut out, terminal).and_then(|()| out.flush()) {
        // Whoever reads has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(wrong),
    }
}

/// Says a sentence on standard error. Whoever does not listen any more misses it.
pub fn tell(sentence: &str) {
    let _ = writeln!(io::stderr(), "cap-audit: {}", report::printable(sentence));
}

/// Says something that is no error, unless quiet was asked for.
fn remark(quiet: bool, sentence: &str) {
    if !quiet {
        tell(sentence);
    }
}

/// What an audit of files brought home.
struct Audited {
    ledger: Ledger,
    flows: Vec<crate::audit::JudgedFlow>,
    /// By the numbers that packets carry.
    captures: Vec<CaptureNotes>,
    /// How many of them could be read.
    read: usize,
    failed: Vec<Error>,
    clock: Clock,
    overlapping: usize,
}

impl Audited {
    fn material<'a>(&'a self, findings: &'a [Finding], map: &'a PortMap) -> Material<'a> {
        Material {
            ledger: &self.ledger,
            flows: &self.flows,
            findings,
            captures: &self.captures,
            clock: self.clock,
            overlapping: self.overlapping,
            map,
        }
    }

    /// Takes back what only the whole can tell; see [`Ledger::settle`].
    fn settle(&mut self) {
        self.flows.sort_by_key(|flow| flow.record.opener);
        for flow in &mut self.flows {
            ledger::settle(&self.ledger, &flow.record, &mut flow.judgement);
        }
        self.ledger.settle();
    }
}

/// Audits captures in the order of their first packets. A capture that begins where another ended goes on with its flows,
/// as the files of a ring buffer do; one that overlaps is seen for itself.
fn audit(queue: Queue, map: &Arc<PortMap>, options: Options, progress: &mut dyn FnMut(&Opened)) -> Audited {
    let Queue { waiting, failed, .. } = queue;
    let mut audited = Audited {
        ledger: Ledger::default(),
        flows: Vec::new(),
        captures: Vec::new(),
        read: 0,
        failed,
        clock: Clock::default(),
        overlapping: 0,
    };
    // A capture keeps its number, which its packets carry, whatever becomes of it.
    let mut notes: BTreeMap<u16, CaptureNotes> =
        waiting.iter().map(|waiting| (waiting.capture(), waiting.lost())).collect();
    let mut waiting = waiting.into_iter().peekable();
    while waiting.peek().is_some() {
        let (harvest, opened) = run_all(
            map,
            options,
            |now| waiting.next_if(|next| next.follows(now)).map(Waiting::open).transpose(),
            |opened| progress(opened),
        );
        audited.failed.extend(harvest.failed.into_iter().map(Error::Read));
        // The first ledger may be large, and is moved.
        if audited.read == 0 {
            audited.ledger = harvest.ledger;
        } else {
            audited.ledger += &harvest.ledger;
        }
        audited.flows.extend(harvest.flows);
        audited.clock.add(&harvest.clock);
        audited.overlapping += usize::from(waiting.peek().is_some());
        for opened in opened.iter().filter(|opened| !opened.failed) {
            audited.read += 1;
            notes.insert(opened.capture, opened.file.notes().clone());
        }
    }
    audited.captures = notes.into_values().collect();
    audited.settle();
    audited
}

/// A bar on standard error for audits that take longer than a second.
struct Progress {
    bar: ProgressBar,
    started: Instant,
    total: u64,
    done: u64,
    current: u16,
    current_bytes: u64,
}

impl Progress {
    fn new(paths: &[Input], quiet: bool) -> Progress {
        let total =
            paths.iter().filter_map(|input| fs::metadata(&input.path).ok()).map(|metadata| metadata.len()).sum();
        let bar = if quiet || !io::stderr().is_terminal() { ProgressBar::hidden() } else { ProgressBar::no_length() };
        Progress { bar, started: Instant::now(), total, done: 0, current: 0, current_bytes: 0 }
    }

    fn show(&mut self, opened: &Opened) {
        if self.bar.is_hidden() || self.started.elapsed() < Duration::from_secs(1) {
            return;
        }
        if opened.capture != self.current {
            self.done += self.current_bytes;
            self.current = opened.capture;
        }
        self.current_bytes = opened.file.bytes_read();
        if self.bar.length().is_none() && self.total > 0 {
            self.bar.set_length(self.total);
            let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
            self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
        self.bar.set_position(self.done + self.current_bytes);
    }

    fn done(&self) {
        self.bar.finish_and_clear();
    }
}
