//! One command from end to end: open, run the pipeline, write the report.

use crate::cli::{Cli, Color, Command, FileArgs, Format, PortsArgs, PortsFormat};
use crate::error::Error;
use crate::finding::{Scene, findings};
use crate::ledger::{self, Ledger};
use crate::packet::{PacketBatch, Record};
use crate::pipeline::{Clock, Options, run_all};
use crate::portmap::PortMap;
use crate::report::{self, Look, Material, Report, ports};
use crate::source::{CaptureFile, CaptureNotes, More, ReadError, Source};
use crate::time::{Span, Timestamp};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a command ended; the numbers are the exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Nothing at or above `--fail-on`.
    Clean = 0,
    /// Something at or above it.
    Found = 1,
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
        Command::Ports(args) => list_ports(args),
    }
}

fn audit_files(args: &FileArgs) -> Result<Exit, Error> {
    let map = Arc::new(port_map(args.port_map.as_deref())?);
    let paths = inputs(&args.captures, args.quiet)?;
    let default_workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
    let options = Options {
        workers: args.workers.map_or(default_workers, usize::from),
        keep_flows: args.flows || args.format != Format::Text,
        ..Options::default()
    };
    if args.verbose {
        eprintln!("{} captures, {} worker threads", paths.len(), options.workers);
    }
    let mut progress = Progress::new(&paths, args.quiet);
    let audited = audit(paths, &map, options, &mut |opened| progress.show(opened));
    progress.done();
    for error in &audited.failed {
        eprintln!("cap-audit: {error}");
    }
    if audited.captures.is_empty() {
        return Ok(Exit::Unreadable);
    }
    let scene = Scene { ledger: &audited.ledger, map: &map, captures: &audited.captures };
    let findings = findings(&scene);
    let report = Report::new(&Material {
        ledger: &audited.ledger,
        flows: &audited.flows,
        findings: &findings,
        captures: &audited.captures,
        clock: audited.clock,
        overlapping: audited.overlapping,
        map: &map,
    });
    write_to(args.output.as_deref(), |out, terminal| {
        let color = match args.color {
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            Color::Always => true,
            Color::Never => false,
        };
        let look = Look { width: width(terminal), color, flows: args.flows, verbose: args.verbose };
        match args.format {
            Format::Text => report::write_text(out, &report, look),
            Format::Json => report::write_json(out, &report),
            Format::Ndjson => report::write_ndjson(out, &report),
            Format::Csv => report::write_csv(out, &report),
        }
    })?;
    Ok(match () {
        () if !audited.failed.is_empty() => Exit::Unreadable,
        () if audited.ledger.tally.evaluable == 0 => Exit::NothingJudged,
        () if args.fail_on.fails(report::worst(&findings)) => Exit::Found,
        () => Exit::Clean,
    })
}

