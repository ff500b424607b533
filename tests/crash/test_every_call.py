# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The managed host's side, killed or refused at each system call by which a module changes something."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import threading

import crash
import pytest
from sandbox import Sandbox, Snapshot

#: Modules that can be asked the same again, whatever the first attempt left. Ansible's copy moves its source away, so
#: that only a whole run can do it again.
OURS = ("sysctl_apply", "source_addresses")
REPEATABLE = (*OURS, "file")
#: Ansible sends shell commands as well, which make and fill its temporary folder.
MODULES = (*REPEATABLE, "copy")


@dataclasses.dataclass
class Judged:
    """A fault and what is wrong after it; nothing, if all is well."""

    what: str
    wrong: list[str]


class Faults:
    """Lets faults happen on hosts of its own, one for each thread."""

    def __init__(self, recording: crash.Recording, table: crash.Table) -> None:
        self.recording = recording
        self.scenario = recording.scenario
        self.table = table
        #: A host of each different outcome, to go on from.
        self.outcomes: dict[str, tuple[str, Snapshot]] = {}
        self._of_thread = threading.local()
        self._hosts: list[Sandbox] = []

    def __enter__(self) -> Faults:
        return self

    def __exit__(self, *_error: object) -> None:
        for host in self._hosts:
            host.close()

    @property
    def host(self) -> Sandbox:
        if not hasattr(self._of_thread, "host"):
            self._of_thread.host = self.scenario.host()
            self._hosts.append(self._of_thread.host)
        return self._of_thread.host

    def plan(self, step: crash.Step) -> tuple[crash.Outcome, crash.State, crash.State]:
        """Return the undisturbed outcome of a step, and the host before and after it."""
        values = self.scenario.restore(self.host, step.before)
        before = self.host.state()
        outcome = crash.run(self.host, step)
        self.host.settle(values)
        return outcome, before, self.host.state()

    def happen(
        self,
        step: crash.Step,
        number: int,
        fault: str,
        undisturbed: tuple[crash.Outcome, crash.State, crash.State],
    ) -> Judged:
        """Let one fault happen, and judge the host."""
        host = self.host
        traced, before, after = undisturbed
        values = self.scenario.restore(host, step.before)
        outcome = crash.run(host, step, number, fault)
        call = outcome.calls[number - 1]
        killed = fault in ("kill", "torn")
        host.settle(values)
        state = host.state()
        name = "%s, %s at call %d, %s" % (
            step.label,
            fault,
            number,
            " ".join(call[word] for word in call if word != "data"),
        )
        wrong = crash.torn(state, before, after, crash.whole_texts(traced.calls))
        if not killed and crash.changes_host(call) and step.label in MODULES:
            wrong += told(step, outcome, call)
        snapshot = host.snapshot()
        identity = crash.identity(state)
        if identity not in self.outcomes:
            self.outcomes[identity] = (name, snapshot)
        if step.label in REPEATABLE:
            again = crash.run(host, step)
            host.settle(host.values())
            wrong += [] if again.result and not again.result.get("failed") else ["again: " + again.output]
            wrong += crash.differences(after, host.state(), "undisturbed")
            self.scenario.restore(host, snapshot)
        wrong += crash.judge(host)
        kind = "as before" if state == before else "as after" if state == after else "in between"
        failed = "" if killed else ", error told" if outcome.result.get("failed") else ", went on"
        self.table.add(
            self.scenario.name, step.label, fault if killed else "error", kind + failed if not wrong else "WRONG"
        )
        return Judged(name, wrong)


def told(step: crash.Step, outcome: crash.Outcome, call: dict[str, str]) -> list[str]:
    """Return what is wrong with how a module that survives reports an error: one message that names what failed."""
    message = str(outcome.result.get("msg", ""))
    if not outcome.result:
        return ["no result: " + outcome.output]
    if "Traceback" in message or "MODULE FAILURE" in message:
        return ["a traceback: " + message]
    if not outcome.result.get("failed"):
        return []
    if step.label not in OURS:
        # Ansible's own say what failed, and beside it on what.
        message = json.dumps(outcome.result)
    if call["path"] == "netlink":
        return [] if "ip -batch" in message else ["does not name ip: " + message]
    names = [name for path in (call["path"], call.get("to", call["path"])) for name in names_of(path)]
    return [] if any(name in message for name in names) else ["names none of %s: %s" % (names, message)]


def names_of(path: str) -> list[str]:
    """Return the words by which a person knows a file or a key; of a folder's content the folder will do."""
    if path.startswith("/proc/sys/"):
        return [path.removeprefix("/proc/sys/").replace("/", ".")]
    return [path, path.rpartition("/")[0]]


def all_wrong(judged: list[Judged]) -> str:
    return "\n".join("%s\n    %s" % (one.what, "\n    ".join(one.wrong)) for one in judged if one.wrong)


def test_a_host_on_which_a_module_is_killed_or_refused_anywhere_is_safe_whole_and_can_be_done_again(
    recording: crash.Recording, table: crash.Table, all_faults: bool
) -> None:
    with Faults(recording, table) as faults, concurrent.futures.ThreadPoolExecutor(crash.workers()) as pool:
        planned = list(pool.map(faults.plan, recording.steps))
        jobs = []
        for step, undisturbed in zip(recording.steps, planned, strict=True):
            outcome = undisturbed[0]
            assert outcome.status == 0, (step.label, outcome.output)
            if not any(map(crash.changes_host, outcome.calls)):
                table.add(recording.scenario.name, step.label, "none", "changes nothing")
                continue
            for number in crash.points(outcome.calls, all_faults):
                call = outcome.calls[number - 1]
                kinds = ["kill"]
                if crash.changes_host(call):
                    kinds += ["torn"] if call["call"] == "write" and not call["path"].startswith("/proc") else []
                    possible = crash.errors(call)
                    kinds += possible if all_faults else [possible[number % len(possible)]]
                jobs += [pool.submit(faults.happen, step, number, kind, undisturbed) for kind in kinds]
        judged = [job.result() for job in jobs]
        assert len(judged) >= 10, "nothing was enumerated"
        wrong = all_wrong(judged)
        assert not wrong, wrong
        goes_on(faults, all_faults)


def goes_on(faults: Faults, all_faults: bool) -> None:
    """Run the playbook again from different outcomes: from each, or from a few that lie far from each other."""
    found = list(faults.outcomes.values())
    chosen = found if all_faults else found[1 :: max(1, len(found) // 1)]

    def go_on(name: str, snapshot: Snapshot) -> Judged:
        faults.scenario.restore(faults.host, snapshot)
        wrong = crash.converge(faults.host, faults.recording)
        faults.table.add(faults.scenario.name, "whole run", "run again", "WRONG" if wrong else "as undisturbed")
        return Judged("the run after " + name, wrong)

    with concurrent.futures.ThreadPoolExecutor(crash.workers()) as pool:
        wrong = all_wrong(list(pool.map(lambda one: go_on(*one), chosen)))
    if wrong:
        pytest.fail(wrong)
