//! The report as one JSON document, or as one object a line.

use super::{FindingLine, FlowLine, Report};
use serde::Serialize;
use std::io::{self, Write};

/// One document.
///
/// # Errors
/// What writing gives.
pub fn write_json(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

/// The same objects one a line, each with its `type`; the summary comes last.
///
/// # Errors
/// What writing gives.
pub fn write_ndjson(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    write_captures(out, report)?;
    for flow in report.flows.lines() {
        write_flow(out, &flow)?;
    }
    write_after_flows(out, report)
}

/// The same without the flows, which were written before.
///
/// # Errors
/// What writing gives.
pub fn write_ndjson_without_flows(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    write_captures(out, report)?;
    write_after_flows(out, report)
}

fn write_captures(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    report.captures.iter().try_for_each(|capture| line(out, "capture", capture))
}

fn write_after_flows(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    let Report { schema, program, port_map, captures: _, quality, totals, services, findings, flows: _ } = report;
    for finding in findings {
        write_finding(out, finding)?;
    }
    for service in services {
        line(out, "service", service)?;
    }
    line(out, "summary", &Summary { schema, program, port_map, quality, totals })
}

/// One flow as a line.
///
/// # Errors
/// What writing gives.
pub fn write_flow(out: &mut impl Write, flow: &FlowLine<'_>) -> io::Result<()> {
    line(out, "flow", flow)
}

/// One finding as a line.
///
/// # Errors
/// What writing gives.
pub fn write_finding(out: &mut impl Write, finding: &FindingLine) -> io::Result<()> {
    line(out, "finding", finding)
}

#[derive(Serialize)]
struct Summary<'a> {
    schema: &'a str,
    program: &'a super::Program,
    port_map: &'a super::PortMapLine,
    quality: &'a super::Quality,
    totals: &'a super::Totals,
}

#[derive(Serialize)]
struct Typed<'a, T> {
    r#type: &'a str,
    #[serde(flatten)]
    value: &'a T,
}

fn line<T: Serialize>(out: &mut impl Write, r#type: &str, value: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Typed { r#type, value })?;
    writeln!(out)
}
