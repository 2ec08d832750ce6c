//! What would have changed a judgement: the record as it would be had something else happened, judged by the same judge. So nothing is
//! said to change a judgement that would not.

use super::{Judge, Judgement, Outcome, Verdict};
use crate::flow::{
    Counts, End, FlowRecord, GRACE, Heard, IcmpError, Marks, REPETITION, TCP_TRIES, TcpState, UDP_TRIES, showing,
};
use crate::packet::protocol;
use crate::signature::{Protocol, Strength};
use crate::time::Span;

/// Something else that might have happened in a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Change {
    /// TCP: a SYN-ACK came, and the client went on.
    Answer,
    /// UDP or ICMP: a reply came.
    Reply,
    /// Nothing of the server was seen, in as many tries and as much time as silence takes.
    NoAnswer,
    /// TCP: a reset answered the SYN.
    Refusal,
    /// An ICMP error said that it is prohibited.
    Prohibition,
    /// There was no ICMP error.
    NoError,
    /// This number of further tries was seen.
    MoreTries(u64),
    /// It was watched for this much longer, and nothing came.
    MoreTime(Span),
    /// The capture ended when it had been watched for this time only.
    Cut(Span),
    /// The client went on after the SYN-ACK.
    Acknowledgement,
    /// There was no reset.
    NoReset,
    /// The server said something before the reset.
    ServerSpoke,
    /// The other direction was captured as well.
    OtherDirection,
    /// The start was captured.
    Start,
    /// Both sides spoke this protocol.
    Spoken(Protocol),
    /// A name of Citrix was asked for, over TLS where nothing else is known.
    CitrixName,
    /// Nothing was told by the payload.
    NothingTold,
}

/// Things that might have happened together, and what would be held of the flow then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WhatIf<'m> {
    /// What.
    pub changes: Vec<Change>,
    /// What would be held.
    pub judgement: Judgement<'m>,
}

impl Judge<'_, '_> {
    /// What would have changed what is held of a flow, everything else being as it was.
    pub fn what_ifs(&self, record: &FlowRecord) -> Vec<WhatIf<'_>> {
        let held = self.flow(record);
        let differs = |WhatIf { changes, judgement }: &WhatIf<'_>| {
            let by_payload =
                |change: &Change| matches!(change, Change::Spoken(_) | Change::CitrixName | Change::NothingTold);
            let outcome = judgement.outcome != held.outcome && !changes.iter().any(by_payload);
            outcome || judgement.verdict != held.verdict
        };
        let judged = |changes: Vec<Change>| WhatIf { judgement: self.what_if(record, &changes), changes };
        let asked = candidates(record, &held, self.protocols(record));
        asked.into_iter().map(judged).filter(differs).collect()
    }

    /// What would be held of a flow if these things had happened.
    pub fn what_if(&self, record: &FlowRecord, changes: &[Change]) -> Judgement<'_> {
        let mut changed = record.clone();
        changes.iter().for_each(|change| change.apply(&mut changed));
        self.flow(&changed)
    }

    /// A protocol that the service of the port does not speak, and one that it does, as far as the map knows.
    fn protocols(&self, record: &FlowRecord) -> [Option<Protocol>; 2] {
        let judgement = self.flow(record);
        let services = judgement.place.map_or(&[][..], |place| &self.map.at(place).services);
        let [service] = services[..] else { return [None, None] };
        let Some(speaks) = self.map.service(service).speaks.as_deref() else { return [None, None] };
        let known = [Protocol::Ssh, Protocol::Http, Protocol::Rdp];
        let stranger = known.into_iter().find(|protocol| !speaks.contains(protocol));
        let own = self.map.service(service).proved_by.or(speaks.first().copied());
        [stranger.filter(|_| record.protocol == protocol::TCP), own]
    }
}

/// What is worth asking, by what became of the flow.
fn candidates(record: &FlowRecord, held: &Judgement<'_>, [stranger, own]: [Option<Protocol>; 2]) -> Vec<Vec<Change>> {
    let tcp = record.protocol == protocol::TCP;
    let answer = if tcp { Change::Answer } else { Change::Reply };
    let mut asked: Vec<Vec<Change>> = match held.outcome {
        Outcome::Silent => vec![
            vec![answer],
            vec![if tcp { Change::Refusal } else { Change::Prohibition }],
            vec![Change::Cut(Span(GRACE.0 / 2))],
        ],
        Outcome::Refused => vec![vec![Change::Answer], vec![Change::NoAnswer]],
        Outcome::Prohibited => vec![vec![answer], vec![Change::NoError]],
        Outcome::HalfOpen => vec![vec![Change::Acknowledgement], vec![Change::Cut(Span(GRACE.0 / 2))]],
        Outcome::ResetEarly => vec![vec![Change::NoReset], vec![Change::ServerSpoke]],
        Outcome::Unanswered | Outcome::Undecided => {
            let mut asked = Vec::new();
            if record.from_server.packets == 0 && record.from_client.packets > 0 {
                asked.push(vec![answer]);
                asked.push(patience(record));
            } else if tcp {
                asked.push(vec![Change::Answer]);
            }
            asked
        }
        Outcome::OneWay => vec![vec![Change::OtherDirection]],
        Outcome::Midstream => vec![vec![Change::Start]],
        Outcome::Established | Outcome::Answered => vec![vec![Change::NoAnswer]],
    };
    match held.verdict {
        Verdict::Expected if matches!(held.outcome, Outcome::Established | Outcome::Answered) => {
            asked.extend(stranger.map(|protocol| vec![Change::Spoken(protocol)]));
        }
        Verdict::Expected => {}
        Verdict::Unexpected => {
            asked.extend(own.map(|protocol| vec![Change::Spoken(protocol)]));
            asked.push(vec![Change::NothingTold]);
        }
        Verdict::Unmapped => {
            let heard = record.heard.as_ref().map(|heard| heard.protocol);
            let named = [Protocol::Tls, Protocol::Dtls, Protocol::Quic, Protocol::Http];
            let first = if matches!(held.outcome, Outcome::Established | Outcome::Answered | Outcome::Midstream) {
                Vec::new()
            } else {
                vec![answer]
            };
            let and = |change: Change| [first.clone(), vec![change]].concat();
            if tcp && heard.is_none() || heard.is_some_and(|heard| named.contains(&heard)) {
                asked.push(and(Change::CitrixName));
            }
            asked.push(and(Change::Spoken(Protocol::Cgp)));
        }
        Verdict::NotEvaluable => {}
    }
    asked.retain(|changes| !changes.is_empty());
    asked
}

