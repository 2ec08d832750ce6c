//! The catalogue tests itself, and what must hold for every signature holds for every sample and for random bytes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::said::{Said, tcp, udp};
use super::*;

fn samples() -> impl Iterator<Item = (Protocol, Said)> {
    SAMPLES.iter().flat_map(|&(protocol, samples)| samples().into_iter().map(move |said| (protocol, said)))
}

/// What is in the folder besides one file a signature.
const OTHER_FILES: [&str; 9] = ["alerts", "bytes", "certificate", "content", "mod", "name", "said", "tests", "voice"];

/// A file without a line would be compiled by nobody, and nobody would notice.
#[test]
fn every_file_has_its_line() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/signature");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the sources are there")
        .map(|entry| entry.expect("the folder can be read").path())
        .map(|path| path.file_stem().expect("a file has a name").to_string_lossy().replace('_', "-"))
        .filter(|file| !OTHER_FILES.contains(&file.as_str()))
        .collect();
    let lines: BTreeSet<String> = SIGNATURES.iter().map(|(_, signature)| signature.name.to_string()).collect();
    assert_eq!(files, lines, "a file is named as its protocol is in reports");
}

/// Places in reports and names are fixed by contract. A new protocol comes after these.
#[test]
fn protocols_keep_their_places_and_names() {
    let mut sorted = Protocol::all().to_vec();
    sorted.sort();
    let names: Vec<_> = sorted.iter().map(|protocol| protocol.name()).collect();
    let first = "ica cgp edt ica-browser pvs tls dtls quic http ssh rdp vnc smb dcerpc ldap kerberos tds dns dhcp tftp \
                 ntp snmp radius ipfix sip stun";
    assert_eq!(names[..26].join(" "), first);
    for (place, &protocol) in sorted.iter().enumerate() {
        assert_eq!(protocol as usize, place, "{protocol}: places are numbered without a gap");
    }
}

#[test]
fn what_is_citrix_comes_first() {
    assert!(SIGNATURES.is_sorted_by_key(|(_, signature)| !signature.only_citrix));
}

#[test]
fn every_signature_has_a_source_and_a_sample_of_each_transport() {
    for (protocol, signature) in SIGNATURES {
        assert!(signature.source.starts_with("facts "), "{protocol}");
        assert!(!signature.transports.is_empty(), "{protocol}");
        for &transport in signature.transports {
            let is_sampled = samples().any(|(sampled, said)| sampled == *protocol && said.transport == transport);
            assert!(is_sampled, "{protocol} over {transport:?}");
        }
    }
}

#[test]
fn names_are_unique_and_plain() {
    let names: BTreeSet<_> = Protocol::all().iter().map(|protocol| protocol.name()).collect();
    assert_eq!(names.len(), Protocol::all().len());
    for name in names {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
    }
}

#[test]
fn only_what_is_proven_to_be_citrix_is_citrix() {
    for protocol in [Protocol::Ica, Protocol::Cgp, Protocol::IcaBrowser] {
        assert!(protocol.is_citrix(), "{protocol}");
    }
    for protocol in [Protocol::Edt, Protocol::Pvs, Protocol::Tls] {
        assert!(!protocol.is_citrix(), "{protocol}");
    }
}

#[test]
fn strengths_are_ordered() {
    assert!(Strength::Soft < Strength::Strong && Strength::Strong < Strength::Proof);
}

#[test]
fn every_sample_is_told_as_what_it_is() {
    for (protocol, said) in samples() {
        assert_eq!(said.told().map(|(told, _)| told), Some(protocol), "{said:?}");
    }
}

/// Whatever part of a valid opening is there, and whether more may come or not: more, nothing, the same protocol, or a
/// soft guess, but never another protocol with strength.
#[test]
fn no_part_of_an_opening_is_strongly_told_as_something_else() {
    for (protocol, said) in samples() {
        for part in parts(&said) {
            for part in [part.clone(), part.clone().cut(), part.clone().ended()] {
                match part.answer() {
                    Answer::Told(told) => {
                        assert!(told.protocol == protocol || told.strength == Strength::Soft, "{told:?} in {part:?}")
                    }
                    Answer::More => assert!(is_open(&part), "no more can come in {part:?}"),
                    Answer::Nothing => {}
                }
            }
        }
    }
}

/// Every length of the one side with nothing and with all of the other.
fn parts(said: &Said) -> Vec<Said> {
    let mut parts = vec![];
    for length in 0..=said.client.len() {
        let client = said.client[..length].to_vec();
        parts.push(Said { client: client.clone(), server: vec![], ..said.clone() });
        parts.push(Said { client, ..said.clone() });
    }
    for length in 0..=said.server.len() {
        let server = said.server[..length].to_vec();
        parts.push(Said { server: server.clone(), client: vec![], ..said.clone() });
        parts.push(Said { server, ..said.clone() });
    }
    parts
}

