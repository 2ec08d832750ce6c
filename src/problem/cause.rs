//! Causes that explain several findings: a host that is down, a service that is down, a network that is not let through. Each needs
//! evidence of its own; without it the plain cause stands.

use super::culprit;
use super::group::{Key, Standing};
use super::hosts::Range;
use super::replies::{Replies, Reply, numbers};
use super::{Cause, Suspect};
use crate::finding::{Confidence, Finding, Scene, Value};
use crate::packet::Address;
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is known of a problem with such a cause.
#[derive(Default)]
pub(super) struct Special {
    /// How sure the cause is at most; none where it is as sure as its findings.
    pub confidence: Option<Confidence>,
    /// The networks that are hit as wholes.
    pub networks: Vec<Range>,
}

/// Finds such causes and changes the keys of the findings that they explain.
pub(super) fn find(
    scene: &Scene<'_>,
    findings: &[Finding],
    replies: &Replies,
    keys: &mut BTreeMap<usize, Key>,
) -> BTreeMap<Key, Special> {
    let mut special = BTreeMap::new();
    let blocks = Blocks::of(scene, findings, replies, keys);
    if blocks.of_server.is_empty() {
        return special;
    }
    let down = blocks.hosts_down();
    for (&server, places) in &blocks.of_server {
        if let Some(&proof) = down.get(&server) {
            let confidence = if proof == "unanswered-arp" { Confidence::High } else { Confidence::Medium };
            blocks.absorb(places, (Cause::HostDown, proof, confidence), keys, &mut special);
        } else if let Some((confidence, explained)) = blocks.service_down(server, places) {
            blocks.absorb(&explained, (Cause::ServiceDown, "refused", confidence), keys, &mut special);
        }
    }
    blocks.find_subnets(keys, &mut special);
    special
}

/// Networks that are kept out.
struct Kept {
    networks: Vec<Range>,
    /// Findings that tell it.
    places: Vec<usize>,
    /// Clients that were answered by their servers.
    working: BTreeSet<Address>,
}

impl Kept {
    fn is_true(&self) -> bool {
        !self.working.iter().any(|client| holding(&self.networks, *client).is_some())
    }

    /// Both, where that is true as well.
    fn with(&self, other: &Kept) -> Option<Kept> {
        let networks = joined(self.networks.iter().chain(&other.networks).copied().collect());
        let places = self.places.iter().chain(&other.places).copied().collect();
        let working = self.working.union(&other.working).copied().collect();
        Some(Kept { networks, places, working }).filter(Kept::is_true)
    }
}

/// A port and its service.
type Served = ((Transport, u16), Option<String>);

/// Blocked findings that such causes may explain: nothing speaks against them.
struct Blocks<'a> {
    scene: &'a Scene<'a>,
    findings: &'a [Finding],
    replies: &'a Replies,
    /// By their server.
    of_server: BTreeMap<Address, Vec<usize>>,
    /// When a client was last answered by any server of a network on one of the ports that are blocked somewhere.
    near: HashMap<(Address, Address), Timestamp>,
    /// Servers that answered somebody on one of these ports.
    answering: BTreeSet<Address>,
    session_ports: BTreeSet<(Transport, u16)>,
}

