//! Which findings belong together: those with one cause, on one port, of one service, and equally certain.

use super::Cause;
use super::cause::{self, Special};
use super::ports;
use super::replies::Replies;
use crate::finding::{Finding, Scene, Severity, Value};
use crate::time::Span;
use crate::transport::Transport;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Findings that are one problem.
pub(super) struct Group {
    pub key: Key,
    /// The findings with this cause, by their places, the one that tells most first.
    pub own: Vec<usize>,
    /// Those that follow from them, in order.
    pub absorbed: Vec<usize>,
    pub special: Special,
}

/// What the findings of a problem have in common.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    pub cause: Cause,
    pub code: &'static str,
    pub port: Option<(Transport, u16)>,
    pub service: Option<String>,
    pub severity: Severity,
    pub standing: Standing,
    /// What else tells them from others.
    pub word: String,
}

/// What speaks against an error. Findings of which different things are to be said are never one problem.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Standing {
    /// Nothing.
    Failing,
    /// The port answered all of them later.
    Over,
    /// Client and server have public addresses, and may belong to anybody.
    Public,
    /// Many programs use the port.
    Generic,
    /// The capture may have missed the answer.
    Unsure,
    /// Most likely another program.
    Neighbour,
}

impl Standing {
    /// A word for it, in ids and texts.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Failing => "failing",
            Standing::Over => "over",
            Standing::Public => "public",
            Standing::Generic => "generic",
            Standing::Unsure => "unsure",
            Standing::Neighbour => "neighbour",
        }
    }

    pub fn of(finding: &Finding) -> Standing {
        let Some(Value::Remarks(remarks)) = finding.params.get("remarks") else { return Standing::Failing };
        let any = |codes: &[&str]| remarks.iter().any(|remark| codes.contains(remark));
        if any(&["neighbour"]) {
            Standing::Neighbour
        } else if any(&["port-is-open"]) {
            Standing::Over
        } else if any(&["one-direction", "lossy", "answers-unknown"]) {
            Standing::Unsure
        } else if any(&["both-public"]) {
            Standing::Public
        } else if any(&["generic-port"]) {
            Standing::Generic
        } else {
            Standing::Failing
        }
    }
}

impl Cause {
    /// Only findings of one code have this cause, or the code says nothing more.
    pub(super) fn has_one_code(self) -> bool {
        !matches!(self, Cause::Single | Cause::Fallback | Cause::LaunchFailed)
    }
}

impl Key {
    /// The severity that most problems with this cause have.
    pub fn usual_severity(&self) -> Severity {
        match (self.cause, self.standing) {
            (Cause::FromInternet | Cause::Encryption, _) | (_, Standing::Neighbour) => Severity::Info,
            (_, Standing::Over | Standing::Public | Standing::Generic | Standing::Unsure) => Severity::Warning,
            (Cause::NoAnswer | Cause::Refused | Cause::Prohibited | Cause::HalfOpen | Cause::Cut, _) => Severity::Error,
            (Cause::Stopped | Cause::HostDown | Cause::ServiceDown | Cause::SubnetAgainstPort, _) => Severity::Error,
            (Cause::ForeignProtocol | Cause::Exposed | Cause::LaunchFailed, _) => Severity::Error,
            (Cause::Scan | Cause::Flood | Cause::Fallback | Cause::Detour, _)
            | (Cause::OtherPort | Cause::OtherTransport, _) => Severity::Warning,
            (Cause::Mtu, _) => Severity::Error,
            (Cause::SessionDied | Cause::IdleTimeout | Cause::ResetInSession | Cause::Single, _) => Severity::Warning,
            (Cause::Slow | Cause::Repeats, _) => Severity::Warning,
        }
    }

    fn of(finding: &Finding) -> Key {
        let cause = cause_of(finding.code);
        Key {
            cause,
            code: if cause.has_one_code() { "" } else { finding.code },
            // Each client of a service is given one of its ports.
            port: finding.port.filter(|_| cause != Cause::Repeats),
            // All that can be read is told in one line.
            service: finding.service.clone().filter(|_| cause != Cause::Encryption),
            severity: finding.severity,
            standing: Standing::of(finding),
            word: word(finding, cause),
        }
    }
}

