"""Scenes of what services look like when they fail, and beside it when they do not: registration, tickets, the XML service, TLS.

As in `scenes.py`, which holds what is shared. Minutes are moved, not waited for. Where a controller is to be known as one, another
machine registers with it in the same capture; where a VDA is to be known, a client has a session with it.
"""

import os
import socket
import ssl
import threading
import time

import service_talk
import story_talk
import talk
from expect import Expected, Found, Told
from network import run
from scenes import blocked, cgp, found, generic, problem, scene
from story_talk import REGISTRAR, SOAP, STA, STA_BODY, XML, XML_BODY, asks, envelope, posted

CONTROLLER = "ddc01.example"
GIVES_UP = 8.5  # seconds: SYNs at 0, 1, 3 and 7 s
CLOUD_GATEWAY = "acme.g.nssvc.net"
TLS10, TLS11, TLS12, TLS13 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
SHORT = dict(exchanges=2, pause=0.05, answer=80)


def issued(site, name):
    """A certificate for a host from an authority that nobody knows, and its key, thrown away with the scene's folder."""
    made = {part: os.path.join(site.folder, f"{name}.{part}") for part in ("authority", "authority-key", "request", "key", "pem")}
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=Example Issuing CA",
        "-keyout", made["authority-key"], "-out", made["authority"])
    run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
        "-keyout", made["key"], "-out", made["request"])
    run("openssl", "x509", "-req", "-in", made["request"], "-copy_extensions", "copy", "-days", "30", "-CAcreateserial",
        "-CA", made["authority"], "-CAkey", made["authority-key"], "-out", made["pem"])
    return made["pem"], made["key"]


def web(client, server, port=80, state="SF", **named):
    """HTTP with a path of Citrix; what the map makes of it is left open."""
    return Told("tcp", client.address, server.address, port, "established", state, **(dict(heard="http") | named))


def secured(client, server, port=443, state="SF", **named):
    """TLS; what the map makes of it is left open."""
    return Told("tcp", client.address, server.address, port, "established", state, **(dict(heard="tls") | named))


def unanswered(client, server, port, count=1):
    return Told("tcp", client.address, server.address, port, "silent", "S0", says_heard=False, count=count)


def story(severity, client, server, **named):
    """The finding that a story stops, and where."""
    return Found("service.stopped", severity, client.address, server.address, **named)


# VDA registration (facts REG-01, REG-02, REG-04, REG-05, REG-06)


