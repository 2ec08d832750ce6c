//! A ledger written down, so that it can be kept, carried to another machine and added to others there.
//!
//! # The form
//!
//! JSON lines in UTF-8: each line is one JSON value of at most [`LINE_LIMIT`] bytes. Whatever is local to a process
//! (numbers of captures, places of services and rules in the port map) is written by name.
//!
//! - Numbers are integers. Moments are nanoseconds since 1970-01-01 00:00 UTC. *Times* are a pair: the first moment,
//!   and how much later the last one is.
//!   *Flow times* are three: when the first flow began, and how much later the last one began and the last one ended.
//! - Addresses are text. A *path* is IP protocol number, server's port, server and client. Of a pair of hosts or of
//!   networks the lower one comes first.
//! - A *place* is a pair like `["tcp",2598]`: the transport, and the lowest of the ports of which the map says the same
//!   (0 for ICMP).
//! - A *service* is its name, or the place whose services share the ports.
//! - A *matching* is an object with `fit`, `basis`, `service` (or null), `place` (null where no rule names the port)
//!   and `foreign_attempt`. What the place implies ([`PortNature`](crate::matching::PortNature)) is not written.
//! - `showing`, `fit`, `basis`, notes and what was sent are the variants of [`Showing`](crate::flow::Showing),
//!   [`Fit`](crate::matching::Fit), [`Basis`](crate::matching::Basis), [`Note`](crate::flow::Note) and
//!   [`Reply`](super::Reply) in small letters with hyphens. Ends of flows, protocols, transports, doubts and reasons to skip a packet have
//!   the names of the reports. What a variant holds follows after a colon: `no-reply:too-few-tries`, `foreign:rdp`,
//!   `syn:2`.
//! - VLAN ids are the two of [`Vlans`](crate::packet::Vlans).
//!
//! The first line is the head:
//!
//! - `schema`: [`SCHEMA`];
//! - `map`: `name` and `version` of the port map that the ledger was made with;
//! - `decoded`, `duplicates`, `flow_packets`: packets, as in [`Ledger`];
//! - `directions`: TCP flows of which both directions were captured, and those of which one is missing;
//! - `pairs_unlisted`: TCP flows of pairs of hosts that were left out because there were too many, and of networks;
//! - `unlisted`: flows whose sighting was not kept because there were too many;
//! - `incomplete`: whether paths on which something works were left out because there were too many;
//! - `answers_incomplete`: whether paths that were only answered were left out;
//! - `generic_incomplete`: the same for ports that many programs use;
//! - `flows_given_up`, `openings_given_up`: what was given up before its time because there was too much, as in [`Ledger`];
//! - `neighbours_incomplete`: whether hosts that were asked for were left out;
//! - `deaths_incomplete`: whether sessions that died were left out;
//! - `hellos_incomplete`: whether hosts with a name of Citrix were left out, or paths with unanswered QUIC.
//! - `voices_incomplete`: whether servers were left out of what is known of how they answer.
//! - `steps_incomplete`: whether flows of sessions were left out.
//! - `incidents_incomplete`: whether incidents were left out.
//! - `losses_incomplete`: whether paths were left out of what had to be sent again.
//! - `twins_incomplete`: whether openings on session ports were left out.
//!
//! Every other line is an object with one field, which says what it holds. The writer has them in this order; a reader
//! wants only that places and captures come before what names them. Rows may be spread over several lines; the order of
//! rows, and of the lists in them, means nothing.
//!
//! - `place`: what the map says of a place that other lines name: `at`, the `name` of the traffic, the names of its
//!   `services`, the ids of its `rules`, how many of them are `most_specific`, and whether it is `generic`, `reply_due`
//!   and `session`, as in [`Candidates`](crate::portmap::Candidates).
//! - `capture`: `name` of a capture, in the order of their numbers, and its `skipped` packets as pairs of reason and
//!   count; null where none was.
//! - `kinds`: flows of a kind, by `showing` and `matching`. `carried`: flows, packets, bytes.
//! - `round_trips`: handshakes of a `service` (or null): `micros` are pairs of microseconds and count, rising, as
//!   [`Latency::counts`](super::Latency::counts) gives them.
//! - `hosts` and `networks`: visibility. Rows: a pair, and flows with both directions and flows with one.
//! - `sightings`: `showing` and `matching` hold for all `rows`: path, and what was *seen*: flows, flow times (of the last ones
//!   that began a list, the last first; as a fourth number the sum of how much later than the first each flow began), the longest
//!   time watched, tries, packets, the client's ports, ICMP errors (ICMPv6 or not, type, code, sender), the
//!   shortest and the longest time from a handshake to the server's reset in nanoseconds (or null), VLAN ids. The
//!   packets are, for each capture: its name, evidence (packet, note), first packets of flows, signs (first packet of the
//!   flow, what was sent, from where, time to live, IP identification, TCP window, bits of
//!   [`Hints`](crate::flow::Hints), and how many microseconds after the client's packet; or null).
//! - `of_clients`: more clients than are kept one by one, by `showing`, `matching` and `target` (protocol number, port,
//!   server). `crowd`: what was seen of all, clients, protocol numbers and ports.
//! - `of_targets`: a `client` at more places than are kept one by one. `crowd`: what was seen of all, servers, protocol
//!   numbers and ports.
//! - `paths`: `rows` of path, answers (flows, times; or null), working (flows, flow times, first packet, its note, the
//!   client's port; or null), smallest and largest time to live, VLAN ids. `capture` is that of the first packets; null
//!   for rows that have none. Flows that worked and flows that were only answered are two rows of one path.
//! - `generic`: rows of path and answers, on ports that many programs use.
//! - `strangers`: packets that are not read, by [`Stranger`](crate::packet::Stranger). Missing where there are none.
//! - `holes`: payload that the captures lack: flows that lack something, flows that carried payload, bytes that are missing, bytes that are
//!   there. Missing where no flow carried payload.
//! - `neighbours`: rows of who was asked for by ARP or neighbour discovery, who asked, requests, answers, times.
//! - `deaths`: sessions that died. Rows: as in a sighting, and then the number of those in which the client was not heard of
//!   again, of those that were idle before, and the shortest and the longest of those times (or null).
//! - `named`: rows of a host and by what name of Citrix it was called, as in [`CitrixName`](super::CitrixName).
//! - `quic`: QUIC without an answer. `rows` of path and what was tried, as what worked in `paths`; `capture` is that of the first
//!   packets.
//! - `voices`: how the packets of servers look in a `capture`. Rows: server, network of the clients, flows that it answered, times, of
//!   some moments at which it did the lot that drew each and how much later than the first it was,
//!   smallest and largest time to live of its first packets and of the clients', the shortest time from a SYN to a SYN-ACK in
//!   microseconds (or null), the lowest and the highest port that answered with their protocol numbers, and what was seen of it as
//!   bits ([`Habits`](super::Habits)).
//! - `steps`: flows that sessions are made of. `capture`, `showing` and `matching` hold for all `rows`: first packet, path, the client's
//!   port, tries, times, payload of both sides in bytes, how it ended. The times are: when it began; how much later the last packet came and
//!   when it broke, and how long it was idle before; then in microseconds, or null, from the first packet to what the server said
//!   first, the round trip of the handshake, and that of data.
//! - `incidents`: what went wrong in flows that were answered, and what they say in the clear. `what` is a variant of
//!   [`What`](super::What) and holds with `matching` for all `rows`: as in a sighting, and then how often, of how many (0 where all are
//!   meant; of alerts, how often the server had said hello), the shortest and the longest time that belongs to it in nanoseconds (or null), the smallest and the largest number (or null),
//!   names.
//! - `losses`: what had to be sent again over TCP. `rows` of path and flows, as what worked in `paths`; then, each of the client and of
//!   the server: packets, those that repeated data, flows in which it did so, flows in which large packets arrived. `capture` is that of
//!   the first packets.
//! - `twins`: openings on session ports. `rows` of path, the sequence number after the client's SYN, the client's port, when, first packet,
//!   its time to live, whether the handshake was completed. `capture` is that of the first packets.
//! - `end`: the number of lines before this one. A file without it has been cut off.
//!
//! A field that is not known here is an error: a version that adds one has another schema.
//!
//! What was seen of four flows, one of them blocked:
//!
//! ```json
#![doc = include_str!("sample.jsonl")]
//! ```
//!
//! # What a reader accepts
//!
//! A written ledger is not trusted. It is read with the map that it was made with: name and version must be equal, and
//! each place must mean the same in both. (A map that was edited and kept its version is told in this way.) Nothing may
//! be there twice, no list may be longer than a ledger's own, and all counts of a ledger together are at most
//! [`COUNT_LIMIT`], so that 200 may be added up. So memory is bounded whatever is read. An error leaves nothing behind.
//!
//! # Captures
//!
//! The name of a capture stands for the same one in all ledgers that are read with one [`CaptureNames`]; whoever adds
//! ledgers of several machines writes them with names that tell those apart. A bounded list of packets names the
//! earliest by the numbers of the captures; where it was full, and the reader numbers the captures in another order, it
//! still names those that the writer chose.

