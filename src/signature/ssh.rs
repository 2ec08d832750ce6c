//! SSH: the identification line that both sides send.

use super::bytes::Reader;
use super::voice::Reading;
use super::{Opening, Signature, Strength, TCP};

pub(super) const SIGNATURE: Signature =
    Signature { name: "ssh", transports: TCP, source: "facts SSH-01; RFC 4253 4.2", only_citrix: false, read };

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| {
        let parsed = Reader::new(voice.bytes).want_any(&IDENTIFICATIONS);
        voice.reading(parsed.map(|_| ()), Strength::Strong)
    })
}

/// Version 2, and whatever began with 1, which includes the 1.99 of servers that speak both.
const IDENTIFICATIONS: [&[u8]; 2] = [b"SSH-2.0-", b"SSH-1."];

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Ssh;
    use super::super::Strength::Strong;
    use super::super::said::{Said, tcp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![tcp(22).server("SSH-2.0-OpenSSH_9.6\r\n").client("SSH-2.0-PuTTY\r\n"), tcp(22).server("SSH-1.99-Old\n")]
    }

    #[test]
    fn either_side_gives_it_away_on_any_port() {
        assert_eq!(tcp(22).server("SSH-2.0-x\r\n").told(), Some((Ssh, Strong)));
        assert_eq!(tcp(443).client("SSH-2.0-x\r\n").told(), Some((Ssh, Strong)));
        assert_eq!(tcp(22).server("SSH-1.5-x\n").told(), Some((Ssh, Strong)));
    }

    #[test]
    fn a_part_is_waited_for() {
        assert!(tcp(22).server("SSH-").wants_more());
        assert!(tcp(22).server("SSH-").ended().tells_nothing());
        assert!(tcp(22).server("SSH-3").tells_nothing());
    }
}
