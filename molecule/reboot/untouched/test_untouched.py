# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An untuned host that has booted since is what it was before the first run, and so is each new session."""

from __future__ import annotations

import typing as t

State = dict[str, dict[str, t.Any]]


#: Each start of a unit has its own.
PASSING = {"InvocationID"}


def test_host_is_as_before(state: State, untouched: State) -> None:
    assert {
        (topic, name, str(untouched[topic].get(name, "absent")), str(state[topic].get(name, "absent")))
        for topic in untouched
        for name in (untouched[topic].keys() | state[topic].keys()) - PASSING
        if untouched[topic].get(name) != state[topic].get(name)
    } == set()
