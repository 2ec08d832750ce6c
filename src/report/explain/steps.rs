//! The questions that a judgement turned on, the changes that would have turned it, and what packets are, as texts with their facts.

use super::fit_name;
use crate::finding::{IcmpFamily, IcmpKind, Params, Value};
use crate::flow::{self, Asked, Doubt, Followed, IcmpError, PacketKind, Showing, Who};
use crate::judge::{self, Change, Met, Together, WhatIf};
use crate::matching;
use crate::problem::Told;
use crate::report::names::short;
use crate::signature::{Protocol, alert_name};
use crate::time::Span;

/// A text without facts but the answer.
fn plain(code: &'static str, answer: bool) -> Told {
    Told { code, params: Params::from([("answer", yes(answer))]) }
}

fn yes(answer: bool) -> Value {
    Value::Word(if answer { "yes" } else { "no" })
}

impl Told {
    fn naming(self, name: &'static str, value: Value) -> Told {
        Told { params: self.params.with(name, value), ..self }
    }

    fn counting(self, name: &'static str, number: impl Into<u64>) -> Told {
        self.naming(name, Value::Number(number.into()))
    }
}

/// What was asked of the packets.
pub(super) fn of_packets(&Asked { question, answer }: &Asked<flow::Question>) -> Told {
    use flow::Question as Q;
    let told = |code| plain(code, answer);
    match question {
        Q::ClientSeen(packets) => told("explain-client-seen").counting("packets", packets),
        Q::ServerSeen(packets) => told("explain-server-seen").counting("packets", packets),
        Q::ClientWentOnAlone => told("explain-client-went-on-alone"),
        Q::ClientFollowedUp => told("explain-client-followed-up"),
        Q::ClientResetAlone => told("explain-client-reset-alone"),
        Q::Unreachable(None) => told("explain-no-error"),
        Q::Unreachable(Some(error)) => error_told(told("explain-unreachable"), &error),
        Q::AnswerQuoted => told("explain-answer-quoted"),
        Q::SynSeen(syns) => told("explain-syn-seen").counting("number", syns),
        Q::Tries { seen, needed } => told("explain-tries").counting("number", seen).counting("needed", needed),
        Q::Watched { seen, needed } => {
            told("explain-watched").naming("time", Value::Duration(seen)).naming("needed", Value::Duration(needed))
        }
        Q::CutOff { seen, firm } => {
            told("explain-cut-off").naming("time", Value::Duration(seen)).naming("needed", Value::Duration(firm))
        }
        Q::LetGo => told("explain-let-go"),
        Q::SynAckSeen(syn_acks) => told("explain-syn-ack-seen").counting("number", syn_acks),
        Q::ServerWentOn => told("explain-server-went-on"),
        Q::ClientWentOn => told("explain-client-went-on"),
        Q::Refused => told("explain-refused"),
        Q::ResetBesideAnswer => told("explain-reset-beside-answer"),
        Q::ClientReset => told("explain-client-reset"),
        Q::AnswerRepeated(syn_acks) => told("explain-answer-repeated").counting("number", syn_acks),
        Q::WatchedSinceAnswer { seen, needed } => told("explain-watched-since-answer")
            .naming("time", Value::Duration(seen))
            .naming("needed", Value::Duration(needed)),
        Q::ResetSoon { after: None, .. } => told("explain-no-reset"),
        Q::ResetSoon { after: Some(after), limit } => told("explain-reset-soon")
            .naming("time", Value::Duration(after))
            .naming("brief", Value::Text(short(after)))
            .naming("limit", Value::Duration(limit)),
        Q::ServerSaid(bytes) => told("explain-server-said").counting("number", bytes),
        Q::ClientEndedFirst => told("explain-client-ended-first"),
        Q::AnsweredElsewhere => told("explain-answered-elsewhere"),
        Q::SentToMany => told("explain-sent-to-many"),
        Q::Stream(datagrams) => told("explain-stream").counting("number", datagrams),
        Q::TriedAgain { seen, needed, over, least } => told("explain-tried-again")
            .counting("number", seen)
            .counting("needed", needed)
            .naming("time", Value::Duration(over))
            .naming("least", Value::Duration(least)),
    }
}

