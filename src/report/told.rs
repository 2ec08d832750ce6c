//! What a report tells, as far as two are compared: read back from JSON, or taken from an audit that has just been made. Both give the
//! same. What is not needed is passed over unread, so a report may say more than is known here.

use super::Report;
use super::json::SCHEMA;
use crate::error::ReportFault;
use crate::finding::{Finding, Severity, Value};
use crate::ledger::Path;
use crate::packet::{Address, protocol};
use crate::time::Timestamp;
use crate::transport::Transport;
use crate::words::Words;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::net::IpAddr;

/// One of two reports that are compared.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Told {
    /// What was named: a report or a capture.
    pub name: String,
    /// The captures behind it.
    pub captures: Vec<CaptureTold>,
    /// Name and version of the port map.
    pub map: MapTold,
    /// What the captures allow to be judged.
    pub quality: QualityTold,
    /// Flows that are counted but not listed: of their paths nothing is known.
    pub flows_left_out: u64,
    /// The problems by their ids; none in reports of versions that knew none.
    pub problems: Option<Vec<ProblemTold>>,
    /// The findings by their ids, those about the captures left out.
    pub findings: Vec<FindingTold>,
    /// What was tried over TCP and UDP.
    pub tried: BTreeMap<Path, Tried>,
}

/// A capture behind a report.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize, Serialize)]
pub struct CaptureTold {
    /// As it was typed.
    pub name: String,
    /// Packets in it.
    pub packets: u64,
    /// Their bytes on the wire.
    #[serde(default)]
    pub bytes: u64,
    /// The earliest capture time, in RFC 3339.
    pub first: Option<String>,
    /// The latest.
    pub last: Option<String>,
}

/// The port map behind a report.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
pub struct MapTold {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What captures allow to be judged.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize, Serialize)]
pub struct QualityTold {
    /// `good`, `limited` or `poor`.
    pub verdict: String,
    /// The verdict and its reasons in one line; none in older reports.
    #[serde(default)]
    pub line: Option<String>,
}

/// How many hosts, and whether these are all.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Number {
    /// How many are known.
    pub count: u64,
    /// There are no more.
    pub complete: bool,
}

/// A problem.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProblemTold {
    /// Stands for the same problem in every run.
    pub id: String,
    /// What its findings have in common.
    pub cause: String,
    /// The worst of its findings.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Sure,
    /// One line.
    pub title: String,
    /// Who is hit.
    pub clients: Number,
    /// On which servers.
    pub servers: Number,
    /// Flows that came to nothing, or that show it.
    pub attempts: u64,
    /// Its findings, by their ids.
    pub findings: Vec<String>,
}

/// A finding that is not about the captures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FindingTold {
    /// Stands for the same thing in every run.
    pub id: String,
    /// What it is.
    pub code: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Sure,
    /// One line.
    pub title: String,
    /// Who is concerned.
    pub clients: Vec<Address>,
    /// These are all.
    pub clients_complete: bool,
    /// On which servers.
    pub servers: Vec<Address>,
    /// Over what, and the server's port.
    pub port: Option<(Transport, u16)>,
    /// What a session fell back from.
    pub replaced: Option<(Transport, u16)>,
    /// How many flows.
    pub flows: u64,
}

/// How sure something is, in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sure {
    /// One sign.
    Low,
    /// Likely.
    Medium,
    /// Shown.
    High,
}

/// What became of the flows on a path.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tried {
    /// All of them.
    pub flows: u64,
    /// Those that were opened and answered.
    pub worked: u64,
    /// Those of which it is certain that nothing came of them: refused, prohibited, silent.
    pub turned_away: u64,
    /// Those whose protocol was told by their payload.
    pub heard: u64,
}

impl Tried {
    fn add(&mut self, outcome: &str, heard: bool) {
        self.flows += 1;
        // Of a flow that was running before it is not known whether it could be opened now.
        self.worked += u64::from(matches!(outcome, "established" | "answered"));
        self.turned_away += u64::from(matches!(outcome, "refused" | "prohibited" | "silent"));
        self.heard += u64::from(heard);
    }
}

