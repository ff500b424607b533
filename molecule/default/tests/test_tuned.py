# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tuned host has, now and for the next reboot."""

from __future__ import annotations

import typing as t

import pytest

Login = t.Callable[[str, str], str]

#: Three of each slot of four: 60,000 connections, for each source address half of its 39,990 ports, and the primary
#: is one of them.
LOCAL = {
    "bookworm": ["203.0.113.1", "203.0.113.2/31"],
    "trixie": ["203.0.113.5", "203.0.113.6/31"],
    "sysvinit": ["203.0.113.9", "203.0.113.10/31"],
}

NOFILE_SOFT = 16384


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("net.ipv4.ip_local_port_range", "20000\t59999"),
        ("net.ipv4.ip_local_reserved_ports", "30000-30009"),
        ("net.core.somaxconn", "8192"),
        ("net.ipv4.tcp_max_syn_backlog", "8192"),
    ],
)
def test_key_is_live_and_kept(host, key: str, value: str) -> None:
    assert host.file("/proc/sys/" + key.replace(".", "/")).content_string.strip() == value
    drop_in = host.file("/etc/sysctl.d/99-zz-fourtuple.conf").content_string
    assert "%s = %s" % (key, value.replace("\t", " ")) in drop_in.splitlines()


def test_keys_of_the_machine_are_left_to_it(host) -> None:
    assert "fs." not in host.file("/etc/sysctl.d/99-zz-fourtuple.conf").content_string


def test_secondary_addresses_are_live(host, platform: str) -> None:
    shown = host.check_output("ip -oneline -4 address show dev client0")
    assert [line.split()[3] for line in shown.splitlines()] == ["198.51.100.10/24"]
    routes = host.check_output("ip -oneline route show table local type local dev lo proto kernel").splitlines()
    assert [line.split()[1] for line in routes if " src " not in line] == LOCAL[platform]


@pytest.mark.parametrize("user", ["root", "tester"])
def test_login_has_the_limits_that_are_written(host, login: Login, user: str) -> None:
    """ssh and su, through PAM."""
    lines = host.file("/etc/security/limits.d/99-zz-fourtuple.conf").content_string.splitlines()
    written = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    domain = "root" if user == "root" else "*"
    soft, hard = (written["%s %s nofile" % (domain, kind)] for kind in ("soft", "hard"))
    assert int(soft) == NOFILE_SOFT < int(hard)
    assert login(user, "ulimit -Sn; ulimit -Hn").split() == [soft, hard]
    assert host.check_output("su %s -c 'ulimit -Sn; ulimit -Hn'" % user).split() == [soft, hard]


def test_unit_gets_the_limit(host, platform: str, untouched: dict[str, dict[str, str]]) -> None:
    """Never less than it had: systemd may give every unit a higher hard limit. sysvinit has no units."""
    if platform != "sysvinit":
        had = untouched["service manager"]["DefaultLimitNOFILE"]
        shown = host.check_output("systemctl show --property=LimitNOFILE,LimitNOFILESoft client.service").splitlines()
        limits = dict(line.split("=") for line in shown)
        assert int(limits["LimitNOFILESoft"]) == NOFILE_SOFT
        assert int(limits["LimitNOFILE"]) >= int(had)


def test_running_unit_is_not_restarted(host, platform: str, untouched: dict[str, dict[str, str]]) -> None:
    """systemd gives each start of a unit an id of its own."""
    if platform != "sysvinit":
        had = untouched["service manager"]["InvocationID"]
        assert had
        assert host.check_output("systemctl show --property=InvocationID client.service") == "InvocationID=" + had
