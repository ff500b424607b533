# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host import running_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host

TABLE = (
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max cpu time              unlimited            unlimited            seconds   \n"
    "Max open files            %d                 %d               files     \n"
)


def test_all_processes_in_one_pass(host):
    host.put("/proc/10/limits", TABLE % (1024, 524288))
    host.put("/proc/10/cgroup", "0::/system.slice/cron.service\n")
    host.put("/proc/10/comm", "cron\n")
    host.put("/proc/9/limits", TABLE % (5, 6))
    host.put("/proc/11/comm", "gone\n")
    host.put("/proc/12/limits", "no such row\n")
    host.put("/proc/self/limits", TABLE % (1, 1))
    found = running_limits.processes(host.look())
    assert found == [(9, "", None, 5, 6, 3, None), (10, "cron", "cron.service", 1024, 524288, 3, None)]
    assert found[1].path == "/proc/10/limits"


def test_no_proc_no_processes(host):
    assert running_limits.processes(host.look()) == []


def test_a_process_that_ends_while_it_is_read(host, monkeypatch):
    host.put("/proc/9/limits", TABLE % (5, 6))

    def read_text(_root, _path):
        raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(running_limits, "read_text", read_text)
    assert running_limits.processes(host.look()) == []


def test_the_real_proc():
    assert any(process.pid == 1 for process in running_limits.processes(Host("/")))


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("0::/system.slice/ssh.service\n", "ssh.service"),
        ("0::/user.slice/user-0.slice/session-3.scope\n", "session-3.scope"),
        ("0::/system.slice/docker.service/abc/def\n", "docker.service"),
        ("3:cpu:/x.service\n1:name=systemd:/system.slice/a.service\n", "a.service"),
        ("0::/\n", None),
        ("garbage", None),
        ("", None),
    ],
)
def test_the_unit_of_a_cgroup(text, unit):
    assert running_limits.unit_of(text) == unit


def test_a_row_that_is_no_numbers():
    assert running_limits.parse_limits("Max open files many more files\n") is None
