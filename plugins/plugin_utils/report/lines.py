# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs have to be told of their source addresses: files beside a report."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BY_ROUTE
from ansible_collections.fourtuple.clients.plugins.plugin_utils import program_lines
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import listed_destinations, parse

#: Hosts whose addresses are there, or will be.
_STATES = ("tuned", "audited")
#: Fewer addresses need no choice.
_SEVERAL = 2


def of_host(host: t.Mapping[str, t.Any]) -> dict[str, t.Callable[[t.Mapping[str, t.Any]], str]]:
    """Return the files of one host, as files.py has them: its addresses, and the lines for its program.

    A host with one address has none, unless its program binds that.
    """
    sources = host["sources"]
    if host["state"] not in _STATES or not sources or not sources["count"]:
        return {}
    extension = program_lines.extension(host["request"].get("program"))
    found: dict[str, t.Callable[[t.Mapping[str, t.Any]], str]] = {}
    if sources["count"] >= _SEVERAL:
        found["sources.txt"] = _addresses
    if extension and (found or parse(host["request"]).binding not in BY_ROUTE):
        found["%s.%s" % (host["request"]["program"], extension)] = _lines
    return found


def _addresses(host: t.Mapping[str, t.Any]) -> str:
    found = program_lines.one_by_one(host["sources"]["ranges"])
    said = ["# Only the first %d of %d." % (len(found), host["sources"]["count"])]
    return "\n".join([*(said if len(found) < host["sources"]["count"] else ()), *found]) + "\n"


def _lines(host: t.Mapping[str, t.Any]) -> str:
    request = host["request"]
    counted = request.get("destinations") or 1
    servers = listed_destinations(counted) or program_lines.placeholders(int(counted))
    return (
        program_lines.lines(request["program"], host["sources"]["ranges"], servers, request.get("program_ports")) or ""
    )
