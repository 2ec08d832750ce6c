//! The report as one JSON document, or as one object a line.

use super::rule_sets::{self, RuleSets};
use super::{
    Because, CaptureLine, FindingLine, FlowLine, FlowList, PortMapLine, Program, Quality, Report, Revision,
    ServiceLine, SessionList, Totals,
};
use crate::finding::{Finding, Params};
use crate::flow::Evidence;
use crate::outside::is_unseen;
use crate::packet::Address;
use crate::portmap::PortMap;
use crate::problem::{Culprit, Hosts, Range, Ranges, Trend, Works};
use crate::time::Timestamp;
use crate::transport::Transport;
use crate::words::Words;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use std::io::{self, Write};

/// Name and version of the layout.
pub(super) const SCHEMA: &str = "cap-audit/report/1";

/// One document.
///
/// # Errors
/// What writing gives.
pub fn write_json(out: &mut impl Write, report: &Report<'_>, words: &Words) -> io::Result<()> {
    let document = Document {
        schema: SCHEMA,
        program: &report.program,
        port_map: &report.port_map,
        captures: &report.captures,
        quality: quality(&report.quality, report, words),
        totals: &report.totals,
        services: &report.services,
        rule_sets: rule_sets::named(report),
        problems: (0..report.problems.len()).map(|place| told_problem(report, place, words)).collect(),
        findings: told_findings(report, words).collect(),
        sessions: &report.sessions,
        flows: &report.flows,
    };
    write_document(out, &document)
}

/// Any value as one document, indented.
///
/// # Errors
/// What writing gives.
pub fn write_document(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Shown(PrettyFormatter::new())))?;
    writeln!(out)
}

/// The same objects one a line, each with its `type`; the summary comes last.
///
/// # Errors
/// What writing gives.
pub fn write_ndjson(out: &mut impl Write, report: &Report<'_>, words: &Words) -> io::Result<()> {
    write_captures(out, report)?;
    write_sets(out, &rule_sets::named(report))?;
    for flow in report.flows.lines() {
        write_flow(out, &flow)?;
    }
    for finding in told_findings(report, words) {
        line(out, "finding", &finding)?;
    }
    write_problems(out, report, words)?;
    write_sessions(out, report)?;
    write_end(out, report, words, &report.totals)
}

/// The same without the flows and the lists of their rules, which were written before.
///
/// # Errors
/// What writing gives.
pub fn write_ndjson_without_flows(
    out: &mut impl Write,
    report: &Report<'_>,
    words: &Words,
    is_new: impl Fn(&Finding) -> bool,
) -> io::Result<()> {
    write_captures(out, report)?;
    for (finding, problem) in report.findings.iter().zip(problems_of_findings(report)) {
        if is_new(finding.finding) {
            line(out, "finding", &ToldFinding { problem: Some(problem), ..told(finding, words) })?;
        }
    }
    write_problems(out, report, words)?;
    write_sessions(out, report)?;
    write_end(out, report, words, &Totals { flows_left_out: None, ..report.totals })
}

fn write_captures(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    report.captures.iter().try_for_each(|capture| line(out, "capture", capture))
}

fn write_problems(out: &mut impl Write, report: &Report<'_>, words: &Words) -> io::Result<()> {
    (0..report.problems.len()).try_for_each(|place| line(out, "problem", &told_problem(report, place, words)))
}

fn write_sessions(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    report.sessions.lines().try_for_each(|session| line(out, "session", &session))
}

fn write_end(out: &mut impl Write, report: &Report<'_>, words: &Words, totals: &Totals) -> io::Result<()> {
    for service in &report.services {
        line(out, "service", service)?;
    }
    let Report { program, port_map, .. } = report;
    let quality = quality(&report.quality, report, words);
    line(out, "summary", &Summary { schema: SCHEMA, program, port_map, quality, totals })
}

/// One flow as a line.
///
/// # Errors
/// What writing gives.
pub fn write_flow(out: &mut impl Write, flow: &FlowLine<'_>) -> io::Result<()> {
    line(out, "flow", flow)
}

