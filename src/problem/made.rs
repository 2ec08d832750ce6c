//! A problem, made of a group of findings.

use super::group::{Group, Standing};
use super::replies::Replies;
use super::{Cause, Contrast, Hosts, Problem, Trend, contrast, identity, trend};
use crate::finding::{Confidence, Finding, Params, Scene, Severity, Value};
use crate::ledger::Seen;
use crate::packet::Address;
use crate::time::Span;
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet};

/// Puts a problem together.
pub(super) fn problem(scene: &Scene<'_>, findings: &[Finding], replies: &Replies, group: Group) -> Problem {
    let Group { key, own, absorbed, special } = group;
    let of: Vec<&Finding> = own.iter().map(|&place| &findings[place]).collect();
    // What came of it makes it no worse where it works again.
    let following = absorbed.iter().filter(|_| key.standing != Standing::Over);
    let worst = own.iter().chain(following).map(|&place| findings[place].severity).max();
    let hosts = |of_finding: fn(&Finding) -> &[Address]| {
        Hosts::of(of.iter().flat_map(|finding| of_finding(finding).iter().copied()))
    };
    let ports: BTreeSet<(Transport, u16)> = of.iter().filter_map(|finding| finding.port).collect();
    let more = of.iter().any(|finding| finding.more_clients);
    let confidence = of.iter().map(|finding| finding.confidence).max().unwrap_or(Confidence::Low);
    let services: BTreeSet<&String> = of.iter().filter_map(|finding| finding.service.as_ref()).collect();
    let generic = of.iter().any(|finding| Standing::of(finding) == Standing::Generic);
    let mut problem = Problem {
        id: identity::id(&key),
        severity: if key.standing == Standing::Over { key.severity } else { worst.unwrap_or(Severity::Info) },
        confidence: special.confidence.map_or(confidence, |most| most.min(confidence)),
        cause: key.cause,
        ports: ports.into_iter().collect(),
        service: services.first().filter(|_| services.len() == 1).map(|service| (*service).clone()),
        clients: hosts(|finding| &finding.clients).with_more(more),
        servers: hosts(|finding| &finding.servers),
        attempts: attempts(key.cause, &of),
        first: of.iter().filter_map(|finding| finding.first).min(),
        last: of.iter().filter_map(|finding| finding.last).max(),
        trend: trend_of(key.cause, key.standing, &of),
        works: Vec::new(),
        works_complete: !scene.ledger.paths.may_lack_answers(generic),
        servers_answered: None,
        networks: special.networks,
        culprit: None,
        params: Params::default(),
        findings: Vec::new(),
    };
    if is_block(key.cause) {
        problem.works = contrast::works(replies, &problem, key.cause == Cause::Cut);
        problem.servers_answered = contrast::servers_answered(replies, &problem);
        if replies.answered_since(&problem) {
            problem.trend = Some(Trend::Over);
        } else if has_ceased(replies, &problem) {
            problem.trend = Some(Trend::Ceased);
        }
    }
    let following: Vec<&Finding> = absorbed.iter().map(|&place| &findings[place]).collect();
    let reached = problem
        .works
        .iter()
        .any(|works| works.contrast == Contrast::OtherClients && works.servers.count() == problem.servers.count());
    let answered = problem.works.iter().any(|works| works.contrast == Contrast::Earlier);
    let up = match is_block(key.cause) {
        true if reached => "reached",
        true if replies.old_sessions(&problem) => "old-sessions",
        true if answered => "answered",
        true => replies.up(&problem),
        false => "unsaid",
    };
    problem.params = Params::from([("servers_up", Value::Word(up))]);
    let params = params(scene, &problem, (key.standing, &key.word), &of, &following);
    problem.params = params.with("servers_up", Value::Word(up));
    if key.cause == Cause::SubnetAgainstPort {
        problem.params = contrasts(&problem);
    }
    problem.findings = own.into_iter().chain(absorbed).collect();
    problem
}

/// How many flows. What is told of each direction by a finding of its own is about the same flows.
fn attempts(cause: Cause, of: &[&Finding]) -> u64 {
    if cause != Cause::Single {
        return of.iter().map(|finding| finding.flow_count).sum();
    }
    let mut flows: BTreeMap<_, u64> = BTreeMap::new();
    for finding in of {
        let known = flows.entry((finding.code, finding.port, &finding.servers, &finding.clients)).or_default();
        *known = finding.flow_count.max(*known);
    }
    flows.values().sum()
}

