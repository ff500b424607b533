# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the descriptors of a process allow: its nofile, and fs.nr_open, to which nofile can be raised at most."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import NR_OPEN
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import subjects
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import (
    PROCESS,
    Allowance,
    Answer,
    Limits,
    Unknown,
    number_of,
    on_machine,
    scope_of,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest


def nofile(limits: Limits, request: ClientRequest) -> Answer:
    """Allow what the lowest soft limit of the subjects leaves to connections, or the one that the program has."""
    if request.app_nofile is not None:
        way = "raise the nofile of the program%s, or let more processes hold the connections (tune_processes)"
        change = way % _to_hold(request)
        said = "soft nofile %d of the program" % request.app_nofile
        return _descriptors(request.app_nofile, said, change, request)
    chosen, missing = subjects.of_request(limits, request)
    if not chosen:
        who = ", ".join(missing) or "any user, unit or process"
        return Unknown("the snapshot has no limit of %s" % who)
    lowest = min(chosen, key=lambda one: _soft(one, request))
    soft, who = _soft(lowest, request), "%s %s" % (lowest["kind"], lowest["name"])
    raised = soft > lowest["now"]["soft"] and bool(request.raises_nofile)
    kind = "hard" if raised else "soft"
    change = "raise the %s nofile of %s%s (tune_nofile_%s)" % (kind, who, _to_hold(request), kind)
    if lowest.get("remedy"):
        who, change = "%s by %s" % (who, lowest["way"]), "%s: %s" % (lowest["by"], lowest["remedy"])
    if lowest["kind"] == "unit" and _raised(lowest.get("after_boot") or lowest["now"], request) > soft:
        change = "restart %s, which has another limit than it is configured to have" % lowest["name"]
    said = "nofile %d, to which the program raises that of %s" if raised else "soft nofile %d of %s"
    return _descriptors(soft, said % (soft, who), change, request)


def _soft(subject: t.Mapping[str, t.Any], request: ClientRequest) -> int:
    """Return the soft limit of a program of a subject; that of a running unit may come with its next start only."""
    later = subject.get("after_boot") if request.after_restart and subject["kind"] == "unit" else None
    return _raised(later or subject["now"], request)


def _raised(limit: t.Mapping[str, int], request: ClientRequest) -> int:
    """Return the soft limit that a program has once it runs: as it inherited it, or as it raised it by itself.

    One that wants a number gets it where the hard limit allows that, and else keeps what it has (setrlimit(2), EINVAL).
    """
    soft, hard, wanted = int(limit["soft"]), int(limit["hard"]), request.raises_nofile
    if wanted is True:
        return max(soft, hard)
    return max(soft, int(wanted)) if wanted <= hard else soft


def nr_open(limits: Limits, request: ClientRequest) -> Answer:
    """Allow what nofile could be raised to at most."""
    now = limits["nofile"]["nr_open"]["now"]
    if now is None:
        return Unknown("fs.nr_open could not be read")
    scope = scope_of(limits, NR_OPEN)
    change = "raise fs.nr_open%s%s" % (on_machine(scope), _to_hold(request))
    return _descriptors(now, "fs.nr_open %d" % now, change, request)._replace(scope=scope)


def _descriptors(limit: int, said: str, change: str, request: ClientRequest) -> Allowance:
    # Of one process, for a descriptor that is left over holds half of a proxy's connection.
    of_one = max(0, limit - request.app_descriptors) // request.descriptors_per_connection
    allows = of_one * request.processes
    formula = "(%s - %d for other files)" % (said, request.app_descriptors)
    if request.descriptors_per_connection > 1:
        formula += " / %d of each connection" % request.descriptors_per_connection
    formula += " x %s" % number_of(request.processes, "process", "es")
    return Allowance(allows, allows, PROCESS, formula, change)


def descriptors_needed(request: ClientRequest, connections: int) -> int:
    """Return the descriptors of one process that holds its part of ``connections``."""
    each = math.ceil(connections / request.processes)
    return each * request.descriptors_per_connection + request.app_descriptors


def _to_hold(request: ClientRequest) -> str:
    return "" if request.target is None else " to %d or more" % descriptors_needed(request, request.target)
