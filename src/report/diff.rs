//! Two reports side by side: what is new, worse, better, gone or the same. That something is not told any more is no all-clear by
//! itself: it is gone only where the later report shows that it was tried again and worked.

use super::json::write_document;
use super::text::{BOLD, Look, Page, severity_style, severity_word};
use super::told::{CaptureTold, FindingTold, Number, ProblemTold, QualityTold, Sure, Told, Tried};
use super::{Program, names};
use crate::finding::{Params, Severity, Value};
use crate::ledger::Path;
use crate::packet::{Address, protocol};
use crate::problem::{Cause, Hosts, Range};
use crate::transport::Transport;
use crate::words::Words;
use serde::{Serialize, Serializer};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// Name and version of the layout.
const SCHEMA: &str = "cap-audit/diff/1";

/// What comes of comparing two reports.
pub struct Diff<'a> {
    /// The earlier report.
    pub before: &'a Told,
    /// The later one.
    pub after: &'a Told,
    /// How the captures behind them are related.
    pub captures: Captures,
    /// The problems, the worst change first; none where one of the reports knows no problems.
    pub problems: Option<Vec<Entry>>,
    /// The findings, the worst change first.
    pub findings: Vec<Entry>,
}

/// How the captures behind two reports are related. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Captures {
    /// They are the same.
    Same,
    /// They are others, with servers in common.
    Different,
    /// No server stands in both, so nothing can be compared.
    NothingInCommon,
}

/// What became of one problem or finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its id; where it has another one now, the later one.
    pub id: String,
    /// Its cause or code.
    pub what: String,
    /// What shows that it is gone.
    theme: Theme,
    /// What became of it.
    pub state: State,
    /// What that rests on.
    pub basis: Basis,
    /// How it was.
    pub before: Option<Side>,
    /// How it is.
    pub after: Option<Side>,
    /// What is different, in a word each.
    pub changes: Vec<&'static str>,
    /// Where both reports tell it: who is hit now and was not, and who was and is not.
    pub moved: Moved,
    /// Of the paths on which it was seen, those on which something works in the other report.
    pub paths_working: u64,
    /// All of them.
    pub paths: u64,
}

/// Who is hit in one of two reports that both tell of something.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Moved {
    /// Hit now and not before.
    pub hit_now: Hit,
    /// Server ports that it is about now and was not before.
    pub ports: BTreeSet<(u8, u16)>,
    /// Paths that are hit now, were not, and on which something worked before.
    pub paths_worked_before: u64,
    /// Of those who are hit now and were not, nobody tried before.
    pub none_tried_before: bool,
    /// Hit before and not now, and it is shown that it is repaired for them.
    pub repaired: Hit,
    /// Hit before and not now, and nothing shows that it is repaired for them.
    pub not_shown: Hit,
    /// One of the reports does not name all who are hit, so that who is new cannot be told.
    pub in_part: bool,
}

/// Hosts that something hits.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Hit {
    /// Clients.
    #[serde(serialize_with = "addresses")]
    pub clients: BTreeSet<Address>,
    /// Servers.
    #[serde(serialize_with = "addresses")]
    pub servers: BTreeSet<Address>,
    /// Those of the clients in whose network nobody is hit in the other report.
    #[serde(skip)]
    pub far: BTreeSet<Address>,
}

/// What became of something. The names are part of the report. In the order in which it is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// It was not told before.
    New,
    /// It is worse than before.
    Worse,
    /// Both reports tell it, and one does not name all who are hit, so that who is new cannot be told.
    NotComparable,
    /// It is not told any more, and nothing shows that it is repaired.
    NotEvaluable,
    /// It is not told any more, and it was tried again.
    Gone,
    /// It is better than before.
    Better,
    /// No better and no worse.
    Same,
}

/// What a state rests on. The names are part of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Basis {
    /// Both reports tell it.
    InBoth,
    /// New: it worked before.
    WorkedBefore,
    /// New: it was tried before and nothing was told of it.
    TriedBefore,
    /// New: nobody tried it before.
    NotTriedBefore,
    /// Gone: of each network one of the same clients gets an answer now.
    WorksNow,
    /// Gone: something else is there now, or nothing.
    NotThereNow,
    /// Gone: it was an event, and it did not happen again.
    DidNotHappenAgain,
    /// Not to be told: nobody tried.
    NotTried,
    /// Not to be told: others get an answer, and those who were hit did not try.
    OthersOnly,
    /// Not to be told: some of it works, and the rest was not tried.
    PartOnly,
    /// Not to be told: it was tried, and the capture does not show what came of it.
    NotDecided,
    /// Not to be told: the later report does not list all flows.
    FlowsLeftOut,
}

/// One side of an entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Side {
    /// Its id in that report.
    pub id: String,
    /// How bad.
    #[serde(serialize_with = "severity")]
    pub severity: Severity,
    /// How sure.
    pub confidence: Sure,
    /// Who is hit.
    pub clients: Number,
    /// On which servers.
    pub servers: Number,
    /// Flows that show it.
    pub attempts: u64,
    /// One line.
    pub title: String,
}

impl Captures {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Captures::Same => "same",
            Captures::Different => "different",
            Captures::NothingInCommon => "nothing-in-common",
        }
    }
}

