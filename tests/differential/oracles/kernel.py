# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel that runs makes of a text: written by write(2) to keys that a network namespace of its own has."""

from __future__ import annotations

import ctypes
import json
import os
import sys

_CLONE_NEWNET = 0x40000000


def write(key: str, text: str) -> tuple[str, str, int]:
    """Return the value before and after, white space folded, and the error number of the write, 0 for none."""
    path = "/proc/sys/" + key.replace(".", "/")
    before, number = _value(path), 0
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, text.encode("latin-1"))
    except OSError as error:
        number = error.errno or 0
    finally:
        os.close(file)
    return before, _value(path), number


def _value(path: str) -> str:
    with open(path, encoding="ascii") as stream:
        return " ".join(stream.read().split())


if __name__ == "__main__":
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    # What is seen of /proc/sys/net is that of the process that looks.
    json.dump([write(key, text) for key, text in json.load(sys.stdin)], sys.stdout)