/// The lists of rules that flows name, one a line, for flows that are written as they come: they stand before the first of them.
///
/// # Errors
/// What writing gives.
pub fn write_rule_sets(out: &mut impl Write, map: &PortMap) -> io::Result<()> {
    write_sets(out, &rule_sets::every(map))
}

fn write_sets(out: &mut impl Write, sets: &RuleSets<'_>) -> io::Result<()> {
    sets.iter().try_for_each(|(name, rules)| line(out, "rule_set", &RuleSet { rule_set: name, rules }))
}

/// One finding as a line, with all its rules.
///
/// # Errors
/// What writing gives.
pub fn write_finding(out: &mut impl Write, finding: &FindingLine<'_>, words: &Words) -> io::Result<()> {
    line(out, "finding", &told(finding, words))
}

/// A finding that was told before and means something else now, as a line: what it is now under the same id, and in `revised` what it
/// was.
///
/// # Errors
/// What writing gives.
pub fn write_revised(
    out: &mut impl Write,
    finding: &FindingLine<'_>,
    revision: &Revision,
    words: &Words,
) -> io::Result<()> {
    let revised = ToldRevision {
        severity: revision.severity.name(),
        confidence: revision.confidence.name(),
        clients: revision.clients,
        because: revision.because.as_ref().map(Because::name),
        change: revision.told(finding.finding, words),
    };
    line(out, "finding", &ToldFinding { revised: Some(revised), ..told(finding, words) })
}

/// A finding that was told before and does not hold any more, as a line.
///
/// # Errors
/// What writing gives.
pub fn write_withdrawn(out: &mut impl Write, finding: &Finding, because: &Because, words: &Words) -> io::Result<()> {
    #[derive(Serialize)]
    struct Withdrawn<'a> {
        id: &'a str,
        code: &'a str,
        severity: &'a str,
        title: String,
        because: &'a str,
        reason: String,
    }
    let Finding { id, code, severity, .. } = finding;
    let (title, reason) = (words.finding(finding).title, because.told(words));
    line(out, "withdrawn", &Withdrawn { id, code, severity: severity.name(), title, because: because.name(), reason })
}

/// How many lines a live audit did not write since the last such line, because nobody read them fast enough.
///
/// # Errors
/// What writing gives.
pub fn write_left_out(out: &mut impl Write, findings: u64, flows: u64) -> io::Result<()> {
    #[derive(Serialize)]
    struct LeftOut {
        findings: u64,
        flows: u64,
    }
    line(out, "left_out", &LeftOut { findings, flows })
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'a str,
    program: &'a Program,
    port_map: &'a PortMapLine,
    captures: &'a [CaptureLine],
    quality: ToldQuality,
    totals: &'a Totals,
    services: &'a [ServiceLine],
    rule_sets: RuleSets<'a>,
    problems: Vec<ToldProblem<'a>>,
    findings: Vec<ToldFinding<'a>>,
    sessions: &'a SessionList<'a>,
    flows: &'a FlowList<'a>,
}

#[derive(Serialize)]
struct Summary<'a> {
    schema: &'a str,
    program: &'a Program,
    port_map: &'a PortMapLine,
    quality: ToldQuality,
    totals: &'a Totals,
}

/// A list of rules by its name.
#[derive(Serialize)]
struct RuleSet<'a> {
    rule_set: &'a str,
    rules: &'a [&'a str],
}

/// The quality with its remarks in words.
#[derive(Serialize)]
struct ToldQuality {
    verdict: &'static str,
    /// The verdict and its reasons in one line.
    line: String,
    /// What is wrong, in a word each, the worst first.
    flaws: Vec<&'static str>,
    remarks: Vec<String>,
}

