# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory a host has for sockets."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.reading import Reading


def memory(reading: Reading, page_size: int) -> t.Dict[str, t.Optional[int]]:
    """Return the host's memory in bytes, null for what could not be read.

    MemAvailable is returned for comparison only: it counts the socket inodes and dentries, which are pinned, as
    reclaimable like all of SReclaimable (mm/show_mem.c, si_mem_available). What sockets can have is what is free and
    the page cache of files that no program has mapped, less what the kernel keeps for itself: programs that lose
    their own pages read them again and again. A machine of 256 MiB held 33,000 sockets, most of them while it
    thrashed; this allows 32,000, and with the mapped pages it would be 38,000.
    """
    table = _meminfo(reading)
    parts = [table.get(name) for name in ("Active(file)", "Inactive(file)")]
    cache = None if None in parts else max(0, sum(part or 0 for part in parts) - table.get("Mapped", 0))
    return {
        "total": table.get("MemTotal"),
        "free": table.get("MemFree"),
        "available": table.get("MemAvailable"),
        "file_cache": cache,
        "reserve": reserve(reading, page_size),
        "swap_free": table.get("SwapFree"),
    }


def _meminfo(reading: Reading) -> t.Dict[str, int]:
    found = {}
    for line in (reading.text("/proc/meminfo") or "").splitlines():
        name, _colon, rest = line.partition(":")
        words = rest.split()
        if words[1:] == ["kB"] and words[0].isdecimal():
            found[name] = int(words[0]) * 1024
    return found


def reserve(reading: Reading, page_size: int) -> t.Optional[int]:
    """Return what the kernel keeps free: the sum of the zones' high watermarks.

    Below its low watermark a zone wakes kswapd, which reclaims up to the high one (mm/vmscan.c, balance_pgdat).
    """
    high = []
    for line in (reading.text("/proc/zoneinfo") or "").splitlines():
        words = line.split()
        # "high  123" is the zone's; "high:  123" is that of a processor's page list.
        if len(words) == 2 and words[0] == "high" and words[1].isdecimal():
            high.append(int(words[1]))
    if high:
        return sum(high) * page_size
    minimum = reading.number("/proc/sys/vm/min_free_kbytes")
    return None if minimum is None else minimum * 1024
