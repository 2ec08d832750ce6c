//! What the captures allow to be judged, in a word and in sentences.

use super::{Material, Quality};
use crate::finding::count;
use crate::packet::Skip;
use crate::source::CaptureNotes;

/// `poor` where only one direction was captured or nothing could be judged, `limited` where something is missing, else
/// `good`.
pub fn quality(material: &Material<'_>) -> Quality {
    let mut remarks = Vec::new();
    for capture in material.captures {
        about_capture(capture, &mut remarks);
    }
    about_packets(material, &mut remarks);
    for finding in material.findings.iter().filter(|finding| finding.code.starts_with("quality.")) {
        remarks.push(format!("{}: {}", finding.title, finding.meaning));
    }
    let bad = |code: &str| material.findings.iter().any(|finding| finding.code == code);
    let nothing_judged = material.ledger.tally.evaluable == 0;
    let verdict = match () {
        () if nothing_judged || bad("quality.one-direction") => "poor",
        () if !remarks.is_empty() => "limited",
        () => "good",
    };
    Quality { verdict, remarks }
}

fn about_capture(capture: &CaptureNotes, remarks: &mut Vec<String>) {
    let name = &capture.name;
    if let Some(damage) = &capture.damage {
        let resumed = match damage.resumed {
            Some(offset) => format!("reading went on at byte {offset}"),
            None => "what follows could not be read".into(),
        };
        let after = if damage.packet == 0 {
            "before the first packet".into()
        } else {
            format!("after packet {}", damage.packet)
        };
        remarks.push(format!("{name} is damaged at byte {}, {after}: {}; {resumed}.", damage.position, damage.what));
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
    for warning in capture.warnings() {
        remarks.push(format!("{name}: {warning}."));
    }
}

fn about_packets(material: &Material<'_>, remarks: &mut Vec<String>) {
    let ledger = material.ledger;
    let skipped = |skip: Skip| Some(ledger.skipped(skip)).filter(|&count| count > 0);
    if let Some(packets) = skipped(Skip::UnknownLink) {
        let names: Vec<String> = material
            .captures
            .iter()
            .flat_map(|capture| &capture.link_types)
            .filter(|link| !link.is_read())
            .map(|link| link.name().into_owned())
            .collect();
        let which = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        remarks.push(format!("{} came over a link type that is not read{which}.", count(packets, "packet")));
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
    if ledger.sessions_unlisted && blocked {
        remarks.push("Sessions ran between so many hosts that some ways around a blocked port may not be told.".into());
    }
    let clock = material.clock;
    if clock.steps_back > 0 {
        remarks.push(format!(
            "The clock of the capture steps back {}, by up to {:.0} s; times behind such a step are moved forward.",
            count(clock.steps_back, "time"),
            clock.largest_step.as_seconds()
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
