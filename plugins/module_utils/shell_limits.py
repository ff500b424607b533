# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What login shells make of nofile after pam_limits: the ulimit lines of their start-up files (bash(1), INVOCATION)."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.reading import Reading

_FILES = ("/etc/profile", "/etc/bash.bashrc", "/etc/bashrc", "/etc/zsh/zprofile", "/etc/zprofile")
_DIRECTORY = "/etc/profile.d"

#: The command where a command can stand, up to the end of it.
_COMMAND = re.compile(r"(?:^|[;&|({]|\b(?:then|else|do)\s)\s*ulimit\s+([^;&|#>)}\n]*)")


class Line(t.NamedTuple):
    """A line that sets nofile; whether its condition, or the file, is ever reached is not looked into."""

    path: str
    line: int
    value: str


def lines(reading: Reading) -> t.List[Line]:
    """Return the lines of the start-up files of every user's shell that set nofile."""
    scripts = ["%s/%s" % (_DIRECTORY, name) for name in reading.names(_DIRECTORY) if name.endswith(".sh")]
    found = []
    for path in [*_FILES, *scripts]:
        for number, text in enumerate((reading.text(path) or "").split("\n"), start=1):
            values = [] if text.lstrip().startswith("#") else [_nofile(match) for match in _COMMAND.findall(text)]
            found += [Line(path, number, value) for value in values if value is not None]
    return found


def _nofile(arguments: str) -> t.Optional[str]:
    """Return the value behind -n, as in ``-SHn 65535``, ``-c 0 -n 65535`` or ``-n65535``; None where none is set."""
    words = arguments.split()
    for index, word in enumerate(words):
        match = re.fullmatch(r"-[SH]*n[SH]*([0-9]*)", word)
        if match is not None:
            value = match.group(1) or "".join(words[index + 1 : index + 2])
            return value if value and not value.startswith("-") else None
    return None
