# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's argument_specs, defaults and README say the same, and tasks use the options that modules document."""

from __future__ import annotations

import pathlib
import re

import pytest
from documented import MODULES, ROLES, ROOT, documentation_of, load, options_of, tasks_in, unknown_options


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_complete(role: str) -> None:
    folder = ROOT / "roles" / role
    wanted = ("README.md", "meta/main.yml", "meta/argument_specs.yml", "defaults/main.yml", "tasks/main.yml")
    assert [path for path in wanted if not (folder / path).is_file()] == []


@pytest.mark.parametrize("role", ROLES)
def test_argument_specs_equal_defaults(role: str) -> None:
    options = options_of(role)
    documented = {name: option.get("default") for name, option in options.items() if not option.get("required")}
    assert load(ROOT / "roles" / role / "defaults/main.yml") == documented


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_carries_the_name_of_its_role(role: str) -> None:
    assert [name for name in options_of(role) if not name.startswith(role + "_")] == []


@pytest.mark.parametrize("role", ROLES)
def test_the_readme_names_every_variable(role: str) -> None:
    text = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert [name for name in options_of(role) if "`%s`" % name not in text] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_documented(module: str) -> None:
    texts = documentation_of(module)
    assert texts.keys() == {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    assert texts["DOCUMENTATION"]["module"] == module


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_use_its_options(module: str) -> None:
    examples = documentation_of(module)["EXAMPLES"]
    used = [key for task in tasks_in(examples) for key in task]
    assert "fourtuple.clients." + module in used
    assert unknown_options(examples) == []


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_use_what_it_returns(module: str) -> None:
    texts = documentation_of(module)
    unknown, registered = [], ""
    for task in tasks_in(texts["EXAMPLES"]):
        # What a task registers is that of the tasks after it, until the next one.
        used = re.findall(r"\b%s\.(\w+)" % registered, str(task)) if registered else []
        unknown += [name for name in used if name not in texts["RETURN"]]
        if "register" in task:
            registered = task["register"] if "fourtuple.clients." + module in task else ""
    assert unknown == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("roles/*/tasks/*.yml")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_tasks_of_a_role_use_documented_options(path: pathlib.Path) -> None:
    assert unknown_options(load(path)) == []
