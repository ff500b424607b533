# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that tunes itself: the repository of examples/pull, with the commands of its README, under its own timer."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import time
import typing as t

import pytest
import yaml

if t.TYPE_CHECKING:
    from conftest import Run

#: For the time of its image.
pytestmark = pytest.mark.nightly

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/pull"
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text())
FULL_NAME = "client1.example.com"
#: Where the repository is, and where the host finds it.
ADDRESS, BARE = "https://git.example.com/clients.git", "/srv/clients.git"

#: An interface of its own, as its administrator has configured it.
INTERFACE = {
    "client0.netdev": "[NetDev]\nName=client0\nKind=veth\n[Peer]\nName=client0-peer\n",
    "client0.network": "[Match]\nName=client0\n[Network]\nAddress=198.51.100.10/24\nGateway=198.51.100.1\n",
    "client0-peer.network": "[Match]\nName=client0-peer\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n",
}
#: The timer's own, but sooner, and over again.
SOONER = """[Timer]
OnBootSec=
OnUnitInactiveSec=
OnActiveSec=1
OnUnitInactiveSec=1
RandomizedDelaySec=0
AccuracySec=100ms
"""


class Pulled(t.NamedTuple):
    """One run of the service.

    text: all that it printed
    """

    text: str

    def counts(self, host: str = FULL_NAME) -> dict[str, int]:
        """Return the recap of a host, of which a run has at most one line."""
        lines = re.findall("^%s +: (.*)" % re.escape(host), self.text, re.MULTILINE)
        assert len(lines) <= 1, self.text
        return {name: int(number) for line in lines for name, number in re.findall(r"(\w+)=(\d+)", line)}


