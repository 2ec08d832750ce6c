//! Live capture on real interfaces, in network namespaces of their own. Needs root; elsewhere each test says that it was
//! skipped.

#![cfg(all(feature = "live", target_os = "linux"))]

mod netns;
mod skip;

use cap_audit::clock::Clock;
use cap_audit::packet::{LinkType, PacketBatch, RawPacket, Record};
use cap_audit::source::{ANY, LiveError, LiveOptions, LiveSource, Tick};
use cap_audit::time::{Span, Timestamp};
use netns::{Host, Net};
use skip::skipped;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const WAIT: Duration = Duration::from_millis(100);

/// A packet as it was handed out.
#[derive(Clone, Debug)]
struct Seen {
    record: Record,
    bytes: Vec<u8>,
}

impl Seen {
    fn of(packet: RawPacket<'_>) -> Seen {
        let RawPacket { at, number, capture, link, original, bytes } = packet;
        let record =
            Record { at, number: number.into(), offset: 0, captured: bytes.len() as u32, original, link, capture };
        Seen { record, bytes: bytes.to_vec() }
    }

    /// The last byte, by which the tests tell packets apart.
    fn mark(&self) -> u8 {
        *self.bytes.last().expect("no packet is empty")
    }
}

fn open(names: &[&str], options: LiveOptions) -> LiveSource {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    LiveSource::open(&names, options, 3).expect("root may capture")
}

fn only(filter: &str) -> LiveOptions {
    LiveOptions { filter: Some(filter.into()), ..LiveOptions::default() }
}

/// One batch, appended to what was seen.
fn fill(source: &mut LiveSource, seen: &mut Vec<Seen>, wait: Duration) -> Tick {
    fill_with(source, seen, usize::MAX, wait)
}

/// One batch of at most this number of packets.
fn fill_with(source: &mut LiveSource, seen: &mut Vec<Seen>, most: usize, wait: Duration) -> Tick {
    let mut batch = PacketBatch::new(1);
    let tick = source.fill(&mut batch.fill(&mut Clock::default()), most, wait);
    take(&batch, tick, seen);
    tick
}

fn take(batch: &PacketBatch, tick: Tick, seen: &mut Vec<Seen>) {
    assert_eq!(tick.packets, batch.lane(0).len());
    seen.extend(batch.packets(0).map(Seen::of));
}

/// Batches until this number of packets was seen, or three seconds have passed.
fn fill_until(source: &mut LiveSource, count: usize) -> Vec<Seen> {
    let (mut seen, begun) = (Vec::new(), Instant::now());
    while seen.len() < count && begun.elapsed() < Duration::from_secs(3) {
        fill(source, &mut seen, WAIT);
    }
    seen
}

/// Sends datagrams of one byte, the mark, from the near host over the interface of that network.
fn send(network: u8, port: u16, marks: impl IntoIterator<Item = u8>) {
    let socket = UdpSocket::bind((format!("10.{network}.0.1"), 0)).expect("the address is there");
    for mark in marks {
        socket.send_to(&[mark], (format!("10.{network}.0.2"), port)).expect("there is a way to it");
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is set");
    Timestamp::new(since.as_secs() as i64, i64::from(since.subsec_nanos()))
}

#[test]
fn packets_sent_are_packets_seen() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let mut source = open(&["one"], only("udp dst port 4000"));
        let begun = now();
        send(1, 4000, 0..200);
        let seen = fill_until(&mut source, 200);
        assert_eq!(seen.iter().map(Seen::mark).collect::<Vec<_>>(), (0..200).collect::<Vec<u8>>());
        assert!(seen.iter().map(|packet| u64::from(packet.record.number)).eq(1..=200));
        for Seen { record, bytes } in &seen {
            // Ethernet, IPv4, UDP and the mark.
            assert_eq!((record.captured, record.original, bytes.len()), (43, 43, 43));
            assert_eq!((record.capture, record.link), (3, LinkType::ETHERNET));
            assert!(record.at >= begun && record.at <= now(), "{record:?}");
        }
        assert!(seen.iter().any(|packet| packet.record.at.0 % 1_000 != 0), "times have nanoseconds");
        let notes: Vec<_> = source.notes().cloned().collect();
        let [notes] = &notes[..] else { panic!("one interface has one note") };
        assert_eq!((notes.name.as_str(), notes.format, notes.packets, notes.bytes), ("one", "live", 200, 200 * 43));
        assert_eq!(notes.first, seen.first().map(|packet| packet.record.at));
        assert_eq!(notes.last, seen.last().map(|packet| packet.record.at));
        assert_eq!((notes.link_types.as_slice(), notes.truncated_packets), (&[LinkType::ETHERNET][..], 0));
    });
}

