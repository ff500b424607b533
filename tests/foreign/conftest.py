# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import sys

import pytest

_TESTS = pathlib.Path(__file__).parents[1]

# The recorded hosts, and what carries out the roles on a folder.
sys.path[:0] = [str(_TESTS / name) for name in ("hosts", "sandbox", "stateful")]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-said", action="store_true", help="write anew what is said of each host")
