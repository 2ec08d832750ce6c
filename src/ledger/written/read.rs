//! From lines to a ledger. Each line is checked and entered before the next one is read.

use super::form::{
    AnswersForm, CaptureLine, CrowdForm, DeathRow, DirectionsForm, FlowTimesForm, Head, IncidentsLine, KindsLine,
    LatestForm, Line, LossesLine, MatchingForm, NeighbourRow, OfClientsLine, OfTargetsLine, PairForm, PathForm,
    PathRow, PathsLine, PlaceForm, PlaceLine, QuicLine, RoundTripsLine, SeenForm, ServiceForm, SightingsLine, StepRow,
    StepsLine, TimesForm, TwinsLine, Version, VoicesLine, WorkingForm,
};
use super::names::{ByName, Named};
use super::{COUNT_LIMIT, CaptureNames, Fault, KINDS_LIMIT, LINE_LIMIT, NAME_LIMIT, ReadError, SCHEMA};
use crate::flow::{Evidence, Hints, PacketRef, Sender};
use crate::ledger::{
    Answered, Answers, CROWD_LIMIT, Called, Carried, Crowd, DEATH_LIMIT, Died, Directions, Drawn, Few, HELLO_LIMIT,
    HOSTS_NAMED, Habits, INCIDENT_LIMIT, INCIDENT_NAME_LIMIT, Incident, Kind, Known, LATEST_LIMIT, LOSS_LIMIT, Latency,
    Ledger, MOMENTS, Micros, Moments, NAMED_LIMIT, NEIGHBOUR_LIMIT, Opening, PAIR_LIMIT, PATH_LIMIT, PORT_LIMIT,
    PORTS_NAMED, Pair, Pairs, Path, Rate, SIGHTING_LIMIT, Seen, Sighting, Signed, Speaker, Step, TWIN_LIMIT,
    TWINS_OF_ONE, Target, VOICE_LIMIT, Voice, What, Working,
};
use crate::matching::{Fit, Matching, PortNature, ServiceRef};
use crate::packet::{Skip, Vlans, protocol};
use crate::portmap::{Place, PortMap};
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read};

/// Reads a ledger up to its last line.
pub(super) fn ledger(
    input: &mut impl BufRead,
    map: &PortMap,
    captures: &mut CaptureNames,
) -> Result<Ledger, ReadError> {
    let mut lines = Lines { input, bytes: Vec::new(), count: 0 };
    lines.next()?;
    let version: Version = serde_json::from_slice(&lines.bytes).map_err(|_| ReadError::NotALedger)?;
    if version.schema != SCHEMA {
        return Err(ReadError::Schema { found: version.schema });
    }
    let mut reader = Reader {
        map,
        names: captures,
        ledger: Ledger::default(),
        places: BTreeSet::new(),
        captures: BTreeMap::new(),
        counted: 0,
        kinds: 0,
    };
    let head: Head = lines.parsed()?;
    if (head.map.name.as_str(), head.map.version.as_str()) != (map.name(), map.version()) {
        let written = (head.map.name, head.map.version);
        return Err(ReadError::OtherMap { written, reading: (map.name().into(), map.version().into()) });
    }
    reader.head(&head).map_err(|fault| lines.fault(fault))?;
    loop {
        lines.next()?;
        let line = match lines.parsed()? {
            Line::End(before) if before == lines.count - 1 => return Ok(reader.ledger),
            Line::End(_) => return Err(lines.fault(Fault::Contradiction { what: "lines are missing before it" })),
            line => line,
        };
        reader.line(line).map_err(|fault| lines.fault(fault))?;
    }
}

/// The lines of the input, one at a time.
struct Lines<'a, R> {
    input: &'a mut R,
    bytes: Vec<u8>,
    count: u64,
}

impl<R: BufRead> Lines<'_, R> {
    fn next(&mut self) -> Result<(), ReadError> {
        self.bytes.clear();
        // One byte more tells a line that is too long from one that just fits.
        let mut limited = self.input.by_ref().take(LINE_LIMIT as u64 + 1);
        let length = limited.read_until(b'\n', &mut self.bytes).map_err(ReadError::Input)?;
        if length == 0 {
            return Err(ReadError::Truncated { lines: self.count });
        }
        self.count += 1;
        if length > LINE_LIMIT { Err(self.fault(Fault::TooLong)) } else { Ok(()) }
    }

    fn parsed<T: serde::de::DeserializeOwned>(&self) -> Result<T, ReadError> {
        serde_json::from_slice(&self.bytes).map_err(|error| {
            let cut_off = error.is_eof() && !self.bytes.ends_with(b"\n");
            if cut_off { ReadError::Truncated { lines: self.count - 1 } } else { self.fault(Fault::Form(error)) }
        })
    }

    fn fault(&self, fault: Fault) -> ReadError {
        ReadError::Line { line: self.count, fault }
    }
}

