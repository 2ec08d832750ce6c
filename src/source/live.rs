//! Packets as they come, through libpcap: several interfaces at once, never blocked by a silent one. Also what libpcap is
//! needed for besides: the list of interfaces, and filters in its language. The only file that names `pcap`.

mod error;
#[cfg_attr(not(target_os = "linux"), path = "live/no_links.rs")]
mod links;
mod queue;

pub use error::LiveError;

use self::links::{Link, Links};
use self::queue::Queue;
use super::CaptureNotes;
use crate::packet::{Filling, LinkType, Record};
use crate::time::{SECOND, Span, Timestamp};
use pcap::{Active, BpfProgram, Capture, Device, Linktype, PacketHeader};
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

/// A network interface as libpcap tells of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What it is, where the system says.
    pub description: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// It was switched on.
    pub up: bool,
    /// It has a carrier.
    pub running: bool,
    /// It leads back to this machine.
    pub loopback: bool,
    /// It is a radio.
    pub wireless: bool,
}

/// The interfaces of this machine that may carry IP, in libpcap's order, which is that of likely use. It takes no permission.
///
/// # Errors
/// [`LiveError::List`].
pub fn list() -> Result<Vec<Interface>, LiveError> {
    let devices = Device::list().map_err(|error| LiveError::List { why: words(error) })?;
    let carries_ip = |device: &Device| !WITHOUT_IP.iter().any(|prefix| device.name.starts_with(prefix));
    Ok(devices.into_iter().filter(carries_ip).map(Interface::from).collect())
}

/// The interface that stands for all of them, on Linux.
pub const ANY: &str = "any";

/// How interfaces are opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveOptions {
    /// Only packets that this filter lets through, in the language of pcap-filter(7).
    pub filter: Option<String>,
    /// How many bytes of a packet are kept; 0 is all. With a filter that looks behind them, libpcap leaves out the first
    /// packets; 128 hold the headers.
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
    /// The tap that is read first, in turn, so that none is left behind when batches are full.
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
    /// Whatever was captured up to this moment has been handed out. So far may the audit let time run; a packet that comes
    /// later is younger. It stays behind the clock, because the kernel hands packets over in blocks.
    pub settled: Timestamp,
    /// Interfaces that are still watched.
    pub open: usize,
}

/// What an interface had and what was lost of it, since it was first opened. None where nobody says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// The interface.
    pub interface: String,
    /// The number that its packets carry as their capture.
    pub capture: u16,
    /// Packets that passed the filter, as the kernel counts them, those that it then dropped among them.
    pub received: Option<u64>,
    /// Packets that the kernel dropped because its buffer was full.
    pub kernel: Option<u64>,
    /// Packets that the card or its driver dropped (`rx_missed_errors` and `rx_fifo_errors` of the kernel). Other programs'
    /// loss as well, and packets that the filter would not have let through. Many virtual interfaces count none.
    pub card: Option<u64>,
}

