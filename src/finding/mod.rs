//! What it means: each finding is one `Check` in the table of its theme. A new one is a line there, a function beside it, and
//! its texts in the catalogue of words. Findings are facts: no sentence for people stands here.

mod blocked;
mod detour;
mod encryption;
mod fallback;
mod identity;
mod launch;
mod loss;
mod mtu;
mod nat;
mod params;
mod path;
mod quality;
mod reset;
mod roles;
mod scan;
mod scene;
mod session;
mod slow;
mod story;
mod tls;
mod unexpected;

use crate::flow::{Evidence, PacketRef};
use crate::ledger::{NAMED_LIMIT, Seen};
use crate::packet::{Address, Vlans};
use crate::time::Timestamp;
use crate::transport::Transport;

pub use params::{IcmpFamily, IcmpKind, Name, Params, Value};
pub use scene::Scene;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Good to know; nothing to repair.
    Info,
    /// Something works less well than it should, or may not concern Citrix.
    Warning,
    /// Something that Citrix needs does not work, or should not be there.
    Error,
}

impl Severity {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// How sure it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Confidence {
    /// One sign, or a capture that shows only part.
    Low,
    /// Likely.
    Medium,
    /// Shown by the packets named.
    High,
}

impl Confidence {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }
}

/// Something that a person should know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The same for the same thing in every run and in every larger capture, and of no other finding of a report: its code, port
    /// and server, in a word that can be read. [`findings`] fills it in.
    pub id: String,
    /// The findings that this one rests on, by their ids: what is blocked where a session fell back. [`findings`] fills it in.
    pub rests_on: Vec<String>,
    /// `theme.name`; keeps its meaning for ever.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// What its texts name beyond the other fields; which, its [`Check`] says.
    pub params: Params,
    /// Where that is documented.
    pub sources: Vec<String>,
    /// Who is concerned. Empty for findings about the capture.
    pub clients: Vec<Address>,
    /// There are more clients than are named.
    pub more_clients: bool,
    /// On which servers.
    pub servers: Vec<Address>,
    /// Transport and server's port.
    pub port: Option<(Transport, u16)>,
    /// The service.
    pub service: Option<String>,
    /// Rules of the map that name the port.
    pub rules: Vec<String>,
    /// The products of those rules.
    pub products: Vec<String>,
    /// First packets of the flows, the earliest few.
    pub openers: Vec<PacketRef>,
    /// How many flows.
    pub flow_count: u64,
    /// When the first of them began; none for findings about the capture.
    pub first: Option<Timestamp>,
    /// When the last of them ended.
    pub last: Option<Timestamp>,
    /// VLANs of tagged flows, the lowest [`NAMED_LIMIT`].
    pub vlans: Vec<Vlans>,
    /// Packets that show it, the earliest few.
    pub evidence: Vec<Evidence>,
    /// A display filter that selects these flows.
    pub wireshark_filter: String,
    /// It selects no others.
    pub filter_is_exact: bool,
    /// All that was seen of its flows together; none for findings about the capture. Not in the report.
    pub seen: Option<Box<Seen>>,
}

impl Finding {
    /// A finding of a check that names nobody yet.
    fn of(check: &Check, severity: Severity, confidence: Confidence) -> Finding {
        Finding { sources: vec![check.source.into()], ..Finding::named(check.code, severity, confidence) }
    }

    /// A finding with this code that says nothing else yet.
    pub fn named(code: &'static str, severity: Severity, confidence: Confidence) -> Finding {
        Finding {
            id: String::new(),
            rests_on: Vec::new(),
            code,
            severity,
            confidence,
            params: Params::default(),
            sources: Vec::new(),
            clients: Vec::new(),
            more_clients: false,
            servers: Vec::new(),
            port: None,
            service: None,
            rules: Vec::new(),
            products: Vec::new(),
            openers: Vec::new(),
            flow_count: 0,
            first: None,
            last: None,
            vlans: Vec::new(),
            evidence: Vec::new(),
            wireshark_filter: String::new(),
            filter_is_exact: false,
            seen: None,
        }
    }

    /// With what was seen of its flows.
    fn showing(self, seen: &Seen) -> Finding {
        Finding {
            openers: seen.openers.to_vec(),
            flow_count: seen.flows,
            first: Some(seen.first),
            last: Some(seen.last),
            vlans: seen.vlans.to_vec(),
            evidence: seen.evidence.to_vec(),
            seen: Some(Box::new(seen.clone())),
            ..self
        }
    }

    /// Whether a list of this finding of which only the first few are kept, such as its evidence, holds everything.
    pub fn names_all<T>(&self, list: &[T]) -> bool {
        list.len() < NAMED_LIMIT
    }
}

/// One kind of finding.
pub struct Check {
    /// `theme.name`.
    pub code: &'static str,
    /// One line on when it is raised.
    pub raised: &'static str,
    /// Where the rule behind it is documented.
    pub source: &'static str,
    /// The names of its parameters, in order.
    pub params: &'static [&'static str],
    /// Looks for it.
    pub look: fn(&Check, &Scene<'_>, &mut Vec<Finding>),
}

/// Every check, by theme.
pub const CHECKS: [&[Check]; 17] = [
    blocked::CHECKS,
    story::CHECKS,
    detour::CHECKS,
    tls::CHECKS,
    slow::CHECKS,
    mtu::CHECKS,
    loss::CHECKS,
    nat::CHECKS,
    launch::CHECKS,
    fallback::CHECKS,
    path::CHECKS,
    session::CHECKS,
    reset::CHECKS,
    unexpected::CHECKS,
    scan::CHECKS,
    quality::CHECKS,
    encryption::CHECKS,
];

/// Everything that the checks find, the worst first.
pub fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for check in CHECKS.into_iter().flatten() {
        (check.look)(check, scene, &mut found);
    }
    found.sort_by(|one, other| {
        let key = |f: &Finding| {
            // What is told once for a service is sorted by it.
            let service = f.service.clone().filter(|_| f.code.starts_with("encryption."));
            let hosts = (f.servers.first().copied(), f.clients.first().copied());
            (std::cmp::Reverse(f.severity), f.code, f.port, service, hosts)
        };
        key(one).cmp(&key(other))
    });
    identity::name(&mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_have_a_theme() {
        let codes: Vec<&str> = CHECKS.into_iter().flatten().map(|check| check.code).collect();
        let unique: BTreeSet<&str> = codes.iter().copied().collect();
        assert_eq!(codes.len(), unique.len());
        for check in CHECKS.into_iter().flatten() {
            let theme = check.code.split_once('.').map(|(theme, _)| theme);
            assert!(
                matches!(
                    theme,
                    Some(
                        "blocked"
                            | "service"
                            | "tls"
                            | "fallback"
                            | "launch"
                            | "path"
                            | "unexpected"
                            | "quality"
                            | "encryption"
                    )
                ),
                "{}",
                check.code
            );
            assert!(!check.raised.is_empty() && !check.source.is_empty(), "{}", check.code);
            assert!(check.params.is_sorted(), "{}", check.code);
        }
    }
}
