# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.fourtuple.clients.plugins.module_utils.host import memory

MEMINFO = """MemTotal:       24684096 kB
MemFree:        22141408 kB
MemAvailable:   22520040 kB
Active(file):     229436 kB
Inactive(file):   228172 kB
SwapFree:              0 kB
HugePages_Total:       0
"""
ZONEINFO = """Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 5
  pages free     3840
        boost    0
        min      10
        low      13
        high     16
  pagesets
    cpu: 0
              count:    0
              high:     378
              high_min: 378
Node 0, zone   Normal
        min      1000
        low      1250
        high     1500
"""


def test_memory(host):
    host.put("/proc/meminfo", MEMINFO)
    host.put("/proc/zoneinfo", ZONEINFO)
    assert memory.read(host.look(), 4096) == {
        "total": 24684096 * 1024,
        "free": 22141408 * 1024,
        "available": 22520040 * 1024,
        "file_cache": (229436 + 228172) * 1024,
        "slab_cache": None,
        "reserve": 1516 * 4096,
        "swap_free": 0,
    }


def test_unused_names_and_inodes_can_be_had(host):
    """As a machine had them with four million sockets, after somebody had listed /proc/PID/fd."""
    host.put("/proc/meminfo", MEMINFO + "SReclaimable:    8945292 kB\n")
    host.put("/proc/sys/fs/dentry-state", "9225245\t4740440\t45\t0\t58402\t0\n")
    assert memory.read(host.look(), 4096)["slab_cache"] == 8945292 * 1024 - (9225245 - 4740440) * 1152


def test_what_is_in_use_cannot(host):
    host.put("/proc/meminfo", "SReclaimable: 1000 kB\n")
    host.put("/proc/sys/fs/dentry-state", "5000 0 45 0 0 0\n")
    assert memory.read(host.look(), 4096)["slab_cache"] == 0


def test_without_zoneinfo(host):
    host.sysctl(vm__min_free_kbytes=67584)
    assert memory.read(host.look(), 4096)["reserve"] == 67584 * 1024


def test_nothing_known(host):
    assert set(memory.read(host.look(), 4096).values()) == {None}
