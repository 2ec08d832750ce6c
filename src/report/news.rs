//! What a live audit tells while it goes on: a finding when it becomes certain, what has changed about one that was told, and the short
//! report in between. What was told once is never taken back without a word.

use super::text::{BOLD, DIM, Look, Page, is_about_capture, severity_style, severity_word};
use super::{Report, names};
use crate::case::Conclusion;
use crate::finding::{Confidence, Finding, Severity, Value};
use crate::ledger::Path;
use crate::time::{Span, Timestamp};
use crate::transport::{Transport, protocol};
use crate::words::Words;
use std::io::{self, Write};

/// Something to be told of a finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice<'a> {
    /// It has become certain.
    New(&'a Finding),
    /// It was told before, and means something else now.
    Revised(&'a Finding, Revision),
    /// It was told before, and does not hold any more. The finding is as it was told.
    Withdrawn(Box<Finding>, Because),
}

/// What a finding was when it was told last, and why it is something else now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revision {
    /// How bad it was.
    pub severity: Severity,
    /// How sure it was.
    pub confidence: Confidence,
    /// How many clients it concerned.
    pub clients: usize,
    /// Why, where that is known.
    pub because: Option<Because>,
}

/// Why a finding changed, or went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Because {
    /// The same path works now.
    AnsweredLater,
    /// It worked in between, and does not any more.
    FailedAgain,
    /// One direction only is captured between these hosts.
    OneDirection,
    /// Both directions are captured after all.
    BothDirections,
    /// Packets were lost while it happened.
    PacketsLost,
    /// Another finding tells it, that of this id.
    ToldAs(String),
    /// More was seen than is kept, and this was given up.
    NotKept,
    /// What was seen later speaks against it.
    Outweighed,
}

impl Because {
    /// The name in the report.
    pub fn name(&self) -> &'static str {
        match self {
            Because::AnsweredLater => "answered-later",
            Because::FailedAgain => "failed-again",
            Because::OneDirection => "one-direction",
            Because::BothDirections => "both-directions",
            Because::PacketsLost => "packets-lost",
            Because::ToldAs(_) => "told-as",
            Because::NotKept => "not-kept",
            Because::Outweighed => "outweighed",
        }
    }

    /// Why a finding that was told is not in a conclusion any more.
    pub fn gone(was: &Finding, conclusion: &Conclusion<'_>) -> Because {
        let ledger = conclusion.judge.ledger;
        let shares = |of: fn(&Finding) -> &[crate::packet::Address], other: &Finding| {
            of(was).iter().any(|address| of(other).contains(address))
        };
        let tells_it = |other: &&Finding| {
            shares(|finding| &finding.clients, other)
                && shares(|finding| &finding.servers, other)
                && other.port.is_none_or(|port| was.port == Some(port))
        };
        if works(was, conclusion) {
            return Because::AnsweredLater;
        }
        if let Some(other) = conclusion.findings.iter().find(tells_it) {
            return Because::ToldAs(other.id.clone());
        }
        if conclusion.findings.iter().any(|finding| finding.code == "quality.one-direction") {
            return Because::OneDirection;
        }
        if ledger.sightings.unlisted > 0 { Because::NotKept } else { Because::Outweighed }
    }

    /// The part of a sentence that says so.
    pub fn told(&self, words: &Words) -> String {
        let id = match self {
            Because::ToldAs(id) => id.clone(),
            _ => String::new(),
        };
        words.say("news-because", &[("because", Value::Word(self.name())), ("id", Value::Text(id))].into())
    }
}

/// Whether what a finding says is blocked works now for all its clients.
fn works(finding: &Finding, conclusion: &Conclusion<'_>) -> bool {
    let ([server], Some((transport, port))) = (&finding.servers[..], finding.port) else { return false };
    let protocol = match transport {
        Transport::Tcp => protocol::TCP,
        Transport::Udp => protocol::UDP,
        Transport::Icmp => return false,
    };
    let paths = &conclusion.judge.ledger.paths;
    let works = |&client| paths.working(&Path { protocol, port, server: *server, client }).is_some();
    finding.code.starts_with("blocked.") && !finding.clients.is_empty() && finding.clients.iter().all(works)
}

