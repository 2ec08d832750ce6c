//! Protocols told by their first bytes: what an opening is, the catalogue of signatures, and how one of them is chosen.
//! Each protocol has its own file; a new one is a file and its line in the table below, which makes [`SIGNATURES`].

use crate::transport::Transport;
use std::fmt;

use voice::{Clue, Reading, Speaker};

pub use alerts::{alert_name, version_name};
pub use content::{
    Certificate, Content, Dhcp, Dns, Http, Kerberos, LEASE_LIMIT, Ldap, Lease, PATH_LIMIT, Tftp, Ticket, Tls,
};
pub use name::is_kept_path;

mod alerts;
mod bytes;
mod certificate;
mod content;
mod name;
#[cfg(test)]
mod said;
mod voice;

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
    for (protocol, signature) in SIGNATURES.iter().filter(|(_, it)| it.transports.contains(&opening.transport)) {
        match (signature.read)(opening) {
            Reading::Foreign => {}
            Reading::Begun => begun = true,
            Reading::Heard(clue) => best = Some(better(best, (*protocol, clue))),
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
            content: clue.content,
            unfinished: clue.unfinished && !opening.ended,
        }),
        None => Answer::Nothing,
    }
}

/// The first payload bytes of both sides of one flow. For UDP that is the first datagram of each side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening<'a> {
    /// What carries the flow.
    pub transport: Transport,
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
    /// What else the words say.
    pub content: Option<Content>,
    /// More of the opening is worth waiting for: it will not change the protocol, but tell more of it.
    pub unfinished: bool,
}

/// What the recognition of a protocol is worth, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Strength {
    /// A loose signature: it may only explain a flow whose port already fits (facts SIG-01).
    Soft,
    /// A magic word or a text: it may overrule a port. Loose signatures reach this only on their own port, where there
    /// is nothing to overrule.
    Strong,
    /// The ICA greeting in both directions, ICA module packets, or the CGP greeting together with the name of its
    /// service (facts PROOF-01).
    Proof,
}

/// One entry of the catalogue: each file holds its own.
pub struct Signature {
    /// The name of the protocol in reports. Fixed by contract.
    pub name: &'static str,
    /// What may carry it.
    pub transports: &'static [Transport],
    /// Where the rule comes from: entries of [`facts`](crate::facts) and RFC numbers.
    pub source: &'static str,
    /// Only Citrix speaks it, so that a flow on any port concerns Citrix.
    pub only_citrix: bool,
    read: fn(&Opening<'_>) -> Reading,
}

/// Makes the module, the variant of [`Protocol`], the entry of [`SIGNATURES`] and the test samples of each line.
macro_rules! catalogue {
    ($($file:ident $protocol:ident = $place:literal, $doc:literal;)*) => {
        $(mod $file;)*

        /// A protocol that can be told by its first bytes. They compare as they are sorted in reports.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum Protocol {
            $(#[doc = $doc] $protocol = $place,)*
        }

        impl Protocol {
            /// Every protocol, in the order of the catalogue.
            pub const fn all() -> &'static [Protocol] {
                &[$(Protocol::$protocol),*]
            }

            /// How it is told.
            pub const fn signature(self) -> &'static Signature {
                match self {
                    $(Protocol::$protocol => &$file::SIGNATURE,)*
                }
            }
        }

        /// Every signature. Between two that are equally strong and told by the same side the earlier one wins.
        pub const SIGNATURES: &[(Protocol, Signature)] = &[$((Protocol::$protocol, $file::SIGNATURE)),*];

        /// The openings that each file built for its own tests.
        #[cfg(test)]
        const SAMPLES: &[(Protocol, fn() -> Vec<said::Said>)] = &[$((Protocol::$protocol, $file::tests::samples)),*];
    };
}

// A line: the file, the protocol, its place in the order of reports (a new one gets the next number), what it is.
// The order of the lines decides between two signatures that are equally strong and told by the same side: what is
// Citrix comes first, then magic words and texts, then the loose ones.
catalogue! {
    ica         Ica        =  0, "Independent Computing Architecture: the session itself.";
    cgp         Cgp        =  1, "Common Gateway Protocol: ICA with session reliability.";
    ica_browser IcaBrowser =  3, "The legacy ICA browser, which lists servers and applications.";
    tls         Tls        =  5, "Transport Layer Security.";
    dtls        Dtls       =  6, "Datagram TLS.";
    quic        Quic       =  7, "QUIC, versions 1 and 2.";
    http        Http       =  8, "HTTP/1, and HTTP/2 in clear text.";
    ssh         Ssh        =  9, "Secure Shell.";
    vnc         Vnc        = 11, "Virtual Network Computing.";
    smb         Smb        = 12, "Server Message Block.";
    dcerpc      DceRpc     = 13, "Distributed Computing Environment remote procedure calls (Windows RPC).";
    rdp         Rdp        = 10, "Remote Desktop Protocol.";
    sip         Sip        = 24, "Session Initiation Protocol.";
    stun        Stun       = 25, "Session Traversal Utilities for NAT.";
    dhcp        Dhcp       = 18, "Dynamic Host Configuration Protocol, and PXE on top of it.";
    edt         Edt        =  2, "Enlightened Data Transport, known by the handshake of UDT from which it descends.";
    tftp        Tftp       = 19, "Trivial File Transfer Protocol.";
    kerberos    Kerberos   = 15, "Kerberos version 5.";
    ldap        Ldap       = 14, "Lightweight Directory Access Protocol, and its connectionless form.";
    snmp        Snmp       = 21, "Simple Network Management Protocol.";
    dns         Dns        = 17, "Domain Name System.";
    ntp         Ntp        = 20, "Network Time Protocol.";
    radius      Radius     = 22, "Remote Authentication Dial-In User Service.";
    ipfix       Ipfix      = 23, "IP Flow Information Export (AppFlow).";
    tds         Tds        = 16, "Tabular Data Stream: Microsoft SQL Server, and its browser service.";
    pvs         Pvs        =  4, "Citrix Provisioning, formerly Provisioning Services.";
    text        Text       = 26, "Plain text: whole lines that a client sends first.";
}

