# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose network a real program manages, with a peer at the other end of its cable.

A container of the images that tests/images/build makes, with systemd and a network of its own. Its interface is there
before init, down and without addresses, at each boot: boot() in truth restarts all of it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import types
import typing as t

HERE = pathlib.Path(__file__).parent
CHECKOUT = HERE.parents[1]
ENTER = HERE / "enter"

OWN4, OWN6 = "192.0.2.10", "2001:db8:0:1::10"
#: Destinations that only the default route leads to.
FAR4, FAR6 = "203.0.113.1", "2001:db8:9::1"


_NUMBERS = itertools.count()


class Network(t.NamedTuple):
    """What a host is like besides ours. Times and such left out, so that it can be compared."""

    addresses: frozenset[str]
    defaults: frozenset[str]
    leaves_from: tuple[str | None, str | None]


#: One command for all of it: starting one in a container takes longer than what it does.
_LOOK = "; echo =; ".join(
    (
        "ip -json address show dev eth0",
        "ip -json route show table local dev lo proto kernel",
        "ip -4 route show default; ip -6 route show default",
        "ip route get %s" % FAR4,
        "ip route get %s" % FAR6,
    )
)


class Look:
    """What ip(8) shows of a host's network."""

    def __init__(self, shown: str) -> None:
        addresses, routes, defaults, *sources = shown.split("=\n")
        found = [info for link in json.loads(addresses) for info in link["addr_info"] if "local" in info]
        #: The addresses of eth0 with their lengths, each with its scope, or ``deprecated``.
        self.held = {
            "%s/%d" % (info["local"], info["prefixlen"]): "deprecated" if info.get("deprecated") else info["scope"]
            for info in found
        }
        #: The prefixes that routes of ours make local.
        self.local = frozenset(
            route["dst"] for route in json.loads(routes or "[]") if str(route["dst"]).startswith("198.51.100.")
        )
        # With ``nhid 7`` in between where the route has a next hop object.
        self._defaults = frozenset(re.findall(r"^default .*?(via \S+ dev \S+)", defaults, re.MULTILINE))
        first, second = (re.search(r" dev eth0 .*src (\S+)", source) for source in sources)
        self._leaves_from = (first and first[1], second and second[1])

    def network(self) -> Network:
        """Return what the host has besides ours."""
        addresses = frozenset(
            address
            for address, what in self.held.items()
            if not address.startswith(("198.51.100.", "fe80:")) and what != "deprecated"
        )
        return Network(addresses, self._defaults, self._leaves_from)


