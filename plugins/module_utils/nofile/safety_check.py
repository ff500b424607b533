# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole answer of nofile_check: a request against a host, with the reasons in words."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    container_engines,
    other_writers,
    pam_limits,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment, name_service
from ansible_collections.fourtuple.clients.plugins.module_utils.host.reading import Reading
from ansible_collections.fourtuple.clients.plugins.module_utils.host.tree import HostTree
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import (
    effective,
    grants,
    hard_limits,
    session_ways,
    shortfalls,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values import container_options, owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, whole_number


class Request(t.NamedTuple):
    """The options of nofile_check, the planned values as a person wrote them."""

    nofile_hard: object = None
    nofile_soft: object = None
    nr_open: object = None
    root: str = "/"
    domains: t.Sequence[str] = ("*", "root")
    units: t.Sequence[str] = ()
    systemd_default: bool = False
    own_absent: bool = False
    users: t.Sequence[str] = ()
    needed: t.Optional[int] = None
    variable_prefix: str = ""
    ways: t.Sequence[str] = (session_ways.SSH,)


class Planned(t.NamedTuple):
    """The planned values, read and found to be numbers."""

    hard: t.Optional[int]
    soft: t.Optional[int]
    nr_open: t.Optional[int]


def report(request: Request) -> t.Tuple[t.Dict[str, t.Any], str]:
    """Return what nofile_check returns, and the message for a host that is not safe."""
    planned = read_planned(request)
    live = os.path.realpath(request.root) == "/"
    return check(request, planned, live, name_service.accounts(request.users) if live else {})


def read_planned(request: Request) -> Planned:
    """Return the planned values as numbers; refuse what is none, or cannot be."""
    where = request.variable_prefix
    least, most = hard_limits.nr_open_bounds(request.root)
    lowest_of = {"nofile_hard": 1, "nofile_soft": 1, "nr_open": least}
    numbers: t.Dict[str, t.Optional[int]] = {}
    for name, lowest in lowest_of.items():
        value = getattr(request, name)
        # None as a variable passes it on: a template of a null may come as an empty text.
        numbers[name] = (
            None
            if value is None or value == ""
            else whole_number(
                where + name,
                value,
                lowest,
                most,
                "Write a number that the kernel takes: pam_limits and systemd each make something else of unlimited.",
            )
        )
    hard, soft = numbers["nofile_hard"], numbers["nofile_soft"]
    if hard is not None and soft is not None and soft > hard:
        raise Refusal(
            where + "nofile_soft",
            soft,
            "at most %snofile_hard, %d" % (where, hard),
            "Lower it, or raise %snofile_hard." % where,
        )
    if request.own_absent and (hard is not None or soft is not None):
        raise Refusal(
            where + "own_absent", True, "false while limits are planned", "Leave out the planned limits, or this."
        )
    return Planned(hard, soft, numbers["nr_open"])


def check(
    request: Request, planned: Planned, live: bool, accounts: t.Optional[t.Mapping[str, t.Any]] = None
) -> t.Tuple[t.Dict[str, t.Any], str]:
    """Return what nofile_check returns, and the message.

    live:     false for a root that is not running
    accounts: of the users, where they are known; otherwise /etc/passwd is read
    """
    root = request.root
    tree = HostTree(root)
    own = hard_limits.own_files(tree)
    container = containment.in_container(root)
    now = hard_limits.nr_open_now(root) if live else None
    boot = _after_boot(root, planned, container and live)
    plan = grants.Plan({}, {}, None)
    asked = planned.hard is not None or planned.soft is not None
    if asked:
        plan = grants.make_plan(
            tree,
            planned.soft,
            planned.hard,
            request.domains,
            request.units,
            request.systemd_default,
            request.variable_prefix,
            _inherited(tree, live),
        )
    then = grants.planned(tree, plan) if asked else grants.without_own(tree) if request.own_absent else tree
    # A unit that loses its drop-in has other limits than before, too.
    units = sorted(set(request.units) | set(grants.units_of(own)))
    limits = hard_limits.hard_limits(then, live)
    # A container cannot have its plan for nr_open carried out.
    now_planned = now if now is None or planned.nr_open is None or container else planned.nr_open
    host = effective.Planned(then, now_planned, boot.value)
    inherited = None
    if hard_limits.highest(root) is not None:
        inherited = effective.Subjects(Reading(root), {}, host).inherited(plan.asked_for())
    found = hard_limits.offenders(limits, now_planned, boot.value, inherited)
    if request.own_absent:
        before = hard_limits.offenders(hard_limits.hard_limits(tree, live), now_planned, boot.value, inherited)
        found = [offender for offender in found if offender not in before]
    offenders = _blamed([offender.as_dict() for offender in found], request, planned, plan)
    known = [owned.unit_drop_in(unit) for unit in request.units]
    known += [owned.MANAGER_DROP_IN] if request.systemd_default else []
    removals = [path for path in own + hard_limits.left_over(tree, known) if path not in plan.files()]
    short: t.List[shortfalls.Shortfall] = []
    if request.needed is not None:
        ways = session_ways.check(request.variable_prefix + "ways", request.ways)
        subjects = effective.Subjects(Reading(root), accounts or {}, host, ways)
        short = shortfalls.shortfalls(subjects, request.users, request.units, request.needed, request.variable_prefix)
    result: t.Dict[str, t.Any] = {
        "ok": not offenders and not short,
        "offenders": offenders,
        "shortfalls": [dict(one._asdict(), needed=request.needed) for one in short],
        "nr_open_now": now,
        "nr_open_after_boot": boot.value,
        "nr_open_source": boot.place,
        "nofile_hard_max": max((max(limit.now, limit.after_boot) for limit in limits), default=0),
        "container": container,
        "grants": plan.as_dict(),
        "overridden": grants.overridden(then, plan) if asked else [],
        "own_files": own,
        "planned_files": sorted(plan.files()),
        "removals": removals if asked or request.own_absent else [],
        "restart_needed": grants.restart_needed(then, units) if live else [],
        "systemd_running": live and os.path.isdir("/run/systemd/system"),
    }
    if offenders or request.needed is None:
        return result, _message(result, _WayOut(planned, boot, root), _consequences(tree, result), inherited)
    return result, "\n".join(one.text(request.needed, request.variable_prefix) for one in short)


def _inherited(tree: HostTree, live: bool) -> t.Tuple[int, int]:
    """Return what a session has without limits.conf, and without us."""
    root = tree.root
    now = hard_limits.nr_open_now(root) if live else None
    host = effective.Planned(grants.without_own(tree), now, hard_limits.nr_open_after_boot(root).value)
    return effective.Subjects(Reading(root), {}, host).without_limits_conf().pair or (0, 0)


def _after_boot(root: str, planned: Planned, machines: bool) -> hard_limits.Ceiling:
    if planned.nr_open is None or machines:
        return hard_limits.nr_open_after_boot(root)
    return hard_limits.nr_open_after_boot(root, {hard_limits.NR_OPEN: str(planned.nr_open)})


def _blamed(
    offenders: t.List[t.Dict[str, t.Any]], request: Request, planned: Planned, plan: grants.Plan
) -> t.List[t.Dict[str, t.Any]]:
    """Name the cause of an offender in a file that is only planned: the variable, or the line copied from."""
    files = plan.files()
    found: t.List[t.Dict[str, t.Any]] = []
    for original in offenders:
        offender = dict(original)
        if offender["source"] in files:
            grant: t.Optional[grants.Grant]
            if offender["source"] == owned.LIMITS_DROP_IN:
                grant = plan.domains.get(offender["domain"])
            else:
                grant = plan.units.get(offender.get("unit", ""), plan.default)
            if grant is not None and grant.hard_path is not None and offender["value"] != planned.hard:
                offender.update(source=grant.hard_path, line=grant.hard_line)
            elif offender["value"] == planned.hard:
                offender.update(source=request.variable_prefix + "nofile_hard", line=0)
        if offender not in found:
            found.append(offender)
    return found


def _consequences(tree: HostTree, result: t.Mapping[str, t.Any]) -> t.List[str]:
    """Return what the host does with such limits: its build of pam_limits, and its systemd at the next boot."""
    found = []
    offenders = result["offenders"]
    if any("domain" in offender for offender in offenders):
        found.append(
            "pam_limits of this host refuses a session that is to get such a limit, root's too."
            if pam_limits.behaviour(tree).refuses_session
            else "pam_limits of this host logs such a limit, and leaves the session with what it inherits."
        )
    # setrlimit_closest falls back to PID 1's own limits, which are the nr_open at its start; where that changes
    # nothing, as with infinity, the unit keeps them. Anything less is asked for, and refused.
    most = hard_limits.nr_open_at_start(tree.root)
    refused = [
        offender
        for offender in offenders
        if "unit" in offender
        and not container_engines.is_asked_by_one(offender["unit"])
        and offender["when"] == hard_limits.AFTER_BOOT
        and isinstance(offender["value"], int)
        and offender["value"] < most
    ]
    if refused and not result["container"]:
        found.append("After the next boot systemd does not start such a unit (205/LIMITS).")
    if any(container_engines.is_asked_by_one(offender.get("unit", "")) for offender in offenders):
        found.append("A container that is to have such a limit does not start.")
    return found


def _message(
    result: t.Mapping[str, t.Any],
    way_out: _WayOut,
    consequences: t.List[str],
    inherited: t.Optional[hard_limits.Inherited],
) -> str:
    """Return every offender in one line each, between what holds and what that leads to, with the way out."""
    offenders = result["offenders"]
    if not offenders:
        return ""
    by_nr_open = [one for one in offenders if one["maximum"] >= _nr_open_of(result, one)]
    by_rights = [one for one in offenders if one not in by_nr_open]
    lines = []
    if by_nr_open:
        now = "unknown" if result["nr_open_now"] is None else result["nr_open_now"]
        lines.append(
            "Hard nofile limits above fs.nr_open (%s now, %d after the next boot from %s), which lock out whoever has "
            "them:" % (now, result["nr_open_after_boot"], result["nr_open_source"])
        )
        lines += _in_lines(by_nr_open)
    if by_rights and inherited is not None:
        lines.append(
            "Hard nofile limits that nobody can have here: PID 1 has %d, and root has no CAP_SYS_RESOURCE in the "
            "machine's first user namespace, without which no limit is raised:" % inherited.units
        )
        lines += _in_lines(by_rights)
    lines += consequences
    if by_nr_open:
        lines.append(way_out.text(dict(result, offenders=by_nr_open)))
    if by_rights:
        needed = max((one["value"] for one in by_rights if isinstance(one["value"], int)), default=0)
        most = min(one["maximum"] for one in by_rights)
        ways = "lower these limits to at most %d, or %s" % (most, container_options.start_with_nofile(needed or "more"))
        lines.append("Either %s." % ways)
    return "\n".join(lines)


def _nr_open_of(result: t.Mapping[str, t.Any], offender: t.Mapping[str, t.Any]) -> int:
    """Return the fs.nr_open of the time that an offender is about."""
    now = result["nr_open_now"]
    return int(now if offender["when"] == hard_limits.NOW and now is not None else result["nr_open_after_boot"])


def _in_lines(offenders: t.Iterable[t.Mapping[str, t.Any]]) -> t.List[str]:
    times: t.Dict[t.Tuple[str, str, t.Any, int], t.List[str]] = {}
    for offender in offenders:
        source = "%(source)s:%(line)d" % offender if offender["line"] else offender["source"]
        subject = "domain %s" % offender["domain"] if "domain" in offender else _named(offender["unit"])
        when = "now" if offender["when"] == hard_limits.NOW else "after the next boot"
        times.setdefault((source, subject, offender["value"], offender["maximum"]), []).append(when)
    return ["%s: %s, hard nofile %s, maximum %d %s" % (*row, " and ".join(when)) for row, when in times.items()]


def _named(unit: str) -> str:
    return unit if container_engines.is_asked_by_one(unit) else "unit %s" % unit


class _WayOut(t.NamedTuple):
    """What a person can do about offenders; ``boot``: the nr_open of the next boot of the host below ``root``."""

    planned: Planned
    boot: hard_limits.Ceiling
    root: str

    def text(self, result: t.Mapping[str, t.Any]) -> str:
        possible = hard_limits.nr_open_bounds(self.root)[1]
        numbers = [offender["value"] for offender in result["offenders"] if isinstance(offender["value"], int)]
        needed = max(numbers, default=possible)
        lower = "lower these limits to at most %d" % min(offender["maximum"] for offender in result["offenders"])
        if result["container"]:
            return "fs.nr_open belongs to the machine under this container: raise it there to %d, or %s." % (
                needed,
                lower,
            )
        if needed > possible:
            return "No fs.nr_open can be that high: %s." % lower
        return "Either %s, or %s." % (self._raise(needed), lower)

    def _raise(self, needed: int) -> str:
        planned = self.planned.nr_open
        if planned is None and self.boot.line and other_writers.comes_after(self.boot.source):
            return "remove fs.nr_open from %s, or raise it there to at least %d" % (self.boot.place, needed)
        if planned is None:
            return "first raise fs.nr_open to at least %d, live and in a file of sysctl.d that sorts last" % needed
        if planned < needed:
            return "plan fs.nr_open as at least %d" % needed
        if not self.boot.line:
            # systemd-sysctl has kept a line that the kernel refuses, and so nobody writes the planned one.
            return "remove or correct the line because of which the planned %d is not set at boot (%s)" % (
                planned,
                self.boot.place,
            )
        # Planned high enough, and beaten by whoever sorts after our drop-in.
        return "remove or raise fs.nr_open in %s, which beats the planned %d" % (self.boot.place, planned)
