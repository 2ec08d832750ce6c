//! The signs, each a small function over the facts.

use super::Form;
use super::facts::{Alive, Facet, Facts, Pairing, Reset, hops, outside, same_hops};
use crate::finding::{Params, Value};
use crate::flow::Hints;
use crate::ledger::{Habits, Voice};
use crate::packet::Address;
use crate::transport::Transport;
use std::collections::BTreeSet;

/// Maximum difference of times to live that routes of one server differ by.
const ROUTES: u8 = 2;
/// Minimum time of an answer in microseconds that is long enough to be compared with another.
const FAR: u32 = 1_000;
/// Minimum number of answers of a server that show a habit.
const HABIT: u64 = 2;
/// Minimum number of answers of a server of which the shortest time is told.
const SEVERAL: u64 = 3;
/// How many times as long an answer takes that clearly takes longer.
const CLEARLY: u32 = 4;
/// Minimum number of servers, or of clients of a network, that are many.
const MANY: usize = 3;

fn range_text(numbers: impl Iterator<Item = u8>) -> Value {
    let all: BTreeSet<u8> = numbers.collect();
    Value::Text(match (all.first(), all.last()) {
        (Some(first), Some(last)) if first == last => first.to_string(),
        (Some(first), Some(last)) => format!("{first}-{last}"),
        _ => String::new(),
    })
}

fn ttls(pairs: &[Pairing]) -> Params {
    Params::from([
        ("ttl", range_text(pairs.iter().map(|(reset, _)| reset.headers.ttl))),
        ("own", range_text(pairs.iter().flat_map(|(_, own)| [own.ttl.0, own.ttl.1]))),
    ])
}

fn millis(micros: u32) -> Value {
    Value::Text(format!("{:.2}", f64::from(micros) / 1_000.0))
}

fn delays(pairs: &[Pairing]) -> Params {
    let delay = pairs.iter().filter_map(|(reset, _)| reset.delay).min().unwrap_or(0);
    let own = pairs.iter().filter_map(|(_, own)| own.delay).min().unwrap_or(0);
    Params::from([("delay", millis(delay)), ("own", millis(own))])
}

// Resets that come in the name of a server.

pub(super) fn server_went_on(facts: &Facts<'_>) -> Option<Params> {
    let flows = facts.resets().filter(|(_, reset)| reset.headers.hints.has(Hints::WENT_ON)).count() as u64;
    (flows > 0).then(|| Params::from([("flows", Value::Number(flows))]))
}

pub(super) fn reset_ttl(facts: &Facts<'_>) -> Option<Params> {
    let differs = |reset: &Reset, own: &Voice| {
        let far = outside(reset.headers.ttl, own.ttl) > ROUTES && !same_hops(reset.headers.ttl, own.ttl);
        Some(far && !is_local(reset, own))
    };
    facts.every(differs, ttls)
}

/// It was sent on the link that was captured, where the server is not: no choice of routes does that.
fn is_local(reset: &Reset, own: &Voice) -> bool {
    hops(reset.headers.ttl) == 0 && hops(own.ttl.0) > 0 && hops(own.ttl.1) > 0
}

pub(super) fn reset_ttl_local(facts: &Facts<'_>) -> Option<Params> {
    facts.every(|reset, own| Some(is_local(reset, own)), ttls)
}

pub(super) fn reset_ttl_near(facts: &Facts<'_>) -> Option<Params> {
    let near = |reset: &Reset, own: &Voice| {
        let steady = own.ttl.0 == own.ttl.1 && own.flows >= HABIT;
        let near = (1..=ROUTES).contains(&outside(reset.headers.ttl, own.ttl));
        Some(steady && near && !is_local(reset, own))
    };
    facts.every(near, ttls)
}

