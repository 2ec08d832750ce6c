//! An explanation to be read.

use super::super::text::{BOLD, DIM, Page, is_about_capture};
use super::steps::{brief, changes, of_all, of_map, of_packets, packet, showing};
use super::{Candidate, Choice, Explanation};
use crate::finding::Value;
use crate::flow::{Endpoint, Entry, FlowRecord, Followed, LeftOut, PacketKind, PacketRef, QUIET, Who};
use crate::judge::{Judgement, Outcome, WhatIf};
use crate::matching::ServiceRef;
use crate::portmap::ports_text;
use crate::problem::Told;
use crate::report::{Look, bytes};
use crate::time::Timestamp;
use crate::transport::Transport;
use crate::words::Words;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// The number of rules that are told one by one where not all are.
const RULES_SHOWN: usize = 3;
/// Before what stands under a heading, and before what goes on from a line above.
const STEP: (&str, &str) = ("- ", "  ");

/// Writes an explanation. `Look::verbose` tells every rule.
///
/// # Errors
/// What writing gives.
pub fn write_explanation_text(
    out: &mut impl Write,
    explanation: &Explanation<'_>,
    words: &Words,
    look: Look,
) -> io::Result<()> {
    let mut page = Page::new(out, words, look);
    page.flow_heading(explanation)?;
    page.sequence(explanation)?;
    page.candidates(explanation)?;
    page.steps(explanation)?;
    page.grounds(explanation)?;
    page.what_ifs(&explanation.what_ifs)?;
    page.part_of(explanation)
}

