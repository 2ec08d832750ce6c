//! What was seen, in a form that adds up: whatever way the packets were dealt to workers, the sum is the same.

use crate::classify::{Basis, Judgement, Reason, ServiceRef, Verdict};
use crate::flow::{Doubt, Evidence, FIRM, FlowRecord, Outcome, PacketRef};
use crate::packet::{Address, Skip, protocol};
use crate::portmap::{RuleId, RuleSet};
use crate::signature::Protocol;
use crate::time::{Span, Timestamp};
use hdrhistogram::Histogram;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

/// What one audit saw. `default()` is the zero of the sum.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Ledger {
    /// Packets that were decoded.
    pub decoded: u64,
    /// Packets that were not, by capture, and by the place of the reason in [`Skip::ALL`].
    pub skipped: BTreeMap<u16, [u64; Skip::ALL.len()]>,
    /// Flows by what was held of them.
    pub tally: Tally,
    /// What was seen of each service; `None` is everything that belongs to none.
    pub lines: BTreeMap<Option<ServiceRef>, Line>,
    /// What a finding may be made of, by what it is and between whom.
    pub sightings: BTreeMap<Sighting, Seen>,
    /// Flows whose sighting was not kept because there were too many.
    pub unlisted: u64,
    /// What works on Citrix ports, by whom and where: what a blocked transport may have fallen back to, and whether what was
    /// blocked once worked at other times.
    pub working: BTreeMap<Path, Carried>,
    /// Paths left out of `working` because there were too many.
    pub working_unlisted: bool,
    /// Which directions were captured between two networks.
    pub visibility: BTreeMap<(Address, Address), Visibility>,
    /// Packets that the capture holds twice.
    pub duplicates: u64,
    /// Packets of flows, duplicates among them.
    pub flow_packets: u64,
    /// Flows with payload that the snap length cut away.
    pub cut_flows: u64,
}

/// Flows by what was held of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// All.
    pub flows: u64,
    /// A rule explains them.
    pub expected: u64,
    /// They concern Citrix and no rule allows them.
    pub unexpected: u64,
    /// Nothing to do with Citrix as far as can be told.
    pub unmapped: u64,
    /// The capture does not show enough.
    pub not_evaluable: u64,
    /// Blocked, whatever the verdict.
    pub blocked: u64,
    /// Their outcome could be told.
    pub evaluable: u64,
    /// TCP flows of which both directions were captured.
    pub tcp_both: u64,
    /// TCP flows of which one direction is missing.
    pub tcp_one_way: u64,
}

/// What was seen of one service.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Line {
    /// Flows.
    pub flows: u64,
    /// Packets of both directions.
    pub packets: u64,
    /// IP bytes of both directions.
    pub bytes: u64,
    /// Blocked flows.
    pub blocked: u64,
    /// Flows that carried something, both sides speaking.
    pub working: u64,
    /// Rules that name the ports.
    pub rules: RuleSet,
    /// Handshake round trips in microseconds.
    pub rtt: Latency,
}

/// A distribution of durations in microseconds, three significant digits, up to an hour.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Latency(Option<Box<Histogram<u64>>>);

/// Something that a finding may be made of: what, between whom, on which port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Sighting {
    /// What.
    pub sign: Sign,
    /// Whose.
    pub client: Address,
    /// Towards whom.
    pub server: Address,
    /// IP protocol number.
    pub protocol: u8,
    /// The server's port.
    pub port: u16,
}

/// What was sighted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Sign {
    /// A blocked flow.
    Blocked(Outcome),
    /// A payload of another protocol than the port's.
    Foreign(Protocol),
    /// A Citrix protocol on another port than its own.
    CitrixElsewhere(Protocol),
    /// A Citrix port over the other transport.
    OtherTransport,
    /// A session port that answers to the internet.
    Exposed,
    /// A flow on a Citrix port that cannot be judged, and why.
    Doubtful(Doubt),
    /// A flow on a Citrix port whose start was not captured.
    Midstream,
}

