//! What a capture says about itself while it is read: how much there is, what was lost, what is damaged or odd.
//! Plain data with a bound on everything that a hostile file could make grow.

use crate::packet::{LinkType, Record};
use crate::time::{Span, Timestamp};
use std::io;

/// What is known of one capture so far. Complete once its reader has said that there is no more.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CaptureNotes {
    /// The name that the reader was given, usually the path as typed.
    pub name: String,
    /// The format: `pcap` or `pcapng`.
    pub format: &'static str,
    /// Byte order and resolution of the first header, in words.
    pub detail: String,
    /// Link types in order of appearance, each once; at most 64 are kept.
    pub link_types: Vec<LinkType>,
    /// Packet records, whether or not they can be decoded.
    pub packets: u64,
    /// Bytes that were captured of them.
    pub captured_bytes: u64,
    /// Bytes that they had on the wire.
    pub bytes: u64,
    /// The earliest capture time.
    pub first: Option<Timestamp>,
    /// The latest capture time.
    pub last: Option<Timestamp>,
    /// Packets of which fewer bytes were captured than there were.
    pub truncated_packets: u64,
    /// Packets whose record has no time (pcapng simple packet blocks); they were given the time of the packet before.
    pub packets_without_time: u64,
    /// The filter that its packets had to pass, where there was one.
    pub filter: Option<FilterNote>,
    /// Packets of an interface that the capture does not describe.
    pub unknown_interface: u64,
    /// Blocks that hold neither packets nor anything else that is read here. Name resolution is not counted.
    pub skipped_blocks: u64,
    /// Comments that people or programs left in the capture, the first 1000 or 64 KiB.
    pub comments: Vec<Comment>,
    /// Comments beyond that bound.
    pub comments_left_out: u64,
    /// Packets that the capturing host counts as lost.
    pub dropped: Dropped,
    /// Seconds in which packets were lost, where that is known to the second, as their first moments; at most 100,000.
    pub lossy_seconds: Vec<Timestamp>,
    /// Interfaces described by a pcapng file over all its sections, the first 1000.
    pub interfaces: Vec<InterfaceNote>,
    /// The first damage.
    pub damage: Option<Damage>,
    /// How often something was damaged.
    pub damages: u64,
    /// The latest moment before each damage behind which reading went on, at most 1000: packets are missing there.
    pub broken: Vec<Timestamp>,
    /// What is odd but did not hinder the reading, one entry a kind.
    pub oddities: Vec<Oddity>,
    /// When a watched interface was not there or not up, the first [`INTERRUPTION_LIMIT`] times.
    pub interruptions: Vec<Interruption>,
    /// How often that was.
    pub interrupted: u64,
    comment_bytes: usize,
}

/// A filter that packets had to pass.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterNote {
    /// As it was typed, in the language of pcap-filter(7).
    pub program: String,
    /// Packets that it did not let through, and that nobody looked into; none where the kernel left them out uncounted.
    pub left_out: Option<u64>,
    /// A link type for whose packets it has no meaning, so that they are among those left out, and why in libpcap's words.
    pub refused: Option<(LinkType, String)>,
}

/// Maximum number of interruptions that are listed.
pub const INTERRUPTION_LIMIT: usize = 100;

/// Maximum number of damaged places whose times are kept.
const BROKEN_LIMIT: usize = 1_000;

/// A time in which nothing was captured from an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interruption {
    /// What happened, with the interface's name: `eth0 went down`.
    pub what: String,
    /// When.
    pub from: Timestamp,
    /// When it was watched again; none if it was not.
    pub to: Option<Timestamp>,
}

/// A comment in a capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comment {
    /// The packet it belongs to, counted from 1; none for one on a section or an interface.
    pub packet: Option<u64>,
    /// The text, with control characters other than line feed and tab replaced.
    pub text: String,
}

