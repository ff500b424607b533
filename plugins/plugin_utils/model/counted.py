# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the keys allow that count connections one by one: fs.file-max, epoll watches, connection tracking."""

from __future__ import annotations

from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import (
    CONNTRACK_MAX,
    EPOLL_WATCHES,
    FILE_MAX,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import (
    Allowance,
    Answer,
    Limits,
    Unknown,
    established,
    on_machine,
    scope_of,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.programs import RESET
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest

#: net/netfilter/nf_conntrack_proto_tcp.c, tcp_timeouts[TCP_CONNTRACK_TIME_WAIT], and TCP_CONNTRACK_CLOSE after a RST.
CONNTRACK_TIMEWAIT_SECONDS = 120
_CONNTRACK_CLOSE_SECONDS = 10


def file_max(limits: Limits, request: ClientRequest) -> Answer:
    """Allow what fs.file-max leaves besides the open files of everything else."""
    values = limits["nofile"]["file_max"]
    if values["now"] is None or values["allocated"] is None:
        return Unknown("fs.file-max or fs.file-nr could not be read")
    others = other_files(limits)
    formula = "fs.file-max %d - %d files of others%s; CAP_SYS_ADMIN is exempt"
    return _counted(limits, request, FILE_MAX, values["now"], others, formula % (values["now"], others, each(request)))


def other_files(limits: Limits) -> int:
    """Return the open files that are no connections."""
    return max(0, (limits["nofile"]["file_max"]["allocated"] or 0) - established(limits))


def epoll_watches(limits: Limits, request: ClientRequest) -> Answer:
    """Allow what one user's processes can watch together."""
    now = limits["epoll"]["max_user_watches"]
    if now is None:
        return Unknown("fs.epoll.max_user_watches could not be read")
    formula = "fs.epoll.max_user_watches %d%s, for all processes of one user" % (now, each(request))
    return _counted(limits, request, EPOLL_WATCHES, now, 0, formula)


def conntrack(limits: Limits, request: ClientRequest) -> Answer:
    """Allow what the connection tracking table has room for, where it sees local connections."""
    table = limits["conntrack"]
    if table["tracks_local"] is None:
        return Unknown(table["why"])
    if not table["tracks_local"]:
        return Allowance(None, None, scope_of(limits, CONNTRACK_MAX), table["why"], "nothing")
    if table["max"] is None or table["count"] is None:
        return Unknown("%s or its count could not be read" % CONNTRACK_MAX)
    others, closed = other_entries(limits), tracked_after_close(request)
    formula = "%s %d - %d entries of others" % (CONNTRACK_MAX, table["max"], others)
    if closed:
        formula += " - %d of closed connections" % closed
    return _counted(limits, request, CONNTRACK_MAX, table["max"], others + closed, formula + each(request))


def other_entries(limits: Limits) -> int:
    """Return the tracked connections that are not established sockets of this host."""
    return max(0, (limits["conntrack"]["count"] or 0) - established(limits))


def tracked_after_close(request: ClientRequest) -> int:
    seconds = _CONNTRACK_CLOSE_SECONDS if request.closes_first == RESET else CONNTRACK_TIMEWAIT_SECONDS
    return request.churn * seconds * request.descriptors_per_connection


def each(request: ClientRequest) -> str:
    """Return the end of a formula where a connection takes more than one: a proxy has its client's as well."""
    number = request.descriptors_per_connection
    return "" if number == 1 else ", by %d a connection" % number


def _counted(limits: Limits, request: ClientRequest, key: str, now: int, taken: int, formula: str) -> Allowance:
    """Return what a key allows that counts connections one by one; ``taken`` are those of others."""
    allows = max(0, now - taken) // request.descriptors_per_connection
    scope = scope_of(limits, key)
    wanted = None if request.target is None else request.target * request.descriptors_per_connection + taken
    needed = "" if wanted is None else " to %d or more" % wanted
    return Allowance(allows, allows, scope, formula, "raise %s%s%s" % (key, on_machine(scope), needed))
