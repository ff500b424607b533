# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as people report them: each test here is such a case, reduced to the few files that matter."""

from __future__ import annotations

import pathlib
import sys

_TESTS = pathlib.Path(__file__).parents[1]

# limits_builder, and the recorded hosts.
sys.path += [str(_TESTS / "unit"), str(_TESTS / "hosts")]
