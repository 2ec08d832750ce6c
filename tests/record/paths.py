"""Scenes of what paths and servers look like when they are in the way: packets that are too large, a firewall that forgot, loss, slow
answers.

As in `scenes.py`, which holds what is shared. Minutes are moved, not waited for.
"""

import socket
import struct
import threading
import time

import story_talk
import talk
from expect import Expected, Found, Problem
from scenes import cgp, edt, problem, scene
from stories import web
from story_talk import XML, XML_BODY, asks, posted

# Packets that are too large for the path


NARROW = 1400
CUT = Found("quality.cut-packets", "info")


class Narrow:
    """Clients behind a router whose link to them takes packets of 1,400 bytes, one client on a link of its own without that
    limit, and a VDA behind the router, with links of 1,500 bytes."""

    def __init__(self, site, net):
        self.site = site
        self.front, self.beside, self.back = site.switch("front"), site.switch("beside"), site.switch("back")
        self.router = site.router()
        site.leg(self.router, "eth0", self.front, f"10.81.{net}.1/24")
        site.leg(self.router, "eth1", self.beside, f"10.81.{net + 50}.1/24")
        site.leg(self.router, "eth2", self.back, f"10.81.{net + 100}.1/24")
        self.router.run("ip", "link", "set", "eth0", "mtu", str(NARROW))
        self.hit = [site.settle(f"client{number}", f"10.81.{net}.1{number}/24", on=self.front, via=f"10.81.{net}.1")
                    for number in (1, 2)]
        self.free = site.settle("client3", f"10.81.{net + 50}.13/24", on=self.beside, via=f"10.81.{net + 50}.1")
        self.vda = site.settle("vda01", f"10.81.{net + 100}.21/24", on=self.back, via=f"10.81.{net + 100}.1")
        self.vda.set("net.ipv4.tcp_mtu_probing", 0)
        self.over = threading.Event()

    def watch(self, where):
        """Keeps the first bytes of each packet: the rest is filler."""
        return self.site.watch(where, "lan", snap=128)

    def sessions(self, big, patience):
        """Small exchanges on all sessions, then a screen of so many bytes. The clients behind the narrow link wait so many seconds for
        it in vain, and send a mouse movement every second meanwhile; or they do get it."""
        self.site.serve(self.vda, 2598, talk.cgp_until(self.over), callers=9)
        lines = [self.site.dial(client, self.vda, 2598) for client in (*self.hit, self.free)]
        for line in lines:
            talk.cgp_client(line, exchanges=12, pause=0.05, answer=300)
        for line in lines:
            line.sendall(struct.pack("!II", 4 + 24, big) + talk.filler(24, 5))
        talk.receive(lines[-1], 8 + big)
        for number in range(patience):
            for line in lines[:-1]:
                line.sendall(struct.pack("!II", 4 + 20, 0) + talk.filler(20, number))
            time.sleep(1.0)
        if not patience:
            for line in lines[:-1]:
                talk.receive(line, 8 + big)
        for number in range(3):
            talk.cgp_exchange(lines[-1], 24, 300, number)
        return lines

    def told(self):
        return [cgp(client, self.vda, "S1") for client in (*self.hit, self.free)]


    def vanish(self, watch):
        with watch:
            lines = self.sessions(big=4000, patience=9)
        self.over.set()
        for line in lines:
            line.close()
        return [Found("path.mtu", "error")], [problem("mtu", "error", self.hit, [self.vda], "tcp", 2598)]


@scene("mtu-blackhole-tcp")
def mtu_blackhole_tcp(site):
    """The link from a router to two clients takes packets of 1,400 bytes, and the router drops larger ones and says nothing,
    because its filter drops the ICMP errors. Sessions on TCP 2598 come up and small things work; the first screen of 4,000
    bytes is sent in packets of full size, which are repeated and never acknowledged, while the small rest behind them arrives,
    and the users' mouse movements are acknowledged all the time. A third client, on another link, gets the same screen at once.
    Captured on the VDA's side."""
    made = Narrow(site, 18)
    made.router.filter("icmp type destination-unreachable drop", hook="output")
    findings, problems = made.vanish(site.watch(made.back, "lan"))
    return Expected(1, made.told(), findings, problems)


