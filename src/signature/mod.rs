//! Protocols told by their first bytes: what an opening is, the catalogue of signatures, and how one of them is chosen.
//! Each protocol has its own file; a new one is a file and its line in [`SIGNATURES`]. Facts ids are those of the
//! project's fact sheet on Citrix protocols.

use crate::transport::Transport;
use std::fmt;

use voice::{Clue, Reading, Speaker};

pub use http::asks_websocket;

mod bytes;
mod name;
#[cfg(test)]
mod said;
mod voice;

mod cgp;
mod dcerpc;
mod dhcp;
mod dns;
mod dtls;
mod edt;
mod http;
mod ica;
mod ica_browser;
mod ipfix;
mod kerberos;
mod ldap;
mod ntp;
mod pvs;
mod quic;
mod radius;
mod rdp;
mod sip;
mod smb;
mod snmp;
mod ssh;
mod stun;
mod tds;
mod tftp;
mod tls;
mod vnc;

/// Tells the protocol of a flow by the first bytes of both sides.
///
/// Every signature of the flow's transport reads the opening. Of those that fit, the stronger one wins. Between equally
/// strong ones the server's words win, because they say what listens on the port, while the client's say only what it
/// hoped for: a TLS hello answered by HTTP text was sent to an HTTP server. Then the order of [`SIGNATURES`] decides. A
/// server name told by the side that lost is kept.
///
/// An answer may grow stronger or change as more bytes arrive (one ICA greeting is strong, two are proof), so ask
/// again when a side speaks for the first time or says more of its opening.
pub fn tell(opening: &Opening<'_>) -> Answer {
    let mut best: Option<(Protocol, Clue)> = None;
    let mut begun = false;
    for signature in SIGNATURES.iter().filter(|signature| signature.transports.contains(&opening.transport)) {
        match (signature.read)(opening) {
            Reading::Foreign => {}
            Reading::Begun => begun = true,
            Reading::Heard(clue) => best = Some(better(best, (signature.protocol, clue))),
        }
    }
    match best {
        Some((_, Clue { strength: Strength::Soft, .. })) | None if begun => Answer::More,
        Some((protocol, clue)) => Answer::Told(Told {
            protocol,
            strength: clue.strength,
            by_server: clue.speaker == Speaker::Server,
            server_name: clue.server_name,
            citrix_hint: clue.citrix_hint,
        }),
        None => Answer::Nothing,
    }
}

/// The first payload bytes of both sides of one flow. For UDP that is the first datagram of each side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening<'a> {
    /// What carries the flow.
    pub transport: Transport,
    /// The port that the client chose.
    pub client_port: u16,
    /// The port that the client asked for. Only this one counts where a signature wants "its own port".
    pub server_port: u16,
    /// First bytes of the client, without gaps; empty if it has said nothing yet. More than [`OPENING_LIMIT`] is not
    /// needed.
    pub client: &'a [u8],
    /// First bytes of the server, in the same way.
    pub server: &'a [u8],
    /// Payload bytes are missing because the capture was cut (snap length).
    pub cut: bool,
    /// No more bytes will come.
    pub ended: bool,
}

/// What [`tell`] has to say about an opening.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A protocol was recognised.
    Told(Told),
    /// A strong signature fits as far as the bytes go: ask again when more of them came. Never said of UDP, of a cut
    /// capture or of an opening that has ended.
    More,
    /// No signature fits.
    Nothing,
}

/// A protocol that was recognised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Which one.
    pub protocol: Protocol,
    /// What the recognition is worth.
    pub strength: Strength,
    /// The server said it, or both did. What only the client says was an attempt: it does not tell what listens there.
    pub by_server: bool,
    /// The host name that the client asked for, in lower case: TLS or DTLS server name, HTTP host. Never an address.
    pub server_name: Option<Box<str>>,
    /// The server name or a path points to Citrix: a host of Citrix Cloud (facts CC-01, RDV-02, RDV-03), the path of a
    /// Citrix web service (facts REG-01, XML-01, STA-01, SF-01, SF-02), or a Provisioning boot file (facts PVS-04 to
    /// PVS-06).
    pub citrix_hint: bool,
}

/// What the recognition of a protocol is worth, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Strength {
    /// A loose signature: it may only explain a flow whose port already fits (facts section 7, lesson).
    Soft,
    /// A magic word or a text: it may overrule a port. Loose signatures reach this only on their own port, where there
    /// is nothing to overrule.
    Strong,
    /// Facts section 11, level 1: the ICA greeting in both directions, ICA module packets, or the CGP greeting together
    /// with the name of its service.
    Proof,
}

