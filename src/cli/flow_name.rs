//! By what a flow can be named on the command line.

use crate::packet::Address;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Which flow is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FlowName {
    /// The flow with this id, counted from 1.
    Id(u64),
    /// The flow with this Community ID.
    CommunityId(String),
    /// The flow between these two, in either order.
    Ends {
        /// `tcp`, `udp`, `icmp` or `icmpv6`; any where it was not typed.
        protocol: Option<&'static str>,
        /// One end and the other.
        ends: [End; 2],
    },
    /// The problem with this number, counted from 1.
    Problem(u64),
    /// The problem (`p-...`) or finding (`f-...`) with this id.
    Told(String),
}

/// One end of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// The address.
    pub address: Address,
    /// The port; any where it was not typed.
    pub port: Option<u16>,
}

/// The protocols of flows by their names in the report.
const PROTOCOLS: [&str; 4] = ["tcp", "udp", "icmp", "icmpv6"];

impl FlowName {
    /// Reads what was typed.
    ///
    /// # Errors
    /// What was expected.
    pub fn typed(text: &str) -> Result<FlowName, String> {
        let number = |digits: &str| digits.parse::<u64>().ok().filter(|&number| number > 0);
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return number(text).map(FlowName::Id).ok_or_else(|| "flows are counted from 1".into());
        }
        if let Some(rest) = text.strip_prefix(['p', 'P'])
            && let Some(problem) = number(rest)
        {
            return Ok(FlowName::Problem(problem));
        }
        if text.starts_with("p-") || text.starts_with("f-") {
            return Ok(FlowName::Told(text.into()));
        }
        if is_community_id(text) {
            return Ok(FlowName::CommunityId(text.into()));
        }
        ends(text).ok_or_else(|| {
            "the flow stands last, and is named by its id (17), its Community ID (1:...=), its ends (10.0.0.1:50123-10.0.0.2:2598, IPv6 \
             in brackets), or a problem (p1)"
                .into()
        })
    }
}

/// Version 1: twenty bytes in Base64.
fn is_community_id(text: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digest = text.strip_prefix("1:").and_then(|rest| rest.strip_suffix('='));
    digest.is_some_and(|digest| digest.len() == 27 && digest.bytes().all(base64))
}

fn ends(text: &str) -> Option<FlowName> {
    let (protocol, rest) = match text.split_once('/') {
        Some((name, rest)) => {
            let known = PROTOCOLS.into_iter().find(|protocol| protocol.eq_ignore_ascii_case(name.trim()))?;
            (Some(known), rest)
        }
        None => (None, text),
    };
    let (one, other) = rest.split_once('-')?;
    let ends = [end(one)?, end(other.strip_prefix('>').unwrap_or(other))?];
    (ends[0].address.is_v4() == ends[1].address.is_v4()).then_some(FlowName::Ends { protocol, ends })
}

fn end(text: &str) -> Option<End> {
    let text = text.trim();
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some(End { address: socket.ip().into(), port: Some(socket.port()) });
    }
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().ok().map(|ip| End { address: ip.into(), port: None })
}

impl fmt::Display for FlowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlowName::Id(number) => write!(f, "flow {number}"),
            FlowName::CommunityId(id) => write!(f, "the flow with the Community ID {id}"),
            FlowName::Ends { protocol, ends: [one, other] } => {
                let protocol = protocol.map(|protocol| format!("{protocol}/")).unwrap_or_default();
                write!(f, "the flow {protocol}{one}-{other}")
            }
            FlowName::Problem(number) => write!(f, "problem p{number}"),
            FlowName::Told(id) if id.starts_with("p-") => write!(f, "problem {id}"),
            FlowName::Told(id) => write!(f, "finding {id}"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let End { address, port } = self;
        match port {
            Some(port) if address.is_v4() => write!(f, "{address}:{port}"),
            Some(port) => write!(f, "[{address}]:{port}"),
            None => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_named_in_several_ways() {
        let end = |ip: &str, port| End { address: ip.parse::<IpAddr>().expect("written here").into(), port };
        let ends = |protocol, one, other| FlowName::Ends { protocol, ends: [one, other] };
        let (client, server) = (end("10.0.0.1", Some(50_123)), end("10.0.0.2", Some(2598)));
        let six = (end("fd00::1", Some(50_123)), end("fd00::2", Some(2598)));
        let community = "1:LQU9qZlK+B5F3KDmev6m5PMibrg=";
        for (typed, meant) in [
            ("17", FlowName::Id(17)),
            (community, FlowName::CommunityId(community.into())),
            ("10.0.0.1:50123-10.0.0.2:2598", ends(None, client, server)),
            ("TCP/10.0.0.1:50123 -> 10.0.0.2:2598", ends(Some("tcp"), client, server)),
            ("udp/[fd00::1]:50123-[fd00::2]:2598", ends(Some("udp"), six.0, six.1)),
            ("10.0.0.1-10.0.0.2:2598", ends(None, end("10.0.0.1", None), server)),
            ("icmpv6/fd00::1-[fd00::2]", ends(Some("icmpv6"), end("fd00::1", None), end("fd00::2", None))),
            ("p3", FlowName::Problem(3)),
            ("p-blocked-silent", FlowName::Told("p-blocked-silent".into())),
            ("f-blocked-silent", FlowName::Told("f-blocked-silent".into())),
        ] {
            assert_eq!(FlowName::typed(typed), Ok(meant), "{typed}");
        }
    }

    #[test]
    fn what_names_no_flow_is_told_so() {
        for wrong in [
            "",
            "0",
            "-1",
            "p0",
            "p",
            "case.pcap",
            "1:short=",
            "10.0.0.1:50123",
            "10.0.0.1:50123-10.0.0.2:99999",
            "sctp/10.0.0.1:1-10.0.0.2:2",
            "10.0.0.1:1-[fd00::1]:2",
            "fd00::1:50123-fd00::2:2598-",
            "99999999999999999999999",
            "10.0.0.1:1-10.0.0.2:2\n",
        ] {
            match FlowName::typed(wrong) {
                Err(said) => {
                    assert!(said.contains("counted from 1") || said.contains("stands last"), "{wrong:?}: {said}")
                }
                Ok(meant) => assert_eq!(meant.to_string().trim(), format!("the flow {}", wrong.trim()), "{wrong:?}"),
            }
        }
    }
}
