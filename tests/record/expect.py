"""What a report must say about a recording: counts read by tshark, meaning told by the scene, and both held together.

The scene says what it did (`Told`); tshark says what is in the file; `expected` refuses to write anything when the two
do not fit: a flow that nobody told, an outcome that the packets do not show, a state that the flags do not give.
"""

import ipaddress
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, field

BLOCKED = {"silent", "refused", "prohibited", "half_open", "reset_early"}
SESSIONS = {"ica", "cgp", "edt"}
# How the paths begin that a service is asked for, and what is said where anybody on the way can read it.
PATHS = {
    "/scripts/wpnbr.dll": ("xml-sta", "xml"), "/scripts/ctxsta.dll": ("xml-sta", "xml"),
    "/citrix/store": ("storefront", "storefront"), "/sessionrecordingbroker/": ("session-recording", "recording"),
}
GREETINGS = {
    "ica": "7f7f49434100", "cgp": "1a4347502f3031", "edt": "80000000", "tls": "1603", "ssh": "5353482d",
    "dtls": "16fe", "http": "504f5354",
}


@dataclass
class Told:
    """What the scene knows of one conversation (or of several alike). Fields left None are not in the pattern."""

    protocol: str
    client: str
    server: str
    port: int
    outcome: str | None
    state: str | None
    verdict: str | None = None
    reason: str | None = None
    basis: str | None = None
    service: str | None = None
    heard: str | None = None
    says_heard: bool = True  # False leaves "heard" out of the pattern
    direction: str | None = "handshake"
    count: int = 1  # number of flows with these ends
    server_first: bool = False  # the server sent the first captured packet
    ends_open: bool = False  # who is the client is left to the program


@dataclass
class Found:
    """One finding. `flows` counts the conversations in it; None leaves it out. `clients` are all of several clients, `servers`
    of several servers."""

    code: str
    severity: str
    client: str | None = None
    server: str | None = None
    protocol: str | None = None
    port: int | None = None
    service: str | None = None
    flows: int | None = None
    clients: list[str] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)
    says: dict = field(default_factory=dict)  # of its parameters


@dataclass
class Problem:
    """One problem: what the scene did to whom. Fields left None are not in the pattern; the rest is free."""

    cause: str | None
    severity: str
    clients: list[str]
    servers: list[str]
    protocol: str | None = None
    port: int | None = None
    attempts: int | None = None  # conversations that came to nothing
    culprit: str | None = None  # the kind of it, where the scene proves it
    culprit_address: str | None = None
    service: str | None = None
    trend: str | None = None
    ports: list[tuple[str, int]] = field(default_factory=list)  # all of them, where they are several


@dataclass
class Expected:
    """What a report must say. Without `problems` the pattern leaves them open; an empty list says that there are none."""

    exit_code: int
    flows: list[Told] = field(default_factory=list)
    findings: list[Found] = field(default_factory=list)
    problems: list[Problem] | None = None
    copies: bool = False  # packets were captured twice: what a conversation is counts without the second copies


class Misfit(Exception):
    """The file does not hold what the scene says it did."""


def expected(capture, scene_says):
    """The pattern for one recording, as plain data. Raises `Misfit`."""
    packets = read_packets(capture)
    flows = group(once(capture) if scene_says.copies else packets)
    untold = [one for one in scene_says.flows for _ in range(one.count)]
    told = [claim(flow, untold) for flow in flows]
    require(not untold, f"told but not in the file: {untold}")
    for flow, one in zip(flows, told):
        witness(flow, one, packets[-1]["time"])
    clear = in_the_clear(flows, told)
    pattern = {
        "exit_code": scene_says.exit_code,
        "captures": [capture_line(capture, packets)],
        "totals": totals(packets, told),
        "findings": [finding(one, told) for one in sorted([*scene_says.findings, *clear], key=finding_order)],
    }
    if scene_says.problems is not None:
        readable = clear + [one for one in scene_says.findings if one.code.startswith("encryption.plain-")]
        problems = scene_says.problems + ([Problem("encryption", "info", [], servers_of(readable))] if readable else [])
        pattern["problems"] = [problem(one, told) for one in sorted(problems, key=problem_order)]
    pattern["flows"] = [flow_line(flow, one, scene_says.copies) for flow, one in zip(flows, told)]
    return pattern


