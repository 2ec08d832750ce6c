//! What TLS and DTLS say in the clear: alerts, hellos without an answer, plain text where TLS is due.

use super::Check;

pub(super) const CHECKS: &[Check] = &[];
