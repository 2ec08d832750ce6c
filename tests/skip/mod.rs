//! What a test does where something is missing that it needs: it prints a line and passes. With `CAP_AUDIT_NO_SKIP=1` in
//! the environment, as in CI, it fails.

use std::{env, fmt};

/// Says that a test is skipped, and what it lacks; the test then returns.
///
/// # Panics
/// `CAP_AUDIT_NO_SKIP` is 1.
#[track_caller]
pub fn skipped(lacking: impl fmt::Display) {
    let forbidden = env::var_os("CAP_AUDIT_NO_SKIP").is_some_and(|value| value == "1");
    assert!(!forbidden, "skipped, which CAP_AUDIT_NO_SKIP=1 forbids: {lacking}");
    println!("skipped: {lacking}");
}
