//! Payload that was sent over TCP, as its sequence numbers show, and that the captures lack: what was lost by a mirror port, a tap or a
//! capture that counts no losses.

use crate::flow::FlowRecord;
use std::ops::AddAssign;

/// What is missing in the middle of flows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Holes {
    /// TCP flows that lack something.
    pub flows: u64,
    /// TCP flows that carried payload.
    pub carrying: u64,
    /// Bytes that are missing, at least: what was sent again hides what is missing.
    pub missing: u64,
    /// Bytes of payload that are there.
    pub there: u64,
}

impl Holes {
    /// Enters a flow.
    pub fn enter(&mut self, flow: &FlowRecord) {
        let sides = [&flow.from_client, &flow.from_server];
        let missing: u64 = sides.iter().map(|side| side.missing_bytes).sum();
        let tcp = flow.protocol == crate::packet::protocol::TCP;
        let there: u64 = sides.iter().map(|side| side.payload_bytes).filter(|_| tcp).sum();
        *self += Holes { flows: u64::from(missing > 0), carrying: u64::from(there > 0), missing, there };
    }

    /// So much is missing that an answer may be as well: one byte in a hundred, and not in a single flow only, which may have sent numbers
    /// that nobody understands.
    pub fn are_many(self) -> bool {
        self.missing.saturating_mul(100) > self.there && (self.flows > 1 || self.carrying == 1)
    }
}

impl AddAssign for Holes {
    fn add_assign(&mut self, other: Holes) {
        let Holes { flows, carrying, missing, there } = other;
        self.flows += flows;
        self.carrying += carrying;
        self.missing += missing;
        self.there += there;
    }
}
