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

from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import (
    below,
    exists,
    link,
    list_directory,
    read_text,
    resolve,
)


class HostTree:
    """Reads below ``root`` and never outside it, whatever the links there say.

    planned: path on the host -> the text that it will have, or None for a file that will be gone
    """

    def __init__(self, root: str = "/", planned: t.Optional[t.Mapping[str, t.Optional[str]]] = None) -> None:
        self.root = root
        self.planned = dict(planned or {})

    def resolve(self, path: str) -> t.Optional[str]:
        """Return the host's path that ``path`` leads to; None where there is none, as resolve() has it."""
        return resolve(self.root, path)

    def link(self, path: str) -> t.Optional[str]:
        """Return what the link at ``path`` names, or None where there is no link."""
        return link(self.root, path)

    def read(self, path: str) -> t.Optional[str]:
        """Return a file's text; None where there is none, nothing for a directory, device or pipe."""
        if path in self.planned:
            return self.planned[path]
        real = self.resolve(path)
        if real in self.planned:
            return self.planned[real]
        if real is None or not os.path.exists(below(self.root, real)):
            return None
        return (read_text(self.root, real) or "") if os.path.isfile(below(self.root, real)) else ""

    def exists(self, path: str) -> bool:
        return self.planned[path] is not None if path in self.planned else exists(self.root, path)

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
            if self.exists(path):
                return path
        return None