mod error;
mod form;
mod names;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use error::{Fault, ReadError, WriteError};

use super::Ledger;
use crate::flow::CAPTURE_LIMIT;
use crate::portmap::PortMap;
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::Arc;

/// The form and its version.
pub const SCHEMA: &str = "cap-audit/ledger/4";

/// Maximum length of a line, in bytes. A distribution of round trips in which every step is taken is the longest.
pub const LINE_LIMIT: usize = 1 << 20;

/// Maximum length of the name of a capture, in bytes: that of a path in Linux.
pub const NAME_LIMIT: usize = 4_096;

/// Maximum sum of all counts of one ledger, bytes among them: 72 petabytes.
pub const COUNT_LIMIT: u64 = 1 << 56;

/// Maximum number of kinds of flows in a written ledger. By the embedded map there are fewer.
pub const KINDS_LIMIT: usize = 200_000;

/// Captures by name and by number. It grows by the captures of every ledger that is read with it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CaptureNames {
    names: Vec<Arc<str>>,
    numbers: BTreeMap<Arc<str>, u32>,
}

impl CaptureNames {
    /// The number of the capture of this name; a new name gets the next one. `None` where there is no number left.
    pub fn number(&mut self, name: &str) -> Option<u32> {
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        let number = u32::try_from(self.names.len()).ok().filter(|number| *number < CAPTURE_LIMIT)?;
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        Some(number)
    }