/// What is said of a network that is not let through: where others are answered, and whether it reaches the neighbours of the servers.
fn contrasts(problem: &Problem) -> Params {
    let others = problem.works.iter().find(|works| works.contrast == Contrast::OtherClients);
    let (transport, port) =
        others.map(|works| works.port).or(problem.ports.first().copied()).unwrap_or((Transport::Tcp, 0));
    let neighbours = if contrast::neighbours_answer(problem) { "reached" } else { "unknown" };
    let params = problem.params.clone().with("contrast_transport", Value::Transport(transport));
    params.with("contrast_port", Value::Number(port.into())).with("neighbours", Value::Word(neighbours))
}

/// What is wanted and does not come about, so that it matters what does.
fn is_block(cause: Cause) -> bool {
    match cause {
        Cause::NoAnswer | Cause::Refused | Cause::Prohibited | Cause::HalfOpen | Cause::Cut => true,
        Cause::Stopped | Cause::HostDown | Cause::ServiceDown | Cause::SubnetAgainstPort => true,
        Cause::Detour
        | Cause::Scan
        | Cause::Flood
        | Cause::Fallback
        | Cause::LaunchFailed
        | Cause::Exposed
        | Cause::FromInternet => false,
        Cause::ForeignProtocol | Cause::OtherPort | Cause::OtherTransport => false,
        Cause::SessionDied | Cause::IdleTimeout | Cause::ResetInSession | Cause::Mtu | Cause::Single => false,
        Cause::Encryption | Cause::Slow | Cause::Repeats => false,
    }
}

/// How long nothing may come of a problem before it is said to have ceased; longer where it lasted longer.
const LONG: Span = Span::seconds(600);

/// It happened more than once, and then no more for long, while the clients went on.
fn has_ceased(replies: &Replies, problem: &Problem) -> bool {
    let Some((first, last)) = problem.first.zip(problem.last) else { return false };
    let long = LONG.max(last - first);
    let is_open = !matches!(problem.trend, Some(Trend::Once | Trend::Over));
    is_open && replies.go_on(problem, last + long)
}

fn trend_of(cause: Cause, standing: Standing, of: &[&Finding]) -> Option<Trend> {
    // When sessions that took another way began is kept of the first and the last only; what can be read stays so.
    if matches!(cause, Cause::Fallback | Cause::LaunchFailed | Cause::Encryption) {
        return None;
    }
    if standing == Standing::Over {
        return Some(Trend::Over);
    }
    let mut seen = of.iter().filter_map(|finding| finding.seen.as_deref());
    let mut sum: Seen = seen.next()?.clone();
    // Only the times matter here.
    for one in seen {
        sum.flows += one.flows;
        sum.first = sum.first.min(one.first);
        sum.begun += one.begun;
        sum.latest.join(&one.latest, 1);
    }
    trend::trend(&sum)
}

/// What is said of a story that stops.
const STOPPED: &[&str] = &["asked", "done", "how", "phase", "story", "word"];
/// What is said of a story that stops because of something larger.
const FOLLOWING: &[&str] = &["stopped"];

