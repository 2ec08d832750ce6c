//! Findings with one cause are one problem: what they have in common, whom it hits and whom not, and since when. Expected values come
//! from how the traffic was made.

mod support;

use cap_audit::bench::{Conduct, Mix, SERVICES};
use cap_audit::finding::{Confidence, Finding, Severity, Value};
use cap_audit::packet::{LinkType, protocol};
use cap_audit::pipeline::{Options, run};
use cap_audit::problem::{Cause, Contrast, Hosts, Problem, Range, Suspect, Trend, Works};
use cap_audit::source::MemorySource;
use cap_audit::time::{Span, Timestamp};
use cap_audit::transport::Transport;
use cap_audit::words::{Texts, Words};
use std::collections::BTreeSet;
use support::*;

const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000_000);
const CGP: u16 = 2598;
const ICA: u16 = 1494;
const CGP_GREETING: &[u8] = b"\x1aCGP/01\x00\x16Citrix.TcpProxyService";

fn at(seconds: i64) -> Timestamp {
    BEGIN + Span::seconds(seconds)
}

fn talk(from: &str, client_port: u16, to: &str, port: u16) -> Talk {
    Talk::between(client(from, client_port), server(to, port)).at(BEGIN)
}

/// Three SYNs within nine seconds and no answer.
fn silent(talk: Talk) -> Vec<Captured> {
    talk.syn().wait(Span::seconds(3)).syn_again().wait(Span::seconds(6)).syn_again().packets()
}

fn refused(talk: Talk) -> Vec<Captured> {
    talk.syn().refused().packets()
}

/// A connection that carries nothing.
fn opened(talk: Talk) -> Vec<Captured> {
    talk.opened().wait(Span::seconds(5)).closed().packets()
}

fn session(talk: Talk) -> Vec<Captured> {
    talk.opened().says(CGP_GREETING).answers(CGP_GREETING).wait(Span::seconds(5)).closed().packets()
}

/// Requests for a host by ARP, a second apart, and no answer (RFC 826).
fn asked_in_vain(host: [u8; 4], times: i64) -> Vec<Captured> {
    let request = |time: i64| {
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0, 0, 0, 0, 9, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 10, 1, 9, 254]);
        frame.extend([0; 6]);
        frame.extend(host);
        (at(time), LinkType::ETHERNET, frame.len() as u32, frame)
    };
    (0..times).map(request).collect()
}

/// A router asks for a host, and is answered.
fn asked_and_answered(host: [u8; 4], moment: Timestamp) -> Vec<Captured> {
    let (host, router) = (([2, 0, 0, 0, 0, 7], host), ([2, 0, 0, 0, 0, 9], [10, 1, 9, 254]));
    let arp = |kind: u8, from: ([u8; 6], [u8; 4]), to: ([u8; 6], [u8; 4])| {
        let head = [&to.0[..], &from.0, &[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, kind]].concat();
        let frame = [&head[..], &from.0, &from.1, &to.0, &to.1].concat();
        (moment, LinkType::ETHERNET, frame.len() as u32, frame)
    };
    vec![arp(1, router, ([0xff; 6], host.1)), arp(2, host, router)]
}

/// An audit of these talks, the capture going on for three minutes.
fn audited(talks: impl IntoIterator<Item = Vec<Captured>>) -> Audited {
    audit(merge(talks.into_iter().chain([meanwhile(at(180))])))
}

fn problems(talks: impl IntoIterator<Item = Vec<Captured>>) -> Vec<Problem> {
    let audited = audited(talks);
    let (findings, problems) = (findings_of(&audited), broken_problems(&audited));
    each_finding_once(&findings, &problems);
    for problem in &problems {
        let Texts { title, meaning, remedy } = Words::default().problem(problem, findings.iter());
        assert!(!title.is_empty() && !meaning.is_empty() && !remedy.is_empty(), "{problem:#?}");
        assert!(title.chars().count() <= 60, "{title}");
    }
    problems
}

fn each_finding_once(findings: &[Finding], problems: &[Problem]) {
    let mut told: Vec<usize> = problems.iter().flat_map(|problem| problem.findings.iter().copied()).collect();
    told.sort_unstable();
    let about =
        |place: &usize| !["quality.", "encryption."].iter().any(|theme| findings[*place].code.starts_with(theme));
    assert_eq!(told, (0..findings.len()).filter(about).collect::<Vec<_>>());
}

fn shown(hosts: &Hosts) -> Vec<String> {
    let ranges = hosts.ranges(20);
    assert!(ranges.exact);
    ranges.ranges.iter().map(Range::short).collect()
}

fn causes(problems: &[Problem]) -> Vec<(Cause, Severity)> {
    problems.iter().map(|problem| (problem.cause, problem.severity)).collect()
}

fn vda(number: u8) -> String {
    format!("10.1.9.{number}")
}

fn user(number: u8) -> String {
    format!("10.64.0.{number}")
}

