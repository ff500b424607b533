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
    "unreachable": {"type": "bool", "default": False},
    "again": {"type": "dict", "default": {}},
}


#: What is returned of a plan.
_OF_PLAN = ("claim", "target", "settings", "sources", "container")
#: What is known of a host's addresses to the hosts that are planned after it.
_OF_LIMITS = ("addresses", "applied")


class ActionModule(ActionBase):
    """Plans a host, and has the host say what speaks against it, in one execution, or in none if it already has."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        # ActionBase is not annotated.
        _checked, given = self.validate_argument_spec(_ARGUMENTS)  # type: ignore[no-untyped-call]
        return {**result, "changed": False, **self._answer(given, task_vars or {})}

    def _answer(self, given: dict[str, t.Any], found: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the plan; a refusal as data, so that the role can record it before it fails."""
        host, check_mode = str(found.get("inventory_hostname", "")), bool(self._task.check_mode)
        said = outcome.unplanned(host, "left alone", outcome.LEFT_ALONE, check_mode)
        try:
            variables.refuse_unknown(found)
            if not given["need"]:
                return {"refusal": "", "outcome": said}
            if given["unreachable"]:
                return {"refusal": "", "outcome": outcome.unplanned(host, "unreachable", given["unread"], check_mode)}
            if given["limits"] is None:
                raise HostRefused(given["unread"])
            plan = planner.plan(given["limits"], given["request"], given["known"], host)
            audited = given["state"] == "audit"
            state = "audited" if audited else "planned"
            said = outcome.planned(host, state, given["request"], plan, given["limits"], check_mode)
            answer = {"outcome": said, **{key: plan.get(key) for key in _OF_PLAN}}
            answer["seen"] = {key: given["limits"].get(key) for key in _OF_LIMITS}
            answer["refusal"] = plan.get("refusal") or ""
            if audited or answer["refusal"]:
                return answer
            told = self._checked(given, plan, found)
            if told.get("unreachable"):
                return {**told, "refusal": "", "outcome": {**said, "state": "unreachable", "message": str(told["msg"])}}
            # Where nothing is to be done, the snapshot is of before and after.
            verified = outcome.verified(said, given["limits"])
            return {**answer, **told, "verified": verified, "lockout": outcome.lockout(given["limits"])}
        except (Refusal, HostRefused) as refusal:
            return {"refusal": str(refusal), "outcome": {**said, "message": str(refusal)}}

    def _checked(self, given: dict[str, t.Any], plan: dict[str, t.Any], found: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return what the host says of a plan. raises: Refusal, HostRefused"""
        steps = options.steps_of(found.get("ansible_run_tags") or ["all"], self._task.tags)
        wanted, host = options.HostOptions(**given["options"]), str(found.get("inventory_hostname", ""))
        check_mode = bool(self._task.check_mode)
        asked = options.of_plan(plan, given["request"], wanted, steps, given["known"], host, check_mode)
        calls = HostCalls(self, found)
        again = given["again"]
        known = bool(again) and options.same(again["options"], asked)
        told: dict[str, t.Any] = again["told"] if known else calls.settings(asked)
        if told.get("unreachable"):
            return told
        if failed(told):
            raise HostRefused(told.get("msg") or "The module client_settings failed and did not say why.")
        texts = files.rendered(told, "tune", calls.render)
        differences = files.changes(told, texts)
        files.refuse_unwritable(told, differences)
        return {
            "options": asked,
            "told": told,
            "files": texts,
            "changes": differences,
            "warnings": told.get("warnings") or [],
        }


class HostRefused(Exception):
    """The host has refused the plan, or could not be read, in its own words."""
