//! `cap-audit explain`: audits the captures as `cap-audit file` does, finds the flow that is meant, reads the captures again for its
//! packets, and tells why it is judged as it is.

use super::Exit;
use super::console::{Quiet, Target, write_to};
use super::draft::check;
use super::file::{Audited, audit, check_filter, workers};
use super::inputs::{Inputs, Queue, is_standard_input};
use super::line::{Line, Stretch};
use super::ports::{map_in_use, port_map, remark_on_map};
use super::progress::Progress;
use super::telling::{colored, words};
use crate::audit::{Flows, knows_port};
use crate::case::Conclusion;
use crate::cli::{End, ExplainArgs, ExplainFormat, FlowName};
use crate::clock::Clock;
use crate::error::{Error, Output, Precious};
use crate::flow::{Endpoint, FlowRecord, Follow, PacketRef, Room, Sequence};
use crate::packet::PacketBatch;
use crate::pipeline::Options;
use crate::report::explain::{Choice, Explanation, write_explanation_json, write_explanation_text};
use crate::report::{Look, count, protocol_name};
use crate::source::{More, ReadError, Source};
use std::cell::RefCell;
use std::fs;
use std::sync::Arc;

pub(super) fn explain(args: &ExplainArgs) -> Result<Exit, Error> {
    let map = Arc::new(port_map(args.port_map.as_deref())?);
    let quiet = Quiet::of(args.quiet);
    remark_on_map(&map, args.port_map.as_deref(), quiet);
    check_filter(args.filter.as_deref())?;
    let inputs = Inputs::named(&args.captures, args.max_depth.map(usize::from), quiet);
    if let Some(input) = inputs.files.iter().find(|input| !can_be_read_twice(&input.path)) {
        return Err(Error::ReadOnce { path: input.path.clone() });
    }
    let mut progress = Progress::new(&inputs.files, quiet);
    let mut queue = in_order(inputs, args, quiet);
    let left_out = std::mem::take(&mut queue.left_out);
    if let Some(output) = &args.output {
        let inputs = queue.precious.iter().map(|path| (path.as_path(), Precious::Input));
        check(output, Output::Report, inputs.chain(map_in_use(args.port_map.as_deref())))?;
    }
    let flows = Flows::First(args.max_flows as usize);
    let options = Options { workers: workers(None), flows, ..Options::default() };
    let Audited { case, read, mut failed } =
        audit(queue, map, options, &mut |bytes, packets| progress.show(bytes, packets));
    progress.done();
    left_out.tell(quiet);
    if read == 0 {
        let last = failed.pop();
        failed.iter().for_each(|error| super::tell(&error.to_string()));
        return last.map_or(Ok(Exit::Unreadable), Err);
    }
    failed.iter().for_each(|error| super::tell(&error.to_string()));
    let conclusion = case.conclude();
    let (place, choice) = find(&args.flow, &conclusion)?;
    let record = &case.flows[place];
    let again = in_order(Inputs::named(&args.captures, args.max_depth.map(usize::from), Quiet::Yes), args, Quiet::Yes);
    let room = if args.verbose || args.format == ExplainFormat::Json { MUCH } else { LITTLE };
    let sequence = packets_of(record, again, Follow::new(record.clone(), knows_port(&case.map)), room)?;
    let Some(explanation) = Explanation::new(&conclusion, place, choice, sequence) else { return Ok(Exit::Unreadable) };
    let words = words(args.utc || args.format == ExplainFormat::Json);
    write_to(args.output.as_deref().map_or(Target::Standard, Target::File), |out, paper| match args.format {
        ExplainFormat::Text => {
            let color = colored(args.color, paper);
            let look = Look { width: paper.width(), color, flows: false, verbose: args.verbose };
            write_explanation_text(out, &explanation, &words, look)
        }
        ExplainFormat::Json => write_explanation_json(out, &explanation, &words),
    })?;
    Ok(if failed.is_empty() { Exit::Clean } else { Exit::Unreadable })
}

/// Packets that are shown, as a rule ...
const LITTLE: Room = Room { first: 10, telling: 6, last: 5 };
/// ... and where much is wanted.
const MUCH: Room = Room { first: 200, telling: 100, last: 100 };

/// A pipe gives its bytes once.
fn can_be_read_twice(path: &std::path::Path) -> bool {
    let special = |metadata: fs::Metadata| !metadata.is_file() && !metadata.is_dir();
    !is_standard_input(path) && !fs::metadata(path).is_ok_and(special)
}

fn in_order(inputs: Inputs, args: &ExplainArgs, quiet: Quiet) -> Queue {
    let mut queue = inputs.in_time_order(quiet);
    let filter = args.filter.as_deref().map(Arc::from);
    queue.waiting = queue.waiting.into_iter().map(|waiting| waiting.filtered(filter.as_ref())).collect();
    queue
}

