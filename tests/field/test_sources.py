# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which source addresses a host has, as the snapshot and the model say, and as the kernel does."""

from __future__ import annotations

from namespaces import inside, needs_root

#: What every script below begins with: devices, and what a snapshot of this network namespace says.
_SETUP = r"""
import json, pathlib, random, socket, subprocess, sys, time
sys.path[:0] = json.loads(sys.argv[1])
from ansible_collections.fourtuple.clients.plugins.module_utils.host import observation
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot.whole import SnapshotRequest, snapshot
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.ceilings import predict
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.sources import source_ranges

def ip(*lines):
    subprocess.run(["ip", "-force", "-batch", "-"], input="\n".join(lines), text=True, check=True)

def setting(key, value):
    pathlib.Path("/proc/sys/" + key).write_text(str(value))

def look(*destinations):
    request = SnapshotRequest(destinations=destinations)
    return snapshot(Host("/"), observation.observe(request.all_users, request.servers), request)

def can_bind(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as one:
        try:
            one.bind((address, 0))
        except OSError:
            return False
    return True

def counts(limits, address):
    family = 6 if ":" in address else 4
    packed = socket.inet_pton(socket.AF_INET6 if family == 6 else socket.AF_INET, address)
    number = int.from_bytes(packed, "big")
    return any(first <= number <= last for first, last in source_ranges(limits, "e0")[family])

ip("link set lo up", "link add e0 type veth peer name e1", "link set e0 up", "link set e1 up",
   "addr add 192.0.2.10/24 dev e0", "route add default via 192.0.2.1",
   "addr add 2001:db8::10/64 dev e0 nodad", "route add ::/0 via 2001:db8::1")
"""

_ROUTES = r"""
random.seed(5)
pool4 = ["198.51.100.%d" % n for n in range(64)]
pool6 = ["2001:db8:1::%x" % n for n in range(64)]
for _round in range(12):
    routes, listed = set(), set()
    for pool, bits in ((pool4, 32), (pool6, 128)):
        for _one in range(random.randrange(5)):
            length = random.choice((0, 0, 1, 2, 3))
            start = random.randrange(64) >> length << length
            routes.add("%s/%d" % (pool[start], bits - length))
        listed.update(random.sample(pool, random.randrange(4)))
    dev = {route: random.choice(("lo", "lo", "e0")) if ":" not in route else "lo" for route in routes}
    ip(*("route append local %s dev %s proto kernel" % (one, dev[one]) for one in routes))
    ip(*("addr add %s dev e0 %s" % (one + ("/128" if ":" in one else "/32"), "nodad" * (":" in one)) for one in listed))
    for nonlocal_bind in (0, 1):
        setting("net/ipv6/ip_nonlocal_bind", nonlocal_bind)
        limits = look()
        for address in pool4 + pool6:
            expected = can_bind(address)
            if ":" in address and nonlocal_bind:
                # Then any address can be bound to; what counts are those that come back to this host.
                answer = subprocess.run(["ip", "-6", "route", "get", address], capture_output=True, text=True).stdout
                expected = answer.startswith("local ")
            assert counts(limits, address) == expected, (address, nonlocal_bind, routes, listed, limits["addresses"])
    ip(*("route del local %s dev %s table local" % (one, dev[one]) for one in routes))
    ip(*("addr del %s dev e0" % (one + ("/128" if ":" in one else "/32")) for one in listed))
setting("net/ipv6/ip_nonlocal_bind", 0)
"""

_STATES = r"""
# Temporary ones beside an address as router advertisements make it, one whose lifetime ends, one that another host has,
# one on a link that is down, which nobody can be asked on yet.
neighbour = subprocess.Popen(["unshare", "--net", "sleep", "100"])
while pathlib.Path("/proc/%d/ns/net" % neighbour.pid).readlink() == pathlib.Path("/proc/self/ns/net").readlink():
    time.sleep(0.05)
there = ["nsenter", "--net=/proc/%d/ns/net" % neighbour.pid, "ip"]
ip("link set e1 netns %d" % neighbour.pid)
subprocess.run([*there, "link", "set", "e1", "up"], check=True)
subprocess.run([*there, "addr", "add", "2001:db8::22/64", "dev", "e1", "nodad"], check=True)
setting("net/ipv6/conf/e0/use_tempaddr", 2)
ip("addr add 2001:db8:5::10/64 dev e0 mngtmpaddr nodad valid_lft 8000 preferred_lft 7000",
   "addr add 2001:db8::20/64 dev e0 nodad valid_lft 1000 preferred_lft 0",
   "addr add 2001:db8::21/64 dev e0 nodad preferred_lft 0",
   "addr add 2001:db8::22/64 dev e0",
   "link add e2 type veth peer name e3", "link set e2 up", "addr add 2001:db8:6::1/64 dev e2")
deadline = time.monotonic() + 20
while True:
    shown = subprocess.run(["ip", "-6", "addr", "show", "dev", "e0"], capture_output=True, text=True).stdout
    made = [line for line in shown.splitlines() if "temporary" in line and "tentative" not in line]
    if "dadfailed" in shown and made or time.monotonic() > deadline:
        break
    time.sleep(0.2)
limits = look()
why = {one["address"]: one.get("no_source", "").partition(":")[0] for one in limits["addresses"]["list"]}
temporary = [one for one in why if one.startswith("2001:db8:5:") and one != "2001:db8:5::10"]
assert temporary, shown
assert {why[one] for one in temporary} == {"temporary"}, (why, shown)
assert (why["2001:db8::20"], why["2001:db8::21"], why["2001:db8::22"]) == ("deprecated", "", "a duplicate"), why
assert (why["2001:db8::10"], why["2001:db8:5::10"], why["2001:db8:6::1"]) == ("", "", "tentative"), why
assert not can_bind("2001:db8::22")
assert not can_bind("2001:db8:6::1")
assert can_bind("2001:db8::21")
neighbour.kill()
"""

