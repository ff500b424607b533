# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the sysctl table, against the snapshot and the plan that are made by them."""

from __future__ import annotations

import pytest
from limits_builder import limits_of

from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys, sysctl_table
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import FLOOR, KEYS, RESERVED, VALUE
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.planner import plan

PLANNED = {
    kind: {key for key, row in KEYS.items() if row.planned and row.planned[0] == kind} for kind in (FLOOR, VALUE)
}


def test_what_is_planned_is_looked_at():
    for key, row in KEYS.items():
        assert row.snapshot or not (row.planned or row.place), key
        # A floor is compared as one number.
        assert key not in PLANNED[FLOOR] or sysctl_keys.holds_one_number(key)


def test_the_plan_sets_what_the_rows_say_and_nothing_else():
    # A slot of IPv6, which is routed to the host: it lies in no prefix of its interface.
    stated = {
        "target_connections": 200000,
        "destinations": ["[2001:db8::7]:443"],
        "binding": "bind_no_port",
        "address_pool": ["2001:db8:1::/64"],
    }
    tracked = {"tracks_local": True, "count": 5, "why": "a rule"}
    limits = limits_of(conntrack=tracked, keys={sysctl_table.CONNTRACK_MAX: 65536})
    planned = plan(limits, dict(stated, slot=0))
    assert "refusal" not in planned, planned["refusal"]
    settings = planned["settings"]
    assert set(settings["sysctl_floors"]) == PLANNED[FLOOR]
    assert set(settings["sysctl_values"]) == PLANNED[VALUE]
    assert [key for key, row in KEYS.items() if row.planned and row.planned[0] == RESERVED] == [
        sysctl_table.RESERVED_PORTS
    ]


@pytest.mark.parametrize(
    ("key", "module"),
    [
        ("net.netfilter.nf_conntrack_max", "nf_conntrack"),
        ("net.netfilter.nf_conntrack_acct", "nf_conntrack"),
        ("net.nf_conntrack_max", "nf_conntrack"),
        ("net.bridge.bridge-nf-call-iptables", "br_netfilter"),
        ("net.core.somaxconn", None),
        ("net.x", None),
    ],
)
def test_the_module_of_a_key(key, module):
    assert sysctl_table.module_of(key) == module
