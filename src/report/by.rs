//! The same audit turned around: a table of all clients, servers or services, the worst first.

use super::screen::LINES;
use super::text::{Look, Page};
use super::{Report, names, tables};
use crate::finding::Value;
use crate::flow::FlowRecord;
use crate::packet::Address;
use crate::problem::{Hosts, Problem};
use crate::words::Words;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// What a table has a line for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// Each host that asked.
    Client,
    /// Each host that was asked.
    Server,
    /// Each service of the map.
    Service,
}

impl By {
    /// Whether the table is made of the flows themselves, so that they must be kept.
    pub fn needs_flows(self) -> bool {
        match self {
            By::Client | By::Server => true,
            By::Service => false,
        }
    }

    fn name(self) -> &'static str {
        match self {
            By::Client => "client",
            By::Server => "server",
            By::Service => "service",
        }
    }
}

/// One line of a table.
#[derive(Clone, Default)]
struct Row {
    flows: u64,
    failed: u64,
    unclear: u64,
    /// The numbers of the problems that it is in.
    problems: BTreeSet<usize>,
}

/// Lines of a table beside its rows: the heading, the head, the rest, the sum, what is not in it, and the blank ones.
const AROUND: usize = 9;
/// The maximum number of problems that are named in a row.
const PROBLEMS_NAMED: usize = 5;
/// Columns that stand in the narrowest table.
const LEAST: usize = 4;

/// Writes the table. The sum of its rows and of what it counts below them is the sum of all flows. With `verbose` every row is listed.
///
/// # Errors
/// What writing gives.
pub fn write_by(out: &mut impl Write, by: By, report: &Report<'_>, words: &Words, look: Look) -> io::Result<()> {
    let mut page = Page::new(out, words, look);
    let top = page.top(report);
    top.iter().try_for_each(|line| writeln!(page.out, "{line}"))?;
    let headline = page.headline(report);
    headline.iter().try_for_each(|line| writeln!(page.out, "{line}"))?;
    writeln!(page.out)?;
    let (mut rows, others) = match by {
        By::Client => (hosts(report, |flow| flow.client.address, |problem| &problem.clients), Row::default()),
        By::Server => (hosts(report, |flow| flow.server.address, |problem| &problem.servers), Row::default()),
        By::Service => services(report),
    };
    rows.sort_by_cached_key(|(name, row)| {
        let first = row.problems.first().copied().unwrap_or(usize::MAX);
        (Reverse(row.failed), first, Reverse(row.flows), name.clone())
    });
    let named: Vec<(String, Row)> = rows.into_iter().map(|(name, row)| (name.to_string(), row)).collect();
    let room = LINES.saturating_sub(AROUND + top.len() + headline.len()).max(5);
    let shown = if look.verbose { named.len() } else { named.len().min(room) };
    page.table(by, &named[..shown])?;
    let rest = &named[shown..];
    if !rest.is_empty() {
        page.counts("by-rest", by, rest.len(), &sum(rest.iter().map(|(_, row)| row)))?;
    }
    if others.flows > 0 {
        page.counts("by-others", by, 0, &others)?;
    }
    let all = sum(named.iter().map(|(_, row)| row).chain([&others]));
    page.counts("by-all", by, named.len(), &all)?;
    let left_out = report.totals.tally.flows.saturating_sub(all.flows);
    if left_out > 0 {
        let told = page.counted("by-left-out", left_out);
        page.paragraph(&told, "", "")?;
    }
    Ok(())
}

/// A row for each host on one side of a flow or a problem.
fn hosts(
    report: &Report<'_>,
    of_flow: fn(&FlowRecord) -> Address,
    of_problem: fn(&Problem) -> &Hosts,
) -> Vec<(Name, Row)> {
    let mut rows: BTreeMap<Address, Row> = BTreeMap::new();
    let judge = report.flows.judge;
    for flow in report.flows.flows {
        let row = rows.entry(of_flow(flow)).or_default();
        let judgement = judge.flow(flow);
        row.flows += 1;
        row.failed += u64::from(judgement.outcome.is_blocked());
        row.unclear += u64::from(judgement.verdict == crate::judge::Verdict::NotEvaluable);
    }
    for (place, problem) in report.problems.iter().enumerate() {
        for host in of_problem(problem).iter() {
            rows.entry(host).or_default().problems.insert(place + 1);
        }
    }
    rows.into_iter().map(|(address, row)| (Name::Host(address), row)).collect()
}

