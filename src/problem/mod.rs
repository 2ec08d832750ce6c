//! Findings with one cause are one problem: what they have in common, whom it hits, what still works, and who is behind it. Facts only:
//! the sentences stand in the catalogue of words.

mod cause;
mod contrast;
mod culprit;
mod group;
mod hosts;
mod identity;
mod made;
mod ports;
mod replies;
mod trend;

use crate::finding::{Confidence, Finding, Params, Scene, Severity};
use crate::packet::Address;
use crate::time::Timestamp;
use crate::transport::Transport;
use replies::Replies;
use std::cmp::Reverse;

pub use hosts::{Hosts, Range, Ranges};

/// Findings with one cause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The same for the same problem in every run and in every larger capture, and of no other problem of a report.
    pub id: String,
    /// The worst of its findings.
    pub severity: Severity,
    /// How sure the cause is.
    pub confidence: Confidence,
    /// What its findings have in common.
    pub cause: Cause,
    /// Its findings by their places in the list of all, the one that tells most first.
    pub findings: Vec<usize>,
    /// Transports and servers' ports; empty where it is about no port.
    pub ports: Vec<(Transport, u16)>,
    /// The service, where it is one.
    pub service: Option<String>,
    /// Who is hit.
    pub clients: Hosts,
    /// On which servers.
    pub servers: Hosts,
    /// Flows that came to nothing, or that show it.
    pub attempts: u64,
    /// When the first of them began.
    pub first: Option<Timestamp>,
    /// When the last of them ended.
    pub last: Option<Timestamp>,
    /// How it goes on, where that can be told.
    pub trend: Option<Trend>,
    /// What works at the same time, nearest first: the contrast.
    pub works: Vec<Works>,
    /// Every path that was answered is known, so that where `works` names nobody nobody was answered. Otherwise there may be more.
    pub works_complete: bool,
    /// How many of its servers answered anybody on its ports, at whatever time; none where that is not known.
    pub servers_answered: Option<usize>,
    /// The networks that it hits as wholes, where that is its cause: blocks, each with a prefix.
    pub networks: Vec<Range>,
    /// Who is behind it, where signs tell.
    pub culprit: Option<Culprit>,
    /// What its texts name beyond the other fields.
    pub params: Params,
}

/// What the findings of a problem have in common. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// Nothing comes back.
    NoAnswer,
    /// A reset answers.
    Refused,
    /// An ICMP error answers.
    Prohibited,
    /// The server answers, and its answer does not reach the client.
    HalfOpen,
    /// A reset ends it soon after the handshake.
    Cut,
    /// What hosts go through until a service works for them stops at one phase.
    Stopped,
    /// Hosts wait for a server that does not answer, before they ask the next one.
    Detour,
    /// Servers of which nothing was heard at all.
    HostDown,
    /// Servers that are up, and do not listen on any of their session ports.
    ServiceDown,
    /// The clients of whole networks get nothing on a port of servers that answer others there.
    SubnetAgainstPort,
    /// One host tries many hosts or ports.
    Scan,
    /// Many single tries.
    Flood,
    /// Sessions took a worse way, and what blocks the better one is not among the findings.
    Fallback,
    /// Launches failed, and what blocks them is not among the findings.
    LaunchFailed,
    /// A session port answers to the internet.
    Exposed,
    /// The internet knocks, and is not let in.
    FromInternet,
    /// Another protocol is spoken on a Citrix port.
    ForeignProtocol,
    /// Citrix is spoken on a port that is not its own.
    OtherPort,
    /// A port answers over the wrong transport.
    OtherTransport,
    /// Sessions died.
    SessionDied,
    /// Sessions died after the same time without traffic.
    IdleTimeout,
    /// The server's side reset sessions that were in use.
    ResetInSession,
    /// Nothing is broken, and anybody on the way can read it, or it is encrypted in a way that is no longer safe.
    Encryption,
    /// Servers answer late or never, though the network is fast.
    Slow,
    /// Requests have to be sent again.
    Repeats,
    /// Packets are too large for the path.
    Mtu,
    /// What has no cause in common with others: the code of the finding tells.
    Single,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Cause; 27] = [
        Cause::NoAnswer,
        Cause::Refused,
        Cause::Prohibited,
        Cause::HalfOpen,
        Cause::Cut,
        Cause::Stopped,
        Cause::Detour,
        Cause::HostDown,
        Cause::ServiceDown,
        Cause::SubnetAgainstPort,
        Cause::Scan,
        Cause::Flood,
        Cause::Fallback,
        Cause::LaunchFailed,
        Cause::Exposed,
        Cause::FromInternet,
        Cause::ForeignProtocol,
        Cause::OtherPort,
        Cause::OtherTransport,
        Cause::SessionDied,
        Cause::IdleTimeout,
        Cause::ResetInSession,
        Cause::Encryption,
        Cause::Slow,
        Cause::Repeats,
        Cause::Mtu,
        Cause::Single,
    ];

    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Cause::NoAnswer => "no-answer",
            Cause::Refused => "refused",
            Cause::Prohibited => "prohibited",
            Cause::HalfOpen => "half-open",
            Cause::Cut => "cut",
            Cause::Stopped => "stopped",
            Cause::Detour => "detour",
            Cause::HostDown => "host-down",
            Cause::ServiceDown => "service-down",
            Cause::SubnetAgainstPort => "subnet-against-port",
            Cause::Scan => "scan",
            Cause::Flood => "flood",
            Cause::Fallback => "fallback",
            Cause::LaunchFailed => "launch-failed",
            Cause::Exposed => "exposed",
            Cause::FromInternet => "from-internet",
            Cause::ForeignProtocol => "foreign-protocol",
            Cause::OtherPort => "other-port",
            Cause::OtherTransport => "other-transport",
            Cause::SessionDied => "session-died",
            Cause::IdleTimeout => "idle-timeout",
            Cause::ResetInSession => "reset-in-session",
            Cause::Encryption => "encryption",
            Cause::Slow => "slow",
            Cause::Repeats => "repeats",
            Cause::Mtu => "mtu",
            Cause::Single => "single",
        }
    }
}