/// A finding with its words.
#[derive(Serialize)]
struct ToldFinding<'a> {
    /// Stands for the same thing in every run.
    id: &'a str,
    /// The problem that it belongs to; null for what is about the capture. Missing where a live audit tells a finding by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Option<&'a str>>,
    code: &'a str,
    severity: &'a str,
    confidence: &'a str,
    title: String,
    meaning: String,
    remedy: String,
    source: String,
    clients: Vec<String>,
    servers: Vec<String>,
    protocol: Option<&'a str>,
    port: Option<u16>,
    service: Option<&'a str>,
    /// None where they stand in a list of the report.
    rules: &'a [String],
    /// That list, where there are more than a dozen.
    rule_set: Option<String>,
    products: &'a [String],
    flows: &'a [u64],
    /// Flows that it is about, but that are not named.
    flows_left_out: u64,
    flow_count: u64,
    first: Option<String>,
    last: Option<String>,
    /// VLAN ids of tagged flows, outermost first, the lowest few.
    vlans: Vec<Vec<u16>>,
    evidence: Vec<ToldEvidence>,
    /// No packet that shows it is left out of `evidence`, and no VLAN of `vlans`.
    clients_complete: bool,
    evidence_complete: bool,
    vlans_complete: bool,
    /// Findings that it rests on, by their ids.
    rests_on: &'a [String],
    wireshark_filter: &'a str,
    /// The filter selects no other flows. Otherwise there are more flows than ports are named.
    wireshark_filter_exact: bool,
    /// What the words name beyond the other members.
    parameters: &'a Params,
    /// What it was when a live audit told it last; only there where it has changed since.
    #[serde(skip_serializing_if = "Option::is_none")]
    revised: Option<ToldRevision<'a>>,
}

#[derive(Serialize)]
struct ToldRevision<'a> {
    severity: &'a str,
    confidence: &'a str,
    clients: usize,
    because: Option<&'a str>,
    change: String,
}

/// A problem with its words.
#[derive(Serialize)]
struct ToldProblem<'a> {
    /// Stands for the same problem in every run.
    id: &'a str,
    /// Its place among all, counted from 1.
    rank: usize,
    severity: &'a str,
    confidence: &'a str,
    cause: &'a str,
    /// Its findings, by their ids.
    findings: Vec<&'a str>,
    service: Option<&'a str>,
    protocol: Option<&'a str>,
    port: Option<u16>,
    /// Every port that it is about.
    ports: Vec<ToldPort<'a>>,
    clients: ToldHosts,
    servers: ToldHosts,
    attempts: u64,
    first: Option<String>,
    last: Option<String>,
    trend: Option<&'a str>,
    works: Vec<ToldWorks<'a>>,
    /// Every path that was answered is known: where `works` is empty nothing worked.
    works_complete: bool,
    /// How many of its servers answered anybody on its ports, at whatever time; null where that is not known.
    servers_answered: Option<usize>,
    /// The networks that it hits as wholes, where that is its cause.
    networks: Vec<String>,
    culprit: Option<ToldCulprit<'a>>,
    title: String,
    meaning: String,
    remedy: String,
    /// What the words name beyond the other members.
    parameters: &'a Params,
}

/// Hosts as ranges.
#[derive(Serialize)]
struct ToldHosts {
    count: usize,
    /// There are no more than these.
    complete: bool,
    ranges: Vec<String>,
    /// The ranges hold no others.
    exact: bool,
    /// How many addresses the ranges hold, as text: there may be more than a number in JSON can say.
    covered: String,
}

#[derive(Serialize)]
struct ToldPort<'a> {
    protocol: &'a str,
    port: u16,
}

#[derive(Serialize)]
struct ToldWorks<'a> {
    contrast: &'a str,
    protocol: &'a str,
    port: u16,
    clients: Vec<String>,
    servers: Vec<String>,
    /// How many hosts these are, and whether the ranges hold no others.
    client_count: usize,
    clients_exact: bool,
    server_count: usize,
    servers_exact: bool,
    flows: u64,
    /// When the last of them was answered, where none was since.
    until: Option<String>,
}

