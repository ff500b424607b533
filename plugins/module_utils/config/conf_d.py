# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of files that a program reads together, such as conf.d."""

from __future__ import annotations

import os
import re
import typing as t

#: What gives the names in a directory: Host.list, or Host.names to go on without one that cannot be read.
Names = t.Callable[[str], t.Sequence[str]]

#: The end of a line as systemd has it: read_line_full takes each of these, once, as part of one (src/basic/fileio.c).
END_OF_LINE = re.compile("\n\r?\0?|\r\n?\0?|\0")


def named(names: Names, directory: str, suffix: str = ".conf", hidden: bool = False) -> t.List[str]:
    """Return the paths of what a directory has under such a name; no backup of an editor.

    hidden: with those that begin with a dot, which most programs pass over
    """
    found = [name for name in names(directory) if name.endswith(suffix) and not name.endswith("~")]
    return ["%s/%s" % (directory, name) for name in found if hidden or not name.startswith(".")]


def in_order(names: Names, directories: t.Iterable[str], suffix: str = ".conf", hidden: bool = False) -> t.List[str]:
    """Return the files of such a name, sorted by their bytes; of equal names the first directory's."""
    path_of: t.Dict[str, str] = {}
    for directory in directories:
        for path in named(names, directory, suffix, hidden):
            path_of.setdefault(os.path.basename(path), path)
    return [path_of[name] for name in sorted(path_of, key=os.fsencode)]
