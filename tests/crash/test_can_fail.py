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


@pytest.fixture
def collection(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a copy of the collection, where Ansible finds it."""
    copy = tmp_path / "ansible_collections/fourtuple/clients"
    for name in CHANGED:
        ignored = shutil.ignore_patterns("collections", "__pycache__")
        shutil.copytree(CHECKOUT / name, copy / name, ignore=ignored)
    shutil.copy(CHECKOUT / "galaxy.yml", copy)
    return copy


def change(file: pathlib.Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, "%s has no %r any longer" % (file, old)
    file.write_text(text.replace(old, new))


def test_limits_before_the_nr_open_that_they_need_are_found(collection: pathlib.Path) -> None:
    # The order alone is not enough: the role itself refuses, so that its check goes too.
    tasks = collection / "roles/tune/tasks/present.yml"
    text = tasks.read_text()
    keys = text.index("    - name: Raise nr_open and set the other keys\n")
    limits = text.index("    - name: Raise the limits, which read nr_open back first\n")
    addresses = text.index("    - name: Give the host its source addresses\n")
    tasks.write_text(text[:keys] + text[limits:addresses] + text[keys:limits] + text[addresses:])
    change(collection / "roles/limits/tasks/present.yml", "    variable_prefix: limits_\n", "    enforce: false\n")
    recording = crash.record(crash.SCENARIOS[0], collection)
    found = []
    with recording.scenario.host() as host:
        for step in recording.steps:
            recording.scenario.restore(host, step.before)
            found += crash.judge(host)
    assert any(line.startswith("now: ") for line in found)
    assert any(line.startswith("after a boot: ") for line in found)


def test_a_record_that_is_written_in_place_is_found(collection: pathlib.Path) -> None:
    files = collection / "plugins/module_utils/host_files.py"
    change(files, "    temporary = unfinished(target)\n", "    temporary = target\n")
    recording = crash.record(crash.SCENARIOS[0], collection)
    scenario = recording.scenario
    found = []
    with scenario.host() as host:
        for step in [one for one in recording.steps if one.label == "sysctl_apply"]:
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
