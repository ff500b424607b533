# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python text in namespaces of its own, which end with the test however that ends."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t

import pytest

#: For a test in namespaces of its own: skipped without root, and left to `make unit` by `make test-quick`.
needs_root = pytest.mark.root

#: unshare(1) dies with this process (PR_SET_PDEATHSIG, prctl(2)), and what it started with it.
_OURS = ("setpriv", "--pdeathsig", "KILL")
_NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def inside(script: str, timeout: float, before: t.Sequence[str] = ()) -> None:
    """Run a script, whose first argument is sys.path as JSON; ``before``: a command that runs the rest."""
    done = subprocess.run(
        [*_OURS, *before, *_NAMESPACES, sys.executable, "-c", script, json.dumps(sys.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout
