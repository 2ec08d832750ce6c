//! Network namespaces for tests: two hosts joined by a pair of interfaces, which nothing else on the machine sees. They are
//! removed with the value that stands for them.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use crate::skip::skipped;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Two network namespaces. In `near` there are `one` and `two`, in `far` their other ends.
///
/// `one` has 10.1.0.1 and `two` 10.2.0.1; the other ends have 10.1.0.2 and 10.2.0.2. The hosts know each other's
/// addresses, so that nothing but what a test sends passes; IPv6, which talks by itself, is off.
pub struct Net {
    near: String,
    far: String,
}

/// Which of the two hosts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Host {
    Near,
    Far,
}

impl Net {
    /// Makes the two hosts; none, and the test is skipped, where that is not possible.
    pub fn new() -> Option<Net> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = |host| format!("capaudit-{}-{number}-{host}", std::process::id());
        let net = Net { near: name("near"), far: name("far") };
        // `ip netns` is not safe against itself where it makes the first namespace of a machine.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        for host in [&net.near, &net.far] {
            if let Err(why) = try_run("ip", &["netns", "add", host]) {
                skipped(format_args!("network namespaces need root and iproute2 ({why})"));
                return None;
            }
        }
        drop(alone);
        net.connect("one", 1);
        net.connect("two", 2);
        net.ip(Host::Near, "link set lo up");
        Some(net)
    }

    /// Joins the hosts by a pair of interfaces of this name.
    pub fn connect(&self, name: &str, network: u8) {
        let (near, far) = (&self.near, &self.far);
        run(&format!("ip -n {near} link add {name} type veth peer name {name} netns {far}"));
        for (host, own, other) in [(near, 1, 2), (far, 2, 1)] {
            let mac = |end| format!("02:00:00:00:0{network}:0{end}");
            // Files of a namespace under /proc/sys are seen by its own processes only.
            run(&format!("ip netns exec {host} sysctl -qw net.ipv6.conf.{name}.disable_ipv6=1"));
            run(&format!("ip -n {host} link set {name} address {} up", mac(own)));
            run(&format!("ip -n {host} addr add 10.{network}.0.{own}/24 dev {name}"));
            run(&format!(
                "ip -n {host} neigh replace 10.{network}.0.{other} lladdr {} dev {name} nud permanent",
                mac(other)
            ));
        }
    }

    /// Gives a pair of interfaces fd00:NETWORK::1 and ::2 as well. IPv6 then talks by itself. Nothing, and the test is skipped,
    /// where the kernel has no IPv6.
    pub fn connect_v6(&self, name: &str, network: u8) -> Option<()> {
        if !Path::new("/proc/net/if_inet6").exists() {
            skipped("the kernel has no IPv6");
            return None;
        }
        for (host, own, other) in [(&self.near, 1, 2), (&self.far, 2, 1)] {
            run(&format!("ip netns exec {host} sysctl -qw net.ipv6.conf.{name}.disable_ipv6=0"));
            run(&format!("ip -n {host} addr add fd00:{network}::{own}/64 dev {name} nodad"));
            run(&format!(
                "ip -n {host} neigh replace fd00:{network}::{other} lladdr 02:00:00:00:0{network}:0{other} dev {name} nud permanent"
            ));
        }
        Some(())
    }

    /// Runs `ip` with these words on a host.
    pub fn ip(&self, host: Host, words: &str) {
        run(&format!("ip -n {} {words}", self.name(host)));
    }

    /// Does something in a thread of its own on a host. Sockets made there stay there.
    pub fn on<T: Send>(&self, host: Host, work: impl FnOnce() -> T + Send) -> T {
        on(self.name(host), work)
    }

    /// The name of a host's namespace, for `ip netns exec`.
    pub fn name(&self, host: Host) -> &str {
        match host {
            Host::Near => &self.near,
            Host::Far => &self.far,
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for host in [&self.near, &self.far] {
            let _ = try_run("ip", &["netns", "del", host]);
        }
    }
}

/// Does something in a thread of its own in the namespace of this name. Sockets made there stay there.
pub fn on<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> T {
    let place = File::open(format!("/run/netns/{name}")).expect("the namespace was made");
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(place.as_fd(), network).expect("root may enter a namespace");
            work()
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs a command that must succeed.
pub fn run(command: &str) {
    let mut words = command.split(' ');
    let program = words.next().unwrap_or_default();
    let words: Vec<&str> = words.collect();
    try_run(program, &words).unwrap_or_else(|why| panic!("{command}: {why}"));
}

pub fn try_run(program: &str, words: &[&str]) -> Result<(), String> {
    let done = Command::new(program).args(words).output().map_err(|error| error.to_string())?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).trim().to_string()) }
}
