# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.fourtuple.clients.plugins.plugin_utils.run import files, options, outcome
from ansible_collections.fourtuple.clients.plugins.plugin_utils.run.host_calls import HostCalls, failed

_ARGUMENTS: dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "plan": {"type": "dict", "default": {}},
    "options": {"type": "dict", "required": True},
}

#: A kernel module that cannot be loaded, or another run, can make what was rendered stale; no host does it for ever.
_ATTEMPTS = 3


class Stopped(Exception):
    """The host said no: what it said, and the steps that were done and were not."""

    def __init__(self, told: t.Mapping[str, t.Any]) -> None:
        self.told = told
        super().__init__(str(told.get("msg") or "A module failed."))


class ActionModule(ActionBase):
    """Carries a plan out, in the safe order, and reads the host once more; or takes everything back."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        # ActionBase is not annotated.
        _checked, given = self.validate_argument_spec(_ARGUMENTS)  # type: ignore[no-untyped-call]
        calls = HostCalls(self, task_vars or {})
        wanted = options.HostOptions(**given["options"])
        try:
            if given["state"] == "absent":
                return {**result, **self._taken_back(calls, wanted, task_vars or {})}
            return {**result, **self._carried_out(calls, wanted, given["plan"])}
        except Stopped as stopped:
            if stopped.told.get("unreachable"):
                return {**result, **outcome.lost(given["plan"].get("outcome") or {}, stopped.told)}
            return {**result, "failed": True, "msg": _message(stopped)}

    def _carried_out(self, calls: HostCalls, wanted: options.HostOptions, plan: dict[str, t.Any]) -> dict[str, t.Any]:
        if "told" not in plan:
            # Nobody asked anything of this host.
            return {"changed": False, **plan["outcome"], "msg": plan["outcome"]["message"]}
        told, changes = plan["told"], plan["changes"]
        due = bool(changes or told["reload"])
        verified, lockout = plan["verified"], plan["lockout"]
        if self._task.check_mode:
            verified, lockout = None, ""
        elif due or (wanted.restart_units and told["restart_needed"]):
            told = self._changed(calls, plan) if due else told
            self._restarted(calls, wanted, told)
            limits = _well(calls.limits(wanted, plan["outcome"]["request"]))["limits"]
            verified, lockout = outcome.verified(plan["outcome"], limits), outcome.lockout(limits)
        if lockout:
            raise Stopped({"msg": lockout})
        restarted = told["restart_needed"] if wanted.restart_units else []
        said = outcome.tuned(plan["outcome"], verified)
        # With --tags a run may leave a step out, and owes the target only when it has made them all.
        if verified and not said["meets_target"] and list(plan["options"]["steps"]) == list(options.STEPS):
            raise Stopped({"msg": outcome.shortfall(said["after"], said["target"], "The host now holds")})
        for warning in _warnings(plan, told):
            self._display.warning(warning)
        return {
            **said,
            "changed": bool(changes or restarted),
            # A result is kept as long as the run lasts.
            "diff": changes if self._task.diff else [],
            "msg": outcome.headline(said) + _restart(told, wanted),
        }

    def _changed(self, calls: HostCalls, plan: dict[str, t.Any]) -> dict[str, t.Any]:
        told, texts = plan["told"], plan["files"]
        for _attempt in range(_ATTEMPTS):
            told = _well(calls.settings(plan["options"], files=texts, render=told["render"]))
            if not told["stale"]:
                return told
            texts = files.rendered(told, "tune", calls.render)
        raise Stopped(
            {"msg": "Other runs keep changing this host, so nothing was changed. Run again when they are done."}
        )

    def _restarted(self, calls: HostCalls, wanted: options.HostOptions, told: dict[str, t.Any]) -> None:
        if not told["systemd_running"]:
            return
        if told["reload"]:
            _well(calls.reload_systemd())
        for unit in told["restart_needed"] if wanted.restart_units else ():
            _well(calls.restart(unit))

    def _taken_back(self, calls: HostCalls, wanted: options.HostOptions, found: dict[str, t.Any]) -> dict[str, t.Any]:
        steps = options.steps_of(found.get("ansible_run_tags") or ["all"], self._task.tags)
        asked = options.of_host(wanted, steps, check_mode=False)
        told = _well(calls.settings(asked, state="absent"))
        if not self._task.check_mode:
            self._restarted(calls, wanted, told)
        return {
            "changed": told["changed"],
            "diff": told["diff"],
            "warnings": [*(told.get("warnings") or ()), *filter(None, [_restart(told, wanted).strip()])],
        }


def _well(told: dict[str, t.Any]) -> dict[str, t.Any]:
    if failed(told):
        raise Stopped(told)
    return told


def _warnings(plan: t.Mapping[str, t.Any], told: t.Mapping[str, t.Any]) -> list[str]:
    """Return what the host warned of as it was changed and has not been shown with the plan."""
    return [text for text in told.get("warnings") or () if text not in (plan.get("warnings") or ())]


def _restart(told: t.Mapping[str, t.Any], wanted: options.HostOptions) -> str:
    units = told["restart_needed"]
    if not units or wanted.restart_units:
        return ""
    said = " These units run with other limits than their files say, until they are restarted: %s."
    return (said + " Restart them when it suits, or set tune_restart_units: true.") % ", ".join(units)


def _message(stopped: Stopped) -> str:
    done, left = stopped.told.get("done"), stopped.told.get("left")
    if done is None or left is None:
        return str(stopped)
    return "%s. Done: %s. Not done: %s. The host is in a safe state: run again to go on, or untune it to go back." % (
        str(stopped).rstrip(". \n"),
        ", ".join(done) or "nothing",
        ", ".join(left),
    )
