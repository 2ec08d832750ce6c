//! From a ledger to lines. One line at a time is built and written.

use super::form::{
    AnswersForm, CaptureLine, CrowdForm, DirectionsForm, FlowTimesForm, Head, IncidentsLine, KindsLine, LatestForm,
    Line, LossesLine, MapForm, MatchingForm, OfClientsLine, OfTargetsLine, PacketsForm, PairForm, PathForm, PathRow,
    PathsLine, PlaceForm, PlaceLine, QuicLine, RoundTripsLine, SeenForm, ServiceForm, SightingRow, SightingsLine,
    StepRow, StepsLine, TimesForm, TwinsLine, VoicesLine, WorkingForm,
};
use super::names::ByName;
use super::{LINE_LIMIT, NAME_LIMIT, SCHEMA, WriteError};
use crate::flow::{CAPTURE_LIMIT, Evidence, PacketRef, Sender};
use crate::ledger::{
    Answered, Answers, Called, Carried, Crowd, Died, Directions, Drawn, Incident, Kind, Known, Ledger, Micros,
    NAMED_LIMIT, Opening, Pair, Pairs, Path, Rate, Seen, Sighting, Signed, Speaker, Step, Target, Voice, Working,
};
use crate::matching::{Matching, ServiceRef};
use crate::packet::{Address, Skip, Stranger, protocol};
use crate::portmap::{Place, PortMap};
use crate::time::{Span, Timestamp};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// Maximum number of rows in a line. None but those of sightings is longer than 400 bytes.
const ROWS: usize = 500;
/// The same for sightings.
const SIGHTING_ROWS: usize = 16;
/// Maximum length of a sighting without the names of captures, in bytes.
const SIGHTING_LENGTH: usize = 4_000;
/// Maximum length of one byte of a name: a control character stands as `\u0001`.
const ESCAPED: usize = 6;

/// Writes a ledger.
pub(super) fn ledger(
    ledger: &Ledger,
    map: &PortMap,
    captures: &[&str],
    out: &mut impl Write,
) -> Result<(), WriteError> {
    let writer = &mut Writer { naming: Naming { map, captures }, out, lines: 0 };
    writer.line(&head(ledger, map))?;
    writer.places(ledger)?;
    writer.captures(&ledger.skipped)?;
    writer.kinds(ledger)?;
    for (service, latency) in &ledger.round_trips {
        let service = service.map(|service| writer.naming.service(service)).transpose()?;
        writer.line(&Line::RoundTrips(RoundTripsLine { service, micros: latency.counts() }))?;
    }
    writer.pairs(ledger.visibility.hosts(), Line::Hosts)?;
    writer.pairs(ledger.visibility.networks(), Line::Networks)?;
    writer.sightings(ledger)?;
    writer.crowds(ledger)?;
    writer.paths(ledger)?;
    writer.strangers(ledger)?;
    writer.deaths(ledger)?;
    writer.hellos(ledger)?;
    writer.voices(ledger)?;
    writer.steps(ledger)?;
    writer.incidents(ledger)?;
    writer.losses(ledger)?;
    writer.twins(ledger)?;
    writer.line(&Line::End(writer.lines))
}

/// Where lines go, and how many there were.
struct Writer<'a, W> {
    naming: Naming<'a>,
    out: &'a mut W,
    lines: u64,
}

/// Finds the names of what is local to this process.
#[derive(Clone, Copy)]
struct Naming<'a> {
    map: &'a PortMap,
    captures: &'a [&'a str],
}

