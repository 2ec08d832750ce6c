//! The lines of a written ledger as they stand in the file. What a line means is in `write.rs` and `read.rs`.

use super::super::{CitrixName, Ended, Reply, What};
use super::names::ByName;
use crate::flow::{Note, Showing};
use crate::matching::{Basis, Fit};
use crate::packet::{Address, Skip, Stranger};
use crate::portmap::{Candidates, Place, PortMap, ServiceId};
use crate::transport::Transport;
use serde::{Deserialize, Serialize};

/// The part of the first line that every version has.
#[derive(Deserialize)]
pub(super) struct Version {
    pub schema: String,
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub schema: String,
    pub map: MapForm,
    pub decoded: u64,
    pub duplicates: u64,
    pub flow_packets: u64,
    pub directions: DirectionsForm,
    pub pairs_unlisted: (u64, u64),
    pub unlisted: u64,
    pub incomplete: bool,
    pub answers_incomplete: bool,
    pub generic_incomplete: bool,
    pub flows_given_up: u64,
    pub openings_given_up: u64,
    pub neighbours_incomplete: bool,
    pub deaths_incomplete: bool,
    pub hellos_incomplete: bool,
    pub voices_incomplete: bool,
    pub steps_incomplete: bool,
    pub incidents_incomplete: bool,
    pub losses_incomplete: bool,
    pub twins_incomplete: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MapForm {
    pub name: String,
    pub version: String,
}

/// Every other line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Place(PlaceLine),
    Capture(CaptureLine),
    Kinds(KindsLine),
    RoundTrips(RoundTripsLine),
    Hosts(Vec<(PairForm, DirectionsForm)>),
    Networks(Vec<(PairForm, DirectionsForm)>),
    Sightings(SightingsLine),
    OfClients(OfClientsLine),
    OfTargets(OfTargetsLine),
    Paths(PathsLine),
    Generic(Vec<(PathForm, AnswersForm)>),
    Strangers(Vec<(ByName<Stranger>, u64)>),
    Holes((u64, u64, u64, u64)),
    Neighbours(Vec<NeighbourRow>),
    Deaths(Vec<DeathRow>),
    Named(Vec<(ByName<Address>, ByName<CitrixName>)>),
    Quic(QuicLine),
    Voices(VoicesLine),
    Steps(StepsLine),
    Incidents(IncidentsLine),
    Losses(LossesLine),
    Twins(TwinsLine),
    End(u64),
}

/// What the map says of the ports of a place.
#[derive(PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceLine {
    pub at: PlaceForm,
    pub name: String,
    pub services: Vec<String>,
    pub rules: Vec<String>,
    pub most_specific: usize,
    pub generic: bool,
    pub reply_due: bool,
    pub session: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaptureLine {
    pub name: String,
    pub skipped: Option<Vec<(ByName<Skip>, u64)>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KindsLine {
    pub showing: ByName<Showing>,
    pub matching: MatchingForm,
    pub carried: CarriedForm,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoundTripsLine {
    pub service: Option<ServiceForm>,
    pub micros: Vec<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SightingsLine {
    pub showing: ByName<Showing>,
    pub matching: MatchingForm,
    pub rows: Vec<SightingRow>,
}

/// QUIC without an answer.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuicLine {
    pub capture: String,
    pub rows: Vec<(PathForm, WorkingForm)>,
}

/// What had to be sent again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LossesLine {
    pub capture: String,
    pub rows: Vec<LossRow>,
}

/// Path, flows, and of the client and the server: packets, repeated ones, flows in which it repeated, flows with large packets.
pub(super) type LossRow = (PathForm, WorkingForm, [u64; 2], [u64; 2], [u64; 2], [u64; 2]);

/// Openings on session ports.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TwinsLine {
    pub capture: String,
    pub rows: Vec<TwinRow>,
}

/// Path, number, the client's port, when, first packet, time to live, whether it was answered.
pub(super) type TwinRow = (PathForm, u32, u16, i64, u64, u8, bool);

/// More clients than are kept one by one, at one port of a server.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfClientsLine {
    pub showing: ByName<Showing>,
    pub matching: MatchingForm,
    pub target: TargetForm,
    pub crowd: CrowdForm,
}

/// One client, at more places than are kept one by one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfTargetsLine {
    pub client: ByName<Address>,
    pub crowd: CrowdForm,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PathsLine {
    pub capture: Option<String>,
    pub rows: Vec<PathRow>,
}

/// How the packets of servers look in a capture.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VoicesLine {
    pub capture: String,
    pub rows: Vec<VoiceRow>,
}

/// Flows that sessions are made of.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepsLine {
    pub capture: String,
    pub showing: ByName<Showing>,
    pub matching: MatchingForm,
    pub rows: Vec<StepRow>,
}

/// What went wrong in flows that were answered, and what they say in the clear.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IncidentsLine {
    pub what: ByName<What>,
    pub matching: MatchingForm,
    pub rows: Vec<IncidentRow>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MatchingForm {
    pub fit: ByName<Fit>,
    pub basis: ByName<Basis>,
    pub service: Option<ServiceForm>,
    pub place: Option<PlaceForm>,
    pub foreign_attempt: bool,
}

/// A service by its name, or the services that share the ports of a place.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum ServiceForm {
    One(String),
    Shared(PlaceForm),
}

