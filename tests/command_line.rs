//! The command line as a user and as a script meet it: options, exit codes, formats, and the names that the contract fixes.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

// What is typed.

#[test]
fn a_wrong_command_line_ends_with_2_and_says_why() {
    let office = fixture("office");
    let office = office.to_str().expect("the path is text");
    let cases: [(&[&str], &str); 25] = [
        (&[], "Usage: cap-audit"),
        (&["file"], "<CAPTURE>"),
        (&["fiel", office], "similar subcommand exists: 'file'"),
        (&["file", "--wrong", office], "--wrong"),
        (&["file", "--format", "xml", office], "text, json, ndjson, csv"),
        (&["file", "--format", office], "text, json, ndjson, csv"),
        (&["file", "--workers", "0", office], "--workers"),
        (&["file", "--workers", "257", office], "--workers"),
        (&["file", "--workers", "many", office], "--workers"),
        (&["file", "--fail-on", "info", office], "error, warning, never"),
        (&["file", "--color", "green", office], "auto, always, never"),
        (&["file", "-q", "-v", office], "cannot be used with"),
        (&["file", "--problem", "1", "--by", "client", office], "'--problem <N>' cannot be used with '--by <WHAT>'"),
        (&["file", "--problem", "1", "--flows", office], "'--problem <N>' cannot be used with '--flows'"),
        (&["file", "--by", "server", "--flows", office], "'--by <WHAT>' cannot be used with '--flows'"),
        (&["file", "--by", "host", office], "client, server, service"),
        (&["file", "--problem", "1", "--format", "json", office], "'--problem' is a page for people"),
        (&["file", "--by", "client", "--format", "csv", office], "'--by' is a page for people"),
        (&["file", "--problem", "5", office], "cannot show problem 5: there are 4 in these captures, numbers 1 to 4"),
        (&["file", "--problem", "p-nothing", office], "cannot show problem p-nothing: there are 4"),
        (&["file", "--problem", "0", office], "cannot show problem 0: there are 4"),
        (&["ports", "--port", "0"], "--port"),
        (&["ports", "--port", "65536"], "--port"),
        (&["ports", "--protocol", "sctp"], "tcp, udp, icmp"),
        (&["ports", "--format", "ndjson"], "text, csv, json"),
    ];
    for (arguments, words) in cases {
        let told = cap_audit(arguments);
        assert_eq!((told.code, told.out.as_str()), (2, ""), "{arguments:?}: {}", told.err);
        assert!(told.err.contains(words), "{arguments:?}: {}", told.err);
    }
}

#[test]
fn help_names_every_option_and_fits_the_terminal() {
    let cases: [(&[&str], &[&str]); 3] = [
        (&["--help"], &["file", "ports", "--version", "Examples:"]),
        (
            &["file", "--help"],
            &[
                "--format",
                "text",
                "json",
                "ndjson",
                "csv",
                "--output",
                "-o",
                "--port-map",
                "--workers",
                "--fail-on",
                "error",
                "warning",
                "never",
                "--flows",
                "--problem",
                "--by",
                "--color",
                "auto",
                "always",
                "NO_COLOR",
                "--quiet",
                "-q",
                "--verbose",
                "-v",
                "Exit codes:",
            ],
        ),
        (
            &["ports", "--help"],
            &["--product", "--port", "--protocol", "--role", "--format", "-o", "--port-map", "Examples:"],
        ),
    ];
    for (arguments, words) in cases {
        let told = cap_audit(arguments);
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{arguments:?}");
        for word in words {
            assert!(told.out.contains(word), "{arguments:?} does not name {word}");
        }
        let longest = told.out.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(100), "{arguments:?}: {longest:?}");
    }
    let codes = cap_audit(&["file", "--help"]).out;
    let (_, codes) = codes.split_once("Exit codes:").expect("they were just found");
    for code in ["0", "1", "2", "3", "4"] {
        assert!(codes.lines().any(|line| line.trim_start().starts_with(&format!("{code}  "))), "{code}: {codes}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    for argument in ["--version", "-V"] {
        let told = cap_audit(&[argument]);
        assert_eq!((told.code, told.out), (0, format!("cap-audit {}\n", env!("CARGO_PKG_VERSION"))));
    }
}

/// Contract: exit codes. Office has errors, ica-on-8494 a warning only, cgp-healthy nothing, empty no packet.
#[test]
fn fail_on_decides_the_exit_code() {
    let cases = [
        ("office", [1, 1, 0]),
        ("ica-on-8494", [0, 1, 0]),
        ("cgp-healthy", [0, 0, 0]),
        ("empty", [4, 4, 4]),
        ("no such fixture", [3, 3, 3]),
    ];
    for (name, codes) in cases {
        let path = fixture(name);
        for (severity, code) in ["error", "warning", "never"].into_iter().zip(codes) {
            let told = file(&["--fail-on", severity], &path);
            assert_eq!(told.code, code, "{name} with --fail-on {severity}: {}", told.err);
        }
        assert_eq!(file(&[], &path).code, codes[0], "the default is error");
    }
}

