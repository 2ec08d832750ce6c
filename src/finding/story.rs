//! Where the story of a host stops: which phase of a service was not answered, or did not follow.

use super::Check;

pub(super) const CHECKS: &[Check] = &[];
