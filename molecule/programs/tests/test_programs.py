# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real programs held, against what the plan had promised, and what an audit said of them meanwhile."""

from __future__ import annotations

import collections
import json
import os
import pathlib
import sys
import typing as t

import pytest

from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import pressure

FOLDER = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
DESTINATIONS = {"198.51.100.1:8001", "198.51.100.1:8002"}
#: The ports of the hosts before and after.
PORTS = {"untuned": 50, "tuned": 100}
#: How many times each port is used: of 2 destinations, and of 3 source addresses where the program binds them.
TIMES = {"autobind": 2, "bind": 3, "bind_no_port": 6, "bind_any": 1}

Result = dict[str, t.Any]


class Expected(t.NamedTuple):
    """``kind``, ``program``: the name; then how it binds once it has the lines, and how without."""

    kind: str
    program: str
    tuned: str
    untuned: str = "autobind"


PROGRAMS = {
    "haproxy": Expected("unit", "haproxy.service", "bind_no_port"),
    "nginx": Expected("unit", "nginx.service", "bind_no_port"),
    "squid": Expected("unit", "squid.service", "bind"),
    "go": Expected("unit", "go.service", "bind"),
    "java": Expected("unit", "java.service", "bind"),
    "node": Expected("unit", "node.service", "bind"),
    "locust": Expected("unit", "locust.service", "bind"),
    "paho": Expected("unit", "paho.service", "bind", untuned="bind_any"),
    "ab": Expected("user", "tester", "bind"),
    "curl": Expected("user", "tester", "bind_no_port"),
    "h2load": Expected("user", "tester", "autobind"),
}


class Measured(t.NamedTuple):
    """``held``: by source address and destination; ``audited``: the host in the report of an audit meanwhile."""

    binding: str
    ports: int
    held: dict[tuple[str, str], int]
    timewait: int
    audited: Result

    def total(self) -> int:
        return sum(self.held.values())


def read(name: str, phase: str) -> Measured:
    hosts = json.loads((FOLDER / phase / "report.json").read_text())["hosts"]
    (audited,) = (host for host in hosts if host["host"] == name)
    counted = json.loads((FOLDER / phase / "held.json").read_text())[name]
    held = {t.cast(tuple[str, str], tuple(pair.split())): number for pair, number in counted["established"].items()}
    return Measured(getattr(PROGRAMS[name], phase), PORTS[phase], held, counted["timewait"], audited)


@pytest.fixture(params=PORTS)
def measured(platform: str, request: pytest.FixtureRequest) -> Measured:
    return read(platform, request.param)


def test_it_holds_what_is_predicted(measured: Measured) -> None:
    assert measured.audited["before"]["ceiling"] == TIMES[measured.binding] * measured.ports
    assert measured.total() == measured.audited["before"]["ceiling"]
    assert measured.timewait == 0


def test_pressure_names_it_and_how_it_binds(platform: str, measured: Measured) -> None:
    (said,) = measured.audited["pressure"]["programs"]
    assert (said["kind"], said["program"], said["connections"]) == (*PROGRAMS[platform][:2], measured.total())
    if measured.binding == "bind_any":
        # Of the route's address nothing tells a bind of it from one of the wildcard address.
        assert set(said["possible"]) == {"bind", "bind_any"}
    else:
        assert (said["binding"], said["certainty"]) == (measured.binding, "sure")


def test_pressure_names_the_pairs_which_are_all_full(measured: Measured) -> None:
    pairs = measured.audited["pressure"]["pairs"]
    assert {destination for _source, destination in measured.held} <= DESTINATIONS
    expected: t.Counter[tuple[str | None, str | None]] = collections.Counter()
    for (source, destination), number in measured.held.items():
        expected[source, None if measured.binding in ("bind", "bind_any") else destination] += number
    assert {(pair["source"], pair["destination"]): pair["connections"] for pair in pairs} == expected
    full = {(pair["connections"], pair["ports"], pair["share"]) for pair in pairs}
    assert full == {(measured.ports, measured.ports, 1.0)}


def test_the_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    row = "%-8s %9s %7s %9s %7s  %s"
    lines = [row % ("PROGRAM", "PREDICTED", "BEFORE", "PREDICTED", "AFTER", "PRESSURE SAYS")]
    for name in PROGRAMS:
        before, after = (read(name, phase) for phase in PORTS)
        numbers = [number for one in (before, after) for number in (one.audited["before"]["ceiling"], one.total())]
        lines.append(row % (name, *numbers, pressure.pair_said(after.audited["pressure"]["pairs"][0])))
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    assert len(lines) == len(PROGRAMS) + 1