impl Revision {
    /// What is to be told of a finding that was told before: that it is better or worse or surer than it was, or concerns twice as many
    /// clients. None where it means the same.
    pub fn of(was: &Finding, now: &Finding) -> Option<Revision> {
        let (before, after) = (was.clients.len(), now.clients.len());
        let other = was.severity != now.severity || was.confidence != now.confidence || after >= 2 * before.max(1);
        let revision = Revision {
            severity: was.severity,
            confidence: was.confidence,
            clients: before,
            because: other.then(|| because(was, now)).flatten(),
        };
        other.then_some(revision)
    }

    /// "was error, now warning: the port answered later".
    pub fn told(&self, now: &Finding, words: &Words) -> String {
        let word = |key, was, now| words.say(key, &[("was", Value::Word(was)), ("now", Value::Word(now))].into());
        let mut parts = Vec::new();
        if self.severity != now.severity {
            parts.push(word("news-severity", self.severity.name(), now.severity.name()));
        }
        if self.confidence != now.confidence {
            parts.push(word("news-confidence", self.confidence.name(), now.confidence.name()));
        }
        let clients = now.clients.len();
        if clients >= 2 * self.clients.max(1) {
            let [was, now] = [self.clients, clients].map(|number| Value::Number(number as u64));
            parts.push(words.say("news-clients", &[("was", was), ("now", now)].into()));
        }
        let because = self.because.as_ref().map(|because| format!(": {}", because.told(words)));
        parts.join(", ") + &because.unwrap_or_default()
    }
}

/// The remark that came or went says why.
fn because(was: &Finding, now: &Finding) -> Option<Because> {
    let has = |finding: &Finding, code| match finding.params.get("remarks") {
        Some(Value::Remarks(codes)) => codes.contains(&code),
        _ => false,
    };
    let came = |code| !has(was, code) && has(now, code);
    let went = |code| has(was, code) && !has(now, code);
    if came("port-is-open") {
        Some(Because::AnsweredLater)
    } else if came("one-direction") {
        Some(Because::OneDirection)
    } else if came("lossy") {
        Some(Because::PacketsLost)
    } else if went("port-is-open") {
        Some(Because::FailedAgain)
    } else if went("one-direction") {
        Some(Because::BothDirections)
    } else {
        None
    }
}

/// What has changed since the last report in between, and where the audit stands.
pub struct InBetween<'a> {
    /// When.
    pub at: Timestamp,
    /// For how long it has been watching.
    pub watched: Span,
    /// Counts until the report before.
    pub before: Standing,
    /// Counts until now.
    pub now: Standing,
    /// Findings that came, changed or went since then, by the lines that say so.
    pub changes: &'a [Change],
    /// Those beyond the ones that are listed.
    pub further_changes: u64,
}

/// Counts of an audit that goes on.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Standing {
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Flows.
    pub flows: u64,
    /// Of them, blocked.
    pub blocked: u64,
}

impl Standing {
    /// The counts of a report.
    pub fn of(report: &Report<'_>) -> Standing {
        let totals = &report.totals;
        let (flows, blocked) = (totals.tally.flows, totals.tally.blocked);
        Standing { packets: totals.packets, bytes: totals.bytes, flows, blocked }
    }
}

/// A line of a report in between.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The finding's severity; none where it was withdrawn.
    severity: Option<Severity>,
    code: &'static str,
    title: String,
    /// What changed; none for what is new.
    change: Option<String>,
}

impl Change {
    /// What is kept of a notice until the next report in between.
    pub fn of(notice: &Notice<'_>, words: &Words) -> Change {
        let of = |finding: &Finding, severity, change| {
            let title = words.finding(finding).title;
            Change { severity, code: finding.code, title, change }
        };
        match notice {
            Notice::New(finding) => of(finding, Some(finding.severity), None),
            Notice::Revised(finding, revision) => {
                of(finding, Some(finding.severity), Some(revision.told(finding, words)))
            }
            Notice::Withdrawn(finding, because) => of(finding, None, Some(because.told(words))),
        }
    }
}

/// Writes a notice as text: when, what it is, what changed, and what to do.
///
/// # Errors
/// What writing gives.
pub fn write_notice(
    out: &mut impl Write,
    at: Timestamp,
    notice: &Notice<'_>,
    words: &Words,
    look: Look,
) -> io::Result<()> {
    let mut page = Page::new(out, words, look);
    let time = words.zone().time_of_day(at);
    match notice {
        Notice::New(finding) => {
            page.news_title(&time, Some(finding.severity), finding.code, &words.finding(finding).title)?;
            page.under("text-do", &words.finding(finding).remedy)
        }
        Notice::Revised(finding, revision) => {
            page.news_title(&time, Some(finding.severity), finding.code, &words.finding(finding).title)?;
            page.under("news-changed", &revision.told(finding, words))?;
            page.under("text-do", &words.finding(finding).remedy)
        }
        Notice::Withdrawn(finding, because) => {
            page.news_title(&time, None, finding.code, &words.finding(finding).title)?;
            page.under("news-reason", &because.told(words))
        }
    }
}

