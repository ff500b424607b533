# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to become of one sysctl key."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.apply.keys_request import KeysRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.config import sysctl_d
from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment, identity, proc_sys
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys, sysctl_table
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, decimal

# The classes of a key, in the words that sysctl_apply documents.
APPLIED = "applied"
ALREADY = "already"
KEPT = "kept"
READ_ONLY = "read_only"
ABSENT = "absent"
MACHINE_WIDE = "machine_wide"
RESTORED = "restored"
FOREIGN = "foreign"
IN_FORCE = "in_force"


class KeyPlan(t.NamedTuple):
    """What is to become of one key.

    wanted: the value asked for; before: the live one, None where the key does not exist
    outcome: its class; target: the value to write now, None where nothing is written
    persist: the value for the drop-in, None where the key has no place in it
    """

    key: str
    kind: str
    wanted: str
    before: t.Optional[str]
    outcome: str
    target: t.Optional[str]
    persist: t.Optional[str]
    why: str = ""


def plan_floor(
    host: Host,
    key: str,
    number: int,
    others: t.Sequence[sysctl_d.Line],
    contained: bool,
    modules_loadable: bool,
    request: KeysRequest,
) -> KeyPlan:
    """Plan a key that is raised and never lowered, neither now nor by the file that the next reboot reads."""
    kernel = sysctl_d.kernel_at_start(host)
    elsewhere = sysctl_d.winner(others, key, kernel)
    # What a boot without our file gives may be more than the live value, which somebody may have lowered for now.
    boot = elsewhere.value if elsewhere else None if contained else _at_start(host, key)
    others_have = (sysctl_keys.number(key, text, kernel) for text in (sysctl_d.live(host, key), boot))
    maximum = max([number] + [other for other in others_have if other is not None])
    plan = plan_key(host, "floor", key, str(maximum), contained, modules_loadable, request, minimum=number)
    if plan.outcome == ALREADY and maximum > number:
        return plan._replace(wanted=str(number), outcome=KEPT)
    return plan._replace(wanted=str(number))


def _at_start(host: Host, key: str) -> t.Optional[str]:
    """Return what PID 1 makes of a key before any sysctl.d is applied, None where it leaves the kernel's value.

    systemd since 240 raises fs.file-max to the maximum, unless it is built without (src/core/main.c,
    bump_file_max_and_nr_open); no distribution is known to do that.
    """
    if key == hard_limits.NR_OPEN:
        return str(hard_limits.nr_open_at_start(host))
    if key != sysctl_table.FILE_MAX or not identity.boots_with_systemd(host):
        return None
    version = re.match(r"[0-9]+", identity.systemd_version(host) or "")
    if version is None or int(version.group()) < 240:
        return None
    _minimum, maximum = sysctl_keys.bounds(sysctl_table.FILE_MAX, sysctl_d.kernel_at_start(host)) or (0, 0)
    return str(maximum)


def plan_key(
    host: Host,
    kind: str,
    key: str,
    wanted: str,
    contained: bool,
    modules_loadable: bool,
    request: KeysRequest,
    minimum: t.Optional[int] = None,
) -> KeyPlan:
    before = sysctl_d.live(host, key)
    plan = KeyPlan(key, kind, wanted, before, ALREADY, None, wanted)
    place = "%s (%s)" % (request.names.of("reserved_ports"), key)
    if kind != "reserved":
        place = request.names.of("%ss[%s]" % (kind, key))
    if before is None:
        return _plan_missing(plan, place, contained, modules_loadable)
    if contained and containment.is_machine_wide(host, key):
        has = decimal(before)
        suffices = has >= minimum if minimum is not None and has is not None else same(key, before, wanted)
        if not suffices:
            raise Refusal(
                place,
                wanted if minimum is None else minimum,
                "%s %s, the value of the machine under this container, which a container must not change"
                % ("exactly" if minimum is None else "at most", before),
                "Ask for that, or set %s on the machine." % key,
            )
        return plan._replace(outcome=MACHINE_WIDE, persist=None, why="belongs to the machine under this container")
    if same(key, before, wanted):
        return plan
    now, then = decimal(before), decimal(wanted)
    if kind == "value" and key == hard_limits.NR_OPEN and now is not None and then is not None and then < now:
        raise Refusal(
            place,
            wanted,
            "%s or more: %s" % (before, _who_needs(host, then)),
            "Move it to %s, which raises and never lowers." % request.names.of("floors"),
        )
    if not proc_sys.is_writable(host, key, proc_sys.mounted(host)):
        return plan._replace(outcome=READ_ONLY, persist=None, why="this host does not let it be written")
    return plan._replace(outcome=APPLIED, target=wanted)


def _plan_missing(plan: KeyPlan, place: str, contained: bool, modules_loadable: bool) -> KeyPlan:
    module = sysctl_table.module_of(plan.key)
    if module and modules_loadable and not contained:
        return plan._replace(outcome=APPLIED, target=plan.wanted, why="with the kernel module %s" % module)
    if plan.kind == "value" and not module and not _is_of_first_namespace(plan.key):
        raise Refusal(
            place,
            plan.wanted,
            "a key that this kernel has under /proc/sys",
            "Correct the spelling, or leave the key out for hosts whose kernel lacks it.",
        )
    return plan._replace(
        outcome=ABSENT,
        persist=None,
        why="needs the kernel module %s" % module if module else "this host has no such key",
    )


def _is_of_first_namespace(key: str) -> bool:
    """Tell whether a key is a real one though it is absent in a container."""
    row = sysctl_table.KEYS.get(key)
    return row is not None and row.namespaces == sysctl_table.FIRST_ONLY


def _who_needs(host: Host, nr_open: int) -> str:
    limits = [offender.limit for offender in hard_limits.limits_above(host, nr_open)]
    if not limits:
        return "the present value is never lowered"
    highest = max(limits, key=lambda limit: max(limit.now, limit.after_boot))
    return "%d limits on this host are higher, the highest is %s" % (len(limits), highest.text)


def same(key: str, value: t.Optional[str], text: t.Optional[str]) -> bool:
    return sysctl_keys.same(key, value, text, sysctl_keys.WIDEST)
