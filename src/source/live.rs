//! Packets as they come, through libpcap: several interfaces at once, never blocked by a silent one.

mod backlog;
mod display_filter;
mod error;
mod libpcap;
#[cfg_attr(not(target_os = "linux"), path = "live/no_links.rs")]
mod links;
mod tap;

pub use error::LiveError;
pub use libpcap::{ANY, BpfFilter, Interface, list};
pub use tap::Loss;

use self::backlog::Backlog;
use self::libpcap::BLOCK_MS;
use self::links::{Link, Links};
use self::tap::{Ending, LINGER, State, Tap, just_before, now};
use super::{CaptureNotes, FilterNote};
use crate::packet::{Filling, Record};
use crate::time::{Span, Timestamp};
use std::time::{Duration, Instant};

/// How interfaces are opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveOptions {
    /// Only packets that this filter lets through, in the language of pcap-filter(7).
    pub filter: Option<String>,
    /// How many bytes of a packet are kept; 0 is all. With a filter that looks beyond them, libpcap leaves out the
    /// first packets; 128 hold the headers.
    pub snaplen: u32,
    /// Bytes that the kernel may hold for each interface until they are read. It takes less where it has less.
    pub buffer_bytes: usize,
    /// Also packets that the card would discard because they are addressed to others. `any` does not know it.
    pub promiscuous: bool,
    /// An interface that is not there or is down is no error; [`LiveSource::reopen`] will try it.
    pub wait: bool,
}

impl Default for LiveOptions {
    /// Whole packets, also those that were put together by offload, and 64 MiB: half a second at one gigabit a second.
    fn default() -> LiveOptions {
        LiveOptions { filter: None, snaplen: 262_144, buffer_bytes: 64 * 1024 * 1024, promiscuous: false, wait: false }
    }
}

/// Packets of interfaces, as they come.
pub struct LiveSource {
    taps: Vec<Tap>,
    options: LiveOptions,
    links: Links,
    looked: Instant,
    ended: Vec<(String, String)>,
    /// The tap that is read first, in turn, so that none is neglected when batches are full.
    turn: usize,
    /// When the end was first asked for.
    finishing: Option<Timestamp>,
}

/// What came of waiting for packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tick {
    /// How many packets are in the batch.
    pub packets: usize,
    /// More was there to be fetched at once when there was no room for it in the batch, or the wait was over.
    pub full: bool,
    /// Whatever was captured up to this moment has been handed out. So far may the audit let time run; a packet that
    /// comes later is younger. It is earlier than the clock, because the kernel hands packets over in blocks.
    pub settled: Timestamp,
    /// Interfaces that are still watched.
    pub open: usize,
}

impl LiveSource {
    /// Opens interfaces; their packets carry capture numbers from `first_capture` on, in the order of their names. A
    /// name that is given twice is watched once.
    ///
    /// # Errors
    /// One of them cannot be opened, or the filter does not compile. None is watched then.
    pub fn open(interfaces: &[String], options: LiveOptions, first_capture: u32) -> Result<LiveSource, LiveError> {
        let mut links = Links::open();
        let mut taps: Vec<Tap> = Vec::with_capacity(interfaces.len());
        let mut ended = Vec::new();
        for name in interfaces {
            if taps.iter().any(|tap| &tap.notes.name == name) {
                continue;
            }
            let capture = u32::try_from(taps.len()).ok().and_then(|index| first_capture.checked_add(index));
            let capture = capture.ok_or(LiveError::TooMany { named: interfaces.len() })?;
            let mut tap = Tap::new(name, capture);
            tap.notes.filter =
                options.filter.clone().map(|program| FilterNote { program, left_out: None, refused: None });
            match tap.open(&options, &mut links) {
                Ok(()) => {}
                Err(LiveError::NoSuchInterface { .. }) if options.wait => {
                    ended.push((name.clone(), format!("there is no interface {name} yet")));
                }
                Err(LiveError::Down { .. }) if options.wait => ended.push((name.clone(), format!("{name} is down"))),
                Err(error) => return Err(error),
            }
            taps.push(tap);
        }
        let looked = Instant::now();
        Ok(LiveSource { taps, options, links, looked, ended, turn: 0, finishing: None })
    }

