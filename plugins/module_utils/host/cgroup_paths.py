# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the path of a control group tells: the unit of systemd that a process is in, and whether it is in a container.

systemd.unit(5), cgroups(7); systemd's src/basic/cgroup-util.c (cg_get_root_path, cg_shift_path, cg_path_get_unit) for
which unit a path stands for: below the group of the manager, the first part that is no slice. What stands further
down, as in /lxc.payload.c1/system.slice/nginx.service, is a unit of another manager.
"""

from __future__ import annotations

import functools
import re
import typing as t

#: The kinds of units that have processes.
_UNIT_SUFFIXES = (".service", ".scope", ".socket", ".mount", ".swap")
_SLICE = ".slice"

#: What cg_get_root_path takes off PID 1's own group: since systemd 226, and before.
_MANAGERS_OWN = re.compile(r"/(?:init\.scope|system\.slice|system)$")

#: The group that a container manager makes for each of its containers, and the kind of them. Not those of the
#: processes that watch over one from the host: libpod-conmon-, crio-conmon-, lxc.monitor, and nspawn's supervisor.
#: machine-qemu is a virtual machine, whose emulator is a process of the host.
_CONTAINERS = (
    ("kubernetes", re.compile(r"(?:^|[/:])kubepods")),
    ("kubernetes", re.compile(r"(?:^|[/:])cri-containerd[-:]|/crio-(?!conmon-)")),
    ("podman", re.compile(r"/libpod-(?!conmon-)")),
    ("docker", re.compile(r"/docker(?:/|-[^/]+\.scope)")),
    ("lxc", re.compile(r"/lxc\.payload|/lxc/[^/]")),
    ("containerd", re.compile(r"/nerdctl-|/buildkit/|/k8s\.io/|/moby/")),
    ("systemd-nspawn", re.compile(r"/systemd-nspawn@[^/]*\.service/(?!supervisor(?:/|$))")),
    ("machine", re.compile(r"/machine-(?!qemu)[^/]*\.scope(?!/supervisor(?:/|$))(?:/|$)")),
    ("ecs", re.compile(r"/ecs/[^/]")),
    ("nomad", re.compile(r"/nomad(?:\.slice)?/")),
    ("garden", re.compile(r"/garden/")),
)

#: The path of a group by hierarchy, the controllers as they are listed; that of version 2 is "".
Paths = t.Mapping[str, str]


# Hundreds of processes share a few groups.
@functools.lru_cache(maxsize=256)
def paths(text: str) -> Paths:
    """Return the groups that a /proc/PID/cgroup names."""
    found: t.Dict[str, str] = {}
    for line in text.split("\n"):
        fields = line.split(":", 2)
        if len(fields) == 3 and fields[2].startswith("/"):
            # A group that has been removed while processes were left in it (cgroup_path_ns_locked's callers).
            path = fields[2][: -len(" (deleted)")] if fields[2].endswith(" (deleted)") else fields[2]
            found.setdefault(fields[1], path)
    return found


def manager(first: Paths) -> Paths:
    """Return the groups below which the units of a host are; ``first``: those that its PID 1 is in.

    In a container without a cgroup namespace the paths are the machine's, and begin with the container's own.
    """
    return {hierarchy: _MANAGERS_OWN.sub("", path) for hierarchy, path in first.items()}


def below(path: str, above: t.Optional[str]) -> str:
    """Return ``path`` as seen from the group ``above``; a path elsewhere stays as it is (cg_shift_path)."""
    above = (above or "").rstrip("/")
    if path == above:
        return "/"
    return path[len(above) :] if path.startswith(above + "/") else path


def split(path: str) -> t.Tuple[t.Optional[str], str]:
    """Return the unit that a path below the manager's group stands for, or None, and the rest of the path below it."""
    parts = [part for part in path.split("/") if part]
    for number, escaped in enumerate(parts):
        # cg_escape keeps unit names and the kernel's own files apart, as in _cpu.service.
        part = escaped[1:] if escaped.startswith("_") else escaped
        if part.endswith(_SLICE):
            continue
        if len(part) > 2 and part.endswith(_UNIT_SUFFIXES):
            return part, "/".join(parts[number + 1 :])
        break
    return None, ""


def container(path: str) -> t.Optional[str]:
    """Return the kind of container that a path below the manager's group is in, None where it shows none.

    Nothing is said of one that shows only by a manager of its own, which has its groups further down.
    """
    for kind, pattern in _CONTAINERS:
        if pattern.search(path):
            return kind
    return "" if _has_another_manager(path) else None


def _has_another_manager(path: str) -> bool:
    parts = path.split("/")[1:]
    # Seen from another namespace of control groups, what is above it is no place at all.
    if ".." in parts:
        return False
    # A user's manager has an init.scope below user@.service, yet no system.slice.
    return any(
        part == "system.slice" or (part == "init.scope" and not above.startswith("user@"))
        for above, part in zip(parts, parts[1:])
    )
