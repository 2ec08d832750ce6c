"""Scenes of whole sites: many VDAs and clients, routers between them, several captures of one truth.

As in `scenes.py`, which holds what is shared. Clients and VDAs start with a TTL of 128, as Windows does, and routers
with 255, as network devices do, so that it can be seen who sent a packet.
"""

import functools
import threading
import time

import talk
from expect import Expected, Found, Problem, Told
from network import Seat
from scenes import blocked, certificate, cgp, found, ica, problem, scene

SHORT = dict(exchanges=1, pause=0.02, answer=80)
GIVES_UP = 8.5  # seconds: SYNs at 0, 1, 3 and 7 s


def addresses(net, hosts):
    return [f"10.78.{net}.{number}/24" for number in hosts]


def estate(site, net, clients, servers, front_nets=()):
    """Clients on one switch, VDAs on another, a router between them. `front_nets` are more networks of clients."""
    front, back = site.switch("front"), site.switch("back")
    router = site.router()
    site.leg(router, "eth0", front, *[f"10.78.{one}.1/24" for one in (net, *front_nets)])
    site.leg(router, "eth1", back, f"10.78.{net + 100}.1/24")
    staff = site.settle("clients", *addresses(net, clients), on=front, via=f"10.78.{net}.1")
    staff.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    farm = site.settle("vdas", *addresses(net + 100, servers), on=back, via=f"10.78.{net + 100}.1")
    return front, back, router, staff, farm


def served(site, host, port=2598, conversation=talk.cgp_server):
    """Every address of the host answers on this port."""
    site.serve(host, port, conversation, callers=999, address="0.0.0.0", backlog=128)


def session(site, client, server, port=2598, conversation=talk.cgp_client, **named):
    return functools.partial(site.call, client, server, port, conversation, **(SHORT | named))


def http(client, server):
    return Told("tcp", client.address, server.address, 80, "established", "SF", heard="http")


def asks(site, client, server):
    return functools.partial(site.call, client, server, 80, talk.http_client)


def given_up(site, client, server, *ports, expect="timeout"):
    """Try one port after the other."""

    def tries():
        for port in ports:
            site.knock(client, server, port, expect, seconds=GIVES_UP)

    return tries


def found_all(code, severity, clients, server, protocol=None, port=None, service=None, flows=None):
    names = [one.address for one in clients]
    return Found(code, severity, names[0], server.address, protocol, port, service, flows, names)


def no_launch(clients, server):
    """Each of them tried TCP 2598 and TCP 1494 of this server once, and got no session."""
    return found_all("launch.failed", "error", clients, server, flows=2 * len(clients))


# Which part of a site is hit


FORTY = range(21, 61)
FIFTH_OF_FORTY = 25


def without_one(site, net):
    """Forty VDAs less one, eight clients that each have sessions with five of the others, one after the other, and a
    controller that asks three of those on TCP 80."""
    others = [number for number in FORTY if number != FIFTH_OF_FORTY]
    front, back, router, staff, farm = estate(site, net, range(11, 19), others)
    controller = site.settle("controller", f"10.78.{net}.5/24", on=front, via=f"10.78.{net}.1")
    controller.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    served(site, farm)
    served(site, farm, 80, talk.http_server)
    pairs = [(staff.seats[number % 8], server) for number, server in enumerate(farm.seats)]
    asked = farm.seats[:3]
    calls = [session(site, client, server) for client, server in pairs]
    for number, server in enumerate(asked):
        calls.insert(10 * number, asks(site, controller, server))
    flows = [cgp(client, server) for client, server in pairs] + [http(controller, server) for server in asked]
    return front, back, router, staff, controller, calls, flows


@scene("one-host-down")
def one_host_down(site):
    """Forty VDAs behind a router, one of them switched off. Eight clients have sessions with the other 39. Three clients
    try the dead one on TCP 2598 and then on TCP 1494, the controller tries it on TCP 80: never an answer. The router
    sends no ICMP errors, as many are told not to. Captured at the clients' switch."""
    front, _, router, staff, controller, calls, flows = without_one(site, 1)
    router.filter("icmp type destination-unreachable drop", hook="output")
    dead = Seat(router, f"10.78.101.{FIFTH_OF_FORTY}")
    hit = staff.seats[:3]
    with site.watch(front, "lan"):
        tries = [given_up(site, client, dead, 2598, 1494) for client in hit] + [given_up(site, controller, dead, 80)]
        site.together(tries, calls, 2 * GIVES_UP)
    flows += [blocked(client, dead, port, "silent", "S0") for client in hit for port in (2598, 1494)]
    flows.append(Told("tcp", controller.address, dead.address, 80, "silent", "S0"))
    return Expected(1, flows, [
        found_all("blocked.silent", "warning", [controller], dead, "tcp", 80, flows=1),
        found_all("blocked.silent", "error", hit, dead, "tcp", 1494, "ica", 3),
        found_all("blocked.silent", "error", hit, dead, "tcp", 2598, "cgp", 3),
        no_launch(hit, dead),
    ], [problem("host-down", "error", [controller, *hit], [dead], attempts=7)])


