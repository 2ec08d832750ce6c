//! What went wrong in flows that were answered, and what they say in the clear: errors, alerts, long waits, packets that vanish.

mod slow;
mod tls;
mod words;

use super::path::Path;
use super::sighting::{NAMED_LIMIT, Seen};
use crate::flow::{FlowRecord, Heard, Showing, TooBig, Vanished, Who};
use crate::matching::{Fit, Matching, ServiceRef};
use crate::outside::beginning;
use crate::signature::{Content, Http, Protocol};
use crate::time::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

/// The same thing in flows between the same hosts, on the same port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Incident {
    /// What it is.
    pub what: What,
    /// Where the flows stand in the map.
    pub matching: Matching,
    /// Between whom.
    pub path: Path,
}

/// What was shown or said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum What {
    /// The client sent an alert of TLS or DTLS with this number, in the clear.
    ClientAlert(u8),
    /// The server did.
    ServerAlert(u8),
    /// The server said nothing to a hello of TLS, although the connection stood.
    HelloUnanswered,
    /// The server closed the connection after a hello of TLS, and had said nothing.
    HelloClosed,
    /// The client said hello with TLS, and the server answered in plain text.
    TlsToPlain,
    /// The client spoke in plain text, and the server answered with TLS.
    PlainToTls,
    /// The server chose this version of TLS or DTLS, which is older than 1.2.
    OldTls(u16),
    /// What was said could be read. Of how many flows that was heard is counted; of the others the port says it. The path has no
    /// client, but where somebody sent a name and a password to LDAP.
    Plain,
    /// Kerberos answered with this error, which is none of every day. Its names are servers that were asked about.
    KerberosError(u16),
    /// A name that was asked for is not known, or could not be told: the response code of DNS, and the names.
    NameError(u8),
    /// The answer to a request for a path of Citrix had this status, 400 or above, and asks for no logon. Its names are the paths.
    HttpError(u16),
    /// TFTP answered with this error. The port is the one that it came from.
    TftpError(u16),
    /// TFTP sent its data again and again, and none of it was acknowledged. The port is the one that it came from.
    TransferStuck,
    /// DHCP gave an address, that of the client, and named no boot file.
    Lease,
    /// The same, with a boot file.
    LeaseWithBootFile,
    /// The server let the client wait for a second or longer.
    Wait,
    /// It did not say anything until the client gave up.
    WaitInVain,
    /// It let the client wait so long for the answer to its hello of TLS.
    LateHello,
    /// Requests over UDP, and those of them that were repeated, if any.
    Repeats,
    /// Large packets of the client were sent again and again in vain. Of: packets of the server meanwhile. Numbers: their sizes.
    ClientVanished,
    /// The same of the server, and packets of the client.
    ServerVanished,
    /// Large packets of the client vanished, and smaller ones with the same data arrived. Numbers: sizes of both.
    ClientShrank,
    /// The same of the server.
    ServerShrank,
    /// An ICMP error said that packets are too big. Numbers: what would fit, where it is said. Names: who said so.
    TooBig,
    /// Packets came in fragments. Of: all packets.
    Fragments,
    /// A service was asked for by its path, on a port that many programs use: who serves it, and who needs it. Its names are the paths,
    /// and those that the server was called by.
    AskedByPath,
}

/// What is known of an incident.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// The flows.
    pub seen: Seen,
    /// How often: alerts, waits, packets; at least once for each flow, but for requests.
    pub times: u64,
    /// Of how many, where only some are meant: requests in all, packets in all. Of alerts: flows in which the server had said hello.
    /// Else 0, or what [`What`] says.
    pub of: u64,
    /// The shortest time that belongs to it, and the longest: a wait, or how long after a hello an alert came.
    pub spans: Option<(Span, Span)>,
    /// The smallest number that belongs to it, and the largest: a size in bytes, or the version of TLS that was chosen, else offered; of
    /// waits the round trip in microseconds.
    pub numbers: Option<(u64, u64)>,
    /// Names that belong to it, the first [`NAMED_LIMIT`]: of certificates, of hosts.
    pub names: BTreeSet<Box<str>>,
}

/// Incidents, by what they are and between whom.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Incidents {
    incidents: BTreeMap<u8, BTreeMap<Incident, Known>>,
    /// Some were left out because there were too many.
    pub incomplete: bool,
}

/// Maximum number of incidents of one sort that are kept: the first in order.
pub const INCIDENT_LIMIT: usize = 5_000;
/// Maximum length of a name that belongs to one, in bytes.
pub const INCIDENT_NAME_LIMIT: usize = 255;

