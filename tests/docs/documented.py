# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection documents about itself, read from its files."""

from __future__ import annotations

import ast
import pathlib
import typing as t

import yaml

ROOT = pathlib.Path(__file__).parents[2]
ROLES = sorted(path.name for path in ROOT.glob("roles/*") if path.is_dir())
MODULES = sorted(path.stem for path in ROOT.glob("plugins/modules/*.py"))

#: Keywords under which a task holds further tasks.
_BLOCKS = ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers")


def load(path: pathlib.Path) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def options_of(role: str) -> dict[str, dict[str, t.Any]]:
    return load(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def documentation_of(module: str) -> dict[str, t.Any]:
    """Return the texts DOCUMENTATION, EXAMPLES and RETURN of a module, parsed, without running it."""
    tree = ast.parse((ROOT / "plugins/modules" / (module + ".py")).read_text(encoding="utf-8"))
    texts = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in ("DOCUMENTATION", "EXAMPLES", "RETURN"):
                texts[name] = yaml.safe_load(ast.literal_eval(node.value))
    return texts


def tasks_in(entries: t.Any) -> t.Iterator[dict[str, t.Any]]:
    """Yield every task of a list of tasks or plays, however deep."""
    for entry in entries or []:
        if not isinstance(entry, dict):
            continue
        yield entry
        for keyword in _BLOCKS:
            yield from tasks_in(entry.get(keyword))


def unknown_options(tasks: t.Any) -> list[str]:
    """Name the options of our modules that a task uses and the module does not document."""
    found = []
    for task in tasks_in(tasks):
        for key, arguments in task.items():
            collection, _dot, module = key.rpartition(".")
            if collection != "fourtuple.clients":
                continue
            if module not in MODULES:
                found.append("%s: no such module" % key)
                continue
            known = documentation_of(module)["DOCUMENTATION"].get("options") or {}
            names = known.keys() | {alias for option in known.values() for alias in option.get("aliases", [])}
            required = {name for name, option in known.items() if option.get("required")}
            found += ["%s: %s is no option" % (key, name) for name in sorted((arguments or {}).keys() - names)]
            found += ["%s: %s is required" % (key, name) for name in sorted(required - (arguments or {}).keys())]
    return found
