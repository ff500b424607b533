# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs on one host: one whole between two commands of the other, one inside a module of the other, both at will."""

from __future__ import annotations

import concurrent.futures
import typing as t

import crash
from sandbox import Played, Sandbox

LIMITS, KEYS = "/etc/security/limits.d/99-zz-fourtuple.conf", "/etc/sysctl.d/99-zz-fourtuple.conf"
NR_OPEN = "/proc/sys/fs/nr_open"

Recorder = t.Callable[[str], crash.Recording]


def put_back(host: Sandbox, recording: crash.Recording) -> list[str]:
    """Return what is wrong now, after a reboot, and after an untune instead of it."""
    scenario = recording.scenario
    snapshot = host.snapshot()
    wrong = crash.judge(host)
    scenario.restore(host, snapshot)
    played = host.play("untune_clients.yml", **crash.TUNED)
    if played.status:
        return [*wrong, "untune fails: %s" % (played.message or played.output)]
    return wrong + crash.differences(recording.untouched, host.state(), "before the first run")


def between(recording: crash.Recording, number: int, playbook: str) -> list[str]:
    """Hold a run before one of its commands, run another one whole, and let it go on."""
    scenario = recording.scenario
    with scenario.host() as host:
        values = scenario.restore(host, recording.steps[number].before)
        other = host.play(playbook, **crash.TUNED)
        wrong = ["the other fails: %s" % (other.message or other.output)] if other.status else []
        for step in recording.steps[number:]:
            outcome = crash.run(host, step)
            message = str(outcome.result.get("msg", ""))
            if outcome.status:
                # Ansible ends the run here.
                told = outcome.result.get("failed") and message and "Traceback" not in message
                wrong += [] if told else ["%s tells no message: %s" % (step.label, outcome.output)]
                break
        host.settle(values)
        wrong += put_back(host, recording)
    return ["held before %d, %s: %s" % (number, recording.steps[number].label, line) for line in wrong]


#: Where the quick set holds a run: before the command that changes the host.
HELD = {"tune": (LIMITS,), "untune": (NR_OPEN,)}


def test_a_whole_run_of_the_other_direction_may_come_between_any_two_commands(
    record: Recorder, table: crash.Table, all_faults: bool
) -> None:
    places = []
    for name, other in (("tune", "untune_clients.yml"), ("untune", "tune_clients.yml")):
        recording = record(name)
        held = (
            range(len(recording.steps)) if all_faults else [crash.changing(recording, path)[0] for path in HELD[name]]
        )
        places += [(recording, number, other) for number in held]
    with concurrent.futures.ThreadPoolExecutor(crash.workers()) as pool:
        found = list(pool.map(lambda place: between(*place), places))
    for (recording, _number, other), wrong in zip(places, found, strict=True):
        outcome = "WRONG" if wrong else "safe, and put back"
        table.add(recording.scenario.name, "whole run", "%s between commands" % other, outcome)
    assert not any(found), "\n".join(line for wrong in found for line in wrong)


#: Which step is held at which path, and which other step, of which run, then has to wait.
INSIDE = {
    "limits are being written": ("tune", LIMITS, "untune", NR_OPEN),
    "nr_open goes back": ("untune", NR_OPEN, "tune", LIMITS),
    "nr_open goes from the next reboot": ("untune", KEYS, "tune", LIMITS),
}


def test_who_comes_while_another_is_between_its_check_and_its_write_waits_and_goes_by_what_is_then_there(
    record: Recorder, table: crash.Table
) -> None:
    for name in ("tune", "untune"):
        record(name)

    def hold(what: str) -> list[str]:
        held_name, held_path, other_name, other_path = INSIDE[what]
        recording, other_recording = record(held_name), record(other_name)
        number, call = crash.changing(recording, held_path)
        other = other_recording.steps[crash.changing(other_recording, other_path)[0]]
        scenario = recording.scenario
        with scenario.host() as host:
            values = scenario.restore(host, recording.steps[number].before)
            if what == "nr_open goes from the next reboot":
                # As a client that still runs keeps it.
                host.set_key("fs.nr_open", "1501088")
            waited, first, second = crash.while_held(host, recording.steps[number], call, other)
            host.settle(values)
            wrong = [] if waited else ["the other does not wait"]
            wrong += [] if first.status == 0 else ["who came first fails: " + first.output]
            told = second.status == 0 or "allowed: " in second.result.get("msg", "")
            wrong += [] if told else ["who came second fails: " + second.output]
            wrong += put_back(host, recording)
        outcome = "WRONG" if wrong else "the other waits"
        table.add(held_name, recording.steps[number].label, "held inside", outcome)
        return ["%s: %s" % (what, line) for line in wrong]

    with concurrent.futures.ThreadPoolExecutor(crash.workers()) as pool:
        wrong = [line for lines in pool.map(hold, INSIDE) for line in lines]
    assert not wrong, "\n".join(wrong)


def test_two_runs_at_the_same_time_leave_a_host_that_is_safe_and_can_be_put_back(
    record: Recorder, table: crash.Table, all_faults: bool
) -> None:
    recording = record("tune")
    more = [("tune", "untune", False), ("tune", "tune", False), ("tune", "retune", True), ("untune", "untune", True)]
    for name, other, tuned in [("tune", "untune", True), *(more if all_faults else [])]:
        wrong = at_once(recording, [record(name).scenario, record(other).scenario], tuned)
        table.add(name, "whole run", "%s at the same time" % other, "WRONG" if wrong else "safe, and put back")
        assert not wrong, "\n".join(wrong)


def at_once(recording: crash.Recording, scenarios: list[crash.Scenario], tuned: bool) -> list[str]:
    """Run two playbooks at once, on a host that is tuned or untouched; return what is wrong."""
    with recording.scenario.host() as host:
        values = recording.scenario.restore(host, recording.end if tuned else recording.steps[0].before)

        def play(one: crash.Scenario) -> Played:
            return host.play(one.playbook, **one.variables)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            played = list(pool.map(play, scenarios))
        told = [one.status == 0 or (one.message and "Traceback" not in one.message) for one in played]
        wrong = ["no message: " + one.output for one, well in zip(played, told, strict=True) if not well]
        host.settle(values)
        return wrong + put_back(host, recording)
