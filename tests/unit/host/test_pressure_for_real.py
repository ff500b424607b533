# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that bind in each of the five ways, in a network namespace, and what is observed of them from outside."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest
from namespaces import inside, needs_root

pytestmark = needs_root

BENCH = pathlib.Path(__file__).parents[2] / "bench/pressure"

#: Each program is a process of a user of its own; the user's number is its name.
COMMON = """
import ctypes, json, os, signal, socket, struct, subprocess, sys
sys.path[:0] = json.loads(sys.argv[1])
from ansible_collections.fourtuple.clients.plugins.module_utils.host import (
    client_sockets, netlink, port_choice, pressure, socket_count, socket_groups)

def key(name, value):
    with open("/proc/sys/net/ipv4/" + name, "w") as file:
        file.write(value)

def ports(low, high):
    key("ip_local_port_range", "%d %d" % (low, high))

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
ports(40000, 40099)
key("tcp_tw_reuse", "0")

def listen(port, address="127.0.0.1"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(family)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((address, port))
    one.listen(4096)
    return one

servers = [listen(8001), listen(8002), listen(8001, "::1"), listen(8003, "0.0.0.0")]

def connect(mode, number, sources, destinations, first, family=socket.AF_INET):
    held = []
    for index in range(number):
        one = socket.socket(family)
        source = sources[index % len(sources)]
        if mode == "bind_no_port":
            one.setsockopt(socket.IPPROTO_IP, 24, 1)
        if mode in ("bind", "bind_no_port"):
            one.bind((source, 0))
        if mode == "bind_any":
            one.bind(("", 0))
        if mode == "bind_port":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((source, first + index // (len(sources) * len(destinations))))
        try:
            one.connect(destinations[index // len(sources) % len(destinations)])
        except OSError:
            break
        held.append(one)
    return held

def program(user, mode, number, sources=("127.0.0.1",), destinations=(("127.0.0.1", 8001),), first=0,
            family=socket.AF_INET):
    ready, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        ctypes.CDLL(None).prctl(1, 9)
        os.setuid(user)
        held = connect(mode, number, sources, destinations, first, family)
        os.write(theirs, b"%d" % len(held))
        signal.pause()
    os.close(theirs)
    got = int(os.read(ready, 9) or b"-1")
    os.close(ready)
    return got

def observed(user):
    return [(one["binding"], one["certainty"], one["connections"]) for one in found["programs"]
            if one["program"] == str(user)]

def observed_now(user):
    global found
    found = pressure.observe()
    return observed(user)

def pairs(*names):
    return {(one["source"], one["destination"]): tuple(one[name] for name in names) for one in found["pairs"]}
"""


def check(script: str) -> None:
    inside(COMMON + script, 60)


def test_autobind() -> None:
    check("""
assert program(7001, "autobind", 100, destinations=[("127.0.0.1", 8001), ("127.0.0.1", 8002)]) == 100
found = pressure.observe()
assert observed(7001) == [("autobind", "sure", 100)], found
assert pairs("connections", "ports", "share") == {
    ("127.0.0.1", "127.0.0.1:8001"): (50, 100, 0.5), ("127.0.0.1", "127.0.0.1:8002"): (50, 100, 0.5)}, found
assert found["taken"] == 0 and found["usable"] == 100
""")


def test_autobind_to_the_last_port() -> None:
    check("""
assert program(7001, "autobind", 101) == 100
found = pressure.observe()
assert observed(7001) == [("autobind", "sure", 100)], found
assert pairs("share") == {("127.0.0.1", "127.0.0.1:8001"): (1.0,)}, found
""")


def test_bind_no_port() -> None:
    check("""
assert program(7001, "bind_no_port", 180, sources=["127.0.0.1", "127.0.0.2", "127.0.0.3"]) == 180
found = pressure.observe()
assert observed(7001) == [("bind_no_port", "sure", 180)], found
assert pairs("connections", "share") == {
    ("127.0.0.%d" % number, "127.0.0.1:8001"): (60, 0.6) for number in (1, 2, 3)}, found
assert found["taken"] == 0
""")


