//! CGP on TCP 2598: its greeting, and the name of the service inside. Who speaks first is not proven (facts CGP-03), so
//! either side may.

use super::bytes::{Reader, sure};
use super::voice::{Reading, Speaker};
use super::{Opening, Signature, Strength, TCP};

pub(super) const SIGNATURE: Signature = Signature {
    name: "cgp",
    transports: TCP,
    source: "facts CGP-01, CGP-02, CGP-03, CGP-04, ICA-04, PROOF-01",
    only_citrix: true,
    read,
};

/// Proof is the greeting of one side together with the name of the service. Each of them alone is strong, and so is the
/// short greeting when both sides say it.
fn read(opening: &Opening<'_>) -> Reading {
    let (client, server) = (opening.client, opening.server);
    let one_greets = client.starts_with(GREETING) || server.starts_with(GREETING);
    if one_greets && (names_service(client) || names_service(server)) {
        return Reading::heard(Strength::Proof, Speaker::Server);
    }
    if client.starts_with(TOKEN) && server.starts_with(TOKEN) {
        return Reading::heard(Strength::Strong, Speaker::Server);
    }
    opening.each_side(|voice| {
        let greeting = voice.reading(Reader::new(voice.bytes).want(GREETING), Strength::Strong);
        greeting.or(voice.reading(sure(counts_service(voice.bytes)), Strength::Strong))
    })
}

/// 0x1A and "CGP/01" (facts CGP-01). The first byte is the length of something, and alone no signature (facts CGP-05).
const GREETING: &[u8] = b"\x1ACGP/01";

/// What libprotoident wants of both sides (facts CGP-02).
const TOKEN: &[u8] = b"\x1ACGP";

/// The service that the client asks for (facts CGP-04).
const SERVICE: &[u8] = b"Citrix.TcpProxyService";

/// The same after its length: text like that of a web page about Citrix has no NUL in it.
const COUNTED_SERVICE: &[u8] = b"\x00\x16Citrix.TcpProxyService";

/// The name of the service ends at most this many bytes after the start (facts CGP-04).
const SERVICE_WITHIN: usize = 256;

fn names_service(bytes: &[u8]) -> bool {
    bytes.windows(SERVICE.len()).any(|part| part == SERVICE)
}

fn counts_service(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(SERVICE_WITHIN)];
    start.windows(COUNTED_SERVICE.len()).any(|part| part == COUNTED_SERVICE)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Cgp;
    use super::super::Strength::{Proof, Strong};
    use super::super::said::{Said, tcp};
    use super::*;

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            tcp(2598).client(GREETING).client([0; 20]).client(COUNTED_SERVICE).server(GREETING).server([1, 2, 3]),
            tcp(2598).server(GREETING),
        ]
    }

    #[test]
    fn the_greeting_of_either_side_is_strong() {
        assert_eq!(tcp(2598).client(GREETING).told(), Some((Cgp, Strong)));
        assert_eq!(tcp(2799).server(GREETING).told(), Some((Cgp, Strong)), "multi-port (facts CGP-18)");
    }

    #[test]
    fn greeting_and_service_are_proof_whoever_says_them() {
        let client = tcp(2598).client(GREETING).client([0, 1, 2, 3]);
        assert_eq!(client.clone().client(COUNTED_SERVICE).told(), Some((Cgp, Proof)));
        assert_eq!(client.server(COUNTED_SERVICE).told(), Some((Cgp, Proof)));
    }

    #[test]
    fn the_service_alone_wants_its_length_and_its_place() {
        assert_eq!(tcp(2598).client([0x1A; 8]).client(COUNTED_SERVICE).told(), Some((Cgp, Strong)));
        assert!(tcp(2598).client([0x1B; 8]).client(SERVICE).ended().tells_nothing());
        assert!(tcp(2598).client([0x1B; 240]).client(COUNTED_SERVICE).ended().tells_nothing());
    }

    #[test]
    fn the_short_greeting_must_come_from_both_sides() {
        let both = tcp(2598).client(b"\x1ACGP\x02").server(b"\x1ACGP\x02");
        assert_eq!(both.told(), Some((Cgp, Strong)));
        assert!(tcp(2598).client(b"\x1ACGP\x02").ended().tells_nothing());
    }

    #[test]
    fn its_first_byte_alone_says_nothing() {
        assert!(tcp(2598).client([0x1A]).wants_more());
        assert!(tcp(2598).client([0x1A]).ended().tells_nothing());
        assert!(
            tcp(2598).client([0x1A, 0x03, 0x00]).tells_nothing(),
            "82 unrelated flows begin like that (facts CGP-05)"
        );
    }
}
