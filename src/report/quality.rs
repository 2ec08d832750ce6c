//! What the captures allow to be judged: a verdict, and remarks that say why.

use super::FindingLine;
use crate::case::Conclusion;
use crate::finding::{Params, Value};
use crate::ledger::Ledger;
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
    Quality { verdict, remarks: remarks.0 }
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
    if ledger.paths.incomplete && blocked {
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
    remarks.add_packets("about-late-packets", clock.held);
    if ledger.duplicates * 50 > ledger.flow_packets {
        let share = Value::Share { part: ledger.duplicates, whole: ledger.flow_packets };
        remarks.add("about-duplicates", [("percent", share)]);
    }
    if conclusion.case.overlapping > 0 {
        let captures = Value::Number(conclusion.case.overlapping as u64);
        remarks.add("about-overlap", [("captures", captures)]);
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
