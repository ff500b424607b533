# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import ipaddress
import json
import random
import socket
import struct
import subprocess
import sys

import namespaces
import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits_builder import local

from ansible_collections.fourtuple.clients.plugins.module_utils.host import interface_addresses, netlink
from ansible_collections.fourtuple.clients.plugins.module_utils.host.netlink import NetlinkError

NAMES = {1: "lo", 2: "eth0", 3: "eth1"}
EMPTY = {"addresses": [], "anyip": [], "default_routes": []}


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind: int, fixed: bytes, *attributes: bytes) -> bytes:
    payload = fixed + b"".join(attributes)
    return netlink.HEADER.pack(16 + len(payload), kind, 2, 1, 0) + payload


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def address_message(text: str, *attributes: bytes, prefix: int = 24, index: int = 2, scope: int = 0) -> bytes:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return message(20, struct.pack("=4BI", family, prefix, 0x80, scope, index), attribute(1, packed(text)), *attributes)


def route_message(prefix: str, *attributes: bytes, table: int = 255, kind: int = 2) -> bytes:
    network = ipaddress.ip_network(prefix)
    family = socket.AF_INET6 if network.version == 6 else socket.AF_INET
    fixed = struct.pack("=8BI", family, network.prefixlen, 0, 0, table, 2, 254, kind, 0)
    destination = [attribute(1, network.network_address.packed)] if network.prefixlen else []
    return message(24, fixed, *destination, *attributes)


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def entry(address: str, prefix: int = 32, interface: str = "eth0", scope: str = "global", secondary: bool = False):
    family = 6 if ":" in address else 4
    return {
        "address": address, "prefix": prefix, "interface": interface, "family": family, "scope": scope,
        "secondary": secondary,
    }  # fmt: skip


def route(interface: str, family: int = 4, metric: int = 0):
    return {"family": family, "interface": interface, "metric": metric}


def test_addresses_are_read():
    reader = interface_addresses.Addresses(NAMES)
    reader.feed(
        address_message("192.0.2.9", attribute(2, packed("192.0.2.10")), attribute(3, b"eth0\0"), number(8, 0x81))
        + address_message("2001:db8::ffff:1", prefix=64, index=3, scope=253)
        + address_message("192.0.2.11", index=99)
        + message(20, struct.pack("=4BI", socket.AF_INET, 8, 0, 254, 1))
        + message(20, struct.pack("=4BI", 28, 8, 0, 254, 1), attribute(1, b"mpls"))
    )
    assert reader.found == [
        entry("192.0.2.10", 24, secondary=True),
        entry("2001:db8::ffff:1", 64, "eth1", "link"),
    ]


def test_local_prefixes_and_default_routes_are_read():
    reader = interface_addresses.Routes(NAMES)
    hops = struct.pack("=HBBi", 8, 0, 0, 2) + struct.pack("=HBBi", 16, 0, 0, 3) + attribute(5, packed("192.0.2.1"))
    reader.feed(
        route_message("10.240.0.0/16", number(4, 1))
        + route_message("2001:db8::/48", number(4, 1))
        + route_message("192.0.2.10/32", number(4, 2))
        + route_message("2001:db8::1/128", number(4, 2))
        + route_message("10.0.0.0/8", number(4, 2), kind=3)
        + route_message("10.0.0.0/8", number(4, 2), table=100)
        + route_message("10.0.0.0/8", number(4, 99))
        + route_message("0.0.0.0/0", number(4, 2), number(6, 100), table=254, kind=1)
        + route_message("::/0", attribute(9, hops), table=254, kind=1)
        + route_message("::/0", number(4, 1), number(6, 0xFFFFFFFF), table=254, kind=7)
        + route_message("192.0.2.0/24", number(4, 2), table=254, kind=1)
    )
    assert reader.anyip == [
        {"prefix": "10.240.0.0/16", "interface": "lo", "family": 4},
        {"prefix": "2001:db8::/48", "interface": "lo", "family": 6},
        # observe() leaves out what an interface has.
        {"prefix": "192.0.2.10/32", "interface": "eth0", "family": 4},
        {"prefix": "2001:db8::1/128", "interface": "eth0", "family": 6},
    ]
    assert reader.default_routes == [route("eth0", 4, 100), route("eth0", 6), route("eth1", 6)]


