# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.probe import figures


@given(st.lists(st.integers(0, 10**7), min_size=1))
def test_percentiles(microseconds):
    found = figures.percentiles(microseconds)
    below = sum(1 for each in microseconds if each < found["p50"])
    above = sum(1 for each in microseconds if each > found["p50"])
    assert max(below, above) <= len(microseconds) / 2
    assert sum(1 for each in microseconds if each > found["p99"]) <= len(microseconds) / 100
    assert found["p50"] in microseconds
    assert found["p50"] <= found["p99"] <= max(microseconds)


def test_percentiles_of_nothing():
    assert figures.percentiles([]) == {"p50": None, "p99": None}
    assert figures.percentiles(range(1, 101)) == {"p50": 51, "p99": 100}
