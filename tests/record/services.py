"""Scenes of Citrix services, whole and stopped at one step: Provisioning, licensing, the HTML5 client, Session Recording, sound,
logon.

As in `scenes.py`, which holds what is shared; `service_talk.py` holds what is said. Minutes are moved, not waited for.
"""

import contextlib
import select
import socket
import struct
import threading
import time

import service_talk as words
import talk
from expect import Expected, Found, Problem, Told
from network import Seat
from scenes import blocked, certificate, cgp, found, problem, scene
from sites import found_all

NUMBER = 0x5E100001  # the transaction of a boot
GIVES_UP = 21  # seconds: SYNs of Windows at 0, 1, 3, 7 and 15 s
FILE = b"ardbp32.bin"


# Provisioning


class Farm:
    """A target without an address yet, a DHCP server, Provisioning servers, and a second target that runs."""

    def __init__(self, site, net, servers=1):
        self.site = site
        self.net = f"10.81.{net}"
        self.switch = site.switch()
        self.target = site.host("target", on=self.switch)
        self.dhcp = site.host("dhcp", f"{self.net}.2/24", on=self.switch)
        self.pvs = [site.host(f"pvs{one}", f"{self.net}.{30 + one}/24", on=self.switch) for one in range(1, servers + 1)]
        self.running = site.host("running", f"{self.net}.12/24", on=self.switch)
        self.hardware = bytes.fromhex(self.target.run("cat", "/sys/class/net/eth0/address").strip().replace(":", ""))
        self.bootp = self.broadcasting(self.target, 68)
        self.lines = []

    def broadcasting(self, host, port):
        """A socket that hears and sends broadcasts, also where there is no address yet."""
        made = host.socket(socket.SOCK_DGRAM, port, words.NOBODY)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        return made

    def answers_broadcasts(self, host, answer):
        made = self.broadcasting(host, 67)

        def listen():
            while not self.site.over.is_set():
                if select.select([made], [], [], 0.1)[0]:
                    for reply in answer(made.recv(2048)):
                        made.sendto(reply, (words.EVERYBODY, 68))

        self.site.start(listen)

    def lease(self, boot=None, proxy=False, uefi=False):
        """The target gets an address. `boot` is the file that the DHCP server names; with `proxy`, the first Provisioning server
        offers boot information beside it."""
        self.answers_broadcasts(self.dhcp, words.dhcp_server(
            self.dhcp.address, f"{self.net}.11", boot and (self.pvs[0].address, boot)))
        senders = [self.dhcp]
        if proxy:
            self.answers_broadcasts(self.pvs[0], words.pxe_proxy(self.pvs[0].address))
            senders.append(self.pvs[0])
        own = words.dhcp_lease(self.bootp, self.hardware, NUMBER, uefi)
        self.target.give(f"{own}/24")
        self.lines.append(bootp(words.NOBODY))
        self.lines += [Told("udp", one.address, words.EVERYBODY, 68, None, None, says_heard=False, direction=None,
                            ends_open=True) for one in senders]

    def boot_file(self, name=FILE):
        """The target reads the boot file by TFTP, from two new ports of the first server."""
        server, ports = self.pvs[0], (40069, 40070)
        self.site.start(words.tftp_sizes_and_sends, server.udp(69), *[server.udp(port) for port in ports],
                        talk.filler(3300, 69))
        words.tftp_boot(self.target.udp(), self.target.udp(), server, name)
        self.lines.append(tftp(self.target, server, count=2))
        self.lines += [Told("udp", self.target.address, server.address, port, "answered", "SF", says_heard=False,
                            server_first=True, ends_open=True) for port in ports]

    def login(self, server, times=2):
        self.site.serve_udp(server, 6910, talk.pvs_server("login", 96, 1))
        talk.pvs_client(self.target.udp(), server, 6910, "login", times, 1)
        self.lines.append(streaming(self.target, server, 6910, service="pvs-login"))

    def stream(self, server, port, requests, host=None, own_port=None, **named):
        """Requests of the target, or of another host, for its disk. Gives how many were repeated. Where the target's own port is
        one of Provisioning, what told who is the client is left open."""
        host = host or self.target
        self.site.serve_udp(server, port, words.pvs_sender(40))
        repeats = words.pvs_stream(host.udp(own_port or 0), server, port, requests, **named)
        self.lines.append(streaming(host, server, port, direction=None if own_port else "port_map"))
        return repeats

    def another_runs(self):
        """The other target has its disk from the last server."""
        self.stream(self.pvs[-1], 6920, 12, self.running, pause=0.02)


