# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of configuration files: written below a root, and taken away again.

Used on both sides: by the oracles on the disposable hosts, and for the folder that our own code resolves. A tree is
``{"files": {path: text}, "links": {path: target}}``; one character of a text or a name stands for one byte.
"""

from __future__ import annotations

import os
import typing as t

Tree = t.Mapping[str, t.Any]


def after(tree: Tree, planned: t.Mapping[str, str | None]) -> Tree:
    """Return the tree with the planned files in it, and without those that are planned to go (None)."""
    files = {path: text for path, text in tree["files"].items() if path not in planned}
    links = {path: goal for path, goal in tree["links"].items() if path not in planned}
    files.update({path: text for path, text in planned.items() if text is not None})
    return {"files": files, "links": links}


def place(root: str, path: str) -> bytes:
    return (root.rstrip("/") + path).encode("latin-1")


def write(root: str, tree: Tree) -> list[bytes]:
    """Write a tree and return what remove() takes away: files, links and directories in the order of their making."""
    made: list[bytes] = []
    try:
        for path, text in tree["files"].items():
            _make_directory(os.path.dirname(place(root, path)), made)
            with open(place(root, path), "xb") as stream:
                made.append(place(root, path))
                stream.write(text.encode("latin-1"))
        for path, goal in tree["links"].items():
            _make_directory(os.path.dirname(place(root, path)), made)
            os.symlink(goal.encode("latin-1"), place(root, path))
            made.append(place(root, path))
    except BaseException:
        remove(made)
        raise
    return made


def _make_directory(path: bytes, made: list[bytes]) -> None:
    if not os.path.isdir(path):
        _make_directory(os.path.dirname(path), made)
        os.mkdir(path)
        made.append(path)


def remove(made: t.Iterable[bytes]) -> None:
    for path in list(made)[::-1]:
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
        else:
            os.rmdir(path)