impl Told {
    /// What a report tells that has just been made; `name` is what was audited. Its flows must have been kept.
    pub fn of(name: &str, report: &Report<'_>, words: &Words) -> Told {
        let captures = report.captures.iter().map(|capture| CaptureTold {
            name: capture.name.clone(),
            packets: capture.packets,
            bytes: capture.bytes,
            first: capture.first.map(Timestamp::rfc3339),
            last: capture.last.map(Timestamp::rfc3339),
        });
        let all = || report.findings.iter().map(|line| line.finding);
        let ids: Vec<&str> = all().map(|finding| finding.id.as_str()).collect();
        let number = |count: usize, more: bool| Number { count: count as u64, complete: !more };
        let problems = report.problems.iter().map(|problem| ProblemTold {
            id: problem.id.clone(),
            cause: problem.cause.name().into(),
            severity: problem.severity,
            confidence: problem.confidence.into(),
            title: words.problem(problem, all()).title,
            clients: number(problem.clients.count(), problem.clients.more),
            servers: number(problem.servers.count(), problem.servers.more),
            attempts: problem.attempts,
            findings: problem.findings.iter().map(|&place| ids[place].to_string()).collect(),
        });
        let mut tried: BTreeMap<Path, Tried> = BTreeMap::new();
        for record in report.flows.flows.iter().filter(|record| is_tried(record.protocol)) {
            let heard = record.heard.is_some();
            tried.entry(Path::of(record)).or_default().add(report.flows.judge.flow(record).outcome.name(), heard);
        }
        Told {
            name: name.into(),
            captures: captures.collect(),
            map: MapTold { name: report.port_map.name.clone(), version: report.port_map.version.clone() },
            quality: QualityTold {
                verdict: report.quality.verdict.name().into(),
                line: Some(report.quality.line(words)),
            },
            flows_left_out: report.totals.flows_left_out.unwrap_or(0),
            problems: Some(sorted(problems.collect(), |problem| &problem.id)),
            findings: sorted(
                all().filter(|finding| is_compared(finding.code)).map(|finding| told(finding, words)).collect(),
                |finding| &finding.id,
            ),
            tried,
        }
    }

    /// Reads a report, one document or one object a line.
    ///
    /// # Errors
    /// It is none, of another layout, cut off, or cannot be read.
    pub fn read(name: &str, input: impl Read) -> Result<Told, ReportFault> {
        // Longer than any report that this program writes within its limits.
        const LONGEST: u64 = 16 << 30;
        let mut json =
            serde_json::Deserializer::from_reader(io::BufReader::with_capacity(1 << 18, input.take(LONGEST)));
        let mut reading = Reading { told: Told { name: name.into(), ..Told::default() }, ..Reading::default() };
        loop {
            let read = Piece(&mut reading).deserialize(&mut json);
            if let Some(schema) = reading.other_schema {
                return Err(ReportFault::OtherSchema { schema });
            }
            read.map_err(|error| fault(error, &reading))?;
            match json.end() {
                Ok(()) => break,
                Err(error) if error.is_io() || !reading.lines => return Err(fault(error, &reading)),
                Err(_) => {}
            }
        }
        match (reading.schema, reading.lines) {
            (true, _) => Ok(reading.finished()),
            (false, true) => Err(ReportFault::Cut),
            (false, false) => Err(ReportFault::NoReport),
        }
    }
}

fn sorted<T>(mut list: Vec<T>, id: fn(&T) -> &String) -> Vec<T> {
    list.sort_by(|one, other| id(one).cmp(id(other)));
    list
}

/// The findings that are compared: what is about a capture stays with that capture.
fn is_compared(code: &str) -> bool {
    !code.starts_with("quality.")
}

/// ICMP has no ports to compare.
fn is_tried(number: u8) -> bool {
    matches!(number, protocol::TCP | protocol::UDP)
}

fn told(finding: &Finding, words: &Words) -> FindingTold {
    let replaced = match (finding.params.get("blocked_transport"), finding.params.get("blocked_port")) {
        (Some(&Value::Transport(transport)), Some(&Value::Number(port))) => {
            u16::try_from(port).ok().map(|port| (transport, port))
        }
        _ => None,
    };
    FindingTold {
        id: finding.id.clone(),
        code: finding.code.into(),
        severity: finding.severity,
        confidence: finding.confidence.into(),
        title: words.finding(finding).title,
        clients: finding.clients.clone(),
        clients_complete: !finding.more_clients,
        servers: finding.servers.clone(),
        port: finding.port,
        replaced,
        flows: finding.flow_count,
    }
}

