# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of docs/programs.md are the table of programs, and what else the page names is there."""

from __future__ import annotations

import re

import programs_page
import pytest
from documented import options_of

from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BINDINGS
from ansible_collections.fourtuple.clients.plugins.plugin_utils import program_lines, programs

GUIDE = programs_page.PAGE.read_text(encoding="utf-8")


def test_the_page_is_made_of_the_table() -> None:
    """Else: python tests/docs/programs_page.py."""
    assert programs_page.with_parts(GUIDE) == GUIDE
    assert all(GUIDE.count(text) == 1 for text in programs_page.parts().values())


def test_another_table_would_change_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    row = programs.PROGRAMS["nginx"]._replace(descriptors=3, held="nothing", note="Other.")
    monkeypatch.setitem(programs.PROGRAMS, "nginx", row)
    lines = program_lines.SYNTAXES["nginx"]._replace(what="other lines")
    monkeypatch.setitem(program_lines.SYNTAXES, "nginx", lines)
    before, after = GUIDE.splitlines(), programs_page.with_parts(GUIDE).splitlines()
    assert [old for old, new in zip(before, after, strict=True) if old != new] == [
        line for line in before if line.startswith(("| `nginx` |", "- `nginx`: "))
    ]


def test_every_program_has_a_row() -> None:
    table = programs_page.parts()["programs"].splitlines()
    assert [line.split("`")[1] for line in table[2:]] == list(programs.PROGRAMS)
    assert len({line.count("|") for line in table}) == 1


def test_the_page_explains_every_binding() -> None:
    section = GUIDE.partition("## The five binding modes")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == ("tune_binding", *BINDINGS)


def test_the_variables_for_another_program_are_those_of_the_role() -> None:
    """A refusal of an unknown program names them, and the last section says how each is found out."""
    section = GUIDE.partition("## Find out for another program")[2]
    for variable in programs.VARIABLES:
        assert variable in options_of("tune")
        assert "`%s" % variable in section
