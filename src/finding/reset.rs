//! Sessions that the server's side reset while they were in use. Of one alone that may be its ordinary end: many at one moment, or
//! users who came back at once, show that it was not.

use super::scene::Scene;
use super::session::{is_lossy, timers, together};
use super::{Check, Finding, Params, Value};
use crate::flow::PacketRef;
use crate::ledger::Ended;
use crate::packet::Address;
use crate::session::{Part, Session, Way};
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECKS: &[Check] = &[Check {
    code: "path.reset",
    raised: "the server's side reset three sessions or more in one second, or three whose clients came back within 180 seconds",
    source: "RFC 9293, 3.5.2; Citrix product documentation, Session reliability policy settings",
    params: &["at", "back", "idle", "others", "pattern", "sessions", "times", "together"],
    look,
}];

/// Minimum length of a session of which a reset is told: monitors and starts that fail are shorter.
const IN_USE: Span = Span::seconds(30);
/// What is reset within this time is reset at once.
const AT_ONCE: Span = Span::seconds(1);
/// Where others are reset in this time before or after as well, resets are how sessions end there.
const NEAR: Span = Span::seconds(60);
/// Minimum number of sessions, and of users: what one user does is no outage.
const SESSIONS: usize = 3;
const USERS: usize = 2;
/// How long the server keeps a session whose line broke (facts CGP-08).
const KEPT: Span = Span::seconds(180);
/// Maximum number of sessions of one user at a time: an address that has more is that of several.
const OF_ONE_USER: usize = 3;

/// A session that was reset while it was in use.
struct Cut<'a> {
    part: &'a Part<'a>,
    user: Address,
    at: Timestamp,
    /// The same client came back to the same server and port in time.
    back: bool,
    /// The user's address is that of several, so that nobody can tell who came back.
    shared: bool,
}

/// What is told together: the resets of one server, or of several.
#[derive(Default)]
struct Told<'c, 'a> {
    cuts: Vec<&'c Cut<'a>>,
    /// When each burst began.
    bursts: Vec<Timestamp>,
    /// How many of the sessions were reset in bursts.
    at_once: usize,
}

/// What is told of a port: by the server, or of several servers together.
type ByServer<'c, 'a> = BTreeMap<Option<Address>, Told<'c, 'a>>;

fn look(check: &Check, scene: &Scene<'_>, found: &mut Vec<Finding>) {
    // An end of which only one direction is seen is not known.
    if scene.ledger.visibility.is_one_direction(None) {
        return;
    }
    for (port, cuts) in cuts(scene) {
        let mut told = ByServer::new();
        let mut rest: BTreeMap<Address, Vec<&Cut<'_>>> = BTreeMap::new();
        let bursts = bursts(&cuts);
        let in_bursts: BTreeSet<PacketRef> = bursts.iter().flatten().map(|cut| cut.part.opener).collect();
        for burst in bursts {
            let entry = told.entry(only_server(&burst)).or_default();
            entry.bursts.push(burst[0].at);
            entry.at_once += burst.len();
            entry.cuts.extend(burst);
        }
        for cut in cuts.iter().filter(|cut| !cut.shared && !in_bursts.contains(&cut.part.opener)) {
            rest.entry(cut.part.step.path.server).or_default().push(cut);
        }
        let (unwanted, others): (Vec<_>, Vec<_>) = rest.into_values().partition(|cuts| were_unwanted(cuts));
        let others = others.concat();
        for cuts in unwanted.into_iter().chain([others].into_iter().filter(|cuts| were_unwanted(cuts))) {
            let back: Vec<&Cut<'_>> = cuts.into_iter().filter(|cut| cut.back).collect();
            told.entry(only_server(&back)).or_default().cuts.extend(back);
        }
        found.extend(told.into_values().filter_map(|told| told.finding(check, scene, port)));
    }
}

/// By the port, in the order of time.
fn cuts<'a>(scene: &Scene<'a>) -> BTreeMap<(Transport, u16), Vec<Cut<'a>>> {
    let was_cut = |part: &&Part<'_>| {
        let step = part.step;
        step.ended == Ended::ServerReset
            && matches!(part.what, Way::Cgp | Way::Ica)
            && step.has_payload()
            && step.last - step.first >= IN_USE
            && !is_lossy(scene, step.first, step.last)
    };
    let mut cuts: Vec<(Address, &Part<'a>)> = Vec::new();
    for session in scene.sessions {
        cuts.extend(session.carriers().filter(was_cut).map(|part| (session.client, part)));
    }
    if cuts.len() < SESSIONS {
        return BTreeMap::new();
    }
    let timers = timers(scene);
    let timed: BTreeSet<PacketRef> = timers.iter().flat_map(|timer| &timer.broken).map(|part| part.opener).collect();
    let shared = shared_addresses(scene.sessions);
    let mut begun: Vec<_> = scene.sessions.iter().flat_map(Session::carriers).map(|part| place_of(part)).collect();
    begun.sort_unstable();
    let mut ports: BTreeMap<(Transport, u16), Vec<Cut<'a>>> = BTreeMap::new();
    for (user, part) in cuts.into_iter().filter(|(_, part)| !timed.contains(&part.opener)) {
        let (ends, at) = (place_of(part).0, part.step.broke);
        let next = begun.get(begun.partition_point(|begun| *begun < (ends, at)));
        let back = next.is_some_and(|&(next, begun)| next == ends && begun <= at + KEPT);
        let shared = shared.contains(&user);
        ports.entry(part.port()).or_default().push(Cut { part, user, at, back, shared });
    }
    ports.values_mut().for_each(|cuts| cuts.sort_by_key(|cut| (cut.at, cut.part.opener)));
    ports
}