/// What the texts name: the service, what speaks for or against it, what follows from it.
fn params(
    scene: &Scene<'_>,
    problem: &Problem,
    (standing, word): (Standing, &str),
    of: &[&Finding],
    following: &[&Finding],
) -> Params {
    let sum = |name: &str| of.iter().filter_map(|finding| number(finding, name)).sum::<u64>();
    let launches: Vec<&&Finding> = following.iter().filter(|finding| finding.code == "launch.failed").collect();
    // Sessions that came about after a search.
    let slow: Vec<&&Finding> = following.iter().filter(|finding| finding.code == "launch.slow").collect();
    let longer = slow.iter().filter_map(|finding| duration(finding, "typical")).max();
    let launch_clients: BTreeSet<Address> =
        launches.iter().flat_map(|finding| finding.clients.iter().copied()).collect();
    // Sessions that took another way; sound that did has no session of its own, and of TLS it is not known what it carried.
    let instead =
        |finding: &&&Finding| finding.code.starts_with("fallback.") && finding.params.get("blocked_port").is_some();
    let instead: Vec<&&Finding> = following.iter().filter(instead).collect();
    let over_tls = following.iter().find(|finding| finding.code == "fallback.dtls-to-tls");
    let dtls = match over_tls.map(|finding| finding.params.get("tie")) {
        None => "no",
        Some(Some(Value::Word("none"))) => "dtls",
        Some(_) => "edt",
    };
    let flows = |of: &[&&Finding]| Value::Number(of.iter().map(|finding| finding.flow_count).sum());
    let mut params = Params::from([
        ("standing", Value::Word(standing.name())),
        ("service_title", Value::Service(short_title(scene, problem))),
        ("launches", flows(&launches)),
        ("launch_clients", Value::Number(launch_clients.len() as u64)),
        ("instead", flows(&instead)),
        ("slow", Value::Word(if longer.is_some() { "slow" } else { "no" })),
        ("longer", Value::Duration(longer.unwrap_or_default())),
        ("dtls", Value::Word(dtls)),
    ]);
    let ways: BTreeSet<(Transport, u16)> = instead.iter().filter_map(|finding| finding.port).collect();
    if let Some(&(transport, port)) = ways.first() {
        let where_to = if ways.len() == 1 { "one-port" } else { "several-ports" };
        params = params.with("instead_transport", Value::Transport(transport));
        params = params.with("instead_port", Value::Number(port.into())).with("instead_where", Value::Word(where_to));
    }
    let leading = of.first();
    let mut take = |name: &'static str| {
        if let Some(value) = leading.and_then(|finding| finding.params.get(name)) {
            params = std::mem::take(&mut params).with(name, value.clone());
        }
    };
    match problem.cause {
        // What follows from one port alone does not follow where the others fail as well.
        _ if is_block(problem.cause) && problem.ports.len() > 1 => {}
        Cause::NoAnswer | Cause::Refused | Cause::HalfOpen | Cause::Cut | Cause::SubnetAgainstPort => {
            take("consequence")
        }
        Cause::Prohibited => ["consequence", "cause"].into_iter().for_each(take),
        Cause::HostDown | Cause::ServiceDown => {}
        Cause::Scan => ["count", "port_list", "ports", "through"].into_iter().for_each(take),
        Cause::Flood => ["count", "origin"].into_iter().for_each(take),
        Cause::Fallback => ["blocked_port", "blocked_transport"].into_iter().for_each(take),
        Cause::ForeignProtocol | Cause::OtherPort => take("heard"),
        Cause::OtherTransport => take("known_transport"),
        Cause::Exposed => take("server_range"),
        Cause::SessionDied => ["gone", "idle"].into_iter().for_each(take),
        Cause::IdleTimeout => {}
        Cause::Mtu => ["icmp", "icmp_from", "mtu", "outcome", "over", "sender"].into_iter().for_each(take),
        Cause::ResetInSession => ["at", "pattern"].into_iter().for_each(take),
        Cause::Encryption => take("version"),
        Cause::Slow => ["fast_servers", "how", "network"].into_iter().for_each(take),
        Cause::Repeats => take("who"),
        Cause::Stopped | Cause::Detour | Cause::LaunchFailed | Cause::FromInternet | Cause::Single => {}
    }
    // Hosts that wait for what is down, and go to the next one.
    let detours = following.iter().filter(|finding| finding.code == "service.detour" && problem.cause != Cause::Detour);
    if let Some(detour) = detours.max_by_key(|detour| duration(detour, "waited")) {
        for (name, told) in [("exact", "waited_exact"), ("instead", "next_servers"), ("waited", "waited_for_next")] {
            if let Some(value) = detour.params.get(name) {
                params = params.with(told, value.clone());
            }
        }
    }
    // The story that stops here: it leads, or it follows from what does.
    if let Some(story) = of.iter().chain(following).find(|finding| finding.code == "service.stopped") {
        let name = if problem.cause == Cause::Stopped { STOPPED } else { FOLLOWING };
        for &name in name {
            if let Some(value) = story.params.get(name) {
                params = params.with(name, value.clone());
            }
        }
    }
    match problem.cause {
        Cause::HostDown | Cause::ServiceDown => {
            let proof = match word {
                "unanswered-arp" => "unanswered-arp",
                "unreachable" => "unreachable",
                "refused" => "refused",
                _ => "no-sign-of-life",
            };
            params = params.with("proof", Value::Word(proof));
        }
        Cause::Prohibited => {
            let senders: BTreeSet<Address> = of.iter().flat_map(|finding| senders(finding)).collect();
            params = params.with("senders", Value::Addresses(senders.into_iter().collect()));
        }
        Cause::SessionDied | Cause::IdleTimeout => {
            let times = |name: &'static str| of.iter().filter_map(move |finding| duration(finding, name));
            let shortest: Option<Span> = times("idle_shortest").chain(times("idle")).min();
            params = params.with("idle_shortest", Value::Duration(shortest.unwrap_or_default()));
            params = params.with("idle_longest", Value::Duration(times("idle_longest").max().unwrap_or_default()));
        }
        Cause::Slow => {
            let times = |name: &'static str| of.iter().filter_map(move |finding| duration(finding, name));
            params = params.with("longest", Value::Duration(times("longest").max().unwrap_or_default()));
            params =
                params.with("rtt", Value::Duration(times("rtt").filter(|rtt| rtt.0 > 0).min().unwrap_or_default()));
            params = params.with("times", Value::Number(sum("times")));
        }
        Cause::Repeats => {
            let (part, whole) = (sum("repeated"), sum("of"));
            params = params.with("share", Value::Share { part, whole: whole.max(1) });
            params = params.with("repeated", Value::Number(part)).with("of", Value::Number(whole));
        }
        _ => {}
    }
    if problem.cause == Cause::Encryption {
        params = params.with("state", Value::Word(if word == "old" { "old" } else { "plain" }));
        params = params.with("named", services_of(scene, of));
    }
    if problem.cause == Cause::Mtu {
        let numbers = |name: &'static str| of.iter().filter_map(move |finding| number(finding, name));
        params = params.with("size", Value::Number(numbers("size").min().unwrap_or_default()));
        params = params.with("arrived", Value::Number(numbers("arrived").max().unwrap_or_default()));
        params = params.with("others", Value::Number(numbers("others").max().unwrap_or_default()));
    }
    if problem.cause == Cause::ResetInSession {
        params = params.with("back", Value::Number(sum("back"))).with("idle", Value::Number(sum("idle")));
    }
    if is_block(problem.cause) {
        params = params.with("worked", Value::Number(sum("worked"))).with("again", Value::Number(sum("again")));
        let remarks = remarks(problem, of, &params);
        params = params.with("remarks", Value::Remarks(remarks));
    }
    params
}

