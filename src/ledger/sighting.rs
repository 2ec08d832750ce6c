//! What a finding may be made of: flows that show trouble, or what should not be there, by who and where.

use super::Few;
use super::crowd::{Crowd, Target};
use super::path::Path;
use crate::flow::{Doubt, Evidence, FIRM, FlowRecord, PacketRef, Sender, Showing};
use crate::matching::{Fit, Matching};
use crate::packet::{Address, Vlans, protocol};
use crate::time::{Span, Timestamp};
use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;

/// Flows that show the same between the same hosts, on the same port.
///
/// In the order in which sightings are kept at a limit: what may be a block comes first, what cannot be told last. Among equals
/// the lowest clients come first, so that all servers are kept of which they show trouble.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sighting {
    /// What the packets show.
    pub showing: Showing,
    /// Where it stands in the map.
    pub matching: Matching,
    /// Between whom.
    pub path: Path,
}

/// What is known of a sighting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Flows.
    pub flows: u64,
    /// The first packet of the first flow, by time.
    pub first: Timestamp,
    /// When the last flows began, the latest [`LATEST_LIMIT`] of them, the last first.
    pub latest: Few<Reverse<Timestamp>>,
    /// The sum of the moments at which the flows began, in nanoseconds since 1970: it tells whether most of them began early or late.
    pub begun: i128,
    /// The last packet of the last flow.
    pub last: Timestamp,
    /// The longest time that one of the flows was watched.
    pub watched: Span,
    /// Packets that show it, the earliest [`NAMED_LIMIT`], with the flow they belong to.
    pub evidence: Few<Evidence>,
    /// First packets of the flows, the earliest [`NAMED_LIMIT`]: they name the flows.
    pub openers: Few<PacketRef>,
    /// The client's ports, the lowest [`PORT_LIMIT`].
    pub client_ports: Few<u16>,
    /// Tries of all flows: SYNs, or datagrams before a reply.
    pub tries: u64,
    /// ICMP errors: IPv6 or not, type, code and sender. At most [`NAMED_LIMIT`].
    pub errors: Few<(bool, u8, u8, Address)>,
    /// By what those who answered for the server may be told apart: of the earliest [`NAMED_LIMIT`] flows.
    pub signs: Few<Signed>,
    /// The shortest time from a handshake to the server's reset, and the longest, where there was one.
    pub reset_after: Option<(Span, Span)>,
    /// VLAN ids of tagged flows, the lowest [`NAMED_LIMIT`].
    pub vlans: Few<Vlans>,
}

/// Headers of one packet that answered for a server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Signed {
    /// First packet of the flow.
    pub opener: PacketRef,
    /// What was sent.
    pub what: Reply,
    /// The address that it came from.
    pub from: Address,
    /// Its headers.
    pub headers: Sender,
    /// How long after the client's packet it came, in microseconds, where it is certain that it answers that.
    pub delay: Option<u32>,
}

/// A packet that answers for a server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Reply {
    /// The first SYN-ACK, or the first datagram.
    Greeting,
    /// The first reset of the server's side.
    Reset,
    /// The ICMP error that quotes the flow.
    IcmpError,
}

/// Sightings, by what they show and between whom.
///
/// Beyond [`SIGHTING_LIMIT`] what a scan or a flood leaves is not kept host by host: where many clients show the same attempts at one
/// port of a server, or one client at many places, they become a [`Crowd`], the largest first. So nobody can push out what others
/// show by sending much of the same.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Sightings {
    sightings: BTreeMap<Sighting, Seen>,
    /// Places at which too many clients show the same to keep each.
    of_clients: BTreeMap<Target, Crowd>,
    /// Clients that show something at too many places to keep each.
    of_targets: BTreeMap<Address, Crowd>,
    /// Flows whose sighting was not kept because there were too many.
    pub unlisted: u64,
    look_again: LookAgain,
}

/// The number of unlisted flows from which on it is worth while to look for crowds again. No part of what is known.
#[derive(Clone, Copy, Default, Debug)]
struct LookAgain(u64);