/// A protocol that can be told by its first bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Protocol {
    /// Independent Computing Architecture: the session itself.
    Ica,
    /// Common Gateway Protocol: ICA with session reliability.
    Cgp,
    /// Enlightened Data Transport, known by the handshake of UDT from which it descends.
    Edt,
    /// The legacy ICA browser, which lists servers and applications.
    IcaBrowser,
    /// Citrix Provisioning, formerly Provisioning Services.
    Pvs,
    /// Transport Layer Security.
    Tls,
    /// Datagram TLS.
    Dtls,
    /// QUIC, versions 1 and 2.
    Quic,
    /// HTTP/1, and HTTP/2 in clear text.
    Http,
    /// Secure Shell.
    Ssh,
    /// Remote Desktop Protocol.
    Rdp,
    /// Virtual Network Computing.
    Vnc,
    /// Server Message Block.
    Smb,
    /// Distributed Computing Environment remote procedure calls (Windows RPC).
    DceRpc,
    /// Lightweight Directory Access Protocol, and its connectionless form.
    Ldap,
    /// Kerberos version 5.
    Kerberos,
    /// Tabular Data Stream: Microsoft SQL Server, and its browser service.
    Tds,
    /// Domain Name System.
    Dns,
    /// Dynamic Host Configuration Protocol, and PXE on top of it.
    Dhcp,
    /// Trivial File Transfer Protocol.
    Tftp,
    /// Network Time Protocol.
    Ntp,
    /// Simple Network Management Protocol.
    Snmp,
    /// Remote Authentication Dial-In User Service.
    Radius,
    /// IP Flow Information Export (AppFlow).
    Ipfix,
    /// Session Initiation Protocol.
    Sip,
    /// Session Traversal Utilities for NAT.
    Stun,
}

