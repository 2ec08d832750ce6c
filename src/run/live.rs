//! `cap-audit live`: watches interfaces, tells findings as they become certain, and ends with a full report.
//!
//! One thread captures and never waits for output ([`feed`]); the workers judge; this one writes ([`desk`]). What the capture thread
//! and the workers have to say comes over channels that do not block them.

mod desk;
mod feed;

use self::desk::Desk;
use self::feed::LiveFeed;
use super::Exit;
use super::console::{Quiet, Target, tell};
use super::file;
use super::ports::{port_map, remark_on_map};
use super::telling::Telling;
use crate::case::Case;
use crate::cli::LiveArgs;
use crate::error::Error;
use crate::pipeline::run_live;
use crate::report;
use crate::sandbox::{Confinement, confine};
use crate::shell;
use crate::source::{ANY, BpfFilter, Interface, LiveOptions, LiveSource, list};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::thread;

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
    let map = Arc::new(port_map(audit.port_map.as_deref())?);
    remark_on_map(&map, audit.port_map.as_deref(), Quiet::of(audit.quiet));
    let interfaces = named_once(&args.interfaces, Quiet::of(audit.quiet));
    let options = LiveOptions {
        filter: args.filter.clone(),
        snaplen: args.snaplen,
        buffer_bytes: args.buffer_size as usize * 1024 * 1024,
        promiscuous: args.promiscuous,
        wait: args.wait,
    };
    let stop = stop_on_signals().map_err(Error::Signals)?;
    let source = LiveSource::open(&interfaces, options, 0)?;
    let output = match &audit.output {
        Some(path) => {
            Some(File::create(path).map_err(|error| Error::Write { target: path.display().to_string(), error })?)
        }
        None => None,
    };
    confine_unless_told_not_to(args, &source)?;
    let pipeline = file::options(audit);
    Quiet::of(audit.quiet).remark(&format!("watching {}; Ctrl-C ends with a report", interfaces.join(", ")));
    let (news, hear) = mpsc::channel();
    let mut feed = LiveFeed::new(source, args, stop, news);
    let (answers, interims) = mpsc::channel();
    let mut desk = Desk::new(audit, &map, pipeline.workers);
    let harvest = thread::scope(|scope| {
        let capture = scope.spawn(|| run_live(&map, pipeline, &mut feed, &answers));
        while !capture.is_finished() {
            desk.attend(&hear, &interims)?;
        }
        desk.attend(&hear, &interims)?;
        Ok::<_, Error>(capture.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    desk.close();
    let max_flows = pipeline.flows.limit();
    let mut case = Case { flows: desk.take_finished(), max_flows, ..Case::new(Arc::clone(&map)) };
    case.add(harvest);
    case.captures = feed.notes();
    let target = match (&output, &audit.output) {
        (Some(file), Some(path)) => Target::Open(file, path),
        _ => Target::Standard,
    };
    let telling = Telling::of(audit, target);
    if audit.format.streams() && audit.output.is_none() {
        return desk.end(&case, &telling);
    }
    telling.conclude(&case)
}

/// Gives up what is not needed any more: root, capabilities, files, most system calls.
fn confine_unless_told_not_to(args: &LiveArgs, source: &LiveSource) -> Result<(), Error> {
    if args.no_sandbox {
        return Ok(());
    }
    #[cfg(unix)]
    let read_only = source.descriptors();
    #[cfg(not(unix))]
    let read_only = Vec::new();
    let applied =
        confine(&Confinement { user: args.user.clone(), read_only, reopen: args.wait }).map_err(Error::Sandbox)?;
    if args.audit.verbose {
        applied.done.iter().for_each(|done| tell(&format!("confined: {done}")));
        applied.missing.iter().for_each(|missing| tell(&format!("not confined: {missing}")));
    }
    Ok(())
}

/// The first Ctrl-C or SIGTERM asks for the end, the second ends at once.
fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    const ENDED_BY_HAND: i32 = 130;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, ENDED_BY_HAND, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

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
