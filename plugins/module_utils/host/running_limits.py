# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nofile limits that processes have now, from /proc, and whose processes they are.

A host sees the processes of its containers, and they are not its own: their units have the names of its units, and
sessions that start there are not its sessions. Whose a process is, its control group tells (cgroup_paths.py). Where
that does not, its PID namespace does:

* of a unit's processes those that are in a group of their own below the unit's, and in a PID namespace of their own,
  while others of the unit are in the host's: a container that the unit runs. Groups alone (Delegate=) or a namespace
  alone (PrivatePIDs=) are the unit's own affair, and its processes count;
* an ssh server in a PID namespace of its own that is no unit's ssh server: sessions of the host do not come from it.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import cgroup_paths
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import read_text
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

_ROW = "Max open files"

_GETTY = ("getty@", "serial-getty@", "console-getty", "container-getty@")
#: Who starts sessions, and how the units are called that they are in.
_STARTERS: t.Dict[str, t.Tuple[str, ...]] = {
    "sshd": ("ssh",),
    "agetty": _GETTY,
    "getty": _GETTY,
    "cron": ("cron",),
    "crond": ("cron",),
}

#: The hierarchies that systemd keeps its units in: ``0::`` under cgroup v2, ``name=systemd`` under v1 (cgroups(7)).
_SYSTEMDS = ("", "name=systemd")

_NSPID = re.compile(r"^NSpid:\s*[0-9]+[ \t]+[0-9]", re.MULTILINE)


class Process(t.NamedTuple):
    """One process; ``line`` is where its limit stands in /proc/<pid>/limits.

    unit:  the host's unit that it is in
    guest: the control group of a process that is another host's, a container's on this one; such a one has no unit
    """

    pid: int
    name: str
    unit: t.Optional[str]
    soft: int
    hard: int
    line: int
    guest: t.Optional[str] = None

    @property
    def path(self) -> str:
        return "/proc/%d/limits" % self.pid

    @property
    def subject(self) -> str:
        """Whose limit it is, in words."""
        if self.guest is not None:
            return "%s of a container, %s" % (self.name, self.guest)
        return self.unit or self.name


# Not by Host.read, which would keep a thousand texts of which each is needed once.


class _Groups:
    """Tells whose a control group is, as seen by the reader."""

    def __init__(self, host: Host) -> None:
        self._manager = cgroup_paths.manager(_groups(host, "1"))
        # In a container that shares its PID namespace with others, PID 1 may be theirs.
        self._own = {h: path for h, path in _groups(host, "self").items() if cgroup_paths.container(path) is not None}

    def _below(self, found: cgroup_paths.Paths) -> t.Iterator[t.Tuple[str, str]]:
        for hierarchy, path in found.items():
            here = cgroup_paths.below(path, self._manager.get(hierarchy))
            yield hierarchy, cgroup_paths.below(path, self._own.get(hierarchy)) if here == path else here

    def unit(self, found: cgroup_paths.Paths) -> t.Tuple[t.Optional[str], str]:
        """Return the unit of a process that is in these groups, and its place below the unit's own group."""
        return _unit(self._below(found))

    def guest(self, found: cgroup_paths.Paths) -> t.Optional[str]:
        """Return the group that makes a process a container's, None of the host's own."""
        return next((path for _name, path in self._below(found) if cgroup_paths.container(path) is not None), None)


def _own_groups(host: Host) -> _Groups:
    return host.present.once(_Groups, lambda: _Groups(host))


def _groups(host: Host, process: str) -> cgroup_paths.Paths:
    try:
        return cgroup_paths.paths(read_text(host.root, "/proc/%s/cgroup" % process) or "")
    except OSError:
        return {}


class _Seen(t.NamedTuple):
    """A process, and what is left to be told of it.

    place:  where it is below its unit's own group, as a path from there
    nested: whether it is in another PID namespace than the reader's /proc, where that was looked at
    """

    process: Process
    groups: cgroup_paths.Paths
    place: str
    nested: bool


