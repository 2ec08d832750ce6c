//! What stops a command. `Display` is one sentence for the person at the terminal.
//!
//! The sentence is complete: it says why in plain words, so whoever prints it prints no `source()` after it. `source()` is the
//! cause as a value, for a program that decides by it.

use crate::flow::CAPTURE_LIMIT;
use crate::portmap::MapError;
#[cfg(feature = "live")]
use crate::sandbox::SandboxError;
#[cfg(feature = "live")]
use crate::source::LiveError;
use crate::source::ReadError;
use std::path::{Path, PathBuf};
use std::{error, fmt, io};

/// Why a command could not do its work.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// An interface could not be watched.
    #[cfg(feature = "live")]
    Live(LiveError),
    /// The captures cannot be filtered, because this program was built without libpcap.
    #[cfg(not(feature = "live"))]
    NoFilters,
    /// The process could not be confined.
    #[cfg(feature = "live")]
    Sandbox(SandboxError),
    /// The keys that end the program cannot be watched for.
    Signals(io::Error),
    /// An input could not be read at all.
    Read(ReadError),
    /// A report could not be read.
    Report {
        /// As it was typed.
        name: String,
        /// What is wrong with it.
        fault: ReportFault,
    },
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
        /// How many files there are in it and below, hidden ones not counted.
        files: usize,
    },
    /// Nothing has the name that was given, which looks like a pattern.
    Pattern {
        /// As it was typed.
        path: PathBuf,
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
        /// What is wrong, each with its line.
        error: MapError,
    },
    /// An output would overwrite what nobody can make again.
    Precious {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: Precious,
        /// What was to be written.
        output: Output,
    },
    /// The folder of an output is missing.
    NoFolder {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
        /// What was to be written.
        output: Output,
    },
    /// What was to be explained is not in the captures.
    NoFlow {
        /// What was meant, in words.
        wanted: String,
        /// Why that is nothing, and what there is.
        why: String,
    },
    /// An input that gives its bytes only once, where they are needed twice.
    ReadOnce {
        /// As it was typed.
        path: PathBuf,
    },
    /// A mix could not be written as a capture.
    WriteCapture {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No problem has the number, or the id, that was asked for.
    NoProblem {
        /// As it was typed.
        asked: String,
        /// How many problems there are.
        problems: usize,
    },
    /// The report could not be written.
    Write {
        /// Where to.
        target: String,
        /// Why.
        error: io::Error,
    },
}

/// Why a report cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReportFault {
    /// What the operating system says.
    Unreadable {
        /// Why.
        error: io::Error,
    },
    /// It ends before its end.
    Cut,
    /// Something that should stand there does not.
    Broken {
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
    },
    /// It is JSON of some other kind.
    NoReport,
    /// It has another layout, or is another document of this program.
    OtherSchema {
        /// What it says that it is.
        schema: String,
    },
}

/// What is written to a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// A report, or rules: `-o`.
    Report,
    /// A made up capture: `--write`.
    Mix,
}

/// What no output may overwrite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precious {
    /// One of the inputs.
    Input,
    /// The port map in use.
    PortMap,
    /// Any file that begins like a capture, an archive or a trace.
    Capture,
}

impl Output {
    /// The error of an output that could not be written.
    pub(crate) fn failed(self, path: &Path, error: io::Error) -> Error {
        match self {
            Output::Report => Error::Write { target: path.display().to_string(), error },
            Output::Mix => Error::WriteCapture { path: path.into(), error },
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Output::Report => "write the report to",
            Output::Mix => "write the capture",
        }
    }

