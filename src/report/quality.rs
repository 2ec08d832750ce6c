//! What the captures allow to be judged: a verdict, remarks that say why, and one line that sums them up.

use super::FindingLine;
use crate::case::Conclusion;
use crate::finding::{Params, Value};
use crate::flow::GRACE;
use crate::ledger::{Directions, Holes, Ledger};
use crate::packet::{LinkType, Skip, Stranger};
use crate::source::{CaptureNotes, Damage, DamageKind, FilterNote};
use crate::time::{SECOND, Span, Timestamp};
use crate::words::Words;
use std::collections::BTreeSet;

/// What the captures allow to be judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quality {
    /// In a word.
    pub verdict: Grade,
    /// Why.
    pub remarks: Vec<Remark>,
    /// What is wrong with them, in a word each, the worst first.
    pub flaws: Vec<(Flaw, Params)>,
    /// Whoever wrote them counts what was lost, and counts nothing.
    pub loss_is_counted: bool,
}

/// What is wrong with captures, the worst first. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Flaw {
    /// There is nothing in them.
    NoPackets,
    /// One direction is missing.
    OneDirection,
    /// A file is damaged.
    Damaged,
    /// Packets were lost.
    Lost,
    /// An interface was away, or nothing at all was captured for a while.
    Interrupted,
    /// The clock steps, or is wrong.
    Clock,
    /// Of packets only the first bytes were kept.
    Cut,
    /// Conversations were running already.
    StartsInMiddle,
    /// It is shorter than silence has to be watched.
    TooShort,
    /// Attempts had no answer yet when it ended.
    EndsEarly,
    /// Packets are in it twice.
    Duplicated,
    /// A filter left packets out.
    Filtered,
    /// Packets of kinds that are not read.
    NotRead,
    /// More than is kept.
    NotKept,
    /// Something is odd about a file.
    Odd,
    /// Too little of conversations to judge them.
    Unclear,
}

impl Flaw {
    /// The name in the report: the key of its text without `flaw-`.
    pub fn name(self) -> &'static str {
        self.key().trim_start_matches("flaw-")
    }

    /// The key of its text.
    fn key(self) -> &'static str {
        match self {
            Flaw::NoPackets => "flaw-no-packets",
            Flaw::OneDirection => "flaw-one-direction",
            Flaw::Damaged => "flaw-damaged",
            Flaw::Lost => "flaw-lost",
            Flaw::Interrupted => "flaw-interrupted",
            Flaw::Clock => "flaw-clock",
            Flaw::Cut => "flaw-cut",
            Flaw::StartsInMiddle => "flaw-starts-in-middle",
            Flaw::TooShort => "flaw-too-short",
            Flaw::EndsEarly => "flaw-ends-early",
            Flaw::Duplicated => "flaw-duplicated",
            Flaw::Filtered => "flaw-filtered",
            Flaw::NotRead => "flaw-not-read",
            Flaw::NotKept => "flaw-not-kept",
            Flaw::Odd => "flaw-odd",
            Flaw::Unclear => "flaw-unclear",
        }
    }

    /// What a remark or a finding with this key or code says of the captures. A test holds that each says something.
    fn of(key: &str) -> Option<Flaw> {
        Some(match key {
            "quality.no-packets" => Flaw::NoPackets,
            "quality.one-direction" | "about-half-seen" => Flaw::OneDirection,
            "about-damage" | "about-damages" => Flaw::Damaged,
            "about-loss" | "about-holes" => Flaw::Lost,
            "about-interruption" | "about-interruptions" => Flaw::Interrupted,
            "about-steps-back" | "about-late-packets" | "about-missing-times" | "about-wrong-clock" => Flaw::Clock,
            "about-future-clock" | "about-leap" => Flaw::Clock,
            "about-short" => Flaw::TooShort,
            "quality.cut-packets" | "about-cut-headers" => Flaw::Cut,
            "quality.starts-in-middle" => Flaw::StartsInMiddle,
            "quality.ends-early" => Flaw::EndsEarly,
            "about-duplicates" => Flaw::Duplicated,
            "about-filter" | "about-live-filter" | "about-filter-link" => Flaw::Filtered,
            "about-tunnels" | "about-links" | "about-undescribed-interfaces" | "about-broken-headers" => Flaw::NotRead,
            "about-flow-limit" | "about-opening-limit" | "about-unlisted" | "about-many-pairs" => Flaw::NotKept,
            "about-unlisted-ways" | "about-unlisted-sessions" | "about-overlap" => Flaw::NotKept,
            "about-oddity" => Flaw::Odd,
            "about-unclear-flows" | "about-other-packets" | "about-missing-hosts" => Flaw::Unclear,
            _ => return None,
        })
    }
}

