# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nofile that a plan grants, and how high it can be."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import (
    capabilities,
    container_options,
    sysctl_keys,
    sysctl_table,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, whole_number
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import (
    MACHINE,
    Limits,
    is_settable,
    scope_of,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.descriptors import descriptors_needed
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.settings import Settings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest

#: The kernel's own fs.nr_open (include/uapi/linux/fs.h, NR_OPEN is 1024 * 1024), at least what any distribution
#: grants: with less, logins would lose what systemd gives them (DefaultLimitNOFILE=1024:524288).
_USUAL_NOFILE = 1048576

#: Room in descriptors, and the step of the soft limit. Processes do not share connections out evenly: each has a
#: quarter more.
_NOFILE_ROOM = 1024
_UNEVEN = 4


def limits_settings(limits: Limits, request: ClientRequest, planned_for: int, possible: int) -> Settings:
    """Return the hard limit that everybody may have, and the soft one that the request needs.

    Only the hard one is for programs that nobody has asked about. Whoever walks all descriptors up to the soft limit
    pays for each (docs/safe-order.md); whoever needs more of them raises it himself. nofile_check leaves a higher soft
    limit that others grant.

    possible: the connections that the soft limit is to allow, ``planned_for`` or what the four-tuples allow
    """
    explicit = request.explicit
    _minimum, maximum = sysctl_keys.bounds_of_nr_open(_kernel(limits))
    bounds = [
        bound for bound in (maximum, nr_open_maximum(limits, request), inherited_maximum(limits)) if bound is not None
    ]
    needed = descriptors_needed(request, planned_for)
    hard = min([max(_USUAL_NOFILE, needed + _NOFILE_ROOM), *bounds])
    if explicit.nofile_hard is not None:
        remedy = "Write a number, never unlimited."
        hard = whole_number("tune_nofile_hard", explicit.nofile_hard, 1, maximum, remedy)
        _refuse_above_machine(limits, hard)
        _refuse_above_inherited(limits, hard)
    soft = min(_with_room(request, descriptors_needed(request, possible)), hard)
    if explicit.nofile_soft is not None:
        soft = whole_number("tune_nofile_soft", explicit.nofile_soft, 1, maximum, "Write a number.")
    domains = explicit.domains
    if domains is None:
        domains = request.users or ["*", "root"]
    return {
        "nofile_soft": soft,
        "nofile_hard": hard,
        "domains": list(domains),
        "units": list(request.units),
    }


def _with_room(request: ClientRequest, needed: int) -> int:
    """Return the soft limit of a process that needs so many descriptors, a whole number of steps."""
    room = max(_NOFILE_ROOM, needed // _UNEVEN) if request.processes > 1 else _NOFILE_ROOM
    return _NOFILE_ROOM * math.ceil((needed + room) / _NOFILE_ROOM)


def nr_open_maximum(limits: Limits, request: ClientRequest) -> int | None:
    """Return the fs.nr_open that no plan exceeds: one that cannot be set here, or the one that the operator set."""
    if not is_settable(limits, sysctl_table.NR_OPEN):
        return t.cast(int | None, limits["nofile"]["nr_open"]["now"])
    value = request.explicit.sysctl_values.get(sysctl_table.NR_OPEN)
    minimum, maximum = sysctl_keys.bounds_of_nr_open(_kernel(limits))
    if value is None:
        return None
    return whole_number("tune_sysctl_values[fs.nr_open]", value, minimum, maximum, "Write a number.")


def _kernel(limits: Limits) -> sysctl_keys.Kernel:
    return sysctl_keys.Kernel(sysctl_keys.word_size(limits["host"].get("machine")))


def _refuse_above_machine(limits: Limits, hard: int) -> None:
    present = limits["nofile"]["nr_open"]["now"]
    if is_settable(limits, sysctl_table.NR_OPEN) or present is None or hard <= present:
        return
    allowed = "at most %d, the fs.nr_open of this host, which cannot be written here" % present
    remedy = "Ask for that, or set fs.nr_open to %d or more from where it can be written." % hard
    if scope_of(limits, sysctl_table.NR_OPEN) == MACHINE:
        whose = "the fs.nr_open of the machine under this container, which a container must not change"
        allowed = "at most %d, %s" % (present, whose)
        remedy = "Ask for that, or set fs.nr_open to %d or more on the machine." % hard
    raise Refusal("tune_nofile_hard", hard, allowed, remedy)


def _refuse_above_inherited(limits: Limits, hard: int) -> None:
    maximum = inherited_maximum(limits)
    if maximum is not None and hard > maximum:
        allowed = "at most %d, the hard limit of PID 1, which root may not raise here" % maximum
        remedy = "Ask for that, or %s." % container_options.start_with_nofile(hard)
        raise Refusal("tune_nofile_hard", hard, allowed, remedy)


def inherited_maximum(limits: Limits) -> int | None:
    """Return the hard limit above which nobody on the host can go, PID 1's; None where root can raise it.

    An unprivileged reader's capabilities say nothing of root's; nor do those of a session on a machine, whose PID 1 has
    them all.
    """
    host = limits["host"]
    of_root = host["capabilities"] if host["uid"] == 0 and host["container"] else None
    if capabilities.may_raise(of_root, host.get("first_user_namespace")):
        return None
    first = limits["nofile"].get("inherited")
    if first is not None:
        return int(first["hard"])
    # A snapshot from before that was told.
    known = [one["now"]["hard"] for one in limits["nofile"]["subjects"] if one.get("now")]
    return min(known, default=None) if host["container"] else None