/// Writes a report in between: its time, the counts and what came since the one before, and the findings that changed.
///
/// # Errors
/// What writing gives.
pub fn write_in_between(
    out: &mut impl Write,
    between: &InBetween<'_>,
    report: &Report<'_>,
    words: &Words,
    look: Look,
) -> io::Result<()> {
    let mut page = Page::new(out, words, look);
    let InBetween { before, now, .. } = *between;
    let watched = ("duration", Value::Duration(between.watched));
    let heading = page.say("news-report", [("at", Value::Moment(between.at)), watched]);
    writeln!(page.out)?;
    page.bold_paragraph(&heading)?;
    let count = |key, before: u64, now: u64| {
        let params = [("number", Value::Number(now)), ("more", Value::Number(now.saturating_sub(before)))];
        words.say(key, &params.into())
    };
    let counts = [
        count("news-packets", before.packets, now.packets),
        names::bytes(now.bytes),
        count("news-flows", before.flows, now.flows),
        count("news-blocked", before.blocked, now.blocked),
    ];
    page.paragraph(&counts.join(", "), "", "  ")?;
    let standing = |severity| {
        let told = report.findings.iter().filter(|line| !is_about_capture(line.finding));
        let number = told.filter(|line| line.finding.severity == severity).count() as u64;
        (number > 0).then(|| {
            let number = ("number", Value::Number(number));
            words.say("text-count", &[("severity", Value::Word(severity.name())), number].into())
        })
    };
    let standing: Vec<String> = [Severity::Error, Severity::Warning].into_iter().filter_map(standing).collect();
    if standing.is_empty() {
        page.paragraph(&page.label("news-nothing-wrong"), "", "")?;
    } else {
        let parts = page.say("text-found", [("parts", Value::Text(standing.join(", ")))]);
        page.paragraph(&parts, "", "")?;
    }
    if between.changes.is_empty() {
        page.paragraph(&page.label("news-nothing-new"), "", "")?;
    }
    for change in between.changes {
        page.news_title("-", change.severity, change.code, &change.title)?;
        if let Some(text) = &change.change {
            page.under("news-changed", text)?;
        }
    }
    if between.further_changes > 0 {
        let further = page.say("news-further", [("number", Value::Number(between.further_changes))]);
        page.paragraph(&further, "- ", "  ")?;
    }
    writeln!(page.out)
}

/// Columns that what belongs to a line of news is indented by.
const INDENT: &str = "         ";

