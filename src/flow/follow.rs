//! One flow of which the record is known, followed packet by packet when its captures are read again. The same table decides which
//! packets are its own, and what the record learns of each, so that what is shown is what was counted.

use super::{Alert, Endpoint, FlowKey, FlowRecord, FlowTable, Heard, KnowsPort, Limits, PacketRef, Who};
use crate::packet::{Address, Icmp, Packet, Quoted, RawPacket, TcpFlags, TransportHeader, protocol};
use crate::time::Timestamp;

/// Follows one flow.
pub struct Follow {
    table: FlowTable,
    record: FlowRecord,
    /// Known from the first packet of the flow on.
    key: Option<FlowKey>,
    /// As it stands after the packets until now.
    now: Option<FlowRecord>,
    over: bool,
}

/// A packet of the flow that is followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Followed {
    /// Where it is.
    pub at: PacketRef,
    /// When it was captured.
    pub time: Timestamp,
    /// Which side sent it; of an ICMP error, whose packet it quotes.
    pub from: Who,
    /// What it is.
    pub kind: PacketKind,
    /// Payload after the transport header, in bytes.
    pub payload_bytes: u32,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// The capture holds it twice, and this is not the first of the two.
    pub copy: bool,
    /// It repeats what was sent before.
    pub again: bool,
    /// Which try it is: of SYNs, SYN-ACKs and datagrams before the first answer, counted from 1.
    pub number: Option<u32>,
    /// The first payload of its side.
    pub first_payload: bool,
    /// What the payload has told since the packet before.
    pub heard: Option<Heard>,
    /// It is the first fatal alert of TLS or DTLS.
    pub alert: Option<Alert>,
}

/// What a packet of a flow is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketKind {
    /// A TCP segment with these control bits.
    Segment(TcpFlags),
    /// A UDP datagram.
    Datagram,
    /// An ICMP echo request or reply.
    Echo,
    /// A later fragment.
    Fragment,
    /// An ICMP error that quotes the flow.
    Error {
        /// ICMPv6.
        v6: bool,
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Who sent it.
        sender: Address,
    },
}

/// The port on which a TFTP server is asked; it answers from another one.
const TFTP: u16 = 69;

impl Follow {
    /// Follows the flow of this record. `knows_port` is that of the audit that left it.
    pub fn new(record: FlowRecord, knows_port: KnowsPort) -> Follow {
        let table = FlowTable::new(Limits::default(), knows_port);
        Follow { table, record, key: None, now: None, over: false }
    }

    /// Its last packet has come: what follows belongs to others.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Enters a packet of the captures, in the order of the audit, and says what it is where it belongs to the flow.
    pub fn observe(&mut self, packet: &Packet, raw: &RawPacket<'_>) -> Option<Followed> {
        self.over |= self.key.is_some() && raw.at > self.record.until;
        if self.over || !self.concerns(packet, raw) {
            return None;
        }
        let at = PacketRef { capture: raw.capture, packet: raw.number };
        let quoted = packet.quoted(raw.bytes);
        let own = FlowKey::of(packet).or(quoted.as_ref().map(quoted_key));
        if at == self.record.opener {
            self.key = own.map(|(key, _)| key);
        }
        let (opener, mut over) = (self.record.opener, false);
        let result = self.table.observe(packet, raw, &mut |ended| over |= ended.opener == opener);
        self.over = over;
        result.ok()?;
        let key = self.key.filter(|_| !over)?;
        let after = self.table.look(&key, raw.at).filter(|flow| flow.opener == opener)?;
        if own.is_some_and(|(own, _)| own != key) {
            return None;
        }
        let before = self.now.replace(after.clone());
        let counted = |flow: &FlowRecord| [flow.from_client, flow.from_server];
        let before_counts = before.as_ref().map(counted).unwrap_or_default();
        let grown = |who: Who| counted(&after)[who as usize].packets > before_counts[who as usize].packets;
        let from = match &quoted {
            Some(quoted) if quoted.source == after.client.address => Who::Client,
            Some(_) => Who::Server,
            None if grown(Who::Client) => Who::Client,
            None if grown(Who::Server) => Who::Server,
            // A fragment of another flow.
            None => return None,
        };
        let (was, is) = (before_counts[from as usize], counted(&after)[from as usize]);
        let tries = |flow: &FlowRecord| match (from, flow.protocol) {
            (Who::Client, protocol::TCP) => flow.syns,
            (Who::Server, protocol::TCP) => flow.syn_acks,
            (Who::Client, protocol::UDP) => flow.udp_tries,
            _ => 0,
        };
        let tried = before.as_ref().map_or(0, tries);
        let told = |flow: &FlowRecord| {
            flow.heard.as_ref().map(|heard| (heard.protocol, heard.server_name().map(Box::<str>::from)))
        };
        let alert = after.alert().copied().filter(|alert| alert.at == at);
        let heard = after.heard.clone().filter(|_| before.is_none_or(|before| told(&before) != told(&after)));
        Some(Followed {
            at,
            time: raw.at,
            from,
            kind: kind_of(packet),
            payload_bytes: if quoted.is_some() { 0 } else { packet.payload_bytes },
            ttl: packet.ttl,
            copy: is.duplicates > was.duplicates,
            again: is.retransmissions > was.retransmissions,
            number: Some(tries(&after)).filter(|&now| now > tried),
            first_payload: was.payload_bytes == 0 && is.payload_bytes > 0,
            heard,
            alert,
        })
    }

