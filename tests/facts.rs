//! Facts that are cited can be looked up: every id in the sources is an entry of `src/facts.md`, every entry is cited, and
//! all citations have the same form, `facts` and a list of ids.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where citations may stand.
const PLACES: [&str; 7] = ["src", "tests", "benches", "fixtures", "README.md", ".ci", ".github"];
/// The page itself, and this file, whose tests are full of ids.
const NOT_READ: [&str; 2] = ["src/facts.md", "tests/facts.rs"];
const TEXT: [&str; 6] = ["rs", "md", "toml", "ftl", "py", "sh"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text_files(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder of the checkout can be read") {
            text_files(&entry.expect("a folder of the checkout can be read").path(), files);
        }
    } else if path.extension().is_some_and(|extension| TEXT.iter().any(|text| extension == *text)) {
        files.push(path.to_owned());
    }
}

/// What one text cites, and the ids that it names in any other form.
#[derive(Default, PartialEq, Debug)]
struct Cited {
    ids: BTreeSet<String>,
    loose: BTreeSet<String>,
}

/// Reads a text word by word: after `facts` come ids, with commas, `and`, `or` or `to` between them. Comment signs at the
/// start of a line and the sign that continues a string are no part of the text.
fn cited(text: &str) -> Cited {
    let lines = text.lines().map(|line| line.trim().trim_start_matches(['/', '!', '#', '*']).trim_end_matches('\\'));
    let text = lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    let mut cited = Cited::default();
    // Whether ids may follow, the last of them, and whether a range has begun with it.
    let (mut citing, mut last, mut ranges) = (false, String::new(), false);
    let mut rest = text.as_str();
    while let Some(start) = rest.find(is_part) {
        let between = &rest[..start];
        let length = rest[start..].find(|it| !is_part(it)).unwrap_or(rest.len() - start);
        let word = &rest[start..start + length];
        rest = &rest[start + length..];
        citing &= matches!(between, " " | ", ");
        if citing && (is_id(word) || is_short_id(word)) {
            let first = if ranges { &last } else { word };
            cited.ids.extend(range(first, word));
            (last, ranges) = (word.to_string(), false);
        } else if citing && !last.is_empty() && matches!(word, "and" | "or" | "to") {
            ranges = word == "to";
        } else {
            // A section moves when a page grows; an entry keeps its id.
            let is_section = citing && last.is_empty() && (word == "section" || word.as_bytes()[0].is_ascii_digit());
            if is_id(word) || is_section {
                cited.loose.insert(word.to_string());
            }
            (citing, last, ranges) = (word.eq_ignore_ascii_case("facts"), String::new(), false);
        }
    }
    cited
}

fn is_part(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-'
}

/// A theme in capitals and two digits.
fn is_id(word: &str) -> bool {
    word.split_once('-').is_some_and(|(theme, number)| {
        theme.len() >= 2
            && theme.bytes().all(|byte| byte.is_ascii_uppercase())
            && number.len() == 2
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// F1 to F9, which are too short to be recognised outside of a citation.
fn is_short_id(word: &str) -> bool {
    matches!(word.as_bytes(), [b'F', b'1'..=b'9'])
}

/// All ids from the first to the last.
fn range(first: &str, last: &str) -> Vec<String> {
    let digits = if is_short_id(last) { 1 } else { 2 };
    let (theme, to) = last.split_at(last.len() - digits);
    let from = first.strip_prefix(theme).and_then(|from| from.parse::<u32>().ok());
    let from = from.unwrap_or_else(|| panic!("{first} to {last} is no range"));
    let to = to.parse().expect("an id ends in digits");
    assert!(from <= to, "{first} to {last} is no range");
    (from..=to).map(|number| format!("{theme}{number:0digits$}")).collect()
}

/// The entries of the page: id and text.
fn entries() -> BTreeMap<String, String> {
    let page = fs::read_to_string(root().join("src/facts.md")).expect("the page can be read");
    let mut entries = BTreeMap::new();
    for part in page.split("\n- **").skip(1) {
        let part = part.split("\n\n").next().unwrap_or(part);
        // Other lists have other words in bold.
        let (id, text) = part.split_once("** ").unwrap_or_default();
        if is_id(id) || is_short_id(id) {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(entries.insert(id.to_string(), text).is_none(), "{id} stands twice");
        }
    }
    entries
}

#[test]
fn every_cited_fact_is_an_entry_and_every_entry_is_cited() {
    let entries = entries();
    let mut files = Vec::new();
    PLACES.iter().for_each(|place| text_files(&root().join(place), &mut files));
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for file in files {
        let name = file.strip_prefix(root()).expect("it lies in the checkout").to_string_lossy().replace('\\', "/");
        if NOT_READ.contains(&name.as_str()) {
            continue;
        }
        let Cited { ids, loose } = cited(&fs::read_to_string(&file).expect("a text file can be read"));
        let unknown = ids.iter().filter(|id| !entries.contains_key(*id));
        wrong.extend(unknown.map(|id| format!("{name}: src/facts.md has no entry {id}")));
        wrong.extend(loose.iter().map(|id| format!("{name}: '{id}' is not cited in the form 'facts ICA-01'")));
        used.extend(ids);
    }
    let idle = entries.keys().filter(|id| !used.contains(*id));
    wrong.extend(idle.map(|id| format!("src/facts.md: nobody cites {id}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_entry_says_how_sure_it_is_and_where_it_is_from() {
    let entries = entries();
    assert!(!entries.is_empty());
    for (id, text) in &entries {
        let levels = ["*High*", "*High.*", "*Medium*", "*Medium.*", "*Low*", "*Low.*", "*Unverified*", "*Unverified.*"];
        assert!(levels.iter().any(|level| text.contains(level)), "{id} says nothing of confidence: {text}");
        assert!(text.contains(" Source: "), "{id} names no source: {text}");
        for other in cited(text).loose {
            assert!(entries.contains_key(&other), "{id} rests on {other}, which is no entry");
        }
    }
}

#[test]
fn citations_are_found_in_comments_and_strings() {
    let ids = |text| cited(text).ids.into_iter().collect::<Vec<_>>();
    assert_eq!(ids("/// It greets (facts ICA-01)."), ["ICA-01"]);
    assert_eq!(ids("// Facts EDT-06, MIX-03 and MIX-05; RFC 6347"), ["EDT-06", "MIX-03", "MIX-05"]);
    assert_eq!(ids("//! boots (facts PVS-04 to\n//! PVS-06)"), ["PVS-04", "PVS-05", "PVS-06"]);
    assert_eq!(ids("source: \"facts SF-01, \\\n    SF-02; RFC 9110\""), ["SF-01", "SF-02"]);
    assert_eq!(ids("# facts F1 to F3, LIC-02."), ["F1", "F2", "F3", "LIC-02"]);
    assert_eq!(ids("these facts are F1 and RFC 6347"), [""; 0]);
    let loose = cited("(facts ICA-01) and (ICA-03); facts: MOD-01");
    assert_eq!(loose.loose, BTreeSet::from(["ICA-03".to_string(), "MOD-01".to_string()]));
    assert_eq!(loose.ids, BTreeSet::from(["ICA-01".to_string()]));
    assert_eq!(cited("(facts 8.5), (facts section 7)").loose, BTreeSet::from(["8".to_string(), "section".to_string()]));
}
