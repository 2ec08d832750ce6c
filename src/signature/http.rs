//! HTTP in clear text: requests with their host, answers, and the preface of HTTP/2. A WebSocket begins as an HTTP
//! request and is told as HTTP (facts HDX-04).

use super::bytes::{Miss, Parsed, Reader, is_plain, sure};
use super::name;
use super::voice::{Clue, Reading, Voice};
use super::{Content, Http, Opening, PATH_LIMIT, Signature, Strength, TCP};

pub(super) const SIGNATURE: Signature = Signature {
    name: "http",
    transports: TCP,
    source: "facts HTTP-01, HTTP-02, REG-01, XML-01, STA-01, SF-01, SF-02, \
             HDX-04; RFC 9110 9.3; RFC 9112 2.1, 3.2; RFC 9113 3.4; RFC 6455 4.1",
    only_citrix: false,
    read,
};

fn read(opening: &Opening<'_>) -> Reading {
    opening.each_side(|voice| {
        let preface = voice.reading(Reader::new(voice.bytes).want(PREFACE), Strength::Strong);
        preface.or(answer(voice)).or(asked(voice))
    })
}

/// A request as far as it is there.
struct Request<'a> {
    target: &'a [u8],
    /// The header fields, perhaps not all of them.
    head: &'a [u8],
    /// Whether these are all header fields.
    is_whole: bool,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Methods that are met in the field with the space that follows: those of RFC 9110, PATCH, WebDAV discovery, and the
/// two of remote procedure calls over HTTP.
const METHODS: [&[u8]; 12] = [
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"CONNECT ",
    b"TRACE ",
    b"PATCH ",
    b"PROPFIND ",
    b"RPC_IN_DATA ",
    b"RPC_OUT_DATA ",
];

/// The status line of an answer. One that leads to the logon page of a Gateway is a hint (facts SF-02).
fn answer(voice: &Voice<'_>) -> Reading {
    let mut reader = Reader::new(voice.bytes);
    if let Err(miss) = reader.want(b"HTTP/1.") {
        return voice.missed(miss, Strength::Strong);
    }
    let location = header(reader.rest(), b"location").unwrap_or_default();
    let citrix_hint = name::is_citrix_path(split_target(location).1);
    let content = status(reader).map(|status| Content::Http(Http { status: Some(status), ..Http::default() }));
    Reading::Heard(Clue { citrix_hint, content, ..Clue::new(Strength::Strong, voice.speaker) })
}

/// The status after the second digit of the version (RFC 9112, 4).
fn status(mut reader: Reader<'_>) -> Option<u16> {
    let [_, b' ', digits @ ..] = reader.take(5).ok()? else { return None };
    let status = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (100..=599).contains(&status).then_some(status)
}

fn asked(voice: &Voice<'_>) -> Reading {
    match request(voice.bytes) {
        Ok(request) => named(voice, &request),
        Err(Miss::Short) if voice.opening.awaits(voice.bytes) => Reading::Begun,
        // The request line breaks off, so only its target speaks against SIP and the like, which share methods.
        Err(Miss::Short) => voice.reading(target_start(voice.bytes), Strength::Strong),
        Err(Miss::Wrong) => Reading::Foreign,
    }
}

/// Waits for the host while it can still come; without it the request is told all the same.
fn named(voice: &Voice<'_>, request: &Request<'_>) -> Reading {
    let (authority, path) = split_target(request.target);
    // A target with its own authority stands above the header field (RFC 9112, 3.2.2).
    let host = authority.or_else(|| header(request.head, b"host"));
    if host.is_none() && !request.is_whole && voice.opening.awaits(voice.bytes) {
        return Reading::Begun;
    }
    let server_name = host.and_then(|host| name::server_name(without_port(host)));
    let is_citrix_path = name::is_citrix_path(path);
    let citrix_hint = is_citrix_path || server_name.as_deref().is_some_and(name::is_citrix_host);
    let path = is_citrix_path.then(|| kept_path(path));
    let websocket = header(request.head, b"upgrade").is_some_and(|to| to.eq_ignore_ascii_case(b"websocket"));
    let content = (path.is_some() || websocket).then_some(Content::Http(Http { path, websocket, status: None }));
    Reading::Heard(Clue { server_name, citrix_hint, content, ..Clue::new(Strength::Strong, voice.speaker) })
}

