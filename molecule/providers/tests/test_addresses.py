# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses are there, each on its own, and the interface keeps its primary one."""

from __future__ import annotations

import json
import typing as t

#: IPv6 stands on the interface, as programs cannot bind to it otherwise.
ON_INTERFACE = {
    "bookworm": {"2001:db8::10/128", "2001:db8::11/128"},
    "trixie": {"2001:db8::20/128", "2001:db8::21/128"},
    "sysvinit": {"2001:db8::30/128", "2001:db8::31/128"},
}
LOCAL = {
    "bookworm": {"203.0.113.10/31", "203.0.113.12", "203.0.113.20", "192.0.2.65", "192.0.2.66"},
    "trixie": {"203.0.113.30/31", "203.0.113.32", "203.0.113.40", "192.0.2.69", "192.0.2.70"},
    "sysvinit": {"203.0.113.50/31", "203.0.113.52", "203.0.113.60", "192.0.2.73", "192.0.2.74"},
}


def addresses(host) -> list[dict[str, t.Any]]:
    (link,) = json.loads(host.check_output("ip -json address show dev client0"))
    return link["addr_info"]


def test_addresses_are_live(host, platform: str) -> None:
    shown = ["%s/%d" % (info["local"], info["prefixlen"]) for info in addresses(host)]
    assert shown[0] == "198.51.100.10/24"
    assert len(shown) == len(set(shown))
    assert set(shown[1:]) == ON_INTERFACE[platform]
    routes = host.check_output("ip -oneline route show table local type local dev lo proto kernel").splitlines()
    assert {line.split()[1] for line in routes if " src " not in line} == LOCAL[platform]


def test_nobody_leaves_from_an_ipv6_address_who_does_not_bind(host) -> None:
    """Live, and as the host's own programs put them there."""
    lifetimes = {info["local"]: info["preferred_life_time"] for info in addresses(host) if info["family"] == "inet6"}
    assert len(lifetimes) == 2
    assert set(lifetimes.values()) == {0}


def test_default_route_is_kept(host) -> None:
    assert "via 198.51.100.1 dev client0" in host.check_output("ip route show default")
