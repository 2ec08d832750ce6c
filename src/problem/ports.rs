//! Silence on several ports of sessions of the same servers for the same clients is one problem, and so is a refusal: who gets no session
//! on one of these ports tries the next.

use super::Cause;
use super::cause::Special;
use super::group::Key;
use super::replies::{Replies, numbers};
use crate::finding::{Finding, Scene};
use crate::packet::Address;
use crate::time::Timestamp;
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the findings with one key.
#[derive(Default)]
struct Side {
    places: Vec<usize>,
    servers: BTreeSet<Address>,
    clients: BTreeSet<Address>,
    /// Not all clients are known.
    more: bool,
    /// When the first of them began, and the last ended.
    times: Option<(Timestamp, Timestamp)>,
}

/// Gives findings about several ports of sessions the key of one of them: that of a network that is not let through, else of the port that
/// was tried first. So the name of a problem stays when more ports turn up.
pub(super) fn join(
    scene: &Scene<'_>,
    findings: &[Finding],
    replies: &Replies,
    keys: &mut BTreeMap<usize, Key>,
    special: &mut BTreeMap<Key, Special>,
) {
    let session_ports: BTreeSet<(Transport, u16)> = [Transport::Tcp, Transport::Udp]
        .into_iter()
        .flat_map(|transport| scene.map.session_ports(transport).into_iter().map(move |port| (transport, port)))
        .collect();
    let mut sides: BTreeMap<Key, Side> = BTreeMap::new();
    for (&place, key) in keys.iter() {
        if kind(key.cause).is_some() && key.port.is_some_and(|port| session_ports.contains(&port)) {
            sides.entry(key.clone()).or_default().add(place, &findings[place]);
        }
    }
    let mut sides: Vec<(Key, Side)> = sides.into_iter().collect();
    sides.sort_by_key(|(key, side)| (key.cause != Cause::SubnetAgainstPort, side.times, key.clone()));
    let mut leading: Vec<(Key, Side)> = Vec::new();
    for (key, side) in sides {
        let fits = |(lead, its): &&(Key, Side)| {
            let alike =
                (kind(lead.cause), lead.severity, lead.standing) == (kind(key.cause), key.severity, key.standing);
            alike && its.is_near(&side) && holds_of(replies, special, lead, (&key, &side))
        };
        match leading.iter().find(fits) {
            Some((lead, _)) => {
                keys.extend(side.places.iter().map(|&place| (place, lead.clone())));
                let confidence = special.remove(&key).and_then(|special| special.confidence);
                if let Some(known) = special.get_mut(lead) {
                    known.confidence = known.confidence.into_iter().chain(confidence).min();
                }
            }
            None => leading.push((key, side)),
        }
    }
}

/// In what way it shows; none where several ports are never one problem.
fn kind(cause: Cause) -> Option<Cause> {
    match cause {
        Cause::NoAnswer | Cause::SubnetAgainstPort => Some(Cause::NoAnswer),
        Cause::Refused => Some(Cause::Refused),
        _ => None,
    }
}

/// What is said of the networks of the leading port is true of the other port as well: all clients lie in them, and nobody in them was
/// answered there.
fn holds_of(replies: &Replies, special: &BTreeMap<Key, Special>, lead: &Key, (key, side): (&Key, &Side)) -> bool {
    let networks = |key: &Key| special.get(key).map_or(&[][..], |special| &special.networks);
    let networks_of_lead = networks(lead);
    if lead.cause != Cause::SubnetAgainstPort {
        return true;
    }
    let (Some((first, last)), Some(port)) = (side.times, key.port.and_then(numbers)) else { return false };
    let inside = |client: Address| networks_of_lead.iter().any(|network| network.holds(client));
    let answered = |&server: &Address| {
        replies.at_server(port, server).iter().any(|reply| inside(reply.path.client) && reply.within(first, last))
    };
    let same = key.cause != Cause::SubnetAgainstPort || networks(key) == networks_of_lead;
    same && side.clients.iter().all(|&client| inside(client)) && !side.servers.iter().any(answered)
}

impl Side {
    fn add(&mut self, place: usize, finding: &Finding) {
        self.places.push(place);
        self.servers.extend(&finding.servers);
        self.clients.extend(&finding.clients);
        self.more |= finding.more_clients;
        if let Some((first, last)) = finding.first.zip(finding.last) {
            let (since, until) = self.times.unwrap_or((first, last));
            self.times = Some((since.min(first), until.max(last)));
        }
    }

    /// The same servers and the same clients, but for a tenth.
    fn is_near(&self, other: &Side) -> bool {
        let near = |one: &BTreeSet<Address>, other: &BTreeSet<Address>| {
            one.intersection(other).count() * 10 >= one.len().max(other.len()) * 9
        };
        !self.more && !other.more && near(&self.servers, &other.servers) && near(&self.clients, &other.clients)
    }
}
