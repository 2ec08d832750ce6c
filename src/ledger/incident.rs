//! What went wrong in flows that were answered, and what they say in the clear: errors, alerts, long waits, packets that vanish.

use super::path::Path;
use super::sighting::{NAMED_LIMIT, Seen};
use crate::flow::{FlowRecord, Showing};
use crate::matching::Matching;
use crate::signature::Protocol;
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
    /// The client said hello with TLS, and the server answered in plain text.
    TlsToPlain,
    /// The client spoke in plain text, and the server answered with TLS.
    PlainToTls,
    /// The server chose this version of TLS or DTLS, which is older than 1.2.
    OldTls(u16),
    /// What was said could be read.
    Plain,
    /// Kerberos answered with this error.
    KerberosError(u16),
    /// The name that was asked for is not known, or could not be told: the response code of DNS.
    NameError(u8),
    /// The answer of HTTP had this status, 400 or above.
    HttpError(u16),
    /// TFTP answered with this error.
    TftpError(u16),
    /// TFTP sent its data again and again, and none of it was acknowledged. The port is the one that it came from.
    TransferStuck,
    /// An address was given to the client, and no boot file was named.
    Lease,
    /// The same, with a boot file.
    LeaseWithBootFile,
    /// The server let the client wait for a second or longer.
    Wait,
    /// Requests were repeated.
    Repeats,
    /// Large packets were sent again and again, and small ones arrived.
    Vanished,
    /// An ICMP error said that packets are too big.
    TooBig,
    /// Packets came in fragments.
    Fragments,
}

/// What is known of an incident.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// The flows.
    pub seen: Seen,
    /// How often: alerts, waits, packets; at least once for each flow.
    pub times: u64,
    /// Of how many, where only some are meant: requests in all, packets in all; else 0.
    pub of: u64,
    /// The shortest time that belongs to it, and the longest: a wait, or how long after a hello an alert came.
    pub spans: Option<(Span, Span)>,
    /// The smallest number that belongs to it, and the largest: a size in bytes.
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
            What::Repeats => 14,
            What::Vanished => 15,
            What::TooBig => 16,
            What::Fragments => 17,
            What::TransferStuck => 20,
        }
    }
}

impl Known {
    /// What a flow shows, once.
    pub fn of(flow: &FlowRecord) -> Known {
        Known { seen: Seen::of(flow), times: 1, of: 0, spans: None, numbers: None, names: BTreeSet::new() }
    }
}

impl Incidents {
    /// Enters a flow with all that befell it.
    pub fn enter(&mut self, flow: &FlowRecord, showing: Showing, matching: &Matching) {
        let _ = showing;
        if is_stuck(flow) {
            let (what, path) = (What::TransferStuck, Path::of(flow));
            self.add(Incident { what, matching: *matching, path }, Known::of(flow));
        }
    }

    /// What is known of an incident.
    pub fn get(&self, incident: &Incident) -> Option<&Known> {
        self.incidents.get(&incident.what.sort())?.get(incident)
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

fn wider<T: Ord>(one: Option<(T, T)>, other: Option<(T, T)>) -> Option<(T, T)> {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    }
}
