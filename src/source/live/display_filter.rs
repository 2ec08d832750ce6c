//! Recognises a display filter of Wireshark where a filter in the language of pcap-filter(7) is wanted, and says the common ones in
//! that language. Nothing is filtered by this: it only helps to say what to type.

/// None where a text is no display filter; else what says the same to libpcap, where that is known.
pub(super) fn recognised(text: &str) -> Option<Option<String>> {
    let words = words(text)?;
    let translation = Reader { words: &words, at: 0 }.all();
    (translation.is_some()
        || words.windows(2).any(|pair| is_field(&pair[1], Some(&pair[0])))
        || is_field(words.first()?, None))
    .then_some(translation)
}

/// A field of a protocol, or a protocol that only Wireshark names. After `host` and the like such a word is a name.
fn is_field(word: &str, before: Option<&String>) -> bool {
    const BEFORE_NAMES: [&str; 8] = ["host", "src", "dst", "net", "gateway", "proto", "port", "portrange"];
    if before.is_some_and(|before| BEFORE_NAMES.contains(&before.as_str())) {
        return false;
    }
    let (protocol, field) = word.split_once('.').unwrap_or((word, ""));
    let begins = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic());
    ONLY_WIRESHARK.contains(&protocol) || (BOTH.contains(&protocol) && begins(field))
}

/// Protocols that both languages name.
const BOTH: [&str; 10] = ["eth", "ip", "ipv6", "tcp", "udp", "icmp", "icmpv6", "arp", "vlan", "sctp"];
/// Protocols that only display filters name.
const ONLY_WIRESHARK: [&str; 16] = [
    "frame", "http", "http2", "tls", "ssl", "dtls", "dns", "smb", "smb2", "ldap", "kerberos", "rdp", "ica", "dhcp",
    "_ws", "quic",
];

/// Words, brackets and operators.
fn words(text: &str) -> Option<Vec<String>> {
    const OPERATORS: [&str; 14] = ["&&", "||", "==", "!=", ">=", "<=", "!", ">", "<", "(", ")", "{", "}", ","];
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let operator = OPERATORS.iter().find(|operator| rest.starts_with(**operator)).map(|operator| operator.len());
        let in_word = |c: char| c.is_ascii_alphanumeric() || "._:/-".contains(c);
        let length = operator.unwrap_or_else(|| rest.find(|c| !in_word(c)).unwrap_or(rest.len()));
        if length == 0 || words.len() == MOST_WORDS {
            return None;
        }
        words.push(rest[..length].to_ascii_lowercase());
        rest = rest[length..].trim_start();
    }
    Some(words)
}

/// More words than anybody types by hand; it bounds the depth of brackets as well.
const MOST_WORDS: usize = 200;

/// Reads words and writes the same for libpcap. There `and` does not bind closer than `or`, so brackets say what belongs together.
struct Reader<'a> {
    words: &'a [String],
    at: usize,
}

impl Reader<'_> {
    fn all(mut self) -> Option<String> {
        let filter = self.any_of()?;
        (self.at == self.words.len()).then_some(filter)
    }

    fn any_of(&mut self) -> Option<String> {
        let mut parts = vec![self.all_of()?];
        while self.takes(&["||", "or"]) {
            parts.push(self.all_of()?);
        }
        if parts.len() > 1 {
            parts.iter_mut().filter(|part| part.contains(' ')).for_each(|part| *part = bracketed(part));
        }
        Some(parts.join(" or "))
    }

    fn all_of(&mut self) -> Option<String> {
        let mut parts = vec![self.one()?];
        while self.takes(&["&&", "and"]) {
            parts.push(self.one()?);
        }
        Some(parts.join(" and "))
    }

    fn one(&mut self) -> Option<String> {
        if self.takes(&["!", "not"]) {
            return Some(format!("not {}", bracketed(&self.one()?)));
        }
        if self.takes(&["("]) {
            let inner = self.any_of()?;
            return self.takes(&[")"]).then(|| bracketed(&inner));
        }
        let field = self.next()?;
        match self.next_if(|word| Comparison::named(word).is_some() || word == "in") {
            None => Some(bare(&field)?.to_string()),
            Some(word) if word == "in" => self.one_of_a_set(&field),
            Some(word) => compared(&field, Comparison::named(&word)?, &self.next()?),
        }
    }

    /// `{80, 443}`, `{80 443}` and `{6890..6910}`.
    fn one_of_a_set(&mut self, field: &str) -> Option<String> {
        let mut parts = Vec::new();
        self.takes(&["{"]).then_some(())?;
        while !self.takes(&["}"]) {
            let value = self.next()?;
            parts.push(match value.split_once("..") {
                Some((first, last)) => ports(field, &format!("{first}-{last}"))?,
                None => compared(field, Comparison::Equal, &value)?,
            });
            self.takes(&[","]);
        }
        (!parts.is_empty()).then(|| bracketed(&parts.join(" or ")))
    }

    fn next(&mut self) -> Option<String> {
        self.next_if(|_| true)
    }

    fn next_if(&mut self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let word = self.words.get(self.at).filter(|word| wanted(word))?;
        self.at += 1;
        Some(word.clone())
    }

    fn takes(&mut self, wanted: &[&str]) -> bool {
        self.next_if(|word| wanted.contains(&word)).is_some()
    }
}