impl<'a> Blocks<'a> {
    fn of(
        scene: &'a Scene<'a>,
        findings: &'a [Finding],
        replies: &'a Replies,
        keys: &BTreeMap<usize, Key>,
    ) -> Blocks<'a> {
        let session_ports: BTreeSet<(Transport, u16)> = [Transport::Tcp, Transport::Udp]
            .into_iter()
            .flat_map(|transport| scene.map.session_ports(transport).into_iter().map(move |port| (transport, port)))
            .collect();
        let mut of_server: BTreeMap<Address, Vec<usize>> = BTreeMap::new();
        let mut ports = BTreeSet::new();
        for (&place, key) in keys.iter().filter(|(_, key)| is_plain(key)) {
            if let [server] = findings[place].servers[..] {
                of_server.entry(server).or_default().push(place);
                ports.extend(key.port.and_then(numbers));
            }
        }
        let networks: BTreeSet<Address> = of_server.keys().map(|server| server.network()).collect();
        let (mut near, mut answering) = (HashMap::new(), BTreeSet::new());
        for port in ports {
            for reply in replies.at_port(port).iter().filter(|reply| networks.contains(&reply.path.server.network())) {
                let Some(answers) = reply.answers else { continue };
                let last = near.entry((reply.path.server.network(), reply.path.client)).or_insert(answers.last);
                *last = answers.last.max(*last);
                answering.insert(reply.path.server);
            }
        }
        Blocks { scene, findings, replies, of_server, near, answering, session_ports }
    }

    /// Gives findings about one server another key.
    fn absorb(
        &self,
        places: &[usize],
        (cause, proof, confidence): (Cause, &'static str, Confidence),
        keys: &mut BTreeMap<usize, Key>,
        special: &mut BTreeMap<Key, Special>,
    ) {
        let Some(severity) = places.iter().map(|&place| self.findings[place].severity).max() else { return };
        let standing = Standing::Failing;
        let key = Key { cause, code: "", port: None, service: None, severity, standing, word: proof.into() };
        let known = special.entry(key.clone()).or_default();
        // As sure as the least sure of these servers.
        known.confidence = Some(known.confidence.map_or(confidence, |known| known.min(confidence)));
        keys.extend(places.iter().map(|&place| (place, key.clone())));
    }

    /// Servers that are down, each with what proves it. That one client hears nothing of many servers, while their neighbours answer it,
    /// proves nothing: rather it may not go there.
    fn hosts_down(&self) -> BTreeMap<Address, &'static str> {
        let all = self.of_server.iter();
        let mut down: BTreeMap<Address, &'static str> =
            all.filter_map(|(&server, places)| Some((server, self.host_down(server, places)?))).collect();
        let mut silent: BTreeMap<Address, (BTreeSet<Address>, BTreeSet<Address>)> = BTreeMap::new();
        for (&server, _) in down.iter().filter(|(_, proof)| **proof == "no-sign-of-life") {
            let (servers, clients) = silent.entry(server.network()).or_default();
            servers.insert(server);
            let places = self.of_server.get(&server).into_iter().flatten();
            clients.extend(places.flat_map(|&place| &self.findings[place].clients));
        }
        for (network, (servers, clients)) in silent {
            let answering = self.answering.iter().filter(|server| server.network() == network).count();
            if clients.len() == 1 && (servers.len() > FEW || servers.len() > answering) {
                servers.iter().for_each(|server| _ = down.remove(server));
            }
        }
        down
    }

    /// A server that was silent on all that was tried, and of which nothing else was heard since: nobody answered when the link was asked
    /// for it, or it is silent on several ports, or a router does not find it, while its neighbours answer one of the same clients.
    fn host_down(&self, server: Address, places: &[usize]) -> Option<&'static str> {
        let all = || places.iter().map(|&place| &self.findings[place]);
        if all().any(|finding| finding.code != "blocked.silent" && !says_unreachable(finding)) {
            return None;
        }
        let first = all().filter_map(|finding| finding.first).min()?;
        let heard = self.replies.heard(server);
        let asked = |finding: &Finding| matches!(finding.params.get("unanswered_arp"), Some(Value::Number(1..)));
        let is_unknown = |at: Timestamp| at.0 == i64::MAX;
        if all().any(asked) && heard.is_none_or(|at| at < first || is_unknown(at)) {
            return Some("unanswered-arp");
        }
        let ports: BTreeSet<(Transport, u16)> = all().filter_map(|finding| finding.port).collect();
        // Whoever answers ARP right before the first try is there: clients ask before they send.
        let silent = heard.is_none_or(|at| at < first) && !self.is_on_its_link(server, first);
        let proof = if all().any(says_unreachable) { "unreachable" } else { "no-sign-of-life" };
        (ports.len() > 1 && silent && self.neighbours_answer(server, places)).then_some(proof)
    }

    /// It answered who asked the link for it, at this moment, right before or later.
    fn is_on_its_link(&self, server: Address, first: Timestamp) -> bool {
        self.scene.ledger.neighbours.last_answer(server).is_some_and(|at| at + ASKED_BEFORE >= first)
    }

    /// Another server in the same network answered one of the clients after it had begun to fail.
    fn neighbours_answer(&self, server: Address, places: &[usize]) -> bool {
        let network = server.network();
        places.iter().map(|&place| &self.findings[place]).any(|finding| {
            let answered = |client: &Address| self.near.get(&(network, *client)).copied();
            finding.clients.iter().filter_map(answered).any(|last| finding.first.is_some_and(|first| last >= first))
        })
    }

    /// A server that refuses everybody on each of its session ports, and two at least were tried. Not where somebody else may have sent
    /// the resets. Silence proves nothing: a rule in a firewall is as likely. Gives the findings that this explains.
    fn service_down(&self, server: Address, places: &[usize]) -> Option<(Confidence, Vec<usize>)> {
        let explained: Vec<usize> = places
            .iter()
            .copied()
            .filter(|&place| self.findings[place].port.is_some_and(|port| self.session_ports.contains(&port)))
            .collect();
        let all = || explained.iter().map(|&place| &self.findings[place]);
        let tcp: BTreeSet<u16> = all()
            .filter_map(|finding| finding.port)
            .filter(|(transport, _)| *transport == Transport::Tcp)
            .map(|(_, port)| port)
            .collect();
        let first = all().filter_map(|finding| finding.first).min().filter(|_| tcp.len() > 1)?;
        let answered = |&port: &(Transport, u16)| {
            let rows = numbers(port).map_or(&[][..], |port| self.replies.at_server(port, server));
            rows.iter().any(|reply| reply.answers.is_some_and(|answers| answers.last >= first))
        };
        if self.session_ports.iter().any(answered) || all().any(|finding| !says_nothing_listens(finding)) {
            return None;
        }
        let refused = |port: u16| {
            all().any(|finding| finding.code != "blocked.silent" && finding.port == Some((Transport::Tcp, port)))
        };
        let sent_by = culprit::of_findings(self.scene, all(), self.replies).map(|culprit| culprit.kind);
        if !tcp.iter().all(|&port| refused(port)) || sent_by == Some(Suspect::Middlebox) {
            return None;
        }
        // A refusal is no sign of life by itself: a firewall can send it as well.
        let alive =
            self.replies.of_server(server).any(|reply| reply.answers.is_some_and(|answers| answers.last >= first));
        Some((if alive { Confidence::High } else { Confidence::Medium }, explained))
    }

    /// Networks whose clients are all silent on a port of servers that answer others there at the same time.
    fn find_subnets(&self, keys: &mut BTreeMap<usize, Key>, special: &mut BTreeMap<Key, Special>) {
        let mut by_port: BTreeMap<Served, Vec<usize>> = BTreeMap::new();
        for &place in self.of_server.values().flatten() {
            let finding = &self.findings[place];
            let plain = keys.get(&place).is_some_and(|key| is_plain(key) && key.cause == Cause::NoAnswer);
            // Where clients are not named it is not known whether they lie in that network.
            if let Some(port) = finding.port.filter(|_| plain && !finding.more_clients) {
                by_port.entry((port, finding.service.clone())).or_default().push(place);
            }
        }
        for ((port, service), places) in by_port {
            let generic =
                places.iter().any(|place| keys.get(place).is_some_and(|key| key.standing == Standing::Generic));
            // An answer that was left out may have been one to a client of that network.
            if self.scene.ledger.paths.may_lack_answers(generic) {
                continue;
            }
            let of = |place: usize| &self.findings[place];
            let tried: Vec<(usize, Vec<Address>)> =
                places.into_iter().map(|place| (place, self.answered(port, of(place)))).collect();
            let tried: Vec<(usize, Vec<Address>)> =
                tried.into_iter().filter(|(_, answered)| !answered.is_empty()).collect();
            let severity = |places: &[usize]| places.iter().map(|&place| of(place).severity).max();
            for (number, Kept { networks, places, working }) in (1..).zip(self.kept_out(&tried)) {
                let Some(severity) = severity(&places) else { continue };
                let clients: BTreeSet<Address> =
                    places.iter().flat_map(|&place| of(place).clients.iter().copied()).collect();
                let many = clients.len() >= MANY && working.len() >= MANY;
                let confidence = Some(if many { Confidence::High } else { Confidence::Medium });
                let standing = if generic { Standing::Generic } else { Standing::Failing };
                let (cause, service) = (Cause::SubnetAgainstPort, service.clone());
                let word = if number > 1 { number.to_string() } else { String::new() };
                let key = Key { cause, code: "", port: Some(port), service, severity, standing, word };
                keys.extend(places.into_iter().map(|place| (place, key.clone())));
                special.insert(key, Special { confidence, networks });
            }
        }
    }

    /// Which networks are kept out where: findings with those whom their servers answered. Findings are together where nobody in any of
    /// their networks was answered by any of their servers.
    fn kept_out(&self, tried: &[(usize, Vec<Address>)]) -> Vec<Kept> {
        let clients = |place: usize| &self.findings[place].clients;
        let working: BTreeSet<Address> = tried.iter().flat_map(|(_, answered)| answered).copied().collect();
        let failing: BTreeSet<Address> = tried.iter().flat_map(|(place, _)| clients(*place)).copied().collect();
        // Where a server by itself shows no network, all servers together may.
        let pooled = failing_networks(&Vec::from_iter(failing), &Vec::from_iter(working));
        let mut kept: Vec<Kept> = Vec::new();
        for (place, answered) in tried {
            let own = failing_networks(clients(*place), answered);
            let Some(networks) =
                [&own, &pooled].into_iter().find_map(|networks| holding_all(networks, clients(*place)))
            else {
                continue;
            };
            let alone = Kept { networks, places: vec![*place], working: answered.iter().copied().collect() };
            if alone.is_true() {
                match kept.iter_mut().find_map(|known| Some((known.with(&alone)?, known))) {
                    Some((together, known)) => *known = together,
                    None => kept.push(alone),
                }
            }
        }
        kept
    }

    /// The clients that the server of a finding answered on this port while the finding lasted, in order.
    fn answered(&self, port: (Transport, u16), finding: &Finding) -> Vec<Address> {
        let (Some(first), Some(last)) = (finding.first, finding.last) else { return Vec::new() };
        let rows = numbers(port)
            .into_iter()
            .flat_map(|port| finding.servers.iter().flat_map(move |&server| self.replies.at_server(port, server)));
        rows.filter(|reply: &&Reply| reply.within(first, last)).map(|reply| reply.path.client).collect()
    }
}

