//! How plain values are written in every format for programs: names as they are fixed, times in RFC 3339 or in seconds.

use crate::flow::DirectionBasis;
use crate::judge::{Outcome, Reason, Verdict};
use crate::ledger::Ended;
use crate::matching::Basis;
use crate::packet::LinkType;
use crate::session::{Role, Tie, Way};
use crate::signature::Protocol;
use crate::time::{Span, Timestamp};
use serde::{Serialize, Serializer};
use std::fmt::Display;

/// Something with a name that is fixed in the report.
pub(super) trait Named {
    fn fixed_name(&self) -> &'static str;
}

macro_rules! named {
    ($($type:ty),*) => {
        $(impl Named for $type {
            fn fixed_name(&self) -> &'static str {
                self.name()
            }
        })*
    };
}

named!(Basis, DirectionBasis, Outcome, Protocol, Reason, Verdict);
named!(Ended, Role, Tie, Way);

pub(super) fn name<S: Serializer>(value: &impl Named, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.fixed_name())
}

pub(super) fn some_name<S: Serializer>(value: &Option<impl Named>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(Named::fixed_name).serialize(serializer)
}

pub(super) fn shown<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(super) fn link_types<S: Serializer>(links: &[LinkType], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(links.iter().map(|link| link.name()))
}

pub(super) fn moment<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&moment.rfc3339())
}

pub(super) fn some_moment<S: Serializer>(moment: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    moment.map(Timestamp::rfc3339).serialize(serializer)
}

pub(super) fn seconds<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_seconds())
}

pub(super) fn some_micros<S: Serializer>(span: &Option<Span>, serializer: S) -> Result<S::Ok, S::Error> {
    span.map(Span::as_micros).serialize(serializer)
}
