//! How a problem is told: its texts, and the lines of facts beside them.

use super::{Texts, Words};
use crate::finding::{Finding, Params, Value};
use crate::problem::{Cause, Hosts, Problem, Range, Ranges, Trend, Works};
use crate::transport::Transport;

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
/// Maximum number of ranges inside a sentence.
const SHORT: usize = 2;

impl Words {
    /// The texts of a problem; `findings` are all findings of its report.
    pub fn problem<'a>(&self, problem: &Problem, mut findings: impl Iterator<Item = &'a Finding>) -> Texts {
        let own_words = match problem.cause {
            Cause::Stopped => Some("service.stopped"),
            Cause::Detour => Some("service.detour"),
            _ => None,
        };
        if let Some(code) = own_words {
            let mut places = problem.findings.clone();
            places.sort_unstable();
            let is_own =
                |(place, finding): &(usize, &Finding)| finding.code == code && places.binary_search(place).is_ok();
            let story = findings.enumerate().find(is_own);
            return story.map_or_else(Texts::default, |(_, finding)| self.finding(finding));
        }
        let lacks = |name| problem.params.get(name).is_none();
        // A code that came later than these texts is told as its finding is.
        if problem.cause == Cause::Single || problem.cause == Cause::Fallback && lacks("blocked_port") {
            let leading = problem.findings.first().and_then(|&place| findings.nth(place));
            return leading.map_or_else(Texts::default, |finding| self.finding(finding));
        }
        let key = format!("problem-{}", problem.cause.name());
        let args = self.args(&self.named_in_problem(problem));
        // Where there are no remarks, the blanks around them stay.
        let text = |attribute| self.text(&key, Some(attribute), &args).replace("  ", " ").trim().to_string();
        let mut remedy = text("remedy");
        let failing = problem.params.get("standing") == Some(&Value::Word("failing"));
        if failing && problem.trend == Some(Trend::Over) {
            remedy = self.say("problem-answered-since", &Params::from([("remedy", Value::Text(remedy))]));
        }
        let mut meaning = text("meaning");
        if problem.params.get("stopped").is_some() {
            let params = problem.params.clone().with("meaning", Value::Text(meaning));
            meaning = self.say("problem-stops-a-story", &params);
        }
        meaning = self.with_wait(problem, meaning);
        Texts { title: text("title"), meaning, remedy }
    }

    /// What follows from a block: sessions on another way, launches that failed or took long, a story that stops. None where nothing is known to follow.
    pub fn problem_follows(&self, problem: &Problem) -> Option<String> {
        problem.params.get("launch_clients")?;
        let told = self.text("problem-follows", None, &self.args(&self.named_in_problem(problem)));
        let mut told = self.with_wait(problem, told.trim().to_string());
        if problem.cause != Cause::Stopped && problem.params.get("stopped").is_some() {
            told = self.say("problem-stops-a-story", &problem.params.clone().with("meaning", Value::Text(told)));
        }
        let told = told.trim();
        (!told.is_empty()).then(|| told.to_string())
    }

    /// With how long hosts wait before they ask the next server, where they do.
    fn with_wait(&self, problem: &Problem, text: String) -> String {
        if problem.params.get("waited_for_next").is_none() {
            return text;
        }
        self.say("problem-makes-wait", &problem.params.clone().with("meaning", Value::Text(text)))
    }

    /// What the texts of a problem may name: its parameters, and the fields that it has.
    fn named_in_problem(&self, problem: &Problem) -> Params {
        let Problem { clients, servers, attempts, networks, .. } = problem;
        let networks_told = networks.iter().map(Range::short).collect::<Vec<_>>().join(", ");
        let from =
            if networks.is_empty() { self.named_or_counted("these-clients", clients) } else { networks_told.clone() };
        let (transport, port) = problem.ports.first().copied().unwrap_or((Transport::Tcp, 0));
        let mut params = problem.params.clone();
        for (name, value) in [
            ("attempts", Value::Number(*attempts)),
            ("attempts_told", Value::Text(grouped(*attempts))),
            ("culprit", Value::Word(problem.culprit.as_ref().map_or("unknown", |culprit| culprit.kind.name()))),
            ("client_count", Value::Number(clients.count() as u64)),
            ("client_told", Value::Text(grouped(clients.count() as u64))),
            ("clients", Value::Text(from)),
            ("more", Value::Word(if clients.more { "more" } else { "all" })),
            ("network_count", Value::Number(networks.len() as u64)),
            ("networks", Value::Text(networks_told)),
            ("port", Value::Number(port.into())),
            ("port_count", Value::Number(problem.ports.len() as u64)),
            ("server", Value::Text(self.named_or_counted("these-servers", servers))),
            ("server_count", Value::Number(servers.count() as u64)),
            ("server_told", Value::Text(grouped(servers.count() as u64))),
            ("servers_known", Value::Word(if servers.is_empty() { "no" } else { "yes" })),
            ("service_known", Value::Word(if is_known(problem) { "yes" } else { "no" })),
            ("ports", Value::Text(self.ports_told(&problem.ports))),
            ("transport", Value::Transport(transport)),
        ] {
            // A scan counts its ports.
            if params.get(name).is_none() {
                params = params.with(name, value);
            }
        }
        params
    }

    /// Hosts by their addresses where that is short, else by their number: `these 40 servers`.
    fn named_or_counted(&self, key: &str, hosts: &Hosts) -> String {
        let found = hosts.ranges(SHORT);
        if found.exact && !hosts.more && !hosts.is_empty() {
            return listed(&found);
        }
        self.say(key, &counted(hosts.count() as u64))
    }

    /// `TCP 1494 and 2598, UDP 2598`.
    fn ports_told(&self, ports: &[(Transport, u16)]) -> String {
        let each = |of: &[(Transport, u16)]| {
            let numbers: Vec<u16> = of.iter().map(|(_, port)| *port).collect();
            let told = self.ports(&numbers);
            format!("{} {told}", self.named_word("transport", of[0].0.name()))
        };
        ports.chunk_by(|one, other| one.0 == other.0).map(each).collect::<Vec<_>>().join(", ")
    }

    /// The facts of a problem as lines, each list of hosts as at most `ranges` ranges (of each family of addresses one more).
    pub fn problem_lines(&self, problem: &Problem, ranges: usize) -> ProblemLines {
        let host_line = |key: &str, hosts: &Hosts, networks: &[Range], answered: (&'static str, u64)| {
            let found = hosts.ranges(ranges);
            let covered = u64::try_from(found.covered).map_or_else(|_| "2^64".into(), grouped);
            let extent = match () {
                () if !networks.is_empty() => "networks",
                () if found.exact => "exact",
                () => "over",
            };
            let all = answered.0 == "some" && answered.1 == hosts.count() as u64 && !hosts.more;
            let params = counted(hosts.count() as u64)
                .with("more", Value::Word(if hosts.more { "more" } else { "all" }))
                .with("extent", Value::Word(extent))
                .with("covered", Value::Text(covered))
                .with("answered", Value::Word(if all { "all" } else { answered.0 }))
                .with("answered_told", Value::Text(grouped(answered.1)));
            let told = || match networks {
                [] => listed(&found),
                networks => networks.iter().map(Range::short).collect::<Vec<_>>().join(", "),
            };
            (!hosts.is_empty()).then(|| HostLine { hosts: told(), remark: self.say(key, &params) })
        };
        let unanswered = match problem.cause {
            // An error is an answer as well.
            Cause::Stopped => matches!(problem.params.get("how"), Some(Value::Word("silent" | "prohibited"))),
            cause => matches!(cause, Cause::NoAnswer | Cause::HostDown | Cause::Prohibited | Cause::SubnetAgainstPort),
        };
        let answered = match problem.servers_answered {
            Some(0) if unanswered => ("none", 0),
            Some(some @ 1..) if unanswered => ("some", some as u64),
            _ => ("unsaid", 0),
        };
        let attempts = counted(problem.attempts).with("what", Value::Word(what(problem.cause)));
        ProblemLines {
            attempts: self.say("problem-attempts", &attempts),
            servers: host_line("problem-servers", &problem.servers, &[], answered),
            clients: host_line("problem-clients", &problem.clients, &problem.networks, answered),
            when: self.problem_when(problem),
            works: problem.works.iter().map(|works| self.problem_works(works)).collect(),
        }
    }

    /// Hosts as ranges, at most six of them, and where these hold others how many addresses that are.
    pub fn hosts_told(&self, hosts: &Hosts) -> String {
        let found = hosts.ranges(RANGES);
        if found.exact {
            return listed(&found);
        }
        let covered = u64::try_from(found.covered).map_or_else(|_| "2^64".into(), grouped);
        let params = [("ranges", listed(&found)), ("told", grouped(hosts.count() as u64)), ("covered", covered)];
        self.say("hosts-among", &Params::from(params.map(|(name, text)| (name, Value::Text(text)))))
    }

    fn problem_when(&self, problem: &Problem) -> Option<String> {
        let (first, last) = problem.first.zip(problem.last)?;
        let zone = self.zone();
        let one_day = zone.date(first) == zone.date(last);
        let told = |at| if one_day { zone.time_of_day(at) } else { zone.date_and_time(at) };
        let (from, to) = (told(first), told(last));
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
            ("until", Value::Text(works.until.map(|until| self.zone().time_of_day(until)).unwrap_or_default())),
            ("number", Value::Number(works.flows)),
            ("told", Value::Text(grouped(works.flows))),
        ]);
        self.say("problem-works", &params)
    }
}

fn listed(ranges: &Ranges) -> String {
    ranges.ranges.iter().map(Range::short).collect::<Vec<_>>().join(", ")
}

/// A number for the choice of a word, and as it is told.
fn counted(number: u64) -> Params {
    Params::from([("number", Value::Number(number)), ("told", Value::Text(grouped(number)))])
}

fn is_known(problem: &Problem) -> bool {
    matches!(problem.params.get("service_title"), Some(Value::Service(Some(_))))
}

/// What the flows of a problem are.
fn what(cause: Cause) -> &'static str {
    match cause {
        Cause::SessionDied | Cause::IdleTimeout | Cause::ResetInSession | Cause::Mtu => "sessions",
        Cause::Slow | Cause::Repeats => "flows",
        Cause::Exposed | Cause::ForeignProtocol | Cause::OtherPort | Cause::OtherTransport | Cause::Fallback => "flows",
        Cause::Encryption => "flows",
        // Most findings that are told alone are about flows that were answered.
        Cause::Single => "flows",
        _ => "attempts",
    }
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