#[test]
fn quiet_silences_remarks_and_not_errors() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    fs::copy(fixture("cgp-healthy"), directory.path().join("a.pcap")).expect("a fixture can be copied");
    fs::write(directory.path().join("notes.txt"), "hello\n").expect("the directory can be written to");
    let loud = file(&[], directory.path());
    let quiet = file(&["-q"], directory.path());
    assert_eq!((loud.err.lines().count(), quiet.err.as_str()), (1, ""), "{}", loud.err);
    assert_eq!((loud.code, &loud.out), (quiet.code, &quiet.out));
    let error = file(&["--quiet"], &directory.path().join("missing.pcap"));
    assert_eq!((error.code, error.err.lines().count()), (3, 1), "{}", error.err);
}

#[test]
fn verbose_names_everything_and_tells_what_is_done() {
    // DNS stands in many rules: more than the short list holds.
    let path = fixture("dns-dropped");
    let short = file(&[], &path);
    let long = file(&["-v", "--workers", "2"], &path);
    assert_eq!(long.err, "cap-audit: reading 1 capture with 2 worker threads\n");
    let finding = &report("dns-dropped")["findings"][0];
    let told = flat(&long.out);
    for name in ["rules", "products"].iter().flat_map(|list| texts(&finding[*list])) {
        assert!(told.contains(&flat(&name)), "{name}");
    }
    let rules = texts(&finding["rules"]);
    assert!(rules.iter().any(|rule| !short.out.contains(rule)) && short.out.contains("-v"), "{}", short.out);
}

// Where the report goes, and how it looks.

#[test]
fn a_file_gets_what_standard_output_would_get() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let output = directory.path().join("report");
    fs::write(&output, "of yesterday, and longer than any report can be: ".repeat(10_000)).expect("it can be written");
    let target = output.to_str().expect("the path is text");
    for format in FORMATS {
        let told = file(&["--format", format], &fixture("office"));
        let written = file(&["--format", format, "-o", target], &fixture("office"));
        assert_eq!((written.code, written.out.as_str(), written.err.as_str()), (1, "", ""));
        assert_eq!(fs::read_to_string(&output).expect("it was written"), told.out, "{format}");
    }
    let ports = cap_audit(&["ports", "--format", "csv"]).out;
    assert_eq!(cap_audit(&["ports", "--format", "csv", "--output", target]).out, "");
    assert_eq!(fs::read_to_string(&output).expect("it was written"), ports);
}

#[test]
fn colors_come_when_they_are_asked_for() {
    let path = fixture("office");
    let plain = file(&[], &path).out;
    let colored = file(&["--color", "always"], &path).out;
    assert!(!plain.contains('\x1b'), "a pipe has no colours");
    assert_eq!(file(&["--color", "never"], &path).out, plain);
    assert!(colored.contains("\x1b["));
    assert_eq!(without_colors(&colored), plain, "colours change nothing else");
    let with_no_color = |color: &str| {
        let mut command = program();
        Told::from(command.env("NO_COLOR", "1").args(["file", "--color", color]).arg(&path).output().expect("it runs"))
            .out
    };
    assert_eq!(with_no_color("auto"), plain);
    assert_eq!(with_no_color("always"), colored, "what is typed counts more than the environment");
}

#[test]
fn flows_are_listed_when_they_are_asked_for() {
    for folder in FOLDERS {
        let report = report(folder);
        let text = file(&["--flows"], &fixture(folder)).out;
        let short = file(&[], &fixture(folder)).out;
        assert!(text.starts_with(&short), "{folder}: the list stands at the end");
        let list = flat(&text[short.len()..]);
        let flows = report["flows"].as_array().expect("flows are a list");
        for flow in flows {
            let end = |end: &Value| {
                let (address, port) = (text_of(&end["address"]), &end["port"]);
                if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
            };
            let ends = format!("{} -> {}", end(&flow["client"]), end(&flow["server"]));
            let line = format!(
                "{} {} {ends} {} ({}), {}",
                flow["id"],
                text_of(&flow["protocol"]),
                text_of(&flow["outcome"]),
                text_of(&flow["state"]),
                text_of(&flow["verdict"])
            );
            assert!(list.contains(&line), "{folder}: {line} in {list}");
        }
        assert_eq!(list.matches(" -> ").count(), flows.len(), "{folder}");
    }
}