def processes(host: Host) -> t.List[Process]:
    """Return every process of the host, in one pass; one that ends meanwhile is left out. No planned file counts."""
    return host.present.once(processes, lambda: _processes(host))


def _processes(host: Host) -> t.List[Process]:
    groups = _own_groups(host)
    seen = []
    for name in host.list("/proc"):
        number = decimal(name)
        if number is not None:
            found = _look_at(host, number, groups)
            if found is not None:
                seen.append(found)
    divided = {one.process.unit for one in seen if one.nested and one.place}
    if divided:
        in_ours = {
            one.process.unit
            for one in seen
            if one.process.unit in divided and not (one.nested or _is_nested(host, one.process.pid))
        }
        divided &= in_ours
    return sorted(_whose(one, divided) for one in seen)


def _whose(one: _Seen, divided: t.Container[t.Optional[str]]) -> Process:
    """Return a process as a container's where its PID namespace says so.

    divided: the units that have processes in the host's PID namespace and in others
    """
    process = one.process
    of_a_unit = bool(one.place) and process.unit in divided
    units = _STARTERS.get(process.name)
    starter = units is not None and not (process.unit or "").startswith(units)
    if not (one.nested and (of_a_unit or starter)):
        return process
    group = next((path for name, path in one.groups.items() if name in _SYSTEMDS), "/")
    return process._replace(unit=None, guest=group)


def read_process(host: Host, pid: int) -> t.Optional[Process]:
    """Return one process, or None where there is none (any more)."""

    def look() -> t.Optional[Process]:
        found = _look_at(host, pid, _own_groups(host))
        return None if found is None else found.process

    return host.present.once((read_process, pid), look)


def _look_at(host: Host, pid: int, groups: _Groups) -> t.Optional[_Seen]:
    try:
        limits = read_text(host.root, "/proc/%d/limits" % pid)
        text = read_text(host.root, "/proc/%d/cgroup" % pid)
        name = (read_text(host.root, "/proc/%d/comm" % pid) or "").strip()
        row = parse_limits(limits or "")
        if row is None:
            return None
        found = cgroup_paths.paths(text or "")
        guest = groups.guest(found)
        unit, place = groups.unit(found) if guest is None else (None, "")
        # Only where it may matter, for it is one more file.
        unsure = guest is None and (name in _STARTERS or (place and not (unit or "").startswith("user@")))
        nested = bool(unsure) and _is_nested(host, pid)
    except OSError:
        # ESRCH between open(2) and read(2), or a process that is not ours to look at.
        return None
    return _Seen(Process(pid, name, unit, *row, guest), found, place, nested)


def _is_nested(host: Host, pid: int) -> bool:
    """Tell whether a process has a number in a PID namespace below that of /proc (fs/proc/array.c, task_state)."""
    try:
        return _NSPID.search(read_text(host.root, "/proc/%d/status" % pid) or "") is not None
    except OSError:
        return False


def parse_limits(text: str) -> t.Optional[t.Tuple[int, int, int]]:
    """Return (soft, hard, line) of nofile; ``unlimited`` cannot occur, the kernel refuses it for nofile."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith(_ROW):
            words = line[len(_ROW) :].split()
            soft, hard = map(decimal, words[:2]) if len(words) > 1 else (None, None)
            if soft is not None and hard is not None:
                return soft, hard, number
    return None


def unit_of(text: str, host: t.Optional[Host] = None) -> t.Optional[str]:
    """Return the unit that a /proc/<pid>/cgroup names, below the manager of ``host``; at the top without it."""
    above = {} if host is None else cgroup_paths.manager(_groups(host, "1"))
    paths = cgroup_paths.paths(text).items()
    return _unit((name, cgroup_paths.below(path, above.get(name))) for name, path in paths)[0]


def _unit(found: t.Iterable[t.Tuple[str, str]]) -> t.Tuple[t.Optional[str], str]:
    """Return the unit that the first of systemd's hierarchies names, and the place below the unit's own group."""
    for hierarchy, path in found:
        unit, rest = cgroup_paths.split(path)
        if hierarchy in _SYSTEMDS and unit is not None:
            return unit, rest
    return None, ""
