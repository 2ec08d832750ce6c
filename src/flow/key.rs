//! The key of a flow: both endpoints in one order, so that both directions find the same flow.

use crate::packet::{Address, Packet, Transport, protocol};
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

/// Two endpoints and an IP protocol. Invariant: `low <= high`, kept by [`FlowKey::new`], the only way to a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FlowKey {
    low: Endpoint,
    high: Endpoint,
    protocol: u8,
}

impl FlowKey {
    /// The key of a packet from one endpoint to another, and the side that sent it.
    #[inline]
    pub fn new(protocol: u8, from: Endpoint, to: Endpoint) -> (FlowKey, Side) {
        if order(&from) <= order(&to) {
            (FlowKey { low: from, high: to, protocol }, Side::Low)
        } else {
            (FlowKey { low: to, high: from, protocol }, Side::High)
        }
    }

    /// The key of a TCP, UDP or ICMP echo packet. `None` for what belongs to no flow by itself: later fragments and other ICMP.
    #[inline]
    pub fn of(packet: &Packet<'_>) -> Option<(FlowKey, Side)> {
        let (number, ports) = match packet.transport {
            Transport::Tcp(_) => (protocol::TCP, [packet.source_port, packet.destination_port]),
            Transport::Udp => (protocol::UDP, [packet.source_port, packet.destination_port]),
            Transport::Icmp(icmp) if icmp.is_echo_request() || icmp.is_echo_reply() => {
                (if icmp.v6 { protocol::ICMPV6 } else { protocol::ICMP }, [icmp.identifier; 2])
            }
            Transport::Icmp(_) | Transport::Fragment(_) => return None,
        };
        let from = Endpoint { address: packet.source, port: ports[0] };
        let to = Endpoint { address: packet.destination, port: ports[1] };
        Some(FlowKey::new(number, from, to))
    }

    /// The endpoint of one side.
    pub fn endpoint(&self, side: Side) -> Endpoint {
        match side {
            Side::Low => self.low,
            Side::High => self.high,
        }
    }

    /// The IP protocol number.
    pub fn protocol(&self) -> u8 {
        self.protocol
    }
}

/// Endpoints compared as numbers, which is much cheaper than byte by byte.
#[inline]
fn order(endpoint: &Endpoint) -> (u128, u16) {
    (u128::from_be_bytes(endpoint.address.0), endpoint.port)
}

impl Hash for FlowKey {
    /// Five words. For IPv4 two of them are constant, and the seeded hash takes care of that.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        for address in [self.low.address.0, self.high.address.0] {
            state.write_u128(u128::from_ne_bytes(address));
        }
        state.write_u64(u64::from(self.low.port) << 32 | u64::from(self.high.port) << 8 | u64::from(self.protocol));
    }
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
    }
}
