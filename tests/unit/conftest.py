# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
import sys

import pytest

# limits_builder, which other folders' tests may put on their path too.
sys.path.insert(0, str(pathlib.Path(__file__).parent))


class Host:
    """A folder that stands for a host: what the code under test reads and writes lies below it."""

    def __init__(self, root: pathlib.Path) -> None:
        self.path = root
        self.root = str(root)

    def put(self, path: str, text: str) -> None:
        target = self.path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, newline="")

    def text(self, path: str) -> str:
        return (self.path / path.lstrip("/")).read_text()

    def exists(self, path: str) -> bool:
        return (self.path / path.lstrip("/")).exists()

    def sysctl(self, **keys: int | str) -> None:
        """Set live keys; two underscores stand for a dot: ``fs__nr_open=1048576``."""
        for key, value in keys.items():
            self.put("/proc/sys/" + key.replace("__", "/"), "%s\n" % value)

    def live(self, key: str) -> str:
        return self.text("/proc/sys/" + key.replace(".", "/")).strip()


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Host:
    return Host(tmp_path / "host")
