//! What the captures allow to be judged, in a word and in sentences.

use super::names::count;
use super::{Material, Quality};
use crate::packet::Skip;
use crate::source::CaptureNotes;
use crate::time::{SECOND, Timestamp};
use crate::words::Words;
use std::collections::BTreeSet;

/// `poor` where only one direction was captured or nothing could be judged, `limited` where something is missing, else
/// `good`.
pub fn quality(material: &Material<'_>, words: &Words) -> Quality {
    let mut remarks = Vec::new();
    for capture in material.captures {
        about_capture(capture, &mut remarks);
    }
    about_packets(material, &mut remarks);
    for finding in material.findings.iter().filter(|finding| finding.code.starts_with("quality.")) {
        let texts = words.finding(finding);
        remarks.push(format!("{}: {}", texts.title, texts.meaning));
    }
    let nothing_judged = material.ledger.tally.evaluable == 0;
    if nothing_judged {
        remarks.extend(why_nothing_was_judged(material, remarks.is_empty()));
    }
    let bad = |code: &str| material.findings.iter().any(|finding| finding.code == code);
    let verdict = match () {
        () if nothing_judged || bad("quality.one-direction") => "poor",
        () if !remarks.is_empty() => "limited",
        () => "good",
    };
    Quality { verdict, remarks }
}

/// What no other remark tells: packets of other kinds only, or conversations of which too little is seen.
fn why_nothing_was_judged(material: &Material<'_>, untold: bool) -> Option<String> {
    let kinds = [
        (Skip::NotIp, "not IP"),
        (Skip::OtherProtocol, "neither TCP, UDP nor ICMP"),
        (Skip::FragmentWithoutStart, "fragments whose start is missing"),
        (Skip::IcmpOther, "ICMP messages that belong to no conversation"),
    ];
    let flows = material.ledger.tally.flows;
    if flows > 0 {
        let seen = count(flows, "conversation");
        return untold.then(|| format!("Of {seen} the capture shows too little to tell what became of them."));
    }
    let parts: Vec<String> = kinds
        .into_iter()
        .map(|(skip, what)| (material.ledger.skipped(skip), what))
        .filter(|(packets, _)| *packets > 0)
        .map(|(packets, what)| format!("{packets} {} {what}", if packets == 1 { "is" } else { "are" }))
        .collect();
    (!parts.is_empty())
        .then(|| format!("No packet belongs to a conversation that can be judged: {}.", parts.join(", ")))
}

fn about_capture(capture: &CaptureNotes, remarks: &mut Vec<String>) {
    let name = &capture.name;
    if let Some(damage) = &capture.damage {
        let resumed = match damage.resumed {
            Some(offset) => format!("; reading went on at byte {offset}"),
            // Nothing follows where the file just ends.
            None if damage.what.starts_with("the file ends") => String::new(),
            None => "; what follows could not be read".into(),
        };
        let after = if damage.packet == 0 {
            "before the first packet".into()
        } else {
            format!("after packet {}", damage.packet)
        };
        remarks.push(format!("{name} is damaged at byte {}, {after}: {}{resumed}.", damage.position, damage.what));
    }
    if capture.damages > 1 {
        remarks.push(format!("{name} is damaged in {} places; the first is told.", capture.damages));
    }
    let lost = [("the capturing system", capture.dropped.kernel), ("its interface", capture.dropped.interface)];
    for (who, lost) in lost {
        if let Some(lost) = lost.filter(|&lost| lost > 0) {
            remarks.push(format!(
                "{name}: {who} lost {}, so a missing answer may have been lost as well.",
                count(lost, "packet")
            ));
        }
    }
    if capture.packets_without_time > 0 {
        remarks.push(format!(
            "{name}: {} without a time got the time of the packet before.",
            count(capture.packets_without_time, "packet")
        ));
    }
    let odd = |at: Timestamp| at < EARLIEST || at >= LATEST;
    if [capture.first, capture.last].into_iter().flatten().any(odd) {
        remarks.push(format!(
            "{name}: packets have times before 1990 or after 2100; the clock that wrote them was wrong."
        ));
    }
    for warning in capture.warnings() {
        remarks.push(format!("{name}: {warning}."));
    }
}

fn about_packets(material: &Material<'_>, remarks: &mut Vec<String>) {
    let ledger = material.ledger;
    let skipped = |skip: Skip| Some(ledger.skipped(skip)).filter(|&count| count > 0);
    if let Some(packets) = skipped(Skip::UnknownLink) {
        let links = material.captures.iter().flat_map(|capture| &capture.link_types).filter(|link| !link.is_read());
        let names: BTreeSet<String> = links.map(|link| link.name().into_owned()).collect();
        let strange: u64 = material.captures.iter().map(|capture| capture.unknown_interface).sum();
        if packets > strange {
            let which =
                if names.is_empty() { String::new() } else { format!(" ({})", Vec::from_iter(names).join(", ")) };
            let packets = count(packets - strange, "packet");
            remarks.push(format!("{packets} came over a link type that is not read{which}."));
        }
        if strange > 0 {
            let packets = count(strange, "packet");
            remarks.push(format!("{packets} came over an interface that the capture does not describe."));
        }
    }
    if let Some(packets) = skipped(Skip::CutHeaders) {
        remarks.push(format!("Of {} too little was captured to read the headers.", count(packets, "packet")));
    }
    if let Some(packets) = skipped(Skip::Malformed) {
        remarks.push(format!("{} with broken headers were left out.", count(packets, "packet")));
    }
    if let Some(packets) = skipped(Skip::FlowLimit) {
        remarks.push(format!("The limit of flows was reached: {} were left out.", count(packets, "packet")));
    }
    if ledger.unlisted > 0 {
        remarks.push(format!(
            "There is more to tell than is kept: {} are counted but not told.",
            count(ledger.unlisted, "flow")
        ));
    }
    let blocked = material.findings.iter().any(|finding| finding.code.starts_with("blocked."));
    if ledger.working_unlisted && blocked {
        remarks.push("Sessions ran between so many hosts that some ways around a blocked port may not be told.".into());
    }
    let clock = material.clock;
    if clock.steps_back > 0 {
        remarks.push(format!(
            "The clock of the capture steps back {}, by up to {:.0} s; times behind such a step are held, or moved forward where they stay behind.",
            count(clock.steps_back, "time"),
            clock.largest_step.as_seconds()
        ));
    }
    if clock.held > 0 {
        remarks.push(format!(
            "{} lay up to a few moments behind others; short times such as round trips may be wrong.",
            count(clock.held, "packet")
        ));
    }
    if ledger.duplicates * 50 > ledger.flow_packets {
        remarks.push(format!(
            "{:.0} % of the packets are in the capture twice; they were not taken for retransmissions.",
            100.0 * ledger.duplicates as f64 / ledger.flow_packets as f64
        ));
    }
    if material.overlapping > 0 {
        remarks.push("Captures overlap in time: what is seen in several of them is counted in each.".into());
    }
}

/// 1990-01-01, before there was a capture file or Citrix.
const EARLIEST: Timestamp = Timestamp(631_152_000 * SECOND);

/// 2100-01-01.
const LATEST: Timestamp = Timestamp(4_102_444_800 * SECOND);
