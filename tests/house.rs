//! The house is as `src/lib.rs` draws it: imports run one way through its tree, and each outside crate has the door that it names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const LIB: &str = include_str!("../src/lib.rs");

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file of the library with its path below `src` and its text, without tests and comments.
fn files() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![source()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("src is part of the repository") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is text");
                let below = path.strip_prefix(source()).expect("it lies there").to_string_lossy().into_owned();
                let tests =
                    text.find("#[cfg(test)]\nmod tests {").or(text.find("#[cfg(test)]\npub(super) mod tests {"));
                let code =
                    text[..tests.unwrap_or(text.len())].lines().filter(|line| !line.trim_start().starts_with("//"));
                found.push((below, code.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    found.sort();
    found
}

/// The rooms in the order of the tree, lowest first.
fn rooms() -> Vec<String> {
    let tree = LIB.split_once("# The tree").expect("lib.rs draws a tree").1;
    let tree = tree.split("```").nth(1).expect("it stands between fences");
    let names = |line: &str| {
        let line = line.trim_start_matches("//!").trim().to_string();
        let names = line.split("  ").next().unwrap_or_default().to_string();
        names.split(' ').map(|name| name.trim_end_matches('/').to_string()).collect::<Vec<_>>()
    };
    tree.lines().skip(1).flat_map(names).filter(|name| !name.is_empty()).collect()
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// Words that follow `crate::`, as in `use crate::flow::FlowRecord`.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    text.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn the_tree_names_every_room() {
    let rooms = rooms();
    for (file, _) in files() {
        let room = room(&file);
        assert!(matches!(room, "lib" | "main") || rooms.iter().any(|known| known == room), "{file} is not in the tree");
    }
}

#[test]
fn imports_run_one_way() {
    let rooms = rooms();
    let place = |room: &str| rooms.iter().position(|known| known == room);
    let mut wrong = Vec::new();
    for (file, text) in files() {
        let Some(own) = place(room(&file)) else { continue };
        for import in imports(&text).filter(|import| place(import).is_some_and(|other| other > own)) {
            wrong.push(format!("{file} imports {import}, which stands above it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// From "`toml` in `portmap/load.rs`, `comfy-table` and `csv` in `report/tables.rs`" the file of each crate.
fn doors() -> BTreeMap<String, String> {
    let text = LIB.split_once("Each outside crate has one door:").expect("lib.rs names the doors").1;
    let text = text.split("`serde` derives").next().unwrap_or_default().replace("//!", " ");
    let mut doors = BTreeMap::new();
    let mut waiting = Vec::new();
    for quoted in text.split('`').skip(1).step_by(2) {
        if quoted.ends_with(".rs") {
            doors.extend(waiting.drain(..).map(|name| (name, quoted.to_string())));
        } else {
            waiting.push(quoted.replace('-', "_"));
        }
    }
    doors
}

#[test]
fn each_outside_crate_has_the_door_that_is_named() {
    let doors = doors();
    assert!(doors.len() > 15, "{doors:?}");
    let mut used: BTreeMap<&str, bool> = doors.keys().map(|name| (name.as_str(), false)).collect();
    for (file, text) in files() {
        for (name, door) in &doors {
            // A module of ours may have the same name, as `source/pcap.rs` and `run/console.rs` do.
            let beside = source().join(Path::new(&file).parent().unwrap_or(Path::new(""))).join(format!("{name}.rs"));
            let below = source().join(file.trim_end_matches(".rs")).join(format!("{name}.rs"));
            if file != *door && (beside.exists() || below.exists()) {
                continue;
            }
            let names_it = |line: &str| {
                let path = format!("{name}::");
                let before = line.find(&path).map(|at| line[..at].chars().next_back());
                before.is_some_and(|before| before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | ':')))
            };
            if text.lines().any(names_it) {
                assert_eq!(file, *door, "{name} is named outside of its door");
                used.insert(name, true);
            }
        }
    }
    let idle: Vec<&str> = used.into_iter().filter(|(_, used)| !used).map(|(name, _)| name).collect();
    assert!(idle.is_empty(), "nothing uses {idle:?} at the door that is named");
}
