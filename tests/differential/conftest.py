# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import typing as t

import differential
import pytest

_COMPARISONS: list[differential.Comparison] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--trees", type=int, default=300, help="how many trees are generated for each resolver")
    parser.addoption("--seed", default="5", help="the seed of the generated trees: a number, or random")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--seed") == "random":
        config.option.seed = str(random.SystemRandom().randrange(2**32))


def pytest_report_header(config: pytest.Config) -> str:
    return "differential: --trees %s --seed %s" % (config.getoption("--trees"), config.getoption("--seed"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for comparison in _COMPARISONS:
        for line in comparison.summary():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def trees(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("--trees")


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--seed"))


@pytest.fixture(scope="session")
def hosts() -> t.Iterator[dict[str, differential.Host]]:
    """Start the hosts, by the names of their images."""
    started: dict[str, differential.Host] = {}
    try:
        for image in ("bookworm", "trixie", "sysvinit"):
            started[image] = differential.Host(image)
        for host in started.values():
            host.wait()
        yield started
    finally:
        for host in started.values():
            host.stop()


@pytest.fixture(scope="session")
def compare(
    hosts: dict[str, differential.Host], tmp_path_factory: pytest.TempPathFactory
) -> t.Callable[..., differential.Comparison]:
    """Return a function that starts a resolver's oracles."""

    def start(resolver: str, ours: differential.Ours, images: t.Sequence[str]) -> differential.Comparison:
        chosen = [hosts[image] for image in images]
        for host in chosen:
            host.start_oracle(resolver, tmp_path_factory.mktemp(resolver) / host.image)
        _COMPARISONS.append(differential.Comparison(resolver, chosen, ours))
        return _COMPARISONS[-1]

    return start