impl From<crate::finding::Confidence> for Sure {
    fn from(confidence: crate::finding::Confidence) -> Sure {
        match confidence {
            crate::finding::Confidence::Low => Sure::Low,
            crate::finding::Confidence::Medium => Sure::Medium,
            crate::finding::Confidence::High => Sure::High,
        }
    }
}

fn fault(error: serde_json::Error, reading: &Reading) -> ReportFault {
    let (line, column) = (error.line(), error.column());
    if error.is_io() {
        ReportFault::Unreadable { error: error.into() }
    } else if error.is_eof() {
        ReportFault::Cut
    } else if error.is_data() && !reading.schema && !reading.lines {
        ReportFault::NoReport
    } else {
        ReportFault::Broken { line, column }
    }
}

/// A report while it is read.
#[derive(Default)]
struct Reading {
    told: Told,
    /// It is one object a line.
    lines: bool,
    /// It says that it is a report of this layout.
    schema: bool,
    /// It says that it is something else.
    other_schema: Option<String>,
    problems: BTreeMap<String, ProblemTold>,
    /// By id: a live audit tells a finding again when it has changed, and withdraws it.
    findings: BTreeMap<String, FindingTold>,
    /// There is a list of problems, even if nothing is in it.
    knows_problems: bool,
}

impl Reading {
    fn schema<E: serde::de::Error>(&mut self, schema: String) -> Result<(), E> {
        self.schema = schema == SCHEMA;
        if self.schema {
            return Ok(());
        }
        self.other_schema = Some(schema);
        Err(E::custom("another schema"))
    }

    fn problem(&mut self, problem: Problem) {
        let Problem { id, cause, severity, confidence, title, clients, servers, attempts, findings } = problem;
        let number = |Hosts { count, complete }: Hosts| Number { count, complete };
        let (clients, servers) = (number(clients), number(servers));
        let severity = severity.into();
        let told =
            ProblemTold { id: id.clone(), cause, severity, confidence, title, clients, servers, attempts, findings };
        self.problems.insert(id, told);
    }

    fn finding(&mut self, finding: OneFinding) {
        if !is_compared(&finding.code) {
            return;
        }
        let replaced = finding.parameters.and_then(|Parameters { blocked_transport, blocked_port }| {
            Some((Transport::named(&blocked_transport?)?, blocked_port?))
        });
        let addresses = |list: Vec<IpAddr>| list.into_iter().map(Address::from).collect();
        let told = FindingTold {
            id: finding.id.clone(),
            code: finding.code,
            severity: finding.severity.into(),
            confidence: finding.confidence,
            title: finding.title,
            clients: addresses(finding.clients),
            clients_complete: finding.clients_complete,
            servers: addresses(finding.servers),
            port: finding.protocol.and_then(|name| Transport::named(&name)).zip(finding.port),
            replaced,
            flows: finding.flow_count,
        };
        self.findings.insert(finding.id, told);
    }

    fn flow(&mut self, Flow { protocol, client, server, outcome, heard }: Flow) {
        let protocol = match protocol.as_str() {
            "tcp" => protocol::TCP,
            "udp" => protocol::UDP,
            _ => return,
        };
        let path = Path { protocol, port: server.port, server: server.address.into(), client: client.address.into() };
        self.told.tried.entry(path).or_default().add(&outcome, heard.is_some());
    }

    fn finished(self) -> Told {
        let Reading { mut told, problems, findings, knows_problems, .. } = self;
        told.problems = (knows_problems || findings.is_empty()).then(|| problems.into_values().collect());
        told.findings = findings.into_values().collect();
        told
    }
}

