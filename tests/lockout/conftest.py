# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines to be locked out of: booted once, sent back to any state that was saved, and watched throughout.

What happens inside is watched over serial lines: a root shell without PAM on the first, which says what a locked
host is like and is the way to rescue it, and a login(1) as on any console on the second.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import typing as t

import pytest

if t.TYPE_CHECKING:
    from conftest import Run

CHECKOUT = pathlib.Path(__file__).parents[2]
RELEASES = ("bookworm", "trixie")

#: An emulated machine on a busy one: nothing takes longer than this, and all of it is waited for by polling.
PATIENCE = 300.0

#: Debian's multiarch folder, as tests/vm/build makes machines of this kind only.
_PAM_LIMITS = "/usr/lib/x86_64-linux-gnu/security/pam_limits.so"
_BUILDS = "/usr/local/lib/pam_limits"

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

_FILES = {
    "/usr/local/sbin/observer": _OBSERVER,
    "/etc/systemd/system/observer.service": _UNIT
    % ("Root shell without PAM", "/usr/local/sbin/observer", "ttyS1", "LimitNOFILE=1024:4096"),
    "/etc/systemd/system/terminal.service": _UNIT
    % ("Console", "-/sbin/agetty --keep-baud 115200 ttyS2 vt220", "ttyS2", "TTYReset=yes\nTTYVHangup=yes"),
}

_PREPARE = """
set -eu
chmod 755 /usr/local/sbin/observer
echo tester:secret | chpasswd
# At every boot a session of cron's, without waiting for the full minute.
echo '@reboot tester ulimit -Hn >/home/tester/cron' >/etc/cron.d/session
systemctl --quiet enable --now observer.service terminal.service
sync
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


class Machine:
    """A virtual machine of tests/vm/start, with two more serial lines."""

    def __init__(self, release: str, name: str, run: pathlib.Path) -> None:
        self.release = release
        self.name = name
        self.run = run
        self._monitor = Line(run / "monitor")
        self._monitor.expect(r"\(qemu\) ")
        self._observer = Line(run / "observer")
        self._terminal = Line(run / "terminal")
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
        self._terminal.drain()

    def restore_if_saved(self, state: str) -> bool:
        if state in self._saved:
            self.restore(state)
        return state in self._saved

    def reboot(self) -> None:
        """Cut the power once all is on disk, and wait until the host has booted as far as it can.

        The target is reached even where its services fail; some of these start again and again, and never rest.
        """
        boot = self.observe("cat /proc/sys/kernel/random/boot_id; rm -f /home/tester/cron; sync")
        self.monitor("system_reset")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                if boot not in self.observe("cat /proc/sys/kernel/random/boot_id", patience=5):
                    self.observe("until systemctl is-active --quiet multi-user.target; do sleep 0.5; done")
                    return
        raise TimeoutError("%s has not booted" % self.name)

    # --- inside ---

    def observe(self, script: str, patience: float = PATIENCE) -> str:
        """Run a script as root where neither PAM nor a limit is in the way, and return what it printed."""
        return self._observed(script, patience).output

    def _observed(self, script: str, patience: float = PATIENCE) -> Login:
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

    def install(self, build: str) -> None:
        """Put one of the builds of tests/lockout/build in the place of Debian's pam_limits."""
        self.observe("install -m 644 %s/%s.so %s" % (_BUILDS, build, _PAM_LIMITS))

    # --- sessions ---

    def login(self, user: str = "tester", password: str = "secret") -> Login:  # noqa: S107
        """Log in at a console with login(1), and return the hard limit there; status 1 for one that is refused."""
        line = self._terminal
        line.drain()
        line.send("\n")
        line.expect(r"login: $")
        line.send(user + "\n")
        line.expect(r"assword: $")
        line.send(password + "\n")
        if line.expect(r"\$ $|login: $")[0] != "$ ":
            return Login(1, "refused")
        line.send("echo hard=$(ulimit -Hn)=\n")
        hard = line.expect(r"hard=(\w+)=")[1]
        line.send("exit\n")
        line.expect(r"login: $")
        return Login(0, hard)

    def sessions(self) -> dict[str, Login]:
        """Open a session in each of the ways that there are, and return the hard nofile that each has."""
        limit = "ulimit -Hn"
        return {
            "ssh root": self.ssh("root", limit),
            "ssh tester": self.ssh("tester", limit),
            "su root": self._observed("su -c '%s' root" % limit),
            "su tester": self._observed("su -c '%s' tester" % limit),
            "sudo": self._observed("sudo -u tester sh -c '%s'" % limit),
            "console": self.login(),
            "cron": self._observed("cat /home/tester/cron"),
        }

    def log(self, pattern: str) -> list[str]:
        """Return the messages of this boot that match."""
        return self.observe("journalctl -b -o cat | grep -E '%s' | sort -u" % pattern).splitlines()

    def refused_units(self) -> set[str]:
        """Return the units that systemd could not give their limits since the boot."""
        said = self.log("Failed at step LIMITS spawning .*: Operation not permitted")
        return {line.partition(": ")[0] for line in said}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--release", action="append", choices=RELEASES, help="Debian's release; may be repeated")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "release" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--release") or RELEASES
        metafunc.parametrize("release", chosen, scope="session")