/// The short names of the services of findings, in their order; none where no finding has one.
fn services_of(scene: &Scene<'_>, of: &[&Finding]) -> Value {
    let named = of.iter().filter_map(|finding| scene.map.service_named(finding.service.as_ref()?));
    let titles: Vec<&str> = named.map(|service| scene.map.service_short(service)).collect();
    if titles.is_empty() { Value::Word("none") } else { Value::Text(titles.join(", ")) }
}

/// The remarks of the findings that hold for the problem, in the order of these.
fn remarks(problem: &Problem, of: &[&Finding], params: &Params) -> Vec<&'static str> {
    let mut remarks: Vec<&'static str> = Vec::new();
    for finding in of {
        let Some(Value::Remarks(codes)) = finding.params.get("remarks") else { continue };
        for &code in codes {
            let fits = match code {
                "consequence" => params.get("consequence").is_some(),
                // Told in other words, or a cause of its own.
                "host-down" | "service-fails" => false,
                "generic-port" => problem.cause != Cause::HostDown,
                // What it says of one session is said of all.
                "old-session" => problem.params.get("servers_up") != Some(&Value::Word("old-sessions")),
                _ => true,
            };
            if fits && !remarks.contains(&code) {
                remarks.push(code);
            }
        }
    }
    remarks
}

fn senders(finding: &Finding) -> impl Iterator<Item = Address> + use<'_> {
    let senders = match finding.params.get("senders") {
        Some(Value::Addresses(senders)) => &senders[..],
        _ => &[],
    };
    senders.iter().copied()
}

fn duration(finding: &Finding, name: &str) -> Option<Span> {
    match finding.params.get(name) {
        Some(Value::Duration(span)) => Some(*span),
        _ => None,
    }
}

fn number(finding: &Finding, name: &str) -> Option<u64> {
    match finding.params.get(name) {
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    }
}

/// Maximum number of bytes of the joined names of services that share a port, in a title.
const JOINED: usize = 30;

/// "session reliability"; none where the map knows no service, or too many.
fn short_title(scene: &Scene<'_>, problem: &Problem) -> Option<String> {
    let names = match (&problem.service, &problem.ports[..]) {
        (Some(service), _) => service,
        (None, &[(transport, port)]) if problem.cause != Cause::OtherPort => {
            &scene.map.at(scene.map.place(transport, port)?).service
        }
        (None, _) => return None,
    };
    match scene.map.service_named(names) {
        Some(service) => Some(scene.map.service_short(service).to_string()),
        // Of services that share a port, those of which it is known.
        None => {
            let titles: Option<Vec<&str>> =
                names.split('/').map(|name| Some(scene.map.service_short(scene.map.service_named(name)?))).collect();
            titles.map(|titles| titles.join(", ")).filter(|titles| !titles.is_empty() && titles.len() <= JOINED)
        }
    }
}