pub(super) fn reset_ttl_start(facts: &Facts<'_>) -> Option<Params> {
    let start = |reset: &Reset, own: &Voice| {
        Some(outside(reset.headers.ttl, own.ttl) > ROUTES && same_hops(reset.headers.ttl, own.ttl))
    };
    facts.every(start, ttls)
}

pub(super) fn reset_ttl_same(facts: &Facts<'_>) -> Option<Params> {
    facts.every(|reset, own| Some(outside(reset.headers.ttl, own.ttl) == 0), ttls)
}

pub(super) fn reset_fast(facts: &Facts<'_>) -> Option<Params> {
    // The first answer of a server may take longer than the others, and one is chance.
    let known = |own: &Voice| own.delay.filter(|&delay| delay >= FAR && own.flows >= SEVERAL);
    facts.every(|reset, own| Some(reset.delay? < known(own)? / CLEARLY), delays)
}

pub(super) fn reset_delay_same(facts: &Facts<'_>) -> Option<Params> {
    facts.every(|reset, own| Some(reset.delay? >= own.delay.filter(|&own| own >= FAR)? / 10 * 9), delays)
}

/// Of a server whose answers are all without an identification, or all with one: which of the two.
fn identified(own: &Voice) -> Option<bool> {
    let habit = |habit| own.habits.has(habit);
    let steady = habit(Habits::IDENTIFICATION) != habit(Habits::NO_IDENTIFICATION) && own.flows >= HABIT;
    steady.then(|| habit(Habits::IDENTIFICATION))
}

/// Whether the identification of resets of attempts is there, or missing, as in the server's answers. A reset in a connection may
/// carry one although the SYN-ACK does not.
fn compare_identification(facts: &Facts<'_>, wanted: bool) -> Option<Params> {
    if facts.form != Form::Refused {
        return None;
    }
    let compare = |reset: &Reset, own: &Voice| {
        let like_own = (reset.headers.identification != 0) == identified(own)?;
        Some(like_own == wanted)
    };
    facts.every(compare, |pairs| {
        let zero = pairs.iter().any(|(_, own)| own.habits.has(Habits::NO_IDENTIFICATION));
        Params::from([("own", Value::Word(if zero { "zero" } else { "set" }))])
    })
}

pub(super) fn reset_identification(facts: &Facts<'_>) -> Option<Params> {
    compare_identification(facts, false)
}

pub(super) fn reset_identification_same(facts: &Facts<'_>) -> Option<Params> {
    compare_identification(facts, true)
}

/// All resets have a hint.
fn hinted(facts: &Facts<'_>, hint: u8) -> Option<Params> {
    let mut resets = facts.resets().peekable();
    resets.peek()?;
    resets.all(|(_, reset)| reset.headers.hints.has(hint)).then(Params::default)
}

pub(super) fn reset_copies_identification(facts: &Facts<'_>) -> Option<Params> {
    hinted(facts, Hints::COPIED_IDENTIFICATION)
}

pub(super) fn reset_copies_window(facts: &Facts<'_>) -> Option<Params> {
    hinted(facts, Hints::COPIED_WINDOW)
}

pub(super) fn reset_numbers(facts: &Facts<'_>) -> Option<Params> {
    hinted(facts, Hints::ODD_NUMBERS)
}

pub(super) fn reset_options(facts: &Facts<'_>) -> Option<Params> {
    if facts.form != Form::ResetEarly {
        return None;
    }
    let lacks = |reset: &Reset, own: &Voice| {
        let always = own.habits.has(Habits::RESET_WITH_OPTIONS) && !own.habits.has(Habits::BARE_RESET);
        always.then(|| !reset.headers.hints.has(Hints::OPTIONS))
    };
    facts.every(lacks, |_| Params::default())
}

pub(super) fn reset_after_greeting(facts: &Facts<'_>) -> Option<Params> {
    if facts.form != Form::ResetEarly {
        return None;
    }
    let after = facts.servers.iter().filter_map(|it| it.seen.reset_after);
    let (shortest, longest) = after.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))?;
    Some(Params::from([("shortest", Value::Duration(shortest)), ("longest", Value::Duration(longest))]))
}

