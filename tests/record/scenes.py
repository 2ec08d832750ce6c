"""The scenes: what is played, between whom, and what an auditor must conclude.

A scene is a function that plays on a `Site` and gives back what a report must say. Its documentation string becomes
the text of the fixture's README. What is held to be true of the protocols stands in `src/facts.md`.
"""

import contextlib
import os
import threading
import time

import talk
from expect import Expected, Found, Problem, Told
from network import Trunk, run

SCENES = {}


def scene(name, ipv6=False):
    """Enter a function in the table of scenes."""

    def enter(function):
        SCENES[name] = function
        function.ipv6 = ipv6
        return function

    return enter


# Lines that many scenes share


def cgp(client, server, state="SF", **named):
    told = dict(outcome="established", heard="cgp", basis="signature", service="cgp", verdict="expected")
    return Told("tcp", client.address, server.address, 2598, state=state, **(told | named))


def ica(client, server, state="SF", **named):
    told = dict(outcome="established", heard="ica", basis="signature", service="ica", verdict="expected")
    return Told("tcp", client.address, server.address, 1494, state=state, **(told | named))


def edt(client, server, state="SF", **named):
    told = dict(outcome="answered", heard="edt", basis="signature", service="edt", verdict="expected",
                direction="port_map")
    return Told("udp", client.address, server.address, 2598, state=state, **(told | named))


def blocked(client, server, port, outcome, state, **named):
    told = dict(basis="port", verdict="expected", service={1494: "ica", 2598: "cgp"}.get(port, "licensing"))
    return Told("tcp", client.address, server.address, port, outcome, state, **(told | named))


def generic(protocol, client, server, port, outcome, state, **named):
    told = dict(basis="none", verdict="unmapped", reason="generic-port")
    if protocol == "udp":
        told["direction"] = None
    return Told(protocol, client.address, server.address, port, outcome, state, **(told | named))


def found(code, severity, client, server, protocol=None, port=None, service=None, flows=None):
    return Found(code, severity, client.address, server.address, protocol, port, service, flows)


def fallback(name, client, server):
    return found(f"fallback.{name}", "warning", client, server)


def problem(cause, severity, clients, servers, *rest, **named):
    """A problem of these clients with these servers; see `Problem` for the rest."""
    return Problem(cause, severity, [one.address for one in clients], [one.address for one in servers], *rest, **named)


# Healthy


@scene("cgp-healthy")
def cgp_healthy(site):
    """A client reaches a VDA on TCP 2598 (session reliability): CGP greetings both ways, the service name
    Citrix.TcpProxyService, a few exchanges, goodbye from both sides. Nothing to report."""
    client, vda = site.pair("10.77.1.11/24", "10.77.1.21/24")
    site.serve(vda, 2598, talk.cgp_server)
    with site.watch(vda):
        site.call(client, vda, 2598, talk.cgp_client)
    return Expected(0, [cgp(client, vda)], [], [])


@scene("fallback-cgp-to-ica")
def fallback_cgp_to_ica(site):
    """The VDA's packet filter drops TCP 2598. The client gives up after eight seconds and reaches the VDA on TCP
    1494: greetings (the server first), hello, module packets, records. The ICA session goes on until more than 22
    seconds after the first SYN to 2598, so silence was watched to its end. The client's kernel sends SYNs at 0, 1,
    3 and 7 s."""
    client, vda = site.pair("10.77.2.11/24", "10.77.2.21/24")
    client.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    vda.filter("tcp dport 2598 drop")
    site.serve(vda, 1494, talk.ica_server)
    with site.watch(vda):
        site.knock(client, vda, 2598, "timeout", seconds=8.5)
        site.call(client, vda, 1494, talk.ica_client, exchanges=18, pause=0.9)
    return Expected(1, [blocked(client, vda, 2598, "silent", "S0"), ica(client, vda)], [
        found("blocked.silent", "error", client, vda, "tcp", 2598, "cgp", 1),
        fallback("cgp-to-ica", client, vda),
        found("launch.slow", "warning", client, vda, "tcp", 1494, "ica", 1),
    ], [problem("no-answer", "error", [client], [vda], "tcp", 2598, 1)])


@scene("both-dropped")
def both_dropped(site):
    """The VDA's packet filter drops TCP 2598 and TCP 1494. The client tries 2598 for eight seconds, then 1494, and
    the user starts the whole thing again 25 seconds after the first try; the last try is watched for half a minute.
    Nothing is ever answered; there is no fallback because nothing took over."""
    client, vda = site.pair("10.77.3.11/24", "10.77.3.21/24")
    client.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    vda.filter("tcp dport { 1494, 2598 } drop")
    with site.watch(vda):
        site.knock(client, vda, 2598, "timeout", seconds=8.5)
        site.knock(client, vda, 1494, "timeout", seconds=16)
        site.knock(client, vda, 2598, "timeout", seconds=8.5)
        site.knock(client, vda, 1494, "timeout", seconds=33)
    return Expected(1, [
        blocked(client, vda, 2598, "silent", "S0", count=2),
        blocked(client, vda, 1494, "silent", "S0", count=2),
    ], [
        found("blocked.silent", "error", client, vda, "tcp", 1494, "ica", 2),
        found("blocked.silent", "error", client, vda, "tcp", 2598, "cgp", 2),
        found("launch.failed", "error", client, vda, flows=4),
    ], [problem("no-answer", "error", [client], [vda], attempts=4, ports=[("tcp", 1494), ("tcp", 2598)])])


