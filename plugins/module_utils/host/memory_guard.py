# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory sockets may still take before something else on the host would suffer."""

from __future__ import annotations

import resource
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import cgroups, memory
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host

#: The constraints, as the ceiling model names them.
HOST = "memory"
GROUP = "cgroup_memory"


def left(host: Host, reserve: t.Callable[[int], int]) -> t.Tuple[t.Optional[int], str]:
    """Return the bytes that sockets may still take, and which constraint that is; None where nothing is known.

    The smallest of the host and of the control groups of this process counts; it is negative where less is left than
    the reserve.

    reserve: maps a total (the host's memory, a group's limit) to the bytes of it that are to stay free
    """
    found = []
    whole = memory.read(host, resource.getpagesize())
    if whole["total"] is not None and whole["free"] is not None:
        unused = whole["free"] + (whole["file_cache"] or 0) + (whole["slab_cache"] or 0) - (whole["reserve"] or 0)
        found.append((unused - reserve(whole["total"]), HOST))
    for group in cgroups.memory(host):
        if group["limit"] is not None and group["used"] is not None:
            unused = group["limit"] - group["used"] + (group["file_cache"] or 0)
            found.append((unused - reserve(group["limit"]), GROUP))
    # Stable: the host where both leave the same.
    return min(found, key=lambda pair: pair[0]) if found else (None, HOST)
