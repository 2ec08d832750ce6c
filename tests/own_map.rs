//! A map of one's own (`--port-map`) may call its services what it likes: what is known about a service stands in the map, so
//! the program answers every question alike.

use cap_audit::portmap::{Candidates, PortMap, Service, ServiceId};
use cap_audit::signature::Protocol;
use cap_audit::transport::Transport;

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
            ("[[service]]", "name") | (_, "service" | "udp_service") => format!("{key} = {}", strange(value)),
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
