//! What flows show of slow servers: answers that come late or never, and requests that are sent again.

use super::{Incident, Incidents, Known, What};
use crate::flow::{Evidence, FlowRecord, Note, PacketRef};
use crate::ledger::few::Few;
use crate::ledger::path::Path;
use crate::ledger::sighting::NAMED_LIMIT;
use crate::matching::Matching;
use crate::packet::protocol;
use crate::signature::{Protocol, answers_in_turn};
use crate::time::Span;

/// Minimum time until the first datagram of a server that makes it late, as over TCP, and maximum time until it is an answer.
const LATE: std::ops::RangeInclusive<Span> = Span::seconds(1)..=Span::seconds(120);

impl Incidents {
    /// Enters the waits of a flow, and its requests. In sessions both sides say what they like, and on a port that many programs use
    /// only some protocols tell that somebody waits for an answer. DNS is none of them: a server waits for others itself.
    pub(super) fn enter_slow(&mut self, flow: &FlowRecord, matching: &Matching) {
        let heard = flow.heard.as_ref().map(|heard| heard.protocol);
        let asks = matches!(heard, Some(Protocol::Ldap | Protocol::Kerberos));
        // What is said inside TLS may be anything; the hello is answered at once.
        let in_tls = heard == Some(Protocol::Tls);
        if matching.port.session || matching.service.is_none() && !asks && !in_tls {
            return;
        }
        let mut add = |what, known| self.add(Incident { what, matching: *matching, path: Path::of(flow) }, known);
        let extras = flow.extras.as_deref();
        if flow.protocol == protocol::UDP {
            // From the first datagram: where it was repeated, one of them may have been lost.
            let repeated = extras.is_some_and(|extras| extras.requests.is_some_and(|requests| requests.repeated > 0));
            let once = flow.udp_tries <= 1 && !repeated;
            let late = flow.answered_at.map(|at| at - flow.first).filter(|wait| once && LATE.contains(wait));
            if let Some(late) = late {
                add(What::Wait, Known { spans: Some((late, late)), ..Known::of(flow) });
            }
        }
        let Some(extras) = extras else { return };
        let what = if in_tls { What::LateHello } else { What::Wait };
        // Of what is not known to answer each request in turn, the first words alone are an answer for certain.
        let answers = asks || heard == Some(Protocol::Http);
        let in_turn = answers && heard.is_some_and(answers_in_turn);
        let wait = extras.wait.filter(|wait| in_turn || wait.first.is_some());
        if let Some(wait) = wait {
            let (times, longest) =
                if in_turn { (wait.times, wait.longest) } else { (1, wait.first.unwrap_or_default()) };
            let evidence = (longest == wait.longest).then_some(wait.packet);
            add(what, Known { times: times.into(), spans: Some((longest, longest)), ..waited(flow, evidence) });
        }
        if let Some(wait) = extras.in_vain.filter(|_| flow.spoke_at.is_none() && answers) {
            add(What::WaitInVain, Known { spans: Some((wait.longest, wait.longest)), ..waited(flow, None) });
        }
        if let Some(requests) = extras.requests.filter(|_| flow.answered_at.is_some()) {
            let (times, of) = (u64::from(requests.repeated), u64::from(requests.sent));
            add(What::Repeats, Known { times, of, ..Known::of(flow) });
        }
    }
}

/// With the round trip of the handshake, or how long it took at most until the client's first data was acknowledged.
fn waited(flow: &FlowRecord, answer: Option<PacketRef>) -> Known {
    let mut known = Known::of(flow);
    known.numbers = flow.handshake_rtt.or(flow.data_rtt).map(|round_trip| round_trip.as_micros()).map(|it| (it, it));
    if let Some(at) = answer {
        known.seen.evidence = Few::of([Evidence { at, note: Note::LateAnswer }], NAMED_LIMIT);
    }
    known
}
