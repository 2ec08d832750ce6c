//! Findings with one cause are one problem: what they have in common, whom it hits, what still works, and who is behind it. Facts only:
//! the sentences stand in the catalogue of words.

mod culprit;
mod hosts;

use crate::finding::{Confidence, Finding, Params, Scene, Severity};
use crate::packet::Address;
use crate::time::Timestamp;
use crate::transport::Transport;
use std::cmp::Reverse;
use std::collections::BTreeMap;

pub use hosts::{Hosts, Range, Ranges};

/// Findings with one cause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The same for the same problem in every run and in every larger capture, and of no other problem of a report.
    pub id: String,
    /// The worst of its findings.
    pub severity: Severity,
    /// How sure the cause is.
    pub confidence: Confidence,
    /// What its findings have in common.
    pub cause: Cause,
    /// Its findings by their places in the list of all, the one that tells most first.
    pub findings: Vec<usize>,
    /// Transports and servers' ports; empty where it is about no port.
    pub ports: Vec<(Transport, u16)>,
    /// The service, where it is one.
    pub service: Option<String>,
    /// Who is hit.
    pub clients: Hosts,
    /// On which servers.
    pub servers: Hosts,
    /// Flows that came to nothing, or that show it.
    pub attempts: u64,
    /// When the first of them began.
    pub first: Option<Timestamp>,
    /// When the last of them ended.
    pub last: Option<Timestamp>,
    /// How it goes on, where that can be told.
    pub trend: Option<Trend>,
    /// What works at the same time, nearest first: the contrast.
    pub works: Vec<Works>,
    /// Who is behind it, where signs tell.
    pub culprit: Option<Culprit>,
    /// What its texts name beyond the other fields.
    pub params: Params,
}

/// What the findings of a problem have in common. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// Nothing comes back.
    NoAnswer,
    /// A reset answers.
    Refused,
    /// An ICMP error answers.
    Prohibited,
    /// What has no cause in common with others: the code of the finding tells.
    Single,
}

impl Cause {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Cause::NoAnswer => "no-answer",
            Cause::Refused => "refused",
            Cause::Prohibited => "prohibited",
            Cause::Single => "single",
        }
    }
}

/// How a problem goes on. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Trend {
    /// It happened once.
    Once,
    /// As often at the end as at the beginning.
    Steady,
    /// More often towards the end.
    Growing,
    /// Less often towards the end.
    Fading,
    /// It was, and what was tried since works.
    Over,
}

impl Trend {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Trend::Once => "once",
            Trend::Steady => "steady",
            Trend::Growing => "growing",
            Trend::Fading => "fading",
            Trend::Over => "over",
        }
    }
}

/// What works while a problem lasts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Works {
    /// In which way it is near to what does not.
    pub contrast: Contrast,
    /// From these clients.
    pub clients: Hosts,
    /// To these servers.
    pub servers: Hosts,
    /// On this port.
    pub port: (Transport, u16),
    /// Flows that worked.
    pub flows: u64,
}

/// How what works differs from what does not. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Contrast {
    /// Other clients reach the same servers on the same port.
    OtherClients,
    /// The same clients reach other servers on the same port.
    OtherServers,
    /// The same clients reach the same servers on another port.
    OtherPort,
    /// Other clients reach other servers on the same port.
    Elsewhere,
}

impl Contrast {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Contrast::OtherClients => "other-clients",
            Contrast::OtherServers => "other-servers",
            Contrast::OtherPort => "other-port",
            Contrast::Elsewhere => "elsewhere",
        }
    }
}

/// Who is behind a problem, as far as signs tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Culprit {
    /// What it is.
    pub kind: Suspect,
    /// Its address, where it is known.
    pub address: Option<Address>,
    /// How sure that is.
    pub confidence: Confidence,
    /// What speaks for it, by codes of texts in words, each with what it names.
    pub signs: Vec<Told>,
    /// Who else it may be.
    pub not_excluded: Vec<Suspect>,
    /// Why they are not excluded, and what could not be looked into.
    pub doubts: Vec<Told>,
}

/// A text by its code, and what it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The code of the text.
    pub code: &'static str,
    /// What it names.
    pub params: Params,
}

/// Who may be behind a problem. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Suspect {
    /// The server, or its service.
    Server,
    /// A firewall on the server.
    HostFirewall,
    /// A device on the way.
    Middlebox,
    /// The client, or a firewall on it.
    ClientHost,
    /// The network between them: routes, links.
    NetworkPath,
    /// Nobody can be named.
    Unknown,
}

impl Suspect {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Suspect::Server => "server",
            Suspect::HostFirewall => "host_firewall",
            Suspect::Middlebox => "middlebox",
            Suspect::ClientHost => "client_host",
            Suspect::NetworkPath => "network_path",
            Suspect::Unknown => "unknown",
        }
    }
}

/// The problems behind findings, the worst first. What is about the capture itself is no problem: its quality tells it.
pub fn problems(scene: &Scene<'_>, findings: &[Finding]) -> Vec<Problem> {
    let mut groups = BTreeMap::<_, Vec<usize>>::new();
    for (place, finding) in findings.iter().enumerate().filter(|(_, finding)| !finding.code.starts_with("quality.")) {
        groups.entry((finding.code, finding.port)).or_default().push(place);
    }
    let mut problems: Vec<Problem> = groups.into_values().filter_map(|places| problem(findings, places)).collect();
    problems.iter_mut().for_each(|problem| problem.culprit = culprit::of(scene, problem, findings));
    problems.sort_by_key(|problem| (Reverse(problem.severity), Reverse(problem.clients.count()), problem.id.clone()));
    problems
}

fn problem(findings: &[Finding], places: Vec<usize>) -> Option<Problem> {
    let of: Vec<&Finding> = places.iter().map(|&place| &findings[place]).collect();
    let leading = *of.first()?;
    let cause = match leading.code {
        "blocked.silent" => Cause::NoAnswer,
        "blocked.refused" => Cause::Refused,
        "blocked.prohibited" => Cause::Prohibited,
        _ => Cause::Single,
    };
    let hosts = |of_finding: fn(&Finding) -> &[Address]| {
        Hosts::of(of.iter().flat_map(|finding| of_finding(finding).iter().copied()))
    };
    let more = of.iter().any(|finding| finding.more_clients);
    Some(Problem {
        id: format!("p-{}", leading.id.trim_start_matches("f-")),
        severity: of.iter().map(|finding| finding.severity).max()?,
        confidence: of.iter().map(|finding| finding.confidence).max()?,
        cause,
        ports: leading.port.into_iter().collect(),
        service: leading.service.clone(),
        clients: hosts(|finding| &finding.clients).with_more(more),
        servers: hosts(|finding| &finding.servers),
        attempts: of.iter().map(|finding| finding.flow_count).sum(),
        first: of.iter().filter_map(|finding| finding.first).min(),
        last: of.iter().filter_map(|finding| finding.last).max(),
        trend: None,
        works: Vec::new(),
        culprit: None,
        params: Params::default(),
        findings: places,
    })
}
