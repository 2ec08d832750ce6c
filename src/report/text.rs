//! The report to be read: what is wrong first, then what was seen of each service, then what could not be judged.

use super::{FindingLine, FlowLine, Report, ServiceLine, names};
use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::io::{self, Write};

/// How the text looks.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Columns to stay within; at least 60 are used.
    pub width: usize,
    /// Colours, for a terminal.
    pub color: bool,
    /// List every flow.
    pub flows: bool,
    /// Name all rules and products of each finding, not only the first few.
    pub verbose: bool,
}

/// Writes the report.
///
/// # Errors
/// What writing gives.
pub fn write_text(out: &mut impl Write, report: &Report<'_>, look: Look) -> io::Result<()> {
    let look = Look { width: look.width.max(60), ..look };
    let mut page = Page { out, look };
    page.heading(report)?;
    page.findings(report)?;
    page.services(report)?;
    page.not_judged(report)?;
    page.comments(report)?;
    if look.flows {
        page.flows(report)?;
    }
    Ok(())
}

struct Page<'w, W: Write> {
    out: &'w mut W,
    look: Look,
}

/// So many findings are written out; nobody reads more at once.
const FINDINGS_SHOWN: usize = 20;

const BOLD: Style = Style::new().bold();
/// Stands for a blank that no line ends at, between a number and its unit.
const UNBROKEN: &str = "\u{a0}";
const DIM: Style = Style::new().dimmed();

fn severity_style(severity: &str) -> Style {
    let color = match severity {
        "error" => AnsiColor::Red,
        "warning" => AnsiColor::Yellow,
        _ => AnsiColor::Cyan,
    };
    color.on_default().bold()
}

