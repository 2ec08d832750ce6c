//! Which captures an audit reads, and in what order: what was named, what lies in directories that were named, and what
//! each begins with.

use super::console::Quiet;
use crate::error::Error;
use crate::packet::Filling;
use crate::source::{CaptureFile, CaptureNotes, Damage, DamageKind, Foreign, More, ReadError, STANDARD_INPUT, Source};
use crate::time::{Span, Timestamp};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What was named, before any of it is opened.
#[derive(Default)]
pub(super) struct Inputs {
    pub files: Vec<Input>,
    directories: Vec<Directory>,
    failed: Vec<Error>,
}

/// A file that may be a capture.
pub(super) struct Input {
    pub path: PathBuf,
    /// Which directory it was found in, where other files lie as well; none for one that was named itself.
    directory: Option<usize>,
}

struct Directory {
    path: PathBuf,
    files: usize,
    /// Captures in it, those that cannot be opened among them.
    captures: usize,
}

impl Inputs {
    /// Lists the captures that were named, and the files in directories that were named, by name. What is named twice is
    /// read once.
    pub fn named(paths: &[PathBuf], quiet: Quiet) -> Inputs {
        let mut inputs = Inputs::default();
        let mut known = HashMap::new();
        for path in paths {
            if is_standard_input(path) || !path.is_dir() {
                inputs.add(path.clone(), None, &mut known, quiet);
                continue;
            }
            match files_in(path) {
                Ok(files) => {
                    let directory = Some(inputs.directories.len());
                    inputs.directories.push(Directory { path: path.clone(), files: files.len(), captures: 0 });
                    files.into_iter().for_each(|file| inputs.add(file, directory, &mut known, quiet));
                }
                Err(error) => inputs.failed.push(error),
            }
        }
        inputs
    }

    fn add(&mut self, path: PathBuf, directory: Option<usize>, known: &mut HashMap<PathBuf, usize>, quiet: Quiet) {
        let place = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        let Some(&twin) = known.get(&place) else {
            known.insert(place, self.files.len());
            self.files.push(Input { path, directory });
            return;
        };
        match directory {
            Some(directory) => self.directories[directory].captures += 1,
            // Named itself, a file must be a capture wherever it lies.
            None => self.files[twin].directory = None,
        }
        quiet.remark(&format!("{} was named more than once and is read once", path.display()));
    }

    /// Opens each capture, looks at its first packet, and sorts them by its time. A single one needs no order.
    pub fn in_time_order(self, quiet: Quiet) -> Queue {
        let Inputs { files, mut directories, failed } = self;
        let several = files.len() > 1;
        let mut queue = Queue { waiting: Vec::new(), failed, precious: Vec::new() };
        let mut left_out = Vec::new();
        for Input { path, directory } in files {
            let Ok(capture) = u16::try_from(queue.waiting.len()) else {
                queue.failed.push(Error::TooManyCaptures { path });
                break;
            };
            let opened = open(&path, capture);
            if directory.is_none() || !opened.as_ref().is_err_and(is_no_capture) {
                queue.precious.push(path.clone());
            }
            match (opened, directory) {
                (Ok(mut file), _) => {
                    let first = if several { file.peek_first() } else { None };
                    // Many files are not kept open: each would hold a block of memory. A pipe cannot be opened twice.
                    let keep = !several || file.size().is_none();
                    queue.waiting.push(Waiting { path, capture, first, opened: keep.then_some(file) });
                }
                (Err(error), Some(_)) if is_no_capture(&error) => {
                    left_out.push(path.display().to_string());
                    continue;
                }
                // It may hold packets, but a directory of a case holds traces and archives of other kinds as well.
                (Err(error @ ReadError::Foreign { .. }), Some(_)) => {
                    quiet.remark(&format!("{error}; it is left out"));
                    continue;
                }
                (Err(error), _) => queue.failed.push(error.into()),
            }
            if let Some(directory) = directory {
                directories[directory].captures += 1;
            }
        }
        if !left_out.is_empty() {
            quiet.remark(&format!("left out what is not a capture: {}", short_list(&left_out)));
        }
        let empty = directories.into_iter().filter(|directory| directory.captures == 0);
        queue.failed.extend(empty.map(|Directory { path, files, .. }| Error::NoCapture { path, files }));
        queue.waiting.sort_by_key(|waiting| waiting.first);
        queue
    }
}