#[derive(Serialize)]
struct ToldCulprit<'a> {
    kind: &'a str,
    address: Option<String>,
    confidence: &'a str,
    signs: Vec<String>,
    sign_codes: Vec<&'a str>,
    not_excluded: Vec<&'a str>,
    not_excluded_because: Vec<String>,
}

/// A packet that shows something: of which capture, counted from 0, and which packet of it, counted from 1.
#[derive(Serialize)]
struct ToldEvidence {
    capture: u32,
    packet: u64,
    note: String,
}

#[derive(Serialize)]
struct Typed<'a, T> {
    r#type: &'a str,
    #[serde(flatten)]
    value: &'a T,
}

fn quality(quality: &Quality, report: &Report<'_>, words: &Words) -> ToldQuality {
    let remarks = quality.remarks.iter().map(|remark| remark.told(&report.findings, words)).collect();
    let flaws = quality.flaws.iter().map(|(flaw, _)| flaw.name()).collect();
    ToldQuality { verdict: quality.verdict.name(), line: quality.line(words), flaws, remarks }
}

/// Every finding with the problem that it belongs to.
fn told_findings<'a>(report: &'a Report<'a>, words: &Words) -> impl Iterator<Item = ToldFinding<'a>> {
    let problems = problems_of_findings(report);
    let findings = report.findings.iter().zip(problems);
    findings.map(|(line, problem)| ToldFinding { problem: Some(problem), ..told_in(report, line, words) })
}

/// The id of the problem of each finding.
fn problems_of_findings<'a>(report: &'a Report<'a>) -> Vec<Option<&'a str>> {
    let mut problems = vec![None; report.findings.len()];
    for problem in report.problems {
        problem.findings.iter().for_each(|&place| problems[place] = Some(problem.id.as_str()));
    }
    problems
}

/// The same in a document that lists shared rules once.
fn told_in<'a>(report: &Report<'_>, line: &'a FindingLine<'a>, words: &Words) -> ToldFinding<'a> {
    let rule_set = rule_sets::of_finding(line.finding, report.flows.judge.map);
    let told = told(line, words);
    let rules = if rule_set.is_some() { &[] } else { told.rules };
    ToldFinding { rules, rule_set, ..told }
}

fn told<'a>(FindingLine { finding, flows }: &'a FindingLine<'a>, words: &Words) -> ToldFinding<'a> {
    let addresses = |addresses: &[Address]| addresses.iter().map(Address::to_string).collect();
    let evidence = |&Evidence { at, note }: &Evidence| {
        let note = words.note(note);
        ToldEvidence { capture: at.capture, packet: at.packet, note }
    };
    let texts = words.finding(finding);
    ToldFinding {
        id: &finding.id,
        problem: None,
        code: finding.code,
        severity: finding.severity.name(),
        confidence: finding.confidence.name(),
        title: texts.title,
        meaning: texts.meaning,
        remedy: texts.remedy,
        source: finding.sources.join("; "),
        clients: addresses(&finding.clients),
        servers: addresses(&finding.servers),
        protocol: finding.port.map(|(transport, _)| Transport::name(transport)),
        port: finding.port.map(|(_, port)| port),
        service: finding.service.as_deref(),
        rules: &finding.rules,
        rule_set: None,
        products: &finding.products,
        flows,
        flows_left_out: finding.flow_count.saturating_sub(flows.len() as u64),
        flow_count: finding.flow_count,
        first: finding.first.map(Timestamp::rfc3339),
        last: finding.last.map(Timestamp::rfc3339),
        vlans: finding.vlans.iter().map(|vlans| vlans.ids().collect()).collect(),
        evidence: finding.evidence.iter().map(evidence).collect(),
        clients_complete: !finding.more_clients,
        evidence_complete: finding.names_all(&finding.evidence),
        vlans_complete: finding.names_all(&finding.vlans),
        rests_on: &finding.rests_on,
        wireshark_filter: &finding.wireshark_filter,
        wireshark_filter_exact: finding.filter_is_exact,
        parameters: &finding.params,
        revised: None,
    }
}