/// Reads the captures again, in the same order and with the same clock, for the packets of one flow.
fn packets_of(record: &FlowRecord, queue: Queue, mut follow: Follow, room: Room) -> Result<Sequence, Error> {
    let mut sequence = Sequence::new(room);
    let line = RefCell::new(Line::new(queue.waiting));
    let mut batch = PacketBatch::new(1);
    loop {
        let mut clock = Clock::default();
        while let Some(mut stretch) = Stretch::next(&line) {
            if let Some(from) = clock.gap_before(stretch.first()) {
                follow.gap(from);
            }
            loop {
                let more = stretch.fill(&mut batch.fill(&mut clock)).map_err(Error::Read)?;
                for (raw, packet) in batch.lane(0).raw_and_decoded() {
                    let Ok(packet) = packet else { continue };
                    if let Some(followed) = follow.observe(packet, &raw) {
                        sequence.push(followed);
                    }
                }
                if follow.is_over() {
                    return Ok(sequence);
                }
                if more == More::No {
                    break;
                }
            }
        }
        if line.borrow_mut().turn() == 0 {
            break;
        }
    }
    let failed = std::mem::take(&mut line.borrow_mut().failed);
    // What could not be read the first time was told then.
    let gone = |error: &ReadError| matches!(error, ReadError::Open { .. });
    match failed.into_iter().find(gone) {
        Some(error) if sequence.packets < record.packets() => Err(Error::Read(error)),
        _ => Ok(sequence),
    }
}

/// The place of the flow that is meant, and how it was chosen among several.
fn find(name: &FlowName, conclusion: &Conclusion<'_>) -> Result<(usize, Option<Choice>), Error> {
    let flows = &conclusion.case.flows;
    let none = |why: String| Error::NoFlow { wanted: name.to_string(), why };
    match name {
        FlowName::Id(id) => {
            let place = usize::try_from(id - 1).ok().filter(|&place| place < flows.len());
            place.map(|place| (place, None)).ok_or_else(|| none(how_many(conclusion)))
        }
        FlowName::CommunityId(id) => {
            let found = places(flows, |flow| flow.community_id() == *id);
            one_of(found).ok_or_else(|| none(format!("no flow has it, and {}", how_many(conclusion))))
        }
        FlowName::Ends { protocol, ends } => {
            let found = places(flows, |flow| is_between(flow, *protocol, ends));
            let exact = ends.iter().all(|end| end.port.is_some());
            match found.len() {
                0 => Err(none(near(*protocol, ends, conclusion))),
                1 => Ok((found[0], None)),
                _ if exact || same_path(flows, &found) => one_of(found).ok_or_else(|| none(how_many(conclusion))),
                several => Err(none(format!("{several} flows are between these: {}", named(flows, &found)))),
            }
        }
        FlowName::Problem(number) => {
            let place = usize::try_from(number - 1).ok().filter(|&place| place < conclusion.problems.len());
            let place = place.ok_or_else(|| none(how_many_problems(conclusion)))?;
            of_problem(place, conclusion).ok_or_else(|| none(no_flow_named(conclusion)))
        }
        FlowName::Told(id) => {
            let finding = conclusion.findings.iter().position(|finding| finding.id == *id);
            let problem = conclusion.problems.iter().position(|problem| problem.id == *id);
            let found = match (finding, problem) {
                (Some(place), _) => of_findings(id, &[place], conclusion),
                (None, Some(place)) => of_problem(place, conclusion),
                (None, None) => return Err(none(how_many_problems(conclusion))),
            };
            found.ok_or_else(|| none(no_flow_named(conclusion)))
        }
    }
}

fn places(flows: &[FlowRecord], wanted: impl Fn(&FlowRecord) -> bool) -> Vec<usize> {
    flows.iter().enumerate().filter(|(_, flow)| wanted(flow)).map(|(place, _)| place).collect()
}

/// The first of several conversations of the same ends.
fn one_of(found: Vec<usize>) -> Option<(usize, Option<Choice>)> {
    let first = *found.first()?;
    let ids: Vec<u64> = found.iter().map(|&place| place as u64 + 1).collect();
    Some((first, (ids.len() > 1).then_some(Choice::SameEnds(ids))))
}

/// They differ in nothing that could be typed: pings of the same two hosts.
fn same_path(flows: &[FlowRecord], found: &[usize]) -> bool {
    let ends = |place: usize| (flows[place].protocol, flows[place].client, flows[place].server);
    found.windows(2).all(|pair| ends(pair[0]) == ends(pair[1]))
}

