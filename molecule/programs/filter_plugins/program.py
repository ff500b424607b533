# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines that a program is configured with."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ansible_collections.fourtuple.clients.plugins.plugin_utils.program_lines import lines


def program_lines(sources: list[str], program: str, destinations: list[str]) -> str | None:
    endpoints = [(host, int(port)) for host, port in (text.rsplit(":", 1) for text in destinations)]
    return lines(program, sources, endpoints)


def replaced(text: str, replacements: dict[str, str]) -> str:
    """Return a text with what a person has to replace in it."""
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


class FilterModule:
    def filters(self) -> dict[str, c.Callable[..., t.Any]]:
        return {"program_lines": program_lines, "replaced": replaced}
