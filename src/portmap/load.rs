//! From TOML to what a map holds. Everything is checked here, once: one reading finds every fault, each with its line.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::RangeInclusive;

use super::blocks::{At, Block, Faults, read};
use super::lookup::Generic;
use super::rule::{Direction, Document, Exposed, Fallback, Instead, Layer, Plain, PortRule, Service, ServiceId};
use super::story::{Opener, Phase, Refusal, Story};
use super::terms::Synonym;
use crate::signature::{PATH_LIMIT, Protocol, is_kept_path};
use crate::transport::Transport;

/// What is wrong with a port map, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapError {
    /// Everything that is wrong, in the order of the file. Never empty.
    pub faults: Vec<MapFault>,
}

/// One thing that is wrong with a port map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapFault {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there, without the line.
    pub what: String,
}

impl fmt::Display for MapFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("port map")?;
        self.faults.iter().try_for_each(|fault| write!(f, ", {fault}"))
    }
}

impl std::error::Error for MapError {}

/// What a file holds: a map without its tables.
pub(super) struct Parts {
    pub name: String,
    pub version: String,
    pub documents: Vec<Document>,
    pub services: Vec<Service>,
    pub rules: Vec<PortRule>,
    pub generic: Vec<Generic>,
    pub synonyms: Vec<Synonym>,
    pub stories: Vec<Story>,
}

/// Reads a map.
///
/// # Errors
/// Everything that is wrong, each with its line.
pub(super) fn parse(text: &str) -> Result<Parts, MapError> {
    read(text, parts).map_err(|faults| {
        let faults = faults.into_iter().map(|(line, what)| MapFault { line, what }).collect();
        MapError { faults }
    })
}

