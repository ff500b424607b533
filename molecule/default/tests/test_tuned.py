# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tuned host has, now and for the next boot."""

from __future__ import annotations

import typing as t

import pytest

Login = t.Callable[[str, str], str]

#: Three of each slot of four: 60,000 connections, for each source address half of its 39,990 ports, and the primary
#: is one of them.
SECONDARIES = {
    "bookworm": ["203.0.113.1", "203.0.113.2", "203.0.113.3"],
    "trixie": ["203.0.113.5", "203.0.113.6", "203.0.113.7"],
    "sysvinit": ["203.0.113.9", "203.0.113.10", "203.0.113.11"],
}

#: trixie has the planner's own.
NOFILE_HARD = {"bookworm": 16384, "trixie": 1048576, "sysvinit": 16384}


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
    assert [line.split()[3] for line in shown.splitlines()] == [
        "198.51.100.10/24",
        *("%s/32" % address for address in SECONDARIES[platform]),
    ]


def test_limits_are_written(host, platform: str) -> None:
    lines = host.file("/etc/security/limits.d/99-zz-fourtuple.conf").content_string.splitlines()
    written = {tuple(line.split()) for line in lines if not line.startswith("#")}
    assert {(domain, "hard", "nofile", str(NOFILE_HARD[platform])) for domain in ("*", "root")} <= written


@pytest.mark.parametrize("user", ["root", "tester"])
def test_login_has_the_limit(host, login: Login, platform: str, user: str) -> None:
    """ssh and su, through PAM. In a container a login can lower its limit, and raise it if the machine lets it."""
    if NOFILE_HARD[platform] > int(host.check_output("ulimit -Hn")):
        pytest.skip("the machine grants its containers no more")
    assert login(user, "ulimit -Hn") == str(NOFILE_HARD[platform])
    assert host.check_output("su %s -c 'ulimit -Hn'" % user) == str(NOFILE_HARD[platform])


def test_unit_gets_the_limit(host, platform: str, untouched: dict[str, dict[str, str]]) -> None:
    """Never less than it had: bookworm asks for less than systemd gives to every unit."""
    if platform == "sysvinit":
        pytest.skip("no units without systemd")
    defaults = dict(line.split("=") for line in untouched["service manager"]["systemd"].split())
    expected = max(NOFILE_HARD[platform], int(defaults["DefaultLimitNOFILE"]))
    assert host.check_output("systemctl show --property=LimitNOFILE client.service") == "LimitNOFILE=%d" % expected


def test_running_unit_is_not_restarted(host, platform: str) -> None:
    if platform == "sysvinit":
        pytest.skip("no units without systemd")
    assert host.check_output("systemctl show --property=NRestarts client.service") == "NRestarts=0"
