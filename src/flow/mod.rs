//! One conversation: its key, its state while it lives, and the record it leaves. This wing knows no port map; what it
//! needs to know of ports is asked through a function.

mod community_id;
mod extras;
mod follow;
mod key;
mod questions;
mod record;
mod sequence;
mod showing;
mod table;
mod tcp_state;
#[cfg(test)]
mod tests;
mod track;
mod witness;

pub use community_id::community_id;
pub use extras::{Alert, Extras, Requests, TooBig, Vanished, Wait};
pub use follow::{Follow, Followed, PacketKind};
pub use key::{Endpoint, FlowKey, Side, Who};
pub use record::{
    CAPTURE_LIMIT, Counts, Death, Details, DirectionBasis, EVIDENCE_LIMIT, Evidence, FlowRecord, Heard, Hints,
    IcmpError, Marks, Note, PacketRef, Sender,
};
pub use sequence::{Entry, LeftOut, QUIET, Room, Sequence};
pub use showing::{
    AT_ONCE, CLIENT_PORTS, Doubt, EARLY, FIRM, GRACE, Question, REPETITION, Showing, TCP_TRIES, UDP_TRIES, showing,
    showing_told,
};
pub use table::{Census, Depth, FlowTable, KnowsPort, Limits, PortUse, Probe};
pub use tcp_state::{End, TcpState};
pub use witness::{Asked, Nobody, Witness};
