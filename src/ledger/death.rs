//! Sessions on Citrix ports that died: one side repeated its data, and the other was not heard of again.

use super::path::Path;
use super::sighting::Seen;
use crate::flow::{Death, FlowRecord};
use crate::matching::{Fit, Matching};
use crate::time::Span;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Sessions that died, by path.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Deaths {
    died: BTreeMap<Path, Died>,
    /// Some were left out because there were too many.
    pub incomplete: bool,
}

/// What is known of the sessions that died on a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Died {
    /// The sessions.
    pub seen: Seen,
    /// In how many of them the client was the one that was not heard of again.
    pub clients_gone: u64,
    /// In how many of them nothing was said for a minute or longer before.
    pub idle: u64,
    /// The shortest of those times, and the longest.
    pub idle_for: Option<(Span, Span)>,
}

/// Maximum number of paths that are remembered.
pub const DEATH_LIMIT: usize = 10_000;

impl Deaths {
    /// Enters a flow, if it is a session that died on a port that means Citrix.
    pub fn enter(&mut self, flow: &FlowRecord, matching: &Matching) {
        let Some(Death { client_is_gone, idle, .. }) = flow.death else { return };
        if matching.fit != Fit::Fits || matching.port.generic {
            return;
        }
        let died = Died {
            seen: Seen::of(flow),
            clients_gone: u64::from(client_is_gone),
            idle: u64::from(idle.is_some()),
            idle_for: idle.map(|idle| (idle, idle)),
        };
        self.add(Path::of(flow), died);
        self.keep();
    }

    /// What is known of the sessions that died on a path.
    pub fn get(&self, path: &Path) -> Option<&Died> {
        self.died.get(path)
    }

    /// Every path, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Died)> {
        self.died.iter()
    }

    /// How many paths.
    pub fn len(&self) -> usize {
        self.died.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.died.is_empty()
    }

    pub(super) fn add(&mut self, path: Path, died: Died) {
        match self.died.get_mut(&path) {
            Some(known) => *known += &died,
            None => {
                self.died.insert(path, died);
            }
        }
    }

    /// Keeps the first in order, so that the order in which they came does not matter.
    fn keep(&mut self) {
        while self.died.len() > DEATH_LIMIT {
            self.died.pop_last();
            self.incomplete = true;
        }
    }
}

impl AddAssign<&Deaths> for Deaths {
    fn add_assign(&mut self, other: &Deaths) {
        let Deaths { died, incomplete } = other;
        died.iter().for_each(|(path, died)| self.add(*path, died.clone()));
        self.incomplete = self.incomplete || *incomplete;
        self.keep();
    }
}

impl AddAssign<&Died> for Died {
    fn add_assign(&mut self, other: &Died) {
        let Died { seen, clients_gone, idle, idle_for } = other;
        self.seen += seen;
        self.clients_gone += clients_gone;
        self.idle += idle;
        self.idle_for = match (self.idle_for, *idle_for) {
            (Some(mine), Some(theirs)) => Some((mine.0.min(theirs.0), mine.1.max(theirs.1))),
            (mine, theirs) => mine.or(theirs),
        };
    }
}