/// A document, or one line of a report of lines.
struct Piece<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for Piece<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Piece<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a report")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let reading = self.0;
        let Some(first) = map.next_key::<String>()? else { return Ok(()) };
        if first == "type" {
            let kind: String = map.next_value()?;
            reading.lines = true;
            return line(reading, &kind, map);
        }
        let mut key = Some(first);
        while let Some(name) = key {
            match name.as_str() {
                "schema" => reading.schema(map.next_value()?)?,
                "captures" => reading.told.captures = map.next_value()?,
                "port_map" => reading.told.map = map.next_value()?,
                "quality" => reading.told.quality = map.next_value()?,
                "totals" => {
                    reading.told.flows_left_out = map.next_value::<Totals>()?.flows_left_out.unwrap_or(0);
                }
                "problems" => {
                    reading.knows_problems = true;
                    map.next_value::<Vec<Problem>>()?.into_iter().for_each(|problem| reading.problem(problem));
                }
                "findings" => {
                    map.next_value::<Vec<OneFinding>>()?.into_iter().for_each(|finding| reading.finding(finding));
                }
                "flows" => map.next_value_seed(Flows(reading))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
            key = map.next_key()?;
        }
        Ok(())
    }
}

/// The rest of a line of a report of lines.
fn line<'de, A: MapAccess<'de>>(reading: &mut Reading, kind: &str, map: A) -> Result<(), A::Error> {
    let rest = MapAccessDeserializer::new(map);
    match kind {
        "capture" => reading.told.captures.push(CaptureTold::deserialize(rest)?),
        "flow" => reading.flow(Flow::deserialize(rest)?),
        "finding" => reading.finding(OneFinding::deserialize(rest)?),
        "withdrawn" => _ = reading.findings.remove(&Withdrawn::deserialize(rest)?.id),
        "problem" => {
            reading.knows_problems = true;
            reading.problem(Problem::deserialize(rest)?);
        }
        "left_out" => reading.told.flows_left_out += LeftOut::deserialize(rest)?.flows,
        "summary" => {
            let Summary { schema, port_map, quality, totals } = Summary::deserialize(rest)?;
            reading.schema(schema)?;
            reading.told.map = port_map;
            reading.told.quality = quality;
            reading.told.flows_left_out += totals.flows_left_out.unwrap_or(0);
        }
        _ => drop(IgnoredAny::deserialize(rest)?),
    }
    Ok(())
}

/// Flows, each entered and forgotten: there may be a million.
struct Flows<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for Flows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Flows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of flows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut flows: A) -> Result<(), A::Error> {
        while let Some(flow) = flows.next_element()? {
            self.0.flow(flow);
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Totals {
    flows_left_out: Option<u64>,
}

#[derive(Deserialize)]
struct Summary {
    schema: String,
    port_map: MapTold,
    quality: QualityTold,
    totals: Totals,
}

#[derive(Deserialize)]
struct Withdrawn {
    id: String,
}

#[derive(Deserialize)]
struct LeftOut {
    flows: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Bad {
    Info,
    Warning,
    Error,
}

impl From<Bad> for Severity {
    fn from(bad: Bad) -> Severity {
        match bad {
            Bad::Info => Severity::Info,
            Bad::Warning => Severity::Warning,
            Bad::Error => Severity::Error,
        }
    }
}

#[derive(Deserialize)]
struct Hosts {
    count: u64,
    #[serde(default = "yes")]
    complete: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Problem {
    id: String,
    cause: String,
    severity: Bad,
    confidence: Sure,
    title: String,
    clients: Hosts,
    servers: Hosts,
    attempts: u64,
    findings: Vec<String>,
}

#[derive(Deserialize)]
struct OneFinding {
    id: String,
    code: String,
    severity: Bad,
    confidence: Sure,
    title: String,
    clients: Vec<IpAddr>,
    #[serde(default = "yes")]
    clients_complete: bool,
    servers: Vec<IpAddr>,
    protocol: Option<String>,
    port: Option<u16>,
    flow_count: u64,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    blocked_transport: Option<String>,
    blocked_port: Option<u16>,
}

#[derive(Deserialize)]
struct Flow {
    protocol: String,
    client: Client,
    server: Server,
    outcome: String,
    heard: Option<String>,
}

#[derive(Deserialize)]
struct Client {
    address: IpAddr,
}

#[derive(Deserialize)]
struct Server {
    address: IpAddr,
    port: u16,
}