/// How a problem goes on. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Trend {
    /// It happened once.
    Once,
    /// As often at the end as at the beginning.
    Steady,
    /// More often towards the end.
    Growing,
    /// Less often towards the end.
    Fading,
    /// It was, and what was tried since works.
    Over,
    /// It was not tried again for long, although the same clients went on with other things.
    Ceased,
}

impl Trend {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Trend::Once => "once",
            Trend::Steady => "steady",
            Trend::Growing => "growing",
            Trend::Fading => "fading",
            Trend::Over => "over",
            Trend::Ceased => "ceased",
        }
    }
}

/// What works while a problem lasts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Works {
    /// In which way it is near to what does not.
    pub contrast: Contrast,
    /// From these clients.
    pub clients: Hosts,
    /// To these servers.
    pub servers: Hosts,
    /// On this port.
    pub port: (Transport, u16),
    /// Flows that worked.
    pub flows: u64,
    /// When the last of them was answered, where none was since ([`Contrast::Earlier`]).
    pub until: Option<Timestamp>,
}

/// How what works differs from what does not. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Contrast {
    /// Other clients reach the same servers on the same port.
    OtherClients,
    /// The same servers answered on the same port before it began, and nobody since.
    Earlier,
    /// The same clients reach other servers on the same port.
    OtherServers,
    /// The same clients reach the same servers on another port.
    OtherPort,
    /// Other clients reach other servers on the same port.
    Elsewhere,
}

impl Contrast {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Contrast::OtherClients => "other-clients",
            Contrast::Earlier => "earlier",
            Contrast::OtherServers => "other-servers",
            Contrast::OtherPort => "other-port",
            Contrast::Elsewhere => "elsewhere",
        }
    }
}

/// Who is behind a problem, as far as signs tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Culprit {
    /// What it is.
    pub kind: Suspect,
    /// Its address, where it is known.
    pub address: Option<Address>,
    /// How sure that is.
    pub confidence: Confidence,
    /// What speaks for it, by codes of texts in words, each with what it names.
    pub signs: Vec<Told>,
    /// Who else it may be.
    pub not_excluded: Vec<Suspect>,
    /// Why they are not excluded, and what could not be looked into.
    pub doubts: Vec<Told>,
}

/// A text by its code, and what it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The code of the text.
    pub code: &'static str,
    /// What it names.
    pub params: Params,
}

/// Who may be behind a problem. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Suspect {
    /// The server, or its service.
    Server,
    /// A firewall on the server.
    HostFirewall,
    /// A device on the way.
    Middlebox,
    /// The client, or a firewall on it.
    ClientHost,
    /// The network between them: routes, links.
    NetworkPath,
    /// Nobody can be named.
    Unknown,
}

impl Suspect {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Suspect::Server => "server",
            Suspect::HostFirewall => "host_firewall",
            Suspect::Middlebox => "middlebox",
            Suspect::ClientHost => "client_host",
            Suspect::NetworkPath => "network_path",
            Suspect::Unknown => "unknown",
        }
    }
}

/// The problems behind findings, the worst first. What is about the capture itself is no problem: its quality tells it.
///
/// Each other finding is in exactly one of them. A cause that explains others absorbs them: see [`Cause`].
pub fn problems(scene: &Scene<'_>, findings: &[Finding]) -> Vec<Problem> {
    if findings.iter().all(|finding| finding.code.starts_with("quality.")) {
        return Vec::new();
    }
    let replies = Replies::of(scene, findings);
    let mut problems: Vec<Problem> = group::groups(scene, findings, &replies)
        .into_iter()
        .map(|group| made::problem(scene, findings, &replies, group))
        .collect();
    problems.iter_mut().for_each(|problem| problem.culprit = culprit::of(scene, problem, findings, &replies));
    problems.sort_by(|one, other| rank(one).cmp(&rank(other)));
    identity::tell_twins_apart(&mut problems);
    problems
}

/// The worst first, then by people hit, then by what it came to. What breaks nothing comes last.
fn rank(problem: &Problem) -> impl Ord + use<'_> {
    let last = problem.cause == Cause::Encryption;
    (Reverse(problem.severity), last, Reverse(problem.clients.count()), Reverse(problem.attempts), &problem.id)
}
