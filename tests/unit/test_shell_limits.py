# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils import overrides, shell_limits
from ansible_collections.fourtuple.clients.plugins.module_utils.reading import Reading


def values(host, text):
    host.put("/etc/profile", text)
    return [line.value for line in shell_limits.lines(Reading(host.root))]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("ulimit -n 65535", "65535"),
        ("  ulimit -SHn 65535  # for the clients", "65535"),
        ("ulimit -Hn unlimited", "unlimited"),
        ("ulimit -c 0 -n 100000", "100000"),
        ("ulimit -n65535", "65535"),
        ("ulimit -S -n 4096 >/dev/null 2>&1", "4096"),
        ("[ $USER = app ] && ulimit -n $MOST", "$MOST"),
        ("if true; then ulimit -u 1; ulimit -n 7; fi", "7"),
    ],
)
def test_a_line_that_sets_nofile(host, line, value):
    assert values(host, "umask 022\n%s\n" % line) == [value]


@pytest.mark.parametrize(
    "line",
    ["# ulimit -n 5", "ulimit -n", "ulimit -Hn -S", "ulimit -c 0", "ulimit -u 5", "echo ulimit -n 5", "myulimit -n 5"],
)
def test_a_line_that_does_not(host, line):
    assert values(host, line + "\n") == []


def test_the_files_of_every_users_shell_are_named_with_the_line(host):
    host.put("/etc/profile", "\nulimit -n 1\n")
    host.put("/etc/profile.d/b.sh", "ulimit -n 2\n")
    host.put("/etc/profile.d/a.sh", "ulimit -n 3\n")
    host.put("/etc/profile.d/c.csh", "limit descriptors 4\n")
    host.put("/etc/bash.bashrc", "ulimit -n 5\n")
    found = [(entry["file"], entry["value"]) for entry in overrides.overrides(Reading(host.root), {})]
    expected = [("/etc/profile:2", "1"), ("/etc/bash.bashrc:1", "5")]
    assert found == [*expected, ("/etc/profile.d/a.sh:1", "3"), ("/etc/profile.d/b.sh:1", "2")]
    entry = overrides.overrides(Reading(host.root), {})[0]
    assert (entry["key"], entry["who"]) == ("nofile", "login shells, which run it after pam_limits")