#[test]
fn forty_servers_without_an_answer_are_one_problem() {
    let blocked = (1..=40).map(|it| silent(talk(&user(it % 20 + 1), 50_000, &vda(it), CGP).at(at(i64::from(it)))));
    let works = (1..=10).map(|it| session(talk(&user(it), 50_001, &format!("10.1.0.{it}"), CGP)));
    let found = problems(blocked.chain(works));
    let [problem] = &found[..] else { panic!("{found:#?}") };
    assert_eq!(
        (problem.cause, problem.severity, problem.id.as_str()),
        (Cause::NoAnswer, Severity::Error, "p-no-answer-tcp-2598-cgp")
    );
    assert_eq!(shown(&problem.servers), ["10.1.9.1-40"]);
    assert_eq!(shown(&problem.clients), ["10.64.0.1-20"]);
    assert_eq!((problem.attempts, problem.servers_answered, problem.works_complete), (40, Some(0), true));
    assert_eq!((problem.first, problem.last), (Some(at(1)), Some(at(49))));
    assert_eq!(problem.trend, Some(Trend::Steady));
    let [Works { contrast, clients, servers, port, flows, until: None }] = &problem.works[..] else {
        panic!("{problem:#?}")
    };
    assert_eq!((*contrast, *port, *flows), (Contrast::OtherServers, (Transport::Tcp, CGP), 10));
    assert_eq!((shown(clients), shown(servers)), (vec!["10.64.0.1-10".to_string()], vec!["10.1.0.1-10".to_string()]));
    let words = Words::default();
    let lines = words.problem_lines(problem, 6);
    assert_eq!(lines.attempts, "40 attempts");
    let [servers, clients] = [lines.servers, lines.clients].map(|line| line.expect("it has hosts"));
    assert_eq!((servers.hosts.as_str(), servers.remark.as_str()), ("10.1.9.1-40", "40 servers, none ever answered"));
    assert_eq!((clients.hosts.as_str(), clients.remark.as_str()), ("10.64.0.1-20", "20 clients"));
    assert_eq!(lines.when.as_deref(), Some("22:13:21-22:14:09, steady"));
    assert_eq!(lines.works, ["10.1.0.1-10: 10 flows of the same clients on TCP 2598"]);
    let texts = words.problem(problem, [].iter());
    assert_eq!(texts.title, "TCP 2598 (session reliability): no answer");
    assert_eq!(texts.remedy, "Allow TCP 2598 from 10.64.0.1-20 to 10.1.9.1-40, or check that these 40 servers are up.");
}

#[test]
fn one_dead_host_among_forty_servers_is_a_problem_of_its_own() {
    let to_dead = [CGP, ICA].map(|port| silent(talk(&user(3), 50_000 + port, &vda(7), port)));
    // TCP 2598 is blocked to nine others, and the rest works.
    let blocked = (1..=9).filter(|&it| it != 7).map(|it| silent(talk(&user(4), 51_000, &vda(it), CGP)));
    let works = (10..=40).map(|it| session(talk(&user(3), 50_001, &vda(it), CGP)));
    let alive = (1..=9).filter(|&it| it != 7).map(|it| session(talk(&user(4), 52_000, &vda(it), ICA)));
    let found = problems(to_dead.into_iter().chain(blocked).chain(works).chain(alive));
    assert_eq!(causes(&found), [(Cause::NoAnswer, Severity::Error), (Cause::HostDown, Severity::Error)]);
    let [blocked, down] = &found[..] else { panic!("{found:#?}") };
    // Both ports, and the launch that failed.
    assert_eq!((shown(&down.servers), down.ports.len(), down.findings.len()), (vec!["10.1.9.7".to_string()], 2, 3));
    assert_eq!(
        (down.confidence, down.params.get("proof")),
        (Confidence::Medium, Some(&Value::Word("no-sign-of-life")))
    );
    assert_eq!(shown(&blocked.servers), ["10.1.9.1-6", "10.1.9.8-9"]);
    // The servers are up, and the sessions that they have on the other port tell it.
    assert_eq!(blocked.params.get("servers_up"), Some(&Value::Word("all")));
    assert!(
        blocked.works.iter().any(|works| works.contrast == Contrast::OtherPort && works.flows == 8),
        "{blocked:#?}"
    );
}

#[test]
fn a_host_that_nobody_finds_on_its_link_is_down_for_certain() {
    let found = problems([silent(talk(&user(3), 50_000, &vda(7), CGP)), asked_in_vain([10, 1, 9, 7], 5)]);
    let [down] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((down.cause, down.id.as_str()), (Cause::HostDown, "p-host-down-unanswered-arp"));
    assert_eq!(Words::default().problem(down, [].iter()).title, "10.1.9.7: host is down");
    // The same without the question is no more than silence.
    assert_eq!(causes(&problems([silent(talk(&user(3), 50_000, &vda(7), CGP))])), [(Cause::NoAnswer, Severity::Error)]);
}

#[test]
fn silence_on_both_ports_alone_is_no_dead_host() {
    let both = || [CGP, ICA].map(|port| silent(talk(&user(3), 50_000 + port, &vda(7), port)));
    let plain = [(Cause::NoAnswer, Severity::Error)];
    assert_eq!(causes(&problems(both())), plain, "a firewall may drop both");
    // It is up: it answered elsewhere after that, or opens connections itself.
    let works = || session(talk(&user(3), 50_001, &vda(8), CGP));
    let elsewhere = opened(talk("10.70.0.1", 50_009, &vda(7), 3389).at(at(30)));
    let up = |found: Vec<Problem>| (causes(&found), found[0].params.get("servers_up").cloned());
    let expected = (plain.to_vec(), Some(Value::Word("all")));
    assert_eq!(up(problems(both().into_iter().chain([works(), elsewhere]))), expected);
    let itself = opened(talk(&vda(7), 50_009, "10.1.8.1", 80).at(at(30)));
    assert_eq!(up(problems(both().into_iter().chain([works(), itself]))), expected);
    assert_eq!(causes(&problems(both().into_iter().chain([works()])))[..1], [(Cause::HostDown, Severity::Error)]);
}

