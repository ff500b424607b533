# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.probe import constraints


@pytest.mark.parametrize(
    ("used", "most", "full"), [("989", "1000", False), ("990", "1000", True), ("1000", "1000", True), ("0", "0", False)]
)
def test_a_connection_table_that_is_full(host, used, most, full):
    host.put("/proc/sys/net/netfilter/nf_conntrack_max", most + "\n")
    host.put("/proc/sys/net/netfilter/nf_conntrack_count", used + "\n")
    assert constraints.conntrack_full(host.look()) is full


def test_without_a_connection_table(host):
    assert constraints.conntrack_full(host.look()) is False


def test_whom_file_max_does_not_hold():
    assert constraints.past_file_max("nobody") is False
    with open("/proc/self/status") as stream:
        administrator = any(line.startswith("CapEff:") and int(line.split()[1], 16) >> 21 & 1 for line in stream)
    with open("/proc/self/uid_map") as stream:
        first = stream.read().split()[2] == "4294967295"
    assert constraints.past_file_max(None) is constraints.past_file_max("root") is (administrator and first)