impl State {
    /// Every state, in the order in which they are told.
    pub const ALL: [State; 7] =
        [State::New, State::Worse, State::NotComparable, State::NotEvaluable, State::Gone, State::Better, State::Same];

    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            State::New => "new",
            State::Worse => "worse",
            State::NotComparable => "not_comparable",
            State::NotEvaluable => "not_evaluable",
            State::Gone => "gone",
            State::Better => "better",
            State::Same => "same",
        }
    }
}

impl Basis {
    /// The name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Basis::InBoth => "in-both",
            Basis::WorkedBefore => "worked-before",
            Basis::TriedBefore => "tried-before",
            Basis::NotTriedBefore => "not-tried-before",
            Basis::WorksNow => "works-now",
            Basis::NotThereNow => "not-there-now",
            Basis::DidNotHappenAgain => "did-not-happen-again",
            Basis::NotTried => "not-tried",
            Basis::OthersOnly => "others-only",
            Basis::PartOnly => "part-only",
            Basis::NotDecided => "not-decided",
            Basis::FlowsLeftOut => "flows-left-out",
        }
    }
}

/// Clients by protocol, port and server.
type Places = BTreeMap<(u8, u16, Address), BTreeSet<Address>>;

/// A problem or a finding, in one form.
struct Item<'a> {
    side: Side,
    what: &'a str,
    /// The findings that it is made of.
    findings: Vec<&'a FindingTold>,
}

impl<'a> Item<'a> {
    fn finding(finding: &'a FindingTold) -> Item<'a> {
        let number = |count: usize, complete| Number { count: count as u64, complete };
        let side = Side {
            id: finding.id.clone(),
            severity: finding.severity,
            confidence: finding.confidence,
            clients: number(finding.clients.len(), finding.clients_complete),
            servers: number(finding.servers.len(), true),
            attempts: finding.flows,
            title: finding.title.clone(),
        };
        Item { side, what: &finding.code, findings: vec![finding] }
    }

    fn problem(problem: &'a ProblemTold, findings: &BTreeMap<&str, &'a FindingTold>) -> Item<'a> {
        let ProblemTold { severity, confidence, clients, servers, attempts, .. } = *problem;
        let (id, title) = (problem.id.clone(), problem.title.clone());
        let side = Side { id, severity, confidence, clients, servers, attempts, title };
        let findings = problem.findings.iter().filter_map(|id| findings.get(id.as_str()).copied()).collect();
        Item { side, what: &problem.cause, findings }
    }

    /// The clients by server and port. Of a fallback it is the port that sessions fell back from.
    fn places(&self) -> Places {
        let mut places = Places::new();
        for finding in &self.findings {
            let Some((protocol, port)) = finding.replaced.or(finding.port).and_then(number) else { continue };
            for &server in &finding.servers {
                places.entry((protocol, port, server)).or_default().extend(&finding.clients);
            }
        }
        places
    }

    fn clients(&self) -> BTreeSet<Address> {
        self.findings.iter().flat_map(|finding| finding.clients.iter().copied()).collect()
    }

    fn servers(&self) -> BTreeSet<Address> {
        self.findings.iter().flat_map(|finding| finding.servers.iter().copied()).collect()
    }

    fn theme(&self) -> Theme {
        let theme = |finding: &&FindingTold| Theme::of(&finding.code);
        self.findings.iter().map(theme).max().unwrap_or(Theme::DoesNotWork)
    }
}

/// What shows that something is gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Theme {
    /// That nobody did it again.
    Event,
    /// That something else, or nothing, is there now.
    IsThere,
    /// That nobody from outside gets in.
    IsOpen,
    /// That it works.
    DoesNotWork,
}

impl Theme {
    fn of(code: &str) -> Theme {
        match code {
            "unexpected.scan" | "unexpected.flood" | "unexpected.from-internet" => Theme::Event,
            "unexpected.internet-exposed" => Theme::IsOpen,
            code if code.starts_with("unexpected.") => Theme::IsThere,
            _ => Theme::DoesNotWork,
        }
    }
}

fn number((transport, port): (Transport, u16)) -> Option<(u8, u16)> {
    match transport {
        Transport::Tcp => Some((protocol::TCP, port)),
        Transport::Udp => Some((protocol::UDP, port)),
        Transport::Icmp => None,
    }
}

impl Told {
    /// What was tried at a port of a server, by client.
    fn at(&self, (protocol, port, server): (u8, u16, Address)) -> impl Iterator<Item = (Address, &Tried)> {
        let path = |client| Path { protocol, port, server, client: Address(client) };
        self.tried.range(path([0; 16])..=path([0xff; 16])).map(|(path, tried)| (path.client, tried))
    }

    /// Who got through at a port of a server.
    fn working(&self, place: (u8, u16, Address)) -> BTreeSet<Address> {
        self.at(place).filter(|(_, tried)| tried.worked > 0).map(|(client, _)| client).collect()
    }

    fn servers(&self) -> BTreeSet<Address> {
        let tried = self.tried.keys().map(|path| path.server);
        tried.chain(self.findings.iter().flat_map(|finding| finding.servers.iter().copied())).collect()
    }
}

