//! What is spoken in the clear, or with an old version of TLS.

use super::Check;

pub(super) const CHECKS: &[Check] = &[];
