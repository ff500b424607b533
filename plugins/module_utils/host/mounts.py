# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted where, as proc_pid_mountinfo(5) tells it."""

from __future__ import annotations

import re
import typing as t


class Mount(t.NamedTuple):
    """One mount: where it is, which part of its file system that is, of which type, and whether it can be written."""

    point: str
    root: str
    kind: str
    read_only: bool
    super_options: t.List[str]


def parse(text: str) -> t.List[Mount]:
    """Return the mounts of a /proc/PID/mountinfo in its order; lines that are none are left out."""
    found = []
    for line in text.splitlines():
        # id parent major:minor root point options [optional...] - type source super-options
        left, _dash, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if len(fields) < 6 or len(tail) < 3:
            continue
        root, point = (re.sub(r"\\([0-7]{3})", _unescape, field) for field in fields[3:5])
        options, of_the_file_system = fields[5].split(","), tail[2].split(",")
        # Either is enough: mnt_is_readonly() and sb_rdonly() (fs/namespace.c, __mnt_is_readonly).
        read_only = "ro" in options or "ro" in of_the_file_system
        found.append(Mount(point, root, tail[0], read_only, of_the_file_system))
    return found


def covering(mounts: t.Iterable[Mount], path: str) -> t.Optional[Mount]:
    """Return the mount that ``path`` is on: the deepest above it, of several at one place the last."""
    found = None
    for mount in mounts:
        above = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if above and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def _unescape(match: t.Match[str]) -> str:
    return chr(int(match.group(1), 8))