def bootp(client, server=words.EVERYBODY, port=67):
    return Told("udp", client, server, port, None, None, says_heard=False, direction=None)


def tftp(client, server, outcome="answered", count=1):
    """Requests to UDP 69: whatever is answered comes from another port."""
    return Told("udp", client.address, server.address, 69, outcome, "S0", says_heard=False, direction=None, count=count)


def streaming(client, server, port, outcome="answered", state="SF", service="pvs-stream", direction="port_map"):
    return Told("udp", client.address, server.address, port, outcome, state, "expected", service=service,
                says_heard=False, direction=direction)


def stopped(severity, clients, servers, protocol=None, port=None, service=None, **says):
    """A story stops at a phase. Clients and servers that are not certain are left out (None)."""
    return Found("service.stopped", severity, clients and clients[0].address, servers and servers[0].address, protocol, port,
                 service, None, [one.address for one in clients or ()], [one.address for one in servers or ()], says)


def no_boot(severity, clients, servers, phase, done, port=None, service=None, **says):
    """The start of a target device stops at a phase, after those of `done`."""
    return stopped(severity, clients, servers, "udp", port, service, story="pvs-boot", phase=phase, done=done, **says)


@scene("provisioning-healthy")
def provisioning_healthy(site):
    """A target device starts from Provisioning, and all is well. DHCP gives it an address and no boot file; the PXE service beside
    it says that it is there, and names ardbp32.bin on UDP 4011. The network card asks for the size of that file, breaks the
    transfer off with error 0, as they do, and asks again for the file in large blocks, which come from another port. Then
    the login on UDP 6910, and 240 requests on UDP 6911 from port 6901 of the target, which server logs name; each is
    answered once, none is repeated. Verdicts of DHCP, PXE and TFTP are left open."""
    farm = Farm(site, 1)
    pvs = farm.pvs[0]
    with site.watch(farm.switch, "lan"):
        farm.lease(proxy=True)
        site.serve_udp(pvs, 4011, words.pxe_server(pvs.address, FILE))
        asking = farm.bootp
        asking.sendto(words.pxe_question(farm.target.address, farm.hardware, NUMBER), (pvs.address, 4011))
        asking.recv(2048)
        farm.lines.append(Told("udp", farm.target.address, pvs.address, 4011, "answered", "SF", says_heard=False,
                               direction=None))
        time.sleep(0.1)
        farm.boot_file()
        time.sleep(0.2)
        farm.login(pvs)
        farm.stream(pvs, 6911, 240, own_port=6901)
    return Expected(0, farm.lines, [], [])


@scene("provisioning-no-boot-file")
def provisioning_no_boot_file(site):
    """DHCP gives the target device an address and no boot file. The PXE service of the Provisioning server says that it is there,
    but its UDP 4011 is closed by a packet filter: the target asks after 0, 1, 3 and 6 s and hears nothing. Another target has
    its disk from the same server."""
    farm = Farm(site, 3)
    pvs = farm.pvs[0]
    pvs.filter("udp dport 4011 drop")
    with site.watch(farm.switch, "lan"):
        farm.lease(proxy=True)
        question = words.pxe_question(farm.target.address, farm.hardware, NUMBER)
        for pause in (1, 2, 3, 4):
            farm.bootp.sendto(question, (pvs.address, 4011))
            time.sleep(pause)
        farm.lines.append(Told("udp", farm.target.address, pvs.address, 4011, "silent", "S0", says_heard=False,
                               direction=None))
        farm.another_runs()
    return Expected(1, farm.lines, [
        found("blocked.silent", "warning", farm.target, pvs, "udp", 4011, flows=1),
        no_boot("error", [farm.target], [pvs], "pxe", ["dhcp"], 4011, how="silent"),
    ], [problem("stopped", "error", [farm.target], [pvs], "udp", 4011, 1)])


@scene("provisioning-no-tftp")
def provisioning_no_tftp(site):
    """DHCP gives the target device an address and names pvsnbpx64.efi on the Provisioning server. The target asks for it by TFTP
    after 0, 1, 3 and 7 s; the packet filter of the server drops UDP 69. Another target has its disk from the same server."""
    farm = Farm(site, 4)
    pvs = farm.pvs[0]
    pvs.filter("udp dport 69 drop")
    with site.watch(farm.switch, "lan"):
        farm.lease(boot=b"pvsnbpx64.efi", uefi=True)
        made = farm.target.udp()
        for pause in (1, 2, 4, 2):
            made.sendto(words.tftp_request(b"pvsnbpx64.efi", tsize=0, blksize=1468), (pvs.address, 69))
            time.sleep(pause)
        farm.lines.append(tftp(farm.target, pvs, "silent"))
        farm.another_runs()
    return Expected(1, farm.lines, [
        found("blocked.silent", "warning", farm.target, pvs, "udp", 69, flows=1),
        no_boot("error", [farm.target], [pvs], "tftp", ["dhcp"], 69, how="silent"),
    ], [problem("stopped", "error", [farm.target], [pvs], "udp", 69, 1)])