#[test]
fn a_host_that_is_found_on_its_link_is_not_down() {
    let both = || [CGP, ICA].map(|port| silent(talk(&user(3), 50_000 + port, &vda(7), port).at(at(60))));
    let works = || session(talk(&user(3), 50_001, &vda(8), CGP).at(at(60)));
    let cause = |second| {
        let found = asked_and_answered([10, 1, 9, 7], at(second));
        problems(both().into_iter().chain([works(), found]))[0].cause
    };
    assert_eq!(cause(60), Cause::NoAnswer, "asked for before the first try");
    assert_eq!(cause(70), Cause::NoAnswer, "between two tries");
    assert_eq!(cause(0), Cause::HostDown, "a minute before it is no sign of what is now");
}

#[test]
fn a_server_that_refuses_both_session_ports_has_no_service() {
    let to = |port| refused(talk(&user(3), 50_000 + port, &vda(7), port));
    let rdp = opened(talk(&user(9), 50_001, &vda(7), 3389));
    let found = problems([to(CGP), to(ICA), rdp]);
    let [down] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((down.cause, down.id.as_str()), (Cause::ServiceDown, "p-service-down-refused"));
    assert_eq!((down.findings.len(), down.attempts), (3, 2), "both ports, and the launch that failed");
    assert_eq!(Words::default().problem(down, [].iter()).title, "10.1.9.7: session service is down");
    assert_eq!(causes(&problems([to(CGP)])), [(Cause::Refused, Severity::Error)], "one port is not all");
    // Somebody else has sessions there: then it is no service that is down.
    let other = session(talk("10.70.0.1", 50_009, &vda(7), CGP));
    assert_eq!(causes(&problems([to(CGP), to(ICA), other])), [(Cause::Refused, Severity::Error)]);
}

/// A host that takes 10 ms behind three routers, three times; and a reset from a device that is nearer and faster.
fn known(host: &str) -> Vec<Captured> {
    let one = |number: u16| {
        let syn = talk(&user(3), 41_000 + number, host, 443).at(at(20 * i64::from(number))).syn();
        syn.wait(Span::millis(10)).syn_ack().with_ttl(125).ack().says(b"GET").answers(b"200").closed().packets()
    };
    merge((0..3).map(one))
}

fn reset_by_device(talk: Talk) -> Vec<Captured> {
    talk.syn().wait(Span::micros(300)).refused().with_window(0).with_ttl(62).with_id(0).packets()
}

#[test]
fn resets_of_a_device_are_no_dead_service() {
    let to = |port| reset_by_device(talk(&user(3), 50_000 + port, &vda(7), port).at(at(5)));
    let audited = audited([known(&vda(7)), to(CGP), to(ICA)]);
    let found = broken_problems(&audited);
    let [problem] = &found[..] else { panic!("{found:#?}") };
    assert_eq!(problem.cause, Cause::Refused);
    assert_eq!(problem.culprit.as_ref().map(|culprit| culprit.kind), Some(Suspect::Middlebox));
    let remedy = Words::default().problem(problem, findings_of(&audited).iter()).remedy;
    assert!(remedy.starts_with("Look for a firewall or load balancer on the way that answers with resets"), "{remedy}");
    // The server's own resets are its own.
    let own = |port: u16| talk(&user(3), 50_000 + port, &vda(7), port).at(at(5)).syn().wait(Span::millis(10)).refused();
    let own = |port| own(port).with_ttl(125).packets();
    assert_eq!(causes(&problems([known(&vda(7)), own(CGP), own(ICA)])), [(Cause::ServiceDown, Severity::Error)]);
}

#[test]
fn a_reset_that_a_device_may_have_sent_is_no_sign_of_life() {
    let dead = [CGP, ICA].map(|port| silent(talk(&user(3), 50_000 + port, &vda(7), port)));
    let beside = session(talk(&user(3), 50_001, &vda(8), CGP).at(at(20)));
    let reset = reset_by_device(talk("10.70.0.1", 50_009, &vda(7), CGP).at(at(30)));
    let found = problems(dead.into_iter().chain([beside, reset]));
    assert!(found.iter().all(|problem| problem.cause != Cause::ServiceDown), "{found:#?}");
    let silent = found.iter().find(|problem| problem.cause == Cause::NoAnswer).expect("it is silent");
    assert_eq!(silent.params.get("servers_up"), Some(&Value::Word("none")));
}

#[test]
fn what_fails_beside_an_outage_that_is_over_is_over_as_well() {
    let down = silent(talk(&user(1), 50_000, &vda(1), CGP));
    let then = silent(talk(&user(1), 50_001, &vda(1), ICA).at(at(21)));
    let again = session(talk(&user(1), 50_002, &vda(1), CGP).at(at(60)));
    let found = problems([down.clone(), then.clone(), again.clone()]);
    assert_eq!(causes(&found), [(Cause::NoAnswer, Severity::Warning)], "{found:#?}");
    assert_eq!((found[0].trend, found[0].ports.len()), (Some(Trend::Over), 2));
    // Another client, or long after: that is no part of it.
    let other = silent(talk(&user(2), 50_001, &vda(1), ICA).at(at(21)));
    assert_eq!(causes(&problems([down.clone(), other, again.clone()]))[0], (Cause::NoAnswer, Severity::Error));
    let later = silent(talk(&user(1), 50_001, &vda(1), ICA).at(at(120)));
    assert_eq!(causes(&problems([down, later, again]))[0], (Cause::NoAnswer, Severity::Error));
}

