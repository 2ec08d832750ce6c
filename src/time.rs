//! Moments and durations as the capture tells them, in nanoseconds. The core never asks a clock.

use std::fmt;
use std::ops::{Add, Sub};

/// Nanoseconds in one second.
pub const SECOND: i64 = 1_000_000_000;

/// A moment: nanoseconds since 1970-01-01 00:00 UTC. May be negative in a damaged capture.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Timestamp(pub i64);

/// A length of time in nanoseconds, possibly negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Span(pub i64);

impl Timestamp {
    /// From whole seconds and nanoseconds. Values that do not fit are held at the end of the range.
    pub fn new(seconds: i64, nanoseconds: i64) -> Timestamp {
        Timestamp(seconds.saturating_mul(SECOND).saturating_add(nanoseconds))
    }

    /// RFC 3339 in UTC with nine decimals, as the report writes it.
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(moment) => format!("{moment:.9}"),
            Err(_) => format!("{} ns", self.0),
        }
    }

    /// Date and time of day in UTC to the second, as people read it: `2026-11-22 02:41:07`.
    pub fn date_and_time(self) -> String {
        self.formatted("%Y-%m-%d %H:%M:%S")
    }

    /// The time of day in UTC to the second: `02:41:07`.
    pub fn time_of_day(self) -> String {
        self.formatted("%H:%M:%S")
    }

    fn formatted(self, format: &str) -> String {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(moment) => moment.strftime(format).to_string(),
            Err(_) => self.rfc3339(),
        }
    }
}

impl Span {
    /// From whole seconds.
    pub const fn seconds(seconds: i64) -> Span {
        Span(seconds * SECOND)
    }

    /// Reads a time as it is typed: `40s`, `5m`, `1h30m`; a plain number is seconds.
    ///
    /// # Errors
    /// What was expected.
    pub fn typed(text: &str) -> Result<Span, String> {
        let expected = || format!("'{text}' is no time; 40, 40s, 5m or 1h30m would be one");
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let seconds: i64 = text.parse().map_err(|_| expected())?;
            return Ok(Span(seconds.saturating_mul(SECOND)));
        }
        let span: jiff::SignedDuration = text.parse().map_err(|_| expected())?;
        Ok(Span(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// From whole milliseconds.
    pub const fn millis(milliseconds: i64) -> Span {
        Span(milliseconds * 1_000_000)
    }

    /// From whole microseconds.
    pub const fn micros(microseconds: i64) -> Span {
        Span(microseconds * 1_000)
    }

    /// As seconds with fractions.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    /// As whole microseconds; a negative span is 0.
    pub fn as_micros(self) -> u64 {
        (self.0.max(0) / 1_000) as u64
    }
}

impl From<std::time::Duration> for Span {
    /// Held at the end of the range.
    fn from(duration: std::time::Duration) -> Span {
        Span(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl Sub for Timestamp {
    type Output = Span;
    fn sub(self, earlier: Timestamp) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Timestamp {
    type Output = Timestamp;
    fn add(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_with_nine_decimals() {
        assert_eq!(Timestamp::new(0, 5).rfc3339(), "1970-01-01T00:00:00.000000005Z");
        assert_eq!(Timestamp::new(1_700_000_000, 0).rfc3339(), "2023-11-14T22:13:20.000000000Z");
    }

    #[test]
    fn people_read_whole_seconds() {
        let moment = Timestamp::new(1_700_000_000, 999_999_999);
        assert_eq!((moment.date_and_time(), moment.time_of_day()), ("2023-11-14 22:13:20".into(), "22:13:20".into()));
        assert_eq!(Timestamp(-1).date_and_time(), "1969-12-31 23:59:59");
        assert_eq!(Timestamp(i64::MIN).date_and_time(), "1677-09-21 00:12:43");
    }

    #[test]
    fn sums_stop_at_the_end_of_the_range() {
        assert_eq!(Timestamp::new(i64::MAX, 0), Timestamp(i64::MAX));
        assert_eq!(Timestamp(i64::MIN) - Timestamp(i64::MAX), Span(i64::MIN));
    }
}
