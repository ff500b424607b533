# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the oracles share: a line of JSON in, the real thing asked, a line of JSON out."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import typing as t

import trees

_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000

_libc = ctypes.CDLL(None, use_errno=True)

Answers = dict[str, t.Any]


def leave_mounts() -> None:
    """Mount for this process alone from now on (mount_namespaces(7))."""
    _check(_libc.unshare(_CLONE_NEWNS))
    _check(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None))


def mount_tmpfs(path: str) -> None:
    _check(_libc.mount(b"none", path.encode(), b"tmpfs", 0, None))


def bind(source: str, target: str) -> None:
    _check(_libc.mount(source.encode(), target.encode(), None, _MS_BIND, None))


def _check(status: int) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def put(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="latin-1", newline="") as stream:
        stream.write(text)


def serve(base: dict[str, str], answer: t.Callable[[dict[str, t.Any]], Answers]) -> None:
    """Answer for one tree after another until there are no more.

    base: the files of this host that our own code has to see too
    """
    out = os.fdopen(os.dup(1), "w")
    # What the tools print must not come between the answers.
    os.dup2(2, 1)
    print(json.dumps(base), file=out, flush=True)
    for line in sys.stdin:
        given = json.loads(line)
        made = trees.write("/", trees.after(given["tree"], given["planned"]))
        try:
            answers = answer(given)
        finally:
            trees.remove(made)
        print(json.dumps(answers), file=out, flush=True)