/// Packets lost before they came into the capture; none where the capture does not say.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Dropped {
    /// By the operating system of the capturing host. Also holds the drop counts of packet records, which do not tell
    /// who dropped, when no statistics block says more.
    pub kernel: Option<u64>,
    /// By the network interface.
    pub interface: Option<u64>,
}

/// An interface as a pcapng file describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterfaceNote {
    /// Its name, where given.
    pub name: Option<String>,
    /// What it is, where given.
    pub description: Option<String>,
    /// What its packets begin with.
    pub link: LinkType,
    /// How many bytes of a packet it keeps; 0 is all.
    pub snaplen: u32,
}

/// A place where the capture is broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Offset in the file of the broken record or block, in bytes.
    pub position: u64,
    /// The last whole packet before it, counted from 1; 0 when there is none.
    pub packet: u64,
    /// What kind of damage it is.
    pub kind: DamageKind,
    /// What is wrong there.
    pub what: String,
    /// Offset in the file where reading went on; none when nothing after the damage could be read.
    pub resumed: Option<u64>,
}

/// What kind of damage it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DamageKind {
    /// The file ends in the middle of a packet or block, so nothing follows.
    CutOff,
    /// Something that should stand there does not.
    Broken,
    /// The input could not be read any further.
    Unreadable,
}

/// Something odd, and how often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Oddity {
    /// What it is.
    pub kind: OddityKind,
    /// How often it was seen.
    pub count: u64,
    /// The packet of the first time, or the last packet before it.
    pub packet: u64,
}

/// What can be odd about a capture without hindering its reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OddityKind {
    /// A fraction of a second of one second or more; it was added to the seconds.
    FractionBeyondSecond,
    /// More bytes captured than the packet had; the larger number was taken for both.
    CapturedAboveOriginal,
    /// Another pcap header where a record should be: files were joined by hand.
    HeaderInTheMiddle,
    /// A block length that is not a multiple of four; it was rounded up.
    UnevenBlockLength,
    /// A packet that claims to go on past its block; it was cut there.
    PacketPastBlock,
    /// A block too short for what it should hold; it was left out.
    ShortBlock,
    /// A pcapng section of a version other than 1.0 or 1.2.
    SectionVersion,
    /// More interfaces in one section than are kept.
    TooManyInterfaces,
}

impl CaptureNotes {
    /// Nothing known yet but the name and the format.
    pub fn new(name: &str, format: &'static str) -> CaptureNotes {
        CaptureNotes { name: name.to_string(), format, ..CaptureNotes::default() }
    }

    /// Whether packets were lost between two moments, or may have been: without times any loss counts for the whole
    /// capture. So does what a damaged place held, or came while an interface was away, up to four seconds after the second moment: an
    /// answer that is waited for comes later than the last try.
    pub fn may_have_lost(&self, from: Timestamp, to: Timestamp) -> bool {
        let until = to + AFTER;
        let away = |one: &Interruption| one.from <= until && one.to.is_none_or(|back| from <= back);
        let broken = |&at: &Timestamp| from <= at + Span::seconds(1) && at <= until;
        if self.interruptions.iter().any(away) || self.broken.iter().any(broken) {
            return true;
        }
        if !self.lossy_seconds.is_empty() {
            let second = Span::seconds(1);
            return self.lossy_seconds.iter().any(|&lossy| lossy <= to && from <= lossy + second);
        }
        let lost = [self.dropped.kernel, self.dropped.interface].into_iter().flatten().any(|lost| lost > 0);
        lost && self.first.zip(self.last).is_some_and(|(first, last)| first <= to && from <= last)
    }

    /// The number of the next packet.
    #[inline]
    pub(super) fn next_number(&self) -> u64 {
        self.packets + 1
    }

    /// Enters a packet whose record has a time.
    #[inline]
    pub(super) fn count(&mut self, record: &Record) {
        self.first = Some(self.first.map_or(record.at, |first| first.min(record.at)));
        self.last = Some(self.last.map_or(record.at, |last| last.max(record.at)));
        self.count_untimed(record);
    }

