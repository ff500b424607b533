# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user downloads: everything that the collection needs, and nothing of its development."""

from __future__ import annotations

import json
import pathlib
import tarfile

import pytest

WANTED = {
    "LICENSE",
    "README.md",
    "meta/execution-environment.yml",
    "meta/runtime.yml",
    "plugins/modules/sysctl_apply.py",
    "roles/tune/tasks/main.yml",
}
TOP_LEVEL = {
    "CHANGELOG.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "changelogs",
    "docs",
    "meta",
    "playbooks",
    "plugins",
    "roles",
}


@pytest.fixture(scope="module")
def members(tarball: pathlib.Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(tarball) as archive:
        return {member.name: member for member in archive.getmembers()}


def test_holds_what_the_collection_needs(members: dict[str, tarfile.TarInfo], checkout: pathlib.Path) -> None:
    playbooks = {"playbooks/" + path.name for path in checkout.glob("playbooks/*.yml")}
    assert playbooks
    assert members.keys() >= WANTED | playbooks


def test_holds_nothing_of_the_development(members: dict[str, tarfile.TarInfo]) -> None:
    assert {name.partition("/")[0] for name in members} <= TOP_LEVEL
    hidden = [name for name in members if any(part.startswith(".") for part in pathlib.PurePath(name).parts)]
    compiled = [name for name in members if name.endswith(".pyc") or "__pycache__" in name]
    links = [name for name, member in members.items() if member.issym() or member.islnk()]
    assert (hidden, compiled, links) == ([], [], [])
    assert not [name for name in members if name.startswith(("playbooks/collections", "changelogs/fragments"))]


def test_depends_on_nothing(tarball: pathlib.Path) -> None:
    with tarfile.open(tarball) as archive:
        manifest = archive.extractfile("MANIFEST.json")
        assert manifest is not None
        information = json.load(manifest)["collection_info"]
    assert information["dependencies"] == {}
    assert information["license"] == ["GPL-3.0-or-later"]
