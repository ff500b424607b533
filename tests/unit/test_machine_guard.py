# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard that the container tests rely on does fail when it should."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

GUARD = pathlib.Path(__file__).parents[1] / "tools" / "machine_guard"
CGROUP = "cgroup2 /sys/fs/cgroup cgroup2 rw,relatime 0 0\n"


@pytest.fixture
def machine(host):
    host.sysctl(fs__nr_open=1048576, net__ipv4__ip_local_port_range="32768\t60999")
    host.put("/proc/sys/fs/file-nr", "1 0 2\n")
    host.put("/proc/self/mounts", CGROUP)
    return host


def guard(host, action):
    command = [sys.executable, str(GUARD), action, str(host.path / "machine.json"), "--root", host.root]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("/proc/sys/fs/nr_open", "2000000\n", "sysctl fs.nr_open: was 1048576, is 2000000"),
        ("/proc/sys/net/ipv4/ip_local_port_range", "1024\t65535\n", "sysctl net.ipv4.ip_local_port_range: was"),
        ("/proc/sys/kernel/new", "1\n", "sysctl kernel.new: was absent, is 1"),
        ("/proc/self/mounts", CGROUP.replace("rw", "ro"), "cgroup mount /sys/fs/cgroup: was cgroup2 rw"),
    ],
)
def test_a_change_is_named_and_fails(machine, path, text, said):
    assert guard(machine, "snapshot") == (0, "")
    machine.put(path, text)
    status, printed = guard(machine, "compare")
    assert status == 1
    assert printed.startswith(said)
    assert len(printed.splitlines()) == 1


def test_a_counter_is_no_change(machine):
    guard(machine, "snapshot")
    machine.put("/proc/sys/fs/file-nr", "99 0 2\n")
    assert guard(machine, "compare") == (0, "machine_guard: this machine is as it was: 2 sysctl keys compared\n")