@scene("provisioning-tftp-error")
def provisioning_tftp_error(site):
    """DHCP gives the target device an address and names ardbp32.bin. The TFTP server answers the request for it with error 1,
    file not found, from another port; so once more after the next start."""
    farm = Farm(site, 5)
    pvs = farm.pvs[0]
    well_known, fresh = pvs.udp(69), [pvs.udp(port) for port in (40069, 40070)]

    def refuse():
        for one in fresh:
            _, sender = well_known.recvfrom(2048)
            one.sendto(words.tftp_error(1, b"File not found"), sender)

    with site.watch(farm.switch, "lan"):
        farm.lease(boot=FILE)
        site.start(refuse)
        for _ in fresh:
            made = farm.target.udp()
            made.sendto(words.tftp_request(FILE, tsize=0), (pvs.address, 69))
            made.recv(2048)
            time.sleep(0.5)
        farm.lines.append(tftp(farm.target, pvs, count=2))
        farm.lines += [Told("udp", farm.target.address, pvs.address, port, None, None, says_heard=False, direction=None,
                            server_first=True, ends_open=True) for port in (40069, 40070)]
        farm.another_runs()
    return Expected(1, farm.lines, [no_boot("error", [farm.target], [pvs], "tftp", ["dhcp"], 69, how="error", word="tftp-1")],
                    [problem("stopped", "error", [farm.target], [pvs], "udp", 69)])


@scene("provisioning-tftp-data-blocked")
def provisioning_tftp_data_blocked(site):
    """Captured at the server's switch. DHCP names ardbp32.bin; the server takes the request for it on UDP 69 and sends the first
    block from a new port, which a packet filter in front of the target drops: it allows answers from UDP 69 only. The
    server repeats block 1 after 1, 3 and 7 s; the target asks again after 4 s from a new port, and the same happens."""
    farm = Farm(site, 6)
    pvs = farm.pvs[0]
    well_known, fresh = pvs.udp(69), [pvs.udp(port) for port in (40069, 40070)]
    content = talk.filler(3300, 69)

    def insist(one, sender):
        for pause in (1, 2, 4, 0):
            one.sendto(words.tftp_data(1, content, 512), sender)
            time.sleep(pause)

    def give():
        for one in fresh:
            _, sender = well_known.recvfrom(2048)
            site.start(insist, one, sender)

    with site.watch(farm.switch, "lan"):
        farm.lease(boot=FILE)
        farm.target.filter("udp sport 40000-65535 drop")
        site.start(give)
        for pause in (4, 8):
            farm.target.udp().sendto(words.tftp_request(FILE), (pvs.address, 69))
            time.sleep(pause)
        farm.lines.append(tftp(farm.target, pvs, count=2))
        farm.lines += [Told("udp", farm.target.address, pvs.address, port, None, None, says_heard=False, direction=None,
                            server_first=True, ends_open=True) for port in (40069, 40070)]
        farm.another_runs()
    return Expected(1, farm.lines, [no_boot("error", [farm.target], [pvs], "tftp", ["dhcp"])],
                    [problem("stopped", "error", [farm.target], [pvs])])


@scene("provisioning-no-login")
def provisioning_no_login(site):
    """The target device has its address and its boot file. The boot file asks three servers for a login on UDP 6910, one after the
    other with a second in between, and begins again, three times; each server's packet filter drops it. Another target, which
    started before, has its disk from the third server."""
    farm = Farm(site, 7, servers=3)
    for one in farm.pvs:
        one.filter("udp dport 6910 drop")
    with site.watch(farm.switch, "lan"):
        farm.lease(boot=FILE)
        farm.boot_file()
        time.sleep(0.2)
        made = farm.target.udp()
        for attempt in range(3):
            for one in farm.pvs:
                words.insist(made, one, 6910, talk.pvs_request("login", 88, 0), 1)
        farm.lines += [streaming(farm.target, one, 6910, "silent", "S0", "pvs-login") for one in farm.pvs]
        farm.another_runs()
        time.sleep(2.0)
    return Expected(1, farm.lines, [
        *[found("blocked.silent", "error", farm.target, one, "udp", 6910, "pvs-login", 1) for one in farm.pvs],
        no_boot("error", [farm.target], farm.pvs, "login", ["dhcp", "tftp"], 6910, "pvs-login", how="silent", asked=3),
    ], [problem("stopped", "error", [farm.target], farm.pvs, "udp", 6910, 3)])