@pytest.mark.parametrize("number", [60, 200])
def test_plain_bind_of_another_address_than_the_routes(number: int) -> None:
    check(
        """
assert program(7001, "bind", %(number)d, sources=["127.0.0.2", "127.0.0.3"],
               destinations=[("127.0.0.1", 8001), ("127.0.0.1", 8002)]) == %(number)d
found = pressure.observe()
assert observed(7001) == [("bind", "sure", %(number)d)], found
# Of the source, whatever the destination.
assert pairs("connections", "ports", "share") == {
    ("127.0.0.%%d" %% source, None): (%(number)d / 2, 100, %(number)d / 200) for source in (2, 3)}, found
assert found["taken"] >= %(number)d / 2
if %(number)d == 200:
    assert found["taken"] == 100
    assert len(connect("autobind", 1, [""], [("127.0.0.1", 8001)], 0)) == 0
"""
        % {"number": number}
    )


@pytest.mark.parametrize("mode", ["bind", "bind_any"])
def test_what_cannot_be_told_is_not_called_sure(mode: str) -> None:
    check(
        """
assert program(7001, %r, 60) == 60
found = pressure.observe()
assert observed(7001) == [("bind", "likely", 60)], found
assert found["programs"][0]["possible"] == ["bind", "bind_any"]
assert found["taken"] == 60
"""
        % mode
    )


def test_wildcard_bind_of_which_each_source_is_the_routes() -> None:
    check("""
subprocess.run("ip link add cl0 type veth peer name sv0; ip addr add 10.9.0.1/24 dev cl0; ip link set cl0 up;"
               "ip link set sv0 up; ip route add local 10.8.0.0/24 dev lo src 10.9.0.1", shell=True, check=True)
server = listen(8004, "0.0.0.0")
assert program(7001, "bind_any", 60, destinations=[("127.0.0.1", 8004), ("10.8.0.1", 8004)]) == 60
found = pressure.observe()
assert observed(7001) == [("bind_any", "likely", 60)], found
assert pairs("connections", "share") == {(None, None): (60, 0.6)}, found
""")


def test_explicit_ports_inside_and_outside_the_range() -> None:
    check("""
assert program(7001, "bind_port", 40, sources=["127.0.0.1", "127.0.0.2"], first=40080) == 40
assert program(7002, "bind_port", 10, first=30000) == 10
found = pressure.observe()
assert observed(7001) == [("bind_port", "sure", 40)], found
assert observed(7002) == [("bind_port", "sure", 10)], found
assert found["taken"] == 20, found
assert pairs("connections", "ports", "share") == {
    ("127.0.0.1", "127.0.0.1:8001"): (30, None, None), ("127.0.0.2", "127.0.0.1:8001"): (20, None, None)}, found
""")


MIXTURE = """
ports(40000, 41999)
own = program(7005, "bind_port", 30, first=41900)
true = {
    7001: ("autobind", program(7001, "autobind", 150, destinations=[("127.0.0.1", 8001), ("127.0.0.1", 8002)])),
    7002: ("bind_no_port", program(7002, "bind_no_port", 150, sources=["127.0.0.4", "127.0.0.5"])),
    7003: ("bind", program(7003, "bind", 150, sources=["127.0.0.6", "127.0.0.7"])),
    7004: ("bind", program(7004, "bind_any", 90)),
    7005: ("bind_port", own),
}
assert sum(number for _mode, number in true.values()) == 570, true
"""


def test_five_programs_at_once() -> None:
    check(
        MIXTURE
        + """
found = pressure.observe()
for user, (mode, number) in true.items():
    certainty = "likely" if user == 7004 else "sure"
    assert observed(user) == [(mode, certainty, number)], (user, found)
assert found["taken"] == len({port for port in range(40000, 42000) if port_choice.is_taken(port, 9)}), found
"""
    )


