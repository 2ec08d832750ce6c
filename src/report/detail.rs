//! One problem with everything that is known of it: whom it hits, who is behind it, what works, what to do, and each of its findings.

use super::Report;
use super::text::{BOLD, DIM, Look, Page, columns, severity_style, severity_word, unsure};
use crate::finding::{Finding, Value};
use crate::packet::Address;
use crate::problem::{Cause, Culprit, Hosts, Problem, Range};
use crate::transport::Transport;
use crate::words::{Texts, Words};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// Columns of a label with the blanks behind it.
const LABEL: usize = 11;

/// The longest filter that names every connection of a problem; beyond it hosts and ports alone are named.
const EXACT_FILTER: usize = 600;

/// The place of a problem by its number, counted from 1, or by its id.
pub fn find_problem(problems: &[Problem], asked: &str) -> Option<usize> {
    // `explain` calls the first one p1.
    let number = asked.strip_prefix('p').unwrap_or(asked);
    let by_number = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    by_number
        .filter(|&place| place < problems.len())
        .or_else(|| problems.iter().position(|problem| problem.id == asked))
}

/// Writes all that is known of the problem at this place.
///
/// # Errors
/// What writing gives.
pub fn write_problem(
    out: &mut impl Write,
    place: usize,
    report: &Report<'_>,
    words: &Words,
    look: Look,
) -> io::Result<()> {
    let mut page = Page::new(out, words, look);
    page.top(report).iter().try_for_each(|line| writeln!(page.out, "{line}"))?;
    writeln!(page.out)?;
    page.problem(report, place)
}