@scene("provisioning-service-down")
def provisioning_service_down(site):
    """The target device has its address and its boot file, and asks two servers for a login on UDP 6910, one after the other, three
    times. The stream service runs on neither: each answers with ICMP type 3 code 3 (port unreachable)."""
    farm = Farm(site, 10, servers=2)
    with site.watch(farm.switch, "lan"):
        farm.lease(boot=FILE)
        farm.boot_file()
        time.sleep(0.2)
        made = farm.target.udp()
        for attempt in range(3):
            for one in farm.pvs:
                words.insist(made, one, 6910, talk.pvs_request("login", 88, 0), 1, 1.1)
        farm.lines += [streaming(farm.target, one, 6910, "prohibited", "S0", "pvs-login") for one in farm.pvs]
    return Expected(1, farm.lines, [
        *[found("blocked.prohibited", "error", farm.target, one, "udp", 6910, "pvs-login", 1) for one in farm.pvs],
        no_boot("error", [farm.target], farm.pvs, "login", ["dhcp", "tftp"], 6910, "pvs-login", how="prohibited", asked=2,
                word="nothing-listens"),
    ], [problem("stopped", "error", [farm.target], farm.pvs, "udp", 6910, 2)])


@scene("provisioning-second-server")
def provisioning_second_server(site):
    """The first of two servers that the boot file names is silent on UDP 6910, because its packet filter drops it: the target device asks
    it three times, a second and two seconds apart, and then the second one, which answers. The target starts from there. The first server is a
    fault, and no start was stopped by it."""
    farm = Farm(site, 11, servers=2)
    first, second = farm.pvs
    first.filter("udp dport 6910 drop")
    with site.watch(farm.switch, "lan"):
        farm.lease(boot=FILE)
        farm.boot_file()
        time.sleep(0.2)
        made = farm.target.udp()
        for pause in (1, 2, 2):
            words.insist(made, first, 6910, talk.pvs_request("login", 88, 0), 1, pause)
        farm.lines.append(streaming(farm.target, first, 6910, "silent", "S0", "pvs-login"))
        farm.login(second)
        farm.stream(second, 6911, 60)
    return Expected(0, farm.lines, [
        found("blocked.silent", "warning", farm.target, first, "udp", 6910, "pvs-login", 1),
        detour(farm.target, first, 6910, second, "login", "udp"),
    ], [problem("detour", "warning", [farm.target], [first], "udp", 6910, 1)])


@scene("provisioning-no-stream")
def provisioning_no_stream(site):
    """The target device has its address, its boot file and its login; the server names UDP 6911 for the disk. The target asks there
    five times, a second in between, logs in again, and asks on UDP 6912 five times. A packet filter in front of the server drops
    UDP 6911 to 6930. No other target is seen."""
    farm = Farm(site, 8)
    pvs = farm.pvs[0]
    pvs.filter("udp dport 6911-6930 drop")
    with site.watch(farm.switch, "lan"):
        farm.lease(boot=FILE)
        farm.boot_file()
        time.sleep(0.2)
        site.serve_udp(pvs, 6910, talk.pvs_server("login", 96, 1))
        for port in (6911, 6912):
            talk.pvs_client(farm.target.udp(), pvs, 6910, "login", 2, 1)
            words.insist(farm.target.udp(), pvs, port, talk.pvs_request("object", 24, 0), 5)
            farm.lines += [streaming(farm.target, pvs, 6910, service="pvs-login"),
                           streaming(farm.target, pvs, port, "silent", "S0")]
    return Expected(1, farm.lines, [
        *[found("blocked.silent", "error", farm.target, pvs, "udp", port, "pvs-stream", 1) for port in (6911, 6912)],
        no_boot("error", [farm.target], [pvs], "stream", ["dhcp", "tftp", "login"], 6911, "pvs-stream", how="silent",
                asked=1, ports=[6911, 6912]),
    ], [problem("stopped", "error", [farm.target], [pvs], attempts=2, ports=[("udp", 6911), ("udp", 6912)])])


