"""Network namespaces joined by veth pairs, what listens and talks in them, and the capture of what passes.

Nothing here knows Citrix. A `Site` is one scene's own little network; leaving it removes every namespace,
process and rule that it made. Sockets are made inside a namespace by a thread that enters it, and stay there.
"""

import array
import contextlib
import ctypes
import errno
import fcntl
import itertools
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

PREFIX = "capaudit"
PATIENCE = 12.0  # seconds that any one socket operation may take
JOIN_PATIENCE = 90.0  # seconds that a scene's threads may take to end after it has been played


def run(*command):
    """Run a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def one_at_a_time():
    """Namespaces are made and removed by one scene at a time: `ip netns` is not safe against itself."""
    with open(os.path.join(tempfile.gettempdir(), f"{PREFIX}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_left_over_namespaces():
    """Remove namespaces of recordings that were killed before they could tidy up."""
    names = [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.startswith(PREFIX + "-")]
    for name in names:
        run("ip", "netns", "del", name)
    return names


class Host:
    """One namespace: a machine with a name, some addresses and the interface eth0 (a switch has none)."""

    def __init__(self, site, name):
        self.site = site
        self.name = name
        self.netns = f"{PREFIX}-{os.getpid()}-{name}"
        self.addresses = []
        with one_at_a_time():
            run("ip", "netns", "add", self.netns)
        site.undo.callback(self._remove)
        self.run("ip", "link", "set", "lo", "up")
        if not site.ipv6:
            self.set("net.ipv6.conf.all.disable_ipv6", 1)
            self.set("net.ipv6.conf.default.disable_ipv6", 1)

    def _remove(self):
        with one_at_a_time():
            run("ip", "netns", "del", self.netns)

    @property
    def address(self):
        return self.addresses[0]

    def run(self, *command):
        return run("ip", "netns", "exec", self.netns, *command)

    def set(self, name, value):
        """Set one sysctl inside the namespace."""
        self.run("sysctl", "-q", "-w", f"{name}={value}")

    def give(self, *addresses, interface="eth0"):
        """Give addresses with their prefix length to an interface."""
        for address in addresses:
            extra = ("nodad",) if ":" in address else ()
            self.run("ip", "address", "add", address, "dev", interface, *extra)
            self.addresses.append(address.split("/")[0])

    def filter(self, *rules, hook="input"):
        """Add nftables rules at a hook of this host."""
        self.run("nft", "add table inet scene")
        self.run("nft", f"add chain inet scene {hook} {{ type filter hook {hook} priority 0; policy accept; }}")
        for rule in rules:
            self.run("nft", f"add rule inet scene {hook} {rule}")

    def masquerade(self, interface):
        """Let what leaves by this interface carry its address."""
        self.run("nft", "add table ip nat")
        self.run("nft", "add chain ip nat out { type nat hook postrouting priority 100; }")
        self.run("nft", f"add rule ip nat out oif {interface} masquerade")

    def inside(self, action):
        """Run `action` in a thread that has entered this namespace, and give back what it returns."""
        result = {}

        def enter_and_act():
            try:
                with open(f"/run/netns/{self.netns}") as handle:
                    if LIBC.setns(handle.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                result["value"] = action()
            except Exception as problem:  # handed to the caller, below
                result["problem"] = problem

        thread = threading.Thread(target=enter_and_act)
        thread.start()
        thread.join()
        if "problem" in result:
            raise result["problem"]
        return result["value"]

    def socket(self, kind, port=0, address=None, keep=True):
        """A socket in this namespace, bound to one of this host's addresses."""
        address = address or self.address
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def make():
            made = socket.socket(family, kind)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.settimeout(PATIENCE)
            made.bind((address, port))
            return made

        made = self.inside(make)
        if keep:
            self.site.undo.callback(made.close)
        return made

    def udp(self, port=0):
        return self.socket(socket.SOCK_DGRAM, port or self.site.next_port())

    @property
    def seats(self):
        """Each of its addresses."""
        return [Seat(self, address) for address in self.addresses]

    def raw(self):
        """A socket that sends IPv4 packets with whatever source they name."""
        made = self.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
        self.site.undo.callback(made.close)
        return made

    def no_offloads(self, interface="eth0"):
        """Switch off checksum and segmentation offload of an interface, as `ethtool -K` does."""

        def switch():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                for command in OFFLOADS:
                    value = array.array("B", struct.pack("II", command, 0))
                    request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
                    fcntl.ioctl(control, SIOCETHTOOL, request)

        self.inside(switch)


