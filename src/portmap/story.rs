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
    /// What the host is that goes through it, as a sentence begins: "Target device".
    pub subject: String,
    /// Several of them, as they follow a number: "target devices".
    pub subjects: String,
    /// Only hosts that answer on a port of one of these services; empty where anybody may go through it.
    pub subject_serves: Vec<ServiceId>,
    /// Only hosts that were answered on a port of one of these services; empty where anybody may go through it.
    pub subject_uses: Vec<ServiceId>,
    /// What it means for people when it stops, in one or two sentences.
    pub stopped: Option<String>,
    /// Where that is documented.
    pub source: Option<String>,
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
    /// What carries it: one of these.
    pub transports: Vec<Transport>,
    /// The server's ports, the one that is tried first before others. Never empty.
    pub ports: Vec<RangeInclusive<u16>>,
    /// Only flows of this service: by what they say, where many programs use the port.
    pub service: Option<ServiceId>,
    /// Only servers that answer on a port of one of these services; empty where any server may be meant.
    pub server_serves: Vec<ServiceId>,
    /// What fails counts only at servers that answer on a port of one of these services too, or where first words on a generic port
    /// tell; empty where it counts at any server.
    pub fails_at: Vec<ServiceId>,
    /// Who opens it.
    pub opener: Opener,
    /// Answers that stop it.
    pub errors: Vec<Refusal>,
    /// Errors count only where they name a server of this service.
    pub names_of: Option<ServiceId>,
    /// Only hosts that asked somebody for this path over HTTP, which few hosts of a site do.
    pub asked_before: Option<String>,
    /// It is told where it works, and nothing stops there.
    pub context: bool,
    /// Each server counts by itself: what works at another one is no substitute.
    pub each_server: bool,
    /// Where a server does not answer, the host asks the next one after a while.
    pub next_server: bool,
    /// The story may go on without it.
    pub optional: bool,
    /// Not every site needs it: where nobody gets through it, it is no more than a warning that somebody does not.
    pub only_where_used: bool,
    /// Where it is answered, the next phase follows within this number of seconds; none where that is not certain.
    pub next_within: Option<u32>,
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

/// An answer that stops a phase: `http-503`, or `http` for whatever error of HTTP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Refusal {
    /// In which protocol.
    pub family: Family,
    /// Which error; none for all.
    pub number: Option<u16>,
}

/// In which protocol an error is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// The status of an answer of HTTP, 400 or above.
    Http,
    /// The error code of Kerberos.
    Kerberos,
    /// The response code of DNS.
    Dns,
    /// The error code of TFTP.
    Tftp,
    /// The alert of TLS or DTLS that either side sent.
    Alert,
    /// The hello of TLS had no answer. It has no number.
    NoHello,
    /// Data of TFTP was never acknowledged. It has no number.
    Stuck,
}

impl Family {
    const ALL: [Family; 7] =
        [Family::Http, Family::Kerberos, Family::Dns, Family::Tftp, Family::Alert, Family::NoHello, Family::Stuck];

    /// Its errors have numbers.
    pub fn has_numbers(self) -> bool {
        !matches!(self, Family::NoHello | Family::Stuck)
    }

    /// The name in a map and in the report.
    pub fn name(self) -> &'static str {
        match self {
            Family::Http => "http",
            Family::Kerberos => "kerberos",
            Family::Dns => "dns",
            Family::Tftp => "tftp",
            Family::Alert => "alert",
            Family::NoHello => "no-hello",
            Family::Stuck => "stuck",
        }
    }
}

impl Refusal {
    /// That of this name, as a map writes it.
    pub(super) fn named(name: &str) -> Option<Refusal> {
        let whole = Family::ALL.into_iter().find(|family| family.name() == name);
        if let Some(family) = whole {
            return Some(Refusal { family, number: None });
        }
        let (family, number) = name.rsplit_once('-')?;
        let family = Family::ALL.into_iter().find(|it| it.name() == family && it.has_numbers())?;
        Some(Refusal { family, number: Some(number.parse().ok()?) })
    }

    /// This error is meant.
    pub fn holds(self, family: Family, number: u16) -> bool {
        self.family == family && self.number.is_none_or(|it| it == number)
    }
}

impl Phase {
    /// A flow to this port of a server may belong to it.
    pub fn is_at(&self, transport: Transport, port: u16) -> bool {
        self.transports.contains(&transport) && self.ports.iter().any(|ports| ports.contains(&port))
    }
}