impl PartialEq for LookAgain {
    fn eq(&self, _: &LookAgain) -> bool {
        true
    }
}

impl Eq for LookAgain {}

/// Maximum number of sightings that are kept one by one. Beyond it the last in order are dropped, and the report says so.
pub const SIGHTING_LIMIT: usize = 50_000;
/// Minimum number of sightings that make a crowd.
const CROWD_FROM: usize = 64;
/// Maximum number of crowds of each sort. Beyond it the last in order are dropped, as sightings are.
pub const CROWD_LIMIT: usize = 1_000;
/// Maximum number of ports of a client that are named, so that a display filter can select exactly its flows.
pub const PORT_LIMIT: usize = 32;
/// Maximum number of moments at which the last flows began.
pub const LATEST_LIMIT: usize = 5;
/// Maximum number of packets, flows, errors, signs and VLANs that a sighting names.
pub const NAMED_LIMIT: usize = 12;

impl Sightings {
    /// Enters a flow, if a finding may be made of it.
    pub fn enter(&mut self, flow: &FlowRecord, showing: Showing, matching: &Matching) {
        if !is_notable(flow, showing, matching) {
            return;
        }
        let sighting = Sighting { showing, matching: *matching, path: Path::of(flow) };
        self.add(sighting, Cow::Owned(Seen::of(flow)));
        self.keep();
    }

    /// What is known of a sighting that is kept by itself.
    pub fn get(&self, sighting: &Sighting) -> Option<&Seen> {
        self.sightings.get(sighting)
    }

    /// Every sighting that is kept by itself, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Sighting, &Seen)> {
        self.sightings.iter()
    }

    /// Places at which too many clients show the same to keep each, in order.
    pub fn crowds_of_clients(&self) -> impl Iterator<Item = (&Target, &Crowd)> {
        self.of_clients.iter()
    }

    /// Clients that show something at too many places to keep each, in order.
    pub fn crowds_of_targets(&self) -> impl Iterator<Item = (Address, &Crowd)> {
        self.of_targets.iter().map(|(&client, crowd)| (client, crowd))
    }

    /// How many are kept by themselves.
    pub fn len(&self) -> usize {
        self.sightings.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.sightings.is_empty() && self.of_clients.is_empty() && self.of_targets.is_empty()
    }

    pub(super) fn add(&mut self, sighting: Sighting, seen: Cow<'_, Seen>) {
        let Path { protocol, client, server, port } = sighting.path;
        if sighting.showing.is_attempt() {
            if let Some(crowd) = self.of_targets.get_mut(&client) {
                return crowd.add(server, (protocol, port), &seen);
            }
            if let Some(crowd) = self.of_clients.get_mut(&Target::of(&sighting)) {
                return crowd.add(client, (protocol, port), &seen);
            }
        }
        match self.sightings.entry(sighting) {
            Entry::Occupied(mut known) => *known.get_mut() += &*seen,
            Entry::Vacant(new) => _ = new.insert(seen.into_owned()),
        }
    }

    /// Makes crowds of all attempts of these clients, and of all at these targets, with what is known of them already.
    pub(super) fn gather(&mut self, of_targets: BTreeMap<Address, Crowd>, of_clients: BTreeMap<Target, Crowd>) {
        for (client, crowd) in of_targets {
            *self.of_targets.entry(client).or_default() += &crowd;
        }
        for (target, crowd) in of_clients {
            *self.of_clients.entry(target).or_default() += &crowd;
        }
        for (sighting, seen) in std::mem::take(&mut self.sightings) {
            self.add(sighting, Cow::Owned(seen));
        }
    }

    /// Makes crowds of the largest groups, until there is room again or no group is large.
    fn gather_largest(&mut self) {
        let (mut clients, mut targets) = (HashMap::<Address, usize>::new(), HashMap::<Target, usize>::new());
        for sighting in self.sightings.keys().filter(|sighting| sighting.showing.is_attempt()) {
            *clients.entry(sighting.path.client).or_default() += 1;
            *targets.entry(Target::of(sighting)).or_default() += 1;
        }
        let large = |count: usize| count >= CROWD_FROM;
        let clients = clients.into_iter().filter(|&(_, count)| large(count)).map(|(it, count)| (count, Ok(it)));
        let targets = targets.into_iter().filter(|&(_, count)| large(count)).map(|(it, count)| (count, Err(it)));
        let mut groups: Vec<(usize, Result<Address, Target>)> = clients.chain(targets).collect();
        groups.sort_unstable_by(|one, other| other.cmp(one));
        let mut wanted = self.sightings.len().saturating_sub(SIGHTING_LIMIT - SIGHTING_LIMIT / 8);
        let (mut of_targets, mut of_clients) = (BTreeMap::new(), BTreeMap::new());
        for (count, group) in groups {
            if wanted == 0 {
                break;
            }
            wanted = wanted.saturating_sub(count);
            match group {
                Ok(client) => _ = of_targets.insert(client, Crowd::default()),
                Err(target) => _ = of_clients.insert(target, Crowd::default()),
            }
        }
        if !of_targets.is_empty() || !of_clients.is_empty() {
            self.gather(of_targets, of_clients);
        }
    }

    /// Keeps the first in order, so that the order in which they came does not matter; what is one of many goes first.
    pub(super) fn keep(&mut self) {
        if self.sightings.len() > SIGHTING_LIMIT && self.unlisted >= self.look_again.0 {
            self.gather_largest();
            self.look_again = LookAgain(self.unlisted + SIGHTING_LIMIT as u64 / 8);
        }
        while self.sightings.len() > SIGHTING_LIMIT {
            self.unlisted += self.sightings.pop_last().map_or(0, |(_, dropped)| dropped.flows);
        }
        while self.of_clients.len() > CROWD_LIMIT {
            self.unlisted += self.of_clients.pop_last().map_or(0, |(_, crowd)| crowd.flows());
        }
        while self.of_targets.len() > CROWD_LIMIT {
            self.unlisted += self.of_targets.pop_last().map_or(0, |(_, crowd)| crowd.flows());
        }
    }
}

