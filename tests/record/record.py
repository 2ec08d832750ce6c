#!/usr/bin/env python3
"""Record the scenes into fixtures/, check what is there, or play a scene for another program to watch."""

import argparse
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # before our own files are imported: nothing but sources belongs in this folder

import expect
import launches  # enters its scenes in the table
import network
import paths  # enters its scenes in the table
import services  # enters its scenes in the table
import sites  # enters its scenes in the table
import stories  # enters its scenes in the table
from scenes import SCENES

FIXTURES = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "fixtures"))
SCENE_PATIENCE = 150  # seconds
LONGEST_FIRST = ("both-dropped", "office", "fallback-cgp-to-ica", "half-open", "edt-blocked", "dns-dropped")


def main():
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGALRM, stop)
    asked = arguments()
    return asked.action(asked)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(required=True)
    record = actions.add_parser("record", help="record scenes (all when none is named) into fixtures/")
    record.add_argument("scene", nargs="*", type=known, default=[], metavar="SCENE")
    record.add_argument("--keep", action="store_true",
                        help="keep the captures that are there: play the scene only for what it tells of them")
    record.add_argument("--jobs", type=int, default=8, help="scenes played at the same time (8)")
    record.set_defaults(action=record_all)
    check = actions.add_parser("check", help="hold the recorded files against their expected.json again")
    check.set_defaults(action=check_all)
    play = actions.add_parser("play", help="play one scene while another program watches, writing nothing")
    play.add_argument("scene", choices=SCENES, metavar="SCENE")
    play.add_argument("command", nargs=argparse.REMAINDER,
                      help="-- PROGRAM ARGUMENTS, started in the namespace; {interface} is replaced; SIGINT ends it")
    play.set_defaults(action=play_one)
    listing = actions.add_parser("list", help="name the scenes")
    listing.set_defaults(action=lambda _: print("\n".join(SCENES)))
    clean = actions.add_parser("clean", help="remove namespaces that a killed recording left behind")
    clean.set_defaults(action=lambda _: print("\n".join(network.remove_left_over_namespaces())))
    return parser.parse_args()


def known(name):
    if name not in SCENES:
        raise argparse.ArgumentTypeError(f"there is no scene {name}")
    return name


def stop(number, _frame):
    raise SystemExit(f"stopped by signal {number}")


def record_all(asked):
    """One process a scene, so that the long ones pass their waiting time together."""
    missing = network.tools_missing()
    if missing or os.geteuid() != 0:
        raise SystemExit(f"recording needs root and these programs: {' '.join(missing) or 'all there'}")
    names = asked.scene or sorted(SCENES, key=lambda name: LONGEST_FIRST.index(name) if name in LONGEST_FIRST else 99)
    if len(names) == 1:
        return record_one(names[0], asked.keep)
    waiting, running, failed = list(names), {}, []
    try:
        while waiting or running:
            while waiting and len(running) < asked.jobs:
                name = waiting.pop(0)
                command = [sys.executable, os.path.abspath(__file__), "record", name]
                running[name] = subprocess.Popen(command + ["--keep"] * asked.keep)
            time.sleep(0.1)
            for name in [name for name, child in running.items() if child.poll() is not None]:
                if running.pop(name).returncode != 0:
                    failed.append(name)
    finally:
        for child in running.values():
            child.terminate()
        for child in running.values():
            child.wait(timeout=60)
    if failed:
        print(f"not recorded: {' '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def record_one(name, keep=False):
    signal.alarm(SCENE_PATIENCE)
    with tempfile.TemporaryDirectory(prefix=f"{network.PREFIX}-") as folder:
        site, told = played(name, folder)
        capture = site.capture
        if getattr(SCENES[name], "pcapng", False):
            capture = network.to_pcapng(capture)
        if capture.endswith("pcapng"):
            network.forget_machine(capture)
        target = os.path.join(FIXTURES, name)
        os.makedirs(target, exist_ok=True)
        capture = recorded(target) if keep else capture
        pattern = expect.expected(capture, told)
        if not keep:
            for old in captures(target):
                os.remove(old)
            shutil.copyfile(capture, os.path.join(target, os.path.basename(capture)))
        expect.write(pattern, os.path.join(target, "expected.json"))
        with open(os.path.join(target, "README.md"), "w") as handle:
            handle.write(read_me(name, site, pattern))
        size = os.path.getsize(capture)
    print(f"{name}: {pattern['totals']['packets']} packets, {pattern['totals']['flows']} flows, {size} bytes")
    return 0


def played(name, folder, instead=None):
    """Play one scene; gives the site (already gone, but it remembers names) and what the scene tells."""
    scene = SCENES[name]
    with network.Site(folder, scene.ipv6, instead) as site:
        told = scene(site)
    return site, told


def read_me(name, site, pattern):
    hosts = [f"| {host.name} | {addresses(host)} |" for host in site.hosts.values() if host.addresses]
    codes = ", ".join(f"`{one['code']}`" for one in pattern["findings"]) or "none"
    return f"""# {name}

{inspect.cleandoc(SCENES[name].__doc__)}

| host | address |
|---|---|
{chr(10).join(hosts) or "| none | |"}

Findings: {codes}. {problems(pattern)}Exit code {pattern["exit_code"]}.

Recorded from real kernel traffic between network namespaces; a stand-in sent the bytes that a real Citrix program
would send; no Citrix software was involved. Again with: `tests/record/record.py record {name}`.
"""


def addresses(host):
    """All of a few addresses; of many the first and the last, and how many."""
    if len(host.addresses) <= 4:
        return ", ".join(host.addresses)
    return f"{len(host.addresses)} from {host.addresses[0]} to {host.addresses[-1]}"


def problems(pattern):
    if "problems" not in pattern:
        return ""
    causes = ", ".join(f"`{one.get('cause', 'left open')}`" for one in pattern["problems"]) or "none"
    return f"Problems: {causes}. "


def check_all(_asked):
    """The counts in expected.json must still be what tshark reads from the captures."""
    bad = 0
    for name in SCENES:
        problem = check_one(os.path.join(FIXTURES, name))
        print(f"{name}: {problem or 'holds'}")
        bad += problem is not None
    return 1 if bad else 0


def captures(folder):
    """The captures of a fixture that are there."""
    names = [os.path.join(folder, one) for one in ("capture.pcap", "capture.pcapng")]
    return [name for name in names if os.path.exists(name)]


def recorded(folder):
    there = captures(folder)
    if len(there) != 1:
        raise SystemExit(f"{folder} does not hold one capture")
    return there[0]


def check_one(folder):
    if len(captures(folder)) != 1 or not os.path.exists(os.path.join(folder, "README.md")):
        return "is not complete"
    with open(os.path.join(folder, "expected.json")) as handle:
        pattern = json.load(handle)
    try:
        expect.check(recorded(folder), pattern)
    except expect.Misfit as misfit:
        return str(misfit)
    return None


def play_one(asked):
    signal.alarm(SCENE_PATIENCE)
    command = asked.command[1:] if asked.command[:1] == ["--"] else asked.command
    if not command:
        raise SystemExit("play needs a program to run: -- PROGRAM ARGUMENTS")
    with tempfile.TemporaryDirectory(prefix=f"{network.PREFIX}-") as folder:
        site, _ = played(asked.scene, folder, command)
    return site.watcher_exit


if __name__ == "__main__":
    sys.exit(main())
