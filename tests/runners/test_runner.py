# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-runner: the commands and the program of docs/engines.md, on a disposable host."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from sandbox import Sandbox

if t.TYPE_CHECKING:
    from conftest import Run

    Example = t.Callable[[str, str], str]

ASKED = {"tune_target_connections": 30000}


@pytest.fixture(scope="module")
def host() -> t.Iterator[Sandbox]:
    with Sandbox("bookworm") as sandbox:
        yield sandbox


def test_a_run_and_what_it_leaves_to_read(
    run: Run,
    runner_programs: pathlib.Path,
    collections: pathlib.Path,
    host: Sandbox,
    tmp_path: pathlib.Path,
    example: Example,
) -> None:
    """The first run by the command, a second one and a refused one by the program."""
    made = tmp_path / "fleet"
    for folder in (made / "inventory", made / "project", tmp_path / ".ansible"):
        folder.mkdir(parents=True)
    inventory = made / "inventory/hosts.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {"client": host.connection() | ASKED}}}))
    (tmp_path / ".ansible/collections").symlink_to(collections)
    path = {"HOME": str(tmp_path), "PATH": "%s:/usr/sbin:/usr/bin:/sbin:/bin" % runner_programs}
    command, *read = example("console", "ansible-runner run").splitlines()
    assert "client" in run("bash", "-ec", command, cwd=tmp_path, **path).stdout
    artifacts = made / "artifacts/first"
    assert [(artifacts / name).read_text() for name in ("rc", "status")] == ["0", "successful"]
    assert str(host.key("net.ipv4.ip_local_port_range")).split() == ["1024", "65535"]
    for line in read:
        assert "ok=" in run("bash", "-ec", line, cwd=tmp_path, **path).stdout
    (report,) = json.loads((made / "report/report.json").read_text())["hosts"]
    assert (report["host"], report["target"]) == ("client", 30000)

    program = tmp_path / "tune.py"
    program.write_text(example("python", "ansible_runner.run"))
    second = run(runner_programs / "python", program, cwd=tmp_path, **path).stdout.splitlines()
    assert second == ["successful, changed: none"]
    refused = host.connection() | ASKED | {"tune_processes": 0}
    inventory.write_text(json.dumps({"all": {"hosts": {"client": refused}}}))
    third = run(runner_programs / "python", program, cwd=tmp_path, **path).stdout.splitlines()
    assert third[0] == "failed, changed: none"
    assert third[1].startswith("client: tune_processes is 0; allowed: a whole number from 1 to 1000000.")