@scene("refused")
def refused(site):
    """TCP 2598 is answered by a reset of the packet filter, TCP 1494 by the VDA's own reset because nothing
    listens. Recorded by dumpcap as pcapng."""
    client, vda = site.pair("10.77.4.11/24", "10.77.4.21/24")
    vda.filter("tcp dport 2598 reject with tcp reset")
    with site.watch(vda, tool="dumpcap"):
        site.knock(client, vda, 2598, "ECONNREFUSED")
        time.sleep(0.3)
        site.knock(client, vda, 1494, "ECONNREFUSED")
        time.sleep(0.7)
    return Expected(1, [blocked(client, vda, 2598, "refused", "REJ"), blocked(client, vda, 1494, "refused", "REJ")], [
        found("blocked.refused", "error", client, vda, "tcp", 1494, "ica", 1),
        found("blocked.refused", "error", client, vda, "tcp", 2598, "cgp", 1),
        found("launch.failed", "error", client, vda, flows=2),
    ], [problem("service-down", "error", [client], [vda], attempts=2)])


@scene("prohibited")
def prohibited(site):
    """The VDA's packet filter rejects TCP 2598 with ICMP type 3 code 13 (administratively prohibited). The client
    tries twice, from two ports."""
    client, vda = site.pair("10.77.5.11/24", "10.77.5.21/24")
    vda.filter("tcp dport 2598 reject with icmpx type admin-prohibited")
    with site.watch(vda):
        site.knock(client, vda, 2598, "EHOSTUNREACH")
        time.sleep(1.5)
        site.knock(client, vda, 2598, "EHOSTUNREACH")
    return Expected(1, [blocked(client, vda, 2598, "prohibited", "S0", count=2)],
                    [found("blocked.prohibited", "error", client, vda, "tcp", 2598, "cgp", 2)],
                    [problem("prohibited", "error", [client], [vda], "tcp", 2598, 2, "host_firewall")])


@scene("edt-port-unreachable")
def edt_port_unreachable(site):
    """Nothing listens on UDP 2598 of the VDA: each UDT handshake of the client is answered by ICMP type 3 code
    3."""
    client, vda = site.pair("10.77.6.11/24", "10.77.6.21/24")
    made = client.udp()
    with site.watch(vda):
        for number in range(3):
            made.sendto(talk.udt_handshake(1, stamp=number * 1_100_000), (vda.address, 2598))
            time.sleep(1.1)
    return Expected(1, [edt(client, vda, "S0", outcome="prohibited")],
                    [found("blocked.prohibited", "error", client, vda, "udp", 2598, "edt", 1)],
                    [problem("prohibited", "error", [client], [vda], "udp", 2598, 1, "server")])


@scene("edt-blocked")
def edt_blocked(site):
    """The VDA's packet filter drops UDP 2598. The client sends UDT handshakes every 250 ms for three seconds; half
    a second after the first it starts TCP 2598 in parallel, which works and carries the session."""
    client, vda = site.pair("10.77.7.11/24", "10.77.7.21/24")
    vda.filter("udp dport 2598 drop")
    site.serve(vda, 2598, talk.cgp_server)
    made = client.udp()
    with site.watch(vda):
        tries = site.start(talk.edt_tries, made, vda)
        time.sleep(0.5)
        site.call(client, vda, 2598, talk.cgp_client, exchanges=14, pause=0.8)
        tries.join(10)
    return Expected(1, [edt(client, vda, "S0", outcome="silent"), cgp(client, vda)], [
        found("blocked.silent", "error", client, vda, "udp", 2598, "edt", 1),
        fallback("edt-to-tcp", client, vda),
    ], [problem("no-answer", "error", [client], [vda], "udp", 2598, 1)])


@scene("ssh-on-1494")
def ssh_on_1494(site):
    """Something that speaks SSH listens on TCP 1494 of the server, and an SSH client talks to it."""
    client, server = site.pair("10.77.8.11/24", "10.77.8.21/24")
    site.serve(server, 1494, talk.ssh_server)
    with site.watch(server):
        site.call(client, server, 1494, talk.ssh_client)
    flow = Told("tcp", client.address, server.address, 1494, "established", "SF", "unexpected", "foreign-protocol",
                heard="ssh")
    return Expected(1, [flow],
                    [found("unexpected.foreign-protocol", "error", client, server, "tcp", 1494, flows=1)],
                    [problem("foreign-protocol", "error", [client], [server], "tcp", 1494)])