class Seat:
    """One address of a host that has several: a machine of its own to those that call it or that it calls."""

    def __init__(self, host, address):
        self.host = host
        self.name = f"{host.name} {address}"
        self.address = address

    def socket(self, kind, port=0, address=None, keep=True):
        return self.host.socket(kind, port, address or self.address, keep)

    def udp(self, port=0):
        return self.socket(socket.SOCK_DGRAM, port or self.host.site.next_port())


class Site:
    """The network of one scene. Use it in a `with`: everything it made is gone afterwards."""

    def __init__(self, folder, ipv6=False, instead=None):
        self.folder = folder
        self.ipv6 = ipv6
        self.instead = instead
        self.hosts = {}
        self.capture = None
        self.watcher_exit = None
        self.undo = contextlib.ExitStack()
        self.threads = []
        self.problems = []
        self.over = threading.Event()
        self.passed = []
        self._ports = itertools.count(49701)
        self._ports_lock = threading.Lock()
        self._macs = itertools.count(1)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.over.set()
        with self.undo:
            if kind is None:
                self._end_threads()

    def _end_threads(self):
        deadline = time.monotonic() + JOIN_PATIENCE
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self.problems.append(RuntimeError(f"{thread.name} did not end"))
        if self.problems:
            raise self.problems[0]

    def next_port(self):
        """Client ports are counted up from 49701, inside the range that Windows uses, so recordings look alike."""
        with self._ports_lock:
            return next(self._ports)

    # Building

    def machine(self, name):
        """A namespace without any interface yet."""
        self.hosts[name] = Host(self, name)
        return self.hosts[name]

    def join(self, one, one_interface, other, other_interface, offloads=False):
        """Join two hosts by a veth pair."""
        run("ip", "link", "add", "name", one_interface, "address", self._mac(), "netns", one.netns, "type", "veth",
            "peer", "name", other_interface, "address", self._mac(), "netns", other.netns)
        for host, interface in ((one, one_interface), (other, other_interface)):
            if not offloads:
                host.no_offloads(interface)
            host.run("ip", "link", "set", interface, "up")

    def _mac(self):
        return f"02:00:5e:10:00:{next(self._macs):02x}"

    def switch(self, name="switch"):
        """A bridge; capturing on its interface `lan` sees every frame once, like a mirror port."""
        switch = self.machine(name)
        switch.run("ip", "link", "add", "name", "lan", "type", "bridge", "stp_state", "0", "forward_delay", "0",
                   "mcast_snooping", "0")
        switch.run("ip", "link", "set", "lan", "up")
        return switch

    def host(self, name, *addresses, on, offloads=False):
        """A host with the given addresses on a switch."""
        host = self.machine(name)
        port = f"to-{name}"
        self.join(host, "eth0", on, port, offloads)
        on.run("ip", "link", "set", port, "master", "lan")
        host.give(*addresses)
        return host

    def pair(self, client, vda, offloads=False):
        """The usual small scene: a client and a vda on a switch."""
        switch = self.switch()
        return (self.host("client", client, on=switch, offloads=offloads),
                self.host("vda", vda, on=switch, offloads=offloads))

    def router(self, name="router"):
        """A host that forwards, with the TTL that network devices start with. `leg` gives it interfaces."""
        router = self.machine(name)
        router.set("net.ipv4.ip_forward", 1)
        router.set("net.ipv4.ip_default_ttl", 255)
        router.set("net.ipv4.conf.all.send_redirects", 0)
        router.set("net.ipv4.conf.default.send_redirects", 0)
        return router

    def leg(self, router, interface, on, *gateways):
        """An interface of a router on a switch, with one address for each network there."""
        port = f"to-{router.name}"
        self.join(router, interface, on, port)
        on.run("ip", "link", "set", port, "master", "lan")
        router.give(*gateways, interface=interface)

    def settle(self, name, *addresses, on, via):
        """A host with the TTL that Windows starts with, and a default route."""
        host = self.host(name, *addresses, on=on)
        host.set("net.ipv4.ip_default_ttl", 128)
        host.run("ip", "route", "add", "default", "via", via)
        return host

    def far_host(self, name, *addresses, on, delay):
        """A host behind a line that takes so many seconds each way. A forwarder of this script carries the frames one after
        the other, and a busy machine makes it slower."""
        line, host = self.machine(f"line-{name}"), self.machine(name)
        port = f"to-{name}"
        self.join(line, "near", on, port)
        on.run("ip", "link", "set", port, "master", "lan")
        self.join(host, "eth0", line, "far")
        host.give(*addresses)
        for source, target in (("near", "far"), ("far", "near")):
            self.start(self._carry, self.packets(line, source), self.packets(line, target), delay)
        return host

    def _carry(self, source, target, delay):
        while not self.over.is_set():
            if not select.select([source], [], [], 0.1)[0]:
                continue
            frame, where = source.recvfrom(65535)
            if where[2] != socket.PACKET_OUTGOING:
                time.sleep(delay)
                target.send(frame)

    def mirror(self, switch):
        """A mirror port of a switch that copies what each of its ports receives and what each of them sends, so that
        a frame from one port to another comes out twice. Gives the host at that port; capture on its eth0."""
        ports = set(switch.run("ls", "/sys/class/net/lan/brif").split())
        probe = self.machine("probe")
        self.join(probe, "eth0", switch, "mirror")
        self.start(self._mirror, self.packets(switch), ports, self.packets(switch, "mirror"))
        return probe

    def _mirror(self, every, ports, target):
        while not self.over.is_set():
            if select.select([every], [], [], 0.1)[0]:
                frame, where = every.recvfrom(65535)
                if where[0] in ports:
                    target.send(frame)

    def packets(self, machine, interface=None):
        """A socket that receives and sends whole frames at an interface, or receives at all of them."""

        def make():
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            if interface:
                made.bind((interface, ETH_P_ALL))
            return made

        made = machine.inside(make)
        self.undo.callback(made.close)
        return made

    # Talking

    def together(self, calls, spread=(), seconds=0.0):
        """Run these calls at the same time, those of `spread` one after the other within that number of seconds, and wait for
        the ends of all."""
        threads = [self.start(call) for call in calls]
        for call in spread:
            threads.append(self.start(call))
            time.sleep(seconds / len(spread))
        for thread in threads:
            thread.join(JOIN_PATIENCE)

    def start(self, action, *arguments, **named):
        """Run in the background; what goes wrong there fails the scene."""

        def guarded():
            try:
                action(*arguments, **named)
            except Exception as problem:
                self.problems.append(problem)

        thread = threading.Thread(target=guarded, name=getattr(action, "__name__", "talker"), daemon=True)
        thread.start()
        self.threads.append(thread)
        return thread

    def serve(self, host, port, conversation, callers=1, address=None, backlog=16):
        """Listen on a TCP port, and hold one conversation with each of this number of callers."""
        listener = host.socket(socket.SOCK_STREAM, port, address)
        listener.listen(backlog)

        def hold(connection):
            with connection:
                conversation(connection)

        def accept():
            with listener:
                for _ in range(callers):
                    connection = self._accept(listener)
                    if connection is None:
                        return
                    connection.settimeout(PATIENCE)
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.start(hold, connection)

        self.start(accept)

    def _accept(self, listener):
        while not self.over.is_set():
            if select.select([listener], [], [], 0.1)[0]:
                return listener.accept()[0]
        return None

    def serve_udp(self, host, port, answer):
        """Receive on a UDP port; `answer(datagram)` gives the datagrams to send back."""
        made = host.udp(port)

        def listen():
            while not self.over.is_set():
                if not select.select([made], [], [], 0.1)[0]:
                    continue
                datagram, sender = made.recvfrom(65535)
                for reply in answer(datagram):
                    made.sendto(reply, sender)

        self.start(listen)

    def dial(self, client, server, port, address=None):
        """Connect over TCP and give back the connection."""
        made = client.socket(socket.SOCK_STREAM, self.next_port(), address)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.connect((server if isinstance(server, str) else server.address, port))
        return made

    def call(self, client, server, port, conversation, **named):
        """Connect, hold a conversation, say goodbye from the client's side, and wait for the server's goodbye."""
        with self.dial(client, server, port) as connection:
            conversation(connection, **named)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    def knock(self, client, server, port, expect, seconds=PATIENCE):
        """Try to connect; the attempt must fail in the way that the scene is about."""
        made = client.socket(socket.SOCK_STREAM, self.next_port())
        made.settimeout(seconds)
        with made:
            try:
                made.connect((server.address, port))
                outcome = "connected"
            except TimeoutError:
                outcome = "timeout"
            except OSError as problem:
                outcome = errno.errorcode.get(problem.errno, str(problem))
        if outcome != expect:
            raise RuntimeError(f"{client.name} to {server.name} port {port}: {outcome}, not {expect}")

    # Watching

    def pass_time(self, seconds):
        """From now on it is so much later: the time stamps of what comes are moved, and nobody has to wait. Call it in
        a quiet moment."""
        time.sleep(0.2)
        self.passed.append((time.time(), seconds))
        time.sleep(0.2)

    @contextlib.contextmanager
    def watch(self, host, interface="eth0", snap=None, only=None, tool="tcpdump", link=None, nano=False, end_pause=0.4):
        """Capture on one interface while the body runs. `self.capture` is the file afterwards."""
        suffix = "pcapng" if tool == "dumpcap" else "pcap"
        self.capture = os.path.join(self.folder, f"capture.{suffix}")
        if self.instead:
            command = [word.replace("{interface}", interface) for word in self.instead]
            ready = None
        elif tool == "dumpcap":
            command = ["dumpcap", "-q", "-i", interface, "-w", self.capture] + (["-f", only] if only else [])
            ready = "File:"
        else:
            command = ["tcpdump", "-n", "-U", "-B", "4096", "--immediate-mode", "-Z", "root", "-i", interface, "-w", self.capture]
            command += ["-s", str(snap)] if snap else []
            command += ["-y", link] if link else []
            command += ["--time-stamp-precision", "nano"] if nano else []
            command += [only] if only else []
            ready = "listening on"
        watcher = subprocess.Popen(["ip", "netns", "exec", host.netns, *command], text=True,
                                   stderr=subprocess.PIPE if ready else None)
        try:
            if ready:
                self._await(watcher, ready)
            else:
                time.sleep(2.0)
            yield
            time.sleep(end_pause)
        finally:
            watcher.send_signal(signal.SIGINT)
            try:
                said = watcher.communicate(timeout=15)[1]
            except subprocess.TimeoutExpired:
                watcher.kill()
                raise
        self.watcher_exit = watcher.returncode
        if ready == "listening on" and "0 packets dropped by kernel" not in said:
            raise RuntimeError(f"the capture is not complete: {said.strip()}")
        if self.passed and not self.instead:
            move_times(self.capture, self.passed)

    @staticmethod
    def _await(watcher, ready):
        deadline = time.monotonic() + 20
        heard = ""
        while time.monotonic() < deadline and watcher.poll() is None:
            if select.select([watcher.stderr], [], [], 0.2)[0]:
                heard += os.read(watcher.stderr.fileno(), 4096).decode()  # two lines may come at once
                if ready in heard:
                    time.sleep(0.3)  # the tool says so a moment before it does so
                    return
        raise RuntimeError(f"the capture did not start: {heard.strip()}")