impl<W: Write> Writer<'_, W> {
    fn line(&mut self, line: &impl Serialize) -> Result<(), WriteError> {
        let mut bytes = serde_json::to_vec(line).map_err(io::Error::from)?;
        bytes.push(b'\n');
        if bytes.len() > LINE_LIMIT {
            return Err(WriteError::LongLine);
        }
        self.out.write_all(&bytes)?;
        self.lines += 1;
        Ok(())
    }

    fn places(&mut self, ledger: &Ledger) -> Result<(), WriteError> {
        let shared = |service: Option<ServiceRef>| match service {
            Some(ServiceRef::Shared(place)) => Some(place),
            Some(ServiceRef::One(_)) | None => None,
        };
        let kinds = ledger.kinds.iter().map(|(kind, _)| kind.matching);
        let sightings = ledger.sightings.iter().map(|(sighting, _)| sighting.matching);
        let crowds = ledger.sightings.crowds_of_clients().map(|(target, _)| target.matching);
        let steps = ledger.steps.iter().map(|(_, step)| step.matching);
        let matchings = kinds.chain(sightings).chain(crowds).chain(steps);
        let mut places: BTreeSet<Place> = ledger.round_trips.keys().filter_map(|&service| shared(service)).collect();
        matchings.for_each(|matching| places.extend(matching.place.into_iter().chain(shared(matching.service))));
        for place in places {
            self.naming.place(place)?;
            self.line(&Line::Place(PlaceLine::of(self.naming.map, place)))?;
        }
        Ok(())
    }

    fn captures(&mut self, skipped: &BTreeMap<u32, [u64; Skip::ALL.len()]>) -> Result<(), WriteError> {
        for &number in skipped.keys() {
            self.naming.capture(number)?;
        }
        let mut names = BTreeSet::new();
        for (number, &name) in (0..CAPTURE_LIMIT).zip(self.naming.captures) {
            if !names.insert(name) {
                return Err(WriteError::SameName { name: name.into() });
            }
            if name.len() > NAME_LIMIT {
                return Err(WriteError::LongName { name: name.into() });
            }
            let pairs = |counts: &[u64; Skip::ALL.len()]| {
                Skip::ALL
                    .into_iter()
                    .zip(*counts)
                    .filter(|(_, count)| *count > 0)
                    .map(|(skip, count)| (ByName(skip), count))
                    .collect()
            };
            let skipped = skipped.get(&number).map(pairs);
            self.line(&Line::Capture(CaptureLine { name: name.into(), skipped }))?;
        }
        Ok(())
    }

    fn pairs(&mut self, pairs: &Pairs, line: fn(Vec<(PairForm, DirectionsForm)>) -> Line) -> Result<(), WriteError> {
        let pairs: Vec<_> = pairs.iter().collect();
        for rows in pairs.chunks(ROWS) {
            let row = |&(pair, directions): &(&Pair, &Directions)| (pair_form(*pair), directions_form(*directions));
            self.line(&line(rows.iter().map(row).collect()))?;
        }
        Ok(())
    }

    fn kinds(&mut self, ledger: &Ledger) -> Result<(), WriteError> {
        for (kind, carried) in ledger.kinds.iter() {
            let (Kind { showing, matching }, Carried { flows, packets, bytes }) = (*kind, *carried);
            let (showing, matching) = (ByName(showing), self.naming.matching(&matching)?);
            self.line(&Line::Kinds(KindsLine { showing, matching, carried: (flows, packets, bytes) }))?;
        }
        Ok(())
    }

    fn crowds(&mut self, ledger: &Ledger) -> Result<(), WriteError> {
        for (target, crowd) in ledger.sightings.crowds_of_clients() {
            let Target { showing, matching, protocol, port, server } = *target;
            let (showing, matching) = (ByName(showing), self.naming.matching(&matching)?);
            let (target, crowd) = ((protocol, port, ByName(server)), self.naming.crowd(crowd)?);
            self.line(&Line::OfClients(OfClientsLine { showing, matching, target, crowd }))?;
        }
        for (client, crowd) in ledger.sightings.crowds_of_targets() {
            let (client, crowd) = (ByName(client), self.naming.crowd(crowd)?);
            self.line(&Line::OfTargets(OfTargetsLine { client, crowd }))?;
        }
        Ok(())
    }

    /// How many sightings fit into a line.
    fn sightings_at_once(&self) -> usize {
        // Each packet of a sighting may lie in another capture.
        let longest = self.naming.captures.iter().map(|name| name.len() * ESCAPED).max().unwrap_or(0);
        (LINE_LIMIT / (3 * NAMED_LIMIT * longest + SIGHTING_LENGTH)).clamp(1, SIGHTING_ROWS)
    }

    fn deaths(&mut self, ledger: &Ledger) -> Result<(), WriteError> {
        let deaths: Vec<_> = ledger.deaths.iter().collect();
        for deaths in deaths.chunks(self.sightings_at_once()) {
            let row = |&(path, died): &(&Path, &Died)| {
                let Died { seen, clients_gone, idle, idle_for } = died;
                let idle_for = idle_for.map(lengths).transpose()?;
                Ok(((path_form(path), self.naming.seen(seen)?), *clients_gone, *idle, idle_for))
            };
            let rows = deaths.iter().map(row).collect::<Result<_, WriteError>>()?;
            self.line(&Line::Deaths(rows))?;
        }
        Ok(())
    }

    fn incidents(&mut self, ledger: &Ledger) -> Result<(), WriteError> {
        let incidents: Vec<(&Incident, &Known)> = ledger.incidents.iter().collect();
        let group = |incident: &Incident| (incident.what, incident.matching);
        // Each has names of its own beside those of captures.
        let at_once = self.sightings_at_once().div_ceil(4);
        for alike in incidents.chunk_by(|(one, _), (next, _)| group(one) == group(next)) {
            for rows in alike.chunks(at_once) {
                let Incident { what, matching, path: _ } = *rows[0].0;
                let matching = self.naming.matching(&matching)?;
                let row = |&(incident, known): &(&Incident, &Known)| {
                    let Known { seen, times, of, spans, numbers, names } = known;
                    let names = names.iter().map(|name| name.to_string()).collect();
                    let row = (path_form(&incident.path), self.naming.seen(seen)?);
                    Ok((row, *times, *of, spans.map(lengths).transpose()?, *numbers, names))
                };
                let rows = rows.iter().map(row).collect::<Result<_, WriteError>>()?;
                self.line(&Line::Incidents(IncidentsLine { what: ByName(what), matching, rows }))?;
            }
        }
        Ok(())
    }

    fn losses(&mut self, ledger: &Ledger) -> Result<(), WriteError> {
        let mut groups: BTreeMap<u32, Vec<(&Path, &Rate)>> = BTreeMap::new();
        for (path, rate) in ledger.losses.iter() {
            groups.entry(rate.flows.opener.at.capture).or_default().push((path, rate));
        }
        for (number, paths) in groups {
            for rows in paths.chunks(ROWS) {
                let row = |&(path, rate): &(&Path, &Rate)| {
                    let Rate { flows, sent, again, lossy, large } = *rate;
                    Ok((path_form(path), working_form(flows)?, sent, again, lossy, large))
                };
                let rows = rows.iter().map(row).collect::<Result<_, WriteError>>()?;
                let capture = self.naming.capture(number)?.into();
                self.line(&Line::Losses(LossesLine { capture, rows }))?;
            }
        }
        Ok(())
    }

    fn twins(&mut self, ledger: &Ledger) -> Result<(), WriteError> {
        let mut groups: BTreeMap<u32, Vec<(&Drawn, &Opening)>> = BTreeMap::new();
        for (drawn, openings) in ledger.twins.iter() {
            for opening in openings.iter() {
                groups.entry(opening.opener.capture).or_default().push((drawn, opening));
            }
        }
        for (number, openings) in groups {
            for rows in openings.chunks(ROWS) {
                let row = |&(drawn, opening): &(&Drawn, &Opening)| {
                    let Opening { first, opener, server, client, client_port, ttl, answered } = *opening;
                    let path = Path { protocol: protocol::TCP, port: drawn.port, server, client };
                    (path_form(&path), drawn.number, client_port, first.0, opener.packet, ttl, answered)
                };
                let rows = rows.iter().map(row).collect();
                let capture = self.naming.capture(number)?.into();
                self.line(&Line::Twins(TwinsLine { capture, rows }))?;
            }
        }
        Ok(())
    }

    fn hellos(&mut self, ledger: &Ledger) -> Result<(), WriteError> {
        let names: Vec<_> = ledger.hellos.names().collect();
        for rows in names.chunks(ROWS) {
            self.line(&Line::Named(rows.iter().map(|&(host, name)| (ByName(host), ByName(name))).collect()))?;
        }
        let mut groups: BTreeMap<u32, Vec<(&Path, &Working)>> = BTreeMap::new();
        for (path, tried) in ledger.hellos.quic() {
            groups.entry(tried.opener.at.capture).or_default().push((path, tried));
        }
        for (number, paths) in groups {
            for rows in paths.chunks(ROWS) {
                let row = |&(path, tried): &(&Path, &Working)| Ok((path_form(path), working_form(*tried)?));
                let rows = rows.iter().map(row).collect::<Result<_, WriteError>>()?;
                let capture = self.naming.capture(number)?.into();
                self.line(&Line::Quic(QuicLine { capture, rows }))?;
            }
        }
        Ok(())
    }

    fn voices(&mut self, ledger: &Ledger) -> Result<(), WriteError> {
        let mut groups: BTreeMap<u32, Vec<(&Speaker, &Voice)>> = BTreeMap::new();
        for (speaker, voice) in ledger.voices.iter() {
            groups.entry(speaker.capture).or_default().push((speaker, voice));
        }
        for (capture, voices) in groups {
            let capture = self.naming.capture(capture)?;
            for rows in voices.chunks(ROWS) {
                let row = |&(speaker, voice): &(&Speaker, &Voice)| {
                    let Speaker { server, clients, capture: _ } = *speaker;
                    let Voice { flows, first, last, moments, ttl, client_ttl, delay, ports, habits } = *voice;
                    let moment = |(lot, at)| Ok((lot, times(first, at)?.1));
                    let moments = moments.iter().map(moment).collect::<Result<_, WriteError>>()?;
                    let (server, clients) = (ByName(server), ByName(clients));
                    Ok((server, clients, flows, times(first, last)?, moments, ttl, client_ttl, delay, ports, habits.0))
                };
                let rows = rows.iter().map(row).collect::<Result<_, WriteError>>()?;
                self.line(&Line::Voices(VoicesLine { capture: capture.into(), rows }))?;
            }
        }
        Ok(())
    }

    fn steps(&mut self, ledger: &Ledger) -> Result<(), WriteError> {
        let mut groups: BTreeMap<_, Vec<(&PacketRef, &Step)>> = BTreeMap::new();
        for (opener, step) in ledger.steps.iter() {
            groups.entry((opener.capture, step.showing, step.matching)).or_default().push((opener, step));
        }
        for ((capture, showing, matching), steps) in groups {
            let (capture, matching) = (self.naming.capture(capture)?, self.naming.matching(&matching)?);
            for rows in steps.chunks(ROWS) {
                let rows = rows.iter().map(|(opener, step)| step_row(opener, step)).collect::<Result<_, _>>()?;
                let (capture, matching) = (capture.to_string(), matching.clone());
                self.line(&Line::Steps(StepsLine { capture, showing: ByName(showing), matching, rows }))?;
            }
        }
        Ok(())
    }

    fn sightings(&mut self, ledger: &Ledger) -> Result<(), WriteError> {
        let sightings: Vec<(&Sighting, &Seen)> = ledger.sightings.iter().collect();
        let at_once = self.sightings_at_once();
        let group = |sighting: &Sighting| (sighting.showing, sighting.matching);
        for alike in sightings.chunk_by(|(one, _), (next, _)| group(one) == group(next)) {
            for rows in alike.chunks(at_once) {
                let Sighting { showing, matching, path: _ } = rows[0].0;
                let (showing, matching) = (ByName(*showing), self.naming.matching(matching)?);
                let row =
                    |&(sighting, seen): &(&Sighting, &Seen)| Ok((path_form(&sighting.path), self.naming.seen(seen)?));
                let rows = rows.iter().map(row).collect::<Result<Vec<SightingRow>, WriteError>>()?;
                self.line(&Line::Sightings(SightingsLine { showing, matching, rows }))?;
            }
        }
        Ok(())
    }

    fn paths(&mut self, ledger: &Ledger) -> Result<(), WriteError> {
        let mut groups: BTreeMap<Option<u32>, Vec<(&Path, &Answered)>> = BTreeMap::new();
        for (path, answered) in ledger.paths.iter() {
            let capture = answered.working.map(|working| working.opener.at.capture);
            groups.entry(capture).or_default().push((path, answered));
        }
        for (capture, paths) in groups {
            let name = capture.map(|number| self.naming.capture(number)).transpose()?;
            for rows in paths.chunks(ROWS) {
                let rows = rows.iter().map(|(path, answered)| path_row(path, answered)).collect::<Result<_, _>>()?;
                self.line(&Line::Paths(PathsLine { capture: name.map(String::from), rows }))?;
            }
        }
        let generic: Vec<_> = ledger.paths.generic().collect();
        for rows in generic.chunks(ROWS) {
            let row = |&(path, answers): &(&Path, &Answers)| Ok((path_form(path), answers_form(*answers)?));
            self.line(&Line::Generic(rows.iter().map(row).collect::<Result<_, WriteError>>()?))?;
        }
        Ok(())
    }
}