@scene("ica-on-8494")
def ica_on_8494(site):
    """An ICA session on TCP 8494, a port that no rule of the map names."""
    client, vda = site.pair("10.77.9.11/24", "10.77.9.21/24")
    site.serve(vda, 8494, talk.ica_server)
    with site.watch(vda):
        site.call(client, vda, 8494, talk.ica_client)
    flow = Told("tcp", client.address, vda.address, 8494, "established", "SF", "unexpected", "citrix-on-other-port",
                "signature", heard="ica")
    return Expected(0, [flow],
                    [found("unexpected.citrix-on-other-port", "warning", client, vda, "tcp", 8494, flows=1)],
                    [problem("other-port", "warning", [client], [vda], "tcp", 8494)])


@scene("pvs-boot")
def pvs_boot(site):
    """A target device boots from Provisioning: TFTP read request for ARDBP32.BIN to UDP 69 (the data comes from a
    new port of the server), login on UDP 6910, stream on UDP 6911. All answered. The verdicts of the two TFTP flows
    and the sums of verdicts are left open, and so is which end of the TFTP data is called the client."""
    switch = site.switch()
    target = site.host("target", "10.77.10.11/24", on=switch)
    pvs = site.host("pvs", "10.77.10.31/24", on=switch)
    site.start(talk.tftp_give, pvs.udp(69), pvs.udp(40069), talk.filler(1700, 69))
    site.serve_udp(pvs, 6910, talk.pvs_server("login", 256, 1))
    site.serve_udp(pvs, 6911, talk.pvs_server("object", 1032, 2))
    with site.watch(pvs):
        talk.tftp_read(target.udp(), pvs, b"ARDBP32.BIN")
        time.sleep(0.2)
        talk.pvs_client(target.udp(), pvs, 6910, "login", 3, 1)
        talk.pvs_client(target.udp(), pvs, 6911, "object", 20, 2)
    told = dict(outcome="answered", state="SF", verdict="expected", says_heard=False, direction="port_map")
    return Expected(0, [
        Told("udp", target.address, pvs.address, 69, "answered", "S0", says_heard=False, direction=None),
        Told("udp", target.address, pvs.address, 40069, "answered", "SF", says_heard=False, server_first=True,
             ends_open=True),
        Told("udp", target.address, pvs.address, 6910, service="pvs-login", **told),
        Told("udp", target.address, pvs.address, 6911, service="pvs-stream", **told),
    ], [], [])


@scene("audio")
def audio(site):
    """An ICA session on TCP 1494 and, beside it, real-time audio on UDP 16500 and 16501, datagrams every 20 ms both
    ways with RTP headers. Time stamps in nanoseconds."""
    client, vda = site.pair("10.77.11.11/24", "10.77.11.21/24")
    site.serve(vda, 1494, talk.ica_server)
    for port in (16500, 16501):
        site.serve_udp(vda, port, lambda datagram: [talk.rtp(int.from_bytes(datagram[2:4], "big") + 500, 0x0B)])
    with site.watch(vda, nano=True):
        session = site.start(site.call, client, vda, 1494, talk.ica_client, exchanges=20)
        time.sleep(0.3)
        made = [(client.udp(), port) for port in (16500, 16501)]
        for number in range(25):
            for one, port in made:
                one.sendto(talk.rtp(1000 + number, 0x0A), (vda.address, port))
            time.sleep(0.02)
        session.join(20)
    sound = [Told("udp", client.address, vda.address, port, "answered", "SF", "expected", service="audio",
                  says_heard=False, direction="port_map") for port in (16500, 16501)]
    return Expected(0, [ica(client, vda), *sound], [], [])


@scene("ipv6", ipv6=True)
def ipv6(site):
    """A healthy CGP session over IPv6, then TCP 1494 rejected with ICMPv6 type 1 code 1 (administratively
    prohibited). The capture filter leaves neighbour discovery out."""
    client, vda = site.pair("fd77::12:11/64", "fd77::12:21/64")
    vda.filter("tcp dport 1494 reject with icmpx type admin-prohibited")
    site.serve(vda, 2598, talk.cgp_server)
    with site.watch(vda, only="tcp or (icmp6 and ip6[40] == 1)"):
        site.call(client, vda, 2598, talk.cgp_client)
        site.knock(client, vda, 1494, "EACCES")
    return Expected(1, [cgp(client, vda), blocked(client, vda, 1494, "prohibited", "S0")],
                    [found("blocked.prohibited", "error", client, vda, "tcp", 1494, "ica", 1)],
                    [problem("prohibited", "error", [client], [vda], "tcp", 1494, 1, "host_firewall")])


def on_a_trunk(site, net, tags):
    trunk = Trunk(site, tags)
    client = trunk.host("client", f"10.77.{net}.11/24", far=False)
    vda = trunk.host("vda", f"10.77.{net}.21/24", far=True)
    site.serve(vda, 2598, talk.cgp_server)
    with site.watch(trunk.machine, "trunk"):
        site.call(client, vda, 2598, talk.cgp_client)
        site.knock(client, vda, 1494, "ECONNREFUSED")
    return Expected(1, [cgp(client, vda), blocked(client, vda, 1494, "refused", "REJ")],
                    [found("blocked.refused", "error", client, vda, "tcp", 1494, "ica", 1)],
                    [problem("refused", "error", [client], [vda], "tcp", 1494, 1)])


