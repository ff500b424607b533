# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose sockets are: the unit of systemd by the number of the control group, else the container, else the user."""

from __future__ import annotations

import os
import pwd
import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import cgroup_paths, mounts
from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import read_text
from ansible_collections.fourtuple.clients.plugins.module_utils.host.socket_groups import Owner

UNIT, CONTAINER, USER = "unit", "container", "user"

#: What a person's session or manager is in tells less than the person's name does.
_SESSION = re.compile(r"session-[^/]*\.scope$|user@[0-9]+\.service$")


class Program(t.NamedTuple):
    """``kind``: UNIT, CONTAINER or USER; ``name``: of the unit, the container's group, or the user."""

    kind: str
    name: str


class Programs(t.Dict[t.Optional[Owner], Program]):
    """Whose program each owner is; of one that has appeared meanwhile it is looked up when asked for."""

    def __init__(self, owners: t.Iterable[Owner]) -> None:
        super().__init__()
        self._look_up(set(owners))

    def __missing__(self, owner: Owner) -> Program:
        self._look_up({owner})
        return self[owner]

    def _look_up(self, wanted: t.Set[Owner]) -> None:
        paths = _paths({owner.cgroup for owner in wanted if owner.cgroup is not None})
        first = cgroup_paths.manager(cgroup_paths.paths(read_text("/", "/proc/1/cgroup") or ""))
        for owner in wanted:
            self[owner] = program(owner.user, paths.get(owner.cgroup or 0), first.get(""))


def program(user: int, path: t.Optional[str], manager: t.Optional[str]) -> Program:
    """Return whose program a socket is.

    path:    of its control group of version 2, None where it could not be found
    manager: the group below which the units of the host are
    """
    if path is not None:
        path = cgroup_paths.below(path, manager)
        unit = cgroup_paths.split(path)[0]
        if cgroup_paths.container(path):
            return Program(CONTAINER, unit or os.path.basename(path))
        if unit is not None and not _SESSION.match(unit):
            return Program(UNIT, unit)
    try:
        return Program(USER, pwd.getpwuid(user).pw_name)
    except KeyError:
        return Program(USER, str(user))


def _paths(numbers: t.Set[int]) -> t.Dict[int, str]:
    """Return the paths of control groups of version 2, by the numbers of their directories' inodes (kernfs_ino)."""
    found: t.Dict[int, str] = {}
    table = mounts.parse(read_text("/", "/proc/self/mountinfo") or "")
    for mount in table:
        if mount.kind != "cgroup2" or len(found) == len(numbers):
            continue
        for folder, _folders, _files in os.walk(mount.point):
            number = _inode(folder)
            if number in numbers:
                found[number] = "/" + os.path.relpath(folder, mount.point) if folder != mount.point else "/"
                if len(found) == len(numbers):
                    break
    return found


def _inode(folder: str) -> int:
    try:
        return os.stat(folder).st_ino
    except OSError:
        # A group ends with its last process.
        return 0
