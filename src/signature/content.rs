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
    /// The server closed the connection before the client did, and had said nothing.
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
    /// The path without what follows a question mark, in lower case, where it belongs to Citrix.
    pub path: Option<Box<str>>,
    /// It asks to go on as WebSocket.
    pub websocket: bool,
    /// The status of the answer.
    pub status: Option<u16>,
}

/// A request of Kerberos, and how it was answered.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Kerberos {
    /// The error code of the answer (RFC 4120, 7.5.9).
    pub error: Option<u16>,
}

/// A question of DNS, and how it was answered.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Dns {
    /// The response code, where it is none of success.
    pub failure: Option<u8>,
    /// The name that was asked for, in lower case, where that failed.
    pub name: Option<Box<str>>,
}

/// A message of DHCP.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Dhcp {
    /// The client wants to boot from the network.
    pub pxe: bool,
    /// The answer offers or acknowledges an address: this one.
    pub address: Option<[u8; 4]>,
    /// The answer names a boot file.
    pub boot_file: bool,
}

/// The first request of LDAP.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Ldap {
    /// The client asks for TLS.
    pub start_tls: bool,
    /// The client sends a name and a password in the clear.
    pub simple_bind: bool,
}

/// A request of TFTP, and how it was answered.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tftp {
    /// The error code of the answer (RFC 1350, 5).
    pub error: Option<u16>,
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
            (Content::Kerberos(one), Content::Kerberos(two)) => {
                Content::Kerberos(Kerberos { error: two.error.or(one.error) })
            }
            (Content::Dns(one), Content::Dns(two)) => {
                Content::Dns(Dns { failure: two.failure.or(one.failure), name: two.name.or(one.name) })
            }
            (Content::Dhcp(one), Content::Dhcp(two)) => Content::Dhcp(Dhcp {
                pxe: two.pxe || one.pxe,
                address: two.address.or(one.address),
                boot_file: two.boot_file || one.boot_file,
            }),
            (Content::Ldap(one), Content::Ldap(two)) => Content::Ldap(Ldap {
                start_tls: two.start_tls || one.start_tls,
                simple_bind: two.simple_bind || one.simple_bind,
            }),
            (Content::Tftp(one), Content::Tftp(two)) => Content::Tftp(Tftp { error: two.error.or(one.error) }),
            (_, later) => later,
        }
    }
}
