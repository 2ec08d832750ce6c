//! The report to be read, and what its pages share. The first screen stands in `screen.rs`; here is the whole report, which `-v` asks
//! for: the problems with their findings, then what was seen of each service, then what could not be judged.

use super::{CaptureLine, EndpointLine, FlowLine, Remark, Report, ServiceLine, TlsLine, names, tables};
use crate::finding::{Confidence, Finding, Params, Severity, Value};
use crate::flow::Evidence;
use crate::outside::printable;
use crate::time::{Span, Timestamp};
use crate::words::Words;
use anstyle::{AnsiColor, Style};
use std::borrow::Cow;
use std::collections::BTreeSet;
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
    /// Everything, not only the first screen.
    pub verbose: bool,
}

/// Writes the report: its first screen, or all of it.
///
/// # Errors
/// What writing gives.
pub fn write_text(out: &mut impl Write, report: &Report<'_>, words: &Words, look: Look) -> io::Result<()> {
    let mut page = Page::new(out, words, look);
    if look.verbose {
        page.heading(report)?;
        page.all_problems(report)?;
        page.inventory(report)?;
        page.services(report)?;
        page.not_judged(report)?;
        page.comments(report)?;
    } else {
        page.screen(report)?;
    }
    if look.flows {
        page.flows(report)?;
    }
    Ok(())
}

pub(super) struct Page<'w, W: Write> {
    pub out: &'w mut W,
    pub words: &'w Words,
    pub look: Look,
}

/// The number of captures that stand before the verdict; more are listed after the findings.
const CAPTURES_FIRST: usize = 3;
/// The maximum number of captures that are listed.
const CAPTURES_SHOWN: usize = 50;
/// Columns of the table of services before those with times.
const WITHOUT_TIMES: usize = 5;

pub(super) const BOLD: Style = Style::new().bold();
/// Stands for a blank that no line ends at, between a number and its unit.
const UNBROKEN: &str = "\u{a0}";
pub(super) const DIM: Style = Style::new().dimmed();

pub(super) fn severity_style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Info => AnsiColor::Cyan,
    };
    color.on_default().bold()
}

impl<'w, W: Write> Page<'w, W> {
    pub fn new(out: &'w mut W, words: &'w Words, look: Look) -> Page<'w, W> {
        Page { out, words, look: Look { width: look.width.max(60), ..look } }
    }
}