#[test]
fn the_text_begins_with_what_is_wrong() {
    for folder in FOLDERS {
        let report = report(folder);
        let number = |severity: &str| {
            let all = report["problems"].as_array().expect("problems are a list");
            all.iter().filter(|problem| problem["severity"] == severity).count()
        };
        let plural = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let (errors, warnings) = (number("error"), number("warning"));
        let counts: Vec<String> = [(errors, "error"), (warnings, "warning")]
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| plural(number, what))
            .collect();
        let expected = match errors + warnings {
            0 if report["totals"]["evaluable"] == 0 => "Nothing could be judged".to_string(),
            0 if report["services"].as_array().is_some_and(Vec::is_empty) => "No Citrix traffic was recognised".into(),
            0 => "Nothing wrong in ".into(),
            1 => format!("1 PROBLEM: {}", counts.join(", ")),
            problems => format!("{problems} PROBLEMS: {}", counts.join(", ")),
        };
        for arguments in [&[][..], &["-v"]] {
            let text = flat(&file(arguments, &fixture(folder)).out);
            assert!(text.contains(&expected), "{folder}: {expected}: {text}");
        }
    }
}

// The formats.

/// Contract: the names of all fields, as they were fixed. More may be added, none may go.
#[test]
fn the_json_report_has_the_names_of_the_contract() {
    let office = report("office");
    let has = |place: &str, value: &Value, names: &str| {
        for name in names.split_whitespace() {
            assert!(value.get(name).is_some(), "{place} lacks {name}: {value}");
        }
    };
    let both = |place: &str, value: &Value| has(place, value, "client server");
    has("report", &office, "schema program port_map captures quality totals services findings flows");
    assert_eq!(office["schema"], "cap-audit/report/1");
    has("program", &office["program"], "name version");
    has("port_map", &office["port_map"], "name version rules");
    assert_eq!(office["port_map"]["rules"], 309);
    has("quality", &office["quality"], "verdict remarks");
    has("totals", &office["totals"], "packets bytes flows expected unexpected unmapped not_evaluable blocked");
    for capture in list(&office["captures"]) {
        has(
            "capture",
            capture,
            "name format link_types packets bytes first last duration_s truncated_packets skipped dropped damage",
        );
        has("dropped", &capture["dropped"], "kernel interface own");
    }
    for service in list(&office["services"]) {
        has("service", service, "service rules flows packets bytes blocked handshake_rtt_us");
        has("handshake_rtt_us", &service["handshake_rtt_us"], "count min p50 p90 p99 p999 max");
    }
    for finding in list(&office["findings"]) {
        has(
            "finding",
            finding,
            "code severity confidence title meaning remedy source clients servers protocol port service rules flows flow_count \
             first last evidence wireshark_filter",
        );
        for evidence in list(&finding["evidence"]) {
            has("evidence", evidence, "capture packet note");
        }
    }
    for flow in list(&office["flows"]) {
        has(
            "flow",
            flow,
            "id community_id protocol client server direction_basis first last duration_s packets ip_bytes payload_bytes outcome \
             blocked state handshake_rtt_us retransmissions vlan tunnel server_name heard service rules basis verdict reason",
        );
        for end in ["client", "server"] {
            has(end, &flow[end], "address port");
        }
        for pair in ["packets", "ip_bytes", "payload_bytes", "retransmissions"] {
            both(pair, &flow[pair]);
        }
    }
    let cut = case_cut();
    has("damage", &cut["captures"][0]["damage"], "position packet what");
}

#[test]
fn words_of_the_report_are_those_of_the_contract() {
    let outcomes =
        "established answered silent refused prohibited half_open reset_early unanswered midstream one_way undecided";
    let blocked = ["silent", "refused", "prohibited", "half_open", "reset_early"];
    let words: [(&str, &str); 5] = [
        ("outcome", outcomes),
        ("state", "S0 S1 SF REJ S2 S3 RSTO RSTR RSTOS0 RSTRH SH SHR OTH"),
        ("direction_basis", "handshake port_map payload port_order first_packet"),
        ("basis", "signature roles port none"),
        ("verdict", "expected unexpected unmapped not_evaluable"),
    ];
    let themes = [
        "blocked.",
        "service.",
        "tls.",
        "fallback.",
        "launch.",
        "unexpected.",
        "encryption.",
        "quality.",
        "coverage.",
        "path.",
    ];
    for folder in FOLDERS {
        let report = report(folder);
        for flow in list(&report["flows"]) {
            for (field, words) in words {
                assert!(words.split_whitespace().any(|word| flow[field] == word), "{folder}: {field} {}", flow[field]);
            }
            assert_eq!(flow["blocked"], blocked.contains(&text_of(&flow["outcome"]).as_str()), "{folder}: {flow}");
            for time in ["first", "last"] {
                is_time(&flow[time], folder);
            }
            assert!(text_of(&flow["community_id"]).starts_with("1:"), "{folder}: {flow}");
        }
        for finding in list(&report["findings"]) {
            let code = text_of(&finding["code"]);
            assert!(themes.iter().any(|theme| code.starts_with(theme)), "{folder}: {code}");
            assert!(["error", "warning", "info"].iter().any(|severity| finding["severity"] == *severity), "{code}");
            assert!(["high", "medium", "low"].iter().any(|confidence| finding["confidence"] == *confidence), "{code}");
        }
        for capture in list(&report["captures"]).iter().filter(|capture| capture["packets"] != 0) {
            for time in ["first", "last"] {
                is_time(&capture[time], folder);
            }
        }
    }
}

