# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The managed host's side, killed or refused at each system call by which a module changes something."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import threading

import crash
import pytest
from sandbox import Sandbox, Snapshot

#: Everything that changes a file, key or address of a host; each can be asked the same again, whatever the first
#: attempt left. Ansible sends shell commands as well, which make and fill its temporary folder.
MODULES = ("client_settings",)


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
        if step.label in MODULES:
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


#: The faults of each module that have happened; by the module, the call and what it was for.
Happened = dict[tuple[str, str, str], set[str]]


@pytest.fixture(scope="module")
def happened() -> Happened:
    return collections.defaultdict(set)


def faults_at(call: dict[str, str], different: bool, happened: set[str], all_faults: bool) -> list[str]:
    """Return the faults to let happen at a call.

    Without ``all_faults`` it is killed where the host is not as it was at the call before (``different``), on its way
    through the keys and addresses at each of these, through files once at each kind of call; an error, and a torn
    write, happens to one call of each kind of each module.
    """
    once = what_for(call) == "file" and not all_faults
    kinds = ["kill"] if different and not (once and "kill" in happened) else []
    if crash.changes_host(call):
        torn = call["call"] == "write" and not call["path"].startswith("/proc")
        possible = crash.errors(call)
        if all_faults:
            return kinds + ["torn"] * torn + list(possible)
        if torn and "torn" not in happened:
            kinds.append("torn")
        if not happened & set(possible):
            # Not always the first: the path decides, which is as good as chance, and always the same.
            kinds.append(possible[len(call["path"]) % len(possible)])
    return kinds


def what_for(call: dict[str, str]) -> str:
    return "key" if call["path"].startswith("/proc/sys/") else "network" if call["path"] == "netlink" else "file"


def test_a_host_on_which_a_module_is_killed_or_refused_anywhere_is_safe_whole_and_can_be_done_again(
    recording: crash.Recording, table: crash.Table, happened: Happened, all_faults: bool
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
            different = crash.points(outcome.calls, all_faults)
            for number, call in enumerate(outcome.calls, start=1):
                known = happened[step.label, call["call"], what_for(call)]
                kinds = faults_at(call, number in different, known, all_faults)
                known.update(kinds)
                jobs += [pool.submit(faults.happen, step, number, kind, undisturbed) for kind in kinds]
        judged = [job.result() for job in jobs]
        assert len(judged) >= 10, "nothing was enumerated"
        wrong = all_wrong(judged)
        assert not wrong, wrong
        if all_faults:
            goes_on(faults)


def test_every_fault_has_happened_to_every_module_of_ours(happened: Happened) -> None:
    for label in MODULES:
        of_module = set().union(*(kinds for (module, _call, _what), kinds in happened.items() if module == label))
        assert {"kill", "torn"} < of_module, (label, of_module)
    everything = set().union(*happened.values())
    for kinds in (crash.DISK_ERRORS, crash.REMOVAL_ERRORS, crash.KEY_ERRORS, crash.NETWORK_ERRORS, crash.LOCK_ERRORS):
        assert everything & set(kinds), kinds


def goes_on(faults: Faults) -> None:
    """Run the playbook again from each different outcome."""

    def go_on(name: str, snapshot: Snapshot) -> Judged:
        faults.scenario.restore(faults.host, snapshot)
        wrong = crash.converge(faults.host, faults.recording)
        faults.table.add(faults.scenario.name, "whole run", "run again", "WRONG" if wrong else "as undisturbed")
        return Judged("the run after " + name, wrong)

    with concurrent.futures.ThreadPoolExecutor(crash.workers()) as pool:
        wrong = all_wrong(list(pool.map(lambda one: go_on(*one), faults.outcomes.values())))
    if wrong:
        pytest.fail(wrong)
