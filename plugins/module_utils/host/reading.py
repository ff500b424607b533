# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading as much of a host as may be read, and naming the rest instead of stopping."""

from __future__ import annotations

import errno
import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host.files import exists, read_text
from ansible_collections.fourtuple.clients.plugins.module_utils.host.tree import HostTree
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import decimal

_T = t.TypeVar("_T")

_DENIED = (errno.EACCES, errno.EPERM)


class Reading:
    """Reads below ``root``; ``unread`` names, once each, what is there and could not be read."""

    def __init__(self, root: str, uid: int = 0) -> None:
        self.root = root
        self.tree = HostTree(root)
        #: The host itself, and no folder that stands for one.
        self.live = os.path.realpath(root) == "/"
        self.uid = uid
        self._why: t.Dict[str, str] = {}
        self._known: t.Dict[str, t.Any] = {}

    @property
    def unread(self) -> t.List[t.Dict[str, str]]:
        return [{"what": what, "why": why} for what, why in self._why.items()]

    def note(self, what: str, error: OSError) -> None:
        """Remember that ``what`` could not be read."""
        self._why.setdefault(what, self.why(error))

    def why(self, error: OSError) -> str:
        """Return the reason in words."""
        if error.errno not in _DENIED:
            return error.strerror or str(error)
        if self.uid == 0:
            return "permission denied, also to root in this namespace"
        return "permission denied; run as root to read it"

    def attempt(self, what: str, look: t.Callable[[], _T]) -> t.Optional[_T]:
        """Return what ``look`` returns, or None where it met something unreadable.

        what: the name of it, where the error itself names no file
        """
        try:
            return look()
        except OSError as error:
            name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else what
            root = self.root.rstrip("/")
            self.note(name[len(root) :] if root and name.startswith(root + "/") else name, error)
        except ValueError as error:
            self._why.setdefault(what, str(error))
        return None

    def once(self, what: str, look: t.Callable[[], _T]) -> _T:
        """Return what ``look`` returned when it was asked for ``what`` first: a reading is one look at a host."""
        if what not in self._known:
            self._known[what] = look()
        return t.cast(_T, self._known[what])

    def text(self, path: str) -> t.Optional[str]:
        """Return a file's text, None where there is none or it cannot be read."""
        return self.attempt(path, lambda: read_text(self.root, path))

    def number(self, path: str) -> t.Optional[int]:
        """Return the one number in a file, None also where it holds something else."""
        return decimal((self.text(path) or "").strip())

    def names(self, directory: str) -> t.List[str]:
        """Return the names in a directory, none where there is none or it cannot be read."""
        return self.attempt(directory, lambda: self.tree.names(directory)) or []

    def exists(self, path: str) -> bool:
        return exists(self.root, path)