#[test]
fn the_sums_are_the_sums_of_the_flows() {
    for folder in FOLDERS {
        let report = report(folder);
        let flows = list(&report["flows"]);
        let totals = &report["totals"];
        let number = |wanted: &dyn Fn(&Value) -> bool| flows.iter().filter(|flow| wanted(flow)).count();
        assert_eq!(totals["flows"], flows.len(), "{folder}");
        assert_eq!(totals["blocked"], number(&|flow| flow["blocked"] == true), "{folder}");
        for verdict in ["expected", "unexpected", "unmapped", "not_evaluable"] {
            assert_eq!(totals[verdict], number(&|flow| flow["verdict"] == verdict), "{folder}: {verdict}");
        }
        for (index, flow) in flows.iter().enumerate() {
            assert_eq!(flow["id"], index + 1, "{folder}: ids count from 1 in order");
        }
        let packets: u64 = list(&report["captures"]).iter().filter_map(|capture| capture["packets"].as_u64()).sum();
        assert_eq!(totals["packets"], packets, "{folder}");
        for service in list(&report["services"]) {
            let its = |flow: &&Value| flow["service"] == service["service"];
            let sum = |of: &str| -> u64 {
                let both = |flow: &Value| {
                    flow[of]["client"].as_u64().zip(flow[of]["server"].as_u64()).map(|(one, other)| one + other)
                };
                flows.iter().filter(its).filter_map(both).sum()
            };
            assert_eq!(service["flows"], flows.iter().filter(its).count(), "{folder}: {service}");
            assert_eq!(
                service["blocked"],
                flows.iter().filter(its).filter(|flow| flow["blocked"] == true).count(),
                "{folder}"
            );
            assert_eq!(
                (&service["packets"], &service["bytes"]),
                (&sum("packets").into(), &sum("ip_bytes").into()),
                "{folder}"
            );
        }
        // Findings about the capture itself have no port.
        for finding in list(&report["findings"]).iter().filter(|finding| !finding["port"].is_null()) {
            let ids: Vec<u64> = list(&finding["flows"]).iter().filter_map(Value::as_u64).collect();
            assert!(ids.len() as u64 <= finding["flow_count"].as_u64().unwrap_or_default(), "{folder}: {finding}");
            for id in ids {
                let flow = &flows[id as usize - 1];
                assert_eq!(
                    (&flow["server"]["port"], &flow["protocol"]),
                    (&finding["port"], &finding["protocol"]),
                    "{folder}"
                );
                assert!(list(&finding["clients"]).contains(&flow["client"]["address"]), "{folder}: {finding}");
            }
        }
    }
}

#[test]
fn ndjson_tells_the_same_objects_one_a_line() {
    for folder in FOLDERS {
        let report = report(folder);
        let told = file(&["--format", "ndjson"], &fixture(folder));
        let mut objects: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut last = String::new();
        for line in told.out.lines() {
            let mut object: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{folder}: {error}: {line}"));
            let kind =
                object.as_object_mut().and_then(|object| object.remove("type")).expect("every object has a type");
            last = text_of(&kind);
            objects.entry(last.clone()).or_default().push(object);
        }
        for (kind, name) in [
            ("capture", "captures"),
            ("flow", "flows"),
            ("finding", "findings"),
            ("problem", "problems"),
            ("service", "services"),
            ("session", "sessions"),
        ] {
            assert_eq!(objects.remove(kind).unwrap_or_default(), list(&report[name]), "{folder}: {kind}");
        }
        for set in objects.remove("rule_set").unwrap_or_default() {
            assert_eq!(report["rule_sets"][text_of(&set["rule_set"])], set["rules"], "{folder}");
        }
        assert_eq!(last, "summary", "{folder}: who reads line by line knows when it is complete");
        let summary = objects.remove("summary").unwrap_or_default();
        assert_eq!(summary.len(), 1, "{folder}");
        for name in ["schema", "program", "port_map", "quality", "totals"] {
            assert_eq!(summary[0][name], report[name], "{folder}: {name}");
        }
        assert!(objects.is_empty(), "{folder}: more types than the contract has: {objects:?}");
    }
}

