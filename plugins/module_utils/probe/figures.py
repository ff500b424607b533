# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a probe: the kernel's memory, and how long answers took."""

from __future__ import annotations

import typing as t


def slab_bytes() -> int:
    """Return the bytes of the kernel's slabs."""
    with open("/proc/meminfo", encoding="ascii") as stream:
        for line in stream:
            if line.startswith("Slab:"):
                return int(line.split()[1]) * 1024
    return 0


def percentiles(microseconds: t.Sequence[int]) -> t.Dict[str, t.Optional[int]]:
    """Return the median and the 99th percentile, in microseconds, None of nothing."""
    found = sorted(microseconds)
    if not found:
        return {"p50": None, "p99": None}
    return {"p50": found[len(found) // 2], "p99": found[min(len(found) - 1, len(found) * 99 // 100)]}