    /// Waits for packets, copies them into the batch and enters them. Returns when the batch is full or has `most` packets, when
    /// `wait` is over, whether or not anything came, or when a signal arrived. What does not go into this batch waits for the
    /// next and is not counted yet.
    ///
    /// Packets of several interfaces are put in the order of their times. For that the youngest are held back until the
    /// next call, up to 32 MiB of them.
    pub fn fill(&mut self, filling: &mut Filling<'_>, most: usize, wait: Duration) -> Tick {
        self.finishing = None;
        self.collect(Load::new(filling, most), wait, Rest::HeldBack)
    }

    /// The last batch: waits until the kernel has handed over what was captured before this call, and holds nothing
    /// back. On a busy interface the batch may be full before; then [`Tick::full`] says so, and another call brings
    /// more, until all that was captured before the first of these calls has been handed out.
    pub fn finish(&mut self, filling: &mut Filling<'_>, most: usize) -> Tick {
        let asked = *self.finishing.get_or_insert_with(now);
        let tick = self.collect(Load::new(filling, most), LINGER, Rest::HandedOut);
        Tick { full: tick.full && tick.settled < asked, ..tick }
    }

    /// Interfaces that ended since the last call: name, and why in one sentence's part, such as `eth0 went down`.
    pub fn ended(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.ended)
    }

    /// Tries to open again what has ended. Gives the names of the interfaces that are back; those that are still
    /// missing or down are passed over in silence, and one that is there but cannot be opened is told once, with the
    /// reason, and given up.
    pub fn reopen(&mut self) -> Vec<(String, Result<(), LiveError>)> {
        let mut told = Vec::new();
        for tap in self.taps.iter_mut().filter(|tap| tap.state == State::Ended) {
            let there = self.links.by_name(&tap.notes.name);
            if matches!(there, Link::Gone | Link::There { up: false, .. }) {
                continue;
            }
            // One that was only down still has its socket, and the kernel has joined the two again.
            let same = matches!(there, Link::There { index, .. } if Some(index) == tap.index) && tap.handle.is_some();
            let outcome = if same { Ok(()) } else { tap.open(&self.options, &mut self.links) };
            match outcome {
                Ok(()) => (tap.state, tap.up_to) = (State::Open, now()),
                Err(LiveError::NoSuchInterface { .. } | LiveError::Down { .. }) => continue,
                Err(_) => tap.state = State::GivenUp,
            }
            told.push((tap.notes.name.clone(), outcome));
        }
        told
    }

    /// Asks what was lost until now, and enters it into the notes. The kernel counts in 32 bits; so this must be called
    /// before four thousand million packets have passed, once a second being usual.
    pub fn loss(&mut self) -> Vec<Loss> {
        self.taps.iter_mut().map(|tap| tap.loss(&mut self.links)).collect()
    }

    /// What is known of each interface, in the order of their capture numbers. Losses are those of the last call of
    /// [`LiveSource::loss`].
    pub fn notes(&self) -> impl Iterator<Item = &CaptureNotes> {
        self.taps.iter().map(|tap| &tap.notes)
    }

    /// The descriptors that packets are read from, to which a confined audit need not write.
    #[cfg(unix)]
    pub fn descriptors(&self) -> Vec<std::os::fd::RawFd> {
        use std::os::fd::AsRawFd;
        self.taps.iter().filter_map(|tap| tap.handle.as_ref()).map(AsRawFd::as_raw_fd).collect()
    }

    fn collect(&mut self, mut load: Load<'_, '_>, wait: Duration, rest: Rest) -> Tick {
        let deadline = Instant::now() + wait;
        let (full, settled) = loop {
            let looked = now();
            let more = self.read(&mut load);
            self.look_at_links();
            let left = deadline.saturating_duration_since(Instant::now());
            let read = self.read_up_to(looked);
            let rest = if left.is_zero() { rest } else { Rest::HeldBack };
            let settled = self.put_in_order(&mut load, read, rest);
            if load.is_full() || left.is_zero() {
                break (more || settled < read, settled);
            }
            if !more && !self.sleep(left) {
                break (false, settled);
            }
        };
        let open = self.taps.iter().filter(|tap| tap.is_read()).count();
        Tick { packets: load.packets, full, settled, open }
    }

    /// Copies what has come, a few packets of each interface in turn, about a batch at most: that of a single interface
    /// into the batch, that of several into their backlogs. Says whether there may be more.
    fn read(&mut self, load: &mut Load<'_, '_>) -> bool {
        let several = self.taps.len() > 1;
        let room = if self.is_crowded() { 0 } else { BATCH_BYTES };
        let mut queued = 0;
        self.turn = self.turn.wrapping_add(1);
        for tap in &mut self.taps {
            tap.empty = !tap.is_read();
        }
        while self.taps.iter().any(|tap| !tap.empty) {
            for index in 0..self.taps.len() {
                if queued >= room || load.is_full() {
                    return true;
                }
                let turn = (self.turn + index) % self.taps.len();
                let tap = &mut self.taps[turn];
                match several {
                    _ if tap.empty => {}
                    true => queued += tap.read_into_backlog(),
                    false => tap.read_into_batch(load),
                }
            }
        }
        false
    }

    /// Up to when everything has been read: of an interface that may have more up to its last packet, of the others up
    /// to where the kernel must have handed it over when it was `looked` at.
    fn read_up_to(&mut self, looked: Timestamp) -> Timestamp {
        let handed_over = looked + Span(-HELD_BACK.0);
        let read = self.taps.iter_mut().filter(|tap| tap.is_read());
        let up_to = read.map(|tap| {
            if tap.empty {
                tap.up_to = handed_over;
            }
            tap.up_to
        });
        up_to.min().unwrap_or(handed_over)
    }

    /// Whether more waits for its order than may be held back.
    fn is_crowded(&self) -> bool {
        let sum = |of: fn(&Backlog) -> usize| self.taps.iter().map(|tap| of(&tap.backlog)).sum::<usize>();
        sum(Backlog::bytes) >= HELD_BYTES || sum(Backlog::len) >= HELD_PACKETS
    }

    /// Hands out the packets of several interfaces in the order of their times, as far as none can come before them, or
    /// the rest as well. Says up to when everything has been handed out.
    fn put_in_order(&mut self, load: &mut Load<'_, '_>, read: Timestamp, rest: Rest) -> Timestamp {
        // Where there is too much to hold back, order is given up: better than to lose packets.
        let all = rest == Rest::HandedOut || self.is_crowded();
        let now = now();
        loop {
            let waiting = self.taps.iter_mut().filter_map(|tap| Some((tap.backlog.first()?.at, tap)));
            let Some((at, tap)) = waiting.min_by_key(|(at, _)| *at) else { return read };
            // What is younger than now was captured before the clock was set back.
            if !all && at > read && at <= now {
                return read;
            }
            if load.is_full() {
                return read.min(just_before(at));
            }
            let Some(record) = tap.backlog.pop(load.filling.block) else { return read };
            load.put(record, &mut tap.notes);
        }
    }

    /// Ends what has gone or was switched off, twice a second; a socket's error usually tells earlier.
    fn look_at_links(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.looked) >= LOOK_EVERY {
            self.looked = now;
            for tap in self.taps.iter_mut().filter(|tap| tap.state == State::Open) {
                tap.look(&mut self.links, now);
            }
        }
        for tap in &mut self.taps {
            if let Some(why) = tap.broken.take() {
                tap.look(&mut self.links, now);
                tap.ending(Ending::Broken(why), now);
            }
            if let State::Ending { until, why } = &tap.state
                && now >= *until
            {
                let why = why.clone();
                self.ended.push((tap.notes.name.clone(), tap.end(&why)));
            }
        }
    }

    /// Waits until a packet comes, or something happens to an interface. Says no when a signal came instead.
    #[cfg(unix)]
    fn sleep(&mut self, wait: Duration) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let soonest = self.taps.iter().filter_map(Tap::ends_at).min();
        let wait = soonest.map_or(wait, |until| wait.min(until.saturating_duration_since(Instant::now())));
        let watched: Vec<usize> = (0..self.taps.len()).filter(|&index| self.taps[index].is_read()).collect();
        let handles = watched.iter().filter_map(|&index| self.taps[index].handle.as_ref());
        let mut sockets: Vec<PollFd<'_>> = handles.map(|handle| PollFd::new(handle, PollFlags::IN)).collect();
        let timeout = Timespec::try_from(wait.min(LONGEST_SLEEP)).expect("a second is a valid time");
        if poll(&mut sockets, Some(&timeout)).is_err() {
            return false;
        }
        let wrong = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        let struck: Vec<bool> = sockets.iter().map(|socket| socket.revents().intersects(wrong)).collect();
        for (index, _) in watched.into_iter().zip(struck).filter(|(_, struck)| *struck) {
            self.taps[index].struck(&mut self.links, Instant::now());
        }
        true
    }

    /// Waits a little: libpcap has no descriptor to wait on here.
    #[cfg(not(unix))]
    fn sleep(&mut self, wait: Duration) -> bool {
        std::thread::sleep(wait.min(Duration::from_millis(5)));
        true
    }
}

