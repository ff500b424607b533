# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs: stopped after a task, on a host that is broken, and two at the same time."""

from __future__ import annotations

import concurrent.futures
import signal
import typing as t

import crash
import pytest
from sandbox import Played, Sandbox


def test_the_host_is_safe_before_each_command_of_a_run(recording: crash.Recording, table: crash.Table) -> None:
    # What is left where Ansible, or the connection to the host, ends between two commands.
    scenario = recording.scenario
    wrong, seen = [], set()
    with scenario.host() as host:
        for number, step in enumerate(recording.steps):
            scenario.restore(host, step.before)
            identity = crash.identity(host.state())
            told = crash.judge(host) if identity not in seen else []
            wrong += ["before command %d, %s: %s" % (number, step.label, line) for line in told]
            seen.add(identity)
            table.add(scenario.name, "whole run", "none between commands", "WRONG" if told else "safe")
    assert len(seen) > 3
    assert not wrong, "\n".join(wrong)


def test_a_run_of_which_ansible_is_killed_after_a_task_can_be_run_again(
    recording: crash.Recording, table: crash.Table, all_faults: bool
) -> None:
    scenario = recording.scenario
    start = recording.steps[0].before
    seen: set[str] = set()

    def stop(results: int) -> list[str]:
        with scenario.host() as host:
            scenario.restore(host, start)
            played = crash.stop_after(host, scenario, results)
            assert played.status == -signal.SIGKILL, played.output
            identity = crash.identity(host.state())
            snapshot = host.snapshot()
            wrong = crash.judge(host)
            if identity not in seen:
                seen.add(identity)
                scenario.restore(host, snapshot)
                wrong += crash.converge(host, recording)
        table.add(scenario.name, "whole run", "Ansible killed", "WRONG" if wrong else "safe, and run again")
        return ["after %d results: %s" % (results, line) for line in wrong]

    # Half way is between the keys and the limits, or between the limits and the keys.
    numbers = range(1, recording.results) if all_faults else [recording.results // 2]
    with concurrent.futures.ThreadPoolExecutor(crash.workers()) as pool:
        wrong = [line for lines in pool.map(stop, numbers) for line in lines]
    assert not wrong, "\n".join(wrong)


#: What is broken on the host, how it is mended, and what the message must name.
BROKEN: dict[str, tuple[t.Callable[[Sandbox], None], t.Callable[[Sandbox], None], str]] = {
    "/etc is read-only": (lambda host: host.read_only("/etc"), lambda host: host.mended("/etc"), "/etc"),
    "the disk is full": (
        lambda host: host.full("/var/lib/fourtuple"),
        lambda host: host.mended("/var/lib/fourtuple"),
        "/var/lib/fourtuple/sysctl.json: No space left on device",
    ),
    "fs.nr_open is gone": (
        lambda host: host.remove_key("fs.nr_open"),
        lambda host: host.set_key("fs.nr_open", "1048576"),
        "fs.nr_open",
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_host_is_told_in_one_message_left_safe_and_tuned_once_it_is_mended(
    broken: str, record: t.Callable[[str], crash.Recording], table: crash.Table, all_faults: bool
) -> None:
    breaks, mends, named = BROKEN[broken]
    recording = record("tune")
    scenario = recording.scenario
    with scenario.host() as host:
        scenario.restore(host, recording.steps[0].before)
        breaks(host)
        played = host.play(scenario.playbook, **scenario.variables)
        assert played.status != 0, played.output
        assert named in played.message, played.output
        assert "Traceback" not in played.message, played.output
        mends(host)
        wrong = crash.locked_out(host)
        snapshot = host.snapshot()
        wrong += crash.judge(host)
        scenario.restore(host, snapshot)
        if all_faults:
            wrong += crash.converge(host, recording)
        table.add(scenario.name, "whole run", broken, "WRONG" if wrong else "told, safe")
        assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("other", ["tune"])
def test_two_runs_at_the_same_time_leave_a_host_that_is_safe_and_can_be_put_back(
    other: str, record: t.Callable[[str], crash.Recording], table: crash.Table
) -> None:
    recording = record("tune")
    scenario = recording.scenario
    second = next(one for one in crash.SCENARIOS if one.name == other)
    with scenario.host() as host:
        scenario.restore(host, recording.steps[0].before)

        def play(one: crash.Scenario) -> Played:
            return host.play(one.playbook, **one.variables)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            played = list(pool.map(play, [scenario, second]))
        for one in played:
            assert one.status == 0 or one.message, one.output
            assert "Traceback" not in one.message, one.output
        snapshot = host.snapshot()
        wrong = crash.judge(host)
        scenario.restore(host, snapshot)
        host.play("untune_clients.yml", **scenario.variables).expect(0)
        wrong += crash.differences(recording.untouched, host.state(), "before the first run")
        table.add(scenario.name, "whole run", "%s meanwhile" % other, "WRONG" if wrong else "safe, and put back")
        assert not wrong, "\n".join(wrong)
