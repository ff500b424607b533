# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A probe that is killed while it holds its connections."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import time
import typing as t

import pytest
import testinfra

HOST = "bookworm"
DESTINATION = "198.51.100.10:7000"
PROGRESS = "/run/probe.json"
#: Seconds that something may take on a machine that has other things to do.
PATIENCE = 30

Result = dict[str, t.Any]
Module = t.Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def platform() -> str:
    return HOST


@pytest.fixture(scope="module")
def module() -> Module:
    """Return a function that starts ansible with one module, as the leader of a process group."""
    inventory = str(pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory")
    plain = os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "0"}

    def run(name: str, **options: object) -> subprocess.Popen[str]:
        command = ["ansible", HOST, "-i", inventory, "-m", "fourtuple.clients." + name, "-a", json.dumps(options)]
        return subprocess.Popen(
            command,
            env=plain,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return run


def result(process: subprocess.Popen[str]) -> Result:
    shown, _errors = process.communicate()
    return json.loads(shown.partition("=>")[2])


@pytest.fixture(scope="module")
def sink(module: Module, nothing_left: t.Callable[[], list[str]]) -> t.Iterator[None]:
    assert result(module("connection_sink", listen=[DESTINATION], capacity=1000, lifetime=300))["running"]
    yield
    assert not result(module("connection_sink", state="stopped"))["running"]
    assert nothing_left() == []


def phase(host: testinfra.host.Host) -> str | None:
    shown = host.check_output("cat %s 2>/dev/null || true" % PROGRESS)
    return json.loads(shown)["phase"] if shown else None


def workers(host: testinfra.host.Host) -> list[int]:
    """Return the processes of a probe that hold connections."""
    return [int(pid) for pid in host.check_output("pgrep -x fourtuple-probe || true").split()]


def established(host: testinfra.host.Host) -> int:
    """Return how many connections there are, by the end that is the client's."""
    port = DESTINATION.rpartition(":")[2]
    return int(host.check_output("ss --no-header --tcp state established dport = :%s | wc --lines" % port))


def wait_until(holds: t.Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("sent", "on_host"),
    [
        (signal.SIGINT, "true"),
        (signal.SIGTERM, "true"),
        (signal.SIGKILL, "true"),
        # As when the controller goes down: there is nobody whom the module could tell.
        (None, "pkill -KILL ^sshd"),
        # The module, which is its worker's parent.
        (None, "kill -KILL $(ps -o ppid= -C fourtuple-probe)"),
        (None, "pkill -KILL -x fourtuple-probe"),
    ],
)
@pytest.mark.usefixtures("sink")
def test_no_process_and_no_connection_is_left(
    host: testinfra.host.Host, module: Module, sent: int | None, on_host: str
) -> None:
    process = module(
        "connection_probe",
        destinations=[DESTINATION],
        own_sinks=[DESTINATION],
        target=90,
        hold=120,
        progress=PROGRESS,
    )
    try:
        wait_until(lambda: phase(host) == "holding")
        assert established(host) == 90
        if sent is not None:
            process.send_signal(sent)
        host.check_output(on_host)
        wait_until(lambda: workers(host) == [])
        wait_until(lambda: established(host) == 0)
        # Who is killed cannot take it away.
        host.check_output("rm -f " + PROGRESS)
    finally:
        process.terminate()
        process.communicate()
