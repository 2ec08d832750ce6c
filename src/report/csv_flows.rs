//! The flows as CSV, one a line.

use super::{FlowLine, Report, tables};
use crate::judge::Reason;
use crate::signature::Protocol;
use std::io::{self, Write};

const HEADER: [&str; 31] = [
    "id",
    "community_id",
    "protocol",
    "client_address",
    "client_port",
    "server_address",
    "server_port",
    "direction_basis",
    "first",
    "last",
    "duration_s",
    "client_packets",
    "server_packets",
    "client_ip_bytes",
    "server_ip_bytes",
    "client_payload_bytes",
    "server_payload_bytes",
    "outcome",
    "blocked",
    "state",
    "handshake_rtt_us",
    "client_retransmissions",
    "server_retransmissions",
    "vlan",
    "server_name",
    "heard",
    "service",
    "basis",
    "verdict",
    "reason",
    "capture",
];

/// A header and one line a flow. Lists are joined with `;`, what is not known is empty.
///
/// # Errors
/// What writing gives.
pub fn write_csv(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    tables::write_rows(out, HEADER, report.flows.lines().map(|flow| fields(&flow, report)))
}

fn fields(flow: &FlowLine<'_>, report: &Report<'_>) -> [String; HEADER.len()] {
    let text = |value: Option<&str>| value.unwrap_or_default().to_string();
    let vlan: Vec<String> = flow.vlan.iter().map(u16::to_string).collect();
    [
        flow.id.to_string(),
        flow.community_id.clone(),
        flow.protocol.into(),
        flow.client.address.to_string(),
        flow.client.port.to_string(),
        flow.server.address.to_string(),
        flow.server.port.to_string(),
        flow.direction_basis.name().into(),
        flow.first.rfc3339(),
        flow.last.rfc3339(),
        flow.duration.as_seconds().to_string(),
        flow.packets.client.to_string(),
        flow.packets.server.to_string(),
        flow.ip_bytes.client.to_string(),
        flow.ip_bytes.server.to_string(),
        flow.payload_bytes.client.to_string(),
        flow.payload_bytes.server.to_string(),
        flow.outcome.name().into(),
        flow.blocked.to_string(),
        flow.state.into(),
        flow.handshake_rtt.map(|rtt| rtt.as_micros().to_string()).unwrap_or_default(),
        flow.retransmissions.client.to_string(),
        flow.retransmissions.server.to_string(),
        vlan.join(";"),
        text(flow.server_name),
        text(flow.heard.map(Protocol::name)),
        text(flow.service),
        flow.basis.name().into(),
        flow.verdict.name().into(),
        text(flow.reason.map(Reason::name)),
        text(
            usize::try_from(flow.capture)
                .ok()
                .and_then(|capture| report.captures.get(capture))
                .map(|capture| capture.name.as_str()),
        ),
    ]
}
