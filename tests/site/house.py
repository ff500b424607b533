# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody's own repository: a site.yml with roles of his own, and of ours among them."""

from __future__ import annotations

import json
import pathlib
import subprocess
import typing as t

import yaml
from sandbox import Played, Sandbox

#: What most hosts here ask for. It raises nr_open above Debian's, and takes no address.
NEED = {"tune_target_connections": 30000, "tune_nofile_hard": 1200000}

Tasks = list[dict[str, t.Any]]


class Site:
    """A repository of plays and roles, and one host."""

    def __init__(self, folder: pathlib.Path, host: Sandbox) -> None:
        self.folder, self.host = folder, host
        self._plays = 0

    def role(self, name: str, tasks: Tasks) -> None:
        """Write a role of the house."""
        folder = self.folder / "roles" / name / "tasks"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "main.yml").write_text(yaml.safe_dump(tasks))

    def play(self, play: dict[str, t.Any], *options: str, **variables: object) -> Played:
        """Run a play on the host, whose inventory has these variables."""
        done = self._run(play, *options, **variables)
        return Played(done.returncode, done.stdout + done.stderr)

    def json(self, play: dict[str, t.Any], **variables: object) -> list[dict[str, t.Any]]:
        """Return what a callback prints that prints nothing but JSON."""
        callback = {
            "ANSIBLE_CALLBACK_PLUGINS": str(pathlib.Path(__file__).with_name("callback")),
            "ANSIBLE_STDOUT_CALLBACK": "json_lines",
        }
        done = self._run(play, environment=callback, **variables)
        assert done.returncode == 0, done.stderr
        return t.cast("list[dict[str, t.Any]]", json.loads(done.stdout))

    def _run(
        self,
        play: dict[str, t.Any],
        *options: str,
        environment: t.Mapping[str, str] | None = None,
        **variables: object,
    ) -> subprocess.CompletedProcess[str]:
        self._plays += 1
        path = self.folder / ("site%d.yml" % self._plays)
        path.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, **play}]))
        command, clean = self.host.play_command(path, *options, **variables)
        clean |= {"ANSIBLE_ROLES_PATH": str(self.folder / "roles")} | dict(environment or {})
        return subprocess.run(command, env=clean, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
