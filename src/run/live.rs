//! `cap-audit live`: watches interfaces, tells findings as they become certain, and ends with a full report.
//!
//! One thread captures and never waits for output ([`feed`]); the workers judge; this one concludes ([`desk`]), and one more writes
//! ([`outlet`]). What the capture thread and the workers have to say comes over channels that do not block them.

mod desk;
mod feed;
mod outlet;
mod told;

use self::desk::Desk;
use self::feed::{LiveFeed, Pace};
use super::Exit;
use super::console::{Meter, Quiet, Target, tell};
use super::draft::check;
use super::file;
use super::ports::{map_in_use, port_map, remark_on_map};
use super::telling::Telling;
use crate::audit::Flows;
use crate::case::Case;
use crate::cli::{AuditArgs, LiveArgs};
use crate::error::{Error, Output};
use crate::pipeline::{Options, run_live};
use crate::report;
use crate::sandbox::{Confinement, ReportFile, clear_environment, confine_after};
use crate::shell;
use crate::source::{ANY, BpfFilter, Interface, LiveOptions, LiveSource, list};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

pub(super) fn watch(args: &LiveArgs) -> Result<Exit, Error> {
    if args.list {
        write_interfaces(&mut io::stdout().lock(), &list()?);
        return Ok(Exit::Clean);
    }
    if args.interfaces.is_empty() {
        return ask_for_an_interface();
    }
    if let Some(program) = &args.filter {
        BpfFilter::check(program)?;
    }
    let audit = &args.audit;
    clear_environment_unless_told_not_to(args);
    let map = Arc::new(port_map(audit.port_map.as_deref())?);
    remark_on_map(&map, audit.port_map.as_deref(), Quiet::of(audit.quiet));
    let interfaces = named_once(&args.interfaces, Quiet::of(audit.quiet));
    if let Some(output) = &audit.output {
        // As whoever started the program, who may read more than the user that it becomes.
        check(output, Output::Report, map_in_use(audit.port_map.as_deref()))?;
    }
    let options = LiveOptions {
        filter: args.filter.clone(),
        snaplen: args.snaplen,
        buffer_bytes: args.buffer_size as usize * 1024 * 1024,
        promiscuous: args.promiscuous,
        wait: args.wait,
    };
    let stop = stop_on_signals().map_err(Error::Signals)?;
    let source = LiveSource::open(&interfaces, options, 0)?;
    // Last, when everything else is known to be right.
    let output = confine_and_open(args, &source)?;
    let pipeline = pipeline_options(audit);
    Quiet::of(audit.quiet).remark(&format!("watching {}; Ctrl-C ends with a report", interfaces.join(", ")));
    let (news, hear) = mpsc::channel();
    let meter = Arc::new(Meter::default());
    end_where_output_stands_still(Arc::clone(&stop), Arc::clone(&meter));
    let pace = Arc::new(Pace::new());
    let mut feed = LiveFeed::new(source, args, Arc::clone(&stop), news, Arc::clone(&pace));
    let (answers, interims) = mpsc::channel();
    let mut desk = Desk::new(audit, &map, pipeline.workers, pace, Arc::clone(&meter));
    let harvest = thread::scope(|scope| {
        let capture = scope.spawn(|| run_live(&map, pipeline, &mut feed, &answers));
        while !capture.is_finished() {
            if let Err(error) = desk.attend(&hear, &interims) {
                // Nobody would ever read what is captured from here on.
                stop.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        desk.attend(&hear, &interims)?;
        Ok::<_, Error>(capture.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let left_out = harvest.flows_left_out;
    let max_flows = pipeline.flows.limit();
    let mut case = Case { flows: desk.take_finished(), max_flows, ..Case::new(Arc::clone(&map)) };
    case.add(harvest);
    case.captures = feed.notes();
    let target = match (&output, &audit.output) {
        (Some(output), Some(path)) => Target::Open(output, path),
        _ => Target::Watched(&meter),
    };
    let telling = Telling::of(audit, target);
    let conclusion = case.conclude();
    desk.amend(&conclusion)?;
    if audit.format.streams() && audit.output.is_none() {
        return desk.end(&conclusion, left_out, &telling);
    }
    telling.tell(&conclusion)
}

/// As for files, with less memory: a live audit may run for months, and beside other programs.
fn pipeline_options(audit: &AuditArgs) -> Options {
    let mut options = file::options(audit);
    options.limits.flows = FLOWS;
    if audit.format.streams() && audit.output.is_none() {
        options.flows = Flows::KeptUntilTaken(FLOWS_AT_ONCE);
    }
    options
}

/// Maximum number of flows that are followed at the same time.
const FLOWS: usize = 1_200_000;
/// Maximum number of finished flows that each worker keeps until their lines are written.
const FLOWS_AT_ONCE: usize = 50_000;

/// First of all, as it begins the program anew.
fn clear_environment_unless_told_not_to(args: &LiveArgs) {
    if args.no_sandbox {
        return;
    }
    let cleared = clear_environment();
    if args.audit.verbose {
        match cleared {
            Ok(()) => tell("confined: the environment holds only what the program reads"),
            Err(error) => tell(&format!("not confined: the environment stays as it is: {error}")),
        }
    }
}

/// Gives up what is not needed any more: root, capabilities, files, most system calls. The output is opened with what is left of
/// rights, before files are closed.
fn confine_and_open(args: &LiveArgs, source: &LiveSource) -> Result<Option<ReportFile>, Error> {
    let open = |user: Option<&str>| {
        let open = |path| ReportFile::open(path).map_err(|error| not_writable(path, user, error));
        args.audit.output.as_deref().map(open).transpose()
    };
    if args.no_sandbox {
        return open(None);
    }
    #[cfg(unix)]
    let read_only = source.descriptors();
    #[cfg(not(unix))]
    let read_only = Vec::new();
    let confinement = Confinement { user: args.user.clone(), read_only, reopen: args.wait };
    let confined = confine_after(&confinement, |applied| open(applied.user.as_deref()));
    let (applied, output) = confined.map_err(Error::Sandbox)?;
    let output = output?;
    if args.audit.verbose {
        applied.done.iter().for_each(|done| tell(&format!("confined: {done}")));
        applied.missing.iter().for_each(|missing| tell(&format!("not confined: {missing}")));
    }
    Ok(output)
}

/// Why the output could not be opened: whoever started this as root does not expect that root is not the one who writes.
fn not_writable(path: &Path, user: Option<&str>, error: io::Error) -> Error {
    let error = match user {
        Some(user) if error.kind() == io::ErrorKind::PermissionDenied => io::Error::other(format!(
            "it is written as {user}, who may not write there; let another user do it with --user"
        )),
        _ => error,
    };
    Error::Write { target: path.display().to_string(), error }
}

/// The first Ctrl-C, SIGTERM or SIGHUP asks for the end, the second ends at once. Under `nohup` SIGHUP stays ignored.
fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    const ENDED_BY_HAND: i32 = 130;
    let stop = Arc::new(AtomicBool::new(false));
    let hang_up = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hang_up) {
        flag::register_conditional_shutdown(signal, ENDED_BY_HAND, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Whether whoever started the program told it to ignore a signal (`SigIgn` of proc_pid_status(5)). Where the system does not
/// say, it is left as it is.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_none_or(|ignored| ignored >> (signal - 1) & 1 == 1)
}

/// Ends the program where the end was asked for and output does not move: otherwise it would wait for its reader for ever.
fn end_where_output_stands_still(stop: Arc<AtomicBool>, meter: Arc<Meter>) {
    thread::spawn(move || {
        let mut asked: Option<Instant> = None;
        loop {
            thread::sleep(LOOK_EVERY);
            if !stop.load(Ordering::Relaxed) {
                continue;
            }
            let asked = *asked.get_or_insert_with(Instant::now);
            if asked.elapsed() >= STANDSTILL && meter.stands_still_for() >= STANDSTILL {
                // Standard error may be the same terminal, and stand still as well.
                thread::spawn(|| tell("nobody reads the output, so the rest of the report is left out"));
                thread::sleep(LOOK_EVERY);
                low_level::exit(Exit::Unreadable as i32);
            }
        }
    });
}

/// Time for which output may stand still once the end was asked for.
const STANDSTILL: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The interfaces, each once. One that was named twice is told.
fn named_once(interfaces: &[String], quiet: Quiet) -> Vec<String> {
    let mut once: Vec<String> = Vec::new();
    let mut told: Vec<&String> = Vec::new();
    for name in interfaces {
        if !once.contains(name) {
            once.push(name.clone());
        } else if !told.contains(&name) {
            told.push(name);
            quiet.remark(&format!("{name} was named more than once; it is watched once"));
        }
    }
    once
}

/// Without an interface there is nothing to do but to say which there are.
fn ask_for_an_interface() -> Result<Exit, Error> {
    let interfaces = list()?;
    tell("live needs the name of an interface; these are there:");
    write_interfaces(&mut io::stderr().lock(), &interfaces);
    let likely = interfaces.iter().find(|interface| interface.running && !interface.loopback && interface.name != ANY);
    let likely = likely.map_or(ANY, |interface| &interface.name);
    let start: &[&str] = if cfg!(unix) { &["sudo", "cap-audit", "live"] } else { &["cap-audit", "live"] };
    if let Some(command) = shell::command(start.iter().copied().chain([likely])) {
        tell(&format!("watch one or several of them, for example with `{command}`"));
    }
    Ok(Exit::Wrong)
}

/// A line for each interface. Whoever has stopped reading misses the rest.
fn write_interfaces(out: &mut impl Write, interfaces: &[Interface]) {
    for interface in interfaces {
        let mut state = vec![if interface.up { "up" } else { "down" }];
        state.extend((interface.up && !interface.running).then_some("no carrier"));
        state.extend(interface.loopback.then_some("loopback"));
        state.extend(interface.wireless.then_some("wireless"));
        let addresses: Vec<String> = interface.addresses.iter().map(ToString::to_string).collect();
        let description = interface.description.as_ref().map(|text| format!(" - {text}")).unwrap_or_default();
        let line = format!("{:<16} {:<20} {}{description}", interface.name, state.join(", "), addresses.join(", "));
        if writeln!(out, "{}", report::printable(line.trim_end())).is_err() {
            break;
        }
    }
}
