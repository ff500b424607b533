# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nofile limits that processes have now, from /proc."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host_files import list_directory, read_text
from ansible_collections.fourtuple.clients.plugins.module_utils.refusal import decimal

_ROW = "Max open files"

#: The kinds of units that a process can be in (systemd.unit(5)).
_UNIT_SUFFIXES = (".service", ".scope", ".socket", ".mount", ".swap", ".slice")


class Process(t.NamedTuple):
    """One process; ``line`` is where its limit stands in /proc/<pid>/limits."""

    pid: int
    name: str
    unit: t.Optional[str]
    soft: int
    hard: int
    line: int

    @property
    def path(self) -> str:
        return "/proc/%d/limits" % self.pid


def processes(root: str = "/") -> t.List[Process]:
    """Return every process below ``root``/proc, in one pass; one that ends meanwhile is left out."""
    found = []
    for name in list_directory(root, "/proc"):
        number = decimal(name)
        if number is not None:
            process = read_process(root, number)
            if process is not None:
                found.append(process)
    return sorted(found)


def read_process(root: str, pid: int) -> t.Optional[Process]:
    """Return one process, or None where there is none (any more)."""
    try:
        limits = read_text(root, "/proc/%d/limits" % pid)
        cgroup = read_text(root, "/proc/%d/cgroup" % pid)
        name = read_text(root, "/proc/%d/comm" % pid)
    except OSError:
        # ESRCH between open(2) and read(2), or a process that is not ours to look at.
        return None
    row = parse_limits(limits or "")
    if row is None:
        return None
    soft, hard, line = row
    return Process(pid, (name or "").strip(), unit_of(cgroup or ""), soft, hard, line)


def parse_limits(text: str) -> t.Optional[t.Tuple[int, int, int]]:
    """Return (soft, hard, line) of nofile; ``unlimited`` cannot occur, the kernel refuses it for nofile."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith(_ROW):
            words = line[len(_ROW) :].split()
            soft, hard = map(decimal, words[:2]) if len(words) > 1 else (None, None)
            if soft is not None and hard is not None:
                return soft, hard, number
    return None


def unit_of(text: str) -> t.Optional[str]:
    """Return the unit that /proc/<pid>/cgroup names: the last part of the path that is a unit's name.

    systemd's own hierarchy is ``0::`` under cgroup v2 and ``name=systemd`` under v1 (cgroups(7)).
    """
    for line in text.split("\n"):
        fields = line.split(":", 2)
        if len(fields) == 3 and fields[1] in ("", "name=systemd"):
            for part in reversed(fields[2].split("/")):
                if part.endswith(_UNIT_SUFFIXES):
                    return part
    return None
