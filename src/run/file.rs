//! `cap-audit file`: opens captures, audits them in the order of their time, and reports.

use super::Exit;
use super::console::{Quiet, Target, tell};
use super::draft::check;
use super::inputs::{Inputs, Queue};
use super::line::{Line, Stretch};
use super::ports::{map_in_use, port_map, remark_on_map};
use super::progress::Progress;
use super::telling::{Page, Telling};
use crate::audit::Flows;
use crate::case::Case;
use crate::cli::{self, AuditArgs, FileArgs};
use crate::error::{Error, Output, Precious};
use crate::pipeline::{Options, run_all};
use crate::portmap::PortMap;
use crate::report::{By, count};
#[cfg(feature = "live")]
use crate::source::BpfFilter;
use crate::source::CaptureNotes;
use crate::time::Timestamp;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn audit_files(
    FileArgs { captures, max_depth, filter, problem, by, audit: args }: &FileArgs,
) -> Result<Exit, Error> {
    let map = Arc::new(port_map(args.port_map.as_deref())?);
    let quiet = Quiet::of(args.quiet);
    remark_on_map(&map, args.port_map.as_deref(), quiet);
    check_filter(filter.as_deref())?;
    let inputs = Inputs::named(captures, max_depth.map(usize::from), quiet);
    let by = by.map(|by| match by {
        cli::By::Client => By::Client,
        cli::By::Server => By::Server,
        cli::By::Service => By::Service,
    });
    let mut options = options(args);
    if by.is_some_and(By::needs_flows) {
        options.flows = Flows::First(args.max_flows as usize);
    }
    let mut progress = Progress::new(&inputs.files, quiet);
    let mut queue = inputs.in_time_order(quiet);
    let left_out = std::mem::take(&mut queue.left_out);
    if let Some(output) = &args.output {
        let inputs = queue.precious.iter().map(|path| (path.as_path(), Precious::Input));
        check(output, Output::Report, inputs.chain(map_in_use(args.port_map.as_deref())))?;
    }
    if args.verbose && !queue.waiting.is_empty() {
        let [captures, workers] = [(queue.waiting.len(), "capture"), (options.workers, "worker thread")]
            .map(|(number, what)| count(number as u64, what));
        tell(&format!("reading {captures} with {workers}"));
    }
    let filter = filter.as_deref().map(Arc::from);
    queue.waiting = queue.waiting.into_iter().map(|waiting| waiting.filtered(filter.as_ref())).collect();
    let audited = audit(queue, map, options, &mut |bytes, packets| progress.show(bytes, packets));
    progress.done();
    for error in &audited.failed {
        tell(&error.to_string());
    }
    left_out.tell(quiet);
    if audited.read == 0 {
        return Ok(Exit::Unreadable);
    }
    let page = match (problem, by) {
        (Some(asked), _) => Page::Problem(asked),
        (None, Some(by)) => Page::Table(by),
        (None, None) => Page::Report,
    };
    let telling = Telling { page, ..Telling::of(args, args.output.as_deref().map_or(Target::Standard, Target::File)) };
    let exit = telling.conclude(&audited.case)?;
    Ok(if audited.failed.is_empty() { exit } else { Exit::Unreadable })
}

/// As many workers as were asked for, or one for every core but the one that reads; flows are kept where they are told.
pub(super) fn options(args: &AuditArgs) -> Options {
    let listed = args.flows || args.format.lists_flows();
    let flows = if listed { Flows::First(args.max_flows as usize) } else { Flows::Counted };
    Options { workers: workers(args.workers), flows, ..Options::default() }
}

/// How many workers: as many as were asked for, or one for every core but the one that reads.
pub(super) fn workers(asked: Option<u16>) -> usize {
    let spare = std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
    asked.map_or(spare, usize::from)
}

/// Finds out before a long audit that a filter is none.
#[cfg(feature = "live")]
pub(super) fn check_filter(filter: Option<&str>) -> Result<(), Error> {
    filter.map_or(Ok(()), |program| BpfFilter::check(program).map_err(Error::Live))
}

#[cfg(not(feature = "live"))]
pub(super) fn check_filter(filter: Option<&str>) -> Result<(), Error> {
    filter.map_or(Ok(()), |_| Err(Error::NoFilters))
}

/// What an audit of files brought home.
pub(super) struct Audited {
    pub case: Case,
    /// How many captures could be read.
    pub read: usize,
    pub failed: Vec<Error>,
}

/// Audits captures on one line of time. A capture that begins where another ended goes on with its flows, as the files of a ring
/// buffer do; captures whose time overlaps are merged.
pub(super) fn audit(queue: Queue, map: Arc<PortMap>, options: Options, progress: &mut dyn FnMut(u64, u64)) -> Audited {
    let Queue { waiting, failed, .. } = queue;
    let now = Some(Timestamp::of_this_computer());
    let case = Case { max_flows: options.flows.limit(), now, ..Case::new(Arc::clone(&map)) };
    let mut audited = Audited { case, read: 0, failed };
    // A capture keeps its number, which its packets carry, whatever becomes of it.
    let mut notes: BTreeMap<u32, CaptureNotes> =
        waiting.iter().map(|waiting| (waiting.capture(), waiting.lost())).collect();
    let line = RefCell::new(Line::new(waiting));
    loop {
        let next = |_| Ok(Stretch::next(&line));
        let (harvest, _) = run_all(&map, options, next, |stretch| {
            let (bytes, packets) = stretch.read();
            progress(bytes, packets);
        });
        audited.case.add(harvest);
        match line.borrow_mut().turn() {
            0 => break,
            apart => audited.case.overlapping = audited.case.overlapping.max(apart),
        }
    }
    let Line { failed, done, .. } = line.into_inner();
    audited.failed.extend(failed.into_iter().map(Error::Read));
    audited.read = done.len();
    notes.extend(done);
    audited.case.captures = notes.into_values().collect();
    audited
}
