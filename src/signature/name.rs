//! Names of servers as clients say them, and which names and paths point to Citrix.

/// A host name in lower case, without a final dot. `None` for an address and for what is no host name (RFC 1123, 2.1;
/// the underscore is let through because Windows networks use it).
pub(super) fn server_name(text: &[u8]) -> Option<Box<str>> {
    let text = text.strip_suffix(b".").unwrap_or(text);
    let is_name = text.len() <= 253 && text.split(|&byte| byte == b'.').all(is_label);
    // A name without any letter is an IPv4 address; IPv6 has colons and is no name either.
    if !is_name || !text.iter().any(u8::is_ascii_alphabetic) {
        return None;
    }
    let name = std::str::from_utf8(text).ok()?;
    Some(name.to_ascii_lowercase().into_boxed_str())
}

/// Whether a host belongs to Citrix. The name is in lower case.
pub(super) fn is_citrix_host(name: &str) -> bool {
    CITRIX_DOMAINS.iter().any(|domain| match name.strip_suffix(domain) {
        Some(host) => host.is_empty() || host.ends_with('.'),
        None => false,
    })
}

/// Whether the path of an HTTP request belongs to a Citrix web service, in any case, as Internet Information Services
/// compares paths.
pub(super) fn is_citrix_path(path: &[u8]) -> bool {
    let begins = |start: &[u8]| path.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
    CITRIX_PATHS.iter().any(|start| begins(start))
        || path.windows(REGISTRAR.len()).any(|part| part.eq_ignore_ascii_case(REGISTRAR))
}

/// Whether of a request whose path begins so the path is kept: it belongs to Citrix for sure.
pub fn is_kept_path(begin: &str) -> bool {
    is_citrix_path(begin.as_bytes())
}

/// Whether a file asked for by TFTP is a boot file of Citrix Provisioning.
pub(super) fn is_citrix_boot_file(path: &[u8]) -> bool {
    let file = path.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or(path);
    CITRIX_BOOT_FILES.iter().any(|known| file.eq_ignore_ascii_case(known))
}

/// Domains of Citrix and Citrix Cloud (facts CC-01, RDV-02, RDV-03).
const CITRIX_DOMAINS: [&str; 5] = ["citrix.com", "cloud.com", "citrixworkspacesapi.net", "nssvc.net", "xendesktop.net"];

/// Where paths begin: of StoreFront and the controller (facts SF-01, REG-01), of the XML service (facts XML-01), of the
/// ticket authority (facts STA-01), of the Gateway logon page (facts SF-02), and of Session Recording (facts SREC-01).
const CITRIX_PATHS: [&[u8]; 5] =
    [b"/Citrix/", b"/scripts/WPnBr.dll", b"/scripts/ctxsta.dll", b"/vpn/index.html", b"/SessionRecordingBroker/"];

/// The registration service of a controller (facts REG-01).
const REGISTRAR: &[u8] = b"IRegistrar";

/// Boot files of Citrix Provisioning (facts PVS-04, PVS-05, PVS-06).
const CITRIX_BOOT_FILES: [&[u8]; 3] = [b"ARDBP32.BIN", b"pvsnbpx64.efi", b"TSBBDM.BIN"];

fn is_label(label: &[u8]) -> bool {
    (1..=63).contains(&label.len())
        && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lowered_and_loses_its_final_dot() {
        assert_eq!(server_name(b"Store.Example.COM.").as_deref(), Some("store.example.com"));
        assert_eq!(server_name(b"storefront").as_deref(), Some("storefront"));
        assert_eq!(server_name(b"xa_01.corp").as_deref(), Some("xa_01.corp"));
    }

    #[test]
    fn addresses_and_nonsense_are_no_names() {
        let long_label = [b'a'; 64];
        for text in [&b""[..], b".", b"a..b", b"10.0.0.7", b"[fe80::1]", b"a b", b"a/b", b"\xFF\xFE", &long_label] {
            assert_eq!(server_name(text), None, "{text:?}");
        }
    }

    #[test]
    fn citrix_hosts_end_in_a_whole_domain() {
        for host in ["citrix.com", "eu.citrixworkspacesapi.net", "a.g.nssvc.net", "x.xendesktop.net", "acme.cloud.com"]
        {
            assert!(is_citrix_host(host), "{host}");
        }
        for host in ["notcitrix.com", "citrix.com.example.org", "icloud.com", "nssvc.net.example", "com"] {
            assert!(!is_citrix_host(host), "{host}");
        }
    }

    #[test]
    fn citrix_paths_are_found_in_any_case() {
        for path in [
            &b"/Citrix/StoreWeb/"[..],
            b"/citrix/cdscontroller/iregistrar",
            b"/scripts/wpnbr.dll",
            b"/Scripts/CtxSta.dll",
            b"/other/IRegistrar",
            b"/vpn/index.html",
            b"/SessionRecordingBroker/ActiveSession.aspx",
        ] {
            assert!(is_citrix_path(path), "{path:?}");
        }
        for path in [&b"/"[..], b"/Citri", b"/about/Citrix/", b"/scripts/", b""] {
            assert!(!is_citrix_path(path), "{path:?}");
        }
    }

    #[test]
    fn citrix_boot_files_are_known_in_any_folder() {
        assert!(is_citrix_boot_file(b"ARDBP32.BIN"));
        assert!(is_citrix_boot_file(b"/boot/pvsnbpx64.EFI"));
        assert!(is_citrix_boot_file(b"x\\tsbbdm.bin"));
        assert!(!is_citrix_boot_file(b"pxelinux.0"));
        assert!(!is_citrix_boot_file(b""));
    }
}
