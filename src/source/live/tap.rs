//! One interface: its state while it comes and goes, its packets, and what was lost of them.

use super::super::UNKNOWN_INTERFACE;
use super::backlog::Backlog;
use super::libpcap::{BLOCK_MS, Handle};
use super::links::{Link, Links};
use super::{LiveError, LiveOptions, Load};
use crate::packet::{LinkType, Record};
use crate::source::CaptureNotes;
use crate::time::{SECOND, Span, Timestamp};
use std::time::{Duration, Instant, SystemTime};

/// One interface.
pub(super) struct Tap {
    /// None before the interface is there and after it has gone. One that is down keeps its handle.
    pub(super) handle: Option<Handle>,
    pub(super) state: State,
    /// The number of its link; none for `any`, and where the kernel cannot be asked.
    pub(super) index: Option<u32>,
    link: LinkType,
    pub(super) capture: u32,
    pub(super) notes: CaptureNotes,
    /// Nothing more was there when it was last read.
    pub(super) empty: bool,
    /// Up to when it was read: no packet before that will come.
    pub(super) up_to: Timestamp,
    /// What libpcap said when it could not be read.
    pub(super) broken: Option<String>,
    /// Where several interfaces are watched: packets that wait for those of the others.
    pub(super) backlog: Backlog,
    received: Counter,
    dropped: Counter,
    /// What the card had lost when the interface was opened, and what it lost while it was watched before that.
    missed: Option<Missed>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// Something ended it. What the kernel still holds of it is read until then.
    Ending {
        until: Instant,
        why: Ending,
    },
    Ended,
    GivenUp,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Ending {
    Down,
    Gone,
    /// Why, in the words of whoever said so.
    Broken(String),
}

impl Tap {
    pub(super) fn new(name: &str, capture: u32) -> Tap {
        Tap {
            handle: None,
            state: State::Ended,
            index: None,
            link: UNKNOWN_INTERFACE,
            capture,
            notes: CaptureNotes::new(name, "live"),
            empty: true,
            up_to: Timestamp::default(),
            broken: None,
            backlog: Backlog::default(),
            received: Counter::default(),
            dropped: Counter::default(),
            missed: None,
        }
    }

    pub(super) fn open(&mut self, options: &LiveOptions, links: &mut Links) -> Result<(), LiveError> {
        let name = self.notes.name.clone();
        let handle = Handle::open(&name, options)?;
        self.link = handle.link();
        self.notes.link_type(self.link);
        self.notes.detail = format!("{} bytes of a packet", options.snaplen);
        self.handle = Some(handle);
        self.state = State::Open;
        self.up_to = now();
        self.received.restart();
        self.dropped.restart();
        let (index, missed) = match links.by_name(&name) {
            Link::There { index, missed, .. } => (Some(index), missed),
            Link::Gone | Link::Unknown => (None, None),
        };
        self.index = index;
        let before = self.missed.map_or(0, Missed::total);
        self.missed = missed.map(|at_start| Missed { before, at_start, now: at_start });
        Ok(())
    }

    /// Whether its packets are handed out: also those that the kernel holds when it has just ended.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.state, State::Open | State::Ending { .. })
    }

    pub(super) fn ends_at(&self) -> Option<Instant> {
        match self.state {
            State::Ending { until, .. } => Some(until),
            State::Open | State::Ended | State::GivenUp => None,
        }
    }

    /// Copies a few packets into the batch, which has room for one at least.
    pub(super) fn read_into_batch(&mut self, load: &mut Load<'_, '_>) {
        let most = load.room().min(AT_ONCE);
        self.read(most, |_, notes, mut record, data| {
            record.offset = load.filling.block.len() as u32;
            load.filling.block.extend_from_slice(data);
            load.put(record, notes);
        });
    }

    /// Copies a few packets into the backlog. Says how many bytes.
    pub(super) fn read_into_backlog(&mut self) -> usize {
        let before = self.backlog.bytes();
        self.read(AT_ONCE, |backlog, _, record, data| backlog.push(record, data));
        self.backlog.bytes() - before
    }

    /// Takes `most` packets at most.
    fn read(&mut self, most: usize, mut take: impl FnMut(&mut Backlog, &mut CaptureNotes, Record, &[u8])) {
        let Some(handle) = &mut self.handle else {
            self.empty = true;
            return;
        };
        let Tap { backlog, notes, up_to, link, capture, .. } = self;
        let mut count = 0;
        let outcome = handle.dispatch(most, |at, original, data| {
            // Where the system hands packets over in blocks, an old libpcap does not stop within one of them.
            if count == most {
                return;
            }
            let captured = data.len() as u32;
            let record = Record {
                at,
                number: (notes.next_number() + backlog.len() as u64).into(),
                offset: 0,
                captured,
                original: original.max(captured),
                link: *link,
                capture: *capture,
            };
            *up_to = just_before(at);
            count += 1;
            take(backlog, notes, record, data);
        });
        self.empty = !matches!(outcome, Ok(handed_over) if handed_over >= most);
        if let Err(error) = outcome {
            self.broken = Some(error);
        }
    }

