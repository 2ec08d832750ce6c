//! The names that stand in a written ledger for what the program tells apart by type. They belong to the schema: a name
//! never changes its meaning within one version.

use super::super::{CitrixName, Ended, Reply, What};
use crate::flow::{Doubt, Note, Showing};
use crate::matching::{Basis, Fit};
use crate::packet::{Address, Skip, Stranger};
use crate::signature::Protocol;
use crate::transport::Transport;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::net::IpAddr;

/// What is written as one text.
pub(super) trait Named: Sized {
    /// The text.
    fn name(&self) -> Cow<'static, str>;
    /// What has this name.
    fn named(name: &str) -> Option<Self>;
}

/// Stands in the form for a value that is written by its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ByName<T>(pub T);

impl<T: Named> Serialize for ByName<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.name())
    }
}

impl<'de, T: Named> Deserialize<'de> for ByName<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByName<T>, D::Error> {
        let name = String::deserialize(deserializer)?;
        T::named(&name).map(ByName).ok_or_else(|| de::Error::custom(format_args!("unknown name '{name}'")))
    }
}

/// Both directions from one list, so that a new variant does not compile until it has a name. What a variant holds
/// follows after a colon: `syn:2`.
macro_rules! names {
    ($($type:ident { $($variant:ident $(($held:ident))? = $name:literal,)* })*) => {$(
        impl Named for $type {
            fn name(&self) -> Cow<'static, str> {
                match self {
                    $($type::$variant $(($held))? => {
                        let held: &[Cow<'static, str>] = &[$($held.name())?];
                        joined($name, held)
                    })*
                }
            }

            fn named(name: &str) -> Option<$type> {
                let mut parts = name.splitn(2, ':');
                let value = match parts.next()? {
                    _ if name.ends_with(':') => return None,
                    $($name => {
                        $(let $held = Named::named(parts.next().unwrap_or_default())?;)?
                        $type::$variant $(($held))?
                    })*
                    _ => return None,
                };
                parts.next().is_none().then_some(value)
            }
        }
    )*};
}

names! {
    Showing {
        Silence = "silence",
        NoReply(doubt) = "no-reply",
        Refusal = "refusal",
        Unreachable = "unreachable",
        Unacknowledged = "unacknowledged",
        EarlyReset = "early-reset",
        Handshake = "handshake",
        Exchange = "exchange",
        Midstream = "midstream",
        SentToMany = "sent-to-many",
        OneDirection = "one-direction",
        Unclear(doubt) = "unclear",
    }
    Fit {
        Fits = "fits",
        Foreign(protocol) = "foreign",
        CitrixElsewhere(protocol) = "citrix-elsewhere",
        OtherTransport = "other-transport",
        GenericPort = "generic-port",
        UnknownPort = "unknown-port",
    }
    Basis {
        Signature = "signature",
        Port = "port",
        None = "none",
    }
    Note {
        First = "first",
        Syn(number) = "syn",
        SynAck(number) = "syn-ack",
        Datagram(number) = "datagram",
        Reset = "reset",
        IcmpError = "icmp-error",
        ClientPayload = "client-payload",
        ServerPayload = "server-payload",
        LateAnswer = "late-answer",
        Alert = "alert",
    }
    Reply {
        Greeting = "greeting",
        Reset = "reset",
        IcmpError = "icmp-error",
    }
    What {
        ClientAlert(number) = "client-alert",
        ServerAlert(number) = "server-alert",
        HelloUnanswered = "hello-unanswered",
        HelloClosed = "hello-closed",
        TlsToPlain = "tls-to-plain",
        PlainToTls = "plain-to-tls",
        OldTls(version) = "old-tls",
        Plain = "plain",
        KerberosError(code) = "kerberos-error",
        NameError(code) = "name-error",
        HttpError(status) = "http-error",
        TftpError(code) = "tftp-error",
        Lease = "lease",
        LeaseWithBootFile = "lease-with-boot-file",
        Wait = "wait",
        WaitInVain = "wait-in-vain",
        LateHello = "late-hello",
        Repeats = "repeats",
        ClientVanished = "client-vanished",
        ServerVanished = "server-vanished",
        ClientShrank = "client-shrank",
        ServerShrank = "server-shrank",
        TooBig = "too-big",
        Fragments = "fragments",
        AskedByPath = "asked-by-path",
        TransferStuck = "transfer-stuck",
    }
    CitrixName {
        GatewayService = "gateway-service",
        Other = "other",
    }
}

/// What a variant holds, if anything, after its name.
fn joined(name: &'static str, held: &[Cow<'static, str>]) -> Cow<'static, str> {
    match held {
        [held] if !held.is_empty() => format!("{name}:{held}").into(),
        _ => name.into(),
    }
}

