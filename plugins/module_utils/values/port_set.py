# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of ports: the local port range, the reserved ports, and the ports that listen."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import ranges
from ansible_collections.fourtuple.clients.plugins.module_utils.values.kernel_number import read_number
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal, whole_number

HIGHEST_PORT = 65535

#: Of an unsigned long: one of 32 bits refuses what is above every port, too.
_WORD_SIZE = 64


def parse_ports(where: str, entries: t.Iterable[object]) -> t.Set[int]:
    """Return the ports that a list of ports and ranges names, such as ``[8080, "9000-9010"]``."""
    ports: t.Set[int] = set()
    for index, entry in enumerate(entries):
        place = "%s[%d]" % (where, index)
        remedy = "Write a port (8080) or a range (9000-9010)."
        first, dash, last = entry.partition("-") if isinstance(entry, str) else (entry, "", None)
        low = whole_number(place, first, 1, HIGHEST_PORT, remedy)
        high = whole_number(place, last, 1, HIGHEST_PORT, remedy) if dash else low
        if high < low:
            raise Refusal(place, entry, "a range whose first port is not above its last", "Swap the two ends.")
        ports.update(range(low, high + 1))
    return ports


def parse_kernel_list(text: str) -> t.Set[int]:
    """Return the ports that the kernel makes of net.ipv4.ip_local_reserved_ports, none where it refuses the text."""
    return read_kernel_list(text.encode("utf-8", "surrogateescape")) or set()


def read_kernel_list(data: bytes) -> t.Optional[t.Set[int]]:
    """Return the ports of ``8080,9000-9010`` as it is written to the key, None where the kernel refuses it.

    proc_do_large_bitmap (kernel/sysctl.c): ends of lines separate as commas do, other white space does not, and port
    0 is one.
    """
    runs: t.Set[ranges.Range] = set()
    place = _skip_ends_of_lines(data, 0)
    while place < len(data):
        first = last = read_number(data, place, _WORD_SIZE, b"-,\n")
        if first is not None and data[first.end : first.end + 1] == b"-":
            last = read_number(data, first.end + 1, _WORD_SIZE, b",\n\0")
        if first is None or last is None or first.negative or last.negative:
            return None
        if not first.size <= last.size <= HIGHEST_PORT:
            return None
        runs.add((first.size, last.size))
        place = _skip_ends_of_lines(data, last.end + 1)
    return {port for first, last in ranges.merged(runs) for port in range(first, last + 1)}


def _skip_ends_of_lines(data: bytes, place: int) -> int:
    while data[place : place + 1] == b"\n":
        place += 1
    return place


def format_kernel_list(ports: t.Iterable[int]) -> str:
    """Return ``ports`` as the kernel prints them: ascending, neighbours joined to ranges."""
    return ",".join(map(ranges.text, ranges.of_numbers(ports)))


def parse_range(where: str, value: object) -> ranges.Range:
    """Return (low, high) of a local port range given as ``"1024 65535"``, ``"1024-65535"`` or ``[1024, 65535]``."""
    allowed = "two ports from 1 to %d, the first not above the last" % HIGHEST_PORT
    remedy = 'Write it as "1024 65535".'
    parts = value.replace("-", " ").split() if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or len(parts) != 2:
        raise Refusal(where, value, allowed, remedy)
    low, high = (whole_number(where, part, 1, HIGHEST_PORT, remedy) for part in parts)
    # One port is a range: the kernel refuses range[1] < range[0] only (net/ipv4/sysctl_net_ipv4.c).
    if low > high:
        raise Refusal(where, value, allowed, "Swap the two ends.")
    return low, high


def to_reserve(
    present: t.Iterable[t.Optional[str]], asked: t.Set[int], in_use: t.Set[int], low: int, high: int
) -> t.Set[int]:
    """Return every port to reserve; a write replaces the whole list, so ours holds everybody's.

    present: lists as the kernel prints them, of those reserved already, now and by the next reboot
    asked:   the ports that the operator names
    in_use:  the ports that somebody else waits on or will want, of which those from ``low`` to ``high`` count, the
             local port range: the kernel chooses no others
    """
    found = asked | {port for port in in_use if low <= port <= high}
    return found.union(*(parse_kernel_list(text or "") for text in present))
