# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan to the options of client_settings. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import PORT_RANGE
from ansible_collections.fourtuple.clients.plugins.plugin_utils import known

#: In the order in which they are done.
STEPS = ("sysctl", "limits", "addresses")
TAG = "tune"

#: The variables that a person sets, by the option that each becomes.
_NAMES = {
    "floors": "tune_sysctl_floors",
    "values": "tune_sysctl_values",
    "reserved_ports": "tune_reserved_ports",
    "reserve_listeners": "tune_reserve_listeners",
    "nofile_soft": "tune_nofile_soft",
    "nofile_hard": "tune_nofile_hard",
    "domains": "tune_domains",
    "units": "tune_units",
    "users": "tune_users",
    "ways": "tune_logins",
    "systemd_default": "tune_systemd_default",
    "list": "tune_addresses",
    "interface": "tune_interface",
    "method": "tune_addresses_method",
    "probe": "tune_addresses_probe",
    "provider": "tune_addresses_provider",
}


class HostOptions(t.NamedTuple):
    """What is passed on to the host as the variables ``tune_<name>`` have it, without being planned.

    users: those to ask the host for; groups, ranges and * are none
    """

    users: t.Sequence[str]
    units: t.Sequence[str]
    logins: t.Sequence[str]
    reserve_listeners: bool
    systemd_default: bool
    restart_units: bool
    addresses_method: str
    addresses_probe: bool
    addresses_provider: str


def steps_of(tags: t.Iterable[str], own: t.Iterable[str]) -> list[str]:
    """Return the steps that a run with ``--tags`` is to do: those named, or all where something else selects the role.

    own: the tags of the task, with those that it has inherited
    """
    wanted = set(tags)
    named = [step for step in STEPS if step in wanted]
    whole = {"all", "tagged", "untagged", TAG} | (set(own) - set(STEPS))
    return named if named and not wanted & whole else list(STEPS)


def of_host(options: HostOptions, steps: t.Sequence[str], check_mode: bool) -> dict[str, t.Any]:
    """Return what every call of client_settings for a host has."""
    return {
        "steps": list(steps),
        "limits": {
            "units": list(options.units),
            "systemd_default": options.systemd_default,
            "allow_missing": check_mode,
        },
        "variable_names": dict(_NAMES),
    }


def of_plan(
    plan: t.Mapping[str, t.Any],
    request: t.Mapping[str, t.Any],
    options: HostOptions,
    steps: t.Sequence[str],
    table: known.Table,
    host: str,
    check_mode: bool,
) -> dict[str, t.Any]:
    """Return the options of client_settings that carry out a plan, as planner.plan() returns it for ``request``."""
    settings = plan["settings"]
    found = of_host(options, steps, check_mode)
    found["sysctl"] = {
        "floors": settings["sysctl_floors"],
        "values": settings["sysctl_values"],
        "reserved_ports": settings["reserved_ports"],
        "reserve_listeners": options.reserve_listeners,
    }
    found["limits"].update(
        nofile_soft=settings["nofile_soft"],
        nofile_hard=settings["nofile_hard"],
        domains=settings["domains"],
        users=list(options.users) if request.get("users") or options.units else ["root"],
        needed=plan["descriptors"],
        ways=list(options.logins),
    )
    found["addresses"] = {
        "interface": settings["interface"],
        "list": settings["addresses"],
        "method": options.addresses_method,
        "probe": options.addresses_probe,
        "provider": options.addresses_provider,
        "taken": known.taken(table, host, settings["addresses"]),
    }
    found["variable_names"].update(_of_planned(plan, request.get("explicit") or {}))
    return found


def _of_planned(plan: t.Mapping[str, t.Any], explicit: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return the names of what nobody has written: the variables that it was planned from."""
    settings = plan["settings"]
    stated = set(explicit.get("sysctl_floors") or {})
    names = {
        "floors[%s]" % key: "the planned %s (tune_target_connections)" % key
        for key in settings["sysctl_floors"]
        if key not in stated
    }
    if PORT_RANGE not in (explicit.get("sysctl_values") or {}):
        names["values[%s]" % PORT_RANGE] = "tune_port_range"
    for kind in ("soft", "hard"):
        if not explicit.get("nofile_" + kind):
            names["nofile_" + kind] = "the planned %s nofile (tune_target_connections)" % kind
    if not explicit.get("domains"):
        names["domains"] = "tune_users"
    if not explicit.get("addresses"):
        names["list"] = "tune_address_pool (slot %s)" % plan["slot"]
    return names
