# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role limits is to write: the limits asked for, yet nowhere less than other files grant already."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import pam_limits, systemd_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.host import running_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.hard_limits import (
    EVERY_UNIT,
    highest,
    own_files,
    unit_default,
    without_own,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import OPTIONS, Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

#: RLIM_INFINITY: ``unlimited`` to pam_limits, ``infinity`` to systemd.
_INFINITY = systemd_limits.INFINITY

#: A limit to write: None where others grant no end of it.
Number = t.Optional[int]


class Grant(t.NamedTuple):
    """A soft and a hard limit to write, and whose line a higher one than asked for comes from."""

    soft: Number
    hard: Number
    hard_path: t.Optional[str] = None
    hard_line: int = 0


class Plan(t.NamedTuple):
    """Grants by domain and by unit; a unit, or the default, that has as much already is None."""

    domains: t.Dict[str, Grant]
    units: t.Dict[str, t.Optional[Grant]]
    default: t.Optional[Grant]

    def files(self) -> t.Dict[str, str]:
        """Return the files that the plan makes, for Host.planning: path -> what it says to who reads it.

        Their form is the role's templates; of that there is one line here, so that lines have their numbers.
        """
        files = {}
        text = domains_text(self.domains)
        if text is not None:
            files[owned.LIMITS_DROP_IN] = text
        if self.default is not None:
            files[owned.MANAGER_DROP_IN] = "%s\n[Manager]\nDefaultLimitNOFILE=%s\n" % (
                owned.OWNER_MARK,
                rlimit_text(self.default),
            )
        for unit, grant in self.units.items():
            if grant is not None:
                section = systemd_limits.section_of(unit)
                files[owned.unit_drop_in(unit)] = "%s\n[%s]\nLimitNOFILE=%s\n" % (
                    owned.OWNER_MARK,
                    section,
                    rlimit_text(grant),
                )
        return files

    def asked_for(self) -> t.List[str]:
        """Return the files with a hard limit that was asked for, and not copied from a unit of others."""
        grants = {owned.unit_drop_in(unit): grant for unit, grant in self.units.items()}
        grants[owned.MANAGER_DROP_IN] = self.default
        copied = {path for path, grant in grants.items() if grant is not None and grant.hard_path is not None}
        return [path for path in self.files() if path not in copied]

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return what the templates need."""
        return {
            "domains": {
                name: {"soft": g.soft, "hard": g.hard}
                for name, g in self.domains.items()
                if g.soft is not None or g.hard is not None
            },
            "units": {
                name: None if g is None else {"section": systemd_limits.section_of(name), "limit": rlimit_text(g)}
                for name, g in self.units.items()
            },
            "default": None if self.default is None else rlimit_text(self.default),
        }


def domains_text(domains: t.Mapping[str, Grant]) -> t.Optional[str]:
    """Return the limits.d file, or None where it would say nothing."""
    lines = []
    for domain, grant in domains.items():
        for kind, number in (("soft", grant.soft), ("hard", grant.hard)):
            if number is not None:
                lines.append("%s %s nofile %d\n" % (domain, kind, number))
    return "%s\n%s" % (owned.OWNER_MARK, "".join(lines)) if lines else None


def rlimit_text(grant: Grant) -> str:
    """Return ``soft:hard`` as systemd reads it."""
    return ":".join("infinity" if number is None else str(number) for number in (grant.soft, grant.hard))


def planned(host: Host, plan: Plan) -> Host:
    """Return the host as it will be once the plan is written and files no longer asked for are gone."""
    files: t.Dict[str, t.Optional[str]] = dict.fromkeys(own_files(host))
    files.update(plan.files())
    return host.planning(files)


def units_of(paths: t.Iterable[str]) -> t.List[str]:
    """Return the units whose drop-ins are among ``paths``."""
    names = [owned.unit_of(path) or "" for path in paths]
    return [name for name in names if systemd_limits.section_of(name) is not None]


def make_plan(
    host: Host,
    soft: Number,
    hard: Number,
    domains: t.Sequence[str],
    units: t.Sequence[str],
    default: bool,
    names: Names = OPTIONS,
    allow_missing: bool = False,
    inherited: t.Tuple[int, int] = (0, 0),
) -> Plan:
    """Return what to write for a request; refuse a domain or a unit that cannot be.

    names:     of the variables in refusals
    inherited: the soft and hard limit of a session that no line of limits.conf concerns
    """
    others = without_own(host)
    check_domains(domains, names.of("domains"))
    build = pam_limits.behaviour(others)
    lines = pam_limits.entries(others, build)
    maximum = highest(host)
    by_domain = {}
    for domain in domains:
        granted = pam_limits.granted(others, lines, build, domain)
        by_domain[domain] = _domain_grant(granted, (soft, hard), inherited, build, maximum)
    by_unit: t.Dict[str, t.Optional[Grant]] = {}
    if units or default:
        check_units(others, units, names.of("units" if units else "systemd_default"), allow_missing)
    known = systemd_limits.units(others)
    fallback = unit_default(others)
    for unit in units:
        # A unit without a limit of its own keeps at least the default, but only its own file can be the cause.
        by_unit[unit] = _unit_grant(known.limit(unit) or fallback, soft, hard, maximum)
    return Plan(by_domain, by_unit, _unit_grant(fallback, soft, hard, maximum) if default else None)


def _domain_grant(
    others: pam_limits.Grant,
    asked: t.Tuple[Number, Number],
    inherited: t.Tuple[int, int],
    build: pam_limits.Behaviour,
    maximum: Number,
) -> Grant:
    """most: what nobody can go beyond, where that is so: a line of others that asks for more grants nothing"""
    numbers: t.List[Number] = []
    source, hard = others.hard, asked[1]
    for number, entry, without in zip(asked, (others.soft, source), inherited):
        if entry is not None and maximum is not None:
            numbers.append(_highest(number, min(entry.value, maximum)))
        elif entry is not None and entry.value == pam_limits.UNLIMITED and build.caps_unlimited:
            numbers.append(None)
        elif entry is not None:
            numbers.append(_highest(number, entry.value))
        else:
            # What is not asked for is left to be inherited.
            numbers.append(None if number is None else max(number, without))
    # Soft is clipped to hard anyway (setup_limits): write what holds.
    if numbers[0] is not None and numbers[1] is not None:
        numbers[0] = min(numbers[0], numbers[1])
    if source is not None and numbers[1] is not None and numbers[1] != hard:
        return Grant(numbers[0], numbers[1], source.path, source.line)
    return Grant(numbers[0], numbers[1])


def _highest(one: Number, other: Number) -> Number:
    return max((number for number in (one, other) if number is not None), default=None)


def _granted(limit: systemd_limits.Limit, maximum: Number) -> systemd_limits.Limit:
    """Return a unit's limit as it is got where nobody can have more than ``maximum`` (setrlimit_closest)."""
    return limit if maximum is None else limit._replace(soft=min(limit.soft, maximum), hard=min(limit.hard, maximum))


