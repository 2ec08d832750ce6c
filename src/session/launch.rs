//! Which flows of one client and one server belong to one launch, by the times that clients keep.

use super::{Guide, Part, Role, Session, Way};
use crate::judge::Outcome;
use crate::ledger::{Ended, Step};
use crate::time::{Span, Timestamp};

/// Maximum time from the last packet of an attempt to the first of the next one: the last wait of a client that gives up at 21
/// seconds is 12 seconds, at two minutes a minute (facts GRACE-01, GRACE-02).
const NEXT_WAY: Span = Span::seconds(60);
/// After this time in which nothing was tried a way that was tried before is a new launch: the user's, who tries again.
const PAUSE: Span = Span::seconds(30);
/// Maximum time between EDT and the TCP that races with it (half a second, facts ADP-04), and maximum length of a TCP flow that lost.
const RACE: Span = Span::seconds(5);
/// How long the server keeps a session whose line broke (facts CGP-08).
pub(super) const KEPT: Span = Span::seconds(180);
/// A client notices earlier than the server that the line broke, and comes back before that.
const NOTICED: Span = Span::seconds(30);
/// Maximum time from the first answer of EDT to the end of the TCP that it takes the place of.
const MOVED: Span = Span::seconds(10);
/// Maximum number of launches between two hosts that are looked at for each flow: the latest.
const AT_ONCE: usize = 256;

/// A launch that may still get further flows.
struct Launch<'l> {
    parts: Vec<Part<'l>>,
    /// What carries it now.
    carrier: Option<Part<'l>>,
    /// The last packet of its last attempt.
    active: Timestamp,
    /// A flow beside EDT was dropped.
    raced: bool,
    alone: bool,
}

/// The launches of one client at one server. Parts come in the order of time.
pub(super) fn launches<'l>(parts: &[Part<'l>], guide: &Guide) -> Vec<Session<'l>> {
    let mut all: Vec<Launch<'l>> = Vec::new();
    let mut reachable: Vec<Reach> = Vec::new();
    for part in parts {
        let begun = part.step.first;
        reachable.retain(|reach| begun <= reach.until);
        let beyond = reachable.len().saturating_sub(AT_ONCE);
        reachable.drain(..beyond);
        if let Some(place) = enter(part, &mut all, &reachable, guide) {
            // Of several launches that look for a way at one time it is not certain whose attempts are whose.
            let waits =
                |reach: &&Reach| reach.place != place && begun <= reach.looks && !all[reach.place].is_given_up_at(part);
            let others: Vec<usize> = reachable.iter().filter(waits).map(|reach| reach.place).collect();
            if !others.is_empty() && !all[place].is_simple() {
                others.into_iter().chain([place]).for_each(|place| all[place].alone = false);
            }
            let now = all[place].reach(place);
            match reachable.iter_mut().rfind(|reach| reach.place == place) {
                Some(reach) => *reach = now,
                None => reachable.push(now),
            }
        }
    }
    // A SYN that is not repeated although its answer is not acknowledged has a forged source.
    let blocked =
        |part: &Part<'l>| part.outcome.is_blocked() && !(part.outcome == Outcome::HalfOpen && part.step.tries < 2);
    let worth = |launch: &Launch<'l>| launch.carrier.is_some() || launch.parts.iter().any(blocked);
    all.retain(worth);
    all.into_iter().map(|launch| launch.session(guide)).collect()
}

/// Which flows a launch may still get, in so little room that all launches can be looked through for each flow.
struct Reach {
    place: usize,
    /// Any.
    until: Timestamp,
    /// Attempts, and what comes of them.
    looks: Timestamp,
    /// What loses against EDT.
    races: Timestamp,
    /// A resume.
    broken: bool,
    /// A search for EDT.
    over_tcp: bool,
    /// The last was such a search.
    searched: bool,
}

