# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host import containment, files


def test_a_plain_host_is_no_container(host):
    host.put("/proc/1/environ", "PATH=/bin\0TERM=linux\0")
    assert not containment.in_container(host.look())


@pytest.mark.parametrize("mark", ["/run/systemd/container", "/run/.containerenv", "/.dockerenv"])
def test_a_mark_of_the_manager(host, mark):
    host.put(mark, "")
    assert containment.in_container(host.look())


def test_the_environment_of_pid_1(host):
    host.put("/proc/1/environ", "PATH=/bin\0container=lxc\0")
    assert containment.in_container(host.look())


def test_an_unreadable_environment_is_no_sign(host, monkeypatch):
    def refuse(*where):
        raise PermissionError(*where)

    monkeypatch.setattr(files, "read_text", refuse)
    assert not containment.in_container(host.look())


def test_the_owner_of_a_key(host):
    assert containment.is_machine_wide(host.look(), "fs.nr_open")
    assert containment.is_machine_wide(host.look(), "kernel.threads-max")
    assert not containment.is_machine_wide(host.look(), "kernel.shmmax")
    assert not containment.is_machine_wide(host.look(), "kernel.sem")
    assert not containment.is_machine_wide(host.look(), "net.core.somaxconn")
    host.sysctl(net__ipv4__tcp_mem="1 2 3")  # a container on the machine's own network
    assert containment.is_machine_wide(host.look(), "net.core.somaxconn")
