//! The system calls that a confined audit may make. What is not named here is refused as forbidden (`EPERM`).

use super::{Applied, Confinement, SandboxError};
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Is, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};
use std::collections::BTreeMap;

/// Lets through what the audit needs, from now on and for every thread that is started later.
pub(super) fn limit(confinement: &Confinement, applied: &mut Applied) -> Result<(), SandboxError> {
    let wrong = |why: String| SandboxError::Part { what: "limiting system calls", why };
    let rules = rules(confinement).map_err(|error| wrong(error.to_string()))?;
    let count = rules.len();
    let processor = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| wrong(error.to_string()))?;
    // Its arguments lie in memory, where no filter sees them. Who hears that it does not exist uses `clone`, whose arguments
    // are seen. Where two filters refuse, this refusal must be the only one: the second filter lets the call through.
    let no_clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let not_there = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let forbidden = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filters = [
        SeccompFilter::new(no_clone3, SeccompAction::Allow, not_there, processor),
        SeccompFilter::new(rules, forbidden, SeccompAction::Allow, processor),
    ];
    for filter in filters {
        let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(|error| wrong(error.to_string()))?;
        match apply_filter(&program) {
            Ok(()) => {}
            Err(Error::Seccomp(error)) if [Some(libc::ENOSYS), Some(libc::EINVAL)].contains(&error.raw_os_error()) => {
                applied.missing.push("this kernel has no seccomp filters".to_string());
                return Ok(());
            }
            Err(error) => return Err(wrong(error.to_string())),
        }
    }
    applied.done.push(format!("of all system calls {count} are let through"));
    Ok(())
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The rules of a call are alternatives; a call without rules is let through whatever its arguments.
fn rules(confinement: &Confinement) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = ALWAYS.iter().chain(OF_THIS_PROCESSOR).map(|&call| (call, Vec::new())).collect();
    for only in ONLY {
        only.enter(&mut rules)?;
    }
    let own = std::process::id();
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        rules.insert(call, vec![SeccompRule::new(vec![number(0, Is::Eq, own)?])?]);
    }
    let read_only = &confinement.read_only;
    let elsewhere = read_only.iter().map(|&descriptor| number(0, Is::Ne, descriptor.cast_unsigned()));
    let elsewhere: Vec<SeccompCondition> = elsewhere.collect::<Result<_, _>>()?;
    for &call in WRITING {
        let rule = if elsewhere.is_empty() { Vec::new() } else { vec![SeccompRule::new(elsewhere.clone())?] };
        rules.insert(call, rule);
    }
    let without_address = SeccompCondition::new(4, Width::Qword, Is::Eq, 0)?;
    rules.insert(libc::SYS_sendto, vec![SeccompRule::new([elsewhere, vec![without_address]].concat())?]);
    if confinement.reopen {
        rules.extend(TO_REOPEN.iter().map(|&call| (call, Vec::new())));
        for only in ONLY_TO_REOPEN {
            only.enter(&mut rules)?;
        }
    }
    Ok(rules)
}

/// A call that is let through where one argument is right.
struct Only {
    call: i64,
    argument: u8,
    right: Right,
}

enum Right {
    /// It is this number.
    Number(u32),
    /// It has all of these bits.
    Bits(u32),
    /// It has none of these bits.
    NoBits(u32),
    /// It is the null pointer.
    Null,
}

impl Only {
    const fn new(call: i64, argument: u8, right: Right) -> Only {
        Only { call, argument, right }
    }

    fn enter(&self, rules: &mut Rules) -> Result<(), seccompiler::BackendError> {
        let condition = match self.right {
            Right::Number(value) => number(self.argument, Is::Eq, value),
            Right::Bits(bits) => number(self.argument, Is::MaskedEq(u64::from(bits)), bits),
            Right::NoBits(bits) => number(self.argument, Is::MaskedEq(u64::from(bits)), 0),
            Right::Null => SeccompCondition::new(self.argument, Width::Qword, Is::Eq, 0),
        };
        rules.entry(self.call).or_default().push(SeccompRule::new(vec![condition?])?);
        Ok(())
    }
}

/// Of an argument of 32 bits the kernel does not look at the rest of the register, so neither may the filter.
fn number(argument: u8, is: Is, value: u32) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, Width::Dword, is, u64::from(value))
}

/// What is let through whatever its arguments.
const ALWAYS: &[i64] = &[
    // What is open: interfaces, the kernel's news of links, input, output.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_getsockopt,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    // Room for the report, before what stood there is overwritten.
    libc::SYS_fallocate,
    libc::SYS_close,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // The first filter has refused it before.
    libc::SYS_clone3,
    // Signals.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigsuspend,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Time, chance, and what this machine is.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_uname,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
];

