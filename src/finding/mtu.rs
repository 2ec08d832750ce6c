//! Packets that are too large for their path.

use super::Check;

pub(super) const CHECKS: &[Check] = &[];
