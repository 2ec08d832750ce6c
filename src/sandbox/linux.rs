//! The steps of confinement on Linux, but for the system calls: user and groups, capabilities, Landlock.

use super::{Applied, Confinement, SandboxError};
use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid, getgid, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, fmt, fs, io};

pub(super) fn confine<T>(
    confinement: &Confinement,
    open: impl FnOnce(&Applied) -> T,
) -> Result<(Applied, T), SandboxError> {
    be_alone()?;
    let mut applied = Applied::default();
    let kept = if confinement.reopen { CapabilitySet::NET_RAW } else { CapabilitySet::empty() };
    // While it is still allowed: bounding set, then user, then the capabilities themselves.
    let bounded = clear_bounding_set()?;
    change_user(confinement, &mut applied)?;
    clear_capabilities(kept, bounded, &mut applied)?;
    set_no_new_privs(true).map_err(|error| part("forbidding new privileges", error))?;
    applied.done.push("no privileges can be gained".to_string());
    let opened = open(&applied);
    close_files(&mut applied)?;
    limit_calls(confinement, &mut applied)?;
    Ok((applied, opened))
}

/// Starts the program again, as the same process, without what it does not need of the environment.
pub(super) fn clear_environment() -> io::Result<()> {
    let (needed, rest): (Vec<_>, Vec<_>) = env::vars_os().partition(|(name, _)| is_needed(name));
    if rest.is_empty() {
        return Ok(());
    }
    let program = env::current_exe()?;
    if !program.exists() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut words = env::args_os();
    let name = words.next().unwrap_or_else(|| program.clone().into());
    Err(Command::new(program).arg0(name).args(words).env_clear().envs(needed).exec())
}

fn is_needed(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    NEEDED.contains(&name.as_ref()) || name.starts_with("LC_")
}

/// What the program reads of the environment, and what its loader must find again. `LC_*` as well.
const NEEDED: &[&str] = &[
    "TZ",
    "TZDIR",
    "LANG",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "LINES",
    "RUST_BACKTRACE",
    "SUDO_UID",
    "SUDO_GID",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
];

/// User, groups and filters belong to threads; one that runs already would keep its own.
fn be_alone() -> Result<(), SandboxError> {
    match fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(count) if count > 1 => Err(SandboxError::Threads { count }),
        // Without /proc nobody knows.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Nothing that is started later may have more. Says whether that could be done, for which it takes `CAP_SETPCAP`.
fn clear_bounding_set() -> Result<bool, SandboxError> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            Ok(true) => {}
            Ok(false) => continue,
            // The first that the kernel does not know comes after the last.
            Err(_) => break,
        }
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(Errno::PERM) => return Ok(false),
            Err(error) => return Err(part("clearing the bounding set", error)),
        }
    }
    Ok(true)
}

fn change_user(confinement: &Confinement, applied: &mut Applied) -> Result<(), SandboxError> {
    let (real, effective) = (getuid(), geteuid());
    if !real.is_root() && !effective.is_root() {
        return match &confinement.user {
            Some(name) => Err(SandboxError::NotRoot { name: name.clone() }),
            None => Ok(()),
        };
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = match &confinement.user {
        // A program that is root by its file belongs to whoever calls it, whatever the environment says.
        _ if !real.is_root() => User { name: None, uid: real.as_raw(), gid: getgid().as_raw() },
        Some(name) => User::named(name, &passwd)?,
        None => User::by_default(env::var("SUDO_UID").ok(), env::var("SUDO_GID").ok(), &passwd),
    };
    let keeps = set_keep_capabilities(confinement.reopen);
    keeps.map_err(|error| part("keeping a capability", error))?;
    match become_user(&user) {
        Ok(()) => {
            applied.done.push(format!("root was given up for {user}"));
            applied.user = Some(user.to_string());
        }
        Err(error) if confinement.user.is_some() => {
            return Err(SandboxError::Become { user: user.to_string(), error: error.into() });
        }
        Err(error) => {
            applied.missing.push(format!("the user stays root, because it cannot become {user} here: {error}"))
        }
    }
    Ok(())
}

fn become_user(user: &User) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)
}

