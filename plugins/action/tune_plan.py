# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.fourtuple.clients.plugins.module_utils.values.refusal import Refusal
from ansible_collections.fourtuple.clients.plugins.plugin_utils.plan import planner
from ansible_collections.fourtuple.clients.plugins.plugin_utils.run import files, options, outcome, variables
from ansible_collections.fourtuple.clients.plugins.plugin_utils.run.host_calls import HostCalls, failed

_ARGUMENTS: dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["present", "audit"], "default": "present"},
    "limits": {"type": "dict"},
    "request": {"type": "dict", "required": True},
    "known": {"type": "dict", "default": {}},
    "options": {"type": "dict", "required": True},
    "need": {"type": "bool", "default": True},
    "unread": {"type": "str", "default": ""},
}


class ActionModule(ActionBase):
    """Plans a host, and has the host say what speaks against the plan; one execution there, none that changes it."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _checked, given = self.validate_argument_spec(_ARGUMENTS)  # type: ignore[no-untyped-call]
        found = task_vars or {}
        try:
            variables.refuse_unknown(found)
        except Refusal as refusal:
            return {**result, "changed": False, **_refused(self._host(found), str(refusal), self._task.check_mode)}
        return {**result, "changed": False, **self._planned(given, found)}

    def _planned(self, given: dict[str, t.Any], found: dict[str, t.Any]) -> dict[str, t.Any]:
        host, check_mode, limits = self._host(found), bool(self._task.check_mode), given["limits"]
        if not given["need"]:
            return {"refusal": "", "outcome": outcome.unplanned(host, "left alone", outcome.LEFT_ALONE, check_mode)}
        if limits is None:
            return _refused(host, given["unread"], check_mode)
        request, wanted = given["request"], options.HostOptions(**given["options"])
        plan = planner.plan(limits, request, given["known"], host)
        audited = given["state"] == "audit"
        said = outcome.planned(host, "audited" if audited else "planned", request, plan, limits, check_mode)
        if plan.get("refusal") or audited:
            return {"refusal": plan.get("refusal") or "", "outcome": said, "claim": plan.get("claim")}
        steps = options.steps_of(found.get("ansible_run_tags") or ["all"], self._task.tags)
        asked = options.of_plan(plan, request, wanted, steps, given["known"], host, check_mode)
        calls = HostCalls(self, found)
        told = calls.settings(asked)
        if told.get("unreachable"):
            return told
        if failed(told):
            return {"refusal": told.get("msg") or "", "outcome": {**said, "message": told.get("msg") or ""}}
        texts = files.rendered(told, "tune", calls.render)
        return {
            "refusal": "",
            "outcome": said,
            "claim": plan["claim"],
            "options": asked,
            "told": told,
            "files": texts,
            "changes": files.changes(told, texts),
            "warnings": told.get("warnings") or [],
        }

    @staticmethod
    def _host(found: t.Mapping[str, t.Any]) -> str:
        return str(found.get("inventory_hostname", ""))


def _refused(host: str, message: str, check_mode: bool) -> dict[str, t.Any]:
    return {"refusal": message, "outcome": outcome.unplanned(host, "refused", message, check_mode)}
