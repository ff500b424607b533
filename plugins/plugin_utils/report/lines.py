# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report that programs are told their source addresses with."""

from __future__ import annotations

import typing as t
import urllib.parse

from ansible_collections.fourtuple.clients.plugins.module_utils.values.binding import BY_ROUTE
from ansible_collections.fourtuple.clients.plugins.plugin_utils import program_lines
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import listed_destinations, parse

#: Hosts whose addresses are there, or will be.
_STATES = ("tuned", "audited")
#: Fewer addresses need no choice.
_SEVERAL = 2


def names(host: t.Mapping[str, t.Any]) -> list[str]:
    """Return the names of the files of one host, given its row of a report: addresses, and lines for its program.

    A host with one address has none, unless its program binds that.
    """
    sources = host["sources"]
    if host["state"] not in _STATES or not sources or not sources["count"]:
        return []
    extension = program_lines.extension(host["request"].get("program"))
    found = ["sources.txt"] if sources["count"] >= _SEVERAL else []
    if extension and (found or parse(host["request"]).binding not in BY_ROUTE):
        found.append("%s.%s" % (host["request"]["program"], extension))
    return ["%s.%s" % (_of_host(host), name) for name in found]


def files(report: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, str]]:
    """Yield the name and the text of each file of a report, those of one host after those of another."""
    for host in report["hosts"]:
        for name in host["files"]:
            yield name, _addresses(host) if name == "%s.sources.txt" % _of_host(host) else _lines(host)


def _of_host(host: t.Mapping[str, t.Any]) -> str:
    """Return the host's name as a part of a file's name, another one for each host."""
    return urllib.parse.quote(host["host"], safe="")


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
