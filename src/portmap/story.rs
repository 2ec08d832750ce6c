//! What a host goes through until a service works for it: phases in order, each with what opens it and what answers.

use super::rule::ServiceId;
use crate::transport::Transport;
use std::ops::RangeInclusive;

/// What a host goes through until something works for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Story {
    /// The name in the report, for example `pvs-boot`.
    pub name: String,
    /// What it comes to, in a few words: "Provisioning boot".
    pub title: String,
    /// What the host is that goes through it, in the singular: "target device".
    pub subject: String,
    /// What it means for people when it stops, in one or two sentences.
    pub stopped: Option<String>,
    /// What happens, in order. Never empty.
    pub phases: Vec<Phase>,
}

/// One phase of a story.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Phase {
    /// The name in the report, for example `login`.
    pub name: String,
    /// What happens, in a few words: "login on UDP 6910".
    pub title: String,
    /// What carries it.
    pub transport: Transport,
    /// The server's ports. Never empty.
    pub ports: Vec<RangeInclusive<u16>>,
    /// Only flows of this service: by what they say, where many programs use the port.
    pub service: Option<ServiceId>,
    /// Who opens it.
    pub opener: Opener,
    /// The story may go on without it.
    pub optional: bool,
    /// Where it is answered, the next phase follows within so many seconds; none where that is not certain.
    pub next_within: Option<u32>,
    /// An answer that takes longer than so many milliseconds is slow.
    pub slow_after: Option<u32>,
    /// Where to look when it stops here, in one or two sentences.
    pub remedy: Option<String>,
}

/// Who opens a phase.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Opener {
    /// The host whose story it is.
    Subject,
    /// Its server: it calls back.
    Server,
}

impl Phase {
    /// A flow to this port of a server may belong to it.
    pub fn is_at(&self, transport: Transport, port: u16) -> bool {
        self.transport == transport && self.ports.iter().any(|ports| ports.contains(&port))
    }
}