/// What was read until now, and what the next lines may refer to.
struct Reader<'a> {
    map: &'a PortMap,
    names: &'a mut CaptureNames,
    ledger: Ledger,
    /// Places that were described, and mean the same here.
    places: BTreeSet<Place>,
    /// The numbers here of the captures that were named.
    captures: BTreeMap<String, u32>,
    /// The sum of all counts. Each sum of some of them is smaller, so that none overflows.
    counted: u64,
    kinds: usize,
}

impl Reader<'_> {
    fn head(&mut self, head: &Head) -> Result<(), Fault> {
        let ledger = &mut self.ledger;
        (ledger.decoded, ledger.duplicates, ledger.flow_packets) = (head.decoded, head.duplicates, head.flow_packets);
        ledger.sightings.unlisted = head.unlisted;
        ledger.paths.incomplete = head.incomplete;
        ledger.paths.answers_incomplete = head.answers_incomplete;
        ledger.neighbours.incomplete = head.neighbours_incomplete;
        ledger.deaths.incomplete = head.deaths_incomplete;
        ledger.hellos.incomplete = head.hellos_incomplete;
        ledger.voices.incomplete = head.voices_incomplete;
        ledger.steps.incomplete = head.steps_incomplete;
        ledger.incidents.incomplete = head.incidents_incomplete;
        ledger.losses.incomplete = head.losses_incomplete;
        ledger.twins.incomplete = head.twins_incomplete;
        ledger.paths.generic_incomplete = head.generic_incomplete;
        let (hosts, networks) = head.pairs_unlisted;
        for (pairs, unlisted) in ledger.visibility.pairs_mut().into_iter().zip([hosts, networks]) {
            pairs.unlisted = unlisted;
        }
        (ledger.flows_given_up, ledger.openings_given_up) = (head.flows_given_up, head.openings_given_up);
        let given_up = [head.flows_given_up, head.openings_given_up];
        let counts = [head.decoded, head.duplicates, head.flow_packets, hosts, networks, head.unlisted];
        for count in counts.into_iter().chain(given_up) {
            self.count(count)?;
        }
        self.ledger.visibility.all = self.directions(head.directions)?;
        Ok(())
    }

    fn line(&mut self, line: Line) -> Result<(), Fault> {
        match line {
            Line::Place(line) => self.place_line(&line),
            Line::Capture(line) => self.capture_line(line),
            Line::Kinds(line) => self.kinds(line),
            Line::RoundTrips(line) => self.round_trips(line),
            Line::Hosts(rows) => rows.into_iter().try_for_each(|row| self.hosts_row(row)),
            Line::Networks(rows) => rows.into_iter().try_for_each(|row| self.networks_row(row)),
            Line::Sightings(line) => self.sightings(line),
            Line::OfClients(line) => self.of_clients(line),
            Line::OfTargets(line) => self.of_targets(line),
            Line::Paths(line) => self.paths(line),
            Line::Generic(rows) => rows.into_iter().try_for_each(|row| self.generic_row(row)),
            Line::Strangers(rows) => rows.into_iter().try_for_each(|(ByName(stranger), packets)| {
                let packets = self.some(packets)?;
                once(self.ledger.strangers.insert(stranger, packets).is_none(), "a kind of packets")
            }),
            Line::Voices(line) => self.voices(line),
            Line::Holes((flows, carrying, missing, there)) => {
                once(self.ledger.holes == crate::ledger::Holes::default(), "what is missing")?;
                if (flows == 0) != (missing == 0) || flows > carrying || missing > there {
                    return Err(Fault::Contradiction { what: "more is missing than there can be" });
                }
                let (carrying, there) = (self.some(carrying)?, self.some(there)?);
                self.ledger.holes = crate::ledger::Holes { flows, carrying, missing, there };
                Ok(())
            }
            Line::Deaths(rows) => rows.into_iter().try_for_each(|row| self.death(row)),
            Line::Named(rows) => rows.into_iter().try_for_each(|(ByName(host), ByName(name))| {
                once(self.ledger.hellos.name(host).is_none(), "a host with a name of Citrix")?;
                self.ledger.hellos.add_name(host, name);
                below(self.ledger.hellos.counts()[0], HELLO_LIMIT, "hosts with a name of Citrix")
            }),
            Line::Quic(line) => self.quic(line),
            Line::Steps(line) => self.steps(line),
            Line::Incidents(line) => self.incidents(line),
            Line::Losses(line) => self.losses(line),
            Line::Twins(line) => self.twins(line),
            Line::Neighbours(rows) => rows.into_iter().try_for_each(|row| self.neighbour(row)),
            Line::End(_) => Ok(()),
        }
    }

    fn place_line(&mut self, line: &PlaceLine) -> Result<(), Fault> {
        let (ByName(transport), port) = line.at;
        let place = self.map.place(transport, port).filter(|place| place.port() == port);
        let place = place.ok_or_else(|| Fault::NoPlace { place: place_text(line.at) })?;
        if let Some(what) = difference(line, &PlaceLine::of(self.map, place)) {
            return Err(Fault::PlaceDiffers { place: place_text(line.at), what });
        }
        once(self.places.insert(place), "a place")
    }

    fn capture_line(&mut self, line: CaptureLine) -> Result<(), Fault> {
        let CaptureLine { name, skipped } = line;
        if name.len() > NAME_LIMIT {
            return Err(Fault::LongName);
        }
        let number = self.names.number(&name).ok_or(Fault::TooManyCaptures)?;
        once(self.captures.insert(name, number).is_none(), "a capture")?;
        let Some(skipped) = skipped else { return Ok(()) };
        let mut counts = [0; Skip::ALL.len()];
        for (ByName(skip), count) in skipped {
            once(counts[skip.index()] == 0, "a reason to skip packets")?;
            counts[skip.index()] = self.some(count)?;
        }
        self.ledger.skipped.insert(number, counts);
        Ok(())
    }

    fn kinds(&mut self, line: KindsLine) -> Result<(), Fault> {
        let KindsLine { showing: ByName(showing), matching, carried: (flows, packets, bytes) } = line;
        let kind = Kind { showing, matching: self.matching(&matching)? };
        once(self.ledger.kinds.get(&kind).is_none(), "a kind of flows")?;
        self.kinds += 1;
        below(self.kinds, KINDS_LIMIT, "kinds of flows")?;
        let carried = Carried { flows: self.some(flows)?, packets: self.count(packets)?, bytes: self.count(bytes)? };
        self.ledger.kinds.add(kind, carried);
        Ok(())
    }

    fn round_trips(&mut self, line: RoundTripsLine) -> Result<(), Fault> {
        let RoundTripsLine { service, micros } = line;
        let service = service.map(|service| self.service(&service)).transpose()?;
        for (_, count) in &micros {
            self.some(*count)?;
        }
        let latency = Latency::of_counts(micros.iter().copied());
        if latency.counts() != micros {
            return Err(Fault::Contradiction { what: "its durations are not the steps of a distribution, in order" });
        }
        once(self.ledger.round_trips.insert(service, latency).is_none(), "a service")
    }

    fn hosts_row(&mut self, (pair, directions): (PairForm, DirectionsForm)) -> Result<(), Fault> {
        let (pair, directions) = (pair_of(pair)?, self.directions(directions)?);
        let [hosts, _] = self.ledger.visibility.pairs_mut();
        enter_pair(hosts, pair, directions, "a pair of hosts", "pairs of hosts")
    }

    fn networks_row(&mut self, (pair, directions): (PairForm, DirectionsForm)) -> Result<(), Fault> {
        let (pair, directions) = (pair_of(pair)?, self.directions(directions)?);
        if pair.networks() != pair {
            return Err(Fault::Contradiction { what: "a pair is not two networks" });
        }
        let [_, networks] = self.ledger.visibility.pairs_mut();
        enter_pair(networks, pair, directions, "a pair of networks", "pairs of networks")
    }

    fn sightings(&mut self, line: SightingsLine) -> Result<(), Fault> {
        let SightingsLine { showing: ByName(showing), matching, rows } = line;
        let matching = self.matching(&matching)?;
        for (path, seen) in rows {
            let path = path_of(path);
            self.is_at(matching.place, path.protocol, path.port)?;
            let sighting = Sighting { showing, matching, path };
            let seen = self.seen(seen)?;
            once(self.ledger.sightings.get(&sighting).is_none(), "a sighting")?;
            below(self.ledger.sightings.len() + 1, SIGHTING_LIMIT, "sightings")?;
            self.ledger.sightings.add(sighting, Cow::Owned(seen));
        }
        Ok(())
    }

    /// Whether the port of a sighting is that of its place.
    fn is_at(&self, place: Option<Place>, protocol: u8, port: u16) -> Result<(), Fault> {
        let transport = Transport::of_protocol(protocol);
        let port = if transport == Some(Transport::Icmp) { 0 } else { port };
        let here = transport.and_then(|transport| self.map.place(transport, port));
        let same = here == place;
        same.then_some(()).ok_or(Fault::Contradiction { what: "a sighting is on a port of another place" })
    }

    fn of_clients(&mut self, line: OfClientsLine) -> Result<(), Fault> {
        let OfClientsLine { showing: ByName(showing), matching, target: (protocol, port, ByName(server)), crowd } =
            line;
        let matching = self.matching(&matching)?;
        self.is_at(matching.place, protocol, port)?;
        let target = Target { showing, matching, protocol, port, server };
        let crowd = self.crowd(crowd)?;
        let once_only = self.ledger.sightings.crowds_of_clients().all(|(known, _)| *known != target);
        once(once_only, "a crowd")?;
        below(self.ledger.sightings.crowds_of_clients().count() + 1, CROWD_LIMIT, "crowds")?;
        self.ledger.sightings.gather(BTreeMap::new(), BTreeMap::from([(target, crowd)]));
        Ok(())
    }

    fn of_targets(&mut self, line: OfTargetsLine) -> Result<(), Fault> {
        let OfTargetsLine { client: ByName(client), crowd } = line;
        let crowd = self.crowd(crowd)?;
        let once_only = self.ledger.sightings.crowds_of_targets().all(|(known, _)| known != client);
        once(once_only, "a crowd")?;
        below(self.ledger.sightings.crowds_of_targets().count() + 1, CROWD_LIMIT, "crowds")?;
        self.ledger.sightings.gather(BTreeMap::from([(client, crowd)]), BTreeMap::new());
        Ok(())
    }

    fn crowd(&mut self, (seen, hosts, ports): CrowdForm) -> Result<Crowd, Fault> {
        let hosts = hosts.into_iter().map(|ByName(host)| host).collect();
        let (hosts, ports) =
            (set(hosts, HOSTS_NAMED, "hosts of a crowd")?, few(ports, PORTS_NAMED, "ports of a crowd")?);
        if hosts.is_empty() || ports.is_empty() {
            return Err(Fault::Contradiction { what: "a crowd is empty" });
        }
        Ok(Crowd::new(self.seen(seen)?, hosts, ports))
    }

    fn generic_row(&mut self, (path, answers): (PathForm, AnswersForm)) -> Result<(), Fault> {
        let (path, answers) = (path_of(path), self.answers(answers)?);
        let known = self.ledger.paths.counts()[2];
        self.ledger.paths.add_generic(path, answers);
        let count = self.ledger.paths.counts()[2];
        once(count > known, "a path")?;
        below(count, PATH_LIMIT, "paths")
    }

    fn seen(&mut self, form: SeenForm) -> Result<Seen, Fault> {
        let (flows, times, watched, tries, packets, client_ports, errors, reset_after, vlans) = form;
        let later = times.3;
        let (first, latest, last) = latest_of(times)?;
        let (mut evidence, mut openers, mut signs) = (Vec::new(), Vec::new(), Vec::new());
        for (name, shown, opening, signed) in packets {
            let capture = self.capture(&name)?;
            let at = |packet| PacketRef { capture, packet };
            evidence.extend(shown.into_iter().map(|(packet, ByName(note))| Evidence { at: at(packet), note }));
            openers.extend(opening.into_iter().map(at));
            if signed.iter().any(|&(.., hints, _)| hints & !Hints::ALL != 0) {
                return Err(Fault::Contradiction { what: "a sign has hints that are not known" });
            }
            signs.extend(signed.into_iter().map(
                |(opener, ByName(what), ByName(from), ttl, identification, window, hints, delay)| {
                    let headers = Sender { ttl, identification, window, hints: Hints(hints) };
                    Signed { opener: at(opener), what, from, headers, delay }
                },
            ));
        }
        let errors = errors.into_iter().map(|(v6, kind, code, ByName(sender))| (v6, kind, code, sender)).collect();
        Ok(Seen {
            flows: self.some(flows)?,
            first,
            latest,
            begun: begun_of((first, last), (flows, later))?,
            last,
            watched: length_of(watched)?,
            evidence: few(evidence, NAMED_LIMIT, "packets that show a sighting")?,
            openers: few(openers, NAMED_LIMIT, "first packets of a sighting")?,
            client_ports: few(client_ports, PORT_LIMIT, "client ports of a sighting")?,
            tries: self.count(tries)?,
            errors: few(errors, NAMED_LIMIT, "errors of a sighting")?,
            signs: few(signs, NAMED_LIMIT, "signs of a sighting")?,
            reset_after: reset_after.map(spans_of).transpose()?,
            vlans: few(vlans.into_iter().map(Vlans).collect(), NAMED_LIMIT, "VLANs of a sighting")?,
        })
    }

    fn neighbour(&mut self, row: NeighbourRow) -> Result<(), Fault> {
        let (ByName(asked), ByName(asker), requests, answers, times) = row;
        let (first, last) = times_of(times)?;
        let called = Called { requests: self.count(requests)?, answers: self.count(answers)?, first, last };
        once(self.ledger.neighbours.get(asked, asker).is_none(), "a host that was asked for")?;
        below(self.ledger.neighbours.len() + 1, NEIGHBOUR_LIMIT, "hosts that were asked for")?;
        self.ledger.neighbours.add((asked, asker), called);
        Ok(())
    }

    fn death(&mut self, (row, clients_gone, idle, idle_for): DeathRow) -> Result<(), Fault> {
        let (path, seen) = row;
        let (path, seen) = (path_of(path), self.seen(seen)?);
        let idle_for = idle_for.map(spans_of).transpose()?;
        let died = Died { seen, clients_gone: self.count(clients_gone)?, idle: self.count(idle)?, idle_for };
        once(self.ledger.deaths.get(&path).is_none(), "a path of sessions that died")?;
        below(self.ledger.deaths.len() + 1, DEATH_LIMIT, "paths of sessions that died")?;
        self.ledger.deaths.add(path, died);
        Ok(())
    }

    fn incidents(&mut self, line: IncidentsLine) -> Result<(), Fault> {
        let IncidentsLine { what: ByName(what), matching, rows } = line;
        let matching = self.matching(&matching)?;
        for ((path, seen), times, of, spans, numbers, names) in rows {
            let path = path_of(path);
            self.is_at(matching.place, path.protocol, path.port)?;
            // Of requests it is known as well where none was repeated.
            let times = if what == What::Repeats { self.count(times)? } else { self.some(times)? };
            let of = self.count(of)?;
            let long = names.iter().any(|name| name.len() > INCIDENT_NAME_LIMIT);
            if long || numbers.is_some_and(|(smallest, largest)| smallest > largest) {
                return Err(Fault::Contradiction {
                    what: "a name of an incident is too long, or its numbers are no range",
                });
            }
            below(names.len(), NAMED_LIMIT, "names of an incident")?;
            let names = names.into_iter().map(String::into_boxed_str).collect();
            let spans = spans.map(spans_of).transpose()?;
            let known = Known { seen: self.seen(seen)?, times, of, spans, numbers, names };
            let incident = Incident { what, matching, path };
            once(self.ledger.incidents.get(&incident).is_none(), "an incident")?;
            below(self.ledger.incidents.kept_with(&incident) + 1, INCIDENT_LIMIT, "incidents")?;
            self.ledger.incidents.add(incident, known);
        }
        Ok(())
    }

    fn losses(&mut self, line: LossesLine) -> Result<(), Fault> {
        let capture = self.capture(&line.capture)?;
        for (path, flows, sent, again, lossy, large) in line.rows {
            let (path, flows) = (path_of(path), self.working(capture, flows)?);
            let within = |lesser: [u64; 2], greater: [u64; 2]| lesser[0] <= greater[0] && lesser[1] <= greater[1];
            let of_flows = [flows.flows; 2];
            if !within(lossy, of_flows) || !within(large, of_flows) {
                return Err(Fault::Contradiction { what: "more flows lost something than there were" });
            }
            for count in sent.into_iter().chain(again) {
                self.count(count)?;
            }
            once(self.ledger.losses.get(&path).is_none(), "a path and what it loses")?;
            below(self.ledger.losses.len() + 1, LOSS_LIMIT, "paths and what they lose")?;
            self.ledger.losses.add(path, Rate { flows, sent, again, lossy, large });
        }
        Ok(())
    }

    fn twins(&mut self, line: TwinsLine) -> Result<(), Fault> {
        let capture = self.capture(&line.capture)?;
        for (path, number, client_port, first, packet, ttl, answered) in line.rows {
            let Path { protocol: over, port, server, client } = path_of(path);
            if over != protocol::TCP {
                return Err(Fault::Contradiction { what: "a connection that was opened is not TCP" });
            }
            let (drawn, opener) = (Drawn { port, number }, PacketRef { capture, packet });
            let first = Timestamp(first);
            let opening = Opening { first, opener, server, client, client_port, ttl, answered };
            let known = self.ledger.twins.get(&drawn);
            once(!known.contains(&opening), "a connection that was opened")?;
            below(known.len() + 1, TWINS_OF_ONE, "connections with one number")?;
            self.ledger.twins.add(drawn, opening);
            below(self.ledger.twins.len(), TWIN_LIMIT, "numbers of connections")?;
        }
        Ok(())
    }

    fn voices(&mut self, line: VoicesLine) -> Result<(), Fault> {
        let VoicesLine { capture, rows } = line;
        let capture = self.capture(&capture)?;
        for (ByName(server), ByName(clients), flows, times, lots, ttl, client_ttl, delay, ports, habits) in rows {
            let within = lots.iter().all(|&(_, later)| later <= times.1);
            let is_range = within && ttl.0 <= ttl.1 && client_ttl.0 <= client_ttl.1 && ports.0 <= ports.1;
            if clients.network() != clients || !is_range || habits & !Habits::ALL != 0 {
                return Err(Fault::Contradiction { what: "how a server answers is no range, or not known" });
            }
            below(lots.len(), MOMENTS, "moments at which a server answered")?;
            let mut moments = Moments::default();
            for (lot, later) in lots {
                moments.add(lot, times_of((times.0, later))?.1);
            }
            let (first, last) = times_of(times)?;
            let (flows, habits) = (self.some(flows)?, Habits(habits));
            let speaker = Speaker { server, clients, capture };
            once(self.ledger.voices.get(&speaker).is_none(), "how a server answers")?;
            below(self.ledger.voices.len() + 1, VOICE_LIMIT, "servers and how they answer")?;
            let voice = Voice { flows, first, last, moments, ttl, client_ttl, delay, ports, habits };
            self.ledger.voices.add(speaker, voice);
        }
        Ok(())
    }

    fn steps(&mut self, line: StepsLine) -> Result<(), Fault> {
        let StepsLine { capture, showing: ByName(showing), matching, rows } = line;
        let (capture, matching) = (self.capture(&capture)?, self.matching(&matching)?);
        for row in rows {
            let (packet, path, client_port, tries, times, payload, ByName(ended)): StepRow = row;
            let path = path_of(path);
            self.is_at(matching.place, path.protocol, path.port)?;
            let (first, [last, broke, idle], micros) = times;
            let after = |later| times_of((first, later)).map(|(_, at)| at);
            let [spoke, handshake_rtt, data_rtt] =
                micros.map(|micros| Micros::of(micros.map(|micros| Span::micros(micros.into()))));
            let step = Step {
                last: after(last)?,
                ended,
                first: Timestamp(first),
                broke: after(broke)?,
                idle: length_of(idle)?,
                payload: [self.count(payload.0)?, self.count(payload.1)?],
                path,
                showing,
                matching,
                client_port,
                tries,
                spoke,
                handshake_rtt,
                data_rtt,
            };
            let (kept, limit) = self.ledger.steps.kept_with(&step);
            let opener = PacketRef { capture, packet };
            once(!kept.contains_key(&opener), "a flow of a session")?;
            below(kept.len() + 1, limit, "flows of sessions")?;
            self.ledger.steps.add(opener, step);
        }
        Ok(())
    }

    fn paths(&mut self, line: PathsLine) -> Result<(), Fault> {
        let PathsLine { capture, rows } = line;
        let capture = capture.map(|name| self.capture(&name)).transpose()?;
        for row in rows {
            let (path, answered) = (path_of(row.0), self.answered(capture, row)?);
            let kept = self.ledger.paths.kept(&answered);
            once(!kept.contains_key(&path), "a path")?;
            below(kept.len() + 1, PATH_LIMIT, "paths")?;
            self.ledger.paths.add(path, answered);
        }
        Ok(())
    }

    fn quic(&mut self, line: QuicLine) -> Result<(), Fault> {
        let QuicLine { capture, rows } = line;
        let capture = self.capture(&capture)?;
        for (path, tried) in rows {
            let tried = self.working(capture, tried)?;
            let [_, known] = self.ledger.hellos.counts();
            self.ledger.hellos.add_quic(path_of(path), tried);
            let [_, count] = self.ledger.hellos.counts();
            once(count > known, "a path of QUIC")?;
            below(count, HELLO_LIMIT, "paths of QUIC")?;
        }
        Ok(())
    }

    fn answered(&mut self, capture: Option<u32>, row: PathRow) -> Result<Answered, Fault> {
        let (_, answers, working, ttl, vlans) = row;
        if (answers.is_none() && working.is_none()) || working.is_some() != capture.is_some() || ttl.0 > ttl.1 {
            return Err(Fault::Contradiction { what: "a path was not answered, or in no capture, or at no distance" });
        }
        let answers = answers.map(|answers| self.answers(answers)).transpose()?;
        let working = working.zip(capture).map(|(working, capture)| self.working(capture, working)).transpose()?;
        Ok(Answered { answers, working, ttl, vlans: Vlans(vlans) })
    }

    fn answers(&mut self, (flows, times): AnswersForm) -> Result<Answers, Fault> {
        let (first, last) = times_of(times)?;
        Ok(Answers { flows: self.some(flows)?, first, last })
    }

    fn working(&mut self, capture: u32, form: WorkingForm) -> Result<Working, Fault> {
        let (flows, times, packet, ByName(note), client_port) = form;
        let (first, began, last) = flow_times_of(times)?;
        let opener = Evidence { at: PacketRef { capture, packet }, note };
        Ok(Working { flows: self.some(flows)?, first, began, last, opener, client_port })
    }

    fn matching(&self, form: &MatchingForm) -> Result<Matching, Fault> {
        let MatchingForm { fit: ByName(fit), basis: ByName(basis), service, place, foreign_attempt } = form;
        let service = service.as_ref().map(|service| self.service(service)).transpose()?;
        let place = place.map(|place| self.place(place)).transpose()?;
        let port = PortNature::of(place.map(|place| self.map.at(place)));
        // Any host pings, whether or not the map has a rule about it.
        let port = PortNature { generic: port.generic || *fit == Fit::GenericPort, ..port };
        Ok(Matching { fit: *fit, basis: *basis, service, place, port, foreign_attempt: *foreign_attempt })
    }

    fn service(&self, form: &ServiceForm) -> Result<ServiceRef, Fault> {
        match form {
            ServiceForm::One(name) => {
                let service = self.map.service_named(name);
                service.map(ServiceRef::One).ok_or_else(|| Fault::NoService { name: name.clone() })
            }
            ServiceForm::Shared(place) => self.place(*place).map(ServiceRef::Shared),
        }
    }

    /// A place that was described.
    fn place(&self, form: PlaceForm) -> Result<Place, Fault> {
        let (ByName(transport), port) = form;
        let known = self.map.place(transport, port).filter(|place| place.port() == port && self.places.contains(place));
        known.ok_or_else(|| Fault::UndescribedPlace { place: place_text(form) })
    }

    /// The number of a capture that was named.
    fn capture(&self, name: &str) -> Result<u32, Fault> {
        self.captures.get(name).copied().ok_or_else(|| Fault::UnnamedCapture { name: name.into() })
    }

    fn directions(&mut self, (both, one): DirectionsForm) -> Result<Directions, Fault> {
        Ok(Directions { both: self.count(both)?, one: self.count(one)? })
    }

    /// A count that may be 0.
    fn count(&mut self, count: u64) -> Result<u64, Fault> {
        let sum = self.counted.checked_add(count).filter(|sum| *sum <= COUNT_LIMIT);
        self.counted = sum.ok_or(Fault::Overflow)?;
        Ok(count)
    }

    /// A count of something that is there.
    fn some(&mut self, count: u64) -> Result<u64, Fault> {
        if count == 0 {
            return Err(Fault::Contradiction { what: "something is there 0 times" });
        }
        self.count(count)
    }
}