def test_gateways_are_read():
    reader = interface_addresses.Routes(NAMES)
    hop = struct.pack("=HBBi", 16, 0, 0, 3) + attribute(5, packed("192.0.2.3"))
    elsewhere = number(4, 99), number(15, 1000), attribute(5, packed("192.0.2.2"))
    reader.feed(
        route_message("10.0.0.0/8", number(4, 2), attribute(5, packed("192.0.2.1")), table=254, kind=1)
        + route_message("0.0.0.0/0", number(4, 2), attribute(5, packed("192.0.2.1")), table=254, kind=1)
        + route_message("0.0.0.0/0", *elsewhere, table=252, kind=1)
        + route_message("10.1.0.0/16", attribute(9, hop), table=254, kind=1)
        + route_message("10.2.0.9/32", number(4, 2), attribute(18, b"\n\0" + packed("fe80::4")), table=254, kind=1)
        + route_message("10.3.0.0/16", number(4, 2), attribute(5, packed("192.0.2.5")), table=254, kind=7)
        + route_message("10.4.0.0/16", number(4, 2), attribute(18, b"\n"), table=254, kind=1)
    )
    assert reader.gateways == {
        "192.0.2.1": "the gateway of the default route on eth0",
        "192.0.2.2": "the gateway of the default route (table 1000)",
        "192.0.2.3": "the gateway of the route to 10.1.0.0/16 on eth1",
        "fe80::4": "the gateway of the route to 10.2.0.9/32 on eth0",
    }


def test_a_preferred_lifetime_that_is_over_and_the_other_end_of_a_link_are_read():
    reader = interface_addresses.Addresses(NAMES)
    reader.feed(
        address_message("2001:db8::7", number(8, 0x20), prefix=128)
        + address_message("192.0.2.9", attribute(2, packed("192.0.2.10")))
        + address_message("192.0.2.11", attribute(2, packed("192.0.2.11")))
    )
    assert [one.get("deprecated") for one in reader.found] == [True, None, None]
    assert reader.peers == {"192.0.2.9": "the other end of the point-to-point link eth0"}
    found = interface_addresses.describe(EMPTY | {"addresses": reader.found}, set())["list"]
    assert [one.get("deprecated") for one in found] == [None, None, True]


READERS = [interface_addresses.Addresses, interface_addresses.Routes]


@pytest.mark.parametrize("kind", READERS)
@given(st.lists(st.binary(max_size=200), max_size=4))
def test_any_bytes_end_or_are_refused(kind, buffers):
    reader = kind(NAMES)
    with contextlib.suppress(NetlinkError):
        for data in buffers:
            reader.feed(data)


