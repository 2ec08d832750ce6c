//! The first screen: how bad it is, what the captures are good for, each problem with whom it hits and what to do, what works, and
//! what was left out and how to see it. It has [`LINES`] lines at most; what does not fit is counted.

use super::text::{BOLD, DIM, Page, columns, fitted, goes_on, good, severity_style, severity_word, unsure};
use super::{CaptureLine, Grade, Remark, Report, ServiceLine, names};
use crate::finding::{Confidence, Finding, Params, Severity, Value};
use crate::flow::PacketRef;
use crate::outside::printable;
use crate::packet::Address;
use crate::problem::{Cause, Culprit, Hosts, Problem, Suspect};
use crate::words::HostLine;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Lines of the first screen at most.
pub const LINES: usize = 24;
/// The same where there are fewer than [`COLUMNS`] columns.
pub const LINES_WHERE_NARROW: usize = 30;
/// Columns that the first screen is laid out for. On a wider one numbers stand no farther to the right than this.
pub const COLUMNS: usize = 80;

/// Columns before a label.
const INDENT: usize = 4;
/// Columns of a label with the blanks behind it.
const LABEL: usize = 6;
/// The maximum number of ranges in which hosts are told in a line.
const RANGES: usize = 8;
/// The maximum number of captures that are named at the top.
const CAPTURES_NAMED: usize = 3;
/// The maximum number of captures that are named with a problem.
const CAPTURES_OF_PROBLEM: usize = 2;

/// The maximum number of lines for one thing below the problems.
const TAIL_LINES: usize = 3;

/// One problem in lines.
#[derive(Clone)]
pub(super) struct Block {
    /// Its number, how bad it is, and what it is.
    pub head: Vec<String>,
    /// Whom it hits, when, what works.
    pub facts: Vec<String>,
    /// The number of these lines that say whom and when.
    parties: usize,
    /// What to do.
    pub remedy: Vec<String>,
}

/// The problems as they stand on the screen.
struct LaidOut {
    lines: Vec<String>,
    /// Each of them is told in full.
    whole: bool,
}

/// Where blank lines stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gaps {
    /// Above each problem in full, and above the list of the others.
    Everywhere,
    /// Above the first.
    AboveAll,
    /// Nowhere.
    Nowhere,
}

impl Block {
    fn lines(&self) -> impl Iterator<Item = &String> {
        self.head.iter().chain(&self.facts).chain(&self.remedy)
    }

    fn len(&self) -> usize {
        self.lines().count()
    }

    /// Under this line, without what works, and with the first lines of what to do.
    fn in_brief(&self, head: String, remedy: usize, width: usize) -> Block {
        let mut first = self.remedy[..self.remedy.len().min(remedy)].to_vec();
        if let Some(last) = first.last_mut().filter(|_| remedy < self.remedy.len()) {
            *last = goes_on(last, width);
        }
        Block { head: vec![head], facts: self.facts[..self.parties].to_vec(), parties: self.parties, remedy: first }
    }
}

/// A problem that a person has to do something about.
pub(super) fn is_serious(problem: &&Problem) -> bool {
    problem.severity > Severity::Info
}

/// Whether something does not work for the clients of a problem. Who scans, floods or speaks something else is not hit.
fn hits_its_clients(problem: &Problem) -> bool {
    !matches!(
        problem.cause,
        Cause::Scan
            | Cause::Flood
            | Cause::Exposed
            | Cause::FromInternet
            | Cause::ForeignProtocol
            | Cause::OtherPort
            | Cause::OtherTransport
            | Cause::Encryption
    )
}

