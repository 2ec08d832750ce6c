//! What stops the reading of a capture before its first packet. What happens later is damage and stands in the notes.

use super::format::Foreign;
use std::borrow::Cow;
use std::{error, fmt, io};

/// Why nothing of an input can be read. `Display` is a sentence for the person at the terminal.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// It cannot be opened.
    Open {
        /// The input.
        name: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// It is a directory.
    Directory {
        /// The input.
        name: String,
    },
    /// It was opened, but not a packet could be read.
    Read {
        /// The input.
        name: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// It has no bytes.
    Empty {
        /// The input.
        name: String,
    },
    /// It is shorter than the header of a capture.
    TooShort {
        /// The input.
        name: String,
        /// Its length in bytes.
        length: usize,
    },
    /// It is something else than a capture that can be read here.
    Foreign {
        /// The input.
        name: String,
        /// What it is.
        what: Foreign,
    },
    /// It is a capture of a version that nobody has described.
    Version {
        /// The input.
        name: String,
        /// `pcap` or `pcapng`.
        format: &'static str,
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// It begins like a capture, but its file header is damaged.
    Header {
        /// The input.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The filter has no meaning for its packets.
    Filter {
        /// The input.
        name: String,
        /// The name of their link type.
        link: Cow<'static, str>,
        /// Why, in libpcap's words.
        why: String,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Open { name, error } => match error.kind() {
                io::ErrorKind::NotFound => write!(f, "cannot open {name}: there is no such file; check the path"),
                io::ErrorKind::PermissionDenied => {
                    write!(
                        f,
                        "cannot open {name}: permission denied; make it readable or run as a user who may read it"
                    )
                }
                _ => write!(f, "cannot open {name}: {error}"),
            },
            ReadError::Directory { name } => {
                write!(f, "cannot read {name}: it is a directory; name the capture files in it")
            }
            ReadError::Read { name, error } => write!(f, "cannot read {name}: {error}"),
            ReadError::Empty { name } => {
                write!(f, "cannot read {name}: it is empty; check that the capture was written and copied to the end")
            }
            ReadError::TooShort { name, length } => write!(
                f,
                "cannot read {name}: it has only {length} bytes, fewer than the header of a capture; copy the capture again"
            ),
            ReadError::Foreign { name, what } => write!(f, "cannot read {name}: {}", what.advice(name)),
            ReadError::Version { name, format, major, minor } => write!(
                f,
                "cannot read {name}: it is a {format} file of version {major}.{minor}, which is not known; save it again \
                 with a current Wireshark"
            ),
            ReadError::Header { name, what } => {
                write!(f, "cannot read {name}: its file header is damaged ({what}); copy the capture again")
            }
            ReadError::Filter { name, link, why } => write!(
                f,
                "cannot filter {name}: its packets are of link type {link}, for which the filter has no meaning ({why}); use another \
                 filter, or audit this capture without one"
            ),
        }
    }
}

impl error::Error for ReadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            ReadError::Open { error, .. } | ReadError::Read { error, .. } => Some(error),
            ReadError::Directory { .. }
            | ReadError::Empty { .. }
            | ReadError::TooShort { .. }
            | ReadError::Foreign { .. }
            | ReadError::Version { .. }
            | ReadError::Header { .. }
            | ReadError::Filter { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_trace_comes_with_both_conversions() {
        let error = ReadError::Foreign { name: "case.etl".into(), what: Foreign::EventTrace };
        assert_eq!(
            error.to_string(),
            "cannot read case.etl: it is a Windows event trace, not a capture; convert it with \
             `pktmon etl2pcap case.etl --out case.pcapng` or `etl2pcapng case.etl case.pcapng`"
        );
    }

    #[test]
    fn a_packed_file_comes_with_the_command_that_unpacks_it() {
        let what = Foreign::Packed("compressed with gzip", "gzip -d");
        let error = ReadError::Foreign { name: "a.pcap.gz".into(), what };
        let told = "cannot read a.pcap.gz: it is compressed with gzip; unpack it first, for example with `gzip -d`";
        assert_eq!(error.to_string(), told);
    }
}
