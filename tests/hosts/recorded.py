# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded hosts: reading one, making its folder, taking its snapshot."""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import json
import os
import pathlib
import re
import typing as t
from unittest import mock

HOSTS = pathlib.Path(__file__).parent


class Recording:
    """One host, as `record` or a person wrote it down; README.md describes the keys."""

    def __init__(self, content: dict[str, t.Any]) -> None:
        if "based_on" in content:
            content = _based_on(Recording.load(content["based_on"]).content, content)
        self.content = content

    @classmethod
    def load(cls, name: str) -> Recording:
        return cls(json.loads((HOSTS / (name + ".json")).read_text()))

    def materialise(self, root: pathlib.Path) -> None:
        """Lay the host's files below ``root``; an absolute link stays below it too."""
        links = self.content["links"]
        for folder, names in self.content["directories"].items():
            _below(root, folder).mkdir(parents=True, exist_ok=True)
            for name in names.split():
                entry = _below(root, folder) / name
                if name.endswith("/"):
                    entry.mkdir(exist_ok=True)
                elif "%s/%s" % (folder.rstrip("/"), name) not in links:
                    entry.touch()
        for path, target in links.items():
            _below(root, path).parent.mkdir(parents=True, exist_ok=True)
            inside = os.path.relpath(target, os.path.dirname(path)) if target.startswith("/") else target
            _below(root, path).symlink_to(inside)
        for path, text in _files(self.content).items():
            _below(root, path).parent.mkdir(parents=True, exist_ok=True)
            _below(root, path).write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
            if text.startswith("#!"):
                _below(root, path).chmod(0o755)

    def limits(self, root: pathlib.Path) -> dict[str, t.Any]:
        """Return the snapshot of the folder that materialise() made."""
        from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host
        from ansible_collections.fourtuple.clients.plugins.module_utils.snapshot import whole

        asked = whole.SnapshotRequest(**self.content["request"])
        with self._refusing(root):
            observed = self.content["observation"]
            return whole.snapshot(Host(str(root), observed["uid"]), observed, asked)

    @contextlib.contextmanager
    def _refusing(self, root: pathlib.Path) -> t.Iterator[None]:
        """Refuse below ``root`` what the host refused: tests run as root, whom no mode of a file keeps out."""
        refused = {str(root) + path: code for path, code in self.content["refused"].items()}

        def guarded(call: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
            def checked(path: t.Any, *arguments: t.Any, **options: t.Any) -> t.Any:
                code = refused.get(os.path.realpath(path)) if isinstance(path, str) and refused else None
                if code is not None:
                    raise PermissionError(getattr(errno, code), os.strerror(getattr(errno, code)), path)
                return call(path, *arguments, **options)

            return checked

        calls = [(builtins, "open"), (io, "open"), (os, "listdir")]
        with contextlib.ExitStack() as stack:
            for module, name in calls:
                stack.enter_context(mock.patch.object(module, name, guarded(getattr(module, name))))
            yield


def names() -> list[str]:
    """Return the names of all recorded hosts."""
    return sorted(path.stem for path in HOSTS.glob("*.json"))


def _files(content: dict[str, t.Any]) -> dict[str, str]:
    """Return the text of every file by path."""
    found = {path: "".join(lines) for path, lines in content["files"].items()}
    for path, others in content["copies"].items():
        found.update(dict.fromkeys(others, found[path]))
    return found


def _based_on(base: dict[str, t.Any], content: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return ``content`` with what it does not say itself from ``base``, less the paths that match ``without``."""
    without = re.compile("|".join("(?:%s)" % pattern for pattern in content["without"]))

    def rest(paths: dict[str, t.Any]) -> dict[str, t.Any]:
        return {path: value for path, value in paths.items() if not without.match(path)}

    def entries(folder: str, names: str) -> str:
        return " ".join(name for name in names.split() if not without.match("%s/%s" % (folder.rstrip("/"), name)))

    folders = {folder: entries(folder, names) for folder, names in rest(base["directories"]).items()}
    merged = {
        "observation": base["observation"] | content["observation"],
        "directories": folders | content["directories"],
        "links": rest(base["links"]) | content["links"],
        "files": rest(_files(base)) | content["files"],
        "copies": {},
        "refused": {},
    }
    return content | merged


def _below(root: pathlib.Path, path: str) -> pathlib.Path:
    return root / path.lstrip("/")
