//! `cap-audit file`: opens captures, audits them in the order of their time, and reports.

use super::Exit;
use super::console::{Quiet, Target, tell};
use super::draft::check;
use super::inputs::{Inputs, Opened, Queue, Waiting};
use super::ports::{map_in_use, port_map, remark_on_map};
use super::progress::Progress;
use super::telling::Telling;
use crate::audit::Flows;
use crate::case::Case;
use crate::cli::{AuditArgs, FileArgs};
use crate::error::{Error, Output, Precious};
use crate::pipeline::{Options, run_all};
use crate::portmap::PortMap;
use crate::report::count;
use crate::source::CaptureNotes;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn audit_files(FileArgs { captures, audit: args }: &FileArgs) -> Result<Exit, Error> {
    let map = Arc::new(port_map(args.port_map.as_deref())?);
    let quiet = Quiet::of(args.quiet);
    remark_on_map(&map, args.port_map.as_deref(), quiet);
    let inputs = Inputs::named(captures, quiet);
    let options = options(args);
    let mut progress = Progress::new(&inputs.files, quiet);
    let queue = inputs.in_time_order(quiet);
    if let Some(output) = &args.output {
        let inputs = queue.precious.iter().map(|path| (path.as_path(), Precious::Input));
        check(output, Output::Report, inputs.chain(map_in_use(args.port_map.as_deref())))?;
    }
    if args.verbose {
        let [captures, workers] = [(queue.waiting.len(), "capture"), (options.workers, "worker thread")]
            .map(|(number, what)| count(number as u64, what));
        tell(&format!("reading {captures} with {workers}"));
    }
    let audited = audit(queue, map, options, &mut |opened| progress.show(opened));
    progress.done();
    for error in &audited.failed {
        tell(&error.to_string());
    }
    if audited.read == 0 {
        return Ok(Exit::Unreadable);
    }
    let telling = Telling::of(args, args.output.as_deref().map_or(Target::Standard, Target::File));
    let exit = telling.conclude(&audited.case)?;
    Ok(if audited.failed.is_empty() { exit } else { Exit::Unreadable })
}

/// As many workers as were asked for, or one for every core but the one that reads; flows are kept where they are told.
pub(super) fn options(args: &AuditArgs) -> Options {
    let spare = std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
    let listed = args.flows || args.format.lists_flows();
    Options {
        workers: args.workers.map_or(spare, usize::from),
        flows: if listed { Flows::Kept } else { Flows::Counted },
        ..Options::default()
    }
}

/// What an audit of files brought home.
struct Audited {
    case: Case,
    /// How many captures could be read.
    read: usize,
    failed: Vec<Error>,
}

/// Audits captures in the order of their first packets. A capture that begins where another ended goes on with its flows,
/// as the files of a ring buffer do; one that overlaps is seen for itself.
fn audit(queue: Queue, map: Arc<PortMap>, options: Options, progress: &mut dyn FnMut(&Opened)) -> Audited {
    let Queue { waiting, failed, .. } = queue;
    let mut audited = Audited { case: Case::new(Arc::clone(&map)), read: 0, failed };
    // A capture keeps its number, which its packets carry, whatever becomes of it.
    let mut notes: BTreeMap<u16, CaptureNotes> =
        waiting.iter().map(|waiting| (waiting.capture(), waiting.lost())).collect();
    let mut waiting = waiting.into_iter().peekable();
    while waiting.peek().is_some() {
        let (mut harvest, opened) = run_all(
            &map,
            options,
            |now| waiting.next_if(|next| next.follows(now)).map(Waiting::open).transpose(),
            |opened| progress(opened),
        );
        audited.failed.extend(harvest.failed.drain(..).map(Error::Read));
        audited.case.add(harvest);
        audited.case.overlapping += usize::from(waiting.peek().is_some());
        for opened in opened.iter().filter(|opened| !opened.failed) {
            audited.read += 1;
            notes.insert(opened.capture, opened.file.notes().clone());
        }
    }
    audited.case.captures = notes.into_values().collect();
    audited
}