impl Protocol {
    /// The name in reports. Fixed by contract.
    pub const fn name(self) -> &'static str {
        self.signature().name
    }

    /// Whether only Citrix speaks it, so that a flow on any port concerns Citrix.
    pub const fn is_citrix(self) -> bool {
        self.signature().only_citrix
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a client sends this datagram only after an answer. `protocol` is what was heard of the flow, and `first` what its first
/// datagram began with, as many bytes as [`kept_opening`] says.
pub fn follows_answer(protocol: Option<Protocol>, server_port: u16, first: &[u8], datagram: &[u8]) -> bool {
    match protocol {
        Some(Protocol::Edt) => edt::follows_answer(first, datagram),
        Some(Protocol::Dtls) => dtls::follows_answer(datagram) || dtls::is_protected(datagram),
        Some(Protocol::Quic) => quic::follows_answer(datagram),
        None => dtls::follows_answer(datagram) || edt::is_midstream(server_port, datagram),
        Some(_) => false,
    }
}

/// What a later message of DHCP says: one flow may be about many clients.
pub fn more_of_dhcp(datagram: &[u8]) -> Option<Content> {
    dhcp::message(datagram).ok().flatten()
}

/// What the first datagram says that a server sends from another port than the one of TFTP on which it was asked.
pub fn tftp_failure(answer: &[u8]) -> Option<Content> {
    tftp::failure(answer)
}

/// The level and the number of an alert of TLS or DTLS that is all of a segment's payload, or of a datagram, and in the clear: one that
/// is protected is longer (RFC 8446, 6; RFC 6347, 4.1).
pub fn alert(transport: Transport, payload: &[u8]) -> Option<(u8, u8)> {
    match (transport, payload) {
        (Transport::Tcp, [0x15, 3, 0..=4, 0, 2, level @ 1..=2, number])
        | (Transport::Udp, [0x15, 0xFE, 0xFD | 0xFF, 0, 0, _, _, _, _, _, _, 0, 2, level @ 1..=2, number]) => {
            Some((*level, *number))
        }
        _ => None,
    }
}

/// Length of an alert in the clear with the head of its record, over TCP and over UDP, in bytes.
pub const ALERT_LENGTH: [u32; 2] = [7, 15];

/// The same where the alert follows records of the handshake in one payload (TLS).
pub fn alert_behind(payload: &[u8]) -> Option<(u8, u8)> {
    tls::alert_behind(payload)
}

/// Whether first words are text, as far as a few of them tell.
pub fn is_text(words: &[u8]) -> bool {
    const FEW: usize = 16;
    let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    words.len() >= FEW && words[..FEW].iter().all(plain)
}

/// Whether this payload begins with a hello of a client of TLS or DTLS.
pub fn is_client_hello(payload: &[u8]) -> bool {
    matches!(payload, [0x16, 3, _, _, _, 1, ..]) || matches!(payload, [0x16, 0xFE, ..] if payload.get(13) == Some(&1))
}

/// Whether a client of TLS sends this only after an answer, or with data that it sends early: anything but a hello or an alert at the
/// beginning of a record.
pub fn follows_hello(payload: &[u8]) -> bool {
    matches!(payload, [0x14 | 0x17, 3, 0..=4, ..]) || matches!(payload, [0x16, 3, 0..=4, _, _, kind, ..] if *kind != 1)
}

/// Whether a server that speaks this answers each request in turn, as far as that can be seen. In sessions both sides say what they like,
/// what is said inside TLS may be anything, and LDAP may hold a search open until something changes.
pub fn answers_in_turn(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Http | Protocol::Kerberos | Protocol::Dns)
}

/// Whether these bytes of a server may begin its answer to a request that is not the first. In the middle of one, and where it says
/// something of its own accord, they are others (RFC 9112, 4). What it speaks may not be told yet.
pub fn begins_answer(protocol: Option<Protocol>, payload: &[u8]) -> bool {
    match protocol {
        Some(Protocol::Http) => payload.starts_with(b"HTTP/"),
        other => other.is_none_or(answers_in_turn),
    }
}

/// Bytes of one side's opening that are kept while the other side is waited for.
pub fn kept_opening(protocol: Option<Protocol>) -> usize {
    if protocol == Some(Protocol::Edt) { edt::REQUEST_LENGTH } else { KEPT_OPENING }
}

/// The same for most protocols.
pub const KEPT_OPENING: usize = 32;

/// How many opening bytes of one side are worth keeping. A TLS client hello with post-quantum key shares has about
/// 2,000.
pub const OPENING_LIMIT: usize = 4096;

const TCP: &[Transport] = &[Transport::Tcp];
const UDP: &[Transport] = &[Transport::Udp];
const BOTH: &[Transport] = &[Transport::Tcp, Transport::Udp];

/// The better of what was heard so far and what one more signature heard. On a tie the earlier one stays.
fn better(so_far: Option<(Protocol, Clue)>, new: (Protocol, Clue)) -> (Protocol, Clue) {
    let Some(old) = so_far else { return new };
    let new_wins = new.1.rank() > old.1.rank();
    let ((protocol, winner), (_, loser)) = if new_wins { (new, old) } else { (old, new) };
    (protocol, winner.with_name_of(loser))
}

#[cfg(test)]
mod tests;