@scene("mtu-icmp-ignored")
def mtu_icmp_ignored(site):
    """As `mtu-blackhole-tcp`, but the router sends its ICMP errors (type 3 code 4, with the size that fits), and they are in
    the capture; the VDA's own packet filter drops them, so that it learns nothing and repeats packets of full size. Only the
    first 128 bytes of each packet were kept."""
    made = Narrow(site, 19)
    made.vda.filter("icmp type destination-unreachable drop")
    findings, problems = made.vanish(made.watch(made.back))
    return Expected(1, made.told(), [*findings, CUT], problems)


@scene("mtu-icmp-tcp")
def mtu_icmp_tcp(site):
    """The same narrow link, and ICMP errors that arrive: the VDA sends smaller packets at once, and every screen comes. That is
    how it should be."""
    made = Narrow(site, 20)
    with site.watch(made.back, "lan"):
        lines = made.sessions(big=4000, patience=0)
        time.sleep(1.0)
    made.over.set()
    for line in lines:
        line.close()
    return Expected(0, made.told(), [], [])


class Display:
    """EDT from a VDA to clients: small datagrams that are asked for and answered all the time, and screens that are not asked
    for."""

    def __init__(self, made, mode):
        self.made = made
        self.host = made.vda.udp(2598)
        self.host.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, mode)
        self.host.settimeout(0.2)
        self.over = threading.Event()
        made.site.start(self._answers)

    def _answers(self):
        while not self.made.site.over.is_set():
            try:
                datagram, sender = self.host.recvfrom(2048)
            except TimeoutError:
                continue
            for reply in talk.edt_server(datagram):
                self.host.sendto(reply, sender)

    def opens(self, client):
        """A client shakes hands and asks for something small five times a second, until it is over; gives its socket."""
        ends = client.udp()
        ends.connect((self.made.vda.address, 2598))
        ends.send(talk.udt_handshake(1))
        cookie = struct.unpack_from("!i", ends.recv(2048), 44)[0]
        ends.send(talk.udt_handshake(1, cookie))
        ends.recv(2048)
        self.made.site.start(self._asks, ends)
        return ends

    def _asks(self, ends):
        number = 0
        while not self.over.is_set():
            question = struct.pack("!I", 200) + talk.filler(40, number)
            ends.send(talk.udt_data(0x1000 + number, question, number * 200_000))
            until = time.monotonic() + 0.2
            while (left := until - time.monotonic()) > 0:
                ends.settimeout(left)
                try:
                    got = ends.recv(2048)
                except TimeoutError:
                    break
                if struct.unpack_from("!I", got)[0] >= SCREENS:
                    ends.send(talk.udt_control(2, number, number * 200_000, 0x2A02, got[:4]))
            number += 1
        ends.send(talk.udt_control(5, 0, number * 200_000, 0x2A02, bytes(4)))

    def screen(self, ends, number, size, times=1, pause=0.3):
        """One datagram whose IP packet has this size, sent so many times, each time with a new time stamp, as UDT does."""
        for again in range(times):
            stamp = number * 400_000 + again * 300_000
            datagram = talk.udt_data(SCREENS + number, talk.filler(size - 20 - 8 - 16, number), stamp, 0x2A01)
            self.host.sendto(datagram, ends.getsockname())
            time.sleep(pause)

    def close(self):
        self.over.set()
        time.sleep(0.6)


SCREENS = 0x2000  # numbers of datagrams that carry screens start here
IP_MTU_DISCOVER = 10  # of linux/in.h, as the two below: IP_PMTUDISC_DONT and IP_PMTUDISC_PROBE
MAY_BE_CUT, MAY_NOT = 0, 3


@scene("mtu-blackhole-edt")
def mtu_blackhole_edt(site):
    """The narrow link of `mtu-blackhole-tcp`, and sessions by EDT on UDP 2598. Handshakes and small datagrams are answered all
    the time; datagrams of 1,500 bytes, which may not be cut, vanish on the way to one client, and the VDA sends each of them
    five times. Another client, on another link, gets and acknowledges its own. The router sends no ICMP errors, and what EDT
    acknowledges nobody can read, so it is a warning. Captured on the VDA's side. Only the first 128 bytes of each packet were
    kept."""
    made = Narrow(site, 21)
    made.router.filter("icmp type destination-unreachable drop", hook="output")
    display = Display(made, MAY_NOT)
    with made.watch(made.back):
        hit, free = display.opens(made.hit[0]), display.opens(made.free)
        time.sleep(1.0)
        for number in range(4):
            display.screen(free, number, 1500, pause=0.02)
            display.screen(hit, number, 1500, times=5)
        display.close()
    return Expected(0, [edt(made.hit[0], made.vda), edt(made.free, made.vda)],
                    [Found("path.mtu", "warning", made.hit[0].address, made.vda.address, "udp", 2598), CUT],
                    [problem("mtu", "warning", [made.hit[0]], [made.vda], "udp", 2598)])


