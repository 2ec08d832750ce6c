//! What can be found is listed, shown and explained: every check has a fixture that raises it and a row in the README's
//! table, and no other code stands there.

use cap_audit::finding::CHECKS;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The codes of all checks; none stands in two tables.
fn codes() -> BTreeSet<String> {
    let listed: Vec<String> = CHECKS.into_iter().flatten().map(|check| check.code.to_string()).collect();
    let codes: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(codes.len(), listed.len(), "a code stands twice in {listed:?}");
    codes
}

/// The codes that the patterns of the fixtures ask for.
fn raised_by_fixtures() -> BTreeSet<String> {
    let folders = fs::read_dir(root().join("fixtures")).expect("the fixtures are there");
    folders
        .map(|entry| entry.expect("the folder can be read").path().join("expected.json"))
        .filter(|path| path.exists())
        .flat_map(|path| {
            let text = fs::read_to_string(&path).expect("a pattern can be read");
            let pattern: Value = serde_json::from_str(&text).expect("a pattern is JSON");
            pattern["findings"].as_array().cloned().unwrap_or_default()
        })
        .map(|finding| finding["code"].as_str().expect("a finding in a pattern has a code").to_string())
        .collect()
}

/// The codes that the README's table explains. A row `theme.*` stands for the names that its second cell has in back
/// quotes.
fn explained_in_the_readme() -> BTreeSet<String> {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README is there");
    let table = readme.lines().skip_while(|line| !line.starts_with("| code | meaning |")).skip(2);
    table
        .take_while(|line| line.starts_with('|'))
        .flat_map(|row| {
            let mut quoted = row.split('`').skip(1).step_by(2).map(str::to_string);
            let code = quoted.next().expect("a row begins with a code in back quotes");
            match code.strip_suffix('*') {
                Some(theme) => quoted.map(|name| format!("{theme}{name}")).collect(),
                None => vec![code],
            }
        })
        .collect()
}

#[test]
fn every_check_has_a_fixture_that_raises_it() {
    let (codes, raised) = (codes(), raised_by_fixtures());
    let missing: Vec<&String> = codes.difference(&raised).collect();
    assert!(missing.is_empty(), "no fixture raises {missing:?}");
    let unknown: Vec<&String> = raised.difference(&codes).collect();
    assert!(unknown.is_empty(), "no check has the codes {unknown:?}, which fixtures expect");
}

#[test]
fn every_check_is_explained_in_the_readme() {
    let (codes, explained) = (codes(), explained_in_the_readme());
    let missing: Vec<&String> = codes.difference(&explained).collect();
    assert!(missing.is_empty(), "{missing:?} are not in the README's table");
    let unknown: Vec<&String> = explained.difference(&codes).collect();
    assert!(unknown.is_empty(), "no check has the codes {unknown:?}, which the README explains");
}
