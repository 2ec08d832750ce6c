//! A file that is written beside the place where it belongs and takes that place when it is complete: a full disk, Ctrl-C or
//! `kill` leaves what stood there before, and never half a file. Also what no output may overwrite.
//!
//! Nothing that may be evidence is ever overwritten: no input, no port map in use, and no file that begins like a capture, an
//! archive or a trace, whoever wrote it.

use super::identity::Identity;
use crate::error::{Error, Output, Precious};
use crate::source::{Foreign, Format};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// An output that is being written. It counts once [`Draft::keep`] was called; dropped before, it leaves nothing.
///
/// A regular file is written without a name in the same folder where the system can do that (Linux, most file systems), so that
/// even `kill -9` leaves nothing; elsewhere under a hidden name. A link stays a link: what it leads to is replaced. Pipes and
/// devices are written directly.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    output: Output,
    file: File,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// A pipe or a device.
    Direct,
    /// A file without a name, and where it belongs.
    Nameless(PathBuf),
    /// A file with a name of its own, and where it belongs.
    Named(Leftover, PathBuf),
}

impl Draft {
    /// Opens a draft for this path. What is at the path stays untouched.
    ///
    /// # Errors
    /// As [`check`], and where no file can be made in the folder.
    pub fn begin(path: &Path, output: Output) -> Result<Draft, Error> {
        check(path, output, [])?;
        let wrong = |error| output.failed(path, error);
        let place = end_of_links(path).map_err(wrong)?;
        let draft = |file, form| Draft { path: path.into(), output, file, form };
        if place.is_special {
            return Ok(draft(OpenOptions::new().append(true).open(path).map_err(wrong)?, Form::Direct));
        }
        let place = place.path;
        let (file, form) = match nameless(folder_of(&place)) {
            Ok(file) => (file, Form::Nameless(place)),
            Err(_) => {
                let (file, name) = named(folder_of(&place)).map_err(wrong)?;
                (file, Form::Named(name, place))
            }
        };
        Ok(draft(file, form))
    }

    /// The file to write to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What was written takes its place.
    ///
    /// # Errors
    /// The disk cannot take it. Then everything is as before.
    pub fn keep(self) -> Result<(), Error> {
        let Draft { path, output, file, form } = self;
        let kept = match form {
            Form::Direct => Ok(()),
            Form::Nameless(place) => settle(&file, &place).and_then(|()| take_name(&file, &place)),
            Form::Named(name, place) => settle(&file, &place).and_then(|()| name.takes(&place)),
        };
        kept.map_err(|error| output.failed(&path, error))
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Finds out early whether an output may be written there: nothing is opened for writing. `inputs` are files in use that do
/// not begin like a capture, each with what it is.
///
/// # Errors
/// The path is a directory, its folder is missing, the file there may not be written to, or it is precious.
pub(super) fn check<'a>(
    path: &Path,
    output: Output,
    inputs: impl IntoIterator<Item = (&'a Path, Precious)>,
) -> Result<(), Error> {
    let wrong = |error| output.failed(path, error);
    let place = end_of_links(path).map_err(wrong)?;
    let folder = folder_of(&place.path);
    if !folder.is_dir() {
        return Err(Error::NoFolder { path: path.into(), folder: folder.into(), output });
    }
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    if metadata.is_dir() {
        return Err(wrong(io::ErrorKind::IsADirectory.into()));
    }
    let identity = Identity::known(path, &metadata);
    let named = inputs.into_iter().find(|(input, _)| Identity::of(input) == identity).map(|(_, what)| what);
    if let Some(what) = named.or_else(|| (metadata.is_file() && is_capture(path)).then_some(Precious::Capture)) {
        return Err(Error::Precious { path: path.into(), what, output });
    }
    // Renaming would replace a file that its owner has protected.
    if metadata.is_file() && metadata.permissions().readonly() {
        return Err(wrong(io::ErrorKind::PermissionDenied.into()));
    }
    Ok(())
}

/// Whether a file begins like a capture, or like what holds captures: archives, traces, compressed files.
fn is_capture(path: &Path) -> bool {
    let mut head = Vec::with_capacity(Format::HEAD);
    let read = File::open(path).and_then(|file| file.take(Format::HEAD as u64).read_to_end(&mut head));
    // The name says nothing here: what it holds counts.
    read.is_ok() && !matches!(Format::tell(&head, ""), Format::Foreign(Foreign::Text | Foreign::Unknown))
}

/// Where a path leads.
struct Place {
    path: PathBuf,
    /// A pipe, a device, or a file that is open already, as `/dev/stdout` may be.
    is_special: bool,
}

/// Follows links to what is there, or will be.
fn end_of_links(path: &Path) -> io::Result<Place> {
    const LINKS: usize = 40;
    let is_special = |path: &Path| fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let mut place = path.to_path_buf();
    for _ in 0..LINKS {
        if place.starts_with("/proc") || place.starts_with("/dev/fd") {
            return Ok(Place { path: place, is_special: true });
        }
        match fs::read_link(&place) {
            Ok(next) => place = folder_of(&place).join(next),
            Err(_) => return Ok(Place { is_special: is_special(&place), path: place }),
        }
    }
    Err(io::Error::other("it is a link that leads in a circle"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Everything is on the disk before the old file goes: some file systems say only now that there is no room. The new file
/// has the permissions of the old one.
fn settle(file: &File, place: &Path) -> io::Result<()> {
    if let Ok(old) = fs::metadata(place) {
        file.set_permissions(old.permissions())?;
    }
    file.sync_all()
}

#[cfg(target_os = "linux")]
fn nameless(folder: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).custom_flags(OFlags::TMPFILE.bits() as i32).open(folder)
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Gives a file its name. Where there is one of that name it takes another for a moment, for only a rename replaces.
#[cfg(target_os = "linux")]
fn take_name(file: &File, place: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    use std::os::fd::AsRawFd;
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |name: &Path| linkat(CWD, open.as_str(), CWD, name, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from);
    match link(place) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    let ((), name) = hidden(folder_of(place), link)?;
    name.takes(place)
}

#[cfg(not(target_os = "linux"))]
fn take_name(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn named(folder: &Path) -> io::Result<(File, Leftover)> {
    hidden(folder, |name| OpenOptions::new().write(true).create_new(true).open(name))
}

/// Makes something under a hidden name that nothing else has.
fn hidden<T>(folder: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(T, Leftover)> {
    const NAMES: u32 = 1_000;
    let process = std::process::id();
    for number in 0..NAMES {
        let name = folder.join(format!(".cap-audit-{process}-{number}.part"));
        match make(&name) {
            Ok(made) => return Ok((made, Leftover(Some(name)))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A name that goes away unless it takes its place.
#[derive(Debug)]
struct Leftover(Option<PathBuf>);

impl Leftover {
    fn takes(mut self, place: &Path) -> io::Result<()> {
        if let Some(name) = &self.0 {
            fs::rename(name, place)?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        if let Some(name) = &self.0 {
            let _ = fs::remove_file(name);
        }
    }
}