@scene("provisioning-slow")
def provisioning_slow(site):
    """Captured at the server. A target device works on its disk: 1,000 requests on UDP 6911. The network loses every fiftieth
    request and every hundredth answer; after 150 ms without an answer the target sends the same request again, and each is
    answered in the end. Slow, not down: about 3 of 100 requests are repeated."""
    farm = Farm(site, 9)
    pvs = farm.pvs[0]
    farm.target.give(f"{farm.net}.11/24")
    pvs.filter("udp dport 6911 numgen inc mod 50 == 49 drop")
    farm.target.filter("udp sport 6911 numgen inc mod 100 == 60 drop")
    with site.watch(pvs):
        farm.login(pvs)
        repeats = farm.stream(pvs, 6911, 1000, size=16, pause=0.002, patience=0.15)
    if not 25 <= repeats <= 35:
        raise RuntimeError(f"{repeats} requests were repeated")
    repeated = found("service.repeats", "warning", farm.target, pvs, "udp", 6911, "pvs-stream")
    repeated.says = {"of": 1000}
    return Expected(0, farm.lines, [repeated],
                    [problem("repeats", "warning", [farm.target], [pvs], "udp", 6911)])


# Licensing


def licensing(client, server, port, outcome="established", state="SF"):
    return Told("tcp", client.address, server.address, port, outcome, state, "expected", service="licensing",
                says_heard=False)


def licence_site(site, net):
    """Two VDAs and a licence server that answers on TCP 27000."""
    switch = site.switch()
    vdas = [site.host(f"vda{one}", f"10.81.{net}.{20 + one}/24", on=switch) for one in (1, 2)]
    server = site.host("licences", f"10.81.{net}.4/24", on=switch)
    for one in vdas:
        one.set("net.ipv4.ip_default_ttl", 128)
        one.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    site.serve(server, 27000, talk.licence_server, callers=8)
    return switch, vdas, server


def licence_silent(vdas, server, severity):
    """Each of these VDAs tried TCP 7279 once, and heard nothing."""
    return [found_all("blocked.silent", severity, vdas, server, "tcp", 7279, "licensing", len(vdas)),
            stopped(severity, vdas, [server], "tcp", 7279, "licensing", story="licensing", phase="vendor", done=["manager"],
                    how="silent")]


@scene("licensing-healthy")
def licensing_healthy(site):
    """Two VDAs ask the licence server on TCP 27000 and check a licence out on TCP 7279."""
    switch, vdas, server = licence_site(site, 20)
    site.serve(server, 7279, talk.licence_server, callers=2)
    with site.watch(switch, "lan"):
        for one in vdas:
            site.call(one, server, 27000, talk.licence_client)
            site.call(one, server, 7279, talk.licence_client)
    return Expected(0, [licensing(one, server, port) for one in vdas for port in (27000, 7279)], [], [])


@scene("licensing-half-open")
def licensing_half_open(site):
    """Two VDAs ask the licence server on TCP 27000, which answers, and try TCP 7279, which its packet filter drops: SYNs after 0, 1,
    3, 7 and 15 s, given up after 21 s. Nothing shows that licences are checked out at this site at all: one on the
    License Activation Service does without. A warning."""
    switch, vdas, server = licence_site(site, 21)
    server.filter("tcp dport 7279 drop")
    with site.watch(switch, "lan"):
        for one in vdas:
            site.call(one, server, 27000, talk.licence_client)
        site.together([lambda one=one: site.knock(one, server, 7279, "timeout", seconds=GIVES_UP) for one in vdas])
    flows = [licensing(one, server, 27000) for one in vdas] + [blocked(one, server, 7279, "silent", "S0") for one in vdas]
    return Expected(0, flows, licence_silent(vdas, server, "warning"),
                    [problem("stopped", "warning", vdas, [server], "tcp", 7279, 2)])


@scene("licensing-half-open-legacy")
def licensing_half_open_legacy(site):
    """As `licensing-half-open`, and one of the VDAs is let through to TCP 7279 and checks a licence out there: licences of the old
    kind are in use, and the other VDA cannot get one. An error."""
    switch, vdas, server = licence_site(site, 22)
    server.filter(f"ip saddr {vdas[1].address} tcp dport 7279 drop")
    site.serve(server, 7279, talk.licence_server)
    with site.watch(switch, "lan"):
        for one in vdas:
            site.call(one, server, 27000, talk.licence_client)
        site.call(vdas[0], server, 7279, talk.licence_client)
        site.knock(vdas[1], server, 7279, "timeout", seconds=GIVES_UP)
    flows = [licensing(one, server, 27000) for one in vdas]
    flows += [licensing(vdas[0], server, 7279), blocked(vdas[1], server, 7279, "silent", "S0")]
    return Expected(1, flows, licence_silent(vdas[1:], server, "error"),
                    [problem("stopped", "error", vdas[1:], [server], "tcp", 7279, 1)])


