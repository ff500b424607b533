# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host with Debian's Prometheus and node exporter for all tests of a file, restored before each."""

from __future__ import annotations

import typing as t

import pytest
from sandbox import Sandbox, Snapshot

Shared = tuple[Sandbox, Snapshot]


@pytest.fixture(
    scope="module", params=["trixie-monitoring", pytest.param("bookworm-monitoring", marks=pytest.mark.nightly)]
)
def shared(request: pytest.FixtureRequest) -> t.Iterator[Shared]:
    with Sandbox(request.param) as host:
        yield host, host.snapshot()


@pytest.fixture
def host(shared: Shared) -> Sandbox:
    host, untouched = shared
    host.restore(untouched)
    return host