fn bracketed(filter: &str) -> String {
    let alone = !filter.contains(' ') || (filter.starts_with('(') && filter.find(')') == Some(filter.len() - 1));
    if alone { filter.to_string() } else { format!("({filter})") }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    /// In libpcap's words.
    Other(&'static str),
}

impl Comparison {
    fn named(word: &str) -> Option<Comparison> {
        Some(match word {
            "==" | "eq" => Comparison::Equal,
            "!=" | "ne" => Comparison::Unequal,
            ">" | "gt" => Comparison::Other(">"),
            "<" | "lt" => Comparison::Other("<"),
            ">=" | "ge" => Comparison::Other(">="),
            "<=" | "le" => Comparison::Other("<="),
            _ => return None,
        })
    }
}

/// A protocol that stands alone.
fn bare(word: &str) -> Option<&'static str> {
    Some(match word {
        "ip" => "ip",
        "ipv6" => "ip6",
        "tcp" => "tcp",
        "udp" => "udp",
        "icmp" => "icmp",
        "icmpv6" => "icmp6",
        "arp" => "arp",
        "sctp" => "sctp",
        "vlan" => "vlan",
        _ => return None,
    })
}

/// A field and a value.
fn compared(field: &str, comparison: Comparison, value: &str) -> Option<String> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if matches!(field, "frame.len" | "frame.cap_len") {
        let operator = match comparison {
            Comparison::Equal => "==",
            Comparison::Unequal => "!=",
            Comparison::Other(operator) => operator,
        };
        return is_number.then(|| format!("len {operator} {value}"));
    }
    let equal = equal(field, value, is_number)?;
    match comparison {
        Comparison::Equal => Some(equal),
        Comparison::Unequal => {
            let protocol = field.split('.').next().filter(|&protocol| protocol != "vlan")?;
            Some(format!(
                "{}not {}",
                bare(protocol).map_or(String::new(), |name| format!("{name} and ")),
                bracketed(&equal)
            ))
        }
        Comparison::Other(_) => None,
    }
}

fn equal(field: &str, value: &str, is_number: bool) -> Option<String> {
    let host = if value.contains('/') { "net" } else { "host" };
    let address = match field {
        "ip.addr" | "ip.host" | "ipv6.addr" | "ipv6.host" => Some(host.to_string()),
        "ip.src" | "ip.src_host" | "ipv6.src" | "ipv6.src_host" => Some(format!("src {host}")),
        "ip.dst" | "ip.dst_host" | "ipv6.dst" | "ipv6.dst_host" => Some(format!("dst {host}")),
        "eth.addr" => Some("ether host".into()),
        "eth.src" => Some("ether src".into()),
        "eth.dst" => Some("ether dst".into()),
        _ => None,
    };
    if let Some(address) = address {
        return Some(format!("{address} {}", value.replace('-', ":")));
    }
    if let Some(flag) = field.strip_prefix("tcp.flags.") {
        let flag = match flag {
            "syn" => "tcp-syn",
            "ack" => "tcp-ack",
            "reset" => "tcp-rst",
            "fin" => "tcp-fin",
            "push" => "tcp-push",
            "urg" => "tcp-urg",
            _ => return None,
        };
        let operator = match value {
            "1" | "true" => "!=",
            "0" | "false" => "==",
            _ => return None,
        };
        return Some(format!("tcp[tcpflags] & {flag} {operator} 0"));
    }
    match field {
        "icmp.type" if is_number => Some(format!("icmp[icmptype] == {value}")),
        "ip.proto" if is_number => Some(format!("ip proto {value}")),
        "vlan.id" if is_number => Some(format!("vlan {value}")),
        _ if is_number => ports(field, value),
        _ => None,
    }
}

