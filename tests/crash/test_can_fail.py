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
    tasks = copy / "roles/tune/tasks/present.yml"
    text = tasks.read_text()
    keys = text.index("    - name: Raise nr_open and set the other keys\n")
    limits = text.index("    - name: Raise the limits, once nr_open covers them\n")
    addresses = text.index("    - name: Add the source addresses\n")
    tasks.write_text(text[:keys] + text[limits:addresses] + text[keys:limits] + text[addresses:])
    # The order alone is not enough: the role itself refuses, and so does the module that writes.
    change(copy / "roles/limits/tasks/present.yml", "    variable_prefix: limits_\n", "    enforce: false\n")
    change(copy / "plugins/module_utils/apply/drop_in.py", "        _refuse_lockout(host, change)\n", "")
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
    found = []
    with worse.scenario.host() as host:
        for step in worse.steps:
            worse.scenario.restore(host, step.before)
            found += crash.judge(host)
    assert any(line.startswith("now: ") for line in found)
    assert any(line.startswith("after a reboot: ") for line in found)


def test_a_record_that_is_written_in_place_is_found(worse: crash.Recording) -> None:
    scenario = worse.scenario
    found = []
    with scenario.host() as host:
        for step in [one for one in worse.steps if one.label == "sysctl_apply"]:
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
    for label in ("sysctl_apply", "drop_in", "source_addresses"):
        assert any(crash.unsynced(worse.calls(number)) for number in worse.steps_of(label)), label


def test_who_does_not_wait_for_another_is_found(worse: crash.Recording) -> None:
    one, other = [step for step in worse.steps if step.label == "drop_in"][:2]
    with worse.scenario.host() as host:
        worse.scenario.restore(host, one.before)
        number = next(n for n, call in enumerate(crash.run(host, one).calls, start=1) if crash.changes_host(call))
        worse.scenario.restore(host, one.before)
        waited, first, second = crash.while_held(host, one, number, other)
    assert (waited, first.status, second.status) == (False, 0, 0)