def in_the_clear(flows, told):
    """What anybody on the way can read, one finding for each service: it follows from what was played."""
    servers = {}
    for flow, one in zip(flows, told):
        if one.outcome in {"established", "answered", "midstream"}:
            if one.service in SESSIONS and one.service == one.heard:
                servers.setdefault(("ica", one.service), set()).add(one.server)
            elif service := asked_by_path(flow):
                servers.setdefault(service[::-1], set()).add(one.server)
    return [Found(f"encryption.plain-{name}", "info", servers=sorted(here, key=ipaddress.ip_address), service=service)
            for (name, service), here in sorted(servers.items())]


def asked_by_path(flow):
    """The service that was asked for over HTTP and answered, and what is said of that; none where it is not known by its path."""
    said = [next((bytes.fromhex(one["begins"]) for one in flow["packets"]
                  if one["begins"] and (one["from"] == flow["client"]) == mine), b"") for mine in (True, False)]
    request = said[0].split(b" ")
    if len(request) < 3 or not said[1].startswith(b"HTTP/1."):
        return None
    path = request[1].decode(errors="replace").lower()
    return next((service for begin, service in PATHS.items() if path.startswith(begin)), None)


def servers_of(findings):
    return sorted({server for one in findings for server in one.servers})


def check(capture, pattern):
    """Hold a recorded file against the pattern beside it. Raises `Misfit`."""
    packets = read_packets(capture)
    copies = any("client" in line and "packets" not in line for line in pattern["flows"])
    flows = group(once(capture) if copies else packets)
    require(len(flows) == len(pattern["flows"]), f"{len(flows)} flows in the file")
    told = [told_by(flow, line) for flow, line in zip(flows, pattern["flows"])]
    for flow, one, line in zip(flows, told, pattern["flows"]):
        witness(flow, one, packets[-1]["time"])
        read = flow_line(flow, one, copies)
        require(read == line, f"the file gives {read}")
    require(pattern["captures"] == [capture_line(capture, packets)], "the capture's line differs")
    require(pattern["totals"] == totals(packets, told), f"the file gives {totals(packets, told)}")


def told_by(flow, line):
    """The scene's line of one conversation, read back from the pattern."""
    first = flow["packets"][0]
    ends = [(line[end]["address"], line[end]["port"]) for end in ("client", "server") if end in line]
    flow["client"], flow["server"] = ends or (first["from"], first["to"])
    return Told(
        line["protocol"], flow["client"][0], flow["server"][0], flow["server"][1], line.get("outcome"), line.get("state"),
        line.get("verdict"), line.get("reason"), line.get("basis"), line.get("service"), line.get("heard"),
        "heard" in line, line.get("direction_basis"), ends_open=not ends,
    )


# Reading the file


