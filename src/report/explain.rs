//! Why one flow is judged as it is: its packets, the rules that it may stand under, the questions that were asked of it and their answers,
//! what speaks for and against, and what would have changed it. Values here; the two formats stand beside it.

mod grounds;
mod json;
mod steps;
mod text;

pub use json::write_explanation_json;
pub use text::write_explanation_text;

use self::grounds::Ground;
use super::{FlowLine, flow_line};
use crate::case::Conclusion;
use crate::finding::Finding;
use crate::flow::{Entry, FlowRecord, Sequence};
use crate::judge::{Explained, WhatIf};
use crate::matching::Fit;
use crate::portmap::{PortMap, PortRule};
use crate::problem::Problem;
use crate::signature::Protocol;
use crate::transport::Transport;

/// Why one flow is judged as it is.
pub struct Explanation<'a> {
    /// The audit that it is part of.
    pub conclusion: &'a Conclusion<'a>,
    /// Its record.
    pub record: &'a FlowRecord,
    /// The flow as a report tells it.
    pub flow: FlowLine<'a>,
    /// By what it was asked for, where that names more than one flow.
    pub choice: Option<Choice>,
    /// Its packets.
    pub entries: Vec<Entry>,
    /// The second reading of the captures found the same packets as the first.
    pub same_packets: bool,
    /// Why it is judged as it is.
    pub explained: Explained<'a>,
    /// Rules that name its port, most specific first; where there are none, those that name it over the other transport and for
    /// Citrix alone.
    pub rules: Vec<Candidate<'a>>,
    /// The number of those rules, from the front, that are equally and most specific.
    pub most_specific: usize,
    /// What speaks for what is held of it, and against.
    grounds: Vec<Ground>,
    /// What would have changed it.
    pub what_ifs: Vec<WhatIf<'a>>,
    /// Findings that it is part of, by their places.
    pub findings: Vec<usize>,
    /// Problems that it is part of, by their places.
    pub problems: Vec<usize>,
}

/// A flow was chosen among several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Choice {
    /// The first of those that a problem or a finding names, by the id of that.
    Of {
        /// The problem or finding.
        id: String,
        /// The flows that it names, by their ids.
        flows: Vec<u64>,
        /// How many flows it is about.
        all: u64,
    },
    /// The first of those with these ends, by their ids.
    SameEnds(Vec<u64>),
}

/// A rule that names the port of a flow.
pub struct Candidate<'a> {
    /// The rule.
    pub rule: &'a PortRule,
    /// The transport over which it names the port.
    pub transport: Transport,
    /// The number of ports in its narrowest range around the port; 1 is the number alone.
    pub width: usize,
    /// What its service says to the payload.
    pub payload: Payload,
}

/// What the service of a rule says to a payload. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payload {
    /// It is known by this protocol, or speaks it.
    Agrees,
    /// It speaks other protocols.
    Differs,
    /// The map does not say what it speaks.
    Unknown,
    /// Nothing was told by the payload.
    NothingHeard,
}

impl Payload {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Payload::Agrees => "agrees",
            Payload::Differs => "differs",
            Payload::Unknown => "unknown",
            Payload::NothingHeard => "nothing-heard",
        }
    }
}

impl<'a> Explanation<'a> {
    /// Explains the flow at this place among those that were kept. `sequence` are its packets.
    pub fn new(
        conclusion: &'a Conclusion<'a>,
        place: usize,
        choice: Option<Choice>,
        sequence: Sequence,
    ) -> Option<Explanation<'a>> {
        let record = conclusion.case.flows.get(place)?;
        let (judge, map) = (&conclusion.judge, conclusion.judge.map);
        let explained = judge.explain(record);
        let same_packets = sequence.packets == record.packets();
        let findings: Vec<usize> = places(&conclusion.findings, |finding| is_part_of(record, finding, conclusion));
        let problems: Vec<usize> = places(&conclusion.problems, |problem: &Problem| {
            problem.findings.iter().any(|place| findings.contains(place))
        });
        Some(Explanation {
            conclusion,
            record,
            flow: flow_line(place as u64 + 1, record, explained.judgement, map),
            choice,
            same_packets,
            entries: sequence.entries(),
            rules: candidates(record, &explained, map),
            most_specific: explained.judgement.place.map_or(0, |place| map.at(place).most_specific),
            grounds: grounds::grounds(record, &explained, conclusion, &problems),
            what_ifs: judge.what_ifs(record),
            explained,
            findings,
            problems,
        })
    }
}

