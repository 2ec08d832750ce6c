//! What hardly any flow shows: alerts, long waits, requests that are repeated, and packets that are too large for their path.

use super::{PacketRef, Who};
use crate::packet::Address;
use crate::time::Span;

/// What hardly any flow shows.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Extras {
    /// The first alert of TLS or DTLS in the clear that is fatal.
    pub alert: Option<Alert>,
    /// How long the server let the client wait.
    pub wait: Option<Wait>,
    /// How long the client waited for the server's first words, until it gave up. It was acknowledged, and none came until then.
    pub in_vain: Option<Wait>,
    /// Requests over UDP, and those that were repeated.
    pub requests: Option<Requests>,
    /// Large packets that were sent again and again.
    pub vanished: Option<Vanished>,
    /// The first ICMP error that says that packets are too big.
    pub too_big: Option<TooBig>,
    /// UDP: packets of both sides that came in fragments, each counted once.
    pub fragments: u32,
}

/// An alert of TLS (RFC 8446, 6) or DTLS in the clear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alert {
    /// Who sent it.
    pub by: Who,
    /// Its level: 1 is a warning, 2 is fatal.
    pub level: u8,
    /// Its number: 40 is a failed handshake, 48 an unknown certification authority.
    pub number: u8,
    /// From what the other side said last to the alert; none where that is not known.
    pub after: Option<Span>,
    /// The packet.
    pub at: PacketRef,
}

/// Answers that a client waited for a second or longer, and no longer than two minutes, while the connection stood. Nothing else was seen
/// in the last second, and nothing of the client was repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wait {
    /// How many.
    pub times: u32,
    /// The longest time from the client's last packet to the server's first. From the packet or up to 3 ms before it.
    pub longest: Span,
    /// The same for the server's first words alone, where they are among the answers.
    pub first: Option<Span>,
    /// The packet that ended the longest one.
    pub packet: PacketRef,
}

/// Requests over UDP of which each gets an answer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Requests {
    /// How many, repeated ones left out.
    pub sent: u32,
    /// How many were sent again with the same content.
    pub repeated: u32,
}

/// Large packets of one side that were sent again and again, over TCP and never acknowledged as they were, or over UDP with the same
/// content or against the errors of a device on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vanished {
    /// Who sent them.
    pub by: Who,
    /// IP length of the packet that was repeated in vain, in bytes.
    pub smallest: u16,
    /// IP length of the packet that arrived in its place, in bytes; 0 where none did.
    pub arrived: u16,
    /// How often it was repeated.
    pub times: u32,
    /// The side went on with smaller packets, and these arrived.
    pub recovered: bool,
    /// Packets of the other side meanwhile, none of which acknowledged it. (TCP)
    pub heard: u32,
    /// The side cannot have sent a packet as large before. (TCP)
    pub first_large: bool,
}

/// An ICMP error 3/4 or an ICMPv6 error 2 about a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooBig {
    /// Who sent it.
    pub sender: Address,
    /// The largest packet that fits, in bytes; 0 where it is not said.
    pub mtu: u16,
    /// True where the client's packet is too big.
    pub about_client: bool,
    /// How many such errors.
    pub times: u32,
}