/// From whom to which port of whom.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Path {
    /// IP protocol number.
    pub protocol: u8,
    /// The server's port.
    pub port: u16,
    /// The server.
    pub server: Address,
    /// The client.
    pub client: Address,
}

/// What is known of the flows that worked on a path. Small, because there may be very many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carried {
    /// Flows.
    pub flows: u64,
    /// When the first began.
    pub first: Timestamp,
    /// When the last ended.
    pub last: Timestamp,
    /// The first packet of the first flow in the order of the captures.
    pub opener: Evidence,
    /// The client's port of that flow.
    pub client_port: u16,
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
    /// The port proves nothing by itself.
    pub generic: bool,
    /// The service that the flow belongs to.
    pub service: Option<ServiceRef>,
    /// Flows by the line of the ledger in which they stand: one port may carry several services.
    pub lines: BTreeMap<Option<ServiceRef>, u64>,
    /// Flows that a rule explains.
    pub expected: u64,
    /// The longest time that one of the flows was watched.
    pub watched: Span,
    /// Packets that show it, the earliest few, with the flow they belong to.
    pub evidence: BTreeSet<Evidence>,
    /// First packets of the flows, the earliest few: they name the flows.
    pub openers: BTreeSet<PacketRef>,
    /// The client's ports, the lowest few.
    pub client_ports: BTreeSet<u16>,
    /// The fewest tries of one of the flows.
    pub tries: u64,
    /// ICMP errors: IPv6 or not, type, code and sender.
    pub errors: BTreeSet<(bool, u8, u8, Address)>,
}

/// Which directions of the TCP flows between two networks were captured.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Visibility {
    /// Flows with both.
    pub both: u64,
    /// Flows with one, although the other plainly exists.
    pub one: u64,
}

/// How many sightings are kept. Beyond it the last in order are dropped, and the report says so.
pub const SIGHTING_LIMIT: usize = 20_000;
const VISIBILITY_LIMIT: usize = 50_000;
/// How many paths are remembered because they work.
pub const PATH_LIMIT: usize = 50_000;
/// How many ports of a client are named, so that a display filter can select exactly its flows.
pub const PORT_LIMIT: usize = 32;
/// How many packets and flows of a sighting are named.
pub const NAMED_LIMIT: usize = 12;

impl Ledger {
    /// Counts a packet of this capture that could not be decoded.
    pub fn skip(&mut self, capture: u16, skip: Skip) {
        self.skipped.entry(capture).or_default()[skip.index()] += 1;
    }

    /// How many packets were not decoded for this reason, over all captures.
    pub fn skipped(&self, skip: Skip) -> u64 {
        self.skipped.values().map(|counts| counts[skip.index()]).sum()
    }

    /// Enters a finished flow and what is held of it. `rules` are those that name its port.
    pub fn enter(&mut self, flow: &FlowRecord, judgement: &Judgement, rules: &[RuleId]) {
        self.duplicates += u64::from(flow.from_client.duplicates) + u64::from(flow.from_server.duplicates);
        self.flow_packets += flow.packets();
        self.cut_flows += u64::from(flow.marks.has(crate::flow::Marks::CUT));
        self.tally.enter(flow, judgement);
        self.lines.entry(judgement.service).or_default().enter(flow, judgement, rules);
        self.enter_visibility(flow, judgement);
        self.enter_working(flow, judgement);
        for sign in signs(flow, judgement).into_iter().flatten() {
            self.sight(sign, flow, judgement);
        }
    }

    /// What the report calls received: decoded and skipped.
    pub fn received(&self) -> u64 {
        self.decoded + Skip::ALL.into_iter().map(|skip| self.skipped(skip)).sum::<u64>()
    }