/// What is given up first at the limit stands last. The order among blocks is that of their outcomes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Rank {
    Silent,
    Refused,
    Prohibited,
    HalfOpen,
    ResetEarly,
    Unexpected(Fit),
    Exposed,
    Doubtful(Doubt),
    Midstream,
}

impl Sighting {
    /// An attempt that came to nothing, certain or not. Where no reply need come, no reply is none.
    pub fn is_attempt(&self) -> bool {
        self.showing.is_attempt() && !self.is_in_vain()
    }

    /// No reply, where none need come, from a service that has a substitute.
    pub fn is_in_vain(&self) -> bool {
        is_in_vain(self.showing, &self.matching)
    }

    fn rank(&self) -> Rank {
        let Sighting { showing, matching, .. } = self;
        let unexpected = matches!(matching.fit, Fit::Foreign(_) | Fit::CitrixElsewhere(_) | Fit::OtherTransport);
        match *showing {
            Showing::Silence | Showing::NoReply(None) => Rank::Silent,
            Showing::Refusal => Rank::Refused,
            Showing::Unreachable => Rank::Prohibited,
            Showing::Unacknowledged => Rank::HalfOpen,
            Showing::EarlyReset if !matching.foreign_attempt => Rank::ResetEarly,
            Showing::OneDirection => Rank::Doubtful(Doubt::OneDirection),
            Showing::NoReply(Some(doubt)) | Showing::Unclear(doubt) => Rank::Doubtful(doubt),
            Showing::EarlyReset | Showing::Handshake | Showing::Exchange | Showing::SentToMany | Showing::Midstream
                if unexpected =>
            {
                Rank::Unexpected(matching.fit)
            }
            Showing::Midstream => Rank::Midstream,
            Showing::EarlyReset | Showing::Handshake | Showing::Exchange | Showing::SentToMany => Rank::Exposed,
        }
    }