def test_counts_are_those_of_proc_net() -> None:
    check(
        MIXTURE
        + """
import collections
found = pressure.observe()
true = collections.Counter()
with open("/proc/net/tcp") as file:
    for line in list(file)[1:]:
        words = line.split()
        (source, port), (destination, other) = (word.split(":") for word in words[1:3])
        if words[3] == "01" and int(port, 16) >= 40000:
            source = socket.inet_ntoa(struct.pack("=I", int(source, 16)))
            destination = "%s:%d" % (socket.inet_ntoa(struct.pack("=I", int(destination, 16))), int(other, 16))
            mode = {"7003": "bind", "7004": "bind", "7005": "bind_port"}.get(words[7])
            true[source, None if mode == "bind" else destination, mode == "bind_port"] += 1
told = {(one["source"], one["destination"], one["ports"] is None): one["connections"] for one in found["pairs"]}
assert told == true, (told, true)
"""
    )


def test_with_too_many_groups_the_pairs_that_are_told_are_exact() -> None:
    check(
        MIXTURE
        + """
program(7006, "bind_no_port", 40, sources=["127.0.9.%d" % number for number in range(1, 41)])
true_programs = true
pressure.MAX_PAIRS = 100
whole = pressure.observe()
socket_groups.MAX_KEYS = 10
pressure.MAX_PAIRS = 3
found = pressure.observe()
assert client_sockets.ClientSockets().pruned
def place(one):
    return one["source"], one["destination"], one["ports"] is None
true = {place(one): one["connections"] for one in whole["pairs"]}
for one in found["pairs"]:
    assert one["connections"] == true[place(one)], (one, true)
for user, (mode, number) in true_programs.items():
    assert sum(one[2] for one in observed(user)) == number, found["programs"]
    assert user == 7004 or observed(user)[0][0] == mode, found["programs"]
"""
    )


def test_a_sample_of_the_ports_tells_the_same() -> None:
    check(
        MIXTURE
        + """
pressure.SAMPLE = 200
found = pressure.observe()
for user in (7001, 7002, 7003, 7005):
    mode, number = true[user]
    assert observed(user) == [(mode, "sure", number)], found
assert found["taken_estimated"]
assert 180 <= found["taken"] <= 350, found
"""
    )


def test_what_was_accepted_does_not_count() -> None:
    check("""
ports(8000, 40099)
client = socket.socket()
client.setsockopt(socket.IPPROTO_IP, 51, struct.pack("=I", 40050 << 16 | 40000))
client.connect(("127.0.0.1", 8001))
server = servers[0].accept()[0]
found = pressure.observe()
assert [one["connections"] for one in found["pairs"]] == [1], found
assert found["pairs"][0]["destination"] == "127.0.0.1:8001"
""")


def test_timewait_is_beside_and_counts_unless_connect_takes_it_over() -> None:
    check("""
import time
held = connect("autobind", 30, [""], [("127.0.0.1", 8001)], 0)
accepted = [servers[0].accept()[0] for _one in held]
ends = [one.getsockname()[1] for one in held]
for one in held[:10]:
    one.close()
# Of these the other end is closed as well: they are in TIME_WAIT, the others in FIN_WAIT2, and neither has an owner.
for one in accepted:
    if one.getpeername()[1] in ends[:5]:
        one.close()
time.sleep(.2)
with open("/proc/net/sockstat") as file:
    waiting = int(file.read().split(" tw ")[1].split()[0])
assert waiting == 10
found = pressure.observe()
(pair,) = found["pairs"]
assert waiting and pair["timewait"] == waiting, (waiting, pair)
assert pair["share"] == (pair["connections"] + waiting) / 100, pair
key("tcp_tw_reuse", "2")
(pair,) = pressure.observe()["pairs"]
assert pair["share"] == pair["connections"] / 100, pair
""")


def test_listeners_and_stray_binds_in_the_range() -> None:
    check("""
key("ip_local_reserved_ports", "40003")
one, two = listen(40001), listen(40003)
stray = socket.socket()
stray.bind(("127.0.0.1", 40005))
found = pressure.observe()
assert found["usable"] == 97 or found["usable"] == 98, found
assert {(one["port"], one["listens"]) for one in found["waiting"]} in (
    {(40001, True), (40005, False)}, {(40001, True)}), found
assert found["waiting"][0]["program"] == "root"
""")


