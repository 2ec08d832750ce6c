//! What stops a command. `Display` is one sentence for the person at the terminal.

use crate::portmap::MapError;
use crate::source::ReadError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a command could not do its work.
#[derive(Debug)]
pub enum Error {
    /// An input could not be read at all.
    Read(ReadError),
    /// A directory could not be listed, or there is no capture in it.
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// More captures than one audit takes.
    TooManyCaptures {
        /// How many were named.
        count: usize,
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
            Error::Read(error) => error.fmt(f),
            Error::Directory { path, what } => write!(f, "cannot read the directory {}: {what}", path.display()),
            Error::TooManyCaptures { count } => {
                write!(f, "cannot audit {count} captures at once: at most {} are taken; name fewer", u16::MAX)
            }
            Error::OpenPortMap { path, error } => {
                write!(f, "cannot open the port map {}: {error}; check the path given with --port-map", path.display())
            }
            Error::PortMap { path, error } => write!(f, "cannot use {}: {error}", path.display()),
            Error::Write { target, error } => write!(f, "cannot write the report to {target}: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Error {
        Error::Read(error)
    }
}