impl<W: Write> Page<'_, W> {
    /// `20:31:07 ERROR blocked.silent CGP to 10.0.0.22: no answer`.
    fn news_title(&mut self, mark: &str, severity: Option<Severity>, code: &str, title: &str) -> io::Result<()> {
        let (word, style) = match severity {
            Some(severity) => (severity_word(severity, self.words), severity_style(severity)),
            None => (self.label("news-withdrawn"), BOLD),
        };
        let head = format!("{mark} {word} {code}");
        let text = self.wrap(&format!("{head} {title}"), "", INDENT);
        // Colours come after the lines are broken. The head is short, and nothing in it is broken.
        let rest = text.strip_prefix(&head).unwrap_or(&text);
        let (word, code) = (self.styled(style, &word), self.styled(DIM, code));
        let rest: Vec<String> = rest.lines().map(|line| self.bold_words(line)).collect();
        writeln!(self.out, "{mark} {word} {code}{}", rest.join("\n"))
    }

    /// Bold, but for the blanks before it.
    fn bold_words(&self, line: &str) -> String {
        let words = line.trim_start();
        let blanks = &line[..line.len() - words.len()];
        if words.is_empty() { line.into() } else { format!("{blanks}{}", self.styled(BOLD, words)) }
    }

    /// A paragraph that belongs to a line of news.
    fn under(&mut self, key: &str, text: &str) -> io::Result<()> {
        let label = format!("{INDENT}{} ", self.label(key));
        self.paragraph(text, &label, &" ".repeat(label.chars().count()))
    }

    fn bold_paragraph(&mut self, text: &str) -> io::Result<()> {
        for line in self.wrap(text, "", "  ").lines() {
            let line = self.styled(BOLD, line);
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Params;
    use crate::packet::Address;

    fn finding(severity: Severity, clients: u8, remarks: &[&'static str]) -> Finding {
        let worked = u64::from(remarks.contains(&"port-is-open"));
        Finding {
            id: "f-blocked.refused-tcp-2598-10.0.1.1".into(),
            params: Params::from([
                ("service_title", Value::Service(Some("CGP (session with session reliability)".into()))),
                ("worked", Value::Number(worked)),
                ("again", Value::Number(0)),
                ("advice", Value::Word(if worked > 0 { "look-at-times" } else { "allow" })),
                ("remarks", Value::Remarks(remarks.to_vec())),
            ]),
            clients: (1..=clients).map(|last| Address::v4([10, 0, 0, last])).collect(),
            servers: vec![Address::v4([10, 0, 1, 1])],
            port: Some((Transport::Tcp, 2598)),
            flow_count: 1,
            ..Finding::named("blocked.refused", severity, Confidence::High)
        }
    }

    fn told(was: &Finding, now: &Finding) -> Option<String> {
        Revision::of(was, now).map(|revision| revision.told(now, &Words::default()))
    }

    #[test]
    fn what_changed_is_told_with_its_reason() {
        let error = finding(Severity::Error, 1, &[]);
        let open = finding(Severity::Warning, 1, &["port-is-open"]);
        assert_eq!(told(&error, &open).as_deref(), Some("was error, now warning: the port answered later"));
        let again = "was warning, now error: the port had answered, and now fails again";
        assert_eq!(told(&open, &error).as_deref(), Some(again));
        let unsure = Finding { confidence: Confidence::Low, ..finding(Severity::Warning, 1, &["lossy"]) };
        let expected = "was error, now warning, confidence was high, now low: packets were lost while it happened";
        assert_eq!(told(&error, &unsure).as_deref(), Some(expected));
    }

    #[test]
    fn what_means_the_same_is_not_told_again() {
        let few = finding(Severity::Error, 4, &[]);
        let more = Finding { flow_count: 400, ..finding(Severity::Error, 7, &[]) };
        assert_eq!(told(&few, &more), None);
        // Twice as many clients are another size of trouble.
        let many = finding(Severity::Error, 8, &[]);
        assert_eq!(told(&few, &many).as_deref(), Some("was 4 clients, now 8"));
    }

    fn written(notice: &Notice<'_>, color: bool) -> String {
        let look = Look { width: 60, color, flows: false, verbose: false };
        let mut text = Vec::new();
        let at = Timestamp::new(1_700_000_000, 0);
        write_notice(&mut text, at, notice, &Words::default(), look).expect("memory takes everything");
        String::from_utf8(text).expect("it is text")
    }

    #[test]
    fn notices_wrap_at_words_and_have_the_colours_of_the_report() {
        let finding = finding(Severity::Error, 1, &[]);
        let plain = written(&Notice::New(&finding), false);
        let mut lines = plain.lines();
        // 1,700,000,000 s after 1970 is 2023-11-14 22:13:20 UTC.
        assert!(lines.next().is_some_and(|line| line.starts_with("22:13:20 ERROR blocked.refused TCP 2598, CGP")));
        assert!(lines.all(|line| line.starts_with("         ")), "{plain}");
        assert!(plain.lines().all(|line| line.chars().count() <= 60), "{plain}");
        let colored = written(&Notice::New(&finding), true);
        assert!(colored.contains("\u{1b}[1m\u{1b}[31mERROR\u{1b}[0m"), "{colored:?}");
        let bare = anstyle_free(&colored);
        assert_eq!(bare, plain, "colours change no line");
    }

    /// Without `CSI ... m`.
    fn anstyle_free(text: &str) -> String {
        let mut parts = text.split("\u{1b}[");
        let first = parts.next().unwrap_or_default().to_string();
        parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
    }

    #[test]
    fn what_is_withdrawn_says_so_with_its_reason() {
        let text =
            written(&Notice::Withdrawn(Box::new(finding(Severity::Error, 1, &[])), Because::AnsweredLater), false);
        assert!(text.starts_with("22:13:20 WITHDRAWN blocked.refused "), "{text}");
        assert!(text.contains("         Reason: the port answered later\n"), "{text}");
    }
}
