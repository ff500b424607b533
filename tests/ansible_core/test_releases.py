# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks with each release of ansible-core that the collection supports: to a host, all come to the same.

Before 2.19 a template makes an empty text of a null and text of a number, and with native Jinja it does not.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t
import venv

import pytest
from sandbox import CHECKOUT, PASSING, Sandbox

HERE = pathlib.Path(__file__).parent
RELEASES = sorted(path.stem.removeprefix("requirements-") for path in HERE.glob("requirements-*.txt"))
#: The newest Python that a release is made for (docs.ansible.com, ansible-core support matrix).
NEWEST_PYTHON = {"2.16": (3, 12), "2.17": (3, 12), "2.18": (3, 13)}

ASKED = {
    "tune_target_connections": 100000,
    "tune_destinations": 4,
    "tune_binding": "bind_no_port",
    "tune_processes": 4,
    "tune_users": ["tester"],
    "tune_units": ["client.service"],
    "tune_address_pool": ["198.51.100.0/24"],
    "tune_slot": 3,
    "tune_slot_size": 4,
    "tune_sysctl_values": {"net.ipv4.tcp_fin_timeout": 30},
}
#: What a run may leave that is no setting of the host.
NO_SETTINGS = (*PASSING, "/etc/ld.so.cache", "/etc/.pwd.lock")

State = dict[str, dict[str, str]]


@pytest.fixture
def controller(tmp_path_factory: pytest.TempPathFactory) -> t.Callable[[str], pathlib.Path]:
    """Return a function that installs a release of ansible-core, and returns where its programs are.

    Not in the checkout, whose path may have a blank: before 2.19 Ansible does not quote the path of its own Python.
    """

    def install(release: str) -> pathlib.Path:
        folder = tmp_path_factory.mktemp("ansible-core-" + release)
        venv.create(folder, with_pip=True)
        requirements = HERE / ("requirements-%s.txt" % release)
        command = [folder / "bin/pip", "install", "--quiet", "--no-deps", "--requirement", requirements]
        subprocess.run(command, check=True)
        return folder / "bin"

    return install


def settings(host: Sandbox) -> State:
    state = host.state()
    files = {path: text for path, text in state["file"].items() if not path.startswith(NO_SETTINGS)}
    return {**state, "file": files}


def life(host: Sandbox, folder: pathlib.Path, environment: t.Mapping[str, str]) -> dict[str, t.Any]:
    """Audit, check, tune, tune again, audit and untune a host; return what came of it."""

    def play(name: str, status: int, *options: str) -> dict[str, int]:
        return host.play(name, *options, environment=environment, **ASKED).expect(status).counts

    before = settings(host)
    play("audit_clients.yml", 2)
    checked = play("tune_clients.yml", 0, "--check", "--diff")
    assert settings(host) == before
    tuned = play("tune_clients.yml", 0, "-e", "report_dir=%s" % folder)
    after = settings(host)
    assert play("tune_clients.yml", 0)["changed"] == 0
    audited = play("audit_clients.yml", 0)
    assert settings(host) == after
    untuned = play("untune_clients.yml", 0)
    assert settings(host) == before
    report = json.loads((folder / "report.json").read_text())
    assert (folder / "report.html").exists()
    changed = [counts["changed"] for counts in (checked, tuned, audited, untuned)]
    return {"changed": changed, "after": after, "report": [steady(host) for host in report["hosts"]]}


def steady(row: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return of a host's row what does not depend on what else runs on the machine, which decides its memory."""
    facts = {name: type(value) if name == "memory" else value for name, value in row["host_facts"].items()}
    ceilings = {
        name: {"binds": row[name]["binding_constraint"], "target": row[name]["target"], "keys": sorted(row[name])}
        | {one["name"]: one["scope"] for one in row[name]["constraints"]}
        for name in ("before", "predicted", "after")
    }
    return {**row, "host_facts": facts, **ceilings}


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, t.Any]:
    """What comes of it with the ansible-core of the test environment."""
    with Sandbox("bookworm") as host:
        return life(host, tmp_path_factory.mktemp("newest"), {})


@pytest.mark.parametrize(
    ("release", "native"),
    [
        # The oldest in both ways, and between it and the newest nothing is known to be otherwise.
        pytest.param(
            release,
            native,
            marks=[
                # With the Python of Debian 12, which CI has, none is left out.
                pytest.mark.skipif(
                    sys.version_info[:2] > NEWEST_PYTHON[release],
                    reason="ansible-core %s is made for Python up to %d.%d" % (release, *NEWEST_PYTHON[release]),
                ),
                *([pytest.mark.nightly] if release != RELEASES[0] else []),
            ],
        )
        for release in RELEASES
        for native in (False, True)
    ],
)
def test_a_release_does_to_a_host_what_the_newest_does(
    controller: t.Callable[[str], pathlib.Path],
    newest: dict[str, t.Any],
    tmp_path: pathlib.Path,
    release: str,
    native: bool,
) -> None:
    path = "%s:%s" % (controller(release), os.environ["PATH"])
    environment = {"PATH": path, "ANSIBLE_JINJA2_NATIVE": str(native)}
    with Sandbox("bookworm") as host:
        version = subprocess.run(
            ["ansible-playbook", "--version"],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        assert "[core %s." % release in version
        assert life(host, tmp_path, environment) == newest


def test_the_releases_are_those_that_the_collection_says() -> None:
    oldest = RELEASES[0]
    assert '">=%s.0"' % oldest in (CHECKOUT / "meta/runtime.yml").read_text()
    for path in CHECKOUT.glob("roles/*/meta/main.yml"):
        assert 'min_ansible_version: "%s"' % oldest in path.read_text()
    assert "ansible-core %s or later" % oldest in (CHECKOUT / "README.md").read_text()
    newest = re.search(r"^ansible-core==(\d+\.\d+)", (CHECKOUT / "tests/requirements.txt").read_text(), re.MULTILINE)
    assert newest is not None
    first, last = (int(release.partition(".")[2]) for release in (oldest, newest[1]))
    assert ["2.%d" % minor for minor in range(first, last)] == RELEASES