@scene("vlan")
def vlan(site):
    """Captured on a trunk between two switches: every frame carries an 802.1Q tag with VLAN 77. A healthy CGP
    session; TCP 1494 is refused. The tags are put on and taken off by a small forwarder (`Trunk`), as a switch
    would."""
    return on_a_trunk(site, 13, [(0x8100, 77)])


@scene("qinq")
def qinq(site):
    """As `vlan`, with two tags: a service tag (802.1ad) with VLAN 100 and inside it an 802.1Q tag with VLAN 77."""
    return on_a_trunk(site, 28, [(0x88A8, 100), (0x8100, 77)])


# Captures that show less than there was


@scene("cut-64")
def cut_64(site):
    """A healthy CGP and a healthy ICA session captured with a snap length of 64 bytes. With TCP time stamps the
    headers alone are 66 bytes, so even the TCP options are cut, and no payload is left to hear anything in."""
    client, vda = site.pair("10.77.14.11/24", "10.77.14.21/24")
    site.serve(vda, 2598, talk.cgp_server)
    site.serve(vda, 1494, talk.ica_server)
    with site.watch(vda, snap=64):
        site.call(client, vda, 2598, talk.cgp_client)
        site.call(client, vda, 1494, talk.ica_client)
    deaf = dict(heard=None, basis="port")
    return Expected(0, [cgp(client, vda, **deaf), ica(client, vda, **deaf)], [Found("quality.cut-packets", "info")], [])


@scene("one-direction")
def one_direction(site):
    """A whole healthy CGP session and an ICA session that stays open, of which only the client's packets were
    captured (capture filter on the source address). Both were answered, or the client would not have gone on."""
    client, vda = site.pair("10.77.15.11/24", "10.77.15.21/24")
    site.serve(vda, 2598, talk.cgp_server)
    site.serve(vda, 1494, talk.ica_server)
    with site.watch(vda, only=f"ip and src host {client.address}"):
        site.call(client, vda, 2598, talk.cgp_client)
        session = site.dial(client, vda, 1494)
        talk.ica_client(session)
    session.close()
    half = dict(outcome="one_way", verdict="not_evaluable", reason="one-direction", basis=None)
    return Expected(4, [cgp(client, vda, "SH", **half), ica(client, vda, "S0", **half)],
                    [Found("quality.one-direction", "info")], [])


@scene("ends-early")
def ends_early(site):
    """The capture stops half a second after the first SYN to a dropped TCP 2598: too early to say anything."""
    client, vda = site.pair("10.77.16.11/24", "10.77.16.21/24")
    vda.filter("tcp dport 2598 drop")
    with site.watch(vda, end_pause=0.0):
        site.start(site.knock, client, vda, 2598, "timeout", seconds=1.5)
        time.sleep(0.5)
    flow = blocked(client, vda, 2598, "undecided", "S0", verdict="not_evaluable", reason="capture-too-short",
                   basis=None)
    return Expected(4, [flow], [Found("quality.ends-early", "info")], [])


@scene("midstream")
def midstream(site):
    """The capture starts when a CGP session is already running and stops before it ends; data flows both ways."""
    client, vda = site.pair("10.77.17.11/24", "10.77.17.21/24")
    site.serve(vda, 2598, talk.cgp_server)
    session = site.dial(client, vda, 2598)
    talk.cgp_client(session, exchanges=3)
    with site.watch(vda):
        for number in range(12):
            talk.cgp_exchange(session, 20 + number, 300 + number, number)
            time.sleep(0.1)
    session.close()
    flow = cgp(client, vda, "OTH", outcome="midstream", heard=None, basis="port", direction="port_map")
    return Expected(0, [flow], [Found("quality.starts-in-middle", "info")], [])


@scene("half-open")
def half_open(site):
    """Captured at the VDA: it answers the SYN to TCP 2598, but its SYN-ACK never reaches the client (the client's
    packet filter drops it). The client repeats its SYN, the VDA repeats its SYN-ACK."""
    client, vda = site.pair("10.77.18.11/24", "10.77.18.21/24")
    client.filter("tcp sport 2598 tcp flags & (syn | ack) == syn | ack drop")
    site.serve(vda, 2598, talk.cgp_server)
    with site.watch(vda):
        site.knock(client, vda, 2598, "timeout", seconds=9.0)
        time.sleep(3.0)
    return Expected(1, [blocked(client, vda, 2598, "half_open", "S1")],
                    [found("blocked.half-open", "error", client, vda, "tcp", 2598, "cgp", 1)],
                    [problem("half-open", "error", [client], [vda], "tcp", 2598, 1, "client_host")])


@scene("reset-early")
def reset_early(site):
    """TCP 2598 accepts the connection and resets it right after the client's first bytes, before saying anything:
    what a content-aware firewall or a crashing service looks like."""
    client, vda = site.pair("10.77.19.11/24", "10.77.19.21/24")
    site.serve(vda, 2598, talk.slam)
    with site.watch(vda):
        with site.dial(client, vda, 2598) as session:
            session.sendall(talk.CGP_CLIENT)
            talk.expect_reset(session)
    return Expected(1, [blocked(client, vda, 2598, "reset_early", "RSTR", heard="cgp", basis="signature")],
                    [found("blocked.reset-early", "error", client, vda, "tcp", 2598, "cgp", 1)],
                    [problem("cut", "error", [client], [vda], "tcp", 2598, 1)])


