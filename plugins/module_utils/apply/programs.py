# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the host that a change is carried out with."""

from __future__ import annotations

import typing as t


class ProgramFailed(Exception):
    """A program is missing, or has failed: says what it said."""


class Programs(t.NamedTuple):
    """How to find a program and to run it; a module gives AnsibleModule's own ways.

    find: the path of a program, None where it is not installed
    run:  runs a command with the text for its standard input, and returns its status, output and errors
    """

    find: t.Callable[[str], t.Optional[str]]
    run: t.Callable[[t.Sequence[str], t.Optional[str]], t.Tuple[int, str, str]]
