# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import overrides

RANGE = "net.ipv4.ip_local_port_range"


@pytest.fixture
def machine(host):
    (host.path / "run/systemd/system").mkdir(parents=True)
    host.put("/etc/sysctl.d/10-early.conf", RANGE + " = 2000 3000\n")
    return host


def ask(host, **ours):
    found = overrides.find(host.look(), {key.replace("__", "."): value for key, value in ours.items()})
    return [(entry["key"], entry["file"], entry["value"], entry["who"]) for entry in found]


def tune(host, reapply, text):
    host.put("/run/tuned/tuned.pid", "7\n")
    host.put("/etc/tuned/active_profile", "mine\n")
    host.put("/etc/tuned/tuned-main.conf", "reapply_sysctl=%d\n" % reapply)
    host.put("/etc/tuned/mine/tuned.conf", "[sysctl]\n" + text)


def test_what_sorts_before_ours_is_beaten(machine):
    assert ask(machine) == []


def test_what_sorts_after_ours_wins(machine):
    machine.put("/etc/sysctl.d/zz.conf", "\n%s = 5000  6000\nkernel.sysrq=1\n" % RANGE)
    expected = (RANGE, "/etc/sysctl.d/zz.conf:2", "5000 6000", "a file of sysctl.d that sorts after ours")
    assert ask(machine) == ask(machine, net__ipv4__ip_local_port_range="1024 65535") == [expected]
    assert ask(machine, net__ipv4__ip_local_port_range="5000 6000") == []


def test_a_key_of_ours_that_is_not_one_of_the_usual(machine):
    machine.put("/etc/sysctl.d/zz.conf", "net.core.rmem_max=5000\n")
    assert ask(machine) == []
    assert [entry[0] for entry in ask(machine, net__core__rmem_max="4000")] == ["net.core.rmem_max"]


def test_procps_reads_sysctl_conf_last(machine):
    (machine.path / "run/systemd/system").rmdir()
    (machine.path / "proc/1").mkdir(parents=True)
    machine.put("/etc/sysctl.conf", "fs.nr_open=500\n")
    assert ask(machine) == [("fs.nr_open", "/etc/sysctl.conf:1", "500", "procps, which reads it last at boot")]


def test_the_keys_of_the_machine_are_not_a_containers_business(machine):
    machine.put("/run/systemd/container", "podman")
    machine.put("/etc/sysctl.d/zz.conf", "fs.nr_open=500\nnet.core.somaxconn=6\n")
    assert [entry[0] for entry in ask(machine)] == ["net.core.somaxconn"]


def test_tuned_that_does_not_reapply_wins(machine):
    tune(machine, 0, "%s=1111 2222\nnet.core.somaxconn=>2048\nvm.x=1\n" % RANGE)
    who = "TuneD profile mine"
    assert ask(machine) == [(RANGE, "/etc/tuned/mine/tuned.conf:2", "1111 2222", who)]
    assert ask(machine, net__core__somaxconn="1024")[0][:3] == (
        "net.core.somaxconn",
        "/etc/tuned/mine/tuned.conf:3",
        ">2048",
    )


def test_tuned_that_reapplies_lets_sysctl_conf_win(machine):
    tune(machine, 1, "%s=1111 2222\n" % RANGE)
    assert ask(machine) == []
    machine.put("/etc/sysctl.conf", "%s=7777 8888\nkernel.x=1\n" % RANGE)
    assert ask(machine) == [(RANGE, "/etc/sysctl.conf:1", "7777 8888", "TuneD, which applies it last (reapply_sysctl)")]
    assert ask(machine, net__ipv4__ip_local_port_range="7777 8888") == []


def test_one_line_is_named_once(machine):
    (machine.path / "run/systemd/system").rmdir()
    (machine.path / "proc/1").mkdir(parents=True)
    tune(machine, 1, "vm.x=1\n")
    machine.put("/etc/sysctl.conf", "fs.nr_open=500\n")
    assert len(ask(machine)) == 1
