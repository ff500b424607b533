# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of docs/programs.md that are made of the table of programs; run it to write them anew.

.venv/bin/python tests/docs/programs_page.py
"""

from __future__ import annotations

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / "docs/programs.md"

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "playbooks/collections"))

# Behind the line that makes it found.
from ansible_collections.fourtuple.clients.plugins.plugin_utils.program_lines import SYNTAXES  # noqa: E402
from ansible_collections.fourtuple.clients.plugins.plugin_utils.programs import (  # noqa: E402
    PROGRAMS,
    RESET,
    Program,
)

_HEADINGS = (
    "`tune_program`",
    "Program",
    "Without an option",
    "With its source option",
    "Its option for ports",
    "Descriptors",
    "nofile",
    "Closes first",
    "Version",
)


def parts() -> dict[str, str]:
    """Return the text of each part, by its name."""
    return {"programs": _table(), "held": _held(), "notes": _notes(), "lines": _lines()}


def with_parts(page: str) -> str:
    """Return the page with the parts as the table of programs has them now."""
    for name, text in parts().items():
        before, heading, after = re.split(r"(<!-- %s: .*? -->\n\n)" % name, page)
        page = before + heading + text + after[after.index("\n\n") :]
    return page


def _table() -> str:
    rows = [_HEADINGS, ("---",) * len(_HEADINGS)]
    rows += [_row(name, program) for name, program in PROGRAMS.items()]
    return "\n".join("| %s |" % " | ".join(row) for row in rows).replace("| --- ", "|---").replace("--- |", "---|")


def _row(name: str, program: Program) -> tuple[str, ...]:
    with_option = "–" if program.bound is None else "`%s`, by %s" % (program.bound, program.option)
    ports = program.ports_option or "–"
    if program.ports_option:
        ports += ", shared by destinations" if program.reuse_address else ", each for one destination"
    return (
        "`%s`" % name,
        program.what,
        "`%s`" % program.binding,
        with_option,
        ports,
        "%d" % program.descriptors + ("" if program.own is None else " + %d" % program.own),
        _nofile(program),
        {None: "?", RESET: "nobody (RST)"}.get(program.closes_first, program.closes_first or ""),
        program.version or "?",
    )


def _nofile(program: Program) -> str:
    if program.nofile is not None:
        return "lowers it to %s" % format(program.nofile, ",")
    if program.raises_nofile is None:
        return "?"
    if isinstance(program.raises_nofile, bool):
        return "raises it" if program.raises_nofile else "stays"
    return "raises it to %s" % format(program.raises_nofile, ",")


def _held() -> str:
    rows = [("Program", "Held, of what the model says"), ("---", "---")]
    rows += [("`%s`" % name, program.held) for name, program in PROGRAMS.items() if program.held]
    return "\n".join("| %s |" % " | ".join(row) for row in rows).replace("| --- | --- |", "|---|---|")


def _notes() -> str:
    return "\n".join("- `%s`: %s" % (name, program.note) for name, program in PROGRAMS.items() if program.note)


def _lines() -> str:
    rows = [("Program", "File of `client1`", "Its lines"), ("---",) * 3]
    for name, syntax in SYNTAXES.items():
        rows.append(("`%s`" % name, "`client1.%s.%s`" % (name, syntax.extension), syntax.what))
    return "\n".join("| %s |" % " | ".join(row) for row in rows).replace("| --- | --- | --- |", "|---|---|---|")


if __name__ == "__main__":
    PAGE.write_text(with_parts(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