@scene("session-died")
def session_died(site):
    """Captured at the VDA: a session on TCP 2598 works, and then the client is gone, as if its lid had been closed. The VDA
    repeats what it has to say for half a minute, and nobody answers."""
    client, vda = site.pair("10.77.32.11/24", "10.77.32.21/24")
    gone = threading.Event()
    site.serve(vda, 2598, talk.cgp_speaks_on(gone, 3))
    with site.watch(vda):
        with site.dial(client, vda, 2598) as session:
            talk.cgp_client(session, 3)
            client.filter("drop")
            client.filter("drop", hook="output")
            gone.set()
            time.sleep(31)
    return Expected(0, [cgp(client, vda, "S1")],
                    [found("path.died", "warning", client, vda, "tcp", 2598, "cgp", 1)],
                    [problem("session-died", "warning", [client], [vda], "tcp", 2598)])


@scene("idle-timeout")
def idle_timeout(site):
    """Captured at the VDA: three clients have a session on TCP 2598 each, and say nothing for an hour (the times in the capture are
    moved; nobody waited). Then a packet filter has forgotten the sessions, and answers what the clients say next with
    resets."""
    switch = site.switch()
    vda = site.host("vda", "10.77.62.21/24", on=switch)
    clients = [site.host(f"client-{number}", f"10.77.62.{number}/24", on=switch) for number in (11, 12, 13)]
    site.serve(vda, 2598, talk.cgp_server_cut_off, callers=3)
    with site.watch(vda), contextlib.ExitStack() as sessions:
        lines = [sessions.enter_context(site.dial(client, vda, 2598)) for client in clients]
        for line in lines:
            talk.cgp_client(line, 3)
        site.pass_time(3_600)
        vda.filter("tcp dport 2598 reject with tcp reset")
        for line in lines:
            line.sendall(talk.filler(40))
            talk.expect_reset(line)
    finding = found("path.idle-timeout", "warning", clients[0], vda, "tcp", 2598, "cgp", 3)
    finding.clients = [client.address for client in clients]
    return Expected(0, [cgp(client, vda, "RSTR") for client in clients], [finding],
                    [problem("idle-timeout", "warning", clients, [vda], "tcp", 2598, 3)])


# Where it should not be


@scene("other-transport")
def other_transport(site):
    """TCP 6910 is open and answers; the map knows port 6910 for UDP only. Nothing else ties the hosts to Citrix."""
    switch = site.switch()
    client = site.host("client", "10.77.20.11/24", on=switch)
    pvs = site.host("pvs", "10.77.20.31/24", on=switch)
    site.serve(pvs, 6910, talk.parrot)
    with site.watch(pvs):
        site.call(client, pvs, 6910, talk.parrot_client)
    flow = Told("tcp", client.address, pvs.address, 6910, "established", "SF", "unexpected", "other-transport",
                says_heard=False)
    return Expected(0, [flow], [found("unexpected.transport", "info", client, pvs, "tcp", 6910, flows=1)],
                    [problem("other-transport", "info", [client], [pvs], "tcp", 6910)])


@scene("internet-exposed")
def internet_exposed(site):
    """A client with a public address (203.0.113.9, a documentation address) reaches TCP 1494 of a VDA through a
    router and is greeted: the VDA stands open to the internet."""
    switch = site.switch()
    vda = site.host("vda", "10.77.21.22/24", on=switch)
    router = site.host("router", "10.77.21.1/24", on=switch)
    client = behind(site, router, "client", "203.0.113.9/24", "203.0.113.1/24")
    vda.run("ip", "route", "add", "default", "via", "10.77.21.1")
    site.serve(vda, 1494, talk.ica_server)
    with site.watch(vda):
        site.call(client, vda, 1494, talk.ica_client)
    return Expected(1, [ica(client, vda)],
                    [found("unexpected.internet-exposed", "error", client, vda, "tcp", 1494, flows=1)],
                    [problem("exposed", "error", [client], [vda], "tcp", 1494)])


@scene("from-internet")
def from_internet(site):
    """A public address (203.0.113.9, a documentation address) tries TCP 1494 of a VDA through a router. The VDA's
    packet filter drops it, as it should: nothing to repair."""
    switch = site.switch()
    vda = site.host("vda", "10.77.34.22/24", on=switch)
    router = site.host("router", "10.77.34.1/24", on=switch)
    client = behind(site, router, "client", "203.0.113.9/24", "203.0.113.1/24")
    vda.filter("tcp dport 1494 drop")
    with site.watch(vda):
        site.knock(client, vda, 1494, "timeout", seconds=8.5)
    return Expected(0, [blocked(client, vda, 1494, "silent", "S0")],
                    [found("unexpected.from-internet", "info", client, vda, "tcp", 1494, flows=1)],
                    [problem("from-internet", "info", [client], [vda], "tcp", 1494)])