/// From whom to which port of whom, and when it began.
fn place_of(part: &Part<'_>) -> ((Address, Address, u16), Timestamp) {
    let path = &part.step.path;
    ((path.client, path.server, path.port), part.step.first)
}

/// Addresses that have more sessions at a time than a user has: a Gateway, or address translation.
fn shared_addresses(sessions: &[Session<'_>]) -> BTreeSet<Address> {
    let with_carrier = sessions.iter().filter(|session| session.carriers().next().is_some());
    let times =
        with_carrier.flat_map(|session| [(session.client, session.first(), 1), (session.client, session.last(), -1)]);
    // One that ends when another begins is beside it no more: ends come first.
    let mut times: Vec<(Address, Timestamp, i64)> = times.collect();
    times.sort_unstable();
    let of_one = times.chunk_by(|one, other| one.0 == other.0);
    let most = |times: &[(Address, Timestamp, i64)]| {
        let beside = times.iter().scan(0, |beside, &(.., change)| {
            *beside += change;
            Some(*beside)
        });
        beside.max().unwrap_or_default()
    };
    of_one.filter(|times| most(times) > OF_ONE_USER as i64).map(|times| times[0].0).collect()
}

/// Sessions of several users that were reset at once, while hardly any other was.
fn bursts<'c, 'a>(cuts: &'c [Cut<'a>]) -> Vec<Vec<&'c Cut<'a>>> {
    let until = |from: usize| cuts.partition_point(|cut| cut.at <= cuts[from].at + AT_ONCE);
    let counts: Vec<usize> = (0..cuts.len()).map(|from| until(from) - from).collect();
    let mut bursts = Vec::new();
    let mut from = 0;
    while from < cuts.len() {
        // One that came by chance shortly before does not tear the others apart.
        let fullest = (from..from + counts[from]).max_by_key(|&from| (counts[from], Reverse(from))).unwrap_or(from);
        let window = &cuts[fullest..fullest + counts[fullest]];
        match burst(window, cuts) {
            Some(burst) => {
                bursts.push(burst);
                from = fullest + counts[fullest];
            }
            None => from = fullest + 1,
        }
    }
    bursts
}

fn burst<'c, 'a>(window: &'c [Cut<'a>], all: &[Cut<'_>]) -> Option<Vec<&'c Cut<'a>>> {
    if window.len() < SESSIONS {
        return None;
    }
    let mut by_server: BTreeMap<Address, Vec<&Cut<'a>>> = BTreeMap::new();
    for cut in window {
        by_server.entry(cut.part.step.path.server).or_default().push(cut);
    }
    let (server, most) = by_server.into_iter().max_by_key(|(server, cuts)| (cuts.len(), Reverse(*server)))?;
    // A few of other servers came by chance.
    let of_one = are_of_several(&most) && window.len() - most.len() < SESSIONS;
    let burst = if of_one { most } else { window.iter().collect() };
    let (first, last) = (window.first()?.at, window.last()?.at);
    let from = all.partition_point(|cut| cut.at + NEAR < first);
    let to = all.partition_point(|cut| cut.at <= last + NEAR);
    let near = all[from..to].iter().filter(|cut| !of_one || cut.part.step.path.server == server).count() - burst.len();
    // Among the many sessions of many servers more ends meet by chance.
    let stands_out = near * if of_one { 2 } else { 4 } <= burst.len();
    (are_of_several(&burst) && stands_out).then_some(burst)
}

/// Enough sessions of enough users.
fn are_of_several(cuts: &[&Cut<'_>]) -> bool {
    let users: BTreeSet<Address> = cuts.iter().map(|cut| cut.user).collect();
    cuts.len() >= SESSIONS && users.len() >= USERS
}

/// Enough clients came back, and not just the few who log on again wherever a reset is how sessions end.
fn were_unwanted(cuts: &[&Cut<'_>]) -> bool {
    let back: Vec<&Cut<'_>> = cuts.iter().filter(|cut| cut.back).copied().collect();
    are_of_several(&back) && back.len() * 2 >= cuts.len()
}

/// The server, where it is one.
fn only_server(cuts: &[&Cut<'_>]) -> Option<Address> {
    let server = cuts.first()?.part.step.path.server;
    cuts.iter().all(|cut| cut.part.step.path.server == server).then_some(server)
}

impl Told<'_, '_> {
    fn finding(&self, check: &Check, scene: &Scene<'_>, port: (Transport, u16)) -> Option<Finding> {
        let finding = together(check, scene, port, self.cuts.iter().map(|cut| cut.part))?;
        let number = |is: fn(&Cut<'_>) -> bool| Value::Number(self.cuts.iter().filter(|cut| is(cut)).count() as u64);
        let at = self.bursts.first().or(self.cuts.first().map(|cut| &cut.at))?;
        let params = Params::from([
            ("at", Value::Moment(*at)),
            ("back", number(|cut| cut.back)),
            ("idle", number(|cut| cut.part.step.idle().is_some())),
            ("others", Value::Number((self.cuts.len() - self.at_once) as u64)),
            ("pattern", Value::Word(if self.bursts.is_empty() { "came-back" } else { "at-once" })),
            ("sessions", Value::Number(self.cuts.len() as u64)),
            ("times", Value::Number(self.bursts.len() as u64)),
            ("together", Value::Number(self.at_once as u64)),
        ]);
        Some(Finding { params, ..finding })
    }
}