    /// The names in the order of their numbers, which begin with 0.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Forgets every name but the first ones.
    fn truncate(&mut self, count: usize) {
        self.names.drain(count.min(self.names.len())..).for_each(|name| {
            self.numbers.remove(&name);
        });
    }
}

impl Ledger {
    /// Writes the ledger. `map` is the one it was made with; `captures` are the names of the captures by their numbers.
    ///
    /// # Errors
    /// The output fails, a capture has no name or shares it, or the ledger is not one that an audit with this map makes.
    pub fn write(&self, map: &PortMap, captures: &[&str], out: &mut impl Write) -> Result<(), WriteError> {
        write::ledger(self, map, captures, out)
    }

    /// Reads one written ledger, and of the input nothing after it: several may follow each other.
    ///
    /// ```
    /// use cap_audit::ledger::{Ledger, written::CaptureNames};
    /// use cap_audit::portmap::PortMap;
    ///
    /// let map = PortMap::citrix();
    /// let mut written = Vec::new();
    /// for (decoded, capture) in [(7, "monday.pcap"), (8, "tuesday.pcap")] {
    ///     let ledger = Ledger { decoded, ..Ledger::default() };
    ///     ledger.write(&map, &[capture], &mut written)?;
    /// }
    /// let mut captures = CaptureNames::default();
    /// let (mut input, mut sum) = (written.as_slice(), Ledger::default());
    /// while !input.is_empty() {
    ///     sum += &Ledger::read(&mut input, &map, &mut captures)?;
    /// }
    /// assert_eq!(sum.decoded, 15);
    /// assert_eq!(captures.names().collect::<Vec<_>>(), ["monday.pcap", "tuesday.pcap"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The input fails, is no ledger of this [`SCHEMA`], was made with another map, or is damaged. `captures` is unchanged
    /// then.
    pub fn read(input: &mut impl BufRead, map: &PortMap, captures: &mut CaptureNames) -> Result<Ledger, ReadError> {
        let known = captures.names.len();
        let read = read::ledger(input, map, captures);
        if read.is_err() {
            captures.truncate(known);
        }
        read
    }
}
