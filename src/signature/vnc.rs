//! VNC: the version of the remote framebuffer protocol, which the server says first.

use super::bytes::Reader;
use super::voice::Reading;
use super::{Opening, Signature, Strength, TCP};

pub(super) const SIGNATURE: Signature =
    Signature { name: "vnc", transports: TCP, source: "facts VNC-01, NS-03; RFC 6143 7.1.1", only_citrix: false, read };

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| voice.reading(Reader::new(voice.bytes).want(b"RFB 00"), Strength::Strong))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Vnc;
    use super::super::Strength::Strong;
    use super::super::said::{Said, tcp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![tcp(5900).server("RFB 003.008\n").client("RFB 003.008\n")]
    }

    #[test]
    fn the_version_is_strong_and_a_part_of_it_is_waited_for() {
        assert_eq!(tcp(5900).server("RFB 003.889\n").told(), Some((Vnc, Strong)));
        assert_eq!(tcp(1494).client("RFB 003.003\n").told(), Some((Vnc, Strong)));
        assert!(tcp(5900).server("RFB").wants_more());
        assert!(tcp(5900).server("RFB 1").tells_nothing());
    }
}
