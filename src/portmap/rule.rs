//! What stands in a port map: rules, services and the documents that they come from.

use crate::signature::Protocol;
use crate::transport::Transport;
use std::ops::{AddAssign, RangeInclusive};

/// One rule of the port map: these roles, over these transports, to these destination ports.
/// Every source goes with every destination, and every transport with every port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortRule {
    /// Unique in the map, for example `cvad.workspace-app.vda.ica`.
    pub id: String,
    /// The product in whose section the rule stands.
    pub product: String,
    /// Roles that open the connection.
    pub sources: Vec<String>,
    /// Roles that are connected to.
    pub destinations: Vec<String>,
    /// In the order TCP, UDP, ICMP; never empty.
    pub transports: Vec<Transport>,
    /// Destination ports in the order of the document. Empty for ICMP and for rules that may use any port.
    pub ports: Vec<RangeInclusive<u16>>,
    /// Who may open the connection.
    pub direction: Direction,
    /// What speaks there; over UDP only if `udp_service` is `None`.
    pub service: ServiceId,
    /// What speaks there over UDP, where that is something else.
    pub udp_service: Option<ServiceId>,
    /// UDP ports of this rule on which the service always answers, so that silence means trouble. Empty: it proves nothing.
    pub reply: Vec<RangeInclusive<u16>>,
    /// What the traffic is for, in one phrase.
    pub detail: String,
    /// Keys of the documents that state the rule. Empty for a correction.
    pub documents: Vec<String>,
    /// Remarks on the reading of the documents, with tags such as `[suspect]`.
    pub note: Option<String>,
    /// Documented, or a correction.
    pub layer: Layer,
}

/// Who may open the connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// The source role opens it. The documents do not deny the reverse.
    OneWay,
    /// Either role may open it to that port of the other.
    Both,
}

/// Where a rule stands.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Layer {
    /// In the documents that the map was made from.
    Document,
    /// Not in the documents: added because another source states it.
    Correction {
        /// What the documents lack.
        why: String,
        /// Who states it instead.
        cited: String,
    },
}

/// A service: what a user reads instead of a port number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// The name in the report, for example `cgp`.
    pub name: String,
    /// The name for people, for example "CGP (session with session reliability)".
    pub title: String,
    /// A shorter name for titles, where the title up to its first bracket will not do: "session reliability".
    pub short: Option<String>,
    /// The protocol whose first bytes prove this service. No other service of the map has it.
    pub proved_by: Option<Protocol>,
    /// The protocols that may be heard on its ports; another one there contradicts the rule. `None`: the service is not
    /// known well enough to be contradicted.
    pub speaks: Option<Vec<Protocol>>,
    /// How the paths begin that only this service is asked for over HTTP, in lower case. Of several services the one with the longest
    /// beginning is meant.
    pub asked_by: Vec<String>,
    /// Its ports are session ports: ICA and CGP are both at home there, nothing but Citrix is, and the internet must not
    /// reach them.
    pub session: bool,
    /// ICA or CGP, where the service is built on it without being a session: heard on its ports, it is no Citrix elsewhere.
    pub carries: Vec<Protocol>,
    /// How it is spoken where anybody on the way can read it.
    pub plain: Option<Plain>,
    /// Over UDP: each datagram of the client asks for an answer, so that one which is sent again was not answered in time.
    pub requests: bool,
    /// It answers each request of the client within this number of milliseconds; longer is slow. None where it may push, or let clients
    /// wait.
    pub answers_within: Option<u32>,
    /// What it means for people when it is blocked, in one or two sentences.
    pub blocked: Option<String>,
    /// What is used while it is blocked.
    pub instead: Option<Instead>,
}

/// How a service is spoken where anybody on the way can read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plain {
    /// What can be read.
    pub exposed: Exposed,
    /// Ports that are there for that. Empty: the protocol tells it, HTTP where the service is asked by a path.
    pub ports: Vec<RangeInclusive<u16>>,
}

