//! What first words say beside their protocol: versions, names, what is asked for, and errors.

/// What the first words of both sides of a flow say, as far as that is read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Content {
    /// TLS, or DTLS.
    Tls(Tls),
    /// HTTP/1.
    Http(Http),
    /// Kerberos.
    Kerberos(Kerberos),
    /// DNS.
    Dns(Dns),
    /// DHCP and PXE.
    Dhcp(Dhcp),
    /// LDAP.
    Ldap(Ldap),
    /// TFTP.
    Tftp(Tftp),
}

/// Hellos of TLS and DTLS, and the certificate of the server where it is sent in the clear (up to TLS 1.2). Versions are as they
/// stand on the wire: 0x0303 is TLS 1.2, 0xfefd is DTLS 1.2.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tls {
    /// The highest version that the client offers.
    pub offered: Option<u16>,
    /// The version that the server chose.
    pub chosen: Option<u16>,
    /// The server's certificate.
    pub certificate: Option<Box<Certificate>>,
    /// Although nothing of the server was heard, the client went on after its hello: the capture lacks the answer.
    pub went_on: bool,
    /// The server acknowledged what the client had said and closed the connection first, without a word.
    pub closed: bool,
}

/// The certificate of a server: names only. Nothing is verified.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Certificate {
    /// The common name of its subject, at most 255 bytes that can be shown, as are the other names.
    pub subject: Option<Box<str>>,
    /// The common name of its issuer; the organisation where it has none.
    pub issuer: Option<Box<str>>,
    /// The first names of hosts that it stands for.
    pub hosts: Vec<Box<str>>,
}

/// The first request, and the status of the answer.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Http {
    /// The path without what follows a question mark, in lower case, where it belongs to Citrix; its first [`PATH_LIMIT`] bytes.
    pub path: Option<Box<str>>,
    /// It asks to go on as WebSocket.
    pub websocket: bool,
    /// The status of the answer.
    pub status: Option<u16>,
}

/// A request of Kerberos, and how it was answered.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Kerberos {
    /// What the client asks for.
    pub asks_for: Option<Ticket>,
    /// The error code of the answer (RFC 4120, 7.5.9): 6 is an unknown client, 7 an unknown server, 37 a clock that is wrong. 25 and
    /// 52 belong to every day: say who you are, and ask over TCP.
    pub error: Option<u16>,
    /// The server, or the service of a host, that the client asked about, where that failed.
    pub server: Option<Box<str>>,
}

/// What a client of Kerberos asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ticket {
    /// A ticket with which it asks for others: somebody logs on.
    Initial,
    /// A ticket for a service.
    Service,
}

/// A question of DNS, and how it was answered.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Dns {
    /// The response code, where it is none of success: 2 is a server that fails, 3 an unknown name, 5 a refusal.
    pub failure: Option<u8>,
    /// The name that was asked for, in lower case, where that failed.
    pub name: Option<Box<str>>,
}

/// What DHCP said. One flow may be about many clients: answers to everybody, and what a relay asks for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Dhcp {
    /// What the last message was (RFC 2132, 9.6): 2 offers, 5 acknowledges, 6 refuses.
    pub message: Option<u8>,
    /// A client wants to boot from the network.
    pub pxe: bool,
    /// An answer names a boot file.
    pub boot_file: bool,
    /// Addresses that were offered or acknowledged, the first [`LEASE_LIMIT`].
    pub leases: Vec<Lease>,
}

/// An address that DHCP gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The address.
    pub address: [u8; 4],
    /// The server that gives it, where that says so.
    pub server: Option<[u8; 4]>,
    /// With a boot file.
    pub boot_file: bool,
}

/// Maximum number of addresses of one flow that are kept.
pub const LEASE_LIMIT: usize = 250;

/// What a client of LDAP asks for first.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Ldap {
    /// It asks for TLS.
    pub start_tls: bool,
    /// It sends a name and a password in the clear.
    pub simple_bind: bool,
    /// It logs on in another way, which sends no password.
    pub sasl_bind: bool,
}

/// A request of TFTP, and how it was answered.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tftp {
    /// The boot file of Citrix Provisioning that is asked for; its first [`PATH_LIMIT`] bytes.
    pub boot_file: Option<Box<str>>,
    /// The error code of the answer (RFC 1350, 5): 1 is a file that is not there, 2 a refusal.
    pub error: Option<u16>,
}

/// Maximum length of a path that is kept, in bytes.
pub const PATH_LIMIT: usize = 128;

impl Dhcp {
    fn join(mut self, later: Dhcp) -> Dhcp {
        for lease in later.leases {
            if let Some(known) = self.leases.iter_mut().find(|known| known.address == lease.address) {
                known.boot_file |= lease.boot_file;
                known.server = lease.server.or(known.server);
            } else if self.leases.len() < LEASE_LIMIT {
                self.leases.push(lease);
            }
        }
        Dhcp {
            message: later.message.or(self.message),
            pxe: later.pxe || self.pxe,
            boot_file: later.boot_file || self.boot_file,
            leases: self.leases,
        }
    }
}

impl Content {
    /// What was known before, and what is told now. What is told later stands where both tell the same.
    pub fn join(self, later: Content) -> Content {
        match (self, later) {
            (Content::Tls(one), Content::Tls(two)) => Content::Tls(Tls {
                offered: two.offered.or(one.offered),
                chosen: two.chosen.or(one.chosen),
                certificate: two.certificate.or(one.certificate),
                went_on: two.went_on || one.went_on,
                closed: two.closed || one.closed,
            }),
            (Content::Http(one), Content::Http(two)) => Content::Http(Http {
                path: two.path.or(one.path),
                websocket: two.websocket || one.websocket,
                status: two.status.or(one.status),
            }),
            (Content::Kerberos(one), Content::Kerberos(two)) => Content::Kerberos(Kerberos {
                asks_for: two.asks_for.or(one.asks_for),
                error: two.error.or(one.error),
                server: two.server.or(one.server),
            }),
            (Content::Dns(one), Content::Dns(two)) => {
                Content::Dns(Dns { failure: two.failure.or(one.failure), name: two.name.or(one.name) })
            }
            (Content::Dhcp(one), Content::Dhcp(two)) => Content::Dhcp(one.join(two)),
            (Content::Ldap(one), Content::Ldap(two)) => Content::Ldap(Ldap {
                start_tls: two.start_tls || one.start_tls,
                simple_bind: two.simple_bind || one.simple_bind,
                sasl_bind: two.sasl_bind || one.sasl_bind,
            }),
            (Content::Tftp(one), Content::Tftp(two)) => {
                Content::Tftp(Tftp { boot_file: two.boot_file.or(one.boot_file), error: two.error.or(one.error) })
            }
            (_, later) => later,
        }
    }
}