/// A port, or a range of them written as `first-last`.
fn ports(field: &str, value: &str) -> Option<String> {
    let (transport, field) = field.split_once('.')?;
    let direction = match field {
        "port" => "",
        "srcport" => "src ",
        "dstport" => "dst ",
        _ => return None,
    };
    let port = if value.contains('-') { "portrange" } else { "port" };
    matches!(transport, "tcp" | "udp" | "sctp").then(|| format!("{transport} {direction}{port} {value}"))
}

#[cfg(test)]
mod tests {
    use super::super::libpcap::BpfFilter;
    use super::*;
    use crate::packet::LinkType;

    #[test]
    fn common_display_filters_are_said_in_the_language_of_libpcap() {
        for (display, bpf) in [
            ("ip.addr==10.0.0.1", "host 10.0.0.1"),
            ("ip.addr eq 10.0.0.0/24", "net 10.0.0.0/24"),
            ("ip.src == 10.0.0.1", "src host 10.0.0.1"),
            ("ip.dst==10.0.0.1", "dst host 10.0.0.1"),
            ("ipv6.addr == 2001:db8::1", "host 2001:db8::1"),
            ("eth.addr == 02:00:00:00:00:01", "ether host 02:00:00:00:00:01"),
            ("tcp.port == 2598", "tcp port 2598"),
            ("TCP.DstPort==2598", "tcp dst port 2598"),
            ("udp.port==16500 || udp.port==16501", "(udp port 16500) or (udp port 16501)"),
            ("tcp.port in {80, 443 6890..6910}", "(tcp port 80 or tcp port 443 or tcp portrange 6890-6910)"),
            ("tcp.flags.syn==1", "tcp[tcpflags] & tcp-syn != 0"),
            ("tcp.flags.syn==1 && tcp.flags.ack==0", "tcp[tcpflags] & tcp-syn != 0 and tcp[tcpflags] & tcp-ack == 0"),
            ("frame.len >= 1000", "len >= 1000"),
            ("!(ip.addr==10.0.0.1)", "not (host 10.0.0.1)"),
            ("ip.addr != 10.0.0.1", "ip and not (host 10.0.0.1)"),
            ("udp.port != 53 or arp", "(udp and not (udp port 53)) or arp"),
            (
                "tcp && ip.addr==10.0.0.1 or udp and not tcp.port==1494",
                "(tcp and host 10.0.0.1) or (udp and not (tcp port 1494))",
            ),
            (
                "(tcp.port==1 or tcp.port==2) and ip.src==10.0.0.1",
                "((tcp port 1) or (tcp port 2)) and src host 10.0.0.1",
            ),
            ("vlan.id == 7", "vlan 7"),
        ] {
            assert_eq!(recognised(display), Some(Some(bpf.to_string())), "{display}");
            assert!(BpfFilter::compile(LinkType::ETHERNET, bpf).is_ok(), "{bpf}");
        }
    }

    #[test]
    fn others_are_recognised_without_a_translation() {
        for display in [
            "http",
            "dns",
            "tls.handshake.type == 1",
            "tcp.analysis.retransmission",
            "tcp.port > 1000",
            "tcp.stream eq 3",
            "frame.number == 5",
            "ip.addr == 10.0.0.1 && http",
            "ip.addr ==",
        ] {
            assert_eq!(recognised(display), Some(None), "{display}");
        }
    }

    #[test]
    fn wrong_filters_of_libpcap_are_not_taken_for_display_filters() {
        for wrong in
            ["prt 80", "port", "host", "tcp port http.x", "host tcp.example.com", "tcp[13", "", "(((", "src ip.nowhere"]
        {
            assert_eq!(recognised(wrong), None, "{wrong}");
        }
        assert_eq!(recognised(&"(".repeat(100_000)), None);
    }
}