@pytest.mark.parametrize("kind", READERS)
@given(st.data())
def test_damaged_dumps_end_or_are_refused(kind, data):
    hops = attribute(9, struct.pack("=HBBi", 8, 0, 0, 2) * 2)
    whole = {
        interface_addresses.Addresses: address_message("192.0.2.9", number(8, 1)) + address_message("::1", prefix=128),
        interface_addresses.Routes: route_message("10.0.0.0/8", number(4, 1))
        + route_message("::/0", hops, number(6, 1), table=254, kind=1),
    }
    damaged = bytearray(whole[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    reader = kind(NAMES)
    with contextlib.suppress(NetlinkError):
        reader.feed(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


@pytest.mark.parametrize(
    "data",
    [
        address_message("192.0.2.9", number(8, 1), prefix=33),
        address_message("192.0.2.9", attribute(8, b"1")),
        message(20, struct.pack("=4BI", socket.AF_INET, 8, 0, 0, 2), attribute(1, b"12345")),
        message(20, b"short"),
        message(24, bytes(12)),
    ],
)
def test_what_is_no_address_is_refused(data):
    with pytest.raises(NetlinkError):
        interface_addresses.Addresses(NAMES).feed(data)


def test_a_next_hop_without_length_is_refused():
    with pytest.raises(NetlinkError, match="next hop"):
        interface_addresses.Routes(NAMES).feed(route_message("::/0", attribute(9, bytes(8)), table=254, kind=1))


def test_nothing_observed():
    assert interface_addresses.describe(EMPTY, set()) == {
        "default_interface": {"4": None, "6": None}, "list": [], "anyip": [], "primary": None, "paths": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([route("eth0")], "eth0"),
        ([route("eth0"), route("eth0")], "eth0"),
        ([route("eth0"), route("eth1")], None),
        ([route("eth1", metric=100), route("eth0", metric=50)], "eth0"),
        ([route("eth1", family=6)], None),
    ],
)
def test_the_default_interface_is_the_best_routes_where_that_is_one(routes, expected):
    described = interface_addresses.describe(EMPTY | {"default_routes": routes}, set())
    assert described["default_interface"]["4"] == expected


def test_neighbours_that_are_alike_make_a_range():
    addresses = [entry("10.64.%d.%d" % divmod(index, 256)) for index in range(600)]
    addresses += [
        entry("10.64.2.88"),
        entry("10.64.2.89", interface="eth1"),
        entry("10.64.2.90", 24),
        entry("10.64.2.91", 24),
        entry("2001:db8::1", 128),
        entry("2001:db8::2", 128),
        entry("2001:db8::4", 128),
        entry("127.0.0.1", 8, "lo", "host"),
    ]
    ours = {"%s/%d" % (one["address"], one["prefix"]) for one in addresses[:600]} | {"2001:db8::1/128"}
    random.Random(1).shuffle(addresses)
    found = interface_addresses.describe(EMPTY | {"addresses": addresses}, ours)["list"]
    assert [(one["address"], one["last"], one["count"], one["ours"], one["interface"]) for one in found] == [
        ("10.64.0.0", "10.64.2.87", 600, True, "eth0"),
        ("10.64.2.88", "10.64.2.88", 1, False, "eth0"),
        ("10.64.2.90", "10.64.2.90", 1, False, "eth0"),
        ("10.64.2.91", "10.64.2.91", 1, False, "eth0"),
        ("2001:db8::1", "2001:db8::1", 1, True, "eth0"),
        ("2001:db8::2", "2001:db8::2", 1, False, "eth0"),
        ("2001:db8::4", "2001:db8::4", 1, False, "eth0"),
        ("10.64.2.89", "10.64.2.89", 1, False, "eth1"),
        ("127.0.0.1", "127.0.0.1", 1, False, "lo"),
    ]
    assert set(found[0]) == {"address", "last", "count", "prefix", "interface", "family", "scope", "ours"}


@given(st.lists(st.integers(0, 40), max_size=60), st.sets(st.integers(0, 40)))
def test_ranges_lose_and_add_nothing(hosts, own):
    addresses = [entry("192.0.2.%d" % host) for host in hosts]
    found = interface_addresses.describe(EMPTY | {"addresses": addresses}, {"192.0.2.%d/32" % host for host in own})[
        "list"
    ]
    again = []
    for one in found:
        first, last = (int(ipaddress.ip_address(one[key])) & 255 for key in ("address", "last"))
        assert one["count"] == last - first + 1
        again += [(host, one["ours"]) for host in range(first, last + 1)]
    assert sorted(again) == sorted((host, host in own) for host in hosts)


def test_a_local_prefix_counts_unless_it_is_loopback():
    anyip = [
        {"prefix": prefix, "interface": "lo", "family": 6 if ":" in prefix else 4}
        for prefix in ("127.0.0.0/8", "127.1.0.0/16", "10.240.0.0/16", "2001:db8::/48")
    ]
    found = interface_addresses.describe(EMPTY | {"anyip": anyip}, set())["anyip"]
    assert found == [
        local("10.240.0.0-10.240.255.255"),
        local("2001:db8::-2001:db8:0:ffff:ffff:ffff:ffff:ffff"),
    ]


@given(st.lists(st.tuples(st.integers(0, 63), st.integers(26, 32), st.booleans()), max_size=30))
def test_routes_become_ranges_that_lose_and_add_nothing(routes):
    networks = [
        (ipaddress.ip_network("198.51.100.%d/%d" % (start & (0xFF << (32 - length)), length)), own)
        for start, length, own in routes
    ]
    anyip = [{"prefix": str(network), "interface": "lo", "family": 4} for network, _own in networks]
    ours = {str(network) for network, own in networks if own}
    for entry in interface_addresses.describe(EMPTY | {"anyip": anyip}, ours)["anyip"]:
        found = []
        for text in entry["ranges"]:
            first, _dash, last = text.partition("-")
            found += range(int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last or first)) + 1)
        of_kind = [network for network, _own in networks if (str(network) in ours) == entry["ours"]]
        assert found == sorted({int(address) for network in of_kind for address in network})


