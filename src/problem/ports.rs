//! Silence on several ports of sessions of the same servers for the same clients is one problem, and so is a refusal: who gets no session
//! on one of these ports tries the next.

use super::Cause;
use super::cause::Special;
use super::group::{Key, Standing};
use super::replies::{Replies, numbers};
use crate::finding::{Finding, Scene};
use crate::packet::Address;
use crate::time::{Span, Timestamp};
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

/// How long before and after the tries that were in vain another port is tried because of them.
const ABOUT: Span = Span::seconds(60);

/// Who gets no session from a server while it restarts tries its other ports as well, and never again when it is back: what fails only
/// then, between the same hosts, is as much over.
pub(super) fn follow_what_recovered(scene: &Scene<'_>, findings: &[Finding], keys: &mut BTreeMap<usize, Key>) {
    let session_ports = session_ports(scene);
    let is_session =
        |key: &Key| kind(key.cause).is_some() && key.port.is_some_and(|port| session_ports.contains(&port));
    let of_standing = |standing: Standing| {
        keys.iter().filter(move |(_, key)| key.standing == standing).filter(|(_, key)| is_session(key))
    };
    let recovered: Vec<(usize, Key)> = of_standing(Standing::Over).map(|(&place, key)| (place, key.clone())).collect();
    let during = |failing: &Finding, over: &Finding| {
        let times = failing.first.zip(failing.last).zip(over.first.zip(over.last));
        let within = times.is_some_and(|((first, last), (from, to))| first + ABOUT >= from && last <= to + ABOUT);
        let same = failing.servers == over.servers && failing.clients.iter().all(|it| over.clients.contains(it));
        within && same && !failing.more_clients
    };
    let mut followed: Vec<(usize, Key)> = Vec::new();
    for (&place, key) in of_standing(Standing::Failing) {
        let leads = |(over, its): &&(usize, Key)| its.port != key.port && during(&findings[place], &findings[*over]);
        let same_cause = |(_, its): &&(usize, Key)| its.cause == key.cause;
        let leading = || recovered.iter().filter(leads);
        if let Some((_, lead)) = leading().find(same_cause) {
            followed.push((place, lead.clone()));
        } else if let Some((_, lead)) = leading().next() {
            followed.push((place, Key { standing: Standing::Over, severity: lead.severity, ..key.clone() }));
        }
    }
    keys.extend(followed);
}

fn session_ports(scene: &Scene<'_>) -> BTreeSet<(Transport, u16)> {
    let of = |transport| scene.map.session_ports(transport).into_iter().map(move |port| (transport, port));
    [Transport::Tcp, Transport::Udp].into_iter().flat_map(of).collect()
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
    let session_ports = session_ports(scene);
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
