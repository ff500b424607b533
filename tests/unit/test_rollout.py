# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fourtuple.clients.plugins.plugin_utils import rollout


def fleet(*states: str | None) -> dict[str, dict[str, t.Any]]:
    names = ["client%d" % number for number in range(len(states))]
    rows: dict[str, dict[str, t.Any]] = {
        name: {"tune_result": {"state": state}} if state else {} for name, state in zip(names, states, strict=True)
    }
    return {name: row | {"__tune_hosts": names} for name, row in rows.items()}


@pytest.mark.parametrize(
    ("states", "maximum", "stops"),
    [
        (["failed", "tuned", "tuned", "tuned"], 25, False),
        (["failed", "tuned", "tuned", "tuned"], 24, True),
        (["refused", "tuned"], 0, True),
        # The play broke off there.
        (["planned", "tuned"], 0, True),
        (["unreachable", "left alone", "tuned"], 0, False),
        (["failed", "refused"], 100, False),
        # As a variable given on the command line comes.
        (["failed", "tuned"], "49.9", True),
    ],
)
def test_a_run_stops_when_more_than_the_maximum_has_failed(states: list[str], maximum: t.Any, stops: bool) -> None:
    rows = fleet(*states)
    assert rollout.too_many_failed(rows, list(rows), maximum) is stops


def test_only_the_batch_counts() -> None:
    rows = fleet("failed", "failed", "tuned", "tuned")
    assert not rollout.too_many_failed(rows, ["client2", "client3"], 0)


def test_unreachable_hosts_are_tried_once_more_unless_the_run_stopped() -> None:
    rows = fleet("tuned", "unreachable", "failed", "unreachable")
    assert rollout.unreachable_hosts(rows, [*rows]) == ["client1", "client3"]
    # Another host of the inventory is not of the run.
    assert rollout.unreachable_hosts({**rows, "other": {}}, [*rows, "other"]) == ["client1", "client3"]
    stopped = fleet("unreachable", "failed", None)
    assert rollout.unreachable_hosts(stopped, [*stopped]) == []
    assert rollout.unreachable_hosts(fleet(None, None), ["client0", "client1"]) == []