class Domain:
    """A controller, a domain controller that is also the name server, two VDAs, and a client with a session on each of them."""

    def __init__(self, site, net, names=True, skewed=False):
        self.site = site
        self.switch = site.switch()
        self.client, self.dc, self.controller, self.vda, self.other = (
            site.host(name, f"10.81.{net}.{number}/24", on=self.switch)
            for name, number in (("client", 11), ("dc", 2), ("ddc01", 5), ("vda01", 21), ("vda02", 22)))
        for host in (self.vda, self.controller):
            host.set("net.ipv4.tcp_syn_linear_timeouts", 0)
        known = story_talk.zone({CONTROLLER: self.controller.address})
        unknown = story_talk.zone({})
        site.serve_udp(self.dc, 53, known)
        if not names:
            self.second = site.host("dns2", f"10.81.{net}.3/24", on=self.switch)
            site.serve_udp(self.second, 53, unknown)
        late = (self.vda.address,) if skewed else ()
        site.serve(self.dc, 88, story_talk.gives_tickets(CONTROLLER, "VDA01$", late), callers=99)
        for vda in (self.vda, self.other):
            site.serve(vda, 2598, talk.cgp_server, callers=9)
            site.serve(vda, 80, story_talk.answers(size=200), callers=9)
        self.told = []

    def sessions(self):
        for vda in (self.vda, self.other):
            self.site.call(self.client, vda, 2598, talk.cgp_client, **SHORT)
            self.told.append(cgp(self.client, vda))

    def finds(self, vda):
        """Name and ticket: what comes before every registration."""
        story_talk.asks_name(vda.udp(), self.dc, CONTROLLER)
        self.told.append(generic("udp", vda, self.dc, 53, "answered", "SF", heard="dns"))
        self.ticket(vda)

    def ticket(self, vda):
        self.site.call(vda, self.dc, 88, story_talk.asks_ticket(CONTROLLER))
        self.told.append(Told("tcp", vda.address, self.dc.address, 88, "established", "SF", heard="kerberos"))

    def posts(self, vda, state="SF"):
        body = envelope(900, 1)
        self.site.call(vda, self.controller, 80, asks(posted(REGISTRAR, CONTROLLER, body, SOAP)))
        self.told.append(web(vda, self.controller, state=state))

    def calls_back(self, vda):
        """The path that the controller asks for is made up: what real ones ask for is not public."""
        request = posted("/Citrix/VirtualDesktopAgent", f"{vda.name}.example", envelope(400, 2), SOAP)
        self.site.call(self.controller, vda, 80, asks(request))
        self.told.append(web(self.controller, vda))

    def registers(self, vda):
        self.finds(vda)
        self.posts(vda)
        time.sleep(0.2)
        self.calls_back(vda)

    def serves_plain(self):
        self.site.serve(self.controller, 80, story_talk.answers(), callers=99)

    def tries(self, client, server, port=80, tries=2):
        """Attempts without an answer, eight seconds from one to the next (facts REG-04)."""
        for number in range(tries):
            if number:
                self.site.pass_time(8)
            self.site.knock(client, server, port, "timeout", seconds=GIVES_UP)
        self.told.append(unanswered(client, server, port, tries))


@scene("registration-healthy-80")
def registration_healthy_80(site):
    """Two VDAs register with a controller by HTTP on TCP 80: each asks DNS for its name and Kerberos for a ticket, posts to
    IRegistrar, is answered 200, and the controller calls back on the VDA's TCP 80. Twice, five minutes apart, each VDA posts
    again. A client has a session on both VDAs. All healthy."""
    made = Domain(site, 1)
    made.serves_plain()
    with site.watch(made.switch, "lan"):
        for vda in (made.vda, made.other):
            made.registers(vda)
        made.sessions()
        for _ in range(2):
            site.pass_time(299)
            for vda in (made.vda, made.other):
                made.posts(vda)
    return Expected(0, made.told, [], [])


@scene("registration-healthy-443")
def registration_healthy_443(site):
    """A VDA registers with a controller over TLS on TCP 443 and keeps the connection: TLS 1.2 with the controller's
    certificate, a message every five minutes for a quarter of an hour. There is no callback on TCP 80, and none is needed then
    (facts REG-05). A client has a session on both VDAs. All healthy."""
    made = Domain(site, 2)
    site.serve(made.controller, 443, story_talk.tls_host(issued(site, CONTROLLER)), callers=9)

    def between():
        beats.set()
        go.wait(20)
        go.clear()

    beats, go = threading.Event(), threading.Event()
    with site.watch(made.switch, "lan"):
        made.finds(made.vda)
        line = site.dial(made.vda, made.controller, 443)
        registered = site.start(story_talk.tls_guest(CONTROLLER, requests=4, between=between), line)
        beats.wait(20)
        made.told.append(secured(made.vda, made.controller))
        made.sessions()
        for _ in range(3):
            beats.wait(20)
            beats.clear()
            site.pass_time(299)
            go.set()
        registered.join(20)
        line.shutdown(socket.SHUT_WR)
        while line.recv(65536):
            pass
        line.close()
    return Expected(0, made.told, [], [])


