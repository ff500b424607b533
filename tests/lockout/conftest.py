# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines to be locked out of: booted once, sent back to any state that was saved, and watched throughout.

What happens inside is watched over serial lines: a root shell without PAM on the first, which says what a locked
host is like and is the way to rescue it, and a login(1) as on any console on the second.
"""

from __future__ import annotations

import base64
import json
import pathlib
import re
import typing as t

import pytest
import virtual_machine
from virtual_machine import CHECKOUT, Line, Login, VirtualMachine

if t.TYPE_CHECKING:
    from conftest import Run

#: Debian's multiarch folder, as tests/vm/build makes machines of this kind only.
_PAM_LIMITS = "/usr/lib/x86_64-linux-gnu/security/pam_limits.so"
_BUILDS = "/usr/local/lib/pam_limits"

_FILES = {
    "/etc/systemd/system/terminal.service": virtual_machine.unit_on_line(
        "Console", "-/sbin/agetty --keep-baud 115200 ttyS2 vt220", "ttyS2", "TTYReset=yes\nTTYVHangup=yes"
    )
}

_PREPARE = """
set -eu
echo tester:secret | chpasswd
# At every boot a session of cron's, without waiting for the full minute.
echo '@reboot tester ulimit -Hn >/home/tester/cron' >/etc/cron.d/session
systemctl --quiet enable --now terminal.service
sync
"""


class Machine(VirtualMachine):
    """A virtual machine with a console, of which every session is known."""

    def __init__(self, release: str, name: str, run: pathlib.Path) -> None:
        super().__init__(release, name, run)
        self._terminal = Line(run / "terminal")

    def restore(self, state: str) -> None:
        super().restore(state)
        self._terminal.drain()

    def reboot(self) -> None:
        self.observe("rm -f /home/tester/cron")
        super().reboot()

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
        # login(1) tells of the last one, and its line comes in pieces.
        if line.expect(r"\$ $|(?<!Last )login: $")[0] != "$ ":
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
            "su root": self.observed("su -c '%s' root" % limit),
            "su tester": self.observed("su -c '%s' tester" % limit),
            "sudo": self.observed("sudo -u tester sh -c '%s'" % limit),
            "console": self.login(),
            "cron": self.observed("cat /home/tester/cron"),
        }

    def log(self, pattern: str) -> list[str]:
        """Return the messages of this boot that match."""
        return self.observe("journalctl -b -o cat | grep -E '%s' | sort -u" % pattern).splitlines()

    def refused_units(self) -> set[str]:
        """Return the units that systemd could not give their limits since the boot."""
        said = self.log("Failed at step LIMITS spawning .*: Operation not permitted")
        return {line.partition(": ")[0] for line in said}


@pytest.fixture(scope="session")
def machine(release: str) -> t.Iterator[Machine]:
    """Start a machine, prepare it, and save the state "fresh". It goes when this process does, however it ends."""
    with virtual_machine.started(Machine, "lockout", release, 512, ["terminal"]) as made:
        made.write(_FILES)
        builds = sorted((CHECKOUT / ".cache/lockout" / release).glob("*.so"))
        assert builds, "tests/lockout/build has not been run"
        for build in builds:
            text = base64.b64encode(build.read_bytes()).decode()
            copied = made.ssh("root", "mkdir -p %s; base64 -d >%s/%s" % (_BUILDS, _BUILDS, build.name), text)
            assert copied.status == 0, copied.output
        made.must(_PREPARE)
        made.save("fresh")
        yield made


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
        return self._machine.ansible(self._run, *command, status=status)

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