    /// True where the capture holds only one direction between the networks of these two addresses, as far as TCP shows.
    /// Where TCP shows nothing between them, the capture as a whole decides.
    pub fn is_one_direction(&self, one: Address, other: Address) -> bool {
        match self.visibility.get(&networks(one, other)) {
            Some(seen) => seen.both == 0 && seen.one > 0,
            None => self.tally.tcp_both == 0 && self.tally.tcp_one_way > 0,
        }
    }

    /// Where TCP shows that the capture holds one direction only, a UDP flow without a reply is no sign of a block: the reply
    /// may have passed unseen (facts ONEWAY-02). Takes such flows out of the blocked ones. Done once, when the sum is complete;
    /// [`settle`] does the same to the flows themselves.
    pub fn settle(&mut self) {
        let withheld: Vec<Sighting> = self.sightings.keys().copied().filter(|key| self.is_unproven(key)).collect();
        for key in withheld {
            let Some(seen) = self.sightings.remove(&key) else { continue };
            self.tally.blocked -= seen.flows;
            self.tally.evaluable -= seen.flows;
            self.tally.expected -= seen.expected;
            self.tally.not_evaluable += seen.expected;
            for (service, flows) in &seen.lines {
                if let Some(line) = self.lines.get_mut(service) {
                    line.blocked -= flows;
                }
            }
            self.add_sighting(Sighting { sign: Sign::Doubtful(Doubt::OneDirection), ..key }, &seen);
        }
    }

    fn is_unproven(&self, key: &Sighting) -> bool {
        key.protocol == protocol::UDP
            && key.sign == Sign::Blocked(Outcome::Silent)
            && self.is_one_direction(key.client, key.server)
    }

    fn enter_visibility(&mut self, flow: &FlowRecord, judgement: &Judgement) {
        let (both, one) = sides_seen(flow, judgement);
        if both + one == 0 {
            return;
        }
        let key = networks(flow.client.address, flow.server.address);
        *self.visibility.entry(key).or_default() += Visibility { both, one };
        self.keep_visibility();
    }

    /// Keeps the first in order, so that the order in which they came does not matter.
    fn keep_visibility(&mut self) {
        while self.visibility.len() > VISIBILITY_LIMIT {
            self.visibility.pop_last();
        }
    }

    fn enter_working(&mut self, flow: &FlowRecord, judgement: &Judgement) {
        let Some(&opener) = flow.evidence.first() else { return };
        if !is_working(flow, judgement) {
            return;
        }
        let path = Path {
            protocol: flow.protocol,
            port: flow.server.port,
            server: flow.server.address,
            client: flow.client.address,
        };
        let carried = Carried { flows: 1, first: flow.first, last: flow.last, opener, client_port: flow.client.port };
        self.add_working(path, carried);
        self.keep_working();
    }

    fn add_working(&mut self, path: Path, carried: Carried) {
        self.working.entry(path).and_modify(|known| *known += carried).or_insert(carried);
    }

    fn keep_working(&mut self) {
        while self.working.len() > PATH_LIMIT {
            self.working.pop_last();
            self.working_unlisted = true;
        }
    }

    fn sight(&mut self, sign: Sign, flow: &FlowRecord, judgement: &Judgement) {
        let key = Sighting {
            sign,
            client: flow.client.address,
            server: flow.server.address,
            protocol: flow.protocol,
            port: flow.server.port,
        };
        let seen = Seen {
            flows: 1,
            first: flow.first,
            last: flow.last,
            generic: judgement.generic,
            service: judgement.service,
            lines: BTreeMap::from([(judgement.service, 1)]),
            expected: u64::from(judgement.verdict == Verdict::Expected),
            watched: flow.watched(),
            evidence: flow.evidence.iter().copied().collect(),
            openers: BTreeSet::from([flow.opener]),
            client_ports: BTreeSet::from([flow.client.port]),
            tries: match flow.protocol {
                protocol::UDP => flow.from_client.packets - u64::from(flow.from_client.duplicates),
                _ => u64::from(flow.syns),
            },
            errors: flow.icmp.iter().map(|icmp| (icmp.v6, icmp.kind, icmp.code, icmp.sender)).collect(),
        };
        self.add_sighting(key, &seen);
        self.keep_sightings();
    }

