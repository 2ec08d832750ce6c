use super::*;
use crate::finding::{CHECKS, Check, Confidence, IcmpFamily, Severity};
use crate::problem::Cause;
use crate::transport::Transport;
use fluent_syntax::ast::{CallArguments, Entry, Expression, InlineExpression, Pattern, PatternElement};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a finding's texts may name besides its parameters.
const FIELDS: [&str; 5] = ["clients", "flows", "port", "server", "transport"];

/// What the texts of an explanation may name.
const EXPLAINED: &[&str] = &[
    "all",
    "brief",
    "fits",
    "usual",
    "about",
    "answer",
    "basis",
    "blocked",
    "both",
    "bytes",
    "changes",
    "client",
    "code",
    "document",
    "doubt",
    "end",
    "error",
    "filter",
    "first",
    "fit",
    "flows",
    "generic",
    "high",
    "id",
    "known",
    "last",
    "least",
    "limit",
    "list",
    "low",
    "met",
    "name",
    "named",
    "needed",
    "number",
    "one",
    "outcome",
    "packets",
    "payload",
    "port",
    "ports",
    "protocol",
    "rank",
    "reason",
    "rules",
    "seen",
    "sender",
    "server",
    "service",
    "showing",
    "time",
    "title",
    "transport",
    "tries",
    "ttl",
    "verdict",
    "what",
    "when",
    "who",
    "why",
    "width",
    "zone",
];