fn clear_capabilities(kept: CapabilitySet, bounded: bool, applied: &mut Applied) -> Result<(), SandboxError> {
    let wrong = |error| part("clearing capabilities", error);
    match clear_ambient_capability_set() {
        // Kernels before 4.3 have no ambient set.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(wrong(error)),
    }
    let kept = kept & capabilities(None).map_err(wrong)?.permitted;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(wrong)?;
    if kept.is_empty() {
        applied.done.push("all capabilities were cleared".to_string());
    } else {
        applied.done.push("all capabilities were cleared but CAP_NET_RAW, to open interfaces again".to_string());
    }
    if !bounded {
        applied.missing.push("the bounding set of capabilities stays as it is, which takes CAP_SETPCAP".to_string());
    }
    Ok(())
}

/// Landlock closes whatever it knows how to close. What is open stays open.
fn close_files(applied: &mut Applied) -> Result<(), SandboxError> {
    let wrong = |error: RulesetError| SandboxError::Part { what: "Landlock", why: error.to_string() };
    let ruleset = Ruleset::default().handle_access(AccessFs::from_all(LANDLOCK)).map_err(wrong)?;
    let ruleset = ruleset.handle_access(AccessNet::from_all(LANDLOCK)).map_err(wrong)?;
    let ruleset = ruleset.scope(Scope::from_all(LANDLOCK)).map_err(wrong)?;
    let status = ruleset.create().and_then(|ruleset| ruleset.restrict_self()).map_err(wrong)?;
    let version = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as i32,
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
    };
    match status.ruleset {
        RulesetStatus::FullyEnforced => applied.done.push(format!("files are closed by Landlock {version}")),
        RulesetStatus::PartiallyEnforced => {
            applied.done.push(format!("files are closed by Landlock {version}, as far as that goes"));
        }
        RulesetStatus::NotEnforced => applied.missing.push("this kernel has no Landlock".to_string()),
    }
    Ok(())
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
fn limit_calls(confinement: &Confinement, applied: &mut Applied) -> Result<(), SandboxError> {
    super::calls::limit(confinement, applied)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
fn limit_calls(_: &Confinement, applied: &mut Applied) -> Result<(), SandboxError> {
    applied.missing.push("system calls are not limited on this processor".to_string());
    Ok(())
}

fn part(what: &'static str, error: Errno) -> SandboxError {
    SandboxError::Part { what, why: error.to_string() }
}

/// Whom root becomes.
#[derive(Clone, PartialEq, Eq, Debug)]
struct User {
    name: Option<String>,
    uid: u32,
    gid: u32,
}

impl User {
    /// The user that was asked for.
    fn named(typed: &str, passwd: &str) -> Result<User, SandboxError> {
        let user = match typed.split_once(':') {
            Some((uid, gid)) => number(uid).zip(number(gid)).map(|(uid, gid)| User { name: None, uid, gid }),
            None => users(passwd).find(|user| user.is(typed)),
        };
        let user = user.ok_or_else(|| SandboxError::NoSuchUser { name: typed.to_string() })?;
        if user.uid == 0 || user.gid == 0 {
            return Err(SandboxError::StillRoot { name: typed.to_string() });
        }
        Ok(user)
    }

    /// Whoever called `sudo`, else `nobody`.
    fn by_default(uid: Option<String>, gid: Option<String>, passwd: &str) -> User {
        let not_root = |id: Option<String>| id.and_then(|id| number(&id)).filter(|&id| id != 0);
        if let Some((uid, gid)) = not_root(uid).zip(not_root(gid)) {
            let name = users(passwd).find(|user| user.uid == uid).and_then(|user| user.name);
            return User { name, uid, gid };
        }
        let nobody = users(passwd).find(|user| user.is("nobody") && user.uid != 0 && user.gid != 0);
        nobody.unwrap_or(User { name: None, uid: OVERFLOW_ID, gid: OVERFLOW_ID })
    }

    fn is(&self, typed: &str) -> bool {
        self.name.as_deref() == Some(typed) || number(typed) == Some(self.uid)
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("user");
        write!(f, "{name} ({}:{})", self.uid, self.gid)
    }
}

/// The lines of passwd(5) that make sense.
fn users(passwd: &str) -> impl Iterator<Item = User> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        Some(User { name: Some(name.to_string()), uid: number(uid)?, gid: number(gid)? })
    })
}