fn is_between(flow: &FlowRecord, protocol: Option<&str>, [one, other]: &[End; 2]) -> bool {
    let fits =
        |end: &End, there: Endpoint| end.address == there.address && end.port.is_none_or(|port| port == there.port);
    let there = fits(one, flow.client) && fits(other, flow.server);
    let back = fits(one, flow.server) && fits(other, flow.client);
    (there || back) && protocol.is_none_or(|name| name == protocol_name(flow.protocol))
}

/// The first flow of a problem of those that are kept, and which others it names.
fn of_problem(place: usize, conclusion: &Conclusion<'_>) -> Option<(usize, Option<Choice>)> {
    let problem = &conclusion.problems[place];
    of_findings(&problem.id, &problem.findings, conclusion)
}

fn of_findings(id: &str, findings: &[usize], conclusion: &Conclusion<'_>) -> Option<(usize, Option<Choice>)> {
    let flows = &conclusion.case.flows;
    let place = |opener: &PacketRef| flows.binary_search_by_key(opener, |flow| flow.opener).ok();
    let of: Vec<_> = findings.iter().filter_map(|&place| conclusion.findings.get(place)).collect();
    let mut named: Vec<usize> = Vec::new();
    for found in of.iter().flat_map(|finding| &finding.openers).filter_map(place) {
        if !named.contains(&found) {
            named.push(found);
        }
    }
    let first = *named.first()?;
    // A flow that stands in several findings is counted once: what follows from a block is about flows of others too.
    let leading = of.first().map_or("", |finding| finding.code);
    let alike = of.iter().filter(|finding| finding.code == leading);
    let all = alike.map(|finding| finding.flow_count).sum::<u64>().max(named.len() as u64);
    let flows = named.into_iter().map(|place| place as u64 + 1).collect();
    Some((first, Some(Choice::Of { id: id.into(), flows, all })))
}

fn how_many(conclusion: &Conclusion<'_>) -> String {
    let (kept, all) = (conclusion.case.flows.len() as u64, conclusion.tally.flows);
    match all {
        0 => "the captures hold no flow".into(),
        _ if kept < all => format!(
            "the captures hold {}, of which the first {kept} can be explained; --max-flows keeps more, --filter leaves out others",
            count(all, "flow")
        ),
        _ => format!("the captures hold {}", count(all, "flow")),
    }
}

fn how_many_problems(conclusion: &Conclusion<'_>) -> String {
    match conclusion.problems.len() as u64 {
        0 => "the audit has found no problem; `cap-audit file --flows` lists the flows".into(),
        1 => "the audit has found one problem, p1".into(),
        several => format!("the audit has found {several} problems, p1 to p{several}"),
    }
}

fn no_flow_named(conclusion: &Conclusion<'_>) -> String {
    format!("it names no flow that is kept, and {}", how_many(conclusion))
}

/// Flows that may have been meant.
const NEAR: usize = 4;

/// What there is near these ends.
fn near(protocol: Option<&str>, ends: &[End; 2], conclusion: &Conclusion<'_>) -> String {
    let flows = &conclusion.case.flows;
    let [one, other] = ends.map(|end| end.address);
    let hosts = |flow: &FlowRecord| [(one, other), (other, one)].contains(&(flow.client.address, flow.server.address));
    let between = places(flows, hosts);
    if !between.is_empty() {
        let other_protocol = protocol.filter(|_| between.iter().any(|&place| is_between(&flows[place], None, ends)));
        return match other_protocol {
            Some(name) => format!("over {name} there is none, but there are: {}", named(flows, &between)),
            None => format!("between these hosts there are: {}", named(flows, &between)),
        };
    }
    let of = |address| places(flows, |flow| [flow.client.address, flow.server.address].contains(&address));
    match [one, other].map(|address| (address, of(address))) {
        [(_, mine), (_, theirs)] if mine.is_empty() && theirs.is_empty() => {
            format!("neither host has a flow, and {}", how_many(conclusion))
        }
        [(host, mine), (_, theirs)] | [(_, theirs), (host, mine)] if theirs.is_empty() => {
            format!("these hosts have none in common; {host} has: {}", named(flows, &mine))
        }
        [(host, mine), _] => format!("these hosts have none in common; {host} has: {}", named(flows, &mine)),
    }
}

/// A few flows by their ids and ends.
fn named(flows: &[FlowRecord], places: &[usize]) -> String {
    let end = |Endpoint { address, port }| End { address, port: Some(port) };
    let name = |&place: &usize| {
        let FlowRecord { protocol, client, server, .. } = flows[place];
        let (client, server) = (end(client), end(server));
        format!("{} ({}/{client}-{server})", place + 1, protocol_name(protocol))
    };
    let shown: Vec<String> = places.iter().take(NEAR).map(name).collect();
    let more = places.len().saturating_sub(NEAR);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
