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
use crate::sandbox::{Confinement, Output, clear_environment, confine_after};
use crate::source::{LiveOptions, LiveSource, list};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::thread;

pub(super) fn watch(args: &LiveArgs) -> Result<Exit, Error> {
    if args.list {
        return show_interfaces();
    }
    let audit = &args.audit;
    clear_environment_unless_told_not_to(args);
    let map = Arc::new(port_map(audit.port_map.as_deref())?);
    remark_on_map(&map, audit.port_map.as_deref(), Quiet::of(audit.quiet));
    let options = LiveOptions {
        filter: args.filter.clone(),
        snaplen: args.snaplen,
        buffer_bytes: args.buffer_size as usize * 1024 * 1024,
        promiscuous: args.promiscuous,
        wait: args.wait,
    };
    let stop = stop_on_signals().map_err(Error::Signals)?;
    let source = LiveSource::open(&args.interfaces, options, 0)?;
    // Last, when everything else is known to be right.
    let output = confine_and_open(args, &source)?;
    let pipeline = file::options(audit);
    Quiet::of(audit.quiet).remark(&format!("watching {}; Ctrl-C ends with a report", args.interfaces.join(", ")));
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
    let mut case = Case { flows: desk.take_finished(), ..Case::new(Arc::clone(&map)) };
    case.add(harvest);
    case.captures = feed.notes();
    let target = match (&output, &audit.output) {
        (Some(output), Some(path)) => Target::Open(output, path),
        _ => Target::Standard,
    };
    let telling = Telling::of(audit, target);
    if audit.format.streams() && audit.output.is_none() {
        return desk.end(&case, &telling);
    }
    telling.conclude(&case)
}

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
fn confine_and_open(args: &LiveArgs, source: &LiveSource) -> Result<Option<Output>, Error> {
    let open = |user: Option<&str>| {
        let open = |path| Output::open(path).map_err(|error| not_writable(path, user, error));
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

fn show_interfaces() -> Result<Exit, Error> {
    let mut out = io::stdout().lock();
    for interface in list()? {
        let mut state = vec![if interface.up { "up" } else { "down" }];
        state.extend((interface.up && !interface.running).then_some("no carrier"));
        state.extend(interface.loopback.then_some("loopback"));
        state.extend(interface.wireless.then_some("wireless"));
        let addresses: Vec<String> = interface.addresses.iter().map(ToString::to_string).collect();
        let description = interface.description.map(|text| format!(" - {text}")).unwrap_or_default();
        let line = format!("{:<16} {:<20} {}{description}", interface.name, state.join(", "), addresses.join(", "));
        if writeln!(out, "{}", report::printable(line.trim_end())).is_err() {
            break;
        }
    }
    Ok(Exit::Clean)
}