fn places<T>(all: &[T], wanted: impl Fn(&T) -> bool) -> Vec<usize> {
    all.iter().enumerate().filter(|(_, one)| wanted(one)).map(|(place, _)| place).collect()
}

/// A finding names the first of its flows. Of the others it is known by whom and where they are, and that the same became of them.
fn is_part_of(record: &FlowRecord, finding: &Finding, conclusion: &Conclusion<'_>) -> bool {
    if finding.openers.contains(&record.opener) {
        return true;
    }
    let transport = Transport::of_protocol(record.protocol);
    let there = transport.is_some_and(|transport| finding.port == Some((transport, record.server.port)))
        && finding.servers.contains(&record.server.address)
        && (finding.more_clients || finding.clients.contains(&record.client.address));
    let then = finding.first.is_some_and(|first| first <= record.first) && finding.last >= Some(record.last);
    let flows = &conclusion.case.flows;
    let named = || {
        let opener = finding.openers.first()?;
        flows.binary_search_by_key(opener, |flow| flow.opener).ok().map(|place| &flows[place])
    };
    let outcome = |flow: &FlowRecord| conclusion.judge.flow(flow).outcome;
    !finding.names_all(&finding.openers) && there && then && named().is_some_and(|one| outcome(one) == outcome(record))
}

fn candidates<'a>(record: &FlowRecord, explained: &Explained<'a>, map: &'a PortMap) -> Vec<Candidate<'a>> {
    let Some(transport) = Transport::of_protocol(record.protocol) else { return Vec::new() };
    let port = if transport == Transport::Icmp { 0 } else { record.server.port };
    let heard = record.heard.as_ref().map(|heard| heard.protocol);
    let candidate = |transport: Transport, rule: &'a PortRule| {
        let payload = heard.map_or(Payload::NothingHeard, |heard| says_to(rule, transport, heard, map));
        Candidate { rule, transport, width: rule.narrowest(transport, port).unwrap_or(usize::MAX), payload }
    };
    let other = match transport {
        Transport::Tcp => Some(Transport::Udp),
        Transport::Udp => Some(Transport::Tcp),
        Transport::Icmp => None,
    };
    let own = explained.judgement.rules;
    match other.and_then(|other| map.lookup(other, port).map(|there| (other, there))) {
        Some((other, there)) if own.is_empty() && !there.generic => {
            there.rules.iter().map(|&rule| candidate(other, map.rule(rule))).collect()
        }
        _ => own.iter().map(|&rule| candidate(transport, map.rule(rule))).collect(),
    }
}

fn says_to(rule: &PortRule, transport: Transport, heard: Protocol, map: &PortMap) -> Payload {
    let service = map.service(rule.service_over(transport));
    match &service.speaks {
        _ if service.proved_by == Some(heard) || service.carries.contains(&heard) => Payload::Agrees,
        Some(speaks) if speaks.contains(&heard) => Payload::Agrees,
        Some(_) => Payload::Differs,
        None => Payload::Unknown,
    }
}

/// The name of a fit in the report.
fn fit_name(fit: Fit) -> &'static str {
    match fit {
        Fit::Fits => "fits",
        Fit::Foreign(_) => "foreign",
        Fit::CitrixElsewhere(_) => "citrix-elsewhere",
        Fit::OtherTransport => "other-transport",
        Fit::GenericPort => "generic-port",
        Fit::UnknownPort => "unknown-port",
    }
}
