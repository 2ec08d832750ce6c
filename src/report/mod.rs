//! How it is told: `Report` holds values, no words; each format is one file, which takes its words from the catalogue.

mod by;
mod csv_flows;
mod detail;
mod diff;
pub mod explain;
mod json;
mod names;
mod news;
mod plain;
pub mod ports;
mod quality;
mod rule_sets;
mod screen;
mod sessions;
mod tables;
mod text;
mod tls;
mod told;

pub use crate::outside::printable;
pub use by::{By, write_by};
pub use csv_flows::write_csv;
pub use detail::{find_problem, write_problem};
pub use diff::{Basis as DiffBasis, Captures, Diff, Entry, Side, State, write_diff_json, write_diff_text};
pub use json::{
    write_document, write_finding, write_flow, write_json, write_ndjson, write_ndjson_without_flows, write_rule_sets,
};
pub use json::{write_left_out, write_revised, write_withdrawn};
pub use names::{bytes, count};
pub use news::{Because, Change, InBetween, Notice, Revision, Standing, write_in_between, write_notice};
pub use quality::{Flaw, Grade, Quality, Remark};
pub use sessions::{SessionLine, SessionList};
pub use text::{Look, write_text};
pub use tls::{AlertLine, CertificateLine, TlsLine};
pub use told::{CaptureTold, FindingTold, MapTold, Number, ProblemTold, QualityTold, Sure, Told, Tried};

use crate::case::Conclusion;
use crate::finding::{Finding, Severity};
use crate::flow::{Counts, DirectionBasis, Endpoint, FlowRecord, PacketRef};
use crate::judge::{Judge, Judgement, Outcome, Reason, ServiceTally, Tally, Verdict};
use crate::ledger::{Latency, Ledger};
use crate::matching::{Basis, ServiceRef};
use crate::packet::{Address, LinkType, Skip, protocol};
use crate::portmap::PortMap;
use crate::problem::Problem;
use crate::signature::Protocol;
use crate::source::{CaptureNotes, FilterNote};
use crate::time::{Span, Timestamp};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Everything that is told of one audit. In the formats for programs the names of its fields are fixed; more may be added.
pub struct Report<'a> {
    /// Who wrote it.
    pub program: Program,
    /// What it was judged by.
    pub port_map: PortMapLine,
    /// The captures.
    pub captures: Vec<CaptureLine>,
    /// What the captures allow to be judged.
    pub quality: Quality,
    /// Sums.
    pub totals: Totals,
    /// Each service that was seen, most flows first.
    pub services: Vec<ServiceLine>,
    /// What should be known, the worst first.
    pub findings: Vec<FindingLine<'a>>,
    /// What the findings have in common, the worst first.
    pub problems: &'a [Problem],
    /// Flows that belong together, as sessions, in the order of time.
    pub sessions: SessionList<'a>,
    /// Every flow, in the order of the first packets. Empty where flows were not kept.
    pub flows: FlowList<'a>,
}

/// Name and version of the program.
#[derive(Serialize)]
pub struct Program {
    /// `cap-audit`.
    pub name: &'static str,
    /// The version.
    pub version: &'static str,
}

/// The port map in a line.
#[derive(Serialize)]
pub struct PortMapLine {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Rules that come from the documents.
    pub rules: usize,
    /// Rules that correct or complete them.
    pub corrections: usize,
}

