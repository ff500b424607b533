# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host before the first run: what the other stages compare with, and that they would find something."""

from __future__ import annotations

import typing as t

State = dict[str, dict[str, t.Any]]


def test_nothing_has_the_limits_yet(state: State, keep: t.Callable[[State], None]) -> None:
    keep(state)
    assert {session: limits for session, limits in state["limit"].items() if 2000000 in limits} == {}
    assert [path for path in state["file"] if "fourtuple" in path] == []
