//! Which captures an audit reads, and in what order: what was named, what lies in directories that were named, and what
//! each begins with. The only file that names `walkdir`.

use super::console::Quiet;
use super::identity::Identity;
use super::patience;
use crate::error::Error;
use crate::flow::CAPTURE_LIMIT;
use crate::source::{CaptureFile, CaptureNotes, Damage, DamageKind, Foreign, ReadError, STANDARD_INPUT};
use crate::time::Timestamp;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use walkdir::{DirEntry, WalkDir};

/// What was named, before any of it is opened.
#[derive(Default)]
pub(super) struct Inputs {
    pub files: Vec<Input>,
    directories: Vec<Directory>,
    failed: Vec<Error>,
    /// Which of the files were named more than once.
    again: BTreeSet<usize>,
    known: HashMap<Identity, usize>,
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
    /// Lists the captures that were named, and the files in directories that were named and in those below, down to this depth,
    /// by name. Hidden ones are passed over. A file that is reached by several names is read once.
    pub fn named(paths: &[PathBuf], max_depth: Option<usize>, quiet: Quiet) -> Inputs {
        let mut inputs = Inputs::default();
        for path in paths {
            if is_standard_input(path) || !path.is_dir() {
                inputs.add(path.clone(), None);
            } else {
                inputs.walk(path, max_depth);
            }
        }
        if !inputs.again.is_empty() {
            let again = inputs.again.iter().map(|&file| &inputs.files[file].path);
            let names: Vec<String> = again.map(|path| path.display().to_string()).collect();
            let verb =
                if names.len() == 1 { "was named more than once and is" } else { "were named more than once and are" };
            quiet.remark(&format!("{} {verb} read once", short_list(&names)));
        }
        inputs
    }

    /// Adds the files of a directory. A directory that several links lead to is walked once, so that there is no circle.
    fn walk(&mut self, path: &Path, max_depth: Option<usize>) {
        let number = self.directories.len();
        self.directories.push(Directory { path: path.into(), files: 0, captures: 0 });
        let mut walked = HashSet::new();
        let mut wanted = |entry: &DirEntry| {
            let own = entry.depth() == 0;
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            (own || !hidden) && (!entry.file_type().is_dir() || walked.insert(Identity::of(entry.path())))
        };
        let walk = WalkDir::new(path).follow_links(true).max_depth(max_depth.unwrap_or(usize::MAX)).sort_by_file_name();
        for entry in walk.into_iter().filter_entry(&mut wanted) {
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    self.directories[number].files += 1;
                    self.add(entry.into_path(), Some(number));
                }
                Ok(_) => {}
                Err(error) => self.failed.extend(could_not_list(path, error)),
            }
        }
    }

    fn add(&mut self, path: PathBuf, directory: Option<usize>) {
        let identity = if is_standard_input(&path) { Identity::Path(path.clone()) } else { Identity::of(&path) };
        let Some(&twin) = self.known.get(&identity) else {
            self.known.insert(identity, self.files.len());
            self.files.push(Input { path, directory });
            return;
        };
        match directory {
            Some(directory) => self.directories[directory].captures += 1,
            // Named itself, a file must be a capture wherever it lies.
            None => self.files[twin].directory = None,
        }
        self.again.insert(twin);
    }

    /// Opens each capture, looks at its first packet, and sorts them by its time. A single one needs no order.
    pub fn in_time_order(self, quiet: Quiet) -> Queue {
        let Inputs { files, mut directories, failed, .. } = self;
        let several = files.len() > 1;
        let mut queue = Queue { waiting: Vec::new(), failed, precious: Vec::new(), left_out: LeftOut::default() };
        for Input { path, directory } in files {
            let capture = queue.waiting.len() as u32;
            if capture == CAPTURE_LIMIT {
                queue.failed.push(Error::TooManyCaptures { path });
                break;
            }
            let opened = open(&path, capture, quiet);
            if directory.is_none() || !opened.as_ref().is_err_and(is_no_capture) {
                queue.precious.push(path.clone());
            }
            match (opened, directory) {
                (Ok(mut file), _) => {
                    let first = if several { file.peek_first() } else { None };
                    let size = file.size();
                    // Many files are not kept open: each would hold a block of memory. A pipe cannot be opened twice.
                    let keep = !several || size.is_none();
                    queue.waiting.push(Waiting {
                        path,
                        capture,
                        first,
                        size,
                        opened: keep.then_some(file),
                        filter: None,
                    });
                }
                (Err(error), Some(_)) if is_left_out(&error) => {
                    queue.left_out.add(&path, error);
                    continue;
                }
                (Err(error), _) => queue.failed.push(in_words(error, &path)),
            }
            if let Some(directory) = directory {
                directories[directory].captures += 1;
            }
        }
        let empty = directories.into_iter().filter(|directory| directory.captures == 0);
        queue.failed.extend(empty.map(|Directory { path, files, .. }| Error::NoCapture { path, files }));
        queue.waiting.sort_by(|one, other| (one.first, &one.path).cmp(&(other.first, &other.path)));
        queue
    }
}

impl Queue {
    /// A single capture that was opened before, because it was looked at to find out what it is.
    pub fn of_opened(path: &Path, file: CaptureFile) -> Queue {
        let waiting =
            Waiting { path: path.into(), capture: 0, first: None, size: None, opened: Some(file), filter: None };
        Queue { waiting: vec![waiting], failed: Vec::new(), precious: Vec::new(), left_out: LeftOut::default() }
    }
}