@scene("scan")
def scan(site):
    """One host tries 21 ports of a VDA within two seconds; nothing listens on any of them and each is refused. The
    VDA's packet filter drops TCP 2598, and a client tries that in the same time. The verdicts of the scan are left
    open."""
    switch = site.switch()
    vda = site.host("vda", "10.77.35.21/24", on=switch)
    client = site.host("client", "10.77.35.11/24", on=switch)
    scanner = site.host("scanner", "10.77.35.66/24", on=switch)
    vda.filter(f"ip saddr {client.address} tcp dport 2598 drop")
    with site.watch(vda):
        for port in SCANNED:
            site.knock(scanner, vda, port, "ECONNREFUSED")
            time.sleep(0.05)
        site.knock(client, vda, 2598, "timeout", seconds=8.5)
    refused = [Told("tcp", scanner.address, vda.address, port, "refused", "REJ") for port in SCANNED]
    return Expected(1, [*refused, blocked(client, vda, 2598, "silent", "S0")], [
        found("blocked.silent", "error", client, vda, "tcp", 2598, "cgp", 1),
        found("unexpected.scan", "warning", scanner, vda, flows=len(SCANNED)),
    ], [
        problem("no-answer", "error", [client], [vda], "tcp", 2598, 1),
        problem("scan", "warning", [scanner], [vda], attempts=len(SCANNED)),
    ])


# Ports that the map names.
SCANNED = [22, 80, 88, 135, 389, 443, 445, 636, 1433, 1494, 2598, 3008, 3268, 3389, 7279, 8008, 8080, 8082, 8083, 9080,
           27000]


@scene("syn-flood")
def syn_flood(site):
    """Thirty SYNs to TCP 1494 of a VDA from addresses that nobody has. The VDA answers each and repeats its answer;
    no source ever reacts, as a real one would. A client has its session in between."""
    switch = site.switch()
    vda = site.host("vda", "10.77.36.21/24", on=switch)
    client = site.host("client", "10.77.36.11/24", on=switch)
    attacker = site.host("attacker", "10.77.36.66/24", on=switch)
    vda.run("ip", "route", "add", "default", "via", attacker.address)
    vda.set("net.ipv4.tcp_syncookies", 0)
    site.serve(vda, 1494, talk.ica_server, callers=2, backlog=128)
    sources = [f"10.{100 + number}.{number}.{7 * number + 1}" for number in range(30)]
    raw = attacker.raw()
    with site.watch(vda):
        for number, source in enumerate(sources):
            raw.sendto(talk.syn(source, vda.address, 40000 + number, 1494), (vda.address, 0))
        site.call(client, vda, 1494, talk.ica_client)
        time.sleep(8.0)
    forged = [Told("tcp", source, vda.address, 1494, "half_open", "S1", basis="port", verdict="expected", service="ica")
              for source in sources]
    flood = Found("unexpected.flood", "warning", sources[0], vda.address, "tcp", 1494, None, len(sources), sources)
    return Expected(0, [*forged, ica(client, vda)], [flood],
                    [Problem("flood", "warning", sources, [vda.address], "tcp", 1494, len(sources))])


def behind(site, router, name, address, gateway):
    """A host on the other side of a router."""
    host = site.machine(name)
    site.join(host, "eth0", router, "eth1")
    router.give(gateway, interface="eth1")
    router.set("net.ipv4.ip_forward", 1)
    host.give(address)
    host.run("ip", "route", "add", "default", "via", gateway.split("/")[0])
    return host


@scene("prohibited-by-firewall")
def prohibited_by_firewall(site):
    """A router between client and VDA forwards TCP 1494 and rejects TCP 2598 with ICMP type 3 code 13. The ICMP
    error comes from the router's address, not from the VDA's. Captured at the client. ICA on 1494 then carries the
    session."""
    switch = site.switch()
    vda = site.host("vda", "10.77.30.21/24", on=switch)
    firewall = site.host("firewall", "10.77.30.1/24", on=switch)
    client = behind(site, firewall, "client", "10.77.130.11/24", "10.77.130.1/24")
    vda.run("ip", "route", "add", "default", "via", "10.77.30.1")
    firewall.filter("tcp dport 2598 reject with icmpx type admin-prohibited", hook="forward")
    site.serve(vda, 1494, talk.ica_server)
    with site.watch(client):
        site.knock(client, vda, 2598, "EHOSTUNREACH")
        site.call(client, vda, 1494, talk.ica_client)
    return Expected(1, [blocked(client, vda, 2598, "prohibited", "S0"), ica(client, vda)], [
        found("blocked.prohibited", "error", client, vda, "tcp", 2598, "cgp", 1),
        fallback("cgp-to-ica", client, vda),
    ], [problem("prohibited", "error", [client], [vda], "tcp", 2598, 1, "middlebox", "10.77.130.1")])


# Odds and ends


@scene("empty")
def empty(site):
    """A capture file with a header and no packet."""
    switch = site.switch()
    with site.watch(switch, "lan"):
        time.sleep(0.2)
    return Expected(4, [], [Found("quality.no-packets", "info")], [])


