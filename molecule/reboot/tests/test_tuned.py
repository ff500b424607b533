# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tuned host has, and no less after a reboot: the limits of each new session, the keys, the addresses."""

from __future__ import annotations

import typing as t

import pytest

State = dict[str, dict[str, t.Any]]

SOFT, HARD = 1000000, 2000000

SESSIONS = [
    "ssh root",
    "ssh tester",
    "su root",
    "su tester",
    "su - tester",
    "sudo to root",
    "sudo -i to root",
    "sudo to tester",
    "cron root",
    "cron tester",
    "console root",
    "console tester",
    "client.service",
]

KEYS = {
    "/proc/sys/fs/nr_open",
    "/proc/sys/net/ipv4/ip_local_port_range",
}

#: With the primary one, four: 100,000 connections, for each source address half of its 64,512 ports.
LOCAL = {"local %s dev lo table local proto kernel scope host" % prefix for prefix in ("203.0.113.1", "203.0.113.2/31")}

FILES = {
    "/etc/security/limits.d/99-zz-fourtuple.conf",
    "/etc/sysctl.d/99-zz-fourtuple.conf",
    "/etc/systemd/system/client.service.d",
    "/etc/systemd/system/client.service.d/zzzz-fourtuple.conf",
    "/etc/systemd/system/fourtuple-addresses.service",
    "/etc/systemd/system/sysinit.target.d",
    "/etc/systemd/system/sysinit.target.d/fourtuple-addresses.conf",
}


@pytest.mark.parametrize("session", SESSIONS)
def test_session_has_the_limits(state: State, session: str) -> None:
    assert state["limit"][session] == [SOFT, HARD]


def test_services_of_a_user_have_the_hard_limit(state: State) -> None:
    """The user's service manager raises its own soft limit, and gives its units 1024, which they may raise (systemd's
    main.c, fallback_rlimit_nofile)."""
    assert state["limit"]["user manager"] == [HARD, HARD]
    assert state["limit"]["user manager's unit"] == [1024, HARD]


def test_other_services_keep_theirs(state: State, untouched: State) -> None:
    assert state["limit"]["cron.service"] == untouched["limit"]["cron.service"]


def test_keys_are_live(state: State, untouched: State) -> None:
    nr_open = int(untouched["sysctl"]["/proc/sys/fs/nr_open"])
    assert int(state["sysctl"]["/proc/sys/fs/nr_open"]) == max(HARD, nr_open)
    assert state["sysctl"]["/proc/sys/net/ipv4/ip_local_port_range"].split() == ["1024", "65535"]


def test_no_other_key_has_changed(state: State, untouched: State) -> None:
    changed = {key for key in state["sysctl"] if state["sysctl"][key] != untouched["sysctl"].get(key)}
    assert changed <= KEYS


def test_source_addresses_are_there(state: State, untouched: State) -> None:
    assert untouched["address"] == state["address"]
    assert {route for route in state["route"] if route not in untouched["route"]} == LOCAL


def test_no_file_but_its_own_has_changed(state: State, untouched: State) -> None:
    files = untouched["file"].keys() | state["file"].keys()
    assert {
        path
        for path in files
        if untouched["file"].get(path) != state["file"].get(path) and not path.startswith("/var/lib/fourtuple")
    } == FILES