#[test]
fn two_networks_kept_out_at_two_servers_are_two_problems() {
    let net = |net: u8| (1..=4).map(move |it| format!("10.64.{net}.{it}"));
    let tries = |from: u8, to: u8| net(from).map(move |user| silent(talk(&user, 50_000, &vda(to), CGP)));
    let works = |from: u8, to: u8| net(from).map(move |user| session(talk(&user, 50_001, &vda(to), CGP).at(at(4))));
    let found = problems(tries(1, 1).chain(tries(2, 2)).chain(works(1, 2)).chain(works(2, 1)));
    let told: Vec<_> = found
        .iter()
        .map(|it| (it.cause, shown(&it.servers), it.networks.iter().map(Range::short).collect::<Vec<_>>()))
        .collect();
    let expected = [(1, "10.64.1.0/24"), (2, "10.64.2.0/24")]
        .map(|(server, network)| (Cause::SubnetAgainstPort, vec![vda(server)], vec![network.to_string()]));
    assert_eq!(told, expected);
    let ids: Vec<&str> = found.iter().map(|problem| problem.id.as_str()).collect();
    assert_eq!(ids, ["p-subnet-against-port-tcp-2598-cgp", "p-subnet-against-port-tcp-2598-cgp-2"]);
}

#[test]
fn many_servers_that_one_client_does_not_hear_of_are_not_down() {
    let tries = |user: &str, servers: std::ops::RangeInclusive<u8>| {
        let pairs = servers.flat_map(|it| [CGP, ICA].map(|port| (it, port)));
        pairs.map(|(it, port)| silent(talk(user, port, &vda(it), port))).collect::<Vec<_>>()
    };
    let works = || (10..=20).map(|it| session(talk(&user(1), 50_001, &vda(it), CGP).at(at(20))));
    assert_eq!(causes(&problems(tries(&user(1), 1..=4).into_iter().chain(works())))[0].0, Cause::NoAnswer);
    assert_eq!(causes(&problems(tries(&user(1), 1..=3).into_iter().chain(works())))[0].0, Cause::HostDown);
    let two = tries(&user(1), 1..=4).into_iter().chain(tries(&user(2), 1..=4)).chain(works());
    assert_eq!(causes(&problems(two))[0].0, Cause::HostDown);
    // More than half of those that are known.
    let few = works().take(1).chain(tries(&user(1), 1..=2));
    assert_eq!(causes(&problems(few))[0].0, Cause::NoAnswer);
}

#[test]
fn a_host_that_was_heard_before_gives_no_sign_of_life_any_more() {
    let dead = [CGP, ICA].map(|port| silent(talk(&user(3), 50_000 + port, &vda(7), port).at(at(30))));
    let beside = session(talk(&user(3), 50_001, &vda(8), CGP).at(at(40)));
    let before = session(talk(&user(3), 50_002, &vda(7), CGP));
    let title = |found: Vec<Problem>| Words::default().problem(&found[0], [].iter()).title;
    let never = title(problems(dead.clone().into_iter().chain([beside.clone()])));
    assert_eq!(never, "10.1.9.7: no sign of life");
    let since = title(problems(dead.into_iter().chain([beside, before])));
    assert_eq!(since, "10.1.9.7: no sign of life any more");
}

#[test]
fn a_rule_that_was_removed_is_over() {
    let hit = (1..=4).map(|it| silent(talk(&format!("10.64.7.{it}"), 50_000, &vda(it), CGP)));
    let others = (1..=4).map(|it| session(talk("10.4.0.1", 50_001, &vda(it), CGP).at(at(2))));
    let later = |second: i64| {
        (1..=4).map(move |it| session(talk(&format!("10.64.7.{it}"), 50_002, &vda(5 - it), CGP).at(at(second))))
    };
    let trend = |found: Vec<Problem>| (found[0].cause, found[0].trend);
    assert_eq!(trend(problems(hit.clone().chain(others.clone()))), (Cause::SubnetAgainstPort, None));
    let over = problems(hit.clone().chain(others.clone()).chain(later(60)));
    assert_eq!(trend(over.clone()), (Cause::SubnetAgainstPort, Some(Trend::Over)));
    let remedy = Words::default().problem(&over[0], [].iter()).remedy;
    assert!(remedy.starts_with("Most of these clients were answered there after the last try in vain"), "{remedy}");
    // What they had before as well says nothing.
    let always = problems(hit.chain(others).chain(later(-60)).chain(later(60)));
    assert_eq!(always[0].trend, None);
}

#[test]
fn a_network_that_is_not_let_through_is_told_with_those_who_are() {
    let hit = (1..=6).map(|it| silent(talk(&format!("10.64.7.{it}"), 50_000, &vda(it % 3 + 1), CGP)));
    let works = (1..=9).map(|it| session(talk(&format!("10.4.0.{it}"), 50_001, &vda(it % 3 + 1), CGP)));
    let found = problems(hit.chain(works));
    let [problem] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((problem.cause, problem.id.as_str()), (Cause::SubnetAgainstPort, "p-subnet-against-port-tcp-2598-cgp"));
    assert_eq!(problem.networks.iter().map(Range::short).collect::<Vec<_>>(), ["10.64.7.0/24"]);
    assert_eq!(
        (shown(&problem.clients), shown(&problem.servers)),
        (vec!["10.64.7.1-6".to_string()], vec!["10.1.9.1-3".to_string()])
    );
    assert_eq!((problem.confidence, problem.servers_answered), (Confidence::High, Some(3)));
    let [works] = &problem.works[..] else { panic!("{problem:#?}") };
    assert_eq!(
        (works.contrast, works.flows, shown(&works.clients)),
        (Contrast::OtherClients, 9, vec!["10.4.0.1-9".to_string()])
    );
    let texts = Words::default().problem(problem, [].iter());
    assert_eq!(texts.title, "TCP 2598 (session reliability): blocked for 10.64.7.0/24");
    assert!(texts.remedy.starts_with("Allow TCP 2598 from 10.64.7.0/24 to 10.1.9.1-3"), "{}", texts.remedy);
    let lines = Words::default().problem_lines(problem, 6);
    assert_eq!(lines.works, ["from 10.4.0.1-9: 9 flows on the same servers and port"]);
    let clients = lines.clients.expect("it has clients");
    assert_eq!(
        (clients.hosts.as_str(), clients.remark.as_str()),
        ("10.64.7.0/24", "6 clients, all that were seen from there")
    );
}

