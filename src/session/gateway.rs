//! Legs of a session on the port of the web: to the server itself, or to a Gateway that goes on to the server. Nothing that can be read
//! says that a flow inside TLS or DTLS is a session, so it is one only where times, addresses and amounts leave no other choice.

use super::{Gateway, Guide, Part, Role, Session, Tie, Way};
use crate::flow::PacketRef;
use crate::judge::{Judge, Outcome};
use crate::ledger::{Ended, Step};
use crate::packet::{Address, protocol};
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Maximum time from the client's leg to that of the Gateway, which redeems a ticket in between, where an address ties them.
const BEHIND: Span = Span::seconds(10);
/// The same where nothing but time does.
const CLOSE_BEHIND: Span = Span::seconds(3);
/// Maximum time between the ends of the legs.
const END: Span = Span::seconds(5);
/// The same where nothing but time ties them.
const CLOSE_END: Span = Span::seconds(1);
/// Minimum length of legs that nothing but time ties.
const LONG: Span = Span::seconds(30);
/// Maximum number of flows that begin at about the same time as a session. Where there are more, time ties nothing.
const AT_ONCE: usize = 200;
/// Each message gets longer inside TLS: records of 20 bytes become up to five times as long, and there is a handshake.
const ENVELOPE: u64 = 5;
/// Bytes of handshakes and certificates.
const GREETINGS: u64 = 30_000;

/// Flows on the port of the web, in the order of time.
pub(super) fn legs<'l>(judge: &Judge<'_, 'l>) -> Vec<Part<'l>> {
    let mut legs: Vec<Part<'l>> = Vec::new();
    for (&opener, step) in judge.ledger.steps.on_web_port() {
        let what = if step.path.protocol == protocol::UDP { Way::Dtls } else { Way::Tls };
        legs.push(Part { opener, step, what, outcome: judge.step(step).outcome, role: Role::Tried });
    }
    legs.sort_unstable_by_key(|leg| (leg.step.first, leg.opener));
    legs
}

/// A launch of which nothing else came about, and that went on inside TLS or DTLS to the same server.
pub(super) fn to_the_server<'l>(sessions: &mut [Session<'l>], legs: &[Part<'l>], guide: &Guide) {
    let is_lost = |session: &Session<'_>| session.alone && session.carriers().next().is_none();
    let lost: BTreeSet<_> =
        sessions.iter().filter(|session| is_lost(session)).map(|session| (session.client, session.server)).collect();
    // Most legs lead elsewhere.
    let pair = |leg: &Part<'_>| (leg.step.path.client, leg.step.path.server);
    let legs: Vec<Part<'l>> = legs.iter().filter(|leg| lost.contains(&pair(leg)) && is_whole(leg)).copied().collect();
    for session in sessions.iter_mut().filter(|session| is_lost(session)) {
        let (first, last) = (session.first(), session.last() + Span::seconds(60));
        let mut working =
            between(&legs, first, last).iter().filter(|leg| pair(leg) == (session.client, session.server));
        if let (Some(leg), None) = (working.next(), working.next()) {
            session.parts.push(Part { role: Role::Carried, ..*leg });
            session.reliability = guide.is_reliable(leg.what, leg.step.path.port);
        }
    }
}

/// Both sides spoke, and the beginning is in the capture.
fn is_whole(leg: &Part<'_>) -> bool {
    leg.step.has_payload() && matches!(leg.outcome, Outcome::Established | Outcome::Answered)
}

/// Legs that began in this time, both ends included.
fn between<'s, 'l>(legs: &'s [Part<'l>], first: Timestamp, last: Timestamp) -> &'s [Part<'l>] {
    let from = legs.partition_point(|leg| leg.step.first < first);
    let to = legs.partition_point(|leg| leg.step.first <= last);
    &legs[from..to.max(from)]
}

