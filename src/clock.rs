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
    /// Times in which nothing came.
    pub leaps: Leaps,
    followed: u32,
}

/// Times of at least a minute in which not one packet came and no other sign that time passes. Nobody may have sent anything; the capture may
/// have stood still; or the clock leapt.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Leaps {
    /// The largest, largest first.
    kept: [Option<Leap>; LEAPS_KEPT],
    /// All of them together.
    pub total: Span,
}

/// A time in which nothing came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leap {
    /// The latest moment before it.
    pub from: Timestamp,
    /// How long.
    pub span: Span,
    /// Somebody watched and heard the time of day all along, so it is the clock that leapt, or this computer slept.
    pub watched: bool,
}

/// The maximum number of leaps that are remembered.
const LEAPS_KEPT: usize = 8;
/// The smallest leap.
const LEAP: Span = Span::seconds(60);
/// How many times longer than the usual time between two packets a time without any must be to be worth a word: a thousand packets are missing.
const MISSED: i64 = 1_000;
/// As many packets come on both sides where it went on as before.
const MUCH: i64 = 100;

impl Leaps {
    fn add(&mut self, leap: Leap) {
        self.total = Span(self.total.0.saturating_add(leap.span.0));
        let mut all: Vec<Leap> = self.kept.into_iter().flatten().chain([leap]).collect();
        all.sort_by_key(|leap| (std::cmp::Reverse(leap.span), leap.from, leap.watched));
        self.kept = [None; LEAPS_KEPT];
        self.kept.iter_mut().zip(all).for_each(|(place, leap)| *place = Some(leap));
    }

    /// Those with much on both sides, so that it went on as before: where one packet came afterwards, it had ended.
    pub fn between_much(&self, packets: u64, (first, last): (Timestamp, Timestamp)) -> impl Iterator<Item = Leap> {
        let much = self.time_of(MUCH, packets, last - first);
        let between = move |leap: &Leap| leap.from - first >= much && last - (leap.from + leap.span) >= much;
        self.striking(packets, last - first).filter(move |leap| leap.watched || between(leap))
    }

    /// How long a number of packets takes, as all `packets` of `duration` came.
    fn time_of(&self, number: i64, packets: u64, duration: Span) -> Span {
        let busy = (duration.0.saturating_sub(self.total.0)).max(1);
        let usual = i64::try_from(u64::try_from(busy).unwrap_or(1) / packets.max(1)).unwrap_or(i64::MAX);
        Span(usual.max(1).saturating_mul(number))
    }