    /// Enters a packet without looking at its time.
    #[inline]
    pub(super) fn count_untimed(&mut self, record: &Record) {
        self.packets += 1;
        self.captured_bytes += u64::from(record.captured);
        self.bytes += u64::from(record.original);
        self.truncated_packets += u64::from(record.captured < record.original);
    }

    #[cold]
    pub(super) fn odd(&mut self, kind: OddityKind, packet: u64) {
        match self.oddities.iter_mut().find(|oddity| oddity.kind == kind) {
            Some(oddity) => oddity.count += 1,
            None => self.oddities.push(Oddity { kind, count: 1, packet }),
        }
    }

    #[cold]
    pub(super) fn damaged(&mut self, position: u64, kind: DamageKind, what: String, resumed: Option<u64>) {
        self.damages += 1;
        if let Some(last) = self.last.filter(|_| resumed.is_some() && self.broken.len() < BROKEN_LIMIT) {
            self.broken.push(last);
        }
        let packet = self.packets;
        self.damage.get_or_insert(Damage { position, packet, kind, what, resumed });
    }

    /// The input failed, which explains a record that is cut off there.
    pub(super) fn broke_off(&mut self, position: u64, error: &io::Error) {
        self.damage = self.damage.take().filter(|damage| damage.resumed.is_some());
        self.damaged(position, DamageKind::Unreadable, format!("reading broke off: {error}"), None);
    }

    pub(super) fn link_type(&mut self, link: LinkType) {
        if self.link_types.len() < LINK_TYPES_KEPT && !self.link_types.contains(&link) {
            self.link_types.push(link);
        }
    }

    pub(super) fn interface(&mut self, interface: impl FnOnce() -> InterfaceNote) {
        if self.interfaces.len() < INTERFACES_KEPT {
            self.interfaces.push(interface());
        }
    }

    pub(super) fn comment(&mut self, packet: Option<u64>, bytes: &[u8]) {
        let room = COMMENT_BYTES_KEPT - self.comment_bytes;
        if self.comments.len() >= COMMENTS_KEPT || bytes.len() > room {
            self.comments_left_out += 1;
            return;
        }
        self.comment_bytes += bytes.len();
        self.comments.push(Comment { packet, text: plain_text(bytes) });
    }
}

/// Text out of a capture, safe to print: bad UTF-8 and control characters other than line feed and tab are replaced,
/// and zero bytes at the end, which some writers leave, are cut off.
pub(super) fn plain_text(bytes: &[u8]) -> String {
    let unwanted = |c: char| c.is_control() && c != '\n' && c != '\t';
    String::from_utf8_lossy(bytes).trim_end_matches('\0').replace(unwanted, "\u{FFFD}")
}

impl OddityKind {
    /// A name in kebab case, by which words are found.
    pub fn name(self) -> &'static str {
        match self {
            OddityKind::FractionBeyondSecond => "fraction-beyond-second",
            OddityKind::CapturedAboveOriginal => "captured-above-original",
            OddityKind::HeaderInTheMiddle => "header-in-the-middle",
            OddityKind::UnevenBlockLength => "uneven-block-length",
            OddityKind::PacketPastBlock => "packet-past-block",
            OddityKind::ShortBlock => "short-block",
            OddityKind::SectionVersion => "section-version",
            OddityKind::TooManyInterfaces => "too-many-interfaces",
        }
    }
}