#[test]
fn a_network_is_found_over_all_servers_together() {
    // One client of the network at each server, and a seventh server that nobody else tried.
    let hit = (1..=7).map(|it| silent(talk(&format!("10.64.7.{it}"), 50_000, &vda(it), CGP)));
    let works = || (1..=6).map(|it| session(talk("10.4.0.1", 50_001, &vda(it), CGP)));
    let found = problems(hit.clone().chain(works()));
    let [problem, untold] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((problem.cause, shown(&problem.servers)), (Cause::SubnetAgainstPort, vec!["10.1.9.1-6".to_string()]));
    assert_eq!((problem.servers_answered, problem.confidence), (Some(6), Confidence::Medium));
    // That one may as well be down.
    assert_eq!((untold.cause, shown(&untold.servers)), (Cause::NoAnswer, vec![vda(7)]));
    // A client of another network that fails at a server that answers others is no part of it.
    let stranger = silent(talk("10.70.3.1", 50_000, &vda(9), CGP));
    let other = session(talk("10.4.0.1", 50_001, &vda(9), CGP));
    let found = problems(hit.chain(works()).chain([stranger, other]));
    assert_eq!(causes(&found), [(Cause::SubnetAgainstPort, Severity::Error), (Cause::NoAnswer, Severity::Error)]);
}

#[test]
fn a_host_that_a_router_does_not_find_is_down_where_its_neighbours_answer() {
    let told = |code: u8, port: u16| {
        let talk = talk(&user(3), 50_000 + port, &vda(7), port).syn().error_about(Who::Client, "10.64.0.254", 3, code);
        talk.wait(Span::seconds(3)).syn_again().error_about(Who::Client, "10.64.0.254", 3, code).packets()
    };
    let beside = || session(talk(&user(3), 50_001, &vda(8), CGP));
    let found = problems([told(1, CGP), told(1, ICA), beside()]);
    assert_eq!(causes(&found), [(Cause::HostDown, Severity::Error)]);
    assert_eq!(found[0].id, "p-host-down-unreachable");
    // A whole network without a route, or no neighbour that answers, is no dead host.
    let plain = [(Cause::Prohibited, Severity::Error); 2];
    assert_eq!(causes(&problems([told(0, CGP), told(0, ICA), beside()])), plain);
    assert_eq!(causes(&problems([told(1, CGP), told(1, ICA)])), plain);
}

#[test]
fn one_client_of_the_network_that_works_is_enough_against_it() {
    let hit = || (1..=6).map(|it| silent(talk(&format!("10.64.7.{it}"), 50_000, &vda(1), CGP)));
    let from = |address: &str| session(talk(address, 50_001, &vda(1), CGP));
    let found = problems(hit().chain([from("10.4.0.1"), from("10.64.7.4")]));
    assert_eq!(found[0].cause, Cause::NoAnswer, "one of those that are hit works as well");
    let found = problems(hit().chain([from("10.4.0.1"), from("10.64.7.3"), from("10.64.7.9")]));
    assert_eq!(found[0].cause, Cause::NoAnswer);
    // Whoever was answered before it began is no contrast to these clients, but one in time.
    let before = session(talk("10.4.0.1", 50_001, &vda(1), CGP).at(at(-300)));
    let found = problems(hit().chain([before]));
    let told: Vec<_> = found[0].works.iter().map(|works| (works.contrast, works.until)).collect();
    assert_eq!((found[0].cause, told), (Cause::NoAnswer, vec![(Contrast::Earlier, Some(at(-300)))]));
}

#[test]
fn what_works_again_is_over_and_no_error_is_made_of_it() {
    let over = silent(talk(&user(1), 50_000, &vda(1), CGP));
    let again = session(talk(&user(1), 50_001, &vda(1), CGP).at(at(40)));
    let failing = silent(talk(&user(2), 50_000, &vda(2), CGP));
    let found = problems([over, again, failing]);
    assert_eq!(causes(&found), [(Cause::NoAnswer, Severity::Error), (Cause::NoAnswer, Severity::Warning)]);
    assert_eq!((found[0].trend, found[1].trend), (Some(Trend::Once), Some(Trend::Over)));
    assert_eq!((shown(&found[0].servers), shown(&found[1].servers)), (vec![vda(2)], vec![vda(1)]));
    assert_eq!(found[1].id, "p-no-answer-tcp-2598-cgp-over");
    let texts = Words::default().problem(&found[1], [].iter());
    assert_eq!(texts.title, "TCP 2598 (session reliability): no answer, works again");
    assert!(texts.remedy.starts_with("No firewall rule is missing now."), "{}", texts.remedy);
}

#[test]
fn a_scan_is_one_problem_and_hides_no_block() {
    let scan = (1..=90).map(|it| refused(talk("10.0.0.66", 40_001, &format!("10.0.3.{it}"), CGP)));
    let blocked = silent(talk(&user(1), 50_000, &vda(1), CGP));
    let found = problems(scan.chain([blocked]));
    assert_eq!(causes(&found), [(Cause::NoAnswer, Severity::Error), (Cause::Scan, Severity::Warning)]);
    assert_eq!((found[1].attempts, shown(&found[1].servers)), (90, vec!["10.0.3.1-90".to_string()]));
    assert_eq!(Words::default().problem(&found[1], [].iter()).title, "Scan by 10.0.0.66: 1 port, 90 servers");
}

