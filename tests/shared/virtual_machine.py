# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines that are booted once, sent back to any state that was saved, and asked over a serial line.

On that line is a root shell without PAM, which says what a host is like that nobody can log in to, and rescues it.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import typing as t

if t.TYPE_CHECKING:
    from conftest import Run

CHECKOUT = pathlib.Path(__file__).parents[2]

#: An emulated machine on a busy one: nothing takes longer than this, and all of it is waited for by polling.
PATIENCE = 300.0

_OBSERVER = """#!/bin/sh
# One line in, a number and a script in base64; one line out, the number, what the script printed, its status.
stty raw -echo
while read -r number script; do
    printf ':%s:' "$number"
    { echo "$script" | base64 -d | sh 2>&1; echo " $?"; } | base64 -w 0
    echo :
done
"""

#: Without the device of its line, which stays away with udevd.
_UNIT = """[Unit]
Description=%s

[Service]
ExecStart=%s
StandardInput=tty
StandardOutput=tty
TTYPath=/dev/%s
Restart=always
%s

[Install]
WantedBy=multi-user.target
"""


def unit_on_line(description: str, command: str, line: str, settings: str) -> str:
    """Return a unit whose command has a serial line for itself."""
    return _UNIT % (description, command, line, settings)


_FILES = {
    "/usr/local/sbin/observer": _OBSERVER,
    "/etc/systemd/system/observer.service": unit_on_line(
        "Root shell without PAM", "/usr/local/sbin/observer", "ttyS1", "LimitNOFILE=1024:4096"
    ),
}

_PREPARE = """
chmod 755 /usr/local/sbin/observer
systemctl --quiet enable --now observer.service
"""


class Login(t.NamedTuple):
    """How a session ended, and what it said."""

    status: int
    output: str