/// What has a name in reports, fixed as well, has the same one here.
macro_rules! names_in_reports {
    ($($type:ident: $all:expr;)*) => {$(
        impl Named for $type {
            fn name(&self) -> Cow<'static, str> {
                $type::name(*self).into()
            }

            fn named(name: &str) -> Option<$type> {
                $all.iter().copied().find(|value| $type::name(*value) == name)
            }
        }
    )*};
}

names_in_reports! {
    Doubt: Doubt::ALL;
    Ended: Ended::ALL;
    Skip: Skip::ALL;
    Stranger: Stranger::ALL;
    Transport: Transport::ALL;
    Protocol: Protocol::all();
}

impl Named for Option<Doubt> {
    fn name(&self) -> Cow<'static, str> {
        self.map_or("", Doubt::name).into()
    }

    fn named(name: &str) -> Option<Option<Doubt>> {
        if name.is_empty() { Some(None) } else { Doubt::named(name).map(Some) }
    }
}

impl Named for u8 {
    fn name(&self) -> Cow<'static, str> {
        self.to_string().into()
    }

    fn named(name: &str) -> Option<u8> {
        name.parse().ok()
    }
}

impl Named for u16 {
    fn name(&self) -> Cow<'static, str> {
        self.to_string().into()
    }

    fn named(name: &str) -> Option<u16> {
        name.parse().ok()
    }
}

impl Named for Address {
    fn name(&self) -> Cow<'static, str> {
        self.to_string().into()
    }

    fn named(name: &str) -> Option<Address> {
        name.parse::<IpAddr>().ok().map(Address::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fmt::Debug;

    fn reads_back<T: Named + PartialEq + Debug>(values: impl IntoIterator<Item = T>) {
        let mut names = BTreeSet::new();
        for value in values {
            let name = value.name();
            assert_eq!(T::named(&name).as_ref(), Some(&value), "{name}");
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-:._".contains(&byte);
            assert!(name.bytes().all(plain), "{name}");
            assert!(names.insert(name), "two have one name: {value:?}");
        }
    }

    #[test]
    fn every_name_reads_back() {
        let doubts = || Doubt::ALL.into_iter();
        let showings = [
            Showing::Silence,
            Showing::NoReply(None),
            Showing::Refusal,
            Showing::Unreachable,
            Showing::Unacknowledged,
            Showing::EarlyReset,
            Showing::Handshake,
            Showing::Exchange,
            Showing::Midstream,
            Showing::SentToMany,
            Showing::OneDirection,
        ];
        let doubtful = doubts().flat_map(|doubt| [Showing::NoReply(Some(doubt)), Showing::Unclear(doubt)]);
        reads_back(showings.into_iter().chain(doubtful));
        reads_back(doubts());
        let heard = Protocol::all().iter().flat_map(|&it| [Fit::Foreign(it), Fit::CitrixElsewhere(it)]);
        reads_back([Fit::Fits, Fit::OtherTransport, Fit::GenericPort, Fit::UnknownPort].into_iter().chain(heard));
        reads_back([Basis::Signature, Basis::Port, Basis::None]);
        let numbered =
            (0..=u8::MAX).flat_map(|number| [Note::Syn(number), Note::SynAck(number), Note::Datagram(number)]);
        let notes = [
            Note::First,
            Note::Reset,
            Note::IcmpError,
            Note::ClientPayload,
            Note::ServerPayload,
            Note::LateAnswer,
            Note::Alert,
        ];
        reads_back(notes.into_iter().chain(numbered));
        reads_back([Reply::Greeting, Reply::Reset, Reply::IcmpError]);
        reads_back([CitrixName::GatewayService, CitrixName::Other]);
        reads_back(Skip::ALL);
        reads_back(Ended::ALL);
        reads_back(Stranger::ALL);
        reads_back(Transport::ALL);
        reads_back(Protocol::all().iter().copied());
        reads_back([Address::v4([10, 0, 0, 255])]);
    }

    #[test]
    fn what_is_no_name_is_not_guessed() {
        for name in ["", ":silence", "Silence", "silence:reset-only", "unclear", "no-reply:", "no-reply:silence"] {
            assert_eq!(Showing::named(name), None, "{name}");
        }
        for name in ["syn", "syn:", "syn:256", "syn:-1", "syn:1:2", "first:1"] {
            assert_eq!(Note::named(name), None, "{name}");
        }
        for name in ["10.0.0", "10.0.0.1/24", "fd00::1%eth0", "localhost", ""] {
            assert_eq!(Address::named(name), None, "{name}");
        }
    }
}