impl<W: Write> Page<'_, W> {
    fn heading(&mut self, report: &Report<'_>) -> io::Result<()> {
        let title = self.wrapped(DIM, &self.program(report));
        writeln!(self.out, "{title}")?;
        match report.captures.as_slice() {
            few if few.len() <= CAPTURES_FIRST => self.captures(few)?,
            many => {
                let captures = ("captures", Value::Number(many.len() as u64));
                let text = self.say("text-captures", [captures, ("facts", Value::Text(self.facts_of_all(many)))]);
                self.paragraph(&text, "", "  ")?;
            }
        }
        if let Some(first) = report.captures.iter().filter_map(|capture| capture.first).min() {
            let zone = self.say("text-zone", [("zone", Value::Text(self.words.zone().name(first)))]);
            let zone = self.styled(DIM, &zone);
            writeln!(self.out, "{zone}")?;
        }
        writeln!(self.out)?;
        let headline = self.headline(report);
        headline.iter().try_for_each(|line| writeln!(self.out, "{line}"))
    }

    /// The program and the map that it judges by.
    pub(super) fn program(&self, report: &Report<'_>) -> String {
        let map = &report.port_map;
        self.say(
            "text-program",
            [
                ("version", Value::Text(report.program.version.into())),
                ("map", Value::Text(map.name.clone())),
                ("map_version", Value::Text(map.version.clone())),
                ("rules", Value::Number(map.rules as u64)),
            ],
        )
    }

    /// What all captures come to.
    fn facts_of_all(&self, captures: &[CaptureLine]) -> String {
        let packets = captures.iter().map(|capture| capture.packets).sum();
        let bytes = captures.iter().map(|capture| capture.bytes).sum();
        let first = captures.iter().filter_map(|capture| capture.first).min();
        let last = captures.iter().filter_map(|capture| capture.last).max();
        self.facts(packets, bytes, first.zip(last).map(|(first, last)| (first, last - first)))
    }

    /// How much there is, and from when.
    fn facts(&self, packets: u64, bytes: u64, time: Option<(Timestamp, Span)>) -> String {
        let packets = self.say("packets", [("packets", Value::Number(packets))]);
        let mut facts = vec![packets, names::bytes(bytes)];
        if let Some((first, duration)) = time {
            let first = Value::Text(self.words.zone().date_and_time(first));
            facts.push(self.say("text-time", [("duration", Value::Duration(duration)), ("first", first)]));
        }
        let facts: Vec<String> = facts.iter().map(|fact| fact.replace(' ', UNBROKEN)).collect();
        facts.join(", ")
    }

    /// The captures, where there are too many to stand at the top.
    fn inventory(&mut self, report: &Report<'_>) -> io::Result<()> {
        let captures = report.captures.as_slice();
        if captures.len() <= CAPTURES_FIRST {
            return Ok(());
        }
        self.section("text-inventory")?;
        let (shown, left_out) = captures.split_at(captures.len().min(CAPTURES_SHOWN));
        self.captures(shown)?;
        if !left_out.is_empty() {
            let text = self.say("text-more-captures", [("more", Value::Number(left_out.len() as u64))]);
            writeln!(self.out, "{text}")?;
        }
        Ok(())
    }

    /// A line for each capture.
    fn captures(&mut self, captures: &[CaptureLine]) -> io::Result<()> {
        for capture in captures {
            let time = capture.first.map(|first| (first, capture.duration));
            let facts = self.facts(capture.packets, capture.bytes, time);
            let links: Vec<_> = capture.link_types.iter().map(|link| link.name()).collect();
            let links = if links.is_empty() { self.label("text-no-packets") } else { links.join(", ") };
            let capture = self.say(
                "text-capture",
                [
                    ("name", Value::Text(capture.name.clone())),
                    ("format", Value::Text(capture.format.clone())),
                    ("links", Value::Text(links)),
                    ("facts", Value::Text(facts)),
                ],
            );
            self.paragraph(&capture, "", "  ")?;
        }
        Ok(())
    }

    /// What is said where there is no error and no warning.
    pub(super) fn nothing_wrong(&self, report: &Report<'_>) -> String {
        if report.totals.tally.evaluable == 0 {
            return self.wrapped(BOLD, &self.label("text-nothing-judged"));
        }
        let citrix: u64 = report.services.iter().map(|service| service.flows).sum();
        let unclear = report.totals.tally.not_evaluable;
        let flows = ("flows", Value::Number(citrix.saturating_sub(unclear)));
        let unlisted = |remark: &Remark| matches!(remark, Remark::Fact { key: "about-unlisted", .. });
        let text = if report.quality.remarks.iter().any(unlisted) {
            return self.wrapped(BOLD, &self.label("text-nothing-wrong-kept"));
        } else if citrix == 0 {
            self.label("text-no-citrix")
        } else if unclear == 0 {
            self.say("text-nothing-wrong", [flows])
        } else if citrix == unclear {
            self.label("text-no-citrix-judged")
        } else {
            self.say("text-nothing-wrong-in-part", [flows, ("unclear", Value::Number(unclear))])
        };
        self.wrapped(if citrix > unclear { good() } else { BOLD }, &text)
    }

    /// Each problem with its findings.
    fn all_problems(&mut self, report: &Report<'_>) -> io::Result<()> {
        for (place, problem) in report.problems.iter().enumerate() {
            writeln!(self.out)?;
            let block = self.block(report, place);
            let several = problem.findings.len() > 1;
            let lines = block.head.iter().chain(&block.facts).chain(block.remedy.iter().filter(|_| several));
            lines.into_iter().try_for_each(|line| writeln!(self.out, "{line}"))?;
            for (index, &finding) in problem.findings.iter().enumerate() {
                writeln!(self.out)?;
                self.finding(&format!("{}.{}", place + 1, index + 1), report.findings[finding].finding, report)?;
            }
        }
        Ok(())
    }

    /// A finding with all that is known of it.
    pub(super) fn finding(&mut self, number: &str, finding: &Finding, report: &Report<'_>) -> io::Result<()> {
        let texts = self.words.finding(finding);
        let severity = self.styled(severity_style(finding.severity), &severity_word(finding.severity, self.words));
        let code = self.styled(DIM, finding.code);
        let sure = unsure(finding.confidence, self.words).map_or_else(String::new, |sure| format!(" {sure}"));
        writeln!(self.out, "{number} {severity} {code}{sure}")?;
        let title = self.wrap(&texts.title, "   ", "   ");
        for line in title.lines() {
            let line = self.styled(BOLD, line);
            writeln!(self.out, "{line}")?;
        }
        self.paragraph(&texts.meaning, "   ", "   ")?;
        self.labelled("text-do", &texts.remedy)?;
        if let Some(when) = self.when(finding, report) {
            self.labelled("text-when", &when)?;
        }
        if !finding.vlans.is_empty() {
            self.labelled("text-vlans", &self.vlans(finding))?;
        }
        let evidence = self.evidence(finding, report);
        if !evidence.is_empty() {
            self.labelled("text-packets", &evidence)?;
        }
        if !finding.wireshark_filter.is_empty() {
            self.labelled("text-wireshark", &finding.wireshark_filter)?;
        }
        if !finding.products.is_empty() {
            let (products, rules) = (finding.products.join(", "), finding.rules.join(", "));
            self.labelled("text-concerns", &format!("{products}: {rules}"))?;
        }
        self.labelled("text-source", &finding.sources.join("; "))
    }

    /// The VLANs of its flows.
    pub(super) fn vlans(&self, finding: &Finding) -> String {
        finding.vlans.iter().map(|vlans| tags(vlans.ids())).collect::<Vec<_>>().join(", ")
    }

    /// How often, and from when to when. The date stands there where the report is about more than one day.
    pub(super) fn when(&self, finding: &Finding, report: &Report<'_>) -> Option<String> {
        let (first_told, last_told) = self.period(finding.first?, finding.last?, report);
        let period = [("first", Value::Text(first_told)), ("last", last_told)];
        Some(match finding.params.get("tries") {
            Some(tries) => self.words.say("text-when-tries", &Params::from(period).with("tries", tries.clone())),
            None => {
                let flows = Value::Number(finding.flow_count);
                self.words.say("text-when-flows", &Params::from(period).with("flows", flows))
            }
        })
    }

    /// From when to when. The date stands there where the report is about more than one day; the same moment is a word.
    pub(super) fn period(&self, first: Timestamp, last: Timestamp, report: &Report<'_>) -> (String, Value) {
        let zone = self.words.zone();
        let days = report.captures.iter().flat_map(|capture| [capture.first, capture.last]).flatten();
        let one_day = days.map(|at| zone.date(at)).collect::<BTreeSet<_>>().len() < 2;
        let first_told = if one_day { zone.time_of_day(first) } else { zone.date_and_time(first) };
        let last_told = match () {
            () if zone.date_and_time(first) == zone.date_and_time(last) => Value::Word("same"),
            () if zone.date(first) == zone.date(last) => Value::Text(zone.time_of_day(last)),
            () => Value::Text(zone.date_and_time(last)),
        };
        (first_told, last_told)
    }

    /// The packets that show it, by capture where there are several.
    pub(super) fn evidence(&self, finding: &Finding, report: &Report<'_>) -> String {
        let one = |&Evidence { at, note }: &Evidence| {
            let note = self.words.note(note);
            match report.captures.as_slice() {
                [] | [_] => format!("{} ({note})", at.packet),
                several => format!("{}:{} ({note})", several[at.capture as usize].name, at.packet),
            }
        };
        let mut packets: Vec<String> = finding.evidence.iter().map(one).collect();
        packets.extend((!finding.names_all(&finding.evidence)).then(|| self.label("text-more-packets")));
        packets.join(", ")
    }

    fn services(&mut self, report: &Report<'_>) -> io::Result<()> {
        self.section("text-services")?;
        let totals = report.totals.tally;
        if report.services.is_empty() {
            let text = self.label("text-no-service");
            writeln!(self.out, "{text}")?;
        } else {
            let table = self.service_table(&report.services);
            for line in table.lines() {
                writeln!(self.out, "{}", line.trim_end())?;
            }
        }
        let sum = |of: fn(&ServiceLine) -> u64| report.services.iter().map(of).sum();
        let others = totals.flows.saturating_sub(sum(|service| service.flows));
        if others > 0 {
            let blocked = totals.blocked.saturating_sub(sum(|service| service.blocked));
            let counts = [("flows", Value::Number(others)), ("blocked", Value::Number(blocked))];
            let text = self.say("text-other-traffic", counts);
            self.paragraph(&text, "", "")?;
        }
        Ok(())
    }

    fn service_table(&self, services: &[ServiceLine]) -> String {
        let head = [
            self.label("text-column-service"),
            self.label("text-column-flows"),
            self.label("text-column-blocked"),
            self.label("text-column-packets"),
            self.label("text-column-bytes"),
            self.label("text-column-rtt"),
            "p90".into(),
            "p99".into(),
        ];
        let row = |service: &ServiceLine| {
            let rtt = &service.handshake_rtt_us;
            let time = |value: Option<Span>| value.map_or("-".into(), names::short);
            [
                service.service.clone(),
                service.flows.to_string(),
                service.blocked.to_string(),
                service.packets.to_string(),
                names::bytes(service.bytes),
                time(rtt.p50),
                time(rtt.p90),
                time(rtt.p99),
            ]
        };
        let rows: Vec<_> = services.iter().map(row).collect();
        // The times are what a narrow terminal can do without.
        tables::aligned(head, &rows, self.look.width, WITHOUT_TIMES)
    }

    fn not_judged(&mut self, report: &Report<'_>) -> io::Result<()> {
        let (remarks, unclear) = (&report.quality.remarks, report.totals.tally.not_evaluable);
        if remarks.is_empty() && unclear == 0 {
            return Ok(());
        }
        self.section("text-unclear")?;
        if unclear > 0 {
            let text = self.say("text-unclear-flows", [("flows", Value::Number(unclear))]);
            self.paragraph(&text, "", "")?;
        }
        for remark in remarks {
            self.paragraph(&remark.told(&report.findings, self.words), "- ", "  ")?;
            if let Remark::Finding(place) = remark {
                let remedy = self.words.finding(report.findings[*place].finding).remedy;
                let label = format!("  {} ", self.label("text-next-time"));
                self.paragraph(&remedy, &label, &" ".repeat(label.chars().count()))?;
            }
        }
        Ok(())
    }

    fn comments(&mut self, report: &Report<'_>) -> io::Result<()> {
        if report.captures.iter().all(|capture| capture.comments.is_empty()) {
            return Ok(());
        }
        self.section("text-comments")?;
        for comment in report.captures.iter().flat_map(|capture| &capture.comments) {
            let place = comment.packet.map_or("- ".into(), |packet| {
                format!("- {} ", self.say("text-comment-packet", [("packet", Value::Number(packet))]))
            });
            // Its lines stand indented, so that none looks like one of ours.
            let mut first = place.as_str();
            for line in comment.text.lines() {
                self.paragraph(line, first, "  ")?;
                first = "  ";
            }
        }
        Ok(())
    }

    fn flows(&mut self, report: &Report<'_>) -> io::Result<()> {
        self.section("text-flows")?;
        for flow in report.flows.lines() {
            self.flow(&flow)?;
        }
        if let Some(left_out) = report.totals.flows_left_out.filter(|&flows| flows > 0) {
            let text = self.say("text-flows-left-out", [("flows", Value::Number(left_out))]);
            self.paragraph(&text, "", "")?;
        }
        Ok(())
    }

    /// A line for each flow, in the names that the formats for programs have as well.
    fn flow(&mut self, flow: &FlowLine<'_>) -> io::Result<()> {
        let ends = format!("{} -> {}", endpoint(&flow.client), endpoint(&flow.server));
        self.paragraph(&ends, &format!("{:>5}  {} ", flow.id, flow.protocol), "       ")?;
        let mut facts = vec![format!("{} ({})", flow.outcome.name(), flow.state), flow.verdict.name().to_string()];
        facts.extend(flow.reason.map(|reason| reason.name().to_string()));
        facts.extend(flow.service.map(|service| format!("service {service} by {}", flow.basis.name())));
        facts.extend(flow.heard.map(|heard| format!("heard {}", heard.name())));
        facts.extend(flow.server_name.map(|name| format!("name {name}")));
        facts.extend(flow.tls.iter().flat_map(TlsLine::facts));
        if !flow.vlan.is_empty() {
            facts.push(format!("vlan {}", tags(flow.vlan.iter().copied())));
        }
        facts.push(format!("packets {}+{}", flow.packets.client, flow.packets.server));
        facts.push(names::bytes(flow.ip_bytes.client + flow.ip_bytes.server));
        facts.extend(flow.handshake_rtt.map(|rtt| format!("handshake {}", names::short(rtt))));
        self.paragraph(&facts.join(", "), "       ", "       ")
    }

    fn section(&mut self, key: &str) -> io::Result<()> {
        let title = self.styled(BOLD, &self.label(key));
        writeln!(self.out, "\n{title}\n")
    }

    /// A paragraph under a finding, with a label before it.
    fn labelled(&mut self, key: &str, text: &str) -> io::Result<()> {
        let label = format!("   {:<11}", self.label(key));
        self.paragraph(text, &label, "              ")
    }

    pub fn paragraph(&mut self, text: &str, first: &str, rest: &str) -> io::Result<()> {
        let text = self.wrap(text, first, rest);
        writeln!(self.out, "{text}")
    }

    pub fn wrap(&self, text: &str, first: &str, rest: &str) -> String {
        let options = textwrap::Options::new(self.look.width).initial_indent(first).subsequent_indent(rest);
        let options = options.break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation);
        textwrap::fill(&printable(text), options).replace(UNBROKEN, " ")
    }

    /// The lines of a text within these columns; a word that is longer is broken.
    pub fn wrap_within(&self, text: &str, width: usize) -> Vec<String> {
        let options = textwrap::Options::new(width.max(1)).word_splitter(textwrap::WordSplitter::NoHyphenation);
        textwrap::wrap(&printable(text), options).into_iter().map(Cow::into_owned).collect()
    }

    /// Lines of one style, which are wrapped before they are styled.
    fn wrapped(&self, style: Style, text: &str) -> String {
        let lines = self.wrap(text, "", "");
        lines.lines().map(|line| self.styled(style, line)).collect::<Vec<_>>().join("\n")
    }

    pub fn styled(&self, style: Style, text: &str) -> String {
        if self.look.color { format!("{style}{text}{style:#}") } else { text.into() }
    }

    pub fn say<const N: usize>(&self, key: &str, params: [(&'static str, Value); N]) -> String {
        self.words.say(key, &params.into())
    }

    pub fn label(&self, key: &str) -> String {
        self.words.say(key, &Params::default())
    }
}

/// All is well.
pub(super) fn good() -> Style {
    AnsiColor::Green.on_default().bold()
}

/// Columns that a text takes on a terminal.
pub(super) fn columns(text: &str) -> usize {
    textwrap::core::display_width(text)
}

/// A text within these columns. Where it is longer, three dots stand at its end.
pub(super) fn fitted(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.into();
    }
    let mut fitted = String::new();
    for c in text.chars() {
        if columns(&fitted) + columns(c.encode_utf8(&mut [0; 4])) + 3 > width {
            break;
        }
        fitted.push(c);
    }
    format!("{}...", fitted.trim_end_matches([' ', '.']))
}

