# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of the hosts of a play, from their variables."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.plugin_utils.report import document
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import is_unset


def of_hosts(
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]], hosts: t.Iterable[str], title: str, generated: str
) -> dict[str, t.Any]:
    """Return the report of these hosts; one without the fact tune_result appears as one without result.

    The fact prove_result, if any, is what was measured, and the fact prove_predicted the ceilings and the request of
    those very connections, which go before what the host was tuned for.
    """
    results = []
    for host in hosts:
        variables = hostvars[host]
        result = {**_result(variables), "host": host}
        if variables.get("prove_result"):
            result.update(_measured(variables["prove_result"], variables.get("prove_predicted") or {}))
        results.append(result)
    return document.report(results, title, generated)


def _measured(measured: t.Mapping[str, t.Any], predicted: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return what a proof says of a host; without a prediction of its own what was measured alone."""
    ceilings = predicted.get("ceilings")
    if not ceilings:
        return {"measured": measured}
    # Before ansible-core 2.19 a template makes text of a number.
    target, processes = int(measured["target"]), predicted["request"].get("processes")
    return {
        "measured": measured,
        "request": {**predicted["request"], "processes": None if is_unset(processes) else int(processes)},
        "before": ceilings,
        "after": None,
        "predicted": None,
        "target": target,
        "meets_target": ceilings["ceiling"] is None or int(ceilings["ceiling"]) >= target,
    }


def _result(variables: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    """Return what role tune says of a host; of one that was lost before it had a result, why, as Ansible had it."""
    found: t.Mapping[str, t.Any] = variables.get("tune_result") or variables.get("__tune_before") or {}
    if found.get("state"):
        return found
    return {"state": "unreachable" if found.get("unreachable") else None, "message": found.get("msg") or ""}