@scene("one-host-unreachable")
def one_host_unreachable(site):
    """As `one-host-down`, with a router that says so: after three seconds without an ARP answer it sends ICMP type 3 code
    1 (host unreachable) to two clients that try TCP 2598 and then TCP 1494."""
    front, _, router, staff, _, calls, flows = without_one(site, 2)
    dead = Seat(router, f"10.78.102.{FIFTH_OF_FORTY}")
    hit = staff.seats[:2]
    with site.watch(front, "lan"):
        site.together([given_up(site, client, dead, 2598, 1494, expect="EHOSTUNREACH") for client in hit], calls, 6.0)
    flows += [blocked(client, dead, port, "prohibited", "S0") for client in hit for port in (2598, 1494)]
    return Expected(1, flows, [
        found_all("blocked.prohibited", "error", hit, dead, "tcp", 1494, "ica", 2),
        found_all("blocked.prohibited", "error", hit, dead, "tcp", 2598, "cgp", 2),
        no_launch(hit, dead),
    ], [problem("host-down", "error", hit, [dead], attempts=4)])


def one_service(site, net, outcome, state, expect):
    front, back, _, staff, controller, calls, flows = without_one(site, net)
    vda = site.settle("vda25", f"10.78.{net + 100}.{FIFTH_OF_FORTY}/24", on=back, via=f"10.78.{net + 100}.1")
    if outcome == "silent":
        vda.filter("tcp dport { 1494, 2598 } drop")
    served(site, vda, 80, talk.http_server)
    hit = staff.seats[:3]
    with site.watch(front, "lan"):
        site.together([given_up(site, client, vda, 2598, 1494, expect=expect) for client in hit],
                      [*calls, asks(site, controller, vda)], 2 * GIVES_UP if outcome == "silent" else 4.0)
    flows += [blocked(client, vda, port, outcome, state) for client in hit for port in (2598, 1494)]
    flows.append(http(controller, vda))
    code = f"blocked.{outcome}"
    cause = "no-answer" if outcome == "silent" else "service-down"
    return Expected(1, flows, [
        found_all(code, "error", hit, vda, "tcp", 1494, "ica", 3),
        found_all(code, "error", hit, vda, "tcp", 2598, "cgp", 3),
        no_launch(hit, vda),
    ], [problem(cause, "error", hit, [vda], attempts=6)])


@scene("one-service-down")
def one_service_down(site):
    """Forty VDAs behind a router; on one of them nothing listens on TCP 2598 and 1494, and it refuses both to three
    clients. The controller reaches it on TCP 80. Sessions with the other 39 work."""
    return one_service(site, 3, "refused", "REJ", "ECONNREFUSED")


@scene("one-service-silent")
def one_service_silent(site):
    """As `one-service-down`, on a Windows host whose firewall hides ports on which nothing listens (stealth mode): TCP
    2598 and 1494 are never answered there, TCP 80 is."""
    return one_service(site, 4, "silent", "S0", "timeout")


@scene("subnet-against-port")
def subnet_against_port(site):
    """Two networks of six clients each behind one router, four VDAs behind it. The router drops TCP 2598 from the one
    network and forwards it from the other, whose clients have sessions with all four. Captured in front of the
    router."""
    front, _, router, near, farm = estate(site, 5, range(11, 17), range(21, 25), front_nets=(6,))
    far = site.settle("branch", *addresses(6, range(11, 17)), on=front, via="10.78.6.1")
    far.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    router.filter("ip saddr 10.78.6.0/24 tcp dport 2598 drop", hook="forward")
    served(site, farm)
    working = [(client, server) for client in near.seats for server in farm.seats]
    hit = [(client, farm.seats[(number + step) % 4]) for number, client in enumerate(far.seats) for step in (0, 1)]
    with site.watch(front, "lan"):
        site.together([given_up(site, *pair, 2598) for pair in hit],
                      [session(site, *pair) for pair in working], GIVES_UP)
    flows = [cgp(*pair) for pair in working] + [blocked(*pair, 2598, "silent", "S0") for pair in hit]
    return Expected(1, flows, silent_by_server(hit, farm.seats),
                    [problem("subnet-against-port", "error", far.seats, farm.seats, "tcp", 2598, 12)])


