# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios share: the hosts, what they were like, and real logins on them."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import subprocess
import typing as t

import pytest
import testinfra
import yaml

EPHEMERAL = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
PLAYBOOKS = pathlib.Path(__file__).parents[1] / "playbooks"
PLATFORMS = [platform["name"] for platform in yaml.safe_load((EPHEMERAL / "molecule.yml").read_text())["platforms"]]


@pytest.fixture(scope="module", params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> str:
    """Name the host that a test is about: each test runs on all of them."""
    return request.param


@pytest.fixture(scope="module")
def container(platform: str) -> str:
    """Return the name that .config/molecule/config.yml gives the container, as ansible_host."""
    checkout = hashlib.sha1(os.environ["MOLECULE_PROJECT_DIRECTORY"].encode(), usedforsecurity=False).hexdigest()
    return "molecule.%s.%s.%s" % (checkout[:8], os.environ["MOLECULE_SCENARIO_NAME"], platform)


@pytest.fixture(scope="module")
def host(container: str) -> testinfra.host.Host:
    """Reach a host through podman itself: ten times as fast as through Ansible."""
    return testinfra.get_host("podman://" + container)


@pytest.fixture(scope="module")
def untouched(platform: str) -> dict[str, dict[str, t.Any]]:
    """Return what the host was like before the first run, from shared/snapshot.yml."""
    return json.loads((EPHEMERAL / ("%s.untouched.json" % platform)).read_text())


@pytest.fixture(scope="module")
def login(container: str) -> t.Callable[[str, str], str]:
    """Return a function that runs a command in a real ssh session of a user, through PAM."""

    def run(user: str, command: str) -> str:
        ssh = ["ssh", "-F", "none", "-i", str(EPHEMERAL / "ssh_key"), "-l", user]
        ssh += ["-o", "ProxyCommand=podman exec -i %h /usr/local/sbin/ssh-session"]
        ssh += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        return subprocess.run(
            [*ssh, container, command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()

    return run


class Played(t.NamedTuple):
    """What a run of a playbook came to: for each host its last error message and the recap's counts."""

    status: int
    messages: dict[str, str]
    counts: dict[str, dict[str, int]]
    output: str


Play = t.Callable[..., Played]


@pytest.fixture(scope="module")
def play() -> Play:
    """Return a function that runs one of the playbooks on the scenario's hosts, as a person would."""

    def run(name: str, *options: str, **variables: object) -> Played:
        inventory = str(EPHEMERAL / "inventory")
        command = ["ansible-playbook", "-i", inventory, str(PLAYBOOKS / name), "-e", json.dumps(variables), *options]
        plain = os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "NO_COLOR": "1"}
        done = subprocess.run(
            command,
            env=plain,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        fatal = re.findall(r"^fatal: \[(\w+)\]: FAILED! => (\{.*\})$", done.stdout, re.MULTILINE)
        recap = re.findall(r"^(\w+) +: (ok=.*)$", done.stdout, re.MULTILINE)
        assert recap, done.stdout
        return Played(
            done.returncode,
            {host: json.loads(result)["msg"] for host, result in fatal},
            {host: {name: int(n) for name, n in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in recap},
            done.stdout,
        )

    return run