@scene("registration-blocked-80")
def registration_blocked_80(site):
    """The controller's packet filter drops TCP 80 from one VDA, which has found the controller's name and got its ticket. It
    tries twice. Another VDA registers with the same controller in the same minute, with its callback. A client has a session on
    both VDAs."""
    made = Domain(site, 3)
    made.serves_plain()
    made.controller.filter(f"ip saddr {made.vda.address} tcp dport 80 drop")
    with site.watch(made.switch, "lan"):
        made.registers(made.other)
        made.sessions()
        made.finds(made.vda)
        made.tries(made.vda, made.controller)
    return Expected(1, made.told, [
        found("blocked.silent", "warning", made.vda, made.controller, "tcp", 80, flows=2),
        story("error", made.vda, made.controller),
    ], [problem("stopped", "error", [made.vda], [made.controller], "tcp", 80)])


@scene("registration-tls-alert")
def registration_tls_alert(site):
    """The controller's certificate comes from an authority that one VDA does not know: it ends the handshake with the TLS alert
    unknown CA (48), in the clear because both speak TLS 1.2, and tries again after eight seconds. Another VDA knows it and
    keeps its connection to TCP 443. A third machine, StoreFront, asks the controller's XML service on TCP 80. A client has a
    session on both VDAs."""
    made = Domain(site, 4)
    made.serves_plain()
    storefront = site.host("storefront", "10.81.4.6/24", on=made.switch)
    site.serve(made.controller, 443, story_talk.tls_host(issued(site, CONTROLLER)), callers=9)
    with site.watch(made.switch, "lan"):
        site.call(storefront, made.controller, 80, asks(posted(XML, CONTROLLER, XML_BODY)))
        made.told.append(web(storefront, made.controller))
        made.finds(made.other)
        site.call(made.other, made.controller, 443, story_talk.tls_guest(CONTROLLER))
        made.told.append(secured(made.other, made.controller))
        made.sessions()
        made.finds(made.vda)
        for number in range(2):
            if number:
                site.pass_time(8)
            site.call(made.vda, made.controller, 443, story_talk.tls_guest(CONTROLLER, trusts=False, alert="CERTIFICATE_VERIFY_FAILED"))
        made.told.append(secured(made.vda, made.controller, count=2))
    return Expected(1, made.told, [
        Found("tls.alert", "error", made.vda.address, made.controller.address, "tcp", 443),
    ], [problem("single", "error", [made.vda], [made.controller], "tcp", 443)])


@scene("registration-unknown-name")
def registration_unknown_name(site):
    """One VDA asks a name server that does not know the controller's name: no such name (RCODE 3), three times, eight seconds
    apart, and nothing follows. Another VDA asks another name server, is told the address, and registers with its callback. A
    client has a session on both VDAs."""
    made = Domain(site, 5, names=False)
    made.serves_plain()
    with site.watch(made.switch, "lan"):
        made.registers(made.other)
        made.sessions()
        for number in range(3):
            if number:
                site.pass_time(8)
            story_talk.asks_name(made.vda.udp(), made.second, CONTROLLER)
        made.told.append(generic("udp", made.vda, made.second, 53, "answered", "SF", heard="dns", count=3))
        time.sleep(0.3)
        site.pass_time(40)
        made.posts(made.other)
    return Expected(1, made.told, [story("error", made.vda, made.second)],
                    [problem("stopped", "error", [made.vda], [made.second])])


@scene("registration-clock-skew")
def registration_clock_skew(site):
    """The clock of one VDA is 17 minutes slow. Kerberos answers its wish for a ticket to the controller with error 37, clock
    skew, three times, eight seconds apart, and no registration follows. Another VDA gets its ticket and registers with its
    callback. A client has a session on both VDAs."""
    made = Domain(site, 6, skewed=True)
    made.serves_plain()
    with site.watch(made.switch, "lan"):
        made.registers(made.other)
        made.sessions()
        made.finds(made.vda)
        for _ in range(2):
            site.pass_time(8)
            made.ticket(made.vda)
        site.pass_time(40)
        made.posts(made.other)
    return Expected(1, made.told, [story("error", made.vda, made.dc)],
                    [problem("stopped", "error", [made.vda], [made.dc])])


