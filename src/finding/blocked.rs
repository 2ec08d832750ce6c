//! Conversations that did not come about: silence, refusal, prohibition, half a handshake, an early reset.

use super::detour::is_replaced;
use super::fallback::may_be_rendezvous;
use super::scene::{Attempts, Group, Scene, Tie};
use super::story::is_unneeded;
use super::{Check, Confidence, Finding, IcmpFamily, IcmpKind, Params, Severity, Value};
use crate::flow::{AT_ONCE, GRACE};
use crate::judge::{Outcome, Sign};
use crate::ledger::Pair;
use crate::matching::ServiceRef;
use crate::packet::Address;
use crate::time::Span;
use crate::transport::Transport;
use std::collections::BTreeSet;

pub(super) const CHECKS: &[Check] = &[
    Check {
        code: "blocked.silent",
        raised: "the client tried often and long enough and nothing came back",
        source: "CTX220732, CTX128115, CTX233032",
        params: &[
            "advice",
            "again",
            "consequence",
            "remarks",
            "service_title",
            "tries",
            "unanswered_arp",
            "watched",
            "worked",
        ],
        look: |check, scene, found| look(check, scene, found, Outcome::Silent),
    },
    Check {
        code: "blocked.refused",
        raised: "a reset answered the first SYN",
        source: "CTX220732; RFC 9293, 3.10.7",
        params: &["advice", "again", "consequence", "remarks", "service_title", "worked"],
        look: |check, scene, found| look(check, scene, found, Outcome::Refused),
    },
    Check {
        code: "blocked.prohibited",
        raised: "an ICMP or ICMPv6 unreachable quotes the flow",
        source: "RFC 792, RFC 1812 5.2.7.1, RFC 4443 3.1",
        params: &["advice", "again", "cause", "consequence", "errors", "remarks", "senders", "service_title", "worked"],
        look: |check, scene, found| look(check, scene, found, Outcome::Prohibited),
    },
    Check {
        code: "blocked.half-open",
        raised: "the server answers the SYN again and again and the client's ACK never comes",
        source: "RFC 9293, 3.5",
        params: &["advice", "again", "consequence", "remarks", "service_title", "worked"],
        look: |check, scene, found| look(check, scene, found, Outcome::HalfOpen),
    },
    Check {
        code: "blocked.reset-early",
        raised: "the server's side resets soon after the handshake, before the server said anything",
        source: "CTX696422",
        params: &[
            "advice",
            "after",
            "after_longest",
            "after_shortest",
            "again",
            "consequence",
            "remarks",
            "service_title",
            "worked",
        ],
        look: |check, scene, found| look(check, scene, found, Outcome::ResetEarly),
    },
];

fn look(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>, outcome: Outcome) {
    for (_, group) in scene.groups(|sign| sign == Sign::Blocked(outcome)) {
        let doubts = Doubts::of(scene, &group, outcome);
        let severity = if doubts.neighbour {
            Severity::Info
        } else if group.generic || doubts.any() {
            Severity::Warning
        } else {
            Severity::Error
        };
        let mut finding = group.finding(check, scene, severity, confidence(&group, outcome, &doubts));
        finding.params = params(scene, &group, outcome, &doubts);
        found.push(finding);
    }
}

