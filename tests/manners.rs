//! What a user types and sees at the terminal: what was meant, filters, and displays that fit.

mod skip;

#[cfg(feature = "live")]
use serde_json::Value;
use skip::skipped;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

// What was meant.

#[test]
fn a_capture_in_the_place_of_a_command_is_answered_with_the_command() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    for name in ["a.pcap", "my case", "a;touch b", "$(id)"] {
        fs::copy(capture("office"), directory.path().join(name)).expect("a fixture can be copied");
    }
    for (typed, proposed) in [
        (&["a.pcap"][..], "`cap-audit file a.pcap`"),
        (&["missing.pcapng"], "`cap-audit file missing.pcapng`"),
        (&["MISSING.CAP"], "`cap-audit file MISSING.CAP`"),
        (&["my case"], "`cap-audit file 'my case'`"),
        (&["a;touch b"], "`cap-audit file 'a;touch b'`"),
        (&["$(id)"], "`cap-audit file '$(id)'`"),
        (&["-"], "`cap-audit file -`"),
        (&["."], "`cap-audit file .`"),
        (&["a.pcap", "--format", "json"], "`cap-audit file a.pcap --format json`"),
        (&["--format", "json", "a.pcap"], "`cap-audit file --format json a.pcap`"),
        (&["a.pcap", "--nothing-such"], "`cap-audit file a.pcap`"),
    ] {
        let told = Told::from(program().args(typed).current_dir(directory.path()).output());
        assert_eq!((told.code, told.out.as_str()), (2, ""), "{typed:?}: {}", told.err);
        assert_eq!(told.err.lines().count(), 1, "{}", told.err);
        assert!(told.err.ends_with(&format!("{proposed}\n")), "{typed:?}: {}", told.err);
    }
    let told = cap_audit(&["a\x1b[2Jb.pcap"]);
    assert_eq!(told.code, 2);
    assert!(!told.err.contains('\x1b') && told.err.contains("type `file` before"), "{}", told.err);
}