/// A user or group number. The largest means "leave it as it is" to the kernel.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&id| digits && id != u32::MAX)
}

/// What Landlock is asked for; a kernel that knows less gives what it has.
const LANDLOCK: ABI = ABI::V6;

/// The kernel's own number for nobody (`/proc/sys/kernel/overflowuid`).
const OVERFLOW_ID: u32 = 65_534;

#[cfg(test)]
#[path = "../../tests/skip/mod.rs"]
mod skip;

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
                          # a comment\n\
                          broken:x:12\n\
                          nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n\
                          toor:x:0:7::/root:/bin/sh\n\
                          ada:x:1000:1001:Ada,,,:/srv/ada:/bin/bash\n";

    fn user(name: &str, uid: u32, gid: u32) -> User {
        User { name: Some(name.into()), uid, gid }
    }

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        assert_eq!(User::named("ada", PASSWD).ok(), Some(user("ada", 1000, 1001)));
        assert_eq!(User::named("1000", PASSWD).ok(), Some(user("ada", 1000, 1001)));
        assert_eq!(User::named("77:78", PASSWD).ok(), Some(User { name: None, uid: 77, gid: 78 }));
    }

    #[test]
    fn who_is_not_there_or_is_root_is_refused() {
        for name in ["bob", "77", "broken", "", "77:", ":78", "+1:+2", "4294967295:5", "# a comment", "1:2:3"] {
            let refused = User::named(name, PASSWD);
            assert!(matches!(refused, Err(SandboxError::NoSuchUser { .. })), "{name}: {refused:?}");
        }
        for name in ["root", "0", "toor", "0:5", "5:0"] {
            assert!(matches!(User::named(name, PASSWD), Err(SandboxError::StillRoot { .. })), "{name}");
        }
    }

    #[test]
    fn by_default_it_is_whoever_called_sudo_and_never_root() {
        let by_default = |uid: &str, gid: &str| User::by_default(Some(uid.into()), Some(gid.into()), PASSWD);
        assert_eq!(by_default("1000", "1001"), user("ada", 1000, 1001));
        assert_eq!(by_default("2000", "2001"), User { name: None, uid: 2000, gid: 2001 });
        for (uid, gid) in [("0", "0"), ("0", "1"), ("1", "0"), ("x", "1"), ("", "")] {
            assert_eq!(by_default(uid, gid), user("nobody", 65534, 65533), "{uid}:{gid}");
        }
        assert_eq!(User::by_default(None, None, ""), User { name: None, uid: 65_534, gid: 65_534 });
    }

    #[test]
    fn landlock_closes_files_to_a_thread() {
        let told = std::thread::spawn(|| {
            let mut applied = Applied::default();
            close_files(&mut applied)
                .map(|()| (applied, fs::read("/proc/version").is_ok(), fs::write("/tmp/x", "").is_ok()))
        });
        let (applied, read, written) = told.join().expect("no panic").expect("Landlock is there or is not");
        if !applied.missing.is_empty() {
            return skip::skipped(applied.missing.join(", "));
        }
        assert!(!read && !written, "{applied:?}");
        assert!(fs::read("/proc/version").is_ok(), "other threads of the test are as they were");
    }
}