_RULES = r"""
# Two cards, of which the second has a table of its own; and what a rule forbids.
ip("link add e2 type veth peer name e3", "link set e2 up", "link set e3 up", "addr add 203.0.113.10/24 dev e2",
   "addr add 198.51.100.1/32 dev e0", "addr add 198.51.100.2/32 dev e0", "addr add 198.51.100.3/32 dev lo",
   "route append local 198.51.100.32/27 dev lo proto kernel",
   "route add default via 203.0.113.1 table 100", "rule add from 198.51.100.2 lookup 100",
   "rule add from 198.51.100.32/28 lookup 100", "rule add from 198.51.100.3 to 192.0.2.99 prohibit",
   "addr add 198.51.100.4/32 dev e0", "rule add from 198.51.100.4 lookup 100",
   "route add 10.9.0.0/16 via 203.0.113.1")
servers = ["192.0.2.99", "10.9.0.1", "10.8.0.1"]
limits = look(*("%s:443" % one for one in servers), "a.name:443")
found = {}
for path in limits["addresses"]["paths"]:
    for source in path["sources"]:
        found[source, path["destination"]] = path["interface"]
# Neighbouring addresses are one run, but where a rule begins or ends.
assert {source for source, _server in found} == {
    "192.0.2.10", "203.0.113.10", "198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4", "198.51.100.32",
    "198.51.100.48",
}
for (source, server), interface in found.items():
    asked = ["ip", "-json", "route", "get", server, "from", source]
    done = subprocess.run(asked, capture_output=True, text=True)
    assert (json.loads(done.stdout)[0]["dev"] if done.returncode == 0 else None) == interface, (source, server)
assert found["198.51.100.3", "192.0.2.99"] is None
warned = predict(limits, {"binding": "bind_no_port", "destinations": ["10.8.0.1:443"]})["warnings"]
assert [one for one in warned if "198.51.100.2 and 2 more to 10.8.0.1 leave by e2, not by e0" in one], warned
# Without destinations: one in the wide world, that is not the host's own.
anywhere = {path["destination"] for path in look()["addresses"]["paths"]}
assert anywhere == {"203.0.113.1", "2001:db8:ffff::1"}, anywhere
ip("addr add 203.0.113.1/32 dev lo")
assert "198.51.100.1" not in {path["destination"] for path in look()["addresses"]["paths"]}
assert "192.0.2.1" in {path["destination"] for path in look()["addresses"]["paths"]}
"""

_REAL_SERVER = r"""
# A real server of a load balancer that routes directly, as the guides of LVS have it.
ip("addr add 192.0.2.100/32 dev lo")
assert counts(look(), "192.0.2.100")
setting("net/ipv4/conf/all/arp_ignore", 1)
setting("net/ipv4/conf/all/arp_announce", 2)
limits = look()
assert not counts(limits, "192.0.2.100")
assert counts(limits, "192.0.2.10")
taken = {one["address"]: one["whose"] for one in limits["addresses"]["taken"]}
assert taken["192.0.2.100"].startswith("an address of a load balancer on lo")
"""

_MANY = r"""
ip(*("route append local 10.%d.%d.%d/31 dev lo proto kernel" % (64 + n // 65536, n // 256 % 256, n % 256)
     for n in range(0, 32768, 8)))
begun = time.process_time()
limits = look()
assert time.process_time() - begun < 5
(entry,) = limits["addresses"]["anyip"]
assert len(entry["ranges"]) == 4096
assert len(json.dumps(limits["addresses"])) < 4096 * 30 + 5000
ip("route append local 10.80.0.0/16 dev lo proto kernel", "route append local 2001:db8:9::/64 dev lo proto kernel")
setting("net/ipv6/ip_nonlocal_bind", 1)
limits = look()
found = predict(limits, {"binding": "bind_no_port", "destinations": ["[2001:db8:7::1]:443"]})
ports = limits["ports"]["usable"]
(four_tuples,) = (one for one in found["constraints"] if one["name"] == "four_tuples")
assert four_tuples["allows"] == (2**64 + 1) * ports, four_tuples
"""


def run(script: str) -> None:
    inside(_SETUP + script, 120)


@needs_root
def test_the_sources_of_generated_routes_and_addresses() -> None:
    run(_ROUTES)


@needs_root
def test_addresses_that_are_no_source() -> None:
    run(_STATES)


@needs_root
def test_where_packets_leave() -> None:
    run(_RULES)


@needs_root
def test_a_real_server_of_a_load_balancer() -> None:
    run(_REAL_SERVER)


@needs_root
def test_thousands_of_routes_and_a_whole_prefix() -> None:
    run(_MANY)