@scene("registration-no-callback")
def registration_no_callback(site):
    """One VDA posts its registration to the controller on TCP 80 and is answered 200, but its packet filter drops what the
    controller opens to its TCP 80, twice. Another VDA registers with its callback. A client has a session on both VDAs."""
    made = Domain(site, 7)
    made.serves_plain()
    made.vda.filter("tcp dport 80 drop")
    with site.watch(made.switch, "lan"):
        made.registers(made.other)
        made.sessions()
        made.finds(made.vda)
        made.posts(made.vda)
        made.tries(made.controller, made.vda)
    return Expected(1, made.told, [
        found("blocked.silent", "warning", made.controller, made.vda, "tcp", 80, flows=2),
        Found("service.stopped", "error"),
    ], [problem("stopped", "error", [made.controller], [made.vda], "tcp", 80)])


# Tickets (facts STA-01) and the XML service (facts XML-01)


class Gateway:
    """A Gateway with a virtual and a subnet address, StoreFront and a user on one side of a firewall; on the other two VDAs and
    two controllers whose XML service and ticket authority answer on TCP 80."""

    def __init__(self, site, net, authority=True):
        self.site = site
        self.switch, self.back = site.switch("dmz"), site.switch("back")
        self.core = site.router("core")
        site.leg(self.core, "eth0", self.switch, f"10.81.{net}.1/24")
        site.leg(self.core, "eth1", self.back, f"10.81.{net + 100}.1/24")
        gate = site.settle("gateway", f"10.81.{net}.10/24", f"10.81.{net}.11/24", on=self.switch, via=f"10.81.{net}.1")
        gate.set("net.ipv4.tcp_syn_linear_timeouts", 0)
        self.virtual, self.subnet = gate.seats
        self.user = site.settle("user", f"10.81.{net}.99/24", on=self.switch, via=f"10.81.{net}.1")
        self.storefront = site.settle("storefront", f"10.81.{net}.6/24", on=self.switch, via=f"10.81.{net}.1")
        self.first, self.second, self.vda, self.other = (
            site.settle(name, f"10.81.{net + 100}.{number}/24", on=self.back, via=f"10.81.{net + 100}.1")
            for name, number in (("ddc01", 4), ("ddc02", 5), ("vda01", 21), ("vda02", 22)))
        self.storefront.set("net.ipv4.tcp_syn_linear_timeouts", 0)
        self.files = issued(site, "gateway.example")
        site.serve(gate, 443, story_talk.tls_host(self.files), callers=9, address=self.virtual.address)
        for server in (self.first, self.second) if authority else (self.first,):
            site.serve(server, 80, story_talk.answers(size=400), callers=99)
        for vda in (self.vda, self.other):
            site.serve(vda, 2598, talk.cgp_server, callers=9)
        self.told = []

    def fetches(self, server, path, body):
        """StoreFront asks a controller."""
        self.site.call(self.storefront, server, 80, asks(posted(path, f"{server.name}.example", body)))
        self.told.append(web(self.storefront, server))

    def redeems(self, server):
        """The Gateway redeems a ticket."""
        self.site.call(self.subnet, server, 80, asks(posted(STA, f"{server.name}.example", STA_BODY)))
        self.told.append(web(self.subnet, server))

    def session(self, vda):
        self.site.call(self.subnet, vda, 2598, talk.cgp_client, **SHORT)
        self.told.append(cgp(self.subnet, vda))

    def logon(self):
        """The user at the virtual address."""
        self.site.call(self.user, self.virtual, 443, story_talk.tls_guest("gateway.example"))
        self.told.append(secured(self.user, self.virtual))

    def launch(self, server, vda):
        """A whole launch that works."""
        self.fetches(server, XML, XML_BODY)
        self.fetches(server, STA, STA_BODY)
        self.logon()
        self.redeems(server)
        self.session(vda)

    def tries(self, client, server, *ports):
        for port in ports:
            self.site.knock(client, server, port, "timeout", seconds=GIVES_UP)
            told = unanswered(client, server, port) if port in (80, 443) else blocked(client, server, port, "silent", "S0")
            self.told.append(told)