impl Quality {
    /// One line that sums up what the captures are good for: the worst first, at most four, and how many more there are.
    pub fn line(&self, words: &Words) -> String {
        const SHOWN: usize = 4;
        let shown = self.flaws.len().min(SHOWN);
        let parts = self.flaws[..shown].iter().map(|(flaw, params)| words.say(flaw.key(), params));
        let parts = Value::Text(Vec::from_iter(parts).join(", "));
        let counted = Value::Word(if self.loss_is_counted { "yes" } else { "no" });
        let params = [
            ("verdict", Value::Word(self.verdict.name())),
            ("flaws", parts),
            ("named", Value::Number(shown as u64)),
            ("more", Value::Number((self.flaws.len() - shown) as u64)),
            ("counted", counted),
        ];
        words.say("quality-line", &Params::from(params))
    }
}

/// How much the captures allow to be judged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Grade {
    /// Only one direction was captured, or nothing could be judged.
    Poor,
    /// Something is missing.
    Limited,
    /// Nothing is known to be missing.
    Good,
}

/// Why not everything can be judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Remark {
    /// A finding about the capture, by its place in [`super::Report::findings`].
    Finding(usize),
    /// Something else.
    Fact {
        /// The key of its text.
        key: &'static str,
        /// What its text names.
        params: Params,
    },
}

impl Grade {
    /// The name in the report: `good`, `limited` or `poor`.
    pub fn name(self) -> &'static str {
        match self {
            Grade::Poor => "poor",
            Grade::Limited => "limited",
            Grade::Good => "good",
        }
    }
}

impl Remark {
    /// The sentence.
    pub fn told(&self, findings: &[FindingLine<'_>], words: &Words) -> String {
        match self {
            Remark::Finding(place) => {
                let texts = words.finding(findings[*place].finding);
                let params = [("title", Value::Text(texts.title)), ("meaning", Value::Text(texts.meaning))];
                words.say("about-finding", &params.into())
            }
            Remark::Fact { key, params } => words.say(key, params),
        }
    }
}

/// The remarks as they are collected.
#[derive(Default)]
struct Remarks(Vec<Remark>);

impl Remarks {
    fn add<const N: usize>(&mut self, key: &'static str, params: [(&'static str, Value); N]) {
        self.0.push(Remark::Fact { key, params: params.into() });
    }

    /// A remark on a number of packets, if there are any.
    fn add_packets(&mut self, key: &'static str, packets: u64) {
        if packets > 0 {
            self.add(key, [("packets", Value::Number(packets))]);
        }
    }
}

/// `Poor` where only one direction was captured or nothing could be judged, `Limited` where something is missing, else
/// `Good`.
pub(super) fn quality(conclusion: &Conclusion<'_>) -> Quality {
    let mut remarks = Remarks::default();
    for capture in &conclusion.case.captures {
        about_capture(capture, &mut remarks);
        about_future(capture, conclusion.case.now, &mut remarks);
    }
    about_packets(conclusion, &mut remarks);
    let findings = conclusion.findings.iter().enumerate();
    let about_captures = findings.filter(|(_, finding)| finding.code.starts_with("quality."));
    remarks.0.extend(about_captures.map(|(place, _)| Remark::Finding(place)));
    about_length(conclusion, &mut remarks);
    let nothing_judged = conclusion.tally.evaluable == 0;
    if nothing_judged {
        why_nothing_was_judged(conclusion, &mut remarks);
    }
    let one_direction = conclusion.findings.iter().any(|finding| finding.code == "quality.one-direction");
    let verdict = if nothing_judged || one_direction {
        Grade::Poor
    } else if remarks.0.is_empty() {
        Grade::Good
    } else {
        Grade::Limited
    };
    let flaws = flaws(conclusion, &remarks.0);
    let counted = |capture: &CaptureNotes| capture.dropped.kernel.is_some();
    let loss_is_counted = !conclusion.case.captures.is_empty() && conclusion.case.captures.iter().all(counted);
    Quality { verdict, remarks: remarks.0, flaws, loss_is_counted }
}