impl<'a> Diff<'a> {
    /// Compares two reports.
    pub fn of(before: &'a Told, after: &'a Told) -> Diff<'a> {
        let findings = [before, after].map(|told| {
            told.findings
                .iter()
                .filter(|finding| is_about_trouble(&finding.code))
                .map(Item::finding)
                .collect::<Vec<_>>()
        });
        let by_id = |told: &'a Told| -> BTreeMap<&str, &'a FindingTold> {
            told.findings.iter().map(|finding| (finding.id.as_str(), finding)).collect()
        };
        let known = [by_id(before), by_id(after)];
        let items = |list: &'a [ProblemTold], known| {
            let troubles = list.iter().filter(|problem| is_about_trouble(&problem.cause));
            troubles.map(|problem| Item::problem(problem, known)).collect()
        };
        let problems = before.problems.as_deref().zip(after.problems.as_deref());
        let problems = problems.map(|(was, is)| [items(was, &known[0]), items(is, &known[1])]);
        let captures = captures(before, after);
        let compare = |[was, is]: [Vec<Item<'_>>; 2]| compare(&was, &is, before, after);
        Diff { before, after, captures, problems: problems.map(compare), findings: compare(findings) }
    }

    /// What people read: problems where both reports know them, else findings.
    pub fn entries(&self) -> &[Entry] {
        self.problems.as_deref().unwrap_or(&self.findings)
    }

    /// How bad the worst is that is new or worse, of what people read.
    pub fn worst(&self) -> Option<Severity> {
        let worse = self.entries().iter().filter(|entry| matches!(entry.state, State::New | State::Worse));
        worse.filter_map(|entry| entry.after.as_ref()).map(|after| after.severity).max()
    }
}

/// What can be read on the way is no trouble that comes or goes: more traffic shows more of it.
fn is_about_trouble(what: &str) -> bool {
    what != Cause::Encryption.name() && !what.starts_with("encryption.")
}

fn captures(before: &Told, after: &Told) -> Captures {
    // The same file may have been named in another way.
    let same = |one: &CaptureTold, other: &CaptureTold| {
        (one.packets, one.bytes, &one.first, &one.last) == (other.packets, other.bytes, &other.first, &other.last)
    };
    let (was, is) = (&before.captures, &after.captures);
    let (asked_then, asked_now) = (before.servers(), after.servers());
    let apart = asked_then.is_disjoint(&asked_now);
    let nobody = asked_then.is_empty() && asked_now.is_empty();
    let alike = !was.is_empty() && was.len() == is.len() && was.iter().zip(is).all(|(one, other)| same(one, other));
    if alike && (nobody || !apart) {
        Captures::Same
    } else if apart {
        Captures::NothingInCommon
    } else {
        Captures::Different
    }
}

/// Everything that stands on one side or on both, the worst change first.
fn compare(was: &[Item<'_>], is: &[Item<'_>], before: &Told, after: &Told) -> Vec<Entry> {
    let pairs = pairs(was, is);
    let met: [BTreeSet<usize>; 2] =
        [pairs.iter().map(|pair| pair.0).collect(), pairs.iter().map(|pair| pair.1).collect()];
    let mut entries: Vec<Entry> =
        pairs.iter().map(|&(one, other)| in_both(&was[one], &is[other], before, after)).collect();
    entries.extend(
        was.iter().enumerate().filter(|(place, _)| !met[0].contains(place)).map(|(_, item)| missing(item, after)),
    );
    entries
        .extend(is.iter().enumerate().filter(|(place, _)| !met[1].contains(place)).map(|(_, item)| new(item, before)));
    entries.sort_by_cached_key(|entry| {
        let worst = [&entry.before, &entry.after].into_iter().flatten().map(|side| side.severity).max();
        let clients = [&entry.before, &entry.after].into_iter().flatten().map(|side| side.clients.count).max();
        (entry.state, Reverse(worst), Reverse(clients), entry.id.clone())
    });
    entries
}

/// What is the same on both sides: by the id, and of problems that have another id now because further findings came or went, by a
/// finding that is part of both. Each stands in one pair.
fn pairs(was: &[Item<'_>], is: &[Item<'_>]) -> Vec<(usize, usize)> {
    let ids: BTreeMap<&str, usize> =
        is.iter().enumerate().map(|(place, item)| (item.side.id.as_str(), place)).collect();
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (place, item) in was.iter().enumerate() {
        pairs.extend(ids.get(item.side.id.as_str()).map(|&other| (place, other)));
    }
    let (mut met, mut taken): (BTreeSet<usize>, BTreeSet<usize>) = pairs.iter().copied().unzip();
    let parts: BTreeMap<&str, usize> = is
        .iter()
        .enumerate()
        .filter(|(place, _)| !taken.contains(place))
        .flat_map(|(place, item)| item.findings.iter().map(move |finding| (finding.id.as_str(), place)))
        .collect();
    for (place, item) in was.iter().enumerate() {
        if met.contains(&place) {
            continue;
        }
        let other =
            item.findings.iter().filter_map(|finding| parts.get(finding.id.as_str())).find(|it| !taken.contains(it));
        if let Some(&other) = other {
            met.insert(place);
            taken.insert(other);
            pairs.push((place, other));
        }
    }
    pairs
}

