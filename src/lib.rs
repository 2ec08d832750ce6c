//! `cap-audit` judges Citrix traffic in a capture against the Citrix port map, and says what is blocked, what fell back, what
//! should not be there, and what could not be judged. It sends nothing.
//!
//! # The path of a packet
//!
//! ```text
//!  capture thread                                   each worker
//!  source::CaptureFile   reads a block of a file    flow::FlowTable    Packet     -> Flow, and at its end a FlowRecord
//!          |             into a PacketBatch         signature::tell    first bytes of both sides -> Protocol
//!          v                                        classify           FlowRecord + PortMap -> Judgement
//!  packet::WayIn         makes time run forward;    ledger             counts, histograms, sightings
//!                        bytes -> Packet, whose          |
//!                        hosts pick the worker      Ledger += Ledger   when all workers are done
//!                                                        |
//!                                                        v
//!                                                   finding::CHECKS    Ledger -> Finding
//!                                                   report             Finding, Ledger, flows -> text, JSON, NDJSON, CSV
//! ```
//!
//! The middle, from bytes to ledger ([`audit::Audit`]), knows no thread, no file and no clock: it takes bytes and time as
//! arguments. [`pipeline`] wraps threads around it, [`run`] files, interfaces and the command line. A live audit is the same pipeline:
//! once a second the workers are asked how things stand, and answer with a ledger that counts the flows still alive.
//!
//! # Floors
//!
//! A file imports only what stands lower: `time`, `clock`, `transport` / `packet`, `signature` / `source`, `flow`, `portmap` (three wings that do not know
//! each other; `flow` also reads `signature`) / `classify` / `ledger` / `audit`, `finding` / `pipeline`, `report` / `bench` / `error`, `cli`,
//! `run`, `main`. Each outside crate has one door: `etherparse` in `packet/general.rs`, `crossbeam-channel` in `pipeline.rs`,
//! `fluent-bundle` in `words/mod.rs`, `hdrhistogram` in `ledger.rs`, `hashbrown` and `foldhash` in `flow/table.rs`, `toml` in `portmap/load.rs`, `clap` in `cli.rs`
//! (and once in `main.rs`, to parse), `indicatif` and `console` in `run`, `pcap` in
//! `source/live/libpcap.rs`, `signal-hook` in `run/live.rs`, the crates that confine in `sandbox`, `comfy-table` once for each kind of text in `report`.
//!
//! # Six catalogues
//!
//! What Citrix says about ports (`portmap/citrix.toml`), what can be found ([`finding::CHECKS`]), which protocols are told by their first
//! bytes (`signature/mod.rs`), which capture formats are read ([`source`]), which report formats are written ([`report`]), and the
//! sentences for people, one file a language (`words/en.ftl`).
//! Each stands in one place; a new entry is a line there and at most one new file.
//!
//! # Words
//!
//! A [`packet::RawPacket`] is bytes as captured; a [`packet::PacketBatch`] is many of them on their way; a [`packet::Packet`] is what was
//! understood; a flow is one conversation while it lives; a [`flow::FlowRecord`] is what it left; a [`portmap::PortRule`] is one line of
//! the port map; a [`classify::Judgement`] is what is held of a flow; the [`ledger::Ledger`] is what was seen; a [`finding::Finding`] is
//! what it means; [`words::Words`] are the sentences that say so; a [`report::Report`] is how it is told.
//!
//! A comment that rests on something observed or documented elsewhere cites it by its id, as in (facts CGP-17): [`facts`] has the entry.
//!
//! # Where this differs from a textbook
//!
//! - **The capture thread decodes** ([`packet::WayIn`]): it has just read the bytes, so the headers are in its cache. A worker that
//!   decodes fetches each header from the other core's cache, which takes several times as long as to decode it.
//! - **Flows are fetched in groups** ([`audit::Audit::observe_all`]): a table of flows is larger than the caches, so the flows of a
//!   small group of packets are touched before the first is entered. Entering packets one by one is the oracle.
//! - **Giving up idle flows is a matter of memory only.** A flow that was idle too long has ended, whether or not anybody swept:
//!   its next packet begins a new one. So the moment of sweeping changes nothing.
//! - **Whatever is kept within a limit is the first in some order**, never the first to arrive, so that the sum of several workers
//!   does not depend on their number.
//! - **UDP silence is settled at the end** ([`ledger::Ledger::settle`]), when it is known whether the capture holds both directions.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod audit;
pub mod bench;
pub mod case;
pub mod cli;
pub mod clock;
pub mod error;
pub mod facts;
pub mod finding;
pub mod flow;
pub mod judge;
pub mod ledger;
pub mod matching;
pub mod packet;
pub mod pipeline;
pub mod portmap;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod signature;
pub mod source;
pub mod time;
pub mod transport;
pub mod words;
