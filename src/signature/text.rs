//! Plain text: whole lines that a client sends first. No protocol by itself, but not what a Citrix service is greeted with:
//! probes of scanners and monitors.

use super::bytes::{is_plain, sure};
use super::voice::{Reading, Speaker};
use super::{Opening, Signature, Strength, TCP};

pub(super) const SIGNATURE: Signature =
    Signature { name: "text", transports: TCP, source: "facts TEXT-01", only_citrix: false, read };

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| match voice.speaker {
        Speaker::Client => voice.reading(sure(is_lines(voice.bytes)), Strength::Soft),
        Speaker::Server => Reading::Foreign,
    })
}

/// At least two bytes, all of them text, with a whole line among them.
fn is_lines(bytes: &[u8]) -> bool {
    let whole = bytes.len() >= 2 && bytes.contains(&b'\n');
    whole && bytes.split(|byte| matches!(byte, b'\r' | b'\n' | b'\t')).all(is_plain)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Text;
    use super::super::Strength::Soft;
    use super::super::said::{Said, tcp};

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![tcp(1494).client("\r\n\r\n"), tcp(2598).client("HELP\r\n")]
    }

    #[test]
    fn whole_lines_of_the_client_are_text() {
        assert_eq!(tcp(1494).client("quit\n").told(), Some((Text, Soft)));
        for no_line in ["quit", "\n", "\x7f\x7fICA\n", "caf\u{e9}\r\n"] {
            assert!(tcp(1494).client(no_line).tells_nothing(), "{no_line:?}");
        }
        assert!(tcp(1494).server("220 ready\r\n").tells_nothing(), "only the client's");
    }
}