impl<W: Write> Writer<'_, W> {
    fn strangers(&mut self, ledger: &Ledger) -> Result<(), WriteError> {
        if !ledger.strangers.is_empty() {
            let row = |(stranger, packets): (&Stranger, &u64)| (ByName(*stranger), *packets);
            self.line(&Line::Strangers(ledger.strangers.iter().map(row).collect()))?;
        }
        if ledger.holes != crate::ledger::Holes::default() {
            let crate::ledger::Holes { flows, carrying, missing, there } = ledger.holes;
            self.line(&Line::Holes((flows, carrying, missing, there)))?;
        }
        let rows: Vec<_> = ledger.neighbours.iter().collect();
        for rows in rows.chunks(ROWS) {
            let row = |&(&(asked, asker), called): &(&(Address, Address), &Called)| {
                let Called { requests, answers, first, last } = *called;
                Ok((ByName(asked), ByName(asker), requests, answers, times(first, last)?))
            };
            self.line(&Line::Neighbours(rows.iter().map(row).collect::<Result<_, WriteError>>()?))?;
        }
        Ok(())
    }
}

impl<'a> Naming<'a> {
    fn capture(&self, number: u32) -> Result<&'a str, WriteError> {
        self.captures.get(number as usize).copied().ok_or(WriteError::UnnamedCapture { number })
    }

    fn place(&self, place: Place) -> Result<PlaceForm, WriteError> {
        let (transport, port) = (place.transport(), place.port());
        let here = self.map.place(transport, port) == Some(place);
        here.then_some((ByName(transport), port)).ok_or(WriteError::OtherMap)
    }

    fn service(&self, service: ServiceRef) -> Result<ServiceForm, WriteError> {
        match service {
            ServiceRef::One(service) => {
                let known = self.map.services().get(usize::from(service.0)).ok_or(WriteError::OtherMap)?;
                Ok(ServiceForm::One(known.name.clone()))
            }
            ServiceRef::Shared(place) => self.place(place).map(ServiceForm::Shared),
        }
    }

    fn matching(&self, matching: &Matching) -> Result<MatchingForm, WriteError> {
        // The nature of the port follows from its place.
        let Matching { fit, basis, service, place, port: _, foreign_attempt } = *matching;
        Ok(MatchingForm {
            fit: ByName(fit),
            basis: ByName(basis),
            service: service.map(|service| self.service(service)).transpose()?,
            place: place.map(|place| self.place(place)).transpose()?,
            foreign_attempt,
        })
    }

    /// What is named of the capture of a packet.
    fn of<'p>(
        &self,
        at: &PacketRef,
        packets: &'p mut BTreeMap<u32, PacketsForm>,
    ) -> Result<&'p mut PacketsForm, WriteError> {
        let name = self.capture(at.capture)?;
        Ok(packets.entry(at.capture).or_insert_with(|| (name.into(), Vec::new(), Vec::new(), Vec::new())))
    }

    fn crowd(&self, crowd: &Crowd) -> Result<CrowdForm, WriteError> {
        let seen = crowd.seen().ok_or(WriteError::Backwards)?;
        let hosts = crowd.hosts().iter().copied().map(ByName).collect();
        Ok((self.seen(seen)?, hosts, crowd.ports().to_vec()))
    }

    fn seen(&self, seen: &Seen) -> Result<SeenForm, WriteError> {
        let Seen { flows, first, latest, last, watched, evidence, openers, client_ports, tries, errors, .. } = seen;
        let Seen { begun, signs, reset_after, vlans, .. } = seen;
        let mut packets: BTreeMap<u32, PacketsForm> = BTreeMap::new();
        for Evidence { at, note } in evidence {
            self.of(at, &mut packets)?.1.push((at.packet, ByName(*note)));
        }
        for opener in openers {
            self.of(opener, &mut packets)?.2.push(opener.packet);
        }
        for Signed { opener, what, from, headers, delay } in signs {
            let Sender { ttl, identification, window, hints } = *headers;
            let sign = (opener.packet, ByName(*what), ByName(*from), ttl, identification, window, hints.0, *delay);
            self.of(opener, &mut packets)?.3.push(sign);
        }
        let reset_after = reset_after.map(lengths).transpose()?;
        let errors = errors.iter().map(|&(v6, kind, code, sender)| (v6, kind, code, ByName(sender))).collect();
        Ok((
            *flows,
            latest_form((*first, latest, *last), (*flows, *begun))?,
            length(*watched)?,
            *tries,
            packets.into_values().collect(),
            client_ports.iter().copied().collect(),
            errors,
            reset_after,
            vlans.iter().map(|vlans| vlans.0).collect(),
        ))
    }
}

