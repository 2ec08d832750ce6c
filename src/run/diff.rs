//! `cap-audit diff`: two reports or captures side by side. What each is, its content tells.

use super::Exit;
use super::console::{Paper, Quiet, Target, tell, write_to};
use super::draft::check;
use super::file::{audit, workers};
use super::inputs::{Inputs, Queue, is_standard_input};
use super::patience;
use super::ports::{map_in_use, port_map, remark_on_map};
use super::progress::Progress;
use super::telling::{colored, words};
use crate::audit::Flows;
use crate::cli::{DiffArgs, DiffFormat};
use crate::error::{Error, Output, Precious, ReportFault};
use crate::pipeline::Options;
use crate::portmap::PortMap;
use crate::report::{Captures, Diff, Look, Report, Told, write_diff_json, write_diff_text};
use crate::source::{CaptureFile, STANDARD_INPUT};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Maximum number of flows of a capture whose paths are compared, as many as a report lists.
const FLOWS: usize = 1_000_000;

pub(super) fn compare(args: &DiffArgs) -> Result<Exit, Error> {
    let quiet = Quiet::of(args.quiet);
    let map = Arc::new(port_map(args.port_map.as_deref())?);
    remark_on_map(&map, args.port_map.as_deref(), quiet);
    if let Some(output) = &args.output {
        let inputs = [&args.before, &args.after].map(|path| (path.as_path(), Precious::Input));
        check(output, Output::Report, inputs.into_iter().chain(map_in_use(args.port_map.as_deref())))?;
    }
    let options = Options { workers: workers(args.workers), flows: Flows::First(FLOWS), ..Options::default() };
    let side = |path: &PathBuf| side(path, &map, options, quiet);
    let (before, after) = match (side(&args.before), side(&args.after)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(first), second) => {
            // Whoever names two bad inputs learns of both.
            if let Err(error) = second {
                tell(&error.to_string());
            }
            return Err(first);
        }
        (Ok(_), Err(error)) => return Err(error),
    };
    let in_part = before.in_part || after.in_part;
    let (before, after) = (before.told, after.told);
    let diff = Diff::of(&before, &after);
    remark(&diff, quiet);
    let words = words(true);
    write_to(args.output.as_deref().map_or(Target::Standard, Target::File), |out, paper: Paper| match args.format {
        DiffFormat::Text => {
            let look = Look { width: paper.width(), color: colored(args.color, paper), flows: false, verbose: false };
            write_diff_text(out, &diff, &words, look)
        }
        DiffFormat::Json => write_diff_json(out, &diff, &words),
    })?;
    Ok(if in_part {
        Exit::Unreadable
    } else if diff.captures == Captures::NothingInCommon {
        Exit::NothingJudged
    } else if args.fail_on.fails(diff.worst()) {
        Exit::Found
    } else {
        Exit::Clean
    })
}

/// What has to be known of the two before they are compared.
fn remark(diff: &Diff<'_>, quiet: Quiet) {
    let (before, after) = (&diff.before.name, &diff.after.name);
    match diff.captures {
        Captures::Same => quiet.remark(&format!("{before} and {after} tell of the same capture")),
        Captures::Different => quiet.remark(&format!(
            "{before} and {after} tell of different captures, so numbers may differ for that reason alone"
        )),
        Captures::NothingInCommon => tell(&format!(
            "there is nothing to compare: no server in {before} is in {after} as well; take two captures of the same servers"
        )),
    }
    for told in [diff.before, diff.after].into_iter().filter(|told| told.problems.is_none()) {
        quiet
            .remark(&format!("{} was written by a version that knew no problems, so findings are compared", told.name));
    }
    if diff.before.map != diff.after.map {
        let [before, after] = [&diff.before.map, &diff.after.map].map(|map| format!("{} {}", map.name, map.version));
        quiet.remark(&format!(
            "they were judged by different port maps ({before}, {after}), so findings may differ for that reason alone"
        ));
    }
}

/// One of the two.
struct Side {
    told: Told,
    /// Some of its captures could not be read.
    in_part: bool,
}

/// Reads a report, or audits what was named.
fn side(path: &Path, map: &Arc<PortMap>, options: Options, quiet: Quiet) -> Result<Side, Error> {
    if path.is_dir() {
        return captures(path, Inputs::named(&[path.into()], None, quiet).in_time_order(quiet), map, options, quiet);
    }
    let name = if is_standard_input(path) { STANDARD_INPUT.into() } else { path.display().to_string() };
    let read_once: Option<Box<dyn Read + Send>> = if is_standard_input(path) {
        Some(patience::watched(io::stdin(), name.clone(), quiet))
    } else {
        patience::pipe(path, quiet).transpose().map_err(|error| unreadable(&name, error))?
    };
    let mut input: Box<dyn Read + Send> = match read_once {
        Some(input) => input,
        None => {
            let mut file = match File::open(path) {
                Ok(file) => file,
                Err(error) => return Err(unreadable(&name, error)),
            };
            let (head, report) = begins_as_report(&mut file).map_err(|error| unreadable(&name, error))?;
            if !report {
                let queue = Inputs::named(&[path.into()], None, quiet).in_time_order(quiet);
                return captures(path, queue, map, options, quiet);
            }
            Box::new(Cursor::new(head).chain(file))
        }
    };
    let (head, report) = begins_as_report(&mut input).map_err(|error| unreadable(&name, error))?;
    let input = Cursor::new(head).chain(input);
    if report {
        let told = Told::read(&name, input).map_err(|fault| Error::Report { name, fault })?;
        return Ok(Side { told, in_part: false });
    }
    let file = CaptureFile::from_reader(Box::new(input), &name, 0)?;
    captures(path, Queue::of_opened(path, file), map, options, quiet)
}

fn unreadable(name: &str, error: io::Error) -> Error {
    Error::Report { name: name.into(), fault: ReportFault::Unreadable { error } }
}

/// The first bytes, and whether they begin a JSON object: no capture does. From a pipe no more is waited for than that takes.
fn begins_as_report(input: &mut impl Read) -> io::Result<(Vec<u8>, bool)> {
    /// Blank lines before a report that are put up with.
    const LONGEST: usize = 4_096;
    let mut head = Vec::new();
    let mut byte = [0];
    while head.len() < LONGEST {
        match input.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => head.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if !byte[0].is_ascii_whitespace() {
            return Ok((head, byte[0] == b'{'));
        }
    }
    Ok((head, false))
}

/// Audits captures as `cap-audit file` does.
fn captures(path: &Path, mut queue: Queue, map: &Arc<PortMap>, options: Options, quiet: Quiet) -> Result<Side, Error> {
    let mut progress = Progress::new(&[], quiet);
    let left_out = std::mem::take(&mut queue.left_out);
    let mut audited = audit(queue, Arc::clone(map), options, &mut |bytes, packets| progress.show(bytes, packets));
    progress.done();
    left_out.tell(quiet);
    if audited.read == 0 && !audited.failed.is_empty() {
        let first = audited.failed.remove(0);
        audited.failed.iter().for_each(|error| tell(&error.to_string()));
        return Err(first);
    }
    audited.failed.iter().for_each(|error| tell(&error.to_string()));
    let conclusion = audited.case.conclude();
    let name = if is_standard_input(path) { STANDARD_INPUT.into() } else { path.display().to_string() };
    let told = Told::of(&name, &Report::new(&conclusion), &words(true));
    Ok(Side { told, in_part: !audited.failed.is_empty() })
}
