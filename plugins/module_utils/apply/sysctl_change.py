# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a change of sysctl keys, carry it out, and take it back.

Planning reads and may refuse; only carrying out writes. So whatever is refused is refused before
the first change, and check mode is planning without the rest.
"""

from __future__ import annotations

import errno
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import keys_request, originals
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.key_plan import (
    ABSENT,
    READ_ONLY,
    KeyPlan,
    plan_floor,
    plan_key,
    same,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.keys_request import KeysRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.programs import Programs
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.reserved_ports import plan_reserved
from ansible_collections.fourtuple.clients.plugins.module_utils.config import other_writers, sysctl_d
from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import unfinished
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned, sysctl_keys, sysctl_table
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import RESERVED_PORTS


class KeysChange(t.NamedTuple):
    """A planned change: ``keys`` in the order of writing, and what only a person can judge.

    listeners: the ports to be reserved for nothing but that somebody waits on them, or did, the first one first
    """

    keys: t.List[KeyPlan]
    modules: t.List[str]
    overridden: t.List[t.Dict[str, t.Any]]
    refused: t.List[sysctl_d.RefusedLine]
    warnings: t.List[str]
    listeners: t.Sequence[int] = ()


def plan_present(host: Host, request: KeysRequest, modules_loadable: bool = True) -> KeysChange:
    """Return the change that makes the host meet ``request``; refuse what cannot be.

    modules_loadable: whether a missing kernel module may still be loaded before the change
    """
    _refuse_foreign_files(host)
    kernel = sysctl_d.kernel_now(host)
    floors, values = keys_request.read(request, kernel)
    warnings = keys_request.check_port_range(host, request, values)
    reserved = plan_reserved(host, request, values)

    others = other_writers.at_boot(host.planning(sysctl_d.drop_in({})))
    contained = containment.in_container(host)
    keys: t.List[KeyPlan] = []
    # The listeners are reserved before the range is widened over them.
    if reserved.text:
        plan = plan_key(host, "reserved", RESERVED_PORTS, reserved.text, contained, modules_loadable, request)
        keys.append(plan._replace(why=plan.why or reserved.why))
    for key, number in floors.items():
        keys.append(plan_floor(host, key, number, others, contained, modules_loadable, request))
    for key, text in values.items():
        keys.append(plan_key(host, "value", key, text, contained, modules_loadable, request))

    asked = {plan.key for plan in keys}
    dropped = [plan for plan in originals.plan_undo(host) if plan.key not in asked]
    persisted = {plan.key: plan.persist for plan in keys if plan.persist is not None}
    _refuse_limits_above_next_boot(host, persisted)
    modules = sorted({module for module in map(sysctl_table.module_of, persisted) if module})
    then = host.planning(sysctl_d.drop_in(persisted))
    refused = sysctl_d.refused_lines(then, persisted)
    return KeysChange(keys + dropped, modules, _overridden(then, persisted), refused, warnings, reserved.listeners)


def plan_absent(host: Host) -> KeysChange:
    """Return the change that puts back what was there before the first run."""
    _refuse_foreign_files(host)
    _refuse_limits_above_next_boot(host, {})
    return KeysChange(originals.plan_undo(host), [], [], [], [])


def _refuse_foreign_files(host: Host) -> None:
    for path in (owned.SYSCTL_DROP_IN, owned.MODULES_LOAD):
        owned.refuse_foreign(path, host.read(path))


def _refuse_limits_above_next_boot(host: Host, persisted: t.Mapping[str, str]) -> None:
    """Refuse to take an nr_open from our drop-in that a configured limit will need after the next reboot."""
    planned = hard_limits.nr_open_after_boot(host.planning(sysctl_d.drop_in(persisted)))
    if planned.value >= hard_limits.nr_open_after_boot(host).value:
        return
    above = hard_limits.limits_above(host, planned.value, live=False)
    if above:
        highest = max(above, key=lambda offender: offender.limit.after_boot)
        limit = highest.limit
        if limit.source in hard_limits.own_files(host):
            remedy = "Take our limits back first (limits_state: absent), then the sysctls."
        else:
            where = planned.place if planned.line else "a file of your own in /etc/sysctl.d"
            remedy = "Set fs.nr_open in %s to at least %d, or lower that limit; then run again." % (
                where,
                limit.after_boot,
            )
        raise highest.refusal(remedy, planned.place)


def carry_out(host: Host, change: KeysChange) -> t.List[KeyPlan]:
    """Write what ``change`` plans and return the keys with the values that were read back.

    Originals are recorded before the first write. A value that does not read back as written stops
    everything that follows; the error says how far it came.
    """
    originals.record(host, change.keys, change.listeners)
    done: t.List[KeyPlan] = []
    for plan in change.keys:
        if plan.target is not None:
            try:
                _write(host, plan.key, plan.target)
                found = sysctl_d.live(host.again(), plan.key)
                if not same(plan.key, found, plan.target):
                    raise OSError(errno.EIO, "it reads back as %r" % found)
            except OSError as error:
                raise WriteFailed(plan, error, done, change.keys[len(done) + 1 :]) from error
        done.append(plan)
    originals.forget(host, change.keys)
    return done


class WriteFailed(Exception):
    """A key could not be written: says which, why, what was written before it and what was not."""

    def __init__(self, plan: KeyPlan, error: OSError, done: t.List[KeyPlan], left: t.List[KeyPlan]) -> None:
        self.done = done
        super().__init__(
            "%s could not be set to %r: %s. Written before it: %s. Not attempted: %s. Originals are recorded; "
            "run again to go on, or with state absent to go back."
            % (plan.key, plan.target, error.strerror, _names(done), _names(left))
        )


def _names(plans: t.Iterable[KeyPlan]) -> str:
    return ", ".join(plan.key for plan in plans if plan.target is not None) or "nothing"


def planned_files(keys: t.Iterable[KeyPlan]) -> t.Dict[str, t.Optional[str]]:
    """Return the live keys and our drop-in as they will be, for Host.planning."""
    keys = list(keys)
    live = {sysctl_keys.proc_path(key.key): key.target + "\n" for key in keys if key.target is not None}
    return {**live, **sysctl_d.drop_in({key.key: key.persist for key in keys if key.persist is not None})}


def load_modules(host: Host, request: KeysRequest, programs: Programs) -> t.List[str]:
    """Load the kernel modules of the keys asked for that are not there yet; return the warnings.

    A kernel without the module leaves the key absent, and it is reported so. A container loads none.
    """
    keys = [sysctl_keys.normalize(str(name).strip()) for name in (*request.floors, *request.values)]
    missing = {sysctl_table.module_of(key) for key in keys if sysctl_d.live(host, key) is None} - {None}
    if not missing or containment.in_container(host):
        return []
    modprobe = programs.find("modprobe")
    found = []
    for name in sorted(filter(None, missing)):
        if modprobe is None:
            found.append("modprobe is not installed, so the kernel module %s was not loaded" % name)
            continue
        status, _output, errors = programs.run([modprobe, name], None)
        if status:
            found.append("the kernel module %s could not be loaded: %s" % (name, errors.strip()))
    return found


def result(host: Host, change: KeysChange, keys: t.Sequence[KeyPlan]) -> t.Dict[str, t.Any]:
    """Return what sysctl_apply returns of a change whose keys are as planned, or as they were read back."""
    written = [key for key in keys if key.target is not None]
    return {
        "changed": bool(written),
        "keys": {
            key.key: {
                "class": key.outcome,
                "wanted": key.wanted,
                "before": key.before,
                "after": key.before if key.target is None else key.target,
                "why": key.why,
            }
            for key in keys
        },
        "persist": {key.key: key.persist for key in keys if key.persist is not None},
        "planned_files": {**host.planned, **planned_files(keys)},
        "modules": change.modules,
        "own_files": own_files(host.again()),
        "unmet": [key.key for key in keys if key.outcome in (READ_ONLY, ABSENT)],
        "overridden": change.overridden,
        "refused": [line.as_dict() for line in change.refused],
        "diff": {
            "before": "".join("%s = %s\n" % (key.key, key.before) for key in written),
            "after": "".join("%s = %s%s\n" % (key.key, key.target, key.why and "  # " + key.why) for key in written),
            "before_header": "sysctl, live",
            "after_header": "sysctl, live",
        },
    }


def warnings(change: KeysChange, outcome: t.Mapping[str, t.Any]) -> t.List[str]:
    """Return what only a person can judge; ``outcome``: what result() returned of the change."""
    found = list(change.warnings)
    for line in change.overridden:
        remedy = "remove that line"
        if sysctl_d.is_sorted(line["source"]):
            remedy += " or rename the file to sort before ours"
        found.append(
            "%(source)s:%(line)s sets %(key)s = %(value)s at the next reboot and beats our %(ours)s; " % line + remedy
        )
    found += ["%(file)s sets %(key)s = %(value)s, which sets nothing: %(why)s" % line for line in outcome["refused"]]
    for name in outcome["unmet"]:
        key = outcome["keys"][name]
        found.append("%s is not set to %s: %s" % (name, key["wanted"], key["why"]))
    return found


def own_files(host: Host) -> t.List[str]:
    """Return which of our files the host has, or the rest of one that a killed run left; in the order of removal."""
    return [
        path
        for path in (owned.SYSCTL_DROP_IN, owned.MODULES_LOAD)
        if host.exists(path) or host.exists(unfinished(path))
    ]


def _overridden(then: Host, persisted: t.Mapping[str, str]) -> t.List[t.Dict[str, t.Any]]:
    """Name every foreign line that will beat one of ours at the next reboot.

    then: the host with our drop-in as it will be
    """
    kernel = sysctl_d.kernel_at_start(then)
    return [
        {"key": key, "source": won.path, "line": won.line, "value": won.value, "ours": persisted[key]}
        for key, won in other_writers.foreign_winners(then, persisted).items()
        if not sysctl_keys.same(key, won.value, persisted[key], kernel)
    ]


def _write(host: Host, key: str, value: str) -> None:
    # An empty write changes nothing and a newline clears the list, so every write ends in one.
    with open(host.place(sysctl_keys.proc_path(key)), "w", encoding="ascii") as stream:
        stream.write(value + "\n")
