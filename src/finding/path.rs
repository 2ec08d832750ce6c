//! What goes wrong on the way while a session runs.

use super::scene::{Group, Scene};
use super::session::{Timer, timers};
use super::{Check, Confidence, Finding, Params, Severity, Value};
use crate::packet::Address;
use crate::time::Span;

pub(super) const CHECKS: &[Check] = &[Check {
    code: "path.died",
    raised: "one side of a session repeated its data until it gave up, and the other was not heard of again",
    source: "RFC 9293, 3.8.3; RFC 5382, 5",
    params: &["back", "gone", "idle", "idle_longest", "idle_shortest", "service_title"],
    look,
}];

/// Maximum difference of idle times that are called equal: a timer and the moments at which a device looks at it.
const EQUAL: Span = Span::seconds(60);

/// Shorter than any time without traffic that is told.
const ABOUT: Span = Span::seconds(59);

fn look(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    let timers = timers(scene);
    for (group, died) in scene.deaths() {
        // All of them are told as what a timer ended.
        let told = |timer: &Timer<'_>| {
            let (shortest, longest) = timer.idle;
            let within = died.idle_for.is_some_and(|idle| shortest <= idle.0 && idle.1 <= longest);
            timer.port == (group.transport, group.port) && died.idle == group.seen.flows && within
        };
        if timers.iter().any(told) {
            continue;
        }
        let (first, last) = (group.seen.first, group.seen.last);
        // Where the clock leaps the idle time before is no idle time.
        if scene.may_have_lost(first, last) || scene.leaps(first, last) {
            continue;
        }
        let (shortest, longest) = died.idle_for.unwrap_or_default();
        let gone = match died.clients_gone {
            0 => "server",
            clients if clients == group.seen.flows => "client",
            _ => "either",
        };
        let idle = match died.idle {
            0 => "none",
            1 => "once",
            all if all == group.seen.flows && longest.0 - shortest.0 <= EQUAL.0 => "equal",
            _ => "different",
        };
        let back = group.clients.keys().filter(|client| died.idle > 0 && came_back(scene, &group, **client)).count();
        let mut finding = group.finding(check, scene, Severity::Warning, Confidence::Medium);
        finding.params = Params::from([
            ("back", Value::Number(back as u64)),
            ("gone", Value::Word(gone)),
            ("idle", Value::Word(idle)),
            ("idle_longest", Value::Duration(longest)),
            ("idle_shortest", Value::Duration(shortest)),
            ("service_title", Value::Service(scene.service_title(group.place))),
        ]);
        found.push(finding);
    }
}

/// A client was answered on another connection about when its session died, or later. It died after more than a minute without traffic,
/// so that this is no answer to the session itself.
fn came_back(scene: &Scene<'_>, group: &Group<'_>, client: Address) -> bool {
    let answers = group.path(client).and_then(|path| scene.ledger.paths.answers(&path));
    let died = group.clients.get(&client).map(|attempts| attempts.last);
    answers.zip(died).is_some_and(|(answers, died)| answers.flows > 1 && answers.last + ABOUT > died)
}
