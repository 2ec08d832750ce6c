//! Which flows of an audit that goes on are open questions, and when each is looked at again. A flow is looked at soon after it began,
//! then whenever it is twice as old, and when its silence has lasted long enough to mean something. So what one look at the whole costs
//! depends on how many flows began lately, not on how many there are.

use super::showing::{FIRM, GRACE};
use crate::time::{Span, Timestamp};
use std::collections::BTreeMap;

/// The open questions of one table.
#[derive(Default)]
pub(super) struct Questions {
    /// By the step of time in which they are due.
    due: BTreeMap<i64, Vec<Question>>,
    /// By slot: what was last shown of the flow there; 0 is nothing.
    shown: Vec<u16>,
}

/// A flow that is looked at again. Slot and beginning together name it: a slot may have been given to another one since.
#[derive(Clone, Copy)]
pub(super) struct Question {
    pub slot: u32,
    pub first: Timestamp,
    /// The last look.
    pub looked: Timestamp,
}

/// Nanoseconds of one step by which looks are counted.
const STEP: i64 = crate::time::SECOND / 4;
/// Shortest time between two looks at a flow, and longest.
const SOONEST: Span = Span::seconds(1);
const LATEST: Span = Span::seconds(60);

impl Questions {
    /// A flow has begun.
    #[inline]
    pub fn opened(&mut self, slot: u32, first: Timestamp) {
        let looked = Timestamp(i64::MIN);
        self.due.entry(first.0.div_euclid(STEP) + 1).or_default().push(Question { slot, first, looked });
    }

    /// A flow has ended. Gives what was last shown of it.
    #[inline]
    pub fn closed(&mut self, slot: u32) -> u16 {
        self.shown.get_mut(slot as usize).map_or(0, std::mem::take)
    }

    /// What was last shown of the flow in this slot.
    pub fn shown(&self, slot: u32) -> u16 {
        self.shown.get(slot as usize).copied().unwrap_or(0)
    }

    /// This was shown of the flow in this slot.
    pub fn show(&mut self, slot: u32, what: u16) {
        if self.shown.len() <= slot as usize {
            self.shown.resize(slot as usize + 1, 0);
        }
        self.shown[slot as usize] = what;
    }

    /// What is to be looked at by now; each is forgotten unless it is asked again.
    pub fn due(&mut self, now: Timestamp) -> impl Iterator<Item = Question> + use<> {
        let later = self.due.split_off(&(now.0.div_euclid(STEP) + 1));
        std::mem::replace(&mut self.due, later).into_values().flatten()
    }

    /// This one was looked at, and shall be again.
    pub fn ask_again(&mut self, question: Question, now: Timestamp) {
        let Question { slot, first, .. } = question;
        let age = (now - first).0.clamp(SOONEST.0, LATEST.0);
        let turns = [first + GRACE, first + FIRM].into_iter().filter(|&turn| turn > now);
        let due = turns.fold(now + Span(age), Timestamp::min);
        let again = Question { slot, first, looked: now };
        self.due.entry((due.0 + STEP - 1).div_euclid(STEP)).or_default().push(again);
    }
}

impl Question {
    /// Whether another look may show something else: a packet came since the last one, or silence has become longer than one of the
    /// times that mean something.
    pub fn is_worth_it(&self, last: Timestamp, now: Timestamp) -> bool {
        let turn = |wait: Span| self.looked < self.first + wait && now >= self.first + wait;
        last >= self.looked || turn(GRACE) || turn(FIRM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ages, in quarters of a second, at which a flow is looked at where that is asked four times a second.
    #[test]
    fn a_flow_is_looked_at_ever_more_seldom_and_when_its_silence_has_lasted() {
        let mut questions = Questions::default();
        let first = Timestamp::new(1_000, 0);
        questions.opened(7, first);
        let mut ages = Vec::new();
        for quarter in 0..800 {
            let now = first + Span(quarter * STEP);
            for question in questions.due(now) {
                assert_eq!((question.slot, question.first), (7, first));
                ages.push(quarter);
                questions.ask_again(question, now);
            }
        }
        assert_eq!(ages, [1, 5, 10, 16, 32, 64, 84, 168, 336, 576], "quarters of a second");
    }

    #[test]
    fn many_flows_that_wait_cost_nothing() {
        let mut questions = Questions::default();
        let first = Timestamp::new(1_000, 0);
        for slot in 0..1_000 {
            questions.opened(slot, first);
        }
        let mut looks = 0;
        for second in 1..=180 {
            let now = first + Span::seconds(second);
            for question in questions.due(now) {
                looks += 1;
                questions.ask_again(question, now);
            }
        }
        assert!(looks <= 1_000 * 11, "{looks} looks at 1,000 flows in three minutes");
    }
}
