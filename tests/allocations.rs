//! The steady state allocates nothing for a packet. A binary of its own, because it counts every allocation.

mod support;

use cap_audit::audit::{Audit, Flows};
use cap_audit::flow::Limits;
use cap_audit::packet::{PacketBatch, RawPacket};
use cap_audit::pipeline::Options;
use cap_audit::time::Span;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use support::*;

/// The system's allocator, counting calls: those of this thread, and those of all.
struct Counting;

static OF_ALL: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static OF_THIS_THREAD: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    OF_ALL.fetch_add(1, Ordering::Relaxed);
    // A thread that is being taken down has no counter any more.
    let _ = OF_THIS_THREAD.try_with(|counter| counter.set(counter.get() + 1));
}

// SAFETY: every call is handed to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time: the counter of all threads must not count the other test.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Conversations of every kind that is common, interleaved, with this number of rounds of question and answer.
fn traffic(rounds: usize) -> Vec<Captured> {
    let greeting = b"\x1aCGP/01\x00\x16Citrix.TcpProxyService";
    let talks = (1..=60u8).map(|host| {
        let (v4, v6) = (format!("10.0.0.{host}"), format!("fd00::{host}"));
        let talk = match host % 6 {
            0 => Talk::udp(client(&v4, 40_000), server("10.0.1.1", 2598)).says(b"hello").answers(b"hello"),
            1 => Talk::udp(client(&v4, 40_000), server("10.0.1.1", 514)),
            2 => Talk::between(client(&v6, 40_000), server("fd00::1:1", 1494))
                .opened()
                .answers(b"\x7f\x7fICA\0")
                .says(b"\x7f\x7fICA\0"),
            3 => Talk::between(client(&v4, 40_000), server("10.0.1.1", 443)).vlans(&[7]).opened(),
            _ => Talk::between(client(&v4, 40_000), server("10.0.1.1", 2598)).opened().says(greeting).answers(greeting),
        };
        let pause = Span::millis(7);
        let rounds = (0..rounds).fold(talk, |talk, round| match host % 6 {
            0 => talk.wait(pause).says(b"ask").answers(b"answer"),
            1 => talk.wait(pause).says(b"<14>a line of a log"),
            _ if round % 5 == 0 => talk.wait(pause).says(b"ask").answers(&[0x2a; 1_200]).repeats(Who::Server).ack(),
            _ => talk.wait(pause).says(b"ask").answers(&[0x2a; 1_200]).ack().mirrored(),
        });
        rounds.packets()
    });
    merge(talks)
}

#[test]
fn a_packet_of_a_known_flow_allocates_nothing() {
    let _turn = turn();
    let packets = traffic(60);
    let mut audit = Audit::new(citrix(), Limits::default(), Flows::Kept);
    let raw = |place: usize| {
        let (at, link, original, bytes) = &packets[place];
        RawPacket { at: *at, number: place as u64 + 1, capture: 0, link: *link, original: *original, bytes }
    };
    let (known, half) = (packets.len() / 4, packets.len() / 2);
    audit.observe_all(PacketBatch::of((0..known).map(raw)).lane(0));
    let rest = PacketBatch::of((half..packets.len()).map(raw));
    let before = OF_THIS_THREAD.get();
    for packet in (known..half).map(raw) {
        audit.observe(&packet);
        audit.sweep(packet.at, 8);
    }
    audit.observe_all(rest.lane(0));
    let allocated = OF_THIS_THREAD.get() - before;
    assert_eq!(allocated, 0, "{allocated} allocations for {} packets", packets.len() - known);
    let (ledger, flows) = audit.finish(packets[packets.len() - 1].0);
    assert_eq!((ledger.decoded, flows.len()), (packets.len() as u64, 60), "every packet was counted");
    assert!(OF_THIS_THREAD.get() > before, "the counter counts");
}

#[test]
fn the_pipeline_allocates_for_flows_and_batches_but_not_for_packets() {
    let _turn = turn();
    let allocated = |rounds: usize| {
        let packets = traffic(rounds);
        let number = packets.len() as u64;
        let before = OF_ALL.load(Ordering::Relaxed);
        let harvest = audit_with(packets, Options::default(), 256);
        assert_eq!(harvest.ledger.received(), number);
        (number, OF_ALL.load(Ordering::Relaxed) - before)
    };
    // The first run also pays for what is made once.
    allocated(50);
    let ((few, for_few), (many, for_many)) = (allocated(50), allocated(250));
    let more = for_many.saturating_sub(for_few);
    // Batches are 256 packets; a message between threads may cost a little.
    assert!(more * 50 < many - few, "{more} more allocations for {} more packets", many - few);
}
