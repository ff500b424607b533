# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory allows, that of the host and that of the control groups."""

from __future__ import annotations

from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import (
    HOST,
    MACHINE,
    Allowance,
    Answer,
    Limits,
    Unknown,
    established,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.four_tuples import in_timewait
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.subjects import levels
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest

#: A bind bucket for all addresses exists once a port (see module_utils/host/slab.py).
_MAX_PORTS = 65535


def bytes_of_connection(limits: Limits, request: ClientRequest) -> int:
    """Return what one connection takes in the kernel, with epoll unless stated otherwise, and in the application.

    Each of its descriptors is a socket: a proxy has one to its client, and one to the server.
    """
    sockets = limits["slab"]["per_socket_epoll"] * request.descriptors_per_connection
    return int(sockets if request.kernel_bytes is None else request.kernel_bytes) + request.app_bytes


def memory_needed(limits: Limits, request: ClientRequest, connections: int) -> int:
    """Return the bytes that ``connections`` take."""
    per_port = int(limits["slab"].get("per_port") or 0)
    return connections * bytes_of_connection(limits, request) + min(connections, _MAX_PORTS) * per_port


def _held_by(limits: Limits, request: ClientRequest, room: int) -> int:
    """Return the connections that fit into ``room`` bytes: the inverse of memory_needed."""
    each = bytes_of_connection(limits, request)
    per_port = int(limits["slab"].get("per_port") or 0)
    held = max(0, room) // (each + per_port)
    return held if held <= _MAX_PORTS else (room - _MAX_PORTS * per_port) // each


def memory_room(limits: Limits, request: ClientRequest) -> int | None:
    """Return the bytes that this host has for connections.

    MemAvailable is not used: it counts the pinned inodes and dentries of sockets as reclaimable.
    """
    memory = limits["memory"]
    if memory["free"] is None or memory["file_cache"] is None:
        return None
    sockets = established(limits) * limits["slab"]["per_socket"]
    room = memory["free"] + memory["file_cache"] + (memory.get("slab_cache") or 0) - (memory["reserve"] or 0) + sockets
    return int(max(0, room - request.memory_reserve - _timewait_bytes(limits, request)))


def _timewait_bytes(limits: Limits, request: ClientRequest) -> int:
    """Return what the connections in TIME_WAIT will take beyond those of now, whose memory is not free."""
    more = in_timewait(limits, request) - (limits["sockets"]["timewait"] or 0)
    return int(max(0, more) * limits["slab"]["per_timewait"])


def allowed(limits: Limits, request: ClientRequest) -> Answer:
    """Allow what the host's memory holds."""
    room = memory_room(limits, request)
    if room is None:
        return Unknown("/proc/meminfo could not be read")
    scope = MACHINE if limits["host"]["container"] else HOST
    change = "add memory to %s" % ("the machine under this container" if scope == MACHINE else "the host")
    return _memory(limits, request, room, "", scope, change)


def cgroup_room(limits: Limits, request: ClientRequest) -> tuple[int, str] | None:
    """Return the bytes that the tightest control group leaves to connections, and its path; None without any."""
    sockets = established(limits) * limits["slab"]["per_socket"]
    rooms = []
    for level in levels(limits, request, "memory"):
        used, cache = level["used"] or 0, level["file_cache"] or 0
        # The sockets of now may be charged to other groups: no more of them than the group uses.
        back = min(sockets, max(0, used - cache))
        rooms.append((max(0, level["limit"] - used + cache + back - _timewait_bytes(limits, request)), level["path"]))
    return min(rooms, default=None)


def cgroup_memory(limits: Limits, request: ClientRequest) -> Answer:
    """Allow what the tightest control group has room for; sockets are charged to it."""
    scope = MACHINE if limits["host"]["container"] else HOST
    found = cgroup_room(limits, request)
    if found is None:
        return Allowance(None, None, scope, "no control group limits memory", "nothing")
    room, path = found
    change = "raise the memory limit of the control group %s (memory.max, MemoryMax=)" % path
    return _memory(limits, request, room, " in %s" % path, scope, change)


def _memory(limits: Limits, request: ClientRequest, room: int, where: str, scope: str, change: str) -> Allowance:
    allows = _held_by(limits, request, room)
    formula = "%s for connections%s / %d bytes each" % (size(room), where, bytes_of_connection(limits, request))
    return Allowance(allows, allows, scope, formula, change)


def size(number: int) -> str:
    """Return bytes for people."""
    return "%.1f GB" % (number / 1e9) if number >= 1e9 else "%.1f MB" % (number / 1e6)