impl<W: Write> Page<'_, W> {
    fn heading(&mut self, report: &Report<'_>) -> io::Result<()> {
        let map = &report.port_map;
        let title = format!(
            "cap-audit {}, port map {} {} ({} rules)",
            report.program.version, map.name, map.version, map.rules
        );
        let title = self.styled(DIM, &title);
        writeln!(self.out, "{title}")?;
        for capture in &report.captures {
            let mut facts = vec![counted(capture.packets, "packet"), names::bytes(capture.bytes)];
            if let Some(first) = &capture.first {
                facts.push(format!("{:.1} s from {}", capture.duration_s, short_time(first)));
            }
            let facts: Vec<String> = facts.iter().map(|fact| fact.replace(' ', UNBROKEN)).collect();
            let links = if capture.link_types.is_empty() { "no packets".into() } else { capture.link_types.join(", ") };
            self.paragraph(&format!("{} ({}, {links}): {}", capture.name, capture.format, facts.join(", ")), "", "  ")?;
        }
        writeln!(self.out)?;
        let verdict = self.verdict(report);
        writeln!(self.out, "{verdict}")
    }

    fn verdict(&self, report: &Report<'_>) -> String {
        let number =
            |severity: &str| report.findings.iter().filter(|finding| finding.severity == severity).count() as u64;
        let (errors, warnings) = (number("error"), number("warning"));
        let infos =
            report.findings.iter().filter(|finding| finding.severity == "info" && !is_about_capture(finding)).count()
                as u64;
        if report.totals.evaluable == 0 && errors + warnings == 0 {
            return self.styled(BOLD, "Nothing could be judged; the reasons stand below.");
        }
        let citrix: u64 = report.services.iter().map(|service| service.flows).sum();
        if errors + warnings == 0 {
            let text = match (citrix, report.totals.not_evaluable) {
                (0, _) => "No Citrix traffic was recognised.".to_string(),
                (_, 0) => format!("Nothing wrong in {}.", counted(citrix, "Citrix flow")),
                (all, unclear) if all == unclear => "No Citrix flow could be judged; the reasons stand below.".into(),
                (all, unclear) => {
                    format!(
                        "Nothing wrong in {}; {unclear} more could not be judged.",
                        counted(all - unclear.min(all), "Citrix flow")
                    )
                }
            };
            return self.styled(
                if citrix > report.totals.not_evaluable { AnsiColor::Green.on_default().bold() } else { BOLD },
                &text,
            );
        }
        let mut parts = Vec::new();
        for (count, what, severity) in
            [(errors, "error", "error"), (warnings, "warning", "warning"), (infos, "remark", "info")]
        {
            if count > 0 {
                parts.push(self.styled(severity_style(severity), &counted(count, what)));
            }
        }
        format!("Found: {}.", parts.join(", "))
    }

    fn findings(&mut self, report: &Report<'_>) -> io::Result<()> {
        let findings: Vec<&FindingLine> = report.findings.iter().filter(|finding| !is_about_capture(finding)).collect();
        let shown = if self.look.verbose { findings.len() } else { findings.len().min(FINDINGS_SHOWN) };
        for (index, finding) in findings[..shown].iter().enumerate() {
            writeln!(self.out)?;
            self.finding(index + 1, finding, report)?;
        }
        if shown < findings.len() {
            let more = counted((findings.len() - shown) as u64, "finding");
            let text = format!("{more} more, no worse than these: -v shows them, --format json as well.");
            writeln!(self.out)?;
            self.paragraph(&text, "", "")?;
        }
        Ok(())
    }

    fn finding(&mut self, number: usize, finding: &FindingLine, report: &Report<'_>) -> io::Result<()> {
        let label = self.styled(severity_style(finding.severity), &finding.severity.to_uppercase());
        let code = self.styled(DIM, finding.code);
        let sure =
            if finding.confidence == "high" { String::new() } else { format!(" ({} confidence)", finding.confidence) };
        writeln!(self.out, "{number}. {label} {code}{sure}")?;
        let title = self.wrap(&finding.title, "   ", "   ");
        for line in title.lines() {
            let line = self.styled(BOLD, line);
            writeln!(self.out, "{line}")?;
        }
        self.paragraph(&finding.meaning, "   ", "   ")?;
        self.paragraph(&finding.remedy, "   Do:        ", "              ")?;
        let evidence = evidence(finding, report);
        if !evidence.is_empty() {
            self.paragraph(&evidence, "   Packets:   ", "              ")?;
        }
        if !finding.wireshark_filter.is_empty() {
            self.paragraph(&finding.wireshark_filter, "   Wireshark: ", "              ")?;
        }
        let few = !self.look.verbose;
        if !finding.products.is_empty() {
            let products = match finding.products.len() {
                count @ 6.. if few => counted(count as u64, "Citrix product"),
                _ => finding.products.join(", "),
            };
            let rules = match finding.rules.len() {
                count @ 2.. if few => format!("{} (-v names them)", counted(count as u64, "rule")),
                _ => finding.rules.join(", "),
            };
            self.paragraph(&format!("{products}: {rules}"), "   Concerns:  ", "              ")?;
        }
        let sources = if few { &finding.sources[..finding.sources.len().min(1)] } else { &finding.sources[..] };
        self.paragraph(&sources.join("; "), "   Source:    ", "              ")
    }

    fn services(&mut self, report: &Report<'_>) -> io::Result<()> {
        self.section("Services")?;
        let totals = &report.totals;
        if report.services.is_empty() {
            writeln!(self.out, "No flow belongs to a service of the map.")?;
        } else {
            let table = service_table(&report.services, self.look.width);
            for line in table.lines() {
                writeln!(self.out, "{}", line.trim_end())?;
            }
        }
        let citrix: u64 = report.services.iter().map(|service| service.flows).sum();
        let others = totals.flows.saturating_sub(citrix);
        if others > 0 {
            let blocked: u64 =
                totals.blocked.saturating_sub(report.services.iter().map(|service| service.blocked).sum());
            let note = match (others, blocked) {
                (_, 0) => String::new(),
                (1, _) => ", blocked".into(),
                _ => format!(", {blocked} of them blocked"),
            };
            self.paragraph(
                &format!("Other traffic: {}{note}. Nothing ties it to Citrix: a port that many programs use, or one that is not in the map.", counted(others, "flow")),
                "",
                "",
            )?;
        }
        Ok(())
    }

    fn not_judged(&mut self, report: &Report<'_>) -> io::Result<()> {
        let remarks = &report.quality.remarks;
        if remarks.is_empty() && report.totals.not_evaluable == 0 {
            return Ok(());
        }
        self.section("What could not be judged, and why")?;
        if report.totals.not_evaluable > 0 {
            writeln!(self.out, "{} could not be judged.", counted(report.totals.not_evaluable, "Citrix flow"))?;
        }
        for remark in remarks {
            self.paragraph(remark, "- ", "  ")?;
            let about = |finding: &&FindingLine| is_about_capture(finding) && remark.starts_with(&finding.title);
            if let Some(finding) = report.findings.iter().find(about) {
                self.paragraph(&finding.remedy, "  Next time: ", "             ")?;
            }
        }
        Ok(())
    }

    fn comments(&mut self, report: &Report<'_>) -> io::Result<()> {
        if report.captures.iter().all(|capture| capture.comments.is_empty()) {
            return Ok(());
        }
        self.section("Comments in the capture")?;
        for comment in report.captures.iter().flat_map(|capture| &capture.comments) {
            let place = comment.packet.map_or("- ".into(), |packet| format!("- packet {packet}: "));
            self.paragraph(&comment.text, &place, "  ")?;
        }
        Ok(())
    }

    fn flows(&mut self, report: &Report<'_>) -> io::Result<()> {
        self.section("Flows")?;
        for flow in report.flows.lines() {
            self.flow(&flow)?;
        }
        Ok(())
    }

    fn flow(&mut self, flow: &FlowLine<'_>) -> io::Result<()> {
        let ends = format!("{} -> {}", endpoint(&flow.client), endpoint(&flow.server));
        writeln!(self.out, "{:>5}  {} {ends}", flow.id, flow.protocol)?;
        let mut facts = vec![format!("{} ({})", flow.outcome, flow.state), flow.verdict.to_string()];
        facts.extend(flow.reason.map(String::from));
        facts.extend(flow.service.map(|service| format!("service {service} by {}", flow.basis)));
        facts.extend(flow.heard.map(|heard| format!("heard {heard}")));
        facts.extend(flow.server_name.map(|name| format!("name {name}")));
        facts.push(format!("packets {}+{}", flow.packets.client, flow.packets.server));
        facts.push(names::bytes(flow.ip_bytes.client + flow.ip_bytes.server));
        facts.extend(flow.handshake_rtt_us.map(|rtt| format!("handshake {}", names::micros(rtt))));
        self.paragraph(&facts.join(", "), "       ", "       ")
    }

    fn section(&mut self, title: &str) -> io::Result<()> {
        let title = self.styled(BOLD, title);
        writeln!(self.out, "\n{title}\n")
    }

    fn paragraph(&mut self, text: &str, first: &str, rest: &str) -> io::Result<()> {
        let text = self.wrap(text, first, rest);
        writeln!(self.out, "{text}")
    }

    fn wrap(&self, text: &str, first: &str, rest: &str) -> String {
        let options = textwrap::Options::new(self.look.width).initial_indent(first).subsequent_indent(rest);
        let options = options.break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation);
        textwrap::fill(&names::printable(text), options).replace(UNBROKEN, " ")
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.look.color { format!("{style}{text}{style:#}") } else { text.into() }
    }
}