    fn order(&self) -> impl Ord {
        let Sighting { showing, matching, path: Path { protocol, port, server, client } } = *self;
        (self.rank(), (client, server, protocol, port), showing, matching)
    }
}

impl Ord for Sighting {
    fn cmp(&self, other: &Sighting) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Sighting {
    fn partial_cmp(&self, other: &Sighting) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether a finding may be made of a flow, whatever the whole capture turns out to show.
fn is_notable(flow: &FlowRecord, showing: Showing, matching: &Matching) -> bool {
    let blocked = match showing {
        Showing::Silence | Showing::Refusal | Showing::Unreachable | Showing::Unacknowledged => true,
        Showing::NoReply(None) => matching.is_reply_due(),
        Showing::EarlyReset => !matching.foreign_attempt,
        _ => false,
    };
    match matching.fit {
        Fit::Foreign(_) | Fit::CitrixElsewhere(_) | Fit::OtherTransport => true,
        Fit::Fits => {
            blocked
                || is_doubtful(showing, matching)
                || is_exposed(flow, showing, matching)
                || is_in_vain(showing, matching)
        }
        Fit::GenericPort => blocked || is_short_of_tries(showing, matching),
        Fit::UnknownPort => false,
    }
}

/// No reply, where none need come, to what something else takes the place of: whether it does is seen elsewhere.
fn is_in_vain(showing: Showing, matching: &Matching) -> bool {
    showing == Showing::NoReply(None)
        && matching.fit == Fit::Fits
        && matching.port.replaced
        && !matching.port.reply_due
        && !matching.foreign_attempt
}

/// It cannot be told what became of it, or how it began.
fn is_doubtful(showing: Showing, matching: &Matching) -> bool {
    match showing {
        Showing::NoReply(Some(_)) => matching.is_reply_due(),
        showing => matches!(showing, Showing::OneDirection | Showing::Unclear(_) | Showing::Midstream),
    }
}

/// Tries that are too few by themselves, and may come to more with those of other flows (facts GRACE-01).
fn is_short_of_tries(showing: Showing, matching: &Matching) -> bool {
    match showing {
        Showing::Unclear(doubt) => doubt.is_patience(),
        Showing::NoReply(Some(doubt)) => matching.is_reply_due() && doubt.is_patience(),
        _ => false,
    }
}

/// A session port that was seen to answer a public address outside of its own network.
fn is_exposed(flow: &FlowRecord, showing: Showing, matching: &Matching) -> bool {
    let opened = showing.is_answered() || showing == Showing::EarlyReset && matching.foreign_attempt;
    matching.port.session && opened && Path::of(flow).comes_from_outside()
}

impl Seen {
    /// What one flow shows.
    pub(super) fn of(flow: &FlowRecord) -> Seen {
        Seen {
            flows: 1,
            first: flow.first,
            latest: Few::of([Reverse(flow.first)], LATEST_LIMIT),
            begun: i128::from(flow.first.0),
            last: flow.last,
            watched: flow.watched(),
            evidence: Few::of(flow.evidence.iter().copied(), NAMED_LIMIT),
            openers: Few::of([flow.opener], NAMED_LIMIT),
            client_ports: Few::of([flow.client.port], PORT_LIMIT),
            tries: flow.tries(),
            errors: Few::of(flow.icmp.iter().map(|icmp| (icmp.v6, icmp.kind, icmp.code, icmp.sender)), NAMED_LIMIT),
            signs: Few::of(signs(flow), NAMED_LIMIT),
            reset_after: flow.reset_after.map(|after| (after, after)),
            vlans: Few::of(Some(flow.vlans).filter(|&vlans| vlans != Vlans::default()), NAMED_LIMIT),
        }
    }

    /// What one flow shows where there are very many: no ports of clients, no errors, and not who answered.
    pub(super) fn in_brief(flow: &FlowRecord) -> Seen {
        let mut seen = Seen {
            flows: 0,
            first: flow.first,
            latest: Few::default(),
            begun: 0,
            last: flow.last,
            watched: flow.watched(),
            evidence: Few::default(),
            openers: Few::default(),
            client_ports: Few::default(),
            tries: 0,
            errors: Few::default(),
            signs: Few::default(),
            reset_after: None,
            vlans: Few::default(),
        };
        seen.add_in_brief(flow);
        seen
    }

    /// Adds one flow more to such, without an allocation where it is none of the first.
    pub(super) fn add_in_brief(&mut self, flow: &FlowRecord) {
        self.flows += 1;
        self.first = self.first.min(flow.first);
        self.latest.join(&[Reverse(flow.first)], LATEST_LIMIT);
        self.begun += i128::from(flow.first.0);
        self.last = self.last.max(flow.last);
        self.watched = self.watched.max(flow.watched());
        self.evidence.join(&flow.evidence, NAMED_LIMIT);
        self.openers.join(&[flow.opener], NAMED_LIMIT);
        self.tries += flow.tries();
        if flow.vlans != Vlans::default() {
            self.vlans.join(&[flow.vlans], NAMED_LIMIT);
        }
    }

    /// When the last flow began: what was answered after it was answered after every attempt.
    pub fn began(&self) -> Timestamp {
        self.latest.first().map_or(self.first, |began| began.0)
    }

    /// Silence that was watched past the last try of any client.
    pub fn is_firm(&self) -> bool {
        self.watched >= FIRM
    }
}

fn signs(flow: &FlowRecord) -> impl Iterator<Item = Signed> {
    let (opener, server) = (flow.opener, flow.server.address);
    let micros = |delay: Span| u32::try_from(delay.as_micros()).ok();
    let signed = move |what, from, headers, delay: Option<Span>| Signed {
        opener,
        what,
        from,
        headers,
        delay: delay.and_then(micros),
    };
    let tcp = flow.protocol == protocol::TCP;
    let greeting_delay = flow.greeting_delay().filter(|_| tcp);
    let greeting = flow.greeting.map(|headers| signed(Reply::Greeting, server, headers, greeting_delay));
    let reset = flow.reset.map(|headers| signed(Reply::Reset, server, headers, flow.reset_delay));
    let error = flow.icmp.map(|icmp| {
        let headers = Sender { ttl: icmp.ttl, identification: icmp.identification, ..Sender::default() };
        signed(Reply::IcmpError, icmp.sender, headers, None)
    });
    [greeting, reset, error].into_iter().flatten()
}

impl AddAssign<&Sightings> for Sightings {
    fn add_assign(&mut self, other: &Sightings) {
        let Sightings { sightings, of_clients, of_targets, unlisted, look_again: _ } = other;
        // Crowds first, so that what belongs to them goes to them.
        if !of_targets.is_empty() || !of_clients.is_empty() {
            self.gather(of_targets.clone(), of_clients.clone());
        }
        sightings.iter().for_each(|(sighting, seen)| self.add(*sighting, Cow::Borrowed(seen)));
        self.unlisted += unlisted;
        self.keep();
    }
}

impl AddAssign<&Seen> for Seen {
    fn add_assign(&mut self, other: &Seen) {
        let Seen { flows, first, latest, last, watched, evidence, openers, client_ports, tries, errors, .. } = other;
        let Seen { begun, signs, reset_after, vlans, .. } = other;
        self.flows += flows;
        self.first = self.first.min(*first);
        self.latest.join(latest, LATEST_LIMIT);
        self.begun += begun;
        self.last = self.last.max(*last);
        self.watched = self.watched.max(*watched);
        self.evidence.join(evidence, NAMED_LIMIT);
        self.openers.join(openers, NAMED_LIMIT);
        self.client_ports.join(client_ports, PORT_LIMIT);
        self.tries += tries;
        self.errors.join(errors, NAMED_LIMIT);
        self.signs.join(signs, NAMED_LIMIT);
        self.reset_after = match (self.reset_after, *reset_after) {
            (Some(mine), Some(theirs)) => Some((mine.0.min(theirs.0), mine.1.max(theirs.1))),
            (mine, theirs) => mine.or(theirs),
        };
        self.vlans.join(vlans, NAMED_LIMIT);
    }
}
