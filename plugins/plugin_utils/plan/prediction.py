# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as the settings will make it."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import (
    owned,
    ranges,
    sysctl_keys,
    sysctl_table,
)
from ansible_collections.fourtuple.clients.plugins.module_utils.values.address_set import MAKE, Run
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import PORT_RANGE
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import Limits, is_settable
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import methods
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.nofile import inherited_maximum
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.ports import predicted_ports
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.settings import Settings


def predict(limits: Limits, settings: Settings) -> dict[str, t.Any]:
    """Return the snapshot that a host will have with ``settings``: what the roles change, and nothing else.

    settings: as plan() returns them; variables that are missing change nothing
    """
    predicted = dict(limits)
    values = {sysctl_keys.normalize(key): str(value) for key, value in settings.get("sysctl_values", {}).items()}
    floors = {sysctl_keys.normalize(key): int(value) for key, value in settings.get("sysctl_floors", {}).items()}
    _set_keys(predicted, _new_values(limits, values, floors))
    new_range = values.get(PORT_RANGE) if is_settable(limits, PORT_RANGE) else None
    named = settings.get("reserved_ports", ())
    predicted["ports"] = predicted_ports(limits, new_range, named)
    if "nofile_soft" in settings:
        predicted["nofile"] = dict(predicted["nofile"], subjects=_subjects(limits, settings))
    if limits["addresses"] is not None:
        predicted["addresses"] = _with_addresses(limits["addresses"], settings)
    return predicted


def _new_values(limits: Limits, values: t.Mapping[str, str], floors: t.Mapping[str, int]) -> dict[str, str]:
    """Return the live values that the keys of this host will have; what it cannot set stays."""
    found = {}
    for key, entry in limits["keys"].items():
        if not is_settable(limits, key):
            continue
        if key in values:
            taken = sysctl_keys.taken(key, values[key], sysctl_keys.WIDEST, entry["now"])
            found[key] = " ".join(values[key].split()) if taken is None else taken
        elif key in floors:
            found[key] = str(max(floors[key], int(entry["now"])))
    return found


def _set_keys(predicted: dict[str, t.Any], new: t.Mapping[str, str]) -> None:
    keys = dict(predicted["keys"])
    for key, value in new.items():
        keys[key] = dict(keys[key], now=value, after_boot=value, by=owned.SYSCTL_DROP_IN)
        row = sysctl_table.KEYS.get(key)
        if row is not None and row.place and value.isdecimal():
            _set(predicted, row.place, int(value))
    predicted["keys"] = keys


def _set(tree: dict[str, t.Any], path: t.Sequence[str], value: int) -> None:
    """Set one number without changing what ``tree`` shares with the snapshot."""
    for name in path[:-1]:
        tree[name] = dict(tree[name])
        tree = tree[name]
    tree[path[-1]] = value


def _subjects(limits: Limits, settings: Settings) -> list[t.Mapping[str, t.Any]]:
    """Return the subjects with the limits that role limits gives them, and those that it is told of first."""
    inherited = inherited_maximum(limits)
    planned = {"soft": int(settings["nofile_soft"]), "hard": int(settings["nofile_hard"])}
    planned["soft"] = min(planned["soft"], planned["hard"])
    if inherited is not None:
        planned = {kind: min(number, inherited) for kind, number in planned.items()}
    domains, units = settings["domains"], settings["units"]
    found = []
    for one in limits["nofile"]["subjects"]:
        if one.get("remedy") and one["kind"] == "user":
            # What role limits writes for users does not reach such sessions; they have what their unit has.
            unit = one.get("kept_from")
            found.append(_granted(one, planned, owned.unit_drop_in(unit), one["by"] or "") if unit in units else one)
        elif one["kind"] == "user" and _reaches(domains, one["name"]):
            found.append(_granted(one, planned, owned.LIMITS_DROP_IN, one["by"] or ""))
        elif one["kind"] == "unit" and one["name"] in units:
            found.append(_granted(one, planned, owned.unit_drop_in(one["name"]), one["by"] or ""))
        else:
            found.append(one)
    known = {(one["kind"], one["name"]) for one in found}
    named = [("user", name) for name in domains if name != "*"] + [("unit", name) for name in units]
    new = [{"kind": kind, "name": name, "now": None, "by": None} for kind, name in named if (kind, name) not in known]
    return found + [_granted(one, planned, owned.LIMITS_DROP_IN, "") for one in new]


def _reaches(domains: t.Sequence[str], user: str) -> bool:
    """Tell whether limits for ``domains`` reach a user; on Debian ``*`` is not root. Groups are not known here."""
    return user in domains or ("*" in domains and user != "root")


def _granted(subject: t.Mapping[str, t.Any], planned: t.Mapping[str, int], path: str, by: str) -> t.Mapping[str, t.Any]:
    """Return a subject with the planned limits, or the higher ones that it has without us."""
    now, has = dict(planned), subject["now"]
    if has and by and not by.startswith(path):
        now["soft"] = max(planned["soft"], min(has["soft"], planned["hard"]))
        if subject["kind"] == "unit" or by.startswith("/etc/security/"):
            now = {kind: max(planned[kind], has[kind]) for kind in now}
    return dict(subject, now=now, after_boot=dict(now), by=path)


def _with_addresses(addresses: t.Mapping[str, t.Any], settings: Settings) -> t.Mapping[str, t.Any]:
    """Return the addresses with the planned ones in the place of those that an earlier run added."""
    routed, added = methods.split(addresses, settings)
    interface, default = settings.get("interface"), addresses["default_interface"]
    listed = [entry for entry in addresses["list"] if not entry.get("ours")]
    listed += [_added(run, interface or default.get(str(run[0])) or "") for run in added]
    local = [entry for entry in addresses["anyip"] if not entry.get("ours")]
    for family in MAKE:
        texts = [ranges.text(run[1:], MAKE[family]) for run in routed if run[0] == family]
        if texts:
            local.append({"interface": "lo", "family": family, "ours": True, "ranges": texts})
    return dict(addresses, list=listed, anyip=local)


def _added(run: Run, interface: str) -> dict[str, t.Any]:
    family, first, last = run
    address = MAKE[family](first)
    return {
        "address": str(address),
        "last": str(MAKE[family](last)),
        "count": last - first + 1,
        "prefix": address.max_prefixlen,
        "interface": interface,
        "family": family,
        "scope": "global",
        "ours": True,
    }
