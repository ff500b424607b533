# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios share: the hosts, what they were like, and real logins on them."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import subprocess
import typing as t

import pytest
import testinfra
import yaml

EPHEMERAL = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
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
