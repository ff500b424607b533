# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports go down the list of packages, and the controller's code takes nothing of a host's but its values."""

from __future__ import annotations

import ast
import pathlib
import re

import pytest

REPOSITORY = pathlib.Path(__file__).parents[2]
PLUGINS = REPOSITORY / "plugins"
OURS = ["ansible_collections", "fourtuple", "clients", "plugins"]

#: Each package imports from itself and those before it; the two ends of a proof know nothing of each other.
HOST = ["values", "host", "config", "nofile", "apply", "snapshot", "probe", "sink"]
#: "": the modules that are in no package.
CONTROLLER = ["", "model", "plan", "run", "report"]
APART = {("sink", "probe")}


def imported(path: pathlib.Path) -> set[tuple[str, str]]:
    """Return the folder and the package of each module of the collection that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[: len(OURS)] == OURS:
            folder, package, *_ = [*node.module.split(".")[len(OURS) :], "", ""]
            found.add((folder, package))
    return found


def packages(folder: str) -> list[str]:
    return sorted(path.name for path in (PLUGINS / folder).iterdir() if path.is_dir() and path.name != "__pycache__")


def files(folder: str) -> list[pathlib.Path]:
    return sorted((PLUGINS / folder).rglob("[a-z]*.py"))


def package_of(path: pathlib.Path, folder: str) -> str:
    *package, _name = path.relative_to(PLUGINS / folder).parts
    return "/".join(package)


def test_every_package_has_its_place():
    assert packages("module_utils") == sorted(HOST)
    assert packages("plugin_utils") == sorted(CONTROLLER[1:])
    assert {package_of(path, "module_utils") for path in files("module_utils")} == set(HOST)


@pytest.mark.parametrize("path", files("module_utils"), ids=lambda path: str(path.relative_to(PLUGINS)))
def test_on_a_host(path):
    own = package_of(path, "module_utils")
    for folder, package in imported(path):
        assert folder == "module_utils"
        assert HOST.index(package) <= HOST.index(own)
        assert (own, package) not in APART


@pytest.mark.parametrize("path", files("plugin_utils"), ids=lambda path: str(path.relative_to(PLUGINS)))
def test_on_the_controller(path):
    own = package_of(path, "plugin_utils")
    for folder, package in imported(path):
        if folder == "module_utils":
            assert package == "values"
        else:
            assert folder == "plugin_utils"
            # What is no package is a module beside them.
            assert CONTROLLER.index(package if package in CONTROLLER else "") <= CONTROLLER.index(own)


def rows(title: str) -> list[list[str]]:
    """Return the cells of the table below a title of ARCHITECTURE.md."""
    section = re.split("^##+ ", (REPOSITORY / "ARCHITECTURE.md").read_text(), flags=re.MULTILINE)
    (found,) = (text for text in section if text.startswith(title + "\n"))
    lines = [line for line in found.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_document_has_the_packages_in_their_order():
    assert [row[0].strip("`") for row in rows("Packages of `module_utils`")] == HOST
    assert [row[0].strip("`").replace("(none)", "") for row in rows("Packages of `plugin_utils`")] == CONTROLLER


@pytest.mark.parametrize(("title", "column"), [("Where things are", 0), ("Promises", 1)])
def test_what_the_document_names_is_there(title, column):
    found = [path for row in rows(title) for path in re.findall("`([^`]+)`", row[column])]
    assert len(found) > 10
    assert [path for path in found if not (REPOSITORY / path).exists()] == []


def test_what_the_test_sees(tmp_path):
    lines = [
        "from ansible_collections.fourtuple.clients.plugins.module_utils.host import files",
        "from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal",
        "from ansible_collections.fourtuple.clients.plugins.plugin_utils import known",
        "import os",
    ]
    path = tmp_path / "a.py"
    path.write_text("\n".join(lines))
    assert imported(path) == {("module_utils", "host"), ("module_utils", "values"), ("plugin_utils", "")}