fn head(ledger: &Ledger, map: &PortMap) -> Head {
    let Ledger { decoded, sightings, paths, visibility, neighbours, deaths, duplicates, flow_packets, .. } = ledger;
    let Ledger { hellos, steps, flows_given_up, openings_given_up, .. } = ledger;
    Head {
        schema: SCHEMA.into(),
        map: MapForm { name: map.name().into(), version: map.version().into() },
        decoded: *decoded,
        duplicates: *duplicates,
        flow_packets: *flow_packets,
        directions: directions_form(visibility.all),
        pairs_unlisted: (visibility.hosts().unlisted, visibility.networks().unlisted),
        unlisted: sightings.unlisted,
        incomplete: paths.incomplete,
        answers_incomplete: paths.answers_incomplete,
        generic_incomplete: paths.generic_incomplete,
        flows_given_up: *flows_given_up,
        openings_given_up: *openings_given_up,
        neighbours_incomplete: neighbours.incomplete,
        deaths_incomplete: deaths.incomplete,
        hellos_incomplete: hellos.incomplete,
        voices_incomplete: ledger.voices.incomplete,
        steps_incomplete: steps.incomplete,
        incidents_incomplete: ledger.incidents.incomplete,
        losses_incomplete: ledger.losses.incomplete,
        twins_incomplete: ledger.twins.incomplete,
    }
}