/// Worse: more severe, or somebody is hit who was not. Better: less severe and no less sure, or fewer are hit and on some of the paths
/// something works now. More tries alone are no worse: a longer capture has more.
fn in_both(was: &Item<'_>, is: &Item<'_>, before: &Told, after: &Told) -> Entry {
    let (one, other) = (&was.side, &is.side);
    let moved = moved(was, is, before, after);
    let mut changes = Vec::new();
    let mut change = |differs: bool, name| changes.extend(differs.then_some(name));
    change(other.severity > one.severity, "more-severe");
    change(other.severity < one.severity, "less-severe");
    change(other.confidence > one.confidence, "surer");
    change(other.confidence < one.confidence, "less-sure");
    let dropped =
        |of: fn(&Hit) -> &BTreeSet<Address>| !of(&moved.repaired).is_empty() || !of(&moved.not_shown).is_empty();
    change(!moved.hit_now.clients.is_empty(), "clients-added");
    change(dropped(|hit| &hit.clients), "clients-dropped");
    change(!moved.hit_now.servers.is_empty(), "servers-added");
    change(dropped(|hit| &hit.servers), "servers-dropped");
    change(!moved.ports.is_empty(), "ports-added");
    change(moved.paths_worked_before > 0, "worked-before");
    change(moved.in_part, "in-part");
    change(is.what != was.what, "other-cause");
    let hit = is.places();
    let (mut paths, mut paths_working) = (0, 0);
    for (place, clients) in was.places() {
        let works = after.working(place);
        paths += clients.len() as u64;
        let is_hit = |client| hit.get(&place).is_some_and(|clients| clients.contains(client));
        paths_working += clients.iter().filter(|client| works.contains(client) && !is_hit(client)).count() as u64;
    }
    let has = |name| changes.contains(&name);
    let fewer = has("clients-dropped") || has("servers-dropped");
    let state = if has("more-severe") || moved.anybody_new() {
        State::Worse
    } else if moved.in_part {
        State::NotComparable
    } else if has("less-severe") && has("less-sure") {
        State::Same
    } else if has("less-severe") || fewer && paths_working > 0 {
        State::Better
    } else {
        State::Same
    };
    Entry {
        id: other.id.clone(),
        what: is.what.into(),
        theme: is.theme(),
        state,
        basis: Basis::InBoth,
        before: Some(one.clone()),
        after: Some(other.clone()),
        changes,
        moved,
        paths_working,
        paths,
    }
}

impl Hit {
    fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.servers.is_empty()
    }
}

impl Moved {
    fn anybody_new(&self) -> bool {
        self.anybody_named() || self.paths_worked_before > 0
    }
}

/// Compares who is hit, not how many. Who is not named on one side may have been hit there as well.
fn moved(was: &Item<'_>, is: &Item<'_>, before: &Told, after: &Told) -> Moved {
    let clients = [was.clients(), is.clients()];
    let servers = [was.servers(), is.servers()];
    let places = [was.places(), is.places()];
    let all = |number: Number, known: &BTreeSet<Address>| number.complete && number.count == known.len() as u64;
    let clients_known = [all(was.side.clients, &clients[0]), all(is.side.clients, &clients[1])];
    let servers_known = [all(was.side.servers, &servers[0]), all(is.side.servers, &servers[1])];
    let mut moved = Moved::default();
    // Two reports of one capture leave out the same.
    let of_one = captures(before, after) == Captures::Same && clients[0] == clients[1] && servers[0] == servers[1];
    for (known, [was, is], new) in
        [(clients_known, &clients, &mut moved.hit_now.clients), (servers_known, &servers, &mut moved.hit_now.servers)]
    {
        if known[0] {
            *new = is - was;
        }
        moved.in_part |= !of_one && (!known[1] || !known[0] && !is.is_subset(was));
    }
    let ports = |places: &BTreeMap<(u8, u16, Address), _>| -> BTreeSet<(u8, u16)> {
        places.keys().map(|&(protocol, port, _)| (protocol, port)).collect()
    };
    moved.ports = &ports(&places[1]) - &ports(&places[0]);
    let theme = was.theme();
    if theme == Theme::DoesNotWork {
        let (tried, worked) = known_before(&places, before, clients_known[0]);
        moved.paths_worked_before = worked;
        moved.none_tried_before = !moved.hit_now.is_empty() && tried == 0 && before.flows_left_out == 0;
    }
    let still = |known: bool, [was, is]: &[BTreeSet<Address>; 2]| if known { was - is } else { BTreeSet::new() };
    let dropped = [still(clients_known[1], &clients), still(servers_known[1], &servers)];
    // What was an event is not repaired, and does not go on either.
    if theme != Theme::Event && dropped.iter().any(|hosts| !hosts.is_empty()) {
        let [open_clients, open_servers] = open(&places, after, theme);
        let split = |hosts: &BTreeSet<Address>, open: &BTreeSet<Address>| (hosts - open, hosts & open);
        (moved.repaired.clients, moved.not_shown.clients) = split(&dropped[0], &open_clients);
        (moved.repaired.servers, moved.not_shown.servers) = split(&dropped[1], &open_servers);
    }
    let networks =
        clients.each_ref().map(|list| list.iter().map(|client| client.network()).collect::<BTreeSet<Address>>());
    let Moved { hit_now, repaired, not_shown, .. } = &mut moved;
    for (hit, others) in [(hit_now, &networks[0]), (repaired, &networks[1]), (not_shown, &networks[1])] {
        hit.far = hit.clients.iter().copied().filter(|client| !others.contains(&client.network())).collect();
    }
    moved
}

