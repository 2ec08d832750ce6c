//! What was seen, in a form that adds up: facts, counted by what bounds them. Whatever way the packets were dealt to workers, the
//! sum is the same. What it means is concluded later, once, by the judge.

mod crowd;
mod death;
mod few;
mod hello;
mod holes;
mod incident;
mod kind;
mod latency;
mod loss;
mod neighbour;
mod path;
mod sighting;
mod step;
mod twin;
mod visibility;
mod voice;
pub mod written;

pub use crowd::{Crowd, HOSTS_NAMED, PORTS_NAMED, Target};
pub use death::{DEATH_LIMIT, Deaths, Died};
pub use few::Few;
pub use hello::{CitrixName, HELLO_LIMIT, Hellos};
pub use holes::Holes;
pub use incident::{INCIDENT_LIMIT, INCIDENT_NAME_LIMIT, Incident, Incidents, Known, Naming, What};
pub use kind::{Carried, Kind, Kinds};
pub use latency::Latency;
pub use loss::{LARGE, LOSS_LIMIT, Losses, Rate};
pub use neighbour::{Called, NEIGHBOUR_LIMIT, Neighbours};
pub use path::{Answered, Answers, PATH_LIMIT, Path, Paths, Working};
pub use sighting::{
    CROWD_LIMIT, LATEST_LIMIT, NAMED_LIMIT, PORT_LIMIT, Reply, SIGHTING_LIMIT, Seen, Sighting, Sightings, Signed,
};
pub use step::{AUDIO_PORTS, Ended, Micros, OTHER_STEP_LIMIT, STEP_LIMIT, Step, Steps, WEB_PORT, WEBSOCKET_PORT};
pub use twin::{Drawn, Opening, TWIN_LIMIT, TWINS_OF_ONE, Twins};
pub use visibility::{Directions, PAIR_LIMIT, Pair, Pairs, Visibility};
pub use voice::{Habits, MOMENTS, Moments, Speaker, VOICE_LIMIT, Voice, Voices};

use crate::flow::{FlowRecord, Marks, showing};
use crate::matching::{Matching, ServiceRef};
use crate::packet::{Neighbour, RawPacket, Skip, Stranger};
use crate::portmap::PortMap;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// What one audit saw. `default()` is the zero of the sum.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Ledger {
    /// Packets that were decoded.
    pub decoded: u64,
    /// Packets that were not, by capture, and by the place of the reason in [`Skip::ALL`].
    pub skipped: BTreeMap<u32, [u64; Skip::ALL.len()]>,
    /// Packets that are not read, by what they are: as far as it can be told, those that were skipped as
    /// [`Skip::NotIp`] or [`Skip::OtherProtocol`].
    pub strangers: BTreeMap<Stranger, u64>,
    /// Who was asked for by ARP and neighbour discovery.
    pub neighbours: Neighbours,
    /// Sessions that died.
    pub deaths: Deaths,
    /// What first words told beside the protocol.
    pub hellos: Hellos,
    /// Flows that sessions are made of.
    pub steps: Steps,
    /// What went wrong in flows that were answered, and what they say in the clear.
    pub incidents: Incidents,
    /// What had to be sent again.
    pub losses: Losses,
    /// Openings on session ports, by the number that the client drew.
    pub twins: Twins,
    /// Flows by kind.
    pub kinds: Kinds,
    /// Handshake round trips by service; `None` is everything that belongs to none.
    pub round_trips: BTreeMap<Option<ServiceRef>, Latency>,
    /// What a finding may be made of.
    pub sightings: Sightings,
    /// What was answered on Citrix ports, by whom and where.
    pub paths: Paths,
    /// How the packets of servers look.
    pub voices: Voices,
    /// Which directions were captured.
    pub visibility: Visibility,
    /// Packets that the capture holds twice.
    pub duplicates: u64,
    /// Packets of flows, duplicates among them.
    pub flow_packets: u64,
    /// Flows that were given up before their time, because there were more than the limit allows.
    pub flows_given_up: u64,
    /// Openings that were given up in the same way: their protocol was told by what had been heard.
    pub openings_given_up: u64,
    /// Payload that the captures lack.
    pub holes: Holes,
}

