# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.fourtuple.clients.plugins.module_utils.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils import planner


def plan(request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return planner.plan's answer; a refusal as data, so that the role can say it in its own words alone."""
    try:
        return planner.plan(request)
    except Refusal as refusal:
        return {"refusal": str(refusal)}


class FilterModule:
    """Filters of the planner."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"plan": plan}
