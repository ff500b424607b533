# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine as it is now: its values, files, addresses and routes, and the limits that sessions of every kind have."""

from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import typing as t

import pytest

HERE = pathlib.Path(__file__).parent
CHECKOUT = HERE.parents[1]
RUN = CHECKOUT / ".cache/vm/run"
EPHEMERAL = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])

# The texts that are written to keys there, too.
sys.path.append(str(CHECKOUT / "tests/differential"))

State = dict[str, dict[str, t.Any]]


class Machine:
    """A virtual machine, reached as people reach one."""

    def __init__(self, name: str) -> None:
        self._name = name

    def ssh(self, user: str, *command: str, script: pathlib.Path = pathlib.Path("/dev/null")) -> str:
        """Run a command in a session of its own."""
        ssh = ["ssh", "-F", str(RUN / self._name / "ssh_config"), "-o", "ConnectTimeout=30", "-l", user, self._name]
        with script.open() as given:
            return subprocess.run([*ssh, *command], stdin=given, stdout=subprocess.PIPE, text=True, check=True).stdout

    def log_in(self, user: str) -> list[int]:
        """Log in on the terminal, with the password, and return the limits there."""
        folder = os.open(RUN / self._name, os.O_PATH)
        with socket.socket(socket.AF_UNIX) as terminal:
            terminal.settimeout(60)
            # A socket's path has at most 107 bytes.
            terminal.connect("/proc/self/fd/%d/terminal" % folder)
            os.close(folder)

            def wait_for(pattern: str) -> re.Match[str]:
                shown = ""
                while not (found := re.search(pattern, shown)):
                    more = terminal.recv(4096).decode(errors="replace")
                    assert more, "the machine has gone, after: " + shown
                    shown += more
                    assert "incorrect" not in shown, shown
                return found

            # The prompt was shown before anyone was there to see it.
            terminal.sendall(b"\r")
            wait_for("login: ")
            terminal.sendall(user.encode() + b"\r")
            wait_for("Password: ")
            terminal.sendall(b"secret\r")
            wait_for(r"[$#] ")
            terminal.sendall(b"echo limits $(ulimit -Sn) $(ulimit -Hn) end\r")
            limits = wait_for(r"limits (\d+) (\d+) end").groups()
            terminal.sendall(b"exit\r")
            wait_for("login: ")
        return [int(limit) for limit in limits]

    def log_in_each(self) -> dict[str, list[int]]:
        """One after the other: there is one terminal."""
        return {"console " + user: self.log_in(user) for user in ("root", "tester")}


@pytest.fixture(scope="module")
def state(container: str) -> State:
    """Read everything, at the same time: emulated, a machine is slow."""
    machine = Machine(container)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        reading = pool.submit(machine.ssh, "root", "python3", "-", script=HERE.parent / "shared/host_state.py")
        sessions = pool.submit(machine.ssh, "root", "python3", "-", script=HERE / "session_limits.py")
        of_user = pool.submit(machine.ssh, "tester", "ulimit -Sn; ulimit -Hn")
        console = pool.submit(machine.log_in_each)
    state: State = json.loads(reading.result())
    state["limit"] = json.loads(sessions.result()) | console.result()
    state["limit"]["ssh tester"] = [int(limit) for limit in of_user.result().split()]
    return state


@pytest.fixture(scope="module")
def write_values(container: str) -> t.Callable[[str], str]:
    """Return a function that gives write_values.py its argument, and returns what it prints."""
    script = HERE / "write_values.py"
    return lambda given: Machine(container).ssh("root", "python3", "-", given, script=script)


@pytest.fixture(scope="module")
def keep(platform: str) -> t.Callable[[State], None]:
    """Return a function that keeps a state as the one before the first run, for the fixture `untouched`."""

    def run(state: State) -> None:
        (EPHEMERAL / ("%s.untouched.json" % platform)).write_text(json.dumps(state))

    return run