@scene("mtu-icmp-edt")
def mtu_icmp_edt(site):
    """As `mtu-blackhole-edt`, but the router says what fits (ICMP type 3 code 4), and after the second of them the VDA sends
    datagrams of 1,400 bytes, all of which arrive and are acknowledged. That is how it should be. Only the first 128 bytes of
    each packet were kept."""
    made = Narrow(site, 22)
    display = Display(made, MAY_NOT)
    with made.watch(made.back):
        hit = display.opens(made.hit[0])
        time.sleep(0.5)
        display.screen(hit, 0, 1500, times=2)
        for number in range(10):
            display.screen(hit, number, NARROW, pause=0.1)
        display.close()
    return Expected(0, [edt(made.hit[0], made.vda)], [CUT], [])


@scene("edt-fragmented")
def edt_fragmented(site):
    """The narrow link again, EDT, and a VDA that allows its datagrams to be cut: the router makes two fragments of each of
    thirty datagrams of 1,500 bytes, and all of them arrive. Captured on the clients' side of the router. Only the first 128
    bytes of each packet were kept."""
    made = Narrow(site, 23)
    display = Display(made, MAY_BE_CUT)
    with made.watch(made.front):
        hit = display.opens(made.hit[0])
        time.sleep(0.5)
        for number in range(30):
            display.screen(hit, number, 1500, pause=0.1)
        display.close()
    return Expected(0, [edt(made.hit[0], made.vda)],
                    [Found("path.fragments", "warning", made.hit[0].address, made.vda.address, "udp", 2598), CUT],
                    [problem("single", "warning", [made.hit[0]], [made.vda], "udp", 2598)])


# A firewall that forgot, loss, and slow answers


@scene("firewall-forgot-reset")
def firewall_forgot_reset(site):
    """As `idle-at-firewall`, but the firewall answers what belongs to no session it knows with a reset in the VDA's name. Three
    sessions on TCP 2598 are quiet for half an hour, most of which was moved; the first bytes afterwards are answered by resets
    with a TTL of 255 (the VDA's own packets arrive with 127), and two seconds later each client has a new session."""
    front, back, router = site.switch("front"), site.switch("back"), site.router()
    site.leg(router, "eth0", front, "10.81.24.1/24")
    site.leg(router, "eth1", back, "10.81.124.1/24")
    clients = site.settle("clients", *[f"10.81.24.{number}/24" for number in (11, 12, 13)], on=front, via="10.81.24.1").seats
    vda = site.settle("vda01", "10.81.124.21/24", on=back, via="10.81.124.1")
    router.filter("ct state established accept", "ct state new tcp flags & (syn | ack) == syn accept",
                  "meta l4proto tcp reject with tcp reset", hook="forward")
    router.set("net.netfilter.nf_conntrack_tcp_loose", 0)
    router.set("net.netfilter.nf_conntrack_tcp_timeout_established", 3)
    over = threading.Event()
    site.serve(vda, 2598, talk.cgp_until(over), callers=9)
    with site.watch(front, "lan"):
        lines = [site.dial(client, vda, 2598) for client in clients]
        for line in lines:
            talk.cgp_client(line, exchanges=3, pause=0.1)
        time.sleep(4.5)
        site.pass_time(1795)
        for line in lines:
            line.sendall(talk.filler(32, 7))
        for line in lines:
            talk.expect_reset(line)
        time.sleep(2.0)
        again = [site.dial(client, vda, 2598) for client in clients]
        for line in again:
            talk.cgp_client(line, exchanges=4, pause=0.3)
    over.set()
    flows = [cgp(client, vda, "RSTR") for client in clients] + [cgp(client, vda, "S1") for client in clients]
    names = [client.address for client in clients]
    return Expected(0, flows, [Found("path.idle-timeout", "warning", names[0], vda.address, "tcp", 2598, "cgp", 3, names)],
                    [Problem("idle-timeout", "warning", names, [vda.address], "tcp", 2598, 3)])