@scene("sta-blocked")
def sta_blocked(site):
    """Two ticket authorities on two controllers. A firewall drops what comes from the Gateway's subnet address to the second,
    on TCP 80 and 443. StoreFront, beside the Gateway, gets tickets from both. A launch whose ticket is of the first works; one
    whose ticket is of the second does not: the Gateway tries TCP 80 and then TCP 443 there, and opens nothing to a VDA.
    Captured between the Gateway and the firewall."""
    made = Gateway(site, 8)
    made.core.filter(f"ip saddr {made.subnet.address} ip daddr {made.second.address} tcp dport {{ 80, 443 }} drop", hook="forward")
    with site.watch(made.switch, "lan"):
        made.launch(made.first, made.vda)
        site.pass_time(60)
        made.fetches(made.second, XML, XML_BODY)
        made.fetches(made.second, STA, STA_BODY)
        made.logon()
        made.tries(made.subnet, made.second, 80, 443)
    return Expected(1, made.told, [
        found("blocked.silent", "warning", made.subnet, made.second, "tcp", 80, flows=1),
        found("blocked.silent", "warning", made.subnet, made.second, "tcp", 443, flows=1),
        story("error", made.subnet, made.second),
    ], [problem("stopped", "error", [made.subnet], [made.second])])


@scene("xml-blocked")
def xml_blocked(site):
    """StoreFront asks the XML service of the second controller and gets no answer, because that controller's packet filter
    drops TCP 80 from it; it asks the first, which answers. A minute later the same. A VDA registers with the second controller,
    and is called back by it. Captured in the network of the controllers."""
    made = Gateway(site, 9)
    made.second.filter(f"ip saddr {made.storefront.address} tcp dport 80 drop")
    site.serve(made.vda, 80, story_talk.answers(size=200), callers=9)
    with site.watch(made.back, "lan"):
        site.call(made.vda, made.second, 80, asks(posted(REGISTRAR, "ddc02.example", envelope(900, 1), SOAP)))
        made.told.append(web(made.vda, made.second))
        site.call(made.second, made.vda, 80, asks(posted("/Citrix/VirtualDesktopAgent", "vda01.example", envelope(400, 2), SOAP)))
        made.told.append(web(made.second, made.vda))
        for number in range(2):
            if number:
                site.pass_time(60)
            made.tries(made.storefront, made.second, 80)
            made.fetches(made.first, XML, XML_BODY)
    return Expected(0, made.told, [
        found("blocked.silent", "warning", made.storefront, made.second, "tcp", 80, flows=2),
        found("service.detour", "warning", made.storefront, made.second),
    ], [problem("detour", "warning", [made.storefront], [made.second], "tcp", 80)])


@scene("plain-to-tls")
def plain_to_tls(site):
    """A Gateway is told to ask the ticket authority by HTTP on TCP 443, where the controller speaks TLS: the POST is answered
    by the TLS alert 70 (protocol version) and the end. Twice. On TCP 80 the same controller gives tickets to StoreFront. (The
    alert is the stand-in's: some servers answer with it, some with a page of HTTP, some with a reset.)"""
    made = Gateway(site, 10)
    site.serve(made.first, 443, story_talk.takes_plain_for_tls, callers=9)
    with site.watch(made.back, "lan"):
        made.fetches(made.first, XML, XML_BODY)
        made.fetches(made.first, STA, STA_BODY)
        for number in range(2):
            if number:
                site.pass_time(20)
            site.call(made.subnet, made.first, 443, asks(posted(STA, "ddc01.example", STA_BODY)))
        made.told.append(Told("tcp", made.subnet.address, made.first.address, 443, "established", "SF", says_heard=False, count=2))
    return Expected(1, made.told, [Found("tls.mismatch", "error", made.subnet.address, made.first.address, "tcp", 443)],
                    [problem("single", "error", [made.subnet], [made.first], "tcp", 443)])


