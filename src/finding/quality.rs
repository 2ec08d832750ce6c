//! What the capture itself does not allow to be judged.

use super::{Check, Confidence, Finding, Scene, Severity, count};
use crate::flow::{Doubt, PacketRef};
use crate::judge::Sign;
use crate::ledger::Seen;
use std::collections::BTreeSet;

pub(super) const CHECKS: &[Check] = &[
    Check { code: "quality.no-packets", raised: "no packet was captured", source: "the capture", look: no_packets },
    Check {
        code: "quality.one-direction",
        raised: "TCP flows show one side only although the other plainly exists",
        source: "Zeek, conn_state S0 with history SAD",
        look: one_direction,
    },
    Check {
        code: "quality.cut-packets",
        raised: "the capture kept only the first bytes of packets",
        source: "the capture records: captured length below original length",
        look: cut_packets,
    },
    Check {
        code: "quality.starts-in-middle",
        raised: "conversations on Citrix ports were already running when the capture began",
        source: "Zeek, conn_state OTH",
        look: starts_in_middle,
    },
    Check {
        code: "quality.ends-early",
        raised: "the capture ended while attempts were still waiting for an answer",
        source: "SYN schedules: Microsoft TcpMaxConnectRetransmissions, Linux ip-sysctl tcp_syn_retries",
        look: ends_early,
    },
];

fn no_packets(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    if !scene.captures.is_empty() && scene.captures.iter().all(|capture| capture.packets == 0) {
        let damaged = scene.captures.iter().any(|capture| capture.damage.is_some());
        let (title, remedy) = if damaged {
            ("No packet could be read", "Copy the capture again; if it is damaged at its source as well, record again.")
        } else {
            (
                "No packet was captured",
                "Check the interface, the capture filter and the place of the capture, and record again.",
            )
        };
        found.push(about_capture(check, title, "There is nothing to judge.".into(), remedy));
    }
}

fn one_direction(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let seen = scene.ledger.visibility.all;
    // A few such flows are packets that were lost, or the edges of the capture.
    if seen.one == 0 || seen.one * 10 < seen.one + seen.both {
        return;
    }
    found.push(about_capture(
        check,
        "Only one direction was captured",
        format!(
            "Of {} only one side is in the capture, although the other plainly answered. Whether these were blocked \
             cannot be told from here.",
            count(seen.one, "TCP flow")
        ),
        "Capture at a place that both directions pass, or mirror both directions of the port.",
    ));
}

fn cut_packets(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let cut: u64 = scene.captures.iter().map(|capture| capture.truncated_packets).sum();
    if cut == 0 {
        return;
    }
    found.push(about_capture(
        check,
        "Packets were cut when they were captured",
        format!(
            "Of {} only the first bytes were kept. Ports, states and byte counts are complete; what was spoken can be told for \
             some flows only.",
            count(cut, "packet")
        ),
        "To have the payload judged as well, capture whole packets (tcpdump -s 0, pktmon --pkt-size 0).",
    ));
}

fn starts_in_middle(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let Some(seen) = sum(scene, |sign| sign == Sign::Midstream) else { return };
    found.push(with_flows(
        about_capture(
            check,
            "The capture starts in the middle of conversations",
            format!(
                "{} on Citrix ports already ran when the capture began. They work; how they were opened, and what protocol they \
                 speak, cannot be told.",
                count(seen.flows, "flow")
            ),
            "To see a launch, start the capture before the user starts the session.",
        ),
        &seen,
    ));
}

fn ends_early(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let Some(seen) = sum(scene, |sign| sign == Sign::Doubtful(Doubt::CaptureTooShort)) else { return };
    found.push(with_flows(
        about_capture(
            check,
            "The capture ended before attempts were decided",
            format!(
                "{} on Citrix ports had no answer yet when the capture ended. That is too early to call them blocked: a client \
                 tries for 21 seconds or longer.",
                count(seen.flows, "flow")
            ),
            "Let the capture run for at least half a minute after the failure.",
        ),
        &seen,
    ));
}

/// All sightings of a sign together.
fn sum(scene: &Scene<'_>, wanted: impl Fn(Sign) -> bool) -> Option<Seen> {
    let mut sightings = scene.sighted(wanted);
    let mut all = sightings.next()?.clone();
    sightings.for_each(|seen| all += seen);
    Some(all)
}

fn about_capture(check: &Check, title: &str, meaning: String, remedy: &str) -> Finding {
    Finding {
        code: check.code,
        severity: Severity::Info,
        confidence: Confidence::High,
        title: title.into(),
        meaning,
        remedy: remedy.into(),
        sources: vec![check.source.into()],
        clients: Vec::new(),
        servers: Vec::new(),
        port: None,
        service: None,
        rules: Vec::new(),
        products: Vec::new(),
        openers: Vec::new(),
        flow_count: 0,
        first: None,
        last: None,
        evidence: Vec::new(),
        wireshark_filter: String::new(),
        filter_is_exact: false,
    }
}

fn with_flows(finding: Finding, seen: &Seen) -> Finding {
    let openers: BTreeSet<PacketRef> = seen.openers.clone();
    Finding {
        openers: openers.into_iter().collect(),
        flow_count: seen.flows,
        first: Some(seen.first),
        last: Some(seen.last),
        evidence: seen.evidence.iter().copied().collect(),
        ..finding
    }
}