/// One capture.
#[derive(Serialize)]
pub struct CaptureLine {
    /// By this number, counted from 0, flows and evidence name it.
    pub capture: usize,
    /// As it was typed.
    pub name: String,
    /// `pcap` or `pcapng`.
    pub format: String,
    /// Link types in order of appearance.
    #[serde(serialize_with = "plain::link_types")]
    pub link_types: Vec<LinkType>,
    /// Packet records.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// The earliest capture time.
    #[serde(serialize_with = "plain::some_moment")]
    pub first: Option<Timestamp>,
    /// The latest capture time.
    #[serde(serialize_with = "plain::some_moment")]
    pub last: Option<Timestamp>,
    /// From the first to the last packet.
    #[serde(rename = "duration_s", serialize_with = "plain::seconds")]
    pub duration: Span,
    /// Packets of which fewer bytes were captured than there were.
    pub truncated_packets: u64,
    /// The filter that packets had to pass, if there was one.
    pub filter: Option<FilterLine>,
    /// Packets that were not decoded, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Packets lost before they came into the capture; `null` is unknown.
    pub dropped: DroppedLine,
    /// The first place where the file is damaged.
    pub damage: Option<DamageLine>,
    /// Comments that people left in the file, the first of them.
    pub comments: Vec<CommentLine>,
    /// Comments that are left out.
    pub comments_left_out: u64,
    /// How often a watched interface was not there or not up; the first times are listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub interrupted: u64,
    /// When a watched interface was not there or not up. Only there where that happened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interruptions: Vec<InterruptionLine>,
}

/// A filter that packets had to pass.
#[derive(Serialize)]
pub struct FilterLine {
    /// As it was typed, in the language of pcap-filter(7).
    pub program: String,
    /// Packets of the capture that it left out, which were not looked into; `null` is unknown, as in a live capture.
    pub left_out: Option<u64>,
}

/// A time in which nothing was captured from an interface.
#[derive(Serialize)]
pub struct InterruptionLine {
    /// What happened.
    pub what: String,
    /// When.
    #[serde(serialize_with = "plain::moment")]
    pub from: Timestamp,
    /// When it was watched again; `null` is never.
    #[serde(serialize_with = "plain::some_moment")]
    pub to: Option<Timestamp>,
}

/// Loss by the three who can lose; `null` is unknown.
#[derive(Serialize)]
pub struct DroppedLine {
    /// By the system that captured.
    pub kernel: Option<u64>,
    /// By its interface.
    pub interface: Option<u64>,
    /// By this program.
    pub own: u64,
}

/// A damaged place.
#[derive(Serialize)]
pub struct DamageLine {
    /// Offset in the file, in bytes.
    pub position: u64,
    /// The last whole packet before it.
    pub packet: u64,
    /// What is wrong.
    pub what: String,
    /// Where reading went on, if it did.
    pub resumed: Option<u64>,
}

/// A comment.
#[derive(Serialize)]
pub struct CommentLine {
    /// The packet it belongs to.
    pub packet: Option<u64>,
    /// Its text.
    pub text: String,
}

/// Sums over everything.
#[derive(Serialize, Clone, Copy)]
pub struct Totals {
    /// Packets of all captures.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Flows by what is held of them.
    #[serde(flatten)]
    pub tally: Tally,
    /// Findings by their severity.
    pub findings: SeverityCounts,
    /// Flows that are counted but not listed; none where they were told as they ended.
    pub flows_left_out: Option<u64>,
}

/// Findings by their severity.
#[derive(Serialize, Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct SeverityCounts {
    /// Errors.
    pub error: u64,
    /// Warnings.
    pub warning: u64,
    /// Remarks.
    pub info: u64,
}

impl SeverityCounts {
    fn of(findings: &[Finding]) -> SeverityCounts {
        let number = |severity| findings.iter().filter(|finding| finding.severity == severity).count() as u64;
        let [error, warning, info] = [Severity::Error, Severity::Warning, Severity::Info].map(number);
        SeverityCounts { error, warning, info }
    }
}

/// One service.
#[derive(Serialize)]
pub struct ServiceLine {
    /// Its name.
    pub service: String,
    /// Its name for people.
    #[serde(skip)]
    pub title: String,
    /// Rules that name its ports.
    pub rules: Vec<String>,
    /// Flows.
    pub flows: u64,
    /// Packets of both directions.
    pub packets: u64,
    /// IP bytes of both directions.
    pub bytes: u64,
    /// Blocked flows.
    pub blocked: u64,
    /// Flows of which the capture does not show enough.
    #[serde(skip)]
    pub unclear: u64,
    /// TCP handshake round trips.
    pub handshake_rtt_us: RttLine,
}

