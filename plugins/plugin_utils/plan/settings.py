# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a plan, and why a key cannot be set."""

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.values import (
    container_options,
)
from ansible_collections.fourtuple.clients.plugins.plugin_utils.model.constraint import MACHINE, Limits, scope_of

Settings = dict[str, t.Any]


def cannot_be_set(limits: Limits, key: str, wanted: str) -> str:
    """Return why a key stays as it is, and what would give it the value that is wanted."""
    present = limits["keys"][key]["now"] or "empty"
    if scope_of(limits, key) == MACHINE:
        return "%s is %s and belongs to the machine under this container: set %s there." % (key, present, wanted)
    way = "set it to %s from where /proc/sys can be written; ProtectKernelTunables= makes it read-only" % wanted
    if limits["host"]["container"]:
        way = container_options.start_with_sysctl(key, wanted)
    return "%s is %s and cannot be written here: %s." % (key, present, way)