#[test]
fn csv_tells_the_same_flows() {
    for folder in FOLDERS {
        let report = report(folder);
        let told = file(&["--format", "csv"], &fixture(folder)).out;
        let mut reader = csv::Reader::from_reader(told.as_bytes());
        let header = reader.headers().expect("there is a header").clone();
        let rows: Vec<csv::StringRecord> =
            reader.records().collect::<Result<_, _>>().expect("every line has all columns");
        let flows = list(&report["flows"]);
        assert_eq!(rows.len(), flows.len(), "{folder}");
        for (row, flow) in rows.iter().zip(flows) {
            let capture = flow["capture"].as_u64().expect("a flow has a capture") as usize;
            assert_eq!(
                row.iter().next_back(),
                report["captures"][capture]["name"].as_str(),
                "{folder}: the name in a table"
            );
            for (column, cell) in header.iter().zip(row).filter(|(column, _)| *column != "capture") {
                assert_eq!(cell, plain(value_of(flow, column)), "{folder}: {column} of flow {}", flow["id"]);
            }
        }
        let columns: BTreeSet<&str> = header.iter().collect();
        for column in ["client_address", "server_port", "outcome", "blocked", "verdict", "service", "reason"] {
            assert!(columns.contains(column), "{column}");
        }
        assert_eq!(columns.len(), header.len(), "every column has its own name");
    }
}

// The port map.

#[test]
fn the_embedded_map_can_be_handed_in() {
    let map = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/portmap/citrix.toml");
    let map = map.to_str().expect("the path is text");
    for format in FORMATS {
        let own = file(&["--format", format], &fixture("office"));
        let handed_in = file(&["--format", format, "--port-map", map], &fixture("office"));
        assert_eq!((own.code, own.out), (handed_in.code, handed_in.out), "{format}");
    }
    let ports = cap_audit(&["ports", "--format", "json"]).out;
    assert_eq!(cap_audit(&["ports", "--format", "json", "--port-map", map]).out, ports);
}

#[test]
fn another_map_judges_otherwise() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let map = directory.path().join("own.toml");
    let text = embedded_map().replacen("name = \"citrix\"", "name = \"own\"", 1);
    // ICA moves to 8494, the port of the fixture.
    fs::write(&map, text.replace("= [1494]", "= [8494]")).expect("it can be written");
    let told =
        file(&["--format", "json", "--port-map", map.to_str().expect("the path is text")], &fixture("ica-on-8494"));
    let report: Value = serde_json::from_str(&told.out).expect("a report");
    assert_eq!(report["port_map"]["name"], "own");
    let codes: Vec<&str> = list(&report["findings"]).iter().filter_map(|finding| finding["code"].as_str()).collect();
    assert_eq!((&report["totals"]["expected"], codes), (&1.into(), vec!["encryption.plain-ica"]), "{}", told.out);
}

#[test]
fn a_broken_map_is_told_with_its_line() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let map = directory.path().join("broken.toml");
    let path = map.to_str().expect("the path is text");
    let good = embedded_map();
    let line_of = |text: &str, part: &str| text.lines().position(|line| line.contains(part)).expect("it is there") + 1;
    let rule = |extra: &str| {
        format!("{good}\n[[rule]]\nid = \"own\"\nproduct = \"Own\"\nsource = [\"A\"]\ndestination = [\"B\"]\n{extra}\n")
    };
    let cases = [
        good.replacen("ports = [1494]", "ports = [0]", 1),
        good.replacen("ports = [1494]", "ports = [\"1494-\"]", 1),
        good.replacen("ports = [1494]", "ports = [\"1500-1494\"]", 1),
        good.replacen("ports = [1494]", "ports = [1494", 1),
        good.replacen("ports = [1494]", "porst = [1494]", 1),
    ];
    let line = line_of(&good, "ports = [1494]");
    for text in cases {
        fs::write(&map, &text).expect("it can be written");
        let told = file(&["--port-map", path], &fixture("office"));
        assert_eq!((told.code, told.out.as_str()), (2, ""), "{}", told.err);
        let last = told.err.lines().last().unwrap_or_default();
        assert!(last.starts_with(&format!("cap-audit: cannot use the port map {path}: ")), "{}", told.err);
        // An array that is not closed is noticed behind it.
        let near = (line..=line + 2).any(|line| told.err.contains(&format!(" line {line}: ")));
        assert!(near, "line {line}: {}", told.err);
        assert_eq!(cap_audit(&["ports", "--port-map", path]).err, told.err);
    }
    let twice = good.lines().find(|line| line.starts_with("id = ")).expect("rules have ids");
    let doubled = rule("protocol = [\"tcp\"]\nports = [1]\n").replace("id = \"own\"", twice);
    fs::write(&map, doubled).expect("it can be written");
    let told = file(&["--port-map", path], &fixture("office"));
    assert!(told.code == 2 && told.err.contains(", line "), "{}", told.err);
}

