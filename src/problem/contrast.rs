//! What works while a problem lasts: the nearest first, because it says most about what does not.

use super::replies::{Replies, Reply, numbers};
use super::{Contrast, Hosts, Problem, Works};
use crate::packet::{Address, protocol};
use crate::time::Span;
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
}

impl Sum {
    fn add(&mut self, reply: &Reply) {
        self.clients.insert(reply.path.client);
        self.servers.insert(reply.path.server);
        self.flows += reply.answers.map_or(0, |answers| answers.flows);
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
        let Sum { clients, servers, flows } = sum;
        Works { contrast, clients: Hosts::of(clients), servers: Hosts::of(servers), port, flows }
    };
    best.into_iter().take(MOST).map(entry).collect()
}

/// How many servers of a problem ever answered anybody on one of its ports; none where not every answer is known.
pub(super) fn servers_answered(replies: &Replies, problem: &Problem) -> Option<usize> {
    let ports: Vec<(u8, u16)> = problem.ports.iter().filter_map(|&port| numbers(port)).collect();
    let whole = problem.works_complete && ports.len() == problem.ports.len() && !ports.is_empty();
    let answered = |server: &Address| ports.iter().any(|&port| replies.ever_spoke(port, *server));
    whole.then(|| problem.servers.iter().filter(answered).count())
}
