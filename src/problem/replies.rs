//! Who was answered where, as far as problems ask for it: the contrast to what fails, and signs of life of servers.

use super::Problem;
use crate::finding::{Finding, Scene};
use crate::flow::Showing;
use crate::ledger::{Answers, Pair, Path, Reply as Sent, Seen, Signed, Speaker, Voice};
use crate::packet::{Address, protocol};
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What was answered on the ports and by the servers that findings are about.
pub(super) struct Replies {
    /// By protocol, port, server and client; each path once.
    rows: Vec<Reply>,
    /// The places of the rows of a server that findings are about.
    of_server: BTreeMap<Address, Vec<usize>>,
    /// When a server that findings are about was last heard of, whatever it said. The end of time where that is not known.
    heard: HashMap<Address, Timestamp>,
    /// When clients that are hit were last answered, by whomever.
    active: HashMap<Address, Timestamp>,
    /// Servers that spoke on a port although no path of it was answered as it should be.
    spoke: HashSet<(u8, u16, Address)>,
    /// Servers in whose name something came that somebody else may have sent.
    spoken_for: HashSet<Address>,
    /// Paths that are blocked, for whatever reason.
    hit: HashSet<Path>,
}

/// How long before a problem a server may have been heard of to be called up.
const RIGHT_BEFORE: Span = Span::seconds(10);

/// What was answered on a path.
#[derive(Clone, Copy)]
pub(super) struct Reply {
    pub path: Path,
    /// Flows that were answered, the first and the last of them; none where the captures begin after it.
    pub answers: Option<Answers>,
    /// When the last flow began that carried something both ways.
    pub worked: Option<Timestamp>,
    /// When the last of these flows ended.
    pub ended: Option<Timestamp>,
}

impl Replies {
    pub fn of(scene: &Scene<'_>, findings: &[Finding]) -> Replies {
        let blocked = || findings.iter().filter(|finding| finding.code.starts_with("blocked."));
        let servers: HashSet<Address> = blocked().flat_map(|finding| finding.servers.iter().copied()).collect();
        let ports: HashSet<(u8, u16)> = blocked().filter_map(|finding| numbers(finding.port?)).collect();
        let mut replies = Replies {
            rows: Vec::new(),
            of_server: BTreeMap::new(),
            heard: HashMap::new(),
            active: HashMap::new(),
            spoke: HashSet::new(),
            spoken_for: HashSet::new(),
            hit: blocked().flat_map(paths).collect(),
        };
        if servers.is_empty() {
            return replies;
        }
        let clients: HashSet<Address> = blocked().flat_map(|finding| finding.clients.iter().copied()).collect();
        let paths = &scene.ledger.paths;
        let specific = paths.iter().map(|(path, answered)| {
            let (began, ended) = answered.working.map(|working| (working.began, working.last)).unzip();
            let answered_at = answered.answers.map(|answers| answers.last);
            (Reply { path: *path, answers: answered.answers, worked: began, ended }, answered_at.max(ended))
        });
        let generic = paths.generic().map(|(path, answers)| {
            let reply = Reply { path: *path, answers: Some(*answers), worked: None, ended: None };
            (reply, Some(answers.last))
        });
        // TCP flows by hosts of which it is known when both sides spoke.
        let mut known: HashMap<Pair, u64> = HashMap::new();
        // Paths come by server, and few clients are servers: most need no look at the sets.
        let (lowest, highest) = (servers.iter().min().copied(), servers.iter().max().copied());
        let is_server = |host: &Address| Some(*host) >= lowest && Some(*host) <= highest && servers.contains(host);
        let mut last_server = (Address::default(), false);
        for (reply, last) in specific.chain(generic) {
            let Path { protocol, port, server, client } = reply.path;
            if last_server.0 != server {
                last_server = (server, is_server(&server));
            }
            let (of_server, by_server) = (last_server.1, is_server(&client));
            if protocol == protocol::TCP && (of_server || by_server) {
                *known.entry(Pair::of(server, client)).or_default() += reply.answers.map_or(0, |answers| answers.flows);
            }
            if let Some(answers) = reply.answers.filter(|_| clients.contains(&client)) {
                let last = replies.active.entry(client).or_insert(answers.last);
                *last = answers.last.max(*last);
            }
            if of_server || ports.contains(&(protocol, port)) {
                replies.rows.push(reply);
            }
            for host in [Some(server).filter(|_| of_server), Some(client).filter(|_| by_server)] {
                replies.hear(host, last);
            }
        }
        replies.merge();
        for (place, reply) in replies.rows.iter().enumerate().filter(|(_, reply)| servers.contains(&reply.path.server))
        {
            replies.of_server.entry(reply.path.server).or_default().push(place);
        }
        replies.hear_of_others(scene, findings, &servers, known);
        replies
    }

