# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tune_clients.yml through a fleet in batches, with hosts that fail in each way; and a second run that goes on."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from fleet import LIMITS, Fleet, Played

#: In the order of the batches: a canary that is not there, three hosts, and the rest.
IMAGES = {
    "dead": None,
    "refused": "bookworm",
    "lost": "trixie",
    "fine": "bookworm",
    "broken": "bookworm",
    "stuck": "trixie",
    "silent": "bookworm",
}
BATCHES = ("-e", '{"clients_serial": [1, 3, "100%"]}')
#: More than any host has.
TOO_MANY = {"refused": {"tune_target_connections": 4000000}}


class Rollout(t.NamedTuple):
    """The first run, in which hosts fail; what may lock somebody out after it; the second, after the repair."""

    first: Played
    offenders: dict[str, list[str]]
    limits: dict[str, str]
    second: Played


@pytest.fixture(scope="module")
def rollout(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Rollout]:
    folder: pathlib.Path = tmp_path_factory.mktemp("rolling")
    there = [host for host, image in IMAGES.items() if image]
    with Fleet(folder, IMAGES) as fleet:
        fleet.fill("broken")
        fleet.silence("silent")
        fleet.when_keys_are_written("lost", fleet.kill)
        fleet.when_keys_are_written("stuck", fleet.freeze)
        first = fleet.play(*BATCHES, hosts=TOO_MANY)

        fleet.thaw("stuck")
        fleet.let_speak("silent")
        fleet.start("lost")
        offenders = {host: fleet.lockout(host) for host in there}
        limits = {host: fleet.run(host, "ls /%s" % LIMITS) for host in there}
        fleet.empty("broken")
        # As the documentation has it: those that the report names, but for one that is not there.
        again = [host for host, verdict in first.verdicts.items() if verdict != "meets" and host != "dead"]
        yield Rollout(first, offenders, limits, fleet.play(*BATCHES, "--limit", ",".join([*again, "fine"])))


def test_every_host_has_its_verdict_and_the_rest_is_not_held(rollout: Rollout) -> None:
    assert rollout.first.verdicts == {
        "dead": "unreachable",
        "refused": "refused",
        "lost": "unreachable",
        "fine": "meets",
        "broken": "failed",
        "stuck": "unreachable",
        "silent": "unreachable",
    }
    totals = rollout.first.report["totals"]
    assert (totals["unreachable"], totals["no_result"], totals["meeting"]) == (4, 0, 1)


def test_each_message_says_why_and_how_to_go_on(rollout: Rollout) -> None:
    messages = rollout.first.messages
    assert "no such container" in messages["dead"]
    assert messages["refused"].startswith("tune_target_connections is 4000000; allowed: at most ")
    assert "No space left on device. Done: sysctl. Not done: limits, addresses. " in messages["broken"]
    assert "timed out during banner exchange" in messages["silent"]
    for host in ("lost", "stuck"):
        assert messages[host].startswith("Lost while it was being changed: ")
    for host in ("broken", "lost", "stuck"):
        assert "The host is in a safe state: run again to go on" in messages[host]
    # The table has them, too.
    printed = " ".join(rollout.first.output.replace('",', " ").replace('"', " ").split())
    for host in ("dead", "lost", "stuck", "silent"):
        assert "unreachable %s: " % host in printed


def test_ansible_says_the_same(rollout: Rollout) -> None:
    # 4: hosts that are still unreachable when they are tried once more.
    assert rollout.first.status == 4
    lost = {host for host, counts in rollout.first.counts.items() if counts["unreachable"]}
    failed = {host for host, counts in rollout.first.counts.items() if counts["failed"]}
    assert lost == {"dead", "lost", "stuck", "silent"}
    assert failed == {"refused", "broken"}


def test_no_host_is_left_unsafe(rollout: Rollout) -> None:
    assert {host: lines for host, lines in rollout.offenders.items() if lines} == {}
    # In the safe order: keys, and no limits where it broke off between them.
    assert "fourtuple" not in rollout.limits["broken"]
    assert "fourtuple" not in rollout.limits["refused"]
    assert "fourtuple" in rollout.limits["fine"]


def test_a_second_run_goes_on_and_changes_nothing_where_the_first_was_done(rollout: Rollout) -> None:
    second = rollout.second
    assert second.status == 0, second.output
    assert set(second.verdicts.values()) == {"meets"}
    assert second.counts["fine"]["changed"] == 0
    assert second.counts["broken"]["changed"] == 1
    assert "dead" not in second.verdicts