/// What other texts that the program asks for may name. A key that ends with a hyphen stands for all that begin with it.
const NAMED: &[(&str, &[&str])] = &[
    ("culprit", &["confidence", "kind", "number", "suspects"]),
    ("doubt-", &[]),
    ("sign-reset-", &["delay", "flows", "longest", "own", "shortest", "ttl"]),
    ("sign-icmp-", &["errors", "number", "own", "senders", "ttl"]),
    (
        "sign-",
        &[
            "client",
            "clients",
            "flows",
            "networks",
            "number",
            "others",
            "port",
            "requests",
            "server_count",
            "servers",
            "transport",
            "ttl",
        ],
    ),
    ("suspect", &["address", "known", "suspect"]),
    ("about-broken-headers", &["packets"]),
    ("about-cut-headers", &["packets"]),
    ("about-damage", &["after", "capture", "packet", "position", "resumed", "what"]),
    ("about-damages", &["capture", "damages"]),
    ("about-duplicates", &["percent"]),
    ("about-filter", &["all", "capture", "filter", "packets"]),
    ("about-filter-link", &["capture", "link", "what"]),
    ("about-finding", &["meaning", "title"]),
    ("about-flow-limit", &["flows"]),
    ("about-half-seen", &["pairs"]),
    ("about-holes", &["carrying", "flows", "percent"]),
    ("about-interruption", &["back", "from", "to", "what"]),
    ("about-interruptions", &["capture", "listed", "times"]),
    ("about-late-packets", &["packets"]),
    ("about-leap", &["duration", "from", "watched"]),
    ("about-short", &["duration", "grace"]),
    ("about-future-clock", &["ahead", "capture"]),
    ("about-links", &["links", "names", "packets"]),
    ("about-live-filter", &["capture", "filter"]),
    ("about-loss", &["capture", "packets", "who"]),
    ("about-missing-hosts", &["hosts", "packets"]),
    ("about-missing-times", &["capture", "packets"]),
    ("about-opening-limit", &["flows"]),
    ("about-oddity", &["capture", "oddity", "packet", "times"]),
    ("about-other-packets", &["skipped"]),
    ("about-overlap", &["captures"]),
    ("about-steps-back", &["largest", "steps"]),
    ("about-tunnels", &["skipped"]),
    ("about-unclear-flows", &["flows"]),
    ("about-undescribed-interfaces", &["packets"]),
    ("about-many-pairs", &["flows"]),
    ("about-unlisted", &["flows"]),
    ("about-unlisted-ways", &[]),
    ("about-unlisted-sessions", &[]),
    ("about-wrong-clock", &["capture"]),
    ("diff-changed", CHANGED),
    ("diff-count", &["number", "state"]),
    ("diff-further", &["number"]),
    ("diff-gone", CHANGED),
    ("diff-heading", &["captures", "first", "name", "named", "packets"]),
    ("diff-in-part", &[]),
    ("diff-moved", &["hosts", "how", "more"]),
    ("diff-network", &["clients", "network"]),
    ("diff-new", CHANGED),
    ("diff-not-evaluable", CHANGED),
    ("diff-none-tried-before", &[]),
    ("diff-nothing-in-common", &["is", "was"]),
    ("diff-other-cause", &["title"]),
    ("diff-server", &["number", "server"]),
    ("diff-state", &["state"]),
    ("diff-verdict", &["all", "in_part", "worse"]),
    ("diff-worked-before", &["paths"]),
    ("diff-", &[]),
    ("duration", &["number", "unit"]),
    ("explain-", EXPLAINED),
    ("flaw-", &["percent"]),
    ("quality-line", &["counted", "flaws", "more", "named", "verdict"]),
    ("hosts", &["count", "first", "more", "second", "third"]),
    ("hosts-among", &["covered", "ranges", "told"]),
    ("hosts-and-others", &["hosts"]),
    ("icmp-error", &["code", "error", "family", "type"]),
    ("news-because", &["because", "id"]),
    ("news-blocked", &["more", "number"]),
    ("news-clients", &["now", "was"]),
    ("news-confidence", &["now", "was"]),
    ("news-further", &["number"]),
    ("news-flows", &["more", "number"]),
    ("news-packets", &["more", "number"]),
    ("news-report", &["at", "duration"]),
    ("news-severity", &["now", "was"]),
    ("news-", &[]),
    ("no-service", &[]),
    ("note-", &["number"]),
    ("packets", &["packets"]),
    ("ports", &["list", "more"]),
    ("problem-answered-since", &["remedy"]),
    ("problem-attempts", &["number", "told", "what"]),
    ("problem-clients", &["answered", "answered_told", "covered", "extent", "more", "number", "told"]),
    ("problem-servers", &["answered", "answered_told", "covered", "extent", "more", "number", "told"]),
    ("problem-when", &["first", "last", "trend"]),
    ("problem-works", &["clients", "contrast", "number", "port", "servers", "told", "transport", "until"]),
    ("protocol", &["capitals", "name"]),
    ("skipped", &["capitals", "packets", "why"]),
    ("these-clients", &["number", "told"]),
    ("these-servers", &["number", "told"]),
    ("text-captures", &["captures", "facts"]),
    ("text-capture", &["facts", "format", "links", "name"]),
    ("text-comment-packet", &["packet"]),
    ("text-confidence", &["confidence"]),
    ("text-count", &["number", "severity"]),
    ("text-flows-left-out", &["flows"]),
    ("text-found", &["parts"]),
    ("text-more-captures", &["more"]),
    ("text-nothing-wrong", &["flows"]),
    ("text-nothing-wrong-in-part", &["flows", "unclear"]),
    ("text-other-traffic", &["blocked", "flows"]),
    ("text-program", &["map", "map_version", "rules", "version"]),
    ("text-severity", &["severity"]),
    ("text-time", &["duration", "first"]),
    ("text-unclear-flows", &["flows"]),
    ("text-when-flows", &["first", "flows", "last"]),
    ("text-when-tries", &["first", "last", "tries"]),
    ("text-zone", &["zone"]),
    ("text-", &[]),
    ("transport", &["name"]),
    ("screen-all-remarks", &["remarks"]),
    ("screen-captures", &["captures", "folder", "more", "names"]),
    ("screen-comments", &["number", "told"]),
    ("screen-doubt", &["doubt"]),
    ("screen-failed", &["failed", "number", "told"]),
    ("screen-first-host", &["first"]),
    ("screen-hit", &["hit", "more", "number", "of"]),
    ("screen-in", &["more", "names"]),
    ("screen-infos", &["first", "last", "number", "title"]),
    ("screen-more-problems", &["errors", "live", "told"]),
    ("screen-others", &["number", "told"]),
    ("screen-packets", &["number", "told"]),
    ("screen-pair", &["client", "server"]),
    ("screen-problems", &["number", "told"]),
    ("screen-unclear-flows", &["number", "told", "why"]),
    ("screen-ways", &["live", "problems"]),
    ("screen-", &[]),
    ("by-all", &["by", "failed", "number", "problems", "rows", "rows_told", "told", "unclear"]),
    ("by-column-name", &["by"]),
    ("by-left-out", &["number", "told"]),
    ("by-others", &["by", "failed", "number", "problems", "rows", "rows_told", "told", "unclear"]),
    ("by-rest", &["by", "failed", "number", "problems", "rows", "rows_told", "told", "unclear"]),
    ("by-", &[]),
    ("detail-head", &["all", "rank"]),
    ("detail-hosts", &["told", "number"]),
    ("detail-", &[]),
    ("and", &["first", "last"]),
    ("problem-stops-a-story", &["meaning", "stopped"]),
    ("problem-makes-wait", &["meaning", "next_servers", "waited_exact", "waited_for_next"]),
];

