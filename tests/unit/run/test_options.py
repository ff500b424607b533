# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which options a host takes for the same."""

from __future__ import annotations

import datetime
import json
import time

import pytest

from ansible_collections.fourtuple.clients.plugins.plugin_utils.run import options

ASKED = {"steps": ["sysctl", "limits"], "sysctl": {"values": {"net.ipv4.tcp_tw_reuse": 1}}, "limits": {"needed": None}}


@pytest.mark.parametrize(
    "other",
    [
        dict(reversed(ASKED.items())),
        {**ASKED, "steps": ("sysctl", "limits")},
        json.loads(json.dumps(ASKED)),
    ],
)
def test_the_same(other):
    assert options.same(ASKED, other)


@pytest.mark.parametrize(
    "other",
    [
        {},
        {**ASKED, "role": "tune"},
        {**ASKED, "steps": ["limits", "sysctl"]},
        {**ASKED, "limits": {}},
        {**ASKED, "sysctl": {"values": {"net.ipv4.tcp_tw_reuse": True}}},
        {**ASKED, "sysctl": {"values": {"net.ipv4.tcp_tw_reuse": "1"}}},
        {**ASKED, "sysctl": {"values": {"net.ipv4.tcp_tw_reuse": 1.0}}},
        {**ASKED, "sysctl": {"values": {"net.ipv4.tcp_tw_reuse": 1, 5: 1}}},
        {**ASKED, "limits": {"needed": datetime.date(2026, 1, 1)}},
    ],
)
def test_others(other):
    assert not options.same(ASKED, other)


def test_ten_thousand_addresses_take_no_time():
    taken = [{"address": "10.0.%d.%d" % divmod(n, 256), "whose": "an address of host%d" % n} for n in range(10000)]
    asked = {**ASKED, "addresses": {"list": [one["address"] for one in taken], "taken": taken}}
    began = time.process_time()
    assert options.same(asked, json.loads(json.dumps(asked)))
    assert time.process_time() - began < 1
