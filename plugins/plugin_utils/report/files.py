# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that stand beside a report, to copy from; none of them is written to a host."""

from __future__ import annotations

import typing as t
import urllib.parse

from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import lines, outside

#: Each returns, for the row of a host in a report, how its files are called after the host's name, and what makes the
#: text of each.
_KINDS = (lines.of_host, outside.of_host)


def names(host: t.Mapping[str, t.Any]) -> list[str]:
    """Return the names of the files of one host, given its row of a report."""
    return [name for name, _text in _of_host(host)]


def files(report: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, str]]:
    """Yield the name and the text of each file of a report, those of one host after those of another."""
    for host in report["hosts"]:
        for name, text in _of_host(host):
            yield name, text(host)


def _of_host(host: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, t.Callable[[t.Mapping[str, t.Any]], str]]]:
    # The name as a part of a file's name, another one for each host.
    begin = urllib.parse.quote(host["host"], safe="", errors="surrogatepass")
    for kind in _KINDS:
        for end, text in kind(host).items():
            yield "%s.%s" % (begin, end), text