/// What a problem's texts may name besides the parameters of its cause.
const OF_PROBLEMS: [&str; 30] = [
    "culprit",
    "attempts",
    "attempts_told",
    "client_count",
    "client_told",
    "clients",
    "dtls",
    "instead",
    "instead_port",
    "instead_transport",
    "instead_where",
    "launch_clients",
    "longer",
    "more",
    "network_count",
    "networks",
    "port",
    "port_count",
    "ports",
    "remarks",
    "server",
    "server_count",
    "server_told",
    "servers_known",
    "servers_up",
    "service_known",
    "service_title",
    "slow",
    "standing",
    "transport",
];

/// The parameters of a cause that its texts name.
fn of_cause(cause: Cause) -> &'static [&'static str] {
    match cause {
        Cause::Prohibited => &["cause", "senders"],
        Cause::HostDown | Cause::ServiceDown => &["proof"],
        // What they have in common with findings has other names there.
        Cause::Scan => &["count", "port_list", "ports", "through"],
        Cause::SubnetAgainstPort => &["contrast_port", "contrast_transport", "neighbours"],
        Cause::Flood => &["count", "origin"],
        Cause::Fallback => &["blocked_port", "blocked_transport"],
        Cause::ForeignProtocol | Cause::OtherPort => &["heard"],
        Cause::OtherTransport => &["known_transport"],
        Cause::Exposed => &["server_range"],
        Cause::SessionDied | Cause::IdleTimeout => &["idle_longest"],
        Cause::ResetInSession => &["at", "back", "idle", "pattern"],
        Cause::Encryption => &["named", "state", "version"],
        Cause::Slow => &["fast_servers", "how", "longest", "network", "rtt", "times"],
        Cause::Repeats => &["of", "repeated", "share", "who"],
        Cause::Mtu => &["arrived", "icmp", "icmp_from", "mtu", "others", "outcome", "over", "sender", "size"],
        _ => &[],
    }
}

fn texts_of(cause: Cause) -> impl Iterator<Item = String> {
    let texts = ["title", "meaning", "remedy"]
        .into_iter()
        .filter(move |_| !matches!(cause, Cause::Single | Cause::Stopped | Cause::Detour));
    texts.map(move |text| format!("problem-{}.{text}", cause.name()))
}

/// What is told of something that two reports are compared by.
const CHANGED: &[&str] = &[
    "basis",
    "clients_is",
    "clients_was",
    "paths",
    "servers_is",
    "servers_was",
    "severity_change",
    "severity_is",
    "severity_was",
    "sureness_change",
    "working",
];

fn checks() -> impl Iterator<Item = &'static Check> {
    CHECKS.into_iter().flatten()
}

