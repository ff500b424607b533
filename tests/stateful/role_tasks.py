# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the roles' own task files in this process, on a folder that stands for a host.

The tasks, their order, conditions and templates are those of roles/: a role that changes is followed, and what it
uses that is not known here stops the test. ansible-playbook needs seconds for what takes a tenth of one here.
"""

from __future__ import annotations

import contextlib
import functools
import pathlib
import types
import typing as t
from unittest import mock

import jinja2
import jinja2.nativetypes
import jinja2.runtime
import yaml
from ansible.plugins.action import ActionBase
from ansible.plugins.filter import core as core_filters
from ansible.plugins.filter import mathstuff
from ansible.plugins.test import core as core_tests

from ansible_collections.fourtuple.clients.plugins.action import tune_apply, tune_plan
from ansible_collections.fourtuple.clients.plugins.filter import ceilings, fleet, plan
from ansible_collections.fourtuple.clients.plugins.plugin_utils.run import host_calls

ROLES = pathlib.Path(__file__).parents[2] / "roles"

Variables = dict[str, t.Any]
Result = dict[str, t.Any]

#: What of a task is no module.
_KEYWORDS = frozenset(
    (
        *("name", "when", "loop", "loop_control", "register", "vars", "tags", "run_once"),
        *("check_mode", "changed_when", "failed_when", "diff", "block", "rescue"),
    )
)


class TaskFailed(Exception):
    def __init__(self, task: str, result: Result) -> None:
        self.task, self.result = task, result
        super().__init__("%s: %s" % (task, result.get("msg")))


class Stopped(Exception):
    """The play was killed after as many tasks, and changes within one, as the test allowed."""


_ACTIONS = {"tune_apply": tune_apply, "tune_plan": tune_plan}


class Calls(host_calls.HostCalls):
    """What the actions ask of a host, asked of a folder."""

    def __init__(self, host: Host, check: bool) -> None:
        self._host, self._check = host, check

    def _run(self, module: str, arguments: Variables) -> Result:
        return self._host.module(module.rpartition(".")[2], arguments, self._check)

    def render(self, role: str, template: str, values: t.Mapping[str, t.Any]) -> str:
        text = (ROLES / role / "templates" / template).read_text()
        return str(_compiled(text).render(__scope=Scope([{name: Facts(value) for name, value in values.items()}])))


class Facts:
    """A value that is no template: what a module returned, or set_fact kept."""

    def __init__(self, value: t.Any) -> None:
        self.value = value


class _Context(jinja2.runtime.Context):
    def resolve_or_missing(self, key: str) -> t.Any:
        found = super().resolve_or_missing(key)
        if found is not jinja2.runtime.missing:
            return found
        try:
            return self.parent["__scope"].value(key)
        except KeyError:
            return jinja2.runtime.missing


def _concat(nodes: t.Iterable[t.Any]) -> t.Any:
    """Keep the type of a lone expression, as Ansible does; join the rest."""
    found = list(nodes)
    if len(found) != 1:
        return "".join(map(str, found))
    return list(found[0]) if isinstance(found[0], types.GeneratorType) else found[0]


class _Environment(jinja2.nativetypes.NativeEnvironment):
    context_class = _Context
    concat = staticmethod(_concat)  # type: ignore[assignment]


class _Template(jinja2.nativetypes.NativeTemplate):
    environment_class = _Environment


_Environment.template_class = _Template


#: Ansible's own, as far as the roles use them; of Jinja's it replaces some by such that know its own undefined values.
_FILTERS = ("bool", "combine", "dict2items", "difference", "dirname", "quote", "regex_replace", "ternary")


def _environment() -> _Environment:
    environment = _Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    for module in (core_filters, mathstuff):
        found = module.FilterModule().filters()
        environment.filters.update({name: found[name] for name in _FILTERS if name in found})
    for ours in (ceilings, fleet, plan):
        filters = ours.FilterModule().filters()
        environment.filters.update({"fourtuple.clients." + name: filters[name] for name in filters})
    environment.tests.update(core_tests.TestModule().tests())
    return environment


_ENVIRONMENT = _environment()


@jinja2.pass_context
def _lookup(context: jinja2.runtime.Context, plugin: str, source: str) -> str:
    assert plugin == "ansible.builtin.template", plugin
    scope = context.parent["__scope"]
    return str(_compiled((scope.value("role_path") / "templates" / source).read_text()).render(__scope=scope))


_ENVIRONMENT.globals["lookup"] = _lookup


@functools.cache
def _compiled(text: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(text)


@functools.cache
def _expression(text: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string("{{ %s }}" % text)


@functools.cache
def _yaml(path: pathlib.Path) -> t.Any:
    return yaml.safe_load(path.read_text()) if path.exists() else None


class Scope:
    """Variables, the innermost layer first; templates among them are rendered when they are asked for."""

    def __init__(self, layers: t.Sequence[Variables]) -> None:
        self.layers = list(layers)

    def inside(self, layer: Variables | None) -> Scope:
        return Scope([layer, *self.layers]) if layer else self

    def value(self, name: str) -> t.Any:
        for layer in self.layers:
            if name in layer:
                return self.render(layer[name])
        raise KeyError(name)

    def render(self, value: t.Any) -> t.Any:
        if isinstance(value, Facts):
            return value.value
        if isinstance(value, str):
            return _compiled(value).render(__scope=self) if "{{" in value or "{%" in value else value
        if isinstance(value, dict):
            return {key: self.render(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.render(item) for item in value]
        return value

    def holds(self, condition: t.Any) -> bool:
        if isinstance(condition, bool):
            return condition
        conditions = condition if isinstance(condition, list) else [condition]
        for one in conditions:
            found = one if isinstance(one, bool) else _expression(str(one)).render(__scope=self)
            assert isinstance(found, bool), "%r is no bool but %r, which Ansible refuses" % (one, found)
            if not found:
                return False
        return True


class Host(t.Protocol):
    """What the tasks need of a host."""

    path: pathlib.Path

    def module(self, name: str, arguments: Variables, check: bool) -> Result: ...

    def after_task(self, name: str) -> None: ...


class Play:
    """One run of a role on one host.

    most: stop, as if killed, once so many tasks, and changes within one, have been carried out
    """

    def __init__(self, host: Host, variables: Variables, check: bool = False, most: int | None = None) -> None:
        self.host, self.check, self.left = host, check, most
        self.facts: Variables = {}
        hostvars = {"host": dict(variables)}
        magic = {
            "inventory_hostname": "host",
            "omit": _OMIT,
            "ansible_check_mode": check,
            "groups": Facts({"all": ["host"]}),
            "ansible_play_hosts_all": Facts(["host"]),
            "ansible_play_batch": Facts(["host"]),
            "hostvars": Facts(_HostVariables(hostvars, self.facts)),
        }
        self.base = Scope([self.facts, variables, magic])

    def role(self, name: str) -> None:
        """Carry out a role, as the playbooks name it."""
        self._role(self.base, {"name": name})

    def may_go_on(self, name: str) -> None:
        """Stop, as if killed, before a task or a change within one, once as many have been as the test allows."""
        if self.left is not None:
            if self.left == 0:
                raise Stopped(name)
            self.left -= 1

    # --- keywords ---

    def _tasks(self, tasks: t.Sequence[Variables], scope: Scope, where: pathlib.Path) -> None:
        for task in tasks:
            inner = scope.inside(task.get("vars"))
            if "block" in task:
                self._block(task, inner, where)
            elif inner.holds(task.get("when", True)):
                self._task(task, inner, where)
            elif "register" in task:
                self.facts[task["register"]] = Facts({"changed": False, "skipped": True})

    def _block(self, task: Variables, scope: Scope, where: pathlib.Path) -> None:
        assert "always" not in task
        if not scope.holds(task.get("when", True)):
            return
        try:
            self._tasks(task["block"], scope, where)
        except TaskFailed as failed:
            if "rescue" not in task:
                raise
            self.facts["ansible_failed_result"] = Facts(failed.result)
            self._tasks(task["rescue"], scope, where)

    def _task(self, task: Variables, scope: Scope, where: pathlib.Path) -> None:
        names = set(task) - _KEYWORDS
        assert len(names) == 1, "%s: unknown keywords %s" % (where, sorted(names))
        (action,) = names
        short = action.rpartition(".")[2]
        if short in ("include_tasks", "import_tasks"):
            path = where.parent / scope.render(task[action])
            self._tasks(_yaml(path) or [], scope, path)
            return
        if short == "include_role":
            assert set(task[action]) <= {"name", "apply"}
            self._role(scope, task[action])
            return
        self.may_go_on(task["name"])
        result = self._results(task, action, scope, where)
        if "register" in task:
            self.facts[task["register"]] = Facts(result)
        # A task is over when what it did is there; one that failed may have done a part of it.
        self.host.after_task(task["name"])
        if result.get("failed"):
            raise TaskFailed(task["name"], result)

    def _results(self, task: Variables, action: str, scope: Scope, where: pathlib.Path) -> Result:
        if "loop" not in task:
            return self._run(task, action, scope, where)
        results = []
        for item in scope.render(task["loop"]):
            results.append(self._run(task, action, scope.inside({"item": Facts(item)}), where))
            if results[-1].get("failed"):
                break
        failed = [result for result in results if result.get("failed")]
        changed = any(result.get("changed") for result in results)
        return dict(failed[0] if failed else {}, results=results, changed=changed)

    def _run(self, task: Variables, action: str, scope: Scope, where: pathlib.Path) -> Result:
        arguments = (
            {key: value for key, value in (scope.render(task[action]) or {}).items() if value != _OMIT}
            if action.rpartition(".")[2] != "assert"
            else dict(task[action])
        )
        check = bool(task.get("check_mode", self.check))
        result = self._action(action, arguments, scope, where, check)
        if "changed_when" in task:
            result["changed"] = scope.holds(task["changed_when"])
        if "failed_when" in task:
            result["failed"] = scope.holds(task["failed_when"])
        return result

    def _role(self, scope: Scope, named: Variables) -> None:
        folder = ROLES / scope.render(named["name"]).rpartition(".")[2]
        defaults, fixed = (_yaml(folder / part / "main.yml") or {} for part in ("defaults", "vars"))
        # What the operator and the including task set wins over defaults, and the role's vars over the operator.
        inner = Scope([{"role_path": Facts(folder)}, *scope.layers[:-2], fixed, *scope.layers[-2:], defaults])
        path = folder / "tasks" / "main.yml"
        self._tasks(_yaml(path), inner, path)

    # --- modules ---

    def _action(self, action: str, arguments: Variables, scope: Scope, where: pathlib.Path, check: bool) -> Result:
        name = action.rpartition(".")[2]
        if name in _ACTIONS:
            return self._of_controller(name, arguments, check)
        if action.startswith("fourtuple.clients."):
            return self.host.module(name, arguments, check)
        builtin = t.cast(
            t.Callable[..., Result], getattr(self, "_" + action.removeprefix("ansible.builtin.") + "_module")
        )
        return builtin(arguments, scope, where, check)

    def _of_controller(self, name: str, arguments: Variables, check: bool) -> Result:
        """Run one of our actions, but for what Ansible does around it."""
        module = _ACTIONS[name]
        action = object.__new__(module.ActionModule)
        action._task = types.SimpleNamespace(
            check_mode=check, diff=True, tags=["tune", "sysctl", "limits", "addresses"]
        )

        def given(_action: object, specification: Variables) -> tuple[None, Variables]:
            return None, {key: arguments.get(key, row.get("default")) for key, row in specification.items()}

        replaced: list[tuple[t.Any, str, t.Any]] = [
            (ActionBase, "run", lambda *_given: {}),
            (ActionBase, "validate_argument_spec", given),
            (module, "HostCalls", lambda *_given: Calls(self.host, check)),
        ]
        with contextlib.ExitStack() as stack:
            for owner, attribute, value in replaced:
                stack.enter_context(mock.patch.object(owner, attribute, value))
            return t.cast(Result, action.run(None, {"inventory_hostname": "host"}))

    def _set_fact_module(self, arguments: Variables, scope: Scope, where: pathlib.Path, check: bool) -> Result:
        self.facts.update({name: Facts(value) for name, value in arguments.items()})
        return {"changed": False}

    def _assert_module(self, arguments: Variables, scope: Scope, where: pathlib.Path, check: bool) -> Result:
        if scope.holds(arguments["that"]):
            return {"changed": False}
        return {"changed": False, "failed": True, "msg": scope.render(arguments["fail_msg"])}

    def _fail_module(self, arguments: Variables, scope: Scope, where: pathlib.Path, check: bool) -> Result:
        return {"changed": False, "failed": True, "msg": arguments["msg"]}

    def _debug_module(self, arguments: Variables, scope: Scope, where: pathlib.Path, check: bool) -> Result:
        return {"changed": False, "msg": arguments["msg"]}

    def _systemd_service_module(self, arguments: Variables, scope: Scope, where: pathlib.Path, check: bool) -> Result:
        return {"changed": False} if check else self.host.module("systemd_service", arguments, check)


#: Stands for Ansible's own variable.
_OMIT = "__omitted__"


class _HostVariables(dict[str, t.Any]):
    """hostvars: the inventory's variables, and the facts of the only host."""

    def __init__(self, variables: t.Mapping[str, Variables], facts: Variables) -> None:
        super().__init__(variables)
        self.facts = facts

    def __getitem__(self, host: str) -> t.Any:
        return super().__getitem__(host) | {
            name: fact.value for name, fact in self.facts.items() if isinstance(fact, Facts)
        }
