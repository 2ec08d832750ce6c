//! One packet on its own: the bytes as captured, the batch they travel in, and what the headers say.

mod address;
mod batch;
mod bytes;
mod deal;
mod decode;
mod envelope;
pub mod general;
mod headers;
mod link;
mod stranger;

pub use crate::transport::protocol;
pub use address::Address;
pub use batch::{Filling, Lane, Number, PacketBatch, RawPacket, Record, WayIn};
pub use deal::{Deal, FLOW_BYTES, Secret};
pub use decode::decode;
pub use headers::{Fragment, Icmp, Packet, Quoted, Skip, Tcp, TcpFlags, TransportHeader, Vlans};
pub use link::LinkType;
pub use stranger::{Neighbour, Stranger};