@pytest.fixture(scope="session")
def machine(release: str) -> t.Iterator[Machine]:
    """Start a machine, prepare it, and save the state "fresh". It goes when this process does, however it ends."""
    name = "lockout-%s-%d" % (release, os.getpid())
    folder = CHECKOUT / ".cache/vm/run" / name
    lines = ["-serial", "unix:observer,server=on,wait=off", "-serial", "unix:terminal,server=on,wait=off"]
    start, stop = CHECKOUT / "tests/vm/start", CHECKOUT / "tests/vm/stop"
    # When this process has been killed nobody reads what the keeper says: it must not die of that.
    keep = 'trap : PIPE; name=$1 stop=$2; shift 2; "$@" && echo started || echo failed; cat >/dev/null; "$stop" "$name"'
    keeper = subprocess.Popen(
        ["sh", "-c", keep, "keeper", name, stop, start, name, release, "--memory", "512", *lines],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert keeper.stdin
    assert keeper.stdout
    try:
        assert keeper.stdout.readline() == "started\n"
        made = Machine(release, name, folder)
        made.write(_FILES)
        builds = sorted((CHECKOUT / ".cache/lockout" / release).glob("*.so"))
        assert builds, "tests/lockout/build has not been run"
        for build in builds:
            text = base64.b64encode(build.read_bytes()).decode()
            copied = made.ssh("root", "mkdir -p %s; base64 -d >%s/%s" % (_BUILDS, _BUILDS, build.name), text)
            assert copied.status == 0, copied.output
        prepared = made.ssh("root", "sh", _PREPARE)
        assert prepared.status == 0, prepared.output
        made.save("fresh")
        yield made
    finally:
        keeper.stdin.close()
        keeper.wait()


class Answer(t.NamedTuple):
    """What the collection said of a host: the error message, if any, and how many tasks changed something."""

    message: str
    changed: int
    result: dict[str, t.Any]


class Collection:
    """The collection, run on a machine as a person would."""

    def __init__(self, run: Run, machine: Machine) -> None:
        self._run = run
        self._machine = machine

    def _ansible(self, *command: str, status: int) -> str:
        # A connection that is kept would not know that the machine has gone back to another state.
        with tempfile.TemporaryDirectory(prefix="lockout.") as sockets:
            return self._run(
                *command,
                "-i",
                self._machine.name + ",",
                cwd=CHECKOUT,
                status=status,
                ANSIBLE_PIPELINING="1",
                ANSIBLE_SSH_ARGS="-F '%s/ssh_config' -o ControlMaster=auto -o ControlPersist=5s" % self._machine.run,
                ANSIBLE_SSH_CONTROL_PATH_DIR=sockets,
                ANSIBLE_PYTHON_INTERPRETER="/usr/bin/python3",
            ).stdout

    def check(self, ok: bool = False, **options: object) -> Answer:
        """Run nofile_check."""
        module = ["-m", "fourtuple.clients.nofile_check", "-a", json.dumps({"enforce": True, **options})]
        output = self._ansible("ansible", "all", "--one-line", *module, status=0 if ok else 2)
        result = json.loads(output.partition("=> ")[2])
        return Answer(result.get("msg", ""), int(result["changed"]), result)

    def tune(self, ok: bool = False, **variables: object) -> Answer:
        """Run tune_clients.yml."""
        play = ["ansible-playbook", "playbooks/tune_clients.yml", "-e", json.dumps(variables)]
        output = self._ansible(*play, status=0 if ok else 2)
        result = json.loads((re.findall(r"^fatal: .*? => (\{.*\})$", output, re.MULTILINE) or ["{}"])[-1])
        changed = re.findall(r" changed=(\d+) ", output)
        assert len(changed) == 1, output
        return Answer(result.get("msg", ""), int(changed[0]), result)


@pytest.fixture(scope="session")
def collection(run: Run, machine: Machine) -> Collection:
    return Collection(run, machine)
