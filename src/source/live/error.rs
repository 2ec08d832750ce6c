//! What can keep an interface from being watched.

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
                shell_word(&program.to_string_lossy())
            ),
            LiveError::Down { name } => {
                write!(f, "cannot watch {name}: it is down; switch it on, on Linux with `ip link set {name} up`")
            }
            LiveError::Open { name, why } => {
                write!(f, "cannot watch {name}: {why}; name another interface, or `any` for all of them")
            }
            LiveError::Filter { program, why } => {
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

impl error::Error for LiveError {}

/// A word as it must be typed.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if word.chars().all(plain) { word.to_string() } else { format!("'{}'", word.replace('\'', r"'\''")) }
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
    fn a_path_is_quoted_only_where_a_shell_needs_it() {
        assert_eq!(shell_word("/usr/bin/cap-audit"), "/usr/bin/cap-audit");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
    }
}