class ManagedHost:
    def __init__(
        self, folder: pathlib.Path, image: str, units: t.Iterable[str], files: t.Mapping[str, str], leased: bool
    ) -> None:
        """Boot a host: ``files`` are its own, ``units`` those to enable, ``leased`` whether the peer has DHCP."""
        self.name = "fourtuple-managers-%d-%d" % (os.getpid(), next(_NUMBERS))
        self.folder = folder
        self._holder: subprocess.Popen[str] | None = None
        self._plays = 0
        setup = folder / "setup"
        setup.mkdir(mode=0o755)
        for source in (HERE / "boot", HERE / "peer.py", HERE / "holder.py", CHECKOUT / "tests/images/host-init"):
            shutil.copy(source, setup)
        (setup / "enable").write_text("".join(unit + "\n" for unit in units))
        if leased:
            (setup / "leased").write_text("10\n")
        (setup / "files").mkdir()
        for path, text in files.items():
            place = setup / "files" / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            # NetworkManager and netplan want nobody else to read theirs.
            place.chmod(
                0o755 if text.startswith("#!") else 0o600 if "nmconnection" in path or "plan" in path else 0o644
            )
        volumes = ["-v", "%s:/setup:ro" % setup, "-v", "%s:/usr/local/sbin/host-init:ro" % (setup / "boot")]
        try:
            subprocess.run([CHECKOUT / "tests/images/start", self.name, image, *volumes], check=True)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> ManagedHost:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.release()
        subprocess.run(
            ["podman", "rm", "--force", "--ignore", "--time", "0", self.name], capture_output=True, check=True
        )

    # --- running things ---

    def run(self, command: str, status: int | None = 0) -> str:
        """Run a shell command; ``status`` is the one to insist on, None for any."""
        done = subprocess.run(
            ["podman", "exec", self.name, "sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert status is None or done.returncode == status, "%s: %d: %s" % (command, done.returncode, done.stdout)
        return done.stdout

    def role(self, *options: str, **variables: object) -> str:
        """Run role addresses with these of its variables, without the prefix; return the recap's ``changed=``."""
        done = self.try_role(*options, **variables)
        assert done.returncode == 0, done.stdout
        counts = re.search(r"changed=(\d+)", done.stdout.rpartition("PLAY RECAP")[2])
        assert counts is not None, done.stdout
        return counts[1]

    def try_role(self, *options: str, **variables: object) -> subprocess.CompletedProcess[str]:
        self._plays += 1
        inventory = {
            "ansible_connection": "ssh",
            "ansible_host": self.name,
            "ansible_user": "root",
            "ansible_ssh_executable": str(ENTER),
            "ansible_ssh_args": "",
            "ansible_ssh_pipelining": True,
            "ansible_ssh_transfer_method": "piped",
            "ansible_ssh_retries": 0,
            "ansible_python_interpreter": "/usr/bin/python3",
            **{"addresses_" + name: value for name, value in variables.items()},
        }
        paths = {name: self.folder / name for name in ("inventory.json", "play.json", "ansible.cfg")}
        paths["inventory.json"].write_text(json.dumps({"all": {"hosts": {"client": inventory}}}))
        play = {"hosts": "all", "gather_facts": False, "roles": ["fourtuple.clients.addresses"]}
        paths["play.json"].write_text(json.dumps([play]))
        paths["ansible.cfg"].touch()
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
        clean |= {
            "ANSIBLE_CONFIG": str(paths["ansible.cfg"]),
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "playbooks/collections"),
            "ANSIBLE_NOCOLOR": "1",
            "NO_COLOR": "1",
            "PATH": "%s:%s" % (pathlib.Path(sys.executable).parent, clean["PATH"]),
        }
        return subprocess.run(
            ["ansible-playbook", "-i", paths["inventory.json"], paths["play.json"], *options],
            env=clean,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def boot(self) -> None:
        """Restart the host: its files stay."""
        self.release()
        subprocess.run(["podman", "restart", "--time", "0", self.name], capture_output=True, check=True)
        booted = "systemctl is-system-running | grep -qE 'running|degraded'"
        assert self.wait(lambda: self.run(booted + " && echo yes", None) == "yes\n", 60), self.run("systemctl", None)

    # --- its network ---

    def look(self) -> Look:
        """Look at the host's network once."""
        return Look(self.run(_LOOK, None))

    def network(self) -> Network:
        """Return what the host has besides ours."""
        return self.look().network()

    def hold(self, *sources: str) -> None:
        """Hold a connection from each of these."""
        self.release()
        command = ["podman", "exec", "--interactive", self.name, "python3", "/setup/holder.py", *sources]
        self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.wait(lambda: all(one["gap"] < 1 for one in self.connections().values()), 10), self.connections()

    def release(self) -> None:
        """End the connections."""
        if self._holder is not None:
            self._holder.kill()
            with self._holder:
                self._holder.wait()
            self._holder = None

    def connections(self) -> dict[str, dict[str, t.Any]]:
        """Return what became of each connection since the last call; see holder.py."""
        assert self._holder is not None
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._holder.stdin.write("\n")
            self._holder.stdin.flush()
        line = self._holder.stdout.readline()
        assert line, "the holder of connections has ended"
        return t.cast("dict[str, dict[str, t.Any]]", json.loads(line))

    @staticmethod
    def wait(is_so: t.Callable[[], bool], seconds: float) -> bool:
        """Tell whether something becomes so in time."""
        end = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True
