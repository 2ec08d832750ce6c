//! Why a ledger could not be written or read. `Display` is one sentence that is complete; `source()` is the cause as a
//! value.

use std::{error, fmt, io};

/// Why a ledger could not be written.
#[derive(Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// The output takes no more.
    Output(io::Error),
    /// The ledger names a packet of a capture whose name was not given.
    UnnamedCapture {
        /// The number of the capture.
        number: u32,
    },
    /// Two captures have one name, so that a reader could not tell them apart.
    SameName {
        /// The name.
        name: String,
    },
    /// The name of a capture is longer than a reader accepts.
    LongName {
        /// The name.
        name: String,
    },
    /// A line would be longer than a reader accepts, because names of rules or services are very long.
    LongLine,
    /// The ledger was made with another map: this one lacks a service or a port of it.
    OtherMap,
    /// Something ends before it begins, which no audit enters.
    Backwards,
}

/// Why a ledger could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The input cannot be read.
    Input(io::Error),
    /// The first line is not that of a ledger.
    NotALedger,
    /// A ledger in another form, or in another version of it.
    Schema {
        /// The schema that it names.
        found: String,
    },
    /// The ledger was made with another port map, or with another version of it.
    OtherMap {
        /// Name and version of the map that it was made with.
        written: (String, String),
        /// Name and version of the map that it is read with.
        reading: (String, String),
    },
    /// The last lines are missing.
    Truncated {
        /// Whole lines that are there.
        lines: u64,
    },
    /// A line is wrong.
    Line {
        /// Which one, counted from 1.
        line: u64,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with a line of a written ledger.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// It is longer than any that is written.
    TooLong,
    /// It is not JSON, or not in the form of a ledger.
    Form(serde_json::Error),
    /// The port map has no service of this name.
    NoService {
        /// The name.
        name: String,
    },
    /// The port map says nothing of this port, or groups it with other ports.
    NoPlace {
        /// Transport and port.
        place: String,
    },
    /// The port map says something else of this port than the one that the ledger was made with.
    PlaceDiffers {
        /// Transport and port.
        place: String,
        /// What differs: a field of the line.
        what: &'static str,
    },
    /// A port is used that no line before describes.
    UndescribedPlace {
        /// Transport and port.
        place: String,
    },
    /// A capture is used that no line before names.
    UnnamedCapture {
        /// The name.
        name: String,
    },
    /// More captures than one audit takes.
    TooManyCaptures,
    /// The name of a capture is too long.
    LongName,
    /// Something stands there for the second time.
    Twice {
        /// What.
        what: &'static str,
    },
    /// More than a ledger holds.
    TooMany {
        /// Of what.
        what: &'static str,
        /// The maximum number.
        limit: usize,
    },
    /// The counts add up to more than a ledger may hold.
    Overflow,
    /// Something that cannot be.
    Contradiction {
        /// What.
        what: &'static str,
    },
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Output(error) => write!(f, "cannot write the ledger: {error}"),
            WriteError::UnnamedCapture { number } => {
                write!(f, "cannot write the ledger: its capture {number} has no name")
            }
            WriteError::SameName { name } => {
                write!(f, "cannot write the ledger: two of its captures are called {name}; give them different names")
            }
            WriteError::LongName { name } => {
                write!(f, "cannot write the ledger: the name of a capture is too long: {name}")
            }
            WriteError::LongLine => write!(f, "cannot write the ledger: names in the port map are too long"),
            WriteError::OtherMap => write!(f, "cannot write the ledger: it was made with another port map"),
            WriteError::Backwards => write!(f, "cannot write the ledger: something in it ends before it begins"),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Input(error) => write!(f, "cannot read the ledger: {error}"),
            ReadError::NotALedger => write!(f, "cannot read the ledger: it does not begin as one"),
            ReadError::Schema { found } => {
                write!(f, "cannot read the ledger: its form is '{found}', and only '{}' is read here", super::SCHEMA)
            }
            ReadError::OtherMap { written, reading } => write!(
                f,
                "cannot read the ledger: it was made with version {} of the port map {}, and this is version {} of {}; \
                 read it with the map that it was made with",
                written.1, written.0, reading.1, reading.0
            ),
            ReadError::Truncated { lines } => {
                write!(f, "cannot read the ledger: it breaks off after {lines} lines; copy it again")
            }
            ReadError::Line { line, fault } => write!(f, "cannot read the ledger: line {line}: {fault}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::TooLong => write!(f, "it is longer than {} bytes", super::LINE_LIMIT),
            Fault::Form(error) => error.fmt(f),
            Fault::NoService { name } => write!(f, "the port map has no service '{name}'"),
            Fault::NoPlace { place } => write!(f, "the port map groups no ports that begin at {place}"),
            Fault::PlaceDiffers { place, what } => {
                write!(f, "the port map says something else of {place} than when the ledger was made: '{what}' differs")
            }
            Fault::UndescribedPlace { place } => write!(f, "no line before describes {place}"),
            Fault::UnnamedCapture { name } => write!(f, "no line before names the capture '{name}'"),
            Fault::TooManyCaptures => write!(f, "there are more captures than one audit takes"),
            Fault::LongName => write!(f, "the name of a capture is longer than {} bytes", super::NAME_LIMIT),
            Fault::Twice { what } => write!(f, "{what} stands there for the second time"),
            Fault::TooMany { what, limit } => write!(f, "there are more than {limit} {what}"),
            Fault::Overflow => write!(f, "its counts add up to more than a ledger may hold"),
            Fault::Contradiction { what } => f.write_str(what),
        }
    }
}

impl error::Error for WriteError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            WriteError::Output(error) => Some(error),
            WriteError::UnnamedCapture { .. }
            | WriteError::SameName { .. }
            | WriteError::LongName { .. }
            | WriteError::LongLine
            | WriteError::OtherMap
            | WriteError::Backwards => None,
        }
    }
}

impl error::Error for ReadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            ReadError::Input(error) => Some(error),
            ReadError::Line { fault, .. } => Some(fault),
            ReadError::NotALedger
            | ReadError::Schema { .. }
            | ReadError::OtherMap { .. }
            | ReadError::Truncated { .. } => None,
        }
    }
}

impl error::Error for Fault {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Fault::Form(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> WriteError {
        WriteError::Output(error)
    }
}