/// A path as it is kept: plain, because the whole request line is.
fn kept_path(path: &[u8]) -> Box<str> {
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(path.len());
    let kept = &path[..end.min(PATH_LIMIT)];
    kept.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect::<String>().into_boxed_str()
}

/// The request line, which must be whole and name its version, and what follows. `GET` needs no version (HTTP/0.9).
fn request(bytes: &[u8]) -> Parsed<Request<'_>> {
    let mut reader = Reader::new(bytes);
    let method = reader.want_any(&METHODS)?;
    let begun = reader.rest().split(|&byte| byte == b'\n').next().unwrap_or_default();
    sure(is_plain(begun.strip_suffix(b"\r").unwrap_or(begun)))?;
    let line = reader.until(b'\n')?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut words = line.split(|&byte| byte == b' ');
    let (target, version) = (words.next().unwrap_or_default(), words.next_back());
    let is_versioned = version.is_some_and(|version| version.starts_with(b"HTTP/"));
    let is_simple = version.is_none() && method == b"GET " && target.starts_with(b"/");
    sure(is_versioned || is_simple)?;
    let head = reader.rest();
    let is_whole = is_simple || has_empty_line(head);
    Ok(Request { target, head, is_whole })
}

/// Whether the empty line that ends the header fields is there.
fn has_empty_line(head: &[u8]) -> bool {
    let mut lines = Reader::new(head);
    std::iter::from_fn(|| lines.until(b'\n').ok()).any(|line| line.trim_ascii().is_empty())
}

/// A method and the start of what only HTTP asks for.
fn target_start(bytes: &[u8]) -> Parsed<()> {
    let mut reader = Reader::new(bytes);
    let method = reader.want_any(&METHODS)?;
    match method {
        b"CONNECT " => reader.byte().map(|_| ()),
        _ => reader.want_any(&[b"/", b"http://", b"https://"]).map(|_| ()),
    }
}

/// The authority of a target, if it has one, and its path (RFC 9112, 3.2).
fn split_target(target: &[u8]) -> (Option<&[u8]>, &[u8]) {
    if target.starts_with(b"/") {
        return (None, target);
    }
    let absolute = target.strip_prefix(b"http://").or_else(|| target.strip_prefix(b"https://"));
    match absolute {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len()));
            (Some(authority), path)
        }
        // CONNECT names nothing but an authority, which has a port.
        None if target.contains(&b':') => (Some(target), b""),
        None => (None, b""),
    }
}

/// The value of a header field whose line is whole. The name is given in lower case.
fn header<'a>(head: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    let mut lines = Reader::new(head);
    let lines = std::iter::from_fn(|| lines.until(b'\n').ok()).map(<[u8]>::trim_ascii);
    // The empty line ends the fields; what a body says does not count.
    lines.take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_at(line.iter().position(|&byte| byte == b':')?);
        name.eq_ignore_ascii_case(field).then(|| value[1..].trim_ascii())
    })
}

