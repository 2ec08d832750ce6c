//! What TLS and DTLS say in the clear, of one flow.

use super::{Naming, What};
use crate::flow::{EARLY, FIRM, FlowRecord, GRACE, Heard, Marks, Showing, Who};
use crate::packet::protocol;
use crate::signature::{Content, Http, Protocol, Strength};
use std::collections::BTreeSet;

/// Ports on which an answer of HTTP "bad request" to HTTP means that TLS is due (facts TLS-03).
const HTTPS: [u16; 2] = [443, 8443];
/// RFC 9110, 15.5.1.
const BAD_REQUEST: u16 = 400;

/// Older than 1.2. The versions of DTLS count down.
pub(super) fn is_old(version: u16) -> bool {
    match version {
        0x0300..=0x0302 => true,
        0xFE00..=0xFFFF => version > 0xFEFD,
        _ => false,
    }
}

/// One side spoke TLS and the other did not: which, and what the server spoke; none where it said nothing.
pub(super) fn mismatch(flow: &FlowRecord, showing: Showing) -> Option<(What, Option<Protocol>)> {
    let heard = flow.heard.as_ref().filter(|heard| heard.strength >= Strength::Strong)?;
    if is_turned_away(flow, heard, showing) {
        return Some((What::PlainToTls, None));
    }
    spoken(flow, heard).map(|(what, spoken)| (what, Some(spoken)))
}

/// A request of HTTP on a port of TLS, and the server closed or reset soon after it without a word.
fn is_turned_away(flow: &FlowRecord, heard: &Heard, showing: Showing) -> bool {
    let asked = flow.protocol == protocol::TCP
        && HTTPS.contains(&flow.server.port)
        && heard.protocol == Protocol::Http
        && !heard.by_server
        && flow.marks.has(Marks::SYN_SEEN)
        && !flow.marks.has(Marks::CUT);
    let (mine, theirs) = (&flow.from_server, &flow.from_client);
    let nothing = mine.payload_bytes == 0 && mine.missing_bytes == 0 && theirs.missing_bytes == 0;
    let closed = || heard.details.as_ref().is_some_and(|details| details.asked == Some(Protocol::Http));
    let soon = || flow.last - flow.first <= EARLY;
    asked && nothing && (showing == Showing::EarlyReset || showing == Showing::Handshake && closed() && soon())
}

fn spoken(flow: &FlowRecord, heard: &Heard) -> Option<(What, Protocol)> {
    let asked = heard.details.as_ref()?.asked;
    if asked == Some(Protocol::Tls) && heard.protocol == Protocol::Tls {
        return Some((What::TlsToPlain, Protocol::Text));
    }
    if !heard.by_server {
        return None;
    }
    let alerted = flow.alert().is_some_and(|alert| alert.by == Who::Server);
    match (asked, heard.protocol) {
        (Some(Protocol::Tls), spoken) if spoken != Protocol::Dtls => Some((What::TlsToPlain, spoken)),
        // Only an alert: a hello answers a hello, and what came before it was for a proxy.
        (Some(Protocol::Http), Protocol::Tls) if alerted && flow.tls().is_none_or(|tls| tls.chosen.is_none()) => {
            Some((What::PlainToTls, Protocol::Tls))
        }
        (None, Protocol::Http) => {
            let status = match heard.content()? {
                Content::Http(Http { status, .. }) => *status,
                _ => None,
            };
            let due = HTTPS.contains(&flow.server.port) && status == Some(BAD_REQUEST);
            due.then_some((What::PlainToTls, Protocol::Http))
        }
        _ => None,
    }
}

/// A hello of TLS on a connection that stands, and not a word of the server.
pub(super) fn unanswered(flow: &FlowRecord, showing: Showing) -> Option<What> {
    let heard = flow.heard.as_ref().filter(|heard| heard.protocol == Protocol::Tls && !heard.by_server)?;
    let hello = heard.strength >= Strength::Strong && flow.tls().is_none_or(|tls| !tls.went_on);
    let seen = flow.protocol == protocol::TCP
        && showing == Showing::Handshake
        && flow.syn_acks > 0
        && flow.marks.has(Marks::SYN_SEEN)
        && !flow.marks.has(Marks::CUT);
    let nothing = flow.from_server.payload_bytes == 0 && flow.from_server.missing_bytes == 0;
    // Large packets that vanish are told as such.
    let vanished = flow.extras.as_ref().is_some_and(|extras| extras.vanished.is_some());
    if !hello || !seen || !nothing || vanished || flow.from_client.missing_bytes > 0 {
        return None;
    }
    if flow.tls().is_some_and(|tls| tls.closed) {
        return Some(What::HelloClosed);
    }
    let since = flow.established_at?;
    // The client gave up, or it was watched past the time after which clients do.
    let (until, needed) =
        if flow.marks.has(Marks::CLIENT_ENDED_FIRST) { (flow.last, GRACE) } else { (flow.until, FIRM) };
    (until - since >= needed && !flow.marks.has(Marks::LET_GO)).then_some(What::HelloUnanswered)
}

/// The version that was chosen, else the highest that was offered.
pub(super) fn version(flow: &FlowRecord) -> Option<u64> {
    let tls = flow.tls()?;
    tls.chosen.or(tls.offered).map(u64::from)
}

/// By what name the server was called, what its certificate says, and what it spoke.
pub(super) fn names(flow: &FlowRecord, spoken: Option<Protocol>) -> BTreeSet<Box<str>> {
    let certificate = flow.tls().and_then(|tls| tls.certificate.as_deref());
    let subject =
        certificate.and_then(|it| it.subject.as_ref().or(it.hosts.first())).map(|name| (Naming::Subject, &**name));
    let issuer = certificate.and_then(|it| it.issuer.as_deref()).map(|name| (Naming::Issuer, name));
    let server = flow.heard.as_ref().and_then(|heard| heard.server_name()).map(|name| (Naming::Server, name));
    let spoken = spoken.map(|protocol| (Naming::Spoken, protocol.name()));
    [subject, issuer, server, spoken].into_iter().flatten().map(|(naming, name)| naming.write(name)).collect()
}
