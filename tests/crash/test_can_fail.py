# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other tests of this folder can fail: a collection that is made worse is found out."""

from __future__ import annotations

import pathlib
import shutil

import crash
import pytest
from sandbox import CHECKOUT

CHANGED = ("plugins", "roles", "playbooks", "meta")


@pytest.fixture(scope="module")
def worse(tmp_path_factory: pytest.TempPathFactory) -> crash.Recording:
    """Return a run of a collection that sets limits first, and neither checks, nor syncs, nor knows a lock."""
    copy = tmp_path_factory.mktemp("worse") / "ansible_collections/fourtuple/clients"
    for name in CHANGED:
        ignored = shutil.ignore_patterns("collections", "__pycache__")
        shutil.copytree(CHECKOUT / name, copy / name, ignore=ignored)
    shutil.copy(CHECKOUT / "galaxy.yml", copy)
    tuning = copy / "plugins/module_utils/apply/tuning.py"
    change(tuning, "        steps = request.in_order()\n", "        steps = [LIMITS, SYSCTL, ADDRESSES]\n")
    # The order alone is not enough: the step itself refuses, and so does what writes a file.
    change(tuning, '    if not result["ok"]:\n        raise ValueError(message)\n', "")
    change(copy / "plugins/module_utils/apply/drop_in.py", "    _refuse_lockout(host, change)\n", "")
    files = copy / "plugins/module_utils/host/files.py"
    change(files, "    temporary = unfinished(target)\n", "    temporary = target\n")
    change(files, "        while not _lock(handle):\n", "        while False:\n")
    change(files, "                os.fsync(stream.fileno())\n", "")
    return crash.record(crash.SCENARIOS[0], copy)


def change(file: pathlib.Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, "%s has no %r any longer" % (file, old)
    file.write_text(text.replace(old, new))


def test_limits_before_the_nr_open_that_they_need_are_found(worse: crash.Recording) -> None:
    number, call = crash.changing(worse, "/proc/sys/fs/nr_open")
    with worse.scenario.host() as host:
        worse.scenario.restore(host, worse.steps[number].before)
        crash.run(host, worse.steps[number], call, "kill")
        found = crash.judge(host)
    assert any(line.startswith("now: ") for line in found)
    assert any(line.startswith("after a reboot: ") for line in found)


def test_a_record_that_is_written_in_place_is_found(worse: crash.Recording) -> None:
    scenario = worse.scenario
    found = []
    with scenario.host() as host:
        for step in [one for one in worse.steps if one.label == "client_settings"]:
            scenario.restore(host, step.before)
            before = host.state()
            calls = crash.run(host, step).calls
            whole = crash.whole_texts(calls)
            after = host.state()
            for number, call in enumerate(calls, start=1):
                if call["call"] == "write" and call["path"].endswith("sysctl.json"):
                    scenario.restore(host, step.before)
                    crash.run(host, step, number, "torn")
                    found += crash.torn(host.state(), before, after, whole)
    assert any("sysctl.json" in line for line in found)


def test_a_file_that_is_not_synced_is_found(worse: crash.Recording) -> None:
    assert any(crash.unsynced(worse.calls(number)) for number in worse.steps_of("client_settings"))


def test_who_does_not_wait_for_another_is_found(worse: crash.Recording) -> None:
    place, call = crash.changing(worse, "/proc/sys/fs/nr_open")
    one = worse.steps[place]
    with worse.scenario.host() as host:
        worse.scenario.restore(host, one.before)
        waited, first, second = crash.while_held(host, one, call, one)
    assert (waited, first.status, second.status) == (False, 0, 0)