@scene("port-closed-to-all")
def port_closed_to_all(site):
    """The router drops TCP 2598 to all four VDAs, whoever asks: six clients of two networks try two VDAs each. Other sessions
    run on TCP 1494 of the same VDAs, from clients that do not try TCP 2598. One rule, one problem; no
    server and no service is down, and no network is worse off than another."""
    front, _, router, near, farm = estate(site, 20, range(11, 17), range(21, 25), front_nets=(30,))
    far = site.settle("branch", *addresses(30, range(11, 14)), on=front, via="10.78.30.1")
    far.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    router.filter("tcp dport 2598 drop", hook="forward")
    served(site, farm, 1494, talk.ica_server)
    hit = [*near.seats[:3], *far.seats]
    pairs = [(client, farm.seats[(number + step) % 4]) for number, client in enumerate(hit) for step in (0, 1)]
    working = [(client, server) for client in near.seats[3:] for server in farm.seats]
    with site.watch(front, "lan"):
        site.together([given_up(site, *pair, 2598) for pair in pairs],
                      [session(site, *pair, 1494, talk.ica_client) for pair in working], GIVES_UP)
    flows = [ica(*pair) for pair in working] + [blocked(*pair, 2598, "silent", "S0") for pair in pairs]
    return Expected(1, flows, silent_by_server(pairs, farm.seats),
                    [problem("no-answer", "error", hit, farm.seats, "tcp", 2598, 12)])


def silent_by_server(pairs, servers):
    """The findings of silence on TCP 2598: one for each server."""
    of = {one.address: [client for client, server in pairs if server.address == one.address] for one in servers}
    return [found_all("blocked.silent", "error", of[one.address], one, "tcp", 2598, "cgp", len(of[one.address]))
            for one in servers]


@scene("farm-unreachable")
def farm_unreachable(site):
    """The router has no link to a network of six VDAs and says nothing about it. Three clients try two of them each on TCP
    2598 and then TCP 1494. Another network of VDAs works for the same clients all the time. Six silent servers have one
    cause, which is not six hosts that are down: what was played is a router without a link. The two ports of each try are
    one problem."""
    front, back, router, staff, farm = estate(site, 21, range(11, 14), range(21, 25))
    router.filter("ip daddr 10.78.131.0/24 drop", hook="forward")
    router.run("ip", "address", "add", "10.78.131.1/24", "dev", "eth1")
    served(site, farm)
    gone = [Seat(router, f"10.78.131.{number}") for number in range(21, 27)]
    pairs = [(client, gone[2 * number + step]) for number, client in enumerate(staff.seats) for step in (0, 1)]
    working = [(client, server) for client in staff.seats for server in farm.seats]
    with site.watch(front, "lan"):
        site.together([given_up(site, *pair, 2598, 1494) for pair in pairs],
                      [session(site, *pair) for pair in working], 2 * GIVES_UP)
    flows = [cgp(*pair) for pair in working]
    flows += [blocked(*pair, port, "silent", "S0") for pair in pairs for port in (2598, 1494)]
    return Expected(1, flows, [
        found_all("blocked.silent", "error", [client], server, "tcp", port, service, 1)
        for port, service in ((1494, "ica"), (2598, "cgp")) for client, server in pairs
    ] + [no_launch([client], server) for client, server in pairs], [
        problem("no-answer", "error", staff.seats, gone, attempts=12, ports=[("tcp", 1494), ("tcp", 2598)]),
    ])


@scene("host-hidden-from-branch")
def host_hidden_from_branch(site):
    """A VDA's packet filter drops all that comes from a branch network. Three clients of the branch try it on TCP 2598 and TCP
    1494 and get nothing; they work on the three other VDAs, and clients of the main network work on all four. The host
    is up: others are answered."""
    front, back, router, near, farm = estate(site, 22, range(11, 15), range(21, 24), front_nets=(32,))
    branch = site.settle("branch", *addresses(32, range(11, 14)), on=front, via="10.78.32.1")
    branch.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    hiding = site.settle("hiding", "10.78.122.24/24", on=back, via="10.78.122.1")
    hiding.filter("ip saddr 10.78.32.0/24 drop")
    served(site, farm)
    served(site, hiding)
    working = [(client, server) for client in near.seats for server in (*farm.seats, hiding)]
    working += [(client, server) for client in branch.seats for server in farm.seats]
    with site.watch(front, "lan"):
        site.together([given_up(site, client, hiding, 2598, 1494) for client in branch.seats],
                      [session(site, *pair) for pair in working], 2 * GIVES_UP)
    flows = [cgp(*pair) for pair in working]
    flows += [blocked(client, hiding, port, "silent", "S0") for client in branch.seats for port in (2598, 1494)]
    return Expected(1, flows, [
        found_all("blocked.silent", "error", branch.seats, hiding, "tcp", port, service, 3)
        for port, service in ((1494, "ica"), (2598, "cgp"))
    ] + [no_launch(branch.seats, hiding)], [
        problem("subnet-against-port", "error", branch.seats, [hiding], attempts=6, culprit="host_firewall",
                ports=[("tcp", 1494), ("tcp", 2598)]),
    ])


