# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranges against sets of the same numbers, which need no arithmetic."""

from __future__ import annotations

import ipaddress
import itertools

import hypothesis
import hypothesis.strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.values import ranges

RANGE = st.tuples(st.integers(0, 40), st.integers(0, 10)).map(lambda pair: (pair[0], sum(pair)))
RANGES = st.lists(RANGE, max_size=8)


def numbers(several: list[ranges.Range]) -> set[int]:
    return {number for first, last in several for number in range(first, last + 1)}


@hypothesis.given(RANGES)
def test_merged_has_the_same_numbers_in_as_few_ranges_as_there_can_be(several: list[ranges.Range]) -> None:
    found = ranges.merged(several)
    assert numbers(found) == numbers(several)
    assert all(one[1] + 1 < other[0] for one, other in itertools.pairwise(found))
    assert ranges.of_numbers(numbers(several)) == found
    assert ranges.count(found) == len(numbers(several))


@hypothesis.given(RANGES, st.integers(0, 50))
def test_covers(several: list[ranges.Range], number: int) -> None:
    assert ranges.covers(several, number) == (number in numbers(several))


@hypothesis.given(RANGE, RANGE)
def test_overlap(one: ranges.Range, other: ranges.Range) -> None:
    shared = ranges.overlap(one, other)
    assert numbers([shared] if shared else []) == numbers([one]) & numbers([other])


@hypothesis.given(RANGE, RANGES)
def test_without(one: ranges.Range, others: list[ranges.Range]) -> None:
    found = ranges.without(one, others)
    assert numbers(found) == numbers([one]) - numbers(others)
    assert found == ranges.merged(found)


@hypothesis.given(RANGES, st.integers(-1, 60))
def test_first_numbers(several: list[ranges.Range], maximum: int) -> None:
    merged = ranges.merged(several)
    assert numbers(ranges.first_numbers(merged, maximum)) == set(sorted(numbers(merged))[: max(0, maximum)])


def test_text() -> None:
    assert [ranges.text(one) for one in ((7, 7), (7, 9))] == ["7", "7-9"]
    assert ranges.text((3221225985, 3221225986), ipaddress.IPv4Address) == "192.0.2.1-192.0.2.2"
