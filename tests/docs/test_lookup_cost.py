# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of docs/lookup-cost.json, the tables of the guide, and the plot are the same measurement."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import re
import statistics
import types
import typing as t
import xml.etree.ElementTree as ET

import pytest
from documented import ROOT

SVG = "{http://www.w3.org/2000/svg}"


def load_bench() -> types.ModuleType:
    loader = importlib.machinery.SourceFileLoader("lookup_cost", str(ROOT / "tests/bench/lookup_cost"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("lookup_cost", loader))
    # The program's own directory gets no bytecode.
    exec(loader.get_code("lookup_cost"), module.__dict__)  # noqa: S102 the repository's own file
    return module


BENCH = load_bench()
FOUND = json.loads((ROOT / "docs/lookup-cost.json").read_text(encoding="ascii"))
GUIDE = (ROOT / "docs/lookup-cost.md").read_text(encoding="utf-8")
PLOT = (ROOT / "docs/lookup-cost.svg").read_text(encoding="utf-8")
DRAWN = ET.fromstring(PLOT)  # noqa: S314 written by the bench
ROWS = FOUND["connections"] + FOUND["chains"]


def numbers_in(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


@pytest.mark.parametrize("name", ["connections", "chains"])
def test_the_guide_has_the_table_of_the_figures(name: str) -> None:
    assert GUIDE.count(BENCH.tables_of(FOUND)[name]) == 1
    assert BENCH.with_tables(GUIDE, FOUND) == GUIDE


def test_other_figures_would_change_the_guide_and_the_plot() -> None:
    other = json.loads(json.dumps(FOUND))
    other["connections"][-1]["p50"] += 1
    other["chains"][0]["p99"] += 1
    changed = BENCH.with_tables(GUIDE, other)
    assert [old == new for old, new in zip(GUIDE.splitlines(), changed.splitlines(), strict=True)].count(False) == 2
    assert BENCH.plot(other) != PLOT


def test_the_plot_is_drawn_from_the_figures() -> None:
    assert BENCH.plot(FOUND) == PLOT


def test_every_figure_is_a_point_of_the_plot() -> None:
    told = [numbers_in(title.text or "") for title in DRAWN.iter(SVG + "title")]
    wanted = [[row["connections"], number, round(row[which], 1)] for row, which, number in points("connections")]
    wanted += [
        [float(BENCH.chain(row["chain"])), number, round(row[which], 1)] for row, which, number in points("chains")
    ]
    assert sorted(told) == sorted(wanted)


def points(which: str) -> t.Iterator[tuple[dict[str, t.Any], str, float]]:
    for row in FOUND[which]:
        yield row, "p50", 50
        yield row, "p99", 99


def test_a_higher_point_is_a_larger_figure() -> None:
    for shape, place in (("circle", "cy"), ("rect", "y")):
        for percentile in (" p50 ", " p99 "):
            for group in (" connections, ", "chains of "):
                drawn = [
                    (float(element.get(place, "")), numbers_in(title.text or "")[-1])
                    for element in DRAWN.iter(SVG + shape)
                    if (title := element.find(SVG + "title")) is not None
                    and percentile in (title.text or "")
                    and group in (title.text or "")
                ]
                heights = [height for height, _value in sorted(drawn, key=lambda pair: pair[1])]
                assert heights == sorted(heights, reverse=True)


def test_medians_are_those_of_the_passes() -> None:
    for row in ROWS:
        for which in ("p50", "p99"):
            assert row[which] == statistics.median(row[which + "_of_passes"])
        assert row["chain"] == pytest.approx((row["connections"] + row["others"]) / row["buckets"], abs=1e-4)


def test_both_tables_were_measured_at_the_same_numbers() -> None:
    of = {
        name: [row["connections"] for row in FOUND["connections"] if row["table"] == name and not row.get("most")]
        for name in ("default", "large")
    }
    assert of["default"] == of["large"] == [1000, 100000, 1000000]
    most = {row["table"]: row["connections"] for row in FOUND["connections"] if row.get("most")}
    assert most.keys() == of.keys()
    assert min(most.values()) > 5000000


def test_the_guide_says_where_it_was_measured() -> None:
    assert FOUND["kernel"].split("-")[0] in GUIDE
    assert "lookup-cost.svg" in GUIDE
    assert "lookup-cost.json" in GUIDE