impl<W: Write> Page<'_, W> {
    fn problem(&mut self, report: &Report<'_>, place: usize) -> io::Result<()> {
        let problem = &report.problems[place];
        let texts = self.words.problem(problem, report.findings.iter().map(|line| line.finding));
        let of = [("rank", Value::Number(place as u64 + 1)), ("all", Value::Number(report.problems.len() as u64))];
        let head = self.say("detail-head", of);
        let severity = self.styled(severity_style(problem.severity), &severity_word(problem.severity, self.words));
        let sure = unsure(problem.confidence, self.words).map_or_else(String::new, |sure| format!(" {sure}"));
        let cause = self.styled(DIM, problem.cause.name());
        writeln!(self.out, "{head}  {severity}  {cause}{sure}")?;
        for line in self.wrap_within(&problem.id, self.look.width) {
            let line = self.styled(DIM, &line);
            writeln!(self.out, "{line}")?;
        }
        writeln!(self.out)?;
        for line in self.wrap_within(&texts.title, self.look.width) {
            let line = self.styled(BOLD, &line);
            writeln!(self.out, "{line}")?;
        }
        for line in self.wrap_within(&texts.meaning, self.look.width) {
            writeln!(self.out, "{line}")?;
        }
        writeln!(self.out)?;
        self.entry("screen-do", &texts.remedy)?;
        writeln!(self.out)?;
        self.facts_of(report, problem)?;
        self.entry("detail-wireshark", &wireshark(report, problem).0)?;
        if !wireshark(report, problem).1 {
            self.entry("", &self.label("detail-selects-more"))?;
        }
        self.rules(report, problem)?;
        let findings = problem.findings.iter().enumerate();
        for (index, &finding) in findings {
            writeln!(self.out)?;
            self.finding_of(&format!("{}.{}", place + 1, index + 1), report.findings[finding].finding, &texts, report)?;
        }
        Ok(())
    }

    /// Whom it hits, when, what works, who is behind it.
    fn facts_of(&mut self, report: &Report<'_>, problem: &Problem) -> io::Result<()> {
        let lines = self.words.problem_lines(problem, 1);
        for (key, hosts, line) in
            [("detail-servers", &problem.servers, lines.servers), ("detail-clients", &problem.clients, lines.clients)]
        {
            if let Some(line) = line {
                let count = self.counted("detail-hosts", hosts.count() as u64);
                let others = if hosts.more { self.label("detail-and-others") } else { String::new() };
                // What a line says of hosts beyond their number, such as that none ever answered.
                let beyond = line.remark.split_once(", ").map_or(String::new(), |(_, beyond)| format!(", {beyond}"));
                self.entry(key, &format!("{count}{beyond}: {}{others}", self.every(hosts)))?;
            }
        }
        let when = [Some(lines.attempts), self.when_told(problem, report), self.captures_of(problem, report)];
        self.entry("detail-when", &when.into_iter().flatten().collect::<Vec<_>>().join(", "))?;
        for (index, works) in lines.works.iter().enumerate() {
            self.entry(if index == 0 { "detail-works" } else { "" }, works)?;
        }
        if let Some(culprit) = &problem.culprit {
            self.who(culprit)?;
        }
        // What is slow works.
        let works = matches!(problem.cause, Cause::Slow | Cause::Repeats);
        if lines.works.is_empty() && problem.works_complete && !problem.ports.is_empty() && !works {
            self.entry("detail-works", &self.label("detail-no-contrast"))?;
        }
        Ok(())
    }

    /// Who is behind it, every sign of that, and who else it may be.
    fn who(&mut self, culprit: &Culprit) -> io::Result<()> {
        let told = self.words.suspected(culprit);
        self.entry("screen-who", &told)?;
        for told in culprit.signs.iter().chain(&culprit.doubts) {
            let told = self.words.say(told.code, &told.params);
            self.entry("", &told)?;
        }
        Ok(())
    }

    /// Every range of hosts. One that is longer than a line stands there with blanks, at which it can be broken.
    fn every(&self, hosts: &Hosts) -> String {
        let room = self.look.width.saturating_sub(LABEL + 1);
        let told = |range: &Range| {
            let short = range.short();
            if columns(&short) <= room { short } else { format!("{} - {}", range.first, range.last) }
        };
        hosts.ranges(usize::MAX).ranges.iter().map(told).collect::<Vec<_>>().join(", ")
    }

    /// The rules behind it by product, and where that is documented.
    fn rules(&mut self, report: &Report<'_>, problem: &Problem) -> io::Result<()> {
        let map = report.flows.judge.map;
        let findings = || problem.findings.iter().map(|&place| report.findings[place].finding);
        let named: BTreeSet<&str> = findings().flat_map(|finding| finding.rules.iter().map(String::as_str)).collect();
        let mut by_product: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for rule in map.rules().iter().filter(|rule| named.contains(rule.id.as_str())) {
            by_product.entry(&rule.product).or_default().push(&rule.id);
        }
        for (index, (product, rules)) in by_product.iter().enumerate() {
            self.entry(if index == 0 { "detail-rules" } else { "" }, &format!("{product}: {}", rules.join(", ")))?;
        }
        let mut sources: Vec<&str> = Vec::new();
        for source in findings().flat_map(|finding| &finding.sources) {
            if !sources.contains(&source.as_str()) {
                sources.push(source);
            }
        }
        self.entry("detail-sources", &sources.join("; "))
    }

    /// A finding of the problem: what it adds to what was said.
    fn finding_of(&mut self, number: &str, finding: &Finding, told: &Texts, report: &Report<'_>) -> io::Result<()> {
        let severity = self.styled(severity_style(finding.severity), &severity_word(finding.severity, self.words));
        let sure = unsure(finding.confidence, self.words).map_or_else(String::new, |sure| format!(" {sure}"));
        writeln!(self.out, "{number} {severity}{sure}")?;
        for line in self.wrap_within(&finding.id, self.look.width.saturating_sub(2)) {
            let line = self.styled(DIM, &line);
            writeln!(self.out, "  {line}")?;
        }
        let texts = self.words.finding(finding);
        if (&texts.title, &texts.meaning) != (&told.title, &told.meaning) {
            self.entry("detail-what", &texts.title)?;
            self.entry("detail-means", &texts.meaning)?;
        }
        let clients = Hosts::of(finding.clients.iter().copied());
        if clients.count() > 2 {
            self.entry("detail-clients", &self.every(&clients))?;
        }
        let when = self.when(finding, report).unwrap_or_default();
        self.entry("detail-when", &when)?;
        let vlans = self.vlans(finding);
        self.entry("detail-vlans", &vlans)?;
        let evidence = self.evidence(finding, report);
        self.entry("detail-packets", &evidence)?;
        self.entry("detail-wireshark", &finding.wireshark_filter)
    }

    /// A fact behind its label; nothing where there is none.
    fn entry(&mut self, key: &str, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let label = if key.is_empty() { String::new() } else { self.label(key) };
        let blanks = " ".repeat(LABEL.saturating_sub(columns(&label)));
        let style = if key == "screen-do" { BOLD } else { DIM };
        let first = if label.is_empty() { blanks } else { format!("{}{blanks}", self.styled(style, &label)) };
        let rest = " ".repeat(LABEL);
        for (index, line) in self.wrap_within(text, self.look.width.saturating_sub(LABEL)).iter().enumerate() {
            let before = if index == 0 { &first } else { &rest };
            writeln!(self.out, "{before}{line}")?;
        }
        Ok(())
    }
}