/// Nothing speaks against a block, and nothing special explains it yet.
fn is_plain(key: &Key) -> bool {
    let blocked =
        matches!(key.cause, Cause::NoAnswer | Cause::Refused | Cause::Prohibited | Cause::HalfOpen | Cause::Cut);
    blocked && matches!(key.standing, Standing::Failing | Standing::Generic)
}

/// Silence, a refusal, or an ICMP error that says that no program listens.
fn says_nothing_listens(finding: &Finding) -> bool {
    let error = || matches!(finding.params.get("cause"), Some(Value::Word("nothing-listens")));
    matches!(finding.code, "blocked.silent" | "blocked.refused") || finding.code == "blocked.prohibited" && error()
}

/// A router does not find the host: host unreachable or unknown (RFC 1812, 5.2.7.1), address unreachable (RFC 4443, 3.1). That a whole
/// network is unreachable says nothing of the host.
fn says_unreachable(finding: &Finding) -> bool {
    let errors = || finding.seen.iter().flat_map(|seen| seen.errors.iter());
    let host = |&(v6, _, code, _): &(bool, u8, u8, Address)| if v6 { code == 3 } else { matches!(code, 1 | 7) };
    finding.code == "blocked.prohibited" && errors().next().is_some() && errors().all(host)
}

/// Maximum time from the answer of the link to the packet that waited for it.
const ASKED_BEFORE: Span = Span::seconds(1);
/// Minimum number of clients that fail, and of clients that do not, that leave little to chance.
const MANY: usize = 5;
/// Maximum number of servers in one network that are called down because one client hears nothing of them.
const FEW: usize = 3;
/// Bits of a prefix, counted from the start of the sixteen bytes: an IPv4 address is mapped into IPv6.
const V4: u32 = 96;