def read_packets(capture):
    """Every packet of a capture as tshark tells it, headers only."""
    command = ["tshark", "-n", "-r", capture, "-o", "ip.defragment:FALSE", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"]
    for name in FIELDS:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise Misfit(f"tshark: {done.stderr.strip()}")
    return [packet(dict(zip(FIELDS, line.split("\t")))) for line in done.stdout.splitlines()]


def once(capture):
    """Every packet without second copies, told by editcap from equal bytes within a few frames."""
    with tempfile.TemporaryDirectory() as folder:
        single = os.path.join(folder, "single.pcap")
        subprocess.run(["editcap", "-D", "32", capture, single], check=True, capture_output=True, timeout=60)
        return read_packets(single)


def packet(row):
    first = {name: value.split(",")[0] for name, value in row.items()}
    made = {
        "time": float(first["frame.time_epoch"]),
        "cut": int(first["frame.cap_len"]) < int(first["frame.len"]),
        "vlan": [int(number) for tags in ("ieee8021ad.id", "vlan.id")
                 for number in row[tags].split(",") if number],
        "kind": "other",
    }
    if first["ip.src"]:
        source, target = first["ip.src"], first["ip.dst"]
        made["ip_bytes"] = int(first["ip.len"])
        room = made["ip_bytes"] - int(first["ip.hdr_len"])
        made["datagram"] = (source, target, first["ip.id"])
        made["more"] = first["ip.flags.mf"] in ("1", "True")
        if first["ip.frag_offset"] != "0":
            return made | {"kind": "fragment", "payload_bytes": room, "begins": ""}
    elif first["ipv6.src"]:
        source, target = first["ipv6.src"], first["ipv6.dst"]
        room = int(first["ipv6.plen"])
        made["ip_bytes"] = 40 + room
    else:
        return made
    if first["icmp.type"] or first["icmpv6.type"]:
        kind = "tcp" if row["tcp.dstport"] else "udp"
        ends = [row[name].split(",")[-1] for name in ("ip.src", "ip.dst")]
        if first["icmpv6.type"]:
            ends = [row[name].split(",")[-1] for name in ("ipv6.src", "ipv6.dst")]
        quoted = (kind, (ends[0], int(first[f"{kind}.srcport"])), (ends[1], int(first[f"{kind}.dstport"])))
        return made | {"kind": "icmp", "quoted": quoted}
    for kind in ("tcp", "udp"):
        if first[f"{kind}.srcport"]:
            made["kind"] = kind
            made["from"] = (source, int(first[f"{kind}.srcport"]))
            made["to"] = (target, int(first[f"{kind}.dstport"]))
    if made["kind"] == "udp":
        made["payload_bytes"] = room - 8 if made.get("more") else int(first["udp.length"]) - 8
        made["begins"] = first["udp.payload"]
    if made["kind"] == "tcp":
        made["payload_bytes"] = room - int(first["tcp.hdr_len"])
        made["begins"] = first["tcp.payload"]
        made["flags"] = int(first["tcp.flags"], 16)
        made["seq"] = int(first["tcp.seq_raw"])
        made["again"] = any(first[name] for name in FIELDS if name.startswith("tcp.analysis"))
    return made


def group(packets):
    """Conversations in the order of their first packet."""
    flows, cut = {}, {}
    for one in packets:
        if one["kind"] == "fragment":
            # It has no ports: it goes where the first fragment of its datagram went.
            one |= cut[one["datagram"]]
        elif one.get("more"):
            cut[one["datagram"]] = {name: one[name] for name in ("kind", "from", "to")}
        if one["kind"] not in ("tcp", "udp"):
            continue
        key = (one["kind"], frozenset((one["from"], one["to"])))
        flows.setdefault(key, []).append(one)
    made = [{"protocol": key[0], "packets": members, "errors": []} for key, members in flows.items()]
    for one in packets:
        if one["kind"] == "icmp":
            kind, source, target = one["quoted"]
            owner = [flow for flow in made if flow["protocol"] == kind
                     and (flow["packets"][0]["from"], flow["packets"][0]["to"]) in ((source, target), (target, source))]
            require(len(owner) == 1, f"an ICMP error quotes {one['quoted']}, which is not in the file")
            owner[0]["errors"].append(one)
    return made


# Holding scene and file together


def claim(flow, untold):
    """Take the first line of the scene that tells this conversation; gives the flow its client and server."""
    first = flow["packets"][0]
    for one in untold:
        client, server = (first["to"], first["from"]) if one.server_first else (first["from"], first["to"])
        if (flow["protocol"], client[0], server) == (one.protocol, one.client, (one.server, one.port)):
            flow["client"], flow["server"] = client, server
            untold.remove(one)
            return one
    raise Misfit(f"nobody told of {flow['protocol']} {first['from']} to {first['to']}")


def witness(flow, told, end):
    """The packets must show the outcome, the state and the greeting that the scene tells."""
    what = f"{told.protocol} {flow['client']} to {flow['server']}"
    mine = [one for one in flow["packets"] if one["from"] == flow["client"]]
    theirs = [one for one in flow["packets"] if one["from"] != flow["client"]]
    if told.protocol == "tcp":
        shown = tcp_outcomes(mine, theirs, flow["errors"], end)
        state = tcp_state(mine, theirs)
    else:
        shown = udp_outcomes(mine, theirs, flow["errors"], end)
        if flow["server"][1] == 69:
            # TFTP answers from another port; the scene says which, and that conversation is checked for itself.
            shown |= {"answered"}
        state = "SF" if mine and theirs else "S0"
    require(told.outcome is None or told.outcome in shown, f"{what}: told {told.outcome}, the packets show {shown or 'nothing known'}")
    require(told.state in (None, state), f"{what}: told {told.state}, the flags give {state}")
    if told.heard in GREETINGS:
        begins = [next((one["begins"] for one in side if one["begins"]), "") for side in (mine, theirs)]
        require(any(text.startswith(GREETINGS[told.heard]) for text in begins), f"{what}: {told.heard} is not heard")


def tcp_outcomes(mine, theirs, errors, end):
    syn_only = bool(mine) and all(one["flags"] & (SYN | ACK) == SYN for one in mine)
    syn_acks = sum(1 for one in theirs if one["flags"] & (SYN | ACK) == SYN | ACK)
    client_went_on = any(one["flags"] & ACK and not one["flags"] & (SYN | RST) for one in mine)
    said_by_server = sum(one["payload_bytes"] for one in theirs)
    shown = set()
    if syn_only and not theirs and not errors:
        watched = end - mine[0]["time"]
        shown.add("silent" if len(mine) >= 3 and watched >= 4 else "undecided")
    if syn_only and errors and not theirs:
        shown.add("prohibited")
    if syn_only and theirs and all(one["flags"] & RST for one in theirs):
        shown.add("refused")
    if syn_only and syn_acks >= 3:
        shown.add("half_open")
    if not any(one["flags"] & SYN for one in mine + theirs) and mine and theirs:
        shown.add("midstream")
    if client_went_on and not theirs:
        shown.add("one_way")
    if client_went_on and syn_acks:
        early = not said_by_server and any(one["flags"] & RST for one in theirs)
        shown.add("reset_early" if early else "established")
    return shown


def udp_outcomes(mine, theirs, errors, end):
    if mine and theirs:
        return {"answered"}
    if errors:
        return {"prohibited"}
    return {"silent", "unanswered"} if len(mine) >= 2 and end - mine[0]["time"] >= 4 else {"unanswered"}


def tcp_state(mine, theirs):
    """Zeek's conn_state for the simple cases that are recorded here."""

    def has(side, flag):
        return any(one["flags"] & flag for one in side)

    if not has(mine, SYN) and not has(theirs, SYN):
        return "OTH"
    if not theirs:
        return "SH" if has(mine, FIN) else "S0"
    if not has(theirs, SYN):
        return "REJ" if has(theirs, RST) else "S0"
    if has(mine, RST):
        return "RSTO"
    if has(theirs, RST):
        return "RSTR"
    return {(True, True): "SF", (True, False): "S2", (False, True): "S3", (False, False): "S1"}[
        has(mine, FIN), has(theirs, FIN)]


def retransmissions(side):
    """Segments that repeat what was sent before, counted here and by tshark; None when the two disagree, and when one comes so soon
    behind what it repeats that it may pass for one that was overtaken."""
    by_tshark = sum(1 for one in side if one["again"])
    counted, reached, when = 0, None, 0.0
    for one in side:
        size = one["payload_bytes"] + bool(one["flags"] & SYN) + bool(one["flags"] & FIN)
        if not size:
            continue
        after = (one["seq"] + size) & 0xFFFFFFFF
        if reached is not None and (after - reached) & 0xFFFFFFFF in range(0x80000000, 0x100000000) or after == reached:
            if one["time"] - when < SOON:
                return None
            counted += 1
        else:
            reached, when = after, one["time"]
    return counted if counted == by_tshark else None


# Writing it down


def capture_line(capture, packets):
    info = subprocess.run(["capinfos", "-T", "-r", "-E", capture], capture_output=True, text=True, timeout=30).stdout
    link = LINKS[info.split("\t")[1].strip()]
    line = {
        "format": "pcapng" if capture.endswith("pcapng") else "pcap",
        "link_types": [link],
        "packets": len(packets),
        "truncated_packets": sum(one["cut"] for one in packets),
    }
    skipped = sum(1 for one in packets if one["kind"] == "other")
    return line | ({"skipped": {"not_ip": skipped}} if skipped else {})


def totals(packets, told):
    """A verdict left open by the scene is `expected` or `unmapped`; those two sums are then left out."""
    made = {"packets": len(packets), "flows": len(told)}
    if all(one.outcome for one in told):
        made["blocked"] = sum(one.outcome in BLOCKED for one in told)
    certain = ["unexpected", "not_evaluable"]
    if all(one.verdict for one in told):
        certain += ["expected", "unmapped"]
    return made | {verdict: sum(one.verdict == verdict for one in told) for verdict in certain}


def finding_order(one):
    return (one.code, one.protocol or "", one.port or 0, one.client or "")


def finding(one, told):
    if one.flows is not None and one.code.startswith("blocked."):
        outcome = one.code.removeprefix("blocked.").replace("-", "_")
        ends = (one.server, one.protocol, one.port, outcome)
        clients = one.clients or [one.client]
        same = sum(flow.client in clients and (flow.server, flow.protocol, flow.port, flow.outcome) == ends
                   for flow in told)
        require(same == one.flows, f"{one} has {same} flows")
    made = {"code": one.code, "severity": one.severity}
    if one.client:
        made["clients"] = one.clients or [one.client]
    if one.client or one.servers:
        made["servers"] = one.servers or [one.server]
    named = {"protocol": one.protocol, "port": one.port, "service": one.service, "flow_count": one.flows,
             "parameters": one.says or None}
    return made | {name: value for name, value in named.items() if value is not None}


def problem_order(one):
    return (one.cause or "", one.protocol or "", one.port or 0)


def problem(one, told):
    """The pattern of a problem. Attempts that were blocked must be as many as the conversations told so."""
    ports = one.ports or [(one.protocol, one.port)]
    if one.attempts is not None and ports[0][1] is not None and one.cause in BLOCKING | {"stopped"}:
        same = sum(flow.client in one.clients and flow.server in one.servers and flow.outcome in BLOCKED
                   and (flow.protocol, flow.port) in ports for flow in told)
        require(same == one.attempts, f"{one} has {same} attempts")
    made = ({"cause": one.cause} if one.cause else {}) | {"severity": one.severity}
    named = {"protocol": one.protocol, "port": one.port, "service": one.service}
    made |= {name: value for name, value in named.items() if value is not None}
    if one.ports:
        made["ports"] = [{"protocol": protocol, "port": port} for protocol, port in sorted(one.ports)]
    made |= ({"clients": hosts(one.clients)} if one.clients else {}) | {"servers": hosts(one.servers)}
    made |= {name: value for name, value in (("attempts", one.attempts), ("trend", one.trend)) if value is not None}
    if one.culprit:
        made["culprit"] = {"kind": one.culprit}
    if one.culprit_address:
        made["culprit"]["address"] = one.culprit_address
    return made


def hosts(addresses):
    """How many there are, and a single one by its address."""
    made = {"count": len(set(addresses))}
    return made | ({"ranges": [addresses[0]]} if made["count"] == 1 else {})


def flow_line(flow, told, copies=False):
    mine = [one for one in flow["packets"] if one["from"] == flow["client"]]
    theirs = [one for one in flow["packets"] if one["from"] != flow["client"]]
    made = {"protocol": told.protocol}
    if not told.ends_open:
        made |= {
            "client": {"address": flow["client"][0], "port": flow["client"][1]},
            "server": {"address": flow["server"][0], "port": flow["server"][1]},
        }
        if told.direction:
            made["direction_basis"] = told.direction
        if not copies:
            made["packets"] = {"client": len(mine), "server": len(theirs)}
        for name in () if copies else ("ip_bytes", "payload_bytes"):
            made[name] = {"client": sum(one[name] for one in mine), "server": sum(one[name] for one in theirs)}
    if told.outcome:
        made |= {"outcome": told.outcome, "blocked": told.outcome in BLOCKED, "state": told.state}
    if told.protocol == "tcp":
        again = (retransmissions(mine), retransmissions(theirs))
        if None not in again:
            made["retransmissions"] = {"client": again[0], "server": again[1]}
    made["vlan"] = flow["packets"][0]["vlan"]
    if told.says_heard:
        made["heard"] = told.heard
    named = {"service": told.service, "basis": told.basis, "verdict": told.verdict}
    made |= {name: value for name, value in named.items() if value is not None}
    if told.verdict:
        made["reason"] = told.reason
    return made


def write(pattern, path):
    with open(path, "w") as handle:
        handle.write(compact(pattern) + "\n")


def compact(value, indent=0):
    """JSON that a person can read: small objects on one line."""
    flat = json.dumps(value)
    if len(flat) + indent <= 110 or not isinstance(value, (dict, list)):
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{pad}{json.dumps(key)}: {compact(part, indent + 2)}" for key, part in value.items()]
        return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + compact(part, indent + 2) for part in value) + "\n" + " " * indent + "]"


def require(holds, otherwise):
    if not holds:
        raise Misfit(otherwise)


SOON = 0.006  # seconds: 3 ms, which Wireshark takes as well, twice
BLOCKING = {"no-answer", "refused", "prohibited", "subnet-against-port"}
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
LINKS = {"ether": "ethernet", "linux-sll2": "linux-sll2"}
FIELDS = (
    "frame.time_epoch", "frame.len", "frame.cap_len", "ieee8021ad.id", "vlan.id",
    "ip.src", "ip.dst", "ip.len", "ip.hdr_len", "ip.id", "ip.flags.mf", "ip.frag_offset", "ipv6.src", "ipv6.dst", "ipv6.plen",
    "icmp.type", "icmpv6.type",
    "tcp.srcport", "tcp.dstport", "tcp.hdr_len", "tcp.flags", "tcp.seq_raw", "tcp.payload",
    "tcp.analysis.retransmission", "tcp.analysis.fast_retransmission", "tcp.analysis.spurious_retransmission",
    "udp.srcport", "udp.dstport", "udp.length", "udp.payload",
)