/// What the texts name: the service, what speaks against a rule in a firewall, and what shows this outcome.
fn params(scene: &Scene<'_>, group: &Group<'_>, outcome: Outcome, doubts: &Doubts) -> Params {
    let consequence = match group.service {
        Some(ServiceRef::One(service)) => scene.map.service(service).blocked.clone(),
        Some(ServiceRef::Shared(_)) | None => None,
    };
    let mut remarks = Vec::new();
    if group.generic {
        // A name of Citrix says more than the port.
        remarks.extend((scene.tie(group.server) != Some(Tie::Name)).then_some("generic-port"));
    } else if doubts.worked == 0 && !doubts.neighbour && !doubts.unneeded && !doubts.replaced {
        remarks.push(if consequence.is_some() { "consequence" } else { "service-fails" });
    }
    remarks.extend(doubts.replaced.then_some("next-server"));
    remarks.extend(doubts.unneeded.then_some("only-where-used"));
    remarks.extend((doubts.worked > 0).then_some("port-is-open"));
    remarks.extend((doubts.again > 0).then_some("open-to-some"));
    remarks.extend(doubts.old_session.then_some("old-session"));
    remarks.extend(doubts.both_public.then_some("both-public"));
    remarks.extend(doubts.neighbour.then_some("neighbour"));
    remarks.extend(doubts.forgotten.then_some("answers-unknown"));
    remarks.extend(doubts.one_direction.then_some("one-direction"));
    remarks.extend(doubts.lossy.then_some("lossy"));
    remarks.extend(doubts.leapt.then_some("clock-leaps"));
    let neighbours = &scene.ledger.neighbours;
    let asked_for = || neighbours.unanswered(group.server, group.seen.first, group.seen.last);
    let unanswered = if outcome == Outcome::Silent { asked_for() } else { 0 };
    remarks.extend((unanswered > 0).then_some("host-down"));
    remarks.extend(may_be_rendezvous(scene, group, outcome).then_some("maybe-rendezvous"));
    let mut params = Params::from([
        ("service_title", Value::Service(scene.service_title(group.place))),
        ("worked", Value::Number(doubts.worked)),
        ("again", Value::Number(doubts.again)),
        ("advice", Value::Word(doubts.advice())),
    ]);
    if let Some(sentence) = consequence.filter(|_| remarks.contains(&"consequence")) {
        params = params.with("consequence", Value::Sentence(sentence));
    }
    match outcome {
        Outcome::Silent => {
            params = params.with("tries", Value::Number(group.seen.tries));
            params = params.with("watched", Value::Duration(watched(scene, group)));
            params = params.with("unanswered_arp", Value::Number(unanswered));
        }
        Outcome::ResetEarly => {
            let (shortest, longest) = group.seen.reset_after.unwrap_or_default();
            let after = match () {
                () if longest <= AT_ONCE => "at-once",
                () if longest.0 - shortest.0 < Span::seconds(1).0 => "later",
                () => "between",
            };
            params = params.with("after", Value::Word(after));
            params = params.with("after_shortest", Value::Duration(shortest));
            params = params.with("after_longest", Value::Duration(longest));
        }
        Outcome::Prohibited => {
            params = params.with("cause", Value::Word(cause(group).name()));
            params = params.with("senders", Value::Addresses(senders(group).into_iter().collect()));
            params = params.with("errors", Value::Errors(errors(group).into_iter().collect()));
        }
        _ => {}
    }
    params.with("remarks", Value::Remarks(remarks))
}

/// How long nothing came back: from the first try to the last where no answer came in between, else as long as one try was watched.
fn watched(scene: &Scene<'_>, group: &Group<'_>) -> Span {
    let answers = |&client: &Address| scene.ledger.paths.answers(&group.path(client)?);
    let answered = group.clients.keys().filter_map(answers).any(|answers| answers.last >= group.seen.first);
    let whole = group.seen.last - group.seen.first;
    if answered || group.more_clients { group.seen.watched } else { group.seen.watched.max(whole) }
}

/// What speaks against a rule in a firewall.
struct Doubts {
    /// The capture holds one direction only between these hosts, so the answer may be something else than silence.
    one_direction: bool,
    /// What nobody saw may have been lost by the capture.
    lossy: bool,
    /// The clock leapt, or the capture stood still, before the first try was watched for long enough.
    leapt: bool,
    /// Handshakes of the same clients on this very path, where each of them got one after its last try.
    worked: u64,
    /// Clients that got an answer after their last try, where others did not.
    again: u64,
    /// A session that began before the tries goes on after them.
    old_session: bool,
    /// Client and server have public addresses, and lie in different networks.
    both_public: bool,
    /// Nothing else ties the hosts to Citrix, and the server is on the internet: most likely another program.
    neighbour: bool,
    /// Answers were left out because there were too many, so that one may have come after all.
    forgotten: bool,
    /// Not every site needs it, and nobody is seen to get through there.
    unneeded: bool,
    /// Each client asked the next server, which answered.
    replaced: bool,
}

