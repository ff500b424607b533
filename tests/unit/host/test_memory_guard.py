# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import resource

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host import memory_guard

KIB = 1024


@pytest.fixture
def small(host):
    """A host of 1 GiB."""
    host.put("/proc/meminfo", "MemTotal: 1048576 kB\nMemFree: 500000 kB\nActive(file): 10 kB\nInactive(file): 20 kB\n")
    host.put("/proc/zoneinfo", "Node 0, zone DMA\n        high  100\n")
    return host


def group(host, limit, used, cache=0):
    host.put("/proc/self/cgroup", "0::/group\n")
    host.put("/proc/self/mountinfo", "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    host.put("/sys/fs/cgroup/group/memory.max", "%s\n" % limit)
    host.put("/sys/fs/cgroup/group/memory.current", "%d\n" % used)
    host.put("/sys/fs/cgroup/group/memory.stat", "active_file %d\ninactive_file 0\nfile_mapped 0\n" % cache)


def left(host, reserve=lambda total: 0):
    return memory_guard.left(host.look(), reserve)


UNUSED = (500000 + 30) * KIB - 100 * resource.getpagesize()


def test_the_host(small):
    assert left(small) == (UNUSED, "memory")


def test_the_reserve_is_a_part_of_the_host(small):
    assert left(small, lambda total: total // 4) == (UNUSED - (1 << 28), "memory")


def test_below_the_reserve(small):
    remaining, constraint = left(small, lambda total: total)
    assert remaining < 0
    assert constraint == "memory"


def test_a_control_group_that_leaves_less(small):
    group(small, 100 << 20, 30 << 20, cache=10 << 20)
    assert left(small) == (80 << 20, "cgroup_memory")
    assert left(small, lambda total: total // 10) == (70 << 20, "cgroup_memory")


def test_a_control_group_that_leaves_more(small):
    group(small, 2 << 30, 0)
    assert left(small) == (UNUSED, "memory")


def test_a_control_group_without_limit(small):
    group(small, "max", 30 << 20)
    assert left(small) == (UNUSED, "memory")


def test_only_the_control_group_is_known(host):
    group(host, 100 << 20, 30 << 20)
    assert left(host) == (70 << 20, "cgroup_memory")


def test_nothing_known(host):
    assert left(host) == (None, "memory")