@scene("two-causes")
def two_causes(site):
    """Two things at once. The router drops TCP 2598 from the branch to five VDAs, which clients of the main network reach; and a
    sixth VDA is switched off, on which three clients of the main network try TCP 2598 and then TCP 1494. The same port
    and the same silence, but two problems."""
    front, back, router, near, farm = estate(site, 23, range(11, 17), range(21, 26), front_nets=(33,))
    branch = site.settle("branch", *addresses(33, range(11, 17)), on=front, via="10.78.33.1")
    branch.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    router.filter("ip saddr 10.78.33.0/24 tcp dport 2598 drop", hook="forward")
    router.filter("icmp type destination-unreachable drop", hook="output")
    served(site, farm)
    dead, hit = Seat(router, "10.78.123.26"), near.seats[:3]
    pairs = [(client, farm.seats[number % 5]) for number, client in enumerate(branch.seats)]
    working = [(client, server) for server in farm.seats for client in near.seats]
    with site.watch(front, "lan"):
        site.together([given_up(site, *pair, 2598) for pair in pairs]
                      + [given_up(site, client, dead, 2598, 1494) for client in hit],
                      [session(site, *pair) for pair in working], GIVES_UP)
    flows = [cgp(*pair) for pair in working] + [blocked(*pair, 2598, "silent", "S0") for pair in pairs]
    flows += [blocked(client, dead, port, "silent", "S0") for client in hit for port in (2598, 1494)]
    return Expected(1, flows, [
        found_all("blocked.silent", "error", hit, dead, "tcp", 1494, "ica", 3),
        found_all("blocked.silent", "error", hit, dead, "tcp", 2598, "cgp", 3),
        *silent_by_server(pairs, farm.seats),
        no_launch(hit, dead),
    ], [
        problem("host-down", "error", hit, [dead], attempts=6),
        problem("subnet-against-port", "error", branch.seats, farm.seats, "tcp", 2598, 6),
    ])


# Who says no


@scene("reset-by-device")
def reset_by_device(site):
    """A firewall in front of a live VDA answers TCP 2598 with resets in the VDA's name. The same two clients then have
    sessions with the VDA on TCP 1494. The resets are made by the kernel of the firewall (nftables `reject with tcp
    reset`), whose sysctl `ip_default_ttl` is 255 as on network devices: they arrive with TTL 255, the VDA's own
    packets, from a kernel that starts with 128, with 127."""
    front, _, router, staff, vda = estate(site, 7, (11, 12), (21,))
    router.filter("tcp dport 2598 reject with tcp reset", hook="forward")
    served(site, vda)
    return refused_then_ica(site, front, staff, vda, "middlebox")


@scene("reset-by-server")
def reset_by_server(site):
    """As `reset-by-device`, but the VDA refuses TCP 2598 itself, because nothing listens there. Its resets come with the
    TTL of its other packets, through a router that touches nothing."""
    front, _, _, staff, vda = estate(site, 8, (11, 12), (21,))
    return refused_then_ica(site, front, staff, vda, "server")


def refused_then_ica(site, front, staff, vda, culprit):
    served(site, vda, 1494, talk.ica_server)
    with site.watch(front, "lan"):
        for client in staff.seats:
            for _ in range(2):
                site.knock(client, vda, 2598, "ECONNREFUSED")
                time.sleep(0.6)
            session(site, client, vda, 1494, talk.ica_client, exchanges=3)()
    flows = [blocked(client, vda, 2598, "refused", "REJ") for client in staff.seats for _ in range(2)]
    flows += [ica(client, vda) for client in staff.seats]
    return Expected(1, flows, [
        found_all("blocked.refused", "error", staff.seats, vda, "tcp", 2598, "cgp", 4),
        found_all("fallback.cgp-to-ica", "warning", staff.seats, vda),
    ], [problem("refused", "error", staff.seats, [vda], "tcp", 2598, 4, culprit)])


@scene("cut-by-device")
def cut_by_device(site):
    """A firewall that reads what it forwards lets the handshakes of TCP 2598 through and answers the client's first bytes
    with a reset in the VDA's name, twice for each of two clients; the bytes never arrive at the VDA. TTL 255, as in
    `reset-by-device`. An ICA session of a third client on TCP 1494 of the same VDA works."""
    front, _, router, staff, vda = estate(site, 9, (11, 12, 13), (21,))
    *hit, third = staff.seats
    router.filter("tcp dport 2598 @ih,0,32 0x1a434750 reject with tcp reset", hook="forward")
    waiting = threading.Event()
    served(site, vda, 2598, lambda connection: waiting.wait(20))
    served(site, vda, 1494, talk.ica_server)
    with site.watch(front, "lan"):
        for client in hit:
            for _ in range(2):
                with site.dial(client, vda, 2598) as connection:
                    connection.sendall(talk.CGP_CLIENT)
                    talk.expect_reset(connection)
                time.sleep(0.6)
        session(site, third, vda, 1494, talk.ica_client, exchanges=3)()
    waiting.set()
    flows = [blocked(client, vda, 2598, "reset_early", "RSTR", heard="cgp", basis="signature")
             for client in hit for _ in range(2)]
    return Expected(1, [*flows, ica(third, vda)],
                    [found_all("blocked.reset-early", "error", hit, vda, "tcp", 2598, "cgp", 4)],
                    [problem("cut", "error", hit, [vda], "tcp", 2598, 4, "middlebox")])


