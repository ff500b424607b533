# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What connect.yml has found on the two hosts, and what is left on one."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
import testinfra

Result = dict[str, t.Any]


def _measured(host: str) -> Result:
    folder = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
    return json.loads((folder / ("measured.%s.json" % host)).read_text())


@pytest.fixture(scope="session")
def exact() -> Result:
    """Return what the host of few ports held."""
    return _measured("bookworm")


@pytest.fixture(scope="session")
def stock() -> Result:
    """Return what the host held that begins with the kernel's own port range."""
    return _measured("trixie")


@pytest.fixture(scope="module")
def nothing_left(host: testinfra.host.Host) -> t.Callable[[], list[str]]:
    """Return a function that names what probes and sinks have left on a host."""

    def run() -> list[str]:
        shown = host.check_output("grep -lE '^(fourtuple|plain)' /proc/[0-9]*/comm; ls -d /run/fourtuple; true")
        shown += host.check_output("grep -lE 'connection_(probe|sink)' /proc/[0-9]*/cmdline; true")
        (tcp,) = (line for line in host.file("/proc/net/sockstat").content_string.splitlines() if line[:4] == "TCP:")
        # inuse and tw: neither a connection nor one in TIME_WAIT; these hosts have no listeners of their own.
        words = tcp.split()
        counted = dict(zip(words[1::2], words[2::2], strict=True))
        return [*shown.split(), *("%s %s" % (name, counted[name]) for name in ("inuse", "tw") if counted[name] != "0")]

    return run