/// What a text names: facts, and other texts.
#[derive(Default)]
struct Names {
    facts: BTreeSet<String>,
    texts: BTreeSet<String>,
}

/// Every text of the English catalogue by its key; those of attributes as `key.attribute`.
fn catalogue() -> BTreeMap<String, Names> {
    let resource = FluentResource::try_new(LANGUAGES[0].catalogue.into()).expect("the catalogue has no errors");
    let mut texts = BTreeMap::new();
    for entry in resource.entries() {
        let Entry::Message(message) = entry else { continue };
        let attributes = message.attributes.iter().map(|it| (format!("{}.{}", message.id.name, it.id.name), &it.value));
        for (key, pattern) in message.value.iter().map(|value| (message.id.name.to_string(), value)).chain(attributes) {
            let mut names = Names::default();
            read_pattern(pattern, &mut names);
            assert!(texts.insert(key.clone(), names).is_none(), "{key} stands twice");
        }
    }
    texts
}

fn read_pattern(pattern: &Pattern<&str>, names: &mut Names) {
    for element in &pattern.elements {
        let PatternElement::Placeable { expression } = element else { continue };
        read_expression(expression, names);
    }
}

fn read_expression(expression: &Expression<&str>, names: &mut Names) {
    match expression {
        Expression::Inline(inline) => read_inline(inline, names),
        Expression::Select { selector, variants } => {
            read_inline(selector, names);
            variants.iter().for_each(|variant| read_pattern(&variant.value, names));
        }
    }
}

fn read_inline(inline: &InlineExpression<&str>, names: &mut Names) {
    match inline {
        InlineExpression::VariableReference { id } => drop(names.facts.insert(id.name.into())),
        InlineExpression::MessageReference { id, attribute: None } => drop(names.texts.insert(id.name.into())),
        InlineExpression::MessageReference { id, attribute: Some(attribute) } => {
            names.texts.insert(format!("{}.{}", id.name, attribute.name));
        }
        InlineExpression::Placeable { expression } => read_expression(expression, names),
        InlineExpression::FunctionReference { arguments: CallArguments { positional, .. }, .. } => {
            positional.iter().for_each(|argument| read_inline(argument, names));
        }
        InlineExpression::StringLiteral { .. }
        | InlineExpression::NumberLiteral { .. }
        | InlineExpression::TermReference { .. } => {}
    }
}

/// The facts that a text names, by itself and through the texts in it; those texts are added to `used`.
fn facts(key: &str, catalogue: &BTreeMap<String, Names>, used: &mut BTreeSet<String>) -> BTreeSet<String> {
    let names = catalogue.get(key).unwrap_or_else(|| panic!("{key} has no text"));
    used.insert(key.into());
    let mut facts_named = names.facts.clone();
    for text in &names.texts {
        facts_named.extend(facts(text, catalogue, used));
    }
    facts_named
}

/// The Rust files below a folder of `src`, without their tests and comments.
fn code(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is part of the repository") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).expect("it can be read");
                let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                files.push((path.display().to_string(), lines.join("\n")));
            }
        }
    }
    files
}

/// The string literals in a piece of code.
fn literals(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find('"') {
        let text = &rest[start + 1..];
        let mut escaped = false;
        let end = text.find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        let Some(end) = end else { break };
        found.push(&text[..end]);
        rest = &text[end + 1..];
    }
    found
}

#[test]
fn every_language_can_be_read() {
    for language in LANGUAGES {
        let parsed = FluentResource::try_new(language.catalogue.into());
        assert!(parsed.is_ok(), "{}: {:?}", language.tag, parsed.err().map(|(_, errors)| errors));
        assert!(Words::named(language.tag).is_some(), "{}", language.tag);
    }
}