#[test]
fn silence_returns_when_the_wait_is_over() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let mut source = open(&["one", "two"], only("udp port 4000"));
        for _ in 0..5 {
            let (before, begun) = (now(), Instant::now());
            let tick = fill(&mut source, &mut Vec::new(), WAIT);
            let took = begun.elapsed();
            // Without a wait of its own, libpcap would not come back at all; a busy machine may be late.
            assert!(took >= WAIT && took < Duration::from_secs(5), "{took:?}");
            assert_eq!((tick.packets, tick.full, tick.open), (0, false, 2));
            assert!(tick.settled > before + Span::millis(-200) && tick.settled < now(), "{tick:?}");
        }
    });
}

#[test]
fn nothing_that_is_settled_comes_later() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let mut source = open(&["one", "two"], only("udp dst port 4000"));
        let sender = thread::spawn(|| {
            for round in 0..100 {
                send(1 + round % 2, 4000, [round]);
                thread::sleep(Duration::from_millis(7));
            }
        });
        let (mut settled, mut count, begun) = (Timestamp::default(), 0, Instant::now());
        while count < 100 && begun.elapsed() < Duration::from_secs(5) {
            let mut seen = Vec::new();
            let tick = fill(&mut source, &mut seen, Duration::from_millis(30));
            assert!(seen.iter().all(|packet| packet.record.at > settled), "late: {settled} {seen:?}");
            assert!(seen.is_sorted_by_key(|packet| packet.record.at), "two interfaces, one line of time");
            (settled, count) = (tick.settled, count + seen.len());
        }
        sender.join().expect("the sender sends");
        assert_eq!(count, 100);
    });
}

#[test]
fn two_interfaces_are_told_apart_and_put_in_order() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let mut source = open(&["one", "two", "one"], only("udp dst port 4000"));
        for mark in 0..100 {
            send(1 + mark % 2, 4000, [mark]);
        }
        let seen = fill_until(&mut source, 100);
        assert_eq!(seen.iter().map(Seen::mark).collect::<Vec<_>>(), (0..100).collect::<Vec<u8>>());
        for Seen { record, bytes } in &seen {
            let mark = bytes[42];
            assert_eq!((record.capture, u64::from(record.number)), (3 + u32::from(mark % 2), u64::from(mark / 2) + 1));
        }
        let names: Vec<_> = source.notes().map(|notes| (notes.name.clone(), notes.packets)).collect();
        assert_eq!(names, [("one".to_string(), 50), ("two".to_string(), 50)], "named twice is watched once");
    });
}

#[test]
fn a_busy_interface_does_not_overtake_a_quiet_one() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let mut source = open(&["one", "two"], only("udp dst port 4000"));
        const SENT: usize = 30_000;
        let sender = thread::spawn(|| {
            let busy = UdpSocket::bind("10.1.0.1:0").expect("the address is there");
            let quiet = UdpSocket::bind("10.2.0.1:0").expect("the address is there");
            for number in 0..SENT {
                let (socket, to) = if number % 100 == 0 { (&quiet, "10.2.0.2:4000") } else { (&busy, "10.1.0.2:4000") };
                socket.send_to(&[7; 900], to).expect("there is a way to it");
            }
        });
        let (mut last, mut settled, mut count, mut quiet, begun) =
            (Timestamp::default(), Timestamp::default(), 0, 0, Instant::now());
        while count < SENT && begun.elapsed() < Duration::from_secs(20) {
            let mut seen = Vec::new();
            let tick = fill(&mut source, &mut seen, WAIT);
            for Seen { record, .. } in &seen {
                assert!(record.at >= last && record.at > settled, "packet {} came late", u64::from(record.number));
                last = record.at;
                quiet += usize::from(record.capture == 4);
            }
            (settled, count) = (tick.settled, count + seen.len());
        }
        sender.join().expect("the sender sends");
        assert_eq!((count, quiet), (SENT, SENT / 100));
    });
}

#[test]
fn the_end_holds_nothing_back() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let mut source = open(&["one", "two"], only("udp dst port 4000"));
        send(1, 4000, 0..10);
        send(2, 4000, 10..20);
        let (mut batch, mut seen) = (PacketBatch::new(1), Vec::new());
        let tick = source.finish(&mut batch.fill(&mut Clock::default()), usize::MAX);
        take(&batch, tick, &mut seen);
        assert_eq!(seen.iter().map(Seen::mark).collect::<Vec<_>>(), (0..20).collect::<Vec<u8>>());
        assert!(!tick.full);
    });
}

