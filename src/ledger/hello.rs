//! What first words told beside the protocol: which hosts are called by a name of Citrix, and which QUIC nobody answered.

use super::path::{Path, Working};
use crate::flow::{FlowRecord, Showing};
use crate::matching::Matching;
use crate::packet::Address;
use crate::signature::Protocol;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Hosts by the names that clients call them by, and QUIC without an answer.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Hellos {
    /// Hosts that a client called by a name of Citrix.
    named: BTreeMap<Address, CitrixName>,
    /// Flows that began with QUIC, asked long enough, and got no answer.
    quic: BTreeMap<Path, Working>,
    /// Some were left out because there were too many.
    pub incomplete: bool,
}

/// By what name a host was called. The one that says more comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CitrixName {
    /// Of the Gateway Service, where a session may lead: it ends in `nssvc.net` (facts RDV-02).
    GatewayService,
    /// Another name or path of Citrix.
    Other,
}

/// Maximum number of hosts with a name of Citrix that are kept, and of paths with unanswered QUIC.
pub const HELLO_LIMIT: usize = 10_000;

/// The domain of the Gateway Service (facts RDV-02).
const GATEWAY_SERVICE: &str = ".nssvc.net";

impl Hellos {
    /// Enters a flow, if its first words told one of these.
    pub fn enter(&mut self, flow: &FlowRecord, showing: Showing, matching: &Matching) {
        let Some(heard) = &flow.heard else { return };
        if heard.citrix_hint {
            let gateway = heard.server_name().is_some_and(|name| name.ends_with(GATEWAY_SERVICE));
            let name = if gateway { CitrixName::GatewayService } else { CitrixName::Other };
            self.add_name(flow.server.address, name);
        }
        if heard.protocol == Protocol::Quic && showing == Showing::NoReply(None) && matching.port.generic {
            let Some(tried) = Working::of(flow) else { return };
            self.add_quic(Path::of(flow), tried);
        }
        self.keep();
    }

    /// By what name of Citrix a host was called.
    pub fn name(&self, host: Address) -> Option<CitrixName> {
        self.named.get(&host).copied()
    }

    /// Hosts with a name of Citrix, in order.
    pub fn names(&self) -> impl Iterator<Item = (Address, CitrixName)> {
        self.named.iter().map(|(&host, &name)| (host, name))
    }

    /// QUIC that nobody answered: what was tried on each path, in order.
    pub fn quic(&self) -> impl Iterator<Item = (&Path, &Working)> {
        self.quic.iter()
    }

    /// How many of each.
    pub fn counts(&self) -> [usize; 2] {
        [self.named.len(), self.quic.len()]
    }

    pub(super) fn add_name(&mut self, host: Address, name: CitrixName) {
        self.named.entry(host).and_modify(|known| *known = name.min(*known)).or_insert(name);
    }

    pub(super) fn add_quic(&mut self, path: Path, tried: Working) {
        self.quic.entry(path).and_modify(|known| *known += tried).or_insert(tried);
    }

    /// Keeps the first in order, so that the order in which they came does not matter.
    fn keep(&mut self) {
        let Hellos { named, quic, incomplete } = self;
        while named.len() > HELLO_LIMIT {
            named.pop_last();
            *incomplete = true;
        }
        while quic.len() > HELLO_LIMIT {
            quic.pop_last();
            *incomplete = true;
        }
    }
}

impl AddAssign<&Hellos> for Hellos {
    fn add_assign(&mut self, other: &Hellos) {
        let Hellos { named, quic, incomplete } = other;
        named.iter().for_each(|(host, name)| self.add_name(*host, *name));
        quic.iter().for_each(|(path, tried)| self.add_quic(*path, *tried));
        self.incomplete = self.incomplete || *incomplete;
        self.keep();
    }
}