/// Transport and lowest port.
pub(super) type PlaceForm = (ByName<Transport>, u16);
/// The lower host or network and the higher one.
pub(super) type PairForm = (ByName<Address>, ByName<Address>);
/// Flows with both directions, flows with one.
pub(super) type DirectionsForm = (u64, u64);
/// Flows, packets, bytes.
pub(super) type CarriedForm = (u64, u64, u64);
/// Protocol number, port, server, client.
pub(super) type PathForm = (u8, u16, ByName<Address>, ByName<Address>);
/// The first moment in nanoseconds since 1970, and how much later the last one is.
pub(super) type TimesForm = (i64, u64);
/// When the first flow began in nanoseconds since 1970, and how much later the last one began and the last one ended.
pub(super) type FlowTimesForm = (i64, u64, u64);
/// When the first flow began in nanoseconds since 1970, and how much later the last ones began, the last one ended, and, added up, each
/// of them began.
pub(super) type LatestForm = (i64, Vec<u64>, u64, u128);
/// Path, what is known of it.
pub(super) type SightingRow = (PathForm, SeenForm);
/// Flows, times, longest time watched in nanoseconds, tries, packets by capture, client ports, ICMP errors, shortest and
/// longest time to a reset in nanoseconds, VLAN ids.
pub(super) type SeenForm =
    (u64, LatestForm, u64, u64, Vec<PacketsForm>, Vec<u16>, Vec<ErrorForm>, Option<(u64, u64)>, Vec<[u16; 2]>);
/// Protocol number, port, server.
pub(super) type TargetForm = (u8, u16, ByName<Address>);
/// What is known of all together, hosts, protocol numbers and ports.
pub(super) type CrowdForm = (SeenForm, Vec<ByName<Address>>, Vec<(u8, u16)>);
/// Sessions that died as a sighting has them, clients that were gone, sessions that were idle before, shortest and longest of
/// those times in nanoseconds.
pub(super) type DeathRow = (SightingRow, u64, u64, Option<(u64, u64)>);
/// As a sighting has it, how often, of how many, shortest and longest time in nanoseconds, smallest and largest number, names.
pub(super) type IncidentRow = (SightingRow, u64, u64, Option<(u64, u64)>, Option<(u64, u64)>, Vec<String>);
/// First packet, path, the client's port, tries, times, payload of both sides in bytes, how it ended.
pub(super) type StepRow = (u64, PathForm, u16, u8, StepTimesForm, (u64, u64), ByName<Ended>);
/// When it began in nanoseconds since 1970; how much later the last packet came and when it broke, and how long it was idle before, in
/// nanoseconds; from the first packet to what the server said first, and the round trips of handshake and data, in microseconds or null.
pub(super) type StepTimesForm = (i64, [u64; 3], [Option<u32>; 3]);
/// Who was asked for, who asked, requests, answers, times.
pub(super) type NeighbourRow = (ByName<Address>, ByName<Address>, u64, u64, TimesForm);
/// Capture, evidence, openers, signs.
pub(super) type PacketsForm = (String, Vec<(u64, ByName<Note>)>, Vec<u64>, Vec<SignForm>);
/// Opener, what was sent, from where, time to live, IP identification, TCP window, hints, delay in microseconds.
pub(super) type SignForm = (u64, ByName<Reply>, ByName<Address>, u8, u16, u16, u8, Option<u32>);
/// Server, network of the clients, flows, times, lots and how much later than the first the moments were, smallest and largest time to live of the server and of the clients, shortest delay
/// in microseconds, lowest and highest port with their protocol numbers, habits.
pub(super) type VoiceRow = (
    ByName<Address>,
    ByName<Address>,
    u64,
    TimesForm,
    Vec<(u32, u64)>,
    (u8, u8),
    (u8, u8),
    Option<u32>,
    ((u8, u16), (u8, u16)),
    u8,
);
/// ICMPv6 or not, type, code, sender.
pub(super) type ErrorForm = (bool, u8, u8, ByName<Address>);
/// Path, answers, working, smallest and largest time to live, VLAN ids.
pub(super) type PathRow = (PathForm, Option<AnswersForm>, Option<WorkingForm>, (u8, u8), [u16; 2]);
/// Flows, times.
pub(super) type AnswersForm = (u64, TimesForm);
/// Flows, times, first packet, what it shows, client port.
pub(super) type WorkingForm = (u64, FlowTimesForm, u64, ByName<Note>, u16);

impl PlaceLine {
    /// What a map says of the ports of one of its places.
    pub fn of(map: &PortMap, place: Place) -> PlaceLine {
        // What takes the place of its services follows from them.
        let Candidates {
            rules,
            most_specific,
            services,
            generic,
            reply_due,
            session,
            service,
            replaced: _,
            requests: _,
        } = map.at(place);
        let name = |service: &ServiceId| map.service_name(*service).to_string();
        PlaceLine {
            at: (ByName(place.transport()), place.port()),
            name: service.clone(),
            services: services.iter().map(name).collect(),
            rules: rules.iter().map(|rule| map.rule(*rule).id.clone()).collect(),
            most_specific: *most_specific,
            generic: *generic,
            reply_due: *reply_due,
            session: *session,
        }
    }
}