/// The networks that are hit as wholes: prefixes of /24 (IPv6: /64), joined where both halves of a larger one are hit. Where a client
/// within the /24 works, the widest prefix without one, no longer than /28 (IPv6: /68), and only for four clients. Otherwise two at least
/// share a prefix in which nobody works. None where nobody works at all: then there is no contrast. Clients come in order.
fn failing_networks(failing: &[Address], working: &[Address]) -> Vec<Range> {
    if working.is_empty() {
        return Vec::new();
    }
    // The widest prefix around a client that holds nobody who works, of a /16 (IPv6: /48) at most: further apart, clients have little in
    // common. Clients with the same one are a group.
    let widest = |client: Address| {
        let place = working.partition_point(|works| *works < client);
        let beside = working[place.saturating_sub(1)..].iter().take(2);
        let shortest = if client.is_v4() { V4 + 16 } else { 48 };
        let length = beside.map(|works| common(client, *works) + 1).max().unwrap_or(0).max(shortest);
        (length, Range::block(client, length))
    };
    let mut groups: BTreeMap<(u32, Range), Vec<Address>> = BTreeMap::new();
    for &client in failing.iter().filter(|client| working.binary_search(client).is_err()) {
        groups.entry(widest(client)).or_default().push(client);
    }
    let mut networks = Vec::new();
    for ((length, range), clients) in groups {
        let usual = if range.first.is_v4() { V4 + 24 } else { 64 };
        let enough = match length {
            length if length <= usual => 2,
            length if length <= usual + 4 => 4,
            _ => continue,
        };
        if clients.len() >= enough {
            networks.extend(clients.into_iter().map(|client| Range::block(client, length.max(usual))));
        }
    }
    joined(networks)
}

