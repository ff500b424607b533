# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook starts from a plain checkout of any name, at its root and inside playbooks/, and installed."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest

if t.TYPE_CHECKING:
    from conftest import Run

#: All in one run of ansible-playbook, which ends at the first that it does not understand.
PLAYBOOKS = sorted(path.stem for path in pathlib.Path(__file__).parents[2].glob("playbooks/*.yml"))
AT_THE_ROOT = ["playbooks/%s.yml" % name for name in PLAYBOOKS]
MODULES = sorted(path.stem for path in pathlib.Path(__file__).parents[2].glob("plugins/modules/*.py"))
ROLES = sorted(path.name for path in pathlib.Path(__file__).parents[2].glob("roles/*"))


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("inventory") / "hosts.ini"
    path.write_text("client ansible_host=192.0.2.1\n")
    return path


def test_at_the_root_of_a_checkout(run: Run, copied_checkout: pathlib.Path, inventory: pathlib.Path) -> None:
    run("ansible-playbook", *AT_THE_ROOT, "-i", inventory, "--syntax-check", cwd=copied_checkout)


def test_inside_playbooks_of_a_checkout(run: Run, copied_checkout: pathlib.Path, inventory: pathlib.Path) -> None:
    paths = ["%s.yml" % name for name in PLAYBOOKS]
    run("ansible-playbook", *paths, "-i", inventory, "--syntax-check", cwd=copied_checkout / "playbooks")


def test_installed(run: Run, collections: pathlib.Path, inventory: pathlib.Path, tmp_path: pathlib.Path) -> None:
    names = ["fourtuple.clients." + name for name in PLAYBOOKS]
    command = ("ansible-playbook", *names, "-i", inventory, "--syntax-check")
    run(*command, cwd=tmp_path, ANSIBLE_COLLECTIONS_PATH=str(collections))


def test_the_modules_are_documented_from_a_checkout(run: Run, copied_checkout: pathlib.Path) -> None:
    names = ["fourtuple.clients." + module for module in MODULES]
    said = run("ansible-doc", "--playbook-dir", "playbooks", "--type", "module", *names, cwd=copied_checkout).stdout
    assert set(re.findall(r"^> MODULE (\S+)", said, re.MULTILINE)) == set(names)


def test_the_modules_are_documented_when_installed(run: Run, collections: pathlib.Path, tmp_path: pathlib.Path) -> None:
    listed = run("ansible-doc", "--list", "fourtuple.clients", cwd=tmp_path, ANSIBLE_COLLECTIONS_PATH=str(collections))
    assert set(re.findall(r"^fourtuple\.clients\.(\w+)", listed.stdout, re.MULTILINE)) == set(MODULES)


def test_the_roles_are_documented_when_installed(run: Run, collections: pathlib.Path, tmp_path: pathlib.Path) -> None:
    command = ("ansible-doc", "--type", "role", "--list", "fourtuple.clients")
    listed = run(*command, cwd=tmp_path, ANSIBLE_COLLECTIONS_PATH=str(collections))
    assert set(re.findall(r"fourtuple\.clients\.(\w+)", listed.stdout)) == set(ROLES)


def test_the_first_use_of_the_readme_inside_the_checkout(
    run: Run, copied_checkout: pathlib.Path, inventory: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Built and installed in the checkout, twice; the checkout is left as it is, and what is installed is found."""
    readme = (copied_checkout / "README.md").read_text()
    commands = readme[readme.index("## First use") :].partition("```console\n")[2].partition("```")[0].splitlines()
    assert [command.split()[:3] for command in commands] == [
        ["ansible-galaxy", "collection", "build"],
        ["ansible-galaxy", "collection", "install"],
    ]
    before = sorted(path for path in copied_checkout.rglob("*") if "__pycache__" not in path.parts)
    for again in ("", " --force"):
        for command in commands:
            said = run("bash", "-c", command + again, cwd=copied_checkout, HOME=str(tmp_path)).stdout
            assert "Nothing to do" not in said
    (built,) = copied_checkout.glob("fourtuple-clients-*.tar.gz")
    built.unlink()
    assert sorted(path for path in copied_checkout.rglob("*") if "__pycache__" not in path.parts) == before
    listed = run("ansible-galaxy", "collection", "list", "fourtuple.clients", cwd=copied_checkout, HOME=str(tmp_path))
    assert str(tmp_path / ".ansible/collections") in listed.stdout
    name = "fourtuple.clients.audit_clients"
    run("ansible-playbook", name, "-i", inventory, "--syntax-check", cwd=copied_checkout, HOME=str(tmp_path))