/// Puts a flow where it belongs; none where it tells nothing of a session.
fn enter<'l>(part: &Part<'l>, all: &mut Vec<Launch<'l>>, reachable: &[Reach], guide: &Guide) -> Option<usize> {
    let step = part.step;
    let places = |may: fn(&Reach, Timestamp) -> bool| {
        reachable.iter().filter(move |reach| may(reach, step.first)).map(|reach| reach.place)
    };
    let looking = || places(|reach, at| at <= reach.looks);
    let carries = step.has_payload() && matches!(part.outcome, Outcome::Established | Outcome::Answered);
    if part.outcome == Outcome::Midstream {
        all.push(Launch::of(Part { role: Role::Carried, ..*part }));
        return Some(all.len() - 1);
    }
    if let Some(place) = places(|reach, at| at <= reach.races).find(|&place| all[place].won_against(part)) {
        all[place].raced = true;
        all[place].parts.push(Part { role: Role::Raced, ..*part });
        return Some(place);
    }
    if carries {
        let reliable = guide.is_reliable(part.what, step.path.port) == Some(true);
        let broken = places(|reach, _| reach.broken).filter(|&place| reliable && all[place].waits_for(step, guide));
        if let Some(place) = broken.min_by_key(|&place| all[place].carrier.map(|carrier| carrier.step.broke)) {
            all[place].carry(Part { role: Role::Resumed, ..*part });
            return Some(place);
        }
        let mut moved = places(|reach, _| reach.over_tcp).filter(|&place| all[place].moves_to(part));
        if let (Some(place), None) = (moved.next(), moved.next()) {
            all[place].carry(Part { role: Role::Moved, ..*part });
            return Some(place);
        }
        let place = looking().find(|&place| all[place].is_over_with(part) && !all[place].is_given_up_at(part));
        let place = place.unwrap_or_else(|| {
            // What looked like the search of a session that runs was the head start of this one.
            let ahead = places(|reach, _| reach.searched).filter(|&place| all[place].ends_with_edt_before(part));
            let ahead = ahead.min_by_key(|&place| all[place].parts.last().map(|edt| edt.step.first));
            let edt = ahead.and_then(|place| all[place].parts.pop());
            all.push(edt.map_or_else(Launch::default, Launch::of));
            all.len() - 1
        });
        all[place].carry(Part { role: Role::Carried, ..*part });
        return Some(place);
    }
    // Who opens and closes without a word is a monitor.
    if !(part.outcome.is_blocked() || matches!(part.outcome, Outcome::Unanswered | Outcome::Undecided)) {
        return None;
    }
    let tried = Part { role: Role::Tried, ..*part };
    let place = looking()
        .find(|&place| all[place].lacks(part))
        .or_else(|| looking().find(|&place| all[place].goes_on_with(part) && !all[place].is_given_up_at(part)))
        .or_else(|| places(|reach, _| reach.broken).find(|&place| all[place].waits_for(step, guide)))
        .or_else(|| {
            // A session over TCP looks for EDT from time to time (facts ADP-06).
            let mut running = places(|reach, _| reach.over_tcp).filter(|_| part.what == Way::Edt);
            running.rfind(|&place| all[place].runs_over_tcp(step.first) && all[place].is_over_with(part))
        });
    match place {
        Some(place) => {
            all[place].active = all[place].active.max(step.last);
            all[place].parts.push(tried);
            Some(place)
        }
        None => {
            all.push(Launch::of(tried));
            Some(all.len() - 1)
        }
    }
}

impl Default for Launch<'_> {
    fn default() -> Self {
        Launch { parts: Vec::new(), carrier: None, active: Timestamp::default(), raced: false, alone: true }
    }
}