#[test]
fn a_fallback_is_part_of_its_block() {
    let blocked = silent(talk(&user(1), 50_000, &vda(1), CGP));
    let ica = talk(&user(1), 50_001, &vda(1), ICA).at(at(12)).opened();
    let ica = ica.answers(b"\x7f\x7fICA\0").says(b"\x7f\x7fICA\0").wait(Span::seconds(20)).closed().packets();
    let audited = audited([blocked, ica]);
    let (findings, problems) = (findings_of(&audited), broken_problems(&audited));
    let [problem] = &problems[..] else { panic!("{problems:#?}") };
    let codes: Vec<&str> = problem.findings.iter().map(|&place| findings[place].code).collect();
    assert_eq!(codes, ["blocked.silent", "fallback.cgp-to-ica", "launch.slow"]);
    assert_eq!(problem.attempts, 1, "a session that took another way is no attempt of the block");
    let texts = Words::default().problem(problem, findings.iter());
    // The session came about after a search of twelve seconds; no launch failed.
    let told = "1 session runs on TCP 1494 instead. Launches take 12 s longer.";
    assert!(texts.meaning.ends_with(told), "{}", texts.meaning);
}

#[test]
fn a_trend_needs_many_moments() {
    let tries = |moments: &[i64]| {
        let each = |(number, &moment): (usize, &i64)| {
            refused(talk(&user(1), 50_000 + number as u16, &vda(1), CGP).at(at(moment)))
        };
        let found = problems(moments.iter().enumerate().map(each));
        assert_eq!(found.len(), 1);
        found[0].trend
    };
    let even: Vec<i64> = (0..24).map(|it| it * 5).collect();
    let late: Vec<i64> = [0].into_iter().chain((0..23).map(|it| 97 + it)).collect();
    let early: Vec<i64> = (0..23).chain([120]).collect();
    assert_eq!(tries(&[7]), Some(Trend::Once));
    assert_eq!(tries(&even), Some(Trend::Steady));
    assert_eq!(tries(&late), Some(Trend::Growing));
    assert_eq!(tries(&early), Some(Trend::Fading));
    assert_eq!(tries(&late[..6]), None, "six say nothing");
}

#[test]
fn what_is_not_tried_again_for_long_has_ceased() {
    let tries = || (0..3).map(|it| silent(talk(&user(1), 50_000 + it, &vda(1), CGP).at(at(20 * i64::from(it)))));
    let later = |seconds: i64| session(talk(&user(1), 51_000, &vda(2), CGP).at(at(seconds)));
    let trend = |found: &[Problem]| found[0].trend;
    assert_eq!(trend(&problems(tries().chain([later(700)]))), Some(Trend::Ceased));
    assert_eq!(trend(&problems(tries().chain([later(500)]))), None, "that is not long");
    let other = session(talk(&user(2), 51_000, &vda(2), CGP).at(at(900)));
    assert_eq!(trend(&problems(tries().chain([other]))), None, "somebody else went on");
}

#[test]
fn ids_stay_when_the_capture_grows() {
    let blocked = |range: std::ops::RangeInclusive<u8>| {
        range.flat_map(|it| {
            let (from, to) = (user(it), vda(it));
            [silent(talk(&from, 50_000, &to, CGP)), refused(talk(&from, 50_000, &vda(it + 100), ICA))]
        })
    };
    let ids = |problems: &[Problem]| problems.iter().map(|problem| problem.id.clone()).collect::<BTreeSet<_>>();
    let small = ids(&problems(blocked(1..=2)));
    assert_eq!(small, ["p-no-answer-tcp-2598-cgp", "p-refused-tcp-1494-ica"].map(String::from).into());
    let open = session(talk(&user(60), 50_001, &vda(60), CGP).at(at(60)));
    let over = silent(talk(&user(60), 50_000, &vda(60), CGP));
    let large = ids(&problems(blocked(1..=30).chain([over, open])));
    assert!(large.is_superset(&small) && large.len() == 3, "{large:?}");
}

#[test]
fn the_order_is_severity_then_people_then_attempts() {
    let many = (1..=9).map(|it| refused(talk(&user(it), 50_000, &vda(1), ICA)));
    let few = (0..20).map(|it| refused(talk(&user(1), 51_000 + it, &vda(2), 7_279)));
    let generic = (1..=30).map(|it| silent(talk(&user(it), 50_000, &vda(3), 443)));
    let found = problems(many.chain(few).chain(generic));
    let told: Vec<(Severity, usize)> =
        found.iter().map(|problem| (problem.severity, problem.clients.count())).collect();
    assert_eq!(told, [(Severity::Error, 9), (Severity::Error, 1), (Severity::Warning, 30)]);
}

