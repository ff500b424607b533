# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox (tests/sandbox) as the machine wants a host: the real playbooks, modules, ip and systemd-sysctl."""

from __future__ import annotations

import os
import pathlib
import re
import typing as t

import oracle
from folder_host import MUTABLE
from oracle import KERNEL
from sandbox import BOOT_VALUES, PASSING, ROUTE, Sandbox

IMAGES = {"debian-12": "bookworm", "debian-13": "trixie"}

#: What a run of the sandbox leaves that is no setting of the host.
_NO_SETTINGS = (*PASSING, "/etc/ld.so.cache", "/etc/.pwd.lock")

_UNITS = ("ssh.service", "app.service")


def fresh(release: str) -> Sandbox:
    """Start a host that has what the machine's rules speak of."""
    host = Sandbox(IMAGES[release])
    host.write("/usr/lib/systemd/system/app.service", "[Service]\nExecStart=/bin/sleep infinity\n")
    host.run("groupadd", "--gid", "2000", "ops")
    host.run("usermod", "--append", "--groups", "ops", "tester")
    return host


class SandboxHost:
    """A sandbox, with the names that machine.Life uses."""

    def __init__(self, release: str, sandbox: Sandbox) -> None:
        self.release, self.sandbox = release, sandbox
        self.watch: t.Callable[[str], None] | None = None
        self.warnings: list[str] = []
        self.running: dict[str, int] = {}
        self.kernel = self.keys() | BOOT_VALUES[IMAGES[release]]

    # --- files and keys ---

    def files(self) -> dict[str, str]:
        found = {}
        for folder in (*MUTABLE, "/usr/lib/sysctl.d", "/usr/lib/systemd/system"):
            for directory, _names, names in os.walk(self.sandbox.path(folder)):
                for name in names:
                    place = pathlib.Path(directory, name)
                    path = "/" + str(place.relative_to(self.sandbox.path("/")))
                    if self._counts(path):
                        found[path] = self._text(path, place)
        return found

    @staticmethod
    def _counts(path: str) -> bool:
        """Of a whole Debian what the machine looks at: configuration of sysctl, limits, units and network, and ours."""
        if path.startswith(_NO_SETTINGS):
            return False
        if path.startswith("/usr/lib/systemd/"):
            return path.endswith(_UNITS) or any("/%s.d/" % name in path for name in _UNITS)
        return path.startswith(("/etc/sysctl", "/etc/security/limits", "/etc/systemd/", "/run/", "/usr/", "/var/")) or (
            "fourtuple" in path
        )

    def _text(self, path: str, place: pathlib.Path) -> str:
        if place.is_symlink():
            # An absolute link would leave the sandbox.
            target = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(place)))
            linked = self.sandbox.path(target)
            return linked.read_text() if linked.is_file() and not linked.is_symlink() else "link: " + target
        return place.read_text(errors="surrogateescape")

    def put(self, path: str, text: str) -> None:
        self.sandbox.write(path, text)

    def remove(self, path: str) -> None:
        self.sandbox.remove(path)

    def directories(self) -> set[str]:
        top = self.sandbox.path("/")
        return {
            "/" + str(pathlib.Path(directory, name).relative_to(top))
            for folder in ("/etc/sysctl.d", "/etc/security", "/etc/systemd", "/run/sysctl.d", "/var/lib/fourtuple")
            for directory, names, _files in os.walk(self.sandbox.path(folder))
            for name in names
        }

    def keys(self) -> dict[str, str]:
        net = [key for key in KERNEL if key.startswith("net.")]
        shown = self.sandbox.run("grep", "", *("/proc/sys/" + key.replace(".", "/") for key in net), status=None).stdout
        found = dict.fromkeys(KERNEL, "")
        for line in shown.splitlines():
            path, _colon, value = line.partition(":")
            found[path.removeprefix("/proc/sys/").replace("/", ".")] = " ".join(value.split())
        return found | {key: " ".join((self.sandbox.key(key) or "").split()) for key in KERNEL if key not in net}

    def set_key(self, key: str, value: str) -> None:
        self.sandbox.set_key(key, value)

    # --- addresses ---

    @property
    def addresses(self) -> dict[str, list[str]]:
        shown = self.sandbox.run("ip", "-oneline", "-4", "address", "show", "dev", "eth0").stdout
        return {"eth0": re.findall(r" inet (\S+) ", shown) + [ROUTE + one for one in self.sandbox.local_prefixes()]}

    def add_address(self, address: str) -> None:
        self.sandbox.run("ip", "address", "add", address, "dev", "eth0")

    def remove_address(self, address: str) -> None:
        words = ["route", "del", "local", address[len(ROUTE) :], "dev", "lo", "table", "local"]
        of_interface = ["address", "del", address, "dev", "eth0"]
        self.sandbox.run("ip", *(words if address.startswith(ROUTE) else of_interface))

    # --- processes ---

    def hard_of_running(self) -> dict[str, int]:
        return self.running | {"systemd": int(self.kernel[oracle.NR_OPEN])}

    def log_in(self, user: str) -> None:
        """Let a process have what a session gets; of those that are open the highest counts."""
        _soft, hard = oracle.session(self.files(), user, int(self.keys()[oracle.NR_OPEN]))
        if hard is not None and hard > self.running.get("session", 0):
            self.sandbox.hold("session%d" % len(self.running), hard)
            self.running["session"] = hard

    def log_out(self) -> None:
        """The sandbox ends processes only by a boot."""

    def start_unit(self, name: str) -> bool:
        return True

    # --- the whole ---

    def boot(self) -> None:
        self.sandbox.boot()
        self.running = {}
        if not oracle.kernel_takes(oracle.NR_OPEN, self.sandbox.key(oracle.NR_OPEN) or ""):
            # A plain file takes what the kernel refuses.
            kept = oracle.keys_after_boot(self.files(), self.kernel)
            self.sandbox.set_key(oracle.NR_OPEN, kept[oracle.NR_OPEN])

    def lockouts(self, files: t.Mapping[str, str] | None = None) -> set[oracle.Lockout]:
        found = self.files() if files is None else files
        kept = {path: text for path, text in found.items() if not path.startswith("/run/")}
        after = int(oracle.keys_after_boot(kept, self.kernel)[oracle.NR_OPEN])
        most = int(self.kernel[oracle.NR_OPEN])
        now = int(self.keys()[oracle.NR_OPEN])
        return oracle.lockouts(found, now, after, (most, most), self.hard_of_running())

    def tune(self, variables: dict[str, t.Any], most: int | None = None, check: bool = False) -> str:
        return self._play("tune_clients.yml", variables, ("--check",) if check else ())

    def untune(self, variables: dict[str, t.Any], most: int | None = None) -> str:
        return self._play("untune_clients.yml", variables, ())

    def _play(self, playbook: str, variables: dict[str, t.Any], options: t.Sequence[str]) -> str:
        played = self.sandbox.play(playbook, *options, **variables)
        self.warnings = [played.output]
        if played.status == 0:
            return "done"
        tasks = re.findall(r"^TASK \[(.*)\]", played.output.partition("\nfatal: ")[0], re.MULTILINE)
        refused = "Refuse what cannot be met" in tasks[-1]
        return "%s: %s" % ("refused" if refused else "failed", played.message or played.output[-3000:])
