# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What names the constraints outside their table names those of the table, in its order where there is one."""

from __future__ import annotations

import json
import pathlib
import re

import yaml
from limits_builder import limits_of

from ansible_collections.fourtuple.clients.plugins.module_utils.probe import constraints as probe
from ansible_collections.fourtuple.clients.plugins.module_utils.sink import records
from ansible_collections.fourtuple.clients.plugins.plugin_utils import measured
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model import ceilings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import table

CHECKOUT = pathlib.Path(__file__).parents[3]
NAMES = [constraint.name for constraint in ceilings.CONSTRAINTS]


def first_cells(text: str) -> list[str]:
    """Return the first cell of each line of a Markdown table."""
    return re.findall(r"^\| `?(\w+)`? \|", text, flags=re.MULTILINE)


def section(text: str, title: str) -> str:
    (found,) = (part for part in re.split(r"^## ", text, flags=re.MULTILINE) if part.startswith(title + "\n"))
    return found


def test_names_and_titles_are_different() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert len({constraint.title for constraint in ceilings.CONSTRAINTS}) == len(NAMES)


def test_the_module_says_how_each_is_counted() -> None:
    assert first_cells(ceilings.__doc__ or "") == ["Constraint", *NAMES]


def test_the_filter_names_each() -> None:
    documentation = yaml.safe_load((CHECKOUT / "plugins/filter/ceilings.yml").read_text())
    described = documentation["RETURN"]["_value"]["contains"]["constraints"]["contains"]["name"]["description"]
    assert re.findall(r"V\((\w+)\)", " ".join(described)) == NAMES


def test_the_guide_explains_each() -> None:
    guide = (CHECKOUT / "docs/how-many-connections.md").read_text()
    # The one host's table has the lowest first.
    assert sorted(first_cells(section(guide, "The short answer"))) == sorted(["Constraint", *NAMES])
    assert re.findall(r"^### `(\w+)`$", section(guide, "Each limit in turn"), flags=re.MULTILINE) == NAMES


def test_the_schema_of_the_report_shows_each() -> None:
    schema = json.loads((CHECKOUT / "roles/report/files/report-schema-1.json").read_text())
    name = schema["$defs"]["constraint_name"]
    assert name["examples"] == NAMES
    assert all(re.fullmatch(name["pattern"], one) for one in NAMES)


def test_a_key_is_one_that_the_snapshot_has() -> None:
    keys = {constraint.key for constraint in ceilings.CONSTRAINTS} - {None}
    assert len(keys) == 4
    assert keys <= limits_of()["keys"].keys() | {"net.netfilter.nf_conntrack_max"}


def test_who_speaks_of_some_speaks_of_those() -> None:
    ended = {probe.FOUR_TUPLES, probe.NOFILE, probe.FILE_MAX, probe.MEMORY, probe.CONNTRACK, probe.TASKS}
    for some in (ended, records.EXHAUSTED, measured._EXACT, table._SHORT_NAMES):
        assert {*some} <= {*NAMES}


def test_the_terminal_has_room_for_each_name() -> None:
    assert max(len(table._SHORT_NAMES.get(name, name)) for name in NAMES) <= table._WIDEST_NAME