// ICMP errors.

pub(super) fn icmp_device(facts: &Facts<'_>) -> Option<Params> {
    facts.errors(|it, error| error.sender != it.server && (error.is_policy() || error.is_port()))
}

pub(super) fn icmp_not_server(facts: &Facts<'_>) -> Option<Params> {
    icmp_device(facts)
}

pub(super) fn icmp_policy_of_server(facts: &Facts<'_>) -> Option<Params> {
    facts.errors(|it, error| error.sender == it.server && error.is_policy())
}

/// TCP answers a port where nothing listens with a reset (RFC 9293, 3.10.7.1); packet filters answer with ICMP (facts FORGED-02).
pub(super) fn icmp_instead_of_reset(facts: &Facts<'_>) -> Option<Params> {
    let tcp = facts.transport == Transport::Tcp;
    facts.errors(|it, error| tcp && error.sender == it.server && error.is_port())
}

pub(super) fn icmp_port_closed(facts: &Facts<'_>) -> Option<Params> {
    let udp = facts.transport == Transport::Udp;
    facts.errors(|it, error| udp && error.sender == it.server && error.is_port())
}

pub(super) fn icmp_no_host(facts: &Facts<'_>) -> Option<Params> {
    facts.errors(|it, error| error.sender != it.server && error.is_no_host() && it.alive.is_none())
}

pub(super) fn icmp_no_host_for_some(facts: &Facts<'_>) -> Option<Params> {
    facts.errors(|it, error| error.sender != it.server && error.is_no_host() && it.alive.is_some())
}

pub(super) fn icmp_no_route(facts: &Facts<'_>) -> Option<Params> {
    facts.errors(|it, error| error.sender != it.server && error.is_no_route())
}

fn distances(facts: &Facts<'_>, wanted: impl Fn(u8, u8) -> bool) -> Option<Params> {
    let distances = facts.distances();
    let all = !distances.is_empty() && distances.iter().all(|&(error, own)| wanted(error, own));
    all.then(|| {
        Params::from([
            ("ttl", range_text(distances.iter().map(|&(error, _)| error))),
            ("own", range_text(distances.iter().map(|&(_, own)| own))),
        ])
    })
}

pub(super) fn icmp_nearer(facts: &Facts<'_>) -> Option<Params> {
    icmp_device(facts)?;
    distances(facts, |error, own| error < own)
}

pub(super) fn icmp_ttl(facts: &Facts<'_>) -> Option<Params> {
    facts.errors(|it, error| error.sender == it.server)?;
    distances(facts, |error, own| error.abs_diff(own) > ROUTES)
}

pub(super) fn icmp_ttl_same(facts: &Facts<'_>) -> Option<Params> {
    facts.errors(|it, error| error.sender == it.server)?;
    distances(facts, |error, own| error == own)
}

pub(super) fn icmp_several_servers(facts: &Facts<'_>) -> Option<Params> {
    let params = icmp_device(facts)?;
    let senders = facts.senders(|_, _| true);
    let servers: BTreeSet<Address> = facts.servers.iter().map(|it| it.server).collect();
    (senders.len() == 1 && servers.len() > 1).then(|| params.with("number", Value::Number(servers.len() as u64)))
}

// Silence, and who breaks it.

pub(super) fn unanswered_requests(facts: &Facts<'_>) -> Option<Params> {
    let silent = matches!(facts.form, Form::Silent | Form::Prohibited);
    let all = silent && facts.each_server(|it| it.requests > 0);
    all.then(|| {
        let of_server = |all: &Vec<&Facet<'_>>| all.iter().map(|it| it.requests).max().unwrap_or(0);
        let requests = facts.by_server().values().map(of_server).sum();
        let servers = facts.named(facts.servers.iter().map(|it| it.server));
        Params::from([("servers", servers), ("requests", Value::Number(requests))])
    })
}