/// A batch that is being filled.
struct Load<'a, 'b> {
    filling: &'a mut Filling<'b>,
    packets: usize,
    most: usize,
}

impl<'a, 'b> Load<'a, 'b> {
    fn new(filling: &'a mut Filling<'b>, most: usize) -> Load<'a, 'b> {
        filling.block.clear();
        Load { filling, packets: 0, most: most.min(BATCH_PACKETS) }
    }

    /// Enters a packet whose bytes are in the batch.
    fn put(&mut self, record: Record, notes: &mut CaptureNotes) {
        notes.count(&record);
        self.filling.enter(record);
        self.packets += 1;
    }

    /// Number of packets that it still takes, however small they are.
    fn room(&self) -> usize {
        self.most.saturating_sub(self.packets)
    }

    fn is_full(&self) -> bool {
        self.filling.block.len() >= BATCH_BYTES || self.room() == 0
    }
}

/// What becomes of the youngest packets of several interfaces at the end of a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    HeldBack,
    HandedOut,
}

/// Bytes at which a batch is full.
const BATCH_BYTES: usize = 1024 * 1024;

/// Packets at which a batch is full, whatever their size.
const BATCH_PACKETS: usize = 16 * 1024;

/// Maximum number of bytes of several interfaces that are held back to put packets in order.
const HELD_BYTES: usize = 32 * 1024 * 1024;

