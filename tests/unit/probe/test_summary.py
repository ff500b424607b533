# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe says of itself; with real connections, test_connection_probe.py."""

from __future__ import annotations

import errno

import pytest

from ansible_collections.fourtuple.clients.plugins.module_utils.probe import constraints, summary, worker_process

REACHED = {"established": 100, "opened": 100, "first_limit": None, "sampled": 100, "alive": 100}


@pytest.mark.parametrize(
    ("figures", "connecting", "asking", "said"),
    [
        ({}, {}, {}, "100 of 100 connections are established."),
        (
            {},
            {errno.ECONNREFUSED: 12, errno.EADDRNOTAVAIL: 1},
            {},
            "100 of 100 connections are established. Attempts failed, and others took their place: EADDRNOTAVAIL once "
            "(no port was left to try there), "
            "ECONNREFUSED 12 times (the destination, or something on the way, refused).",
        ),
        (
            {"established": 80, "opened": 80, "first_limit": "four_tuples", "sampled": 80, "alive": 80},
            {errno.EADDRINUSE: 2},
            {},
            "80 of 100 connections are established; four_tuples ended it. Attempts failed: EADDRINUSE 2 times (no port "
            "was left to try there).",
        ),
        (
            {"alive": 97},
            {},
            {errno.ECONNRESET: 2, errno.ETIMEDOUT: 1},
            "100 of 100 connections are established. 97 of 100 connections answered; "
            "the others met ECONNRESET 2 times, ETIMEDOUT once.",
        ),
        (
            {"established": 60, "alive": 0},
            {},
            {},
            "60 of 100 connections are established, 100 were opened. 0 of 100 connections answered.",
        ),
        (
            {},
            {errno.EPERM: 1, 4095: 1},
            {},
            "100 of 100 connections are established. Attempts failed, and others took their place: EPERM once "
            "(Operation not permitted), 4095 once (Unknown error 4095).",
        ),
    ],
)
def test_what_it_came_to(figures, connecting, asking, said):
    assert summary.message({**REACHED, **figures}, 100, connecting, asking) == said


@pytest.mark.parametrize("number", sorted(worker_process.FULL | worker_process.EXHAUSTED | set(constraints.OF_ERROR)))
def test_every_error_that_means_a_limit_is_explained(number):
    assert number in summary._MEANINGS


def test_errors_have_their_names():
    assert summary.by_name({4095: 1, errno.EMFILE: 3}) == {"EMFILE": 3, "4095": 1}
