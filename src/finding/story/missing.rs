//! What has to follow and does not: a phase was answered, and the next one was not even tried. Only where the capture would have shown
//! it: it shows the host with others as well, goes on long enough, and lost nothing.

use super::super::scene::{Scene, seen_of};
use super::{Stop, ends};
use crate::ledger::{Pair, Path};
use crate::packet::Address;
use crate::portmap::Story;
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a host whose phase was answered.
#[derive(Default)]
struct Came {
    /// Where it was answered, and when for the last time.
    answered: BTreeMap<Path, Timestamp>,
    servers: BTreeSet<Address>,
    last: Option<Timestamp>,
    /// When anything of it that follows was last seen.
    followed: Option<Timestamp>,
    /// Phases before that were answered by others than these servers.
    before: BTreeSet<(usize, Address)>,
}

/// The phase that does not follow, and for whom, where this phase has a time in which the next one has to come.
pub(super) fn look(
    scene: &Scene<'_>,
    story: &Story,
    phase: usize,
    failed: impl Fn(Address) -> bool,
) -> Option<(usize, Stop)> {
    let within = story.phases.get(phase).and_then(|part| part.next_within)?;
    let within = Span::seconds(within.into());
    let next = (phase + 1..story.phases.len()).find(|&next| !story.phases[next].optional)?;
    let mut all = answered(scene, story, phase);
    all.retain(|subject, _| !failed(*subject));
    follow(scene, story, phase, &mut all);
    let mut stop = Stop::default();
    for (subject, came) in all {
        let Some((last, watched)) = came.last.and_then(|last| Some((last, watched(scene, last, within)?))) else {
            continue;
        };
        let others = || came.before.iter().filter(|(_, server)| !came.servers.contains(server));
        let went_on = came.followed.is_some_and(|followed| followed >= last);
        let half = |server: &Address| scene.may_lack_packets(Pair::of(subject, *server), (last, last + within));
        if went_on || others().next().is_none() || came.servers.iter().any(half) {
            continue;
        }
        let done: BTreeSet<usize> = came.before.iter().map(|(before, _)| *before).chain([phase]).collect();
        stop.done = Some(stop.done.take().map_or(done.clone(), |known| known.intersection(&done).copied().collect()));
        stop.watched = Some(stop.watched.map_or(watched, |known| known.min(watched)));
        stop.subjects.insert(subject);
        stop.servers.extend(&came.servers);
        for path in came.answered.keys() {
            stop.ports.extend(Transport::of_protocol(path.protocol).map(|transport| (transport, path.port)));
            stop.shown.extend(scene.ledger.paths.working(path).map(|working| (*path, seen_of(working))));
        }
    }
    (!stop.shown.is_empty()).then_some((next, stop))
}

/// Who was answered in this phase.
fn answered(scene: &Scene<'_>, story: &Story, phase: usize) -> BTreeMap<Address, Came> {
    let part = &story.phases[phase];
    let mut all: BTreeMap<Address, Came> = BTreeMap::new();
    for (path, known) in scene.ledger.paths.iter() {
        let (Some(answers), true) = (known.answers, is_at(story, phase, path)) else { continue };
        let (subject, server) = ends(part, path.server, path.client);
        let came = all.entry(subject).or_default();
        came.answered.insert(*path, answers.last);
        came.servers.insert(server);
        came.last = came.last.max(Some(answers.last));
        // What goes on in the same flow needs no other one.
        let goes_on = known.working.map(|working| working.last).filter(|last| *last > answers.last + SAME_FLOW);
        came.followed = came.followed.max(goes_on);
    }
    all
}

/// How long a flow lasts in which nothing more than this phase happens.
const SAME_FLOW: Span = Span::seconds(5);

/// What came before and after for these hosts.
fn follow(scene: &Scene<'_>, story: &Story, phase: usize, all: &mut BTreeMap<Address, Came>) {
    if all.is_empty() {
        return;
    }
    let mut enter = |path: &Path, last: Timestamp, was_answered: bool| {
        for (number, part) in story.phases.iter().enumerate() {
            let (subject, server) = ends(part, path.server, path.client);
            let Some(came) = all.get_mut(&subject).filter(|_| is_at(story, number, path)) else { continue };
            if number > phase {
                came.followed = came.followed.max(Some(last));
            } else if number < phase && was_answered {
                came.before.insert((number, server));
            }
        }
    };
    let paths = &scene.ledger.paths;
    for (path, known) in paths.iter() {
        let ended = known.working.map(|working| working.last);
        if let Some(last) = known.answers.map(|answers| answers.last).max(ended) {
            enter(path, last, true);
        }
    }
    paths.generic().for_each(|(path, answers)| enter(path, answers.last, true));
    scene.ledger.sightings.iter().for_each(|(sighting, seen)| enter(&sighting.path, seen.last, false));
    super::leases(scene).for_each(|(path, known)| enter(path, known.seen.last, true));
}

fn is_at(story: &Story, phase: usize, path: &Path) -> bool {
    let transport = Transport::of_protocol(path.protocol);
    story.phases.get(phase).is_some_and(|part| transport.is_some_and(|transport| part.is_at(transport, path.port)))
}

/// How long a capture goes on after this moment; none where that is less than wanted, or something may be missing.
fn watched(scene: &Scene<'_>, from: Timestamp, wanted: Span) -> Option<Span> {
    let to = from + wanted;
    let whole = scene.captures.iter().filter(|notes| notes.first.is_some_and(|first| first <= from));
    let end = whole.filter_map(|notes| notes.last).max().filter(|last| *last >= to)?;
    let is_sound =
        !scene.may_have_lost(from, to) && !scene.leaps(from, to) && !scene.ledger.paths.may_lack_answers(false);
    is_sound.then_some(end - from)
}
