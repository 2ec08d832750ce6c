//! What a flow has shown so far that decides how soon it is given up where there are too many.

use super::Flow;
use crate::flow::Side;
use crate::packet::{Address, protocol};

impl Flow {
    /// It has ended: only packets that come late are still waited for.
    pub fn is_over(&self) -> bool {
        self.key.protocol() == protocol::TCP && self.tcp.is_over()
    }

    /// One side has tried more than once.
    pub fn is_repeated(&self) -> bool {
        match self.key.protocol() {
            protocol::TCP => self.syns > 1 || self.syn_acks > 1,
            _ => self.halves.iter().any(|half| half.packets > 1),
        }
    }

    /// Its two hosts.
    pub fn hosts(&self) -> [Address; 2] {
        [Side::Low, Side::High].map(|side| self.key.endpoint(side).address)
    }
}