#[test]
fn all_errors_of_a_map_are_told_one_a_line() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let map = directory.path().join("broken.toml");
    let path = map.to_str().expect("the path is text");
    let good = embedded_map();
    fs::write(&map, good.replacen("ports = [22]", "ports = [0]", 3)).expect("it can be written");
    let lines: Vec<usize> = good
        .lines()
        .enumerate()
        .filter(|(_, line)| *line == "ports = [22]")
        .map(|(place, _)| place + 1)
        .take(3)
        .collect();
    let expected: String = lines
        .iter()
        .map(|line| format!("cap-audit: port map {path}, line {line}: '0' is not a port (1 to 65535)\n"))
        .chain([format!(
            "cap-audit: cannot use the port map {path}: 3 errors, in lines {}, {}, {}; correct them\n",
            lines[0], lines[1], lines[2]
        )])
        .collect();
    for told in [cap_audit(&["ports", "--port-map", path]), file(&["--port-map", path], &fixture("office"))] {
        assert_eq!((told.code, told.out.as_str(), told.err.as_str()), (2, "", expected.as_str()));
    }
    let wrong = good.matches("direction = \"one-way\"").count();
    fs::write(&map, good.replace("direction = \"one-way\"", "direction = \"in\"")).expect("it can be written");
    let told = cap_audit(&["ports", "--port-map", path]);
    assert_eq!(told.err.lines().count(), 21, "the first twenty and their number");
    assert!(
        told.err.contains(&format!("{wrong} errors, in lines ")) && told.err.contains(" and more;"),
        "{}",
        told.err
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_map_that_never_ends_is_refused_by_its_size() {
    let told = cap_audit(&["ports", "--port-map", "/dev/zero"]);
    assert_eq!((told.code, told.out.as_str(), told.err.lines().count()), (3, "", 1), "{}", told.err);
    assert!(told.err.contains("/dev/zero: it is larger than 16 MiB, which no port map is;"), "{}", told.err);
}

#[cfg(unix)]
#[test]
fn a_map_comes_through_a_pipe_and_a_pipe_without_a_writer_is_told() {
    let map = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/portmap/citrix.toml");
    let expected = cap_audit(&["ports", "--format", "json"]).out;
    let substituted = Command::new("bash")
        .args(["-c", r#""$0" ports --format json --port-map <(sleep 0.2; cat "$1")"#, env!("CARGO_BIN_EXE_cap-audit")])
        .arg(&map)
        .output();
    // Not every machine has bash.
    if let Ok(output) = substituted {
        assert_eq!(Told::from(output).out, expected);
    }
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().is_ok_and(|made| made.success()), "a pipe can be made");
    let path = pipe.to_str().expect("the path is text");
    let told = cap_audit(&["ports", "--port-map", path]);
    assert_eq!((told.code, told.out.as_str()), (3, ""), "{}", told.err);
    assert!(told.err.contains("nothing came out of this pipe"), "{}", told.err);
    let text = fs::read(&map).expect("the map is part of the repository");
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, text)
    });
    assert_eq!(cap_audit(&["ports", "--format", "json", "--port-map", path]).out, expected);
    writer.join().expect("it ends").expect("all was read");
}

#[test]
fn a_map_that_cannot_be_read_is_told() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let binary = directory.path().join("binary.toml");
    fs::write(&binary, [0xff, 0xfe, 0]).expect("it can be written");
    let cases = [
        (directory.path().join("missing.toml"), "there is no such file"),
        (directory.path().to_path_buf(), "it is a directory"),
        (binary, "it is not a text file"),
    ];
    for (path, words) in cases {
        let told = file(&["--port-map", path.to_str().expect("the path is text")], &fixture("office"));
        assert_eq!((told.code, told.out.as_str(), told.err.lines().count()), (3, "", 1), "{}", told.err);
        assert!(
            told.err.starts_with(&format!("cap-audit: cannot read the port map {}", path.display())),
            "{}",
            told.err
        );
        assert!(told.err.contains(words) && !told.err.contains("os error"), "{}", told.err);
    }
}