fn is_open(said: &Said) -> bool {
    said.transport == Transport::Tcp && !said.cut && !said.ended
}

/// A stream that grows byte by byte keeps its answer once it is strong, or makes it stronger.
#[test]
fn a_growing_opening_never_changes_its_mind() {
    for (protocol, said) in samples().filter(|(_, said)| said.transport == Transport::Tcp) {
        let mut strongest = None;
        for length in 1..=said.client.len() {
            let part = Said { client: said.client[..length].to_vec(), server: vec![], ..said.clone() };
            let strength = part.told().map(|(told, strength)| {
                assert_eq!(told, protocol, "{part:?}");
                strength
            });
            assert!(strength >= strongest, "{protocol} after {length} bytes: {strength:?} after {strongest:?}");
            strongest = strength;
        }
    }
}

#[test]
fn silence_tells_nothing() {
    for said in [tcp(1494), tcp(443).ended(), udp(53), udp(2598).cut()] {
        assert!(said.tells_nothing());
    }
}

#[test]
fn the_stronger_side_wins_and_on_a_tie_the_server() {
    let greeting = [0x7F, 0x7F, 0x49, 0x43, 0x41, 0x00];
    let scan = tcp(1494).client("GET / HTTP/1.0\r\n\r\n").server(greeting);
    assert_eq!(scan.told(), Some((Protocol::Ica, Strength::Strong)), "an HTTP probe of an ICA listener");
    let knock = tcp(22).client(greeting).server("SSH-2.0-x\r\n");
    assert_eq!(knock.told(), Some((Protocol::Ssh, Strength::Strong)), "an ICA client that found SSH");
    let loose = tcp(139).server([0x81, 0, 0, 0x44, 0x20]).client("SSH-2.0-x\r\n");
    assert_eq!(loose.told(), Some((Protocol::Ssh, Strength::Strong)), "a soft answer does not win");
}

#[test]
fn a_soft_guess_waits_for_a_strong_one_that_has_begun() {
    let said = tcp(139).client([0x81, 0, 0, 0x44, 0x20]).server("SSH-");
    assert!(said.wants_more());
    assert_eq!(said.ended().told(), Some((Protocol::Smb, Strength::Soft)));
}

const PORTS: [u16; 24] = [
    22, 53, 67, 69, 80, 88, 102, 123, 135, 139, 161, 389, 443, 1433, 1434, 1494, 1604, 1812, 2598, 3389, 3478, 4739,
    6910, 50_001,
];

/// The first bytes that get a random opening past the doors of the signatures.
const DOORS: [&[u8]; 22] = [
    b"",
    b"\x7F\x7FICA\0",
    b"\x7F\x7FICA\0\x01",
    b"\x1ACGP",
    b"\x16\x03\x01",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03",
    b"\x16\xFE\xFD\0\0\0\0\0\0\0\0\x01\x00\x01\0\0\xF4\0\0\0\0\0\0\0\xF4",
    b"\x17\x03\x03",
    b"GET ",
    b"GET / HTTP/1.1\r\n",
    b"HTTP/1.1 ",
    b"\xC3\0\0\0\x01",
    b"\x30\x84",
    b"\x30\x24\x02\x01\x01",
    b"\x6A\x81\x83\x30",
    b"\x80\0\0\0",
    b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0",
    b"\x03\0\0",
    b"\0\x01",
    b"\x01\x2A\0",
    b"\0\x0A\0",
    b"\x05\0\x0B\x03",
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let door = prop::sample::select(&DOORS[..]);
    (door, prop::collection::vec(any::<u8>(), 0..600)).prop_map(|(door, tail)| [door, &tail].concat())
}

prop_compose! {
    fn opening()(
        is_stream in any::<bool>(),
        server_port in prop::sample::select(&PORTS[..]),
        client in bytes(),
        server in bytes(),
        cut in any::<bool>(),
        ended in any::<bool>(),
    ) -> Said {
        let transport = if is_stream { Transport::Tcp } else { Transport::Udp };
        Said { transport, server_port, client, server, cut, ended }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered_the_same_way_twice(said in opening()) {
        prop_assert_eq!(said.answer(), said.answer());
    }

    #[test]
    fn more_is_never_asked_of_what_is_over(said in opening()) {
        prop_assert!(said.answer() != Answer::More || is_open(&said));
    }

    #[test]
    fn a_changed_byte_never_does_harm(
        sample in prop::sample::select(samples().collect::<Vec<_>>()),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let (_, mut said) = sample;
        for bytes in [&mut said.client, &mut said.server] {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        said.answer();
        said.cut().answer();
    }
}