impl<W: Write> Page<'_, W> {
    fn flow_heading(&mut self, explanation: &Explanation<'_>) -> io::Result<()> {
        let Explanation { conclusion, record, flow, explained, .. } = explanation;
        let number = |number: u64| Value::Number(number);
        let text = |text: &str| Value::Text(text.into());
        let title = self.say(
            "explain-flow",
            [
                ("id", number(flow.id)),
                ("flows", number(conclusion.tally.flows)),
                ("protocol", Value::Text(flow.protocol.to_uppercase())),
                ("client", Value::Text(endpoint(record.client))),
                ("server", Value::Text(endpoint(record.server))),
            ],
        );
        for line in self.wrap(&title, "", "  ").lines() {
            let line = self.styled(BOLD, line);
            writeln!(self.out, "{line}")?;
        }
        let map = conclusion.judge.map;
        let title = |service: ServiceRef| service.title(map).to_string();
        let service = Value::Service(explained.judgement.service.map(title));
        let line = self.say("explain-service", [("service", service), ("id", text(&flow.community_id))]);
        self.paragraph(&line, "  ", "  ")?;
        let zone = self.words.zone();
        let line = self.say(
            "explain-when",
            [
                ("first", Value::Text(zone.date_and_time(record.first))),
                ("zone", Value::Text(zone.name(record.first))),
                ("time", brief(flow.duration)),
                ("client", number(flow.packets.client)),
                ("server", number(flow.packets.server)),
                ("bytes", Value::Text(bytes(flow.ip_bytes.client + flow.ip_bytes.server))),
            ],
        );
        self.paragraph(&line, "  ", "  ")?;
        if let Some(tls) = &flow.tls {
            let line = self.say("explain-tls", [("list", Value::Text(tls.facts().join(", ")))]);
            self.paragraph(&line, "  ", "  ")?;
        }
        if conclusion.case.captures.len() > 1 {
            let name = self.capture_name(explanation, record.opener);
            let line = self.say("explain-capture", [("name", text(&name))]);
            self.paragraph(&line, "  ", "  ")?;
        }
        if let Some(choice) = &explanation.choice {
            let (key, params) = chosen(choice);
            let line = self.say(key, params);
            self.paragraph(&line, "  ", "  ")?;
        }
        writeln!(self.out)?;
        let verdict = self.verdict_of(&explained.judgement);
        for line in self.wrap(&verdict, "", "").lines() {
            let line = self.styled(BOLD, line);
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    /// What is held of a flow, in a sentence.
    fn verdict_of(&self, judgement: &Judgement<'_>) -> String {
        let blocked = if judgement.outcome.is_blocked() { "yes" } else { "no" };
        let reason = judgement.reason.map_or("none", |reason| reason.name());
        self.say(
            "explain-verdict",
            [
                ("outcome", Value::Word(judgement.outcome.name())),
                ("blocked", Value::Word(blocked)),
                ("verdict", Value::Word(judgement.verdict.name())),
                ("reason", Value::Word(reason)),
            ],
        )
    }

    fn title(&mut self, key: &str) -> io::Result<()> {
        let title = self.styled(BOLD, &self.label(key));
        writeln!(self.out, "\n{title}\n")
    }

    /// A line for each packet, and for each pause.
    fn sequence(&mut self, explanation: &Explanation<'_>) -> io::Result<()> {
        self.title("explain-packets")?;
        let record = explanation.record;
        let several = explanation.conclusion.case.captures.len() > 1;
        let mut before: Option<Timestamp> = None;
        let mut capture = None;
        for entry in &explanation.entries {
            let (first, last) = match entry {
                Entry::Packet(packet) => (packet.time, packet.time),
                Entry::LeftOut(left_out) => (left_out.first, left_out.last),
            };
            if let Some(quiet) = before.map(|before| first - before).filter(|&quiet| quiet >= QUIET) {
                let text = self.say("explain-quiet", [("time", Value::Duration(quiet))]);
                let line = self.styled(DIM, &format!("{:>21}{text}", ""));
                writeln!(self.out, "{line}")?;
            }
            before = Some(last);
            match entry {
                Entry::Packet(packet) => {
                    if several && capture != Some(packet.at.capture) {
                        capture = Some(packet.at.capture);
                        let name = Value::Text(self.capture_name(explanation, packet.at));
                        let text = self.say("explain-in-capture", [("name", name)]);
                        self.paragraph(&text, "  ", "    ")?;
                    }
                    self.packet(packet, record)?;
                }
                Entry::LeftOut(left_out) => self.left_out(left_out)?,
            }
        }
        if record.until - record.last >= QUIET {
            let time = Value::Duration(record.until - record.last);
            let end = if record.cut_off { "capture" } else { "watch" };
            let text = self.say("explain-quiet-end", [("time", time), ("end", Value::Word(end))]);
            self.paragraph(&text, &" ".repeat(21), &" ".repeat(21))?;
        }
        if !explanation.same_packets {
            let text = self.label("explain-other-packets");
            self.paragraph(&text, "", "")?;
        }
        Ok(())
    }

    fn packet(&mut self, followed: &Followed, record: &FlowRecord) -> io::Result<()> {
        let what: Vec<String> = packet(followed).iter().map(|told| self.told(told)).collect();
        let time = (followed.time - record.first).as_seconds();
        let arrow = match (followed.kind, followed.from) {
            // It goes to whoever sent what it quotes.
            (PacketKind::Error { .. }, Who::Client) => "client <--       ",
            (PacketKind::Error { .. }, Who::Server) => "       --> server",
            (_, Who::Client) => "client --> server",
            (_, Who::Server) => "client <-- server",
        };
        let start = format!("{time:>11.6}  {:>6}  {arrow}  ", followed.at.packet);
        let rest = " ".repeat(start.chars().count());
        self.paragraph(&what.join(", "), &start, &rest)
    }

    fn left_out(&mut self, left_out: &LeftOut) -> io::Result<()> {
        let LeftOut { packets: [client, server], payload_bytes, .. } = *left_out;
        let params = [
            ("packets", Value::Number(client + server)),
            ("client", Value::Number(client)),
            ("server", Value::Number(server)),
            ("bytes", Value::Text(bytes(payload_bytes.iter().sum()))),
        ];
        let text = self.say("explain-left-out", params);
        self.paragraph(&text, &" ".repeat(21), &" ".repeat(23))
    }

    fn capture_name(&self, explanation: &Explanation<'_>, at: PacketRef) -> String {
        let captures = &explanation.conclusion.case.captures;
        captures.get(at.capture as usize).map_or_else(String::new, |notes| notes.name.clone())
    }

    /// The rules that name the port.
    fn candidates(&mut self, explanation: &Explanation<'_>) -> io::Result<()> {
        self.title("explain-rules")?;
        let Explanation { record, rules, most_specific, explained, .. } = explanation;
        let transport = Transport::of_protocol(record.protocol);
        let port = if transport == Some(Transport::Icmp) { 0 } else { record.server.port };
        let own = rules.iter().filter(|rule| Some(rule.transport) == transport).count() as u64;
        let params = [
            ("transport", transport.map_or(Value::Word("-"), Value::Transport)),
            ("port", Value::Number(port.into())),
            ("rules", Value::Number(own)),
            ("first", Value::Number(*most_specific as u64)),
            ("all", Value::Word(if *most_specific == rules.len() { "yes" } else { "no" })),
            ("generic", Value::Word(if explained.matching.port.generic { "yes" } else { "no" })),
        ];
        let key = if transport == Some(Transport::Icmp) { "explain-rules-icmp" } else { "explain-rules-of-port" };
        let text = self.say(key, params);
        self.paragraph(&text, "", "")?;
        if let Some(other) = rules.first().filter(|_| own == 0) {
            let params =
                [("rules", Value::Number(rules.len() as u64)), ("transport", Value::Transport(other.transport))];
            let text = self.say("explain-rules-of-other", params);
            self.paragraph(&text, "", "")?;
        }
        let shown = if self.look.verbose { rules.len() } else { rules.len().min(RULES_SHOWN) };
        for (number, candidate) in (1..).zip(&rules[..shown]) {
            self.candidate(number, candidate, explanation)?;
        }
        if shown < rules.len() {
            let more = Value::Number((rules.len() - shown) as u64);
            let text = self.say("explain-more-rules", [("number", more)]);
            self.paragraph(&text, "   ", "   ")?;
        }
        if !rules.is_empty() {
            let roles = self.label("explain-roles");
            self.paragraph(&roles, "", "")?;
        }
        Ok(())
    }

    fn candidate(&mut self, number: usize, candidate: &Candidate<'_>, explanation: &Explanation<'_>) -> io::Result<()> {
        let Candidate { rule, transport, width, payload } = candidate;
        let map = explanation.conclusion.judge.map;
        self.paragraph(&format!("{}: {}", rule.id, rule.product), &format!("{number}. "), "   ")?;
        let ports: Vec<String> = rule.ports.iter().map(ports_text).collect();
        let transports: Vec<String> = rule.transports.iter().map(|transport| transport.name().to_uppercase()).collect();
        let line = format!(
            "{} -> {}, {} {}",
            rule.sources.join(", "),
            rule.destinations.join(", "),
            transports.join("/"),
            ports.join(", ")
        );
        self.paragraph(line.trim_end(), "   ", "     ")?;
        let heard = explanation.record.heard.as_ref().map(|heard| heard.protocol);
        let service = map.service_name(rule.service_over(*transport)).to_string();
        let fits = Transport::of_protocol(explanation.record.protocol) == Some(*transport);
        let matched = self.say(
            "explain-matched",
            [
                ("fits", Value::Word(if fits { "yes" } else { "no" })),
                ("width", Value::Number(*width as u64)),
                ("payload", Value::Word(payload.name())),
                ("protocol", heard.map_or(Value::Word("-"), Value::Protocol)),
                ("service", Value::Text(service)),
            ],
        );
        self.paragraph(&matched, "   ", "     ")?;
        let title = |key: &String| map.document(key).map_or(key.clone(), |document| document.title.clone());
        // Translations of one document have its title.
        let titles: BTreeSet<String> = rule.documents.iter().map(title).collect();
        let origins = if titles.is_empty() { rule.origin() } else { Vec::from_iter(titles).join("; ") };
        let origin = self.say("explain-document", [("document", Value::Text(origins))]);
        self.paragraph(&origin, "   ", "     ")
    }

    /// The way from the packets to the verdict.
    fn steps(&mut self, explanation: &Explanation<'_>) -> io::Result<()> {
        let explained = &explanation.explained;
        self.title("explain-steps")?;
        self.all(explained.of_packets.iter().map(of_packets))?;
        let shown = self.told(&showing(explained.showing));
        self.paragraph(&shown, "= ", "  ")?;
        self.all(explained.of_map.iter().map(of_map))?;
        self.all(explained.of_all.iter().map(of_all))?;
        let verdict = self.verdict_of(&explained.judgement);
        self.paragraph(&verdict, "= ", "  ")
    }

    fn all(&mut self, told: impl Iterator<Item = Told>) -> io::Result<()> {
        for told in told {
            let text = self.told(&told);
            self.paragraph(&text, STEP.0, STEP.1)?;
        }
        Ok(())
    }

    fn grounds(&mut self, explanation: &Explanation<'_>) -> io::Result<()> {
        if explanation.grounds.is_empty() {
            return Ok(());
        }
        self.title("explain-signs")?;
        for ground in &explanation.grounds {
            let text = self.told(&ground.told);
            self.paragraph(&text, ground.weight.mark(), "  ")?;
        }
        Ok(())
    }

    fn what_ifs(&mut self, what_ifs: &[WhatIf<'_>]) -> io::Result<()> {
        self.title("explain-what-if")?;
        if what_ifs.is_empty() {
            let text = self.label("explain-nothing-else");
            return self.paragraph(&text, "", "");
        }
        for what_if in what_ifs {
            let text = told_what_if(what_if, self.words);
            self.paragraph(&text, STEP.0, STEP.1)?;
        }
        Ok(())
    }

    /// The findings and problems that it is part of.
    fn part_of(&mut self, explanation: &Explanation<'_>) -> io::Result<()> {
        let conclusion = explanation.conclusion;
        self.title("explain-part-of")?;
        for &place in &explanation.problems {
            let problem = &conclusion.problems[place];
            let title = self.words.problem(problem, conclusion.findings.iter()).title;
            let params = [
                ("rank", Value::Number(place as u64 + 1)),
                ("id", Value::Text(problem.id.clone())),
                ("title", Value::Text(title)),
            ];
            let text = self.say("explain-problem", params);
            self.paragraph(&text, STEP.0, STEP.1)?;
        }
        for &place in explanation.findings.iter() {
            let finding = &conclusion.findings[place];
            let title = Value::Text(self.words.finding(finding).title);
            let about = if is_about_capture(finding) { "capture" } else { "traffic" };
            let params = [
                ("code", Value::Text(finding.code.into())),
                ("id", Value::Text(finding.id.clone())),
                ("title", title),
                ("about", Value::Word(about)),
            ];
            let text = self.say("explain-finding", params);
            self.paragraph(&text, STEP.0, STEP.1)?;
        }
        if explanation.findings.is_empty() {
            let Judgement { outcome, verdict, .. } = explanation.explained.judgement;
            let why = if outcome.is_blocked() { "blocked" } else { verdict.name() };
            let text = self.say("explain-no-finding", [("why", Value::Word(why))]);
            self.paragraph(&text, "", "")?;
        }
        Ok(())
    }

    fn told(&self, told: &Told) -> String {
        self.words.say(told.code, &told.params)
    }
}

/// What might have happened, and what would be held then.
pub(super) fn told_what_if(what_if: &WhatIf<'_>, words: &Words) -> String {
    let changes: Vec<String> = changes(what_if).iter().map(|told| words.say(told.code, &told.params)).collect();
    let judgement: &Judgement<'_> = &what_if.judgement;
    let outcome: Outcome = judgement.outcome;
    let params = [
        ("changes", Value::Text(changes.join(&words.say("explain-and", &crate::finding::Params::default())))),
        ("outcome", Value::Word(outcome.name())),
        ("verdict", Value::Word(judgement.verdict.name())),
        ("blocked", Value::Word(if outcome.is_blocked() { "yes" } else { "no" })),
    ];
    words.say("explain-would-be", &params.into())
}

fn chosen(choice: &Choice) -> (&'static str, [(&'static str, Value); 3]) {
    let list = |flows: &[u64]| {
        const SHOWN: usize = 12;
        let shown: Vec<String> = flows.iter().take(SHOWN).map(u64::to_string).collect();
        let more = if flows.len() > SHOWN { " and more" } else { "" };
        Value::Text(format!("{}{more}", shown.join(", ")))
    };
    match choice {
        Choice::Of { id, flows, all } => (
            "explain-chosen-of",
            [("id", Value::Text(id.clone())), ("list", list(flows)), ("number", Value::Number(*all))],
        ),
        Choice::SameEnds(flows) => (
            "explain-same-ends",
            [("id", Value::Text(String::new())), ("list", list(flows)), ("number", Value::Number(flows.len() as u64))],
        ),
    }
}

fn endpoint(Endpoint { address, port }: Endpoint) -> String {
    if address.is_v4() { format!("{address}:{port}") } else { format!("[{address}]:{port}") }
}