/// A mix with what its maker says: silence on 2598 of 10.1.9.x, refusals on 1494 of 10.1.10.x, and nothing else wrong.
#[test]
fn a_mix_has_the_two_problems_that_were_made() {
    for seed in 1..=5 {
        let mix = Mix { packets: 36_000, flows: 6_000, seed, ..Mix::default() };
        let mut traffic = mix.traffic().expect("the mix is possible");
        let mut packets: Vec<Captured> = Vec::new();
        while let Some((at, bytes)) = traffic.packet() {
            packets.push((at, LinkType::ETHERNET, bytes.len() as u32, bytes.to_vec()));
        }
        let flows_of = |conduct: Conduct| traffic.promise().flows_that(|known| known == conduct);
        let mut told = Vec::new();
        for workers in [1, 3] {
            let options = Options { workers, ..keeping() };
            let mut source = [MemorySource::new(packets.clone(), 256)];
            let audited = Audited::of(run(&mut source, &citrix(), options).expect("memory can be read"));
            let (findings, problems) = (findings_of(&audited), broken_problems(&audited));
            each_finding_once(&findings, &problems);
            let hosts = |port: u16, network: u8| -> (BTreeSet<_>, BTreeSet<_>) {
                let of = audited
                    .flows
                    .iter()
                    .map(|flow| &flow.record)
                    .filter(|flow| flow.server.port == port && flow.server.address.wire_bytes()[2] == network);
                of.map(|flow| (flow.client.address, flow.server.address)).unzip()
            };
            let [silent, refused] = &problems[..] else { panic!("seed {seed}: {problems:#?}") };
            assert_eq!((silent.cause, refused.cause), (Cause::NoAnswer, Cause::Refused));
            for (problem, conduct, port, network) in
                [(silent, Conduct::Silent, CGP, 9), (refused, Conduct::Refused, ICA, 10)]
            {
                assert_eq!(SERVICES[usize::from(network)].conduct, conduct);
                let (clients, servers) = hosts(port, network);
                assert_eq!(problem.attempts, flows_of(conduct), "seed {seed}");
                assert!(problem.clients.iter().eq(clients) && problem.servers.iter().eq(servers), "seed {seed}");
                assert_eq!((problem.ports.clone(), problem.severity), (vec![(Transport::Tcp, port)], Severity::Error));
                assert_eq!(problem.trend, Some(Trend::Steady));
                // The same clients have sessions on the same port of the servers of that service that works.
                let working = if port == CGP { 0 } else { 1 };
                let (mut same, mut others) = (0, 0);
                for flow in audited.flows.iter().map(|flow| &flow.record).filter(|flow| flow.protocol == protocol::TCP)
                {
                    if flow.server.port == port && flow.server.address.wire_bytes()[2] == working {
                        *(if problem.clients.contains(flow.client.address) { &mut same } else { &mut others }) += 1;
                    }
                }
                let mut expected = vec![(Contrast::OtherServers, same), (Contrast::Elsewhere, others)];
                expected.retain(|(_, flows)| *flows > 0);
                let works: Vec<(Contrast, u64)> = problem.works.iter().map(|it| (it.contrast, it.flows)).collect();
                assert_eq!(works, expected, "seed {seed}");
                let servers = problem.works.iter().flat_map(|works| works.servers.iter());
                assert!(servers.map(|server| server.wire_bytes()[2]).all(|network| network == working));
            }
            told.push(problems);
        }
        assert!(told[0] == told[1], "the number of workers changes nothing");
    }
}

/// A session that says nothing for a time; then the client repeats what it says in vain.
fn dies(number: u8, idle: i64) -> Vec<Captured> {
    let mut talk = talk(&user(number), 50_000, &vda(number), CGP).opened().says(CGP_GREETING).answers(CGP_GREETING);
    talk = talk.wait(Span::seconds(idle)).says(b"key");
    for pause in [300, 600, 1_200, 2_400, 4_800, 9_600] {
        talk = talk.wait(Span::millis(pause)).repeats(Who::Client);
    }
    talk.packets()
}

#[test]
fn sessions_of_different_servers_that_die_after_the_same_time_point_to_a_timer() {
    let found = |idle: &[i64]| {
        let talks = idle.iter().zip(1..).map(|(&idle, number)| dies(number, idle));
        let audited = audit(merge(talks.chain([meanwhile(at(7_200))])));
        let (findings, problems) = (findings_of(&audited), broken_problems(&audited));
        each_finding_once(&findings, &problems);
        let title = |problem: &Problem| Words::default().problem(problem, findings.iter()).title;
        problems.iter().map(|problem| (problem.cause, problem.attempts, title(problem))).collect::<Vec<_>>()
    };
    let timer = "TCP 2598 (session reliability): idle sessions break after 30 min".to_string();
    assert_eq!(found(&[1_800, 1_810, 1_790]), [(Cause::IdleTimeout, 3, timer.clone())]);
    let died = "TCP 2598 (session reliability): sessions died".to_string();
    assert_eq!(found(&[1_800, 3_000]), [(Cause::SessionDied, 2, died.clone())], "two times are no timer");
    let two = found(&[1_800, 1_810, 600, 3_000]);
    assert_eq!(two, [(Cause::SessionDied, 4, died.clone())], "two equal times may be chance");
    let both = found(&[1_800, 1_810, 1_790, 600, 3_000]);
    assert_eq!(both, [(Cause::IdleTimeout, 3, timer), (Cause::SessionDied, 2, died)]);
}

/// A closed port answers TCP with a reset (RFC 9293, 3.10.7.1) and a datagram with "port unreachable" (RFC 1122, 4.1.3.1); nftables and
/// iptables reject both with "port unreachable" unless told otherwise.
#[test]
fn port_unreachable_means_a_rule_to_tcp_and_no_program_to_udp() {
    let cause = |talk: Talk, sender: &str| {
        let found = problems([talk.error(sender, 3, 3).packets()]);
        let [problem] = &found[..] else { panic!("{found:#?}") };
        let texts = Words::default().problem(problem, [].iter());
        (problem.cause, problem.params.get("cause").cloned(), texts)
    };
    let tcp = || talk(&user(1), 50_000, &vda(1), CGP).syn();
    let (told, word, texts) = cause(tcp(), &vda(1));
    assert_eq!((told, word), (Cause::Prohibited, Some(Value::Word("server-policy"))));
    assert_eq!(texts.title, "TCP 2598 (session reliability): rejected by the server");
    assert!(texts.remedy.contains("in the firewall on 10.1.9.1 itself"), "{}", texts.remedy);
    assert_eq!(cause(tcp(), "10.1.9.254").1, Some(Value::Word("device-policy")));
    let udp = Talk::udp(client(&user(1), 50_000), server(&vda(1), CGP)).at(BEGIN).says(b"\x80\0\0\0");
    assert_eq!(cause(udp, &vda(1)).1, Some(Value::Word("nothing-listens")));
}

