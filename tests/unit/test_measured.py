# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fourtuple.clients.plugins.filter.measured import FilterModule
from ansible_collections.fourtuple.clients.plugins.plugin_utils import measured


def probe(established, alive=10, sampled=10):
    return {"established": established, "alive": alive, "sampled": sampled, "first_limit": None, "errors": {}}


def ceilings(ceiling, binding="four_tuples"):
    return {"ceiling": ceiling, "binding_constraint": binding}


@pytest.mark.parametrize(
    ("established", "ceiling", "binding", "target", "predicted", "as_predicted"),
    [
        (100, 100, "four_tuples", 200, 100, True),
        (99, 100, "four_tuples", 200, 100, False),
        (101, 100, "nofile", 200, 100, False),
        (91, 100, "memory", 200, 100, True),
        (89, 100, "memory", 200, 100, False),
        # The target ends it before any limit does, so memory is no excuse.
        (50, 100, "memory", 50, 50, True),
        (49, 100, "memory", 50, 50, False),
        (50, None, None, 50, 50, True),
        (0, 0, "tasks", 50, 0, True),
        (1, 0, "tasks", 50, 0, False),
    ],
)
def test_measured_against_predicted(established, ceiling, binding, target, predicted, as_predicted):
    found = measured.compare(probe(established), ceilings(ceiling, binding), target)
    assert (found["predicted"], found["as_predicted"]) == (predicted, as_predicted)
    assert found["established"] == established


def test_every_connection_has_to_answer():
    assert measured.compare(probe(5, 10, 10), ceilings(5), 5)["all_alive"] is True
    assert measured.compare(probe(5, 9, 10), ceilings(5), 5)["all_alive"] is False


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({}, "The probe has not come back: the host was lost, or the run was cut short."),
        ({"msg": "prove_rate is -1"}, "prove_rate is -1"),
    ],
)
def test_a_probe_that_did_not_finish(answer, message):
    found = measured.compare(answer, ceilings(10), 5, ["responder", "responder"])
    assert (found["message"], found["established"], found["predicted"]) == (message, None, 5)
    assert not found["as_predicted"]
    assert found["sinks"] == ["responder"]


def test_what_is_wrong_is_said():
    answer = {**probe(9, 3, 4), "first_limit": "timeout", "errors": {"ETIMEDOUT": 2, "EPIPE": 1}}
    assert measured.compare(answer, ceilings(20), 10)["message"] == (
        "9 connections were established, 10 were predicted (timeout ended it). 3 of 4 connections answered. "
        "Errors: ETIMEDOUT 2 times, EPIPE 1 times."
    )
    assert measured.compare(probe(10), ceilings(20), 10)["message"] == ""


def test_the_filter():
    assert FilterModule().filters()["measured"](probe(9), ceilings(10), 10)["deviation"] == -0.1
