//! What can keep an interface from being watched.

use crate::shell;
use std::path::PathBuf;
use std::{error, fmt};

/// Why a live capture could not be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LiveError {
    /// The interfaces of this machine cannot be listed.
    List {
        /// Why, in libpcap's words.
        why: String,
    },
    /// No interface has this name.
    NoSuchInterface {
        /// The name.
        name: String,
        /// Those that there are.
        existing: Vec<String>,
    },
    /// This user may not read raw packets.
    Permission {
        /// The interface.
        name: String,
        /// Where this program lies, to which capabilities could be given.
        program: PathBuf,
    },
    /// The interface is there but switched off.
    Down {
        /// The interface.
        name: String,
    },
    /// It cannot be opened for some other reason.
    Open {
        /// The interface.
        name: String,
        /// Why, in libpcap's words.
        why: String,
    },
    /// The filter does not compile.
    Filter {
        /// The filter as typed.
        program: String,
        /// Why, in libpcap's words.
        why: String,
        /// It is a display filter of Wireshark: what says the same to libpcap, where that is known.
        display: Option<Option<String>>,
    },
    /// More interfaces than captures can be numbered.
    TooMany {
        /// How many were named.
        named: usize,
    },
}

impl fmt::Display for LiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LiveError::List { why } => {
                write!(f, "cannot list the network interfaces: {why}; name the interface to watch instead")
            }
            LiveError::NoSuchInterface { name, existing } if existing.is_empty() => {
                write!(f, "cannot watch {name}: there is no such interface; check its name")
            }
            LiveError::NoSuchInterface { name, existing } => write!(
                f,
                "cannot watch {name}: there is no such interface; name one of those that there are: {}",
                existing.join(", ")
            ),
            LiveError::Permission { name, program } => write!(
                f,
                "cannot watch {name}: this user may not read raw packets; run it as root with `sudo`, or allow the program \
                 once with `sudo setcap cap_net_raw,cap_net_admin+ep {}`",
                command(&[], &program.to_string_lossy(), &[])
            ),
            LiveError::Down { name } => {
                let command = command(&["ip", "link", "set"], name, &["up"]);
                write!(f, "cannot watch {name}: it is down; switch it on, on Linux with `{command}`")
            }
            LiveError::Open { name, why } => {
                write!(f, "cannot watch {name}: {why}; name another interface, or `any` for all of them")
            }
            LiveError::Filter { program, display: Some(Some(instead)), .. } => {
                let limits = if instead.contains('[') { ", for IPv4 only" } else { "" };
                let instead = command(&["--filter"], instead, &[]);
                write!(
                    f,
                    "cannot use the filter `{program}`: it is a display filter of Wireshark, and one in the language of pcap-filter(7) is \
                     needed, here `{instead}`{limits}"
                )
            }
            LiveError::Filter { program, display: Some(None), .. } => write!(
                f,
                "cannot use the filter `{program}`: it is a display filter of Wireshark, and a filter in the language of pcap-filter(7) is \
                 needed, such as `--filter 'host 10.0.0.1 and tcp port 2598'`"
            ),
            LiveError::Filter { program, why, display: None } => {
                write!(
                    f,
                    "cannot use the filter `{program}`: {why}; the manual page pcap-filter(7) tells what can be said"
                )
            }
            LiveError::TooMany { named } => {
                write!(f, "cannot watch {named} interfaces at once: name fewer, or `any` for all of them")
            }
        }
    }
}

impl LiveError {
    /// The reason alone, for a sentence that says the rest in other words.
    pub(in crate::source) fn why(self) -> String {
        match self {
            LiveError::List { why } | LiveError::Open { why, .. } | LiveError::Filter { why, .. } => why,
            other => other.to_string(),
        }
    }
}

impl error::Error for LiveError {}

/// A command to paste, or its words alone where they hold what cannot be typed.
fn command(start: &[&str], name: &str, end: &[&str]) -> String {
    let end = end.iter().copied();
    shell::command(start.iter().copied().chain([name]).chain(end)).unwrap_or_else(|| start.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lacks_permission_is_told_both_ways() {
        let error = LiveError::Permission { name: "eth0".into(), program: "/opt/my tools/cap-audit".into() };
        let told = error.to_string();
        assert!(told.contains("`sudo`"), "{told}");
        assert!(told.contains("setcap cap_net_raw,cap_net_admin+ep '/opt/my tools/cap-audit'`"), "{told}");
    }

    #[test]
    fn who_mistypes_a_name_is_told_those_that_there_are() {
        let error = LiveError::NoSuchInterface { name: "eht0".into(), existing: vec!["eth0".into(), "lo".into()] };
        assert!(error.to_string().ends_with("there are: eth0, lo"), "{error}");
    }

    #[test]
    fn a_command_is_quoted_only_where_a_shell_needs_it() {
        let down = |name: &str| LiveError::Down { name: name.into() }.to_string();
        assert!(down("eth0").ends_with("`ip link set eth0 up`"));
        assert!(down("a;b").ends_with("`ip link set 'a;b' up`"));
    }
}
