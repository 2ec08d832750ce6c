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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::ledger::written::{CaptureNames, Fault, ReadError};
    use crate::portmap::PortMap;

    fn written(holes: Holes) -> String {
        let mut out = Vec::new();
        let ledger = Ledger { holes, ..Ledger::default() };
        ledger.write(&PortMap::citrix(), &[], &mut out).expect("memory takes everything");
        String::from_utf8(out).expect("JSON is text")
    }

    fn read(text: &str) -> Result<Holes, ReadError> {
        Ledger::read(&mut text.as_bytes(), &PortMap::citrix(), &mut CaptureNames::default()).map(|ledger| ledger.holes)
    }

    #[test]
    fn a_written_ledger_has_no_more_missing_than_there_can_be() {
        let holes = Holes { flows: 1, carrying: 4, missing: 200, there: 1_600 };
        let text = written(holes);
        assert_eq!(read(&text).expect("a ledger"), holes);
        for wrong in ["[2,1,5,9]", "[0,1,5,9]", "[1,1,0,9]", "[1,1,10,9]", "[0,0,0,0]"] {
            let wrong = text.replace("[1,4,200,1600]", wrong);
            assert!(matches!(read(&wrong), Err(ReadError::Line { fault: Fault::Contradiction { .. }, .. })), "{wrong}");
        }
        assert!(!written(Holes::default()).contains("holes"));
    }

    #[test]
    fn a_single_flow_of_several_proves_no_loss() {
        let holes = |flows, carrying, missing| Holes { flows, carrying, missing, there: 1_000 };
        assert!(holes(2, 9, 11).are_many() && holes(1, 1, 11).are_many());
        assert!(!holes(1, 9, 500).are_many() && !holes(2, 9, 10).are_many() && !Holes::default().are_many());
    }
}