/// What silence lacks to be called so.
fn patience(record: &FlowRecord) -> Vec<Change> {
    let needed = if record.protocol == protocol::TCP { u64::from(TCP_TRIES) } else { UDP_TRIES };
    let tries = needed.saturating_sub(record.tries());
    let again = if record.protocol == protocol::UDP { REPETITION } else { Span(0) };
    let lacks = |needed: Span, seen: Span| Span(needed.0.saturating_sub(seen.0));
    let time = lacks(GRACE, record.watched()).max(lacks(again, record.last - record.first));
    let more = [(tries > 0).then_some(Change::MoreTries(tries)), (time > Span(0)).then_some(Change::MoreTime(time))];
    more.into_iter().flatten().collect()
}

impl Change {
    /// Makes a record what it would be then.
    fn apply(self, flow: &mut FlowRecord) {
        match self {
            Change::Answer => {
                answered(flow);
                flow.syns = flow.syns.max(1);
                flow.marks.set(Marks::SYN_SEEN);
            }
            Change::Reply => {
                flow.from_server = some(flow.from_server);
                flow.answered_at = Some(flow.last);
            }
            Change::NoAnswer => {
                *flow = FlowRecord {
                    from_server: Counts::default(),
                    syns: flow.syns.max(TCP_TRIES),
                    syn_acks: 0,
                    udp_tries: flow.udp_tries.max(UDP_TRIES as u32),
                    marks: Marks(if flow.protocol == protocol::TCP { Marks::SYN_SEEN } else { 0 }),
                    icmp: None,
                    heard: None,
                    reset_after: None,
                    last: flow.last.max(flow.first + REPETITION),
                    until: flow.until.max(flow.first + GRACE),
                    ..flow.clone()
                };
                flow.from_client.packets = flow.tries().max(1);
                flow.from_client.duplicates = 0;
            }
            Change::Refusal => {
                flow.from_server = some(flow.from_server);
                flow.marks.set(Marks::REFUSED | Marks::SERVER_RESET);
            }
            Change::Prohibition => {
                let v6 = !flow.client.address.is_v4();
                let (kind, code) = if v6 { (1, 1) } else { (3, 13) };
                let sender = flow.server.address;
                flow.icmp = Some(IcmpError { v6, kind, code, sender, ttl: 64, identification: 0, about_client: true });
            }
            Change::NoError => flow.icmp = None,
            Change::MoreTries(more) => match flow.protocol {
                protocol::TCP => flow.syns += more as u32,
                _ => flow.udp_tries += more as u32,
            },
            Change::MoreTime(more) => {
                flow.until = flow.until + more;
                flow.last = flow.last + more;
            }
            Change::Cut(watched) => {
                flow.until = flow.first + watched;
                flow.cut_off = true;
            }
            Change::Acknowledgement => answered(flow),
            Change::NoReset => {
                flow.reset_after = None;
                flow.tcp = TcpState { client: End::Established, server: End::Established };
            }
            Change::ServerSpoke => flow.from_server.payload_bytes += 1,
            Change::OtherDirection => {
                flow.from_client = some(flow.from_client);
                flow.from_server = some(flow.from_server);
                flow.marks.set(Marks::SERVER_WENT_ON | Marks::CLIENT_WENT_ON);
            }
            Change::Start => {
                flow.marks.set(Marks::SYN_SEEN);
                (flow.syns, flow.syn_acks) = (1, 1);
            }
            Change::Spoken(protocol) => {
                flow.heard = Some(told(protocol, false));
                if !showing(flow).is_answered() && flow.protocol == protocol::TCP {
                    answered(flow);
                }
            }
            Change::CitrixName => {
                let protocol = flow.heard.as_ref().map_or(Protocol::Tls, |heard| heard.protocol);
                flow.heard = Some(told(protocol, true));
            }
            Change::NothingTold => flow.heard = None,
        }
    }
}

fn some(counts: Counts) -> Counts {
    Counts { packets: counts.packets.max(1), ..counts }
}

/// The handshake was completed.
fn answered(flow: &mut FlowRecord) {
    flow.from_server = some(flow.from_server);
    flow.syn_acks = flow.syn_acks.max(1);
    flow.marks.clear(Marks::REFUSED | Marks::SERVER_RESET);
    flow.marks.set(Marks::CLIENT_WENT_ON | Marks::CLIENT_SPOKE);
    flow.reset_after = None;
}

fn told(protocol: Protocol, citrix_hint: bool) -> Heard {
    Heard { protocol, strength: Strength::Proof, by_server: true, citrix_hint, details: None }
}
