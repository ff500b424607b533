# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""100 usable ports (110, of which 10 are reserved) and three source addresses: the ceilings, exactly."""

from __future__ import annotations

import pytest

ONE = ["198.51.100.10"]
THREE = ["198.51.100.10", "203.0.113.1", "203.0.113.2"]


@pytest.mark.parametrize(
    ("binding", "sources", "destinations", "ceiling", "error"),
    [
        # A client that does not bind has one source address, however many the host has.
        ("autobind", [], 1, 100, "EADDRNOTAVAIL"),
        ("autobind", [], 2, 200, "EADDRNOTAVAIL"),
        # A plain bind takes its port whatever the destination.
        ("bind", ONE, 1, 100, "EADDRINUSE"),
        ("bind", ONE, 2, 100, "EADDRINUSE"),
        ("bind", THREE, 1, 300, "EADDRINUSE"),
        ("bind", THREE, 2, 300, "EADDRINUSE"),
        ("bind_no_port", ONE, 1, 100, "EADDRNOTAVAIL"),
        ("bind_no_port", ONE, 2, 200, "EADDRNOTAVAIL"),
        ("bind_no_port", THREE, 1, 300, "EADDRNOTAVAIL"),
        ("bind_no_port", THREE, 2, 600, "EADDRNOTAVAIL"),
    ],
)
def test_ceiling(hold, predict, binding: str, sources: list[str], destinations: int, ceiling: int, error: str) -> None:
    assert hold(binding, sources, destinations) == (ceiling, [error])
    if sources != ONE:  # the host has three, and the model counts what it has
        assert predict(binding, destinations) == ceiling