/// A line with a sign that it goes on, without the words that leave no room for that.
pub(super) fn goes_on(line: &str, width: usize) -> String {
    let mut line = line.trim_end();
    while columns(line) + 4 > width {
        let Some(end) = line.trim_end().rfind(' ') else { return fitted(line, width) };
        line = line[..end].trim_end();
    }
    format!("{line} ...")
}

/// How sure something is, where that is not very.
pub(super) fn unsure(confidence: Confidence, words: &Words) -> Option<String> {
    match confidence {
        Confidence::High => None,
        confidence @ (Confidence::Medium | Confidence::Low) => {
            Some(words.say("text-confidence", &[("confidence", Value::Word(confidence.name()))].into()))
        }
    }
}

pub(super) fn severity_word(severity: Severity, words: &Words) -> String {
    words.say("text-severity", &[("severity", Value::Word(severity.name()))].into())
}

/// Findings about the capture stand with what could not be judged, not with what is wrong.
pub(super) fn is_about_capture(finding: &Finding) -> bool {
    finding.severity == Severity::Info && finding.code.starts_with("quality.")
}

/// VLAN ids, outermost first: `100.20`.
fn tags(ids: impl Iterator<Item = u16>) -> String {
    ids.map(|id| id.to_string()).collect::<Vec<_>>().join(".")
}

fn endpoint(EndpointLine { address, port }: &EndpointLine) -> String {
    if address.is_v4() { format!("{address}:{port}") } else { format!("[{address}]:{port}") }
}