    fn add_sighting(&mut self, key: Sighting, seen: &Seen) {
        match self.sightings.get_mut(&key) {
            Some(known) => *known += seen,
            None => {
                self.sightings.insert(key, seen.clone());
            }
        }
    }

    /// Keeps the first in order, so that the order in which they came does not matter.
    fn keep_sightings(&mut self) {
        while self.sightings.len() > SIGHTING_LIMIT {
            if let Some((_, dropped)) = self.sightings.pop_last() {
                self.unlisted += dropped.flows;
            }
        }
    }
}

/// Takes back the judgement of a silent UDP flow where the capture holds one direction only; see [`Ledger::settle`].
pub fn settle(ledger: &Ledger, flow: &FlowRecord, judgement: &mut Judgement) {
    let silent = flow.protocol == protocol::UDP && judgement.outcome == Outcome::Silent;
    if !silent || !ledger.is_one_direction(flow.client.address, flow.server.address) {
        return;
    }
    judgement.outcome = Outcome::OneWay;
    judgement.doubt = Some(Doubt::OneDirection);
    if judgement.verdict == Verdict::Expected {
        judgement.verdict = Verdict::NotEvaluable;
        judgement.reason = Some(Reason::Doubt(Doubt::OneDirection));
    }
}

/// What a flow is a sign of: at most one trouble, and whether a session port is exposed.
fn signs(flow: &FlowRecord, judgement: &Judgement) -> [Option<Sign>; 2] {
    let concerns_citrix = judgement.verdict != Verdict::Unmapped;
    let candidate = concerns_citrix || judgement.generic;
    let heard = flow.heard.as_ref().map(|heard| heard.protocol);
    let trouble = match (judgement.verdict, judgement.reason, heard) {
        _ if judgement.outcome.is_blocked() && candidate => Some(Sign::Blocked(judgement.outcome)),
        (Verdict::Unexpected, Some(Reason::ForeignProtocol), Some(heard)) => Some(Sign::Foreign(heard)),
        (Verdict::Unexpected, Some(Reason::CitrixOnOtherPort), Some(heard)) => Some(Sign::CitrixElsewhere(heard)),
        (Verdict::Unexpected, Some(Reason::OtherTransport), _) => Some(Sign::OtherTransport),
        (Verdict::NotEvaluable, Some(Reason::Doubt(doubt)), _) => Some(Sign::Doubtful(doubt)),
        (Verdict::Expected, Some(Reason::Doubt(doubt @ (Doubt::CaptureTooShort | Doubt::TooFewTries))), _) => {
            Some(Sign::Doubtful(doubt))
        }
        (Verdict::Expected, _, _) if judgement.outcome == Outcome::Midstream => Some(Sign::Midstream),
        _ => None,
    };
    [trouble, is_exposed(flow, judgement).then_some(Sign::Exposed)]
}

/// A session port that was seen to answer a public address outside of its own network.
fn is_exposed(flow: &FlowRecord, judgement: &Judgement) -> bool {
    let session_port = matches!((flow.protocol, flow.server.port), (protocol::TCP | protocol::UDP, 1494 | 2598));
    let opened = matches!(judgement.outcome, Outcome::Established | Outcome::Answered);
    let (client, server) = (flow.client.address, flow.server.address);
    let outside = client.is_public() && client.network() != server.network();
    session_port && opened && judgement.verdict == Verdict::Expected && outside
}

/// A flow on a Citrix port that carried something both ways and was not torn down by the server. A connection that is opened
/// and closed is a monitor's, not a session.
fn is_working(flow: &FlowRecord, judgement: &Judgement) -> bool {
    let works = matches!(judgement.outcome, Outcome::Established | Outcome::Answered | Outcome::Midstream);
    let carried = flow.from_client.payload_bytes > 0 && flow.from_server.payload_bytes > 0;
    works && carried && judgement.verdict == Verdict::Expected && !judgement.generic
}