/// What the remarks come to, in a word each, the worst first.
fn flaws(conclusion: &Conclusion<'_>, remarks: &[Remark]) -> Vec<(Flaw, Params)> {
    let flaw = |remark: &Remark| match remark {
        Remark::Finding(place) => Flaw::of(conclusion.findings[*place].code),
        Remark::Fact { key, .. } => Flaw::of(key),
    };
    let flaws: BTreeSet<Flaw> = remarks.iter().filter_map(flaw).collect();
    flaws.into_iter().map(|flaw| (flaw, extent(flaw, conclusion))).collect()
}

/// How large a flaw is, where that can be told in a number.
fn extent(flaw: Flaw, conclusion: &Conclusion<'_>) -> Params {
    let captures = &conclusion.case.captures;
    let ledger = conclusion.judge.ledger;
    let sum = |of: fn(&CaptureNotes) -> u64| captures.iter().map(of).sum::<u64>();
    let packets = sum(|notes| notes.packets);
    let share = |part: u64, whole: u64| if whole == 0 { Value::Number(0) } else { Value::Share { part, whole } };
    let percent = match flaw {
        Flaw::Lost => {
            let lost =
                sum(|notes| notes.dropped.kernel.unwrap_or(0).saturating_add(notes.dropped.interface.unwrap_or(0)));
            match lost {
                // Nobody counted them; the sequence numbers tell.
                0 => share(ledger.holes.missing, ledger.holes.missing.saturating_add(ledger.holes.there)),
                _ => share(lost, packets.saturating_add(lost)),
            }
        }
        Flaw::OneDirection => {
            let seen = ledger.visibility.all;
            share(seen.one, seen.one + seen.both)
        }
        Flaw::Cut => share(sum(|notes| notes.truncated_packets), packets),
        Flaw::Duplicated => share(ledger.duplicates, ledger.flow_packets),
        _ => return Params::default(),
    };
    Params::from([("percent", percent)])
}

/// A capture that ends before silence means anything. Where attempts were still waiting then, a finding says so.
fn about_length(conclusion: &Conclusion<'_>, remarks: &mut Remarks) {
    let captures = &conclusion.case.captures;
    let first = captures.iter().filter_map(|capture| capture.first).min();
    let last = captures.iter().filter_map(|capture| capture.last).max();
    let Some((first, last)) = first.zip(last) else { return };
    let waiting = conclusion.findings.iter().any(|finding| finding.code == "quality.ends-early");
    if conclusion.tally.flows > 0 && last - first < GRACE && !waiting {
        let params = [("duration", Value::Duration(last - first)), ("grace", Value::Duration(GRACE))];
        remarks.add("about-short", params);
    }
}