/// The first command that is proposed does what was meant.
#[test]
fn the_proposed_command_can_be_pasted() {
    if cfg!(not(unix)) {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let name = "it's `id` & $HOME.pcap";
    fs::copy(capture("office"), directory.path().join(name)).expect("a fixture can be copied");
    let told = Told::from(program().arg(name).current_dir(directory.path()).output());
    let (_, proposed) = told.err.split_once("captures: `cap-audit ").expect("a command is proposed");
    let pasted = format!("'{}' {}", env!("CARGO_BIN_EXE_cap-audit"), proposed.trim_end().trim_end_matches('`'));
    let told = Told::from(Command::new("sh").args(["-c", &pasted]).current_dir(directory.path()).output());
    assert_eq!(told.code, 1, "the office has errors: {}", told.err);
    assert!(told.out.contains("TCP 2598 (session reliability): no answer"), "{}", told.out);
}

#[cfg(all(feature = "live", target_os = "linux"))]
#[test]
fn an_interface_in_the_place_of_a_command_is_answered_with_the_command() {
    for (typed, proposed) in [
        (&["lo"][..], "`sudo cap-audit live lo`"),
        (&["any", "--duration", "5m"], "`sudo cap-audit live any --duration 5m`"),
    ] {
        let told = cap_audit(typed);
        assert_eq!((told.code, told.out.as_str()), (2, ""), "{}", told.err);
        assert!(told.err.ends_with(&format!("{proposed}\n")), "{}", told.err);
    }
}

#[cfg(all(feature = "live", target_os = "linux"))]
#[test]
fn live_without_an_interface_lists_them() {
    let told = cap_audit(&["live"]);
    assert_eq!((told.code, told.out.as_str()), (2, ""));
    let listed = cap_audit(&["live", "--list"]).out;
    assert!(listed.contains("lo ") && told.err.contains(&listed), "{}", told.err);
    let last = told.err.lines().last().unwrap_or_default();
    assert!(last.contains("for example with `sudo cap-audit live "), "{last}");
}

#[cfg(feature = "live")]
#[test]
fn what_live_cannot_do_is_a_wrong_command_line() {
    let cases: [(&[&str], &str); 14] = [
        (&["lo", "any"], "'any' watches every interface already, so each packet of 'lo' would be counted twice"),
        (&["any,lo"], "name 'any' alone"),
        (&["lo", "--interval", "5s", "--format", "json"], "'--interval' cannot be used with '--format json'"),
        (&["lo", "--interval", "5s", "--format", "csv"], "'--interval' cannot be used with '--format csv'"),
        (&["lo", "--interval", "5s", "--format", "ndjson"], "tells findings and flows as they come"),
        (&["lo", "--problem", "1"], "'--problem' looks into a finished capture, and a live audit has none; use '-v'"),
        (&["lo", "--by", "client"], "'--by' looks into a finished capture"),
        (&["lo", "--snaplen", "77"], "at least 78 bytes are needed to judge a packet"),
        (&["lo", "--snaplen", "many"], "0, or a number from 78 to 262144"),
        (&["lo", "--duration", "5x"], "40, 40s, 5m or 1h30m"),
        (&["lo", "--duration", "0"], "at least one"),
        (&["lo", "--interval", "soon"], "40, 40s, 5m or 1h30m"),
        (&["lo", "--packets", "1.5M"], "5000, 10k or 1M"),
        (&["lo,"], "a value is required for '[INTERFACE]...'"),
    ];
    for (arguments, words) in cases {
        let told = cap_audit(&[&["live"], arguments].concat());
        assert_eq!((told.code, told.out.as_str()), (2, ""), "{arguments:?}: {}", told.err);
        assert!(told.err.contains(words), "{arguments:?}: {}", told.err);
    }
    for arguments in [["bench", "--packets", "1.5M"], ["bench", "--flows", "11M"]] {
        assert_eq!(cap_audit(&arguments).code, 2);
    }
}

/// One option has one text, whichever command has it.
#[cfg(feature = "live")]
#[test]
fn file_and_live_describe_what_they_share_in_the_same_words() {
    let options = |command: &str| {
        let help = cap_audit(&[command, "--help"]).out;
        let (_, options) = help.split_once("Options:\n").expect("it has options");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        options.split("\n\n").map(words).collect::<Vec<_>>()
    };
    let (file, live) = (options("file"), options("live"));
    for name in ["--output", "--port-map", "--workers", "--fail-on", "--flows", "--color", "--quiet", "--verbose"] {
        let of = |options: &[String]| {
            let names_it = |text: &&String| text.split(' ').take(2).any(|word| word == name);
            options.iter().find(names_it).cloned()
        };
        assert!(of(&file).is_some(), "{name}: {file:?}");
        assert_eq!(of(&file), of(&live), "{name}");
    }
}

#[test]
fn verbose_does_not_count_captures_that_are_not_there() {
    let told = cap_audit(&["file", "-v", "nothing-such.pcap"]);
    assert_eq!(told.code, 3);
    assert_eq!(told.err.lines().count(), 1, "{}", told.err);
    assert!(told.err.contains("there is no such file"), "{}", told.err);
}

// Filters.

#[cfg(feature = "live")]
#[test]
fn a_display_filter_is_answered_with_the_filter_that_is_needed() {
    let office = text(&capture("office"));
    for (typed, needed) in [
        ("ip.addr==10.0.0.1", "here `--filter 'host 10.0.0.1'`"),
        ("tcp.port == 2598", "here `--filter 'tcp port 2598'`"),
        ("tcp.flags.syn==1", "here `--filter 'tcp[tcpflags] & tcp-syn != 0'`, for IPv4 only"),
        ("ip.src==10.0.0.1 && udp.port==16500", "here `--filter 'src host 10.0.0.1 and udp port 16500'`"),
        ("tls.handshake.type==1", "such as `--filter 'host 10.0.0.1 and tcp port 2598'`"),
    ] {
        for arguments in [["file", &office, "--filter", typed], ["live", "lo", "--filter", typed]] {
            let told = cap_audit(&arguments);
            assert_eq!((told.code, told.out.as_str()), (2, ""), "{arguments:?}: {}", told.err);
            assert!(told.err.contains("it is a display filter of Wireshark"), "{}", told.err);
            assert!(told.err.trim_end().ends_with(needed), "{}", told.err);
        }
    }
    let told = cap_audit(&["file", &office, "--filter", "prt 80"]);
    assert_eq!((told.code, told.out.as_str()), (2, ""));
    assert!(told.err.contains("cannot use the filter `prt 80`: ") && told.err.contains("syntax error"), "{}", told.err);
}

/// tcpdump filters first, and what comes out is audited without a filter: the oracle.
#[cfg(feature = "live")]
#[test]
fn a_filter_finds_what_is_found_in_what_tcpdump_lets_through() {
    if !Command::new("tcpdump").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return skipped("tcpdump is not installed");
    }
    // Two link types; a filter that passes everything, some, one direction, nothing.
    for (name, filter, some) in [
        ("office", "port 2598", true),
        ("office", "tcp and not port 2598", true),
        ("office", "src host 10.77.27.13", true),
        ("office", "ip or ip6", true),
        ("vlan", "not vlan", false),
        ("cut-64", "tcp", true),
        ("vlan", "vlan and tcp", true),
        ("any-sll2", "tcp", true),
        ("ipv6", "ip6 and tcp", true),
    ] {
        let path = capture(name);
        let passed = Command::new("tcpdump")
            .args(["-r", &text(&path), "-w", "-", filter])
            .stderr(Stdio::null())
            .output()
            .expect("tcpdump runs")
            .stdout;
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let oracle = directory.path().join("passed.pcap");
        fs::write(&oracle, passed).expect("it can be written");
        let expected = report(&[&text(&oracle)]);
        let found = report(&[&text(&path), "--filter", filter]);
        // Where nothing passes, tcpdump writes a capture without packets, which is a finding of its own.
        let parts: &[&str] = if some { &["findings", "flows", "services"] } else { &["flows", "services"] };
        for &part in parts {
            assert_eq!(without_places(&found[part]), without_places(&expected[part]), "{name}, {filter}: {part}");
        }
        for sum in ["flows", "expected", "unexpected", "unmapped", "not_evaluable", "blocked"] {
            assert_eq!(found["totals"][sum], expected["totals"][sum], "{name}, {filter}: {sum}");
        }
        let [line, whole] = [&found, &expected].map(|report| &report["captures"][0]);
        assert_eq!(line["filter"]["program"], filter);
        let (left_out, all) = (line["filter"]["left_out"].as_u64(), line["packets"].as_u64());
        assert_eq!(all.zip(left_out).map(|(all, out)| all - out), whole["packets"].as_u64(), "{name}, {filter}");
        assert_eq!(whole["packets"].as_u64() > Some(0), some, "{name}, {filter}: the example shows what it should");
        assert!(whole["filter"].is_null());
    }
}