@scene("licensing-cloud-unanswered")
def licensing_cloud_unanswered(site):
    """A licence server opens TLS to las.cloud.com, the License Activation Service. The connection stands, but a filter on the way
    drops the hello: it is sent again and again and never acknowledged. After half a minute the other end, which still waits for
    a first byte, closes the connection. A VDA has asked the same licence server on TCP 27000."""
    switch, vdas, server = licence_site(site, 23)
    cloud = site.host("cloud", "10.81.23.90/24", on=switch)
    cloud.filter("tcp dport 443 ip length > 120 drop")
    gone = threading.Event()
    site.serve(cloud, 443, lambda _: gone.wait(60))
    with site.watch(switch, "lan"):
        site.call(vdas[0], server, 27000, talk.licence_client)
        with site.dial(server, cloud, 443) as connection:
            connection.settimeout(30)
            with contextlib.suppress(TimeoutError):
                talk.tls_client("las.cloud.com")(connection)
            time.sleep(2)
        gone.set()
        time.sleep(1.0)
    unanswered = found("tls.unanswered", "error", server, cloud, "tcp", 443)
    unanswered.says = {"how": "silent", "server_name": "las.cloud.com"}
    return Expected(1, [
        licensing(vdas[0], server, 27000),
        Told("tcp", server.address, cloud.address, 443, None, None, "expected", heard="tls"),
    ], [unanswered], [problem(None, "error", [server], [cloud], "tcp", 443)])


# HTML5 client, Session Recording, sound


@scene("html5-healthy")
def html5_healthy(site):
    """The HTML5 client opens its session to a VDA on TCP 8008 with a wish to go on as WebSocket, which is granted; another client
    has a session on TCP 2598 of the same VDA. The verdict of 8008 is left open."""
    client, other, vda = browsers(site, 30)
    site.serve(vda, 8008, words.websocket_server)
    with site.watch(vda):
        site.call(other, vda, 2598, talk.cgp_client)
        site.call(client, vda, 8008, words.websocket_client)
    return Expected(0, [
        cgp(other, vda),
        Told("tcp", client.address, vda.address, 8008, "established", "SF", says_heard=False),
    ], [], [])


@scene("html5-refused")
def html5_refused(site):
    """The HTML5 client tries TCP 8008 of a VDA, twice, and is refused: the WebSockets policy is off, as it is from the start.
    Another client has a session on TCP 2598 of the same VDA before and after. TCP 8008 is a number of many programs: a
    warning."""
    client, other, vda = browsers(site, 31)
    with site.watch(vda):
        site.call(other, vda, 2598, talk.cgp_client)
        for _ in range(2):
            site.knock(client, vda, 8008, "ECONNREFUSED")
            time.sleep(1.5)
        site.call(other, vda, 2598, talk.cgp_client)
    return Expected(0, [
        cgp(other, vda, count=2),
        Told("tcp", client.address, vda.address, 8008, "refused", "REJ", says_heard=False, count=2),
    ], [
        found("blocked.refused", "warning", client, vda, "tcp", 8008, flows=2),
        stopped("warning", [client], [vda], "tcp", 8008, how="refused"),
    ], [problem("stopped", "warning", [client], [vda], "tcp", 8008, 2)])


def browsers(site, net):
    """A client with a browser, one with the whole program, and a VDA that serves sessions."""
    switch = site.switch()
    client, other, vda = (site.host(name, f"10.81.{net}.{number}/24", on=switch)
                          for name, number in (("browser", 11), ("client", 12), ("vda", 21)))
    site.serve(vda, 2598, talk.cgp_server, callers=2)
    return client, other, vda


