# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host import conntrack


def loaded(host, count):
    for name, number in (("max", 262144), ("count", count), ("buckets", 65536)):
        host.put("/proc/sys/net/netfilter/nf_conntrack_" + name, "%d\n" % number)


def test_not_loaded(host):
    host.put("/proc/modules", "nf_tables 303104 0 - Live 0x0\n")
    assert conntrack.read(host.look(), 5, False) == {
        "loaded": False,
        "max": None,
        "count": None,
        "buckets": None,
        "tracks_local": False,
        "why": "nf_conntrack is not loaded",
    }


@pytest.mark.parametrize(
    ("count", "established", "tracks", "why"),
    [
        (12, 10, True, "12 connections are tracked"),
        (5, 10, True, "5 connections are tracked"),
        (4, 10, None, "a rule exempts some"),
        (4, None, True, "4 connections are tracked"),
        (0, 10, False, "10 TCP sockets are established in this network namespace and none is tracked"),
        (0, 0, None, "no established connection is there to tell by"),
        (0, None, None, "no established connection is there to tell by"),
    ],
)
def test_concluded_from_the_traffic(host, count, established, tracks, why):
    loaded(host, count)
    found = conntrack.read(host.look(), established, False)
    assert (found["loaded"], found["max"], found["count"], found["buckets"]) == (True, 262144, count, 65536)
    assert found["tracks_local"] is tracks
    assert why in found["why"]


def test_a_nat_table_needs_tracking(host):
    loaded(host, 0)
    host.put("/proc/net/ip_tables_names", "filter\nnat\n")
    assert conntrack.read(host.look(), 0, False)["tracks_local"] is True


def test_a_container_cannot_see_the_machines_own(host):
    found = conntrack.read(host.look(), 5, True)
    assert (found["loaded"], found["tracks_local"]) == (False, None)
    assert "machine under this container" in found["why"]
    loaded(host, 5)
    assert conntrack.read(host.look(), 5, True)["tracks_local"] is True


@pytest.mark.parametrize("sign", ["/sys/module/nf_conntrack/refcnt", "/proc/modules"])
def test_loaded_but_hidden(host, sign):
    host.put(sign, "nf_conntrack 200704 1 nf_nat, Live 0x0\n")
    found = conntrack.read(host.look(), 5, False)
    assert (found["loaded"], found["count"], found["tracks_local"]) == (True, None, None)