fn sides_seen(flow: &FlowRecord, judgement: &Judgement) -> (u64, u64) {
    if flow.protocol != protocol::TCP {
        return (0, 0);
    }
    let both = flow.from_client.packets > 0 && flow.from_server.packets > 0;
    (u64::from(both), u64::from(judgement.outcome == Outcome::OneWay))
}

fn networks(one: Address, other: Address) -> (Address, Address) {
    let (one, other) = (one.network(), other.network());
    if one <= other { (one, other) } else { (other, one) }
}

impl Tally {
    fn enter(&mut self, flow: &FlowRecord, judgement: &Judgement) {
        self.flows += 1;
        match judgement.verdict {
            Verdict::Expected => self.expected += 1,
            Verdict::Unexpected => self.unexpected += 1,
            Verdict::Unmapped => self.unmapped += 1,
            Verdict::NotEvaluable => self.not_evaluable += 1,
        }
        self.blocked += u64::from(judgement.outcome.is_blocked());
        self.evaluable += u64::from(judgement.outcome.is_evaluable());
        let (both, one) = sides_seen(flow, judgement);
        self.tcp_both += both;
        self.tcp_one_way += one;
    }
}

impl Line {
    fn enter(&mut self, flow: &FlowRecord, judgement: &Judgement, rules: &[RuleId]) {
        self.flows += 1;
        self.packets += flow.packets();
        self.bytes += flow.ip_bytes();
        self.blocked += u64::from(judgement.outcome.is_blocked());
        let works = matches!(judgement.outcome, Outcome::Established | Outcome::Answered | Outcome::Midstream);
        self.working += u64::from(works);
        if judgement.basis != Basis::None {
            self.rules.extend(rules);
        }
        if let Some(rtt) = flow.handshake_rtt {
            self.rtt.record(rtt);
        }
    }
}

impl Latency {
    /// Adds one duration. More than an hour counts as an hour.
    pub fn record(&mut self, span: Span) {
        let histogram = self.0.get_or_insert_with(|| Box::new(new_histogram()));
        histogram.saturating_record(span.as_micros());
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.len())
    }

    /// The value, in microseconds, that this share of them (0 to 1) does not exceed, to three significant digits.
    pub fn quantile(&self, share: f64) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.value_at_quantile(share).min(histogram.max()))
    }

    /// The smallest, in microseconds.
    pub fn min(&self) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.min())
    }

    /// The largest, in microseconds.
    pub fn max(&self) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.max())
    }
}

fn new_histogram() -> Histogram<u64> {
    const HOUR_MICROS: u64 = 3_600_000_000;
    Histogram::new_with_bounds(1, HOUR_MICROS, 3)
        .expect("1 to an hour with three digits is within the bounds it accepts")
}

impl Seen {
    /// Silence that was watched past the last try of any client.
    pub fn is_firm(&self) -> bool {
        self.watched >= FIRM
    }
}

impl AddAssign<&Ledger> for Ledger {
    fn add_assign(&mut self, other: &Ledger) {
        let Ledger {
            decoded,
            skipped,
            tally,
            lines,
            sightings,
            unlisted,
            working,
            working_unlisted,
            visibility,
            duplicates,
            flow_packets,
            cut_flows,
        } = other;
        self.decoded += decoded;
        for (capture, counts) in skipped {
            let mine = self.skipped.entry(*capture).or_default();
            mine.iter_mut().zip(counts).for_each(|(mine, theirs)| *mine += theirs);
        }
        self.tally += tally;
        for (service, line) in lines {
            *self.lines.entry(*service).or_default() += line;
        }
        for (key, seen) in sightings {
            self.add_sighting(*key, seen);
        }
        self.unlisted += unlisted;
        self.keep_sightings();
        for (path, carried) in working {
            self.add_working(*path, *carried);
        }
        self.working_unlisted |= working_unlisted;
        self.keep_working();
        for (key, seen) in visibility {
            *self.visibility.entry(*key).or_default() += *seen;
        }
        self.keep_visibility();
        self.duplicates += duplicates;
        self.flow_packets += flow_packets;
        self.cut_flows += cut_flows;
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        let Tally { flows, expected, unexpected, unmapped, not_evaluable, blocked, evaluable, tcp_both, tcp_one_way } =
            other;
        self.flows += flows;
        self.expected += expected;
        self.unexpected += unexpected;
        self.unmapped += unmapped;
        self.not_evaluable += not_evaluable;
        self.blocked += blocked;
        self.evaluable += evaluable;
        self.tcp_both += tcp_both;
        self.tcp_one_way += tcp_one_way;
    }
}