#[cfg(feature = "live")]
#[test]
fn what_a_filter_leaves_out_is_named() {
    let office = text(&capture("office"));
    let told = cap_audit(&["file", "-v", &office, "--filter", "port 2598"]);
    let flat = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("The filter \"port 2598\" left out 175 of 468 packets of "), "{flat}");
    assert!(flat.contains("they were not looked into"), "{flat}");
    let nothing = report(&[&office, "--filter", "port 9"]);
    assert_eq!(nothing["quality"]["verdict"], "poor");
    assert_eq!(nothing["captures"][0]["filter"]["left_out"], nothing["captures"][0]["packets"]);
    // Two captures, two counts.
    let both = report(&[&office, &text(&capture("ipv6")), "--filter", "ip6"]);
    assert_eq!(both["captures"][0]["filter"]["left_out"], 468);
    assert!(both["captures"][1]["filter"]["left_out"].as_u64() < both["captures"][1]["packets"].as_u64());
}

/// Ethernet addresses have no meaning for raw IP: that capture is told, the other is audited.
#[cfg(feature = "live")]
#[test]
fn a_filter_without_meaning_for_a_link_type_is_told() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let raw = directory.path().join("raw.pcap");
    let header: [&[u8]; 6] =
        [&0xA1B2_C3D4_u32.to_le_bytes(), &[2, 0, 4, 0], &[0; 8], &[0, 0, 4, 0], &[101, 0, 0, 0], &[]];
    let packet =
        [&[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2][..], &[0, 53, 0, 53, 0, 8, 0, 0]]
            .concat();
    let record = [&[0; 8][..], &[28, 0, 0, 0, 28, 0, 0, 0], &packet].concat();
    fs::write(&raw, [header.concat(), record].concat()).expect("it can be written");
    let office = text(&capture("office"));
    let told = cap_audit(&["file", &text(&raw), &office, "--filter", "ether host 02:00:00:00:00:01"]);
    assert_eq!(told.code, 3, "{}", told.err);
    assert!(
        told.err.contains("its packets are of link type raw, for which the filter has no meaning ("),
        "{}",
        told.err
    );
    assert!(told.out.contains("office"), "{}", told.out);
    let passes = report(&[&text(&raw), "--filter", "udp port 53"]);
    assert_eq!(passes["captures"][0]["filter"]["left_out"], 0);
    assert_eq!(passes["totals"]["flows"], 1);
}

#[cfg(not(feature = "live"))]
#[test]
fn without_libpcap_a_filter_is_refused_with_the_reason() {
    let told = cap_audit(&["file", &text(&capture("office")), "--filter", "tcp"]);
    assert_eq!((told.code, told.out.as_str()), (2, ""));
    assert!(told.err.contains("built without libpcap"), "{}", told.err);
}

// Displays.

