# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that somebody has, and what to write where a list or a pool names one of them.

An entry is ``{"address": ..., "whose": ...}``: an address, a range or a prefix, and whose it is in words that follow
"It is".
"""

from __future__ import annotations

import bisect
import ipaddress
import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import address_set, ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import MAKE, Address, Piece, Run
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

Entry = t.Mapping[str, str]

ALLOWED = "addresses that nobody else has"

#: More ranges than this nobody would copy out of a message.
_MAX_PIECES = 16


class Whose(t.Protocol):
    """Whatever tells whose an address is."""

    def whose(self, address: Address) -> t.Optional[str]:
        """Return whose an address is, None where nobody is known to have it."""

    def within(self, run: Run) -> t.List[ranges.Range]:
        """Return what of ``run`` somebody has, as first and last numbers in no order."""


class Taken:
    """Whose an address is. Of two entries with one address the first is told."""

    def __init__(self, entries: t.Iterable[Entry]) -> None:
        self._single: t.Dict[t.Tuple[int, int], str] = {}
        self._runs: t.List[t.Tuple[int, int, int, str]] = []
        for entry in entries:
            run = address_set.run_of(entry["address"])
            if run is None:
                continue
            if run[1] == run[2]:
                self._single.setdefault(run[:2], entry["whose"])
            else:
                self._runs.append((*run, entry["whose"]))
        self._runs = _disjoint(self._runs)

    def whose(self, address: Address) -> t.Optional[str]:
        """Return whose an address is, None where nobody is known to have it."""
        version, number = address.version, int(address)
        found = self._single.get((version, number))
        if found is None:
            # No entry sorts behind this one and begins at or before the number.
            index = bisect.bisect_right(self._runs, (version, number, 1 << 128, ""))
            if index and self._runs[index - 1][0] == version and number <= self._runs[index - 1][2]:
                found = self._runs[index - 1][3]
        return found

    def within(self, run: Run) -> t.List[ranges.Range]:
        """Return what of ``run`` somebody has, as first and last numbers in no order."""
        known = [(family, number, number) for family, number in self._single]
        known += [(family, low, high) for family, low, high, _whose in self._runs]
        shared = (ranges.overlap(run[1:], one[1:]) for one in known if one[0] == run[0])
        return [one for one in shared if one is not None]


def _disjoint(runs: t.Iterable[t.Tuple[int, int, int, str]]) -> t.List[t.Tuple[int, int, int, str]]:
    """Return ``runs`` in order, each without what those before it have."""
    found: t.List[t.Tuple[int, int, int, str]] = []
    for version, first, last, whose in sorted(runs):
        begin = max(first, found[-1][2] + 1) if found and found[-1][0] == version else first
        if begin <= last:
            found.append((version, begin, last, whose))
    return found


def refuse(where: str, entries: t.Sequence[object], added: t.Iterable[Piece], taken: Whose) -> None:
    """Refuse a list that names an address which somebody has.

    where, entries: the list's name, and what stands in it
    added: of what address_set.pieces() made of both what would be added: not what the host has from someone else
    raises: Refusal, with whose it is, and what to write instead
    """
    for piece in added:
        # Of one address it is found at once; a run is compared with everything that is known.
        had = [piece.run[1:]] if piece.size == 1 else taken.within(piece.run)
        for first, _last in sorted(had):
            # within() also tells what is the host's own.
            address = MAKE[piece.version](first)
            whose = taken.whose(address)
            if whose is not None:
                entry = entries[address_set.index_of(where, piece.place)]
                remedy = "It is %s. %s" % (whose, without(entry, taken.within))
                raise Refusal(piece.place, str(address), ALLOWED, remedy)


def without(entry: object, within: t.Callable[[Run], t.Iterable[ranges.Range]], shared: str = "") -> str:
    """Return the sentence that says how to leave out of an entry what others have.

    within: gives of a run the parts (first, last) that somebody has
    shared: who has to change it, behind a blank
    """
    run = address_set.run_of(entry)
    if run is None or run[1] == run[2]:
        return "Remove it%s." % (shared or " from the list")
    pieces = _rest(run, within(run))
    if not pieces:
        return "Remove the entry %r%s: others have all of it." % (entry, shared)
    if len(pieces) > _MAX_PIECES:
        return "Write ranges that leave it out in place of %r%s." % (entry, shared)
    return "Write %s in place of %r%s." % (", ".join(pieces), entry, shared)


def _rest(run: Run, out: t.Iterable[ranges.Range]) -> t.List[str]:
    """Return, as entries of a list, what of ``run`` is in none of ``out``."""
    return [ranges.text(piece, MAKE[run[0]]) for piece in ranges.without(run[1:], out)]


def plain(text: object) -> t.Optional[str]:
    """Return the address that a text is, without a zone and IPv4 as such; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)
