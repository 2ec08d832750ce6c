//! From TOML to what a map holds. Everything is checked here, once, and an error names its line.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::{Range, RangeInclusive};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};
use toml::Spanned;

use super::lookup::Generic;
use super::rule::{Direction, Document, Fallback, Instead, Layer, PortRule, Service, ServiceId};
use crate::signature::Protocol;
use crate::transport::Transport;

/// What is wrong with a port map, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there, without the line.
    pub what: String,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port map, line {}: {}", self.line, self.what)
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
}

/// Reads a map.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub(super) fn parse(text: &str) -> Result<Parts, MapError> {
    let file: File = toml::from_str(text).map_err(|error| {
        // A file that ends too early has no place of its own: the fault is after the last line.
        let at = error.span().map_or(text.len(), |span| span.start);
        MapError { line: line_of(text, at), what: error.message().to_string() }
    })?;
    file.check().map_err(|fault| MapError { line: line_of(text, fault.at.start), what: fault.what })
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Something wrong, at bytes of the text.
struct Fault {
    at: Range<usize>,
    what: String,
}

fn fault<T>(at: &Spanned<T>, what: impl Into<String>) -> Fault {
    Fault { at: at.span(), what: what.into() }
}

/// The whole file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Word,
    version: Word,
    #[serde(default, rename = "document")]
    documents: Vec<DocumentText>,
    #[serde(default, rename = "service")]
    services: Vec<ServiceText>,
    #[serde(default, rename = "generic")]
    generic: Vec<GenericText>,
    #[serde(default, rename = "rule")]
    rules: Vec<RuleText>,
    #[serde(default, rename = "correction")]
    corrections: Vec<RuleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentText {
    key: Spanned<Word>,
    /// Maps made before titles stood in the notes have it. Nothing reads it.
    #[serde(default, rename = "number")]
    _number: Option<Word>,
    title: Word,
    language: Word,
    #[serde(default)]
    original: Option<Word>,
    origin: Word,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceText {
    name: Spanned<Word>,
    title: Word,
    proved_by: Option<Spanned<Spoken>>,
    speaks: Option<Vec<Spoken>>,
    #[serde(default)]
    session: bool,
    #[serde(default)]
    carries: Vec<Spoken>,
    blocked: Option<Word>,
    instead: Option<InsteadText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InsteadText {
    services: Spanned<Vec<Spanned<Word>>>,
    fallback: Taken,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GenericText {
    service: Option<Spanned<Word>>,
    #[serde(default)]
    tcp: Vec<Ports>,
    #[serde(default)]
    udp: Vec<Ports>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    id: Spanned<Word>,
    product: Word,
    source: Spanned<Vec<Word>>,
    destination: Spanned<Vec<Word>>,
    protocol: Spanned<Vec<Carrier>>,
    #[serde(default)]
    ports: Vec<Ports>,
    direction: Way,
    service: Spanned<Word>,
    udp_service: Option<Spanned<Word>>,
    #[serde(default)]
    reply: Vec<Spanned<Ports>>,
    detail: Word,
    #[serde(default)]
    documents: Vec<Spanned<Word>>,
    note: Option<Word>,
    why: Option<Spanned<Word>>,
    cited: Option<Spanned<Word>>,
}

impl File {
    fn check(self) -> Result<Parts, Fault> {
        let mut documents = Vec::new();
        let mut keys = Names::new("document");
        for document in self.documents {
            keys.add(&document.key)?;
            documents.push(document.made());
        }
        let mut names = Names::new("service");
        for service in &self.services {
            names.add(&service.name)?;
        }
        let mut services = Vec::new();
        let mut proved = HashSet::new();
        for service in self.services {
            if let Some(by) = service.proved_by.as_ref().filter(|by| !proved.insert(by.as_ref().0)) {
                return Err(fault(by, format!("the protocol '{}' proves another service already", by.as_ref().0)));
            }
            services.push(service.check(&names)?);
        }
        let mut generic = Vec::new();
        for ports in self.generic {
            generic.push(ports.check(&names)?);
        }
        let mut rules = Vec::new();
        let mut ids = Names::new("rule");
        for rule in self.rules {
            ids.add(&rule.id)?;
            let layer = rule.document_layer()?;
            rules.push(rule.check(&keys, &names, layer)?);
        }
        for rule in self.corrections {
            ids.add(&rule.id)?;
            let layer = rule.correction_layer()?;
            rules.push(rule.check(&keys, &names, layer)?);
        }
        let Word(name) = self.name;
        let Word(version) = self.version;
        Ok(Parts { name, version, documents, services, rules, generic })
    }
}

impl DocumentText {
    fn made(self) -> Document {
        Document {
            key: self.key.into_inner().0,
            title: self.title.0,
            language: self.language.0,
            original: self.original.map(|original| original.0),
            origin: self.origin.0,
        }
    }
}

impl ServiceText {
    fn check(self, names: &Names) -> Result<Service, Fault> {
        let id = names.service(&self.name)?;
        let speaks: Option<Vec<Protocol>> =
            self.speaks.map(|speaks| speaks.into_iter().map(|Spoken(protocol)| protocol).collect());
        if let (Some(by), Some(speaks)) = (&self.proved_by, &speaks) {
            let Spoken(protocol) = by.as_ref();
            if !speaks.contains(protocol) {
                return Err(fault(by, format!("speaks lacks the protocol '{protocol}', which proves the service")));
            }
        }
        Ok(Service {
            name: self.name.into_inner().0,
            title: self.title.0,
            proved_by: self.proved_by.map(|by| by.into_inner().0),
            speaks,
            session: self.session,
            carries: self.carries.into_iter().map(|Spoken(protocol)| protocol).collect(),
            blocked: self.blocked.map(|Word(blocked)| blocked),
            instead: self.instead.map(|instead| instead.check(id, names)).transpose()?,
        })
    }
}

impl InsteadText {
    /// What takes the place of `blocked`.
    fn check(self, blocked: ServiceId, names: &Names) -> Result<Instead, Fault> {
        let mut services = Vec::new();
        for name in self.services.as_ref() {
            let service = names.service(name)?;
            if service == blocked {
                return Err(fault(name, "a service does not take its own place"));
            }
            if services.contains(&service) {
                return Err(fault(name, format!("the service '{}' stands there already", name.as_ref().0)));
            }
            services.push(service);
        }
        if services.is_empty() {
            return Err(fault(&self.services, "instead needs at least one service"));
        }
        Ok(Instead { services, fallback: self.fallback.0 })
    }
}

impl GenericText {
    fn check(self, names: &Names) -> Result<Generic, Fault> {
        let service = self.service.map(|name| names.service(&name)).transpose()?;
        Ok(Generic { service, tcp: ranges(self.tcp), udp: ranges(self.udp) })
    }
}

impl RuleText {
    fn document_layer(&self) -> Result<Layer, Fault> {
        match self.why.as_ref().or(self.cited.as_ref()) {
            Some(word) => Err(fault(word, "only a correction has `why` and `cited`")),
            None => Ok(Layer::Document),
        }
    }

    fn correction_layer(&self) -> Result<Layer, Fault> {
        let (Some(why), Some(cited)) = (&self.why, &self.cited) else {
            return Err(fault(&self.id, "a correction needs `why` and `cited`"));
        };
        Ok(Layer::Correction { why: why.as_ref().0.clone(), cited: cited.as_ref().0.clone() })
    }

    fn check(self, keys: &Names, names: &Names, layer: Layer) -> Result<PortRule, Fault> {
        let transports = self.transports()?;
        let ports = ranges(self.ports);
        if transports == [Transport::Icmp] && !ports.is_empty() {
            return Err(fault(&self.protocol, "icmp has no ports"));
        }
        let service = names.service(&self.service)?;
        let over_udp = transports.contains(&Transport::Udp);
        let udp_service = match &self.udp_service {
            Some(name) if !over_udp => return Err(fault(name, "udp_service stands in a rule without udp")),
            Some(name) => Some(names.service(name)?),
            None => None,
        };
        let mut reply = Vec::new();
        for answering in self.reply {
            let range = answering.as_ref().0.clone();
            if !over_udp || !ports.iter().any(|ports| ports.contains(range.start()) && ports.contains(range.end())) {
                return Err(fault(&answering, "reply names what is no UDP port of the rule"));
            }
            reply.push(range);
        }
        let mut documents = Vec::new();
        for key in self.documents {
            keys.place(&key)?;
            documents.push(key.into_inner().0);
        }
        Ok(PortRule {
            id: self.id.into_inner().0,
            product: self.product.0,
            sources: words(self.source)?,
            destinations: words(self.destination)?,
            transports,
            ports,
            direction: self.direction.0,
            service,
            udp_service,
            reply,
            detail: self.detail.0,
            documents,
            note: self.note.map(|Word(note)| note),
            layer,
        })
    }

    /// In order, each once: the order in the file is a matter of taste.
    fn transports(&self) -> Result<Vec<Transport>, Fault> {
        let mut transports: Vec<Transport> = self.protocol.as_ref().iter().map(|protocol| protocol.0).collect();
        transports.sort_unstable();
        transports.dedup();
        if transports.is_empty() {
            return Err(fault(&self.protocol, "a rule needs at least one protocol"));
        }
        Ok(transports)
    }
}

/// Roles of one side of a rule.
fn words(roles: Spanned<Vec<Word>>) -> Result<Vec<String>, Fault> {
    if roles.as_ref().is_empty() {
        return Err(fault(&roles, "a rule needs at least one role on each side"));
    }
    Ok(roles.into_inner().into_iter().map(|Word(role)| role).collect())
}

fn ranges(ports: Vec<Ports>) -> Vec<RangeInclusive<u16>> {
    ports.into_iter().map(|Ports(range)| range).collect()
}

/// Names of one kind that are known so far, with their places.
struct Names {
    kind: &'static str,
    places: HashMap<String, u16>,
}

impl Names {
    fn new(kind: &'static str) -> Names {
        Names { kind, places: HashMap::new() }
    }

    fn add(&mut self, name: &Spanned<Word>) -> Result<(), Fault> {
        // The number that is left over stands for "no rule" in the tables of the map.
        let place = u16::try_from(self.places.len()).ok().filter(|place| *place < u16::MAX);
        let place = place.ok_or_else(|| fault(name, format!("more than 65535 entries of the kind {}", self.kind)))?;
        match self.places.insert(name.as_ref().0.clone(), place) {
            Some(_) => Err(fault(name, format!("the {} '{}' stands in the map already", self.kind, name.as_ref().0))),
            None => Ok(()),
        }
    }

    fn place(&self, name: &Spanned<Word>) -> Result<u16, Fault> {
        let Word(text) = name.as_ref();
        self.places.get(text).copied().ok_or_else(|| fault(name, format!("there is no {} '{text}'", self.kind)))
    }

    fn service(&self, name: &Spanned<Word>) -> Result<ServiceId, Fault> {
        self.place(name).map(ServiceId)
    }
}

/// Text that says something.
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() {
            return Err(D::Error::custom("an empty text"));
        }
        Ok(Word(text))
    }
}

/// What a rule calls a protocol: a transport.
struct Carrier(Transport);

impl<'de> Deserialize<'de> for Carrier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Carrier, D::Error> {
        let name = String::deserialize(deserializer)?;
        let transport = Transport::named(&name);
        transport.map(Carrier).ok_or_else(|| D::Error::custom(format!("'{name}' is not tcp, udp or icmp")))
    }
}

