//! One line of time for an audit: it never runs back, whatever the captures say.

use crate::time::{Span, Timestamp};

/// Makes time run forward. A moment before the latest one (several queues, several interfaces, two clocks) is held at
/// it. Only when the capture stays earlier for seconds of its own time (the clock was set, files were joined) does time
/// go on from there, so that durations are true again; and only a few times, because two clocks in turn would make time
/// up.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Clock {
    now: Option<Timestamp>,
    shift: Span,
    /// Since when, by its own time, the capture has been far earlier than the latest moment.
    earlier_since: Option<Timestamp>,
    /// Large steps back.
    pub steps_back: u64,
    /// The largest of them.
    pub largest_step: Span,
    /// Packets that were earlier than the latest moment by more than a millisecond and no more than a second.
    pub held: u64,
    followed: u32,
}

/// Longest time between two files that are taken for one capture without a gap.
const GAP: Span = Span::seconds(2);
/// Largest step back that is taken for disorder; a larger one is followed ...
const LARGE_STEP: Span = Span::seconds(1);
/// ... once the capture has stayed earlier for this long by its own time ...
const STAYS_EARLIER: Span = Span::seconds(2);
/// ... and at most this number of times.
const STEPS_FOLLOWED: u32 = 3;

impl Clock {
    /// The moment of the audit for a moment of the capture.
    #[inline]
    pub fn tick(&mut self, at: Timestamp) -> Timestamp {
        let at = at + self.shift;
        match self.now {
            Some(now) if at < now => self.step_back(now, at),
            _ => {
                self.now = Some(at);
                self.earlier_since = None;
            }
        }
        self.now.unwrap_or(at)
    }

    #[cold]
    fn step_back(&mut self, now: Timestamp, at: Timestamp) {
        let step = now - at;
        if step <= LARGE_STEP {
            self.held += u64::from(step > Span::millis(1));
            return;
        }
        self.steps_back += u64::from(self.earlier_since.is_none());
        self.largest_step = self.largest_step.max(step);
        let since = self.earlier_since.map_or(at, |since| since.min(at));
        self.earlier_since = Some(since);
        if at - since >= STAYS_EARLIER && self.followed < STEPS_FOLLOWED {
            self.shift = Span(self.shift.0.saturating_add(step.0));
            self.followed += 1;
            self.earlier_since = None;
        }
    }

    /// Where the captured time ends, if the next capture begins noticeably later: nobody watched in between.
    pub fn gap_before(&self, first: Option<Timestamp>) -> Option<Timestamp> {
        let (now, first) = (self.now?, first? + self.shift);
        (first - now > GAP).then_some(now)
    }

    /// Time has passed without a packet. Never goes back.
    pub fn advance(&mut self, at: Timestamp) {
        self.now = Some(self.now.map_or(at, |now| now.max(at)));
    }

    /// Adds the steps of another line of time.
    pub fn add(&mut self, other: &Clock) {
        self.steps_back += other.steps_back;
        self.held += other.held;
        self.largest_step = self.largest_step.max(other.largest_step);
    }

    /// The latest moment; the beginning of time where there was none.
    pub fn now(&self) -> Timestamp {
        self.now.unwrap_or_default()
    }

    /// The latest moment, if there was one.
    pub fn latest(&self) -> Option<Timestamp> {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_forward() {
        let mut clock = Clock::default();
        let seconds = |s: i64| Timestamp::new(s, 0);
        assert_eq!(clock.tick(seconds(10)), seconds(10));
        assert_eq!(clock.tick(seconds(10) + Span::millis(-5)), seconds(10), "disorder is held");
        assert_eq!(clock.tick(seconds(12)), seconds(12));
        assert_eq!(clock.steps_back, 0);
    }

    #[test]
    fn after_a_step_back_that_stays_durations_are_true_again() {
        let mut clock = Clock::default();
        let seconds = |s: i64| Timestamp::new(s, 0);
        clock.tick(seconds(1_000));
        assert_eq!([100, 101, 102].map(|s| clock.tick(seconds(s))), [seconds(1_000); 3], "held until it stays");
        assert_eq!(clock.tick(seconds(107)), seconds(1_005));
        assert_eq!((clock.steps_back, clock.largest_step), (1, Span::seconds(900)));
    }

    #[test]
    fn two_clocks_in_turn_do_not_make_time_up() {
        let mut clock = Clock::default();
        for step in 0..100 {
            clock.tick(Timestamp::new(1_000, 0) + Span::millis(100 * step));
            clock.tick(Timestamp::new(990, 0) + Span::millis(100 * step));
        }
        assert_eq!(clock.now(), Timestamp::new(1_000, 0) + Span::millis(9_900));
        assert_eq!(clock.steps_back, 100);
    }

    #[test]
    fn one_packet_from_the_future_does_not_stop_time() {
        let mut clock = Clock::default();
        let seconds = |s: i64| Timestamp::new(s, 0);
        clock.tick(seconds(10));
        let future = clock.tick(seconds(4_000_000_000));
        (11..14).for_each(|s| _ = clock.tick(seconds(s)));
        assert_eq!(clock.tick(seconds(20)) - future, Span::seconds(7));
    }
}