class Client:
    """A disposable host, started once, with git and Debian's ansible-core."""

    SERVICE = "clients-pull.service"

    def __init__(self) -> None:
        self.name = "pull-%d" % os.getpid()
        subprocess.run([ROOT / "tests/images/start", self.name, "trixie-pull", "--hostname", FULL_NAME], check=True)

    def close(self) -> None:
        remove = ["podman", "rm", "--force", "--ignore", "--time", "0", self.name]
        subprocess.run(remove, stdout=subprocess.DEVNULL, check=True)

    def run(self, command: str, status: int = 0) -> str:
        done = subprocess.run(
            ["podman", "exec", self.name, "bash", "-ec", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == status, "%s\n%s" % (command, done.stdout)
        return done.stdout

    def write(self, path: str, text: str) -> None:
        write = [
            "podman",
            "exec",
            "--interactive",
            self.name,
            "sh",
            "-c",
            'mkdir -p "${1%/*}" && cat >"$1"',
            "sh",
            path,
        ]
        subprocess.run(write, input=text, text=True, check=True)

    def runs(self) -> list[Pulled]:
        """Return the runs of the service, in their order, that have ended."""
        lines = self.run("journalctl --sync; journalctl --unit %s --output json" % self.SERVICE).splitlines()
        texts: dict[str, list[str]] = {}
        ended = []
        for line in lines:
            entry = json.loads(line)
            invocation = entry.get("_SYSTEMD_INVOCATION_ID") or entry.get("INVOCATION_ID")
            if invocation is None:
                continue
            texts.setdefault(invocation, []).append(str(entry["MESSAGE"]))
            if re.match("(Finished|Failed to start) %s" % self.SERVICE, str(entry["MESSAGE"])):
                ended.append(invocation)
        return [Pulled("\n".join(texts[invocation])) for invocation in ended]

    def addresses(self) -> list[str]:
        """Return the source addresses that the host has beside its own; it has them as local routes."""
        return re.findall(r"^local (198\.\S+) dev lo ", self.run("ip route show table local"), re.MULTILINE)

    def settings(self) -> str:
        """Return what the host's own network and files say of what it was asked."""
        return self.run("cat /proc/sys/net/ipv4/ip_local_port_range $(find /etc -type f -name '*fourtuple*' | sort)")


class Repository:
    """The team's, with the commands of its README, and the bare one that the host pulls from."""

    def __init__(self, folder: pathlib.Path, run: Run, tarball: pathlib.Path) -> None:
        self.folder, self._run = folder, run
        shutil.copytree(EXAMPLE, folder)
        requirements = folder / "requirements.yml"
        release = "%s/releases/download/v%s/" % (GALAXY["repository"], GALAXY["version"])
        assert requirements.read_text().count(release) == 1
        requirements.write_text(requirements.read_text().replace(release, "file://%s/" % tarball.parent))
        self.git("init --quiet --initial-branch main")
        for command in commands_of_the_readme(0):
            self.shell(command)

    def git(self, command: str) -> None:
        self.shell("git " + command)

    def shell(self, command: str) -> None:
        somebody = {"NAME": "a", "EMAIL": "a@example.com"}
        author = {"GIT_%s_%s" % (who, what): text for who in ("AUTHOR", "COMMITTER") for what, text in somebody.items()}
        self._run("bash", "-ec", command, cwd=self.folder, **author)

    def change(self, path: str, old: str, new: str) -> None:
        """Change a file by a commit."""
        file = self.folder / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        self.git("commit --quiet --all --message change")

    def push_to(self, client: Client) -> None:
        """The host's own copy of the bare repository stands for a server."""
        bundle = self.folder.parent / "main.bundle"
        self.git("bundle create --quiet %s main" % bundle)
        subprocess.run(["podman", "cp", bundle, "%s:/srv/main.bundle" % client.name], check=True)
        client.run("git init --quiet --bare %s && git -C %s fetch --quiet /srv/main.bundle +main:main" % (BARE, BARE))


def commands_of_the_readme(number: int) -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", (EXAMPLE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return blocks[number].splitlines()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def client() -> t.Iterator[Client]:
    host = Client()
    try:
        for name, text in INTERFACE.items():
            host.write("/etc/systemd/network/" + name, text)
        for unit in (EXAMPLE / "systemd").iterdir():
            host.write("/etc/systemd/system/" + unit.name, unit.read_text())
        host.run("git config --system url.file://%s.insteadOf %s" % (BARE, ADDRESS))
        host.run("systemctl restart systemd-networkd; until ip route show default | grep client0; do sleep 0.2; done")
        yield host
    finally:
        host.close()


@pytest.fixture(scope="module")
def repository(client: Client, run: Run, tarball: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("team") / "clients", run, tarball)
    made.push_to(client)
    return made


def test_the_units_are_as_systemd_wants_them(client: Client) -> None:
    assert client.run("cd /etc/systemd/system && systemd-analyze verify clients-pull.service clients-pull.timer") == ""


def test_the_timer_tunes_and_a_second_run_changes_nothing(client: Client, repository: Repository) -> None:
    assert ADDRESS in (EXAMPLE / "systemd/clients-pull.service").read_text()
    client.write("/etc/systemd/system/clients-pull.timer.d/sooner.conf", SOONER)
    for command in commands_of_the_readme(1):
        client.run(command)
    deadline = time.monotonic() + 900
    while len(client.runs()) < 2 and time.monotonic() < deadline:
        time.sleep(1)
    # A run that has begun ends first.
    client.run(
        "systemctl stop clients-pull.timer; while systemctl is-active -q %s; do sleep 0.2; done" % client.SERVICE
    )
    first, second = client.runs()[:2]
    assert (first.counts()["failed"], first.counts()["changed"]) == (0, 1), first.text
    assert (second.counts()["failed"], second.counts()["changed"]) == (0, 0), second.text
    assert client.run("systemctl show --value --property LastTriggerUSec clients-pull.timer").strip()
    # A third of 600,000, half of 64,512 ports towards each of 4 destinations: one address of slot 0 beside its own.
    assert client.addresses() == ["198.51.100.129"]
    assert client.settings().startswith("1024\t65535\n")
    assert "meets" in first.text


def test_a_commit_is_what_the_next_run_brings(client: Client, repository: Repository) -> None:
    repository.change("inventory.yml", "tune_fleet_target: 600000", "tune_fleet_target: 900000")
    repository.push_to(client)
    client.run("systemctl start " + client.SERVICE)
    assert client.runs()[-1].counts()["changed"] == 1
    assert client.addresses() == ["198.51.100.129", "198.51.100.130"]


def test_a_host_that_the_inventory_does_not_name_fails_and_stays(client: Client, repository: Repository) -> None:
    before = client.addresses(), client.settings()
    repository.change("inventory.yml", FULL_NAME, "client7.example.com")
    repository.push_to(client)
    client.run("systemctl start " + client.SERVICE, status=1)
    last = client.runs()[-1]
    assert "Could not match supplied host pattern, ignoring: %s" % FULL_NAME in last.text
    assert "leaves us with no hosts to target" in last.text
    assert last.counts() == {}
    assert (client.addresses(), client.settings()) == before