/// Captures in the order of their first packets.
pub(super) struct Queue {
    pub waiting: Vec<Waiting>,
    /// What could not be opened.
    pub failed: Vec<Error>,
    /// Everything that was named or may hold packets: no report may overwrite it.
    pub precious: Vec<PathBuf>,
}

/// A capture that waits for its turn.
pub(super) struct Waiting {
    path: PathBuf,
    /// Its number in the audit, in the order of the command line.
    capture: u16,
    first: Option<Timestamp>,
    opened: Option<CaptureFile>,
}

impl Waiting {
    pub fn open(self) -> Result<Opened, ReadError> {
        let file = match self.opened {
            Some(file) => file,
            None => open(&self.path, self.capture)?,
        };
        Ok(Opened { file, capture: self.capture, first: self.first, failed: false })
    }

    /// Whether it goes on where the line of time stands. A second of overlap is two clocks of one machine.
    pub fn follows(&self, now: Option<Timestamp>) -> bool {
        match (now, self.first) {
            (Some(now), Some(first)) => now - first <= Span::seconds(1),
            _ => true,
        }
    }

    /// What stands in the report when it could be opened once and then no more. Its place is kept, because packets name
    /// their captures by number.
    pub fn lost(&self) -> CaptureNotes {
        let what = "the file could not be read any more".into();
        let mut notes = CaptureNotes::new(&self.path.display().to_string(), "unknown");
        notes.damage = Some(Damage { position: 0, packet: 0, kind: DamageKind::Unreadable, what, resumed: None });
        notes
    }

    pub fn capture(&self) -> u16 {
        self.capture
    }
}

/// A capture that is being read, or was.
pub(super) struct Opened {
    pub file: CaptureFile,
    pub capture: u16,
    first: Option<Timestamp>,
    /// It broke off before its first packet.
    pub failed: bool,
}

impl Source for Opened {
    fn fill(&mut self, filling: &mut Filling<'_>) -> Result<More, ReadError> {
        let more = self.file.fill(filling);
        self.failed |= more.is_err();
        more
    }

    fn first(&self) -> Option<Timestamp> {
        self.first
    }
}

/// Whether a path stands for standard input.
pub(super) fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn open(path: &Path, capture: u16) -> Result<CaptureFile, ReadError> {
    if is_standard_input(path) {
        return CaptureFile::from_reader(Box::new(io::stdin()), STANDARD_INPUT, capture);
    }
    CaptureFile::open(path, capture)
}

/// Notes, reports and empty files, which nobody misses in an audit of a directory.
fn is_no_capture(error: &ReadError) -> bool {
    matches!(
        error,
        ReadError::Foreign { what: Foreign::Text | Foreign::Unknown, .. }
            | ReadError::Empty { .. }
            | ReadError::TooShort { .. }
    )
}

fn files_in(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let wrong = |error: io::Error| Error::OpenDirectory { path: directory.into(), error };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The first few of a list.
fn short_list(names: &[String]) -> String {
    const SHORT: usize = 5;
    let shown = names.len().min(SHORT);
    let rest = names.len() - shown;
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", names[..shown].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_follows_unless_it_began_before_the_line_of_time() {
        let at = |first: Option<i64>| Waiting {
            path: PathBuf::new(),
            capture: 0,
            first: first.map(|seconds| Timestamp::new(seconds, 0)),
            opened: None,
        };
        let now = Some(Timestamp::new(100, 0));
        assert!(at(Some(100)).follows(now) && at(Some(5_000)).follows(now));
        assert!(at(Some(99)).follows(now), "two clocks of one machine");
        assert!(!at(Some(98)).follows(now));
        assert!(
            at(None).follows(now) && at(Some(1)).follows(None),
            "where a time is unknown nothing speaks against it"
        );
    }

    #[test]
    fn a_long_list_is_cut() {
        let names: Vec<String> = (1..=7).map(|number| number.to_string()).collect();
        assert_eq!(short_list(&names[..2]), "1, 2");
        assert_eq!(short_list(&names), "1, 2, 3, 4, 5 and 2 more");
    }
}
