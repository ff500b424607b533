# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress
import json
import time
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits_builder import address, container, limits_of

from ansible_collections.fourtuple.clients.plugins.plugin_utils import known
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import methods, planner

KEY = "net.ipv6.ip_nonlocal_bind"
ON_LINK, ROUTED = "2001:db8::50-2001:db8::5f", "2001:db8:1::/64"
TO_IPV6 = {"destinations": ["[2001:db8:9::1]:443"], "target_connections": 1000, "binding": "bind_no_port"}


def ipv6_host(**changes: t.Any) -> dict[str, t.Any]:
    """Return a host that has 2001:db8::10/64 on eth0."""
    limits = limits_of(addresses={"default_interface": {"4": "eth0", "6": "eth0"}}, **changes)
    limits["addresses"]["list"].append(address("2001:db8::10"))
    return limits


def planned(limits: dict[str, t.Any], *entries: str, **stated: t.Any) -> dict[str, t.Any]:
    return planner.plan(limits, TO_IPV6 | stated | {"explicit": {"addresses": list(entries), **stated.get("own", {})}})


@pytest.mark.parametrize(
    ("entries", "method", "value"),
    [
        ((ROUTED,), "auto", "1"),
        ((ON_LINK,), "auto", None),
        ((ON_LINK, ROUTED), "auto", "1"),
        ((ON_LINK,), "route", "1"),
        ((ROUTED,), "interface", None),
        (("198.51.100.1",), "route", None),
        ((), "auto", None),
    ],
)
def test_what_is_routed_can_be_bound_to(entries: tuple[str, ...], method: str, value: str | None) -> None:
    found = planned(ipv6_host(), *entries, addresses_method=method)
    assert found.get("refusal") is None
    assert found["settings"]["sysctl_values"].get(KEY) == value
    assert found["settings"]["addresses_method"] == method
    assert found["settings"]["addresses"] == list(entries)


def test_the_sources_of_a_routed_prefix() -> None:
    """All but the subnet-router anycast address, and the host's own."""
    found = planned(ipv6_host(), ROUTED)
    assert found["sources"] == 2**64
    assert planned(ipv6_host(), ROUTED, own={"sysctl_values": {KEY: "1"}})["sources"] == 2**64


def test_a_prefix_on_the_link_of_another_interface_is_no_obstacle() -> None:
    assert planned(ipv6_host(), ON_LINK, interface="eth1")["settings"]["sysctl_values"][KEY] == "1"


def test_what_an_earlier_run_added_changes_no_plan() -> None:
    limits = ipv6_host(keys={KEY: "1"})
    limits["addresses"]["anyip"] = [
        {"interface": "lo", "family": 6, "ours": True, "ranges": ["2001:db8:1::1-2001:db8:1::ffff"]}
    ]
    limits["addresses"]["list"].append(address("2001:db8:1::5", prefix=64, ours=True))
    assert planned(limits, ROUTED)["settings"] == planned(ipv6_host(), ROUTED)["settings"]


@pytest.mark.parametrize(
    ("limits", "own", "parts"),
    [
        (
            ipv6_host(),
            {"sysctl_values": {KEY: 0}},
            ["tune_sysctl_values[%s] is 0" % KEY, "tune_addresses_method to interface"],
        ),
        (
            ipv6_host(keys={KEY: {"now": "0", "writable": False}}),
            {},
            ["tune_addresses_method is 'auto'", "written here"],
        ),
        (
            container(
                keys={KEY: {"now": "0", "writable": False}},
                addresses={"default_interface": {"4": "eth0", "6": "eth0"}},
            ),
            {},
            [
                "tune_addresses_method is 'auto'",
                "interface where %s is not 1" % KEY,
                "start the container with %s = 1" % KEY,
            ],
        ),
    ],
)
def test_a_key_that_cannot_be(limits: dict[str, t.Any], own: dict[str, t.Any], parts: list[str]) -> None:
    message = planned(limits, ROUTED, own=own)["refusal"]
    assert [part for part in parts if part not in message] == [], message


def test_a_key_that_is_set_already_where_nobody_can() -> None:
    found = planned(ipv6_host(keys={KEY: {"now": "1", "writable": False}}), ROUTED)
    assert found["settings"]["sysctl_values"][KEY] == "1"


def test_a_host_without_ipv6() -> None:
    limits = ipv6_host()
    del limits["keys"][KEY]
    found = planned(limits, ROUTED)
    assert KEY not in found["settings"]["sysctl_values"]
    assert found["sources"] == 1


def test_a_method_that_is_none() -> None:
    assert planned(ipv6_host(), ROUTED, addresses_method="anyip")["refusal"] == (
        "tune_addresses_method is 'anyip'; allowed: one of route, interface, auto. "
        "Write auto for what fits each address."
    )


_V6 = st.integers(0, 63).map(lambda number: "2001:db8::%x" % number)
_V4 = st.integers(0, 63).map(lambda number: "198.51.100.%d" % (number + 1))


@given(
    entries=st.lists(st.one_of(_V6.filter(lambda one: one != "2001:db8::0"), _V4), max_size=12),
    links=st.lists(st.tuples(st.integers(0, 63), st.integers(120, 128), st.booleans()), max_size=4),
    method=st.sampled_from(("route", "interface", "auto")),
)
def test_each_address_is_routed_or_on_the_interface(
    entries: list[str], links: list[tuple[int, int, bool]], method: str
) -> None:
    limits = ipv6_host()
    limits["addresses"]["list"] = [
        address("2001:db8::%x" % number, prefix=length, ours=own) for number, length, own in links
    ]
    settings = {"addresses": entries, "addresses_method": method}
    halves = methods.split(limits["addresses"], settings)
    routed, added = ({(run[0], n) for run in half for n in range(run[1], run[2] + 1)} for half in halves)
    wanted = {(ipaddress.ip_address(one).version, int(ipaddress.ip_address(one))) for one in entries}
    assert routed | added == wanted
    assert not routed & added
    if method == "auto":
        networks = [
            ipaddress.ip_network("2001:db8::%x/%d" % (number, length), strict=False)
            for number, length, own in links
            if not own and length < 128
        ]
        on_link = {one for one in wanted if one[0] == 6 and any(ipaddress.ip_address(one[1]) in n for n in networks)}
        assert added == on_link
    else:
        assert (added if method == "route" else routed) == set()


@pytest.mark.parametrize(
    "stated",
    [
        {"explicit": {"addresses": ["10.64.0.0/16"]}, "target_connections": 1000},
        {"explicit": {"addresses": [ROUTED]}, "target_connections": 1000, "destinations": ["[2001:db8:9::1]:443"]},
        {
            "address_pool": ["10.0.0.0/8"],
            "slot": 3,
            "slot_size": 65536,
            "target_connections": 10**9,
            "exempt_from": ["memory"],
        },
        {
            "address_pool": ["2001:db8::/32"],
            "slot": 3,
            "slot_size": 2**64,
            "target_connections": 10**6,
            "destinations": ["[2001:db8:9::1]:443"],
        },
    ],
)
def test_tens_of_thousands_and_a_whole_prefix_are_planned_at_once(stated: dict[str, t.Any]) -> None:
    limits = ipv6_host(memory={"total": 10**14, "free": 10**14})
    begun = time.process_time()
    found = planner.plan(limits, {"binding": "bind_no_port"} | stated)
    assert "refusal" not in found, found["refusal"]
    taken = known.taken({}, "client1", found["settings"]["addresses"])
    assert time.process_time() - begun < 0.5
    assert taken == []
    assert len(json.dumps(found)) < 10000