fn list_ports(args: &PortsArgs) -> Result<Exit, Error> {
    let map = port_map(args.port_map.as_deref())?;
    let text = (!args.words.is_empty()).then(|| args.words.join(" "));
    let query = ports::Query {
        product: args.product.clone(),
        port: args.port,
        protocol: args.protocol.map(Into::into),
        role: args.role.clone(),
        text,
    };
    let rules = ports::select(&map, &query);
    write_to(args.output.as_deref(), |out, terminal| match args.format {
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

fn write_to(
    path: Option<&Path>,
    write: impl FnOnce(&mut BufWriter<Box<dyn Write>>, bool) -> io::Result<()>,
) -> Result<(), Error> {
    let target = path.map_or("standard output".to_string(), |path| path.display().to_string());
    let wrong = |error: io::Error| Error::Write { target: target.clone(), error };
    let (out, terminal): (Box<dyn Write>, bool) = match path {
        Some(path) => (Box::new(fs::File::create(path).map_err(wrong)?), false),
        None => (Box::new(io::stdout()), io::stdout().is_terminal()),
    };
    let mut out = BufWriter::with_capacity(1 << 16, out);
    match write(&mut out, terminal).and_then(|()| out.flush()) {
        // Whoever reads has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(wrong),
    }
}

/// What an audit of files brought home.
struct Audited {
    ledger: Ledger,
    flows: Vec<crate::audit::JudgedFlow>,
    captures: Vec<CaptureNotes>,
    failed: Vec<Error>,
    clock: Clock,
    overlapping: usize,
}

/// Audits captures in the order of their first packets. A capture that begins where another ended goes on with its flows,
/// as the files of a ring buffer do; one that overlaps is seen for itself.
fn audit(paths: Vec<Input>, map: &Arc<PortMap>, options: Options, progress: &mut dyn FnMut(&Opened)) -> Audited {
    let mut audited = Audited {
        ledger: Ledger::default(),
        flows: Vec::new(),
        captures: Vec::new(),
        failed: Vec::new(),
        clock: Clock::default(),
        overlapping: 0,
    };
    let mut waiting = in_time_order(paths, &mut audited.failed).into_iter().peekable();
    let mut notes = Vec::new();
    while waiting.peek().is_some() {
        let (harvest, opened) = run_all(
            map,
            options,
            |now| {
                let goes_on = |next: &Waiting| follows(now, next.first);
                waiting.next_if(goes_on).map(Waiting::open).transpose()
            },
            |opened| progress(opened),
        );
        audited.failed.extend(harvest.failed.into_iter().map(Error::Read));
        audited.ledger += &harvest.ledger;
        audited.flows.extend(harvest.flows);
        audited.clock.add(&harvest.clock);
        audited.overlapping += usize::from(waiting.peek().is_some());
        notes.extend(opened.into_iter().filter(Opened::was_read).map(|opened| (opened.capture, opened.notes())));
    }
    notes.sort_by_key(|(capture, _)| *capture);
    audited.captures = notes.into_iter().map(|(_, notes)| notes).collect();
    audited.flows.sort_by_key(|flow| flow.record.opener);
    for flow in &mut audited.flows {
        ledger::settle(&audited.ledger, &flow.record, &mut flow.judgement);
    }
    audited.ledger.settle();
    audited
}

/// Whether a capture goes on where the line of time stands. A second of overlap is two clocks of one machine.
fn follows(now: Option<Timestamp>, first: Option<Timestamp>) -> bool {
    match (now, first) {
        (Some(now), Some(first)) => now - first <= Span::seconds(1),
        _ => true,
    }
}

/// A capture as it was named.
struct Input {
    path: PathBuf,
    /// Found in a directory, where other files lie as well.
    found: bool,
}

/// A capture that waits for its turn.
struct Waiting {
    path: PathBuf,
    capture: u16,
    first: Option<Timestamp>,
    /// Standard input cannot be opened twice.
    opened: Option<CaptureFile>,
}

/// A capture that is being read, or was.
struct Opened {
    file: CaptureFile,
    capture: u16,
    failed: bool,
}

impl Waiting {
    fn open(self) -> Result<Opened, ReadError> {
        let file = match self.opened {
            Some(file) => file,
            None => open(&self.path, self.capture)?,
        };
        Ok(Opened { file, capture: self.capture, failed: false })
    }
}

impl Opened {
    fn was_read(&self) -> bool {
        !self.failed
    }

    fn notes(&self) -> CaptureNotes {
        self.file.notes().clone()
    }
}

impl Source for Opened {
    fn fill(
        &mut self,
        batch: &mut PacketBatch,
        place: &mut impl FnMut(&[u8], &mut Record) -> usize,
    ) -> Result<More, ReadError> {
        let more = self.file.fill(batch, place);
        self.failed |= more.is_err();
        more
    }
}

fn open(path: &Path, capture: u16) -> Result<CaptureFile, ReadError> {
    if path.as_os_str() == "-" {
        return CaptureFile::from_reader(Box::new(io::stdin()), "standard input", capture);
    }
    CaptureFile::open(path, capture)
}

/// Looks at the first packet of each capture. A single one needs no order.
fn in_time_order(paths: Vec<Input>, failed: &mut Vec<Error>) -> Vec<Waiting> {
    let several = paths.len() > 1;
    let mut waiting: Vec<Waiting> = Vec::new();
    for Input { path, found } in paths {
        let capture = waiting.len() as u16;
        match open(&path, capture) {
            Ok(mut file) => {
                let first = if several { file.peek_first() } else { None };
                // Many files are not kept open: each would hold a block of memory.
                let keep = !several || path.as_os_str() == "-";
                waiting.push(Waiting { path, capture, first, opened: keep.then_some(file) });
            }
            // A directory of a case holds other files as well.
            Err(ReadError::Foreign { .. } | ReadError::Empty { .. }) if found => {}
            Err(error) => failed.push(error.into()),
        }
    }
    waiting.sort_by_key(|waiting| waiting.first);
    waiting
}

/// The captures that were named, and those in directories that were named, by name.
fn inputs(named: &[PathBuf], quiet: bool) -> Result<Vec<Input>, Error> {
    let mut inputs = Vec::new();
    for path in named {
        if path.as_os_str() != "-" && path.is_dir() {
            let files = files_in(path)?;
            if !quiet {
                eprintln!("{}: {} files", path.display(), files.len());
            }
            inputs.extend(files.into_iter().map(|path| Input { path, found: true }));
        } else {
            inputs.push(Input { path: path.clone(), found: false });
        }
    }
    if inputs.len() > usize::from(u16::MAX) {
        return Err(Error::TooManyCaptures { count: inputs.len() });
    }
    Ok(inputs)
}

fn files_in(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let wrong = |error: io::Error| Error::Directory { path: directory.into(), what: error.to_string() };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::Directory { path: directory.into(), what: "there is no file in it".into() });
    }
    Ok(files)
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