/// A row for each service, and one for what belongs to none.
fn services(report: &Report<'_>) -> (Vec<(Name, Row)>, Row) {
    let row = |service: &super::ServiceLine| {
        let concerns = |problem: &Problem| {
            let findings = problem.findings.iter().map(|&place| report.findings[place].finding);
            let mut services =
                findings.filter_map(|finding| finding.service.as_deref()).chain(problem.service.as_deref());
            services.any(|name| name == service.service)
        };
        let problems = report.problems.iter().enumerate().filter(|(_, problem)| concerns(problem));
        let problems = problems.map(|(place, _)| place + 1).collect();
        let row = Row { flows: service.flows, failed: service.blocked, unclear: service.unclear, problems };
        (Name::Service(service.service.clone()), row)
    };
    let rows: Vec<(Name, Row)> = report.services.iter().map(row).collect();
    let tally = report.totals.tally;
    let known = sum(rows.iter().map(|(_, row)| row));
    let others = Row {
        flows: tally.flows.saturating_sub(known.flows),
        failed: tally.blocked.saturating_sub(known.failed),
        unclear: tally.not_evaluable.saturating_sub(known.unclear),
        problems: BTreeSet::new(),
    };
    (rows, others)
}

/// What a row is about; hosts are in the order of their addresses.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Host(Address),
    Service(String),
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Host(address) => address.fmt(f),
            Name::Service(name) => name.fmt(f),
        }
    }
}

fn sum<'r>(rows: impl Iterator<Item = &'r Row>) -> Row {
    rows.fold(Row::default(), |mut sum, row| {
        sum.flows += row.flows;
        sum.failed += row.failed;
        sum.unclear += row.unclear;
        sum.problems.extend(&row.problems);
        sum
    })
}

fn numbers(problems: &BTreeSet<usize>) -> String {
    let named: Vec<String> = problems.iter().take(PROBLEMS_NAMED).map(usize::to_string).collect();
    let more = if problems.len() > named.len() { ", ..." } else { "" };
    if named.is_empty() { "-".into() } else { named.join(", ") + more }
}

impl<W: Write> Page<'_, W> {
    fn table(&mut self, by: By, rows: &[(String, Row)]) -> io::Result<()> {
        let head = [
            self.say("by-column-name", [("by", Value::Word(by.name()))]),
            self.label("by-column-connections"),
            self.label("by-column-failed"),
            self.label("by-column-problems"),
            self.label("by-column-unclear"),
        ];
        let cells = |(name, row): &(String, Row)| {
            let [flows, failed, unclear] = [row.flows, row.failed, row.unclear].map(names::number);
            [name.clone(), flows, failed, numbers(&row.problems), unclear]
        };
        let cells: Vec<_> = rows.iter().map(cells).collect();
        let table = tables::aligned(head, &cells, self.look.width, LEAST);
        table.lines().try_for_each(|line| writeln!(self.out, "{}", line.trim_end()))
    }

    /// A sum in a sentence.
    fn counts(&mut self, key: &str, by: By, rows: usize, sum: &Row) -> io::Result<()> {
        let text = self.say(
            key,
            [
                ("by", Value::Word(by.name())),
                ("rows", Value::Number(rows as u64)),
                ("rows_told", Value::Text(names::number(rows as u64))),
                ("number", Value::Number(sum.flows)),
                ("told", Value::Text(names::number(sum.flows))),
                ("failed", Value::Text(names::number(sum.failed))),
                ("problems", Value::Text(numbers(&sum.problems))),
                ("unclear", Value::Text(names::number(sum.unclear))),
            ],
        );
        self.paragraph(&text, "", "  ")
    }
}
