# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses are there, each on its own, and the interface keeps its primary one."""

from __future__ import annotations

import json

SECONDARIES = {
    "203.0.113.10/32",
    "203.0.113.11/32",
    "203.0.113.12/32",
    "203.0.113.20/32",
    "192.0.2.65/32",
    "192.0.2.66/32",
    "2001:db8::10/128",
}


def test_addresses_are_live(host) -> None:
    (link,) = json.loads(host.check_output("ip -json address show dev client0"))
    shown = ["%s/%d" % (info["local"], info["prefixlen"]) for info in link["addr_info"]]
    assert shown[0] == "198.51.100.10/24"
    assert len(shown) == len(set(shown))
    assert set(shown[1:]) == SECONDARIES


def test_default_route_is_kept(host) -> None:
    assert "via 198.51.100.1 dev client0" in host.check_output("ip route show default")
