# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of somebody else's has the port of one of the sinks: it gets no connection, whatever became of the sink."""

from __future__ import annotations

import subprocess
import typing as t

import pytest

TARGET = 300
#: It would share its port with whoever wants that too, and ends when nobody listens to it any more.
SERVER = """
import select, socket, sys
taken = socket.socket()
taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
taken.bind(("198.18.0.22", 7000))
taken.listen(1000)
print("ready", flush=True)
accepted = 0
while True:
    ready = select.select([taken, sys.stdin], [], [])[0]
    if sys.stdin in ready:
        break
    taken.accept()[0].close()
    accepted += 1
print(accepted)
"""


@pytest.fixture
def somebody(sinks) -> t.Iterator[t.Callable[[], int]]:
    """Have a server on sink2; return a function that ends it and returns how many connections it has got."""
    command = ["podman", "exec", "-i", sinks["sink2"].container, "python3", "-c", SERVER]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "ready\n"
    yield lambda: int(running.communicate()[0])
    running.communicate()


@pytest.fixture
def prove(play, tmp_path) -> t.Callable[..., t.Any]:
    variables = {"clients_hosts": "clients:sinks", "prove_target": TARGET, "prove_hold": 0, "report_dir": str(tmp_path)}
    return lambda *options, **more: play("prove_clients.yml", *options, **variables | more)


def nothing_left(hosts) -> None:
    assert {name: host.left() for name, host in hosts.items() if host.left()} == {}


def test_the_port_is_taken(prove, clients, sinks, somebody, read_report, tmp_path) -> None:
    played = prove()
    assert somebody() == 0
    assert played.status == 2, played.output
    assert set(played.messages) == {*clients, "sink2"}
    refused = played.messages["sink2"]
    assert refused.startswith("prove_listen is '198.18.0.22:7000'")
    assert "Address already in use: python3 (pid " in refused
    for name in clients:
        assert played.messages[name].startswith("prove_sinks has sink2, where no sink has started")
        assert refused in played.messages[name]
    report = read_report(tmp_path)
    assert {host["host"]: host["verdict"] for host in report["hosts"]} == dict.fromkeys([*clients, "sink2"], "failed")
    nothing_left(clients | sinks)


def test_check_mode_says_so_too(prove, clients, somebody) -> None:
    played = prove("--check")
    assert somebody() == 0
    assert played.status == 2, played.output
    assert set(played.messages) == {*clients, "sink2"}


def test_the_sink_s_host_is_not_to_be_had(prove, clients, sinks, somebody, tmp_path) -> None:
    lost = tmp_path / "lost.yml"
    lost.write_text("all: {hosts: {sink2: {ansible_ssh_args: '-F none -o ProxyCommand=false'}}}\n")
    played = prove("-i", str(lost))
    assert somebody() == 0
    # 4: hosts unreachable.
    assert played.status == 4, played.output
    assert set(played.messages) == set(clients)
    assert all(said.startswith("prove_sinks has sink2") for said in played.messages.values())
    nothing_left(clients | sinks)


def test_once_confirmed_it_is_loaded(prove, clients, sinks, somebody) -> None:
    """Which also shows that the others would have reached it."""
    played = prove(prove_confirmed=True, prove_destinations=["198.18.0.22:7000"], prove_sample=0)
    assert somebody() >= len(clients) * TARGET
    assert "sink2" in played.messages
    nothing_left(clients | sinks)