/// Findings that conclude from the flows of those on which they rest, and have no others.
const CONCLUDED: [&str; 2] = ["launch.failed", "service.stopped"];

/// A display filter for the whole problem, and whether it selects nothing else: the filters of its findings together where that is not
/// too long, else its servers and ports.
fn wireshark(report: &Report<'_>, problem: &Problem) -> (String, bool) {
    let all = || problem.findings.iter().map(|&place| report.findings[place].finding);
    let rests_on_others = |it: &Finding| {
        CONCLUDED.contains(&it.code)
            && !it.rests_on.is_empty()
            && it.rests_on.iter().all(|ground| all().any(|other| other.id == *ground))
    };
    let findings: Vec<&Finding> = all().filter(|finding| !rests_on_others(finding)).collect();
    let mut filters: Vec<&str> = Vec::new();
    for filter in findings.iter().map(|finding| finding.wireshark_filter.as_str()).filter(|filter| !filter.is_empty()) {
        if !filters.contains(&filter) {
            filters.push(filter);
        }
    }
    let exact = findings.iter().all(|finding| finding.filter_is_exact && !finding.wireshark_filter.is_empty());
    let together = match filters.as_slice() {
        [one] => (*one).to_string(),
        several => several.iter().map(|filter| format!("({filter})")).collect::<Vec<_>>().join(" || "),
    };
    let servers = &problem.servers;
    if together.len() <= EXACT_FILTER || servers.is_empty() || problem.ports.is_empty() {
        return (together, exact);
    }
    let port = |&(transport, port): &(Transport, u16)| match transport {
        Transport::Tcp => format!("tcp.port=={port}"),
        Transport::Udp => format!("udp.port=={port}"),
        Transport::Icmp => "icmp || icmpv6".into(),
    };
    let ports: Vec<String> = problem.ports.iter().map(port).collect();
    let ports = if ports.len() == 1 { ports.join("") } else { format!("({})", ports.join(" || ")) };
    let [v4, v6] = [true, false].map(|v4| {
        let ranges = servers.ranges(usize::MAX).ranges;
        ranges.iter().filter(|range| range.first.is_v4() == v4).map(in_filter).collect::<Vec<_>>()
    });
    let sets = [("ip.addr", v4), ("ipv6.addr", v6)].into_iter().filter(|(_, ranges)| !ranges.is_empty());
    let hosts: Vec<String> = sets.map(|(field, ranges)| format!("{field} in {{{}}}", ranges.join(", "))).collect();
    let hosts = if hosts.len() == 1 { hosts.join("") } else { format!("({})", hosts.join(" || ")) };
    (format!("{ports} && {hosts}"), false)
}

/// A range as an element of a set of a display filter.
fn in_filter(Range { first, last }: &Range) -> String {
    let one = |address: &Address| address.to_string();
    if first == last { one(first) } else { format!("{} .. {}", one(first), one(last)) }
}
