# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a plan leaves with fewer open files than are needed, and whose line is the reason."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.nofile.effective import Outcome, Subjects
from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.names import Names
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal


class Shortfall(t.NamedTuple):
    """Somebody's soft limit, and the place that sets it: ``file:line``, or a default in words."""

    kind: str  # user or unit
    name: str
    soft: int
    by: str
    note: str
    way: t.Optional[str] = None  # the way in of a user's sessions
    remedy: str = ""

    def text(self, needed: int, names: Names) -> str:
        """Return it as a refusal; ``names``: of the variables."""
        allowed = "at least %d, the soft nofile that %s %s needs" % (needed, self.kind, self.name)
        if self.note:
            allowed += " (%s)" % self.note
        return str(Refusal(self.by, self.soft, allowed, self._way_out(names)))

    def _way_out(self, names: Names) -> str:
        if self.remedy:
            return "%s." % (self.remedy[0].upper() + self.remedy[1:])
        if self.by.rpartition(":")[0] in (owned.LIMITS_DROP_IN, *owned.unit_drop_ins(self.name)):
            return "Raise %s and %s." % (names.of("nofile_soft"), names.of("nofile_hard"))
        if not self.by.startswith("/etc/"):
            return "Name it in %s." % names.of("domains" if self.kind == "user" else "units")
        return "Raise or remove that line, or rename its file to sort before ours."


def find(
    subjects: Subjects, users: t.Iterable[str], units: t.Iterable[str], needed: int, names: Names
) -> t.List[Shortfall]:
    """Return the users and units whose soft limit will be less than ``needed``.

    A unit's counts from its next start. A user's is the lower of what a session gets now and after the next reboot: a
    service that sessions come from runs with its old limits until it is restarted, as role limits may do. Where the
    sessions have nothing but that service's limits, and it is among ``units``, its next start counts for them too.

    subjects: of the host with the plan written
    names:    of the variables in refusals
    raises: Refusal for a user or a unit that the host does not have
    """
    planned = list(units)
    outcomes = [("user", name, _counted(subjects, names, name, planned)) for name in users]
    outcomes += [("unit", name, subjects.unit_after_boot(names.of("units"), name)) for name in planned]
    found = []
    for kind, name, outcome in outcomes:
        if outcome.pair is not None and outcome.pair[0] < needed:
            by = outcome.soft_by or outcome.by or "the kernel's default"
            way = outcome.way if kind == "user" else None
            found.append(Shortfall(kind, name, outcome.pair[0], by, outcome.note, way, outcome.remedy))
    return found


def _counted(subjects: Subjects, names: Names, name: str, units: t.Sequence[str]) -> Outcome:
    now, after_boot = subjects.session(names.of("users"), name)
    return after_boot if subjects.kept_from(after_boot) in units else _lower(now, after_boot)


def _lower(now: Outcome, after_boot: Outcome) -> Outcome:
    if now.pair is None or after_boot.pair is None:
        return now
    return after_boot if after_boot.pair[0] < now.pair[0] else now