fn error_told(told: Told, &IcmpError { v6, kind, code, sender, .. }: &IcmpError) -> Told {
    told.naming("error", Value::Errors(vec![icmp_kind(v6, kind, code)]))
        .naming("sender", Value::Text(sender.to_string()))
}

fn icmp_kind(v6: bool, kind: u8, code: u8) -> IcmpKind {
    IcmpKind { family: if v6 { IcmpFamily::Icmpv6 } else { IcmpFamily::Icmp }, kind, code }
}

/// A time that may be much shorter than a second.
pub(super) fn brief(span: Span) -> Value {
    if span < Span::seconds(1) { Value::Text(short(span)) } else { Value::Duration(span) }
}

/// What was asked of the map.
pub(super) fn of_map(&Asked { question, answer }: &Asked<matching::Question>) -> Told {
    use matching::Question as Q;
    let told = |code| plain(code, answer);
    let about = |code, protocol| told(code).naming("protocol", Value::Protocol(protocol));
    match question {
        Q::AnyHostPings => told("explain-any-host-pings"),
        Q::PayloadTells(None) => told("explain-nothing-told"),
        Q::PayloadTells(Some(protocol)) => about("explain-payload-tells", protocol),
        Q::OnlyCitrixSpeaks(protocol) => about("explain-only-citrix-speaks", protocol),
        Q::SessionPort => told("explain-session-port"),
        Q::BuiltOn(protocol) => about("explain-built-on", protocol),
        Q::SpokenByServer(protocol) => about("explain-spoken-by-server", protocol),
        Q::OwnPort(protocol) => about("explain-own-port", protocol),
        Q::AskedBy => told("explain-asked-by"),
        Q::CitrixName => told("explain-citrix-name"),
        Q::Contradicts(protocol) => about("explain-contradicts", protocol),
        Q::PortKnown => told("explain-port-known"),
        Q::GenericPort => told("explain-generic-port"),
        Q::PublicServer => told("explain-public-server"),
        Q::OpenedAndAnswered => told("explain-opened-and-answered"),
        Q::KnownOfOther(transport) => told("explain-known-of-other").naming("transport", Value::Transport(transport)),
    }
}

/// What was asked of all that the captures show.
pub(super) fn of_all(&Asked { question, answer }: &Asked<judge::Question>) -> Told {
    use judge::Question as Q;
    let told = |code| plain(code, answer);
    match question {
        Q::ReplyDue => told("explain-reply-due"),
        Q::OneDirection => told("explain-one-direction"),
        Q::TriesAddUp(together) => {
            let Together { tries, ports, over, .. } = together;
            told("explain-tries-add-up")
                .counting("number", tries)
                .counting("ports", ports as u64)
                .naming("time", Value::Duration(over))
                .naming("met", Value::Word(if together.met == Met::SynAck { "syn-ack" } else { "nothing" }))
                .naming("why", Value::Word(why_not(&together)))
        }
        Q::WrongLanguage => told("explain-wrong-language"),
        Q::ConcernsCitrix(fit) => told("explain-concerns-citrix").naming("fit", Value::Word(fit_name(fit))),
        Q::Evaluable(outcome) => told("explain-evaluable").naming("outcome", Value::Word(outcome.name())),
    }
}

/// What keeps tries from adding up; where nothing does, they are too few or too close together.
fn why_not(together: &Together) -> &'static str {
    match together {
        Together { flood: true, .. } => "flood",
        Together { told_no: true, .. } => "told-no",
        Together { answers_unknown: true, .. } => "answers-unknown",
        Together { answered: Some(_), .. } => "answered",
        Together { met: Met::Both, .. } => "both",
        _ => "few",
    }
}

/// What the packets show, all in all.
pub(super) fn showing(showing: Showing) -> Told {
    let (name, doubt) = match showing {
        Showing::Silence => ("silence", None),
        Showing::NoReply(doubt) => ("no-reply", doubt),
        Showing::Refusal => ("refusal", None),
        Showing::Unreachable => ("unreachable", None),
        Showing::Unacknowledged => ("unacknowledged", None),
        Showing::EarlyReset => ("early-reset", None),
        Showing::Handshake => ("handshake", None),
        Showing::Exchange => ("exchange", None),
        Showing::Midstream => ("midstream", None),
        Showing::SentToMany => ("sent-to-many", None),
        Showing::OneDirection => ("one-direction", None),
        Showing::Unclear(doubt) => ("unclear", Some(doubt)),
    };
    let doubt = Value::Word(doubt.map_or("none", Doubt::name));
    Told { code: "explain-showing", params: Params::from([("showing", Value::Word(name)), ("doubt", doubt)]) }
}

