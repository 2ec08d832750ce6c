//! How facts are told: one catalogue a language, compiled in. A further language is one file like `en.ftl` and its line in
//! `LANGUAGES`; what it does not translate is told in English.

mod problem;
#[cfg(test)]
mod tests;

use crate::finding::{Finding, IcmpKind, Name, Params, Value};
use crate::flow::Note;
use crate::outside::printable;
use crate::packet::Address;
use crate::problem::{Culprit, Suspect};
use crate::signature::Protocol;
use crate::time::{Span, Timestamp, Zone};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A language and its catalogue.
#[derive(Clone, Copy)]
struct Language {
    /// Its tag, as in BCP 47.
    tag: &'static str,
    /// The texts, in Fluent.
    catalogue: &'static str,
}

/// Every language. The first is complete, and stands in for what the others lack.
const LANGUAGES: &[Language] = &[Language { tag: "en", catalogue: include_str!("en.ftl") }];

/// The words of one language.
pub struct Words {
    /// The language itself, then the one that stands in for it.
    bundles: Vec<FluentBundle<FluentResource>>,
    /// The zone of the times that are told.
    zone: Zone,
}

pub use problem::{HostLine, ProblemLines};

/// The texts of a finding.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Texts {
    /// One line.
    pub title: String,
    /// What it means for the user.
    pub meaning: String,
    /// What to do.
    pub remedy: String,
}

impl Default for Words {
    /// English.
    fn default() -> Words {
        Words::of(&LANGUAGES[..1])
    }
}

impl Words {
    /// The words of the language with this tag, such as `en`.
    pub fn named(tag: &str) -> Option<Words> {
        let wanted = LANGUAGES.iter().position(|language| language.tag.eq_ignore_ascii_case(tag))?;
        Some(Words::of(LANGUAGES[wanted..=wanted].iter().chain(LANGUAGES[..1].iter().filter(|_| wanted > 0))))
    }

