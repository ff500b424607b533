# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole answer of nofile_check: a request against a host. The reasons in words are in remedies.py."""

from __future__ import annotations

import types
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment, name_service
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import (
    effective,
    grants,
    hard_limits,
    remedies,
    session_ways,
    shortfalls,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, whole_number

#: What is to become of the limits files of this collection.
PRESENT, ABSENT = "present", "absent"


class CheckRequest(t.NamedTuple):
    """The options of nofile_check, the planned values as a person wrote them."""

    nofile_hard: object = None
    nofile_soft: object = None
    nr_open: object = None
    domains: t.Sequence[str] = ("*", "root")
    units: t.Sequence[str] = ()
    systemd_default: bool = False
    state: str = PRESENT
    planned_files: t.Mapping[str, object] = types.MappingProxyType({})
    users: t.Sequence[str] = ()
    needed: t.Optional[int] = None
    names: Names = Names()
    ways: t.Sequence[str] = (session_ways.SSH,)
    allow_missing: bool = False


class Planned(t.NamedTuple):
    """The planned values, read and found to be numbers."""

    hard: t.Optional[int]
    soft: t.Optional[int]
    nr_open: t.Optional[int]

    @property
    def has_limits(self) -> bool:
        return self.hard is not None or self.soft is not None


def report(host: Host, request: CheckRequest) -> t.Tuple[t.Dict[str, t.Any], str]:
    """Return what nofile_check returns, and the message for a host that is not safe."""
    return check(host, request, name_service.accounts(request.users) if host.live else {})


def read_planned(host: Host, request: CheckRequest) -> Planned:
    """Return the planned values as numbers; refuse what is none, or cannot be."""
    names = request.names
    minimum, maximum = hard_limits.nr_open_bounds(host)
    lowest_of = {"nofile_hard": 1, "nofile_soft": 1, "nr_open": minimum}
    numbers: t.Dict[str, t.Optional[int]] = {}
    for name, lowest in lowest_of.items():
        value = getattr(request, name)
        # None as a variable passes it on: a template of a null may come as an empty text.
        numbers[name] = (
            None
            if value is None or value == ""
            else whole_number(
                names.of(name),
                value,
                lowest,
                maximum,
                "Write a number that the kernel takes: pam_limits and systemd each make something else of unlimited.",
            )
        )
    planned = Planned(numbers["nofile_hard"], numbers["nofile_soft"], numbers["nr_open"])
    if planned.hard is not None and planned.soft is not None and planned.soft > planned.hard:
        raise Refusal(
            names.of("nofile_soft"),
            planned.soft,
            "at most %s, %d" % (names.of("nofile_hard"), planned.hard),
            "Lower it, or raise %s." % names.of("nofile_hard"),
        )
    if request.state == ABSENT and planned.has_limits:
        raise Refusal(names.of("state"), ABSENT, "present while limits are planned", "Leave out the planned limits.")
    return planned


def check(
    host: Host, request: CheckRequest, accounts: t.Optional[t.Mapping[str, t.Any]] = None
) -> t.Tuple[t.Dict[str, t.Any], str]:
    """Return what nofile_check returns, and the message.

    accounts: of the users, where they are known; otherwise /etc/passwd is read
    """
    planned = read_planned(host, request)
    host = host.as_planned(request.names.of("planned_files"), request.planned_files)
    own = hard_limits.own_files(host)
    container = containment.in_container(host)
    now = hard_limits.nr_open_now(host) if host.live else None
    # A container cannot have its plan for nr_open carried out.
    raised = hard_limits.with_nr_open(host, None if container and host.live else planned.nr_open)
    boot = hard_limits.nr_open_after_boot(raised)
    plan = _plan(host, request, planned)
    then = raised
    if planned.has_limits:
        then = grants.planned(raised, plan)
    elif request.state == ABSENT:
        then = hard_limits.without_own(raised)

    limits = hard_limits.find(then, host.live)
    inherited = effective.Subjects(then, {}).inherited(plan.asked_for()) if hard_limits.highest(host) else None
    tops = (now if now is None else hard_limits.nr_open_now(raised), boot.value)
    found = hard_limits.offenders(limits, *tops, inherited)
    if request.state == ABSENT:
        before = hard_limits.offenders(hard_limits.find(host, host.live), *tops, inherited)
        found = [offender for offender in found if offender not in before]
    offenders = _blamed(found, request, planned, plan)
    short = _shortfalls(then, request, accounts or {})
    removals = _removals(host, request, plan) if planned.has_limits or request.state == ABSENT else []
    result: t.Dict[str, t.Any] = {
        "ok": not offenders and not short,
        "offenders": [offender.as_dict() for offender in offenders],
        "shortfalls": [dict(one._asdict(), needed=request.needed) for one in short],
        "nr_open_now": now,
        "nr_open_after_boot": boot.value,
        "nr_open_source": boot.place,
        "nofile_hard_max": max((max(limit.now, limit.after_boot) for limit in limits), default=0),
        "container": container,
        "grants": plan.as_dict(),
        "overridden": grants.overridden(then, plan) if planned.has_limits else [],
        "own_files": own,
        "planned_files": {**host.planned, **plan.files(), **dict.fromkeys(removals)},
        "removals": removals,
        # A unit that loses its drop-in has other limits than before, too.
        "restart_needed": grants.restart_needed(then, sorted({*request.units, *grants.units_of(own)}))
        if host.live
        else [],
        "systemd_running": host.live and host.is_directory("/run/systemd/system"),
    }
    if offenders or request.needed is None:
        return result, remedies.Lockout(host, offenders, now, boot, planned.nr_open, inherited).message()
    return result, "\n".join(one.text(request.needed, request.names) for one in short)


def warnings(result: t.Mapping[str, t.Any]) -> t.List[str]:
    """Return what only a person can judge of what report() returned."""
    said = "%s:%d gives %s a nofile of %s and beats our %s; remove that line, or rename its file to sort before ours"
    return [
        said % (line["source"], line["line"], line.get("domain") or line["unit"], line["value"], line["wanted"])
        for line in result["overridden"]
    ]


def _plan(host: Host, request: CheckRequest, planned: Planned) -> grants.Plan:
    if not planned.has_limits:
        return grants.Plan({}, {}, None)
    return grants.make_plan(
        host,
        planned.soft,
        planned.hard,
        request.domains,
        request.units,
        request.systemd_default,
        request.names,
        request.allow_missing,
        # What a session has without limits.conf, and without us.
        effective.Subjects(hard_limits.without_own(host), {}).without_limits_conf().pair or (0, 0),
    )


def _shortfalls(then: Host, request: CheckRequest, accounts: t.Mapping[str, t.Any]) -> t.List[shortfalls.Shortfall]:
    if request.needed is None:
        return []
    subjects = effective.Subjects(then, accounts, session_ways.check(request.names.of("ways"), request.ways))
    users, units = request.users, request.units
    if request.allow_missing:
        users, units = subjects.there(users, units)
    return shortfalls.find(subjects, users, units, request.needed, request.names)


def _removals(host: Host, request: CheckRequest, plan: grants.Plan) -> t.List[str]:
    """Return the files of ours that go: those that the plan has no use for, and what a killed run left of others."""
    known = [owned.unit_drop_in(unit) for unit in request.units]
    known += [owned.MANAGER_DROP_IN] if request.systemd_default else []
    planned = plan.files()
    return [path for path in hard_limits.own_files(host) + hard_limits.left_over(host, known) if path not in planned]


def _blamed(
    offenders: t.Iterable[hard_limits.Offender], request: CheckRequest, planned: Planned, plan: grants.Plan
) -> t.List[hard_limits.Offender]:
    """Name the cause of an offender in a file that is only planned: the variable, or the line copied from."""
    files = plan.files()
    found: t.List[hard_limits.Offender] = []
    for original in offenders:
        limit = original.limit
        if limit.source in files:
            grant: t.Optional[grants.Grant]
            if limit.source == owned.LIMITS_DROP_IN:
                grant = plan.domains.get(limit.name)
            else:
                grant = plan.units.get(limit.name, plan.default)
            if grant is not None and grant.hard_path is not None and limit.shown != planned.hard:
                limit = limit._replace(source=grant.hard_path, line=grant.hard_line)
            elif limit.shown == planned.hard:
                limit = limit._replace(source=request.names.of("nofile_hard"), line=0)
        offender = original._replace(limit=limit)
        if offender.as_dict() not in [one.as_dict() for one in found]:
            found.append(offender)
    return found
