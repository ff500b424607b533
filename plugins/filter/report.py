# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import document as reports
from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import page, table


def report(
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]], hosts: t.Iterable[str], title: str, generated: str
) -> dict[str, t.Any]:
    """Return the report of these hosts; one without the fact tune_result appears as one without result.

    The fact prove_result, if any, is what was measured.
    """
    results = []
    for host in hosts:
        variables = hostvars[host]
        result = {**(variables.get("tune_result") or _unread(variables)), "host": host}
        if variables.get("prove_result"):
            result["measured"] = variables["prove_result"]
        results.append(result)
    return reports.report(results, title, generated)


def _unread(variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return why there is nothing of a host, as Ansible had it when it tried to read the host."""
    return {"message": (variables.get("__tune_before") or {}).get("msg") or ""}


class FilterModule:
    """Filters of the report."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"report": report, "report_table": table.render, "report_page": page.content}