pub(super) fn never_heard(facts: &Facts<'_>) -> Option<Params> {
    let silent = matches!(facts.form, Form::Silent | Form::Prohibited) && !facts.forgotten && !facts.unheard_unknown;
    let said = |it: &Facet<'_>| it.heard || it.errors().any(|error| error.sender == it.server);
    let none = silent && !facts.servers.is_empty() && !facts.servers.iter().any(said);
    none.then(|| Params::from([("servers", facts.named(facts.servers.iter().map(|it| it.server)))]))
}

/// All servers answered on other ports.
fn all_alive(facts: &Facts<'_>, wanted: Alive) -> Option<Params> {
    // What a router says of a host, or of the way to it, is weighed with this already.
    let rejected = icmp_device(facts).or_else(|| facts.errors(|it, error| error.sender == it.server)).is_some();
    if facts.form != Form::Silent && !rejected {
        return None;
    }
    let of_server = |all: &Vec<&Facet<'_>>| all.iter().filter_map(|it| it.alive).map(|(alive, _)| alive).max();
    let least = facts.by_server().values().map(of_server).min()??;
    let (_, (transport, port)) = facts.servers.iter().find_map(|it| it.alive)?;
    (least == wanted).then(|| {
        Params::from([
            ("servers", facts.named(facts.servers.iter().map(|it| it.server))),
            ("transport", Value::Transport(transport)),
            ("port", Value::Number(port.into())),
        ])
    })
}

pub(super) fn alive(facts: &Facts<'_>) -> Option<Params> {
    all_alive(facts, Alive::Meanwhile)
}

pub(super) fn alive_before_and_after(facts: &Facts<'_>) -> Option<Params> {
    all_alive(facts, Alive::BeforeAndAfter)
}

pub(super) fn many_servers(facts: &Facts<'_>) -> Option<Params> {
    alive(facts)?;
    let servers: BTreeSet<Address> = facts.servers.iter().map(|it| it.server).collect();
    let many = facts.form == Form::Silent && servers.len() >= MANY;
    many.then(|| Params::from([("number", Value::Number(servers.len() as u64))]))
}

pub(super) fn answers_others(facts: &Facts<'_>) -> Option<Params> {
    let complete = facts.servers.iter().all(|it| !it.finding.more_clients);
    let others: BTreeSet<Address> = facts.servers.iter().flat_map(|it| it.others.iter().copied()).collect();
    let all = complete && facts.each_server(|it| !it.others.is_empty());
    let form = matches!(facts.form, Form::Silent | Form::Refused | Form::Prohibited);
    (all && form).then(|| Params::from([("others", Value::Number(others.len() as u64))]))
}

pub(super) fn neighbours_answer(facts: &Facts<'_>) -> Option<Params> {
    let failing: BTreeSet<Address> = facts.servers.iter().map(|it| it.server).collect();
    let others: BTreeSet<Address> =
        facts.servers.iter().flat_map(|it| it.neighbours.difference(&failing).copied()).collect();
    let all = facts.each_server(|it| it.neighbours.difference(&failing).next().is_some());
    let form = matches!(facts.form, Form::Silent | Form::Refused);
    (form && all).then(|| Params::from([("others", facts.named(others))]))
}

/// Sessions on the very port, of each server, that began before and went on after: what keeps a table of sessions lets them live.
pub(super) fn old_sessions_go_on(facts: &Facts<'_>) -> Option<Params> {
    let all = facts.form == Form::Silent && facts.each_server(|it| it.old_sessions > 0);
    let of_server = |all: &Vec<&Facet<'_>>| all.iter().map(|it| it.old_sessions).sum::<u64>();
    all.then(|| Params::from([("flows", Value::Number(facts.by_server().values().map(of_server).sum()))]))
}

