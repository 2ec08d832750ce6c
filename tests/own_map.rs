//! A map of one's own (`--port-map`) may call its services what it likes: what is known about a service stands in the map, so
//! the program answers every question alike.

use cap_audit::portmap::{Candidates, PortMap, Service, ServiceId};
use cap_audit::signature::Protocol;
use cap_audit::transport::Transport;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const CITRIX: &str = include_str!("../src/portmap/citrix.toml");
const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Icmp];

/// The embedded map with another name for every service: in its own block and wherever it is referred to.
fn renamed(map: &str) -> String {
    let mut block = "";
    let mut text = String::new();
    for line in map.lines() {
        if line.starts_with("[[") {
            block = line;
        }
        let (key, value) = line.split_once(" = ").unwrap_or((line, ""));
        let new = match (block, key) {
            ("[[service]]", "name")
            | (
                _,
                "service" | "udp_service" | "subject_serves" | "subject_uses" | "server_serves" | "names_of"
                | "fails_at",
            ) => {
                format!("{key} = {}", strange(value))
            }
            ("[[service]]", "instead") => {
                let (services, fallback) = value.split_once(']').expect("a list of services");
                format!("{key} = {}]{fallback}", strange(services))
            }
            _ => line.to_string(),
        };
        text.push_str(&new);
        text.push('\n');
    }
    text
}

/// Every text in quotes with another beginning.
fn strange(value: &str) -> String {
    let parts = value.split('"').enumerate();
    parts.map(|(place, part)| if place % 2 == 1 { format!("\"x-{part}\"") } else { part.to_string() }).collect()
}

fn both_maps() -> (PortMap, PortMap) {
    (PortMap::citrix(), PortMap::parse(&renamed(CITRIX)).expect("a good map under other names"))
}

#[test]
fn every_service_has_another_name() {
    let (citrix, own) = both_maps();
    assert_eq!(own.services().len(), citrix.services().len());
    for (service, same) in citrix.services().iter().zip(own.services()) {
        assert_eq!(same.name, format!("x-{}", service.name));
        assert_eq!(own.service_named(&service.name), None);
        assert_eq!(*same, Service { name: same.name.clone(), ..service.clone() }, "all but the name");
    }
}

#[test]
fn a_map_under_other_names_answers_every_question_alike() {
    let (citrix, own) = both_maps();
    assert_eq!(own.rules(), citrix.rules());
    for &protocol in Protocol::all() {
        assert_eq!(own.service_proved_by(protocol), citrix.service_proved_by(protocol), "{protocol}");
    }
    for transport in TRANSPORTS {
        for port in 0..=u16::MAX {
            let (expected, found) = (citrix.lookup(transport, port), own.lookup(transport, port));
            let expected =
                expected.map(|same| Candidates { service: under_other_names(&same.service), ..same.clone() });
            assert_eq!(found, expected.as_ref(), "{transport} {port}");
        }
    }
}

/// The names of services that share a port are joined with a slash.
fn under_other_names(joined: &str) -> String {
    joined.split('/').map(|name| format!("x-{name}")).collect::<Vec<_>>().join("/")
}

#[test]
fn the_services_of_a_session_are_found_by_their_protocol() {
    let (_, own) = both_maps();
    let proved_by = |protocol| own.service_proved_by(protocol).expect("a session of Citrix");
    let [ica, cgp, edt] = [Protocol::Ica, Protocol::Cgp, Protocol::Edt].map(proved_by);
    assert_eq!([ica, cgp, edt].map(|id| own.service_name(id)), ["x-ica", "x-cgp", "x-edt"]);
    assert_eq!(own.specific_ports(cgp, Transport::Tcp), [2598]);
    assert_eq!(own.specific_ports(ica, Transport::Tcp), [1494]);
    assert_eq!(own.specific_ports(edt, Transport::Udp), [1494, 2598]);
    let instead = |id: ServiceId| own.service(id).instead.as_ref().map(|instead| instead.services.as_slice());
    assert_eq!([edt, cgp, ica].map(instead), [Some(&[cgp, ica][..]), Some(&[ica][..]), None]);
    assert!([ica, cgp, edt].into_iter().all(|id| own.service(id).session));
}

/// Every report of every fixture, but for the names of the services: no finding, verdict or sentence hangs on one.
#[test]
fn a_map_under_other_names_loses_no_finding() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let own = directory.path().join("own.toml");
    fs::write(&own, renamed(CITRIX)).expect("a file can be written");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let folders = fs::read_dir(fixtures).expect("fixtures/ is part of the repository");
    let captures = folders.flat_map(|folder| {
        let folder = folder.expect("it can be listed").path();
        ["capture.pcap", "capture.pcapng"].map(|name| folder.join(name))
    });
    let mut codes = BTreeSet::new();
    for capture in captures.filter(|capture| capture.exists()) {
        let report = |own: Option<&Path>| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_cap-audit"));
            command.args(["file", "--format", "json"]).arg(&capture);
            own.iter().for_each(|own| _ = command.arg("--port-map").arg(own));
            let told = command.output().expect("the program runs").stdout;
            String::from_utf8(told).expect("a report is text").replace("x-", "")
        };
        let (citrix, own) = (report(None), report(Some(&own)));
        assert!(own == citrix, "{}", capture.display());
        let told: serde_json::Value = serde_json::from_str(&own).expect("a report is JSON");
        let findings = told["findings"].as_array().expect("findings are a list");
        codes.extend(findings.iter().filter_map(|finding| finding["code"].as_str()).map(String::from));
    }
    for code in ["blocked.silent", "fallback.cgp-to-ica", "unexpected.foreign-protocol", "unexpected.internet-exposed"]
    {
        assert!(codes.contains(code), "{code} is not among {codes:?}");
    }
}

/// A map from before services said what they speak can be used, and what is not found with it is said.
#[test]
fn a_map_that_says_nothing_about_its_services_is_remarked_on() {
    let keys = ["proved_by = ", "speaks = ", "session = ", "instead = "];
    let silent: Vec<&str> = CITRIX.lines().filter(|line| !keys.iter().any(|key| line.starts_with(key))).collect();
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let own = directory.path().join("own.toml");
    // Such maps also number their documents.
    let silent = silent.join("\n").replace("\nlanguage = ", "\nnumber = \"001\"\nlanguage = ");
    assert_eq!(silent.matches("\nnumber = ").count(), 5);
    fs::write(&own, silent).expect("a file can be written");
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cgp-healthy/capture.pcap");
    let said = |map: Option<&Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cap-audit"));
        command.arg("file").arg(&capture);
        map.iter().for_each(|map| _ = command.arg("--port-map").arg(map));
        String::from_utf8(command.output().expect("the program runs").stderr).expect("it writes text")
    };
    assert_eq!(said(None), "");
    let said = said(Some(&own));
    assert!(said.contains("own.toml says of no service what it speaks") && said.lines().count() == 1, "{said}");
}