impl What {
    /// What has a room of its own, so that many of one sort do not push out others.
    fn sort(self) -> u8 {
        match self {
            What::ClientAlert(_) => 0,
            What::ServerAlert(_) => 1,
            What::HelloUnanswered => 2,
            What::TlsToPlain => 3,
            What::PlainToTls => 4,
            What::OldTls(_) => 5,
            What::Plain => 6,
            What::KerberosError(_) => 7,
            What::NameError(_) => 8,
            What::HttpError(_) => 9,
            What::TftpError(_) => 10,
            What::Lease => 11,
            What::LeaseWithBootFile => 12,
            What::Wait => 13,
            What::WaitInVain => 14,
            What::LateHello => 15,
            What::Repeats => 16,
            What::ClientVanished => 17,
            What::ServerVanished => 18,
            What::ClientShrank => 19,
            What::ServerShrank => 20,
            What::TooBig => 21,
            What::Fragments => 22,
            What::HelloClosed => 23,
            What::AskedByPath => 24,
            What::TransferStuck => 25,
        }
    }
}

/// What a name of an incident is. Names of one kind stand together, and are told apart by their first letters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Naming {
    /// Who issued the certificate of the server.
    Issuer,
    /// The name by which the client called the server.
    Server,
    /// Whose certificate it is.
    Subject,
    /// The protocol of the answer.
    Spoken,
}

impl Naming {
    fn prefix(self) -> &'static str {
        match self {
            Naming::Issuer => "issuer:",
            Naming::Server => "server:",
            Naming::Subject => "subject:",
            Naming::Spoken => "spoken:",
        }
    }

    /// The name as it is kept, as long as one may be.
    fn write(self, name: &str) -> Box<str> {
        let written = format!("{}{name}", self.prefix());
        beginning(&written, INCIDENT_NAME_LIMIT).into()
    }
}

impl Known {
    /// The names of one kind, in order.
    pub fn named(&self, naming: Naming) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(move |name| name.strip_prefix(naming.prefix()))
    }

    /// What a flow shows, once.
    pub fn of(flow: &FlowRecord) -> Known {
        Known { seen: Seen::of(flow), times: 1, of: 0, spans: None, numbers: None, names: BTreeSet::new() }
    }
}

impl Incidents {
    /// Enters a flow with all that befell it.
    pub fn enter(&mut self, flow: &FlowRecord, showing: Showing, matching: &Matching) {
        self.enter_tls(flow, showing, matching);
        self.enter_slow(flow, matching);
        self.enter_sizes(flow, matching);
        self.enter_asked(flow, showing, matching);
    }

    /// What is too large for its path, on ports that mean Citrix.
    fn enter_sizes(&mut self, flow: &FlowRecord, matching: &Matching) {
        let Some(extras) = flow.extras.as_deref().filter(|_| matching.is_citrix()) else { return };
        let mut add = |what, known| self.add(Incident { what, matching: *matching, path: Path::of(flow) }, known);
        if let Some(Vanished { by, smallest, arrived, times, recovered, heard, .. }) = extras.vanished {
            let what = match (by, recovered) {
                (Who::Client, false) => What::ClientVanished,
                (Who::Server, false) => What::ServerVanished,
                (Who::Client, true) => What::ClientShrank,
                (Who::Server, true) => What::ServerShrank,
            };
            let least = if recovered { arrived } else { smallest };
            let numbers = Some((least.into(), smallest.max(least).into()));
            add(what, Known { times: times.into(), of: heard.into(), numbers, ..Known::of(flow) });
        }
        if let Some(TooBig { sender, mtu, times, .. }) = extras.too_big {
            let numbers = Some((mtu.into(), mtu.into())).filter(|_| mtu > 0);
            let names = BTreeSet::from([sender.to_string().into_boxed_str()]);
            add(What::TooBig, Known { times: times.into(), numbers, names, ..Known::of(flow) });
        }
        if extras.fragments > 0 {
            let (times, of) = (extras.fragments.into(), flow.packets());
            add(What::Fragments, Known { times, of, ..Known::of(flow) });
        }
    }

    /// What TLS and DTLS say in the clear.
    fn enter_tls(&mut self, flow: &FlowRecord, showing: Showing, matching: &Matching) {
        let alert = flow.alert();
        if flow.heard.is_none() && alert.is_none() {
            return;
        }
        let alerted = alert.map(|alert| match alert.by {
            Who::Client => What::ClientAlert(alert.number),
            Who::Server => What::ServerAlert(alert.number),
        });
        let mismatch = tls::mismatch(flow, showing);
        // Who speaks plain text cannot know what an alert means.
        let first = mismatch.map(|(what, _)| what).or(alerted).or_else(|| tls::unanswered(flow, showing));
        let old = flow.tls().and_then(|tls| tls.chosen).filter(|&version| tls::is_old(version)).map(What::OldTls);
        for what in first.into_iter().chain(old) {
            let mut known = Known::of(flow);
            known.names = tls::names(flow, mismatch.and_then(|(_, spoken)| spoken));
            known.numbers = tls::version(flow).map(|version| (version, version));
            known.of = u64::from(flow.tls().is_some_and(|tls| tls.chosen.is_some()));
            known.spans =
                alert.filter(|_| alerted == Some(what)).and_then(|alert| alert.after).map(|span| (span, span));
            self.add(Incident { what, matching: *matching, path: Path::of(flow) }, known);
        }
    }

