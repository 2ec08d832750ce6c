//! What all workers together hold, and what of it is given up first where that is too much. Nothing here depends on how flows are
//! dealt to workers, on the secret of the run, or on who has swept: flows are counted by what they say, and whole groups are given up.

use crate::flow::track::Flow;
use crate::packet::{Address, Secret};
use crate::time::{Span, Timestamp};
use std::collections::HashMap;
use std::ops::AddAssign;

/// What some workers hold. It adds up; `default()` is the zero of the sum. Each round of a meeting fills in a part.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Census {
    /// Flows.
    pub(super) flows: u64,
    /// Bytes of openings.
    pub(super) held: u64,
    /// First fragments that are remembered.
    pub(super) fragments: u64,
    /// Flows by the cells of their two hosts: an upper bound for every host.
    pub(super) cells: Vec<u64>,
    /// Flows of the hosts that may be crowds.
    pub(super) crowds: HashMap<Host, u64>,
    /// Flows by place in the order in which they are given up.
    pub(super) places: Vec<u64>,
    /// Bytes of openings in the same way.
    pub(super) openings: Vec<u64>,
}

impl AddAssign<&Census> for Census {
    fn add_assign(&mut self, other: &Census) {
        let Census { flows, held, fragments, cells, crowds, places, openings } = other;
        self.flows += flows;
        self.held += held;
        self.fragments += fragments;
        for (mine, theirs) in [(&mut self.cells, cells), (&mut self.places, places), (&mut self.openings, openings)] {
            mine.resize(mine.len().max(theirs.len()), 0);
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += theirs);
        }
        for (host, flows) in crowds {
            *self.crowds.entry(*host).or_default() += flows;
        }
    }
}

/// An address, and whether its flows are answered: a server that answers very many is no flood.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Host {
    address: Address,
    answered: bool,
}

/// Number of cells of each kind of host.
const CELLS: usize = 1 << 16;

impl Host {
    /// The two hosts of a flow.
    pub(super) fn of(flow: &Flow) -> [Host; 2] {
        let answered = flow.is_answered();
        flow.hosts().map(|address| Host { address, answered })
    }

    fn cell(self, secret: Secret) -> usize {
        usize::from(self.answered) * CELLS + (secret.mix(self.address) >> 48) as usize
    }
}

/// Hosts with more flows than one host of many would have: the ends of floods and scans, and busy servers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    pub secret: Secret,
    /// Maximum number of flows of a host that is no crowd.
    pub most: u64,
}

impl Crowd {
    pub fn count(self, cells: &mut Vec<u64>, flow: &Flow) {
        cells.resize(2 * CELLS, 0);
        Host::of(flow).into_iter().for_each(|host| cells[host.cell(self.secret)] += 1);
    }

    /// Counts the hosts of a flow that may be crowds.
    pub fn count_exactly(self, cells: &[u64], crowds: &mut HashMap<Host, u64>, flow: &Flow) {
        let may_be = |host: &Host| cells.get(host.cell(self.secret)).is_some_and(|&flows| flows > self.most);
        Host::of(flow).into_iter().filter(may_be).for_each(|host| *crowds.entry(host).or_default() += 1);
    }
}

/// How much a flow says, least first: the order in which flows are given up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Worth {
    /// It has ended: its record is complete, and only packets that come late are still waited for.
    Over,
    /// No answer, one of very many of the same host: a flood or a scan.
    Flood,
    /// No answer on a port that the map does not know.
    UnknownTry,
    /// One try on a port of the map.
    SingleTry,
    /// A conversation on a port that the map does not know, one of very many of the same host.
    UnknownOfMany,
    /// The same of few.
    Unknown,
    /// A conversation on a port of the map, one of very many of the same host.
    KnownOfMany,
    /// Tries on a port of the map, again and again without an answer: what may be a block.
    RepeatedTry,
    /// A conversation on a port of the map.
    Known,
}

impl Worth {
    const COUNT: usize = Worth::Known as usize + 1;

    pub fn of(flow: &Flow, crowded: bool, known: bool) -> Worth {
        match (flow.is_answered(), known) {
            _ if flow.is_over() => Worth::Over,
            (false, _) if crowded => Worth::Flood,
            (false, false) => Worth::UnknownTry,
            (false, true) if flow.is_repeated() => Worth::RepeatedTry,
            (false, true) => Worth::SingleTry,
            (true, false) if crowded => Worth::UnknownOfMany,
            (true, false) => Worth::Unknown,
            (true, true) if crowded => Worth::KnownOfMany,
            (true, true) => Worth::Known,
        }
    }

    /// The place in the order: of equal worth, what has been idle longest goes first.
    pub fn place(self, idle: Span) -> usize {
        self as usize * AGES + age_place(idle)
    }
}

/// All places in the order.
pub(super) const PLACES: usize = Worth::COUNT * AGES;
/// Steps of idle time, each about a fifth longer than the one before, up to five hours.
pub(super) const AGES: usize = 96;

/// The longer idle, the lower.
pub(super) fn age_place(idle: Span) -> usize {
    let millis = idle.as_micros() / 1_000;
    let step = match millis {
        0..4 => millis,
        _ => {
            let log = u64::from(millis.ilog2());
            4 * (log - 1) + (millis >> (log - 2) & 3)
        }
    };
    AGES - 1 - (step as usize).min(AGES - 1)
}

/// Counts by place: the first place that stays, so that no more than `most` stay in all. Whole places are given up.
pub(super) fn first_kept(places: &[u64], most: u64) -> usize {
    let mut left: u64 = places.iter().sum();
    let mut first = 0;
    while left > most && first < places.len() {
        left -= places[first];
        first += 1;
    }
    first
}

/// Seven eighths, so that it takes a while until the limit is met again.
pub(super) fn most_after(limit: u64) -> u64 {
    limit - limit / 8
}

/// How long a flow has been idle.
pub(super) fn idle(flow: &Flow, now: Timestamp) -> Span {
    now - flow.last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_fall_with_idle_time_and_cover_five_hours() {
        let places: Vec<usize> = (0..100_000).map(|millis| age_place(Span::millis(millis))).collect();
        assert!(places.windows(2).all(|pair| pair[0] >= pair[1] && pair[0] - pair[1] <= 1), "in steps of one");
        assert_eq!((places[0], age_place(Span::seconds(9 * 3_600))), (AGES - 1, 0));
        assert!(age_place(Span::seconds(8_100)) > 0, "the longest patience has a place of its own");
    }

    #[test]
    fn whole_places_are_given_up_until_few_enough_stay() {
        assert_eq!(first_kept(&[5, 0, 10, 3], 18), 0);
        assert_eq!(first_kept(&[5, 0, 10, 3], 17), 1);
        assert_eq!(first_kept(&[5, 0, 10, 3], 12), 3);
        assert_eq!(first_kept(&[5, 0, 10, 3], 0), 4);
        assert_eq!(most_after(1), 1);
    }
}
