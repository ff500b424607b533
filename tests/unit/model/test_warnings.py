# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings about source addresses: clouds, neighbours, and where packets leave."""

from __future__ import annotations

import typing as t

import pytest
from limits_builder import address, limits_of, local

from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner

GC4, GC6 = "net.ipv4.neigh.default.gc_thresh3", "net.ipv6.neigh.default.gc_thresh3"


def warnings(limits: dict[str, t.Any], **stated: t.Any) -> list[str]:
    return t.cast("list[str]", ceilings.predict(limits, {"binding": "bind_no_port"} | stated)["warnings"])


def with_ours(*ranges: str, **changes: t.Any) -> dict[str, t.Any]:
    limits = limits_of(**changes)
    limits["addresses"]["anyip"] = [local(*ranges, ours=True)] if ranges else []
    return limits


# --- clouds ---


def test_a_cloud_where_ours_are_used() -> None:
    limits = with_ours("198.51.100.0-198.51.100.15", host={"cloud": "AWS"})
    limits["addresses"]["list"].append(address("198.51.100.200", ours=True))
    assert warnings(limits) == [
        "AWS drops packets from addresses that are not assigned to this machine, unless that is switched off there: "
        "assign it the 17 source addresses that this collection adds (docs/source-addresses.md)."
    ]


@pytest.mark.parametrize(
    ("ranges", "host"),
    [
        ((), {"cloud": "AWS"}),
        (("198.51.100.1",), {"cloud": None}),
        (("198.51.100.1",), {"cloud": "AWS", "first_network_namespace": False}),
    ],
)
def test_a_cloud_that_drops_none(ranges: tuple[str, ...], host: dict[str, t.Any]) -> None:
    assert warnings(with_ours(*ranges, host=host)) == []


def test_a_plan_says_it_before_the_addresses_are_there() -> None:
    limits = limits_of(host={"cloud": "Azure"})
    found = planner.plan(limits, {"explicit": {"addresses": ["198.51.100.1"]}, "binding": "bind"})
    assert [one for one in found["warnings"] if one.startswith("Azure drops packets")]
    assert found["before"]["warnings"] == []


# --- neighbours ---


@pytest.mark.parametrize(("last", "warned"), [("198.18.3.255", False), ("198.18.4.0", True)])
def test_more_sources_than_a_gateway_has_room_for(last: str, warned: bool) -> None:
    found = warnings(with_ours("198.18.0.0-%s" % last))
    assert found == (
        [
            "Each gateway and server on this host's link has a neighbour for each of its 1025 source addresses of "
            "IPv4: Linux has room for 1024. Raise %s there, or have their prefix routed to this host." % GC4
        ]
        if warned
        else []
    )


def test_a_routed_prefix_of_ipv6_takes_no_neighbours() -> None:
    assert warnings(with_ours("2001:db8:1::-2001:db8:1:0:ffff:ffff:ffff:ffff")) == []
    limits = with_ours()
    limits["addresses"]["list"].append(address("2001:db8::1", last="2001:db8::1000", count=4096, prefix=128, ours=True))
    assert [one for one in warnings(limits) if "4096 source addresses of IPv6" in one and GC6 in one]


@pytest.mark.parametrize(("room", "warned"), [("4", True), ("5", False), (None, False)])
def test_more_servers_on_the_link_than_this_host_has_room_for(room: str | None, warned: bool) -> None:
    limits = limits_of(keys={} if room is None else {GC4: room})
    servers = ["192.0.2.%d:443" % number for number in range(20, 25)] + ["192.0.2.20:444", "203.0.113.1:443", "x:1"]
    found = warnings(limits, destinations=servers)
    assert found == (
        [
            "5 destinations are on this host's link, and its table of neighbours has room for 4 (%s): raise it "
            "(tune_sysctl_floors: {%s: 10})." % (GC4, GC4)
        ]
        if warned
        else []
    )


# --- where packets leave ---


def with_paths(*paths: tuple[str, str | None, list[str]]) -> dict[str, t.Any]:
    limits = limits_of()
    limits["addresses"]["list"] += [address("192.0.2.11"), address("10.0.0.1", "eth1")]
    limits["addresses"]["paths"] = [
        {"destination": to, "interface": interface, "sources": sources} for to, interface, sources in paths
    ]
    return limits


def test_sources_that_leave_by_another_interface() -> None:
    limits = with_paths(("203.0.113.7", "eth1", ["192.0.2.10", "192.0.2.11"]))
    assert warnings(limits) == [
        "Packets from the source address 192.0.2.10 and 1 more to 203.0.113.7 leave by eth1, not by eth0 (ip route get "
        "203.0.113.7 from 192.0.2.10), and whoever checks sources drops them: set tune_interface to eth1, or add a "
        "rule for these sources."
    ]


def test_sources_whose_packets_do_not_leave() -> None:
    assert warnings(with_paths(("203.0.113.7", None, ["192.0.2.11"]))) == [
        "Packets from the source address 192.0.2.11 to 203.0.113.7 do not leave this host (ip route get 203.0.113.7 "
        "from 192.0.2.11): correct its routes."
    ]


def test_the_second_of_two_cards_without_a_rule() -> None:
    """The default route is eth0's: what comes from eth1's address leaves by eth0."""
    limits = with_paths(("203.0.113.1", "eth0", ["192.0.2.10", "10.0.0.1"]))
    assert warnings(limits) == []
    (found,) = warnings(limits, interface="eth1")
    assert "the source address 10.0.0.1 to 203.0.113.1 leave by eth0, not by eth1" in found


@pytest.mark.parametrize("binding", ["autobind", "bind_any"])
def test_a_program_that_binds_no_address_leaves_as_the_route_says(binding: str) -> None:
    assert warnings(with_paths(("203.0.113.7", "eth1", ["192.0.2.10"])), binding=binding) == []


def test_a_host_with_several_default_routes() -> None:
    limits = with_paths(("203.0.113.7", "eth1", ["192.0.2.10"]))
    limits["addresses"]["default_interface"]["4"] = None
    assert warnings(limits) == []


def test_a_snapshot_of_an_earlier_version() -> None:
    limits = with_paths()
    del limits["addresses"]["paths"]
    assert warnings(limits) == []