class Line:
    """A serial line: what is sent, and what comes until something expected."""

    def __init__(self, path: pathlib.Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        # The path of a socket has at most 107 bytes, the checkout's may be longer.
        folder = os.open(path.parent, os.O_PATH)
        self._socket.connect("/proc/self/fd/%d/%s" % (folder, path.name))
        os.close(folder)

    def send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def expect(self, pattern: str, patience: float = PATIENCE) -> re.Match[str]:
        """Return the first match of what comes; fail when nothing matches in time."""
        heard = ""
        end = time.monotonic() + patience
        while not (match := re.search(pattern, heard)):
            self._socket.settimeout(max(end - time.monotonic(), 0.01))
            try:
                heard += self._socket.recv(65536).decode(errors="replace").replace("\r", "")
            except TimeoutError:
                raise TimeoutError("nothing like %r in %r" % (pattern, heard)) from None
        return match

    def drain(self) -> None:
        self._socket.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            while self._socket.recv(65536):
                pass


class VirtualMachine:
    """A virtual machine of tests/vm/start."""

    def __init__(self, release: str, name: str, run: pathlib.Path) -> None:
        self.release = release
        self.name = name
        self.run = run
        self._monitor = Line(run / "monitor")
        self._monitor.expect(r"\(qemu\) ")
        self._observer = Line(run / "observer")
        self._asked = 0
        self._saved: set[str] = set()

    # --- states ---

    def monitor(self, command: str) -> None:
        self._monitor.send(command + "\n")
        # The command comes back in pieces of an editor's line; an error is a line of its own.
        answer = self._monitor.expect(r"(?s)\n(.*)\(qemu\) $")[1]
        assert "Error" not in answer, answer

    def save(self, state: str) -> None:
        self.monitor("savevm " + state)
        self._saved.add(state)

    def restore(self, state: str) -> None:
        """Go back to a saved state; whatever was changed since is gone."""
        self.monitor("loadvm " + state)
        self._observer.drain()

    def restore_if_saved(self, state: str) -> bool:
        if state in self._saved:
            self.restore(state)
        return state in self._saved

    def reboot(self) -> None:
        """Cut the power once all is on disk, and wait until the host has booted as far as it can.

        The target is reached even where its services fail; some of these start again and again, and never rest.
        """
        boot = self.observe("cat /proc/sys/kernel/random/boot_id; sync")
        self.monitor("system_reset")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                if boot not in self.observe("cat /proc/sys/kernel/random/boot_id", patience=5):
                    self.observe("until systemctl is-active --quiet multi-user.target; do sleep 0.5; done")
                    return
        raise TimeoutError("%s has not booted" % self.name)

    def delay(self, milliseconds: int) -> None:
        """Have what comes to the host wait, up to this long, 0 for no longer."""
        if milliseconds:
            self.monitor("object_add filter-buffer,id=delay,netdev=net,queue=tx,interval=%d" % (milliseconds * 1000))
        else:
            self.monitor("object_del delay")

    # --- inside ---

    def observe(self, script: str, patience: float = PATIENCE) -> str:
        """Run a script as root where neither PAM, a limit nor the network is in the way, and return what it printed."""
        return self.observed(script, patience).output

    def observed(self, script: str, patience: float = PATIENCE) -> Login:
        # Numbered: an answer may still come to what was asked while the host was booting.
        self._asked += 1
        self._observer.send("%d %s\n" % (self._asked, base64.b64encode(script.encode()).decode()))
        answer = self._observer.expect(r":%d:([\w+/=]+):\n" % self._asked, patience)[1]
        output, _blank, status = base64.b64decode(answer).decode(errors="replace").rpartition(" ")
        return Login(int(status), output.strip())

    def ssh(self, user: str, command: str, given: str | None = None) -> Login:
        done = subprocess.run(
            ["ssh", "-F", self.run / "ssh_config", "-o", "ConnectTimeout=30", "-l", user, self.name, command],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Login(done.returncode, done.stdout.strip())

    def write(self, files: t.Mapping[str, str]) -> None:
        """Write files, or add to those that are there, as a person would."""
        for path, text in files.items():
            done = self.ssh("root", "mkdir -p $(dirname %s); cat >>%s" % (path, path), text)
            assert done.status == 0, done.output

    def must(self, script: str) -> None:
        """Run a script as root in a session, which must succeed."""
        done = self.ssh("root", "sh -e", script)
        assert done.status == 0, done.output

    def ansible(self, run: Run, *command: str, status: int = 0) -> str:
        """Run a command of Ansible's on this machine, as a person would, and return what it printed."""
        # A connection that is kept would not know that the machine has gone back to another state.
        with tempfile.TemporaryDirectory(prefix="machine.") as sockets:
            return run(
                *command,
                "-i",
                self.name + ",",
                cwd=CHECKOUT,
                status=status,
                ANSIBLE_PIPELINING="1",
                ANSIBLE_SSH_ARGS="-F '%s/ssh_config' -o ControlMaster=auto -o ControlPersist=5s" % self.run,
                ANSIBLE_SSH_CONTROL_PATH_DIR=sockets,
                ANSIBLE_PYTHON_INTERPRETER="/usr/bin/python3",
            ).stdout


M = t.TypeVar("M", bound=VirtualMachine)


@contextlib.contextmanager
def started(make: type[M], purpose: str, release: str, memory: int, lines: t.Sequence[str] = ()) -> t.Iterator[M]:
    """Start a machine. It goes when this process does, however it ends.

    lines: the names of serial lines beside the observer's, from ttyS2 on
    """
    name = "%s-%s-%d" % (purpose, release, os.getpid())
    folder = CHECKOUT / ".cache/vm/run" / name
    serial = [word for line in ("observer", *lines) for word in ("-serial", "unix:%s,server=on,wait=off" % line)]
    start, stop = CHECKOUT / "tests/vm/start", CHECKOUT / "tests/vm/stop"
    # When this process has been killed nobody reads what the keeper says: it must not die of that.
    keep = 'trap : PIPE; name=$1 stop=$2; shift 2; "$@" && echo started || echo failed; cat >/dev/null; "$stop" "$name"'
    keeper = subprocess.Popen(
        ["sh", "-c", keep, "keeper", name, stop, start, name, release, "--memory", str(memory), *serial],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert keeper.stdin
    assert keeper.stdout
    try:
        assert keeper.stdout.readline() == "started\n"
        made = make(release, name, folder)
        made.write(_FILES)
        made.must(_PREPARE)
        yield made
    finally:
        keeper.stdin.close()
        keeper.wait()