#[test]
fn every_finding_has_its_texts_and_they_name_what_it_has() {
    let catalogue = catalogue();
    for check in checks() {
        for text in ["title", "meaning", "remedy"] {
            let key = format!("{}.{text}", check.code.replace('.', "-"));
            for fact in facts(&key, &catalogue, &mut BTreeSet::new()) {
                let known = check.params.contains(&fact.as_str()) || FIELDS.contains(&fact.as_str());
                assert!(known, "{key} names {fact}, which the finding does not have");
            }
        }
    }
}

#[test]
fn every_cause_has_its_texts_and_they_name_what_it_has() {
    let catalogue = catalogue();
    for cause in Cause::ALL {
        for key in texts_of(cause) {
            for fact in facts(&key, &catalogue, &mut BTreeSet::new()) {
                let known = of_cause(cause).contains(&fact.as_str()) || OF_PROBLEMS.contains(&fact.as_str());
                assert!(known, "{key} names {fact}, which the problem does not have");
            }
        }
    }
}

#[test]
fn remarks_name_what_every_finding_with_remarks_has() {
    let catalogue = catalogue();
    for remark in catalogue.keys().filter(|key| key.starts_with("remark-")) {
        // A story says no more than what makes it less certain, and none of that names anything.
        for check in checks().filter(|check| check.params.contains(&"remarks") && check.code != "service.stopped") {
            for fact in facts(remark, &catalogue, &mut BTreeSet::new()) {
                let known = check.params.contains(&fact.as_str()) || FIELDS.contains(&fact.as_str());
                assert!(known, "{remark} names {fact}, which {} does not have", check.code);
            }
        }
    }
}

