//! Loss, copies, and what was changed on the way.

use super::Check;

pub(super) const CHECKS: &[Check] = &[];