#[test]
fn no_more_packets_are_taken_than_are_wanted() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        for names in [&["one"][..], &["one", "two"]] {
            let mut source = open(names, only("udp dst port 4000"));
            for mark in 0..200 {
                send(1 + mark % names.len() as u8, 4000, [mark]);
            }
            thread::sleep(Duration::from_millis(150));
            // The kernel hands over all of them in one block; 100 is more than are read in one go.
            let (mut seen, mut wanted, mut settled) = (Vec::new(), 0, Timestamp::default());
            for most in [1, 2, 100, 7] {
                wanted += most;
                let tick = fill_with(&mut source, &mut seen, most, Duration::from_secs(3));
                assert_eq!((tick.packets, tick.full), (most, true), "{names:?}");
                let next: Option<&Seen> = seen.get(wanted - most);
                assert!(next.is_some_and(|next| next.record.at > settled), "{names:?}: {settled} {next:?}");
                settled = tick.settled;
                let counted: u64 = source.notes().map(|notes| notes.packets).sum();
                assert_eq!((seen.len(), counted), (wanted, wanted as u64), "{names:?}");
            }
            let mut batch = PacketBatch::new(1);
            let tick = source.finish(&mut batch.fill(&mut Clock::default()), 5);
            take(&batch, tick, &mut seen);
            assert!(tick.full, "{names:?}: {tick:?}");
            let tick = source.finish(&mut batch.fill(&mut Clock::default()), usize::MAX);
            take(&batch, tick, &mut seen);
            assert!(!tick.full, "{names:?}: {tick:?}");
            assert_eq!(seen.iter().map(Seen::mark).collect::<Vec<_>>(), (0..200).collect::<Vec<u8>>(), "{names:?}");
        }
    });
}

#[test]
fn the_end_does_not_wait_for_what_comes_after_it() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let mut source = open(&["one"], only("udp dst port 4000"));
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let socket = UdpSocket::bind("10.1.0.1:0").expect("the address is there");
                let begun = Instant::now();
                while !stop.load(Ordering::Relaxed) && begun.elapsed() < Duration::from_secs(20) {
                    let _ = socket.send_to(&[7; 900], "10.1.0.2:4000");
                }
            });
            fill_until(&mut source, 10_000);
            thread::sleep(Duration::from_millis(100));
            let (begun, asked) = (Instant::now(), now());
            let mut batch = PacketBatch::new(1);
            loop {
                let tick = source.finish(&mut batch.fill(&mut Clock::default()), usize::MAX);
                // A reader that is as slow as its interface is busy.
                thread::sleep(Duration::from_millis(50));
                if !tick.full {
                    assert!(tick.settled >= asked + Span::millis(-200), "{tick:?}");
                    break;
                }
                assert!(begun.elapsed() < Duration::from_secs(15), "it does not end");
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn any_watches_all_and_says_which() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let options = LiveOptions { promiscuous: true, ..only("udp dst port 4000") };
        let mut source = open(&[ANY], options);
        send(1, 4000, [1]);
        send(2, 4000, [2]);
        let seen = fill_until(&mut source, 2);
        assert_eq!(seen.iter().map(Seen::mark).collect::<Vec<_>>(), [1, 2]);
        assert!(seen.iter().all(|packet| packet.record.link == LinkType::LINUX_SLL2));
        // Bytes 4 to 7 of LINKTYPE_LINUX_SLL2 are the number of the interface.
        assert_ne!(seen[0].bytes[4..8], seen[1].bytes[4..8]);
        let loss = source.loss();
        assert_eq!((loss[0].kernel, loss[0].card), (Some(0), None), "nobody counts for all cards");
    });
}

#[test]
fn a_filter_filters_and_a_wrong_one_is_refused() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let mut source = open(&["one"], only("udp dst port 4001"));
        send(1, 4000, [1]);
        send(1, 4001, [2]);
        send(1, 4002, [3]);
        send(1, 4001, [4]);
        assert_eq!(fill_until(&mut source, 2).iter().map(Seen::mark).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(fill(&mut source, &mut Vec::new(), WAIT).packets, 0);
        let error = LiveSource::open(&["one".into()], only("port port"), 0).err();
        assert!(matches!(&error, Some(LiveError::Filter { program, .. }) if program == "port port"), "{error:?}");
    });
}

