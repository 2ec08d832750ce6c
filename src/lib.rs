//! `cap-audit` judges Citrix traffic in a capture against the Citrix port map, and says what is blocked, what fell back, what
//! should not be there, and what could not be judged. It sends nothing.
//!
//! # The path of a packet
//!
//! ```text
//!  capture thread                                   each worker
//!  source::CaptureFile   reads a block of a file    flow::FlowTable    Packet -> Flow, and at its end a FlowRecord
//!          |             into a PacketBatch         signature::tell    first bytes of both sides -> Protocol
//!          v                                        flow::showing      FlowRecord -> what its packets show
//!  packet::WayIn         makes time run forward;    matching           FlowRecord + PortMap -> where it stands in the map
//!                        bytes -> Packet, whose     ledger             facts, counted by what bounds them
//!                        hosts pick the worker           |
//!                                                   Ledger += Ledger   when all workers are done
//!                                                        |
//!                                                        v
//!                                                   case               Ledger, flows, captures, clock: all that is known
//!                                                   judge              facts + map -> outcome, verdict, signs
//!                                                   session            flows of one launch -> a session
//!                                                   finding::CHECKS    signs -> findings: codes with parameters
//!                                                   problem            findings with one cause -> problems
//!                                                   report             a report of values
//!                                                   words              values -> sentences, in the writers only
//! ```
//!
//! The middle, from bytes to ledger ([`audit::Audit`]), knows no thread, no file and no clock: it takes bytes and time as
//! arguments. [`pipeline`] wraps threads around it, [`run`] files, interfaces and the command line. A live audit is the same pipeline:
//! once a second, or less often where answers take long, the workers are asked how things stand, and answer with a ledger of what is new,
//! flows that are alive included; the sum makes a [`case::Case`] like that of a finished audit.
//!
//! # The tree
//!
//! ```text
//! time transport clock    moments; TCP, UDP and ICMP; time that runs forward
//! shell                   commands that a message offers
//! outside                 what came from outside, made safe to be shown
//! packet/                 one packet: bytes, headers, the two decoders, batches
//! signature/              one file a protocol that is told by its first bytes
//! source/                 where packets come from: one file a format; memory; live/
//! flow/                   key, state and record of a conversation, and what its packets show
//! portmap/                rules and services, looked up, searched and loaded; citrix.toml
//! matching                where a flow stands in the map
//! ledger/                 what was seen: kinds, sightings, answered paths, incidents, visibility, latency; its written form
//! judge/                  what it comes to: outcome, verdict, rules; sums by service
//! audit                   raw packets in, ledger and finished flows out: the front door of the core
//! session/                flows of one launch: what was tried, what carries it, how it broke
//! finding/                the checks, one file a theme, and who is what in a site
//! problem/                findings with one cause: whom they hit, what works, who is behind it
//! sandbox error           what a live audit gives up; what stops a command
//! pipeline                threads and channels
//! words/                  one catalogue a language
//! case                    all that one audit knows, and the one way to conclude
//! report/                 values, and one writer a format
//! bench/                  traffic made up to measure with, and the measuring
//! cli run/                what can be typed; one file a command
//! facts                   what is held to be true of protocols, and by whom
//! ```
//!
//! A file imports only what stands higher in this list, or beside it. `flow` asks what it needs to know
//! of ports through a function; the map knows no flow; [`matching`] is where the two meet.
//!
//! Each outside crate has one door: `etherparse` in `packet/general.rs`, `pcap` in `source/live/libpcap.rs`, `hashbrown` and `foldhash` in
//! `flow/table.rs`, `sha1_smol` and `base64` in `flow/community_id.rs`, `toml` in `portmap/blocks.rs`, `strsim` in `portmap/terms.rs`, `hdrhistogram` in `ledger/latency.rs`,
//! `crossbeam-channel` in `pipeline.rs`, `fluent-bundle` in `words/mod.rs`, `comfy-table` and `csv` in `report/tables.rs`, `textwrap` and
//! `anstyle` in `report/text.rs`, `jiff` in `time.rs`, `shlex` in `shell.rs`, `clap` in `cli.rs`, `console` in `run/console.rs`, `indicatif` in `run/progress.rs`,
//! `signal-hook` in `run/live.rs`, `walkdir` in `run/inputs.rs`. `serde` derives stand on plain data, and `serde_json` writes once reports and once ledgers, and reads
//! reports once (`report/told.rs`). `rustix` and
//! `libc`, the system itself, are used by live capture (`source/live`), by the sandbox, with the crates that confine, and where a file gets its
//! name (`run/draft.rs`).
//!
//! # Six catalogues
//!
//! What Citrix says about ports, and what is known of its services (`portmap/citrix.toml`), what can be found ([`finding::CHECKS`]), which
//! protocols are told by their first bytes (`signature/mod.rs`), which capture formats are read ([`source`]), which report formats are written
//! ([`report`]), and the sentences for people, one file a language (`words/en.ftl`).
//! Each stands in one place; a new entry is a line there and at most one new file.
//!
//! # Problems
//!
//! What findings have in common is told once: a [`problem::Problem`] is made of findings of one kind, port and service that are equally
//! certain. A [`problem::Cause`] that explains findings of several kinds (`problem/cause.rs`) needs evidence of its own, and takes them out of
//! their plain groups; what rests on another finding goes where that goes. A new cause is a value of that enum, its place in
//! `problem/group.rs` or its evidence in `problem/cause.rs`, and its texts.
//!
//! # Stories
//!
//! What a host goes through until a service works for it is data: a [`portmap::Story`] of phases in the port map. `finding/story.rs` tells
//! at which phase it stops; what a packet says beyond its protocol ([`signature::Content`]) and what went wrong in flows that were answered
//! ([`ledger::Incident`]) are facts that stories and other checks are made of.
//!
//! # Words
//!
//! A [`packet::RawPacket`] is bytes as captured; a [`packet::PacketBatch`] is many of them on their way; a [`packet::Packet`] is what was
//! understood; a flow is one conversation while it lives; a [`flow::FlowRecord`] is what it left; a [`flow::Showing`] is what its packets show; a
//! [`portmap::PortRule`] is one line of the port map; a [`matching::Matching`] is where a flow stands in it; the [`ledger::Ledger`] is what was
//! seen; a [`judge::Judgement`] is what is held of a flow; a [`finding::Finding`] is what it means; a
//! [`problem::Problem`] is what findings have in common; a [`case::Case`] is all that one audit knows, a
//! [`case::Conclusion`] what it comes to; [`words::Words`] are the sentences that say so; a [`report::Report`] is how it is told.
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
//! - **What came from outside is shown through one door.** Names, comments and texts of a map are written by strangers. Every writer for people
//!   sends whole lines through [`outside::printable`], a table sends cells through [`outside::cell`], a command is put together by [`shell::command`],
//!   and JSON escapes what [`outside::is_unseen`] names. No other place decides what is safe.
//! - **A limit cannot be aimed at.** Where packets go is keyed by run, a limit is one for all workers, and at points that the packets alone
//!   decide they meet and give up what says least ([`flow::FlowTable::meet`]): neither the latest, nor what sorts last. Nothing new is
//!   ever refused, and the report says what was given up.
//! - **Nothing is concluded before the sum is complete** ([`judge::Judge`]). A flow is entered as what its packets show and where it stands in the
//!   map. Whether silence is a block depends on which directions the whole capture holds, and that is known at the end. So nothing is ever taken back.

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
pub mod outside;
pub mod packet;
pub mod pipeline;
pub mod portmap;
pub mod problem;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod session;
pub mod shell;
pub mod signature;
pub mod source;
pub mod time;
pub mod transport;
pub mod words;