/// How many paths are hit now, were not, and were tried before, and how many of these worked. Where not all who were hit are named, no try
/// on them may have failed.
fn known_before([was, is]: &[Places; 2], before: &Told, all_named: bool) -> (u64, u64) {
    let (mut tried_before, mut worked_before) = (0, 0);
    for (&place, clients) in is {
        let hit = was.get(&place);
        let new = |client: &Address| clients.contains(client) && !hit.is_some_and(|hit| hit.contains(client));
        let worked = |tried: &Tried| tried.worked > 0 && (all_named || tried.turned_away == 0);
        for (_, tried) in before.at(place).filter(|(client, _)| new(client)) {
            tried_before += 1;
            worked_before += u64::from(worked(tried));
        }
    }
    (tried_before, worked_before)
}

/// The clients and servers with a path that was hit, is not any more, and of which nothing shows that it is repaired. A client speaks for
/// its network where nobody of it is hit any more.
fn open([was, is]: &[Places; 2], after: &Told, theme: Theme) -> [BTreeSet<Address>; 2] {
    let networks =
        |clients: &BTreeSet<Address>| -> BTreeSet<Address> { clients.iter().map(|client| client.network()).collect() };
    let mut open = [BTreeSet::new(), BTreeSet::new()];
    let nobody = BTreeSet::new();
    for (&place, clients) in was {
        let hit = is.get(&place).unwrap_or(&nobody);
        let left: Vec<Address> = if theme == Theme::DoesNotWork {
            let works = &(&after.working(place) & clients) - hit;
            let speaks_for = &networks(&works) - &networks(hit);
            let repaired = |client: &Address| works.contains(client) || speaks_for.contains(&client.network());
            clients.iter().copied().filter(|client| !repaired(client)).collect()
        } else if hit.is_empty() && Again::at(place, clients, after).repaired(theme) {
            Vec::new()
        } else {
            clients.iter().copied().collect()
        };
        if !left.is_empty() {
            open[1].insert(place.2);
        }
        open[0].extend(left);
    }
    open
}

fn new(item: &Item<'_>, before: &Told) -> Entry {
    let (mut paths, mut tried, mut paths_working) = (0, 0, 0);
    for (place, clients) in item.places() {
        let known: BTreeMap<Address, &Tried> = before.at(place).collect();
        paths += clients.len() as u64;
        tried += clients.iter().filter(|client| known.contains_key(client)).count() as u64;
        let worked = |client: &&Address| known.get(client).is_some_and(|tried| tried.worked > 0);
        paths_working += clients.iter().filter(worked).count() as u64;
    }
    let basis = match (paths_working, tried) {
        (1.., _) if item.theme() == Theme::DoesNotWork => Basis::WorkedBefore,
        (_, 1..) => Basis::TriedBefore,
        _ => Basis::NotTriedBefore,
    };
    let entry = of_one_report(item, (State::New, basis), (paths_working, paths));
    Entry { after: Some(item.side.clone()), ..entry }
}

fn missing(item: &Item<'_>, after: &Told) -> Entry {
    let places = item.places();
    let theme = item.theme();
    let again: Vec<Again> = places.iter().map(|(&place, clients)| Again::at(place, clients, after)).collect();
    let paths = places.values().map(|clients| clients.len() as u64).sum();
    let paths_working = again.iter().map(|again| again.working).sum();
    let (state, basis) = match theme {
        Theme::Event => (State::Gone, Basis::DidNotHappenAgain),
        _ if !again.is_empty() && again.iter().all(|again| again.repaired(theme)) => {
            (State::Gone, if theme == Theme::DoesNotWork { Basis::WorksNow } else { Basis::NotThereNow })
        }
        _ if after.flows_left_out > 0 => (State::NotEvaluable, Basis::FlowsLeftOut),
        Theme::DoesNotWork if paths_working > 0 => (State::NotEvaluable, Basis::PartOnly),
        Theme::DoesNotWork if again.iter().any(|again| again.by_anybody) => (State::NotEvaluable, Basis::OthersOnly),
        _ if again.iter().any(|again| again.tried) => (State::NotEvaluable, Basis::NotDecided),
        _ => (State::NotEvaluable, Basis::NotTried),
    };
    let entry = of_one_report(item, (state, basis), (paths_working, paths));
    Entry { before: Some(item.side.clone()), ..entry }
}

/// What stands in one of the two reports only; in which one, the caller says.
fn of_one_report(item: &Item<'_>, (state, basis): (State, Basis), (paths_working, paths): (u64, u64)) -> Entry {
    Entry {
        id: item.side.id.clone(),
        what: item.what.into(),
        theme: item.theme(),
        state,
        basis,
        before: None,
        after: None,
        changes: Vec::new(),
        moved: Moved::default(),
        paths_working,
        paths,
    }
}

/// What came of a port of a server in the later report.
struct Again {
    /// Somebody tried.
    tried: bool,
    /// How many of those who were hit got through.
    working: u64,
    /// Somebody got through.
    by_anybody: bool,
    /// Of each network one of those who were hit got through.
    by_the_same: bool,
    /// What was there is not there any more.
    replaced: bool,
    /// Nobody from outside gets in.
    shut: bool,
}

