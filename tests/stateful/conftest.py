# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import sys

_TESTS = pathlib.Path(__file__).parents[1]

# The recorded hosts, the sandbox, and what stands beside this file.
sys.path[:0] = [str(_TESTS / name) for name in ("hosts", "sandbox", "stateful")]