/// Which of these networks, in order and without overlap, holds a client.
fn holding(networks: &[Range], client: Address) -> Option<Range> {
    let before = networks.partition_point(|network| network.first <= client).checked_sub(1)?;
    Some(networks[before]).filter(|network| network.holds(client))
}

/// Those of the networks that hold these clients; none where one lies in none of them.
fn holding_all(networks: &[Range], clients: &[Address]) -> Option<Vec<Range>> {
    let holding: Option<BTreeSet<Range>> = clients.iter().map(|client| holding(networks, *client)).collect();
    holding.filter(|networks| !networks.is_empty()).map(Vec::from_iter)
}

/// Each network once, none inside of another, and two halves of a larger one as one.
fn joined(mut networks: Vec<Range>) -> Vec<Range> {
    networks.sort_unstable_by_key(|network| (network.first, Reverse(network.last)));
    let mut joined: Vec<Range> = Vec::new();
    for network in networks {
        if joined.last().is_some_and(|last| last.holds(network.first)) {
            continue;
        }
        joined.push(network);
        while let [.., one, other] = joined[..] {
            let together = Range { first: one.first, last: other.last };
            if !one.touches(&other) || together.prefix().is_none() {
                break;
            }
            joined.truncate(joined.len() - 2);
            joined.push(together);
        }
    }
    joined
}

/// How many bits two addresses have in common.
fn common(one: Address, other: Address) -> u32 {
    (u128::from_be_bytes(one.0) ^ u128::from_be_bytes(other.0)).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn addresses(texts: &[&str]) -> Vec<Address> {
        let mut all: Vec<Address> =
            texts.iter().map(|text| text.parse::<IpAddr>().expect("a literal of this test").into()).collect();
        all.sort_unstable();
        all
    }

    fn networks(failing: &[&str], working: &[&str]) -> Vec<String> {
        failing_networks(&addresses(failing), &addresses(working)).iter().map(Range::to_string).collect()
    }

    #[test]
    fn a_network_is_one_in_which_nobody_works() {
        assert_eq!(networks(&["10.64.0.5", "10.64.0.9"], &["10.65.0.1"]), ["10.64.0.0/24"]);
        let halves = ["10.64.0.5", "10.64.1.9", "10.64.7.1"];
        assert_eq!(networks(&halves, &["10.65.0.1"]), ["10.64.0.0/23", "10.64.7.0/24"]);
        assert_eq!(networks(&["fd00::5", "fd00::9"], &["fd00:0:0:1::1"]), ["fd00::/64"]);
        // Half of a /24, where four fail.
        let upper = ["10.64.0.129", "10.64.0.140", "10.64.0.150", "10.64.0.160"];
        assert_eq!(networks(&upper, &["10.64.0.3"]), ["10.64.0.128/25"]);
        assert!(networks(&upper[..3], &["10.64.0.3"]).is_empty(), "three may be chance");
        // One network does not hide another.
        assert_eq!(networks(&["10.64.0.5", "10.64.0.9", "10.70.0.1"], &["10.65.0.1"]), ["10.64.0.0/24"]);
    }

    #[test]
    fn no_network_without_contrast_or_with_a_client_that_works() {
        let none = |failing: &[&str], working: &[&str]| networks(failing, working).is_empty();
        assert!(none(&["10.64.0.5", "10.64.0.9"], &[]));
        assert!(none(&["10.64.0.5", "10.64.0.9"], &["10.64.0.7", "10.64.0.9"]));
        assert!(none(&["10.64.0.5", "10.64.0.9"], &["10.64.0.7"]), "between them one works");
        assert!(none(&["10.64.0.5"], &["10.65.0.1"]), "one client is no network");
        assert!(none(&["10.64.0.5", "10.16.0.9"], &["192.168.0.1"]), "two that have nothing in common");
    }
}