#[test]
fn the_ports_export_reads_back() {
    let told = cap_audit(&["ports", "--format", "csv"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    assert!(told.out.starts_with("id,product,source,destination,protocol,ports,service,direction,detail,document\n"));
    let rules = rows(&told.out);
    let json: Value = serde_json::from_str(&cap_audit(&["ports", "--format", "json"]).out).expect("an array");
    let json = list(&json);
    let corrections = json.iter().filter(|rule| rule["layer"] == "correction").count();
    assert_eq!((rules.len(), rules.len() - corrections), (json.len(), 309));
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str()).collect();
    assert_eq!(ids.len(), rules.len(), "every id once");
    for (rule, twin) in rules.iter().zip(json) {
        assert_eq!(rule["id"], text_of(&twin["id"]));
        for (column, between) in [("protocol", ";"), ("source", ";"), ("destination", ";"), ("ports", ";")] {
            let values: Vec<String> = list(&twin[column]).iter().map(|value| plain(value.clone())).collect();
            assert_eq!(rule[column], values.join(between), "{}", rule["id"]);
        }
        assert!(rule["protocol"].split(';').all(|protocol| ["tcp", "udp", "icmp"].contains(&protocol)), "{rule:?}");
        for range in rule["ports"].split(';').filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let [first, last] = [first, last].map(|port| port.parse::<u16>().unwrap_or_default());
            assert!(first > 0 && first <= last, "{rule:?}");
        }
        assert!(["one-way", "both"].contains(&rule["direction"].as_str()), "{rule:?}");
        assert!(!rule["product"].is_empty() && !rule["document"].is_empty(), "{rule:?}");
    }
}

#[test]
fn the_port_map_can_be_searched() {
    let select = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["ports", "--format", "csv"].iter().chain(arguments).copied().collect();
        let told = cap_audit(&arguments);
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{arguments:?}");
        rows(&told.out)
    };
    let covers = |rule: &Rule, port: u16| {
        rule["ports"].split(';').filter(|range| !range.is_empty()).any(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            (first.parse().unwrap_or(u16::MAX)..=last.parse().unwrap_or(0)).contains(&port)
        })
    };
    let all = select(&[]);
    let wanted = |fits: &dyn Fn(&Rule) -> bool| -> Vec<String> {
        all.iter().filter(|rule| fits(rule)).map(|rule| rule["id"].clone()).collect()
    };
    let ids = |rules: Vec<Rule>| -> Vec<String> { rules.into_iter().map(|rule| rule["id"].clone()).collect() };
    assert_eq!(ids(select(&["--port", "2598"])), wanted(&|rule| covers(rule, 2598)));
    assert_eq!(ids(select(&["--port", "16505"])), wanted(&|rule| covers(rule, 16_505)), "within a range");
    assert_eq!(ids(select(&["--protocol", "udp"])), wanted(&|rule| rule["protocol"].split(';').any(|it| it == "udp")));
    assert_eq!(
        ids(select(&["--product", "sd-wan"])),
        wanted(&|rule| rule["product"].to_lowercase().contains("sd-wan"))
    );
    let role =
        |rule: &Rule| format!("{}\n{}", rule["source"], rule["destination"]).to_lowercase().contains("storefront");
    assert_eq!(ids(select(&["--role", "STOREFRONT"])), wanted(&role));
    assert_eq!(
        ids(select(&["--role", "storefront", "--port", "443"])),
        wanted(&|rule| role(rule) && covers(rule, 443))
    );
    assert!(
        ids(select(&["session", "reliability"])).contains(&"cvad.workspace-app.vda.session-reliability".to_string())
    );
    assert_eq!(select(&["1494", "2598"]), select(&["--port", "1494,2598"]));
    for width in cap_audit(&["ports", "--list", "roles"]).out.lines().map(|line| line.chars().count()) {
        assert!(width <= 80, "as wide as the rules");
    }
    for width in cap_audit(&["ports"]).out.lines().map(|line| line.chars().count()) {
        assert!(width <= 80, "outside of a terminal 80 columns are used");
    }
}

#[test]
fn a_search_that_finds_nothing_says_so_and_fails() {
    for (format, out) in [("text", ""), ("csv", "id,product,"), ("json", "[]\n")] {
        let told = cap_audit(&["ports", "--format", format, "storefront", "mainframe"]);
        assert_eq!((told.code, told.err.lines().count()), (1, 1), "{format}: {}", told.err);
        assert!(told.err.starts_with("cap-audit: no rule names `mainframe`; "), "{}", told.err);
        assert!(told.out.starts_with(out) && told.out.lines().count() <= 1, "{format}: {}", told.out);
    }
    let told = cap_audit(&["ports", "vda", "27000"]);
    assert_eq!((told.code, told.out.as_str()), (1, ""));
    assert!(told.err.contains("ask for less"), "{}", told.err);
    assert_eq!(cap_audit(&["ports", "--list", "roles", "mainframe"]).code, 1);
}

/// On standard output where people read it, on standard error where a program does.
#[test]
fn what_was_understood_is_told() {
    let sentence = "no rule names `storfront`; showing `storefront`\n";
    let text = cap_audit(&["ports", "storfront"]);
    assert_eq!((text.code, text.err.as_str()), (0, ""));
    assert!(text.out.starts_with(sentence), "{}", text.out);
    let rules = |words: &str| cap_audit(&["ports", "--format", "csv", words]);
    let (near, exact) = (rules("storfront"), rules("storefront"));
    assert_eq!((near.err, near.out), (format!("cap-audit: {sentence}"), exact.out));
    assert_eq!(exact.err, "");
    assert_eq!(rules("NetScaler").err, "cap-audit: `NetScaler` is ADC in this map\n");
    assert_eq!(rules("NetScaler").out, rules("adc").out);
}