impl<W: Write> Page<'_, W> {
    /// Writes the first screen.
    pub(super) fn screen(&mut self, report: &Report<'_>) -> io::Result<()> {
        let most = if self.look.width < COLUMNS { LINES_WHERE_NARROW } else { LINES };
        let mut lines = self.top(report);
        lines.push(String::new());
        lines.extend(self.headline(report));
        let serious = report.problems.iter().filter(is_serious).count();
        let mut tail = self.tail(report, TAIL_LINES);
        if serious == 0 {
            let room = most.saturating_sub(lines.len() + tail.len() + 1);
            lines.extend(self.reasons(report, room));
        } else {
            lines.extend(self.quality(report));
            let room = |tail: &[String]| most.saturating_sub(lines.len() + tail.len() + 1);
            let mut blocks = Vec::new();
            let mut problems = self.problems(report, serious, room(&tail), &mut blocks);
            if !problems.whole {
                tail = self.tail(report, 1);
                problems = self.problems(report, serious, room(&tail), &mut blocks);
            }
            lines.extend(problems.lines);
        }
        lines.push(String::new());
        lines.extend(tail);
        if lines.len() < most {
            lines.push(self.styled(DIM, &fitted(&self.program(report), self.look.width)));
        }
        lines.iter().try_for_each(|line| writeln!(self.out, "{line}"))
    }

    /// Which captures, how much is in them, and from when.
    pub(super) fn top(&self, report: &Report<'_>) -> Vec<String> {
        let captures = report.captures.as_slice();
        let name = match captures {
            [] => return Vec::new(),
            [one] => one.name.clone(),
            several => self.names_of(report, several),
        };
        let sum = |of: fn(&CaptureLine) -> u64| captures.iter().map(of).sum::<u64>();
        let mut facts = vec![
            self.counted("screen-packets", sum(|capture| capture.packets)),
            names::bytes(sum(|capture| capture.bytes)),
        ];
        let first = captures.iter().filter_map(|capture| capture.first).min();
        let last = captures.iter().filter_map(|capture| capture.last).max();
        if let Some((first, last)) = first.zip(last) {
            let zone = self.words.zone();
            let first_told = format!("{} {}", zone.date_and_time(first), zone.name(first));
            let duration = ("duration", Value::Duration(last - first));
            facts.push(self.say("text-time", [duration, ("first", Value::Text(first_told))]));
        }
        let facts = facts.join("  ");
        let one_line = format!("{}  {facts}", printable(&name));
        if columns(&one_line) <= self.look.width {
            return vec![format!("{}  {facts}", self.styled(BOLD, &printable(&name)))];
        }
        let name = self.styled(BOLD, &end_of(&printable(&name), self.look.width));
        let facts = self.wrap(&facts, "  ", "  ");
        std::iter::once(name).chain(facts.lines().map(String::from)).collect()
    }

    /// Several captures: the folder that they are in and as many names as fit into a line. Where all can be named, names come first.
    fn names_of(&self, report: &Report<'_>, captures: &[CaptureLine]) -> String {
        let folder = common_folder(captures);
        let told = |named: usize, folder: &str| {
            let names: Vec<&str> = (0..captures.len().min(named)).map(|at| short_name(report, at)).collect();
            let word = |text: String| if text.is_empty() { Value::Word("none") } else { Value::Text(text) };
            let params = [
                ("captures", Value::Text(names::number(captures.len() as u64))),
                ("folder", word(folder.into())),
                ("names", word(names.join(", "))),
                ("more", Value::Number((captures.len() - names.len()) as u64)),
            ];
            self.say("screen-captures", params)
        };
        let [with, without] = [folder, ""].map(|folder| (0..=CAPTURES_NAMED).rev().map(move |named| (named, folder)));
        let all_named = captures.len() <= CAPTURES_NAMED;
        let mut ways: Vec<(usize, &str)> = with.chain(without).collect();
        ways.sort_by_key(|&(named, _)| std::cmp::Reverse(if all_named { named } else { 0 }));
        let mut told = ways.into_iter().map(|(named, folder)| told(named, folder));
        told.find(|text| columns(text) <= self.look.width).unwrap_or_default()
    }

    /// How bad it is, in a line.
    pub(super) fn headline(&self, report: &Report<'_>) -> Vec<String> {
        let serious: Vec<&Problem> = report.problems.iter().filter(is_serious).collect();
        if serious.is_empty() {
            return self.nothing_wrong(report).lines().map(String::from).collect();
        }
        let of = |severity| serious.iter().filter(|problem| problem.severity == severity).count() as u64;
        let severities = [Severity::Error, Severity::Warning].map(|severity| (severity, of(severity)));
        let counts: Vec<(Severity, String)> = severities
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(severity, count)| {
                let params = [("severity", Value::Word(severity.name())), ("number", Value::Number(count))];
                (severity, self.say("text-count", params))
            })
            .collect();
        let problems = self.counted("screen-problems", serious.len() as u64);
        let plain: Vec<&str> = counts.iter().map(|(_, text)| text.as_str()).collect();
        let plain = format!("{problems}: {}", plain.join(", "));
        let styled: Vec<String> =
            counts.iter().map(|(severity, text)| self.styled(severity_style(*severity), text)).collect();
        let styled = format!("{}: {}", self.styled(BOLD, &problems), styled.join(", "));
        let extent = self.extent(report, &serious);
        if extent.is_empty() {
            return vec![styled];
        }
        if columns(&plain) + 3 + columns(&extent) <= self.look.width {
            return vec![format!("{styled}   {extent}")];
        }
        // The marks of the problems say how bad they are where all are the same.
        if let ([(severity, _)], true) =
            (counts.as_slice(), columns(&problems) + 3 + columns(&extent) <= self.look.width)
        {
            return vec![format!("{}   {extent}", self.styled(severity_style(*severity), &problems))];
        }
        let extent = self.wrap(&extent, "  ", "  ");
        std::iter::once(styled).chain(extent.lines().map(String::from)).collect()
    }

    /// How many connections failed, and how many clients are hit.
    fn extent(&self, report: &Report<'_>, serious: &[&Problem]) -> String {
        let tally = report.totals.tally;
        let mut parts = Vec::new();
        if tally.blocked > 0 {
            let failed = ("failed", Value::Text(names::number(tally.blocked)));
            let flows = [("number", Value::Number(tally.flows)), ("told", Value::Text(names::number(tally.flows)))];
            parts.push(self.say("screen-failed", [failed, flows[0].clone(), flows[1].clone()]));
        }
        let suffered = || serious.iter().filter(|problem| hits_its_clients(problem));
        let hit: BTreeSet<Address> = suffered().flat_map(|problem| problem.clients.iter()).collect();
        if !hit.is_empty() {
            let more = suffered().any(|problem| problem.clients.more);
            let of = if more { None } else { clients_seen(report, &hit) };
            let number = of.unwrap_or(hit.len()) as u64;
            let params = [
                ("hit", Value::Text(names::number(hit.len() as u64))),
                ("more", Value::Word(if more { "more" } else { "all" })),
                ("of", if of.is_some() { Value::Text(names::number(number)) } else { Value::Word("unknown") }),
                ("number", Value::Number(number)),
            ];
            parts.push(self.say("screen-hit", params));
        }
        parts.join("; ")
    }

    /// What the captures are good for, before the problems: nothing where they are good, as the last lines say it then.
    fn quality(&self, report: &Report<'_>) -> Vec<String> {
        if report.quality.verdict == Grade::Good {
            return Vec::new();
        }
        let line = report.quality.line(self.words);
        let all = self.say("screen-all-remarks", [("remarks", Value::Number(report.quality.remarks.len() as u64))]);
        let lines = self.wrap(&format!("{line} {all}"), "", "  ");
        lines.lines().map(|line| self.styled(severity_style(Severity::Warning), line)).collect()
    }

    /// Why not everything could be judged, and what helps: where nothing is wrong there is room for it.
    fn reasons(&self, report: &Report<'_>, room: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for remark in &report.quality.remarks {
            lines.push(self.wrap(&remark.told(&report.findings, self.words), "- ", "  "));
            if let Remark::Finding(place) = remark {
                let remedy = self.words.finding(report.findings[*place].finding).remedy;
                let label = format!("  {} ", self.label("text-next-time"));
                lines.push(self.wrap(&remedy, &label, &" ".repeat(columns(&label))));
            }
        }
        let mut lines: Vec<String> = lines.iter().flat_map(|text| text.lines()).map(String::from).collect();
        if lines.len() > room {
            lines.truncate(room.saturating_sub(1));
            let all = self.say("screen-all-remarks", [("remarks", Value::Number(report.quality.remarks.len() as u64))]);
            lines.push(fitted(&format!("  ... {all}"), self.look.width));
        }
        lines
    }

    /// The problems: the first in full, as many as fit in full or in brief, the others in a line each, and those without a line
    /// counted. Those in full are remembered in `blocks`, by their places: to make one takes long.
    fn problems(&self, report: &Report<'_>, serious: usize, room: usize, blocks: &mut Vec<Block>) -> LaidOut {
        // Lines that the problems after these get at least: all of them, or, right after the first, a few and one that counts.
        const FEW: usize = 4;
        let others = |shown: usize| match serious - shown {
            rest if shown <= 2 => rest.min(FEW),
            rest => rest,
        };
        let mut shown: Vec<Block> = Vec::new();
        let (mut used, mut whole) = (0, true);
        for place in 0..serious {
            if blocks.len() == place {
                blocks.push(self.block(report, place));
            }
            let block = &blocks[place];
            let fits = |block: &Block| used + block.len() + others(place + 1) <= room;
            let block = if fits(block) {
                block.clone()
            } else {
                whole = false;
                let brief = |remedy| block.in_brief(self.one_line(report, place), remedy, self.look.width);
                match [2, 1].map(brief).into_iter().find(fits) {
                    Some(brief) => brief,
                    // The first is told whatever becomes of the others.
                    None if place == 0 => block.clone(),
                    None => break,
                }
            };
            used += block.len();
            shown.push(block);
        }
        let rest = serious - shown.len();
        let left = room.saturating_sub(used);
        let short = if rest <= left { rest } else { left.saturating_sub(1) };
        let spare = room.saturating_sub(used + short + usize::from(short < rest));
        let gaps = match spare {
            0 => Gaps::Nowhere,
            spare if spare >= shown.len() + usize::from(rest > 0) => Gaps::Everywhere,
            _ => Gaps::AboveAll,
        };
        LaidOut { lines: self.laid_out(report, &shown, short, gaps), whole }
    }

    fn laid_out(&self, report: &Report<'_>, blocks: &[Block], short: usize, gaps: Gaps) -> Vec<String> {
        let mut lines = Vec::new();
        for (place, block) in blocks.iter().enumerate() {
            lines.extend((gaps == Gaps::Everywhere || gaps == Gaps::AboveAll && place == 0).then(String::new));
            lines.extend(block.lines().cloned());
        }
        lines.extend((gaps == Gaps::Everywhere && short > 0).then(String::new));
        lines.extend((blocks.len()..blocks.len() + short).map(|place| self.one_line(report, place)));
        let left_out: Vec<&Problem> = report.problems.iter().filter(is_serious).skip(blocks.len() + short).collect();
        if !left_out.is_empty() {
            let errors = left_out.iter().filter(|problem| problem.severity == Severity::Error).count();
            let params = [
                ("told", Value::Text(names::number(left_out.len() as u64))),
                ("errors", Value::Number(errors as u64)),
                ("live", Value::Word(is_live(report))),
            ];
            lines.push(fitted(&self.say("screen-more-problems", params), self.look.width));
        }
        lines
    }

    /// The problem at this place, in lines.
    pub(super) fn block(&self, report: &Report<'_>, place: usize) -> Block {
        let problem = &report.problems[place];
        let texts = self.words.problem(problem, report.findings.iter().map(|line| line.finding));
        let lines = self.words.problem_lines(problem, RANGES);
        let mark = format!("{} ", place + 1);
        let severity = severity_word(problem.severity, self.words);
        let severity = self.in_column(severity, report);
        let label = columns(&mark) + columns(&severity) + 2;
        let sure = unsure(problem.confidence, self.words).map_or_else(String::new, |sure| format!(" {sure}"));
        let title = self.wrap_within(&format!("{}{sure}", texts.title), self.look.width.saturating_sub(label));
        let width = self.look.width.min(COLUMNS);
        let mut head: Vec<String> = Vec::new();
        let mut attempts_told = false;
        for (index, line) in title.iter().enumerate() {
            let bold = self.styled(BOLD, line);
            let mut told = match index {
                0 => format!("{mark}{}  {bold}", self.styled(severity_style(problem.severity), &severity)),
                _ => format!("{}{bold}", " ".repeat(label)),
            };
            let used = label + columns(line);
            let wanted = columns(&lines.attempts) + 2;
            if index + 1 == title.len() && used + wanted <= width {
                told = format!("{told}{}{}", " ".repeat(width - used - columns(&lines.attempts)), lines.attempts);
                attempts_told = true;
            }
            head.push(told);
        }
        let mut when = Vec::new();
        when.extend((!attempts_told).then(|| lines.attempts.clone()));
        when.extend(self.when_told(problem, report));
        when.extend(self.captures_of(problem, report));
        let when = when.join(", ");
        let mut facts = self.parties(problem, &when);
        let parties = facts.len();
        facts.extend(lines.works.first().map(|works| self.row("screen-works", works)).into_iter().flatten());
        let follows = self.words.problem_follows(problem);
        facts.extend(follows.iter().flat_map(|follows| self.row("screen-so", follows)));
        // One sign alone is no help here; `--problem` tells of it.
        let sure = |culprit: &&Culprit| culprit.kind != Suspect::Unknown && culprit.confidence > Confidence::Low;
        let culprit = problem.culprit.iter().find(sure).map(|culprit| self.words.culprit(culprit));
        facts.extend(culprit.iter().flat_map(|culprit| self.row("screen-who", culprit)));
        facts.extend(self.doubts_of(problem, report).iter().flat_map(|doubt| self.row("screen-but", doubt)));
        Block { head, facts, parties, remedy: self.row("screen-do", &texts.remedy) }
    }

    /// From whom, to whom and when.
    fn parties(&self, problem: &Problem, when: &str) -> Vec<String> {
        let room = self.look.width.saturating_sub(INDENT + LABEL);
        let servers =
            self.host_line(&problem.servers, room, |ranges| self.words.problem_lines(problem, ranges).servers);
        let clients =
            self.host_line(&problem.clients, room, |ranges| self.words.problem_lines(problem, ranges).clients);
        let of_two = [&problem.servers, &problem.clients].iter().all(|hosts| hosts.count() == 1 && !hosts.more);
        if let (Some(server), Some(client), true) = (&servers, &clients, of_two) {
            let pair = [("client", Value::Text(client.hosts.clone())), ("server", Value::Text(server.hosts.clone()))];
            let mut pair = self.say("screen-pair", pair);
            pair.extend(beyond_number(&server.remark));
            let together = if when.is_empty() { pair.clone() } else { format!("{pair}; {when}") };
            if columns(&together) <= room {
                return self.row("screen-from", &together);
            }
            let rows = [("screen-from", pair.as_str()), ("screen-when", when)];
            return rows.into_iter().flat_map(|(key, text)| self.row(key, text)).collect();
        }
        // Remarks stand under each other where there is room for it.
        let widest = [&servers, &clients].into_iter().flatten().map(|line| columns(&line.hosts)).max().unwrap_or(0);
        let told = |line: HostLine, hosts: &Hosts| {
            let remark = match hosts.count() {
                1 if !hosts.more => {
                    beyond_number(&line.remark).unwrap_or_default().trim_start_matches(", ").to_string()
                }
                _ => line.remark,
            };
            if remark.is_empty() {
                return [line.hosts, String::new()];
            }
            let used = columns(&line.hosts) + 2 + columns(&remark);
            match () {
                () if widest + 2 + columns(&remark) <= room => {
                    [format!("{}{}  {remark}", line.hosts, " ".repeat(widest - columns(&line.hosts))), String::new()]
                }
                () if used <= room => [format!("{}  {remark}", line.hosts), String::new()],
                () => [line.hosts, remark],
            }
        };
        let rows = |key: &str, [hosts, remark]: [String; 2]| {
            let mut rows = self.row(key, &hosts);
            rows.extend(self.row("", &remark));
            rows
        };
        let servers = servers.map(|line| rows("screen-to", told(line, &problem.servers)));
        let clients = clients.map(|line| rows("screen-from", told(line, &problem.clients)));
        [servers, clients, Some(self.row("screen-when", when))].into_iter().flatten().flatten().collect()
    }

    /// Hosts in a line: every range of them where these fit, or few others among them; else in as many ranges as fit.
    fn host_line(&self, hosts: &Hosts, room: usize, told: impl Fn(usize) -> Option<HostLine>) -> Option<HostLine> {
        let fits = |line: &HostLine| columns(&line.hosts) + 2 + columns(&line.remark) <= room;
        let all = told(usize::MAX)?;
        let in_a_line = || (1..=RANGES).rev().find_map(|ranges| told(ranges).filter(fits).map(|line| (ranges, line)));
        let is_dense = |ranges: usize| hosts.ranges(ranges).covered <= 2 * hosts.count() as u128;
        if fits(&all) {
            return Some(all);
        }
        match in_a_line() {
            Some((ranges, line)) if is_dense(ranges) => Some(line),
            // What is said of them stands in the next line.
            _ if columns(&all.hosts) <= room => Some(all),
            Some((_, line)) => Some(line),
            // Long addresses: one of them, and how many there are.
            None => {
                let first = Value::Text(hosts.iter().next()?.to_string());
                Some(HostLine { hosts: self.say("screen-first-host", [("first", first)]), ..all })
            }
        }
    }

    /// From when to when, and how it goes on. The date stands there where the report is about more than one day.
    pub(super) fn when_told(&self, problem: &Problem, report: &Report<'_>) -> Option<String> {
        let (mut first, mut last) = self.period(problem.first?, problem.last?, report);
        if let Value::Text(last) = &mut last
            && first.contains(' ')
        {
            first.push(' ');
            last.insert(0, ' ');
        }
        let trend = problem.trend.map_or("unsaid", |trend| trend.name());
        Some(self.say("problem-when", [("first", Value::Text(first)), ("last", last), ("trend", Value::Word(trend))]))
    }

    /// In which captures it is seen, where there are several.
    pub(super) fn captures_of(&self, problem: &Problem, report: &Report<'_>) -> Option<String> {
        if report.captures.len() < 2 {
            return None;
        }
        let findings = || problem.findings.iter().map(|&place| report.findings[place].finding);
        let openers = findings().flat_map(|finding| &finding.openers);
        let numbers: BTreeSet<u32> = openers.map(|PacketRef { capture, .. }| *capture).collect();
        let numbers: Vec<usize> = numbers
            .into_iter()
            .map(|number| number as usize)
            .filter(|&number| number < report.captures.len())
            .collect();
        let named: Vec<&str> =
            numbers.iter().take(CAPTURES_OF_PROBLEM).map(|&number| short_name(report, number)).collect();
        let all = findings().all(|finding: &Finding| finding.names_all(&finding.openers));
        let more = (numbers.len() - named.len()) as u64;
        let params = [
            ("names", Value::Text(named.join(", "))),
            ("more", if all { Value::Number(more) } else { Value::Word("unknown") }),
        ];
        (!named.is_empty()).then(|| self.say("screen-in", params))
    }

    /// Why it is less certain than it looks: what the capture does not show.
    fn doubts_of(&self, problem: &Problem, report: &Report<'_>) -> Vec<String> {
        const DOUBTS: [(&str, &str); 3] = [
            ("one-direction", "remark-one-direction"),
            ("lossy", "remark-lossy"),
            ("answers-unknown", "remark-answers-unknown"),
        ];
        let codes: BTreeSet<&str> = problem
            .findings
            .iter()
            .filter_map(|&place| match report.findings[place].finding.params.get("remarks") {
                Some(Value::Remarks(codes)) => Some(codes),
                _ => None,
            })
            .flatten()
            .copied()
            .collect();
        let doubts = DOUBTS.into_iter().filter(|(code, _)| codes.contains(code));
        doubts.map(|(_, key)| self.words.say(key, &Params::default())).take(1).collect()
    }

    /// A severity with blanks behind it, so that all titles stand under each other.
    fn in_column(&self, severity: String, report: &Report<'_>) -> String {
        let serious = report.problems.iter().filter(is_serious);
        let widest = serious.map(|problem| columns(&severity_word(problem.severity, self.words))).max().unwrap_or(0);
        let blanks = widest.saturating_sub(columns(&severity));
        severity + &" ".repeat(blanks)
    }

    /// A problem in one line.
    fn one_line(&self, report: &Report<'_>, place: usize) -> String {
        let problem = &report.problems[place];
        let texts = self.words.problem(problem, report.findings.iter().map(|line| line.finding));
        let sure = unsure(problem.confidence, self.words).map_or_else(String::new, |sure| format!(" {sure}"));
        let title = printable(&texts.title).into_owned() + &sure;
        let severity = severity_word(problem.severity, self.words);
        let severity = self.in_column(severity, report);
        let mark = format!("{} ", place + 1);
        let label = columns(&mark) + columns(&severity) + 2;
        let width = self.look.width.min(COLUMNS);
        let attempts = self.words.problem_lines(problem, 1).attempts;
        let with_attempts = label + columns(&title) + 2 + columns(&attempts) <= width;
        let told = if with_attempts {
            format!("{title}{}{attempts}", " ".repeat(width - label - columns(&title) - columns(&attempts)))
        } else {
            fitted(&title, self.look.width.saturating_sub(label))
        };
        format!("{mark}{}  {told}", self.styled(severity_style(problem.severity), &severity))
    }

    /// A fact under a problem, behind its label, if it has one. Nothing where there is no text.
    pub(super) fn row(&self, key: &str, text: &str) -> Vec<String> {
        if text.is_empty() {
            return Vec::new();
        }
        let label = if key.is_empty() { String::new() } else { self.label(key) };
        let lines = self.wrap_within(text, self.look.width.saturating_sub(INDENT + LABEL));
        let style = if key == "screen-do" { BOLD } else { DIM };
        let blanks = " ".repeat(INDENT);
        let first =
            format!("{blanks}{}{}", self.styled(style, &label), " ".repeat(LABEL.saturating_sub(columns(&label))));
        let rest = " ".repeat(INDENT + LABEL);
        let before = std::iter::once(first.as_str()).chain(std::iter::repeat(rest.as_str()));
        lines.iter().zip(before).map(|(line, before)| format!("{before}{line}")).collect()
    }

    /// What stands below the problems: remarks, what works, what could not be judged, the captures where they are good, and what
    /// else there is to see. Each has at most `most` lines.
    fn tail(&self, report: &Report<'_>, most: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let width = self.look.width;
        let mut labelled = |key: &str, text: Option<String>| {
            let Some(text) = text else { return };
            let label = if key.is_empty() { String::new() } else { self.label(key) };
            // What follows a colon needs no column.
            let before = match label.as_str() {
                "" => String::new(),
                label if label.ends_with(':') => format!("{label} "),
                label => format!("{label:<8}"),
            };
            let told = self.wrap(&text, &before, &" ".repeat(columns(&before)));
            let mut told: Vec<String> = told.lines().map(String::from).collect();
            if told.len() > most {
                told.truncate(most);
                if let Some(last) = told.last_mut() {
                    *last = goes_on(last, width);
                }
            }
            if let Some(first) = told.first_mut() {
                let rest = first.get(label.len()..).unwrap_or_default().to_string();
                let style = if key == "screen-ok" { good() } else { BOLD };
                *first = format!("{}{rest}", self.styled(style, &label));
            }
            lines.append(&mut told);
        };
        let healthy = self.healthy(report);
        let citrix: u64 = report.services.iter().map(|service| service.flows).sum();
        let others = report.totals.tally.flows.saturating_sub(citrix);
        let mut also = self.also(report);
        also.extend((others > 0).then(|| self.counted("screen-others", others)));
        labelled("screen-ok", healthy);
        labelled("screen-also", (!also.is_empty()).then(|| also.join(" ")));
        labelled("screen-unclear", self.unclear(report));
        if report.quality.verdict == Grade::Good {
            labelled("", Some(report.quality.line(self.words)));
        }
        labelled("screen-more", Some(self.ways_on(report)));
        lines
    }

    /// Remarks and comments, counted.
    fn also(&self, report: &Report<'_>) -> Vec<String> {
        let infos: Vec<usize> =
            (0..report.problems.len()).filter(|&place| !is_serious(&&report.problems[place])).collect();
        let comments: u64 =
            report.captures.iter().map(|capture| capture.comments.len() as u64 + capture.comments_left_out).sum();
        let mut parts = Vec::new();
        if let (Some(&first), Some(&last)) = (infos.first(), infos.last()) {
            let problem = &report.problems[first];
            let title = self.words.problem(problem, report.findings.iter().map(|line| line.finding)).title;
            let params = [
                ("number", Value::Number(infos.len() as u64)),
                ("first", Value::Number(first as u64 + 1)),
                ("last", Value::Number(last as u64 + 1)),
                ("title", Value::Text(title)),
            ];
            parts.push(self.say("screen-infos", params));
        }
        if comments > 0 {
            parts.push(self.counted("screen-comments", comments));
        }
        parts
    }

    /// Services in which nothing is wrong.
    fn healthy(&self, report: &Report<'_>) -> Option<String> {
        let concerned: BTreeSet<&str> = report
            .problems
            .iter()
            .filter(is_serious)
            .flat_map(|problem| {
                let findings = problem.findings.iter().map(|&place| report.findings[place].finding);
                findings.filter_map(|finding| finding.service.as_deref()).chain(problem.service.as_deref())
            })
            .collect();
        let fine = |service: &&ServiceLine| {
            service.blocked == 0 && service.flows > service.unclear && !concerned.contains(service.service.as_str())
        };
        let parts: Vec<String> = report
            .services
            .iter()
            .filter(fine)
            .map(|service| format!("{} {}", service.service, names::number(service.flows - service.unclear)))
            .collect();
        (!parts.is_empty()).then(|| parts.join("  "))
    }

    /// What could not be judged, and why.
    fn unclear(&self, report: &Report<'_>) -> Option<String> {
        let unclear = report.totals.tally.not_evaluable;
        if unclear == 0 {
            return None;
        }
        let doubts = report.flows.judge.doubts();
        let why: Vec<String> =
            doubts.keys().map(|doubt| self.say("screen-doubt", [("doubt", Value::Word(doubt.name()))])).collect();
        let params = [
            ("number", Value::Number(unclear)),
            ("told", Value::Text(names::number(unclear))),
            ("why", Value::Text(why.join(", "))),
        ];
        Some(self.say("screen-unclear-flows", params))
    }

    /// What else there is to see.
    fn ways_on(&self, report: &Report<'_>) -> String {
        let problems = if report.problems.is_empty() { "none" } else { "some" };
        self.say("screen-ways", [("live", Value::Word(is_live(report))), ("problems", Value::Word(problems))])
    }

    /// A text that names one number, written with its digits in groups.
    pub(super) fn counted(&self, key: &str, number: u64) -> String {
        self.say(key, [("number", Value::Number(number)), ("told", Value::Text(names::number(number)))])
    }
}

