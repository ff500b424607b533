# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The refusal of a target that a constraint does not allow."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import container_options
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import NR_OPEN
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.ceilings import constraint_named
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import (
    MACHINE,
    Limits,
    is_settable,
    number_of,
    scope_of,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.descriptors import descriptors_needed
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.memory import (
    bytes_of_connection,
    cgroup_room,
    memory_needed,
    memory_room,
    size,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.nofile import inherited_maximum, nr_open_maximum
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.ports import claimed
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest


def refusal_of(predicted: Limits, request: ClientRequest, lowest: t.Mapping[str, t.Any], target: int) -> Refusal:
    """Return the refusal of a target because of a constraint that the plan cannot lift."""
    explicit = request.explicit
    name, constraint = lowest["name"], constraint_named(lowest["name"])
    allowed = "at most %d: %s" % (lowest["advised"], lowest["formula"])
    if name == "nofile" and explicit.nofile_soft is None and explicit.nofile_hard is None:
        remedy = _more_descriptors(predicted, request, target)
        if remedy:
            return Refusal("tune_target_connections", request.target, allowed, remedy)
    elif name == "nofile":
        variable = "nofile_soft" if explicit.nofile_soft is not None else "nofile_hard"
        allowed = "%d or more, for %d connections in %s" % (
            descriptors_needed(request, target),
            target,
            number_of(request.processes, "process", "es"),
        )
        remedy = "Raise it, or leave tune_nofile_soft and tune_nofile_hard to the plan."
        return Refusal("tune_" + variable, getattr(explicit, variable), allowed, remedy)
    elif constraint.of_memory:
        return _memory_refusal(predicted, request, lowest, target)
    remedy = "%s." % _sentence(lowest["change"])
    key = constraint.key
    if key is not None and key in predicted["keys"] and not is_settable(predicted, key) and "machine" not in remedy:
        remedy += " It cannot be written here: do that from where /proc/sys can be."
    if name == "four_tuples":
        remedy += claimed(predicted)
    return Refusal("tune_target_connections", request.target, allowed, remedy)


def _more_descriptors(predicted: Limits, request: ClientRequest, target: int) -> str:
    """Return what would give processes more descriptors where the plan cannot; nothing where it can."""
    needed = descriptors_needed(request, target)
    inherited, nr_open = inherited_maximum(predicted), nr_open_maximum(predicted, request)
    if inherited is not None and inherited < needed:
        maximum, remedy = inherited, "Start the container with a nofile of %d or more." % needed
        if predicted["host"].get("first_user_namespace") is not False:
            remedy = "Give the container CAP_SYS_RESOURCE, or start it with a nofile of %d or more." % needed
        remedy += " The setting is %s." % container_options.NOFILE_OPTIONS
    elif nr_open is not None and nr_open < needed and NR_OPEN not in request.explicit.sysctl_values:
        machine = scope_of(predicted, NR_OPEN) == MACHINE
        where = "on the machine under this container" if machine else "from where /proc/sys can be written"
        maximum, remedy = nr_open, "Raise fs.nr_open to %d or more %s." % (needed, where)
    else:
        return ""
    each = (maximum - request.app_descriptors) // request.descriptors_per_connection
    if each > 0:
        remedy += " Or let %d processes hold them (tune_processes)." % math.ceil(target / each)
    return remedy


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _memory_refusal(predicted: Limits, request: ClientRequest, lowest: t.Mapping[str, t.Any], target: int) -> Refusal:
    whose, room = "this host", memory_room(predicted, request) or 0
    if lowest["name"] == "cgroup_memory":
        room, path = t.cast(tuple[int, str], cgroup_room(predicted, request))
        whose = "the control group %s" % path
    kind = "kernel memory"
    if request.app_bytes:
        kernel = bytes_of_connection(predicted, request) - request.app_bytes
        kind = "memory (%d bytes each in the kernel, %d in the program)" % (kernel, request.app_bytes)
    remedy = "It needs %s of %s and %s has %s for connections: ask for less, or %s." % (
        size(memory_needed(predicted, request, target)),
        kind,
        whose,
        size(room),
        lowest["change"],
    )
    return Refusal("tune_target_connections", request.target, "at most %d" % lowest["advised"], remedy)