impl LiveSource {
    /// Opens interfaces; their packets carry capture numbers from `first_capture` on, in the order of their names. A name
    /// that is given twice is watched once.
    ///
    /// # Errors
    /// One of them cannot be opened, or the filter does not compile. None is watched then.
    pub fn open(interfaces: &[String], options: LiveOptions, first_capture: u16) -> Result<LiveSource, LiveError> {
        let mut links = Links::open();
        let mut taps: Vec<Tap> = Vec::with_capacity(interfaces.len());
        let mut ended = Vec::new();
        for name in interfaces {
            if taps.iter().any(|tap| &tap.notes.name == name) {
                continue;
            }
            let capture = u16::try_from(taps.len()).ok().and_then(|index| first_capture.checked_add(index));
            let capture = capture.ok_or(LiveError::TooMany { named: interfaces.len() })?;
            let mut tap = Tap::new(name, capture);
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

    /// The last batch: waits until the kernel has handed over what was captured before this call, and holds nothing back.
    /// On a busy interface the batch may be full before; then [`Tick::full`] says so, and another call brings more, until all
    /// that was captured before the first of these calls has been handed out.
    pub fn finish(&mut self, filling: &mut Filling<'_>, most: usize) -> Tick {
        let asked = *self.finishing.get_or_insert_with(now);
        let tick = self.collect(Load::new(filling, most), LINGER, Rest::HandedOut);
        Tick { full: tick.full && tick.settled < asked, ..tick }
    }

    /// Interfaces that ended since the last call: name, and why in one sentence's part, such as `eth0 went down`.
    pub fn ended(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.ended)
    }

    /// Tries to open again what has ended. Gives the names of the interfaces that are back; those that are still missing or
    /// down are passed over in silence, and one that is there but cannot be opened is told once, with the reason, and
    /// given up.
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
            let all = rest == Rest::HandedOut && left.is_zero();
            let settled = self.put_in_order(&mut load, read, all);
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

    /// Copies what has come, a few packets of each interface in turn, about a batch at most: that of a single interface into
    /// the batch, that of several into their queues. Says whether there may be more.
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
                    true => queued += tap.read_into_queue(),
                    false => tap.read_into_batch(load),
                }
            }
        }
        false
    }

    /// Up to when everything has been read: of an interface that may have more up to its last packet, of the others up to
    /// where the kernel must have handed it over when it was `looked` at.
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
        let sum = |of: fn(&Queue) -> usize| self.taps.iter().map(|tap| of(&tap.queue)).sum::<usize>();
        sum(Queue::bytes) >= HELD_BYTES || sum(Queue::len) >= HELD_PACKETS
    }

    /// Hands out the packets of several interfaces in the order of their times, as far as none can come before them, or all
    /// of them. Says up to when everything has been handed out.
    fn put_in_order(&mut self, load: &mut Load<'_, '_>, read: Timestamp, all: bool) -> Timestamp {
        // Where there is too much to hold back, order is given up: better than to lose packets.
        let all = all || self.is_crowded();
        let now = now();
        loop {
            let waiting = self.taps.iter_mut().filter_map(|tap| Some((tap.queue.first()?.at, tap)));
            let Some((at, tap)) = waiting.min_by_key(|(at, _)| *at) else { return read };
            // What is younger than now was captured before the clock was set back.
            if !all && at > read && at <= now {
                return read;
            }
            if load.is_full() {
                return read.min(just_before(at));
            }
            let Some(record) = tap.queue.pop(load.filling.block) else { return read };
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
        let timeout = Timespec::try_from(wait.min(LONGEST_SLEEP)).expect("a second is a lawful time");
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

    /// So many packets it still takes, however small they are.
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

/// One interface.
struct Tap {
    /// None before the interface is there and after it has gone. One that is down keeps its handle.
    handle: Option<Capture<Active>>,
    state: State,
    /// The number of its link; none for `any`, and where the kernel cannot be asked.
    index: Option<u32>,
    link: LinkType,
    capture: u16,
    notes: CaptureNotes,
    /// Nothing more was there when it was last read.
    empty: bool,
    /// Up to when it was read: no packet before that will come.
    up_to: Timestamp,
    /// What libpcap said when it could not be read.
    broken: Option<String>,
    /// Where several interfaces are watched: packets that wait for those of the others.
    queue: Queue,
    received: Counter,
    dropped: Counter,
    /// What the card had lost when the interface was opened, and what it lost while it was watched before that.
    missed: Option<Missed>,
}

#[derive(Clone, PartialEq, Eq)]
enum State {
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
enum Ending {
    Down,
    Gone,
    /// Why, in the words of whoever said so.
    Broken(String),
}

impl Tap {
    fn new(name: &str, capture: u16) -> Tap {
        Tap {
            handle: None,
            state: State::Ended,
            index: None,
            link: super::UNKNOWN_INTERFACE,
            capture,
            notes: CaptureNotes::new(name, "live"),
            empty: true,
            up_to: Timestamp::default(),
            broken: None,
            queue: Queue::default(),
            received: Counter::default(),
            dropped: Counter::default(),
            missed: None,
        }
    }

    fn open(&mut self, options: &LiveOptions, links: &mut Links) -> Result<(), LiveError> {
        let name = self.notes.name.clone();
        let handle = activate(&name, options).map_err(|error| why_closed(&name, words(error)))?;
        let handle = with_filter(handle, options.filter.as_deref().unwrap_or_default())?;
        let handle = handle.setnonblock().map_err(|error| LiveError::Open { name: name.clone(), why: words(error) })?;
        self.link = link_type(handle.get_datalink());
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
    fn is_read(&self) -> bool {
        matches!(self.state, State::Open | State::Ending { .. })
    }

    fn ends_at(&self) -> Option<Instant> {
        match self.state {
            State::Ending { until, .. } => Some(until),
            State::Open | State::Ended | State::GivenUp => None,
        }
    }

    /// Copies a few packets into the batch, which has room for one at least.
    fn read_into_batch(&mut self, load: &mut Load<'_, '_>) {
        let most = load.room().min(AT_ONCE);
        self.read(most, |_, notes, mut record, data| {
            record.offset = load.filling.block.len() as u32;
            load.filling.block.extend_from_slice(data);
            load.put(record, notes);
        });
    }

    /// Copies a few packets into the queue. Says how many bytes.
    fn read_into_queue(&mut self) -> usize {
        let before = self.queue.bytes();
        self.read(AT_ONCE, |queue, _, record, data| queue.push(record, data));
        self.queue.bytes() - before
    }

    /// Takes `most` packets at most.
    fn read(&mut self, most: usize, mut take: impl FnMut(&mut Queue, &mut CaptureNotes, Record, &[u8])) {
        let Some(handle) = &mut self.handle else {
            self.empty = true;
            return;
        };
        let Tap { queue, notes, up_to, link, capture, .. } = self;
        let mut count = 0;
        let outcome = handle.dispatch(Some(most), |packet| {
            // Where the system hands packets over in blocks, an old libpcap does not stop within one of them.
            if count == most {
                return;
            }
            let captured = packet.data.len() as u32;
            let record = Record {
                at: moment(packet.header),
                number: notes.next_number() + queue.len() as u64,
                offset: 0,
                captured,
                original: packet.header.len.max(captured),
                link: *link,
                capture: *capture,
            };
            *up_to = just_before(record.at);
            count += 1;
            take(queue, notes, record, packet.data);
        });
        self.empty = !matches!(outcome, Ok(handed_over) if handed_over >= most);
        if let Err(error) = outcome {
            self.broken = Some(words(error));
        }
    }

    /// The socket reports an error: finds out what happened to the interface.
    #[cfg(unix)]
    fn struck(&mut self, links: &mut Links, now: Instant) {
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
    fn look(&mut self, links: &mut Links, now: Instant) -> Link {
        let link = self.index.map_or(Link::Unknown, |index| links.by_index(index));
        match link {
            Link::There { up: true, .. } | Link::Unknown => {}
            Link::There { up: false, .. } => self.ending(Ending::Down, now),
            Link::Gone => self.ending(Ending::Gone, now),
        }
        link
    }

    fn ending(&mut self, why: Ending, now: Instant) {
        if self.state == State::Open {
            self.state = State::Ending { until: now + LINGER, why };
        }
    }

    /// Nothing more comes of it. Says what happened.
    fn end(&mut self, why: &Ending) -> String {
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

    fn loss(&mut self, links: &mut Links) -> Loss {
        if let Some(counted) = self.handle.as_mut().and_then(|handle| handle.stats().ok()) {
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

/// A filter in the language of pcap-filter(7), for packets that come from elsewhere than an interface.
pub struct BpfFilter(BpfProgram);

impl BpfFilter {
    /// Compiles a filter for packets of one link type.
    ///
    /// # Errors
    /// [`LiveError::Filter`], in libpcap's words; also where libpcap does not know the link type.
    pub fn compile(link: LinkType, program: &str) -> Result<BpfFilter, LiveError> {
        let wrong = |error| LiveError::Filter { program: program.to_string(), why: words(error) };
        let dead = Capture::dead(Linktype(number_for_libpcap(link))).map_err(wrong)?;
        dead.compile(program, true).map(BpfFilter).map_err(wrong)
    }

    /// Whether the filter lets a packet through. Of a packet that was cut, `len`, `less` and `greater` see the length that
    /// was captured.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.0.filter(bytes)
    }
}

fn activate(name: &str, options: &LiveOptions) -> Result<Capture<Active>, pcap::Error> {
    let inactive = Capture::from_device(name)?
        .snaplen(i32::try_from(options.snaplen).unwrap_or(0))
        .buffer_size(i32::try_from(options.buffer_bytes).unwrap_or(i32::MAX))
        .promisc(options.promiscuous && name != ANY)
        .timeout(BLOCK_MS);
    #[cfg(target_os = "linux")]
    let inactive = inactive.precision(pcap::Precision::Nano);
    let mut handle = inactive.open()?;
    if name == ANY {
        // The second version also says which interface it was. Where libpcap is too old for it, the first will do.
        let _ = handle.set_datalink(Linktype(i32::from(LinkType::LINUX_SLL2.0)));
    }
    Ok(handle)
}

/// An empty filter lets everything through, and lets the kernel cut packets before it copies them.
fn with_filter(mut handle: Capture<Active>, program: &str) -> Result<Capture<Active>, LiveError> {
    let wrong = |error| LiveError::Filter { program: program.to_string(), why: words(error) };
    handle.filter(program, true).map_err(wrong)?;
    Ok(handle)
}

/// libpcap tells what is wrong in words only; the most common cases are told by them.
fn why_closed(name: &str, why: String) -> LiveError {
    let existing: Vec<String> = list().unwrap_or_default().into_iter().map(|interface| interface.name).collect();
    if !existing.is_empty() && !existing.iter().any(|other| other == name) {
        return LiveError::NoSuchInterface { name: name.to_string(), existing };
    }
    let lower = why.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["cap_net_raw", "permission", "not permitted"]) {
        let program = std::env::current_exe().unwrap_or_else(|_| env!("CARGO_PKG_NAME").into());
        return LiveError::Permission { name: name.to_string(), program };
    }
    if says(&["not up", "network is down"]) {
        return LiveError::Down { name: name.to_string() };
    }
    if says(&["no such device"]) {
        return LiveError::NoSuchInterface { name: name.to_string(), existing };
    }
    LiveError::Open { name: name.to_string(), why }
}

/// What libpcap said, without what its crate puts before it.
fn words(error: pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(words) => words,
        other => other.to_string(),
    }
}

impl From<Device> for Interface {
    fn from(device: Device) -> Interface {
        Interface {
            up: device.flags.is_up(),
            running: device.flags.is_running(),
            loopback: device.flags.is_loopback(),
            wireless: device.flags.is_wireless(),
            addresses: device.addresses.iter().map(|address| address.addr).collect(),
            name: device.name,
            description: device.desc,
        }
    }
}

/// libpcap's number of a link type as files number it.
fn link_type(link: Linktype) -> LinkType {
    u16::try_from(link.0).map_or(super::UNKNOWN_INTERFACE, LinkType)
}

/// Files and libpcap number raw IP differently (<https://www.tcpdump.org/linktypes.html>).
fn number_for_libpcap(link: LinkType) -> i32 {
    let link = match link {
        LinkType::RAW | LinkType::RAW_OPENBSD if cfg!(not(target_os = "openbsd")) => LinkType::RAW_OLD,
        LinkType::RAW | LinkType::RAW_OLD if cfg!(target_os = "openbsd") => LinkType::RAW_OPENBSD,
        other => other,
    };
    i32::from(link.0)
}

/// The fraction of a second is in nanoseconds where they were asked for, in microseconds elsewhere.
#[inline]
fn moment(header: &PacketHeader) -> Timestamp {
    const FRACTION: i64 = if cfg!(target_os = "linux") { 1 } else { 1_000 };
    #[allow(clippy::unnecessary_cast, reason = "the fields are narrower on other systems")]
    let (seconds, fraction) = (header.ts.tv_sec as i64, header.ts.tv_usec as i64);
    Timestamp::new(seconds, fraction * FRACTION)
}

/// By the clock that the kernel stamps packets with.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(0).saturating_mul(SECOND) + i64::from(since.subsec_nanos()))
}

/// Another packet may have the same time.
#[inline]
fn just_before(at: Timestamp) -> Timestamp {
    at + Span(-1)
}

/// Capture devices of Linux that carry no IP.
const WITHOUT_IP: [&str; 5] = ["bluetooth", "dbus-", "nflog", "nfqueue", "usbmon"];

/// A batch is full at so many bytes.
const BATCH_BYTES: usize = 1024 * 1024;

/// A batch is full at so many packets, whatever their size.
const BATCH_PACKETS: usize = 16 * 1024;

/// So many bytes of several interfaces are held back at most to put packets in order.
const HELD_BYTES: usize = 32 * 1024 * 1024;

/// So many packets of several interfaces are held back at most to put them in order.
const HELD_PACKETS: usize = 256 * 1024;

/// Packets that one interface hands out before the next has its turn.
const AT_ONCE: usize = 64;

/// The kernel hands over a block of packets when it is full, or so many milliseconds after its last look at it.
const BLOCK_MS: i32 = 40;

/// After so long a packet has been handed over: the kernel may look at a block twice before it gives it up.
const HELD_BACK: Span = Span::millis(3 * BLOCK_MS as i64);

/// So long an interface that ended is read on.
const LINGER: Duration = Duration::from_millis(4 * BLOCK_MS as u64);

/// So long nothing is waited for without a look at the links.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// How often the kernel is asked for the state of the links.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::packet::PacketBatch;

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

    /// Interfaces that have handed over these packets, each by its time, and nothing since.
    fn waiting(interfaces: &[&[i64]]) -> LiveSource {
        let tap = |(capture, times): (usize, &&[i64])| {
            let mut tap = Tap::new(&format!("tap{capture}"), capture as u16);
            tap.state = State::Open;
            for (index, &time) in times.iter().enumerate() {
                let (at, number) = (Timestamp(time), index as u64 + 1);
                let link = LinkType::ETHERNET;
                let record = Record { at, number, offset: 0, captured: 1, original: 1, link, capture: tap.capture };
                tap.queue.push(record, &[time as u8]);
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
        let record = |number, captured| Record {
            at: Timestamp(5),
            number,
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

    /// An IPv4 header with a UDP header behind it, as RFC 791 and RFC 768 lay them out.
    fn udp(destination: u16) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend(40_000_u16.to_be_bytes());
        packet.extend(destination.to_be_bytes());
        packet.extend([0, 8, 0, 0]);
        packet
    }

    #[test]
    fn a_filter_looks_behind_the_link_header() {
        let ethernet = [vec![0; 12], vec![0x08, 0x00], udp(1494)].concat();
        let filter = BpfFilter::compile(LinkType::ETHERNET, "udp dst port 1494").expect("a lawful filter");
        assert!(filter.matches(&ethernet));
        assert!(!filter.matches(&udp(1494)), "without the header of Ethernet this is noise");
        for raw in [LinkType::RAW, LinkType::RAW_OLD, LinkType::RAW_OPENBSD, LinkType::IPV4] {
            let filter = BpfFilter::compile(raw, "udp dst port 1494").expect("raw IP has a number in libpcap");
            assert_eq!([1494, 2598].map(|port| filter.matches(&udp(port))), [true, false], "{raw:?}");
        }
    }

    #[test]
    fn every_link_type_that_is_read_can_be_filtered() {
        for link in (0..=u16::MAX).map(LinkType).filter(|link| link.is_read()) {
            assert!(BpfFilter::compile(link, "tcp port 2598").is_ok(), "{link:?}");
        }
    }

    #[test]
    fn a_wrong_filter_is_told_in_the_words_of_libpcap() {
        let Err(error) = BpfFilter::compile(LinkType::ETHERNET, "prt 80") else { panic!("`prt` is no word") };
        assert!(error.to_string().starts_with("cannot use the filter `prt 80`: "), "{error}");
        assert!(error.to_string().contains("syntax error"), "{error}");
        assert!(BpfFilter::compile(LinkType::ETHERNET, "tcp\0").is_err());
    }

    #[test]
    fn the_loopback_is_listed() {
        let interfaces = list().expect("listing takes no permission");
        assert!(interfaces.iter().any(|interface| interface.loopback), "{interfaces:?}");
    }

    #[test]
    fn an_unknown_interface_is_told_with_those_that_there_are() {
        let error = LiveSource::open(&["no-such-link".into()], LiveOptions::default(), 0).err();
        let Some(LiveError::NoSuchInterface { name, existing }) = error else { panic!("{error:?}") };
        assert_eq!(name, "no-such-link");
        assert!(existing.iter().any(|name| name.starts_with("lo")), "{existing:?}");
    }
}