/// What can be read where a service is not encrypted. The names are parts of the codes of findings: `encryption.plain-ica`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Exposed {
    /// What appliances tell each other: configuration, state of sites.
    AdcSync,
    /// Sessions: screen, keyboard, clipboard.
    Ica,
    /// Disks and commands of App Layering.
    Layering,
    /// Names and passwords, and what a directory holds.
    Ldap,
    /// Recorded sessions.
    Recording,
    /// Logons to a store, and what is started from there.
    Storefront,
    /// Names and passwords of users on their way to a controller, and tickets.
    Xml,
}

/// What is used while a service is blocked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instead {
    /// Other services of the same map, in order of preference. Never empty.
    pub services: Vec<ServiceId>,
    /// Which kind of fallback that is.
    pub fallback: Fallback,
}

/// A way from a better service to the next one. The names are parts of the codes of findings: `fallback.cgp-to-ica`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Fallback {
    /// From a session with session reliability to one without.
    CgpToIca,
    /// From a session over UDP to one over TCP.
    EdtToTcp,
    /// From sound over UDP to sound inside the session's connection over TCP.
    AudioToTcp,
    /// From a session straight to the cloud gateway to one through a Cloud Connector.
    Rendezvous,
}

/// A document that the map was made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// The name in the map and in the report, for example `ports-paper-ja`.
    pub key: String,
    /// Publisher and title in English, as findings cite it. Notes of rules name the document by a part of it.
    pub title: String,
    /// What the document calls itself, where that is something else.
    pub original: Option<String>,
    /// Language code, for example `ja`.
    pub language: String,
    /// Who published it.
    pub origin: String,
}

/// A rule of one map, by its place in [`PortMap::rules`](super::PortMap::rules).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleId(pub u16);

/// A service of one map, by its place in [`PortMap::services`](super::PortMap::services).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServiceId(pub u16);

/// Some rules of one map.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RuleSet {
    /// A bit for each rule, the lowest first. Invariant: the last word is not 0.
    words: Vec<u64>,
}

impl RuleSet {
    /// Adds rules.
    pub fn extend(&mut self, rules: &[RuleId]) {
        for &RuleId(rule) in rules {
            let (word, bit) = (usize::from(rule / 64), rule % 64);
            if word >= self.words.len() {
                self.words.resize(word + 1, 0);
            }
            self.words[word] |= 1 << bit;
        }
    }

    /// The rules in the order of the map.
    pub fn iter(&self) -> impl Iterator<Item = RuleId> {
        let bits = |(place, word): (usize, &u64)| {
            let word = *word;
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| RuleId(place as u16 * 64 + bit))
        };
        self.words.iter().enumerate().flat_map(bits)
    }
}

impl AddAssign<&RuleSet> for RuleSet {
    fn add_assign(&mut self, other: &RuleSet) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
    }
}

impl Direction {
    /// The name in the map and in the report: `one-way` or `both`.
    pub fn name(self) -> &'static str {
        match self {
            Direction::OneWay => "one-way",
            Direction::Both => "both",
        }
    }
}

impl Layer {
    /// The name in the report: `document` or `correction`.
    pub fn name(&self) -> &'static str {
        match self {
            Layer::Document => "document",
            Layer::Correction { .. } => "correction",
        }
    }
}

impl Exposed {
    /// All of them, in the order of the type.
    pub const fn all() -> &'static [Exposed] {
        use Exposed::{AdcSync, Ica, Layering, Ldap, Recording, Storefront, Xml};
        &[AdcSync, Ica, Layering, Ldap, Recording, Storefront, Xml]
    }

    /// The name in the map and in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Exposed::AdcSync => "adc-sync",
            Exposed::Ica => "ica",
            Exposed::Layering => "layering",
            Exposed::Ldap => "ldap",
            Exposed::Recording => "recording",
            Exposed::Storefront => "storefront",
            Exposed::Xml => "xml",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Exposed> {
        Exposed::all().iter().copied().find(|exposed| exposed.name() == name)
    }
}