# What changes, and what was not seen


@scene("rule-added")
def rule_added(site):
    """Four clients have sessions on TCP 2598 through a firewall, a fifth has had one. Then a rule is added: what is
    established goes on, new connections to TCP 2598 are dropped. The four sessions go on as if nothing had been; three
    more clients and one of the four try new connections and get no answer."""
    front, _, router, staff, vda = estate(site, 10, range(11, 19), (21,))
    router.filter("ct state established accept", hook="forward")
    served(site, vda)
    old, early, late = staff.seats[:4], staff.seats[4], [staff.seats[0], *staff.seats[5:8]]
    with site.watch(front, "lan"):
        sessions = [site.dial(client, vda, 2598) for client in old]
        for connection in sessions:
            talk.cgp_greet(connection)
        session(site, early, vda)()
        talking = site.start(talk_on, sessions, 11)
        time.sleep(1.5)
        router.run("nft", "add rule inet scene forward tcp dport 2598 drop")
        time.sleep(0.5)
        site.together([given_up(site, client, vda, 2598) for client in late])
        talking.join(30)
    for connection in sessions:
        connection.close()
    flows = [cgp(client, vda, "S1") for client in old]
    flows += [cgp(early, vda)] + [blocked(client, vda, 2598, "silent", "S0") for client in late]
    return Expected(1, flows, [found_all("blocked.silent", "error", late, vda, "tcp", 2598, "cgp", 4)],
                    [problem("no-answer", "error", late, [vda], "tcp", 2598, 4)])


def talk_on(sessions, rounds):
    for number in range(rounds):
        for connection in sessions:
            talk.cgp_exchange(connection, 30, 80, number)
        time.sleep(1.0)


@scene("idle-at-firewall")
def idle_at_firewall(site):
    """A stateful firewall forgets sessions on TCP 2598 that are idle for some time and drops what belongs to none (the
    kernel's connection tracking with `nf_conntrack_tcp_timeout_established` and without loose pick-up). Three sessions are quiet for half an
    hour, most of which was moved, not waited for. When the users come back, the clients repeat their data for half a
    minute and get no answer; new sessions work at once."""
    front, _, router, staff, vda = estate(site, 24, (11, 12, 13), (21,))
    router.filter("ct state established accept", "ct state new tcp flags & (syn | ack) == syn accept", "drop", hook="forward")
    router.set("net.netfilter.nf_conntrack_tcp_loose", 0)
    router.set("net.netfilter.nf_conntrack_tcp_timeout_established", 3)
    over = threading.Event()
    served(site, vda, 2598, talk.cgp_until(over))
    with site.watch(front, "lan"):
        sessions = [site.dial(client, vda, 2598) for client in staff.seats]
        for connection in sessions:
            talk.cgp_client(connection, exchanges=3, pause=0.1)
        time.sleep(4.5)
        site.pass_time(1795)
        for connection in sessions:
            connection.sendall(talk.filler(32, 7))
        time.sleep(4.0)
        again = [site.dial(client, vda, 2598) for client in staff.seats]
        for connection in again:
            talk.cgp_client(connection, exchanges=2, pause=0.1)
        time.sleep(30.0)
    over.set()
    flows = [cgp(client, vda, "S1") for client in staff.seats for _ in range(2)]
    return Expected(0, flows, [found_all("path.idle-timeout", "warning", staff.seats, vda, "tcp", 2598, "cgp", 3)],
                    [problem("idle-timeout", "warning", staff.seats, [vda], "tcp", 2598, 3)])


@scene("sessions-reset")
def sessions_reset(site):
    """Six users have sessions on TCP 2598, four of them on one VDA. After 45 seconds (most of which were moved, not waited for), in the
    middle of their work, the session service of that VDA is killed, and the system resets its four sessions at once. The users come
    back, and the service, started again, lets them in. The sessions on the other VDA go on, and are closed by their users."""
    front, _, _, staff, farm = estate(site, 27, range(11, 17), (21, 22))
    first, second = farm.seats
    death, over = threading.Event(), threading.Event()
    site.serve(first, 2598, talk.cgp_killed(death), callers=4, address=first.address)
    site.serve(second, 2598, talk.cgp_until(over), callers=2, address=second.address)
    hit, others = staff.seats[:4], staff.seats[4:]
    with site.watch(front, "lan"):
        lines = [site.dial(client, first, 2598) for client in hit]
        untouched = [site.dial(client, second, 2598) for client in others]
        for connection in [*lines, *untouched]:
            talk.cgp_client(connection, 2, 0.05)
        for number in range(3):
            site.pass_time(15)
            for connection in [*lines, *untouched]:
                talk.cgp_exchange(connection, 30, 80, number)
        death.set()
        for connection in lines:
            talk.expect_reset(connection)
        time.sleep(1.0)
        served(site, first)
        for client in hit:
            session(site, client, first)()
        for connection in untouched:
            talk.cgp_exchange(connection, 30, 80, 7)
            connection.close()
        time.sleep(0.5)
    over.set()
    flows = [cgp(client, first, "RSTR") for client in hit] + [cgp(client, first) for client in hit]
    flows += [cgp(client, second) for client in others]
    return Expected(0, flows, [found_all("path.reset", "warning", hit, first, "tcp", 2598, "cgp", 4)],
                    [problem("reset-in-session", "warning", hit, [first], "tcp", 2598, 4)])