impl Again {
    fn at(place: (u8, u16, Address), clients: &BTreeSet<Address>, after: &Told) -> Again {
        let known: BTreeMap<Address, &Tried> = after.at(place).collect();
        let worked = |client: &Address| known.get(client).is_some_and(|tried| tried.worked > 0);
        let working = clients.iter().filter(|client| worked(client)).count() as u64;
        let turned_away = |tried: &&Tried| tried.turned_away > 0 && tried.worked == 0;
        // A rule of a firewall is made for networks: one client speaks for its neighbours, and for nobody else.
        let networks = |clients: &mut dyn Iterator<Item = &Address>| -> BTreeSet<Address> {
            clients.map(|client| client.network()).collect()
        };
        let hit = networks(&mut clients.iter());
        Again {
            tried: !known.is_empty(),
            working,
            by_anybody: known.values().any(|tried| tried.worked > 0),
            by_the_same: working > 0 && networks(&mut clients.iter().filter(|client| worked(client))) == hit,
            replaced: known.values().any(|tried| tried.heard > 0 || turned_away(tried)),
            shut: known.iter().any(|(client, tried)| {
                (clients.contains(client) || client.is_public() && !place.2.is_public()) && turned_away(tried)
            }),
        }
    }

    fn repaired(&self, theme: Theme) -> bool {
        match theme {
            Theme::Event => false,
            Theme::IsThere => self.replaced,
            Theme::IsOpen => self.shut,
            Theme::DoesNotWork => self.by_the_same,
        }
    }
}

impl Entry {
    /// The side that tells most: the later one where there is one.
    fn shown(&self) -> Option<&Side> {
        self.after.as_ref().or(self.before.as_ref())
    }

    /// It is told with another cause now.
    fn has_other_cause(&self) -> bool {
        self.changes.contains(&"other-cause")
    }

    /// What became of it, in a sentence.
    fn told(&self, words: &Words) -> String {
        let number = |of: fn(&Side) -> u64, side: &Option<Side>| Value::Number(side.as_ref().map_or(0, of));
        let severity = |side: &Option<Side>| Value::Word(side.as_ref().map_or("none", |side| side.severity.name()));
        let clients: fn(&Side) -> u64 = |side| side.clients.count;
        let servers: fn(&Side) -> u64 = |side| side.servers.count;
        let word = |wanted: &[&'static str]| {
            Value::Word(wanted.iter().find(|name| self.changes.contains(name)).copied().unwrap_or("no"))
        };
        let key = match self.state {
            State::New => "diff-new",
            State::NotEvaluable => "diff-not-evaluable",
            State::Gone => "diff-gone",
            State::Worse | State::NotComparable | State::Better | State::Same => "diff-changed",
        };
        let params = Params::from([
            ("basis", Value::Word(self.basis.name())),
            ("severity_change", word(&["more-severe", "less-severe"])),
            ("sureness_change", word(&["surer", "less-sure"])),
            ("severity_was", severity(&self.before)),
            ("severity_is", severity(&self.after)),
            ("clients_was", number(clients, &self.before)),
            ("clients_is", number(clients, &self.after)),
            ("servers_was", number(servers, &self.before)),
            ("servers_is", number(servers, &self.after)),
            ("working", Value::Number(self.paths_working)),
            ("paths", Value::Number(self.paths)),
        ]);
        let mut sentences = vec![words.say(key, &params)];
        if let Some(before) = self.before.as_ref().filter(|_| self.has_other_cause()) {
            let title = Value::Text(before.title.clone());
            sentences.push(words.say("diff-other-cause", &Params::from([("title", title)])));
        }
        sentences.extend(self.moved.told(self.theme, words));
        sentences.join(" ")
    }
}

/// Maximum number of hosts and networks that are named in a sentence.
const HOSTS_SHOWN: usize = 4;

impl Moved {
    /// Who is hit now, for whom it is repaired, and of whom that is not known, in a sentence each.
    fn told(&self, theme: Theme, words: &Words) -> Vec<String> {
        let repaired = if theme == Theme::DoesNotWork { "answered" } else { "not-there" };
        let open = if theme == Theme::DoesNotWork { "not-answered" } else { "not-shown" };
        let mut sentences = Vec::new();
        let mut say = |how, mut hosts: Vec<String>| {
            let more = hosts.len().saturating_sub(HOSTS_SHOWN) as u64;
            hosts.truncate(HOSTS_SHOWN);
            let hosts = Value::Text(hosts.join(", "));
            let params = [("how", Value::Word(how)), ("hosts", hosts), ("more", Value::Number(more))];
            sentences.push(words.say("diff-moved", &Params::from(params)));
        };
        let hosts = |hit: &Hit| hit.told(words);
        let mut hit_now = hosts(&self.hit_now);
        hit_now.extend(self.ports.iter().map(|&port| port_name(port)));
        for (how, hosts) in [("hit-now", hit_now), (repaired, hosts(&self.repaired)), (open, hosts(&self.not_shown))] {
            if !hosts.is_empty() {
                say(how, hosts);
            }
        }
        if self.paths_worked_before > 0 {
            let number = Value::Number(self.paths_worked_before);
            sentences.insert(
                usize::from(self.anybody_named()),
                words.say("diff-worked-before", &Params::from([("paths", number)])),
            );
        }
        if self.none_tried_before {
            sentences.insert(1, words.say("diff-none-tried-before", &Params::default()));
        }
        if self.in_part {
            sentences.push(words.say("diff-in-part", &Params::default()));
        }
        sentences
    }

