# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forty ports, one source address: the ceiling of a host that nobody has tuned, or that is untuned again."""

from __future__ import annotations

import pytest

PRIMARY = ["198.51.100.10"]


@pytest.mark.parametrize(
    ("binding", "sources", "destinations", "ceiling", "error"),
    [
        ("autobind", [], 1, 40, "EADDRNOTAVAIL"),
        ("autobind", [], 2, 80, "EADDRNOTAVAIL"),
        ("bind", PRIMARY, 2, 40, "EADDRINUSE"),
        ("bind_no_port", PRIMARY, 2, 80, "EADDRNOTAVAIL"),
    ],
)
def test_ceiling(hold, binding: str, sources: list[str], destinations: int, ceiling: int, error: str) -> None:
    assert hold(binding, sources, destinations) == (ceiling, [error])
