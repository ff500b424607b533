# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.config import sshd_config, systemd_limits

CONFIG = "/etc/ssh/sshd_config"


def ask(host):
    tree = host.look()
    return sshd_config.server(tree, systemd_limits.Units(tree))


@pytest.mark.parametrize(
    ("text", "value", "line"),
    [
        ("UsePAM yes\n", "yes", 1),
        ("  usepam\t=  No \n", "No", 1),
        ("UsePAM=no\n", "no", 1),
        ("'UsePAM' no\n\"UsePAM\"\t'yes' # on\r\n", "yes", 2),
        ("#UsePAM yes\n", "no", 0),
        ("UsePAM maybe\nUsePAM yes\nUsePAM no\n", "yes", 2),
        ("Match User a\nUsePAM yes\n", "no", 0),
        ("Match User a\n\nmatch ALL\nUsePAM yes\n", "yes", 4),
        ("Include nothing/*\nInclude sshd_config\nUsePAM yes\n", "yes", 3),
        ("", "no", 0),
    ],
)
def test_the_first_value_outside_of_match_counts(host, text, value, line):
    host.put(CONFIG, text)
    assert ask(host) == ((value, CONFIG, line), "sshd")


def test_what_is_included_stands_where_its_include_does(host):
    host.put(
        CONFIG, "Match User a\nInclude sshd_config.d/*.conf\nMatch all\nInclude /etc/ssh/x.d/[a-b]? y\nUsePAM no\n"
    )
    host.put("/etc/ssh/sshd_config.d/a.conf", "UsePAM no\n")
    host.put("/etc/ssh/x.d/.a", "UsePAM no\n")
    host.put("/etc/ssh/x.d/b2", "UsePAM yes\n")
    host.put("/etc/ssh/x.d/b1", "Match User b\nUsePAM no\n")
    host.put("/etc/ssh/y", "PAMServiceName ssh-site\n")
    assert ask(host) == (("yes", "/etc/ssh/x.d/b2", 1), "ssh-site")


def test_the_command_line_comes_first(host):
    host.put(CONFIG, "UsePAM yes\n")
    host.put("/etc/default/ssh", "SSHD_OPTS='-p 22 -4oUsePAM=no'\n")
    assert ask(host)[0] == ("no", "/etc/default/ssh", 1)
    unit = "[Service]\nEnvironmentFile=-/etc/default/x\nExecStart=/usr/sbin/sshd -D ${OPTS} -o 'UsePAM no'\n"
    host.put("/usr/lib/systemd/system/ssh.service", unit)
    assert ask(host)[0] == ("no", "/usr/lib/systemd/system/ssh.service", 3)
    host.put("/etc/default/x", '# x\nOPTS="-f /etc/other -o UsePAM=yes"\n')
    assert ask(host) is None
    host.put("/etc/other", "UsePAM no\n")
    assert ask(host)[0] == ("yes", "/etc/default/x", 2)


def test_without_a_configuration_nothing_is_said(host):
    assert ask(host) is None
    host.put("/usr" + CONFIG, "UsePAM yes\n")
    assert ask(host)[0].value == "yes"