/// A protocol that is recognised by its first bytes.
struct Spoken(Protocol);

impl<'de> Deserialize<'de> for Spoken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Spoken, D::Error> {
        let name = String::deserialize(deserializer)?;
        let protocol = Protocol::all().iter().copied().find(|protocol| protocol.name() == name);
        protocol.map(Spoken).ok_or_else(|| D::Error::custom(format!("no signature recognises a protocol '{name}'")))
    }
}

/// The name of a fallback.
struct Taken(Fallback);

impl<'de> Deserialize<'de> for Taken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Taken, D::Error> {
        let name = String::deserialize(deserializer)?;
        let names = || Fallback::all().iter().map(|fallback| fallback.name()).collect::<Vec<_>>().join(" or ");
        let fallback = Fallback::named(&name);
        fallback.map(Taken).ok_or_else(|| D::Error::custom(format!("'{name}' is not {}", names())))
    }
}

struct Way(Direction);

impl<'de> Deserialize<'de> for Way {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Way, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "one-way" => Ok(Way(Direction::OneWay)),
            "both" => Ok(Way(Direction::Both)),
            other => Err(D::Error::custom(format!("'{other}' is not one-way or both"))),
        }
    }
}

/// A port as a number, or a range `"a-b"`.
struct Ports(RangeInclusive<u16>);

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ports, D::Error> {
        deserializer.deserialize_any(PortsVisitor)
    }
}

