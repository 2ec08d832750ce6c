//! What the README shows is what the program prints.

use std::fs;
use std::path::Path;
use std::process::Command;

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))
        .expect("README.md is part of the repository")
}

/// The lines of the code block between two marks.
fn block(readme: &str, mark: &str) -> String {
    let (_, rest) = readme.split_once(&format!("<!-- {mark} -->")).unwrap_or_else(|| panic!("no mark {mark}"));
    let (block, _) = rest.split_once("<!-- end -->").unwrap_or_else(|| panic!("no end of {mark}"));
    let lines: Vec<&str> = block.lines().filter(|line| !line.is_empty() && !line.starts_with("```")).collect();
    lines.join("\n")
}

#[test]
fn the_sample_is_true() {
    let output = Command::new(env!("CARGO_BIN_EXE_cap-audit"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("TZ", "UTC")
        .args(["file", "fixtures/office/capture.pcap"])
        .output()
        .expect("the program runs");
    let told = String::from_utf8(output.stdout).expect("the report is text");
    let told: Vec<&str> = told.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(block(&readme(), "sample"), told.join("\n"));
}

#[test]
fn both_commands_are_one_line() {
    for mark in ["main", "tests"] {
        let command = block(&readme(), mark);
        assert_eq!(command.lines().count(), 1, "{command}");
        assert!(command.contains("apt-get install") && command.contains("cargo "), "{command}");
    }
}
