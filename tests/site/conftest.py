# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host for all tests of a file, restored before each."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from house import Site
from sandbox import Sandbox, Snapshot


@pytest.fixture(scope="module")
def shared() -> t.Iterator[tuple[Sandbox, Snapshot]]:
    with Sandbox("bookworm") as host:
        yield host, host.snapshot()


@pytest.fixture
def site(tmp_path: pathlib.Path, shared: tuple[Sandbox, Snapshot]) -> Site:
    host, untouched = shared
    host.restore(untouched)
    return Site(tmp_path, host)
