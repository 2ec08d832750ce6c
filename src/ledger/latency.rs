//! A distribution of durations that adds up. The only file that names `hdrhistogram`.

use crate::time::Span;
use hdrhistogram::Histogram;
use std::ops::AddAssign;

/// A distribution of durations in microseconds, three significant digits, up to an hour.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Latency(Option<Box<Histogram<u64>>>);

impl Latency {
    /// Adds one duration. More than an hour counts as an hour.
    pub fn record(&mut self, span: Span) {
        self.record_many(span.as_micros(), 1);
    }

    /// Adds one duration in microseconds `count` times.
    fn record_many(&mut self, micros: u64, count: u64) {
        let histogram = self.0.get_or_insert_with(|| Box::new(new_histogram()));
        histogram.saturating_record_n(micros, count);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.len())
    }

    /// The value, in microseconds, that this share of them (0 to 1) does not exceed, to three significant digits.
    pub fn quantile(&self, share: f64) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.value_at_quantile(share).min(histogram.max()))
    }

    /// The smallest, in microseconds.
    pub fn min(&self) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.min())
    }

    /// The largest, in microseconds.
    pub fn max(&self) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.max())
    }

    /// The durations in microseconds, to three significant digits, each with how often it was seen.
    pub fn counts(&self) -> Vec<(u64, u64)> {
        let Some(histogram) = &self.0 else { return Vec::new() };
        histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
    }

    /// The distribution of these durations in microseconds, as [`Latency::counts`] gives them.
    pub fn of_counts(counts: impl IntoIterator<Item = (u64, u64)>) -> Latency {
        let mut latency = Latency::default();
        counts.into_iter().for_each(|(micros, count)| latency.record_many(micros, count));
        latency
    }
}

fn new_histogram() -> Histogram<u64> {
    const HOUR_MICROS: u64 = 3_600_000_000;
    Histogram::new_with_bounds(1, HOUR_MICROS, 3)
        .expect("1 to an hour with three digits is within the bounds it accepts")
}

impl AddAssign<&Latency> for Latency {
    fn add_assign(&mut self, other: &Latency) {
        match (&mut self.0, &other.0) {
            (_, None) => {}
            (None, theirs) => self.0.clone_from(theirs),
            (Some(mine), Some(theirs)) => mine.add(theirs.as_ref()).expect("both have the bounds of new_histogram"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_made_again_from_its_counts() {
        let mut latency = Latency::default();
        for micros in [0, 1, 410, 411, 2_047, 2_048, 98_765, 98_765, 3_600_000_000, 7_200_000_000] {
            latency.record(Span::micros(micros));
        }
        let again = Latency::of_counts(latency.counts());
        assert_eq!(again, latency);
        assert_eq!((again.count(), again.min(), again.max()), (latency.count(), latency.min(), latency.max()));
        assert_eq!(Latency::of_counts(Latency::default().counts()), Latency::default());
    }
}