impl Fallback {
    /// Every fallback, in the order of the type.
    pub const fn all() -> &'static [Fallback] {
        &[Fallback::CgpToIca, Fallback::EdtToTcp, Fallback::AudioToTcp, Fallback::Rendezvous]
    }

    /// The name in the map and in the report: `cgp-to-ica`, `edt-to-tcp`, `audio-to-tcp` or `rendezvous`.
    pub const fn name(self) -> &'static str {
        match self {
            Fallback::CgpToIca => "cgp-to-ica",
            Fallback::EdtToTcp => "edt-to-tcp",
            Fallback::AudioToTcp => "audio-to-tcp",
            Fallback::Rendezvous => "rendezvous",
        }
    }

    /// The fallback of that name.
    pub fn named(name: &str) -> Option<Fallback> {
        Fallback::all().iter().copied().find(|fallback| fallback.name() == name)
    }
}

impl PortRule {
    /// What speaks on the ports of this rule over that transport.
    pub fn service_over(&self, transport: Transport) -> ServiceId {
        match transport {
            Transport::Udp => self.udp_service.unwrap_or(self.service),
            Transport::Tcp | Transport::Icmp => self.service,
        }
    }

    /// Where the rule comes from: the keys of its documents, joined with `;`, or what a correction cites.
    pub fn origin(&self) -> String {
        match &self.layer {
            Layer::Document => self.documents.join(";"),
            Layer::Correction { cited, .. } => cited.clone(),
        }
    }

    /// Whether the rule names this destination port over this transport. Without ports it names none, over ICMP it names 0.
    pub fn names(&self, transport: Transport, port: u16) -> bool {
        self.narrowest(transport, port).is_some()
    }

    /// The number of ports in the narrowest range of this rule around `port`: 1 is a single number.
    pub fn narrowest(&self, transport: Transport, port: u16) -> Option<usize> {
        if !self.transports.contains(&transport) {
            return None;
        }
        if transport == Transport::Icmp {
            return (port == 0).then_some(1);
        }
        self.ports.iter().filter(|range| range.contains(&port)).map(|range| range.len()).min()
    }

    /// Whether the service always answers on this UDP port.
    pub(super) fn answers_on(&self, port: u16) -> bool {
        self.reply.iter().any(|range| range.contains(&port))
    }
}

/// A port or a range as the map writes it: `443` or `16500-16509`.
pub fn ports_text(range: &RangeInclusive<u16>) -> String {
    if range.start() == range.end() { range.start().to_string() } else { format!("{}-{}", range.start(), range.end()) }
}

/// Places in the lists of a map fit 16 bits: `load.rs` refuses longer lists, and there are fewer answers than ports.
pub(super) fn small(place: usize) -> u16 {
    u16::try_from(place).expect("a place in a list of a map")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_rules_gives_back_what_was_added_in_order_and_once() {
        let set = |rules: &[u16]| {
            let mut set = RuleSet::default();
            set.extend(&rules.iter().copied().map(RuleId).collect::<Vec<_>>());
            set
        };
        let mut sum = set(&[308, 64, 0, 64]);
        assert_eq!(sum.iter().collect::<Vec<_>>(), [0, 64, 308].map(RuleId));
        sum += &set(&[63, 308, 700]);
        assert_eq!(sum, set(&[700, 308, 64, 63, 0]), "in whatever order they were added");
        assert_eq!(sum.iter().last(), Some(RuleId(700)));
        assert_eq!(set(&[]).iter().count(), 0);
    }

    #[test]
    fn a_fallback_is_found_by_its_name() {
        for &fallback in Fallback::all() {
            assert_eq!(Fallback::named(fallback.name()), Some(fallback));
        }
        assert_eq!(Fallback::named("ica-to-cgp"), None);
    }
}