def test_thousands_of_routes_take_little_room():
    """4,096 are as many as a host may have; of a set of addresses neighbouring prefixes are of different lengths."""
    cover = [str(one) for first in range(0, 65536, 32) for one in ipaddress.summarize_address_range(
        ipaddress.ip_address("10.0.0.1") + first, ipaddress.ip_address("10.0.0.2") + first)]  # fmt: skip
    assert len(cover) == 4096
    anyip = [{"prefix": prefix, "interface": "lo", "family": 4} for prefix in cover]
    found = interface_addresses.describe(EMPTY | {"anyip": anyip}, set(cover))["anyip"]
    assert len(found) == 1
    assert len(found[0]["ranges"]) == 2048
    assert len(json.dumps(found)) < 2048 * 30


@pytest.mark.parametrize(
    ("changes", "own", "words"),
    [
        ({}, False, None),
        ({"secondary": True}, False, "temporary: "),
        ({"deprecated": True, "expires": True}, False, "deprecated: "),
        ({"deprecated": True}, False, None),
        ({"expires": True}, False, None),
        ({"tentative": True}, False, "tentative: "),
        ({"duplicate": True}, False, "a duplicate: "),
        ({"keepalived": True}, False, "a virtual address of keepalived"),
        ({"deprecated": True, "expires": True}, True, None),
        ({"secondary": True}, True, None),
        ({"tentative": True}, True, "tentative: "),
        ({"duplicate": True}, True, "a duplicate: "),
    ],
)
def test_what_is_no_source(changes, own, words):
    address = entry("2001:db8::1", 64) | changes
    observed = EMPTY | {"addresses": [address], "default_routes": [route("eth0", 6)]}
    found = interface_addresses.describe(observed, {"2001:db8::1/64"} if own else set())
    (one,) = found["list"]
    assert one.get("no_source", "").startswith(words or "")
    assert ("no_source" in one) == (words is not None)
    assert (found["primary"] is None) == (own or words is not None)


def test_what_is_a_services_is_neither_source_nor_primary():
    observed = EMPTY | {
        "addresses": [entry("192.0.2.9", 24), entry("192.0.2.10", 24)],
        "default_routes": [route("eth0")],
    }
    found = interface_addresses.describe(observed, set(), {"192.0.2.9": "a virtual address"})
    assert found["primary"]["address"] == "192.0.2.10"
    assert [one.get("no_source") for one in found["list"]] == ["a virtual address", None]


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([entry("192.0.2.20", 24), entry("192.0.2.10", 24)], "192.0.2.10"),
        ([entry("192.0.2.10", 24, secondary=True), entry("192.0.2.20", 24)], "192.0.2.20"),
        ([entry("192.0.2.10"), entry("192.0.2.20", 24)], "192.0.2.20"),
        ([entry("198.51.100.1"), entry("192.0.2.20")], "192.0.2.20"),
        ([entry("169.254.0.1", 16, scope="link"), entry("192.0.2.20", 24)], "192.0.2.20"),
        ([entry("192.0.2.10", 24, "eth1")], None),
        ([entry("198.51.100.1")], None),
        ([entry("2001:db8::1", 64)], None),
    ],
)
def test_the_primary_address_does_not_depend_on_the_order(addresses, expected):
    ours = {"198.51.100.1/32"}
    for order in (addresses, addresses[::-1]):
        observed = EMPTY | {"addresses": order, "default_routes": [route("eth0")]}
        primary = interface_addresses.describe(observed, ours)["primary"]
        assert (primary and primary["address"]) == expected