/// Older forms of the same, which only this processor has.
#[cfg(target_arch = "x86_64")]
const OF_THIS_PROCESSOR: &[i64] = &[libc::SYS_poll, libc::SYS_select, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const OF_THIS_PROCESSOR: &[i64] = &[];

/// Let through for every descriptor but those that are only read. Sending without an address is writing as well: so do
/// programs wake themselves when a signal comes.
const WRITING: &[i64] = &[libc::SYS_write, libc::SYS_writev, libc::SYS_pwrite64];

/// What is let through for some arguments. `newfstatat` and `statx` are not: with a path they look at files, and no filter sees
/// whether a path is empty. Nothing looks at a descriptor with them once it is confined; `fstat` can.
const ONLY: &[Only] = &[
    // Nothing that was written can be run.
    Only::new(libc::SYS_mmap, 2, Right::NoBits(libc::PROT_EXEC as u32)),
    Only::new(libc::SYS_mprotect, 2, Right::NoBits(libc::PROT_EXEC as u32)),
    // Threads, not processes.
    Only::new(libc::SYS_clone, 0, Right::Bits((libc::CLONE_VM | libc::CLONE_THREAD) as u32)),
    Only::new(libc::SYS_prctl, 0, Right::Number(libc::PR_SET_NAME as u32)),
    // Asking for a limit, not setting it.
    Only::new(libc::SYS_prlimit64, 2, Right::Null),
    // A descriptor's state, not a second name for it.
    Only::new(libc::SYS_fcntl, 1, Right::Number(libc::F_GETFD as u32)),
    Only::new(libc::SYS_fcntl, 1, Right::Number(libc::F_GETFL as u32)),
    Only::new(libc::SYS_fcntl, 1, Right::Number(libc::F_SETFL as u32)),
    // Whether it is a terminal, and how wide.
    Only::new(libc::SYS_ioctl, 1, Right::Number(libc::TCGETS as u32)),
    Only::new(libc::SYS_ioctl, 1, Right::Number(libc::TCGETS2 as u32)),
    Only::new(libc::SYS_ioctl, 1, Right::Number(libc::TIOCGWINSZ as u32)),
    Only::new(libc::SYS_ioctl, 1, Right::Number(libc::FIONREAD as u32)),
    // Whether an interface is still there, and up: libpcap asks when its socket reports an error.
    Only::new(libc::SYS_ioctl, 1, Right::Number(libc::SIOCGIFFLAGS as u32)),
    Only::new(libc::SYS_ioctl, 1, Right::Number(libc::SIOCGIFINDEX as u32)),
    Only::new(libc::SYS_ioctl, 1, Right::Number(libc::SIOCGIFNAME as u32)),
];

/// What libpcap does besides to open an interface.
const TO_REOPEN: &[i64] = &[libc::SYS_bind, libc::SYS_setsockopt, libc::SYS_getsockname, libc::SYS_eventfd2];

/// What is let through for that for some arguments.
const ONLY_TO_REOPEN: &[Only] = &[
    Only::new(libc::SYS_socket, 0, Right::Number(libc::AF_PACKET as u32)),
    // Never connected, only there to ask about interfaces.
    Only::new(libc::SYS_socket, 0, Right::Number(libc::AF_UNIX as u32)),
    Only::new(libc::SYS_ioctl, 1, Right::Number(libc::SIOCGIFHWADDR as u32)),
    Only::new(libc::SYS_ioctl, 1, Right::Number(SIOCETHTOOL)),
];

/// linux/sockios.h.
const SIOCETHTOOL: u32 = 0x8946;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_stands_in_one_table_only() {
        let free: Vec<i64> = [ALWAYS, OF_THIS_PROCESSOR, WRITING, TO_REOPEN].concat();
        let mut once = free.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), free.len());
        for only in ONLY.iter().chain(ONLY_TO_REOPEN) {
            assert!(!free.contains(&only.call), "{} would be free whatever its arguments", only.call);
        }
    }

    #[test]
    fn nothing_that_reaches_out_is_let_through() {
        let rules = rules(&Confinement { read_only: vec![3, 4], ..Confinement::default() }).expect("valid rules");
        let reach_out = [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_openat,
            libc::SYS_openat2,
            libc::SYS_newfstatat,
            libc::SYS_statx,
            libc::SYS_renameat2,
            libc::SYS_linkat,
            libc::SYS_unlinkat,
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_bind,
            libc::SYS_sendmsg,
            libc::SYS_setsockopt,
            libc::SYS_dup,
            libc::SYS_dup3,
            libc::SYS_ptrace,
            libc::SYS_process_vm_writev,
            libc::SYS_io_uring_setup,
            libc::SYS_bpf,
            libc::SYS_unshare,
            libc::SYS_setns,
        ];
        assert!(reach_out.iter().all(|call| !rules.contains_key(call)));
        assert!(WRITING.iter().all(|call| !rules[call].is_empty()), "interfaces are not written to");
    }

    #[test]
    fn the_filter_fits_the_kernel_however_many_interfaces() {
        for reopen in [false, true] {
            let rules = rules(&Confinement { read_only: (3..103).collect(), reopen, user: None }).expect("valid rules");
            let allow_only =
                SeccompFilter::new(rules, SeccompAction::Errno(1), SeccompAction::Allow, TargetArch::x86_64);
            let program: Result<BpfProgram, _> = allow_only.and_then(TryInto::try_into);
            assert!(program.is_ok_and(|program| program.len() < 4_096), "BPF_MAXINSNS of the kernel");
        }
    }
}
