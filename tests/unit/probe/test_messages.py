# Copyright (c) 2026, the fourtuple.clients contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe's processes say to each other comes as it went, and nothing else does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fourtuple.clients.plugins.module_utils.probe import messages
from ansible_collections.fourtuple.clients.plugins.module_utils.probe.pieces import Piece

NUMBER = st.integers(0, 2**40)
PORT = st.integers(1, 65535)
REPORT = st.builds(
    messages.Report,
    NUMBER,
    NUMBER,
    st.dictionaries(st.integers(1, 133), NUMBER, max_size=4),
    st.none() | st.integers(1, 133),
    NUMBER,
    st.booleans(),
    st.booleans(),
    st.lists(NUMBER, max_size=5),
    st.booleans(),
    st.none() | NUMBER,
    st.none() | NUMBER,
)
PIECE = st.builds(
    Piece,
    st.none() | st.just("192.0.2.1") | st.just("2001:db8::1"),
    st.lists(st.tuples(st.just("198.51.100.1"), PORT), min_size=1, max_size=3),
    st.none() | st.tuples(PORT, PORT),
    NUMBER,
)
MESSAGE = st.one_of(
    st.builds(messages.Open, PIECE),
    st.builds(messages.Finish, st.floats(0, 1e6)),
    st.builds(messages.Ask, NUMBER, st.floats(0, 1e6)),
    REPORT,
)


@given(MESSAGE)
def test_every_message_comes_as_it_went(message):
    came = messages.decode(messages.encode(message))
    assert type(came) is type(message)
    assert came == message


def test_the_largest_report_fits_into_a_packet():
    answers = messages.Report(microseconds=[10**9] * 2000, errors=dict.fromkeys(range(1, 134), 10**9))
    assert len(messages.encode(answers)) < 1 << 16 < messages.MAX_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"7",
        b"\xff",
        b'["Close"]',
        b'["Open"]',
        b'["Open", 7]',
        b'["Open", [null, [["a"]], null, 1]]',
        b'["Finish", 1, 2]',
        json.dumps(["Report", *messages.Report(errors={})._replace(errors=7)]).encode(),
        b'["Report"]',
    ],
)
def test_anything_else_is_refused(data):
    with pytest.raises(ValueError, match="no message of a probe"):
        messages.decode(data)