fn without_port(authority: &[u8]) -> &[u8] {
    let end = authority.iter().position(|&byte| byte == b':').unwrap_or(authority.len());
    &authority[..end]
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Protocol::Http;
    use super::super::Strength::Strong;
    use super::super::said::{Said, tcp};
    use super::*;

    pub(in super::super) fn samples() -> Vec<Said> {
        vec![
            tcp(80).client(REGISTRATION).server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            tcp(8008).client(WEBSOCKET).server("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            tcp(8080).client("CONNECT gw.example.com:443 HTTP/1.1\r\nHost: gw.example.com:443\r\n\r\n"),
            tcp(80).client("OPTIONS /x HTTP/1.1\r\nHost: a.example\r\n\r\n"),
            tcp(80).client(PREFACE).client([0, 0, 0, 4, 0, 0, 0, 0, 0]),
        ]
    }

    const REGISTRATION: &str = "POST /Citrix/CdsController/IRegistrar HTTP/1.1\r\nHost: ddc1.corp.example:80\r\n\r\n";
    const WEBSOCKET: &str = "GET / HTTP/1.1\r\nHost: vda7\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";

    #[test]
    fn a_request_is_told_with_its_host() {
        let said = tcp(80).client("GET /index.html HTTP/1.1\r\nAccept: */*\r\nhOST:  Web.Example.com:8080 \r\n\r\n");
        assert_eq!(said.told(), Some((Http, Strong)));
        assert_eq!(said.name().as_deref(), Some("web.example.com"));
        assert!(!said.hints_at_citrix());
        assert_eq!(tcp(80).client("GET / HTTP/1.1\r\nHost: 10.0.0.7\r\n\r\n").name(), None, "an address is no name");
        assert_eq!(tcp(80).client("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").name(), None);
        assert_eq!(
            tcp(80).client("POST / HTTP/1.0\r\n\r\nHost: body.example\r\n").name(),
            None,
            "only the body says so"
        );
    }

    #[test]
    fn citrix_paths_and_hosts_are_hints() {
        for request in [
            REGISTRATION,
            "POST /scripts/wpnbr.dll HTTP/1.1\r\nHost: ddc\r\n\r\n",
            "POST /Scripts/CtxSTA.dll HTTP/1.0\r\n\r\n",
            "GET /Citrix/StoreWeb/ HTTP/1.1\r\nHost: sf\r\n\r\n",
            "GET http://sf.example/Citrix/StoreWeb/ HTTP/1.1\r\nHost: proxy\r\n\r\n",
            "CONNECT acme.cloud.com:443 HTTP/1.1\r\n\r\n",
        ] {
            assert!(tcp(80).client(request).hints_at_citrix(), "{request}");
        }
        let redirect =
            tcp(80).client("GET / HTTP/1.0\r\n\r\n").server("HTTP/1.1 302 Found\r\nLocation: /vpn/index.html\r\n\r\n");
        assert!(redirect.hints_at_citrix(), "facts SF-02");
    }

    #[test]
    fn the_authority_of_the_target_stands_above_the_host() {
        let said = tcp(8080).client("GET http://one.example/x HTTP/1.1\r\nHost: two.example\r\n\r\n");
        assert_eq!(said.name().as_deref(), Some("one.example"));
        assert_eq!(tcp(8080).client("CONNECT gw.example:443 HTTP/1.1\r\n\r\n").name().as_deref(), Some("gw.example"));
    }

    #[test]
    fn a_request_waits_for_its_line_and_its_host() {
        for part in ["G", "GET", "GET /", "GET /x HTTP/1.1\r\n", "GET /x HTTP/1.1\r\nHost: web.exa"] {
            assert!(tcp(80).client(part).wants_more(), "{part}");
        }
        let part = tcp(80).client("GET /x HTTP/1.1\r\nHost: web.exa").ended();
        assert_eq!((part.told(), part.name()), (Some((Http, Strong)), None), "half a name is none");
        assert_eq!(tcp(80).client("GET /a-long-path-that-is-c").cut().told(), Some((Http, Strong)));
        assert_eq!(tcp(80).client("POST /x HTTP/1.0\r\nAccept: */*\r\n\r\n").told(), Some((Http, Strong)));
        assert_eq!(tcp(80).client("GET /\r\n").told(), Some((Http, Strong)), "HTTP/0.9");
    }

    #[test]
    fn answers_and_the_preface_of_http_2_are_strong() {
        assert_eq!(tcp(80).server("HTTP/1.0 404 Not Found\r\n").told(), Some((Http, Strong)));
        assert_eq!(tcp(80).client(PREFACE).told(), Some((Http, Strong)));
        assert!(tcp(80).server("HTTP/").wants_more());
        assert!(tcp(80).server("HTTP/3").tells_nothing());
    }

    #[test]
    fn what_shares_methods_with_http_is_not_http() {
        for line in
            ["OPTIONS * RTSP/1.0\r\n", "GET key\r\n", "OPTIONS sip:a@b SIP/2.0\r\n", "GET \x01\x02", "POST it\n"]
        {
            assert_ne!(tcp(554).client(line).ended().told(), Some((Http, Strong)), "{line}");
        }
        for binary in ["GET /\x01 HTTP/1.1\r\n\r\n", "GET /\x01"] {
            assert!(tcp(80).client(binary).tells_nothing(), "{binary:?}");
            assert!(tcp(80).client(binary).ended().tells_nothing(), "{binary:?}");
        }
        assert!(tcp(80).client("OPTIONS ").ended().tells_nothing());
        assert!(tcp(80).client("GET").ended().tells_nothing());
    }
}
