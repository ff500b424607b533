# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What judges the collection shares nothing with it: an error in a rule must not be its own excuse."""

from __future__ import annotations

import ast
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).parents[1]

#: The promises, what files mean, the hosts that runs are stopped on, and what asks the kernel, PAM and systemd.
JUDGES = [
    *(TESTS / "stateful" / name for name in ("oracle.py", "machine.py")),
    *(TESTS / "crash" / name for name in ("crash.py", "fault.py", "recorder")),
    TESTS / "sandbox/sandbox.py",
    TESTS / "differential/trees.py",
    *sorted((TESTS / "differential/oracles").glob("*.py")),
]
#: Beside each other and the standard library.
ALLOWED = {"hypothesis", "oracles"}


def imported(source: str) -> set[str]:
    """Return the top names of what a source imports, from anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("path", JUDGES, ids=lambda path: str(path.relative_to(TESTS)))
def test_a_judge_has_nothing_of_the_collections(path: pathlib.Path) -> None:
    judges = {judge.stem for judge in JUDGES}
    assert imported(path.read_text()) <= sys.stdlib_module_names | judges | ALLOWED


def test_what_the_test_sees() -> None:
    source = "import os.path\ndef f():\n    from ansible_collections.fourtuple.clients.plugins import modules\n"
    assert imported(source) == {"os", "ansible_collections"}
