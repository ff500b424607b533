# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs: a second time, stopped after a task, and on a host that is broken."""

from __future__ import annotations

import concurrent.futures
import signal
import typing as t

import crash
from sandbox import Sandbox


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
    assert len(seen) > 1
    assert not wrong, "\n".join(wrong)


def test_what_a_module_of_ours_has_reported_survives_a_power_cut(recordings: list[crash.Recording]) -> None:
    wrong, renamed = [], set()
    for recording in recordings:
        for number in recording.steps_of("client_settings"):
            calls = recording.calls(number)
            label = recording.steps[number].label
            renamed |= {label for call in calls if "to" in call and crash.changes_host(call)}
            wrong += ["%s, %s: %s" % (recording.scenario.name, label, line) for line in crash.unsynced(calls)]
    assert renamed == {"client_settings"}
    assert not wrong, "\n".join(wrong)


def test_a_second_run_changes_nothing(recordings: list[crash.Recording]) -> None:
    def again(recording: crash.Recording) -> list[str]:
        scenario = recording.scenario
        with scenario.host() as host:
            scenario.restore(host, recording.end)
            played = host.play(scenario.playbook, **scenario.variables).expect(0)
            assert played.counts["changed"] == 0, played.output
            return crash.differences(recording.after, host.state(), "after the first run")

    with concurrent.futures.ThreadPoolExecutor(crash.workers()) as pool:
        wrong = [line for lines in pool.map(again, recordings) for line in lines]
    assert not wrong, "\n".join(wrong)


def test_a_run_of_which_ansible_is_killed_after_a_task_can_be_run_again_or_put_back(
    recordings: list[crash.Recording], table: crash.Table, all_faults: bool
) -> None:
    seen: set[str] = set()

    def stop(recording: crash.Recording, results: int) -> list[str]:
        scenario = recording.scenario
        with scenario.host() as host:
            scenario.restore(host, recording.steps[0].before)
            played = crash.stop_after(host, scenario, results)
            assert played.status == -signal.SIGKILL, played.output
            identity = scenario.name + crash.identity(host.state())
            snapshot = host.snapshot()
            wrong = crash.judge(host)
            if identity not in seen:
                seen.add(identity)
                scenario.restore(host, snapshot)
                wrong += crash.converge(host, recording)
        table.add(scenario.name, "whole run", "Ansible killed", "WRONG" if wrong else "safe, and run again")
        return ["%s, after %d results: %s" % (scenario.name, results, line) for line in wrong]

    with concurrent.futures.ThreadPoolExecutor(crash.workers()) as pool:
        jobs = [
            pool.submit(stop, recording, results)
            for recording in (recordings if all_faults else recordings[:1])
            # Half way is between the keys and the limits.
            for results in (range(1, recording.results) if all_faults else [recording.results // 2])
        ]
        wrong = [line for job in jobs for line in job.result()]
    assert not wrong, "\n".join(wrong)


def test_a_plain_untune_removes_all_that_a_module_left_that_was_killed(
    record: t.Callable[[str], crash.Recording], table: crash.Table, all_faults: bool
) -> None:
    recording = record("tune")
    scenario = recording.scenario
    numbers = recording.steps_of("client_settings")
    places = [(number, call) for number in numbers for call in crash.points(recording.calls(number), False)]
    if not all_faults:
        # A directory that is new, with nothing in it, and with a file that has no name yet.
        drop_in = "/etc/systemd/system/client.service.d/zzzz-fourtuple.conf"
        number, _call = crash.changing(recording, drop_in)
        names = [call["call"] for call in recording.calls(number)]
        made = [call["path"] for call in recording.calls(number)].index(drop_in.rpartition("/")[0])
        places = [(number, made + 2), (number, names.index("write", made) + 2)]

    def put_back(place: tuple[int, int]) -> list[str]:
        number, call = place
        with scenario.host() as host:
            values = scenario.restore(host, recording.steps[number].before)
            crash.run(host, recording.steps[number], call, "kill")
            host.settle(values)
            host.play("untune_clients.yml", **scenario.variables).expect(0)
            wrong = crash.differences(recording.untouched, host.state(), "before the first run")
        label = recording.steps[number].label
        table.add(scenario.name, label, "kill, then untune", "WRONG" if wrong else "put back")
        return ["%s, killed at call %d: %s" % (label, call, line) for line in wrong]

    with concurrent.futures.ThreadPoolExecutor(crash.workers()) as pool:
        wrong = [line for lines in pool.map(put_back, places) for line in lines]
    assert not wrong, "\n".join(wrong)


#: What is broken on the host, how it is repaired, and what the message must name.
BROKEN: dict[str, tuple[t.Callable[[Sandbox], None], t.Callable[[Sandbox], None], str]] = {
    "/etc is read-only": (lambda host: host.read_only("/etc"), lambda host: host.repaired("/etc"), "/etc"),
    "the disk is full": (
        lambda host: host.full("/var/lib/fourtuple"),
        lambda host: host.repaired("/var/lib/fourtuple"),
        "/var/lib/fourtuple/sysctl.json: No space left on device",
    ),
    "fs.nr_open is gone": (
        lambda host: host.remove_key("fs.nr_open"),
        lambda host: host.set_key("fs.nr_open", "1048576"),
        "fs.nr_open",
    ),
}


def test_a_broken_host_is_told_in_one_message_left_safe_and_tuned_once_it_is_repaired(
    record: t.Callable[[str], crash.Recording], table: crash.Table, all_faults: bool
) -> None:
    recording = record("tune")
    scenario = recording.scenario

    def run(broken: str) -> list[str]:
        breaks, repairs, named = BROKEN[broken]
        with scenario.host() as host:
            scenario.restore(host, recording.steps[0].before)
            breaks(host)
            played = host.play(scenario.playbook, **scenario.variables)
            told = played.status != 0 and named in played.message and "Traceback" not in played.message
            wrong = [] if told else ["not told: " + played.output]
            repairs(host)
            wrong += crash.locked_out(host)
            snapshot = host.snapshot()
            wrong += crash.judge(host)
            scenario.restore(host, snapshot)
            if all_faults:
                wrong += crash.converge(host, recording)
        table.add(scenario.name, "whole run", broken, "WRONG" if wrong else "told, safe")
        return ["%s: %s" % (broken, line) for line in wrong]

    with concurrent.futures.ThreadPoolExecutor(crash.workers()) as pool:
        wrong = [line for lines in pool.map(run, BROKEN) for line in lines]
    assert not wrong, "\n".join(wrong)
