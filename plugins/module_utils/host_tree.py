# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's configuration files as they are, or as they will be once a plan has been written.

A plan is nothing but files: the reader below is told which text each will have, so that one and the
same code answers "what holds today?" and "what would hold?".
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host_files import below, list_directory, read_text

#: As the kernel's own limit on links in one look-up (path_resolution(7)).
_MAXIMUM_LINKS = 40


class HostTree:
    """Reads below ``root`` and never outside it, whatever the links there say.

    planned: path on the host -> the text that it will have, or None for a file that will be gone
    """

    def __init__(self, root: str = "/", planned: t.Optional[t.Mapping[str, t.Optional[str]]] = None) -> None:
        self.root = root
        self.planned = dict(planned or {})

    def resolve(self, path: str) -> t.Optional[str]:
        """Return the host's path that ``path`` leads to, or None for a loop of links.

        An absolute link in a mounted image means the image's file, so the links are followed here
        and not by open(2), which would start again at the running host's root.
        """
        done: t.List[str] = []
        left = [part for part in path.split("/") if part][::-1]
        links = 0
        while left:
            part = left.pop()
            if part == ".":
                continue
            if part == "..":
                done = done[:-1]
                continue
            candidate = "/" + "/".join(done + [part])
            target = self.link(candidate)
            if target is None:
                done.append(part)
                continue
            links += 1
            if links > _MAXIMUM_LINKS:
                return None
            if target.startswith("/"):
                done = []
            left += [name for name in target.split("/") if name][::-1]
        return "/" + "/".join(done)

    def link(self, path: str) -> t.Optional[str]:
        """Return what the link at ``path`` names, or None where there is no link."""
        try:
            return os.readlink(below(self.root, path))
        except OSError:
            return None

    def read(self, path: str) -> t.Optional[str]:
        """Return a file's text; None where there is none, nothing for a directory, device or pipe."""
        if path in self.planned:
            return self.planned[path]
        real = self.resolve(path)
        if real is None or not os.path.exists(below(self.root, real)):
            return None
        return (read_text(self.root, real) or "") if os.path.isfile(below(self.root, real)) else ""

    def names(self, directory: str) -> t.List[str]:
        """Return the names in a directory in the order of their bytes, which is the C locale's."""
        real = self.resolve(directory)
        found = set(list_directory(self.root, real)) if real is not None else set()
        for path, text in self.planned.items():
            if not path.startswith(directory + "/"):
                continue
            name, deeper, _rest = path[len(directory) + 1 :].partition("/")
            if text is not None:
                found.add(name)
            elif not deeper:
                found.discard(name)
        return sorted(found, key=os.fsencode)

    def first(self, paths: t.Iterable[str]) -> t.Optional[str]:
        """Return the first of ``paths`` that exists."""
        for path in paths:
            if self.read(path) is not None:
                return path
        return None