struct PortsVisitor;

impl Visitor<'_> for PortsVisitor {
    type Value = Ports;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port, or a range \"a-b\"")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Ports, E> {
        match u16::try_from(number) {
            Ok(port) if port > 0 => Ok(Ports(port..=port)),
            Ok(_) | Err(_) => Err(E::custom(format!("'{number}' is not a port (1 to 65535)"))),
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Ports, E> {
        range(text).map(Ports).map_err(E::custom)
    }
}

/// `"80"` or `"49152-65535"`, the lower end first.
fn range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (Some(low), Some(high)) = (port(low), port(high)) else {
        return Err(format!("'{text}' is not a port or a range"));
    };
    if low > high {
        return Err(format!("the range '{text}' runs backwards"));
    }
    Ok(low..=high)
}

fn port(text: &str) -> Option<u16> {
    // A sign would be read as part of a number.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

#[cfg(test)]
mod tests {
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

    fn fault_of(text: &str) -> MapError {
        PortMap::parse(text).expect_err("a broken map")
    }

    #[test]
    fn a_good_map_is_read() {
        let map = PortMap::parse(GOOD).expect("a good map");
        assert_eq!((map.name(), map.version(), map.documented()), ("small", "1", 1));
        let [cgp, ica] = map.services() else { panic!("{:?}", map.services()) };
        assert_eq!(cgp.proved_by, Some(Protocol::Cgp));
        assert_eq!(cgp.speaks, Some(vec![Protocol::Cgp, Protocol::Tls]));
        assert_eq!(cgp.blocked.as_deref(), Some("Less comfort."));
        let ica_instead = Instead { services: vec![ServiceId(1)], fallback: Fallback::CgpToIca };
        assert_eq!((cgp.session, &cgp.instead), (true, &Some(ica_instead)));
        let nothing_known = Service {
            name: "ica".into(),
            title: "ICA".into(),
            proved_by: None,
            speaks: None,
            session: false,
            carries: Vec::new(),
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
            (r#"ports = [1494, "8082-8083"]"#, "ports = [1.5]", "expected a port, or a range"),
            (r#"ports = [1494, "8082-8083"]"#, "port = [1494]", "unknown field `port`"),
            (r#"ports = [1494, "8082-8083"]"#, "ports = [1494 80]", "string values must be quoted"),
            ("tcp = [80]", "tcp = [80, 99999]", "'99999' is not a port (1 to 65535)"),
            ("tcp = [80]", r#"service = "none""#, "there is no service 'none'"),
            ("tcp = [80]", "icmp = [80]", "unknown field `icmp`"),
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
            (r#"speaks = ["cgp", "tls"]"#, r#"speak = ["cgp"]"#, "unknown field `speak`"),
            ("session = true", r#"session = "yes""#, "invalid type: string"),
            (r#"blocked = "Less comfort.""#, r#"blocked = """#, "an empty text"),
            (INSTEAD, &INSTEAD.replace(r#""ica""#, r#""ica", "icq""#), "there is no service 'icq'"),
            (INSTEAD, &INSTEAD.replace(r#""ica""#, r#""cgp""#), "a service does not take its own place"),
            (INSTEAD, &INSTEAD.replace(r#""ica""#, ""), "instead needs at least one service"),
            (INSTEAD, &INSTEAD.replace("cgp-to-ica", "cgp"), "'cgp' is not cgp-to-ica or edt-to-tcp"),
            (INSTEAD, &INSTEAD.replace("fallback", "kind"), "unknown field `kind`"),
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
            (r#"language = "en""#, "language = 1", "invalid type: integer"),
            (r#"version = "1""#, r#"version = "1" x"#, ""),
        ];
        for (good, bad, what) in broken {
            let line = GOOD.lines().position(|line| line == good).expect("a line of the good map") + 1;
            let text = GOOD.replacen(good, bad, 1);
            assert_ne!(text, GOOD);
            let error = fault_of(&text);
            assert!(error.what.contains(what), "{bad}: {error}");
            assert_eq!(error.line, line, "{bad}: {error}");
        }
    }

    #[test]
    fn a_rule_over_tcp_alone_has_no_udp_side() {
        let tcp = GOOD.replacen(r#"protocol = ["tcp", "udp"]"#, r#"protocol = ["tcp"]"#, 1);
        assert_eq!(fault_of(&tcp), MapError { line: 30, what: "reply names what is no UDP port of the rule".into() });
        let named = tcp.replacen("reply = [1494]", r#"udp_service = "ica""#, 1);
        assert_eq!(fault_of(&named), MapError { line: 30, what: "udp_service stands in a rule without udp".into() });
    }

    #[test]
    fn what_is_missing_is_reported_where_it_should_stand() {
        let error = fault_of(&GOOD.replacen("detail = \"Sessions\"\n", "", 1));
        assert!(error.what.contains("missing field `detail`"), "{error}");
        assert_eq!(error.line, 21, "the head of the rule");
        let error = fault_of(&GOOD.replacen("why = \"It is missing.\"\n", "", 1));
        assert_eq!(error, MapError { line: 34, what: "a correction needs `why` and `cited`".into() });
        let error = fault_of("");
        assert!(error.what.contains("missing field `name`"), "{error}");
    }

    #[test]
    fn every_generic_port_stands_once_and_in_a_rule() {
        let file: File = toml::from_str(include_str!("citrix.toml")).expect("the embedded map");
        let map = PortMap::citrix();
        for transport in [Transport::Tcp, Transport::Udp] {
            let mut seen = Vec::new();
            for Ports(range) in file.generic.iter().flat_map(|block| match transport {
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
        assert_eq!(error, MapError { line: 20, what: "the service 'ica' stands in the map already".into() });
        let error = fault_of(&GOOD.replacen("title = \"ICA\"", "title = \"ICA\"\nproved_by = \"cgp\"", 1));
        assert_eq!(error, MapError { line: 19, what: "the protocol 'cgp' proves another service already".into() });
    }

    #[test]
    fn a_map_that_ends_too_early_is_reported_within_the_file() {
        for end in 0..GOOD.len() {
            let Err(error) = PortMap::parse(&GOOD[..end]) else { continue };
            assert!(error.line >= 1 && error.line <= GOOD[..end].lines().count() + 1, "{end}: {error}");
        }
    }

    #[test]
    fn an_error_is_a_sentence() {
        let error = fault_of(&GOOD.replacen("[1494, \"8082-8083\"]", "[\"808x\"]", 1));
        assert_eq!(error.to_string(), "port map, line 27: '808x' is not a port or a range");
    }
}