/// What no other remark tells: packets of other kinds only, or conversations of which too little is seen.
fn why_nothing_was_judged(conclusion: &Conclusion<'_>, remarks: &mut Remarks) {
    let flows = conclusion.tally.flows;
    if flows > 0 {
        if remarks.0.is_empty() {
            remarks.add("about-unclear-flows", [("flows", Value::Number(flows))]);
        }
        return;
    }
    let ledger = conclusion.judge.ledger;
    let kinds = [Skip::FragmentWithoutStart, Skip::IcmpOther];
    let counts = kinds.map(|skip| (skip.name(), ledger.skipped(skip)));
    let skipped = strangers(ledger, |_| true).chain(counts);
    let skipped: Vec<_> = skipped.filter(|(_, packets)| *packets > 0).collect();
    if !skipped.is_empty() {
        remarks.add("about-other-packets", [("skipped", Value::Skipped(skipped))]);
    }
    let unanswered = ledger.neighbours.all_unanswered();
    if !unanswered.is_empty() {
        let packets = Value::Number(unanswered.values().sum());
        let hosts = Value::Addresses(unanswered.into_keys().collect());
        remarks.add("about-missing-hosts", [("packets", packets), ("hosts", hosts)]);
    }
}

/// Packets that are not read, by the names of their kinds.
fn strangers(ledger: &Ledger, wanted: fn(Stranger) -> bool) -> impl Iterator<Item = (&'static str, u64)> {
    let wanted = ledger.strangers.iter().filter(move |(stranger, _)| wanted(**stranger));
    wanted.map(|(stranger, packets)| (stranger.name(), *packets))
}

fn about_capture(capture: &CaptureNotes, remarks: &mut Remarks) {
    let name = || ("capture", Value::Text(capture.name.clone()));
    if let Some(FilterNote { program, left_out, refused }) = &capture.filter {
        let program = ("filter", Value::Text(program.clone()));
        match *left_out {
            Some(packets) => {
                let [packets, all] = [packets, capture.packets].map(Value::Number);
                remarks.add("about-filter", [name(), program, ("packets", packets), ("all", all)]);
            }
            None => remarks.add("about-live-filter", [name(), program]),
        }
        if let Some((link, why)) = refused {
            let [link, why] = [link.name().into_owned(), why.clone()].map(Value::Text);
            remarks.add("about-filter-link", [name(), ("link", link), ("what", why)]);
        }
    }
    if let Some(damage) = &capture.damage {
        remarks.0.push(about_damage(capture, damage));
    }
    if capture.damages > 1 {
        remarks.add("about-damages", [name(), ("damages", Value::Number(capture.damages))]);
    }
    for (who, lost) in [("kernel", capture.dropped.kernel), ("interface", capture.dropped.interface)] {
        if let Some(packets) = lost.filter(|&lost| lost > 0) {
            remarks.add("about-loss", [name(), ("who", Value::Word(who)), ("packets", Value::Number(packets))]);
        }
    }
    for interruption in &capture.interruptions {
        let mut params = Params::from([
            ("what", Value::Text(interruption.what.clone())),
            ("from", Value::Moment(interruption.from)),
            ("back", Value::Word(if interruption.to.is_some() { "yes" } else { "no" })),
        ]);
        if let Some(to) = interruption.to {
            params = params.with("to", Value::Moment(to));
        }
        remarks.0.push(Remark::Fact { key: "about-interruption", params });
    }
    if capture.interrupted > capture.interruptions.len() as u64 {
        let listed = Value::Number(capture.interruptions.len() as u64);
        remarks.add("about-interruptions", [name(), ("times", Value::Number(capture.interrupted)), ("listed", listed)]);
    }
    if capture.packets_without_time > 0 {
        let packets = Value::Number(capture.packets_without_time);
        remarks.add("about-missing-times", [name(), ("packets", packets)]);
    }
    let odd = |at: Timestamp| at < EARLIEST || at >= LATEST;
    if [capture.first, capture.last].into_iter().flatten().any(odd) {
        remarks.add("about-wrong-clock", [name()]);
    }
    for oddity in &capture.oddities {
        let [times, packet] = [oddity.count, oddity.packet].map(Value::Number);
        let kind = Value::Word(oddity.kind.name());
        remarks.add("about-oddity", [name(), ("oddity", kind), ("times", times), ("packet", packet)]);
    }
}