impl<'l> Launch<'l> {
    fn of(part: Part<'l>) -> Launch<'l> {
        let carrier = Some(part).filter(Part::carries);
        Launch { parts: vec![part], carrier, active: part.step.last, ..Launch::default() }
    }

    fn carry(&mut self, part: Part<'l>) {
        self.carrier = Some(part);
        self.parts.push(part);
    }

    /// It has nothing but what carries it.
    fn is_simple(&self) -> bool {
        self.parts.iter().all(Part::carries)
    }

    /// Which flows it may still get.
    fn reach(&self, place: usize) -> Reach {
        const NEVER: Timestamp = Timestamp(i64::MIN);
        let over = self.active + NEXT_WAY;
        let Some(carrier) = self.carrier else {
            let (races, broken, over_tcp, searched) = (NEVER, false, false, false);
            return Reach { place, until: over, looks: over, races, broken, over_tcp, searched };
        };
        let step = carrier.step;
        let (raced, broken) = (step.first + RACE, step.ended.is_broken());
        Reach {
            place,
            until: match step.ended {
                Ended::Open => Timestamp(i64::MAX),
                _ => step.last.max(raced).max(step.broke + KEPT),
            },
            looks: NEVER,
            races: if carrier.what == Way::Edt && !self.raced { raced } else { NEVER },
            broken,
            over_tcp: matches!(carrier.what, Way::Cgp | Way::Ica),
            searched: self.parts.last().is_some_and(|last| last.what == Way::Edt && last.role == Role::Tried),
        }
    }

    /// This way was not tried yet.
    fn lacks(&self, part: &Part<'_>) -> bool {
        self.parts.iter().all(|tried| tried.port() != part.port())
    }

    /// The user was told that it failed, and starts anew with a way that was tried.
    fn is_given_up_at(&self, part: &Part<'_>) -> bool {
        part.step.first > self.active + PAUSE && !self.lacks(part)
    }

    /// This way was the last that was tried over TCP, and is tried again; EDT may be tried again at any time.
    fn goes_on_with(&self, part: &Part<'_>) -> bool {
        let before = self.parts.iter().rfind(|tried| part.what == Way::Edt || tried.what != Way::Edt);
        self.is_over_with(part) && (part.what == Way::Edt || before.is_some_and(|before| before.port() == part.port()))
    }

    /// This way is not being tried right now: what begins beside it belongs to another launch.
    fn is_over_with(&self, part: &Part<'_>) -> bool {
        let same = self.parts.iter().rfind(|tried| tried.port() == part.port());
        same.is_none_or(|same| same.step.last < part.step.first)
    }

    /// What carries it broke so shortly before that the server still keeps it.
    fn waits_for(&self, next: &Step, guide: &Guide) -> bool {
        self.carrier.is_some_and(|carrier| {
            let broke = carrier.step.broke;
            let reliable = guide.is_reliable(carrier.what, carrier.step.path.port) == Some(true);
            let in_time = broke <= next.first + NOTICED && next.first <= broke + KEPT;
            reliable && carrier.step.ended.is_broken() && in_time && carrier.step.first < next.first
        })
    }

    /// EDT carries it, and this was opened or tried over TCP at the same time, and dropped.
    fn won_against(&self, part: &Part<'_>) -> bool {
        let Some(edt) = self.carrier.filter(|carrier| carrier.what == Way::Edt && !self.raced) else { return false };
        let (edt, tcp) = (edt.step, part.step);
        let over_tcp = matches!(part.what, Way::Cgp | Way::Ica);
        let beside = tcp.first <= edt.first + RACE && edt.first <= tcp.first + RACE;
        let dropped = part.outcome.is_blocked()
            || matches!(part.outcome, Outcome::Undecided)
            || tcp.ended != Ended::Open && tcp.last <= tcp.first + RACE && tcp.last < edt.last;
        over_tcp && beside && dropped
    }

    /// It was looking for EDT when this began over TCP.
    fn ends_with_edt_before(&self, part: &Part<'_>) -> bool {
        let over_tcp = matches!(part.what, Way::Cgp | Way::Ica);
        let (Some(carrier), Some(last)) = (self.carrier, self.parts.last()) else { return false };
        let probe = last.what == Way::Edt && last.role == Role::Tried && last.step.first > carrier.step.first;
        over_tcp && probe && part.step.first <= last.step.first + RACE
    }

    /// It ran over TCP, and that was closed as soon as this began over EDT.
    fn moves_to(&self, part: &Part<'_>) -> bool {
        self.carrier.is_some_and(|carrier| {
            let (tcp, edt) = (carrier.step, part.step);
            let closed = matches!(tcp.ended, Ended::ClientClosed | Ended::ServerClosed);
            let at_once = edt.first <= tcp.last && tcp.last <= edt.first + MOVED;
            part.what == Way::Edt && closed && at_once && tcp.first + RACE < edt.first && tcp.last < edt.last
        })
    }

    /// It runs over TCP at this time.
    fn runs_over_tcp(&self, at: Timestamp) -> bool {
        self.carrier.is_some_and(|carrier| {
            let running = at <= carrier.step.last || carrier.step.ended == Ended::Open;
            matches!(carrier.what, Way::Cgp | Way::Ica) && running
        })
    }

    fn session(self, guide: &Guide) -> Session<'l> {
        let path = self.parts[0].step.path;
        let reliable = |carrier: Part<'_>| guide.is_reliable(carrier.what, carrier.step.path.port);
        Session {
            id: String::new(),
            client: path.client,
            server: path.server,
            gateway: None,
            alone: self.alone,
            reliability: self.carrier.and_then(reliable),
            parts: self.parts,
        }
    }
}
