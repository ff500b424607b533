# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The floors of the sysctl keys that count connections."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import (
    CONNTRACK_MAX,
    EPOLL_WATCHES,
    FILE_MAX,
    NR_OPEN,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import (
    MACHINE,
    Limits,
    is_settable,
    scope_of,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.counted import (
    other_entries,
    other_files,
    tracked_after_close,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest

_ROOM = 65536


def floors_of(limits: Limits, request: ClientRequest, planned_for: int, hard: int) -> dict[str, t.Any]:
    """Return the lowest values that the request needs, without the keys that are not there or not this host's."""
    descriptors = planned_for * request.descriptors_per_connection
    needed = {
        NR_OPEN: hard,
        FILE_MAX: descriptors + room(other_files(limits)),
        EPOLL_WATCHES: descriptors + request.processes * request.app_descriptors,
    }
    if limits["conntrack"]["tracks_local"]:
        closed = tracked_after_close(request)
        needed[CONNTRACK_MAX] = descriptors + closed + room(other_entries(limits))
    explicit = request.explicit
    floors: dict[str, t.Any] = {
        key: floor
        for key, floor in needed.items()
        if key in limits["keys"] and key not in explicit.sysctl_values and _may_hold(limits, key, floor)
    }
    floors.update(explicit.sysctl_floors)
    return floors


def _may_hold(limits: Limits, key: str, floor: int) -> bool:
    """Tell whether a key may be asked to have a floor: one that cannot be written only where it has it already."""
    if scope_of(limits, key) == MACHINE:
        return False
    return is_settable(limits, key) or int(limits["keys"][key]["now"]) >= floor


def room(others: int) -> int:
    """Return what to leave to others: twice what they have, in steps, so that the plan does not follow each of them."""
    return _ROOM * max(1, math.ceil(2 * others / _ROOM))