/// How long an answer is waited for (facts GRACE-01).
const AFTER: Span = Span::seconds(4);
/// Maximum numbers of link types, interfaces and comments in the notes of one capture, and of bytes of all its comments.
const LINK_TYPES_KEPT: usize = 64;
const INTERFACES_KEPT: usize = 1_000;
const COMMENTS_KEPT: usize = 1_000;
const COMMENT_BYTES_KEPT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_drive_a_terminal() {
        assert_eq!(plain_text(b"a\x1b[2Jb\n\tc\0\0"), "a\u{FFFD}[2Jb\n\tc");
        assert_eq!(plain_text(b"\xff\xfe!"), "\u{FFFD}\u{FFFD}!");
    }

    #[test]
    fn comments_are_bounded_in_number() {
        let mut notes = CaptureNotes::default();
        (0..1_003).for_each(|_| notes.comment(None, b"x"));
        assert_eq!((notes.comments.len(), notes.comments_left_out), (1_000, 3));
    }

    #[test]
    fn comments_are_bounded_in_bytes() {
        let mut notes = CaptureNotes::default();
        notes.comment(Some(1), &[b'a'; 60_000]);
        notes.comment(Some(2), &[b'b'; 6_000]);
        notes.comment(Some(3), &[b'c'; 5_000]);
        let kept: Vec<_> = notes.comments.iter().map(|comment| comment.packet).collect();
        assert_eq!((kept, notes.comments_left_out), (vec![Some(1), Some(3)], 1));
    }

    #[test]
    fn loss_concerns_the_seconds_it_is_known_for_or_everything() {
        let at = |seconds| Timestamp::new(seconds, 0);
        let mut notes = CaptureNotes { first: Some(at(10)), last: Some(at(90)), ..CaptureNotes::default() };
        assert!(!notes.may_have_lost(at(20), at(30)));
        notes.dropped.kernel = Some(0);
        assert!(!notes.may_have_lost(at(20), at(30)));
        notes.dropped.kernel = Some(3);
        assert!(notes.may_have_lost(at(20), at(30)));
        notes.lossy_seconds = vec![at(40)];
        assert!(!notes.may_have_lost(at(20), at(30)));
        assert!(notes.may_have_lost(at(41), at(50)) && notes.may_have_lost(at(20), at(40)));
    }

    #[test]
    fn a_damaged_place_and_an_interface_that_was_away_have_lost() {
        let at = |seconds| Timestamp::new(seconds, 0);
        let mut notes = CaptureNotes { first: Some(at(0)), last: Some(at(50)), ..CaptureNotes::default() };
        notes.damaged(10, DamageKind::Broken, "one".into(), Some(20));
        assert!(notes.may_have_lost(at(48), at(49)) && notes.may_have_lost(at(51), at(60)));
        assert!(!notes.may_have_lost(at(10), at(45)) && !notes.may_have_lost(at(52), at(60)));
        notes.damaged(30, DamageKind::CutOff, "two".into(), None);
        assert_eq!(notes.broken, [at(50)], "behind the end nothing is missing");
        let what = String::from("eth0 went down");
        notes.interruptions = vec![Interruption { what: what.clone(), from: at(20), to: Some(at(30)) }];
        assert!(notes.may_have_lost(at(10), at(17)) && notes.may_have_lost(at(30), at(40)));
        assert!(!notes.may_have_lost(at(10), at(15)) && !notes.may_have_lost(at(31), at(40)));
        notes.interruptions = vec![Interruption { what, from: at(20), to: None }];
        assert!(notes.may_have_lost(at(31), at(40)));
    }

    #[test]
    fn an_oddity_is_told_once_with_its_count() {
        let mut notes = CaptureNotes::default();
        notes.odd(OddityKind::ShortBlock, 7);
        notes.odd(OddityKind::ShortBlock, 9);
        assert_eq!(notes.oddities, [Oddity { kind: OddityKind::ShortBlock, count: 2, packet: 7 }]);
    }

    #[test]
    fn the_first_damage_is_kept_and_all_are_counted() {
        let mut notes = CaptureNotes::default();
        notes.damaged(10, DamageKind::Broken, "one".into(), Some(20));
        notes.damaged(30, DamageKind::CutOff, "two".into(), None);
        assert_eq!(notes.damage.map(|damage| damage.position), Some(10));
        assert_eq!(notes.damages, 2);
    }
}
