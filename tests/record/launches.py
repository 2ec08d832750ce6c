"""Scenes of launches and fallbacks: what is tried, what takes its place, and what only looks like a fallback.

As in `scenes.py`, which holds what is shared. Minutes between retries are moved, not waited for.
"""

import ssl
import time

import talk
from expect import Expected, Told
from scenes import blocked, certificate, cgp, edt, fallback, found, generic, ica, problem, scene

GIVES_UP = 8.5  # seconds: SYNs at 0, 1, 3 and 7 s
CLOUD_GATEWAY = "acme.g.nssvc.net"


def udp443(client, server, heard, **named):
    """A datagram conversation on UDP 443 that nobody answered."""
    return Told("udp", client.address, server.address, 443, state="S0", heard=heard, direction=None, **named)


def to_cloud(client, server, outcome="established", state="SF", **named):
    """TLS with a name of Citrix."""
    told = dict(heard="tls", verdict="expected", basis="signature") | named
    return Told("tcp", client.address, server.address, 443, outcome, state, **told)


@scene("edt-retries")
def edt_retries(site):
    """The VDA's packet filter drops UDP 2598. The client sends UDT handshakes for three seconds, starts TCP 2598 half a second
    after the first, and has its session there. Every five minutes it tries EDT again, three times, each time from a new
    port and in vain, and the session goes on. The minutes in between were moved, not waited for."""
    client, vda = site.pair("10.77.41.11/24", "10.77.41.21/24")
    vda.filter("udp dport 2598 drop")
    site.serve(vda, 2598, talk.cgp_server)
    with site.watch(vda):
        tries = site.start(talk.edt_tries, client.udp(), vda)
        time.sleep(0.5)
        with site.dial(client, vda, 2598) as session:
            talk.cgp_client(session, exchanges=3, pause=0.5)
            tries.join(10)
            for _ in range(3):
                site.pass_time(296)
                talk.edt_tries(client.udp(), vda)
                talk.cgp_exchange(session)
            time.sleep(2.5)
            session.shutdown(1)
            while session.recv(65536):
                pass
    return Expected(1, [edt(client, vda, "S0", outcome="silent", count=4), cgp(client, vda)], [
        found("blocked.silent", "error", client, vda, "udp", 2598, "edt", 4),
        fallback("edt-to-tcp", client, vda),
    ], [problem("no-answer", "error", [client], [vda], "udp", 2598, 4)])


@scene("edt-late")
def edt_late(site):
    """EDT answers late: the client's UDT handshakes get their first reply three seconds after the first of them. By then TCP
    2598, started half a second after EDT, has the session, and keeps it. Nothing is blocked, nothing to report."""
    client, vda = site.pair("10.77.42.11/24", "10.77.42.21/24")
    ready = time.monotonic() + 3600

    def late(datagram):
        return talk.edt_server(datagram) if time.monotonic() >= ready else []

    site.serve(vda, 2598, talk.cgp_server)
    site.serve_udp(vda, 2598, late)
    with site.watch(vda):
        ready = time.monotonic() + 3.0
        tries = site.start(talk.edt_tries, client.udp(), vda, seconds=3.5)
        time.sleep(0.5)
        site.call(client, vda, 2598, talk.cgp_client, exchanges=10, pause=0.6)
        tries.join(10)
    return Expected(0, [edt(client, vda), cgp(client, vda)], problems=[])


@scene("launch-failed")
def launch_failed(site):
    """The VDA's packet filter drops everything that a session may use: UDP 2598, TCP 2598 and TCP 1494. The client tries
    EDT, half a second later TCP 2598 for eight seconds, then TCP 1494, and gives up. No session comes about."""
    client, vda = site.pair("10.77.43.11/24", "10.77.43.21/24")
    client.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    vda.filter("tcp dport { 1494, 2598 } drop", "udp dport { 1494, 2598 } drop")
    with site.watch(vda):
        tries = site.start(talk.edt_tries, client.udp(), vda)
        time.sleep(0.5)
        site.knock(client, vda, 2598, "timeout", seconds=GIVES_UP)
        site.knock(client, vda, 1494, "timeout", seconds=16)
        tries.join(10)
    return Expected(1, [
        edt(client, vda, "S0", outcome="silent"),
        blocked(client, vda, 2598, "silent", "S0"),
        blocked(client, vda, 1494, "silent", "S0"),
    ], [
        found("blocked.silent", "error", client, vda, "tcp", 1494, "ica", 1),
        found("blocked.silent", "error", client, vda, "tcp", 2598, "cgp", 1),
        found("blocked.silent", "error", client, vda, "udp", 2598, "edt", 1),
        found("launch.failed", "error", client, vda, flows=3),
    ], [problem("no-answer", "error", [client], [vda], attempts=3,
                ports=[("tcp", 1494), ("tcp", 2598), ("udp", 2598)])])