/// A distribution of times; without samples there are none.
#[derive(Serialize, Default)]
pub struct RttLine {
    /// Samples.
    pub count: u64,
    /// Smallest.
    #[serde(serialize_with = "plain::some_micros")]
    pub min: Option<Span>,
    /// Half are no larger.
    #[serde(serialize_with = "plain::some_micros")]
    pub p50: Option<Span>,
    /// Nine of ten are no larger.
    #[serde(serialize_with = "plain::some_micros")]
    pub p90: Option<Span>,
    /// 99 of a hundred are no larger.
    #[serde(serialize_with = "plain::some_micros")]
    pub p99: Option<Span>,
    /// 999 of a thousand are no larger.
    #[serde(serialize_with = "plain::some_micros")]
    pub p999: Option<Span>,
    /// Largest.
    #[serde(serialize_with = "plain::some_micros")]
    pub max: Option<Span>,
}

/// One finding.
pub struct FindingLine<'a> {
    /// What was found.
    pub finding: &'a Finding,
    /// Ids of the flows, the first few; empty where flows were not kept.
    pub flows: Vec<u64>,
}

/// Every flow, written out one by one.
pub struct FlowList<'a> {
    /// The flows in order; the id of a flow is its place, counted from 1.
    pub flows: &'a [FlowRecord],
    /// Who judges them.
    pub judge: Judge<'a, 'a>,
}

/// An address and a port.
#[derive(Serialize)]
pub struct EndpointLine {
    /// The address.
    #[serde(serialize_with = "plain::shown")]
    pub address: Address,
    /// The port; for ICMP the type (client) and the code (server).
    pub port: u16,
}

/// A count for each side.
#[derive(Serialize)]
pub struct BothSides {
    /// Of the client.
    pub client: u64,
    /// Of the server.
    pub server: u64,
}

/// One flow.
#[derive(Serialize)]
pub struct FlowLine<'a> {
    /// Its place in the order of first packets, counted from 1.
    pub id: u64,
    /// Community ID version 1, seed 0.
    pub community_id: String,
    /// The capture that holds its first packet, counted from 0.
    pub capture: u32,
    /// `tcp`, `udp`, `icmp` or `icmpv6`.
    pub protocol: &'static str,
    /// Who opened it.
    pub client: EndpointLine,
    /// Who was asked.
    pub server: EndpointLine,
    /// How the two were told apart.
    #[serde(serialize_with = "plain::name")]
    pub direction_basis: DirectionBasis,
    /// When the first packet was captured.
    #[serde(serialize_with = "plain::shown")]
    pub first: Timestamp,
    /// When the last packet was captured.
    #[serde(serialize_with = "plain::shown")]
    pub last: Timestamp,
    /// From the first to the last packet.
    #[serde(rename = "duration_s", serialize_with = "plain::seconds")]
    pub duration: Span,
    /// Packets.
    pub packets: BothSides,
    /// IP total lengths.
    pub ip_bytes: BothSides,
    /// Payload after the transport header.
    pub payload_bytes: BothSides,
    /// What became of it.
    #[serde(serialize_with = "plain::name")]
    pub outcome: Outcome,
    /// Whether that counts as blocked.
    pub blocked: bool,
    /// Zeek's `conn_state`.
    pub state: &'static str,
    /// From SYN to ACK, if neither SYN nor SYN-ACK was repeated.
    #[serde(rename = "handshake_rtt_us", serialize_with = "plain::some_micros")]
    pub handshake_rtt: Option<Span>,
    /// TCP segments sent again.
    pub retransmissions: BothSides,
    /// VLAN ids, outermost first.
    pub vlan: Vec<u16>,
    /// Tunnels it was carried in; none are unwrapped yet.
    pub tunnel: [&'static str; 0],
    /// As TLS, DTLS or HTTP gave it.
    pub server_name: Option<&'a str>,
    /// The protocol told by the payload.
    #[serde(serialize_with = "plain::some_name")]
    pub heard: Option<Protocol>,
    /// What TLS or DTLS said in the clear; missing where nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsLine<'a>>,
    /// The service.
    pub service: Option<&'a str>,
    /// Rules that name the port, most specific first; none where they stand in a list of the report.
    pub rules: Vec<&'a str>,
    /// The list of the report in which the rules stand, where there are more than a dozen.
    pub rule_set: Option<String>,
    /// What ties it to its service.
    #[serde(serialize_with = "plain::name")]
    pub basis: Basis,
    /// Whether the map explains it.
    #[serde(serialize_with = "plain::name")]
    pub verdict: Verdict,
    /// Why not, or why not more certain.
    #[serde(serialize_with = "plain::some_name")]
    pub reason: Option<Reason>,
}