@scene("tls-to-plain")
def tls_to_plain(site):
    """A Gateway is told to ask the ticket authority by HTTPS on TCP 80, where the controller speaks HTTP: the hello of TLS is
    answered with HTTP 400. Twice. StoreFront gets its tickets from the same port by HTTP."""
    made = Gateway(site, 11, authority=False)
    site.serve(made.second, 80, takes_both, callers=9)
    with site.watch(made.back, "lan"):
        made.fetches(made.second, XML, XML_BODY)
        made.fetches(made.second, STA, STA_BODY)
        for number in range(2):
            if number:
                site.pass_time(20)
            site.call(made.subnet, made.second, 80, story_talk.tls_guest("ddc02.example", alert="WRONG_VERSION_NUMBER"))
        made.told.append(Told("tcp", made.subnet.address, made.second.address, 80, "established", "SF", says_heard=False, count=2))
    return Expected(1, made.told, [Found("tls.mismatch", "error", made.subnet.address, made.second.address, "tcp", 80)],
                    [problem("single", "error", [made.subnet], [made.second], "tcp", 80)])


def takes_both(connection):
    """HTTP, and 400 to those who speak TLS."""
    if connection.recv(1, socket.MSG_PEEK) == b"\x16":
        story_talk.takes_tls_for_plain(connection)
    else:
        story_talk.answers(size=400)(connection)


@scene("gateway-vda-blocked")
def gateway_vda_blocked(site):
    """Logon, ticket and all before it work, but the firewall between the Gateway and the VDAs drops TCP 2598 and TCP 1494 to
    one of them: the Gateway redeems the ticket, tries both ports, and the user gets nothing. Another user's session with
    another VDA works in the same minute. Captured between Gateway and firewall."""
    made = Gateway(site, 12)
    made.core.filter(f"ip daddr {made.vda.address} tcp dport {{ 1494, 2598 }} drop", hook="forward")
    with site.watch(made.switch, "lan"):
        made.launch(made.first, made.other)
        made.fetches(made.first, XML, XML_BODY)
        made.fetches(made.first, STA, STA_BODY)
        made.logon()
        made.redeems(made.first)
        made.tries(made.subnet, made.vda, 2598, 1494)
    return Expected(1, made.told, [
        found("blocked.silent", "error", made.subnet, made.vda, "tcp", 1494, "ica", 1),
        found("blocked.silent", "error", made.subnet, made.vda, "tcp", 2598, "cgp", 1),
        found("launch.failed", "error", made.subnet, made.vda, flows=2),
        story("error", made.subnet, made.vda),
    ], [problem("stopped", "error", [made.subnet], [made.vda])])


# TLS and DTLS


LICENSING = (27000, 7279)


def guest_and_hosts(site, net):
    switch = site.switch()
    names = (("vda01", 21), ("licences", 4), ("gateway", 31), ("cloud", 32))
    return switch, [site.host(name, f"10.81.{net}.{number}/24", on=switch) for name, number in names]


@scene("tls-handshake-failure")
def tls_handshake_failure(site):
    """Two servers that end the handshake right after the hello. One with a name under nssvc.net has no cipher suite in common
    with the VDA: alert 40, handshake failure. Another, whose name says nothing, wants TLS 1.3 and the client offers 1.2: alert
    70, protocol version. Each is tried twice."""
    switch, (vda, _, gateway, cloud) = guest_and_hosts(site, 13)
    site.serve(cloud, 443, story_talk.tls_host(issued(site, CLOUD_GATEWAY), ciphers="ECDHE-RSA-AES256-GCM-SHA384"), callers=2)
    site.serve(gateway, 443, story_talk.tls_host(issued(site, "gateway.example"), TLS13, TLS13), callers=2)
    with site.watch(switch, "lan"):
        for number in range(2):
            if number:
                site.pass_time(20)
            site.call(vda, cloud, 443, story_talk.tls_guest(CLOUD_GATEWAY, ciphers="ECDHE-RSA-AES128-GCM-SHA256",
                                                         alert="HANDSHAKE_FAILURE"))
            site.call(vda, gateway, 443, story_talk.tls_guest("gateway.example", alert="ALERT_PROTOCOL_VERSION"))
    return Expected(1, [secured(vda, cloud, count=2), secured(vda, gateway, count=2)], [
        Found("tls.alert", "error", vda.address, cloud.address, "tcp", 443),
        Found("tls.alert", "info", vda.address, gateway.address, "tcp", 443),
    ], [problem("single", "error", [vda], [cloud], "tcp", 443), problem("single", "info", [vda], [gateway], "tcp", 443)])