/// Its capture stands above the row, as what it shows and where it stands in the map does.
fn step_row(opener: &PacketRef, step: &Step) -> Result<StepRow, WriteError> {
    let Step { last, ended, first, broke, idle, payload, path, showing: _, matching: _, client_port, tries, .. } = step;
    let Step { spoke, handshake_rtt, data_rtt, .. } = *step;
    let later = |at: &Timestamp| times(*first, *at).map(|(_, later)| later);
    let lengths = [later(last)?, later(broke)?, length(*idle)?];
    let times = (first.0, lengths, [spoke, handshake_rtt, data_rtt].map(Micros::micros));
    Ok((opener.packet, path_form(path), *client_port, *tries, times, (*payload).into(), ByName(*ended)))
}

fn path_row(path: &Path, answered: &Answered) -> Result<PathRow, WriteError> {
    let Answered { answers, working, ttl, vlans } = *answered;
    let answers = answers.map(answers_form).transpose()?;
    Ok((path_form(path), answers, working.map(working_form).transpose()?, ttl, vlans.0))
}

fn answers_form(answers: Answers) -> Result<AnswersForm, WriteError> {
    let Answers { flows, first, last } = answers;
    Ok((flows, times(first, last)?))
}

/// Its capture stands above the row.
fn working_form(working: Working) -> Result<WorkingForm, WriteError> {
    let Working { flows, first, began, last, opener, client_port } = working;
    Ok((flows, flow_times(first, began, last)?, opener.at.packet, ByName(opener.note), client_port))
}