@scene("asymmetric-healthy")
def asymmetric_healthy(site):
    """Clients reach six VDAs through a first router, at whose interface was captured. Three of the VDAs answer through
    it, three through a second router, so that of their sessions only the clients' packets are in the capture. All
    sessions are healthy."""
    front, back, router, staff, near = estate(site, 11, range(11, 17), range(21, 24))
    second = site.router("second")
    site.leg(second, "eth0", front, "10.78.11.2/24")
    site.leg(second, "eth1", back, "10.78.111.2/24")
    far = site.settle("vdas-beyond", *addresses(111, range(24, 27)), on=back, via="10.78.111.2")
    served(site, near)
    served(site, far)
    seen = list(zip(staff.seats[:3], near.seats))
    half = list(zip(staff.seats[3:], far.seats))
    with site.watch(router, "eth0"):
        site.together([session(site, *pair, exchanges=4) for pair in seen + half])
    one_way = dict(outcome="one_way", verdict="not_evaluable", reason="one-direction", basis=None)
    flows = [cgp(*pair) for pair in seen] + [cgp(*pair, "SH", **one_way) for pair in half]
    return Expected(0, flows, [Found("quality.one-direction", "info")], [])


@scene("duplicated")
def duplicated(site):
    """A mirror port that copies what its switch receives and what it sends gives every frame twice. A healthy session on
    TCP 2598; TCP 1494 of the same VDA is dropped by its packet filter, and the client tries it twice. The frames were
    copied by a small forwarder of the recording script, as a switch would. What the pattern says of the conversations
    counts without the second copies, as `editcap -D` tells them."""
    switch = site.switch()
    client = site.host("client", "10.78.12.11/24", on=switch)
    vda = site.host("vda", "10.78.12.21/24", on=switch)
    client.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    vda.filter("tcp dport 1494 drop")
    site.serve(vda, 2598, talk.cgp_server)
    probe = site.mirror(switch)
    with site.watch(probe):
        site.call(client, vda, 2598, talk.cgp_client)
        site.together([given_up(site, client, vda, 1494)] * 2)
    return Expected(1, [cgp(client, vda), blocked(client, vda, 1494, "silent", "S0", count=2)],
                    [found("blocked.silent", "error", client, vda, "tcp", 1494, "ica", 2)],
                    [problem("no-answer", "error", [client], [vda], "tcp", 1494, 2)], copies=True)


# Scans


@scene("scan-subnet")
def scan_subnet(site):
    """One host tries TCP 2598 of sixty addresses of a network within two seconds, two bare SYNs each, as scanners do. At
    57 of them there is nobody; three VDAs answer, and the scanner's kernel resets these connections at once. A client
    has a session with each of the three. The router sends no ICMP errors. The outcomes of the three that answer
    are left open."""
    front, _, router, staff, farm = estate(site, 13, (11,), (21, 40, 77))
    scanner = site.settle("scanner", "10.78.13.66/24", on=front, via="10.78.13.1")
    router.filter("icmp type destination-unreachable drop", hook="output")
    served(site, farm)
    raw = scanner.raw()
    client = staff.seats[0]
    targets = [f"10.78.113.{number}" for number in range(20, 80)]
    with site.watch(front, "lan"):
        for _ in range(2):
            for number, target in enumerate(targets):
                raw.sendto(talk.syn(scanner.address, target, 40000 + number, 2598), (target, 0))
                time.sleep(0.01)
        site.together([session(site, client, server) for server in farm.seats])
        time.sleep(4.0)
    there = [server.address for server in farm.seats]
    nobody = [target for target in targets if target not in there]
    flows = [blocked(scanner, Seat(router, target), 2598, "undecided", "S0", verdict="not_evaluable",
                     reason="capture-too-short", basis=None) for target in nobody]
    flows += [Told("tcp", scanner.address, target, 2598, None, None, says_heard=False) for target in there]
    flows += [cgp(client, server) for server in farm.seats]
    scan = Found("unexpected.scan", "warning", protocol="tcp", port=2598)
    return Expected(0, flows, [scan], [Problem("scan", "warning", [scanner.address], nobody, "tcp", 2598)])


