# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of undisturbed runs, the table at the end, and the proof that the machine stays as it is."""

from __future__ import annotations

import functools
import pathlib
import subprocess
import typing as t

import crash
import pytest

MACHINE_GUARD = pathlib.Path(__file__).parents[1] / "tools/machine_guard"

TABLE = pytest.StashKey[crash.Table]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-faults", action="store_true", help="every fault at every point, with reruns of each outcome"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLE] = crash.Table()


def pytest_terminal_summary(terminalreporter: t.Any, config: pytest.Config) -> None:
    lines = config.stash[TABLE].lines()
    if len(lines) > 2:
        terminalreporter.section("fault points and outcomes")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> crash.Table:
    return pytestconfig.stash[TABLE]


@pytest.fixture(scope="session")
def all_faults(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("all_faults"))


@pytest.fixture(scope="session", autouse=True)
def machine(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[None]:
    """Fail when anything of the machine is not as it was."""
    kept = tmp_path_factory.mktemp("machine") / "before.json"
    subprocess.run([MACHINE_GUARD, "snapshot", kept], check=True)
    yield
    subprocess.run([MACHINE_GUARD, "compare", kept], check=True)


@pytest.fixture(scope="session")
def record() -> t.Callable[[str], crash.Recording]:
    """Return a function that records a scenario, once."""

    @functools.cache
    def recorded(name: str) -> crash.Recording:
        scenario = next(one for one in crash.SCENARIOS + crash.MORE_SCENARIOS if one.name == name)
        earlier = scenario.before
        return crash.record(scenario, earlier=recorded(earlier.name) if earlier is not None else None)

    return recorded


@pytest.fixture(scope="session")
def recordings(all_faults: bool, record: t.Callable[[str], crash.Recording]) -> list[crash.Recording]:
    return [record(one.name) for one in crash.SCENARIOS + (crash.MORE_SCENARIOS if all_faults else ())]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for a recording each of them."""
    if "recording" in metafunc.fixturenames:
        more = crash.MORE_SCENARIOS if metafunc.config.getoption("all_faults") else ()
        metafunc.parametrize("recording", [one.name for one in crash.SCENARIOS + more], indirect=True)


@pytest.fixture
def recording(request: pytest.FixtureRequest, record: t.Callable[[str], crash.Recording]) -> crash.Recording:
    return record(request.param)