#[test]
fn a_small_snaplen_cuts_and_says_so() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let mut source = open(&["one"], LiveOptions { snaplen: 60, ..only("udp dst port 4000") });
        let socket = UdpSocket::bind("10.1.0.1:0").expect("the address is there");
        for _ in 0..5 {
            socket.send_to(&[7; 1_000], "10.1.0.2:4000").expect("there is a way to it");
        }
        let seen = fill_until(&mut source, 5);
        assert_eq!(seen.len(), 5);
        assert!(seen.iter().all(|packet| (packet.record.captured, packet.record.original) == (60, 1_042)));
        assert_eq!(source.notes().next().map(|notes| notes.truncated_packets), Some(5));
    });
}

#[test]
fn what_the_kernel_drops_is_counted() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        // The smallest ring that libpcap makes, and nobody who reads it.
        let mut source = open(&["one"], LiveOptions { buffer_bytes: 1, ..only("udp dst port 4000") });
        let socket = UdpSocket::bind("10.1.0.1:0").expect("the address is there");
        const SENT: usize = 4_000;
        for _ in 0..SENT {
            socket.send_to(&[7; 1_000], "10.1.0.2:4000").expect("there is a way to it");
        }
        let seen = fill_until(&mut source, SENT);
        let loss = source.loss().remove(0);
        let dropped = loss.kernel.expect("Linux counts") as usize;
        assert!(dropped > 0, "{loss:?}");
        assert_eq!(seen.len() + dropped, SENT, "each packet is either seen or counted");
        assert_eq!((loss.received, loss.card), (Some(SENT as u64), Some(0)));
        assert_eq!(source.loss(), std::slice::from_ref(&loss), "asking does not count anew");
        let dropped = source.notes().next().map(|notes| (notes.dropped.kernel, notes.dropped.interface));
        assert_eq!(dropped, Some((loss.kernel, loss.card)));
    });
}

#[test]
fn a_batch_is_bounded_and_the_rest_comes_in_the_next() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let mut source = open(&["one"], only("udp dst port 4000"));
        let socket = UdpSocket::bind("10.1.0.1:0").expect("the address is there");
        for _ in 0..3_000 {
            socket.send_to(&[7; 1_000], "10.1.0.2:4000").expect("there is a way to it");
        }
        thread::sleep(Duration::from_millis(150));
        let mut seen = Vec::new();
        let begun = Instant::now();
        let tick = fill(&mut source, &mut seen, Duration::from_secs(10));
        assert!(tick.full && begun.elapsed() < Duration::from_secs(1), "a full batch does not wait");
        assert!((1_000..1_200).contains(&tick.packets), "about one megabyte: {tick:?}");
        assert_eq!(
            Some(tick.settled + Span(1)),
            seen.last().map(|packet| packet.record.at),
            "the next may have its time"
        );
        while seen.len() < 3_000 && fill(&mut source, &mut seen, WAIT).packets > 0 {}
        assert_eq!(seen.len(), 3_000);
    });
}

/// Batches until the source tells of an end.
fn wait_for_end(source: &mut LiveSource, seen: &mut Vec<Seen>) -> Vec<(String, String)> {
    let begun = Instant::now();
    loop {
        fill(source, seen, WAIT);
        let ended = source.ended();
        if !ended.is_empty() {
            return ended;
        }
        assert!(begun.elapsed() < Duration::from_secs(3), "nothing was told");
    }
}

#[test]
fn an_interface_that_is_deleted_ends_and_the_other_goes_on() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let mut source = open(&["one", "two"], only("udp dst port 4000"));
        send(1, 4000, [1]);
        net.ip(Host::Near, "link del one");
        let mut seen = Vec::new();
        let told = wait_for_end(&mut source, &mut seen);
        assert_eq!(told, [("one".to_string(), "one is gone".to_string())]);
        send(2, 4000, [2]);
        let begun = Instant::now();
        while seen.len() < 2 && begun.elapsed() < Duration::from_secs(3) {
            assert_eq!(fill(&mut source, &mut seen, WAIT).open, 1);
        }
        assert_eq!(seen.iter().map(Seen::mark).collect::<Vec<_>>(), [1, 2], "what was captured before is not lost");
        assert_eq!(source.ended(), [], "told once");
        assert!(source.reopen().is_empty(), "it is not back");
        net.ip(Host::Near, "link del two");
        wait_for_end(&mut source, &mut seen);
        assert_eq!(fill(&mut source, &mut seen, WAIT).open, 0);
    });
}

