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
READ_ONLY = "proc /proc/sys/vm proc ro,relatime 0 0\n"


@pytest.fixture
def machine(host):
    host.sysctl(fs__nr_open=1048576, net__ipv4__ip_local_port_range="32768\t60999")
    host.put("/proc/sys/fs/file-nr", "1 0 2\n")
    host.put("/proc/self/mounts", CGROUP)
    host.put("/proc/modules", "tun 61440 2 vhost_net, Live 0x0\n")
    for process, namespace in (("self", 1), ("7", 1), ("8", 2)):
        host.put("/proc/%s/comm" % process, "sh\n")
        (host.path / "proc" / process / "ns").mkdir(parents=True)
        (host.path / "proc" / process / "ns/pid").symlink_to("pid:[%d]" % namespace)
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
        ("/proc/self/mounts", CGROUP + READ_ONLY, "mount /proc/sys/vm: was absent, is proc ro"),
        ("/run/fourtuple/sink-a.1.json", "{}", "file of ours /run/fourtuple: was absent, is there"),
        ("/etc/sysctl.d/99-fourtuple.conf", "", "file of ours /etc/sysctl.d/99-fourtuple.conf: was absent"),
        ("/proc/7/comm", "fourtuple-sink\n", "process of ours fourtuple-sink (pid 7): was absent, is there"),
        ("/proc/net/ip_tables_names", "nat\n", "firewall table ip_tables_names nat: was absent, is there"),
        # Of a module that has been there all the time it is a change.
        (
            "/proc/sys/net/bridge/bridge-nf-call-iptables",
            "1\n",
            "sysctl net.bridge.bridge-nf-call-iptables: was absent",
        ),
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


@pytest.mark.parametrize(
    ("path", "text"),
    [
        # A stick, another container, a process of a host that has its own, and what a look at it mounts.
        ("/proc/self/mounts", CGROUP + "/dev/sdb1 /media/stick vfat rw 0 0\n"),
        ("/proc/self/mounts", CGROUP + "overlay /var/lib/containers/storage/overlay/1/merged overlay rw 0 0\n"),
        ("/proc/self/mounts", CGROUP + "binfmt_misc /proc/sys/fs/binfmt_misc binfmt_misc rw 0 0\n"),
        ("/proc/8/comm", "fourtuple-sink\n"),
        ("/proc/9/comm", "firefox\n"),
    ],
)
def test_what_others_do_is_no_change(machine, path, text):
    guard(machine, "snapshot")
    machine.put(path, text)
    assert guard(machine, "compare") == (0, "machine_guard: this machine is as it was: 2 sysctl keys compared\n")


def test_a_module_is_told_and_its_keys_are_no_change(machine):
    """A first run alone has it loaded."""
    guard(machine, "snapshot")
    machine.put("/proc/modules", "tun 61440 2 - Live 0x0\nbr_netfilter 32768 0 - Live 0x0\nbridge 1 1 - Live 0x0\n")
    machine.put("/proc/sys/net/bridge/bridge-nf-call-iptables", "1\n")
    status, printed = guard(machine, "compare")
    assert (status, printed.splitlines()[0]) == (0, "machine_guard: modules loaded meanwhile: br_netfilter, bridge")
    machine.sysctl(fs__nr_open=5)
    assert guard(machine, "compare")[0] == 1
