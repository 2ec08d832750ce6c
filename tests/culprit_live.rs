//! Who is behind a problem, by what a real system sends: a client, a router and a server in namespaces of their own, each in turn with
//! a rule of nftables against a port. Watched on the client's link. Needs root; elsewhere it says that it was skipped.

#![cfg(all(feature = "live", target_os = "linux"))]

mod netns;
mod skip;

use netns::{Host, Net, on, run, try_run};
use serde_json::Value;
use skip::skipped;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

const SERVER: &str = "10.3.0.1";
/// Nobody has this address.
const NOBODY: &str = "10.3.0.77";
/// The router's address on the client's link.
const ROUTER: &str = "10.1.0.2";
/// A service runs on this port, and one on CGP's.
const OPEN: u16 = 8080;
const CGP: u16 = 2598;
/// Nothing listens on ICA's.
const ICA: u16 = 1494;

/// `near` is the client, `far` the router; behind it a third host, the server.
struct Way {
    net: Net,
    server: String,
}

impl Way {
    fn new() -> Option<Way> {
        let net = Net::new()?;
        let server = format!("{}-server", net.name(Host::Far));
        run(&format!("ip netns add {server}"));
        let router = net.name(Host::Far);
        run(&format!("ip -n {router} link add three type veth peer name three netns {server}"));
        for (host, address) in [(router, "10.3.0.2/24"), (&server, "10.3.0.1/24")] {
            run(&format!("ip netns exec {host} sysctl -qw net.ipv6.conf.three.disable_ipv6=1"));
            run(&format!("ip -n {host} addr add {address} dev three"));
            run(&format!("ip -n {host} link set three up"));
        }
        run(&format!("ip netns exec {router} sysctl -qw net.ipv4.ip_forward=1"));
        run(&format!("ip -n {server} route add default via 10.3.0.2"));
        net.ip(Host::Near, "route add 10.3.0.0/24 via 10.1.0.2");
        let way = Way { net, server };
        for port in [OPEN, CGP] {
            let listener = on(&way.server, || TcpListener::bind((SERVER, port)).expect("the port is free"));
            // It ends with the test.
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let _ = stream.and_then(|mut stream| {
                        let _ = stream.read(&mut [0; 16])?;
                        stream.write_all(b"here")
                    });
                }
            });
        }
        Some(way)
    }

    /// A rule against CGP: `hook` is `forward` on the router, or `input` on the server.
    fn forbids(&self, hook: &str, verdict: &str) {
        let host = if hook == "forward" { self.net.name(Host::Far) } else { &self.server };
        let chain = format!("add chain ip f c {{ type filter hook {hook} priority 0; }}");
        let rule = format!("add rule ip f c tcp dport {CGP} {verdict}");
        let rules = format!("add table ip f; {chain}; {rule}");
        try_run("ip", &["netns", "exec", host, "nft", &rules]).unwrap_or_else(|why| panic!("{rules}: {why}"));
    }

    /// What is told about attempts at a port, between flows on another port that work.
    fn told_of(&self, address: &str, port: u16) -> Value {
        let client = self.net.name(Host::Near);
        let program = env!("CARGO_BIN_EXE_cap-audit");
        let command = ["netns", "exec", client, program, "live", "one", "--duration", "15", "--format", "json"];
        let watch = Command::new("ip").args(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut watch = watch.expect("ip runs");
        let mut lines = BufReader::new(watch.stderr.take().expect("it was piped"));
        let mut said = String::new();
        while !said.contains("watching ") {
            assert!(lines.read_line(&mut said).is_ok_and(|bytes| bytes > 0), "it does not watch: {said}");
        }
        // What it says later is not read, and little.
        self.net.on(Host::Near, || {
            for _ in 0..2 {
                works(OPEN);
                let to: SocketAddr = format!("{address}:{port}").parse().expect("an address");
                assert!(TcpStream::connect_timeout(&to, Duration::from_millis(4_500)).is_err(), "{to} was forbidden");
                works(OPEN);
            }
        });
        let out = watch.wait_with_output().expect("it ends by itself").stdout;
        let report: Value = serde_json::from_slice(&out).expect("a report");
        let problems = report["problems"].as_array().expect("a list").iter();
        let culprits: Vec<&Value> = problems.map(|problem| &problem["culprit"]).filter(|it| !it.is_null()).collect();
        let [culprit] = culprits[..] else { panic!("one culprit: {culprits:?}") };
        culprit.clone()
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let _ = try_run("ip", &["netns", "del", &self.server]);
    }
}