def test_a_host_of_ipv6_alone_has_a_primary_address():
    addresses = [entry("fe80::1", 64, scope="link"), entry("2001:db8::2", 64), entry("2001:db8::1", 64, secondary=True)]
    observed = EMPTY | {"addresses": addresses, "default_routes": [route("eth0", 6)]}
    expected = {"address": "2001:db8::2", "prefix": 64, "interface": "eth0"}
    assert interface_addresses.describe(observed, set())["primary"] == expected


# The real kernel, in a network namespace of its own.

IN_NAMESPACE = r"""
import json, subprocess, sys
sys.path[:0] = json.loads(sys.argv[1])
from ansible_collections.fourtuple.clients.plugins.module_utils.host import interface_addresses
commands = [
    "link set lo up", "tuntap add eth7 mode tap", "tuntap add eth8 mode tap", "link set eth7 up", "link set eth8 up",
    "addr add 192.0.2.10/24 dev eth7", "addr add 192.0.2.9/24 dev eth7",
    "addr add 192.0.2.50 peer 192.0.2.51 dev eth8", "addr add 2001:db8:7::5/64 dev eth7 nodad",
    "route add default via 192.0.2.1 metric 10", "route add default dev eth8 metric 20",
    "-6 route add default via 2001:db8:7::1", "-6 route add default via 2001:db8:7::2 metric 2000",
    "route add local 10.240.0.0/16 dev lo", "-6 route add local 2001:db8:8::/48 dev lo",
    "route add local 10.99.0.0/16 dev lo table 99", "route add blackhole 10.98.0.0/16",
] + ["addr add 10.64.%d.%d/32 dev eth7" % divmod(index, 256) for index in range(1000)]
for command in commands[:17]:
    subprocess.run(["ip", *command.split()], check=True)
batch = "\n".join(commands[17:])
subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)
observed = interface_addresses.observe()
shown = subprocess.run(["ip", "-json", "address", "show"], stdout=subprocess.PIPE, text=True, check=True).stdout
print(json.dumps({"observed": observed, "shown": json.loads(shown)}))
"""


@namespaces.needs_root
def test_the_real_kernel_against_ip():
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", IN_NAMESPACE, json.dumps(sys.path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    observed = report["observed"]
    shown = [
        (link["ifname"], str(ipaddress.ip_address(info["local"])), info["prefixlen"], info["scope"],
         bool(info.get("secondary")))
        for link in report["shown"] for info in link["addr_info"]
    ]  # fmt: skip
    found = [
        (one["interface"], one["address"], one["prefix"], one["scope"], one["secondary"])
        for one in observed["addresses"]
    ]
    assert sorted(found) == sorted(shown)
    ours = {"10.64.%d.%d/32" % divmod(index, 256) for index in range(1000)}
    described = interface_addresses.describe(observed, ours)
    assert described["default_interface"] == {"4": "eth7", "6": "eth7"}
    assert described["anyip"] == [
        local("10.240.0.0-10.240.255.255"),
        local("2001:db8:8::-2001:db8:8:ffff:ffff:ffff:ffff:ffff"),
    ]
    assert described["primary"] == {"address": "192.0.2.10", "prefix": 24, "interface": "eth7"}
    (own,) = (one for one in described["list"] if one["ours"])
    assert (own["address"], own["last"], own["count"]) == ("10.64.0.0", "10.64.3.231", 1000)
    assert sum(one["count"] for one in described["list"]) == len(shown)


def test_this_machine_is_observed_without_root():
    observed = json.loads(json.dumps(interface_addresses.observe()))
    assert {"address": "127.0.0.1", "prefix": 8, "interface": "lo", "family": 4, "scope": "host",
            "secondary": False} in observed["addresses"]  # fmt: skip


@namespaces.needs_root
def test_a_network_namespace_without_any_route():
    script = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from ansible_collections.fourtuple.clients.plugins.module_utils.host import interface_addresses
assert interface_addresses.observe() == {"addresses": [], "anyip": [], "default_routes": [], "taken": [], "paths": []}
"""
    namespaces.inside(script, 60)