    /// Rows of one path become one.
    fn merge(&mut self) {
        self.rows.sort_by_key(|reply| reply.path);
        self.rows.dedup_by(|next, kept| {
            let same = next.path == kept.path;
            if same {
                kept.worked = kept.worked.max(next.worked);
                kept.ended = kept.ended.max(next.ended);
                kept.answers = match (kept.answers, next.answers) {
                    (Some(mut mine), Some(theirs)) => {
                        mine += theirs;
                        Some(mine)
                    }
                    (mine, theirs) => mine.or(theirs),
                };
            }
            same
        });
    }

    fn hear(&mut self, host: Option<Address>, at: Option<Timestamp>) {
        if let Some((host, at)) = host.zip(at) {
            let known = self.heard.entry(host).or_insert(at);
            *known = at.max(*known);
        }
    }

    /// Signs of life that are no answer of a service.
    fn hear_of_others(
        &mut self,
        scene: &Scene<'_>,
        findings: &[Finding],
        servers: &HashSet<Address>,
        mut known: HashMap<Pair, u64>,
    ) {
        for (sighting, seen) in scene.ledger.sightings.iter() {
            let Path { protocol, port, server, client } = sighting.path;
            self.hear(Some(client).filter(|host| servers.contains(host)), Some(seen.last));
            let speaks = match sighting.showing {
                Showing::Silence | Showing::NoReply(_) | Showing::Unreachable | Showing::SentToMany => false,
                Showing::Unclear(_) | Showing::Refusal | Showing::Unacknowledged | Showing::EarlyReset => true,
                Showing::Handshake | Showing::Exchange | Showing::Midstream | Showing::OneDirection => true,
            };
            if speaks && servers.contains(&server) {
                *known.entry(Pair::of(server, client)).or_default() += seen.flows;
                let of_server = match sighting.showing {
                    // What cannot be told may have been an answer.
                    Showing::Unclear(_) => false,
                    Showing::Refusal => is_its_own(scene, server, seen),
                    _ => true,
                };
                self.hear(Some(server).filter(|_| of_server), Some(seen.last));
                if !of_server {
                    self.spoken_for.insert(server);
                }
                if !matches!(sighting.showing, Showing::Refusal | Showing::Unclear(_)) {
                    self.spoke.insert((protocol, port, server));
                }
            }
        }
        for finding in findings {
            let errors = finding.seen.iter().flat_map(|seen| seen.errors.iter());
            for &(.., sender) in errors {
                self.hear(Some(sender).filter(|host| servers.contains(host)), finding.last);
            }
        }
        for (&(asked, asker), called) in scene.ledger.neighbours.iter() {
            self.hear(Some(asker).filter(|host| servers.contains(host)), Some(called.last));
            let answered = called.answers > 0 && servers.contains(&asked);
            self.hear(Some(asked).filter(|_| answered), Some(called.last));
        }
        // On ports that no rule names it is only known that both sides spoke, and not when.
        for (pair, directions) in scene.ledger.visibility.hosts().iter().filter(|(_, directions)| directions.both > 0) {
            let (one, other) = pair.both();
            let unknown = directions.both > known.get(pair).copied().unwrap_or(0);
            for host in [one, other].into_iter().filter(|host| unknown && servers.contains(host)) {
                self.hear(Some(host), Some(Timestamp(i64::MAX)));
            }
        }
    }

    /// When a server that findings are about was last heard of.
    pub fn heard(&self, server: Address) -> Option<Timestamp> {
        self.heard.get(&server).copied()
    }

    /// Something came in its name that somebody else may have sent.
    pub fn is_spoken_for(&self, server: Address) -> bool {
        self.spoken_for.contains(&server)
    }