/// Whether it is the report of a live audit, which cannot be asked again.
fn is_live(report: &Report<'_>) -> &'static str {
    if report.captures.iter().any(|capture| capture.format == "live") { "live" } else { "file" }
}

/// How many clients asked for a port of the map and were answered, or are hit; none where not all of them are known.
fn clients_seen(report: &Report<'_>, hit: &BTreeSet<Address>) -> Option<usize> {
    let ledger = report.flows.judge.ledger;
    let (paths, sightings) = (&ledger.paths, &ledger.sightings);
    let crowds = sightings.crowds_of_clients().next().is_some() || sightings.crowds_of_targets().next().is_some();
    if paths.incomplete || paths.answers_incomplete || paths.generic_incomplete || sightings.unlisted > 0 || crowds {
        return None;
    }
    let mut clients: BTreeSet<Address> = paths.iter().map(|(path, _)| path.client).collect();
    clients.extend(paths.generic().map(|(path, _)| path.client));
    clients.extend(sightings.iter().map(|(sighting, _)| sighting.path.client));
    clients.extend(hit);
    Some(clients.len())
}

/// What is said of hosts beyond their number: `, none ever answered` of `40 servers, none ever answered`.
fn beyond_number(remark: &str) -> Option<String> {
    remark.split_once(", ").map(|(_, beyond)| format!(", {beyond}"))
}

/// The folder, with a slash at its end, that the names of all captures begin with.
fn common_folder(captures: &[CaptureLine]) -> &str {
    let Some(first) = captures.first() else { return "" };
    let mut folder = first.name.rfind('/').map_or("", |end| &first.name[..=end]);
    while !captures.iter().all(|capture| capture.name.starts_with(folder)) {
        let above = folder.trim_end_matches('/');
        folder = above.rfind('/').map_or("", |end| &above[..=end]);
    }
    folder
}

/// The name of a capture without the folder that all of them are in.
fn short_name<'r>(report: &'r Report<'_>, place: usize) -> &'r str {
    let folder = common_folder(&report.captures);
    report.captures[place].name.strip_prefix(folder).unwrap_or_default()
}

/// The end of a name that is too long: it says more than the folders before it.
fn end_of(name: &str, width: usize) -> String {
    if columns(name) <= width {
        return name.into();
    }
    let mut end = String::new();
    for c in name.chars().rev() {
        if columns(&end) + columns(&c.to_string()) + 3 > width {
            break;
        }
        end.insert(0, c);
    }
    format!("...{end}")
}
