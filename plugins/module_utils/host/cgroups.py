# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of the control groups that a process is in, from its own up to the highest that can be seen.

cgroups(7), Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst. Version 1, version 2 and both side by
side are read. In a container that has a cgroup namespace the highest is the container's own group; limits above
it show in version 1 alone, as hierarchical_memory_limit.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import mounts
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

#: PAGE_COUNTER_MAX pages, what version 1 shows for no limit, is just below 2^63 (mm/memcontrol-v1.c).
_NO_LIMIT = 2**62

#: PATH_MAX, linux/limits.h
_LONGEST_PATH = 4096

Chain = t.List[t.Dict[str, t.Any]]


class _Place(t.NamedTuple):
    """Where a process's group for one controller is: a mount, the path below it, and the version."""

    mount: str
    path: str
    version: int


def memory(host: Host, process: str = "self") -> Chain:
    """Return the groups that limit the memory of ``process``, its own first.

    Each has its ``path``, and in bytes ``limit``, ``used`` and ``file_cache``, which is part of what is used.
    """
    place = _place(host, process, "memory")
    if place is None:
        return []
    found: Chain = []
    for path in _upwards(place.path):
        folder = place.mount + path.rstrip("/")
        entry = _memory_v1(host, folder) if place.version == 1 else _memory_v2(host, folder)
        if entry is not None:
            found.append(dict(entry, path=path))
    if place.version == 1:
        found += _hidden_limit(host, place, found)
    return found


def tasks(host: Host, process: str = "self") -> Chain:
    """Return the groups that limit the number of tasks of ``process``, its own first: ``path``, ``limit``, ``used``."""
    place = _place(host, process, "pids")
    found: Chain = []
    for path in _upwards(place.path) if place is not None else []:
        folder = (place.mount if place is not None else "") + path.rstrip("/")
        limit = host.number(folder + "/pids.max")
        if limit is not None:
            found.append({"path": path, "limit": limit, "used": host.number(folder + "/pids.current")})
    return found


def _memory_v1(host: Host, folder: str) -> t.Optional[t.Dict[str, t.Any]]:
    limit = host.number(folder + "/memory.limit_in_bytes")
    if limit is None or limit >= _NO_LIMIT:
        return None
    stat = _stat(host, folder)
    cache = _unmapped(stat, "total_active_file", "total_inactive_file", "total_mapped_file")
    used = host.number(folder + "/memory.usage_in_bytes")
    return {"limit": limit, "used": used, "file_cache": cache}


def _memory_v2(host: Host, folder: str) -> t.Optional[t.Dict[str, t.Any]]:
    # Above memory.high a group is not killed, yet throttled until it is unusable: it counts as a limit.
    limits = [host.number("%s/%s" % (folder, name)) for name in ("memory.max", "memory.high")]
    numbers = [limit for limit in limits if limit is not None]
    if not numbers:
        return None
    stat = _stat(host, folder)
    cache = _unmapped(stat, "active_file", "inactive_file", "file_mapped")
    return {"limit": min(numbers), "used": host.number(folder + "/memory.current"), "file_cache": cache}


def _hidden_limit(host: Host, place: _Place, found: Chain) -> Chain:
    """Return the limit that a group above the highest visible one sets, if it is the lowest."""
    minimum = _stat(host, place.mount + place.path.rstrip("/")).get("hierarchical_memory_limit", _NO_LIMIT)
    if minimum >= min([_NO_LIMIT] + [entry["limit"] for entry in found]):
        return []
    return [{"path": "above /", "limit": minimum, "used": None, "file_cache": None}]


def _stat(host: Host, folder: str) -> t.Dict[str, int]:
    pairs = (line.split() for line in (host.text(folder + "/memory.stat") or "").splitlines())
    numbers = ((words[0], decimal(words[1])) for words in pairs if len(words) == 2)
    return {name: number for name, number in numbers if number is not None}


def _unmapped(stat: t.Mapping[str, int], active: str, inactive: str, mapped: str) -> t.Optional[int]:
    """Return the page cache of files that no program has mapped; see memory.py."""
    if active not in stat or inactive not in stat:
        return None
    return max(0, stat[active] + stat[inactive] - stat.get(mapped, 0))


def _upwards(path: str) -> t.List[str]:
    """Return ``path`` and every path above it, down to ``/``."""
    parts = [part for part in path.split("/") if part]
    return ["/" + "/".join(parts[:length]) for length in range(len(parts), -1, -1)]


def _place(host: Host, process: str, controller: str) -> t.Optional[_Place]:
    """Return where ``process`` is for ``controller``: in version 1 if that has it mounted, else in version 2."""
    mounted = _mounts(host)
    unified = None
    for line in (host.text("/proc/%s/cgroup" % process) or "").splitlines():
        fields = line.split(":", 2)
        if len(fields) < 3:
            continue
        if controller in fields[1].split(",") and controller in mounted:
            return _below_mount(mounted[controller], fields[2], 1)
        if fields[:2] == ["0", ""] and "" in mounted:
            unified = _below_mount(mounted[""], fields[2], 2)
    return unified


def _below_mount(mount: t.Tuple[str, str], path: str, version: int) -> _Place:
    point, root = mount
    if root != "/":
        # Without a cgroup namespace a container mounts its own group: the paths are still the machine's.
        path = path[len(root) :] if path == root or path.startswith(root + "/") else "/"
    if ".." in path.split("/") or len(path) > _LONGEST_PATH:
        # The process is outside of the reader's cgroup namespace; or this is no path.
        path = "/"
    return _Place(point, path or "/", version)


def _mounts(host: Host) -> t.Dict[str, t.Tuple[str, str]]:
    """Return (mount point, its root in the hierarchy) by controller, that of version 2 under ``""``."""
    found: t.Dict[str, t.Tuple[str, str]] = {}
    for mount in mounts.parse(host.text("/proc/self/mountinfo") or ""):
        if mount.kind == "cgroup2":
            found.setdefault("", (mount.point, mount.root))
        elif mount.kind == "cgroup":
            for name in mount.super_options:
                found.setdefault(name, (mount.point, mount.root))
    return found