    fn anybody_named(&self) -> bool {
        !self.hit_now.is_empty() || !self.ports.is_empty()
    }
}

impl Hit {
    /// Servers, then clients: a network where nobody else of it is hit, otherwise the addresses.
    fn told(&self, words: &Words) -> Vec<String> {
        let ranges = |hosts: &BTreeSet<Address>| Hosts::of(hosts.iter().copied()).ranges(usize::MAX).ranges;
        let server = |range: &Range| {
            let params = [("server", Value::Text(range.short())), ("number", Value::Number(range.addresses() as u64))];
            words.say("diff-server", &Params::from(params))
        };
        let mut told: Vec<String> = ranges(&self.servers).iter().map(server).collect();
        let mut networks: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
        for &client in &self.clients {
            networks.entry(client.network()).or_default().insert(client);
        }
        for (network, clients) in networks {
            if clients.len() > 1 && clients.is_subset(&self.far) {
                let bits = if network.is_v4() { 24 } else { 64 };
                let params = [
                    ("network", Value::Text(format!("{network}/{bits}"))),
                    ("clients", Value::Number(clients.len() as u64)),
                ];
                told.push(words.say("diff-network", &Params::from(params)));
            } else {
                told.extend(ranges(&clients).iter().map(Range::short));
            }
        }
        told
    }
}

/// Maximum number of entries that are written out for people.
const SHOWN: usize = 20;
/// Maximum number of entries that are the same and named.
const SAME_SHOWN: usize = 5;

/// For people, on about one screen.
///
/// # Errors
/// What writing gives.
pub fn write_diff_text(out: &mut impl Write, diff: &Diff<'_>, words: &Words, look: Look) -> io::Result<()> {
    let mut page = Page::new(out, words, look);
    for (key, told) in [("diff-before", diff.before), ("diff-after", diff.after)] {
        let label = format!("{:<8}", page.label(key));
        page.paragraph(&heading(told, words), &label, "        ")?;
        if let Some(line) = &told.quality.line {
            page.paragraph(line, "        ", "        ")?;
        }
    }
    writeln!(page.out)?;
    if diff.captures == Captures::NothingInCommon {
        let count = |problems: Option<usize>, findings: usize| Value::Number(problems.unwrap_or(findings) as u64);
        let [was, is] =
            [diff.before, diff.after].map(|told| count(told.problems.as_ref().map(Vec::len), told.findings.len()));
        let text = page.say("diff-nothing-in-common", [("was", was), ("is", is)]);
        return page.paragraph(&text, "", "");
    }
    if diff.problems.is_none() {
        page.paragraph(&page.label("diff-findings-only"), "", "")?;
    }
    let entries = diff.entries();
    let count = |state: State| entries.iter().filter(|entry| entry.state == state).count() as u64;
    let parts = State::ALL.into_iter().map(|state| (state, count(state))).filter(|(_, count)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(state, count)| {
            page.say("diff-count", [("state", Value::Word(state.name())), ("number", Value::Number(count))])
        })
        .collect();
    let worse = Value::Number(count(State::New) + count(State::Worse));
    let in_part = Value::Number(count(State::NotComparable));
    let all = Value::Number(entries.len() as u64);
    let verdict = page.say("diff-verdict", [("worse", worse), ("in_part", in_part), ("all", all)]);
    let counts = if parts.is_empty() { String::new() } else { format!(" {}.", parts.join(", ")) };
    for line in page.wrap(&format!("{verdict}{counts}"), "", "").lines() {
        let line = page.styled(BOLD, line);
        writeln!(page.out, "{line}")?;
    }
    let changed = |entry: &&Entry| entry.state != State::Same;
    for entry in entries.iter().filter(changed).take(SHOWN) {
        writeln!(page.out)?;
        let Some(side) = entry.shown() else { continue };
        let state = page.say("diff-state", [("state", Value::Word(entry.state.name()))]);
        let severity = page.styled(severity_style(side.severity), &severity_word(side.severity, words));
        writeln!(page.out, "{state} {severity}")?;
        page.paragraph(&side.title, "   ", "   ")?;
        page.paragraph(&entry.told(words), "   ", "   ")?;
    }
    let further = entries.iter().filter(changed).count().saturating_sub(SHOWN);
    if further > 0 {
        let text = page.say("diff-further", [("number", Value::Number(further as u64))]);
        writeln!(page.out)?;
        page.paragraph(&text, "", "")?;
    }
    let same: Vec<&Entry> = entries.iter().filter(|entry| entry.state == State::Same).collect();
    if !same.is_empty() {
        let title = page.say("diff-state", [("state", Value::Word(State::Same.name()))]);
        writeln!(page.out, "\n{title}:")?;
        for entry in same.iter().take(SAME_SHOWN) {
            let Some(side) = entry.shown() else { continue };
            page.paragraph(&side.title, "   ", "      ")?;
            if !entry.moved.not_shown.is_empty() || entry.has_other_cause() {
                page.paragraph(&entry.told(words), "      ", "      ")?;
            }
        }
        if let Some(more @ 1..) = same.len().checked_sub(SAME_SHOWN) {
            let text = page.say("diff-further", [("number", Value::Number(more as u64))]);
            page.paragraph(&text, "   ", "   ")?;
        }
    }
    Ok(())
}