impl AddAssign<&Line> for Line {
    fn add_assign(&mut self, other: &Line) {
        let Line { flows, packets, bytes, blocked, working, rules, rtt } = other;
        self.flows += flows;
        self.packets += packets;
        self.bytes += bytes;
        self.blocked += blocked;
        self.working += working;
        self.rules += rules;
        self.rtt += rtt;
    }
}

impl AddAssign<&Latency> for Latency {
    fn add_assign(&mut self, other: &Latency) {
        let Some(theirs) = &other.0 else { return };
        let mine = self.0.get_or_insert_with(|| Box::new(new_histogram()));
        mine.add(theirs.as_ref()).expect("both have the bounds of new_histogram");
    }
}

impl AddAssign<&Seen> for Seen {
    fn add_assign(&mut self, other: &Seen) {
        let Seen {
            flows,
            first,
            last,
            generic,
            service,
            lines,
            expected,
            watched,
            evidence,
            openers,
            client_ports,
            tries,
            errors,
        } = other;
        self.flows += flows;
        self.first = self.first.min(*first);
        self.last = self.last.max(*last);
        self.generic &= generic;
        self.service = self.service.min(*service);
        for (service, flows) in lines {
            *self.lines.entry(*service).or_default() += flows;
        }
        self.expected += expected;
        self.watched = self.watched.max(*watched);
        add_first(&mut self.evidence, evidence, NAMED_LIMIT);
        add_first(&mut self.openers, openers, NAMED_LIMIT);
        add_first(&mut self.client_ports, client_ports, PORT_LIMIT);
        self.tries = self.tries.min(*tries);
        add_first(&mut self.errors, errors, NAMED_LIMIT);
    }
}

impl AddAssign for Carried {
    fn add_assign(&mut self, other: Carried) {
        let Carried { flows, first, last, opener, client_port } = other;
        self.flows += flows;
        self.first = self.first.min(first);
        self.last = self.last.max(last);
        // Whole pairs, so that the order of a sum does not matter where two ledgers name the same packet.
        if (opener, client_port) < (self.opener, self.client_port) {
            self.opener = opener;
            self.client_port = client_port;
        }
    }
}

/// Joins two sets and keeps the first few, which is the same in whatever order sets are joined.
fn add_first<T: Ord + Copy>(set: &mut BTreeSet<T>, other: &BTreeSet<T>, limit: usize) {
    set.extend(other);
    while set.len() > limit {
        set.pop_last();
    }
}

impl AddAssign for Visibility {
    fn add_assign(&mut self, other: Visibility) {
        let Visibility { both, one } = other;
        self.both += both;
        self.one += one;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Note;

    #[test]
    fn paths_that_name_the_same_packet_add_up_in_any_order() {
        let path = |client_port| Carried {
            flows: 1,
            first: Timestamp::default(),
            last: Timestamp::default(),
            opener: Evidence { at: PacketRef { capture: 0, packet: 1 }, note: Note::First },
            client_port,
        };
        let (mut one, mut other) = (path(6910), path(6911));
        one += path(6911);
        other += path(6910);
        assert_eq!(one, other);
    }
}
