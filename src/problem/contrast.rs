//! What works while a problem lasts: the nearest first, because it says most about what does not.

use super::replies::{Replies, Reply, numbers};
use super::{Contrast, Hosts, Problem, Works};
use crate::packet::{Address, protocol};
use crate::time::{Span, Timestamp};
use crate::transport::Transport;
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of entries.
const MOST: usize = 3;
/// How long before a problem and after it others may have worked to be told beside it.
const NEAR: Span = Span::seconds(60);

/// Flows that worked.
#[derive(Default)]
struct Sum {
    clients: BTreeSet<Address>,
    servers: BTreeSet<Address>,
    flows: u64,
    last: Option<Timestamp>,
}

impl Sum {
    fn add(&mut self, reply: &Reply) {
        self.clients.insert(reply.path.client);
        self.servers.insert(reply.path.server);
        self.flows += reply.answers.map_or(0, |answers| answers.flows);
        self.last = self.last.max(reply.answers.map(|answers| answers.last));
    }
}

type Port = (Transport, u16);

/// What works, by how it differs and by port. Nobody is among them who is hit on that very path, and nothing that lies before or after.
/// A session has to come of it where the handshake is not what fails.
pub(super) fn works(replies: &Replies, problem: &Problem, needs_session: bool) -> Vec<Works> {
    let Some((first, last)) = problem.first.zip(problem.last) else { return Vec::new() };
    // At the same place only what was answered in between counts: before it may have been whole, and afterwards repaired.
    let counts = |reply: &Reply, same_place: bool| {
        let session = !needs_session || reply.worked.is_some_and(|began| began >= first);
        let near = if same_place { Span::default() } else { NEAR };
        let in_time = reply.within(first + Span(-near.0), last + near);
        in_time && session && !replies.is_hit(&reply.path)
    };
    let mut sums: BTreeMap<(Contrast, Port), Sum> = BTreeMap::new();
    for &port in &problem.ports {
        let Some(number) = numbers(port) else { continue };
        for reply in replies.at_port(number) {
            let same_server = problem.servers.contains(reply.path.server);
            if !counts(reply, same_server) {
                continue;
            }
            let same_client = problem.clients.contains(reply.path.client);
            let contrast = match (same_server, same_client) {
                (true, false) => Contrast::OtherClients,
                (false, true) => Contrast::OtherServers,
                (false, false) => Contrast::Elsewhere,
                // Hit on another server of the problem.
                (true, true) => continue,
            };
            // Clients that are not named may be among them.
            if contrast == Contrast::OtherClients && problem.clients.more {
                continue;
            }
            sums.entry((contrast, port)).or_default().add(reply);
        }
    }
    let others = problem.servers.iter().flat_map(|server| replies.of_server(server));
    let by_same_client = |reply: &&Reply| problem.clients.contains(reply.path.client) && counts(reply, false);
    for reply in others.filter(by_same_client) {
        let transport = if reply.path.protocol == protocol::UDP { Transport::Udp } else { Transport::Tcp };
        let port = (transport, reply.path.port);
        if !problem.ports.contains(&port) {
            sums.entry((Contrast::OtherPort, port)).or_default().add(reply);
        }
    }
    for &port in &problem.ports {
        if let Some(sum) = earlier(replies, problem, port, needs_session).filter(|_| !reached(&sums)) {
            sums.insert((Contrast::Earlier, port), sum);
        }
    }
    // One port for each contrast: that with the most flows, the lowest among equals.
    let mut best: BTreeMap<Contrast, (Port, Sum)> = BTreeMap::new();
    for ((contrast, port), sum) in sums {
        if best.get(&contrast).is_none_or(|(_, known)| sum.flows > known.flows) {
            best.insert(contrast, (port, sum));
        }
    }
    // What works for others elsewhere says nothing more where it works for others here.
    if best.contains_key(&Contrast::OtherClients) {
        best.remove(&Contrast::Elsewhere);
    }
    let entry = |(contrast, (port, sum)): (Contrast, (Port, Sum))| {
        let Sum { clients, servers, flows, last } = sum;
        let until = last.filter(|_| contrast == Contrast::Earlier);
        Works { contrast, clients: Hosts::of(clients), servers: Hosts::of(servers), port, flows, until }
    };
    best.into_iter().take(MOST).map(entry).collect()
}

/// Others reach the same servers at that time.
fn reached(sums: &BTreeMap<(Contrast, Port), Sum>) -> bool {
    sums.keys().any(|(contrast, _)| *contrast == Contrast::OtherClients)
}

/// What the servers of a problem answered on a port before it began, where they answered nobody there since.
fn earlier(replies: &Replies, problem: &Problem, port: Port, needs_session: bool) -> Option<Sum> {
    let first = problem.first?;
    let mut sum = Sum::default();
    for server in problem.servers.iter() {
        for reply in replies.at_server(numbers(port)?, server) {
            let answers = reply.answers?;
            if answers.last >= first {
                return None;
            }
            if !needs_session || reply.worked.is_some() {
                sum.add(reply);
            }
        }
    }
    (sum.flows > 0).then_some(sum)
}

/// Each server of a problem has another one in its network that answers the same clients on the same port.
pub(super) fn neighbours_answer(problem: &Problem) -> bool {
    let others = problem.works.iter().filter(|works| works.contrast == Contrast::OtherServers);
    let networks: BTreeSet<Address> = others.flat_map(|works| works.servers.iter()).map(Address::network).collect();
    !problem.servers.is_empty() && problem.servers.iter().all(|server| networks.contains(&server.network()))
}

/// How many servers of a problem ever answered anybody on one of its ports; none where not every answer is known.
pub(super) fn servers_answered(replies: &Replies, problem: &Problem) -> Option<usize> {
    let ports: Vec<(u8, u16)> = problem.ports.iter().filter_map(|&port| numbers(port)).collect();
    let whole = problem.works_complete && ports.len() == problem.ports.len() && !ports.is_empty();
    let answered = |server: &Address| ports.iter().any(|&port| replies.ever_spoke(port, *server));
    whole.then(|| problem.servers.iter().filter(answered).count())
}
