//! Confines a live audit once its interfaces and its output are open: another user, no capabilities, few system calls, no
//! files. What a hostile packet could make of a mistake in a decoder then ends here.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
mod calls;
#[cfg(target_os = "linux")]
mod linux;
mod report_file;

pub use report_file::ReportFile;

use std::{error, fmt, io};

/// What is to be confined, and what it may keep.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Confinement {
    /// Whom root becomes: a name, a number, or `number:number` for user and group. None is whoever called `sudo`, else
    /// `nobody`, and is taken as far as it goes: a container may not have them.
    pub user: Option<String>,
    /// Descriptors that nothing is written to from now on, such as those of interfaces (`LiveSource::descriptors`).
    pub read_only: Vec<i32>,
    /// Keep the capability and the system calls that it takes to open an interface again (`CAP_NET_RAW`).
    pub reopen: bool,
}

/// What was done, and what could not be done here, in words.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Applied {
    /// What holds from now on, a sentence's part each.
    pub done: Vec<String>,
    /// What this system does not have or does not allow.
    pub missing: Vec<String>,
    /// Whom root became, with numbers; none if nobody was root, or root stayed.
    pub user: Option<String>,
}

/// Keeps of the environment only what the program reads: time zone, language, terminal, who called `sudo`, and where its libraries
/// are. Call it first of all.
///
/// What a process was started with lies in its memory, where no safe code can clear it. So the program is started again: the same
/// process, the same arguments, another environment. Where there is nothing to clear, and not on Linux, it just returns.
///
/// # Errors
/// It could not be started again. The environment is as it was.
pub fn clear_environment() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    linux::clear_environment()?;
    Ok(())
}

/// Confines this process, and the threads that it will start, for good. Call it when everything is open and no other thread
/// runs.
///
/// On Linux, in this order: root becomes another user without further groups; all capabilities are cleared; no privileges
/// can be gained any more; Landlock closes the file system, TCP, and what is outside; seccomp refuses all system calls but
/// those that reading packets and writing what is open takes. A refused call fails as forbidden (`EPERM`) and ends nothing,
/// so that a library that tries and does without goes on. Elsewhere nothing is done.
///
/// # Errors
/// A part that is there failed, or whom root should become is not there. The process may be confined in part; it must end.
pub fn confine(confinement: &Confinement) -> Result<Applied, SandboxError> {
    confine_after(confinement, |_| ()).map(|(applied, ())| applied)
}

/// Confines this process as [`confine`] does, and opens what is left to open once it has no more rights than it will keep, just
/// before files are closed: where a path leads is then decided by the rights of that user.
///
/// # Errors
/// As [`confine`].
pub fn confine_after<T>(
    confinement: &Confinement,
    open: impl FnOnce(&Applied) -> T,
) -> Result<(Applied, T), SandboxError> {
    #[cfg(target_os = "linux")]
    return linux::confine(confinement, open);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = confinement;
        let missing = vec!["on this system nothing is known to confine it".to_string()];
        let applied = Applied { missing, ..Applied::default() };
        let opened = open(&applied);
        Ok((applied, opened))
    }
}

/// Why a process could not be confined.
#[derive(Debug)]
#[non_exhaustive]
pub enum SandboxError {
    /// Other threads run, which would stay as they are.
    Threads {
        /// How many in all.
        count: usize,
    },
    /// There is no such user.
    NoSuchUser {
        /// As typed.
        name: String,
    },
    /// The user that root should become is root.
    StillRoot {
        /// As typed.
        name: String,
    },
    /// Only root can become somebody else.
    NotRoot {
        /// As typed.
        name: String,
    },
    /// Root could not become this user.
    Become {
        /// The user, with numbers.
        user: String,
        /// Why.
        error: io::Error,
    },
    /// A part of the confinement failed.
    Part {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        why: String,
    },
}

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SandboxError::Threads { count } => {
                write!(f, "cannot confine the audit: {count} threads run already; use --no-sandbox, and report this")
            }
            SandboxError::NoSuchUser { name } => write!(
                f,
                "cannot become {name}: there is no such user in /etc/passwd; name another, or give its numbers as UID:GID"
            ),
            SandboxError::StillRoot { name } => {
                write!(f, "cannot become {name}: that is root; name another user, or use --no-sandbox to stay root")
            }
            SandboxError::NotRoot { name } => {
                write!(f, "cannot become {name}: only root can; leave --user away, or run it with `sudo`")
            }
            SandboxError::Become { user, error } => {
                write!(f, "cannot become {user}: {error}; name another user, or use --no-sandbox")
            }
            SandboxError::Part { what, why } => {
                write!(f, "cannot confine the audit: {what} failed ({why}); use --no-sandbox to run it without")
            }
        }
    }
}

impl error::Error for SandboxError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            SandboxError::Become { error, .. } => Some(error),
            SandboxError::Threads { .. }
            | SandboxError::NoSuchUser { .. }
            | SandboxError::StillRoot { .. }
            | SandboxError::NotRoot { .. }
            | SandboxError::Part { .. } => None,
        }
    }
}