# Hops and translators


@scene("double-hop")
def double_hop(site):
    """Two clients have sessions with a first VDA on TCP 2598; in these sessions users open applications of two more VDAs,
    so that the first VDA is a client of theirs, on TCP 2598 of the one and TCP 1494 of the other. All healthy."""
    switch, clients, first, second, third = hops(site, 14)
    site.serve(second, 2598, talk.cgp_server)
    with site.watch(switch, "lan"):
        fronts = [site.start(session(site, client, first, exchanges=8, pause=0.2)) for client in clients]
        time.sleep(0.3)
        session(site, first, second, exchanges=3)()
        session(site, first, third, 1494, talk.ica_client, exchanges=3)()
        for one in fronts:
            one.join(20)
    return Expected(0, [cgp(client, first) for client in clients] + [cgp(first, second), ica(first, third)], [], [])


@scene("double-hop-blocked")
def double_hop_blocked(site):
    """As `double-hop`, but the second VDA's packet filter drops TCP 2598 from the first VDA. Another client reaches the
    second VDA directly. What fails is the second hop, and the first VDA is the client there."""
    switch, clients, first, second, third = hops(site, 15)
    direct = site.host("direct", "10.78.15.13/24", on=switch)
    first.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    second.filter(f"ip saddr {first.address} tcp dport 2598 drop")
    site.serve(second, 2598, talk.cgp_server)
    with site.watch(switch, "lan"):
        fronts = [site.start(session(site, client, first, exchanges=9, pause=1.0)) for client in clients]
        time.sleep(0.3)
        others = [session(site, direct, second), session(site, first, third, 1494, talk.ica_client, exchanges=3)]
        site.together([given_up(site, first, second, 2598)] * 2, [lambda: time.sleep(1.0), *others], 6.0)
        for one in fronts:
            one.join(20)
    flows = [cgp(client, first) for client in clients]
    flows += [cgp(direct, second), ica(first, third), *[blocked(first, second, 2598, "silent", "S0") for _ in range(2)]]
    return Expected(1, flows, [found("blocked.silent", "error", first, second, "tcp", 2598, "cgp", 2)],
                    [problem("no-answer", "error", [first], [second], "tcp", 2598, 2)])


def hops(site, net):
    switch = site.switch()
    clients = [site.host(f"client{number}", f"10.78.{net}.1{number}/24", on=switch) for number in (1, 2)]
    first, second, third = (site.host(f"vda{number}", f"10.78.{net}.2{number}/24", on=switch) for number in (1, 2, 3))
    served(site, first)
    served(site, third, 1494, talk.ica_server)
    return switch, clients, first, second, third


def translated(site, net):
    """Forty clients behind a router that gives all of them its own address; captured on the VDA's side of it."""
    _, back, router, staff, vda = estate(site, net, range(11, 51), (21,))
    router.masquerade("eth1")
    return back, staff, Seat(router, f"10.78.{net + 100}.1"), vda


@scene("nat")
def nat(site):
    """Forty clients behind one address (masquerade) have a session each with a VDA on TCP 2598: forty sessions of one
    address, all healthy. Captured at the VDA's side."""
    back, staff, shared, vda = translated(site, 16)
    served(site, vda)
    with site.watch(back, "lan"):
        site.together([], [session(site, client, vda) for client in staff.seats], 2.0)
    return Expected(0, [cgp(shared, vda) for _ in staff.seats], [], [])


@scene("nat-blocked")
def nat_blocked(site):
    """As `nat`, but the VDA's packet filter drops TCP 2598. Forty attempts of forty clients come from one address: neither a
    scan nor a flood."""
    back, staff, shared, vda = translated(site, 17)
    vda.filter("tcp dport 2598 drop")
    with site.watch(back, "lan"):
        site.together([], [given_up(site, client, vda, 2598) for client in staff.seats], 2.0)
    return Expected(1, [blocked(shared, vda, 2598, "silent", "S0") for _ in staff.seats],
                    [found("blocked.silent", "error", shared, vda, "tcp", 2598, "cgp", 40)],
                    [problem("no-answer", "error", [shared], [vda], "tcp", 2598, 40)])


@scene("nat-both-sides")
def nat_both_sides(site):
    """Three clients behind a router that gives all of them its own address (masquerade) have a session each with a VDA on TCP 2598.
    Captured on all interfaces of that router: each session is there twice, from the client's own address and, a hop later, from
    the router's. All healthy."""
    _, _, router, staff, vda = estate(site, 28, (11, 12, 13), (21,))
    router.masquerade("eth1")
    shared = Seat(router, "10.78.128.1")
    served(site, vda)
    with site.watch(router, "any", link="LINUX_SLL2"):
        for client in staff.seats:
            site.call(client, vda, 2598, talk.cgp_client, **SHORT)
    clients = [client.address for client in staff.seats]
    nat = Found("path.nat", "info", clients[0], vda.address, "tcp", 2598, flows=3, clients=clients,
                says={"kind": "source", "as": [shared.address], "fate": "same"})
    flows = [cgp(client, vda) for client in staff.seats] + [cgp(shared, vda) for _ in clients]
    return Expected(0, flows, [nat], [Problem("single", "info", clients, [vda.address], "tcp", 2598)])


