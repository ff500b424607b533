# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions of role tune ask of a host: each function is one execution of a module there."""

from __future__ import annotations

import contextlib
import gc
import os
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.loader import lookup_loader

from ansible_collections.fourtuple.clients.plugins.plugin_utils.run.options import HostOptions

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

Json = dict[str, t.Any]

_ROLES = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))), "roles"
)


class HostCalls:
    """The host of a task."""

    def __init__(self, action: ActionBase, task_vars: t.Mapping[str, t.Any]) -> None:
        self._action = action
        self._variables = dict(task_vars)

    def settings(self, options: t.Mapping[str, t.Any], **more: t.Any) -> Json:
        """Return what client_settings does."""
        return self._run("fourtuple.clients.client_settings", {**options, **more})

    def limits(self, options: HostOptions, request: t.Mapping[str, t.Any]) -> Json:
        """Return a snapshot of the host's limits."""
        limits = {"users": list(options.users), "units": list(options.units), "ways": list(options.logins)}
        stated = request.get("destinations")
        destinations = stated if isinstance(stated, list) else []
        return self.settings({"state": "read", "limits": limits, "destinations": destinations, "variable_names": {}})

    def reload_systemd(self) -> Json:
        return self._run("ansible.builtin.systemd_service", {"daemon_reload": True})

    def restart(self, unit: str) -> Json:
        return self._run("ansible.builtin.systemd_service", {"name": unit, "state": "restarted"})

    def _run(self, module: str, arguments: Json) -> Json:
        try:
            with _nothing_collected():
                told: Json = self._action._execute_module(
                    module_name=module, module_args=arguments, task_vars=self._variables
                )
        except AnsibleConnectionFailure as lost:
            # As Ansible itself has it, but what the action knows of the host can go with it.
            return {"unreachable": True, "msg": str(lost)}
        return told

    def render(self, role: str, template: str, values: t.Mapping[str, t.Any]) -> str:
        """Return the text of a template of a role, as the role itself renders it."""
        action = self._action
        lookup = lookup_loader.get("ansible.builtin.template", loader=action._loader, templar=action._templar)
        path = os.path.join(_ROLES, role, "templates", template)
        return str(lookup.run([path], variables={}, template_vars=dict(values))[0])


@contextlib.contextmanager
def _nothing_collected() -> t.Iterator[None]:
    """Keep Python's garbage collector from looking at a task's process, which ends soon.

    To build a module Ansible parses every file that it imports (executor/module_common.py, recursive_finder). So many
    objects have the collector look at them, and at all that Ansible holds, over and over: a third of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def failed(told: t.Mapping[str, t.Any]) -> bool:
    return bool(told.get("failed") or told.get("unreachable"))