@scene("session-recording-blocked")
def session_recording_blocked(site):
    """Two VDAs serve a session each and send what they record to the Session Recording server by message queuing, TCP 1801. A packet
    filter drops that from the second VDA: SYNs after 0, 1, 3, 7 and 15 s, given up after 21 s. Both ask the same server for their
    policy by TLS on TCP 443, and that works. Message queuing is for whatever program, so this is a warning."""
    switch = site.switch()
    client = site.host("client", "10.81.40.11/24", on=switch)
    vdas = [site.host(f"vda{one}", f"10.81.40.{20 + one}/24", on=switch) for one in (1, 2)]
    recorder = site.host("recorder", "10.81.40.41/24", on=switch)
    recorder.filter(f"ip saddr {vdas[1].address} tcp dport 1801 drop")
    vdas[1].set("net.ipv4.tcp_syn_linear_timeouts", 0)
    site.serve(recorder, 443, talk.tls_server(*certificate(site)), callers=2)
    site.serve(recorder, 1801, words.queue_server)
    for one in vdas:
        site.serve(one, 2598, talk.cgp_server)
    with site.watch(switch, "lan"):
        for one in vdas:
            site.call(client, one, 2598, talk.cgp_client, exchanges=3)
            site.call(one, recorder, 443, talk.tls_client("recorder.corp.example"))
        site.call(vdas[0], recorder, 1801, words.queue_client)
        site.knock(vdas[1], recorder, 1801, "timeout", seconds=GIVES_UP)
    flows = [cgp(client, one) for one in vdas]
    flows += [Told("tcp", one.address, recorder.address, 443, "established", "SF", heard="tls") for one in vdas]
    flows += [Told("tcp", vdas[0].address, recorder.address, 1801, "established", "SF", says_heard=False),
              Told("tcp", vdas[1].address, recorder.address, 1801, "silent", "S0", says_heard=False)]
    return Expected(0, flows, [
        found("blocked.silent", "warning", vdas[1], recorder, "tcp", 1801, flows=1),
        stopped("warning", [vdas[1]], [recorder], "tcp", 1801, how="silent"),
    ], [problem("stopped", "warning", [vdas[1]], [recorder], "tcp", 1801, 1)])


@scene("audio-one-way")
def audio_one_way(site):
    """Captured at the VDA. A session on TCP 2598 stands. Before sound moves to UDP, either end tests it: the VDA sends a datagram from
    UDP 16500 and one from 16501 to the same ports of the client every 700 ms, and the client's packet filter drops them; what the
    client sends is dropped by it as well. So datagrams go one way and nothing ever comes back. The session goes on, with its sound
    inside."""
    client, vda = site.pair("10.81.50.11/24", "10.81.50.21/24")
    client.filter("udp dport 16500-16509 drop")
    client.filter("udp dport 16500-16509 drop", hook="output")
    site.serve(vda, 2598, talk.cgp_server)
    with site.watch(vda):
        session = site.start(site.call, client, vda, 2598, talk.cgp_client, exchanges=16, pause=0.4)
        time.sleep(0.3)
        ends = [vda.udp(port) for port in SOUND]
        mine = [client.udp(port) for port in SOUND]
        for number in range(4):
            for one, own, port in zip(ends, mine, SOUND):
                one.sendto(talk.rtp(1000 + number, 0x0B), (client.address, port))
                with contextlib.suppress(PermissionError):  # the filter tells the sender
                    own.sendto(talk.rtp(1500 + number, 0x0A), (vda.address, port))
            time.sleep(0.7)
        session.join(20)
    sound = [Told("udp", vda.address, client.address, port, "unanswered", "S0", "expected", service="audio",
                  says_heard=False, direction=None) for port in SOUND]
    blocked_sound = found("fallback.audio-to-tcp", "warning", client, vda, "udp", 16500, "audio", 2)
    blocked_sound.says = {"sender": "server", "audio_ports": list(SOUND)}
    return Expected(0, [cgp(client, vda), *sound], [blocked_sound],
                    [problem("fallback", "warning", [client], [vda], "udp", 16500, 2)])


SOUND = (16500, 16501)


# Logon


def logon_site(site, net):
    """A client and a VDA on one switch, two domain controllers behind a router, of which the first is switched off. The router says
    nothing of that, as many are told not to."""
    front, back = site.switch("front"), site.switch("back")
    router = site.router()
    site.leg(router, "eth0", front, f"10.81.{net}.1/24")
    site.leg(router, "eth1", back, f"10.81.{100 + net}.1/24")
    router.filter("icmp type destination-unreachable drop", hook="output")
    client, vda = (site.settle(name, f"10.81.{net}.{number}/24", on=front, via=f"10.81.{net}.1")
                   for name, number in (("client", 11), ("vda", 21)))
    controller = site.settle("dc2", f"10.81.{100 + net}.52/24", on=back, via=f"10.81.{100 + net}.1")
    vda.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    return front, client, vda, Seat(router, f"10.81.{100 + net}.51"), controller