#[test]
fn no_text_is_unused_and_each_names_what_it_is_given() {
    let catalogue = catalogue();
    let mut used = BTreeSet::new();
    for check in checks() {
        for text in ["title", "meaning", "remedy"] {
            facts(&format!("{}.{text}", check.code.replace('.', "-")), &catalogue, &mut used);
        }
    }
    for key in Cause::ALL.into_iter().flat_map(texts_of) {
        facts(&key, &catalogue, &mut used);
    }
    let files = code("src");
    let asked: BTreeSet<&str> = files.iter().flat_map(|(_, code)| literals(code)).collect();
    for key in catalogue.keys() {
        let given = NAMED.iter().find(|(start, _)| start == key || start.ends_with('-') && key.starts_with(start));
        if let Some((_, given)) = given.filter(|_| asked.contains(key.as_str())) {
            let named = facts(key, &catalogue, &mut used);
            assert!(named.iter().all(|name| given.contains(&name.as_str())), "{key} names {named:?}");
        } else if key.strip_prefix("remark-").is_some_and(|code| asked.contains(code)) {
            facts(key, &catalogue, &mut used);
        }
    }
    let unused: Vec<&String> = catalogue.keys().filter(|key| !used.contains(*key)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn no_sentence_stands_in_a_finding() {
    for (path, code) in code("src/finding") {
        // When it is raised is said to programmers only, and a source is a citation.
        let cited = |line: &&str| !["raised:", "source:"].iter().any(|field| line.trim_start().starts_with(field));
        let code: Vec<&str> = code.lines().filter(cited).collect();
        for literal in literals(&code.join("\n")) {
            let words = literal.split(' ').filter(|word| word.chars().all(|c| c.is_alphabetic() || c == '.'));
            assert!(words.filter(|word| !word.is_empty()).count() < 2, "{path}: {literal:?}");
        }
    }
}

fn refused(clients: &[u8]) -> Finding {
    Finding {
        params: Params::from([
            ("service_title", Value::Service(None)),
            ("worked", Value::Number(0)),
            ("again", Value::Number(0)),
            ("advice", Value::Word("allow")),
            ("remarks", Value::Remarks(vec!["service-fails", "one-direction"])),
        ]),
        clients: clients.iter().map(|&last| Address::v4([10, 0, 0, last])).collect(),
        servers: vec![Address::v4([10, 0, 1, 1])],
        port: Some((Transport::Tcp, 2598)),
        flow_count: 1,
        ..Finding::named("blocked.refused", Severity::Error, Confidence::High)
    }
}

#[test]
fn a_text_holds_the_facts() {
    let texts = Words::default().finding(&refused(&[1, 2]));
    assert_eq!(texts.title, "TCP 2598, no known service, to 10.0.1.1: refused");
    assert_eq!(
        texts.meaning,
        "The first SYN of 10.0.0.1 and 10.0.0.2 was answered with a reset (1 flow). The host is reachable, but nothing \
         listens on this port, or a firewall answers in its place. What needs this service does not work. The capture \
         holds one direction only here, so the answer may also have been a refusal."
    );
}

#[test]
fn lists_are_short() {
    let words = Words::default();
    let hosts =
        |lasts: &[u8]| words.hosts(&lasts.iter().map(|&last| Address::v4([10, 0, 0, last])).collect::<Vec<_>>());
    assert_eq!(hosts(&[]), "nobody");
    assert_eq!(hosts(&[1]), "10.0.0.1");
    assert_eq!(hosts(&[1, 2]), "10.0.0.1 and 10.0.0.2");
    assert_eq!(hosts(&[1, 2, 3]), "10.0.0.1, 10.0.0.2 and 10.0.0.3");
    assert_eq!(hosts(&[1, 2, 3, 4]), "10.0.0.1, 10.0.0.2 and 2 more");
}

#[test]
fn errors_of_one_wording_are_told_once() {
    let error = |family, kind, code| IcmpKind { family, kind, code };
    let told = Words::default().errors(&[
        error(IcmpFamily::Icmp, 3, 1),
        error(IcmpFamily::Icmp, 3, 13),
        error(IcmpFamily::Icmpv6, 1, 200),
    ]);
    let expected = "communication administratively prohibited (ICMP type 3 code 13), host unreachable (ICMP type 3 code 1), \
                    unreachable (ICMPv6 type 1 code 200)";
    assert_eq!(told, expected);
}

#[test]
fn people_read_durations_in_words() {
    let words = Words::default();
    let told = [
        0.0,
        0.004,
        0.0999,
        0.44,
        4.0,
        9.97,
        28.4,
        119.0,
        312.0,
        5_400.0,
        7_200.0,
        86_400.0,
        259_200.0,
        31_556_952.0,
        183_030_000.0,
    ];
    let told = told.map(|seconds: f64| words.duration(Span((seconds * 1e9) as i64)));
    let expected = [
        "0 s",
        "4 ms",
        "0.1 s",
        "0.4 s",
        "4 s",
        "10 s",
        "28 s",
        "119 s",
        "5.2 min",
        "90 min",
        "2 hours",
        "24 hours",
        "3 days",
        "365 days",
        "5.8 years",
    ];
    assert_eq!(told, expected);
}

#[test]
fn no_text_adds_a_unit_to_a_duration() {
    let durations = ["after_longest", "after_shortest", "ahead", "duration", "grace", "idle", "largest", "watched"];
    for name in durations {
        assert!(!LANGUAGES[0].catalogue.contains(&format!("{{ ${name} }} s")), "{name} comes with its unit");
    }
}

#[test]
fn a_language_is_known_by_its_tag() {
    assert!(Words::named("EN").is_some());
    assert!(Words::named("xx").is_none());
}

#[test]
fn what_a_language_lacks_is_told_in_english() {
    let german = Language {
        tag: "de",
        catalogue: "blocked-refused =\n    .title = { $server } lehnt { $clients } ab\n    .remedy = { untranslated }\n\
                    hosts = { $count ->\n        [one] { $first }\n       *[other] { $count } Rechner\n    }\n",
    };
    let words = Words::of([&german, &LANGUAGES[0]]);
    let texts = words.finding(&refused(&[1, 2]));
    assert_eq!(texts.title, "10.0.1.1 lehnt 2 Rechner ab");
    assert!(texts.meaning.starts_with("The first SYN of 2 Rechner was answered"), "{}", texts.meaning);
    assert!(texts.remedy.starts_with("Check that the service runs"), "it cannot be said in full: {}", texts.remedy);
}