/// The first field in which the map of the writer differs from the one here.
fn difference(written: &PlaceLine, here: &PlaceLine) -> Option<&'static str> {
    let PlaceLine { at: _, name, services, rules, most_specific, generic, reply_due, session } = written;
    let fields = [
        ("rules", *rules == here.rules),
        ("services", *services == here.services),
        ("name", *name == here.name),
        ("most_specific", *most_specific == here.most_specific),
        ("generic", *generic == here.generic),
        ("reply_due", *reply_due == here.reply_due),
        ("session", *session == here.session),
    ];
    fields.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
}

fn once(new: bool, what: &'static str) -> Result<(), Fault> {
    if new { Ok(()) } else { Err(Fault::Twice { what }) }
}

fn below(number: usize, limit: usize, what: &'static str) -> Result<(), Fault> {
    if number <= limit { Ok(()) } else { Err(Fault::TooMany { what, limit }) }
}

fn set<T: Ord>(list: Vec<T>, limit: usize, what: &'static str) -> Result<BTreeSet<T>, Fault> {
    let length = list.len();
    below(length, limit, what)?;
    let set: BTreeSet<T> = list.into_iter().collect();
    once(set.len() == length, what)?;
    Ok(set)
}

fn path_of((protocol, port, ByName(server), ByName(client)): PathForm) -> Path {
    Path { protocol, port, server, client }
}

