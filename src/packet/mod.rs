//! One packet on its own: the bytes as captured, the batch they travel in, and what the headers say.

mod address;
mod batch;
mod decode;
pub mod general;
mod link;

pub use crate::transport::protocol;
pub use address::{Address, SHARDS, shard};
pub use batch::{Filling, Lane, PacketBatch, RawPacket, Record, WayIn};
pub use decode::{Fragment, Icmp, Packet, Quoted, Skip, Tcp, TcpFlags, TransportHeader, Vlans, decode};
pub use link::LinkType;