@scene("audio-blocked")
def audio_blocked(site):
    """An ICA session on TCP 1494. Beside it the client tests UDP 16500 and 16501 for sound, a datagram to each every
    700 ms; the VDA's packet filter drops them, and the session goes on."""
    client, vda = site.pair("10.77.44.11/24", "10.77.44.21/24")
    vda.filter("udp dport 16500-16509 drop")
    site.serve(vda, 1494, talk.ica_server)
    with site.watch(vda):
        session = site.start(site.call, client, vda, 1494, talk.ica_client, exchanges=12, pause=0.5)
        time.sleep(0.3)
        made = [(client.udp(), port) for port in (16500, 16501)]
        for number in range(4):
            for one, port in made:
                one.sendto(talk.rtp(1000 + number, 0x0A), (vda.address, port))
            time.sleep(0.7)
        session.join(20)
    sound = [Told("udp", client.address, vda.address, port, "unanswered", "S0", "expected", service="audio",
                  says_heard=False, direction="port_map") for port in (16500, 16501)]
    return Expected(0, [ica(client, vda), *sound],
                    [found("fallback.audio-to-tcp", "warning", client, vda, "udp", 16500, "audio", 2)],
                    [problem("fallback", "warning", [client], [vda], "udp", 16500, 2)])


@scene("dtls-blocked")
def dtls_blocked(site):
    """A Gateway that is called by a name under nssvc.net. TLS on TCP 443 works and carries the session; DTLS on UDP 443,
    begun half a second earlier, is dropped. The client repeats its hello after 1 and 3 s (RFC 6347), and tries again after
    five minutes, which were moved, not waited for."""
    client, gateway = site.pair("10.77.45.11/24", "10.77.45.31/24")
    gateway.filter("udp dport 443 drop")
    site.serve(gateway, 443, talk.tls_server(*certificate(site)), callers=2)

    def hello():
        made = client.udp()
        for pause in (1.0, 2.0, 0.0):
            made.sendto(talk.dtls_hello(CLOUD_GATEWAY), (gateway.address, 443))
            time.sleep(pause)

    with site.watch(gateway):
        first = site.start(hello)
        time.sleep(0.5)
        site.call(client, gateway, 443, talk.tls_client(CLOUD_GATEWAY, requests=60))
        first.join(10)
        site.pass_time(296)
        hello()
        time.sleep(1.5)
        site.call(client, gateway, 443, talk.tls_client(CLOUD_GATEWAY))
    told = dict(verdict="expected", basis="signature", outcome="silent", count=2)
    return Expected(0, [udp443(client, gateway, "dtls", **told), to_cloud(client, gateway, count=2)], [
        found("blocked.silent", "warning", client, gateway, "udp", 443, flows=2),
        found("fallback.dtls-to-tls", "warning", client, gateway, "udp", 443, flows=2),
    ], [problem("no-answer", "warning", [client], [gateway], "udp", 443, 2)])


@scene("quic-blocked")
def quic_blocked(site):
    """A web service with a name of Citrix Cloud. A browser tries QUIC on UDP 443, which is dropped, and uses TLS on TCP
    443. It does so by itself, so this is worth a note and no warning."""
    client, cloud = site.pair("10.77.46.11/24", "10.77.46.31/24")
    cloud.filter("udp dport 443 drop")
    site.serve(cloud, 443, talk.tls_server(*certificate(site)))
    made = client.udp()
    with site.watch(cloud):
        for pause in (0.3, 0.6, 1.2, 0.0):
            made.sendto(talk.quic_initial(), (cloud.address, 443))
            time.sleep(pause)
        site.call(client, cloud, 443, talk.tls_client("acme.cloud.com", requests=40))
        time.sleep(1.0)
    told = dict(outcome="unanswered", basis="none", verdict="unmapped", reason="generic-port")
    return Expected(0, [udp443(client, cloud, "quic", **told), to_cloud(client, cloud)],
                    [found("fallback.quic-to-tls", "info", client, cloud, "udp", 443, flows=1)],
                    [problem("fallback", "info", [client], [cloud], "udp", 443, 1)])


@scene("rendezvous-failed")
def rendezvous_failed(site):
    """A VDA wants to reach the Gateway Service and says its name, under nssvc.net, in the TLS hello; a device on the way resets
    the connection, twice. Then the Cloud Connector opens the session to the VDA on TCP 2598, which works."""
    switch = site.switch()
    vda = site.host("vda", "10.77.47.21/24", on=switch)
    connector = site.host("connector", "10.77.47.41/24", on=switch)
    gateway = site.host("gateway", "10.77.47.31/24", on=switch)
    site.serve(gateway, 443, talk.slam, callers=2)
    site.serve(vda, 2598, talk.cgp_server)
    with site.watch(switch, "lan"):
        for _ in range(2):
            with site.dial(vda, gateway, 443) as connection:
                try:
                    talk.tls_client(CLOUD_GATEWAY)(connection)
                except (ConnectionResetError, ssl.SSLError):
                    pass
            time.sleep(1.0)
        site.call(connector, vda, 2598, talk.cgp_client, exchanges=10, pause=0.3)
    return Expected(0, [to_cloud(vda, gateway, "reset_early", "RSTR", count=2), cgp(connector, vda)], [
        found("blocked.reset-early", "warning", vda, gateway, "tcp", 443, flows=2),
        found("fallback.rendezvous", "warning", connector, vda, "tcp", 2598, "cgp", 1),
    ], [problem("cut", "warning", [vda], [gateway], "tcp", 443, 2)])