/// The cause that findings with a code have where nothing else explains them. A code that is not known here is a problem of its own.
fn cause_of(code: &str) -> Cause {
    match code {
        "blocked.silent" => Cause::NoAnswer,
        "blocked.refused" => Cause::Refused,
        "blocked.prohibited" => Cause::Prohibited,
        "blocked.half-open" => Cause::HalfOpen,
        "blocked.reset-early" => Cause::Cut,
        "path.died" => Cause::SessionDied,
        "path.idle-timeout" => Cause::IdleTimeout,
        "path.reset" => Cause::ResetInSession,
        "service.slow" => Cause::Slow,
        "service.repeats" => Cause::Repeats,
        "path.mtu" => Cause::Mtu,
        "unexpected.scan" => Cause::Scan,
        "unexpected.flood" => Cause::Flood,
        "unexpected.internet-exposed" => Cause::Exposed,
        "unexpected.from-internet" => Cause::FromInternet,
        "unexpected.foreign-protocol" => Cause::ForeignProtocol,
        "unexpected.citrix-on-other-port" => Cause::OtherPort,
        "unexpected.transport" => Cause::OtherTransport,
        _ if code.starts_with("fallback.") => Cause::Fallback,
        "launch.failed" => Cause::LaunchFailed,
        "service.stopped" => Cause::Stopped,
        "service.detour" => Cause::Detour,
        _ if code.starts_with("encryption.") => Cause::Encryption,
        _ => Cause::Single,
    }
}