class Trunk:
    """A switch that tags: frames between two hosts cross a trunk on which they carry 802.1Q or 802.1ad tags.

    The kernel's own VLAN devices are not needed, so this works on kernels without them. It forwards whole frames
    between packet sockets, as a switch does; the hosts at both ends are ordinary.
    """

    def __init__(self, site, tags):
        self.site = site
        self.tags = b"".join(struct.pack("!HH", kind, number) for kind, number in tags)
        self.machine = site.machine("trunk")
        site.join(self.machine, "trunk", self.machine, "far-end")

    def host(self, name, address, far):
        """Attach a host on the near or the far side of the trunk."""
        host = self.site.machine(name)
        port = f"to-{name}"
        self.site.join(host, "eth0", self.machine, port)
        host.give(address)
        trunk = "far-end" if far else "trunk"
        self.site.start(self._forward, self._open(port), self._open(trunk), self._tagged)
        self.site.start(self._forward, self._open(trunk), self._open(port), self._untagged)
        return host

    def _open(self, interface):
        return self.site.packets(self.machine, interface)

    def _forward(self, source, target, change):
        while not self.site.over.is_set():
            if not select.select([source], [], [], 0.1)[0]:
                continue
            frame, where = source.recvfrom(65535)
            if where[2] != socket.PACKET_OUTGOING:
                target.send(change(frame))

    def _tagged(self, frame):
        return frame[:12] + self.tags + frame[12:]

    @staticmethod
    def _untagged(frame):
        """The kernel has taken the outer tag off already; an inner one is still in the frame."""
        while frame[12:14] in (b"\x81\x00", b"\x88\xa8"):
            frame = frame[:12] + frame[16:]
        return frame