def test_ipv6() -> None:
    check("""
assert program(7001, "bind_no_port", 20, sources=["::1"], destinations=[("::1", 8001)], family=socket.AF_INET6) == 20
assert program(7002, "autobind", 20, destinations=[("::ffff:127.0.0.1", 8003)], family=socket.AF_INET6) == 20
found = pressure.observe()
assert observed(7001) == [("bind_no_port", "sure", 20)], found
assert observed(7002) == [("autobind", "sure", 20)], found
assert pairs("connections") == {("::1", "[::1]:8001"): (20,), ("127.0.0.1", "127.0.0.1:8003"): (20,)}, found
""")


def test_a_kernel_that_shows_less_is_believed_less() -> None:
    """Linux before 6.3 cannot be asked about a port, before 5.10 does not show the option, before 5.8 no group."""
    check(
        MIXTURE
        + """
port_choice.is_taken = lambda port, closed: None
found = pressure.observe()
assert observed(7001)[0][:2] in (("autobind", "sure"), ("autobind", "likely")), found
assert observed(7002)[0][:2] == ("bind_no_port", "sure"), found
assert observed(7003)[0][:2] == ("bind", "likely"), found
assert observed(7004)[0][:2] == ("bind", "likely"), found
assert observed(7005)[0][:2] == ("bind_port", "sure"), found
socket_groups._SOCKOPT = socket_groups._CGROUP_ID = 999
found = pressure.observe()
for user, (mode, number) in true.items():
    (one,) = [one for one in found["programs"] if one["program"] == str(user)]
    assert mode in one["possible"], one
    assert one["certainty"] == "likely" or mode == "bind_port", one
"""
    )


def test_ports_of_several_destinations_tell_as_much() -> None:
    check("""
port_choice.is_taken = lambda port, closed: None
assert program(7001, "autobind", 160, destinations=[("127.0.0.1", 8001), ("127.0.0.1", 8002)]) == 160
assert observed_now(7001) == [("autobind", "sure", 160)], found
key("ip_autobind_reuse", "1")
assert observed_now(7001)[0][:2] != ("autobind", "sure"), found
""")


def test_the_kernel_is_asked_about_ports_and_no_packet_is_sent() -> None:
    check("""
def sent():
    with open("/proc/net/snmp") as file:
        return [line for line in file if line.startswith(("Tcp:", "Ip:"))]
held = connect("autobind", 20, [""], [("127.0.0.1", 8001)], 0)
held += connect("bind", 20, ["127.0.0.2"], [("127.0.0.1", 8001)], 0)
before = sent()
told = {one.getsockname()[1]: port_choice.is_taken(one.getsockname()[1], 9) for one in held}
port_choice.source_to(socket.inet_aton("127.0.0.1"))
assert sent() == before
assert list(told.values()) == 20 * [False] + 20 * [True], told
assert port_choice.is_taken(30000, 9) is None
assert port_choice.routes_are_plain()
subprocess.run(["ip", "rule", "add", "fwmark", "7", "table", "main"], check=True)
assert not port_choice.routes_are_plain()
""")


def test_a_unit_is_named_by_its_control_group() -> None:
    check("""
from ansible_collections.fourtuple.clients.plugins.module_utils.host import mounts
with open("/proc/self/mountinfo") as file:
    (point,) = [one.point for one in mounts.parse(file.read()) if one.kind == "cgroup2"][:1]
name = "fourtuple-test-%d" % os.stat("/proc/self/ns/net").st_ino
folder = "%s/%s.slice/%s.service" % (point, name, name)
os.makedirs(folder)
try:
    helper = subprocess.Popen([sys.executable, "-c", '''
import os, socket, sys
with open(sys.argv[1] + "/cgroup.procs", "w") as file:
    file.write(str(os.getpid()))
held = [socket.create_connection(("127.0.0.1", 8001)) for _ in range(5)]
print("ready", flush=True)
sys.stdin.read()
''', folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    helper.stdout.readline()
    found = pressure.observe()
    helper.stdin.close()
    helper.wait()
finally:
    for path in (folder, os.path.dirname(folder)):
        os.rmdir(path)
assert [(one["kind"], one["program"], one["binding"]) for one in found["programs"]] == [
    ("unit", name + ".service", "autobind")], found
""")


def test_the_bench_finds_every_pair_exact() -> None:
    command = [sys.executable, BENCH, "--sockets", "20000", "--runs", "1", "--max-ratio", "1000", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert report["sockets"] == 20000