    /// A service that was asked for by its path.
    fn enter_asked(&mut self, flow: &FlowRecord, showing: Showing, matching: &Matching) {
        if is_asked_by_path(flow, showing, matching) {
            let heard = flow.heard.as_ref();
            let name = heard.and_then(Heard::server_name);
            let names = name.into_iter().chain(heard.and_then(path_of)).map(Box::from).collect();
            let incident = Incident { what: What::AskedByPath, matching: *matching, path: Path::of(flow) };
            self.add(incident, Known { names, ..Known::of(flow) });
        }
        if is_stuck(flow) {
            let (what, path) = (What::TransferStuck, Path::of(flow));
            self.add(Incident { what, matching: *matching, path }, Known::of(flow));
        }
    }

    /// What is known of an incident.
    pub fn get(&self, incident: &Incident) -> Option<&Known> {
        self.incidents.get(&incident.what.sort())?.get(incident)
    }

    fn known_mut(&mut self, incident: &Incident) -> Option<&mut Known> {
        self.incidents.get_mut(&incident.what.sort())?.get_mut(incident)
    }

    /// Every incident, sort by sort, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Incident, &Known)> {
        self.incidents.values().flatten()
    }

    /// How many are kept with this one.
    pub(super) fn kept_with(&self, incident: &Incident) -> usize {
        self.incidents.get(&incident.what.sort()).map_or(0, BTreeMap::len)
    }

    pub(super) fn add(&mut self, incident: Incident, known: Known) {
        let shelf = self.incidents.entry(incident.what.sort()).or_default();
        match shelf.get_mut(&incident) {
            Some(here) => *here += &known,
            None => _ = shelf.insert(incident, known),
        }
        // The first in order are kept, so that the order in which they came does not matter.
        while shelf.len() > INCIDENT_LIMIT {
            shelf.pop_last();
            self.incomplete = true;
        }
    }
}

/// A hello of TLS to which the server says nothing: no session came of it.
pub(super) fn is_unanswered(flow: &FlowRecord, showing: Showing) -> bool {
    tls::unanswered(flow, showing).is_some()
}

/// The port on which TFTP is asked; its data comes from another one (RFC 1350, 4).
const TFTP: u16 = 69;
/// How often data has to come, and over how long, before it is known that nobody acknowledges it: a server of TFTP waits for a second or
/// so before it sends a block again.
const STUCK: (u64, Span) = (3, Span::seconds(2));

/// Data of TFTP that was sent again and again, and nothing went back.
fn is_stuck(flow: &FlowRecord) -> bool {
    let is_tftp = flow.heard.as_ref().is_some_and(|heard| heard.protocol == Protocol::Tftp && heard.by_server);
    is_tftp
        && flow.server.port != TFTP
        && flow.from_client.packets == 0
        && flow.from_server.packets.saturating_sub(flow.from_server.duplicates.into()) >= STUCK.0
        && flow.last - flow.first >= STUCK.1
}

impl AddAssign<&Incidents> for Incidents {
    fn add_assign(&mut self, other: &Incidents) {
        other.iter().for_each(|(incident, known)| self.add(*incident, known.clone()));
        self.incomplete = self.incomplete || other.incomplete;
    }
}

impl AddAssign<&Known> for Known {
    fn add_assign(&mut self, other: &Known) {
        let Known { seen, times, of, spans, numbers, names } = other;
        self.seen += seen;
        self.times += times;
        self.of += of;
        self.spans = wider(self.spans, *spans);
        self.numbers = wider(self.numbers, *numbers);
        self.names.extend(names.iter().cloned());
        while self.names.len() > NAMED_LIMIT {
            self.names.pop_last();
        }
    }
}

/// The server answered on a port of many programs, and the path that it was asked for tells its service.
fn is_asked_by_path(flow: &FlowRecord, showing: Showing, matching: &Matching) -> bool {
    let told =
        matching.port.generic && matching.fit == Fit::Fits && matches!(matching.service, Some(ServiceRef::One(_)));
    told && showing.is_answered() && flow.heard.as_ref().and_then(path_of).is_some()
}

/// The path of Citrix that was asked for.
fn path_of(heard: &Heard) -> Option<&str> {
    match heard.content() {
        Some(Content::Http(Http { path, .. })) => path.as_deref(),
        _ => None,
    }
}

fn wider<T: Ord>(one: Option<(T, T)>, other: Option<(T, T)>) -> Option<(T, T)> {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    }
}
