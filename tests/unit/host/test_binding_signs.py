# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.host.binding_signs import (
    LIKELY,
    SURE,
    UNKNOWN,
    Signs,
    judge,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BINDINGS

#: 100 sockets of which nothing is known.
NOTHING = Signs(100, None, None, True, 0, 0, 0, None, 0, 0, 0)

NUMBERS = st.integers(0, 100)
MAYBE = st.sampled_from([None, False, True])
SIGNS = st.builds(
    Signs, st.integers(1, 100), MAYBE, MAYBE, st.booleans(), NUMBERS, NUMBERS, NUMBERS, st.none() | NUMBERS, NUMBERS,
    NUMBERS, st.integers(0, 3),
)  # fmt: skip


@given(SIGNS)
def test_sure_is_only_what_the_kernel_shows(signs):
    verdict = judge(signs)
    shown = signs.no_port or signs.chosen or signs.taken or signs.shared or (signs.crowded and signs.off_route)
    assert verdict.certainty != SURE or shown
    # Nothing tells whose the route's own address is.
    assert verdict.certainty != SURE or verdict.binding != "bind" or (signs.off_route and signs.plain)
    assert verdict.certainty != SURE or verdict.possible == (verdict.binding,)
    assert (verdict.binding is None) == (verdict.certainty == UNKNOWN)
    assert set(verdict.possible) <= set(BINDINGS)
    assert verdict.binding is None or verdict.binding == verdict.possible[0]
    assert verdict.why


@pytest.mark.parametrize(
    ("signs", "binding", "certainty"),
    [
        ({}, None, UNKNOWN),
        ({"no_port": True}, "bind_no_port", SURE),
        # The option was set after bind().
        ({"no_port": True, "off_route": True, "taken": 4}, "bind", LIKELY),
        ({"no_port": True, "off_route": True, "taken": 3}, "bind_no_port", LIKELY),
        ({"no_port": True, "off_route": True, "taken": 4, "chosen": 1}, "bind_no_port", SURE),
        ({"no_port": True, "crowded": 9, "last": 9}, "bind_no_port", SURE),
        ({"no_port": False, "off_route": False, "chosen": 4}, "autobind", SURE),
        ({"no_port": False, "off_route": False, "chosen": 3}, "autobind", LIKELY),
        ({"connections": 2, "no_port": False, "off_route": False, "chosen": 2}, "autobind", SURE),
        ({"no_port": False, "off_route": None, "chosen": 4}, "autobind", LIKELY),
        ({"no_port": False, "off_route": True, "chosen": 4}, "autobind", LIKELY),
        ({"no_port": None, "off_route": True, "chosen": 4}, "bind_no_port", LIKELY),
        ({"no_port": None, "off_route": False, "chosen": 4}, "autobind", LIKELY),
        ({"no_port": False, "off_route": True, "taken": 4}, "bind", SURE),
        ({"no_port": False, "off_route": True, "taken": 4, "plain": False}, "bind", LIKELY),
        ({"no_port": False, "off_route": False, "taken": 4}, "bind", LIKELY),
        ({"no_port": False, "off_route": False, "taken": 4, "sources": 2}, "bind_any", LIKELY),
        ({"no_port": False, "off_route": False, "taken": 4, "chosen": 1}, "bind", LIKELY),
        ({"no_port": False, "off_route": False, "taken": 1, "chosen": 4}, "autobind", LIKELY),
        ({"no_port": False, "off_route": True, "crowded": 4}, "bind", SURE),
        ({"no_port": False, "off_route": True, "taken": 1, "crowded": 3}, "bind", SURE),
        ({"no_port": False, "off_route": True, "taken": 1, "crowded": 2}, "bind", LIKELY),
        ({"no_port": False, "off_route": False, "crowded": 4}, "bind", LIKELY),
        ({"no_port": None, "off_route": True, "crowded": 4}, "bind", LIKELY),
        ({"no_port": False, "off_route": False, "shared": 4}, "autobind", SURE),
        ({"no_port": False, "off_route": False, "shared": 1}, "autobind", LIKELY),
        ({"no_port": False, "off_route": False, "first": 29, "last": 1}, "autobind", LIKELY),
        ({"no_port": False, "off_route": False, "first": 1, "last": 29}, "bind", LIKELY),
        ({"no_port": False, "off_route": False, "first": 20, "last": 10}, None, UNKNOWN),
        ({"no_port": False, "off_route": False, "first": 7}, None, UNKNOWN),
        ({"no_port": False, "off_route": True}, "bind", LIKELY),
        ({"no_port": None, "off_route": True}, None, UNKNOWN),
    ],
)
def test_what_signs_say(signs, binding, certainty):
    assert judge(NOTHING._replace(**signs))[:2] == (binding, certainty)