    fn of<'a>(languages: impl IntoIterator<Item = &'a Language>) -> Words {
        Words { bundles: languages.into_iter().map(bundle).collect(), zone: Zone::utc() }
    }

    /// The same words with the times of this zone.
    #[must_use]
    pub fn in_zone(self, zone: Zone) -> Words {
        Words { zone, ..self }
    }

    /// The zone of the times that are told.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// A length of time in the unit that reads best: `4 ms`, `0.4 s`, `21 s`, `3 days`, `5.8 years`.
    pub fn duration(&self, span: Span) -> String {
        const UNITS: [(&str, f64, f64); 6] = [
            ("milliseconds", 0.001, 0.095),
            ("seconds", 1.0, 120.0),
            ("minutes", 60.0, 7_200.0),
            ("hours", 3_600.0, 172_800.0),
            ("days", 86_400.0, 63_113_904.0),
            // A year of the Gregorian calendar, on average.
            ("years", 31_556_952.0, f64::INFINITY),
        ];
        let seconds = span.as_seconds();
        // No time at all is told in seconds.
        let unit =
            UNITS.into_iter().find(|(_, length, end)| seconds.abs() < *end && (seconds != 0.0 || *length >= 1.0));
        let (unit, length, _) = unit.unwrap_or(UNITS[5]);
        let number = seconds / length;
        let number = if number.abs() < 9.95 { (number * 10.0).round() / 10.0 } else { number.round_ties_even() };
        let mut args = FluentArgs::new();
        args.set("number", number);
        args.set("unit", unit);
        self.text("duration", None, &args)
    }

    /// The texts of a finding.
    pub fn finding(&self, finding: &Finding) -> Texts {
        let key = finding.code.replace('.', "-");
        let mut args = self.args(&named_in_texts(finding));
        if finding.more_clients {
            let named = ("hosts", Value::Text(self.hosts(&finding.clients)));
            args.set("clients", self.say("hosts-and-others", &Params::from([named])));
        }
        // Where a part is empty, the blanks around it stay.
        let text = |attribute| self.text(&key, Some(attribute), &args).replace("  ", " ").trim().to_string();
        Texts { title: text("title"), meaning: text("meaning"), remedy: text("remedy") }
    }

    /// Who is behind a problem, how sure that is, and the sign that tells most; where nobody can be named, who is not excluded.
    pub fn culprit(&self, culprit: &Culprit) -> String {
        let told = culprit.signs.first().or(culprit.doubts.first());
        let sign = told.map(|told| self.say(told.code, &told.params));
        [Some(self.suspected(culprit)), sign].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// The same without the sign.
    pub fn suspected(&self, culprit: &Culprit) -> String {
        let named = |suspect: &Suspect| {
            let address = culprit.address.filter(|_| *suspect == culprit.kind);
            let address = address.map_or_else(String::new, |address| address.to_string());
            let known = if address.is_empty() { "no" } else { "yes" };
            let params = [
                ("suspect", Value::Word(suspect.name())),
                ("known", Value::Word(known)),
                ("address", Value::Text(address)),
            ];
            self.say("suspect", &Params::from(params))
        };
        let suspects = match culprit.kind {
            Suspect::Unknown => culprit.not_excluded.iter().map(named).collect(),
            _ => vec![named(&culprit.kind)],
        };
        self.say(
            "culprit",
            &Params::from([
                ("suspects", Value::Text(suspects.join(", "))),
                ("number", Value::Number(suspects.len() as u64)),
                ("confidence", Value::Word(culprit.confidence.name())),
                ("kind", Value::Word(culprit.kind.name())),
            ]),
        )
    }

    /// The text of this key, with these facts in it.
    pub fn say(&self, key: &str, params: &Params) -> String {
        self.text(key, None, &self.args(params))
    }

    /// What an evidence packet shows.
    pub fn note(&self, note: Note) -> String {
        let (key, number) = match note {
            Note::First => ("note-first", 0),
            Note::Syn(number) => ("note-syn", number),
            Note::SynAck(number) => ("note-syn-ack", number),
            Note::Datagram(number) => ("note-datagram", number),
            Note::Reset => ("note-reset", 0),
            Note::IcmpError => ("note-icmp-error", 0),
            Note::ClientPayload => ("note-client-payload", 0),
            Note::ServerPayload => ("note-server-payload", 0),
            Note::LateAnswer => ("note-late-answer", 0),
            Note::Alert => ("note-alert", 0),
        };
        self.say(key, &Params::from([("number", Value::Number(number.into()))]))
    }

    /// The first language that can say it in full does. A key that none knows is a mistake in the program, and stands for
    /// itself.
    fn text(&self, key: &str, attribute: Option<&str>, args: &FluentArgs<'_>) -> String {
        let text = self.bundles.iter().find_map(|bundle| {
            let message = bundle.get_message(key)?;
            let pattern = match attribute {
                Some(name) => message.get_attribute(name)?.value(),
                None => message.value()?,
            };
            let mut errors = Vec::new();
            let text = bundle.format_pattern(pattern, Some(args), &mut errors).into_owned();
            errors.is_empty().then_some(text)
        });
        debug_assert!(text.is_some(), "no language can say {key}, {attribute:?} with {args:?}");
        text.unwrap_or_else(|| key.into())
    }

    fn args(&self, params: &Params) -> FluentArgs<'static> {
        let mut args = FluentArgs::new();
        let mut remarks = None;
        for (name, value) in params.iter() {
            let value = match value {
                Value::Number(number) => FluentValue::from(*number),
                Value::Duration(span) => FluentValue::from(self.duration(*span)),
                Value::Moment(at) => FluentValue::from(self.moment(*at)),
                Value::Share { part, whole } => FluentValue::from(percent(*part, *whole)),
                Value::Word(word) => FluentValue::from(*word),
                Value::Text(text) | Value::Sentence(text) => FluentValue::from(printable(text).into_owned()),
                Value::Service(Some(title)) => FluentValue::from(printable(title).into_owned()),
                Value::Service(None) => FluentValue::from(self.say("no-service", &Params::default())),
                Value::Named(name) => FluentValue::from(printable(&name.title).into_owned()),
                Value::Several(names) => FluentValue::from(self.listed(names)),
                Value::Transport(transport) => FluentValue::from(self.named_word("transport", transport.name())),
                Value::Protocol(protocol) => FluentValue::from(self.protocol(*protocol)),
                Value::Addresses(addresses) => FluentValue::from(self.hosts(addresses)),
                Value::Ports(ports) => FluentValue::from(self.ports(ports)),
                Value::Errors(errors) => FluentValue::from(self.errors(errors)),
                Value::Skipped(counts) => FluentValue::from(self.skipped(counts)),
                Value::Remarks(codes) => {
                    remarks = Some((name, codes));
                    continue;
                }
            };
            args.set(name, value);
        }
        if let Some((name, codes)) = remarks {
            // They name the other facts.
            let texts: Vec<String> =
                codes.iter().map(|code| self.text(&format!("remark-{code}"), None, &args)).collect();
            args.set(name, texts.join(" "));
        }
        args
    }

    /// Date and time with the zone that they are in.
    fn moment(&self, at: Timestamp) -> String {
        format!("{} {}", self.zone().date_and_time(at), self.zone().name(at))
    }

    fn named_word(&self, key: &str, name: &'static str) -> String {
        self.say(key, &Params::from([("name", Value::Word(name))]))
    }

    fn protocol(&self, protocol: Protocol) -> String {
        let name = protocol.name();
        let capitals = Value::Text(name.to_uppercase());
        self.say("protocol", &Params::from([("name", Value::Word(name)), ("capitals", capitals)]))
    }

    fn hosts(&self, hosts: &[Address]) -> String {
        let mut params = Params::from([("count", Value::Number(hosts.len() as u64))]);
        for (name, host) in ["first", "second", "third"].into_iter().zip(hosts) {
            params = params.with(name, Value::Text(host.to_string()));
        }
        let more = hosts.len().saturating_sub(2) as u64;
        self.say("hosts", &params.with("more", Value::Number(more)))
    }

    /// Titles as they stand in a sentence: `one, two and three`.
    fn listed(&self, names: &[Name]) -> String {
        let titles: Vec<String> = names.iter().map(|name| printable(&name.title).into_owned()).collect();
        match &titles[..] {
            [] => String::new(),
            [one] => one.clone(),
            [first @ .., last] => {
                let (first, last) = (Value::Text(first.join(", ")), Value::Text(last.clone()));
                self.say("and", &Params::from([("first", first), ("last", last)]))
            }
        }
    }

    /// Neighbours as a range; of many ranges the first few.
    fn ports(&self, ports: &[u16]) -> String {
        const SHOWN: usize = 6;
        let ranges: Vec<&[u16]> =
            ports.chunk_by(|&one, &next| next.checked_sub(one).is_some_and(|step| step <= 1)).collect();
        let range = |range: &&[u16]| match range {
            [first, .., last] if first < last => format!("{first}-{last}"),
            _ => range.first().map_or_else(String::new, u16::to_string),
        };
        let shown: Vec<String> = ranges.iter().take(SHOWN).map(range).collect();
        let more = ranges.iter().skip(SHOWN).map(|range| range.len() as u64).sum();
        let list = Value::Text(shown.join(", "));
        self.say("ports", &Params::from([("list", list), ("more", Value::Number(more))]))
    }

    fn skipped(&self, counts: &[(&'static str, u64)]) -> String {
        let word = |&(why, packets): &(&'static str, u64)| {
            let capitals = Value::Text(why.to_uppercase());
            let params = [("packets", Value::Number(packets)), ("why", Value::Word(why)), ("capitals", capitals)];
            self.say("skipped", &Params::from(params))
        };
        counts.iter().map(word).collect::<Vec<_>>().join(", ")
    }

    /// Each wording once, in alphabetical order.
    fn errors(&self, errors: &[IcmpKind]) -> String {
        let word = |error: &IcmpKind| {
            let family = error.family.name();
            let params = Params::from([
                ("family", Value::Word(family)),
                ("type", Value::Number(error.kind.into())),
                ("code", Value::Number(error.code.into())),
                ("error", Value::Text(format!("{family}-{}-{}", error.kind, error.code))),
            ]);
            self.say("icmp-error", &params)
        };
        let words: BTreeSet<String> = errors.iter().map(word).collect();
        Vec::from_iter(words).join(", ")
    }
}

/// What the texts of a finding may name: its parameters, and the fields that it has.
fn named_in_texts(finding: &Finding) -> Params {
    let mut params = finding.params.clone().with("flows", Value::Number(finding.flow_count));
    if !finding.clients.is_empty() {
        params = params.with("clients", Value::Addresses(finding.clients.clone()));
    }
    if !finding.servers.is_empty() {
        params = params.with("server", Value::Addresses(finding.servers.clone()));
    }
    if let Some((transport, port)) = finding.port {
        params = params.with("transport", Value::Transport(transport)).with("port", Value::Number(port.into()));
    }
    params
}

fn bundle(language: &Language) -> FluentBundle<FluentResource> {
    let tag = language.tag.parse().expect("the table of languages holds tags; a test reads them all");
    let mut bundle = FluentBundle::new_concurrent(vec![tag]);
    // The marks that keep foreign scripts apart would stand in every report.
    bundle.set_use_isolating(false);
    bundle.set_transform(Some(one_line));
    let resource = FluentResource::try_new(language.catalogue.to_string()).unwrap_or_else(|(resource, _)| resource);
    bundle.add_resource_overriding(resource);
    bundle
}

/// A line break inside a text of the catalogue is a blank.
fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains('\n') { text.replace('\n', " ").into() } else { text.into() }
}

fn percent(part: u64, whole: u64) -> f64 {
    (100.0 * part as f64 / whole as f64).round_ties_even()
}
