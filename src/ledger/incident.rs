//! What went wrong in flows that were answered, and what they say in the clear: errors, alerts, long waits, packets that vanish.

mod words;

use super::path::Path;
use super::sighting::{NAMED_LIMIT, Seen};
use crate::flow::{FlowRecord, Showing};
use crate::matching::Matching;
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
    /// What was said could be read. Of how many flows that was heard is counted; of the others the port says it. The path has no
    /// client, but where somebody sent a name and a password to LDAP.
    Plain,
    /// Kerberos answered with this error, which is none of every day. Its names are servers that were asked about.
    KerberosError(u16),
    /// A name that was asked for is not known, or could not be told: the response code of DNS, and the names.
    NameError(u8),
    /// The answer to a request for a path of Citrix had this status, 400 or above, and asks for no logon. Its names are the paths.
    HttpError(u16),
    /// TFTP answered with this error. The port is the one that was asked, 69.
    TftpError(u16),
    /// DHCP gave an address, that of the client, and named no boot file.
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
        let _ = (flow, showing, matching);
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