/// Captures in the order of their first packets, then of their paths: never in that of the command line.
pub(super) struct Queue {
    pub waiting: Vec<Waiting>,
    /// What could not be opened.
    pub failed: Vec<Error>,
    /// Everything that was named or may hold packets: no report may overwrite it.
    pub precious: Vec<PathBuf>,
    /// Files of directories that are no captures.
    pub left_out: LeftOut,
}

/// Files of directories that are no captures that are read here.
#[derive(Default)]
pub(super) struct LeftOut {
    /// Notes, reports and empty files, which nobody misses.
    plain: Vec<String>,
    /// What may hold packets, by what it is: the first one with what to do about it, and how many more.
    foreign: Vec<(Foreign, String, usize)>,
}

impl LeftOut {
    fn add(&mut self, path: &Path, error: ReadError) {
        let ReadError::Foreign { what, .. } = &error else {
            self.plain.push(path.display().to_string());
            return;
        };
        match (what, self.foreign.iter_mut().find(|(kind, ..)| kind == what)) {
            (Foreign::Text | Foreign::Unknown, _) => self.plain.push(path.display().to_string()),
            (_, Some((.., more))) => *more += 1,
            (what, None) => self.foreign.push((*what, error.to_string(), 0)),
        }
    }

    /// Says so, in a line for what nobody misses and one for each kind of what may hold packets.
    pub fn tell(&self, quiet: Quiet) {
        for (_, error, more) in &self.foreign {
            let more = match more {
                0 => "it is left out".to_string(),
                1 => "it and one more like it are left out".to_string(),
                more => format!("it and {more} more like it are left out"),
            };
            quiet.remark(&format!("{error}; {more}"));
        }
        if !self.plain.is_empty() {
            quiet.remark(&format!("left out what is not a capture: {}", short_list(&self.plain)));
        }
    }
}

/// A capture that waits for its turn.
pub(super) struct Waiting {
    path: PathBuf,
    /// Its number in the audit, in the order of the command line.
    capture: u32,
    first: Option<Timestamp>,
    size: Option<u64>,
    opened: Option<CaptureFile>,
    /// What its packets must pass.
    #[cfg_attr(not(feature = "live"), expect(dead_code, reason = "nothing filters then"))]
    filter: Option<Arc<str>>,
}

impl Waiting {
    /// Opens it, where it is not open yet.
    #[cfg_attr(not(feature = "live"), allow(unused_mut, reason = "there is no filter then"))]
    pub fn open(self) -> Result<CaptureFile, ReadError> {
        let mut file = match self.opened {
            Some(file) => file,
            None => CaptureFile::open(&self.path, self.capture)?,
        };
        #[cfg(feature = "live")]
        if let Some(program) = &self.filter {
            file.filter_by(program);
        }
        Ok(file)
    }

    /// Lets only those packets through that pass a capture filter.
    pub fn filtered(self, filter: Option<&Arc<str>>) -> Waiting {
        Waiting { filter: filter.cloned(), ..self }
    }

    /// What stands in the report when it could be opened once and then no more. Its place is kept, because packets name
    /// their captures by number.
    pub fn lost(&self) -> CaptureNotes {
        let what = "the file could not be read any more".into();
        let mut notes = CaptureNotes::new(&self.path.display().to_string(), "unknown");
        notes.damage = Some(Damage { position: 0, packet: 0, kind: DamageKind::Unreadable, what, resumed: None });
        notes
    }

    pub fn capture(&self) -> u32 {
        self.capture
    }

    /// The time of its first packet, where it was looked for and found.
    pub fn first(&self) -> Option<Timestamp> {
        self.first
    }

    /// Its length in bytes; none for a pipe.
    pub fn size(&self) -> Option<u64> {
        self.size
    }
}

/// Whether a path stands for standard input.
pub(super) fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn open(path: &Path, capture: u32, quiet: Quiet) -> Result<CaptureFile, ReadError> {
    if is_standard_input(path) {
        let input = patience::watched(io::stdin(), STANDARD_INPUT.into(), quiet);
        return CaptureFile::from_reader(Box::new(input), STANDARD_INPUT, capture);
    }
    let name = path.display().to_string();
    match patience::pipe(path, quiet) {
        Some(Ok(input)) => CaptureFile::from_reader(Box::new(input), &name, capture),
        Some(Err(error)) => Err(ReadError::Open { name, error }),
        None => CaptureFile::open(path, capture),
    }
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

/// The same, and what may hold packets: a directory of a case holds traces and archives of other kinds as well.
fn is_left_out(error: &ReadError) -> bool {
    is_no_capture(error) || matches!(error, ReadError::Foreign { .. })
}

/// What is not there and looks like a pattern is one that nobody has expanded.
fn in_words(error: ReadError, path: &Path) -> Error {
    match &error {
        ReadError::Open { error: cause, .. }
            if cause.kind() == io::ErrorKind::NotFound && path.to_string_lossy().contains(['*', '?', '[']) =>
        {
            Error::Pattern { path: path.into() }
        }
        _ => error.into(),
    }
}

/// A link that leads in a circle hides nothing: what it leads to is walked.
fn could_not_list(root: &Path, error: walkdir::Error) -> Option<Error> {
    if error.loop_ancestor().is_some() {
        return None;
    }
    let path = error.path().unwrap_or(root).to_path_buf();
    let is_link = path.is_symlink();
    let error = error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
    // A link that leads nowhere is no file.
    if is_link && error.kind() == io::ErrorKind::NotFound {
        return None;
    }
    Some(Error::OpenDirectory { path, error })
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
    fn a_long_list_is_cut() {
        let names: Vec<String> = (1..=7).map(|number| number.to_string()).collect();
        assert_eq!(short_list(&names[..2]), "1, 2");
        assert_eq!(short_list(&names), "1, 2, 3, 4, 5 and 2 more");
    }
}