    fn option(self) -> &'static str {
        match self {
            Output::Report => "-o",
            Output::Mix => "--write",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "live")]
            Error::Live(error) => error.fmt(f),
            #[cfg(not(feature = "live"))]
            Error::NoFilters => f.write_str(
                "cannot filter captures: this cap-audit was built without libpcap, that is without the feature `live`; build it with that \
                 feature, or filter the captures with tcpdump first",
            ),
            #[cfg(feature = "live")]
            Error::Sandbox(error) => write!(f, "{error}"),
            Error::Signals(error) => write!(f, "cannot watch for Ctrl-C: {error}"),
            Error::Read(error) => error.fmt(f),
            Error::Report { name, fault } => write!(f, "cannot read the report {name}: {fault}"),
            Error::OpenDirectory { path, error } => {
                write!(
                    f,
                    "cannot list the directory {}: {}",
                    path.display(),
                    advice(error, "name one that you may read")
                )
            }
            Error::Pattern { path } => write!(
                f,
                "cannot read {}: nothing has this name, and the shell has not replaced the pattern: no file matches it, or it stands in \
                 quotes; leave the quotes out, or name the directory",
                path.display()
            ),
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
                "cannot audit {} and what comes after it: at most {CAPTURE_LIMIT} captures are taken at once; name fewer",
                path.display(),
            ),
            Error::OpenPortMap { path, error } => write!(
                f,
                "cannot read the port map {}: {}",
                path.display(),
                advice(error, "check the path given with --port-map")
            ),
            Error::PortMap { path, error } => match &error.faults[..] {
                [fault] => write!(f, "cannot use the port map {}: {fault}; correct that line", path.display()),
                faults => {
                    let mut lines: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
                    lines.dedup();
                    let first: Vec<String> = lines.iter().take(20).map(usize::to_string).collect();
                    let more = if lines.len() > first.len() { " and more" } else { "" };
                    let (path, lines) = (path.display(), first.join(", "));
                    write!(
                        f,
                        "cannot use the port map {path}: {} errors, in lines {lines}{more}; correct them",
                        faults.len()
                    )
                }
            },
            Error::Precious { path, what, output } => {
                let (path, verb, option) = (path.display(), output.verb(), output.option());
                let what = match what {
                    Precious::Input => "it is one of the captures",
                    Precious::PortMap => "it is the port map in use",
                    Precious::Capture => "there is a capture or an archive of that name, and it may be evidence",
                };
                write!(f, "cannot {verb} {path}: {what}; name another file with {option}")
            }
            Error::NoFolder { path, folder, output } => {
                let (path, folder) = (path.display(), folder.display());
                let (verb, option) = (output.verb(), output.option());
                write!(
                    f,
                    "cannot {verb} {path}: there is no such folder as {folder}; make it, or name another file with {option}"
                )
            }
            Error::NoFlow { wanted, why } => write!(f, "cannot explain {wanted}: {why}"),
            Error::ReadOnce { path } => {
                let name = if path.as_os_str() == "-" { "standard input".into() } else { path.display().to_string() };
                write!(f, "cannot explain a flow of {name}: it is read twice, and this gives its packets only once; write them to a file first")
            }
            Error::WriteCapture { path, error } => {
                write!(
                    f,
                    "cannot write the capture {}: {}",
                    path.display(),
                    advice(error, "name another file with --write")
                )
            }
            Error::NoProblem { asked, problems } => {
                let there = match problems {
                    0 => "there is none in these captures".to_string(),
                    1 => "there is one in these captures, number 1".to_string(),
                    _ => format!("there are {problems} in these captures, numbers 1 to {problems}"),
                };
                write!(f, "cannot show problem {asked}: {there}; leave out --problem to see the list")
            }
            Error::Write { target, error } => {
                write!(f, "cannot write the report to {target}: {}", advice(error, "name another file with -o"))
            }
        }
    }
}

impl fmt::Display for ReportFault {
    /// The end of a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const AGAIN: &str = "write it again with `cap-audit file --format json`";
        match self {
            ReportFault::Unreadable { error } => f.write_str(&advice(error, "name another one")),
            ReportFault::Cut => write!(f, "it ends in the middle; {AGAIN}"),
            ReportFault::Broken { line, column } => {
                write!(f, "it is no report that this program wrote, from line {line}, column {column} on; {AGAIN}")
            }
            ReportFault::NoReport => write!(f, "it is JSON, but no report of cap-audit; {AGAIN}"),
            ReportFault::OtherSchema { schema } => {
                let schema: String = schema.chars().take(60).collect();
                write!(f, "it is a document \"{schema}\", and only cap-audit/report/1 is compared; {AGAIN}")
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

impl error::Error for Error {
    /// Errors of a part are told in that part's words, so their cause is the cause of that part.
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            #[cfg(feature = "live")]
            Error::Live(error) => error.source(),
            #[cfg(feature = "live")]
            Error::Sandbox(error) => error.source(),
            #[cfg(not(feature = "live"))]
            Error::NoFilters => None,
            Error::Read(error) => error.source(),
            Error::Report { fault: ReportFault::Unreadable { error }, .. } => Some(error),
            Error::Report { .. } => None,
            Error::Signals(error)
            | Error::OpenDirectory { error, .. }
            | Error::OpenPortMap { error, .. }
            | Error::WriteCapture { error, .. }
            | Error::Write { error, .. } => Some(error),
            Error::PortMap { error, .. } => Some(error),
            Error::NoCapture { .. }
            | Error::Pattern { .. }
            | Error::TooManyCaptures { .. }
            | Error::Precious { .. }
            | Error::NoFlow { .. }
            | Error::ReadOnce { .. }
            | Error::NoProblem { .. }
            | Error::NoFolder { .. } => None,
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portmap::MapFault;
    use std::error::Error as _;

    fn denied() -> io::Error {
        io::ErrorKind::PermissionDenied.into()
    }

    #[test]
    fn a_cause_is_handed_on_as_a_value() {
        let path = PathBuf::from("site");
        let of_the_system = [
            Error::Signals(denied()),
            Error::OpenDirectory { path: path.clone(), error: denied() },
            Error::OpenPortMap { path: path.clone(), error: denied() },
            Error::WriteCapture { path: path.clone(), error: denied() },
            Error::Write { target: "standard output".into(), error: denied() },
            Error::Read(ReadError::Open { name: "a.pcap".into(), error: denied() }),
            Error::Read(ReadError::Read { name: "a.pcap".into(), error: denied() }),
        ];
        for error in of_the_system {
            let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
            assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::PermissionDenied), "{error}");
        }
        let fault = |line| MapFault { line, what: "unknown key".into() };
        let wrong = MapError { faults: vec![fault(14), fault(20)] };
        let error = Error::PortMap { path, error: wrong.clone() };
        assert_eq!(error.source().and_then(|cause| cause.downcast_ref()), Some(&wrong));
        assert_eq!(error.to_string(), "cannot use the port map site: 2 errors, in lines 14, 20; correct them");
    }

    #[test]
    fn an_error_of_a_part_is_not_its_own_cause() {
        let error = Error::Read(ReadError::Empty { name: "a.pcap".into() });
        assert!(error.source().is_none(), "the chain would say one sentence twice");
    }
}
