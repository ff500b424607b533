# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder that stands for a host, which all tests of files share (the fixture ``host``)."""

from __future__ import annotations

import os
import pathlib
import typing as t


class HostFolder:
    """A folder that stands for a host: what the code under test reads and writes lies below it."""

    def __init__(self, root: pathlib.Path) -> None:
        self.path = root
        self.root = str(root)

    def below(self, path: str) -> pathlib.Path:
        """Return where the host's ``path`` is on this machine."""
        return self.path / path.lstrip("/")

    def put(self, path: str, text: str) -> None:
        target = self.below(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, newline="")
        if text.startswith("#!"):
            target.chmod(0o755)

    def text(self, path: str) -> str:
        return self.below(path).read_text()

    def exists(self, path: str) -> bool:
        """Tell whether there is anything, be it a link to nothing."""
        return os.path.lexists(self.below(path))

    def sysctl(self, **keys: int | str) -> None:
        """Set live keys; two underscores stand for a dot: ``fs__nr_open=1048576``."""
        for key, value in keys.items():
            self.set_key(key.replace("__", "."), str(value))

    def set_key(self, key: str, value: str) -> None:
        self.put("/proc/sys/" + key.replace(".", "/"), value + "\n")

    def look(self, live: bool = False, uid: int = 0) -> t.Any:
        """Return a look at it, for the code under test; ``live``: as at a running host."""
        # Not before the collection's place is known.
        from ansible_collections.fourtuple.clients.plugins.module_utils.host.host import Host

        return Host(self.root, uid, live)

    def live(self, key: str) -> str:
        """Return a key's value as people write it, with a blank between two numbers."""
        return " ".join(self.text("/proc/sys/" + key.replace(".", "/")).split())


def no_programs() -> t.Any:
    """Return the programs of a host that has none, for the code under test."""
    from ansible_collections.fourtuple.clients.plugins.module_utils.apply.programs import Programs

    def run(words: t.Sequence[str], _data: str | None) -> tuple[int, str, str]:
        raise AssertionError(words)

    return Programs(lambda _name: None, run)
