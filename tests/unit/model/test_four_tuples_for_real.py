# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the model says of ports that the probe does not do: bound twice, and in TIME_WAIT; against the real kernel."""

from __future__ import annotations

import namespaces
from namespaces import needs_root

PRELUDE = r"""
import errno, itertools, json, os, socket, struct, subprocess, sys, time
sys.path[:0] = json.loads(sys.argv[1])
from limits_builder import address, limits_of
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings, four_tuples
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import parse

def key(name, value):
    with open("/proc/sys/net/ipv4/" + name, "w") as stream:
        stream.write(str(value))

def sysctl(name):
    with open("/proc/sys/net/ipv4/" + name) as stream:
        return stream.read().strip()

def ports(low, high):
    key("ip_local_port_range", "%d %d" % (low, high))
    return limits_of(keys={"net.ipv4.ip_local_port_range": "%d %d" % (low, high)})

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
LISTENERS = []
for number in range(4):
    opened = socket.create_server(("127.0.0.1", 7000 + number), backlog=4096)
    LISTENERS.append(opened)

def connect(number, target, bind, reuse, no_port=False):
    opened = socket.socket()
    if reuse:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if no_port:
        opened.setsockopt(socket.IPPROTO_IP, 24, 1)
    try:
        if bind is not None:
            opened.bind(bind(number))
        opened.connect(("127.0.0.1", 7000 + target))
    except OSError:
        opened.close()
        return None
    return opened

# Connections to so many destinations in turns, until so many have failed.
def held(destinations, failures, bind, reuse):
    found, number = [], 0
    while failures > 0:
        opened = connect(number, number % destinations, bind, reuse)
        failures -= opened is None
        if opened is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            found.append(opened)
        number += 1
    for each in found:
        each.close()
    drain(len(found))
    return len(found)

def drain(number):
    for listener in LISTENERS:
        listener.setblocking(False)
    while number:
        for listener in LISTENERS:
            try:
                listener.accept()[0].close()
                number -= 1
            except BlockingIOError:
                pass
"""


@needs_root
def test_ports_that_are_bound_twice():
    """With net.ipv4.ip_autobind_reuse, after thousands of failures: no more than the warning says, and nearly that."""
    namespaces.inside(
        PRELUDE
        + r"""
for reused, destinations, binding in itertools.product((0, 1), (2, 4), ("bind", "bind_any")):
    key("ip_autobind_reuse", reused)
    for low, high in ((20000, 20099), (20001, 20104)):
        limits = ports(low, high)
        limits["addresses"]["list"] = [address("192.0.2.10")]
        request = parse({"binding": binding, "destinations": destinations, "reuse_address": True})
        counted = four_tuples.allowed(limits, request).allows
        assert counted == high - low + 1
        more = four_tuples.reused_at_most(limits, request) if reused else 0
        source = "127.0.1.1" if binding == "bind" else "0.0.0.0"
        found = held(destinations, 4000 if reused else 10, lambda number: (source, 0), True)
        assert counted + more - 1 <= found <= counted + more, (binding, destinations, low, counted, more, found)
        # Without the option each port has one connection, as counted.
        found = held(destinations, 10, lambda number: (source, 0), False)
        assert found == counted, (binding, destinations, low, counted, found)
""",
        120,
    )


@needs_root
def test_ports_in_time_wait():
    """Ten connections that this side closed first, and ten more a while later, to the same destination."""
    namespaces.inside(
        PRELUDE
        + r"""
NAMED = itertools.count(30000, 10)
LOW = itertools.count(20000, 10)
WAYS = {
    "autobind": (lambda first: None, {}),
    "bind": (lambda first: lambda number: ("127.0.1.1", 0), {"reuse_address": True}),
    "bind_no_port": (lambda first: lambda number: ("127.0.1.1", 0), {}),
    "bind_any": (lambda first: lambda number: ("0.0.0.0", 0), {}),
    "bind_port": (lambda first: lambda number: ("127.0.1.1", first + number), {}),
    "bind_port ": (lambda first: lambda number: ("127.0.1.1", first + number), {"reuse_address": True}),
}

def ten(way):
    # Ten connections of a way, None for each that failed.
    ports(way["low"], way["low"] + 9)
    no_port = way["request"].binding == "bind_no_port"
    return [connect(one, 0, way["bind"], way["request"].reuse_address, no_port) for one in range(10)]

for reuse in (0, 1):
    key("tcp_tw_reuse", reuse)
    ways = []
    for name, (bound, stated) in WAYS.items():
        named, binding = next(NAMED), name.strip()
        own = {"program_ports": [named, named + 9]} if binding == "bind_port" else {}
        request = parse({"binding": binding, "churn": 10, **stated, **own})
        ways.append({"name": name, "low": next(LOW), "bind": bound(named), "request": request})
        first = ten(ways[-1])
        assert None not in first, name
        LISTENERS[0].setblocking(True)
        for each in first:
            each.shutdown(socket.SHUT_WR)
        for each in first:
            LISTENERS[0].accept()[0].close()
        for each in first:
            assert each.recv(1) == b""
            each.close()
    # What connect() may take over it takes over after a second (tcp_twsk_unique), a second of the clock at most later.
    time.sleep(2.1)
    limits = limits_of(tcp={"tw_reuse": reuse})
    for way in ways:
        # Closed ten a second: kept are those of a second, which is over, or those of a minute, which is not.
        kept = four_tuples.in_timewait(limits, way["request"])
        again = [each for each in ten(way) if each is not None]
        assert len(again) == (0 if kept > 10 else 10), (way, reuse, kept, len(again))
        for each in again:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()
        drain(len(again))
""",
        120,
    )
