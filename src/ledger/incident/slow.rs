//! What flows show of slow servers: answers that come late or never, and requests that are sent again.

use super::{Incident, Incidents, Known, What};
use crate::flow::{Evidence, FlowRecord, Note, Wait};
use crate::ledger::few::Few;
use crate::ledger::path::Path;
use crate::ledger::sighting::NAMED_LIMIT;
use crate::matching::Matching;
use crate::packet::protocol;
use crate::signature::Protocol;
use crate::time::Span;

/// Minimum time until the first datagram of a server that makes it late, as over TCP, and maximum time until it is an answer.
const LATE: std::ops::RangeInclusive<Span> = Span::seconds(1)..=Span::seconds(120);

impl Incidents {
    /// Enters the waits of a flow, and its requests. In sessions both sides say what they like, and on a port that many programs use
    /// only these protocols answer what they are asked.
    pub(super) fn enter_slow(&mut self, flow: &FlowRecord, matching: &Matching) {
        let heard = flow.heard.as_ref().map(|heard| heard.protocol);
        let asks = matches!(heard, Some(Protocol::Ldap | Protocol::Kerberos | Protocol::Dns));
        if matching.port.session || matching.service.is_none() && !asks {
            return;
        }
        let mut add = |what, known| self.add(Incident { what, matching: *matching, path: Path::of(flow) }, known);
        if flow.protocol == protocol::UDP {
            let late = flow.answered_at.map(|at| at - flow.first).filter(|wait| LATE.contains(wait));
            if let Some(late) = late {
                add(What::Wait, Known { spans: Some((late, late)), ..Known::of(flow) });
            }
        }
        let Some(extras) = flow.extras.as_deref() else { return };
        // What is said inside TLS may be anything; the hello is answered at once.
        let in_tls = heard == Some(Protocol::Tls);
        match extras.wait {
            Some(Wait { first: Some(first), .. }) if in_tls => {
                add(What::LateHello, Known { spans: Some((first, first)), ..waited(flow, None) });
            }
            Some(wait) if !in_tls => {
                let times = u64::from(wait.times);
                add(What::Wait, Known { times, spans: Some((wait.longest, wait.longest)), ..waited(flow, Some(wait)) });
            }
            _ => {}
        }
        if let Some(wait) = extras.in_vain.filter(|_| flow.spoke_at.is_none() && !in_tls) {
            add(What::WaitInVain, Known { spans: Some((wait.longest, wait.longest)), ..waited(flow, None) });
        }
        if let Some(requests) = extras.requests.filter(|_| flow.answered_at.is_some()) {
            let (times, of) = (u64::from(requests.repeated), u64::from(requests.sent));
            add(What::Repeats, Known { times, of, ..Known::of(flow) });
        }
    }
}

/// With the round trip of the handshake, or how long it took at most until the client's first data was acknowledged.
fn waited(flow: &FlowRecord, wait: Option<Wait>) -> Known {
    let mut known = Known::of(flow);
    known.numbers = flow.handshake_rtt.or(flow.data_rtt).map(|round_trip| round_trip.as_micros()).map(|it| (it, it));
    if let Some(wait) = wait {
        known.seen.evidence = Few::of([Evidence { at: wait.packet, note: Note::LateAnswer }], NAMED_LIMIT);
    }
    known
}