impl<'a> Report<'a> {
    /// Puts the report together.
    pub fn new(conclusion: &'a Conclusion<'_>) -> Report<'a> {
        let Conclusion { case, judge, tally, services, findings, problems } = conclusion;
        let (captures, flows, map, ledger) = (&case.captures, &case.flows, judge.map, judge.ledger);
        let mut services: Vec<ServiceLine> = services
            .iter()
            .filter_map(|(service, tally)| service.map(|service| service_line(service, tally, map)))
            .collect();
        services.sort_by(|one, other| other.flows.cmp(&one.flows).then_with(|| one.service.cmp(&other.service)));
        Report {
            program: Program { name: "cap-audit", version: env!("CARGO_PKG_VERSION") },
            port_map: PortMapLine {
                name: map.name().into(),
                version: map.version().into(),
                rules: map.documented(),
                corrections: map.rules().len() - map.documented(),
            },
            captures: captures.iter().enumerate().map(|(index, notes)| capture_line(index, notes, ledger)).collect(),
            quality: quality::quality(conclusion),
            totals: Totals {
                packets: captures.iter().map(|capture| capture.packets).sum(),
                bytes: captures.iter().map(|capture| capture.bytes).sum(),
                tally: *tally,
                findings: SeverityCounts::of(findings),
                flows_left_out: Some(tally.flows.saturating_sub(flows.len() as u64)),
            },
            services,
            findings: findings.iter().map(|finding| finding_line(finding, flows)).collect(),
            problems,
            sessions: SessionList { flows, judge: *judge },
            flows: FlowList { flows, judge: *judge },
        }
    }
}

fn capture_line(index: usize, notes: &CaptureNotes, ledger: &Ledger) -> CaptureLine {
    let counts = ledger.skipped.get(&(index as u32)).copied().unwrap_or_default();
    let skipped = Skip::ALL.into_iter().map(|skip| (skip.name(), counts[skip.index()])).filter(|(_, count)| *count > 0);
    CaptureLine {
        capture: index,
        name: notes.name.clone(),
        format: notes.format.into(),
        link_types: notes.link_types.clone(),
        packets: notes.packets,
        bytes: notes.bytes,
        first: notes.first,
        last: notes.last,
        duration: notes.first.zip(notes.last).map_or(Span::default(), |(first, last)| last - first),
        truncated_packets: notes.truncated_packets,
        filter: notes.filter.clone().map(|FilterNote { program, left_out, .. }| FilterLine { program, left_out }),
        skipped: skipped.collect(),
        dropped: DroppedLine { kernel: notes.dropped.kernel, interface: notes.dropped.interface, own: 0 },
        damage: notes.damage.as_ref().map(|damage| DamageLine {
            position: damage.position,
            packet: damage.packet,
            what: damage.what.clone(),
            resumed: damage.resumed,
        }),
        comments: notes
            .comments
            .iter()
            .map(|comment| CommentLine { packet: comment.packet, text: comment.text.clone() })
            .collect(),
        comments_left_out: notes.comments_left_out,
        interrupted: notes.interrupted,
        interruptions: notes
            .interruptions
            .iter()
            .map(|one| InterruptionLine { what: one.what.clone(), from: one.from, to: one.to })
            .collect(),
    }
}

