# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every change that tuning a client host takes, in one call: looked at, carried out in the safe order, taken back.

The form of each file is a template of a role, and is rendered on the controller. So there are two calls. The first one
looks: what it returns is enough to render the files, and to tell whether anything is to be done at all. The second
one is given the files, and carries everything out, unless what they were rendered from is no longer so. What it was
asked is remembered (asked.py), so that who reads the host next can look at the same time.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.apply import (
    addresses_change,
    asked,
    drop_in,
    metrics_file,
    owners,
    sysctl_change,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.address_methods import NONLOCAL_BIND
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.addresses_change import AddressesRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.ip_program import Ip
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.keys_request import KeysRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.owners import ADDRESSES, LIMITS, SYSCTL
from ansible_collections.fourtuple.clients.plugins.module_utils.apply.programs import ProgramFailed, Programs
from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    sysctl_d,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import locked
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.host.netlink import NetlinkError
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits, safety_check
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.safety_check import CheckRequest
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

#: In the order in which they are safe; they are taken back in the reverse order.
STEPS = (SYSCTL, LIMITS, ADDRESSES)

Json = t.Dict[str, t.Any]


class TuningRequest(t.NamedTuple):
    """What is asked of a host.

    steps: of STEPS, those that are wanted
    role:  which keeps the host's files
    """

    steps: t.Sequence[str]
    keys: KeysRequest
    limits: CheckRequest
    addresses: AddressesRequest
    role: str

    def in_order(self, reverse: bool = False) -> t.List[str]:
        return [step for step in (reversed(STEPS) if reverse else STEPS) if step in self.steps]


class StepFailed(Exception):
    """A step could not be carried out: says why, and which steps were done before it."""

    def __init__(self, message: str, done: t.Sequence[str], left: t.Sequence[str]) -> None:
        self.done = list(done)
        self.left = list(left)
        super().__init__(message)


class _Found(t.NamedTuple):
    """What a look at the host has come to."""

    results: t.Dict[str, Json]
    warnings: t.List[str]
    change: t.Optional[sysctl_change.KeysChange]

    @property
    def render(self) -> Json:
        """What the templates of the roles take, by the name of the step."""
        keys = self.results.get(SYSCTL) or {"persist": {}, "modules": []}
        addresses = self.results.get(ADDRESSES) or {"persist": {}, "interface": None}
        return {
            SYSCTL: {"persist": keys["persist"], "modules": keys["modules"]},
            LIMITS: (self.results.get(LIMITS) or {"grants": {"domains": {}, "units": {}, "default": None}})["grants"],
            ADDRESSES: {
                "interface": addresses["interface"],
                "persist": {"files": {}, **addresses["persist"], "obsolete": []},
            },
        }

    @property
    def removals(self) -> t.List[str]:
        """The files of ours that the plan has no use for, in the order of removal."""
        wanted = self.wanted
        found = [path for path in self.results.get(SYSCTL, {}).get("own_files", ()) if path not in wanted]
        found += self.results.get(LIMITS, {}).get("removals", ())
        return found + list(self.results.get(ADDRESSES, {}).get("persist", {}).get("obsolete", ()))

    @property
    def wanted(self) -> t.List[str]:
        """The files to be rendered, in the order of writing."""
        render = self.render
        found = [owned.SYSCTL_DROP_IN] if render[SYSCTL]["persist"] else []
        found += [owned.MODULES_LOAD] if render[SYSCTL]["modules"] else []
        grants = render[LIMITS]
        found += [owned.LIMITS_DROP_IN] if grants["domains"] else []
        found += [owned.unit_drop_in(unit) for unit, grant in grants["units"].items() if grant]
        found += [owned.MANAGER_DROP_IN] if grants["default"] else []
        # What another names comes before it.
        return found + list(render[ADDRESSES]["persist"]["files"].values())


def look(host: Host, request: TuningRequest, programs: Programs) -> Json:
    """Return what carry_out() would do on this host, and what the files are to be rendered from. Changes nothing.

    raises: Refusal, ValueError, OSError, ProgramFailed, NetlinkError
    """
    return _told(host, _look(host, request, programs, modules_loadable=True), programs)


def _look(host: Host, request: TuningRequest, programs: Programs, modules_loadable: bool, ask: bool = True) -> _Found:
    _refuse_other_users(host)
    _refuse_missing_interface(host, request.addresses)
    found = _Found({}, [], None)
    nr_open: t.Optional[str] = None
    addresses = request.addresses
    for step in request.in_order():
        if step == SYSCTL:
            owners.refuse_other(host, SYSCTL, request.role)
            change = sysctl_change.plan_present(host, request.keys, modules_loadable)
            result = sysctl_change.result(host, change, change.keys)
            found = found._replace(change=change)
            found.warnings.extend(sysctl_change.warnings(change, result))
            nr_open = result["keys"].get(hard_limits.NR_OPEN, {}).get("after") or sysctl_d.live(
                host, hard_limits.NR_OPEN
            )
            nonlocal_bind = result["keys"].get(NONLOCAL_BIND, {}).get("after")
            addresses = addresses._replace(nonlocal_bind=nonlocal_bind)
        elif step == LIMITS:
            owners.refuse_other(host, LIMITS, request.role)
            # The nr_open that the limits will meet: what the step before makes of it, or in a container the machine's.
            result = _checked(host, request.limits._replace(nr_open=nr_open))
            found.warnings.extend(safety_check.warnings(result))
        elif not _has_addresses(host, request):
            continue
        else:
            owners.refuse_other(host, ADDRESSES, request.role)
            plan = addresses_change.make_plan(host, addresses, Ip(programs), ask)
            result = addresses_change.result(host, plan)
            found.warnings.extend(addresses_change.warnings(plan, result))
        found.results[step] = result
    return found


def _refuse_other_users(host: Host) -> None:
    if host.uid != 0:
        remedy = "Run with --become, or connect as root."
        raise Refusal("the user on the host", "uid %d" % host.uid, "root, who may change its settings", remedy)


def _refuse_missing_interface(host: Host, request: AddressesRequest) -> None:
    """Refuse a name that is wrong even where no address is needed yet."""
    known = host.names("/sys/class/net")
    if request.interface and known and request.interface not in known:
        allowed, remedy = "an interface of this host: %s" % ", ".join(known), "Correct the name, or do not set it."
        raise Refusal(request.names.of("interface"), request.interface, allowed, remedy)


def _checked(host: Host, request: CheckRequest) -> Json:
    result, message = safety_check.report(host, request)
    if not result["ok"]:
        raise ValueError(message)
    return result


def _has_addresses(host: Host, request: TuningRequest) -> bool:
    """Tell whether addresses are asked for, or there are some of ours to be taken away: not those of another role."""
    if request.addresses.entries:
        return True
    keeper = owners.owner(host, ADDRESSES)
    return addresses_change.has_any(host) and (keeper is None or keeper[0] == request.role)


def _told(host: Host, found: _Found, programs: Programs) -> Json:
    """Return what a look has come to, for the controller."""
    wanted, removals = found.wanted, found.removals
    present = {path: host.read(path) for path in [*wanted, *removals]}
    return {
        "parts": found.results,
        "render": found.render,
        "files": wanted,
        "removals": removals,
        "present": {path: text for path, text in present.items() if text is not None},
        # A file whose text is right may still be one that nobody can run.
        "unusable": [
            path for path in wanted if drop_in.is_due(host, drop_in.FileChange(path, present[path], present[path]))
        ],
        "unwritable": _unwritable(host, [*wanted, *removals, *map(owned.state_path, (SYSCTL, ADDRESSES))]),
        "live": any(result.get("changed") for result in found.results.values()),
        "reload": _is_behind(found.results.get(LIMITS, {}), programs),
        "restart_needed": found.results.get(LIMITS, {}).get("restart_needed", []),
        "systemd_running": found.results.get(LIMITS, {}).get("systemd_running", False),
        "warnings": found.warnings,
    }


def _unwritable(host: Host, paths: t.Iterable[str]) -> t.Dict[str, str]:
    """Return the directory of each of ``paths`` that cannot be changed, as on a file system that is read-only."""
    found = {}
    for path in paths:
        directory = os.path.dirname(path)
        while not host.exists(directory):
            directory = os.path.dirname(directory)
        if not os.access(host.place(directory), os.W_OK):
            found[path] = directory
    return found


def _is_behind(limits: t.Mapping[str, t.Any], programs: Programs) -> bool:
    """Tell whether systemd has still to read files that an interrupted run wrote."""
    units = limits.get("restart_needed")
    systemctl = programs.find("systemctl")
    if not units or not limits["systemd_running"] or systemctl is None:
        return False
    _status, output, _errors = programs.run([systemctl, "show", "--property=NeedDaemonReload", *units], None)
    return "NeedDaemonReload=yes" in output.splitlines()


def carry_out(
    request: TuningRequest, files: t.Mapping[str, str], render: Json, options: Json, programs: Programs
) -> Json:
    """Carry everything out, in the safe order, while no other run of the collection changes the host.

    files:   the texts of the files
    render:  what they were rendered from. Where that is no longer so, as a kernel module could not be loaded or another
             run has come in between, nothing is changed, and ``stale`` is true of what is returned.
    options: the request as it was written, to be remembered

    raises: StepFailed, and what look() raises
    """
    warnings: t.List[str] = []
    if SYSCTL in request.steps:
        warnings += sysctl_change.load_modules(Host(), request.keys, programs)
    with locked("/"):
        host = Host()
        found = _look(host, request, programs, modules_loadable=False, ask=False)
        told = dict(_told(host, found, programs), stale=found.render != render, warnings=warnings + found.warnings)
        if told["stale"]:
            return told
        asked.remember(host, options)
        changed = _Changed(programs)
        steps = request.in_order()
        for step in steps:
            with _named(step, steps):
                _carry_out(step, request, found, files, programs, changed)
        # With what the steps have added to the warnings.
        told["warnings"] = warnings + found.warnings
        return dict(told, changed_files=changed.paths, reload=told["reload"] or changed.of_systemd)


class _Changed:
    """Writes and removes files, and remembers which."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self.paths: t.List[str] = []

    def write(self, path: str, text: t.Optional[str]) -> None:
        host = Host()
        change = drop_in.plan(host, path, text)
        if drop_in.is_due(host, change):
            drop_in.write(host, change, self._programs)
            self.paths.append(path)

    @property
    def of_systemd(self) -> bool:
        return any(path in owned.MANAGER_DROP_INS or owned.unit_of(path) is not None for path in self.paths)


@contextlib.contextmanager
def _named(step: str, steps: t.Sequence[str]) -> t.Iterator[None]:
    """Have whatever stops a step say which steps were done before it, and which were not."""
    place = steps.index(step)
    try:
        yield
    except OSError as error:
        raise StepFailed("%s: %s" % (error.filename, error.strerror), steps[:place], steps[place:]) from error
    except (Refusal, ValueError, NetlinkError, ProgramFailed, sysctl_change.WriteFailed) as error:
        raise StepFailed(str(error), steps[:place], steps[place:]) from error


def _carry_out(
    step: str, request: TuningRequest, found: _Found, files: t.Mapping[str, str], programs: Programs, changed: _Changed
) -> None:
    if step == SYSCTL and found.change is not None:
        # Live first: a key that the kernel refuses stops the run before the file that would repeat it at every boot.
        sysctl_change.carry_out(Host(), found.change)
    elif step == LIMITS:
        # Once more, now that nr_open is what it is: nothing is written unless every hard limit fits it.
        _checked(Host(), request.limits)
    elif step == ADDRESSES and ADDRESSES in found.results:
        found.warnings.extend(_change_addresses(request.addresses, request.role, programs))
    for path in found.wanted:
        if _step_of(path) == step:
            changed.write(path, files[path])
    for path in found.removals:
        if _step_of(path) == step:
            changed.write(path, None)


def _step_of(path: str) -> str:
    if path in (owned.SYSCTL_DROP_IN, owned.MODULES_LOAD):
        return SYSCTL
    limits = path in (owned.LIMITS_DROP_IN, *owned.MANAGER_DROP_INS) or owned.unit_of(path) is not None
    return LIMITS if limits else ADDRESSES


def _change_addresses(request: AddressesRequest, role: str, programs: Programs) -> t.List[str]:
    host = Host()
    ip = Ip(programs)
    plan = addresses_change.make_plan(host, request, ip, ask=False)
    try:
        return addresses_change.carry_out(host, role, plan, ip, programs)
    except ProgramFailed as error:
        message, _done = addresses_change.undone(plan, ip, error)
        raise ProgramFailed(message) from error


def take_back(request: TuningRequest, programs: Programs, check_mode: bool) -> Json:
    """Take everything back, limits before the nr_open that they need; what another role keeps is left to it.

    raises: StepFailed, and what look() raises
    """
    with contextlib.nullcontext() if check_mode else locked("/"):
        host = Host()
        _refuse_other_users(host)
        # With a part alone, the report goes on.
        metrics = metrics_file.plan_back(host) if set(request.steps) == set(STEPS) else None
        kept = [(part, owners.owner(host, part)) for part in request.in_order()]
        left = [part for part, keeper in kept if keeper is not None and keeper[0] != request.role]
        request = request._replace(steps=[step for step in request.steps if step not in left])
        steps = request.in_order(reverse=True)
        found, plan = _look_back(host, request, programs)
        before = {path: host.read(path) or "" for path in found.removals}
        before.update(metrics.removals if metrics else {})
        changed = _Changed(programs)
        for step in [] if check_mode else steps:
            with _named(step, steps):
                _take_back(step, request.role, found, plan, programs, changed)
        if not check_mode:
            asked.forget(host)
            if metrics:
                metrics_file.carry_out(host, metrics)
        live = [found.results[step]["diff"] for step in steps if found.results[step].get("changed")]
        limits = found.results.get(LIMITS, {})
        return {
            "changed": bool(
                live or (metrics and metrics.removals) or (found.removals if check_mode else changed.paths)
            ),
            "parts": found.results,
            "diff": live + [_gone(path, text) for path, text in before.items()],
            "reload": changed.of_systemd or _is_behind(limits, programs),
            "restart_needed": limits.get("restart_needed", []),
            "systemd_running": limits.get("systemd_running", False),
            "warnings": [
                "role %s keeps the %s of this host, so they were left as they are; %s_state: absent takes them back"
                % (part, part if part != SYSCTL else "sysctl keys", part)
                for part in left
            ],
        }


def _gone(path: str, text: str) -> Json:
    return {"before": text, "after": "", "before_header": path, "after_header": path}


def _look_back(
    host: Host, request: TuningRequest, programs: Programs
) -> t.Tuple[_Found, t.Optional[addresses_change.Plan]]:
    """Look at what there is to take back; whatever is refused is refused here, before the first change."""
    results: t.Dict[str, Json] = {}
    plan = None
    planned: t.Mapping[str, t.Optional[str]] = {}
    if LIMITS in request.steps:
        absent = CheckRequest(
            state=safety_check.ABSENT,
            units=request.limits.units,
            systemd_default=request.limits.systemd_default,
            names=request.limits.names,
        )
        results[LIMITS] = _checked(host, absent)
        planned = dict.fromkeys(results[LIMITS]["removals"])
    if SYSCTL in request.steps:
        then = host.planning(planned)
        change = sysctl_change.plan_absent(then)
        results[SYSCTL] = sysctl_change.result(then, change, change.keys)
    if ADDRESSES in request.steps:
        results[ADDRESSES] = {"changed": False, "interface": None, "persist": {"files": {}}}
        if addresses_change.has_any(host):
            plan = addresses_change.make_plan(host, AddressesRequest(), Ip(programs))
            results[ADDRESSES] = addresses_change.result(host, plan)
    return _Found(results, [], None), plan


def _take_back(
    step: str,
    role: str,
    found: _Found,
    plan: t.Optional[addresses_change.Plan],
    programs: Programs,
    changed: _Changed,
) -> None:
    if step == SYSCTL:
        # Planned once more, now that the limits are gone: which of them a running process still has may differ.
        sysctl_change.carry_out(Host(), sysctl_change.plan_absent(Host()))
    elif step == ADDRESSES and plan is not None:
        _change_addresses(AddressesRequest(), role, programs)
    for path in found.removals:
        if _step_of(path) == step:
            changed.write(path, None)