    /// The socket reports an error: finds out what happened to the interface.
    #[cfg(unix)]
    pub(super) fn struck(&mut self, links: &mut Links, now: Instant) {
        // Reading the error clears it; otherwise no wait would be silent again.
        let error = self.handle.as_ref().map(rustix::net::sockopt::socket_error);
        let link = self.look(links, now);
        match error {
            Some(Ok(Err(rustix::io::Errno::NETDOWN))) if matches!(link, Link::There { .. }) => {}
            Some(Ok(Err(rustix::io::Errno::NETDOWN))) => self.ending(Ending::Down, now),
            Some(Ok(Err(error)) | Err(error)) => self.ending(Ending::Broken(error.to_string()), now),
            Some(Ok(Ok(()))) | None => self.ending(Ending::Broken("its socket was shut".to_string()), now),
        }
    }

    /// Ends it if the kernel says that it has gone or is down.
    pub(super) fn look(&mut self, links: &mut Links, now: Instant) -> Link {
        let link = self.index.map_or(Link::Unknown, |index| links.by_index(index));
        match link {
            Link::There { up: true, .. } | Link::Unknown => {}
            Link::There { up: false, .. } => self.ending(Ending::Down, now),
            Link::Gone => self.ending(Ending::Gone, now),
        }
        link
    }

    pub(super) fn ending(&mut self, why: Ending, now: Instant) {
        if self.state == State::Open {
            self.state = State::Ending { until: now + LINGER, why };
        }
    }

    /// Nothing more comes of it. Says what happened.
    pub(super) fn end(&mut self, why: &Ending) -> String {
        self.state = State::Ended;
        if why != &Ending::Down {
            self.handle = None;
        }
        let name = &self.notes.name;
        match why {
            Ending::Down => format!("{name} went down"),
            Ending::Gone => format!("{name} is gone"),
            Ending::Broken(why) => format!("{name} cannot be read any more ({why})"),
        }
    }

    pub(super) fn loss(&mut self, links: &mut Links) -> Loss {
        if let Some(counted) = self.handle.as_mut().and_then(Handle::counted) {
            self.received.count(counted.received);
            self.dropped.count(counted.dropped);
        }
        if let (Some(index), Some(missed)) = (self.index, &mut self.missed)
            && let Link::There { missed: Some(now), .. } = links.by_index(index)
        {
            missed.now = now;
        }
        self.notes.dropped.kernel = self.dropped.total;
        self.notes.dropped.interface = self.missed.map(Missed::total);
        Loss {
            interface: self.notes.name.clone(),
            capture: self.capture,
            received: self.received.total,
            kernel: self.notes.dropped.kernel,
            card: self.notes.dropped.interface,
        }
    }
}

/// A count of libpcap, which has 32 bits and begins again at 0 with each handle, in 64.
#[derive(Clone, Copy, Default, Debug)]
struct Counter {
    last: u32,
    /// None before it was ever read.
    total: Option<u64>,
}

impl Counter {
    fn count(&mut self, now: u32) {
        let more = now.wrapping_sub(self.last);
        self.last = now;
        self.total = Some(self.total.unwrap_or(0) + u64::from(more));
    }

    fn restart(&mut self) {
        self.last = 0;
    }
}

/// What a card lost while it was watched. Its own count goes on whether or not anybody watches.
#[derive(Clone, Copy, Debug)]
struct Missed {
    before: u64,
    at_start: u64,
    now: u64,
}

impl Missed {
    /// A driver that was loaded anew may count from 0 again.
    fn total(self) -> u64 {
        self.before + self.now.saturating_sub(self.at_start)
    }
}

/// What an interface had and what was lost of it, since it was first opened. None where nobody says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// The interface.
    pub interface: String,
    /// The number that its packets carry as their capture.
    pub capture: u32,
    /// Packets that passed the filter, as the kernel counts them, those that it then dropped among them.
    pub received: Option<u64>,
    /// Packets that the kernel dropped because its buffer was full.
    pub kernel: Option<u64>,
    /// Packets that the card or its driver dropped (`rx_missed_errors` and `rx_fifo_errors` of the kernel). Other
    /// programs' loss as well, and packets that the filter would not have let through. Many virtual interfaces count
    /// none.
    pub card: Option<u64>,
}

/// By the clock that the kernel stamps packets with.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(0).saturating_mul(SECOND) + i64::from(since.subsec_nanos()))
}

/// Another packet may have the same time.
#[inline]
pub(super) fn just_before(at: Timestamp) -> Timestamp {
    at + Span(-1)
}

/// Packets that one interface hands out before the next has its turn.
const AT_ONCE: usize = 64;

/// Time for which an interface that ended is read on.
pub(super) const LINGER: Duration = Duration::from_millis(4 * BLOCK_MS as u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_32_bits_goes_on_in_64() {
        let mut counter = Counter::default();
        assert_eq!(counter.total, None, "not counted is not 0");
        counter.count(0xffff_fff0);
        counter.count(0x10);
        assert_eq!(counter.total, Some(0x1_0000_0010));
        counter.restart();
        counter.count(5);
        assert_eq!(counter.total, Some(0x1_0000_0015));
    }

    #[test]
    fn a_card_that_counts_anew_has_not_lost_less_than_nothing() {
        assert_eq!(Missed { before: 3, at_start: 100, now: 107 }.total(), 10);
        assert_eq!(Missed { before: 3, at_start: 100, now: 2 }.total(), 3);
    }
}
