//! All that one audit knows, and the one way to conclude from it.

use crate::audit::FirstFlows;
use crate::clock::{Clock, Leap};
use crate::finding::{Finding, Scene, Severity, findings};
use crate::flow::FlowRecord;
use crate::judge::{Judge, ServiceTally, Tally};
use crate::ledger::Ledger;
use crate::matching::ServiceRef;
use crate::pipeline::Harvest;
use crate::portmap::PortMap;
use crate::problem::{Problem, problems};
use crate::session::striking_sessions;
use crate::source::CaptureNotes;
use crate::time::{Span, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that one audit knows: what was seen, in which captures, by which map it is to be judged, and how time ran. An audit of
/// files, a live one, and each interim report of a live one are cases.
///
/// A case is facts only. [`Case::conclude`] draws the conclusions, as often as wanted; it changes nothing. The flows are in it where
/// [`Options::flows`](crate::pipeline::Options::flows) says [`Flows::Kept`](crate::audit::Flows::Kept).
///
/// ```
/// use cap_audit::{case::Case, pipeline, portmap::PortMap, source::CaptureFile};
/// use std::{path::Path, sync::Arc};
///
/// let map = Arc::new(PortMap::citrix());
/// let mut file = CaptureFile::open(Path::new("fixtures/office/capture.pcap"), 0)?;
/// let harvest = pipeline::run(std::slice::from_mut(&mut file), &map, pipeline::Options::default())?;
/// let case = Case::of(harvest, vec![file.notes().clone()], map);
/// let conclusion = case.conclude();
/// let codes: Vec<&str> = conclusion.findings.iter().map(|finding| finding.code).collect();
/// assert!(codes.contains(&"blocked.silent"));
///
/// let report = cap_audit::report::Report::new(&conclusion);
/// let look = cap_audit::report::Look { width: 80, color: false, flows: false, verbose: false };
/// let mut text = Vec::new();
/// cap_audit::report::write_text(&mut text, &report, &Default::default(), look).expect("memory takes what is written to it");
/// # Ok::<(), cap_audit::source::ReadError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Case {
    /// The map that it is judged by.
    pub map: Arc<PortMap>,
    /// What was seen.
    pub ledger: Ledger,
    /// The flows, where they were kept, in the order of their first packets.
    pub flows: Vec<FlowRecord>,
    /// Maximum number of flows that are kept.
    pub max_flows: usize,
    /// The captures, by the numbers that packets carry.
    pub captures: Vec<CaptureNotes>,
    /// How time ran.
    pub clock: Clock,
    /// Captures whose time overlaps with that of others and which could not be merged with them: too many at once.
    pub overlapping: usize,
    /// The time of this computer, where captures are compared with it.
    pub now: Option<Timestamp>,
}

/// What a case comes to.
#[derive(Debug)]
pub struct Conclusion<'a> {
    /// What it is drawn from.
    pub case: &'a Case,
    /// Who judges single flows.
    pub judge: Judge<'a, 'a>,
    /// Flows by what is held of them.
    pub tally: Tally,
    /// What was seen of each service; `None` is everything that belongs to none.
    pub services: BTreeMap<Option<ServiceRef>, ServiceTally<'a>>,
    /// What should be known, the worst first.
    pub findings: Vec<Finding>,
    /// What they have in common: the problems behind them, the worst first.
    pub problems: Vec<Problem>,
}

impl Case {
    /// A case with nothing in it yet.
    pub fn new(map: Arc<PortMap>) -> Case {
        Case {
            map,
            ledger: Ledger::default(),
            flows: Vec::new(),
            max_flows: usize::MAX,
            captures: Vec::new(),
            clock: Clock::default(),
            overlapping: 0,
            now: None,
        }
    }

    /// The case of one harvest.
    pub fn of(harvest: Harvest, captures: Vec<CaptureNotes>, map: Arc<PortMap>) -> Case {
        let mut case = Case { captures, ..Case::new(map) };
        case.add(harvest);
        case
    }

    /// Adds what another line of time brought home.
    pub fn add(&mut self, harvest: Harvest) {
        let Harvest { ledger, flows, flows_left_out: _, clock, failed: _, batches: _ } = harvest;
        // The first ledger may be large, and is moved.
        if self.ledger == Ledger::default() {
            self.ledger = ledger;
        } else {
            self.ledger += &ledger;
        }
        let mut first = FirstFlows::new(self.max_flows);
        first.extend(self.flows.drain(..).chain(flows));
        self.flows = first.sorted();
        self.clock.add(&clock);
    }

    /// Times in which nothing came, although much did otherwise: the capture stood still, its clock leapt, or it had ended but for a few
    /// packets.
    pub fn leaps(&self) -> Vec<Leap> {
        let duration = self.time().map_or(Span::default(), |(first, last)| last - first);
        self.clock.leaps.striking(self.packets(), duration).collect()
    }

    /// Those of them with much before and after.
    pub fn leaps_between_much(&self) -> Vec<Leap> {
        let time = self.time().unwrap_or_default();
        self.clock.leaps.between_much(self.packets(), time).collect()
    }

    fn packets(&self) -> u64 {
        self.captures.iter().map(|capture| capture.packets).sum()
    }

    /// The first moment of all captures, and the last.
    fn time(&self) -> Option<(Timestamp, Timestamp)> {
        let first = self.captures.iter().filter_map(|capture| capture.first).min();
        first.zip(self.captures.iter().filter_map(|capture| capture.last).max())
    }

    /// Draws the conclusions. Only now, when the sum is complete: what one flow means may depend on all others.
    pub fn conclude(&self) -> Conclusion<'_> {
        let judge = Judge::new(&self.map, &self.ledger);
        let sessions = striking_sessions(&judge);
        let scene = Scene::new(judge, &self.captures, &sessions).with_leaps(self.leaps());
        let findings = findings(&scene);
        let problems = problems(&scene, &findings);
        Conclusion { case: self, judge, tally: judge.tally(), services: judge.services(), findings, problems }
    }
}

impl Conclusion<'_> {
    /// The worst severity among the findings.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}
