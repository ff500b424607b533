# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ceilings of hosts that nobody has tuned, or that are untuned again."""

from __future__ import annotations

import typing as t

Result = dict[str, t.Any]


def test_forty_ports_and_one_source_address_of_each_family(exact: Result) -> None:
    held = {probe["item"]: probe["established"] for probe in exact["found"]["probes"]}
    assert held == {"autobind": 160, "bind": 80, "bind_no_port": 160}


def test_the_port_range_of_the_kernel(stock: Result) -> None:
    """32768 to 60999, to one destination."""
    assert stock["autobind"]["established"] == 28232
    assert stock["all_sources"]["established"] == 28232
