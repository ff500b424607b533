# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that do not come to their end: the play is killed, or a host is."""

from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import subprocess
import time

import pytest

PLAYBOOK = pathlib.Path(__file__).parents[3] / "playbooks/prove_clients.yml"
TARGET = 6000
#: Seconds. A probe has its sshd to tell it that the play is gone; a sink has its lifetime alone.
SOON = 10
LIFETIME = 20


@pytest.fixture
def left(clients, sinks):
    """Return a function that names what is left on the hosts; of one that is gone nothing is."""

    def run(*but_for: str) -> dict[str, list[str]]:
        found = {name: host.left() for name, host in (clients | sinks).items() if name not in but_for}
        return {name: things for name, things in found.items() if things}

    return run


def test_a_play_that_is_killed(clients, sinks, wait_until, left) -> None:
    """By SIGKILL, while everybody holds: nobody can tell the hosts, or stop the sinks."""
    variables = {"clients_hosts": "clients:sinks", "prove_target": TARGET, "prove_hold": 300}
    variables["prove_lifetime"] = LIFETIME
    inventory = os.environ["MOLECULE_EPHEMERAL_DIRECTORY"] + "/inventory"
    command = ["ansible-playbook", "-i", inventory, str(PLAYBOOK), "-e", json.dumps(variables)]
    playing = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: all(sink.processes("fourtuple-sink") for sink in sinks.values()), 180)
        began = time.monotonic()
        wait_until(lambda: all(host.progress.get("phase") == "holding" for host in clients.values()), LIFETIME)
    finally:
        playing.kill()
        playing.wait()

    wait_until(lambda: not any(host.processes("fourtuple-probe") for host in clients.values()), SOON)
    assert all(sink.processes("fourtuple-sink") for sink in sinks.values())
    wait_until(lambda: not any(sink.processes("fourtuple-sink") for sink in sinks.values()), LIFETIME + SOON)
    assert time.monotonic() - began == pytest.approx(LIFETIME, abs=SOON)
    assert left() == {}


def test_a_client_that_dies(play, clients, wait_until, read_report, left, tmp_path) -> None:
    """While it connects: the others go on, and the report has it among them."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        variables = {"clients_hosts": "clients:sinks", "prove_target": TARGET, "report_dir": str(tmp_path)}
        playing = pool.submit(play, "prove_clients.yml", prove_hold=1, prove_rate=1000, **variables)
        wait_until(lambda: all(host.progress.get("established", 0) > 0 for host in clients.values()), 180)
        assert clients["client2"].progress["phase"] == "connecting"
        subprocess.run(["podman", "kill", clients["client2"].container], stdout=subprocess.DEVNULL, check=True)
        played = playing.result()

    # 4: hosts unreachable.
    assert played.status == 4, played.output
    assert {name for name, counts in played.counts.items() if counts["unreachable"]} == {"client2"}
    assert played.messages == {}

    report = read_report(tmp_path)
    lost, *others = report["hosts"]
    assert (lost["host"], lost["verdict"], lost["measured"]["established"]) == ("client2", "failed", None)
    assert "the host was lost" in lost["message"]
    assert lost["message"] in " ".join(played.output.split())
    held = {host["host"]: host["measured"]["established"] for host in others}
    assert held == {"client1": TARGET, "client3": TARGET}
    assert report["totals"]["measured"] == 2
    assert report["totals"]["failed"] == 1
    assert report["totals"]["established"] == 2 * TARGET
    assert report["totals"]["established_predicted"] == 3 * TARGET
    assert left("client2") == {}
