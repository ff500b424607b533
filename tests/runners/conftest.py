# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in environments of their own, pinned beside this file, and the examples of docs/engines.md."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import typing as t
import venv

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = (ROOT / "docs/engines.md").read_text()


class Examples(t.Protocol):
    def __call__(self, language: str, word: str) -> str: ...


@pytest.fixture(scope="session")
def example() -> Examples:
    """Return the text of the page's one example in a language that has this word."""

    def find(language: str, word: str) -> str:
        blocks = re.findall(r"^```%s\n(.*?)^```" % language, PAGE, re.MULTILINE | re.DOTALL)
        (text,) = [block for block in blocks if word in block]
        return str(text)

    return find


def environment(folder: pathlib.Path, *requirements: str | pathlib.Path) -> pathlib.Path:
    """Return the folder of the programs of a fresh Python environment."""
    venv.create(folder)
    # Our own pip, and only what is imported gets compiled: half of the time.
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "-qq", "--no-compile"]
    subprocess.run([*pip, *requirements], check=True)
    return folder / "bin"


@pytest.fixture(scope="session")
def runner_programs(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """ansible-runner, with the ansible-core of the other tests."""
    pins = ROOT / "tests/requirements.txt"
    folder = tmp_path_factory.mktemp("runner")
    return environment(folder / "env", "-c", pins, "-r", HERE / "requirements-runner.txt", "ansible-core")


@pytest.fixture(scope="session")
def builder_programs(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return environment(tmp_path_factory.mktemp("builder") / "env", "-r", HERE / "requirements-builder.txt")
