//! What a signature is given and what it gives back: one side's voice, and a reading of it.

use super::bytes::{Miss, Parsed};
use super::{Content, OPENING_LIMIT, Opening, Strength, Transport};

/// What one signature makes of an opening.
pub(super) enum Reading {
    /// It is not this protocol.
    Foreign,
    /// It fits as far as the bytes go, more may come, and then it would be strong.
    Begun,
    /// It is this protocol.
    Heard(Clue),
}

/// How a protocol was recognised.
pub(super) struct Clue {
    pub(super) strength: Strength,
    /// Who gave it away; the server if both did.
    pub(super) speaker: Speaker,
    pub(super) server_name: Option<Box<str>>,
    pub(super) citrix_hint: bool,
    /// What else the words say.
    pub(super) content: Option<Content>,
}

/// Whose words they are. The server's count more, see [`super::tell`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Speaker {
    Client,
    Server,
}

/// The first bytes of one side, never empty, and the flow that they open.
pub(super) struct Voice<'a> {
    pub(super) speaker: Speaker,
    pub(super) bytes: &'a [u8],
    pub(super) opening: &'a Opening<'a>,
}

impl Opening<'_> {
    /// Reads each side on its own with a rule that needs no more than one.
    #[inline]
    pub(super) fn each_side(&self, read: impl Fn(&Voice<'_>) -> Reading) -> Reading {
        let read_one = |speaker, bytes: &[u8]| match bytes {
            [] => Reading::Foreign,
            bytes => read(&Voice { speaker, bytes, opening: self }),
        };
        read_one(Speaker::Client, self.client).or(read_one(Speaker::Server, self.server))
    }

    /// Whether more of these opening bytes may be shown later.
    pub(super) fn awaits(&self, bytes: &[u8]) -> bool {
        self.transport == Transport::Tcp && !self.cut && !self.ended && bytes.len() < OPENING_LIMIT
    }
}

impl Voice<'_> {
    /// The reading that follows from the bytes of this side: `strength` if all was there and right.
    pub(super) fn reading(&self, parsed: Parsed<()>, strength: Strength) -> Reading {
        match parsed {
            Ok(()) => Reading::heard(strength, self.speaker),
            Err(miss) => self.missed(miss, strength),
        }
    }

    /// The same, with what the bytes say beside the protocol.
    pub(super) fn saying(&self, parsed: Parsed<Option<Content>>, strength: Strength) -> Reading {
        match parsed {
            Ok(content) => Reading::Heard(Clue { content, ..Clue::new(strength, self.speaker) }),
            Err(miss) => self.missed(miss, strength),
        }
    }

    /// The reading of bytes that do not fit: worth waiting only for what would be more than soft.
    pub(super) fn missed(&self, miss: Miss, strength: Strength) -> Reading {
        match miss {
            Miss::Short if strength > Strength::Soft && self.opening.awaits(self.bytes) => Reading::Begun,
            Miss::Short | Miss::Wrong => Reading::Foreign,
        }
    }

    /// Strong on the ports that the protocol owns, soft elsewhere: what a loose signature is worth.
    pub(super) fn strong_on(&self, ports: &[u16]) -> Strength {
        if ports.contains(&self.opening.server_port) { Strength::Strong } else { Strength::Soft }
    }

    /// Whether a datagram can be as long as it says. Of a cut one only a part is there.
    pub(super) fn is_long(&self, stated: usize) -> bool {
        if self.opening.cut { stated >= self.bytes.len() } else { stated == self.bytes.len() }
    }
}

impl Reading {
    /// It is this protocol, and there is no more to say.
    pub(super) fn heard(strength: Strength, speaker: Speaker) -> Reading {
        Reading::Heard(Clue::new(strength, speaker))
    }

    /// The reading of two sides: heard before begun before foreign, and of two that were heard the better one.
    #[inline]
    pub(super) fn or(self, other: Reading) -> Reading {
        match (self, other) {
            (Reading::Heard(one), Reading::Heard(two)) if two.rank() > one.rank() => {
                Reading::Heard(two.with_name_of(one))
            }
            (Reading::Heard(one), Reading::Heard(two)) => Reading::Heard(one.with_name_of(two)),
            (Reading::Heard(clue), Reading::Begun | Reading::Foreign)
            | (Reading::Begun | Reading::Foreign, Reading::Heard(clue)) => Reading::Heard(clue),
            (Reading::Begun, Reading::Begun | Reading::Foreign) | (Reading::Foreign, Reading::Begun) => Reading::Begun,
            (Reading::Foreign, Reading::Foreign) => Reading::Foreign,
        }
    }
}

impl Clue {
    /// A clue without a name.
    pub(super) fn new(strength: Strength, speaker: Speaker) -> Clue {
        Clue { strength, speaker, server_name: None, citrix_hint: false, content: None }
    }

    /// By this clues are compared: strength first, then the server before the client.
    pub(super) fn rank(&self) -> (Strength, Speaker) {
        (self.strength, self.speaker)
    }

    /// Takes over what the other clue says about the server, so that the name in a hello outlives its answer.
    pub(super) fn with_name_of(self, other: Clue) -> Clue {
        let content = match (other.content, self.content) {
            (Some(other), Some(mine)) => Some(other.join(mine)),
            (other, mine) => mine.or(other),
        };
        Clue {
            server_name: self.server_name.or(other.server_name),
            citrix_hint: self.citrix_hint || other.citrix_hint,
            content,
            ..self
        }
    }
}
