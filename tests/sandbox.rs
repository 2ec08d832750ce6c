//! The confinement holds: this program starts itself, the child confines itself, tries what it must not do, and says what came
//! of it; the parent looks at it from outside. Needs root; elsewhere each test says that it was skipped. It has a `main` of
//! its own, because only a process of one thread can be confined.

#[cfg(all(feature = "live", target_os = "linux"))]
mod netns;
mod skip;

fn main() {
    #[cfg(target_os = "linux")]
    linux::main();
    #[cfg(not(target_os = "linux"))]
    skip::skipped("there is no confinement on this system");
}

#[cfg(target_os = "linux")]
mod linux {
    use crate::skip::skipped;
    use cap_audit::sandbox::{Confinement, ReportFile, SandboxError, clear_environment, confine, confine_after};
    use rustix::fs::{AtFlags, StatxFlags, fstat, statat, statx};
    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SendFlags, SocketType, send, socket};
    use rustix::process::{Pid, Uid, getuid, test_kill_process};
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_thread_res_uid};
    use std::fs::File;
    use std::io::{self, BufRead, BufReader, Read, Write};
    use std::net::{TcpStream, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
    use std::time::Duration;
    use std::{env, fs, thread};

    /// What the child does is named here.
    const ROLE: &str = "CAP_AUDIT_TEST_ROLE";
    /// Where the child finds files.
    const FOLDER: &str = "CAP_AUDIT_TEST_FOLDER";

    pub fn main() {
        if let Some(role) = env::var(ROLE).ok().or_else(|| env::args().skip_while(|word| word != "--role").nth(1)) {
            return child(&role);
        }
        let wanted: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
        let tests: &[(&str, fn())] = &[
            ("root_becomes_nobody_without_capabilities", root_becomes_nobody_without_capabilities),
            ("root_becomes_whoever_called_sudo", root_becomes_whoever_called_sudo),
            ("what_is_forbidden_is_refused_in_every_thread", what_is_forbidden_is_refused_in_every_thread),
            ("what_the_audit_needs_still_works", what_the_audit_needs_still_works),
            ("a_running_thread_or_a_wrong_user_is_an_error", a_running_thread_or_a_wrong_user_is_an_error),
            ("of_the_environment_only_what_is_read_is_kept", of_the_environment_only_what_is_read_is_kept),
            ("what_is_opened_last_is_opened_with_the_rights_that_are_left", what_is_opened_last_is_opened_as_the_user),
            ("without_root_all_but_the_user_is_confined", without_root_all_but_the_user_is_confined),
            ("root_that_may_not_change_is_confined_as_far_as_it_goes", root_that_may_not_change_is_confined),
            #[cfg(feature = "live")]
            ("an_interface_is_read_to_its_end", live::an_interface_is_read_to_its_end),
            #[cfg(feature = "live")]
            ("an_interface_can_be_opened_again_where_that_was_asked", live::an_interface_can_be_opened_again),
            #[cfg(feature = "live")]
            ("an_interface_cannot_be_opened_again_otherwise", live::an_interface_cannot_be_opened_again_otherwise),
        ];
        for (name, test) in tests {
            if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
                test();
                println!("test {name} ... ok");
            }
        }
    }

    /// This program once more, in a role.
    struct Actor {
        child: Child,
        told: BufReader<ChildStdout>,
        ask: ChildStdin,
    }

    impl Actor {
        fn new(command: &mut Command, role: &str) -> Actor {
            command.env(ROLE, role).env_remove("SUDO_UID").env_remove("SUDO_GID");
            Actor::start(command)
        }

        fn start(command: &mut Command) -> Actor {
            let mut child =
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a program can start itself");
            let told = BufReader::new(child.stdout.take().expect("it was piped"));
            let ask = child.stdin.take().expect("it was piped");
            Actor { child, told, ask }
        }

        /// Lines until the child is ready for the next step.
        fn until_ready(&mut self) -> Vec<String> {
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                let read = self.told.read_line(&mut line).expect("the child writes text");
                assert_ne!(read, 0, "the child ended early: {lines:?}");
                match line.trim_end() {
                    "ready" => return lines,
                    other => lines.push(other.to_string()),
                }
            }
        }

        /// A field of proc_pid_status(5) for each thread.
        fn status(&self, field: &str) -> Vec<String> {
            let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the child is there");
            let paths = tasks.map(|task| task.expect("the child stands still").path().join("status"));
            let of_thread = |status: String| {
                let line =
                    status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_string));
                line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
            };
            paths.map(|path| of_thread(fs::read_to_string(path).expect("status is readable"))).collect()
        }

        /// The rest of what the child says. It must end well.
        fn end(mut self) -> Vec<String> {
            drop(self.ask);
            let lines = self.told.lines().map(|line| line.expect("the child writes text")).collect();
            let status = self.child.wait().expect("the child is ours");
            assert!(status.success(), "{status}: {lines:?}");
            lines
        }
    }

    fn this_program() -> Command {
        Command::new(env::current_exe().expect("a test knows its program"))
    }

    /// Says a line and waits until the parent has looked.
    fn ready() {
        println!("ready");
        let mut line = String::new();
        io::stdin().read_line(&mut line).expect("reading what is open is allowed");
    }

    fn is_root() -> bool {
        let root = getuid().is_root();
        if !root {
            skipped("it needs root");
        }
        root
    }

    fn child(role: &str) {
        match role {
            "look" => look(),
            "forbidden" => forbidden(),
            "needed" => needed(),
            "errors" => errors(),
            "environment" => environment(),
            "last" => last(),
            #[cfg(feature = "live")]
            "live" => live::child(false),
            #[cfg(feature = "live")]
            "live-reopen" => live::child(true),
            other => panic!("no such role: {other}"),
        }
    }

    /// Confines itself, starts a thread, and lets the parent look.
    fn look() {
        let applied = confine(&Confinement::default()).expect("root and others can be confined");
        applied.done.iter().for_each(|line| println!("done: {line}"));
        applied.missing.iter().for_each(|line| println!("missing: {line}"));
        let waiting = thread::spawn(|| thread::park_timeout(Duration::from_secs(20)));
        ready();
        waiting.thread().unpark();
        waiting.join().expect("no panic");
    }

    /// All threads have these values.
    fn assert_status(actor: &Actor, expected: &[(&str, &str)]) {
        for (field, value) in expected {
            assert_eq!(actor.status(field), [*value, *value], "{field}");
        }
    }

    const NOTHING: &str = "0000000000000000";

    const CONFINED: [(&str, &str); 7] = [
        ("CapInh", NOTHING),
        ("CapPrm", NOTHING),
        ("CapEff", NOTHING),
        ("CapBnd", NOTHING),
        ("CapAmb", NOTHING),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
    ];

    fn root_becomes_nobody_without_capabilities() {
        if !is_root() {
            return;
        }
        let mut actor = Actor::new(&mut this_program(), "look");
        let told = actor.until_ready();
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let nobody = passwd.lines().find_map(|line| line.strip_prefix("nobody:x:"));
        let mut numbers = nobody.unwrap_or("65534:65534").split(':').map(|id| [id; 4].join(" "));
        let (uid, gid) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        // Real, effective, saved and of the file system.
        assert_status(&actor, &[("Uid", &uid), ("Gid", &gid), ("Groups", "")]);
        assert_status(&actor, &CONFINED);
        assert!(told.iter().any(|line| line.starts_with("done: root was given up for nobody")), "{told:?}");
        actor.end();
    }

    fn root_becomes_whoever_called_sudo() {
        if !is_root() {
            return;
        }
        let mut command = this_program();
        command.env(ROLE, "look").env("SUDO_UID", "4711").env("SUDO_GID", "4712");
        let mut actor = Actor::start(&mut command);
        actor.until_ready();
        assert_status(&actor, &[("Uid", "4711 4711 4711 4711"), ("Gid", "4712 4712 4712 4712"), ("Groups", "")]);
        assert_status(&actor, &CONFINED);
        actor.end();
    }

    fn what_is_forbidden_is_refused_in_every_thread() {
        if !is_root() {
            return;
        }
        let told = Actor::new(&mut this_program(), "forbidden").end();
        // The first thread, and one that was started after.
        assert_eq!(told.len(), 2 * 23, "{told:?}");
        assert!(told.iter().all(|line| line.ends_with(": refused")), "{told:?}");
    }

    fn forbidden() {
        let own = env::temp_dir().join(format!("cap-audit-sandbox-{}", std::process::id()));
        let packets = socket(AddressFamily::PACKET, SocketType::RAW, None).expect("root may have it");
        let datagrams = UdpSocket::bind("127.0.0.1:0").expect("everybody may have it");
        let readable = File::open("/proc/version").expect("everybody may read it");
        let root = File::open("/").expect("everybody may read it");
        let confinement = Confinement { read_only: vec![packets.as_raw_fd()], ..Confinement::default() };
        confine(&confinement).expect("root can be confined");
        let attempt = |what: &str, outcome: io::Result<()>| match outcome {
            Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => println!("{what}: refused"),
            other => println!("{what}: {other:?}"),
        };
        let attempt_all = || {
            let none = CapabilitySet::empty();
            let raw = CapabilitySets { effective: none, permitted: CapabilitySet::NET_RAW, inheritable: none };
            attempt("execve", Err(Command::new("/bin/true").exec()));
            attempt("a process", Command::new("/bin/true").spawn().map(drop));
            attempt("a socket for UDP", UdpSocket::bind("127.0.0.1:0").map(drop));
            attempt("a socket for TCP", TcpStream::connect("127.0.0.1:9").map(drop));
            for family in [AddressFamily::PACKET, AddressFamily::NETLINK, AddressFamily::UNIX] {
                attempt("another socket", socket(family, SocketType::DGRAM, None).map(drop).map_err(io::Error::from));
            }
            attempt("writing a new file", File::create(&own).map(drop));
            attempt("writing an old file", File::options().write(true).open("/dev/null").map(drop));
            attempt("reading a file", File::open("/etc/passwd").map(drop));
            attempt("a directory", fs::read_dir("/").map(drop));
            attempt("removing a file", fs::remove_file(&own));
            // The flag says that the path may be empty, not that it is.
            let of_root = |flags| statat(&root, "etc/passwd", flags).map(drop).map_err(io::Error::from);
            attempt("looking at a file", of_root(AtFlags::EMPTY_PATH));
            let more = statx(&root, "etc/passwd", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).map(drop);
            // Where it is forbidden, this crate says that there is no such call.
            let refused = |error| if error == Errno::NOSYS { Errno::PERM } else { error };
            attempt("looking at a file in another way", more.map_err(refused).map_err(io::Error::from));
            attempt("renaming a file", fs::rename(&own, "/tmp/another"));
            attempt("a further name for a file", fs::hard_link(&own, "/tmp/another"));
            attempt("a second name for a descriptor", readable.try_clone().map(drop));
            attempt("writing to an interface", rustix::io::write(&packets, b"x").map(drop).map_err(io::Error::from));
            attempt(
                "sending on an interface",
                send(&packets, b"x", SendFlags::empty()).map(drop).map_err(io::Error::from),
            );
            attempt("sending elsewhere", datagrams.send_to(b"x", "127.0.0.1:9").map(drop));
            attempt("root", set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).map_err(io::Error::from));
            attempt("a capability", set_capabilities(None, raw).map_err(io::Error::from));
            attempt("a signal", test_kill_process(Pid::INIT).map_err(io::Error::from));
        };
        attempt_all();
        thread::scope(|scope| scope.spawn(attempt_all).join()).expect("no panic");
    }

    fn what_the_audit_needs_still_works() {
        if !is_root() {
            return;
        }
        let told = Actor::new(&mut this_program(), "needed").end();
        assert_eq!(told, ["needed"]);
    }

    fn needed() {
        let path = env::temp_dir().join(format!("cap-audit-sandbox-{}", std::process::id()));
        let mut output =
            File::options().read(true).write(true).create(true).truncate(true).open(&path).expect("a file");
        fs::remove_file(&path).expect("it was just made");
        let mut input = File::open("/proc/version").expect("everybody may read it");
        let (waker, mut woken) = UnixStream::pair().expect("everybody may have it");
        confine(&Confinement::default()).expect("root can be confined");
        // As a signal's handler wakes the program.
        send(&waker, b"!", SendFlags::DONTWAIT).expect("what is joined can be woken");
        woken.read_exact(&mut [0]).expect("what is joined can be woken");
        let mut text = String::new();
        input.read_to_string(&mut text).expect("what is open can be read");
        assert!(text.contains("Linux"));
        output.write_all(b"what is open can be written").expect("what is open can be written");
        output.sync_all().expect("what is open can be written");
        assert_eq!(fstat(&output).expect("what is open can be looked at").st_size, 27);
        // Threads with names and stacks, memory, channels, time, chance, a panic that is caught.
        let (sender, receiver) = crossbeam_channel::bounded::<Vec<u8>>(1);
        let worker = thread::Builder::new()
            .name("worker".into())
            .spawn(move || receiver.iter().map(|block| block.len()).sum::<usize>());
        for megabytes in 0..64 {
            sender.send(vec![1; megabytes << 20]).expect("the worker listens");
        }
        drop(sender);
        assert_eq!(worker.expect("threads can be started").join().expect("no panic"), 2_016 << 20);
        thread::sleep(Duration::from_millis(1));
        assert!(std::time::SystemTime::now() > std::time::SystemTime::UNIX_EPOCH);
        assert!(thread::available_parallelism().is_ok());
        std::panic::set_hook(Box::new(|_| {}));
        let panicked = thread::spawn(|| panic!("on purpose")).join();
        assert!(panicked.is_err());
        println!("needed");
    }

    fn a_running_thread_or_a_wrong_user_is_an_error() {
        if !is_root() {
            return;
        }
        let told = Actor::new(&mut this_program(), "errors").end();
        assert_eq!(told, ["threads", "no such user", "still root"]);
    }

    fn errors() {
        let waiting = thread::spawn(|| thread::park_timeout(Duration::from_secs(20)));
        if let Err(SandboxError::Threads { count: 2 }) = confine(&Confinement::default()) {
            println!("threads");
        }
        waiting.thread().unpark();
        waiting.join().expect("no panic");
        let with_user = |user: &str| confine(&Confinement { user: Some(user.into()), ..Confinement::default() });
        if let Err(SandboxError::NoSuchUser { .. }) = with_user("no-such-user") {
            println!("no such user");
        }
        if let Err(SandboxError::StillRoot { .. }) = with_user("root") {
            println!("still root");
        }
    }

    fn of_the_environment_only_what_is_read_is_kept() {
        let mut command = this_program();
        // The role is no name that is kept, so the program learns it from how it was called.
        command.env_clear().args(["--role", "environment"]).envs([
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("LC_TIME", "C"),
            ("TZ", "UTC"),
            ("SUDO_UID", "4711"),
            ("SUDO_COMMAND", "secret"),
        ]);
        let mut actor = Actor::start(&mut command);
        let mut told = actor.until_ready();
        told.sort();
        assert_eq!(told, ["LC_TIME=C", "SUDO_UID=4711", "TZ=UTC"]);
        let path = format!("/proc/{}/environ", actor.child.id());
        let outside = String::from_utf8(fs::read(path).expect("the child is ours")).expect("it is text");
        let mut outside: Vec<&str> = outside.split_terminator('\0').collect();
        outside.sort_unstable();
        assert_eq!(outside, told, "what it was started with");
        actor.end();
    }

    fn environment() {
        clear_environment().expect("it can be started again");
        env::vars().for_each(|(name, value)| println!("{name}={value}"));
        ready();
    }

    fn what_is_opened_last_is_opened_as_the_user() {
        if !is_root() {
            return;
        }
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let with_mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
        };
        with_mode(folder.path(), 0o711);
        for (name, mode) in [("for all", 0o666), ("for root", 0o600)] {
            fs::write(folder.path().join(name), "older").expect("it is ours");
            with_mode(&folder.path().join(name), mode);
        }
        let told = Actor::new(this_program().env(FOLDER, folder.path()), "last").end();
        assert_eq!(fs::read_to_string(folder.path().join("for root")).ok().as_deref(), Some("older"));
        assert_eq!(told, ["for all: written", "for root: permission denied", "later: refused"]);
    }

    fn last() {
        let folder = env::var_os(FOLDER).expect("the parent names it");
        let path = |name| Path::new(&folder).join(name);
        let seen = File::open(path("for all")).expect("it is ours");
        let opened =
            confine_after(&Confinement::default(), |_| ["for all", "for root"].map(|n| ReportFile::open(&path(n))));
        let (_, [all, root]) = opened.expect("root can be confined");
        let output = all.expect("everybody may write it");
        (&output).write_all(b"new").expect("there is memory");
        output.place().expect("there is room");
        let text = io::read_to_string(&seen).expect("what is open can be read");
        println!("for all: {}", if text == "new" { "written" } else { &text });
        println!("for root: {}", root.map_or_else(|error| error.kind().to_string(), |_| "opened".into()));
        let later = ReportFile::open(&path("for all")).map_err(|error| error.raw_os_error());
        println!("later: {}", if later.is_err_and(|why| why == Some(1)) { "refused" } else { "opened" });
    }

    /// The program started through `setpriv` with these words; none, and the test is skipped, where it cannot be.
    fn as_another(words: &[&str], role: &str) -> Option<Actor> {
        let mut command = Command::new("setpriv");
        command.args(words).arg(env::current_exe().expect("a test knows its program"));
        let works = Command::new("setpriv").args(words).arg("true").status().is_ok_and(|status| status.success());
        if !works {
            skipped(format_args!("there is no setpriv that takes {words:?}"));
            return None;
        }
        Some(Actor::new(&mut command, role))
    }

    /// As after `setcap`: a user who has the capabilities of capture and no others.
    fn without_root_all_but_the_user_is_confined() {
        if !is_root() {
            return;
        }
        let capture = "+net_raw,+net_admin";
        let (inherited, ambient) = (format!("--inh-caps={capture}"), format!("--ambient-caps={capture}"));
        let words = ["--reuid=4711", "--regid=4712", "--clear-groups", &inherited, &ambient];
        let Some(mut actor) = as_another(&words, "look") else { return };
        let told = actor.until_ready();
        assert_status(&actor, &[("Uid", "4711 4711 4711 4711"), ("Gid", "4712 4712 4712 4712")]);
        let but_bounding = CONFINED.into_iter().filter(|(field, _)| *field != "CapBnd").collect::<Vec<_>>();
        assert_status(&actor, &but_bounding);
        assert!(told.iter().any(|line| line.starts_with("missing: the bounding set")), "{told:?}");
        assert!(!told.iter().any(|line| line.contains("root")), "{told:?}");
        actor.end();
    }

    /// As in a container that was given `CAP_NET_RAW` only.
    fn root_that_may_not_change_is_confined() {
        if !is_root() {
            return;
        }
        let Some(mut actor) = as_another(&["--bounding-set=-all,+net_raw"], "look") else { return };
        let told = actor.until_ready();
        assert_status(&actor, &[("Uid", "0 0 0 0"), ("CapEff", NOTHING), ("NoNewPrivs", "1"), ("Seccomp", "2")]);
        assert!(told.iter().any(|line| line.starts_with("missing: the user stays root")), "{told:?}");
        actor.end();
    }

    #[cfg(feature = "live")]
    mod live {
        use super::super::netns::{Host, Net};
        use super::*;
        use cap_audit::clock::Clock;
        use cap_audit::packet::PacketBatch;
        use cap_audit::source::{LiveError, LiveOptions, LiveSource};

        /// Opens an interface, confines itself, and tells what it sees.
        pub(super) fn child(reopen: bool) {
            let options =
                LiveOptions { filter: Some("udp dst port 4000".into()), wait: reopen, ..LiveOptions::default() };
            let mut source = LiveSource::open(&["one".into()], options, 0).expect("root may capture");
            let confinement = Confinement { read_only: source.descriptors(), reopen, ..Confinement::default() };
            confine(&confinement).expect("root can be confined");
            // Workers are started after that, and the capture goes on in one of them.
            let worker = thread::spawn(move || {
                ready();
                tell_packets(&mut source);
                let loss = source.loss().remove(0);
                println!("loss {:?} {:?} {:?}", loss.received, loss.kernel, loss.card);
                ready();
                for _ in 0..10 {
                    tell_packets(&mut source);
                }
                source.ended().iter().for_each(|(_, why)| println!("{why}"));
                ready();
                for (name, outcome) in source.reopen() {
                    match outcome {
                        Ok(()) => println!("{name} is back"),
                        Err(LiveError::Permission { .. }) => println!("{name} takes permission"),
                        Err(error) => println!("{error}"),
                    }
                }
                ready();
                tell_packets(&mut source);
                let loss = source.loss().remove(0);
                println!("loss {:?} {:?} {:?}", loss.received, loss.kernel, loss.card);
            });
            worker.join().expect("no panic");
        }

        impl Actor {
            fn go_on(&mut self) {
                self.ask.write_all(b"go on\n").expect("the child listens");
            }
        }

        fn tell_packets(source: &mut LiveSource) {
            let mut batch = PacketBatch::new(1);
            source.fill(&mut batch.fill(&mut Clock::default()), usize::MAX, Duration::from_millis(200));
            batch.packets(0).for_each(|packet| println!("packet {}", packet.bytes[42]));
        }

        fn start(net: &Net, role: &str) -> Actor {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", net.name(Host::Near)]);
            command.arg(env::current_exe().expect("a test knows its program"));
            Actor::new(&mut command, role)
        }

        fn send_marks(net: &Net, marks: &[u8]) {
            net.on(Host::Near, || {
                let socket = UdpSocket::bind("10.1.0.1:0").expect("the address is there");
                marks.iter().for_each(|mark| assert_eq!(socket.send_to(&[*mark], "10.1.0.2:4000").ok(), Some(1)));
            });
        }

        /// Up to the end of the interface.
        fn read_to_the_end(net: &Net, role: &str) -> Actor {
            let mut actor = start(net, role);
            actor.until_ready();
            send_marks(net, &[5, 6, 7]);
            actor.go_on();
            let told = actor.until_ready();
            assert_eq!(told, ["packet 5", "packet 6", "packet 7", "loss Some(3) Some(0) Some(0)"]);
            net.ip(Host::Near, "link del one");
            actor.go_on();
            assert_eq!(actor.until_ready(), ["one is gone"]);
            actor
        }

        pub(super) fn an_interface_is_read_to_its_end() {
            let Some(net) = Net::new() else { return };
            let mut actor = read_to_the_end(&net, "live");
            actor.go_on();
            assert!(actor.until_ready().is_empty(), "it is not back");
            actor.end();
        }

        pub(super) fn an_interface_can_be_opened_again() {
            let Some(net) = Net::new() else { return };
            let mut actor = read_to_the_end(&net, "live-reopen");
            net.connect("one", 1);
            actor.go_on();
            assert_eq!(actor.until_ready(), ["one is back"]);
            // CAP_NET_RAW is number 13.
            assert_status(&actor, &[("CapPrm", "0000000000002000"), ("CapEff", "0000000000002000")]);
            assert_status(&actor, &[("CapBnd", NOTHING), ("CapInh", NOTHING), ("CapAmb", NOTHING), ("Seccomp", "2")]);
            assert!(actor.status("Uid").iter().all(|uid| !uid.starts_with("0 ")));
            send_marks(&net, &[8]);
            actor.go_on();
            assert_eq!(actor.end(), ["packet 8", "loss Some(4) Some(0) Some(0)"]);
        }

        pub(super) fn an_interface_cannot_be_opened_again_otherwise() {
            let Some(net) = Net::new() else { return };
            let mut actor = read_to_the_end(&net, "live");
            net.connect("one", 1);
            actor.go_on();
            assert_eq!(actor.until_ready(), ["one takes permission"]);
            actor.end();
        }
    }
}
