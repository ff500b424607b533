# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.config import tuned
from ansible_collections.fourtuple.clients.plugins.module_utils.config.tuned import Option
from ansible_collections.fourtuple.clients.plugins.module_utils.values import sysctl_keys

THROUGHPUT = """[main]
summary=as TuneD 2.20 ships it
[variables]
amd_cpuinfo_regex=model name\\s+:.*\\bAMD\\b
[sysctl]
vm.dirty_ratio = 40   # inline
net.core.somaxconn=>2048
net.ipv4.ip_local_port_range="32768 60999"
[sysctl.thunderx]
type=sysctl
uname_regex=aarch64
kernel.numa_balancing=0
[more]
type=sysctl
enabled=true
net/ipv4/tcp_tw_reuse=1
[off]
type=sysctl
enabled=0
fs.nr_open=1
"""


@pytest.fixture
def running(host):
    host.put("/run/tuned/tuned.pid", "7\n")
    host.put("/etc/tuned/active_profile", "mine\n")
    host.put("/usr/lib/tuned/throughput-performance/tuned.conf", THROUGHPUT)
    host.put("/etc/tuned/mine/tuned.conf", "[main]\ninclude=throughput-performance\n[sysctl]\nvm.dirty_ratio=10\n")
    return host


def values(host):
    return {key: option.value for key, option in tuned.active(host.look()).keys.items()}


def test_a_profile_and_what_it_includes(running):
    found = tuned.active(running.look())
    assert (found.profile, found.reapplies) == ("mine", True)
    assert found.keys["net.core.somaxconn"] == (">2048", "/usr/lib/tuned/throughput-performance/tuned.conf", 7)
    assert found.keys["vm.dirty_ratio"] == ("10", "/etc/tuned/mine/tuned.conf", 4)
    assert values(running) == {
        "vm.dirty_ratio": "10",
        "net.core.somaxconn": ">2048",
        "net.ipv4.ip_local_port_range": "32768 60999",
        "net.ipv4.tcp_tw_reuse": "1",
    }


def test_replace_and_drop(running):
    running.put(
        "/etc/tuned/profiles/mine/tuned.conf",
        "[main]\ninclude=throughput-performance, nosuch\n"
        "[sysctl]\nreplace=1\nfs.x=1\n[more]\ndrop=net/ipv4/tcp_tw_reuse\n",
    )
    assert values(running) == {"fs.x": "1"}


def test_a_profile_that_includes_the_one_it_stands_before(running):
    running.put("/etc/tuned/active_profile", "throughput-performance")
    running.put(
        "/etc/tuned/throughput-performance/tuned.conf",
        "[main]\ninclude=throughput-performance\n[sysctl]\nvm.dirty_ratio=1\n",
    )
    assert values(running)["vm.dirty_ratio"] == "1"
    assert len(values(running)) == 4


def test_not_at_work(running):
    (running.path / "run/tuned/tuned.pid").unlink()
    assert tuned.active(running.look()) is None
    running.put("/etc/systemd/system/multi-user.target.wants/tuned.service", "")
    assert tuned.active(running.look()) is not None
    running.put("/etc/tuned/active_profile", "")
    assert tuned.active(running.look()) is None


@pytest.mark.parametrize(
    ("line", "reapplies"), [("", True), ("reapply_sysctl = 0\n", False), ("reapply_sysctl=1", True)]
)
def test_reapply(running, line, reapplies):
    running.put("/etc/tuned/tuned-main.conf", "# reapply_sysctl = 0\n" + line)
    assert tuned.active(running.look()).reapplies is reapplies


@pytest.mark.parametrize(
    ("value", "ours", "wins"),
    [
        ("5", "5", False),
        ("1  2", "1 2", False),
        ("5", "6", True),
        ("5", None, True),
        (">5", "6", False),
        (">5", "4", True),
        ("<5", "6", True),
        ("<5", "4", False),
        (">5", None, False),
        ("<5", None, True),
        ("<${x}", "6", True),
        ("${x}", "6", True),
        ("0x6 # x", "6", False),
        ("7,", "6", False),
        ("7,", None, False),
    ],
)
def test_who_wins(value, ours, wins):
    assert tuned.wins("net.core.somaxconn", Option(value, "/x", 1), ours, sysctl_keys.Kernel()) is wins