fn few<T: Ord + Copy>(list: Vec<T>, limit: usize, what: &'static str) -> Result<Few<T>, Fault> {
    set(list, limit, what).map(|set| Few::of(set, limit))
}

fn enter_pair(
    pairs: &mut Pairs,
    pair: Pair,
    directions: Directions,
    one: &'static str,
    many: &'static str,
) -> Result<(), Fault> {
    once(pairs.get(pair).is_none(), one)?;
    pairs.add(pair, directions);
    below(pairs.len(), PAIR_LIMIT, many)
}

fn pair_of((ByName(one), ByName(other)): PairForm) -> Result<Pair, Fault> {
    let pair = Pair::of(one, other);
    let whole = pair.both() == (one, other);
    whole.then_some(pair).ok_or(Fault::Contradiction { what: "a pair does not have the lower one first" })
}

fn latest_of((first, latest, length, _): LatestForm) -> Result<(Timestamp, Few<Reverse<Timestamp>>, Timestamp), Fault> {
    if latest.is_empty() || latest.iter().any(|&began| began > length) {
        return Err(Fault::Contradiction { what: "the last flow began after all had ended" });
    }
    let began = latest.into_iter().map(|began| Ok(Reverse(times_of((first, began))?.1)));
    let latest = few(began.collect::<Result<_, Fault>>()?, LATEST_LIMIT, "beginnings of a sighting")?;
    let (first, last) = times_of((first, length))?;
    Ok((first, latest, last))
}

