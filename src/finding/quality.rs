//! What the capture itself does not allow to be judged.

use super::{Check, Confidence, Finding, Params, Scene, Severity, Value};
use crate::flow::Doubt;
use crate::judge::Sign;
use crate::ledger::Seen;

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "quality.no-packets",
        raised: "no packet was captured",
        source: "the capture",
        params: &["state"],
        look: no_packets,
    },
    Check {
        code: "quality.one-direction",
        raised: "TCP flows show one side only although the other plainly exists",
        source: "Zeek, conn_state S0 with history SAD",
        params: &["tcp_flows"],
        look: one_direction,
    },
    Check {
        code: "quality.cut-packets",
        raised: "the capture kept only the first bytes of packets",
        source: "the capture records: captured length below original length",
        params: &["packets"],
        look: cut_packets,
    },
    Check {
        code: "quality.starts-in-middle",
        raised: "conversations on Citrix ports were already running when the capture began",
        source: "Zeek, conn_state OTH",
        params: &[],
        look: starts_in_middle,
    },
    Check {
        code: "quality.ends-early",
        raised: "the capture ended while attempts were still waiting for an answer",
        source: "SYN schedules: Microsoft TcpMaxConnectRetransmissions, Linux ip-sysctl tcp_syn_retries",
        params: &[],
        look: ends_early,
    },
];

fn no_packets(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    if !scene.captures.is_empty() && scene.captures.iter().all(|capture| capture.packets == 0) {
        let damaged = scene.captures.iter().any(|capture| capture.damage.is_some());
        let state = if damaged { "damaged" } else { "empty" };
        found.push(about_capture(check, Params::from([("state", Value::Word(state))])));
    }
}

fn one_direction(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let seen = scene.ledger.visibility.all;
    // A few such flows are packets that were lost, or the edges of the capture.
    if seen.one == 0 || seen.one * 10 < seen.one + seen.both {
        return;
    }
    found.push(about_capture(check, Params::from([("tcp_flows", Value::Number(seen.one))])));
}

fn cut_packets(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let cut: u64 = scene.captures.iter().map(|capture| capture.truncated_packets).sum();
    if cut > 0 {
        found.push(about_capture(check, Params::from([("packets", Value::Number(cut))])));
    }
}

fn starts_in_middle(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    if let Some(seen) = sum(scene, |sign| sign == Sign::Midstream) {
        found.push(about_capture(check, Params::default()).showing(&seen));
    }
}

fn ends_early(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    if let Some(seen) = sum(scene, |sign| sign == Sign::Doubtful(Doubt::CaptureTooShort)) {
        found.push(about_capture(check, Params::default()).showing(&seen));
    }
}

/// All sightings of a sign together.
fn sum(scene: &Scene<'_>, wanted: impl Fn(Sign) -> bool) -> Option<Seen> {
    let mut sightings = scene.sighted(wanted);
    let mut all = sightings.next()?.clone();
    sightings.for_each(|seen| all += seen);
    Some(all)
}

fn about_capture(check: &Check, params: Params) -> Finding {
    Finding { params, ..Finding::of(check, Severity::Info, Confidence::High) }
}