@scene("path-lossy")
def path_lossy(site):
    """Three clients of one network and one of another have a session each on TCP 2598 of one VDA, 520 requests and answers. A
    router drops three of a hundred TCP segments of the first network, by chance and in both directions, and none of the other. Each
    direction is told. Nobody uses time stamps, as Windows does not, and only the first 68 bytes of each packet were kept. Captured
    on the VDA's side."""
    front, back, router = site.switch("front"), site.switch("back"), site.router()
    site.leg(router, "eth0", front, "10.81.25.1/24", "10.81.75.1/24")
    site.leg(router, "eth1", back, "10.81.125.1/24")
    lossy = site.settle("lossy", *[f"10.81.25.{number}/24" for number in (11, 12, 13)], on=front, via="10.81.25.1")
    clean = site.settle("clean", "10.81.75.11/24", on=front, via="10.81.75.1")
    vda = site.settle("vda01", "10.81.125.21/24", on=back, via="10.81.125.1")
    vda.set("net.ipv4.tcp_timestamps", 0)
    for end in ("saddr", "daddr"):
        router.filter(f"ip {end} 10.81.25.0/24 tcp flags & (syn | fin | rst) == 0 numgen random mod 100 < 3 drop", hook="forward")
    site.serve(vda, 2598, talk.cgp_server, callers=9)
    clients = [*lossy.seats, clean]
    with site.watch(back, "lan", snap=68):
        site.together([lambda client=client: site.call(client, vda, 2598, talk.cgp_client, exchanges=520, pause=0.01, answer=300)
                       for client in clients])
    names = [client.address for client in lossy.seats]
    return Expected(0, [cgp(client, vda) for client in clients],
                    [Found("path.loss", "warning", names[0], vda.address, clients=names)] * 2 + [CUT],
                    [Problem("single", "warning", names, [vda.address], attempts=len(names))])


class Brokers:
    """StoreFront on a switch, two controllers behind a line of two milliseconds each way."""

    def __init__(self, site, net):
        self.site = site
        self.switch = site.switch()
        self.storefront = site.host("storefront", f"10.81.{net}.6/24", on=self.switch)
        self.first, self.second = (site.far_host(name, f"10.81.{net}.{number}/24", on=self.switch, delay=0.002)
                                   for name, number in (("ddc01", 4), ("ddc02", 5)))
        self.told = []

    def asks(self, server, times):
        request = posted(XML, f"{server.name}.example", XML_BODY)
        self.site.call(self.storefront, server, 80, asks(*[request] * times))
        self.told.append(web(self.storefront, server))


@scene("xml-slow")
def xml_slow(site):
    """StoreFront asks the XML service of two controllers on TCP 80, over a line of four milliseconds there and back. Of the
    first controller's answers three take 9.8 seconds, the others 50 ms; the second controller answers everything within 50 ms.
    It is not the network: handshakes and acknowledgements of both are equally fast."""
    made = Brokers(site, 26)
    waits = [[0.05, 9.8, 0.05], [0.05, 0.05, 9.8], [9.8, 0.05, 0.05]]
    turns = iter(waits)
    site.serve(made.first, 80, lambda connection: story_talk.answers(next(turns))(connection), callers=3)
    site.serve(made.second, 80, story_talk.answers([0.05] * 9), callers=9)
    with site.watch(made.switch, "lan"):
        slow = []
        for _ in waits:
            slow.append(site.start(made.asks, made.first, 3))
            time.sleep(0.1)
        for _ in waits:
            made.asks(made.second, 3)
            time.sleep(1.0)
        for one in slow:
            one.join(30)
    return Expected(0, made.told, [Found("service.slow", "warning", made.storefront.address, made.first.address, "tcp", 80)],
                    [problem("slow", "warning", [made.storefront], [made.first], "tcp", 80)])


@scene("xml-healthy")
def xml_healthy(site):
    """As `xml-slow`, and both controllers answer everything within 50 ms. All healthy."""
    made = Brokers(site, 27)
    for server in (made.first, made.second):
        site.serve(server, 80, story_talk.answers([0.05] * 9), callers=9)
    with site.watch(made.switch, "lan"):
        for _ in range(3):
            for server in (made.first, made.second):
                made.asks(server, 3)
    return Expected(0, made.told, [], [])