@scene("syslog-unanswered")
def syslog_unanswered(site):
    """An appliance sends syslog (UDP 514) and SNMP traps (UDP 162) to a collector that drops them. Neither protocol
    is ever answered, so nothing can be concluded. Verdicts are left open."""
    switch = site.switch()
    adc = site.host("adc", "10.77.23.11/24", on=switch)
    collector = site.host("collector", "10.77.23.31/24", on=switch)
    collector.filter("udp dport { 162, 514 } drop")
    log, traps = adc.udp(), adc.udp()
    with site.watch(collector):
        for number in range(7):
            log.sendto(talk.syslog(number), (collector.address, 514))
            traps.sendto(talk.trap(number), (collector.address, 162))
            time.sleep(1.0)
    told = dict(outcome="unanswered", state="S0", says_heard=False, direction=None)
    return Expected(0, [Told("udp", adc.address, collector.address, port, **told) for port in (514, 162)], [], [])


@scene("dns-dropped")
def dns_dropped(site):
    """The DNS server's packet filter drops UDP 53. The client asks for IPv4 and IPv6 addresses and repeats both
    questions after five and ten seconds, as resolvers do."""
    switch = site.switch()
    client = site.host("client", "10.77.24.11/24", on=switch)
    dns = site.host("dns", "10.77.24.2/24", on=switch)
    dns.filter("udp dport 53 drop")
    made = client.udp()
    with site.watch(dns):
        for number in range(3):
            made.sendto(talk.dns_query(0x0A01, "vda1.corp.example"), (dns.address, 53))
            made.sendto(talk.dns_query(0x0A02, "vda1.corp.example", 28), (dns.address, 53))
            time.sleep(5.0 if number < 2 else 0.2)
    return Expected(0, [generic("udp", client, dns, 53, "silent", "S0", heard="dns")],
                    [found("blocked.silent", "warning", client, dns, "udp", 53, flows=1)],
                    [problem("no-answer", "warning", [client], [dns], "udp", 53, 1)])


@scene("any-sll2")
def any_sll2(site):
    """A CGP and an ICA session captured on the pseudo-interface `any` (Linux cooked capture, version 2), in a
    pcapng file."""
    client, vda = site.pair("10.77.25.11/24", "10.77.25.21/24")
    site.serve(vda, 2598, talk.cgp_server)
    site.serve(vda, 1494, talk.ica_server)
    with site.watch(vda, "any", link="LINUX_SLL2"):
        site.call(client, vda, 2598, talk.cgp_client)
        site.call(client, vda, 1494, talk.ica_client)
    return Expected(0, [cgp(client, vda), ica(client, vda)], [], [])


any_sll2.pcapng = True


@scene("tso")
def tso(site):
    """A CGP session that moves 160 KB to the client, with segmentation and checksum offload left on: the file holds
    frames far above the MTU, and checksums that the network card would have filled in."""
    client, vda = site.pair("10.77.26.11/24", "10.77.26.21/24", offloads=True)
    site.serve(vda, 2598, talk.cgp_server)
    with site.watch(vda):
        site.call(client, vda, 2598, talk.cgp_client, exchanges=5, answer=32_000)
    return Expected(0, [cgp(client, vda)], [], [])


@scene("edt-healthy")
def edt_healthy(site):
    """EDT and TCP started in parallel, EDT half a second ahead. EDT answers and carries the session, so the TCP
    connection to 2598 is opened and dropped at once, without a byte. That is healthy, not a fallback."""
    client, vda = site.pair("10.77.31.11/24", "10.77.31.21/24")
    site.serve(vda, 2598, talk.cgp_server)
    site.serve_udp(vda, 2598, talk.edt_server)
    made = client.udp()
    with site.watch(vda):
        session = site.start(talk.edt_client, made, vda, exchanges=50)
        time.sleep(0.5)
        site.call(client, vda, 2598, talk.nothing)
        session.join(20)
    return Expected(0, [edt(client, vda), cgp(client, vda, heard=None, basis="port")], [], [])


@scene("refused-then-retry")
def refused_then_retry(site):
    """The service on TCP 2598 is down and refuses twice; then it is back, and the third try, two seconds later,
    carries a healthy CGP session."""
    client, vda = site.pair("10.77.29.11/24", "10.77.29.21/24")
    with site.watch(vda):
        for _ in range(2):
            site.knock(client, vda, 2598, "ECONNREFUSED")
            time.sleep(1.0)
        site.serve(vda, 2598, talk.cgp_server)
        site.call(client, vda, 2598, talk.cgp_client)
    flows = [blocked(client, vda, 2598, "refused", "REJ", count=2), cgp(client, vda)]
    return Expected(0, flows, [found("blocked.refused", "warning", client, vda, "tcp", 2598, "cgp", 2)],
                    [problem("refused", "warning", [client], [vda], "tcp", 2598, 2, trend="over")])