fn service_line(service: ServiceRef, tally: &ServiceTally<'_>, map: &PortMap) -> ServiceLine {
    ServiceLine {
        service: service.name(map).into(),
        title: service.title(map).into(),
        rules: tally.rules.iter().map(|rule| map.rule(rule).id.clone()).collect(),
        flows: tally.carried.flows,
        packets: tally.carried.packets,
        bytes: tally.carried.bytes,
        blocked: tally.blocked,
        unclear: tally.unclear,
        handshake_rtt_us: tally.round_trips.map_or_else(RttLine::default, rtt_line),
    }
}

fn rtt_line(rtt: &Latency) -> RttLine {
    let some = |micros: u64| (rtt.count() > 0).then_some(Span::micros(micros as i64));
    RttLine {
        count: rtt.count(),
        min: some(rtt.min()),
        p50: some(rtt.quantile(0.5)),
        p90: some(rtt.quantile(0.9)),
        p99: some(rtt.quantile(0.99)),
        p999: some(rtt.quantile(0.999)),
        max: some(rtt.max()),
    }
}

/// A finding as it is told. The ids of its flows are known where the flows are.
pub fn finding_line<'a>(finding: &'a Finding, flows: &[FlowRecord]) -> FindingLine<'a> {
    FindingLine { finding, flows: finding.openers.iter().filter_map(|&opener| flow_id(opener, flows)).collect() }
}

/// Flows are sorted by their first packets.
fn flow_id(opener: PacketRef, flows: &[FlowRecord]) -> Option<u64> {
    flows.binary_search_by_key(&opener, |flow| flow.opener).ok().map(|index| index as u64 + 1)
}

impl<'a> FlowList<'a> {
    /// The flows as they are told.
    pub fn lines(&self) -> impl Iterator<Item = FlowLine<'a>> + use<'a> {
        let judge = self.judge;
        let line = move |(index, record)| flow_line(index as u64 + 1, record, judge.flow(record), judge.map);
        self.flows.iter().enumerate().map(line)
    }
}

impl Serialize for FlowList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.lines())
    }
}

/// A flow as it is told.
pub fn flow_line<'a>(id: u64, record: &'a FlowRecord, judgement: Judgement<'a>, map: &'a PortMap) -> FlowLine<'a> {
    let both = |of: fn(&Counts) -> u64| BothSides { client: of(&record.from_client), server: of(&record.from_server) };
    let heard = record.heard.as_ref();
    let rule_set = judgement.place.and_then(|place| rule_sets::name(place, map));
    let rules = if rule_set.is_some() { &[] } else { judgement.rules };
    FlowLine {
        id,
        community_id: record.community_id(),
        capture: record.opener.capture,
        protocol: protocol_name(record.protocol),
        client: record.client.into(),
        server: record.server.into(),
        direction_basis: record.basis,
        first: record.first,
        last: record.last,
        duration: record.last - record.first,
        packets: both(|counts| counts.packets),
        ip_bytes: both(|counts| counts.ip_bytes),
        payload_bytes: both(|counts| counts.payload_bytes),
        outcome: judgement.outcome,
        blocked: judgement.outcome.is_blocked(),
        state: record.state(),
        handshake_rtt: record.handshake_rtt,
        retransmissions: both(|counts| u64::from(counts.retransmissions)),
        vlan: record.vlans.ids().collect(),
        tunnel: [],
        server_name: heard.and_then(|heard| heard.server_name()),
        heard: heard.map(|heard| heard.protocol),
        tls: TlsLine::of(record),
        service: judgement.service.map(|service| service.name(map)),
        rules: rules.iter().map(|&rule| map.rule(rule).id.as_str()).collect(),
        rule_set,
        basis: judgement.basis,
        verdict: judgement.verdict,
        reason: judgement.reason,
    }
}

impl From<Endpoint> for EndpointLine {
    fn from(Endpoint { address, port }: Endpoint) -> EndpointLine {
        EndpointLine { address, port }
    }
}

/// The name of an IP protocol in the report.
pub fn protocol_name(number: u8) -> &'static str {
    match number {
        protocol::TCP => "tcp",
        protocol::UDP => "udp",
        protocol::ICMP => "icmp",
        protocol::ICMPV6 => "icmpv6",
        _ => "other",
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