/// All servers were heard of in the meantime or right before, though not by answers to others.
pub(super) fn up(facts: &Facts<'_>) -> Option<Params> {
    let answers = |it: &Facet<'_>| it.alive.is_some() || !it.others.is_empty() || it.old_sessions > 0;
    let quiet = facts.form == Form::Silent && !facts.servers.iter().any(answers);
    (quiet && facts.each_server(|it| it.up))
        .then(|| Params::from([("servers", facts.named(facts.servers.iter().map(|it| it.server)))]))
}

/// Networks that fail as wholes, not known to reach other servers of the same network.
pub(super) fn whole_networks(facts: &Facts<'_>) -> Option<Params> {
    failing_networks(facts).filter(|_| neighbours_answer(facts).is_none())
}

/// Networks that fail as wholes at these servers and reach others of the same network.
pub(super) fn whole_networks_that_reach_neighbours(facts: &Facts<'_>) -> Option<Params> {
    failing_networks(facts).filter(|_| neighbours_answer(facts).is_some())
}

/// Networks of which many clients fail and none is answered, while others are answered by the same servers in the meantime.
fn failing_networks(facts: &Facts<'_>) -> Option<Params> {
    let cut = facts.servers.iter().any(|it| it.cut || it.finding.more_clients);
    let form = matches!(facts.form, Form::Silent | Form::Refused | Form::ResetEarly);
    if cut || !form || !facts.each_server(|it| !it.others.is_empty()) {
        return None;
    }
    let networks = facts.clients_by_network();
    let fails = |network: &Address| facts.servers.iter().all(|it| !it.answered_networks.contains(network));
    let whole = networks.iter().all(|(network, clients)| clients.len() >= MANY && fails(network));
    let others: BTreeSet<Address> = facts.servers.iter().flat_map(|it| it.others.iter().copied()).collect();
    (whole && !networks.is_empty()).then(|| {
        let names: Vec<String> = networks.keys().map(|network| network_name(*network)).collect();
        let servers = facts.named(facts.servers.iter().map(|it| it.server));
        let params = Params::from([("networks", Value::Text(names.join(", "))), ("servers", servers)]);
        params.with("others", Value::Number(others.len() as u64))
    })
}

fn network_name(network: Address) -> String {
    format!("{network}/{}", if network.is_v4() { 24 } else { 64 })
}

// Half a handshake.

pub(super) fn not_acknowledged(facts: &Facts<'_>) -> Option<Params> {
    (facts.form == Form::HalfOpen).then(|| {
        let flows = facts.servers.iter().map(|it| it.seen.flows).sum();
        let servers = facts.named(facts.servers.iter().map(|it| it.server));
        Params::from([("servers", servers), ("flows", Value::Number(flows))])
    })
}

/// The time to live that no router has changed yet, where all of one side's packets have it.
fn untouched(facts: &Facts<'_>, side: fn(&Voice) -> (u8, u8)) -> Option<Params> {
    if facts.form != Form::HalfOpen {
        return None;
    }
    let mut ttls = BTreeSet::new();
    for it in &facts.servers {
        for sign in &it.seen.signs {
            let (lowest, highest) = side(&it.own(sign.opener.capture)?);
            let start = lowest == highest && hops(lowest) == 0;
            start.then(|| ttls.insert(lowest))?;
        }
    }
    (!ttls.is_empty()).then(|| Params::from([("ttl", range_text(ttls.into_iter()))]))
}

pub(super) fn captured_at_client(facts: &Facts<'_>) -> Option<Params> {
    untouched(facts, |voice| voice.client_ttl)
}

pub(super) fn captured_at_server(facts: &Facts<'_>) -> Option<Params> {
    // Where both are untouched, the client is a neighbour, and got it.
    untouched(facts, |voice| voice.client_ttl).is_none().then(|| untouched(facts, |voice| voice.ttl)).flatten()
}