def _unit_grant(present: systemd_limits.Limit, soft: Number, hard: Number, maximum: Number) -> t.Optional[Grant]:
    """Return what to write beside what other files give; None where they give as much.

    maximum: what nobody can go beyond. What others ask for above it is kept all the same: systemd makes of it what it
             can, and once the container is started with more, the unit has more.
    """
    got = _granted(present, maximum)
    if (soft or 0) <= got.soft and (hard or 0) <= got.hard:
        return None
    soft_wanted, hard_wanted = max(soft or 0, present.soft), max(hard or 0, present.hard)
    soft_wanted = min(soft_wanted, hard_wanted)
    copied = hard_wanted != hard
    return Grant(
        None if soft_wanted == _INFINITY else soft_wanted,
        None if hard_wanted == _INFINITY else hard_wanted,
        present.path if copied else None,
        present.line if copied else 0,
    )


def check_domains(domains: t.Sequence[str], where: str) -> None:
    """Refuse a domain that pam_limits would read as something else, or not at all."""
    for domain in domains:
        if not re.fullmatch(r"[^\s#%][^\s#]*", domain) or pam_limits.is_broken_range(domain):
            raise Refusal(
                where,
                domain,
                "a user, @group, *, or a range of ids as limits.conf(5) has them",
                "Write one word without # or blanks; %group does not count for nofile.",
            )