/// What a whole file holds; nothing where something needed is missing. Every block is read, whatever is wrong with others.
fn parts(file: &Block<'_>) -> Option<Parts> {
    let (name, version) = (file.text("name"), file.text("version"));
    let mut keys = Names::new("document", file.faults);
    let documents = file.blocks("document").iter().filter_map(|block| document(block, &mut keys)).collect();
    let blocks = file.blocks("service");
    let mut names = Names::new("service", file.faults);
    // Services name each other, whichever stands first.
    let named: Vec<(Option<At<String>>, &Block<'_>)> = blocks.iter().map(|block| (block.text("name"), block)).collect();
    named.iter().filter_map(|(name, _)| name.as_ref()).for_each(|name| names.add(name));
    let (mut proved, mut asked) = (HashSet::new(), HashSet::new());
    let service = |(name, block): &(Option<At<String>>, &Block<'_>)| {
        service(block, name.as_ref(), &names, &mut proved, &mut asked)
    };
    let services = named.iter().filter_map(service).collect();
    let generic = file.blocks("generic").iter().map(|block| generic(block, &names)).collect();
    let mut ids = Names::new("rule", file.faults);
    let mut rules = Vec::new();
    for block in file.blocks("rule") {
        let layer = document_layer(&block);
        rules.extend(rule(&block, &mut ids, &keys, &names, layer));
    }
    for block in file.blocks("correction") {
        let layer = correction_layer(&block);
        rules.extend(rule(&block, &mut ids, &keys, &names, layer));
    }
    let mut known = HashSet::new();
    let synonyms = file.blocks("synonym").iter().filter_map(|block| synonym(block, &mut known)).collect();
    let mut told = Names::new("story", file.faults);
    let stories = file.blocks("story").iter().filter_map(|block| story(block, &mut told, &names)).collect();
    file.done();
    let (name, version) = (name?.value, version?.value);
    Some(Parts { name, version, documents, services, rules, generic, synonyms, stories })
}

fn document(block: &Block<'_>, keys: &mut Names<'_>) -> Option<Document> {
    let key = block.text("key");
    key.iter().for_each(|key| keys.add(key));
    // Maps made before titles stood in the notes have it. Nothing reads it.
    block.text_if("number");
    let (title, language, origin) = (block.text("title"), block.text("language"), block.text("origin"));
    let original = block.text_if("original").map(|original| original.value);
    block.done();
    Some(Document { key: key?.value, title: title?.value, language: language?.value, original, origin: origin?.value })
}

fn service(
    block: &Block<'_>,
    name: Option<&At<String>>,
    names: &Names<'_>,
    proved: &mut HashSet<Protocol>,
    asked: &mut HashSet<String>,
) -> Option<Service> {
    let title = block.text("title");
    let by = block.text_if("proved_by").and_then(|by| Some(At { value: protocol(block, &by)?, at: by.at }));
    let protocols = |key| {
        let list = block.texts_if(key)?;
        Some(list.value.iter().filter_map(|name| protocol(block, name)).collect::<Vec<_>>())
    };
    let speaks = protocols("speaks");
    let carries = protocols("carries").unwrap_or_default();
    if let Some(by) = &by {
        if !proved.insert(by.value) {
            let what = format!("the protocol '{}' proves another service already", by.value);
            block.faults.relation(by.at, what);
        }
        if speaks.as_ref().is_some_and(|speaks| !speaks.contains(&by.value)) {
            let what = format!("speaks lacks the protocol '{}', which proves the service", by.value);
            block.faults.relation(by.at, what);
        }
    }
    let asked_by = block.texts_if("asked_by").map(|paths| asked_by(block, paths.value, asked)).unwrap_or_default();
    let session = block.flag("session");
    let (requests, answers_within) = (block.flag("requests"), block.number_if("answers_within_ms"));
    let short = block.text_if("short").map(|short| short.value);
    let blocked = block.text_if("blocked").map(|blocked| blocked.value);
    let plain = block.block_if("plain").map(|block| plain(&block));
    let own = name.and_then(|name| names.find(&name.value));
    let instead = block.block_if("instead").map(|block| instead(&block, own.map(ServiceId), names));
    block.done();
    Some(Service {
        name: name?.value.clone(),
        title: title?.value,
        short,
        proved_by: by.map(|by| by.value),
        speaks,
        asked_by,
        session,
        carries,
        plain: match plain {
            Some(plain) => Some(plain?),
            None => None,
        },
        requests,
        answers_within,
        blocked,
        instead: match instead {
            Some(instead) => Some(instead?),
            None => None,
        },
    })
}

/// How paths begin by which a service is asked for. Only paths of Citrix are kept, so no other one tells anything.
fn asked_by(block: &Block<'_>, paths: Vec<At<String>>, asked: &mut HashSet<String>) -> Vec<String> {
    for At { at, value: path } in &paths {
        let is_clean = path.len() <= PATH_LIMIT && path.bytes().all(|byte| matches!(byte, 0x21..=0x7E) && byte != b'?');
        if !is_clean || *path != path.to_ascii_lowercase() {
            block.faults.value(*at, format!("'{path}' is not the beginning of a path in lower case"));
        } else if !is_kept_path(path) {
            block.faults.value(*at, format!("no request is told by a path that begins with '{path}'"));
        } else if !asked.insert(path.clone()) {
            block.faults.relation(*at, format!("a service is asked by '{path}' already"));
        }
    }
    paths.into_iter().map(|path| path.value).collect()
}

/// How a service is spoken where anybody can read it.
fn plain(block: &Block<'_>) -> Option<Plain> {
    let (exposed, ports) = (block.text("exposed"), ranges(block.ports("ports")));
    let exposed = exposed.and_then(|name| {
        let found = Exposed::named(&name.value);
        if found.is_none() {
            let known = Exposed::all().iter().map(|exposed| exposed.name()).collect::<Vec<_>>().join(", ");
            block.faults.value(name.at, format!("'{}' is none of {known}", name.value));
        }
        found
    });
    block.done();
    Some(Plain { exposed: exposed?, ports })
}

/// What takes the place of `blocked`.
fn instead(block: &Block<'_>, blocked: Option<ServiceId>, names: &Names<'_>) -> Option<Instead> {
    let listed = block.texts("services");
    let fallback = block.text("fallback");
    let mut services = Vec::new();
    for name in listed.iter().flat_map(|listed| &listed.value) {
        let Some(service) = names.service(name) else { continue };
        if Some(service) == blocked {
            block.faults.relation(name.at, "a service does not take its own place");
        } else if services.contains(&service) {
            block.faults.relation(name.at, format!("the service '{}' stands there already", name.value));
        }
        services.push(service);
    }
    if let Some(listed) = listed.as_ref().filter(|listed| listed.value.is_empty()) {
        block.faults.relation(listed.at, "instead needs at least one service");
    }
    let fallback = fallback.and_then(|name| {
        let found = Fallback::named(&name.value);
        if found.is_none() {
            let known = Fallback::all().iter().map(|fallback| fallback.name()).collect::<Vec<_>>().join(" or ");
            block.faults.value(name.at, format!("'{}' is not {known}", name.value));
        }
        found
    });
    block.done();
    Some(Instead { services, fallback: fallback? })
}

/// What a host goes through. Every phase is read, whatever is wrong with others.
fn story(block: &Block<'_>, told: &mut Names<'_>, names: &Names<'_>) -> Option<Story> {
    let name = block.text("name");
    name.iter().for_each(|name| told.add(name));
    let (title, subject, subjects) = (block.text("title"), block.text("subject"), block.text("subjects"));
    let subject_serves = services_if(block, "subject_serves", names);
    let subject_uses = services_if(block, "subject_uses", names);
    let stopped = block.text_if("stopped").map(|stopped| stopped.value);
    let source = block.text_if("source").map(|source| source.value);
    let blocks = block.blocks("phase");
    let mut ids = Names::new("phase", block.faults);
    let phases: Vec<Option<Phase>> = blocks.iter().map(|block| phase(block, &mut ids, names)).collect();
    if phases.is_empty() {
        block.faults.relation(block.at, "a story needs at least one phase");
    }
    block.done();
    let phases = phases.into_iter().collect::<Option<Vec<Phase>>>()?;
    Some(Story {
        name: name?.value,
        title: title?.value,
        subject: subject?.value,
        subjects: subjects?.value,
        subject_serves,
        subject_uses,
        stopped,
        source,
        phases,
    })
}

/// Services that are named in a list that may be there.
fn services_if(block: &Block<'_>, key: &'static str, names: &Names<'_>) -> Vec<ServiceId> {
    let listed = block.texts_if(key).map(|listed| listed.value).unwrap_or_default();
    listed.iter().filter_map(|name| names.service(name)).collect()
}

/// Answers that stop a phase.
fn refusals(block: &Block<'_>) -> Vec<Refusal> {
    let listed = block.texts_if("errors").map(|listed| listed.value).unwrap_or_default();
    let refusal = |name: &At<String>| {
        let found = Refusal::named(&name.value);
        if found.is_none() {
            block
                .faults
                .value(name.at, format!("'{}' is not an error such as http-503, kerberos-7 or alert", name.value));
        }
        found
    };
    listed.iter().filter_map(refusal).collect()
}

fn phase(block: &Block<'_>, ids: &mut Names<'_>, names: &Names<'_>) -> Option<Phase> {
    let (name, title) = (block.text("name"), block.text("title"));
    name.iter().for_each(|name| ids.add(name));
    let transports = block.text("protocol").and_then(|protocol| match protocol.value.as_str() {
        "tcp" => Some(vec![Transport::Tcp]),
        "udp" => Some(vec![Transport::Udp]),
        "both" => Some(vec![Transport::Tcp, Transport::Udp]),
        other => {
            block.faults.value(protocol.at, format!("'{other}' is not tcp, udp or both"));
            None
        }
    });
    let ports = ranges(block.ports("ports"));
    if ports.is_empty() {
        block.faults.relation(block.at, "a phase needs at least one port");
    }
    let service = block.text_if("service").and_then(|service| names.service(&service));
    let opener = match block.text_if("opener") {
        None => Some(Opener::Subject),
        Some(opener) => match opener.value.as_str() {
            "subject" => Some(Opener::Subject),
            "server" => Some(Opener::Server),
            other => {
                block.faults.value(opener.at, format!("'{other}' is not subject or server"));
                None
            }
        },
    };
    let server_serves = services_if(block, "server_serves", names);
    let fails_at = services_if(block, "fails_at", names);
    let errors = refusals(block);
    let names_of = block.text_if("names_of").and_then(|service| names.service(&service));
    let asked_before = block.text_if("asked_before").map(|path| path.value);
    let context = block.flag("context");
    let (each_server, next_server) = (block.flag("each_server"), block.flag("next_server"));
    let (optional, only_where_used) = (block.flag("optional"), block.flag("only_where_used"));
    let next_within = block.number_if("next_within_s");
    let remedy = block.text_if("remedy").map(|remedy| remedy.value);
    block.done();
    Some(Phase {
        name: name?.value,
        title: title?.value,
        transports: transports?,
        ports,
        service,
        server_serves,
        fails_at,
        opener: opener?,
        errors,
        names_of,
        asked_before,
        context,
        each_server,
        next_server,
        optional,
        only_where_used,
        next_within,
        remedy,
    })
}

/// A protocol that is recognised by its first bytes.
fn protocol(block: &Block<'_>, name: &At<String>) -> Option<Protocol> {
    let found = Protocol::all().iter().copied().find(|protocol| protocol.name() == name.value);
    if found.is_none() {
        block.faults.value(name.at, format!("no signature recognises a protocol '{}'", name.value));
    }
    found
}

fn generic(block: &Block<'_>, names: &Names<'_>) -> Generic {
    let service = block.text_if("service").and_then(|name| names.service(&name));
    let (tcp, udp) = (ranges(block.ports("tcp")), ranges(block.ports("udp")));
    block.done();
    Generic { service, tcp, udp }
}

fn document_layer(block: &Block<'_>) -> Option<Layer> {
    let (why, cited) = (block.text_if("why"), block.text_if("cited"));
    if let Some(word) = why.or(cited) {
        block.faults.relation(word.at, "only a correction has `why` and `cited`");
    }
    Some(Layer::Document)
}

fn correction_layer(block: &Block<'_>) -> Option<Layer> {
    match (block.text_if("why"), block.text_if("cited")) {
        (Some(why), Some(cited)) => Some(Layer::Correction { why: why.value, cited: cited.value }),
        _ => {
            block.faults.relation(block.at, "a correction needs `why` and `cited`");
            None
        }
    }
}

fn rule(
    block: &Block<'_>,
    ids: &mut Names<'_>,
    keys: &Names<'_>,
    names: &Names<'_>,
    layer: Option<Layer>,
) -> Option<PortRule> {
    let id = block.text("id");
    id.iter().for_each(|id| ids.add(id));
    let (product, detail) = (block.text("product"), block.text("detail"));
    let (sources, destinations) = (roles(block, "source"), roles(block, "destination"));
    let transports = transports(block);
    let ports = ranges(block.ports("ports"));
    let direction = block.text("direction").and_then(|way| direction(block, &way));
    let service = block.text("service").and_then(|name| names.service(&name));
    let udp_service = block.text_if("udp_service");
    let reply = block.ports("reply");
    let over_udp = transports.as_ref().is_none_or(|transports| transports.contains(&Transport::Udp));
    if let Some(name) = udp_service.as_ref().filter(|_| !over_udp) {
        block.faults.relation(name.at, "udp_service stands in a rule without udp");
    }
    for answering in &reply {
        let (first, last) = (answering.value.start(), answering.value.end());
        if !over_udp || !ports.iter().any(|ports| ports.contains(first) && ports.contains(last)) {
            block.faults.relation(answering.at, "reply names what is no UDP port of the rule");
        }
    }
    let udp_service = udp_service.and_then(|name| names.service(&name));
    let documents = block.texts_if("documents").map(|keys| keys.value).unwrap_or_default();
    documents.iter().for_each(|key| _ = keys.place(key));
    let note = block.text_if("note").map(|note| note.value);
    block.done();
    let transports = transports?;
    if transports == [Transport::Icmp] && !ports.is_empty() {
        block.faults.relation(block.place_of("protocol"), "icmp has no ports");
    }
    Some(PortRule {
        id: id?.value,
        product: product?.value,
        sources: sources?,
        destinations: destinations?,
        transports,
        ports,
        direction: direction?,
        service: service?,
        udp_service,
        reply: ranges(reply),
        detail: detail?.value,
        documents: documents.into_iter().map(|key| key.value).collect(),
        note,
        layer: layer?,
    })
}

/// In order, each once: the order in the file is a matter of taste.
fn transports(block: &Block<'_>) -> Option<Vec<Transport>> {
    let listed = block.texts("protocol")?;
    let mut transports = Vec::new();
    for name in &listed.value {
        match Transport::named(&name.value) {
            Some(transport) => transports.push(transport),
            None => block.faults.value(name.at, format!("'{}' is not tcp, udp or icmp", name.value)),
        }
    }
    if listed.value.is_empty() {
        block.faults.value(listed.at, "a rule needs at least one protocol");
    }
    transports.sort_unstable();
    transports.dedup();
    (!transports.is_empty()).then_some(transports)
}

fn direction(block: &Block<'_>, way: &At<String>) -> Option<Direction> {
    match way.value.as_str() {
        "one-way" => Some(Direction::OneWay),
        "both" => Some(Direction::Both),
        other => {
            block.faults.value(way.at, format!("'{other}' is not one-way or both"));
            None
        }
    }
}

/// Roles of one side of a rule.
fn roles(block: &Block<'_>, key: &'static str) -> Option<Vec<String>> {
    let roles = block.texts(key)?;
    if roles.value.is_empty() {
        block.faults.value(roles.at, "a rule needs at least one role on each side");
    }
    Some(roles.value.into_iter().map(|role| role.value).collect())
}

fn synonym(block: &Block<'_>, known: &mut HashSet<Vec<String>>) -> Option<Synonym> {
    let (typed, means) = (block.texts("typed"), block.texts("means"));
    block.done();
    let (typed, means) = (typed?.value, means?.value);
    let texts = |list: &[At<String>]| list.iter().map(|text| text.value.clone()).collect();
    let synonym = Synonym::new(texts(&typed), texts(&means));
    for (words, name) in synonym.typed.iter().zip(&typed) {
        if words.is_empty() {
            block.faults.value(name.at, format!("there is no word in '{}'", name.value));
        } else if !known.insert(words.clone()) {
            block.faults.relation(name.at, format!("'{}' is typed in another synonym already", name.value));
        }
    }
    Some(synonym)
}

fn ranges(ports: Vec<At<RangeInclusive<u16>>>) -> Vec<RangeInclusive<u16>> {
    ports.into_iter().map(|ports| ports.value).collect()
}

/// Names of one kind that are known so far, with their places.
struct Names<'a> {
    kind: &'static str,
    faults: &'a Faults,
    places: HashMap<String, u16>,
}

