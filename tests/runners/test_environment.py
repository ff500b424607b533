# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An execution environment: the build context that ansible-builder makes of meta/execution-environment.yml."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import typing as t

import pytest
import yaml

if t.TYPE_CHECKING:
    from conftest import Run

ROOT = pathlib.Path(__file__).parents[2]
DEFINITION = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text())


@pytest.fixture(scope="module")
def context(
    run: Run, builder_programs: pathlib.Path, collections: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """The build context, by the page's command, of somebody who has the collection installed."""
    page = (ROOT / "docs/engines.md").read_text()
    (command,) = re.findall(r"^ansible-builder create (?:.*\\\n)*.*$", page, re.MULTILINE)
    folder = tmp_path_factory.mktemp("builder")
    (folder / ".ansible").mkdir()
    (folder / ".ansible/collections").symlink_to(collections)
    run("bash", "-ec", command, cwd=folder, HOME=str(folder), PATH="%s:/usr/bin:/bin" % builder_programs)
    return folder / "context"


def test_the_context_holds_what_the_collection_needs(context: pathlib.Path) -> None:
    containerfile = (context / "Containerfile").read_text()
    assert 'ARG EE_BASE_IMAGE="%s"' % DEFINITION["images"]["base_image"]["name"] in containerfile
    assert 'ARG ANSIBLE_INSTALL_REFS="ansible-core>=2.16 ansible-runner==' in containerfile
    assert "openssh-client" in containerfile.partition("FROM base AS galaxy")[0]
    wanted = yaml.safe_load((context / "_build/requirements.yml").read_text())
    assert wanted == DEFINITION["dependencies"]["galaxy"]


def test_it_names_this_release_and_the_pinned_runner() -> None:
    readme = (ROOT / "README.md").read_text()
    (requirement,) = DEFINITION["dependencies"]["galaxy"]["collections"]
    assert requirement["name"] in readme
    release = DEFINITION["dependencies"]["ansible_core"]["package_pip"].removeprefix("ansible-core")
    assert yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["requires_ansible"].startswith(release)
    pins = (ROOT / "tests/runners/requirements-runner.txt").read_text().splitlines()
    assert DEFINITION["dependencies"]["ansible_runner"]["package_pip"] in pins


def test_others_learn_that_it_needs_no_package(
    run: Run, context: pathlib.Path, builder_programs: pathlib.Path, collections: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """introspect.py is what ansible-builder runs in the image, over all collections there; it would see one."""

    def found(folder: pathlib.Path) -> t.Any:
        command = (builder_programs / "python", context / "_build/scripts/introspect.py", "introspect", folder)
        return yaml.safe_load(run(*command, cwd=context).stdout)

    assert found(collections) == {"python": [], "system": []}
    ours = tmp_path / "ansible_collections/fourtuple/clients"
    shutil.copytree(collections / ours.relative_to(tmp_path), ours)
    needy = DEFINITION | {"dependencies": DEFINITION["dependencies"] | {"python": "requirements.txt"}}
    (ours / "meta/execution-environment.yml").write_text(json.dumps(needy))
    (ours / "requirements.txt").write_text("something==1\n")
    assert found(tmp_path)["python"][0].startswith("something==1")