/// What tells findings of one code and port apart: what an ICMP error means, what is spoken, who scans.
fn word(finding: &Finding, cause: Cause) -> String {
    match (cause, finding.params.get("cause"), finding.params.get("heard")) {
        (Cause::Prohibited, Some(Value::Word(cause)), _) => (*cause).into(),
        (_, _, Some(Value::Protocol(heard))) => heard.name().into(),
        (Cause::Stopped, ..) => stop(finding),
        // What one side sends too large, the other may not.
        (Cause::Mtu, ..) => match finding.params.get("sender") {
            Some(Value::Word(sender)) => (*sender).into(),
            _ => String::new(),
        },
        (Cause::Slow, ..) => match finding.params.get("how") {
            Some(Value::Word(how)) => (*how).into(),
            _ => String::new(),
        },
        // Apart from two sessions that died after the same time, which may be another one.
        (Cause::IdleTimeout, ..) => "timer".into(),
        (Cause::Encryption, ..) => (if finding.code == "encryption.old-tls" { "old" } else { "plain" }).into(),
        (Cause::Scan, ..) if finding.port.is_none() => {
            finding.clients.first().map(|client| format!("by-{client}")).unwrap_or_default()
        }
        (Cause::Fallback, ..) => match (finding.params.get("blocked_transport"), finding.params.get("blocked_port")) {
            (Some(Value::Transport(transport)), Some(Value::Number(port))) => {
                format!("for-{}-{port}", transport.name())
            }
            _ => String::new(),
        },
        // Each is told by its own finding, which names one server.
        (Cause::Single, ..) if finding.code.starts_with("tls.") => {
            let begin =
                finding.port.map(|(transport, port)| format!("f-{}-{}-{port}-", finding.code, transport.name()));
            begin.and_then(|begin| finding.id.strip_prefix(&begin)).unwrap_or(&finding.id).to_string()
        }
        (Cause::Single, ..) if finding.port.is_none() => {
            finding.servers.first().map(|server| server.to_string()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// Which story stops, and where.
fn stop(finding: &Finding) -> String {
    match (finding.params.get("story"), finding.params.get("phase")) {
        (Some(Value::Named(story)), Some(Value::Named(phase))) => format!("{}-{}", story.name, phase.name),
        _ => String::new(),
    }
}

/// What is blocked, and nothing larger explains it, is told as the story that stops there.
fn lead_by_stories(findings: &[Finding], roots: &[Option<usize>], keys: &mut BTreeMap<usize, Key>) {
    let by_id: BTreeMap<&str, usize> = findings.iter().map(|finding| finding.id.as_str()).zip(0..).collect();
    for (place, finding) in findings.iter().enumerate() {
        let (cause, word) = match cause_of(finding.code) {
            Cause::Stopped => (Cause::Stopped, stop(finding)),
            Cause::Detour => (Cause::Detour, String::new()),
            _ => continue,
        };
        let Some(root) = roots[place].filter(|root| *root != place) else { continue };
        let Some(key) = keys.get(&root).filter(|key| is_single(key.cause)) else { continue };
        // A story may tell what a port of many programs is used for.
        let standing = key.standing;
        let surer = if standing == Standing::Generic { Standing::of(finding) } else { standing };
        let port = finding.port.or(key.port);
        let service = finding.service.clone();
        let lead = Key { cause, code: "", port, service, severity: finding.severity, standing: surer, word };
        for ground in finding.rests_on.iter().filter_map(|id| by_id.get(id.as_str())) {
            if let Some(key) = keys.get_mut(ground).filter(|key| is_single(key.cause) && key.standing == standing) {
                *key = lead.clone();
            }
        }
    }
}

/// The cause says no more than what the packets show.
fn is_single(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::NoAnswer
            | Cause::Refused
            | Cause::Prohibited
            | Cause::HalfOpen
            | Cause::Cut
            | Cause::Single
            | Cause::Detour
    )
}

/// All findings but those about the capture itself, each in one group.
pub(super) fn groups(scene: &Scene<'_>, findings: &[Finding], replies: &Replies) -> Vec<Group> {
    let roots = roots(findings);
    let own: Vec<usize> = (0..findings.len()).filter(|&place| roots[place] == Some(place)).collect();
    let mut keys: BTreeMap<usize, Key> = own.iter().map(|&place| (place, Key::of(&findings[place]))).collect();
    find_idle_timeouts(findings, &mut keys);
    ports::follow_what_recovered(scene, findings, &mut keys);
    let mut special = cause::find(scene, findings, replies, &mut keys);
    ports::join(scene, findings, replies, &mut keys, &mut special);
    lead_by_stories(findings, &roots, &mut keys);
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    for &place in &own {
        let Some(key) = keys.get(&place) else { continue };
        let group = groups.entry(key.clone()).or_insert_with(|| Group {
            key: key.clone(),
            own: Vec::new(),
            absorbed: Vec::new(),
            special: special.remove(key).unwrap_or_default(),
        });
        group.own.push(place);
    }
    for (place, root) in roots.iter().enumerate() {
        let Some(key) = root.filter(|&root| root != place).and_then(|root| keys.get(&root)) else { continue };
        if let Some(group) = groups.get_mut(key) {
            group.absorbed.push(place);
        }
    }
    for group in groups.values_mut() {
        group.own.sort_by_key(|&place| {
            let Finding { severity, clients, flow_count, .. } = &findings[place];
            (Reverse(*severity), Reverse(clients.len()), Reverse(*flow_count), place)
        });
    }
    groups.into_values().collect()
}

/// For each finding the one that it follows from, itself where it follows from none. None for findings about the capture.
fn roots(findings: &[Finding]) -> Vec<Option<usize>> {
    let by_id: BTreeMap<&str, usize> = findings.iter().map(|finding| finding.id.as_str()).zip(0..).collect();
    let below = |place: usize| {
        let known = findings[place].rests_on.iter().filter_map(|id| by_id.get(id.as_str()).copied());
        known.filter(|&below| below != place && !is_about_the_capture(&findings[below])).min()
    };
    let root = |(place, finding): (usize, &Finding)| {
        let mut root = place;
        // No check makes circles; one that did would not stop this.
        for _ in 0..8 {
            match below(root) {
                Some(next) => root = next,
                None => break,
            }
        }
        let ends = below(root).is_none();
        (!is_about_the_capture(finding)).then_some(if ends { root } else { place })
    };
    let roots: Vec<Option<usize>> = findings.iter().enumerate().map(root).collect();
    // In a circle each is for itself.
    (0..roots.len())
        .map(|place| roots[place].map(|root| if roots[root] == Some(root) { root } else { place }))
        .collect()
}

fn is_about_the_capture(finding: &Finding) -> bool {
    finding.code.starts_with("quality.")
}

/// Maximum difference of idle times that are called equal: a timer and the moments at which a device looks at it.
const EQUAL: Span = Span::seconds(60);

/// Sessions that died after the same time without traffic, whoever had them, died of that.
fn find_idle_timeouts(findings: &[Finding], keys: &mut BTreeMap<usize, Key>) {
    let mut by_key: BTreeMap<Key, Vec<(Span, Span, u64, usize)>> = BTreeMap::new();
    for (&place, key) in keys.iter().filter(|(_, key)| key.cause == Cause::SessionDied) {
        let params = &findings[place].params;
        let sessions = match params.get("idle") {
            Some(Value::Word("once")) => 1,
            Some(Value::Word("equal")) => findings[place].flow_count,
            _ => continue,
        };
        let (Some(Value::Duration(shortest)), Some(Value::Duration(longest))) =
            (params.get("idle_shortest"), params.get("idle_longest"))
        else {
            continue;
        };
        by_key.entry(key.clone()).or_default().push((*shortest, *longest, sessions, place));
    }
    for mut idle in by_key.into_values() {
        idle.sort_unstable();
        let mut ordinal = 0;
        let mut rest = &idle[..];
        while let Some((shortest, ..)) = rest.first() {
            let near = rest.iter().take_while(|(_, longest, ..)| longest.0 - shortest.0 <= EQUAL.0).count().max(1);
            let (together, others) = rest.split_at(near);
            rest = others;
            // Two may be chance.
            if together.iter().map(|(_, _, sessions, _)| sessions).sum::<u64>() < 3 {
                continue;
            }
            ordinal += 1;
            for (.., place) in together {
                if let Some(key) = keys.get_mut(place) {
                    key.cause = Cause::IdleTimeout;
                    key.word = if ordinal > 1 { ordinal.to_string() } else { String::new() };
                }
            }
        }
    }
}
