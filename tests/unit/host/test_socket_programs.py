# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.host.port_evidence import Class, Classes, Kernel
from ansible_collections.fourtuple.clients.plugins.module_utils.host.socket_groups import Group, Owner, Pair
from ansible_collections.fourtuple.clients.plugins.module_utils.host.socket_programs import Program, Programs, program


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/system.slice/haproxy.service", ("unit", "haproxy.service")),
        ("/system.slice/system-nginx.slice/nginx@1.service/worker", ("unit", "nginx@1.service")),
        ("/user.slice/user-0.slice/session-3.scope", ("user", "root")),
        ("/user.slice/user-0.slice/user@0.service/app.slice/load.service", ("user", "root")),
        ("/system.slice/docker-0123abcd.scope", ("container", "docker-0123abcd.scope")),
        ("/docker/0123abcd", ("container", "0123abcd")),
        ("/", ("user", "root")),
        (None, ("user", "root")),
    ],
)
def test_whose_a_socket_is(path, found):
    assert program(0, path, "") == found


def test_in_a_container_the_groups_begin_with_its_own():
    assert program(0, "/lxc/c1/system.slice/nginx.service", "/lxc/c1") == ("unit", "nginx.service")


def test_a_user_without_a_name():
    assert program(3999999999, None, None) == ("user", "3999999999")


def test_a_program_that_has_appeared_meanwhile_is_looked_up():
    pair = Pair(b"\x7f\0\0\1", b"\x7f\0\0\2", 80)
    classes = Classes(Programs([]), Kernel(lambda port: None, lambda address: b"\x7f\0\0\1", True, True))
    found = classes.of(Group(Owner(0, 2**60), False, pair))
    assert found == Class(Program("user", "root"), False, False)
