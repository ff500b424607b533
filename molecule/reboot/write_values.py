# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a host, as root, with a list of [key, text] in base64: write each, and print, as JSON, what came of it.

That is for each the value before and after, and the error number of write(2). Every key has its value back at once.
"""

from __future__ import annotations

import base64
import json
import os
import sys


def value(path):
    """Return what the key has, its white space folded."""
    with open(path, encoding="ascii") as stream:
        return " ".join(stream.read().split())


def write(path, text):
    """Return the error number of one write(2), 0 for none."""
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, text.encode("latin-1"))
    except OSError as error:
        return error.errno
    finally:
        os.close(file)
    return 0


answers = []
for key, text in json.loads(base64.b64decode(sys.argv[1])):
    path = "/proc/sys/" + key.replace(".", "/")
    before = value(path)
    number = write(path, text)
    answers.append([before, value(path), number])
    write(path, before)
    assert value(path) == before, (key, text, before, value(path))
json.dump(answers, sys.stdout)