    /// Nothing was captured from `at` until the next packet.
    pub fn gap(&mut self, at: Timestamp) {
        let (opener, mut over) = (self.record.opener, self.over);
        self.table.stop_waiting(at, &mut |ended| over |= ended.opener == opener);
        self.over = over;
    }

    /// Packets that may tell whose the packets of the flow are: its own, errors about it, fragments, requests to a TFTP server, and of
    /// pings all between the two hosts, whose numbers the record does not keep. So the table stays small whatever else there is.
    fn concerns(&self, packet: &Packet, raw: &RawPacket<'_>) -> bool {
        let FlowRecord { client, server, protocol, .. } = &self.record;
        let hosts = (client.address, server.address);
        let (one, other) = packet.host_pair(raw.bytes);
        if (one, other) != hosts && (other, one) != hosts {
            return false;
        }
        let is_ping = !matches!(*protocol, protocol::TCP | protocol::UDP);
        let wanted = || FlowKey::new(*protocol, *client, *server).0;
        match &packet.transport {
            TransportHeader::Fragment(number) => number == protocol,
            TransportHeader::Udp if packet.source_port == TFTP || packet.destination_port == TFTP => true,
            TransportHeader::Tcp(_) | TransportHeader::Udp => {
                FlowKey::of(packet).is_some_and(|(key, _)| key == wanted())
            }
            TransportHeader::Icmp(icmp) if icmp.is_echo_request() || icmp.is_echo_reply() => is_ping,
            TransportHeader::Icmp(_) => packet.quoted(raw.bytes).is_some_and(|quoted| {
                if is_ping { quoted.protocol == *protocol } else { quoted_key(&quoted).0 == wanted() }
            }),
        }
    }
}

fn quoted_key(quoted: &Quoted) -> (FlowKey, super::Side) {
    let from = Endpoint { address: quoted.source, port: quoted.source_port };
    let to = Endpoint { address: quoted.destination, port: quoted.destination_port };
    FlowKey::new(quoted.protocol, from, to)
}

fn kind_of(packet: &Packet) -> PacketKind {
    match packet.transport {
        TransportHeader::Tcp(tcp) => PacketKind::Segment(tcp.flags),
        TransportHeader::Udp => PacketKind::Datagram,
        TransportHeader::Fragment(_) => PacketKind::Fragment,
        TransportHeader::Icmp(icmp) if icmp.is_echo_request() || icmp.is_echo_reply() => PacketKind::Echo,
        TransportHeader::Icmp(Icmp { v6, kind, code, .. }) => {
            PacketKind::Error { v6, kind, code, sender: packet.source }
        }
    }
}
