//! The facts that a text names: values by their names, with no words around them.

use crate::packet::Address;
use crate::signature::Protocol;
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Values by their names, in the order of the names. A name is in snake case, as in the report.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Params(BTreeMap<&'static str, Value>);

/// A fact that a text may name.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Value {
    /// A number of things.
    Number(u64),
    /// A length of time.
    Duration(Span),
    /// A moment. For people it is told in their zone.
    Moment(Timestamp),
    /// A part of a whole.
    Share {
        /// How many of them.
        part: u64,
        /// How many there are. Not 0.
        whole: u64,
    },
    /// One of a few kebab-case words, by which texts differ.
    Word(&'static str),
    /// A name out of a map or a capture, told as it stands there.
    Text(String),
    /// A sentence out of a map. It is for people only, and not among the parameters that programs read.
    Sentence(String),
    /// The title of a service; none where the map knows no service.
    Service(Option<String>),
    /// What a map calls by a name, for programs, and a title, for people.
    Named(Name),
    /// Several of them, in order.
    Several(Vec<Name>),
    /// A transport.
    Transport(Transport),
    /// What was spoken.
    Protocol(Protocol),
    /// Hosts, in order.
    Addresses(Vec<Address>),
    /// Ports: rising, or as a client tries them.
    Ports(Vec<u16>),
    /// ICMP errors, each kind once.
    Errors(Vec<IcmpKind>),
    /// Packets that were not decoded, by the name of the reason or of what they are.
    Skipped(Vec<(&'static str, u64)>),
    /// Remarks that follow a text in this order, by their codes.
    Remarks(Vec<&'static str>),
}

/// How a map calls a thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// For programs.
    pub name: String,
    /// For people.
    pub title: String,
}

/// A kind of ICMP or ICMPv6 error.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IcmpKind {
    /// Which of the two.
    pub family: IcmpFamily,
    /// The type of the message.
    pub kind: u8,
    /// Its code.
    pub code: u8,
}

/// ICMP or ICMPv6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum IcmpFamily {
    /// Of IPv4.
    Icmp,
    /// Of IPv6.
    Icmpv6,
}

impl Params {
    /// With one value more. A second of the same name takes the place of the first.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Params {
        self.0.insert(name, value);
        self
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(&name, value)| (name, value))
    }
}

impl<const N: usize> From<[(&'static str, Value); N]> for Params {
    fn from(values: [(&'static str, Value); N]) -> Params {
        Params(values.into())
    }
}

impl IcmpFamily {
    /// The name in the report: `icmp` or `icmpv6`.
    pub fn name(self) -> &'static str {
        match self {
            IcmpFamily::Icmp => "icmp",
            IcmpFamily::Icmpv6 => "icmpv6",
        }
    }
}

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().filter(|(_, value)| !matches!(value, Value::Sentence(_))))
    }
}

impl Serialize for Value {
    /// Numbers and lists as such, times in seconds, names as they stand in the rest of the report.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Number(number) => serializer.serialize_u64(*number),
            Value::Duration(span) => serializer.serialize_f64(span.as_seconds()),
            Value::Moment(at) => serializer.serialize_str(&at.rfc3339()),
            Value::Share { part, whole } => serializer.serialize_f64(*part as f64 / *whole as f64),
            Value::Word(word) => serializer.serialize_str(word),
            Value::Text(text) | Value::Sentence(text) => serializer.serialize_str(text),
            Value::Named(name) => serializer.serialize_str(&name.name),
            Value::Several(names) => serializer.collect_seq(names.iter().map(|name| &name.name)),
            Value::Service(title) => title.serialize(serializer),
            Value::Transport(transport) => serializer.serialize_str(transport.name()),
            Value::Protocol(protocol) => serializer.serialize_str(protocol.name()),
            Value::Addresses(addresses) => serializer.collect_seq(addresses.iter().map(Address::to_string)),
            Value::Ports(ports) => serializer.collect_seq(ports),
            Value::Errors(errors) => serializer.collect_seq(errors),
            Value::Skipped(counts) => serializer.collect_map(counts.iter().map(|(name, packets)| (name, packets))),
            Value::Remarks(codes) => codes.serialize(serializer),
        }
    }
}

impl Serialize for IcmpKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("protocol", self.family.name())?;
        map.serialize_entry("type", &self.kind)?;
        map.serialize_entry("code", &self.code)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_the_report_writes_them() {
        let host = Address::v4([10, 0, 0, 1]);
        let error = IcmpKind { family: IcmpFamily::Icmpv6, kind: 1, code: 4 };
        let params = Params::from([
            ("tries", Value::Number(3)),
            ("consequence", Value::Sentence("It does not work.".into())),
            ("watched", Value::Duration(Span::millis(4_500))),
            ("cause", Value::Word("server-policy")),
            ("service_title", Value::Service(None)),
            ("senders", Value::Addresses(vec![host])),
            ("errors", Value::Errors(vec![error])),
        ]);
        let written = serde_json::to_string(&params).expect("parameters can be written");
        let told = r#"{"cause":"server-policy","errors":[{"protocol":"icmpv6","type":1,"code":4}],"#.to_string()
            + r#""senders":["10.0.0.1"],"service_title":null,"tries":3,"watched":4.5}"#;
        assert_eq!(written, told);
    }
}
