# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a host: which template of which role each is made of, and what is to be done about it. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import owned
from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal

Json = dict[str, t.Any]

#: Renders a template of a role, given its role, its name and its variables.
Render = t.Callable[[str, str, t.Mapping[str, t.Any]], str]


def rendered(told: t.Mapping[str, t.Any], role: str, render: Render) -> dict[str, str]:
    """Return the texts of the files that client_settings asks for.

    told: what it has returned
    role: the role that keeps the files
    """
    return {path: render(*_template(path, told["render"], role)) for path in told["files"]}


def _template(path: str, values: t.Mapping[str, t.Any], role: str) -> tuple[str, str, Json]:
    """Return the role, the template and the variables that a file is made of."""
    sysctl = {"__sysctl_role": role, "__sysctl_applied": values["sysctl"]}
    limits = {"__limits_role": role, "__limits_check": {"grants": values["limits"]}}
    addresses = {"__addresses_role": role, "__addresses_result": values["addresses"]}
    unit = owned.unit_of(path)
    if unit is not None:
        return "limits", "unit.conf.j2", {**limits, "item": {"key": unit, "value": values["limits"]["units"][unit]}}
    by_path: dict[str, tuple[str, str, Json]] = {
        owned.SYSCTL_DROP_IN: ("sysctl", "sysctl.conf.j2", sysctl),
        owned.MODULES_LOAD: ("sysctl", "modules-load.conf.j2", sysctl),
        owned.LIMITS_DROP_IN: ("limits", "limits.conf.j2", limits),
        owned.MANAGER_DROP_IN: ("limits", "system.conf.j2", limits),
    }
    if path in by_path:
        return by_path[path]
    # A kind of file is called as its template.
    (kind,) = (kind for kind, place in values["addresses"]["persist"]["files"].items() if place == path)
    return "addresses", kind + ".j2", addresses


def changes(told: t.Mapping[str, t.Any], files: t.Mapping[str, str]) -> list[Json]:
    """Return the differences between a host and what is wanted of it, as Ansible shows them: keys, addresses, files."""
    found = [
        dict(told["parts"][step]["diff"])
        for step in ("sysctl", "addresses")
        if told["parts"].get(step, {}).get("changed")
    ]
    found += [
        _difference(path, told["present"].get(path, ""), files[path])
        for path in told["files"]
        if told["present"].get(path) != files[path] or path in told["unusable"]
    ]
    return found + [_difference(path, told["present"].get(path, ""), "") for path in told["removals"]]


def refuse_unwritable(told: t.Mapping[str, t.Any], files: t.Mapping[str, str]) -> None:
    """Refuse a host on which what is to be written cannot be.

    raises: Refusal
    """
    due = {one["before_header"] for one in changes(told, files)}
    for path, directory in told["unwritable"].items():
        if path in due or (told["live"] and path.startswith(owned.STATE_DIRECTORY)):
            remedy = "It is on a file system that is mounted read-only, perhaps: make it writable, and run again."
            raise Refusal(directory, "not writable", "a directory in which root can write %s" % path, remedy)


def _difference(path: str, before: str, after: str) -> Json:
    return {"before": before, "after": after, "before_header": path, "after_header": path}
