# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a host: its files as they are, or as they will be once a plan has been written; each read once.

A plan is nothing but files: ``planning`` says which text each will have, so that one and the same code answers
"what holds today?" and "what would hold?". Whatever no planned file decides, the processes say, is looked at once
for both.

A look is of its moment: make a new one after a change.
"""

from __future__ import annotations

import errno
import functools
import os
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.host import files
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, decimal

_T = t.TypeVar("_T")

_DENIED = (errno.EACCES, errno.EPERM)


class Host:
    """Reads below ``root`` and never outside it, whatever the links there say.

    ``read``, ``list`` and what they are made of raise OSError for what is there and cannot be read. ``text``,
    ``number``, ``names`` and ``attempt`` go on without it, and ``unread`` names it.

    root: the folder that stands for the host
    uid:  who reads, for the words about what cannot be read; by default this process
    live: whether it is a running host; by default the one at / is, and no folder that stands for one
    """

    def __init__(self, root: str = "/", uid: t.Optional[int] = None, live: t.Optional[bool] = None) -> None:
        self.root = root
        self.live = os.path.realpath(root) == "/" if live is None else live
        self.uid = os.geteuid() if uid is None else uid
        #: The same host without what is planned.
        self.present: Host = self
        #: Path -> the text that it will have, or None for a file that will be gone.
        self.planned: t.Dict[str, t.Optional[str]] = {}
        self._why: t.Dict[str, str] = {}
        self._known: t.Dict[t.Hashable, t.Any] = {}
        self._texts: t.Dict[str, t.Optional[str]] = {}
        self._names: t.Dict[str, t.List[str]] = {}

    def planning(self, planned: t.Mapping[str, t.Optional[str]]) -> Host:
        """Return the host as it will be: path -> the text that it will have, or None for a file that will be gone."""
        then = Host(self.root, self.uid, self.live)
        then.present = self.present
        then.planned = dict(self.planned, **planned)
        then._why, then._texts, then._names = self._why, self._texts, self._names
        return then

    def as_planned(self, where: str, given: t.Mapping[str, object]) -> Host:
        """Return ``planning(given)`` of what a person or an earlier step gave as ``where``; refuse what is no file."""
        for path, text in given.items():
            if not path.startswith("/") or not (text is None or isinstance(text, str)):
                raise Refusal(
                    "%s[%s]" % (where, path),
                    text,
                    "an absolute path, with the text of the file or null",
                    "Pass planned_files as the module of the earlier step returned it.",
                )
        return self.planning(t.cast(t.Mapping[str, t.Optional[str]], given))

    def again(self) -> Host:
        """Return another look at the same host, as it is after a change."""
        return Host(self.root, self.uid, self.live)

    # --- its files ---

    def resolve(self, path: str) -> t.Optional[str]:
        """Return the host's path that ``path`` leads to; None where there is none, as files.resolve() has it."""
        return files.resolve(self.root, path)

    def place(self, path: str) -> str:
        """Return where the host's absolute ``path`` lies for this process."""
        return files.below(self.root, path)

    def link(self, path: str) -> t.Optional[str]:
        """Return what the link at ``path`` names, or None where there is no link."""
        return files.link(self.root, path)

    def read(self, path: str) -> t.Optional[str]:
        """Return a file's text; None where there is none, nothing for a directory, device or pipe.

        raises: OSError
        """
        if path in self.planned:
            return self.planned[path]
        if self.planned:
            real = self.resolve(path)
            if real in self.planned:
                return self.planned[real]
        if path not in self._texts:
            self._texts[path] = self._read(path)
        return self._texts[path]

    def _read(self, path: str) -> t.Optional[str]:
        try:
            return files.read_text(self.root, path)
        except IsADirectoryError:
            return ""

    def exists(self, path: str) -> bool:
        return self.planned[path] is not None if path in self.planned else files.exists(self.root, path)

    def is_directory(self, path: str) -> bool:
        return files.is_directory(self.root, path)

    def list(self, directory: str) -> t.List[str]:
        """Return the names in a directory in the order of their bytes, which is the C locale's.

        raises: OSError
        """
        if directory not in self._names:
            self._names[directory] = files.list_directory(self.root, directory)
        found = set(self._names[directory])
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
        return next((path for path in paths if self.exists(path)), None)

    def once(self, what: t.Hashable, look: t.Callable[[], _T]) -> _T:
        """Return what ``look`` returned when it was asked for ``what`` first."""
        if what not in self._known:
            self._known[what] = look()
        return t.cast(_T, self._known[what])

    # --- as much as may be read ---

    @property
    def unread(self) -> t.List[t.Dict[str, str]]:
        """What is there and could not be read, each once: ``what`` and ``why``."""
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

    def text(self, path: str) -> t.Optional[str]:
        """Return a file's text, None where there is none or it cannot be read."""
        return self.attempt(path, lambda: self.read(path))

    def number(self, path: str) -> t.Optional[int]:
        """Return the one number in a file, None also where it holds something else."""
        return decimal((self.text(path) or "").strip())

    def names(self, directory: str) -> t.List[str]:
        """Return the names in a directory, none where there is none or it cannot be read."""
        return self.attempt(directory, lambda: self.list(directory)) or []


def looked_at_once(look: t.Callable[[Host], _T]) -> t.Callable[[Host], _T]:
    """Have a function of a host, and of nothing else, keep what it returns for as long as that look lasts."""

    @functools.wraps(look)
    def kept(host: Host) -> _T:
        return host.once(look, lambda: look(host))

    return kept