impl<'a> Names<'a> {
    fn new(kind: &'static str, faults: &'a Faults) -> Names<'a> {
        Names { kind, faults, places: HashMap::new() }
    }

    fn add(&mut self, name: &At<String>) {
        // The number that is left over stands for "no rule" in the tables of the map.
        let Some(place) = u16::try_from(self.places.len()).ok().filter(|place| *place < u16::MAX) else {
            self.faults.relation(name.at, format!("more than 65535 entries of the kind {}", self.kind));
            return;
        };
        if self.places.insert(name.value.clone(), place).is_some() {
            self.faults.relation(name.at, format!("the {} '{}' stands in the map already", self.kind, name.value));
        }
    }

    fn find(&self, name: &str) -> Option<u16> {
        self.places.get(name).copied()
    }

    fn place(&self, name: &At<String>) -> Option<u16> {
        let place = self.find(&name.value);
        if place.is_none() {
            self.faults.relation(name.at, format!("there is no {} '{}'", self.kind, name.value));
        }
        place
    }

    fn service(&self, name: &At<String>) -> Option<ServiceId> {
        self.place(name).map(ServiceId)
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::Family;
    use super::*;
    use crate::portmap::{PortMap, RuleId};

    /// A whole map with one rule and one correction, to be broken one line at a time.
    const GOOD: &str = r#"name = "small"
version = "1"
[[document]]
key = "paper"
title = "A paper"
language = "en"
origin = "Nobody"
[[service]]
name = "cgp"
title = "CGP"
proved_by = "cgp"
speaks = ["cgp", "tls"]
asked_by = ["/citrix/one/"]
session = true
blocked = "Less comfort."
instead = { services = ["ica"], fallback = "cgp-to-ica" }
[[service]]
name = "ica"
title = "ICA"
[[generic]]
tcp = [80]
[[rule]]
id = "one"
product = "Product"
source = ["Client"]
destination = ["Server"]
protocol = ["tcp", "udp"]
ports = [1494, "8082-8083"]
direction = "one-way"
service = "ica"
reply = [1494]
detail = "Sessions"
documents = ["paper"]
[[correction]]
id = "two"
product = "Product"
source = ["Client"]
destination = ["Server"]
protocol = ["icmp"]
direction = "both"
service = "ica"
detail = "Ping"
why = "It is missing."
cited = "Somebody"
"#;

    /// The line of the good map that says what takes the place of another service, which is declared after it.
    const INSTEAD: &str = r#"instead = { services = ["ica"], fallback = "cgp-to-ica" }"#;

    /// The line of the good map that says by which paths a service is asked for.
    const ASKED: &str = r#"asked_by = ["/citrix/one/"]"#;

    fn faults_of(text: &str) -> Vec<MapFault> {
        PortMap::parse(text).expect_err("a broken map").faults
    }

    /// The only fault.
    fn fault_of(text: &str) -> MapFault {
        let [fault] = faults_of(text).try_into().unwrap_or_else(|faults| panic!("{faults:?}"));
        fault
    }

    fn fault(line: usize, what: &str) -> MapFault {
        MapFault { line, what: what.into() }
    }

    #[test]
    fn a_good_map_is_read() {
        let map = PortMap::parse(GOOD).expect("a good map");
        assert_eq!((map.name(), map.version(), map.documented()), ("small", "1", 1));
        let [cgp, ica] = map.services() else { panic!("{:?}", map.services()) };
        assert_eq!(cgp.proved_by, Some(Protocol::Cgp));
        assert_eq!(cgp.speaks, Some(vec![Protocol::Cgp, Protocol::Tls]));
        assert_eq!(cgp.asked_by, ["/citrix/one/"]);
        assert_eq!(cgp.blocked.as_deref(), Some("Less comfort."));
        let ica_instead = Instead { services: vec![ServiceId(1)], fallback: Fallback::CgpToIca };
        assert_eq!((cgp.session, &cgp.instead), (true, &Some(ica_instead)));
        let nothing_known = Service {
            name: "ica".into(),
            title: "ICA".into(),
            short: None,
            proved_by: None,
            speaks: None,
            asked_by: Vec::new(),
            session: false,
            carries: Vec::new(),
            plain: None,
            requests: false,
            answers_within: None,
            blocked: None,
            instead: None,
        };
        assert_eq!(*ica, nothing_known);
        let rule = map.rule(RuleId(0));
        assert_eq!(rule.ports, [1494..=1494, 8082..=8083]);
        assert_eq!(rule.transports, [Transport::Tcp, Transport::Udp]);
        assert_eq!(rule.reply, [1494..=1494]);
        assert_eq!(rule.layer, Layer::Document);
        let correction = map.rule(RuleId(1));
        assert_eq!(correction.direction, Direction::Both);
        let layer = Layer::Correction { why: "It is missing.".into(), cited: "Somebody".into() };
        assert_eq!(correction.layer, layer);
    }

    /// Each row: a line of the good map, what is written instead, and what the error says.
    #[test]
    fn every_fault_is_reported_with_its_line() {
        let broken = [
            (r#"ports = [1494, "8082-8083"]"#, r#"ports = ["808x"]"#, "'808x' is not a port or a range"),
            (r#"ports = [1494, "8082-8083"]"#, r#"ports = ["8083-8082"]"#, "the range '8083-8082' runs backwards"),
            (r#"ports = [1494, "8082-8083"]"#, r#"ports = ["0-5"]"#, "'0-5' is not a port or a range"),
            (r#"ports = [1494, "8082-8083"]"#, r#"ports = ["+80"]"#, "'+80' is not a port or a range"),
            (r#"ports = [1494, "8082-8083"]"#, r#"ports = ["1-2-3"]"#, "'1-2-3' is not a port or a range"),
            (r#"ports = [1494, "8082-8083"]"#, "ports = [1494, 0]", "'0' is not a port (1 to 65535)"),
            (r#"ports = [1494, "8082-8083"]"#, "ports = [65536]", "'65536' is not a port (1 to 65535)"),
            (r#"ports = [1494, "8082-8083"]"#, "ports = [-1]", "'-1' is not a port (1 to 65535)"),
            (
                r#"ports = [1494, "8082-8083"]"#,
                "ports = [1.5]",
                "a port or a range \"a-b\" is wanted, not a number with a fraction",
            ),
            (r#"ports = [1494, "8082-8083"]"#, "port = [1494]", "unknown key `port`"),
            (r#"ports = [1494, "8082-8083"]"#, "ports = [1494 80]", "string values must be quoted"),
            ("tcp = [80]", "tcp = [80, 99999]", "'99999' is not a port (1 to 65535)"),
            ("tcp = [80]", r#"service = "none""#, "there is no service 'none'"),
            ("tcp = [80]", "icmp = [80]", "unknown key `icmp`"),
            (r#"id = "one""#, r#"id = """#, "an empty text"),
            (r#"id = "two""#, r#"id = "one""#, "the rule 'one' stands in the map already"),
            (r#"source = ["Client"]"#, "source = []", "a rule needs at least one role on each side"),
            (r#"source = ["Client"]"#, r#"source = ["Client", " "]"#, "an empty text"),
            (r#"protocol = ["tcp", "udp"]"#, r#"protocol = ["tcp", "sctp"]"#, "'sctp' is not tcp, udp or icmp"),
            (r#"protocol = ["tcp", "udp"]"#, "protocol = []", "a rule needs at least one protocol"),
            (r#"protocol = ["tcp", "udp"]"#, r#"protocol = ["icmp"]"#, "icmp has no ports"),
            (r#"direction = "one-way""#, r#"direction = "in""#, "'in' is not one-way or both"),
            (r#"service = "ica""#, r#"service = "icq""#, "there is no service 'icq'"),
            (r#"proved_by = "cgp""#, r#"proved_by = "cpg""#, "no signature recognises a protocol 'cpg'"),
            (r#"speaks = ["cgp", "tls"]"#, r#"speaks = ["cgp", "tcp"]"#, "no signature recognises a protocol 'tcp'"),
            (r#"speaks = ["cgp", "tls"]"#, r#"speak = ["cgp"]"#, "unknown key `speak`"),
            (ASKED, r#"asked_by = ["/Citrix/One/"]"#, "'/Citrix/One/' is not the beginning of a path in lower case"),
            (ASKED, r#"asked_by = ["/citrix/a b"]"#, "'/citrix/a b' is not the beginning of a path in lower case"),
            (ASKED, r#"asked_by = ["/citrix/?x"]"#, "'/citrix/?x' is not the beginning of a path in lower case"),
            (ASKED, r#"asked_by = ["/one/"]"#, "no request is told by a path that begins with '/one/'"),
            (ASKED, r#"asked_by = ["/citrix/a", "/citrix/a"]"#, "a service is asked by '/citrix/a' already"),
            (ASKED, r#"asked_by = "/citrix/a""#, "a list of texts is wanted, not a text"),
            (ASKED, r#"plain = { exposed = "all" }"#, "'all' is none of adc-sync, ica, layering, ldap, "),
            (ASKED, r#"plain = { exposed = "ica", ports = ["80x"] }"#, "'80x' is not a port or a range"),
            (ASKED, r#"plain = { exposed = "ica", tcp = [80] }"#, "unknown key `tcp`"),
            (ASKED, r#"plain = "ica""#, "a table is wanted, not a text"),
            ("session = true", r#"session = "yes""#, "true or false is wanted, not a text"),
            (r#"blocked = "Less comfort.""#, r#"blocked = """#, "an empty text"),
            (INSTEAD, &INSTEAD.replace(r#""ica""#, r#""ica", "icq""#), "there is no service 'icq'"),
            (INSTEAD, &INSTEAD.replace(r#""ica""#, r#""cgp""#), "a service does not take its own place"),
            (INSTEAD, &INSTEAD.replace(r#""ica""#, ""), "instead needs at least one service"),
            (
                INSTEAD,
                &INSTEAD.replace("cgp-to-ica", "cgp"),
                "'cgp' is not cgp-to-ica or edt-to-tcp or audio-to-tcp or rendezvous",
            ),
            (INSTEAD, &INSTEAD.replace("fallback", "kind"), "unknown key `kind`"),
            (INSTEAD, &INSTEAD.replace(r#""ica""#, r#""ica", "ica""#), "the service 'ica' stands there already"),
            (
                r#"proved_by = "cgp""#,
                r#"proved_by = "ica""#,
                "speaks lacks the protocol 'ica', which proves the service",
            ),
            (r#"reply = [1494]"#, r#"udp_service = "edt""#, "there is no service 'edt'"),
            (r#"reply = [1494]"#, "reply = [1495]", "reply names what is no UDP port of the rule"),
            (r#"reply = [1494]"#, r#"reply = ["8082-8084"]"#, "reply names what is no UDP port of the rule"),
            (r#"documents = ["paper"]"#, r#"documents = ["paper", "book"]"#, "there is no document 'book'"),
            (r#"documents = ["paper"]"#, r#"cited = "me""#, "only a correction has `why` and `cited`"),
            (r#"language = "en""#, "language = 1", "a text is wanted, not a whole number"),
            (r#"version = "1""#, r#"version = "1" x"#, ""),
        ];
        for (good, bad, what) in broken {
            let line = GOOD.lines().position(|line| line == good).expect("a line of the good map") + 1;
            let text = GOOD.replacen(good, bad, 1);
            assert_ne!(text, GOOD);
            let faults = faults_of(&text);
            assert!(faults.iter().any(|fault| fault.line == line && fault.what.contains(what)), "{bad}: {faults:?}");
            assert_eq!(faults[0].line, line, "{bad}: {faults:?}");
        }
    }

    /// A story, to be added to the good map and broken one line at a time.
    const STORY: &str = r#"[[story]]
name = "start"
title = "A start"
subject = "Host"
subjects = "hosts"
subject_serves = ["ica"]
subject_uses = ["cgp"]
stopped = "It does not start."
source = "A page"
[[story.phase]]
name = "ask"
title = "an answer"
protocol = "udp"
ports = [80, "90-91"]
service = "ica"
server_serves = ["ica"]
fails_at = ["cgp"]
errors = ["http-503", "alert", "no-hello"]
optional = true
only_where_used = true
next_within_s = 30
remedy = "Ask again."
[[story.phase]]
name = "call"
title = "a call"
protocol = "tcp"
ports = [99]
opener = "server"
"#;

    #[test]
    fn a_story_is_read() {
        let map = PortMap::parse(&[GOOD, STORY].concat()).expect("a good map");
        let [story] = map.stories() else { panic!("{:?}", map.stories()) };
        let ica = ServiceId(1);
        assert_eq!((story.name.as_str(), story.subjects.as_str()), ("start", "hosts"));
        assert_eq!((&story.subject_serves, &story.subject_uses), (&vec![ica], &vec![ServiceId(0)]));
        let [ask, call] = &story.phases[..] else { panic!("{story:?}") };
        assert!(ask.optional && ask.only_where_used && !call.optional);
        assert!(ask.is_at(Transport::Udp, 91) && !ask.is_at(Transport::Tcp, 91) && !ask.is_at(Transport::Udp, 92));
        let error = |family, number| Refusal { family, number };
        assert_eq!(
            ask.errors,
            [error(Family::Http, Some(503)), error(Family::Alert, None), error(Family::NoHello, None)]
        );
        assert!(ask.errors[0].holds(Family::Http, 503) && !ask.errors[0].holds(Family::Http, 500));
        assert_eq!((ask.opener, call.opener), (Opener::Subject, Opener::Server));
        assert_eq!((ask.next_within, call.remedy.as_deref()), (Some(30), None));
    }

    #[test]
    fn every_mistake_in_a_story_is_reported_with_its_line() {
        let broken = [
            (r#"subjects = "hosts""#, "", "missing key `subjects`"),
            (r#"subject_serves = ["ica"]"#, r#"subject_serves = ["isa"]"#, "there is no service 'isa'"),
            (r#"fails_at = ["cgp"]"#, r#"fails_at = ["rdp"]"#, "there is no service 'rdp'"),
            (r#"protocol = "udp""#, r#"protocol = "icmp""#, "'icmp' is not tcp, udp or both"),
            (r#"ports = [80, "90-91"]"#, "ports = []", "a phase needs at least one port"),
            (r#"ports = [80, "90-91"]"#, "ports = [0]", "'0' is not a port (1 to 65535)"),
            (r#"opener = "server""#, r#"opener = "nobody""#, "'nobody' is not subject or server"),
            (
                r#"errors = ["http-503", "alert", "no-hello"]"#,
                r#"errors = ["no-hello-1"]"#,
                "'no-hello-1' is not an error",
            ),
            (r#"errors = ["http-503", "alert", "no-hello"]"#, r#"errors = ["http-x"]"#, "'http-x' is not an error"),
            ("next_within_s = 30", "next_within_s = 0", "a whole number above 0 is wanted"),
            ("optional = true", "optional = 1", "true or false is wanted"),
            (r#"remedy = "Ask again.""#, r#"remedies = "Ask again.""#, "unknown key `remedies`"),
            (r#"name = "call""#, r#"name = "ask""#, "the phase 'ask' stands in the map already"),
        ];
        for (good, bad, what) in broken {
            let all = [GOOD, STORY].concat();
            let text = [GOOD, &STORY.replacen(good, bad, 1)].concat();
            assert_ne!(text, all, "{good}");
            let place = all.lines().position(|line| line == good).expect("a line of the good story") + 1;
            // What is missing is reported at the head of its block.
            let heads = all.lines().take(place).enumerate().filter(|(_, line)| line.starts_with("[["));
            let head = heads.map(|(line, _)| line + 1).last().expect("it stands in a block");
            let faults = faults_of(&text);
            let told = |fault: &MapFault| [place, head].contains(&fault.line) && fault.what.contains(what);
            assert!(faults.iter().any(told), "{bad}: {faults:?}");
        }
    }

    #[test]
    fn a_story_is_told_once_and_has_phases() {
        let twice = [GOOD, STORY, STORY].concat();
        assert!(fault_of(&twice).what.contains("the story 'start' stands in the map already"));
        let bare = STORY.split("[[story.phase]]").next().expect("a head");
        assert!(fault_of(&[GOOD, bare].concat()).what.contains("a story needs at least one phase"));
    }

    #[test]
    fn a_rule_over_tcp_alone_has_no_udp_side() {
        let tcp = GOOD.replacen(r#"protocol = ["tcp", "udp"]"#, r#"protocol = ["tcp"]"#, 1);
        assert_eq!(fault_of(&tcp), fault(31, "reply names what is no UDP port of the rule"));
        let named = tcp.replacen("reply = [1494]", r#"udp_service = "ica""#, 1);
        assert_eq!(fault_of(&named), fault(31, "udp_service stands in a rule without udp"));
    }

    #[test]
    fn what_is_missing_is_reported_where_it_should_stand() {
        let error = fault_of(&GOOD.replacen("detail = \"Sessions\"\n", "", 1));
        assert!(error.what.contains("missing key `detail`"), "{error}");
        assert_eq!(error.line, 22, "the head of the rule");
        let error = fault_of(&GOOD.replacen("why = \"It is missing.\"\n", "", 1));
        assert_eq!(error, fault(34, "a correction needs `why` and `cited`"));
        assert_eq!(faults_of(""), [fault(1, "missing key `name`"), fault(1, "missing key `version`")]);
    }

    #[test]
    fn every_generic_port_stands_once_and_in_a_rule() {
        let parts = parse(include_str!("citrix.toml")).expect("the embedded map");
        let map = PortMap::citrix();
        for transport in [Transport::Tcp, Transport::Udp] {
            let mut seen = Vec::new();
            for range in parts.generic.iter().flat_map(|block| match transport {
                Transport::Udp => &block.udp,
                Transport::Tcp | Transport::Icmp => &block.tcp,
            }) {
                assert!(range.clone().all(|port| map.lookup(transport, port).is_some()), "{transport} {range:?}");
                seen.extend(range.clone());
            }
            let ports = seen.len();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), ports, "{transport}: a port stands in two blocks");
        }
    }

    #[test]
    fn names_are_given_once() {
        let service = "[[service]]\nname = \"ica\"\ntitle = \"Again\"\n";
        let error = fault_of(&GOOD.replacen("[[generic]]", &format!("{service}[[generic]]"), 1));
        assert_eq!(error, fault(21, "the service 'ica' stands in the map already"));
        let error = fault_of(&GOOD.replacen("title = \"ICA\"", "title = \"ICA\"\nproved_by = \"cgp\"", 1));
        assert_eq!(error, fault(20, "the protocol 'cgp' proves another service already"));
    }

    #[test]
    fn a_map_that_ends_too_early_is_reported_within_the_file() {
        for end in 0..GOOD.len() {
            let Err(error) = PortMap::parse(&GOOD[..end]) else { continue };
            let lines = 1..=GOOD[..end].lines().count() + 1;
            assert!(error.faults.iter().all(|fault| lines.contains(&fault.line)), "{end}: {error}");
            assert!(!error.faults.is_empty(), "{end}");
        }
    }

    #[test]
    fn an_error_is_a_sentence() {
        let text = GOOD.replacen("[1494, \"8082-8083\"]", "[\"808x\"]", 1).replacen("reply = [1494]\n", "", 1);
        let error = PortMap::parse(&text).expect_err("a broken map");
        assert_eq!(error.to_string(), "port map, line 28: '808x' is not a port or a range");
    }

    /// Whoever writes a map corrects it once.
    #[test]
    fn every_fault_is_found_in_one_reading() {
        let text = GOOD
            .replacen("language = \"en\"", "language = 1", 1)
            .replacen(r#"speaks = ["cgp", "tls"]"#, r#"speaks = ["cgp", "tcp", "udp"]"#, 1)
            .replacen("tcp = [80]", "tcp = [80, 99999, \"5-4\"]", 1)
            .replacen(r#"direction = "one-way""#, r#"direction = "in""#, 1)
            .replacen("detail = \"Sessions\"", "details = \"Sessions\"", 1)
            .replacen(r#"id = "two""#, r#"id = "one""#, 1);
        let expected = [
            fault(6, "a text is wanted, not a whole number"),
            fault(12, "no signature recognises a protocol 'tcp'"),
            fault(12, "no signature recognises a protocol 'udp'"),
            fault(21, "'99999' is not a port (1 to 65535)"),
            fault(21, "the range '5-4' runs backwards"),
            fault(22, "missing key `detail`"),
            fault(29, "'in' is not one-way or both"),
            fault(32, "unknown key `details`"),
            fault(35, "the rule 'one' stands in the map already"),
        ];
        assert_eq!(faults_of(&text), expected);
    }

    /// What is missing may only follow from a line that is no TOML, so it is not told beside it; a bad value is.
    #[test]
    fn what_follows_from_a_broken_line_is_left_out() {
        let text =
            GOOD.replacen("detail = \"Sessions\"", "detail : Sessions", 1).replacen("tcp = [80]", "tcp = [0]", 1);
        let text = text.replacen("why = \"It is missing.\"", "why = It is missing.", 1);
        let faults = faults_of(&text);
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [21, 32, 43], "{faults:?}");
    }

    #[test]
    fn a_synonym_is_typed_once_and_has_words() {
        let synonym = |typed: &str| format!("{GOOD}[[synonym]]\ntyped = [{typed}]\nmeans = [\"ICA\"]\n");
        assert!(PortMap::parse(&synonym(r#""x", "y z""#)).is_ok());
        assert_eq!(fault_of(&synonym(r#""x y", "X-Y""#)), fault(46, "'X-Y' is typed in another synonym already"));
        assert_eq!(fault_of(&synonym(r#""--""#)), fault(46, "there is no word in '--'"));
    }
}
