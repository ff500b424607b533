# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranges of whole numbers, of ports as of addresses. Both ends belong to a range."""

from __future__ import annotations

import bisect
import typing as t

#: First and last number.
Range = t.Tuple[int, int]


def merged(ranges: t.Iterable[Range]) -> t.List[Range]:
    """Return the same numbers as ranges that ascend, none of which overlaps another or touches it."""
    found: t.List[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def of_numbers(numbers: t.Iterable[int]) -> t.List[Range]:
    return merged((number, number) for number in numbers)


def count(ranges: t.Iterable[Range]) -> int:
    """Return how many numbers there are in ranges that do not overlap."""
    return sum(last - first + 1 for first, last in ranges)


def covers(ranges: t.Iterable[Range], number: int) -> bool:
    return any(first <= number <= last for first, last in ranges)


def overlap(one: Range, other: Range) -> t.Optional[Range]:
    """Return what two ranges share, None for nothing."""
    first, last = max(one[0], other[0]), min(one[1], other[1])
    return (first, last) if first <= last else None


def without(one: Range, others: t.Iterable[Range]) -> t.List[Range]:
    """Return what of one range is in none of the others."""
    first, last = one
    found = []
    for low, high in merged(others):
        if low > last:
            break
        if first < low:
            found.append((first, low - 1))
        first = max(first, high + 1)
    return found + ([(first, last)] if first <= last else [])


def first_numbers(ranges: t.Iterable[Range], maximum: int) -> t.List[Range]:
    """Return the first ``maximum`` numbers of ranges that do not overlap."""
    found = []
    for first, last in ranges:
        if maximum <= 0:
            break
        found.append((first, min(last, first + maximum - 1)))
        maximum -= last - first + 1
    return found


def text(one: Range, name: t.Callable[[int], object] = int) -> str:
    """Return ``7`` or ``7-9``. name: what a number is written as"""
    first, last = one
    return str(name(first)) if first == last else "%s-%s" % (name(first), name(last))


class Collected:
    """Numbers that come in ranges, of which each counts once."""

    def __init__(self) -> None:
        # Ranges that ascend, none of which overlaps another or touches it.
        self._firsts: t.List[int] = []
        self._lasts: t.List[int] = []

    def add(self, one: Range) -> t.List[Range]:
        """Take the numbers of ``one``, and return those that are new."""
        first, last = one
        # Those that overlap it, or touch it, become one with it.
        begin, end = bisect.bisect_left(self._lasts, first - 1), bisect.bisect_right(self._firsts, last + 1)
        known = list(zip(self._firsts[begin:end], self._lasts[begin:end]))
        (joined,) = merged([one, *known])
        self._firsts[begin:end], self._lasts[begin:end] = [joined[0]], [joined[1]]
        return without(one, known)


def difference(ones: t.Iterable[Range], others: t.Iterable[Range]) -> t.List[Range]:
    """Return the numbers of ``ones`` that are not in ``others``, in a time that grows with their number."""
    found: t.List[Range] = []
    holes = merged(others)
    position = 0
    for first, last in merged(ones):
        while position < len(holes) and holes[position][1] < first:
            position += 1
        end = position
        while end < len(holes) and holes[end][0] <= last:
            end += 1
        found += without((first, last), holes[position:end])
    return found
