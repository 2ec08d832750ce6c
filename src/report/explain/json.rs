//! An explanation as one JSON document: the values of the text, and its sentences beside them.

use super::super::json::write_document;
use super::super::{FlowLine, Program};
use super::steps::{changes, of_all, of_map, of_packets, packet, showing, who};
use super::text::told_what_if;
use super::{Choice, Explanation, fit_name};
use crate::finding::Params;
use crate::flow::{Entry, Followed, LeftOut, PacketKind};
use crate::outside::printable;
use crate::problem::Told;
use crate::time::Timestamp;
use crate::transport::Transport;
use crate::words::Words;
use serde::Serialize;
use std::io::{self, Write};

/// Name and version of the layout.
const SCHEMA: &str = "cap-audit/explanation/1";

/// One document.
///
/// # Errors
/// What writing gives.
pub fn write_explanation_json(out: &mut impl Write, explanation: &Explanation<'_>, words: &Words) -> io::Result<()> {
    let Explanation { conclusion, flow, explained, what_ifs, .. } = explanation;
    let told = |about: &'static str, told: Told| ToldStep { about, told: spoken(told, words) };
    let steps = explained.of_packets.iter().map(|step| told("packets", of_packets(step)));
    let steps = steps.chain([told("packets", showing(explained.showing))]);
    let steps = steps.chain(explained.of_map.iter().map(|step| told("map", of_map(step))));
    let steps = steps.chain(explained.of_all.iter().map(|step| told("all", of_all(step))));
    let own = Transport::of_protocol(explanation.record.protocol);
    let document = Document {
        schema: SCHEMA,
        program: Program { name: "cap-audit", version: env!("CARGO_PKG_VERSION") },
        captures: conclusion.case.captures.iter().map(|notes| notes.name.as_str()).collect(),
        flow,
        chosen: explanation.choice.as_ref().map(chosen),
        same_packets: explanation.same_packets,
        packets: explanation.entries.iter().map(|entry| entry_told(entry, words)).collect(),
        fit: fit_name(explained.matching.fit),
        generic: explained.matching.port.generic,
        most_specific: explanation.most_specific,
        rules: explanation.rules.iter().map(|candidate| rule(candidate, own)).collect(),
        steps: steps.collect(),
        signs: explanation
            .grounds
            .iter()
            .map(|ground| ToldSign { speaks: ground.weight.name(), told: spoken(ground.told.clone(), words) })
            .collect(),
        what_if: what_ifs
            .iter()
            .map(|what_if| ToldWhatIf {
                changes: changes(what_if).into_iter().map(|told| spoken(told, words)).collect(),
                outcome: what_if.judgement.outcome.name(),
                verdict: what_if.judgement.verdict.name(),
                text: told_what_if(what_if, words),
            })
            .collect(),
        findings: explanation.findings.iter().map(|&place| conclusion.findings[place].id.as_str()).collect(),
        problems: explanation.problems.iter().map(|&place| conclusion.problems[place].id.as_str()).collect(),
    };
    write_document(out, &document)
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'a str,
    program: Program,
    /// By their numbers.
    captures: Vec<&'a str>,
    flow: &'a FlowLine<'a>,
    chosen: Option<Chosen<'a>>,
    same_packets: bool,
    packets: Vec<ToldEntry>,
    fit: &'static str,
    generic: bool,
    most_specific: usize,
    rules: Vec<ToldRule<'a>>,
    steps: Vec<ToldStep>,
    signs: Vec<ToldSign>,
    what_if: Vec<ToldWhatIf>,
    findings: Vec<&'a str>,
    problems: Vec<&'a str>,
}

#[derive(Serialize)]
struct Chosen<'a> {
    /// The problem or finding that was asked for.
    of: Option<&'a str>,
    flows: &'a [u64],
    flow_count: u64,
}

/// A text by its code, with its facts.
#[derive(Serialize)]
struct Spoken {
    code: &'static str,
    params: Params,
    text: String,
}

#[derive(Serialize)]
struct ToldStep {
    about: &'static str,
    #[serde(flatten)]
    told: Spoken,
}

#[derive(Serialize)]
struct ToldSign {
    speaks: &'static str,
    #[serde(flatten)]
    told: Spoken,
}

#[derive(Serialize)]
struct ToldWhatIf {
    changes: Vec<Spoken>,
    outcome: &'static str,
    verdict: &'static str,
    text: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ToldEntry {
    Packet {
        capture: u32,
        packet: u64,
        at: String,
        /// Who sent it; of an ICMP error, whose packet it quotes.
        from: &'static str,
        kind: &'static str,
        flags: Option<u8>,
        payload_bytes: u32,
        ttl: u8,
        text: String,
    },
    LeftOut {
        client: u64,
        server: u64,
        payload_bytes: u64,
        first: String,
        last: String,
    },
}

#[derive(Serialize)]
struct ToldRule<'a> {
    id: &'a str,
    product: &'a str,
    sources: &'a [String],
    destinations: &'a [String],
    documents: &'a [String],
    matched: Matched,
}

#[derive(Serialize)]
struct Matched {
    transport: bool,
    /// The number of ports in the narrowest range that holds the port.
    ports: usize,
    payload: &'static str,
    roles: &'static str,
}

fn spoken(Told { code, params }: Told, words: &Words) -> Spoken {
    let text = words.say(code, &params);
    Spoken { code: code.trim_start_matches("explain-"), params, text }
}

fn rule<'a>(candidate: &super::Candidate<'a>, own: Option<Transport>) -> ToldRule<'a> {
    let rule = candidate.rule;
    ToldRule {
        id: &rule.id,
        product: &rule.product,
        sources: &rule.sources,
        destinations: &rule.destinations,
        documents: &rule.documents,
        matched: Matched {
            transport: own == Some(candidate.transport),
            ports: candidate.width,
            payload: candidate.payload.name(),
            // No site tells them.
            roles: "unknown",
        },
    }
}

fn chosen(choice: &Choice) -> Chosen<'_> {
    match choice {
        Choice::Of { id, flows, all } => Chosen { of: Some(id), flows, flow_count: *all },
        Choice::SameEnds(flows) => Chosen { of: None, flows, flow_count: flows.len() as u64 },
    }
}

fn entry_told(entry: &Entry, words: &Words) -> ToldEntry {
    let moment = |at: Timestamp| at.rfc3339();
    match entry {
        Entry::Packet(followed) => {
            let what: Vec<String> = packet(followed).iter().map(|told| words.say(told.code, &told.params)).collect();
            let Followed { at, time, from, kind, payload_bytes, ttl, .. } = followed;
            let (name, flags) = match kind {
                PacketKind::Segment(flags) => ("segment", Some(flags.0)),
                PacketKind::Datagram => ("datagram", None),
                PacketKind::Echo => ("echo", None),
                PacketKind::Fragment => ("fragment", None),
                PacketKind::Error { .. } => ("error", None),
            };
            ToldEntry::Packet {
                capture: at.capture,
                packet: at.packet,
                at: moment(*time),
                from: who(*from),
                kind: name,
                flags,
                payload_bytes: *payload_bytes,
                ttl: *ttl,
                text: printable(&what.join(", ")).into_owned(),
            }
        }
        Entry::LeftOut(LeftOut { packets: [client, server], payload_bytes, first, last }) => ToldEntry::LeftOut {
            client: *client,
            server: *server,
            payload_bytes: payload_bytes.iter().sum(),
            first: moment(*first),
            last: moment(*last),
        },
    }
}
