# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the fleet as the machine under them sees them, and runs that are looked at while they last."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import subprocess
import time
import typing as t

import jsonschema
import pytest

EPHEMERAL = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
SCHEMA = pathlib.Path(__file__).parents[2] / "roles/report/files/report-schema-1.json"
PROC = pathlib.Path("/proc")
#: The states of sockets in /proc/net/tcp (include/net/tcp_states.h).
STATES = {"01": "established", "06": "time_wait", "0A": "listen"}
#: Where prove_progress and the sinks write on a host.
PROGRESS, SINKS = "root/run/probe.json", "root/run/fourtuple"

Report = dict[str, t.Any]


class Host:
    """A host, read from outside: no process of ours runs there meanwhile, and no session has to be opened."""

    def __init__(self, container: str) -> None:
        self.container = container
        inspect = ["podman", "inspect", "--format", "{{.State.Pid}}", container]
        self._root = PROC / subprocess.check_output(inspect, text=True).strip()
        self._namespace = (self._root / "ns/pid").readlink()

    def sockets(self) -> collections.Counter[str]:
        """Count the host's TCP sockets by their state: all of them, and nothing else talks in this network."""
        with (self._root / "net/tcp").open() as table:
            next(table)
            states = collections.Counter(line.split(None, 4)[3] for line in table)
        return collections.Counter({STATES.get(state, state): number for state, number in states.items()})

    def processes(self, name: str) -> list[str]:
        """Return the processes of the host whose names begin so."""
        found = []
        for process in PROC.glob("[0-9]*"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                command = (process / "comm").read_text().strip()
                if command.startswith(name) and (process / "ns/pid").readlink() == self._namespace:
                    found.append("%s (%s)" % (command, process.name))
        return found

    @property
    def progress(self) -> dict[str, t.Any]:
        """How far the host's probe is; nothing when none runs."""
        try:
            return json.loads((self._root / PROGRESS).read_text())
        except FileNotFoundError:
            return {}

    def left(self) -> list[str]:
        """Name what probes and sinks have left."""
        files = [str(self._root / path) for path in (PROGRESS, SINKS) if (self._root / path).exists()]
        return [*self.processes("fourtuple"), *files, *self.sockets()]


def hosts(beginning: str) -> dict[str, Host]:
    containers = json.loads((EPHEMERAL / "containers.json").read_text())
    return {name: Host(container) for name, container in containers.items() if name.startswith(beginning)}


@pytest.fixture(scope="session")
def clients() -> dict[str, Host]:
    return hosts("client")


@pytest.fixture(scope="session")
def sinks() -> dict[str, Host]:
    return hosts("sink")


@pytest.fixture(scope="session")
def wait_until() -> t.Callable[..., None]:
    """Return a function that waits until something holds, for so many seconds."""

    def run(holds: t.Callable[[], bool], seconds: float) -> None:
        ends = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < ends, "not within %s seconds" % seconds
            time.sleep(0.1)

    return run


@pytest.fixture(scope="session")
def read_report() -> t.Callable[[pathlib.Path], Report]:
    """Return a function that reads a report and holds it against its schema."""

    def run(folder: pathlib.Path) -> Report:
        report: Report = json.loads((folder / "report.json").read_text())
        jsonschema.validate(report, json.loads(SCHEMA.read_text()), jsonschema.Draft202012Validator)
        return report

    return run