fn works(port: u16) {
    let mut stream = TcpStream::connect((SERVER, port)).expect("it works");
    stream.write_all(b"hello").expect("it works");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("it works");
}

fn list(culprit: &Value, field: &str) -> Vec<String> {
    let items = culprit[field].as_array().expect("a list").iter();
    items.filter_map(|item| item.as_str().map(String::from)).collect()
}

/// Lets somebody stop attempts, and looks at who is said to have done it.
fn who(hook: &str, verdict: &str, (address, port): (&str, u16), check: fn(&Value)) {
    let Some(way) = Way::new() else { return };
    if !verdict.is_empty() {
        way.forbids(hook, verdict);
    }
    check(&way.told_of(address, port));
}

#[test]
fn those_who_stop_an_attempt_are_told_from_one_another() {
    if try_run("nft", &["--version"]).is_err() {
        return skipped("nftables");
    }
    let at_cgp = (SERVER, CGP);
    thread::scope(|scope| {
        scope.spawn(|| {
            // A router's reset has the router's time to live, and is in all else like that of a Linux server (facts FORGED-02).
            who("forward", "reject with tcp reset", at_cgp, |culprit| {
                assert_eq!(
                    (&culprit["kind"], &culprit["confidence"]),
                    (&"middlebox".into(), &"low".into()),
                    "{culprit:#}"
                );
                assert_eq!(list(culprit, "sign_codes")[0], "sign-reset-ttl-local", "{culprit:#}");
            });
        });
        scope.spawn(|| {
            who("", "", (SERVER, ICA), |culprit| {
                assert_eq!(culprit["kind"], "server", "{culprit:#}");
                assert_eq!(culprit["address"], SERVER);
                assert!(list(culprit, "not_excluded").contains(&"host_firewall".into()), "{culprit:#}");
            });
        });
        scope.spawn(|| {
            // Nobody can tell this from a closed port, so it must not be excluded.
            who("input", "reject with tcp reset", at_cgp, |culprit| {
                assert!(list(culprit, "not_excluded").contains(&"host_firewall".into()), "{culprit:#}");
                assert_ne!(culprit["confidence"], "high", "{culprit:#}");
            });
        });
        scope.spawn(|| {
            who("forward", "reject with icmp type admin-prohibited", at_cgp, |culprit| {
                assert_eq!(
                    (&culprit["kind"], &culprit["confidence"]),
                    (&"middlebox".into(), &"high".into()),
                    "{culprit:#}"
                );
                assert_eq!(culprit["address"], ROUTER);
            });
        });
        scope.spawn(move || {
            who("input", "reject with icmp type admin-prohibited", at_cgp, |culprit| {
                assert_eq!(culprit["kind"], "host_firewall", "{culprit:#}");
            });
        });
        scope.spawn(|| {
            who("input", "reject", at_cgp, |culprit| {
                assert_eq!(culprit["kind"], "host_firewall", "{culprit:#}");
                assert_eq!(list(culprit, "sign_codes")[0], "sign-icmp-instead-of-reset", "{culprit:#}");
            });
        });
        for hook in ["forward", "input"] {
            scope.spawn(move || {
                // From the client's link the two look the same.
                who(hook, "drop", at_cgp, |culprit| {
                    assert_eq!(culprit["kind"], "unknown", "{culprit:#}");
                    let possible = list(culprit, "not_excluded");
                    assert!(
                        ["host_firewall", "middlebox"].iter().all(|it| possible.contains(&it.to_string())),
                        "{culprit:#}"
                    );
                    assert_eq!(list(culprit, "sign_codes"), ["sign-alive"], "{culprit:#}");
                });
            });
        }
        scope.spawn(|| {
            // The router asks for it in vain on its own link, and says so.
            who("", "", (NOBODY, CGP), |culprit| {
                assert_eq!(culprit["kind"], "server", "{culprit:#}");
                assert!(list(culprit, "sign_codes").contains(&"sign-icmp-no-host".into()), "{culprit:#}");
            });
        });
    });
}
