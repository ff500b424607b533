# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory a host has for sockets."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

#: What a dentry in use pins: itself and an inode, those of a socket taken with their share of a slab's waste and what
#: control groups add (192 + 832 + 32 bytes of x86_64). A file's inode may be larger, but there are few open files.
_PINNED = 1152


def read(host: Host, page_size: int) -> t.Dict[str, t.Optional[int]]:
    """Return the host's memory in bytes, null for what could not be read.

    MemAvailable is returned for comparison only: it counts the socket inodes and dentries, which are pinned, as
    reclaimable like all of SReclaimable (mm/show_mem.c, si_mem_available). What sockets can have is what is free, the
    page cache of files that no program has mapped, and the slabs of names and inodes that nobody uses, less what the
    kernel keeps for itself: programs that lose their own pages read them again and again. A machine of 256 MiB held
    33,000 sockets, most of them while it thrashed; this allows 32,000, and with the mapped pages it would be 38,000.
    """
    table = _meminfo(host)
    parts = [table.get(name) for name in ("Active(file)", "Inactive(file)")]
    cache = None if None in parts else max(0, sum(part or 0 for part in parts) - table.get("Mapped", 0))
    return {
        "total": table.get("MemTotal"),
        "free": table.get("MemFree"),
        "available": table.get("MemAvailable"),
        "file_cache": cache,
        "slab_cache": _slab_cache(host, table.get("SReclaimable")),
        "reserve": reserve(host, page_size),
        "swap_free": table.get("SwapFree"),
    }


def _slab_cache(host: Host, reclaimable: t.Optional[int]) -> t.Optional[int]:
    """Return the bytes of dentries and inodes that the kernel gives up when it needs memory.

    That is SReclaimable without what the dentries in use pin, which /proc/sys/fs/dentry-state counts: nr_dentry less
    nr_unused (proc_sys_fs(5)). A host that has looked at its files, or a monitor that lists /proc/PID/fd of millions
    of sockets, leaves gigabytes of unused ones.
    """
    words = (host.text("/proc/sys/fs/dentry-state") or "").split()
    there, unused = map(decimal, words[:2]) if len(words) > 1 else (None, None)
    if reclaimable is None or there is None or unused is None:
        return None
    return max(0, reclaimable - max(0, there - unused) * _PINNED)


def _meminfo(host: Host) -> t.Dict[str, int]:
    found = {}
    for line in (host.text("/proc/meminfo") or "").splitlines():
        name, _colon, rest = line.partition(":")
        words = rest.split()
        number = decimal(words[0]) if words[1:] == ["kB"] else None
        if number is not None:
            found[name] = number * 1024
    return found


def reserve(host: Host, page_size: int) -> t.Optional[int]:
    """Return what the kernel keeps free: the sum of the zones' high watermarks.

    Below its low watermark a zone wakes kswapd, which reclaims up to the high one (mm/vmscan.c, balance_pgdat).
    """
    high = []
    for line in (host.text("/proc/zoneinfo") or "").splitlines():
        words = line.split()
        # "high  123" is the zone's; "high:  123" is that of a processor's page list.
        number = decimal(words[1]) if len(words) == 2 and words[0] == "high" else None
        if number is not None:
            high.append(number)
    if high:
        return sum(high) * page_size
    minimum = host.number("/proc/sys/vm/min_free_kbytes")
    return None if minimum is None else minimum * 1024