/// Maximum number of ranges in a list of hosts; beyond it they hold other addresses as well, and say so.
const RANGES: usize = 100;

fn told_problem<'a>(report: &'a Report<'_>, place: usize, words: &Words) -> ToldProblem<'a> {
    let problem = &report.problems[place];
    let findings = report.findings.iter().map(|line| line.finding);
    let texts = words.problem(problem, findings);
    let works = |works: &'a Works| {
        let (clients, servers) = (told_hosts(&works.clients), told_hosts(&works.servers));
        ToldWorks {
            contrast: works.contrast.name(),
            protocol: works.port.0.name(),
            port: works.port.1,
            client_count: clients.count,
            clients_exact: clients.exact,
            server_count: servers.count,
            servers_exact: servers.exact,
            clients: clients.ranges,
            servers: servers.ranges,
            flows: works.flows,
            until: works.until.map(Timestamp::rfc3339),
        }
    };
    ToldProblem {
        id: &problem.id,
        rank: place + 1,
        severity: problem.severity.name(),
        confidence: problem.confidence.name(),
        cause: problem.cause.name(),
        findings: problem.findings.iter().map(|&place| report.findings[place].finding.id.as_str()).collect(),
        service: problem.service.as_deref(),
        protocol: problem.ports.first().map(|(transport, _)| transport.name()),
        port: problem.ports.first().map(|(_, port)| *port),
        ports: problem.ports.iter().map(|&(transport, port)| ToldPort { protocol: transport.name(), port }).collect(),
        clients: told_hosts(&problem.clients),
        servers: told_hosts(&problem.servers),
        attempts: problem.attempts,
        first: problem.first.map(Timestamp::rfc3339),
        last: problem.last.map(Timestamp::rfc3339),
        trend: problem.trend.map(Trend::name),
        works: problem.works.iter().map(works).collect(),
        works_complete: problem.works_complete,
        servers_answered: problem.servers_answered,
        networks: problem.networks.iter().map(Range::to_string).collect(),
        culprit: problem.culprit.as_ref().map(|culprit| told_culprit(culprit, words)),
        title: texts.title,
        meaning: texts.meaning,
        remedy: texts.remedy,
        parameters: &problem.params,
    }
}

fn told_hosts(hosts: &Hosts) -> ToldHosts {
    let Ranges { ranges, exact, covered } = hosts.ranges(RANGES);
    let ranges = ranges.iter().map(Range::to_string).collect();
    ToldHosts { count: hosts.count(), complete: !hosts.more, ranges, exact, covered: covered.to_string() }
}

fn told_culprit<'a>(culprit: &'a Culprit, words: &Words) -> ToldCulprit<'a> {
    ToldCulprit {
        kind: culprit.kind.name(),
        address: culprit.address.map(|address| address.to_string()),
        confidence: culprit.confidence.name(),
        signs: culprit.signs.iter().map(|sign| words.say(sign.code, &sign.params)).collect(),
        sign_codes: culprit.signs.iter().map(|sign| sign.code).collect(),
        not_excluded: culprit.not_excluded.iter().map(|suspect| suspect.name()).collect(),
        not_excluded_because: culprit.doubts.iter().map(|doubt| words.say(doubt.code, &doubt.params)).collect(),
    }
}

fn line<T: Serialize>(out: &mut impl Write, r#type: &str, value: &T) -> io::Result<()> {
    Typed { r#type, value }.serialize(&mut Serializer::with_formatter(&mut *out, Shown(CompactFormatter)))?;
    writeln!(out)
}

/// JSON that a terminal may show: what [`is_unseen`] names is escaped, so that the text stays the same to a program.
struct Shown<F>(F);

impl<F: Formatter> Formatter for Shown<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_unseen) {
            out.write_all(&rest.as_bytes()[..at])?;
            let mut after = rest[at..].chars();
            if let Some(c) = after.next() {
                c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))?;
            }
            rest = after.as_str();
        }
        out.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}
