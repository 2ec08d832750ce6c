//! What TLS or DTLS said in the clear in one flow, as it is told.

use super::plain;
use crate::flow::{Alert, FlowRecord, Who};
use crate::signature::{Certificate, alert_name, version_name};
use crate::time::Span;
use serde::Serialize;

/// Versions, the names in the certificate, and an alert.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TlsLine<'a> {
    /// The highest version that the client offers.
    pub offered: Option<String>,
    /// The version that the server chose.
    pub chosen: Option<String>,
    /// The server's certificate.
    pub certificate: Option<CertificateLine<'a>>,
    /// The first fatal alert.
    pub alert: Option<AlertLine>,
}

/// Names as they stand in the certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CertificateLine<'a> {
    /// Whose it is.
    pub subject: Option<&'a str>,
    /// Who issued it.
    pub issuer: Option<&'a str>,
    /// The first names of hosts that it stands for.
    pub names: Vec<&'a str>,
}

/// An alert in the clear.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AlertLine {
    /// `client` or `server`.
    pub by: &'static str,
    /// Its number (RFC 8446, 6).
    pub number: u8,
    /// Its name there.
    pub name: Option<&'static str>,
    /// How long after what the other side said last.
    #[serde(rename = "after_us", serialize_with = "plain::some_micros")]
    pub after: Option<Span>,
}

impl<'a> TlsLine<'a> {
    /// None where nothing is known.
    pub fn of(record: &'a FlowRecord) -> Option<TlsLine<'a>> {
        let tls = record.tls();
        let certificate = tls.and_then(|tls| tls.certificate.as_deref());
        let line = TlsLine {
            offered: tls.and_then(|tls| tls.offered).map(version),
            chosen: tls.and_then(|tls| tls.chosen).map(version),
            certificate: certificate.map(CertificateLine::of),
            alert: record.alert().map(AlertLine::of),
        };
        let TlsLine { offered, chosen, certificate, alert } = &line;
        let known = offered.is_some() || chosen.is_some() || certificate.is_some() || alert.is_some();
        known.then_some(line)
    }

    /// The same in the text of a list of flows: `TLS 1.2 of TLS 1.3`, `certificate of vda01.example by Example CA`.
    pub fn facts(&self) -> Vec<String> {
        let TlsLine { offered, chosen, certificate, alert } = self;
        let mut facts = Vec::new();
        facts.extend(match (offered, chosen) {
            (Some(offered), Some(chosen)) if offered == chosen => Some(chosen.clone()),
            (Some(offered), Some(chosen)) => Some(format!("{chosen} of {offered}")),
            (None, Some(chosen)) => Some(chosen.clone()),
            (Some(offered), None) => Some(format!("up to {offered}")),
            (None, None) => None,
        });
        if let Some(CertificateLine { subject, issuer, names }) = certificate {
            let of = subject.or(names.first().copied()).map(|name| format!(" of {name}")).unwrap_or_default();
            let by = issuer.map(|issuer| format!(" by {issuer}")).unwrap_or_default();
            facts.push(format!("certificate{of}{by}"));
        }
        facts.extend(alert.as_ref().map(|AlertLine { by, number, name, .. }| match name {
            Some(name) => format!("alert {number} ({name}) by the {by}"),
            None => format!("alert {number} by the {by}"),
        }));
        facts
    }
}

impl CertificateLine<'_> {
    fn of(certificate: &Certificate) -> CertificateLine<'_> {
        let Certificate { subject, issuer, hosts } = certificate;
        let names = hosts.iter().map(|host| &**host).collect();
        CertificateLine { subject: subject.as_deref(), issuer: issuer.as_deref(), names }
    }
}

impl AlertLine {
    fn of(alert: &Alert) -> AlertLine {
        let Alert { by, number, after, .. } = *alert;
        let by = match by {
            Who::Client => "client",
            Who::Server => "server",
        };
        AlertLine { by, number, name: alert_name(number), after }
    }
}

/// `TLS 1.2`; a version that nobody named as it stands on the wire.
fn version(version: u16) -> String {
    version_name(version).map_or_else(|| format!("0x{version:04x}"), String::from)
}
