# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits that do not fit, in words: each in a line, what comes of them on this host, and the ways out."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    container_engines,
    other_writers,
    pam_limits,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import container_options


class WayOut(t.NamedTuple):
    """What a person can do about offenders.

    planned: the nr_open that is planned; boot: that of the next boot
    """

    planned: t.Optional[int]
    boot: hard_limits.Ceiling

    def text(self, host: Host, result: t.Mapping[str, t.Any]) -> str:
        possible = hard_limits.nr_open_bounds(host)[1]
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
        planned = self.planned
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


def message(
    host: Host, result: t.Mapping[str, t.Any], way_out: WayOut, inherited: t.Optional[hard_limits.Inherited]
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
    lines += _consequences(host, result)
    if by_nr_open:
        lines.append(way_out.text(host, dict(result, offenders=by_nr_open)))
    if by_rights:
        needed = max((one["value"] for one in by_rights if isinstance(one["value"], int)), default=0)
        maximum = min(one["maximum"] for one in by_rights)
        ways = "lower these limits to at most %d, or %s" % (
            maximum,
            container_options.start_with_nofile(needed or "more"),
        )
        lines.append("Either %s." % ways)
    return "\n".join(lines)


def _consequences(host: Host, result: t.Mapping[str, t.Any]) -> t.List[str]:
    """Return what the host does with such limits: its build of pam_limits, and its systemd at the next boot."""
    found = []
    offenders = result["offenders"]
    if any("domain" in offender for offender in offenders):
        found.append(
            "pam_limits of this host refuses a session that is to get such a limit, root's too."
            if pam_limits.behaviour(host).refuses_session
            else "pam_limits of this host logs such a limit, and leaves the session with what it inherits."
        )
    # setrlimit_closest falls back to PID 1's own limits, which are the nr_open at its start; where that changes
    # nothing, as with infinity, the unit keeps them. Anything less is asked for, and refused.
    maximum = hard_limits.nr_open_at_start(host)
    refused = [
        offender
        for offender in offenders
        if "unit" in offender
        and not container_engines.is_asked_by_one(offender["unit"])
        and offender["when"] == hard_limits.AFTER_BOOT
        and isinstance(offender["value"], int)
        and offender["value"] < maximum
    ]
    if refused and not result["container"]:
        found.append("After the next boot systemd does not start such a unit (205/LIMITS).")
    if any(container_engines.is_asked_by_one(offender.get("unit", "")) for offender in offenders):
        found.append("A container that is to have such a limit does not start.")
    return found


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