/// The ways of one launch: the ports that a client tries one after the other.
fn launch(user_number: u8, server: u8, ways: &[u16]) -> Vec<Vec<Captured>> {
    let to = |(&port, step): (&u16, i64)| {
        silent(talk(&user(user_number), 50_000 + port, &vda(server), port).at(at(step * 9)))
    };
    ways.iter().zip(0..).map(to).collect()
}

#[test]
fn the_ports_of_launches_that_fail_are_one_problem() {
    let hit = |ways: &[u16]| (1..=10).flat_map(|it| launch(it, it % 5 + 1, ways)).collect::<Vec<_>>();
    let found = problems(hit(&[CGP, ICA]));
    let [problem] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((problem.cause, problem.attempts), (Cause::NoAnswer, 20));
    assert_eq!(problem.ports, [(Transport::Tcp, ICA), (Transport::Tcp, CGP)]);
    // That of the port that was tried first, so that it stays while others come.
    assert_eq!(problem.id, "p-no-answer-tcp-2598-cgp");
    let texts = Words::default().problem(problem, [].iter());
    assert_eq!(texts.title, "TCP 1494, 2598: no answer");
    assert_eq!(texts.meaning.matches("Launches failed for 10 clients.").count(), 1, "{}", texts.meaning);
    assert!(!texts.meaning.contains("if that is open"), "the other port is blocked as well: {}", texts.meaning);
    // One client in ten more, or one server: still the same.
    let found = problems(hit(&[CGP, ICA]).into_iter().chain(launch(11, 1, &[CGP])));
    assert_eq!(found.len(), 1, "{found:#?}");
    // Others, who did not try the second port: two problems.
    let others = (11..=14).flat_map(|it| launch(it, it % 5 + 1, &[CGP]));
    let found = problems(hit(&[CGP, ICA]).into_iter().chain(others));
    assert_eq!(causes(&found), [(Cause::NoAnswer, Severity::Error); 2]);
    // Another kind is another problem, whoever is hit.
    let refused = (1..=10).map(|it| refused(talk(&user(it), 52_000, &vda(it % 5 + 1), ICA).at(at(9))));
    let mut kinds: Vec<Cause> =
        problems(hit(&[CGP]).into_iter().chain(refused)).iter().map(|problem| problem.cause).collect();
    kinds.sort();
    assert_eq!(kinds, [Cause::NoAnswer, Cause::Refused]);
    // A port that is none of sessions stands for itself.
    let found = problems(hit(&[CGP, 8_082]));
    assert!(found.iter().all(|problem| problem.ports.len() == 1), "{found:#?}");
}

#[test]
fn nobody_is_told_to_look_whether_a_server_is_up_that_was_heard() {
    let blocked = || silent(talk(&user(1), 50_000, &vda(1), CGP));
    let told = |talks: Vec<Vec<Captured>>| {
        let found = problems(talks);
        let [problem] = &found[..] else { panic!("{found:#?}") };
        let texts = Words::default().problem(problem, [].iter());
        let up = problem.params.get("servers_up").cloned();
        (up, format!("{} {}", texts.meaning, texts.remedy))
    };
    let (up, never) = told(vec![blocked()]);
    assert!(up == Some(Value::Word("none")) && never.contains("check that this server is up"), "{never}");
    // On another port: long before, right before, and on this one.
    let rdp = |second| opened(talk(&user(9), 50_001, &vda(1), 3389).at(at(second)));
    let this = || session(talk(&user(9), 50_001, &vda(1), CGP).at(at(-90)));
    for (word, life) in [("before", rdp(-90)), ("all", rdp(-6)), ("answered", this())] {
        let (up, text) = told(vec![life, blocked()]);
        assert_eq!(up, Some(Value::Word(word)));
        assert!(!text.contains("server is up.") && !text.contains("is down"), "{word}: {text}");
    }
}

/// In JSON findings name their problems and problems their findings, for every fixture.
#[test]
fn findings_and_problems_name_each_other_in_json() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for folder in std::fs::read_dir(root).expect("the fixtures are there") {
        let folder = folder.expect("it can be listed").path();
        let captures = ["capture.pcap", "capture.pcapng"].map(|name| folder.join(name));
        let Some(capture) = captures.iter().find(|path| path.exists()) else { continue };
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_cap-audit"));
        let output = program.args(["file", "--format", "json"]).arg(capture).output().expect("the program runs");
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
        let list = |name: &str| told[name].as_array().expect("a list").clone();
        let mut ids = BTreeSet::new();
        for (place, problem) in list("problems").iter().enumerate() {
            assert_eq!(problem["rank"], place + 1);
            assert!(ids.insert(problem["id"].to_string()), "{}: {}", folder.display(), problem["id"]);
        }
        for finding in list("findings") {
            let named: Vec<serde_json::Value> = list("problems")
                .into_iter()
                .filter(|problem| problem["findings"].as_array().expect("a list").contains(&finding["id"]))
                .map(|problem| problem["id"].clone())
                .collect();
            let of_capture = finding["code"].as_str().is_some_and(|code| code.starts_with("quality."));
            let expected = if of_capture { Vec::new() } else { vec![finding["problem"].clone()] };
            assert_eq!(named, expected, "{}: {}", folder.display(), finding["id"]);
            assert!(of_capture == finding["problem"].is_null() && finding.get("problem").is_some());
        }
    }
}