@scene("gateway-both-legs")
def gateway_both_legs(site):
    """Three clients on the internet have sessions through a Gateway: TLS on TCP 443 and DTLS on UDP 443 to its virtual
    address, and from its subnet address to a VDA each on TCP 2598. Both legs are in one capture. All healthy. The
    verdicts of the front legs are left open."""
    switch, clients, gateway, virtual, subnet, core, farm = gateway_site(site, 18)
    served(site, farm)
    with site.watch(switch, "lan"):
        site.together([through_gateway(site, client, virtual, subnet, vda)
                       for client, vda in zip(clients.seats, farm.seats)])
    flows = [leg for client in clients.seats for leg in front_legs(client, virtual)]
    return Expected(0, flows + [cgp(subnet, vda) for vda in farm.seats], [], [])


@scene("gateway-backend-blocked")
def gateway_backend_blocked(site):
    """As `gateway-both-legs`, but a firewall between the Gateway and the VDAs drops TCP 2598 to the second VDA. The front
    leg of that client works all the same; what is blocked is the way from the Gateway's subnet address to the VDA."""
    switch, clients, gateway, virtual, subnet, core, farm = gateway_site(site, 19)
    gateway.set("net.ipv4.tcp_syn_linear_timeouts", 0)
    core.filter(f"ip daddr {farm.seats[1].address} tcp dport 2598 drop", hook="forward")
    served(site, farm)
    with site.watch(switch, "lan"):
        sessions = [through_gateway(site, client, virtual, subnet, vda, stopped=number == 1)
                    for number, (client, vda) in enumerate(zip(clients.seats, farm.seats))]
        site.together(sessions[1:], [lambda: time.sleep(1.0), sessions[0]], 4.0)
    stopped = farm.seats[1]
    flows = [leg for client in clients.seats for leg in front_legs(client, virtual)]
    flows += [cgp(subnet, vda) for vda in farm.seats if vda.address != stopped.address]
    flows.append(blocked(subnet, stopped, 2598, "silent", "S0"))
    return Expected(1, flows, [found("blocked.silent", "error", subnet, stopped, "tcp", 2598, "cgp", 1)],
                    [problem("no-answer", "error", [subnet], [stopped], "tcp", 2598, 1)])


def gateway_site(site, net):
    switch, back, outside = site.switch("dmz"), site.switch("back"), site.switch("outside")
    internet, core = site.router("internet"), site.router("core")
    site.leg(internet, "eth0", switch, f"10.78.{net}.1/24")
    site.leg(internet, "eth1", outside, "203.0.113.1/24")
    site.leg(core, "eth0", switch, f"10.78.{net}.2/24")
    site.leg(core, "eth1", back, f"10.78.{net + 100}.1/24")
    clients = site.settle("clients", *[f"203.0.113.{number}/24" for number in (11, 12, 13)], on=outside, via="203.0.113.1")
    gateway = site.settle("gateway", *addresses(net, (10, 11)), on=switch, via=f"10.78.{net}.1")
    gateway.run("ip", "route", "add", f"10.78.{net + 100}.0/24", "via", f"10.78.{net}.2")
    farm = site.settle("vdas", *addresses(net + 100, (21, 22, 23)), on=back, via=f"10.78.{net + 100}.1")
    virtual, subnet = gateway.seats
    site.serve(gateway, 443, talk.tls_server(*certificate(site)), callers=9, address=virtual.address)
    site.serve_udp(virtual, 443, talk.dtls_server)
    return switch, clients, gateway, virtual, subnet, core, farm


def through_gateway(site, client, virtual, subnet, vda, stopped=False):
    """One session: both front legs, and a moment later the leg behind the Gateway."""

    def play():
        seconds = 10 if stopped else 2
        front = [site.start(site.call, client, virtual, 443, talk.tls_client("gateway.example", seconds, 1.0)),
                 site.start(talk.dtls_client, client.udp(), virtual, 2 * seconds, 0.5)]
        time.sleep(0.3)
        if stopped:
            site.knock(subnet, vda, 2598, "timeout", seconds=GIVES_UP)
        else:
            session(site, subnet, vda, exchanges=3, pause=0.3)()
        for one in front:
            one.join(30)

    return play


def front_legs(client, virtual):
    return [Told("tcp", client.address, virtual.address, 443, "established", "SF", heard="tls"),
            Told("udp", client.address, virtual.address, 443, "answered", "SF", heard="dtls", direction=None)]