#[test]
fn products_and_roles_can_be_listed() {
    let products = cap_audit(&["ports", "--list", "products", "--format", "csv"]).out;
    let mut names: Vec<String> = rows(&products).into_iter().map(|row| row["name"].clone()).collect();
    let of_rules: BTreeSet<String> =
        rows(&cap_audit(&["ports", "--format", "csv"]).out).into_iter().map(|row| row["product"].clone()).collect();
    names.sort_unstable();
    assert_eq!(names, of_rules.into_iter().collect::<Vec<_>>());
    let roles = cap_audit(&["ports", "--list", "roles", "--format", "json", "--product", "StoreFront"]).out;
    let roles: Value = serde_json::from_str(&roles).expect("an array");
    let storefront = list(&roles).iter().find(|role| role["name"] == "StoreFront").expect("a role of its rules");
    assert!(storefront["rules"] == 9 && texts(&storefront["also"]).contains(&"SF".to_string()), "{storefront}");
}

// Words of these tests.

const FORMATS: [&str; 4] = ["text", "json", "ndjson", "csv"];

/// Fixtures that differ in what a report must tell: findings of every theme, nothing at all, UDP, IPv6, tags, damage of view.
const FOLDERS: [&str; 14] = [
    "any-sll2",
    "cut-64",
    "dns-dropped",
    "edt-blocked",
    "empty",
    "ends-early",
    "half-open",
    "ipv6",
    "midstream",
    "office",
    "one-direction",
    "pvs-boot",
    "qinq",
    "syslog-unanswered",
];

type Rule = BTreeMap<String, String>;

struct Told {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Told {
    fn from(output: Output) -> Told {
        let text = |bytes| String::from_utf8(bytes).expect("everything that is told is text");
        let code = output.status.code().expect("nothing kills the program");
        Told { code, out: text(output.stdout), err: text(output.stderr) }
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cap-audit"));
    command.env_remove("NO_COLOR").env_remove("COLUMNS").env("TZ", "UTC");
    command
}

fn cap_audit(arguments: &[&str]) -> Told {
    program().args(arguments).output().expect("the program runs").into()
}

fn file(arguments: &[&str], capture: &Path) -> Told {
    program().arg("file").args(arguments).arg(capture).output().expect("the program runs").into()
}

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let path = folder.join("capture.pcapng");
    if path.exists() { path } else { folder.join("capture.pcap") }
}

fn report(name: &str) -> Value {
    let told = file(&["--format", "json"], &fixture(name));
    serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{name}: {error}: {}", told.err))
}

/// The report of a capture that ends in the middle of its last packet.
fn case_cut() -> Value {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let bytes = fs::read(fixture("cgp-healthy")).expect("a fixture can be read");
    let path = directory.path().join("cut.pcap");
    fs::write(&path, &bytes[..bytes.len() - 7]).expect("it can be written");
    serde_json::from_str(&file(&["--format", "json"], &path).out).expect("a damaged capture has a report")
}

fn embedded_map() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/portmap/citrix.toml");
    fs::read_to_string(path).expect("the map is part of the repository")
}

fn rows(text: &str) -> Vec<Rule> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().collect::<Result<_, _>>().expect("the export is CSV")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).expect("it is a list")
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text_of).collect()
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} should be text")).to_string()
}

/// What a column of the flows tells, in the words of JSON: `client_ip_bytes` is `ip_bytes.client`.
fn value_of(flow: &Value, column: &str) -> Value {
    if let Some(value) = flow.get(column) {
        return value.clone();
    }
    let (side, field) = column.split_once('_').expect("a column of one side");
    flow[side].get(field).or_else(|| flow[field].get(side)).unwrap_or_else(|| panic!("no {column} in {flow}")).clone()
}

/// A value as a cell of a table.
fn plain(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        Value::Array(values) => values.into_iter().map(plain).collect::<Vec<_>>().join(";"),
        // Whole numbers of seconds have no fraction in a table.
        Value::Number(number) => {
            number.as_f64().filter(|_| number.is_f64()).map_or(number.to_string(), |float| float.to_string())
        }
        other => other.to_string(),
    }
}

/// RFC 3339 in UTC with nanoseconds: 2026-11-22T02:47:50.123456789Z.
fn is_time(value: &Value, folder: &str) {
    let pattern = "dddd-dd-ddTdd:dd:dd.dddddddddZ";
    let text = text_of(value);
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect();
    assert_eq!(shape, pattern, "{folder}: {text}");
}

/// On one line, however it was wrapped.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Without the escape sequences of colours, `ESC [ ... m`.
fn without_colors(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}
