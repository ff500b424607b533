# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The constraints that can end a probe, and whether they hold for it."""

from __future__ import annotations

import errno
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host

#: The constraints of the ceiling model that can end a probe, and two that are none: what was not there to be reached.
FOUR_TUPLES, NOFILE, FILE_MAX, MEMORY, CONNTRACK, TASKS = (
    "four_tuples",
    "nofile",
    "file_max",
    "memory",
    "conntrack",
    "tasks",
)
TIMEOUT, UNREACHABLE = "timeout", "unreachable"

#: errno of a host that has no more -> the constraint.
OF_ERROR = {
    errno.EMFILE: NOFILE,
    errno.ENFILE: FILE_MAX,
    errno.ENOMEM: MEMORY,
    errno.ENOBUFS: MEMORY,
}

#: include/uapi/linux/capability.h
_CAP_SYS_ADMIN = 21
#: The part of the connection table that is as good as full.
_NEARLY_FULL = 0.99


def past_file_max(user: t.Optional[str]) -> bool:
    """Return whether fs.file-max does not hold for the probe (fs/file_table.c, alloc_empty_file).

    CAP_SYS_ADMIN passes it by, in the first user namespace only; whoever becomes another user has lost it.
    """
    if user not in (None, "root"):
        return False
    with open("/proc/self/status", encoding="ascii") as stream:
        mine = next(int(line.split()[1], 16) for line in stream if line.startswith("CapEff:"))
    return containment.in_first_user_namespace(Host()) and bool(mine >> _CAP_SYS_ADMIN & 1)


def conntrack_full(host: Host) -> bool:
    """Return whether this network namespace's connection table is as good as full."""
    maximum = host.number("/proc/sys/net/netfilter/nf_conntrack_max")
    used = host.number("/proc/sys/net/netfilter/nf_conntrack_count")
    return bool(maximum) and used is not None and used >= _NEARLY_FULL * (maximum or 0)