@scene("tls-old")
def tls_old(site):
    """TLS 1.0 to the licence server on TCP 8083, and TLS 1.1 to a web server on TCP 443. Both work. The VDA also asks the licence
    server on TCP 27000 and 7279."""
    switch, (vda, licences, gateway, _) = guest_and_hosts(site, 14)
    site.serve(licences, 8083, story_talk.tls_host(issued(site, "licences.example"), TLS10, TLS10))
    for port in LICENSING:
        site.serve(licences, port, talk.licence_server)
    site.serve(gateway, 443, story_talk.tls_host(issued(site, "web.example"), TLS11, TLS11))
    with site.watch(switch, "lan"):
        for port in LICENSING:
            site.call(vda, licences, port, talk.licence_client)
        site.call(vda, licences, 8083, story_talk.tls_guest("licences.example", TLS10, TLS12))
        site.call(vda, gateway, 443, story_talk.tls_guest("web.example", TLS10, TLS12))
    licensing = [Told("tcp", vda.address, licences.address, port, "established", "SF", "expected", service="licensing",
                      says_heard=False) for port in LICENSING]
    return Expected(0, [*licensing, secured(vda, licences, 8083), secured(vda, gateway)],
                    [Found("encryption.old-tls", "info")], [problem("encryption", "info", [], [licences])])


@scene("tls-13")
def tls_13(site):
    """TLS 1.3 to the licence server on TCP 8083, to a Gateway with a name under nssvc.net, and to a web server. All healthy."""
    switch, (vda, licences, gateway, cloud) = guest_and_hosts(site, 15)
    hosts = ((licences, 8083, "licences.example"), (cloud, 443, CLOUD_GATEWAY), (gateway, 443, "web.example"))
    for host, port, name in hosts:
        site.serve(host, port, story_talk.tls_host(issued(site, name), TLS13, TLS13))
    with site.watch(switch, "lan"):
        for host, port, name in hosts:
            site.call(vda, host, port, story_talk.tls_guest(name, TLS12, TLS13))
    return Expected(0, [secured(vda, host, port) for host, port, _ in hosts], [], [])


@scene("tls-hello-unanswered")
def tls_hello_unanswered(site):
    """A server with a name under nssvc.net takes the connection on TCP 443 and acknowledges the hello of TLS, and never says
    anything, as a device does that inspects and drops. The VDA gives up after thirty seconds, most of which were moved, and
    tries a second time. A licence server answers the same VDA's hello on TCP 8083."""
    switch, (vda, licences, _, cloud) = guest_and_hosts(site, 16)
    over = threading.Event()
    site.serve(cloud, 443, story_talk.hears_and_says_nothing(over), callers=2)
    site.serve(licences, 8083, story_talk.tls_host(issued(site, "licences.example")))

    def hello(connection):
        connection.settimeout(2.0)
        story_talk.tls_guest(CLOUD_GATEWAY, alert="timed out")(connection)
        site.pass_time(28)

    with site.watch(switch, "lan"):
        site.call(vda, licences, 8083, story_talk.tls_guest("licences.example"))
        for _ in range(2):
            site.call(vda, cloud, 443, hello)
    over.set()
    return Expected(1, [secured(vda, licences, 8083), secured(vda, cloud, count=2)],
                    [Found("tls.unanswered", "error", vda.address, cloud.address, "tcp", 443)],
                    [problem("single", "error", [vda], [cloud], "tcp", 443)])