/// What was compared, in a line.
fn heading(told: &Told, words: &Words) -> String {
    let packets = told.captures.iter().map(|capture| capture.packets).sum();
    let first = told.captures.iter().filter_map(|capture| capture.first.as_deref()).min().unwrap_or("none");
    let names = match told.captures.as_slice() {
        [one] if one.name != told.name => one.name.clone(),
        [_] | [] => String::new(),
        many => names::count(many.len() as u64, "capture"),
    };
    let params = [
        ("name", Value::Text(told.name.clone())),
        ("captures", Value::Text(names.clone())),
        ("named", Value::Word(if names.is_empty() { "no" } else { "yes" })),
        ("packets", Value::Number(packets)),
        ("first", Value::Text(first.split('.').next().unwrap_or(first).trim_end_matches('Z').replace('T', " "))),
    ];
    words.say("diff-heading", &Params::from(params))
}

/// One JSON document.
///
/// # Errors
/// What writing gives.
pub fn write_diff_json(out: &mut impl Write, diff: &Diff<'_>, words: &Words) -> io::Result<()> {
    let totals = |list: &[Entry]| {
        let count = |state: State| list.iter().filter(|entry| entry.state == state).count();
        State::ALL.into_iter().map(|state| (state.name(), count(state))).collect::<BTreeMap<_, _>>()
    };
    let document = Document {
        schema: SCHEMA,
        program: Program { name: "cap-audit", version: env!("CARGO_PKG_VERSION") },
        before: told_side(diff.before),
        after: told_side(diff.after),
        captures: diff.captures.name(),
        compared: if diff.problems.is_some() { "problems" } else { "findings" },
        totals: totals(diff.entries()),
        problems: diff.problems.as_deref().map(|list| told_entries(list, words)),
        findings: told_entries(&diff.findings, words),
    };
    write_document(out, &document)
}

fn told_side(told: &Told) -> ToldReport<'_> {
    ToldReport {
        name: &told.name,
        captures: &told.captures,
        port_map: format!("{} {}", told.map.name, told.map.version),
        quality: &told.quality,
        problems: told.problems.as_ref().map(Vec::len),
        findings: told.findings.len(),
    }
}

fn told_entries<'a>(entries: &'a [Entry], words: &Words) -> Vec<ToldEntry<'a>> {
    let told = |entry: &'a Entry| ToldEntry {
        id: &entry.id,
        what: &entry.what,
        state: entry.state.name(),
        basis: entry.basis.name(),
        changes: &entry.changes,
        hit_now_not_before: HitNow {
            hit: &entry.moved.hit_now,
            ports: &entry.moved.ports,
            paths_worked_before: entry.moved.paths_worked_before,
        },
        repaired: &entry.moved.repaired,
        not_shown_repaired: &entry.moved.not_shown,
        paths: entry.paths,
        paths_working: entry.paths_working,
        before: entry.before.as_ref(),
        after: entry.after.as_ref(),
        explanation: entry.told(words),
    };
    entries.iter().map(told).collect()
}

fn severity<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(severity.name())
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'a str,
    program: Program,
    before: ToldReport<'a>,
    after: ToldReport<'a>,
    /// Whether both are of the same captures.
    captures: &'a str,
    /// What `totals` counts.
    compared: &'a str,
    totals: BTreeMap<&'a str, usize>,
    problems: Option<Vec<ToldEntry<'a>>>,
    findings: Vec<ToldEntry<'a>>,
}

#[derive(Serialize)]
struct ToldReport<'a> {
    name: &'a str,
    captures: &'a [CaptureTold],
    port_map: String,
    quality: &'a QualityTold,
    problems: Option<usize>,
    findings: usize,
}

#[derive(Serialize)]
struct ToldEntry<'a> {
    id: &'a str,
    /// The cause of a problem, the code of a finding.
    what: &'a str,
    state: &'a str,
    basis: &'a str,
    changes: &'a [&'static str],
    hit_now_not_before: HitNow<'a>,
    repaired: &'a Hit,
    not_shown_repaired: &'a Hit,
    paths: u64,
    paths_working: u64,
    before: Option<&'a Side>,
    after: Option<&'a Side>,
    explanation: String,
}

#[derive(Serialize)]
struct HitNow<'a> {
    #[serde(flatten)]
    hit: &'a Hit,
    #[serde(serialize_with = "ports")]
    ports: &'a BTreeSet<(u8, u16)>,
    /// Of the paths that are new, those that worked before.
    paths_worked_before: u64,
}

fn ports<S: Serializer>(ports: &BTreeSet<(u8, u16)>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ports.iter().map(|&port| port_name(port)))
}

fn port_name((number, port): (u8, u16)) -> String {
    format!("{}/{port}", if number == protocol::UDP { "udp" } else { "tcp" })
}

fn addresses<S: Serializer>(addresses: &BTreeSet<Address>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(addresses.iter().map(|address| address.ip()))
}