/// Things that might have happened, one text for each.
pub(super) fn changes(what_if: &WhatIf<'_>) -> Vec<Told> {
    what_if.changes.iter().map(change).collect()
}

fn change(change: &Change) -> Told {
    let told = |code| Told { code, params: Params::default() };
    match *change {
        Change::Answer => told("explain-if-answer"),
        Change::Reply => told("explain-if-reply"),
        Change::NoAnswer => told("explain-if-no-answer"),
        Change::Refusal => told("explain-if-refusal"),
        Change::Prohibition => told("explain-if-prohibition"),
        Change::NoError => told("explain-if-no-error"),
        Change::MoreTries(more) => told("explain-if-more-tries").counting("number", more),
        Change::MoreTime(more) => told("explain-if-more-time").naming("time", Value::Duration(more)),
        Change::Cut(after) => told("explain-if-cut").naming("time", Value::Duration(after)),
        Change::Acknowledgement => told("explain-if-acknowledgement"),
        Change::NoReset => told("explain-if-no-reset"),
        Change::ServerSpoke => told("explain-if-server-spoke"),
        Change::OtherDirection => told("explain-if-other-direction"),
        Change::Start => told("explain-if-start"),
        Change::Spoken(protocol) => told("explain-if-spoken").naming("protocol", Value::Protocol(protocol)),
        Change::CitrixName => told("explain-if-citrix-name"),
        Change::NothingTold => told("explain-if-nothing-told"),
    }
}

/// What a packet is, and what is to be said of it.
pub(super) fn packet(packet: &Followed) -> Vec<Told> {
    let told = |code| Told { code, params: Params::default() };
    let data = |told: Told| told.counting("number", packet.payload_bytes);
    let mut all = vec![match packet.kind {
        PacketKind::Segment(flags) => {
            let what = match () {
                () if flags.rst() => "rst",
                () if flags.syn() && flags.ack() => "syn-ack",
                () if flags.syn() => "syn",
                () if flags.fin() => "fin",
                () if packet.payload_bytes > 0 => "data",
                () if flags.ack() => "ack",
                () => "other",
            };
            data(told("explain-segment")).naming("what", Value::Word(what))
        }
        PacketKind::Datagram => data(told("explain-datagram")),
        PacketKind::Echo => told("explain-echo").naming("who", Value::Word(who(packet.from))),
        PacketKind::Fragment => data(told("explain-fragment")),
        PacketKind::Error { v6, kind, code, sender } => told("explain-error")
            .naming("error", Value::Errors(vec![icmp_kind(v6, kind, code)]))
            .naming("sender", Value::Text(sender.to_string()))
            .naming("who", Value::Word(who(packet.from))),
    }];
    all.extend(packet.number.filter(|&number| number > 1).map(|number| told("explain-try").counting("number", number)));
    all.extend((packet.again && packet.number.is_none()).then(|| told("explain-again")));
    all.extend(packet.copy.then(|| told("explain-copy")));
    all.extend(packet.heard.as_ref().map(|heard| heard_told(heard.protocol, heard.server_name())));
    all.extend(packet.alert.map(|alert| {
        let name = alert_name(alert.number).unwrap_or_default().replace('_', " ");
        told("explain-alert").counting("number", alert.number).naming("name", Value::Text(name))
    }));
    all
}

fn heard_told(protocol: Protocol, name: Option<&str>) -> Told {
    let told = Told { code: "explain-heard", params: Params::from([("protocol", Value::Protocol(protocol))]) };
    match name {
        None => told.naming("named", Value::Word("no")),
        Some(name) => told.naming("named", Value::Word("yes")).naming("name", Value::Text(name.into())),
    }
}

/// The name of a side in the report.
pub(super) fn who(who: Who) -> &'static str {
    match who {
        Who::Client => "client",
        Who::Server => "server",
    }
}
