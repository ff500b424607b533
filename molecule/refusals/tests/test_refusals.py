# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be is refused by tune_clients.yml in one message, before the host is changed.

The scenario's last stage compares the host with what it was before the first of these tests.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import subprocess
import typing as t

import pytest
import testinfra

#: fs.nr_open is the machine's, so what is too much depends on it.
NR_OPEN = int(pathlib.Path("/proc/sys/fs/nr_open").read_text())


#: What each step changes, as --diff names it.
KEYS = ["sysctl, live", "/etc/sysctl.d"]
LIMITS = ["/etc/security/limits.d"]
ADDRESSES = ["source addresses, live", "/etc/systemd/system", "/etc/systemd/system/sysinit.target.d"]


@contextlib.contextmanager
def read_only(host: testinfra.host.Host, path: str) -> t.Iterator[None]:
    """Let nothing be written below a folder of the host."""
    host.check_output("mount --bind -o ro %s %s", path, path)
    try:
        yield
    finally:
        host.check_output("umount %s", path)


@contextlib.contextmanager
def full(host: testinfra.host.Host, path: str) -> t.Iterator[None]:
    """Let a folder of the host be on a disk that is full."""
    host.check_output("mount -t tmpfs -o size=4k full %s && head -c 4096 /dev/zero >%s/.full", path, path)
    try:
        yield
    finally:
        host.check_output("umount %s", path)


@pytest.fixture
def refused(play) -> t.Callable[..., str]:
    """Return a function that runs tune_clients.yml, which must refuse, and returns why it did."""

    def run(**variables: object) -> str:
        played = play("tune_clients.yml", **variables)
        counts = played.counts["bookworm"]
        assert (counts["failed"], counts["changed"], counts["unreachable"]) == (1, 0, 0), played.output
        return played.messages["bookworm"]

    return run


@pytest.fixture
def outcome(play) -> t.Callable[..., tuple[str, dict[str, int]]]:
    """Return a function that runs a playbook and returns the error message, if any, and the recap's counts."""

    def run(name: str, *options: str, **variables: object) -> tuple[str, dict[str, int]]:
        played = play(name, *options, **variables)
        return played.messages.get("bookworm", ""), played.counts["bookworm"]

    return run


@pytest.fixture
def foreign_limit(host) -> t.Iterator[str]:
    path = "/etc/security/limits.d/50-other.conf"
    # Of a user: where root may not raise limits, ours for everybody takes the place of such a line for everybody.
    host.check_output("printf '# theirs\\ntester hard nofile %d\\n' >%s" % (NR_OPEN + 1, path))
    yield path
    host.check_output("rm " + path)