/// Findings about the capture stand with what could not be judged, not with what is wrong.
fn is_about_capture(finding: &FindingLine) -> bool {
    finding.severity == "info" && finding.code.starts_with("quality.")
}

fn service_table(services: &[ServiceLine], width: usize) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width as u16);
    table.set_header(["service", "flows", "blocked", "packets", "bytes", "rtt p50", "p90", "p99"]);
    for service in services {
        let rtt = &service.handshake_rtt_us;
        let time = |value: Option<u64>| value.map_or("-".into(), names::micros);
        table.add_row([
            service.service.clone(),
            service.flows.to_string(),
            service.blocked.to_string(),
            service.packets.to_string(),
            names::bytes(service.bytes),
            time(rtt.p50),
            time(rtt.p90),
            time(rtt.p99),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 1));
    }
    table.to_string()
}

/// The packets that show it, by capture where there are several.
fn evidence(finding: &FindingLine, report: &Report<'_>) -> String {
    let several = report.captures.len() > 1;
    let one = |evidence: &super::EvidenceLine| {
        let place = if several {
            format!("{}:{}", report.captures[evidence.capture as usize].name, evidence.packet)
        } else {
            evidence.packet.to_string()
        };
        format!("{place} ({})", evidence.note)
    };
    finding.evidence.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn endpoint(endpoint: &super::EndpointLine) -> String {
    if endpoint.address.contains(':') {
        format!("[{}]:{}", endpoint.address, endpoint.port)
    } else {
        format!("{}:{}", endpoint.address, endpoint.port)
    }
}

fn counted(count: u64, what: &str) -> String {
    names::count(count, what)
}

/// 2026-11-22 02:41:07 UTC out of RFC 3339.
fn short_time(time: &str) -> String {
    let seconds = time.split('.').next().unwrap_or(time);
    format!("{} UTC", seconds.replace('T', " "))
}