/// A clock that runs ahead of this computer's by more than a day; one that is plainly wrong is told otherwise.
fn about_future(capture: &CaptureNotes, now: Option<Timestamp>, remarks: &mut Remarks) {
    let Some((last, now)) = capture.last.filter(|&last| last < LATEST).zip(now) else { return };
    if last - now > DAY {
        let name = Value::Text(capture.name.clone());
        remarks.add("about-future-clock", [("capture", name), ("ahead", Value::Duration(last - now))]);
    }
}

fn about_damage(capture: &CaptureNotes, damage: &Damage) -> Remark {
    let after = match (damage.resumed, damage.kind) {
        (Some(_), _) => "resumed",
        // Nothing follows where the file just ends.
        (None, DamageKind::CutOff) => "end",
        (None, DamageKind::Broken | DamageKind::Unreadable) => "lost",
    };
    let mut params = Params::from([
        ("capture", Value::Text(capture.name.clone())),
        ("position", Value::Number(damage.position)),
        ("packet", Value::Number(damage.packet)),
        ("what", Value::Text(damage.what.clone())),
        ("after", Value::Word(after)),
    ]);
    if let Some(offset) = damage.resumed {
        params = params.with("resumed", Value::Number(offset));
    }
    Remark::Fact { key: "about-damage", params }
}

fn about_packets(conclusion: &Conclusion<'_>, remarks: &mut Remarks) {
    let ledger = conclusion.judge.ledger;
    about_links(conclusion, remarks);
    let tunnels: Vec<_> = strangers(ledger, Stranger::is_tunnel).collect();
    if !tunnels.is_empty() {
        remarks.add("about-tunnels", [("skipped", Value::Skipped(tunnels))]);
    }
    remarks.add_packets("about-cut-headers", ledger.skipped(Skip::CutHeaders));
    remarks.add_packets("about-broken-headers", ledger.skipped(Skip::Malformed));
    if ledger.flows_given_up > 0 {
        remarks.add("about-flow-limit", [("flows", Value::Number(ledger.flows_given_up))]);
    }
    if ledger.openings_given_up > 0 {
        remarks.add("about-opening-limit", [("flows", Value::Number(ledger.openings_given_up))]);
    }
    if ledger.sightings.unlisted > 0 {
        remarks.add("about-unlisted", [("flows", Value::Number(ledger.sightings.unlisted))]);
    }
    let pairs = ledger.visibility.hosts().unlisted.max(ledger.visibility.networks().unlisted);
    if pairs > 0 {
        remarks.add("about-many-pairs", [("flows", Value::Number(pairs))]);
    }
    let blocked = conclusion.findings.iter().any(|finding| finding.code.starts_with("blocked."));
    if (ledger.paths.incomplete || ledger.hellos.incomplete) && blocked {
        remarks.add("about-unlisted-ways", []);
    }
    if ledger.steps.incomplete {
        remarks.add("about-unlisted-sessions", []);
    }
    let clock = conclusion.case.clock;
    if clock.steps_back > 0 {
        let steps = ("steps", Value::Number(clock.steps_back));
        remarks.add("about-steps-back", [steps, ("largest", Value::Duration(clock.largest_step))]);
    }
    for leap in conclusion.case.leaps_between_much() {
        let watched = ("watched", Value::Word(if leap.watched { "yes" } else { "no" }));
        remarks
            .add("about-leap", [("from", Value::Moment(leap.from)), ("duration", Value::Duration(leap.span)), watched]);
    }
    remarks.add_packets("about-late-packets", clock.held);
    about_half_seen(conclusion, remarks);
    if ledger.holes.are_many() {
        let Holes { flows, carrying, missing, there } = ledger.holes;
        let percent = Value::Share { part: missing, whole: missing.saturating_add(there) };
        let params = [("flows", Value::Number(flows)), ("carrying", Value::Number(carrying)), ("percent", percent)];
        remarks.add("about-holes", params);
    }
    if ledger.duplicates * 50 > ledger.flow_packets {
        let share = Value::Share { part: ledger.duplicates, whole: ledger.flow_packets };
        remarks.add("about-duplicates", [("percent", share)]);
    }
    if conclusion.case.overlapping > 0 {
        let captures = Value::Number(conclusion.case.overlapping as u64);
        remarks.add("about-overlap", [("captures", captures)]);
    }
}

