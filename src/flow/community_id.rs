//! Community ID version 1: one text for a flow that several tools share
//! (<https://github.com/corelight/community-id-spec>).

use crate::packet::{Address, protocol};
use base64::Engine;

/// The Community ID, seed 0, of a flow. For ICMP and ICMPv6 the ports are the type and the code of the first message.
pub fn community_id(number: u8, from: (Address, u16), to: (Address, u16)) -> String {
    let (from, to) = match number {
        protocol::ICMP => icmp_ports(from, to, &ICMP_PAIRS),
        protocol::ICMPV6 => icmp_ports(from, to, &ICMPV6_PAIRS),
        _ => ordered(from, to),
    };
    let mut hash = sha1_smol::Sha1::new();
    hash.update(&SEED.to_be_bytes());
    hash.update(from.0.wire_bytes());
    hash.update(to.0.wire_bytes());
    hash.update(&[number, 0]);
    hash.update(&from.1.to_be_bytes());
    hash.update(&to.1.to_be_bytes());
    format!("1:{}", base64::engine::general_purpose::STANDARD.encode(hash.digest().bytes()))
}

const SEED: u16 = 0;

type Place = (Address, u16);

fn ordered(from: Place, to: Place) -> (Place, Place) {
    // Bytes as they stand on the wire; two addresses of one flow are of one family.
    if (from.0.wire_bytes(), from.1) <= (to.0.wire_bytes(), to.1) { (from, to) } else { (to, from) }
}

/// A message type that is answered by another becomes a pair of "ports"; every other message stands as it was sent.
fn icmp_ports(from: Place, to: Place, pairs: &[(u16, u16)]) -> (Place, Place) {
    let (kind, code) = (from.1, to.1);
    let answer = pairs.iter().find_map(|&(ask, answer)| match kind {
        _ if kind == ask => Some(answer),
        _ if kind == answer => Some(ask),
        _ => None,
    });
    match answer {
        Some(other) => ordered((from.0, kind), (to.0, other)),
        None => ((from.0, kind), (to.0, code)),
    }
}

/// Echo, router, timestamp, information and mask messages (RFC 792, 950, 1256).
const ICMP_PAIRS: [(u16, u16); 5] = [(8, 0), (10, 9), (13, 14), (15, 16), (17, 18)];
/// Echo, multicast listener, router, neighbour, node information and home agent messages (RFC 4443 and others).
const ICMPV6_PAIRS: [(u16, u16); 6] = [(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)];

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn place(text: &str, port: u16) -> (Address, u16) {
        (text.parse::<IpAddr>().expect("a literal of this test").into(), port)
    }

    #[test]
    fn the_published_vectors_are_met() {
        // The baseline files of the specification's repository.
        let vectors = [
            (6, "128.232.110.120", 34855, "66.35.250.204", 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (17, "192.168.1.52", 54585, "8.8.8.8", 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
            (1, "192.168.0.89", 8, "192.168.0.1", 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            (1, "192.168.0.1", 0, "192.168.0.89", 8, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            (1, "192.168.0.89", 20, "192.168.0.1", 0, "1:3o2RFccXzUgjl7zDpqmY7yJi8rI="),
            (1, "192.168.0.89", 20, "192.168.0.1", 1, "1:tz/fHIDUHs19NkixVVoOZywde+I="),
            (58, "fe80::200:86ff:fe05:80da", 135, "fe80::260:97ff:fe07:69ea", 0, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
            (58, "fe80::260:97ff:fe07:69ea", 136, "fe80::200:86ff:fe05:80da", 0, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
            (
                58,
                "3ffe:507:0:1:260:97ff:fe07:69ea",
                3,
                "3ffe:507:0:1:200:86ff:fe05:80da",
                0,
                "1:NdobDX8PQNJbAyfkWxhtL2Pqp5w=",
            ),
            (
                58,
                "3ffe:507:0:1:200:86ff:fe05:80da",
                3,
                "3ffe:507:0:1:260:97ff:fe07:69ea",
                0,
                "1:/OGBt9BN1ofenrmSPWYicpij2Vc=",
            ),
        ];
        for (number, from, from_port, to, to_port, expected) in vectors {
            assert_eq!(community_id(number, place(from, from_port), place(to, to_port)), expected);
        }
    }

    #[test]
    fn both_directions_give_one_id() {
        let (a, b) = (place("10.0.0.1", 50_000), place("10.0.0.2", 1494));
        assert_eq!(community_id(6, a, b), community_id(6, b, a));
        let (ping, pong) = (
            community_id(1, place("10.0.0.1", 8), place("10.0.0.2", 0)),
            community_id(1, place("10.0.0.2", 0), place("10.0.0.1", 0)),
        );
        assert_eq!(ping, pong);
    }
}