fn path_form(path: &Path) -> PathForm {
    let Path { protocol, port, server, client } = *path;
    (protocol, port, ByName(server), ByName(client))
}

fn pair_form(pair: Pair) -> PairForm {
    let (one, other) = pair.both();
    (ByName(one), ByName(other))
}

fn directions_form(directions: Directions) -> DirectionsForm {
    let Directions { both, one } = directions;
    (both, one)
}

/// The first moment, and how much later the last one is.
fn times(first: Timestamp, last: Timestamp) -> Result<TimesForm, WriteError> {
    if last < first {
        return Err(WriteError::Backwards);
    }
    Ok((first.0, last.0.abs_diff(first.0)))
}

fn latest_form(
    (first, latest, last): (Timestamp, &[Reverse<Timestamp>], Timestamp),
    (flows, begun): (u64, i128),
) -> Result<LatestForm, WriteError> {
    let later = begun - i128::from(first.0) * i128::from(flows);
    let later = u128::try_from(later).map_err(|_| WriteError::Backwards)?;
    let began = latest.iter().map(|began| Ok(times(first, began.0)?.1)).collect::<Result<_, WriteError>>()?;
    let (first, last) = times(first, last)?;
    Ok((first, began, last, later))
}

fn flow_times(first: Timestamp, began: Timestamp, last: Timestamp) -> Result<FlowTimesForm, WriteError> {
    let ((first, last), (_, began)) = (times(first, last)?, times(first, began)?);
    Ok((first, began, last))
}

fn lengths((shortest, longest): (Span, Span)) -> Result<(u64, u64), WriteError> {
    Ok((length(shortest)?, length(longest)?))
}

fn length(span: Span) -> Result<u64, WriteError> {
    u64::try_from(span.0).map_err(|_| WriteError::Backwards)
}