/// Maximum number of packets of several interfaces that are held back to put them in order.
const HELD_PACKETS: usize = 256 * 1024;

/// Longest time until the kernel has handed a packet over: the kernel may look at a block twice before it gives it up.
const HELD_BACK: Span = Span::millis(3 * BLOCK_MS as i64);

/// Longest time to wait without a look at the links.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Time between two questions to the kernel for the state of the links.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::packet::{LinkType, PacketBatch};

    /// Interfaces that have handed over these packets, each by its time, and nothing since.
    fn waiting(interfaces: &[&[i64]]) -> LiveSource {
        let tap = |(capture, times): (usize, &&[i64])| {
            let mut tap = Tap::new(&format!("tap{capture}"), capture as u32);
            tap.state = State::Open;
            for (index, &time) in times.iter().enumerate() {
                let (at, number) = (Timestamp(time), index as u64 + 1);
                let link = LinkType::ETHERNET;
                let record = Record {
                    at,
                    number: number.into(),
                    offset: 0,
                    captured: 1,
                    original: 1,
                    link,
                    capture: tap.capture,
                };
                tap.backlog.push(record, &[time as u8]);
            }
            tap
        };
        LiveSource {
            taps: interfaces.iter().enumerate().map(tap).collect(),
            options: LiveOptions::default(),
            links: Links::open(),
            looked: Instant::now(),
            ended: Vec::new(),
            turn: 0,
            finishing: None,
        }
    }

    #[test]
    fn of_several_interfaces_the_first_packets_are_taken_and_the_others_not_counted() {
        let mut source = waiting(&[&[1, 4, 5, 9], &[2, 3, 6], &[7, 8]]);
        let (mut batch, mut clock, mut times) = (PacketBatch::new(1), Clock::default(), Vec::new());
        for (most, counted) in [(1, [1, 0, 0]), (3, [2, 2, 0]), (0, [2, 2, 0]), (2, [3, 3, 0])] {
            let tick = source.fill(&mut batch.fill(&mut clock), most, Duration::from_secs(1));
            assert_eq!((tick.packets, batch.lane(0).len(), tick.full), (most, most, true));
            times.extend(batch.packets(0).map(|packet| (packet.at.0, packet.bytes[0])));
            assert_eq!(tick.settled, Timestamp(times.len() as i64), "up to just before the next");
            assert!(source.notes().map(|notes| (notes.packets, notes.bytes)).eq(counted.map(|count| (count, count))));
        }
        let tick = source.finish(&mut batch.fill(&mut clock), usize::MAX);
        assert_eq!((tick.packets, tick.full), (3, false));
        times.extend(batch.packets(0).map(|packet| (packet.at.0, packet.bytes[0])));
        assert_eq!(times, (1..=9).map(|time| (time, time as u8)).collect::<Vec<_>>());
    }

    #[test]
    fn a_batch_takes_as_many_packets_as_it_has_room_for() {
        let (mut batch, mut clock) = (PacketBatch::new(2), Clock::default());
        let mut notes = CaptureNotes::new("tap", "live");
        clock.advance(Timestamp(1_000));
        let record = |number: u64, captured| Record {
            at: Timestamp(5),
            number: number.into(),
            offset: 0,
            captured,
            original: captured,
            link: LinkType::ETHERNET,
            capture: 0,
        };
        let mut filling = batch.fill(&mut clock);
        let mut load = Load::new(&mut filling, 3);
        for number in 1..=3 {
            assert_eq!((load.room(), load.is_full()), (4 - number as usize, false));
            load.put(record(number, 0), &mut notes);
        }
        assert_eq!((load.room(), load.is_full()), (0, true));
        let times: Vec<Timestamp> = batch.packets(0).map(|packet| packet.at).collect();
        assert_eq!(times, [Timestamp(1_000); 3], "time runs forward in the batch");
        assert_eq!((notes.packets, notes.first), (3, Some(Timestamp(5))), "the notes tell the time of the capture");

        let mut filling = batch.fill(&mut clock);
        let load = Load::new(&mut filling, usize::MAX);
        assert_eq!((load.room(), load.is_full()), (BATCH_PACKETS, false), "it begins anew");
        load.filling.block.resize(BATCH_BYTES, 0);
        assert!(load.is_full());
    }

    #[test]
    fn an_unknown_interface_is_told_with_those_that_there_are() {
        let error = LiveSource::open(&["no-such-link".into()], LiveOptions::default(), 0).err();
        let Some(LiveError::NoSuchInterface { name, existing }) = error else { panic!("{error:?}") };
        assert_eq!(name, "no-such-link");
        assert!(existing.iter().any(|name| name.starts_with("lo")), "{existing:?}");
    }
}