impl Ledger {
    /// Counts a packet of this capture that could not be decoded.
    pub fn skip(&mut self, capture: u32, skip: Skip) {
        self.skipped.entry(capture).or_default()[skip.index()] += 1;
    }

    /// Enters a packet that could not be decoded: why, and what it is.
    #[cold]
    pub fn pass_over(&mut self, raw: &RawPacket<'_>, skip: Skip) {
        self.skip(raw.capture, skip);
        if let Some(stranger) = Stranger::of(raw, skip) {
            *self.strangers.entry(stranger).or_default() += 1;
        }
        if let Some(neighbour) = Neighbour::of(raw, skip) {
            self.neighbours.enter(neighbour, raw.at);
        }
    }

    /// How many packets were not decoded for this reason, over all captures.
    pub fn skipped(&self, skip: Skip) -> u64 {
        self.skipped.values().map(|counts| counts[skip.index()]).sum()
    }

    /// Enters a finished flow.
    pub fn enter(&mut self, flow: &FlowRecord, map: &PortMap) {
        let showing = showing(flow);
        let matching = Matching::of(flow, showing, map);
        self.duplicates += u64::from(flow.from_client.duplicates) + u64::from(flow.from_server.duplicates);
        self.flow_packets += flow.packets();
        self.flows_given_up += u64::from(flow.marks.has(Marks::LET_GO));
        let carried = Carried { flows: 1, packets: flow.packets(), bytes: flow.ip_bytes() };
        self.kinds.add(Kind { showing, matching }, carried);
        if let Some(round_trip) = flow.handshake_rtt {
            self.round_trips.entry(matching.service).or_default().record(round_trip);
        }
        self.visibility.enter(flow, showing);
        self.holes.enter(flow);
        if !incident::is_unanswered(flow, showing) {
            self.deaths.enter(flow, &matching);
        }
        self.hellos.enter(flow, showing, &matching);
        self.steps.enter(flow, showing, &matching);
        self.incidents.enter(flow, showing, &matching);
        self.incidents.enter_words(flow, showing, &matching, map);
        self.losses.enter(flow, &matching);
        self.twins.enter(flow, showing, &matching);
        self.paths.enter(flow, showing, &matching);
        self.voices.enter(flow, showing);
        self.sightings.enter(flow, showing, &matching);
    }

    /// What the report calls received: decoded and skipped.
    pub fn received(&self) -> u64 {
        self.decoded + Skip::ALL.into_iter().map(|skip| self.skipped(skip)).sum::<u64>()
    }
}

impl AddAssign<&Ledger> for Ledger {
    fn add_assign(&mut self, other: &Ledger) {
        let Ledger { decoded, skipped, strangers, neighbours, kinds, round_trips, sightings, paths, .. } = other;
        let Ledger {
            deaths,
            hellos,
            voices,
            steps,
            incidents,
            losses,
            twins,
            visibility,
            duplicates,
            flow_packets,
            flows_given_up,
            openings_given_up,
            ..
        } = other;
        self.decoded += decoded;
        for (capture, counts) in skipped {
            let mine = self.skipped.entry(*capture).or_default();
            mine.iter_mut().zip(counts).for_each(|(mine, theirs)| *mine += theirs);
        }
        for (stranger, packets) in strangers {
            *self.strangers.entry(*stranger).or_default() += packets;
        }
        self.neighbours += neighbours;
        self.deaths += deaths;
        self.hellos += hellos;
        self.steps += steps;
        self.incidents += incidents;
        self.losses += losses;
        self.twins += twins;
        self.kinds += kinds;
        for (service, latency) in round_trips {
            *self.round_trips.entry(*service).or_default() += latency;
        }
        self.sightings += sightings;
        self.paths += paths;
        self.voices += voices;
        self.visibility += visibility;
        self.duplicates += duplicates;
        self.flow_packets += flow_packets;
        self.flows_given_up += flows_given_up;
        self.openings_given_up += openings_given_up;
        self.holes += other.holes;
    }
}
