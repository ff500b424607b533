# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits that do not fit, in words: each in a line, what comes of them on this host, and the remedy."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.config import (
    other_writers,
    pam_limits,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.nofile import hard_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.values import container_options


class Lockout(t.NamedTuple):
    """The offenders of a host, and what a person needs to know to do something about them.

    now, boot: the fs.nr_open of now, None where there is no present, and of the next reboot
    planned:   the fs.nr_open that is planned, None where none is
    inherited: what nobody can go beyond, None where root can raise limits
    """

    host: Host
    offenders: t.Sequence[hard_limits.Offender]
    now: t.Optional[int]
    boot: hard_limits.Ceiling
    planned: t.Optional[int] = None
    inherited: t.Optional[hard_limits.Inherited] = None

    def message(self) -> str:
        """Return every offender in one line each, between what holds and what that leads to, with the remedy."""
        if not self.offenders:
            return ""
        by_nr_open = [one for one in self.offenders if one.maximum >= self._nr_open_of(one)]
        by_rights = [one for one in self.offenders if one not in by_nr_open]
        lines = []
        if by_nr_open:
            lines.append(
                "Hard nofile limits above fs.nr_open (%s now, %d after the next reboot from %s), which lock out "
                "whoever has them:" % ("unknown" if self.now is None else self.now, self.boot.value, self.boot.place)
            )
            lines += _in_lines(by_nr_open)
        if by_rights and self.inherited is not None:
            lines.append(
                "Hard nofile limits that nobody can have here: PID 1 has %d, and root has no CAP_SYS_RESOURCE in the "
                "machine's first user namespace, without which no limit is raised:" % self.inherited.units
            )
            lines += _in_lines(by_rights)
        lines += self._consequences()
        lines += [self._remedy(by_nr_open)] if by_nr_open else []
        lines += [_remedy_of_rights(by_rights)] if by_rights else []
        return "\n".join(lines)

    def _nr_open_of(self, offender: hard_limits.Offender) -> int:
        """Return the fs.nr_open of the time that an offender is about."""
        return self.now if offender.when == hard_limits.NOW and self.now is not None else self.boot.value

    def _consequences(self) -> t.List[str]:
        """Return what the host does with such limits: its build of pam_limits, and its systemd at the next reboot."""
        found = []
        if any(one.limit.kind == hard_limits.DOMAIN for one in self.offenders):
            found.append(
                "pam_limits of this host refuses a session that is to get such a limit, root's too."
                if pam_limits.behaviour(self.host).refuses_session
                else "pam_limits of this host logs such a limit, and leaves the session with what it inherits."
            )
        # setrlimit_closest falls back to PID 1's own limits, which are the nr_open at its start; where that changes
        # nothing, as with infinity, the unit keeps them. Anything less is asked for, and refused.
        maximum = hard_limits.nr_open_at_start(self.host)
        refused = [
            one
            for one in self.offenders
            if one.limit.kind in (hard_limits.UNIT, hard_limits.UNITS)
            and one.when == hard_limits.AFTER_BOOT
            and isinstance(one.limit.shown, int)
            and one.limit.shown < maximum
        ]
        if refused and not containment.in_container(self.host):
            found.append("After the next reboot systemd does not start such a unit (205/LIMITS).")
        if any(one.limit.kind == hard_limits.CONTAINERS for one in self.offenders):
            found.append("A container that is to have such a limit does not start.")
        return found

    def _remedy(self, offenders: t.Sequence[hard_limits.Offender]) -> str:
        possible = hard_limits.nr_open_bounds(self.host)[1]
        needed = max(_numbers(offenders), default=possible)
        lower = "lower these limits to at most %d" % min(one.maximum for one in offenders)
        if containment.in_container(self.host):
            return "fs.nr_open belongs to the machine under this container: raise it there to %d, or %s." % (
                needed,
                lower,
            )
        if needed > possible:
            return "No fs.nr_open can be that high: %s." % lower
        return "Either %s, or %s." % (self._raise(needed), lower)

    def _raise(self, needed: int) -> str:
        if self.planned is None:
            if self.boot.line and other_writers.comes_after(self.boot.source):
                return "remove fs.nr_open from %s, or raise it there to at least %d" % (self.boot.place, needed)
            return "first raise fs.nr_open to at least %d, live and in a file of sysctl.d that sorts last" % needed
        if self.planned < needed:
            return "plan fs.nr_open as at least %d" % needed
        planned = str(self.planned)
        if not self.boot.line:
            # systemd-sysctl has kept a line that the kernel refuses, and so nobody writes the planned one.
            return "remove or correct the line because of which the planned %s is not set at boot (%s)" % (
                planned,
                self.boot.place,
            )
        # Planned high enough, and beaten by whoever sorts after our drop-in.
        return "remove or raise fs.nr_open in %s, which beats the planned %s" % (self.boot.place, planned)


def _remedy_of_rights(offenders: t.Sequence[hard_limits.Offender]) -> str:
    needed = max(_numbers(offenders), default=0)
    return "Either lower these limits to at most %d, or %s." % (
        min(one.maximum for one in offenders),
        container_options.start_with_nofile(needed or "more"),
    )


def _numbers(offenders: t.Iterable[hard_limits.Offender]) -> t.List[int]:
    return [one.limit.shown for one in offenders if isinstance(one.limit.shown, int)]


def _in_lines(offenders: t.Iterable[hard_limits.Offender]) -> t.List[str]:
    times: t.Dict[t.Tuple[str, int], t.List[str]] = {}
    for one in offenders:
        times.setdefault((one.limit.text, one.maximum), []).append(hard_limits.IN_WORDS[one.when])
    return ["%s, maximum %d %s" % (*row, " and ".join(when)) for row, when in times.items()]