#[test]
fn an_interface_that_comes_back_is_opened_again() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let mut source = open(&["one"], only("udp dst port 4000"));
        send(1, 4000, [1]);
        let mut seen = fill_until(&mut source, 1);
        source.loss();
        net.ip(Host::Near, "link del one");
        wait_for_end(&mut source, &mut seen);
        assert!(source.reopen().is_empty());
        net.connect("one", 1);
        assert_eq!(source.reopen(), [("one".to_string(), Ok(()))]);
        assert!(source.reopen().is_empty(), "it is open already");
        send(1, 4000, [2]);
        seen.extend(fill_until(&mut source, 1));
        let told: Vec<_> = seen.iter().map(|packet| (packet.mark(), u64::from(packet.record.number))).collect();
        assert_eq!(told, [(1, 1), (2, 2)], "it is one capture, with one line of numbers");
        assert_eq!(source.loss()[0].received, Some(2));
    });
}

#[test]
fn an_interface_that_goes_down_ends_until_it_is_up() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        let mut source = open(&["one"], only("udp dst port 4000"));
        send(1, 4000, [1]);
        net.ip(Host::Near, "link set one down");
        let mut seen = Vec::new();
        let told = wait_for_end(&mut source, &mut seen);
        assert_eq!(told, [("one".to_string(), "one went down".to_string())]);
        assert!(source.reopen().is_empty(), "it is still down");
        let begun = Instant::now();
        assert_eq!(fill(&mut source, &mut seen, WAIT).open, 0);
        assert!(begun.elapsed() >= WAIT, "a dead socket must not keep the program busy");
        net.ip(Host::Near, "link set one up");
        net.ip(Host::Near, "neigh replace 10.1.0.2 lladdr 02:00:00:00:01:02 dev one nud permanent");
        assert_eq!(source.reopen(), [("one".to_string(), Ok(()))]);
        thread::sleep(Duration::from_millis(50));
        send(1, 4000, [2]);
        let begun = Instant::now();
        while seen.len() < 2 && begun.elapsed() < Duration::from_secs(3) {
            fill(&mut source, &mut seen, WAIT);
        }
        assert_eq!(seen.iter().map(Seen::mark).collect::<Vec<_>>(), [1, 2]);
    });
}

#[test]
fn one_can_wait_for_an_interface_that_is_not_there_yet() {
    let Some(net) = Net::new() else { return };
    net.on(Host::Near, || {
        net.ip(Host::Near, "link set two down");
        let names = ["later".to_string(), "two".to_string()];
        let error = LiveSource::open(&names[1..], LiveOptions::default(), 0).err();
        assert_eq!(error, Some(LiveError::Down { name: "two".into() }));
        let options = LiveOptions { wait: true, ..LiveOptions::default() };
        let mut source = LiveSource::open(&names, options, 0).expect("one waits");
        let told = source.ended().into_iter().map(|(_, why)| why).collect::<Vec<_>>();
        assert_eq!(told, ["there is no interface later yet", "two is down"]);
        assert_eq!(fill(&mut source, &mut Vec::new(), WAIT).open, 0);
        net.connect("later", 3);
        net.ip(Host::Near, "link set two up");
        let back: Vec<_> = source.reopen().into_iter().map(|(name, outcome)| (name, outcome.is_ok())).collect();
        assert_eq!(back, [("later".to_string(), true), ("two".to_string(), true)]);
    });
}

/// Run by the test below as an ordinary user.
#[test]
#[ignore = "only the test below runs it"]
fn open_the_loopback() {
    match LiveSource::open(&["lo".into()], LiveOptions::default(), 0) {
        Ok(_) => println!("opened"),
        Err(error) => println!("{error}"),
    }
}

#[test]
fn without_permission_both_ways_to_it_are_told() {
    let Some(net) = Net::new() else { return };
    let program = std::env::current_exe().expect("a test knows its program");
    let done = Command::new("ip")
        .args(["netns", "exec", net.name(Host::Near)])
        .args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"])
        .arg(&program)
        .args(["--ignored", "--exact", "open_the_loopback", "--nocapture"])
        .output();
    let Ok(done) = done else {
        return skipped("iproute2 is missing");
    };
    let told = String::from_utf8_lossy(&done.stdout);
    if !told.contains("running 1 test") {
        let why = String::from_utf8_lossy(&done.stderr);
        return skipped(format_args!("setpriv is missing or another user cannot run this program ({})", why.trim()));
    }
    assert!(told.contains("cannot watch lo: this user may not read raw packets; run it as root with `sudo`"), "{told}");
    assert!(told.contains(&format!("setcap cap_net_raw,cap_net_admin+ep {}", program.display())), "{told}");
}
