//! What the documents behind the port map state beyond their rules, F1 to F92, one row each: the tests that show it on packets, or why
//! packets cannot show it, or what is missing to judge it. A test that is renamed breaks its row.

use std::fs;
use std::path::Path;

/// One statement of the documents.
struct Fact {
    number: usize,
    /// In one sentence.
    says: &'static str,
    known: Known,
}

/// What shows it.
enum Known {
    /// Tests, as `file::function`, and recorded captures, as `fixtures/name`.
    Shown(&'static [&'static str]),
    /// Nothing on the wire can show it, for this reason.
    OffTheWire(&'static str),
    /// Packets may show it, and it is not judged: this is missing.
    Open(&'static str),
}

const fn shown(number: usize, says: &'static str, by: &'static [&'static str]) -> Fact {
    Fact { number, says, known: Known::Shown(by) }
}

const fn off_the_wire(number: usize, says: &'static str, why: &'static str) -> Fact {
    Fact { number, says, known: Known::OffTheWire(why) }
}

const fn open(number: usize, says: &'static str, missing: &'static str) -> Fact {
    Fact { number, says, known: Known::Open(missing) }
}

// What many rows lack.
const ROLES: &str = "Needs to know which address has which role; a file that says so for a site does not exist yet.";
const HOSTS: &str =
    "Rules that name a host are looked up by port only; a name in a hello or a request is not held against them yet.";
const VERSIONS: &str = "No packet that is read names the version of the product.";
const READING: &str = "It tells how to read the document, or where to read on.";
const SCREEN: &str = "It shows on the screen or in a setting of one host; no packet carries it.";

const FACTS: [Fact; 92] = [
    // The article of the support engineer.
    shown(
        1,
        "Published applications use TCP 2598 with session reliability and TCP 1494 without.",
        &[
            "port_services::a_blocked_2598_costs_session_reliability_and_no_launch",
            "sessions::a_blocked_cgp_costs_time_and_reliability",
            "fixtures/cgp-healthy",
        ],
    ),
    shown(
        2,
        "Since 1912 sessions try UDP 2598 or 1494 first.",
        &["sessions::edt_and_the_tcp_that_lost_against_it_are_one_healthy_session", "fixtures/edt-healthy"],
    ),
    shown(
        3,
        "Where that UDP is blocked the session takes TCP by itself.",
        &[
            "fallbacks::retries_every_five_minutes_are_one_block_and_one_fallback",
            "sessions::an_edt_that_is_blocked_is_the_first_step_of_a_session_over_tcp",
            "fixtures/edt-blocked",
        ],
    ),
    shown(4, "With adaptive transport off only TCP is used.", &["port_services::tcp_alone_is_healthy_and_no_fallback"]),
    shown(
        5,
        "With 2598 blocked and 1494 open the application still starts.",
        &["port_services::a_blocked_2598_costs_session_reliability_and_no_launch", "fixtures/fallback-cgp-to-ica"],
    ),
    shown(
        6,
        "The fallback is an established connection to TCP 1494.",
        &["port_services::a_blocked_2598_costs_session_reliability_and_no_launch"],
    ),
    shown(
        7,
        "A session on 1494 is not kept when its line breaks.",
        &["sessions::what_runs_without_session_reliability_is_not_resumed"],
    ),
    shown(
        8,
        "A session on 2598 is kept for 180 seconds and goes on.",
        &[
            "sessions::a_session_that_broke_is_resumed_within_three_minutes",
            "sessions::attempts_during_an_outage_belong_to_the_session_that_broke",
        ],
    ),
    shown(
        9,
        "With 2598 and 1494 both blocked the launch fails.",
        &["fallbacks::a_launch_failed_where_each_way_was_blocked", "fixtures/both-dropped"],
    ),
    shown(
        10,
        "A port that answers is reachable, one that is silent is filtered.",
        &[
            "port_rules::silence_needs_three_tries_and_four_seconds",
            "port_rules::a_late_answer_is_an_answer",
            "port_rules::a_reset_that_acknowledges_the_syn_refuses_it",
        ],
    ),
    shown(
        11,
        "A filter on the VDA itself blocks one client's way to its port.",
        &["scenarios::a_filter_on_the_server_is_not_blamed_on_the_way", "fixtures/host-hidden-from-branch"],
    ),
    off_the_wire(12, "The article used certain versions of client and server.", VERSIONS),
    off_the_wire(13, "A frame of the page speaks of the integration of another product.", READING),
    // The paper on communication ports.
    shown(14, "Not every port has to be open.", &["port_services::tcp_alone_is_healthy_and_no_fallback"]),
    shown(
        15,
        "Traffic of an ADC may leave from each of its addresses.",
        &["port_services::which_address_of_an_adc_sends_changes_nothing"],
    ),
    open(16, "With high availability ADM reaches the ADC by its management SNIP.", ROLES),
    shown(
        17,
        "Syslog leaves from the NSIP, and may be moved to the SNIP.",
        &["port_services::which_address_of_an_adc_sends_changes_nothing"],
    ),
    open(18, "AppFlow, SNMP and syslog leave from the NSIP, metrics and logstream from the SNIP.", ROLES),
    shown(
        19,
        "Traffic of a Gateway to its servers leaves from its SNIP.",
        &[
            "sessions::legs_with_an_address_of_the_gateway_are_one_session",
            "sessions::legs_that_begin_and_end_together_are_tied_where_nothing_else_does",
            "fixtures/gateway-both-legs",
            "stories_gateway::behind_a_ticket_that_was_granted_the_way_to_one_vda_is_blocked",
        ],
    ),
    shown(
        20,
        "Peers of an ADC synchronise on 3008 or 3010 and exchange metrics on 3009 or 3011, the latter in the clear.",
        &[
            "port_services::peers_of_an_adc_have_a_secured_and_a_plain_port_each",
            "encryption::what_is_plain_is_remarked_once_for_each_service",
        ],
    ),
    open(21, "Signature updates come from a bucket of Amazon.", HOSTS),
    off_the_wire(22, "A connector is all that a site needs towards the cloud.", "It tells what need not be there."),
    open(23, "A Connector Appliance opens all its connections itself, to 443.", ROLES),
    open(24, "A Cloud Connector opens all its connections itself, to 443.", ROLES),
    open(25, "A Cloud Connector reaches DigiCert to check certificates.", HOSTS),
    shown(
        26,
        "A Cloud Connector stands in for a controller, with the same ports.",
        &["port_services::controller_or_connector_and_vda_call_each_other_on_80"],
    ),
    shown(
        27,
        "Sessions run through the connector, or with Rendezvous past it.",
        &[
            "fallbacks::a_connector_that_takes_over_from_a_failed_rendezvous_is_told",
            "fallbacks::the_name_may_come_from_somebody_else",
            "fixtures/rendezvous-failed",
        ],
    ),
    shown(
        28,
        "Rendezvous uses TCP 443, with EDT UDP 443.",
        &["port_services::rendezvous_is_443_over_tcp_and_with_edt_over_udp"],
    ),
    shown(
        29,
        "Rendezvous goes to names under nssvc.net.",
        &["port_services::rendezvous_is_443_over_tcp_and_with_edt_over_udp"],
    ),
    shown(
        30,
        "In Azure a security group may keep EDT from the VDA.",
        &["port_services::edt_needs_both_ports_of_udp_besides_tcp"],
    ),
    shown(
        31,
        "EDT needs UDP 1494 and UDP 2598 besides TCP.",
        &["port_services::edt_needs_both_ports_of_udp_besides_tcp"],
    ),
    shown(
        32,
        "Inside a network the client may go straight to the VDA.",
        &["port_services::tcp_alone_is_healthy_and_no_fallback"],
    ),
    shown(
        33,
        "Sessions inside TLS or DTLS go to port 443 of the VDA.",
        &["fallbacks::dtls_in_vain_to_a_host_that_serves_sessions_is_warned_of", "fixtures/dtls-blocked"],
    ),
    off_the_wire(34, "Another article lists the ports of a Gateway in a DMZ.", READING),
    open(35, "A hypervisor that is reached by name has to be resolved.", ROLES),
    shown(
        36,
        "Controller and VDA open TCP 80 to each other.",
        &[
            "port_services::controller_or_connector_and_vda_call_each_other_on_80",
            "stories_gateway::a_controller_that_cannot_call_back_drops_the_vda_again",
            "stories_gateway::a_registration_with_its_call_back_is_healthy",
        ],
    ),
    off_the_wire(
        37,
        "Port 89 may change in later releases.",
        "It speaks of releases that are not out; a map of one's own can name another port.",
    ),
    open(38, "Director does not ask the directory itself at a logon.", ROLES),
    shown(
        39,
        "Remote Assistance uses 135, 3389 and a dynamic port.",
        &[
            "port_services::a_dynamic_port_is_never_more_than_warned_of",
            "port_rules::every_rule_with_a_port_is_driven_by_a_flow",
        ],
    ),
    shown(
        40,
        "Port 9001 of content redirection stays on the loopback.",
        &["port_services::nine_thousand_and_one_on_the_network_is_somebody_elses"],
    ),
    shown(
        41,
        "Licensing is 27000 and then 7279, the console 8082, Simple License Service 8083.",
        &[
            "port_services::licences_and_their_console_are_two_services",
            "stories::the_licence_manager_answers_and_the_vendor_daemon_does_not",
        ],
    ),
    off_the_wire(
        42,
        "WANOP leaves addresses and ports as they are.",
        "An optimised flow looks like the original one, and is judged as that.",
    ),
    open(43, "The Orchestrator resolves names at 9.9.9.9.", HOSTS),
    open(
        44,
        "FAS is asked on plain port 80.",
        "Port 80 proves nothing, and no path of FAS is known by which a request could be told.",
    ),
    shown(
        45,
        "Provisioning streams on 6910 to 6930, uses 6901, 6902 and 6905, and 6969 and 2071 for a boot in two stages.",
        &[
            "port_services::ports_of_provisioning_are_told_apart",
            "fixtures/pvs-boot",
            "stories::three_servers_are_asked_for_the_login_and_none_answers",
            "stories::the_disk_does_not_come_after_the_login",
        ],
    ),
    shown(
        46,
        "UDP 66 and 67 of the paper are options of DHCP, not ports.",
        &["port_services::options_of_dhcp_are_no_ports_that_answer"],
    ),
    shown(
        47,
        "SOAP of Provisioning is 54321 to 54323.",
        &["port_services::soap_of_provisioning_stands_out_of_the_dynamic_ports"],
    ),
    open(48, "The Provisioning console asks a controller on 80 or the cloud on 443.", ROLES),
    shown(
        49,
        "The Universal Print Server has 7229 and 8080.",
        &["port_rules::the_print_server_may_be_asked_over_tcp_and_udp"],
    ),
    shown(
        50,
        "Remote PC Access adds Wake on LAN and a wake-up proxy to the ports of any VDA.",
        &["port_services::waking_a_remote_pc_expects_no_answer"],
    ),
    shown(
        51,
        "Session Recording speaks HTTP only where HTTPS was not set up.",
        &["encryption::what_is_plain_is_remarked_once_for_each_service"],
    ),
    shown(
        52,
        "StoreFront servers of one group agree on a random port.",
        &["port_services::a_port_that_storefront_servers_agreed_on_accuses_nobody"],
    ),
    shown(53, "That port can be pinned.", &["port_services::a_pinned_port_is_known_once_a_map_names_it"]),
    off_the_wire(54, "The firewall of StoreFront allows a program, not a port.", SCREEN),
    shown(
        55,
        "Port 808 of StoreFront is not there unless it was set up.",
        &["port_services::a_port_808_that_is_closed_is_no_error"],
    ),
    shown(
        56,
        "WEM uses 8285 up to 1909 and 8288 since 1912, and 8287 later on.",
        &["port_services::old_and_new_port_of_wem_are_one_service"],
    ),
    off_the_wire(57, "Ports of further services stand on other pages.", READING),
    shown(
        58,
        "LDAP 389 is plain or upgraded, 636 and 3269 are TLS.",
        &[
            "port_services::ldap_has_two_plain_and_two_secured_ports",
            "encryption::what_is_plain_is_remarked_once_for_each_service",
            "encryption::what_is_encrypted_or_proves_nothing_is_not_remarked",
        ],
    ),
    shown(
        59,
        "The ticket authority is part of the XML service.",
        &[
            "port_services::tickets_and_xml_are_one_service",
            "stories_gateway::who_asks_for_a_service_by_its_path_is_kept_with_the_name_of_the_server",
        ],
    ),
    shown(
        60,
        "The VPN plug-in has five ports of UDP and three of TCP.",
        &["port_services::the_vpn_plug_in_has_its_ports_over_each_transport"],
    ),
    // The ports of XenMobile Server.
    off_the_wire(61, "The first table lets users reach their services through a Gateway.", READING),
    off_the_wire(62, "An article that is not part of the document has addresses of LaunchDarkly.", READING),
    off_the_wire(63, "NSIP, VIP and SNIP are addresses of an ADC.", READING),
    shown(
        64,
        "443 is recommended for XML and tickets.",
        &["encryption::what_is_plain_is_remarked_once_for_each_service"],
    ),
    shown(
        65,
        "LDAP 389 and 3268 are unsecured, 636 and 3269 secured.",
        &[
            "port_services::ldap_has_two_plain_and_two_secured_ports",
            "encryption::what_is_plain_is_remarked_once_for_each_service",
        ],
    ),
    shown(
        66,
        "1494 and 2598 should stay open.",
        &[
            "port_services::a_blocked_2598_costs_session_reliability_and_no_launch",
            "port_rules::a_dropped_tcp_connection_of_every_rule_is_reported_as_blocked",
        ],
    ),
    open(67, "Port 80 from the Gateway to inner web sites is VPN traffic.", ROLES),
    off_the_wire(
        68,
        "Mail may go by another port than 25.",
        "It speaks of a setting; a map of one's own can name the port.",
    ),
    open(69, "Store connections to Apple and Google use 80.", HOSTS),
    open(70, "App stores have certain hosts.", HOSTS),
    shown(
        71,
        "Push services of Apple are 443, 2197 and 5223.",
        &["port_services::push_services_are_warned_of_at_most"],
    ),
    shown(
        72,
        "1433, 8081, 27000 and 7279 are defaults.",
        &["port_services::defaults_that_may_differ_are_known_by_their_service"],
    ),
    shown(
        73,
        "XenMobile uses 4443 for the console and logs, 45000 and 80 for its cluster.",
        &["port_services::a_cluster_of_xenmobile_has_a_port_of_its_own"],
    ),
    shown(
        74,
        "30001 is an interface for the first set-up.",
        &["port_services::a_cluster_of_xenmobile_has_a_port_of_its_own"],
    ),
    open(75, "Secure Hub looks for discovery.cem.cloud.us on 443.", HOSTS),
    off_the_wire(76, "Pinning of certificates has to be asked for.", SCREEN),
    open(77, "The console needs the browser to reach Google Play.", HOSTS),
    open(78, "Android Enterprise has certain hosts of Google.", HOSTS),
    open(79, "Text messages go to a relay of Nexmo.", HOSTS),
    // The ports of App Layering.
    shown(
        80,
        "All ports of App Layering are defaults.",
        &[
            "own_map::a_map_under_other_names_answers_every_question_alike",
            "port_services::a_pinned_port_is_known_once_a_map_names_it",
        ],
    ),
    open(81, "The appliance needs IPv4.", ROLES),
    off_the_wire(82, "Traffic of App Layering falls into three classes.", READING),
    shown(
        83,
        "A firewall before an agent has to be opened by hand.",
        &["port_services::commands_to_agents_of_app_layering_are_an_error_where_blocked"],
    ),
    open(84, "The appliance needs a file share on SMB 445 or NFS 2049.", ROLES),
    off_the_wire(
        85,
        "The connector services run on the appliance.",
        "Which programs run on a host is not in its packets.",
    ),
    shown(
        86,
        "Connectors have pairs of ports, 30xx for HTTP and 35xx for HTTPS.",
        &[
            "port_services::connectors_of_app_layering_have_pairs_of_ports",
            "encryption::what_is_plain_is_remarked_once_for_each_service",
        ],
    ),
    shown(87, "80, 443 and 22 are needed for management.", &["port_services::ports_of_any_network_prove_nothing"]),
    open(88, "Compositing machines exchange 443 with the appliance and read 3260.", ROLES),
    shown(
        89,
        "Commands to agents of App Layering go to 8016.",
        &["port_services::commands_to_agents_of_app_layering_are_an_error_where_blocked"],
    ),
    off_the_wire(
        90,
        "Two addresses answer only to the appliance.",
        "It tells what a browser shows; the requests are inside TLS.",
    ),
    shown(
        91,
        "Upgrades come over plain HTTP from alcdn.citrix.com.",
        &["port_services::upgrades_of_app_layering_are_known_by_their_name"],
    ),
    open(92, "443 of vSphere is Virtual Center and, for disks, the ESX hosts.", ROLES),
];

// The table.

#[test]
fn every_fact_has_its_row_in_one_sentence() {
    for (place, Fact { number, says, known }) in FACTS.iter().enumerate() {
        assert_eq!(*number, place + 1);
        let why = match known {
            Known::Shown(by) => {
                assert!(!by.is_empty(), "F{number} names no test");
                continue;
            }
            Known::OffTheWire(why) | Known::Open(why) => why,
        };
        for sentence in [says, why] {
            assert!(sentence.ends_with('.') && sentence.len() > 20, "F{number}: {sentence}");
        }
    }
    let count = |of: fn(&Known) -> bool| FACTS.iter().filter(|fact| of(&fact.known)).count();
    let open = count(|known| matches!(known, Known::Open(_)));
    println!("{} shown by tests, {open} open", count(|known| matches!(known, Known::Shown(_))));
}

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = FACTS.iter().flat_map(|fact| match fact.known {
        Known::Shown(by) => by.iter().map(|name| (fact.number, *name)).collect(),
        Known::OffTheWire(_) | Known::Open(_) => Vec::new(),
    });
    for (number, name) in named {
        if let Some(fixture) = name.strip_prefix("fixtures/") {
            assert!(root.join("fixtures").join(fixture).join("expected.json").exists(), "F{number}: {name}");
            continue;
        }
        let (file, function) =
            name.split_once("::").unwrap_or_else(|| panic!("F{number}: {name} is no file::function"));
        let path = root.join("tests").join(file).with_extension("rs");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("F{number}: {}: {error}", path.display()));
        assert!(text.contains(&format!("#[test]\nfn {function}(")), "F{number}: {file}.rs has no test {function}");
    }
}
