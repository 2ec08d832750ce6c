//! What first words tell that is worth knowing later: errors that answer, addresses that are given, and what anybody can read.

use super::{Incident, Incidents, Known, What};
use crate::flow::{FlowRecord, Heard, Showing};
use crate::ledger::path::Path;
use crate::ledger::sighting::Seen;
use crate::matching::{Fit, Matching, ServiceRef};
use crate::packet::{Address, protocol};
use crate::portmap::{PortMap, ServiceId};
use crate::signature::{Content, Dhcp, Dns, Http, Kerberos, Ldap, Lease, Protocol, Tftp};
use std::collections::BTreeSet;

/// Port of DHCP servers: what they send may come from others.
const DHCP: u16 = 67;

/// Errors of Kerberos that belong to every day: none, say who you are, and ask over TCP (RFC 4120, 7.5.9).
const EVERY_DAY: [u16; 3] = [0, 25, 52];
/// Answers of HTTP that ask who the client is, from 400 on.
const WHO_ARE_YOU: [u16; 2] = [401, 407];

impl Incidents {
    /// Enters what first words tell.
    pub(in crate::ledger) fn enter_words(
        &mut self,
        flow: &FlowRecord,
        showing: Showing,
        matching: &Matching,
        map: &PortMap,
    ) {
        if let Some(content) = flow.heard.as_ref().and_then(Heard::content) {
            self.enter_content(flow, content, matching);
        }
        if let Some(heard) = plain(flow, showing, matching, map) {
            // Who asks is not kept: of healthy sessions there are very many.
            let path = Path { client: Address::default(), ..Path::of(flow) };
            self.add_plain(Incident { what: What::Plain, matching: *matching, path }, flow, heard);
        }
    }

    /// Adds a flow that could be read. There may be very many of one kind, and all but the first few change numbers only.
    fn add_plain(&mut self, incident: Incident, flow: &FlowRecord, heard: bool) {
        if let Some(known) = self.known_mut(&incident) {
            known.seen.add_in_brief(flow);
            known.times += 1;
            known.of += u64::from(heard);
            return;
        }
        let (seen, names) = (Seen::in_brief(flow), BTreeSet::new());
        self.add(incident, Known { seen, times: 1, of: heard.into(), spans: None, numbers: None, names });
    }

    fn enter_content(&mut self, flow: &FlowRecord, content: &Content, matching: &Matching) {
        let (what, name) = match content {
            Content::Http(Http { path: Some(asked), status: Some(status @ 400..), .. })
                if !WHO_ARE_YOU.contains(status) =>
            {
                (What::HttpError(*status), Some(asked))
            }
            Content::Kerberos(Kerberos { error: Some(error), server, .. }) if !EVERY_DAY.contains(error) => {
                (What::KerberosError(*error), server.as_ref())
            }
            Content::Dns(Dns { failure: Some(failure), name }) => (What::NameError(*failure), name.as_ref()),
            Content::Tftp(Tftp { error: Some(error), boot_file }) => (What::TftpError(*error), boot_file.as_ref()),
            Content::Dhcp(dhcp) => return self.enter_leases(flow, dhcp, matching),
            // A name and a password.
            Content::Ldap(Ldap { simple_bind: true, start_tls: false, .. }) => (What::Plain, None),
            _ => return,
        };
        let mut known = Known::of(flow);
        known.of = u64::from(what == What::Plain);
        known.names.extend(name.cloned());
        self.add(Incident { what, matching: *matching, path: Path::of(flow) }, known);
    }

    /// The addresses that are given, and by whom.
    fn enter_leases(&mut self, flow: &FlowRecord, dhcp: &Dhcp, matching: &Matching) {
        // Answers to everybody are a flow of their own, in which the server is whoever speaks.
        let speaker = [flow.server, flow.client].into_iter().find(|end| end.port == DHCP);
        for &Lease { address, server, boot_file } in &dhcp.leases {
            let Some(server) = server.map(Address::v4).or(speaker.map(|end| end.address)) else { continue };
            let what = if boot_file { What::LeaseWithBootFile } else { What::Lease };
            let path = Path { protocol: protocol::UDP, port: DHCP, server, client: Address::v4(address) };
            self.add(Incident { what, matching: *matching, path }, Known::of(flow));
        }
    }
}

/// Whether anybody on the way could read a flow, and if so whether that was heard; otherwise its port says it.
fn plain(flow: &FlowRecord, showing: Showing, matching: &Matching, map: &PortMap) -> Option<bool> {
    let works = matches!(showing, Showing::Handshake | Showing::Exchange | Showing::Midstream);
    let both_ways = flow.from_client.payload_bytes > 0 && flow.from_server.payload_bytes > 0;
    if matching.fit != Fit::Fits || !works || !both_ways {
        return None;
    }
    let heard = flow.heard.as_ref();
    plain_service(heard, flow.server.port, matching, map).map(|_| heard.is_some_and(|heard| is_clear(heard.protocol)))
}

/// The service of the port that this is in the clear; several may share the port.
pub(in crate::ledger) fn plain_service(
    heard: Option<&Heard>,
    port: u16,
    matching: &Matching,
    map: &PortMap,
) -> Option<ServiceId> {
    let one = |service| is_plain(heard, port, service, map, true).then_some(service);
    match matching.service? {
        ServiceRef::One(service) => one(service),
        ServiceRef::Shared(place) => {
            map.at(place).services.iter().copied().find(|&service| is_plain(heard, port, service, map, false))
        }
    }
}

fn is_plain(heard: Option<&Heard>, port: u16, id: ServiceId, map: &PortMap, alone: bool) -> bool {
    let service = map.service(id);
    let Some(plain) = &service.plain else { return false };
    let clear = heard.filter(|heard| heard.by_server && is_clear(heard.protocol));
    if !plain.ports.is_empty() {
        // A port that is there for that, and nothing that says otherwise.
        let here = plain.ports.iter().any(|ports| ports.contains(&port));
        return here && (clear.is_some() || alone && heard.is_none());
    }
    match (clear, service.proved_by) {
        (Some(heard), Some(proof)) => heard.protocol == proof,
        (Some(heard), None) => match heard.content() {
            Some(Content::Http(Http { path: Some(path), .. })) => map.service_asked_by(path) == Some(id),
            _ => false,
        },
        (None, _) => false,
    }
}

/// Protocols that encrypt nothing by themselves.
fn is_clear(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Ica | Protocol::Cgp | Protocol::Edt | Protocol::Http | Protocol::Ldap)
}
