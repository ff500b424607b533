# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a person can judge of a plan."""

from __future__ import annotations

from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys
from ansible_collections.fourtuple.clients.plugins.module_utils.values.sysctl_table import RESERVED_PORTS
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import Limits
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan.settings import Settings
from ansible_collections.fourtuple.clients.plugins.plugin_utils.request import ClientRequest


def overridden(limits: Limits, request: ClientRequest, settings: Settings) -> list[str]:
    """Name the lines of others that beat ours."""
    found = []
    for entry in limits["overrides"]:
        key, value = entry["key"], entry["value"]
        floor, ours = settings["sysctl_floors"].get(key), settings["sysctl_values"].get(key)
        if entry.get("unit") and entry["unit"] not in settings["units"]:
            # The limit of somebody else's service, which nothing was planned for.
            continue
        if key == sysctl_keys.NOFILE:
            # A shell cannot take more than the hard limit, and what it takes is soft and hard: nobody raises it again,
            # and whoever wants no more than the soft limit has said so.
            soft = request.explicit.nofile_soft
            floor = settings["nofile_hard"] if soft is None else soft
            if value in ("hard", "unlimited"):
                # The soft limit rises to the hard one; nothing changes, as RLIM_INFINITY is refused.
                continue
        ours = ours if floor is None else floor
        if ours is not None and not sysctl_keys.is_as_good(
            key, value, str(ours), sysctl_keys.WIDEST, floor is not None
        ):
            found.append(
                "%s: %s (%s) sets %s and beats the planned %s: remove it there."
                % (key, entry["file"], entry["who"], value, ours)
            )
    return found


def refused_lines(limits: Limits, settings: Settings) -> list[str]:
    """Name the lines about the planned keys that the kernel refuses."""
    planned = {*settings["sysctl_floors"], *settings["sysctl_values"], RESERVED_PORTS}
    return [
        "%(key)s: %(file)s sets %(value)s, which sets nothing: %(why)s." % entry
        for entry in limits.get("refused", ())
        if entry["key"] in planned
    ]


def to_restart(limits: Limits, settings: Settings) -> list[str]:
    soft = settings["nofile_soft"]
    return [
        "%s runs with a soft nofile of %d until it is restarted." % (one["name"], one["now"]["soft"])
        for one in limits["nofile"]["subjects"]
        if one["name"] in settings["units"] and one.get("pid") is not None and one["now"]["soft"] < soft
    ]