impl Doubts {
    fn of(scene: &Scene<'_>, group: &Group<'_>, outcome: Outcome) -> Doubts {
        let absence = matches!(outcome, Outcome::Silent | Outcome::HalfOpen);
        let one_direction =
            |&client: &Address| scene.ledger.visibility.is_one_direction(Some(Pair::of(client, group.server)));
        let again: Vec<u64> =
            group.clients.keys().filter_map(|&client| scene.answered_again(client, group, outcome)).collect();
        let all_again = again.len() == group.clients.len() && !group.more_clients;
        let lives_on = |(&client, attempts): (&Address, &Attempts)| {
            let works = scene.works(client, group);
            works.is_some_and(|working| working.first < attempts.first && working.last > attempts.last)
        };
        let from_outside = |&client: &Address| group.path(client).is_some_and(|path| path.comes_from_outside());
        let both_public = group.server.is_public() && group.clients.keys().all(from_outside);
        Doubts {
            one_direction: outcome == Outcome::Silent && group.clients.keys().all(one_direction),
            lossy: absence && scene.may_have_lost(group.seen.first, group.seen.last),
            leapt: absence && scene.leaps(group.seen.first, group.seen.first + GRACE),
            worked: if all_again { again.iter().sum() } else { 0 },
            again: if all_again { 0 } else { again.len() as u64 },
            old_session: again.is_empty() && group.clients.iter().any(lives_on),
            both_public: both_public && scene.is_session_port(group),
            neighbour: group.server.is_public()
                && (group.transport == Transport::Udp || group.generic)
                && !scene.is_tied(group)
                && !scene.is_session_port(group),
            forgotten: again.is_empty() && scene.ledger.paths.may_lack_answers(group.generic),
            unneeded: is_unneeded(scene, group),
            replaced: outcome == Outcome::Silent && is_replaced(scene, group),
        }
    }

    fn any(&self) -> bool {
        self.one_direction
            || self.lossy
            || self.leapt
            || self.worked > 0
            || self.both_public
            || self.forgotten
            || self.unneeded
            || self.replaced
    }

    /// Which advice helps.
    fn advice(&self) -> &'static str {
        if self.worked > 0 {
            "look-at-times"
        } else if self.both_public {
            "only-your-own"
        } else {
            "allow"
        }
    }
}

fn confidence(group: &Group<'_>, outcome: Outcome, doubts: &Doubts) -> Confidence {
    match outcome {
        _ if doubts.one_direction || doubts.lossy || doubts.leapt || doubts.neighbour || doubts.forgotten => {
            Confidence::Low
        }
        Outcome::Refused => Confidence::High,
        Outcome::Prohibited if cause(group) != Cause::HostUnreachable => Confidence::High,
        Outcome::Silent | Outcome::HalfOpen if group.seen.is_firm() => Confidence::High,
        _ => Confidence::Medium,
    }
}

/// What the ICMP errors about a group mean together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// "Port unreachable" of the server itself for a datagram: no program, rather than a rule against it.
    NothingListens,
    /// No way to the host, or it does not answer on its network: a route, or the host is down.
    HostUnreachable,
    /// A rule on the server forbids it. To TCP a port where nothing listens answers with a reset (RFC 9293, 3.10.7.1), so "port
    /// unreachable" of the server itself is a packet filter's (facts FORGED-02).
    ServerPolicy,
    /// A rule on the way forbids it.
    DevicePolicy,
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Cause::NothingListens => "nothing-listens",
            Cause::HostUnreachable => "host-unreachable",
            Cause::ServerPolicy => "server-policy",
            Cause::DevicePolicy => "device-policy",
        }
    }
}

fn cause(group: &Group<'_>) -> Cause {
    let errors = &group.seen.errors;
    let closed = |&(v6, _, code, sender): &(bool, u8, u8, Address)| {
        group.transport == Transport::Udp && sender == group.server && code == if v6 { 4 } else { 3 }
    };
    // RFC 792 and RFC 1812: network, host and protocol unreachable, unknown or isolated; RFC 4443: no route, address.
    let no_way = |&(v6, _, code, _): &(bool, u8, u8, Address)| {
        if v6 { matches!(code, 0 | 2 | 3) } else { matches!(code, 0..=2 | 5..=8 | 11 | 12) }
    };
    let by_server = |&(.., sender): &(bool, u8, u8, Address)| sender == group.server;
    if errors.iter().all(closed) {
        Cause::NothingListens
    } else if errors.iter().all(no_way) {
        Cause::HostUnreachable
    } else if errors.iter().all(by_server) {
        Cause::ServerPolicy
    } else {
        Cause::DevicePolicy
    }
}

/// Who sent the ICMP errors.
fn senders(group: &Group<'_>) -> BTreeSet<Address> {
    group.seen.errors.iter().map(|&(.., sender)| sender).collect()
}

/// Which ICMP errors were sent.
fn errors(group: &Group<'_>) -> BTreeSet<IcmpKind> {
    let error = |&(v6, kind, code, _): &(bool, u8, u8, Address)| {
        let family = if v6 { IcmpFamily::Icmpv6 } else { IcmpFamily::Icmp };
        IcmpKind { family, kind, code }
    };
    group.seen.errors.iter().map(error).collect()
}
