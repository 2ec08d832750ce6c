//! How a problem goes on: whether its attempts crowd at the beginning or at the end. All times are relative to each other.

use super::Trend;
use crate::ledger::Seen;
use crate::time::Span;

/// Minimum number of flows of which a trend is told: the mean of fewer is chance.
const FLOWS: u64 = 16;
/// Minimum time between the first of them and the last.
const LENGTH: Span = Span::seconds(10);
/// How far the mean of the beginnings may lie from the middle, as a share of the whole time, while they are called steady.
const MIDDLE: f64 = 0.1;

/// What flows together show. They are as often at the end as at the beginning where their mean lies in the middle; that of a number of
/// moments by chance lies there as well, with a deviation that shrinks with the root of their number.
pub(super) fn trend(seen: &Seen) -> Option<Trend> {
    if seen.flows == 1 {
        return Some(Trend::Once);
    }
    let length = seen.began() - seen.first;
    if seen.flows < FLOWS || length < LENGTH {
        return None;
    }
    let later = seen.begun - i128::from(seen.first.0) * i128::from(seen.flows);
    let mean = later as f64 / seen.flows as f64 / length.0 as f64 - 0.5;
    // Three deviations of the mean of evenly spread moments.
    let chance = 3.0 / (12.0 * seen.flows as f64).sqrt();
    match mean {
        mean if mean.abs() <= MIDDLE => Some(Trend::Steady),
        mean if mean > chance => Some(Trend::Growing),
        mean if mean < -chance => Some(Trend::Fading),
        _ => None,
    }
}