impl Protocol {
    /// Every protocol, in the order of the type.
    pub const fn all() -> &'static [Protocol] {
        &ALL
    }

    /// The name in reports. Fixed by contract.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Ica => "ica",
            Protocol::Cgp => "cgp",
            Protocol::Edt => "edt",
            Protocol::IcaBrowser => "ica-browser",
            Protocol::Pvs => "pvs",
            Protocol::Tls => "tls",
            Protocol::Dtls => "dtls",
            Protocol::Quic => "quic",
            Protocol::Http => "http",
            Protocol::Ssh => "ssh",
            Protocol::Rdp => "rdp",
            Protocol::Vnc => "vnc",
            Protocol::Smb => "smb",
            Protocol::DceRpc => "dcerpc",
            Protocol::Ldap => "ldap",
            Protocol::Kerberos => "kerberos",
            Protocol::Tds => "tds",
            Protocol::Dns => "dns",
            Protocol::Dhcp => "dhcp",
            Protocol::Tftp => "tftp",
            Protocol::Ntp => "ntp",
            Protocol::Snmp => "snmp",
            Protocol::Radius => "radius",
            Protocol::Ipfix => "ipfix",
            Protocol::Sip => "sip",
            Protocol::Stun => "stun",
        }
    }

    /// Whether only Citrix speaks it, so that a flow on any port concerns Citrix. EDT and PVS are not among them: other
    /// programs use UDT as well (facts EDT-10) and the bytes of PVS are not verified (facts PVS-08), so these two
    /// count on their ports only.
    pub const fn is_citrix(self) -> bool {
        match self {
            Protocol::Ica | Protocol::Cgp | Protocol::IcaBrowser => true,
            Protocol::Edt
            | Protocol::Pvs
            | Protocol::Tls
            | Protocol::Dtls
            | Protocol::Quic
            | Protocol::Http
            | Protocol::Ssh
            | Protocol::Rdp
            | Protocol::Vnc
            | Protocol::Smb
            | Protocol::DceRpc
            | Protocol::Ldap
            | Protocol::Kerberos
            | Protocol::Tds
            | Protocol::Dns
            | Protocol::Dhcp
            | Protocol::Tftp
            | Protocol::Ntp
            | Protocol::Snmp
            | Protocol::Radius
            | Protocol::Ipfix
            | Protocol::Sip
            | Protocol::Stun => false,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One line of the catalogue.
pub struct Signature {
    /// The protocol that it tells.
    pub protocol: Protocol,
    /// What may carry it.
    pub transports: &'static [Transport],
    /// Where the rule comes from: facts ids and RFC numbers.
    pub source: &'static str,
    read: fn(&Opening<'_>) -> Reading,
}

/// How many opening bytes of one side are worth keeping. A TLS client hello with post-quantum key shares has about
/// 2,000.
pub const OPENING_LIMIT: usize = 4096;

/// Every signature. The order decides between two that are equally strong and told by the same side: what is Citrix
/// comes first, then magic words and texts, then the loose ones.
pub const SIGNATURES: &[Signature] = &[
    Signature { protocol: Protocol::Ica, transports: TCP, source: ica::SOURCE, read: ica::read },
    Signature { protocol: Protocol::Cgp, transports: TCP, source: cgp::SOURCE, read: cgp::read },
    Signature { protocol: Protocol::IcaBrowser, transports: UDP, source: ica_browser::SOURCE, read: ica_browser::read },
    Signature { protocol: Protocol::Tls, transports: TCP, source: tls::SOURCE, read: tls::read },
    Signature { protocol: Protocol::Dtls, transports: UDP, source: dtls::SOURCE, read: dtls::read },
    Signature { protocol: Protocol::Quic, transports: UDP, source: quic::SOURCE, read: quic::read },
    Signature { protocol: Protocol::Http, transports: TCP, source: http::SOURCE, read: http::read },
    Signature { protocol: Protocol::Ssh, transports: TCP, source: ssh::SOURCE, read: ssh::read },
    Signature { protocol: Protocol::Vnc, transports: TCP, source: vnc::SOURCE, read: vnc::read },
    Signature { protocol: Protocol::Smb, transports: TCP, source: smb::SOURCE, read: smb::read },
    Signature { protocol: Protocol::DceRpc, transports: TCP, source: dcerpc::SOURCE, read: dcerpc::read },
    Signature { protocol: Protocol::Rdp, transports: BOTH, source: rdp::SOURCE, read: rdp::read },
    Signature { protocol: Protocol::Sip, transports: BOTH, source: sip::SOURCE, read: sip::read },
    Signature { protocol: Protocol::Stun, transports: BOTH, source: stun::SOURCE, read: stun::read },
    Signature { protocol: Protocol::Dhcp, transports: UDP, source: dhcp::SOURCE, read: dhcp::read },
    Signature { protocol: Protocol::Edt, transports: UDP, source: edt::SOURCE, read: edt::read },
    Signature { protocol: Protocol::Tftp, transports: UDP, source: tftp::SOURCE, read: tftp::read },
    Signature { protocol: Protocol::Kerberos, transports: BOTH, source: kerberos::SOURCE, read: kerberos::read },
    Signature { protocol: Protocol::Ldap, transports: BOTH, source: ldap::SOURCE, read: ldap::read },
    Signature { protocol: Protocol::Snmp, transports: UDP, source: snmp::SOURCE, read: snmp::read },
    Signature { protocol: Protocol::Dns, transports: BOTH, source: dns::SOURCE, read: dns::read },
    Signature { protocol: Protocol::Ntp, transports: UDP, source: ntp::SOURCE, read: ntp::read },
    Signature { protocol: Protocol::Radius, transports: UDP, source: radius::SOURCE, read: radius::read },
    Signature { protocol: Protocol::Ipfix, transports: UDP, source: ipfix::SOURCE, read: ipfix::read },
    Signature { protocol: Protocol::Tds, transports: BOTH, source: tds::SOURCE, read: tds::read },
    Signature { protocol: Protocol::Pvs, transports: UDP, source: pvs::SOURCE, read: pvs::read },
];

const TCP: &[Transport] = &[Transport::Tcp];
const UDP: &[Transport] = &[Transport::Udp];
const BOTH: &[Transport] = &[Transport::Tcp, Transport::Udp];

const ALL: [Protocol; 26] = [
    Protocol::Ica,
    Protocol::Cgp,
    Protocol::Edt,
    Protocol::IcaBrowser,
    Protocol::Pvs,
    Protocol::Tls,
    Protocol::Dtls,
    Protocol::Quic,
    Protocol::Http,
    Protocol::Ssh,
    Protocol::Rdp,
    Protocol::Vnc,
    Protocol::Smb,
    Protocol::DceRpc,
    Protocol::Ldap,
    Protocol::Kerberos,
    Protocol::Tds,
    Protocol::Dns,
    Protocol::Dhcp,
    Protocol::Tftp,
    Protocol::Ntp,
    Protocol::Snmp,
    Protocol::Radius,
    Protocol::Ipfix,
    Protocol::Sip,
    Protocol::Stun,
];

/// The better of what was heard so far and what one more signature heard. On a tie the earlier one stays.
fn better(so_far: Option<(Protocol, Clue)>, new: (Protocol, Clue)) -> (Protocol, Clue) {
    let Some(old) = so_far else { return new };
    let new_wins = new.1.rank() > old.1.rank();
    let ((protocol, winner), (_, loser)) = if new_wins { (new, old) } else { (old, new) };
    (protocol, winner.with_name_of(loser))
}

#[cfg(test)]
mod tests;