/// The sum of the moments at which flows began, of which none began before the first or after the end of the last.
fn begun_of((first, last): (Timestamp, Timestamp), (flows, later): (u64, u128)) -> Result<i128, Fault> {
    let fits = later <= u128::from(last.0.abs_diff(first.0)) * u128::from(flows);
    let later = i128::try_from(later).ok().filter(|_| fits);
    let later = later.ok_or(Fault::Contradiction { what: "flows began after all had ended" })?;
    Ok(i128::from(first.0) * i128::from(flows) + later)
}

fn flow_times_of((first, began, length): FlowTimesForm) -> Result<(Timestamp, Timestamp, Timestamp), Fault> {
    if began > length {
        return Err(Fault::Contradiction { what: "the last flow began after all had ended" });
    }
    let ((_, began), (first, last)) = (times_of((first, began))?, times_of((first, length))?);
    Ok((first, began, last))
}

fn times_of((first, length): TimesForm) -> Result<(Timestamp, Timestamp), Fault> {
    let last = first.checked_add_unsigned(length).ok_or(Fault::Contradiction { what: "a time lies too far ahead" })?;
    Ok((Timestamp(first), Timestamp(last)))
}

fn length_of(nanoseconds: u64) -> Result<Span, Fault> {
    i64::try_from(nanoseconds).map(Span).map_err(|_| Fault::Contradiction { what: "a time is too long" })
}

fn spans_of((shortest, longest): (u64, u64)) -> Result<(Span, Span), Fault> {
    let spans = (length_of(shortest)?, length_of(longest)?);
    (shortest <= longest).then_some(spans).ok_or(Fault::Contradiction { what: "the shortest time is not the shortest" })
}

fn place_text((ByName(transport), port): PlaceForm) -> String {
    format!("{} {port}", Named::name(&transport))
}
