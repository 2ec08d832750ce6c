//! What stops a command. `Display` is one sentence for the person at the terminal.

use crate::portmap::MapError;
#[cfg(feature = "live")]
use crate::sandbox::SandboxError;
#[cfg(feature = "live")]
use crate::source::LiveError;
use crate::source::ReadError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a command could not do its work.
#[derive(Debug)]
pub enum Error {
    /// An interface could not be watched.
    #[cfg(feature = "live")]
    Live(LiveError),
    /// The process could not be confined.
    #[cfg(feature = "live")]
    Sandbox(SandboxError),
    /// The keys that end the program cannot be watched for.
    Signals(io::Error),
    /// An input could not be read at all.
    Read(ReadError),
    /// A directory could not be listed.
    OpenDirectory {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no capture in a directory.
    NoCapture {
        /// The directory.
        path: PathBuf,
        /// How many files there are in it, those in directories below it not counted.
        files: usize,
    },
    /// More captures than one audit takes.
    TooManyCaptures {
        /// The first one too many.
        path: PathBuf,
    },
    /// A port map could not be opened.
    OpenPortMap {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A port map is wrong.
    PortMap {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line.
        error: MapError,
    },
    /// The report would overwrite a capture.
    OutputIsInput {
        /// The file.
        path: PathBuf,
    },
    /// A mix could not be written as a capture.
    WriteCapture {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The report could not be written.
    Write {
        /// Where to.
        target: String,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "live")]
            Error::Live(error) => error.fmt(f),
            #[cfg(feature = "live")]
            Error::Sandbox(error) => write!(f, "{error}"),
            Error::Signals(error) => write!(f, "cannot watch for Ctrl-C: {error}"),
            Error::Read(error) => error.fmt(f),
            Error::OpenDirectory { path, error } => {
                write!(
                    f,
                    "cannot list the directory {}: {}",
                    path.display(),
                    advice(error, "name one that you may read")
                )
            }
            Error::NoCapture { path, files } => {
                let found = match files {
                    0 => "there is no file in it".to_string(),
                    1 => "the only file in it is no capture that is read here".to_string(),
                    _ => format!("none of its {files} files is a capture that is read here"),
                };
                write!(f, "cannot audit the directory {}: {found}; name one with pcap or pcapng files", path.display())
            }
            Error::TooManyCaptures { path } => write!(
                f,
                "cannot audit {} and what comes behind it: at most {} captures are taken at once; name fewer",
                path.display(),
                u16::MAX
            ),
            Error::OpenPortMap { path, error } => write!(
                f,
                "cannot read the port map {}: {}",
                path.display(),
                advice(error, "check the path given with --port-map")
            ),
            Error::PortMap { path, error } => write!(
                f,
                "cannot use the port map {}: line {}: {}; correct that line",
                path.display(),
                error.line,
                error.what
            ),
            Error::OutputIsInput { path } => write!(
                f,
                "cannot write the report to {}: it is one of the captures; name another file with -o",
                path.display()
            ),
            Error::WriteCapture { path, error } => {
                write!(
                    f,
                    "cannot write the capture {}: {}",
                    path.display(),
                    advice(error, "name another file with --write")
                )
            }
            Error::Write { target, error } => {
                write!(f, "cannot write the report to {target}: {}", advice(error, "name another file with -o"))
            }
        }
    }
}

/// Why something failed, in plain words where there are any, and what to do about it.
fn advice(error: &io::Error, otherwise: &str) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no such file or directory; {otherwise}"),
        io::ErrorKind::PermissionDenied => format!("permission denied; {otherwise}"),
        io::ErrorKind::IsADirectory => format!("it is a directory; {otherwise}"),
        io::ErrorKind::InvalidData => format!("it is not a text file; {otherwise}"),
        io::ErrorKind::StorageFull => "the disk is full; make room or write to another disk with -o".to_string(),
        _ => format!("{error}; {otherwise}"),
    }
}

impl std::error::Error for Error {}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Error {
        Error::Read(error)
    }
}

#[cfg(feature = "live")]
impl From<LiveError> for Error {
    fn from(error: LiveError) -> Error {
        Error::Live(error)
    }
}
