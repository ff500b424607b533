# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.fourtuple.clients.plugins.module_utils.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils import planner


def plan(request: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    try:
        return planner.plan(request)
    except Refusal as refusal:
        raise AnsibleFilterError(str(refusal)) from refusal


class FilterModule:
    """Filters of the planner."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        return {"plan": plan}
