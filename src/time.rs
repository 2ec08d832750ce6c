//! Moments and durations as the capture tells them, in nanoseconds. The core never asks a clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::OnceLock;

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

    /// The time of day of this computer, for whoever compares a capture with it.
    pub fn of_this_computer() -> Timestamp {
        Timestamp(i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX))
    }
}

/// A time zone, in which people read times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zone(jiff::tz::TimeZone);

impl Default for Zone {
    fn default() -> Zone {
        Zone::utc()
    }
}

impl Zone {
    /// UTC.
    pub fn utc() -> Zone {
        Zone(jiff::tz::TimeZone::UTC)
    }

    /// The zone that `TZ` names, else that of the system; UTC where that is not known. It is read once: a program that confines
    /// itself must ask before it does.
    pub fn of_the_system() -> Zone {
        static ZONE: OnceLock<Zone> = OnceLock::new();
        ZONE.get_or_init(|| Zone(jiff::tz::TimeZone::try_system().unwrap_or(jiff::tz::TimeZone::UTC))).clone()
    }

    /// The zone of this name, such as `Europe/Paris`, if the database has it.
    pub fn named(name: &str) -> Option<Zone> {
        jiff::tz::TimeZone::get(name).ok().map(Zone)
    }

    /// Its name, with its offset at this moment: `UTC`, `Europe/Paris (UTC+01:00)`.
    pub fn name(&self, at: Timestamp) -> String {
        let is_utc = self.0 == jiff::tz::TimeZone::UTC || matches!(self.0.iana_name(), Some("UTC" | "Etc/UTC"));
        if is_utc {
            return "UTC".into();
        }
        let offset = self.formatted(at, "UTC%:z");
        match self.0.iana_name() {
            Some(name) => format!("{name} ({offset})"),
            None => offset,
        }
    }

    /// Date and time of day to the second, as people read it: `2026-11-22 02:41:07`.
    pub fn date_and_time(&self, at: Timestamp) -> String {
        self.formatted(at, "%Y-%m-%d %H:%M:%S")
    }

    /// The date: `2026-11-22`.
    pub fn date(&self, at: Timestamp) -> String {
        self.formatted(at, "%Y-%m-%d")
    }

    /// The time of day to the second: `02:41:07`.
    pub fn time_of_day(&self, at: Timestamp) -> String {
        self.formatted(at, "%H:%M:%S")
    }

    fn formatted(&self, at: Timestamp, format: &str) -> String {
        match jiff::Timestamp::from_nanosecond(i128::from(at.0)) {
            Ok(moment) => moment.to_zoned(self.0.clone()).strftime(format).to_string(),
            Err(_) => at.rfc3339(),
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
        let utc = Zone::utc();
        assert_eq!(
            (utc.date_and_time(moment), utc.time_of_day(moment)),
            ("2023-11-14 22:13:20".into(), "22:13:20".into())
        );
        assert_eq!(utc.date_and_time(Timestamp(-1)), "1969-12-31 23:59:59");
        assert_eq!(utc.date_and_time(Timestamp(i64::MIN)), "1677-09-21 00:12:43");
        assert_eq!(utc.name(moment), "UTC");
    }

    #[test]
    fn a_zone_has_its_summer() {
        // 2023-11-14 22:13:20 and 2023-07-14 12:00:00 UTC (date -d @1700000000, date -d @1689336000).
        let [winter, summer] = [1_700_000_000, 1_689_336_000].map(|seconds| Timestamp::new(seconds, 0));
        let Some(paris) = Zone::named("Europe/Paris") else { return };
        assert_eq!(paris.date_and_time(winter), "2023-11-14 23:13:20");
        assert_eq!(paris.time_of_day(summer), "14:00:00");
        assert_eq!(paris.name(winter), "Europe/Paris (UTC+01:00)");
        assert_eq!(paris.name(summer), "Europe/Paris (UTC+02:00)");
    }

    #[test]
    fn sums_stop_at_the_end_of_the_range() {
        assert_eq!(Timestamp::new(i64::MAX, 0), Timestamp(i64::MAX));
        assert_eq!(Timestamp(i64::MIN) - Timestamp(i64::MAX), Span(i64::MIN));
    }
}
