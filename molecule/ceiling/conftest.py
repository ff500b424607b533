# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server in the host, a client that counts, and what the ceiling model predicts for it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t

import pytest

from ansible_collections.fourtuple.clients.plugins.plugin_utils.ceilings import ceilings

DESTINATIONS = ("198.51.100.10:7000", "198.51.100.10:7001")

Hold = t.Callable[[str, t.Sequence[str], int], tuple[int, list[str]]]


def _command(container: str, *options: str) -> list[str]:
    return ["podman", "exec", "--interactive", container, "hold_connections", *options]


@pytest.fixture(scope="module")
def server(container: str) -> t.Iterator[None]:
    """Listen on both destinations."""
    addresses = ["--destination=" + destination for destination in DESTINATIONS]
    command = _command(container, "--serve", "--limit=2000", *addresses)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert json.loads(process.stdout.readline())["listening"] == len(DESTINATIONS)
        yield
        # The end of its input ends the server.
        process.stdin.close()
        process.wait(timeout=10)


@pytest.fixture
def hold(container: str, server: None) -> Hold:  # noqa: ARG001 (the server has to run)
    """Return a function that opens all the connections that the kernel allows, and counts them there."""

    def run(binding: str, sources: t.Sequence[str], destinations: int) -> tuple[int, list[str]]:
        options = ["--binding=" + binding, *("--source=" + source for source in sources)]
        options += ["--destination=" + destination for destination in DESTINATIONS[:destinations]]
        done = subprocess.run(
            _command(container, *options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True
        )
        report = json.loads(done.stdout)
        assert report["opened"] == report["established"]
        return report["established"], report["ended_by"]

    return run


@pytest.fixture(scope="module")
def predict(platform: str) -> t.Callable[[str, int], int]:
    """Return a function that tells the ceiling which the model gives this host, as it is now."""
    inventory = str(pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory")
    command = ["ansible", platform, "-i", inventory, "-m", "fourtuple.clients.connection_limits_info"]
    plain = os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "0"}
    shown = subprocess.run(command, env=plain, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    limits = json.loads(shown.stdout.partition("=>")[2])["limits"]

    def run(binding: str, destinations: int) -> int:
        return ceilings(limits, {"binding": binding, "destinations": list(DESTINATIONS[:destinations])})["ceiling"]

    return run