def check_units(host: Host, units: t.Sequence[str], where: str, allow_missing: bool = False) -> None:
    """Refuse units that the host cannot have."""
    if not systemd_limits.is_installed(host):
        raise Refusal(
            where, list(units), "nothing on a host without systemd", "Leave it out for this host, or install systemd."
        )
    known = systemd_limits.units(host)
    for unit in units:
        if systemd_limits.section_of(unit) is None:
            raise Refusal(
                where,
                unit,
                "names that end in .service, .socket, .mount or .swap",
                "Write the full name, for example %s.service." % (unit.partition(".")[0] or "nginx"),
            )
        if "/" in unit or (known.file(unit) is None and not allow_missing):
            raise Refusal(
                where,
                unit,
                "units with a file in systemd's directories",
                "Install the service first, or correct the name: systemctl list-unit-files shows all.",
            )


def overridden(host: Host, plan: Plan) -> t.List[t.Dict[str, t.Any]]:
    """Return the lines of others because of which a planned limit will not hold.

    tree: the host with the plan written
    """
    found: t.List[t.Dict[str, t.Any]] = []
    build = pam_limits.behaviour(host)
    lines = pam_limits.entries(host, build)
    winning = pam_limits.winning(lines)
    for domain, grant in plan.domains.items():
        stops = [entry for entry in lines if entry.kind == "stop" and entry.domain == domain != "*"]
        wins = winning.get(domain, pam_limits.Grant(None, None))
        for wanted, entry in ((grant.soft, wins.soft), (grant.hard, wins.hard)):
            if wanted is None:
                continue
            if stops:
                found.append(_named(stops[0].path, stops[0].line, "domain", domain, "no limits", wanted))
                break
            if entry is not None and entry.path != owned.LIMITS_DROP_IN and entry.value != wanted:
                shown = "unlimited" if entry.value == pam_limits.UNLIMITED else entry.value
                found.append(_named(entry.path, entry.line, "domain", domain, shown, wanted))
    return found + _overridden_units(host, plan)


def _overridden_units(host: Host, plan: Plan) -> t.List[t.Dict[str, t.Any]]:
    known = systemd_limits.units(host)
    pairs = [(unit, known.limit(unit), owned.unit_drop_in(unit), grant) for unit, grant in plan.units.items()]
    pairs.append((EVERY_UNIT, systemd_limits.default(host), owned.MANAGER_DROP_IN, plan.default))
    found = []
    for unit, limit, path, grant in pairs:
        if limit is not None and grant is not None and limit.path != path:
            soft, hard = (None if number == _INFINITY else number for number in limit[:2])
            value = rlimit_text(Grant(soft, hard))
            found.append(_named(limit.path, limit.line, "unit", unit, value, rlimit_text(grant)))
    return found


def _named(path: str, line: int, kind: str, name: str, value: object, wanted: object) -> t.Dict[str, t.Any]:
    return {"source": path, "line": line, kind: name, "value": value, "wanted": wanted}


def restart_needed(host: Host, units: t.Iterable[str]) -> t.List[str]:
    """Return the running units whose processes have another limit than the configuration gives.

    A process may lower its own limits, and raise its soft one (Go's runtime does): so the highest of the
    unit's processes counts, and a soft limit above the configured one is nobody's fault.
    """
    by_unit: t.Dict[str, t.List[running_limits.Process]] = {}
    for process in running_limits.processes(host):
        if process.unit is not None:
            by_unit.setdefault(process.unit, []).append(process)
    first = running_limits.read_process(host, 1)
    # What PID 1 may not set becomes its own hard limit (setrlimit_closest): infinity everywhere, and whatever is
    # higher where nobody can raise a limit.
    infinity = first.hard if first is not None else _INFINITY
    maximum = highest(host)
    known = systemd_limits.units(host)
    found = []
    for unit in units:
        present = by_unit.get(known.real_name(unit), [])
        limit = _granted(known.limit(unit) or unit_default(host), maximum)
        soft, hard = limit.soft, limit.hard
        if hard == _INFINITY:
            soft, hard = min(soft, infinity), infinity
        if present and (
            max(process.hard for process in present) != hard or max(process.soft for process in present) < soft
        ):
            found.append(unit)
    return found
