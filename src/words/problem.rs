//! How a problem is told: its texts, and the lines of facts beside them.

use super::{Texts, Words};
use crate::finding::{Finding, Params, Value};
use crate::problem::{Hosts, Problem, Range, Ranges, Works};

/// The facts of a problem, each as one piece of text for whoever lays them out.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ProblemLines {
    /// `1,800 attempts`.
    pub attempts: String,
    /// To whom; none where it is about no server.
    pub servers: Option<HostLine>,
    /// From whom; none where it is about no client.
    pub clients: Option<HostLine>,
    /// `08:00:00-08:00:34, steady`; none without a time.
    pub when: Option<String>,
    /// What works at the same time, one entry a line: `10.1.0.1-40: 18,000 flows on the same port`.
    pub works: Vec<String>,
}

/// Hosts, and what is to be said of them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct HostLine {
    /// As ranges: `10.64.0.0/20, 10.64.16.0/22`.
    pub hosts: String,
    /// `40 servers, none ever answered`; where the ranges hold others, how many.
    pub remark: String,
}

/// Maximum number of ranges in a line, where the caller has no better idea.
const RANGES: usize = 6;

impl Words {
    /// The texts of a problem; `findings` are all findings of its report.
    pub fn problem<'a>(&self, problem: &Problem, mut findings: impl Iterator<Item = &'a Finding>) -> Texts {
        let leading = problem.findings.first().and_then(|&place| findings.nth(place));
        leading.map_or_else(Texts::default, |finding| self.finding(finding))
    }

    /// The facts of a problem as lines, each list of hosts as at most `ranges` ranges (of each family of addresses one more).
    pub fn problem_lines(&self, problem: &Problem, ranges: usize) -> ProblemLines {
        let number =
            |number: u64| Params::from([("number", Value::Number(number)), ("told", Value::Text(grouped(number)))]);
        let host_line = |key: &str, hosts: &Hosts, extra: &'static str| {
            let found = hosts.ranges(ranges);
            let params = number(hosts.count() as u64)
                .with("more", Value::Word(if hosts.more { "more" } else { "all" }))
                .with("exact", Value::Word(if found.exact { "exact" } else { "over" }))
                .with("covered", Value::Text(grouped(u64::try_from(found.covered).unwrap_or(u64::MAX))))
                .with("answered", Value::Word(extra));
            let line = || HostLine { hosts: listed(&found), remark: self.say(key, &params) };
            (!hosts.is_empty()).then(line)
        };
        let answered = match problem.servers_answered {
            Some(0) => "none",
            _ => "unsaid",
        };
        ProblemLines {
            attempts: self.say("problem-attempts", &number(problem.attempts)),
            servers: host_line("problem-servers", &problem.servers, answered),
            clients: host_line("problem-clients", &problem.clients, answered),
            when: self.problem_when(problem),
            works: problem.works.iter().map(|works| self.problem_works(works)).collect(),
        }
    }

    /// Hosts as ranges, at most six of them, and where these hold others how many addresses that are.
    pub fn hosts_told(&self, hosts: &Hosts) -> String {
        listed(&hosts.ranges(RANGES))
    }

    fn problem_when(&self, problem: &Problem) -> Option<String> {
        let (first, last) = problem.first.zip(problem.last)?;
        let zone = self.zone();
        let (from, to) = (zone.time_of_day(first), zone.time_of_day(last));
        let trend = problem.trend.map_or("unsaid", |trend| trend.name());
        let params = Params::from([
            ("first", Value::Text(from.clone())),
            ("last", if from == to { Value::Word("same") } else { Value::Text(to) }),
            ("trend", Value::Word(trend)),
        ]);
        Some(self.say("problem-when", &params))
    }

    /// One entry of what works.
    pub fn problem_works(&self, works: &Works) -> String {
        let params = Params::from([
            ("contrast", Value::Word(works.contrast.name())),
            ("clients", Value::Text(self.hosts_told(&works.clients))),
            ("servers", Value::Text(self.hosts_told(&works.servers))),
            ("transport", Value::Transport(works.port.0)),
            ("port", Value::Number(works.port.1.into())),
            ("number", Value::Number(works.flows)),
            ("told", Value::Text(grouped(works.flows))),
        ]);
        self.say("problem-works", &params)
    }
}

fn listed(ranges: &Ranges) -> String {
    ranges.ranges.iter().map(Range::short).collect::<Vec<_>>().join(", ")
}

/// A number in groups of three digits: `1,800`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut told = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}