@pytest.fixture
def listener(container: str) -> t.Iterator[int]:
    program = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 30000)); print(1, flush=True); sys.stdin.read()"
    )
    command = ["podman", "exec", "--interactive", container, "python3", "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        yield 30000
        process.stdin.close()


@pytest.fixture
def elsewhere(host) -> t.Iterator[str]:
    host.check_output("ip address add 203.0.113.99/32 dev lo")
    yield "203.0.113.99"
    host.check_output("ip address del 203.0.113.99/32 dev lo")


@pytest.mark.parametrize(
    ("variables", "parts"),
    [
        ({"tune_nofile_hard": NR_OPEN + 1}, ["fs.nr_open", str(NR_OPEN + 1), "at most %d" % NR_OPEN, "the machine"]),
        ({"tune_sysctl_values": {"fs.nr_open": 210000}}, ["tune_sysctl_values[fs.nr_open]", "'210000'", str(NR_OPEN)]),
        (
            {"tune_nofile_soft": 16000, "tune_nofile_hard": 12000},
            ["tune_nofile_soft is 16000", "at most tune_nofile_hard, 12000", "Lower it"],
        ),
        ({"tune_port_range": "60999 32768"}, ["tune_port_range is '60999 32768'", "not above the last", "Swap"]),
        ({"tune_port_range": "1024 65536"}, ["tune_port_range is 65536", "from 1 to 65535"]),
        ({"tune_port_range": "80 65535"}, ["tune_port_range is '80 65535'", "Begin the range at 1024"]),
        ({"tune_addresses": ["203.0.113.300"]}, ["tune_addresses[0] is '203.0.113.300'", "allowed: an address"]),
        ({"tune_addresses": ["198.51.100.10"]}, ["tune_addresses[0] is '198.51.100.10'", "primary", "client0"]),
        ({"tune_addresses": ["198.51.100.0"]}, ["tune_addresses[0] is '198.51.100.0'", "network"]),
        ({"tune_addresses": ["198.51.100.255"]}, ["tune_addresses[0] is '198.51.100.255'", "broadcast"]),
        (
            {"tune_sysctl_values": {"net.ipv4.tcp_fin_timeuot": 30}},
            ["tune_sysctl_values[net.ipv4.tcp_fin_timeuot]", "spelling"],
        ),
        (
            {"tune_nofile_hard": "unlimited"},
            ["tune_nofile_hard", "unlimited", "int"],
        ),
        ({"tune_nofile_hard": True}, ["tune_nofile_hard is True", "YAML reads yes"]),
        (
            {"tune_sysctl_values": {"net.ipv4.tcp_tw_reuse": True}},
            ["tune_sysctl_values[net.ipv4.tcp_tw_reuse] is True", "YAML"],
        ),
        ({"tune_units": ["nobody.service"]}, ["tune_units is 'nobody.service'", "allowed: units"]),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_refused_before_any_change(refused, variables: dict[str, object], parts: list[str]) -> None:
    message = refused(**variables)
    assert [part for part in parts if part not in message] == [], message


def test_a_limit_of_someone_else_is_named_by_file_and_line(refused, foreign_limit: str) -> None:
    message = refused()
    assert "%s:2" % foreign_limit in message
    assert str(NR_OPEN + 1) in message


def test_a_range_over_a_listener_that_may_not_be_reserved(refused, listener: int) -> None:
    message = refused(tune_reserve_listeners=False)
    assert "(%d)" % listener in message
    assert "Add them to tune_reserved_ports" in message
    assert "tune_reserve_listeners" in message


def test_an_address_that_another_interface_holds(refused, elsewhere: str) -> None:
    message = refused(tune_addresses=[elsewhere])
    assert "tune_addresses[0] is '%s'" % elsewhere in message
    assert "lo" in message


def test_a_step_that_fails_says_how_far_the_run_came_and_a_re_run_goes_on(host, outcome) -> None:
    # Of a disk that is full nobody knows beforehand.
    with full(host, "/etc/security/limits.d"):
        message, counts = outcome("tune_clients.yml")
    assert counts["failed"] == 1
    assert "/etc/security/limits.d/99-zz-fourtuple.conf: No space left on device." in message
    assert "Done: sysctl. Not done: limits, addresses." in message
    assert host.file("/proc/sys/net/ipv4/ip_local_port_range").content_string.split() == ["1024", "65535"]

    message, counts = outcome("tune_clients.yml")
    assert (message, counts["failed"]) == ("", 0)
    assert host.file("/etc/security/limits.d/99-zz-fourtuple.conf").exists
    message, counts = outcome("untune_clients.yml")
    assert (message, counts["failed"]) == ("", 0)


@pytest.mark.parametrize(
    ("folder", "file"),
    [
        ("/etc/security/limits.d", "/etc/security/limits.d/99-zz-fourtuple.conf"),
        ("/var/lib", "/var/lib/fourtuple/sysctl.json"),
    ],
)
def test_a_folder_that_cannot_be_written_is_refused_before_any_change(host, outcome, folder: str, file: str) -> None:
    with read_only(host, folder):
        message, counts = outcome("tune_clients.yml")
    assert (counts["failed"], counts["changed"]) == (1, 0), message
    assert "%s is 'not writable'; allowed: a directory in which root can write %s" % (folder, file) in message


@pytest.mark.parametrize(
    ("tag", "changes"),
    [
        ("sysctl", KEYS),
        ("limits", LIMITS),
        ("addresses", ADDRESSES),
        ("sysctl,addresses", KEYS + ADDRESSES),
        ("tune", KEYS + LIMITS + ADDRESSES),
    ],
)
def test_a_tag_chooses_a_step(play, tag: str, changes: list[str]) -> None:
    played = play("tune_clients.yml", "--check", "--diff", "--tags", tag, tune_addresses=["203.0.113.1"])
    headers = re.findall("^--- before: (.*)$", played.output, re.MULTILINE)
    assert {header if ", live" in header else header.rpartition("/")[0] for header in headers} == set(changes)