    /// Those in which, as the rest of `duration` went, about a thousand `packets` would have come: in what is that busy such a hole is no
    /// quiet hour. A filtered capture of a few hosts is quiet for hours.
    pub fn striking(&self, packets: u64, duration: Span) -> impl Iterator<Item = Leap> {
        let enough = self.time_of(MISSED, packets, duration);
        let many = packets > MISSED.unsigned_abs();
        self.kept.into_iter().flatten().filter(move |leap| leap.watched || many && leap.span >= enough)
    }
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
            before => {
                if let Some(now) = before.filter(|&now| at - now >= LEAP) {
                    self.leap(now, at, false);
                }
                self.now = Some(at);
                self.earlier_since = None;
            }
        }
        self.now.unwrap_or(at)
    }

    #[cold]
    fn leap(&mut self, now: Timestamp, at: Timestamp, watched: bool) {
        self.leaps.add(Leap { from: now, span: at - now, watched });
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

    /// The next capture begins, and it is known that nobody watched before it.
    pub fn resume(&mut self, first: Option<Timestamp>) {
        if let Some((now, first)) = self.now.zip(first) {
            self.now = Some(now.max(first + self.shift));
        }
    }

    /// Time has passed without a packet, as somebody knows who watches. Never goes back.
    pub fn advance(&mut self, at: Timestamp) {
        if let Some(now) = self.now.filter(|&now| at - now >= LEAP) {
            self.leap(now, at, true);
        }
        self.now = Some(self.now.map_or(at, |now| now.max(at)));
    }

    /// Adds the steps of another line of time.
    pub fn add(&mut self, other: &Clock) {
        self.steps_back += other.steps_back;
        self.held += other.held;
        self.largest_step = self.largest_step.max(other.largest_step);
        let Leaps { kept, total } = other.leaps;
        let known = self.leaps.total;
        kept.into_iter().flatten().for_each(|leap| self.leaps.add(leap));
        self.leaps.total = Span(known.0.saturating_add(total.0));
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
    fn a_hole_in_what_is_busy_is_striking_and_a_quiet_hour_is_not() {
        let at = |seconds: i64| Timestamp::new(seconds, 0);
        let played = |spacing: i64, packets: i64| {
            let mut clock = Clock::default();
            let half = packets / 2 * spacing;
            (0..packets / 2).for_each(|packet| _ = clock.tick(at(0) + Span::millis(packet * spacing)));
            (0..packets / 2).for_each(|packet| _ = clock.tick(at(3_600) + Span::millis(half + packet * spacing)));
            let duration = Span::millis(3_600_000 + 2 * half);
            clock
                .leaps
                .striking(packets.unsigned_abs(), duration)
                .map(|leap| leap.span.as_seconds().round())
                .collect::<Vec<_>>()
        };
        assert_eq!(played(10, 10_000), [3_600.0], "a hundred packets a second");
        assert_eq!(played(10_000, 10_000), [0.0; 0], "one in ten seconds");
        assert_eq!(played(10, 900), [0.0; 0], "too few to know");
    }

    #[test]
    fn what_ended_but_for_one_packet_did_not_stand_still() {
        let at = |seconds: i64| Timestamp::new(seconds, 0);
        let played = |after: i64| {
            let mut clock = Clock::default();
            (0..5_000).for_each(|packet| _ = clock.tick(at(0) + Span::millis(10 * packet)));
            let end = (0..after).map(|packet| clock.tick(at(120) + Span::millis(10 * packet))).last();
            let (packets, time) = (5_000 + after.unsigned_abs(), (at(0), end.unwrap_or_default()));
            let striking = clock.leaps.striking(packets, time.1 - time.0).count();
            (striking, clock.leaps.between_much(packets, time).count())
        };
        assert_eq!(played(1), (1, 0), "nobody knows what came in between, but it did not go on");
        assert_eq!(played(1_000), (1, 1));
    }

    #[test]
    fn between_two_files_nothing_leaps() {
        let mut clock = Clock::default();
        clock.tick(Timestamp::new(10, 0));
        clock.resume(Some(Timestamp::new(5_000, 0)));
        clock.tick(Timestamp::new(5_000, 0));
        assert_eq!(clock.leaps, Leaps::default());
        clock.advance(Timestamp::new(5_001, 0));
        clock.advance(Timestamp::new(9_000, 0));
        let leap = Leap { from: Timestamp::new(5_001, 0), span: Span::seconds(3_999), watched: true };
        assert_eq!(clock.leaps.striking(1, Span::seconds(1)).collect::<Vec<_>>(), [leap], "this computer slept");
    }

    #[test]
    fn sums_of_leaps_do_not_depend_on_the_order() {
        let clock = |from: i64, spans: &[i64]| {
            let mut clock = Clock::default();
            let mut now = Timestamp::new(from, 0);
            clock.tick(now);
            for &span in spans {
                now = now + Span::seconds(span);
                clock.tick(now);
            }
            clock
        };
        let parts = [clock(0, &[60, 70, 80, 90, 100]), clock(7, &[60, 61, 62, 63, 64, 65]), clock(9, &[1_000])];
        let sum = |order: [usize; 3]| {
            let mut sum = Clock::default();
            order.into_iter().for_each(|part| sum.add(&parts[part]));
            sum.leaps
        };
        assert_eq!(sum([0, 1, 2]), sum([2, 1, 0]));
        assert_eq!(sum([0, 1, 2]).total, Span::seconds(400 + 375 + 1_000));
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