/// Adds to sessions the client's legs to their Gateways.
pub(super) fn through_a_gateway<'l>(sessions: &mut [Session<'l>], legs: &[Part<'l>]) {
    let servers: BTreeSet<Address> = legs.iter().map(|leg| leg.step.path.server).collect();
    let mut used = BTreeMap::<PacketRef, Tie>::new();
    for tie in [Tie::Address, Tie::Time] {
        // Each leg may fit to one session only, and each session to one leg.
        let mut fitting = BTreeMap::<PacketRef, Vec<(usize, Part<'l>)>>::new();
        let may_have_a_leg = |session: &Session<'_>| match tie {
            Tie::Address => servers.contains(&session.client),
            Tie::Time => session.gateway.is_none() && session.ended().is_some_and(is_seen) && length(session) >= LONG,
        };
        for (place, session) in sessions.iter().enumerate().filter(|(_, session)| may_have_a_leg(session)) {
            if let Some(leg) = only_leg(session, legs, tie, &used) {
                fitting.entry(leg.opener).or_default().push((place, leg));
            }
        }
        for (opener, fits) in fitting {
            let [(place, leg)] = fits[..] else { continue };
            used.insert(opener, tie);
            let session = &mut sessions[place];
            let inside = session.client;
            session.client = leg.step.path.client;
            session.gateway = Some(Gateway { address: leg.step.path.server, inside, tied: tie });
            session.parts.push(Part { role: Role::Gateway, ..leg });
            session.parts.extend(tries_before(&leg, legs));
        }
    }
}

/// The only leg that fits to a session. A second one that fits as well makes both uncertain.
fn only_leg<'l>(
    session: &Session<'l>,
    legs: &[Part<'l>],
    tie: Tie,
    used: &BTreeMap<PacketRef, Tie>,
) -> Option<Part<'l>> {
    let carrier = session.carriers().next().filter(|part| part.is_begun() && part.what != Way::Tls)?;
    let window = match tie {
        Tie::Address => BEHIND,
        Tie::Time => CLOSE_BEHIND,
    };
    let begun = Timestamp(carrier.step.first.0.saturating_sub(window.0));
    let near = between(legs, begun, carrier.step.first);
    if near.len() > AT_ONCE {
        return None;
    }
    let mut fitting = near.iter().filter(|leg| !used.contains_key(&leg.opener) && fits(session, leg, tie));
    match (fitting.next(), fitting.next()) {
        (Some(leg), None) => Some(*leg),
        _ => None,
    }
}

fn fits(session: &Session<'_>, leg: &Part<'_>, tie: Tie) -> bool {
    let (front, last) = (leg.step, session.last());
    let hosts = [session.client, session.server];
    let tied: bool = match tie {
        Tie::Address => front.path.server == session.client,
        // Addresses that are in both legs would tie them otherwise.
        Tie::Time => !hosts.contains(&front.path.server) && !hosts.contains(&front.path.client),
    };
    let apart = if front.last > last { front.last - last } else { last - front.last };
    let both_open = front.ended == Ended::Open && session.ended() == Some(Ended::Open);
    let ends = match tie {
        Tie::Address => apart <= END || both_open,
        Tie::Time => is_seen(front.ended) && apart <= CLOSE_END && front.last - front.first >= LONG,
    };
    tied && ends && is_whole(leg) && front.path.client != session.server && carries_as_much(session, front)
}

/// Its end is in the captures.
fn is_seen(ended: Ended) -> bool {
    ended != Ended::Open && ended != Ended::Idle
}

fn length(session: &Session<'_>) -> Span {
    session.last() - session.first()
}

/// What went through one leg went through the other, inside an envelope.
fn carries_as_much(session: &Session<'_>, front: &Step) -> bool {
    (0..2).all(|side| {
        let inside: u64 = session.carriers().map(|part| part.step.payload[side]).sum();
        (inside..=inside.saturating_mul(ENVELOPE).saturating_add(GREETINGS)).contains(&front.payload[side])
    })
}

/// EDT inside DTLS that was tried in vain at the same Gateway right before or beside this leg (facts ADP-04).
fn tries_before<'s, 'l>(leg: &'s Part<'l>, legs: &'s [Part<'l>]) -> impl Iterator<Item = Part<'l>> + 's {
    const BESIDE: Span = Span::seconds(3);
    let ends = |leg: &Part<'_>| -> (Address, Address) { (leg.step.path.client, leg.step.path.server) };
    let near = between(legs, Timestamp(leg.step.first.0.saturating_sub(BESIDE.0)), leg.step.first + BESIDE);
    let others = near.iter().filter(move |other| ends(other) == ends(leg) && other.opener != leg.opener);
    // Of several launches at once nobody knows whose it was.
    let alone = others.clone().all(|other| other.what == Way::Dtls) && others.clone().count() == 1;
    let in_vain = move |other: &&Part<'_>| alone && leg.what == Way::Tls && !other.step.has_payload();
    others.filter(in_vain).map(|other| Part { role: Role::Tried, ..*other })
}