    /// Whether the servers of a problem gave a sign of life since it began, or right before: `all` of them; `before`, where each did at
    /// some time; else `some` or `none` at any time.
    pub fn up(&self, problem: &Problem) -> &'static str {
        let all = problem.servers.count();
        let is_up = |server: &Address| problem.first.is_some_and(|first| self.is_up(*server, first));
        let was_up = |server: &Address| self.heard(*server).is_some();
        match problem.servers.iter().filter(was_up).count() {
            0 => "none",
            _ if problem.servers.iter().all(|server| is_up(&server)) => "all",
            heard if heard == all => "before",
            _ => "some",
        }
    }

    /// A server gave a sign of life after this moment, or right before.
    pub fn is_up(&self, server: Address, since: Timestamp) -> bool {
        self.heard(server).is_some_and(|at| at.0 != i64::MAX && at + RIGHT_BEFORE >= since)
    }

    /// Sessions of every server of a problem, on its ports, that began before it and go on after it. None where a server has none.
    pub fn old_sessions(&self, problem: &Problem) -> bool {
        let Some((first, last)) = problem.first.zip(problem.last) else { return false };
        let is_old =
            |reply: &Reply| reply.worked.is_some_and(|at| at < first) && reply.ended.is_some_and(|at| at > last);
        let ports = || problem.ports.iter().filter_map(|&port| numbers(port));
        let has_one = |server: Address| ports().any(|port| self.at_server(port, server).iter().any(is_old));
        !problem.servers.is_empty() && problem.servers.iter().all(has_one)
    }

    /// A client that is hit was answered, by whomever, at this moment or after it.
    pub fn is_active(&self, client: Address, since: Timestamp) -> bool {
        self.active.get(&client).is_some_and(|last| *last >= since)
    }

    /// More than half of the clients of a problem were answered on its ports by its servers after its last try: where they had failed, or
    /// where they had not been answered before.
    pub fn answered_since(&self, problem: &Problem) -> bool {
        let Some(last) = problem.last else { return false };
        let ports = || problem.ports.iter().filter_map(|&port| numbers(port));
        let rows = problem.servers.iter().flat_map(|server| ports().flat_map(move |port| self.at_server(port, server)));
        let is_new = |reply: &&Reply| {
            let answers = reply.answers.filter(|answers| answers.last > last);
            answers.is_some_and(|answers| self.is_hit(&reply.path) || answers.first > last)
        };
        let since = rows.filter(is_new);
        let clients: HashSet<Address> = since.map(|reply| reply.path.client).collect();
        problem.clients.iter().filter(|client| clients.contains(client)).count() * 2 > problem.clients.count()
    }

    /// At least half of the clients of a problem were answered, by whomever, after this moment.
    pub fn go_on(&self, problem: &Problem, after: Timestamp) -> bool {
        let goes_on = |client: &Address| self.active.get(client).is_some_and(|last| *last > after);
        let active = problem.clients.iter().filter(goes_on).count();
        active > 0 && active * 2 >= problem.clients.count()
    }

    /// Somebody was answered there at some time, or it cannot be said that nobody was.
    pub fn ever_spoke(&self, (protocol, port): (u8, u16), server: Address) -> bool {
        self.spoke.contains(&(protocol, port, server)) || !self.at_server((protocol, port), server).is_empty()
    }

    /// The rows of a port, by server and client.
    pub fn at_port(&self, (protocol, port): (u8, u16)) -> &[Reply] {
        let start = self.rows.partition_point(|row| (row.path.protocol, row.path.port) < (protocol, port));
        let rows = &self.rows[start..];
        &rows[..rows.partition_point(|row| (row.path.protocol, row.path.port) == (protocol, port))]
    }

    /// The rows of a port of a server, by client.
    pub fn at_server(&self, port: (u8, u16), server: Address) -> &[Reply] {
        let rows = self.at_port(port);
        let start = rows.partition_point(|row| row.path.server < server);
        let rows = &rows[start..];
        &rows[..rows.partition_point(|row| row.path.server == server)]
    }

    /// The rows of a server on whatever port.
    pub fn of_server(&self, server: Address) -> impl Iterator<Item = &Reply> {
        self.of_server.get(&server).into_iter().flatten().map(|&place| &self.rows[place])
    }

    /// This path is blocked, whatever else is said of it.
    pub fn is_hit(&self, path: &Path) -> bool {
        self.hit.contains(path)
    }
}

/// The resets came with a time to live that the server's own packets have: a device on the way may send resets in its name.
fn is_its_own(scene: &Scene<'_>, server: Address, seen: &Seen) -> bool {
    let mut resets = seen.signs.iter().filter(|sign| sign.what == Sent::Reset).peekable();
    let like_own = |sign: &Signed| {
        let of_capture = |(speaker, _): &(&Speaker, &Voice)| speaker.capture == sign.opener.capture;
        let mut own = scene.ledger.voices.of(server).filter(of_capture).map(|(_, voice)| voice.ttl);
        own.any(|(lowest, highest)| (lowest..=highest).contains(&sign.headers.ttl))
    };
    resets.peek().is_some() && resets.all(like_own)
}

impl Reply {
    /// Somebody was answered in that time, as far as the first answer and the last tell.
    pub fn within(&self, first: Timestamp, last: Timestamp) -> bool {
        self.answers.is_some_and(|answers| answers.first <= last && answers.last >= first)
    }
}

/// Protocol number and port; none for ICMP, which has no ports.
pub(super) fn numbers((transport, port): (Transport, u16)) -> Option<(u8, u16)> {
    match transport {
        Transport::Tcp => Some((protocol::TCP, port)),
        Transport::Udp => Some((protocol::UDP, port)),
        Transport::Icmp => None,
    }
}

/// The paths of a finding about one port.
fn paths(finding: &Finding) -> impl Iterator<Item = Path> {
    let places = finding.port.and_then(numbers).into_iter();
    places.flat_map(move |(protocol, port)| {
        let servers = finding.servers.iter();
        servers
            .flat_map(move |&server| finding.clients.iter().map(move |&client| Path { protocol, port, server, client }))
    })
}