@scene("office")
def office(site):
    """A morning at a small site, seen on a mirror port of its switch. A DNS lookup and a TLS logon at StoreFront;
    client1 and client2 work healthily over CGP (TCP 2598) on vda1, where client2's session is still open at the
    end; client3 cannot reach TCP 2598 of vda2 (dropped) and falls back to ICA on TCP 1494; client4 uses EDT (UDP
    2598) on vda1; vda1 asks the licence server on TCP 27000, and its second step to TCP 7279 is refused; an SSH
    server sits on TCP 1494 of a third host; vda1's syslog is never answered, as syslog is not (its verdict is left
    open)."""
    switch = site.switch()
    client1, client2, client3, client4, admin = (
        site.host(name, f"10.77.27.{number}/24", on=switch)
        for name, number in (("client1", 11), ("client2", 12), ("client3", 13), ("client4", 14), ("admin", 15)))
    dns, storefront, licences, collector = (
        site.host(name, f"10.77.27.{number}/24", on=switch)
        for name, number in (("dns", 2), ("storefront", 3), ("licences", 4), ("collector", 5)))
    vda1, vda2, stray = (
        site.host(name, f"10.77.27.{number}/24", on=switch)
        for name, number in (("vda1", 21), ("vda2", 22), ("stray", 23)))
    client3.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    vda2.filter("tcp dport 2598 drop")
    collector.filter("udp dport 514 drop")
    site.serve_udp(dns, 53, talk.dns_server(storefront.address))
    site.serve(storefront, 443, talk.tls_server(*certificate(site)))
    site.serve(vda1, 2598, talk.cgp_server, callers=2)
    site.serve_udp(vda1, 2598, talk.edt_server)
    site.serve(vda2, 1494, talk.ica_server)
    site.serve(licences, 27000, talk.licence_server)
    site.serve(stray, 1494, talk.ssh_server)
    log = vda1.udp()

    def syslog():
        for number in range(5):
            log.sendto(talk.syslog(number), (collector.address, 514))
            time.sleep(6.0)

    def second_client():
        still_open.append(site.dial(client2, vda1, 2598))
        talk.cgp_client(still_open[0], exchanges=25, pause=1.0)

    def third_client():
        site.knock(client3, vda2, 2598, "timeout", seconds=8.5)
        site.call(client3, vda2, 1494, talk.ica_client, exchanges=22, pause=0.9)

    still_open = []
    with site.watch(switch, "lan"):
        talk.dns_lookup(client1.udp(), dns, "store.corp.example")
        site.call(client1, storefront, 443, talk.tls_client("store.corp.example"))
        parts = [site.start(site.call, client1, vda1, 2598, talk.cgp_client, exchanges=20, pause=1.2)]
        time.sleep(0.5)
        parts.append(site.start(third_client))
        time.sleep(0.5)
        parts.append(site.start(syslog))
        time.sleep(0.5)
        parts.append(site.start(second_client))
        time.sleep(0.5)
        parts.append(site.start(talk.edt_client, client4.udp(), vda1, exchanges=60, answer=300, pause=0.3))
        time.sleep(0.5)
        site.call(vda1, licences, 27000, talk.licence_client)
        site.knock(vda1, licences, 7279, "ECONNREFUSED")
        time.sleep(1.0)
        site.call(admin, stray, 1494, talk.ssh_client)
        for part in parts:
            part.join(60)
    still_open[0].close()
    return Expected(1, [
        generic("udp", client1, dns, 53, "answered", "SF", heard="dns"),
        generic("tcp", client1, storefront, 443, "established", "SF", heard="tls"),
        cgp(client1, vda1),
        blocked(client3, vda2, 2598, "silent", "S0"),
        Told("udp", vda1.address, collector.address, 514, "unanswered", "S0", says_heard=False, direction=None),
        cgp(client2, vda1, "S1"),
        edt(client4, vda1),
        Told("tcp", vda1.address, licences.address, 27000, "established", "SF", "expected", service="licensing",
             says_heard=False),
        blocked(vda1, licences, 7279, "refused", "REJ"),
        Told("tcp", admin.address, stray.address, 1494, "established", "SF", "unexpected", "foreign-protocol",
             heard="ssh"),
        ica(client3, vda2),
    ], [
        found("blocked.refused", "error", vda1, licences, "tcp", 7279, "licensing", 1),
        found("blocked.silent", "error", client3, vda2, "tcp", 2598, "cgp", 1),
        fallback("cgp-to-ica", client3, vda2),
        found("launch.slow", "warning", client3, vda2, "tcp", 1494, "ica", 1),
        found("unexpected.foreign-protocol", "error", admin, stray, "tcp", 1494, flows=1),
    ], [
        problem("foreign-protocol", "error", [admin], [stray], "tcp", 1494),
        problem("no-answer", "error", [client3], [vda2], "tcp", 2598, 1),
        problem("refused", "error", [vda1], [licences], "tcp", 7279, 1, "server"),
    ])


def certificate(site):
    """A self-signed certificate and its key, thrown away with the scene's folder."""
    made, key = (os.path.join(site.folder, name) for name in ("certificate.pem", "key.pem"))
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=store.corp.example",
        "-addext", "subjectAltName=DNS:store.corp.example", "-keyout", key, "-out", made)
    return made, key
