//! Services that are slow and not down.

use super::Check;

pub(super) const CHECKS: &[Check] = &[];
