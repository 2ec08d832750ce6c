//! What a finding may be made of: flows that show trouble, or what should not be there, by who and where.

use super::path::Path;
use crate::flow::{Doubt, Evidence, FIRM, FlowRecord, PacketRef, Sender, Showing};
use crate::matching::{Fit, Matching};
use crate::packet::{Address, Vlans};
use crate::time::{Span, Timestamp};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
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
    /// The last packet of the last flow.
    pub last: Timestamp,
    /// The longest time that one of the flows was watched.
    pub watched: Span,
    /// Packets that show it, the earliest [`NAMED_LIMIT`], with the flow they belong to.
    pub evidence: BTreeSet<Evidence>,
    /// First packets of the flows, the earliest [`NAMED_LIMIT`]: they name the flows.
    pub openers: BTreeSet<PacketRef>,
    /// The client's ports, the lowest [`PORT_LIMIT`].
    pub client_ports: BTreeSet<u16>,
    /// The fewest tries of one of the flows.
    pub tries: u64,
    /// ICMP errors: IPv6 or not, type, code and sender. At most [`NAMED_LIMIT`].
    pub errors: BTreeSet<(bool, u8, u8, Address)>,
    /// By what those who answered for the server may be told apart: of the earliest [`NAMED_LIMIT`] flows.
    pub signs: BTreeSet<Signed>,
    /// The shortest time from a handshake to the server's reset, and the longest, where there was one.
    pub reset_after: Option<(Span, Span)>,
    /// VLAN ids of tagged flows, the lowest [`NAMED_LIMIT`].
    pub vlans: BTreeSet<Vlans>,
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
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Sightings {
    sightings: BTreeMap<Sighting, Seen>,
    /// Flows whose sighting was not kept because there were too many.
    pub unlisted: u64,
}

/// Maximum number of sightings that are kept. Beyond it the last in order are dropped, and the report says so.
pub const SIGHTING_LIMIT: usize = 20_000;
/// Maximum number of ports of a client that are named, so that a display filter can select exactly its flows.
pub const PORT_LIMIT: usize = 32;
/// Maximum number of packets, flows, errors, signs and VLANs that a sighting names.
pub const NAMED_LIMIT: usize = 12;

impl Sightings {
    /// Enters a flow, if a finding may be made of it.
    pub fn enter(&mut self, flow: &FlowRecord, showing: Showing, matching: &Matching) {
        if !is_notable(flow, showing, matching) {
            return;
        }
        let sighting = Sighting { showing, matching: *matching, path: Path::of(flow) };
        self.add(sighting, Seen::of(flow));
        self.keep();
    }

    /// What is known of a sighting.
    pub fn get(&self, sighting: &Sighting) -> Option<&Seen> {
        self.sightings.get(sighting)
    }

    /// Every sighting, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Sighting, &Seen)> {
        self.sightings.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.sightings.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.sightings.is_empty()
    }

    pub(super) fn add(&mut self, sighting: Sighting, seen: Seen) {
        match self.sightings.get_mut(&sighting) {
            Some(known) => *known += &seen,
            None => {
                self.sightings.insert(sighting, seen);
            }
        }
    }

    /// Keeps the first in order, so that the order in which they came does not matter.
    pub(super) fn keep(&mut self) {
        while self.sightings.len() > SIGHTING_LIMIT {
            if let Some((_, dropped)) = self.sightings.pop_last() {
                self.unlisted += dropped.flows;
            }
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
        Fit::Fits => blocked || is_doubtful(showing, matching) || is_exposed(flow, showing, matching),
        Fit::GenericPort => blocked,
        Fit::UnknownPort => false,
    }
}

/// It cannot be told what became of it, or how it began.
fn is_doubtful(showing: Showing, matching: &Matching) -> bool {
    match showing {
        Showing::NoReply(Some(_)) => matching.is_reply_due(),
        showing => matches!(showing, Showing::OneDirection | Showing::Unclear(_) | Showing::Midstream),
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
            last: flow.last,
            watched: flow.watched(),
            evidence: flow.evidence.iter().copied().collect(),
            openers: BTreeSet::from([flow.opener]),
            client_ports: BTreeSet::from([flow.client.port]),
            tries: flow.tries(),
            errors: flow.icmp.iter().map(|icmp| (icmp.v6, icmp.kind, icmp.code, icmp.sender)).collect(),
            signs: signs(flow).collect(),
            reset_after: flow.reset_after.map(|after| (after, after)),
            vlans: Some(flow.vlans).filter(|&vlans| vlans != Vlans::default()).into_iter().collect(),
        }
    }

    /// Silence that was watched past the last try of any client.
    pub fn is_firm(&self) -> bool {
        self.watched >= FIRM
    }
}

fn signs(flow: &FlowRecord) -> impl Iterator<Item = Signed> {
    let (opener, server) = (flow.opener, flow.server.address);
    let signed = move |what, from, headers| Signed { opener, what, from, headers };
    let greeting = flow.greeting.map(|headers| signed(Reply::Greeting, server, headers));
    let reset = flow.reset.map(|headers| signed(Reply::Reset, server, headers));
    let error = flow.icmp.map(|icmp| {
        let headers = Sender { ttl: icmp.ttl, identification: icmp.identification, window: 0 };
        signed(Reply::IcmpError, icmp.sender, headers)
    });
    [greeting, reset, error].into_iter().flatten()
}

impl AddAssign<&Sightings> for Sightings {
    fn add_assign(&mut self, other: &Sightings) {
        let Sightings { sightings, unlisted } = other;
        sightings.iter().for_each(|(sighting, seen)| self.add(*sighting, seen.clone()));
        self.unlisted += unlisted;
        self.keep();
    }
}

impl AddAssign<&Seen> for Seen {
    fn add_assign(&mut self, other: &Seen) {
        let Seen { flows, first, last, watched, evidence, openers, client_ports, tries, errors, signs, .. } = other;
        let Seen { reset_after, vlans, .. } = other;
        self.flows += flows;
        self.first = self.first.min(*first);
        self.last = self.last.max(*last);
        self.watched = self.watched.max(*watched);
        add_first(&mut self.evidence, evidence, NAMED_LIMIT);
        add_first(&mut self.openers, openers, NAMED_LIMIT);
        add_first(&mut self.client_ports, client_ports, PORT_LIMIT);
        self.tries = self.tries.min(*tries);
        add_first(&mut self.errors, errors, NAMED_LIMIT);
        add_first(&mut self.signs, signs, NAMED_LIMIT);
        self.reset_after = match (self.reset_after, *reset_after) {
            (Some(mine), Some(theirs)) => Some((mine.0.min(theirs.0), mine.1.max(theirs.1))),
            (mine, theirs) => mine.or(theirs),
        };
        add_first(&mut self.vlans, vlans, NAMED_LIMIT);
    }
}

/// Joins two sets and keeps the first few, which is the same in whatever order sets are joined.
fn add_first<T: Ord + Copy>(set: &mut BTreeSet<T>, other: &BTreeSet<T>, limit: usize) {
    set.extend(other);
    while set.len() > limit {
        set.pop_last();
    }
}