@scene("logon-dc-silent")
def logon_dc_silent(site):
    """A user's session on TCP 2598 of a VDA stands and waits, because the VDA looks for a domain controller: it opens Kerberos (TCP 88)
    and LDAP (TCP 389) to the first one, which is switched off, with SYNs after 0, 1, 3, 7 and 15 s, and gives up after
    21 s. The second one answers both at once, and the session goes on. Captured in front of the router to the controllers."""
    switch, client, vda, first, second = logon_site(site, 60)
    ready = threading.Event()
    site.serve(vda, 2598, waiting(ready))
    site.serve(second, 88, words.kerberos_server(), callers=4)
    site.serve(second, 389, words.ldap_server)
    with site.watch(switch, "lan"):
        with site.dial(client, vda, 2598) as session:
            session.settimeout(40)
            talk.cgp_greet(session)
            session.sendall(CGP_LOGON)
            site.together([lambda port=port: site.knock(vda, first, port, "timeout", seconds=GIVES_UP)
                           for port in (88, 389)])
            for part in (words.kerberos_first, words.kerberos_proved, words.kerberos_service(b"ldap", b"dc2.corp.example")):
                site.call(vda, second, 88, part)
            site.call(vda, second, 389, words.ldap_client)
            ready.set()
            talk.receive(session, 408)
            for number in range(4):
                talk.cgp_exchange(session, seed=number)
            session.shutdown(socket.SHUT_WR)
            while session.recv(65536):
                pass
    flows = [cgp(client, vda)]
    flows += [Told("tcp", vda.address, first.address, port, "silent", "S0", says_heard=False) for port in (88, 389)]
    flows += [Told("tcp", vda.address, second.address, 88, "established", "SF", heard="kerberos", count=3),
              Told("tcp", vda.address, second.address, 389, "established", "SF", heard="ldap")]
    return Expected(0, flows, [
        *[found("blocked.silent", "warning", vda, first, "tcp", port, flows=1) for port in (88, 389)],
        *[detour(vda, first, port, second, phase) for port, phase in ((88, "ticket"), (389, "ldap"))],
    ], [problem("host-down", "warning", [vda], [first], attempts=2)])


def detour(client, server, port, instead, phase, protocol="tcp"):
    """The client waits for a server that is silent, and then asks another one."""
    made = found("service.detour", "warning", client, server, protocol, port)
    made.says = {"phase": phase, "instead": [instead.address]}
    return made


CGP_LOGON = struct.pack("!II", 44, 400) + talk.filler(40, 1)


def waiting(ready):
    """A server of sessions that answers the first question when it is ready, and the others at once."""

    def conversation(connection):
        talk.receive(connection, len(talk.CGP_CLIENT))
        connection.sendall(talk.CGP_SERVER)
        talk.receive(connection, len(CGP_LOGON))
        ready.wait(60)
        connection.sendall(struct.pack("!II", 404, 0) + talk.filler(400, 1))
        connection.settimeout(40)
        while (head := talk.receive(connection, 8)) is not None:
            length, answer = struct.unpack("!II", head)
            talk.receive(connection, length - 4)
            connection.sendall(struct.pack("!II", 4 + answer, 0) + talk.filler(answer, answer))

    return conversation


@scene("kerberos-clock-skew")
def kerberos_clock_skew(site):
    """A VDA, which serves a session on TCP 2598, asks a domain controller for a ticket (TCP 88). The controller first wants a proof
    (error 25, which is how each begins), and turns the proof down with error 37: the clocks of the two differ by more than the five
    minutes that are allowed. Three tries. That it serves sessions makes the VDA a Citrix server: an error."""
    switch, client, vda, _, controller = logon_site(site, 61)
    site.serve(vda, 2598, talk.cgp_server)
    site.serve(controller, 88, words.kerberos_server(ahead=1_020), callers=6)
    with site.watch(switch, "lan"):
        site.call(client, vda, 2598, talk.cgp_client, exchanges=3)
        for _ in range(3):
            site.call(vda, controller, 88, words.kerberos_first)
            site.call(vda, controller, 88, words.kerberos_proved)
            time.sleep(0.7)
    return Expected(1, [
        cgp(client, vda),
        Told("tcp", vda.address, controller.address, 88, "established", "SF", heard="kerberos", count=6),
    ], [stopped("error", [vda], [controller], "tcp", 88, how="error", word="kerberos-37")],
        [problem("stopped", "error", [vda], [controller], "tcp", 88)])
