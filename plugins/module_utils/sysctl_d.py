# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sysctl key is now, and what the next boot will make of it.

Two tools apply sysctl.d at boot, and they differ in one thing that matters here:

* systemd-sysctl never reads /etc/sysctl.conf (src/sysctl/sysctl.c, sysctl.d(5));
* procps' ``sysctl --system``, which init scripts call, reads it last (sysctl(8)).

Otherwise both take the directories in the same precedence: of equal basenames the first directory
wins, the rest is sorted by basename, and the later assignment of a key wins.
"""

from __future__ import annotations

import fnmatch
import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host_files import below, read_text
from ansible_collections.fourtuple.clients.plugins.module_utils.host_tree import HostTree

#: Sorts after Debian 12's 99-sysctl.conf, the link to /etc/sysctl.conf, and nearly everything else.
DROP_IN = "/etc/sysctl.d/99-zz-fourtuple.conf"

_DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
_SYSCTL_CONF = "/etc/sysctl.conf"
_GLOB_CHARACTERS = frozenset("*?[")


class Assignment(t.NamedTuple):
    """One ``key = value`` line; ``value`` is None for a ``-key`` line, which only excludes from globs."""

    key: str
    value: t.Optional[str]
    path: str
    line: int


def normalize(key: str) -> str:
    """Return ``key`` as this collection writes it: dots between the parts, a slash for a dot in a part.

    sysctl.d(5): where the first separator is a slash, dots and slashes swap roles, so
    ``net/ipv4/conf/eth0.5/forwarding`` and ``net.ipv4.conf.eth0/5.forwarding`` are one key.
    """
    for character in key:
        if character == ".":
            return key
        if character == "/":
            return key.translate(str.maketrans("./", "/."))
    return key


def proc_path(key: str) -> str:
    """Return the host's absolute path of a normalized ``key``."""
    return "/proc/sys/" + key.translate(str.maketrans("./", "/."))


def live(root: str, key: str) -> t.Optional[str]:
    """Return the present value with its white space folded, or None where the key does not exist."""
    text = read_text(root, proc_path(key))
    return None if text is None else " ".join(text.split())


def parse(text: str, path: str) -> t.List[Assignment]:
    """Return the assignments of one file in their order; lines that are none are passed over, as at boot."""
    found = []
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip(" \t\r\n")
        if not line or line[0] in "#;":
            continue
        key, separator, value = line.partition("=")
        if key.startswith("-"):
            key = key[1:]
        elif not separator:
            continue
        found.append(
            Assignment(normalize(key.strip(" \t\r\n")), value.strip(" \t\r\n") if separator else None, path, number)
        )
    return found


def boots_with_systemd(root: str) -> bool:
    """Tell whether systemd, and so systemd-sysctl, starts this host.

    /run/systemd/system exists while systemd is PID 1 (sd_booted(3)); a mounted image has an empty
    /run, there /sbin/init tells.
    """
    if os.path.isdir(below(root, "/run/systemd/system")):
        return True
    if os.path.isdir(below(root, "/proc/1")):
        return False
    init = below(root, "/sbin/init")
    return os.path.islink(init) and os.path.basename(os.readlink(init)) == "systemd"


def at_boot(root: str, own: t.Optional[t.Mapping[str, str]] = None) -> t.List[Assignment]:
    """Return every assignment of the next boot, in the order in which they are applied.

    own: the content that our drop-in will have: None for what is on disk, ``{}`` as if it were gone
    """
    tree = HostTree(root)
    directory_of: t.Dict[str, str] = {}
    for directory in _DIRECTORIES:
        for name in tree.names(directory):
            if name.endswith(".conf"):
                directory_of.setdefault(name, directory)
    own_name = os.path.basename(DROP_IN)
    if own is not None:
        directory_of[own_name] = os.path.dirname(DROP_IN)
    assignments: t.List[Assignment] = []
    for name in sorted(directory_of, key=os.fsencode):
        path = "%s/%s" % (directory_of[name], name)
        if own is not None and path == DROP_IN:
            assignments += [Assignment(key, value, path, 0) for key, value in own.items()]
        else:
            assignments += parse(tree.read(path) or "", path)
    if not boots_with_systemd(root):
        assignments += parse(tree.read(_SYSCTL_CONF) or "", _SYSCTL_CONF)
    return assignments


def winner(assignments: t.Iterable[Assignment], key: str) -> t.Optional[Assignment]:
    """Return the assignment that ``key`` has after the boot, or None where no file sets it.

    A line that names the key beats any glob, wherever they stand; among equals the later wins.
    """
    named = globbed = None
    for assignment in assignments:
        if assignment.key == key:
            named = assignment
        elif assignment.value is not None and _matches(assignment.key, key):
            globbed = assignment
    if named is not None:
        return named if named.value is not None else None
    return globbed


def _matches(pattern: str, key: str) -> bool:
    """Match as glob(7) does on /proc/sys: part by part, a star never crosses a separator."""
    if not _GLOB_CHARACTERS.intersection(pattern):
        return False
    patterns, parts = pattern.split("."), key.split(".")
    return len(patterns) == len(parts) and all(map(fnmatch.fnmatchcase, parts, patterns))


def after_boot(root: str, key: str, own: t.Optional[t.Mapping[str, str]] = None) -> t.Optional[Assignment]:
    """Return the assignment that wins for ``key`` at the next boot; ``own`` as in at_boot."""
    return winner(at_boot(root, own), key)
