# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ceilings of tuned hosts: what the plan promised, and the figures that the documentation tells."""

from __future__ import annotations

import typing as t

import pytest

Result = dict[str, t.Any]


@pytest.mark.parametrize(
    ("binding", "sources", "destinations", "reserved", "ceiling"),
    [
        ("autobind", 1, 1, False, 100),
        ("autobind", 1, 2, False, 200),
        ("bind", 1, 2, False, 100),
        ("bind", 3, 1, False, 300),
        ("bind_no_port", 1, 2, False, 200),
        ("bind_no_port", 3, 2, False, 600),
        ("bind_no_port", 1, 2, True, 180),
    ],
)
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_hundred_ports(
    exact: Result, family: str, binding: str, sources: int, destinations: int, reserved: bool, ceiling: int
) -> None:
    """Ten of which are reserved, or none."""
    held = [
        probe["established"]
        for state in exact["states"]
        for probe in state["probes"]
        if (state["sources"], bool(state["reserved"])) == (sources, reserved)
        if probe["item"] == [binding, destinations, family]
    ]
    assert held == [ceiling]


def test_the_plan_for_a_hundred_ports(exact: Result) -> None:
    """Three source addresses and two destinations of each family, ten ports reserved: the target, to the last one."""
    held = {probe["item"]: probe["established"] for probe in exact["found"]["probes"]}
    assert held == {"autobind": 360, "bind": 540, "bind_no_port": 1080}


def test_the_plan_for_a_hundred_thousand(stock: Result) -> None:
    """50,000 ports of each of two source addresses, to one destination."""
    assert stock["autobind"]["established"] == 50000
    assert stock["all_sources"]["established"] == 100000


def test_the_limit_of_a_user(stock: Result) -> None:
    assert stock["user"]["nofile"] == 16384
    assert stock["user"]["first_limit"] == "nofile"
    assert stock["user"]["established"] == 16384 - stock["user"]["descriptors"]
