# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils import fleet as model
from ansible_collections.fourtuple.clients.plugins.plugin_utils.known import taken


def fleet(variables: t.Mapping[str, t.Mapping[str, t.Any]], hosts: t.Iterable[str]) -> dict[str, t.Any]:
    """Return the share of each host; a refusal as data, so that the role can say it in its own words alone."""
    try:
        return model.share_out(variables, hosts)
    except Refusal as refusal:
        return {"refusal": str(refusal)}


def claims(
    variables: t.Mapping[str, t.Mapping[str, t.Any]], hosts: t.Iterable[str], fact: str = "__tune_plan"
) -> dict[str, t.Any]:
    """Compare the slices that the plans of hosts claim, which each host keeps in a fact; a refusal as data."""
    found = []
    for host in hosts:
        plan = variables[host].get(fact) or {}
        found += [(host, first, last) for first, last in plan.get("claim") or ()]
    try:
        model.duplicates(found)
    except Refusal as refusal:
        return {"refusal": str(refusal)}
    return {"compared": len({host for host, _first, _last in found})}


def known_addresses(variables: t.Mapping[str, t.Mapping[str, t.Any]], hosts: t.Iterable[str]) -> dict[str, t.Any]:
    """Return the table of whose addresses are whose in an inventory, for taken()."""
    return model.known_addresses(variables, hosts)


class FilterModule:
    """Filters of what depends on other hosts."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fleet": fleet, "claims": claims, "known_addresses": known_addresses, "taken": taken}