@scene("dtls-alert")
def dtls_alert(site):
    """A Gateway with a name under nssvc.net. DTLS on UDP 443 comes as far as the second hello, the one with the cookie, which
    is answered by the alert 40, handshake failure. TLS on TCP 443, begun half a second later, works and carries the session.
    After five minutes the client tries DTLS again, in vain."""
    client, gateway = site.pair("10.81.17.11/24", "10.81.17.31/24")
    site.serve(gateway, 443, story_talk.tls_host(issued(site, CLOUD_GATEWAY)))
    site.serve_udp(gateway, 443, story_talk.dtls_refuses(40))
    beats = threading.Event()

    def between():
        if not beats.is_set():
            beats.set()
            site.pass_time(299)
            story_talk.dtls_tries(client.udp(), gateway, CLOUD_GATEWAY)

    with site.watch(gateway):
        story_talk.dtls_tries(client.udp(), gateway, CLOUD_GATEWAY)
        time.sleep(0.5)
        site.call(client, gateway, 443, story_talk.tls_guest(CLOUD_GATEWAY, requests=3, between=between))
    dtls = Told("udp", client.address, gateway.address, 443, "answered", "SF", heard="dtls", direction=None, count=2)
    return Expected(1, [dtls, secured(client, gateway)],
                    [Found("tls.alert", "error", client.address, gateway.address, "udp", 443)],
                    [problem("single", "error", [client], [gateway], "udp", 443)])


# What anybody on the way can read


@scene("not-encrypted")
def not_encrypted(site):
    """Everything works and nothing is encrypted: two appliances synchronise (TCP 3010) and exchange metrics (TCP 3011), and one of them
    has a session with a VDA for a user outside, and binds to a directory with a name and a password on TCP 389. A client asks for
    a store on TCP 80, the VDA asks the broker of Session Recording on TCP 80, and a browser asks the App Layering appliance on
    TCP 3012. What the appliances say to each other is filler: their formats are not public."""
    switch = site.switch()
    client, adc, peer, vda, store, recorder, layering, dc = (
        site.host(name, f"10.81.18.{number}/24", on=switch)
        for name, number in (("client", 11), ("adc01", 31), ("adc02", 32), ("vda01", 21), ("storefront", 7), ("recording", 8),
                             ("layering", 9), ("dc", 2)))
    site.serve(vda, 2598, talk.cgp_server)
    for port in (3010, 3011):
        site.serve(peer, port, talk.parrot)
    asked = ((client, store, 80, "/Citrix/StoreWeb/"), (vda, recorder, 80, "/SessionRecordingBroker/RecordPolicy"),
             (client, layering, 3012, "/UDM"))
    for _, host, port, _ in asked:
        site.serve(host, port, story_talk.answers())
    site.serve(dc, 389, story_talk.takes(service_talk.LDAP_PASSWORD, service_talk.LDAP_WELCOME))
    with site.watch(switch, "lan"):
        for port in (3010, 3011):
            site.call(adc, peer, port, talk.parrot_client)
        site.call(adc, vda, 2598, talk.cgp_client, **SHORT)
        site.call(adc, dc, 389, story_talk.says(service_talk.LDAP_PASSWORD, service_talk.LDAP_WELCOME))
        for asker, host, port, path in asked:
            site.call(asker, host, port, asks(posted(path, f"{host.name}.example", "")))
    flows = [Told("tcp", adc.address, peer.address, port, "established", "SF", says_heard=False) for port in (3010, 3011)]
    flows += [cgp(adc, vda), Told("tcp", adc.address, dc.address, 389, "established", "SF", heard="ldap")]
    flows += [web(asker, host, port) for asker, host, port, _ in asked]

    def readable(what, host, service):
        return Found(f"encryption.plain-{what}", "info", servers=[host.address], service=service)

    return Expected(0, flows, [
        readable("adc-sync", peer, "adc-ha"), readable("adc-sync", peer, "adc-mep"), readable("ldap", dc, "ldap"),
        readable("layering", layering, "app-layering-connector"),
    ], [])
