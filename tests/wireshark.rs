//! The display filter of every finding selects exactly its flows. tshark says what it selects; without it the test is skipped.

mod skip;

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn has_tshark() -> bool {
    Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success())
}

fn captures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let folders = fs::read_dir(root)
        .expect("fixtures/ is part of the repository")
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    let mut captures: Vec<PathBuf> = folders
        .flat_map(|folder| ["capture.pcap", "capture.pcapng"].map(|name| folder.join(name)))
        .filter(|path| path.exists())
        .collect();
    captures.sort();
    captures
}

/// Streams and number of TCP and UDP frames that a filter selects. Frames that only quote a packet are not counted.
fn selected(capture: &Path, filter: &str) -> (BTreeSet<String>, u64) {
    let not_quoted = format!("({filter}) && !icmp && !icmpv6");
    let output = Command::new("tshark")
        .args(["-r".as_ref(), capture.as_os_str(), "-Y".as_ref(), not_quoted.as_ref()])
        .args(["-T", "fields", "-e", "tcp.stream", "-e", "udp.stream"])
        .output()
        .expect("tshark runs");
    assert!(output.status.success(), "{}: {filter}: {}", capture.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (text.lines().map(String::from).collect(), text.lines().count() as u64)
}

#[test]
fn filters_select_exactly_the_flows_of_their_finding() {
    if !has_tshark() {
        return skip::skipped("tshark is not installed");
    }
    let mut checked = 0;
    for capture in captures() {
        let output = Command::new(env!("CARGO_BIN_EXE_cap-audit"))
            .args(["file", "--format", "json"])
            .arg(&capture)
            .output()
            .expect("the program runs");
        let report: Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
        for finding in report["findings"].as_array().expect("findings are a list") {
            let filter = finding["wireshark_filter"].as_str().expect("a filter is text");
            if filter.is_empty() {
                assert_eq!(finding["severity"], "info", "{finding}");
                continue;
            }
            let (streams, frames) = selected(&capture, filter);
            if finding["wireshark_filter_exact"] == false {
                let flows = finding["flow_count"].as_u64().unwrap_or(u64::MAX);
                assert!(streams.len() as u64 >= flows, "{}: {filter}", capture.display());
                continue;
            }
            assert_eq!(Some(streams.len() as u64), finding["flow_count"].as_u64(), "{}: {filter}", capture.display());
            let of_flow = |id: &Value| {
                let flow = &report["flows"][id.as_u64().expect("an id is a number") as usize - 1];
                flow["packets"]["client"].as_u64().unwrap_or(0) + flow["packets"]["server"].as_u64().unwrap_or(0)
            };
            let packets: u64 = finding["flows"].as_array().expect("flows are a list").iter().map(of_flow).sum();
            // Later fragments have no port, and belong to the flow of the first.
            if finding["code"] != "path.fragments" {
                assert_eq!(frames, packets, "{}: {filter}", capture.display());
            }
            checked += 1;
        }
    }
    assert!(checked >= 15, "only {checked} filters were checked");
}
