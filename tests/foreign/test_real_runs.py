# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A few of the hosts once more, with the real playbooks and the real systemd-sysctl (tests/sandbox)."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from sandbox import Sandbox

HOSTS = pathlib.Path(__file__).parent / "hosts"
ASKED = {
    "tune_target_connections": 20000,
    "tune_destinations": 4,
    "tune_binding": "bind_no_port",
    "tune_users": ["root", "tester"],
}


@pytest.fixture
def start() -> t.Iterator[t.Callable[[str], Sandbox]]:
    started: list[Sandbox] = []

    def start(name: str) -> Sandbox:
        files = json.loads((HOSTS / (name + ".json")).read_text())["files"]
        # The image has Debian 12's link to sysctl.conf itself.
        theirs = {path: "".join(lines) for path, lines in files.items() if not path.startswith("/proc/")}
        theirs.pop("/etc/sysctl.d/99-sysctl.conf", None)
        started.append(Sandbox("bookworm", files=theirs))
        return started[-1]

    yield start
    for host in started:
        host.close()


def test_the_articles_host_is_mended_and_goes_back_once_the_line_is_repaired(start: t.Callable[[str], Sandbox]) -> None:
    host = start("article")
    assert host.values()["fs.nr_open"] == "210000"
    before = host.state()
    host.play("tune_clients.yml", **ASKED).expect(0)
    assert host.values()["fs.nr_open"] == "1048576"
    host.boot()
    assert host.values()["fs.nr_open"] == "1048576"
    tuned = host.state()
    refused = host.play("untune_clients.yml", **ASKED).expect(2)
    assert refused.message == (
        "systemd's built-in DefaultLimitNOFILE is 524288; allowed: at most 210000, fs.nr_open after the "
        "next reboot (/etc/sysctl.d/99-sysctl.conf:1). Set fs.nr_open in /etc/sysctl.d/99-sysctl.conf:1 to at least "
        "524288, or lower that limit; then run again."
    )
    assert host.state() == tuned
    host.write("/etc/sysctl.conf", "fs.nr_open=1048576\n")
    host.play("untune_clients.yml", **ASKED).expect(0)
    host.boot()
    after = host.state()
    assert after["key"] == before["key"] | {"fs.nr_open": "1048576"}
    assert after["file"].pop("/etc/sysctl.conf") != before["file"].pop("/etc/sysctl.conf")
    assert (after["file"], after["address"]) == (before["file"], before["address"])


def test_a_file_that_sorts_after_ours_is_named_and_nothing_is_changed(start: t.Callable[[str], Sandbox]) -> None:
    host = start("article-raised")
    before = host.state()
    refused = host.play("tune_clients.yml", **ASKED).expect(2)
    assert (
        "Either remove or raise fs.nr_open in /etc/sysctl.d/zz-tuning.conf:3, which beats the planned 1048576, or "
        "lower these limits to at most 210000." in refused.message
    )
    assert host.state() == before


def test_untuning_predicts_each_step_from_the_one_before() -> None:
    """In check mode the limits are still there, which need our nr_open; left there, they forbid to take it away."""
    asked = ASKED | {"tune_nofile_hard": 2000000}
    with Sandbox("bookworm") as host:
        host.play("tune_clients.yml", **asked).expect(0)
        tuned = host.state()
        checked = host.play("untune_clients.yml", "--check", **asked).expect(0)
        assert host.state() == tuned
        refused = host.play("untune_clients.yml", "--tags", "sysctl", **asked).expect(2)
        assert "is 2000000; allowed: at most 1048576" in refused.message
        assert "Take our limits back first" in refused.message
        assert (refused.counts["changed"], host.state()) == (0, tuned)
        assert host.play("untune_clients.yml", **asked).expect(0).counts["changed"] == checked.counts["changed"]
