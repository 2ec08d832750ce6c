//! The key of a flow: both endpoints in one order, so that both directions find the same flow.

use crate::packet::{Address, Packet, TransportHeader, protocol};
use std::hash::{Hash, Hasher};
use std::ops::Not;

/// An address and a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Endpoint {
    /// The address.
    pub address: Address,
    /// The port; for ICMP echo the identifier.
    pub port: u16,
}

/// Which of the two endpoints of a key, before it is known who is the client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// The endpoint that sorts first.
    Low,
    /// The endpoint that sorts last.
    High,
}

impl Not for Side {
    type Output = Side;
    fn not(self) -> Side {
        match self {
            Side::Low => Side::High,
            Side::High => Side::Low,
        }
    }
}

/// Which of the two ends of a flow, once it is known who opened it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Who {
    /// Who opened the flow.
    Client,
    /// Who was asked.
    Server,
}

impl Not for Who {
    type Output = Who;
    fn not(self) -> Who {
        match self {
            Who::Client => Who::Server,
            Who::Server => Who::Client,
        }
    }
}

/// Two endpoints and an IP protocol, as five words: two of the lower address, two of the higher one, and ports and
/// protocol. Which is the lower one depends on the machine; it is the same for both directions. Made by
/// [`FlowKey::new`] only.
#[derive(Clone, Copy, Debug)]
pub struct FlowKey([u64; 5]);

impl FlowKey {
    /// The key of a packet from one endpoint to another, and the side that sent it. Every other packet goes the other
    /// way, which a processor cannot foresee: so nothing here is a branch.
    #[inline]
    pub fn new(protocol: u8, from: Endpoint, to: Endpoint) -> (FlowKey, Side) {
        let [one, other] = [from, to].map(|end| u128::from_ne_bytes(end.address.0));
        let swap = (one > other) | ((one == other) & (from.port > to.port));
        let mask = 0u64.wrapping_sub(u64::from(swap));
        let ([one, other], port_mask) = ([words(one), words(other)], mask as u16);
        let low = [pick(one[0], other[0], mask), pick(one[1], other[1], mask)];
        let high = [pick(other[0], one[0], mask), pick(other[1], one[1], mask)];
        let low_port = from.port ^ ((from.port ^ to.port) & port_mask);
        let high_port = to.port ^ ((from.port ^ to.port) & port_mask);
        let rest = u64::from(low_port) << 32 | u64::from(high_port) << 16 | u64::from(protocol);
        (FlowKey([low[0], low[1], high[0], high[1], rest]), if swap { Side::High } else { Side::Low })
    }

    /// The key of a TCP, UDP or ICMP echo packet. `None` for what belongs to no flow by itself: later fragments and
    /// other ICMP.
    #[inline]
    pub fn of(packet: &Packet) -> Option<(FlowKey, Side)> {
        let (number, ports) = match packet.transport {
            TransportHeader::Tcp(_) => (protocol::TCP, [packet.source_port, packet.destination_port]),
            TransportHeader::Udp => (protocol::UDP, [packet.source_port, packet.destination_port]),
            TransportHeader::Icmp(icmp) if icmp.is_echo_request() || icmp.is_echo_reply() => {
                (if icmp.v6 { protocol::ICMPV6 } else { protocol::ICMP }, [icmp.identifier; 2])
            }
            TransportHeader::Icmp(_) | TransportHeader::Fragment(_) => return None,
        };
        let from = Endpoint { address: packet.source, port: ports[0] };
        let to = Endpoint { address: packet.destination, port: ports[1] };
        Some(FlowKey::new(number, from, to))
    }

    /// The endpoint of one side.
    pub fn endpoint(&self, side: Side) -> Endpoint {
        let FlowKey([low0, low1, high0, high1, rest]) = *self;
        let (words, port) = match side {
            Side::Low => ([low0, low1], rest >> 32),
            Side::High => ([high0, high1], rest >> 16),
        };
        let address = u128::from(words[1]) << 64 | u128::from(words[0]);
        Endpoint { address: Address(address.to_ne_bytes()), port: port as u16 }
    }

    /// The IP protocol number.
    #[inline]
    pub fn protocol(&self) -> u8 {
        self.0[4] as u8
    }
}

impl PartialEq for FlowKey {
    /// Without a branch for each word: two keys that have come this far are nearly always equal.
    #[inline]
    fn eq(&self, other: &FlowKey) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differs, (mine, theirs)| differs | (mine ^ theirs)) == 0
    }
}

impl Eq for FlowKey {}

impl Hash for FlowKey {
    /// Five words. For IPv4 two of them are constant, and the seeded hash takes care of that.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let FlowKey([low0, low1, high0, high1, rest]) = *self;
        state.write_u128(u128::from(low1) << 64 | u128::from(low0));
        state.write_u128(u128::from(high1) << 64 | u128::from(high0));
        state.write_u64(rest);
    }
}

#[inline]
fn words(address: u128) -> [u64; 2] {
    [address as u64, (address >> 64) as u64]
}

/// The first where the mask is 0, the second where it is all ones.
#[inline]
fn pick(one: u64, other: u64, mask: u64) -> u64 {
    one ^ ((one ^ other) & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(last: u8, port: u16) -> Endpoint {
        Endpoint { address: Address::v4([10, 0, 0, last]), port }
    }

    #[test]
    fn both_directions_have_one_key() {
        let (there, side) = FlowKey::new(protocol::TCP, end(1, 50_000), end(2, 1494));
        let (back, other) = FlowKey::new(protocol::TCP, end(2, 1494), end(1, 50_000));
        assert_eq!(there, back);
        assert_eq!(side, !other);
        assert_eq!(there.endpoint(side), end(1, 50_000));
    }

    #[test]
    fn a_host_that_talks_to_itself_keeps_its_two_ends_apart() {
        let (key, side) = FlowKey::new(protocol::TCP, end(1, 50_000), end(1, 1494));
        assert_eq!(key.endpoint(side).port, 50_000);
        assert_eq!(key.endpoint(!side).port, 1494);
        let (back, other) = FlowKey::new(protocol::TCP, end(1, 1494), end(1, 50_000));
        assert_eq!((back, other), (key, !side), "both directions have one key here too");
    }
}