#[test]
fn sixty_columns_are_enough() {
    let folders = fs::read_dir(fixtures()).expect("fixtures/ is part of the repository");
    let names = folders.filter_map(Result::ok).filter(|entry| entry.path().is_dir()).map(|entry| entry.path());
    let mut seen = 0;
    for folder in names {
        let name = if folder.join("capture.pcap").exists() { "capture.pcap" } else { "capture.pcapng" };
        let shown = |arguments: &[&str]| {
            let mut command = program();
            command.args(["file", "--flows", "--color", "always"]).args(arguments).arg(name).current_dir(&folder);
            without_colors(&Told::from(command.env("COLUMNS", "60").output()).out)
        };
        for line in shown(&[]).lines() {
            assert!(line.chars().count() <= 60, "{}: {line}", folder.display());
        }
        let shown = shown(&["-v"]);
        // The id of a rule is never broken: people search for it.
        for line in shown.lines().filter(|line| line.split_whitespace().count() > 1) {
            assert!(line.chars().count() <= 60, "{}: {line}", folder.display());
        }
        let Some((_, services)) = shown.split_once("\n\nServices\n\n") else { continue };
        if !services.starts_with("No flow") {
            let head: Vec<&str> = services.lines().next().unwrap_or_default().split_whitespace().collect();
            assert!(head.starts_with(&["service", "flows", "blocked", "packets", "bytes"]), "{head:?}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_what_it_can_show() {
    // Bytes come from a pipe, with a pause that is long enough for progress to be shown.
    let office = text(&capture("office"));
    let feed = format!("(head -c 40000 '{office}'; sleep 2.5; tail -c +40001 '{office}')");
    let run = |environment: &[(&str, &str)]| {
        let line = format!("{feed} | '{}' file --fail-on never -", env!("CARGO_BIN_EXE_cap-audit"));
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env_remove("NO_COLOR").env_remove("COLUMNS").env("TERM", "xterm");
        command
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .output()
            .ok()
            .map(|output| Told::from(Ok(output)))
    };
    let run = &run;
    let [able, dumb, plain] = thread::scope(|scope| {
        [&[][..], &[("TERM", "dumb")], &[("NO_COLOR", "1")]]
            .map(|environment| scope.spawn(move || run(environment)))
            .map(|run| run.join().expect("it does not panic"))
    });
    let (Some(able), Some(dumb), Some(plain)) = (able, dumb, plain) else { return skipped("script is not installed") };
    assert_eq!(able.code, 0, "{}", able.out);
    assert!(able.out.contains("\x1b[") && able.out.contains("3 PROBLEMS"), "{}", able.out);
    let told = able.out.split(['\r', '\n']).find(|line| line.contains(" read, ") && line.contains(" packets, "));
    let told = without_colors(told.expect("progress is shown"));
    assert!(told.contains("kB read, ") && told.trim_end().ends_with("B/s") && !told.contains('%'), "{told}");

    assert!(dumb.out.contains("3 PROBLEMS"));
    assert!(!dumb.out.contains('\x1b') && !dumb.out.contains(" read, "), "{}", dumb.out);
    let (_, report) = plain.out.split_once("standard input").expect("there is a report");
    assert!(!report.contains('\x1b'), "{report}");
}

// What the tests share.

struct Told {
    code: i32,
    out: String,
    err: String,
}

impl From<std::io::Result<Output>> for Told {
    fn from(output: std::io::Result<Output>) -> Told {
        let output = output.expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("everything that is told is text");
        let code = output.status.code().expect("nothing kills the program");
        Told { code, out: text(output.stdout), err: text(output.stderr) }
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cap-audit"));
    command.env_remove("NO_COLOR").env_remove("COLUMNS");
    command
}

fn cap_audit(arguments: &[&str]) -> Told {
    program().args(arguments).output().into()
}

#[cfg(feature = "live")]
fn report(arguments: &[&str]) -> Value {
    let told = cap_audit(&[&["file", "--format", "json"], arguments].concat());
    serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", told.err))
}

/// Without the numbers of packets, which are others in a capture that was filtered before.
#[cfg(feature = "live")]
fn without_places(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| *name != "packet");
            kept.map(|(name, value)| (name.clone(), without_places(value))).collect()
        }
        Value::Array(values) => values.iter().map(without_places).collect(),
        other => other.clone(),
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn capture(name: &str) -> PathBuf {
    let path = fixtures().join(name).join("capture.pcapng");
    if path.exists() { path } else { path.with_extension("pcap") }
}

fn text(path: &Path) -> String {
    path.to_str().expect("the path is text").to_string()
}

/// Without the escape sequences of colours, `ESC [ ... m`, and of the cursor.
fn without_colors(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().to_string();
    let is_end = |c: char| c.is_ascii_alphabetic();
    parts.fold(first, |text, part| text + part.find(is_end).map_or("", |at| &part[at + 1..]))
}
