# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processes hold that can start."""

from __future__ import annotations

from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import (
    HOST,
    MACHINE,
    Allowance,
    Answer,
    Limits,
    Unknown,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.descriptors import nofile
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.subjects import levels
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest


def allowed(limits: Limits, request: ClientRequest) -> Answer:
    """Allow what the processes that can start hold; all of them, as a rule."""
    scope = MACHINE if limits["host"]["container"] else HOST
    found = limits["tasks"]
    rooms = [(level["limit"] - (level["used"] or 0), level["path"]) for level in levels(limits, request, "tasks")]
    if found["threads"] is not None:
        for key, maximum in (("kernel.threads-max", found["threads_max"]), ("kernel.pid_max", found["pid_max"])):
            if maximum is not None:
                rooms.append((maximum - found["threads"], key))
    if not rooms:
        return Unknown("the limits of tasks could not be read")
    headroom, which = min(rooms)
    headroom = max(0, headroom)
    said = "%d more tasks can start (%s), %d are asked for" % (headroom, which, request.processes)
    each = nofile(limits, request)
    if headroom >= request.processes or isinstance(each, Unknown) or each.allows is None:
        return Allowance(None, None, scope, said, "nothing")
    allows = headroom * (each.allows // request.processes)
    change = "raise %s, or let fewer processes hold more connections each (tune_processes)" % which
    return Allowance(allows, allows, scope, said, change)