/// Hosts between which one direction is missing, where that is no finding about the whole capture.
fn about_half_seen(conclusion: &Conclusion<'_>, remarks: &mut Remarks) {
    // A single flow may have lost what is missing, or lie at the edge of the capture.
    let half = |directions: &Directions| directions.is_half_seen() && directions.one > 1;
    let pairs = conclusion.judge.ledger.visibility.hosts().iter().filter(|(_, directions)| half(directions)).count();
    if pairs > 0 && !conclusion.findings.iter().any(|finding| finding.code == "quality.one-direction") {
        remarks.add("about-half-seen", [("pairs", Value::Number(pairs as u64))]);
    }
}

/// Packets of link types that are not read, and of interfaces that no capture describes.
fn about_links(conclusion: &Conclusion<'_>, remarks: &mut Remarks) {
    let packets = conclusion.judge.ledger.skipped(Skip::UnknownLink);
    if packets == 0 {
        return;
    }
    let strange: u64 = conclusion.case.captures.iter().map(|capture| capture.unknown_interface).sum();
    if packets > strange {
        let links =
            conclusion.case.captures.iter().flat_map(|capture| &capture.link_types).filter(|link| !link.is_read());
        let names: BTreeSet<String> = links.copied().map(LinkType::name).map(String::from).collect();
        let known = if names.is_empty() { "unknown" } else { "known" };
        let packets = ("packets", Value::Number(packets - strange));
        let names = Value::Text(Vec::from_iter(names).join(", "));
        remarks.add("about-links", [packets, ("links", Value::Word(known)), ("names", names)]);
    }
    remarks.add_packets("about-undescribed-interfaces", strange);
}

const DAY: Span = Span::seconds(86_400);

/// 1990-01-01, before there was a capture file or Citrix.
const EARLIEST: Timestamp = Timestamp(631_152_000 * SECOND);

/// 2100-01-01.
const LATEST: Timestamp = Timestamp(4_102_444_800 * SECOND);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::CHECKS;

    #[test]
    fn every_remark_says_what_is_wrong() {
        let catalogue = include_str!("../words/en.ftl");
        let keys = catalogue.lines().filter_map(|line| line.split_once(" =")).map(|(key, _)| key);
        let about = keys.filter(|key| key.starts_with("about-") && *key != "about-finding");
        let codes = CHECKS.into_iter().flatten().map(|check| check.code).filter(|code| code.starts_with("quality."));
        for key in about.chain(codes) {
            assert!(Flaw::of(key).is_some(), "{key} is not among the flaws of a capture");
        }
        assert_eq!(Flaw::of("about-finding"), None);
    }

    fn line(verdict: Grade, flaws: &[Flaw], loss_is_counted: bool) -> String {
        let percent = |flaw| (flaw, Params::from([("percent", Value::Share { part: 3, whole: 100 })]));
        let flaws = flaws.iter().copied().map(percent).collect();
        Quality { verdict, remarks: Vec::new(), flaws, loss_is_counted }.line(&Words::default())
    }

    #[test]
    fn one_line_tells_the_worst_first() {
        assert_eq!(line(Grade::Good, &[], true), "Capture good: nothing lost or cut.");
        assert_eq!(line(Grade::Good, &[], false), "Capture good: nothing cut, and no sign of loss.");
        let two = line(Grade::Limited, &[Flaw::Lost, Flaw::StartsInMiddle], true);
        assert_eq!(two, "Capture limited: 3 % of the packets lost, starts in the middle.");
        let many = [Flaw::OneDirection, Flaw::Damaged, Flaw::Clock, Flaw::EndsEarly, Flaw::Odd, Flaw::Unclear];
        let told = line(Grade::Poor, &many, false);
        let expected = "Capture poor: one direction only of 3 % of the connections, the file is damaged, its clock is not even, ends too \
                        early and 2 more.";
        assert_eq!(told, expected);
        assert!(many.is_sorted());
    }
}