def move_times(capture, passed):
    """Move the time stamps of a pcap file in microseconds: `passed` are moments and the seconds that passed at each."""
    with open(capture, "rb") as handle:
        data = bytearray(handle.read())
    if data[:4] != bytes.fromhex("d4c3b2a1"):
        raise RuntimeError(f"{capture} is not a pcap file in microseconds of this machine")
    at = 24
    while at < len(data):
        seconds, micros, length = struct.unpack_from("<III", data, at)
        later = sum(step for moment, step in passed if seconds + micros / 1e6 >= moment)
        struct.pack_into("<I", data, at, seconds + later)
        at += 16 + length
    with open(capture, "wb") as handle:
        handle.write(data)


def to_pcapng(capture):
    """Turn a pcap file into a pcapng file beside it."""
    made = capture.removesuffix(".pcap") + ".pcapng"
    run("editcap", "-F", "pcapng", capture, made)
    os.remove(capture)
    return made


def forget_machine(capture):
    """Take the options that describe the recording computer out of a pcapng file (section and interface headers)."""
    with open(capture, "rb") as handle:
        data = handle.read()
    made, at = bytearray(), 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        body = data[at + 8:at + length - 4]
        if kind == SECTION_HEADER:
            body = body[:16]
        if kind == INTERFACE_DESCRIPTION:
            body = body[:8] + interface_options(body[8:])
        made += struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
        at += length
    with open(capture, "wb") as handle:
        handle.write(made)


def interface_options(data):
    """The options of an interface that say how its packets are to be read."""
    made, at = b"", 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from("<HH", data, at)
        after = at + 4 + (length + 3) // 4 * 4
        if code in READING_OPTIONS:
            made += data[at:after]
        at = after
    return made + bytes(4)


def tools_missing():
    """Names of the programs that a recording needs and that are not installed."""
    return [tool for tool in ("ip", "nft", "tcpdump", "dumpcap", "tshark", "editcap", "openssl", "sysctl")
            if not shutil.which(tool)]


LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x4000_0000
ETH_P_ALL = 0x0003
SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 0x00000001
READING_OPTIONS = (2, 9, 14)  # if_name, if_tsresol, if_tsoffset
SIOCETHTOOL = 0x8946
# ETHTOOL_STSO, SGSO, SGRO, SSG, STXCSUM, SRXCSUM of linux/ethtool.h: what depends on another comes before it.
OFFLOADS = (0x1F, 0x24, 0x2C, 0x19, 0x17, 0x15)
